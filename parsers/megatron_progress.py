"""``progress.txt`` beside Megatron-LM's checkpoints: one line per start and per checkpoint.

Source: ``append_to_progress_log`` and ``compute_throughputs_and_append_to_progress_log`` of core 0.5 to 0.19.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from llmstats.documents import number
from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import NO_TIME, Column, Event, Issue, Item, Points, Run
from llmstats.training import microseconds, run_name

from ._samples_golden import PROGRESS_SAMPLES

_LINE = re.compile(
    r"(?P<clock>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\tJob ID: (?P<job>[^\t]*)\t# GPUs: (?P<devices>\d{1,9})\t(?P<rest>.*)$"
)
_PAIR = re.compile(r"(?P<key>[A-Za-z][^:\t]*): (?P<value>[^\t ]+)")
_START = "Starting job"


class MegatronProgress(DocumentParser):
    """One run per ``Starting job``."""

    name = "megatron_progress"
    version = 1
    title = "Megatron-LM progress.txt (throughput at each checkpoint)"
    writes = "Megatron-LM"
    names = {
        "Job throughput": Name("tflops_per_device", 1.0, "tflops@megatron_job"),
        "Cumulative throughput": Name("tflops_per_device", 1.0, "tflops@megatron_since_first_job"),
        "Floating-point operations": Name("training_flop"),
        "Tokens (in billions)": Name("total_tokens", 1e9, "total_tokens@all_ranks"),
    }
    samples = PROGRESS_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "\tJob ID: " not in head.text:
            return None
        return "line with 'Job ID:' and '# GPUs:'" if any(_LINE.match(line) for line in head.lines[:50]) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        name = "/".join(part for part in (place.parent(), place.stem) if part)
        runs: list[Run] = []
        for line, content in enumerate(text.split("\n")[:-1], 1):
            match = _LINE.match(content)
            if match is None:
                if "\tJob ID: " in content:
                    yield Issue("progress line not understood", line, content[:500])
                continue
            if not runs or match["rest"] == _START:
                runs.append(_new_run(run_name(name, len(runs)), place, name))
            yield from _record(runs[-1], line, match)
        yield from runs


def _new_run(name: str, place: Place, base: str) -> Run:
    return Run(name, place.directory(), kind="training", experiment=base, framework="megatron-lm")


def _record(run: Run, line: int, match: re.Match[str]) -> Iterator[Item]:
    time = microseconds(match["clock"])
    run.started_at, run.ended_at = run.started_at or time, time
    run.device_count = int(match["devices"])
    if match["job"]:
        run.config["job_id"] = match["job"]
    values: dict[str, Any] = {m["key"]: number(m["value"]) for m in _PAIR.finditer(match["rest"])}
    step = values.pop("Iteration", None)
    what = match["rest"].partition("\t")[0]
    if what.startswith(("Saved", "Saving")):
        yield Event(run.name, "checkpoint", what, line, time, None if step is None else int(step))
    columns = {key: Column(np.array([value])) for key, value in values.items() if value is not None}
    if columns and step is not None:
        times = np.array([NO_TIME if time is None else time])
        yield Points(run.name, "train", np.array([line]), columns, np.array([int(step)]), times=times)
