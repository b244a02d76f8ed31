"""FlagScale's inference benchmarks: a ``SUMMARY`` of latency or throughput, or the time of one request.

Source: ``benchmarks/inference/benchmark_*.py`` of FlagOpen/FlagScale (``75d2691`` to their removal in 2025).  Tokens
are prompt and output together; ``GB`` are 2^30 bytes.  Later: ``flagscale/benchmarks/benchmark_throughput.py``, which
generates the same static batch again and again and counts its output tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place, Sample
from llmstats.records import Event, Item, Run

from ._serving import Case, Meaning, decimals, measurement

_GIB = 2.0**30
_BEGIN = re.compile(r"^(?:={11}SUMMARY={12}|-{12} SUMMARY -{12}|Benchmark Results)$", re.M)
_END = re.compile(r"(?:={30}|-{33}|#{60})$")
_LATER = "\nBenchmark Results\nTotal iters: "
_ITERATIONS = re.compile(r"(?:Num|Total) iters: (\d+)$")
_TOTAL = "Num totol tokens: "  # sic
_POSTED = re.compile(r"(?:[Ee]slaped) time: (?P<value>[\d.]+) seconds$")
_RESPONSE = re.compile(r"^[Rr]esponse: ", re.M)
_ARGUMENT = re.compile(r"\b(?P<key>\w+)=(?P<value>'[^']*'|[-\w./]+)")
_ERROR = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)(?:: .*|$)")
_NUMBER = r"(?P<value>\d[\d.]*(?:[eE][-+]?\d+)?|nan|inf)"
_BATCH = "output_tokens_per_second@static_batch"
_CALL = "e2e_batch_latency@generate_call"
_VALUES = (
    (re.compile(rf"Total tokens: {_NUMBER}$"), "Total tokens", Meaning("output_tokens", statistic="sum")),
    (re.compile(rf"Total time: {_NUMBER}s$"), "Total time", Meaning("benchmark_duration")),
    (re.compile(rf"Throughput: {_NUMBER} tokens/s$"), "Throughput", Meaning("output_tokens_per_second", _BATCH)),
    (re.compile(rf"Avg latency: {_NUMBER}s$"), "Avg latency", Meaning("e2e_batch_latency", _CALL, statistic="mean")),
    (re.compile(rf"P50 latency: {_NUMBER}s$"), "P50 latency", Meaning("e2e_batch_latency", _CALL, statistic="p50")),
    (re.compile(rf"Num Request: {_NUMBER}$"), "Num Request", Meaning("completed_requests")),
    (re.compile(rf"{_TOTAL}{_NUMBER}$"), "Num totol tokens", Meaning("total_tokens", "total_tokens@prompt_and_output")),
    (re.compile(rf"Elapsed time: {_NUMBER}(?: seconds)?$"), "Elapsed time", Meaning("benchmark_duration")),
    (re.compile(rf"Avg Latency: {_NUMBER} seconds$"), "Avg Latency",
     Meaning("e2e_batch_latency", _CALL, statistic="mean")),
    (re.compile(rf"Throughput: {_NUMBER} requests/s, "), "Throughput requests/s",
     Meaning("requests_per_second", "requests_per_second@offline")),
    (re.compile(rf"Throughput: \S+ requests/s, {_NUMBER} tokens/s$"), "Throughput tokens/s",
     Meaning("total_tokens_per_second", "total_tokens_per_second@offline")),
    (re.compile(rf"Max Memory: {_NUMBER} GB "), "Max Memory", Meaning("memory_allocated_peak", factor=_GIB)),
    (re.compile(rf"Max Memory: \S+ GB \({_NUMBER}%\)$"), "Max Memory %",
     Meaning("memory_allocated_peak_share", factor=0.01)),
)  # fmt: skip

_ARGUMENTS = (
    "Namespace(model='/models/Toy-7B', prompt_len=64, generate_len=128, num_iters=10, tensor_model_parallel_size=2)\n"
)
_OLD = (
    f"args is {_ARGUMENTS}get model successfully....\nBenchmark....\niter-9/10\nelapsed time: 12.3\n"
    "===========SUMMARY============\nNum Request: 4\nNum totol tokens: 768\nBatch Size: 4\nNum iters: 10\n"
    "Avg Latency: 1.23 seconds\nMax Memory: 14.25 GB (17.81%)\n==============================\n"
)
_NEW = (
    f"{_ARGUMENTS}Warming up...\nBenchmark....\nPrompt: 'Throughput: 1.00 requests/s', Generated text: 'x'\n"
    "------------ SUMMARY ------------\nNum Request: 10\nNum totol tokens: 1280\nBatch Size: 1\n"
    "Elapsed time: 2.56\nThroughput: 3.91 requests/s, 500.25 tokens/s\nMax Memory: 70.12 GB (88.10%)\n"
    "---------------------------------\n"
)
_BATCHES = (
    f"=> Running benchmark...\n[Iter 0] latency=0.625s\n[Iter 1] latency=0.635s\n{'#' * 60}\nBenchmark Results\n"
    "Total iters: 2\nTotal tokens: 32\nTotal time: 1.260s\nThroughput: 25.40 tokens/s\nAvg latency: 0.630s\n"
    f"P50 latency: 0.631s\n{'#' * 60}\n"
)
_SERVING = 'Posting...\nResponse: {"text": "hello"}\nEslaped time: 1.23456789 seconds\n'


class FlagScaleInferenceLog(DocumentParser):
    """One run per file."""

    name = "flagscale_inference_log"
    version = 1
    title = "FlagScale inference benchmarks: SUMMARY of latency, throughput; time of a request"
    writes = "FlagScale"
    samples = (
        Sample(
            "night/log.megatron.latency",
            _OLD,
            matched=4,
            measurements={
                ("completed_requests", "value"): 4,
                ("total_tokens", "value"): 768,
                ("e2e_batch_latency", "mean"): 1.23,
                ("memory_allocated_peak", "value"): 14.25 * _GIB,
                ("memory_allocated_peak_share", "value"): 17.81 * 0.01,
            },
            runs={"night/log.megatron.latency": {"kind": "inference", "status": "completed", "model": "Toy-7B",
                                                 "parallelism": "tp2", "config": {"iterations": 10}}},
        ),
        Sample(
            "night/log.vllm.throughout",
            _NEW,
            matched=5,
            measurements={
                ("benchmark_duration", "value"): 2.56,
                ("requests_per_second", "value"): 3.91,
                ("total_tokens_per_second", "value"): 500.25,
            },
        ),
        Sample(
            "inference_logs/host_0_localhost.output",
            _BATCHES,
            matched=5,
            measurements={
                ("output_tokens", "sum"): 32,
                ("benchmark_duration", "value"): 1.26,
                ("output_tokens_per_second", "value"): 25.4,
                ("e2e_batch_latency", "mean"): 0.63,
                ("e2e_batch_latency", "p50"): 0.631,
            },
            runs={"inference_logs/host_0_localhost.output": {"status": "completed", "config": {"iterations": 2}}},
        ),
        Sample("night/serving.log", _SERVING, matched=1, measurements={("e2e_latency", "value"): 1.23456789}),
    )  # fmt: skip

    def detect(self, head: Head) -> str | None:
        if _TOTAL in head.text and _BEGIN.search(head.text):
            return "a SUMMARY with 'Num totol tokens'"
        if _LATER in head.text:
            return "'Benchmark Results' of static batches"
        if "slaped time: " in head.text and _RESPONSE.search(head.text):
            return "a response with its 'eslaped time'"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # behind the last newline: nothing, or half a line
        name = "/".join(p for p in (place.parent(), place.name) if p)
        run, case, inside = Run(name, place.path, kind="inference"), Case(), False
        for number, line in enumerate(lines, 1):
            if "Namespace(" in line[:24]:
                _arguments(run, case, line)
            elif _BEGIN.match(line):
                inside, run.status = True, "completed"
                case.batch_size = _batch_size(lines[number:])
            elif inside and not _END.match(line):
                yield from _summary(run, case, line, number)
            elif posted := _POSTED.match(line):
                whole = Meaning("e2e_latency", "e2e_latency@whole_response")
                yield measurement(run.name, whole, posted["value"], "Eslaped time", number, case)
                run.status = "completed"
            elif error := _ERROR.match(line):
                yield Event(run.name, "error", error[0][:2000], number)
            else:
                inside = inside and not _END.match(line)
        yield run


def _summary(run: Run, case: Case, line: str, number: int) -> Iterator[Item]:
    if iterations := _ITERATIONS.match(line):
        run.config["iterations"] = int(iterations[1])
    for pattern, raw_name, meaning in _VALUES:
        if found := pattern.match(line):
            value = found["value"]
            yield measurement(run.name, meaning, value, raw_name, number, case, decimals(value))


def _batch_size(lines: list[str]) -> float | None:
    """The block names it after the first values."""
    found = next((m for line in lines[:12] if (m := re.match(r"Batch Size: (\d+)$", line))), None)
    return float(found[1]) if found else None


def _arguments(run: Run, case: Case, line: str) -> None:
    """What the program was called with; lengths may have been those of real data instead."""
    said = {m["key"]: m["value"].strip("'") for m in _ARGUMENT.finditer(line)}
    if said.get("dataset_path", "None") == "None":
        for key, name in (("prompt_len", "input_len"), ("generate_len", "output_len")):
            if said.get(key, "").isdigit():
                setattr(case, name, float(said[key]))
    model = said.get("model") or said.get("load")
    run.model = model.rstrip("/").rsplit("/", 1)[-1] if model and model != "None" else None
    sizes = {
        short: int(said[key])
        for short, keys in {"tp": ("tensor_model_parallel_size", "tensor_parallel_size"),
                            "pp": ("pipeline_model_parallel_size", "pipeline_parallel_size")}.items()
        for key in keys
        if said.get(key, "").isdigit()
    }  # fmt: skip
    run.parallelism = " ".join(f"{k}{v}" for k, v in sizes.items() if v > 1) or None
