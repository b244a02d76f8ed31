"""The picture of convergence: each experiment's curve, its moving mean, and where it got below the threshold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from llmstats.picture import Picture
from llmstats.plot_data import Curve, Curves, curves
from llmstats.plot_style import BLANK, COLOURS, GREY, INK, Key, Words, grid, in_rows, named, number_axis, plain, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Experiments that get a colour and a key of their own; the others are drawn in grey.
NAMED = 10
_SPANS_DECADES = 30.0  # largest over smallest value from which a log scale tells more
_OTHERS = "#BDBDBD"
#: Of the moving means; as many as have no common factor with the number of colours.
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1)), (0, (2, 1)), (0, (4, 1, 1, 1)), (0, (1, 0.8)))


def draw(data: Curves) -> Figure:
    """One axes: curves, moving means, threshold, `min_steps`, readings, resumes and values that are no numbers."""
    figure, spec = sheet(_words(data), 4.6)
    axes = figure.add_subplot(spec[0])
    order = list(reversed(list(zip(data.curves, _styles(data.curves), strict=True))))
    order.sort(key=lambda of: of[1]["color"] != _OTHERS)  # named ones come on top
    for curve, look in order:
        _line(axes, curve, look)
    _scales(axes, data)
    _limits(axes, data)
    for curve, look in order:
        _resumes(axes, curve, look["color"])
        _not_finite(axes, curve, look["color"])
        if look["color"] != _OTHERS:
            _readings(axes, curve, data.threshold, look["color"])
    axes.set_xlabel("training step")
    axes.set_ylabel(f"{data.series} ({data.unit})" if data.unit else f"{data.series}, as logged")
    return figure


def _styles(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Colour and dashes, so that neighbours differ in both; grey for all but those that tell most."""
    named = sorted(range(len(curves)), key=lambda i: (curves[i].verdict == "cannot tell", -curves[i].last_step))[:NAMED]
    looks = [{"color": COLOURS[i % len(COLOURS)], "linestyle": _DASHES[i % len(_DASHES)]} for i in range(NAMED)]
    of_curve = dict(zip(sorted(named), looks, strict=False))
    return [of_curve.get(i, {"color": _OTHERS, "linestyle": "-"}) for i in range(len(curves))]


# --------------------------------------------------------------------------- what is drawn


def _line(axes: Axes, curve: Curve, look: dict[str, Any]) -> None:
    thin = {"color": look["color"], "linewidth": 0.6, "alpha": 0.45}
    axes.plot(curve.steps, curve.values, marker=_dot(curve.steps), **thin)
    axes.plot(curve.mean_steps, curve.means, linewidth=2.0, marker=_dot(curve.mean_steps), **look)


def _dot(steps: npt.NDArray[np.float64]) -> str | None:
    """A mark where a line would show nothing: all is at one step."""
    return "." if len(steps) and steps[0] == steps[-1] else None


def _scales(axes: Axes, data: Curves) -> None:
    finite = np.concatenate([c.values for c in data.curves] + [np.array([data.threshold])])
    finite = finite[np.isfinite(finite)]
    low, high = float(finite.min()), float(finite.max())
    log = low > 0 and high / low >= _SPANS_DECADES
    if log:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.6, high * 1.4)
    else:
        room = (high - low or abs(high) or 1) * 0.07
        axes.set_ylim(low - room, high + room)
    first, last = min(c.first_step for c in data.curves), max(c.last_step for c in data.curves)
    end = max(last, data.min_steps) if data.min_steps <= 2 * last else last
    room = max(1.0, (end - first) * 0.015)
    axes.set_xlim(first - room, end + room)
    number_axis(axes.yaxis, log=log)
    number_axis(axes.xaxis)
    grid(axes)


def _limits(axes: Axes, data: Curves) -> None:
    """The threshold, named in the right margin, and the steps that do not count, named above."""
    axes.axhline(data.threshold, color=INK, linewidth=1.2, linestyle=(0, (5, 3)), zorder=3)
    axes.annotate(
        f"threshold\n{plain(data.threshold)}", (1.01, data.threshold), xycoords=("axes fraction", "data"), va="center"
    )
    left, right = axes.get_xlim()
    if data.min_steps <= min(c.first_step for c in data.curves):
        return
    reached = data.min_steps <= right
    edge = data.min_steps if reached else right
    axes.axvspan(left, edge, color="#F4F4F4", zorder=0, linewidth=0)
    words = f"before step {data.min_steps:,} values do not count (min_steps)"
    if reached:
        axes.axvline(edge, color=GREY, linewidth=0.8, zorder=1)
    place, side = (edge, "right") if edge > (left + right) / 2 or not reached else (left, "left")
    axes.annotate(
        words if reached else f"{words}; none got there", (place, 1.0), xycoords=("data", "axes fraction"),
        xytext=(0, 4), textcoords="offset points", ha=side, size=8.5, color=GREY,
    )  # fmt: skip


def _resumes(axes: Axes, curve: Curve, colour: str) -> None:
    for step in curve.resumes:
        axes.axvline(step, color=colour, linewidth=0.9, linestyle=":", zorder=1)


def _not_finite(axes: Axes, curve: Curve, colour: str) -> None:
    """Marks on the edges: NaN and -Inf below, Inf above (just inside: a name may stand over the edge)."""
    for step, value in curve.odd:
        up = value == math.inf
        axes.plot(
            [step], [0.975 if up else 0], transform=axes.get_xaxis_transform(), color=colour, clip_on=False, zorder=6,
            marker="x" if math.isnan(value) else "^" if up else "v", markersize=7, markeredgewidth=2,
        )  # fmt: skip


def _readings(axes: Axes, curve: Curve, threshold: float, colour: str) -> None:
    touch, held, smoothed = curve.first_touch, curve.sustained, curve.smoothed
    common: dict[str, Any] = {"color": colour, "linestyle": "none", "zorder": 5}
    if touch is not None and curve.touch_value is not None:
        axes.plot([touch], [curve.touch_value], **_TOUCH, **common)
    if held is not None:
        axes.plot([held], [threshold], **_HELD, **common)
    if smoothed is not None and curve.smoothed_value is not None:
        axes.plot([smoothed], [curve.smoothed_value], **_SMOOTHED, **common)


_TOUCH: dict[str, Any] = {"marker": "o", "markersize": 7, "markerfacecolor": "white", "markeredgewidth": 1.6}
_HELD: dict[str, Any] = {"marker": ">", "markersize": 8, "markeredgecolor": "white", "markeredgewidth": 0.8}
_SMOOTHED: dict[str, Any] = {"marker": "D", "markersize": 8, "markeredgecolor": "white", "markeredgewidth": 0.8}


# --------------------------------------------------------------------------- what is said


def _words(data: Curves) -> Words:
    note = f"Thick: mean of the last {data.smooth:,} logged points, which decides. Thin: the logged values themselves."
    return Words(f"Did the training {data.series} get below {plain(data.threshold)}?", note, _keys(data), data.footer)


def _keys(data: Curves) -> list[list[Key]]:
    curves = _named(data)
    names = named([(curve.experiment, curve.device) for curve, _ in curves])
    keys = [
        [Key(_says(curve, name), {"linewidth": 2.4, **look})] for name, (curve, look) in zip(names, curves, strict=True)
    ]
    if len(data.curves) > NAMED:
        more = f"{len(data.curves) - NAMED:,} more, not named here (choose with --pick)"
        keys.append([Key(more, {"color": _OTHERS, "linewidth": 2.4})])
    keys += [[Key(words, BLANK)] for words in data.missing[:NAMED]]
    return keys + in_rows(_marks(data), 3)


def _named(data: Curves) -> list[tuple[Curve, dict[str, Any]]]:
    pairs = zip(data.curves, _styles(data.curves), strict=True)
    return [(curve, look) for curve, look in pairs if look["color"] != _OTHERS]


def _says(curve: Curve, name: str) -> str:
    verdict = f"{curve.verdict}: {curve.reason}"
    if curve.verdict == "converged":
        verdict = f"converged at step {curve.smoothed:,}"
    if not curve.resumes:
        return f"{name} – {verdict}"
    steps = ", ".join(f"{step:,}" for step in curve.resumes[:4]) + (" …" if len(curve.resumes) > 4 else "")
    redone = f" ({curve.redone:,} steps redone)" if curve.redone else ""
    return f"{name} – {verdict}; resumed at step {steps}{redone}"


def _marks(data: Curves) -> list[Key]:
    """Keys of the marks that this picture has."""
    ink: dict[str, Any] = {"color": GREY, "linestyle": "none"}
    named = [curve for curve, _ in _named(data)]
    held = Key(f"{data.sustain:,} in a row below from here", {**ink, **_HELD})
    again = Key("resumed; redone steps left out", {"color": GREY, "linestyle": ":"})
    nan = Key(f"NaN {_where(data, math.isnan)}", {**ink, "marker": "x", "markeredgewidth": 2})
    marks: list[tuple[object, Key]] = [
        (any(c.first_touch is not None for c in named), Key("first value below", {**ink, **_TOUCH})),
        (any(c.sustained is not None for c in named), held),
        (any(c.smoothed is not None for c in named), Key("mean below: converged", {**ink, **_SMOOTHED})),
        (any(c.resumes for c in data.curves), again),
        (_odd(data, math.isnan), nan),
        (_odd(data, math.isinf), Key(f"infinite {_where(data, math.isinf)}", {**ink, "marker": "^"})),
    ]
    return [key for there, key in marks if there]


def _odd(data: Curves, test: Callable[[float], bool]) -> list[int]:
    """Steps of the values that are no finite numbers, of one sort."""
    return sorted(int(step) for curve in data.curves for step, value in curve.odd if test(value))


def _where(data: Curves, test: Callable[[float], bool]) -> str:
    steps = _odd(data, test)
    if not steps:
        return ""
    return f"first at step {steps[0]:,}" if len(steps) > 1 else f"at step {steps[0]:,}"


PICTURE = Picture("Curves of the loss with the threshold and its readings", ("convergence",), curves, draw)
