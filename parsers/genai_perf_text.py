"""genai-perf's table on the console, also as documents quote it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._nvidia_perf_csv import printed
from ._samples_nvidia_perf import GENAI_TEXT

_HEADER = re.compile(r"[┃|] *(?:Statistic|Metric) *[┃|] *avg *[┃|] *min *[┃|] *max *[┃|]")
_TITLE = re.compile(r"NVIDIA AIPerf|aiperf profile")


class GenAIPerfText(DocumentParser):
    """One run per table."""

    name = "genai_perf_text"
    version = 1
    title = "genai-perf's table on the console"
    writes = "genai-perf"
    samples = GENAI_TEXT

    def detect(self, head: Head) -> str | None:
        if "┃" not in head.text or _TITLE.search(head.text):
            return None
        header = _HEADER.search(head.text)
        if header and ("GenAI-Perf" in head.text or "Statistic" in header[0]):
            return "table Statistic, avg, min, max, …"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return printed(place, text, "genai-perf", "GenAI-Perf |")
