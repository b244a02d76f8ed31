"""``all_results.json``, ``train_results.json``, ``eval_results.json``: final figures that example scripts save.

Source: ``transformers/trainer_pt_utils.py`` ``save_metrics``; LLaMA-Factory and others call it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run

from ._hf import NAMES, figures, output_dir, trained_by
from ._samples_hf import RESULTS_SAMPLES

_NAMED = ("all_results.json", "train_results.json", "eval_results.json", "predict_results.json", "test_results.json")
_KEY = re.compile(
    r'"(?:train|eval|predict|test)(?:_\w+)?_(?:runtime|loss|samples_per_second|steps_per_second)": ?[\d"]'
)


class HFResults(DocumentParser):
    """Aggregates of the run of the output directory; the state and the log say the same of the training."""

    name = "hf_results"
    version = 1
    title = "Hugging Face Trainer's all_results.json and its parts"
    writes = "transformers"
    names = NAMES
    samples = RESULTS_SAMPLES

    def detect(self, head: Head) -> str | None:
        if not head.place.matches(*_NAMED) or not head.text.lstrip().startswith("{"):
            return None
        found = _KEY.search(head.text)
        return f"{head.place.name} with {found[0].split(':')[0]}" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        document = Json(text)
        results = document.value
        if not isinstance(results, dict):
            raise ParseError("not one JSON object")
        name, root = output_dir(place)
        trained = any(key.startswith("train_") for key in results)
        run = Run(name, root, experiment=name, kind="training" if trained else None)
        run.status = "completed" if trained else None
        yield from figures(run, results, {key: document.line(key) for key in results})
        yield run
        yield trained_by(name, root, "evaluation")
