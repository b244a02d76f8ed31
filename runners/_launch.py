"""Launching somebody else's program: its output into a log and past the user's eyes, signals handed on to it."""

from __future__ import annotations

import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import IO

from llmstats.errors import InputError
from llmstats.running import Job, Plan

#: Seconds that a program gets to end after a signal was handed on, before SIGTERM, and after that before SIGKILL.
PATIENCE = (20.0, 10.0)
#: Seconds to wait for more output once the program is gone; what it left behind may hold the pipe open for ever.
_LEFTOVERS = 1.0
_CHUNK = 1 << 16


def launch(plan: Plan, job: Job, log: str = "output.log", on_output: Callable[[bytes], None] | None = None) -> int:
    """Run the plan's command to its end.

    Args:
        log: name of the file below the job that gets standard output and error, byte for byte.
        on_output: gets each piece of output instead of standard error.

    Returns:
        The exit code; 128 + N where signal N ended the program, as a shell says it.

    Raises:
        InputError: the program is not there or may not be run.
        KeyboardInterrupt: a signal asked to end; it was handed on and the program is gone.
    """
    with open(job.file(log), "ab", buffering=0) as file, _started(plan) as process:
        assert process.stdout is not None
        try:
            _copy(process, file, on_output or _echo)
            return _code(process)
        except KeyboardInterrupt as why:
            _end(process, signal.Signals[str(why) or "SIGINT"], file, on_output or _echo)
            raise
        finally:
            if process.poll() is None:
                _signal(process, signal.SIGKILL)


def _started(plan: Plan) -> subprocess.Popen[bytes]:
    assert plan.command is not None
    try:
        # a process group of its own: a signal reaches all that it starts, and reaches it once
        return subprocess.Popen(
            list(plan.command),
            cwd=plan.directory,
            env={**os.environ, **plan.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as why:
        raise InputError(f"cannot start {plan.command[0]}: {why.strerror}; is it installed and on the PATH?") from why


def _echo(output: bytes) -> None:
    sys.stderr.buffer.write(output)
    sys.stderr.flush()


def _copy(process: subprocess.Popen[bytes], file: IO[bytes], on_output: Callable[[bytes], None]) -> None:
    for output in _output(process):
        file.write(output)
        on_output(output)


def _output(process: subprocess.Popen[bytes], until: float = math.inf) -> Iterator[bytes]:
    """Pieces of output until the program has ended and nothing more comes, or until that time."""
    assert process.stdout is not None
    gone: float | None = None
    while time.monotonic() < min(until, math.inf if gone is None else gone + _LEFTOVERS):
        if not select.select([process.stdout], [], [], 0.2)[0]:
            gone = gone or (None if process.poll() is None else time.monotonic())
        elif piece := os.read(process.stdout.fileno(), _CHUNK):
            yield piece
        else:
            process.wait()
            return


def _end(
    process: subprocess.Popen[bytes], number: signal.Signals, file: IO[bytes], on_output: Callable[[bytes], None]
) -> None:
    """Hand the signal on and insist, at once on a second Ctrl-C; what the program says on its way out is kept."""
    for seconds, what in zip(PATIENCE, (number, signal.SIGTERM), strict=True):
        _signal(process, what)
        until = time.monotonic() + seconds
        try:
            for output in _output(process, until):
                file.write(output)
                on_output(output)
            process.wait(max(0.1, until - time.monotonic()))
            return
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            continue


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # it is gone already


def _code(process: subprocess.Popen[bytes]) -> int:
    code = process.wait()
    return code if code >= 0 else 128 - code
