"""Logs that prose quotes: fenced and indented blocks of Markdown, literal blocks of reStructuredText.

An excerpt is addressed like a member of an archive: ``/d/README.md!/excerpt-3`` is the third block of the document.
Its lines keep the document's numbers.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

_MARKDOWN = ("*.md", "*.markdown", "*.mdx")
_RST = ("*.rst",)
#: Prose that quotes logs, but whose blocks are not looked for.
_OTHER_PROSE = ("*.html", "*.htm", "*.ipynb", "*.tex")
#: Programs, which hold the patterns of the logs that they write.
_PROGRAMS = ("*.py", "*.pyi", "*.sh", "*.bash", "*.c", "*.cc", "*.cpp", "*.cu", "*.h", "*.hpp", "*.go", "*.rs",
             "*.java", "*.js", "*.ts", "*.tsx", "*.sql")  # fmt: skip
_ADDRESS = re.compile(r"(?P<document>.+)!/excerpt-(?P<number>\d+)$")
#: ``::`` at the end of a paragraph, or a directive for code, opens a literal block.
_OPENS = re.compile(r"^(?P<indent> *)(?:\.\. +(?:code|code-block|sourcecode|parsed-literal)::.*|(?!\.\. ).*::)\s*$")
_OPTION = re.compile(r"\s+:[\w-]+:")
#: A document beyond this is no prose.
MAX_BYTES = 16 << 20


class Excerpt(NamedTuple):
    number: int  #: ordinal of the block in its document, from 1
    first_line: int  #: of its first line, 1-based
    text: str  #: without the indentation that all its lines share

    @property
    def name(self) -> str:
        return f"excerpt-{self.number}"

    @property
    def last_line(self) -> int:
        return self.first_line + self.text.count("\n") - 1


def is_prose(name: str) -> bool:
    """Whether a file of this name is a document rather than a log."""
    return any(fnmatchcase(name.lower(), pattern) for pattern in (*_MARKDOWN, *_RST, *_OTHER_PROSE))


def is_program(name: str) -> bool:
    """Whether a file of this name is the source of a program rather than what one wrote."""
    return any(fnmatchcase(name.lower(), pattern) for pattern in _PROGRAMS)


def document_of(path: str) -> tuple[str, int] | None:
    """Path of the document and ordinal of the block that a path addresses, or None."""
    match = _ADDRESS.match(path)
    return (match["document"], int(match["number"])) if match and is_prose(match["document"]) else None


def find(name: str, text: str) -> Iterator[Excerpt]:
    """Blocks of a document in their order; ``text`` has ``\\n`` line ends."""
    lines = text.split("\n")
    if any(fnmatchcase(name.lower(), p) for p in _MARKDOWN):
        spans = _markdown_spans(text)
    elif any(fnmatchcase(name.lower(), p) for p in _RST):
        spans = _rst_spans(lines)
    else:
        return
    for number, (start, stop) in enumerate(spans, 1):
        block = textwrap.dedent("\n".join(lines[start:stop]))
        if block.strip():
            yield Excerpt(number, start + 1, block + "\n")


def _markdown_spans(text: str) -> Iterator[tuple[int, int]]:
    """Lines [start, stop), 0-based, of the contents of fenced and indented blocks, in lists and quotes too."""
    from markdown_it import MarkdownIt

    lines = text.split("\n")
    for token in MarkdownIt("commonmark").parse(text):
        if token.map is None:
            continue
        start, stop = token.map
        if token.type == "fence":
            closed = stop > start + 1 and lines[stop - 1].strip(" >").startswith(token.markup[:3])
            yield start + 1, stop - 1 if closed else stop
        elif token.type == "code_block":
            yield start, stop


def _rst_spans(lines: list[str]) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(lines):
        opened = _OPENS.match(lines[at])
        at += 1
        if opened:
            while at < len(lines) and (not lines[at].strip() or _OPTION.match(lines[at])):
                at += 1
            start = at
            while at < len(lines) and (not lines[at].strip() or _indent(lines[at]) > len(opened["indent"])):
                at += 1
            stop = at
            while stop > start and not lines[stop - 1].strip():
                stop -= 1
            if stop > start:
                yield start, stop


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
