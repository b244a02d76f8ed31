"""Golden values of Megatron-LM's functional tests: series that the CI compares a new run with.

Source: ``tests/functional_tests/python_test_utils`` of NVIDIA/Megatron-LM, core 0.4 to 0.19.  Up to core 0.8 the values
are a list of every fifth scalar of TensorBoard, then an object by iteration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import Item, Measurement, Points, Run

from ._golden import Series, case_facts, numeric, series_points
from ._megatron import HIGH, TIMER_METRICS
from ._samples_golden import GOLDEN_SAMPLES

_HEAD = re.compile(
    r'\A\s*\{\s*(?:"iteration_timing_avg": [\d.]+,\s*)?"[^"\n]{1,80}": \{\s*"start_step": -?\d+,\s*'
    r'"end_step": -?\d+,\s*"step_interval": \d+,\s*"values": [\[{]'
)
#: The list's values are those of the scalars at ``start_step``, ``start_step + 5``, …, counted from 0.
_FIRST_STEP = 1
#: The same scalars over the samples that were consumed, which the file does not tell.
_AGAIN = " vs samples"
_VALIDATION = " validation"


class MegatronGoldenValues(DocumentParser):
    """One run per file: a test case on a platform."""

    name = "megatron_golden_values"
    version = 1
    title = "Megatron-LM golden values of a functional test (also in FlagScale)"
    writes = "Megatron-LM"
    names = {
        **{f"{raw}-time": Name(metric, 1.0, HIGH) for raw, metric in TIMER_METRICS.items()},
        "lm loss": Name("loss"),
        "lm loss validation": Name("loss"),
        "lm loss validation ppl": Name("perplexity", 1.0, "perplexity@capped_exp20"),
        "mtp_1 loss": Name("mtp_1_loss"),
        "learning-rate": Name("learning_rate"),
        "batch-size": Name("global_batch_size"),
        "loss-scale": Name("loss_scale"),
        "grad-norm": Name("grad_norm"),
        "params-norm": Name("params_norm"),
        "num-zeros": Name("grad_zeros"),
        "iteration-time": Name("step_time", 1.0, "step_time@incl_data"),
        "mem-allocated-bytes": Name("memory_allocated", 1.0, "memory@rank_since_start"),
        "mem-max-allocated-bytes": Name("memory_allocated_peak", 1.0, "memory@rank_since_start"),
    }
    samples = GOLDEN_SAMPLES

    def detect(self, head: Head) -> str | None:
        likely = '"step_interval"' in head.text
        match = _HEAD.match(head.text) if likely else None
        return "series with 'start_step', 'end_step', 'step_interval', 'values'" if match else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        document = Json(text)
        if not isinstance(document.value, dict):
            raise ParseError("golden values are no JSON object")
        stem = place.stem.removeprefix("golden_values_")
        parents = (place.parent(2), place.parent()) if stem != place.stem else (place.parent(),)
        name = "/".join(part for part in (*parents, stem) if part)
        run = Run(name, place.directory(), kind="training", framework="megatron-lm", status="completed")
        case_facts(run, name)
        for key, value in document.value.items():
            if not key.endswith(_AGAIN) or document.value.get(key.removesuffix(_AGAIN)) != value:
                yield from _entry(run, document, key, value)
        yield run


def _entry(run: Run, document: Json, key: str, value: Any) -> Iterator[Points | Measurement]:
    if isinstance(value, dict) and isinstance(value.get("values"), (dict, list)):
        found = _series(document, key, value)
        phase = "val" if _VALIDATION in key else "train"
        unknown = phase == "val" and isinstance(value["values"], list)  # its scalars have steps of their own
        if found.values:
            yield series_points(run.name, key, found, stepless=unknown, phase=phase)
    elif (mean := numeric(value)) is not None:
        timing = key == "iteration_timing_avg"
        yield Measurement(
            run=run.name,
            metric="step_time" if timing else key,
            value=mean,
            statistic="mean" if timing else "value",
            raw_name=key,
            raw_value=str(value),
            definition="step_time@mean_without_first_third" if timing else None,
            line=document.line(key),
        )


def _series(document: Json, key: str, entry: dict[str, Any]) -> Series:
    found = Series()
    values = entry["values"]
    if isinstance(values, dict):
        for step, value in values.items():
            if (number := numeric(value)) is not None and step.isdecimal() and len(step) < 16:
                found.add(int(step), number, document.line(key, "values", step))
        return found
    start, interval = numeric(entry.get("start_step")) or 0, numeric(entry.get("step_interval")) or 1
    for i, value in enumerate(values):
        if (number := numeric(value)) is not None:
            step = int(start) + i * int(interval) + _FIRST_STEP
            found.add(step, number, document.line(key, "values", i))
    return found
