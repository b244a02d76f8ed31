"""The table of series while a commit writes: keys, counts, precision, and whether a step may occur twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from llmstats.records import FULL, Floats, Ints
from llmstats.store_rows import ask, insert, keys_table, next_key
from llmstats.store_types import CanonicalPoints, SeriesColumn

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(slots=True)
class Series:
    """One row of ``series_rows``."""

    series_key: int
    run_key: int
    source_key: int
    fact_key: int
    rank: int | None
    device_index: int | None
    phase: str
    metric: str
    raw_name: str
    unit: str | None
    definition: str | None
    precision: str = ""
    n: int = 0
    non_finite: int = 0
    min_step: int | None = None
    max_step: int | None = None
    repeats: bool = False
    marked: bool = False

    @property
    def identity(self) -> tuple[Any, ...]:
        return (self.fact_key, self.rank, self.device_index, self.phase, self.metric, self.raw_name, self.unit,
                self.definition)  # fmt: skip


_COLUMNS = tuple(f.name for f in fields(Series))
_row = attrgetter(*_COLUMNS)


@dataclass(slots=True)
class Entry:
    """One column of one piece of a commit, and the series that it belongs to."""

    piece: int
    column: SeriesColumn
    series: Series


class Keyed(Protocol):
    """What `SeriesTable.series` needs to know of a piece."""

    points: CanonicalPoints
    source_key: int
    run_key: int
    fact_key: int


class SeriesTable:
    """Finds the series of each column, those of growing sources in the store, new ones with new keys."""

    def __init__(self, con: DuckDBPyConnection, growing: set[int]) -> None:
        self._con = con
        self._next = next_key(con, "series_rows", "series_key")
        self._known = {s.identity: s for s in self._load(growing)}
        self._stored = {s.series_key for s in self._known.values()}
        self._used: dict[int, Series] = {}
        self._refined: list[Series] = []

    def _load(self, growing: set[int]) -> Iterable[Series]:
        if not growing:
            return []
        keys_table(self._con, "growing", growing)
        columns = ", ".join(_COLUMNS)
        query = f"SELECT {columns} FROM series_rows WHERE source_key IN (SELECT key FROM growing)"
        return [Series(*row) for row in self._con.execute(query).fetchall()]

    def series(self, piece: Keyed, column: SeriesColumn) -> Series:
        """The series that a column continues or begins."""
        points = piece.points
        identity = (piece.fact_key, points.rank, points.device_index, points.phase, column.metric, column.raw_name,
                    column.unit, column.definition)  # fmt: skip
        found = self._known.get(identity)
        if found is None:
            found = Series(self._next, piece.run_key, piece.source_key, piece.fact_key, points.rank,
                           points.device_index, points.phase, column.metric, column.raw_name, column.unit,
                           column.definition, column.precision)  # fmt: skip
            self._known[identity] = found
            self._next += 1
        self._used[found.series_key] = found
        precision = common_precision(found.precision, column.precision)
        if precision != found.precision:
            found.precision = precision
            self._refined.append(found)
        return found

    def count(
        self, entries: Sequence[Entry], values: Floats, nulls: npt.NDArray[np.bool_] | None, offsets: Ints
    ) -> int:
        """Add to the counts of each series; returns how many values are not NULL.

        Args:
            entries: columns of the commit.
            values: their values end to end, shape (n,).
            nulls: shape (n,), True where a value is NULL; None if none is.
            offsets: where each entry begins in ``values``.
        """
        bad = ~np.isfinite(values)
        n = np.diff(np.append(offsets, len(values)))
        if nulls is not None:
            bad &= ~nulls
            n = n - np.add.reduceat(nulls, offsets, dtype=np.int64)
        non_finite = np.add.reduceat(bad, offsets, dtype=np.int64)
        for entry, some, wrong in zip(entries, n.tolist(), non_finite.tolist(), strict=True):
            entry.series.n += some
            entry.series.non_finite += wrong
        return int(n.sum())

    def note_steps(self, entries: Sequence[Entry], steps: Sequence[Ints | None]) -> None:
        """Widen the range of steps of each series, and note whether a step may occur twice in its file."""
        pieces: dict[int, list[int]] = defaultdict(list)
        for entry in entries:
            pieces[entry.series.series_key].append(entry.piece)
        cache: dict[tuple[int, ...], tuple[int, int, bool] | None] = {}
        for key, members in pieces.items():
            group = tuple(members)
            if group not in cache:
                cache[group] = _extent([s for i in group if (s := steps[i]) is not None])
            if (extent := cache[group]) is not None:
                _widen(self._used[key], *extent)

    def write(self) -> None:
        """Store all series that were used, and tell the merge which of them changed their rank of precision."""
        old = [key for key in self._used if key in self._stored]
        if old:
            keys_table(self._con, "used_series", old)
            self._con.execute("DELETE FROM series_rows WHERE series_key IN (SELECT key FROM used_series)")
        insert(self._con, "series_rows", _COLUMNS, [_row(s) for s in self._used.values()])
        for series in self._refined:
            if series.series_key in self._stored and series.min_step is not None:
                row = [series.run_key, series.phase, series.min_step, series.max_step]
                ask(self._con, "INSERT INTO changed VALUES (?, ?, ?, ?)", *row)


def _extent(arrays: Sequence[Ints]) -> tuple[int, int, bool] | None:
    """Smallest and largest step of the pieces of one series, and whether a step occurs twice among them."""
    if not arrays:
        return None
    low, high = min(int(a.min()) for a in arrays), max(int(a.max()) for a in arrays)
    in_order = all(int(a[-1]) < int(b[0]) for a, b in pairwise(arrays))
    if in_order and all(bool((a[1:] > a[:-1]).all()) for a in arrays):
        return low, high, False
    together = np.sort(np.concatenate(arrays), kind="stable")
    return low, high, bool((together[1:] == together[:-1]).any())


def _widen(series: Series, low: int, high: int, repeats: bool) -> None:
    # A tail that begins at or before what is stored need not repeat a step, but it may: the merge looks closer.
    again = series.max_step is not None and low <= series.max_step
    series.repeats = series.repeats or repeats or again
    series.min_step = low if series.min_step is None else min(series.min_step, low)
    series.max_step = high if series.max_step is None else max(series.max_step, high)


# --------------------------------------------------------------------------- precision


def precision_rank(precision: str | None) -> int:
    """Order of precisions: ``full``, then digits of a mantissa (``4e``), then decimals; unknown comes last."""
    if not precision:
        return -1
    if precision == FULL:
        return 1000
    return 100 + int(precision[:-1]) if precision.endswith("e") else int(precision)


def common_precision(one: str, other: str) -> str:
    """Precision of a series whose parts were written with two: full only if both are.

    Otherwise the finer of the two, since a number printed with all its digits shows fewer where they are zero.
    """
    if not one or not other or one == other:
        return one or other
    return max((p for p in (one, other) if p != FULL), key=precision_rank)
