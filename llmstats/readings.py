"""A window of a curve as one number: the readings of a recipe, each with what rounding leaves of it.

What a log prints is known to half a unit of its last decimal, so that every number is an interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmstats.curves import Curve, Floats
from llmstats.recipe_types import AVERAGING, Criterion, Window

Indices = npt.NDArray[np.intp]

#: This near to a bound, relative to it, is at it: arithmetic is off in its last digits.  The macro `_short_of` agrees.
NEAR = 1e-12


def meets(kind: str, numbers: Floats, bound: float) -> npt.NDArray[np.bool_]:
    """Which numbers are ``below`` a bound, ``at_most`` it, ``above`` it or ``at_least`` it."""
    away = np.where(np.abs(numbers - bound) <= NEAR * abs(bound), 0.0, numbers - bound)
    return np.asarray({"below": away < 0, "at_most": away <= 0, "above": away > 0, "at_least": away >= 0}[kind])


class CannotTell(Exception):
    """The data do not carry the claim; the text says why."""


class Diverged(Exception):
    """The curve ends in a value that is no finite number: no bound is needed to say no."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number, the interval that rounding leaves, and what it rests on."""

    value: float
    low: float
    high: float
    points: int
    non_finite: int = 0
    step: int | None = None
    first_at: str | None = None
    last_at: str | None = None
    what: str = ""  #: in words: ``mean of 50 points``
    note: str = ""


def within(curve: Curve, window: Window) -> Indices:
    """Indices of the points of a window.

    Raises:
        CannotTell: hours are asked for and no clock was logged.
    """
    inside = np.ones(len(curve), dtype=bool)
    if window.from_step is not None:
        inside &= curve.steps >= window.from_step
    if window.to_step is not None:
        inside &= curve.steps <= window.to_step
    if window.from_hours is not None or window.to_hours is not None:
        if not np.isfinite(curve.hours).all():
            raise CannotTell("the log has no clock, so that hours cannot be told")
        inside &= curve.hours >= (window.from_hours or 0.0)
        inside &= curve.hours <= (math.inf if window.to_hours is None else window.to_hours)
    places = np.flatnonzero(inside)
    return places[window.drop_first : max(0, len(places) - window.drop_last)]


def span(window: Window) -> str:
    parts = [f"from step {window.from_step}" if window.from_step is not None else ""]
    parts += [f"to step {window.to_step}" if window.to_step is not None else ""]
    parts += [f"from hour {window.from_hours:g}" if window.from_hours is not None else ""]
    parts += [f"to hour {window.to_hours:g}" if window.to_hours is not None else ""]
    parts += [f"without {window.drop_first} at the start" if window.drop_first else ""]
    parts += [f"without {window.drop_last} at the end" if window.drop_last else ""]
    return " ".join(part for part in parts if part)


def read(curve: Curve, criterion: Criterion) -> Number:
    """The number that the criterion's reading gives.

    Raises:
        CannotTell: too few points.
        Diverged: see `refuse_odd_end`.
    """
    window = criterion.window
    places = within(curve, window)
    refuse_odd_end(curve, places, criterion)
    if not len(places):
        last = int(curve.steps[-1])
        raise CannotTell(f"no value {span(window)}; the last one is of step {last}".replace("  ", " "))
    return _READ[criterion.reading](curve, places, criterion)


def refuse_odd_end(curve: Curve, places: Indices, criterion: Criterion) -> None:
    """A mean or a median that is only measured leaves out what is no number; all else must end in one.

    Raises:
        Diverged: the curve, or the window where it has an end, ends in a value that is no finite number.
    """
    window = criterion.window
    if criterion.bound is None and criterion.reading in AVERAGING:
        return
    closed = window.to_step is not None or window.to_hours is not None
    last = places[-1:] if closed else np.array([len(curve) - 1])
    odd = last[~curve.finite[last]]
    if len(odd):
        raise Diverged(f"ends with {curve.values[odd[0]]} at step {curve.steps[odd[0]]}")


def _number(curve: Curve, places: Indices, used: Indices, value: float, half: float, what: str, step: bool) -> Number:
    """A number that rests on the points ``used``, of the window ``places``."""
    return Number(
        value, value - half, value + half, int(curve.finite[places].sum()), int((~curve.finite[places]).sum()),
        int(curve.steps[used[-1]]) if step else None, curve.at(int(used[0])), curve.at(int(used[-1])), what,
    )  # fmt: skip


def _final(curve: Curve, places: Indices, _: Criterion) -> Number:
    last = places[-1:]
    if not curve.finite[last[0]]:
        raise Diverged(f"{curve.values[last[0]]} at step {curve.steps[last[0]]}")
    return _number(curve, places, last, float(curve.values[last[0]]), float(curve.half[last[0]]), "last value", True)


def _finite(curve: Curve, places: Indices, least: int, of: str) -> Indices:
    finite = places[curve.finite[places]]
    if len(finite) < least:
        raise CannotTell(f"has {len(finite)} of the {least} points {of}")
    return finite


def _mean(curve: Curve, places: Indices, criterion: Criterion) -> Number:
    used = _finite(curve, places, max(1, criterion.min_points), "of the mean")
    value, half = float(curve.values[used].mean()), float(curve.half[used].mean())
    return _number(curve, places, used, value, half, f"mean of {len(used)} points", False)


def _median(curve: Curve, places: Indices, criterion: Criterion) -> Number:
    used = _finite(curve, places, max(1, criterion.min_points), "of the median")
    value, half = float(np.median(curve.values[used])), float(curve.half[used].max())
    return _number(curve, places, used, value, half, f"median of {len(used)} points", False)


def _mean_of_last(curve: Curve, places: Indices, criterion: Criterion) -> Number:
    used = places[-criterion.points :]
    if len(used) < criterion.points:
        raise CannotTell(f"has {len(used)} of the {criterion.points} points of the mean")
    if not curve.finite[used].all():
        odd = used[~curve.finite[used]][0]
        raise Diverged(f"{curve.values[odd]} at step {curve.steps[odd]}, among the last {criterion.points} points")
    value, half = float(curve.values[used].mean()), float(curve.half[used].mean())
    return _number(curve, places, used, value, half, f"mean of the last {len(used)} points", True)


def _sign(criterion: Criterion) -> int:
    """1 where low values are good, -1 where high ones are."""
    return -1 if criterion.bound and criterion.bound[0] in ("above", "at_least") else 1


def _chosen(criterion: Criterion, values: Floats, half: Floats) -> tuple[int, str]:
    """The first value that surely meets the bound, else the best one, which of a comparison is always taken."""
    sign = _sign(criterion)
    kind, bound = criterion.bound or ("below", math.nan)
    fits = meets(kind, values + sign * half, bound)
    if criterion.compare == "value" and fits.any():
        return int(np.argmax(fits)), "first"
    return int(np.argmin(sign * values)), "lowest" if sign > 0 else "highest"


def _touch(curve: Curve, places: Indices, criterion: Criterion) -> Number:
    used = _finite(curve, places, 1, "of the window")
    values, half = curve.values[used], curve.half[used]
    i, which = _chosen(criterion, values, half)
    return _number(curve, places, used[i : i + 1], float(values[i]), float(half[i]), f"{which} value", True)


def _smoothed(curve: Curve, places: Indices, criterion: Criterion) -> Number:
    """Means of the last `points` finite points, at the points of the window; they may reach back before it."""
    n, window = criterion.points, criterion.window
    begin = places[0] if window.drop_first else 0
    finite = np.flatnonzero(curve.finite)
    finite = finite[(finite >= begin) & (finite <= places[-1])]
    if len(finite) < n:
        raise CannotTell(f"has {len(finite)} of the {n} points of a mean")
    means, halves = (np.convolve(y[finite], np.ones(n), "valid") / n for y in (curve.values, curve.half))
    anchored = np.flatnonzero(finite[n - 1 :] >= places[0])
    if not len(anchored):
        raise CannotTell(f"no mean of {n} points ends {span(window)}")
    found, which = _chosen(criterion, means[anchored], halves[anchored])
    i = int(anchored[found])
    what = f"{which} mean of {n} points"
    return _number(curve, places, finite[i : i + n], float(means[i]), float(halves[i]), what, True)


def _sustained(curve: Curve, places: Indices, criterion: Criterion) -> Number:
    """The worst of each `points` points in a row; one that is no finite number breaks the row."""
    n, sign = criterion.points, _sign(criterion)
    if len(places) < n:
        raise CannotTell(f"has {len(places)} of the {n} points in a row")
    values = np.where(curve.finite[places], sign * curve.values[places], np.inf)
    rows = np.lib.stride_tricks.sliding_window_view(values, n)
    worst = sign * rows.max(axis=1)
    halves = np.lib.stride_tricks.sliding_window_view(curve.half[places], n).max(axis=1)
    i, which = _chosen(criterion, worst, halves)
    if not math.isfinite(worst[i]):
        raise CannotTell(f"no {n} finite points in a row")
    end = "highest" if sign > 0 else "lowest"
    what = f"{end} of {n} points in a row" if which == "first" else f"{which} {end} of {n} points in a row"
    return _number(curve, places, places[i : i + n], float(worst[i]), float(halves[i]), what, True)


_READ: Mapping[str, Callable[[Curve, Indices, Criterion], Number]] = {
    "final": _final,
    "touch": _touch,
    "sustained": _sustained,
    "smoothed": _smoothed,
    "mean": _mean,
    "median": _median,
    "mean_of_last": _mean_of_last,
}
