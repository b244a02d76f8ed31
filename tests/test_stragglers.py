"""Stragglers: composed runs with known ones, runs of noise with none, and logs that do not let it be known."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy import stats

import llmstats
from llmstats import query
from llmstats.answers import _rank_shapes, _stragglers
from llmstats.answers._rank_shapes import Layout, shape, spans
from llmstats.answers._rank_times import RankTimes
from llmstats.errors import QueryError
from llmstats.records import Run
from llmstats.store import Store

from .rank_times import in_step, logged, put, usual, xtuner_tree
from .store_deltas import Source, fresh_store, points
from .test_queries_throughput import records


@pytest.fixture
def store(tmp_path):
    return fresh_store(tmp_path / "s.duckdb")


def ask(store: Store, name: str = "stragglers", **given: Any) -> list[dict[str, Any]]:
    with store.reading() as con:
        return query.rows(con, name, given)


def brief(rows: list[dict[str, Any]]) -> list[tuple]:
    return [(r["kind"], r["shape"], r["ranks"], r["phase"], r["first_step"], r["last_step"]) for r in rows]


# --------------------------------------------------------------------------- ranks that wait for each other


def test_a_late_loader_is_the_one_and_not_its_peers(store):
    """All 15 peers of rank 11 log long steps, since they wait for it in the collective."""
    data, work = usual(16, 300)
    data[150:160, 11] += 5
    put(store, "a", data, in_step(data, work), device_count=16)
    rows = ask(store)
    assert brief(rows) == [("one-off", "one rank", [11], "data", 151, 160)]
    (row,) = rows
    waited = sum(data[t, 11] - np.delete(data[t], 11).max() for t in range(150, 160))
    assert row["excess_seconds"] == pytest.approx(waited)
    assert row["chip_hours"] == pytest.approx(waited * 15 / 3600)
    assert row["share"] == pytest.approx(waited / (data + work).max(axis=1)[10:].sum())
    assert (row["steps"], row["ranks_logged"], row["devices"]) == (10, 16, 16)
    assert row["source"] == f"/w/a/rank11.log:{101 + 150 + int(data[150:160, 11].argmax())}"
    assert row["definition"] == "step_time@excl_data"


@pytest.mark.parametrize("later", [0, 1])
def test_peers_that_wait_while_others_do_not_are_no_stragglers(store, later):
    """Only the group of the late rank waits for it within its step, at once or one step later."""
    data, work = usual(16, 300)
    data[100:103, 5] += 4
    work[100 + later : 103 + later, [4, 6, 7]] += 4
    put(store, "a", data, work)
    assert brief(ask(store)) == [("one-off", "one rank", [5], "data", 101, 103)]


def test_beyond_what_a_late_peer_explains_a_rank_is_slow_itself(store):
    data, work = usual(16, 300)
    data[100:103, 5] += 1
    work[100:103, 9] += 4
    put(store, "a", data, work)
    assert brief(ask(store)) == [
        ("one-off", "one rank", [9], "compute", 101, 103), ("one-off", "one rank", [5], "data", 101, 103),
    ]  # fmt: skip


@pytest.mark.parametrize("size", ["even", "uneven"])
@pytest.mark.parametrize("share", [0.5, 0.6, 0.7, 0.85, 1.0])
@pytest.mark.parametrize(("ranks", "late"), [(2, [1]), (4, [1]), (8, [2, 5]), (16, range(8, 16))])
def test_however_often_a_loader_is_late_its_peers_do_not_compute_slowly(ranks, late, share, size):
    """In half of the steps, in most, in all; by 3 s of 4 or by up to 6 s."""
    rng = np.random.default_rng(7)
    data, work = usual(ranks, 300)
    by = np.where(rng.random(300) < share, 3 if size == "even" else rng.uniform(0.5, 6, 300), 0)
    data[:, list(late)] += by[:, None]
    found = _stragglers.find(table(data, in_step(data, 4 * work)), 0.2, 0.02, 0.7)
    assert {f.phase for f in found} == {"data"}
    assert {r for f in found for r in f.ranks} == set(late)


def test_a_slow_computer_hides_among_those_who_wait_for_it(store):
    data, work = usual(8, 300)
    work[200:220, 3] += 2
    put(store, "a", data, in_step(data, work), device_count=8)
    (row,) = ask(store)
    assert brief([row]) == [("all ranks", "all", None, "unknown", 201, 220)]
    assert row["excess_seconds"] == pytest.approx(40, rel=0.02)
    assert row["chip_hours"] == pytest.approx(row["excess_seconds"] * 8 / 3600)
    assert "the log does not tell which" in row["reason"]


def test_logged_communication_finds_it(store):
    """The same training, with the time that each rank spent waiting in the collective beside its step."""
    data, work = usual(8, 300)
    work[200:220, 3] += 2
    own = in_step(data, work)
    run = Run("a", "/w/a", kind="training")
    put(store, "a", data, own)
    waits = [points("a", range(1, 301), {"gradient_sync_time": own[:, r] - work[:, r]}, rank=r) for r in range(8)]
    store.commit([Source(f"/w/a/wait{r}.json").replace(run, p) for r, p in enumerate(waits)])
    assert ("one-off", "one rank", [3], "compute", 201, 220) in brief(ask(store))


def test_shared_storage_and_a_shared_network(store):
    data, work = usual(8, 300)
    data[100:110] += 3
    put(store, "disk", data, in_step(data, work))
    assert brief(ask(store)) == [("all ranks", "all", None, "data", 101, 110)]


# --------------------------------------------------------------------------- habits


def test_a_rank_that_is_always_behind(store):
    data, work = usual(8, 400)
    work[:, 6] += 0.05
    put(store, "a", data, work)
    (row,) = ask(store)
    assert brief([row])[0][:4] == ("chronic", "one rank", [6], "compute")
    cost = sum(max(0, work[t, 6] - np.delete(work[t], 6).max()) for t in range(10, 400))
    assert row["excess_seconds"] == pytest.approx(cost, rel=0.01)


def test_a_chronic_rank_in_the_second_half_is_not_chronic(store):
    data, work = usual(8, 400)
    work[200:, 6] += 0.5
    put(store, "a", data, work)
    assert brief(ask(store)) == [("one-off", "one rank", [6], "compute", 201, 400)]


def test_a_rank_that_is_always_behind_until_it_stops_logging(store):
    data, work = usual(8, 200)
    data[:100, 5] += 3
    deltas = logged("a", {"data": data, "apart": in_step(data, work)}, device_count=8)
    deltas[5].items[1:] = logged("a", {"data": data[:100], "apart": in_step(data, work)[:100]})[5].items[1:]
    store.commit(deltas)
    assert brief(ask(store)) == [("chronic", "one rank", [5], "data", 11, 100)]


def test_two_ranks_in_turn_are_no_noise(store):
    """Each is late in every second step: half of the differences between neighbours are wild."""
    data, work = usual(8, 200)
    data[0::2, 2] += 3
    data[1::2, 5] += 3
    put(store, "a", data, in_step(data, 4 * work))
    assert {(r["kind"], *r["ranks"], r["phase"]) for r in ask(store)} == {
        ("recurring", 2, "data"), ("recurring", 5, "data"),
    }  # fmt: skip


def test_recurring_beyond_chance(store):
    data, work = usual(16, 500)
    for t in (50, 130, 222, 301, 444):
        data[t, 9] += 2
    for t, r in ((80, 3), (350, 12)):
        data[t, r] += 2
    put(store, "a", data, in_step(data, work))
    rows = ask(store)
    assert [(r["kind"], r["ranks"], r["episodes"]) for r in rows] == [
        ("recurring", [9], 5), ("one-off", [12], 1), ("one-off", [3], 1),
    ]  # fmt: skip
    assert (rows[0]["first_step"], rows[0]["last_step"], rows[0]["steps"]) == (51, 445, 5)


def test_ranks_that_take_turns_are_scattered(store):
    rng = np.random.default_rng(3)
    data, work = usual(16, 1000)
    for t in rng.choice(np.arange(20, 1000), 60, replace=False):
        data[t, rng.integers(16)] += 0.5 + rng.random()
    put(store, "a", data, in_step(data, work))
    rows = ask(store)
    assert sorted({r["kind"] for r in rows}) == ["one-off", "scattered"]
    assert len([r for r in rows if r["kind"] == "one-off"]) == 10
    assert sum(r["episodes"] for r in rows) == pytest.approx(60, abs=3)
    few = ask(store, most=2)
    assert sum(r["excess_seconds"] for r in few) == pytest.approx(sum(r["excess_seconds"] for r in rows))
    assert len(few) == 3
    # Whoever is late, the 15 others wait for it.
    assert [r["chip_hours"] for r in few] == pytest.approx([r["excess_seconds"] * 15 / 3600 for r in few])


# --------------------------------------------------------------------------- shapes


@pytest.mark.parametrize(("ranks", "facts", "name", "says"), [
    (range(8, 16), {"node_count": 4, "device_count": 32}, "node 1", None),
    ([*range(8, 16), *range(24, 32)], {"node_count": 4, "device_count": 32}, "nodes 1, 3", None),
    (range(8, 16), {}, "contiguous", None),
    (range(4, 8), {"config": {"nproc_per_node": 4}}, "node 1", None),
    (range(4, 8), {"environment": {"LOCAL_WORLD_SIZE": "4"}}, "node 1", None),
    (range(4, 8), {"parallelism": "tp4-pp2"}, "contiguous", "a tensor-parallel group (tp=4)"),
    (range(16, 32), {"parallelism": "tp4-pp2"}, "contiguous", "a pipeline stage (pp=2)"),
    (range(3, 32, 8), {"node_count": 4, "device_count": 32}, "every 8th", "the same device of each node"),
    (range(1, 32, 4), {"parallelism": "tp4"}, "every 4th", "the same place in each tensor-parallel group"),
    ([2, 5, 19], {}, "several ranks", None),
])  # fmt: skip
@pytest.mark.parametrize("chronic", [True, False])
def test_shapes(store, ranks, facts, name, says, chronic):
    data, work = usual(32, 200)
    work[slice(0, 200) if chronic else slice(100, 110), list(ranks)] += 0.5
    put(store, "a", data, work, **facts)
    (row,) = ask(store)
    assert (row["kind"], row["shape"], row["ranks"]) == ("chronic" if chronic else "one-off", name, list(ranks))
    assert says is None or says in row["reason"]


def test_a_slow_half_is_seen(store):
    """One of two nodes: no majority of ranks is needed as yardstick."""
    data, work = usual(16, 200)
    data[:, 8:] += 0.5
    put(store, "a", data, work, device_count=16, node_count=2)
    assert brief(ask(store))[0][:4] == ("chronic", "node 1", list(range(8, 16)), "data")


def test_nodes_by_parameter(store):
    data, work = usual(16, 200)
    data[50:60, 4:8] += 2
    put(store, "a", data, work)
    assert [r["shape"] for r in ask(store)] == ["contiguous"]
    assert [r["shape"] for r in ask(store, per_node=4)] == ["node 1"]


@pytest.mark.parametrize(("size", "n"), [(2, 8), (3, 8), (4, 10)])
def test_the_chance_of_a_shape_is_counted(size, n):
    sets = list(combinations(range(n), size))
    rows = sum(s[-1] - s[0] == size - 1 for s in sets)
    even = sum(len(set(np.diff(s))) == 1 and s[1] - s[0] > 1 for s in sets)
    assert _rank_shapes._share(size, n, 1) == pytest.approx(rows / len(sets))
    assert _rank_shapes._share(size, n, 2) == pytest.approx(even / len(sets))


def test_a_coincidence_is_no_group():
    layout = Layout(tuple(range(16)), None)
    assert shape([4, 5], layout, by_chance=0) == "contiguous"
    assert shape([4, 5], layout, by_chance=1) == "several ranks"
    assert shape([4, 5, 6, 7], layout, by_chance=1) == "contiguous"
    assert spans([3, 8, 9, 10, 12]) == "3, 8–10, 12"


@pytest.mark.parametrize(
    ("k", "n", "p"), [(3, 3, 1 / 64), (5, 40, 1 / 8), (1, 10, 0.5), (0, 5, 0.1), (90, 2000, 1 / 32)]
)
def test_binomial_tail_is_scipys(k, n, p):
    assert _stragglers.binomial_tail(k, n, p) == pytest.approx(stats.binom.sf(k - 1, n, p), rel=1e-9)


# --------------------------------------------------------------------------- noise


def table(data: np.ndarray, own: np.ndarray) -> RankTimes:
    steps, ranks = data.shape
    return RankTimes(
        np.arange(ranks), np.arange(1, steps + 1), data + own, data, own, None, True, True,
        np.zeros(data.shape, np.int64), {},
    )  # fmt: skip


def gaussian(rng: np.random.Generator, steps: int, ranks: int) -> RankTimes:
    return table(
        np.abs(0.02 + 0.01 * rng.standard_normal((steps, ranks))), 1 + 0.05 * rng.standard_normal((steps, ranks))
    )


def wandering(rng: np.random.Generator, steps: int, ranks: int) -> RankTimes:
    """Each rank's own time drifts (AR(1) of 0.99) by 1 %."""
    noise = rng.standard_normal((steps, ranks)) * 0.01 * math.sqrt(1 - 0.99**2)
    own = np.zeros((steps, ranks))
    for t in range(1, steps):
        own[t] = 0.99 * own[t - 1] + noise[t]
    return table(np.full((steps, ranks), 0.01), 1 + own)


def unlike(rng: np.random.Generator, steps: int, ranks: int) -> RankTimes:
    """Ranks differ by design, evenly, by up to 4 %."""
    return table(
        np.full((steps, ranks), 0.01),
        1 + rng.permutation(np.linspace(0, 0.04, ranks)) + 0.01 * rng.standard_normal((steps, ranks)),
    )


def heavy(rng: np.random.Generator, steps: int, ranks: int) -> RankTimes:
    """Waits for data are log-normal: in some steps somebody really waits long, but anybody."""
    data = 0.01 * np.exp(rng.standard_normal((steps, ranks)))
    return table(data, in_step(data, 1 + 0.01 * rng.standard_normal((steps, ranks))))


@pytest.mark.parametrize(
    ("noise", "ranks"),
    [(gaussian, 2), (gaussian, 8), (gaussian, 64), (wandering, 2), (wandering, 8), (wandering, 64), (unlike, 8),
     (unlike, 64)],
)  # fmt: skip
def test_no_alarm_in_noise(noise, ranks):
    """40 runs of 500 steps each: at most one of them (2.5 %) says anything."""
    rng = np.random.default_rng(11)
    alarms = [_stragglers.find(noise(rng, 500, ranks), 0.2, 0.02, 0.7) for _ in range(40)]
    assert sum(map(bool, alarms)) <= 1


@pytest.mark.parametrize("ranks", [2, 8, 64])
def test_no_habit_is_read_into_chance(ranks):
    """Real waits of random ranks are reported, yet at most one run in twenty names a habit or a group."""
    rng = np.random.default_rng(12)
    named = 0
    for _ in range(100):
        found = _stragglers.find(heavy(rng, 600, ranks), 0.2, 0.02, 0.7)
        shapes = [shape([int(r) for r in f.ranks], Layout(tuple(range(ranks)), None), f.by_chance) for f in found]
        named += any(f.kind in ("chronic", "recurring") for f in found) or any(
            s == "contiguous" or s.startswith("every") for s in shapes
        )
    assert named <= 10, "5 expected; 10 or more has a chance of 3 %"


# --------------------------------------------------------------------------- what is not there


def torn(rng: np.random.Generator) -> RankTimes | None:
    """A short table with holes: single values, whole ranks, whole steps; None where no two ranks share two steps."""
    steps, ranks = int(rng.integers(2, 60)), int(rng.integers(2, 12))
    data = np.abs(rng.standard_normal((steps, ranks))) * rng.choice([0, 0.01, 1])
    own = 1 + rng.standard_normal((steps, ranks)) * rng.choice([0, 0.01, 0.5])
    for part in (data, own):
        part[rng.random(part.shape) < rng.choice([0, 0.1, 0.9])] = np.nan
        part[rng.integers(steps), rng.integers(ranks)] = 50
        part[:, rng.integers(ranks) if rng.random() < 0.2 else []] = np.nan
        part[rng.integers(steps) if rng.random() < 0.2 else []] = np.nan
    times = table(data, own)
    times.total = np.where(np.isnan(own), np.nan, np.nan_to_num(data) + own)
    times.data = data if rng.random() < 0.8 and not np.isnan(data).all() else None
    times.communication = np.abs(own) / 10 if rng.random() < 0.3 else None
    return times if times.shared > 1 else None


def test_holes_everywhere():
    """Warnings are errors here: nothing is divided by nothing, and each finding has ranks, steps and a cost."""
    rng = np.random.default_rng(5)
    tables = [times for _ in range(300) if (times := torn(rng))]
    found = [f for times in tables for f in _stragglers.fewer(_stragglers.find(times, 0.2, 0.02, 0.7), 3)]
    assert len(tables) > 150
    assert len(found) > 100
    assert all(f.ranks and len(f.steps) and 0 <= f.lost < math.inf for f in found)


def test_values_that_are_no_numbers_and_ranks_that_miss_steps(store):
    data, work = usual(8, 300)
    data[150:160, 2] += 5
    work[40, 3], work[41, 3], work[42, 3], data[43, 3] = np.nan, np.inf, -1, np.nan
    deltas = logged("a", {"data": data, "apart": work})
    deltas[7].items[1:] = logged("a", {"data": data[:100], "apart": work[:100]})[7].items[1:]
    store.commit(deltas)
    assert brief(ask(store)) == [("one-off", "one rank", [2], "data", 151, 160)]


def test_rates_alone(store):
    rates = 1000 * (1 + 0.01 * np.random.default_rng(0).standard_normal((200, 8)))
    rates[100:105, 4] /= 3
    store.commit(logged("a", {"tgs": rates}))
    (row,) = ask(store)
    assert brief([row]) == [("one-off", "one rank", [4], "unknown", 101, 105)]
    assert (row["excess_seconds"], row["chip_hours"]) == (None, None)
    assert row["share"] == pytest.approx(5 * 2 / 200, rel=0.15)


def test_records_stand_for_the_steps_between_them(store):
    data, work = usual(8, 200)
    data[100:103, 1] += 2
    put(store, "a", data, work, every=10)
    (row,) = ask(store)
    assert (row["first_step"], row["last_step"], row["steps"]) == (1010, 1030, 3)
    assert row["excess_seconds"] == pytest.approx(60, rel=0.02)


def test_what_cannot_be_told(store):
    data, work = usual(1, 50)
    store.commit(logged("zero", {"data": data, "apart": work}, device_count=8))
    store.commit(logged("one", {"data": data, "apart": work}, device_count=1))
    run = Run("bare", "/w/bare", kind="training")
    store.commit([Source("/w/bare/x.log").replace(run, points("bare", range(1, 51), {"step_time": work[:, 0]}))])
    two, more = usual(2, 50)
    put(store, "fine", two, more)
    assert {r["run_id"]: (r["kind"], r["reason"]) for r in ask(store)} == {
        "zero": ("cannot tell", "only rank 0 logged its steps"),
        "one": ("none", "one device: nobody waits for another"),
        "bare": ("cannot tell", "only one process logged its steps"),
        "fine": ("none", "no rank of 2 stood out in 40 steps"),
    }


@pytest.mark.parametrize(("steps", "every", "records"), [(12, 1, 6), (29, 1, 19), (20, 10, 10)])
def test_too_few_records_to_say_that_nobody_is_always_behind(store, steps, every, records):
    data, work = usual(8, steps)
    data[:, 5] += 3
    put(store, "a", data, in_step(data, 4 * work), every=every)
    (row,) = ask(store)
    assert (row["kind"], row["steps_logged"]) == ("cannot tell", records)
    assert row["reason"] == f"at most {records} records of a rank to compare after the warm-up; 20 are needed"


def test_a_rank_with_too_few_records_is_not_judged(store):
    data, work = usual(8, 200)
    data[:, 5] += 3
    deltas = logged("a", {"data": data, "apart": in_step(data, work)})
    deltas[5].items[1:] = logged("a", {"data": data[:25], "apart": in_step(data, work)[:25]})[5].items[1:]
    store.commit(deltas)
    (row,) = ask(store)
    assert (row["kind"], row["reason"]) == (
        "none", "no rank of 7 stood out in 190 steps; rank 5 not judged: too few records (20 are needed)",
    )  # fmt: skip


@pytest.mark.parametrize(("facts", "devices"), [({}, None), ({"device_count": 32}, 32)])
def test_ranks_that_logged_are_not_all_devices(store, facts, devices):
    """One rank of each of four nodes logs."""
    data, work = usual(4, 200)
    data[:, 1] += 3
    run = Run("a", "/w/a", kind="training", **facts)
    own = in_step(data, work)
    store.commit([
        Source(f"/w/a/rank{8 * r}.log").replace(
            run, records("a", {"data": data[:, r], "apart": own[:, r]}, 200, rank=8 * r)
        )
        for r in range(4)
    ])  # fmt: skip
    (row,) = ask(store)
    assert (row["kind"], row["ranks"], row["ranks_logged"], row["devices"]) == ("chronic", [8], 4, devices)
    assert row["chip_hours"] == (None if devices is None else pytest.approx(row["excess_seconds"] * 31 / 3600))
    assert ("only ranks 0, 8, 16, 24 logged (--label device_count=N says it)" in row["reason"]) == (devices is None)


def test_times_that_are_all_zero(store):
    data, _ = usual(2, 50)
    put(store, "a", 0 * data, 0 * data)
    (row,) = ask(store)
    assert (row["kind"], row["steps_logged"]) == ("cannot tell", 0)


def test_ranks_that_never_logged_the_same_step(store):
    deltas = logged("a", {"apart": usual(2, 50)[1]})
    deltas[1].items[1:] = [records("a", {"apart": 1.0}, 50, first=51, rank=1)]
    store.commit(deltas)
    (row,) = ask(store, warmup=0)
    assert (row["kind"], row["reason"]) == (
        "cannot tell", "the ranks that logged have no step in common after the warm-up",
    )  # fmt: skip


def test_a_rank_that_logs_no_data_wait_is_not_judged_by_it(store):
    """Its step cannot be split, so its long wait is not taken for computing."""
    data, work = usual(8, 200)
    data += 0.5
    store.commit(logged("a", {"data": data, "time": data + work}))
    other = logged("b", {"data": data, "time": data + work})
    other[3].items[1:] = logged("b", {"time": data + work})[3].items[1:]
    store.commit(other)
    assert {r["run_id"]: (r["kind"], r["reason"]) for r in ask(store)} == {
        "a": ("none", "no rank of 8 stood out in 190 steps"),
        "b": ("none", "no rank of 7 stood out in 190 steps; rank 3 not judged: too few records (20 are needed)"),
    }


def test_communication_that_one_rank_does_not_log_is_left_in(store):
    data, work = usual(4, 200)
    put(store, "a", data, work + 0.5)
    run = Run("a", "/w/a", kind="training")
    for r in (0, 1, 2):
        waits = points("a", range(1, 201), {"gradient_sync_time": np.full(200, 0.5)}, rank=r)
        store.commit([Source(f"/w/a/wait{r}.json").replace(run, waits)])
    assert [r["kind"] for r in ask(store)] == ["none"]


@pytest.mark.parametrize(("parameter", "value"), [
    ("slower", 0.9), ("chronic", 0.3), ("drop", 0.2), ("warmup", 0.5), ("per_node", 4), ("most", 1), ("pick", "b"),
])  # fmt: skip
def test_every_parameter_changes_the_answer(store, parameter, value):
    data, work = usual(16, 400)
    data[20:30, 4:8] += 0.5
    data[300, 3] += 0.5
    work[:, 1] += 0.2
    work[350:360] += 1
    put(store, "a", data, work)
    put(store, "b", *usual(4, 100))
    assert ask(store, **{parameter: value}) != ask(store)


@pytest.mark.parametrize(("parameter", "value"), [
    ("slower", -0.1), ("slower", math.inf), ("chronic", -0.1), ("chronic", math.inf), ("drop", 0), ("drop", 2),
    ("warmup", -1), ("per_node", -1), ("most", -1),
])  # fmt: skip
def test_what_cannot_be_is_refused(store, parameter, value):
    put(store, "a", *usual(4, 100))
    with pytest.raises(QueryError, match=f"^--{parameter.replace('_', '-')} "):
        ask(store, **{parameter: value})


# --------------------------------------------------------------------------- XTuner V1's own files


@pytest.mark.parametrize("form", [{}, {"new": False, "image": True}, {"image": True}])
def test_rank_files_of_xtuner(tmp_path, form):
    """Text-only runs and the keys of July 2026 included, on which the analyzer in XTuner's tree finds nothing."""
    data, work = usual(8, 120)
    data[60:65, 3] += 8
    xtuner_tree(tmp_path / "w", data, in_step(data, work), **form)
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(tmp_path / "w")
    answer = db.query("stragglers")
    (row,) = [dict(zip(answer.columns, r, strict=True)) for r in answer.rows]
    assert brief([row]) == [("one-off", "one rank", [3], "data", 61, 65)]
    path, _, line = row["source"].rpartition(":")
    assert path.endswith("/toy/20260821100000/logs/rank3.log")
    assert 61 <= int(line) <= 65
    (drop,) = db.query("drops").df().to_dict("records")
    assert (drop["first_step"], drop["last_step"], drop["cause"], list(drop["ranks"])) == (61, 65, "data wait", [3])


def test_a_rank_with_more_to_do(tmp_path):
    data, work = usual(8, 120)
    attention = np.full(data.shape, 0.1)
    work[60:65, 4:6] += 2
    attention[60:65, 4:6] = 0.8
    xtuner_tree(tmp_path / "w", data, work, attention=attention)
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(tmp_path / "w")
    answer = db.query("stragglers")
    (row,) = [dict(zip(answer.columns, r, strict=True)) for r in answer.rows]
    assert (row["ranks"], row["shape"], row["phase"]) == ([4, 5], "contiguous", "compute")
    assert "8 times the attention work (attention_pack_ratio) of the others" in row["reason"]


def test_a_resume_in_the_same_files(tmp_path):
    """Both attempts are judged; a stall in the steps that were done again is seen in the attempt that had it."""
    data, work = usual(8, 200)
    data[92, 6] += 9
    xtuner_tree(tmp_path / "w", data, in_step(data, work), resume_at=80)
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(tmp_path / "w")
    answer = db.query("stragglers")
    rows = [dict(zip(answer.columns, r, strict=True)) for r in answer.rows]
    assert {(r["run_id"], *r["ranks"], r["first_step"]) for r in rows} == {
        ("toy/20260821100000", 6, 93), ("toy/20260821100000#2", 6, 93),
    }  # fmt: skip
