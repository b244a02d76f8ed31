"""``vllm bench serve --save-result`` and the older ``benchmark_serving.py``, of all ages.

One object; a list of them (``summary.json`` of ``vllm bench sweep``); or one after the other (``--append-result``).
Source: ``vllm/benchmarks/serve.py``.  ``e2el`` is there on request only; ``date`` is when the result was saved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run
from llmstats.training import microseconds

from ._samples_vllm import JSON_SAMPLES
from ._serving import numeric
from ._serving_json import results
from ._serving_names import USAGE_OR_RETOKENIZED

_THROUGHPUT = re.compile(r'"(?:total_token_throughput|request_inthroughput)"|"\w+_(?:ttft|e2el)_ms"')
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)")


class VLLMBench(DocumentParser):
    """One run per result."""

    name = "vllm_bench_json"
    version = 2
    title = "vllm bench serve --save-result (and benchmark_serving.py)"
    writes = "vLLM"
    samples = JSON_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if '"model_id"' not in text or text.lstrip()[:1] not in ("{", "[") or '"benchmark_values"' in text:
            return None
        if '"num_prompts"' in text and '"duration"' in text and _THROUGHPUT.search(text):
            return "keys model_id, num_prompts, duration and total_token_throughput or …_ttft_ms"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        for item in results(place, text, USAGE_OR_RETOKENIZED):
            if isinstance(item, Run):
                item.ended_at = _date(item.config.get("date"))
                _take_window(item)
            yield item


def _take_window(run: Run) -> None:
    """InferenceX's descendant says when the benchmark began and ended, in seconds since 1970."""
    start, end = (numeric(run.config.get(f"benchmark_{word}_time_unix")) for word in ("start", "end"))
    if start and end and 0 < start <= end < 1e11:
        run.started_at, run.ended_at = round(start * 1e6), round(end * 1e6)


def _date(text: Any) -> int | None:
    match = _DATE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = match.groups()
    return microseconds(f"{year}-{month}-{day} {hour}:{minute}:{second}")
