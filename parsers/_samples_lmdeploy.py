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

_NEW_HEADER = (
    "backend,dataset_name,sharegpt_output_len,random_input_len,random_output_len,random_range_ratio,request_rate,"
    "completed,total_input_tokens,total_output_tokens,duration,request_throughput,input_throughput,output_throughput,"
    "mean_e2e_latency_ms,mean_ttft_ms,mean_tpot_ms,mean_itl_ms"
)
_BS_HEADER = _NEW_HEADER.replace("backend,", "backend,bs,").replace("request_rate,", "num_prompts,")
_GIB = float(1 << 30)

CSV_SAMPLES = (
    Sample(
        # CSV in spite of its name
        "serve/lmdeploy_0103_40_1024_512.jsonl",
        f"{_NEW_HEADER}\nlmdeploy,random,,1024,512,1.0,inf,40,40960,20480,20.5,2.0,2048.5,1024.25,7500.5,120.25,14.5,15.5\n",
        matched=1,
        measurements={
            ("benchmark_duration", "value"): 20.5,
            ("completed_requests", "value"): 40.0,
            ("input_tokens", "sum"): 40960.0,
            ("output_tokens", "sum"): 20480.0,
            ("requests_per_second", "value"): 2.0,
            ("input_tokens_per_second", "value"): 2048.5,
            ("output_tokens_per_second", "value"): 1024.25,
            ("e2e_latency", "mean"): 7.5005,
            ("ttft", "mean"): 0.12025,
            ("tpot", "mean"): 0.0145,
            ("itl", "mean"): 0.0155,
        },
        runs={"serve/lmdeploy_0103_40_1024_512": {"framework": "lmdeploy", "config": {"random_output_len": 512}}},
    ),
    Sample(
        "offline/profile_throughput.csv",
        f"{_BS_HEADER}\nturbomind,256,sharegpt,,,,,50,40,40960,20480,20.5,2.000,2048.500,1024.250,7500.500,-,14.500,-\n",
        matched=1,
        measurements={("ttft", "mean"): None, ("failed_requests", "value"): 10.0, ("tpot", "mean"): 0.0145},
        runs={"offline/profile_throughput": {"dataset": "sharegpt", "config": {"max_concurrency": 256}}},
    ),
    Sample(
        "old/profile_throughput.csv",
        "batch,num_promts,RPS,RPM,FTL(ave)(s),FTL(min)(s),FTL(max)(s),50%(s),75%(s),95%(s),99%(s),"
        "throughput(out tok/s),throughput(total tok/s)\n"
        "64,2000,12.500,750.000,0.500,0.125,4.500,0.062,0.100,0.150,0.250,3387.500,6981.250\n",
        matched=1,
        measurements={
            ("requests_per_second", "value"): 12.5,
            ("requests_per_minute", "value"): 750.0,
            ("ttft", "mean"): 0.5,
            ("ttft", "max"): 4.5,
            ("itl", "p99"): 0.25,
            ("output_tokens_per_second", "value"): 3387.5,
            ("total_tokens_per_second", "value"): 6981.25,
        },
        runs={"old/profile_throughput": {"kind": "serving", "config": {"concurrency": 64.0, "num_prompts": 2000}}},
    ),
    Sample(
        "old/profile_generation.csv",
        "batch,prompt_tokens,completion_tokens,throughput(total tok/s),throughput(out tok/s),mem(GB),FTL(ave)(s),"
        "FTL(min)(s),FTL(max)(s),50%(s),75%(s),95%(s),99%(s)\n"
        "16,128,2048,1074.50,1010.62,76.50,0.13,0.023,0.144,0.015,0.018,0.02,0.021\n",
        matched=1,
        measurements={
            ("memory_used", "value"): 76.5 * _GIB,
            ("total_tokens_per_second", "value"): 1074.5,
            ("ttft", "min"): 0.023,
        },
        runs={"old/profile_generation": {"kind": "inference", "config": {"batch_size": 16.0, "input_len": 128.0}}},
    ),
)

_WIDE = "=" * 35 + " Profile Throughput " + "=" * 35 + "\n"


def _row(label: str, *values: object) -> str:
    return f"{label:<40}" + "".join(f"{v:>10.3f}" if isinstance(v, float) else f"{v:>10}" for v in values) + "\n"


PROFILE_SAMPLES = (
    Sample(
        "offline/out.log",
        "\n"
        + _WIDE
        + _row("Benchmark duration", 20.5)
        + _row("Total requests", 50)
        + _row("Successful requests", 40)
        + _row("Concurrency", 256)
        + _row("Stream output", "true")
        + _row("Total input tokens", 40960)
        + _row("Total generated tokens", 20480)
        + _row("Input throughput (tok/s)", 2048.5)
        + _row("Output throughput (tok/s)", 1024.25)
        + _row("Request throughput (req/s)", 2.0)
        + "-" * 90
        + "\n"
        + _row("", "mean", "P50", "P75", "P95", "P99")
        + _row("End-to-end Latency", 7.5, 7.25, 7.625, 7.75, 8.5)
        + _row("Time to First Token (TTFT)", 0.125, 0.12, 0.13, 0.14, 0.15)
        + _row("Time per Output Token (TPOT)", 0.0145, 0.014, 0.015, 0.016, 0.017)
        + _row("Inter-token Latency (ITL)", 0.0155, 0.014, 0.015, 0.016, 0.018)
        + _row("Tokens per Tick", 1.5, 1, 1, 2, 4)
        + "=" * 90
        + "\n",
        matched=12,
        measurements={
            ("benchmark_duration", "value"): 20.5,
            ("completed_requests", "value"): 40.0,
            ("input_tokens", "sum"): 40960.0,
            ("output_tokens", "sum"): 20480.0,
            ("input_tokens_per_second", "value"): 2048.5,
            ("output_tokens_per_second", "value"): 1024.25,
            ("requests_per_second", "value"): 2.0,
            ("e2e_latency", "p99"): 8.5,
            ("ttft", "p95"): 0.14,
            ("tpot", "p50"): 0.014,
            ("itl", "p99"): 0.018,
            ("tokens_per_chunk", "mean"): 1.5,
        },
        runs={"offline/out": {"framework": "lmdeploy", "config": {"concurrency": 256, "num_prompts": 50}}},
    ),
    Sample(
        "old/out.log",
        f"\n{'-' * 50}\nconcurrency: 64\nelapsed_time: 160.500s\n\n"
        "first token latency(s)(min, max, ave): 0.125, 4.500, 0.500\n"
        "per-token latency(s) percentile(50, 75, 95, 99): [0.062, 0.1, 0.15, np.float64(0.25)]\n\n"
        "number of prompt tokens: 577000\nnumber of completion tokens: 544000\n"
        "token throughput (completion token): 3387.500 token/s\n"
        "token throughput (prompt + completion token): 6981.250 token/s\n"
        f"RPS (request per second): 12.500 req/s\nRPM (request per minute): 750.000 req/min\n{'-' * 50}\n",
        matched=9,
        measurements={
            ("ttft", "mean"): 0.5,
            ("ttft", "min"): 0.125,
            ("itl", "p99"): 0.25,
            ("benchmark_duration", "value"): 160.5,
            ("total_tokens_per_second", "value"): 6981.25,
            ("requests_per_minute", "value"): 750.0,
            ("output_tokens", "sum"): 544000.0,
        },
        runs={"old/out": {"kind": "serving", "config": {"concurrency": 64.0}}},
    ),
    Sample(
        "oldest/generation.log",
        f"{'-' * 50}\nconcurrency: 64, input_tokens: 1, output_tokens: 2048\nelapsed_time: 738.32s\n"
        "first_token latency(min, max, ave): 45.43s, 94.67s, 89.29s\n"
        "token latency(min, max, ave): 45.5s, 94.75s, 89.25s\n"
        f"throughput: 22.926729736 token/s\n{'-' * 50}\n",
        matched=4,
        measurements={
            ("ttft", "max"): 94.67,
            ("token latency", "max"): 94.75,
            ("output_tokens_per_second", "value"): 22.926729736,
        },
        runs={"oldest/generation": {"config": {"concurrency": 64.0, "input_len": 1.0, "output_len": 2048.0}}},
        unknown=("token latency",),
    ),
    Sample(
        "old/generation.log",
        f"\n{'-' * 50}\ntotal time: 12.50s\nconcurrency: 16, test_round: 3\ninput_tokens: 128, output_tokens: 512\n"
        "first_token latency(min, max, ave): 0.023s, 0.144s, 0.13s\n"
        "total_token latency(min, max, ave): 6.1s, 6.3s, 6.2s\n"
        "token_latency percentiles(50%,75%,95%,99%)(s): [0.015, 0.018, 0.02, 0.021]\n"
        f"throughput(output): 1010.62 token/s\nthroughput(total): 1074.5 token/s\n{'-' * 50}\n",
        matched=6,
        measurements={("e2e_latency", "mean"): 6.2, ("ttft", "max"): 0.144, ("itl", "p75"): 0.018},
        runs={"old/generation": {"kind": "inference", "config": {"input_len": 128.0, "output_len": 512.0}}},
    ),
)
