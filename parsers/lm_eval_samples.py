"""What a model answered to each question: ``samples_{task}_{time}.jsonl`` beside the result of the same time.

The scores of single questions are not stored: a result holds their means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import Head, JsonLinesParser, Objects, Place, State
from llmstats.records import Item, Run

from ._lm_eval import FRAMEWORK
from ._samples_lm_eval import SAMPLES_SAMPLES

#: The task may hold underscores: the time is read from the right.
_NAME = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:[.-]\d+)?)\.jsonl")
_FIRST = re.compile(r'\s*\{"doc_id": ?\d+, ?"doc": ?')


class LMEvalSamples(JsonLinesParser):
    """The run of the result beside it, with the number of questions of the task."""

    name = "lm_eval_samples"
    version = 1
    title = "lm-evaluation-harness: samples_{task}_{time}.jsonl"
    writes = "lm-evaluation-harness"
    samples = SAMPLES_SAMPLES

    def detect(self, head: Head) -> str | None:
        if not _FIRST.match(head.text):
            return None
        if _NAME.fullmatch(head.place.name):
            return f"named {head.place.name}, with documents and answers"
        return "lines with doc_id and filtered_resps" if '"filtered_resps"' in head.text else None

    def fold(self, state: State, place: Place, objects: Objects) -> Iterator[Item]:
        for _, row in objects.rows:
            chosen = str(row.get("filter", ""))
            if chosen == state.setdefault("filter", chosen):  # each filter repeats all documents
                state["count"] = state.get("count", 0) + 1
        match = _NAME.fullmatch(place.name)
        task = match["task"] if match else place.stem
        beside = f"results_{match['time']}" if match else place.stem
        name = "/".join(p for p in (place.parent(), beside) if p)
        run = Run(name, f"{place.directory()}/{beside}.json", kind="evaluation", framework=FRAMEWORK)
        run.config[f"samples of {task}"] = state.get("count", 0)
        yield run
