"""Stretches of text to scans and objects, one at a time or many small ones in few calls."""

from __future__ import annotations

import json

import numpy as np

from llmstats.parsing import BinaryParser, DocumentParser, Objects, Place
from llmstats.records import Item, Measurement, Points, Request, Run
from llmstats.shapes import CHUNK, Engine, Scan
from llmstats.text import Stretch


def document_items(parser: DocumentParser, place: Place, raw: bytes, stretch: Stretch | None) -> tuple[list[Item], int]:
    """Items of a whole document at their physical lines, and how many lines values stand on: its records.

    The text ends without a newline where the file does, so that a parser can tell a line that may be cut.
    """
    if stretch is None:
        return list(parser.parse(place, "")), 0
    text = stretch.data.decode("utf-8", "backslashreplace")
    if not raw.rstrip(b"\0").endswith((b"\n", b"\r")):
        text = text.removesuffix("\n")
    items = list(parser.parse(place, text))
    for item in items:
        if isinstance(item, Points):
            item.lines = stretch.numbers[item.lines - 1]
        elif not isinstance(item, Run) and item.line is not None:
            item.line = int(stretch.numbers[item.line - 1])
    return items, _records(items)


def binary_items(parser: BinaryParser, place: Place, raw: bytes) -> tuple[list[Item], int]:
    """Items of a binary file, and how many records of it gave values."""
    items = list(parser.parse(place, raw))
    return items, _records(items)


def _records(items: list[Item]) -> int:
    lines: set[int] = set()
    for item in items:
        if isinstance(item, Points):
            lines.update(item.lines.tolist())
        elif isinstance(item, (Measurement, Request)) and item.line is not None:
            lines.add(item.line)
    return len(lines)


def scan_together(engine: Engine, stretches: list[Stretch]) -> list[Scan]:
    """Scan many small stretches in few calls; each gets a scan of its own with its own line numbers."""
    scans: list[Scan] = []
    batch: list[Stretch] = []
    size = 0
    for stretch in stretches:
        batch.append(stretch)
        size += len(stretch.data)
        if size >= CHUNK:
            scans += _scan_batch(engine, batch)
            batch, size = [], 0
    return scans + (_scan_batch(engine, batch) if batch else [])


def _scan_batch(engine: Engine, batch: list[Stretch]) -> list[Scan]:
    counts = np.array([len(s.numbers) for s in batch])
    ends = np.cumsum(counts)
    scan = engine.scan(b"".join(s.data for s in batch), np.arange(ends[-1], dtype=np.int64))
    numbers = np.concatenate([s.numbers for s in batch])
    scans = [Scan(lines_total=int(n)) for n in counts]
    edges = np.concatenate([[0], ends])
    for frame in scan.frames:
        cuts = np.searchsorted(frame.lines, edges)
        frame.lines = numbers[frame.lines]
        for i in np.flatnonzero(np.diff(cuts)).tolist():
            scans[i].frames.append(frame.cut(int(cuts[i]), int(cuts[i + 1])))
    for at, tag, text in scan.notes:
        scans[int(np.searchsorted(ends, at, "right"))].notes.append((int(numbers[at]), tag, text))
    for at, reason, text in scan.suspects:
        scans[int(np.searchsorted(ends, at, "right"))].suspects.append((int(numbers[at]), reason, text))
    return scans


def json_lines(stretch: Stretch) -> Objects:
    """Decode one object per line; other lines become notes, broken objects too."""
    objects = Objects([])
    for number, line in zip(stretch.numbers.tolist(), stretch.data.split(b"\n"), strict=False):
        text = line.decode("utf-8", "backslashreplace")
        try:
            row = json.loads(text) if text.lstrip().startswith("{") else None
        except (ValueError, RecursionError):  # also numbers of thousands of digits, and nesting without end
            row = None
        if isinstance(row, dict):
            objects.rows.append((number, row))
        elif text.strip():
            objects.notes.append((number, text))
    return objects
