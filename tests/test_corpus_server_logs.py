"""Real logs of inference servers against plain regular expressions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmstats.parsing import BinaryParser

from . import parserkit

_VLLM = (
    "guidellm/danielkorat__guidellm-bench/guidellm_results/20260302_1917/logs/*_server.log",
    "vllm_bench_json/dstackai__benchmarks/comparison/*/issues/*.txt",
    "vllm_bench_json/er0080__vllm-benchmarking/packages/protocol/tests/fixtures/vllm_serve_*.log",
)
_LIGHTLLM = ("lightllm_server_log/ModelTC__lightllm/*.log", "lightllm_server_log/ModelTC__lightllm/log/*.log")
_SCRAPE = "vllm_bench_json/er0080__vllm-benchmarking/packages/protocol/tests/fixtures/metrics_vllm_0_25_1_loaded.txt"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def _read(path: Path) -> parserkit.Outcome:
    raw = path.read_bytes()
    parser = parserkit.detect(parserkit.head(str(path)[1:], raw)).parser
    assert parser is not None, path
    assert not isinstance(parser, BinaryParser)
    return parserkit.read(parser, str(path)[1:], raw)


def _files(corpus: Path, patterns: tuple[str, ...]) -> list[Path]:
    found = [path for pattern in patterns for path in sorted(corpus.glob(pattern))]
    assert found
    return found


def _values(outcome: parserkit.Outcome, metric: str) -> list[float]:
    return [p.value for p in sorted(outcome.points, key=lambda p: p.line) if p.metric == metric]


@pytest.mark.parametrize(
    ("metric", "pattern", "factor"),
    [
        ("input_tokens_per_second", r"Avg prompt throughput: ([\d.]+) tokens/s", 1),
        ("output_tokens_per_second", r"Avg generation throughput: ([\d.]+) tokens/s", 1),
        ("requests_running", r"Running: (\d+) reqs", 1),
        ("requests_waiting", r"(?:Waiting|Pending): (\d+) reqs", 1),
        ("kv_cache_utilisation", r"GPU KV cache usage: ([\d.]+)%", 0.01),
    ],
)
def test_vllm_statistics(corpus: Path, metric: str, pattern: str, factor: float) -> None:
    for path in _files(corpus, _VLLM):
        outcome = _read(path)
        assert outcome.parser.name == "vllm_server_log"
        expected = [float(v) * factor for v in re.findall(pattern, path.read_text(errors="replace"))]
        assert _values(outcome, metric) == pytest.approx(expected)


def test_vllm_runs(corpus: Path) -> None:
    for path in _files(corpus, _VLLM[:1]):
        (run,) = _read(path).runs.values()
        size = re.search(r"_tp(\d)", path.name)
        assert size
        assert run.device_count == int(size[1])
        assert run.model
        assert path.name.startswith(run.model.replace("/", "_"))
        text = _ANSI.sub("", path.read_text(errors="replace"))
        assert (run.status == "failed") == ("Engine core initialization failed" in text)
    for path in _files(corpus, _VLLM[2:]):
        (run,) = _read(path).runs.values()
        assert run.status == "failed"


@pytest.mark.parametrize(
    ("metric", "pattern"),
    [
        ("total_tokens_per_second", r"Avg tokens\(prompt\+generate\) throughput: +([\d.]+)"),
        ("input_tokens_per_second", r"Avg prompt tokens throughput: +([\d.]+)"),
        ("output_tokens_per_second", r"Avg generate tokens throughput: +([\d.]+)"),
        ("requests_running", r"current batch size: (\d+)"),
        ("requests_paused", r"paused req num: (\d+)"),
        ("kv_cache_utilisation", r"token used ratio: ([\d.e-]+)"),
    ],
)
def test_lightllm_statistics(corpus: Path, metric: str, pattern: str) -> None:
    for path in _files(corpus, _LIGHTLLM):
        outcome = _read(path)
        assert outcome.parser.name == "lightllm_server_log"
        assert _values(outcome, metric) == pytest.approx([float(v) for v in re.findall(pattern, path.read_text())])


def test_scrape(corpus: Path) -> None:
    path = corpus / _SCRAPE
    outcome = _read(path)
    assert outcome.parser.name == "prometheus_text"
    text = path.read_text()
    measured = {(m.raw_name, m.statistic): m.value for m in outcome.items if hasattr(m, "statistic")}

    def of(name: str) -> float:
        found = re.search(rf"^vllm:{name}{{[^}}]*}} (\S+)$", text, re.M)
        assert found
        return float(found[1])

    assert measured["vllm:num_requests_waiting", "value"] == of("num_requests_waiting")
    assert measured["vllm:kv_cache_usage_perc", "value"] == of("kv_cache_usage_perc")
    assert measured["vllm:prompt_tokens_total", "value"] == of("prompt_tokens_total")
    for name in ("time_to_first_token_seconds", "e2e_request_latency_seconds", "inter_token_latency_seconds"):
        assert measured[f"vllm:{name}", "mean"] == pytest.approx(of(f"{name}_sum") / of(f"{name}_count"))
