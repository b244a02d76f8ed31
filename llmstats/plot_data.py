"""The numbers behind the pictures of curves: questions to the store, answers as arrays.  Nothing here draws.

Curves of millions of points are thinned in the database: per bin of steps the lowest and the highest value, so
that no spike is lost however few pixels there are.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from llmstats import query, questions
from llmstats.errors import InputError, NotFound

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

Floats = npt.NDArray[np.float64]

#: Bins of steps per curve: about one per pixel of the widest picture.
BINS = 1200


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


def _arrays(con: Connection, sql: str, values: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """Columns of an answer; NULL in a column of numbers is NaN."""
    columns = con.execute(sql, values).fetchnumpy()
    return {
        name: np.ma.filled(column.astype(float), np.nan) if column.dtype.kind in "iuf" else np.ma.getdata(column)
        for name, column in columns.items()
    }


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


_CURVE = """
WITH point AS (SELECT c.exp, c.step, c.val FROM _curve($series, $pick) c WHERE isfinite(c.val)),
span AS (
  SELECT p.exp, min(p.step) AS low, greatest(1, ceil((max(p.step) - min(p.step) + 1) / $bins))::BIGINT AS width
  FROM point p GROUP BY p.exp
),
rolling AS (
  SELECT p.exp, p.step, p.val, row_number() OVER (PARTITION BY p.exp ORDER BY p.step) AS n,
    avg(p.val) OVER (PARTITION BY p.exp ORDER BY p.step ROWS BETWEEN ($smooth - 1) PRECEDING AND CURRENT ROW) AS mean
  FROM point p
)
SELECT r.exp, (r.step - s.low) // s.width AS bin, min(r.step) AS first, max(r.step) AS last,
  arg_min(r.step, r.val) AS low_step, min(r.val) AS low, arg_max(r.step, r.val) AS high_step, max(r.val) AS high,
  arg_max(r.mean, r.step) FILTER (r.n >= $smooth) AS mean,
  arg_min(r.val, r.step) FILTER (r.step >= $min_steps AND r.val < $threshold) AS touch
FROM rolling r JOIN span s ON s.exp = r.exp
GROUP BY r.exp, bin ORDER BY r.exp, bin
"""

_ODD = """
SELECT c.exp, min(c.step), any_value(c.val) FROM _curve($series, $pick) c WHERE NOT isfinite(c.val)
GROUP BY c.exp, isnan(c.val), c.val > 0, c.step // greatest(1, $last // 300) ORDER BY ALL
"""

_EXPERIMENTS = """
SELECT k.exp, any_value(k.experiment), max_by(r.device, k.attempt)
FROM _picked($pick) k JOIN runs r ON r.run_id = k.run_id GROUP BY k.exp
"""

_RESUMES = """
SELECT a.experiment, a.first_step FROM _attempts() a
WHERE a.attempt > 1 AND a.first_step IS NOT NULL ORDER BY a.experiment, a.first_step
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
    of_pick = {k: wanted[k] for k in ("series", "pick")}
    names = {e: (name, device) for e, name, device in con.execute(_EXPERIMENTS, {"pick": wanted["pick"]}).fetchall()}
    bins = _arrays(con, _CURVE, {**wanted, "bins": BINS})
    if not len(bins["exp"]):
        return []
    starts = np.flatnonzero(np.diff(bins["exp"], prepend=np.nan))
    parts = [{k: v[a:b] for k, v in bins.items()} for a, b in zip(starts, [*starts[1:], len(bins["exp"])], strict=True)]
    odd: dict[int, list[tuple[float, float]]] = {}
    if any(row["non_finite"] for row in rows.values()):
        last = max(row["last_step"] or 0 for row in rows.values())
        for exp, step, value in con.execute(_ODD, {**of_pick, "last": last}).fetchall():
            odd.setdefault(exp, []).append((step, value))
    resumes: dict[str, list[int]] = {}
    for experiment, step in con.execute(_RESUMES).fetchall():
        resumes.setdefault(experiment, []).append(step)
    found = []
    for part in parts:
        exp = int(part["exp"][0])
        name, device = names[exp]
        found.append(_curve(part, rows[name], device))
        found[-1].odd, found[-1].resumes = odd.get(exp, []), resumes.get(name, [])
    return sorted(found, key=lambda c: c.experiment)


def _curve(part: Mapping[str, Floats], row: Mapping[str, Any], device: str | None) -> Curve:
    ends = np.concatenate([part["low_step"], part["high_step"]])
    values = np.concatenate([part["low"], part["high"]])
    order = np.lexsort((np.tile(np.arange(len(part["bin"])), 2), ends))
    touches = part["touch"][~np.isnan(part["touch"])]
    smooth = ~np.isnan(part["mean"])
    return Curve(
        row["experiment"], device, row["verdict"], row["reason"], row["first_touch"],
        float(touches[0]) if len(touches) else None, row["sustained"], row["smoothed"], row["smoothed_value"],
        row["steps_redone"], float(part["first"][0]), float(part["last"][-1]), ends[order], values[order],
        part["last"][smooth], part["mean"][smooth],
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
