"""The picture of serving over lengths: a table of cells, input by output length, for each system side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmstats.errors import InputError
from llmstats.picture import Picture
from llmstats.plot_data import ask, command, count, nothing_to_draw, parameters_of
from llmstats.plot_data_serving import scope_words, system_names
from llmstats.plot_style import BLANK, GREY, INK, Key, Words, plain, sheet, short

if TYPE_CHECKING:
    import duckdb
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    Row = Mapping[str, Any]

#: Systems of one picture.
MOST = 4
#: From the largest to the smallest value by which a scale of colours is logarithmic.
_DECADE = 10.0
_COLOURS = "cividis"


@dataclass(slots=True)
class Table:
    """One system: values by (input length, output length); NaN where it failed."""

    system: str
    speed: dict[tuple[float, float], float]  #: tokens per second
    ttft: dict[tuple[float, float], float]  #: seconds


@dataclass(slots=True)
class Tables:
    """All that the picture shows."""

    load: float
    statistic: str
    speed: str  #: what the throughput is, in words
    tables: list[Table]
    footer: list[str]
    several: int  #: cells that several rows are about, of which the fastest is shown


def fetch(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> Tables:
    """What the picture shows.

    Raises:
        InputError: nothing to draw.
    """
    text = {**parameters_of("lengths"), **given}
    rows = ask(con, "lengths", given)
    if any(row["throughput"] is not None for row in rows):
        return arranged(rows, text)
    if con.execute("SELECT 1 FROM runs r WHERE r.kind = 'serving' LIMIT 1").fetchall() and "*" in text["pick"]:
        load = "" if text["concurrency"] == "NULL" else f" at concurrency {text['concurrency']}"
        raise InputError(
            f"nothing to draw: no serving run asked for states its throughput, both lengths and its concurrency{load} "
            "(llmstats ingest --label input_len=1024 says it for logs that do not)"
        )
    raise nothing_to_draw(con, text["pick"], "serving")


def arranged(rows: Sequence[Row], text: Mapping[str, str]) -> Tables:
    """Rows of ``lengths`` as tables, those with the most cells first; see `fetch`.

    Of several measurements that are no repeats the fastest is shown, in both of its values.
    """
    names = system_names(rows, [row["throughput_definition"] or "" for row in rows])
    tables: dict[str, Table] = {}
    several: set[Any] = set()
    for name, row in sorted(zip(names, rows, strict=True), key=lambda named: -(named[1]["throughput"] or 0)):
        table = tables.setdefault(name, Table(name, {}, {}))
        place = row["input_len"], row["output_len"]
        if place in table.speed:
            several.add((name, place))
            continue
        table.speed[place] = math.nan if row["throughput"] is None else row["throughput"]
        table.ttft[place] = math.nan if row["ttft"] is None else row["ttft"]
    ordered = sorted(tables.values(), key=lambda table: (-len(table.speed), table.system))
    speed = f"{text['tokens']} tokens per second{scope_words(rows)}"
    return Tables(rows[0]["concurrency"], text["statistic"], speed, ordered, _footer(rows, text), len(several))


def _footer(rows: Sequence[Row], text: Mapping[str, str]) -> list[str]:
    keys = ("throughput_definition", "ttft_definition")
    said = ", ".join(sorted({row[k] for row in rows for k in keys if row[k]})) or "not stated"
    return [
        f"{count(sum(row['runs'] for row in rows), 'run')}, median of repeats; definitions: {said}",
        f"the same in numbers: {command('lengths', text)}",
    ]


# --------------------------------------------------------------------------- what is drawn


def draw(data: Tables) -> Figure:
    """Per system one column: throughput above, time to first token below; one scale of colours per row."""
    shown = data.tables[:MOST]
    inputs, outputs = _axes(shown)
    height = 2 * max(1.1, 0.34 * len(inputs)) + 1.0
    figure, spec = sheet(_words(data, shown), height, 2, len(shown), hspace=0.75 / (height / 2), wspace=0.1)
    for i, (name, values) in enumerate(_rows(shown)):
        scale = _scale([v for mine in values for v in mine.values()])
        for j, mine in enumerate(values):
            axes = figure.add_subplot(spec[i, j])
            _table(axes, mine, inputs, outputs, scale, 9.0 if len(shown) * len(outputs) <= 16 else 6.5)
            axes.set_title(f"{chr(ord('A') + j)}: {name}", size=10, weight="bold", color=INK)
            axes.tick_params(labelleft=j == 0)
            if j == 0:
                axes.set_ylabel("input tokens")
            if i == 1:
                axes.set_xlabel("output tokens")
    return figure


def _axes(shown: Sequence[Table]) -> tuple[list[float], list[float]]:
    """All input and all output lengths, ascending."""
    inputs, outputs = (sorted({place[i] for table in shown for place in table.speed}) for i in (0, 1))
    return inputs, outputs


def _rows(shown: Sequence[Table]) -> list[tuple[str, list[dict[tuple[float, float], float]]]]:
    return [("tokens/s", [t.speed for t in shown]), ("TTFT (s)", [t.ttft for t in shown])]


def _scale(values: Sequence[float]) -> Normalize | None:
    """Colours from the smallest to the largest value; None where nothing is known."""
    from matplotlib.colors import LogNorm, Normalize

    known = [v for v in values if math.isfinite(v)]
    if not known:
        return None
    low, high = min(known), max(known)
    if low == high:
        low, high = low - 1, high + 1
    return LogNorm(low, high) if low > 0 and high / low > _DECADE else Normalize(low, high)


def _table(
    axes: Axes, values: Mapping[tuple[float, float], float], inputs: Sequence[float], outputs: Sequence[float],
    scale: Normalize | None, size: float,
) -> None:  # fmt: skip
    """Cells with their numbers, on a colour; hatched where nothing was measured, a cross where it failed."""
    for i, length in enumerate(inputs):
        for j, output in enumerate(outputs):
            _cell(axes, (j, i), values.get((length, output)), scale, size)
    axes.set_xlim(-0.5, len(outputs) - 0.5)
    axes.set_ylim(len(inputs) - 0.5, -0.5)
    axes.set_xticks(range(len(outputs)), [plain(x) for x in outputs])
    axes.set_yticks(range(len(inputs)), [plain(x) for x in inputs])
    axes.tick_params(length=0, labelsize=8)
    for side in axes.spines.values():
        side.set_visible(False)


def _cell(axes: Axes, at: tuple[int, int], value: float | None, scale: Normalize | None, size: float) -> None:
    import matplotlib as mpl
    from matplotlib.patches import Rectangle

    corner = at[0] - 0.47, at[1] - 0.47
    if value is None or not math.isfinite(value) or scale is None:
        axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor="white", edgecolor="#D0D0D0", hatch="////", linewidth=0))
        if value is not None:
            axes.text(*at, "×", ha="center", va="center", color=GREY, size=size)
        return
    colour = mpl.colormaps[_COLOURS](scale(value))
    axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=colour, linewidth=0))
    dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] < 0.5
    axes.text(*at, _brief(value), ha="center", va="center", color="white" if dark else INK, size=size)


def _brief(value: float) -> str:
    """A number of at most five characters: ``1,234``, ``12.3k``, ``0.052``."""
    if value >= 9999.5:
        return f"{value / 1000:.3g}k" if value < 999_500 else f"{value / 1e6:.3g}M"
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.3g}"


# --------------------------------------------------------------------------- what is said


def _words(data: Tables, shown: Sequence[Table]) -> Words:
    note = (
        f"Above: {data.speed}, brighter is faster. Below: time to first token (s, {data.statistic}), darker is faster."
    )
    keys = [[Key(short(f"{chr(ord('A') + i)}  {table.system}", 120), BLANK)] for i, table in enumerate(shown)]
    inputs, outputs = _axes(shown)
    if any(len(table.speed) < len(inputs) * len(outputs) for table in shown):
        keys.append([Key("hatched: not measured", BLANK)])
    if any(math.isnan(v) for table in shown for v in table.speed.values()):
        keys.append([Key("×  failed", BLANK)])
    if data.several:
        several = f"{count(data.several, 'cell')} with several measurements that are no repeats: the fastest is shown"
        keys.append([Key(several, BLANK)])
    if len(data.tables) > len(shown):
        keys.append(
            [Key(f"{count(len(data.tables) - len(shown), 'more system')}, not drawn (choose with --pick)", BLANK)]
        )
    title = f"What does serving yield over the lengths, at {plain(data.load)} concurrent requests?"
    return Words(title, note, keys, data.footer)


PICTURE = Picture("Throughput and time to first token over input and output length", ("lengths",), fetch, draw)
