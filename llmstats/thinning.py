"""Curves of any number of points as few as a picture needs, without losing a spike.

Of each bin of steps the lowest and the highest value stay, and the moving mean at its end.  The points come from the
store as the lists in which it holds them, and are thinned as arrays: ten million take about a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: Bins of steps per curve: about one per pixel of the widest picture, fewer where many curves share it.
BINS = 1200
_ALL_BINS, _LEAST_BINS = 24_000, 300
#: Where values are not finite, marks per kind and curve.
_MARKS = 300
#: Points that are held at a time, unless one curve has more.
BATCH = 10_000_000

_CHOSEN = """
SELECT c.exp, c.series_key, s.n FROM _chosen($series, $pick, 1) c JOIN series_rows s ON s.series_key = c.series_key
ORDER BY ALL
"""

# What does not count (see the macro `_curve`) is taken out of the few lists that hold such.
_POINTS = """
SELECT b.exp, b.block_key, CASE WHEN b.whole THEN b.steps ELSE [s FOR s, i IN b.steps IF b.counts[i]] END AS steps,
  CASE WHEN b.whole THEN b.vals ELSE [x FOR x, i IN b.vals IF b.counts[i]] END AS vals
FROM (
  SELECT p.*, CASE WHEN NOT p.whole THEN
    [x IS NOT NULL AND p.steps[i] IS NOT NULL AND coalesce(p.steps[i] < p.cut, true) AND coalesce(p.shown[i], true)
      FOR x, i IN p.vals] END AS counts
  FROM (
    SELECT c.exp, b.block_key, b.steps, v.vals, v.shown, c.cut, v.shown IS NULL
      AND coalesce(b.max_step < c.cut, true) AND list_count(v.vals) = len(v.vals)
      AND list_count(b.steps) = len(b.steps) AS whole
    FROM _chosen($series, $pick, 1) c JOIN block_values v ON v.series_key = c.series_key
      JOIN blocks b ON b.block_key = v.block_key
    WHERE NOT v.hidden AND b.min_step IS NOT NULL AND coalesce(b.min_step < c.cut, true)
      AND c.series_key IN (SELECT unnest($keys))
  ) p
) b
"""


@dataclass(slots=True)
class Thinned:
    """A curve: the ends of its bins, means of the last finite points, and the values that are no finite numbers."""

    first_step: float
    last_step: float
    steps: Floats  #: of the lowest and highest values of each bin, in order
    values: Floats
    mean_steps: Floats  #: last step of each bin that has enough points before it
    means: Floats
    odd: list[tuple[float, float]]  #: (step, value), the first of each kind in each of a few hundred stretches
    touch: float | None  #: first value below the threshold from `min_steps` on


def thinned(
    con: Connection, series: str, pick: str, *, smooth: int, threshold: float, min_steps: int
) -> dict[int, Thinned]:
    """The effective curve of ``series`` of each experiment that ``pick`` names, by the experiment's number.

    Those without a finite value are left out.
    """
    wanted = {"series": series, "pick": pick}
    chosen = con.execute(_CHOSEN, wanted).fetchall()
    experiments = len({exp for exp, _, _ in chosen})
    smooth = max(1, smooth)
    bins = min(BINS, max(_LEAST_BINS, _ALL_BINS // max(1, experiments)))
    found = {}
    for keys in _batches(chosen):
        for exp, steps, values in _curves(con, {**wanted, "keys": keys}):
            if np.isfinite(values).any():
                found[exp] = _thin(steps, values, bins, smooth, (threshold, min_steps))
    return found


def _batches(chosen: list[tuple[int, int, int]]) -> Iterator[list[int]]:
    """Keys of series, those of one experiment together, of not more than `BATCH` points where that can be."""
    sizes: dict[int, int] = {}
    keys: dict[int, list[int]] = {}
    for exp, key, n in chosen:
        sizes[exp] = sizes.get(exp, 0) + n
        keys.setdefault(exp, []).append(key)
    batch: list[int] = []
    held = 0
    for exp, size in sizes.items():
        if batch and held + size > BATCH:
            yield batch
            batch, held = [], 0
        batch += keys[exp]
        held += size
    if batch:
        yield batch


def _curves(con: Connection, wanted: dict[str, Any]) -> Iterator[tuple[int, Integers, Floats]]:
    """Experiment, steps and values, by step."""
    blocks = con.execute(_POINTS, wanted).fetchnumpy()
    order = np.argsort(blocks["block_key"], kind="stable")  # a scan by several threads has none
    for exp in np.unique(blocks["exp"]):
        mine = order[blocks["exp"][order] == exp]
        steps = np.concatenate([np.empty(0, np.int64), *blocks["steps"][mine]])
        values = np.concatenate([np.empty(0), *blocks["vals"][mine]])
        if (steps[1:] < steps[:-1]).any():
            rising = np.argsort(steps, kind="stable")
            steps, values = steps[rising], values[rising]
        yield int(exp), steps, values


def _thin(steps: Integers, values: Floats, bins: int, smooth: int, below: tuple[float, int]) -> Thinned:
    """One curve, by step, with at least one finite value."""
    finite = np.isfinite(values)
    odd = _odd(steps[~finite], values[~finite], int(steps[-1]))
    if odd:
        steps, values = steps[finite], values[finite]
    width = max(1, -(-int(steps[-1] - steps[0] + 1) // bins))
    edges = np.searchsorted(steps, np.arange(steps[0], steps[-1] + 1, width))
    starts = np.unique(edges)  # a bin without a point is none
    ends = np.append(starts[1:], len(steps))
    pairs = list(zip(starts.tolist(), ends.tolist(), strict=True))
    low = np.array([a + values[a:b].argmin() for a, b in pairs])
    high = np.array([a + values[a:b].argmax() for a, b in pairs])
    kept = np.sort(np.concatenate([low, high]))
    full = [b for _, b in pairs if b >= smooth]
    return Thinned(
        float(steps[0]), float(steps[-1]), steps[kept].astype(float), values[kept],
        steps[np.array(full, int) - 1].astype(float), np.array([values[b - smooth : b].mean() for b in full]),
        odd, _touch(steps, values, *below),
    )  # fmt: skip


def _odd(steps: Integers, values: Floats, last: int) -> list[tuple[float, float]]:
    width = max(1, last // _MARKS)
    first: dict[tuple[str, int], tuple[float, float]] = {}
    for step, value in zip(steps.tolist(), values.tolist(), strict=True):
        first.setdefault((str(value), step // width), (float(step), value))
    return list(first.values())


def _touch(steps: Integers, values: Floats, threshold: float, min_steps: int) -> float | None:
    late = values[np.searchsorted(steps, min_steps) :]
    below = late < threshold
    return float(late[below.argmax()]) if below.any() else None
