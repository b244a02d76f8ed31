"""guidellm's tables on the console, in a log of whatever else was printed around them.

Since 0.4 headers have three rows: groups that span columns, names, statistics; values are rounded to one decimal.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.documents import number
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Issue, Item, Run
from llmstats.training import run_name

from ._boxtable import Table, tables
from ._guidellm import Benchmark
from ._guidellm_text import INFO, benchmarks
from ._samples_guidellm import TEXT_SAMPLES
from ._serving import SUM
from ._serving_result import run_base

_DECIMALS = "1"
_STARTS = (
    INFO,
    "OpenAIHTTPBackend backend validated with model",
    "Setup complete, starting benchmarks",
    "ℹ Run Summary Info",
)
_STATISTICS = {"Mdn": "p50", "Mean": "mean", "Std": "std", "p95": "p95", "p99": "p99", "p90": "p90"}
#: (group, name) of the columns that hold distributions.
_NAMES = {
    ("Request Latency", "Sec"): "request_latency",
    ("TTFT", "ms"): "time_to_first_token_ms",
    ("TTFOT", "ms"): "time_to_first_output_token_ms",
    ("ITL", "ms"): "inter_token_latency_ms",
    ("TPOT", "ms"): "time_per_output_token_ms",
    ("Requests", "Per Sec"): "requests_per_second",
    ("Requests", "Concurrency"): "request_concurrency",
    ("Input Tok", "Per Req"): "prompt_token_count",
    ("Output Tok", "Per Req"): "output_token_count",
    ("Total Tok", "Per Req"): "total_token_count",
}
_RATES = {
    ("Input Tokens", "Per Sec"): "prompt_tokens_per_second",
    ("Output Tokens", "Per Sec"): "output_tokens_per_second",
    ("Total Tokens", "Per Sec"): "tokens_per_second",
}
_SUMS = {"Input Tokens": "prompt_token_count", "Output Tokens": "output_token_count"}


class GuideLLMText(DocumentParser):
    """One run per row of a summary; a log without one is a run that has not finished, or failed."""

    name = "guidellm_text"
    version = 1
    title = "guidellm's tables on the console (0.2 and later)"
    writes = "guidellm"
    samples = TEXT_SAMPLES

    def detect(self, head: Head) -> str | None:
        if head.text.lstrip().startswith(("{", "<")):
            return None
        return next((f"'{sign}'" for sign in _STARTS if sign in head.text), None)

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # what has no end may be cut
        base = run_base(place)
        found: list[Benchmark] = []
        current: list[Benchmark] = []
        for table in tables(lines):
            if "Run Summary Info" in table.title:
                current = [Benchmark(run_name(base, len(found) + i), place) for i in range(len(table.rows))]
                found += current
            if "Statistics" in table.title or "Run Summary Info" in table.title:
                yield from _read(table, current)
        found = found or list(benchmarks(place, lines))
        for benchmark in found:
            yield from benchmark.finish()
        if not found:
            yield Run(base, place.directory(), kind="serving", environment={"benchmark": "guidellm"})


def _read(table: Table, benchmarks: list[Benchmark]) -> Iterator[Issue]:
    columns = _columns(table)
    for row, benchmark in zip(table.rows, benchmarks, strict=False):
        if len(row.cells) != len(columns):
            yield Issue("a row of another width than its header", row.line, " | ".join(row.cells)[:500])
            continue
        benchmark.config.setdefault("strategy", row.cells[0])
        if row.cells[0].startswith("synchronous"):
            benchmark.case.concurrency = 1.0
        for column, cell in zip(columns, row.cells, strict=True):
            _cell(benchmark, column, cell, row.line)


def _columns(table: Table) -> list[tuple[str, str, str]]:
    """(group, name, statistic) of each column; a group stands over its columns, the first of them named."""
    width = len(table.names)
    rows = [row.cells + [""] * (width - len(row.cells)) for row in table.header[:3]] + [[""] * width] * 3
    group = name = ""
    columns = []
    for i in range(width):
        if rows[0][i]:
            group, name = rows[0][i], ""
        name = rows[1][i] or name
        columns.append((group, name, rows[2][i]))
    return columns


def _cell(benchmark: Benchmark, column: tuple[str, str, str], cell: str, line: int) -> None:
    group, name, word = column
    value = number(cell)
    if value is None:
        return
    metric = _NAMES.get((group, name)) or _RATES.get((group, name))
    if metric and word in _STATISTICS:
        benchmark.add(metric, _STATISTICS[word], cell, line, precision=_DECIMALS)
    elif (group, name) == ("Timings", "Dur"):
        benchmark.duration(cell, line, _DECIMALS)
    elif (name, word) == ("Comp", "Tot") and group in _SUMS:
        benchmark.add(_SUMS[group], SUM, cell, line, precision=_DECIMALS)
