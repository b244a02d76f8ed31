"""Measure whole processes: wall clock and peak memory of a command and everything that it starts (Linux)."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO

#: Seconds between two looks at the memory of all processes of a command.
TICK = 0.1


@dataclass(frozen=True)
class Measured:
    """One run of a command: seconds, bytes, and what it printed."""

    seconds: float
    peak_bytes: int
    output: str


def measure(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end.

    ``peak_bytes`` is the larger of the kernel's peak of the largest single process and the highest sum over
    all processes seen every `TICK` (proportional set size: pages that processes share count once).

    Raises:
        RuntimeError: the command failed; the message holds the end of what it said.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(list(map(str, command)), stdout=out, stderr=err, env=env)
        watch = _Watch(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        summed = watch.stop()
        if process.returncode:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {_read(err)[-2000:]}")
        return Measured(seconds, max(usage.ru_maxrss * 1024, summed), _read(out))


def median(times: int, once: Callable[[], Measured]) -> Measured:
    """The run whose time is the middle one of ``times``; its peak is the highest of all."""
    runs = sorted((once() for _ in range(times)), key=lambda m: m.seconds)
    middle = runs[len(runs) // 2]
    return Measured(middle.seconds, max(m.peak_bytes for m in runs), middle.output)


def machine() -> str:
    """One line on where and when this was measured."""
    models = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    cores = len(os.sched_getaffinity(0))
    versions = ", ".join(f"{name} {version(name)}" for name in ("llmstats", "duckdb", "polars"))
    return (
        f"{models[0] if models else platform.machine()}, {cores} cores, {memory / 2**20:.0f} GiB memory, "
        f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}, {versions}, "
        f"{datetime.now(UTC):%Y-%m-%d}"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    rule = ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]
    lines = [
        " | ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in (header, rule, *rows)
    ]
    return "\n".join(f"| {line} |" for line in lines)


class _Watch:
    """Looks at a process and its descendants until told to stop."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(TICK):
            self._peak = max(self._peak, sum(map(_proportional_bytes, _family(self._pid))))

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._peak


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in "".join(_lines(children)).split():
            yield from _family(int(child))


def _proportional_bytes(pid: int) -> int:
    for line in _lines(f"/proc/{pid}/smaps_rollup"):
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _lines(path: str | Path) -> list[str]:
    """Lines of a file under /proc; none if the process has just ended."""
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
