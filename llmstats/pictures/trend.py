"""The picture of trends: each series' runs in order, the level of each stretch, and where it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from llmstats.errors import InputError
from llmstats.picture import Picture
from llmstats.plot_data import ask, command, grouped, parameters_of
from llmstats.plot_style import BLANK, COLOURS, GREY, INK, Key, Words, grid, in_rows, number_axis, sheet, short

if TYPE_CHECKING:
    import duckdb
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Panels of one picture.
MOST = 6


@dataclass(slots=True)
class Panel:
    """One series: values in order, and its changes as rows of the answer (those of its stretches first to last)."""

    name: str
    about: str
    unit: str
    values: list[float]
    labels: list[str]  #: date or version of each run
    changes: list[Mapping[str, Any]]
    places: list[int]  #: of the first run after each change

    @property
    def stretches(self) -> list[tuple[int, int]]:
        bounds = [0, *self.places, len(self.values)]
        return list(pairwise(bounds))


@dataclass(slots=True)
class Trends:
    """All that the picture shows; ``more`` series with a change are not drawn."""

    by: str
    panels: list[Panel]
    more: int
    footer: list[str]


def fetch(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> Trends:
    """The series that changed most, else the longest.

    Raises:
        InputError: no series has enough runs.
    """
    text = {**parameters_of("trend"), **given}
    rows = [row for row in ask(con, "trend", given) if row["run_id"] is not None and row["verdict"] != "cannot tell"]
    if not rows:
        raise InputError(
            f"nothing to draw: no series has {2 * int(text['min_runs'])} runs with a {text['by']} (see --min-runs)"
        )
    of = grouped(rows, "series")
    values = grouped(ask(con, "trend_values", text), "series")
    changed = [key for key, mine in of.items() if mine[0]["verdict"] != "no change"]
    shown = changed or sorted(of, key=lambda key: -of[key][0]["runs"])
    panels = [_panel(of[key], values[key]) for key in shown[:MOST]]
    meant = sorted({of[key][0]["definition"] or "as the log names it" for key in shown[:MOST]})
    footer = [
        f"values: one per run; definition: {', '.join(meant)}",
        f"{len(of):,} series tested, {len(changed):,} changed; E-divisive, q ≤ {float(text['alpha']):g}"
        " after adjustment for all tests (Benjamini-Hochberg)",
        f"the same in numbers: {command('trend', given)}",
    ]
    return Trends(text["by"], panels, max(0, len(changed) - MOST), footer)


def _panel(rows: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]) -> Panel:
    first = rows[0]
    changes = [row for row in rows if row["verdict"] != "no change"]
    ids = [run["run_id"] for run in runs]
    changes = sorted(changes, key=lambda row: ids.index(row["run_id"]))
    name = f"{first['metric']} ({first['statistic']})" if first["statistic"] != "value" else first["metric"]
    machine = " ".join(str(v) for v in (first["devices"] and f"{first['devices']} x", first["device"]) if v)
    about = "; ".join(v for v in (first["model"], machine, first["workload"], first["case"]) if v)
    return Panel(
        name, about, first["unit"] or "", [run["value"] for run in runs], _labels([str(run["at"]) for run in runs]),
        changes, [ids.index(row["run_id"]) for row in changes],
    )  # fmt: skip


def _labels(places: Sequence[str]) -> list[str]:
    """Dates without their time where all have the same."""
    times = {place[10:] for place in places}
    return [place[:10] if len(times) == 1 else place[:16] for place in places]


# --------------------------------------------------------------------------- drawing


def draw(data: Trends) -> Figure:
    """One panel per series, below each other."""
    n = len(data.panels)
    figure, spec = sheet(_words(data), 2.0 * n + 0.6 * (n - 1), n, 1, hspace=0.42)
    for i, panel in enumerate(data.panels):
        axes = figure.add_subplot(spec[i, 0])
        _draw(axes, panel)
        name = f"{panel.name} (n = {len(panel.values)}) – {panel.about}"
        axes.set_title(short(name, 130), size=9.5, loc="left", color=INK, weight="bold")
        if i == n - 1:
            axes.set_xlabel(f"runs, in the order of their {data.by}")
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    from statistics import median

    axes.plot(range(len(panel.values)), panel.values, color=GREY, marker="o", markersize=3.5, linewidth=0.7)
    for start, end in panel.stretches:
        level = median(panel.values[start:end])
        axes.plot([start - 0.5, end - 0.5], [level, level], color=COLOURS[0], linewidth=2.4, solid_capstyle="butt")
    low, high = min(panel.values), max(panel.values)
    room = (high - low or abs(high) or 1) * 0.12
    axes.set_ylim(low - room, high + (6 if len(panel.changes) > 1 else 3.5) * room)
    for i, (place, row) in enumerate(zip(panel.places, panel.changes, strict=True)):
        axes.axvline(place - 0.5, color=COLOURS[1], linewidth=1.3, linestyle=(0, (4, 2)))
        right = place > 0.7 * len(panel.values)
        offset = (-4 if right else 4, -4 - 24 * (i % 2))
        axes.annotate(
            _says(row), (place - 0.5, 1.0), xycoords=("data", "axes fraction"), xytext=offset,
            textcoords="offset points", ha="right" if right else "left", va="top", size=8, color=INK,
        )  # fmt: skip
    _ticks(axes, panel)
    number_axis(axes.yaxis)
    axes.set_ylabel(panel.unit or "as logged")
    grid(axes)


def _ticks(axes: Axes, panel: Panel) -> None:
    n = len(panel.labels)
    few = max(1, min(6, n - 1))
    places = sorted({round(i * (n - 1) / few) for i in range(few + 1)})
    axes.set_xticks(places, [panel.labels[i] for i in places], size=8)
    axes.set_xlim(-0.7, n - 0.3)


def _says(row: Mapping[str, Any]) -> str:
    size = "" if row["change"] is None else f"{100 * row['change']:+.1f} %"
    if row["change_low"] is not None:
        size += f" ({100 * row['change_low']:+.1f} to {100 * row['change_high']:+.1f})"
    causes = row["causes"] or []
    return f"{size}, q = {row['q_value']:.2g}" + (f"\n{short(causes[0], 44)}" if causes else "")


def _words(data: Trends) -> Words:
    note = f"Runs in the order of their {data.by}, one series per panel: one machine, one workload, one definition."
    marks = [
        Key("one run", {"color": GREY, "marker": "o", "markersize": 4, "linewidth": 0.7}),
        Key("median of the stretch", {"color": COLOURS[0], "linewidth": 2.4}),
    ]
    if any(panel.changes for panel in data.panels):
        marks.append(Key("change, and what else changed", {"color": COLOURS[1], "linestyle": (0, (4, 2))}))
    keys = in_rows(marks, 3)
    if data.more:
        keys.append([Key(f"{data.more:,} more series changed (choose with --metric)", BLANK)])
    title = "What changed over time?" if any(p.changes for p in data.panels) else "No change found"
    return Words(title, note, keys, data.footer)


PICTURE = Picture("Values of a metric over dates or versions, with change points", ("trend",), fetch, draw, ("all",))
