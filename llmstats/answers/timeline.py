"""What happened in a training, from start to end?

One row per event of each run, in the order of the log: `start` (with framework, device, layout), `first step`,
`warm-up ends`, `validation`, what the log itself says (`checkpoint`, `resume`, `warning`, `error`, `oom` …), and what
the other questions find: `drop` (see `throughput_drops`), `spike` and `not finite` (`spikes`), `straggler`
(`stragglers`), `restart` (`restarts`), at last `last step` and `end`.

`time` and `step` are those of the log, where it gives them.  A row without either stands where its line stands among
the records of its file.  What several files say word for word at the same moment is one row.

parameter: kind VARCHAR = '*' -- kind of event, or a pattern with *
parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from llmstats import query
from llmstats.query import Answer

if TYPE_CHECKING:
    import duckdb

    Row = Mapping[str, Any]

COLUMNS = ("run_id", "time", "step", "kind", "message", "experiment", "attempt", "source")

_MARKS = """
SELECT m.kind, m.time, m.step, m.message, r.run_id, r.experiment, r.attempt, w.path, m.line
FROM _marks($pick) m JOIN run_rows r ON r.run_key = m.run_key LEFT JOIN source_rows w ON w.source_key = m.source_key
"""
#: Where in a file which step and moment stand: the first and the last record of each block.
_ANCHORS = """
SELECT r.run_id, w.path, b.lines[e.i] AS line, b.steps[e.i] AS step, coalesce(b.clock, b.joined)[e.i] AS time
FROM blocks b CROSS JOIN (VALUES (1), (-1)) e(i)
  JOIN _picked($pick) k ON k.run_key = b.run_key
  JOIN run_rows r ON r.run_key = b.run_key
  JOIN source_rows w ON w.source_key = b.source_key
WHERE b.phase = 'train' AND b.steps IS NOT NULL
"""
_EPOCH = datetime(1970, 1, 1)
#: Kinds that stand first or last among those of the same moment.
_FIRST, _LAST = ("start", "restart", "resume", "load", "first step"), ("end",)


def answer(con: duckdb.DuckDBPyConnection, kind: str, pick: str) -> Answer:
    marks = query.fetched(con, _MARKS, {"pick": pick})
    known = {m["run_id"]: {k: m[k] for k in ("experiment", "attempt")} for m in marks}
    found = marks + [{**known[f["run_id"]], **f} for f in _findings(con, pick, kind) if f["run_id"] in known]
    anchors: dict[str, list[Row]] = {}
    for a in query.fetched(con, _ANCHORS, {"pick": pick}):
        anchors.setdefault(a["run_id"], []).append(a)
    by_run: dict[str, list[dict[str, Any]]] = {}
    for f in found:
        by_run.setdefault(f["run_id"], []).append(f)
    ordered = sorted(by_run, key=lambda r: (known[r]["experiment"] or r, known[r]["attempt"] or 0, r))
    rows = [row for run in ordered for row in in_order(once(by_run[run]), anchors.get(run, []))]
    shown = (row for row in rows if kind == "*" or fnmatchcase(row["kind"], kind))
    return Answer(COLUMNS, [tuple(_source(row) if c == "source" else row.get(c) for c in COLUMNS) for row in shown])


def _source(row: Row) -> str | None:
    return f"{row['path']}:{row['line']}" if row["line"] is not None else row["path"]


# --------------------------------------------------------------------------- what the other questions find


def _findings(con: duckdb.DuckDBPyConnection, pick: str, kind: str) -> Iterator[dict[str, Any]]:
    for name, (kinds, found) in _QUESTIONS.items():
        if any(fnmatchcase(k, kind) for k in kinds):
            for row in query.rows(con, name, {"pick": pick}):
                yield from found(row)


def _drop(row: Row) -> Iterator[dict[str, Any]]:
    lost = "" if row["lost_seconds"] is None else f", {row['lost_seconds']:.4g} s lost"
    text = f"to {row['ratio']:.0%} of the median speed until step {row['last_step']}: {row['cause']}{lost}"
    yield _finding(row, "drop", row["first_step"], text, row["source"])


def _jump(row: Row) -> Iterator[dict[str, Any]]:
    yield _finding(row, *_spike(row), row["source"], row["time"])


def _restart(row: Row) -> Iterator[dict[str, Any]]:
    lost = "" if row["redone_steps"] is None else f", {row['redone_steps']} steps done again"
    text = f"continues {row['before'] or 'a run that is not in the store'}{lost}; why: {row['cause']}"
    yield _finding(row, "restart", row["kept_step"], text, row["source"])


def _straggler(row: Row) -> Iterator[dict[str, Any]]:
    if row["kind"] not in ("none", "cannot tell"):
        yield _finding(row, "straggler", row["first_step"], f"{row['kind']}: {row['reason']}", row["source"])


#: Kinds of events that a question finds, and how its rows become events.
_QUESTIONS: Mapping[str, tuple[tuple[str, ...], Callable[[Row], Iterator[dict[str, Any]]]]] = {
    "throughput_drops": (("drop",), _drop),
    "spikes": (("spike", "not finite"), _jump),
    "restarts": (("restart",), _restart),
    "stragglers": (("straggler",), _straggler),
}


def _spike(row: Row) -> tuple[str, int, str]:
    back = "not back" if row["recovery_steps"] is None else f"back after {row['recovery_steps']} steps"
    if row["kind"] == "spike":
        return (
            "spike",
            row["first_step"],
            f"{row['metric']} {row['peak']:.4g}, {row['ratio']:.3g} times the usual; {back}",
        )
    return "not finite", row["first_step"], f"{row['metric']} {row['kind']}, {row['values_high']} values; {back}"


def _finding(row: Row, kind: str, step: int, text: str, source: str, time: datetime | None = None) -> dict[str, Any]:
    place = re.fullmatch(r"(.*):(\d+)", source)
    path, line = (place[1], int(place[2])) if place else (source, None)
    said = {"run_id": row["run_id"], "kind": kind, "step": step, "message": text, "path": path, "line": line}
    return said | {"time": time}


# --------------------------------------------------------------------------- order


def once(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What several files of a run say word for word at the same moment (every rank resumes) as one row."""
    found: dict[Any, dict[str, Any]] = {}
    files: dict[Any, set[str]] = {}
    for row in sorted(rows, key=lambda r: (r["path"] or "", r["line"] or 0)):
        known = row["time"] is not None and row["message"] is not None
        key = (row["kind"], row["time"], row["step"], row["message"]) if known else id(row)
        if row["path"] in files.setdefault(key, set()):
            key = id(row)  # a file that says it twice means it twice
        files.setdefault(key, set()).add(row["path"])
        found.setdefault(key, row)
    for key, row in found.items():
        if len(files[key]) > 1:
            row["message"] += f" (in {len(files[key])} files)"
    return list(found.values())


def in_order(rows: Sequence[dict[str, Any]], anchors: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows of one run as they came; what lacks a clock or a step is placed between the records around it."""
    axis = _Axis([a for a in anchors if a["line"] is not None])
    return sorted(rows, key=lambda row: _place(row, axis))


def _place(row: Row, axis: _Axis) -> tuple[int, float, int, int]:
    """Beginning or end of the run, place on the axis, kind, line."""
    end = {"start": -1, "end": 1}.get(row["kind"], 0)
    rank = 0 if row["kind"] in _FIRST else 2 if row["kind"] in _LAST else 1
    return end, axis.place(row), rank, row["line"] or 0


class _Axis:
    """Seconds where the run has a clock, else steps; and which step and line stands where on it."""

    def __init__(self, records: Sequence[Row]) -> None:
        timed = [a for a in records if a["time"] is not None]
        self.timed = bool(timed)
        known = [(a["step"], a["path"], a["line"], self._at(a)) for a in timed or records]
        self.steps = _Curve([(step, at) for step, _, _, at in known])
        self.lines = {
            p: _Curve([(line, at) for _, path, line, at in known if path == p]) for p in {k[1] for k in known}
        }

    def _at(self, row: Row) -> float | None:
        if self.timed:
            return None if row["time"] is None else (row["time"] - _EPOCH).total_seconds()
        return None if row["step"] is None else float(row["step"])

    def place(self, row: Row) -> float:
        at = self._at(row)
        if at is None and row["step"] is not None:
            at = self.steps(row["step"])
        if at is None and row["line"] is not None and row["path"] in self.lines:
            at = self.lines[row["path"]](row["line"])
        return at or 0.0


class _Curve:
    """Linear between known places; what lies outside comes just before the first or just after the last."""

    def __init__(self, known: Sequence[tuple[float, float | None]]) -> None:
        import numpy as np

        table = np.array(sorted((x, y) for x, y in known if y is not None), float).reshape(-1, 2)
        self.x, self.y = table.T

    def __call__(self, x: float) -> float | None:
        import numpy as np

        if not len(self.x):
            return None
        outside = -1e-3 if x < self.x[0] else 1e-3 if x > self.x[-1] else 0.0
        return float(np.interp(x, self.x, self.y)) + outside
