"""Frontiers, bounds and the monotone curve against plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstats.answers._bounds import all_within, share_within
from llmstats.answers._pareto import certainty, undominated
from llmstats.answers.at import interpolated

#: Few values, so that ties are frequent; and what is no number.
VALUES = st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, -1.0, math.nan, math.inf, -math.inf])
POINTS = st.lists(st.tuples(VALUES, VALUES), max_size=40)


def beaten(mine, others):
    """By the definition: at least as good in both, better in one."""
    return any(x >= mine[0] and y >= mine[1] and (x > mine[0] or y > mine[1]) for x, y in others)


@given(POINTS)
def test_the_sweep_is_the_definition(points):
    finite = [p for p in points if math.isfinite(p[0]) and math.isfinite(p[1])]
    wanted = [math.isfinite(p[0]) and math.isfinite(p[1]) and not beaten(p, finite) for p in points]
    x, y = (np.array([p[i] for p in points], float) for i in (0, 1))
    assert undominated(x, y).tolist() == wanted


def test_equal_points_stay_together_and_weakly_beaten_ones_go():
    x, y = np.array([1.0, 1, 1, 2, 2]), np.array([5.0, 5, 4, 3, 3])
    assert undominated(x, y).tolist() == [True, True, False, True, True]


def test_a_hundred_thousand_points_are_one_sort():
    """The frontier of points on a circle is its upper right quarter; a quadratic sweep would never end."""
    angle = np.random.default_rng(1).uniform(0, 2 * np.pi, 100_000)
    x, y = np.cos(angle), np.sin(angle)
    inside = np.random.default_rng(2).uniform(0, 0.5, 100_000)
    on = undominated(np.concatenate([x, x * inside]), np.concatenate([y, y * inside]))
    assert on.sum() == np.count_nonzero((x > 0) & (y > 0)) > 20_000


def test_certainty_is_the_share_of_draws():
    generator = np.random.default_rng(3)
    xs, ys = generator.normal([1, 2, 3], 0.5, (300, 3)), generator.normal([5, 5, 4], 1, (300, 3))
    draws = [list(zip(*draw, strict=True)) for draw in zip(xs, ys, strict=True)]
    members = [[not beaten(point, draw) for point in draw] for draw in draws]
    assert certainty(xs, ys).tolist() == np.mean(members, axis=0).tolist()


# --------------------------------------------------------------------------- the monotone curve


CURVES = st.lists(
    st.tuples(st.floats(0.001, 100), st.floats(0.1, 1000)), min_size=2, max_size=12, unique_by=lambda p: p[0]
)


@given(CURVES, st.floats(0, 1), st.booleans())
def test_the_curve_goes_through_its_points_and_stays_between_neighbours(points, share, falling):
    xs = sorted(p[0] for p in points)
    ys = sorted((p[1] for p in points), reverse=falling)
    for x, y in zip(xs, ys, strict=True):
        assert interpolated(xs, ys, x) == pytest.approx(y, rel=1e-6)
    place = xs[0] + share * (xs[-1] - xs[0])
    after = next(i for i, x in enumerate(xs) if x >= place)
    low, high = sorted((ys[max(0, after - 1)], ys[after]))
    assert low * (1 - 1e-6) <= interpolated(xs, ys, place) <= high * (1 + 1e-6)


def test_a_power_law_is_a_straight_line_of_the_logarithms():
    xs = [1.0, 2, 8, 64]
    assert interpolated(xs, [3 * x**-0.7 for x in xs], 20) == pytest.approx(3 * 20**-0.7, rel=1e-9)


def test_a_value_that_is_not_positive_is_read_on_a_linear_axis():
    assert interpolated([1.0, math.e], [0.0, 2.0], math.sqrt(math.e)) == pytest.approx(1)


# --------------------------------------------------------------------------- bounds


PERCENTILES = ("p1", "p25", "p50", "p75", "p90", "p95", "p99", "p99.9")


def printed(values, method, ddof):
    """What a tool would print of values."""
    told = {name: float(np.percentile(values, float(name[1:]), method=method)) for name in PERCENTILES}
    deviation = float(np.std(values, ddof=ddof)) if len(values) > ddof else math.nan
    return told | {"mean": float(np.mean(values)), "min": min(values), "max": max(values), "std": deviation}


@given(
    st.lists(st.floats(0, 20), min_size=1, max_size=60),
    st.floats(0.01, 25),
    st.sets(st.sampled_from([*PERCENTILES, "mean", "std", "min", "max"])),
    st.sampled_from(["linear", "lower", "higher", "inverted_cdf"]),
    st.integers(0, 1),
)
def test_the_true_share_lies_within_the_bounds(values, limit, names, method, ddof):
    told = {k: v for k, v in printed(values, method, ddof).items() if k in names}
    low, high = share_within(limit, told, len(values))
    share = sum(v <= limit for v in values) / len(values)
    assert low - 1e-9 <= share <= high + 1e-9


def test_bounds_are_as_narrow_as_the_statistics_allow():
    assert share_within(1.0, {"p99": 0.9}, None) == (0.99, 1)
    assert share_within(1.0, {"p99": 1.1}, None) == (0, 0.99)
    assert share_within(1.0, {"p99": 0.9}, 1000) == (0.99, 1)
    assert share_within(1.0, {"p99": 0.9}, 10) == (0.9, 1), "the tenth of ten may lie anywhere above"
    assert share_within(1.0, {"p50": 0.9, "p90": 1.2}, 101) == (51 / 101, 90 / 101)
    assert share_within(1.0, {"mean": 0.2}, 50) == (pytest.approx(0.8), 1)
    assert share_within(1.0, {"mean": 0.2, "std": 0.1}, 50) == (pytest.approx(1 - 0.01 / 0.65), 1)
    assert share_within(1.0, {"mean": 2.0, "std": 0.5}, 50) == (0, pytest.approx(0.2))
    assert share_within(1.0, {"max": 0.9}, None) == (1, 1)
    assert share_within(1.0, {"max": 1.1}, 10) == (0, 0.9)
    assert share_within(1.0, {"min": 1.1}, None) == (0, 0)
    assert share_within(1.0, {"mean": math.nan}, None) == share_within(1.0, {}, 5) == (0, 1)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=50))
def test_several_limits_at_once(requests):
    shares = [sum(r[i] for r in requests) / len(requests) for i in range(3)]
    low, high = all_within([(s, s) for s in shares])
    assert low - 1e-9 <= sum(all(r) for r in requests) / len(requests) <= high + 1e-9
