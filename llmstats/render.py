"""Answers as text or files: table, JSON, CSV, Markdown, LaTeX, Parquet.

A renderer never queries.  Text that came from a log is escaped wherever it meets a terminal or a document: control
characters cannot steer a terminal, and Markdown and LaTeX cannot break out of their cells.  A CSV file holds the text
as it is; on a terminal CSV is escaped too.  JSON writes what is no number in JSON as the strings ``"NaN"``,
``"Infinity"`` and ``"-Infinity"``.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shutil
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, Any

from llmstats.errors import InputError
from llmstats.query import Answer

FORMATS = ("table", "json", "csv", "markdown", "latex", "parquet")
_MISSING = "–"
_GAP = 2
#: A text may be cut down to this many columns of the terminal before a table is folded.
_SHORT_TEXT = 20
#: Columns that are read as sentences get more room, a third of the terminal: half a reason is none.
_SENTENCES = ("reason", "cause", "causes", "message", "note", "remarks")
#: Tables that one is folded into at most; what they do not hold is named.
PANELS = 3
#: What a text gets in a folded table, as far as there is room.
_USUAL_TEXT = 40


def render(answer: Answer, form: str, file: IO[Any], *, width: int | None = None) -> None:
    """Write an answer.

    Args:
        form: one of `FORMATS`.
        file: a text file; a binary one for ``parquet``.
        width: columns of a table; None: those of the terminal, without bound where there is none.

    Raises:
        InputError: no such format.
    """
    if form == "table":
        file.write(table(answer, width if width is not None else _terminal_width(file)))
    elif form == "json":
        file.write(_json(answer))
    elif form == "csv":
        _csv(answer, file)
    elif form == "markdown":
        file.write(_markdown(answer))
    elif form == "latex":
        file.write(_latex(answer))
    elif form == "parquet":
        import pyarrow.parquet

        pyarrow.parquet.write_table(answer.arrow(), file)
    else:
        raise InputError(f"no output format {form!r}; there are: {', '.join(FORMATS)}")


def _terminal_width(file: IO[Any]) -> int:
    if file.isatty():
        return shutil.get_terminal_size((120, 40)).columns
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() else 0


# --------------------------------------------------------------------------- cells


def cell(value: Any) -> str:
    """A value as a person reads it; never with a control character."""
    if value is None:
        return _MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (float, Decimal)):
        return number(float(value))
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, (list, tuple)):
        return ("; " if any(isinstance(v, str) for v in value) else ", ").join(cell(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{cell(k)}: {cell(v)}" for k, v in value.items())
    return plain(value.hex() if isinstance(value, bytes) else str(value))


def number(value: float) -> str:
    """Six significant digits, without a tail of zeros; up to 1e15 the digits before the point are all there."""
    if not math.isfinite(value):
        return str(value)
    if abs(value) < 1e15 and (abs(value) >= 1e6 or value == int(value)):
        return str(round(value))
    return f"{value:.6g}"


def plain(text: str) -> str:
    """Text without anything that could steer a terminal, on one line."""
    return text if text.isprintable() else "".join(map(_plain_character, text))


def _plain_character(c: str) -> str:
    if c.isprintable() or unicodedata.category(c) == "Zs":  # an ideographic space is text like any other
        return c
    return " " if c in "\n\t" else _escape(c)


def _escape(c: str) -> str:
    code = ord(c)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _wide(text: str) -> int:
    """Columns that a text takes on a terminal; Chinese characters take two."""
    return len(text) if text.isascii() else sum(map(_character_width, text))


def _character_width(c: str) -> int:
    if unicodedata.category(c) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


def shortened(text: str, width: int) -> str:
    """A text cut in the middle to ``width`` columns, so that the beginning and the end of a path survive."""
    if _wide(text) <= width:
        return text
    tail = _taken(text[::-1], (width - 1) * 2 // 3)[::-1]
    return _taken(text, width - 1 - _wide(tail)) + "…" + tail


def _taken(text: str, width: int) -> str:
    """As much of the beginning as fits."""
    used = 0
    for i, c in enumerate(text):
        used += _character_width(c)
        if used > width:
            return text[:i]
    return text


# --------------------------------------------------------------------------- table


@dataclass(slots=True)
class _Column:
    """A column of a table: name and cells as they are shown."""

    name: str
    cells: list[str]
    right: bool  #: numbers stand to the right and are never cut
    empty: bool
    distinct: bool  #: no value occurs twice
    short: int = _SHORT_TEXT  #: a text may be cut to this

    @property
    def natural(self) -> int:
        return max(_wide(self.name), self._widest)

    @property
    def least(self) -> int:
        """Columns that it needs at least; a long name is wrapped."""
        need = self._widest if self.right else min(self._widest, self.short)
        return max(need, *map(_wide, _pieces(self.name)))

    @property
    def usual(self) -> int:
        return max(self.least, min(self._widest, _USUAL_TEXT))

    @property
    def _widest(self) -> int:
        return max(map(_wide, self.cells))


def table(answer: Answer, width: int = 0) -> str:
    """Aligned columns with a rule below the names; numbers to the right, long texts cut in the middle.

    Where the columns do not fit into ``width`` (0: no bound), those without any value are left out and named below;
    where the others do not fit either, the table is folded into a few that begin with the same column, and a single row
    becomes a list.  Columns that would need more than `PANELS` are named below.
    """
    if not answer.columns:
        return ""
    if not answer.rows:
        names = "  ".join(map(plain, answer.columns))
        return (textwrap.fill(names, width) if width > 0 else names) + "\n(no rows)\n"
    columns = [_column(answer, i) for i in range(len(answer.columns))]
    if width <= 0 or _total([c.natural for c in columns]) <= width:
        return _panel(columns, [c.natural for c in columns])
    told = [c for c in columns if not c.empty] or columns
    empty = [c.name for c in columns if c not in told]
    note = "\n" + textwrap.fill(f"no values: {', '.join(empty)}", width) + "\n" if empty else ""
    return _folded(told, width) + note


def _column(answer: Answer, i: int) -> _Column:
    values = [row[i] for row in answer.rows]
    cells = [cell(v) for v in values]
    empty = all(v is None for v in values)
    return _Column(plain(answer.columns[i]), cells, _is_numeric(values), empty, len(set(cells)) == len(cells))


def _is_numeric(values: Sequence[Any]) -> bool:
    known = [v for v in values if v is not None]
    return bool(known) and all(isinstance(v, (int, float, Decimal)) and not isinstance(v, bool) for v in known)


def _folded(columns: list[_Column], width: int) -> str:
    """One table where it fits, else several with a common first column, else a list per row."""
    key = _key(columns)
    for column in columns:
        column.short = max(_SHORT_TEXT, width // 3) if column.name in _SENTENCES else _SHORT_TEXT
    key.short = max(_SHORT_TEXT, width // 2)  # cut further, the rows might no longer be told apart
    if _total([c.least for c in columns]) <= width:
        return _panel(columns, _fit(columns, width))
    others = [c for c in columns if c is not key]
    if len(key.cells) == 1 or any(_total([key.least, c.least]) > width for c in others or [key]):
        return _lists(columns)
    panels, hidden = _first(list(_panels(key, others, width)), key)
    names = f"not shown: {', '.join(hidden)} (choose with --columns; all: --format json, csv …)"
    note = f"\n{textwrap.fill(names, width)}\n" if hidden else ""
    return "\n".join(_panel(panel, _fit(panel, width)) for panel in panels) + note


def _first(panels: list[list[_Column]], key: _Column) -> tuple[list[list[_Column]], list[str]]:
    """The panels that are shown, of too many the last with what every answer ends with, and the names of the rest."""
    if len(panels) <= PANELS:
        return panels, []
    shown, rest = panels[: PANELS - 1], [c for panel in panels[PANELS - 1 :] for c in panel if c is not key]
    ends = [c for c in rest if c.name in ("reason", "source")]
    return [*shown, [key, *ends]] if ends else shown, [c.name for c in rest if c not in ends]


def _key(columns: Sequence[_Column]) -> _Column:
    """The column that tells the rows apart: the run where there is one, else the first text that does."""
    distinct = [c for c in columns if c.distinct and not c.right and c.name != "source"]
    return next((c for c in [*distinct, *columns] if c.name == "run_id"), (distinct or list(columns))[0])


def _panels(key: _Column, others: Sequence[_Column], width: int) -> Iterator[list[_Column]]:
    panel = [key]
    for column in others:
        if len(panel) > 1 and _total([c.usual for c in (*panel, column)]) > width:
            yield panel
            panel = [key]
        panel.append(column)
    yield panel


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _fit(columns: Sequence[_Column], width: int) -> list[int]:
    """Widths that fit: the widest text gives way first."""
    widths = [max(c.least, min(c.natural, width)) for c in columns]
    least = [c.least for c in columns]
    while _total(widths) > width:
        widest = max((i for i in range(len(widths)) if widths[i] > least[i]), key=lambda i: widths[i])
        widths[widest] -= 1
    return widths


def _panel(columns: Sequence[_Column], widths: Sequence[int]) -> str:
    heads = [_wrapped(c.name, w) for c, w in zip(columns, widths, strict=True)]
    height = max(map(len, heads))
    rows = zip(*([""] * (height - len(head)) + head for head in heads), strict=True)
    right = [c.right for c in columns]
    lines = [_line(row, widths, right) for row in rows]
    lines.append(_line(["─" * w for w in widths], widths, right))
    lines += [_line(row, widths, right) for row in zip(*(c.cells for c in columns), strict=True)]
    return "".join(line.rstrip() + "\n" for line in lines)


def _pieces(name: str) -> list[str]:
    """Where a name may be broken: ``["output_", "tokens_", "per_", "second"]``."""
    return re.findall(r"[^_ ]+[_ ]*|[_ ]+", name) or [name]


def _wrapped(name: str, width: int) -> list[str]:
    lines = [""]
    for piece in _pieces(name):
        if lines[-1] and _wide(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip(" ") for line in lines]


def _line(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    return (" " * _GAP).join(_padded(t, w, r) for t, w, r in zip(texts, widths, right, strict=True))


def _padded(text: str, width: int, right: bool) -> str:
    text = shortened(text, width)
    space = " " * (width - _wide(text))
    return space + text if right else text + space


def _lists(columns: Sequence[_Column]) -> str:
    """One list of ``name  value`` lines per row."""
    margin = max(_wide(c.name) for c in columns)
    names = [c.name + " " * (margin - _wide(c.name)) for c in columns]
    rows = zip(*(c.cells for c in columns), strict=True)
    return "\n".join("".join(f"{n}  {v}\n" for n, v in zip(names, row, strict=True)) for row in rows)


# --------------------------------------------------------------------------- for machines and documents


def _json(answer: Answer) -> str:
    rows = [dict(zip(answer.columns, (_jsonable(v) for v in row), strict=True)) for row in answer.rows]
    text = json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


@dataclass(slots=True)
class _UnixLines:
    """Ends rows as Unix does; the csv module quotes a lone carriage return only while its own lines end with one."""

    file: IO[str]

    def write(self, row: str) -> None:
        self.file.write(row.removesuffix("\r\n") + "\n")


def _csv(answer: Answer, file: IO[str]) -> None:
    writer = csv.writer(_UnixLines(file))
    shown = plain if file.isatty() else str
    writer.writerow([shown(c) for c in answer.columns])
    for row in answer.rows:
        writer.writerow([shown(_flat(v)) for v in row])


def _flat(value: Any) -> str:
    """NULL as nothing, numbers in full; lists and structs as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(_jsonable(value), ensure_ascii=False)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return value.hex() if isinstance(value, bytes) else str(value)


def _markdown(answer: Answer) -> str:
    right = [_is_numeric([row[i] for row in answer.rows]) for i in range(len(answer.columns))]
    head = "| " + " | ".join(_escaped(c) for c in answer.columns) + " |\n"
    rule = "|" + "|".join(" ---: " if r else " --- " for r in right) + "|\n"
    return head + rule + "".join("| " + " | ".join(_escaped(cell(v)) for v in row) + " |\n" for row in answer.rows)


def _escaped(text: str) -> str:
    """A cell of Markdown that shows the text as it is: no markup, entities or formulas."""
    return re.sub(r"([\\|`*_<>\[\]~$&])", r"\\\1", plain(text))


#: What a character of text is in LaTeX.
_TEX = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#", "%": "\\%",
    "_": "\\_", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}", "<": "\\textless{}", ">": "\\textgreater{}",
    "|": "\\textbar{}", '"': "\\textquotedbl{}", "–": "--", "…": "\\dots{}",
}  # fmt: skip


def _latex(answer: Answer) -> str:
    """A ``tabular`` with booktabs rules: put ``\\usepackage{booktabs}`` into the preamble."""
    right = [_is_numeric([row[i] for row in answer.rows]) for i in range(len(answer.columns))]
    lines = ["% needs \\usepackage{booktabs}", f"\\begin{{tabular}}{{{''.join('r' if r else 'l' for r in right)}}}"]
    lines += ["\\toprule", _tex_row(answer.columns), "\\midrule"]
    lines += [_tex_row([cell(v) for v in row]) for row in answer.rows]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _tex_row(texts: Sequence[str]) -> str:
    return " & ".join("".join(_TEX.get(c, c) for c in plain(text)) for text in texts) + " \\\\"
