"""ModelTest's tables of quality, one per dataset.

Source: ``__save_result`` of ``base/model_test.py`` and ``dataset/full/CMMLU/cmmlu_eval.py``.
Most datasets: a row ``total`` and a row per subject with fractions; LongBench: scores of 0 to 100 without a number of
right answers; CMMLU: percentages with ``Overall`` in the last row; TruthfulQA: one row per model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from llmstats.documents import Row, number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run

from ._mindie import Tree, run_of, table_rows, tree_of, values
from ._samples_mindie import PRECISION_SAMPLES
from ._serving import Case, Meaning

_COUNTED = re.compile(r"file_name *[,|]value *[,|]correct *[,|]sum *$", re.M)
_CMMLU = re.compile(r"category,avg_acc,time_cost\(s\)$", re.M)
_TRUTHFUL = re.compile(
    r"Model *[,|](?:(?:MC1|MC2|BLEU|ROUGE|BLEURT|bleu diff|rouge1 diff|BLEURT diff) *(?:[,|]|$))+$", re.M
)

_COUNTS = {
    "value": Meaning("accuracy"),
    "correct": Meaning("correct_samples"),
    "sum": Meaning("evaluated_samples"),
}
_SCORED = {**_COUNTS, "value": Meaning("score", "score@0_to_100")}
_CATEGORIES = {
    "avg_acc": Meaning("accuracy", "accuracy@mean_of_subjects", 0.01),
    "time_cost(s)": Meaning("e2e_batch_latency", "e2e_batch_latency@mean_over_questions", 1.0, "mean"),
}
_TRUTHS = {
    "MC1": Meaning("mc1"),
    "MC2": Meaning("mc2"),
    "BLEU": Meaning("bleu_diff"),
    "bleu diff": Meaning("bleu_diff"),
    "ROUGE": Meaning("rouge1_diff"),
    "rouge1 diff": Meaning("rouge1_diff"),
    "BLEURT": Meaning("bleurt_diff"),
    "BLEURT diff": Meaning("bleurt_diff"),
}
_DATASET = re.compile(r"(?P<dataset>.+?)_(?:pa|fa|basic)_.*")


class MindIEPrecision(DocumentParser):
    """One run per file."""

    name = "mindie_precision"
    version = 1
    title = "MindIE ModelTest: tables of precision tests, all datasets"
    writes = "MindIE ModelTest"
    samples = PRECISION_SAMPLES

    def detect(self, head: Head) -> str | None:
        first, _, _ = head.text.partition("\n")
        for pattern, why, _ in _KINDS:
            if pattern.match(first):
                return why
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        first, _, _ = text.partition("\n")
        read = next((read for pattern, _, read in _KINDS if pattern.match(first)), None)
        if read is None:
            raise ParseError("no header of a precision test")
        rows = table_rows(text, "|" if "|" in first else ",")
        tree = tree_of(place)
        run = run_of(place, tree, "evaluation")
        run.dataset = dataset_of(tree)
        for row in rows[1:]:
            cells = dict(zip(rows[0].cells, row.cells, strict=False))
            yield from read(run, cells, row)
        run.status = "completed" if len(rows) > 1 else None
        yield run


def dataset_of(tree: Tree) -> str | None:
    """``CEval`` of ``CEval_pa_batch1_tp8_full``."""
    match = _DATASET.fullmatch(tree.case)
    return match["dataset"] if match else None


def _counted(run: Run, cells: dict[str, str], row: Row) -> Iterator[Item]:
    """A subject; a score that counts no right answers, or that is no fraction, is one of 0 to 100."""
    subject = cells.get("file_name", "")
    value, correct = number(cells.get("value", "")), number(cells.get("correct", ""))
    scored = correct is None or (value is not None and value > 1)
    given = {key: cells.get(key, "") for key in _COUNTS}
    case = Case(subject=run.dataset if subject == "total" else subject)
    yield from values(run.name, _SCORED if scored else _COUNTS, given, row.line, case)


def _category(run: Run, cells: dict[str, str], row: Row) -> Iterator[Item]:
    subject = cells.pop("category", "")
    run.dataset = run.dataset or "CMMLU"
    case = Case(subject=run.dataset if subject == "Overall" else subject)
    yield from values(run.name, _CATEGORIES, cells, row.line, case)


def _truthful(run: Run, cells: dict[str, str], row: Row) -> Iterator[Item]:
    run.model = cells.pop("Model", "") or run.model
    run.dataset = run.dataset or "TruthfulQA"
    yield from values(run.name, _TRUTHS, cells, row.line, Case(subject=run.dataset))


_Reader = Callable[[Run, dict[str, str], Row], Iterator[Item]]
_KINDS: tuple[tuple[re.Pattern[str], str, _Reader], ...] = (
    (_COUNTED, "header 'file_name, value, correct, sum'", _counted),
    (_CMMLU, "header 'category,avg_acc,time_cost(s)'", _category),
    (_TRUTHFUL, "header 'Model, MC1, MC2 …' of TruthfulQA", _truthful),
)
