"""OpenCompass's ``summary/summary_{time}.csv``: datasets in rows, models in columns, percentages.

AISBench, which grew out of OpenCompass, writes the same file for its evaluations of quality.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._opencompass import HEADER
from ._opencompass_summary import read_table, table_items
from ._samples_opencompass import CSV_SAMPLES

#: How a row ends that nothing cut: all scores have two decimals.
_WHOLE = re.compile(r",(?:-?\d+\.\d\d|-|\S+ \(\d+/\d+\))$")


class OpenCompassCsv(DocumentParser):
    """One run per model; the same as the text form's beside it, whose values are finer."""

    name = "opencompass_csv"
    version = 1
    title = "OpenCompass summary_{time}.csv"
    writes = "OpenCompass"
    samples = CSV_SAMPLES

    def detect(self, head: Head) -> str | None:
        return f"header '{HEADER},…'" if head.text.startswith(f"{HEADER},") else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        if not _WHOLE.search(lines[-1]):
            lines.pop()  # behind the last newline: nothing, or half a row
        return table_items(place, read_table(lines or [""], 0))
