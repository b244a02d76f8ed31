"""``metrics_server_metrics.csv`` of InferenceX's multi-turn benchmark: the server's counters, polled once a second."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmstats.documents import number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import Column, Issue, Item, Points

from ._samples_vllm_multiturn import SERVER_SAMPLES
from ._serving_multiturn import multiturn_run
from ._serving_table import table, whole_rows

_HEADER = "timestamp_sec,relative_time_sec,kv_cache_usage_pct,"
_CLOCK = ("timestamp_sec", "relative_time_sec")


class VLLMMultiTurnServer(DocumentParser):
    """Series of the run whose log lies beside; they have a clock and no steps."""

    name = "vllm_multiturn_server"
    version = 1
    title = "multi-turn benchmark of InferenceX: metrics_server_metrics.csv, the server's counters over time"
    writes = "benchmark_serving_multi_turn.py"
    names = {
        "kv_cache_usage_pct": Name("kv_cache_utilisation", 0.01),
        "cpu_kv_cache_usage_pct": Name("host_kv_cache_utilisation", 0.01),
        "num_requests_running": Name("requests_running"),
        "num_requests_waiting": Name("requests_waiting"),
        "prefix_cache_hits": Name("prefix_cache_hits"),
        "prefix_cache_queries": Name("prefix_cache_queries"),
        "cpu_prefix_cache_hits": Name("host_prefix_cache_hits"),
        "cpu_prefix_cache_queries": Name("host_prefix_cache_queries"),
        "prompt_tokens_total": Name("input_tokens", definition="input_tokens@server_counter"),
        "generation_tokens_total": Name("output_tokens", definition="output_tokens@server_counter"),
        "num_preemptions_total": Name("preemptions"),
        "request_success_total": Name("completed_requests", definition="completed_requests@server_counter"),
        "interval_cache_hit_rate_pct": Name("prefix_cache_hit_rate", 0.01, "prefix_cache_hit_rate@interval"),
        "interval_throughput_tok_per_sec": Name(
            "output_tokens_per_second", definition="output_tokens_per_second@server_interval"
        ),
    }
    samples = SERVER_SAMPLES

    def detect(self, head: Head) -> str | None:
        return f"header '{_HEADER}…'" if head.text.startswith(_HEADER) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        run = multiturn_run(place)
        header, rows, unended = table(text)
        if "timestamp_sec" not in header.cells:
            raise ParseError("no column timestamp_sec")
        lines, cells = [], []
        for row in whole_rows(rows, len(header.cells), unended):
            if isinstance(row, Issue):
                yield row
            elif len(row.cells) == len(header.cells) and row.line != unended:
                lines.append(row.line)
                cells.append([float("nan") if (v := number(cell)) is None else v for cell in row.cells])
        if not lines:
            raise ParseError("no whole row")
        yield _points(run.name, header.cells, lines, cells)
        yield run


def _points(run: str, names: list[str], lines: list[int], cells: list[list[float]]) -> Points:
    matrix = np.array(cells, np.float64)
    seconds = matrix[:, names.index("timestamp_sec")]
    times = np.where(np.isfinite(seconds) & (np.abs(seconds) < 1e11), np.round(seconds * 1e6), 0).astype(np.int64)
    return Points(
        run=run,
        phase="test",
        lines=np.array(lines, np.int64),
        values={name: Column(matrix[:, i], "2") for i, name in enumerate(names) if name not in _CLOCK},
        times=times,
    )
