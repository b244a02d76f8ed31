"""``events.jsonl`` of a Megatron-DeepSpeed fork that measures energy with Zeus while it scales clocks.

Known from files of stark-sim/megatron-deepspeed-lock-clock: one object per event, ``interval`` events carry the window
since the last one and totals since the start, of all devices that Zeus watches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from llmstats.parsing import Head, JsonLinesParser, Name, Objects, Place, State
from llmstats.records import NO_TIME, Column, Event, Item, Points, Run
from llmstats.training import Runs, microseconds

from ._samples_golden import ZEUS_SAMPLES

_HEAD = re.compile(r'\A\{"event_type": "\w+", "payload": \{.*"run_id": "[^"]+", "timestamp": "\d{4}-')
#: The window's place, and what other values say again (so do all values per Wh).
_REPEATED = frozenset(
    ("num_steps", "step_start", "step_end", "interval_samples", "total_samples", "interval_tokens", "energy_wh")
)


class MegatronZeusEvents(JsonLinesParser):
    """One run per ``run_id``."""

    name = "megatron_zeus_events"
    version = 1
    title = "Energy per window of steps (Zeus) of a Megatron-DeepSpeed fork"
    writes = "Megatron-DeepSpeed with Zeus"
    names = {
        "energy_j": Name("energy", 1.0, "energy@zeus_window"),
        "avg_power_w": Name("power", 1.0, "power@zeus_window"),
        "time_s": Name("benchmark_duration", 1.0, "benchmark_duration@zeus_window"),
        "interval_tokens_per_j": Name("tokens_per_joule", 1.0, "tokens_per_joule@zeus_window"),
        "total_tokens_per_j": Name("tokens_per_joule", 1.0, "tokens_per_joule@zeus_since_start"),
        "total_energy_j": Name("energy", 1.0, "energy@zeus_since_start"),
        "total_avg_power_w": Name("power", 1.0, "power@zeus_since_start"),
        "total_time_s": Name("benchmark_duration", 1.0, "benchmark_duration@zeus_since_start"),
        "total_tokens": Name("total_tokens", 1.0, "total_tokens@all_ranks"),
    }
    samples = ZEUS_SAMPLES

    def detect(self, head: Head) -> str | None:
        likely = head.text.startswith('{"event_type": ')
        return "line of 'event_type', 'payload', 'run_id', 'timestamp'" if likely and _HEAD.match(head.text) else None

    def start(self, place: Place) -> State:
        return {"root": place.directory() if place.parent() else place.path, "names": []}

    def fold(self, state: State, place: Place, objects: Objects) -> Iterator[Item]:
        names: list[str] = state["names"]
        runs = Runs(state, lambda i: Run(names[i], state["root"], kind="training", framework="megatron-deepspeed"))
        for line, row in objects.rows:
            name, payload = row.get("run_id"), row.get("payload")
            if not isinstance(name, str) or not name or not isinstance(payload, dict):
                continue
            if name not in names:
                names.append(name)
            run = runs[names.index(name)]
            time = _span(run, row.get("timestamp"))
            yield from _event(run, str(row.get("event_type")), payload, line, time)
        yield from (runs[i] for i in range(len(names)))
        runs.save()


def _span(run: Run, stamp: Any) -> int | None:
    """Time of an event (UTC, as its ``Z`` says); widens the run's."""
    time = microseconds(stamp) if isinstance(stamp, str) else None
    if time is not None:
        run.started_at = time if run.started_at is None else run.started_at
        run.ended_at = time
    return time


def _event(run: Run, kind: str, payload: dict[str, Any], line: int, time: int | None) -> Iterator[Item]:
    step, metrics = payload.get("iteration"), payload.get("interval_metrics")
    window = metrics.get("zeus") if isinstance(metrics, dict) else None
    if kind == "interval" and isinstance(window, dict) and type(step) is int:
        columns = {
            key: Column(np.array([float(value)]))
            for key, value in window.items()
            if type(value) in (int, float) and key not in _REPEATED and not key.endswith("_wh")
        }
        times = np.array([NO_TIME if time is None else time])
        yield Points(run.name, "train", np.array([line]), columns, np.array([step]), times=times)
    elif kind == "finalized":
        run.status = "completed" if payload.get("status") == "completed" else run.status
    if kind != "interval":
        yield Event(run.name, "phase", kind, line, time)
