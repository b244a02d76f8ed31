"""The registry of formats and the decision which one a file is.

A parser is found, never named: every module of ``llmstats.parsers`` without a leading underscore, and every entry
point of the group ``llmstats.parsers``.  Detection asks all of them and trusts no order: one answer is a format, two
are ``ambiguous``.
"""

from __future__ import annotations

import importlib
import os
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec

from llmstats import discovery
from llmstats.errors import NotFound
from llmstats.excerpts import is_program, is_prose
from llmstats.parsing import BinaryParser, Head, Parser

GROUP = "llmstats.parsers"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What detection found: one parser and why, or several names (``ambiguous``), or nothing."""

    parser: Parser | None = None
    reason: str = ""
    ambiguous: tuple[str, ...] = ()


@cache
def parsers() -> tuple[Parser, ...]:
    """All formats, by name.

    Raises:
        LlmstatsError: two parsers share a name, or no built-in parser is found (a wheel shadowed by a checkout).
    """
    return discovery.found(GROUP, Parser)


def parser(name: str) -> Parser:
    """The parser of one format.

    Raises:
        NotFound: no format has this name.
    """
    for candidate in _namesake(name) or parsers():
        if candidate.name == name:
            return candidate
    raise NotFound.among("format", name, (p.name for p in parsers()))


@cache
def _namesake(name: str) -> list[Parser]:
    """The parser in the module of its own name, if that is where it is: no need to load a hundred others."""
    module = f"llmstats.parsers.{name}"
    if not name.isidentifier() or name.startswith("_") or find_spec(module) is None:
        return []
    return [p for p in discovery.members_of(importlib.import_module(module), Parser) if p.name == name]


@cache
def registry_version() -> str:
    """Changes whenever a format appears, disappears or changes: files that nobody recognised are tried again."""
    package = importlib.import_module("llmstats.parsers")
    files = [entry for path in package.__path__ for entry in os.scandir(path) if entry.name.endswith(".py")]
    stats = sorted((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in files)
    points = sorted((point.name, point.value) for point in entry_points(group=GROUP))
    return f"registry-{zlib.crc32(repr((stats, points)).encode()):08x}"


def detect(head: Head) -> Verdict:
    """Which format a file is, by its path and the first 64 KiB of its text.

    Prose and programs are no logs though they quote them; formats that have to be asked for are not asked.
    """
    if is_program(head.place.name):
        return Verdict()
    return _decide(_readers_of_text(is_prose(head.place.name)), head)


def detect_binary(head: Head) -> Verdict:
    """Which binary format a file is, by its path and its first bytes."""
    return _decide(_readers_of_bytes(), head)


@cache
def _readers_of_text(prose: bool) -> tuple[Parser, ...]:
    """Whom to ask about a text; worked out once, not for each file."""
    texts = (p for p in parsers() if not isinstance(p, BinaryParser) and not p.on_request)
    return tuple(p for p in texts if p.documents or not prose)


@cache
def _readers_of_bytes() -> tuple[Parser, ...]:
    return tuple(p for p in parsers() if isinstance(p, BinaryParser))


def _decide(asked: tuple[Parser, ...], head: Head) -> Verdict:
    answers = [(p, reason) for p in asked if (reason := p.detect(head))]
    if len(answers) == 1:
        return Verdict(*answers[0])
    return Verdict(ambiguous=tuple(p.name for p, _ in answers))
