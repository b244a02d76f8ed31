"""guidellm's report ``benchmarks.json``, of all schemas since 0.2.

Distributions of words, characters, images, video and audio repeat those of tokens in other units and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Request
from llmstats.training import run_name

from ._guidellm import INCOMPLETE, OTHER, SUCCESSFUL, Benchmark, statistics
from ._samples_guidellm import JSON_SAMPLES
from ._serving import MS, SUM, numeric, request
from ._serving_result import run_base

_SIGNS = re.compile(r'"(?:generative_benchmark|guidellm_version)"')
_SUMMED = ("prompt_token_count", "output_token_count", "total_token_count")
_ARGUMENTS = (
    "target", "data", "profile", "rate", "backend", "request_format", "processor", "data_samples", "random_seed",
    "warmup", "cooldown", "rampup", "max_seconds", "max_requests", "max_errors", "max_number", "max_duration",
)  # fmt: skip


class GuideLLMJson(DocumentParser):
    """One run per benchmark of the report."""

    name = "guidellm_json"
    version = 2
    title = "guidellm: benchmarks.json (0.2 and later)"
    writes = "guidellm"
    samples = JSON_SAMPLES

    def detect(self, head: Head) -> str | None:
        if not head.text.lstrip().startswith("{") or '"benchmarks"' not in head.text:
            return None
        found = _SIGNS.search(head.text)
        return f"benchmarks, {found[0]}" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        found = Json(text)
        benchmarks = found.value.get("benchmarks") if isinstance(found.value, dict) else None
        if not isinstance(benchmarks, list):
            raise ParseError("no list of benchmarks")
        for i, value in enumerate(benchmarks):
            if isinstance(value, dict) and isinstance(value.get("metrics"), dict):
                benchmark = _benchmark(found, i, value, place)
                yield from _requests(benchmark, found, i)
                yield from benchmark.finish()


def _benchmark(found: Json, i: int, value: dict[str, Any], place: Place) -> Benchmark:
    early = "metadata" not in found.value
    benchmark = Benchmark(run_name(run_base(place), i), place, early)
    _asked(benchmark, found.value, value)
    benchmark.started, benchmark.ended = numeric(value.get("start_time")), numeric(value.get("end_time"))
    benchmark.duration(value.get("duration"), found.line("benchmarks", i, "duration"))
    path: tuple[str | int, ...] = ("benchmarks", i) if early else ("benchmarks", i, "metrics")
    totals = (value if early else value["metrics"]).get("request_totals")
    for status, count in totals.items() if isinstance(totals, dict) else ():
        benchmark.count(status, count, found.line(*path, "request_totals", status))
    for name, by_status in value["metrics"].items():
        if isinstance(by_status, dict) and isinstance(by_status.get(SUCCESSFUL), dict):
            _metric(benchmark, found, ("benchmarks", i, "metrics", name), by_status)
    return benchmark


def _metric(benchmark: Benchmark, found: Json, path: tuple[str | int, ...], by_status: dict[str, Any]) -> None:
    name = str(path[-1])
    for status in (SUCCESSFUL, *OTHER):
        distribution = by_status.get(status)
        if not isinstance(distribution, dict):
            continue
        for word, keys in statistics(distribution):
            value = distribution[keys[0]] if len(keys) == 1 else distribution[keys[0]][keys[1]]
            benchmark.add(name, word, value, found.line(*path, status, *keys), status=status)
        if name in _SUMMED and distribution.get("count"):
            line = found.line(*path, status, "total_sum")
            benchmark.add(name, SUM, distribution.get("total_sum"), line, status=status)


def _asked(benchmark: Benchmark, report: dict[str, Any], value: dict[str, Any]) -> None:
    """What was asked for: ``config`` (0.4 and later) or ``args``, ``worker``, ``request_loader`` (before)."""
    config, arguments = value.get("config"), report.get("args") or report.get("config")
    config = config if isinstance(config, dict) else {}
    arguments = arguments if isinstance(arguments, dict) else {}
    early, loader = value.get("args"), value.get("request_loader")
    early = early if isinstance(early, dict) else {}
    backend = config.get("backend") or (value.get("worker") or {}).get("backend_model") or {}
    benchmark.asked(config.get("strategy") or early.get("strategy"))
    benchmark.lengths(loader, (config.get("requests") or {}), arguments.get("data"))
    asked = {**early, **arguments}
    benchmark.config |= {key: asked[key] for key in _ARGUMENTS if isinstance(asked.get(key), (str, int, float, list))}
    benchmark.config["scheduler"] = value.get("scheduler_metrics") or value.get("run_stats")
    model = backend if isinstance(backend, str) else backend.get("model") if isinstance(backend, dict) else None
    benchmark.model = model or (arguments.get("model") if isinstance(arguments.get("model"), str) else None)


def _requests(benchmark: Benchmark, found: Json, i: int) -> Iterator[Request]:
    by_status = found.value["benchmarks"][i].get("requests")
    ordinal = 0
    for status in (SUCCESSFUL, *OTHER):
        rows = by_status.get(status) if isinstance(by_status, dict) else None
        for k, row in enumerate(rows if isinstance(rows, list) else ()):
            if isinstance(row, dict):
                yield _request(benchmark.name, ordinal, found.line("benchmarks", i, "requests", status, k), status, row)
                ordinal += 1


def _request(run: str, ordinal: int, line: int, status: str, row: dict[str, Any]) -> Request:
    info = row.get("info") if isinstance(row.get("info"), dict) else {}
    assert isinstance(info, dict)
    return request(
        run,
        ordinal,
        line,
        started=row.get("request_start_time", row.get("start_time")),
        ttft=_seconds(row.get("time_to_first_token_ms")),
        tpot=_seconds(row.get("inter_token_latency_ms")),
        e2e=row.get("request_latency"),
        input_tokens=row.get("prompt_tokens"),
        output_tokens=row.get("output_tokens"),
        # what the end of the benchmark cut off neither completed nor failed
        success=None if status == INCOMPLETE else status == SUCCESSFUL,
        error=None if status == SUCCESSFUL else row.get("error") or info.get("error") or status,
    )


def _seconds(milliseconds: Any) -> float | None:
    known = numeric(milliseconds)
    return None if known is None else known * MS
