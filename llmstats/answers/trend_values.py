"""Which values stand behind each series of `trend`?

One row per run and series, in the order of their dates or versions (`at`); `series` is the number that `trend` gives
it, where both are asked with the same parameters.

parameter: metric VARCHAR = '*' -- metric, or a pattern with *
parameter: model VARCHAR = '*' -- model, or a pattern with *
parameter: device VARCHAR = '*' -- device or vendor, or a pattern with *
parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
parameter: by VARCHAR = 'date' -- date, or the name of a version in environment, labels or configuration
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmstats.answers._dated import series
from llmstats.query import Answer

if TYPE_CHECKING:
    import duckdb

COLUMNS = (
    "series", "at", "value", "unit", "metric", "statistic", "model", "device", "devices", "workload", "case",
    "definition", "run_id", "source",
)  # fmt: skip


def answer(con: duckdb.DuckDBPyConnection, metric: str, model: str, device: str, pick: str, by: str) -> Answer:
    """See the module's text."""
    found, _ = series(con, metric, model, device, pick, by)
    rows = [
        {**one.about, "at": str(row["at"]), "value": row["value"], "run_id": row["run_id"], "source": row["place"]}
        for one in found
        for row in one.rows
    ]
    return Answer.of(COLUMNS, rows)
