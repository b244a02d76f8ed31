"""XTuner V1's ``tracker.jsonl``: one JSON object per step and rank, full precision, no clock.

Source: ``xtuner/v1/train/trainer.py`` ``_log_step``, ``xtuner/v1/_writer/jsonl_writer.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from llmstats.parsing import Head, JsonLinesParser, Name, Objects, Place, State
from llmstats.records import Issue, Item
from llmstats.shapes import Frame
from llmstats.training import Runs, StepLog, frames_of, points, whole

from ._samples_xtuner_v1 import TRACKER_SAMPLES
from ._xtuner_v1 import NAMES, canonical, first_steps, new_run, repeats, start, tell_apart

_RANK = re.compile(r"rank_?(\d+)")
#: Decimals that the trainer rounds to before it writes.
_ROUNDED = {
    "time/data_time": 4,
    "time/step_time": 4,
    "time/train_time": 4,
    "time/eta_seconds": 1,
    "memory/max_memory_GB": 3,
    "memory/reserved_memory_GB": 3,
}


class XTunerV1Tracker(JsonLinesParser):
    """The same run, ranks and metrics as the rank logs beside it."""

    name = "xtuner_v1_tracker"
    version = 1
    title = "XTuner V1 tracker.jsonl"
    writes = "XTuner V1"
    names = NAMES
    samples = TRACKER_SAMPLES

    def detect(self, head: Head) -> str | None:
        if not head.text.lstrip().startswith("{"):
            return None
        if head.place.name == "tracker.jsonl" and '"runtime_info/' in head.text:
            return "tracker.jsonl with runtime_info/…"
        first = head.text.lstrip().split("\n", 1)[0]
        if '"runtime_info/tgs"' in first and '"time/step_time"' in first:
            return "first object has runtime_info/tgs and time/step_time"
        return None

    def canonical(self, raw: str, phase: str) -> Name:
        return canonical(raw)

    def start(self, place: Place) -> State:
        return start(place)

    def fold(self, state: State, place: Place, objects: Objects) -> Iterator[Item]:
        rank = _RANK.fullmatch(place.parent())
        stepped = [(line, row) for line, row in objects.rows if type(row.get("step")) is int]
        for line, row in objects.rows:
            if type(row.get("step")) is not int:
                yield Issue("object without a step", line, str(row)[:500])
        frames = frames_of(Objects(stepped), {"step": "@step"}, _phase)
        runs = Runs(state, lambda index: new_run(state, index))
        steps = StepLog(state)
        again = repeats([f for f in frames if "time/step_time" in f.columns], state)
        train = steps.read(frames, sorted({*_restarts(stepped, state), *again}))
        for frame in frames:
            _state_precision(frame)
            tell_apart(frame)
            index = train.runs[np.searchsorted(train.lines, frame.lines)]
            at = whole(frame.columns["@step"])
            yield from points(frame, "train", state["name"], index, at, None, int(rank[1]) if rank else None)
        for number, step in first_steps(train, state).items():
            if number:
                runs[number].resumed_from = step - 1
        yield from (runs[number] for number in range(steps.run + 1))
        runs.save()


def _phase(_: dict[str, Any]) -> str:
    return "train"


def _restarts(rows: list[tuple[int, dict[str, Any]]], state: State) -> list[int]:
    """Lines at which the training clock starts afresh: a resume, even where the lines before it were lost."""
    found = []
    for line, row in rows:
        spent = row.get("time/train_time")
        if isinstance(spent, (int, float)):
            if spent < state.get("train_time", 0.0):
                found.append(line)
            state["train_time"] = spent
    return found


def _state_precision(frame: Frame) -> None:
    """Columns that were rounded before they were written are not full.

    ``grad_norm`` was rounded until November 2025, when the count of consumed tokens came in.
    """
    for name, decimals in _ROUNDED.items():
        if name in frame.columns:
            frame.precision[name] = str(decimals)
    if "grad_norm" in frame.columns and not any(name.endswith("consumed_tokens") for name in frame.columns):
        frame.precision["grad_norm"] = "3"
