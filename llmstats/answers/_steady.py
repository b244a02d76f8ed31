"""The steady state of a serving run: when the load had built up and had not yet begun to run out.

A request is in flight from its start to its end.  The rule holds for a fixed number of clients (closed loop) and for
a fixed rate of requests (open loop) alike:

- it begins when the number in flight first reaches its plateau, the median over the time in which requests were
  still being sent (the second half of it, so that a slow start does not lower it); where the run is idle for more than
  half of that time, the mean over it;
- it ends when the last request is sent, since from then on the load only runs out;
- it takes longer to send the requests than to answer one (else the load never stood, however high it was);
- in between, the number in flight must not drift: the slope over ten equal slices, by least squares and Student's t,
  must not differ from zero with 95 % confidence while the fitted line moves by over a fifth of the plateau.  A queue
  that grows until the end has no steady state, however long one measures.

AISBench's stable stage runs from the second request that reaches the largest concurrency seen to the last one that
does: for a fixed number of clients the same window but for one request; at a fixed rate, where the largest
concurrency is touched once or twice by chance, it has next to nothing to measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Slices of the window whose mean load is looked at for drift, and how far the load may drift.
SLICES, DRIFT = 10, 0.2
#: Student's t for 95 % and `SLICES` - 2 degrees of freedom.
_T = 2.306
#: Fewer requests than this inside tell nothing.
LEAST = 10


@dataclass(frozen=True, slots=True)
class Window:
    """``begin`` to ``end`` in the clock of the starts; ``plateau`` requests in flight; why it is none, if so."""

    begin: float
    end: float
    plateau: float
    reason: str | None = None


def window(starts: Floats, ends: Floats) -> Window:
    """The steady window of a run from the finite starts and ends of its requests, in seconds."""
    if len(starts) < LEAST:
        return Window(np.nan, np.nan, np.nan, f"too few requests with times: {len(starts)} of at least {LEAST}")
    times, load = in_flight(starts, ends)
    last, usual = float(starts.max()), float(np.median(ends - starts))
    if last - starts.min() <= usual:
        return Window(np.nan, np.nan, np.nan, "the requests were sent all at once: the load only runs out")
    middle = (float(starts.min()) + last) / 2
    plateau = _median_load(times, load, middle, last) or mean_load(times, load, middle, last)
    if plateau <= 0:
        return Window(np.nan, np.nan, np.nan, "no request takes any time")
    reached = times[(load >= plateau) & (times <= last)]
    found = Window(float(reached[0]) if len(reached) else last, last, plateau)
    inside = np.count_nonzero((starts >= found.begin) & (starts <= found.end))
    if inside < LEAST:
        return Window(found.begin, last, plateau, f"too few requests in it: {inside} of at least {LEAST}")
    drift = _drift(times, load, found)
    if drift:
        rises = "keeps rising: a queue builds up" if drift > 0 else "keeps falling"
        return Window(found.begin, last, plateau, f"no steady state: the number in flight {rises} ({drift:+.0%})")
    return found


def in_flight(starts: Floats, ends: Floats) -> tuple[Floats, Floats]:
    """Moments at which the number of requests in flight changes, ascending and distinct, and the number from then on.

    A request that ends as another starts (one client goes on) is not counted beside it.
    """
    moments = np.concatenate([starts, ends])
    steps = np.concatenate([np.ones(len(starts)), -np.ones(len(ends))])
    times, place = np.unique(moments, return_inverse=True)
    return times, np.cumsum(np.bincount(place, steps))


def _median_load(times: Floats, load: Floats, begin: float, end: float) -> float:
    """Median of the load over time."""
    held, inside = _held(times, load, begin, end)
    if not held.sum():
        return 0.0
    order = np.argsort(inside)
    share = np.cumsum(held[order])
    return float(inside[order][np.searchsorted(share, share[-1] / 2)])


def _held(times: Floats, load: Floats, begin: float, end: float) -> tuple[Floats, Floats]:
    """For how long within ``begin`` to ``end`` the load had each of its values, and those values."""
    edges = np.clip(np.append(times, max(end, times[-1])), begin, end)
    return np.diff(edges), load


def mean_load(times: Floats, load: Floats, begin: float, end: float) -> float:
    """Mean over time of the number in flight."""
    held, values = _held(times, load, begin, end)
    return float(np.sum(held * values) / (end - begin))


def _drift(times: Floats, load: Floats, found: Window) -> float:
    """How far the load drifts over the window, as a share of the plateau; 0 where that may be chance or is little."""
    edges = np.linspace(found.begin, found.end, SLICES + 1)
    means = np.array([mean_load(times, load, a, b) for a, b in pairwise(edges)])
    t = np.arange(SLICES) - (SLICES - 1) / 2
    slope = float(t @ means / (t @ t))
    rest = means - means.mean() - slope * t
    error = float(np.sqrt(rest @ rest / (SLICES - 2) / (t @ t)))
    moved = slope * SLICES / found.plateau
    return moved if abs(moved) > DRIFT and abs(slope) > _T * error else 0.0


def tokens_within(begin: float, end: float, first: Floats, last: Floats, tokens: Floats) -> float:
    """Output tokens that fall into ``begin`` to ``end``: a request's first at ``first``, the others evenly to ``last``.

    So a request that reaches over an end of the window counts with the part that lies inside.
    """
    here = np.count_nonzero((first >= begin) & (first <= end) & (tokens >= 1))
    span = last - first
    inside = np.clip(np.minimum(last, end) - np.maximum(first, begin), 0, None)
    share = np.divide(inside, span, out=((first >= begin) & (first <= end)).astype(float), where=span > 0)
    return float(here + np.sum(share * np.clip(tokens - 1, 0, None)))
