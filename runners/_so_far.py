"""What a recipe says of a training that is under way: the arithmetic of `llmstats judge` on what the output showed.

It knows this start alone and the digits that the output prints, so it says "so far"; the verdict is what
``llmstats judge`` says of the ingested logs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from llmstats.curves import Curve, Floats, half_unit
from llmstats.judging import CANNOT_TELL, FAIL, MEASURED, PASS, Found, judge
from llmstats.recipe_types import Criterion, Minimum, Recipe
from llmstats.records import NO_TIME

from ._live import Live, Series


@dataclass(frozen=True)
class SoFar:
    """A verdict and its reason; ``pass`` means that it would pass if the training ended now."""

    verdict: str
    reason: str


def so_far(recipe: Recipe, live: Live, path: str) -> SoFar:
    """Hold a recipe against the series of a live training whose log is at ``path``."""
    found = {c.name: judge(c, _curve(live.find(c.series, c.phase), path), None) for c in recipe.criteria}
    short = _short(recipe.minimum, recipe.criteria, live)
    judged = [(name, f) for name, f in found.items() if f.result != MEASURED]
    failed = [(n, f) for n, f in judged if f.result == FAIL and not (short and f.number)]
    if failed:
        return SoFar(FAIL, _said(*failed[0]))
    if short:
        return SoFar(CANNOT_TELL, short)
    for name, one in judged:
        if one.result == CANNOT_TELL:
            return SoFar(CANNOT_TELL, _said(name, one))
    return SoFar(PASS, _said(*judged[0])) if judged else SoFar(CANNOT_TELL, f"{recipe.name} bounds nothing")


def _said(name: str, found: Found) -> str:
    return f"{name}: {found.reason}"


def _short(minimum: Minimum, criteria: tuple[Criterion, ...], live: Live) -> str | None:
    """Why the training is too short to be judged, if it is."""
    if minimum.repeats > 1:
        return f"one start; {minimum.repeats} repeats are needed"
    wanted = []
    if minimum.steps is not None:
        wanted.append(((live.step or 0) >= minimum.steps, f"step {live.step or 0} of {minimum.steps}"))
    if minimum.hours is not None:
        hours = max((_most(_hours(s)) for c in criteria if (s := live.find(c.series, c.phase))), default=math.nan)
        wanted.append((hours >= minimum.hours, f"{hours:.3g} of {minimum.hours:g} hours"))
    met = [ok for ok, _ in wanted]
    if not wanted or (any(met) if minimum.either else all(met)):
        return None
    return ", ".join(text for ok, text in wanted if not ok)


def _hours(series: Series) -> Floats:
    """Hours since the first record; NaN where there is no clock."""
    times = np.asarray(series.times, dtype=np.int64)
    known = times != NO_TIME
    if not known.any():
        return np.full(len(times), np.nan)
    return np.where(known, (times - times[known].min()) / 3.6e9, np.nan)


def _most(hours: Floats) -> float:
    told = hours[np.isfinite(hours)]
    return float(told.max()) if len(told) else math.nan


def _curve(series: Series | None, path: str) -> Curve | None:
    """A series as the judge takes it: by step, and of several values of one step the last."""
    if series is None:
        return None
    steps, values = np.asarray(series.steps, dtype=np.int64), np.asarray(series.values, dtype=np.float64)
    lines = np.asarray(series.lines, dtype=np.int64)
    order = np.lexsort((lines, steps))
    order = order[np.append(steps[order][1:] != steps[order][:-1], True)]
    values = values[order]
    return Curve(
        experiment="this start",
        steps=steps[order],
        values=values,
        half=half_unit(series.precision, values),
        hours=_hours(series)[order],
        lines=lines[order],
        series=np.zeros(len(order), dtype=np.int64),
        paths=[path],
        run_ids=[""],
        definitions=[series.definition] if series.definition else [],
        unit=series.unit,
        precision=series.precision,
    )
