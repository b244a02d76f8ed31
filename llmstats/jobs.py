"""What goes to a worker and what comes back: `Job` and `Part`."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from llmstats import formats
from llmstats.sources import Found
from llmstats.store_types import REPLACE, TOUCH, Known

#: Mode of a part that only asks whether a file with this content is wanted; answered by `send(True or False)`.
ASK = "ask"


@dataclass(slots=True)
class Job:
    """One source to read, with what the store knows of it."""

    found: Found
    known: Known | None = None
    labels: dict[str, str] = field(default_factory=dict)
    maybe_copy: bool = False  #: another file has the same size: hash it before parsing
    members: dict[str, Known] = field(default_factory=dict)  #: of an archive: what is known of its members


@dataclass(slots=True)
class Part:
    """What was read of one source since its last part; becomes one `store_types.Delta`."""

    path: str
    mode: str
    expected: tuple[int, str] | None
    columns: dict[str, Any]
    items: list[Any] = field(default_factory=list)
    complete: bool = True  #: the source has been read to its present end
    raw_bytes: int = 0  #: read since the last part, for the progress bar
    identity: tuple[str, ...] = ()  #: names of the runs that it speaks of


# --------------------------------------------------------------------------- versions


@cache
def registry_version() -> str:
    """Changes whenever a format appears, disappears or changes: files that nobody recognised are tried again."""
    text = ",".join(f"{p.name}={p.version}" for p in formats.parsers())
    return f"registry-{zlib.crc32(text.encode()):08x}"


def is_current(known: Known) -> bool:
    """Whether the parser that read a source is still the one that would read it now."""
    if known.format is None:
        return known.parser_version == registry_version()
    return any(p.name == known.format and str(p.version) == known.parser_version for p in formats.parsers())


# --------------------------------------------------------------------------- outcomes without rows


def stat_columns(job: Job) -> dict[str, Any]:
    found = job.found
    return {
        "size_bytes": found.size,
        "mtime_ns": found.mtime_ns,
        "inode": found.inode,
        "device": found.device,
        "container": found.container,
        "labels": job.labels,
    }


NOTHING = dict.fromkeys(
    ("format", "duplicate_of", "detected_by", "encoding", "content_hash", "lines_total", "lines_matched",
     "lines_suspect", "blocks", "state", "error")
)  # fmt: skip


def outcome(job: Job, status: str, reason: str = "", **columns: Any) -> Part:
    """A source that has a status and no rows."""
    all_columns = {
        **NOTHING,
        **stat_columns(job),
        "status": status,
        "error": reason or None,
        "bytes_read": 0,
        "parser_version": registry_version(),
        **columns,
    }
    return Part(job.found.path, REPLACE, expected_by(job), all_columns, raw_bytes=job.found.size)


def touch(job: Job) -> Part:
    """A source whose content is as known; only its stat or labels changed."""
    return Part(job.found.path, TOUCH, expected_by(job), stat_columns(job), raw_bytes=job.found.size)


def expected_by(job: Job) -> tuple[int, str] | None:
    return job.known.expected if job.known else None
