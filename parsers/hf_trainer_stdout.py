"""What a Hugging Face Trainer prints, under any launcher: dicts, progress bars, blocks of final figures.

Source: ``transformers/trainer_callback.py`` ``ProgressCallback``, ``PrinterCallback`` and ``trainer_pt_utils.py``
``log_metrics`` from 3.0 to 5 (where floats became texts of four significant digits); TRL and ms-swift print so too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Issue, Item

from ._hf import NAMES, fingerprint, numbers, trained_by
from ._hf_stdout import Reader, Segment, finals, finish, points_of
from ._hf_steps import count_steps
from ._samples_hf import STDOUT_SAMPLES

_RECORD = re.compile(
    r"\{'(?:loss|train_runtime|train_loss|eval_[\w/.-]+|reward|objective/kl)': '?[-+\d.nai][^{}\n]*"
    r"'(?:epoch|learning_rate|global_step/max_steps|global_step|iteration|train_loss)': "
)
_BEGINS = re.compile(r"trainer\.py:\d+\D.*\*{5} Running (?:training|Evaluation|Prediction) \*{5}")
#: What runs the Trainer, by how it logs.
_WRAPPERS = (("[INFO:swift]", "ms-swift"), (" llamafactory.", "LLaMA-Factory"), (" llmtuner.", "LLaMA-Factory"))
_NO_STEPS = "the log does not prove the steps of these records: no progress bar between them, no logging interval"


class HFTrainerStdout(DocumentParser):
    """One run per start of a training in the file."""

    name = "hf_trainer_stdout"
    version = 2
    title = "Hugging Face Trainer's stdout (transformers, TRL, LLaMA-Factory, ms-swift)"
    writes = "transformers"
    names = {**NAMES, "tqdm": NAMES["elapsed_time"]}
    samples = STDOUT_SAMPLES

    def detect(self, head: Head) -> str | None:
        if head.place.name == "running_log.txt":
            return None
        if "_noderank" in head.place.path or "\nTokens/p/s: " in head.text:
            return None  # FlagPerf's rank logs end with results of their own
        found = _RECORD.search(head.text) if "{'" in head.text else None
        if found is None and "***** Running " in head.text:
            found = _BEGINS.search(head.text)
        return f"line {found[0][:100]!r}" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        name = "/".join(part for part in (place.parent(), place.stem) if part)
        wrapper = next((wrapper for mark, wrapper in _WRAPPERS if mark in text), None)
        for segment in Reader(name, place, wrapper).read(text):
            count_steps(segment)
            yield from self._items(segment)
        yield trained_by(name, place.path)

    def _items(self, segment: Segment) -> Iterator[Item]:
        """Items of one start of the program."""
        trains = segment.of("train")
        unplaced = [r for r in trains if r.step is None]
        if len(unplaced) > 1:
            yield Issue(f"{_NO_STEPS}: {len(unplaced)}", unplaced[0].line, suspect=False)
        yield from points_of(segment)
        yield from finals(segment)
        yield from segment.events
        if not unplaced:  # values without steps cannot be told from those of another file of the run
            segment.run.fingerprint = fingerprint([numbers(r.values).get("loss", 0.0) for r in trains])
        finish(segment.run, segment)
        yield segment.run
