"""Answers as text or files: table, JSON, CSV, Markdown, Parquet.

A renderer never queries.  Text that came from a log is escaped wherever it is written: control characters cannot
steer a terminal, and Markdown cannot break out of its cell.  JSON writes what is no number in JSON as the strings
``"NaN"``, ``"Infinity"`` and ``"-Infinity"``.
"""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import IO, Any

from llmstats.errors import InputError
from llmstats.query import Answer

FORMATS = ("table", "json", "csv", "markdown", "parquet")
_MISSING = "–"
_GAP = 2
_NARROWEST = 8


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
    elif form == "parquet":
        import pyarrow.parquet

        pyarrow.parquet.write_table(answer.arrow(), file)
    else:
        raise InputError(f"no output format {form!r}; there are: {', '.join(FORMATS)}")


def _terminal_width(file: IO[Any]) -> int:
    if file.isatty():
        return shutil.get_terminal_size((120, 40)).columns
    return int(os.environ.get("COLUMNS", "0") or 0)


# --------------------------------------------------------------------------- cells


def cell(value: Any) -> str:
    """A value as a person reads it; never with a control character."""
    if value is None:
        return _MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (float, Decimal)):
        return number(float(value))
    if isinstance(value, int):
        return f"{value}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{k}: {cell(v)}" for k, v in value.items())
    return plain(str(value))


def number(value: float) -> str:
    """Six significant digits, without a tail of zeros; whole numbers whole."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = f"{value:.6g}"
    return text if "e" in text or abs(value) < 1e6 else f"{value:.0f}"


def plain(text: str) -> str:
    """Text without anything that could steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def _wide(text: str) -> int:
    """Columns that a text takes on a terminal; Chinese characters take two."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


# --------------------------------------------------------------------------- table


def table(answer: Answer, width: int = 0) -> str:
    """Aligned columns with a rule below the names; numbers to the right, long texts cut in the middle.

    Where not even cut columns fit, each row becomes a block of its own.
    """
    if not answer.columns:
        return ""
    cells = [[cell(v) for v in row] for row in answer.rows]
    if not cells:
        return "  ".join(answer.columns) + "\n(no rows)\n"
    right = [_is_numeric([row[i] for row in answer.rows]) for i in range(len(answer.columns))]
    natural = [
        max([_wide(name)] + [_wide(row[i]) for row in cells]) for i, name in enumerate(answer.columns)
    ]
    widths = _fit(natural, [max(_NARROWEST, min(_wide(n), 14)) for n in answer.columns], right, width)
    if widths is None:
        return _blocks(answer.columns, cells)
    lines = [_line(answer.columns, widths, right), _line(["─" * w for w in widths], widths, right)]
    lines += [_line(row, widths, right) for row in cells]
    return "".join(line.rstrip() + "\n" for line in lines)


def _is_numeric(values: Sequence[Any]) -> bool:
    known = [v for v in values if v is not None]
    return bool(known) and all(isinstance(v, (int, float, Decimal)) and not isinstance(v, bool) for v in known)


def _fit(natural: list[int], least: list[int], fixed: list[bool], width: int) -> list[int] | None:
    """Widths that fit: the widest text gives way first; None where they cannot."""
    widths = list(natural)
    least = [n if keep else min(n, low) for n, low, keep in zip(natural, least, fixed, strict=True)]
    room = width - _GAP * (len(widths) - 1)
    if width <= 0 or sum(widths) <= room:
        return widths
    if sum(least) > room:
        return None
    while sum(widths) > room:
        widest = max((i for i in range(len(widths)) if widths[i] > least[i]), key=lambda i: widths[i])
        widths[widest] -= 1
    return widths


def _line(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    return (" " * _GAP).join(_padded(t, w, r) for t, w, r in zip(texts, widths, right, strict=True))


def _padded(text: str, width: int, right: bool) -> str:
    text = shortened(text, width)
    space = " " * (width - _wide(text))
    return space + text if right else text + space


def shortened(text: str, width: int) -> str:
    """A text cut in the middle, so that the beginning and the end of a path survive."""
    if _wide(text) <= width:
        return text
    tail = max(1, (width - 1) * 2 // 3)
    head = width - 1 - tail
    cut = text[:head] + "…" + text[-tail:]
    while _wide(cut) > width and tail > 1:
        tail -= 1
        cut = text[:head] + "…" + text[-tail:]
    return cut


def _blocks(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """One block of ``name  value`` lines per row."""
    margin = max(_wide(n) for n in names)
    blocks = (
        "".join(f"{n}{' ' * (margin - _wide(n))}  {v}\n" for n, v in zip(names, row, strict=True)) for row in rows
    )
    return "\n".join(blocks)


# --------------------------------------------------------------------------- for machines and documents


def _json(answer: Answer) -> str:
    rows = [dict(zip(answer.columns, (_jsonable(v) for v in row), strict=True)) for row in answer.rows]
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _csv(answer: Answer, file: IO[str]) -> None:
    writer = csv.writer(file)
    writer.writerow(answer.columns)
    for row in answer.rows:
        writer.writerow(["" if v is None else _flat(v) for v in row])


def _flat(value: Any) -> Any:
    """Numbers in full; lists and structs as JSON."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(_jsonable(value), ensure_ascii=False)
    return value.isoformat(sep=" ") if isinstance(value, datetime) else value


def _markdown(answer: Answer) -> str:
    right = [_is_numeric([row[i] for row in answer.rows]) for i in range(len(answer.columns))]
    head = "| " + " | ".join(_escaped(c) for c in answer.columns) + " |\n"
    rule = "|" + "|".join(" ---: " if r else " --- " for r in right) + "|\n"
    return head + rule + "".join("| " + " | ".join(_escaped(cell(v)) for v in row) + " |\n" for row in answer.rows)


def _escaped(text: str) -> str:
    for mark in "\\|`*_<>[]":
        text = text.replace(mark, "\\" + mark)
    return text
