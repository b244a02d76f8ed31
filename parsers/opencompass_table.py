"""OpenCompass's summary where it stands alone: ``summary_{time}.md``, a table copied from the console, a README."""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._opencompass import FRAMEWORK, LOGGERS
from ._opencompass_summary import table_items
from ._opencompass_table import FIRST_LINES, Tables, printed
from ._samples_opencompass import TABLE_SAMPLES

#: Prose may quote a log.
_PROSE = (".md", ".rst")
_SECTION = "tabulate format\n^^^"


class OpenCompassTable(DocumentParser):
    """One run per model; that of the work directory where the table lies in its ``summary``."""

    name = "opencompass_table"
    version = 1
    title = "OpenCompass summary_{time}.md, and tables of its console"
    writes = "OpenCompass, AISBench"
    documents = True
    samples = TABLE_SAMPLES

    def detect(self, head: Head) -> str | None:
        logged = not head.place.name.endswith(_PROSE) and any(logger in head.text for logger in LOGGERS)
        if "dataset" not in head.text or _SECTION in head.text or logged:
            return None
        return "table of dataset, version, metric, mode and models" if FIRST_LINES.search(head.text) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        if not lines[-1].rstrip().endswith("|"):
            lines.pop()  # behind the last newline: nothing, or half a row
        if place.parent() == "summary":
            for table in printed(lines):
                yield from table_items(place, table)
            return
        base = "/".join(p for p in (place.parent(), place.stem) if p)
        tables = Tables(base, place.path, FRAMEWORK)
        for table in printed(lines):
            yield from tables.take(table)
        yield from (model.run() for model in tables.models.values())
