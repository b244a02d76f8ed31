"""vLLM, SGLang, lmdeploy, InferenceX: one measurement in several files, who wrote a block, what each request took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import llmstats as ls
from llmstats import formats
from llmstats.errors import ParseError
from llmstats.parsing import Sample
from llmstats.records import Issue, Measurement, Request

from . import parserkit


def samples(name: str) -> list[Sample]:
    return list(formats.parser(name).samples)


def read(name: str, path: str, text: str | bytes) -> parserkit.Outcome:
    return parserkit.read(formats.parser(name), path, text.encode() if isinstance(text, str) else text)


def claimed(path: str, text: str) -> str | None:
    parser = formats.detect(parserkit.head(path, text.encode())).parser
    return parser.name if parser else None


NEW = samples("vllm_bench_json")[0]
BLOCK = samples("vllm_bench_text")[0]


def test_printed_block_and_saved_file_are_one_run(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "saved.json").write_text(json.dumps(json.loads(NEW.raw) | {"request_rate": 3.5}))
    (tmp_path / "client.log").write_bytes(BLOCK.raw)
    db = ls.open(str(tmp_path / "s.duckdb"))
    db.ingest(str(tmp_path))
    values = db.query(
        "SELECT run_id, value, raw_name FROM measurements WHERE metric = 'ttft' AND statistic = 'mean'"
    ).pl()
    assert values.rows()[0][1:] == (0.02, "mean_ttft_ms")
    assert len(values) == 1


def test_requests_of_a_saved_result() -> None:
    outcome = read("vllm_bench_json", "bad/x.json", samples("vllm_bench_json")[2].raw)
    first, second, *_ = outcome.of(Request)
    assert (first.ttft, first.e2e, first.tpot) == (0.5, 0.875, 0.1875)
    assert (first.input_tokens, first.output_tokens, first.success, first.error) == (10, 3, True, None)
    assert (second.ttft, second.tpot, second.success, second.error) == (0.25, None, False, "boom")
    assert len(outcome.of(Request)) == 4


def test_newest_per_request_arrays() -> None:
    value = json.loads(NEW.text) | {
        "completed": 1,
        "input_lens": [5, 6],
        "output_lens": [3, 0],
        "ttfts": [0.25, 0.0],
        "latencies": [1.25, 0.0],
        "queue_times": [0.0, 0.0],
        "start_times": [1000.5, 1001.0],
        "errors": ["", "refused"],
    }
    requests = read("vllm_bench_json", "a/b.json", json.dumps(value)).of(Request)
    assert [(r.started, r.e2e, r.tpot, r.success) for r in requests] == [
        (1000.5, 1.25, 0.5, True),
        (1001.0, None, None, False),
    ]


def test_an_error_is_a_failure_where_the_counts_do_not_agree() -> None:
    value = json.loads(NEW.text) | {"completed": 7, "output_lens": [3, 0], "ttfts": [0.5, 0], "errors": ["", "refused"]}
    requests = read("vllm_bench_json", "a/b.json", json.dumps(value)).of(Request)
    assert [r.success for r in requests] == [None, False]


def test_numbers_of_the_layout_and_the_engine_are_settings() -> None:
    settings = {
        "tensor_parallel_size": 2, "pipeline-parallel-size": 1, "tp": 2, "ep_size": 8, "max_num_seqs": 64,
        "max_num_batched_tokens": 8192, "block_size": 16, "num_gpus": 2, "gpu_memory_utilization": 0.9,
    }  # fmt: skip
    outcome = read("vllm_bench_json", "a/b.json", json.dumps(json.loads(NEW.text) | settings | {"gpu_power": 300}))
    assert settings.items() <= outcome.runs["a/b"].config.items()
    assert {m.metric for m in outcome.of(Measurement)}.isdisjoint(settings)
    assert ("gpu_power", 300) in {(m.metric, m.value) for m in outcome.of(Measurement)}


def test_failed_benchmarks_are_failed_and_measure_nothing() -> None:
    value = json.loads(samples("vllm_bench_json")[2].raw) | {"mean_ttft_ms": 0.0, "completed": 0}
    outcome = read("vllm_bench_json", "a/b.json", json.dumps(value))
    assert outcome.runs["a/b"].status == "failed"
    found = {(m.metric, m.statistic): m for m in outcome.of(Measurement)}
    assert found["ttft", "mean"].value == 0.0  # its other statistics are not zero: a value as any other
    assert (found["tpot", "p99"].value, found["tpot", "p99"].raw_value) == (None, "0.0")


def test_pytorch_sidecar_is_no_result() -> None:
    record = {
        "benchmark": {"name": "vLLM benchmark"},
        "metric": {"benchmark_values": [1.0], "extra_info": json.loads(NEW.raw)},
    }
    assert claimed("a/vllm.pytorch.json", json.dumps([record])) is None


@pytest.mark.parametrize("text", ["{", "[]", "[1, 2]", '{"model_id": "a"}', "null"])
def test_broken_results(text: str) -> None:
    with pytest.raises(ParseError):
        read("vllm_bench_json", "a.json", text)


def test_half_an_appended_object_is_an_issue() -> None:
    whole = NEW.text if isinstance(NEW.text, str) else ""
    outcome = read("vllm_bench_json", "a/b.json", f"{whole}\n{whole[:300]}")
    assert len(outcome.runs) == 1
    assert [i.line for i in outcome.suspects] == [2]


OLD_BLOCK = str(samples("lmdeploy_serving_text")[1].text)


@pytest.mark.parametrize(
    ("backend", "extra", "writer"),
    [
        ("lmdeploy", "", "lmdeploy_serving_text"),
        ("vllm", "", "lmdeploy_serving_text"),
        ("sglang", "", "sglang_bench_text"),
        ("vllm", "Concurrency:                             15.00     \n", "sglang_bench_text"),
        ("lmdeploy", "Concurrency:                             15.00     \n", "sglang_bench_text"),
    ],
)
def test_who_printed_a_block(backend: str, extra: str, writer: str) -> None:
    text = OLD_BLOCK.replace("vllm-chat", backend).replace("Successful", f"{extra}Successful")
    assert claimed("a/out.log", text) == writer


def test_block_behind_a_prefix_and_a_progress_bar() -> None:
    """``kubectl logs --timestamps`` before every line; a bar without a newline before the title."""
    lines = str(BLOCK.text).splitlines()
    stamped = "".join(f"2026-01-02T03:04:05Z {line}\n" for line in lines)
    plain = {m.raw_name: m.value for m in read("vllm_bench_text", "a/b.log", BLOCK.raw).of(Measurement)}
    assert {m.raw_name: m.value for m in read("vllm_bench_text", "a/b.log", stamped).of(Measurement)} == plain
    glued = str(BLOCK.text).replace("2.00it/s]\n", "2.00it/s]")
    assert {m.raw_name: m.value for m in read("vllm_bench_text", "a/b.log", glued).of(Measurement)} == plain


def test_no_beginning_of_a_text_is_ambiguous() -> None:
    for name in (
        "vllm_bench_text",
        "sglang_bench_text",
        "lmdeploy_serving_text",
        "lmdeploy_profile_text",
        "sglang_one_batch",
    ):
        for sample in samples(name):
            for cut in range(0, len(sample.raw), 5):
                head = parserkit.head(sample.path, sample.raw[:cut])
                assert len({p.name for p in formats.parsers() if p.detect(head)}) <= 1, (name, sample.raw[:cut][-60:])


def test_requested_and_retokenised_counts_are_told_apart() -> None:
    outcome = read("sglang_bench_jsonl", "a/b.jsonl", samples("sglang_bench_jsonl")[0].raw)
    counts = {m.definition: m.value for m in outcome.of(Measurement) if m.metric == "output_tokens"}
    assert counts == {"output_tokens@requested_or_usage": 20480.0, "output_tokens@retokenized": 4096.0}
    (remark, _) = outcome.of(Issue)
    assert not remark.suspect
    assert "20480 and 4096" in remark.reason


def test_conditions_of_a_result() -> None:
    outcome = read("sglang_bench_jsonl", "a/b.jsonl", samples("sglang_bench_jsonl")[0].raw)
    for m in outcome.of(Measurement):
        assert (m.input_len, m.output_len, m.concurrency, m.request_rate) == (1024, 512, 16, float("inf"))
    outcome = read("sglang_bench_jsonl", "a/b.jsonl", samples("sglang_bench_jsonl")[1].raw)
    for m in outcome.of(Measurement):
        assert (m.input_len, m.output_len, m.request_rate) == (None, None, 4.0)


def test_secrets_in_printed_arguments_are_left_out() -> None:
    config: dict[str, Any] = read("vllm_bench_text", "a/b.log", BLOCK.raw).runs["a/b"].config
    assert "hf_token" not in config
    assert config["extra"] == {"a": 1, "b": "c, d"}


def test_requests_of_lmbench_and_of_conversations() -> None:
    first, second = read("lmbench_requests", "a/LMBench_x_qps1.csv", samples("lmbench_requests")[0].raw).of(Request)
    assert (first.started, first.ttft, first.tpot, first.e2e) == (1745999858.5, 0.125, 0.05, 1.25)
    assert (first.input_tokens, first.output_tokens, second.tpot) == (75, 21, None)
    first, second = read(
        "vllm_multiturn_requests", "s/t/metrics_client_metrics.csv", samples("vllm_multiturn_requests")[0].raw
    ).of(Request)
    assert (first.ttft, first.tpot, first.e2e) == pytest.approx((0.122964, 0.330563, 3.759153))
    assert (first.input_tokens, first.output_tokens, second.tpot) == (3, 12, None)


def test_last_number_of_an_unended_table_is_left_out() -> None:
    text = str(samples("lmdeploy_csv")[0].text).rstrip("\n")
    outcome = read("lmdeploy_csv", "a/b.jsonl", text)
    assert {m.metric for m in outcome.of(Measurement)} >= {"ttft", "tpot"}
    assert "itl" not in {m.metric for m in outcome.of(Measurement)}


def test_text_that_quotes_a_block_is_no_log() -> None:
    quoted = json.dumps([{"number": 1, "body": "It prints\n" + str(BLOCK.text)}], indent=1)
    assert claimed("issues.json", quoted) is None
    assert claimed("issues.json", quoted.replace("Result ============", "Result ============     ")) is None
    assert (
        claimed("issues.json", json.dumps({"body": "Starting main benchmark run...\nThroughput: 1 requests/s"})) is None
    )


@pytest.mark.parametrize("path", ["sweep/parse.py", "sweep/run.sh", "sweep/expected.yaml"])
def test_program_that_quotes_a_block_is_no_log(path: str) -> None:
    assert claimed(path, BLOCK.text) is None


def test_window_of_a_benchmark_is_no_measurement() -> None:
    value = json.loads(NEW.raw) | {
        "benchmark_start_time_unix": 1781129194.5,
        "benchmark_end_time_unix": 1781129269.25,
    }
    outcome = read("vllm_bench_json", "a/b.json", json.dumps(value))
    run = outcome.runs["a/b"]
    assert (run.started_at, run.ended_at) == (1781129194_500_000, 1781129269_250_000)
    assert not any("unix" in m.metric for m in outcome.of(Measurement))


def test_median_that_is_said_twice_counts_once() -> None:
    value = json.loads(NEW.raw)
    value["p50_ttft_ms"] = value["median_ttft_ms"]
    found = [m.raw_name for m in read("vllm_bench_json", "a/b.json", json.dumps(value)).of(Measurement)]
    assert "median_ttft_ms" in found
    assert "p50_ttft_ms" not in found
    assert "p50_tpot_ms" in found  # another number: kept


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("qwen/bf16/07-office.json", "qwen/bf16/07-office"),
        ("x8/part6/conc16.json", "x8/part6/conc16"),
        ("chip/Toy-bf16/test_01/02/4-320-i16-o8/bench.json", "Toy-bf16/test_01/02/4-320-i16-o8/bench"),
        ("night/bench.json", "night/bench"),
    ],
)
def test_directories_that_tell_nothing_are_named_with_those_above(path: str, name: str) -> None:
    assert list(read("vllm_bench_json", path, NEW.raw).runs) == [name]


def test_printed_lines_and_saved_file_of_an_offline_run_are_one(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    saved = {"elapsed_time": 1.5, "num_requests": 4, "total_num_tokens": 96, "requests_per_second": 2.7512,
             "tokens_per_second": 66.0249}  # fmt: skip
    (tmp_path / "json" / "a.json").write_text(json.dumps(saved))
    (tmp_path / "all.log").write_text(
        "Throughput: 9.00 requests/s, 99.00 total tokens/s, 9.00 output tokens/s\n"
        "Throughput: 2.75 requests/s, 66.02 total tokens/s, 44.02 output tokens/s\nTotal num output tokens:  64\n"
    )
    db = ls.open(str(tmp_path / "s.duckdb"))
    db.ingest(str(tmp_path))
    rows = db.query("SELECT raw_value FROM measurements WHERE metric = 'requests_per_second' ORDER BY value").pl()
    assert rows["raw_value"].to_list() == ["2.7512", "9.00"]
