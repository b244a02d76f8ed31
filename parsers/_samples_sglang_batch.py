"""Composed examples of SGLang's benchmarks of static batches, with what must come out of them."""

from __future__ import annotations

import json

from llmstats.parsing import Sample

_CASE = {"run_name": "default", "batch_size": 4, "input_len": 256, "output_len": 32}
_BATCH = {
    **_CASE,
    "prefill_latency": 0.25,
    "prefill_throughput": 4096.0,
    "median_decode_latency": 0.0125,
    "median_decode_throughput": 320.0,
    "total_latency": 0.6375,
    "overall_throughput": 1807.05,
    "tomorrow": 1.5,
}
_SERVER = {
    **_CASE,
    "latency": 1.25,
    "input_throughput": 8192.0,
    "output_throughput": 114.0,
    "overall_throughput": 921.6,
    "last_ttft": 0.125,
    "last_gen_throughput": 110.5,
    "acc_length": -1,
    "cache_hit_rate": 0.25,
    "profile_link": "",
}
_OFFLINE = {
    "backend": "engine",
    "successful_requests": 10,
    "total_latency": 8.0,
    "total_input_tokens": 2048,
    "total_output_tokens": 1024,
    "request_throughput": 1.25,
    "input_throughput": 256.0,
    "output_throughput": 128.0,
    "total_throughput": 384.0,
}
_PRINTED = (
    "Warmup ...\nPrefill. latency: 9.00000 s, throughput:      1.00 token/s\nBenchmark ...\n"
    "Prefill. latency: 0.25000 s, throughput:   4096.00 token/s\n"
    "Decode 0. Batch size: 4, latency: 0.01300 s, throughput:    307.69 token/s\n"
    "Decode.  latency: 0.01300 s, throughput:    307.69 token/s\n"
    "Decode.  median latency: 0.01250 s, median throughput:    320.00 token/s\n"
    "Total. latency:  0.638 s, throughput:   1807.05 token/s\n"
)
_PRINTED_SERVER = (
    "\nbatch size: 4\ninput_len: 256\noutput_len: 32\nlatency: 1.25 s\ninput throughput: 8192.00 tok/s\n"
    "output throughput: 114.00 tok/s\nlast_ttft: 0.12 s\nlast generation throughput: 110.50 tok/s\n"
)

SAMPLES = (
    Sample(
        "batch/result.jsonl",
        json.dumps(_BATCH)
        + "\n"
        + json.dumps({**_CASE, "latency": 1.5, "output_throughput": 85.25, "overall_throughput": 768.0})
        + "\n",
        matched=2,
        measurements={
            ("prefill_time", "value"): 0.25,
            ("prefill_tokens_per_second", "value"): 4096.0,
            ("tpot", "p50"): 0.0125,
            ("decode_tokens_per_second", "p50"): 320.0,
            ("e2e_batch_latency", "value"): 0.6375,
            ("total_tokens_per_second", "value"): 1807.05,
            ("output_tokens_per_second", "value"): 85.25,
            ("tomorrow", "value"): 1.5,
        },
        runs={"batch/result": {"kind": "inference", "framework": "sglang", "config": {"batch_size": 4}}},
        unknown=("tomorrow",),
    ),
    Sample(
        "server/result.jsonl",
        json.dumps(_SERVER) + "\n",
        matched=1,
        measurements={
            ("e2e_batch_latency", "value"): 1.25,
            ("prefill_tokens_per_second", "value"): 8192.0,
            ("decode_tokens_per_second", "value"): 110.5,
            ("total_tokens_per_second", "value"): 921.6,
            ("ttft", "max"): 0.125,
            ("acceptance_length", "value"): None,
            ("prefix_cache_hit_rate", "value"): 0.25,
        },
    ),
    Sample(
        "offline/result.jsonl",
        json.dumps(_OFFLINE) + "\n",
        matched=1,
        measurements={
            ("completed_requests", "value"): 10.0,
            ("benchmark_duration", "value"): 8.0,
            ("input_tokens", "sum"): 2048.0,
            ("output_tokens", "sum"): 1024.0,
            ("requests_per_second", "value"): 1.25,
            ("input_tokens_per_second", "value"): 256.0,
            ("output_tokens_per_second", "value"): 128.0,
            ("total_tokens_per_second", "value"): 384.0,
        },
    ),
    Sample(
        "server/spring.jsonl",
        json.dumps({**_SERVER, "input_throughput": 819.2, "output_throughput": 102.4}) + "\n",
        matched=1,
        measurements={
            ("input_tokens_per_second", "value"): 819.2,
            ("output_tokens_per_second", "value"): 102.4,
            ("decode_tokens_per_second", "value"): 110.5,
        },
    ),
    Sample(
        "batch/first.log",
        "Prefill. latency:  5.021 ms, throughput:    203.93 token/s\n"
        "Decode.  latency:  0.331 ms, throughput:      3.02 token/s\n",
        matched=1,
        measurements={("prefill_time", "value"): 5.021, ("prefill_tokens_per_second", "value"): 203.93},
    ),
    Sample(
        "batch/out.log",
        _PRINTED,
        matched=3,
        measurements={("prefill_time", "value"): 0.25, ("tpot", "p50"): 0.0125, ("e2e_batch_latency", "value"): 0.638},
        runs={"batch/out": {"config": {"batch_size": 4}}},
    ),
    Sample(
        "server/out.log",
        _PRINTED_SERVER * 2,
        matched=10,
        measurements={("ttft", "max"): 0.12, ("prefill_tokens_per_second", "value"): 8192.0},
        runs={"server/out#2": {"config": {"batch_size": 4, "input_len": 256, "output_len": 32}}},
    ),
)
