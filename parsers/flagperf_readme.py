"""Result tables in FlagPerf's pages: training, inference, base, operation and generate.

Pages are prose: the tables are recognised by their headers, what stands around them becomes the environment of
their runs.  A page whose cells are all ``/`` is recognised and gives no run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Issue, Item

from ._flagperf_readme import Page, amount
from ._flagperf_readme_chip import chip, is_chip, is_monitor
from ._flagperf_readme_inference import generate, inference, is_generate, is_inference
from ._flagperf_readme_training import is_training, training
from ._markdown import Table, tables
from ._samples_flagperf_readme import SAMPLES

_Reader = Callable[[Page, Table, int], Iterator[Item]]
_READERS: tuple[tuple[Callable[[list[str]], bool], _Reader, str], ...] = (
    (is_inference, inference, "inference"),
    (is_training, training, "training"),
    (is_generate, generate, "generate"),
)
#: One of these words stands in the header of every table of results.
_WORDS = ("p_whole", "token/p/s", "throughput", "e2e_time", "性能", "p_infer", "GPU名称", "测试值", "评测项")


class FlagPerfReadme(DocumentParser):
    """One run per row of a training or inference table; one per page or library of a chip's tables."""

    name = "flagperf_readme"
    version = 2
    title = "FlagPerf result pages: tables of training, inference, base, operation, generate"
    writes = "FlagPerf"
    documents = True
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        if "|" not in head.text or not any(word in head.text for word in _WORDS):
            return None
        for table in tables(head.text):
            kind = _kind(table.header)
            if kind and not _is_template(table):
                return f"table of {kind} results in line {table.line}"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        page = Page(place, text)
        first = 1
        for table in page.tables:
            reader = next((read for fits, read, _ in _READERS if fits(table.header)), None)
            if reader:
                yield from reader(page, table, first)
                first += len(table.rows)
            elif not _is_known(table.header):
                _left_out(page, table)
        yield from chip(page)
        yield from page.issues


def _kind(header: list[str]) -> str | None:
    return "chip" if is_chip(header) else next((kind for fits, _, kind in _READERS if fits(header)), None)


def _is_template(table: Table) -> bool:
    """Whether nothing but unrendered cells stands in a table."""
    return all(any("{{" in cell for cell in row.cells) for row in table.rows)


def _is_known(header: list[str]) -> bool:
    """Tables of this page that hold no results, or are read elsewhere."""
    return is_chip(header) or is_monitor(header) or header[:1] == ["指标名称"]


def _left_out(page: Page, table: Table) -> None:
    """A table with numbers below a header that nobody knows, in a section of results."""
    title = next((s.title for s in reversed(page.sections) if s.line <= table.line), "")
    if re.search("运行|性能|结果", title) and any(amount(cell) for row in table.rows for cell in row.cells[1:]):
        page.issues.append(
            Issue("a table of numbers that was not read", table.line, " | ".join(table.header)[:500], suspect=False)
        )
