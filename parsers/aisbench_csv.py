"""AISBench's ``performances/{model}/{data set}.csv``: statistics of single requests, each value with its unit."""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.documents import csv_rows
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._aisbench import HEADER, new_result
from ._samples_aisbench import CSV_SAMPLES


class AISBenchCsv(DocumentParser):
    name = "aisbench_csv"
    version = 1
    title = "AISBench: performances/{model}/{dataset}.csv"
    writes = "AISBench"
    samples = CSV_SAMPLES

    def detect(self, head: Head) -> str | None:
        return f"header {HEADER},Stage" if head.text.lstrip().startswith(f"{HEADER},Stage,") else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        rows = list(csv_rows(text))
        if not rows or HEADER not in rows[0].cells:
            raise ParseError(f"no header {HEADER},…")
        result, header = new_result(place), rows[0].cells
        for line, cells in rows[1:]:
            row = dict(zip(header, cells, strict=False))
            result.row(row.pop(HEADER, ""), row.pop("Stage", ""), row, line)
        yield from result.finish()
