"""genai-perf's summary: ``profile_export_genai_perf.json``, of all ages.

Source: ``genai-perf/genai_perf/export_data/json_exporter.py`` of perf_analyzer.  ``input_config`` was flat before 2025.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._nvidia_perf_json import summary, writer
from ._samples_nvidia_perf import GENAI_JSON


class GenAIPerfJson(DocumentParser):
    """One run per artifact directory; the CSV and the raw export beside it belong to it."""

    name = "genai_perf_json"
    version = 1
    title = "genai-perf: profile_export_genai_perf.json"
    writes = "genai-perf"
    samples = GENAI_JSON

    def detect(self, head: Head) -> str | None:
        return "metrics with units, and input_config" if writer(head) == "genai-perf" else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return summary(place, text, "genai-perf")
