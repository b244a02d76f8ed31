"""Logs of inference servers: what their samples cannot say."""

from __future__ import annotations

import re

import pytest

from llmstats import formats
from llmstats.parsing import LineParser

from . import parserkit

_BY_NAME = {parser.name: parser for parser in formats.parsers()}
_LINE = (
    "INFO 11-18 11:13:{second:02d} metrics.py:351] Avg prompt throughput: {value}.5 tokens/s, Avg generation "
    "throughput: 1.2 tokens/s, Running: 6 reqs, Swapped: 0 reqs, Pending: 3 reqs, GPU KV cache usage: 17.9%, "
    "CPU KV cache usage: 0.0%."
)


def _read(name: str, text: str, path: str = "night/server.log") -> parserkit.Outcome:
    parser = _BY_NAME[name]
    assert isinstance(parser, LineParser)
    return parserkit.read(parser, path, text.encode())


def test_every_statistics_line_is_a_point_with_a_time() -> None:
    text = "\n".join(_LINE.format(second=i % 60, value=i) for i in range(200)) + "\n"
    points = [p for p in _read("vllm_server_log", text).points if p.metric == "input_tokens_per_second"]
    assert [p.value for p in points] == [i + 0.5 for i in range(200)]
    assert [p.line for p in points] == list(range(1, 201))
    assert all(p.step is None and p.time is not None for p in points)


def test_clock_without_a_year_takes_it_from_the_path() -> None:
    text = _LINE.format(second=1, value=1) + "\n"
    for path, year in (("20231118_1100/server.log", 2023), ("20231101/server.log", 2025), ("x/server.log", 2025)):
        (time,) = {p.time for p in _read("vllm_server_log", text, path).points}
        assert time is not None
        assert 1970 + time // 31_556_952_000_000 == year


@pytest.mark.parametrize(
    "text",
    [
        "```\n" + "> INFO metrics.py:351] `Avg prompt throughput: 1.0 tokens/s`\n",
        _LINE.format(second=1, value=1) + "\n============ Serving Benchmark Result ============\n",
        "  Decode batch. #running-req: 3\n",
    ],
)
def test_leaves_other_texts_alone(text: str) -> None:
    head = parserkit.head("night/notes.txt", text.encode())
    assert not [p.name for p in formats.parsers() if p.name.endswith("_server_log") and p.detect(head)]


def test_crash_counts_unless_the_server_goes_on() -> None:
    crash = "ERROR 11-18 11:20:00 client.py:247] RuntimeError('Engine loop has died')\n"
    line = _LINE.format(second=1, value=1) + "\n"
    (run,) = _read("vllm_server_log", line + crash).runs.values()
    assert run.status == "failed"
    (run,) = _read("vllm_server_log", line + crash + line).runs.values()
    assert run.status is None


def test_errors_that_differ_in_numbers_only_are_told_once() -> None:
    errors = "".join(
        f"ERROR 11-18 11:20:{i:02d} api.py:9] asyncio.CancelledError: scope 73c9c6fba{i:03d}\n" for i in range(30)
    )
    outcome = _read("vllm_server_log", _LINE.format(second=1, value=1) + "\n" + errors)
    assert [event.message for event in outcome.events] == ["asyncio.CancelledError: scope 73c9c6fba000"]


def test_second_start_is_a_run_of_its_own_for_each_engine() -> None:
    for name in ("vllm_server_log", "sglang_server_log", "lightllm_server_log"):
        sample = _BY_NAME[name].samples[0]
        assert isinstance(sample.text, str)
        once = _read(name, sample.text, sample.path)
        twice = _read(name, sample.text * 2, sample.path)
        assert len(twice.runs) == 2
        assert len(twice.points) == 2 * len(once.points)
        assert {re.sub(r"#\d+$", "", run) for run in twice.runs} == set(once.runs)
