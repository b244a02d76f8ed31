"""The examples are what their composer composes, small, and in themselves consistent."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
WORK_DIRS = EXAMPLES / "work_dirs"
LOGS = sorted(WORK_DIRS.glob("*/*/2*/2*.log"))

_LINE = re.compile(r"Iter\(train\) \[ *(\d+)/3000\].*?  loss: (\S+)  tflops: (\S+)  tokens_per_sec: (\S+)$")


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def records(log):
    return [json.loads(line) for line in (log.parent / "vis_data" / "scalars.json").read_text().splitlines()]


def test_the_committed_set_is_what_the_composer_composes(tmp_path):
    command = [sys.executable, "-B", str(EXAMPLES / "compose.py"), str(tmp_path / "again")]
    subprocess.run(command, check=True, cwd=tmp_path)
    assert contents(tmp_path / "again") == contents(WORK_DIRS)


def test_the_set_is_small():
    assert sum(len(raw) for raw in contents(WORK_DIRS).values()) < 1_500_000


def test_there_are_three_starts_of_two_trainings():
    assert len(LOGS) == 3


@pytest.mark.parametrize("log", LOGS, ids=[log.stem for log in LOGS])
def test_the_text_is_the_json_rounded(log):
    found = [_LINE.search(line) for line in log.read_text().splitlines() if "Iter(train)" in line]
    expected = [(r["step"], r["loss"], r["tflops"], r["tokens_per_sec"]) for r in records(log)]
    assert [m.groups() for m in found] == [(str(step), *(f"{v:.4f}" for v in rest)) for step, *rest in expected]


@pytest.mark.parametrize("log", LOGS, ids=[log.stem for log in LOGS])
def test_both_json_files_are_equal(log):
    vis_data = log.parent / "vis_data"
    assert (vis_data / "scalars.json").read_bytes() == (vis_data / f"{log.stem}.json").read_bytes()


def test_the_clock_is_the_sum_of_the_steps():
    """Ten iterations lie between two lines, and the window is as long."""
    log = LOGS[0]
    lines = [line for line in log.read_text().splitlines() if "Iter(train)" in line]
    seconds = [int(h) * 3600 + int(m) * 60 + int(s) for h, m, s in (line[11:19].split(":") for line in lines)]
    times = [r["time"] for r in records(log)]
    for before, after, time in zip(seconds, seconds[1:], times[1:], strict=False):
        assert abs((after - before) % 86400 - 10 * time) <= 1.0


def test_one_training_has_a_nan_and_no_memory():
    ascend = next(log for log in LOGS if "910b" in str(log))
    assert [r["step"] for r in records(ascend) if math.isnan(r["loss"])] == [1740]
    assert all("memory" not in r for r in records(ascend))
    assert "GPU 0" not in ascend.read_text()
