"""Old tables of lmdeploy's benchmarks in a document, as AIChipBenchmark publishes them: one run per row."""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place, Sample
from llmstats.records import Item
from llmstats.training import run_name

from ._lmdeploy import SERVED, old_row
from ._markdown import Table, tables
from ._serving_result import run_base

_PAGE = """\
# Toy scenes

| batch | num_promts | RPS | RPM | FTL(ave)(s) | FTL(min)(s)|50%(s) | throughput(out tok/s) | throughput(total tok/s) |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| 128 | 10000 | 5.25 | 315.0 | 0.152 | 0.057 | 0.044 | 2582.5 | 5167.25 |
"""


_TWO_ROWS = """\
| batch | num_prompts | RPS | FTL(ave)(s) |
| --- | --- | --- | --- |
| 64 | 100 | 2.5 | 0.25 |
| 128 | 100 | 4.5 | / |
"""


class LMDeployReadme(DocumentParser):
    name = "lmdeploy_readme"
    version = 1
    title = "lmdeploy's old tables in documents (AIChipBenchmark)"
    writes = "people"
    documents = True
    samples = (
        Sample(
            "llm/scenes/README.md",
            _PAGE,
            matched=1,
            measurements={
                ("requests_per_second", "value"): 5.25,
                ("requests_per_minute", "value"): 315,
                ("ttft", "mean"): 0.152,
                ("ttft", "min"): 0.057,
                ("itl", "p50"): 0.044,
                ("output_tokens_per_second", "value"): 2582.5,
                ("total_tokens_per_second", "value"): 5167.25,
            },
            runs={"scenes/README": {"kind": "serving", "framework": "lmdeploy", "config": {"num_prompts": 10000}}},
        ),
        Sample(
            "llm/scenes/README.md",
            _TWO_ROWS,
            matched=2,
            measurements={("ttft", "mean"): 0.25, ("requests_per_second", "value"): 4.5},
            runs={"scenes/README": {}, "scenes/README#2": {"kind": "serving"}},
        ),
    )

    def detect(self, head: Head) -> str | None:
        if "FTL(ave)(s)" not in head.text:
            return None
        found = next((t for t in tables(head.text) if _is_result(t)), None)
        return f"table of lmdeploy's columns in line {found.line}" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        rows = [(table.header, row) for table in tables(text) if _is_result(table) for row in table.rows]
        for index, (header, row) in enumerate(rows):
            cells = dict(zip(header, row.cells, strict=False))
            yield from old_row(place, run_name(run_base(place), index), cells, row.line, fixed=False)


def _is_result(table: Table) -> bool:
    return table.header[:1] == ["batch"] and "RPS" in table.header and any(c in SERVED for c in table.header[3:])
