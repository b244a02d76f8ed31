"""Statistics against scipy, published tables and simulation; seeds are fixed, so nothing here is a matter of luck."""

import math

import numpy as np
import pytest
from scipy import stats

from llmstats import statistics as st

TRIALS = 2000


def _noise(kind, relative, size, seed):
    random = np.random.default_rng(seed)
    if kind == "normal":
        return 1000 * (1 + relative * random.standard_normal(size))
    return 1000 * np.exp(math.sqrt(math.log1p(relative**2)) * random.standard_normal(size))


def _covers(found, truth):
    return found.low <= truth <= found.high


@pytest.mark.parametrize("kind", ["normal", "log-normal"])
@pytest.mark.parametrize("relative", [0.01, 0.1])
@pytest.mark.parametrize("n", [3, 5, 6, 7, 8, 9, 10, 30])
def test_intervals_hold_the_true_location_as_often_as_they_say(kind, relative, n):
    samples = _noise(kind, relative, (TRIALS, n), seed=n)
    share = np.mean([_covers(st.interval(sample), 1000) for sample in samples])
    assert 0.93 <= share <= 0.97


@pytest.mark.parametrize(("kind", "relative"), [("normal", 0.1), ("log-normal", 0.03), ("normal", 0.01)])
@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 3), (5, 5), (10, 10), (30, 30)])
def test_ratios_hold_the_true_ratio(kind, relative, n, m):
    ours, theirs = _noise(kind, relative, (TRIALS, n), seed=n), 2.5 * _noise(kind, relative, (TRIALS, m), seed=100 + m)
    share = np.mean([_covers(st.ratio(a, b), 0.4) for a, b in zip(ours, theirs, strict=True)])
    assert 0.93 <= share <= 0.975  # Welch's own at three a side: 96 to 97 %


def test_ratios_hold_where_one_side_is_noisier():
    ours, theirs = _noise("normal", 0.1, (TRIALS, 5), 1), _noise("normal", 0.02, (TRIALS, 5), 2)
    share = np.mean([_covers(st.ratio(a, b), 1) for a, b in zip(ours, theirs, strict=True)])
    assert 0.93 <= share <= 0.97


def test_the_mean_ratio_over_models_holds():
    models = [
        (_noise("normal", 0.05, (TRIALS, 3), 2 * i), _noise("normal", 0.02, (TRIALS, 4), 2 * i + 1)) for i in range(4)
    ]
    found = [st.mean_ratio([(a[trial], b[trial]) for a, b in models]) for trial in range(TRIALS)]
    assert 0.93 <= np.mean([_covers(f, 1) for f in found]) <= 0.97


def test_a_baseline_that_many_share_has_its_noise_once():
    """Three devices against one noisy baseline: its noise does not average out, and the interval knows."""
    base = _noise("normal", 0.10, (TRIALS, 5), 1)
    others = [_noise("normal", 0.02, (TRIALS, 5), 2 + i) for i in range(3)]
    shared, apart = [], []
    for trial in range(TRIALS):
        mine = [other[trial] for other in others]
        shared.append(_covers(st.contrast([*mine, base[trial]], [1 / 3] * 3 + [-1]), 1))
        apart.append(_covers(st.mean_ratio([(m, base[trial]) for m in mine]), 1))
    assert 0.93 <= np.mean(shared) <= 0.97
    assert np.mean(apart) < 0.85  # why it is given once


@pytest.mark.parametrize("n", [10, 30])
def test_the_bootstrap_holds_from_where_it_answers(n):
    samples = _noise("normal", 0.1, (800, n), seed=7)
    share = np.mean([_covers(st.bootstrap(sample, count=600), 1000) for sample in samples])
    assert 0.925 <= share <= 0.97


def test_the_percentile_bootstrap_would_not_hold_at_three():
    """Why `bootstrap` gives no limits below ten: the reason of this module, kept true."""
    samples = _noise("normal", 0.05, (500, 3), seed=5)
    with np.errstate(all="ignore"):
        limits = [
            stats.bootstrap((s,), np.mean, method="percentile", n_resamples=400, random_state=np.random.default_rng(1))
            for s in samples
        ]
    share = np.mean([b.confidence_interval.low <= 1000 <= b.confidence_interval.high for b in limits])
    assert share < 0.85


def test_small_intervals_are_scipys_t_interval_of_the_logarithms():
    values = [98.0, 103.5, 101.2, 99.9]
    found = st.interval(values, 0.9)
    logs = np.log(values)
    low, high = stats.t.interval(0.9, 3, logs.mean(), stats.sem(logs))
    assert (found.low, found.high) == pytest.approx((math.exp(low), math.exp(high)), rel=1e-12)
    assert found[:1] + found[3:] == (pytest.approx(100.55), 4, 0, "t on log values")


def test_values_that_are_not_all_positive_get_a_plain_t_interval():
    values = [0.0, 0.2, 0.1]
    found = st.interval(values)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 2, 0.1, stats.sem(values)), rel=1e-12)
    assert found.method == "t"


def test_an_interval_holds_its_own_median():
    """Of nine values in two clusters, or of few at a low level, the t interval of the mean would leave it outside."""
    two = [1000.0, 1000.2, 1000.4, 1000.1, 1000.3, 1040.0, 1040.2, 1040.4, 1040.1]
    found = st.interval(two)
    assert (found.centre, found.method) == (1000.4, "median by order statistics")
    assert found.low <= found.centre <= found.high
    random = np.random.default_rng(1)
    for n, level in [(n, level) for n in range(3, 13) for level in (0.5, 0.9, 0.95, 0.99)]:
        for _ in range(40):
            values = 100 + 10 * random.integers(0, 2, n) + random.random(n)
            found = st.interval(values - random.choice([0, 105]), level)
            assert found.low <= found.centre <= found.high, (n, level, values)


def test_an_interval_without_end_is_none():
    few, more = [1.0, 50.0, 1000.0], [1.0, 2.0, 3.0]
    for found in (st.interval(few, 0.999999999), st.ratio(few, more, 0.999999999), st.interval([*few, 0], 1 - 2**-53)):
        assert found.centre is not None
        assert (found.low, found.high, found.method) == (None, None, "none: no finite limit at this level")


@pytest.mark.parametrize("n", [6, 8, 10, 11, 25, 60])
def test_larger_intervals_lie_between_scipys_exact_ones(n):
    values = np.sort(_noise("log-normal", 0.2, n, seed=n))
    found = st.interval(values)
    exact = stats.quantile_test(values, p=0.5).confidence_interval(0.95)  # the narrowest with at least 95 %
    at = int(np.searchsorted(values, exact.low))
    assert exact.low <= found.low <= values[at + 1]
    assert values[-at - 2] <= found.high <= values[-at - 1]
    assert found.method == "median by order statistics"


def test_hettmansperger_and_sheathers_weight():
    """Ten values by hand: levels 1-2*11/1024 (2nd to 9th) and 1-2*56/1024 (3rd to 8th) enclose 95 %."""
    outer, inner = 1 - 22 / 1024, 1 - 112 / 1024
    excess = (outer - 0.95) / (outer - inner)
    weight = 8 * excess / (2 + 6 * excess)
    found = st.interval(np.arange(10.0))
    assert (found.low, found.high) == pytest.approx((1 + weight, 8 - weight), rel=1e-12)


@pytest.mark.parametrize(
    ("values", "centre", "n", "left_out", "method"),
    [
        ([], None, 0, 0, "none: no value"),
        ([math.nan, math.inf], None, 0, 2, "none: no value"),
        ([5.0], 5.0, 1, 0, "none: n < 3"),
        ([5.0, 7.0, math.nan], 6.0, 2, 1, "none: n < 3"),
        ([2871.0] * 12, 2871.0, 12, 0, "none: all values equal"),
    ],
)
def test_no_interval_where_none_can_be_had_and_it_says_so(values, centre, n, left_out, method):
    assert st.interval(values) == st.Interval(centre, None, None, n, left_out, method)


def test_a_level_beyond_the_outermost_values_falls_back_on_t():
    assert st.interval(np.arange(1.0, 11.0), 0.9999).method == "t on log values"
    assert st.interval(np.arange(1.0, 11.0), 0.99).method == "median by order statistics"


def test_a_ratio_is_scipys_welch_interval_of_the_logarithms():
    ours, theirs = [98.0, 103.5, 101.2, 99.9], [51.0, 49.5, 50.7]
    found = st.ratio(ours, theirs, 0.9)
    welch = stats.ttest_ind(np.log(ours), np.log(theirs), equal_var=False).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((math.exp(welch.low), math.exp(welch.high)), rel=1e-10)
    assert found.centre == pytest.approx(stats.gmean(ours) / stats.gmean(theirs), rel=1e-12)
    assert (found.n, found.method) == (3, "Welch t on log values")


@pytest.mark.parametrize(
    ("ours", "theirs", "centre", "n", "method"),
    [
        ([3.0], [2.0], 1.5, 1, "none: n < 3"),
        ([3.0, 3.0, 3.0], [2.0, 2.0, math.nan], 1.5, 2, "none: n < 3"),
        ([3.0, 3.0, 3.0], [2.0, 2.0, 2.0], 1.5, 3, "none: all values equal"),
        ([3.0, -3.0, 3.0], [2.0, 2.0, 2.0], None, 3, "none: a ratio needs positive values"),
        ([], [2.0], None, 0, "none: no value"),
    ],
)
def test_no_ratio_interval_where_none_can_be_had(ours, theirs, centre, n, method):
    found = st.ratio(ours, theirs)
    assert (found.low, found.high, found.n, found.method) == (None, None, n, method)
    assert found.centre == (None if centre is None else pytest.approx(centre))


def test_the_mean_ratio_is_the_geometric_mean_of_the_ratios():
    pairs = [([2.0], [1.0]), ([8.0], [1.0]), ([5.0], [5.0])]
    assert st.mean_ratio(pairs).centre == pytest.approx(16 ** (1 / 3), rel=1e-12)
    assert st.mean_ratio(pairs, weights=[1, 1, 2]).centre == pytest.approx(2**0.25 * 8**0.25, rel=1e-12)
    assert st.mean_ratio([]).centre is None


def test_a_weight_of_nothing_leaves_the_other_pair():
    first, second = ([98.0, 103.5, 101.2], [51.0, 49.5, 50.7]), ([1.0, 2.0, 3.0], [9.0, 8.0, 9.5])
    alone, weighted = st.ratio(*first), st.mean_ratio([first, second], weights=[1, 1e-12])
    assert weighted[:3] == pytest.approx(alone[:3], rel=1e-6)


def test_geometric_mean_against_scipy():
    values = [0.4, 1.7, 2.9, 1.1]
    assert st.geometric_mean(values) == pytest.approx(stats.gmean(values), rel=1e-12)
    assert st.geometric_mean([]) is None
    assert st.geometric_mean([1.0, 0.0]) is None
    assert st.geometric_mean([1.0, math.nan]) is None


def test_draws_of_one_location_give_its_interval():
    values = [98.0, 103.5, 101.2, 99.9]
    draws = st.location_draws(values, 200_000, seed=3)
    found = st.interval(values)
    assert np.percentile(draws, [2.5, 97.5]) == pytest.approx([found.low, found.high], rel=2e-3)
    assert (draws == st.location_draws(values, 200_000, seed=3)).all()
    assert (draws != st.location_draws(values, 200_000, seed=4)).any()


def test_draws_carry_the_noise_of_several_measurements_into_what_is_computed_of_them():
    """The larger of two systems, from 3 repeats each: no closed formula, and percentiles that hold."""
    first, second = _noise("normal", 0.05, (TRIALS, 3), 1), 0.8 * _noise("normal", 0.05, (TRIALS, 3), 2)
    hits = 0
    for a, b in zip(first, second, strict=True):
        best = np.maximum(st.location_draws(a, 1000, 1), st.location_draws(b, 1000, 2))
        low, high = np.percentile(best, [2.5, 97.5])
        hits += low <= 1000 <= high
    assert 0.93 <= hits / TRIALS <= 0.97


def test_no_draws_of_two_values_or_of_values_that_are_not_positive():
    assert np.isnan(st.location_draws([1.0, 2.0], 10)).all()
    assert np.isnan(st.location_draws([1.0, 2.0, 0.0], 10)).all()


def test_the_bootstrap_against_scipys_at_many_samples():
    """Where n is large the expanded percentiles are the plain ones, which scipy knows."""
    values = np.random.default_rng(1).exponential(2.0, 400)
    found = st.bootstrap(values, np.median, count=4000)
    known = stats.bootstrap(
        (values,), np.median, method="percentile", n_resamples=4000, random_state=np.random.default_rng(2)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((known.low, known.high), rel=0.02)
    assert found.centre == np.median(values)


def test_the_bootstrap_is_wider_than_its_percentiles_at_ten_samples():
    values = _noise("normal", 0.1, 10, seed=1)
    found = st.bootstrap(values, seed=9)
    plain = stats.bootstrap((values,), np.mean, method="percentile", random_state=np.random.default_rng(9))
    assert found.high - found.low > 1.1 * (plain.confidence_interval.high - plain.confidence_interval.low)
    assert found == st.bootstrap(values, seed=9)
    assert found != st.bootstrap(values, seed=8)
    assert st.bootstrap(values[:9]) == st.Interval(pytest.approx(values[:9].mean()), None, None, 9, 0, "none: n < 10")
    assert st.bootstrap([math.nan]) == st.Interval(None, None, None, 0, 1, "none: no value")


def test_a_bootstrap_in_portions_is_that_of_all_values():
    values = np.random.default_rng(1).normal(10, 1, 30_000)  # 2,000 resamples of them do not go at once
    found = st.bootstrap(values, count=700)
    half = 1.96 / math.sqrt(30_000)
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),  # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_limits_are_the_published_ones(successes, n, low, high):
    found = st.wilson(successes, n)
    assert (float(found[0]), float(found[1])) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilsons_limits_are_scipys(level):
    trials = np.array([1, 5, 37, 1000, 1000])
    successes = np.array([0, 5, 11, 1, 999])
    low, high = st.wilson(successes, trials, level)
    known = [stats.binomtest(k, n).proportion_ci(level, "wilson") for k, n in zip(successes, trials, strict=True)]
    assert low == pytest.approx([k.low for k in known], abs=1e-12)
    assert high == pytest.approx([k.high for k in known], abs=1e-12)
    assert (low[0], high[1]) == (0.0, 1.0)
    assert np.isnan(st.wilson(0, 0)).all()


@pytest.mark.parametrize("n", [20, 50, 200])
def test_wilsons_limits_hold_on_average_over_shares(n):
    """Binomial coverage jumps with the share, so it is the mean over shares that is 95 %; exact, no simulation."""
    shares, counts = np.linspace(0.05, 0.95, 181), np.arange(n + 1)
    low, high = st.wilson(counts, n)
    held = (low[None] <= shares[:, None]) & (shares[:, None] <= high[None])
    covered = (held * stats.binom.pmf(counts[None], n, shares[:, None])).sum(1)
    assert 0.93 <= covered.mean() <= 0.97
    assert covered.min() > 0.88


def test_benjamini_and_hochbergs_own_example():
    """Their table of 15 p-values (1995, section 4.1): four are findings at q = 0.05 where Bonferroni finds three."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    adjusted = st.benjamini_hochberg(p)
    assert int((adjusted <= 0.05).sum()) == 4
    assert adjusted[3] == pytest.approx(0.0095 * 15 / 4)


def test_adjusted_p_values_step_up_and_leave_out_what_was_not_tested():
    p = [0.04, math.nan, 0.01, 0.03]
    plain = sorted((0.04, 0.01, 0.03))
    expected = {v: min(w * 3 / (plain.index(w) + 1) for w in plain if w >= v) for v in plain}
    assert st.benjamini_hochberg(p) == pytest.approx(
        [expected[0.04], math.nan, expected[0.01], expected[0.03]], nan_ok=True
    )
    assert np.isnan(st.benjamini_hochberg([math.nan])).all()


def test_false_discoveries_stay_below_their_rate():
    random, false_share = np.random.default_rng(0), []
    for _ in range(400):
        p = random.random(40)
        p[:10] = stats.norm.sf(random.normal(3, 1, 10))  # ten true effects among forty
        found = st.benjamini_hochberg(p) <= 0.1
        false_share.append(found[10:].sum() / max(1, found.sum()))
    assert np.mean(false_share) <= 0.1
