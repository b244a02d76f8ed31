"""Tables made of llmperf's summaries: one column per concurrency, one row per metric, milliseconds.

Written by the notebooks beside llmperf's ``benchmarks/results``.  ``throughput_token_per_s`` is the system's, with a
percentile it is that of single requests.  A second table below the first repeats some of its rows.  The notebooks keep
each column as a JSON object, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from llmstats.documents import Json, Row, csv_rows, number
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Measurement, Run

from ._llmperf import COMPLETED, FAILED, FIRST, INPUT, ITL, OUTPUT, PER_MINUTE, PER_REQUEST, SYSTEM, fingerprint
from ._samples_llmperf import CSV_SAMPLES
from ._serving import Case, Meaning, measurement

_MS = 1e-3
_NAMES = (
    (re.compile(r"mean_input_token_length$"), INPUT.as_statistic("mean")),
    (re.compile(r"mean_output_token_length$"), OUTPUT.as_statistic("mean")),
    (re.compile(r"(?:first-time-to-token|time_to_first_token)\w*_in_ms_\(ttft\)"), replace(FIRST, factor=_MS)),
    (re.compile(r"latency_ms_per_token_\(inter_token_latency\)"), replace(ITL, factor=_MS)),
    (re.compile(r"requests_per_minute_\(qpm\)$"), PER_MINUTE),
    (re.compile(r"results_number_errors$"), FAILED),
    (re.compile(r"results_num_completed_requests$"), COMPLETED),
    (re.compile(r"throughput_token_per_s_\(token/sec\)_p\d+$"), PER_REQUEST),
    (re.compile(r"throughput_token_per_s_\(token/sec\)$"), SYSTEM),
)
_DISTRIBUTIONS = ("ttft", "itl")
_WORD = re.compile(r"_(p\d+)$")
_FIRST_ROW = re.compile(r"\s*(?:(?:,[\d.,]+\n)?concurrency,[\d.]|\{\s*\"concurrency\": *[\d.])")


class LLMPerfCsv(DocumentParser):
    """One run per column; where the summary lies below, it is the same run."""

    name = "llmperf_csv"
    version = 1
    title = "llmperf: table of a sweep over concurrencies, or one column of it as JSON"
    writes = "llmperf"
    samples = CSV_SAMPLES

    def detect(self, head: Head) -> str | None:
        if _FIRST_ROW.match(head.text) and "(inter_token_latency)" in head.text:
            return "rows concurrency, …(ttft), …(inter_token_latency)"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        base = "/".join(part for part in (place.parent(2), place.parent(), place.stem) if part)
        columns: dict[int, Case] = {}
        values: dict[tuple[int, str], Measurement] = {}
        minutes: dict[int, float | None] = {}
        for line, cells in _rows(text):
            for i, cell in enumerate(cells[1:]):
                value = number(cell)
                if cells[0] == "concurrency":
                    columns[i] = Case(concurrency=value)
                elif cells[0] and value is not None and i in columns:
                    name = _name(base, columns[i])
                    values[i, cells[0]] = measurement(name, _meaning(cells[0]), cell, cells[0], line, columns[i])
                    if "(qpm)" in cells[0]:
                        minutes[i] = value
        yield from values.values()
        for i, case in columns.items():
            run = Run(_name(base, case), place.directory(), kind="serving", environment={"benchmark": "llmperf"})
            run.fingerprint = fingerprint(minutes.get(i))
            run.config = {"concurrency": case.concurrency}
            yield run


def _rows(text: str) -> Iterator[Row]:
    """Rows of the table; those of a JSON object have one column.

    Raises:
        ParseError: neither.
    """
    if not text.lstrip().startswith("{"):
        yield from csv_rows(text)
        return
    found = Json(text)
    for key, value in found.value.items():
        yield Row(found.line(key), [key, str(value)])


def _name(base: str, case: Case) -> str:
    return f"{base}/c{case.concurrency:g}" if case.concurrency is not None else base


def _meaning(name: str) -> Meaning:
    """Meaning of a row; a latency without a percentile is the mean."""
    known = next((meaning for pattern, meaning in _NAMES if pattern.match(name)), None)
    if known is None:
        return Meaning(name)
    word = _WORD.search(name)
    if word:
        return known.as_statistic(word[1])
    return known.as_statistic("mean") if known.metric in _DISTRIBUTIONS else known
