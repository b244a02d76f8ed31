"""guidellm's report ``benchmarks.csv``: one row per benchmark.

Until 0.3 one header row (``Successful Time to first token ms mean``); since 0.4 three (group, name, unit or statistic).
The cell of percentiles holds a list without names, from minimum to maximum.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from llmstats.documents import Row, csv_rows, number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item
from llmstats.training import microseconds, run_name

from ._guidellm import SUCCESSFUL, Benchmark
from ._samples_guidellm import CSV_SAMPLES
from ._serving_result import run_base

_STATISTICS = {"mean": "mean", "median": "p50", "std dev": "std"}
_LIST = ("min", "p0.1", "p1", "p5", "p10", "p25", "p75", "p90", "p95", "p99", "max")
_EARLY = re.compile(
    r"(?P<status>Successful|Incomplete|Errored|Total) (?P<name>.+) (?P<word>mean|median|std dev|\[min, .*\])$"
)
_EARLY_COUNT = re.compile(r"(Successful|Incomplete|Errored|Total) Requests$")
_LATER = re.compile(r"(?P<status>Successful|Incomplete|Errored) (?P<what>.+)$")
_NAMES = {
    ("Request Latency", "Sec"): "request_latency",
    ("Streaming Iterations", "Count"): "request_streaming_iterations_count",
    ("Time to First Token", "ms"): "time_to_first_token_ms",
    ("Time to First Output Token", "ms"): "time_to_first_output_token_ms",
    ("Time per Output Token", "ms"): "time_per_output_token_ms",
    ("Inter Token Latency", "ms"): "inter_token_latency_ms",
    ("Server Throughput", "Requests/Sec"): "requests_per_second",
    ("Server Throughput", "Concurrency"): "request_concurrency",
    ("Token Metrics", "Input Tokens"): "prompt_token_count",
    ("Token Metrics", "Output Tokens"): "output_token_count",
    ("Token Metrics", "Total Tokens"): "total_token_count",
    ("Token Throughput", "Input Tokens/Sec"): "prompt_tokens_per_second",
    ("Token Throughput", "Output Tokens/Sec"): "output_tokens_per_second",
    ("Token Throughput", "Total Tokens/Sec"): "tokens_per_second",
    ("Token Streaming", "Output Tokens/Iter"): "output_tokens_per_iteration",
    ("Token Streaming", "Iter Tokens/Iter"): "iter_tokens_per_iteration",
}


class Column(NamedTuple):
    """What a column holds: a statistic of a metric for a status."""

    name: str
    status: str
    statistic: str  #: as `_STATISTICS`, or ``list``


class GuideLLMCsv(DocumentParser):
    """One run per row; the JSON beside it tells of the same."""

    name = "guidellm_csv"
    version = 1
    title = "guidellm: benchmarks.csv (0.2 and later)"
    writes = "guidellm"
    samples = CSV_SAMPLES

    def detect(self, head: Head) -> str | None:
        first = head.text.lstrip().split("\n", 1)[0]
        if first.startswith("Run Info,Run Info,") and "Benchmark" in first:
            return "groups Run Info, Benchmark, …"
        return "header Type,Run Id,Id,Name,…" if first.startswith("Type,Run Id,Id,Name,") else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        rows = list(csv_rows(text))
        early = bool(rows) and rows[0].cells[0] == "Type"
        depth = 1 if early else 3
        if len(rows) < depth:
            raise ParseError("no header")
        header = list(zip(*(row.cells for row in rows[:depth]), strict=False))
        for index, row in enumerate(rows[depth:]):
            benchmark = Benchmark(run_name(run_base(place), index), place, early)
            facts = {
                " ".join(part for part in names[:2] if part): cell
                for names, cell in zip(header, row.cells, strict=False)
            }
            _asked(benchmark, facts, index)
            for names, cell in zip(header, row.cells, strict=False):
                _cell(benchmark, names, cell, row)
            yield from benchmark.finish()


def _cell(benchmark: Benchmark, names: Sequence[str], cell: str, row: Row) -> None:
    if names[:2] == ("Timings", "Duration") or names == ("Duration",):
        benchmark.duration(number(cell), row.line)
    elif names[0] == "Request Counts":
        benchmark.count(names[1].lower(), number(cell), row.line)
    elif len(names) == 1 and (counted := _EARLY_COUNT.match(names[0])):
        benchmark.count(counted[1].lower(), number(cell), row.line)
    elif (column := _column(names)) is None:
        return
    elif column.statistic == "list":
        for word, value in zip(_LIST, _numbers(cell), strict=False):
            benchmark.add(column.name, word, value, row.line, status=column.status)
    else:
        benchmark.add(column.name, column.statistic, number(cell), row.line, status=column.status)


def _column(names: Sequence[str]) -> Column | None:
    if len(names) == 1:
        match = _EARLY.match(names[0])
        word = match["word"] if match else ""
        name = match["name"].lower().replace(" ", "_") if match else ""
    else:
        match = _LATER.match(names[1])
        word = names[2].lower()
        name = _NAMES.get((names[0], match["what"]), "") if match else ""
    status = match["status"].lower() if match else ""
    if not name or status == "total":
        return None
    return Column(name, status or SUCCESSFUL, _STATISTICS.get(word, "list"))


def _numbers(cell: str) -> list[float | None]:
    return [number(part) for part in cell.strip("[] ").split(",")]


def _asked(benchmark: Benchmark, facts: dict[str, str], index: int) -> None:
    arguments, profile = _decoded(facts.get("Args")), _decoded(facts.get("Run Info Profile"))
    done = profile.get("completed_strategies") or [arguments.get("strategy")]
    if isinstance(done, list) and done:
        benchmark.asked(done[min(index, len(done) - 1)])
    benchmark.config["strategy"] = facts.get("Benchmark Strategy") or facts.get("Name")
    benchmark.lengths(facts.get("Run Info Requests", ""), facts.get("Request Loader", ""))
    backend = _decoded(facts.get("Run Info Backend")).get("model") or _decoded(facts.get("Worker")).get("backend_model")
    benchmark.model = backend if isinstance(backend, str) else None
    for name, keys in (("started", ("Timings Start Time", "Start Time")), ("ended", ("Timings End Time", "End Time"))):
        clock = microseconds(next((facts[key] for key in keys if key in facts), ""))
        benchmark.config[name] = None if clock is None else next(facts[key] for key in keys if key in facts)


def _decoded(cell: str | None) -> dict[str, Any]:
    """A cell that holds a JSON object."""
    try:
        value = json.loads(cell or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
