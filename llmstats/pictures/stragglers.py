"""The map of stragglers: which rank was behind in which step, and what the slowest of them made of the step time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from llmstats.errors import InputError
from llmstats.picture import Picture
from llmstats.plot_data import ask, command, count, grouped, nothing_to_draw, parameters_of, written
from llmstats.plot_style import BLANK, COLOURS, INK, PALE, Key, Words, grid, number_axis, plain, sheet, short
from llmstats.thinning import Floats

if TYPE_CHECKING:
    import duckdb
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from llmstats.answers._rank_times import RankTimes

    Row = Mapping[str, Any]

#: Runs of one picture, findings of a run that are numbered, and columns of the map.
MOST, NUMBERED, BINS = 3, 5, 900
#: Line of the mark of a phase: colour and dashes, so that it is told apart in grey too.
_MARKS = {
    "data": (COLOURS[1], "-"), "compute": ("#000000", (0, (4, 2))), "communication": (COLOURS[3], (0, (1, 1))),
    "unknown": (COLOURS[2], (0, (6, 2, 1, 2))),
}  # fmt: skip
_SAYS = {
    "data": "waited for data", "compute": "computed", "communication": "communicated", "unknown": "phase not known"
}  # fmt: skip


@dataclass(slots=True)
class RankMap:
    """One run.  Of the steps of a column its highest value is shown, so that no spike is lost."""

    run_id: str
    unit: str  #: of `slowest` and `quick`: s, or usual steps
    edges: Floats  #: steps between the columns, one more than there are
    ranks: npt.NDArray[np.int64]
    behind: Floats  #: shape (ranks, columns): share of the usual step behind the quick quarter; NaN: nothing logged
    slowest: Floats  #: step time of the slowest rank, by column
    quick: Floats  #: of the quick quarter
    findings: Sequence[Row]  #: rows of the query, the costliest first
    unjudged: str | None  #: why it cannot be told who held the run up


@dataclass(slots=True)
class Maps:
    """All that the picture shows."""

    maps: list[RankMap]
    more: int  #: runs that are not drawn
    footer: list[str]


# --------------------------------------------------------------------------- asking


def fetch(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> Maps:
    """What the map shows: runs in which several ranks log their steps, those with the costliest findings first.

    Raises:
        InputError: nothing to draw.
    """
    text = {**parameters_of("stragglers"), **given}
    rows = ask(con, "stragglers", given)
    runs = grouped([r for r in rows if r["ranks_logged"] > 1 and r["steps_logged"]], "run_id")
    if not runs:
        raise _nothing(con, rows, text)
    ordered = sorted(runs.items(), key=lambda of: -sum(r["share"] or 0 for r in of[1]))
    maps = [_map(con, run_id, mine, text) for run_id, mine in ordered[:MOST]]
    steps = sum(mine[0]["steps_logged"] for mine in runs.values())
    definitions = ", ".join(sorted({r["definition"] for r in rows if r["ranks_logged"] > 1 and r["definition"]}))
    same = f"{command('stragglers', text)}; each step: {written('rank_spread', text)}"
    footer = [
        f"{steps:,} logged steps of {count(len(runs), 'run')} after the warm-up; definition: {definitions or 'none'}",
        f"the same in numbers: {same}",
    ]
    return Maps(maps, len(runs) - len(maps), footer)


def _nothing(con: duckdb.DuckDBPyConnection, rows: Sequence[Row], text: Mapping[str, str]) -> InputError:
    if rows:
        return InputError(f"nothing to draw: a map needs the steps of several ranks ({rows[0]['reason']})")
    return nothing_to_draw(con, text["pick"], "training")


def _map(con: duckdb.DuckDBPyConnection, run_id: str, findings: Sequence[Row], text: Mapping[str, str]) -> RankMap:
    from llmstats.answers import _rank_times, _stragglers

    ((key,),) = con.execute("SELECT r.run_key FROM run_rows r WHERE r.run_id = ?", [run_id]).fetchall()
    times = _rank_times.load(con, run_id, key, float(text["warmup"]))
    behind = _stragglers.beyond(times, float(text["slower"]), float(text["chronic"]))
    starts, edges = _columns(times)
    real = [f for f in findings if f["kind"] not in ("none", "cannot tell")]
    unjudged = next((f["reason"] for f in findings if f["kind"] == "cannot tell"), None)
    return RankMap(
        run_id, "s" if times.seconds else "usual steps", edges, times.ranks, _highest(behind, starts).T,
        _highest(np.fmax.reduce(times.total, axis=1), starts), _highest(_stragglers.quick(times.total), starts), real,
        unjudged,
    )  # fmt: skip


def _columns(times: RankTimes) -> tuple[npt.NDArray[np.int64], Floats]:
    """Index of the first record of each column, and the steps between the columns."""
    columns = np.arange(len(times.steps)) * BINS // max(BINS, len(times.steps))
    starts = np.flatnonzero(np.diff(columns, prepend=-1))
    middle = (times.steps[starts[1:] - 1] + times.steps[starts[1:]]) / 2
    return starts, np.concatenate([[times.steps[0] - 0.5 * times.every], middle, [times.steps[-1] + 0.5 * times.every]])


def _highest(table: Floats, starts: npt.NDArray[np.int64]) -> Floats:
    """The highest value of each column that is one; NaN where there is none."""
    return np.asarray(np.fmax.reduceat(table, starts, axis=0), float)


# --------------------------------------------------------------------------- what is drawn


def draw(data: Maps) -> Figure:
    """Per run a map of ranks x steps below a strip with the step time."""
    n = len(data.maps)
    figure, spec = sheet(_words(data), 3.7 * n + 0.1, n, hspace=0.3)
    for i, one in enumerate(data.maps):
        parts = spec[i].subgridspec(2, 1, hspace=0.08, height_ratios=[1.0, 3.2])
        strip, field = figure.add_subplot(parts[0]), figure.add_subplot(parts[1])
        _strip(strip, one)
        _field(field, one)
        strip.set_title(short(_heading(one), 100), loc="left", size=10, weight="bold", color=INK)
    return figure


def _strip(axes: Axes, one: RankMap) -> None:
    axes.stairs(one.slowest, one.edges, baseline=None, color="black", linewidth=2.2)
    axes.stairs(one.quick, one.edges, baseline=None, color=COLOURS[5], linewidth=0.9)
    axes.set_xlim(one.edges[0], one.edges[-1])
    axes.set_ylim(0, float(np.nanmax(one.slowest)) * 1.08)
    number_axis(axes.yaxis)
    axes.locator_params(axis="y", nbins=3)
    grid(axes)
    axes.tick_params(labelbottom=False)
    axes.set_ylabel(f"step time\n({one.unit})")


def _field(axes: Axes, one: RankMap) -> None:
    import matplotlib as mpl

    # By the square root: a rank that is always 3 % behind is to be seen beside one that once took ten steps' time.
    colours, scaled = mpl.colormaps["Blues"].with_extremes(bad=PALE), mpl.colors.PowerNorm(0.5, 0, 1, clip=True)
    rows = np.arange(len(one.ranks) + 1) - 0.5
    image = axes.pcolormesh(
        one.edges, rows, np.ma.masked_invalid(one.behind), cmap=colours, norm=scaled, rasterized=True
    )
    for number, finding in enumerate(one.findings[:NUMBERED], 1):
        _mark(axes, one, finding, number)
    axes.set_ylim(rows[-1], rows[0])
    number_axis(axes.xaxis)
    _name_ranks(axes, one.ranks)
    axes.set_xlabel("training step")
    axes.set_ylabel("rank")
    scale = axes.inset_axes((1.015, 0.0, 0.014, 1.0))
    bar = axes.figure.colorbar(image, cax=scale, ticks=[0, 0.05, 0.2, 0.5, 1])
    bar.ax.set_yticklabels(["0", "5 %", "20 %", "50 %", "≥ 100 %"], size=8)


def _name_ranks(axes: Axes, ranks: npt.NDArray[np.int64]) -> None:
    every = max(1, -(-len(ranks) // 9))
    every = next(e for e in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, len(ranks)) if e >= every)
    places = np.arange(0, len(ranks), every)
    axes.set_yticks(places, [str(r) for r in ranks[places]])


def _mark(axes: Axes, one: RankMap, finding: Row, number: int) -> None:
    """A frame around the ranks of a finding, as far as its steps reach; its number beside it."""
    from matplotlib.patches import Rectangle

    if finding["kind"] == "scattered":
        return  # its ranks are no group
    colour, dashes = _MARKS[finding["phase"]]
    first, last = _reach(one.edges, finding["first_step"], finding["last_step"])
    places = np.flatnonzero(np.isin(one.ranks, finding["ranks"] or one.ranks))
    for start, end in _runs(places):
        axes.add_patch(
            Rectangle(
                (first, start - 0.5), last - first, end - start + 1, fill=False, edgecolor=colour, linestyle=dashes,
                linewidth=1.6, clip_on=False,
            )
        )  # fmt: skip
    right = last > one.edges[0] + 0.94 * (one.edges[-1] - one.edges[0])
    axes.annotate(
        str(number), (one.edges[-1] if right else last, float(places[0])), xytext=(-11 if right else 3, 0),
        textcoords="offset points", size=8.5, weight="bold", va="center", color="black",
        bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": colour, "linewidth": 1},
    )  # fmt: skip


def _reach(edges: Floats, first_step: int, last_step: int) -> tuple[float, float]:
    """The edges of the columns that hold these steps; widened so that one column of many is seen."""
    first = float(edges[max(0, int(np.searchsorted(edges, first_step, "right")) - 1)])
    last = float(edges[min(len(edges) - 1, int(np.searchsorted(edges, last_step)))])
    room = max(0.0, (edges[-1] - edges[0]) / 150 - (last - first)) / 2
    return first - room, last + room


def _runs(places: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """First and last of each stretch of neighbours."""
    parts = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    return [(int(p[0]), int(p[-1])) for p in parts]


# --------------------------------------------------------------------------- what is said


def _heading(one: RankMap) -> str:
    name = short(one.run_id, 56)
    if not one.findings:
        return f"{name} – {'cannot tell' if one.unjudged else 'no rank stood out'}"
    share = one.findings[0]["share"]
    return f"{name} – {count(len(one.findings), 'finding')}, the costliest {share:.1%} of the time"


def _words(data: Maps) -> Words:
    note = "Darker: further behind the quick quarter of the ranks in that step, as a share of the usual step."
    keys = [
        [
            Key("step time of the slowest rank", {"color": "black", "linewidth": 2.2}),
            Key("of the quick quarter", {"color": COLOURS[5], "linewidth": 1.2}),
            Key("not logged", {"color": PALE, "linewidth": 9}),
        ]
    ]
    for i, one in enumerate(data.maps):
        place = f"{short(one.run_id, 24)}: " if len(data.maps) > 1 else ""
        keys += [[_key(place, n, f)] for n, f in enumerate(one.findings[:NUMBERED], 1)]
        if one.unjudged:
            keys.append([Key(f"{place}cannot tell: {one.unjudged}", BLANK)])
        if len(one.findings) > NUMBERED:
            keys.append([Key(f"{place}{len(one.findings) - NUMBERED} more, not numbered", BLANK)])
        if i == len(data.maps) - 1 and data.more:
            more = f"{count(data.more, 'more run')} not drawn (choose with --pick)"
            keys.append([Key(more, BLANK)])
    return Words("Which ranks held the training up?", note, keys, data.footer)


def _key(place: str, number: int, finding: Row) -> Key:
    colour, dashes = _MARKS[finding["phase"]]
    cost = f"{finding['share']:.2%} of the time"
    if finding["chip_hours"] is not None:
        cost = f"{plain(round(finding['excess_seconds'], 1))} s, {finding['chip_hours']:.3g} chip-hours"
    ranks = finding["ranks"]
    who = "all ranks" if ranks is None else f"rank {ranks[0]}" if len(ranks) == 1 else f"{len(ranks)} ranks"
    shape = "" if finding["shape"] in ("one rank", "all") else f" ({finding['shape']})"
    text = f"{place}{number}  {finding['kind']}: {who}{shape} {_SAYS[finding['phase']]} – {cost}"
    return Key(text, {"color": colour, "linestyle": dashes, "linewidth": 1.6})


PICTURE = Picture("Map of stragglers: ranks over steps", ("stragglers",), fetch, draw)
