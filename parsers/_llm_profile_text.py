"""The printed report of ``llm_profiler.py`` and ``benchmark_client.py``: text lines, then a Python dict."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from llmstats.parsing import Place
from llmstats.records import Event, Item

from ._literals import read_repr
from ._llm_profile import SUMMARY, Cell, Value, cell_of, length_mode, values_of

_LINE = re.compile(
    r"(?P<key>Total QPS|Avg Input Length|Avg Output Length): (?P<value>\S+)\s*$"
    r"|(?P<rate>(?:Total|Input|Output) Throughput): (?P<speed>\S+) token/s\s*$"
)
_PERCENTILE = re.compile(r"(?P<key>\w+_time) +(?P<p>P\d+): (?P<value>-?[\d.]+|nan|inf)(?:s|ms)\s*$")
_ERROR = re.compile(r"[\w.]*(?:Error|Exception|Interrupt)\b.*")
_TRACEBACK = "Traceback (most recent call last)"


def report(place: Place, text: str, program: str, conditions: Mapping[str, Any] | None = None) -> Iterator[Item]:
    """Items of one report; percentiles come from the dict where it is whole, else from the rounded lines.

    Args:
        program: prefix of the fingerprint.
        conditions: None: told from the average output length.
    """
    lines = text.split("\n")
    lines.pop()  # behind the last newline: nothing, or half a line
    printed = _printed(lines)
    result, line = _result(lines, text)
    if result is not None:
        whole = values_of(result, defaultdict(lambda: line))
        printed = {**printed, **{k: v for k, v in whole.items() if " P" in k or k not in printed}}
    clients = float(result["clients"]) if result and isinstance(result.get("clients"), int) else None
    cell = cell_of(place, printed, clients, str(result.get("backend", "")) if result else "")
    yield from _items(cell, lines, program, length_mode(cell) if conditions is None else conditions)


#: ``llmstats run serving`` says in its report how a cell ended that is not complete.
_ENDED = re.compile(r"llmstats: (partial|failed|interrupted): ")


def _items(cell: Cell, lines: list[str], program: str, conditions: Mapping[str, Any]) -> Iterator[Item]:
    run = cell.run(program)
    event = _failure(cell.name, lines)
    run.status = next((ended[1] for line in lines if (ended := _ENDED.match(line))), run.status)
    if event is not None and run.status is None:
        run.status = "failed"
    yield from cell.measurements(conditions)
    if event is not None:
        yield event
    yield run


def _printed(lines: list[str]) -> dict[str, Value]:
    """Values of the text lines; a progress bar may stand in front of any of them."""
    values: dict[str, Value] = {}
    for number, text in enumerate(lines, 1):
        if summary := SUMMARY.search(text):
            valid, total = int(summary[1]), int(summary[2])
            values["request_num"] = Value(valid, summary[1], number)
            values["failed"] = Value(total - valid, f"{summary[2]} - {summary[1]}", number)
            values["valid ratio"] = Value(float(summary[3]), summary[3], number)
        elif (single := _LINE.search(text)) and _is_number(raw := single["value"] or single["speed"]):
            values[single["key"] or single["rate"]] = Value(float(raw), raw, number)
        elif (rank := _PERCENTILE.search(text)) and _is_number(rank["value"]):
            decimals = str(len(rank["value"].partition(".")[2]))
            values[f"{rank['key']} {rank['p']}"] = Value(float(rank["value"]), rank["value"], number, decimals)
    return values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _result(lines: list[str], text: str) -> tuple[dict[str, Any] | None, int]:
    """The printed dict and its line; also without a newline at the end of a file: it closes itself."""
    tail = text.rpartition("\n")[2]
    for number, line in enumerate([*lines, tail], 1):
        at = line.find("{'backend': ")
        if at >= 0 and (found := read_repr(line[at:])) is not None:
            return found, number
    return None, 0


def _failure(run: str, lines: list[str]) -> Event | None:
    """The exception that a traceback ends with; the traceback itself where the end is missing."""
    begins = [i for i, line in enumerate(lines) if _TRACEBACK in line]
    if not begins:
        return None
    for i in range(begins[-1] + 1, len(lines)):
        if match := _ERROR.match(lines[i]):
            kind = "oom" if "out of memory" in match[0].lower() else "error"
            return Event(run, kind, match[0].strip()[:2000], i + 1)
    return Event(run, "error", _TRACEBACK, begins[-1] + 1)
