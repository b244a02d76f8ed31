"""aiperf's table on the console, in a log of whatever else was printed around it.

A line ``CLI Command: aiperf profile …`` below the table gives what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run

from ._nvidia_perf_csv import printed
from ._samples_nvidia_perf import AIPERF_TEXT

#: The log's own lines, and those of a shell that says what it runs (``set -x``); a script is no log.
_STARTS = re.compile(
    r"NVIDIA AIPerf \||AIPerf System is [A-Z]+|CLI Command: aiperf profile"
    r"|^\++ (?:\S+/)?aiperf profile |^\++ AIPERF_\w+=",
    re.M,
)
_SHAPE = re.compile(r"\s*[{\[]\s*(?:[\"{]|$)")


class AIPerfText(DocumentParser):
    """One run per table; a log that ends without one is a run that has not finished, or failed."""

    name = "aiperf_text"
    version = 1
    title = "aiperf's log and table on the console"
    writes = "aiperf"
    samples = AIPERF_TEXT

    def detect(self, head: Head) -> str | None:
        if "iperf" not in head.text.lower() or _SHAPE.match(head.text):
            return None
        found = _STARTS.search(head.text)
        return f"'{found[0]}'" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        items = list(printed(place, text, "aiperf", "NVIDIA AIPerf |"))
        if not any(isinstance(item, Run) for item in items):
            base = "/".join(part for part in (place.parent(), place.stem) if part)
            items.append(Run(base, place.directory(), kind="serving", environment={"benchmark": "aiperf"}))
        return iter(items)
