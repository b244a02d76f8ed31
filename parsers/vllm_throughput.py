"""``vllm bench throughput`` and ``benchmark_throughput.py``: the saved object, or the printed line.

Source: ``vllm/benchmarks/throughput.py``.  All requests are given at once; tokens are those that the engine counted
(in old versions: that were asked for), prompts included in ``total_num_tokens``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run

from ._samples_vllm_offline import THROUGHPUT_SAMPLES
from ._serving import Meaning, measurement
from ._serving_offline import THROUGHPUT, Printed, case_in, offline_run, printed
from ._serving_result import lengths_in
from ._serving_text import announced, complete_lines

#: A user's own additions, with their own spelling.
_ASKED = {"input": "input_len", "ouput": "output_len", "output": "output_len", "input_len": "input_len",
          "output_len": "output_len", "batch_size": "batch_size"}  # fmt: skip
_LINE = re.compile(
    r"Throughput: (?P<requests_per_second>[\d.]+) requests/s, (?P<tokens_per_second>[\d.]+) (?:total )?tokens/s"
    r"(?:, (?P<output_tokens_per_second>[\d.]+) output tokens/s)?\s*$"
)
_TOTAL = re.compile(r"(?P<name>Total num (?:prompt|output) tokens): +(?P<value>\d+)\s*$")


class VLLMThroughput(DocumentParser):
    name = "vllm_throughput"
    version = 1
    title = "vllm bench throughput: --output-json, or the printed line"
    writes = "vllm"
    samples = THROUGHPUT_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if '"total_num_tokens"' in text and '"requests_per_second"' in text and text.lstrip().startswith("{"):
            return "keys elapsed_time, num_requests, total_num_tokens, requests_per_second"
        if "Throughput: " in text and "Num totol tokens" not in text and any(_LINE.match(line) for line in head.lines):
            return "a line 'Throughput: … requests/s, … tokens/s'"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return _saved(place, text) if text.lstrip().startswith("{") else _log(place, text)


def _saved(place: Place, text: str) -> Iterator[Item]:
    json = Json(text)
    value: dict[str, Any] = json.value
    if not isinstance(value, dict) or "elapsed_time" not in value:
        raise ParseError("no elapsed_time")
    asked = {_ASKED[key]: v for key, v in value.items() if key in _ASKED}
    run = offline_run(place, "vllm", lengths_in(place.stem) | asked)
    _print(run, value.get("elapsed_time"), value.get("requests_per_second"))
    case = case_in(run.config)
    for key, number in value.items():
        if key in THROUGHPUT or (key not in _ASKED and isinstance(number, (int, float))):
            yield measurement(run.name, THROUGHPUT.get(key, Meaning(key)), number, key, json.line(key), case)
        elif isinstance(number, str):
            run.config[key] = number
    yield run


def _print(run: Run, elapsed: Any, rate: Any) -> None:
    """Only a measured time has so many digits."""
    if isinstance(elapsed, float) and isinstance(rate, float):
        run.fingerprint = f"vllm_throughput:{elapsed!r}:{rate!r}"


def _log(place: Place, text: str) -> Iterator[Item]:
    values: Printed = {}
    config: dict[str, Any] = dict(lengths_in(place.stem))
    for number, line in enumerate(complete_lines(text), 1):
        if found := _LINE.match(line):
            values |= {key: (value, number) for key, value in found.groupdict().items() if value}
        elif total := _TOTAL.match(line):
            values[total["name"]] = (total["value"], number)
        else:
            config |= announced(line)
    if not values:
        raise ParseError("no line 'Throughput: …' that ends")
    yield from printed(offline_run(place, "vllm", config), values, THROUGHPUT)
