"""What goes to a worker and what comes back: `Job` and `Part`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from llmstats import formats, mapping
from llmstats.errors import NotFound
from llmstats.excerpts import is_prose
from llmstats.mapping import FileMap, Mapped
from llmstats.parsing import Parser
from llmstats.sources import Found
from llmstats.store_types import REPLACE, TOUCH, Known

#: Mode of a part that only asks whether a file with this content is wanted; answered by `send(True or False)`.
ASK = "ask"
#: In the state of a document whose excerpts were read.
EXCERPTS = "#excerpts"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an ingest is asked for beyond the usual."""

    documents: bool = False  #: read logs that prose quotes
    fallback: str | None = None  #: format of files that nothing recognises


_NO_WISHES = Wishes()


@dataclass(slots=True)
class Job:
    """One source to read, with what the store knows of it."""

    found: Found
    known: Known | None = None
    labels: dict[str, str] = field(default_factory=dict)
    maybe_copy: bool = False  #: another file has the same size: hash it before parsing
    members: dict[str, Known] = field(default_factory=dict)  #: of an archive or a document: what is known of them
    table: FileMap | None = None  #: the user's own table for this file
    wishes: Wishes = _NO_WISHES


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
    uncatalogued: dict[str, int] = field(default_factory=dict)  #: raw names outside the catalogue -> values


# --------------------------------------------------------------------------- versions


def is_current(known: Known, table: FileMap | None = None, wishes: Wishes = _NO_WISHES) -> bool:
    """Whether the parser that read a source is still the one that would read it now."""
    if known.status == "duplicate":
        return True
    if wishes.documents and is_prose(known.path) and EXCERPTS not in (known.state or {}):
        return False
    if table is not None:
        parser = parser_by(table)
        return (known.format, known.parser_version) == (parser.name, str(parser.version))
    if known.format is None:
        untried = wishes.fallback is not None and known.status == "unrecognised" and not is_prose(known.path)
        return known.parser_version == formats.registry_version() and not untried
    return known.parser_version == _version(known.format)


@cache
def _version(name: str) -> str | None:
    """Version of the format of this name; None where it does not exist any more."""
    try:
        return str(formats.parser(name).version)
    except NotFound:
        return None


def parser_by(table: FileMap) -> Parser:
    """The parser that a user's table asks for.

    Raises:
        NotFound: the table names a format that does not exist.
    """
    return Mapped(table) if table.format in mapping.FORMATS else formats.parser(table.format)


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
        "parser_version": formats.registry_version(),
        "state": excerpts_mark(job) or None,
        **columns,
    }
    return Part(job.found.path, REPLACE, expected_by(job), all_columns, raw_bytes=job.found.size)


def excerpts_mark(job: Job) -> dict[str, bool]:
    """What the state of a document says once its excerpts were read."""
    return {EXCERPTS: True} if job.wishes.documents and is_prose(job.found.path) else {}


def touch(job: Job) -> Part:
    """A source whose content is as known; only its stat or labels changed."""
    return Part(job.found.path, TOUCH, expected_by(job), stat_columns(job), raw_bytes=job.found.size)


def expected_by(job: Job) -> tuple[int, str] | None:
    return job.known.expected if job.known else None
