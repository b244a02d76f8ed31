"""``vllm bench latency`` and ``benchmark_latency.py``: the saved object, or the printed lines.

Source: ``vllm/benchmarks/latency.py``.  A latency is the time of one whole static batch, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._samples_vllm_offline import LATENCY_SAMPLES
from ._serving import measurement
from ._serving import statistic as statistic_of
from ._serving_offline import BATCH_LATENCY, case_in, latency_print, offline_run
from ._serving_offline_log import offline_log, shown
from ._serving_result import lengths_in
from ._serving_text import complete_lines


class VLLMLatency(DocumentParser):
    name = "vllm_latency"
    version = 1
    title = "vllm bench latency: --output-json, or the printed lines"
    writes = "vLLM"
    samples = LATENCY_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if '"avg_latency"' in text and '"latencies"' in text and text.lstrip().startswith("{"):
            return "keys avg_latency, latencies, percentiles"
        if shown(head) == "latency":
            return "a line 'Avg latency: … seconds', or the arguments of vllm bench latency"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return _saved(place, text) if text.lstrip().startswith("{") else offline_log(place, complete_lines(text))


def _saved(place: Place, text: str) -> Iterator[Item]:
    json = Json(text)
    value: dict[str, Any] = json.value
    percentiles = value.get("percentiles") if isinstance(value, dict) else None
    if not isinstance(percentiles, dict):
        raise ParseError("no percentiles")
    run = offline_run(place, "vllm", dict(lengths_in(place.stem)))
    run.fingerprint = latency_print(value.get("avg_latency"))
    case = case_in(run.config)
    words = {"mean": ("avg_latency",), "std": ("std_latency",)} | {
        word: ("percentiles", rank) for rank in percentiles if (word := statistic_of(f"p{rank}"))
    }
    for word, path in words.items():
        number = percentiles[path[1]] if len(path) > 1 else value.get(path[0])
        if number is not None:
            yield measurement(
                run.name, BATCH_LATENCY.as_statistic(word), number, ".".join(path), json.line(*path), case
            )
    yield run
