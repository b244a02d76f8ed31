"""AISBench's tables on the console: statistics of single requests, then values of the whole test.

``Performance Results of task: {model}/{data set}:`` stands above them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item
from llmstats.training import run_name

from ._aisbench import HEADER, Result, new_result
from ._boxtable import Table, tables
from ._samples_aisbench import TEXT_SAMPLES
from ._serving_result import run_base

_HEADERS = re.compile(rf"[│|] *(?:{HEADER}|Common Metric) *[│|] *Stage *[│|]")
_TASK = re.compile(r"Performance Results of task\W+(?P<model>[^\s/\]]+)/(?P<dataset>[^\s\]:]+)")


class AISBenchText(DocumentParser):
    """One run per pair of tables."""

    name = "aisbench_text"
    version = 1
    title = "AISBench's tables of performance on the console"
    writes = "AISBench"
    samples = TEXT_SAMPLES

    def detect(self, head: Head) -> str | None:
        found = _HEADERS.search(head.text) if " Stage " in head.text else None
        return f"table {HEADER}, Stage, …" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # what has no end may be cut
        results: list[Result] = []
        seen: set[str] = set()
        for table in tables(lines):
            kind = table.names[0] if table.names else ""
            if kind not in (HEADER, "Common Metric"):
                continue
            if not results or kind in seen:
                results.append(_new(place, len(results), table.title))
                seen = set()
            seen.add(kind)
            _read(results[-1], table)
        for result in results:
            yield from result.finish()


def _new(place: Place, index: int, title: str) -> Result:
    result = new_result(place)
    result.run.name, result.run.config, result.run.dataset = run_name(run_base(place), index), {}, None
    if task := _TASK.search(title):
        result.run.dataset, result.run.config["model_abbr"] = task["dataset"], task["model"]
    return result


def _read(result: Result, table: Table) -> None:
    for row in table.rows:
        cells = dict(zip(table.names, row.cells, strict=False))
        name, stage = row.cells[0], cells.get("Stage", "")
        if table.names[0] == HEADER:
            result.row(name, stage, {k: v for k, v in cells.items() if k not in (HEADER, "Stage")}, row.line)
        elif cells.get("Value"):
            result.common(name, stage, cells["Value"], row.line)
