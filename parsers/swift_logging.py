"""ms-swift's ``logging.jsonl``: what the trainer logs, appended over starts, with a summary as the last line.

Sources: ``swift/trainers/patcher.py`` (``callback.py`` before 3.0), ``swift/megatron/callbacks/print.py``,
``swift/megatron/trainers/base.py``, ``swift/pipelines/train/sft.py`` from 1.6 to 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.parsing import Head, JsonLinesParser, Name, Objects, Place, State
from llmstats.records import Issue, Item, Run

from ._hf import NAMES, figures, is_final, numbers, output_dir, phase_of, step_of
from ._hf_lines import Lines, Row
from ._samples_swift import LOG_SAMPLES

_FIRST = re.compile(r'"(?:global_step/max_steps|iteration)": "\d+/\d+"|"train_speed\((?:iter/s|s/it)\)": ')
_SUMMARY = ("log_history", "model_parameter_info", "last_model_checkpoint")
_CONFIG = ("model_parameter_info", "last_model_checkpoint", "best_model_checkpoint", "best_metric")
_Rows = list[tuple[int, dict[str, Any]]]


class SwiftLogging(JsonLinesParser):
    """The run of the output directory, together with the Trainer's own files."""

    name = "swift_logging"
    version = 2
    title = "ms-swift's logging.jsonl"
    writes = "ms-swift"
    names = {
        **NAMES,
        # Megatron-SWIFT
        "lm loss": Name("loss"),
        "elapsed_time_per_iteration": Name("step_time", definition="step_time@incl_data"),
        "throughput": Name("tflops_per_device", definition="tflops@megatron_formula"),
        "loss_scale": Name("loss_scale"),
        "params_norm": Name("params_norm"),
        "consumed_samples": Name("samples"),
    }
    samples = LOG_SAMPLES

    def detect(self, head: Head) -> str | None:
        first = head.text.lstrip().split("\n", 1)[0]
        found = _FIRST.search(first) if first.startswith("{") else None
        return f"JSON lines with {found[0]}" if found else None

    def start(self, place: Place) -> State:
        name, root = output_dir(place)
        return {"name": name, "root": root}

    def fold(self, state: State, place: Place, objects: Objects) -> Iterator[Item]:
        lines = Lines(state, "ms-swift")
        records: _Rows = []
        others: _Rows = []
        for line, record in objects.rows:
            summary = any(key in record for key in _SUMMARY)
            (others if summary or is_final(record) else records).append((line, record))
        yield from lines.points([(line, _row(record)) for line, record in records])
        for line, record in records:
            if step_of(record) is None:
                yield Issue("a record without a step", line, str(record)[:500])
            _extent(lines.run_at(line), record)
        for line, record in others:
            yield from _closing(lines.run_at(line), record, line)
        yield from lines.finish()


def _row(record: dict[str, Any]) -> Row:
    row: Row = {**numbers(record), "@kind": phase_of(record)}
    step = step_of(record)
    return row if step is None else {**row, "@step": step}


def _extent(run: Run, record: dict[str, Any]) -> None:
    for key in ("global_step/max_steps", "iteration"):
        match = re.fullmatch(r"(\d{1,15})/(\d{1,15})", str(record.get(key)))
        if match:
            run.config["max_steps"] = int(match[2])


def _closing(run: Run, record: dict[str, Any], line: int) -> Iterator[Item]:
    """The final record, or the summary: its history repeats the lines before."""
    if is_final(record):
        run.status = "completed"
        yield from figures(run, record, dict.fromkeys(record, line))
        return
    run.status = "completed" if "log_history" in record else run.status
    run.config |= {key: record[key] for key in _CONFIG if isinstance(record.get(key), (str, int, float))}
