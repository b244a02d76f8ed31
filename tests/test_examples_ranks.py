"""The example of eight ranks: composed as committed, and what the questions about training health say of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import llmstats

from .test_examples import EXAMPLES, contents

RANKS = EXAMPLES / "ranks"
FIRST, SECOND = "qwen3_sft/20260821100000", "qwen3_sft/20260821100000#2"


@pytest.fixture(scope="module")
def db(tmp_path_factory) -> llmstats.Database:
    db = llmstats.open(str(tmp_path_factory.mktemp("ranks") / "x.duckdb"))
    db.ingest(RANKS)
    return db


def rows(db: llmstats.Database, name: str, **given: Any) -> list[dict[str, Any]]:
    answer = db.query(name, **given)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def test_the_committed_set_is_what_the_composer_composes(tmp_path):
    command = [sys.executable, "-B", str(EXAMPLES / "compose_ranks.py"), str(tmp_path / "again")]
    subprocess.run(command, check=True, cwd=tmp_path)
    assert contents(tmp_path / "again") == contents(RANKS)


def test_the_late_loaders_are_found_and_their_peers_are_not(db):
    found = [(r["run_id"], r["kind"], r["shape"], r["phase"], r["ranks"]) for r in rows(db, "stragglers")]
    assert found == [
        (FIRST, "recurring", "one rank", "data", [5]),
        (FIRST, "one-off", "node 1", "data", [4, 5, 6, 7]),
        (SECOND, "one-off", "one rank", "data", [5]),
    ]  # fmt: skip


def test_what_else_went_wrong(db):
    assert [(r["run_id"], r["metric"], r["kind"], r["first_step"]) for r in rows(db, "spikes")] == [
        (FIRST, "loss", "spike", 50), (FIRST, "grad_norm", "NaN", 77),
    ]  # fmt: skip
    (restart,) = rows(db, "restarts")
    assert (restart["cause"], restart["kept_step"], restart["redone_steps"]) == ("out of memory", 80, 20)
    assert (restart["gap_seconds"], restart["startup_seconds"]) == (900, 55)
    (resume,) = rows(db, "timeline", kind="resume")
    assert resume["message"].endswith("ckpt-step-80 (in 8 files)")
    kinds = [r["kind"] for r in rows(db, "timeline") if r["run_id"] == FIRST]
    assert kinds.index("spike") < kinds.index("not finite") < kinds.index("last step") < kinds.index("oom")


@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_map_is_drawn(db, tmp_path, form):
    output = Path(tmp_path, f"map.{form}")
    db.plot("stragglers", str(output))
    assert output.stat().st_size > 10_000
