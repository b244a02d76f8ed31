"""FlagPerf generate: ``ttft.log`` and ``throughput.log`` of an engine, and what ``main.py`` says at the end.

Source: ``generate/{TTFT,Throughput}/*/{vllm,hf}/*.py``, ``generate/main.py`` of FlagOpen/FlagPerf.  With vLLM the
time to first token is that of the whole batch, with Hugging Face the mean of requests one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place, Sample
from llmstats.records import Event, Item, Run
from llmstats.training import microseconds

from ._serving import Meaning, measurement

_CLOCK = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d+(?:[+-]\d{4})?"
_KEYS = (
    "parameter|TTFT|newly generated tokens|total number of tokens|duration|token/s |rougeone|rougetwo|rougeL|rougeLsum|"
    "Throughput|Tps|MFU|ROUGE1|ROUGE2|ROUGEL"
)
_LINE = re.compile(
    rf"(?P<clock>{_CLOCK}) (?:(?P<level>[A-Z]+) |\| (?P<level2>[A-Z]+) +\| \S+ - )"
    rf"(?:(?P<key>{_KEYS}):(?P<blank> ?)(?P<value>[-+\d.eE]+|nan|inf)|(?P<message>.*))$"
)
_OURS = re.compile(
    rf"^{_CLOCK} (?:INFO |\| INFO +\| \S+ - )(?:parameter: ?[\d.]|newly generated tokens:|Start measuring TTFT$)", re.M
)
_MEANINGS = {
    "newly generated tokens": Meaning("output_tokens", "output_tokens@new_tokens_of_all_requests"),
    "total number of tokens": Meaning("total_tokens", "total_tokens@prompt_and_output"),
    "duration": Meaning("benchmark_duration"),
    "token/s": Meaning("total_tokens_per_second", "total_tokens_per_second@prompt_and_new"),
    "Tps": Meaning("total_tokens_per_second", "total_tokens_per_second@prompt_and_new"),
    "Throughput": Meaning("output_tokens_per_second", "output_tokens_per_second@excl_ttft"),
    "MFU": Meaning("mfu", "mfu@flagperf_generate"),
    "rougeone": Meaning("rouge1"),
    "rougetwo": Meaning("rouge2"),
    "rougeL": Meaning("rougeL"),
    "rougeLsum": Meaning("rougeLsum"),
    "ROUGE1": Meaning("rouge1"),
    "ROUGE2": Meaning("rouge2"),
    "ROUGEL": Meaning("rougeL"),
}
_TTFT = {"vllm": "ttft@batch_of_all_requests", "huggingface": "ttft@mean_of_requests"}
_ENGINES = {"vllm": "vllm", "hf": "huggingface"}


def _text(*lines: str) -> str:
    return "".join(f"2025-03-01T09:10:05.123456+0800 INFO {line}\n" for line in lines)


def _said(*lines: str) -> str:
    return "".join(f"2025-03-01 09:10:05.123 | INFO     | __main__:<module>:51 - {line}\n" for line in lines)


_SPEED = _text(
    "newly generated tokens:12800.0", "total number of tokens:51200.0", "duration:20.5", "token/s :2497.560975609756",
    "rougeone:0.25", "rougetwo:0.125", "rougeL:0.2", "rougeLsum:0.21",
)  # fmt: skip
_MAIN = _said("Starting...", "Start measuring TTFT", "TTFT:2.5", "Throughput:711.1", "Tps:2497.56", "MFU:0.112",
              "ROUGE1:0.25", "ROUGE2:0.125", "ROUGEL:0.2")  # fmt: skip


class FlagPerfGenerateLog(DocumentParser):
    """One run: the directory of an engine's logs."""

    name = "flagperf_generate_log"
    version = 1
    title = "FlagPerf generate: ttft.log, throughput.log, output of main.py"
    writes = "FlagPerf"
    samples = (
        Sample(
            "result/logs_1/vllm/ttft.log",
            _text("parameter:7000000000.0", "TTFT:2.5"),
            matched=1,
            measurements={("ttft", "value"): 2.5},
            runs={"logs_1/vllm": {"framework": "vllm", "config": {"parameters": 7e9}}},
        ),
        Sample(
            "result/logs_1/hf/ttft.log",
            _text("parameter: 7000000000.0", "TTFT: 0.25"),
            matched=1,
            measurements={("ttft", "value"): 0.25},
            runs={"logs_1/hf": {"framework": "huggingface"}},
        ),
        Sample(
            "result/logs_1/vllm/throughput.log",
            _SPEED,
            matched=8,
            measurements={
                ("output_tokens", "value"): 12800.0,
                ("total_tokens", "value"): 51200.0,
                ("benchmark_duration", "value"): 20.5,
                ("total_tokens_per_second", "value"): 2497.560975609756,
                ("rouge1", "value"): 0.25,
                ("rouge2", "value"): 0.125,
                ("rougeL", "value"): 0.2,
                ("rougeLsum", "value"): 0.21,
            },
            runs={"logs_1/vllm": {"status": "completed", "kind": "inference"}},
        ),
        Sample(
            "night/generate.txt",
            _MAIN,
            matched=7,
            measurements={("output_tokens_per_second", "value"): 711.1, ("mfu", "value"): 0.112},
            runs={"night/generate": {"framework": None}},
        ),
    )

    def detect(self, head: Head) -> str | None:
        likely = any(sign in head.text for sign in (" parameter:", "newly generated tokens:", "Start measuring TTFT"))
        found = _OURS.search(head.text) if likely else None
        return f"line {found[0][:80]!r}" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # behind the last newline: nothing, or half a line
        run = _run(place)
        for number, line in enumerate(lines, 1):
            if match := _LINE.match(line):
                time = microseconds(match["clock"])
                run.started_at, run.ended_at = run.started_at or time, time
                yield from _said_of(run, match, number, time)
        yield run


def _run(place: Place) -> Run:
    engine = _ENGINES.get(place.parent())
    logs = place.matches("ttft*.log", "throughput*.log")
    stem = "" if logs else place.stem
    upper = place.parent(2) if logs else ""
    name = "/".join(p for p in (upper, place.parent(), stem) if p)
    return Run(name, place.directory() if logs else place.path, kind="inference", framework=engine)


def _said_of(run: Run, match: re.Match[str], line: int, time: int | None) -> Iterator[Item]:
    key = (match["key"] or "").strip()
    if key == "parameter":
        run.config["parameters"] = float(match["value"])
        run.framework = run.framework or ("huggingface" if match["blank"] else "vllm")
    elif key == "TTFT":
        definition = _TTFT.get(run.framework or "", "ttft@batch_or_mean_of_requests")
        yield measurement(run.name, Meaning("ttft", definition), match["value"], key, line)
    elif key:
        if key in ("token/s", "Tps"):
            run.status = "completed"
        yield measurement(run.name, _MEANINGS[key], match["value"], key, line)
    elif (match["level"] or match["level2"]) in ("ERROR", "CRITICAL"):
        yield Event(run.name, "error", match["message"][:2000], line, time)
