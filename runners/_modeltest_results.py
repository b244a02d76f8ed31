"""What ModelTest leaves behind: results inside its own tree, and failures that its exit status hides."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator

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
    """The first lines of a log that tell of a failure."""
    with open(log, encoding="utf-8", errors="replace") as file:
        found = (line.strip() for line in file if _FAILED.search(line))
        return [line for line, _ in zip(found, range(most), strict=False)]


def collect(directory: str, since: float, to: str) -> list[str]:
    """Copy what a test wrote since then below the directory; the copies' paths relative to ``to``.

    The tree is kept, for it says device, mode, type and model.  The same test overwrites its results next time.
    """
    copied = []
    for path in _written(directory):
        if os.stat(path).st_mtime >= since:
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
