"""Opening a store within a bounded patience, and the cheap look at what it knows.

DuckDB gives a file to one writer or to many readers, across processes.  So nobody here holds a connection longer than
one piece of work, and who finds the file taken tries again for a while before saying who holds it.

A connection is an in-memory database with the file attached as ``store``: settings of one connection (a guarded one
for a user's SQL) then never reach another one in the same process, and the size of row groups can be given.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from llmstats.errors import StoreBusy, StoreError
from llmstats.store_types import Container, Known

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Name under which the file is attached.
CATALOG = "store"
#: With DuckDB's own size the last row group is rewritten at every checkpoint, which makes long ingests quadratic.  The
#: file does not remember this, so every writer says it again.
ROW_GROUP_SIZE = 2048
#: Read and written by DuckDB 1.5 and 2.x; with it table macros may have typed parameters.
STORAGE_VERSION = "v1.4.0"

_TAKEN = re.compile(r"Could not set lock|Conflicting lock|Unique file handle conflict")
_HOLDER = re.compile(r"held in (?P<program>.*?) \(PID (?P<pid>\d+)\)")


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "''") + "'"


def attach(path: str, *, read_only: bool = False, new: bool = False) -> DuckDBPyConnection:
    """One try to open a store, or to make the file if it is ``new``; its tables need no prefix.

    Raises:
        duckdb.Error: taken, missing, or no DuckDB file.
    """
    import duckdb

    # A writer takes one thread: beside the workers that parse, DuckDB's own threads cost twice the work they share.
    threads = {} if read_only else {"threads": 1}
    con = duckdb.connect(":memory:", config={"python_enable_replacements": False, **threads})
    how = "READ_ONLY" if read_only else f"ROW_GROUP_SIZE {ROW_GROUP_SIZE}"
    if new:  # an existing file keeps its version: a later DuckDB refuses to lower one
        how += f", STORAGE_VERSION '{STORAGE_VERSION}'"
    try:
        con.execute(f"ATTACH {_quoted(os.path.abspath(path))} AS {CATALOG} (TYPE duckdb, {how})")
        con.execute(f"USE {CATALOG}")
    except duckdb.Error:
        con.close()
        raise
    return con


@contextmanager
def opened(path: str, *, read_only: bool, patience: float) -> Iterator[DuckDBPyConnection]:
    """A connection for one piece of work; closed (and checkpointed, if written) at the end.

    Raises:
        StoreBusy: the file was still taken after ``patience`` seconds.
        StoreError: there is no such file, or it is no DuckDB database.
    """
    with closing(_patiently(path, read_only, patience)) as con:
        yield con


def _patiently(path: str, read_only: bool, patience: float) -> DuckDBPyConnection:
    import duckdb

    began, pause = time.monotonic(), 0.02
    while True:
        if not os.path.exists(path):
            raise StoreError(f"no store at {path}; run: llmstats ingest PATH --db {path}")
        try:
            return attach(path, read_only=read_only)
        except duckdb.Error as why:
            if not _TAKEN.search(str(why)):
                raise StoreError(f"{path} cannot be opened as a store: {why}") from why
            if time.monotonic() - began + pause > patience:
                raise StoreBusy(_busy(path, str(why), patience)) from why
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def _busy(path: str, message: str, patience: float) -> str:
    match = _HOLDER.search(message)
    if match:
        holder = f"process {match['pid']} ({match['program']})"
    elif "Unique file handle" in message:
        holder = f"another connection in this process ({os.getpid()})"
    else:
        holder = "another process"
    return (
        f"{path} is held by {holder}; waited {patience:g} s. "
        "Close it there (a notebook, DBeaver, another ingest) or try again later"
    )


# --------------------------------------------------------------------------- what is known

_KNOWN = """
SELECT source_key, path, coalesce(size_bytes, 0), mtime_ns, inode, device, coalesce(bytes_read, 0), content_hash,
       status, format, parser_version, encoding, coalesce(lines_total, 0), duplicate_of, container, blocks, state,
       labels
FROM source_rows"""


def read_known(con: DuckDBPyConnection) -> dict[str, Known]:
    """All sources by path."""
    rows = map(Known._make, con.execute(_KNOWN).fetchall())
    return {known.path: known for known in rows}


def read_containers(con: DuckDBPyConnection) -> dict[str, Container]:
    """All archives by path."""
    rows = con.execute("SELECT path, size, mtime_ns, inode, device FROM containers").fetchall()
    return {row[0]: Container(*row) for row in rows}


def read_uncatalogued(con: DuckDBPyConnection) -> set[tuple[str, str]]:
    """(format, raw name) of all that is stored under a name outside the catalogue."""
    rows = con.execute(
        "SELECT DISTINCT s.format, coalesce(v.raw_name, v.metric) FROM ("
        "SELECT source_key, metric, raw_name FROM series_rows UNION ALL "
        "SELECT source_key, metric, nullif(raw_name, '') FROM measurement_rows) v "
        "JOIN source_rows s ON s.source_key = v.source_key "
        "WHERE v.metric NOT IN (SELECT m.name FROM metrics m)"
    )
    return set(rows.fetchall())
