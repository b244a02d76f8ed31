"""OpenCompass's ``summary/summary_{time}.txt``: the summary as a table, as CSV, as Markdown, and the raw results."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._opencompass_summary import text_items
from ._samples_opencompass import TXT_SAMPLES

_BEGIN = re.compile(r"\s*(?:\d{8}_\d{6}|\S.{0,40})\ntabulate format\n\^{20,}\n")


class OpenCompassText(DocumentParser):
    """One run per model: full values of the raw section; errors of datasets as events."""

    name = "opencompass_txt"
    version = 1
    title = "OpenCompass summary_{time}.txt"
    writes = "OpenCompass"
    samples = TXT_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "tabulate format\n" in head.text and _BEGIN.match(head.text):
            return "sections 'tabulate format', 'csv format' …"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # behind the last newline: nothing, or half a line
        return text_items(place, lines)
