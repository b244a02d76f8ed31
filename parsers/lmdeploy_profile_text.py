"""What lmdeploy's ``profile_throughput.py``, ``profile_pipeline_api.py`` and their older kin print: one run per block.

- 0.7 and later: a block titled ``Profile Throughput``, right-aligned columns ``mean P50 P75 …`` in seconds; requests
  whose output stayed shorter than asked for are left out silently;
- before: lines between two rows of dashes (``concurrency: …``, ``RPS (request per second): …``).

Source: ``lmdeploy/profiler.py``, ``benchmark/profile_throughput.py``, ``benchmark/profile_generation.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item
from llmstats.training import run_name

from ._samples_lmdeploy import PROFILE_SAMPLES
from ._serving import E2E, ITL, SUM, TPOT, TTFT, Meaning, decimals, measurement
from ._serving import statistic as statistic_of
from ._serving_offline import case_in, offline_run
from ._serving_result import run_base
from ._serving_table import plain
from ._serving_text import complete_lines, is_json, is_program

_TITLE = re.compile(r"={10,} (?P<title>Profile [\w ]+?) ={10,}\s*$")
_ROW = re.compile(r"(?P<label>\S.*?) {2,}(?P<values>-?[\w.]+(?: +-?[\w.]+)*)\s*$")
_COLUMNS = re.compile(r" {30,}mean +(?:P[\d.]+ *)+$")
_NAMES = {
    "Benchmark duration": Meaning("benchmark_duration"),
    "Successful requests": Meaning("completed_requests", "completed_requests@full_length"),
    "Total input tokens": Meaning("input_tokens", statistic=SUM),
    "Total generated tokens": Meaning("output_tokens", "output_tokens@engine", statistic=SUM),
    "Input throughput (tok/s)": Meaning("input_tokens_per_second"),
    "Output throughput (tok/s)": Meaning("output_tokens_per_second", "output_tokens_per_second@engine"),
    "Request throughput (req/s)": Meaning("requests_per_second"),
    "End-to-end Latency": Meaning("e2e_latency", E2E),
    "Time to First Token (TTFT)": Meaning("ttft", TTFT),
    "Time per Output Token (TPOT)": Meaning("tpot", TPOT),
    "Inter-token Latency (ITL)": Meaning("itl", ITL),
    "Tokens per Tick": Meaning("tokens_per_chunk"),
}
_TABLE = {"End-to-end Latency", "Time to First Token (TTFT)", "Time per Output Token (TPOT)",
          "Inter-token Latency (ITL)", "Tokens per Tick"}  # fmt: skip
_OLD = {
    "elapsed_time": Meaning("benchmark_duration"),
    "total time": Meaning("benchmark_duration"),
    "number of prompt tokens": Meaning("input_tokens", statistic=SUM),
    "number of completion tokens": Meaning("output_tokens", "output_tokens@engine", statistic=SUM),
    "token throughput (completion token)": Meaning("output_tokens_per_second", "output_tokens_per_second@engine"),
    "token throughput (prompt + completion token)": Meaning(
        "total_tokens_per_second", "total_tokens_per_second@engine"
    ),
    "throughput": Meaning("output_tokens_per_second", "output_tokens_per_second@engine"),
    "throughput(output)": Meaning("output_tokens_per_second", "output_tokens_per_second@engine"),
    "throughput(total)": Meaning("total_tokens_per_second", "total_tokens_per_second@engine"),
    "RPS (request per second)": Meaning("requests_per_second", "requests_per_second@sent"),
    "RPM (request per minute)": Meaning("requests_per_minute", "requests_per_minute@sent"),
}
_OLD_LINE = re.compile(
    rf"(?P<key>{'|'.join(map(re.escape, sorted(_OLD, key=len, reverse=True)))}): "
    r"(?P<value>[\d.]+) ?(?:token/s|req/s|req/min|s)?\s*$"
)
_SPREAD = re.compile(
    r"(?P<what>first[_ ]token|total_token|token) latency(?:\(s\))?\(min, max, ave\): "
    r"(?P<values>[\d.]+s?, [\d.]+s?, [\d.]+s?)\s*$"
)
#: The first version called the same times ``token`` whether streamed or not; nobody can say what they are.
_SPREADS = {"total_token": _NAMES["End-to-end Latency"], "token": Meaning("token latency")}
_PERCENTILES = re.compile(
    r"(?:per-token|token_)[ ]?latency.*percentiles?\(50%?, ?75%?, ?95%?, ?99%?\).*?: \[(?P<values>[^\]]*)\]"
)
_CASE = re.compile(r"(?P<key>concurrency|input_tokens|output_tokens|test_round): (?P<value>\d+)")
_DASHES = "-" * 50
#: Of the older programs, from the youngest to the oldest.
_MARKS = (
    "token throughput (completion token): ",
    "token_latency percentiles(50%",
    "first_token latency(min, max, ave): ",
)

Values = list[tuple[str, Meaning, str, int]]  # raw name, meaning, text, line


class LMDeployProfile(DocumentParser):
    name = "lmdeploy_profile_text"
    version = 1
    title = "lmdeploy profile_throughput, profile_pipeline_api, profile_generation: printed result"
    writes = "LMDeploy"
    samples = PROFILE_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if "Profile " in text and any(_TITLE.match(line) for line in head.lines):
            return "a block '==== Profile … ===='"
        said = next((mark for mark in _MARKS if mark in text), None)
        return f"a line '{said}…'" if said and not is_json(text) and not is_program(head) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        count = 0
        for config, values in _blocks(complete_lines(text)):
            name = run_name(run_base(place), count)
            yield from _items(place, name, config, values)
            count += 1
        if not count:
            raise ParseError("no whole line of a result")


def _items(place: Place, name: str, config: dict[str, Any], values: Values) -> Iterator[Item]:
    run = offline_run(place, "lmdeploy", config, name)
    run.kind = "inference" if "input_len" in config else "serving"
    for raw_name, meaning, text, line in values:
        precision = decimals(text) if "." in text else "full"
        item = measurement(name, meaning, text, raw_name, line, case_in(config), precision)
        yield item
        if meaning.metric == "completed_requests" and item.value == 0:
            run.status = "failed"
    yield run


def _blocks(lines: list[str]) -> Iterator[tuple[dict[str, Any], Values]]:
    config: dict[str, Any] = {}
    values: Values = []
    columns: list[str] = []
    new = False
    for line_number, line in enumerate(lines, 1):
        title = _TITLE.match(line)
        if title or (not new and line.startswith(_DASHES)) or (new and re.fullmatch(r"=+\s*", line)):
            if values:
                yield config, values
            config, values, new = ({"benchmark": title["title"]} if title else {}), [], bool(title)
        elif new and _COLUMNS.match(line):
            columns = line.split()
        elif new:
            _row(line, line_number, columns, config, values)
        else:
            _old_line(line, line_number, config, values)
    if values:
        yield config, values


def _row(line: str, line_number: int, columns: list[str], config: dict[str, Any], values: Values) -> None:
    row = _ROW.match(line)
    if row is None:
        return
    label, cells = row["label"], row["values"].split()
    if label in _TABLE:
        for column, cell in zip(columns, cells, strict=False):
            values.append(
                (f"{label} {column}", _NAMES[label].as_statistic(statistic_of(column) or column), cell, line_number)
            )
    elif label in _NAMES:
        values.append((label, _NAMES[label], cells[0], line_number))
    else:
        config[_key(label)] = plain(cells[0])


def _key(label: str) -> str:
    """``Total requests`` is what was sent, ``Concurrency`` a condition."""
    return {"Total requests": "num_prompts"}.get(label, label.lower().replace(" ", "_"))


def _old_line(line: str, line_number: int, config: dict[str, Any], values: Values) -> None:
    if found := _OLD_LINE.match(line):
        values.append((found["key"], _OLD[found["key"]], found["value"], line_number))
    elif spread := _SPREAD.match(line):
        what = _SPREADS.get(spread["what"], _NAMES["Time to First Token (TTFT)"])
        for word, cell in zip(("min", "max", "mean"), spread["values"].split(", "), strict=True):
            values.append((f"{spread['what']} latency {word}", what.as_statistic(word), cell.rstrip("s"), line_number))
    elif ranks := _PERCENTILES.search(line):
        step = Meaning("itl", "itl@step_zero_filled")
        for rank, cell in zip(
            (50, 75, 95, 99), re.findall(r"\d+\.?\d*(?:e-?\d+)?", _unwrapped(ranks["values"])), strict=False
        ):
            values.append((f"token latency {rank}%", step.as_statistic(f"p{rank}"), cell, line_number))
    else:
        for case in _CASE.finditer(line):
            key = {"input_tokens": "input_len", "output_tokens": "output_len"}.get(case["key"], case["key"])
            config[key] = number(case["value"])


def _unwrapped(cells: str) -> str:
    """Numbers of a printed list, ``np.float64(0.07)`` too."""
    return re.sub(r"np\.float\d+\(([^)]*)\)", r"\1", cells)
