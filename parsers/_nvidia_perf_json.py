"""The summary that genai-perf and aiperf save as JSON; aiperf's mimics genai-perf's, so one reader does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import Head, Place
from llmstats.records import Event, Item
from llmstats.training import microseconds

from ._nvidia_perf import Report, new_report, objects
from ._serving import numeric

_METRIC = re.compile(r'"(?:request_(?:latency|throughput|count)|time_to_first_token)":\s*\{\s*"(?:unit|avg|tag)"')
_AIPERF = re.compile(r'"(?:was_cancelled|aiperf_version|error_summary|benchmark_id)"')
#: Confidence intervals over several runs of aiperf, and its time slices.
_OTHER = re.compile(r'"(?:ci_low|timeslices|combined)"')


def writer(head: Head) -> str | None:
    """Who wrote a summary: ``genai-perf``, ``aiperf`` or None."""
    text = head.text
    if not text.lstrip().startswith("{") or '"unit"' not in text or not _METRIC.search(text) or _OTHER.search(text):
        return None
    return "aiperf" if "aiperf" in head.place.name or _AIPERF.search(text) else "genai-perf"


def summary(place: Place, text: str, tool: str) -> Iterator[Item]:
    """Items of a summary.

    Raises:
        ParseError: not JSON, or no metric in it.
    """
    found = Json(text)
    if not isinstance(found.value, dict):
        raise ParseError("no JSON object")
    report = new_report(tool, place)
    asked(report, found.value.get("input_config"))
    early = ("records",) if isinstance(found.value.get("records"), dict) else ()  # aiperf 0.1
    for tag, unit, values in objects(found, *early):
        report.add(tag, unit, values)
    if not report.items:
        raise ParseError("no metric with a unit")
    _telemetry(report, found)
    _outcome(report, found.value)
    yield from _errors(report, found)
    yield from report.finish()


def asked(report: Report, config: Any) -> None:
    """What was asked for, of all generations of the configuration."""
    if not isinstance(config, dict):
        return
    case, run = report.case, report.run
    case.concurrency = _first(config, "loadgen.concurrency", "perf_analyzer.stimulus.concurrency", "concurrency")
    case.request_rate = _first(config, "loadgen.request_rate", "perf_analyzer.stimulus.request_rate", "request_rate")
    if _is_synthetic(config):
        case.input_len = _first(
            config, "input.prompt.input_tokens.mean", "input.synthetic_tokens.mean", "synthetic_input_tokens_mean"
        )
        case.output_len = _first(
            config, "input.prompt.output_tokens.mean", "input.output_tokens.mean", "output_tokens_mean"
        )
    names = _dig(config, "endpoint.model_names") or config.get("model_names") or config.get("model")
    names = [names] if isinstance(names, str) else names
    run.model = names[0] if isinstance(names, list) and len(names) == 1 and isinstance(names[0], str) else None
    run.config = {k: v for k, v in flat(config).items() if not re.search(r"api_key|token_file|password|header", k)}
    for name in ("input_len", "output_len", "concurrency", "request_rate"):
        if getattr(case, name) is not None:
            run.config[name] = getattr(case, name)


def _is_synthetic(config: dict[str, Any]) -> bool:
    """Whether prompts were made to measure: then the lengths that the configuration gives (by default, too) hold."""
    source = _dig(config, "input.prompt_source") or config.get("prompt_source") or "synthetic"
    files = (_dig(config, "input.file"), _dig(config, "input.public_dataset"), config.get("input_dataset"))
    return "synthetic" in str(source).lower() and not any(f for f in files if isinstance(f, str))


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested object with dotted keys; what is None or empty is left out."""
    found: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            found |= flat(inner, f"{prefix}{key}.")
        elif inner not in (None, [], ""):
            found[prefix + str(key)] = inner
    return found


def _dig(config: dict[str, Any], path: str) -> Any:
    value: Any = config
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _first(config: dict[str, Any], *paths: str) -> float | None:
    """The first positive number that stands at one of the paths; -1 and 0 say: not set."""
    found = (numeric(_dig(config, path)) for path in paths)
    return next((number for number in found if number is not None and number > 0), None)


def _telemetry(report: Report, found: Json) -> None:
    stats = found.value.get("telemetry_stats")
    for tag, devices in stats.items() if isinstance(stats, dict) else ():
        unit = str(devices.get("unit", "")) if isinstance(devices, dict) else ""
        for device, values in devices.items() if isinstance(devices, dict) else ():
            if isinstance(values, dict):
                path = ("telemetry_stats", tag, device)
                report.telemetry(tag, unit, device, {k: (v, found.line(*path, k)) for k, v in values.items()})
    _endpoints(report, found)


def _endpoints(report: Report, found: Json) -> None:
    """Telemetry of aiperf: devices below the endpoints that were scraped."""
    names = set()
    for endpoint, at in _inner(found.value, "telemetry_data", "endpoints"):
        for gpu, about in _inner(at, "gpus"):
            names.add(about.get("gpu_name"))
            for tag, entry in _inner(about, "metrics"):
                path = ("telemetry_data", "endpoints", endpoint, "gpus", gpu, "metrics", tag)
                values = {k: (v, found.line(*path, k)) for k, v in entry.items() if k != "unit"}
                report.telemetry(tag, str(entry.get("unit", "")), f"{endpoint}/{gpu}", values)
    if len(names) == 1 and isinstance(name := names.pop(), str):
        report.run.device = name


def _inner(value: dict[str, Any], *path: str) -> list[tuple[str, dict[str, Any]]]:
    found = _dig(value, ".".join(path))
    return [(k, v) for k, v in found.items() if isinstance(v, dict)] if isinstance(found, dict) else []


def _outcome(report: Report, value: dict[str, Any]) -> None:
    run = report.run
    if value.get("was_cancelled") is True:
        run.status = "failed"
    if isinstance(version := value.get("aiperf_version"), str):
        run.environment["aiperf"] = version
    if run.started_at is None and run.ended_at is None:
        run.started_at, run.ended_at = (_clock(value.get(key)) for key in ("start_time", "end_time"))


def _clock(text: Any) -> int | None:
    return microseconds(text.replace("T", " ")[:26]) if isinstance(text, str) else None


def _errors(report: Report, found: Json) -> Iterator[Event]:
    summary = found.value.get("error_summary")
    for i, entry in enumerate(summary if isinstance(summary, list) else ()):
        details = entry.get("error_details") if isinstance(entry, dict) else None
        if isinstance(details, dict):
            words = " ".join(str(details[k]) for k in ("code", "type", "message") if details.get(k) is not None)
            message = f"{words} ({entry.get('count', 1)} requests)"
            yield Event(report.run.name, "error", message[:2000], found.line("error_summary", i))
