"""Gold results of FlagScale's functional tests, and the patches by which a vendor replaces them.

Source: ``tests/{functional_tests,benchmarks}/test_utils/test_result.py`` and ``test_cases/*/*/results_gold/*`` of
FlagOpen/FlagScale; ``hardware/{vendor}/FlagScale/…/results_gold/*.json.patch``.  What a benchmark calls ``tokens/sec``
is the global batch size over the time of a step: samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import Item, Measurement, Run

from ._golden import Series, case_facts, numeric, series_points
from ._samples_golden import FLAGSCALE_SAMPLES

_JSON = re.compile(r'\A\s*\{\s*"(?:[^"\n]{1,80}:|tokens/sec|iteration_time_ms)": \{\s*"values": \[')
#: Benchmark of inference: static batches.
_INFERENCE = re.compile(r'\A\s*\{\s*"throughput":\s*[\d.]+,\s*"avg_latency":\s*[\d.]+')
#: Reinforcement learning: a list of rewards by name.
_REWARDS = re.compile(r'\A\s*\{\s*"[^"\n]{1,80}": \[[-\d.]')
_PATCH = re.compile(r'\Adiff --git a/(?P<path>\S*results_gold/\S+)(?s:.){0,2000}^\+\s*\{\s*"[^"\n]{1,80}:":', re.M)


class FlagScaleGold(DocumentParser):
    """One run per file; of a patch the values that it puts in (the gold of that vendor)."""

    name = "flagscale_gold"
    version = 1
    title = "FlagScale gold results of a functional test (JSON, and a vendor's patch of it)"
    writes = "FlagScale"
    names = {
        "lm loss:": Name("loss"),
        "tokens/sec": Name("samples_per_second", 1.0, "samples_per_second@step_mean"),
        "iteration_time_ms": Name("step_time", 1e-3, "step_time@incl_data"),
    }
    samples = FLAGSCALE_SAMPLES

    def detect(self, head: Head) -> str | None:
        if _JSON.match(head.text):
            return "object of 'lm loss:' with 'values'"
        gold = head.place.parent() == "results_gold"
        if gold and _REWARDS.match(head.text):
            return "list of numbers in results_gold"
        if gold and _INFERENCE.match(head.text):
            return "throughput and avg_latency in results_gold"
        patch = _PATCH.match(head.text) if '"values"' in head.text else None
        return f"patch of {patch['path']}" if patch else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        patch = text.startswith("diff ")
        first, body = _added(text) if patch else (1, text)
        document = Json(body, first)
        run = _run(place)
        if not isinstance(document.value, dict):
            raise ParseError("gold results are no JSON object")
        for key, entry in document.value.items():
            if isinstance(entry, list):
                yield from _rewards(run, document, key, entry)
            elif key in _OF_INFERENCE:
                yield from _mean(run, document, key, entry)
            elif (series := _series(document, key, entry)).values:
                yield series_points(run.name, key, series)
        yield run


def _run(place: Place) -> Run:
    """``…/train/{model}/results_gold/{case}.json``, perhaps below ``hardware/{vendor}_{chip}/``."""
    names = [place.parent(3), place.parent(2), place.name.removesuffix(".patch").removesuffix(".json")]
    parts = place.parts
    hardware = parts[parts.index("hardware") + 1] if "hardware" in parts[:-2] else None
    name = "/".join(part for part in (hardware, *names) if part)
    run = Run(name, place.directory(), kind="training", framework="flagscale", status="completed")
    run.model = place.parent(2) if place.parent() == "results_gold" else None
    case_facts(run, names[-1])
    if hardware:
        run.vendor, _, run.device = (part or None for part in hardware.partition("_"))
    return run


def _added(text: str) -> tuple[int, str]:
    """The lines that a patch adds, without their ``+``, and the number of the first of them."""
    found: list[str] = []
    first = 1
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("+") and not line.startswith("+++ "):
            first = first if found else number
            found.append(line[1:])
        elif found and line.startswith(" "):
            found.append(line[1:])
    if not found:
        raise ParseError("the patch adds no line")
    return first, "\n".join(found)


def _rewards(run: Run, document: Json, key: str, values: list[Any]) -> Iterator[Measurement]:
    """Scores of one evaluation after the other; the file does not say after which steps."""
    for i, value in enumerate(values):
        if (score := numeric(value)) is not None:
            yield Measurement(
                run=run.name,
                metric=key,
                value=score,
                raw_name=key,
                raw_value=str(value),
                conditions={"evaluation": i + 1},
                line=document.line(key, i),
            )


_OF_INFERENCE = {
    "throughput": ("output_tokens_per_second", "output_tokens_per_second@static_batch"),
    "avg_latency": ("e2e_batch_latency", "e2e_batch_latency@generate_call"),
}


def _mean(run: Run, document: Json, key: str, entry: Any) -> Iterator[Measurement]:
    """A value of a benchmark of inference, over the same static batch again and again."""
    run.kind = "inference"
    if (value := numeric(entry)) is not None:
        metric, definition = _OF_INFERENCE[key]
        yield Measurement(
            run=run.name,
            metric=metric,
            value=value,
            statistic="mean" if key == "avg_latency" else "value",
            raw_name=key,
            raw_value=str(entry),
            definition=definition,
            line=document.line(key),
        )


def _series(document: Json, key: str, entry: Any) -> Series:
    """Values of one key, one per logged step; a run on devices of several kinds has them in a list of its own."""
    series = Series()
    values = entry.get("values") if isinstance(entry, dict) else None
    if isinstance(values, list) and len(values) == 1 and isinstance(values[0], list):
        values = values[0]
    for i, value in enumerate(values if isinstance(values, list) else []):
        if (number := numeric(value)) is not None:
            series.add(i + 1, number, document.line(key, "values", i))
    return series
