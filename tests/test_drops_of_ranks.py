"""Drops of runs of many ranks: all that XTuner's own log analyzer says of a log, said again on logs it cannot read.

`analyzed` computes by plain loops what that tool documents: per step the median rate over ranks, a baseline, drops
below 0.7 of it, `data` where the longest wait is beyond 1 s and ten usual waits, the top ranks, and rows of neighbours.
"""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llmstats

from .rank_times import in_step, usual, xtuner_tree


def analyzed(folder: Path) -> dict[int, tuple[str, list[int]]]:
    """Cause and top ranks of each slow step of a directory of rank files; the last of repeated steps counts."""
    steps: dict[int, dict[int, dict[str, float]]] = defaultdict(dict)
    for file in sorted(folder.rglob("rank*.log")):
        rank = int(re.search(r"rank(\d+)", file.name)[1])
        for line in file.read_text().splitlines():
            if at := re.search(r"Step (\d+)/", line):
                fields = re.findall(r"\b(data_time|tgs|efficient_attn_ratio): +(nan|inf|[\d.]+)", line)
                steps[int(at[1])][rank] = {k: float(v) for k, v in fields}
    rates = {s: statistics.median(r["tgs"] for r in by_rank.values()) for s, by_rank in steps.items()}
    baseline = statistics.median(rate for s, rate in rates.items() if s > 1)
    waits = [statistics.median(r["data_time"] for r in by_rank.values()) for by_rank in steps.values()]
    found = {}
    for step in sorted(steps):
        if step > 1 and rates[step] < 0.7 * baseline:
            by_rank = steps[step]
            bound = max(r["data_time"] for r in by_rank.values()) > max(1.0, 10 * statistics.median(waits))
            key = "data_time" if bound else "efficient_attn_ratio"
            top = sorted(by_rank, key=lambda r: -by_rank[r][key])[:10]
            found[step] = "data wait" if bound else "compute", top
    return found


def slow_run() -> dict[str, np.ndarray]:
    """16 ranks, 300 steps: two late loaders, long sequences on the ranks 4 to 7, slow steps of all."""
    data, work = usual(16, 300)
    attention = np.full(data.shape, 0.1) + 0.001 * np.arange(16)
    data[60:65, [3, 9]] += [8.0, 7.0]
    work[120:124, 4:8] += 2
    attention[120:124, 4:8] = 0.7
    work[200:206] += 1.5
    data[250] += 4
    return {"data": data, "time": in_step(data, work), "attention": attention}


def drops(db: llmstats.Database, **given: Any) -> list[dict[str, Any]]:
    answer = db.query("drops", **given)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


@pytest.mark.parametrize("form", [{"new": False, "image": True}, {"image": True}, {}])
def test_every_drop_of_the_analyzer_is_one_of_ours(tmp_path, form):
    """On the form that it reads (old keys, images), on that of the trainer since July 2026, and on text alone."""
    tree = xtuner_tree(tmp_path / "w", **slow_run(), **form)
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(tree)
    rows, theirs = drops(db), analyzed(tree)
    ours = {step: row for row in rows for step in range(row["first_step"], row["last_step"] + 1)}
    assert set(theirs) == {*range(61, 66), *range(121, 125), *range(201, 207)}
    assert {s: cause for s, (cause, _) in theirs.items()} == {s: ours[s]["cause"] for s in theirs}
    assert set(ours) - set(theirs) == {251}, "its rate leaves data waits out: where all wait together it sees nothing"
    assert set(theirs[63][1][:2]) == set(ours[63]["ranks"]) == {3, 9}
    assert set(theirs[122][1][:4]) == set(ours[122]["heavy_ranks"]) == {4, 5, 6, 7}


def test_what_a_drop_says_of_its_ranks(tmp_path):
    run = slow_run()
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(xtuner_tree(tmp_path / "w", **run))
    data, compute, *_ = drops(db)
    wait = run["data"][60:65].mean(axis=0)
    assert (data["data_max"], data["data_median"]) == pytest.approx((wait.max(), np.median(wait)), abs=1e-4)
    assert (data["groups"], data["heavy_ranks"], data["attention_max"]) == ("3, 9", None, None)
    step = run["data"] + run["time"]
    usual_speed = np.median(4096 / step[10:].max(axis=1))
    speeds = 4096 * 5 / step[60:65].sum(axis=0) / usual_speed
    assert (data["speed_min"], data["speed_median"]) == pytest.approx((speeds.min(), np.median(speeds)), rel=1e-3)
    assert (compute["attention_max"], compute["attention_median"]) == pytest.approx((0.7, 0.108), abs=0.005)
    assert compute["heavy_ranks"] == [4, 5, 6, 7]


def test_neighbours_are_drawn_together(tmp_path):
    data, work = usual(16, 100)
    data[50:53, [2, 8, 9, 10, 11, 15]] += 6
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(xtuner_tree(tmp_path / "w", data, in_step(data, work)))
    (row,) = drops(db)
    assert row["groups"] == "2, 8–11, 15"


def test_numbers_that_are_none_do_not_hide_a_line(tmp_path):
    """A NaN loss or an infinite norm makes the analyzer's pattern miss the line, and with it the drop."""
    tree = xtuner_tree(tmp_path / "w", **slow_run(), loss=float("nan"), norm=float("inf"))
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(tree)
    assert [(r["first_step"], r["cause"]) for r in drops(db)] == [
        (61, "data wait"), (121, "compute"), (201, "compute"), (251, "data wait"),
    ]  # fmt: skip
    counted = db.query("non_finite", series="loss").df()
    assert set(counted["not_finite"]) == {300}


def test_a_resume_is_no_overwriting(tmp_path):
    """Steps that were done again stay in the attempt that did them first; nothing is lost silently."""
    run = slow_run()
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(xtuner_tree(tmp_path / "w", **run, resume_at=110))
    found = [(r["run_id"].rpartition("#")[2], r["first_step"]) for r in drops(db)]
    assert found == [("toy/20260821100000", 61), ("toy/20260821100000", 121), ("2", 121), ("2", 201), ("2", 251)]
    (restart,) = db.query("restarts").df().to_dict("records")
    assert (restart["kept_step"], restart["redone_steps"]) == (110, 40)
