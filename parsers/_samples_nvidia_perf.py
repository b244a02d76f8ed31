"""Composed examples of genai-perf and aiperf, with what must come out of them."""

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample

Expected = dict[tuple[str, ...], float | None]

_WORDS = ("avg", "min", "max", "p50", "p99", "std")
_STATISTICS = ("mean", "min", "max", "p50", "p99", "std")


def _metric(unit: str, first: float, step: float = 0.25) -> dict[str, Any]:
    """A metric of which each value differs from all others."""
    return {"unit": unit, **{word: first + step * i for i, word in enumerate(_WORDS)}}


def _values(metric: str, first: float, factor: float = 1.0, step: float = 0.25) -> Expected:
    return {(metric, word): (first + step * i) * factor for i, word in enumerate(_STATISTICS)}


_LLM = {
    "request_throughput": {"unit": "requests/sec", "avg": 2.5},
    "request_latency": _metric("ms", 800.0),
    "time_to_first_token": _metric("ms", 40.0),
    "time_to_second_token": _metric("ms", 9.0),
    "inter_token_latency": _metric("ms", 12.0),
    "output_token_throughput": {"unit": "tokens/sec", "avg": 160.0},
    "output_token_throughput_per_user": _metric("tokens/sec/user", 81.0),
    "output_sequence_length": _metric("tokens", 64.0),
    "input_sequence_length": _metric("tokens", 128.0),
}
_LLM_VALUES: Expected = {
    ("requests_per_second", "value"): 2.5,
    **_values("e2e_latency", 800.0, 1e-3),
    **_values("ttft", 40.0, 1e-3),
    **_values("time_to_second_token", 9.0, 1e-3),
    **_values("tpot", 12.0, 1e-3),
    ("output_tokens_per_second", "value"): 160.0,
    **_values("output_tokens_per_second_per_user", 81.0),
    **_values("output_tokens", 64.0),
    **_values("input_tokens", 128.0),
}

# --------------------------------------------------------------------------- genai-perf

_GENAI = {
    **_LLM,
    "request_count": {"unit": "count", "avg": 20.0},
    "request_goodput": {"unit": "requests/sec", "avg": 1.5},
    "telemetry_stats": {
        "gpu_power_usage": {"unit": "W", "gpu0": {"avg": 301.5, "p99": 350.0}},
        "energy_consumption": {"unit": "MJ", "gpu0": {"avg": 0.25}},
        "gpu_memory_used": {"unit": "GB", "gpu0": {"avg": 70.5}},
        "total_gpu_memory": {"unit": "GB", "gpu0": {"avg": 80.0}},
        "gpu_utilization": {"unit": "%", "gpu0": {"avg": 93.0}},
        "gpu_temperature": {"unit": "C", "gpu0": {"avg": 61.0}},
    },
}
_GENAI_VALUES: Expected = {
    **_LLM_VALUES,
    ("completed_requests", "value"): 20.0,
    ("request_goodput", "value"): 1.5,
    ("gpu0", "power", "mean"): 301.5,
    ("gpu0", "power", "p99"): 350.0,
    ("gpu0", "energy", "mean"): 0.25e6,
    ("gpu0", "memory_used", "mean"): 70.5e9,
    ("gpu0", "memory_total", "mean"): 80e9,
    ("gpu0", "utilisation", "mean"): 0.93,
    ("gpu0", "temperature", "mean"): 61.0,
}
_FLAT = {"model": ["toy-8b"], "concurrency": 4, "request_rate": None, "synthetic_input_tokens_mean": 128,
         "output_tokens_mean": -1, "prompt_source": "synthetic", "service_kind": "openai"}  # fmt: skip
_NESTED = {
    "model_names": ["toy/Toy-8B"],
    "endpoint": {"type": "chat", "service_kind": "openai", "url": "localhost:8000", "api_key": "not kept"},
    "perf_analyzer": {"stimulus": {"concurrency": 8}},
    "input": {"prompt_source": "synthetic", "synthetic_tokens": {"mean": 128}, "output_tokens": {"mean": 64}},
}  # fmt: skip
GENAI_JSON = (
    Sample(
        "artifacts/toy_Toy-8B-openai-chat-concurrency8/profile_export_genai_perf.json",
        json.dumps({**_GENAI, "input_config": _NESTED}, indent=2) + "\n",
        matched=sum(len(m) - 1 for m in _LLM.values()) + 2 + 7,
        measurements=_GENAI_VALUES,
        runs={
            "artifacts/toy_Toy-8B-openai-chat-concurrency8": {
                "kind": "serving", "model": "toy/Toy-8B", "status": "completed",
                "config": {"concurrency": 8.0, "input_len": 128.0, "output_len": 64.0, "endpoint.type": "chat",
                           "endpoint.api_key": None},
            }
        },
    ),
    Sample(
        "artifacts/toy-8b/custom_genai_perf.json",
        json.dumps({"request_latency": _metric("ms", 5.0), "image_latency": _metric("ms", 7.0), "input_config": _FLAT}),
        matched=1,
        measurements=_values("e2e_latency", 5.0, 1e-3) | _values("image_latency", 7.0),
        runs={
            "artifacts/toy-8b/custom": {"model": "toy-8b", "config": {"concurrency": 4.0, "output_len": None}},
        },
        unknown=("image_latency",),
    ),
)  # fmt: skip
GENAI_CSV = (
    Sample(
        "artifacts/toy-openai-chat-concurrency8/profile_export_genai_perf.csv",
        """\
Metric,avg,min,max,p99,p95,p90,p75,p50,p25,p10,p5,p1
Time To First Token (ms),40.00,39.00,41.50,41.00,40.90,40.80,40.70,40.50,40.20,40.10,39.90,39.50
Time To Second Token (ms),9.50,9.00,9.90,9.80,9.75,9.70,9.65,9.60,9.45,9.40,9.35,9.30
Request Latency (ms),"1,234.56","1,000.25","2,345.67","2,300.00",2.00,3.00,4.00,"1,200.50",5.00,6.00,7.00,8.00
Inter Token Latency (ms),12.00,11.00,13.00,12.90,12.80,12.70,12.60,12.50,12.40,12.30,12.20,12.10
Output Token Throughput Per User (tokens/sec/user),81.00,80.00,82.00,81.90,81.80,81.70,81.60,81.50,81.40,81.30,81.20,1
Output Sequence Length (tokens),64.00,60.00,70.00,69.00,68.00,67.00,66.00,65.00,63.00,62.00,61.00,60.50
Input Sequence Length (tokens),128.00,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A

Metric,Value
Output Token Throughput (tokens/sec),"1,160.25"
Request Throughput (per sec),2.50
Request Count (count),20.00

Metric,GPU,avg,min,max,p99,p95,p90,p75,p50,p25,p10,p5,p1
GPU Power Usage (W),gpu0,301.50,300.00,350.00,349.00,1.00,2.00,3.00,4.00,5.00,6.00,7.00,8.00
GPU Memory Used (GB),gpu1,70.50,70.00,71.00,1.00,2.00,3.00,4.00,5.00,6.00,7.00,8.00,9.00

Metric,GPU,Value
Total GPU Memory (GB),gpu0,80.00
""",
        matched=13,
        measurements={
            ("ttft", "mean"): 0.04, ("ttft", "p99"): 0.041, ("ttft", "p1"): 0.0395, ("ttft", "max"): 0.0415,
            ("time_to_second_token", "mean"): 0.0095,
            ("e2e_latency", "mean"): 1.23456, ("e2e_latency", "p50"): 1.2005, ("e2e_latency", "max"): 2.34567,
            ("tpot", "mean"): 0.012, ("tpot", "p25"): 0.0124,
            ("output_tokens_per_second_per_user", "mean"): 81.0,
            ("output_tokens", "mean"): 64.0, ("input_tokens", "value"): 128.0,
            ("output_tokens_per_second", "value"): 1160.25, ("requests_per_second", "value"): 2.5,
            ("completed_requests", "value"): 20.0, ("gpu0", "power", "mean"): 301.5,
            ("gpu1", "memory_used", "mean"): 70.5e9, ("gpu0", "memory_total", "value"): 80e9,
        },
        runs={"artifacts/toy-openai-chat-concurrency8": {"status": "completed"}},
    ),
    Sample(
        "artifacts/early/profile_export_genai_perf.csv",
        """\
Metric,avg,min,max,p99,p95,p90,p75,p50,p25
Time To First Token (ns),"40,000,000.00","39,000,000.00","41,000,000.00",1.00,2.00,3.00,4.00,5.00,6.00
Request Latency (ns),"800,000,000.00",oops,1.00,2.00,3.00,4.00,5.00,6.00,7.00
""",
        matched=1,
        measurements={("ttft", "mean"): 0.04, ("ttft", "min"): 0.039},
        suspects=1,
    ),
)  # fmt: skip
GENAI_TEXT = (
    Sample(
        "notes/first.txt",
        """\
                           LLM Metrics
┏━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃            Statistic ┃           avg ┃           min ┃           max ┃
┡━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ Request latency (ns) │ 4,125,000,000 │ 2,250,000,000 │ 5,500,000,000 │
│     Num output token │           331 │           189 │           414 │
│      Num input token │           200 │           199 │           201 │
└──────────────────────┴───────────────┴───────────────┴───────────────┘
""",
        matched=3,
        measurements={
            ("e2e_latency", "mean"): 4.125, ("output_tokens", "max"): 414.0, ("input_tokens", "min"): 199.0,
        },
        runs={"notes/first": {}},
    ),
    Sample(
        "notes/genai.log",
        """\
2025-05-01 10:00 [INFO] genai_perf.wrapper:135 - Running Perf Analyzer
                              NVIDIA GenAI-Perf | LLM Metrics
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━┳━━━━━━━━┳━━━━━━━━┳━━━━━━━━┳━━━━━━━━┓
┃                         Statistic ┃    avg ┃    min ┃    max ┃    p99 ┃    p90 ┃    p75 ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━╇━━━━━━━━╇━━━━━━━━╇━━━━━━━━╇━━━━━━━━┩
│          Time to first token (ms) │  16.25 │  12.50 │  17.25 │  17.00 │  16.75 │  16.50 │
│              Request latency (ms) │ 499.20 │ 451.00 │ 554.50 │ 548.75 │ 526.25 │ 514.25 │
│        Output token throughput    │  80.50 │  79.00 │  82.00 │  81.75 │  81.50 │  81.25 │
│      per user (tokens/sec/user)   │        │        │        │        │        │        │
│            Output sequence length │ 261.75 │ 256.00 │ 298.00 │ 296.50 │ 270.00 │ 265.00 │
│ Output token throughput (per sec) │ 520.75 │    N/A │    N/A │    N/A │    N/A │    N/A │
│      Request throughput (per sec) │   2.00 │    N/A │    N/A │    N/A │    N/A │    N/A │
└───────────────────────────────────┴────────┴────────┴────────┴────────┴────────┴────────┘
""",
        matched=6,
        measurements={
            ("ttft", "mean"): 0.01625, ("ttft", "p75"): 0.0165, ("e2e_latency", "max"): 0.5545,
            ("output_tokens_per_second_per_user", "mean"): 80.5, ("output_tokens", "mean"): 261.75,
            ("output_tokens_per_second", "value"): 520.75, ("requests_per_second", "value"): 2.0,
        },
        runs={"notes/genai": {"kind": "serving"}},
    ),
    Sample(
        "docs/embeddings.txt",
        """\
                          Embeddings Metrics
┏━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━┳━━━━━━━┳━━━━━━━━┓
┃ Statistic            ┃ avg   ┃ min   ┃ max    ┃
┡━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━╇━━━━━━━╇━━━━━━━━┩
│ Request latency (ms) │ 42.25 │ 28.25 │ 318.50 │
└──────────────────────┴───────┴───────┴────────┘
Request throughput (per sec): 23.75
""",
        matched=2,
        measurements={("e2e_latency", "mean"): 0.04225, ("requests_per_second", "value"): 23.75},
    ),
)  # fmt: skip
_TRITON = {
    "service_kind": "triton", "endpoint": "", "version": "2.59.0",
    "experiments": [
        {
            "experiment": {"mode": "concurrency", "value": 10},
            "requests": [
                {
                    "timestamp": 1_000_000_000, "request_inputs": {"text_input": "Hi"},
                    "response_timestamps": [1_100_000_000, 1_200_000_000, 1_300_000_000, 1_400_000_000],
                    "response_outputs": [{"response": 'data: {"choices":[{"delta":{"content":""}}]}'},
                                         {"response": 'data: {"choices":[{"delta":{"content":"I"}}]}'},
                                         {"response": 'data: {"choices":[{"delta":{"content":" do"}}]}'},
                                         {"response": "data: [DONE]"}],
                },
                {"timestamp": 2_000_000_000, "response_timestamps": []},
            ],
        },
    ],
}  # fmt: skip
GENAI_REQUESTS = (
    Sample(
        "artifacts/toy/profile_export.json",
        json.dumps(_TRITON, indent=1) + "\n",
        matched=2,
        runs={"artifacts/toy": {"kind": "serving", "config": {"concurrency": 10, "service_kind": "triton"}}},
    ),
    Sample(
        "artifacts/toy/profile_export.json",
        json.dumps({**_TRITON, "experiments": _TRITON["experiments"] * 2}),  # type: ignore[operator]
        matched=1,
        runs={"artifacts/toy": {"config": {"concurrency": 10}}, "artifacts/toy#2": {}},
    ),
)

# --------------------------------------------------------------------------- aiperf

_AIPERF = {
    "schema_version": "1.4",
    "aiperf_version": "0.9.0",
    "benchmark_id": "toy",
    **_LLM,
    "inter_chunk_latency": _metric("ms", 3.0),
    "time_to_first_output_token": _metric("ms", 45.0),
    "e2e_output_token_throughput": _metric("tokens/sec/user", 33.0),
    "prefill_throughput": _metric("tokens/sec", 3200.0),
    "request_count": {"unit": "requests", "avg": 9.0},
    "error_request_count": {"unit": "requests", "avg": 1.0},
    "good_request_count": {"unit": "requests", "avg": 6.0},
    "goodput": {"unit": "requests/sec", "avg": 1.25},
    "benchmark_duration": {"unit": "sec", "avg": 4.5},
    "effective_concurrency": {"unit": "", "avg": 3.5},
    "theoretical_prefix_cache_hit": {"unit": "%", "avg": 96.5},
    "output_token_count": _metric("tokens", 60.0),
    "reasoning_token_count": _metric("tokens", 4.0),
    "usage_prompt_tokens": _metric("tokens", 130.0),
    "usage_completion_tokens": _metric("tokens", 66.0),
    "error_isl": _metric("tokens", 111.0),
    "total_isl": {"unit": "tokens", "avg": 1152.0},
    "total_osl": {"unit": "tokens", "avg": 576.0},
    "total_output_tokens": {"unit": "tokens", "avg": 540.0},
    "total_reasoning_tokens": {"unit": "tokens", "avg": 36.0},
    "input_token_throughput": {"unit": "tokens/sec", "avg": 256.0},
    "total_token_throughput": {"unit": "tokens/sec", "avg": 416.0},
    "min_request_timestamp": {"unit": "ns", "avg": 1_740_000_000_000_000_000},
    "max_response_timestamp": {"unit": "ns", "avg": 1_740_000_004_500_000_000},
    "http_req_waiting": {"unit": "ms", "avg": 38.5, "p50": 38.0},
    "telemetry_data": {"endpoints": {"localhost:9400": {"gpus": {"gpu_0": {
        "gpu_index": 0, "gpu_name": "Toy X1",
        "metrics": {"gpu_power_usage": {"unit": "W", "avg": 310.0}, "sm_clock": {"unit": "MHz", "avg": 1500.0}},
    }}}}},
    "was_cancelled": False,
    "error_summary": [{"error_details": {"code": 503, "type": "HTTPError", "message": "busy"}, "count": 1}],
    "start_time": "2025-02-19T21:20:00.000001",
}  # fmt: skip
_AIPERF_VALUES: Expected = {
    **_LLM_VALUES,
    **_values("itl", 3.0, 1e-3),
    **_values("time_to_first_output_token", 45.0, 1e-3),
    **_values("output_tokens_per_second_per_user", 33.0),
    **_values("prefill_tokens_per_second_per_user", 3200.0),
    ("completed_requests", "value"): 9.0,
    ("failed_requests", "value"): 1.0,
    ("good_requests", "value"): 6.0,
    ("request_goodput", "value"): 1.25,
    ("benchmark_duration", "value"): 4.5,
    ("concurrency", "value"): 3.5,
    ("prefix_cache_hit_rate", "value"): 0.965,
    **_values("reasoning_tokens", 4.0),
    **{("failed requests", *key): v for key, v in _values("input_tokens", 111.0).items()},
    ("input_tokens", "sum"): 1152.0,
    ("output_tokens", "sum"): 576.0,
    ("reasoning_tokens", "sum"): 36.0,
    ("input_tokens_per_second", "value"): 256.0,
    ("total_tokens_per_second", "value"): 416.0,
    ("http_req_waiting", "mean"): 38.5,
    ("localhost:9400/gpu_0", "power", "mean"): 310.0,
    ("localhost:9400/gpu_0", "sm_clock", "mean"): 1500.0,
}
_USER = {
    "endpoint": {"model_names": ["toy/Toy-8B"], "type": "chat", "streaming": True},
    "loadgen": {"concurrency": 4, "request_rate": 2.5},
    "input": {"prompt": {"input_tokens": {"mean": 128}, "output_tokens": {"mean": 64}}},
}
_MATCHED = 115
AIPERF_JSON = (
    Sample(
        "artifacts/toy_Toy-8B-openai-chat-concurrency4/profile_export_aiperf.json",
        json.dumps({**_AIPERF, "input_config": _USER}, indent=2) + "\n",
        matched=_MATCHED,
        measurements=_AIPERF_VALUES,
        runs={
            "artifacts/toy_Toy-8B-openai-chat-concurrency4": {
                "model": "toy/Toy-8B", "status": "completed", "device": "Toy X1",
                "started_at": 1_740_000_000_000_000, "ended_at": 1_740_000_004_500_000,
                "config": {"concurrency": 4.0, "request_rate": 2.5, "input_len": 128.0, "output_len": 64.0},
                "environment": {"aiperf": "0.9.0"},
            }
        },
        events=("error",),
        unknown=("http_req_waiting", "sm_clock"),
    ),
    Sample(
        "artifacts/dead/profile_export_aiperf.json",
        json.dumps({
            "request_count": {"unit": "requests", "avg": 0.0}, "error_request_count": {"unit": "requests", "avg": 5.0},
            "input_config": _USER, "was_cancelled": False, "start_time": "2025-02-19T21:20:00",
        }),
        matched=1,
        measurements={("completed_requests", "value"): 0.0, ("failed_requests", "value"): 5.0},
        runs={"artifacts/dead": {"status": "failed", "started_at": 1_740_000_000_000_000}},
    ),
    Sample(
        "examples/run1/profile_export_aiperf.json",
        json.dumps(
            {
                "records": {
                    "request_throughput": {
                        "tag": "request_throughput",
                        "unit": "requests/sec",
                        "header": "Throughput",
                        "avg": 2.5,
                        "min": None,
                        "count": 1,
                    },
                    "request_latency": {
                        "tag": "request_latency",
                        "unit": "ms",
                        "header": "Request Latency",
                        "avg": 812.5,
                        "max": 915.5,
                        "count": 7,
                    },
                    "ttft": {"tag": "ttft", "unit": "ms", "header": "Time to First Token", "avg": 45.25, "max": 50.5},
                    "benchmark_duration": {
                        "tag": "benchmark_duration",
                        "unit": "sec",
                        "header": "Benchmark Duration",
                        "avg": 9.5,
                    },
                },
                "input_config": {"endpoint": {"model_names": ["toy/Toy-8B"]}, "loadgen": {"concurrency": 3}},
                "was_cancelled": False,
            },
            indent=2,
        )
        + "\n",
        matched=6,
        measurements={
            ("requests_per_second", "value"): 2.5,
            ("e2e_latency", "mean"): 0.8125,
            ("ttft", "max"): 0.0505,
            ("benchmark_duration", "value"): 9.5,
        },
        runs={"examples/run1": {"model": "toy/Toy-8B", "config": {"concurrency": 3.0}}},
    ),
)  # fmt: skip
AIPERF_CSV = (
    Sample(
        "results/c4/profile_export_aiperf.csv",
        """\
Metric,avg,min,max,sum,p1,p5,p10,p25,p50,p75,p90,p95,p99,std
Effective Concurrency,3.50,0.00,4.00,,,,,,3.60,,4.00,4.00,4.00,0.50
HTTP Waiting (TTFB) (ms),39.00,38.00,40.00,351.00,38.10,38.20,38.30,38.40,39.10,39.20,39.30,39.40,39.50,0.60
Inter Chunk Latency (ms),3.00,2.00,4.00,1700.00,2.10,2.20,2.30,2.40,3.10,3.20,3.30,3.40,3.50,0.70
Input Sequence Length (tokens),128.00,127.00,129.00,1152.00,127.10,127.20,127.30,127.40,128.10,128.2,128.3,8,9,0.80
Request Latency (ms),800.00,799.00,12801.00,7200.00,799.10,799.20,799.30,799.40,800.10,800.20,800.30,800.40,800.50,0.90
Time to First Token (ms),40.00,39.00,41.00,360.00,39.10,39.20,39.30,39.40,40.10,40.20,40.30,40.40,40.50,0.95

Metric,Value
Benchmark Duration (sec),4.50
Error Request Count,1.00
Maximum Response Timestamp (ns),1740000004500000000.00
Minimum Request Timestamp (ns),1740000000000000000.00
Output Token Throughput (tokens/sec),160.00
Request Count,9.00
Request Throughput (requests/sec),2.50
Theoretical Prefix Cache Hit (%),96.50
Total Output Sequence Length (tokens),576.00
""",
        matched=13,
        measurements={
            ("concurrency", "mean"): 3.5, ("http_req_waiting", "p99"): 39.5, ("itl", "mean"): 0.003,
            ("input_tokens", "sum"): 1152.0, ("input_tokens", "p25"): 127.4, ("e2e_latency", "max"): 12.801,
            ("ttft", "p50"): 0.0401, ("ttft", "std"): 0.00095, ("benchmark_duration", "value"): 4.5,
            ("failed_requests", "value"): 1.0, ("output_tokens_per_second", "value"): 160.0,
            ("completed_requests", "value"): 9.0, ("requests_per_second", "value"): 2.5,
            ("prefix_cache_hit_rate", "value"): 0.965, ("output_tokens", "sum"): 576.0,
        },
        runs={"results/c4": {"status": "completed", "started_at": 1_740_000_000_000_000}},
        unknown=("http_req_waiting",),
    ),
    Sample(
        "results/c8/profile_export_aiperf.csv",
        """\
Metric,avg,min,max,p1,p5,p10,p25,p50,p75,p90,p95,p99,std
Output Token Throughput Per User (tokens/sec/user),81.50,80.00,83.00,1.00,2.00,3.00,4.00,5.00,6.00,7.00,8.00,9.00,0.25
""",
        matched=1,
        measurements={("output_tokens_per_second_per_user", "mean"): 81.5},
    ),
)  # fmt: skip
AIPERF_TEXT = (
    Sample(
        "night/toy.log",
        """\
+ aiperf profile --model toy/Toy-8B --concurrency 4
                                            NVIDIA AIPerf | LLM Metrics
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━┓
┃                               Metric ┃      avg ┃      min ┃       max ┃      p50 ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━┩
│             Time to First Token (ms) │    40.25 │    39.50 │     41.75 │    40.00 │
│                 Request Latency (ms) │ 3,651.25 │ 2,273.50 │ 12,807.00 │ 3,261.50 │
│     Output Token Throughput Per User │   294.00 │   289.75 │    297.50 │   293.75 │
│                    (tokens/sec/user) │          │          │           │          │
│ Output Token Throughput (tokens/sec) │   287.50 │      N/A │       N/A │      N/A │
│    Request Throughput (requests/sec) │     0.25 │      N/A │       N/A │      N/A │
│             Request Count (requests) │ 1,020.00 │      N/A │       N/A │      N/A │
└──────────────────────────────────────┴──────────┴──────────┴───────────┴──────────┘

CLI Command: aiperf profile --model 'toy/Toy-8B' --streaming --concurrency 4 --isl 128
--osl 64 --random-seed 42
Benchmark Duration: 928.75 sec
CSV Export: /results/profile_export_aiperf.csv
""",
        matched=7,
        measurements={
            ("ttft", "mean"): 0.04025, ("e2e_latency", "max"): 12.807, ("e2e_latency", "p50"): 3.2615,
            ("output_tokens_per_second_per_user", "min"): 289.75, ("output_tokens_per_second", "value"): 287.5,
            ("requests_per_second", "value"): 0.25, ("completed_requests", "value"): 1020.0,
            ("benchmark_duration", "value"): 928.75,
        },
        runs={
            "night/toy": {
                "model": "toy/Toy-8B", "status": "completed",
                "config": {"concurrency": "4", "isl": "128", "osl": "64", "random_seed": "42", "streaming": "true"},
            }
        },
    ),
    Sample(
        "night/devices.log",
        """\
                         NVIDIA AIPerf | LLM Metrics
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━━┓
┃                     Metric ┃      avg ┃      min ┃       max ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━━┩
│   Time to First Token (ms) │    40.25 │    39.50 │     41.75 │
│    Output Token Throughput │   294.00 │   289.75 │    297.50 │
│ Per User (tokens/sec/use…  │          │          │           │
└────────────────────────────┴──────────┴──────────┴───────────┘
              NVIDIA AIPerf | GPU Telemetry Summary
          localhost:9400 | GPU 0 | Toy Accelerator 80GB
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━━┓
┃                     Metric ┃      avg ┃      min ┃       max ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━━┩
│        GPU Power Usage (W) │   348.75 │   120.50 │    386.00 │
└────────────────────────────┴──────────┴──────────┴───────────┘
          localhost:9400 | GPU 1 | Toy Accelerator 80GB
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━━┓
┃                     Metric ┃      avg ┃      min ┃       max ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━━┩
│        GPU Power Usage (W) │   350.25 │   121.50 │    387.00 │
└────────────────────────────┴──────────┴──────────┴───────────┘
""",
        matched=4,
        measurements={
            ("ttft", "max"): 0.04175, ("output_tokens_per_second_per_user", "mean"): 294.0,
            ("localhost:9400/gpu_0", "power", "mean"): 348.75, ("localhost:9400/gpu_1", "power", "max"): 387.0,
        },
        runs={"night/devices": {"device": "Toy Accelerator 80GB"}},
    ),
    Sample(
        "night/dead.log",
        "INFO     Starting AIPerf System\nINFO     AIPerf System is PROFILING\n",
        matched=0,
        runs={"night/dead": {"status": None}},
    ),
)  # fmt: skip


def _record(**more: Any) -> str:
    metadata = {
        "session_num": 0,
        "request_start_ns": 1_740_000_000_250_000_000,
        "benchmark_phase": more.pop("phase", "profiling"),
        "was_cancelled": more.get("error") is not None,
    }
    return json.dumps({"metadata": metadata, "metrics": more.pop("metrics", None), "error": more.get("error")}) + "\n"


_FULL = {
    "time_to_first_token": {"value": 40.5, "unit": "ms"},
    "inter_token_latency": {"value": 12_500_000, "unit": "ns"},
    "request_latency": {"value": 0.75, "unit": "sec"},
    "input_sequence_length": {"value": 128, "unit": "tokens"},
    "output_sequence_length": {"value": 58, "unit": "tokens"},
    "inter_chunk_latency": {"value": [12.0, 13.0], "unit": "ms"},
}
AIPERF_RECORDS = (
    Sample(
        "artifacts/toy/profile_export.jsonl",
        _record(metrics=_FULL, phase="warmup")
        + _record(metrics=_FULL)
        + _record(metrics={"error_isl": {"value": 111, "unit": "tokens"}}, error={"code": 499, "message": "cancelled"}),
        matched=3,
        runs={"artifacts/toy": {"kind": "serving"}, "artifacts/toy/warmup": {}},
    ),
    Sample("artifacts/toy/profile_export.jsonl", _record(), matched=1, runs={"artifacts/toy": {}}),
    Sample(
        "artifacts/old/profile_export.jsonl",
        json.dumps(
            {
                "metadata": {
                    "x_request_id": "r1",
                    "timestamp_ns": 1740000000000000000,
                    "credit_phase": "warmup",
                    "record_processor_id": "p1",
                },
                "metrics": {"error_request_count": {"value": 1, "unit": "requests"}},
                "error": {"code": 499, "type": "Cancelled", "message": "cancelled"},
            }
        )
        + "\n",
        matched=1,
        runs={"artifacts/old/warmup": {"kind": "serving"}},
    ),
)
_SLICES = {
    "timeslices": [
        {"timeslice_index": 0, "time_to_first_token": {"unit": "ms", "avg": 45.25, "p99": 76.5}},
        {"timeslice_index": 1, "time_to_first_token": {"unit": "ms", "avg": 46.75, "p99": 80.5}},
    ],
    "input_config": _USER,
}
AIPERF_TIMESLICES = (
    Sample(
        "artifacts/toy/profile_export_aiperf_timeslices.json",
        json.dumps(_SLICES, indent=2) + "\n",
        matched=4,
        measurements={("timeslice 0", "ttft", "mean"): 0.04525, ("timeslice 1", "ttft", "p99"): 0.0805},
        runs={"artifacts/toy": {"model": "toy/Toy-8B"}},
    ),
    Sample(
        "artifacts/toy/profile_export_aiperf_timeslices.csv",
        "Timeslice,Metric,Unit,Stat,Value\n0,Time to First Token,ms,avg,45.25\n0,Time to First Token,ms,p99,76.50\n"
        "1,Request Throughput,requests/sec,avg,2.50\n",
        matched=3,
        measurements={
            ("timeslice 0", "ttft", "mean"): 0.04525,
            ("timeslice 1", "requests_per_second", "value"): 2.5,
        },
        runs={"artifacts/toy": {}},
    ),
    Sample(
        "artifacts/new/profile_export_aiperf_timeslices.json",
        json.dumps(
            {
                "timeslices": [
                    {
                        "start_ns": 1740000000000000000,
                        "end_ns": 1740000001000000000,
                        "request_throughput": {"unit": "requests/sec", "avg": 2.5},
                    }
                ]
            },
            indent=2,
        )
        + "\n",
        matched=1,
        measurements={("timeslice 0", "requests_per_second", "value"): 2.5},
        runs={"artifacts/new": {}},
    ),
)
