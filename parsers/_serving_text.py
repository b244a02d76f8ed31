"""The block that serving benchmarks of vLLM's family print, once or many times in one text.

``============ Serving Benchmark Result ============``, rows ``label:   value`` with sections between them, and a line
of ``=``; the program's arguments are printed further up as ``Namespace(…)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from llmstats.parsing import Head, Place
from llmstats.records import Event, Item
from llmstats.training import run_name

from ._literals import read_literal
from ._serving import decimals
from ._serving_command import commands
from ._serving_names import key_of, meaning_of
from ._serving_result import Entry, Result, lengths_in, run_base

#: Where the line goes on with an escaped newline or a tag, something quotes the block: a JSON text, a page.
TITLE = re.compile(r"={3,} ?(?:Serving|Offline Throughput) Benchmark Result ?={3,}(?!\S)(?![^\n]*\\[nr])")
_END = re.compile(r"={20,}\s*$")
#: Labels are padded to so many characters.
_WIDTH = 40
#: A row; the label never holds a wide gap, so that a prefix (a clock, a pod's name) is no part of it.
_ROW = re.compile(r"\s{0,12}(?P<label>\S(?:(?! {3}).)*?):\s+(?P<value>\S+(?: set)?)\s*$")
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d+)?(?:e[-+]?\d+)?|nan|inf)", re.I)
_NAMESPACE = re.compile(r"Namespace\((?P<inside>.*)\)\s*$")
_ARGUMENT = re.compile(
    r"(?P<key>[A-Za-z_]\w*)="
    r"(?P<value>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\[[^\]]*\]|\{[^}]*\}|<[^>]*>|[^,()\[\]{}'\"<>]+)(?:, |$)"
)
_SECRET = re.compile(r"api_key|hf_token|password|secret|header")
#: What is printed between the arguments and the block.
_ANNOUNCED = re.compile(
    r"(?P<label>Traffic request rate|Maximum request concurrency|Burstiness factor): (?P<value>\S+)"
)
_TRACEBACK = "Traceback (most recent call last)"
_ERROR = re.compile(r"[\w.]*(?:Error|Exception|Interrupt|Exit)\b.*")


_STARTS = "Starting main benchmark run"
#: In SGLang's block only; lmdeploy copied an early one.
_SGLANG = re.compile(
    r"Concurrency:|request concurrency:|Total token throughput|Inter-Token Latency|Offline Throughput"
    r"|Backend: +(?:sglang|engine|runtime)"
)
_BACKEND = re.compile(r"^.{0,80}?Backend: +(\S+)", re.M)
_PROGRAMS = tuple(
    f"*.{suffix}" for suffix in ("py", "pyi", "sh", "bash", "js", "ts", "tsx", "go", "rs", "cpp", "yaml", "yml")
)
_JSON = re.compile(r"\s*(?:\{\s*\"|\[\s*[\[{\"])")
#: SGLang's benchmark of image models borrows the title.
_DIFFUSION = re.compile(r"^.{0,80}?Latency Mean \(s\):", re.M)


def writer(head: Head) -> str | None:
    """Whose block, or beginning of a benchmark, a text holds: ``vllm``, ``sglang``, ``lmdeploy`` or None."""
    if is_program(head):
        return None
    title = TITLE.search(head.text) if "Benchmark Result" in head.text else None
    if title is None:
        return _starter(head.text) if _STARTS in head.text and not is_json(head.text) else None
    block = head.text[title.start() : title.start() + 4000]
    end = TITLE.search(block, 30)
    block = block[: end.start()] if end else block
    backend = _BACKEND.search(block)
    if _DIFFUSION.search(block):
        return None
    if backend is None:
        return "vllm" if block.count("\n") > 1 else None
    if backend[1].startswith("lmdeploy") and "Concurrency:" not in block:
        return "lmdeploy"
    return "sglang" if _SGLANG.search(block) else "lmdeploy"


def is_program(head: Head) -> bool:
    """Whether a file is a program or its settings, which may quote what it prints."""
    return head.place.matches(*_PROGRAMS)


def is_json(text: str) -> bool:
    """Whether a text begins like JSON, which may quote a log but is none."""
    return _JSON.match(text) is not None


def _starter(text: str) -> str:
    """Who printed the lines above a block that is not there yet, or further down."""
    if "benchmark_args=Namespace(" in text or "Namespace(backend='sglang" in text:
        return "sglang"
    return "lmdeploy" if "warmup time: " in text or "Namespace(backend='lmdeploy" in text else "vllm"


@dataclass(slots=True)
class Block:
    """One printed result."""

    line: int  #: of the title
    rows: list[tuple[str, str, int]] = field(default_factory=list)  #: label, value, line
    config: dict[str, Any] = field(default_factory=dict)
    ended: bool = False


def complete_lines(text: str) -> list[str]:
    """Lines without one that the end of the file may have cut."""
    lines = text.split("\n")
    lines.pop()
    return lines


def blocks(lines: list[str]) -> Iterator[Block]:
    """All blocks of a text, each with what was announced since the one before."""
    config: dict[str, Any] = {}
    asked = commands(lines)
    block, prefix = None, 0
    for number, text in enumerate(lines, 1):
        title = TITLE.search(text) if "Benchmark Result" in text else None
        if title:
            if block:
                yield block
            block, prefix, config = Block(number, config=config), title.start(), {}
        elif block is None:
            config |= asked.get(number) or announced(text)
        elif _END.search(text):
            block.ended = True
            yield block
            block = None
        elif row := _row(text, prefix):
            block.rows.append((*row, number))
    if block:
        yield block


def _row(text: str, prefix: int) -> tuple[str, str] | None:
    """Label and value; ``prefix``: characters before the block's title, which rows may have too.

    A row that nobody knows is one where its value stands in the column of values.
    """
    for line in (text, text[prefix:]) if prefix else (text,):
        row = _ROW.match(line)
        if row and key_of(row["label"]):
            return row["label"], row["value"]
    row = _ROW.match(text)
    if row is None or prefix or not _NUMBER.fullmatch(row["value"]):
        return None
    return (row["label"], row["value"]) if row.start("value") - row.start("label") > _WIDTH else None


def announced(text: str) -> dict[str, Any]:
    """Arguments of the program that a line tells."""
    if "Namespace(" in text and len(text) < 20_000 and (space := _NAMESPACE.search(text)):
        return _arguments(space["inside"])
    if (said := _ANNOUNCED.match(text)) and said["value"] != "None":
        key = key_of(said["label"]) or "burstiness"
        return {key: _value(said["value"])}
    return {}


def _arguments(inside: str) -> dict[str, Any]:
    found = {}
    for argument in _ARGUMENT.finditer(inside):
        key, value = argument["key"], argument["value"].strip()
        if _SECRET.search(key):
            continue
        if key == "request_rate":
            found[key] = _value(value)
        elif not value.startswith("<") and (read := read_literal(value)) is not None:
            found[key] = read
    return found


def _value(text: str) -> float | int | str:
    if not _NUMBER.fullmatch(text):
        return text
    return int(text) if re.fullmatch(r"-?\d+", text) else text if text.lower() in ("inf", "nan") else float(text)


def results(place: Place, text: str, tokens: str) -> Iterator[Item]:
    """Items of all blocks; a text without any is a benchmark that runs still, or ended with an error."""
    lines = complete_lines(text)
    base, count = run_base(place), 0
    for block in blocks(lines):
        yield from _result(place, run_name(base, count), block, tokens)
        count += 1
    if not count:
        yield from unfinished(place, lines)


def _result(place: Place, name: str, block: Block, tokens: str) -> Iterator[Item]:
    result = Result(name, place.directory(), {}, lengths_in(place.stem) | block.config, tokens)
    for label, value, line in block.rows:
        key = key_of(label)
        if key is not None and meaning_of(key, tokens) is None:
            result.config[key] = None if value in ("None", "not set") else _value(value)
            continue
        entry = Entry(value, line, label, decimals(value) if "." in value else "full")
        if key is None:
            result.unknown[label] = entry
        elif _NUMBER.fullmatch(value):
            result.entries[key] = entry
    yield from result.items()


def unfinished(place: Place, lines: list[str]) -> Iterator[Item]:
    """A run without a result: failed where a traceback stands."""
    asked, config = commands(lines), dict[str, Any]()
    for number, line in enumerate(lines, 1):
        config |= asked.get(number) or announced(line)
    run = Result(run_base(place), place.directory(), {}, config).run()
    begins = [i for i, line in enumerate(lines) if _TRACEBACK in line]
    if begins:
        run.status = "failed"
        yield _failure(run.name, lines, begins[-1])
    yield run


def _failure(run: str, lines: list[str], begin: int) -> Event:
    for i in range(begin + 1, len(lines)):
        if match := _ERROR.match(lines[i]):
            kind = "oom" if "out of memory" in match[0].lower() else "error"
            return Event(run, kind, match[0].strip()[:2000], i + 1)
    return Event(run, "error", _TRACEBACK, begin + 1)
