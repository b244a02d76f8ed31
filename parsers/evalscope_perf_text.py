"""Tables that ``evalscope perf`` prints: a summary and percentiles per run, an overview at the end.

Until 0.7 both are lines ``name: value``.  Until 1.6 the summary is ``Key | Value`` and percentiles are rows; since 1.7
it is ``Metric | Value`` in sections, and percentiles are columns.  The overview is read only where no summary is
printed (``performance_summary.txt``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llmstats.documents import number
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item
from llmstats.training import run_name

from ._boxtable import Row, Table, tables
from ._evalscope import Result, is_mislabelled, new_result, percentile_of
from ._samples_evalscope import TEXT_SAMPLES
from ._serving import decimals
from ._serving_result import run_base

_SUMMARY = re.compile(r"[|│] (?:Time taken for tests \((?:s|senconds)\)|Test Duration \(s\)) *[|│]")
_OVERVIEW = re.compile(r"[┃|] *Conc\. *[┃|] *(?:Rate|RPS) *[┃|]")
_MODEL = re.compile(r"[\"'](?:model_id|model)[\"']: [\"']([^\"']+)[\"']")
#: Lines of 0.4 to 0.7, behind nothing but what a logger puts there.
_LINE = re.compile(
    r"(?:.* )?(?P<name>(?:Time taken for|Number of|Total req|Succeed|Failed|Expected|Average|Throughput\()[^:]*)"
    r": (?P<value>[\d.]+)(?: seconds)?\s*$"
)
_HEADING = re.compile(r"(?:.* )?Percentile of (?P<name>time to first token|request latency):\s*$")
_PERCENTILE = re.compile(r"(?:.* )?p(?P<word>\d+): (?P<value>[\d.]+)\s*$")
_PLAIN = re.compile(r"^(?:.* )?Time taken for tests: [\d.]+ seconds\s*$", re.M)
_OUTCOMES = "Total / Success / Failed"
#: Columns of the overview, by their words; each names what the summary would.
_COLUMNS = {
    "RPS": "Req Throughput (req/s)",
    "Gen/s": "Output Throughput (tok/s)",
    "Gen. toks/s": "Output Throughput (tok/s)",
    "Avg Lat.(s)": "Avg Latency (s)",
    "Avg TTFT(s)": "Avg TTFT (s)",
    "Avg TPOT(s)": "Avg TPOT (s)",
    "Avg Inp.TPS": "Input Throughput (tok/s)",
    "Avg Inp.Tok": "Avg Input Tokens",
}
_P99 = {"P99 Lat.(s)": "Latency (s)", "P99 TTFT(s)": "TTFT (s)", "P99 TPOT(s)": "TPOT (s)"}


class EvalScopeText(DocumentParser):
    """One run per summary, else one per row of the overview."""

    name = "evalscope_perf_text"
    version = 1
    title = "evalscope perf's tables on the console, performance_summary.txt"
    writes = "evalscope"
    samples = TEXT_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "Time taken for tests: " in head.text and "Succeed requests: " in head.text and _PLAIN.search(head.text):
            return "lines Time taken for tests: …, Succeed requests: …"
        for signs, pattern in ((("Time taken for tests (", "Test Duration ("), _SUMMARY), (("Conc.",), _OVERVIEW)):
            found = pattern.search(head.text) if any(sign in head.text for sign in signs) else None
            if found:
                return f"table with {found[0].strip('|│┃ ')}"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # what has no end may be cut
        found = [table for table in tables(lines) if table.rows]
        results = list(_results(place, found)) or list(_overview(place, found)) or list(_plain(place, lines))
        model = _MODEL.search(text)
        for result in results:
            result.run.model = model[1] if model else None
            yield from result.finish()


def _results(place: Place, found: Sequence[Table]) -> Iterator[Result]:
    result, count = None, 0
    for table in found:
        if _is_summary(table):
            if result:
                yield result
            early = any("package latency" in row.cells[0] for row in table.rows)
            result = new_result(run_name(run_base(place), count), place.directory(), early)
            count += 1
            _summary(result, table)
        elif result and (table.names[0] in ("Percentiles", "Percentile") or _is_transposed(table)):
            _percentiles(result, table)
    if result:
        yield result


def _plain(place: Place, lines: Sequence[str]) -> Iterator[Result]:
    """Runs of 0.4 to 0.7; each begins with the time that it took."""
    result, heading, count = None, "", 0
    for line, text in enumerate(lines, 1):
        if _PLAIN.match(text):
            if result:
                yield result
            result, heading = new_result(run_name(run_base(place), count), place.directory(), early=True), ""
            count += 1
        if result is None:
            continue
        if match := _LINE.match(text):
            name = match["name"].partition("(")[0]  # "Throughput(average output tokens per second)"
            result.summary(name, match["value"], line, _precision(match["value"]))
        elif match := _HEADING.match(text):
            heading = "TTFT (s)" if "token" in match["name"] else "Latency (s)"
        elif heading and (match := _PERCENTILE.match(text)):
            result.percentile(heading, f"p{match['word']}", match["value"], line, _precision(match["value"]))
    if result:
        yield result


def _is_summary(table: Table) -> bool:
    return table.names in (["Key", "Value"], ["Metric", "Value"]) and any(
        row.cells[0].startswith(("Time taken for tests", "Test Duration")) for row in table.rows
    )


def _is_transposed(table: Table) -> bool:
    return table.names[0] == "Metric" and len(table.names) > 2 and percentile_of(table.names[-1]) is not None


def _summary(result: Result, table: Table) -> None:
    for row in table.rows:
        if len(row.cells) != 2 or not row.cells[1]:
            continue
        name, cell = row.cells
        if name == _OUTCOMES:
            keys = ("Total Requests", "Success Requests", "Failed Requests")
            for key, part in zip(keys, cell.split("/"), strict=False):
                result.summary(key, part.strip(), row.line)
        else:
            result.summary(name, cell, row.line, _precision(cell))


def _percentiles(result: Result, table: Table) -> None:
    columns = dict.fromkeys(table.names)
    for row in table.rows:
        for name, cell in zip(table.names[1:], row.cells[1:], strict=False):
            key, label = (row.cells[0], name) if _is_transposed(table) else (name, row.cells[0])
            word = percentile_of(label)
            if word is not None and number(cell) is not None:
                result.percentile(key.replace("TPOT", "ITL") if is_mislabelled(columns) else key, word, cell, row.line)
                result.items[-1].precision, result.items[-1].raw_name = _precision(cell), key


def _precision(cell: str) -> str:
    return decimals(cell) if "." in cell else "full"


def _overview(place: Place, found: Sequence[Table]) -> Iterator[Result]:
    count = 0
    for table in found:
        names = [
            " ".join(part for part in parts if part) for parts in zip(*(r.cells for r in table.header), strict=False)
        ]
        if names[:1] != ["Conc."] or "RPS" not in names:
            continue
        for row in table.rows:
            cells = dict(zip(names, row.cells, strict=False))
            if number(cells["Conc."]) is not None:
                yield _cell(new_result(run_name(run_base(place), count), place.directory()), cells, row)
                count += 1


def _cell(result: Result, cells: dict[str, str], row: Row) -> Result:
    result.summary("Concurrency", cells["Conc."], row.line)
    if number(cells.get("Rate", "")) is not None:
        result.summary("Request Rate (req/s)", cells["Rate"], row.line)
    for name, cell in cells.items():
        if number(cell) is None:
            continue
        if name in _COLUMNS:
            result.summary(_COLUMNS[name], cell, row.line, _precision(cell))
        elif name in _P99:
            result.percentile(_P99[name], "p99", cell, row.line, _precision(cell))
    share = cells.get("Success", cells.get("Success Rate", "")).rstrip("%")
    if number(share) is not None:
        result.success(share, row.line)
    return result
