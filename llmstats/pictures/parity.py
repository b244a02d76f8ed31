"""The picture of parity: the reference with its bound, the candidates, and below the gap of each window."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from llmstats import questions
from llmstats.errors import InputError
from llmstats.picture import Picture
from llmstats.plot_data import command, count
from llmstats.plot_style import (
    BLANK,
    COLOURS,
    GREY,
    INK,
    PALE,
    Key,
    Words,
    apart,
    grid,
    number_axis,
    plain,
    sheet,
    short,
)

if TYPE_CHECKING:
    import duckdb
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from llmstats.answers._parity import Line, Parity, Window

Floats = npt.NDArray[np.float64]

#: Candidates that are drawn; the colours of more would not be told apart.
DRAWN = 4
#: Bins of positions per curve, of each of which the lowest and the highest value are drawn.
BINS = 1200
_MARKERS = ("o", "s", "^", "D")
_DASHES = ("-", "--", "-.", (0, (1, 1)))
_SPANS_DECADES = 30.0


@dataclass(slots=True)
class Data:
    """What the picture shows; `drawn` are the candidates with a curve in common with the reference."""

    parities: list[Parity]
    drawn: list[Parity]
    series: str
    unit: str | None
    footer: list[str]


def fetch(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> Data:
    """The curves and windows of `parity`.

    Raises:
        InputError: nothing to draw.
    """
    from llmstats.answers import _parity

    question = questions.find("parity")
    typed = {p.name: p.typed(given[p.name]) if p.name in given else p.value for p in question.parameters}
    parities = _parity.asked(con, typed)
    drawn = [p for p in parities if not p.reason]
    if not drawn:
        whys = [f"{p.candidates[0].name}: {p.reason}" for p in parities[:3]] or ["no other run has this series"]
        raise InputError(f"nothing to draw: {'; '.join(whys)}")
    unit = drawn[0].references[0].curve.unit
    return Data(parities, drawn[:DRAWN], typed["series"], unit, _footer(parities, given))


def _footer(parities: Sequence[Parity], given: Mapping[str, str]) -> list[str]:
    first = parities[0]
    lines = [*first.references, *(line for p in parities for line in p.candidates)]
    points = sum(len(line.x) + line.non_finite for line in lines)
    odd = sum(line.non_finite for line in lines)
    definitions = sorted({d for line in lines for d in line.curve.definitions})
    defined = ", ".join(definitions) or "as the log names it"
    whence = dict.fromkeys(part for p in parities for part in p.alignment.split("; "))
    return [
        f"{points:,} logged points in {count(len(lines), 'experiment')}, {odd:,} not finite; definition: {defined}",
        f"aligned by {first.aligned_by}: {'; '.join(whence)}",
        f"the same in numbers: {command('parity', given)}",
    ]


# --------------------------------------------------------------------------- drawing


def draw(data: Data) -> Figure:
    """Two axes over one another: curves with the band, and the gaps of the windows with the bound."""
    figure, spec = sheet(_words(data), 5.4, rows=2, height_ratios=(2.2, 1), hspace=0.09)
    above = figure.add_subplot(spec[0])
    below = figure.add_subplot(spec[1], sharex=above)
    _curves(above, data)
    _gaps(below, data)
    above.tick_params(labelbottom=False)
    above.set_ylabel(f"{data.series} ({data.unit})" if data.unit else f"{data.series}, as logged")
    below.set_ylabel("gap to the reference")
    _positions(below, data)
    return figure


def _positions(axes: Axes, data: Data) -> None:
    """The name of the axis, and large counts in millions or billions."""
    first = data.drawn[0]
    name = {"step": "training step", "tokens": "tokens consumed", "samples": "samples consumed"}[first.aligned_by]
    last = max(float(line.x[-1]) for line in first.references)
    factor, word = next(((f, w) for f, w in ((1e9, " (billions)"), (1e6, " (millions)")) if last >= 10 * f), (1.0, ""))
    axes.set_xlabel(name + word)
    axes.xaxis.set_major_formatter(lambda value, _: plain(value / factor))


def _curves(axes: Axes, data: Data) -> None:
    references = data.drawn[0].references
    for line in references:
        axes.plot(*_thinned(line), color="#A8A8A8", linewidth=0.6, zorder=2)
    x, y = _mean(references)
    bound = _bound_at(data.drawn[0].windows, x)
    inside = np.isfinite(bound)
    size = np.abs(y)
    axes.fill_between(
        x[inside], (y - bound * size)[inside], (y + bound * size)[inside], color=PALE, zorder=1, linewidth=0
    )
    axes.plot(x, y, color=INK, linewidth=1.6, zorder=3)
    for parity, look in zip(data.drawn, _looks(), strict=False):
        for line in parity.candidates:
            axes.plot(*_thinned(line), linewidth=0.6, alpha=0.4, zorder=3, color=look["color"])
            axes.plot(*_smooth(line), linewidth=1.7, zorder=4, color=look["color"], linestyle=look["linestyle"])
        _parting(axes, parity, look["color"])
    _scale(axes, data)


def _scale(axes: Axes, data: Data) -> None:
    """A log scale where values span decades; limits by what is drawn."""
    lines = [*data.drawn[0].references, *(line for p in data.drawn for line in p.candidates)]
    low = min(float(line.curve.values.min()) for line in lines)
    high = max(float(line.curve.values.max()) for line in lines)
    log = low > 0 and high / low >= _SPANS_DECADES
    if log:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.3, high * 1.3)
    number_axis(axes.yaxis, log=log)
    number_axis(axes.xaxis)
    grid(axes)


def _gaps(axes: Axes, data: Data) -> None:
    for window in data.drawn[0].windows:
        axes.fill_between([window.low, window.high], -window.bound, window.bound, color=PALE, zorder=1, linewidth=0)
    axes.axhline(0, color=INK, linewidth=1.0, zorder=2)
    for parity, look in zip(data.drawn, _looks(), strict=False):
        for window in parity.windows:
            axes.plot([window.low, window.high], [window.gap] * 2, color=look["color"], linewidth=1.8, zorder=3)
        middles = [(w.low + w.high) / 2 for w in parity.windows]
        hollow = [w.verdict != "beyond bound" for w in parity.windows]
        axes.scatter(
            middles, [w.gap for w in parity.windows], marker=look["marker"], s=34, zorder=5, linewidths=1.4,
            facecolors=["white" if h else look["color"] for h in hollow], edgecolors=look["color"],
        )  # fmt: skip
        _parting(axes, parity, look["color"])
    most = max(max(abs(w.gap), w.bound) for p in data.drawn for w in p.windows) * 1.15
    axes.set_ylim(-most, most)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:+.3g} %" if value else "0")
    grid(axes)


def _parting(axes: Axes, parity: Parity, colour: str) -> None:
    if parity.diverged is not None:
        axes.axvline(
            float(parity.candidates[0].x[parity.diverged]), color=colour, linewidth=1.0, linestyle=":", zorder=2
        )


def _looks() -> list[dict[str, Any]]:
    return [
        {"color": colour, "marker": marker, "linestyle": dashes}
        for colour, marker, dashes in zip(COLOURS, _MARKERS, _DASHES, strict=False)
    ]


def _thinned(line: Line) -> tuple[Floats, Floats]:
    """Of each bin the lowest and the highest value, so that no spike is lost."""
    return _extremes(line.x, line.curve.values)


def _extremes(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    if len(x) <= 2 * BINS:
        return x, y
    edges = np.unique(np.linspace(0, len(x), BINS + 1).astype(int))
    picked = []
    for begin, end in pairwise(edges):
        part = y[begin:end]
        picked += sorted({begin + int(part.argmin()), begin + int(part.argmax())})
    return x[picked], y[picked]


def _smooth(line: Line) -> tuple[Floats, Floats]:
    """The mean of the last hundredth of the points, at each point."""
    n = max(1, len(line.x) // 100)
    sums = np.concatenate([[0.0], np.cumsum(line.curve.values)])
    means = (sums[n:] - sums[:-n]) / n
    return _extremes(line.x[n - 1 :] - (line.x[n - 1 :] - line.x[: len(means)]) / 2, means)


def _mean(lines: Sequence[Line]) -> tuple[Floats, Floats]:
    """The mean of the repeats, smoothed as the candidates are, over the range that all have."""
    smooth = [_smooth(line) for line in lines]
    if len(smooth) == 1:
        return smooth[0]
    x = np.linspace(max(x[0] for x, _ in smooth), min(x[-1] for x, _ in smooth), BINS)
    return x, np.asarray(np.mean([np.interp(x, *curve) for curve in smooth], axis=0))


def _bound_at(windows: Sequence[Window], x: Floats) -> Floats:
    """The bound of the window that a position lies in; NaN outside of all."""
    edges = np.array([windows[0].low, *[w.high for w in windows]])
    place = np.searchsorted(edges, x, side="right") - 1
    place[x == edges[-1]] = len(windows) - 1
    bounds = np.array([w.bound for w in windows])
    inside = (place >= 0) & (place < len(windows))
    return np.where(inside, bounds[np.clip(place, 0, len(windows) - 1)], math.nan)


# --------------------------------------------------------------------------- what is said


def _words(data: Data) -> Words:
    first = data.drawn[0]
    names = [line.name for line in first.references]
    who = short(names[0], 46) + (f" and {len(names) - 1} repeats" if len(names) > 1 else "")
    note = (
        "Thin: logged values. Thick: their moving mean. Grey: allowed gap. Below: gap of each window, filled if beyond."
    )
    return Words(f"Does the {data.series} follow that of {who}?", note, _keys(data), data.footer)


def _keys(data: Data) -> list[list[Key]]:
    first = data.drawn[0]
    bound = f"bound from {first.bound_from.partition(';')[0]}"
    mean = f"reference, mean of {len(first.references)}" if len(first.references) > 1 else "reference"
    keys = [[Key(mean, {"color": INK, "linewidth": 1.8}), Key(bound, {"color": "#C8C8C8", "linewidth": 8})]]
    names = apart([", ".join(line.name for line in parity.candidates) for parity in data.drawn], 48)
    for name, parity, look in zip(names, data.drawn, _looks(), strict=False):
        style = {"color": look["color"], "linestyle": look["linestyle"], "marker": look["marker"], "linewidth": 1.8}
        keys.append([Key(f"{name} – {_says(parity)}", style)])
    untold = [p for p in data.parities if p.reason]
    keys += [[Key(f"{p.candidates[0].name} – {p.verdict}: {p.why}", BLANK)] for p in untold[:2]]
    more = len(data.parities) - len(data.drawn) - len(untold[:2])
    if more > 0:
        keys.append([Key(f"{more} more, not drawn (choose with --candidate)", BLANK)])
    if any(p.diverged is not None for p in data.drawn):
        keys.append([Key("first leaves the bound", {"color": GREY, "linestyle": ":"})])
    return keys


def _says(parity: Parity) -> str:
    """The verdict with its number, as short as a key must be."""
    if any(line.ends_odd is not None for line in parity.candidates):
        return f"{parity.verdict}: {parity.why}"
    worst = parity.worst
    at = f"; parts at step {parity.candidates[0].curve.steps[parity.diverged]:,}" if parity.diverged is not None else ""
    return f"{parity.verdict}: largest gap {worst.gap:+.2%} (bound ±{worst.bound:.2%}){at}"


PICTURE = Picture("Loss curves against a reference with its bound", ("parity",), fetch, draw)
