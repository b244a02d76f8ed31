"""Commands that start a benchmark, as shells and people leave them above a result: what was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import number

_PROGRAM = re.compile(
    r"(?:\bbench (?:serve|throughput|latency)|\bbenchmark_(?:serving|throughput|latency)(?:\.py)?"
    r"|\bbench_(?:serving|one_batch|one_batch_server|offline_throughput|latency)(?:\.py)?"
    r"|\bprofile_(?:restful_api|throughput|generation|pipeline_api)\.py)(?=\s)"
)
#: What a shell has yet to fill in (``$MODEL``, ``{rate}``) says nothing.
_OPTION = re.compile(
    r"(?<!\S)--(?P<key>[a-z][\w-]*)(?:=|\s+)(?P<value>'[^'\n]*'|\"[^\"\n]*\"|(?!-)[^\s\\'\"$`{}<>|;&]+)(?=[\s\\;|&]|$)"
)
#: Options whose short forms SGLang documents.
_FULL = {"random_input": "random_input_len", "random_output": "random_output_len", "num_prompt": "num_prompts"}
_SECRET = re.compile(r"api_key|hf_token|password|secret|header")
_MAX_LINES = 80


def commands(lines: list[str]) -> dict[int, dict[str, Any]]:
    """Options of each command, by the number (1-based) of its first line."""
    found = {}
    for at, text in enumerate(lines):
        if len(text) < 20_000 and (start := _PROGRAM.search(text)):
            rest = " ".join([text[start.end() :], *_continued(lines, at)])
            if options := _options(rest):
                found[at + 1] = options
    return found


def _continued(lines: list[str], at: int) -> Iterator[str]:
    """Lines that a backslash at the end of the one before goes on with."""
    for i in range(at, min(len(lines) - 1, at + _MAX_LINES)):
        if not lines[i].rstrip().endswith("\\"):
            return
        yield lines[i + 1]


def _options(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for option in _OPTION.finditer(text):
        key, value = option["key"].replace("-", "_"), option["value"].strip("'\"")
        if not _SECRET.search(key) and value and "$" not in value:
            found[_FULL.get(key, key)] = _value(value)
    return found


def _value(text: str) -> float | int | str:
    known = number(text)
    if known is None or text.lower() in ("nan", "inf", "infinity"):
        return text
    return int(text) if re.fullmatch(r"-?\d+", text) else known
