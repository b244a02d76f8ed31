"""Composed aggregates of InferenceX, with what must come out of them."""

from __future__ import annotations

import json

from llmstats.parsing import Sample

_POINT = {
    "hw": "h200-cw_1", "conc": 64, "image": "vllm/vllm-openai:v0.11", "model": "toy/Toy-70B-FP8",
    "infmax_model_prefix": "70b", "framework": "vllm", "precision": "fp8", "spec_decoding": "none", "disagg": False,
    "isl": 1024, "osl": 8192, "is_multinode": False, "tp": 4, "pp": 2, "pcp_size": 1, "ep": 1, "dp_attention": "false",
    "tput_per_gpu": 900.5, "output_tput_per_gpu": 800.5, "input_tput_per_gpu": 100.25, "mean_ttft": 0.25,
    "p99_ttft": 0.75, "median_tpot": 0.0125, "median_intvty": 80.0, "mean_itl": 0.013, "mean_e2el": 100.5,
    "avg_power_w": 650.5, "avg_total_gpu_power_w": 2602.0, "total_gpu_energy_j": 900000.5,
    "joules_per_successful_query": 1500.5, "joules_per_input_token": 0.5, "joules_per_output_token": 0.25,
    "joules_per_total_token": 0.125, "power_valid": 1, "tomorrow": 1.5,
}  # fmt: skip
_STUDY = {
    "date": "20260213-135636", "model_id": "toy/Toy-5", "num_prompts": 160, "request_rate": "inf",
    "max_concurrency": 16,
    "duration": 214.5, "completed": 160, "good_completed": None, "total_input_tokens": 1638400,
    "total_output_tokens": 20480, "request_throughput": 0.75, "request_goodput": None, "input_throughput": 7633.25,
    "output_throughput": 95.5, "median_ttft": 3.125, "p99_e2el": 30.25,
}  # fmt: skip

SAMPLES = (
    Sample(
        "out/agg_70b_tp4_conc64.json",
        json.dumps(_POINT, indent=2),
        matched=17,
        measurements={
            ("total_tokens_per_second_per_device", "value"): 900.5,
            ("output_tokens_per_second_per_device", "value"): 800.5,
            ("input_tokens_per_second_per_device", "value"): 100.25,
            ("ttft", "mean"): 0.25,
            ("ttft", "p99"): 0.75,
            ("tpot", "p50"): 0.0125,
            ("output_tokens_per_second_per_user", "p50"): 80.0,
            ("itl", "mean"): 0.013,
            ("e2e_latency", "mean"): 100.5,
            ("power", "mean"): 650.5,
            ("energy", "value"): 900000.5,
            ("energy_per_request", "value"): 1500.5,
            ("energy_per_input_token", "value"): 0.5,
            ("energy_per_output_token", "value"): 0.25,
            ("energy_per_token", "value"): 0.125,
            ("tomorrow", "value"): 1.5,
        },
        runs={
            "out/agg_70b_tp4_conc64": {
                "kind": "serving",
                "model": "toy/Toy-70B-FP8",
                "framework": "vllm",
                "precision": "fp8",
                "device": "h200",
                "device_count": 8,
                "parallelism": "TP4PP2",
            }
        },
        unknown=("tomorrow",),
    ),
    Sample(
        "out/agg_bmk.json",
        json.dumps([_STUDY, {**_STUDY, "completed": 0}]),
        matched=1,
        measurements={
            ("benchmark_duration", "value"): 214.5,
            ("completed_requests", "value"): 160.0,
            ("input_tokens", "sum"): 1638400.0,
            ("output_tokens", "sum"): 20480.0,
            ("requests_per_second", "value"): 0.75,
            ("request_goodput", "value"): None,
            ("input_tokens_per_second", "value"): 7633.25,
            ("output_tokens_per_second", "value"): 95.5,
            ("ttft", "p50"): 3.125,
            ("e2e_latency", "p99"): 30.25,
        },
        runs={"out/agg_bmk": {"status": "completed"}, "out/agg_bmk#2": {"status": "failed"}},
    ),
)
