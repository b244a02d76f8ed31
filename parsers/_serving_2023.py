"""What ``benchmark_serving.py`` of vLLM printed until the spring of 2024, and lightllm's copy of it still does.

``Total time``, ``Throughput: … requests/s`` and mean latencies of whole answers: nothing was streamed, and tokens are
those that the data set's own answers have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.parsing import Place
from llmstats.records import Item, Run
from llmstats.training import run_name

from ._serving import SUM, Meaning, decimals, measurement
from ._serving_command import commands
from ._serving_result import case_of, framework_of, run_base
from ._serving_text import announced

_NAMES = {
    "total tokens": Meaning("total_tokens", "total_tokens@prompt_and_output", statistic=SUM),
    "Total time": Meaning("benchmark_duration"),
    "Throughput": Meaning("requests_per_second"),
    "Average latency": Meaning("e2e_latency", "e2e_latency@whole_response", statistic="mean"),
    "Average latency per token": Meaning("e2e_per_token", "e2e_per_token@input_and_output", statistic="mean"),
    "Average latency per output token": Meaning("e2e_per_token", "e2e_per_token@output", statistic="mean"),
}
_LINE = re.compile(rf"(?P<key>{'|'.join(_NAMES)}): (?P<value>\d[\d.]*)(?: s| requests/s)?\s*$")
_LAST = "Average latency per output token"

Values = dict[str, tuple[str, int]]  # raw name -> text of the number, line


def of_2023(lines: list[str]) -> bool:
    """Whether a text holds such a result."""
    return any(line.startswith(f"{_LAST}: ") for line in lines) and any(
        line.startswith("Total time: ") for line in lines
    )


def results(place: Place, lines: list[str]) -> Iterator[Item]:
    """Items of all results of a text; each ends with its last line."""
    asked = commands(lines)
    config: dict[str, Any] = {}
    values: Values = {}
    count = 0
    for number, text in enumerate(lines, 1):
        if found := _LINE.match(text):
            values[found["key"]] = (found["value"], number)
        else:
            config |= asked.get(number) or announced(text)
        if found and found["key"] == _LAST:
            yield from _result(place, run_name(run_base(place), count), config, values)
            config, values, count = {}, {}, count + 1


def _result(place: Place, name: str, config: dict[str, Any], values: Values) -> Iterator[Item]:
    run = Run(
        name, place.directory(), kind="serving", status="completed", framework=framework_of(config.get("backend"))
    )
    run.model = config.get("model") if isinstance(config.get("model"), str) else None
    run.config = {key: value for key, value in config.items() if value is not None}
    for raw_name, (text, line) in values.items():
        yield measurement(name, _NAMES[raw_name], text, raw_name, line, case_of(config), decimals(text))
    yield run
