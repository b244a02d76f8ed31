"""ModelTest's comparisons with a GPU: ``simplified_test_result.csv`` and ``full_test_result.csv``, a row per test.

Source: ``__compare_simplified_dataset_results`` and ``__compare_full_dataset_results`` of ``base/model_test.py``, which
append rows between ``|`` to files that may have no header.  A simplified test compares logits and passes where no KL
divergence is above 1e-3 and at most 0.5 % are above 1e-4; a full one compares the scores of two devices.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from llmstats.documents import number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run
from llmstats.training import run_name

from ._mindie import FRAMEWORK, values
from ._samples_mindie import COMPARISON_SAMPLES
from ._serving import Case, Meaning

_NUMBER = r"-?\d[\d.eE+-]*"
_VERDICT = r"(?:Pass|Fail) *$"
_LOGITS = re.compile(rf"[^|\n]+\|[^|\n]+\|\d+ *\|\d+ *\|{_NUMBER} *\|{_NUMBER} *\|{_VERDICT}", re.M)
_SCORES = re.compile(rf"[^|\n]+\|[^|\n]+\|\d+ *\|{_NUMBER} *\|{_NUMBER} *\|{_VERDICT}", re.M)
_HEADER = re.compile(r"Model *\|Dataset *\|Batchsize *\|Logits Num *\|")
_STANDARD = "Standard: [1] KL loss"

_LOGITS_COLUMNS = ("Logits Num", "Greatest KLL", "Error Rate")
_DIVERGENCE = {
    "Logits Num": Meaning("evaluated_tokens"),
    "Greatest KLL": Meaning("kl_divergence", "kl_divergence@golden_logits", 1.0, "max"),
    "Error Rate": Meaning("logit_error_rate", "logit_error_rate@kl_above_1e-4"),
}


class MindIEComparison(DocumentParser):
    """One run per row."""

    name = "mindie_comparison"
    version = 1
    title = "MindIE ModelTest: simplified_test_result.csv, full_test_result.csv"
    writes = "MindIE ModelTest"
    samples = COMPARISON_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "|" not in head.text[:1024]:
            return None
        first = head.text.removeprefix(head.lines[0] + "\n") if head.text.startswith(_STANDARD) else head.text
        if _HEADER.match(first):
            return "header 'Model|Dataset|Batchsize|Logits Num|…'"
        if _LOGITS.match(first) or (_SCORES.match(first) and head.place.matches("full_test_result*.csv")):
            return "rows that end with Pass or Fail"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # behind the last newline: nothing, or half a row
        rows = [(i, line) for i, line in enumerate(lines, 1) if _LOGITS.match(line) or _SCORES.match(line)]
        if not rows and not any(_HEADER.match(line) for line in lines):
            raise ParseError("no header and no row of a comparison")
        seen: Counter[str] = Counter()
        for line, row in rows:
            cells = [cell.strip() for cell in row.split("|")]
            base = "/".join(p for p in (place.parent(), place.stem, cells[0], cells[1]) if p)
            run = Run(run_name(base, seen[base]), place.path, kind="evaluation", framework=FRAMEWORK)
            seen[base] += 1
            yield from _row(run, cells, line)


def _row(run: Run, cells: list[str], line: int) -> Iterator[Item]:
    run.model, run.dataset, batch = cells[:3]
    run.status = "completed"
    run.config["result"] = cells[-1]
    case = Case(subject=run.dataset, batch_size=number(batch))
    if len(cells) > len(_LOGITS_COLUMNS) + 3:
        yield from values(run.name, _DIVERGENCE, dict(zip(_LOGITS_COLUMNS, cells[3:], strict=False)), line, case)
    else:
        yield from _scores(run, cells, line, case)
    yield run


def _scores(run: Run, cells: list[str], line: int, case: Case) -> Iterator[Item]:
    """The score of the tested device, and that of the other under a condition; of TruthfulQA it is MC2."""
    meaning = Meaning("mc2" if run.dataset == "TruthfulQA" else "accuracy")
    named: Mapping[str, str] = {"golden": cells[3], "test": cells[4]}
    for side, raw in named.items():
        case.conditions = {"side": side} if side == "golden" else {}
        yield from values(run.name, {side: meaning}, {side: raw}, line, case)
