"""What ModelTest leaves behind: results inside its own tree, and failures that its exit status hides."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping

from ._tracebacks import Tracebacks

#: Below ``tests/modeltest``: results of the present versions and of older ones, and the file of single times.
_TREES = ("outputs/results", "outputs/debug", "result")
_FILES = ("benchmark.csv", "maxbs.txt")
#: Lines after which ``run.sh`` goes on, or ends with exit status 0.
_FAILED = re.compile(
    r"something wrong marked for CI|^env \w+ not exists, fail|^model test file .* is not found|"
    r"^utils file .* is not found|^(?:ERROR|Error): ",
    re.M,
)


def failures(log: str, most: int = 5) -> list[str]:
    """The first lines of a log that tell of a failure, and the last exception that Python shows a traceback of."""
    found: list[str] = []
    tracebacks = Tracebacks()
    with open(log, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            tracebacks.take(number, line.rstrip())
            if _FAILED.search(line) and len(found) < most:
                found.append(line.strip())
    return found + ([tracebacks.message] if tracebacks.message not in ("", *found) else [])


def results(directory: str) -> dict[str, int]:
    """Files of results below the directory of tests, and when each was written (nanoseconds of the files' clock)."""
    return {path: os.stat(path).st_mtime_ns for path in _written(directory)}


def collect(directory: str, before: Mapping[str, int], to: str) -> list[str]:
    """Copy the results that are not those of `results` before the test; the copies' paths relative to ``to``.

    The tree is kept, for it says device, mode, type and model.  The same test overwrites its results next time.
    """
    copied = []
    for path, written in results(directory).items():
        if before.get(path) != written:
            relative = os.path.relpath(path, directory)
            os.makedirs(os.path.dirname(os.path.join(to, relative)) or to, exist_ok=True)
            shutil.copy2(path, os.path.join(to, relative))
            copied.append(relative)
    return copied


def _written(directory: str) -> Iterator[str]:
    for tree in _TREES:
        for folder, _, names in os.walk(os.path.join(directory, tree)):
            yield from (os.path.join(folder, name) for name in sorted(names))
    yield from (path for name in _FILES if os.path.isfile(path := os.path.join(directory, name)))
