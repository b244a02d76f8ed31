"""The shape of a store: creating a file, migrating an older one, loading catalogues and named queries into it.

Migrations are the files of ``schemas/migrations`` in the order of their names, an append-only list.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from llmstats import catalog
from llmstats.errors import StoreError
from llmstats.store_read import attach
from llmstats.store_rows import ask

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@cache
def migrations() -> tuple[tuple[str, str], ...]:
    """All migrations as (name, SQL), oldest first."""
    folder = files("llmstats.schemas").joinpath("migrations")
    found = sorted((f.name, f) for f in folder.iterdir() if f.name.endswith(".sql"))
    return tuple((name.removesuffix(".sql"), file.read_text(encoding="utf-8")) for name, file in found)


@cache
def queries_fingerprint() -> str:
    """Changes whenever the text of a named query changes."""
    folder = files("llmstats.schemas").joinpath("queries")
    texts = sorted((f.name, f.read_text(encoding="utf-8")) for f in folder.iterdir() if f.name.endswith(".sql"))
    return hashlib.sha256(repr(texts).encode()).hexdigest()[:16]


def utc_now() -> datetime:
    """The present as the store keeps it: UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def create(path: str) -> None:
    """Make a new store; it appears at ``path`` complete or not at all.  Another process may be faster.

    Raises:
        StoreError: the directory is missing or not writable.
    """
    directory, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(directory):
        raise StoreError(f"cannot create {path}: there is no directory {directory}")
    if not os.access(directory, os.W_OK):
        raise StoreError(f"cannot create {path}: {directory} is not writable")
    draft = os.path.join(directory, f".{name}.{os.getpid()}.new")
    with suppress(FileNotFoundError):
        os.unlink(draft)  # left by a process of the same number that was killed
    try:
        with closing(attach(draft, new=True)) as con:
            bring_up(con, path)
        _publish(draft, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)


def _publish(draft: str, path: str) -> None:
    """Give the draft its name, unless a store stands there by now; an empty file (``touch``, mktemp) is none."""
    if os.path.exists(path) and os.path.getsize(path) == 0:
        os.unlink(path)
    try:
        os.link(draft, path)
    except FileExistsError:
        return


def check(con: DuckDBPyConnection, path: str) -> list[str]:
    """Names of the migrations that were applied.

    Raises:
        StoreError: the database is no llmstats store, or one of a newer version.
    """
    tables = {row[0] for row in con.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall()}
    if not {"migrations", "meta"} <= tables:
        raise StoreError(f"{path} is a DuckDB database but no llmstats store; choose another file with --db")
    applied = [row[0] for row in con.execute("SELECT name FROM migrations ORDER BY name").fetchall()]
    newer = set(applied) - {name for name, _ in migrations()}
    if newer:
        raise StoreError(f"{path} was written by a newer llmstats ({max(newer)}); upgrade llmstats to open it")
    return applied


def is_current(con: DuckDBPyConnection, path: str) -> bool:
    """Whether nothing is left to do for `bring_up`.

    Raises:
        StoreError: as `check`.
    """
    applied = check(con, path)
    return len(applied) == len(migrations()) and _meta(con) == _wanted()


def _wanted() -> dict[str, str]:
    return {"catalogue": catalog.fingerprint(), "queries": queries_fingerprint()}


def _meta(con: DuckDBPyConnection) -> dict[str, str]:
    return dict(con.execute("SELECT key, value FROM meta WHERE key IN ('catalogue', 'queries')").fetchall())


def bring_up(con: DuckDBPyConnection, path: str) -> None:
    """Apply what is missing, in one transaction; an empty database becomes a store.

    Raises:
        StoreError: as `check`.
    """
    con.begin()
    empty = not con.execute("SELECT 1 FROM duckdb_tables() WHERE NOT internal LIMIT 1").fetchall()
    if empty:
        con.execute("CREATE TABLE migrations (name VARCHAR, applied_at TIMESTAMP)")  # UTC
    applied = [] if empty else check(con, path)
    for name, sql in migrations():
        if name not in applied:
            con.execute(sql)
            ask(con, "INSERT INTO migrations VALUES (?, ?::TIMESTAMP)", name, utc_now())
    _load(con)
    con.commit()


def _load(con: DuckDBPyConnection) -> None:
    """Catalogues and named queries, where their text changed."""
    have, want = _meta(con), _wanted()
    if have.get("catalogue") != want["catalogue"]:
        _load_catalogues(con)
    if have.get("queries") != want["queries"]:
        _install_queries(con)
    con.execute("DELETE FROM meta WHERE key IN ('catalogue', 'queries')")
    for key, value in want.items():
        ask(con, "INSERT INTO meta VALUES (?, ?)", key, value)


def _load_catalogues(con: DuckDBPyConnection) -> None:
    con.execute("DELETE FROM metrics")
    columns = [list(column) for column in zip(*catalog.metrics().values(), strict=True)]
    ask(con, "INSERT INTO metrics SELECT unnest(?), unnest(?), unnest(?), unnest(?), unnest(?)", *columns)
    con.execute("DELETE FROM definitions")
    columns = [list(column) for column in zip(*catalog.definitions().values(), strict=True)]
    ask(con, "INSERT INTO definitions SELECT unnest(?), unnest(?), unnest(?)", *columns)
    _fill(con, "devices", catalog.devices())
    _fill(con, "models", catalog.models())


def _fill(con: DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, str | None]]) -> None:
    """Replace all rows of a catalogue; texts become what the columns hold."""
    names = ", ".join(rows[0])
    columns = [[row[name] for row in rows] for name in rows[0]]
    con.execute(f"DELETE FROM {table}")
    ask(con, f"INSERT INTO {table} ({names}) SELECT {', '.join(['unnest(?)'] * len(columns))}", *columns)


def _install_queries(con: DuckDBPyConnection) -> None:
    from llmstats import questions

    questions.install(con)
