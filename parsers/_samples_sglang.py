"""Composed examples of SGLang's benchmarks, with what must come out of them."""

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample

from ._samples_vllm import END, TITLE, rows

_RESULT: dict[str, Any] = {
    "backend": "sglang", "dataset_name": "random", "request_rate": float("inf"), "max_concurrency": 16,
    "sharegpt_output_len": None, "random_input_len": 1024, "random_output_len": 512, "random_range_ratio": 1.0,
    "duration": 20.0, "completed": 40, "total_input_tokens": 40960, "total_output_tokens": 20480,
    "total_output_tokens_retokenized": 4096, "request_throughput": 2.0, "input_throughput": 2048.0,
    "output_throughput": 1024.0, "mean_e2e_latency_ms": 7500.0, "median_e2e_latency_ms": 7400.0,
    "std_e2e_latency_ms": 75.0, "p99_e2e_latency_ms": 7600.0, "mean_ttft_ms": 120.0, "p99_ttft_ms": 180.0,
    "mean_tpot_ms": 14.5, "std_tpot_ms": 0.5, "mean_itl_ms": 15.5, "p95_itl_ms": 16.5, "max_itl_ms": 99.0,
    "concurrency": 15.0, "accept_length": None,
}  # fmt: skip
_NEWEST: dict[str, Any] = {
    "tag": "nightly", **_RESULT, "request_rate": 4.0, "dataset_name": "sharegpt",
    "server_info": {"model_path": "toy/Toy-8B", "tp_size": 8, "dp_size": 8, "enable_dp_attention": True, "nnodes": 1,
                    "dtype": "bfloat16", "quantization": None, "version": "0.5.3", "internal_states": [{"a": 1}]},
    "total_input_text_tokens": 40000, "total_input_vision_tokens": 960, "total_output_tokens_retokenized": 20000,
    "total_throughput": 3072.0, "total_throughput_retokenized": 3048.0, "output_throughput_retokenized": 1000.0,
    "accept_length": 2.75, "max_output_tokens_per_s": 1500.0, "max_concurrent_requests": 18,
    "input_lens": [1024, 1024], "output_lens": [512, 0], "ttfts": [0.125, 0.0], "itls": [[0.25, 0.125], []],
    "generated_texts": ["a", ""], "errors": ["", "refused"],
}  # fmt: skip
#: A descendant that routes over several servers.
_ROUTED: dict[str, Any] = {
    "backend": "sglang", "architecture": "dlora", "routing_strategy": "hybrid", "request_rate": 10.0,
    "completed": 0, "duration": 8.0, "total_input_tokens": 0, "total_generated_tokens": 0, "total_throughput": 0.0,
    "request_throughput": 0.0, "output_throughput": 0.0, "mean_e2e_latency_ms": 0.0, "median_ttft_ms": 0.0,
    "avg_cpu_utilization": 84.5, "avg_gpu_utilization": 89.25,
}  # fmt: skip

#: The first versions kept a few medians.
_FIRST: dict[str, Any] = {
    "backend": "sglang", "dataset_name": "random", "request_rate": float("inf"), "max_concurrency": None,
    "total_input_tokens": 40960, "total_output_tokens": 20480, "total_output_tokens_retokenized": 20470,
    "mean_e2e_latency_ms": 7500.0, "median_e2e_latency_ms": 7400.0, "median_ttft_ms": 125.0, "median_itl_ms": 15.0,
    "output_throughput": 1024.0, "sharegpt_output_len": None, "random_input_len": 1024, "random_output_len": 512,
    "random_range_ratio": 1.0, "duration": 20.0, "completed": 40,
}  # fmt: skip

JSONL_SAMPLES = (
    Sample(
        # the program's file, called .csv by those who ran it
        "sweep/speed_in1024_out512_n40.csv",
        json.dumps(_RESULT) + "\n" + json.dumps({**_RESULT, "duration": 21.0}) + "\n",
        matched=2,
        measurements={
            ("benchmark_duration", "value"): 21.0,
            ("completed_requests", "value"): 40.0,
            ("input_tokens", "sum"): 40960.0,
            ("output_tokens", "sum"): 4096.0,
            ("requests_per_second", "value"): 2.0,
            ("input_tokens_per_second", "value"): 2048.0,
            ("output_tokens_per_second", "value"): 1024.0,
            ("e2e_latency", "mean"): 7.5,
            ("e2e_latency", "std"): 0.075,
            ("ttft", "p99"): 0.18,
            ("tpot", "mean"): 0.0145,
            ("itl", "p95"): 0.0165,
            ("itl", "max"): 0.099,
            ("concurrency", "value"): 15.0,
            ("acceptance_length", "value"): None,
        },
        runs={
            "sweep/speed_in1024_out512_n40": {
                "kind": "serving",
                "framework": "sglang",
                "model": None,
                "config": {"request_rate": "inf", "random_output_len": 512},
            },
            "sweep/speed_in1024_out512_n40#2": {"status": "completed"},
        },
    ),
    Sample(
        "new/sglang_1103_2_sharegpt.jsonl",
        json.dumps(_NEWEST) + "\n",
        matched=1,
        measurements={
            ("text", "input_tokens", "sum"): 40000.0,
            ("vision", "input_tokens", "sum"): 960.0,
            ("total_tokens_per_second", "value"): 3072.0,
            ("output_tokens_per_second", "value"): 1000.0,
            ("acceptance_length", "value"): 2.75,
            ("output_tokens_per_second_peak", "value"): 1500.0,
            ("max_concurrency", "value"): 18.0,
        },
        runs={
            "new/sglang_1103_2_sharegpt": {
                "model": "toy/Toy-8B",
                "precision": "bfloat16",
                "parallelism": "TP8DP8",
                "device_count": 8,
                "environment": {"sglang": "0.5.3"},
                "config": {"tag": "nightly"},
            }
        },
    ),
    Sample(
        "routed/trace.jsonl",
        json.dumps(_ROUTED) + "\n",
        matched=1,
        measurements={
            ("cpu_utilisation", "mean"): 0.845,
            ("utilisation", "mean"): 0.8925,
            ("e2e_latency", "mean"): None,
            ("ttft", "p50"): None,
        },
        runs={"routed/trace": {"status": "failed", "config": {"routing_strategy": "hybrid"}}},
    ),
    Sample(
        "first/online.jsonl",
        json.dumps(_FIRST) + "\n",
        matched=1,
        measurements={("ttft", "p50"): 0.125, ("itl", "p50"): 0.015, ("output_tokens_per_second", "value"): 1024.0},
        runs={"first/online": {"status": "completed", "framework": "sglang"}},
    ),
)

_BLOCK = rows(
    ("Backend:", "sglang"),
    ("Traffic request rate:", "inf"),
    ("Max request concurrency:", "not set"),
    ("Successful requests:", 40),
    ("Benchmark duration (s):", "20.00"),
    ("Total input tokens:", 40960),
    ("Total input text tokens:", 40000),
    ("Total input vision tokens:", 960),
    ("Total generated tokens:", 20480),
    ("Total generated tokens (retokenized):", 20400),
    ("Request throughput (req/s):", "2.00"),
    ("Input token throughput (tok/s):", "2048.00"),
    ("Output token throughput (tok/s):", "1024.00"),
    ("Peak output token throughput (tok/s):", "1500.00"),
    ("Peak concurrent requests:", 18),
    ("Total token throughput (tok/s):", "3072.00"),
    ("Concurrency:", "15.00"),
    ("Accept length:", "2.75"),
    ("End-to-End Latency", None),
    ("Mean E2E Latency (ms):", "7500.00"),
    ("P90 E2E Latency (ms):", "7550.00"),
    ("Time to First Token", None),
    ("Mean TTFT (ms):", "120.00"),
    ("Time per Output Token (excl. 1st token)", None),
    ("Mean TPOT (ms):", "14.50"),
    ("Inter-Token Latency", None),
    ("P95 ITL (ms):", "16.50"),
    ("Max ITL (ms):", "99.00"),
)
_OFFLINE = rows(
    ("Backend:", "engine"),
    ("Successful requests:", 40),
    ("Benchmark duration (s):", "21.00"),
    ("Total input tokens:", 40960),
    ("Total generated tokens:", 20480),
    ("Last generation throughput (tok/s):", "640.00"),
    ("Request throughput (req/s):", "1.90"),
    ("Input token throughput (tok/s):", "1950.00"),
    ("Output token throughput (tok/s):", "975.00"),
    ("Total token throughput (tok/s):", "2925.00"),
)

TEXT_SAMPLES = (
    Sample(
        "night/client.log",
        "benchmark_args=Namespace(backend='sglang', host='0.0.0.0', dataset_name='random', model='toy/Toy-8B', "
        "num_prompts=48, random_input_len=1024, random_output_len=512, request_rate=inf, max_concurrency=None)\n"
        "#Input tokens: 40960\n#Output tokens: 20480\n"
        "Warmup completed with 1 sequences. Starting main benchmark run...\n"
        "\n" + TITLE + _BLOCK + END,
        matched=21,
        measurements={
            ("benchmark_duration", "value"): 20.0,
            ("completed_requests", "value"): 40.0,
            ("failed_requests", "value"): 8.0,
            ("input_tokens", "sum"): 40960.0,
            ("vision", "input_tokens", "sum"): 960.0,
            ("output_tokens", "sum"): 20480.0,
            ("requests_per_second", "value"): 2.0,
            ("input_tokens_per_second", "value"): 2048.0,
            ("output_tokens_per_second", "value"): 1024.0,
            ("total_tokens_per_second", "value"): 3072.0,
            ("output_tokens_per_second_peak", "value"): 1500.0,
            ("max_concurrency", "value"): 18.0,
            ("concurrency", "value"): 15.0,
            ("acceptance_length", "value"): 2.75,
            ("e2e_latency", "p90"): 7.55,
            ("ttft", "mean"): 0.12,
            ("tpot", "mean"): 0.0145,
            ("itl", "p95"): 0.0165,
            ("itl", "max"): 0.099,
        },
        runs={
            "night/client": {
                "framework": "sglang",
                "model": "toy/Toy-8B",
                "dataset": "random",
                "fingerprint": "serving:40:40960:20480:20.00:120.00",
                "config": {"backend": "sglang", "request_rate": "inf"},
            }
        },
    ),
    Sample(
        "offline/throughput.txt",
        "\n=== Offline Throughput Benchmark Result ==\n".replace("=== O", "====== O").replace("t ==", "t =======")
        + _OFFLINE
        + END,
        matched=9,
        measurements={
            ("total_tokens_per_second", "value"): 2925.0,
            ("decode_tokens_per_second", "value"): 640.0,
            ("benchmark_duration", "value"): 21.0,
        },
        runs={"offline/throughput": {"status": "completed", "config": {"backend": "engine"}}},
    ),
    Sample(
        "spring/client.log",
        TITLE
        + rows(
            ("Backend:", "vllm"),
            ("Traffic request rate:", "1.0"),
            ("Max reqeuest concurrency:", "16"),
            ("Successful requests:", "40"),
            ("Total cached tokens:", "1024"),
            ("Cache hit rate:", "0.0250"),
            ("Total throughput (tok/s):", "3072.00"),
            ("Concurrency:", "15.00"),
        )
        + END,
        matched=5,
        measurements={
            ("prefix_cache_hits", "sum"): 1024.0,
            ("prefix_cache_hit_rate", "value"): 0.025,
            ("total_tokens_per_second", "value"): 3072.0,
        },
        runs={"spring/client": {"framework": "vllm", "config": {"max_concurrency": 16, "request_rate": 1.0}}},
    ),
)
