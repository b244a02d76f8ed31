"""The timeline: everything that happened, in the order of the log."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import llmstats
from llmstats import query
from llmstats.answers.timeline import in_order
from llmstats.records import Event, Run
from llmstats.store import Store

from .composed import Training
from .rank_times import in_step, put, usual
from .store_deltas import SECOND, Source, fresh_store, points


@pytest.fixture
def store(tmp_path):
    return fresh_store(tmp_path / "s.duckdb")


def ask(store: Store, **given: Any) -> list[dict[str, Any]]:
    with store.reading() as con:
        return query.rows(con, "timeline", given)


def training(store: Store, *, clock: bool) -> None:
    """Step s stands on line s + 100 and, with a clock, at second s; a slow stretch, a spike, a NaN, two validations."""
    loss, time = np.full(300, 2.0), np.full(300, 1.0)
    loss[[149, 219]] = 9, np.nan
    time[179:185] = 5
    run = Run("t/1", "/w/t/1", kind="training", experiment="t", framework="toy", device="X1", device_count=8,
              started_at=0)  # fmt: skip
    events = [
        Event("t/1", "warning", "w", 90), Event("t/1", "checkpoint", "saved", 205, None, 100),
        Event("t/1", "checkpoint", "saved", 306, 200 * SECOND if clock else None),
        Event("t/1", "oom", "OutOfMemory", 500),
    ]  # fmt: skip
    val = points("t/1", [120, 240], {"accuracy": [0.5, 0.75], "loss": [1, 2]}, phase="val", lines=[221, 342])
    val.times = np.array([120, 240]) * SECOND if clock else None
    train = points("t/1", range(1, 301), {"loss": loss, "step_time": time}, clock=clock)
    store.commit([Source("/w/t/1/x.log").replace(run, train, val, *events)])
    later = Run("t/2", "/w/t/2", kind="training", experiment="t", started_at=400 * SECOND, resumed_from=250)
    more = points("t/2", range(251, 301), {"loss": np.ones(50)})
    store.commit([Source("/w/t/2/x.log").replace(later, more)])


@pytest.mark.parametrize("clock", [True, False])
def test_all_that_happened_in_order(store, clock):
    training(store, clock=clock)
    rows = ask(store, pick="t")
    assert [(r["kind"], r["step"], r["source"].rpartition("/")[2]) for r in rows if r["run_id"] == "t/1"] == [
        ("start", None, "x.log"), ("warning", None, "x.log:90"), ("first step", 1, "x.log:101"),
        ("warm-up ends", 11, "x.log:111"), ("checkpoint", 100, "x.log:205"), ("validation", 120, "x.log:221"),
        ("spike", 150, "x.log:250"), ("drop", 180, "x.log:280"), ("checkpoint", None, "x.log:306"),
        ("not finite", 220, "x.log:320"), ("validation", 240, "x.log:342"), ("last step", 300, "x.log:400"),
        ("oom", None, "x.log:500"),
    ]  # fmt: skip
    second = [r for r in rows if r["run_id"] == "t/2"]
    assert [r["kind"] for r in second] == ["start", "restart", "first step", "last step"]
    assert second[1]["message"] == "continues t/1, 50 steps done again; why: out of memory"
    said = {r["kind"]: r["message"] for r in rows}
    assert said["drop"] == "to 20% of the median speed until step 185: not known, 24 s lost"
    assert said["spike"] == "loss 9, 4.5 times the usual; back after 1 steps"
    assert said["not finite"] == "loss NaN, 1 values; back after 1 steps"
    assert said["validation"] == "accuracy 0.75, loss 2"
    assert rows[0]["message"] == "toy, 8 × X1"
    times = [r["time"] for r in rows if r["run_id"] == "t/1" and r["time"] is not None]
    assert times == sorted(times)
    assert len(times) == (9 if clock else 1)


def test_one_kind(store):
    training(store, clock=True)
    assert [r["step"] for r in ask(store, kind="check*")] == [100, None]
    assert {r["run_id"] for r in ask(store, pick="t/1")} == {"t/1", "t/2"}, "a run stands for its experiment"
    put(store, "other", *usual(1, 60))
    assert {r["run_id"] for r in ask(store, pick="other")} == {"other"}


def test_stragglers_are_in_it(store):
    data, work = usual(8, 200)
    data[100:110, 3] += 4
    put(store, "a", data, in_step(data, work))
    (row,) = [r for r in ask(store) if r["kind"] == "straggler"]
    assert row["message"].startswith("one-off: rank 3 waited")
    assert (row["step"], row["source"].startswith("/w/a/rank3.log:")) == (101, True)


def test_lines_of_an_unknown_file_come_last_but_for_the_end():
    anchors = [{"path": "a", "line": 10, "step": 1, "time": None}, {"path": "a", "line": 20, "step": 11, "time": None}]
    rows = [
        {"kind": k, "time": None, "step": s, "path": p, "line": n}
        for k, s, p, n in [("end", None, "a", None), ("error", None, "a", 15), ("x", 5, "b", 1), ("y", 8, "b", 2)]
    ]
    assert [r["kind"] for r in in_order(rows, anchors)] == ["x", "error", "y", "end"]


def test_a_training_of_mmengine_files(tmp_path):
    Training(last=200).write(tmp_path / "toy")
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(tmp_path / "toy")
    answer = db.query("timeline")
    kinds = [row[answer.columns.index("kind")] for row in answer.rows]
    assert kinds == ["start", "first step", "warm-up ends", "last step", "end"]
    assert all(row[answer.columns.index("source")] for row in answer.rows)
