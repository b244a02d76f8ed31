"""Metric dumps nobody foresaw: JSON, JSON lines or CSV taken in by a small table in ``llmstats.toml``, without code.

::

    [[map]]
    files = "bench/*.json"            # below the directory of this llmstats.toml; ** crosses directories
    format = "json"                   # json, jsonl or csv; or the name of a format to read the files as
    rows = "results"                  # json: where the list of rows lies; left out: the document is one row
    kind = "serving"
    [map.facts]                       # columns of `runs` that hold for all rows
    device = "X1"
    [map.columns]                     # a column of the file (a.b: b inside a) = what it is
    "model_name" = "model"            # a column of `runs`; or step, time, epoch, phase, rank, run, subject,
    "clients" = "concurrency"         # input_len, output_len, concurrency, batch_size, request_rate; or a metric
    "ttft.p50" = { metric = "ttft", statistic = "p50", unit = "ms", definition = "ttft@my_tool" }

With a ``step`` the metrics are series, without one they are measurements.  Metrics outside the catalogue keep the unit
that the table gives.  Rows whose facts differ (model, device, precision …) are different runs of the file: the first
has its name, the others ``name#2``, ``name#3`` in the order in which they begin.  A row that states no fact belongs to
the run of the row above.  Beside a ``step`` ``status`` tells no runs apart: its last word counts.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

import numpy as np

from llmstats import units
from llmstats.catalog import unit_of
from llmstats.documents import Json, csv_rows, number
from llmstats.errors import InputError, ParseError
from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import NO_TIME, Column, Issue, Item, Measurement, Points, Run
from llmstats.training import run_name

FORMATS = ("json", "jsonl", "csv")
#: What is said of a run.
_FACTS = ("model", "dataset", "vendor", "device", "framework", "precision", "parallelism", "status", "experiment")
_COUNTS = ("device_count", "node_count")
#: What is said of one row.
_CASE = ("input_len", "output_len", "concurrency", "batch_size", "request_rate")
_PLACE = ("step", "time", "epoch", "phase", "rank", "run", "subject")
_KINDS = ("training", "serving", "inference", "evaluation", "microbenchmark")
#: Cells that hold no value.
_NOTHING = (None, "", "-", "N/A", "null")
_KEYS = {"files", "format", "rows", "kind", "facts", "columns"}
#: What is more is no number of devices (and does not fit into the store).
_MOST = 2**31
#: Goes up when the same table reads the same file otherwise.
_READING = 2


@dataclass(frozen=True)
class Target:
    """What one column is: a fact, a part of the case, or a metric."""

    name: str
    statistic: str = "value"
    unit: str | None = None  #: of the file; None: the store's
    definition: str | None = None

    @property
    def is_metric(self) -> bool:
        return self.name not in (*_FACTS, *_COUNTS, *_CASE, *_PLACE)

    @property
    def factor(self) -> float:
        factor = 1.0 if self.unit is None else units.factor(self.unit, unit_of(self.name))
        return 1.0 if factor is None else factor


@dataclass(frozen=True)
class FileMap:
    """One ``[[map]]`` of an ``llmstats.toml``."""

    files: str
    format: str
    base: str  #: directory of the table
    rows: str = ""
    kind: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, Target] = field(default_factory=dict)

    def takes(self, path: str) -> bool:
        """Whether a file (absolute path) is one of ``files``."""
        return path.startswith(f"{self.base}/") and bool(_glob(self.files).fullmatch(path[len(self.base) + 1 :]))

    def name(self, path: str) -> str:
        """Run of a file: its path below the table's directory, with that directory's name, without its suffix."""
        inside = f"{self.base.rsplit('/', 1)[-1]}/{path[len(self.base) + 1 :]}"
        head, dot, suffix = inside.rpartition(".")
        return head if dot and "/" not in suffix else inside


def _glob(pattern: str) -> re.Pattern[str]:
    """``*`` stays within a directory, ``**`` does not."""
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    regex = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(regex.get(p) or re.escape(p) for p in pieces))


# --------------------------------------------------------------------------- reading the table


def read_maps(content: Mapping[str, Any], path: str) -> list[FileMap]:
    """The ``[[map]]`` tables of a decoded ``llmstats.toml`` at ``path``.

    Raises:
        InputError: a key, a unit or a value is wrong; says where.
    """
    tables = content.get("map", [])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise InputError(f"{path}: write each mapping as [[map]]")
    return [_read_map(table, f"{path}: map {i}", path.rpartition("/")[0]) for i, table in enumerate(tables, 1)]


def _read_map(table: dict[str, Any], where: str, base: str) -> FileMap:
    if unknown := set(table) - _KEYS:
        raise InputError(f"{where}: unknown key {min(unknown)!r}; there are: {', '.join(sorted(_KEYS))}")
    for key in ("files", "format"):
        if not isinstance(table.get(key), str):
            raise InputError(f'{where}: {key} = "…" is missing')
    if table.get("kind") not in (None, *_KINDS):
        raise InputError(f"{where}: kind is one of {', '.join(_KINDS)}")
    if not isinstance(table.get("rows", ""), str):
        raise InputError(f'{where}: write rows = "PLACE"')
    for key in ("facts", "columns"):
        if not isinstance(table.get(key, {}), dict):
            raise InputError(f"{where}: write {key} as [map.{key}]")
    facts = _said(table.get("facts", {}), where)
    columns = {column: _target(what, f"{where}: {column!r}") for column, what in table.get("columns", {}).items()}
    if table["format"] in FORMATS and not any(t.is_metric for t in columns.values()):
        raise InputError(f"{where}: [map.columns] names no metric")
    _check_apart(columns, where)
    return FileMap(table["files"], table["format"], base, table.get("rows", ""), table.get("kind"), facts, columns)


def _said(facts: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``[map.facts]`` as columns of ``runs``."""
    if wrong := set(facts) - {*_FACTS, *_COUNTS}:
        raise InputError(f"{where}: {min(wrong)!r} is no fact of a run; there are: {', '.join((*_FACTS, *_COUNTS))}")
    for name, said in facts.items():
        if name in _COUNTS and _count(said) is None:
            raise InputError(f"{where}: {name} = {said!r}: a whole number from 1 on is needed")
        if isinstance(said, (bool, list, dict)):
            raise InputError(f'{where}: {name} = {said!r}: write it as text, {name} = "…"')
    return {name: _count(said) if name in _COUNTS else str(said) for name, said in facts.items()}


def _check_apart(columns: Mapping[str, Target], where: str) -> None:
    """Two columns that would be one value: a row would keep one of them."""
    stepped = any(t.name == "step" for t in columns.values())
    first: dict[tuple[str | None, ...], str] = {}
    for column, target in columns.items():
        key = (target.name, None if stepped else target.statistic, target.definition)
        if target.is_metric and (other := first.setdefault(key, column)) != column:
            what = target.name if stepped else f"{target.name} ({target.statistic})"
            raise InputError(f"{where}: {other!r} and {column!r} are both {what}; give each a definition of its own")


def _target(what: object, where: str) -> Target:
    if isinstance(what, str):
        return Target(what)
    if not isinstance(what, dict) or not isinstance(what.get("metric"), str):
        raise InputError(f'{where}: write "NAME" or {{ metric = "NAME", unit = "ms", … }}')
    if unknown := set(what) - {"metric", "statistic", "unit", "definition"}:
        raise InputError(f"{where}: unknown key {min(unknown)!r}; there are: metric, statistic, unit, definition")
    if wrong := [key for key, said in what.items() if not isinstance(said, str)]:
        raise InputError(f'{where}: write {wrong[0]} as text, {wrong[0]} = "…"')
    target = Target(what["metric"], what.get("statistic", "value"), what.get("unit"), what.get("definition"))
    canonical = unit_of(target.name)
    if target.unit is not None and canonical is not None and units.factor(target.unit, canonical) is None:
        options = ", ".join(units.spellings(canonical))
        raise InputError(f"{where}: {target.name} is kept in {canonical}; {target.unit!r} is none of {options}")
    return target


# --------------------------------------------------------------------------- reading a file by it


@dataclass(slots=True)
class _Row:
    """One row of the file: cells by column, with the line of each."""

    cells: dict[str, Any]
    line: int
    lines: dict[str, int] = field(default_factory=dict)


class _Runs:
    """The runs of one file, in the order in which they begin; rows of one name with other facts are another run."""

    def __init__(self, table: FileMap, root: str) -> None:
        self._map, self._root = table, root
        self.begun: dict[str, Run] = {}
        self._of: dict[tuple[str, tuple[tuple[str, Any], ...]], Run] = {}
        self._above: dict[str, Run] = {}

    def of(self, name: str, said: Mapping[str, Any]) -> Run:
        """The run of a row that says these facts; of one that says none that of the row above."""
        key = name, tuple(said.items())
        run = self._of.get(key) if said else self._above.get(name)
        if run is None:
            free = next(n for n in (run_name(name, i) for i in count()) if n not in self.begun)
            run = Run(free, self._root, kind=self._map.kind, **{**self._map.facts, **said})
            self._of[key] = self.begun[free] = run
        self._above[name] = run
        return run


class Mapped(DocumentParser):
    """A file read by a table of the user's."""

    name = "mapped"
    title = "JSON, JSON lines or CSV by a [[map]] in llmstats.toml"
    writes = "anything"

    def __init__(self, table: FileMap) -> None:
        self._map = table
        tables = sorted(table.facts.items()), sorted(table.columns.items())
        text = repr((_READING, table.format, table.rows, table.kind, *tables))
        self.version = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)  # type: ignore[misc]

    def detect(self, head: Head) -> str | None:
        return (
            f"files = {self._map.files!r} in {self._map.base}/llmstats.toml"
            if self._map.takes(head.place.path)
            else None
        )

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        rows = list(_ROWS[self._map.format](text, self._map.rows))
        runs = _Runs(self._map, place.path)
        series: dict[tuple[str, str, int | None], list[_Row]] = defaultdict(list)
        stepped = any(t.name == "step" for t in self._map.columns.values())
        for row in rows:
            said = self._facts(row)
            yield from self._wrong_counts(row, said)
            status = said.pop("status", None) if stepped else None
            run = runs.of(self._name(place, row), said)
            run.status = status or run.status
            if stepped:
                rank = self._number(row, "rank")
                phase = str(self._cell(row, "phase") or "train")
                series[run.name, phase, None if rank is None else int(rank)].append(row)
            else:
                yield from self._measurements(run, row)
        for (name, phase, rank), members in series.items():
            yield from self._points(name, phase, rank, members)
            yield from self._no_steps(members)
        yield from self._left_out(rows)
        yield from runs.begun.values()

    def canonical(self, raw: str, phase: str) -> Name:
        target = self._map.columns[raw]
        return Name(target.name, target.factor, target.definition)

    def _column(self, row: _Row, what: str) -> str | None:
        return next((c for c, target in self._map.columns.items() if target.name == what and c in row.cells), None)

    def _cell(self, row: _Row, what: str) -> Any:
        column = self._column(row, what)
        return None if column is None else row.cells[column]

    def _number(self, row: _Row, what: str) -> float | None:
        return _value(self._cell(row, what))

    def _step(self, row: _Row) -> int | None:
        """None where there is none, or a value that counts no steps (1.5, NaN)."""
        step = self._number(row, "step")
        return int(step) if step is not None and step.is_integer() and abs(step) < 2.0**63 else None

    def _name(self, place: Place, row: _Row) -> str:
        """Of the run of a row, as far as the file tells it; see `_Runs` for what its facts add."""
        named = self._cell(row, "run")
        name = self._map.name(place.path)
        return name if named is None else f"{name}/{named}"

    def _facts(self, row: _Row) -> dict[str, Any]:
        """What a row says of its run; a count that is none is None."""
        told = ((fact, self._cell(row, fact)) for fact in (*_FACTS, *_COUNTS))
        return {fact: _count(c) if fact in _COUNTS else str(c) for fact, c in told if c not in (None, "")}

    def _wrong_counts(self, row: _Row, said: Mapping[str, Any]) -> Iterator[Issue]:
        for fact in (fact for fact in _COUNTS if said.get(fact, 1) is None):
            column = str(self._column(row, fact))
            line = row.lines.get(column, row.line)
            yield Issue(f"{column} is no whole number from 1 on", line, str(row.cells[column])[:200])

    def _metrics(self) -> Iterator[tuple[str, Target]]:
        return ((column, target) for column, target in self._map.columns.items() if target.is_metric)

    def _measurements(self, run: Run, row: _Row) -> Iterator[Item]:
        case = {name: self._number(row, name) for name in _CASE}
        subject = self._cell(row, "subject")
        for column, target in self._metrics():
            if column not in row.cells:
                continue
            value = _value(row.cells[column])
            line = row.lines.get(column, row.line)
            if value is None and row.cells[column] not in _NOTHING:
                yield Issue(f"{column} is no number", line, str(row.cells[column])[:200])
            yield Measurement(
                run.name, target.name, None if value is None else value * target.factor, target.statistic, column,
                str(row.cells[column]), None if unit_of(target.name) else target.unit, target.definition,
                None if subject is None else str(subject), line=line, **cast(Any, case),
            )  # fmt: skip

    def _points(self, run: str, phase: str, rank: int | None, rows: list[_Row]) -> Iterator[Item]:
        """One column after another: where a row lacks it, the series has no point."""
        for column, target in self._metrics():
            having = [r for r in rows if _value(r.cells.get(column)) is not None and self._step(r) is not None]
            if not having:
                continue
            epochs = [self._number(r, "epoch") for r in having]
            yield Points(
                run, phase,
                lines=np.array([r.lines.get(column, r.line) for r in having], np.int64),
                values={column: Column(np.array([_value(r.cells[column]) for r in having]), unit=target.unit or "")},
                steps=np.array([self._step(r) for r in having], np.int64),
                epochs=None if None in epochs else np.array(epochs, np.int64),
                times=np.array([_time(self._cell(r, "time")) for r in having], np.int64),
                rank=rank,
            )  # fmt: skip

    def _no_steps(self, rows: list[_Row]) -> Iterator[Issue]:
        for row in rows:
            said = self._cell(row, "step")
            if said not in _NOTHING and self._step(row) is None:
                yield Issue("the step is no whole number", row.line, str(said)[:200])

    def _left_out(self, rows: list[_Row]) -> Iterator[Issue]:
        """Numbers that the table does not name: said once each, so that nothing is dropped silently."""
        count: dict[str, int] = defaultdict(int)
        for row in rows:
            for column, cell in row.cells.items():
                count[column] += column not in self._map.columns and _value(cell) is not None
        for column, n in sorted(count.items()):
            if n:
                yield Issue(f"column {column!r} is not in [map.columns]; {n} numbers left out", suspect=False)


def _value(cell: Any) -> float | None:
    if isinstance(cell, bool) or cell is None:
        return None
    return float(cell) if isinstance(cell, (int, float)) else number(str(cell))


def _count(cell: Any) -> int | None:
    """A whole number from 1 on; None where a cell is none."""
    value = _value(cell)
    return int(value) if value is not None and 1 <= value < _MOST and value == int(value) else None


def _time(cell: Any) -> int:
    """Microseconds; a number is seconds since 1970 (milliseconds or finer where it is too large for that)."""
    seconds = _value(cell)
    if seconds is not None:
        while abs(seconds) > 1e11:
            seconds /= 1000
        return int(seconds * 1e6)
    try:
        clock = datetime.fromisoformat(str(cell))
    except ValueError:
        return NO_TIME
    return int(clock.replace(tzinfo=UTC).timestamp() * 1e6)


# --------------------------------------------------------------------------- rows of the three forms


def _json_rows(text: str, where: str) -> Iterator[_Row]:
    document = Json(text)
    path: tuple[str | int, ...] = tuple(p for p in where.split(".") if p)
    found: Any = document.value
    for key in path:
        if not isinstance(found, dict) or key not in found:
            raise ParseError(f"there is no {where!r} in the document (rows of the [[map]])")
        found = found[key]
    for i, row in enumerate(found if isinstance(found, list) else [found]):
        if isinstance(row, dict):
            at = (*path, i) if isinstance(found, list) else path
            cells = dict(_flat(row, ()))
            lines = {".".join(map(str, key)): document.line(*at, *key) for key in cells}
            yield _Row({".".join(map(str, k)): v for k, v in cells.items()}, document.line(*at), lines)


def _flat(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Leaves of nested objects; lists are no columns."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, (*path, key))
    elif not isinstance(value, list):
        yield path, value


def _jsonl_rows(text: str, _: str) -> Iterator[_Row]:
    lines = text.split("\n")
    lines.pop()  # behind the last newline: nothing, or half a line
    for line, raw in enumerate(lines, 1):
        if raw.strip():
            row = Json(raw).value
            if isinstance(row, dict):
                yield _Row({".".join(map(str, path)): v for path, v in _flat(row, ())}, line)


def _csv_rows(text: str, _: str) -> Iterator[_Row]:
    rows = csv_rows(text)
    header = next(rows, None)
    if header is None:
        raise ParseError("no header")
    for row in rows:
        yield _Row(dict(zip(header.cells, row.cells, strict=False)), row.line)


_ROWS = {"json": _json_rows, "jsonl": _jsonl_rows, "csv": _csv_rows}
