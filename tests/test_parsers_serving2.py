"""Serving benchmarks: what their samples cannot say (requests, files that are one run, lines of values)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import llmstats as ls
from llmstats import formats
from llmstats.parsing import Parser, Sample
from llmstats.records import Measurement, Request, Run

from . import parserkit

PARSERS = {parser.name: parser for parser in formats.parsers()}


def requests(name: str, sample: int = 0) -> list[Request]:
    parser = PARSERS[name]
    return parserkit.read_sample(parser, parser.samples[sample]).of(Request)  # type: ignore[no-any-return]


def lay(root: Path, parser: Parser, sample: Sample) -> None:
    path = root / sample.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sample.raw)
    assert parserkit.detect(parserkit.head(sample.path, sample.raw)).parser is parser


def runs_of(tmp_path: Path, *samples: tuple[str, int]) -> list[str]:
    """Runs in a store of these samples."""
    for name, index in samples:
        lay(tmp_path / "logs", PARSERS[name], PARSERS[name].samples[index])
    db = ls.open(tmp_path / "runs.duckdb")
    db.ingest(tmp_path / "logs")
    return [row[0] for row in db.query("SELECT run_id FROM runs ORDER BY run_id").rows]


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ((("guidellm_json", 0), ("guidellm_csv", 0)), ["sweep/benchmarks"]),
        ((("llmperf_summary", 0), ("llmperf_individual", 0)), ["vllm/result_5/toy-Toy-8B_550_150"]),
        ((("llmperf_summary", 1), ("llmperf_individual", 1)), ["raw_data/toy_8b"]),
        (
            (("evalscope_perf_summary", 0), ("evalscope_perf_percentile", 0), ("evalscope_perf_args", 0)),
            ["20250601_101112/toy-8b/parallel_10_number_100"],
        ),
        ((("aisbench_csv", 0), ("aisbench_json", 0)), ["20250605_202220/vllm-api-stream-chat/gsm8kdataset"]),
        ((("aiperf_timeslices", 0), ("aiperf_timeslices", 1), ("aiperf_records", 1)), ["artifacts/toy"]),
    ],
)
def test_files_of_one_measurement_are_one_run(
    tmp_path: Path, samples: tuple[tuple[str, int], ...], expected: list[str]
) -> None:
    assert runs_of(tmp_path, *samples) == expected


def test_printed_and_saved_summary_of_evalscope_are_one_run(tmp_path: Path) -> None:
    def written(name: str, path: str, text: str) -> str | None:
        run: Run = next(iter(parserkit.read(PARSERS[name], path, text.encode()).runs.values()))
        return run.fingerprint

    keys = {"Test Duration (s)": 9.4961, "Success Requests": 10, "Avg Input Tokens": 99.999,
            "Avg Output Tokens": 100.0, "Output Throughput (tok/s)": 10530.7123}  # fmt: skip
    rows = [(key, f"{value:.2f}") for key, value in keys.items()]
    table = "| Metric | Value |\n| --- | --- |\n" + "".join(f"| {key} | {value} |\n" for key, value in rows)
    saved = written("evalscope_perf_summary", "t/m/benchmark_summary.json", json.dumps(keys))
    assert saved == written("evalscope_perf_text", "t/perf.log", table)
    assert saved


def test_requests_of_aiperf() -> None:
    first, cancelled = [r for r in requests("aiperf_records") if not r.run.endswith("/warmup")]
    assert (first.ttft, first.tpot, first.e2e) == (0.0405, 0.0125, 0.75)
    assert (first.started, first.input_tokens, first.output_tokens) == (1740000000.25, 128, 58)
    assert first.success
    assert (cancelled.success, cancelled.error, cancelled.input_tokens) == (False, "499 cancelled", 111)


def test_requests_of_genai_perf_begin_with_the_first_chunk_that_holds_text() -> None:
    answered, dropped = requests("genai_perf_requests")
    assert answered.started == 1.0
    assert answered.ttft == pytest.approx(0.2)
    assert answered.e2e == pytest.approx(0.3)
    assert (dropped.success, dropped.e2e) == (False, None)


def test_requests_of_guidellm() -> None:
    done, failed = requests("guidellm_json")
    assert (done.ttft, done.tpot, done.e2e, done.success) == (0.0475, 0.0325, 30.5, True)
    assert (failed.success, failed.error, failed.output_tokens) == (False, "503", None)


def test_a_request_that_guidellm_cut_off_neither_succeeded_nor_failed() -> None:
    parser = PARSERS["guidellm_json"]
    report = json.loads(parser.samples[0].text)
    rows = report["benchmarks"][0]["requests"]
    rows["incomplete"] = [{**rows["errored"][0], "info": {"error": "Request was cancelled"}}]
    found = parserkit.read(parser, parser.samples[0].path, json.dumps(report).encode()).of(Request)
    assert [(r.success, r.error) for r in found] == [(True, None), (None, "Request was cancelled"), (False, "503")]


def test_requests_of_llmperf() -> None:
    done, failed = requests("llmperf_individual")
    assert done.tpot == pytest.approx(7.5 / 127)
    assert (failed.success, failed.error, failed.tpot) == (False, "500 busy", None)


@pytest.mark.parametrize(
    ("name", "sample", "definition"),
    [
        ("guidellm_json", 0, "tpot@guidellm"),
        ("guidellm_json", 2, "tpot@guidellm_0_3"),
        ("guidellm_csv", 0, "tpot@guidellm"),
        ("guidellm_csv", 1, "tpot@guidellm_0_3"),
        ("genai_perf_json", 0, "tpot@excl_first"),
        ("evalscope_perf_summary", 0, "tpot@excl_first"),
        ("evalscope_perf_summary", 1, "tpot@evalscope_early"),
    ],
)
def test_time_per_output_token_says_which_it_is(name: str, sample: int, definition: str) -> None:
    outcome = parserkit.read_sample(PARSERS[name], PARSERS[name].samples[sample])
    assert {m.definition for m in outcome.of(Measurement) if m.metric == "tpot"} == {definition}


def test_cancelled_run_of_aiperf_failed() -> None:
    sample = PARSERS["aiperf_json"].samples[0]
    text = sample.raw.replace(b'"was_cancelled": false', b'"was_cancelled": true')
    assert [run.status for run in parserkit.read(PARSERS["aiperf_json"], sample.path, text).runs.values()] == ["failed"]
