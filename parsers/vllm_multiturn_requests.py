"""``metrics_client_metrics.csv`` of InferenceX's multi-turn benchmark: one row per request, milliseconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmstats.documents import number
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Issue, Item, Request

from ._samples_vllm_multiturn import REQUEST_SAMPLES
from ._serving import MS, request
from ._serving_multiturn import multiturn_run
from ._serving_table import table, whole_rows

_HEADER = "start_time_ms,relative_time_sec,ttft_ms,tpot_ms,latency_ms,input_num_turns"


class VLLMMultiTurnRequests(DocumentParser):
    """Rows of the run whose log lies beside."""

    name = "vllm_multiturn_requests"
    version = 1
    title = "multi-turn benchmark of InferenceX: metrics_client_metrics.csv, one row per request"
    writes = "benchmark_serving_multi_turn.py"
    samples = REQUEST_SAMPLES

    def detect(self, head: Head) -> str | None:
        return f"header '{_HEADER},…'" if head.text.startswith(_HEADER) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        run = multiturn_run(place)
        header, rows, unended = table(text)
        for index, row in enumerate(whole_rows(rows, len(header.cells), unended)):
            if isinstance(row, Issue):
                yield row
            else:
                yield _request(run.name, index, dict(zip(header.cells, row.cells, strict=False)), row.line)
        yield run


def _request(run: str, index: int, cells: Mapping[str, str], line: int) -> Request:
    known = {key: number(text) for key, text in cells.items()}
    seconds = {key: value * MS for key, value in known.items() if key.endswith("_ms") and value is not None}
    return request(
        run,
        index,
        line,
        started=seconds.get("start_time_ms"),
        ttft=seconds.get("ttft_ms"),
        tpot=seconds.get("tpot_ms") or None,  # 0: the output came in one chunk
        e2e=seconds.get("latency_ms"),
        input_tokens=known.get("input_num_tokens"),
        output_tokens=known.get("output_num_tokens"),
        success=True,
    )
