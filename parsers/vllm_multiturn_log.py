"""vLLM's ``benchmark_serving_multi_turn.py`` (and InferenceX's descendant): the printed statistics.

A table that pandas prints (columns ``...`` left out), one per share of requests taken as warm-up; milliseconds.
TTFT and TPOT are by tokens: a first chunk of several tokens is taken apart.  InferenceX's descendant adds a
``METRICS SUMMARY`` of the server's own counters.
Source: ``benchmarks/multi_turn/benchmark_serving_multi_turn.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import number
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._samples_vllm_multiturn import LOG_SAMPLES
from ._serving import PERCENT, SUM, Meaning, decimals, measurement
from ._serving import statistic as statistic_of
from ._serving_multiturn import NAMES, multiturn_run
from ._serving_offline import case_in
from ._serving_table import plain
from ._serving_text import announced, complete_lines

_TITLE = re.compile(r"Statistics [Ss]ummary(?: \(assuming (?P<share>\d+)% warmup samples\))?:\s*$")
_START = re.compile(r"Namespace\(input_file=.*\bnum_clients=")
_PARAMETER = re.compile(r"(?P<key>runtime_sec|requests_per_sec|warmup_runtime_sec) = (?P<value>[\d.]+)\s*$")
_ASKED = re.compile(r"(?P<key>model|num_clients|num_conversations|active_conversations|seed)=(?P<value>\S+)\s*$")
_HEADER = re.compile(r"\s+count\s+mean\s+std\b.*$")
_SERVER = {
    "Total prompt tokens": Meaning("input_tokens", "input_tokens@server_counter", statistic=SUM),
    "Total generation tokens": Meaning("output_tokens", "output_tokens@server_counter", statistic=SUM),
    "Avg generation throughput": Meaning("output_tokens_per_second", "output_tokens_per_second@server_counter"),
    "Peak KV cache usage": Meaning("kv_cache_utilisation", factor=PERCENT, statistic="max"),
    "Peak running requests": Meaning("requests_running", statistic="max"),
    "Peak waiting requests": Meaning("requests_waiting", statistic="max"),
    "Total preemptions": Meaning("preemptions", statistic=SUM),
    "Overall GPU cache hit rate": Meaning("prefix_cache_hit_rate", factor=PERCENT),
}
_SERVER_LINE = re.compile(rf"(?P<key>{'|'.join(_SERVER)}): (?P<value>[\d,]+(?:\.\d+)?) ?(?:tok/s|%)?\s*$")
_PARAMETERS = {
    "runtime_sec": Meaning("benchmark_duration"),
    "warmup_runtime_sec": Meaning("warmup_time"),
    "requests_per_sec": Meaning("requests_per_second"),
}


class VLLMMultiTurn(DocumentParser):
    name = "vllm_multiturn_log"
    version = 1
    title = "vLLM benchmark_serving_multi_turn.py (and InferenceX's): printed statistics"
    writes = "benchmark_serving_multi_turn.py"
    samples = LOG_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "Namespace(input_file=" in head.text and _START.search(head.text):
            return "arguments of benchmark_serving_multi_turn.py"
        if "tatistics " in head.text and "ttft_ms" in head.text and any(_TITLE.match(line) for line in head.lines):
            return "'Statistics summary:' with a row ttft_ms"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        run = multiturn_run(place)
        columns: list[str] = []
        share, finished = "", False
        for line_number, line in enumerate(complete_lines(text), 1):
            if title := _TITLE.match(line):
                share, finished = title["share"] or "", True
            elif asked := _ASKED.match(line):
                run.config[asked["key"]] = None if asked["value"] == "None" else plain(asked["value"])
            elif "Namespace(" in line:
                run.config |= announced(line)
            elif _HEADER.match(line):
                columns = line.split()
            else:
                yield from _values(run.name, line, line_number, columns, _conditions(run.config, share))
        run.model = str(run.config["model"]) if run.config.get("model") else None
        run.config = {key: value for key, value in run.config.items() if value is not None}
        run.status = "completed" if finished else None
        yield run


def _conditions(config: dict[str, Any], share: str) -> dict[str, Any]:
    """Where several shares are taken as warm-up, each is a condition of its own."""
    return {"concurrency": config.get("num_clients")} | ({"warmup_percent": float(share)} if share else {})


def _values(run: str, line: str, line_number: int, columns: list[str], asked: dict[str, Any]) -> Iterator[Item]:
    case = case_in(asked)
    case.conditions = {key: value for key, value in asked.items() if key == "warmup_percent"}
    cells = line.split()
    if found := _SERVER_LINE.match(line):
        text = found["value"].replace(",", "")
        yield measurement(run, _SERVER[found["key"]], text, found["key"], line_number, case, _precision(text))
    elif parameter := _PARAMETER.match(line):
        meaning = _PARAMETERS[parameter["key"]]
        yield measurement(run, meaning, parameter["value"], parameter["key"], line_number, case, "3")
    elif columns and len(cells) == len(columns) + 1 and cells[0] in NAMES:
        for column, text in zip(columns, cells[1:], strict=True):
            what = _meaning(cells[0], column)
            if what is not None and number(text) is not None:
                yield measurement(run, what, text, f"{cells[0]} {column}", line_number, case, _precision(text))


def _meaning(name: str, column: str) -> Meaning | None:
    """Meaning of a cell; all rows share one count."""
    if column == "count":
        return Meaning("completed_requests") if name == "ttft_ms" else None
    word = statistic_of(column)
    return NAMES[name].as_statistic(word) if word else None


def _precision(text: str) -> str:
    return decimals(text) if "." in text else "full"
