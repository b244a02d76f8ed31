"""Whether a recipe is for an experiment: the models that it names against the one that the run says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from llmstats.curves import Experiment, glob_fits, literal

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

#: Text of a run, names that the catalogue has for it (``A | B`` where it is ambiguous), its key.
_STATED = """
SELECT DISTINCT r.model, m.model, _model_key(r.model)
FROM run_rows r JOIN _run_model() m ON m.run_key = r.run_key WHERE r.model IS NOT NULL
"""
_KEYS = "SELECT _model_key(g.name) FROM (SELECT unnest([{names}]) AS name) g"
_CATALOGUED = """
SELECT DISTINCT a.name FROM (
  SELECT m.name, unnest(list_append(string_split(m.aliases, '; '), m.name)) AS alias FROM models m
) a WHERE _model_key(a.alias) IN ({keys})
"""


def meant_for(con: Connection, models: Sequence[str], which: Iterable[Experiment]) -> Mapping[str, bool | None]:
    """By experiment: True, its run says one of the models (names or patterns with ``*``); False, another; None, none.

    A text is compared as it stands, by its last part of a path, and through the catalogue and its aliases; case and
    separators do not count. One that says less than a name and is not catalogued itself (``mixtral`` for Mixtral-8x7B)
    says no other model. Without ``models`` nothing is compared, and every answer is None.
    """
    if not models:
        return {e.name: None for e in which}
    keys_of = _KEYS.format(names=", ".join(map(literal, models)))
    keys = {key for (key,) in con.execute(keys_of).fetchall() if key}
    known = {name for (name,) in con.execute(_CATALOGUED.format(keys=keys_of)).fetchall()}
    stated = {
        text: _fits(models, keys, known, text, catalogued.split(" | ") if catalogued else [], key)
        for text, catalogued, key in con.execute(_STATED).fetchall()
    }
    return {e.name: stated.get(e.model) if e.model else None for e in which}


def _fits(
    models: Sequence[str], keys: set[str], known: set[str], text: str, catalogued: Sequence[str], key: str
) -> bool | None:
    names = [_plain(name) for name in (text, re.split(r"[\\/]", text.rstrip("\\/"))[-1], *catalogued)]
    if key in keys or known & set(catalogued) or any(glob_fits(_plain(m), name) for m in models for name in names):
        return True
    says_less = not catalogued and (not key or any(k.startswith(f"{key}-") for k in keys))
    return None if says_less else False


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())
