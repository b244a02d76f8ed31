"""Speed of training runs: definitions, warm-up, ranks, clock, drops."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import llmstats
from llmstats.records import Run
from llmstats.store import Store
from llmstats.store_types import CanonicalPoints, Delta, SeriesColumn

from .store_deltas import SECOND, Source, fresh_store, points

DEFINITIONS = {
    "tgs": ("tokens_per_second_per_device", "tgs@micro_step"),
    "gbs": ("tokens_per_second_per_device", "tgs@grad_accum_window"),
    "local": ("tokens_per_second_per_device", "tgs@rank_local"),
    "time": ("step_time", "step_time@incl_data"),
    "apart": ("step_time", "step_time@excl_data"),
    "data": ("data_time", None),
    "tokens": ("tokens", "tokens@rank_step"),
}


@pytest.fixture
def store(tmp_path):
    return fresh_store(tmp_path / "s.duckdb")


def records(
    run: str, columns: Mapping[str, Any], n: int = 100, *, every: int = 1, first: int = 1, rank: int | None = None,
    clock: Any = None,
) -> CanonicalPoints:  # fmt: skip
    """``n`` records; line = number of the record + 100; ``clock`` = seconds of each record.  Scalars are repeated."""
    steps = (np.arange(n) + first) * every
    series = [
        SeriesColumn(
            DEFINITIONS[k][0], k, None, DEFINITIONS[k][1], "4", np.broadcast_to(np.asarray(v, float), n).copy()
        )
        for k, v in columns.items()
    ]  # fmt: skip
    times = None if clock is None else (np.asarray(clock) * SECOND).astype(np.int64)
    return CanonicalPoints(run, "train", np.arange(n) + 101, series, steps, None, times, rank)


def delta(name: str, *points: CanonicalPoints, **facts: Any) -> Delta:
    return Source(f"/w/{name}/x.log").replace(Run(name, f"/w/{name}", kind="training", **facts), *points)


def rows(store: Store, question: str) -> list[dict[str, Any]]:
    with store.reading() as con:
        relation = con.sql(question)
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def one(store: Store, question: str) -> dict[str, Any]:
    (row,) = rows(store, question)
    return row


# ---- what the speed is


def test_rates_are_averaged_harmonically_and_the_warmup_is_left_out(store):
    rates = np.tile([1000.0, 500.0], 100)
    rates[:10] = 1.0
    store.commit([delta("a", records("a", {"tgs": rates, "time": 2.0}, 200), device_count=8, model="m", device="d")])
    row = one(store, "FROM throughput()")
    assert row["tokens_per_second_per_device"] == pytest.approx(2 / (1 / 1000 + 1 / 500))
    assert row["tokens_per_second"] == pytest.approx(8 * row["tokens_per_second_per_device"])
    assert (row["definition"], row["devices"], row["devices_from"]) == (
        "harmonic_mean(tgs@micro_step)",
        8,
        "device_count",
    )
    assert (row["first_step"], row["last_step"], row["records"]) == (11, 200, 190)
    assert (row["median"], row["p5"], row["p95"]) == (750, 500, 1000)
    assert (row["model"], row["device"], row["source"]) == ("m", "d", "/w/a/x.log:111")
    assert row["data_share"] is None


@pytest.mark.parametrize(
    ("n", "left_out"), [(1, 0), (2, 1), (12, 6), (19, 9), (20, 10), (1000, 10), (3000, 30), (20000, 100)]
)
def test_warmup_rule(store, n, left_out):
    store.commit([delta("a", records("a", {"time": 1.0}, n, every=10))])
    row = one(store, "FROM throughput()")
    assert (row["records"], row["first_step"]) == (n - left_out, 10 * (left_out + 1))
    assert one(store, "FROM throughput(warmup := 0)")["records"] == n


def test_tokens_over_time_with_the_data_wait(store):
    tokens = np.tile([8000.0, 4000.0], 50)
    columns = {"tokens": tokens, "apart": 3.0, "data": 1.0, "local": tokens / 3.0}
    store.commit([delta("a", records("a", columns))])
    row = one(store, "FROM throughput()")
    assert row["tokens_per_second_per_device"] == pytest.approx(6000 / 4)
    assert (row["definition"], row["step_time"], row["data_share"]) == ("tgs@tokens_over_time", 4.0, 0.25)
    assert (row["tokens_per_second"], row["devices"]) == (None, None), "nobody said how many devices"


def test_step_times_of_mmengine_hold_the_data_wait_already(store):
    store.commit([delta("a", records("a", {"tgs": 1000.0, "time": 4.0, "data": 1.0}))])
    row = one(store, "FROM throughput()")
    assert (row["step_time"], row["data_share"]) == (4.0, 0.25)


def test_a_run_without_tokens_has_a_step_time(store):
    store.commit([delta("a", records("a", {"time": 2.0, "data": 0.5}))])
    row = one(store, "FROM throughput()")
    assert (row["tokens_per_second_per_device"], row["median"], row["definition"]) == (None, None, None)
    assert (row["step_time"], row["data_share"]) == (2.0, 0.25)


def test_the_rate_that_knows_of_accumulation_is_preferred(store):
    store.commit([delta("a", records("a", {"tgs": 1000.0, "gbs": 900.0}))])
    row = one(store, "FROM throughput()")
    assert (round(row["tokens_per_second_per_device"], 6), row["definition"]) == (
        900,
        "harmonic_mean(tgs@grad_accum_window)",
    )


def test_ranks_make_one_system(store):
    """Two ranks of unequal load: per device is their mean, the system their sum."""
    points = [records("a", {"tokens": 1000.0 * (r + 1), "apart": 1.5, "data": 0.5}, rank=r) for r in range(2)]
    store.commit([delta("a", *points)])
    row = one(store, "FROM throughput()")
    assert row["tokens_per_second_per_device"] == pytest.approx(3000 / 4)
    assert row["tokens_per_second"] == pytest.approx(3000 / 2)
    assert (row["devices"], row["devices_from"], row["ranks"], row["records"]) == (2, "ranks", 2, 90)


def test_a_known_number_of_devices_wins_over_the_ranks_that_logged(store):
    points = [records("a", {"tgs": 100.0}, rank=r) for r in (0, 4)]
    store.commit([delta("a", *points, device_count=8)])
    row = one(store, "FROM throughput()")
    assert (row["tokens_per_second_per_device"], row["tokens_per_second"]) == pytest.approx((100, 800))
    assert (row["devices_from"], row["ranks"]) == ("device_count", 2)


def test_values_that_are_no_numbers_are_left_out(store):
    rates, times = np.full(100, 1000.0), np.full(100, 2.0)
    rates[[20, 30, 40, 50]] = np.nan, np.inf, 0, -5
    times[[60, 61]] = np.nan, np.inf
    store.commit([delta("a", records("a", {"tgs": rates, "time": times}))])
    row = one(store, "FROM throughput()")
    assert (row["tokens_per_second_per_device"], row["step_time"], row["records"]) == pytest.approx((1000, 2, 86))


def test_text_and_json_count_once(store):
    run = Run("a", "/w/a", kind="training")
    rates = np.linspace(900, 1100, 100)
    text = Source("/w/a/a.log").replace(
        run, records("a", {"tgs": rates.round(), "time": 2.0}, clock=2 * np.arange(100))
    )
    exact = records("a", {"tgs": rates, "time": 2.0})
    for column in exact.series:
        column.precision = "full"
    store.commit([text, Source("/w/a/a.json", "toy_json").replace(run, exact)])
    row = one(store, "FROM throughput()")
    assert (row["records"], row["source"]) == (90, "/w/a/a.json:111")
    assert row["tokens_per_second_per_device"] == pytest.approx(90 / (1 / rates[10:]).sum())
    assert row["clock_gap"] == pytest.approx(0), "times come from the text"


# ---- the clock


def test_a_pause_shows_as_a_gap_between_clock_and_steps(store):
    clock = 2.0 * np.arange(100)
    clock[50:] += 60
    store.commit([delta("a", records("a", {"tgs": 1000.0, "time": 2.0}, clock=clock))])
    row = one(store, "FROM throughput()")
    assert row["clock_gap"] == pytest.approx(60 / (89 * 2))
    assert row["clock_note"] == "the clock says 238 s where the steps sum to 178 s"


def test_steps_between_logged_records_count_for_the_clock(store):
    store.commit([delta("a", records("a", {"tgs": 1000.0, "time": 2.0}, every=10, clock=20.0 * np.arange(100)))])
    row = one(store, "FROM throughput()")
    assert (row["clock_gap"], row["clock_note"]) == (pytest.approx(0), None)


def test_without_a_clock_there_is_no_gap(store):
    store.commit([delta("a", records("a", {"tgs": 1000.0, "time": 2.0}))])
    assert one(store, "FROM throughput()")["clock_gap"] is None


# ---- drops


def dropping(n: int = 1000) -> dict[str, Any]:
    """Steps 301-320 wait for data, 601-605 compute long, 606-608 wait, 801 has few tokens."""
    time, data, tokens = np.full(n, 2.0), np.full(n, 0.01), np.full(n, 4000.0)
    data[300:320] += 3
    time[600:605] *= 4
    data[605:608] += 5
    tokens[800] = 100
    return {"tokens": tokens, "apart": time, "data": data}


def test_drops_with_their_causes(store):
    store.commit([delta("a", records("a", dropping(), 1000))])
    found = rows(store, "FROM throughput_drops()")
    assert [(r["first_step"], r["last_step"], r["cause"]) for r in found] == [
        (301, 320, "data wait"), (601, 605, "compute"), (606, 608, "data wait"), (801, 801, "fewer tokens"),
    ]  # fmt: skip
    assert found[0]["ratio"] == pytest.approx(2.01 / 5.01)
    assert [r["lost_seconds"] for r in found] == pytest.approx([60, 30, 15, 0])
    assert [r["source"] for r in found] == [f"/w/a/x.log:{line}" for line in (401, 701, 706, 901)]
    assert found[0]["ranks"] is None
    row = one(store, "FROM throughput()")
    assert (row["drops"], row["worst_drop"]) == (4, "steps 301–320 at 40 % of the median: data wait")


def test_drops_of_rates(store):
    """Rates say that it was slow; the times beside them say why, where they are logged."""
    rates = np.full(200, 1000.0)
    rates[100:110] = 400
    times, data = 1000 / rates, np.full(200, 0.01)
    store.commit([
        delta("bare", records("bare", {"tgs": rates}, 200)),
        delta("full", records("full", {"tgs": rates, "time": times, "data": data}, 200)),
        delta("half", records("half", {"tgs": rates, "time": times}, 200)),
    ])  # fmt: skip
    found = {r["run_id"]: r for r in rows(store, "FROM throughput_drops()")}
    assert {k: v["cause"] for k, v in found.items()} == {"bare": "not known", "full": "compute", "half": "not known"}
    assert {(r["first_step"], r["last_step"]) for r in found.values()} == {(101, 110)}
    assert found["full"]["lost_seconds"] == pytest.approx(10 * 1.5)
    assert found["bare"]["lost_seconds"] is None


def test_drops_of_a_log_with_an_interval(store):
    rates = np.full(200, 1000.0)
    rates[[100, 101, 103]] = 400
    store.commit([delta("a", records("a", {"tgs": rates, "time": 1000 / rates, "data": 0.0}, 200, every=10))])
    found = rows(store, "FROM throughput_drops()")
    assert [(r["first_step"], r["last_step"]) for r in found] == [(1010, 1020), (1040, 1040)]
    assert found[0]["lost_seconds"] == pytest.approx(2 * 1.5 * 10), "ten steps stand behind each record"


def test_ranks_that_held_the_others_up(store):
    points = []
    for rank in range(8):
        columns = {"tokens": np.full(200, 1000.0), "apart": np.full(200, 1.0), "data": np.full(200, 0.01)}
        columns["data"][50:60] += {3: 9.0, 5: 8.0}.get(rank, 0.0)
        columns["apart"][150:155] *= 7 if rank in (6, 7) else 1
        points.append(records("a", columns, 200, rank=rank))
    store.commit([delta("a", *points)])
    found = rows(store, "FROM throughput_drops()")
    assert [(r["first_step"], r["last_step"], r["cause"], r["ranks"]) for r in found] == [
        (51, 60, "data wait", [3, 5]), (151, 155, "compute", [6, 7]),
    ]  # fmt: skip


def test_one_rank_of_many_slows_the_step(store):
    """The system waits for its slowest rank, however many others are quick."""
    points = []
    for rank in range(16):
        data = np.full(200, 0.0)
        data[100:110] = 9.0 if rank == 11 else 0.0
        points.append(records("a", {"tokens": 1000.0, "apart": 1.0, "data": data}, 200, rank=rank))
    store.commit([delta("a", *points)])
    (drop,) = rows(store, "FROM throughput_drops()")
    assert (drop["first_step"], drop["last_step"], drop["cause"], drop["ranks"]) == (101, 110, "data wait", [11])
    assert (drop["ratio"], drop["lost_seconds"]) == pytest.approx((0.1, 90))
    row = one(store, "FROM throughput()")
    assert row["step_time"] == pytest.approx((190 + 90) / 190)
    assert row["tokens_per_second_per_device"] == pytest.approx(1000 * 190 / (190 + 90))
    assert (row["p95"], row["median"]) == (1000, 1000)


@pytest.mark.parametrize("driver", ["tokens", "rate", "time"])
def test_the_speed_of_ranks_that_do_not_wait_is_that_of_the_slowest(store, driver):
    """Step times without the wait for the others: rank 5 always takes longer, rank 2 in every fourth step."""
    rng = np.random.default_rng(3)
    times, tokens = rng.normal(1.0, 0.01, (8, 200)), rng.integers(900, 1100, (8, 200)).astype(float)
    times[5] += 0.4
    times[2, ::4] += 1.0
    columns = {"tokens": {"tokens": tokens, "time": times}, "rate": {"tgs": 1000 / times, "time": times},
               "time": {"time": times}}[driver]  # fmt: skip
    ranks = [records("a", {k: v[r] for k, v in columns.items()}, 200, rank=r) for r in range(8)]
    store.commit([delta("a", *ranks, config={"global_batch_size": 8, "seq_length": 1000})])
    per_device, spent = {"tokens": tokens}.get(driver, np.full(times.shape, 1000.0)).mean(axis=0), times.max(axis=0)
    row = one(store, "FROM throughput()")
    assert row["tokens_per_second_per_device"] == pytest.approx(per_device[10:].sum() / spent[10:].sum())
    assert row["step_time"] == pytest.approx(spent[10:].mean())
    paces = per_device[10:] / spent[10:]
    found = [row["p5"], row["median"], row["p95"]]
    assert found == pytest.approx(np.quantile(paces, [0.05, 0.5, 0.95]).tolist())
    assert paces.min() < row["tokens_per_second_per_device"] < paces.max()
    trend = rows(store, "FROM throughput_trend()")
    sums = [per_device[i : i + 100].sum() / spent[i : i + 100].sum() for i in (0, 100)]
    assert [w["tokens_per_second_per_device"] for w in trend] == pytest.approx(sums)


@pytest.mark.parametrize(("ranks", "devices"), [((0, 1, 2, 3), 4), ((0, 8, 16, 24), None), ((1, 2, 3), None)])
def test_ranks_are_devices_only_where_none_is_missing(store, ranks, devices):
    for name, column, config in (("a", "tgs", {}), ("b", "time", {"global_batch_size": 8, "seq_length": 100})):
        store.commit([delta(name, *(records(name, {column: 100.0}, rank=r) for r in ranks), config=config)])
    rate, time = rows(store, "FROM throughput()")
    assert (rate["devices"], rate["tokens_per_second"]) == (devices, devices and pytest.approx(100 * devices))
    assert (rate["devices_from"], rate["ranks"]) == (devices and "ranks", len(ranks))
    assert rate["tokens_per_second_per_device"] == pytest.approx(100)
    assert time["tokens_per_second_per_device"] == (devices and pytest.approx(8 / devices))
    *_, trend = rows(store, "FROM throughput_trend()")
    assert (trend["run_id"], trend["tokens_per_second_per_device"]) == ("b", devices and pytest.approx(8 / devices))


def test_attempts_are_runs_of_their_own(store):
    store.commit([
        delta("t/1", records("t/1", {"tgs": 100.0}), experiment="t", started_at=0),
        delta("t/2", records("t/2", {"tgs": 200.0}, first=51), experiment="t", started_at=SECOND, resumed_from=50),
    ])  # fmt: skip
    found = rows(store, "FROM throughput()")
    assert [(r["run_id"], r["experiment"], round(r["tokens_per_second_per_device"])) for r in found] == [
        ("t/1", "t", 100), ("t/2", "t", 200),
    ]  # fmt: skip


# ---- the sample of a long run


@pytest.mark.parametrize("every", [1, 10, 2**22, -(2**22), 3 * 2**40])
@pytest.mark.parametrize("stride", [2, 7, 64])
def test_the_sample_is_even_whatever_the_steps_are(store, every, stride):
    sql = f"SELECT count(*) FILTER (_sampled(i * {every}, {stride})) AS n FROM range(100000) r(i)"
    assert one(store, sql)["n"] == pytest.approx(100_000 / stride, abs=5 * (100_000 / stride) ** 0.5)
    ends = f"_sampled({2**63 - 1}, {stride}), _sampled({1 - 2**63} - 1, {stride})"
    assert None not in one(store, f"SELECT {ends}").values()


def test_steps_may_count_tokens(store):
    ranks = [records("a", {"tgs": 100.0, "time": 2.0}, 20_010, every=4 * 2**40, rank=r) for r in range(2)]
    store.commit([delta("a", *ranks)])
    assert one(store, "FROM throughput()")["tokens_per_second_per_device"] == pytest.approx(100)
    assert rows(store, "FROM throughput_drops()") == []


# ---- the trend


def test_trend(store):
    store.commit([delta("a", records("a", dropping(), 1000))])
    found = rows(store, "FROM throughput_trend()")
    assert [(r["first_step"], r["last_step"], r["records"]) for r in found][:2] == [(1, 100, 100), (101, 200, 100)]
    assert len(found) == 10
    slow = found[3]
    assert slow["tokens_per_second_per_device"] == pytest.approx(4000 * 100 / (201 + 60))
    assert slow["data_share"] == pytest.approx(61 / 261)
    assert slow["ratio"] == pytest.approx(201 / 261)
    assert slow["source"] == "/w/a/x.log:401"


def test_trend_of_a_sparse_log(store):
    store.commit([delta("a", records("a", {"time": 2.0}, 10, every=250))])
    found = rows(store, "FROM throughput_trend()")
    assert [r["first_step"] for r in found] == [250 * (i + 1) for i in range(10)]
    assert {r["tokens_per_second_per_device"] for r in found} == {None}


# ---- parameters


@pytest.mark.parametrize(("query", "parameter", "value"), [
    ("throughput", "drop", "0.2"), ("throughput", "warmup", "0.1"), ("throughput", "pick", "'b'"),
    ("throughput_drops", "drop", "0.2"), ("throughput_drops", "warmup", "0.4"), ("throughput_drops", "pick", "'b'"),
    ("throughput_trend", "every", "50"), ("throughput_trend", "pick", "'b'"),
])  # fmt: skip
def test_every_parameter_changes_the_answer(store, query, parameter, value):
    columns = dropping()
    columns["apart"][50:60] *= 9
    store.commit([delta("a", records("a", columns, 1000)), delta("b", records("b", {"tgs": 5.0}))])
    assert rows(store, f"FROM {query}({parameter} := {value})") != rows(store, f"FROM {query}()")


def test_tokens_of_a_run_that_logs_times_only_come_from_its_configuration(store):
    config = {"global_batch_size": 512, "seq_length": 4096}
    store.commit([
        delta("a", records("a", {"time": 8.0}), device_count=16, config=config),
        delta("b", records("b", {"time": 8.0}), config=config),
        delta("c", records("c", {"time": 8.0}), device_count=16, config={"global_batch_size": "512"}),
    ])  # fmt: skip
    derived, *unknown = rows(store, "FROM throughput()")
    assert derived["tokens_per_second_per_device"] == pytest.approx(512 * 4096 / 16 / 8)
    assert derived["tokens_per_second"] == pytest.approx(512 * 4096 / 8)
    assert derived["median"] == pytest.approx(512 * 4096 / 16 / 8)
    assert (derived["definition"], derived["step_time"]) == ("tgs@config_batch", 8)
    for row in unknown:
        assert (row["tokens_per_second_per_device"], row["median"], row["definition"]) == (None, None, None)
    trend = rows(store, "FROM throughput_trend(every := 50)")
    assert {r["tokens_per_second_per_device"] for r in trend if r["run_id"] == "a"} == {512 * 4096 / 16 / 8}
    assert {r["tokens_per_second_per_device"] for r in trend if r["run_id"] != "a"} == {None}


# --------------------------------------------------------------------------- long runs, judged from whole blocks


@pytest.mark.parametrize("driver", ["rate", "time", "tokens"])
def test_a_long_run_is_what_its_records_are(tmp_path, driver):
    """25,000 records of one rank: sums, drops and places are exact, quantiles those of a sample."""
    n, rng = 25_000, np.random.default_rng(8)
    seconds = rng.normal(2.0, 0.02, n)
    seconds[12_000:12_040] *= 3  # a drop in the middle of a block
    waits = np.full(n, 0.01)
    waits[20_000:20_020], seconds[20_000:20_020] = 4.0, 6.0
    tokens = rng.integers(900, 1100, n).astype(float)
    values = {"step_time": seconds, "data_time": waits}
    if driver == "rate":
        values["tokens_per_second_per_device"] = 1000 / seconds
        values["tokens_per_second_per_device"][100] = 0.0  # no speed: the block is opened, the record left out
    if driver == "tokens":
        values["step_tokens"] = tokens
    store = fresh_store(tmp_path / "s.duckdb")
    run = Run("a/1", "/w/a/1", kind="training", device_count=4)
    store.commit([Source("/w/a.log").replace(run, points("a/1", range(1, n + 1), values, clock=True))])
    db = llmstats.open(str(tmp_path / "s.duckdb"))
    (row,) = db.query("throughput").pl().to_dicts()
    kept = np.arange(n) >= 100
    if driver == "rate":
        kept[100] = False
    speed = {"rate": 1000 / seconds, "time": 1 / seconds, "tokens": tokens / seconds}[driver]
    exact = {
        "rate": kept.sum() / (seconds[kept] / 1000).sum(), "time": None,
        "tokens": tokens[kept].sum() / seconds[kept].sum(),
    }[driver]  # fmt: skip
    assert row["tokens_per_second_per_device"] == (exact and pytest.approx(exact, rel=1e-9))
    assert (row["records"], row["first_step"], row["last_step"]) == (kept.sum(), 101 + (driver == "rate"), n)
    assert row["step_time"] == pytest.approx(seconds[kept].mean())
    assert row["data_share"] == pytest.approx(waits[kept].sum() / seconds[kept].sum())
    assert row["source"].endswith(f".log:{row['first_step'] + 100}")
    if exact:
        for name, q in (("p5", 0.05), ("median", 0.5), ("p95", 0.95)):
            assert row[name] == pytest.approx(np.quantile(speed[kept], q), rel=3e-3)
    drops = db.query("throughput_drops").pl().to_dicts()
    assert [(d["first_step"], d["last_step"], d["cause"]) for d in drops] == [
        (12_001, 12_040, "compute"), (20_001, 20_020, "data wait"),
    ]  # fmt: skip
    usual = np.median(seconds[kept])
    lost = [(seconds[a:b] - usual).sum() for a, b in ((12_000, 12_040), (20_000, 20_020))]
    assert [d["lost_seconds"] for d in drops] == pytest.approx(lost, rel=2e-3)
