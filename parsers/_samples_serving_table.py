"""Composed tables of serving results, with what must come out of them."""

from __future__ import annotations

from llmstats.parsing import Sample

_KEYS = (
    "GPU,backend,dataset_name,request_rate,max_concurrency,random_input_len,random_output_len,duration,completed,"
    "total_input_tokens,total_output_tokens,total_output_tokens_retokenized,request_throughput,input_throughput,"
    "output_throughput,mean_e2e_latency_ms,mean_ttft_ms,std_tpot_ms,p99_itl_ms,concurrency,,"
)
_LABELS = (
    "Successful requests,Benchmark duration (s),Total input tokens,Total generated tokens,Request throughput (req/s),"
    "Output token throughput (tok/s),Total Token throughput (tok/s),Mean TTFT (ms),Median TPOT (ms),P99 ITL (ms)"
)
_SWEEP = (
    "num_prompts,request_rate,duration,completed,request_goodput,total_token_throughput,mean_ttft_ms,p99_ttft_ms,"
    "enable-chunked-prefill,max-num-seqs,filename"
)

SAMPLES = (
    Sample(
        "raw/online_results.csv",
        f"{_KEYS}\nmi300x,vllm,random,,128,3200,800,437.25,500,1600000,400000,396748,1.125,3658.5,914.75,"
        "109394.5,22245.5,13.5,119.25,125.0,,\n",
        matched=1,
        measurements={
            ("benchmark_duration", "value"): 437.25,
            ("completed_requests", "value"): 500.0,
            ("input_tokens", "sum"): 1600000.0,
            ("output_tokens", "sum"): 396748.0,
            ("requests_per_second", "value"): 1.125,
            ("input_tokens_per_second", "value"): 3658.5,
            ("output_tokens_per_second", "value"): 914.75,
            ("e2e_latency", "mean"): 109.3945,
            ("ttft", "mean"): 22.2455,
            ("tpot", "std"): 0.0135,
            ("itl", "p99"): 0.11925,
            ("concurrency", "value"): 125.0,
        },
        runs={
            "raw/online_results": {
                "kind": "serving",
                "device": "mi300x",
                "framework": "vllm",
                "config": {"random_input_len": 3200, "max_concurrency": 128},
            }
        },
    ),
    Sample(
        "data/result_QPS_high.csv",
        f"{_LABELS}\n300,310.45,275327,45000,0.97,144.95,1031.81,3502.19,157.39,2783.24\n1,2\n",
        matched=1,
        measurements={
            ("total_tokens_per_second", "value"): 1031.81,
            ("ttft", "mean"): 3.50219,
            ("tpot", "p50"): 0.15739,
        },
        runs={"data/result_QPS_high": {"status": "completed", "device": None}},
        suspects=1,
    ),
    Sample(
        "charts/qps_output.csv",
        f"{_SWEEP}\n1000,16,258.5,1000,,1286.75,51664.5,177111.5,TRUE,512,vllm-16.0qps-Toy\n",
        matched=1,
        measurements={("failed_requests", "value"): 0.0, ("ttft", "p99"): 177.1115},
        runs={"charts/vllm-16.0qps-Toy": {"config": {"enable-chunked-prefill": True, "max-num-seqs": 512}}},
    ),
    Sample(
        "results/summary.csv",
        "model_id,gpu_name,gpu_count,num_prompts,Concurrency,request_throughput,output_throughput,mean_ttft_ms,"
        "p99_itl_ms,median_tpot_ms\ntoy/Toy-8B,Toy X100 80GB,8,16,4,1.25,320.5,250.5,12.25,30.5\n",
        matched=1,
        measurements={("requests_per_second", "value"): 1.25, ("ttft", "mean"): 0.2505},
        runs={
            "results/summary": {
                "model": "toy/Toy-8B",
                "device": "Toy X100 80GB",
                "device_count": 8,
                "config": {"max_concurrency": 4, "num_prompts": 16},
            }
        },
    ),
    Sample("results/begun.csv", f"{_SWEEP}\n", matched=0),
)
