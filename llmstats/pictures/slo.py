"""The picture of service levels: the share of requests that meets the limits, over the load, for each system."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmstats.errors import InputError
from llmstats.picture import Picture
from llmstats.plot_data import ask, command, count, nothing_to_draw, parameters_of
from llmstats.plot_data_serving import Panel, by_panel, case_name, fullest, system_names
from llmstats.plot_style import BLANK, GREY, INK, Key, Words, grid, in_pairs, in_rows, keys_of, look, plain, short

if TYPE_CHECKING:
    import duckdb
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Row = Mapping[str, Any]

#: Panels (cases of input and output length) of one picture, and systems with a key of their own.
MOST, NAMED = 4, 12
_LOADS = {"concurrency": "concurrent requests", "request_rate": "requests sent per second"}
_LIMITS = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "end-to-end latency"}


@dataclass(slots=True)
class Levels:
    """All that the picture shows."""

    limits: str  #: in words
    share: float
    load: str
    panels: list[Panel]
    placeless: int  #: runs whose load is not known, or is of the other kind
    footer: list[str]


def fetch(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> Levels:
    """What the picture shows.

    Raises:
        QueryError: no limit was given.
        InputError: nothing to draw.
    """
    text = {**parameters_of("slo"), **given, "all": "true"}
    rows = ask(con, "slo", text)
    if not rows:
        raise nothing_to_draw(con, text["pick"], "serving")
    return arranged(rows, text)


def arranged(rows: Sequence[Row], text: Mapping[str, str]) -> Levels:
    """Rows of ``slo`` as panels; see `fetch`.

    Raises:
        InputError: no run says its load.
    """
    told = [row for row in rows if row["low"] > 0 or row["high"] < 1]
    load = max(_LOADS, key=lambda name: sum(_placed(row, name) for row in told))
    placed = [row for row in told if _placed(row, load)]
    if not placed:
        raise InputError(
            "nothing to draw: no serving run asked for has both the times that the limits are on and a concurrency "
            "(llmstats ingest --label concurrency=8 says it for logs that do not)"
        )
    names = system_names(placed, [_definitions(row) for row in placed])
    named = [{**row, "system": name, "case": case_name(row)} for row, name in zip(placed, names, strict=True)]
    given = [f"{word} ≤ {plain(float(text[name]))} s" for name, word in _LIMITS.items() if float(text[name]) < math.inf]
    left = len(rows) - len(placed)
    return Levels(" and ".join(given), float(text["share"]), load, by_panel(named), left, _footer(placed, text))


def _placed(row: Row, load: str) -> bool:
    return bool(row["load"] == load and 0 < row[load] < math.inf)


def _definitions(row: Row) -> str:
    return " and ".join(filter(None, (row[f"{n}_definition"] for n in _LIMITS if row[f"{n}_limit"] is not None)))


def _footer(rows: Sequence[Row], text: Mapping[str, str]) -> list[str]:
    said = ", ".join(sorted({_definitions(row) for row in rows} - {""})) or "not stated"
    requests = sum(row["requests"] or 0 for row in rows if row["basis"] == "requests")
    found = f"{count(len(rows), 'run')}, {count(requests, 'request')} with a record of their own"
    return [
        f"{found}; definitions: {said}",
        f"the same in numbers: {command('slo', text)}",
    ]


# --------------------------------------------------------------------------- what is drawn


def draw(data: Levels) -> Figure:
    """One axes per case: the share that meets over the load, with its limits, and the share that was asked for."""
    panels = fullest(data.panels, _points, MOST)
    names = sorted({system for panel in panels for system in panel.systems})
    figure, places = in_pairs(_words(data, panels, names), len(panels), 3.5, hspace=0.36, wspace=0.13)
    for i, (axes, panel) in enumerate(zip(places, panels, strict=True)):
        axes.axhline(100 * data.share, color=INK, linewidth=1.0, linestyle=(0, (5, 3)))
        for j, (system, mine) in enumerate(panel.systems.items()):
            beside = 2 ** ((j - (len(panel.systems) - 1) / 2) * 0.6 / len(panel.systems))
            ordered = sorted(mine, key=lambda row: row[data.load])
            _system(axes, ordered, data.load, look(names.index(system)), beside)
        _frame(axes, panel, data, left=i % 2 == 0)
    return figure


def _points(panel: Panel) -> int:
    return sum(map(len, panel.systems.values()))


def _system(axes: Axes, rows: Sequence[Row], load: str, style: Mapping[str, Any], beside: float) -> None:
    """Counted shares are joined marks; of bounds only the span is known: a bar, beside those of other systems."""
    counted = [row for row in rows if row["basis"] == "requests"]
    shares = [100 * row["share"] for row in counted]
    for row in counted:
        axes.plot([row[load]] * 2, [100 * row["low"], 100 * row["high"]], color=style["color"], linewidth=1.0)
    axes.plot([row[load] for row in counted], shares, linewidth=1.6, markersize=5, **style)
    for row in rows:
        if row["basis"] == "bounds":
            ends = [row[load] * beside] * 2, [100 * row["low"], 100 * row["high"]]
            axes.plot(*ends, color=style["color"], linewidth=3.5, alpha=0.35, solid_capstyle="butt")
            axes.plot(*ends, linestyle="none", markersize=3.5, **style)


def _frame(axes: Axes, panel: Panel, data: Levels, *, left: bool) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_title(short(panel.name, 52), size=10, weight="bold", color=INK)
    axes.set_ylim(-3, 103)
    loads = sorted({row[data.load] for mine in panel.systems.values() for row in mine})
    axes.set_xscale("log", base=2)
    axes.set_xlim(loads[0] / 1.4, loads[-1] * 1.4)
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if len(loads) <= 8:
        axes.set_xticks(loads)
    axes.minorticks_off()
    grid(axes)
    axes.set_xlabel(_LOADS[data.load])
    if left:
        axes.set_ylabel("requests that meet the limits (%)")


# --------------------------------------------------------------------------- what is said


def _words(data: Levels, panels: Sequence[Panel], names: Sequence[str]) -> Words:
    note = (
        f"Limits: {data.limits}. Failed requests do not meet them. Dashed: the share asked for, {100 * data.share:g} %."
    )
    return Words("How many requests meet the limits, as the load grows?", note, _keys(data, panels, names), data.footer)


def _keys(data: Levels, panels: Sequence[Panel], names: Sequence[str]) -> list[list[Key]]:
    keys = keys_of(names, look, NAMED)
    bases = {row["basis"] for panel in panels for mine in panel.systems.values() for row in mine}
    marks = []
    if "requests" in bases:
        marks.append(Key("counted, with 95 % limits", {"color": GREY, "marker": "o", "linewidth": 1.6}))
    if "bounds" in bases:
        marks.append(Key("bounds from aggregates", {"color": GREY, "linewidth": 7, "alpha": 0.35}))
    keys += in_rows(marks, 3)
    if data.placeless:
        keys.append([Key(f"{count(data.placeless, 'run')} without the times or the load, not drawn", BLANK)])
    if len(data.panels) > len(panels):
        keys.append(
            [Key(f"{count(len(data.panels) - len(panels), 'more case')}, not drawn (choose with --pick)", BLANK)]
        )
    return keys


PICTURE = Picture("Share of requests that meet limits of latency, over the load", ("slo",), fetch, draw, ("all",))
