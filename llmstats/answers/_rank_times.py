"""The times of all ranks of a run as one table of steps x ranks, warm-up left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import duckdb

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Where ranks wait for each other; its time is taken out of what a rank computes itself.
COMMUNICATION = "gradient_sync_time"


@dataclass(slots=True)
class RankTimes:
    """Seconds of each step on each rank; all tables have shape (steps, ranks), NaN where nothing was logged.

    Where only rates are logged the unit is the usual step (``seconds`` is False).
    """

    ranks: Ints
    steps: Ints
    total: Floats  #: the step with its data wait
    data: Floats | None  #: waiting for data; None where it is not logged
    own: Floats  #: the step without data wait and without logged communication
    communication: Floats | None
    split: bool  #: `own` holds no data wait
    seconds: bool
    lines: Ints
    files: dict[int, str]  #: path by rank

    @property
    def every(self) -> float:
        """Steps that a record stands for."""
        return float(np.median(np.diff(self.steps))) if len(self.steps) > 1 else 1.0

    @property
    def shared(self) -> int:
        """Steps that more than one rank logged."""
        return int((np.isfinite(self.total).sum(axis=1) > 1).sum())

    @property
    def comparable(self) -> Ints:
        """Records of each rank, as far as they can be judged, in steps that another rank logged too."""
        known = np.isfinite(self.own)
        return np.asarray((known & (known.sum(axis=1, keepdims=True) > 1)).sum(axis=0), np.int64)

    def place(self, step: int, rank: int) -> str | None:
        """``path:line`` of a record, by its indices."""
        path = self.files.get(int(self.ranks[rank]))
        return None if path is None else f"{path}:{self.lines[step, rank]}"


_RECORDS = """
SELECT p.rank, p.step, p.line, p.data, p.seconds, p.span, p.series_key FROM _record_speed($pick, $warmup, 'several') p
WHERE p.run_key = $run_key
"""
_APART = "SELECT r.apart FROM _roles($pick) r WHERE r.run_key = $run_key LIMIT 1"
_FILES = """
SELECT coalesce(s.rank, 0), w.path FROM series_rows s JOIN source_rows w ON w.source_key = s.source_key
WHERE s.series_key IN (SELECT unnest($keys))
"""
_WAITS = """
SELECT q.rank, q.step, q.val FROM (
  SELECT s.rank, unnest(b.steps) AS step, unnest(v.vals) AS val, unnest(v.shown) AS shown
  FROM series_rows s JOIN block_values v ON v.series_key = s.series_key JOIN blocks b ON b.block_key = v.block_key
  WHERE s.run_key = $run_key AND s.metric = $metric AND s.rank IS NOT NULL AND s.phase = 'train' AND NOT v.hidden
) q WHERE q.shown IS NOT FALSE AND isfinite(q.val) AND q.step IS NOT NULL
"""


def load(con: duckdb.DuckDBPyConnection, run_id: str, run_key: int, warmup: float) -> RankTimes:
    """All records of a run in which several ranks log their speed."""
    of_run = {"pick": run_id, "run_key": run_key}
    columns = con.execute(_RECORDS, {**of_run, "warmup": warmup}).fetchnumpy()
    ranks, r = np.unique(np.ma.getdata(columns["rank"]), return_inverse=True)
    steps, t = np.unique(np.ma.getdata(columns["step"]), return_inverse=True)
    place = t * len(ranks) + r
    shape = (len(steps), len(ranks))
    total, seconds = _total(columns, place, shape)
    data = _table(columns["data"], place, shape)
    lines = np.zeros(shape, np.int64)
    lines.ravel()[place] = np.ma.getdata(columns["line"])
    keys = np.unique(np.ma.getdata(columns["series_key"])).tolist()
    files = dict(con.execute(_FILES, {"keys": keys}).fetchall())
    apart = con.execute(_APART, of_run).fetchall()[0][0]
    waits = _waits(con, run_key, ranks, steps, total) if seconds else None
    own = total if data is None else total - data
    own = own if waits is None else own - waits
    split = seconds and (data is not None or bool(apart))
    return RankTimes(
        ranks.astype(np.int64), steps.astype(np.int64), total, data, own, waits, split, seconds, lines, files
    )


def _total(columns: Mapping[str, Any], place: Ints, shape: tuple[int, int]) -> tuple[Floats, bool]:
    total = _table(columns["seconds"], place, shape)
    if total is not None:
        return total, True
    span = _table(columns["span"], place, shape)
    if span is None:  # such as step times that are all 0
        return np.full(shape, np.nan), True
    return span / np.nanmedian(span), False


def _table(column: Any, place: Ints, shape: tuple[int, int]) -> Floats | None:
    """Records laid out by step and rank; None where there are no values.  Of repeated steps the last counts."""
    values = np.ma.filled(column, np.nan)
    if np.isnan(values).all():
        return None
    table = np.full(shape, np.nan)
    table.ravel()[place] = values
    return table


def _waits(con: duckdb.DuckDBPyConnection, run_key: int, ranks: Ints, steps: Ints, total: Floats) -> Floats | None:
    """Time in collectives, where more than one rank logs it; 0 in steps in which it is not known of all ranks."""
    found = con.execute(_WAITS, {"run_key": run_key, "metric": COMMUNICATION}).fetchnumpy()
    rank, step = np.ma.getdata(found["rank"]), np.ma.getdata(found["step"])
    known = np.isin(rank, ranks) & np.isin(step, steps)
    if len(np.unique(rank[known])) < 2:
        return None
    table = np.full((len(steps), len(ranks)), np.nan)
    table[np.searchsorted(steps, step[known]), np.searchsorted(ranks, rank[known])] = np.ma.getdata(found["val"])[known]
    whole = (np.isfinite(table) | np.isnan(total)).all(axis=1)
    return np.where(whole[:, None], table, 0.0)
