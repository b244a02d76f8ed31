"""Launching somebody else's program: its output in a file, signals handed on to all of its processes, its end told.

The program writes into the log file itself and the launcher reads along: a slow terminal never slows it down, and it
goes on, with its log whole, if the launcher is killed.  It leads a process group of its own, so that Ctrl-C reaches it
from here and only once, and so that its workers get every signal too.  Those that left the group (torchrun gives each
rank a session of its own) get theirs from the program; what is left of them when it is gone is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from llmstats.errors import InputError
from llmstats.running import Job, Plan, write

#: Seconds that a program gets to end after each signal, before a stronger one follows.
PATIENCE = 20.0
#: Seconds between two looks at the program.
PAUSE = 0.1
_ORDER = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
_HANDED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CHUNK = 1 << 20

#: Takes the next bytes of the output (none, if there are none); a text asks to end the program, and says why.
Hear = Callable[[bytes], str | None]


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int  #: exit status; 128 + N where signal N ended the program, as a shell says it
    stopped: str | None = None  #: why the listener had it ended
    signal: str | None = None  #: name of the first signal that was handed on


def launch(plan: Plan, job: Job, log: str = "output.log", on_output: Callable[[bytes], None] | None = None) -> int:
    """Run the plan's command to its end.

    Args:
        plan: with its command, variables and directory.
        job: which gets the log.
        log: name of the file below the job that gets standard output and error, byte for byte.
        on_output: gets each piece of output instead of standard error.

    Returns:
        The exit code; 128 + N where signal N ended the program.

    Raises:
        InputError: the program is not there or may not be run.
        KeyboardInterrupt: a signal asked to end; it was handed on and the program is gone.
    """
    tell = on_output or _echo

    def hear(output: bytes) -> None:
        if output:
            tell(output)

    ended = attend(plan, job.file(log), hear)
    if ended.signal:
        raise KeyboardInterrupt(ended.signal)
    return ended.code


def attend(plan: Plan, log: str, hear: Hear, patience: float | None = None) -> Ended:
    """Run the plan's command to its end and listen to it.

    Args:
        plan: with its command, variables and directory.
        log: path of the file that gets standard output and error; appended.
        hear: is called with new output at least every `PAUSE` seconds.
        patience: seconds between two signals once the program is asked to end; default `PATIENCE`.

    Raises:
        InputError: the program is not there or may not be run.
    """
    with open(log, "ab") as out, open(log, "rb") as tail, _signals() as caught:
        tail.seek(0, os.SEEK_END)
        group = _Group(_started(plan, out.fileno()), PATIENCE if patience is None else patience)
        try:
            stopped = _listen(group, lambda: tail.read(_CHUNK), hear, caught)
        finally:
            group.clear()
    code = group.process.returncode
    return Ended(128 - code if code < 0 else code, stopped, caught[0].name if caught else None)


def _started(plan: Plan, out: int) -> subprocess.Popen[bytes]:
    assert plan.command is not None
    try:
        return subprocess.Popen(
            list(plan.command),
            cwd=plan.directory,
            env={**os.environ, **plan.environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as why:
        raise InputError(f"cannot start {plan.command[0]}: {why.strerror}; is it installed and on the PATH?") from why


def _echo(output: bytes) -> None:
    write(sys.stderr, output)


def _listen(group: _Group, read: Callable[[], bytes], hear: Hear, caught: Sequence[signal.Signals]) -> str | None:
    """Until the program has ended and all of its output is heard; why the listener had it ended, if it did.

    A program that is gone already has ended by itself, whatever its last output gives as a reason.
    """
    stopped: str | None = None
    handed_on = 0
    while True:
        ended = group.process.poll() is not None  # asked first, so that the last bytes are read after it
        output = read()
        reason = hear(output)
        if ended and not output:
            return stopped
        if reason and not group.asked and group.process.poll() is None:
            stopped = reason
            group.ask(signal.SIGINT)
        for number in caught[handed_on:]:
            group.ask(number)
            handed_on += 1
        group.insist()
        if len(output) < _CHUNK:
            group.wait(PAUSE)


class _Group:
    """The process group of one program."""

    def __init__(self, process: subprocess.Popen[bytes], patience: float) -> None:
        self.process = process
        self.asked: signal.Signals | None = None  #: the last signal that was sent
        self._patience = patience
        self._since = 0.0
        self._below: dict[int, str] = {}  # processes that it had started when it was asked to end

    def ask(self, number: signal.Signals) -> None:
        """Send a signal; a program that was asked before gets a stronger one than then."""
        if self.asked is not None:
            after = _ORDER.index(self.asked) + 1 if self.asked in _ORDER else 1
            number = _ORDER[min(after, len(_ORDER) - 1)]
        self.asked, self._since = number, time.monotonic()
        self._below |= _descendants(self.process.pid)
        self._send(number)

    def insist(self) -> None:
        """Ask again once patience is over."""
        if self.asked is not None and time.monotonic() - self._since > self._patience:
            self.ask(self.asked)

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the end of the program."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def clear(self) -> None:
        """Leave nothing behind of a program that was asked to end, or whose launcher fails."""
        if self.process.poll() is None:
            self._below |= _descendants(self.process.pid)
            self._send(signal.SIGKILL)
        elif self.asked is not None:
            self._send(signal.SIGKILL)
        self.process.wait()
        for pid, begun in self._below.items():
            if begun and _begun(pid)[1] == begun:
                _kill(pid)

    def _send(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):  # nobody is left; macOS says the latter of zombies
            return


def _descendants(pid: int) -> dict[int, str]:
    """Processes below one, with the times at which they began (a number of a process may be given again)."""
    stats = {int(name): _begun(int(name)) for name in _listed("/proc") if name.isdigit()}
    found: dict[int, str] = {}
    layer = {pid}
    while layer := {p for p, (parent, _) in stats.items() if parent in layer}:
        found |= {p: stats[p][1] for p in layer}
    return found


def _begun(pid: int) -> tuple[int, str]:
    """Parent and time of beginning of a process; -1 and nothing where there is none, or no /proc."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[1]), fields[19]
    except (OSError, IndexError, ValueError):
        return -1, ""


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


@contextmanager
def _signals() -> Iterator[list[signal.Signals]]:
    """Ctrl-C and the like, collected instead of raised; only the main thread can do that."""
    caught: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    heard = [n for n in _HANDED_ON if signal.getsignal(n) != signal.SIG_IGN]  # nohup and the like stay in force
    before = {n: signal.signal(n, lambda number, _: caught.append(signal.Signals(number))) for n in heard}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
