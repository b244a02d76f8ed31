"""What printed statistics of a sample say of the share of its values that stay within a limit: bounds, no estimate.

- A percentile: tools interpolate between the two values around place (n - 1) p, or take one of the two.  If the
  printed value is within the limit, so is the lower of the two and all below it; if not, neither is the upper one nor
  anything above it.
- Smallest and largest value: all or none, where the limit lies beyond.
- The mean of times, which are not negative: Markov's inequality, at most mean / limit lie above.
- Mean and standard deviation: Cantelli's inequality, at most s² / (s² + d²) lie further than d on one side of the
  mean.  It holds for the values themselves with the deviation that divides by n, and the more with one by n - 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

_PERCENTILE = re.compile(r"p(\d+(?:\.\d+)?)")


def share_within(limit: float, statistics: Mapping[str, float], n: int | None) -> tuple[float, float]:
    """Lower and upper bound of the share of ``n`` values that are at most ``limit``.

    Args:
        limit: positive.
        statistics: by name (``mean``, ``std``, ``min``, ``max``, ``p99`` …); those that are not finite are ignored.
        n: number of values; None where nobody said (percentiles then count as those of many).
    """
    low, high = 0.0, 1.0
    for at_least, at_most in _bounds(limit, {k: v for k, v in statistics.items() if math.isfinite(v)}, n):
        low, high = max(low, at_least), min(high, at_most)
    return min(low, high), high


def all_within(shares: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Bounds of the share that is within several limits at once, from the bounds of each (Fréchet's inequalities)."""
    pairs = list(shares)
    low = max(0.0, 1 - sum(1 - low for low, _ in pairs))
    return low, min((high for _, high in pairs), default=1.0)


def _bounds(limit: float, known: Mapping[str, float], n: int | None) -> Iterable[tuple[float, float]]:
    for name, value in known.items():
        if match := _PERCENTILE.fullmatch(name):
            yield _percentile(value <= limit, float(match[1]) / 100, n)
    if "min" in known and known["min"] > limit:
        yield 0.0, 0.0
    if "max" in known:
        yield (1.0, 1.0) if known["max"] <= limit else (0.0, 1.0 if n is None else (n - 1) / n)
    if "mean" in known:
        yield max(0.0, 1 - known["mean"] / limit), 1.0
        yield _cantelli(limit - known["mean"], known.get("std"))


def _percentile(within: bool, p: float, n: int | None) -> tuple[float, float]:
    if n is None:
        return (p, 1.0) if within else (0.0, p)
    place = (n - 1) * p
    # a hundred times 0.29 is 28.999…: whole places are not to fall to the one below
    near = round(place)
    floor, ceil = (near, near) if abs(place - near) < 1e-9 * n else (math.floor(place), math.ceil(place))
    return ((floor + 1) / n, 1.0) if within else (0.0, ceil / n)


def _cantelli(room: float, deviation: float | None) -> tuple[float, float]:
    """``room``: how far the limit lies above the mean."""
    if deviation is None or room == 0:
        return 0.0, 1.0
    beyond = (deviation / math.hypot(deviation, room)) ** 2
    return (1 - beyond, 1.0) if room > 0 else (0.0, beyond)
