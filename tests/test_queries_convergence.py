"""The four readings of a loss curve, against a plain reading of the same curve in Python."""

import math
import random
from typing import Any, NamedTuple

import numpy as np
import pytest

from llmstats.records import Run
from llmstats.store import Store
from llmstats.store_types import Delta

from .store_deltas import SECOND, Source, fresh_store, points

NAN, INF = math.nan, math.inf


@pytest.fixture
def store(tmp_path):
    return fresh_store(tmp_path / "s.duckdb")


def rows(store: Store, question: str) -> dict[str, dict[str, Any]]:
    """Rows of a query by their first column."""
    with store.reading() as con:
        relation = con.sql(question)
        return {row[0]: dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()}


def one(name: str, steps, values, precision="full", **facts) -> Delta:
    """One run in one file; line = step + 100, clock = step in seconds."""
    series = points(name, list(steps), {"loss": list(values)}, precision, clock=True)
    return Source(f"/w/{name}/train.log").replace(Run(name, f"/w/{name}", kind="training", **facts), series)


def add(store: Store, name: str, steps, values, precision="full", **facts) -> None:
    store.commit([one(name, steps, values, precision, **facts)])


# ---- the sample of the benchmark's own document


def test_two_lines_of_text_are_no_verdict(store):
    add(store, "deepseek/20250209_074932", [8859, 8860], [0.0010, 0.0017], "4")
    (row,) = rows(store, "FROM convergence()").values()
    assert row["verdict"] == "cannot tell"
    assert row["reason"] == "has 2 of the 50 points of a mean"
    assert (row["first_touch"], row["sustained"], row["smoothed"]) == (8859, None, None)
    assert row["first_touch_at"] == "/w/deepseek/20250209_074932/train.log:8959"
    assert (row["final"], row["final_step"], row["minimum"], row["precision"]) == (0.0017, 8860, 0.0010, "4")
    assert row["final_at"].endswith("train.log:8960")


# ---- each reading on its own


def test_a_spike_below_is_a_touch_and_nothing_more(store):
    values = np.full(3000, 1.0)
    values[2499] = 0.0001
    add(store, "a", range(1, 3001), values)
    (row,) = rows(store, "FROM convergence()").values()
    assert (row["first_touch"], row["sustained"], row["smoothed"]) == (2500, None, None)
    assert row["verdict"] == "not converged"
    assert "never below 0.0013" in row["reason"]


def test_a_curve_far_above(store):
    add(store, "a", range(1, 3001), [1.0] * 2999 + [0.5])
    (row,) = rows(store, "FROM convergence()").values()
    assert (row["verdict"], row["reason"]) == ("not converged", "no value below 0.0013; lowest 0.5")


def test_a_touch_before_min_steps_does_not_count(store):
    add(store, "a", range(1, 3001), [0.001] * 1900 + [1.0] * 1100)
    (row,) = rows(store, "FROM convergence()").values()
    assert (row["first_touch"], row["minimum"], row["minimum_step"]) == (None, 0.001, 1)
    assert row["verdict"] == "not converged"


def test_the_moving_mean_may_reach_back_before_min_steps(store):
    add(store, "a", range(1, 2041), [0.001] * 2040)
    (row,) = rows(store, "FROM convergence()").values()
    assert (row["smoothed"], row["verdict"]) == (2000, "converged")
    assert row["sustained"] is None, "only 41 points from step 2000 on"


def test_steps_between_logged_points_do_not_count(store):
    add(store, "a", range(10, 30001, 10), np.linspace(0.0026, 0, 3000))
    (row,) = rows(store, "FROM convergence()").values()
    assert row["points"] == 3000
    assert row["first_touch"] == row["sustained"] == 15010
    assert row["smoothed"] == 15010 + 250


def test_a_run_too_short(store):
    add(store, "a", range(1, 1501), [0.0001] * 1500)
    (row,) = rows(store, "FROM convergence()").values()
    assert (row["verdict"], row["reason"]) == ("cannot tell", "reached step 1500 of at least 2000")


@pytest.mark.parametrize("end", [NAN, INF, -INF])
def test_a_curve_that_ends_in_no_number(store, end):
    add(store, "a", range(1, 3001), [0.0001] * 2999 + [end])
    (row,) = rows(store, "FROM convergence()").values()
    assert row["verdict"] == "not converged"
    assert row["reason"] == f"ends with {end} at step 3000"
    assert row["non_finite"] == 1
    assert row["smoothed"] == 2000, "the readings are given all the same"
    assert math.isnan(row["final"]) if math.isnan(end) else row["final"] == end
    assert row["minimum"] == 0.0001


def test_nan_is_left_out_of_means_and_breaks_a_stretch(store):
    values = [0.0001] * 3000
    values[2020] = NAN
    values[2021] = -INF
    add(store, "a", range(1, 3001), values)
    (row,) = rows(store, "FROM convergence()").values()
    assert (row["verdict"], row["smoothed"], row["non_finite"]) == ("converged", 2000, 2)
    assert row["sustained"] == 2023
    assert row["first_touch"] == 2000


@pytest.mark.parametrize(
    ("level", "precision", "verdict"),
    [
        (0.0012, "4", "converged"),  # surely: at most 0.00125
        (0.0013, "4", "cannot tell"),  # 0.00125 to 0.00135
        (0.0014, "4", "not converged"),
        (0.0013, "full", "not converged"),
        (0.001299, "full", "converged"),
        (0.001299, "4e", "converged"),
        (0.0013, "4e", "cannot tell"),
        (0.00131, "4e", "not converged"),
    ],
)
def test_rounding_of_the_log(store, level, precision, verdict):
    add(store, "a", range(1, 3001), [level] * 3000, precision)
    (row,) = rows(store, "FROM convergence()").values()
    assert row["verdict"] == verdict
    assert row["precision"] == precision
    if verdict == "cannot tell":
        assert "rounding" in row["reason"]


#: Values of 3000 steps, threshold, precision; the step of the smoothed reading and the verdict.
AT_THE_THRESHOLD = [
    ([0.0013] * 2999 + [0.00129], 0.0013, "full", 3000, "converged"),
    ([0.0013] * 3000, 0.0013, "full", None, "not converged"),
    ([0.0012, 0.0014] * 1500, 0.0013, "full", None, "not converged"),
    ([0.05, 0.15] * 1500, 0.1, "full", None, "not converged"),
    ([-0.1, -0.5] * 1500, -0.3, "full", None, "not converged"),
    ([0.0011, 0.0013] * 1500, 0.00125, "4", 2000, "cannot tell"),  # from 0.00115 to 0.00125: may be at it
    ([0.0012, 0.0014] * 1500, 0.00125, "4", None, "not converged"),  # from 0.00125 on
    ([0.0009996] * 3000, 0.001, "3e", 2000, "cannot tell"),
]


@pytest.mark.parametrize("first", [None, NAN, -INF])
def test_a_mean_at_the_threshold_is_not_below_it_whatever_the_sum_is(store, first):
    deltas = [
        one(f"x{i}", range(1, 3001), values if first is None else [first, *values[1:]], precision)
        for i, (values, _, precision, *_) in enumerate(AT_THE_THRESHOLD)
    ]
    store.commit(deltas)
    for i, (_, threshold, _, smoothed, verdict) in enumerate(AT_THE_THRESHOLD):
        (row,) = rows(store, f"FROM convergence(threshold := {threshold}, pick := 'x{i}')").values()
        assert (i, row["verdict"], row["smoothed"]) == (i, verdict, smoothed)


# ---- which series


def test_rank_0_speaks_for_all_else_the_lowest(store):
    for name, ranks in (("all", (0, 1, 2)), ("some", (3, 2))):
        source = Source(f"/w/{name}/x.log")
        series = [points(name, range(1, 11), {"loss": [float(rank)] * 10}, rank=rank) for rank in ranks]
        store.commit([source.replace(Run(name, f"/w/{name}"), *series)])
    found = rows(store, "FROM convergence()")
    assert {k: (v["final"], v["points"]) for k, v in found.items()} == {"all": (0, 10), "some": (2, 10)}


def test_validation_loss_is_not_training_loss(store):
    source = Source("/w/a/x.log")
    train, val = points("a", [1, 2], {"loss": [5, 4]}), points("a", [1, 2], {"loss": [9, 9]}, phase="val")
    store.commit([source.replace(Run("a", "/w/a"), train, val)])
    (row,) = rows(store, "FROM convergence()").values()
    assert (row["points"], row["minimum"], row["final"]) == (2, 4, 4)


def test_text_and_json_count_once_and_the_precise_file_is_cited(store):
    exact = 0.00129 + np.arange(3000) * 1e-9
    text, json = Source("/w/a/a.log", "toy_log"), Source("/w/a/a.json", "toy_json")
    run = Run("a", "/w/a")
    store.commit([text.replace(run, points("a", range(1, 3002), {"loss": [*exact.round(4), 0.001]}, "4"))])
    store.commit([json.replace(run, points("a", range(1, 3001), {"loss": exact}, lines=range(1, 3001)))])
    (row,) = rows(store, "FROM convergence()").values()
    assert row["points"] == 3001
    assert row["smoothed_at"] == "/w/a/a.json:2000"
    assert row["final_at"] == "/w/a/a.log:3101", "the text is one record ahead"
    assert row["precision"] == "4, full"
    assert row["minimum"] == 0.001


def test_an_experiment_without_the_series_says_so(store):
    add(store, "a", [1, 2], [1, 2])
    found = rows(store, "FROM convergence(series := 'los')")
    assert {k: (v["verdict"], v["reason"]) for k, v in found.items()} == {"a": ("cannot tell", "no values of los here")}
    assert found["a"]["run_id"] == "a"


def test_a_null_is_no_point(store):
    source = Source("/w/a/x.log")
    series = points("a", [1, 2, 3], {"loss": [2, -1, 1]}, nulls=[False, True, False])
    store.commit([source.replace(Run("a", "/w/a"), series)])
    (row,) = rows(store, "FROM convergence()").values()
    assert (row["points"], row["non_finite"], row["minimum"]) == (2, 0, 1)


def test_serving_runs_are_no_experiments_to_judge(store):
    store.commit([Source("/w/s/x.log").replace(Run("s", "/w/s", kind="serving"))])
    assert rows(store, "FROM convergence()") == {}
    assert rows(store, "FROM throughput()") == {}


# ---- attempts


def test_steps_redone_and_time_lost(store):
    chain = {"experiment": "toy"}
    add(store, "toy/1", range(1, 1501), [3.0] * 1500, started_at=0, **chain)
    add(store, "toy/2", range(1001, 2001), [2.0] * 1000, started_at=10**4 * SECOND, resumed_from=1000, **chain)
    add(store, "toy/3", range(1801, 3001), [1.0] * 1200, started_at=10**5 * SECOND, resumed_from=1800, **chain)
    (row,) = rows(store, "FROM convergence(threshold := 1.5)").values()
    assert (row["experiment"], row["attempts"], row["run_id"]) == ("toy", 3, "toy/3")
    assert (row["points"], row["last_step"]) == (3000, 3000)
    assert (row["steps_redone"], row["seconds_redone"]) == (500 + 200, 500 + 200)
    assert row["first_touch"] == 2000, "step 2000 is the third attempt's"
    assert row["first_touch_at"] == "/w/toy/3/train.log:2100"
    assert row["smoothed"] == 2000


# ---- against a plain reading


class Curve(NamedTuple):
    steps: list[int]
    values: list[float]
    half_unit: float


def expected(curve: Curve, threshold: float, min_steps: int, smooth: int, sustain: int) -> dict[str, Any]:
    """The readings as the document words them, point by point."""
    pairs = list(zip(curve.steps, curve.values, strict=True))
    below = [math.isfinite(v) and v < threshold for v in curve.values]
    touch = [s for (s, _), b in zip(pairs, below, strict=True) if b and s >= min_steps]
    held = [
        s for i, s in enumerate(curve.steps)
        if s >= min_steps and len(below[i : i + sustain]) == sustain and all(below[i : i + sustain])
    ]  # fmt: skip
    finite = [(s, v) for s, v in pairs if math.isfinite(v)]
    means = [
        (finite[i][0], sum(v for _, v in finite[i - smooth + 1 : i + 1]) / smooth)
        for i in range(smooth - 1, len(finite))
        if finite[i][0] >= min_steps
    ]
    hits = [s for s, m in means if m < threshold]
    lowest = min((m for _, m in means), default=INF)
    if not math.isfinite(curve.values[-1]):
        verdict = "not converged"
    elif curve.steps[-1] < min_steps or len(finite) < smooth:
        verdict = "cannot tell"
    elif lowest + curve.half_unit < threshold:
        verdict = "converged"
    else:
        verdict = "cannot tell" if lowest - curve.half_unit < threshold else "not converged"
    first = {"first_touch": touch, "sustained": held, "smoothed": hits}
    return {"verdict": verdict, **{k: v[0] if v else None for k, v in first.items()}}


def some_curve(dice: random.Random) -> Curve:
    """Values are multiples of 1/64 around 0.5, so that all sums are exact."""
    n, every = dice.choice([3, 40, 300, 700, 1300]), dice.choice([1, 1, 10])
    level, odd = dice.choice([0, 8, 24, -24]), dice.choice([0, 0, 0.01, 0.2])
    falls = dice.choice([0, 40])
    values = [
        dice.choice([NAN, INF, -INF])
        if dice.random() < odd
        else (32 + level + round(falls * (1 - 2 * i / n)) + dice.randint(-12, 12)) / 64
        for i in range(n)
    ]
    steps = [every * (i + 1) for i in range(n)]
    return Curve(steps, values, dice.choice([0.0, 0.05]))


@pytest.mark.parametrize("seed", range(4))
def test_readings_of_random_curves(store, seed):
    dice = random.Random(seed)
    curves = {f"x{i:02}": some_curve(dice) for i in range(40)}
    store.commit([one(n, c.steps, c.values, "1" if c.half_unit else "full") for n, c in curves.items()])
    for _ in range(6):
        asked = {
            "threshold": dice.choice([0.5, 0.5625, 0.25]), "min_steps": dice.choice([1, 100, 400]),
            "smooth": dice.choice([1, 4, 16, 64]), "sustain": dice.choice([1, 3, 20]),
        }  # fmt: skip
        found = rows(store, f"FROM convergence({', '.join(f'{k} := {v}' for k, v in asked.items())})")
        for name, curve in curves.items():
            wanted = expected(curve, **asked)
            assert {k: found[name][k] for k in wanted} == wanted, (name, asked)


@pytest.mark.parametrize("after", [33 / 64, 31 / 64, -1.0, 3.0])
def test_readings_do_not_depend_on_where_blocks_of_the_store_end(store, after):
    """A plateau just above the threshold, a deep valley that begins anywhere around a block's end, then ``after``."""
    curves = {}
    for start in [1, 40, *range(1010, 1040), 1500]:
        valley = after if after == 31 / 64 else -1.0
        values = [33 / 64] * start + [valley] * 70 + [after] * (3100 - start - 70)
        if start % 7 == 0:
            values[start + 65] = NAN
        if start % 5 == 0:
            values[start - 600 : start] = [NAN] * len(values[start - 600 : start])
        curves[f"x{start}"] = Curve(list(range(1, 3101)), values, 0.0)
    store.commit([one(n, c.steps, c.values) for n, c in curves.items()])
    for smooth, sustain, min_steps in [(16, 5, 1), (64, 64, 1), (64, 80, 1), (400, 5, 1030), (16, 64, 2000)]:
        asked = {"threshold": 0.5, "min_steps": min_steps, "smooth": smooth, "sustain": sustain}
        found = rows(store, f"FROM convergence({', '.join(f'{k} := {v}' for k, v in asked.items())})")
        for name, curve in curves.items():
            wanted = expected(curve, **asked)
            assert {k: found[name][k] for k in wanted} == wanted, (name, asked)


@pytest.mark.parametrize("seed", range(3))
def test_readings_of_random_chains(store, seed):
    """Attempts that overlap: the later one counts."""
    dice = random.Random(100 + seed)
    curves, deltas = {}, []
    for i in range(15):
        kept: dict[int, float] = {}
        start = 0
        for attempt in range(dice.randint(1, 4)):
            whole = some_curve(dice)
            steps = [start + k + 1 for k in range(len(whole.values))]
            kept = {s: v for s, v in kept.items() if s < steps[0]} | dict(zip(steps, whole.values, strict=True))
            facts = {"experiment": f"c{i}", "started_at": attempt * 10**5 * SECOND}
            resumed = {"resumed_from": start} if attempt else {}
            deltas.append(one(f"c{i}/{attempt}", steps, whole.values, **facts, **resumed))
            start = dice.randint(max(0, start), steps[-1])
        curves[f"c{i}"] = Curve(list(kept), list(kept.values()), 0.0)
    store.commit(deltas)
    asked = {"threshold": 0.5, "min_steps": 100, "smooth": 16, "sustain": 3}
    found = rows(store, f"FROM convergence({', '.join(f'{k} := {v}' for k, v in asked.items())})")
    for name, curve in curves.items():
        wanted = expected(curve, **asked) | {"points": len(curve.steps), "last_step": curve.steps[-1]}
        assert {k: found[name][k] for k in wanted} == wanted, name


# ---- parameters


def test_every_parameter_changes_the_answer(store):
    values = [1.0] * 2100 + [0.001, 0.0012] * 200 + [1.0] * 600
    add(store, "a", range(1, 3101), values)
    add(store, "b", range(1, 3101), [1.0] * 3100)
    usual = rows(store, "FROM convergence()")
    others = {
        "threshold": "0.0011", "min_steps": "2300", "series": "'grad_norm'", "smooth": "10", "sustain": "500",
        "pick": "'a'",
    }  # fmt: skip
    for name, value in others.items():
        assert rows(store, f"FROM convergence({name} := {value})") != usual, name


@pytest.mark.parametrize(("pick", "found"), [
    ("*", ["solo", "toy", "toyota"]), ("toy", ["toy"]), ("toy*", ["toy", "toyota"]), ("toy/2", ["toy"]),
    ("nothing", []),
])  # fmt: skip
def test_pick(store, pick, found):
    for name in ("toy/1", "toy/2"):
        facts = {"started_at": int(name[-1]) * SECOND, "resumed_from": 2 if name == "toy/2" else None}
        add(store, name, [1, 2] if name == "toy/1" else [3, 4], [1, 2], experiment="toy", **facts)
    add(store, "toyota", [1], [1])
    add(store, "solo", [1], [1])
    answer = rows(store, f"FROM convergence(pick := '{pick}')")
    assert list(answer) == found
    if "toy" in found:
        assert answer["toy"]["points"] == 4, "a run stands for its whole experiment"


def test_a_raw_name_finds_the_series_too(store):
    add(store, "a", [1, 2], [1, 2])
    with store.reading() as con:
        (raw,) = con.execute("SELECT DISTINCT raw_name FROM series").fetchone()
    assert rows(store, f"FROM convergence(series := '{raw}')")["a"]["points"] == 2
