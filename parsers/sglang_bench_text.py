"""What SGLang's ``bench_serving`` and ``bench_offline_throughput`` print: one run per block.

Sources: ``python/sglang/bench_serving.py``, ``python/sglang/bench_offline_throughput.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._samples_sglang import TEXT_SAMPLES
from ._serving_names import REQUESTED_OR_USAGE
from ._serving_text import results, writer


class SGLangBenchText(DocumentParser):
    name = "sglang_bench_text"
    version = 1
    title = "sglang.bench_serving, bench_offline_throughput: printed result, once or many times"
    writes = "SGLang"
    samples = TEXT_SAMPLES

    def detect(self, head: Head) -> str | None:
        return "a block '… Benchmark Result' with 'Backend:', as SGLang prints it" if writer(head) == "sglang" else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return results(place, text, REQUESTED_OR_USAGE)
