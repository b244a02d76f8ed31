"""What a model answered, as lm-evaluation-harness v0.4.0 to v0.4.2 wrote it: one indented array, named ``.jsonl``.

It lies beside ``results.json``.  The scores of single questions are not stored: a result holds their means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run

from ._lm_eval import FRAMEWORK
from ._samples_lm_eval import ARRAY_SAMPLES

_FIRST = re.compile(r'\s*\[\s*\{\s*"doc_id": ?\d+,\s*"doc": ?')
_RESULT = "results"


class LMEvalSamplesArray(DocumentParser):
    """The run of the result beside it, with the number of questions."""

    name = "lm_eval_samples_array"
    version = 1
    title = "lm-evaluation-harness 0.4.0 to 0.4.2: {model}_{task}.jsonl, an array"
    writes = "lm-evaluation-harness"
    samples = ARRAY_SAMPLES

    def detect(self, head: Head) -> str | None:
        return "an array of objects with doc_id and doc" if _FIRST.match(head.text) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        answers = Json(text).value
        if not isinstance(answers, list):
            raise ParseError("the answers are no JSON array")
        name = "/".join(p for p in (place.parent(), _RESULT) if p)
        run = Run(name, f"{place.directory()}/{_RESULT}.json", kind="evaluation", framework=FRAMEWORK)
        run.config[f"samples of {place.stem}"] = len(answers)
        yield run
