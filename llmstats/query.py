"""Asking: named queries (see `llmstats.questions`) and read-only SQL, on a connection that somebody else opened."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from llmstats.errors import NotFound, QueryError
from llmstats.questions import Question, find, install_own, list_queries

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

#: What SQL from a user may take at most; a smaller machine keeps DuckDB's own limits.
MEMORY_LIMIT = 8 * 2**30
THREADS = 8
_FIRST_WORDS = (
    "select", "from", "with", "describe", "desc", "show", "summarize", "pivot", "unpivot", "values", "table", "explain"
)  # fmt: skip
_SPACE = r"(?>(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*)"
_FIRST_WORD = re.compile(r"(?>(?:[\s(]|--[^\n]*(?:\n|$)|/\*.*?\*/)*)(\w+)", re.S)
_EXPLAIN = re.compile(rf"{_SPACE}explain\b{_SPACE}(?:analyze\b|\([^()]*\))?", re.S | re.I)
_MISSING = re.compile(r"(?:Table|View|Function) with name (\S+?)!? does not exist", re.I)
_BYTES = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


class Answer:
    """A materialised result: column names (each but once) and rows of Python values.

    Args:
        columns: names; a name that occurs again gets a number.
        rows: one tuple per row, as long as ``columns``; left out where ``table`` is given.
        types: DuckDB's names of the types, where a database answered.
        table: the same as a pyarrow table.
    """

    def __init__(
        self,
        columns: Sequence[str],
        rows: Sequence[tuple[Any, ...]] | None = None,
        types: Sequence[str] = (),
        table: pa.Table | None = None,
    ) -> None:
        self.columns = _distinct(columns)
        self.types = list(types)
        self._rows = None if rows is None else list(rows)
        self._table = table

    @classmethod
    def of(cls, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Answer:
        """Of rows by column name; what a row does not say is None."""
        return cls(columns, [tuple(row.get(name) for name in columns) for row in rows])

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """All rows; made when first asked for, since `pl` and `df` do without."""
        if self._rows is None:
            columns = [] if self._table is None else [column.to_pylist() for column in self._table.columns]
            self._rows = list(zip(*columns, strict=True))
        return self._rows

    def select(self, columns: Sequence[str]) -> Answer:
        """Some of the columns, in this order.

        Raises:
            NotFound: there is no such column.
        """
        for name in columns:
            if name not in self.columns:
                raise NotFound.among("column", name, self.columns)
        places = [self.columns.index(name) for name in columns]
        table = None if self._table is None else self._table.select(columns)
        rows = None if self._rows is None else [tuple(row[i] for i in places) for row in self._rows]
        return Answer(columns, rows, [self.types[i] for i in places] if self.types else (), table)

    def arrow(self) -> pa.Table:
        """As a pyarrow table."""
        import pyarrow as pa

        if self._table is None:
            self._table = pa.table({name: [row[i] for row in self.rows] for i, name in enumerate(self.columns)})
        return self._table

    def pl(self) -> pl.DataFrame:
        """As a polars frame."""
        import polars as pl

        frame = pl.from_arrow(self.arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def df(self) -> pd.DataFrame:
        """As a pandas frame."""
        return self.arrow().to_pandas()

    def __repr__(self) -> str:
        count = len(self.rows) if self._table is None else self._table.num_rows
        return f"Answer({count} rows: {', '.join(self.columns)})"


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of which none occurs twice: ``a, a`` becomes ``a, a_1``."""
    given: list[str] = []
    for name in names:
        numbered = (f"{name}_{n}" for n in count(1))
        given.append(name if name not in given else next(n for n in numbered if n not in given and n not in names))
    return given


# --------------------------------------------------------------------------- answering


def run(
    con: duckdb.DuckDBPyConnection,
    question: str,
    parameters: Mapping[str, str] | None = None,
    mine: Sequence[Question] = (),
) -> Answer:
    """Answer a named query (one word) or one statement of read-only SQL.

    Before SQL of a user runs, ``con`` is guarded (see `guard`) and stays so; that of ``mine`` (see `questions.own`),
    their own named queries, is such SQL, and statements can call it.

    Raises:
        NotFound: no such query or parameter, or no experiment or run that ``pick`` names.
        QueryError: a parameter of the wrong type, or SQL that DuckDB refuses.
    """
    parameters = parameters or {}
    question = question.strip()
    if mine:
        guard(con)
        install_own(con, mine)
    if re.fullmatch(r"[\w-]*", question):
        return _named(con, find(question, mine), parameters)
    _check_statement(question, parameters)
    guard(con)
    return _ask(con, question)


def rows(con: duckdb.DuckDBPyConnection, name: str, given: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Rows of a named query by column; for answers that build on others.

    Raises:
        NotFound, QueryError: as `run`.
    """
    answer = run(con, name, {k: str(v) for k, v in (given or {}).items() if v is not None})
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def fetched(con: duckdb.DuckDBPyConnection, sql: str, values: Any = None) -> list[dict[str, Any]]:
    """Rows of SQL of our own by column, as DuckDB's Python values; ``values`` are its parameters."""
    cursor = con.execute(sql, values)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _named(con: duckdb.DuckDBPyConnection, question: Question, parameters: Mapping[str, str]) -> Answer:
    values = _typed(question, parameters)
    if question.answer is None:
        answer = _ask(con, _call(question, values))
    else:
        answer = question.answer(con, **{p.name: p.value for p in question.parameters} | values)
    if not answer.rows:
        _check_pick(con, parameters.get("pick", "*"))
    return answer


def _ask(con: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    import duckdb

    try:
        relation = con.sql(sql)
        names = _distinct(relation.columns)
        table = relation.to_arrow_table().rename_columns(names)
    except duckdb.Error as why:
        raise QueryError(_explain(str(why))) from why
    return Answer(names, types=[str(t) for t in relation.types], table=_plain_types(table))


def _plain_types(table: pa.Table) -> pa.Table:
    """Sums of integers as integers and intervals as durations: not everybody knows DuckDB's own types."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type) and field.type.scale == 0:
            with suppress(pa.ArrowInvalid):  # beyond 64 bits it stays what it is
                table = table.set_column(i, field.name, table.column(i).cast(pa.int64()))
        elif pa.types.is_interval(field.type):
            table = table.set_column(i, field.name, _durations(table.column(i)))
    return table


def _durations(column: pa.ChunkedArray) -> pa.Array:
    """Intervals as durations; as text where months occur, whose length nobody knows."""
    import pyarrow as pa

    values = column.to_pylist()
    if any(v is not None and v.months for v in values):
        return pa.array([v and f"{v.months} months {v.days} days {v.nanoseconds / 1e9:g} s" for v in values])
    spans = [v and timedelta(days=v.days, microseconds=v.nanoseconds // 1000) for v in values]
    return pa.array(spans, pa.duration("us"))


def guard(con: duckdb.DuckDBPyConnection) -> None:
    """Shut the doors before SQL of a user runs: no files, no settings, bounded memory and threads, no spilling."""
    asked = "SELECT current_setting('lock_configuration'), current_setting('memory_limit'), current_setting('threads')"
    locked, memory, threads = con.execute(asked).fetchall()[0]
    if locked:
        return
    con.execute(f"SET memory_limit = '{min(_bytes(memory), MEMORY_LIMIT)} bytes'")
    con.execute(f"SET threads = {min(threads, THREADS)}")
    con.execute("SET temp_directory = ''")  # else a large sort leaves files in the current directory
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def _bytes(text: str) -> int:
    """``95.3 MiB`` as bytes, as DuckDB shows its limit."""
    number, unit = text.split()
    return int(float(number) * _BYTES[unit])


def _check_pick(con: duckdb.DuckDBPyConnection, pick: str) -> None:
    """A name without a pattern that nothing bears is a mistake; one that has nothing to show is none."""
    if set(pick) & set("*?["):
        return
    rows = con.execute("SELECT r.run_id, r.experiment FROM runs r").fetchall()
    known = {name for row in rows for name in row if name is not None}
    if pick not in known:
        raise NotFound.among("experiment or run", pick, known)


def _call(question: Question, values: Mapping[str, Any]) -> str:
    """The call of a macro; values are written as literals, since binding them imports pandas (0.4 s)."""
    arguments = ", ".join(f"{k} := {_literal(v)}" for k, v in values.items())
    return f"FROM {question.name}({arguments})"


def _literal(value: str | float | bool | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"'{value}'::DOUBLE" if isinstance(value, float) else str(value)


def _typed(question: Question, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Parameters of a question as values of their types.

    Raises:
        NotFound: the question has no such parameter.
        QueryError: a text is none of the type.
    """
    wanted = {p.name: p for p in question.parameters}
    for given in parameters:
        if given not in wanted:
            raise NotFound.among(f"parameter of {question.name}", given, wanted)
    return {k: wanted[k].typed(v) for k, v in parameters.items()}


def _check_statement(sql: str, parameters: Mapping[str, str]) -> None:
    """One statement that only reads.

    Raises:
        QueryError: otherwise.
    """
    if parameters:
        raise QueryError(f"SQL takes no parameters; write the value into the statement ({', '.join(parameters)})")
    kinds = _kinds(sql)
    if len(kinds) != 1:
        raise QueryError(f"one statement at a time; there are {len(kinds)}")
    first = _FIRST_WORD.match(sql)
    word = first[1].lower() if first else ""
    if word not in _FIRST_WORDS or kinds[0] not in ("SELECT", "MULTI", "EXPLAIN"):
        beginnings = "SELECT, FROM, WITH, DESCRIBE, SHOW or SUMMARIZE"
        raise QueryError(f"the store is read only here: a query begins with {beginnings}")
    if kinds[0] == "EXPLAIN":
        _check_statement(_EXPLAIN.sub("", sql, count=1), {})


def _kinds(sql: str) -> list[str]:
    """DuckDB's names for the kinds of the statements; what it puts before a PIVOT itself has no text."""
    import duckdb

    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as why:
        raise QueryError(_explain(str(why))) from why
    return [s.type.name for s in statements if s.query or s.type.name != "CREATE"]


def _explain(message: str) -> str:
    """DuckDB's message; where a named query was meant, say so."""
    match = _MISSING.search(message)
    known = {q.name: q for q in list_queries()}
    meant = difflib.get_close_matches(match[1].strip('"'), list(known), 1) if match else []
    if not meant:
        return message
    if known[meant[0]].answer:
        return f"{message}\n{meant[0]} is more than SQL: ask it by its name alone, llmstats query {meant[0]}"
    return f"{message}\n{meant[0]} is a named query: write FROM {meant[0]}()"
