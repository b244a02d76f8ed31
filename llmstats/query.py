"""Questions: named queries (table macros in ``schemas/queries``) and read-only SQL.

A named query is one SQL file whose leading comment is its documentation: the first line is its title, lines
``parameter: NAME TYPE = DEFAULT -- text`` its parameters, the rest its description.  Files that begin with an
underscore hold macros that the queries share.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from llmstats.errors import NotFound, QueryError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

#: What SQL from a user may take.
MEMORY_LIMIT = "8GB"
_PARAMETER = re.compile(r"parameter: (?P<name>\w+) (?P<type>\w+) = (?P<default>.+?) -- (?P<text>.+)$")
_STATEMENTS = ("select", "from", "with", "describe", "desc", "show", "summarize", "pivot", "unpivot", "values", "explain")
_MISSING = re.compile(r"(?:Table|View|Macro) Function? ?with name (\S+?)!? does not exist|Table with name (\S+?) does not exist", re.I)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a named query; ``default`` as SQL writes it."""

    name: str
    type: str
    default: str
    text: str


@dataclass(frozen=True, slots=True)
class QueryInfo:
    """What is known of a named query without a database."""

    name: str
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    sql: str


@dataclass(slots=True)
class Answer:
    """A materialised result: column names and rows of Python values."""

    columns: list[str]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    types: list[str] = field(default_factory=list)  #: DuckDB's names of the types, where a database answered
    _table: Any = None

    def arrow(self) -> pa.Table:
        """As a pyarrow table."""
        import pyarrow as pa

        if self._table is not None:
            return self._table
        names = [n if self.columns.index(n) == i else f"{n}_{i}" for i, n in enumerate(self.columns)]
        return pa.table({n: [row[i] for row in self.rows] for i, n in enumerate(names)})

    def pl(self) -> pl.DataFrame:
        """As a polars frame."""
        import polars as pl

        frame = pl.from_arrow(self.arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def df(self) -> pd.DataFrame:
        """As a pandas frame."""
        return self.arrow().to_pandas()


# --------------------------------------------------------------------------- the catalogue of queries


def _files() -> list[tuple[str, str]]:
    folder = resources.files("llmstats.schemas").joinpath("queries")
    files = [(f.name.removesuffix(".sql"), f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".sql")]
    return sorted(files)


def _info(name: str, sql: str) -> QueryInfo:
    header = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        header.append(line.removeprefix("--").removeprefix(" "))
    parameters = tuple(Parameter(**m.groupdict()) for line in header if (m := _PARAMETER.match(line)))
    prose = [line for line in header if not line.startswith("parameter: ")]
    return QueryInfo(name, prose[0] if prose else "", "\n".join(prose[1:]).strip(), parameters, sql)


@cache
def list_queries() -> tuple[QueryInfo, ...]:
    """All named queries, by name."""
    return tuple(_info(name, sql) for name, sql in _files() if not name.startswith("_"))


def install(con: duckdb.DuckDBPyConnection) -> None:
    """Create all macros; those that others need first (a macro's body is bound when it is called)."""
    left = dict(_files())
    while left:
        made = [name for name, sql in left.items() if not any(_uses(sql, other) for other in left if other != name)]
        if not made:
            raise QueryError(f"named queries need each other in a circle: {', '.join(left)}")
        for name in made:
            con.execute(left.pop(name))


def _uses(sql: str, other: str) -> bool:
    return re.search(rf"\b{re.escape(other)}\s*\(", sql) is not None


# --------------------------------------------------------------------------- answering


def run(con: duckdb.DuckDBPyConnection, question: str, parameters: Mapping[str, str] | None = None) -> Answer:
    """Answer a named query or one statement of read-only SQL.

    Raises:
        NotFound: no such query or parameter.
        QueryError: a parameter of the wrong type, or SQL that DuckDB refuses.
    """
    import duckdb

    parameters = parameters or {}
    sql, values = (question, []) if re.search(r"\s", question.strip()) else _call(question.strip(), parameters)
    if sql is question:
        _check_statement(question, parameters)
        guard(con)
    try:
        relation = con.execute(sql, values)
        columns = [d[0] for d in relation.description or []]
        types = [str(d[1]) for d in relation.description or []]
        table = relation.to_arrow_table() if hasattr(relation, "to_arrow_table") else relation.fetch_arrow_table()
    except duckdb.Error as why:
        raise QueryError(_explain(str(why))) from why
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True)) if table.num_columns else []
    return Answer(columns, rows, types, table)


def guard(con: duckdb.DuckDBPyConnection) -> None:
    """Shut the doors before SQL of a user runs: no files, no settings, bounded memory."""
    con.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def _call(name: str, parameters: Mapping[str, str]) -> tuple[str, list[Any]]:
    known = {q.name: q for q in list_queries()}
    if name not in known:
        raise NotFound.among("query", name, known)
    wanted = {p.name: p for p in known[name].parameters}
    for given in parameters:
        if given not in wanted:
            raise NotFound.among(f"parameter of {name}", given, wanted)
    values = [_typed(wanted[k], v) for k, v in parameters.items()]
    arguments = ", ".join(f"{k} := ?" for k in parameters)
    return f"FROM {name}({arguments})", values


def _typed(parameter: Parameter, text: str) -> Any:
    """A parameter's text as a value of its type."""
    kind = parameter.type.upper()
    try:
        if kind in ("DOUBLE", "FLOAT", "DECIMAL"):
            value = float(text)
            if math.isnan(value):
                raise ValueError
            return value
        if kind in ("BIGINT", "INTEGER", "INT", "UBIGINT"):
            return int(text)
        if kind in ("BOOLEAN", "BOOL"):
            return {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}[text.lower()]
    except (ValueError, KeyError):
        what = {"D": "a number", "F": "a number", "B": "a whole number", "I": "a whole number", "U": "a whole number"}
        wanted = "true or false" if kind.startswith("BOO") else what[kind[0]]
        raise QueryError(
            f"--{parameter.name.replace('_', '-')} {text!r}: {wanted} is needed ({parameter.text}; default {parameter.default})"
        ) from None
    return text


def _check_statement(sql: str, parameters: Mapping[str, str]) -> None:
    import duckdb

    if parameters:
        raise QueryError(f"SQL takes no parameters; write the value into the statement ({', '.join(parameters)})")
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as why:
        raise QueryError(_explain(str(why))) from why
    if len(statements) != 1:
        raise QueryError(f"one statement at a time; there are {len(statements)}")
    first = re.match(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(\w+)", sql, re.S)
    if not first or first[1].lower() not in _STATEMENTS:
        raise QueryError("the store is read only here: a query begins with SELECT, FROM, WITH, DESCRIBE, SHOW or SUMMARIZE")


def _explain(message: str) -> str:
    """DuckDB's message; where a named query was meant, say so."""
    match = _MISSING.search(message)
    if match:
        name = next(g for g in match.groups() if g)
        near = {q.name for q in list_queries()}
        if name in near:
            return f"{message}\n{name} is a named query: write FROM {name}()"
    return message
