"""genai-perf's tables: ``profile_export_genai_perf.csv``.

Percentiles descend in the header; values carry thousands separators; early versions wrote nanoseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._nvidia_perf_csv import sheet
from ._samples_nvidia_perf import GENAI_CSV

_HEADER = re.compile(r"\s*\"?Metric\"?,avg,min,max,p99,p95,")


class GenAIPerfCsv(DocumentParser):
    name = "genai_perf_csv"
    version = 1
    title = "genai-perf: profile_export_genai_perf.csv"
    writes = "genai-perf"
    samples = GENAI_CSV

    def detect(self, head: Head) -> str | None:
        return "header Metric,avg,min,max,p99,…" if _HEADER.match(head.text) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return sheet(place, text, "genai-perf")
