"""Facts that hold for all runs below a directory, said by a file that is no run itself (a system description)."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from llmstats.records import Run
from llmstats.store_rows import ask, clean, insert, keys_table
from llmstats.store_runs import facts_of, stored_run
from llmstats.store_sources import moved_root

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from llmstats.store_sources import Source

#: Whether the run ``r`` lives at or below the cover ``c``.
_BELOW = "(r.root = c.root OR starts_with(r.root, c.root || '/') OR starts_with(r.root, c.root || '!/'))"


def covered(con: DuckDBPyConnection, source_keys: Iterable[int]) -> set[int]:
    """Runs that these sources say something of without being about them."""
    keys_table(con, "asked", source_keys)
    rows = con.execute(
        f"SELECT DISTINCT r.run_key FROM cover_rows c JOIN run_rows r ON {_BELOW} "
        "WHERE c.source_key IN (SELECT key FROM asked)"
    )
    return {row[0] for row in rows.fetchall()}


def write(con: DuckDBPyConnection, sources: Sequence[Source]) -> None:
    """Store what the sources say of runs below a directory; what a moved file says moves along."""
    for source in sources:
        if source.moved_from:
            _move(con, source)
    said = [
        [source.key, clean(item.root), facts_of(item)]
        for source in sources
        for item in source.items
        if isinstance(item, Run) and item.covers
    ]
    insert(con, "cover_rows", ("source_key", "root", "facts"), said)


def _move(con: DuckDBPyConnection, source: Source) -> None:
    for (root,) in ask(con, "SELECT DISTINCT root FROM cover_rows WHERE source_key = ?", source.key).fetchall():
        shared = os.path.commonpath([root, source.moved_from or root])
        new = moved_root(shared, source.moved_from or root, source.path) + root.removeprefix(shared)
        ask(con, "UPDATE cover_rows SET root = ? WHERE source_key = ? AND root = ?", new, source.key, root)


def covering(con: DuckDBPyConnection) -> dict[int, list[Run]]:
    """By run in ``touched``: what covers it, the nearest first; of one root, what lies there before what does not."""
    rows = con.execute(
        f"SELECT r.run_key, c.facts, c.root FROM cover_rows c JOIN (SELECT DISTINCT run_key, root FROM run_facts "
        f"WHERE run_key IN (SELECT key FROM touched)) r ON {_BELOW} "
        "JOIN source_rows s ON s.source_key = c.source_key "
        "ORDER BY length(c.root) DESC, NOT starts_with(s.path, c.root || '/'), s.path"
    ).fetchall()
    found: dict[int, list[Run]] = defaultdict(list)
    for run_key, facts, root in rows:
        found[run_key].append(stored_run(facts, root))
    return found
