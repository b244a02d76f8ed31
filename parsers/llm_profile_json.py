"""``llm_profiler.py --dump_file``: the report's dict as JSON.

Source: ``llm/Deepseek/llm_profiler.py`` of DeepLink-org/AIChipBenchmark.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._llm_profile_dump import dump, is_dump, wrote_lightllm
from ._samples_llm_profile import DUMP_SAMPLES


class LLMProfileDump(DocumentParser):
    """The run of the log beside it; lengths are not in the file."""

    name = "llm_profile_json"
    version = 3
    title = "llm_profiler.py --dump_file (AIChipBenchmark)"
    writes = "llm_profiler.py"
    samples = DUMP_SAMPLES

    def detect(self, head: Head) -> str | None:
        if is_dump(head) and not wrote_lightllm(head):
            return "keys request_time, first_token_time_dict … with P1"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return dump(place, text, "llm_profile")
