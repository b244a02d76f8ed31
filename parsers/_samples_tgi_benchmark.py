"""Composed examples of text-generation-benchmark's tables, with what must come out of them."""

from __future__ import annotations

from llmstats.parsing import Sample

SAMPLES = (
    Sample(
        "toy/tgi_bench.txt",
        """\
| Parameter          | Value       |
|--------------------|-------------|
| Model              | toy/Toy-8B  |
| Sequence Length    | 200         |
| Decode Length      | 8           |
| Top N Tokens       | None        |
| N Runs             | 10          |

| Step           | Batch Size | Average   | Lowest    | Highest   | p50       | p90       | p99       |
|----------------|------------|-----------|-----------|-----------|-----------|-----------|-----------|
| Prefill        | 1          | 50.25 ms  | 49.50 ms  | 51.75 ms  | 50.00 ms  | 51.50 ms  | 51.75 ms  |
|                | 2          | 80.00 ms  | 79.50 ms  | 81.75 ms  | 80.25 ms  | 81.50 ms  |           |
| Decode (token) |            | 30.50 ms  | 30.25 ms  | 31.00 ms  | 30.50 ms  | 30.75 ms  | 30.75 ms  |
| Decode (total) | 1          | 213.50 ms | 211.75 ms | 217.00 ms | 213.50 ms | 215.25 ms | 215.25 ms |

| Step    | Batch Size | Average             | Lowest              | Highest             |
|---------|------------|---------------------|---------------------|---------------------|
| Prefill | 2          | 5000.25 tokens/secs | 4892.75 tokens/secs | 5031.50 tokens/secs |
| Decode  |            | 65.50 tokens/secs   | 64.50 tokens/secs   | 66.00 tokens/secs   |
""",
        matched=6,
        measurements={
            ("prefill_time", "min"): 0.0495, ("prefill_time", "p99"): 0.05175, ("tpot", "mean"): 0.0305,
            ("decode_time", "max"): 0.217, ("prefill_tokens_per_second", "mean"): 5000.25,
            ("decode_tokens_per_second", "max"): 66.0,
        },
        runs={
            "toy/tgi_bench": {
                "model": "toy/Toy-8B", "kind": "inference", "status": "completed",
                "config": {"sequence_length": "200", "n_runs": "10"},
            }
        },
    ),
    Sample(
        "toy/early.log",
        """\
2023-06-01 starting
| Step           | Batch Size | Average   | Lowest    | Highest   | p50       | p90       | p99       |
|----------------|------------|-----------|-----------|-----------|-----------|-----------|-----------|
| Prefill        | 16         | 800.00 ms | 790.00 ms | 810.00 ms | 800.00 ms | 805.00 ms | 810.00 ms |

| Step    | Batch Size | Average           | Lowest            | Highest           |
|---------|------------|-------------------|-------------------|-------------------|
| Prefill | 16         | 20.00 tokens/secs | 19.75 tokens/secs | 20.25 tokens/secs |

| Step           | Batch Size | Average   | Lowest    | Highest   | p50       | p90       | p99       |
|----------------|------------|-----------|-----------|-----------|-----------|-----------|-----------|
| Prefill        | 16         | 700.00 ms | 690.00 ms | 710.00 ms | 700.00 ms | 705.00 ms | 710.00 ms |
""",
        matched=3,
        measurements={("prefill_time", "mean"): 0.7, ("prefill_tokens_per_second", "min"): 19.75},
        runs={"toy/early": {}, "toy/early#2": {}},
    ),
)  # fmt: skip
