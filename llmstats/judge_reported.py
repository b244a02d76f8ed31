"""A criterion over what runs report themselves: results of serving and evaluation, the summary of a trainer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from llmstats.curves import Experiment, half_unit, literal
from llmstats.judging import Found, decide, relate
from llmstats.query import fetched
from llmstats.readings import CannotTell, Number
from llmstats.recipe_types import Criterion

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

Row = Mapping[str, Any]


def reported(
    con: Connection, criterion: Criterion, which: Sequence[Experiment], other: Experiment | None
) -> dict[str, tuple[Found, Row]]:
    """What came of the criterion by experiment, with unit, definition and precision of the values."""
    rows = _values(con, criterion, [*which, *([other] if other else [])])
    held = rows.get(other.name, []) if other else []
    found = {}
    for experiment in which:
        mine = rows.get(experiment.name, [])
        measure = partial(_measure, criterion, mine, held)
        found[experiment.name] = decide(criterion, measure), mine[0] if mine else {}
    return found


def _values(con: Connection, criterion: Criterion, which: Sequence[Experiment]) -> dict[str, list[Row]]:
    """The reported values of the criterion's first metric that there is, by experiment."""
    names = {key: e.name for e in which for key in e.run_keys}
    found: dict[str, list[Row]] = {}
    for kind in sorted({e.kind for e in which if e.kind}):
        for metric in criterion.series:
            filters = "".join(
                f" AND m.{key} = {literal(v) if isinstance(v, str) else float(v)!r}" for key, v in criterion.case
            )
            rows = fetched(
                con,
                "SELECT m.run_key, m.value, m.unit, m.definition, m.precision, m.place "
                f"FROM _measured({literal(kind)}) m WHERE m.metric = {literal(metric)} "
                f"AND m.statistic = {literal(criterion.statistic)}{filters} ORDER BY ALL",
            )
            new: dict[str, list[Row]] = {}
            for row in rows:
                if row["run_key"] in names and names[row["run_key"]] not in found:
                    new.setdefault(names[row["run_key"]], []).append(row)
            found.update(new)
    return found


def _measure(criterion: Criterion, mine: Sequence[Row], other: Sequence[Row]) -> tuple[Number, float | None]:
    number = _worst(criterion, mine, "")
    if criterion.compare == "value":
        return number, None
    if criterion.reference_value is not None:
        exact = criterion.reference_value
        return relate(number, Number(exact, exact, exact, 1), criterion.compare), exact
    if not other:
        raise CannotTell("needs a reference that reports it: --reference RUN")
    if {row["definition"] for row in mine} != {row["definition"] for row in other}:
        raise CannotTell("another definition than the reference's")
    held = _worst(criterion, other, "the reference: ")
    return relate(number, held, criterion.compare), held.value


def _worst(criterion: Criterion, rows: Sequence[Row], whose: str) -> Number:
    """The one value, or of several the one that is hardest to meet the bound with; without a bound the median."""
    finite = [row for row in rows if row["value"] is not None and math.isfinite(row["value"])]
    if not finite:
        raise CannotTell(f"{whose}reports no {criterion.statistic} of {' or '.join(criterion.series)}")
    if len(named := {row["definition"] for row in finite}) > 1:
        raise CannotTell(f"{whose}values of several definitions: {', '.join(sorted(str(d) for d in named))}")
    finite.sort(key=lambda row: row["value"])
    low_is_worst = bool(criterion.bound and criterion.bound[0] in ("above", "at_least"))
    place = 0 if low_is_worst else -1 if criterion.bound else len(finite) // 2
    row, n = finite[place], len(finite)
    half = float(half_unit(row["precision"], np.array([row["value"]]))[0])
    which = "reported" if n == 1 else f"{'worst' if criterion.bound else 'median'} of {n} reported values,"
    odd = len(rows) - n
    return Number(
        row["value"], row["value"] - half, row["value"] + half, n, odd, None, row["place"], row["place"], which
    )
