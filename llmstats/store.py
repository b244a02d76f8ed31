"""The store: one DuckDB file, opened for one piece of work at a time.

A commit takes the deltas of many sources in one transaction: rows, the mark "read up to here", the runs that follow
from them and what one file says better than another.  A kill leaves all of it or nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from llmstats import store_read, store_schema
from llmstats.errors import NotFound
from llmstats.store_types import Container, Delta, Forgotten, Known, Outcome

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Store"]


class Store:
    """A llmstats database.

    Args:
        path: the file; it need not exist before `create_or_migrate`.
        patience: seconds to try again while another process holds the file.
    """

    def __init__(self, path: str, *, patience: float = 30.0) -> None:
        self.path = path
        self.patience = patience

    def create_or_migrate(self) -> None:
        """Make the file if there is none, and bring an older one up to date.

        Raises:
            StoreBusy: another process held the file for longer than ``patience``.
            StoreError: the file is no llmstats store, or one of a newer version, or cannot be created.
        """
        if not os.path.exists(self.path) or os.path.getsize(self.path) == 0:
            store_schema.create(self.path)
        with self._open(read_only=True) as con:
            if store_schema.is_current(con, self.path):
                return
        with self._open(read_only=False) as con:
            store_schema.bring_up(con, self.path)

    @contextmanager
    def reading(self) -> Iterator[DuckDBPyConnection]:
        """A read-only connection for one piece of work; materialise results before it closes.

        Raises:
            StoreBusy: another process held the file for longer than ``patience``.
            StoreError: there is no store, or it is none of ours.
        """
        with self._open(read_only=True) as con:
            if store_schema.is_current(con, self.path):
                yield con
                return
        self.create_or_migrate()
        with self._open(read_only=True) as con:
            yield con

    @contextmanager
    def _writing(self) -> Iterator[DuckDBPyConnection]:
        """A read-write connection inside a transaction, committed at the end."""
        with self._open(read_only=False) as con:
            store_schema.check(con, self.path)
            con.begin()
            yield con
            con.commit()

    def _open(self, *, read_only: bool) -> AbstractContextManager[DuckDBPyConnection]:
        return store_read.opened(self.path, read_only=read_only, patience=self.patience)

    # ---- what is known

    def known(self) -> dict[str, Known]:
        """What the store knows of all sources, by path."""
        with self.reading() as con:
            return store_read.read_known(con)

    def known_content(self) -> dict[str, list[Known]]:
        """The same by ``content_hash``; sources without one are left out."""
        found: dict[str, list[Known]] = {}
        for known in self.known().values():
            if known.content_hash:
                found.setdefault(known.content_hash, []).append(known)
        return found

    def containers(self) -> dict[str, Container]:
        """Archives by path, as they were when their members were read."""
        with self.reading() as con:
            return store_read.read_containers(con)

    def uncatalogued(self) -> set[tuple[str, str]]:
        """(format, raw name) of all that is stored under a name outside the catalogue."""
        with self.reading() as con:
            return store_read.read_uncatalogued(con)

    # ---- changes

    def commit(self, deltas: Sequence[Delta], containers: Sequence[Container] = ()) -> Outcome:
        """Store deltas in one transaction.

        A delta that was computed against another state of its source is refused and listed in the outcome's conflicts;
        the others are stored.

        Raises:
            StoreBusy: another process held the file for longer than ``patience``; nothing was stored.
        """
        from llmstats import store_write

        with self._writing() as con:
            return store_write.commit(con, deltas, containers)

    def forget(self, path_or_run: str) -> Forgotten:
        """Remove a source, all sources below a directory, or a run, with everything that was read from them.

        Copies (``duplicate_of``) of a removed source go too, so that the next ingest reads one of them.

        Raises:
            NotFound: neither a source nor a run is called so.
        """
        from llmstats import store_write

        with self._writing() as con:
            gone = store_write.forget(con, path_or_run)
            if not gone.sources and not gone.runs:
                runs = con.execute("SELECT run_id FROM run_rows").fetchall()
                raise NotFound.among("source or run", path_or_run, (row[0] for row in runs))
            return gone
