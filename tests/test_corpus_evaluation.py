"""Real results of lm-evaluation-harness and OpenCompass, read a second time by plain loops."""

from __future__ import annotations

import json
import re
from ast import literal_eval
from pathlib import Path

from llmstats import formats
from llmstats.parsing import HEAD_BYTES
from llmstats.records import Measurement

from . import parserkit

#: How the canonical values differ from the written ones.
PERCENT = {"accuracy", "humaneval_pass@1", "exact_match"}


def found(path: Path, root: Path) -> dict[tuple[str | None, str, str], float | None]:
    """(subject, raw name, statistic) -> value of the one format that recognises a file."""
    raw = path.read_bytes()
    verdict = formats.detect(parserkit.head(str(path), raw[:HEAD_BYTES]))
    assert verdict.parser is not None, path
    outcome = parserkit.read(verdict.parser, str(path.relative_to(root)), raw)
    assert not outcome.suspects
    return {(m.subject, m.raw_name, m.statistic): m.value for m in outcome.of(Measurement)}


def recognised(path: Path) -> str | None:
    verdict = formats.detect(parserkit.head(str(path), path.read_bytes()[:HEAD_BYTES]))
    return verdict.parser.name if verdict.parser else None


def test_every_result_is_recognised(corpus: Path) -> None:
    expected = {".json": "lm_eval_json", ".out": "lm_eval_log", ".txt": "lm_eval_log"}
    for path in sorted((corpus / "lm_eval_json").rglob("*.*")):
        if path.is_file():
            assert recognised(path) == expected[path.suffix], path
    expected = {".csv": "opencompass_csv", ".txt": "opencompass_txt", ".out": "opencompass_log"}
    for path in sorted((corpus / "opencompass_summary").rglob("*.*")):
        if path.is_file() and path.suffix != ".md":
            assert recognised(path) == expected[path.suffix], path


def written(path: Path) -> dict[tuple[str, str, str], float]:
    """Scores of a result by a plain loop."""
    said = json.loads(path.read_text())
    tasks = said["results"]
    if isinstance(tasks, list):
        rows = [(f"{row['task_name']}+{row['prompt_name']}", row) for row in tasks]
    else:
        rows = [*tasks.items(), *((k, v) for k, v in said.get("groups", {}).items() if k not in tasks)]
    return {
        (task, key, "stderr" if "_stderr" in key else "value"): value
        for task, row in rows
        for key, value in row.items()
        if type(value) in (int, float)
    }


def test_every_score_of_lm_eval(corpus: Path) -> None:
    paths = sorted((corpus / "lm_eval_json").rglob("*.json"))
    assert len(paths) > 50
    for path in paths:
        scores = {
            k: v for k, v in found(path, corpus).items() if k[1] not in ("effective", "total_evaluation_time_seconds")
        }
        assert scores == written(path), path


def test_printed_evaluations(corpus: Path) -> None:
    for path in sorted((corpus / "lm_eval_json").rglob("*.out")):
        text = path.read_text("utf-8", "replace")
        blocks = re.findall(r'^\{\n  "results": .*?^\}$', text, re.M | re.S)
        printed = [json.loads(block)["results"] for block in blocks]
        expected = {
            (t, k, "stderr" if "_stderr" in k else "value"): v
            for r in printed
            for t, m in r.items()
            for k, v in m.items()
        }
        assert len(printed) == 2
        assert found(path, corpus) == expected
    (path,) = (corpus / "lm_eval_json").rglob("results.txt")
    parser = formats.parser("lm_eval_log")
    outcome = parserkit.read(parser, "base/results.txt", path.read_bytes())
    cells = re.findall(r"\|(\w+) *\|[^|]*\|(0\.\d{4})\|±  \|(0\.\d{4})\|", path.read_text())
    values = [m.value for m in outcome.of(Measurement)]
    assert values == [float(number) for _, value, error in cells for number in (value, error)]
    assert [run.config["label"] for run in outcome.runs.values()] == ["P1", "P2", "P3", "P4", "P5"]


def test_summary_of_opencompass(corpus: Path) -> None:
    folder = corpus / "opencompass_summary"
    (table,) = folder.rglob("summary_*.csv")
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    expected = {(r[0], r[2], "value"): float(r[4]) * (0.01 if r[2] in PERCENT else 1) for r in rows}
    values = found(table, corpus)
    assert values.keys() == expected.keys()
    assert all(parserkit.same(values[key], value) for key, value in expected.items())
    (text,) = folder.rglob("summary_*.txt")
    raw = re.findall(r"^(\S+): (\{.*\})$", text.read_text(), re.M)
    scores = {(d, k, "value"): v * (0.01 if k in PERCENT else 1) for d, r in raw for k, v in literal_eval(r).items()}
    values = found(text, corpus)
    assert values.keys() == scores.keys()
    assert all(parserkit.same(values[key], value) for key, value in scores.items())
