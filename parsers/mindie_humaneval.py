"""HumanEval of ModelTest: ``*_infer.jsonl`` with the programs, ``*_result.jsonl`` with their fates and pass@k.

Source: ``dataset/full/HumanEval/human_eval.py`` and ``HumanEval_X/humaneval_x_eval.py``.  The objects of HumanEval_X
are spread over lines; the last object of a result holds ``pass@1`` and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Issue, Item

from ._evaluation import share
from ._mindie import run_of, tree_of
from ._samples_mindie import HUMANEVAL_SAMPLES
from ._serving import Case, Meaning, measurement, numeric

_NAME = re.compile(
    r"(?i)human[-_]?eval.*_(?:pa|fa|basic)_batch\d+_tp\d+.*(?:infer|result)\.jsonl"
    r"|human[-_]?evalx?_(?:.*_)?infer_results\.jsonl"
)
_FIRST = re.compile(r'\s*\{\s*"task_id": "[^"\n]+"')
_PASS = re.compile(r"pass@\d+")


class MindIEHumanEval(DocumentParser):
    """One run per test: both files speak of it."""

    name = "mindie_humaneval"
    version = 1
    title = "MindIE ModelTest: HumanEval_*_infer.jsonl, HumanEval_*_result.jsonl"
    writes = "MindIE ModelTest"
    samples = HUMANEVAL_SAMPLES

    def detect(self, head: Head) -> str | None:
        if _NAME.fullmatch(head.place.name) and _FIRST.match(head.text):
            return f"named {head.place.name}, with programs by task_id"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        tree = tree_of(place)
        run = run_of(place, tree._replace(case=tree.case.removesuffix("_")), "evaluation")
        run.dataset = re.split(r"_(?:pa|fa|basic)_", tree.case)[0]
        programs = 0
        for line, said in _objects(text):
            if said is None:
                yield Issue("broken object", line)
                continue
            programs += "task_id" in said
            for key, value in said.items():
                if _PASS.fullmatch(key) and numeric(value) is not None:
                    run.status = "completed"
                    yield measurement(run.name, Meaning(share(key) or key), value, key, line, Case(subject=run.dataset))
        run.config["programs"] = programs
        yield run


def _objects(text: str) -> Iterator[tuple[int, dict[str, object] | None]]:
    """Objects one after the other, each with the line that it begins on; None for what is broken, which ends it."""
    decoder = json.JSONDecoder()
    at, line = 0, 1
    while at < len(text):
        rest = len(text) - len(text[at:].lstrip()) if text[at : at + 1].isspace() else at
        line += text.count("\n", at, rest)
        at = rest
        if at >= len(text):
            return
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield line, None
            return
        yield line, value if isinstance(value, dict) else None
        line += text.count("\n", at, end)
        at = end
