"""llmperf's ``…_summary.json``: one flat object per test, seconds everywhere.

Scripts around llmperf save the summaries of a sweep as one object, each under its number of concurrent requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Event, Item, Measurement, Run

from ._llmperf import (
    COMPLETED,
    FAILED,
    FIRST,
    INPUT,
    ITL,
    LATENCY,
    OUTPUT,
    PER_MINUTE,
    PER_REQUEST,
    SYSTEM,
    fingerprint,
    run_of,
)
from ._samples_llmperf import SUMMARY_SAMPLES
from ._serving import Case, Meaning, measurement, numeric, statistic

_DISTRIBUTIONS = {
    "inter_token_latency_s": ITL,
    "ttft_s": FIRST,
    "end_to_end_latency_s": LATENCY,
    "request_output_throughput_token_per_s": PER_REQUEST,
    "number_input_tokens": INPUT,
    "number_output_tokens": OUTPUT,
}
_KEY = re.compile(rf"results_(?P<what>{'|'.join(_DISTRIBUTIONS)})_(?:quantiles_)?(?P<word>p\d+|mean|min|max|stddev)")
_PLAIN = {
    "results_error_rate": Meaning("error_rate"),
    "results_number_errors": FAILED,
    "results_num_completed_requests": COMPLETED,
    "results_num_completed_requests_per_min": PER_MINUTE,
    "results_mean_output_throughput_token_per_s": SYSTEM,
}
_KEY_OF_ALL = "results_inter_token_latency_s_mean"
_SIGN = f'"{_KEY_OF_ALL}"'


class LLMPerfSummary(DocumentParser):
    """One run per summary."""

    name = "llmperf_summary"
    version = 1
    title = "llmperf: …_summary.json"
    writes = "llmperf"
    samples = SUMMARY_SAMPLES

    def detect(self, head: Head) -> str | None:
        return f"key {_SIGN}" if head.text.lstrip().startswith("{") and _SIGN in head.text else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        found = Json(text)
        if not isinstance(found.value, dict):
            raise ParseError("no JSON object")
        tests = list(_tests(found.value))
        if not tests:
            raise ParseError("no summary of a test")
        name, root = run_of(place)
        for path, test in tests:
            run = Run("/".join([name, *path]), root, kind="serving", environment={"benchmark": "llmperf"})
            yield from _test(run, test, path, found)


def _tests(value: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Each summary with the keys that lead to it: the object itself, or those inside it."""
    if _KEY_OF_ALL in value:
        yield (), value
        return
    for key, inner in value.items():
        if isinstance(inner, dict) and _KEY_OF_ALL in inner:
            yield (key,), inner


def _test(run: Run, test: dict[str, Any], path: tuple[str, ...], found: Json) -> Iterator[Item]:
    case = _asked(run, test)
    for key, value in test.items():
        meaning = _meaning(key)
        if meaning is not None:
            yield measurement(run.name, meaning, value, key, found.line(*path, key), case)
        elif key.startswith("results_") and numeric(value) is not None and key != "results_num_requests_started":
            yield _unknown(run.name, key, value, found.line(*path, key), case)
    codes = test.get("results_error_code_frequency")
    if isinstance(codes, str) and codes not in ("{}", ""):
        line = found.line(*path, "results_error_code_frequency")
        yield Event(run.name, "error", f"requests by error code: {codes}"[:2000], line)
    yield run


def _meaning(key: str) -> Meaning | None:
    match = _KEY.fullmatch(key)
    if match is None:
        return _PLAIN.get(key)
    return _DISTRIBUTIONS[match["what"]].as_statistic(statistic(match["word"]) or match["word"])


def _unknown(run: str, key: str, value: Any, line: int, case: Case) -> Measurement:
    return measurement(run, Meaning(key.removeprefix("results_")), value, key, line, case)


def _asked(run: Run, value: dict[str, Any]) -> Case:
    run.config = {k: v for k, v in value.items() if not k.startswith("results_") and isinstance(v, (str, int, float))}
    run.model = value["model"] if isinstance(value.get("model"), str) else None
    case = Case(
        input_len=numeric(value.get("mean_input_tokens")),
        output_len=numeric(value.get("mean_output_tokens")),
        concurrency=numeric(value.get("num_concurrent_requests")),
    )
    started, done = value.get("results_num_requests_started"), numeric(value.get("results_num_completed_requests"))
    run.config["requests_started"] = started
    run.fingerprint = fingerprint(value.get("results_num_completed_requests_per_min"))
    errors = numeric(value.get("results_number_errors")) or 0
    run.status = None if done is None else "failed" if not done or errors > done else "completed"
    stamp = numeric(value.get("timestamp"))
    run.ended_at = None if stamp is None or not 0 < stamp < 1e12 else round(stamp * 1e6)
    return case
