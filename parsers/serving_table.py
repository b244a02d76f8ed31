"""Tables that people make of vLLM's and SGLang's results: columns are keys of the JSON, or labels of the printed block.

``summary.csv`` of ``vllm bench sweep`` is one.  What is no measurement (``GPU``, ``qps``, server arguments) says
under which conditions a row was measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._samples_serving_table import SAMPLES
from ._serving_names import REQUESTED_OR_USAGE, USAGE_OR_RETOKENIZED, meaning_of
from ._serving_table import header_of, key_in, results

_LATENCY = re.compile(r"(?:mean|median|p\d+)_(?:ttft|tpot|itl|e2el|e2e_latency)_ms")
_COUNTED = ("completed", "request_throughput", "total_throughput", "total_token_throughput")
_LMDEPLOY = "mean_e2e_latency_ms,mean_ttft_ms,mean_tpot_ms,mean_itl_ms"


class ServingTable(DocumentParser):
    """One run per row."""

    name = "serving_table"
    version = 1
    title = "CSV of serving results in the words of vLLM or SGLang (vllm bench sweep's summary.csv)"
    writes = "vLLM, SGLang"
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        header = [key_in(cell) for cell in header_of(head)]
        if len(header) < 5 or head.lines[0].rstrip().endswith(_LMDEPLOY):
            return None
        known = [key for key in header if meaning_of(key, "") is not None]
        if len(known) >= 5 and any(_LATENCY.fullmatch(key) for key in known) and any(key in known for key in _COUNTED):
            return f"a header with {len(known)} of vLLM's keys"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        vllm = "total_token_throughput" in text or "Total Token throughput" in text
        return results(place, text, USAGE_OR_RETOKENIZED if vllm else REQUESTED_OR_USAGE)
