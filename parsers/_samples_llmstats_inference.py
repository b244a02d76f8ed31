"""Composed examples of inference.json, with what must come out of them."""

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample

_GIB = 2**30


def _value(metric: str, value: float, unit: str | None, **more: str) -> dict[str, Any]:
    """One entry of ``values``."""
    return {"metric": metric, "value": value, "unit": unit, "definition": None, "subject": None} | more


def _accuracy(value: float, subject: str) -> dict[str, Any]:
    more = {"definition": "accuracy@mean_of_repeats", "subject": subject, "statistic": "mean"}
    return _value("accuracy", value, "fraction", **more)


_SETTINGS: dict[str, Any] = {
    "model": "/models/toy-7b",
    "model_name": "toy-7b",
    "task": "mmlu",
    "data": "/data/mmlu",
    "precision": "bf16",
    "engines": ["eager", "inductor"],
    "batch_size": 4,
    "repeats": 2,
    "limit": None,
    "tensor_parallel": 2,
    "device_map": None,
}
_FACTS = {"vendor": "NVIDIA", "device": "NVIDIA A100-SXM4-80GB", "device_count": 2, "versions": {"torch": "2.7.0"}}


def _repeat(name: str, repeat: int, whole: float, core: float) -> dict[str, Any]:
    return {"pass": name, "repeat": repeat, "throughput": whole, "throughput_core": core}


_MMLU: dict[str, Any] = {
    "format": "llmstats_inference",
    "version": 1,
    "status": "completed",
    "error": None,
    "started_at": "2025-03-01 08:00:00.250+08:00",
    "ended_at": "2025-03-01 08:10:00.500+08:00",
    "settings": _SETTINGS,
    "facts": _FACTS,
    "notes": ["2 subjects; MMLU has 57"],
    "compiled": {"graphs": 2, "breaks": 0},
    "values": [
        _value("init_time", 12.5, "s"),
        _value("load_time", 10.25, "s"),
        _value("compile_time", 40.125, "s"),
        _value("run_time", 300.0, "s"),
        _value("validation_throughput", 7000.5, "token/s", definition="validation_throughput@prompt_tokens"),
        _value("validation_throughput_core", 7100.25, "token/s", definition="validation_throughput_core@prompt_tokens"),
        _value("core_time", 100.5, "s", subject="validation"),
        _value("input_tokens", 713575.0, "token", subject="validation"),
        _accuracy(0.25, "validation"),
        _value("accuracy_of_choices", 0.5, "fraction", definition="accuracy_of_choices@likeliest_letter",
               subject="validation"),
        _value("inference_throughput", 8000.5, "token/s", definition="inference_throughput@prompt_tokens"),
        _value("inference_throughput_core", 8200.25, "token/s", definition="inference_throughput_core@prompt_tokens"),
        _accuracy(0.26, "inference"),
        _value("memory_used", 30.0 * _GIB, "bytes"),
        _value("memory_total", 80.0 * _GIB, "bytes"),
        _value("memory_allocated_peak", 20.0 * _GIB, "bytes"),
        _value("memory_reserved_peak", 25.0 * _GIB, "bytes"),
        _value("achieved_flops", 1.2e14, "FLOP/s", definition="achieved_flops@matmul_and_causal_attention"),
        _value("mfu", 0.1923, "fraction", definition="mfu@catalogue_peak"),
    ],
    "repeats": [
        _repeat("validation", 1, 6900.0, 7000.0),
        _repeat("validation", 2, 7101.0, 7200.5),
        _repeat("inference", 1, 7900.0, 8100.0),
        _repeat("inference", 2, 8101.0, 8300.5),
    ],
    "subjects": [
        {"pass": "validation", "subject": "colours", "correct": 3, "questions": 12},
        {"pass": "inference", "subject": "colours", "correct": 6, "questions": 12},
    ],
    "memory": [
        {"pass": "validation", "device_index": 1, "used": 28 * _GIB, "total": 80 * _GIB, "allocated_peak": 19 * _GIB,
         "reserved_peak": None}
    ],
}  # fmt: skip

_DIED = _MMLU | {
    "status": "running",
    "ended_at": None,
    "settings": _SETTINGS | {"task": "lambada", "engines": ["eager"], "tensor_parallel": 1, "device_map": "auto"},
    "compiled": None,
    "values": [
        _value("loss", 3.0075, None, definition="loss@text_tokens", subject="validation"),
        _value("loss", 4.5, None, definition="loss@target", subject="validation/last word"),
        _value("perplexity", 20.236, None, definition="perplexity@text_tokens", subject="validation"),
        _value("perplexity", 90.017, None, definition="perplexity@target", subject="validation/last word"),
    ],
    "repeats": [],
    "subjects": [],
    "memory": [],
}

SAMPLES = (
    Sample(
        "work_dirs/toy-7b_mmlu/20250301_080000/inference.json",
        json.dumps(_MMLU, indent=1) + "\n",
        matched=28,
        points={
            ("test", "validation_throughput", 2): 7101.0,
            ("test", "validation_throughput_core", 2): 7200.5,
            ("test", "inference_throughput", 1): 7900.0,
            ("test", "inference_throughput_core", 2): 8300.5,
        },
        measurements={
            ("init_time", "value"): 12.5,
            ("load_time", "value"): 10.25,
            ("compile_time", "value"): 40.125,
            ("run_time", "value"): 300.0,
            ("validation_throughput", "value"): 7000.5,
            ("validation_throughput_core", "value"): 7100.25,
            ("inference_throughput", "value"): 8000.5,
            ("inference_throughput_core", "value"): 8200.25,
            ("validation", "core_time", "value"): 100.5,
            ("validation", "input_tokens", "value"): 713575.0,
            ("validation", "accuracy", "mean"): 0.25,
            ("inference", "accuracy", "mean"): 0.26,
            ("inference/colours", "accuracy", "mean"): 0.5,
            ("validation", "accuracy_of_choices", "value"): 0.5,
            ("memory_used", "value"): 30.0 * _GIB,
            ("memory_total", "value"): 80.0 * _GIB,
            ("memory_allocated_peak", "value"): 20.0 * _GIB,
            ("memory_reserved_peak", "value"): 25.0 * _GIB,
            ("validation/device 1", "memory_used", "value"): 28.0 * _GIB,
            ("achieved_flops", "value"): 1.2e14,
            ("mfu", "value"): 0.1923,
        },
        runs={
            "toy-7b_mmlu/20250301_080000": {
                "kind": "inference",
                "framework": "transformers",
                "model": "toy-7b",
                "dataset": "mmlu",
                "vendor": "NVIDIA",
                "device": "NVIDIA A100-SXM4-80GB",
                "device_count": 2,
                "precision": "bf16",
                "parallelism": "TP2",
                "status": "completed",
                "started_at": 1740816000250000,
                "config": {"batch_size": 4, "compiler": "inductor", "compiled": {"graphs": 2, "breaks": 0}},
            }
        },
    ),
    Sample(
        "work_dirs/toy-7b_lambada/20250301_090000/inference.json",
        json.dumps(_DIED, indent=1) + "\n",
        matched=4,
        measurements={
            ("validation", "loss", "value"): 3.0075,
            ("validation/last word", "loss", "value"): 4.5,
            ("validation", "perplexity", "value"): 20.236,
        },
        runs={
            "toy-7b_lambada/20250301_090000": {
                "status": None,
                "dataset": "lambada",
                "parallelism": "device_map=auto",
                "config": {"compiler": None},
            }
        },
    ),
)
