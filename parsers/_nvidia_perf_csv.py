"""The tables that genai-perf and aiperf save as CSV, and those that they print.

A table of metrics with statistics, a blank line, a table of single values; of genai-perf devices may follow.  The order
of the statistics and the thousands separators are the header's and the cells' own matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llmstats.documents import csv_rows, number
from llmstats.errors import ParseError
from llmstats.parsing import Place
from llmstats.records import Issue, Item
from llmstats.training import run_name

from ._boxtable import Table, joined, tables
from ._nvidia_perf import Report, named, new_report

#: What stands for no value.
_NOTHING = ("", "n/a", "none", "-")
_DECIMALS = "2"  # all values of the tables are rounded so
#: Above a table of one device, which belongs to the table of metrics before it.
_GPU = re.compile(r"\s*(?P<endpoint>\S+) \| GPU (?P<index>\d+) \| (?P<name>\S.*)")
_DEVICE = re.compile(r"GPU(?:[_ ]Index)?", re.I)


def sheet(place: Place, text: str, tool: str) -> Iterator[Item]:
    """Items of a CSV file.

    Raises:
        ParseError: no row below a header.
    """
    report = new_report(tool, place)
    header: list[str] = []
    for line, cells in csv_rows(text):
        if "Metric" in cells:
            header = cells
        elif header:
            yield from _row(report, header, cells, line)
    if not report.items:
        raise ParseError("no row below a header 'Metric,…'")
    yield from report.finish()


def _row(
    report: Report, header: Sequence[str], cells: Sequence[str], line: int, device: str | None = None
) -> Iterator[Issue]:
    row = dict(zip(header, cells, strict=False))
    tag, unit = named(row.pop("Metric", ""))
    device = next((row.pop(key) for key in list(row) if _DEVICE.fullmatch(key)), device)
    bad = [
        cell
        for key, cell in row.items()
        if _is_statistic(key) and cell.lower() not in _NOTHING and number(cell) is None
    ]
    if bad or not tag:
        yield Issue(f"no number: {bad[0]}" if bad else "no name", line, ",".join(cells)[:500])
        return
    values = {_word(key): (cell, line) for key, cell in row.items() if _is_statistic(key) and number(cell) is not None}
    if device is None:
        report.add(tag, unit, values, _DECIMALS)
    else:
        report.telemetry(tag, unit, device, values)


def _is_statistic(key: str) -> bool:
    return re.fullmatch(r"avg|min|max|sum|std|count|p\d[\d.]*|Value", key) is not None


def _word(key: str) -> str:
    return key.lower()


def printed(place: Place, text: str, tool: str, title: str) -> Iterator[Item]:
    """Items of all tables of a console; each group of tables that name different metrics is a run.

    Args:
        title: what stands above each table.
    """
    lines = text.split("\n")
    lines.pop()  # what has no end may be cut
    groups = _groups([t for t in tables(lines) if t.rows and is_summary(t, title)])
    base = "/".join(part for part in (place.parent(), place.stem) if part)
    for index, group in enumerate(groups):
        report = new_report(tool, place)
        report.run.name = run_name(base, index)
        for table in group:
            for row in joined(table.rows):
                if any(row.cells):
                    yield from _row(report, ["Metric", *table.names[1:]], row.cells, row.line, _device(report, table))
        until = groups[index + 1][0].header[0].line if index + 1 < len(groups) else len(lines)
        _announced(report, lines, group[-1].rows[-1].line, until)
        yield from report.finish()


def _groups(found: Sequence[Table]) -> list[list[Table]]:
    """Tables of one run: a metric that was named before, but not of a device, begins the next."""
    groups: list[list[Table]] = []
    seen: set[str] = set()
    for table in found:
        names = set() if _GPU.match(table.title) else {row.cells[0] for row in joined(table.rows)}
        if not groups or names & seen:
            groups.append([])
            seen = set()
        groups[-1].append(table)
        seen |= names
    return groups


def _device(report: Report, table: Table) -> str | None:
    """Device that a table is about, under the name that the JSON gives it."""
    match = _GPU.match(table.title)
    if match is None:
        return None
    report.run.device = match["name"].strip()
    return f"{match['endpoint']}/gpu_{match['index']}"


def is_summary(table: Table, title: str) -> bool:
    """Whether a table is the one of metrics: by its title, or by its columns where the title was cut off."""
    return title in table.title or (table.names[:3] in (["Metric", "avg", "min"], ["Statistic", "avg", "min"]))


_ARGUMENT = re.compile(r"--(?P<key>[a-z][\w-]*)(?:[ =]+(?P<value>'[^']*'|\"[^\"]*\"|(?!--)\S+))?")
_THROUGHPUT = re.compile(r"(?P<words>(?:Request|Output token) throughput) \((?P<unit>[^()]*)\): (?P<value>[\d.,]+)\s*$")
_DURATION = re.compile(r"Benchmark Duration: (?P<value>[\d.,]+) sec\s*$")


def _announced(report: Report, lines: Sequence[str], start: int, stop: int) -> None:
    """What is printed below a table: single values, and the command line."""
    command: list[str] = []
    for line in range(start + 1, min(stop, start + 60) + 1):
        text = lines[line - 1]
        if match := _DURATION.match(text):
            report.add("benchmark_duration", "sec", {"value": (match["value"], line)}, _DECIMALS)
        elif match := _THROUGHPUT.match(text):
            tag, _ = named(match["words"])
            report.add(tag, match["unit"], {"value": (match["value"], line)}, _DECIMALS)
        if text.startswith("CLI Command:") or (command and text.startswith(("-", "'", '"'))):
            command.append(text.strip())
        elif command and not command[-1].endswith("\0"):
            command[-1] += "\0"
    _command(report, " ".join(command).replace("\0", ""))


def _command(report: Report, command: str) -> None:
    known = {m["key"]: (m["value"] or "true").strip("'\"") for m in _ARGUMENT.finditer(command)}
    run, case = report.run, report.case
    run.model = known.get("model") or known.get("model-names")
    run.config = {key.replace("-", "_"): value for key, value in known.items() if "key" not in key}
    case.concurrency = number(known.get("concurrency", ""))
    case.request_rate = number(known.get("request-rate", ""))
    case.input_len = number(known.get("isl", "") or known.get("synthetic-input-tokens-mean", ""))
    case.output_len = number(known.get("osl", "") or known.get("output-tokens-mean", ""))
    for item in report.items:
        item.concurrency, item.request_rate = case.concurrency, case.request_rate
        item.input_len, item.output_len = case.input_len, case.output_len
