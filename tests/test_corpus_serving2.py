"""Real files of serving benchmarks against values taken from them another way."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from llmstats import formats
from llmstats.records import Measurement, Request

from . import parserkit

PARSERS = {parser.name: parser for parser in formats.parsers()}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def files(corpus: Path, folder: str, pattern: str) -> list[Path]:
    found = sorted((corpus / folder).rglob(pattern))
    if not found:
        pytest.skip(f"no {folder}/{pattern} in the corpus")
    return found


def outcome(name: str, path: Path) -> parserkit.Outcome:
    raw = path.read_bytes()
    parser = PARSERS[name]
    assert parserkit.detect(parserkit.head(str(path).lstrip("/"), raw)).parser is parser, path
    return parserkit.read(parser, str(path).lstrip("/"), raw)


def values(found: parserkit.Outcome) -> dict[tuple[str, ...], float | None]:
    return {(m.raw_name, m.statistic): m.value for m in found.of(Measurement) if m.subject is None}


def close(found: float | None, expected: float) -> bool:
    return found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("folder", "pattern", "name"),
    [
        ("aiperf", "profile_export_aiperf.csv", "aiperf_csv"),
        ("aiperf", "var*.log", "aiperf_text"),
        ("guidellm", "*_benchmarks.json", "guidellm_json"),
        ("guidellm", "*_bench.log", "guidellm_text"),
        ("llmperf_json", "*_summary.json", "llmperf_summary"),
        ("llmperf_json", "summary/*.json", "llmperf_summary"),
        ("llmperf_json", "*_individual_responses.json", "llmperf_individual"),
        ("llmperf_json", "individual/*.json", "llmperf_individual"),
        ("llmperf_json", "*.csv", "llmperf_csv"),
        ("evalscope_perf", "reports/**/*.json", "evalscope_report"),
    ],
)
def test_recognised(corpus: Path, folder: str, pattern: str, name: str) -> None:
    for path in files(corpus, folder, pattern):
        assert outcome(name, path).of(object)


def test_aiperf_csv(corpus: Path) -> None:
    for path in files(corpus, "aiperf", "profile_export_aiperf.csv"):
        found = outcome("aiperf_csv", path)
        count = 0
        for row in csv.DictReader(path.read_text().split("\n\n")[0].splitlines()):
            expected = row["Time to First Token (ms)"] if "Time to First Token (ms)" in row else row["Metric"]
            if expected == "Request Latency (ms)":
                measured = {m.statistic: m.value for m in found.of(Measurement) if m.metric == "e2e_latency"}
                assert close(measured["mean"], float(row["avg"]) / 1000)
                assert close(measured["p99"], float(row["p99"]) / 1000)
                assert close(measured["std"], float(row["std"]) / 1000)
            count += sum(1 for cell in list(row.values())[1:] if cell)
        single = path.read_text().split("\n\n")[1].splitlines()[1:] if "\n\n" in path.read_text() else []
        assert len(found.of(Measurement)) <= count + len(single)
        assert len(found.of(Measurement)) >= count + len(single) - 12  # totals that repeat a sum, and two clocks


def test_aiperf_console(corpus: Path) -> None:
    for path in files(corpus, "aiperf", "var*.log"):
        found = outcome("aiperf_text", path)
        text = _ANSI.sub("", path.read_text(errors="replace"))
        line = next(x for x in text.splitlines() if "Request Latency (ms)" in x)
        cells = [float(cell.replace(",", "")) for cell in re.findall(r"[\d,]+\.\d\d", line)]
        measured = {m.statistic: m.value for m in found.of(Measurement) if m.metric == "e2e_latency"}
        words = ("mean", "min", "max", "p99", "p90", "p50", "std")
        assert len(found.runs) == 1
        for word, cell in zip(words, cells, strict=True):
            assert close(measured[word], cell / 1000)
        duration = re.search(r"Benchmark Duration: ([\d.]+) sec", text)
        assert duration
        assert close(values(found)["benchmark_duration", "value"], float(duration[1]))


def test_guidellm_json(corpus: Path) -> None:
    for path in files(corpus, "guidellm", "*_benchmarks.json"):
        found = outcome("guidellm_json", path)
        measured = values(found)
        benchmark = json.loads(path.read_text())["benchmarks"][0]
        for name, factor in (("request_latency", 1), ("time_to_first_token_ms", 1e-3), ("tokens_per_second", 1)):
            good = benchmark["metrics"][name]["successful"]
            assert close(measured[name, "mean"], good["mean"] * factor)
            assert close(measured[name, "p99.9"], good["percentiles"]["p999"] * factor)
            assert close(measured[name, "p0.1"], good["percentiles"]["p001"] * factor)
        asked = found.of(Request)
        kept = [r for rows in benchmark["requests"].values() if rows for r in rows]
        assert len(asked) == len(kept)
        assert sum(r.output_tokens or 0 for r in asked) == sum(r["output_tokens"] or 0 for r in kept)


def test_guidellm_console_tells_of_the_saved_runs(corpus: Path) -> None:
    saved = {run.fingerprint for p in files(corpus, "guidellm", "*_benchmarks.json")
             for run in outcome("guidellm_json", p).runs.values()}  # fmt: skip
    printed = [run.fingerprint for p in files(corpus, "guidellm", "*_bench.log")
               for run in outcome("guidellm_text", p).runs.values()]  # fmt: skip
    assert None not in saved
    assert set(printed) <= saved


def test_llmperf(corpus: Path) -> None:
    for path in files(corpus, "llmperf_json", "*.json"):
        data = json.loads(path.read_text())
        if isinstance(data, list):
            rows = outcome("llmperf_individual", path).of(Request)
            assert [r.e2e for r in rows] == [row["end_to_end_latency_s"] for row in data]
            assert [r.success for r in rows] == [row["error_code"] is None for row in data]
            continue
        measured = values(outcome("llmperf_summary", path))
        for key, value in data.items():
            word = re.search(r"_(p\d\d|mean|min|max)$", key)
            if key.startswith("results_") and word and not key.endswith("per_min"):
                assert close(measured[key, word[1]], float(value)), key
        per_minute = data.get("results_num_completed_requests_per_min")
        if per_minute is not None:
            assert close(measured["results_num_completed_requests_per_min", "value"], per_minute / 60)


def test_llmperf_tables(corpus: Path) -> None:
    for path in files(corpus, "llmperf_json", "*.csv"):
        found = outcome("llmperf_csv", path)
        rows = {line.split(",")[0]: line.split(",")[1:] for line in path.read_text().splitlines() if line}
        speeds = {m.concurrency: m.value for m in found.of(Measurement) if m.metric == "requests_per_second"}
        pairs = zip(rows["concurrency"], rows["requests_per_minute_(qpm)"], strict=True)
        assert speeds == {float(c): pytest.approx(float(v) / 60) for c, v in pairs}


def test_evalscope_reports(corpus: Path) -> None:
    for path in files(corpus, "evalscope_perf", "reports/**/*.json"):
        found = outcome("evalscope_report", path)
        data = json.loads(path.read_text())
        scores = {(m.subject, m.raw_name): m.value for m in found.of(Measurement) if m.statistic == "value"}
        for metric in data["metrics"]:
            assert close(scores[data["dataset_name"], f"{metric['name']}.score"], metric["score"])
            for subset in metric["categories"][0]["subsets"] if len(metric["categories"][0]["subsets"]) > 1 else ():
                subject = f"{data['dataset_name']}/{subset['name']}"
                assert close(scores[subject, f"{metric['name']}.score"], subset["score"])
