"""Sources in a commit: which deltas hold, which rows of ``source_rows`` they change, and what is dropped first."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmstats.errors import StoreError
from llmstats.store_rows import ask, clean, insert, keys_table, next_key, to_json
from llmstats.store_schema import utc_now
from llmstats.store_types import (
    APPEND,
    JSON_COLUMNS,
    MOVE,
    REPLACE,
    SOURCE_COLUMNS,
    TOUCH,
    Conflict,
    Container,
    Delta,
    Outcome,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from llmstats.store_types import StoreItem

_COLUMNS = ("source_key", "path", "ingested_at", *SOURCE_COLUMNS)
#: Columns that decide what the runs of a source look like.
_RUN_COLUMNS = ("labels", "format")
#: Tables that hold what was read from a source.
_OWNED = ("series_rows", "blocks", "measurement_rows", "request_rows", "event_rows", "issue_rows", "run_facts",
          "cover_rows")  # fmt: skip


@dataclass(slots=True)
class Source:
    """One source as the commit will leave it."""

    key: int
    row: dict[str, Any]  #: columns of ``source_rows``; JSON columns as text
    known: bool  #: it was there before this commit
    items: list[StoreItem] = field(default_factory=list)
    replaced: bool = False  #: what was stored of it goes
    derive: bool = False  #: its runs have to be derived again
    moved_from: str | None = None

    @property
    def path(self) -> str:
        return str(self.row["path"])

    @property
    def mark(self) -> tuple[int, str]:
        """What `Delta.expected` must agree with."""
        return (self.row.get("bytes_read") or 0, self.row.get("content_hash") or "")


class Sources:
    """The sources that one commit touches, by path."""

    def __init__(self, con: DuckDBPyConnection, deltas: Sequence[Delta]) -> None:
        self._con = con
        self._next = next_key(con, "source_rows", "source_key")
        self._by_path = self._load({p for d in deltas for p in (d.path, d.from_path) if p})
        self.taken: dict[int, Source] = {}

    def _load(self, paths: set[str]) -> dict[str, Source]:
        columns = ", ".join(_COLUMNS)
        query = f"SELECT {columns} FROM source_rows WHERE path IN (SELECT unnest(?::VARCHAR[]))"
        found = ask(self._con, query, sorted(clean(p) for p in paths)).fetchall()
        rows = (dict(zip(_COLUMNS, row, strict=True)) for row in found)
        return {row["path"]: Source(row["source_key"], row, known=True) for row in rows}

    def take(self, delta: Delta, outcome: Outcome) -> None:
        """Take one delta, or refuse it because the store is not as it was computed against."""
        path = clean(delta.path)
        reason = self._refusal(delta, path)
        if reason:
            outcome.conflicts.append(Conflict(delta.path, reason))
            return
        source = self._moved(delta, path) if delta.mode == MOVE else self._by_path.get(path) or self._new(path)
        if delta.mode == REPLACE:
            source.replaced, source.items = source.known, []
            source.row |= dict.fromkeys(SOURCE_COLUMNS)
        self._set(source, delta)
        source.items += delta.items
        self.taken[source.key] = source
        outcome.source_keys[delta.path] = source.key

    def _refusal(self, delta: Delta, path: str) -> str | None:
        if delta.mode == MOVE:
            return self._move_refusal(delta, path)
        if delta.mode not in (REPLACE, APPEND, TOUCH):
            raise StoreError(f"{delta.path}: no such mode: {delta.mode!r}")
        present = self._by_path.get(path)
        if present is None:
            return None if delta.expected is None else "the source was removed from the store meanwhile"
        if delta.expected is None:
            return "another ingest stored this source meanwhile"
        return None if delta.expected == present.mark else "another ingest read this source meanwhile"

    def _move_refusal(self, delta: Delta, path: str) -> str | None:
        origin = self._by_path.get(clean(delta.from_path or ""))
        if origin is None:
            return f"{delta.from_path} is not in the store any more"
        if delta.expected is not None and delta.expected != origin.mark:
            return "another ingest read this source meanwhile"
        return f"{delta.path} is in the store already" if path in self._by_path else None

    def _new(self, path: str) -> Source:
        source = Source(self._next, {"source_key": self._next, "path": path}, known=False, derive=True)
        self._by_path[path] = source
        self._next += 1
        return source

    def _moved(self, delta: Delta, path: str) -> Source:
        old = clean(delta.from_path or "")
        source = self._by_path.pop(old)
        self._by_path[path] = source
        source.row["path"], source.moved_from, source.derive = path, source.moved_from or old, True
        return source

    def _set(self, source: Source, delta: Delta) -> None:
        unknown = set(delta.columns) - set(SOURCE_COLUMNS)
        if unknown:
            raise StoreError(f"{delta.path}: no such column of a source: {', '.join(sorted(unknown))}")
        new = dict(delta.columns)
        for name in JSON_COLUMNS:
            if new.get(name) is not None:
                new[name] = to_json(new[name], sort_keys=name == "labels")
        if isinstance(new.get("duplicate_of"), str):
            new["duplicate_of"] = clean(new["duplicate_of"])
        changed = any(name in new and new[name] != source.row.get(name) for name in _RUN_COLUMNS)
        source.derive = source.derive or changed or bool(delta.items) or delta.mode == REPLACE
        source.row |= new
        if delta.mode in (REPLACE, APPEND):
            source.row["ingested_at"] = utc_now()

    def write(self) -> None:
        """Store the rows of all sources taken."""
        old = [s.key for s in self.taken.values() if s.known]
        if old:
            keys_table(self._con, "old_sources", old)
            self._con.execute("DELETE FROM source_rows WHERE source_key IN (SELECT key FROM old_sources)")
        rows = [[_plain(c, s.row.get(c)) for c in _COLUMNS] for s in self.taken.values()]
        insert(self._con, "source_rows", _COLUMNS, rows)
        self._follow_moves()

    def _follow_moves(self) -> None:
        for source in self.taken.values():
            if source.moved_from:
                query = "UPDATE source_rows SET duplicate_of = ? WHERE duplicate_of = ?"
                ask(self._con, query, source.path, source.moved_from)


def _plain(column: str, value: Any) -> Any:
    """Inodes and device numbers may exceed 64 bits with a sign; they travel as text."""
    return str(value) if column in ("inode", "device") and value is not None else value


def note_moves(con: DuckDBPyConnection, sources: Iterable[Source]) -> None:
    """Remember the steps of moved sources: of two equally good files the first path shows its values."""
    keys_table(con, "moved", [s.key for s in sources if s.moved_from])
    con.execute(
        "INSERT INTO changed SELECT run_key, phase, min(min_step), max(max_step) FROM blocks "
        "WHERE source_key IN (SELECT key FROM moved) GROUP BY ALL"
    )


def drop_rows(con: DuckDBPyConnection, source_keys: Iterable[int]) -> None:
    """Remove everything that was read from these sources, and remember which steps that touches."""
    keys = sorted(source_keys)
    if not keys:
        return
    keys_table(con, "dropped", keys)
    con.execute(
        "INSERT INTO changed SELECT run_key, phase, min(min_step), max(max_step) FROM blocks "
        "WHERE source_key IN (SELECT key FROM dropped) GROUP BY ALL"
    )
    con.execute(
        "DELETE FROM block_values WHERE series_key IN "
        "(SELECT series_key FROM series_rows WHERE source_key IN (SELECT key FROM dropped))"
    )
    for table in _OWNED:
        con.execute(f"DELETE FROM {table} WHERE source_key IN (SELECT key FROM dropped)")


def drop_facts(con: DuckDBPyConnection, fact_keys: Iterable[int]) -> None:
    """Remove what these facts tell of a run, and remember which steps that touches; their sources stay."""
    keys_table(con, "dropped_facts", fact_keys)
    con.execute(
        "INSERT INTO changed SELECT run_key, phase, min(min_step), max(max_step) FROM blocks "
        "WHERE fact_key IN (SELECT key FROM dropped_facts) GROUP BY ALL"
    )
    con.execute(
        "DELETE FROM block_values WHERE series_key IN "
        "(SELECT series_key FROM series_rows WHERE fact_key IN (SELECT key FROM dropped_facts))"
    )
    for table in _OWNED:
        if table not in ("issue_rows", "cover_rows"):
            con.execute(f"DELETE FROM {table} WHERE fact_key IN (SELECT key FROM dropped_facts)")


def with_copies(con: DuckDBPyConnection, sources: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Sources and the copies that have no rows of their own because these have them: (key, path)."""
    keys_table(con, "asked", [key for key, _ in sources])
    return con.execute(
        "SELECT source_key, path FROM source_rows WHERE source_key IN (SELECT key FROM asked) OR duplicate_of IN "
        "(SELECT path FROM source_rows WHERE source_key IN (SELECT key FROM asked)) ORDER BY path"
    ).fetchall()


def drop_sources(con: DuckDBPyConnection, sources: Sequence[tuple[int, str]]) -> None:
    """Remove the sources themselves, and archives of which no member is left."""
    keys_table(con, "asked", [key for key, _ in sources])
    con.execute("DELETE FROM source_rows WHERE source_key IN (SELECT key FROM asked)")
    con.execute(
        "DELETE FROM containers WHERE path NOT IN (SELECT container FROM source_rows WHERE container IS NOT NULL)"
    )


def write_containers(con: DuckDBPyConnection, containers: Sequence[Container]) -> None:
    """Remember the stat of archives; an older row of the same path goes."""
    for found in containers:
        ask(con, "DELETE FROM containers WHERE path = ?", clean(found.path))
        ask(con, "INSERT INTO containers VALUES (?, ?, ?, ?, ?)", clean(found.path), *found[1:])


def up(path: str) -> str:
    """The directory above a path; an archive is the directory of its members."""
    head, _, _ = path.rpartition("/")
    return head.removesuffix("!") or "/"


def moved_root(root: str, old: str, new: str) -> str:
    """Where a run's root lies after its file went from ``old`` to ``new``: as many levels above it as before."""
    above, there = old, new
    while above not in (root, "/"):
        above, there = up(above), up(there)
    return there if above == root else root


def matching_paths(con: DuckDBPyConnection, path: str) -> list[tuple[int, str]]:
    """Sources at a path, below it as a directory, or inside it as an archive: (key, path)."""
    exact = clean(os.path.abspath(path)) if path != "-" else path
    return con.execute(
        "SELECT source_key, path FROM source_rows WHERE path = $p OR starts_with(path, rtrim($p, '/') || '/') "
        "OR starts_with(path, $p || '!/') ORDER BY path",
        {"p": exact},
    ).fetchall()
