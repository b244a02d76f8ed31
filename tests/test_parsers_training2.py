"""torchtitan, DeepSpeed, NeMo, TensorBoard: what the samples cannot say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import llmstats as ls
from llmstats import formats
from llmstats.errors import ParseError

from . import parserkit

TITAN = formats.parser("torchtitan_log")
DEEPSPEED = formats.parser("deepspeed_log")
BOARD = formats.parser("tensorboard_events")
STEP = (
    "{}[titan] 2025-07-01 10:00:{:02d},250 - root - INFO - step: {:2d}  loss:  8.75012  grad_norm:  1.5001  "
    "memory: 44.25GiB(55.94%)  tps: 7,123  tflops: 412.34  mfu: 41.69%\n"
)


def test_ranks_without_a_mark_are_one_run() -> None:
    """Eight processes that write into one stream: equal steps are no new start."""
    text = "".join(STEP.format("", step, step) for step in (1, 10, 20) for _ in range(8))
    outcome = parserkit.read(TITAN, "out.log", text.encode())
    assert list(outcome.runs) == ["logs/out"]
    assert len({p.step for p in outcome.points}) == 3


def test_marked_ranks_stay_apart() -> None:
    text = "".join(STEP.format(f"[rank{rank}]:", step, step) for step in (1, 10) for rank in (0, 3))
    outcome = parserkit.read(TITAN, "out.log", text.encode())
    assert {p.rank for p in outcome.points} == {0, 3}


def test_files_of_ranks_are_one_run() -> None:
    for rank in (0, 5):
        path = f"torchrun/none_ab/attempt_0/{rank}/stderr.log"
        outcome = parserkit.read(TITAN, path, STEP.format("", 1, 1).encode())
        assert list(outcome.runs) == ["none_ab/attempt_0"]
        assert {p.rank for p in outcome.points} == {rank}


def test_a_run_that_went_on_has_not_failed() -> None:
    traceback = "Traceback (most recent call last):\nW0701 failed (exitcode: 1) local_rank: 0\n"
    start = STEP.format("", 1, 1)
    dead = parserkit.read(TITAN, "out.log", (start + traceback).encode())
    alive = parserkit.read(TITAN, "out.log", (start + traceback + STEP.format("", 9, 10)).encode())
    assert dead.runs["logs/out"].status == "failed"
    assert alive.runs["logs/out"].status is None


def test_hugging_face_on_deepspeed_is_left_to_its_trainer() -> None:
    sample = DEEPSPEED.samples[0]
    assert DEEPSPEED.detect(parserkit.head(sample.path, sample.raw))
    text = sample.raw + b"{'loss': 0.8603, 'learning_rate': 3.57e-06, 'epoch': 2.91}\n"
    assert DEEPSPEED.detect(parserkit.head(sample.path, text)) is None


def test_restarts_share_the_directory(tmp_path: Path) -> None:
    """A restart adds a file to the directory: still one run, and a step that both wrote counts once."""
    raw = BOARD.samples[0].raw
    for stamp in ("1760000000", "1760009999"):
        (tmp_path / "exp7" / "tensorboard").mkdir(parents=True, exist_ok=True)
        (tmp_path / "exp7" / "tensorboard" / f"events.out.tfevents.{stamp}.node1.1.0").write_bytes(raw + raw[:0])
    (tmp_path / "exp7" / "tensorboard" / "events.out.tfevents.1760009999.node1.1.0").write_bytes(raw[:-1])
    db = ls.open(str(tmp_path / "x.duckdb"))
    db.ingest(str(tmp_path / "exp7"))
    assert db.query("SELECT count(*) FROM runs").pl().item() == 1
    points = db.query("SELECT step, count(*) FROM points WHERE metric = 'loss' AND phase = 'train' GROUP BY step").pl()
    assert sorted(points.rows()) == [(10, 1), (20, 1)]


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ParseError, match=r"pip install 'llmstats\[tensorboard\]'"):
        parserkit.read(BOARD, BOARD.samples[0].path, BOARD.samples[0].raw)


def test_a_damaged_record_ends_the_file() -> None:
    raw = bytearray(BOARD.samples[0].raw)
    whole = parserkit.read_sample(BOARD, BOARD.samples[0])
    middle = raw.index(b"params-norm") - 40
    raw[middle : middle + 8] = b"\xff" * 8
    outcome = parserkit.read(BOARD, BOARD.samples[0].path, bytes(raw))
    assert 0 < len(outcome.points) < len(whole.points)
    assert len(outcome.suspects) == 1
