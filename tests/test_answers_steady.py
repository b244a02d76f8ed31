"""The steady window on simulated runs whose steady state is known by construction."""

import heapq

import numpy as np
import pytest

from llmstats.answers._steady import in_flight, mean_load, tokens_within, window


def clients(n, requests, generator, ramp=0.0):
    """A closed loop: ``n`` clients, each sends its next request when the last is answered."""
    free = [i * ramp for i in range(n)]
    heapq.heapify(free)
    starts, ends = [], []
    for _ in range(requests):
        start = heapq.heappop(free)
        starts.append(start)
        ends.append(start + generator.gamma(20, 0.1))
        heapq.heappush(free, ends[-1])
    return np.array(starts), np.array(ends)


def arrivals(rate, seconds, generator, servers=10**6, mean=2.0):
    """An open loop: Poisson arrivals at ``servers`` that take one request each."""
    starts = np.cumsum(generator.exponential(1 / rate, int(rate * seconds)))
    free = [0.0] * min(servers, len(starts))
    ends = []
    for start in starts:
        begin = max(start, heapq.heappop(free))
        ends.append(begin + generator.gamma(20, mean / 20))
        heapq.heappush(free, ends[-1])
    return starts, np.array(ends)


def stable_stage(starts, ends):
    """AISBench: from the second request that reaches the largest concurrency to the last one that does."""
    at = [sum(s <= start < e for s, e in zip(starts, ends, strict=True)) for start in starts]
    reach = [start for start, n in zip(starts, at, strict=True) if n == max(at)]
    return reach[min(1, len(reach) - 1)], reach[-1]


def test_a_fixed_number_of_clients_is_steady_from_the_last_client_to_the_last_request():
    starts, ends = clients(16, 600, np.random.default_rng(1), ramp=0.5)
    found = window(starts, ends)
    assert (found.reason, found.plateau, found.end) == (None, 16, starts.max())
    begin, end = stable_stage(starts, ends)
    assert found.end == end
    assert found.begin == pytest.approx(7.5), "the sixteenth client comes at 15 x 0.5 s"
    assert np.count_nonzero((starts > found.begin) & (starts <= begin)) == 1, "AISBench begins one request later"


def test_a_fixed_rate_is_steady_where_the_largest_concurrency_says_nothing():
    starts, ends = arrivals(20, 100, np.random.default_rng(2))
    found = window(starts, ends)
    assert found.reason is None
    assert found.begin < 6
    assert found.end > 95
    times, load = in_flight(starts, ends)
    assert mean_load(times, load, found.begin, found.end) == pytest.approx(20 * 2.0, rel=0.05), "Little's law"
    begin, end = stable_stage(starts, ends)
    assert end - begin < (found.end - found.begin) / 2


def test_a_queue_that_grows_has_no_steady_state():
    found = window(*arrivals(20, 60, np.random.default_rng(3), servers=20))
    assert "keeps rising" in found.reason
    fine = window(*arrivals(20, 60, np.random.default_rng(3), servers=60))
    assert fine.reason is None


def test_a_load_that_wanes_has_no_steady_state():
    generator = np.random.default_rng(4)
    gaps = np.linspace(0.02, 0.2, 800) * generator.gamma(20, 0.05, 800)
    starts = np.cumsum(gaps)
    assert "keeps falling" in window(starts, starts + generator.gamma(20, 0.1, 800)).reason


def test_requests_sent_at_once_and_few_requests_have_none():
    starts = np.linspace(0, 0.1, 500)
    assert "all at once" in window(starts, starts + np.linspace(1, 9, 500)).reason
    assert "too few requests with times: 9" in window(starts[:9], starts[:9] + 1).reason
    starts = np.array([*range(9), 50, 51, 52, 100.0])
    late = window(starts, starts + np.array([0.1] * 9 + [100] * 3 + [1.0]))
    assert (late.begin, late.reason) == (52, "too few requests in it: 2 of at least 10")


def test_noise_alone_is_rarely_called_drift():
    """Of 200 stationary runs at most a few are refused: the threshold of a fifth is far beyond their noise."""
    refused = [window(*arrivals(10, 120, np.random.default_rng(seed))).reason for seed in range(200)]
    assert sum(reason is not None for reason in refused) <= 10


def test_the_number_in_flight_is_counted_as_by_hand():
    starts, ends = np.array([0.0, 1, 2, 3]), np.array([2.0, 5, 3, 4])
    times, load = in_flight(starts, ends)
    assert times.tolist() == [0, 1, 2, 3, 4, 5]
    assert load.tolist() == [1, 2, 2, 2, 1, 0], "one that ends as another starts is not counted beside it"
    assert mean_load(times, load, 0, 5) == (1 + 2 + 2 + 2 + 1) / 5
    assert mean_load(times, load, 0.5, 1.5) == 1.5


def test_tokens_are_spread_evenly_behind_the_first():
    generator = np.random.default_rng(5)
    first = generator.uniform(0, 100, 300)
    tokens = generator.integers(1, 2000, 300).astype(float)
    last = first + np.where(tokens > 1, generator.uniform(0, 30, 300), 0)
    last[:5] = first[:5]  # all in one chunk
    placed = [np.linspace(a, b, int(n)) for a, b, n in zip(first, last, tokens, strict=True)]
    inside = sum(np.count_nonzero((at >= 20) & (at <= 70)) for at in placed)
    assert tokens_within(20, 70, first, last, tokens) == pytest.approx(inside, rel=1e-3)
    assert tokens_within(-1, 1000, first, last, tokens) == tokens.sum()


def test_records_without_times_cannot_tell():
    from llmstats.answers.steady import _run

    none = np.full(3, np.nan)
    records = {"started": none, "ended": none, "done": np.array([True, True, False]),
               "cut_off": np.zeros(3, bool), "line": np.arange(1, 4),
               "source_key": np.zeros(3), "path": ["/w/a.json"]}  # fmt: skip
    told = _run(records, "mean")
    assert (told.get("steady"), told["requests"], told["failed"], told["without_times"]) == (None, 3, 1, 3)
    assert told["reason"].startswith("cannot tell: ")


def test_a_run_that_is_idle_for_most_of_the_time_has_the_mean_as_its_plateau():
    starts, ends = arrivals(0.2, 2000, np.random.default_rng(5), mean=1.0)
    found = window(starts, ends)
    assert (found.reason, found.begin, found.end) == (None, starts.min(), starts.max())
    times, load = in_flight(starts, ends)
    middle = (starts.min() + starts.max()) / 2
    assert found.plateau == mean_load(times, load, middle, starts.max())
    assert mean_load(times, load, found.begin, found.end) == pytest.approx(0.2, rel=0.2), "Little's law"


@pytest.mark.parametrize("spread", [0.0, 10.0])
def test_requests_that_take_no_time_have_no_steady_state(spread):
    starts = np.linspace(0, spread, 50)
    wanted = "no request takes any time" if spread else "the requests were sent all at once: the load only runs out"
    assert window(starts, starts).reason == wanted
