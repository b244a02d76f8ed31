"""Runs as people see them, derived from facts: merged fields, labels, names, experiments and attempts.

Everything here is a function of what is stored, computed again for the runs that a commit touched and for those that
share a name or an experiment with them; so the order in which files were read does not matter.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from llmstats.records import NO_TIME, Run
from llmstats.store_chain import Link, chain
from llmstats.store_covers import covering
from llmstats.store_rows import ask, insert, keys_table, to_json
from llmstats.store_runs import stored_run
from llmstats.store_sources import up

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Fields taken from the first source that has them.
_SINGLE = ("kind", "framework", "model", "dataset", "vendor", "device", "device_count", "node_count", "precision",
           "parallelism", "status", "resumed_from", "experiment")  # fmt: skip
_single = attrgetter(*_SINGLE)
#: Columns of ``runs`` that a label may fill, with the type of the value.
_FILLABLE: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("kind", "framework", "model", "dataset", "vendor", "device", "precision", "parallelism"), str),
    **dict.fromkeys(("status", "experiment"), str),
    **dict.fromkeys(("device_count", "node_count"), int),
}
_ROW = ("run_key", "run_id", "root", "name", "experiment", "attempt", "kind", "framework", "model", "dataset",
        "vendor", "device", "device_count", "node_count", "precision", "parallelism", "started_at", "ended_at",
        "status", "environment", "config", "labels", "resumed_from", "base_experiment", "work_dir", "first_step",
        "last_step", "step_gap")  # fmt: skip


class _Said(NamedTuple):
    """What one source says of a run, and the labels given for that source."""

    run: Run
    source_key: int
    labels: dict[str, str]

    @property
    def weight(self) -> int:
        """How many facts the source has: of two names of one run the better informed source gives the name.

        Of two that know as much, the one that lives nearer to the run (a console may be kept further up).
        """
        return sum(v is not None for v in _single(self.run)) + len(self.run.environment) + len(self.run.config)


@dataclass(slots=True)
class _Merged:
    """A row of ``run_rows`` in the making; ``issues`` are labels that the log contradicts, as (source_key, text)."""

    row: dict[str, Any]
    issues: list[tuple[int, str]] = field(default_factory=list)


def derive(con: DuckDBPyConnection, touched: set[int]) -> list[str]:
    """Write ``run_rows`` of the touched runs; returns their run_ids.

    A touched run without facts disappears.
    """
    keys_table(con, "touched", touched)
    if not touched:
        return []
    names, bases = _groups(con)
    con.execute("DELETE FROM run_rows WHERE run_key IN (SELECT key FROM touched)")
    con.execute("DELETE FROM issue_rows WHERE derived AND run_key IN (SELECT key FROM touched)")
    covers = covering(con)
    merged = [_merge(key, said, covers.get(key, [])) for key, said in _said(con).items()]
    steps = _train_steps(con)
    for run in merged:
        run.row |= dict(zip(("first_step", "last_step", "step_gap"), steps.get(run.row["run_key"], ()), strict=False))
    insert(con, "run_rows", _ROW, [[m.row.get(c) for c in _ROW] for m in merged])
    issues = [(key, m.row["run_key"], text, False, True) for m in merged for key, text in m.issues]
    insert(con, "issue_rows", ("source_key", "run_key", "reason", "suspect", "derived"), issues)
    _name(con, names | {m.row["name"] for m in merged})
    _chain(con, bases | {m.row["base_experiment"] for m in merged if m.row["base_experiment"]})
    ids = con.execute("SELECT run_id FROM run_rows WHERE run_key IN (SELECT key FROM touched) ORDER BY run_id")
    return [row[0] for row in ids.fetchall()]


def _groups(con: DuckDBPyConnection) -> tuple[set[str], set[str]]:
    """Names and experiments that the touched runs had so far."""
    rows = con.execute("SELECT name, base_experiment FROM run_rows WHERE run_key IN (SELECT key FROM touched)")
    found = rows.fetchall()
    return {name for name, _ in found}, {base for _, base in found if base}


# --------------------------------------------------------------------------- one run


def _said(con: DuckDBPyConnection) -> dict[int, list[_Said]]:
    rows = con.execute(
        "SELECT f.run_key, f.facts, f.root, f.source_key, s.labels FROM run_facts f "
        "JOIN source_rows s ON s.source_key = f.source_key WHERE f.run_key IN (SELECT key FROM touched) "
        "ORDER BY f.format NULLS LAST, s.path, f.name"
    ).fetchall()
    said: dict[int, list[_Said]] = defaultdict(list)
    for run_key, facts, root, source_key, labels in rows:
        said[run_key].append(_Said(stored_run(facts, root), source_key, json.loads(labels) if labels else {}))
    return said


def _merge(run_key: int, said: Sequence[_Said], covers: Sequence[Run]) -> _Merged:
    runs = [*(s.run for s in said), *covers]
    called = min(said, key=lambda s: (-s.weight, -len(s.run.root), s.run.name, s.run.root)).run
    row: dict[str, Any] = {"run_key": run_key, "name": called.name, "root": called.root, "run_id": called.name}
    for values in map(_single, reversed(runs)):
        row |= {name: v for name, v in zip(_SINGLE, values, strict=True) if v is not None or name not in row}
    row["started_at"] = min(_spoken("started_at", said, covers), default=None)
    row["ended_at"] = max(_spoken("ended_at", said, covers), default=None)
    row["environment"] = _united(run.environment for run in runs)
    row["config"] = _united(run.config for run in runs)
    merged = _Merged(row)
    _label(merged, said)
    row["base_experiment"], row["work_dir"] = row.pop("experiment"), up(called.root)
    return merged


def _spoken(end: str, said: Sequence[_Said], covers: Sequence[Run]) -> list[int]:
    """Times that the run's own files tell, else those of what covers it (a whole sweep may be longer)."""
    own, around = (
        [t for run in runs if (t := getattr(run, end)) is not None and t != NO_TIME]
        for runs in ([s.run for s in said], covers)
    )
    return own or around


def _united(parts: Iterable[dict[str, Any]]) -> str | None:
    """All entries as JSON; where two sources differ the first stands."""
    united: dict[str, Any] = {}
    for part in parts:
        united = part | united
    return to_json(united) if united else None


def _label(merged: _Merged, said: Sequence[_Said]) -> None:
    """Labels fill what nobody said; what is no column goes to ``labels``; the log stands against a label."""
    extra: dict[str, str] = {}
    logged = {name: merged.row[name] for name in _FILLABLE}
    for one in said:
        for name, text in one.labels.items():
            if name not in _FILLABLE:
                extra.setdefault(name, text)
            else:
                _fill(merged, logged[name], name, text, one.source_key)
    merged.row["labels"] = to_json(extra, sort_keys=True) if extra else None


def _fill(merged: _Merged, logged: Any, name: str, text: str, source_key: int) -> None:
    try:
        value = _FILLABLE[name](text)
    except ValueError:
        merged.issues.append((source_key, f"label {name}={text} is not a number; it was left out"))
        return
    if logged is None:
        merged.row[name] = value if merged.row[name] is None else merged.row[name]
    elif str(logged).casefold() != str(value).casefold():
        merged.issues.append((source_key, f"label {name}={text} disagrees with the log, which says {logged}"))


# --------------------------------------------------------------------------- steps, names, experiments


def _train_steps(con: DuckDBPyConnection) -> dict[int, tuple[int, int, int | None]]:
    """First and last train step of the touched runs, and the distance of the first two (the logging interval)."""
    rows = con.execute(
        "SELECT run_key, min(min_step), max(max_step), "
        "list_sort(list_distinct(list(min_step) || list(next_step)))[2] - min(min_step) FROM blocks "
        "WHERE phase = 'train' AND min_step IS NOT NULL AND run_key IN (SELECT key FROM touched) GROUP BY run_key"
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows.fetchall()}


def suffixes(places: Iterable[str]) -> dict[str, str]:
    """What tells equal names in several places apart: nothing for the first place, ``~`` and a hash for the others."""
    import xxhash

    ordered = sorted(set(places))
    hashes = {place: xxhash.xxh3_64_hexdigest(place.encode()) for place in ordered[1:]}
    width = next(w for w in (4, 8, 16) if len({h[:w] for h in hashes.values()}) == len(hashes) or w == 16)
    return {place: f"~{hashes[place][:width]}" if place in hashes else "" for place in ordered}


def _name(con: DuckDBPyConnection, names: set[str]) -> None:
    """Give every run of these names its run_id."""
    rows = ask(
        con, "SELECT name, root, run_key FROM run_rows WHERE name IN (SELECT unnest(?::VARCHAR[]))", sorted(names)
    ).fetchall()
    places: dict[str, list[str]] = defaultdict(list)
    for name, root, _ in rows:
        places[name].append(root)
    endings = {name: suffixes(roots) for name, roots in places.items()}
    ids = [(key, name + endings[name][root]) for name, root, key in rows]
    _update(con, ("run_id VARCHAR",), ids)
    con.execute(
        "UPDATE run_rows SET experiment = run_id, attempt = 1, cut_step = NULL "
        "WHERE base_experiment IS NULL AND (experiment IS DISTINCT FROM run_id OR cut_step IS NOT NULL)"
    )


def _chain(con: DuckDBPyConnection, bases: set[str]) -> None:
    """Give every run of these experiments its experiment, attempt and cut."""
    rows = ask(
        con,
        "SELECT base_experiment, work_dir, run_key, name, started_at, resumed_from, first_step, last_step, step_gap "
        "FROM run_rows WHERE base_experiment IN (SELECT unnest(?::VARCHAR[]))",
        sorted(bases),
    ).fetchall()
    groups: dict[str, dict[str, list[Link]]] = defaultdict(lambda: defaultdict(list))
    for base, work_dir, *rest in rows:
        groups[base][work_dir].append(Link(*rest))
    placed = [
        place
        for base, dirs in groups.items()
        for work_dir, ending in suffixes(dirs).items()
        for place in chain(base + ending, dirs[work_dir])
    ]
    _update(con, ("experiment VARCHAR", "attempt INTEGER", "cut_step BIGINT"), placed)


def _update(con: DuckDBPyConnection, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Set columns of ``run_rows`` where they differ; each row begins with its run_key."""
    if not rows:
        return
    typed = ("run_key INTEGER", *columns)
    names = [c.split()[0] for c in columns]
    differ = " OR ".join(f"run_rows.{n} IS DISTINCT FROM u.{n}" for n in names)
    picked = ", ".join(f"unnest(?::{c.split()[1]}[]) AS {c.split()[0]}" for c in typed)
    con.execute(
        f"UPDATE run_rows SET {', '.join(f'{n} = u.{n}' for n in names)} FROM (SELECT {picked}) u "
        f"WHERE run_rows.run_key = u.run_key AND ({differ})",
        [list(column) for column in zip(*rows, strict=True)],
    )
