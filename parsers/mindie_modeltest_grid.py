"""The result of the new ``modeltest`` program: named ``.csv``, written as text with grids.

Source: ``modeltest/metric/*.py`` of MindIE-LLM's ModelTest.  Three grids of fields and values (runner, model, task),
then one of metrics: the whole task first, its parts below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run

from ._evaluation import is_bar, share
from ._mindie import run_of, tree_of, values
from ._samples_mindie import GRID_SAMPLES
from ._serving import Case, Meaning, whole_number

_SECTION = re.compile(r"(runner config|model config|task config|metric table):\s*$")
_TRUTHS = {"MC1": "mc1", "MC2": "mc2", "BLUE": "bleu_diff", "ROUGE": "rouge1_diff"}
_WORDS = ("Tasks", "N-Shot", "Metric")
_COUNTS = {"Total": Meaning("evaluated_samples"), "Pass": Meaning("correct_samples")}
_KEPT = ("tp", "batch_size", "task_name", "shots", "model_name", "model_type", "data_type", "metadata_version")


class MindIEModelTestGrid(DocumentParser):
    """One run per file."""

    name = "mindie_modeltest_grid"
    version = 1
    title = "MindIE modeltest (new): {task}_{pa|fa}_batch{B}_tp{W}_result.csv with text grids"
    writes = "MindIE ModelTest"
    samples = GRID_SAMPLES

    def detect(self, head: Head) -> str | None:
        return "begins 'runner config:' with a grid" if head.text.startswith("runner config:\n") else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # behind the last newline: nothing, or half a row
        sections = _sections(lines)
        if "runner config" not in sections:
            raise ParseError("no section 'runner config:'")
        tree = tree_of(place)
        run = run_of(place, tree, "evaluation")
        for section in ("runner config", "model config", "task config"):
            fields = (row.cells for row in sections.get(section, []))
            run.config |= {c[0]: c[1] for c in fields if len(c) > 1 and c[0] in _KEPT and c[1]}
        run.dataset = run.config.get("task_name") or tree.mode or None
        run.model = run.config.get("model_name") or run.model
        table = sections.get("metric table", [])
        for row in table[1:]:
            yield from _metrics(run, dict(zip(table[0].cells, row.cells, strict=False)), row.line)
        run.status = "completed" if len(table) > 1 else None
        yield run


class _Row(NamedTuple):
    line: int
    cells: list[str]


def _sections(lines: list[str]) -> dict[str, list[_Row]]:
    """Rows of each grid; a cell that goes on in the lines below it is one cell."""
    found: dict[str, list[_Row]] = {}
    rows: list[_Row] = []
    fresh = True
    for number, line in enumerate(lines, 1):
        if match := _SECTION.fullmatch(line):
            rows = found[match[1]] = []
        elif line.startswith("+"):
            fresh = True
        elif line.startswith("|") and not is_bar(line):
            cells = [cell.strip() for cell in line.strip()[1:-1].split("|")]
            if fresh or not rows:
                rows.append(_Row(number, cells))
            else:
                rows[-1] = _Row(
                    rows[-1].line, [f"{a} {b}".strip() for a, b in zip(rows[-1].cells, cells, strict=False)]
                )
            fresh = False
    return found


def _metrics(run: Run, cells: dict[str, str], line: int) -> Iterator[Item]:
    """Values of one task or part; the N-Shot is a condition."""
    shots = whole_number(cells.get("N-Shot"))
    case = Case(subject=cells.get("Tasks"), conditions={} if shots is None else {"n_shot": shots})
    meanings = dict(_COUNTS)
    for column in cells:
        if column not in _WORDS and column not in _COUNTS:
            meanings[column] = _meaning(column, cells.get("Metric", ""))
    given = {key: raw for key, raw in cells.items() if key not in _WORDS}
    yield from values(run.name, meanings, given, line, case)


def _meaning(column: str, metric: str) -> Meaning:
    """A score: shares are fractions, LongBench's is one of 0 to 100."""
    if column in _TRUTHS:
        return Meaning(_TRUTHS[column])
    if column != "Value":
        return Meaning(column)
    known = share(metric.lower())
    return Meaning(known) if known else Meaning("score", "score@0_to_100" if metric == "longbench" else None)
