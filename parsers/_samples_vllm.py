"""Composed examples of ``vllm bench serve``, ``throughput`` and ``latency``, with what must come out of them."""

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample


def _latencies(names: str, first: float, percentiles: tuple[str, ...] = ("p99",)) -> dict[str, float]:
    """``mean_ttft_ms`` …: each value differs from all others."""
    words = ("mean", "median", "std", *percentiles)
    return {
        f"{word}_{name}_ms": first * (i + 1) + 0.25 * j
        for i, name in enumerate(names.split())
        for j, word in enumerate(words)
    }


def _head(**more: Any) -> dict[str, Any]:
    return {"date": "20260102-030405", "endpoint_type": "openai", "backend": "vllm", "label": None,
            "model_id": "toy/Toy-8B", "tokenizer_id": "toy/Toy-8B", "num_prompts": 8, **more}  # fmt: skip


_NEW: dict[str, Any] = {
    **_head(note="night run", request_rate="inf", burstiness=1.0, max_concurrency=4),
    "duration": 4.0, "completed": 7, "failed": 1, "total_input_tokens": 700, "total_output_tokens": 350,
    "request_throughput": 1.75, "request_goodput": 1.5, "output_throughput": 87.5, "total_token_throughput": 262.5,
    "max_output_tokens_per_s": 120.0, "max_concurrent_requests": 5, "rtfx": 0.0,
    "probe_completed": 3, "probe_failed": 1, "probe_median_e2el_ms": 12.5,
    "spec_decode_acceptance_rate": 62.5, "spec_decode_acceptance_length": 2.25, "spec_decode_num_drafts": 160,
    "spec_decode_draft_tokens": 320, "spec_decode_accepted_tokens": 200,
    "spec_decode_per_position_acceptance_rates": [0.75, 0.5],
    **_latencies("ttft tpot itl e2el client_queue_time e2el_including_client_queue", 20.0, ("p50", "p99.9")),
    "tomorrow": 42.0,
}  # fmt: skip
_NEW_VALUES: dict[tuple[str, ...], float | None] = {
    ("benchmark_duration", "value"): 4.0,
    ("completed_requests", "value"): 7.0,
    ("failed_requests", "value"): 1.0,
    ("probe", "completed_requests", "value"): 3.0,
    ("probe", "failed_requests", "value"): 1.0,
    ("probe", "e2e_latency", "p50"): 0.0125,
    ("input_tokens", "sum"): 700.0,
    ("output_tokens", "sum"): 350.0,
    ("requests_per_second", "value"): 1.75,
    ("request_goodput", "value"): 1.5,
    ("output_tokens_per_second", "value"): 87.5,
    ("total_tokens_per_second", "value"): 262.5,
    ("output_tokens_per_second_peak", "value"): 120.0,
    ("max_concurrency", "value"): 5.0,
    ("rtfx", "value"): None,
    ("draft_acceptance_rate", "value"): 0.625,
    ("position 0", "draft_acceptance_rate", "value"): 0.75,
    ("acceptance_length", "value"): 2.25,
    ("drafts", "value"): 160.0,
    ("draft_tokens", "value"): 320.0,
    ("accepted_draft_tokens", "value"): 200.0,
    ("ttft", "mean"): 0.02,
    ("ttft", "p50"): 0.02025,
    ("ttft", "p99.9"): 0.021,
    ("tpot", "std"): 0.0405,
    ("itl", "mean"): 0.06,
    ("e2e_latency", "mean"): 0.08,
    ("queue_time", "mean"): 0.1,
    ("tomorrow", "value"): 42.0,
}
#: Early 2025: a colon in a key, percentiles of a user's choice, metadata that overwrites nothing.
_COLON: dict[str, Any] = {
    "date": "20250511-230733", "backend": "openai", "model_id": "toy/Toy-8B", "tokenizer_id": "toy/Toy-8B",
    "num_prompts": 4, "timestamp": "2025-05-11,model", "request_rate": 1.8, "burstiness": 50.0, "max_concurrency": None,
    "duration": 2.0, "completed": 4, "total_input_tokens": 400, "total_output_tokens": 40, "request_throughput": 2.0,
    "request_goodput:": None, "output_throughput": 20.0, "total_token_throughput": 220.0,
    **_latencies("ttft tpot itl", 1000.0, ("p95", "p99")),
}  # fmt: skip
#: 2024, with what each request took; most requests failed and left zeros.
_FAILED: dict[str, Any] = {
    "date": "20241116-152727", "backend": "vllm", "model_id": "toy/Toy-405B-FP8", "tokenizer_id": "toy/Toy-405B-FP8",
    "best_of": 1, "use_beam_search": False, "num_prompts": 4, "request_rate": 1000.0, "duration": 3.5, "completed": 1,
    "total_input_tokens": 10, "total_output_tokens": 3, "request_throughput": 0.2857142857142857,
    "output_throughput": 0.8571428571428571, "total_token_throughput": 3.7142857142857144,
    "input_lens": [10, 11, 12, 13], "output_lens": [3, 0, 0, 0], "ttfts": [0.5, 0.25, 0.0, 0.0],
    "itls": [[0.125, 0.25], [], [], []], "generated_texts": ["a", "", "", ""], "errors": ["", "boom", "boom", "boom"],
    **_latencies("ttft", 500.0), "mean_tpot_ms": 0.0, "median_tpot_ms": 0.0, "std_tpot_ms": 0.0, "p99_tpot_ms": 0.0,
}  # fmt: skip
_EMBEDDING: dict[str, Any] = {
    **_head(request_rate="inf", burstiness=1.0, max_concurrency=None),
    "duration": 0.5, "completed": 8, "total_input_tokens": 1000, "total_input_sequences": 16,
    "request_throughput": 16.0, "input_sequence_throughput": 32.0, "total_token_throughput": 2000.0,
    **_latencies("e2el", 150.0),
}  # fmt: skip
_DIFFUSION: dict[str, Any] = {
    **_COLON, "rtfx": 1.5, "diffusion_committed_throughput": 96.0, "diffusion_steps_per_canvas": 6.5,
    "diffusion_committed_per_step": 4.75, "diffusion_committed_tokens": 192, "diffusion_denoising_steps": 40,
    "diffusion_canvas_positions": 1280,
}  # fmt: skip
_OLDEST: dict[str, Any] = {
    "date": "20240102-030405", "backend": "vllm", "version": "N/A", "model_id": "toy/Toy-7B",
    "tokenizer_id": "toy/Toy-7B", "best_of": 1, "use_beam_search": False, "num_prompts": 2, "request_rate": "inf",
    "duration": 8.0, "completed": 0, "total_input_tokens": 0, "total_output_tokens": 0, "request_inthroughput": 0.0,
    "input_throughput": 3.0, "output_throughput": 0.0, "mean_ttft_ms": 0.0, "median_ttft_ms": 0.0, "p99_ttft_ms": 0.0,
}  # fmt: skip
_SWEPT = [{**_COLON, "run_number": i, "max_num_seqs": 4, "duration": 2.0 + i} for i in range(2)]

JSON_SAMPLES = (
    Sample(
        "night/vllm-infqps-concurrency4-Toy-8B-20260102-030405.json",
        json.dumps(_NEW),
        matched=1,
        measurements=_NEW_VALUES,
        runs={
            "night/vllm-infqps-concurrency4-Toy-8B-20260102-030405": {
                "kind": "serving",
                "model": "toy/Toy-8B",
                "framework": "vllm",
                "status": "completed",
                "fingerprint": "serving:7:700:350:4.00:20.00",
                "device": None,
                "config": {"note": "night run", "max_concurrency": 4, "request_rate": "inf"},
            }
        },
        unknown=("tomorrow",),
    ),
    Sample(
        "exp/benchmark_2025-05-11_23-05-25.json",
        json.dumps(_COLON) + "\n" + json.dumps({**_COLON, "duration": 2.5}),
        matched=2,
        measurements={
            ("request_goodput", "value"): None,
            ("failed_requests", "value"): 0.0,
            ("ttft", "p95"): 1.00075,
            ("benchmark_duration", "value"): 2.5,
        },
        runs={
            "exp/benchmark_2025-05-11_23-05-25": {"framework": None, "config": {"timestamp": "2025-05-11,model"}},
            "exp/benchmark_2025-05-11_23-05-25#2": {"status": "completed"},
        },
    ),
    Sample(
        "bad/amd_conc32_in128_out2048_x.json",
        json.dumps(_FAILED, indent=1),
        matched=16,
        measurements={
            ("failed_requests", "value"): 3.0,
            ("ttft", "mean"): 0.5,
            ("tpot", "mean"): None,
            ("output_tokens_per_second", "value"): 0.8571428571428571,
        },
        runs={"bad/amd_conc32_in128_out2048_x": {"status": "failed", "config": {"input_len": 128, "output_len": 2048}}},
    ),
    Sample(
        "embed/run.json",
        json.dumps(_EMBEDDING),
        matched=1,
        measurements={
            ("input_sequences", "sum"): 16.0,
            ("input_sequences_per_second", "value"): 32.0,
            ("total_tokens_per_second", "value"): 2000.0,
            ("e2e_latency", "p99"): 0.15075,
        },
    ),
    Sample(
        "diffusion/run.json",
        json.dumps(_DIFFUSION),
        matched=1,
        measurements={
            ("rtfx", "value"): 1.5,
            ("diffusion_committed_tokens_per_second", "value"): 96.0,
            ("diffusion_steps_per_canvas", "value"): 6.5,
            ("diffusion_committed_per_step", "value"): 4.75,
            ("diffusion_committed_tokens", "value"): 192.0,
            ("diffusion_denoising_steps", "value"): 40.0,
            ("diffusion_canvas_positions", "value"): 1280.0,
        },
    ),
    Sample(
        "old/vllm-infqps-Toy-7B-20240102-030405.json",
        json.dumps(_OLDEST),
        matched=1,
        measurements={
            ("requests_per_second", "value"): 0.0,
            ("input_tokens_per_second", "value"): 3.0,
            ("ttft", "mean"): None,
            ("failed_requests", "value"): 2.0,
        },
        runs={"old/vllm-infqps-Toy-7B-20240102-030405": {"status": "failed", "fingerprint": None}},
    ),
    Sample(
        "SERVE--max_num_seqs=4-BENCH--max_concurrency=2/summary.json",
        json.dumps(_SWEPT, indent=4),
        matched=46,
        measurements={("benchmark_duration", "value"): 3.0},
        runs={
            "SERVE--max_num_seqs=4-BENCH--max_concurrency=2/summary": {"config": {"max_num_seqs": 4, "run_number": 0}},
            "SERVE--max_num_seqs=4-BENCH--max_concurrency=2/summary#2": {"config": {"run_number": 1}},
        },
    ),
)


# --------------------------------------------------------------------------- the printed block


def rows(*pairs: tuple[str, object]) -> str:
    """``{:<40} {:<10}`` each; a pair without a value is a section."""
    lines = [f"{label:-^50}" if value is None else f"{label:<40} {value!s:<10}" for label, value in pairs]
    return "\n".join(lines) + "\n"


TITLE = "============ Serving Benchmark Result ============\n"
END = "=" * 50 + "\n"
_NAMESPACE = (
    "Namespace(subparser='bench', dispatch_function=<function BenchmarkServing.cmd at 0x7f00>, seed=0, num_prompts=8, "
    "dataset_name='random', model='toy/Toy-8B', random_input_len=100, random_output_len=50, random_range_ratio=0.0, "
    "request_rate=inf, max_concurrency=4, goodput=['ttft:100', 'tpot:5'], extra={'a': 1, 'b': 'c, d'}, hf_token='x')\n"
)
_BLOCK = rows(
    ("Successful requests:", 7),
    ("Failed requests:", 1),
    ("Maximum request concurrency:", 4),
    ("Request rate configured (RPS):", "3.50"),
    ("Benchmark duration (s):", "4.00"),
    ("Total input tokens:", 700),
    ("Total generated tokens:", 350),
    ("Request throughput (req/s):", "1.75"),
    ("Request goodput (req/s):", "1.50"),
    ("Output token throughput (tok/s):", "87.50"),
    ("Peak output token throughput (tok/s):", "120.00"),
    ("Peak concurrent requests:", "5.00"),
    ("RTFx (Inverse Real-Time Factor):", "1.25"),
    ("Total token throughput (tok/s):", "262.50"),
    ("Probe Requests", None),
    ("Probe requests completed:", 3),
    ("Probe requests failed:", 1),
    ("Median probe E2EL (ms):", "12.50"),
    ("Time to First Token", None),
    ("Mean TTFT (ms):", "20.00"),
    ("Median TTFT (ms):", "20.25"),
    ("P99.9 TTFT (ms):", "21.00"),
    ("Time per Output Token (excl. 1st token)", None),
    ("Mean TPOT (ms):", "40.00"),
    ("Inter-token Latency", None),
    ("P99 ITL (ms):", "60.75"),
    ("End-to-end Latency", None),
    ("Mean E2EL (ms):", "80.00"),
    ("Client-side Queueing", None),
    ("Mean Client Queue Time (ms):", "100.00"),
    ("Queue-inclusive End-to-end Latency", None),
    ("Mean E2EL incl. Client Queue (ms):", "120.00"),
    ("Speculative Decoding", None),
    ("Acceptance rate (%):", "62.50"),
    ("Acceptance length:", "2.25"),
    ("Drafts:", 160),
    ("Draft tokens:", 320),
    ("Accepted tokens:", 200),
)
_OLD_BLOCK = rows(
    ("Successful requests:", 2),
    ("Benchmark duration (s):", "13.57"),
    ("Total input tokens:", 20000),
    ("Total generated tokens:", 224),
    ("Request throughput (req/s):", "0.15"),
    ("Output token throughput (tok/s):", "16.50"),
    ("Total Token throughput (tok/s):", "1489.82"),
    ("Time to First Token", None),
    ("Mean TTFT (ms):", "5621.78"),
)
_POOLING = rows(
    ("Successful requests:", 10),
    ("Failed requests:", 0),
    ("Benchmark duration (s):", "0.18"),
    ("Total input tokens:", 1372),
    ("Request throughput (req/s):", "56.32"),
    ("Input throughput (inputs/s):", "112.64"),
    ("Tomorrow's number:", "42"),
    ("End-to-end Latency", None),
    ("P99 E2EL (ms):", "166.66"),
    ("Diffusion Decoding", None),
    ("Committed throughput (tok/s):", "96.00"),
    ("Denoising steps per canvas:", "6.50"),
    ("Committed per denoising step:", "4.75"),
    ("Committed tokens:", 192),
    ("Denoising steps:", 40),
    ("Canvas positions evaluated:", 1280),
)
_TRTLLM = rows(
    ("Total requests:", 9),
    ("Successful requests:", 9),
    ("Failed requests:", 0),
    ("Benchmark duration (s):", "4.00"),
    ("User throughput (tok/s):", "623.08"),
    ("Mean Request AR:", "0.9980"),
    ("P99 Avg Decoded Tokens per Iter:", "2.5"),
)
_TEXT_VALUES = {
    key: value
    for key, value in _NEW_VALUES.items()
    if key[-2:] not in {("rtfx", "value"), ("tomorrow", "value"), ("itl", "mean"), ("tpot", "std"), ("ttft", "p99.9")}
} | {
    ("rtfx", "value"): 1.25,
    ("itl", "p99"): 0.06075,
    ("tpot", "mean"): 0.04,
    ("ttft", "p99.9"): 0.021,
    ("position 1", "draft_acceptance_rate", "value"): 0.5,
}
_TRACEBACK = (
    "Starting initial single prompt test run...\nStarting main benchmark run...\nTraffic request rate: 16.0\n"
    'Traceback (most recent call last):\n  File "/w/serve.py", line 1, in <module>\n'
    "aiohttp.client_exceptions.ServerDisconnectedError: Server disconnected\n"
)

TEXT_SAMPLES = (
    Sample(
        "night/bench.log",
        _NAMESPACE
        + "Starting main benchmark run...\nTraffic request rate: 3.5\nBurstiness factor: 1.0 (Poisson process)\n"
        + "100%|##########| 8/8 [00:04<00:00,  2.00it/s]\n"
        + TITLE
        + _BLOCK
        + "Per-position acceptance (%):\n"
        + rows(("  Position 0:", "75.00"), ("  Position 1:", "50.00"))
        + END,
        matched=30,
        measurements=_TEXT_VALUES,
        runs={
            "night/bench": {
                "status": "completed",
                "model": "toy/Toy-8B",
                "dataset": "random",
                "fingerprint": "serving:7:700:350:4.00:20.00",
                "config": {"random_input_len": 100, "request_rate": 3.5, "hf_token": None, "burstiness": 1.0},
            }
        },
    ),
    Sample(
        "raw/long_prompts.txt",
        "python benchmark_serving.py --backend tgi\n\n" + TITLE + _OLD_BLOCK + END + TITLE + _OLD_BLOCK + END,
        matched=16,
        measurements={
            ("total_tokens_per_second", "value"): 1489.82,
            ("ttft", "mean"): 5.62178,
            ("input_tokens", "sum"): 20000.0,
        },
        runs={"raw/long_prompts": {"model": None}, "raw/long_prompts#2": {"framework": None}},
    ),
    Sample(
        "embed/bench.log",
        TITLE + _POOLING + END,
        matched=14,
        measurements={
            ("input_sequences_per_second", "value"): 112.64,
            ("e2e_latency", "p99"): 0.16666,
            ("Tomorrow's number", "value"): 42.0,
            ("diffusion_committed_tokens_per_second", "value"): 96.0,
            ("diffusion_steps_per_canvas", "value"): 6.5,
            ("diffusion_committed_per_step", "value"): 4.75,
            ("diffusion_committed_tokens", "value"): 192.0,
            ("diffusion_denoising_steps", "value"): 40.0,
            ("diffusion_canvas_positions", "value"): 1280.0,
        },
        unknown=("Tomorrow's number",),
    ),
    Sample(
        "all/night.log",
        "+ vllm bench serve --model toy/Toy-8B \\\n    --dataset-name random --random-input-len 100 \\\n"
        "    --max-concurrency 4 --num-prompts 9 --api-key sk-1 --label $LABEL\n"
        + TITLE
        + "     Successful requests:                     7                    \n"
        + "     Benchmark duration (s):                  4.00                 \n"
        + END
        + "0: Throughput: 2.75 requests/s, 699.93 total tokens/s, 349.97 output tokens/s\n"
        + "Avg latency: 1.25 seconds\n99% percentile latency: 1.5 seconds\n",
        matched=5,
        measurements={("failed_requests", "value"): 2.0, ("e2e_batch_latency", "mean"): 1.25},
        runs={
            "all/night": {
                "model": "toy/Toy-8B",
                "config": {"max_concurrency": 4, "random_input_len": 100, "api_key": None, "label": None},
            },
            "all/night#2": {"kind": "inference", "framework": "vllm"},
            "all/night#3": {"kind": "inference"},
        },
    ),
    Sample(
        "old/serving.log",
        "Namespace(backend='vllm', best_of=1, num_prompts=1000, request_rate=200.0, seed=0)\ntotal tokens: 494250\n"
        "Total time: 166.88 s\nThroughput: 5.99 requests/s\nAverage latency: 67.59 s\n"
        "Average latency per token: 0.21 s\nAverage latency per output token: 1.10 s\n",
        matched=6,
        measurements={
            ("total_tokens", "sum"): 494250.0,
            ("benchmark_duration", "value"): 166.88,
            ("requests_per_second", "value"): 5.99,
            ("e2e_latency", "mean"): 67.59,
            ("e2e_per_token", "mean"): 1.10,
        },
        runs={"old/serving": {"kind": "serving", "framework": "vllm", "config": {"num_prompts": 1000}}},
    ),
    Sample(
        "trtllm/output_bench.log",
        TITLE + _TRTLLM + END,
        matched=6,
        measurements={
            ("output_tokens_per_second_per_user", "mean"): 623.08,
            ("acceptance_length", "mean"): 0.998,
            ("acceptance_length", "p99"): 2.5,
        },
        runs={"trtllm/output_bench": {"config": {"num_prompts": 9}}},
    ),
    Sample(
        "bad/bench.log",
        _TRACEBACK,
        matched=0,
        runs={"bad/bench": {"status": "failed", "config": {"request_rate": 16.0}}},
        events=("error",),
    ),
)
