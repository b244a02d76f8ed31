"""lm-evaluation-harness and OpenCompass: what the samples of their parsers cannot say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import llmstats as ls
from llmstats import formats
from llmstats.records import Measurement

from . import parserkit

RESULT = {
    "results": {
        "toysum": {"alias": "toysum", "exact_match,strict-match": 0.25001, "exact_match_stderr,strict-match": 0.01}
    },
    "versions": {"toysum": 3.0},
    "n-shot": {"toysum": 5},
    "config": {
        "model": "hf",
        "model_args": "pretrained=toy/Toy,dtype=float32",
        "limit": None,
        "bootstrap_iters": 100000,
    },
}
LOG = """\
hf (pretrained=toy/Toy,dtype=float32), gen_kwargs: (None), limit: None, num_fewshot: None, batch_size: 8
|Tasks |Version|   Filter   |n-shot|  Metric   |   |Value |   |Stderr|
|------|------:|------------|-----:|-----------|---|-----:|---|-----:|
|toysum|      3|strict-match|     5|exact_match|↑  |0.2500|±  |0.0100|
"""
SAMPLE = '{"doc_id": 0, "doc": {}, "target": "4", "resps": [], "filtered_resps": ["4"], "exact_match": 1.0}\n'


def test_result_samples_and_log_are_one_run(tmp_path: Path) -> None:
    """The full value is shown once; the log above the result knows it by its four decimals."""
    inner = tmp_path / "toy__Toy"
    inner.mkdir()
    (inner / "results_2025-02-25T01-00-46.033500.json").write_text(json.dumps(RESULT))
    (inner / "samples_toysum_2025-02-25T01-00-46.033500.jsonl").write_text(SAMPLE)
    (tmp_path / "eval.log").write_text(LOG)
    db = ls.open(tmp_path / "s.duckdb")
    db.ingest(tmp_path)
    assert db.query("SELECT count(*) FROM runs").rows == [(1,)]
    shown = "SELECT value, conditions->>'$.filter' FROM measurements WHERE statistic = 'value'"
    assert db.query(shown).rows == [(0.25001, "strict-match")]
    assert db.query("SELECT config->>'$.\"samples of toysum\"' FROM runs").rows == [("1",)]


def test_equal_results_of_two_evaluations_stay_two(tmp_path: Path) -> None:
    for time in ("01-00-46", "02-00-46"):
        (tmp_path / f"results_2025-02-25T{time}.json").write_text(json.dumps(RESULT))
    db = ls.open(tmp_path / "s.duckdb")
    db.ingest(tmp_path)
    assert db.query("SELECT count(*) FROM runs").rows == [(2,)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ({"pretrained": "a/b", "dtype": "float16"}, "pretrained=a/b,dtype=float16"),
        ("pretrained=a/b,dtype=float16", "pretrained=a/b,dtype=float16"),
        ("{'pretrained': 'a/b', 'dtype': 'float16'}", "pretrained=a/b,dtype=float16"),
    ],
)
def test_arguments_of_the_model_however_they_are_written(text: object, expected: str) -> None:
    said = {**RESULT, "config": {**RESULT["config"], "model_args": text}}
    parser = formats.parser("lm_eval_json")
    prints = [
        next(iter(parserkit.read(parser, "a/results.json", json.dumps(one).encode()).runs.values())).fingerprint
        for one in (said, {**RESULT, "config": {**RESULT["config"], "model_args": expected}})
    ]
    assert prints[0] == prints[1]


def test_a_limited_score_says_so() -> None:
    said = {**RESULT, "config": {**RESULT["config"], "limit": 10.0}}
    outcome = parserkit.read(formats.parser("lm_eval_json"), "a/results.json", json.dumps(said).encode())
    assert all(m.conditions["limit"] == 10 for m in outcome.of(Measurement))


def test_summary_and_results_of_opencompass_tell_each_value_once(tmp_path: Path) -> None:
    for name in ("opencompass_csv", "opencompass_txt", "opencompass_result"):
        for sample in formats.parser(name).samples:
            path = tmp_path / sample.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sample.raw)
    db = ls.open(tmp_path / "s.duckdb")
    db.ingest(tmp_path / "outputs")
    rows = db.query(
        "SELECT m.value, s.format FROM measurements m JOIN sources s USING (source_id) WHERE m.subject = 'toy-exam' "
        "AND m.run_id LIKE '%toy-7b-hf' AND m.metric = 'accuracy' AND m.statistic = 'value'"
    ).rows
    assert rows == [(0.21052631578947366, "opencompass_result")]


def test_of_two_summaries_of_a_work_directory_the_later_counts(tmp_path: Path) -> None:
    """``-r`` evaluates again what is missing and writes a summary beside the first one."""
    summaries = tmp_path / "outputs" / "20240422_085420" / "summary"
    summaries.mkdir(parents=True)
    for stamp, score in (("20240422_085420", "-"), ("20240423_101010", "50.00")):
        rows = f"toy-exam,1d7fe4,accuracy,gen,{score}\ntoy-code,a1,score,gen,{stamp[7]}.00\n"
        (summaries / f"summary_{stamp}.csv").write_text(f"dataset,version,metric,mode,toy\n{rows}")
    db = ls.open(tmp_path / "s.duckdb")
    db.ingest(tmp_path / "outputs")
    shown = db.query("SELECT subject, value, run_id FROM measurements ORDER BY subject").rows
    assert [tuple(row) for row in shown] == [
        ("toy-code", 3.0, "20240422_085420/toy"),
        ("toy-exam", 0.5, "20240422_085420/toy"),
    ]


def test_judges_of_the_same_answers_stay_apart() -> None:
    parser = next(p for p in formats.parsers() if p.name == "opencompass_csv")
    text = b"dataset,version,metric,mode,toy\ntoy-arena,1d7fe4,score,gen,50.00\n"
    found = [
        parserkit.read(parser, f"20240422_085420/summary/summary_20240422_085420_by_{judge}.csv", text).of(Measurement)[
            0
        ]
        for judge in ("one", "two")
    ]
    assert [value.conditions for value in found] == [{"judge": "one"}, {"judge": "two"}]


def test_results_inside_another_object_are_none() -> None:
    """Only an object of results is one, not a collection of them."""
    parser = next(p for p in formats.parsers() if p.name == "lm_eval_json")
    inner = json.dumps({"step1": RESULT})
    assert parser.detect(parserkit.head("all.json", inner.encode())) is None
    assert parser.detect(parserkit.head("all.json", json.dumps(RESULT).encode()))
