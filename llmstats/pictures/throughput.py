"""The picture of training speed: one panel per experiment, its runs over their steps, drops shaded by cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from llmstats.picture import Picture
from llmstats.plot_data_speed import Panel, Speed, Trends, trends
from llmstats.plot_style import (
    BLANK,
    COLOURS,
    GREY,
    INK,
    Key,
    Words,
    grid,
    in_rows,
    named,
    number_axis,
    plain,
    sheet,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Panels of one picture.
MOST = 6
#: Characters of the title of a panel.
_TITLE = 104
#: Shades of the causes of a drop, each clearly darker than the one before.
_SHADES = {"not known": "#E4E4E4", "data wait": "#F2CC60", "fewer tokens": "#8DB9DD", "compute": "#BF7099"}
#: Dashes of the attempts, in turn.
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1)))
_SAYS = {
    "data wait": "slow: waiting for data",
    "compute": "slow: computing",
    "fewer tokens": "slow: fewer tokens per step",
    "not known": "slow: cause not known",
}


def draw(data: Trends) -> Figure:
    """One axes per experiment, one below the other, with a common axis of steps."""
    panels = _longest(data.panels)
    figure, spec = sheet(_words(data), 0.35 + 2.25 * len(panels), len(panels), hspace=0.28)
    top = max(_highest(p) for p in panels)
    ends = min(r.first[0] for p in panels for r in p.runs), max(r.last[-1] for p in panels for r in p.runs)
    alike = len({p.unit for p in panels}) == 1
    names = named([(p.experiment, p.device) for p in panels])
    for i, (panel, name) in enumerate(zip(panels, names, strict=True)):
        axes = figure.add_subplot(spec[i])
        _panel(axes, panel, ends)
        axes.set_title(_says(panel, name), loc="left", size=10, weight="bold", color=INK)
        axes.set_ylim(0, (top if alike else _highest(panel)) * 1.12)
        _name_medians(axes, panel.runs)
        if i == len(panels) - 1:
            axes.set_xlabel("training step")
        else:
            axes.tick_params(labelbottom=False)
    return figure


def _longest(panels: Sequence[Panel]) -> list[Panel]:
    """Where there are too many, those with most steps, in the order in which they came."""
    steps = [sum(run.last[-1] - run.first[0] for run in p.runs) for p in panels]
    chosen = sorted(range(len(panels)), key=lambda i: -steps[i])[:MOST]
    return [panels[i] for i in sorted(chosen)]


def _highest(panel: Panel) -> float:
    return max(max(float(run.speed.max()), run.median) for run in panel.runs)


# --------------------------------------------------------------------------- what is drawn


def _panel(axes: Axes, panel: Panel, ends: tuple[float, float]) -> None:
    room = max(1.0, (ends[1] - ends[0]) * 0.015)
    axes.set_xlim(ends[0] - room, ends[1] + room)
    for i, run in enumerate(panel.runs):
        _run(axes, run, i)
    number_axis(axes.xaxis)
    number_axis(axes.yaxis)
    grid(axes)
    axes.set_ylabel(panel.unit)


def _run(axes: Axes, run: Speed, attempt: int) -> None:
    """Windows as steps of a stair, so that each stands over the steps that it is the mean of."""
    colour = COLOURS[attempt % len(COLOURS)]
    low, high = axes.get_xlim()
    for first, last, _, cause in run.drops:
        room = max(0.5, (high - low) / 1200 - (last - first) / 2)  # a single step of many is seen too
        axes.axvspan(first - room, last + room, color=_SHADES.get(cause, _SHADES["not known"]), linewidth=0, zorder=0)
    edges = np.concatenate([run.first[:1], (run.last[:-1] + run.first[1:]) / 2, run.last[-1:]])
    if edges[0] == edges[-1]:  # one record
        edges = edges + np.linspace(-0.5, 0.5, len(edges))
    axes.stairs(run.speed, edges, baseline=None, linewidth=1.8, **_look(attempt))
    axes.plot([edges[0], edges[-1]], [run.median] * 2, color=colour, linewidth=0.9, linestyle=(0, (5, 3)))
    if attempt:
        axes.axvline(run.first[0], color=GREY, linewidth=0.9, linestyle=":", zorder=1)


def _look(attempt: int) -> dict[str, Any]:
    return {"color": COLOURS[attempt % len(COLOURS)], "linestyle": _DASHES[attempt % len(_DASHES)]}


def _name_medians(axes: Axes, runs: Sequence[Speed]) -> None:
    """In the right margin, the last run first; one stands for all that lie closer than two lines of text."""
    named: list[float] = []
    for run in reversed(runs):
        if all(abs(run.median - other) > 0.25 * axes.get_ylim()[1] for other in named):
            named.append(run.median)
            words = f"median\n{plain(_rounded(run.median))}"
            axes.annotate(words, (1.01, run.median), xycoords=("axes fraction", "data"), va="center")


def _rounded(value: float) -> float:
    return float(f"{value:.3g}") if value < 1000 else round(value)


# --------------------------------------------------------------------------- what is said


def _words(data: Trends) -> Words:
    each = f"Mean over each {data.every:,} steps" if data.every > 1 else "The speed of each step"
    note = f"{each}. Shaded: slower than {plain(data.drop)} times the run's median."
    return Words("How steady was the training speed?", note, _keys(data), data.footer)


def _says(panel: Panel, name: str) -> str:
    drops = [(first, last, ratio) for run in panel.runs for first, last, ratio, _ in run.drops]
    if not drops:
        return short(f"{name} – steady", _TITLE)
    first, last, ratio = min(drops, key=lambda d: d[2])
    count = f"{len(drops)} drops, the worst" if len(drops) > 1 else "1 drop,"
    where = f"steps {first:,}–{last:,}" if last > first else f"step {first:,}"
    tail = f" – {count} to {ratio:.0%} at {where}"
    return short(name, _TITLE - len(tail)) + tail


def _keys(data: Trends) -> list[list[Key]]:
    panels = _longest(data.panels)
    attempts = max(len(p.runs) for p in panels)
    causes = {cause for p in panels for run in p.runs for *_, cause in run.drops}
    keys = [
        Key(f"attempt {i + 1}" if attempts > 1 else "speed", {"linewidth": 2, **_look(i)})
        for i in range(min(attempts, 6))
    ]
    if attempts > 1:
        keys.append(Key("resumed", {"color": GREY, "linestyle": ":"}))
    keys.append(Key("median", {"color": GREY, "linewidth": 0.9, "linestyle": (0, (5, 3))}))
    shades = [Key(says, {"linewidth": 9, "color": _SHADES[cause]}) for cause, says in _SAYS.items() if cause in causes]
    rows = in_rows(keys, 4) + in_rows(shades, 4)
    if len(data.panels) > MOST:
        more = f"{len(data.panels) - MOST:,} more experiments are not drawn (choose with --pick)"
        rows.append([Key(more, BLANK)])
    return rows


PICTURE = Picture(
    "Speed of each training over its steps, with its drops", ("throughput_trend", "throughput_drops"), trends, draw
)
