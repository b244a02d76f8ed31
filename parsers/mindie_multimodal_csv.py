"""Tables of MindIE-LLM's multimodal examples (``internvl_performance.csv``, ``performance.csv`` …): a row per test.

Source: ``performance_save`` of ``examples/multimodal_runner.py``; tests append to the file.  Headers differ from model
to model and from version to version (seconds or milliseconds, ``fisrt_token_time``, ``E2E Throughout``) and hold
runs of blanks.  The time of the first token is that of all prefills of the batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.documents import Row, number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run
from llmstats.training import run_name

from ._mindie import BATCH_WALL, FRAMEWORK, MS, OUTPUT_RATE, PREFILL, TPOT, table_rows, values
from ._samples_mindie import MULTIMODAL_SAMPLES
from ._serving import Case, Meaning, whole_number

_HEADER = re.compile(
    r"batch, *input_len, *output_len, *(?:embedding_len, *)?(?:fi(?:rs|sr)t_token_time|FirstToken)\(m?s\)"
)
_MEANINGS = {
    "first_token_time(ms)": Meaning("prefill_time", PREFILL, MS),
    "fisrt_token_time(ms)": Meaning("prefill_time", PREFILL, MS),
    "FirstToken(s)": Meaning("prefill_time", PREFILL),
    "non_first_token_time(ms)": Meaning("tpot", TPOT, MS),
    "ResponseTime(ms)": Meaning("e2e_batch_latency", BATCH_WALL, MS),
    "e2e_time(ms)": Meaning("e2e_batch_latency", BATCH_WALL, MS),
    "ResponseTime(s)": Meaning("e2e_batch_latency", BATCH_WALL),
    "E2E Throughput Average(Tokens/s)": Meaning("output_tokens_per_second", OUTPUT_RATE),
    "E2E Throughout Average(Tokens/s)": Meaning("output_tokens_per_second", OUTPUT_RATE),
    "e2e_throughput(tokens/s)": Meaning("output_tokens_per_second", OUTPUT_RATE),
}
_SIZES = ("batch", "input_len", "output_len", "embedding_len")


class MindIEMultimodalCsv(DocumentParser):
    """One run per row."""

    name = "mindie_multimodal_csv"
    version = 1
    title = "MindIE-LLM multimodal examples: {model}_performance.csv"
    writes = "MindIE-LLM"
    samples = MULTIMODAL_SAMPLES

    def detect(self, head: Head) -> str | None:
        return "header 'batch, input_len, output_len, … token time'" if _HEADER.match(head.text) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        if not _HEADER.match(text):
            raise ParseError("the header is not 'batch, input_len, output_len, …'")
        rows = table_rows(text)
        base = "/".join(p for p in (place.parent(), place.stem) if p)
        for index, row in enumerate(rows[1:]):
            yield from _row(run_name(base, index), place, rows[0].cells, row)


def _row(name: str, place: Place, header: list[str], row: Row) -> Iterator[Item]:
    """One test; a header that another start wrote again is none."""
    cells = dict(zip(header, row.cells, strict=False))
    batch, input_len, output_len = (number(cells.get(key, "")) for key in _SIZES[:3])
    embedded = whole_number(cells.get("embedding_len"))
    if batch is None:
        return
    conditions = {} if embedded is None else {"embedding_len": embedded}
    case = Case(input_len, output_len, batch_size=batch, conditions=conditions)
    given = {k: v for k, v in cells.items() if k and k not in _SIZES}
    yield from values(name, _MEANINGS, given, row.line, case)
    yield Run(name, place.path, kind="inference", framework=FRAMEWORK, status="completed")
