"""aiperf's metrics by time slice: ``profile_export_aiperf_timeslices.json`` and ``.csv``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from llmstats.documents import Json, csv_rows, number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._nvidia_perf import Report, named, new_report, objects
from ._nvidia_perf_json import asked
from ._samples_nvidia_perf import AIPERF_TIMESLICES

#: Slices are numbered, or since 0.5 have a beginning and an end.
_SLICES = re.compile(r'"timeslices":\s*\[\s*\{\s*"\w+":')
_HEADER = ["Timeslice", "Metric", "Unit", "Stat", "Value"]


class AIPerfTimeslices(DocumentParser):
    """Slices are subjects of the run that the summary beside it tells of: ``timeslice 0`` …"""

    name = "aiperf_timeslices"
    version = 1
    title = "aiperf: profile_export_aiperf_timeslices.json and .csv"
    writes = "aiperf"
    samples = AIPERF_TIMESLICES

    def detect(self, head: Head) -> str | None:
        text = head.text.lstrip()
        if text.startswith("{") and '"unit"' in text and _SLICES.search(text):
            return "key timeslices"
        return "header Timeslice,Metric,Unit,Stat,Value" if text.startswith(",".join(_HEADER)) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        report = new_report("aiperf", place)
        if text.lstrip().startswith("{"):
            _from_json(report, text)
        else:
            _from_csv(report, text)
        yield from report.items
        yield report.run


def _from_json(report: Report, text: str) -> None:
    found = Json(text)
    slices = found.value.get("timeslices")
    if not isinstance(slices, list):
        raise ParseError("no list of time slices")
    asked(report, found.value.get("input_config"))
    for i, entry in enumerate(slices):
        if isinstance(entry, dict):
            subject = f"timeslice {entry.get('timeslice_index', i)}"
            for tag, unit, values in objects(found, "timeslices", i):
                report.add(tag, unit, values, subject=subject)


def _from_csv(report: Report, text: str) -> None:
    grouped: dict[tuple[str, str, str], dict[str, tuple[str, int]]] = defaultdict(dict)
    for line, cells in csv_rows(text):
        if len(cells) == len(_HEADER) and number(cells[4]) is not None:
            index, name, unit, word, value = cells
            grouped[index, name, unit][word] = (value, line)
    for (index, name, unit), values in grouped.items():
        report.add(named(name)[0], unit, values, "2", subject=f"timeslice {index}")
