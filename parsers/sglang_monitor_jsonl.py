"""What a descendant of SGLang's LoRA benchmark polls of the machine: ``monitoring_<name>_<time>.jsonl``.

One object per second: ``cpu_utilization`` and ``gpus.gpu_<n>.utilization`` in percent, memory in MiB (psutil's and
NVML's bytes over 2^20), temperature in °C.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from llmstats.parsing import Head, JsonLinesParser, Name, Objects, Place, Sample, State
from llmstats.records import NO_TIME, Column, Item, Points, Run
from llmstats.training import microseconds

from ._serving import numeric, whole_number
from ._serving_result import run_base

_MIB = float(1 << 20)
_LINE = (
    '{"timestamp": "2026-03-31T15:09:59.355098", "phase": "running", "benchmark_count": 0, "cpu_utilization": 46.5, '
    '"cpu_memory_used_mb": 17897.5, "cpu_memory_total_mb": 128568.5, "cpu_memory_util": 14.0, "gpus": {"gpu_0": '
    '{"utilization": 92.0, "memory_used_mb": 43.0, "memory_total_mb": 24564.0, "memory_util": 0.175, '
    '"temperature": 53.0}}}\n'
)


class SGLangMonitor(JsonLinesParser):
    """Series with a clock and without steps; one per card."""

    name = "sglang_monitor_jsonl"
    version = 1
    title = "monitoring_*.jsonl of a LoRA serving benchmark: processors and cards over time"
    writes = "SGLang-dLoRA"
    names = {
        "cpu_utilization": Name("cpu_utilisation", 0.01),
        "cpu_memory_used_mb": Name("host_memory_used", _MIB),
        "cpu_memory_total_mb": Name("host_memory_total", _MIB),
        "cpu_memory_util": Name("host_memory_utilisation", 0.01),
        "utilization": Name("utilisation", 0.01),
        "memory_used_mb": Name("memory_used", _MIB),
        "memory_total_mb": Name("memory_total", _MIB),
        "memory_util": Name("memory_utilisation", 0.01),
        "temperature": Name("temperature"),
    }
    samples = (
        Sample(
            "maf2/monitoring_sglang_20260331_150959.jsonl",
            _LINE,
            matched=1,
            points={
                ("test", "cpu_utilisation", None): 0.465,
                ("test", "host_memory_used", None): 17897.5 * _MIB,
                ("test", "host_memory_total", None): 128568.5 * _MIB,
                ("test", "host_memory_utilisation", None): 0.14,
                ("test", "utilisation", None): 0.92,
                ("test", "memory_used", None): 43.0 * _MIB,
                ("test", "memory_total", None): 24564.0 * _MIB,
                ("test", "memory_utilisation", None): 0.00175,
                ("test", "temperature", None): 53.0,
            },
            runs={"maf2/monitoring_sglang_20260331_150959": {"kind": "serving"}},
        ),
        Sample(
            "maf2/monitoring_x.jsonl",
            _LINE + _LINE.replace('"gpu_0"', '"gpu_1"').replace("92.0", "91.0"),
            matched=2,
            points={("test", "utilisation", None): 0.91},
        ),
    )

    def detect(self, head: Head) -> str | None:
        first = head.lines[0]
        if first.startswith("{") and '"cpu_utilization"' in first and '"gpus"' in first and '"gpu_' in first:
            return "JSON lines with timestamp, cpu_utilization and gpus"
        return None

    def start(self, place: Place) -> State:
        return {"name": run_base(place), "root": place.directory()}

    def fold(self, state: State, place: Place, objects: Objects) -> Iterator[Item]:
        del place
        run = Run(state["name"], state["root"], kind="serving")
        rows = [(line, _time(row), row) for line, row in objects.rows]
        yield from _series(run.name, [(line, time, _numbers(row)) for line, time, row in rows], None)
        cards: dict[int, list[_Row]] = {}
        for line, time, row in rows:
            for card, values in _cards(row):
                cards.setdefault(card, []).append((line, time, _numbers(values)))
        for card, values_ in sorted(cards.items()):
            yield from _series(run.name, values_, card)
        yield run


_Row = tuple[int, int, dict[str, float]]


def _time(row: dict[str, Any]) -> int:
    time = microseconds(str(row.get("timestamp", "")))
    return NO_TIME if time is None else time


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    known = {
        key: numeric(value) for key, value in row.items() if key != "benchmark_count" and not isinstance(value, str)
    }
    return {key: value for key, value in known.items() if value is not None}


def _cards(row: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    gpus = row.get("gpus")
    for name, values in gpus.items() if isinstance(gpus, dict) else ():
        card = whole_number(name.removeprefix("gpu_"))
        if card is not None and isinstance(values, dict):
            yield card, values


def _series(run: str, rows: list[_Row], card: int | None) -> Iterator[Points]:
    """Points of the rows of one set of keys each."""
    groups: dict[tuple[str, ...], list[_Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[2]), []).append(row)
    for keys, part in groups.items():
        if keys:
            yield Points(
                run,
                "test",
                np.array([line for line, _, _ in part], np.int64),
                {key: Column(np.array([values[key] for _, _, values in part], np.float64)) for key in keys},
                times=np.array([time for _, time, _ in part], np.int64),
                device_index=card,
            )
