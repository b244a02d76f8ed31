"""Readings of a window and what they come to against a bound, against plain loops over the same numbers."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from llmstats.curves import Curve
from llmstats.judging import CANNOT_TELL, FAIL, MEASURED, NOT_MEASURED, PASS, judge
from llmstats.recipe_types import Criterion, Window

NAN = math.nan


def curve(steps: Any, values: Any, half: float = 0.0, hours: Any = None, name: str = "a") -> Curve:
    steps, values = np.array(list(steps)), np.array(list(values), dtype=float)
    n = len(steps)
    clock = np.full(n, NAN) if hours is None else np.array(list(hours), dtype=float)
    return Curve(
        name, steps, values, np.full(n, half), clock, steps + 100, np.zeros(n, dtype=int), [f"/w/{name}.log"], [name],
        [], None, "full",
    )  # fmt: skip


def criterion(reading: str, bound: tuple[str, float] | None = ("below", 0.5), **more: Any) -> Criterion:
    return Criterion("loss", ("loss",), reading, bound=bound, **more)


def noise(n: int, seed: int = 0, slope: float = -0.001) -> list[float]:
    rng = random.Random(seed)
    return [1 + slope * i + rng.gauss(0, 0.05) for i in range(n)]


# ---- readings, each against a loop


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["below", "above"])
def test_readings_are_what_a_loop_over_the_values_finds(seed: int, kind: str) -> None:
    values, n = noise(300, seed), 7
    steps = [2 * i + 1 for i in range(300)]
    low = kind == "below"
    best, worst = (min, max) if low else (max, min)
    inside = [(s, v) for s, v in zip(steps, values, strict=True) if 101 <= s <= 499]
    window = Window(from_step=101, to_step=499)
    means = [
        statistics.fmean(values[i - n + 1 : i + 1]) for i in range(n - 1, 300) if 101 <= steps[i] <= 499
    ]  # reaches back before the window
    rows = [worst(v for _, v in inside[i : i + n]) for i in range(len(inside) - n + 1)]
    expected = {
        "final": inside[-1][1],
        "touch": best(v for _, v in inside),
        "sustained": best(rows),
        "smoothed": best(means),
        "mean": statistics.fmean(v for _, v in inside),
        "median": statistics.median(v for _, v in inside),
        "mean_of_last": statistics.fmean(v for _, v in inside[-n:]),
    }
    never = -9.0 if low else 9.0
    for reading, value in expected.items():
        found = judge(criterion(reading, (kind, never), points=n, window=window), curve(steps, values), None)
        assert found.result == FAIL
        assert found.number is not None
        assert found.number.value == pytest.approx(value, rel=1e-12)
        assert found.number.points == len(inside)
        easy = judge(criterion(reading, (kind, -never), points=n, window=window), curve(steps, values), None)
        assert easy.result == PASS


def test_a_passing_search_cites_the_first_place_that_meets_the_bound() -> None:
    values = noise(400)
    n, bound = 10, 0.75
    found = judge(criterion("smoothed", ("below", bound), points=n), curve(range(1, 401), values), None)
    first = next(i for i in range(n - 1, 400) if statistics.fmean(values[i - n + 1 : i + 1]) < bound)
    assert found.result == PASS
    assert found.number is not None
    assert found.number.step == first + 1
    assert found.number.first_at == f"/w/a.log:{first + 1 - n + 1 + 100}"
    assert found.number.last_at == f"/w/a.log:{first + 1 + 100}"
    assert found.reason.startswith("first mean of 10 points 0.7")
    assert found.reason.endswith(f"at step {first + 1}: < 0.75")


def test_points_dropped_at_both_ends() -> None:
    values = [100, 100, 1, 2, 3, 100]
    window = Window(drop_first=2, drop_last=1)
    found = judge(criterion("mean", None, window=window), curve(range(1, 7), values), None)
    assert (found.result, found.number and found.number.value, found.reason) == (MEASURED, 2, "mean of 3 points 2")
    gone = judge(criterion("mean", None, window=Window(drop_first=4, drop_last=4)), curve(range(1, 7), values), None)
    assert (gone.result, gone.number) == (NOT_MEASURED, None)
    assert "without 4 at the start without 4 at the end" in gone.reason
    for reading in ("final", "mean", "smoothed"):
        none = judge(criterion(reading, ("below", 1000), window=Window(drop_last=9)), curve(range(1, 7), values), None)
        assert (none.result, none.reason) == (CANNOT_TELL, "no value without 9 at the end; the last one is of step 6")


def test_hours_bound_a_window_and_need_a_clock() -> None:
    timed = curve(range(1, 6), [5, 4, 3, 2, 1], hours=[0, 0.5, 1, 1.5, 2])
    window = Window(from_hours=0.5, to_hours=1.5)
    assert judge(criterion("mean", ("at_most", 3), window=window), timed, None).result == PASS
    found = judge(criterion("mean", ("at_most", 3), window=window), curve(range(5), range(5)), None)
    assert (found.result, found.reason) == (CANNOT_TELL, "the log has no clock, so that hours cannot be told")
    late = judge(criterion("mean", window=Window(to_hours=3)), timed, None)
    assert late.reason.endswith("so far; the log ends after 2 hours, the window after 3")


# ---- what cannot be told


def test_a_window_that_the_log_does_not_reach_or_has_not_gone_through() -> None:
    rule = criterion("touch", ("at_most", 2.0), window=Window(from_step=500, to_step=1000))
    before = judge(rule, curve(range(1, 400), [3] * 399), None)
    assert (before.result, before.reason) == (
        CANNOT_TELL, "no value from step 500 to step 1000; the last one is of step 399"
    )  # fmt: skip
    amid = judge(rule, curve(range(1, 701), [3] * 700), None)
    assert amid.result == CANNOT_TELL
    assert amid.reason == "lowest value 3 so far; the log ends at step 700, the window at 1000"
    reached = judge(rule, curve(range(1, 701), [3] * 600 + [2] * 100), None)
    assert (reached.result, reached.number and reached.number.step) == (PASS, 601)
    through = judge(rule, curve(range(1, 1101), [3] * 1100), None)
    assert through.result == FAIL


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        ("smoothed", "has 9 of the 10 points of a mean"),
        ("sustained", "has 9 of the 10 points in a row"),
        ("mean_of_last", "has 9 of the 10 points of the mean"),
    ],
)
def test_too_few_points(reading: str, reason: str) -> None:
    found = judge(criterion(reading, points=10), curve(range(1, 10), [0.1] * 9), None)
    assert (found.result, found.reason) == (CANNOT_TELL, reason)


def test_a_mean_that_needs_more_points() -> None:
    found = judge(criterion("mean", ("at_most", 1), min_points=15), curve(range(1, 15), [0.1] * 14), None)
    assert (found.result, found.reason) == (CANNOT_TELL, "has 14 of the 15 points of the mean")


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        (0.0012, "below", PASS),
        (0.0013, "below", CANNOT_TELL),
        (0.0014, "below", FAIL),
        (0.0013, "at_most", CANNOT_TELL),
        (0.0014, "above", PASS),
        (0.0013, "above", CANNOT_TELL),
        (0.0012, "at_least", FAIL),
    ],
)
def test_rounding_of_the_log_leaves_it_open(value: float, kind: str, result: str) -> None:
    found = judge(criterion("final", (kind, 0.0013)), curve([1], [value], half=0.00005), None)
    assert found.result == result
    if result == CANNOT_TELL:
        assert found.reason.endswith("within the log's rounding (±5e-05) of 0.0013")


@pytest.mark.parametrize(("kind", "result"), [("below", FAIL), ("at_most", PASS), ("above", FAIL), ("at_least", PASS)])
def test_the_bound_itself(kind: str, result: str) -> None:
    assert judge(criterion("final", (kind, 0.25)), curve([1], [0.25]), None).result == result


@pytest.mark.parametrize("reading", ["mean", "smoothed", "mean_of_last", "median", "final", "touch", "sustained"])
@pytest.mark.parametrize("n", [3, 7, 50, 300])
@pytest.mark.parametrize("level", [0.1, 0.0013, 0.7, -0.3])
def test_the_same_value_over_and_over_is_at_the_bound_whatever_the_sum_is(reading: str, n: int, level: float) -> None:
    same = curve(range(1, n + 1), [level] * n)
    for kind, result in (("below", FAIL), ("at_most", PASS), ("above", FAIL), ("at_least", PASS)):
        assert judge(criterion(reading, (kind, level), points=min(n, 50)), same, None).result == result


def test_a_mean_at_the_bound_and_the_first_one_below() -> None:
    around = curve(range(1, 301), [0.0012, 0.0014] * 150)
    assert judge(criterion("smoothed", ("below", 0.0013), points=50), around, None).result == FAIL
    assert judge(criterion("smoothed", ("at_most", 0.0013), points=50), around, None).result == PASS
    falls = curve(range(1, 301), [0.0013] * 299 + [0.00129])
    late = judge(criterion("smoothed", ("below", 0.0013), points=50), falls, None)
    assert (late.result, late.number and late.number.step) == (PASS, 300)
    five = related("relative_difference", "at_most", 0.05)
    assert judge(five, curve([1], [1.05]), curve([1], [1.0])).result == PASS


def test_a_figure_that_the_document_leaves_out_must_be_given() -> None:
    found = judge(replace(criterion("final", None), needs=("baseline",)), curve([1], [1]), None)
    assert (found.result, found.reason) == (CANNOT_TELL, "the document gives no figure: --param baseline=VALUE")


def test_two_definitions_are_not_mixed() -> None:
    both = replace(curve([1, 2], [1, 2]), definitions=["tgs@a", "tgs@b"])
    found = judge(criterion("mean"), both, None)
    assert (found.result, found.reason) == (CANNOT_TELL, "values of several definitions: tgs@a, tgs@b")


# ---- values that are no finite numbers


def test_a_curve_that_ends_in_nan_fails_whatever_was_before() -> None:
    for reading in ("final", "touch", "sustained", "smoothed", "mean", "median", "mean_of_last"):
        found = judge(criterion(reading, points=2), curve(range(1, 6), [0.1, 0.1, 0.1, 0.1, NAN]), None)
        assert (found.result, found.reason) == (FAIL, "ends with nan at step 5")
        dropped = criterion(reading, points=2, window=Window(drop_last=2))
        assert judge(dropped, curve(range(1, 6), [0.1, 0.1, 0.1, 0.1, NAN]), None).result == FAIL
    related_to = criterion("median", ("at_most", 0.1), compare="relative_difference", reference_value=0.1)
    assert judge(related_to, curve(range(1, 4), [0.1, NAN, NAN]), None).reason == "ends with nan at step 3"


def test_of_a_window_with_an_end_its_own_last_value_must_be_a_number() -> None:
    values = [0.1, 0.1, 0.1, NAN, NAN, 0.1]
    for reading in ("final", "touch", "smoothed", "mean", "median", "mean_of_last"):
        for to, result in ((3, PASS), (5, FAIL), (6, PASS)):
            rule = criterion(reading, window=Window(from_step=1, to_step=to))
            assert judge(rule, curve(range(1, 7), values), None).result == result, (reading, to)
        timed = curve(range(1, 7), values, hours=range(6))
        assert judge(criterion(reading, window=Window(to_hours=2)), timed, None).result == PASS
        assert judge(criterion(reading, window=Window(to_hours=3)), timed, None).result == FAIL


def test_what_is_only_measured_leaves_out_how_the_curve_ends() -> None:
    found = judge(criterion("mean", None), curve(range(1, 4), [1, 3, NAN]), None)
    assert (found.result, found.number and found.number.value) == (MEASURED, 2)
    assert (found.number and found.number.non_finite) == 1


def test_values_within_that_are_none_are_left_out_and_counted() -> None:
    values = [0.1, NAN, 0.3, math.inf, 0.2]
    found = judge(criterion("mean"), curve(range(1, 6), values), None)
    assert found.number is not None
    assert (found.number.value, found.number.points, found.number.non_finite) == (pytest.approx(0.2), 3, 2)
    smoothed = judge(criterion("smoothed", points=3), curve(range(1, 6), values), None)
    assert smoothed.number is not None
    assert smoothed.number.value == pytest.approx(0.2)
    broken = judge(criterion("sustained", points=2), curve(range(1, 6), values), None)
    assert (broken.result, broken.reason) == (CANNOT_TELL, "no 2 finite points in a row")
    last = judge(criterion("mean_of_last", points=2), curve(range(1, 6), values), None)
    assert (last.result, last.reason) == (FAIL, "inf at step 4, among the last 2 points")


# ---- against a reference


def related(compare: str, kind: str, bound: float | None, **more: Any) -> Criterion:
    asked = None if bound is None else (kind, bound)
    return Criterion("loss", ("loss",), more.pop("reading", "final"), compare=compare, bound=asked, **more)


def test_relative_difference_to_a_run_and_to_a_number() -> None:
    mine, other = curve([1, 500], [9, 1.04]), curve([1, 500], [9, 1.0], name="b")
    rule = related("relative_difference", "at_most", 0.05)
    found = judge(rule, mine, other)
    assert (found.result, found.reference) == (PASS, 1.0)
    assert found.number is not None
    assert found.number.value == pytest.approx(0.04)
    assert judge(replace(rule, bound=("at_most", 0.03)), mine, other).result == FAIL
    number = judge(replace(rule, reference_value=0.9), mine, None)
    assert (number.result, number.reference) == (FAIL, 0.9)
    none = judge(replace(rule, unset=(("reference_value", "baseline"),)), mine, None)
    assert none.reason == "needs a reference with loss: --reference RUN or --param baseline=VALUE"
    assert judge(rule, mine, curve([1], [0.0])).reason == "the reference's 0 may be 0: no ratio to it"


def test_rounding_of_both_counts() -> None:
    rule = related("relative_difference", "at_most", 0.05)
    mine, other = curve([1], [1.05], half=0.005), curve([1], [1.0], half=0.005)
    assert judge(rule, mine, other).result == CANNOT_TELL
    ratio = related("ratio", "below", 1.0)
    assert judge(ratio, mine, other).result == FAIL
    assert judge(ratio, curve([1], [0.995], half=0.005), other).result == CANNOT_TELL
    assert judge(ratio, curve([1], [0.98], half=0.005), other).result == PASS


def test_mean_relative_error_step_by_step() -> None:
    rng = random.Random(3)
    steps = range(1, 101)
    theirs = [3 - 0.02 * s + rng.gauss(0, 0.02) for s in steps]
    mine = [v * (1 + rng.gauss(0, 0.02)) for v in theirs]
    expected = statistics.fmean(abs(m - t) / abs(t) for s, m, t in zip(steps, mine, theirs, strict=True) if s >= 21)
    rule = related("mean_relative_error", "below", 0.02, reading="mean", window=Window(from_step=21))
    found = judge(rule, curve(steps, mine), curve(steps, theirs, name="b"))
    assert found.number is not None
    assert found.number.value == pytest.approx(expected)
    assert (found.number.points, found.result) == (80, PASS if expected < 0.02 else FAIL)
    assert found.number.first_at == "/w/a.log:121"
    early = judge(replace(rule, window=Window()), curve(steps, mine), curve(steps, theirs))
    assert early.number is not None
    assert early.number.points == 100


def test_mean_relative_error_over_the_steps_that_both_have() -> None:
    rule = related("mean_relative_error", "below", 0.02, reading="mean")
    sparse = judge(rule, curve([10, 20, 30], [1, 1, 1]), curve(range(1, 31), [1] * 30))
    assert (sparse.result, sparse.number and sparse.number.points) == (PASS, 3)
    assert "(27 steps of one alone, or without a ratio, left out)" in sparse.reason
    assert judge(rule, curve([1, 2], [1, 1]), curve([3, 4], [1, 1])).reason.startswith("0 steps in common")
    short = judge(rule, curve([1, 2], [1, 1]), curve([1, 2, 3], [1, 1, 1]))
    assert (short.result, short.reason) == (CANNOT_TELL, "ends at step 2, the reference at 3")
    nan = judge(rule, curve([1, 2, 3], [1, NAN, 1]), curve([1, 2, 3], [1, 1, 1]))
    assert (nan.result, nan.reason) == (FAIL, "nan at step 2, where the reference has a number")
    beyond = judge(rule, curve([1, 2, 3], [1, 1, NAN]), curve([1, 2], [1, 1]))
    assert (beyond.result, beyond.reason) == (FAIL, "ends with nan at step 3")
    theirs = judge(rule, curve([1, 2, 3], [1, 5, 1]), curve([1, 2, 3], [1, NAN, 1]))
    assert (theirs.result, theirs.number and theirs.number.points) == (PASS, 2)
    few = judge(replace(rule, min_points=4), curve([1, 2, 3], [1, 1, 1]), curve([1, 2, 3], [1, 1, 1]))
    assert few.reason == "3 steps in common with the reference; 4 are needed"


def test_of_several_values_of_a_step_the_last_counts() -> None:
    rule = related("mean_relative_error", "below", 0.02, reading="mean")
    found = judge(rule, curve([1, 1, 2], [9, 1, 1]), curve([1, 2], [1, 1]))
    assert (found.result, found.number and found.number.points) == (PASS, 2)


def test_variance_of_the_difference_is_the_population_variance() -> None:
    mine, theirs = noise(101, 1), noise(101, 2)
    rule = related("difference_variance", "at_most", None, reading="mean", window=Window(to_step=101))
    found = judge(rule, curve(range(1, 102), mine), curve(range(1, 102), theirs))
    assert found.result == MEASURED
    assert found.number is not None
    assert found.number.value == pytest.approx(statistics.pvariance([a - b for a, b in zip(mine, theirs, strict=True)]))


def test_the_interval_of_a_step_wise_comparison_holds_every_way_of_rounding() -> None:
    rng = random.Random(5)
    exact = [(2 + rng.random(), 2 + rng.random()) for _ in range(40)]
    rounded = [(round(a, 2), round(b, 2)) for a, b in exact]
    for compare in ("mean_relative_error", "difference_variance"):
        rule = related(compare, "below", None, reading="mean")
        a, b = (curve(range(1, 41), [p[i] for p in rounded], half=0.005) for i in (0, 1))
        coarse = judge(rule, a, b).number
        a, b = (curve(range(1, 41), [p[i] for p in exact]) for i in (0, 1))
        fine = judge(rule, a, b).number
        assert coarse is not None
        assert fine is not None
        assert coarse.low <= fine.value <= coarse.high
        assert coarse.low < coarse.high
        assert fine.low == pytest.approx(fine.high)


def test_another_definition_than_the_references() -> None:
    rule = related("ratio", "below", 1.0)
    mine = replace(curve([1], [1]), definitions=["loss@a"])
    found = judge(rule, mine, replace(curve([1], [2]), definitions=["loss@b"]))
    assert (found.result, found.reason) == (
        CANNOT_TELL, "another definition than the reference's: loss@a against loss@b"
    )  # fmt: skip
