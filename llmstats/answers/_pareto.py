"""Which points nothing beats: Pareto frontiers in two dimensions, and how sure that is of repeated measurements.

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


def certainty(xs: Floats, ys: Floats) -> Floats:
    """Of each point the share of draws that have it on the frontier.

    Args:
        xs: draws of where each point lies, shape (draws, points).
        ys: the same of y; a point that was measured once is the same in all draws.
    """
    members = np.array([undominated(x, y) for x, y in zip(xs, ys, strict=True)], dtype=np.float64)
    return np.asarray(members.mean(axis=0), dtype=np.float64)
