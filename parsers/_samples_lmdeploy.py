"""Composed examples of lmdeploy's benchmarks, with what must come out of them."""

from __future__ import annotations

from llmstats.parsing import Sample

from ._samples_vllm import END, TITLE, rows


def _block(backend: str) -> str:
    return TITLE + rows(
        ("Backend:", backend),
        ("Traffic request rate:", "8.0"),
        ("Successful requests:", 40),
        ("Benchmark duration (s):", "20.00"),
        ("Total input tokens:", 40960),
        ("Total generated tokens:", 20480),
        ("Total generated tokens (retokenized):", 20400),
        ("Request throughput (req/s):", "2.00"),
        ("Input token throughput (tok/s):", "2048.00"),
        ("Output token throughput (tok/s):", "1024.00"),
        ("End-to-End Latency", None),
        ("Mean E2E Latency (ms):", "7500.00"),
        ("Time to First Token", None),
        ("P99 TTFT (ms):", "120.00"),
        ("Time per Output Token (excl. 1st token)", None),
        ("Median TPOT (ms):", "14.50"),
        ("Inter-token Latency", None),
        ("Mean ITL (ms):", "16.50"),
    )


_VALUES: dict[tuple[str, ...], float | None] = {
    ("benchmark_duration", "value"): 20.0,
    ("completed_requests", "value"): 40.0,
    ("input_tokens", "sum"): 40960.0,
    ("output_tokens", "sum"): 20400.0,
    ("requests_per_second", "value"): 2.0,
    ("input_tokens_per_second", "value"): 2048.0,
    ("output_tokens_per_second", "value"): 1024.0,
    ("e2e_latency", "mean"): 7.5,
    ("ttft", "p99"): 0.12,
    ("tpot", "p50"): 0.0145,
    ("itl", "mean"): 0.0165,
}

SERVING_SAMPLES = (
    Sample(
        "serve/out.log",
        "Namespace(backend='lmdeploy', dataset_name='sharegpt', num_prompts=40, request_rate=8.0, model='toy/Toy-8B')\n"
        "Initial test run completed. Starting main benchmark run...\nwarmup time: 1.25s\n\n" + _block("lmdeploy") + END,
        matched=12,
        measurements=_VALUES | {("failed_requests", "value"): 0.0},
        runs={
            "serve/out": {
                "framework": "lmdeploy",
                "dataset": "sharegpt",
                "fingerprint": "serving:40:40960:20480:20.00:7500.00",
            }
        },
    ),
    Sample(
        "serve/other.log",
        _block("vllm-chat") + END,
        matched=12,
        measurements=_VALUES,
        runs={"serve/other": {"framework": "vllm", "config": {"request_rate": 8.0}}},
    ),
)
