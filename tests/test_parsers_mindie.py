"""MindIE ModelTest: what the samples of its parsers cannot say."""

from __future__ import annotations

import csv
from pathlib import Path

import llmstats as ls
from llmstats import formats
from llmstats.records import Issue, Measurement, Request

from . import parserkit


def lay(root: Path, *names: str) -> None:
    """All samples of some formats as files."""
    for name in names:
        for sample in formats.parser(name).samples:
            path = root / sample.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sample.raw)


def test_both_forms_and_the_log_of_a_test_are_one_run(tmp_path: Path) -> None:
    lay(tmp_path, "mindie_performance", "mindie_log")
    db = ls.open(tmp_path / "s.duckdb")
    db.ingest(tmp_path / "outputs")
    rows = db.query(
        "SELECT m.value, s.path FROM measurements m JOIN sources s USING (source_id) "
        "WHERE m.run_id LIKE '%performance_pa_batch4_tp8' AND m.metric = 'tpot' ORDER BY 1"
    ).rows
    assert [value for value, _ in rows] == [0.01925, 0.0195]
    assert {Path(path).name for _, path in rows} == {"performance_pa_batch4_tp8_formatted_result.csv"}
    (count,) = db.query("SELECT count(*) FROM runs WHERE run_id LIKE '%logs/%'").rows
    assert count == (0,)


def test_joined_tables_tell_of_the_runs_of_their_batch_sizes(tmp_path: Path) -> None:
    lay(tmp_path, "mindie_performance")
    db = ls.open(tmp_path / "s.duckdb")
    db.ingest(tmp_path)
    rows = db.query(
        "SELECT run_id, count(*) FROM measurements WHERE run_id LIKE '%maxbs%' AND metric = 'tpot' "
        "GROUP BY ALL ORDER BY 1"
    ).rows
    assert [(run.rpartition("/")[2], n) for run, n in rows] == [
        ("performance_maxbs_pa_256_256_batch16_tp8", 1),
        ("performance_maxbs_pa_256_256_batch8_tp8", 1),
    ]


def test_overwritten_columns_of_a_joined_table_are_named_and_left_out() -> None:
    parser = formats.parser("mindie_performance")
    sample = next(s for s in parser.samples if "final" in s.path)
    outcome = parserkit.read_sample(parser, sample)
    assert not [m for m in outcome.of(Measurement) if m.raw_value == "22.5" and m.metric != "tpot"]
    (issue,) = outcome.of(Issue)
    assert "Throughput(Tokens/s)" in issue.reason
    assert not issue.suspect


def test_tokens_of_a_request_are_no_running_sum() -> None:
    parser = formats.parser("mindie_log")
    sample = next(s for s in parser.samples if "run_pa" in s.path)
    requests = parserkit.read_sample(parser, sample).of(Request)
    assert [request.output_tokens for request in requests] == [20, 12]


def test_a_cell_of_many_steps_is_read(tmp_path: Path) -> None:
    """A quoted cell beyond the default limit of Python's csv module."""
    steps = ["0.02"] * 40_000
    path = tmp_path / "benchmark.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([
            "batch_size", "input_seq_len", "output_seq_len", "e2e_time(ms)", "prefill_time(ms)",
            "decoder_token_time(ms)", "prefill_count", "prefill_token_times", "decode_token_times",
            "prefill_average_time(ms)",
        ])  # fmt: skip
        writer.writerow([1, 8, 40_001, " 800045.12", " 45.12", " 20.00", 1, "0.04512", ",".join(steps), " 45.12"])
    outcome = parserkit.read(formats.parser("mindie_benchmark_csv"), "x/benchmark.csv", path.read_bytes())
    found = {(m.metric, m.statistic): m for m in outcome.of(Measurement)}
    assert found["tpot", "p99"].value == 0.02
    assert found["tpot", "p99"].raw_value == "40000 values"
    assert found["e2e_batch_latency", "value"].value == 800.04512
