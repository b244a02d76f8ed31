"""The two tables that guidellm 0.2 and 0.3 print: columns without borders, told by their position.

Request latencies are seconds though 0.2 heads them ``Req Latency (ms)`` (0.3 corrected the heading, not the values).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from llmstats.documents import number
from llmstats.parsing import Place
from llmstats.training import run_name

from ._guidellm import Benchmark
from ._serving import SUM, decimals
from ._serving_result import run_base

INFO, STATS = "Benchmarks Info:", "Benchmarks Stats:"
_STRATEGY = re.compile(r"(?:synchronous|throughput|concurrent@\d+|(?:constant|poisson|async)@[\d.]+)$")
#: Columns of the first table behind strategy, start, end and duration: counts, tokens per request, tokens in all.
_COUNTS = ("successful", "incomplete", "errored")
_INFO_WIDTH, _STATS_WIDTH = 19, 17
_STATS = (
    ("requests_per_second", ("mean",)),
    ("request_concurrency", ("mean",)),
    ("output_tokens_per_second", ("mean",)),
    ("tokens_per_second", ("mean",)),
    ("request_latency", ("mean", "p50", "p99")),
    ("time_to_first_token_ms", ("mean", "p50", "p99")),
    ("inter_token_latency_ms", ("mean", "p50", "p99")),
    ("time_per_output_token_ms", ("mean", "p50", "p99")),
)


class Printed(NamedTuple):
    line: int
    cells: list[str]


def benchmarks(place: Place, lines: Sequence[str]) -> Iterator[Benchmark]:
    """Runs of all tables; a row of the second table belongs to the row of the first at the same place."""
    title, at = "", 0
    found: list[Benchmark] = []
    for number_, text in enumerate(lines, 1):
        plain = text.strip()
        if plain in (INFO, STATS):
            title, at = plain, 0 if plain == STATS else at
            found = found if plain == STATS else []
        row = Printed(number_, [cell.strip() for cell in text.split("|")])
        if title and _STRATEGY.match(row.cells[0]) and len(row.cells) >= _STATS_WIDTH:
            if title == INFO:
                found.append(Benchmark(run_name(run_base(place), len(found)), place, early=True))
                _info(found[-1], row)
            elif at < len(found):
                _stats(found[at], row)
                yield found[at]
                at += 1


def _info(benchmark: Benchmark, row: Printed) -> None:
    cells = row.cells[:_INFO_WIDTH] + [""] * (_INFO_WIDTH - len(row.cells))
    benchmark.config["strategy"] = cells[0]
    kind, _, level = cells[0].partition("@")
    streams = 1.0 if kind == "synchronous" else number(level) if kind == "concurrent" else None
    benchmark.case.concurrency = streams
    benchmark.case.request_rate = number(level) if kind in ("constant", "poisson", "async") else None
    benchmark.duration(cells[3], row.line, "1")
    for i, status in enumerate(_COUNTS):
        benchmark.count(status, cells[4 + i], row.line)
    for i, name in enumerate(("prompt_token_count", "output_token_count")):
        benchmark.add(name, "mean", cells[7 + 3 * i], row.line, precision="1")
        benchmark.add(name, SUM, cells[13 + 3 * i], row.line, precision="0")


def _stats(benchmark: Benchmark, row: Printed) -> None:
    cells = iter(row.cells[1:])
    for name, words in _STATS:
        for word in words:
            cell = next(cells, "")
            benchmark.add(name, word, cell, row.line, precision=decimals(cell))
