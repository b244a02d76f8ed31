"""The picture of serving: output throughput and time to first token over concurrency, per case and system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmstats.picture import Picture
from llmstats.plot_data import count
from llmstats.plot_data_serving import Case, Cells, cells, fullest
from llmstats.plot_style import (
    BLANK,
    GREY,
    INK,
    Key,
    Words,
    grid,
    in_rows,
    keys_of,
    look,
    number_axis,
    plain,
    sheet,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Columns (cases of input and output length) of one picture, and systems with a key of their own.
MOST, NAMED = 4, 10


def draw(data: Cells) -> Figure:
    """Per case one column: throughput above, time to first token below."""
    cases = fullest(data.cases, _loads_of, MOST)
    names = _shown(cases)
    figure, spec = sheet(_words(data, cases, names), 5.4, 2, len(cases), hspace=0.16, wspace=0.09)
    rows: list[list[Axes]] = [[], []]
    for i, case in enumerate(cases):
        for j, row in enumerate(rows):
            row.append(figure.add_subplot(spec[j, i], sharey=row[0] if row else None))
        _speed(rows[0][-1], case, names)
        _wait(rows[1][-1], case, names)
        rows[0][-1].set_title(short(case.name, 110 // len(cases)), size=10, weight="bold", color=INK)
    _frame(rows, cases, data)
    return figure


def _loads_of(case: Case) -> int:
    return sum(len(sweep.load) + len(sweep.failed) for sweep in case.sweeps)


def _shown(cases: Sequence[Case]) -> list[str]:
    """Systems that are drawn, those with the most loads first, the first of them by name."""
    sizes: dict[str, int] = {}
    for sweep in (sweep for case in cases for sweep in case.sweeps):
        sizes[sweep.system] = sizes.get(sweep.system, 0) + len(sweep.load) + len(sweep.failed)
    ordered = sorted(sizes, key=lambda system: (-sizes[system], system))
    return [*sorted(ordered[:NAMED]), *ordered[NAMED:]]


# --------------------------------------------------------------------------- what is drawn


def _look(i: int) -> dict[str, Any]:
    return {**look(i), "markersize": 5}


def _speed(axes: Axes, case: Case, systems: Sequence[str]) -> None:
    for sweep in case.sweeps:
        style = _look(systems.index(sweep.system))
        axes.plot(sweep.load, sweep.speed, linewidth=1.8, **style)
        for x in sweep.failed:
            axes.plot(
                [x], [0], color=style["color"], clip_on=False, zorder=6, marker="x", markersize=8,
                markeredgewidth=2.2, transform=axes.get_xaxis_transform(),
            )  # fmt: skip


def _wait(axes: Axes, case: Case, systems: Sequence[str]) -> None:
    for sweep in case.sweeps:
        style = _look(systems.index(sweep.system))
        axes.plot(sweep.load, sweep.ttft_p50, linewidth=1.8, **style)
        axes.plot(sweep.load, sweep.ttft_p99, linewidth=1.2, linestyle="--", **style, markerfacecolor="white")


def _frame(rows: list[list[Axes]], cases: Sequence[Case], data: Cells) -> None:
    """Scales and names; those of y once per row."""
    for upper, lower, case in zip(*rows, cases, strict=True):
        _loads(upper, case, len(cases))
        _loads(lower, case, len(cases))
        upper.tick_params(labelbottom=False)
        lower.set_xlabel(data.load)
        for axes in (upper, lower):
            grid(axes)
            axes.tick_params(labelleft=axes is rows[0][0] or axes is rows[1][0])
    rows[0][0].set_ylim(bottom=0)
    number_axis(rows[0][0].yaxis)
    rows[0][0].set_ylabel("output tokens per second" + (" per device" if data.scope == "per device" else ""))
    rows[1][0].set_ylabel("time to first token (s)")
    if any(x > 0 for case in cases for sweep in case.sweeps for x in (*sweep.ttft_p50, *sweep.ttft_p99)):
        rows[1][0].set_yscale("log")
        number_axis(rows[1][0].yaxis, log=True)
    else:
        rows[1][0].text(0.5, 0.5, "not logged", transform=rows[1][0].transAxes, ha="center", color=GREY)


def _loads(axes: Axes, case: Case, columns: int) -> None:
    """A scale of doublings with a tick at each load that was measured."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    found = sorted({x for sweep in case.sweeps for x in (*sweep.load, *sweep.failed)})
    axes.set_xscale("log", base=2)
    axes.set_xlim(found[0] / 1.35, found[-1] * 1.35)
    axes.xaxis.set_major_locator(FixedLocator(_apart(found, 28 // columns)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(plain))


def _apart(places: Sequence[float], most: int) -> list[float]:
    """Those places whose numbers do not run into each other on a scale of doublings that has room for ``most``."""
    kept: list[float] = []
    least = (1.35**2 * places[-1] / places[0]) ** (1 / most)
    for x in places:
        if not kept or x / kept[-1] >= least:
            kept.append(x)
    return kept


# --------------------------------------------------------------------------- what is said


def _words(data: Cells, cases: Sequence[Case], names: Sequence[str]) -> Words:
    note = f"Above: throughput {data.scope}, more is better. Below: wait for the first token, less is better."
    title = "What does serving yield, and how long do users wait, as the load grows?"
    return Words(title, note, _keys(data, cases, names), data.footer)


def _keys(data: Cells, cases: Sequence[Case], names: Sequence[str]) -> list[list[Key]]:
    keys = keys_of(names, _look, NAMED)
    marks = [
        Key("median (p50)", {"color": GREY, "linewidth": 1.8}),
        Key("99th percentile (p99)", {"color": GREY, "linestyle": "--", "marker": "o", "markerfacecolor": "white"}),
    ]
    if any(sweep.failed for case in cases for sweep in case.sweeps):
        marks.append(Key("failed: no throughput", {**BLANK, "color": GREY, "marker": "x", "markeredgewidth": 2}))
    keys += in_rows(marks, 3)
    if data.placeless:
        runs = f"load not known, {count(len(data.placeless), 'run')} not drawn: {', '.join(data.placeless)}"
        keys.append([Key(runs, BLANK)])
    if len(data.cases) > len(cases):
        keys.append([Key(_left_out(data, cases, names), BLANK)])
    return keys


def _left_out(data: Cells, cases: Sequence[Case], names: Sequence[str]) -> str:
    pairs = f"{count(len(data.cases) - len(cases), 'more pair')} of lengths"
    systems = len(set(data.systems) - set(names))
    return pairs + (f" and {count(systems, 'system')}" if systems else "") + ", not drawn (choose with --pick)"


PICTURE = Picture("Throughput and time to first token over the load", ("serving",), cells, draw, ("statistic",))
