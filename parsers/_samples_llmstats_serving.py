"""Composed cells of ``llmstats run serving``, with what must come out of them."""

# ruff: noqa: E501  (lines are as long as the program writes them)

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample

#: (metric, statistic, value, definition, n)
_ROWS: list[tuple[str, str, float, str | None, int | None]] = [
    ("completed_requests", "value", 16, None, None),
    ("failed_requests", "value", 0, None, None),
    ("success_rate", "value", 1.0, None, None),
    ("benchmark_duration", "value", 31.25, None, None),
    ("requests_per_second", "value", 0.512, None, 16),
    ("output_tokens_per_second", "value", 65.536, "output_tokens_per_second@usage_or_retokenized", 16),
    ("total_tokens_per_second", "value", 196.608, "total_tokens_per_second@usage_or_retokenized", 16),
    ("input_tokens_per_second", "value", 131.072, None, 16),
    ("concurrency", "mean", 7.875, "concurrency@latency_over_duration", 16),
    ("output_chunks", "sum", 1024, None, 16),
    ("tokens_per_chunk", "mean", 2.0, None, 16),
    ("ttft", "mean", 0.1875, "ttft@first_chunk", 16),
    ("ttft", "p50", 0.171875, "ttft@first_chunk", 16),
    ("tpot", "p99", 0.0234375, "tpot@excl_first", 16),
    ("itl", "p99", 0.046875, "itl@chunk_gaps", 1008),
    ("e2e_latency", "max", 3.5, "e2e_latency@last_chunk", 16),
    ("input_tokens", "mean", 256.0, None, 16),
    ("output_tokens", "mean", 128.0, "output_tokens@usage_or_retokenized", 16),
]
_OPEN = {"num_clients": None, "request_rate": 4.0}


def _cell(rows: list[tuple[Any, ...]], load: dict[str, Any] | None = None, **facts: Any) -> str:
    """A document, with one measurement per line."""
    cell = {"name": "bz8_input256_output128", "input_len": 256, "output_len": 128, "num_clients": 8, "request_rate": None,
            "input_num": 16, "warmup": 1, "seed": 0} | (load or {})  # fmt: skip
    document: dict[str, Any] = {
        "format": "llmstats_serving", "version": 1, "status": "completed", "cell": cell, "model": "toy-7b",
        "server_api": "vllm", "url": "http://toy:8000/v1/completions", "api": "completions",
        "request": {"stream": True, "min_tokens": 128, "ignore_eos": True, "temperature": None},
        "tokenizer": "toy-7b", "llmstats": "0.1.0", "started_at": "2026-03-01 09:00:00.250+08:00",
        "ended_at": "2026-03-01 09:00:33.500+08:00", "earlier": [], "error": None,
        "requests": {"asked": 16, "completed": 16, "failed": 0, "failures": {}, "interrupted": 0, "not_sent": 0, "sent_again": 0},
        "tokens": {"input": 4096, "output": 2048, "output_by": ["usage"], "chunks": 1024, "lines": 1040, "full_length": 16, "cached": 0},
        "client": {"cpu": 0.125, "loop_late_p50": 0.0001, "loop_late_p99": 0.0005, "sent_late_p99": None},
        "notes": [], "conditions": {"output_len_mode": "constant"},
    } | facts  # fmt: skip
    names = ("metric", "statistic", "value", "definition", "n")
    lines = ",\n".join("    " + json.dumps(dict(zip(names, row, strict=True))) for row in rows)
    return f'{json.dumps(document, indent=2)[:-2]},\n  "measurements": [\n{lines}\n  ]\n}}\n'


_FAILURES = {
    "asked": 16,
    "completed": 0,
    "failed": 12,
    "failures": {"connect": 9, "stream_cut": 3},
    "interrupted": 0,
    "not_sent": 4,
    "sent_again": 0,
}

CELL_SAMPLES = (
    Sample(
        "20260301_090000/cells/bz8_input256_output128.json",
        _cell(_ROWS),
        matched=len(_ROWS),
        measurements={(metric, statistic): value for metric, statistic, value, _, _ in _ROWS},
        runs={
            "20260301_090000/bz8_input256_output128": {
                "kind": "serving",
                "status": "completed",
                "model": "toy-7b",
                "framework": "vllm",
                "root": "/data/logs/20260301_090000",
                "config": {"input_len": 256, "concurrency": 8, "ignore_eos": True, "min_tokens": 128, "streaming": True, "output_len_mode": "constant"},
            }
        },
    ),
    Sample(
        "20260301_090000/cells/rate4_input256_output128.json",
        _cell(
            [("completed_requests", "value", 0, None, None), ("failed_requests", "value", 12, None, None), ("success_rate", "value", 0.0, None, None)],
            _OPEN,
            status="failed",
            requests=_FAILURES,
            error="failed: 0 of 16 requests completed; failed: connect 9, stream_cut 3; not sent: 4",
            request={"stream": True, "temperature": 0.0},
            notes=["ignore_eos is left out, the server refuses it (422): outputs may end early"],
            conditions={},
        ),
        matched=3,
        measurements={("completed_requests", "value"): 0, ("failed_requests", "value"): 12},
        runs={
            "20260301_090000/rate4_input256_output128": {
                "status": "failed",
                "config": {"request_rate": 4.0, "ignore_eos": False, "not_sent": 4, "failures": {"connect": 9, "stream_cut": 3}},
            }
        },
        events=("error", "warning"),
    ),
    Sample(
        # Still running, or killed: nothing is measured yet.
        "20260301_090000/cells/bz1_input256_output128.json",
        json.dumps(
            {"format": "llmstats_serving", "version": 1, "status": "running", "cell": {"input_len": 256, "output_len": 128, "num_clients": 1}},
            indent=2,
        )
        + "\n",
        matched=0,
        runs={"20260301_090000/bz1_input256_output128": {"status": "running", "ended_at": None}},
    ),
)  # fmt: skip

_REQUESTS = """\
{"record": "llmstats_request", "request": 1, "started": 1772326800.5, "ttft": 0.125, "tpot": 0.0234375, "e2e": 3.1015625, "input_tokens": 256, "input_tokens_by": "usage", "output_tokens": 128, "output_tokens_by": "usage", "chunks": 64, "lines": 65, "finish": "length", "success": true}
{"record": "llmstats_request", "request": 0, "started": 1772326800.25, "ttft": 0.25, "tpot": null, "e2e": 0.25, "input_tokens": 256, "input_tokens_by": "tokenizer", "output_tokens": 1, "output_tokens_by": "tokenizer", "chunks": 1, "lines": 1, "finish": null, "success": false, "failure": "stream_cut", "error": "the server closed the connection"}
"""

REQUEST_SAMPLES = (
    Sample(
        "20260301_090000/cells/bz8_input256_output128.requests.jsonl",
        _REQUESTS,
        matched=2,
        runs={"20260301_090000/bz8_input256_output128": {"kind": "serving", "root": "/data/logs/20260301_090000"}},
    ),
    Sample(
        "sweep/cells/bz1_input8_output8.requests.jsonl",
        _REQUESTS.splitlines(keepends=True)[0],
        matched=1,
        runs={"sweep/bz1_input8_output8": {"kind": "serving"}},
    ),
)  # fmt: skip
