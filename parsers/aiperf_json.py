"""aiperf's summary: ``profile_export_aiperf.json``.

Source: ``aiperf/exporters/json_exporter.py``, ``docs/reference/json-export-schema.md`` (schema 1.0 to 1.5).  ``count``,
the number of records behind a statistic, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._nvidia_perf_json import summary, writer
from ._samples_nvidia_perf import AIPERF_JSON


class AIPerfJson(DocumentParser):
    """One run per artifact directory; CSV, records and time slices beside it belong to it."""

    name = "aiperf_json"
    version = 1
    title = "aiperf: profile_export_aiperf.json"
    writes = "aiperf"
    samples = AIPERF_JSON

    def detect(self, head: Head) -> str | None:
        return "metrics with units, and was_cancelled" if writer(head) == "aiperf" else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return summary(place, text, "aiperf")
