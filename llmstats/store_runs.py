"""Which run a source speaks of: facts per source, and their resolution into runs.

Two facts tell of one run when name and root agree, or when their fingerprints agree and one root lies at or above the
other.  A run is a connected set of facts, so the answer depends on what is stored and not on the order in which it
came; a fact that joins two runs, or whose removal parts them, moves their rows to other keys.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING

from llmstats.records import Issue, Run
from llmstats.store_rows import ask, clean, insert, keys_table, next_key, to_json
from llmstats.store_sources import moved_root, up

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from llmstats.store_sources import Source
    from llmstats.store_types import StoreItem

_COLUMNS = ("fact_key", "source_key", "run_key", "name", "root", "fingerprint", "format", "facts")
#: Tables whose rows carry the key of a run beside that of the fact.
_KEYED = ("series_rows", "blocks", "measurement_rows", "request_rows", "event_rows")
_RUN_FIELDS = tuple(f.name for f in fields(Run))
_run_values = attrgetter(*_RUN_FIELDS)


@dataclass(slots=True)
class Fact:
    """One row of ``run_facts``."""

    fact_key: int
    source_key: int
    run_key: int | None
    name: str
    root: str
    fingerprint: str | None
    format: str | None
    facts: str
    changed: bool = False


_row = attrgetter(*_COLUMNS)


@dataclass(slots=True)
class Resolution:
    """Facts of the sources of one commit, and all runs whose rows have to be derived again."""

    facts: dict[tuple[int, str], Fact]  #: by (source_key, name)
    touched: set[int] = field(default_factory=set)

    def keys(self, source_key: int, run: str) -> tuple[int, int]:
        """(run_key, fact_key) of a run as its source names it."""
        fact = self.facts[source_key, clean(run)]
        assert fact.run_key is not None
        return fact.run_key, fact.fact_key


def runs_before(con: DuckDBPyConnection, source_keys: Iterable[int]) -> set[int]:
    """Keys of the runs that these sources tell of at present."""
    keys_table(con, "asked", source_keys)
    rows = con.execute("SELECT DISTINCT run_key FROM run_facts WHERE source_key IN (SELECT key FROM asked)")
    return {row[0] for row in rows.fetchall()}


def resolve(con: DuckDBPyConnection, sources: Sequence[Source], before: set[int]) -> Resolution:
    """Store what the sources say of their runs and find the key of each run.

    Args:
        con: inside the commit's transaction, rows of replaced sources already dropped.
        sources: all sources of the commit.
        before: `runs_before` of these sources, taken before anything was dropped.
    """
    present = _present(con, [s for s in sources if s.known])
    count = next_key(con, "run_facts", "fact_key")
    for source in sources:
        said = _updated(source, present[source.key], count)
        present[source.key] |= {fact.name: fact for fact in said}
        count = max([count, *(fact.fact_key + 1 for fact in said)])
    facts = {(key, name): fact for key, known in present.items() for name, fact in known.items()}
    _write(con, [f for f in facts.values() if f.changed])
    names = {f.name for f in facts.values() if f.changed}
    prints = {f.fingerprint for f in facts.values() if f.changed and f.fingerprint}
    moved = _assign(con, names, prints, before)
    for fact in facts.values():
        fact.run_key = moved.get(fact.fact_key, (None, fact.run_key))[1]
    touched = {f.run_key for f in facts.values()} | before | {k for pair in moved.values() for k in pair}
    return Resolution(facts, {key for key in touched if key is not None})


def reassign(con: DuckDBPyConnection, before: set[int]) -> set[int]:
    """Resolve again the runs that lost facts; returns all keys that were touched."""
    moved = _assign(con, set(), set(), before)
    return before | {key for pair in moved.values() for key in pair if key is not None}


# --------------------------------------------------------------------------- facts of the sources


def _present(con: DuckDBPyConnection, sources: Sequence[Source]) -> dict[int, dict[str, Fact]]:
    """Stored facts by source and name."""
    found: dict[int, dict[str, Fact]] = defaultdict(dict)
    if sources:
        keys_table(con, "asked", [s.key for s in sources])
        columns = ", ".join(_COLUMNS)
        query = f"SELECT {columns} FROM run_facts WHERE source_key IN (SELECT key FROM asked)"
        for row in con.execute(query).fetchall():
            found[row[1]][row[3]] = Fact(*row)
    return found


def _updated(source: Source, known: dict[str, Fact], count: int) -> list[Fact]:
    """New and changed facts of one source; new ones take keys from ``count`` on."""
    said = _said(source, set(known))
    return [*_followed(source, known, said), *_new(source, known, said, count)]


def _followed(source: Source, known: dict[str, Fact], said: dict[str, Run]) -> Iterator[Fact]:
    """Facts whose root moves along with the file."""
    for fact in known.values():
        if source.moved_from and fact.name not in said:
            fact.root = moved_root(fact.root, source.moved_from, source.path)
            fact.changed = True
            yield fact


def _new(source: Source, known: dict[str, Fact], said: dict[str, Run], count: int) -> Iterator[Fact]:
    for name, run in said.items():
        before = known.get(name)
        key, run_key = (before.fact_key, before.run_key) if before else (count, None)
        count += before is None
        kind = source.row.get("format")
        yield Fact(key, source.key, run_key, name, clean(run.root), run.fingerprint, kind, facts_of(run), changed=True)


def _said(source: Source, known: set[str]) -> dict[str, Run]:
    """The last word on each run; a run that is only mentioned lives in the file's directory."""
    said = {clean(item.name): item for item in source.items if isinstance(item, Run) and not item.covers}
    for name in _mentioned(source.items):
        if name not in said and name not in known:
            said[name] = Run(name, up(source.path))
    return said


def _mentioned(items: Iterable[StoreItem]) -> Iterator[str]:
    for item in items:
        if not isinstance(item, (Run, Issue)):
            yield clean(item.run)


def facts_of(run: Run) -> str:
    """All that was said, as JSON; fields that were not said are left out."""
    said = zip(_RUN_FIELDS, _run_values(run), strict=True)
    return to_json({name: value for name, value in said if value is not None and value != {} and value is not False})


def _write(con: DuckDBPyConnection, facts: Sequence[Fact]) -> None:
    if not facts:
        return
    keys_table(con, "changed_facts", [f.fact_key for f in facts])
    con.execute("DELETE FROM run_facts WHERE fact_key IN (SELECT key FROM changed_facts)")
    insert(con, "run_facts", _COLUMNS, [_row(f) for f in facts])


# --------------------------------------------------------------------------- facts to runs


@dataclass(slots=True)
class _Node:
    key: int
    run: int | None
    name: str
    root: str
    fingerprint: str | None


def _assign(
    con: DuckDBPyConnection, names: set[str], prints: set[str], runs: set[int]
) -> dict[int, tuple[int | None, int]]:
    """Give each fact in reach its run; returns those that changed as fact_key -> (old, new) and moves their rows."""
    nodes = _reach(con, set(names), set(prints), set(runs))
    fresh = max(next_key(con, "run_facts", "run_key"), next_key(con, "run_rows", "run_key"))
    moved: dict[int, tuple[int | None, int]] = {}
    claimed: set[int] = set()
    for group in _components(nodes):
        free = sorted({n.run for n in group if n.run is not None} - claimed)
        key = free[0] if free else fresh
        fresh += not free
        claimed.add(key)
        moved |= {n.key: (n.run, key) for n in group if n.run != key}
    if moved:
        _move(con, moved)
    return moved


def _reach(con: DuckDBPyConnection, names: set[str], prints: set[str], runs: set[int]) -> list[_Node]:
    """All facts that may belong together with the given ones, directly or through others."""
    size = -1
    while True:
        rows = ask(
            con,
            "SELECT fact_key, run_key, name, root, fingerprint FROM run_facts "
            "WHERE name IN (SELECT unnest(?::VARCHAR[])) OR fingerprint IN (SELECT unnest(?::VARCHAR[])) "
            "OR run_key IN (SELECT unnest(?::INTEGER[])) ORDER BY fact_key",
            list(names),
            list(prints),
            list(runs),
        ).fetchall()
        if len(rows) == size:
            return [_Node(*row) for row in rows]
        size = len(rows)
        names |= {row[2] for row in rows}
        prints |= {row[4] for row in rows if row[4]}


def _components(nodes: Sequence[_Node]) -> list[list[_Node]]:
    """Connected sets of facts, each in the order of keys, the sets in the order of their first keys."""
    parent = list(range(len(nodes)))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for first, second in _links(nodes):
        low, high = sorted((find(first), find(second)))
        parent[high] = low
    groups: dict[int, list[_Node]] = defaultdict(list)
    for i, node in enumerate(nodes):
        groups[find(i)].append(node)
    return [groups[i] for i in sorted(groups)]


def _links(nodes: Sequence[_Node]) -> Iterator[tuple[int, int]]:
    same: dict[tuple[str, str], int] = {}
    prints: dict[str, list[int]] = defaultdict(list)
    for i, node in enumerate(nodes):
        yield same.setdefault((node.name, node.root), i), i
        if node.fingerprint:
            prints[node.fingerprint].append(i)
    for members in prints.values():
        yield from _nested(nodes, members)


def _nested(nodes: Sequence[_Node], members: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Pairs of facts with one fingerprint of which one root lies at or above the other."""
    above: list[int] = []
    parts = {i: nodes[i].root.replace("!/", "/").rstrip("/").split("/") for i in members}
    for i in sorted(members, key=parts.__getitem__):
        while above and parts[i][: len(parts[above[-1]])] != parts[above[-1]]:
            above.pop()
        if above:
            yield above[-1], i
        above.append(i)


def _move(con: DuckDBPyConnection, moved: dict[int, tuple[int | None, int]]) -> None:
    """Write the new keys into the facts, and into rows that were stored under an old one."""
    pairs = [(fact, new) for fact, (_, new) in moved.items()]
    _rekey(con, "run_facts", pairs)
    stored = [(fact, new) for fact, (old, new) in moved.items() if old is not None]
    if not stored:
        return
    _mark_changed(con, [fact for fact, _ in stored])
    for table in _KEYED:
        _rekey(con, table, stored)
    _mark_changed(con, [fact for fact, _ in stored])


def _rekey(con: DuckDBPyConnection, table: str, pairs: Sequence[tuple[int, int]]) -> None:
    facts, runs = zip(*pairs, strict=True)
    ask(
        con,
        f"UPDATE {table} SET run_key = m.run_key "
        "FROM (SELECT unnest(?::INTEGER[]) AS fact_key, unnest(?::INTEGER[]) AS run_key) m "
        f"WHERE {table}.fact_key = m.fact_key",
        list(facts),
        list(runs),
    )


def _mark_changed(con: DuckDBPyConnection, facts: Sequence[int]) -> None:
    keys_table(con, "rekeyed", facts)
    con.execute(
        "INSERT INTO changed SELECT run_key, phase, min(min_step), max(max_step) FROM blocks "
        "WHERE fact_key IN (SELECT key FROM rekeyed) GROUP BY ALL"
    )


def stored_run(facts: str, root: str) -> Run:
    """A `Run` as it was stored in ``run_facts.facts``; its file may lie at another root by now."""
    said = {k: v for k, v in json.loads(facts).items() if k in _RUN_FIELDS}
    return Run(**{**said, "root": root})
