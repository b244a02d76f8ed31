"""What the commands share: where the store is, how parameters are written, and how an answer is put out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

import llmstats
from llmstats.errors import InputError

if TYPE_CHECKING:
    from llmstats.database import Database
    from llmstats.query import Answer
    from llmstats.questions import Question

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_DB = "llmstats.duckdb"
FORMATS = ("table", "json", "csv", "markdown", "latex", "parquet")


def plain(text: str) -> str:
    """Text that cannot steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def db_option(command: F) -> F:
    return click.option(
        "--db",
        envvar="LLMSTATS_DB",
        default=DEFAULT_DB,
        show_default=True,
        type=click.Path(dir_okay=False),
        help="The DuckDB file (or the environment variable LLMSTATS_DB).",
    )(command)


def output_options(command: F) -> F:
    """What every listing speaks: ``--columns``, ``--format`` and ``-o``."""
    command = click.option(
        "--columns",
        metavar="A,B,…",
        expose_value=False,
        callback=lambda ctx, _, value: ctx.meta.__setitem__(_COLUMNS, value),
        help="Show these columns only, in this order.",
    )(command)
    command = click.option(
        "-o", "--output", type=click.Path(dir_okay=False), help="Write to a file instead of standard output."
    )(command)
    return click.option(
        "--format", "form", type=click.Choice(FORMATS), help="Default: table, or by the file's suffix."
    )(command)


def open_store(db: str, queries: str | None = None) -> Database:
    return llmstats.open(db, queries=queries)


_SUFFIXES = {".json": "json", ".csv": "csv", ".md": "markdown", ".tex": "latex", ".parquet": "parquet"}
_COLUMNS = "llmstats.columns"


def emit(answer: Answer, form: str | None, output: str | None) -> None:
    """Put an answer out, with the columns that the command line asked for."""
    from llmstats.render import render

    if columns := click.get_current_context().meta.get(_COLUMNS):
        answer = answer.select([name.strip() for name in columns.split(",")])
    if form is None:
        form = _SUFFIXES.get(os.path.splitext(output)[1].lower(), "table") if output else "table"
    with target(form, output) as file:
        render(answer, form, file)


@contextmanager
def target(form: str, output: str | None) -> Iterator[Any]:
    """The file to write to, or standard output; binary for ``parquet``."""
    binary = form == "parquet"
    if output is None:
        if binary and sys.stdout.isatty():
            raise InputError("parquet is binary: give a file with -o FILE")
        yield sys.stdout.buffer if binary else sys.stdout
        return
    try:
        with open(output, "wb" if binary else "w", **({} if binary else {"encoding": "utf-8", "newline": ""})) as file:  # type: ignore[call-overload]
            yield file
    except OSError as why:
        raise InputError(f"cannot write {output}: {why.strerror}") from why


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"{option} {text!r}: write it as KEY=VALUE")
        pairs[key.strip()] = value.strip()
    return pairs


def parameters_of(words: Sequence[str], own: Sequence[Question] = ()) -> dict[str, str]:
    """``--threshold 0.01 --min-steps=500 --strict`` as a mapping; what is true or false may stand alone, for true.

    Args:
        own: a user's own queries, which have such parameters too.
    """
    found: dict[str, str] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("--"):
            raise InputError(f"unexpected argument {word!r}: parameters are written --NAME VALUE")
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        if not equals:
            value = "true" if _stands_alone(name, left, own) else left.pop(0) if left else ""
            if not value:
                raise InputError(f"{word} needs a value")
        found[name] = value
    return found


def _stands_alone(name: str, left: Sequence[str], own: Sequence[Question]) -> bool:
    """Whether a word is a parameter that is true or false, without a value behind it."""
    from llmstats.questions import list_queries

    if left and not left[0].startswith("--"):
        return False
    return any(p.name == name and p.type == "BOOLEAN" for q in (*list_queries(), *own) for p in q.parameters)
