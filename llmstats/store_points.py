"""Items of a commit as rows: points in blocks of parallel lists, everything rare row by row.

All items of a commit go through numpy together: thousands of small files cost a few large arrays, not thousands of
Arrow tables.  A block holds at most `BLOCK` records of one item; ``block_values`` has a row per block and series, the
blocks of one series side by side, so that a question about one metric reads little else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from llmstats import store_arrow
from llmstats.catalog import unit_of
from llmstats.records import NO_TIME, Event, Ints, Issue, Measurement, Request
from llmstats.store_rows import insert, insert_arrow, next_key, to_json
from llmstats.store_series import Entry, SeriesTable
from llmstats.store_types import CanonicalPoints, Outcome

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from llmstats.store_runs import Resolution
    from llmstats.store_sources import Source

#: Records per block.
BLOCK = 512


@dataclass(slots=True)
class _Piece:
    """One `CanonicalPoints` with its keys and its place in the arrays of the commit."""

    points: CanonicalPoints
    source_key: int
    run_key: int
    fact_key: int


def write_items(con: DuckDBPyConnection, sources: Sequence[Source], runs: Resolution, outcome: Outcome) -> None:
    """Store all items except `Run`s, count them in the outcome, and remember which steps were added."""
    _write_points(con, sources, runs, outcome)
    outcome.measurements += _write_rare(con, sources, runs, _MEASUREMENTS)
    outcome.requests += _write_rare(con, sources, runs, _REQUESTS)
    outcome.events += _write_rare(con, sources, runs, _EVENTS)
    issues = [
        (s.key, i.line, i.reason, i.excerpt, i.suspect, False) for s in sources for i in s.items if isinstance(i, Issue)
    ]
    columns = ("source_key", "line", "reason", "excerpt", "suspect", "derived")
    outcome.issues += insert(con, "issue_rows", columns, issues)


# --------------------------------------------------------------------------- points


def _write_points(con: DuckDBPyConnection, sources: Sequence[Source], runs: Resolution, outcome: Outcome) -> None:
    pieces = [
        _Piece(item, source.key, *runs.keys(source.key, item.run))
        for source in sources
        for item in source.items
        if isinstance(item, CanonicalPoints) and len(item.lines) and item.series
    ]
    if not pieces:
        return
    first = next_key(con, "blocks", "block_key")
    cut = _Cut([len(p.points.lines) for p in pieces], first)
    table = SeriesTable(con, {s.key for s in sources if s.known and not s.replaced})
    entries = [Entry(i, column, table.series(p, column)) for i, p in enumerate(pieces) for column in p.points.series]
    insert_arrow(con, "blocks", _blocks(pieces, cut))
    outcome.points += _write_values(con, entries, cut, table)
    table.note_steps(entries, [p.points.steps for p in pieces])
    table.write()
    con.execute(
        "INSERT INTO changed SELECT run_key, phase, min(min_step), max(max_step) FROM blocks "
        "WHERE block_key >= ? GROUP BY ALL",
        [first],
    )


class _Cut:
    """How pieces of the given lengths fall into blocks; ``starts`` are places in the concatenated records."""

    def __init__(self, lengths: Sequence[int], first_key: int) -> None:
        self.lengths = np.array(lengths, np.int64)
        self.total = int(self.lengths.sum())
        self.counts = -(-self.lengths // BLOCK)  #: blocks per piece
        self.offsets = np.cumsum(self.lengths) - self.lengths  #: first record of each piece
        self.keys = first_key + np.cumsum(self.counts) - self.counts  #: key of the first block of each piece
        self.piece = np.repeat(np.arange(len(lengths)), self.counts)  #: piece of each block
        self.starts = self.offsets[self.piece] + BLOCK * _within(self.counts)

    @property
    def bounds(self) -> Ints:
        return np.append(self.starts, self.total)


def _within(counts: Ints) -> Ints:
    """0, 1, … counts[0]-1, 0, 1, … counts[1]-1, …"""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)


def _blocks(pieces: Sequence[_Piece], cut: _Cut) -> pa.Table:
    of_block = [pieces[i].points for i in cut.piece.tolist()]
    steps = [p.points.steps for p in pieces]
    times = [_clock(p.points.times) for p in pieces]
    all_steps = _joined(steps, cut)
    columns: dict[str, Any] = {
        "block_key": cut.keys[cut.piece] + _within(cut.counts),
        "source_key": _per_block([p.source_key for p in pieces], cut),
        "run_key": _per_block([p.run_key for p in pieces], cut),
        "fact_key": _per_block([p.fact_key for p in pieces], cut),
        "phase": store_arrow.texts([p.phase for p in of_block]),
        "rank": store_arrow.column([p.rank for p in of_block], "int64"),
        "has_clock": _per_block([t is not None for t in times], cut),
        "steps": _lists(all_steps, steps, cut),
        "epochs": _lists(_joined([p.points.epochs for p in pieces], cut), [p.points.epochs for p in pieces], cut),
        "clock": _clocks(_joined(times, cut), times, cut),
        "lines": _lists(np.concatenate([p.points.lines for p in pieces]), None, cut),
    }
    none = ~_per_block([s is not None for s in steps], cut)
    for name, (values, missing) in _step_bounds(all_steps, cut).items():
        columns[name] = store_arrow.flat(values, none | missing)
    return store_arrow.table(columns)


def _per_block(values: Sequence[Any], cut: _Cut) -> npt.NDArray[Any]:
    return np.array(values)[cut.piece]


def _clock(times: Ints | None) -> Ints | None:
    """The times of a piece, None if no line of it has one."""
    return times if times is not None and bool((times != NO_TIME).any()) else None


def _joined(arrays: Sequence[Ints | None], cut: _Cut) -> Ints:
    """All pieces end to end; zeros where a piece has no such column."""
    parts = [np.zeros(n, np.int64) if a is None else a for a, n in zip(arrays, cut.lengths, strict=True)]
    return np.concatenate(parts).astype(np.int64, copy=False)


def _lists(values: npt.NDArray[Any], present: Sequence[Any] | None, cut: _Cut) -> pa.Array:
    """One list per block; NULL for the blocks of pieces that have no such column."""
    return store_arrow.lists(cut.bounds, store_arrow.flat(values), _absent(present, cut))


def _clocks(times: Ints, present: Sequence[Any], cut: _Cut) -> pa.Array:
    import pyarrow as pa

    items = store_arrow.flat(times, times == NO_TIME, pa.timestamp("us"))
    return store_arrow.lists(cut.bounds, items, _absent(present, cut))


def _absent(present: Sequence[Any] | None, cut: _Cut) -> npt.NDArray[np.bool_] | None:
    """Blocks of pieces that have no such column."""
    return None if present is None else np.array([p is None for p in present])[cut.piece]


def _step_bounds(steps: Ints, cut: _Cut) -> dict[str, tuple[Ints, npt.NDArray[np.bool_]]]:
    """Smallest, second smallest and largest step of each block, with a mask of those that do not exist."""
    low, high = np.minimum.reduceat(steps, cut.starts), np.maximum.reduceat(steps, cut.starts)
    single = np.diff(cut.bounds) < 2
    second = steps[np.minimum(cut.starts + 1, cut.total - 1)]
    rising = np.ones(len(steps), bool)
    rising[1:] = steps[1:] > steps[:-1]
    rising[cut.starts] = True
    missing = single.copy()
    for i in np.flatnonzero(~np.logical_and.reduceat(rising, cut.starts)):
        distinct = np.unique(steps[cut.bounds[i] : cut.bounds[i + 1]])
        missing[i] = len(distinct) < 2
        second[i] = distinct[-1] if missing[i] else distinct[1]
    none = np.zeros(len(low), bool)
    return {"min_step": (low, none), "next_step": (second, missing), "max_step": (high, none)}


def _write_values(con: DuckDBPyConnection, entries: Sequence[Entry], cut: _Cut, table: SeriesTable) -> int:
    """Rows of ``block_values``, and counts of the series; returns the number of values that are not NULL."""
    piece = np.array([e.piece for e in entries])
    values = np.concatenate([e.column.values for e in entries])
    nulls = _nulls(entries)
    offsets = np.cumsum(cut.lengths[piece]) - cut.lengths[piece]
    counts = cut.counts[piece]
    entry = np.repeat(np.arange(len(entries)), counts)
    starts = np.append(offsets[entry] + BLOCK * _within(counts), len(values)).astype(np.int32)
    rows = {
        "block_key": cut.keys[piece][entry] + _within(counts),
        "series_key": np.array([e.series.series_key for e in entries])[entry],
        "vals": store_arrow.lists(starts, store_arrow.flat(values, nulls)),
        "hidden": np.zeros(len(entry), bool),
    }
    insert_arrow(con, "block_values", store_arrow.table(rows))
    return table.count(entries, values, nulls, offsets)


def _nulls(entries: Sequence[Entry]) -> npt.NDArray[np.bool_] | None:
    columns = [e.column for e in entries]
    if all(c.nulls is None for c in columns):
        return None
    return np.concatenate([np.zeros(len(c.values), bool) if c.nulls is None else c.nulls for c in columns])


# --------------------------------------------------------------------------- everything else


@dataclass(slots=True, frozen=True)
class _Kind:
    """How items of one class become rows: ``values`` gives what stands after the three keys."""

    item: type
    table: str
    columns: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]] = field(repr=False)


def _write_rare(con: DuckDBPyConnection, sources: Iterable[Source], runs: Resolution, kind: _Kind) -> int:
    rows = []
    for source in sources:
        for item in source.items:
            if isinstance(item, kind.item):
                assert isinstance(item, (Measurement, Request, Event))
                run_key, fact_key = runs.keys(source.key, item.run)
                rows.append((source.key, run_key, fact_key, *kind.values(item)))
    return insert(con, kind.table, ("source_key", "run_key", "fact_key", *kind.columns), rows)


def _measurement(m: Measurement) -> tuple[Any, ...]:
    conditions = to_json(m.conditions, sort_keys=True) if m.conditions else None
    unit = m.unit if m.unit is not None else unit_of(m.metric)
    return (m.subject, m.input_len, m.output_len, m.concurrency, m.batch_size, m.request_rate, conditions, m.metric,
            m.statistic, m.value, unit, m.definition, m.raw_name, m.raw_value, m.precision, m.line, False)  # fmt: skip


def _request(r: Request) -> tuple[Any, ...]:
    return (r.request, r.started, r.ttft, r.tpot, r.e2e, r.input_tokens, r.output_tokens, r.success, r.error, r.line)


def _event(e: Event) -> tuple[Any, ...]:
    time = None if e.time == NO_TIME else e.time
    return (time, e.step, e.level, e.kind, e.message, e.line)


_MEASUREMENTS = _Kind(
    Measurement,
    "measurement_rows",
    ("subject", "input_len", "output_len", "concurrency", "batch_size", "request_rate", "conditions", "metric",
     "statistic", "value", "unit", "definition", "raw_name", "raw_value", "precision", "line", "hidden"),
    _measurement,
)  # fmt: skip
_REQUESTS = _Kind(
    Request,
    "request_rows",
    ("request", "started", "ttft", "tpot", "e2e", "input_tokens", "output_tokens", "success", "error", "line"),
    _request,
)
_EVENTS = _Kind(Event, "event_rows", ("time", "step", "level", "kind", "message", "line"), _event)
