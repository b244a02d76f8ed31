"""Composed examples of guidellm's files, with what must come out of them."""

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample

Expected = dict[tuple[str, ...], float | None]

_KEYS = ("p001", "p01", "p50", "p95", "p999")
_WORDS = ("p0.1", "p1", "p50", "p95", "p99.9")


def _distribution(first: float, count: int = 4) -> dict[str, Any]:
    """A distribution of which each value differs from all others."""
    plain = {key: first + 0.25 * i for i, key in enumerate(("mean", "mode", "std_dev", "min", "max"))}
    return {
        **plain, "median": first + 1.75, "variance": 0.5, "count": count, "total_sum": first * count,
        "percentiles": {key: first + 1.25 + 0.25 * i for i, key in enumerate(_KEYS)}, "pdf": None,
    }  # fmt: skip


def _values(metric: str, first: float, factor: float = 1.0, subject: str | None = None) -> Expected:
    words = ("mean", "mode", "std", "min", "max", *_WORDS)
    lead = () if subject is None else (subject,)
    return {(*lead, metric, word): (first + 0.25 * i) * factor for i, word in enumerate(words)}


def _by_status(first: float, incomplete: int = 0) -> dict[str, Any]:
    if not incomplete:
        return {"successful": _distribution(first)}
    empty = _distribution(0.0, 0)
    unfinished = _distribution(first * 2, incomplete)
    return {"successful": _distribution(first), "errored": empty, "incomplete": unfinished, "total": empty}


_FIRST = {
    "requests_per_second": 2.0,
    "request_concurrency": 4.0,
    "request_latency": 30.0,
    "prompt_token_count": 128.0,
    "output_token_count": 256.0,
    "time_to_first_token_ms": 47.0,
    "time_per_output_token_ms": 33.0,
    "inter_token_latency_ms": 32.0,
    "output_tokens_per_second": 512.0,
    "tokens_per_second": 768.0,
}
_EARLY_VALUES: Expected = {
    **_values("requests_per_second", 2.0),
    **_values("concurrency", 4.0),
    **_values("e2e_latency", 30.0),
    **_values("input_tokens", 128.0),
    ("input_tokens", "sum"): 512.0,
    **_values("output_tokens", 256.0),
    ("output_tokens", "sum"): 1024.0,
    **_values("ttft", 47.0, 1e-3),
    **_values("tpot", 33.0, 1e-3),
    **_values("itl", 32.0, 1e-3),
    **_values("output_tokens_per_second", 512.0),
    **_values("total_tokens_per_second", 768.0),
    ("benchmark_duration", "value"): 20.0,
    ("completed_requests", "value"): 4.0,
    ("failed_requests", "value"): 1.0,
    ("incomplete_requests", "value"): 2.0,
}
_TOTALS = {"successful": 4, "errored": 1, "incomplete": 2, "total": 7}
_LATER_VALUES: Expected = {
    **_EARLY_VALUES,
    **_values("input_tokens_per_second", 200.0),
    **_values("request_tokens", 384.0),
    **_values("time_to_first_output_token", 49.0, 1e-3),
    **_values("output_tokens_per_iteration", 1.0),
    **_values("ttft", 94.0, 1e-3, "incomplete requests"),
}


def _later(strategy: dict[str, Any], done: int = 4) -> dict[str, Any]:
    metrics: dict[str, Any] = {name: _by_status(first) for name, first in _FIRST.items()}
    metrics |= {
        "request_totals": {**_TOTALS, "successful": done},
        "time_to_first_token_ms": _by_status(47.0, incomplete=2),
        "prompt_tokens_per_second": _by_status(200.0),
        "total_token_count": _by_status(384.0),
        "time_to_first_output_token_ms": _by_status(49.0),
        "output_tokens_per_iteration": _by_status(1.0),
        "text": {"words": {"input": _by_status(9.0)}},
    }
    stats = {"request_start_time": 1_740_000_001.5, "request_latency": 30.5, "prompt_tokens": 128, "output_tokens": 256,
             "time_to_first_token_ms": 47.5, "inter_token_latency_ms": 32.5}  # fmt: skip
    return {
        "type_": "generative_benchmark",
        "config": {
            "run_id": "r", "strategy": strategy, "backend": {"model": "toy/Toy-8B", "target": "http://localhost"},
            "requests": {"data": "['prompt_tokens=128,output_tokens=256']"},
        },
        "scheduler_metrics": {"queued_time_avg": 0.5},
        "metrics": metrics,
        "requests": {
            "successful": [stats], "errored": [{**stats, "info": {"error": "503"}, "output_tokens": None}],
            "incomplete": [], "total": None,
        },
        "start_time": 1_740_000_000.0, "end_time": 1_740_000_020.0, "duration": 20.0,
    }  # fmt: skip


def _short(benchmark: dict[str, Any]) -> dict[str, Any]:
    kept = ("request_totals", "time_to_first_token_ms")
    return {**benchmark, "metrics": {name: benchmark["metrics"][name] for name in kept}, "requests": {}}


_METADATA = {"version": 2, "guidellm_version": "0.7.3", "python_version": "3.12", "platform": "toy"}
_ARGUMENTS = {"target": "http://localhost", "profile": "sweep", "max_seconds": 20.0, "random_seed": 42, "data": ["x"]}
_CONCURRENT = {"type_": "concurrent", "streams": 4, "worker_count": 1}
_CONSTANT = {"type_": "constant", "rate": 2.5, "max_concurrency": None}
_EARLY = {
    "type_": "generative_benchmark",
    "id_": "b",
    "run_id": "r",
    "args": {"strategy": {"type_": "synchronous"}, "max_duration": 20.0},
    "run_stats": {"queued_time_avg": 0.5},
    "worker": {"backend_model": "toy/Toy-8B"},
    "request_loader": {"data": '{"prompt_tokens": 128, "output_tokens": 256}'},
    "metrics": {name: _by_status(first) for name, first in _FIRST.items()},
    "start_time": 1_740_000_000.0,
    "end_time": 1_740_000_020.0,
    "duration": 20.0,
    "request_totals": _TOTALS,
    "requests": {"successful": [{"start_time": 1_740_000_001.5, "request_latency": 30.5, "output_tokens": 9}]},
}
_PER = 10  # statistics of a distribution
JSON_SAMPLES = (
    Sample(
        "sweep/benchmarks.json",
        json.dumps({"metadata": _METADATA, "args": _ARGUMENTS, "benchmarks": [_later(_CONCURRENT)]}, indent=1) + "\n",
        matched=len(_FIRST) * _PER + 5 * _PER + 3 + 4 + 2,
        measurements=_LATER_VALUES,
        runs={
            "sweep/benchmarks": {
                "kind": "serving", "model": "toy/Toy-8B", "status": "completed", "started_at": 1_740_000_000_000_000,
                "config": {"concurrency": 4.0, "input_len": 128.0, "output_len": 256.0, "strategy": "concurrent",
                           "max_seconds": 20.0},
            }
        },
        unknown=("output_tokens_per_iteration",),
    ),
    Sample(
        "sweep/benchmarks.json",
        json.dumps({"metadata": _METADATA, "config": _ARGUMENTS,
                    "benchmarks": [_short(_later(_CONCURRENT)), _short(_later(_CONSTANT, done=0))]}),
        matched=1,
        measurements={("completed_requests", "value"): 0.0, ("ttft", "mean"): 0.047},
        runs={
            "sweep/benchmarks": {"status": "completed"},
            "sweep/benchmarks#2": {"status": "failed", "config": {"request_rate": 2.5, "concurrency": None}},
        },

    ),
    Sample(
        "old/benchmarks.json",
        json.dumps({"benchmarks": [_EARLY]}, indent=1) + "\n",
        matched=_PER * len(_FIRST) + 2 + 1 + 3 + 1,
        measurements=_EARLY_VALUES,
        runs={"old/benchmarks": {"model": "toy/Toy-8B", "config": {"concurrency": 1.0, "input_len": 128.0}}},
    ),
)  # fmt: skip

# --------------------------------------------------------------------------- CSV

_ROW = [1.5, 1.75, 0.25, "[1.0, 1.0, 1.25, 1.5, 1.5, 1.5, 2.0, 2.25, 2.5, 2.75, 3.0]"]
_LIST_WORDS = ("min", "p0.1", "p1", "p5", "p10", "p25", "p75", "p90", "p95", "p99", "max")
_LIST_VALUES = (1.0, 1.0, 1.25, 1.5, 1.5, 1.5, 2.0, 2.25, 2.5, 2.75, 3.0)


def _quoted(cells: list[Any]) -> str:
    texts = (str(cell) for cell in cells)
    return ",".join('"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text for text in texts)


def _row_values(metric: str, factor: float = 1.0) -> Expected:
    known = dict(zip(_LIST_WORDS, _LIST_VALUES, strict=True)) | {"mean": 1.5, "p50": 1.75, "std": 0.25}
    return {(metric, word): value * factor for word, value in known.items()}


_EARLY_HEADER = (
    ["Type", "Run Id", "Id", "Name", "Start Time", "End Time", "Duration", "Successful Requests"]
    + [
        f"Successful {name} {word}"
        for name in ("Requests per second", "Request latency", "Time to first token ms", "Time per output token ms")
        for word in ("mean", "median", "std dev", "[min, 0.1, 1, 5, 10, 25, 75, 90, 95, 99, max]")
    ]
    + ["Errored Requests", "Total Requests", "Args", "Worker"]
)
_EARLY_CELLS = ["generative_benchmark", "r", "b", "constant@2.50", "2025-02-19 21:20:00", "2025-02-19 21:20:20",
                20.0, 4,
                *(_ROW * 4), 1, 5, json.dumps({"strategy": {"type_": "constant", "rate": 2.5}}),
                json.dumps({"backend_model": "toy/Toy-8B"})]  # fmt: skip
_COLUMNS: list[tuple[tuple[str, str, str], Any]] = [
    (("Run Info", "Run ID", ""), "r"),
    (("Run Info", "Profile", ""), json.dumps({"completed_strategies": [_CONCURRENT]})),
    (("Run Info", "Requests", ""), json.dumps({"data": "['prompt_tokens=128,output_tokens=256']"})),
    (("Run Info", "Backend", ""), json.dumps({"model": "toy/Toy-8B"})),
    (("Benchmark", "Type", ""), "generative_benchmark"),
    (("Benchmark", "Strategy", ""), "concurrent"),
    (("Timings", "Start Time", ""), "2025-02-19 21:20:00"),
    (("Timings", "Duration", "Sec"), 20.0),
    (("Timings", "Warmup", "Sec"), 2.0),
    (("Request Counts", "Successful", ""), 4),
    (("Request Counts", "Incomplete", ""), 2),
    (("Request Counts", "Errored", ""), 1),
    (("Request Counts", "Total", ""), 7),
    *(
        ((group, f"{status} {unit}", word), cell)
        for group, status, unit in (
            ("Request Latency", "Successful", "Sec"), ("Time to First Token", "Successful", "ms"),
            ("Time to First Token", "Incomplete", "ms"), ("Time per Output Token", "Successful", "ms"),
            ("Inter Token Latency", "Successful", "ms"), ("Server Throughput", "Successful", "Requests/Sec"),
            ("Server Throughput", "Successful", "Concurrency"), ("Token Metrics", "Successful", "Input Tokens"),
            ("Token Metrics", "Successful", "Output Tokens"), ("Token Throughput", "Successful", "Output Tokens/Sec"),
            ("Token Throughput", "Successful", "Total Tokens/Sec"), ("Text Words", "Successful", "Input"),
        )
        for word, cell in zip(("Mean", "Median", "Std Dev", "Percentiles"), _ROW, strict=True)
    ),
]  # fmt: skip
CSV_SAMPLES = (
    Sample(
        "sweep/benchmarks.csv",
        "".join(_quoted([names[i] for names, _ in _COLUMNS]) + "\n" for i in range(3))
        + _quoted([cell for _, cell in _COLUMNS]) + "\n",
        matched=1,
        measurements={
            **_row_values("e2e_latency"), **_row_values("ttft", 1e-3), **_row_values("tpot", 1e-3),
            **_row_values("itl", 1e-3), **_row_values("requests_per_second"), **_row_values("concurrency"),
            **_row_values("input_tokens"), **_row_values("output_tokens"), **_row_values("output_tokens_per_second"),
            **_row_values("total_tokens_per_second"), ("incomplete requests", "ttft", "mean"): 0.0015,
            ("benchmark_duration", "value"): 20.0, ("completed_requests", "value"): 4.0,
            ("failed_requests", "value"): 1.0, ("incomplete_requests", "value"): 2.0,
        },
        runs={
            "sweep/benchmarks": {
                "model": "toy/Toy-8B", "status": "completed",
                "config": {"concurrency": 4.0, "input_len": 128.0, "strategy": "concurrent"},
            }
        },
    ),
    Sample(
        "old/benchmarks.csv",
        _quoted(_EARLY_HEADER) + "\n" + _quoted(_EARLY_CELLS) + "\n" + _quoted(_EARLY_CELLS) + "\n",
        matched=2,
        measurements={
            **_row_values("requests_per_second"), **_row_values("ttft", 1e-3), **_row_values("tpot", 1e-3),
            ("completed_requests", "value"): 4.0, ("failed_requests", "value"): 1.0,
        },
        runs={
            "old/benchmarks": {"model": "toy/Toy-8B", "config": {"request_rate": 2.5, "strategy": "constant@2.50"}},
            "old/benchmarks#2": {},
        },
    ),
)  # fmt: skip

# --------------------------------------------------------------------------- console

TEXT_SAMPLES = (
    Sample(
        "night/toy_bench.log",
        """\
✔ OpenAIHTTPBackend backend validated with model toy/Toy-8B
✔ Setup complete, starting benchmarks...


ℹ Run Summary Info
|=============|==========|==========|=======|======|======|========|=====|=====|=========|=====|=====|
| Benchmark   | Timings                               ||||| Input Tokens     ||| Output Tokens     |||
| Strategy    | Start    | End      | Dur   | Warm | Cool | Comp   | Inc | Err | Comp    | Inc | Err |
|             |          |          | Sec   | Sec  | Sec  | Tot    | Tot | Tot | Tot     | Tot | Tot |
|-------------|----------|----------|-------|------|------|--------|-----|-----|---------|-----|-----|
| synchronous | 17:21:22 | 17:33:22 | 720.0 | 90.0 | 90.0 | 2318.0 | 0.0 | 0.0 | 25600.0 | 0.0 | 0.0 |
| constant    | 17:34:22 | 17:36:22 | 120.0 | 9.0  | 9.0  | 318.0  | 0.0 | 0.0 | 5600.0  | 0.0 | 0.0 |
|=============|==========|==========|=======|======|======|========|=====|=====|=========|=====|=====|


ℹ Request Token Statistics (Completed Requests)
|=============|======|=======|========|========|
| Benchmark   | Input Tok   || Output Tok     ||
| Strategy    | Per Req     || Per Req        ||
|             | Mdn  | p95   | Mdn    | p95    |
|-------------|------|-------|--------|--------|
| synchronous | 81.0 | 160.0 | 1024.0 | 1030.0 |
| constant    | 82.0 | 161.0 | 1024.0 | 1031.0 |
|=============|======|=======|========|========|


ℹ Request Latency Statistics (Completed Requests)
|=============|=========|========|======|======|======|======|======|======|
| Benchmark   | Request Latency || TTFT       || ITL        || TPOT       ||
| Strategy    | Sec             || ms         || ms         || ms         ||
|             | Mdn     | p95    | Mdn  | p95  | Mdn  | p95  | Mdn  | p95  |
|-------------|---------|--------|------|------|------|------|------|------|
| synchronous | 30.6    | 30.9   | 47.7 | 57.8 | 29.9 | 30.1 | 29.8 | 30.2 |
| constant    | 31.6    | 31.9   | 48.7 | 58.8 | 39.9 | 40.1 | 39.8 | 40.2 |
|=============|=========|========|======|======|======|======|======|======|


ℹ Server Throughput Statistics (All Requests)
|=============|=====|======|=======|======|=======|=======|========|=======|=======|=======|
| Benchmark   | Requests               |||| Input Tokens || Output Tokens || Total Tokens ||
| Strategy    | Per Sec   || Concurrency || Per Sec      || Per Sec       || Per Sec      ||
|             | Mdn | Mean | Mdn   | Mean | Mdn   | Mean  | Mdn    | Mean  | Mdn   | Mean  |
|-------------|-----|------|-------|------|-------|-------|--------|-------|-------|-------|
| synchronous | 0.1 | 0.2  | 1.0   | 0.9  | 2.6   | 3.2   | 33.4   | 33.5  | 33.6  | 36.4  |
| constant    | 0.3 | 0.4  | 2.0   | 1.9  | 3.6   | 4.2   | 43.4   | 43.5  | 43.6  |
|=============|=====|======|=======|======|=======|=======|========|=======|=======|=======|
""",
        matched=7,
        measurements={
            ("benchmark_duration", "value"): 720.0, ("input_tokens", "sum"): 2318.0, ("output_tokens", "sum"): 25600.0,
            ("input_tokens", "p50"): 81.0, ("output_tokens", "p95"): 1031.0, ("e2e_latency", "p50"): 30.6,
            ("ttft", "p95"): 0.0578, ("itl", "p50"): 0.0299, ("tpot", "p50"): 0.0298, ("tpot", "p95"): 0.0402,
            ("requests_per_second", "mean"): 0.2, ("concurrency", "mean"): 0.9,
            ("input_tokens_per_second", "mean"): 3.2, ("output_tokens_per_second", "mean"): 33.5,
            ("total_tokens_per_second", "mean"): 36.4,
        },
        runs={
            "night/toy_bench": {"config": {"strategy": "synchronous", "concurrency": 1.0}},
            "night/toy_bench#2": {"config": {"strategy": "constant"}},
        },
        suspects=1,
    ),
    Sample(
        "old/sweep.log",
        """\
Benchmarks Info:
==============================================================================================================
Metadata                              |||| Requests Made  ||| Prompt Tok/Req ||| Output Tok/Req ||| Prompt Tok ||| Output
   Benchmark| Start Time| End Time| Duration (s)| Comp| Inc| Err| Comp| Inc| Err| Comp| Inc| Err| Comp| Inc| Err| Comp| Inc| Err
--------------------------------------------------------------------------------------------------------------
 synchronous|   17:27:59| 17:28:19|         20.5|    9|   1|   2| 64.5| 1.0| 0.0| 32.5| 5.0| 0.0|  580|   1|   0|  293|   5|   0
constant@2.50|  17:28:59| 17:29:19|         19.5|   19|   0|   0| 65.5| 0.0| 0.0| 33.5| 0.0| 0.0|  680|   0|   0|  393|   0|   0
==============================================================================================================


Benchmarks Stats:
==============================================================================================================
Metadata    | Request Stats          || Out Tok/sec| Tot Tok/sec| Req Latency (ms)||| TTFT (ms) ||| ITL (ms) ||| TPOT (ms) ||
   Benchmark| Per Second| Concurrency| mean| mean| mean| median| p99| mean| median| p99| mean| median| p99| mean| median| p99
--------------------------------------------------------------------------------------------------------------
 synchronous|  0.50|  0.95| 14.5| 43.5| 2.50| 2.25| 2.75| 47.5| 46.5| 57.5| 32.5| 31.5| 37.5| 30.5| 29.5| 35.5
constant@2.50|  0.75|  1.95| 24.5| 53.5| 3.50| 3.25| 3.75| 48.5| 47.5| 58.5| 33.5| 32.5| 38.5| 31.5| 30.5| 36.5
==============================================================================================================
""",  # noqa: E501
        matched=4,
        measurements={
            ("benchmark_duration", "value"): 20.5, ("completed_requests", "value"): 9.0,
            ("incomplete_requests", "value"): 1.0, ("failed_requests", "value"): 2.0, ("input_tokens", "mean"): 64.5,
            ("output_tokens", "mean"): 33.5, ("input_tokens", "sum"): 580.0, ("output_tokens", "sum"): 393.0,
            ("requests_per_second", "mean"): 0.75, ("concurrency", "mean"): 0.95,
            ("output_tokens_per_second", "mean"): 14.5, ("total_tokens_per_second", "mean"): 43.5,
            ("e2e_latency", "mean"): 2.5, ("e2e_latency", "p99"): 3.75, ("ttft", "p50"): 0.0465,
            ("itl", "p99"): 0.0375, ("tpot", "mean"): 0.0305,
        },
        runs={
            "old/sweep": {"status": "completed", "config": {"concurrency": 1.0}},
            "old/sweep#2": {"config": {"request_rate": 2.5, "strategy": "constant@2.50"}},
        },
    ),
    Sample(
        "night/dead.log",
        "✔ OpenAIHTTPBackend backend validated with model toy/Toy-8B\n✔ Setup complete, starting benchmarks...\n",
        matched=0,
        runs={"night/dead": {"kind": "serving"}},
    ),
)  # fmt: skip
