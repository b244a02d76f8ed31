"""``trainer_state.json`` of a Hugging Face Trainer: the history of a training, up to the checkpoint that it lies in.

Source: ``transformers/trainer_callback.py`` ``TrainerState.save_to_json``, from 3.0 (2020) to 5.  The files of
``checkpoint-N`` and of the output directory are prefixes of one history; they tell of one run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import FULL, Column, Issue, Item, Points, Run

from ._hf import (
    NAMES,
    figures,
    fingerprint,
    is_final,
    loss_precision,
    numbers,
    output_dir,
    phase_of,
    step_of,
    trained_by,
)
from ._samples_hf import STATE_SAMPLES

_CONFIG = ("max_steps", "num_train_epochs", "logging_steps", "eval_steps", "save_steps", "train_batch_size")
#: Counters that hold at the step of the checkpoint; each prefix has its own.
_AT_CHECKPOINT = (("train", "total_flos"), ("train", "num_input_tokens_seen"), ("val", "best_metric"))

#: By phase and key: step (-1: none), line and value of each entry.
_Series = dict[tuple[str, str], list[tuple[int, int, float]]]


class HFTrainerState(DocumentParser):
    """The run of the output directory."""

    name = "hf_trainer_state"
    version = 2
    title = "Hugging Face Trainer's trainer_state.json"
    writes = "transformers"
    names = NAMES
    samples = STATE_SAMPLES

    def detect(self, head: Head) -> str | None:
        if '"log_history"' not in head.text or not head.text.lstrip().startswith("{"):
            return None
        named = '"global_step"' in head.text and head.place.name.endswith("state.json")
        return "log_history of a trainer's state" if named or '"is_local_process_zero"' in head.text else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        document = Json(text)
        state = document.value
        history = state.get("log_history") if isinstance(state, dict) else None
        if not isinstance(history, list):
            raise ParseError("no list log_history")
        name, root = output_dir(place)
        run = Run(name, root, kind="training", experiment=name)
        series: _Series = defaultdict(list)
        for i, entry in enumerate(history):
            if not isinstance(entry, dict):
                yield Issue("an entry of log_history is no object", document.line("log_history", i), str(entry)[:500])
            elif is_final(entry):
                run.status = "completed"
                yield from figures(run, entry, {key: document.line("log_history", i, key) for key in entry})
            else:
                _take(series, entry, document, i)
        _at_checkpoint(series, state, document)
        for (phase, key), values in series.items():
            yield from _points(name, phase, key, values)
        _facts(run, state)
        run.fingerprint = fingerprint([value for _, _, value in series.get(("train", "loss"), ())])
        yield run
        yield trained_by(name, root)


def _take(series: _Series, entry: dict[str, Any], document: Json, i: int) -> None:
    phase, step = phase_of(entry), step_of(entry)
    for key, value in numbers(entry).items():
        series[phase, key].append((-1 if step is None else step, document.line("log_history", i, key), value))


def _at_checkpoint(series: _Series, state: dict[str, Any], document: Json) -> None:
    """Counters of the state itself, where the history has none for this step."""
    step = step_of(state)
    for phase, key in _AT_CHECKPOINT:
        value = numbers({key: state.get(key)}).get(key)
        if step and value and all(known != step for known, _, _ in series.get((phase, key), ())):
            series[phase, key].append((step, document.line(key), value))


def _points(run: str, phase: str, key: str, values: list[tuple[int, int, float]]) -> Iterator[Points]:
    """Points of one series, those without a step apart."""
    for stepless in (False, True):
        rows = [row for row in values if (row[0] < 0) is stepless]
        if rows:
            steps, lines, numbers_ = zip(*rows, strict=True)
            precision = loss_precision(numbers_) if (phase, key) == ("train", "loss") else FULL
            column = Column(np.array(numbers_, np.float64), precision)
            at = None if stepless else np.array(steps, np.int64)
            yield Points(run, phase, np.array(lines, np.int64), {key: column}, at)


def _facts(run: Run, state: dict[str, Any]) -> None:
    run.config |= {key: state[key] for key in _CONFIG if isinstance(state.get(key), (int, float))}
    step, last = step_of(state), state.get("max_steps")
    if step is not None and isinstance(last, int) and 0 < last <= step:
        run.status = "completed"
