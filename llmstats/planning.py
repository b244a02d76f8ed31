"""Which sources to read: what changed, which labels hold, and what is read together."""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from llmstats.errors import InputError
from llmstats.mapping import FileMap, read_maps
from llmstats.store_types import TOUCH, Delta, Known

if TYPE_CHECKING:
    from llmstats.jobs import Job, Wishes
    from llmstats.sources import Found

#: Small files that one worker reads together.
GROUP_FILES, GROUP_BYTES = 200, 8 << 20
SIDECAR = "llmstats.toml"


# --------------------------------------------------------------------------- labels


class Sidecar(NamedTuple):
    """What the ``llmstats.toml`` files above a directory say; of tables the nearest comes first."""

    labels: dict[str, str]
    maps: list[FileMap]


class Sidecars:
    """``llmstats.toml`` of all directories above a file, the nearest on top, then the caller's own labels."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = dict(given)
        self._of_directory: dict[str, Sidecar] = {}

    def labels(self, path: str) -> dict[str, str]:
        """Labels of one file, or of a member of an archive."""
        return self._around(path).labels | self._given if path.startswith("/") else dict(self._given)

    def table(self, path: str) -> FileMap | None:
        """The user's own table for a file: the first that takes it."""
        return next((m for m in self._around(path).maps if m.takes(path)), None)

    def _around(self, path: str) -> Sidecar:
        return self._below(path.split("!/", 1)[0].rpartition("/")[0])

    def _below(self, directory: str) -> Sidecar:
        if directory not in self._of_directory:
            above = self._below(directory.rpartition("/")[0]) if directory else Sidecar({}, [])
            own = _read_sidecar(f"{directory}/{SIDECAR}")
            self._of_directory[directory] = Sidecar(above.labels | own.labels, own.maps + above.maps)
        return self._of_directory[directory]


def _read_sidecar(path: str) -> Sidecar:
    if not os.path.isfile(path):
        return Sidecar({}, [])
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise InputError(f"{path}: not valid TOML: {why}") from why
    labels = content.get("labels", {})
    if not isinstance(labels, dict):
        raise InputError(f"{path}: [labels] must be a table of KEY = VALUE")
    return Sidecar({str(k): str(v) for k, v in labels.items()}, read_maps(content, path))


# --------------------------------------------------------------------------- planning


def _same_file(found: Found, known: Known) -> bool:
    """Whether a file, or the archive around a member, is untouched since it was read."""
    return (found.mtime_ns, found.inode) == (known.mtime_ns, known.inode)


@dataclass(slots=True)
class Plan:
    """Jobs to do, and sources of which only the labels changed."""

    jobs: list[Job] = field(default_factory=list)
    relabelled: list[Delta] = field(default_factory=list)
    unchanged: int = 0
    stdin: bool = False

    def settle(self, same: Iterable[Known], labels: dict[str, str]) -> None:
        """Sources whose content is as known: at most their labels changed."""
        for known in same:
            if known.labels == labels:
                self.unchanged += 1
            else:
                self.relabelled.append(Delta(known.path, TOUCH, known.expected, {"labels": labels}))


def plan(
    found: Iterator[Found],
    known: Mapping[str, Known],
    labels: Mapping[str, str],
    current: Callable[[Known, FileMap | None], bool],
    wishes: Wishes,
) -> Plan:
    """Which sources to read.  A file whose size, time and inode are as known, is not opened.

    Args:
        found: what discovery found.
        known: what the store knows, by path.
        labels: the caller's own.
        current: whether a source would be read by the same parser again.
        wishes: what the caller asks for beyond the usual.
    """
    from llmstats.jobs import Job

    out = Plan()
    sidecars = Sidecars(labels)
    sizes = Counter(k.size for k in known.values())
    members: dict[str, dict[str, Known]] = {}
    for member in known.values():
        if member.container:
            members.setdefault(member.container, {})[member.path] = member
    for source in found:
        if source.path == "-":
            out.stdin = True
            continue
        if os.path.basename(source.path) == SIDECAR:
            continue
        own = sidecars.labels(source.path)
        if source.archive and (inside := members.get(source.path)):
            if all(_same_file(source, m) and current(m, None) for m in inside.values()):
                out.settle(inside.values(), own)
            else:
                out.jobs.append(Job(source, None, own, members=inside, wishes=wishes))
            continue
        before, table = known.get(source.path), sidecars.table(source.path)
        inside = members.get(source.path, {})  # excerpts of a document
        same = before is not None and source.size == before.size and _same_file(source, before)
        if before is not None and same and current(before, table):
            out.settle([before], own)
            continue
        sizes[source.size] += 1
        out.jobs.append(Job(source, before, own, members=inside, table=table, wishes=wishes))
    for job in out.jobs:
        job.maybe_copy = sizes[job.found.size] > 1
    return out


def groups(jobs: list[Job]) -> Iterator[list[Job]]:
    """Neighbouring small files together, each large one alone."""
    group: list[Job] = []
    size = 0
    for job in jobs:
        if job.found.size > GROUP_BYTES // 2 or job.found.archive:
            yield [job]
            continue
        group.append(job)
        size += job.found.size
        if len(group) >= GROUP_FILES or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
