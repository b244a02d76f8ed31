"""Serving results in tables of documents: one row per concurrency; ``TTFT(ms)``, ``TPOT(ms)``, ``Throughput(TPS)``.

Seen in the tutorials of vLLM Ascend, where a word in front of the column tells two variants apart (``Base TPOT(ms)``,
``Suffix TPOT(ms)``) and a row with one cell only (``**ShareGPT**``) names the data set of the rows below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from llmstats.documents import number
from llmstats.parsing import DocumentParser, Head, Place, Sample
from llmstats.records import Item, Measurement, Run

from ._markdown import Row, Table, tables

_COLUMN = re.compile(
    r"(?:(?P<variant>\w[\w -]{0,30}?) )?(?P<what>TTFT|TPOT|Throughput|TPS) ?\((?P<unit>ms|s|TPS|tok(?:ens?)?/s)\)"
)
_CONDITIONS = {"concurrency": "concurrency", "avg input": "input_len", "avg output": "output_len"}
_METRICS = {"TTFT": "ttft", "TPOT": "tpot", "Throughput": "output_tokens_per_second", "TPS": "output_tokens_per_second"}
_ACCEPTED = ("accept rate", "acceptance rate")

_TABLE = """\
# Toy decoding

|Concurrency|Avg Input|Avg Output|Requests|Base TPOT(ms)|Base Throughput(TPS)|Toy TPOT(ms)|Accept Rate|Gain|
| - | - | - | - | - | - | - | - | - |
| **ToyEval** | | | | | | | | |
| 1 | 150 | 2,700 | 100 | 55.5 | 18.1 | 37.5 | 27.5% | 45.2% |
"""
_PLAIN = """\
| Concurrency | TTFT(ms) | Throughput (tokens/s) |
| --- | --- | --- |
| 8 | 250 | 1843.5 |
| 16 | - | 3001 |
"""


class ServingReadme(DocumentParser):
    """One run per variant and data set; rows of one run differ by their concurrency."""

    name = "serving_readme"
    version = 1
    title = "serving results in tables of documents (vLLM Ascend tutorials)"
    writes = "people"
    documents = True
    samples = (
        Sample(
            "docs/toy_decoding.md",
            _TABLE,
            matched=1,
            measurements={
                ("tpot", "mean"): 0.0375,
                ("output_tokens_per_second", "value"): 18.1,
                ("draft_acceptance_rate", "value"): 0.275,
                ("Gain", "value"): 0.452,
            },
            runs={
                "docs/toy_decoding/ToyEval/Base": {"kind": "serving", "dataset": "ToyEval"},
                "docs/toy_decoding/ToyEval/Toy": {"config": {"variant": "Toy", "Requests": "100"}},
            },
            unknown=("Gain",),
        ),
        Sample(
            "docs/plain.md",
            _PLAIN,
            matched=2,
            measurements={("ttft", "mean"): 0.25, ("output_tokens_per_second", "value"): 1843.5},
            runs={"docs/plain": {"dataset": None}},
        ),
    )

    def detect(self, head: Head) -> str | None:
        if "Concurrency" not in head.text:
            return None
        found = next((t for t in tables(head.text) if _is_result(t)), None)
        return f"table of serving results by concurrency in line {found.line}" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        base = "/".join(part for part in (place.parent(), place.stem) if part)
        runs: dict[str, Run] = {}
        for table in tables(text):
            if _is_result(table):
                yield from _table(_Page(place, base, runs), table)
        yield from runs.values()


@dataclass
class _Page:
    place: Place
    base: str
    runs: dict[str, Run]
    dataset: str | None = None
    cells: dict[str, str] = field(default_factory=dict)

    def run(self, variant: str | None) -> Run:
        """The run of a variant on the data set that the last row of one cell named."""
        name = "/".join(part for part in (self.base, self.dataset, variant) if part)
        if name not in self.runs:
            run = self.runs[name] = Run(name, self.place.path, kind="serving", dataset=self.dataset)
            run.config.update({"variant": variant} if variant else {})
        return self.runs[name]


def _is_result(table: Table) -> bool:
    header = [name.lower() for name in table.header]
    return "concurrency" in header and any(_COLUMN.fullmatch(name) for name in table.header)


def _table(page: _Page, table: Table) -> Iterator[Measurement]:
    for row in table.rows:
        if row.cells[0] and not any(row.cells[1:]):
            page.dataset = row.cells[0]
            continue
        page.cells = dict(zip(table.header, row.cells, strict=False))
        if number(next((c for k, c in page.cells.items() if k.lower() == "concurrency"), "")) is not None:
            yield from _row(page, row)


def _row(page: _Page, row: Row) -> Iterator[Measurement]:
    """Values of a row; a column without a variant belongs to the one before it, a plain number to all."""
    variant, plain, runs = None, {}, {}
    for name, cell in page.cells.items():
        column = _COLUMN.fullmatch(name)
        variant = column["variant"] if column else variant
        found = number(cell.removesuffix("%"))
        if name.lower() in _CONDITIONS or found is None:
            continue
        if column or cell.endswith("%"):
            run = page.run(variant)
            runs[run.name] = run
            yield _measurement(page, row, name, cell, found, run)
        else:
            plain[name] = cell
    for run in runs.values():
        run.config.update(plain)


def _measurement(page: _Page, row: Row, name: str, cell: str, found: float, run: Run) -> Measurement:
    column = _COLUMN.fullmatch(name)
    metric = _METRICS[column["what"]] if column else name
    if name.lower() in _ACCEPTED:
        metric = "draft_acceptance_rate"
    factor = 1e-3 if column and column["unit"] == "ms" else 0.01 if cell.endswith("%") else 1.0
    conditions: dict[str, Any] = {
        _CONDITIONS[k.lower()]: number(c) for k, c in page.cells.items() if k.lower() in _CONDITIONS
    }
    return Measurement(
        run.name,
        metric,
        found * factor,
        # one number for all requests of a row: latencies of such tables are means
        statistic="mean" if metric in ("ttft", "tpot") else "value",
        raw_name=name,
        raw_value=cell,
        definition=f"{metric}@unstated" if column else None,
        precision=str(len(cell.removesuffix("%").partition(".")[2])),
        line=row.line,
        **conditions,
    )
