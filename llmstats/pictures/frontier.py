"""The picture of frontiers: what each system yields at each interactivity or latency, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmstats.errors import InputError
from llmstats.picture import Picture
from llmstats.plot_data import ask, command, count, nothing_to_draw, parameters_of
from llmstats.plot_data_serving import Panel, by_panel, case_name, fullest, scope_words, system_names
from llmstats.plot_style import (
    BLANK,
    COLOURS,
    GREY,
    INK,
    Key,
    Words,
    grid,
    in_pairs,
    in_rows,
    keys_of,
    look,
    number_axis,
    short,
)

if TYPE_CHECKING:
    import duckdb
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Row = Mapping[str, Any]

#: Panels (cases of input and output length) of one picture, and systems with a key of their own.
MOST, NAMED = 4, 12
_X = {
    "interactivity": "interactivity: tokens per second per user",
    "tpot": "time per output token (s)",
    "ttft": "time to first token (s)",
    "e2e": "end-to-end latency (s)",
}


@dataclass(slots=True)
class Frontiers:
    """All that the picture shows."""

    against: str
    statistic: str
    y: str  #: what the throughput is, in words
    panels: list[Panel]
    without: int  #: systems that have no point
    footer: list[str]


def fetch(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> Frontiers:
    """What the picture shows.

    Raises:
        InputError: nothing to draw.
    """
    text = {**parameters_of("frontier"), **given, "all": "true"}
    rows = ask(con, "frontier", text)
    points = [row for row in rows if row["reason"] is None]
    if not points:
        raise _nothing(con, rows, text)
    return arranged(points, len(rows) - len(points), text)


def arranged(points: Sequence[Row], without: int, text: Mapping[str, str]) -> Frontiers:
    """Rows of ``frontier`` as panels; see `fetch`."""
    definitions = [" and ".join(filter(None, (r["throughput_definition"], r["value_definition"]))) for r in points]
    names = system_names(points, definitions)
    scopes = {row["per"] for row in points}
    placed = [
        {**row, "system": name, "case": case_name(row) + (_scope(row["per"]) if len(scopes) > 1 else "")}
        for row, name in zip(points, names, strict=True)
    ]
    y = f"{text['tokens']} tokens per second{scope_words(points)}"
    footer = _footer(points, definitions, text)
    return Frontiers(text["against"], text["statistic"], y, by_panel(placed), without, footer)


def _scope(per: str) -> str:
    return ", per device" if per == "device" else ", whole system"


def _nothing(con: duckdb.DuckDBPyConnection, rows: Sequence[Row], text: Mapping[str, str]) -> InputError:
    if rows:
        return InputError(f"nothing to draw: {rows[0]['reason'].removeprefix('cannot tell: ')}; see --against")
    return nothing_to_draw(con, text["pick"], "serving")


def _footer(points: Sequence[Row], definitions: Sequence[str], text: Mapping[str, str]) -> list[str]:
    runs, repeated = sum(row["runs"] for row in points), sum(row["low"] is not None for row in points)
    said = "; ".join(sorted({d for d in definitions if d})) or "not stated"
    found = f"{count(len(points), 'point')} of {count(runs, 'run')}, {repeated:,} with 3 or more repeats"
    return [
        f"{found}; definitions: {said}",
        f"the same in numbers: {command('frontier', text)}",
    ]


# --------------------------------------------------------------------------- what is drawn


def draw(data: Frontiers) -> Figure:
    """One axes per case: the frontier of each system as a line, its beaten points pale, its band shaded."""
    panels = fullest(data.panels, _fullness, MOST)
    names = sorted({system for panel in panels for system in panel.systems})
    figure, places = in_pairs(_words(data, panels, names), len(panels), 3.9, hspace=0.34, wspace=0.16)
    for i, (axes, panel) in enumerate(zip(places, panels, strict=True)):
        for system, points in panel.systems.items():
            _system(axes, points, _look(names.index(system)), less=data.against != "interactivity")
        _frame(axes, panel, data, left=i % 2 == 0)
    return figure


def _fullness(panel: Panel) -> tuple[bool, int, int]:
    """Those with the most lines, then points; those of unknown lengths only where there is room."""
    sizes = [len(points) for points in panel.systems.values()]
    return not panel.name.startswith("lengths not known"), sum(size > 1 for size in sizes), sum(sizes)


def _look(i: int) -> dict[str, Any]:
    return {**look(i), "linestyle": "-" if i < len(COLOURS) else "--"}


def _system(axes: Axes, points: Sequence[Row], style: Mapping[str, Any], *, less: bool) -> None:
    on = [p for p in points if p["on_frontier"]]
    beaten = [p for p in points if not p["on_frontier"]]
    colour = style["color"]
    if any(p["low"] is not None for p in on):
        _band(axes, on, colour, less=less)
    axes.plot(
        [p["value"] for p in beaten], [p["throughput"] for p in beaten], linestyle="none", marker=style["marker"],
        markersize=4, markerfacecolor="white", markeredgecolor=colour, alpha=0.55,
    )  # fmt: skip
    axes.plot([p["value"] for p in on], [p["throughput"] for p in on], linewidth=1.8, markersize=5.5, **style)


def _band(axes: Axes, on: Sequence[Row], colour: str, *, less: bool) -> None:
    """Between the frontier of all worst limits and that of all best ones; a point measured once has no width."""
    ends = [(p["value_low"] or p["value"], p["value_high"] or p["value"]) for p in on]
    worst = [(high if less else low, p["low"] or p["throughput"]) for p, (low, high) in zip(on, ends, strict=True)]
    best = [(low if less else high, p["high"] or p["throughput"]) for p, (low, high) in zip(on, ends, strict=True)]
    axes.fill(*zip(*worst, *reversed(best), strict=True), color=colour, alpha=0.18, linewidth=0)
    for p, (low, high) in zip(on, ends, strict=True):
        axes.plot([low, high], [p["throughput"]] * 2, color=colour, linewidth=0.8)
        heights = [p["low"] or p["throughput"], p["high"] or p["throughput"]]
        axes.plot([p["value"]] * 2, heights, color=colour, linewidth=0.8)


def _frame(axes: Axes, panel: Panel, data: Frontiers, *, left: bool) -> None:
    axes.set_title(short(panel.name, 52), size=10, weight="bold", color=INK)
    points = [p for mine in panel.systems.values() for p in mine]
    axes.set_ylim(0, 1.08 * max(p["high"] or p["throughput"] for p in points))
    values = [p["value"] for p in points]
    if max(values) > 10 * min(values) > 0:
        axes.set_xscale("log")
        number_axis(axes.xaxis, log=True)
    else:
        axes.set_xlim(0, 1.06 * max(p["value_high"] or p["value"] for p in points))
        number_axis(axes.xaxis)
    number_axis(axes.yaxis)
    grid(axes)
    axes.grid(True, axis="x", linewidth=0.8)
    axes.set_xlabel(f"{_X[data.against]}, {data.statistic}")
    if left:
        axes.set_ylabel(data.y)


# --------------------------------------------------------------------------- what is said


def _words(data: Frontiers, panels: Sequence[Panel], names: Sequence[str]) -> Words:
    corner = "right" if data.against == "interactivity" else "left"
    note = (
        f"Better is up and to the {corner}. A line joins what nothing of its system beats; no line joins two systems."
    )
    title = f"What does each system yield at each {'interactivity' if corner == 'right' else 'latency'}?"
    return Words(title, note, _keys(data, panels, names), data.footer)


def _keys(data: Frontiers, panels: Sequence[Panel], names: Sequence[str]) -> list[list[Key]]:
    keys = keys_of(names, _look, NAMED)
    points = [p for panel in panels for mine in panel.systems.values() for p in mine]
    marks = []
    if not all(p["on_frontier"] for p in points):
        hollow = {"marker": "o", "markerfacecolor": "white", "markeredgecolor": GREY, "markersize": 4}
        marks.append(Key("beaten by another point", {**BLANK, **hollow}))
    if any(p["low"] is not None for p in points):
        marks.append(Key("95 % band of repeats", {"color": GREY, "linewidth": 7, "alpha": 0.3}))
    keys += in_rows(marks, 3)
    if data.without:
        keys.append([Key(f"{count(data.without, 'system')} without a point (see the numbers for the reasons)", BLANK)])
    if len(data.panels) > len(panels):
        more = count(len(data.panels) - len(panels), "more case")
        keys.append([Key(f"{more}, not drawn (choose with --pick)", BLANK)])
    return keys


PICTURE = Picture("Throughput against interactivity or latency, by system", ("frontier",), fetch, draw, ("all",))
