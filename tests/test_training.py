"""Runs in one file, steps of validation, launcher prefixes, clocks without a year."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmstats.parsing import Objects, State
from llmstats.records import Run
from llmstats.shapes import Frame
from llmstats.training import (
    Runs,
    StepLog,
    frames_of,
    is_conflict_marker,
    microseconds,
    points,
    prefix_fields,
    run_name,
    whole,
    with_year,
    year_of_start,
)


def frame(records: list[tuple[int, int]], rank: int | None = None, **columns: list[float]) -> Frame:
    """Train records as (line, step)."""
    lines, steps = np.array(records, np.int64).reshape(-1, 2).T
    data: dict[str, Any] = {"@step": steps.astype(float)} | {k: np.array(v) for k, v in columns.items()}
    if rank is not None:
        data["@rank"] = np.full(len(lines), float(rank))
    return Frame("train", {}, lines, data, {}, {})


def stamp(text: str) -> int:
    found = microseconds(text)
    assert found is not None
    return found


# --------------------------------------------------------------------------- runs of one file


def test_step_going_back_begins_the_next_run() -> None:
    log = StepLog({})
    train = log.read([frame([(1, 10), (2, 20), (3, 10), (4, 20), (5, 20), (6, 5)])])
    assert train.runs.tolist() == [0, 0, 1, 1, 1, 2]
    assert log.run == 2


def test_header_begins_a_run_only_after_records() -> None:
    log = StepLog({})
    train = log.read([frame([(3, 10), (9, 20)])], breaks=[1, 5, 6])
    assert train.runs.tolist() == [0, 1]
    memory = {"run": 0, "step": -1}
    assert [log.at(train, line, memory) for line in (1, 3, 4, 5, 8, 10)] == [0, 0, 0, 1, 1, 1]


def test_validation_takes_the_step_before_it_in_its_own_run() -> None:
    log = StepLog({})
    before = log.remembered()
    train = log.read([frame([(2, 10), (4, 20), (9, 10)])], breaks=[6])
    runs, steps = log.before(train, np.array([1, 3, 5, 7, 10]), before)
    assert runs.tolist() == [0, 0, 0, 1, 1]
    assert steps.tolist() == [-1, 10, 20, -1, 10]


def test_both_sides_of_a_conflict_are_one_run() -> None:
    log = StepLog({})
    before = log.remembered()
    markers = [(1, "<<<<<<< HEAD"), (5, "======="), (9, ">>>>>>> theirs")]
    train = log.read([frame([(2, 10), (3, 20), (6, 10), (8, 20), (10, 30), (11, 10)])], breaks=[5], markers=markers)
    assert train.runs.tolist() == [0, 0, 0, 0, 0, 1]
    assert log.before(train, np.array([4, 7]), before)[1].tolist() == [20, 10]


def test_ranks_go_back_each_for_itself() -> None:
    log = StepLog({})
    zero = frame([(1, 10), (3, 20), (5, 10), (7, 20)], rank=0)
    one = frame([(2, 10), (4, 20), (6, 10), (8, 20)], rank=1)
    late = frame([(9, 20)], rank=2)
    train = log.read([zero, one, late])
    assert train.runs.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert train.ranks.tolist() == [0, 1] * 4 + [2]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["step", "break", "<<<<<<< ", "=======", ">>>>>>> "]), st.integers(1, 5)), max_size=25
    ),
    st.integers(0, 3),
    st.data(),
)
def test_cuts_do_not_matter(story: list[tuple[str, int]], ranks: int, data: st.DataObject) -> None:
    """The same runs and steps, wherever a file is cut into stretches, for any mess of records and markers."""
    rank_of = [data.draw(st.integers(0, ranks)) for _ in story]
    cut = data.draw(st.integers(0, len(story)))

    def told(edges: list[int]) -> tuple[list[Any], list[Any]]:
        state: State = {}
        runs, places = [], []
        for low, high in pairwise(edges):
            state = json.loads(json.dumps(state))
            log = StepLog(state)
            before = log.remembered()
            part = list(enumerate(story, 1))[low:high]
            frames = [
                frame([(n, step) for n, (what, step) in part if what == "step" and rank_of[n - 1] == rank], rank)
                for rank in range(ranks + 1)
            ]
            train = log.read(
                [f for f in frames if len(f.lines)],
                [n for n, (what, _) in part if what == "break"],
                [(n, what) for n, (what, _) in part if what not in ("step", "break")],
            )
            runs += list(zip(train.lines.tolist(), train.runs.tolist(), strict=True))
            lines = np.array([n for n, _ in part], np.int64)
            places += [column.tolist() for column in np.transpose(log.before(train, lines, before))]
        return runs, places

    assert told([0, cut, len(story)]) == told([0, len(story)])


# --------------------------------------------------------------------------- points


def test_points_are_split_by_run_rank_and_known_step() -> None:
    records = frame([(1, 1), (2, 2), (3, 3)], loss=[1.0, 2.0, 3.0])
    records.columns["@rank"] = np.array([0.0, 1.0, 0.0])
    found = list(points(records, "train", "toy", np.array([0, 0, 1]), np.array([1, 2, -1]), None, rank=7))
    told = [(p.run, p.rank, p.lines.tolist(), p.steps is None, list(p.values)) for p in found]
    assert sorted(told) == [
        ("toy", 0, [1], False, ["loss"]),
        ("toy", 1, [2], False, ["loss"]),
        ("toy#2", 0, [3], True, ["loss"]),
    ]


def test_rank_of_the_file_counts_where_the_line_has_none() -> None:
    (found,) = points(frame([(1, 1)], loss=[1.0]), "train", "toy", np.array([0]), np.array([1]), None, rank=7)
    assert found.rank == 7


def test_counters() -> None:
    assert whole(np.array([3.0, np.nan, np.inf, 1e20])).tolist() == [3, -1, -1, -1]
    assert whole(np.array([2**60])).tolist() == [2**60]


def test_names_of_appended_runs() -> None:
    assert [run_name("toy", i) for i in range(3)] == ["toy", "toy#2", "toy#3"]


def test_runs_keep_their_facts_through_the_state() -> None:
    state: State = {}
    runs = Runs(state, lambda index: Run(run_name("toy", index), "/d"))
    runs[1].device = "A100"
    runs.span(np.array([1, 1]), np.array([50, 20]))
    runs.save()
    again = Runs(json.loads(json.dumps(state)), lambda index: Run(run_name("other", index), "/d"))
    again.span(np.array([1]), np.array([70]))
    assert (again[1].name, again[1].device, again[1].started_at, again[1].ended_at) == ("toy#2", "A100", 20, 70)


def test_a_run_without_a_header_has_the_facts_of_the_one_before() -> None:
    state: State = {}
    runs = Runs(state, lambda index: Run(run_name("toy", index), "/d"))
    runs[0].model, runs[0].device_count, runs[0].config = "m", 8, {"lr": 1, "exp_name": "a"}
    runs[0].status = "failed"
    runs[1].config = {"exp_name": "b"}  # said beside every checkpoint
    runs[3].device = "A100"
    told = list(runs.told(4))
    facts = [(r.model, r.device, r.device_count, r.config, r.status) for r in told]
    assert facts == [
        ("m", None, 8, {"lr": 1, "exp_name": "a"}, "failed"),
        ("m", None, 8, {"lr": 1, "exp_name": "b"}, None),
        ("m", None, 8, {"lr": 1, "exp_name": "b"}, None),
        (None, "A100", None, {}, None),
        (None, "A100", None, {}, None),
    ]
    assert [r.name for r in told] == [run_name("toy", i) for i in range(5)]
    runs.save()
    assert state["runs"]["1"]["model"] is None, "a header may still come"


def test_frames_of_json_records() -> None:
    """One frame per phase and set of numeric keys; texts, booleans and missing values are no numbers."""
    rows = [
        (1, {"step": 1, "loss": 0.5, "note": "x"}),
        (2, {"step": 2, "loss": float("nan"), "note": "y"}),
        (3, {"acc": 1, "ok": True}),
        (4, {"step": 3, "loss": None, "note": "z"}),
    ]
    frames = frames_of(Objects(rows), {"step": "@step"}, lambda row: "train" if "step" in row else "val")
    assert [(f.kind, f.lines.tolist(), sorted(f.columns)) for f in frames] == [
        ("train", [1, 2], ["@step", "loss"]),
        ("train", [4], ["@step"]),
        ("val", [3], ["acc"]),
    ]
    assert frames[0].precision["loss"] == "full"


# --------------------------------------------------------------------------- what stands in front of a line


@pytest.mark.parametrize(
    ("front", "rank"),
    [
        ("", None),
        ("12: ", "12"),
        ("[default7]:", "7"),
        ("[rank0]: ", "0"),
        ("[RANK 3]", "3"),
        ("node-7: ", None),
        ("2025-02-09T07:49:42.123456789Z ", None),
        ("2025-02-09T07:49:42.123456789Z 12: ", "12"),
        (" 30%|███       | 30/100 [00:30<01:10,  1.00s/it]", None),
        ("Epoch 3: ", None),
    ],
)
def test_launcher_prefixes(front: str, rank: str | None) -> None:
    text = front.encode().decode("latin-1")
    fields = prefix_fields(text, len(text))
    assert next((text[f.start : f.end] for f in fields if f.name == "@rank"), None) == rank
    covered = sorted((f.start, f.end) for f in fields)
    assert not text or (covered[0][0] == 0 and covered[-1][1] == len(text))


def test_conflict_markers() -> None:
    assert all(is_conflict_marker(text) for text in ("<<<<<<< HEAD", "=======", ">>>>>>> origin/master"))
    assert not any(is_conflict_marker(text) for text in ("========", "<<<<<<<", "======= x", "loss: 1"))


# --------------------------------------------------------------------------- clocks


def test_microseconds() -> None:
    moment = datetime(2025, 2, 9, 7, 49, 32, 120000, UTC)
    for text in ("2025-02-09 07:49:32.12", "2025/02/09 07:49:32,120", "2025-02-09T07:49:32.120000Z"):
        assert microseconds(text) == int(moment.timestamp() * 1e6)
    assert microseconds("2025-02-30 00:00:00") is None
    assert microseconds("yesterday") is None


@pytest.mark.parametrize(
    ("stamps", "mtime", "first", "year"),
    [
        (["20241231_235000"], 0.0, "2000-12-31 00:00:00", 2024),
        (["console.log", "toy_20230405_101112"], 0.0, "2000-04-05 00:00:00", 2023),
        (["run_99999999_000000"], datetime(2026, 1, 15, tzinfo=UTC).timestamp(), "2000-12-31 00:00:00", 2025),
        ([], datetime(2026, 1, 15, tzinfo=UTC).timestamp(), "2000-01-14 00:00:00", 2026),
    ],
)
def test_year_of_a_log_without_years(stamps: list[str], mtime: float, first: str, year: int) -> None:
    assert year_of_start(stamps, mtime, stamp(first) // 86_400_000_000) == year


def test_new_year_and_leap_day() -> None:
    bare = ["2000-12-31 23:59:59", "2000-01-01 00:00:01", "2000-02-29 12:00:00", "2000-03-01 00:00:00"]
    state: State = {}
    first = with_year(np.array([stamp(bare[0])]), 2023, state)
    rest = with_year(np.array([stamp(text) for text in bare[1:]]), 1999, json.loads(json.dumps(state)))
    told = [str(np.datetime64(int(t), "us"))[:19] for t in [*first, *rest]]
    assert told == ["2023-12-31T23:59:59", "2024-01-01T00:00:01", "2024-02-29T12:00:00", "2024-03-01T00:00:00"]
