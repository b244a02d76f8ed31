"""Effective curves as arrays: what an experiment logged, without what a later attempt did again, and each value's line.

The rules are those of the macro `_curve` (a metric before a raw name; rank 0 before others; what a better file has
is hidden), here also for other phases, with all ranks, and with the hours trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from llmstats.errors import NotFound

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: experiment, attempt, run_id, series_key, rank, precision, definition, unit, path, points
Fact = tuple[Any, ...]

#: Points that are held at a time.
BATCH = 4_000_000


@dataclass(slots=True)
class Experiment:
    """An experiment and its runs, in the order of their attempts; ``last_step`` leaves out what was done again."""

    name: str
    run_keys: list[int] = field(default_factory=list)
    run_ids: list[str] = field(default_factory=list)
    kind: str | None = None
    last_step: int | None = None
    model: str | None = None
    device: str | None = None


@dataclass(slots=True)
class Curve:
    """One series of one experiment, by step; all arrays are parallel.

    ``half`` is half a unit of the last decimal that the file holds (0 at full precision).  ``hours`` counts the time
    between a run's first and its last record, over all attempts, as if a clock that was set back had stood still; NaN
    where no clock was logged.
    """

    experiment: str
    steps: Integers
    values: Floats
    half: Floats
    hours: Floats
    lines: Integers  #: 0: not known
    series: Integers  #: index into ``paths`` and ``run_ids``
    paths: list[str]
    run_ids: list[str]
    definitions: list[str]
    unit: str | None
    precision: str

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def finite(self) -> npt.NDArray[np.bool_]:
        return np.isfinite(self.values)

    def at(self, index: int) -> str:
        """``path:line`` of a point."""
        path, line = self.paths[self.series[index]], self.lines[index]
        return f"{path}:{line}" if line else path

    def part(self, where: Any) -> Curve:
        """The same curve with the points that a mask or an index array names."""
        return replace(
            self,
            steps=self.steps[where],
            values=self.values[where],
            half=self.half[where],
            hours=self.hours[where],
            lines=self.lines[where],
            series=self.series[where],
        )


# --------------------------------------------------------------------------- which


def experiments(con: Connection, picks: Iterable[str]) -> list[Experiment]:
    """The experiments that names or patterns with ``*`` pick, of experiments or of their runs, by name.

    Raises:
        NotFound: a pick fits none.
    """
    rows = con.execute(
        "SELECT r.experiment, r.run_key, r.run_id, r.kind, "
        "CASE WHEN r.cut_step <= r.last_step THEN r.cut_step - 1 ELSE r.last_step END, r.model, r.device "
        "FROM run_rows r ORDER BY r.experiment, r.attempt, r.run_key"
    ).fetchall()
    known: dict[str, Experiment] = {}
    for name, key, run_id, kind, last, model, device in rows:
        one = known.setdefault(name, Experiment(name, kind=kind))
        one.run_keys.append(key)
        one.run_ids.append(run_id)
        one.model, one.device = model or one.model, device or one.device
        one.last_step = max(one.last_step or 0, last) if last is not None else one.last_step
    picked = {name for pick in picks for name in _fitting(pick, known)}
    return [known[name] for name in sorted(picked)]


def _fitting(pick: str, known: dict[str, Experiment]) -> list[str]:
    exact = [name for name, one in known.items() if pick == name or pick in one.run_ids]
    if exact:
        return exact
    fits = [name for name, one in known.items() if any(glob_fits(pick, n) for n in (name, *one.run_ids))]
    if not fits:
        every = {n for name, one in known.items() for n in (name, *one.run_ids)}
        raise NotFound.among("experiment or run", pick, every)
    return fits


def glob_fits(pattern: str, name: str) -> bool:
    """Whether a pattern fits; ``*`` stands for anything, all else for itself."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    if not name.startswith(first):
        return False
    place = len(first)
    for part in rest[:-1]:
        place = name.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return len(name) - place >= len(rest[-1]) and name.endswith(rest[-1])


# --------------------------------------------------------------------------- the points


_SERIES = """
SELECT r.experiment, r.attempt, r.run_id, s.series_key, coalesce(s.rank, 0), s.precision, s.definition, s.unit,
  w.path, s.n
FROM series_rows s JOIN run_rows r ON r.run_key = s.run_key JOIN source_rows w ON w.source_key = s.source_key
WHERE s.run_key IN ({keys}) AND s.phase = {phase} AND s.device_index IS NULL
  AND (s.metric = {series} OR s.raw_name = {series})
QUALIFY rank() OVER (
  PARTITION BY s.run_key ORDER BY s.metric = {series} DESC, CASE WHEN {every} THEN 0 ELSE coalesce(s.rank, 0) END
) = 1
ORDER BY r.experiment, r.attempt, coalesce(s.rank, 0), s.series_key
"""

_POINTS = """
SELECT p.series_key, p.step, coalesce(p.line, 0) AS line, epoch(p.tick) AS tick, p.val
FROM (
  SELECT s.series_key, r.cut_step AS cut, unnest(b.steps) AS step, unnest(b.lines) AS line,
    unnest(coalesce(b.clock, b.joined)) AS tick, unnest(v.vals) AS val, unnest(v.shown) AS shown
  FROM series_rows s
    JOIN run_rows r ON r.run_key = s.run_key
    JOIN block_values v ON v.series_key = s.series_key
    JOIN blocks b ON b.block_key = v.block_key
  WHERE s.series_key IN ({keys}) AND NOT v.hidden
) p
WHERE p.shown IS NOT FALSE AND p.step IS NOT NULL AND p.val IS NOT NULL AND (p.cut IS NULL OR p.step < p.cut)
"""


def curves(
    con: Connection, which: Sequence[Experiment], series: str, phase: str = "train", ranks: str = "lead"
) -> Iterator[Curve]:
    """The curves of experiments that logged ``series`` (a metric, or a raw name), one after the other.

    ``ranks``: ``lead`` takes rank 0, else the lowest; ``median`` and ``mean`` are of all ranks at each step, and are no
    number where one of them is none.
    """
    keys = ", ".join(str(key) for one in which for key in one.run_keys)
    if not keys:
        return
    given = {"keys": keys, "series": literal(series), "phase": literal(phase), "every": str(ranks != "lead")}
    facts = con.execute(_SERIES.format(**given)).fetchall()
    for batch in _batches(facts):
        points = _points(con, [fact[3] for fact in batch])
        for experiment, group in groupby(batch, key=lambda fact: fact[0]):
            curve = _curve(experiment, list(group), points)
            if curve is not None:
                yield curve if ranks == "lead" else _across_ranks(curve, ranks)


def literal(text: str) -> str:
    """A text as SQL writes it; to bind it as a parameter would import pandas, half a second."""
    return "'" + text.replace("'", "''") + "'"


def _batches(facts: Sequence[Fact]) -> Iterator[list[Fact]]:
    """Series of whole experiments, up to `BATCH` points together."""
    batch: list[Fact] = []
    size = 0
    for fact in facts:
        if batch and fact[0] != batch[-1][0] and size > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(fact)
        size += fact[9] or 0
    if batch:
        yield batch


def _points(con: Connection, keys: Sequence[int]) -> dict[int, dict[str, npt.NDArray[Any]]]:
    """Columns of the points of each series."""
    columns = con.execute(_POINTS.format(keys=", ".join(map(str, keys)))).fetchnumpy()
    every = {
        name: np.ma.filled(column.astype(kind), np.nan if kind is float else 0)
        for (name, column), kind in zip(columns.items(), (int, int, int, float, float), strict=True)
    }
    if (np.diff(every["series_key"]) < 0).any():
        order = np.argsort(every["series_key"], kind="stable")
        every = {name: column[order] for name, column in every.items()}
    edges = np.searchsorted(every["series_key"], [[key, key + 1] for key in keys])
    return {key: {n: c[a:b] for n, c in every.items()} for key, (a, b) in zip(keys, edges, strict=True)}


def _curve(experiment: str, facts: Sequence[Fact], points: Mapping[int, dict[str, npt.NDArray[Any]]]) -> Curve | None:
    parts = [points[fact[3]] for fact in facts]
    series = np.repeat(np.arange(len(facts)), [len(part["step"]) for part in parts])
    if not len(series):
        return None
    steps, lines, values = (np.concatenate([p[n] for p in parts]) for n in ("step", "line", "val"))
    ticks = np.concatenate([_never_back(p) for p in parts])
    half = np.concatenate([half_unit(f[5], p["val"]) for f, p in zip(facts, parts, strict=True)])
    names = list(dict.fromkeys(fact[2] for fact in facts))
    run = np.array([names.index(fact[2]) for fact in facts])[series]
    in_order = len(facts) == 1 and bool((np.diff(steps) > 0).all())
    places: Any = slice(None) if in_order else np.lexsort((lines, series, run, steps))
    hours = _hours(ticks, run)
    return Curve(
        experiment, steps[places], values[places], half[places], hours[places], lines[places], series[places],
        [fact[8] for fact in facts], [fact[2] for fact in facts], sorted({fact[6] for fact in facts if fact[6]}),
        next((fact[7] for fact in facts if fact[7]), None), ", ".join(sorted({fact[5] for fact in facts if fact[5]})),
    )  # fmt: skip


def half_unit(precision: str | None, values: Floats) -> Floats:
    """Half a unit of the last decimal of printed values; ``4``: decimals, ``4e``: of the mantissa, else full."""
    text = precision or ""
    if text.isdigit():
        return np.full(len(values), 0.5 * 10.0 ** -int(text))
    if text.endswith("e") and text[:-1].isdigit():
        with np.errstate(divide="ignore", invalid="ignore"):
            power = np.floor(np.log10(np.maximum(np.abs(values), 1e-300)))
        return np.asarray(0.5 * 10.0 ** (np.where(np.isfinite(power), power, 0) - int(text[:-1])))
    return np.zeros(len(values))


def _never_back(points: Mapping[str, npt.NDArray[Any]]) -> Floats:
    """The clock of one file's points, as if it had stood still where it was set back."""
    ticks: Floats = points["tick"]
    order = np.lexsort((points["step"], points["line"]))
    order = order[np.isfinite(ticks[order])]
    back = np.minimum(np.diff(ticks[order]), 0.0)
    if not back.any():
        return ticks
    ticks = ticks.copy()
    ticks[order[1:]] -= np.cumsum(back)
    return ticks


def _hours(ticks: Floats, runs: Integers) -> Floats:
    """Hours trained at each record: those of earlier runs, and those since the run's own first record."""
    hours = np.full(len(ticks), np.nan)
    before = 0.0
    for run in range(int(runs.max()) + 1):
        clock = ticks[runs == run]
        if not len(clock):
            continue
        if not np.isfinite(clock).any():
            return np.full(len(ticks), np.nan)
        since = (clock - np.nanmin(clock)) / 3600
        hours[runs == run] = before + since
        before += float(np.nanmax(since))
    return hours


def _across_ranks(curve: Curve, how: str) -> Curve:
    """One point per step: the median or the mean of the ranks, with the line of the first."""
    _, first, sizes = np.unique(curve.steps, return_index=True, return_counts=True)
    middle = np.median if how == "median" else np.mean
    one = curve.part(first)
    with np.errstate(invalid="ignore"):
        if len(set(sizes.tolist())) == 1:
            one.values = np.asarray(middle(curve.values.reshape(-1, sizes[0]), axis=1))
        else:
            one.values = np.array([middle(group) for group in np.split(curve.values, first[1:])])
    one.values = np.where(np.logical_and.reduceat(curve.finite, first), one.values, np.nan)
    one.half = np.maximum.reduceat(curve.half, first)
    return one
