"""Which points nothing beats: Pareto frontiers in two dimensions, and their band over repeated measurements.

Everything is arrays of one length: ``x`` and ``y`` of the points, larger better; whoever wants less of something
passes its negative.  A point that is not finite is on no frontier.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def undominated(x: Floats, y: Floats) -> Bools:
    """Points that no other point matches in both and beats in one.

    Points equal in both stay together.  One sort and one sweep: from the best x downwards a point stays if it is the
    highest of its x and higher than all of better x.
    """
    keep = np.zeros(len(x), bool)
    finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    order = finite[np.lexsort((-y[finite], -x[finite]))]
    if not len(order):
        return keep
    xs, ys = x[order], y[order]
    first = np.concatenate([[True], xs[1:] != xs[:-1]])  # the highest of each x comes first
    group = np.cumsum(first) - 1
    best = ys[first]
    before = np.concatenate([[-np.inf], np.maximum.accumulate(best)[:-1]])
    keep[order] = (ys == best[group]) & (ys > before[group])
    return keep


def height(x: Floats, y: Floats, at: Floats) -> Floats:
    """Height of the staircase: the largest y of the points whose x is at least ``at``; -inf where there is none."""
    order = np.argsort(x, kind="stable")
    highest = np.maximum.accumulate(y[order][::-1])[::-1]
    place = np.searchsorted(x[order], at, side="left")
    return np.concatenate([highest, [-np.inf]])[place]


def band(xs: Floats, ys: Floats, at: Floats, level: float = 0.95) -> tuple[Floats, Floats, Floats]:
    """How sure a frontier is whose points were measured several times.

    Args:
        xs: draws of where each point lies, shape (draws, points).
        ys: the same of y; a point that was measured once is the same in all draws.
        at: the x at which the height of the frontier is wanted.
        level: share of the draws between the two ends of the band.

    Returns:
        Lower and upper end of the height at each ``at``, and of each point the share of draws that have it on the
        frontier.
    """
    heights = np.array([height(x, y, at) for x, y in zip(xs, ys, strict=True)])
    members = np.array([undominated(x, y) for x, y in zip(xs, ys, strict=True)])
    tail = (1 - level) / 2
    low, high = np.quantile(heights, [tail, 1 - tail], axis=0, method="inverted_cdf")
    return low, high, members.mean(axis=0)
