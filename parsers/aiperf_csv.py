"""aiperf's tables: ``profile_export_aiperf.csv``.  Percentiles ascend in the header; later versions add ``sum``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._nvidia_perf_csv import sheet
from ._samples_nvidia_perf import AIPERF_CSV

_HEADER = re.compile(r"\s*Metric,avg,min,max,(?:sum,|count,)*p1,p5,")


class AIPerfCsv(DocumentParser):
    name = "aiperf_csv"
    version = 1
    title = "aiperf: profile_export_aiperf.csv"
    writes = "aiperf"
    samples = AIPERF_CSV

    def detect(self, head: Head) -> str | None:
        return "header Metric,avg,min,max,…p1,p5,…" if _HEADER.match(head.text) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return sheet(place, text, "aiperf")
