"""What samples cannot say of mmengine's and mmcv 1's formats: several files of one run, ranks, clocks, rules."""

from __future__ import annotations

import itertools
import json
import os
import re
from typing import Any

import numpy as np
import pytest

import llmstats
from llmstats import formats
from llmstats.parsing import Parser
from llmstats.records import Issue, Points, Run
from llmstats.training import microseconds

from . import parserkit
from .composed import Training

TEXT, SCALARS = formats.parser("mmengine_log"), formats.parser("mmengine_scalars")
MMCV_TEXT, MMCV_JSON = formats.parser("mmcv1_log"), formats.parser("mmcv1_log_json")


def read(parser: Parser, path: str, text: str) -> parserkit.Outcome:
    return parserkit.read(parser, path, text.encode())


def keys(outcome: parserkit.Outcome) -> dict[tuple[str, str, int | None], float]:
    return {(p.phase, p.metric, p.step): p.value for p in outcome.points}


def only_run(outcome: parserkit.Outcome) -> Run:
    (run,) = outcome.runs.values()
    return run


# --------------------------------------------------------------------------- mmengine: text and JSON of one run

RECORDS = [
    ({"lr": 1.23456e-05, "data_time": 0.004449, "loss": 0.00131, "time": 1.61764, "memory": 5404, "step": 10}, "train"),
    ({"lr": 1.2e-05, "data_time": 0.0044, "loss": 0.001249, "time": 1.6, "memory": 5405, "step": 20}, "train"),
    ({"acc": 0.8765432, "data_time": 0.0101, "time": 0.0202, "step": 0}, "val"),
    ({"lr": 1.1e-05, "data_time": 0.0043, "loss": float("nan"), "time": 1.5, "memory": 5405, "step": 30}, "train"),
]


def as_json() -> str:
    return "".join(json.dumps(row) + "\n" for row, _ in RECORDS)


def as_text() -> str:
    lines = []
    for n, (row, phase) in enumerate(RECORDS):
        front = f"2025/02/09 07:49:{n:02} - mmengine - INFO - "
        tail = f"data_time: {row['data_time']:.4f}  time: {row['time']:.4f}"
        if phase == "val":
            lines.append(f"{front}Iter(val) [5/5]    acc: {row['acc']:.4f}  {tail}")
        else:
            head = f"Iter(train) [{row['step']}/90]  lr: {row['lr']:.4e}  eta: 0:01:00  "
            tail = f"time: {row['time']:.4f}  data_time: {row['data_time']:.4f}  "
            lines.append(f"{front}{head}{tail}memory: {row['memory']}  loss: {row['loss']:.4f}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", ["scalars.json", "20250209_031500.json"])
def test_text_and_json_are_one_run_with_the_same_points(name: str) -> None:
    text = read(TEXT, "toy/20250209_031500/20250209_031500.log", as_text())
    lines = read(SCALARS, f"toy/20250209_031500/vis_data/{name}", as_json())
    for fact in ("name", "root", "experiment", "kind", "framework"):
        assert getattr(only_run(text), fact) == getattr(only_run(lines), fact)
    coarse, fine = keys(text), keys(lines)
    assert {key for key in coarse if key[1] != "eta"} == set(fine)
    assert all(np.isclose(coarse[key], value, rtol=1e-3, atol=5e-5, equal_nan=True) for key, value in fine.items())
    assert {column.precision for item in lines.of(Points) for column in item.values.values()} == {"full"}


def test_outside_the_usual_layout_the_first_record_tells() -> None:
    text = only_run(read(TEXT, "training_logs/20230525_103041.log", as_text()))
    lines = only_run(read(SCALARS, "training_logs/vis_data/20230525_103041.json", as_json()))
    assert text.name != lines.name
    assert text.fingerprint == lines.fingerprint
    assert text.fingerprint
    assert text.root == lines.root == "/data/logs/training_logs"


def test_in_the_usual_layout_it_tells_of_a_console_that_was_kept_further_up() -> None:
    own = only_run(read(TEXT, "toy/20250209_031500/20250209_031500.log", as_text()))
    lines = only_run(read(SCALARS, "toy/20250209_031500/vis_data/scalars.json", as_json()))
    piped = only_run(read(TEXT, "toy/stdout.txt", as_text()))
    launched = only_run(read(TEXT, "toy/20250209_031455/launched.log", as_text()))
    assert own.fingerprint == lines.fingerprint == piped.fingerprint == launched.fingerprint
    assert own.root.startswith(f"{piped.root}/")
    assert piped.root == launched.root == f"{parserkit.ROOT}/toy"


@pytest.mark.parametrize(
    ("path", "name", "root", "experiment"),
    [
        ("toy/20250209_031500/20250209_031500.log", "toy/20250209_031500", "toy/20250209_031500", "toy"),
        ("toy/20250209_031500/x/nohup.out", "x/nohup", "toy/20250209_031500/x", "x/nohup"),
        ("a.tar.gz!/toy/20250209_031500/t.log", "toy/20250209_031500", "a.tar.gz!/toy/20250209_031500", "toy"),
        ("toy/20250209_031500/t.log.gz", "toy/20250209_031500", "toy/20250209_031500", "toy"),
        ("logs/t_bob@h-1_device3_rank11.log", "logs/t", "logs", "logs/t"),
        ("logs/t_rank1.log", "logs/t", "logs", "logs/t"),
    ],
)
def test_identity(path: str, name: str, root: str, experiment: str) -> None:
    run = only_run(read(TEXT, path, as_text()))
    assert (run.name, run.root, run.experiment) == (name, f"{parserkit.ROOT}/{root}", experiment)


@pytest.mark.parametrize(
    ("path", "front", "rank"),
    [
        ("toy/20250209_031500/20250209_031500_rank3.log", "", 3),
        ("toy/20250209_031500/20250209_031500_bob@h-1_device3_rank11.log", "", 11),
        ("toy/20250209_031500/20250209_031500_bob@h-1_device3_rank11.log", "12: ", 12),
        ("toy/20250209_031500/console.log", "[default7]:", 7),
        ("toy/20250209_031500/console.log", "", None),
    ],
)
def test_ranks(path: str, front: str, rank: int | None) -> None:
    text = "".join(front + line + "\n" for line in as_text().splitlines())
    assert {p.rank for p in read(TEXT, path, text).points} == {rank}


def test_console_clocks_get_their_year_whatever_the_order_of_frames() -> None:
    text = (
        "12/31 23:59:59 - mmengine - INFO - Iter(train) [1/9]  lr: 1.0e-05  loss: 1.0\n"
        "12/31 23:59:59 - mmengine - INFO - Iter(val) [1/9]  acc: 1.0\n"
        "01/01 00:00:01 - mmengine - WARNING - slow\n"
        "01/01 00:00:02 - mmengine - INFO - Iter(train) [2/9]  lr: 1.0e-05  loss: 1.0\n"
        "01/01 00:00:03 - mmengine - INFO - Iter(val) [1/9]  acc: 1.0\n"
    )
    outcome = read(TEXT, "toy/20241231_220000/console.log", text)
    moments = ("2024-12-31 23:59:59", "2024-12-31 23:59:59", "2025-01-01 00:00:02", "2025-01-01 00:00:03")
    assert sorted({p.line: p.time for p in outcome.points}.items()) == [
        (line, microseconds(moment)) for line, moment in zip((1, 2, 4, 5), moments, strict=True)
    ]
    assert outcome.events[0].time == microseconds("2025-01-01 00:00:01")
    assert only_run(outcome).ended_at == microseconds("2025-01-01 00:00:03")


def test_error_line_without_its_three_more_fields() -> None:
    text = "2025/02/09 07:51:20 - mmengine - ERROR - /opt/x/runner.py - run_iter - 128 - worker 3 - is gone\n"
    (event,) = read(TEXT, "a/b.log", text).events
    assert (event.kind, event.message, event.level) == ("error", "worker 3 - is gone", "ERROR")


def test_checkpoints_tell_their_iteration() -> None:
    text = "".join(
        f"2025/02/09 07:51:2{n} - mmengine - INFO - {message}\n"
        for n, message in enumerate(("Saving checkpoint at 500 iterations", "Saving checkpoint at 2 epochs"))
    )
    assert [(e.kind, e.step) for e in read(TEXT, "a/b.log", text).events] == [("checkpoint", 500), ("checkpoint", None)]


def test_table_of_an_evaluation_begins_no_run() -> None:
    line = "2025/02/09 07:49:{} - mmengine - INFO - "
    text = (
        line.format("00") + "Iter(train) [10/90]  lr: 1.0e-05  loss: 1.0\n"
        + line.format("01") + "\n+-------+------+\n| class | IoU  |\n+-------+------+\n"
        + line.format("02") + "Iter(train) [20/90]  lr: 1.0e-05  loss: 0.5\n"
    )  # fmt: skip
    assert list(read(TEXT, "a/b.log", text).runs) == ["a/b"]


# --------------------------------------------------------------------------- mmcv 1


def mmcv_text(stem: str) -> parserkit.Outcome:
    text = "".join(
        f"2021-05-04 16:4{n}:49,447 - mmdet - INFO - Epoch [1][{i}/120]\tlr: 2.000e-02, eta: 0:10:00, "
        f"time: {time:.3f}, data_time: 0.206, memory: 8623, loss: 0.6945\n"
        for n, (i, time) in enumerate([(50, 0.63452), (100, 0.52599)])
    )
    return read(MMCV_TEXT, f"work_dirs/det/{stem}.log", text)


def mmcv_record(epoch: int, inner: int, mode: str = "train", time: float = 0.63452) -> dict[str, Any]:
    more = {"memory": 8623, "data_time": 0.20633, "loss": 0.69449, "time": time} if mode == "train" else {"mAP": 0.25}
    return {"mode": mode, "epoch": epoch, "iter": inner, "lr": 0.02, **more}


def mmcv_json(*rows: dict[str, Any], stem: str = "20210504_163948") -> parserkit.Outcome:
    return read(MMCV_JSON, f"work_dirs/det/{stem}.log.json", "".join(json.dumps(row) + "\n" for row in rows))


def test_equal_stems_are_one_run() -> None:
    text = mmcv_text("20210504_163948")
    lines = mmcv_json(mmcv_record(1, 50), mmcv_record(1, 100, time=0.52599))
    for fact in ("name", "root", "experiment", "fingerprint", "framework"):
        assert getattr(only_run(text), fact) == getattr(only_run(lines), fact)
    assert {key for key in keys(text) if key[1] != "eta"} == set(keys(lines))
    assert {column.precision for item in lines.of(Points) for column in item.values.values()} == {"5"}


def test_stems_some_seconds_apart_share_a_fingerprint() -> None:
    text = only_run(mmcv_text("20210504_163948"))
    lines = only_run(mmcv_json(mmcv_record(1, 50), mmcv_record(1, 100, time=0.52599), stem="20210504_163951"))
    assert text.name != lines.name
    assert (text.fingerprint, text.root) == (lines.fingerprint, lines.root)
    assert text.fingerprint


def test_one_record_is_no_fingerprint() -> None:
    assert only_run(mmcv_json(mmcv_record(1, 50))).fingerprint is None


def meta(version: str = "", config: str = "total_epochs = 12\n") -> dict[str, Any]:
    info = f"CUDA available: True\nMMCV: {version}" if version else "CUDA available: True"
    return {"env_info": info, "config": config, "exp_name": "det.py"}


def train(epoch: int, inner: int) -> dict[str, Any]:
    return mmcv_record(epoch, inner)


def val(epoch: int, inner: int) -> dict[str, Any]:
    return mmcv_record(epoch, inner, "val")


EVERY = "log_config = dict(interval=1,\ntotal_epochs = 2\n"
BY_ITERATION = "runner = dict(type='IterBasedRunner')\n"


@pytest.mark.parametrize(
    ("rows", "steps"),
    [
        pytest.param([meta("1.1.5"), train(1, 50), val(1, 60), train(2, 50)], [50, 110], id="validation"),
        pytest.param([train(1, 50), val(1, 60), train(2, 50)], [50, 110], id="validation, no facts"),
        pytest.param([meta("1.3.5"), train(1, 50), val(1, 60), train(2, 50)], [50, None], id="validation set"),
        pytest.param([meta("1.1.5"), train(1, 50), val(1, 500), train(2, 50)], [50, None], id="too far"),
        pytest.param(
            [meta("1.1.5"), train(1, 50), val(1, 60), train(2, 50), val(2, 70)], [50, None], id="validations disagree"
        ),
        pytest.param([meta("1.7.0"), train(1, 50), train(1, 67), train(2, 50)], [50, 67, 117], id="remainder"),
        pytest.param([meta("1.7.0", EVERY), train(1, 1), train(1, 2), train(2, 1)], [1, 2, 3], id="every iteration"),
        pytest.param([meta("1.7.0"), train(2, 50), train(2, 100)], [None, None], id="resumed, nothing proves"),
        pytest.param([train(2, 50), train(2, 100)], [None, None], id="one epoch, not the first"),
        pytest.param([train(1, 50), train(2, 100), train(2, 150)], [50, 100, 150], id="grows through"),
        pytest.param([meta("1.7.0", BY_ITERATION), train(7, 50), train(7, 100)], [50, 100], id="by iteration"),
    ],
)
def test_epoch_length(rows: list[dict[str, Any]], steps: list[int | None]) -> None:
    outcome = mmcv_json(*rows)
    losses = sorted((p.line, p.step) for p in outcome.points if p.metric == "loss")
    assert [step for _, step in losses] == steps
    remarks = [issue for issue in outcome.of(Issue) if not issue.suspect]
    assert len(remarks) == (None in steps)
    assert len(outcome.runs) == 1


def test_epochs_are_kept_where_steps_are_not_known() -> None:
    outcome = mmcv_json(meta("1.7.0"), mmcv_record(1, 50), mmcv_record(2, 50), mmcv_record(2, 60, "val"))
    assert {(p.epoch, p.step) for p in outcome.points} == {(1, 50), (2, None)}
    assert {p.value for p in outcome.points if p.raw_name == "iter"} == {50.0}


def test_one_gpu_id_says_nothing_about_the_number_of_devices() -> None:
    """Early mmdetection wrote ``range(0, 1)`` for any number of processes."""
    assert only_run(mmcv_json(meta(config="gpu_ids = range(0, 1)\n"), mmcv_record(1, 50))).device_count is None
    assert only_run(mmcv_json(meta(config="gpu_ids = range(0, 8)\n"), mmcv_record(1, 50))).device_count == 8


@pytest.mark.parametrize("order", list(itertools.permutations(["launched", "console", "text", "json"])))
def test_a_kept_console_is_the_run_whose_first_record_it_holds(tmp_path, order):
    """A launcher's copy of the console, one that was piped into the work_dir, and mmengine's own files: one run."""
    training = Training(last=30)
    work_dir = tmp_path / "w" / "toy"
    own = training.paths(work_dir)
    console = re.sub(r"(?m)^\d{4}/(\d\d/\d\d \d\d:\d\d:\d\d - mmengine)", r"\1", "".join(training.text_lines()))
    places = {
        "launched": (work_dir / "20250209_031455" / "launched.log", console),
        "console": (work_dir / "stdout.txt", console),
        "text": (own["text"], "".join(training.text_lines())),
        "json": (own["json"], "".join(training.json_lines())),
    }
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    for kind in order:
        path, text = places[kind]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (training.start.timestamp() + 60,) * 2)
        db.ingest(str(path))
    assert db.query("SELECT run_id, experiment, attempt FROM runs").rows == [("toy/20250209_031500", "toy", 1)]
    rows = db.query("SELECT step, value FROM points WHERE metric = 'loss' ORDER BY step").rows
    assert rows == [(r["step"], r["loss"]) for r in training.records]
