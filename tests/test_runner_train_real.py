"""A real mmengine training through `llmstats run train --`: seen on a pseudo-terminal, killed, resumed, ingested.

What must come out is counted here from mmengine's own ``scalars.json`` with the json module.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import llmstats

from .runnerkit import told
from .test_mmengine_real import scalars
from .test_runner_train import on_a_terminal

TOY = Path(__file__).with_name("mmengine_toy.py")
CHECKPOINT_EVERY, MORE = 700, 300

missing = [name for name in ("torch", "mmengine") if find_spec(name) is None]
pytestmark = [
    pytest.mark.training,
    pytest.mark.runners,
    pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}"),
]


def words(root, *options, to, more=()):
    command = [sys.executable, TOY, "iter", "{work_dir}", "--to", to, *more]
    return [sys.executable, "-m", "llmstats", "run", "train", "--name", "toy", "--work-dir", root / "w", *options, "--",
            *command]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Ctrl-C somewhere behind step 750, then resumed from the last checkpoint and led 300 steps further."""
    root = tmp_path_factory.mktemp("train")
    db = str(root / "x.duckdb")
    before = os.environ.pop("LLMSTATS_DB", None)
    first = on_a_terminal(
        words(root, to=100_000), until=r"\r\x1b\[2Kstep (?:7[5-9]\d|[89]\d\d|[\d,]+,\d{3})/100,000 ", send=signal.SIGINT
    )
    reached = int(re.search(r"iter_(\d+)\.pth", (root / "w" / "toy" / "last_checkpoint").read_text())[1])
    second = on_a_terminal(words(root, "--resume", "--ingest", "--db", db, to=reached + MORE))
    if before:
        os.environ["LLMSTATS_DB"] = before
    return root / "w" / "toy", db, first, second


def jobs(work_dir):
    return sorted(path.parent for path in work_dir.glob("*/run.json"))


def runs_of_mmengine(work_dir):
    return sorted(path.parents[1] for path in work_dir.glob("*/vis_data/scalars.json"))


def test_the_live_line_says_step_loss_speed_and_time_left(trained):
    shown, _, code = trained[2]
    assert code == 130
    states = [s for s in re.split(r"\r\x1b\[2K", shown) if s.startswith("step ")]
    assert re.match(r"step [\d,]+(?:/100,000)?  loss [\d.e-]+  [\d,.e+]+ step/s  eta (?:\d+:)+\d\d$", states[-1])
    assert "Traceback (most recent call last)" in shown  # mmengine's own, of its KeyboardInterrupt
    assert "llmstats: interrupted" in shown


def test_the_killed_start_is_marked_and_the_second_went_on_from_its_checkpoint(trained):
    work_dir, _, _, (_, out, code) = trained
    first, second = jobs(work_dir)
    assert code == 0
    assert out.strip() == str(second)
    assert told(first)["status"] == "interrupted"
    assert told(second)["status"] == "completed"
    reached = told(first)["facts"]["live"]["step"]
    assert reached >= 750
    last = reached // CHECKPOINT_EVERY * CHECKPOINT_EVERY
    assert told(second)["facts"]["config"]["checkpoint_step"] == last
    assert told(second)["command"][-2:] == ["--resume", str(work_dir / f"iter_{last}.pth")]
    assert [told(job)["logs"] for job in (first, second)] == [
        [os.path.relpath(run, job)] for run, job in zip(runs_of_mmengine(work_dir), (first, second), strict=True)
    ]


def test_it_is_one_experiment_of_two_attempts(trained):
    work_dir, db, _, _ = trained
    rows = (
        llmstats.open(db)
        .query(
            "SELECT run_id, experiment, attempt, status, environment->>'runner', config->>'checkpoint_step' FROM runs"
            " ORDER BY attempt"
        )
        .rows
    )
    first, second = runs_of_mmengine(work_dir)
    step = str(told(jobs(work_dir)[1])["facts"]["config"]["checkpoint_step"])
    assert rows == [
        (f"toy/{first.name}", "toy", 1, "interrupted", "train", None),
        (f"toy/{second.name}", "toy", 2, "completed", "train", step),
    ]


def test_its_curve_is_that_of_mmengines_own_files(trained):
    """The console that was kept beside adds nothing and takes nothing away."""
    work_dir, db, _, _ = trained
    first, second = (scalars(run) for run in runs_of_mmengine(work_dir))
    start = told(jobs(work_dir)[1])["facts"]["config"]["checkpoint_step"]
    truth = {step: loss for step, loss in first.items() if step <= start} | second
    rows = (
        llmstats.open(db)
        .query("SELECT step, value FROM stitched WHERE metric = 'loss' AND phase = 'train' ORDER BY step")
        .rows
    )
    assert dict(rows) == truth
    assert len(rows) == len(truth)


def test_no_event_is_told_twice_and_the_console_s_traceback_is_kept(trained):
    work_dir, db, _, _ = trained
    rows = llmstats.open(db).query("SELECT run_id, kind, message, time FROM events WHERE kind <> 'warning'").rows
    assert len(set(rows)) == len(rows)
    first, second = (f"toy/{run.name}" for run in runs_of_mmengine(work_dir))
    kinds = {(run, kind) for run, kind, *_ in rows}
    assert {(first, "checkpoint"), (first, "error"), (second, "resume"), (second, "checkpoint")} <= kinds


def test_convergence_answers_for_it(trained):
    _, db, _, _ = trained
    answer = llmstats.open(db).query("convergence", threshold=0.001, min_steps=500)
    (row,) = [dict(zip(answer.columns, r, strict=True)) for r in answer.rows]
    assert (row["experiment"], row["verdict"], row["attempts"]) == ("toy", "converged", 2)


def test_a_loss_that_becomes_nan_ends_it(tmp_path):
    _, out, code = on_a_terminal(words(tmp_path, "--stop-on", "nonfinite", to=100_000, more=["--nan-at", 40]))
    assert code == 1
    job = Path(out.strip())
    assert told(job)["status"] == "stopped"
    assert re.match(r"loss is nan at step (?:4\d) \(.*/launched.log:\d+\)", told(job)["error"])
    line = int(told(job)["error"].rstrip(")").rpartition(":")[2])
    assert "loss: nan" in (job / "launched.log").read_text().splitlines()[line - 1]
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(str(tmp_path / "w"))
    assert db.query("SELECT status, environment->>'error' FROM runs").rows == [("stopped", told(job)["error"])]
    (row,) = db.query("convergence", threshold=0.001, min_steps=1).rows
    assert "not converged" in row


def test_a_recipe_that_is_reached_ends_it_and_is_judged(tmp_path):
    options = ["--recipe", "aichip/deepseek-v2-lite", "--param", "threshold=0.01", "--param", "min_steps=100"]
    options += ["--stop-on", "reached", "--ingest", "--db", str(tmp_path / "x.duckdb"), "--quiet"]
    shown, out, code = on_a_terminal(words(tmp_path, *options, to=100_000))
    assert code == 0
    job = told(Path(out.strip()))
    assert job["status"] == "stopped"
    assert job["error"].startswith("reached: loss: first mean of 50 points")
    assert job["facts"]["live"]["step"] < 100_000
    # the verdict on what was ingested, with the line that it rests on
    assert "toy: pass by aichip/deepseek-v2-lite@2025-04-08\r\n" in shown
    assert re.search(r"  loss: pass; first mean of 50 points [\d.e-]+ at step \d+: < 0.01 \(.*\.json:\d+\)", shown)
