"""Series of values over dates or versions: one metric and definition of one workload on one machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import groupby
from typing import TYPE_CHECKING, Any

from llmstats.query import fetched

if TYPE_CHECKING:
    import duckdb

    from llmstats.answers._changes import Split

_MACHINE = ("vendor", "device", "device_count", "node_count", "host")
_WORKLOAD = ("kind", "model", "dataset", "framework", "precision", "parallelism", "subject")
_CASE = ("input_len", "output_len", "concurrency", "request_rate", "batch_size")
_SERIES = (*_MACHINE, *_WORKLOAD, *_CASE, "metric", "statistic", "definition")


@dataclass(slots=True)
class Series:
    """One metric on one machine, in order; ``rows`` hold run_id, run_key, value, place and where it stands (`at`)."""

    facts: dict[str, Any]
    rows: list[dict[str, Any]]
    number: int = 0
    tested: list[Split] = field(default_factory=list)
    q_values: list[float] = field(default_factory=list)

    @property
    def values(self) -> list[float]:
        return [row["value"] for row in self.rows]

    @property
    def about(self) -> dict[str, Any]:
        """What the answers say of the series."""
        facts, first, last = self.facts, self.rows[0], self.rows[-1]
        return {
            **{k: facts[k] for k in ("metric", "statistic", "model", "device", "definition")},
            "series": self.number, "devices": facts["device_count"], "unit": last["unit"], "runs": len(self.rows),
            "first_at": str(first["at"]), "last_at": str(last["at"]),
            "workload": _joined(facts, ("kind", "framework", "precision", "parallelism", "dataset", "subject")),
            "case": _joined(facts, _CASE, named=True),
        }  # fmt: skip

    def changes(self, alpha: float) -> list[tuple[Split, float]]:
        """Splits that hold after the adjustment, in order, with their q-values."""
        held = [(s, q) for s, q in zip(self.tested, self.q_values, strict=True) if q <= alpha]
        return sorted(held, key=lambda pair: pair[0].at)


def _joined(facts: Mapping[str, Any], names: Sequence[str], *, named: bool = False) -> str | None:
    told = [(k, facts[k]) for k in names if facts[k] is not None]
    return ", ".join(f"{k}={v:g}" if named else str(v) for k, v in told) or None


#: Keys are looked up in maps: to `->>` a star, a backslash or a dollar is a path.
_ROWS = """
    WITH said AS MATERIALIZED (
      SELECT r.run_key, CASE WHEN $by <> 'date' THEN coalesce(
        CAST(r.labels::JSON AS MAP(VARCHAR, VARCHAR))[$by], CAST(r.environment::JSON AS MAP(VARCHAR, VARCHAR))[$by],
        CAST(r.config::JSON AS MAP(VARCHAR, VARCHAR))[$by]) END AS version
      FROM run_rows r
    )
    SELECT d.*, s.version FROM _dated($pick) d JOIN said s ON s.run_key = d.run_key
"""


def series(
    con: duckdb.DuckDBPyConnection, metric: str, model: str, device: str, pick: str, by: str
) -> tuple[list[Series], int]:
    """All series, and the number of runs that have no place in an order by ``by``."""
    rows = fetched(con, _ROWS, {"by": by, "pick": pick})
    rows = [r for r in rows if _like(metric, r["metric"]) and _like(model, r["model"])]
    rows = [r for r in rows if _like(device, r["device"]) or _like(device, r["vendor"])]
    placed = [r for r in rows if (r["started_at"] if by == "date" else r["version"]) is not None]
    undated = len({r["run_key"] for r in rows} - {r["run_key"] for r in placed})
    placed.sort(key=lambda r: ([str(r[k]) for k in _SERIES], _place(r), r["run_id"]))
    groups = groupby(placed, key=lambda r: tuple(r[k] for k in _SERIES))
    found = [Series(dict(zip(_SERIES, key, strict=True)), list(_once(mine))) for key, mine in groups]
    for number, one in enumerate(found, 1):
        one.number = number
    return found, undated


def _like(pattern: str, name: str | None) -> bool:
    return pattern == "*" or (name is not None and fnmatchcase(name.lower(), pattern.lower()))


def _place(row: Mapping[str, Any]) -> Any:
    row_place = row["started_at"] if row["version"] is None else natural(row["version"])
    return (row_place, row["started_at"].isoformat() if row["started_at"] else "")


def _once(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """One value per run: of several files the first by place."""
    for _, same in groupby(rows, key=lambda r: r["run_id"]):
        row = min(same, key=lambda r: str(r["place"]))
        row["at"] = row["version"] or row["started_at"]
        yield row


#: Words of a version that come after its number; all others (alpha, rc, dev) come before it.
_LATER = ("post", "patch", "sp", "p", "r")


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sorting key of a version: ``1.10`` after ``1.9``, ``1.9rc1`` before it and ``1.9.post1`` behind."""
    parts = re.findall(r"\d+|[^\W\d_]+", text.lower().removeprefix("v"))
    keys = [(3, int(p), "") if p.isdigit() else (2 if p in _LATER else 0, 0, p) for p in parts]
    return [*keys, (1, 0, "")]
