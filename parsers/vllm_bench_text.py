"""What ``vllm bench serve`` and ``benchmark_serving.py`` print: one run per block.

Source: ``vllm/benchmarks/serve.py``.  Labels changed over the years (``Total Token throughput``); no standard
deviation is printed.  The same block with ``Backend:`` is SGLang's or lmdeploy's.  A script that runs all benchmarks
leaves lines of ``vllm bench throughput`` and ``latency`` in the same text: runs behind those of the blocks.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run

from ._samples_vllm import TEXT_SAMPLES
from ._serving_2023 import of_2023
from ._serving_2023 import results as results_of_2023
from ._serving_names import USAGE_OR_RETOKENIZED
from ._serving_offline_log import offline_log
from ._serving_text import complete_lines, is_program, results, writer


class VLLMBenchText(DocumentParser):
    name = "vllm_bench_text"
    version = 1
    title = "vllm bench serve: printed result, once or many times"
    writes = "vLLM"
    samples = TEXT_SAMPLES

    def detect(self, head: Head) -> str | None:
        if writer(head) == "vllm":
            return "a block 'Serving Benchmark Result' without 'Backend:'"
        return (
            "lines 'Total time: …' to 'Average latency per output token: …'"
            if of_2023(head.lines) and not is_program(head)
            else None
        )

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = complete_lines(text)
        if of_2023(lines):
            yield from results_of_2023(place, lines)
            return
        count = 0
        for item in results(place, text, USAGE_OR_RETOKENIZED):
            yield item
            count += isinstance(item, Run)
        yield from offline_log(place, lines, count)
