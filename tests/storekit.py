"""A small store for the tests of queries, built row by row without any parser.

`make_store` creates the tables and views; the rest only inserts (``INSERT ... BY NAME``, so that further columns
of the real store do not matter).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import duckdb
import numpy as np

from llmstats import query

#: Records per row of ``blocks`` here: small, so that a test of a hundred points crosses blocks.
BLOCK = 32

_DDL = """
CREATE TABLE source_rows(source_key INTEGER, path VARCHAR, format VARCHAR, status VARCHAR, duplicate_of VARCHAR,
  detected_by VARCHAR, encoding VARCHAR, size_bytes BIGINT, content_hash VARCHAR, bytes_read BIGINT,
  lines_total BIGINT, lines_matched BIGINT, lines_suspect BIGINT, parser_version VARCHAR, error VARCHAR,
  ingested_at TIMESTAMP);
CREATE TABLE run_rows(run_key INTEGER, run_id VARCHAR, experiment VARCHAR, attempt INTEGER, kind VARCHAR,
  framework VARCHAR, model VARCHAR, dataset VARCHAR, vendor VARCHAR, device VARCHAR, device_count INTEGER,
  node_count INTEGER, precision VARCHAR, parallelism VARCHAR, started_at TIMESTAMP, ended_at TIMESTAMP,
  status VARCHAR, environment JSON, config JSON, labels JSON);
CREATE TABLE series_rows(series_key INTEGER, run_key INTEGER, source_key INTEGER, rank INTEGER,
  device_index INTEGER, phase VARCHAR, metric VARCHAR, raw_name VARCHAR, unit VARCHAR, definition VARCHAR,
  precision VARCHAR, n BIGINT, non_finite BIGINT);
CREATE TABLE blocks(block_key BIGINT, source_key INTEGER, run_key INTEGER, phase VARCHAR, rank INTEGER,
  steps BIGINT[], epochs BIGINT[], clock TIMESTAMP[], joined TIMESTAMP[], lines BIGINT[]);
CREATE TABLE block_values(block_key BIGINT, series_key INTEGER, vals DOUBLE[], shown BOOLEAN[], hidden BOOLEAN);
CREATE TABLE measurement_rows(run_key INTEGER, source_key INTEGER, subject VARCHAR, input_len DOUBLE,
  output_len DOUBLE, concurrency DOUBLE, batch_size DOUBLE, request_rate DOUBLE, conditions JSON, metric VARCHAR,
  statistic VARCHAR, value DOUBLE, unit VARCHAR, definition VARCHAR, raw_name VARCHAR, raw_value VARCHAR,
  precision VARCHAR, line BIGINT, hidden BOOLEAN);
CREATE TABLE request_rows(run_key INTEGER, source_key INTEGER, request BIGINT, started DOUBLE, ttft DOUBLE,
  tpot DOUBLE, e2e DOUBLE, input_tokens BIGINT, output_tokens BIGINT, success BOOLEAN, error VARCHAR, line BIGINT);
CREATE TABLE event_rows(run_key INTEGER, source_key INTEGER, time TIMESTAMP, step BIGINT, level VARCHAR,
  kind VARCHAR, message VARCHAR, line BIGINT);
CREATE TABLE issue_rows(source_key INTEGER, line BIGINT, reason VARCHAR, excerpt VARCHAR, suspect BOOLEAN);
CREATE TABLE metrics(name VARCHAR, unit VARCHAR, direction VARCHAR, description_en VARCHAR, description_zh VARCHAR);
CREATE TABLE devices(vendor VARCHAR, model VARCHAR, aliases VARCHAR, memory DOUBLE, source VARCHAR);
CREATE VIEW sources AS SELECT s.source_key AS source_id, s.* EXCLUDE (source_key) FROM source_rows s;
CREATE VIEW runs AS SELECT r.* EXCLUDE (run_key) FROM run_rows r;
CREATE VIEW series AS SELECT r.run_id, s.rank, s.device_index, s.phase, s.metric, s.source_key AS source_id,
  s.raw_name, s.unit, s.definition, s.precision, s.n AS "values", s.non_finite
  FROM series_rows s JOIN run_rows r USING (run_key);
CREATE VIEW points AS SELECT * EXCLUDE (shown) FROM (
  SELECT r.run_id, s.rank, s.device_index, s.phase, s.metric, unnest(b.steps) AS step, unnest(b.epochs) AS epoch,
    coalesce(unnest(b.clock), unnest(b.joined)) AS "time", unnest(v.vals) AS "value", b.source_key AS source_id,
    unnest(b.lines) AS line, coalesce(unnest(v.shown), true) AS shown
  FROM block_values v JOIN blocks b USING (block_key) JOIN series_rows s USING (series_key)
    JOIN run_rows r ON r.run_key = s.run_key WHERE v.hidden IS NOT TRUE) WHERE shown;
CREATE VIEW measurements AS SELECT r.run_id, m.subject, m.input_len, m.output_len, m.concurrency, m.batch_size,
  m.request_rate, m.conditions, m.metric, m.statistic, m.value, m.unit, m.definition, m.raw_name, m.raw_value,
  m.source_key AS source_id, m.line
  FROM measurement_rows m JOIN run_rows r USING (run_key) WHERE m.hidden IS NOT TRUE;
CREATE VIEW requests AS SELECT r.run_id, q.* EXCLUDE (run_key, source_key), q.source_key AS source_id
  FROM request_rows q JOIN run_rows r USING (run_key);
CREATE VIEW events AS SELECT r.run_id, e.time, e.step, e.level, e.kind, e.message, e.source_key AS source_id, e.line
  FROM event_rows e JOIN run_rows r USING (run_key);
CREATE VIEW issues AS SELECT i.source_key AS source_id, i.line, i.reason, i.excerpt, i.suspect FROM issue_rows i;
"""


def make_store(con: duckdb.DuckDBPyConnection) -> None:
    """Create all tables, views and table macros in the current database of ``con``."""
    con.execute(_DDL)
    query.install(con)


class Kit:
    """Inserts rows; keys count up from 1."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self._keys: dict[str, int] = {}

    def _next(self, name: str) -> int:
        self._keys[name] = self._keys.get(name, 0) + 1
        return self._keys[name]

    def _insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            given = {k: v for k, v in row.items() if v is not None}
            marks = ", ".join(f'?::{_TYPES.get(k, "")} AS "{k}"' if k in _TYPES else f'? AS "{k}"' for k in given)
            self.con.execute(f"INSERT INTO {table} BY NAME SELECT {marks}", list(given.values()))

    def source(self, path: str = "/logs/a.log", **columns: Any) -> int:
        """A source; answers its key."""
        key = self._next("source")
        self._insert("source_rows", [{"source_key": key, "path": path, "status": "parsed", **columns}])
        return key

    def run(self, run_id: str, experiment: str | None = None, attempt: int = 1, **columns: Any) -> int:
        """A run (a training unless said otherwise); answers its key."""
        key = self._next("run")
        row = {"run_key": key, "run_id": run_id, "experiment": experiment or run_id, "attempt": attempt}
        self._insert("run_rows", [{**row, "kind": "training", **columns}])
        return key

    def points(
        self,
        run: int,
        source: int,
        steps: Sequence[int],
        metrics: Mapping[str, Sequence[float]],
        *,
        rank: int | None = None,
        phase: str = "train",
        precision: str = "full",
        definitions: Mapping[str, str] | None = None,
        raw: Mapping[str, str] | None = None,
        start: datetime | None = None,
        seconds: Sequence[float] | None = None,
        hidden: bool = False,
        shown: Sequence[bool] | None = None,
        first_line: int = 1,
    ) -> dict[str, int]:
        """Series on common lines; clock = start + seconds.  Answers series keys by metric."""
        keys = {}
        for metric, values in metrics.items():
            keys[metric] = self._next("series")
            finite = np.isfinite(np.array(values, float))
            self._insert(
                "series_rows",
                [{
                    "series_key": keys[metric], "run_key": run, "source_key": source, "rank": rank, "phase": phase,
                    "metric": metric, "raw_name": (raw or {}).get(metric, metric), "precision": precision,
                    "definition": (definitions or {}).get(metric), "n": len(values),
                    "non_finite": int((~finite).sum()),
                }],
            )  # fmt: skip
        for at in range(0, len(steps), BLOCK):
            cut = slice(at, at + BLOCK)
            block = self._next("block")
            clock = None if start is None or seconds is None else [start + timedelta(seconds=s) for s in seconds[cut]]
            here = list(steps[cut])
            lines = list(range(first_line + at, first_line + at + len(here)))
            self._insert(
                "blocks",
                [{"block_key": block, "source_key": source, "run_key": run, "phase": phase, "rank": rank,
                  "steps": here, "clock": clock, "lines": lines}],
            )  # fmt: skip
            for metric, values in metrics.items():
                self._insert(
                    "block_values",
                    [{"block_key": block, "series_key": keys[metric], "vals": [float(v) for v in values[cut]],
                      "hidden": hidden, "shown": None if shown is None else list(shown[cut])}],
                )  # fmt: skip
        return keys

    def measure(self, run: int, source: int, values: Mapping[tuple[str, str], float | None], **columns: Any) -> None:
        """Measurements of one cell: (metric, statistic) -> value; ``columns`` are its conditions."""
        for (metric, statistic), value in values.items():
            row = {"run_key": run, "source_key": source, "metric": metric, "statistic": statistic, "value": value}
            self._insert("measurement_rows", [{**row, "hidden": False, "line": 1, **columns}])

    def issue(self, source: int, line: int, reason: str, excerpt: str = "", suspect: bool = True) -> None:
        row = {"source_key": source, "line": line, "reason": reason, "excerpt": excerpt, "suspect": suspect}
        self._insert("issue_rows", [row])


_TYPES = {"steps": "BIGINT[]", "clock": "TIMESTAMP[]", "lines": "BIGINT[]", "vals": "DOUBLE[]", "shown": "BOOLEAN[]"}


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    """Result of ``sql`` as dicts; JSON texts stay texts."""
    relation = con.sql(sql)
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def dumps(value: Any) -> str:
    return json.dumps(value)
