"""LLaMA-Factory's ``trainer_log.jsonl``: progress of a training or a prediction, appended over starts.

Sources: ``src/llamafactory/train/callbacks.py`` ``LogCallback`` (``src/llmtuner/extras/callbacks.py`` before 2024,
where absent values were null and ``lr`` was ``learning_rate``),
``src/llamafactory/v1/utils/callbacks/logging_callback.py`` (``step`` for ``current_steps``, no times).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmstats.parsing import Head, JsonLinesParser, Name, Objects, Place, State
from llmstats.records import Issue, Item

from ._hf import NAMES, numbers, output_dir
from ._hf_lines import Lines, Row
from ._samples_llamafactory import LOG_SAMPLES

_COUNTERS = ("current_steps", "total_steps", "step", "percentage")


class LlamaFactoryTrainerLog(JsonLinesParser):
    """The run of the output directory, together with the Trainer's own files."""

    name = "llamafactory_trainer_log"
    version = 1
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
        return {"name": name, "root": root, "elapsed": 0.0, "total": None}

    def fold(self, state: State, place: Place, objects: Objects) -> Iterator[Item]:
        lines = Lines(state, "LLaMA-Factory")
        rows, breaks = [], []
        for line, record in objects.rows:
            if not isinstance(record.get("total_steps"), int):
                yield Issue("a record without total_steps", line, str(record)[:500])
                continue
            row = _row(state, record)
            if row["@kind"] == "train" and _starts_over(state, row):
                breaks.append(line)
            rows.append((line, row))
        yield from lines.points(rows, breaks)
        for line, record in objects.rows:
            _facts(lines, line, record)
        yield from lines.finish()


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


def _starts_over(state: State, row: Row) -> bool:
    """Whether the time since the start went back: another process appends."""
    elapsed = row.get("elapsed_time")
    if elapsed is None:
        return False
    before, state["elapsed"] = state["elapsed"], elapsed
    return bool(elapsed < before)


def _facts(lines: Lines, line: int, record: dict[str, Any]) -> None:
    total, step = record.get("total_steps"), record.get("current_steps", record.get("step"))
    if not isinstance(total, int) or _kind(record) != "train":
        return
    run = lines.run_at(line)
    run.config["max_steps"] = total
    if isinstance(step, int) and 0 < total <= step:
        run.status = "completed"
