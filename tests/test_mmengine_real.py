"""A real mmengine training on the CPU, read while it runs and after.

What the store must hold is counted here another way: ``scalars.json`` by the json module, the text log by one
regular expression.  The rest is between mmengine and llmstats.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

import llmstats
from llmstats.database import Database

TOY = Path(__file__).with_name("mmengine_toy.py")
FIRST, CHECKPOINT, LAST = 3000, 2800, 4000
EPOCHS, PER_EPOCH = 3, 40

missing = [name for name in ("torch", "mmengine") if find_spec(name) is None]
pytestmark = [
    pytest.mark.training,
    pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}"),
]

LOSS = "SELECT step, value, time, attempt, epoch FROM stitched WHERE metric = 'loss' AND phase = 'train' ORDER BY step"
_LINE = re.compile(r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) - mmengine - INFO - Iter\(train\) \[ *(\d+)/\d+\]")


def train(*words: str | Path, watch: Database | None = None) -> list[int]:
    """Run the toy; with ``watch``, ingest again and again meanwhile.  Returns the points seen each time."""
    command = [sys.executable, str(TOY), *map(str, words)]
    work_dir = Path(words[1])
    console = work_dir.with_suffix(".console")
    seen: list[int] = []
    with console.open("a") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        while process.poll() is None:
            if watch is not None and work_dir.exists():
                watch.ingest(work_dir)
                seen.append(watch.query("SELECT count(*) FROM points WHERE metric = 'loss'").rows[0][0])
            time.sleep(0.2)
    assert process.returncode == 0, console.read_text()[-3000:]
    return seen


def scalars(timestamp_dir: Path) -> dict[int, float]:
    """Loss by step as mmengine wrote it at full precision."""
    lines = (timestamp_dir / "vis_data" / "scalars.json").read_text().splitlines()
    return {row["step"]: row["loss"] for row in map(json.loads, lines) if "loss" in row}


def clocks(timestamp_dir: Path) -> dict[int, datetime]:
    """Clock by step as the text log says."""
    text = (timestamp_dir / f"{timestamp_dir.name}.log").read_text()
    return {int(step): datetime.strptime(clock, "%Y/%m/%d %H:%M:%S") for clock, step in _LINE.findall(text)}


def timestamp_dirs(work_dir: Path) -> list[Path]:
    return sorted(p for p in work_dir.iterdir() if p.is_dir())


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Database, Path, list[int]]:
    """3,000 steps, then resumed from a checkpoint 200 steps back and led to 4,000; ingested all the while."""
    folder = tmp_path_factory.mktemp("iter")
    work_dir = folder / "toy_iter"
    db = llmstats.open(str(folder / "watched.duckdb"))
    seen = train("iter", work_dir, "--to", str(FIRST), watch=db)
    checkpoint = work_dir / f"iter_{CHECKPOINT}.pth"
    seen += train("iter", work_dir, "--to", str(LAST), "--resume", checkpoint, watch=db)
    db.ingest(work_dir)
    return db, work_dir, seen


def test_it_was_read_while_it_ran(resumed):
    _, _, seen = resumed
    assert any(0 < n < LAST for n in seen), seen
    assert seen == sorted(seen)


def test_the_stitched_loss_is_scalars_json_at_full_precision(resumed):
    db, work_dir, _ = resumed
    first, second = timestamp_dirs(work_dir)
    truth = {step: loss for step, loss in scalars(first).items() if step <= CHECKPOINT} | scalars(second)
    rows = db.query(LOSS).rows
    assert [row[0] for row in rows] == list(range(1, LAST + 1))
    assert {row[0]: row[1] for row in rows} == truth


def test_each_point_has_the_time_of_its_line_in_the_log(resumed):
    db, work_dir, _ = resumed
    first, second = timestamp_dirs(work_dir)
    truth = {step: clock for step, clock in clocks(first).items() if step <= CHECKPOINT} | clocks(second)
    assert {row[0]: row[2] for row in db.query(LOSS).rows} == truth


def test_the_resume_is_attempt_2_of_the_same_experiment(resumed):
    db, work_dir, _ = resumed
    rows = db.query("SELECT run_id, experiment, attempt FROM runs ORDER BY attempt").rows
    assert [tuple(r) for r in rows] == [
        (f"toy_iter/{path.name}", "toy_iter", attempt + 1) for attempt, path in enumerate(timestamp_dirs(work_dir))
    ]
    resumes = db.query("SELECT run_id, step FROM events WHERE kind = 'resume'").rows
    assert [tuple(r) for r in resumes] == [(rows[1][0], CHECKPOINT)]
    attempts = [row[3] for row in db.query(LOSS).rows]
    assert attempts == [1] * CHECKPOINT + [2] * (LAST - CHECKPOINT)


def test_all_attempts_keep_all_their_points(resumed):
    db, work_dir, _ = resumed
    rows = db.query("SELECT run_id, step, value FROM points WHERE metric = 'loss' AND phase = 'train'").rows
    truth = {(f"toy_iter/{d.name}", s): v for d in timestamp_dirs(work_dir) for s, v in scalars(d).items()}
    assert len(rows) == len(truth)
    assert {(run, step): value for run, step, value in rows} == truth


def test_watching_and_reading_once_end_with_the_same_points(resumed, tmp_path):
    db, work_dir, _ = resumed
    once = llmstats.open(str(tmp_path / "once.duckdb"))
    once.ingest(work_dir)
    everything = "SELECT run_id, phase, metric, step, epoch, time, value, line FROM points ORDER BY ALL"
    assert db.query(everything).rows == once.query(everything).rows


def test_convergence_answers_for_the_experiment(resumed):
    db, _, _ = resumed
    answer = db.query("convergence", threshold=0.001, min_steps=2000)
    row = dict(zip(answer.columns, answer.rows[0], strict=True))
    assert len(answer.rows) == 1
    assert row["experiment"] == "toy_iter"
    assert row["verdict"] == "converged"


def test_an_unchanged_tree_is_not_read_again(resumed):
    db, work_dir, _ = resumed
    report = db.ingest(work_dir)
    assert (report.unchanged, report.points) == (report.files, 0)


@pytest.fixture(scope="module")
def by_epoch(tmp_path_factory: pytest.TempPathFactory) -> tuple[Database, Path]:
    folder = tmp_path_factory.mktemp("epoch")
    db = llmstats.open(str(folder / "epoch.duckdb"))
    train("epoch", folder / "toy_epoch", "--to", str(EPOCHS))
    db.ingest(folder / "toy_epoch")
    return db, folder / "toy_epoch"


def test_epochs_are_counted_in_global_steps(by_epoch):
    db, work_dir = by_epoch
    rows = db.query(LOSS).rows
    assert {row[0]: row[1] for row in rows} == scalars(timestamp_dirs(work_dir)[0])
    assert [row[0] for row in rows] == list(range(1, EPOCHS * PER_EPOCH + 1))
    assert [row[4] for row in rows] == [(step - 1) // PER_EPOCH + 1 for step, *_ in rows]


def test_validation_carries_its_epoch_and_the_last_train_step(by_epoch):
    db, work_dir = by_epoch
    lines = (timestamp_dirs(work_dir)[0] / "vis_data" / "scalars.json").read_text().splitlines()
    near = [row["near"] for row in map(json.loads, lines) if "near" in row]
    rows = db.query("SELECT step, epoch, value FROM points WHERE metric = 'near' AND phase = 'val' ORDER BY step").rows
    assert [tuple(r) for r in rows] == [(PER_EPOCH * e, e, near[e - 1]) for e in range(1, EPOCHS + 1)]
