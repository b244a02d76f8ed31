"""What monitors of power recorded: which series there are, and their integral over a stretch of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import duckdb

Floats = npt.NDArray[np.float64]

#: Readings of one card that say the same of it, the best first: a mean over the last second misses no peak.
_OF_ONE_CARD = ("power@device_average", "power@device", "power@device_instant")
#: Fewer samples than this say nothing of a stretch.
FEWEST = 10


@dataclass(frozen=True, slots=True)
class Meter:
    """One series of power: of a card (``scope`` devices) or of a whole server (``scope`` system)."""

    run_key: int
    run_id: str
    scope: str
    rank: int | None
    index: int | None
    definition: str | None
    series: int
    path: str
    folder: str
    job: str | None

    @property
    def device(self) -> tuple[int, int | None, int | None]:
        """What tells it from the other meters of its scope."""
        return self.run_key, self.rank, self.index


def meters(con: duckdb.DuckDBPyConnection) -> list[Meter]:
    """All series of power with more than one sample; of one card the best of its readings."""
    found = con.execute("""
        SELECT s.run_key, r.run_id, CASE s.metric WHEN 'power' THEN 'devices' ELSE 'system' END, s.rank, s.device_index,
          s.definition, s.series_key, w.path, parse_dirpath(w.path), r.labels->>'job'
        FROM series_rows s
          JOIN run_rows r ON r.run_key = s.run_key
          JOIN source_rows w ON w.source_key = s.source_key
        WHERE s.n > 1 AND (s.metric = 'system_power' OR (s.metric = 'power' AND s.device_index IS NOT NULL))
        ORDER BY s.run_key, s.rank, s.device_index, s.series_key
    """).fetchall()
    best: dict[tuple[str, int, int | None, int | None], Meter] = {}
    for meter in (Meter(*row) for row in found):
        at = best.get(key := (meter.scope, *meter.device))
        if at is None or _merit(meter) < _merit(at):
            best[key] = meter
    return list(best.values())


def _merit(meter: Meter) -> int:
    known = meter.definition in _OF_ONE_CARD
    return _OF_ONE_CARD.index(str(meter.definition)) if known else len(_OF_ONE_CARD)


@dataclass(frozen=True, slots=True)
class Record:
    """Samples of one meter by time (seconds since 1970): finite ones; of one instant their mean."""

    times: Floats
    watts: Floats
    line: int
    left_out: int

    @property
    def interval(self) -> float:
        """Median of the seconds between samples."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.0


def record(con: duckdb.DuckDBPyConnection, meter: Meter) -> Record:
    """The samples of a meter that have a time; those that are no number are left out and counted."""
    columns: dict[str, Any] = con.execute(
        """
        SELECT epoch(p.time) AS time, p.value, p.line FROM (
          SELECT unnest(coalesce(b.clock, b.joined)) AS time, unnest(v.vals) AS value, unnest(b.lines) AS line,
            unnest(v.shown) AS shown
          FROM block_values v JOIN blocks b ON b.block_key = v.block_key
          WHERE v.series_key = ? AND NOT v.hidden
        ) p
        WHERE p.time IS NOT NULL AND p.value IS NOT NULL AND (p.shown IS NULL OR p.shown)
        ORDER BY p.time, p.line
        """,
        [meter.series],
    ).fetchnumpy()
    times, watts = (np.asarray(columns[name], np.float64) for name in ("time", "value"))
    finite = np.isfinite(watts)
    line = int(columns["line"][finite.argmax()]) if len(times) else 0
    instants, of = np.unique(times[finite], return_inverse=True)
    means = np.bincount(of, watts[finite], len(instants)) / np.maximum(np.bincount(of, minlength=len(instants)), 1)
    return Record(instants, means, line, int(np.count_nonzero(~finite)))


@dataclass(frozen=True, slots=True)
class Integral:
    """Energy of one meter between two instants, joules; ``start`` and ``end`` are what the samples reach."""

    energy: float
    start: float
    end: float
    samples: int
    largest_gap: float
    problem: str | None


def integrate(record: Record, start: float, end: float, max_gap: float) -> Integral:
    """The trapezoid rule from ``start`` to ``end``; what lies outside is cut off at interpolated values.

    ``problem`` says why the result is none: too few samples, gaps longer than ``max_gap`` sampling intervals, samples
    that begin too late or end too early by the same measure, or a sensor that reads 0 or less.
    """
    times, watts = record.times, record.watts
    inside = (times >= start) & (times <= end)
    count = int(np.count_nonzero(inside))
    if count < 2:
        return Integral(0.0, start, start, count, 0.0, f"{count} samples in the time of the run")
    low, high = max(start, float(times[0])), min(end, float(times[-1]))
    at = np.concatenate([[low], times[(times > low) & (times < high)], [high]])
    energy = float(np.trapezoid(np.interp(at, times, watts), at))
    near = np.flatnonzero(inside)
    span = times[max(near[0] - 1, 0) : near[-1] + 2]
    gap = float(np.diff(span).max())
    problem = _problem(record, inside, (low - start, end - high), gap, max_gap)
    return Integral(energy, low, high, count, gap, problem)


def _problem(
    record: Record, inside: npt.NDArray[np.bool_], missing: Sequence[float], gap: float, max_gap: float
) -> str | None:
    limit = max_gap * record.interval
    if (count := int(np.count_nonzero(inside))) < FEWEST:
        return f"{count} samples in the time of the run; {FEWEST} are needed"
    if max(missing) > limit:
        return f"no samples in {max(missing):.1f} s at the start or end of the run"
    if gap > limit:
        return f"a gap of {gap:.1f} s between samples, which come every {record.interval:.3g} s"
    return _no_power(record.watts[inside])


def _no_power(watts: Floats) -> str | None:
    """Readings that nothing at work draws: such a sensor is not to be trusted with the others either."""
    if below := int(np.count_nonzero(watts < 0)):
        return f"{below} of {len(watts)} samples in the time of the run are below 0 W"
    if dead := int(np.count_nonzero(watts == 0)):
        told = "throughout" if dead == len(watts) else f"in {dead} of {len(watts)} samples in the time of the run"
        return f"the sensor reads 0 W {told}"
    return None
