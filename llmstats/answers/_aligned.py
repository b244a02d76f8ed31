"""What aligns curves of different trainings: how many tokens, samples or steps each had behind it at each point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from llmstats.curves import Curve, Experiment, Floats, curves
from llmstats.errors import QueryError

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

ALIGNMENTS = ("tokens", "samples", "step")

#: Positions and values of points that straight pieces join; each of shape (n,), positions rising.
Path = tuple[Floats, Floats]


@dataclass(slots=True)
class Line:
    """One curve by position (tokens, samples or steps); finite points only."""

    name: str
    x: Floats
    curve: Curve
    non_finite: int
    ends_odd: float | None  #: the last recorded value where it is no finite number

    @property
    def path(self) -> Path:
        """All its points."""
        return distinct(self.x, self.curve.values)

    def through(self, places: Floats) -> Path:
        """Points at these positions alone, which lie within the curve."""
        return places, np.interp(places, *self.path)

    def between(self, low: float, high: float) -> int:
        """Points in a closed interval."""
        return int(np.count_nonzero((self.x >= low) & (self.x <= high)))


def level(path: Path, edges: Floats) -> Floats:
    """Mean height of a path between neighbouring edges; the edges lie within it."""
    x, y = path
    area = np.concatenate([[0.0], np.cumsum(np.diff(x) * (y[1:] + y[:-1]) / 2)])
    places = np.clip(np.searchsorted(x, edges, side="right") - 1, 0, len(x) - 2)
    height = np.interp(edges, x, y)
    total = area[places] + (edges - x[places]) * (y[places] + height) / 2
    return np.asarray(np.diff(total) / np.diff(edges))


def distinct(x: Floats, y: Floats) -> Path:
    """Of several points at one position the last."""
    if (np.diff(x) > 0).all():
        return x, y
    last = np.append(x[1:] != x[:-1], True)
    return x[last], y[last]


def place(line: Line, index: int) -> str | None:
    """``path:line`` of a point; None where there is no finite one."""
    return line.curve.at(index) if len(line.x) else None


class Places:
    """How far each experiment was at its steps: in tokens, samples, or the steps themselves."""

    def __init__(self, con: Connection, which: Sequence[Experiment], phase: str) -> None:
        self._batch = _batches(con, which)
        self._logged: dict[str, dict[str, Curve]] = {"tokens": {}, "samples": {}}
        for kind, metric in (("tokens", "total_tokens"), ("samples", "samples")):
            for of_phase in dict.fromkeys((phase, "train")):
                for curve in curves(con, which, metric, of_phase):
                    self._logged[kind].setdefault(curve.experiment, curve)

    def of(self, curve: Curve, by: str) -> tuple[Floats | None, str]:
        """Positions of a curve's points and where they come from, or None and why there are none."""
        if by == "step":
            return curve.steps.astype(float), "steps as logged"
        if (values := self._consumed(curve, by)) is not None:
            return values, f"consumed {by} as logged"
        batch, length = self._batch.get(curve.experiment, (None, None))
        samples, whence = self._consumed(curve, "samples"), "consumed samples as logged"
        if samples is None and batch:
            samples = np.array(curve.steps * batch, dtype=np.float64)
            whence = f"steps times the global batch of {batch:g}"
        if samples is not None and by == "samples":
            return samples, whence
        if samples is not None and length:
            return np.array(samples * length, dtype=np.float64), f"{whence} times {length:g} tokens"
        return None, f"consumed {by} of {curve.experiment} are not known"

    def _consumed(self, curve: Curve, by: str) -> Floats | None:
        """As the log counts them, where it does for the whole curve."""
        logged = self._logged[by].get(curve.experiment)
        if logged is None or logged.steps[0] > curve.steps[0] or logged.steps[-1] < curve.steps[-1]:
            return None
        return np.interp(curve.steps, logged.steps, logged.values)


_BATCH = """
SELECT r.experiment,
  list(DISTINCT coalesce(
    r.config->>'global_batch_size', r.config->>'global batch size', r.labels->>'global_batch_size')),
  list(DISTINCT coalesce(r.config->>'seq_length', r.config->>'sequence length', r.labels->>'seq_length'))
FROM run_rows r WHERE r.run_key IN ({keys}) GROUP BY r.experiment
"""


def _batches(con: Connection, which: Sequence[Experiment]) -> dict[str, tuple[float | None, float | None]]:
    """Global batch and sequence length by experiment, where all its runs agree."""
    keys = ", ".join(str(key) for one in which for key in one.run_keys)
    rows = con.execute(_BATCH.format(keys=keys)).fetchall() if keys else []
    return {name: (_agreed(batch), _agreed(length)) for name, batch, length in rows}


def _agreed(texts: Sequence[str | None]) -> float | None:
    try:
        values = {float(text) for text in texts if text is not None}
    except ValueError:
        return None
    return values.pop() if len(values) == 1 and None not in texts else None


def aligned(every: Sequence[Curve], places: Places, align: str) -> tuple[str, str, list[Line]]:
    """The alignment, the reason for it, and the curves by position."""
    missing: list[str] = []
    for by in ALIGNMENTS if align == "auto" else (align,):
        found = [places.of(curve, by) for curve in every]
        why = [said for x, said in found if x is None]
        if not why:
            said = "; ".join([*dict.fromkeys(said for _, said in found), *missing[-1:]])
            return by, said, [_line(curve, x) for curve, (x, _) in zip(every, found, strict=True) if x is not None]
        missing.append(why[0])
    raise QueryError(f"--align {align}: {missing[0]}")


def _line(curve: Curve, x: Floats) -> Line:
    ends_odd = None if curve.finite[-1] else float(curve.values[-1])
    keep = curve.finite
    if keep.all():
        return Line(curve.experiment, x, curve, 0, ends_odd)
    return Line(curve.experiment, x[keep], curve.part(keep), int((~keep).sum()), ends_odd)
