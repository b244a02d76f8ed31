"""Composed examples of ``vllm bench throughput`` and ``latency``, with what must come out of them."""

from __future__ import annotations

import json

from llmstats.parsing import Sample

_THROUGHPUT = {
    "elapsed_time": 195.5,
    "num_requests": 128,
    "total_num_tokens": 278528,
    "requests_per_second": 0.65625,
    "tokens_per_second": 1424.25,
}

THROUGHPUT_SAMPLES = (
    Sample(
        "raw/Toy_throughput_req128_in128_out2048_.json",
        json.dumps({"input": 128, "ouput": 2048, **_THROUGHPUT, "tomorrow": 1.5}, indent=4),
        matched=6,
        measurements={
            ("benchmark_duration", "value"): 195.5,
            ("completed_requests", "value"): 128.0,
            ("total_tokens", "value"): 278528.0,
            ("requests_per_second", "value"): 0.65625,
            ("total_tokens_per_second", "value"): 1424.25,
            ("tomorrow", "value"): 1.5,
        },
        runs={
            "raw/Toy_throughput_req128_in128_out2048_": {
                "kind": "inference",
                "framework": "vllm",
                "config": {"input_len": 128, "output_len": 2048},
            }
        },
        unknown=("tomorrow",),
    ),
    Sample(
        "night/throughput.log",
        "Namespace(backend='vllm', dataset_name='random', input_len=128, output_len=128, model='toy/Toy-8B')\n"
        "Processed prompts: 100%|█| 10/10 [00:03<00:00,  2.74it/s, est. speed input: 351.02 toks/s]\n"
        "Throughput: 2.75 requests/s, 699.93 total tokens/s, 349.97 output tokens/s\n"
        "Total num prompt tokens:  1280\nTotal num output tokens:  1290\n",
        matched=3,
        measurements={
            ("requests_per_second", "value"): 2.75,
            ("total_tokens_per_second", "value"): 699.93,
            ("output_tokens_per_second", "value"): 349.97,
            ("input_tokens", "sum"): 1280.0,
            ("output_tokens", "sum"): 1290.0,
        },
        runs={
            "night/throughput": {
                "model": "toy/Toy-8B",
                "dataset": "random",
                "fingerprint": "vllm_throughput:2.75:699.93",
            }
        },
    ),
    Sample(
        "night/sweep.log",
        "Command: vllm bench throughput --model toy/Toy-8B --input-len 16 --output-len 8 --num-prompts 4\n"
        "(EngineCore_DP0 pid=7) INFO 01-25 18:45:04 [core.py:1] ready\n"
        "Throughput: 5.25 requests/s, 84.00 tokens/s\nTotal num prompt tokens:  64\n"
        "Command: vllm bench throughput --model toy/Toy-70B --input-len 32 --output-len 8 --num-prompts 4\n"
        "Throughput: 1.25 requests/s, 42.00 tokens/s\n",
        matched=3,
        measurements={("requests_per_second", "value"): 1.25, ("input_tokens", "sum"): 64.0},
        runs={
            "night/sweep": {"model": "toy/Toy-8B", "config": {"input_len": 16}},
            "night/sweep#2": {"model": "toy/Toy-70B", "config": {"input_len": 32}},
        },
    ),
    Sample(
        "bad/throughput.log",
        "Namespace(subparser='bench', bench_type='throughput', dispatch_function=<function "
        "BenchmarkThroughputSubcommand.cmd at 0x7f00>, model='toy/Toy-8B', hf_max_batch_size=None)\n"
        "Traceback (most recent call last):\ntorch.OutOfMemoryError: CUDA out of memory.\n",
        matched=0,
        runs={"bad/throughput": {"kind": "inference", "status": "failed", "model": "toy/Toy-8B"}},
        events=("oom",),
    ),
)

LATENCY_SAMPLES = (
    Sample(
        "raw/latency_test_ip2048_op2048_np16.json",
        json.dumps(
            {"avg_latency": 84.5, "latencies": [84.25, 84.75], "percentiles": {"10": 84.3, "50": 84.5}}, indent=4
        ),
        matched=3,
        measurements={
            ("e2e_batch_latency", "mean"): 84.5,
            ("e2e_batch_latency", "p10"): 84.3,
            ("e2e_batch_latency", "p50"): 84.5,
        },
        runs={"raw/latency_test_ip2048_op2048_np16": {"config": {"input_len": 2048, "output_len": 2048}}},
    ),
    Sample(
        "night/latency.log",
        "Namespace(input_len=32, output_len=128, batch_size=8, model='toy/Toy-8B')\nWarming up...\n"
        "Avg latency: 1.2345 seconds\nStd latency: 0.0125 seconds\n99% percentile latency: 1.3 seconds\n",
        matched=3,
        measurements={
            ("e2e_batch_latency", "mean"): 1.2345,
            ("e2e_batch_latency", "std"): 0.0125,
            ("e2e_batch_latency", "p99"): 1.3,
        },
        runs={"night/latency": {"model": "toy/Toy-8B", "config": {"batch_size": 8}}},
    ),
    Sample(
        "night/latencies.log",
        "cutlass:\nAvg latency: 2.5 seconds\n99% percentile latency: 2.75 seconds\n\n"
        "triton:\nAvg latency: 4.5 seconds\n99% percentile latency: 4.75 seconds\n",
        matched=4,
        measurements={("e2e_batch_latency", "mean"): 4.5, ("e2e_batch_latency", "p99"): 2.75},
        runs={"night/latencies": {"fingerprint": "vllm_latency:2.5"}, "night/latencies#2": {"status": "completed"}},
    ),
)

TABLE_SAMPLES = (
    Sample(
        "charts/throughput_output.csv",
        "input_len,out_len,batch_size,elapsed_time,num_requests,total_num_tokens,requests_per_second,tokens_per_second\n"
        "128,2048,4,71.25,4,8704,0.0625,122.125\n",
        matched=1,
        measurements={
            ("benchmark_duration", "value"): 71.25,
            ("completed_requests", "value"): 4.0,
            ("total_tokens", "value"): 8704.0,
            ("requests_per_second", "value"): 0.0625,
            ("total_tokens_per_second", "value"): 122.125,
        },
        runs={"charts/throughput_output": {"framework": "vllm", "config": {"output_len": 2048.0}}},
    ),
    Sample(
        "latency_output.csv",
        "input_len\toutput_len\tbatch_size\tavg_latency\tp50\n2048\t2048\t4\t73.04\t73.05\n2048\t2048\t8 78.6  78.6\n",
        matched=1,
        measurements={("e2e_batch_latency", "mean"): 73.04, ("e2e_batch_latency", "p50"): 73.05},
        suspects=1,
    ),
)
