"""SGLang's benchmarks of static batches: ``bench_one_batch``, ``bench_one_batch_server``, ``bench_offline_throughput``.

JSON lines (``--result-filename``) or what they print.  Sources: the files of these names below ``python/sglang/``.
The server's variant divided by the whole latency once, and by the time after the last first token since it knows
``last_ttft``: two definitions.  -1 says that the server gave no figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Issue, Item
from llmstats.training import run_name

from ._samples_sglang_batch import SAMPLES
from ._serving import SUM, Meaning, measurement, numeric
from ._serving_json import Found, objects
from ._serving_offline import Printed, case_in, offline_run, printed
from ._serving_result import framework_of, run_base
from ._serving_text import complete_lines

_NAMES = {
    "prefill_latency": Meaning("prefill_time"),
    "prefill_throughput": Meaning("prefill_tokens_per_second"),
    "median_decode_latency": Meaning("tpot", "tpot@decode_step", statistic="p50"),
    "median_decode_throughput": Meaning("decode_tokens_per_second", "decode_tokens_per_second@step", statistic="p50"),
    "total_latency": Meaning("e2e_batch_latency", "e2e_batch_latency@sum_of_steps"),
    "overall_throughput": Meaning("total_tokens_per_second", "total_tokens_per_second@static_batch"),
    "latency": Meaning("e2e_batch_latency", "e2e_batch_latency@request"),
    "last_ttft": Meaning("ttft", "ttft@last_of_batch", statistic="max"),
    "ttft": Meaning("ttft", "ttft@last_of_batch", statistic="max"),
    "last_gen_throughput": Meaning("decode_tokens_per_second", "decode_tokens_per_second@last_logged"),
    "acc_length": Meaning("acceptance_length"),
    "cache_hit_rate": Meaning("prefix_cache_hit_rate"),
    "output_throughput": Meaning("output_tokens_per_second", "output_tokens_per_second@static_batch"),
}
#: Where the result knows ``last_ttft``.
_AFTER_TTFT = {
    "input_throughput": Meaning("prefill_tokens_per_second", "prefill_tokens_per_second@last_ttft"),
    "output_throughput": Meaning("decode_tokens_per_second", "decode_tokens_per_second@after_last_ttft"),
}
#: For some weeks of 2026 both were over the whole latency all the same.
_OVER_ALL = {
    "input_throughput": Meaning("input_tokens_per_second", "input_tokens_per_second@static_batch"),
    "output_throughput": _NAMES["output_throughput"],
}
_OFFLINE = {
    "successful_requests": Meaning("completed_requests"),
    "total_latency": Meaning("benchmark_duration"),
    "total_input_tokens": Meaning("input_tokens", statistic=SUM),
    "total_output_tokens": Meaning("output_tokens", statistic=SUM),
    "request_throughput": Meaning("requests_per_second"),
    "input_throughput": Meaning("input_tokens_per_second"),
    "output_throughput": Meaning("output_tokens_per_second", "output_tokens_per_second@offline"),
    "total_throughput": Meaning("total_tokens_per_second", "total_tokens_per_second@offline"),
    "last_gen_throughput": _NAMES["last_gen_throughput"],
}
_ASKED = ("batch_size", "input_len", "output_len", "run_name")
#: The earliest versions said ``ms`` where they printed seconds.
_STAGE = re.compile(
    r"(?P<stage>Prefill|Decode|Total)\. +(?P<median>median )?latency: +(?P<latency>[\d.]+) m?s, +"
    r"(?:median )?throughput: +(?P<speed>[\d.]+) token/s\s*$"
)
_KEYS = {
    "Prefill": ("prefill_latency", "prefill_throughput"),
    "Decode": ("median_decode_latency", "median_decode_throughput"),
    "Total": ("total_latency", "overall_throughput"),
}
_STEP = re.compile(r"Decode \d+\. Batch size: (?P<size>\d+), latency: ")
_SERVER = re.compile(
    r"(?P<key>batch size|input_len|output_len|latency|input throughput|output throughput|last_ttft|ttft"
    r"|\(input \+ output\) throughput|last generation throughput|acc_length|cache hit rate): +(?P<value>-?[\d.]+)"
    r"(?: (?:s|tok/s|token/s))? *$"
)
_SERVER_KEYS = {
    "input throughput": "input_throughput",
    "output throughput": "output_throughput",
    "(input + output) throughput": "overall_throughput",
    "last generation throughput": "last_gen_throughput",
    "cache hit rate": "cache_hit_rate",
}


class SGLangOneBatch(DocumentParser):
    """One run per batch."""

    name = "sglang_one_batch"
    version = 1
    title = "sglang bench_one_batch, bench_one_batch_server, bench_offline_throughput"
    writes = "SGLang"
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if text.lstrip().startswith("{"):
            return _json_reason(text)
        if "Prefill. latency: " in text and any(_STAGE.match(line) for line in head.lines):
            return "a line 'Prefill. latency: … s, throughput: … token/s'"
        if "batch size: " in text and "output throughput: " in text and text.count("\nlatency: ") > 0:
            return "lines 'batch size: …', 'latency: … s', 'output throughput: … tok/s'"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return _saved(place, text) if text.lstrip().startswith("{") else _log(place, text)


def _json_reason(text: str) -> str | None:
    if '"batch_size"' in text and '"overall_throughput"' in text and '"input_len"' in text:
        return "keys batch_size, input_len, output_len, overall_throughput"
    if '"successful_requests"' in text and '"total_latency"' in text and '"total_throughput"' in text:
        return "keys successful_requests, total_latency, total_throughput"
    return None


def _saved(place: Place, text: str) -> Iterator[Item]:
    count = 0
    for found in objects(text):
        if isinstance(found, Issue):
            yield found
        else:
            yield from _batch(place, run_name(run_base(place), count), found)
            count += 1


def _batch(place: Place, name: str, found: Found) -> Iterator[Item]:
    value = found.value
    asked = {key: value[key] for key in (*_ASKED, "backend", "dataset_name") if value.get(key) is not None}
    run = offline_run(place, framework_of(value.get("backend")) or "sglang", asked, name)
    names, case = names_of(value, asked), case_in(asked)
    for key, number in value.items():
        if key in asked or isinstance(number, (bool, str)) or (number is None and key not in names):
            if isinstance(number, str):
                run.config[key] = number
            continue
        if numeric(number) is not None or key in names:
            item = measurement(name, names.get(key, Meaning(key)), number, key, found.line(key), case)
            item.value = None if item.value is not None and item.value < 0 else item.value
            yield item
    yield run


def names_of(value: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Meaning]:
    """What the keys of one result mean."""
    if "successful_requests" in value:
        return _OFFLINE
    if "last_ttft" not in value and "ttft" not in value and "input_throughput" not in value:
        return _NAMES
    return _NAMES | (_OVER_ALL if _over_all(value, asked) else _AFTER_TTFT)


def _over_all(value: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Whether the speed of the input is that over the whole latency."""
    size, length = numeric(asked.get("batch_size")), numeric(asked.get("input_len"))
    latency, speed = numeric(value.get("latency")), numeric(value.get("input_throughput"))
    first = numeric(value.get("last_ttft", value.get("ttft")))
    if not (size and length and latency and speed and first) or first > 0.9 * latency:
        return False
    return abs(speed * latency / (size * length) - 1) < 0.02


@dataclass(slots=True)
class _Group:
    """Printed values of one batch."""

    values: Printed = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)


def _log(place: Place, text: str) -> Iterator[Item]:
    groups = [group for group in _groups(complete_lines(text)) if group.values]
    if not groups:
        raise ParseError("no batch whose lines are whole")
    for index, group in enumerate(groups):
        run = offline_run(place, "sglang", group.config, run_name(run_base(place), index))
        values = {key: text for key, (text, _) in group.values.items()}
        yield from printed(run, group.values, names_of(values, group.config))


def _groups(lines: list[str]) -> list[_Group]:
    """Batches in order; those above a line ``Benchmark ...`` warmed the device up."""
    groups: list[_Group] = []
    for number, line in enumerate(lines, 1):
        if line.strip() == "Benchmark ...":
            groups = []
        elif stage := _STAGE.match(line):
            if stage["stage"] == "Decode" and not stage["median"]:
                continue  # one step of many
            if stage["stage"] == "Prefill" or not groups:
                groups.append(_Group())
            latency, speed = _KEYS[stage["stage"]]
            groups[-1].values |= {latency: (stage["latency"], number), speed: (stage["speed"], number)}
        elif groups and (step := _STEP.match(line)):
            groups[-1].config["batch_size"] = int(step["size"])
        elif server := _SERVER.match(line):
            _server_line(groups, server["key"], server["value"], number)
    return groups


def _server_line(groups: list[_Group], key: str, value: str, line: int) -> None:
    if key == "batch size":
        groups.append(_Group(config={"batch_size": int(float(value))}))
    elif groups and key in ("input_len", "output_len"):
        groups[-1].config[key] = int(float(value))
    elif groups:
        groups[-1].values[_SERVER_KEYS.get(key, key)] = (value, line)
