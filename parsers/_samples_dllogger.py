"""Composed samples of DLLogger lines."""

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample


def _line(second: int, step: Any, data: dict[str, Any], prefix: str = "") -> str:
    clock = f"2021-05-01 08:00:{second:02d}.250000"
    row = {
        "timestamp": f"{second}",
        "datetime": clock,
        "elapsedtime": f"{second}.25",
        "type": "LOG",
        "step": step,
        "data": data,
    }
    return f"{prefix}DLLL {json.dumps(row)}\n"


_UNIT = 'DLLL {"type": "METADATA", "metric": "throughput", "metadata": {"unit": "seq/s"}}\n'
_OWN = (
    _line(0, "PARAMETER", {"batch_size": 8, "model": "tiny"})
    + _UNIT
    + _line(1, [0, 0], {"loss": 9.5, "learning_rate": 0.25, "throughput": 100.5})
    + _line(2, [0, 10], {"loss": "8.5", "grad_norm": 1.5})
    + _line(3, [0], {"val_loss": 8.25})
    + _line(4, [1, 0], {"loss": 7.5})
    + _line(5, [1, 10], {"loss": 7.25})
    + _line(6, [], {"throughput": 101.5, "final_loss": 7.25})
)
_MIXED = (
    "Loading data\n"
    + _line(1, 5, {"loss": 3.5}, prefix="0: ")
    + _line(2, [2, 7, 1], {"loss": 3.25})
    + 'DLLL {"timestamp": "1", "type": "LOG", "step": [0, \n'
)

SAMPLES = (
    Sample(
        "bert/dllogger.json",
        _OWN,
        matched=6,
        points={
            ("train", "loss", 0): 9.5,
            ("train", "loss", 10): 8.5,
            ("train", "loss", 20): 7.5,
            ("train", "loss", 30): 7.25,
            ("train", "learning_rate", 0): 0.25,
            ("train", "grad_norm", 10): 1.5,
            ("train", "throughput", 0): 100.5,
            ("val", "loss", None): 8.25,
        },
        measurements={("throughput", "value"): 101.5, ("final_loss", "value"): 7.25},
        runs={"bert/dllogger": {"kind": "training", "config": {"batch_size": 8, "model": "tiny"}}},
        unknown=("throughput", "final_loss"),
    ),
    Sample(
        "run/out.log",
        _MIXED,
        matched=2,
        points={("train", "loss", 5): 3.5, ("train", "loss", 7): 3.25},
        runs={"run/out": {"status": None}},
        suspects=1,
    ),
    Sample(
        "bert/again.json",
        _line(0, "PARAMETER", {"SEED": 7})
        + _line(4, [0, 1], {"loss": 9.5})
        + _line(8, [0, 2], {"loss": 9.25})
        + _line(0, "PARAMETER", {"SEED": 8})
        + _line(4, [0, 1], {"loss": 8.5}),
        matched=3,
        points={("train", "loss", 1): 8.5, ("train", "loss", 2): 9.25},
        runs={
            "bert/again": {"config": {"SEED": 7}, "started_at": 1619856000250000, "ended_at": 1619856008250000},
            "bert/again#2": {"config": {"SEED": 8}, "experiment": "bert/again"},
        },
    ),
)
