"""inference.json of ``llmstats run inference``: every value with its metric, unit and definition.

The container.out.log beside it tells some of them again; both are one run, and a value that both have counts once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import Column, Item, Measurement, Points, Run
from llmstats.training import microseconds

from ._samples_llmstats_inference import SAMPLES

_PASSES = ("validation", "inference")
_RATES = ("throughput", "throughput_core")
_SPREAD = {"device_map": "device_map={}", "tensor_parallel": "TP{}"}


class LlmstatsInferenceJson(DocumentParser):
    """One run per work directory: that of container.out.log."""

    name = "llmstats_inference_json"
    version = 1
    title = "inference.json of llmstats run inference"
    writes = "llmstats"
    names = {
        f"{done}_{rate}": Name(f"{done}_{rate}", definition=f"{done}_{rate}@prompt_tokens")
        for done in _PASSES
        for rate in _RATES
    }
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text.lstrip()
        ours = text.startswith("{") and '"format": "llmstats_inference"' in text[:200]
        return "'format': 'llmstats_inference'" if ours else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        document = Json(text)
        told = document.value
        if not isinstance(told, dict) or not isinstance(told.get("settings"), dict):
            raise ParseError("no inference.json of llmstats: an object with 'settings' is needed")
        run = _run(place, told)
        size = _number(told["settings"].get("batch_size"))
        for measurement in (*_values(document, run), *_subjects(document, run), *_memory(document, run)):
            measurement.batch_size = size
            yield measurement
        yield from _repeats(document, run)
        yield run


def _run(place: Place, told: Mapping[str, Any]) -> Run:
    settings, facts = told["settings"], _object(told.get("facts"))
    name = "/".join(part for part in (place.parent(2), place.parent()) if part) or place.stem
    run = Run(name, place.directory(), kind="inference", framework="transformers")
    run.model, run.dataset, run.precision = (_text(settings.get(k)) for k in ("model_name", "task", "precision"))
    run.vendor, run.device = _text(facts.get("vendor")), _text(facts.get("device"))
    count = facts.get("device_count")
    run.device_count = count if isinstance(count, int) and 0 < count < 1 << 31 else None
    spread = [form.format(settings[k]) for k, form in _SPREAD.items() if settings.get(k) not in (None, 1)]
    run.parallelism = spread[0] if spread else None
    run.started_at, run.ended_at = (microseconds(_text(told.get(k)) or "") for k in ("started_at", "ended_at"))
    # a process that was killed left "running": what started it knows better, and says so in run.json
    run.status = None if told.get("status") == "running" else _text(told.get("status"))
    run.environment = {"versions": versions} if (versions := _object(facts.get("versions"))) else {}
    run.config = _config(settings, told)
    return run


def _config(settings: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in settings.items() if v is not None and k not in ("model", "model_name", "data")}
    engines = settings.get("engines")
    kept["compiler"] = "inductor" if isinstance(engines, list) and "inductor" in engines else None
    kept |= {k: told[k] for k in ("compiled", "notes") if told.get(k)}
    return {k: v for k, v in kept.items() if v is not None}


# --------------------------------------------------------------------------- values


def _values(document: Json, run: Run) -> Iterator[Measurement]:
    for index, row in enumerate(_rows(document, "values")):
        metric, value = _text(row.get("metric")), _number(row.get("value"))
        if metric is None or value is None:
            continue
        yield Measurement(
            run.name,
            metric,
            value,
            statistic=_text(row.get("statistic")) or "value",
            raw_name=metric,
            raw_value=repr(row["value"]),
            unit=_text(row.get("unit")),
            definition=_text(row.get("definition")),
            subject=_text(row.get("subject")),
            line=document.line("values", index, "value"),
        )


def _subjects(document: Json, run: Run) -> Iterator[Measurement]:
    """Accuracy of each of MMLU's subjects, in each pass."""
    for index, row in enumerate(_rows(document, "subjects")):
        right, asked = _number(row.get("correct")), _number(row.get("questions"))
        if right is None or not asked:
            continue
        yield Measurement(
            run.name,
            "accuracy",
            right / asked,
            statistic="mean",
            raw_name="correct/questions",
            raw_value=f"{right:g}/{asked:g}",
            definition="accuracy@mean_of_repeats",
            subject=f"{row.get('pass')}/{row.get('subject')}",
            line=document.line("subjects", index, "correct"),
        )


_MEMORY = {
    "used": "memory_used",
    "total": "memory_total",
    "allocated_peak": "memory_allocated_peak",
    "reserved_peak": "memory_reserved_peak",
}


def _memory(document: Json, run: Run) -> Iterator[Measurement]:
    for index, row in enumerate(_rows(document, "memory")):
        for key, metric in _MEMORY.items():
            if (value := _number(row.get(key))) is not None:
                yield Measurement(
                    run.name,
                    metric,
                    value,
                    raw_name=key,
                    raw_value=repr(row[key]),
                    subject=f"{row.get('pass')}/device {row.get('device_index')}",
                    line=document.line("memory", index, key),
                )


def _repeats(document: Json, run: Run) -> Iterator[Points]:
    """Rates of each time through the questions, as series over the repeats."""
    rows = list(enumerate(_rows(document, "repeats")))
    for done in _PASSES:
        of_pass = [(i, r) for i, r in rows if r.get("pass") == done and isinstance(r.get("repeat"), int)]
        full = [(i, r) for i, r in of_pass if all(_number(r.get(rate)) is not None for rate in _RATES)]
        if full:
            yield Points(
                run.name,
                "test",
                np.array([document.line("repeats", i, "repeat") for i, _ in full], dtype=np.int64),
                {f"{done}_{rate}": Column(np.array([float(r[rate]) for _, r in full])) for rate in _RATES},
                steps=np.array([r["repeat"] for _, r in full], dtype=np.int64),
            )


def _rows(document: Json, key: str) -> Sequence[dict[str, Any]]:
    rows = document.value.get(key)
    return [row if isinstance(row, dict) else {} for row in rows] if isinstance(rows, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> float | None:
    """A JSON number within what a double holds; None for all else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1.7e308:
        return float(value) if isinstance(value, float) and not math.isfinite(value) else None
    return float(value)


def _object(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
