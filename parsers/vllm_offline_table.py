"""Tables that people make of ``vllm bench throughput`` and ``latency``: columns are keys of their JSON.

Separated by commas or tabs; one run per row.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.documents import csv_rows, number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Issue, Item
from llmstats.training import run_name

from ._samples_vllm_offline import TABLE_SAMPLES
from ._serving import Meaning, decimals, measurement, statistic
from ._serving_offline import BATCH_LATENCY, THROUGHPUT, case_in, offline_run
from ._serving_result import run_base

_ASKED = {"input_len": "input_len", "output_len": "output_len", "out_len": "output_len", "batch_size": "batch_size"}
_THROUGHPUT = ("elapsed_time", "num_requests", "requests_per_second")


class VLLMOfflineTable(DocumentParser):
    name = "vllm_offline_table"
    version = 1
    title = "CSV or TSV of vllm bench throughput's or latency's results"
    writes = "vLLM"
    samples = TABLE_SAMPLES

    def detect(self, head: Head) -> str | None:
        cells = [cell.strip() for cell in head.lines[0].replace("\t", ",").split(",")]
        if "batch_size" not in cells or "input_len" not in cells:
            return None
        if all(key in cells for key in _THROUGHPUT):
            return "a header with input_len, batch_size, elapsed_time, num_requests"
        return "a header with input_len, batch_size, avg_latency" if "avg_latency" in cells else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        rows = list(csv_rows(text, "\t" if "\t" in text.partition("\n")[0] else ","))
        unended = 0 if text.endswith("\n") else text.count("\n") + 1
        if not rows:
            raise ParseError("an empty table")
        header = rows[0].cells
        for index, row in enumerate(rows[1:]):
            cells = row.cells[:-1] if row.line == unended else row.cells
            if len(cells) < len(header) and row.line != unended:
                yield Issue(f"row of {len(cells)} cells below a header of {len(header)}", row.line, str(cells)[:500])
                continue
            yield from _row(place, index, dict(zip(header, cells, strict=False)), row.line)


def _row(place: Place, index: int, cells: dict[str, str], line: int) -> Iterator[Item]:
    config = {_ASKED[key]: number(text) for key, text in cells.items() if key in _ASKED}
    run = offline_run(place, "vllm", config, run_name(run_base(place), index))
    case = case_in(config)
    for key, text in cells.items():
        if key not in _ASKED and number(text) is not None:
            precision = decimals(text) if "." in text else "full"
            yield measurement(run.name, _meaning(key), text, key, line, case, precision)
    yield run


def _meaning(key: str) -> Meaning:
    if key in THROUGHPUT:
        return THROUGHPUT[key]
    word = statistic(key.removesuffix("_latency"))
    return BATCH_LATENCY.as_statistic(word) if word else Meaning(key)
