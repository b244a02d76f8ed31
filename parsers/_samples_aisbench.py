"""Composed examples of AISBench's files, with what must come out of them."""

from __future__ import annotations

import json

from llmstats.parsing import Sample

_VALUES: dict[tuple[str, ...], float | None] = {
    ("e2e_latency", "mean"): 2.048, ("e2e_latency", "max"): 3.4505, ("ttft", "mean"): 0.05025, ("ttft", "p99"): 0.0555,
    ("tpot", "p50"): 0.0105, ("itl", "min"): 0.0075, ("input_tokens", "mean"): 1512.5, ("output_tokens", "p75"): 322.75,
    ("output_tokens_per_second_per_user", "mean"): 115.75,
}  # fmt: skip
CSV_SAMPLES = (
    Sample(
        "default/20250605_202220/performances/vllm-api-stream-chat/gsm8kdataset.csv",
        """\
Performance Parameters,Stage,Average,Min,Max,Median,P75,P90,P99,N
E2EL,total,2048.0 ms,1729.75 ms,3450.5 ms,2491.75 ms,2750.75 ms,3184.75 ms,3424.5 ms,8
TTFT,total,50.25 ms,49.5 ms,56.0 ms,50.5 ms,51.5 ms,53.5 ms,55.5 ms,8
TPOT,total,10.75 ms,10.0 ms,11.0 ms,10.5 ms,10.625 ms,10.875 ms,10.9375 ms,8
ITL,total,10.75 ms,7.5 ms,13.75 ms,10.5 ms,10.8 ms,10.9 ms,11.5 ms,8
InputTokens,total,1512.5,1481.0,1566.0,1511.5,1520.25,1536.5,1563.0,8
OutputTokens,total,287.5,200.0,407.0,280.0,322.75,374.75,403.75,8
OutputTokenThroughput,total,115.75 token/s,107.5 token/s,116.5 token/s,117.5 token/s,118.25 token/s,1 token/s,2,8
PrefillTokenThroughput,total,3000.5 token/s,1 token/s,2 token/s,3 token/s,4 token/s,5 token/s,6 token/s,8
""",
        matched=8,
        measurements={**_VALUES, ("prefill_tokens_per_second_per_user", "mean"): 3000.5},
        runs={
            "20250605_202220/vllm-api-stream-chat/gsm8kdataset": {
                "dataset": "gsm8kdataset", "config": {"model_abbr": "vllm-api-stream-chat"},
            }
        },
    ),
    Sample(
        "copied/gsm8k.csv",
        "Performance Parameters,Stage,Average,P90,N\nTTFT,stable,0.25 s,0.5 s,8\nTPOT,stable,soon,10.5 ms,8\n",
        matched=2,
        measurements={("ttft", "mean"): 0.25, ("tpot", "p90"): 0.0105},
        runs={"copied/gsm8k": {"dataset": None}},
        suspects=1,
    ),
)  # fmt: skip
_COMMON = {
    "Benchmark Duration": {"total": "19897.75 ms"},
    "Total Requests": {"total": 10},
    "Failed Requests": {"total": 2},
    "Success Requests": {"total": 8},
    "Concurrency": {"total": 0.75},
    "Max Concurrency": {"total": 4},
    "Request Throughput": {"total": "0.375 req/s"},
    "Total Input Tokens": {"total": 12100},
    "Total Generated Tokens": {"total": 2300},
    "Input Token Throughput": {"total": "608.75 token/s"},
    "Output Token Throughput": {"total": "115.5 token/s"},
    "Total Token Throughput": {"total": "723.5 token/s"},
    "Prefill Token Throughput": {"total": "17014.25 token/s"},
}
JSON_SAMPLES = (
    Sample(
        "default/20250605_202220/performances/vllm-api-stream-chat/gsm8kdataset.json",
        json.dumps(_COMMON, indent=4) + "\n",
        matched=11,
        measurements={
            ("benchmark_duration", "value"): 19.89775, ("failed_requests", "value"): 2.0,
            ("completed_requests", "value"): 8.0, ("concurrency", "value"): 0.75,
            ("requests_per_second", "value"): 0.375, ("input_tokens", "sum"): 12100.0,
            ("output_tokens", "sum"): 2300.0, ("input_tokens_per_second", "value"): 608.75,
            ("output_tokens_per_second", "value"): 115.5, ("total_tokens_per_second", "value"): 723.5,
            ("prefill_tokens_per_second", "value"): 17014.25,
        },
        runs={
            "20250605_202220/vllm-api-stream-chat/gsm8kdataset": {
                "status": "completed", "config": {"concurrency": 4.0, "total_requests": 10.0},
            }
        },
    ),
    Sample(
        "toy/performance/api/spec.json",
        json.dumps({
            "Benchmark Duration": {"stable": "2000.5 ms", "ramp": "3.5 s"},
            "Request Throughput": {"stable": "0.5 req/s"},
            "Success Requests": {"stable": 0}, "Failed Requests": {"stable": 3}, "Tomorrow": {"stable": 1.5},
            "Acceptance rate (%)": {"stable": 62.5}, "Acceptance length": {"stable": 2.25}, "Drafts": {"stable": 160},
            "Draft tokens": {"stable": 320}, "Accepted tokens": {"stable": 200},
        }),
        matched=1,
        measurements={
            ("requests_per_second", "value"): 0.5, ("benchmark_duration", "value"): 2.0005,
            ("ramp", "benchmark_duration", "value"): 3.5,
            ("draft_acceptance_rate", "value"): 0.625, ("acceptance_length", "value"): 2.25,
            ("drafts", "value"): 160.0, ("draft_tokens", "value"): 320.0, ("accepted_draft_tokens", "value"): 200.0,
            ("tomorrow", "value"): 1.5,
        },
        runs={"toy/api/spec": {"status": "failed"}},
        unknown=("tomorrow",),
    ),
)  # fmt: skip
TEXT_SAMPLES = (
    Sample(
        "logs/bench.log",
        """\
06/05 20:22:24 - AISBench - INFO - Performance Results of task: vllm-api-stream-chat/gsm8kdataset:

╒══════════════════════════╤═════════╤══════════════════╤═════════════════╤══════╕
│ Performance Parameters   │ Stage   │ Average          │ P99             │  N   │
╞══════════════════════════╪═════════╪══════════════════╪═════════════════╪══════╡
│ E2EL                     │ stable  │ 2048.0  ms       │ 3450.96 ms      │ 8    │
├──────────────────────────┼─────────┼──────────────────┼─────────────────┼──────┤
│ InputTokens              │ stable  │ 1512.5           │ 1566.0          │ 8    │
╘══════════════════════════╧═════════╧══════════════════╧═════════════════╧══════╛
╒══════════════════════════╤═════════╤════════════════════╕
│ Common Metric            │ Stage   │ Value              │
╞══════════════════════════╪═════════╪════════════════════╡
│ Benchmark Duration       │ stable  │ 19897.75 ms        │
├──────────────────────────┼─────────┼────────────────────┤
│ Success Requests         │ stable  │ 8                  │
├──────────────────────────┼─────────┼────────────────────┤
│ Max Concurrency          │ stable  │ 1                  │
├──────────────────────────┼─────────┼────────────────────┤
│ Total generated tokens   │ stable  │ 2300               │
╘══════════════════════════╧═════════╧════════════════════╛

06/05 20:22:24 - AISBench - INFO - Performance Result files locate in outputs/default/20250605_202220/performances.
""",
        matched=5,
        measurements={
            ("e2e_latency", "mean"): 2.048, ("input_tokens", "p99"): 1566.0, ("benchmark_duration", "value"): 19.89775,
            ("completed_requests", "value"): 8.0, ("output_tokens", "sum"): 2300.0,
        },
        runs={
            "logs/bench": {
                "status": "completed", "dataset": "gsm8kdataset",
                "config": {"concurrency": 1.0, "model_abbr": "vllm-api-stream-chat"},
            }
        },
    ),
    Sample(
        "docs/table.txt",
        """\
| Performance Parameters | Stage | Average | Max    |
| ---------------------- | ----- | ------- | ------ |
| TTFT                   | total | 50.5 ms | 60 ms  |
| Performance Parameters of no table
| Common Metric | Stage | Value     |
| ------------- | ----- | --------- |
| Benchmark Duration | total | 20.5 ms |
""",
        matched=2,
        measurements={("ttft", "mean"): 0.0505, ("ttft", "max"): 0.06, ("benchmark_duration", "value"): 0.0205},
    ),
)  # fmt: skip
