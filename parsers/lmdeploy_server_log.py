"""LMDeploy's server log: what the engine reports every ten seconds with ``enable_metrics``.

Source: ``lmdeploy/metrics/loggers.py`` (0.9 to 0.12: ``Avg prompt throughput``, later ``Avg thr (in/out)``).
"""

from __future__ import annotations

import re

from llmstats.parsing import Head, Name
from llmstats.records import Run
from llmstats.shapes import Field, Plan, Record, Suspect

from ._samples_server_logs import LMDEPLOY_SAMPLES
from ._serverlog import NUMBER, ServerLog, statistics, take_settings
from ._steplines import covered

_STATISTICS = re.compile(
    r"(?:(?:\bDP|\bEngine )(?P<rank>\d+)\]?[: ]*)?(?P<what>Avg prompt throughput: |Avg thr \(in/out\): |"
    r"SpecDecoding metrics: )"
)
_PAIR = re.compile(rf"(?P<key>(?!Per-pos)[A-Z][A-Za-z][A-Za-z ]*): (?P<value>{NUMBER})(?=%|[, ]|$)(?! /)")
_SLASHED = re.compile(rf"(?P<key>[A-Z][A-Za-z ]*) \((?P<parts>[a-z/]+)\): (?P<values>{NUMBER}(?: / {NUMBER})+)")
_CLOCK = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:,\d{3})?")
_HEAD = re.compile(
    r"^[^\n\"'`]{0,120}?(?:DP\d+\]? Avg prompt throughput: [\d.]+ tokens/s|"
    r"(?:DP|Engine )\d+\] Avg thr \(in/out\): [\d.]+ / [\d.]+ tokens/s|"
    r"- lmdeploy - [A-Z]+ - \S+:\d+ - (?:(?:\[[^\]]*\] )?Avg prompt throughput: |"
    r"input backend=|updated backend_config=))",
    re.M,
)


class LMDeployServerLog(ServerLog):
    """One run per start; ranks are those of data parallelism."""

    name = "lmdeploy_server_log"
    version = 1
    title = "LMDeploy server log: throughput, requests and cache over time; settings, errors"
    writes = "LMDeploy"
    framework = "lmdeploy"
    prefix = re.compile(
        r"(?:\d{4}-\d\d-\d\d[ T][\d:,.]+Z? - \w+ - (?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) - [\w./-]+:\d+ - )?"
    )
    begins = re.compile(r"input backend=\w+, backend_config=")
    facts = re.compile(r"updated backend_config=|TurbomindModelConfig|\bmodel_path=")
    crashes = re.compile(r"lmdeploy(?: serve \w+)?: error: |Engine (?:main loop|loop) (?:failed|crashed)")
    names = {
        "Avg prompt throughput": Name("input_tokens_per_second", 1.0, "input_tokens_per_second@server_interval"),
        "Avg generation throughput": Name("output_tokens_per_second", 1.0, "output_tokens_per_second@server_interval"),
        "Avg thr in": Name("input_tokens_per_second", 1.0, "input_tokens_per_second@server_interval"),
        "Avg thr out": Name("output_tokens_per_second", 1.0, "output_tokens_per_second@server_interval"),
        "Finished": Name("completed_requests", 1.0, "completed_requests@server_counter"),
        "Server succeeded": Name("completed_requests", 1.0, "completed_requests@server_counter"),
        "API server completed": Name("completed_requests", 1.0, "completed_requests@server_counter"),
        "Server failed": Name("failed_requests", 1.0, "failed_requests@server_counter"),
        "Running": Name("requests_running"),
        "Engine running": Name("requests_running"),
        "Waiting": Name("requests_waiting"),
        "Engine waiting": Name("requests_waiting"),
        "GPU KV cache usage": Name("kv_cache_utilisation", 0.01),
        "KV cache": Name("kv_cache_utilisation", 0.01),
        "Prefix cache hit rate": Name("prefix_cache_hit_rate", 0.01, "prefix_cache_hit_rate@since_start"),
        "Draft acceptance rate": Name("draft_acceptance_rate", 0.01, "draft_acceptance_rate@server_interval"),
        "Mean acceptance length": Name("acceptance_length", 1.0, "acceptance_length@server_interval"),
        "Accepted": Name("accepted_draft_tokens", 1.0, "accepted_draft_tokens@server_interval"),
        "Drafted": Name("draft_tokens", 1.0, "draft_tokens@server_interval"),
    }
    samples = LMDEPLOY_SAMPLES

    def detect(self, head: Head) -> str | None:
        marks = ("Avg thr (in/out): ", "Avg prompt throughput: ", "- lmdeploy - ")
        found = _HEAD.search(head.text) if any(mark in head.text for mark in marks) else None
        return f"LMDeploy's line {found[0][-80:]!r}" if found else None

    def plan(self, text: str) -> Plan:
        found = _STATISTICS.search(text)
        if not found:
            return self.other(text)
        start, rank = found.start("what"), found.span("rank") if found["rank"] else None
        slashed = _slashed(text, start)
        plan = statistics(text, start, _PAIR, rank)
        if isinstance(plan, Record):
            return Record(plan.kind, covered(text, [*(f for f in plan.fields if f.kind != "skip"), *slashed]))
        return plan if not slashed else _only(text, slashed, rank)

    def said(self, run: Run, message: str) -> None:
        take_settings(run, message)


def _slashed(text: str, start: int) -> list[Field]:
    """``Engine (running/waiting): 3 / 0``: a field per part."""
    fields = []
    for match in _SLASHED.finditer(text, start):
        at = match.start("values")
        values = re.finditer(NUMBER, match["values"])
        for part, value in zip(match["parts"].split("/"), values, strict=False):
            fields.append(Field(f"{match['key']} {part}", at + value.start(), at + value.end()))
    return fields


def _only(text: str, metrics: list[Field], rank: tuple[int, int] | None) -> Plan:
    clock = _CLOCK.search(text)
    if clock is None:
        return Suspect("statistics without a clock")
    ranks = [Field("@rank", *rank)] if rank else []
    return Record("statistics", covered(text, [Field("@clock", *clock.span(), "clock"), *ranks, *metrics]))
