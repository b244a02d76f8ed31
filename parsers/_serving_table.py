"""Tables of serving results: a header whose cells are keys or printed labels, one result per row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Row, csv_rows, number
from llmstats.errors import ParseError
from llmstats.parsing import Head, Place
from llmstats.records import Issue, Item, Run
from llmstats.training import run_name

from ._serving import decimals
from ._serving_names import key_of, meaning_of, plain_key
from ._serving_result import Entry, Result, lengths_in, run_base

_DEVICE = re.compile(r"(?=.*\d)[A-Za-z][\w .+-]{1,60}")


def header_of(head: Head) -> list[str]:
    """Cells of the first line, empty where it is no line of a table."""
    line = head.lines[0]
    return [cell.strip().strip('"') for cell in line.split(",")] if "," in line and len(line) < 10_000 else []


def key_in(cell: str) -> str:
    """Key of a column: labels are turned into keys."""
    return key_of(cell) or plain_key(cell)


def table(text: str) -> tuple[Row, list[Row], int]:
    """Header, rows, and the number of a last line that may be cut (0: none).

    Raises:
        ParseError: not CSV, or no header.
    """
    rows = list(csv_rows(text))
    if not rows:
        raise ParseError("a table without a header")
    return rows[0], rows[1:], 0 if text.endswith("\n") else text.count("\n") + 1


def results(place: Place, text: str, tokens: str) -> Iterator[Item]:
    """Items of all rows: one run each, named by a column ``filename`` where there is one."""
    header, rows, unended = table(text)
    columns = [key_in(cell) for cell in header.cells]
    base, seen = run_base(place), Counter[str]()
    for index, row in enumerate(whole_rows(rows, len(columns), unended)):
        if isinstance(row, Issue):
            yield row
            continue
        cells = dict(zip(columns, zip(header.cells, row.cells, strict=False), strict=False))
        saved = cells.get("filename", ("", ""))[1].removesuffix(".json")
        name = run_name(f"{place.parent()}/{saved}", seen[saved]) if saved else run_name(base, index)
        seen[saved] += 1
        yield from _row(place, name, cells, row.line, tokens)


def whole_rows(rows: list[Row], width: int, unended: int) -> Iterator[Row | Issue]:
    """Rows with all cells; of a row without its newline a number at the end may be cut, and is then left out."""
    for row in rows:
        cut = row.line == unended and (len(row.cells) < width or _may_be_cut(rows))
        if cut and len(row.cells) <= width:
            yield Row(row.line, row.cells[:-1])
        elif len(row.cells) < width - 2:
            yield Issue(f"row of {len(row.cells)} cells below a header of {width}", row.line, ",".join(row.cells)[:500])
        else:
            yield row


def _may_be_cut(rows: list[Row]) -> bool:
    """Whether the last number has no decimals, or fewer than any above it; a text is taken as it is."""
    *above, last = (row.cells[-1] for row in rows)
    if number(last) is None:
        return False
    return int(decimals(last)) < min((int(decimals(cell)) for cell in above), default=99) or "." not in last


def _row(place: Place, name: str, cells: dict[str, tuple[str, str]], line: int, tokens: str) -> Iterator[Item]:
    result = Result(name, place.directory(), {}, dict(lengths_in(place.stem)), tokens)
    for key, (raw_name, text) in cells.items():
        if not key or not text:
            continue
        if key == "concurrency" and text.isdigit():  # what was asked for; what was reached has decimals
            result.config["max_concurrency"] = int(text)
        elif meaning_of(key, tokens) is not None:
            result.entries[key] = Entry(text, line, raw_name, decimals(text) if "." in text else "full")
        else:
            result.config[key] = plain(text)
    for item in result.items():
        if isinstance(item, Run):
            _device(item)
        yield item


def _device(run: Run) -> None:
    """Columns that name the device, and count them."""
    named = {key.lower(): value for key, value in run.config.items()}
    device = next((named[key] for key in ("gpu", "gpu_name", "device") if key in named), None)
    if isinstance(device, str) and _DEVICE.fullmatch(device):
        run.device = device
    if isinstance(named.get("gpu_count"), int):
        run.device_count = named["gpu_count"]


def plain(text: str) -> Any:
    """A cell as a value of a configuration."""
    value = number(text)
    if value is None or text.lower() in ("nan", "inf", "infinity"):
        return {"true": True, "false": False}.get(text.lower(), text)
    return int(value) if value.is_integer() and re.fullmatch(r"-?\d+", text) else value
