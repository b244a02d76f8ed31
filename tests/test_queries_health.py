"""Spikes, values that are no numbers, restarts, and how far ranks lie apart: against plain loops."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from llmstats.records import Event, Run
from llmstats.store import Store

from .store_deltas import SECOND, Source, fresh_store, points


@pytest.fixture
def store(tmp_path):
    return fresh_store(tmp_path / "s.duckdb")


def rows(store: Store, question: str) -> list[dict[str, Any]]:
    with store.reading() as con:
        relation = con.sql(question)
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def put(store: Store, name: str, values: dict[str, Sequence[float]], precision: str = "full", **more: Any) -> None:
    """A run ``name`` of one file whose step s stands on line s + 100."""
    facts = {k: more.pop(k) for k in list(more) if k not in ("phase", "rank", "clock")}
    events = facts.pop("events", [])
    n = len(next(iter(values.values())))
    steps = facts.pop("steps", range(1, n + 1))
    run = Run(name, f"/w/{name}", kind="training", **facts)
    store.commit([Source(f"/w/{name}/x.log").replace(run, points(name, steps, values, precision, **more), *events)])


# --------------------------------------------------------------------------- spikes


def loop_spikes(values: Sequence[float], z: float, size: float, neighbours: int) -> list[tuple[int, float, int | None]]:
    """(first step, peak, steps to recovery) of a positive series of full precision, by a plain loop."""
    x = [math.log(v) for v in values]
    off: list[float] = [math.nan]
    mids = [math.nan]
    flagged = []
    for i in range(1, len(x)):
        mids.append(statistics.median(x[max(0, i - neighbours) : i]))
        off.append(x[i] - mids[i])
        if i < 20:
            continue
        low, mid, high = np.quantile(
            [v for v in off[max(0, i - neighbours) : i] if not math.isnan(v)], [0.25, 0.5, 0.75]
        )
        deviation = max((high - low) / 1.349, 0.005)
        level = math.exp(mids[i] + mid)
        if off[i] - mid >= z * deviation and values[i] - level >= size * level:
            calm = math.exp(mids[i] + mid + 2 * deviation)
            flagged.append((i, next((j for j in range(i + 1, len(x)) if values[j] <= calm), None)))
    found: list[tuple[int, float, int | None]] = []
    while flagged:
        first, back = flagged[0]
        inside = [i for i, _ in flagged if back is None or i < back]
        found.append((first + 1, max(values[i] for i in inside), None if back is None else back - first))
        flagged = [f for f in flagged if f[0] not in inside]
    return found


def curve(n: int = 600, seed: int = 0, noise: float = 0.02) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (1.5 + 2 * np.exp(-np.arange(n) / 80)) * np.exp(noise * rng.standard_normal(n))


def spiked() -> np.ndarray:
    values = curve()
    values[200] *= 3  # one value
    values[300:306] *= [4, 3.5, 2, 1.9, 1.5, 1.3]  # a slow return
    values[590:] *= 5  # never came back
    return values


@pytest.mark.parametrize("neighbours", [30, 100])
@pytest.mark.parametrize("z", [5.0, 8.0])
def test_spikes_are_those_of_a_plain_loop(store, z, neighbours):
    values = spiked()
    put(store, "a", {"loss": values})
    found = rows(store, f"FROM spikes(z := {z}, neighbours := {neighbours})")
    expected = loop_spikes(values.tolist(), z, 0.1, neighbours)
    assert [(r["first_step"], r["peak"], r["recovery_steps"]) for r in found] == expected
    assert [(r["first_step"], r["recovery_steps"]) for r in found if r["z"] > 15] == [(201, 1), (301, 6), (591, None)]
    assert found[0]["source"] == "/w/a/x.log:301"
    assert found[-1]["note"] == "not back by step 600, the last"
    assert {r["values_judged"] for r in found} == {580}
    assert found[0]["ratio"] == pytest.approx(values[200] / found[0]["usual"])


def test_no_spikes_in_noise(store):
    """60 runs of loss with 2 % noise and of a gradient norm with 40 %: 36,000 values each and no alarm."""
    for seed in range(60):
        put(store, f"r{seed}", {"loss": curve(seed=seed), "grad_norm": curve(seed=seed + 100, noise=0.4)})
    assert rows(store, "FROM spikes()") == []


def test_the_steps_of_a_rounded_log_are_no_spikes(store):
    values = np.where(np.random.default_rng(1).random(500) < 0.03, 0.0012, 0.0010)
    put(store, "a", {"loss": values}, "4")
    assert rows(store, "FROM spikes()") == []
    put(store, "b", {"loss": values}, "full")
    assert rows(store, "FROM spikes(pick := 'b')") != [], "the same values in full precision do stand out"


def test_a_series_that_may_be_negative_is_judged_as_it_is(store):
    values = np.random.default_rng(2).standard_normal(300)
    values[150] = 40
    put(store, "a", {"reward": values})
    (found,) = rows(store, "FROM spikes(series := 'reward')")
    assert (found["first_step"], found["peak"], found["recovery_steps"]) == (151, 40, 1)


def test_values_that_are_no_numbers_are_stretches(store):
    values = curve()
    values[99:102] = [np.nan, np.inf, np.nan]
    values[400] = -np.inf
    values[598:] = np.nan
    put(store, "a", {"loss": values}, clock=True)
    found = rows(store, "FROM spikes()")
    assert [(r["kind"], r["first_step"], r["values_high"], r["recovery_steps"]) for r in found] == [
        ("NaN", 100, 3, 3), ("Inf", 401, 1, 1), ("NaN", 599, 2, None),
    ]  # fmt: skip
    assert [r["time"].timestamp() for r in found] == [100, 401, 599]


def test_a_spike_that_was_rolled_back_is_seen(store):
    values = spiked()[:320]
    put(store, "t/1", {"loss": values}, experiment="t", started_at=0)
    put(
        store,
        "t/2",
        {"loss": values[250:300]},
        steps=range(251, 301),
        experiment="t",
        started_at=SECOND,
        resumed_from=250,
    )
    found = rows(store, "FROM spikes()")
    assert [(r["run_id"], r["first_step"]) for r in found] == [("t/1", 201), ("t/1", 301)]


# --------------------------------------------------------------------------- values that are no numbers


def test_non_finite_counts_every_series(store):
    loss = np.array([1, np.nan, np.nan, 2, np.inf, -np.inf, np.nan, 3, 4, np.nan])
    put(store, "a", {"loss": loss, "other": np.ones(10), "grad_norm": np.r_[np.ones(9), np.inf]}, rank=3)
    found = {r["metric"]: r for r in rows(store, "FROM non_finite()")}
    assert set(found) == {"loss", "grad_norm"}
    r = found["loss"]
    assert (r["not_finite"], r["nan"], r["infinite"], r["values"], r["longest"]) == (6, 4, 2, 10, 3)
    assert (r["first_step"], r["last_step"], r["ends"], r["rank"]) == (2, 10, True, 3)
    assert (r["source"], r["last_source"]) == ("/w/a/x.log:102", "/w/a/x.log:110")
    assert rows(store, "FROM non_finite(series := 'loss')") == [r]


def test_iterations_that_the_log_counts_as_nan(store):
    put(store, "a", {"nan_iterations": [0, 2, 0, 1, 0]})
    put(store, "b", {"nan_iterations": [0, 0, 0]})
    (r,) = rows(store, "FROM non_finite()")
    assert (r["run_id"], r["not_finite"], r["first_step"], r["last_step"], r["said_by"]) == (
        "a", 3, 2, 4, "the log's own count",
    )  # fmt: skip


# --------------------------------------------------------------------------- restarts


def attempts(store: Store, *, clock: bool = True, reason: Sequence[Event] = ()) -> None:
    """Attempt 1 logs steps 1-100, attempt 2 resumes from 60 and starts 1,000 s later."""
    run = {"experiment": "t", "device_count": 16}
    put(store, "t/1", {"loss": np.ones(100), "step_time": np.full(100, 2.5)}, started_at=0, clock=clock,
        events=list(reason), **run)  # fmt: skip
    second = Run("t/2", "/w/t/2", kind="training", started_at=1100 * SECOND, resumed_from=60, **run)
    later = points("t/2", range(61, 121), {"loss": np.ones(60)})
    later.times = np.arange(1130, 1190) * SECOND if clock else None
    events = [Event("t/2", "resume", "resumed from 60", 7, None, 60)]
    store.commit([Source("/w/t/2/x.log").replace(second, later, *events)])


def test_what_a_restart_cost(store):
    attempts(store)
    (r,) = rows(store, "FROM restarts()")
    assert (r["run_id"], r["before"], r["attempt"], r["kept_step"], r["redone_steps"]) == ("t/2", "t/1", 2, 60, 40)
    assert (r["redone_seconds"], r["clock"], r["gap_seconds"], r["startup_seconds"]) == (40, "logged", 1000, 30)
    assert (r["redone_chip_hours"], r["idle_chip_hours"]) == pytest.approx((40 * 16 / 3600, 1030 * 16 / 3600))
    assert (r["cause"], r["source"]) == ("cannot tell: the log ends without a word", "/w/t/2/x.log:7")


@pytest.mark.parametrize("clock", [True, False])
def test_nested_restarts_against_a_plain_loop(store, clock):
    """Each restart undoes what lies beyond its checkpoint, whichever earlier attempt had done it."""
    rng, expected, total = np.random.default_rng(12), {}, {}
    trees = {"three": [(0, 1000), (600, 800), (400, 1500)], "empty": [(0, 100), (50, 50), (30, 90), (60, 95)]}
    for tree in range(8):
        reach, trees[f"r{tree}"] = 0, []
        for _ in range(6):
            start = int(rng.integers(0, reach)) if reach else 0
            reach = start + int(rng.integers(20, 120))
            trees[f"r{tree}"].append((max(start, 1) if trees[f"r{tree}"] else 0, reach))
    for tree, attempts in trees.items():
        alive: list[int] = []  # the steps that the training has behind it
        for i, (kept, last) in enumerate(attempts):
            run = Run(f"{tree}/{i}", f"/w/{tree}/{i}", kind="training", experiment=tree, started_at=i * 10**5 * SECOND,
                      resumed_from=kept or None)  # fmt: skip
            if i:
                expected[run.name] = sum(step > kept for step in alive)
                total[tree] = total.get(tree, 0) + expected[run.name]
            steps = list(range(kept + 1, last + 1))
            alive = [step for step in alive if step <= kept] + steps
            logged = points(run.name, steps, {"loss": np.ones(len(steps)), "step_time": np.full(len(steps), 2.0)})
            logged.times = (i * 10**5 + 60 + 2 * np.arange(len(steps))) * SECOND if clock else None
            store.commit([Source(f"/w/{tree}/{i}/x.log").replace(run, *([logged] if steps else []))])
    found = {r["run_id"]: r for r in rows(store, "FROM restarts()")}
    assert {k: r["redone_steps"] for k, r in found.items()} == expected
    assert {k: r["redone_seconds"] for k, r in found.items()} == {k: 2 * n for k, n in expected.items()}
    assert {r["clock"] for r in found.values() if r["redone_steps"]} == {"logged" if clock else "step times"}
    said = {r["experiment"]: (r["steps_redone"], r["seconds_redone"] or 0) for r in rows(store, "FROM convergence()")}
    assert said == {tree: (n, 2 * n) for tree, n in total.items()}
    assert total["three"] == 800


def test_a_clock_that_goes_back_gives_no_idle_time(store):
    put(store, "t/1", {"loss": np.ones(100)}, experiment="t", started_at=0, clock=True, device_count=8)
    put(store, "t/2", {"loss": np.ones(50)}, steps=range(51, 101), experiment="t", started_at=40 * SECOND,
        resumed_from=50, device_count=8)  # fmt: skip
    (r,) = rows(store, "FROM restarts()")
    assert r["reason"] == "it started before the last record of the attempt before"
    assert (r["gap_seconds"], r["idle_chip_hours"], r["redone_steps"]) == (None, None, 50)


def test_without_a_clock_steps_stand_for_seconds(store):
    attempts(store, clock=False)
    (r,) = rows(store, "FROM restarts()")
    assert (r["redone_seconds"], r["clock"], r["startup_seconds"]) == (pytest.approx(40 * 2.5), "step times", None)


def test_a_step_time_without_the_data_wait_is_completed(store):
    """XTuner V1's time leaves it out; the work that was done again took both."""
    run = Run("t/1", "/w/t/1", kind="training", experiment="t", started_at=0)
    first = points("t/1", range(1, 101), {"step_time": np.full(100, 2.0), "data_time": np.full(100, 0.5)})
    first.series[0].definition = "step_time@excl_data"
    store.commit([Source("/w/t/1/x.log").replace(run, first)])
    put(store, "t/2", {"loss": np.ones(50)}, steps=range(61, 111), experiment="t", started_at=SECOND, resumed_from=60)
    (r,) = rows(store, "FROM restarts()")
    assert (r["redone_seconds"], r["clock"]) == (pytest.approx(40 * 2.5), "step times")


@pytest.mark.parametrize(("kinds", "says", "at"), [
    (["error"], "error", 150), (["error", "oom"], "out of memory", 151), (["oom", "error"], "out of memory", 150),
    (["exit"], "exit", 150), (["checkpoint"], "cannot tell: the log ends without a word", None),
])  # fmt: skip
def test_why(store, kinds, says, at):
    attempts(store, reason=[Event("t/1", kind, f"it was {kind}", 150 + i) for i, kind in enumerate(kinds)])
    (r,) = rows(store, "FROM restarts()")
    assert (r["cause"], r["cause_source"]) == (says, at and f"/w/t/1/x.log:{at}")


def test_a_loss_that_was_no_number_is_a_reason(store):
    put(store, "t/1", {"loss": np.r_[np.ones(99), np.nan]}, experiment="t", started_at=0)
    put(store, "t/2", {"loss": np.ones(50)}, steps=range(51, 101), experiment="t", started_at=SECOND, resumed_from=50)
    (r,) = rows(store, "FROM restarts()")
    assert (r["cause"], r["cause_source"]) == ("loss was nan at step 100", "/w/t/1/x.log:200")


def test_a_resume_from_a_run_that_is_not_here(store):
    put(store, "a", {"loss": np.ones(50)}, steps=range(51, 101), resumed_from=50)
    put(store, "b", {"loss": np.ones(50)})
    (r,) = rows(store, "FROM restarts()")
    assert (r["run_id"], r["before"], r["redone_steps"], r["kept_step"]) == ("a", None, None, 50)
    assert (r["cause"], r["reason"]) == ("cannot tell", "the run that it continues is not in the store")


# --------------------------------------------------------------------------- ranks


def test_ranks_step_by_step(store):
    rng = np.random.default_rng(5)
    table = rng.random((7, 40))
    table[2, 10] = np.nan
    table[5, 20] = 9
    run = Run("a", "/w/a", kind="training")
    ranks = [points("a", None, {"data_time": row}, rank=i) for i, row in enumerate(table)]
    for p in ranks:
        p.steps = np.arange(1, 41)
    store.commit([Source(f"/w/a/rank{i}.log").replace(run, p) for i, p in enumerate(ranks)])
    found = rows(store, "FROM rank_spread(series := 'data_time')")
    assert len(found) == 40
    for r, column in zip(found, table.T, strict=True):
        values = sorted(column[np.isfinite(column)])
        assert (r["min"], r["median"], r["max"], r["ranks"]) == (
            values[0], statistics.median(values), values[-1], len(values),
        )  # fmt: skip
        assert r["p90"] == values[math.ceil(0.9 * len(values)) - 1]
        assert r["max_rank"] == int(np.nanargmax(column))
    assert (found[20]["max_rank"], found[20]["source"]) == (5, "/w/a/rank5.log:121")
    assert found[10]["not_finite"] == 1
    part = rows(store, "FROM rank_spread(series := 'data_time', first_step := 5, last_step := 9)")
    assert [r["step"] for r in part] == [5, 6, 7, 8, 9]


# --------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(("query", "parameter", "value"), [
    ("spikes", "series", "'grad_norm'"), ("spikes", "z", "100"), ("spikes", "size", "2.5"),
    ("spikes", "neighbours", "5"), ("spikes", "pick", "'b'"), ("non_finite", "series", "'grad_norm'"),
    ("non_finite", "pick", "'b'"), ("restarts", "pick", "'b'"), ("rank_spread", "series", "'loss'"),
    ("rank_spread", "first_step", "20"), ("rank_spread", "last_step", "20"), ("rank_spread", "pick", "'b'"),
])  # fmt: skip
def test_every_parameter_changes_the_answer(store, query, parameter, value):
    values = spiked()
    values[50] = np.nan
    put(store, "t/1", {"loss": values, "grad_norm": values**2, "step_time": values}, experiment="t", started_at=0)
    put(
        store,
        "t/2",
        {"loss": curve()[500:]},
        steps=range(501, 601),
        experiment="t",
        started_at=SECOND,
        resumed_from=500,
    )
    run = Run("b", "/w/b", kind="training")
    store.commit(
        [
            Source("/w/c/x.log").replace(
                Run("c", "/w/c", kind="training"),
                *[points("c", range(1, 41), {"step_time": curve(40, i)}, rank=i) for i in range(2)],
            )
        ]
    )
    sides = [points("b", range(1, 41), {"step_time": curve(40, i), "loss": curve(40, i)}, rank=i) for i in range(2)]
    store.commit([Source(f"/w/b/rank{i}.log").replace(run, p) for i, p in enumerate(sides)])
    assert rows(store, f"FROM {query}({parameter} := {value})") != rows(store, f"FROM {query}()")
