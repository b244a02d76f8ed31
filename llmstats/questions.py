"""What can be asked: named queries, each documented where it is written.

A named query is one SQL file in ``schemas/queries`` (a table macro in every store) or, where SQL cannot say it well,
one module of `llmstats.answers`.  A user's own are SQL files in a directory of theirs.  The leading comment of a file,
or the docstring of a module, is the documentation: the first line is its title, lines ``parameter: NAME TYPE = DEFAULT
-- text`` its parameters (``DEFAULT in 0..1`` or ``in 1..`` bounds a number), the rest its description.  Files and
modules that begin with an underscore are shared by the others and not listed.
"""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from llmstats.discovery import modules
from llmstats.errors import InputError, NotFound, QueryError

if TYPE_CHECKING:
    import duckdb

_NUMBER = r"-?\d+(?:\.\d+)?"
_PARAMETER = re.compile(
    r"parameter: (?P<name>\w+) (?P<type>\w+) = (?P<default>.+?)"
    rf"(?: in (?P<least>{_NUMBER})?\.\.(?P<most>{_NUMBER})?)? -- (?P<text>.+)$"
)
_MACRO = re.compile(
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP(?:ORARY)?\s+)?(?:MACRO|FUNCTION)\s+(?P<name>\w+)\s*(?=\()", re.I
)

#: Listings by the name of what they list; the macros cannot have it, since the tables do.
LISTINGS = {"runs": "run_list", "sources": "source_health", "drops": "throughput_drops"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a named query; ``default`` as SQL writes it, and a number's smallest and largest value."""

    name: str
    type: str
    default: str
    text: str
    least: str | None = None
    most: str | None = None

    @property
    def value(self) -> Any:
        """The default as a Python value."""
        return self.typed(self.default.strip("'"))

    def typed(self, text: str) -> Any:
        """A text as a value of this parameter's type.

        Raises:
            QueryError: the text is none of that type, or lies outside the range.
        """
        read, wanted = _READERS[self.type]
        if text == self.default == "NULL":
            return None
        try:
            return self._within(read(text))
        except ValueError:
            option = f"--{self.name.replace('_', '-')}"
            hint = f"{self.text}; default {self.default}"
            raise QueryError(f"{option} {text!r}: {wanted} is needed{self._range} ({hint})") from None

    def _within(self, value: Any) -> Any:
        if (self.least and value < float(self.least)) or (self.most and value > float(self.most)):
            raise ValueError(value)
        return value

    @property
    def _range(self) -> str:
        if self.least and self.most:
            return f", from {self.least} to {self.most}"
        ends = ((", at least ", self.least), (", at most ", self.most))
        return "".join(word + end for word, end in ends if end)


@dataclass(frozen=True, slots=True)
class Question:
    """What is known of a named query without a database.

    ``sql`` creates its macro; where it is empty, ``answer`` is called with a connection and all parameters, typed.
    """

    name: str
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    sql: str = ""
    answer: Callable[..., Any] | None = None


# --------------------------------------------------------------------------- reading parameters


def _number(text: str) -> float:
    value = float(text)
    if math.isnan(value):
        raise ValueError(text)
    return value


def _whole(text: str) -> int:
    value = int(text)
    if abs(value) >= 2**63:
        raise ValueError(text)
    return value


def _truth(text: str) -> bool:
    words = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


#: What reads a parameter of a type, and what to ask for where it cannot.
_READERS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "DOUBLE": (_number, "a number"),
    "BIGINT": (_whole, "a whole number"),
    "BOOLEAN": (_truth, "true or false"),
    "VARCHAR": (str, "a text"),
}


# --------------------------------------------------------------------------- the catalogue


def _described(name: str, lines: Iterable[str], **how: Any) -> Question:
    lines = list(lines)
    parameters = tuple(Parameter(**m.groupdict()) for line in lines if (m := _PARAMETER.match(line)))
    prose = [line for line in lines if not line.startswith("parameter: ")]
    return Question(name, prose[0] if prose else "", "\n".join(prose[1:]).strip(), parameters, **how)


def _header(sql: str) -> list[str]:
    """Lines of the comment that a file begins with."""
    header = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        header.append(line.removeprefix("--").removeprefix(" "))
    return header


def _files() -> list[tuple[str, str]]:
    folder = resources.files("llmstats.schemas").joinpath("queries")
    files = [(f.name.removesuffix(".sql"), f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".sql")]
    return sorted(files)


@cache
def macros() -> tuple[Question, ...]:
    """The named queries that are SQL, by name."""
    return tuple(_described(name, _header(sql), sql=sql) for name, sql in _files() if not name.startswith("_"))


@cache
def list_queries() -> tuple[Question, ...]:
    """All named queries that llmstats brings, by name."""
    answers = [
        _described(name, (inspect.getdoc(module) or "").splitlines(), answer=module.answer)
        for name, module in modules("llmstats.answers").items()
    ]
    return tuple(sorted([*macros(), *answers], key=lambda q: q.name))


def install(con: duckdb.DuckDBPyConnection) -> None:
    """Create all macros; those that others need first, since a macro's body is bound when it is created."""
    _create(con, dict(_files()))


def _create(con: duckdb.DuckDBPyConnection, left: dict[str, str]) -> None:
    while left:
        made = [name for name, sql in left.items() if not any(_uses(sql, other) for other in left if other != name)]
        if not made:
            raise QueryError(f"named queries need each other in a circle: {', '.join(left)}")
        for name in made:
            con.execute(left.pop(name))


def _uses(sql: str, other: str) -> bool:
    return re.search(rf"^(?!\s*--).*\b{re.escape(other)}\s*\(", sql, re.M) is not None


# --------------------------------------------------------------------------- a user's own


def own(folder: str | None) -> tuple[Question, ...]:
    """The queries of a user: the files ``*.sql`` of a directory, by name; none where no directory is given.

    A file holds one ``CREATE MACRO name(…) AS TABLE …``, or one question (``SELECT`` …) that becomes a query of the
    file's name without parameters.

    Raises:
        InputError: no such directory, a file that is neither, or a name that is taken.
    """
    if not folder:
        return ()
    try:
        names = sorted(n for n in os.listdir(folder) if n.endswith(".sql"))
        texts = {n: _text(os.path.join(folder, n)) for n in names}
    except OSError as why:
        raise InputError(f"cannot read queries from {folder}: {why.strerror}") from why
    found = [_own(os.path.join(folder, n), n.removesuffix(".sql"), text) for n, text in texts.items()]
    taken = {q.name for q in list_queries()} | {name for name, _ in _files()} | set(LISTINGS)
    for question in found:
        if question.name in taken:
            raise InputError(f"{folder}: a query named {question.name!r} is there already; rename it")
        taken.add(question.name)
    return tuple(found)


def needed(question: str, folder: str | None) -> tuple[Question, ...]:
    """A user's own queries as far as a question may call them: those of llmstats answer whatever is wrong with these.

    Raises:
        InputError: see `own`.
    """
    name = question.strip()
    ours = any(q.name == LISTINGS.get(name, name) for q in list_queries())
    return () if ours else own(folder)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except UnicodeDecodeError as why:
        raise InputError(f"{path} is no UTF-8 text") from why


def _own(path: str, name: str, text: str) -> Question:
    """One file as a question whose macro is temporary: the store stays as it is.

    Raises:
        InputError: it holds something else than one macro or one question.
    """
    import duckdb

    try:
        statements = [s for s in duckdb.extract_statements(text) if s.query]
    except duckdb.Error as why:
        raise InputError(f"{path}: {why}") from why
    if len(statements) != 1:
        raise InputError(f"{path}: one statement is needed; there are {len(statements)}")
    code = _without_header(text).strip().rstrip(";")
    kind, macro = statements[0].type.name, _MACRO.match(code)
    if kind == "CREATE" and macro:
        name, sql = macro["name"], f"CREATE OR REPLACE TEMP MACRO {macro['name']}{code[macro.end() :]}"
    elif kind == "SELECT":
        sql = f"CREATE OR REPLACE TEMP MACRO {_identifier(path, name)}() AS TABLE {code}"
    else:
        raise InputError(f"{path}: write CREATE MACRO {name}(…) AS TABLE SELECT …, or SELECT …")
    header = _header(text)
    return _described(name, header or [f"({os.path.basename(path)})"], sql=sql)


def _identifier(path: str, name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise InputError(f"{path}: a query is called like its file, in letters, digits and underscores")
    return name


def _without_header(text: str) -> str:
    return re.sub(r"\A(?:\s*--[^\n]*(?:\n|\Z))+", "", text)


def install_own(con: duckdb.DuckDBPyConnection, mine: Iterable[Question]) -> None:
    """Create a user's macros for this connection alone.

    Raises:
        QueryError: DuckDB refuses one.
    """
    import duckdb

    try:
        _create(con, {q.name: q.sql for q in mine})
    except duckdb.Error as why:
        raise QueryError(f"one of your own queries: {why}") from why


# --------------------------------------------------------------------------- finding one


def find(name: str, mine: Iterable[Question] = ()) -> Question:
    """A named query.

    Raises:
        NotFound: there is none of that name.
    """
    known = {q.name: q for q in (*list_queries(), *mine)}
    name = LISTINGS.get(name, name)
    if name not in known:
        raise NotFound.among("query", name, [*known, *LISTINGS])
    return known[name]
