"""Markdown as far as results stand in it: pipe tables with the lines of their rows, and ``- key: value`` lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_RULE = frozenset(" \t|:-")
_PIPE = re.compile(r"(?<!\\)\|")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!|<>~-])")
_FENCE = re.compile(r"[ \t>]*(```|~~~)")
_HEADING = re.compile(r"\s*(?:[-*+]\s+)?(#{1,6})\s*(\S.*)$")
_BULLET = re.compile(r"(\s*)[-*+]\s*(\S.*)$")
_WORDS = r"[^:：`|#\[\]()（）。，,/]"
_PAIR = re.compile(rf"(?P<key>{_WORDS}{{1,24}}?(?:/{_WORDS}{{1,20}})?)\s*[:：]\s*(?P<value>.*)$")


class Row(NamedTuple):
    """One row of a table: its line (1-based) and its cells without surrounding blanks, escapes undone."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    line: int  #: of the header
    header: list[str]
    rows: list[Row]


@dataclass(slots=True)
class Section:
    """What stands below a heading: pairs of its lists, and items without a key by the word above them."""

    title: str
    line: int
    facts: dict[str, str] = field(default_factory=dict)
    items: dict[str, list[str]] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)


def tables(text: str) -> Iterator[Table]:
    """Pipe tables outside of fenced code; rows of dashes are left out, a last row that may be cut as well."""
    lines = _prose(text)
    at = 1
    while at < len(lines):
        if not (_is_rule(lines[at]) and "|" in lines[at - 1]):
            at += 1
            continue
        end = at + 1
        while end < len(lines) and "|" in lines[end]:
            end += 1
        rows = [Row(i + 1, cells(lines[i])) for i in range(at + 1, end) if not _is_rule(lines[i])]
        first, header = _header(lines, at - 1)
        yield Table(first + 1, cells(header), rows)
        at = end


def _header(lines: list[str], at: int) -> tuple[int, str]:
    """The header in ``lines[at]`` with its index; one that a terminal broke in two is put together."""
    above, line = lines[at - 1].rstrip() if at else "", lines[at]
    broken = above.startswith("|") and not above.endswith("|") and not line.lstrip().startswith("|")
    return (at - 1, above + line) if broken else (at, line)


def cells(line: str) -> list[str]:
    """Cells of one row of a table."""
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [plain(cell) for cell in _PIPE.split(inner)]


def plain(text: str) -> str:
    """A cell without the marks of Markdown."""
    return _ESCAPE.sub(r"\1", text.replace("**", "")).replace("<br>", " ").strip()


def _prose(text: str) -> list[str]:
    """Lines with those of fenced code blanked; a last one without an end and a closing bar is blanked too."""
    lines = text.split("\n")
    if lines[-1] and not lines[-1].rstrip().endswith("|"):
        lines[-1] = ""
    fence = ""
    for i, line in enumerate(lines):
        mark = _FENCE.match(line) if "```" in line or "~~~" in line else None
        if fence or mark:
            lines[i] = ""
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1] == fence:
            fence = ""
    return lines


def _is_rule(line: str) -> bool:
    """Whether a line is the rule below a header, or a row of dashes."""
    return "-" in line and "|" in line and _RULE.issuperset(line)


# --------------------------------------------------------------------------- lists of facts


def sections(text: str, depth: int) -> list[Section]:
    """A document cut at its headings up to ``depth``; deeper ones only name what follows them."""
    found = [Section("", 1)]
    topic = ""
    for number, line in enumerate(_prose(text), 1):
        if heading := _HEADING.match(line) if "#" in line else None:
            topic = plain(heading[2])
            if len(heading[1]) <= depth:
                found.append(Section(topic, number))
        elif line.strip():
            found[-1].text.append(line)
            topic = _item(found[-1], topic, line)
    return found


def _item(section: Section, topic: str, line: str) -> str:
    """Take a list item; a bare one that others stand below becomes their topic."""
    bullet = _BULLET.match(line)
    if not bullet or "|" in line:
        return topic
    words = plain(bullet[2])
    pair = _PAIR.match(words)
    if pair and not pair["value"].startswith("//"):
        if pair["value"]:
            section.facts.setdefault(pair["key"].strip(), pair["value"].strip())
        return topic
    section.items.setdefault(topic, []).append(words)
    return words if len(words) < 16 and words.isalpha() and not words.isascii() else topic
