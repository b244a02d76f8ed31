"""What is said of files that nobody recognises."""

import pytest

import llmstats
from llmstats.glance import glance


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.json", '{"alpha": 1, "beta": {"gamma": 2}}', "a JSON object with the keys alpha, beta"),
        ("a.json", '[{"alpha": 1}, 2]', "a JSON list of 2; first: a JSON object with the keys alpha"),
        ("a.json", '{"alpha": 1, "be', "JSON with the keys alpha"),
        ("a.jsonl", '{"a": 1}\n{"a": 2}\n', "a JSON object with the keys a"),
        ("a.csv", "x,y,z,w,v,u,t,s\n1,2,3,4,5,6,7,8\n", "a table with the columns x, y, z, w, v, u and 2 more"),
        ("a.txt", "hello\nthere\n", "a text without a number"),
        ("a.txt", "\n  took 3.5 ms\n", "a text that begins 'took 3.5 ms'"),
        ("a.txt", " \n", "it is blank"),
        ("README.md", "# Title\n", "a document without a table of results that we know"),
        ("train.py", "print(1)\n", "the source of a program"),
    ],
)
def test_what_a_file_looks_like(name, text, expected):
    assert expected in glance(f"/d/{name}", text.encode())


def test_a_program_that_quotes_a_log_is_none(tmp_path):
    line = "2025/02/09 03:15:32 - mmengine - INFO - Iter(train) [  10/1000]  lr: 2.0000e-05  loss: 1.5\n"
    (tmp_path / "parse.py").write_text(f'SAMPLE = """\n{line}"""\n')
    (tmp_path / "train.log").write_text(line)
    report = llmstats.open(str(tmp_path / "s.duckdb")).ingest(tmp_path / "parse.py", tmp_path / "train.log")
    assert report.statuses == {"parsed": 1, "unrecognised": 1}
