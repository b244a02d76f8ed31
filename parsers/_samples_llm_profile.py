"""Composed examples of ``llm_profiler.py`` and ``benchmark_client.py``, with what must come out of them."""

# ruff: noqa: E501  (log lines are as long as the program writes them)

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample

_P = (1, 25, 50, 75, 90, 95, 99, 100)


def _result(
    clients: int, requests: int, qps: float, average: float, *, backend: str = "", first: int = 1
) -> dict[str, Any]:
    """A dict of results, percentiles growing with their rank."""
    percentiles = [p for p in _P if p >= first]
    return {
        "backend": backend,
        "clients": clients,
        "request_num": requests,
        "Total QPS": qps,
        "Avg Input Length": 256.0,
        "Avg Output Length": average,
        "Total Throughput": qps * (256.0 + average),
        "Input Throughput": qps * 256.0,
        "Output Throughput": qps * average,
        "request_time": {f"P{p}": 15.0 + p / 1024 for p in percentiles},
        "first_token_time_dict": {f"P{p}": 0.25 + p / 4096 for p in percentiles},
        "decode_token_time_dict": {f"P{p}": 31.0 + p / 512 for p in percentiles},
    }


def _report(result: dict[str, Any], total: int, last: str | None = None) -> str:
    """What the program prints: text lines, then the dict (``last``: as it came out there)."""
    valid = result["request_num"]
    lines = [f"\n\nvalid num = {valid}; all data num = {total}; valid ratio = {valid / total}\n"]
    lines += [f"{key}: {result[key]}" for key in ("Total QPS", "Avg Input Length", "Avg Output Length")]
    lines += [f"{key}: {result[key]} token/s" for key in ("Total Throughput", "Input Throughput", "Output Throughput")]
    lines += ["-" * 10, *(f"request_time {p}: {v:.6f}s" for p, v in result["request_time"].items())]
    lines += [
        "-" * 10,
        *(f"first_token_time  {p}: {v:.6f}s" for p, v in result["first_token_time_dict"].items()),
    ]
    lines += [
        "-" * 10,
        *(f"decode_token_time  {p}: {v:.6f}ms" for p, v in result["decode_token_time_dict"].items()),
    ]
    return "\n".join(lines) + "\n" + (str(result) if last is None else last) + "\n"


def _numpy(result: dict[str, Any]) -> str:
    """The dict as numpy 2 prints it."""
    text = str({k: v for k, v in result.items() if not isinstance(v, dict)})[:-1]
    for key, part in result.items():
        if isinstance(part, dict):
            text += f", '{key}': {{" + ", ".join(f"'{p}': np.float64({v})" for p, v in part.items()) + "}"
    return text + "}"


_EIGHT = _result(8, 16, 0.5123456789, 128.0)
_ONE = _result(1, 49, 0.0625, 140.5)
_LIGHT = _result(100, 1998, 12.5, 131.25, backend="lightllm", first=25)

_TQDM = "\rRunning tests:   0%|          | 0/16 [00:00<?, ?it/s]\rRunning tests: 100%|##########| 16/16 [00:31<00:00,  1.95s/it]\n"

_MEASURED: dict[tuple[str, ...], float | None] = {
    ("requests_per_second", "value"): 0.5123456789,
    ("output_tokens_per_second", "value"): _EIGHT["Output Throughput"],
    ("input_tokens_per_second", "value"): _EIGHT["Input Throughput"],
    ("total_tokens_per_second", "value"): _EIGHT["Total Throughput"],
    ("input_tokens", "mean"): 256.0,
    ("output_tokens", "mean"): 128.0,
    ("completed_requests", "value"): 16.0,
    ("e2e_latency", "p1"): 15.0 + 1 / 1024,
    ("e2e_latency", "max"): 15.0 + 100 / 1024,
    ("ttft", "p50"): 0.25 + 50 / 4096,
    ("ttft", "p99"): 0.25 + 99 / 4096,
    ("tpot", "p50"): (31.0 + 50 / 512) / 1000,
    ("tpot", "max"): (31.0 + 100 / 512) / 1000,
}

_FAILED = (
    _TQDM
    + "Traceback (most recent call last):\n"
    + '  File "/w/llm_profiler.py", line 138, in <module>\n    main(args)\n'
    + "ZeroDivisionError: division by zero\n"
    + "\n\nvalid num = 0; all data num = 16; valid ratio = 0.0\n\nTotal QPS: 0.0\nAvg Input Length: 256.0\n"
)

LOG_SAMPLES = (
    Sample(
        "results/log/test_log_bz8_input256_output128.log",
        _TQDM[:-1] + _report(_EIGHT, 16, _numpy(_EIGHT))[2:],
        matched=8,
        measurements={
            **_MEASURED,
            ("failed_requests", "value"): 0.0,
            ("success_rate", "value"): 1.0,
        },
        runs={
            "results/bz8_input256_output128": {
                "kind": "serving",
                "status": "completed",
                "fingerprint": "llm_profile:8:0.5123456789",
            }
        },
    ),
    Sample(
        "v1/test_log_input256_output128.log",
        _report(_ONE, 50).replace("'P100': 31.1953125", "'P100': nan"),
        matched=8,
        measurements={
            ("requests_per_second", "value"): 0.0625,
            ("failed_requests", "value"): 1.0,
            ("success_rate", "value"): 0.98,
            ("tpot", "p1"): (31.0 + 1 / 512) / 1000,
            ("tpot", "max"): float("nan"),
        },
        runs={"v1/input256_output128": {"status": "completed", "fingerprint": "llm_profile:1:0.0625"}},
    ),
    Sample(
        # Killed before the dict was printed: the rounded lines are all there is.
        "captures/nightly.log",
        _report(_EIGHT, 16, "")[:-2] + "\n",
        matched=31,
        measurements={
            ("ttft", "p1"): 0.250244,
            ("tpot", "max"): 31.195312 / 1000,
            ("output_tokens_per_second", "value"): _EIGHT["Output Throughput"],
        },
        runs={"captures/nightly": {"status": "completed", "fingerprint": None}},
    ),
    Sample(
        "results/log/test_log_bz8_input512_output128.log",
        _FAILED,
        matched=3,
        measurements={
            ("completed_requests", "value"): 0.0,
            ("failed_requests", "value"): 16.0,
            ("success_rate", "value"): 0.0,
        },
        runs={"results/bz8_input512_output128": {"status": "failed"}},
        events=("error",),
    ),
    Sample(
        # As `llmstats run serving` writes it: two of the requests found no server.
        "results/log/test_log_bz8_input1024_output128.log",
        "llmstats 0.1.0 run serving: input 1024, output 128, 8 clients, 18 requests; http://toy:8000/v1/completions\n"
        + _TQDM
        + "llmstats: partial: failed: connect 2\n"
        + _report(_EIGHT, 18),
        matched=8,
        measurements={("completed_requests", "value"): 16.0, ("failed_requests", "value"): 2.0},
        runs={"results/bz8_input1024_output128": {"status": "partial"}},
    ),
    Sample(
        "results/log/test_log_bz16_input512_output128.log",
        _TQDM
        + "Traceback (most recent call last):\n  File \"/w/llm_profiler.py\", line 52, in post_stream_vllm\n"
        + "    assert response.status_code == 200\nAssertionError\n",
        matched=0,
        runs={"results/bz16_input512_output128": {"status": "failed"}},
        events=("error",),
    ),
)  # fmt: skip

DUMP_SAMPLES = (
    Sample(
        "results/dump.json",
        json.dumps(_EIGHT, indent=4),
        matched=31,
        measurements=_MEASURED,
        runs={
            "results/dump": {
                "kind": "serving",
                "fingerprint": "llm_profile:8:0.5123456789",
                "status": "completed",
            }
        },
    ),
    Sample(
        "results/dump_input256_output128.json",
        json.dumps(_ONE),
        matched=1,
        measurements={("requests_per_second", "value"): 0.0625, ("tpot", "p1"): (31.0 + 1 / 512) / 1000},
        runs={"results/input256_output128": {"fingerprint": "llm_profile:1:0.0625"}},
    ),
)


def _row(input_len: int, output_len: int, result: dict[str, Any]) -> str:
    cells: list[Any] = [input_len, output_len]
    for value in result.values():
        cells += value.values() if isinstance(value, dict) else [value]
    return ",".join(str(c) for c in cells) + "\r\n"


_HEADER = (
    "input_len,output_len,"
    + ",".join(k for k, v in _EIGHT.items() if not isinstance(v, dict))
    + "".join(f",{name}_P{p}" for name in ("request_time", "first_token_time", "decode_token_time") for p in _P)
    + "\r\n"
)

CSV_SAMPLES = (
    Sample(
        "results/test_results_deepseek_r1.csv",
        _HEADER + _row(256, 128, _EIGHT),
        matched=1,
        measurements=_MEASURED,
        runs={
            "results/bz8_input256_output128": {
                "kind": "serving",
                "status": "completed",
                "fingerprint": "llm_profile:8:0.5123456789",
            }
        },
    ),
    Sample(
        "v1/test_results.csv",
        _HEADER + _row(256, 128, _ONE) + "512,128,,1,50,0.5\r\n" + _row(512, 128, {**_ONE, "Total QPS": 0.125}),
        matched=2,
        runs={
            "v1/input256_output128": {"fingerprint": "llm_profile:1:0.0625"},
            "v1/input512_output128": {"fingerprint": "llm_profile:1:0.125"},
        },
        suspects=1,
    ),
)

LIGHTLLM_SAMPLES = (
    Sample(
        "light/out.log",
        "Generate random data finish.\n" + _TQDM + _report(_LIGHT, 2000) + "Results have been written to a.json\n",
        matched=8,
        measurements={
            ("requests_per_second", "value"): 12.5,
            ("failed_requests", "value"): 2.0,
            ("ttft", "p25"): 0.25 + 25 / 4096,
            ("tpot", "max"): (31.0 + 100 / 512) / 1000,
            ("input_tokens", "mean"): 256.0,
            ("input_tokens_per_second", "value"): 3200.0,
            ("output_tokens", "mean"): 131.25,
            ("output_tokens_per_second", "value"): 1640.625,
            ("success_rate", "value"): 0.999,
            ("total_tokens_per_second", "value"): 4840.625,
        },
        runs={
            "light/out": {
                "kind": "serving",
                "framework": "lightllm",
                "status": "completed",
                "fingerprint": "lightllm:100:12.5",
            }
        },
    ),
    Sample(
        "light/a.json",
        json.dumps({**_LIGHT, "backend": "openai"}, indent=4),
        matched=28,
        measurements={("requests_per_second", "value"): 12.5, ("e2e_latency", "p99"): 15.0 + 99 / 1024},
        runs={"light/a": {"framework": None, "fingerprint": "lightllm:100:12.5"}},
    ),
    Sample(
        "light/failed.log",
        "Generate random data finish.\n" + _FAILED,
        matched=3,
        measurements={("completed_requests", "value"): 0.0},
        runs={"light/failed": {"status": "failed"}},
        events=("error",),
    ),
)
