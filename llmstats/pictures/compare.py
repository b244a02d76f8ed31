"""The picture of a comparison: each device's speed as a multiple of the baseline's, by model and configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmstats import catalog
from llmstats.errors import InputError
from llmstats.picture import Picture
from llmstats.plot_data import ask, command, count, parameters_of
from llmstats.plot_style import BLANK, COLOURS, INK, Key, Words, in_rows, number_axis, sheet, short

if TYPE_CHECKING:
    import duckdb
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Row = Mapping[str, Any]

#: Bars of one picture; means are drawn in any case.
MOST = 40
_HATCHES = ("", "///", "...", "\\\\\\", "xx", "ooo", "--")
_BAR, _HEAD = 1.0, 1.25  # heights of a bar's row and of a heading's, in rows
_INCHES = 0.205  # of a row
_MEAN = "geometric mean"


@dataclass(frozen=True, slots=True)
class Bar:
    """One device and configuration; ``n`` repeats against ``of`` of the baseline (None: a mean over pairs)."""

    device: str
    parts: tuple[str | None, ...]  #: of the configuration: precision, layout, devices, case
    value: float
    low: float | None
    high: float | None
    n: int
    of: int | None
    caveats: bool


@dataclass(slots=True)
class Block:
    """Bars of one kind and model against one baseline device."""

    kind: str
    model: str
    baseline: str
    bars: list[Bar] = field(default_factory=list)

    @property
    def common(self) -> tuple[str, ...]:
        """What all bars share of their configurations stands in the heading, all but the case."""
        first, *others = (bar.parts for bar in self.bars)
        return tuple(part for part in first[:-1] if part and all(part in parts for parts in others))

    @property
    def title(self) -> str:
        return f"{self.kind}: {', '.join((self.model, *self.common))}, against {self.baseline}"

    def label(self, bar: Bar) -> str:
        return ", ".join((bar.device, *(part for part in bar.parts if part and part not in self.common)))


@dataclass(slots=True)
class Bars:
    """All that is drawn and said."""

    blocks: list[Block]
    metric: str
    less_is_better: bool
    not_comparable: int
    silent: int  #: configurations without a value, or that nothing is compared with
    left_out: int
    footer: list[str]

    @property
    def baselines(self) -> list[str]:
        return list(dict.fromkeys(block.baseline for block in self.blocks))


# --------------------------------------------------------------------------- what is asked


def fetch(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> Bars:
    """The rows of `compare` as blocks of bars.

    Raises:
        InputError: nothing is comparable.
    """
    text = parameters_of("compare") | dict(given)
    rows = ask(con, "compare", {**given, "detail": "true"})
    blocks = _blocks(rows)
    lacking = [r["reason"] for r in rows if r["relative"] is None]
    if not blocks:
        why = f" ({Counter(lacking).most_common(1)[0][0]})" if lacking else ""
        raise InputError(f"nothing to draw: no two devices are comparable{why}; llmstats query compare says more")
    shown, left_out = _as_many(blocks)
    metric = text["metric"]
    known = catalog.metrics().get(metric)
    compared = [r for r in rows if r["relative"] is not None and r["comparability"] != "baseline"]
    return Bars(
        shown,
        "speed" if metric == "auto" else metric,
        known is not None and known.direction == "lower",
        sum(r["value"] is not None for r in rows if r["relative"] is None),
        sum(r["value"] is None for r in rows if r["relative"] is None),
        left_out,
        [*_said(compared), f"the same in numbers: {command('compare', {**text, 'detail': 'true'})}"],
    )


def _said(rows: Sequence[Row]) -> list[str]:
    """Definitions of what is compared, and how its intervals were made."""
    pairs = [r for r in rows if r["model"] != _MEAN]
    definitions = sorted({f"{r['metric']} ({r['definition'] or 'definition not stated'}, {r['unit']})" for r in pairs})
    methods = sorted({r["ratio_method"] for r in rows if r["ratio_method"]})
    return ["compared: " + "; ".join(definitions), "intervals: " + "; ".join(methods)]


def _blocks(rows: Sequence[Row]) -> list[Block]:
    """Rows of one kind, model and baseline together, in the order of the rows; means of one baseline as well."""
    blocks: dict[tuple[str, ...], Block] = {}
    of = None
    for row in rows:
        if row["comparability"] == "baseline":
            of = row["n"]
        elif row["relative"] is not None:
            about = row["kind"], row["model"], row["baseline"]
            mean = row["model"] == _MEAN
            blocks.setdefault(about, Block(*about)).bars.append(_bar(row, None if mean else of))
    return list(blocks.values())


def _bar(row: Row, of: int | None) -> Bar:
    devices = None if row["devices"] is None else count(row["devices"], "device")
    case = row["case"] if of is not None else row["case"].partition(" with ")[0]
    parts = (row["precision"], row["layout"], devices, case)
    limits = row["relative_low"], row["relative_high"]
    return Bar(row["device"], parts, row["relative"], *limits, row["n"], of, row["comparability"] != "comparable")


def _as_many(blocks: list[Block]) -> tuple[list[Block], int]:
    """As many bars as there is room for, and all means; and how many bars were left out."""
    room, left_out, shown = MOST, 0, []
    for block in blocks:
        bars = block.bars if block.model == _MEAN else block.bars[:room]
        if block.model != _MEAN:
            room -= len(bars)
        left_out += len(block.bars) - len(bars)
        if bars:
            shown.append(Block(block.kind, block.model, block.baseline, bars))
    return shown, left_out


# --------------------------------------------------------------------------- what is drawn


def draw(data: Bars) -> Figure:
    """Headings and names at the left, bars at the right, the baseline's line at 1."""
    rows = sum(_HEAD + _BAR * len(block.bars) for block in data.blocks)
    figure, spec = sheet(_words(data), max(1.6, rows * _INCHES), 1, 2, width_ratios=(0.4, 0.6), wspace=0.0)
    names, axes = figure.add_subplot(spec[0]), figure.add_subplot(spec[1])
    _frame(names, axes, data, rows)
    devices = list(dict.fromkeys(bar.device for block in data.blocks for bar in block.bars))
    y = 0.0
    for block in data.blocks:
        names.text(0, y + _HEAD * 0.62, short(block.title, 110), size=8.5, weight="bold", va="center", color=INK)
        y += _HEAD
        for bar in block.bars:
            names.text(0.985, y + _BAR / 2, short(block.label(bar), 52), size=8.5, va="center", ha="right")
            _draw_bar(axes, bar, y + _BAR / 2, devices.index(bar.device))
            y += _BAR
    return figure


def _frame(names: Axes, axes: Axes, data: Bars, rows: float) -> None:
    names.set_axis_off()
    names.set_zorder(2)  # a heading may run on above the bars, where none of them is
    names.patch.set_visible(False)
    names.set_xlim(0, 1)
    for each in (names, axes):
        each.set_ylim(rows, 0)
    reach = max(bar.high or bar.value for block in data.blocks for bar in block.bars)
    axes.set_xlim(0, max(1.0, reach) * 1.2)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    number_axis(axes.xaxis)
    axes.grid(True, axis="x", linewidth=0.8)
    axes.tick_params(length=3)
    axes.axvline(1, color=INK, linewidth=1.2, linestyle=(0, (5, 3)), zorder=3)
    better = "less" if data.less_is_better else "more"
    axes.set_xlabel(f"{data.metric}, times that of the baseline (= 1); {better} is better")


def _draw_bar(axes: Axes, bar: Bar, y: float, look: int) -> None:
    hatch = _HATCHES[look // len(COLOURS) % len(_HATCHES) if look >= len(COLOURS) else look % len(_HATCHES)]
    axes.barh(
        y, bar.value, height=0.72, color=COLOURS[look % len(COLOURS)], alpha=0.78, hatch=hatch, edgecolor="white",
        linewidth=0.0, zorder=2,
    )  # fmt: skip
    end = bar.value
    if bar.low is not None and bar.high is not None:
        axes.plot([bar.low, bar.high], [y, y], color=INK, linewidth=1.3, marker="|", markersize=6, zorder=4)
        end = max(end, bar.high)
    repeats = f"n {bar.n}" if bar.of is None else f"n {bar.n}/{bar.of}"
    axes.annotate(
        f"{bar.value:.3g}{' *' if bar.caveats else ''}  {repeats}", (end, y), xytext=(4, 0), textcoords="offset points",
        va="center", size=8, color=INK, zorder=5, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
    )  # fmt: skip


# --------------------------------------------------------------------------- what is said


def _words(data: Bars) -> Words:
    against = data.baselines[0] if len(data.baselines) == 1 else "a baseline device"
    what = "How fast is each device" if data.metric == "speed" else f"How is each device's {data.metric}"
    note = "Each bar: ratio of geometric means of the repeats, to the baseline's configuration that differs least."
    return Words(f"{what} against {against}?", note, _keys(data), data.footer)


def _keys(data: Bars) -> list[list[Key]]:
    bars = [bar for block in data.blocks for bar in block.bars]
    keys = [Key("the baseline", {"color": INK, "linewidth": 1.2, "linestyle": (0, (5, 3))})]
    if any(bar.low is not None for bar in bars):
        keys.append(Key("interval, from 3 repeats a side on", {"color": INK, "linewidth": 1.3, "marker": "|"}))
    keys.append(Key("n: repeats / of the baseline", BLANK))
    if any(bar.caveats for bar in bars):
        keys.append(Key("* with caveats (query comparability)", BLANK))
    if data.not_comparable:
        keys.append(Key(f"{data.not_comparable} not comparable, not drawn", BLANK))
    if data.silent:
        keys.append(Key(f"{data.silent:,} without value or counterpart", BLANK))
    rows = in_rows(keys, 3)
    if data.left_out:
        rows.append(
            [Key(f"{count(data.left_out, 'more bar')}, not drawn (choose with --kind, --model, --device)", BLANK)]
        )
    return rows


PICTURE = Picture("Devices as multiples of a baseline, by model", ("compare",), fetch, draw, ("detail",))
