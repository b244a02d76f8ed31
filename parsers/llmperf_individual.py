"""llmperf's ``…_individual_responses.json``: a list with one object per request, seconds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Request, Run

from ._llmperf import run_of
from ._samples_llmperf import INDIVIDUAL_SAMPLES
from ._serving import request

#: The program names its files ``{model}_{input}_{output}_…``.
_LENGTHS = re.compile(r"_(\d{1,9})_(\d{1,9})_individual_responses$")
_SIGNS = ('"error_code"', '"inter_token_latency_s"', '"ttft_s"', '"end_to_end_latency_s"')


class LLMPerfIndividual(DocumentParser):
    """Requests of the run that the summary tells of; they carry no time of day."""

    name = "llmperf_individual"
    version = 1
    title = "llmperf: …_individual_responses.json"
    writes = "llmperf"
    samples = INDIVIDUAL_SAMPLES

    def detect(self, head: Head) -> str | None:
        if head.text.lstrip().startswith("[") and all(sign in head.text for sign in _SIGNS):
            return "list of objects with error_code, ttft_s, end_to_end_latency_s"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        found = Json(text)
        if not isinstance(found.value, list):
            raise ParseError("no list")
        name, root = run_of(place)
        rows = [
            (i, row) for i, row in enumerate(found.value) if isinstance(row, dict) and "end_to_end_latency_s" in row
        ]
        yield from (_request(name, i, found.line(i), row) for i, row in rows)
        run = Run(name, root, kind="serving", environment={"benchmark": "llmperf"})
        if lengths := _LENGTHS.search(place.stem):
            run.config = {"input_len": int(lengths[1]), "output_len": int(lengths[2])}
        yield run


def _request(run: str, ordinal: int, line: int, row: dict[str, Any]) -> Request:
    code = row.get("error_code")
    item = request(
        run,
        ordinal,
        line,
        ttft=row.get("ttft_s"),
        e2e=row.get("end_to_end_latency_s"),
        input_tokens=row.get("number_input_tokens"),
        output_tokens=row.get("number_output_tokens"),
        success=code is None,
        error=None if code is None else f"{code} {row.get('error_msg') or ''}".strip(),
    )
    if code is None and item.e2e is not None and item.ttft is not None and (item.output_tokens or 0) > 1:
        item.tpot = (item.e2e - item.ttft) / (item.output_tokens - 1)  # type: ignore[operator]
    return item
