"""Rows on their way into DuckDB: Arrow tables, one INSERT each, and the small SQL that all writers share."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

#: Arrow types of columns that are not text.
_TYPES = {
    "int64": ("source_key", "run_key", "fact_key", "series_key", "rank", "device_index", "n", "non_finite", "min_step",
              "max_step", "line", "step", "request", "input_tokens", "output_tokens", "attempt", "device_count",
              "node_count", "resumed_from", "first_step", "last_step", "step_gap", "cut_step", "size_bytes",
              "bytes_read", "lines_total", "lines_matched", "lines_suspect", "mtime_ns"),
    "double": ("input_len", "output_len", "concurrency", "batch_size", "request_rate", "value", "started", "ttft",
               "tpot", "e2e"),
    "bool": ("success", "suspect", "derived", "hidden", "repeats", "marked"),
    "timestamp": ("time", "started_at", "ended_at", "ingested_at"),
}  # fmt: skip


def _kind(column: str) -> str:
    return next((kind for kind, columns in _TYPES.items() if column in columns), "string")


def clean(text: str) -> str:
    """Text that can be stored: bytes of a file name or a log that are not UTF-8 become ``\\xff`` escapes."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _array(column: str, values: Sequence[Any]) -> pa.Array:
    from llmstats import store_arrow

    kind = _kind(column)
    try:
        return store_arrow.column(values, kind)
    except UnicodeEncodeError:
        return store_arrow.column([None if v is None else _scrub(v) for v in values], kind)


def _scrub(text: str) -> str:
    try:
        return clean(text)
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte
        return text.encode("utf-8", "backslashreplace").decode()


def insert(con: DuckDBPyConnection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> int:
    """Insert rows (their values in the order of ``columns``); returns how many."""
    from llmstats import store_arrow

    if not rows:
        return 0
    by_column = zip(columns, zip(*rows, strict=True), strict=True)
    insert_arrow(con, table, store_arrow.table({name: _array(name, values) for name, values in by_column}))
    return len(rows)


def insert_arrow(con: DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Insert an Arrow table by the names of its columns."""
    con.register("incoming", rows)
    con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
    con.unregister("incoming")


def ask(con: DuckDBPyConnection, sql: str, *values: Any) -> DuckDBPyConnection:
    """Run a statement with its ``?`` written out as literals: binding a value makes DuckDB import pandas (0.4 s)."""
    first, *rest = sql.split("?")
    return con.execute(first + "".join(_literal(v) + part for v, part in zip(values, rest, strict=True)))


def _literal(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if value is None or isinstance(value, (bool, int, float)):
        return "NULL" if value is None else str(value)
    return "'" + str(value).replace("'", "''") + "'"


def keys_table(con: DuckDBPyConnection, name: str, keys: Iterable[int]) -> None:
    """A temporary table of integer keys, ``name(key)``; replaces one of that name."""
    ask(con, f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT unnest(?::BIGINT[]) AS key", sorted(keys))


def next_key(con: DuckDBPyConnection, table: str, column: str) -> int:
    """The first key that is not used yet, from 1."""
    # Always to the end: DuckDB 2 refuses other work on a connection while a result is not used up.
    [(key,)] = con.execute(f"SELECT coalesce(max({column}), 0) + 1 FROM {table}").fetchall()
    return int(key)


def to_json(value: Any, *, sort_keys: bool = False) -> str:
    """Valid JSON of any parsed value: NaN and infinities as text, unknown objects by ``str``."""
    try:
        return _scrub(json.dumps(value, ensure_ascii=False, allow_nan=False, default=str, sort_keys=sort_keys))
    except (ValueError, TypeError):  # NaN, or a key that is no text
        return to_json(_finite(value), sort_keys=sort_keys)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value
