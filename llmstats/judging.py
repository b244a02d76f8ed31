"""One criterion of a recipe held against curves: pure arithmetic on arrays, no database.

A number is an interval, since logs round; where the bound lies inside it, nothing can be told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from llmstats.curves import Curve, Floats
from llmstats.readings import CannotTell, Diverged, Indices, Number, meets, read, refuse_odd_end, span, within
from llmstats.recipe_types import SEARCHING, STEPWISE, Criterion, Window

PASS, FAIL, CANNOT_TELL = "pass", "fail", "cannot tell"
#: Of a criterion without a bound.
MEASURED, NOT_MEASURED = "measured", "not measured"


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one criterion."""

    result: str
    reason: str
    number: Number | None = None
    reference: float | None = None


def judge(criterion: Criterion, curve: Curve | None, reference: Curve | None) -> Found:
    """One criterion over the curve of its series, and the reference's where it is compared."""
    return decide(criterion, lambda: _measure(criterion, curve, reference))


def decide(criterion: Criterion, measure: Callable[[], tuple[Number, float | None]]) -> Found:
    """A measured number against the bound; ``measure`` gives it, and the reference's."""
    if criterion.needs:
        given = " ".join(f"--param {name}=VALUE" for name in criterion.needs)
        return Found(CANNOT_TELL, f"the document gives no figure: {given}")
    try:
        number, reference = measure()
    except CannotTell as why:
        return Found(CANNOT_TELL if criterion.bound else NOT_MEASURED, str(why))
    except Diverged as why:
        return Found(FAIL if criterion.bound else NOT_MEASURED, str(why))
    return against(criterion, number, reference)


def against(criterion: Criterion, number: Number, reference: float | None = None) -> Found:
    """A number against the criterion's bound."""
    said = f"{number.what} {number.value:.6g}" + (f" at step {number.step}" if number.step is not None else "")
    said += number.note
    if criterion.bound is None:
        return Found(MEASURED, said, number, reference)
    kind, bound = criterion.bound
    ends = meets(kind, np.array([number.low, number.high]), bound)
    if ends.all():
        return Found(PASS, f"{said}: {criterion.condition}", number, reference)
    if ends.any():
        half = (number.high - number.low) / 2
        return Found(CANNOT_TELL, f"{said}: within the log's rounding (±{half:.2g}) of {bound:g}", number, reference)
    return Found(FAIL, f"{said}: not {criterion.condition}", number, reference)


# --------------------------------------------------------------------------- from curves to a number


def _measure(criterion: Criterion, curve: Curve | None, reference: Curve | None) -> tuple[Number, float | None]:
    curve = _one_meaning(curve, criterion, "")
    if criterion.compare == "value":
        return _closed(curve, criterion), None
    if criterion.compare in STEPWISE:
        reference = _one_meaning(_wanted(reference, criterion), criterion, "the reference: ")
        _same_meaning(curve, reference)
        return by_step(curve, reference, criterion), None
    mine = _closed(curve, criterion)
    if criterion.reference_value is not None:
        exact = criterion.reference_value
        return relate(mine, Number(exact, exact, exact, 1), criterion.compare), exact
    reference = _one_meaning(_wanted(reference, criterion), criterion, "the reference: ")
    _same_meaning(curve, reference)
    try:
        other = _closed(reference, criterion)
    except (CannotTell, Diverged) as why:
        raise CannotTell(f"the reference: {why}") from why
    return relate(mine, other, criterion.compare), other.value


def _closed(curve: Curve, criterion: Criterion) -> Number:
    """The reading of a window that the log has gone through, or of one in which enough is seen already."""
    number = read(curve, criterion)
    unfinished = _still_open(curve, criterion.window)
    enough = criterion.reading in SEARCHING and criterion.compare == "value"
    if unfinished and not (enough and against(criterion, number).result == PASS):
        raise CannotTell(f"{number.what} {number.value:.6g} so far; {unfinished}")
    return number


def _wanted(reference: Curve | None, criterion: Criterion) -> Curve:
    if reference is None:
        instead = [f" or --param {name}=VALUE" for key, name in criterion.unset if key == "reference_value"]
        raise CannotTell(f"needs a reference with {' or '.join(criterion.series)}: --reference RUN{''.join(instead)}")
    return reference


def _one_meaning(curve: Curve | None, criterion: Criterion, whose: str) -> Curve:
    if curve is None:
        where = "" if criterion.phase == "train" else f" in phase {criterion.phase}"
        raise CannotTell(f"{whose}no values of {' or '.join(criterion.series)}{where} with a step")
    if len(curve.definitions) > 1:
        raise CannotTell(f"{whose}values of several definitions: {', '.join(curve.definitions)}")
    return curve


def _same_meaning(curve: Curve, reference: Curve) -> None:
    mine, other = curve.definitions, reference.definitions
    if mine and other and mine != other:
        raise CannotTell(f"another definition than the reference's: {mine[0]} against {other[0]}")


def _still_open(curve: Curve, window: Window) -> str | None:
    """Why a window may still get points: the log ends inside it."""
    last = int(curve.steps[-1])
    if window.to_step is not None and last < window.to_step:
        return f"the log ends at step {last}, the window at {window.to_step}"
    if window.to_hours is not None and float(np.nanmax(curve.hours)) < window.to_hours:
        return f"the log ends after {np.nanmax(curve.hours):.3g} hours, the window after {window.to_hours:g}"
    return None


# --------------------------------------------------------------------------- against a reference


def relate(mine: Number, other: Number, how: str) -> Number:
    """The ratio, or the relative difference, of two numbers, with what rounding leaves of it.

    Raises:
        CannotTell: the reference is 0, or may be within its rounding.
    """
    if other.low <= 0 <= other.high:
        raise CannotTell(f"the reference's {other.value:g} may be 0: no ratio to it")
    if how == "ratio":
        corners = [a / b for a in (mine.low, mine.high) for b in (other.low, other.high)]
        value, low, high = mine.value / other.value, min(corners), max(corners)
        what = f"{mine.what} {mine.value:.6g} over {other.value:.6g} ="
    else:
        apart = abs(mine.value - other.value)
        half = (mine.high - mine.low + other.high - other.low) / 2
        small, large = sorted((abs(other.low), abs(other.high)))
        value, low, high = apart / abs(other.value), max(0.0, apart - half) / large, (apart + half) / small
        what = f"{mine.what} {mine.value:.6g} against {other.value:.6g}: relative difference"
    return Number(
        value, low, high, mine.points, mine.non_finite, mine.step, mine.first_at, mine.last_at, what
    )  # fmt: skip


def by_step(curve: Curve, reference: Curve, criterion: Criterion) -> Number:
    """Mean relative error, or variance of the difference, over the steps that both logged.

    Raises:
        CannotTell: too few steps in common, or the curve ends before the reference does.
        Diverged: no finite number at the end, or at a step where the reference has one.
    """
    refuse_odd_end(curve, within(curve, criterion.window), criterion)
    mine, other = (c.part(_last_of_step(c, within(c, criterion.window))) for c in (curve, reference))
    if not len(other) or not len(mine):
        whose = "the reference has no" if not len(other) else "no"
        raise CannotTell(f"{whose} value {span(criterion.window)}".rstrip())
    if unfinished := _still_open(reference, criterion.window):
        raise CannotTell(f"the reference: {unfinished}")
    _, a, b = np.intersect1d(mine.steps, other.steps, assume_unique=True, return_indices=True)
    usable = other.finite[b] & (np.abs(other.values[b]) > other.half[b])
    a, b = a[usable], b[usable]
    odd = a[~mine.finite[a]]
    if len(odd):
        raise Diverged(f"{mine.values[odd[0]]} at step {mine.steps[odd[0]]}, where the reference has a number")
    if len(a) < max(1, criterion.min_points):
        raise CannotTell(f"{len(a)} steps in common with the reference; {max(1, criterion.min_points)} are needed")
    if mine.steps[-1] < other.steps[-1]:
        raise CannotTell(f"ends at step {mine.steps[-1]}, the reference at {other.steps[-1]}")
    gap, half = mine.values[a] - other.values[b], mine.half[a] + other.half[b]
    if criterion.compare == "difference_variance":
        value, low, high = _variance(gap, half)
        what = f"variance of the difference at {len(a)} steps"
    else:
        size = np.abs(other.values[b])
        value = float(np.mean(np.abs(gap) / size))
        low = float(np.mean(np.maximum(0.0, np.abs(gap) - half) / (size + other.half[b])))
        high = float(np.mean((np.abs(gap) + half) / (size - other.half[b])))
        what = f"mean relative error at {len(a)} steps"
    alone = len(mine) + len(other) - 2 * len(a)
    note = f" ({alone} steps of one alone, or without a ratio, left out)" if alone else ""
    skipped = int((~mine.finite).sum())
    return Number(value, low, high, len(a), skipped, None, mine.at(int(a[0])), mine.at(int(a[-1])), what, note)


def _variance(gap: Floats, half: Floats) -> tuple[float, float, float]:
    """Population variance and its bounds: the standard deviation moves by at most the root mean square of ``half``."""
    spread, slack = float(np.std(gap)), float(np.sqrt(np.mean(half**2)))
    return spread**2, max(0.0, spread - slack) ** 2, (spread + slack) ** 2


def _last_of_step(curve: Curve, places: Indices) -> Indices:
    """Of several points of one step the last."""
    steps = curve.steps[places]
    return places[np.append(steps[1:] != steps[:-1], True)] if len(places) else places
