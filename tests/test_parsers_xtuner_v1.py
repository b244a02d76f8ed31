"""XTuner V1: what several files of one run must agree on."""

from __future__ import annotations

import json

import pytest

from llmstats import formats

from . import parserkit

LOG = formats.parser("xtuner_v1_log")
TRACKER = formats.parser("xtuner_v1_tracker")
EXP = "work_dirs/toy/20260821100000"


def log_line(step: int, *, rank: int | None = None, minute: int = 0) -> str:
    shown = "" if rank is None else f"[RANK {rank}]"
    return (
        f"[XTuner]{shown}[2026-08-21 10:{minute:02}:{step:02}][INFO] Epoch 0 Step {step}/9 "
        f"data_time: 0.0100 lr: 1.000000e-05 time: 2.0000 text_tokens: 4096 "
        f"reduced_llm_loss: {3 - step / 8:.8f}, local_loss: {3 - step / 8:.8f} grad_norm: 1.25000000 "
        f"max_memory: 10.00 GB reserved_memory: 12.00 GB "
        f"tgs: 2048.0 exp_tgs: 1800.5 eta: 0:34:10 \n"
    )


def tracker_line(step: int, spent: float) -> str:
    record = {
        "lr": 1e-5,
        "time/data_time": 0.01,
        "time/step_time": 2.0,
        "time/train_time": spent,
        "time/eta_seconds": 2050.0,
        "runtime_info/text_tokens": 4096,
        "runtime_info/tgs": 2048.0,
        "runtime_info/exp_tgs": 1800.5,
        "memory/max_memory_GB": 10.0,
        "memory/reserved_memory_GB": 12.0,
        "grad_norm": 1.25,
        "loss/reduced_llm_loss": 3 - step / 8,
        "loss/local_loss": 3 - step / 8,
        "step": step,
    }
    return json.dumps(record) + "\n"


RESUME = "[XTuner][2026-08-21 10:01:00][INFO] Resume from checkpoint: /w/toy/checkpoints/epoch-0-step-4\n"


def keys(outcome: parserkit.Outcome) -> set[tuple[str, str, int | None, str, int | None]]:
    return {(p.run, p.phase, p.rank, p.metric, p.step) for p in outcome.points}


def read(path: str, text: str) -> parserkit.Outcome:
    parser = formats.detect(parserkit.head(path, text.encode())).parser
    assert parser is not None, path
    return parserkit.read(parser, path, text.encode())


# Steps in the log, those that reached the tracker, and those after the resume: a step back, a repeated step, an
# exact continuation, lines of the tracker lost in the kill.
RESUMES = [
    ([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [5, 6, 7]),
    ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [5, 6]),
    ([1, 2, 3, 4], [1, 2, 3, 4], [5, 6]),
    ([1, 2, 3, 4, 5, 6], [1, 2, 3], [5, 6, 7]),
]


@pytest.mark.parametrize(("logged", "flushed", "after"), RESUMES)
def test_log_and_tracker_tell_the_attempts_apart_alike(logged: list[int], flushed: list[int], after: list[int]) -> None:
    text = "".join(map(log_line, logged)) + RESUME + "".join(log_line(step, minute=2) for step in after)
    lines = [tracker_line(step, 2.0 * i) for i, step in enumerate(flushed, 1)]
    lines += [tracker_line(step, 2.0 * i) for i, step in enumerate(after, 1)]
    log = read(f"{EXP}/logs/rank0.log", text)
    tracker = read(f"{EXP}/logs/exp_tracking/rank0/tracker.jsonl", "".join(lines))

    assert {r.name: r.root for r in log.runs.values()} == {r.name: r.root for r in tracker.runs.values()}
    assert {r.name: r.experiment for r in tracker.runs.values()} == dict.fromkeys(log.runs, "toy")
    shared = {k for k in keys(tracker) if k[3] != "train_time"}
    lost = {(f"toy/{EXP[-14:]}", step) for step in set(logged) - set(flushed)}
    assert shared == {k for k in keys(log) if (k[0], k[4]) not in lost}
    assert log.runs["toy/20260821100000#2"].resumed_from == 4
    assert tracker.runs["toy/20260821100000#2"].resumed_from == after[0] - 1


def test_values_and_units_agree_between_log_and_tracker() -> None:
    log = read(f"{EXP}/logs/rank1.log", log_line(1) + log_line(2))
    tracker = read(f"{EXP}/logs/exp_tracking/rank1/tracker.jsonl", tracker_line(1, 2.1) + tracker_line(2, 4.1))
    values = {(p.rank, p.metric, p.step): p.value for p in log.points}
    for p in tracker.points:
        if p.metric != "train_time":
            assert parserkit.same(p.value, values[p.rank, p.metric, p.step]), p


def test_rank_of_another_file_may_see_no_header() -> None:
    text = "".join(map(log_line, [1, 2, 3, 4, 5])) + "".join(map(log_line, [5, 6]))
    assert list(read(f"{EXP}/logs/rank7.log", text).runs) == ["toy/20260821100000", "toy/20260821100000#2"]


def test_interleaved_ranks_without_a_header() -> None:
    """A rank that is first seen together with others that went back begins where they are now."""
    steps = [(0, 1), (1, 1), (0, 2), (1, 2), (0, 1), (1, 1), (2, 2), (0, 2)]
    outcome = read("captures/node_0.txt", "".join(log_line(step, rank=rank) for rank, step in steps))
    loss = sorted((p.run, p.rank, p.step) for p in outcome.points if p.metric == "loss")
    assert loss == [
        ("captures", 0, 1), ("captures", 0, 2), ("captures", 1, 1), ("captures", 1, 2),
        ("captures#2", 0, 1), ("captures#2", 0, 2), ("captures#2", 1, 1), ("captures#2", 2, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "name", "root", "rank"),
    [
        (f"{EXP}/logs/rank3.log", "toy/20260821100000", EXP, 3),
        (f"{EXP}/rank_12.log", "toy/20260821100000", EXP, 12),
        (f"{EXP}/node_1.txt", "toy/20260821100000", EXP, None),
        ("saved/logs/rank0.log", "saved", "saved", 0),
        ("saved/node_0.txt", "saved", "saved", None),
        ("saved/train.log", "saved/train", "saved/train.log", None),
        ("saved/train.log.gz", "saved/train", "saved/train.log.gz", None),
    ],
)
def test_run_and_rank_of_a_file(path: str, name: str, root: str, rank: int | None) -> None:
    outcome = read(path, log_line(1))
    assert {r.name: r.root for r in outcome.runs.values()} == {name: f"{parserkit.ROOT}/{root}"}
    assert {p.rank for p in outcome.points} == {rank}


def test_rank_in_the_line_wins_over_the_name_of_the_file() -> None:
    assert {p.rank for p in read("saved/rank_1.log", log_line(1, rank=5)).points} == {5}


def test_prose_about_a_log_is_no_log() -> None:
    assert formats.detect(parserkit.head("docs/grpo.md", log_line(1).encode())) == formats.Verdict()
    assert formats.detect(parserkit.head("docs/tracker.md", tracker_line(1, 2.0).encode())) == formats.Verdict()
