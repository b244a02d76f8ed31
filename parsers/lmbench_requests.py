"""LMBenchmark's (and vLLM production-stack's multi-round-qa) ``summary.csv``: one row per request, nothing else.

``generation_time`` is from the first token to the end; ``launch_time`` and ``finish_time`` are seconds since 1970.
The rate of requests stands in the file's name (``LMBench_sharegpt_output_28.csv``, ``…_qps0.5.csv``).
Source: ``multi-round-qa.py``, ``sharegpt-qa.py`` of LMCache/LMBenchmark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from llmstats.documents import number
from llmstats.parsing import DocumentParser, Head, Place, Sample
from llmstats.records import Issue, Item, Request, Run

from ._serving import request
from ._serving_result import run_base
from ._serving_table import table, whole_rows

_HEADER = "prompt_tokens,generation_tokens,ttft,generation_time"
_NAME = re.compile(r"(?:LMBench_)?(?P<workload>\w+?)_(?:output_|qps)(?P<rate>\d+(?:\.\d+)?)")

_TEXT = (
    f"{_HEADER},user_id,question_id,launch_time,finish_time\n"
    "75.0,21.0,0.125,1.0,803,1,1745999858.5,1745999859.75\n"
    "80.0,1.0,0.25,0.0,804,1,1745999860.0,1745999860.25\n"
)


class LMBenchRequests(DocumentParser):
    """One run per file."""

    name = "lmbench_requests"
    version = 1
    title = "LMBenchmark / multi-round-qa summary.csv: one row per request"
    writes = "LMBenchmark"
    samples = (
        Sample(
            "vllm/LMBench_long_input_output_2.75.csv",
            _TEXT,
            matched=2,
            runs={
                "vllm/LMBench_long_input_output_2.75": {
                    "kind": "serving",
                    "config": {"workload": "long_input", "request_rate": 2.75},
                }
            },
        ),
        Sample("qa/summary.csv", _TEXT.replace("user_id,question_id,", "") + "1,2\n", matched=2, suspects=1),
    )

    def detect(self, head: Head) -> str | None:
        return f"header '{_HEADER},…'" if head.text.startswith(_HEADER) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        run = Run(run_base(place), place.directory(), kind="serving")
        if named := _NAME.fullmatch(place.stem):
            run.config |= {"workload": named["workload"], "request_rate": float(named["rate"])}
        header, rows, unended = table(text)
        for index, row in enumerate(whole_rows(rows, len(header.cells), unended)):
            if isinstance(row, Issue):
                yield row
            else:
                yield _request(run.name, index, dict(zip(header.cells, row.cells, strict=False)), row.line)
        yield run


def _request(run: str, index: int, cells: Mapping[str, str], line: int) -> Request:
    known = {key: number(text) for key, text in cells.items()}
    tokens, decoding = known.get("generation_tokens"), known.get("generation_time")
    launched, finished = known.get("launch_time"), known.get("finish_time")
    return request(
        run,
        index,
        line,
        started=launched,
        ttft=known.get("ttft"),
        tpot=decoding / (tokens - 1) if decoding is not None and tokens is not None and tokens > 1 else None,
        e2e=finished - launched if finished is not None and launched is not None else None,
        input_tokens=known.get("prompt_tokens"),
        output_tokens=tokens,
        success=True if finished is not None else None,
    )
