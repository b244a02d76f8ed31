"""Composed examples of inference-benchmarker's results, with what must come out of them."""

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample

_WORDS = ("p50", "p60", "p70", "p80", "p90", "p95", "p99", "avg")


def _times(first: float) -> dict[str, float]:
    return {word: first + 0.25 * i for i, word in enumerate(_WORDS)}


def _values(metric: str, first: float) -> dict[tuple[str, ...], float | None]:
    return {(metric, "mean" if word == "avg" else word): (first + 0.25 * i) * 1e-3 for i, word in enumerate(_WORDS)}


def _result(name: str, executor: str, rate: float | None, done: int = 24) -> dict[str, Any]:
    return {
        "id": name, "executor_type": executor, "config": {"max_vus": 128, "duration_secs": 120, "rate": rate},
        "total_requests": done + 1, "total_tokens": 4800, "token_throughput_secs": 40.5, "duration_ms": 118500,
        "time_to_first_token_ms": _times(50.0), "inter_token_latency_ms": _times(20.0), "failed_requests": 1,
        "successful_requests": done, "request_rate": 0.25, "total_tokens_sent": 2400, "e2e_latency_ms": _times(4000.0),
    }  # fmt: skip


_CONFIG = {
    "max_vus": 128, "duration_secs": 120, "benchmark_kind": "Sweep", "warmup_duration_secs": 30, "rates": None,
    "num_rates": 10, "prompt_options": {"num_tokens": 200, "min_tokens": 180, "max_tokens": 220, "variance": 10},
    "decode_options": {"num_tokens": 800}, "tokenizer": "toy/Toy-8B", "model_name": "toy/Toy-8B", "run_id": "r",
}  # fmt: skip


def _report(*results: dict[str, Any]) -> dict[str, Any]:
    return {
        "config": _CONFIG, "results": list(results), "start_time": "2025-02-19T21:20:00.250000000+00:00",
        "end_time": "2025-02-19T21:25:00.500000000+00:00", "system": {"cpu": ["toy"], "memory": "64.00 GB"},
    }  # fmt: skip


JSON_SAMPLES = (
    Sample(
        "results/toy_Toy-8B_2025-02-19-21-25-00.json",
        json.dumps(_report(*(_result(n, "ConstantVUs", None) for n in ("warmup", "throughput"))), indent=1) + "\n",
        matched=7 + 24,
        measurements={
            **_values("ttft", 50.0), **_values("tpot", 20.0), **_values("e2e_latency", 4000.0),
            ("output_tokens", "sum"): 4800.0, ("input_tokens", "sum"): 2400.0,
            ("output_tokens_per_second", "value"): 40.5, ("benchmark_duration", "value"): 118.5,
            ("failed_requests", "value"): 1.0, ("completed_requests", "value"): 24.0,
            ("requests_per_second", "value"): 0.25,
        },
        runs={
            "results/toy_Toy-8B_2025-02-19-21-25-00/throughput": {
                "model": "toy/Toy-8B", "status": "completed", "started_at": 1_740_000_000_250_000,
                "config": {"benchmark_kind": "Sweep"}, "environment": {"client": {"memory": "64.00 GB"}},
            }
        },
    ),
    Sample(
        "results/toy.json",
        json.dumps(_report(_result("constant@1.50req/s", "ConstantArrivalRate", 1.5, done=0))),
        matched=1,
        measurements={("completed_requests", "value"): 0.0},
        runs={"results/toy/constant@1.50req/s": {"status": "failed", "config": {"rate": 1.5}}},
    ),
)  # fmt: skip
TEXT_SAMPLES = (
    Sample(
        "logs/toy.log",
        """\
┌─────────────────┬───────────────────────────────┐
│ Parameter       │ Value                         │
├─────────────────┼───────────────────────────────┤
│ Max VUs         │ 128                           │
│ Tokenizer       │ toy/Toy-8B                    │
└─────────────────┴───────────────────────────────┘

┌────────────────────┬────────────┬───────────────────┬────────────┬───────────┬───────────────────┬────────────┬─────────────────────┬─────────────────────────────┬──────────────────────────────┐
│ Benchmark          │ QPS        │ E2E Latency (avg) │ TTFT (avg) │ ITL (avg) │ Throughput        │ Error Rate │ Successful Requests │ Prompt tokens per req (avg) │ Decoded tokens per req (avg) │
├────────────────────┼────────────┼───────────────────┼────────────┼───────────┼───────────────────┼────────────┼─────────────────────┼─────────────────────────────┼──────────────────────────────┤
│ warmup             │ 0.10 req/s │ 9.25 sec          │ 99.25 ms   │ 99.50 ms  │ 9.25 tokens/sec   │ 0.00%      │ 3/3                 │ 200.00                      │ 199.25                       │
│ throughput         │ 0.25 req/s │ 4.25 sec          │ 50.25 ms   │ 20.50 ms  │ 40.75 tokens/sec  │ 4.00%      │ 24/25               │ 100.50                      │ 200.25                       │
│ constant@1.50req/s │ 0.75 req/s │ 5.25 sec          │ 51.25 ms   │ 21.50 ms  │ 140.75 tokens/sec │ 100.00%    │ 0/25                │ 101.50                      │ 201.25                       │
└────────────────────┴────────────┴───────────────────┴────────────┴───────────┴───────────────────┴────────────┴─────────────────────┴─────────────────────────────┴──────────────────────────────┘
""",  # noqa: E501
        matched=2,
        measurements={
            ("requests_per_second", "value"): 0.25, ("e2e_latency", "mean"): 4.25, ("ttft", "mean"): 0.05025,
            ("tpot", "mean"): 0.0205, ("output_tokens_per_second", "value"): 140.75,
            ("input_tokens", "mean"): 100.5, ("output_tokens", "mean"): 201.25,
            ("completed_requests", "value"): 24.0, ("failed_requests", "value"): 25.0,
        },
        runs={
            "logs/toy/throughput": {"status": "completed", "config": {"Tokenizer": "toy/Toy-8B"}},
            "logs/toy/constant@1.50req/s": {"status": "failed"},
        },
    ),
    Sample(
        "docs/table.txt",
        """\
| Benchmark  | QPS        | E2E Latency (avg) | TTFT (avg) |
|------------|------------|-------------------|------------|
| throughput | 0.25 req/s | 4.25 sec          | 50.25 ms   |
""",
        matched=1,
        measurements={("ttft", "mean"): 0.05025},
    ),
)  # fmt: skip
