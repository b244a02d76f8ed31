"""Recipes and parity on real logs, against plain loops over the lines of the files."""

from __future__ import annotations

import re
import statistics
from pathlib import Path
from typing import Any

import pytest

import llmstats as ls
from llmstats.database import Database

_STEP = re.compile(r"iteration +(\d+)/ *\d+ \|.*?consumed samples: +(\d+) \|.*?lm loss: ([-+.\dEe]+) \|")
_LOGS = "megatron_log/elena-lyulina__Megatron-LM-Attention-Benchmark/attn_bench/logs"


@pytest.fixture(scope="module")
def db(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Database:
    opened = ls.open(str(tmp_path_factory.mktemp("judge") / "x.duckdb"))
    folders = [_LOGS, "deeplink_readme", "mlperf_training_log"]
    opened.ingest(*(str(corpus / folder) for folder in folders), documents=True)
    return opened


def losses(path: Path) -> dict[int, tuple[int, float, int]]:
    """Step: samples, loss and line."""
    lines = path.read_text(errors="replace").splitlines()
    found = ((n, _STEP.search(line)) for n, line in enumerate(lines, 1))
    return {int(m[1]): (int(m[2]), float(m[3]), n) for n, m in found if m}


def told(db: Database, recipe: str, *runs: str, **given: Any) -> dict[str, dict[str, Any]]:
    answer = db.judge(recipe, *runs, **given).answer()
    return {row[2]: dict(zip(answer.columns, row, strict=True)) for row in answer.rows}


def test_alignment_of_two_real_trainings(db: Database, corpus: Path) -> None:
    a, b = (losses(corpus / _LOGS / f"{n}.out") for n in (2256087, 2256081))
    shared = [s for s in sorted(a.keys() & b.keys()) if s >= 21]
    error = statistics.fmean(abs(a[s][1] - b[s][1]) / abs(b[s][1]) for s in shared)
    last = max(shared)
    row = told(db, "loss-alignment", "attn_bench/logs/2256087", reference="attn_bench/logs/2256081", to_step=last)[
        "loss"
    ]
    assert row["value"] == pytest.approx(error, rel=1e-9)
    assert (row["points"], row["result"]) == (len(shared), "fail")
    assert row["from"] == f"{corpus / _LOGS}/2256087.out:{a[shared[0]][2]}"
    assert row["source"] == f"{corpus / _LOGS}/2256087.out:{a[last][2]}"


def test_readings_of_a_real_training(db: Database, corpus: Path) -> None:
    found = losses(corpus / _LOGS / "1861140.out")
    values = [loss for _, loss, _ in found.values()]
    means = {s: statistics.fmean(values[i - 9 : i + 1]) for i, s in enumerate(found) if i >= 9}
    threshold = sorted(means.values())[len(means) // 2]
    first = next(s for s, mean in means.items() if mean + 5e-7 < threshold)
    given = {"threshold": threshold, "points": 10}
    row = told(db, "llama2-7b", "attn_bench/logs/1861140", **given)["loss"]
    assert (row["result"], row["step"]) == ("pass", first)
    assert row["source"].endswith(f":{found[first][2]}")
    worse = told(db, "llama2-7b", "attn_bench/logs/1861140", threshold=min(means.values()) - 1e-3, points=10)["loss"]
    assert (worse["result"], worse["value"]) == ("fail", pytest.approx(min(means.values())))


def test_parity_of_two_real_trainings(db: Database, corpus: Path) -> None:
    a, b = (losses(corpus / _LOGS / f"{n}.out") for n in (2256087, 2256081))
    answer = db.query(
        "parity", reference="attn_bench/logs/2256081", candidate="attn_bench/logs/2256087", align="samples"
    )
    (row,) = (dict(zip(answer.columns, r, strict=True)) for r in answer.rows)
    shared = sorted({x for x, *_ in a.values()} & {x for x, *_ in b.values()})
    of = [{x: loss for x, loss, _ in run.values()} for run in (a, b)]
    gaps = [abs(of[0][x] - of[1][x]) / of[1][x] for x in shared]
    assert row["alignment"].startswith("consumed samples as logged")
    assert (row["from"], row["to"]) == (shared[0], shared[-1])
    assert row["mean_abs_gap"] == pytest.approx(statistics.fmean(gaps), rel=1e-6)
    assert row["verdict"] == "beyond bound"


def test_the_documents_own_samples(db: Database) -> None:
    cases = {c.experiment: c for c in db.judge("deepseek-v2-lite", "*README.md/excerpt*").cases}
    reasons = [f.found.reason for c in cases.values() for f in c.findings if f.criterion == "loss"]
    assert "has 2 of the 50 points of a mean" in reasons
    assert {c.verdict for c in cases.values()} == {"cannot tell"}
    alpaca = db.judge("alpaca-lora")
    assert alpaca.verdict == "pass"
    number = alpaca.cases[0].findings[0].found.number
    assert number is not None
    assert number.value == pytest.approx(0.9499486045739085)


def test_real_mlperf_results_without_reference_points(db: Database) -> None:
    answer = db.query("rcp")
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    assert {row["benchmark"] for row in rows} >= {"llama31_8b", "llama2_70b_lora", "rgat", "flux1", "dlrm_dcnv2"}
    assert {row["verdict"] for row in rows} == {"cannot tell", "not converged"}
