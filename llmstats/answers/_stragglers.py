"""Which ranks hold the others up: the statistics behind `stragglers`, over tables of steps x ranks.

What one rank takes longer than the quick quarter of the ranks in the same step is its excess.  Ranks are judged by
medians and median absolute deviations of it, so that neither a few wild steps nor one slow node (up to three quarters
of the ranks) move the yardstick.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from llmstats.answers._rank_times import Floats, Ints, RankTimes

Bools = npt.NDArray[np.bool_]

#: A step is odd for a rank from this many deviations between two ranks on (and from ``slower`` of a step).
SIGMAS = 5.0
#: A chronic rank is behind in most of so many equal parts of its records; odd steps are measured from its better ones.
PARTS, MOST_PARTS = 10, 8
#: Records of a rank from which on it can be called chronic.
LEAST = 2 * PARTS
#: Quantiles over the steps of a longer run are those of a fixed random sample of so many.
SAMPLE = 10_000
#: Chance that a run in which every rank is equally often slow is said to have a recurring straggler.
ALPHA = 0.05
#: Episodes of the same ranks from which on they are called recurring.
OFTEN = 3


@dataclass(slots=True)
class Finding:
    """Ranks (indices) that were slow together, and where."""

    kind: str  #: one-off, recurring, chronic, scattered, all ranks
    phase: str
    ranks: tuple[int, ...]
    steps: Ints  #: indices of the steps
    lost: float  #: what the others waited, summed over those records
    busy: float  #: that, summed over the slow ranks, which did not wait
    worst: tuple[int, int] = (0, 0)  #: indices of step and rank of the largest excess
    episodes: int = 1
    by_chance: float = 0.0  #: how many episodes of this run would have that shape by chance


@dataclass(slots=True)
class Phase:
    """One part of a step, on all ranks."""

    name: str
    excess: Floats  #: over the quick quarter of the step, what is explained by waiting for others taken off
    better: Floats  #: excess of each rank in its better steps
    usual: Floats  #: median excess of each rank
    odd: Bools  #: more than in its better steps, far beyond noise
    chronic: tuple[int, ...] = ()
    base: Floats = field(default_factory=lambda: np.zeros(0))


def find(times: RankTimes, slower: float, chronic: float, drop: float) -> list[Finding]:
    """All findings of a run.

    Args:
        times: of all ranks.
        slower: share of the usual step from which on a rank is slow in a step.
        chronic: share of the usual step that a chronic straggler is behind in the median.
        drop: share of the usual speed below which a step is slow for all ranks.
    """
    step = _middle(times.total)
    phases = _phases(times, slower * step, chronic * step)
    found = []
    for phase in phases:
        healthy = _healthy(phase)
        if phase.chronic:
            found.append(_chronic(phase, healthy, chronic * step))
        found += _by_habit(_episodes(times, phase, healthy), len(times.ranks), phase.name)
    return found + _together(times, phases, step * (1 / drop - 1))


def beyond(times: RankTimes, slower: float, chronic: float) -> Floats:
    """How far each rank was behind the quick quarter in its slowest phase, in usual steps; shape (steps, ranks)."""
    step = _middle(times.total)
    phases = _phases(times, slower * step, chronic * step)
    return np.asarray(np.maximum.reduce([p.excess for p in phases]) / step, float)


# --------------------------------------------------------------------------- excess


def quick(table: Floats) -> Floats:
    """The value that a quarter of the ranks do not exceed, for each step."""
    ordered = np.sort(table, axis=1)  # NaN comes last
    known = np.maximum(np.isfinite(ordered).sum(axis=1) - 1, 0)
    return np.take_along_axis(ordered, (known // 4)[:, None], axis=1)[:, 0]


def _phases(times: RankTimes, slow: float, late: float) -> list[Phase]:
    """Data wait first: what it explains is taken off the time of the other ranks."""
    if times.data is None:
        return [_phase("compute" if times.split else "unknown", times.own, quick(times.own), slow, late)]
    data = _phase("data", times.data, quick(times.data), slow, late)
    base = quick(times.own)
    return [data, _phase("compute", times.own, base, slow, late, data)]


def _phase(name: str, table: Floats, base: Floats, slow: float, late: float, data: Phase | None = None) -> Phase:
    excess = table - base[:, None]
    if data is not None:
        excess -= np.clip(excess, 0, _waited(data, base, slow / 2))
        excess -= np.clip(_quantile(excess, 0.5), 0, _habit(data))
    better = _quantile(excess, 1 - MOST_PARTS / PARTS)
    with np.errstate(invalid="ignore"):
        odd = (excess - better > max(SIGMAS * _noise(table), slow)) & (excess > slow)
    phase = Phase(name, excess, better, _quantile(excess, 0.5), odd, base=base)
    phase.chronic = _behind(phase, late)
    return phase


def _noise(table: Floats) -> float:
    """Robust standard deviation, over the steps, of the difference between two ranks: what is common is no noise.

    Of the pairs of neighbours the lower quartile: a rank late in half of the steps spoils both of its pairs.
    """
    if len(table) > 2 * SAMPLE:
        table = table[_sample(len(table))]
    apart = table - np.roll(table, 1, axis=1)
    pairs = _quantile(np.abs(apart - _quantile(apart, 0.5)), 0.5)
    return 1.4826 * float(np.nanquantile(pairs, 0.25)) if np.isfinite(pairs).any() else 0.0


def _middle(values: Floats) -> float:
    """Median of the values that there are; 0 where there are none."""
    return float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0


def _quantile(table: Floats, share: float) -> Floats:
    """A quantile of each rank; NaN for ranks without values."""
    if len(table) > 2 * SAMPLE:
        table = table[_sample(len(table))]
    if not np.isnan(table).any():
        return np.asarray(np.quantile(table, share, axis=0), float)
    return np.array([np.nanquantile(c, share) if np.isfinite(c).any() else np.nan for c in table.T])


@cache
def _sample(steps: int) -> Ints:
    return np.sort(np.random.default_rng(0).choice(steps, SAMPLE, replace=False))


def _waited(data: Phase, base: Floats, least: float) -> Floats:
    """What a rank may have waited for one whose data came so late at least, beyond what the quick quarter waited too.

    Lateness is measured from the better steps: where data come late in half of the steps, the median is late too.
    It need not be beyond noise, since others wait for it all the same.  The wait shows in the step of the late rank
    or, where work is queued ahead, in the next one.
    """
    own = np.maximum(np.nan_to_num(data.excess - data.better), 0)
    late = np.where(own > least, own, 0.0).max(axis=1)
    late[1:] = np.maximum(late[1:], late[:-1])
    shared = np.maximum(np.nan_to_num(base - _middle(base)), 0)
    return np.asarray(np.maximum(late[:, None] - own - shared[:, None], 0), float)


def _habit(data: Phase) -> Floats:
    """What each rank may wait in every step for ranks whose data always come late."""
    latest = max((float(data.usual[r]) for r in data.chronic), default=0.0)
    return np.maximum(np.nan_to_num(latest - data.usual), 0)


def few(times: RankTimes) -> Ints:
    """Ranks (indices) with too few records beside those of others to say whether they are always behind."""
    return np.flatnonzero(times.comparable < LEAST)


def _behind(phase: Phase, late: float) -> tuple[int, ...]:
    """Ranks that are behind throughout: clearly apart from the quick ones, in most parts of their records."""
    order = np.argsort(phase.usual)  # NaN comes last
    sorted_ = phase.usual[order]
    known = int(np.isfinite(sorted_).sum())
    apart = [
        i
        for i in range((known - 1) // 4, known - 1)
        if sorted_[i + 1] >= late and sorted_[i + 1] - sorted_[i] >= max(late / 2, 3 * float(np.std(sorted_[: i + 1])))
    ]
    if not apart:
        return ()
    return tuple(sorted(int(r) for r in order[apart[0] + 1 : known] if _throughout(phase.excess[:, r], late)))


def _throughout(excess: Floats, late: float) -> bool:
    """Whether one rank is behind in most parts of its records, of which there are enough."""
    logged = excess[np.isfinite(excess)]
    parts = np.array_split(logged, PARTS)
    return len(logged) >= LEAST and sum(float(np.median(part)) >= late for part in parts) >= MOST_PARTS


# --------------------------------------------------------------------------- findings


def _healthy(phase: Phase) -> Floats:
    """Per step: the largest excess of a rank that is not slow; what the step would have waited for anyway."""
    left = np.where(_slow(phase) | np.isnan(phase.excess), -np.inf, phase.excess).max(axis=1)
    return np.asarray(np.maximum(left, 0.0), float)


def _slow(phase: Phase) -> Bools:
    """Where a rank is slow, in this step or always."""
    slow = phase.odd.copy()
    slow[:, list(phase.chronic)] = True
    return slow


def _lost(phase: Phase, healthy: Floats, steps: Ints, ranks: Sequence[int]) -> tuple[float, tuple[int, int]]:
    """What the others waited for these ranks in these steps, and where most."""
    part = np.nan_to_num(phase.excess[np.ix_(steps, np.array(ranks))], nan=-np.inf)
    worst = int(part.argmax())
    lost = np.maximum(part.max(axis=1) - healthy[steps], 0)
    return float(lost.sum()), (int(steps[worst // len(ranks)]), int(ranks[worst % len(ranks)]))


def _chronic(phase: Phase, healthy: Floats, late: float) -> Finding:
    ranks = phase.chronic
    with np.errstate(invalid="ignore"):
        steps = np.flatnonzero((phase.excess[:, list(ranks)] >= late).any(axis=1))
    lost, worst = _lost(phase, healthy, steps, ranks)
    return Finding("chronic", phase.name, ranks, steps, lost, lost * len(ranks), worst)


def _episodes(times: RankTimes, phase: Phase, healthy: Floats) -> list[Finding]:
    """Stretches of neighbouring steps in which the same ranks are slow."""
    stretches: list[tuple[list[int], set[int]]] = []
    for t in np.flatnonzero(phase.odd.any(axis=1)).tolist():
        slow = set(np.flatnonzero(phase.odd[t]).tolist())
        last = stretches[-1] if stretches else None
        if last and times.steps[t] - times.steps[last[0][-1]] <= 1.5 * times.every and last[1] & slow:
            last[0].append(t)
            last[1].update(slow)
        else:
            stretches.append(([t], slow))
    return [_episode(phase, healthy, np.array(steps), sorted(ranks)) for steps, ranks in stretches]


def _episode(phase: Phase, healthy: Floats, steps: Ints, ranks: list[int]) -> Finding:
    """Its ranks are those with at least half the excess of the worst one."""
    excess = np.nan_to_num(phase.excess[np.ix_(steps, np.array(ranks))]).mean(axis=0)
    kept = tuple(r for r, e in zip(ranks, excess, strict=True) if e >= 0.5 * excess.max())
    lost, worst = _lost(phase, healthy, steps, kept)
    return Finding("one-off", phase.name, kept, steps, lost, lost * len(kept), worst)


def _by_habit(episodes: list[Finding], ranks: int, phase: str) -> list[Finding]:
    """Episodes of ranks that are slow more often than chance lets expect, together; the others one by one."""
    sizes = Counter(len(e.ranks) for e in episodes)
    sets = Counter(e.ranks for e in episodes if len(e.ranks) > 1)
    often = {s for s, n in sets.items() if n >= OFTEN}
    found = [_joined(phase, s, [e for e in episodes if e.ranks == s]) for s in sorted(often)]
    left = [e for e in episodes if e.ranks not in often]
    while rank := _habitual(left, ranks):
        mine = [e for e in left if e.ranks == rank]
        found.append(_joined(phase, rank, mine))
        left = [e for e in left if e.ranks != rank]
    for episode in left:
        episode.by_chance = sizes[len(episode.ranks)] if len(episode.steps) < OFTEN else 0
    return found + left


def _habitual(episodes: list[Finding], ranks: int) -> tuple[int] | None:
    """The rank with most episodes of its own, where chance explains that in less than `ALPHA` of runs."""
    counts = Counter(e.ranks[0] for e in episodes if len(e.ranks) == 1)
    if not counts:
        return None
    rank, n = max(counts.items(), key=lambda c: (c[1], -c[0]))
    if n < OFTEN or ranks * binomial_tail(n, counts.total(), 1 / ranks) >= ALPHA:
        return None
    return (rank,)


def binomial_tail(least: int, n: int, p: float) -> float:
    """Chance of ``least`` or more successes in ``n`` trials."""
    if least <= 0 or p >= 1:
        return 1.0
    terms = (
        math.exp(
            math.lgamma(n + 1)
            - math.lgamma(k + 1)
            - math.lgamma(n - k + 1)
            + k * math.log(p)
            + (n - k) * math.log1p(-p)
        )
        for k in range(least, n + 1)
    )
    return min(1.0, math.fsum(terms))


def _joined(phase: str, ranks: Iterable[int], episodes: list[Finding], kind: str = "recurring") -> Finding:
    worst = max(episodes, key=lambda e: e.lost / len(e.steps))
    steps = np.unique(np.concatenate([e.steps for e in episodes]))
    lost, busy = sum(e.lost for e in episodes), sum(e.busy for e in episodes)
    return Finding(kind, phase, tuple(ranks), steps, lost, busy, worst.worst, len(episodes))


def fewer(findings: list[Finding], most: int) -> list[Finding]:
    """At most ``most`` one-off findings, the costliest; the others as one per phase, `scattered`."""
    single = sorted((f for f in findings if f.kind == "one-off"), key=lambda f: -f.lost)
    if len(single) <= most:
        return findings
    rest = single[most:]
    scattered = [
        _joined(phase, sorted({r for f in mine for r in f.ranks}), mine, "scattered")
        for phase in dict.fromkeys(f.phase for f in rest)
        if (mine := [f for f in rest if f.phase == phase])
    ]
    return [f for f in findings if f.kind != "one-off"] + single[:most] + scattered


# --------------------------------------------------------------------------- all ranks


def _together(times: RankTimes, phases: list[Phase], beyond: float) -> list[Finding]:
    """Steps that were slow for the quick quarter of the ranks too, beyond what it waited for slow ones."""
    base = quick(times.total)
    over = np.nan_to_num(base - _middle(base))
    for phase in phases:
        behind = np.where(_slow(phase), np.nan_to_num(phase.excess), 0.0).max(axis=1)
        over = over - np.maximum(behind - np.median(behind), 0)  # the usual step has the usual wait in it
    slow = np.flatnonzero(over > beyond)
    parts = {"data": times.data, "communication": times.communication}
    causes = np.full(len(slow), "unknown", dtype=object)
    for name, table in parts.items():
        if table is not None:
            part = quick(table)
            causes[part[slow] - _middle(part) >= 0.5 * over[slow]] = name
    everyone = tuple(range(len(times.ranks)))
    return [
        Finding("all ranks", cause, everyone, mine, float(over[mine].sum()), 0.0, (int(mine[over[mine].argmax()]), 0))
        for cause in sorted(set(causes.tolist()))
        if len(mine := slow[causes == cause])
    ]
