"""Cells of serving benchmarks, and the systems that they are measurements of.

A cell is a row of the query ``serving``.  Two cells are of one system, and may be joined by a line or compared as
loads of the same thing, when everything is equal that a reader would take for granted: model, device, framework,
precision, the definitions of both values, the scope of the throughput, the lengths, the dataset, and whatever ``by``
names.  Names of devices that the catalogue knows as one are one.  What no file states is equal to nothing outside its
folder: cells that do not say their model or device are
one system only with those beside them.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from llmstats.errors import NotFound, QueryError
from llmstats.query import fetched, rows

if TYPE_CHECKING:
    import duckdb

#: What throughput may be read against: column of ``serving``, unit, whether more is better, column of its definition.
AGAINST = {
    "interactivity": ("tpot", "token/s/user", True, "tpot_definition"),
    "tpot": ("tpot", "s/token", False, "tpot_definition"),
    "ttft": ("ttft", "s", False, "ttft_definition"),
    "e2e": ("e2e", "s", False, "e2e_definition"),
}
#: Columns that tell systems apart, in the order in which answers show them.
SYSTEM = (
    "model", "device", "vendor", "framework", "precision", "per", "input_len", "output_len", "output_len_mode",
    "dataset", "folder",
)  # fmt: skip
#: Keys of a configuration that differ between repeats of one measurement.
_EACH_TIME = re.compile(
    r"date|time|timestamp|seed|.*_(?:date|time|seed|dir|path|file)|id|run_id|label|filename|run_number", re.I
)
#: Keys that say how hard and how long a benchmark drove the server, where it was and what the server reported of
#: itself: along a curve over loads they differ, though the system is set up as before.
_DRIVEN = re.compile(
    r"(?:max_|num_)?(?:concurrency|concurrent_requests|clients|conversations)|request_rate|qps|name|url|target|host|port"
    r"|(?:max_|num_|max_num_)?(?:requests|prompts)|requests_started|.*_(?:seconds|duration)"
    r"|kv_cache_(?:size_)?tokens|kv_cache_max_concurrency|(?:num_)?gpu_blocks|weights_gib", re.I,
)  # fmt: skip
_STATISTIC = re.compile(r"mean|std|min|max|p(?:\d{1,2}(?:\.\d+)?|100)")
#: Of a row ``q`` of requests: the benchmark's end cut it off, so that it neither completed nor failed.
CUT_OFF = "q.success IS NULL AND q.error IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of ``serving`` with what joins it to others.

    ``throughput`` is per device where the number of devices is known, else of the whole system (`per` in ``system``).
    """

    system: tuple[Any, ...]  #: equal for cells of one system: values of `SYSTEM`, definitions, values of ``by``
    row: Mapping[str, Any]
    throughput: float | None
    setting: str  #: the configuration as far as it is one of the measurement; equal for repeats
    stated: Mapping[str, Any] = field(default_factory=dict)  #: how the system was set up, by names that `by` knows

    @property
    def load(self) -> tuple[float | None, float | None]:
        """Concurrency and request rate."""
        return self.row["concurrency"], self.row["request_rate"]


@dataclass(slots=True)
class Point:
    """Cells of one system that repeat one measurement, and their medians."""

    cells: list[Cell]
    x: float  #: the value that throughput is read against; NaN where no repeat has both
    y: float
    repeats: list[tuple[float, float]] = field(default_factory=list)  #: finite (x, y)

    @property
    def cell(self) -> Cell:
        """The first of the repeats: it stands for them where only one can."""
        return self.cells[0]

    def source(self) -> dict[str, Any]:
        """Columns that lead back to the files."""
        runs = [cell.row["run_id"] for cell in self.cells]
        return {"runs": len(runs), "run_id": ", ".join(runs), "source": self.cell.row["source"]}


def check_statistic(given: str) -> None:
    """Refuse what is no statistic.

    Raises:
        QueryError: with examples.
    """
    if not _STATISTIC.fullmatch(given):
        raise QueryError(f"--statistic {given!r}: mean, std, min, max or a percentile from p0 to p100 is needed")


def cells(
    con: duckdb.DuckDBPyConnection,
    asked: Mapping[str, Any],
    by: str,
    definitions: Sequence[str],
    tokens: str = "output",
) -> list[Cell]:
    """All cells that ``asked`` (parameters of ``serving``) picks.

    Args:
        by: names of columns of ``runs``, of labels or of configuration keys that also tell systems apart, by commas.
        definitions: columns of ``serving`` that hold definitions of the values to be joined.
        tokens: ``output`` or ``total``: which tokens the throughput counts.

    Raises:
        NotFound: no run has what ``by`` names.
    """
    facts = _facts(con)
    names = [name.strip() for name in by.split(",") if name.strip()]
    _check_names(names, facts.values())
    found = [_cell(row, facts[row["run_id"]], names, definitions, tokens) for row in rows(con, "serving", asked)]
    return _adopted(found, len(definitions))


def _cell(
    row: Mapping[str, Any], facts: Mapping[str, Any], by: Sequence[str], definitions: Sequence[str], tokens: str
) -> Cell:
    each, whole = row[f"{tokens}_tokens_per_second_per_device"], row[f"{tokens}_tokens_per_second"]
    per = "device" if each is not None or (whole is None and row["device_count"]) else "system"
    stated = row["model"] is not None and row["device"] is not None
    row = {**row, "per": per, "folder": None if stated else facts["folder"], "run_key": facts["run_key"]}
    also = tuple(_named(row, facts, name) for name in by)
    row["apart"] = ", ".join(f"{k}={v}" for k, v in zip(by, also, strict=True) if v is not None) or None
    told = row | {"device": facts["catalogued"] or row["device"]}
    system = (*(told[c] for c in SYSTEM), *(row[d] for d in definitions), also)
    setting = json.dumps([row["device_count"], row["parallelism"], facts["setting"]], sort_keys=True, default=str)
    return Cell(system, row, each if each is not None else whole, setting, _set_up(row, facts["setting"]))


def _set_up(row: Mapping[str, Any], setting: Mapping[str, Any]) -> dict[str, Any]:
    """What is stated of how a system was set up; what a tool nests is its own book-keeping."""
    told = {name: row[name] for name in ("parallelism", "device_count")} | dict(setting)
    return {k: v for k, v in told.items() if v is not None and not isinstance(v, dict) and not _DRIVEN.fullmatch(k)}


def _check_names(names: Sequence[str], runs: Iterable[Mapping[str, Any]]) -> None:
    known = {key for run in runs for where in (run, run["labels"], run["config"]) for key in where}
    for name in names:
        if known and name not in known:
            raise NotFound.among("column, label or configuration key of serving runs", name, known)


def _adopted(found: Sequence[Cell], count: int) -> list[Cell]:
    """Cells that lack a definition (they failed, or did not measure it) as those of the system that they fit alone.

    ``count`` definitions stand behind the columns of `SYSTEM` in a cell's system; whether the output length was
    constant is not known of a cell that failed, either.
    """
    open_ends = [SYSTEM.index("output_len_mode"), *range(len(SYSTEM), len(SYSTEM) + count)]
    parts = [_parted(cell.system, open_ends) for cell in found]
    known: dict[tuple[Any, ...], set[tuple[Any, ...]]] = {}
    for fixed, loose in parts:
        known.setdefault(fixed, set()).add(loose)
    return [
        cell if None not in loose else replace(cell, system=_fitted(cell.system, open_ends, loose, known[fixed]))
        for cell, (fixed, loose) in zip(found, parts, strict=True)
    ]


def _parted(system: tuple[Any, ...], places: Sequence[int]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What stands elsewhere, and what stands at some places."""
    return tuple(v for i, v in enumerate(system) if i not in places), tuple(system[i] for i in places)


def _fitted(
    system: tuple[Any, ...], places: Sequence[int], own: tuple[Any, ...], known: Iterable[tuple[Any, ...]]
) -> tuple[Any, ...]:
    """The system with the values of the only other one that says more and contradicts nothing, else as it is."""
    fits = [
        other
        for other in known
        if other != own and all(mine in (None, its) for mine, its in zip(own, other, strict=True))
    ]
    if len(fits) != 1:
        return system
    values = dict(zip(places, fits[0], strict=True))
    return tuple(values.get(i, v) for i, v in enumerate(system))


def _facts(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """Of every serving run: its columns, configuration, labels, catalogued device, and the folder of its first file."""
    asked = """
        WITH file AS (
          SELECT f.run_key, min(w.path) AS path
          FROM run_facts f JOIN source_rows w ON w.source_key = f.source_key GROUP BY f.run_key
        )
        SELECT r.*, f.path, CASE WHEN d.how IN ('alias', 'normalised') THEN d.device END AS catalogued
        FROM run_rows r LEFT JOIN file f ON f.run_key = r.run_key LEFT JOIN _run_device() d ON d.run_key = r.run_key
        WHERE r.kind = 'serving'
    """
    found = {}
    for run in fetched(con, asked):
        run["config"], run["labels"] = json.loads(run["config"] or "{}"), json.loads(run["labels"] or "{}")
        run["folder"] = os.path.dirname(run["path"] or "") or None
        run["setting"] = {k: v for k, v in run["config"].items() if not _EACH_TIME.fullmatch(k)}
        found[run["run_id"]] = run
    return found


def _named(row: Mapping[str, Any], facts: Mapping[str, Any], name: str) -> str | None:
    for where in (row, facts, facts["labels"], facts["config"]):
        if where.get(name) is not None:
            return str(where[name])
    return None


# --------------------------------------------------------------------------- systems and points


def systems(found: Iterable[Cell]) -> list[list[Cell]]:
    """Cells by system, in the order in which systems first come."""
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in found:
        groups.setdefault(cell.system, []).append(cell)
    return list(groups.values())


def points(
    system: Iterable[Cell],
    x_of: Callable[[Cell], float | None],
    y_of: Callable[[Cell], float | None] = lambda cell: positive(cell.throughput),
) -> list[Point]:
    """Cells of one system as points, one for those that repeat one measurement, where their median counts."""
    return [_point(group, x_of, y_of) for group in repeats(system)]


def repeats(system: Iterable[Cell]) -> list[list[Cell]]:
    """Cells of one system by measurement: those of one load and one configuration repeat it.

    Cells that do not say their load, model or device repeat nothing: what else they do not say may differ.
    """
    groups: dict[Any, list[Cell]] = {}
    for cell in system:
        known = cell.load != (None, None) and cell.row["folder"] is None
        groups.setdefault((cell.load, cell.setting) if known else id(cell), []).append(cell)
    return list(groups.values())


def differences(found: Iterable[Cell]) -> dict[str, list[str]]:
    """The settings that cells state and that differ among them, each with its values in the order of the cells."""
    values: dict[str, dict[str, None]] = {}
    for cell in found:
        for name, value in cell.stated.items():
            values.setdefault(name, {})[str(value)] = None
    return {name: list(stated) for name, stated in values.items() if len(stated) > 1}


def _point(group: list[Cell], x_of: Callable[[Cell], float | None], y_of: Callable[[Cell], float | None]) -> Point:
    pairs = [(finite(x_of(c)), finite(y_of(c))) for c in group if c.row["status"] != "failed"]
    good = [(x, y) for x, y in pairs if x is not None and y is not None]
    return Point(group, median([x for x, _ in good]), median([y for _, y in good]), good)


def finite(value: float | None) -> float | None:
    """The value, unless there is none or it is not finite."""
    return value if value is not None and math.isfinite(value) else None


def positive(value: float | None) -> float | None:
    """The value, unless it is not finite or not above zero: then nothing was measured."""
    known = finite(value)
    return known if known is not None and known > 0 else None


def median(values: Sequence[float]) -> float:
    """NaN of nothing."""
    ordered, n = sorted(values), len(values)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2 if n else math.nan


def x_of(against: str) -> Callable[[Cell], float | None]:
    """What reads the value that throughput is read against; ``interactivity`` is the reciprocal of TPOT.

    The TPOT of answers that came in one piece is stated as 0: nothing was measured.
    """
    column = AGAINST[against][0]

    def read(cell: Cell) -> float | None:
        time = positive(cell.row[column])
        return 1 / time if time is not None and against == "interactivity" else time

    return read


def never_positive(found: Iterable[Cell], against: str) -> bool:
    """Whether cells state the time behind a value, but none of them one above zero."""
    column = AGAINST[against][0]
    times = [time for cell in found if (time := finite(cell.row[column])) is not None]
    return bool(times) and max(times) <= 0


def other_statistics(con: duckdb.DuckDBPyConnection, found: Iterable[Cell], column: str) -> str:
    """By which statistics the runs of cells state a time (``tpot``, ``ttft``, ``e2e``), in words; empty: by none."""
    metric = "e2e_latency" if column == "e2e" else column
    asked = f"""
        SELECT DISTINCT m.statistic FROM measurement_rows m
        WHERE m.metric = '{metric}' AND m.run_key IN ({keys(found)}) AND isfinite(m.value) AND m.hidden IS NOT TRUE
    """
    stated = sorted(name for (name,) in con.execute(asked).fetchall() if _STATISTIC.fullmatch(name))
    return f"; it is stated by {', '.join(stated)}: see --statistic" if stated else ""


def keys(found: Iterable[Cell]) -> str:
    """The numbers of their runs, as SQL lists them; 0 where there are none."""
    return ", ".join(map(str, sorted({cell.row["run_key"] for cell in found}))) or "0"


def whose(cell: Cell) -> dict[str, Any]:
    """Columns that say which system and which load a row is about."""
    row = cell.row
    names = (*SYSTEM, "apart", "concurrency", "request_rate", "device_count", "parallelism")
    return {name: row[name] for name in names}
