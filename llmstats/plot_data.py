"""The numbers behind the pictures of curves: questions to the store, answers as arrays.  Nothing here draws."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmstats import query, questions
from llmstats.errors import InputError, NotFound
from llmstats.thinning import Floats, Thinned, thinned

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

# --------------------------------------------------------------------------- parameters


def parameters_of(*queries: str) -> dict[str, str]:
    """Names and defaults (as text) of the parameters of named queries; the first of a name counts."""
    known = {q.name: q for q in questions.list_queries()}
    found: dict[str, str] = {}
    for name in queries:
        for p in known[name].parameters:
            found.setdefault(p.name, p.default.strip("'"))
    return found


def ask(con: Connection, name: str, given: Mapping[str, str]) -> list[dict[str, Any]]:
    """Rows of a named query, with those of the given parameters that it knows."""
    mine = parameters_of(name)
    return query.rows(con, name, {k: v for k, v in given.items() if k in mine})


def nothing_to_draw(con: Connection, pick: str, kind: str) -> InputError:
    """Why there is no run to draw."""
    rows = con.execute(
        "SELECT experiment FROM runs WHERE kind = ? UNION SELECT run_id FROM runs WHERE kind = ?", [kind] * 2
    )
    names = [name for (name,) in rows.fetchall()]
    if not names:
        return InputError(f"nothing to draw: there is no {kind} run in the store (llmstats ingest PATH reads logs)")
    picked = con.execute(
        "SELECT count(*) FROM _picked(?) k JOIN runs r ON r.run_id = k.run_id WHERE r.kind = ?", [pick, kind]
    )
    if picked.fetchall() != [(0,)]:
        return InputError(f"nothing to draw: the {kind} runs of --pick {pick!r} have no values that this picture shows")
    if "*" in pick:
        return InputError(f"nothing to draw: no {kind} run matches --pick {pick!r} (llmstats runs lists them)")
    return NotFound.among(f"{kind} run", pick, names)


def grouped(rows: Sequence[Mapping[str, Any]], column: str) -> dict[str, list[Mapping[str, Any]]]:
    """Rows by the value of a column, in the order in which the values first come."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups


def count(n: int, what: str) -> str:
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def written(name: str, text: Mapping[str, str]) -> str:
    """The question behind a picture, as DuckDB takes it."""
    known = {p.name: p for q in questions.list_queries() if q.name == name for p in q.parameters}
    given = [f"{k} := '{v}'" if known[k].type == "VARCHAR" else f"{k} := {v}" for k, v in text.items() if k in known]
    return f"FROM {name}({', '.join(given)})"


def command(name: str, text: Mapping[str, str]) -> str:
    """The question behind a picture, as a shell takes it: what was asked for beside the defaults."""
    usual = parameters_of(name)
    given = [(k, v) for k, v in text.items() if k in usual and v != usual[k]]
    return " ".join(["llmstats query", name, *(f"--{k.replace('_', '-')} {shlex.quote(v)}" for k, v in given)])


# --------------------------------------------------------------------------- convergence


@dataclass(slots=True)
class Curve:
    """One experiment's effective curve, thinned, and the four readings of it."""

    experiment: str
    device: str | None
    verdict: str
    reason: str
    first_touch: int | None
    touch_value: float | None
    sustained: int | None
    smoothed: int | None
    smoothed_value: float | None
    redone: int
    first_step: float
    last_step: float
    steps: Floats  #: of the lowest and highest values of each bin, in order
    values: Floats
    mean_steps: Floats
    means: Floats  #: mean of the last `smooth` finite points
    odd: list[tuple[float, float]] = field(default_factory=list)  #: (step, value) where not finite
    resumes: list[int] = field(default_factory=list)  #: first steps of later attempts


@dataclass(slots=True)
class Curves:
    """All that the picture of convergence shows."""

    series: str
    unit: str | None
    threshold: float
    min_steps: int
    smooth: int
    sustain: int
    curves: list[Curve]
    missing: list[str]  #: experiments without such a series, in words
    footer: list[str]


_EXPERIMENTS = """
SELECT k.exp, any_value(k.experiment), max_by(r.device, k.attempt)
FROM _picked($pick) k JOIN runs r ON r.run_id = k.run_id GROUP BY k.exp
"""

_RESUMES = """
SELECT r.experiment, r.first_step FROM run_rows r
WHERE r.attempt > 1 AND r.first_step IS NOT NULL ORDER BY r.experiment, r.first_step
"""

_SERIES = """
SELECT DISTINCT s.definition, s.unit, s.precision
FROM _chosen($series, $pick, 1) c JOIN series_rows s ON s.series_key = c.series_key ORDER BY ALL
"""


def curves(con: Connection, given: Mapping[str, str]) -> Curves:
    """What the picture of convergence shows.

    Raises:
        InputError: nothing to draw.
    """
    rows = {row["experiment"]: row for row in ask(con, "convergence", given)}
    text = {**parameters_of("convergence"), **given}
    if not rows:
        raise nothing_to_draw(con, text["pick"], "training")
    if not math.isfinite(float(text["threshold"])):
        raise InputError(f"--threshold {text['threshold']}: a finite number is needed")
    wanted: dict[str, Any] = {
        "series": text["series"], "pick": text["pick"], "threshold": float(text["threshold"]),
        "min_steps": int(text["min_steps"]), "smooth": int(text["smooth"]),
    }  # fmt: skip
    found = _curves(con, wanted, rows)
    if not found:
        raise _explain_no_values(con, text["series"])
    missing = [f"{r['experiment']} – {r['verdict']}: {r['reason']}" for r in rows.values() if not r["points"]]
    facts = con.execute(_SERIES, {k: wanted[k] for k in ("series", "pick")}).fetchall()
    return Curves(
        text["series"], next((unit for _, unit, _ in facts if unit), None), wanted["threshold"],
        wanted["min_steps"], wanted["smooth"], int(text["sustain"]), found, missing,
        _curve_footer(rows, facts, text),
    )  # fmt: skip


def _curves(con: Connection, wanted: dict[str, Any], rows: Mapping[str, dict[str, Any]]) -> list[Curve]:
    names = {e: (name, device) for e, name, device in con.execute(_EXPERIMENTS, {"pick": wanted["pick"]}).fetchall()}
    resumes: dict[str, list[int]] = {}
    for experiment, step in con.execute(_RESUMES).fetchall():
        resumes.setdefault(experiment, []).append(step)
    found = []
    for exp, thin in thinned(con, **wanted).items():
        name, device = names[exp]
        found.append(_curve(thin, rows[name], device, resumes.get(name, [])))
    return sorted(found, key=lambda c: c.experiment)


def _curve(thin: Thinned, row: Mapping[str, Any], device: str | None, resumes: list[int]) -> Curve:
    return Curve(
        row["experiment"], device, row["verdict"], row["reason"], row["first_touch"], thin.touch, row["sustained"],
        row["smoothed"], row["smoothed_value"], row["steps_redone"], thin.first_step, thin.last_step, thin.steps,
        thin.values, thin.mean_steps, thin.means, thin.odd, resumes,
    )  # fmt: skip


def _explain_no_values(con: Connection, series: str) -> InputError:
    names = con.execute(
        "SELECT DISTINCT unnest([s.metric, s.raw_name]) FROM series s WHERE s.phase = 'train'"
    ).fetchall()
    known = {name for (name,) in names if name}
    if series not in known:
        return NotFound.among("training series", series, known)
    return InputError(f"nothing to draw: the runs asked for log no finite values of {series!r} with a step")


def _curve_footer(rows: Mapping[str, dict[str, Any]], facts: Sequence[Any], text: Mapping[str, str]) -> list[str]:
    points = sum(row["points"] or 0 for row in rows.values())
    odd = sum(row["non_finite"] or 0 for row in rows.values())
    definitions = sorted({d for d, _, _ in facts if d})
    kinds = sorted({p for row in rows.values() for p in (row["precision"] or "").split(", ") if p})
    precision = ", ".join(f"{p} decimals" if p.isdigit() else f"precision {p}" for p in kinds)
    return [
        f"{points:,} logged points of {text['series']} in {count(len(rows), 'experiment')}, {odd:,} not finite; "
        f"{precision}; definition: {', '.join(definitions) or 'as the log names it'}",
        f"the same in numbers: {written('convergence', text)}",
    ]
