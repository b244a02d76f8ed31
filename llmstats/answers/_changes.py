"""Change points of a short series, with honest p-values: E-divisive.

Matteson and James, "A nonparametric approach for multiple change point analysis of multivariate data" (JASA 109, 2014,
334-345), for one dimension and exponent 1: the split of a segment is where the energy distance between its two sides,
weighted by their sizes, is largest; its p-value is how often a random order of the segment's values gives as large a
one.  A segment whose split is significant is split, and both sides are tested again.

The p-value rests on values that come in random order where nothing changed: noise that drifts or remembers its past
is not of that kind, and is found to have changed.  Nothing here is tuned to a metric: a change is found whatever its
size, and `Change` leaves its size to who asks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: A random order that gives as large a split is found this often before the p-value counts as known (Besag and
#: Clifford, Biometrika 78, 1991, 301-304): a series without a change costs some tens of orders, not thousands.
_ENOUGH = 20
#: Distances held at once while orders are drawn.
_CELLS = 4_000_000
#: Orders of all values of one segment that are compared at most, in distances: long series get fewer orders.
_BUDGET = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Split:
    """A tested split of ``values[start:end]``: the second side begins at ``at``."""

    start: int
    at: int
    end: int
    p_value: float


def splits(values: Floats, least: int, alpha: float, orders: int, seed: int = 0) -> list[Split]:
    """All splits that were tested: those with a p-value up to ``alpha`` led to further ones.

    Args:
        values: shape (n,), finite, in their order.
        least: values that a side has at least.
        orders: random orders of a segment that are drawn at most; no p-value is below 1 / (orders + 1).
    """
    random = np.random.default_rng(seed)
    found, waiting = [], [(0, len(values))]
    while waiting:
        start, end = waiting.pop(0)
        if end - start < 2 * least:
            continue
        split = _tested(values[start:end], start, least, orders, random)
        found.append(split)
        if split.p_value <= alpha:
            waiting += [(start, split.at), (split.at, end)]
    return found


def strengths(distances: Floats, least: int) -> Floats:
    """Weighted energy distance at each split that leaves ``least`` values on both sides.

    Of a split into sides X of m and Y of n values: mn/(m+n) times 2 mean|x-y| - mean|x-x'| - mean|y-y'|, the last two
    over pairs of different values (equations 5 and 6 of the paper).

    Args:
        distances: |x_i - x_j| in the order of the values, shape (…, n, n).

    Returns:
        shape (…, n - 2 * least + 1).
    """
    n = distances.shape[-1]
    m = np.arange(least, n - least + 1)
    within = np.diagonal(distances.cumsum(-1).cumsum(-2), axis1=-2, axis2=-1)  # of the first k values, pairs twice
    first = within[..., m - 1]
    to_all = distances.sum(-1).cumsum(-1)[..., m - 1]
    between = to_all - first
    second = within[..., -1:] - first - 2 * between
    rest = n - m
    apart = 2 * between / (m * rest) - first / (m * np.maximum(m - 1, 1)) - second / (rest * np.maximum(rest - 1, 1))
    return np.asarray(m * rest / n * apart)


def _tested(values: Floats, offset: int, least: int, orders: int, random: np.random.Generator) -> Split:
    distances = np.abs(values[:, None] - values[None, :])
    seen = strengths(distances, least)
    best = int(np.argmax(seen))
    n = len(values)
    most = max(199, min(orders, _BUDGET // n**2))
    p_value = _p_value(distances, float(seen[best]), least, most, random)
    return Split(offset, offset + least + best, offset + n, p_value)


def _p_value(distances: Floats, seen: float, least: int, most: int, random: np.random.Generator) -> float:
    n = len(distances)
    portion = max(1, min(_CELLS // n**2, 256))
    as_large = drawn = 0
    limit = seen * (1 - 1e-12)  # equal sums in another order differ in their last bits
    while drawn < most:
        count = min(portion, most - drawn)
        order = np.argsort(random.random((count, n)), axis=1)
        shuffled = distances[order[:, :, None], order[:, None, :]]
        large = np.flatnonzero(strengths(shuffled, least).max(axis=1) >= limit)
        if as_large + len(large) >= _ENOUGH:
            return _ENOUGH / (drawn + int(large[_ENOUGH - as_large - 1]) + 1)
        as_large += len(large)
        drawn += count
    return (1 + as_large) / (1 + drawn)
