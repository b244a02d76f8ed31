"""Launching a program: real processes, real signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from llmstats.errors import InputError
from llmstats.running import Job, Plan

from .runnerkit import module

launch = module("_launch").launch

SAYS = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, lambda *a: print("asked to end", flush=True))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("child", child.pid, flush=True)
while True: time.sleep(0.1)
"""


@pytest.fixture
def job(tmp_path):
    return Job.start(Plan("toy"), str(tmp_path), runner="toy", environment={})


def start(job, code, **more):
    return launch(Plan("toy", command=[sys.executable, "-c", code], **more), job)


def log(job):
    return Path(job.file("output.log")).read_bytes()


def test_output_goes_to_the_log_and_to_the_user(job, capfdbinary):
    assert start(job, SAYS) == 3
    assert sorted(log(job).split()) == [b"err", b"out"]
    assert sorted(capfdbinary.readouterr().err.split()) == [b"err", b"out"]


def test_a_reader_that_left_does_not_end_it(job, monkeypatch):
    """Standard error as a pipe that nobody reads."""
    ours, theirs = os.pipe()
    os.close(ours)
    with open(theirs, "w") as closed:
        monkeypatch.setattr(sys, "stderr", closed)
        assert start(job, "import time\nfor i in range(5): print(i, flush=True); time.sleep(0.2)") == 0
        job.say("done")
    assert log(job).split() == [b"0", b"1", b"2", b"3", b"4"]


def test_bytes_stay_as_they_are_and_variables_arrive(job, tmp_path):
    code = (
        "import os, sys; sys.stdout.buffer.write(b'\\xff\\r50%\\r' + os.environ['TOY'].encode() + os.getcwd().encode())"
    )
    assert start(job, code, environment={"TOY": "a b"}, directory=str(tmp_path)) == 0
    assert log(job) == b"\xff\r50%\ra b" + os.fsencode(str(tmp_path))


def test_a_signal_s_number_is_in_the_exit_code(job):
    assert start(job, "import os; os.kill(os.getpid(), 9)") == 137


def test_what_a_program_leaves_behind_does_not_hold_us(job):
    begun = time.monotonic()
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)']); print('x')"
    assert start(job, code) == 0
    assert time.monotonic() - begun < 25
    assert log(job) == b"x\n"


def test_a_program_that_is_not_there(job):
    with pytest.raises(InputError, match="cannot start no-such-program"):
        launch(Plan("toy", command=["no-such-program"]), job)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_handed_on_to_all_that_was_started(job, monkeypatch, number):
    """The program ignores SIGINT, so SIGTERM follows; its child, of the same group, ends as well."""
    monkeypatch.setattr(sys.modules[launch.__module__], "PATIENCE", 1.0)
    waiter = threading.Thread(target=_once_it_speaks, args=(job, number))
    waiter.start()
    with pytest.raises(KeyboardInterrupt, match=number.name):
        start(job, STUBBORN)
    waiter.join()
    assert (b"asked to end" in log(job)) == (number == signal.SIGINT)
    assert _gone(int(log(job).split()[1]))


def test_what_left_the_group_is_not_left_behind(job, monkeypatch):
    """As the ranks of a torchrun that had to be killed: each has a session of its own, and ignores what it can."""
    monkeypatch.setattr(sys.modules[launch.__module__], "PATIENCE", 0.5)
    deaf = "signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    rank = f"import signal, time; {deaf}; print('up', flush=True); time.sleep(60)"
    code = (
        f"import signal, subprocess, sys, time; {deaf}\n"
        f"child = subprocess.Popen([sys.executable, '-c', {rank!r}], start_new_session=True)\n"
        "print('child', child.pid, flush=True); time.sleep(60)"
    )
    waiter = threading.Thread(target=_once_it_speaks, args=(job, signal.SIGINT))
    waiter.start()
    with pytest.raises(KeyboardInterrupt):
        start(job, code)
    waiter.join()
    assert _gone(int(re.search(rb"child (\d+)", log(job))[1]))


def test_a_program_goes_on_when_its_launcher_is_killed(tmp_path):
    """It writes into the log itself: no pipe breaks, and nothing is lost."""
    code = "import time\nfor i in range(30): print(i, flush=True); time.sleep(0.1)"
    plan = f"Plan('toy', command=[sys.executable, '-c', {code!r}])"
    script = (
        "import importlib, sys; from llmstats.running import Job, Plan;"
        f"plan = {plan}; job = Job.start(plan, {str(tmp_path)!r}, runner='toy', environment={{}});"
        "importlib.import_module('llmstats.runners._launch').launch(plan, job)"
    )
    launcher = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    while not (logs := list(tmp_path.glob("*/*/output.log"))) or logs[0].stat().st_size < 10:
        time.sleep(0.05)
    launcher.kill()
    launcher.wait()
    until = time.monotonic() + 30
    while not logs[0].read_text().endswith("29\n") and time.monotonic() < until:
        time.sleep(0.1)
    assert logs[0].read_text().split() == [str(i) for i in range(30)]


def test_a_listener_can_have_the_program_ended(job):
    heard = []

    def hear(output):
        heard.append(output)
        return "enough" if b"5" in b"".join(heard) else None

    code = "import time\nfor i in range(1000): print(i, flush=True); time.sleep(0.05)"
    attend = module("_launch").attend
    ended = attend(Plan("toy", command=[sys.executable, "-c", code]), job.file("output.log"), hear)
    assert (ended.stopped, ended.signal) == ("enough", None)
    assert ended.code in {1, 130}  # Python ends by KeyboardInterrupt: 130 in a shell's words
    assert b"".join(heard) == log(job)


def test_a_program_that_is_gone_is_not_ended(job):
    """The reason is found in its last output; that is its own end."""

    def hear(output):
        time.sleep(0.5)
        return "enough" if output else None

    attend = module("_launch").attend
    ended = attend(
        Plan("toy", command=[sys.executable, "-c", "print(1); raise SystemExit(4)"]), job.file("output.log"), hear
    )
    assert (ended.code, ended.stopped, ended.signal) == (4, None, None)


def _once_it_speaks(job, number):
    while not os.path.exists(job.file("output.log")) or b"child" not in log(job):
        time.sleep(0.05)
    os.kill(os.getpid(), number)


def _gone(pid):
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
