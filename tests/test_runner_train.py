"""`llmstats run train` with small programs: commands, the live line on a pseudo-terminal, ends of all kinds."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import llmstats
from llmstats import formats, judging, recipes, running
from llmstats.errors import InputError, NotFound
from llmstats.parsing import BinaryParser
from llmstats.workloads import runner

from .runnerkit import folder, module, run, told

TRAIN = runner("train")
DEFAULTS = {
    "config": None, "deepspeed": None, "nproc": None, "nnodes": None, "launcher": None, "seed": None, "resume": False,
    "resume_from": None, "resume_option": "--resume", "recipe": None, "param": (), "stop_on": (), "patience": 5.0,
    "quiet": False, "nonfinite_points": 1, "command": [], "name": None,
}  # fmt: skip

#: Says a step every 20 ms as a trainer would, for ever or to a number of steps; SIGINT ends it with a checkpoint.
TRAINER = """
import os, signal, sys, time
last, nan_at = int(sys.argv[1]), int(sys.argv[2])
def end(*_):
    print("saving before the end", flush=True)
    sys.exit(0 if "well" in sys.argv else 7)
signal.signal(signal.SIGINT, end)
step = 0
while step != last:
    step += 1
    loss = float("nan") if step >= nan_at > 0 else 2.0 / step
    print(f"step {step}/1000 loss: {loss:.4f} tokens_per_second: 512.5", flush=True)
    time.sleep(0.02)
sys.exit(int(os.environ.get("ENDS_WITH", 0)))
"""

RECIPE = """
name = "mine/toy"
version = "2026-01-15"
benchmark = "mine"
title = "A toy."
text = "The mean of three values below a threshold."
source = { document = "none", date = "2026-01-15" }
[parameters]
threshold = { default = 0.1, text = "to get below" }
[minimum]
steps = 10
[[criteria]]
name = "loss"
series = "loss"
reading = "smoothed"
points = 3
below = "$threshold"
window = { from_step = 10 }
"""


@pytest.fixture
def trainer(tmp_path):
    path = tmp_path / "trainer.py"
    path.write_text(TRAINER)
    return path


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_text(RECIPE)
    return path


def plan(tmp_path, **given):
    return TRAIN.plan({**DEFAULTS, "work_dir": str(tmp_path / "w"), **given})


def start(tmp_path, *options, command=()):
    return run("train", "--work-dir", tmp_path / "w", *options, "--", *command)


# --------------------------------------------------------------------------- commands


def test_the_command_of_xtuner(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    made = plan(tmp_path, config="internlm2_7b_full_alpaca_e3", deepspeed="deepspeed_zero2", nproc=8, nnodes=2, seed=42)
    work_dir = f"{tmp_path}/w/internlm2_7b_full_alpaca_e3"
    assert made.command == [
        "xtuner", "train", "internlm2_7b_full_alpaca_e3", "--work-dir", work_dir, "--deepspeed", "deepspeed_zero2",
        "--seed", "42",
    ]  # fmt: skip
    assert made.environment == {"PYTHONUNBUFFERED": "1", "NPROC_PER_NODE": "8", "NNODES": "2"}
    assert made.facts["device_count"] == 16
    assert made.facts["seed"] == 42
    more = plan(tmp_path, config="x", launcher="slurm", command=["--cfg-options", "a=1"], name="night")
    assert more.command[3:] == ["--work-dir", f"{tmp_path}/w/night", "--launcher", "slurm", "--cfg-options", "a=1"]
    with pytest.raises(InputError, match="no such configuration"):
        plan(tmp_path, config="configs/none.py")


def test_any_command(tmp_path):
    made = plan(tmp_path, command=["torchrun", "--nproc_per_node=8", "pretrain_gpt.py", "--save", "{work_dir}/ckpt"])
    assert made.name == "pretrain_gpt"
    assert made.command[-1] == f"{tmp_path}/w/pretrain_gpt/ckpt"
    assert made.environment.get("NPROC_PER_NODE") is None
    with pytest.raises(InputError, match="what is to be trained"):
        plan(tmp_path)


def test_a_dry_run_keeps_options_of_the_command_apart(tmp_path):
    result = start(tmp_path, "--dry-run", "--name", "a", command=["python", "x.py", "--name", "b", "--dry-run"])
    assert result.exit_code == 0
    assert "python x.py --name b --dry-run" in result.stdout
    assert result.stdout.startswith("name         a\n")
    assert not (tmp_path / "w").exists()


def test_where_a_resume_goes_on(tmp_path):
    work_dir = tmp_path / "w" / "toy"
    work_dir.mkdir(parents=True)
    given = {"command": ["python", "toy.py"], "resume": True}
    with pytest.raises(InputError, match=r"last_checkpoint: No such file.*holds no checkpoint"):
        plan(tmp_path, **given)
    for step in (700, 1400, 90):
        (work_dir / f"iter_{step}.pth").touch()
    with pytest.raises(InputError, match=r"there are iter_90.pth, iter_700.pth, iter_1400.pth: --resume-from PATH"):
        plan(tmp_path, **given)
    (work_dir / "last_checkpoint").write_text(f"{work_dir}/iter_1400.pth")
    made = plan(tmp_path, **given)
    assert made.command == ["python", "toy.py", "--resume", f"{work_dir}/iter_1400.pth"]
    assert made.facts["config"]["checkpoint_step"] == 1400
    (work_dir / "last_checkpoint").write_text("elsewhere/when/it/ran/iter_700.pth")
    made = plan(tmp_path, **given, resume_option="--load-from")
    assert made.command[2:] == ["--load-from", f"{work_dir}/iter_700.pth"]
    (work_dir / "last_checkpoint").write_text("iter_2100.pth")
    with pytest.raises(InputError, match=r"names iter_2100.pth, which is gone; there are"):
        plan(tmp_path, **given)
    own = plan(
        tmp_path, command=["python", "toy.py", "--work-dir", str(work_dir)], resume_from=f"{work_dir}/x", name="n"
    )
    assert own.command[-2:] == ["--resume", f"{work_dir}/x"]


def test_a_recipe_is_checked_before_anything_starts(tmp_path, recipe):
    command = ["python", "x.py"]
    with pytest.raises(NotFound, match="no recipe named"):
        plan(tmp_path, command=command, recipe="aichip/none")
    with pytest.raises(NotFound, match="no parameter of mine/toy named 'threshhold'; did you mean"):
        plan(tmp_path, command=command, recipe=str(recipe), param=["threshhold=1"])
    with pytest.raises(InputError, match="need --recipe"):
        plan(tmp_path, command=command, stop_on=["reached"])
    assert plan(tmp_path, command=command, recipe=str(recipe), param=["threshold=1"]).judge == (
        str(recipe), {"threshold": "1"},
    )  # fmt: skip


# --------------------------------------------------------------------------- how it ends


def test_a_training_that_ends_well(tmp_path, trainer):
    result = start(tmp_path, command=[sys.executable, trainer, 5, 0])
    assert result.exit_code == 0
    job = folder(result)
    assert job.parent == tmp_path / "w" / "trainer"
    lines = (job / "launched.log").read_text().splitlines()
    assert lines[-1] == "step 5/1000 loss: 0.4000 tokens_per_second: 512.5"
    assert result.stderr.splitlines()[: len(lines)] == lines
    assert told(job)["status"] == "completed"
    assert told(job)["facts"]["live"] == {"read_as": "generic_steps", "step": 5, "loss": 0.4}


def test_the_exit_status_of_a_training_that_fails(tmp_path, trainer, monkeypatch):
    monkeypatch.setenv("ENDS_WITH", "9")
    result = start(tmp_path, "--quiet", command=[sys.executable, trainer, 2, 0])
    assert result.exit_code == 9
    assert told(folder(result))["status"] == "failed"
    assert told(folder(result))["error"] == "exit status 9"
    assert "step 1/1000" not in result.stderr


def test_a_program_that_is_not_there(tmp_path):
    result = start(tmp_path, command=["no-such-trainer"])
    assert result.exit_code == 2
    assert "no-such-trainer is not on the PATH" in result.stderr
    assert "cannot start no-such-trainer" in result.stderr


XTUNER = """\
#!/bin/sh
echo "NPROC_PER_NODE=$NPROC_PER_NODE $*"
echo "2025/02/09 07:49:32 - mmengine - INFO - Iter(train) [  10/96000]  lr: 9.8e-06  eta: 1:00:00  loss: 0.5"
echo "Traceback (most recent call last):"
echo "RuntimeError: NPU out of memory"
exit 0
"""


@pytest.fixture
def xtuner(tmp_path, monkeypatch):
    """Puts a script onto the PATH as ``xtuner``."""

    def put(script):
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "xtuner").write_text(script)
        (tmp_path / "bin" / "xtuner").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")

    return put


def test_a_failure_that_xtuner_hides(tmp_path, xtuner):
    """Its command ends with 0 whatever becomes of the training."""
    xtuner(XTUNER)
    result = run("train", "toy_cfg", "--nproc", 4, "--work-dir", tmp_path / "w", "--deepspeed", "deepspeed_zero2")
    assert result.exit_code == 1
    assert "NPROC_PER_NODE=4 train toy_cfg --work-dir" in result.stderr
    error = told(folder(result))["error"]
    assert error == "xtuner says nothing of it, but the log ends with RuntimeError: NPU out of memory"


FAILING = """\
#!/bin/sh
echo "Traceback (most recent call last):"
echo '  File "xtuner", line 5, in <module>'
echo "ModuleNotFoundError: No module named 'xtuner.tools'"
exit 0
"""


def test_a_failure_that_xtuner_hides_before_its_log_begins(tmp_path, xtuner):
    """No format is recognised: Python's traceback is all that there is."""
    xtuner(FAILING)
    result = run("train", "toy_cfg", "--work-dir", tmp_path / "w")
    assert result.exit_code == 1
    assert told(folder(result))["status"] == "failed"
    assert told(folder(result))["error"].endswith(
        "the log ends with ModuleNotFoundError: No module named 'xtuner.tools'"
    )


TRACEBACK = b'Traceback (most recent call last):\n  File "x.py", line 1\n\nValueError: odd\n'


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        (TRACEBACK, "ValueError: odd"),
        (b"step 1 loss: 1\n" + TRACEBACK + b"bye\nDone: 1\n", "ValueError: odd"),
        (b"".join(b"[rank3]:" + line for line in TRACEBACK.splitlines(True)), "ValueError: odd"),
        (b" 0%|  | 0/9" + TRACEBACK.replace(b"ValueError: odd\n", b""), "Traceback (most recent call last)"),
        (TRACEBACK + b"step 1 loss: 1\n", None),
        (b"Exception ignored in: <function T.__del__ at 0x7f>\n" + TRACEBACK, None),
        (b"ValueError: odd\n", None),
    ],
)
def test_a_traceback_behind_the_last_step_is_trouble_whatever_the_format(said, trouble):
    live = module("_live").Live("/w/launched.log")
    for i in range(0, len(said), 7):
        live.feed(said[i : i + 7])
    live.feed(b"", final=True)
    assert live.trouble == trouble


def test_it_stops_on_a_loss_that_is_no_number(tmp_path, trainer):
    result = start(tmp_path, "--quiet", "--stop-on", "nonfinite", command=[sys.executable, trainer, 1000, 6])
    assert result.exit_code == 1
    job = folder(result)
    assert told(job)["status"] == "stopped"
    assert told(job)["error"] == f"loss is nan at step 6 ({job}/launched.log:6)"
    assert (job / "launched.log").read_text().endswith("saving before the end\n")


def test_a_single_loss_that_is_no_number_may_be_forgiven():
    """As the first iteration of a real Megatron log: nan, and a number ever after."""
    lines = [f"step {i} loss: {'nan' if i in (1, 5, 6, 9, 10, 11) else 1.5}\n".encode() for i in range(1, 13)]
    for points, first in ((1, 1), (2, 5), (3, 9), (4, None)):
        live = module("_live").Live("/w/launched.log", bad_points=points)
        for line in lines:
            live.feed(line)
        assert (live.not_finite and (live.not_finite.step, live.not_finite.line)) == (first and (first, first))


def test_without_being_asked_it_does_not_stop(tmp_path, trainer):
    result = start(tmp_path, "--quiet", command=[sys.executable, trainer, 12, 6])
    assert result.exit_code == 0
    assert told(folder(result))["facts"]["live"]["step"] == 12


def test_it_stops_when_a_recipe_is_reached(tmp_path, trainer, recipe):
    options = ("--quiet", "--recipe", recipe, "--param", "threshold=0.15", "--stop-on", "reached")
    result = start(tmp_path, *options, command=[sys.executable, trainer, 1000, 0])
    assert result.exit_code == 0
    live = told(folder(result))
    assert live["status"] == "stopped"
    # 2/13 + 2/14 + 2/15 is the first sum of three below 0.45
    assert "reached: loss: first mean of 3 points 0.14" in live["error"]
    assert "at step 15" in live["error"]
    assert live["facts"]["live"]["verdict_so_far"].startswith("pass: loss: first mean")
    assert live["facts"]["live"]["recipe"] == "mine/toy@2026-01-15"


def test_a_loss_that_recovered_does_not_make_a_reached_recipe_a_failure(tmp_path, recipe):
    code = (
        "import time\n"
        "for i in range(1, 2000):\n"
        "    print(f'step {i} loss: {float(\"nan\") if i == 1 else 2 / i}', flush=True)\n"
        "    time.sleep(0.02)"
    )
    options = ("--quiet", "--recipe", recipe, "--param", "threshold=0.15", "--stop-on", "reached")
    result = start(tmp_path, *options, command=[sys.executable, "-c", code])
    assert result.exit_code == 0
    assert told(folder(result))["status"] == "stopped"
    assert told(folder(result))["error"].startswith("reached: loss")


@pytest.mark.parametrize(
    ("end", "rule", "code", "status", "error"),
    [
        ("raise RuntimeError('boom')", "reached", 1, "failed", "exit status 1: RuntimeError: boom"),
        ("", "reached", 0, "completed", None),
        ("print('step 31 loss: nan')", "nonfinite", 0, "completed", None),
    ],
)
def test_a_program_that_ended_by_itself_was_not_stopped(tmp_path, monkeypatch, recipe, end, rule, code, status, error):
    """What it printed is heard when it is gone."""
    watch = module("_watch").Watch
    heard = watch.hear
    monkeypatch.setattr(watch, "hear", lambda self, output: (time.sleep(bool(output)), heard(self, output))[1])
    steps = "for i in range(1, 31): print(f'step {i} loss: {2 / i}')\n"
    options = ("--quiet", "--recipe", recipe, "--param", "threshold=0.15", "--stop-on", rule)
    result = start(tmp_path, *options, command=[sys.executable, "-c", steps + end])
    assert result.exit_code == code
    document = told(folder(result))
    assert (document["status"], document["error"]) == (status, error)
    assert "it had ended by itself before it could be stopped: " in document["notes"][-1]


def test_a_log_of_no_known_format_is_ingested_and_judged_too(tmp_path, trainer, recipe):
    options = ["--quiet", "--recipe", recipe, "--ingest", "--db", tmp_path / "x.duckdb"]
    result = start(tmp_path, *options, command=[sys.executable, trainer, 12, 0])
    assert result.exit_code == 1  # the training ended well, the recipe says no
    assert "trainer: fail by mine/toy@2026-01-15" in result.stderr
    job = folder(result)
    assert re.search(rf"  loss: fail; lowest mean .*: not < 0.1 \({job}/launched.log:12\)", result.stderr)
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    (row,) = db.query("SELECT run_id, experiment, kind, status, environment->>'runner' FROM runs").rows
    assert row == (f"trainer/{job.name}", "trainer", "training", "completed", "train")
    passed = start(tmp_path, *options, "--param", "threshold=0.2", command=[sys.executable, trainer, 12, 0])
    assert passed.exit_code == 0
    assert "pass by mine/toy" in passed.stderr


def test_a_recipe_that_is_not_reached_is_said(tmp_path, trainer, recipe):
    result = start(tmp_path, "--quiet", "--recipe", recipe, command=[sys.executable, trainer, 12, 0])
    assert result.exit_code == 0
    assert "so far: fail (loss: lowest mean of 3 points 0.182" in result.stderr
    short = start(tmp_path, "--quiet", "--recipe", recipe, command=[sys.executable, trainer, 8, 0])
    assert "so far: cannot tell (step 8 of 10)" in short.stderr


def test_ctrl_c_reaches_the_program_and_what_was_written_is_marked(tmp_path, trainer):
    words = [sys.executable, "-m", "llmstats", "run", "train", "--work-dir", str(tmp_path / "w"), "--", sys.executable]
    child = subprocess.Popen(
        [*words, str(trainer), "-1", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout
    assert child.stderr
    job = Path(child.stdout.readline().strip())
    while "step 3/" not in child.stderr.readline():
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in err
    assert told(job)["status"] == "interrupted"
    assert told(job)["facts"]["live"]["step"] >= 3
    assert (job / "launched.log").read_text().endswith("saving before the end\n")


# --------------------------------------------------------------------------- the terminal


def on_a_terminal(words, until=None, send=None):
    """Run a command with a pseudo-terminal as standard error; everything it showed, and the exit status."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen([str(w) for w in words], stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    shown, over = b"", time.monotonic() + 120
    while time.monotonic() < over:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                shown += os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
        if send and re.search(until, shown.decode(errors="replace")):
            child.send_signal(send)
            send = None
    try:
        out, _ = child.communicate(timeout=60)
    finally:
        child.kill()
        os.close(ours)
    return shown.decode(), out, child.returncode


def test_the_live_line_on_a_terminal(tmp_path, trainer, recipe):
    words = [sys.executable, "-m", "llmstats", "run", "train", "--recipe", recipe, "--work-dir", tmp_path / "w", "--"]
    four = r"(?s)(?:\r\x1b\[2Kstep \d+/1,000  loss.*){4}"
    shown, out, code = on_a_terminal([*words, sys.executable, trainer, -1, 0], until=four, send=signal.SIGINT)
    assert code == 130
    assert told(Path(out.strip()))["status"] == "interrupted"
    states = [s for s in re.split(r"\r\x1b\[2K", shown) if re.match(r"step [\d,]+/1,000  loss", s)]
    steps = [int(re.match(r"step ([\d,]+)", s)[1].replace(",", "")) for s in states]
    assert steps == sorted(steps)
    assert steps[-1] > steps[0]
    for state in states:
        assert re.match(
            r"step [\d,]+/1,000  loss [\d.]+  512\.5 token/s  eta 0:00:\d\d  so far: (cann|fail|pass)", state
        )
        assert len(state.splitlines()[0]) <= 80  # no wider than the terminal, or it would wrap
    # the program's lines are all there, each on a line of its own
    plain = re.sub(r"\r\x1b\[2K", "\n", shown)
    printed = re.findall(r"(?m)^step (\d+)/1000 loss: [\d.]+ tokens_per_second: 512\.5\r?$", plain)
    assert [int(n) for n in printed] == list(range(1, len(printed) + 1))
    assert len(printed) >= steps[-1]


def test_the_step_is_that_of_the_last_line_whatever_its_shape():
    """Records with other keys are other frames of the same stretch of output."""
    live = module("_live").Live("/w/launched.log")
    live.feed(b"".join(f"step {i} loss: {i / 2}{' lr: 0.1' * (i % 3 == 1)}\n".encode() for i in range(1, 11)))
    assert (live.step, live.last("loss")) == (10, 5.0)


@pytest.mark.parametrize(
    ("line", "total"),
    [
        (b"2025/02/09 07:49:32 - mmengine - INFO - Iter(train) [   10/96000]  lr: 1e-05  loss: 0.5\n", 96000),
        (b"2025/02/09 07:49:32 - mmengine - INFO - Epoch(train)   [1][  10/120]  lr: 1e-05  loss: 0.5\n", None),
        (b"step 10/400 loss=0.5\n", 400),
        (b"step 10 loss=0.5 seen 110/4000\n", None),
    ],
)
def test_how_many_steps_there_will_be(line, total):
    live = module("_live").Live("/w/launched.log")
    live.feed(line)
    assert (live.step, live.total) == (10, total)


def test_where_standard_error_is_no_terminal_there_is_no_live_line(tmp_path, trainer):
    result = start(tmp_path, command=[sys.executable, trainer, 3, 0])
    assert "\r" not in result.stderr
    assert "\x1b" not in result.stderr


def test_a_terminal_is_not_steered_by_what_a_program_prints():
    live = module("_live").Live("/w/x/launched.log")
    said = b"\x1b]0;title\x07\x1b[2Jplain \x1b[31mred\x1b[0m \x07bell \xc2\x9b31m\n10%\r50%\r100%\nlast"
    assert live.feed(said) == ["plain red �bell �31m", "100%"]
    assert live.feed(b"", final=True) == ["last"]


# --------------------------------------------------------------------------- what the live reading sees


def _samples():
    for parser in formats.parsers():
        for i, sample in enumerate(parser.samples):
            losses = {s: v for (phase, metric, s), v in sample.points.items() if (phase, metric) == ("train", "loss")}
            losses.pop(None, None)
            if losses and not isinstance(parser, BinaryParser) and not parser.documents:
                yield pytest.param(parser, sample, losses, id=f"{parser.name}-{i}")


@pytest.mark.parametrize(("parser", "sample", "losses"), list(_samples()))
def test_losses_are_those_of_the_ingest_whatever_the_format(parser, sample, losses):
    """Every sample of every text format with a loss per step, fed in small pieces."""
    live = module("_live").Live(f"/w/{sample.path}")
    raw = sample.raw
    for at in range(0, len(raw), 61):
        live.feed(raw[at : at + 61])
    live.feed(b"", final=True)
    assert live.format == parser.name
    series = [s for s in live.series.values() if (s.phase, s.metric) == ("train", "loss")]
    found = {(step, repr(value)) for s in series for step, value in zip(s.steps, s.values, strict=True)}
    assert found >= {(step, repr(float(value))) for step, value in losses.items()}


def test_the_verdict_so_far_is_the_judges(tmp_path, recipe):
    """The same numbers through `llmstats judge`, and step by step by a plain loop."""
    live_module, so_far = module("_live"), module("_so_far").so_far
    rule = recipes.load(str(recipe))
    live, seen = live_module.Live(str(tmp_path / "launched.log")), []
    for step in range(1, 31):
        seen.append(round(2.0 / step, 4))
        live.feed(f"step {step} loss: {seen[-1]:.4f}\n".encode())
        verdict = so_far(rule, live, "x").verdict
        means = [sum(seen[i - 3 : i]) / 3 for i in range(10, step + 1)]
        below = any(mean + 0.00005 < 0.1 for mean in means)
        assert verdict == (judging.PASS if below else judging.CANNOT_TELL if step < 10 else judging.FAIL)
    (tmp_path / "steps.txt").write_text("".join(f"step {i} loss: {v:.4f}\n" for i, v in enumerate(seen, 1)))
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(str(tmp_path / "steps.txt"), fallback="generic_steps")
    assert db.judge(str(recipe)).verdict == so_far(rule, live, "x").verdict == "pass"


def test_hours_are_counted_by_the_log_s_own_clock(tmp_path):
    path = tmp_path / "hours.toml"
    path.write_text(RECIPE.replace("steps = 10", "hours = 1.5").replace("window = { from_step = 10 }", ""))
    rule = recipes.load(str(path))
    live, said = module("_live").Live("/w/launched.log"), []
    for i in range(10):
        live.feed(f"2025-03-01 {8 + i // 4:02d}:{15 * (i % 4):02d}:00 step {i + 1} loss: 0.05\n".encode())
        said.append(module("_so_far").so_far(rule, live, "x"))
    assert [s.verdict for s in said] == ["cannot tell"] * 6 + ["pass"] * 4
    assert said[5].reason == "1.25 of 1.5 hours"


def test_run_json_covers_the_directories_that_a_program_made(tmp_path):
    made = tmp_path / "w" / "toy" / "20250209_031507"
    code = f"import os; os.makedirs({str(made)!r}); print('step 1 loss: 2.0')"
    result = start(tmp_path, "--name", "toy", command=[sys.executable, "-c", code])
    assert result.exit_code == 0
    assert json.loads((folder(result) / "run.json").read_text())["logs"] == ["../20250209_031507"]


def test_a_start_in_the_same_second_is_another_start(tmp_path):
    work = tmp_path / "w" / "toy"
    names = ("20250209_031507", "20250209_031507_2", "20250209_031508")
    code = f"import os; [os.makedirs({str(work)!r} + '/' + name) for name in {names}]"
    result = start(tmp_path, "--name", "toy", command=[sys.executable, "-c", code])
    assert told(folder(result))["logs"] == ["../20250209_031507"]


def test_another_start_of_the_same_work_is_not_covered(tmp_path):
    """Nor what is made after it; its own run.json says how it ended, whatever an older one claims."""
    work = tmp_path / "w" / "toy"
    fails = [sys.executable, "-c", "import sys; print('step 1 loss: 3.0'); sys.exit(7)"]
    other = [sys.executable, "-m", "llmstats", "run", "train", "--work-dir", str(tmp_path / "w"), "--name", "toy", "--"]
    code = (
        "import os, subprocess\n"
        "print('step 1 loss: 2.0', flush=True)\n"
        f"os.makedirs('{work}/20250209_031507')\n"
        f"subprocess.run({[*other, *fails]})\n"
        f"os.makedirs('{work}/29990101_000000')\n"
    )
    result = start(tmp_path, "--name", "toy", command=[sys.executable, "-c", code])
    first = folder(result)
    (second,) = [path.parent for path in work.glob("*/run.json") if path.parent != first]
    assert told(first)["logs"] == ["../20250209_031507"]
    claims = told(first) | {"logs": [f"../{second.name}"]}  # as a start may that looked in the wrong moment
    (first / "run.json").write_text(json.dumps(claims, indent=2))
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(str(work), fallback="generic_steps")
    rows = db.query("SELECT run_id, status, environment->>'exit_code' FROM runs ORDER BY run_id").rows
    assert rows == sorted([(f"toy/{first.name}", "completed", "0"), (f"toy/{second.name}", "failed", "7")])


# --------------------------------------------------------------------------- what goes away under way


def full_disk(monkeypatch, named="run.json", after=1):
    """From now on nothing fits below these names, but for so many first writes."""
    written = []
    real = running.replace

    def replace(path, text):
        written.append(path)
        if path.endswith(named) and len(written) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, text)

    monkeypatch.setattr(running, "replace", replace)


def test_a_training_outlives_a_full_disk(tmp_path, trainer, monkeypatch):
    """Neither what is noted on the way nor a broken reading ends it; that its end cannot be written is said."""
    full_disk(monkeypatch)
    monkeypatch.setattr(module("_live").Live, "feed", lambda *_, **__: 1 / 0)
    result = start(tmp_path, "--name", "toy", command=[sys.executable, trainer, 20, 0])
    assert result.exit_code == 2
    job = folder(result)
    assert "step 20/1000" in (job / "launched.log").read_text()
    assert "the live reading ended (ZeroDivisionError" in result.stderr
    told_last = result.stderr.splitlines()[-1]
    assert told_last == (
        f"llmstats: completed, but cannot write {job}/run.json: No space left on device; it still says 'running'"
    )
    assert "Traceback" not in result.output


def test_a_full_disk_does_not_hide_the_directories_that_a_program_made(tmp_path, monkeypatch):
    made = tmp_path / "w" / "toy" / "20250209_031507"
    full_disk(monkeypatch, after=1)
    room = running.Job.finish
    monkeypatch.setattr(running.Job, "finish", lambda *a, **k: (monkeypatch.undo(), room(*a, **k)))
    code = f"import os; os.makedirs({str(made)!r}); print('step 1 loss: 2.0')"
    result = start(tmp_path, "--name", "toy", command=[sys.executable, "-c", code])
    assert result.exit_code == 0
    assert told(folder(result))["logs"] == ["../20250209_031507"]


def test_a_reader_that_left_changes_nothing(tmp_path, trainer):
    """Standard error closed at its other end, or from the beginning."""
    begin = f"{sys.executable} -m llmstats run train --work-dir {tmp_path}/w"
    command = f"-- {sys.executable} {trainer} 5 0"
    for shell in (f"{begin} {command} 2> >(true)", f"{begin} {command} 2>&-", f"{begin} --quiet {command} 2>&1 | true"):
        done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], check=False, capture_output=True, text=True)
        assert done.returncode == 0, shell
    documents = [told(path.parent) for path in tmp_path.glob("w/trainer/*/run.json")]
    assert [(d["status"], d["facts"]["live"]["step"]) for d in documents] == [("completed", 5)] * 3
