"""What ``vllm bench serve`` and ``benchmark_serving.py`` print: one run per block.

Source: ``vllm/benchmarks/serve.py``.  Labels changed over the years (``Total Token throughput``); no standard
deviation is printed.  The same block with ``Backend:`` is SGLang's or lmdeploy's.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._samples_vllm import TEXT_SAMPLES
from ._serving_names import USAGE_OR_RETOKENIZED
from ._serving_text import results, writer


class VLLMBenchText(DocumentParser):
    name = "vllm_bench_text"
    version = 1
    title = "vllm bench serve: printed result, once or many times"
    writes = "vllm"
    samples = TEXT_SAMPLES

    def detect(self, head: Head) -> str | None:
        return "a block 'Serving Benchmark Result' without 'Backend:'" if writer(head) == "vllm" else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return results(place, text, USAGE_OR_RETOKENIZED)
