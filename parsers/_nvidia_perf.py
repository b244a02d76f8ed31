"""What NVIDIA's genai-perf and its successor aiperf share: names, units and statistics of their metrics.

Both give a metric as ``{"unit": …, "avg": …, "p99": …}`` under a tag (``time_to_first_token``), or print it in a table
under the tag's words with the unit behind (``Time to First Token (ms)``).  The unit beside the value is the one that
counts: early versions wrote nanoseconds.

Sources: ``genai_perf/export_data`` of perf_analyzer, ``aiperf/exporters`` and ``docs/reference/json-export-schema.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llmstats.documents import Json
from llmstats.parsing import Place
from llmstats.records import FULL, Item, Measurement, Run

from ._serving import E2E, ITL, SUM, TPOT, TTFT, Case, Meaning, measurement, numeric, statistic

#: Factor to the catalogue's unit by the unit that the file gives.
_UNITS = {
    "ms": 1e-3,
    "ns": 1e-9,
    "us": 1e-6,
    "sec": 1.0,
    "s": 1.0,
    "%": 1e-2,
    "gb": 1e9,
    "mj": 1e6,  # megajoule
    "mhz": 1e6,
}
_RETOKENIZED = "retokenized"  # genai-perf: its own tokenizer over the text
_CLIENT = "retokenized_or_usage"  # aiperf: the same, or the server's count where asked for
_DECODE = "output_tokens_per_second_per_user@decode_only"
_WHOLE = "output_tokens_per_second_per_user@whole_request"
_MEANINGS = {
    "time_to_first_token": Meaning("ttft", TTFT),
    "time_to_first_output_token": Meaning("time_to_first_output_token"),
    "time_to_second_token": Meaning("time_to_second_token"),
    "inter_token_latency": Meaning("tpot", TPOT),
    "inter_chunk_latency": Meaning("itl", ITL),
    "request_latency": Meaning("e2e_latency", E2E),
    "output_token_throughput": Meaning("output_tokens_per_second", "output_tokens_per_second@{}"),
    "total_token_throughput": Meaning("total_tokens_per_second", "total_tokens_per_second@{}"),
    "input_token_throughput": Meaning("input_tokens_per_second"),
    "output_token_throughput_per_user": Meaning("output_tokens_per_second_per_user", _DECODE),
    "e2e_output_token_throughput": Meaning("output_tokens_per_second_per_user", _WHOLE),
    "prefill_throughput": Meaning("prefill_tokens_per_second_per_user"),
    "prefill_throughput_per_user": Meaning("prefill_tokens_per_second_per_user"),
    "request_throughput": Meaning("requests_per_second"),
    "request_goodput": Meaning("request_goodput"),
    "goodput": Meaning("request_goodput"),
    "request_count": Meaning("completed_requests"),
    "good_request_count": Meaning("good_requests"),
    "error_request_count": Meaning("failed_requests"),
    "benchmark_duration": Meaning("benchmark_duration"),
    "effective_concurrency": Meaning("concurrency", "concurrency@in_flight"),
    "theoretical_prefix_cache_hit": Meaning("prefix_cache_hit_rate", "prefix_cache_hit_rate@theoretical"),
    "input_sequence_length": Meaning("input_tokens"),
    "output_sequence_length": Meaning("output_tokens", "output_tokens@incl_reasoning"),
    "output_token_count": Meaning("output_tokens", "output_tokens@excl_reasoning"),
    "reasoning_token_count": Meaning("reasoning_tokens"),
    "usage_prompt_tokens": Meaning("input_tokens", "input_tokens@usage"),
    "usage_completion_tokens": Meaning("output_tokens", "output_tokens@usage"),
    "error_isl": Meaning("input_tokens", subject="failed requests"),
    "total_isl": Meaning("input_tokens", statistic=SUM),
    "total_osl": Meaning("output_tokens", "output_tokens@incl_reasoning", statistic=SUM),
    "total_output_tokens": Meaning("output_tokens", "output_tokens@excl_reasoning", statistic=SUM),
    "total_reasoning_tokens": Meaning("reasoning_tokens", statistic=SUM),
    "total_usage_prompt_tokens": Meaning("input_tokens", "input_tokens@usage", statistic=SUM),
    "total_usage_completion_tokens": Meaning("output_tokens", "output_tokens@usage", statistic=SUM),
    "total_error_isl": Meaning("input_tokens", subject="failed requests", statistic=SUM),
}
#: Tags of words that are not the tag.
_ALIASES = {
    "total_input_sequence_length": "total_isl",
    "total_output_sequence_length": "total_osl",
    "error_input_sequence_length": "error_isl",
    "total_error_input_sequence_length": "total_error_isl",
    "minimum_request_timestamp": "min_request_timestamp",
    "maximum_response_timestamp": "max_response_timestamp",
    "goodrequestcount": "good_request_count",
    "time_to_first_token_ttft": "time_to_first_token",
    "ttft": "time_to_first_token",  # tags of aiperf 0.1
    "ttst": "time_to_second_token",
    "num_input_token": "input_sequence_length",
    "num_output_token": "output_sequence_length",
    "effective_latency_co_aware": "effective_latency",
    "http_duration_excl_conn": "http_req_duration",
    "http_total_time": "http_req_total",
    "http_waiting_ttfb": "http_req_waiting",
    **{
        f"http_{what}": f"http_req_{what}"
        for what in (
            "blocked", "chunks_received", "chunks_sent", "connecting", "connection_overhead", "connection_reused",
            "data_received", "data_sent", "dns_lookup", "receiving", "sending", "waiting",
        )
    },
    "osl_mismatch_diff": "osl_mismatch_diff_pct",
}  # fmt: skip
_TELEMETRY = {
    "power_usage": Meaning("power"),
    "energy_consumption": Meaning("energy"),
    "memory_used": Meaning("memory_used"),
    "utilization": Meaning("utilisation"),
    "temperature": Meaning("temperature"),
}
_TIMES = {"min_request_timestamp": "started_at", "max_response_timestamp": "ended_at"}
#: Not measured: the number of records behind a statistic.
_COUNT = "count"
#: A narrow terminal cuts rates off: ``(tokens/sec/u…``.
_NAMED = re.compile(r"(?P<words>.*?)\s*(?:\((?P<unit>[^()…]*)\)|\([^()…]*/[^()…]*…)?\s*")


def named(text: str) -> tuple[str, str]:
    """Tag and unit of a printed name: ``Time to First Token (ms)`` -> ``time_to_first_token``, ``ms``."""
    match = _NAMED.fullmatch(text)
    words, unit = (match["words"], match["unit"] or "") if match else (text, "")
    tag = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    return _ALIASES.get(tag, tag), unit


@dataclass(slots=True)
class Report:
    """Measurements of one run, as a file of either program gives them."""

    tool: str  #: ``genai-perf`` or ``aiperf``
    run: Run
    case: Case = field(default_factory=Case)
    subject: str | None = None
    items: list[Measurement] = field(default_factory=list)

    def add(
        self,
        tag: str,
        unit: str,
        values: Mapping[str, tuple[Any, int]],
        precision: str = FULL,
        raw_name: str = "",
        subject: str | None = None,
    ) -> None:
        """Take one metric.

        Args:
            values: statistic as written -> (value, line); an ``avg`` alone is the value itself.
        """
        raw_name, tag = raw_name or tag, _ALIASES.get(tag, tag)
        known = {word: found for word, found in values.items() if word != _COUNT and found[0] is not None}
        if tag in _TIMES:
            self._time(tag, unit, known)
            return
        meaning = self._meaning(tag, unit, subject)
        for word, (value, line) in known.items():
            name = statistic(word) or ("sum" if word == "sum" else word)
            stat = meaning if len(known) == 1 and word in ("avg", "value") else meaning.as_statistic(name)
            item = measurement(self.run.name, stat, value, raw_name, line, self.case, precision)
            item.unit = unit or None if meaning.metric == tag and tag not in _MEANINGS else None
            self.items.append(item)

    def _meaning(self, tag: str, unit: str, subject: str | None) -> Meaning:
        """Meaning of a tag with the factor of its unit; one that nobody catalogued keeps both as they are."""
        subject = subject or self.subject
        known = _MEANINGS.get(tag)
        if known is None:
            return Meaning(tag, subject=subject)
        tokens = _RETOKENIZED if self.tool == "genai-perf" else _CLIENT
        definition = known.definition.format(tokens) if known.definition else None
        factor = _UNITS.get(unit.lower(), 1.0)
        return replace(known, definition=definition, factor=factor, subject=subject or known.subject)

    def telemetry(self, tag: str, unit: str, device: str, values: Mapping[str, tuple[Any, int]]) -> None:
        """Take one metric of one device (``gpu_power_usage``, ``nvidia_power_usage``)."""
        short = re.sub(r"^(?:nvidia_|amd_)?(?:gpu_)?", "", tag)
        known = _TELEMETRY.get(short) or (Meaning("memory_total") if tag == "total_gpu_memory" else None)
        factor = _UNITS.get(unit.lower(), 1.0) if known else 1.0
        for word, (value, line) in values.items():
            name = "value" if word == "value" else statistic(word)
            if name is None or value is None:
                continue
            meaning = replace(known or Meaning(tag), factor=factor, subject=device, statistic=name)
            item = measurement(self.run.name, meaning, value, tag, line, self.case)
            item.unit = None if known else unit or None
            self.items.append(item)

    def _time(self, tag: str, unit: str, values: Mapping[str, tuple[Any, int]]) -> None:
        """When the first request went out and the last answer came, as UTC."""
        value = next((numeric(value) for value, _ in values.values()), None)
        if value is not None and unit == "ns" and 0 < value < 1e19:
            setattr(self.run, _TIMES[tag], round(value) // 1000)

    def value(self, metric: str, *statistics: str) -> float | None:
        """Value of a metric of the whole run."""
        found = (i.value for i in self.items if i.metric == metric and i.statistic in statistics and not i.subject)
        return next(found, None)

    def finish(self) -> Iterator[Item]:
        """Measurements, and the run."""
        self._say_status()
        self.run.fingerprint = self._fingerprint()
        # the sum of a column and the total of the same are one value
        yield from {(i.metric, i.statistic, i.definition, i.subject, i.value): i for i in self.items}.values()
        yield self.run

    def _say_status(self) -> None:
        done, failed = (self.value(f"{what}_requests", "value") for what in ("completed", "failed"))
        if self.run.status is None and (done is not None or failed):
            self.run.status = "completed" if done else "failed"

    def _fingerprint(self) -> str | None:
        """The same for all files of one measurement: rounded as the tables round."""
        latency = [self.value("e2e_latency", word) for word in ("mean", "max")]
        speed = self.value("requests_per_second", "value")
        if None in latency or speed is None or self.subject:
            return None
        return f"{self.tool}:{latency[0] * 1e3:.2f}:{latency[1] * 1e3:.2f}:{speed:.2f}"  # type: ignore[operator]


def artifact(place: Place) -> str:
    """Name of a run: the artifact directory with the one above it; a file of its own name adds that."""
    stem = place.stem
    for suffix in ("_timeslices", "_aiperf", "_genai_perf"):
        stem = stem.removesuffix(suffix)
    own = "" if stem == "profile_export" else stem
    return "/".join(part for part in (place.parent(2), place.parent(), own) if part)


def new_report(tool: str, place: Place) -> Report:
    run = Run(artifact(place), place.directory(), kind="serving", environment={"benchmark": tool})
    return Report(tool, run)


def objects(found: Json, *path: str | int) -> Iterator[tuple[str, str, dict[str, tuple[Any, int]]]]:
    """Metrics of a JSON object: (tag, unit, statistics with their lines)."""
    value = found.value
    for step in path:
        value = value[step]
    for tag, entry in value.items():
        if isinstance(entry, dict) and isinstance(entry.get("unit"), str):
            numbers = ((key, v) for key, v in entry.items() if numeric(v) is not None)
            yield tag, entry["unit"], {key: (v, found.line(*path, tag, key)) for key, v in numbers}
