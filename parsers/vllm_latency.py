"""``vllm bench latency`` and ``benchmark_latency.py``: the saved object, or the printed lines.

Source: ``vllm/benchmarks/latency.py``.  A latency is the time of one whole static batch, in seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._samples_vllm_offline import LATENCY_SAMPLES
from ._serving import Meaning, measurement
from ._serving import statistic as statistic_of
from ._serving_offline import BATCH_LATENCY, Printed, case_in, offline_run, printed
from ._serving_result import lengths_in
from ._serving_text import announced, complete_lines

_LINE = re.compile(r"(?:(?P<word>Avg|Std) latency|(?P<rank>\d+)% percentile latency): (?P<value>[\d.e-]+) seconds\s*$")


class VLLMLatency(DocumentParser):
    name = "vllm_latency"
    version = 1
    title = "vllm bench latency: --output-json, or the printed lines"
    writes = "vllm"
    samples = LATENCY_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if '"avg_latency"' in text and '"latencies"' in text and text.lstrip().startswith("{"):
            return "keys avg_latency, latencies, percentiles"
        if "Avg latency: " in text and any(_LINE.match(line) for line in head.lines):
            return "a line 'Avg latency: … seconds'"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return _saved(place, text) if text.lstrip().startswith("{") else _log(place, text)


def _saved(place: Place, text: str) -> Iterator[Item]:
    json = Json(text)
    value: dict[str, Any] = json.value
    percentiles = value.get("percentiles") if isinstance(value, dict) else None
    if not isinstance(percentiles, dict):
        raise ParseError("no percentiles")
    run = offline_run(place, "vllm", dict(lengths_in(place.stem)))
    case = case_in(run.config)
    words = {"mean": ("avg_latency",), "std": ("std_latency",)} | {
        word: ("percentiles", rank) for rank in percentiles if (word := statistic_of(f"p{rank}"))
    }
    for word, path in words.items():
        number = percentiles[path[1]] if len(path) > 1 else value.get(path[0])
        if number is not None:
            yield measurement(
                run.name, BATCH_LATENCY.as_statistic(word), number, ".".join(path), json.line(*path), case
            )
    yield run


def _log(place: Place, text: str) -> Iterator[Item]:
    values: Printed = {}
    names: dict[str, Meaning] = {}
    config: dict[str, Any] = dict(lengths_in(place.stem))
    for number, line in enumerate(complete_lines(text), 1):
        if found := _LINE.match(line):
            raw_name = line.partition(":")[0]
            names[raw_name] = BATCH_LATENCY.as_statistic(statistic_of(found["word"] or f"p{found['rank']}") or "value")
            values[raw_name] = (found["value"], number)
        else:
            config |= announced(line)
    if not values:
        raise ParseError("no line 'Avg latency: …' that ends")
    yield from printed(offline_run(place, "vllm", config), values, names)
