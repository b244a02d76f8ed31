"""LLaMA-Factory's ``trainer_log.jsonl``: progress of a training or a prediction, appended over starts.

Sources: ``src/llamafactory/train/callbacks.py`` ``LogCallback`` (``src/llmtuner/extras/callbacks.py`` before 2024,
where absent values were null and ``lr`` was ``learning_rate``),
``src/llamafactory/v1/utils/callbacks/logging_callback.py`` (``step`` for ``current_steps``, no times).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmstats.parsing import Head, JsonLinesParser, Name, Objects, Place, State
from llmstats.records import Issue, Item, Run

from ._hf import NAMES, numbers, output_dir
from ._hf_lines import Lines, Row
from ._samples_llamafactory import LOG_SAMPLES

_SHARED = "records of steps that are logged already are left out: another process of the training writes here too"
_COUNTERS = ("current_steps", "total_steps", "step", "percentage")


class LlamaFactoryTrainerLog(JsonLinesParser):
    """The run of the output directory, together with the Trainer's own files."""

    name = "llamafactory_trainer_log"
    version = 2
    title = "LLaMA-Factory's trainer_log.jsonl"
    writes = "LLaMA-Factory"
    names = {
        **NAMES,
        "lr": Name("learning_rate"),
        "accuracy": Name("accuracy", definition="accuracy@chosen_over_rejected"),
        "predict_loss": Name("loss"),
        "throughput": Name("tokens_per_second", definition="tokens_per_second@llamafactory_since_start"),
        "total_tokens": Name("total_tokens", definition="total_tokens@hf_input_tokens_seen"),
        "vram_allocated": Name("memory_allocated_peak", 2.0**30),
        "vram_reserved": Name("memory_reserved_peak", 2.0**30),
    }
    samples = LOG_SAMPLES

    def detect(self, head: Head) -> str | None:
        first = head.text.lstrip()[:1000].split("\n", 1)[0]
        if not first.startswith("{") or '"total_steps": ' not in first:
            return None
        if '"current_steps": ' in first and '"percentage": ' in first:
            return "JSON lines with current_steps, total_steps and percentage"
        if head.place.name == "trainer_log.jsonl" and '"step": ' in first:
            return "trainer_log.jsonl with step and total_steps"
        return None

    def start(self, place: Place) -> State:
        name, root = output_dir(place)
        return {"name": name, "root": root, "elapsed": 0.0, "step": -1, "total": None, "shared": False}

    def fold(self, state: State, place: Place, objects: Objects) -> Iterator[Item]:
        lines = Lines(state, "LLaMA-Factory")
        kept = _Kept()
        for line, record in objects.rows:
            if isinstance(record.get("total_steps"), int):
                kept.take(state, line, record)
            else:
                yield Issue("a record without total_steps", line, str(record)[:500])
        yield from lines.points(kept.rows, kept.starts)
        if kept.again and not state["shared"]:
            state["shared"] = True
            yield Issue(_SHARED, kept.again[0], suspect=False)
        for line, record in objects.rows:
            if line not in kept.again:
                _facts(lines.run_at(line), record)
        yield from lines.finish()


class _Kept:
    """Records of one stretch, sorted."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Row]] = []
        self.starts: set[int] = set()  #: lines at which the program began again
        self.again: list[int] = []  #: lines of steps that another process had logged

    def take(self, state: State, line: int, record: dict[str, Any]) -> None:
        row = _row(state, record)
        if row["@kind"] == "train":
            if _starts_over(state, row):
                self.starts.add(line)
            if _another_writer(state, row):
                self.again.append(line)
                return
        self.rows.append((line, row))


def _row(state: State, record: dict[str, Any]) -> Row:
    """A record for the series; of an evaluation whose total is no longer the training's the counter counts batches."""
    row: Row = {key: value for key, value in numbers(record).items() if key not in _COUNTERS}
    step, total = record.get("current_steps", record.get("step")), record["total_steps"]
    row["@kind"] = _kind(record)
    if row["@kind"] == "train":
        state["total"] = total
    if isinstance(step, int) and total == state["total"]:
        row["@step"] = step
    return row


def _kind(record: dict[str, Any]) -> str:
    """Phase: progress alone is that of a prediction, with an epoch the end of a training."""
    if record.get("eval_loss") is not None:
        return "val"
    if record.get("predict_loss") is not None:
        return "test"
    return "train" if record.get("epoch") is not None or "step" in record or record.get("loss") is not None else "test"


#: A process that appends to another's lines lags by some records; one that starts anew is back at the beginning.
_LAG = 0.6


def _starts_over(state: State, row: Row) -> bool:
    """Whether another start of the program appends: the time since its start went back, or (engine v1) the step."""
    elapsed, step = row.get("elapsed_time"), row.get("@step")
    before, state["elapsed"] = state["elapsed"], max(elapsed or 0.0, state["elapsed"])
    over = elapsed < before * _LAG if elapsed is not None else step is not None and step < state["step"]
    if over:
        state |= {"elapsed": elapsed or 0.0, "step": -1}
    return bool(over)


def _another_writer(state: State, row: Row) -> bool:
    """Whether this start has logged the losses of this step already: several nodes write one file."""
    if "loss" not in row or "@step" not in row:
        return False
    before, state["step"] = state["step"], max(row["@step"], state["step"])
    return bool(row["@step"] <= before)


def _facts(run: Run, record: dict[str, Any]) -> None:
    total, step = record.get("total_steps"), record.get("current_steps", record.get("step"))
    if isinstance(total, int) and _kind(record) == "train":
        run.config["max_steps"] = total
        run.status = "completed" if isinstance(step, int) and 0 < total <= step else None
