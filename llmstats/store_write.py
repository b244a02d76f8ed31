"""What happens inside one write transaction: a commit, and forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmstats import merge, store_covers
from llmstats.store_derive import derive
from llmstats.store_points import write_items
from llmstats.store_rows import keys_table
from llmstats.store_runs import reassign, resolve, runs_before
from llmstats.store_sources import (
    Sources,
    drop_facts,
    drop_rows,
    drop_sources,
    matching_paths,
    note_moves,
    with_copies,
    write_containers,
)
from llmstats.store_types import Container, Delta, Forgotten, Outcome

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def commit(con: DuckDBPyConnection, deltas: Sequence[Delta], containers: Sequence[Container]) -> Outcome:
    """Take the deltas that hold; see `Store.commit`."""
    outcome = Outcome()
    merge.begin(con)
    sources = Sources(con, deltas)
    for delta in deltas:
        sources.take(delta, outcome)
    taken = list(sources.taken.values())
    changing = [s for s in taken if s.derive]
    before = runs_before(con, [s.key for s in changing if s.known])
    uncovered = store_covers.covered(con, [s.key for s in changing if s.known])
    drop_rows(con, [s.key for s in changing if s.replaced])
    sources.write()
    write_containers(con, containers)
    store_covers.write(con, changing)
    runs = resolve(con, changing, before)
    note_moves(con, taken)
    write_items(con, changing, runs, outcome)
    covered = store_covers.covered(con, [s.key for s in changing])
    outcome.run_ids = derive(con, runs.touched | uncovered | covered)
    merge.merge(con)
    return outcome


def forget(con: DuckDBPyConnection, path_or_run: str) -> Forgotten:
    """Remove sources by path, or a run by its run_id; see `Store.forget`.  Empty if there is neither."""
    merge.begin(con)
    sources = matching_paths(con, path_or_run)
    touched: set[int] = set()
    if not sources:
        named = con.execute("SELECT run_key FROM run_rows WHERE run_id = ?", [path_or_run])
        touched = {row[0] for row in named.fetchall()}
        sources = [source for run_key in touched for source in _forget_facts(con, run_key)]
    sources = with_copies(con, sources)
    keys = [key for key, _ in sources]
    touched |= runs_before(con, keys) | store_covers.covered(con, keys)
    drop_rows(con, keys)
    drop_sources(con, sources)
    names = dict(con.execute("SELECT run_key, run_id FROM run_rows").fetchall())
    derive(con, reassign(con, touched))
    left = {row[0] for row in con.execute("SELECT run_key FROM run_rows").fetchall()}
    merge.merge(con)
    return Forgotten([path for _, path in sources], sorted(names[k] for k in names if k not in left))


def _forget_facts(con: DuckDBPyConnection, run_key: int) -> list[tuple[int, str]]:
    """Remove a run from all sources that tell of it; returns the sources that told of nothing else."""
    facts = con.execute("SELECT fact_key, source_key FROM run_facts WHERE run_key = ?", [run_key]).fetchall()
    drop_facts(con, [fact for fact, _ in facts])
    keys_table(con, "asked", {source for _, source in facts})
    return con.execute(
        "SELECT source_key, path FROM source_rows WHERE source_key IN (SELECT key FROM asked) "
        "AND source_key NOT IN (SELECT source_key FROM run_facts) ORDER BY path"
    ).fetchall()
