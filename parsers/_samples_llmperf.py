"""Composed examples of llmperf's files, with what must come out of them."""

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample

_WORDS = ("quantiles_p25", "quantiles_p99", "mean", "min", "max", "stddev")
_STATISTICS = ("p25", "p99", "mean", "min", "max", "std")


def _distribution(name: str, first: float) -> dict[str, float]:
    return {f"results_{name}_{word}": first + 0.125 * i for i, word in enumerate(_WORDS)}


def _values(metric: str, first: float) -> dict[tuple[str, ...], float | None]:
    return {(metric, word): first + 0.125 * i for i, word in enumerate(_STATISTICS)}


_SUMMARY: dict[str, Any] = {
    "version": "2023-08-31", "name": "toy-Toy-8B_550_150_summary", "model": "toy/Toy-8B",
    "mean_input_tokens": 550, "stddev_input_tokens": 0, "mean_output_tokens": 150, "num_concurrent_requests": 5,
    **_distribution("inter_token_latency_s", 0.0625),
    **_distribution("ttft_s", 0.5),
    **_distribution("end_to_end_latency_s", 8.0),
    **_distribution("request_output_throughput_token_per_s", 18.0),
    **_distribution("number_input_tokens", 550.0),
    **_distribution("number_output_tokens", 149.0), "results_number_output_tokens_min": "149.375",
    "results_num_requests_started": 12, "results_error_rate": 0.25, "results_number_errors": 3,
    "results_error_code_frequency": "{500: 3}", "results_mean_output_throughput_token_per_s": 45.5,
    "results_num_completed_requests": 9, "results_num_completed_requests_per_min": 18.75,
    "results_tomorrow": 7.5, "framework": "toyserve", "timestamp": 1740000000,
}  # fmt: skip
SUMMARY_SAMPLES = (
    Sample(
        "vllm/result_5/toy-Toy-8B_550_150_summary.json",
        json.dumps(_SUMMARY, indent=4) + "\n",
        matched=6 * 6 + 5 + 1,
        measurements={
            **_values("itl", 0.0625), **_values("ttft", 0.5), **_values("e2e_latency", 8.0),
            **_values("output_tokens_per_second_per_user", 18.0), **_values("input_tokens", 550.0),
            **_values("output_tokens", 149.0), ("error_rate", "value"): 0.25, ("failed_requests", "value"): 3.0,
            ("completed_requests", "value"): 9.0, ("requests_per_second", "value"): 0.3125,
            ("output_tokens_per_second", "value"): 45.5, ("tomorrow", "value"): 7.5,
        },
        runs={
            "vllm/result_5/toy-Toy-8B_550_150": {
                "model": "toy/Toy-8B", "status": "completed", "ended_at": 1_740_000_000_000_000,
                "config": {"num_concurrent_requests": 5, "requests_started": 12, "framework": "toyserve"},
            }
        },
        events=("error",),
        unknown=("tomorrow",),
    ),
    Sample(
        "raw_data/summary/toy_8b.json",
        json.dumps({"results_inter_token_latency_s_mean": float("nan"), "results_num_completed_requests": 0}),
        matched=1,
        measurements={("itl", "mean"): float("nan"), ("completed_requests", "value"): 0.0},
        runs={"raw_data/toy_8b": {"status": "failed"}},
    ),
    Sample(
        "results/2.0.1/toy_tp_1_results.json",
        json.dumps(
            {
                str(n): {
                    "model": "toy/Toy-8B", "num_concurrent_requests": n, "results_inter_token_latency_s_mean": n / 32,
                    "results_num_completed_requests": 9,
                }
                for n in (2, 16)
            },
            indent=2,
        ),
        matched=4,
        measurements={("itl", "mean"): 0.5, ("completed_requests", "value"): 9.0},
        runs={
            "results/2.0.1/toy_tp_1_results/2": {"status": "completed"},
            "results/2.0.1/toy_tp_1_results/16": {"model": "toy/Toy-8B", "config": {"num_concurrent_requests": 16}},
        },
    ),
)  # fmt: skip
_ROW = {"error_code": None, "error_msg": "", "inter_token_latency_s": 0.0625, "ttft_s": 0.5,
        "end_to_end_latency_s": 8.0,
        "request_output_throughput_token_per_s": 16.0, "number_total_tokens": 678, "number_output_tokens": 128,
        "number_input_tokens": 550}  # fmt: skip
_FAILED = {**_ROW, "error_code": 500, "error_msg": "busy", "ttft_s": 0, "end_to_end_latency_s": 0}
INDIVIDUAL_SAMPLES = (
    Sample(
        "vllm/result_5/toy-Toy-8B_550_150_individual_responses.json",
        json.dumps([_ROW, _FAILED], indent=4) + "\n",
        matched=2,
        runs={"vllm/result_5/toy-Toy-8B_550_150": {"config": {"input_len": 550, "output_len": 150}}},
    ),
    Sample(
        "raw_data/individual/toy_8b.json", json.dumps([_ROW]), matched=1, runs={"raw_data/toy_8b": {"kind": "serving"}}
    ),
)
CSV_SAMPLES = (
    Sample(
        "yi/4xtoy/vllm-toy.csv",
        """\
,1,8
concurrency,1.0,8.0
mean_input_token_length,550.0,551.0
mean_output_token_length,159.5,160.5
time_to_first_token_in_ms_(ttft)_p50,586.5,3176.5
throughput_token_per_s_(token/sec)_p50,20.25,12.25
latency_ms_per_token_(inter_token_latency)_p50,46.75,78.25
requests_per_minute_(qpm),7.5,36.0
results_number_errors,0.0,1.0
results_num_completed_requests,80.0,104.0

concurrency,1.0,8.0
requests_per_minute_(qpm),7.5,36.0
""",
        matched=8,
        measurements={
            ("input_tokens", "mean"): 551.0, ("output_tokens", "mean"): 160.5, ("ttft", "p50"): 0.5865,
            ("output_tokens_per_second_per_user", "p50"): 12.25, ("itl", "p50"): 0.04675,
            ("requests_per_second", "value"): 0.6, ("failed_requests", "value"): 1.0,
            ("completed_requests", "value"): 80.0,
        },
        runs={
            "yi/4xtoy/vllm-toy/c1": {"fingerprint": "llmperf:7.5"},
            "yi/4xtoy/vllm-toy/c8": {"fingerprint": "llmperf:36.0", "config": {"concurrency": 8.0}},
        },
    ),
    Sample(
        "results/toy/tgi.csv",
        """\
concurrency,4.0
first-time-to-token_mean_in_ms_(ttft),135.5
throughput_token_per_s_(token/sec),115.25
latency_ms_per_token_(inter_token_latency),30.25
""",
        matched=3,
        measurements={
            ("ttft", "mean"): 0.1355, ("output_tokens_per_second", "value"): 115.25, ("itl", "mean"): 0.03025,
        },
        runs={"results/toy/tgi/c4": {}},
    ),
    Sample(
        "yi/tgi/toy_cur_8.json",
        """{
  "concurrency": 8,
  "time_to_first_token_in_ms_(ttft)_p95": 635.5,
  "latency_ms_per_token_(inter_token_latency)_p95": 47.25,
  "requests_per_minute_(qpm)": 36.0
}
""",
        matched=3,
        measurements={
            ("ttft", "p95"): 0.6355, ("itl", "p95"): 0.04725, ("requests_per_second", "value"): 0.6,
        },
        runs={"yi/tgi/toy_cur_8/c8": {"fingerprint": "llmperf:36.0"}},
    ),
)  # fmt: skip
