"""What AIChipBenchmark's ``llm_profiler.py`` and its ancestor, lightllm's ``benchmark_client.py``, share.

A "token" of both is one non-empty chunk of the stream; only requests of two chunks and more are valid and
enter anything but the input throughput, which is nominal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from llmstats.errors import ParseError
from llmstats.parsing import Place
from llmstats.records import FULL, Measurement, Run

PERCENTILES = (1, 25, 50, 75, 90, 95, 99, 100)
#: Sections of percentiles: name in the dict -> name in the text and in the CSV.
SECTIONS = {
    "request_time": "request_time",
    "first_token_time_dict": "first_token_time",
    "decode_token_time_dict": "decode_token_time",
}

_SINGLE = {
    "request_num": ("completed_requests", "value", "completed_requests@two_chunks"),
    "failed": ("failed_requests", "value", "failed_requests@fewer_than_two_chunks"),
    "valid ratio": ("success_rate", "value", "success_rate@two_chunks"),
    "Total QPS": ("requests_per_second", "value", "requests_per_second@valid"),
    "Avg Input Length": ("input_tokens", "mean", "input_tokens@nominal"),
    "Avg Output Length": ("output_tokens", "mean", "output_tokens@chunks"),
    "Total Throughput": ("total_tokens_per_second", "value", "total_tokens_per_second@nominal_in_chunks_out"),
    "Input Throughput": ("input_tokens_per_second", "value", "input_tokens_per_second@nominal"),
    "Output Throughput": ("output_tokens_per_second", "value", "output_tokens_per_second@chunks"),
}
_DISTRIBUTION = {
    "request_time": ("e2e_latency", "e2e_latency@last_chunk"),
    "first_token_time": ("ttft", "ttft@first_chunk"),
    "decode_token_time": ("tpot", "tpot@mean_chunk_gap"),
}


class Value(NamedTuple):
    """A number as one file gives it."""

    number: float
    raw: str
    line: int
    precision: str = FULL


@dataclass(slots=True)
class Cell:
    """One run of the benchmark: clients, input and output length, and what was measured."""

    name: str
    root: str
    clients: float | None
    input_len: float | None
    output_len: float | None
    values: dict[str, Value]  #: ``Output Throughput``, ``request_time P99`` … -> value
    backend: str = ""

    def run(self, program: str) -> Run:
        """Facts of the run; the fingerprint joins the files that speak of one measurement."""
        run = Run(self.name, self.root, kind="serving")
        asked = {"input_len": self.input_len, "output_len": self.output_len, "concurrency": self.clients}
        run.config |= {key: value for key, value in asked.items() if value is not None}
        if "Total QPS" in self.values and "Output Throughput" in self.values:
            run.status = "completed"
            if self.clients is not None:
                run.fingerprint = f"{program}:{int(self.clients)}:{self.values['Total QPS'].number!r}"
        if self.backend:
            run.config["backend"] = self.backend
        return run

    def measurements(self, conditions: Mapping[str, Any]) -> Iterator[Measurement]:
        """All values in canonical names and units.

        Where one token was asked for, ``decode_token_time`` is the gap to the event that closes the stream, and no
        time per token: it is left out.
        """
        for raw_name, value in self.values.items():
            if self.output_len == 1 and raw_name.startswith("decode_token_time "):
                continue
            metric, statistic, definition, number = _canonical(raw_name, value.number)
            yield Measurement(
                run=self.name,
                metric=metric,
                value=number,
                statistic=statistic,
                raw_name=raw_name,
                raw_value=value.raw,
                definition=definition,
                input_len=self.input_len,
                output_len=self.output_len,
                concurrency=self.clients,
                conditions=dict(conditions),
                precision=value.precision,
                line=value.line,
            )


def _canonical(raw_name: str, number: float) -> tuple[str, str, str | None, float]:
    if raw_name in _SINGLE:
        return (*_SINGLE[raw_name], number)
    section, _, percentile = raw_name.partition(" P")
    if section not in _DISTRIBUTION:
        return raw_name, "value", None, number
    metric, definition = _DISTRIBUTION[section]
    statistic = "max" if percentile == "100" else f"p{percentile}"
    return metric, statistic, definition, number / 1000 if section == "decode_token_time" else number


# --------------------------------------------------------------------------- which run a file speaks of

_LENGTHS = re.compile(r"(?:bz(\d+)_)?input(\d+)_output(\d+)")
#: ``llmstats run serving`` lays the dump beside the log.
_TEST_LOG = re.compile(r"test_log_(?:bz(\d+)_)?input(\d+)_output(\d+)\.(?:log|json)")


def is_test_log(place: Place) -> bool:
    """Whether ``benchmark_all.py`` named the file."""
    return bool(_TEST_LOG.fullmatch(place.name))


def cell_name(directory: str, clients: float | None, input_len: float | None, output_len: float | None) -> str:
    """``results/bz8_input256_output128``."""
    case = f"input{input_len:.0f}_output{output_len:.0f}"
    if clients is not None:
        case = f"bz{clients:.0f}_{case}"
    return "/".join(p for p in (directory, case) if p)


def cell_of(place: Place, values: dict[str, Value], clients: float | None, backend: str) -> Cell:
    """The cell of a log or a dump; lengths only where the file's name says them.

    ``benchmark_all.py`` writes its logs into ``log/`` beside the CSV: both speak of the directory above.  Its
    first version knows one number of clients and leaves it out of the name.
    """
    up = 2 if place.parent() == "log" and is_test_log(place) else 1
    root, directory = place.directory(up), place.parent(up)
    match = _LENGTHS.search(place.stem)
    if not match:
        name = "/".join(p for p in (directory, place.stem) if p)
        return Cell(name, root, clients, None, None, values, backend)
    named, input_len, output_len = float(match[1]) if match[1] else None, float(match[2]), float(match[3])
    name = cell_name(directory, named, input_len, output_len)
    clients = named if clients is None else clients
    return Cell(name, root, clients, input_len, output_len, values, backend)


def length_mode(cell: Cell) -> dict[str, str]:
    """How output lengths were drawn, as far as the average tells: the two versions cannot be compared.

    Version 2 asks every request for ``output_len`` (a chunk more or less is the server's); version 1 draws up
    to twice as many, and with some dozens of requests does not come below half of the mean.  Servers that put
    several tokens into a chunk leave it unknown.
    """
    average = cell.values.get("Avg Output Length")
    if average is None or cell.output_len is None:
        return {}
    if abs(average.number - cell.output_len) <= 2:
        return {"output_len_mode": "constant"}
    return {"output_len_mode": "random"} if average.number > cell.output_len / 2 else {}


# --------------------------------------------------------------------------- dict of results


def values_of(result: Mapping[str, Any], line_of: Mapping[tuple[str, str], int]) -> dict[str, Value]:
    """Values of a dict of results.

    Args:
        result: keys as both programs write them.
        line_of: (section or empty, key) -> line.

    Raises:
        ParseError: a value is no number.
    """
    values = {}
    for key in _SINGLE:
        if key in result:
            values[key] = _value(result[key], line_of["", key])
    for section, name in SECTIONS.items():
        for percentile, number in result.get(section, {}).items():
            values[f"{name} {percentile}"] = _value(number, line_of[section, percentile])
    return values


def _value(value: Any, line: int) -> Value:
    try:
        return Value(float(value), str(value), line)
    except (TypeError, ValueError):
        raise ParseError(f"line {line}: not a number: {value!r}") from None


# --------------------------------------------------------------------------- who wrote it

_P1 = re.compile(r"(?:_time +|['\"])P1['\"]?:")
_P25 = re.compile(r"(?:_time +|['\"])P2")
SUMMARY = re.compile(r"valid num = (\d+); all data num = (\d+); valid ratio = (\d+(?:\.\d*)?)")


def is_ancestor(text: str) -> bool:
    """Whether lightllm's program wrote a text: it prints no P1, and says that it made its data."""
    if _P1.search(text):
        return False
    return bool(_P25.search(text)) or "Generate random data finish." in text
