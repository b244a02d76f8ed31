"""What all pictures share: colours, fonts, the sheet with its title, keys and footer, and writing the file.

A sheet is laid out in inches from top to bottom (title, note, body, keys, footer), so that nothing can come to lie
on the data however many keys there are.  Nothing here changes matplotlib's global settings.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import os
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec

#: Okabe and Ito's colours for colour-blind readers, without yellow, which is faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*Xhp<>"
GREY, INK, PALE = "#6B6B6B", "#222222", "#E9E9E9"

#: Families that hold Chinese, the first found is used for what the Latin font lacks.
_CHINESE = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Noto Sans CJK JP",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "Microsoft YaHei", "SimHei", "PingFang SC",
    "Hiragino Sans GB", "Heiti SC", "STHeiti", "Arial Unicode MS", "AR PL UMing CN",
)  # fmt: skip

#: The package behind the extra `chinese` and its font (WenQuanYi Micro Hei, Apache 2.0), for machines without any.
_PACKAGE, _FONT_FILE = "paperang_p2_fonts_cjk", "fonts/wqy-microhei.ttc"

_WIDTH = 11.0  # inches, of the whole sheet
_LEFT, _RIGHT = 0.85, 1.0  # margins of the body; the right one holds the names of lines
_EDGE = 0.3
_ROW = 0.25  # height of a row of keys
_COLUMN = 0.076  # mean width of a character of a key: 9.5 points

#: Without these a file carries the moment at which it was written.
_UNDATED: dict[str, dict[str, Any]] = {
    "png": {"Software": "llmstats"},
    "svg": {"Date": None, "Creator": "llmstats"},
    "pdf": {"CreationDate": None, "Producer": "llmstats", "Creator": "llmstats"},
}


#: Swatch of a key that has none.
BLANK: dict[str, Any] = {"linestyle": "none"}


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of the key below the body: a swatch (arguments of a `Line2D`) and what it stands for."""

    text: str
    style: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Words:
    """All text of a sheet around its body; keys are rows, each of one or more entries."""

    title: str
    note: str
    keys: Sequence[Sequence[Key]]
    footer: Sequence[str]


# --------------------------------------------------------------------------- text


def _columns(text: str) -> int:
    """Width of text where a Chinese character takes two columns."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def short(text: str, columns: int) -> str:
    """One line of text, shortened in the middle to ``columns``; what came from a log cannot break a line."""
    text = "".join(c if c.isprintable() else " " for c in text)
    if _columns(text) <= columns:
        return text
    head, tail = text, ""
    while head and _columns(head) > columns * 2 // 3:
        head = head[:-1]
    for character in reversed(text):
        if _columns(head) + 1 + _columns(character + tail) > columns:
            break
        tail = character + tail
    return f"{head}…{tail}"


def apart(names: Sequence[str], columns: int) -> list[str]:
    """Names in so many columns (see `short`); those that would look alike begin shortly before they differ."""
    cut = {name: short(name, columns) for name in names}
    looks = list(cut.values())
    alike = [name for name, text in cut.items() if looks.count(text) > 1]
    for text in {cut[name] for name in alike}:
        group = [name for name in alike if cut[name] == text]
        pairs = zip(min(group), max(group), strict=False)  # if these begin alike, all do
        differ = next((i for i, (a, b) in enumerate(pairs) if a != b), 0)
        cut |= {name: short(f"…{name[max(0, differ - _BEFORE) :]}", columns) for name in group}
    return [cut[name] for name in names]


#: Characters kept in front of the place where two long names differ.
_BEFORE = 4


def named(drawn: Sequence[tuple[str, str | None]]) -> list[str]:
    """Experiments and what they ran on, as much of it as leaves room for what is said of them."""
    names = apart([experiment for experiment, _ in drawn], 48)
    devices = (f" ({short(device, 24)})" if device else "" for _, device in drawn)
    return [name + device for name, device in zip(names, devices, strict=True)]


def plain(value: float, _: object = None) -> str:
    """A number on an axis: ``12,000``, ``0.0013``; powers of ten only where zeros would be counted."""
    if value and not 1e-5 <= abs(value) < 1e7:
        return f"{value:.3g}"
    return f"{value:,.6f}".rstrip("0").rstrip(".")


# --------------------------------------------------------------------------- settings


@contextmanager
def style() -> Iterator[None]:
    """Our settings for as long as a picture is made; the user's own come back after it."""
    import matplotlib as mpl
    import matplotlib.style

    ours: Any = {
        "font.family": _fonts(),
        "font.size": 9.5,
        "text.color": INK,
        "text.parse_math": False,  # a dollar sign in a name is no formula
        "axes.edgecolor": GREY,
        "axes.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.unicode_minus": False,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "grid.color": PALE,
        "svg.hashsalt": "llmstats",  # else ids inside the file change from call to call
        "pdf.fonttype": 42,
    }
    with mpl.rc_context(), warnings.catch_warnings(), _quiet("matplotlib.font_manager"):
        # Where no font has a character, a box stands for it, and the picture says so: see `write`.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        matplotlib.style.use("default")
        mpl.rcParams.update(ours)
        yield


@contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Without what matplotlib says of a Chinese font that has no bold."""
    log = logging.getLogger(logger)
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _fonts() -> list[str]:
    from matplotlib.font_manager import fontManager

    here = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *([name for name in _CHINESE if name in here][:1] or _packaged())]


def _packaged() -> list[str]:
    """The family of the installed package's font; nothing of the package is executed."""
    from matplotlib.font_manager import fontManager

    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = os.path.join(folder, *_FONT_FILE.split("/"))
        if os.path.exists(path):
            fontManager.addfont(path)
            return [next(font.name for font in fontManager.ttflist if font.fname == path)]
    return []


def _boxes(figure: Figure) -> list[str]:
    """Characters of the picture that no font here has."""
    import matplotlib as mpl
    from matplotlib.font_manager import FontProperties, findfont, get_font
    from matplotlib.text import Text

    texts = {c for text in figure.findobj(Text) for c in text.get_text()}
    wanted = {c for c in texts if c.isprintable() and not c.isascii()}
    for family in mpl.rcParams["font.family"] if wanted else ():
        wanted -= {chr(code) for code in get_font(findfont(FontProperties(family=family))).get_charmap()}
    return sorted(wanted)


# --------------------------------------------------------------------------- the sheet


def sheet(words: Words, height: float, rows: int = 1, columns: int = 1, **grid: Any) -> tuple[Figure, GridSpec]:
    """An empty sheet around a body of ``rows`` x ``columns`` places, ``height`` inches high.

    ``grid`` goes to matplotlib's GridSpec (``hspace``, ``wspace``, ``height_ratios``).
    """
    from matplotlib.figure import Figure

    below = 0.62 + _ROW * len(words.keys) + 0.12 + 0.16 * len(words.footer) + 0.15
    above = 0.95
    total = above + height + below
    figure = Figure(figsize=(_WIDTH, total), dpi=150, facecolor="white")
    at = _LEFT / _WIDTH
    figure.text(at, 1 - 0.3 / total, short(words.title, 88), size=14, weight="bold", va="center")
    figure.text(at, 1 - 0.57 / total, short(words.note, 150), size=9, color=GREY, va="center")
    _draw_keys(figure, words.keys, 1 - (above + height + 0.62) / total)
    for i, line in enumerate(reversed(words.footer)):
        y = (0.17 + 0.16 * i) / total
        figure.text(at, y, short(line, 160), size=7.5, color=GREY, va="center")
    spec = figure.add_gridspec(
        rows, columns, left=at, right=1 - _RIGHT / _WIDTH, bottom=below / total, top=1 - above / total, **grid
    )
    return figure, spec


def in_pairs(words: Words, count: int, height: float, **grid: Any) -> tuple[Figure, list[Axes]]:
    """A sheet with ``count`` axes, two in a row, each row ``height`` inches high; ``grid`` as in `sheet`."""
    columns = min(2, count)
    rows = -(-count // columns)
    figure, spec = sheet(words, 0.6 + height * rows, rows, columns, **grid)
    return figure, [figure.add_subplot(spec[i // columns, i % columns]) for i in range(count)]


def in_rows(keys: Sequence[Key], columns: int) -> list[list[Key]]:
    """Small keys side by side; the last row is filled up with empty ones, so that columns stand below each other."""
    padded = [*keys, *[Key("", {"linestyle": "none"})] * (-len(keys) % columns)]
    return [padded[i : i + columns] for i in range(0, len(padded), columns)]


def _draw_keys(figure: Figure, keys: Sequence[Sequence[Key]], top: float) -> None:
    from matplotlib.lines import Line2D

    total = figure.get_size_inches()[1]
    for i, row in enumerate(keys):
        y = top - (i + 0.5) * _ROW / total
        step = (_WIDTH - _LEFT - _EDGE) / len(row)
        for j, key in enumerate(row):
            x = _LEFT + j * step
            ends = [x / _WIDTH, (x + 0.16) / _WIDTH, (x + 0.32) / _WIDTH]
            swatch = {"markevery": [1], "solid_capstyle": "butt", **key.style}
            figure.add_artist(Line2D(ends, [y] * 3, transform=figure.transFigure, **swatch))
            text = short(key.text, int((step - 0.5) / _COLUMN))
            figure.text((x + 0.42) / _WIDTH, y, text, va="center")


def look(i: int) -> dict[str, Any]:
    """Colour and marker of the i-th of several things."""
    return {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}


def keys_of(names: Sequence[str], look: Callable[[int], dict[str, Any]], most: int) -> list[list[Key]]:
    """A row for each of the first ``most`` systems, and one that counts the others."""
    keys = [[Key(name, {**look(i), "linewidth": 2})] for i, name in enumerate(names[:most])]
    if len(names) > most:
        keys.append([Key(f"{len(names) - most:,} more systems are drawn (choose with --pick)", BLANK)])
    return keys


def number_axis(axis: Any, *, log: bool = False) -> None:
    """Plain numbers on the ticks, few of them; on a log scale only whole decades unless it spans few."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axis.set_major_formatter(FuncFormatter(plain))
    if not log:
        axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
        return
    low, high = axis.get_view_interval()
    wide = high / low >= 500
    axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=12))
    axis.set_minor_formatter(NullFormatter())


def grid(axes: Axes) -> None:
    axes.grid(True, axis="y", linewidth=0.8)
    axes.tick_params(length=3)


def write(figure: Figure, form: str) -> bytes:
    """The picture as a file of the form ``png``, ``svg`` or ``pdf``; the same figure gives the same bytes."""
    boxes = _boxes(figure)
    if boxes:
        which = ", ".join(f"U+{ord(c):04X}" for c in boxes[:5]) + (", …" if len(boxes) > 5 else "")
        words = f"No font here has {which}: boxes stand for them.  For Chinese: pip install 'llmstats[chinese]'"
        figure.text(_LEFT / _WIDTH, 0.052 / figure.get_size_inches()[1], words, size=7, va="center")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, metadata=_UNDATED[form])
    return buffer.getvalue()
