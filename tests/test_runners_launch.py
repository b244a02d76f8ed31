"""Launching a program: real processes, real signals."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from llmstats.errors import InputError
from llmstats.running import Ended, Job, Plan

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


@pytest.mark.parametrize("how", [KeyboardInterrupt(), Ended("SIGTERM")])
def test_a_signal_is_handed_on_to_all_that_was_started(job, monkeypatch, how):
    """The program ignores SIGINT, so SIGTERM follows; its child, of the same group, ends as well."""
    monkeypatch.setattr(sys.modules[launch.__module__], "PATIENCE", (1.0, 5.0))

    def interrupt(number, frame):
        raise how

    before = signal.signal(signal.SIGUSR1, interrupt)
    waiter = threading.Thread(target=_once_it_speaks, args=(job,))
    waiter.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            start(job, STUBBORN)
    finally:
        signal.signal(signal.SIGUSR1, before)
        waiter.join()
    assert (b"asked to end" in log(job)) == (not str(how))
    child = int(log(job).split()[1])
    assert _gone(child)


def _once_it_speaks(job):
    while not os.path.exists(job.file("output.log")) or b"\n" not in log(job):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGUSR1)


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
