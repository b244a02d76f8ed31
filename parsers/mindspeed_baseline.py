"""Baselines of the tests of Ascend's MindSpeed-LLM and -MM: what ``acquire_json.py`` takes from a log of theirs.

Those of MindSpeed-RL hold the losses of a run of verl.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import Item, Points, Run

from ._golden import Series, case_facts, numeric, series_points
from ._samples_golden import MINDSPEED_SAMPLES

_HEAD = re.compile(r'\A\s*\{[^{}]*?"(?P<loss>(?:lm |pg_)?loss)"\s*:\s*\[')
_OTHERS = re.compile(r'"(?:memo info|time info|throughput)"\s*:\s*\[')
#: Who writes the losses under which name.
_FRAMEWORKS = {"lm loss": "mindspeed-llm", "loss": "mindspeed-mm", "pg_loss": "verl"}
_MIB, _GIB = 2.0**20, 2.0**30
_MEMORY = "memo info"


class MindSpeedBaseline(DocumentParser):
    """One run per file."""

    name = "mindspeed_baseline"
    version = 1
    title = "MindSpeed-LLM, -MM and -RL: baseline of a test (losses, times, memory per rank)"
    writes = "MindSpeed-LLM"
    names = {
        "lm loss": Name("loss"),
        "loss": Name("loss"),
        "grad norm": Name("grad_norm"),
        "grad_norm": Name("grad_norm"),
        "time info": Name("step_time", 1e-3, "step_time@incl_data"),
        "time": Name("step_time", 1e-3, "step_time@incl_data"),
        "throughput": Name("tflops_per_device", 1.0, "tflops@megatron_formula"),
        "allocated memory": Name("memory_allocated", _MIB, "memory@rank_since_start"),
        "max allocated memory": Name("memory_allocated_peak", _MIB, "memory@rank_since_start"),
        "max allocated memory (GB)": Name("memory_allocated_peak", _GIB, "memory@rank_since_start"),
    }
    samples = MINDSPEED_SAMPLES

    def detect(self, head: Head) -> str | None:
        found = _HEAD.match(head.text)
        if found is None:
            return None
        ours = found["loss"] == "lm loss" or (found["loss"] == "pg_loss" and '"logp_diff"' in head.text)
        if not _OTHERS.search(head.text) and not (ours and head.place.parent().startswith("baseline")):
            return None
        return f"list {found['loss']!r} in a baseline, or beside 'memo info', 'time info' or 'throughput'"

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        document = Json(text)
        if not isinstance(document.value, dict):
            raise ParseError("the baseline is no JSON object")
        name = "/".join(part for part in (place.parent(), place.stem) if part)
        run = Run(name, place.directory(), kind="training", status="completed")
        run.framework = next((_FRAMEWORKS[key] for key in document.value if key in _FRAMEWORKS), None)
        case_facts(run, place.stem)
        for key, value in document.value.items():
            if key == _MEMORY:
                yield from _memory(run, document, value)
            elif isinstance(value, list):
                yield from _list(run, document, key, value)
            elif (margin := numeric(value)) is not None:
                run.config[key] = margin
        yield run


def _list(run: Run, document: Json, key: str, values: list[Any]) -> Iterator[Points]:
    """One value per logged step."""
    series = Series()
    for i, value in enumerate(values):
        if (number := numeric(value)) is not None:
            series.add(i + 1, number, document.line(key, i))
    if series.values:
        yield series_points(run.name, key, series)


def _memory(run: Run, document: Json, entries: Any) -> Iterator[Points]:
    """Memory of each rank after some step that the file does not name, or (FSDP2, GiB) of each step."""
    for i, entry in enumerate(entries if isinstance(entries, list) else []):
        if not isinstance(entry, dict):
            continue
        rank, step = numeric(entry.get("rank")), numeric(entry.get("iteration"))
        unit = " (GB)" if entry.get("format") == "fsdp2" else ""
        for key, value in entry.items():
            number = numeric(value)
            if number is None or key in ("rank", "iteration"):
                continue
            series = Series([int(step or 0)], [number], [document.line(_MEMORY, i, key)])
            own = None if rank is None else int(rank)
            yield series_points(run.name, key + unit, series, rank=own, stepless=step is None)
