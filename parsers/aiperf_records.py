"""aiperf's records: ``profile_export.jsonl``, one request per line with nanosecond timestamps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.parsing import Head, JsonLinesParser, Objects, Place, State
from llmstats.records import Item, Request, Run

from ._nvidia_perf import artifact
from ._samples_nvidia_perf import AIPERF_RECORDS
from ._serving import NS, numeric, request

#: Seconds in the units that values carry.
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "sec": 1.0, "s": 1.0}


#: Until 0.2 a record had one time, that of the request (``timestamp_ns``), and ``credit_phase``.
_METADATA = re.compile(r'"(?:request_start_ns|record_processor_id|x_request_id)"')


class AIPerfRecords(JsonLinesParser):
    """Requests of the run that the summary beside it tells of; those of the warm-up are a run of their own."""

    name = "aiperf_records"
    version = 1
    title = "aiperf: profile_export.jsonl (one request per line)"
    writes = "aiperf"
    samples = AIPERF_RECORDS

    def detect(self, head: Head) -> str | None:
        first = head.text.lstrip().split("\n", 1)[0][:4000]
        if first.startswith("{") and '"metadata"' in first and _METADATA.search(first) and '"metrics"' in first:
            return "JSON lines with metadata of a request and its metrics"
        return None

    def start(self, place: Place) -> State:
        return {"count": {}}

    def fold(self, state: State, place: Place, objects: Objects) -> Iterator[Item]:
        name, seen = artifact(place), state["count"]
        for line, record in objects.rows:
            metadata = record.get("metadata")
            if isinstance(metadata, dict):
                phase = metadata.get("benchmark_phase", metadata.get("credit_phase"))
                run = f"{name}/warmup" if phase == "warmup" else name
                seen[run] = seen.get(run, 0) + 1
                yield _request(run, seen[run] - 1, line, metadata, record)
        for run in seen:
            yield Run(run, place.directory(), kind="serving", environment={"benchmark": "aiperf"})


def _request(run: str, ordinal: int, line: int, metadata: dict[str, Any], record: dict[str, Any]) -> Request:
    metrics = record.get("metrics")
    metrics = metrics if isinstance(metrics, dict) else {}
    error = record.get("error")
    started = numeric(metadata.get("request_start_ns", metadata.get("timestamp_ns")))
    return request(
        run,
        ordinal,
        line,
        started=None if started is None else started * NS,
        ttft=_seconds(metrics.get("time_to_first_token")),
        tpot=_seconds(metrics.get("inter_token_latency")),
        e2e=_seconds(metrics.get("request_latency")),
        input_tokens=_count(metrics, "input_sequence_length", "error_isl"),
        output_tokens=_count(metrics, "output_sequence_length", "output_token_count"),
        success=not error and metadata.get("was_cancelled") is not True,
        error=_words(error),
    )


def _seconds(entry: Any) -> float | None:
    if not isinstance(entry, dict) or entry.get("unit") not in _SECONDS:
        return None
    value = numeric(entry.get("value"))
    return None if value is None else value * _SECONDS[entry["unit"]]


def _count(metrics: dict[str, Any], *names: str) -> Any:
    found = (metrics[name].get("value") for name in names if isinstance(metrics.get(name), dict))
    return next(found, None)


def _words(error: Any) -> str | None:
    if not isinstance(error, dict):
        return str(error) if error else None
    return " ".join(str(error[key]) for key in ("code", "type", "message") if error.get(key) is not None)
