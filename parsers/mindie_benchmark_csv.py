"""``benchmark.csv`` of MindIE-LLM (``ATB_LLM_BENCHMARK_ENABLE=1``): the times of the last batch, one row.

Source: ``examples/server/generate.py``.  Times of the columns are milliseconds; the two lists of single steps, in one
quoted cell each, are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from llmstats.documents import Row, number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Measurement, Run

from ._mindie import BATCH_DEVICE, FRAMEWORK, MS, PREFILL, PREFILL_SHARE, TPOT, table_rows, values
from ._samples_mindie import BENCHMARK_SAMPLES
from ._serving import Case, Meaning, measurement, whole_number

_HEADER = "batch_size,input_seq_len,output_seq_len,e2e_time(ms),"
_MEANINGS = {
    "e2e_time(ms)": Meaning("e2e_batch_latency", BATCH_DEVICE, MS),
    "prefill_time(ms)": Meaning("prefill_time", PREFILL, MS),
    "decoder_token_time(ms)": Meaning("tpot", TPOT, MS),
    "prefill_average_time(ms)": Meaning("prefill_time_per_request", PREFILL_SHARE, MS),
}
_SIZES = ("batch_size", "input_seq_len", "output_seq_len", "prefill_count")
_STEPS = {
    "prefill_token_times": Meaning("prefill_time", "prefill_time@prefill_step"),
    "decode_token_times": Meaning("tpot", TPOT),
}
_RANKS = {"min": 0, "p50": 50, "p90": 90, "p99": 99, "max": 100}


class MindIEBenchmarkCsv(DocumentParser):
    """One run; of the single steps their distribution."""

    name = "mindie_benchmark_csv"
    version = 1
    title = "MindIE-LLM benchmark.csv (ATB_LLM_BENCHMARK_ENABLE)"
    writes = "MindIE-LLM"
    samples = BENCHMARK_SAMPLES

    def detect(self, head: Head) -> str | None:
        return f"header '{_HEADER}…'" if head.text.startswith(_HEADER) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        rows = table_rows(text)
        if not text.startswith(_HEADER):
            raise ParseError(f"the header is not '{_HEADER}…'")
        name = "/".join(p for p in (place.parent(), place.stem) if p)
        run = Run(name, place.directory(), kind="inference", framework=FRAMEWORK)
        for row in rows[1:2]:
            yield from _row(run, rows[0].cells, row)
        yield run


def _row(run: Run, header: list[str], row: Row) -> Iterator[Item]:
    cells = dict(zip(header, row.cells, strict=False))
    batch, input_len, output_len = (number(cells.get(key, "")) for key in _SIZES[:3])
    prefills = whole_number(cells.get("prefill_count"))
    case = Case(input_len=input_len, output_len=output_len, batch_size=batch)
    given = {k: v for k, v in cells.items() if k and k not in _SIZES and k not in _STEPS}
    yield from values(run.name, _MEANINGS, given, row.line, case, "2")
    for column in _STEPS:
        yield from _steps(run.name, column, cells.get(column, ""), row.line, case)
    run.status = "completed"
    if prefills is not None:
        run.config["prefill_count"] = prefills


def _steps(run: str, column: str, text: str, line: int, case: Case) -> Iterator[Measurement]:
    """Seconds of single steps as their distribution: the cell holds one number per step."""
    known = (number(part) for part in text.split(","))
    seconds = [value for value in known if value is not None and math.isfinite(value)]
    if not seconds:
        return
    for statistic, rank in _RANKS.items():
        value = float(np.percentile(seconds, rank))
        item = measurement(run, _STEPS[column].as_statistic(statistic), value, column, line, case)
        item.raw_value = f"{len(seconds)} values"
        yield item
