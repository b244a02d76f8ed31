"""MLPerf inference: ``mlperf_log_detail.txt`` of LoadGen: ``:::MLLOG`` with times since the start, from round 1.0 on.

Before, its lines were ``"pid": 426, "tid": 426, "ts": 129747ns : Key : value`` and held no results, but settings.

Source: ``loadgen/logging.cc``, ``loadgen/results.cc``, ``loadgen/test_settings_internal.cc`` of mlcommons/inference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Event, Issue, Item, Measurement, Run
from llmstats.training import microseconds

from ._mlperf_inference import judge, latency, offered, parameter, plain, run_of, seconds
from ._samples_mlperf_inference import DETAIL_SAMPLES
from .mlperf_inference_summary import RATES

_LINE = re.compile(r':::MLLOG \{"key": "[^"]*", .{0,4000}"namespace": "mlperf::logging"')
_KEY = re.compile(r':::MLLOG \{"key": "(?P<key>[^"]*)", "value": ')
_WANTED = re.compile(
    r"result_|effective_|error|warning|num_|test_datetime|sut_name|loadgen_version|power_|qsl_name|early_"
)
_RATES = {
    "result_samples_per_second": RATES["samples per second"],
    "result_completed_samples_per_sec": RATES["completed samples per second"],
    "result_scheduled_samples_per_sec": RATES["scheduled samples per second"],
    "result_tokens_per_second": RATES["tokens per second"],
    "result_completed_tokens_per_second": RATES["completed tokens per second"],
    "result_inferred_tokens_per_second": RATES["tokens per second (inferred)"],
    "result_inferred_completed_tokens_per_second": RATES["completed tokens per second (inferred)"],
    "result_qps_with_loadgen_overhead": RATES["qps w/ loadgen overhead"],
    "result_qps_without_loadgen_overhead": RATES["qps w/o loadgen overhead"],
}
_OLD = re.compile(r'"pid": \d+, "tid": \d+, "ts": \d+ns : (?P<text>.*)$')
_PAIR = re.compile(r"(?P<key>[^:]+?) ?: ?(?P<value>\S.*)$")
_SAID = {
    "version": "loadgen_version",
    "Date + time of test": "test_datetime",
    "System Under Test (SUT) name": "sut_name",
    "Query Sample Library (QSL) name": "qsl_name",
}
_POWER_CLOCK = re.compile(r"(\d\d)-(\d\d)-(\d{4}) (\d\d:\d\d:\d\d\.\d+)")


class MlperfInferenceDetail(DocumentParser):
    """Results, settings and errors; the same run as the summary beside it."""

    name = "mlperf_inference_detail"
    version = 2
    title = "MLPerf inference detail log (mlperf_log_detail.txt)"
    writes = "MLPerf LoadGen"
    samples = DETAIL_SAMPLES

    def detect(self, head: Head) -> str | None:
        match = _LINE.search(head.text) if "mlperf::logging" in head.text else None
        if match is None and '"ts": ' in head.text[:200] and (old := _OLD.match(head.lines[0])):
            match = old if old["text"] == "LoadgenVersionInfo:" else None
        return f"line {match[0][:80]!r}" if match else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        run = run_of(place)
        if _OLD.match(text.partition("\n")[0]):
            yield from _before_round_1(run, text)
            return
        errors: dict[str, list[int]] = {}
        found: list[Measurement] = []
        for number, line in enumerate(text.split("\n"), 1):
            key = _KEY.search(line)
            if not key or not _WANTED.match(key["key"]):
                continue
            value = _value(line, key.start() + len(":::MLLOG "))
            if isinstance(value, Issue):
                yield Issue(value.reason, number, line[:500])
            elif key["key"].startswith(("error", "warning")):
                errors.setdefault(f"{key['key']}: {value}"[:500], []).append(number)
            else:
                found += _fact(run, key["key"], value, number)
        yield run
        yield from offered(run, found)
        yield from (_told(run, message, lines) for message, lines in errors.items())


def _before_round_1(run: Run, text: str) -> Iterator[Item]:
    effective = False
    told: dict[str, list[int]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        old = _OLD.match(line)
        pair = _PAIR.match(old["text"]) if old else None
        if old and old["text"].endswith("Settings:"):
            effective = old["text"] == "Effective Settings:"
        elif pair and pair["key"] in ("ERROR", "WARNING"):
            told.setdefault(f"{pair['key'].lower()}: {pair['value']}"[:500], []).append(number)
        elif pair and effective:
            parameter(run, pair["key"], pair["value"])
        elif pair and pair["key"] in _SAID:
            yield from _fact(run, _SAID[pair["key"]], pair["value"].rstrip("Z"), number)
    yield run
    yield from (_told(run, message, lines) for message, lines in told.items())


def _value(line: str, at: int) -> Any:
    """The value of a line; an `Issue` where it is cut."""
    try:
        return json.JSONDecoder().raw_decode(line, at)[0].get("value")
    except (ValueError, RecursionError) as why:
        return Issue(f"broken MLLOG line: {why}")


def _told(run: Run, message: str, lines: list[int]) -> Event:
    """An error that LoadGen repeats for every sample is one event."""
    text = message if len(lines) == 1 else f"{message} ({len(lines)} times)"
    return Event(run.name, "error" if message.startswith("error") else "warning", text, lines[0])


def _fact(run: Run, key: str, value: Any, line: int) -> Iterator[Measurement]:
    if key == "result_validity":
        judge(run, str(value))
    elif key.startswith("effective_"):
        parameter(run, key.removeprefix("effective_"), value)
    elif key == "test_datetime":
        run.started_at = microseconds(str(value))
    elif key == "power_end" and (clock := _POWER_CLOCK.match(str(value))):
        run.ended_at = microseconds(f"{clock[3]}-{clock[1]}-{clock[2]} {clock[4]}")
    elif key == "loadgen_version":
        run.environment["loadgen"] = value
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and key.startswith(("result_", "num_")):
        yield _measured(run.name, key, value, line)
    elif not isinstance(value, (dict, list)) and not key.startswith("power_"):
        run.config[key] = value


def _measured(run: str, key: str, value: float, line: int) -> Measurement:
    text = repr(value)
    if meaning := latency(key):
        return seconds(run, meaning, key, text, line)
    metric, definition = _RATES.get(key, (key, None))
    return plain(run, metric, definition, key, text, line)
