"""lightllm's ``benchmark_client.py``: its report, and its ``--dump_file``.

Source: ``test/benchmark/service/benchmark_client.py`` of ModelTC/lightllm, the ancestor of
``llm_profiler.py``: percentiles begin at P25, output lengths are always drawn at random.  With a dump file
that exists already the program prints that file and measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run

from ._llm_profile import SUMMARY, is_ancestor
from ._llm_profile_dump import dump, is_dump, wrote_lightllm
from ._llm_profile_text import report
from ._samples_llm_profile import LIGHTLLM_SAMPLES

_CONDITIONS = {"output_len_mode": "random"}


class LightLLMBenchmark(DocumentParser):
    name = "lightllm_benchmark"
    version = 2
    title = "lightllm benchmark_client.py: report and --dump_file"
    writes = "LightLLM"
    samples = LIGHTLLM_SAMPLES

    def detect(self, head: Head) -> str | None:
        if is_dump(head):
            return "keys request_time, first_token_time_dict … without P1" if wrote_lightllm(head) else None
        is_json = head.text.lstrip().startswith("{")
        if not is_json and SUMMARY.search(head.text) and is_ancestor(head.text) and "Sender QPS: " not in head.text:
            return "'valid num = …; all data num = …' with percentiles from P25"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        read = dump if text.lstrip().startswith("{") else report
        for item in read(place, text, "lightllm", _CONDITIONS):
            if isinstance(item, Run) and item.config.get("backend") == "lightllm":
                item.framework = "lightllm"
            yield item
