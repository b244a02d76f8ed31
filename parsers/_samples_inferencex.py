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
_ROW = {
    "hardware": "mi355x", "framework": "sglang", "model": "toy", "precision": "fp8", "spec_method": "none",
    "disagg": False, "prefill_tp": 8, "decode_tp": 8, "num_prefill_gpu": 8, "num_decode_gpu": 8, "isl": 1024,
    "osl": 1024, "conc": 64, "metrics": {"tput_per_gpu": 900.5, "mean_ttft": 0.25}, "date": "2026-01-02",
}  # fmt: skip
_STATISTICS = {"mean": 1.5, "p50": 1.25, "p75": 1.75, "std": 0.5}


def _block(factor: float) -> dict[str, float]:
    return {key: value * factor for key, value in _STATISTICS.items()}


_AGENTIC = {
    "hw": "mi355x", "conc": 12, "model": "toy/Toy-5", "infmax_model_prefix": "toy5", "framework": "sglang",
    "precision": "fp4", "disagg": False, "scenario_type": "agentic-coding", "is_multinode": False, "num_gpus": 4,
    "tp": 4, "ep": 1, "num_requests_total": 20, "num_requests_successful": 18,
    "request_accounting": {"records_total": 20, "records_error_dropped": 2, "error_categories": {"Timeout": 2}},
    "dataset": {"hf_dataset_name": "toy/traces", "num_dataset_entries": 4},
    "request_metrics": {
        "qps": {"window_seconds": 1, **_block(8)},
        "latency": {
            "ttft": _block(1), "e2el": _block(10), "itl": _block(0.125), "tpot": _block(0.125), "intvty": _block(64),
            "e2e_norm_intvty": _block(32), "full_response_itl": _block(0.25), "full_response_intvty": _block(16),
        },
        "tokens": {"input": _block(1000), "output_actual": _block(100), "output_expected": _block(200)},
        "throughput": {
            "input": {"tokens_per_second": 900.5}, "output": {"tokens_per_second": 100.5},
            "total": {"tokens_per_second": 1001.0}, "duration_seconds": 36.5,
            "per_gpu": {"total_tput_tps": 250.25, "output_tput_tps": 25.125, "input_tput_tps": 225.125},
        },
        "cache": {"theoretical_cache_hit_rate": 0.975},
    },
    "server_metrics": {
        "present": True,
        "cache": {"gpu_cache_hit_rate": 0.925, "cpu_cache_hit_rate": None, "prefix_cache_hits": 90,
                  "prefix_cache_queries": 100},
        "kv_cache": {"gpu_usage_pct": 0.14, "gpu_total_tokens": 4096, "cpu_usage_pct": 0.25},
        "tokens": {"prompt_total": 2000, "generation_total": 300, "requests_completed": 19},
    },
    "kv_cache_pool_tokens": 4096,
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
    Sample(
        "api/benchmarks.json",
        json.dumps([_ROW]),
        matched=1,
        measurements={("total_tokens_per_second_per_device", "value"): 900.5, ("ttft", "mean"): 0.25},
        runs={"api/benchmarks": {"device": "mi355x", "device_count": 8, "framework": "sglang", "precision": "fp8"}},
    ),
    Sample(
        "agentic/toy5_conc12.json",
        json.dumps(_AGENTIC),
        matched=1,
        measurements={
            ("completed_requests", "value"): 18.0,
            ("failed_requests", "value"): 2.0,
            ("requests_per_second", "p50"): 10.0,
            ("ttft", "p75"): 1.75,
            ("e2e_latency", "mean"): 15.0,
            ("tpot", "p50"): 0.3125,
            ("output_tokens_per_second_per_user", "std"): 8.0,
            ("input_tokens", "mean"): 1500.0,
            ("output_tokens", "p75"): 350.0,
            ("input_tokens_per_second", "value"): 900.5,
            ("output_tokens_per_second", "value"): 100.5,
            ("total_tokens_per_second", "value"): 1001.0,
            ("benchmark_duration", "value"): 36.5,
            ("total_tokens_per_second_per_device", "value"): 250.25,
            ("output_tokens_per_second_per_device", "value"): 25.125,
            ("input_tokens_per_second_per_device", "value"): 225.125,
            ("prefix_cache_hit_rate", "value"): 0.925,
            ("prefix_cache_hits", "sum"): 90.0,
            ("prefix_cache_queries", "sum"): 100.0,
            ("kv_cache_utilisation", "value"): 0.14,
            ("host_kv_cache_utilisation", "value"): 0.25,
        },
        runs={
            "agentic/toy5_conc12": {
                "status": "completed",
                "dataset": "toy/traces",
                "device_count": 4,
                "parallelism": "TP4",
                "config": {"server_metrics.kv_cache.gpu_total_tokens": 4096},
            }
        },
    ),
)
