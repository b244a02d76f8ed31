"""What ``vllm bench throughput`` and ``vllm bench latency`` print, once or many times in one text.

A line ``Throughput: …`` or ``Avg latency: …`` is a run of its own; what stands above it says what was asked for.  Ranks
and pods may stand in front of a line (``0: Throughput: …``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from llmstats.parsing import Head, Place
from llmstats.records import Item, Run
from llmstats.training import run_name

from ._serving import Meaning
from ._serving import statistic as statistic_of
from ._serving_command import commands
from ._serving_offline import BATCH_LATENCY, THROUGHPUT, Printed, latency_print, offline_run, printed, throughput_print
from ._serving_result import lengths_in, run_base
from ._serving_text import announced, is_json, is_program, unfinished, writer

_THROUGHPUT = re.compile(
    r"(?<!\w )\bThroughput: (?P<requests_per_second>[\d.]+) requests/s, (?P<tokens_per_second>[\d.]+) (?:total )?"
    r"tokens/s(?:, (?P<output_tokens_per_second>[\d.]+) output tokens/s)?\s*$"
)
_TOTAL = re.compile(r"(?P<name>Total num (?:prompt|output) tokens): +(?P<value>\d+)\s*$")
_LATENCY = re.compile(
    r"(?<![\w%])(?:(?P<word>Avg|Std) latency|(?P<rank>\d+)% percentile latency): (?P<value>[\d.e-]+) seconds\s*$"
)
#: Of a program that has yet to print its result, or does further down.
_STARTED = {
    "throughput": re.compile(r"BenchmarkThroughputSubcommand|Namespace\(.*\bhf_max_batch_size="),
    "latency": re.compile(r"BenchmarkLatencySubcommand|Namespace\(.*\bnum_iters_warmup="),
}
#: One of these is in every such text; looked for first, because most files are of other formats.
_SIGNS = ("Throughput: ", "Avg latency: ", "Subcommand", "Namespace(", "vllm bench ")
_LOGGED = re.compile(r"^(?:\([^)\n]*\) )?(?:INFO|WARNING) \d\d-\d\d \d\d:\d\d:\d\d \[", re.M)


def shown(head: Head) -> str | None:
    """``throughput`` or ``latency``: whose result or beginning a text holds; None: neither's, or a server's as well."""
    text = head.text
    if not any(sign in text for sign in _SIGNS):
        return None
    if "Num totol tokens" in text or is_program(head) or is_json(text) or writer(head) is not None:
        return None
    for name, guard, line in (("throughput", "Throughput: ", _THROUGHPUT), ("latency", "Avg latency: ", _LATENCY)):
        if guard in text and any(line.search(row) for row in head.lines):
            return name
    for name, begun in _STARTED.items():
        if begun.search(text) or (f"vllm bench {name} " in text and _LOGGED.search(text)):
            return name
    return None


@dataclass(slots=True)
class _Group:
    """Printed values of one run."""

    config: dict[str, Any]
    kind: str
    values: Printed = field(default_factory=dict)
    names: dict[str, Meaning] = field(default_factory=dict)


def offline_log(place: Place, lines: list[str], before: int = 0) -> Iterator[Item]:
    """Items of all results of a text, the ``before`` + 1st run of the file first; none: a program that runs still."""
    groups = _groups(place, lines)
    for index, group in enumerate(groups, before):
        run = offline_run(place, "vllm", group.config, run_name(run_base(place), index))
        run.fingerprint = _fingerprint(group)
        yield from printed(run, group.values, group.names)
    if not groups and not before:
        for item in unfinished(place, lines):
            if isinstance(item, Run):
                item.kind, item.framework = "inference", "vllm"
            yield item


def _groups(place: Place, lines: list[str]) -> list[_Group]:
    groups: list[_Group] = []
    asked = commands(lines)
    config: dict[str, Any] = {}
    for number, line in enumerate(lines, 1):
        if found := _THROUGHPUT.search(line):
            groups.append(_Group(lengths_in(place.stem) | config, "throughput", names=dict(THROUGHPUT)))
            groups[-1].values |= {key: (value, number) for key, value in found.groupdict().items() if value}
            config = {}
        elif total := _TOTAL.search(line):
            if groups:
                groups[-1].values[total["name"]] = (total["value"], number)
        elif found := _LATENCY.search(line):
            if found["word"] == "Avg" or not groups or groups[-1].kind != "latency":
                groups.append(_Group(lengths_in(place.stem) | config, "latency"))
                config = {}
            _add_latency(groups[-1], found, number)
        else:
            config |= asked.get(number) or announced(line)
    return groups


def _add_latency(group: _Group, found: re.Match[str], number: int) -> None:
    raw_name = found[0].partition(":")[0]
    word = statistic_of(found["word"] or f"p{found['rank']}") or "value"
    group.names[raw_name] = BATCH_LATENCY.as_statistic(word)
    group.values[raw_name] = (found["value"], number)


def _fingerprint(group: _Group) -> str | None:
    """As the saved file of the same measurement has it."""
    known = {key: float(text) for key, (text, _) in group.values.items() if text.count(".") <= 1}
    if group.kind == "latency":
        return latency_print(known.get("Avg latency"))
    return throughput_print(known.get("requests_per_second"), known.get("tokens_per_second"))
