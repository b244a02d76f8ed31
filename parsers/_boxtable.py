"""Tables as programs draw them: with box characters (rich, tabled), with ``+---+`` (tabulate) or as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ._evaluation import is_bar

_ROW = re.compile(r"\s*[|│┃║].*[|│┃║]\s*$")
_RULE = re.compile(r"\s*[+|├┡┢┝╞╟╠└┕┗╘╙╚┌┍┏╒╓╔─━═=:\-][-+|=: ─-╿]*$")
_TOP = "┌┍┏╒╓╔"
_BORDER = re.compile(r"[|│┃║]")


@dataclass(slots=True)
class Row:
    line: int  #: 1-based
    cells: list[str]


@dataclass(slots=True)
class Table:
    """One drawn table."""

    title: str  #: the last line of text above it
    header: list[Row] = field(default_factory=list)  #: rows above the first rule that follows a row
    rows: list[Row] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Cells of the (first) header row."""
        return self.header[0].cells if self.header else []


def tables(lines: Sequence[str]) -> Iterator[Table]:
    """All tables of a text, in order; progress bars between their lines do not count."""
    table, title, headed = None, "", False
    for number, text in enumerate(lines, 1):
        if is_bar(text):
            continue
        row, rule = _is_row(text), _is_rule(text)
        if table is not None and (not (row or rule) or (rule and text.strip()[0] in _TOP)):
            if table.header:
                yield table
            table = None
        if rule:
            table, headed = table or Table(title), headed if table else False
            headed = headed or bool(table.header)
        elif row:
            table, headed = table or Table(title), headed if table else False
            (table.rows if headed else table.header).append(_cells(number, text))
        elif text.strip():
            title = text.strip()
    if table is not None and table.header:
        yield table


def _is_row(text: str) -> bool:
    return _ROW.match(text) is not None and not _is_rule(text)


def _is_rule(text: str) -> bool:
    return len(text.strip()) > 2 and _RULE.match(text) is not None and text.strip(" |│┃║:") != ""


def _cells(number: int, text: str) -> Row:
    return Row(number, [cell.strip() for cell in _BORDER.split(text.strip())[1:-1]])


def joined(rows: Sequence[Row]) -> list[Row]:
    """Rows of which the first cell was broken over several lines (all other cells empty), as one."""
    whole: list[Row] = []
    for row in rows:
        if whole and len(row.cells) > 2 and row.cells[0] and not any(row.cells[1:]):
            whole[-1] = Row(whole[-1].line, [f"{whole[-1].cells[0]} {row.cells[0]}", *whole[-1].cells[1:]])
        else:
            whole.append(row)
    return whole
