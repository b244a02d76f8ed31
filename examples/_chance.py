"""Made-up numbers that come out the same on every machine: sums only, no logarithm of a C library."""

from __future__ import annotations

import random
from collections.abc import Sequence


class Chance:
    """A seeded source of noise."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def normal(self) -> float:
        """Mean 0 and deviation 1, near enough: twelve uniform numbers added."""
        return sum(self._random.random() for _ in range(12)) - 6.0

    def around(self, value: float, spread: float, least: float = 0.1) -> float:
        """``value`` with relative noise; never under ``least`` times the value."""
        return value * max(least, 1.0 + spread * self.normal())


def percentile(values: Sequence[float], p: float) -> float:
    """Linear interpolation between order statistics, as numpy does by default."""
    ordered = sorted(values)
    at = (len(ordered) - 1) * p / 100
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
