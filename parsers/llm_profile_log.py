"""What ``llm_profiler.py`` of AIChipBenchmark prints, as ``benchmark_all.py`` (both versions) keeps it.

Source: ``llm/Deepseek/llm_profiler.py``, ``llm/Deepseek/benchmark_all.py`` of DeepLink-org/AIChipBenchmark.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._llm_profile import SUMMARY, is_ancestor, is_test_log
from ._llm_profile_text import report
from ._samples_llm_profile import LOG_SAMPLES


class LLMProfileLog(DocumentParser):
    """One run per cell: directory, clients, input and output length."""

    name = "llm_profile_log"
    version = 3
    title = "llm_profiler.py report (AIChipBenchmark), whole, failed or still running"
    writes = "llm_profiler.py"
    samples = LOG_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        named = is_test_log(head.place) and any(
            mark in text for mark in ("valid num = ", "Running tests:", "Traceback")
        )
        if not (named or "valid num = " in text) or text.lstrip().startswith("{") or is_ancestor(text):
            return None
        if named:
            return "named test_log_…input…_output….log by benchmark_all.py"
        if SUMMARY.search(text) and "Sender QPS: " not in text:
            return "'valid num = …; all data num = …; valid ratio = …' with percentiles from P1"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return report(place, text, "llm_profile")
