"""Real files of vLLM, SGLang and their kin: what the parsers yield equals what plain loops read from the files."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmstats import formats
from llmstats.records import Measurement, Request

from . import parserkit

#: Files of the folders that hold no result: server logs, prose, dumps of counters, a screen of nvidia-smi.
NO_RESULT = re.compile(r"\.(?:md|rst)$|/issues/|gpu-stats|metrics_vllm_|vllm_serve_|lightllm_server_log/|/\.|MANIFEST")
FOLDERS = ("vllm_bench_json", "sglang_bench", "inferencex_results", "lmdeploy_profile", "lightllm_server_log")


def files(corpus: Path, folder: str, pattern: str) -> list[Path]:
    found = sorted(p for p in (corpus / folder).rglob(pattern) if p.is_file())
    if not found:
        pytest.skip(f"no {folder}/**/{pattern} in this corpus")
    return found


def format_of(path: Path) -> str | None:
    parser = formats.detect(parserkit.head(str(path).lstrip("/"), path.read_bytes()[:65536])).parser
    return parser.name if parser else None


def read(path: Path) -> parserkit.Outcome:
    name = format_of(path)
    assert name is not None, path
    return parserkit.read(formats.parser(name), str(path).lstrip("/"), path.read_bytes())


def values(outcome: parserkit.Outcome, run: str = "") -> dict[tuple[str, str], float | None]:
    return {(m.metric, m.statistic): m.value for m in outcome.of(Measurement) if run in ("", m.run) and not m.subject}


def test_every_results_file_is_recognised(corpus: Path) -> None:
    lost = [
        str(path)
        for folder in FOLDERS
        for path in (corpus / folder).rglob("*")
        if path.is_file() and path.stat().st_size and not NO_RESULT.search(str(path)) and format_of(path) is None
    ]
    assert lost == []


def test_what_holds_no_result_is_no_benchmark(corpus: Path) -> None:
    """Servers' own logs and counters have formats of their own."""
    for folder in FOLDERS:
        for path in (corpus / folder).rglob("*"):
            if path.is_file() and NO_RESULT.search(str(path)):
                found = format_of(path)
                assert found is None or found.endswith("_server_log") or found == "prometheus_text", path


SCALARS = {
    "duration": ("benchmark_duration", "value"),
    "completed": ("completed_requests", "value"),
    "total_input_tokens": ("input_tokens", "sum"),
    "total_output_tokens": ("output_tokens", "sum"),
    "request_throughput": ("requests_per_second", "value"),
    "output_throughput": ("output_tokens_per_second", "value"),
    "total_token_throughput": ("total_tokens_per_second", "value"),
}
WORDS = {"mean": "mean", "median": "p50", "std": "std", "p95": "p95", "p99": "p99"}
TIMES = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e_latency", "e2e_latency": "e2e_latency"}


def expected(result: dict[str, Any]) -> Iterator[tuple[tuple[str, str], float]]:
    """Canonical values of a saved result, read another way."""
    for key, number in result.items():
        if key in SCALARS:
            yield SCALARS[key], float(number)
        word, _, rest = key.partition("_")
        if rest.removesuffix("_ms") in TIMES and key.endswith("_ms") and word in WORDS:
            yield (TIMES[rest.removesuffix("_ms")], WORDS[word]), float(number) / 1000


def test_vllm_results(corpus: Path) -> None:
    count = 0
    for path in files(corpus, "vllm_bench_json", "*.json"):
        if format_of(path) != "vllm_bench_json":
            continue
        loaded = json.loads(path.read_text())
        outcome = read(path)
        names = list(outcome.runs)
        for i, result in enumerate(loaded if isinstance(loaded, list) else [loaded]):
            found = values(outcome, names[i])
            for key, number in expected(result):
                wanted = None if number == 0 and key[1] in WORDS.values() else number
                assert parserkit.same(found[key], wanted), (path, key)
                count += 1
    assert count > 500


def test_vllm_requests(corpus: Path) -> None:
    for path in files(corpus, "vllm_bench_json", "*.json"):
        text = path.read_text()
        if '"ttfts"' not in text:
            continue
        loaded = json.loads(text)
        requests = read(path).of(Request)
        assert len(requests) == len(loaded["ttfts"])
        assert sum(r.success is True for r in requests) == loaded["completed"]
        assert sum(r.output_tokens for r in requests) == loaded["total_output_tokens"]
        first = [t for t in loaded["ttfts"] if t]
        assert math.isclose(sum(r.ttft or 0 for r in requests), sum(first))
        ttfts = [r.ttft or 0.0 for r in requests if r.success]
        assert math.isclose(1000 * sum(ttfts) / len(ttfts), loaded["mean_ttft_ms"], rel_tol=1e-6)
        tpots = [r.tpot for r in requests if r.success and r.tpot is not None]
        if tpots:  # the tool's latency goes on to the end of the stream, a little behind the last chunk
            assert math.isclose(1000 * sum(tpots) / len(tpots), loaded["mean_tpot_ms"], rel_tol=0.03)


def test_the_benchmark_whose_requests_failed(corpus: Path) -> None:
    (path,) = files(corpus, "vllm_bench_json", "*no-rpc-1000.0qps*")
    outcome = read(path)
    (run,) = outcome.runs.values()
    found = values(outcome)
    assert run.status == "failed"
    assert (found["completed_requests", "value"], found["failed_requests", "value"]) == (17.0, 983.0)
    assert found["ttft", "mean"] is None


def test_vllm_printed_blocks(corpus: Path) -> None:
    for path in files(corpus, "vllm_bench_json", "*.txt"):
        if format_of(path) != "vllm_bench_text":
            continue
        outcome = read(path)
        text = path.read_text()
        blocks = text.split("Serving Benchmark Result")[1:]
        assert len(outcome.runs) == len(blocks)
        for name, block in zip(outcome.runs, blocks, strict=True):
            found = values(outcome, name)
            rows = dict(re.findall(r"^(.+?): +([\d.]+) *$", block.split("==\n")[1], re.M))
            assert found["completed_requests", "value"] == float(rows["Successful requests"])
            assert found["total_tokens_per_second", "value"] == float(rows["Total Token throughput (tok/s)"])
            assert parserkit.same(found["ttft", "p99"], float(rows["P99 TTFT (ms)"]) / 1000)
            assert parserkit.same(found["itl", "p50"], float(rows["Median ITL (ms)"]) / 1000)


def test_vllm_offline_results(corpus: Path) -> None:
    for path in files(corpus, "vllm_bench_json", "*.json"):
        loaded = json.loads(path.read_text())
        if isinstance(loaded, dict) and "elapsed_time" in loaded:
            found = values(read(path))
            assert found["benchmark_duration", "value"] == loaded["elapsed_time"]
            assert found["total_tokens_per_second", "value"] == loaded["tokens_per_second"]
        if isinstance(loaded, dict) and "avg_latency" in loaded:
            found = values(read(path))
            assert found["e2e_batch_latency", "mean"] == loaded["avg_latency"]
            assert found["e2e_batch_latency", "p90"] == loaded["percentiles"]["90"]


def test_sglang_results(corpus: Path) -> None:
    for path in files(corpus, "sglang_bench", "sglang_*.jsonl"):
        outcome = read(path)
        names = list(outcome.runs)
        for i, line in enumerate(path.read_text().splitlines()):
            result = json.loads(line)
            found = values(outcome, names[i])
            assert found["output_tokens", "sum"] == result["total_generated_tokens"]
            assert found["total_tokens_per_second", "value"] == result["total_throughput"]
            for key, number in expected(result):
                assert parserkit.same(found[key], number), (path, key)


def test_sglang_monitor(corpus: Path) -> None:
    (path,) = files(corpus, "sglang_bench", "monitoring_*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    points = read(path).points
    temperature = [p.value for p in points if p.metric == "temperature"]
    assert sorted(temperature) == sorted(g["temperature"] for r in rows for g in r["gpus"].values())
    busy = [p.value for p in points if p.metric == "utilisation"]
    assert math.isclose(sum(busy) * 100, sum(g["utilization"] for r in rows for g in r["gpus"].values()))
    used = max(p.value for p in points if p.metric == "memory_used")
    assert used == max(g["memory_used_mb"] for r in rows for g in r["gpus"].values()) * 1024 * 1024


@pytest.mark.parametrize("name", ["serving_table", "vllm_offline_table"])
def test_tables(corpus: Path, name: str) -> None:
    paths = [p for p in files(corpus, "vllm_bench_json", "*.csv") if format_of(p) == name]
    assert paths
    for path in paths:
        text = path.read_text("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text), delimiter="\t" if "\t" in text.split("\n")[0] else ","))
        outcome = read(path)
        got = sorted((m.raw_name, m.raw_value) for m in outcome.of(Measurement))
        measured = {raw_name for raw_name, _ in got}
        wanted = sorted((k, v) for row in rows for k, v in row.items() if k in measured and v)
        lost = [cell for cell in wanted if cell not in got]
        assert not lost or name == "vllm_offline_table", lost[:5]
        assert len(outcome.runs) >= len(rows) - 1


def test_multi_turn_files(corpus: Path) -> None:
    (log,) = files(corpus, "inferencex_results", "benchmark.log")
    text = re.sub(r"\x1b\[\d+m", "", log.read_text())
    found = values(read(log))
    row = re.findall(r"^latency_ms +(.*)$", text, re.M)[-1].split()
    assert parserkit.same(found["e2e_latency", "mean"], float(row[1]) / 1000)
    assert parserkit.same(found["e2e_latency", "max"], float(row[-1]) / 1000)
    assert found["prefix_cache_hit_rate", "value"] == pytest.approx(0.878)
    (table,) = files(corpus, "inferencex_results", "metrics_client_metrics.csv")
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    requests = read(table).of(Request)
    assert len(requests) == len(rows)
    assert math.isclose(sum(r.ttft for r in requests) * 1000, sum(float(r["ttft_ms"]) for r in rows))
    (counters,) = files(corpus, "inferencex_results", "metrics_server_metrics.csv")
    rows = list(csv.DictReader(io.StringIO(counters.read_text())))
    usage = [p.value for p in read(counters).points if p.metric == "kv_cache_utilisation"]
    assert [round(v * 100, 2) for v in usage] == [float(r["kv_cache_usage_pct"]) for r in rows]


def test_lmbench_requests(corpus: Path) -> None:
    for path in files(corpus, "vllm_bench_json", "LMBench_*.csv"):
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        requests = read(path).of(Request)
        assert [r.ttft for r in requests] == [float(row["ttft"]) for row in rows]
        assert [r.output_tokens for r in requests] == [int(float(row["generation_tokens"])) for row in rows]
