"""Composed examples of evalscope's files, with what must come out of them."""

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample

_LATER = {
    "Test Duration (s)": 92.5, "Concurrency": 10, "Request Rate (req/s)": -1, "Total Requests": 100,
    "Success Requests": 98, "Failed Requests": 2, "Stream Requests": 100, "Non-Stream Requests": 0,
    "Req Throughput (req/s)": 1.0625, "Avg Latency (s)": 8.625, "Avg Input Tokens": 20.5,
    "Output Throughput (tok/s)": 1727.5, "Total Throughput (tok/s)": 1750.25, "Avg TTFT (ms)": 113.25,
    "Avg TPOT (ms)": 3.75, "Avg ITL (ms)": -1, "Avg Output Tokens": 1600.5, "Input Throughput (tok/s)": 40.5,
    "Avg Turns/Request": 2.5, "KV Cache Hit Rate (%)": 62.5, "Avg First-Turn TTFT (ms)": 150.5,
    "Avg Subsequent-Turn TTFT (ms)": 50.25, "Avg Decoded Tok/Iter": 2.25, "Spec. Accept Rate": 0.5, "Tomorrow (s)": 1.5,
}  # fmt: skip
_EARLY = {
    "Time taken for tests (s)": 92.664, "Number of concurrency": 4, "Total requests": 10, "Succeed requests": 0,
    "Failed requests": 10, "Throughput(average tokens/s)": 1727.453, "Average QPS": 1.079, "Average latency (s)": 8.636,
    "Average time to first token (s)": 0.25, "Average time per output token (s)": 0.00058,
    "Average input tokens per request": 20.0, "Average output tokens per request": 1600.66,
    "Average package latency (s)": 8.5, "Average package per request": 1.25, "Expected number of requests": 10,
    "Result DB path": "outputs/benchmark_data.db",
}  # fmt: skip
SUMMARY_SAMPLES = (
    Sample(
        "outputs/20250601_101112/toy-8b/parallel_10_number_100/benchmark_summary.json",
        json.dumps(_LATER, indent=4) + "\n",
        matched=len(_LATER) - 5,
        measurements={
            ("benchmark_duration", "value"): 92.5, ("completed_requests", "value"): 98.0,
            ("failed_requests", "value"): 2.0, ("requests_per_second", "value"): 1.0625, ("e2e_latency", "mean"): 8.625,
            ("input_tokens", "mean"): 20.5, ("output_tokens_per_second", "value"): 1727.5,
            ("total_tokens_per_second", "value"): 1750.25, ("ttft", "mean"): 0.11325, ("tpot", "mean"): 0.00375,
            ("itl", "mean"): None, ("output_tokens", "mean"): 1600.5, ("input_tokens_per_second", "value"): 40.5,
            ("turns_per_request", "mean"): 2.5, ("prefix_cache_hit_rate", "value"): 0.625,
            ("first turn", "ttft", "mean"): 0.1505, ("subsequent turns", "ttft", "mean"): 0.05025,
            ("acceptance_length", "value"): 2.25, ("draft_acceptance_rate", "value"): 0.5, ("tomorrow", "value"): 1.5,
        },
        runs={
            "20250601_101112/toy-8b/parallel_10_number_100": {
                "status": "completed", "config": {"concurrency": 10.0, "total_requests": 100.0, "request_rate": None},
            }
        },
        unknown=("tomorrow",),
    ),
    Sample(
        "20250213_103632/toy-8b/benchmark_summary.json",
        json.dumps(_EARLY, indent=4, ensure_ascii=False) + "\n",
        matched=12,
        measurements={
            ("output_tokens_per_second", "value"): 1727.453, ("tpot", "mean"): 0.00058, ("ttft", "mean"): 0.25,
            ("package_latency", "mean"): 8.5, ("packages_per_request", "mean"): 1.25,
        },
        runs={"20250213_103632/toy-8b": {"status": "failed", "config": {"result_db": "outputs/benchmark_data.db"}}},
    ),
)  # fmt: skip
PERCENTILE_SAMPLES = (
    Sample(
        "outputs/20250601_101112/toy-8b/parallel_10_number_100/benchmark_percentile.json",
        json.dumps([
            {"Percentiles": label, "TTFT (ms)": 100.0 + i, "ITL (ms)": 3.0 + i, "TPOT (ms)": 4.0 + i,
             "Latency (s)": 8.0 + i, "Input tokens": 20.0 + i, "Output tokens": 1600.0 + i, "Output (tok/s)": 180.0 + i,
             "Input (tok/s)": 9.0 + i, "Total (tok/s)": 200.0 + i, "Decode (tok/s)": 210.0 + i}
            for i, label in enumerate(("min", "50%", "99%"))
        ], indent=4) + "\n",
        matched=30,
        measurements={
            ("ttft", "min"): 0.1, ("ttft", "p99"): 0.102, ("itl", "p50"): 0.004, ("tpot", "p50"): 0.005,
            ("e2e_latency", "p99"): 10.0, ("input_tokens", "p50"): 21.0, ("output_tokens", "p99"): 1602.0,
            ("output_tokens_per_second_per_user", "p50"): 181.0, ("output_tokens_per_second_per_user", "p99"): 212.0,
            ("input_tokens_per_second_per_user", "p50"): 10.0, ("total_tokens_per_second_per_user", "p50"): 201.0,
        },
        runs={"20250601_101112/toy-8b/parallel_10_number_100": {"kind": "serving"}},
    ),
    Sample(
        "20250213_103632/toy-8b/benchmark_percentile.json",
        json.dumps([{"Percentile": "10%", "TTFT (s)": 5.5, "TPOT (s)": 0.25, "Latency (s)": 5.75,
                     "Throughput(tokens/s)": 183.75}]),
        matched=1,
        measurements={
            ("ttft", "p10"): 5.5, ("itl", "p10"): 0.25, ("e2e_latency", "p10"): 5.75,
            ("output_tokens_per_second_per_user", "p10"): 183.75,
        },
        runs={"20250213_103632/toy-8b": {}},
    ),
)  # fmt: skip
_ASKED = {
    "model": "/models/Toy-8B", "model_id": "Toy-8B", "url": "http://localhost/v1", "api": "openai", "api_key": "none",
    "parallel": [10], "number": [100], "rate": -1, "dataset": "random", "max_tokens": 64, "min_prompt_length": 128,
    "max_prompt_length": 128,
}  # fmt: skip
ARGS_SAMPLES = (
    Sample(
        "outputs/20250601_101112/toy-8b/parallel_10_number_100/benchmark_args.json",
        json.dumps(_ASKED, indent=4) + "\n",
        matched=0,
        runs={
            "20250601_101112/toy-8b/parallel_10_number_100": {
                "model": "Toy-8B", "dataset": "random",
                "config": {"input_len": 128.0, "output_len": 64.0, "api_key": None},
            }
        },
    ),
    Sample(
        "20250213_103632/toy-8b/benchmark_args.json",
        json.dumps({**_ASKED, "dataset": "openqa", "model_id": None}),
        matched=0,
        runs={"20250213_103632/toy-8b": {"model": "/models/Toy-8B", "config": {"input_len": None}}},
    ),
)  # fmt: skip
TEXT_SAMPLES = (
    Sample(
        "night/perf.log",
        """\
2025-06-01 10:11:12 - evalscope - INFO: Starting benchmark with args: {"model": "toy-8b", "parallel": 50}
Benchmarking summary:
+-----------------------------------+------------+
| Key                               |      Value |
+===================================+============+
| Time taken for tests (s)          |     9.4961 |
+-----------------------------------+------------+
| Number of concurrency             |    50      |
+-----------------------------------+------------+
| Total requests                    |  1000      |
+-----------------------------------+------------+
| Succeed requests                  |  1000      |
+-----------------------------------+------------+
| Failed requests                   |     0      |
+-----------------------------------+------------+
| Output token throughput (tok/s)   | 10530.7    |
+-----------------------------------+------------+
| Average time to first token (s)   |     0.1131 |
+-----------------------------------+------------+
| Average time per output token (s) |     0.0036 |
+-----------------------------------+------------+
Percentile results:
+-------------+----------+---------+----------+-------------+----------------+
| Percentiles | TTFT (s) | ITL (s) | TPOT (s) | Latency (s) | Output (tok/s) |
+-------------+----------+---------+----------+-------------+----------------+
|     10%     |  0.0532  |   0.0   |  0.003   |   0.3699    |    167.0738    |
|     99%     |  0.4302  | 0.0141  |   nan    |   0.8161    |    293.9073    |
+-------------+----------+---------+----------+-------------+----------------+
Benchmarking summary:
┌───────────────────────────┬────────────────┐
│ Metric                    │          Value │
├───────────────────────────┼────────────────┤
│ ── General ──             │                │
│ Test Duration (s)         │           9.25 │
│ Concurrency               │             10 │
│ Total / Success / Failed  │ 100 / 40 / 60  │
│ ── Latency ──             │                │
│ Avg Latency (s)           │           0.75 │
│ Avg TTFT (ms)             │         113.25 │
└───────────────────────────┴────────────────┘
Percentile results:
┌───────────┬────────┬────────┐
│ Metric    │    50% │    99% │
├───────────┼────────┼────────┤
│ TTFT (ms) │ 110.25 │ 430.50 │
└───────────┴────────┴────────┘
""",
        matched=13,
        measurements={
            ("benchmark_duration", "value"): 9.4961, ("completed_requests", "value"): 1000.0,
            ("failed_requests", "value"): 60.0, ("output_tokens_per_second", "value"): 10530.7,
            ("ttft", "mean"): 0.1131, ("tpot", "mean"): 0.0036, ("ttft", "p10"): 0.0532, ("ttft", "p99"): 0.4305,
            ("itl", "p99"): 0.0141, ("tpot", "p10"): 0.003, ("tpot", "p99"): float("nan"),
            ("e2e_latency", "p99"): 0.8161, ("e2e_latency", "mean"): 0.75,
            ("output_tokens_per_second_per_user", "p10"): 167.0738,
        },
        runs={
            "night/perf": {"model": "toy-8b", "status": "completed", "config": {"concurrency": 50.0}},
            "night/perf#2": {"status": "failed", "config": {"concurrency": 10.0, "total_requests": 100.0}},
        },
    ),
    Sample(
        "20250601_101112/toy-8b/performance_summary.txt",
        """\
                  Performance Overview
┏━━━━━━━┳━━━━━━┳━━━━━━┳━━━━━━┳━━━━━━━━━┳━━━━━━━━━┓
┃ Conc. ┃ Rate ┃  Num ┃  RPS ┃   Gen/s ┃ Success ┃
┡━━━━━━━╇━━━━━━╇━━━━━━╇━━━━━━╇━━━━━━━━━╇━━━━━━━━━┩
│    32 │    - │  ... │ 5.75 │ 5813.75 │  100.0% │
│   ... │    - │  ... │  ... │     ... │  100.0% │
│    64 │ 2.50 │  ... │ 5.25 │ 5902.50 │    0.0% │
└───────┴──────┴──────┴──────┴─────────┴─────────┘
""",
        matched=2,
        measurements={
            ("requests_per_second", "value"): 5.75, ("output_tokens_per_second", "value"): 5902.5,
            ("success_rate", "value"): 1.0,
        },
        runs={
            "toy-8b/performance_summary": {"config": {"concurrency": 32.0}},
            "toy-8b/performance_summary#2": {"status": "failed", "config": {"concurrency": 64.0, "request_rate": 2.5}},
        },
    ),
    Sample(
        "older/perf.log",
        """\
2024-08-13 10:11:12,226 - perf - http_client.py - worker - 422 - INFO - Time: 9.25, concurrency: 8, completed: 10
Benchmarking summary:
 Time taken for tests: 22.512 seconds
 Expected number of requests: 100
 Number of concurrency: 8
 Total requests: 90
 Succeed requests: 85
 Failed requests: 5
 Average QPS: 4.442
 Average latency: 14.140
 Throughput(average output tokens per second): 891.275
 Average time to first token: 2.701
 Average input tokens per request: 28.890
 Average output tokens per request: 200.640
 Average time per output token: 0.00112
 Average package per request: 191.830
 Average package latency: 0.060
 Percentile of time to first token:
     p50: 2.7137
     p99: 2.9847
 Percentile of request latency:
     p50: 14.7637
     p99: 22.5016
2024-08-13 10:12:12,001 - perf - INFO -  Time taken for tests: 8.250 seconds
2024-08-13 10:12:12,001 - perf - INFO -  Succeed requests: 0
2024-08-13 10:12:12,001 - perf - INFO -  Failed requests: 100
""",
        matched=19,
        measurements={
            ("benchmark_duration", "value"): 22.512, ("completed_requests", "value"): 85.0,
            ("failed_requests", "value"): 100.0, ("requests_per_second", "value"): 4.442,
            ("e2e_latency", "mean"): 14.14, ("output_tokens_per_second", "value"): 891.275, ("ttft", "mean"): 2.701,
            ("input_tokens", "mean"): 28.89, ("output_tokens", "mean"): 200.64, ("tpot", "mean"): 0.00112,
            ("packages_per_request", "mean"): 191.83, ("package_latency", "mean"): 0.06, ("ttft", "p50"): 2.7137,
            ("ttft", "p99"): 2.9847, ("e2e_latency", "p99"): 22.5016,
        },
        runs={
            "older/perf": {"status": "completed", "config": {"concurrency": 8.0, "total_requests": 90.0}},
            "older/perf#2": {"status": "failed"},
        },
    ),
    Sample(
        "old/summary.txt",
        """\
┏━━━━━━┳━━━━━━┳━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━┓
┃      ┃      ┃     Avg ┃     P99 ┃    Gen. ┃     Avg ┃ Success ┃
┃Conc. ┃  RPS ┃ Lat.(s) ┃ Lat.(s) ┃  toks/s ┃ TTFT(s) ┃    Rate ┃
┡━━━━━━╇━━━━━━╇━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━┩
│    1 │ 0.25 │   3.125 │   4.125 │   80.25 │   0.125 │   97.5% │
└──────┴──────┴─────────┴─────────┴─────────┴─────────┴─────────┘
""",
        matched=1,
        measurements={
            ("e2e_latency", "mean"): 3.125, ("e2e_latency", "p99"): 4.125, ("ttft", "mean"): 0.125,
            ("output_tokens_per_second", "value"): 80.25, ("success_rate", "value"): 0.975,
        },
        runs={"old/summary": {"config": {"concurrency": 1.0}}},
    ),
)  # fmt: skip


def _times(first: float) -> dict[str, float]:
    return {"mean": first, "std": first / 2, "min": first / 4, "50%": first * 0.75, "99%": first * 2, "max": first * 3}


_REPORT: dict[str, Any] = {
    "name": "toy-8b@quiz", "dataset_name": "quiz", "model_name": "toy-8b", "score": 0.85,
    "metrics": [
        {"name": "mean_acc", "num": 20, "score": 0.85, "macro_score": 0.875, "categories": [
            {"name": ["default"], "num": 20, "score": 0.85, "macro_score": 0.875,
             "subsets": [{"name": "IQ", "score": 1.0, "num": 5}, {"name": "EQ", "score": 0.75, "num": 15}]}]},
        {"name": "rouge", "num": 20, "score": 41.5, "macro_score": 41.5, "categories": [
            {"name": ["a", "b"], "num": 10, "score": 41.0, "macro_score": 41.25,
             "subsets": [{"name": "x", "score": 41.0, "num": 10}]},
            {"name": "c", "num": 10, "score": 42.0, "macro_score": 42.0, "subsets": []}]},
    ],
    "analysis": "N/A",
    "perf_metrics": {"summary": {
        "n_samples": 20, "latency": _times(8.0), "ttft": _times(0.5), "tpot": _times(0.025),
        "throughput": {"avg_output_tps": 41.5, "avg_req_ps": 0.125},
        "usage": {"input_tokens": _times(64.0), "output_tokens": _times(512.0), "total_input_tokens": 1280,
                  "total_output_tokens": 10240},
    }},
}  # fmt: skip
REPORT_SAMPLES = (
    Sample(
        "toy-run/reports/toy-8b/quiz.json",
        json.dumps(_REPORT, indent=2) + "\n",
        matched=3 + 4 + 3 + 3 + 2 + 3 + 5 * 6 + 4,
        measurements={
            ("quiz", "accuracy", "value"): 0.85, ("quiz", "accuracy", "macro_mean"): 0.875,
            ("quiz/EQ", "accuracy", "value"): 0.75, ("quiz/EQ", "evaluated_samples", "value"): 15.0,
            ("quiz", "rouge", "value"): 41.5, ("quiz/a/b", "rouge", "macro_mean"): 41.25,
            ("quiz/a/b/x", "rouge", "value"): 41.0, ("quiz/c", "rouge", "value"): 42.0,
            ("quiz", "e2e_latency", "p99"): 16.0, ("quiz", "ttft", "mean"): 0.5, ("quiz", "tpot", "min"): 0.00625,
            ("quiz", "output_tokens_per_second_per_user", "value"): 41.5,
            ("quiz", "requests_per_second", "value"): 0.125, ("quiz", "input_tokens", "sum"): 1280.0,
            ("quiz", "output_tokens", "p50"): 384.0,
        },
        runs={"toy-run/toy-8b": {"kind": "evaluation", "model": "toy-8b", "status": "completed"}},
        unknown=("rouge",),
    ),
    Sample(
        "copied/quiz.json",
        json.dumps({**_REPORT, "metrics": _REPORT["metrics"][:1], "perf_metrics": None}),
        matched=1,
        measurements={("quiz", "accuracy", "value"): 0.85},
        runs={"copied/quiz": {"model": "toy-8b"}},
    ),
)  # fmt: skip
WORKLOAD_SAMPLES = (
    Sample(
        "20250601_101112/toy-8b/parallel_10_number_100/workload_throughput.json",
        json.dumps({"n_samples": 9, "wall_time_s": 60.5, "last_window_s": 30.0, "warmup_frac": 0.2, "rows": [
            {"metric": "Total Prompt tok/s", "overall": 500.5, "last_window": 501.5, "steady_state": 502.5},
            {"metric": "Cached Prompt tok/s", "overall": 50.5, "last_window": 51.5, "steady_state": 52.5},
            {"metric": "Completion tok/s", "overall": 100.5, "last_window": 101.5, "steady_state": 102.5},
        ]}, indent=1) + "\n",
        matched=9,
        measurements={
            ("overall", "input_tokens_per_second", "value"): 500.5,
            ("steady state", "output_tokens_per_second", "value"): 102.5,
            ("last window", "Cached Prompt tok/s", "value"): 51.5,
        },
        runs={"20250601_101112/toy-8b/parallel_10_number_100": {"kind": "serving"}},
        unknown=("Cached Prompt tok/s",),
    ),
    Sample(
        "20250601_101112/toy-8b/parallel_10_number_100/trace_summary.json",
        json.dumps({"n_traces": 3, "rows": [
            {"metric": "Latency (s)", "mean": 9.5, "p50": 9.25},
            {"metric": "First-Turn TTFT (s)", "mean": 0.5, "p50": 0.25},
            {"metric": "Cache Hit Rate (%)", "mean": 62.5, "p50": 60.0},
            {"metric": "Decode TPS", "mean": 33.5, "p50": 33.0},
        ]}, indent=1) + "\n",
        matched=8,
        measurements={
            ("trace", "e2e_latency", "mean"): 9.5, ("first turn of a trace", "ttft", "p50"): 0.25,
            ("trace", "prefix_cache_hit_rate", "mean"): 0.625, ("trace", "Decode TPS", "mean"): 33.5,
        },
        unknown=("Decode TPS",),
    ),
)  # fmt: skip
