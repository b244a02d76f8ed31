"""What a parser is, and what it is told about the file in front of it.

A format is one module in ``llmstats.parsers`` (or behind an entry point of the group ``llmstats.parsers``) that
defines one or more `Parser` subclasses.  Four kinds:

- `LineParser`: a text log of any size.  ``plan`` looks at one line of each shape (see `llmstats.shapes`);
  ``fold`` turns each stretch of frames and notes into items, with a JSON-able state carried between stretches.
- `JsonLinesParser`: one JSON object per line.  ``fold`` gets the decoded objects with their line numbers.
- `DocumentParser`: a small file read whole (JSON, CSV, a text block).
- `BinaryParser`: a file that is no text, read whole.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, ClassVar

from llmstats.records import Item
from llmstats.shapes import Plan, Scan

#: How much of a file detection may see.
HEAD_BYTES = 64 * 1024

State = dict[str, Any]


@cache
def _globs(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(p) for p in patterns))


@dataclass(frozen=True)
class Place:
    """Where a source lies.

    ``path`` is absolute; a member of an archive is ``/d/a.tar.gz!/b/c.log``; standard input is ``-``.
    """

    path: str
    mtime: float = 0.0

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Path components without the root, archive members spliced in, compression suffix of the file dropped."""
        parts = [p for p in self.path.replace("!/", "/").split("/") if p]
        if parts:
            for suffix in (".gz", ".bz2", ".xz", ".zst"):
                parts[-1] = parts[-1].removesuffix(suffix)
        return tuple(parts)

    @cached_property
    def name(self) -> str:
        """Base name, ``.gz`` and the like dropped."""
        return self.parts[-1] if self.parts else self.path

    @property
    def stem(self) -> str:
        return self.name.rsplit(".", 1)[0]

    def parent(self, up: int = 1) -> str:
        """Name of the directory ``up`` levels above the file, or empty."""
        return self.parts[-1 - up] if len(self.parts) > up else ""

    def directory(self, up: int = 1) -> str:
        """Absolute path of the directory ``up`` levels above the file (``Run.root`` is usually one of these)."""
        path = self.path
        for _ in range(up):
            head, _, _ = path.rpartition("/")
            path = head.removesuffix("!") or "/"
        return path

    def matches(self, *patterns: str) -> bool:
        """Whether the base name matches one of the globs."""
        return _globs(patterns).match(self.name) is not None


@dataclass(frozen=True)
class Head:
    """The beginning of a file as detection sees it: normalised text of at most `HEAD_BYTES`."""

    place: Place
    text: str
    raw: bytes = b""  #: the same bytes as they are on disk, for binary formats

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")


@dataclass(frozen=True)
class Name:
    """Canonical meaning of a raw name: ``value * factor`` is in the catalogue's unit of ``metric``."""

    metric: str
    factor: float = 1.0
    definition: str | None = None


@dataclass(frozen=True)
class Sample:
    """A composed example of a format and what must come out of it; the contract suite runs it.

    ``path`` is relative (the suite lays it under a temporary directory).  ``points`` maps
    ``(phase, canonical metric, step)`` (step None: it has none) to the canonical value; ``measurements`` maps
    ``(metric, statistic)`` or ``(subject, metric, statistic)`` to it.  ``runs`` maps a run's name to facts that must
    hold.  ``matched`` is the number of records in the text.
    """

    path: str
    text: str | bytes  #: bytes for a `BinaryParser`
    matched: int
    points: Mapping[tuple[str, str, int | None], float] = field(default_factory=dict)
    measurements: Mapping[tuple[str, ...], float | None] = field(default_factory=dict)
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    events: Sequence[str] = ()  #: kinds, in order
    suspects: int = 0
    unknown: Sequence[str] = ()  #: metrics in it that nobody catalogued: keys that a program may add tomorrow

    @property
    def raw(self) -> bytes:
        return self.text.encode() if isinstance(self.text, str) else self.text


class Parser:
    """Base of all parsers.  ``version`` goes up whenever the same bytes would give other items."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    title: ClassVar[str]  #: one line for the table of formats
    writes: ClassVar[str] = ""  #: the program that writes the format
    #: Whether the format lives in prose (``.md``, ``.rst``, …); a log that prose quotes is no log.
    documents: ClassVar[bool] = False
    #: Whether a file is only read as this format when a user asks for it: nothing in the file says what it is.
    on_request: ClassVar[bool] = False
    names: ClassVar[Mapping[str, Name]] = {}
    samples: ClassVar[Sequence[Sample]] = ()

    def detect(self, head: Head) -> str | None:
        """Why this file is of this format, or None.  Bounded, and independent of all other parsers."""
        raise NotImplementedError

    def canonical(self, raw: str, phase: str) -> Name:
        """Canonical name of a raw one; a name that nobody catalogued stays as it is."""
        return self.names.get(raw) or Name(raw)

    def start(self, place: Place) -> State:
        """State at the first byte of a file; JSON-able, kept in the store between two readings of a growing file."""
        return {}


class LineParser(Parser):
    def plan(self, text: str) -> Plan:
        """What one line is (`llmstats.shapes`).

        ``text`` is the line decoded so that one character is one byte; the answer may depend on the text but not
        on the values of the digits inside the spans that it returns.
        """
        raise NotImplementedError

    def fold(self, state: State, place: Place, scan: Scan) -> Iterator[Item]:
        """Items of the next stretch of lines; changes ``state`` in place."""
        raise NotImplementedError


@dataclass(slots=True)
class Objects:
    """A stretch of JSON lines: decoded objects with their physical line numbers (1-based)."""

    rows: list[tuple[int, dict[str, Any]]]
    #: Lines that are no JSON object (a Git conflict marker, a stray print): (line, text).
    notes: list[tuple[int, str]] = field(default_factory=list)


class JsonLinesParser(Parser):
    def fold(self, state: State, place: Place, objects: Objects) -> Iterator[Item]:
        """Items of the next stretch of objects; changes ``state`` in place."""
        raise NotImplementedError


class WholeParser(Parser):
    """A file read whole; when it changes, it is read again."""

    #: A file beyond this is ``too_large`` for the format.
    max_bytes: ClassVar[int] = 256 << 20


class DocumentParser(WholeParser):
    """A text read whole."""

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        """Items of the whole normalised text; each ``line`` counts the lines of ``text`` from 1.

        Lines end by ``\\n``, the last one only if the file ended it: what has no end may be cut.

        Raises:
            ParseError: the document is broken; nothing of it is stored.
        """
        raise NotImplementedError


class BinaryParser(WholeParser):
    """A file that is no text; ``detect`` looks at ``head.raw``."""

    def parse(self, place: Place, raw: bytes) -> Iterator[Item]:
        """Items of the whole file; each ``line`` is the ordinal of a record, from 1.

        Raises:
            ParseError: the file is broken; nothing of it is stored.
        """
        raise NotImplementedError
