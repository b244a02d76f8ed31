"""JSON and CSV texts with the line of every value: a number is worth what it can be walked back to."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from llmstats.errors import ParseError

#: One token; an array of plain numbers, the bulk of a large dump, is one as a whole.
_TOKEN = re.compile(
    r"""
    (?P<numbers>\[[-+\d.eE,\s]*\])
    | (?P<open>[\[{]) | (?P<close>[\]}]) | (?P<comma>,) | (?P<colon>:)
    | (?P<string>"[^"\\]*(?:\\.[^"\\]*)*")
    | (?P<scalar>[^\s,:\[\]{}"]+)
    """,
    re.X | re.S,
)

Path = tuple[str | int, ...]


class Json:
    """A decoded JSON text and where its values stand.

    ``NaN``, ``Infinity`` and ``-Infinity`` are read as Python writes them.
    """

    def __init__(self, text: str, first_line: int = 1) -> None:
        """Decode.

        Raises:
            ParseError: not JSON.
        """
        self._text, self._first = text, first_line
        try:
            self.value: Any = json.loads(text)
        except (ValueError, RecursionError) as why:
            raise ParseError(f"not JSON: {why}") from None

    def line(self, *path: str | int) -> int:
        """Line (1-based) of the value under keys and indices; of the nearest one around it where it has none."""
        while path not in self._lines and path:
            path = path[:-1]
        return self._lines.get(path, self._first)

    @cached_property
    def _lines(self) -> dict[Path, int]:
        """Line of each value but those inside arrays of plain numbers; empty for a text of one line."""
        if "\n" not in self._text.strip():
            lead = len(self._text) - len(self._text.lstrip())
            return {(): self._first + self._text.count("\n", 0, lead)}
        return _lines_of(self._text, self._first)


def _lines_of(text: str, line: int) -> dict[Path, int]:
    lines: dict[Path, int] = {}
    path: list[str | int] = []  # of the containers around, each with the key or index that is due
    at, key = 0, None
    for token in _TOKEN.finditer(text):
        line += text.count("\n", at, token.start())
        at = token.start()
        kind = token.lastgroup
        if kind == "string" and path and path[-1] == "" and key is None:
            key = path[-1] = json.loads(token[0], strict=False)
        elif kind in ("string", "scalar", "numbers"):
            lines.setdefault(tuple(path), line)
        elif kind == "open":
            lines.setdefault(tuple(path), line)
            path.append("" if token[0] == "{" else 0)
            key = None
        elif kind == "close" and path:
            path.pop()
            key = None if not path or isinstance(path[-1], int) else path[-1]
        elif kind == "comma" and path:
            last = path[-1]
            path[-1] = last + 1 if isinstance(last, int) else ""
            key = None
    return lines


class Row(NamedTuple):
    """One row of a CSV text: cells without surrounding blanks, and the line that it begins on."""

    line: int
    cells: list[str]


def csv_rows(text: str, delimiter: str = ",") -> Iterator[Row]:
    """Rows of a CSV text, empty ones left out.

    Raises:
        ParseError: a quote that is never closed, or a NUL.
    """
    csv.field_size_limit(1 << 30)
    # lines as the rest of the program counts them: `splitlines` would also split at form feeds and the like
    reader = csv.reader((line + "\n" for line in text.split("\n")), delimiter=delimiter, skipinitialspace=True)
    before = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Row(before + 1, [cell.strip() for cell in cells])
            before = reader.line_num
    except csv.Error as why:
        raise ParseError(f"line {reader.line_num}: not CSV: {why}") from None


def number(text: str) -> float | None:
    """A number as tables write it (``1,234.5``, ``1.2e-3``, ``nan``), or None for all else (empty, ``-``, ``N/A``)."""
    plain = text.strip()
    if re.fullmatch(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?", plain):
        plain = plain.replace(",", "")
    if not re.fullmatch(r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)", plain, re.I):
        return None
    return float(plain)
