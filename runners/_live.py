"""What a training says so far, read from its output by the parsers that will read the log afterwards.

The stream is normalised, recognised and parsed as an ingest would do it, so that names, units and steps are the same;
only formats that are documents are read as a whole again and again, while they are small.  What no format recognises
is read by ``generic_steps``: a step and ``key: value`` pairs on a line.
"""

from __future__ import annotations

import math
import re
import time
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from llmstats import formats
from llmstats.canonical import canonical
from llmstats.errors import ParseError
from llmstats.parsing import HEAD_BYTES, DocumentParser, Head, JsonLinesParser, LineParser, Parser, Place, State
from llmstats.records import NO_TIME, Event, Item, Points, Run
from llmstats.shapes import Engine
from llmstats.store_types import SeriesColumn
from llmstats.stretches import json_lines
from llmstats.text import Normaliser, Stretch

from ._tracebacks import Tracebacks

FALLBACK = "generic_steps"
#: A document is read again after so many seconds, and not at all beyond so many bytes.
DOCUMENT_PAUSE, DOCUMENT_BYTES = 5.0, 8 << 20
#: Facts of a run that say how many steps it will make.
_TOTALS = ("max_iters", "train_iters", "max_steps", "total_steps")
#: Recent steps by which a speed is told, where the log tells none; recent lines in which the last step is looked for.
_RECENT = 50


@dataclass(slots=True)
class Series:
    """One metric of one phase and rank; records of several shapes come one shape after the other, not line by line."""

    metric: str
    raw_name: str
    phase: str
    rank: int | None
    definition: str | None
    unit: str | None
    precision: str
    steps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    times: array[int] = field(default_factory=lambda: array("q"))  #: microseconds; `NO_TIME` where there is no clock
    lines: array[int] = field(default_factory=lambda: array("q"))

    def add(self, points: Points, values: Iterable[float]) -> None:
        assert points.steps is not None
        count = len(points.lines)
        self.steps.extend(points.steps.tolist())
        self.values.extend(values)
        self.times.extend([NO_TIME] * count if points.times is None else points.times.tolist())
        self.lines.extend(points.lines.tolist())


@dataclass(slots=True)
class NotFinite:
    """A loss that is no number: the first of a row."""

    name: str
    value: float
    step: int
    line: int


class Live:
    """Fed with output as it comes; holds the series that somebody asked for.

    Args:
        path: of the log that the output goes into.
        wanted: canonical or raw names to keep beside loss, speed and time left.
        bad_points: logged points in a row of which a loss must be no number before it counts.
    """

    def __init__(self, path: str, wanted: Iterable[str] = (), bad_points: int = 1) -> None:
        self._wanted = {
            *wanted,
            "loss",
            "eta",
            "tokens_per_second_per_device",
            "tokens_per_second",
            "samples_per_second",
        }
        self._text = Normaliser()
        self._place = Place(path, time.time())
        self._pending: list[Stretch] = []  # what was read while the format may still be told
        self._head = b""
        self._open = True  # whether the format may still be told better
        self._reader: _Reader | None = None
        self.series: dict[tuple[str, str, int | None], Series] = {}
        self.step: int | None = None  #: of the last train record
        self.total: int | None = None  #: steps that there will be, if the log says it
        self.not_finite: NotFinite | None = None  #: the first loss that was no number often enough
        self._bad_points = bad_points
        self._bad: dict[str, list[NotFinite]] = {}  # by name: the present row of values that are no number
        self._error: tuple[int, str] = (0, "")  # line and message of the last one that the format knows
        self._tracebacks = Tracebacks()  # of whatever format, or none
        self._trained = 0  # line of the last train record
        self._seen: list[tuple[float, int]] = []  # (monotonic seconds, step) of recent looks

    @property
    def format(self) -> str | None:
        """Name of the format that reads the output; None before it is recognised."""
        return self._reader.parser.name if self._reader else None

    @property
    def fallback(self) -> str | None:
        """The general format, if that is what reads the output: an ingest must be told."""
        return FALLBACK if self.format == FALLBACK and self.series else None

    def feed(self, output: bytes, *, final: bool = False) -> list[str]:
        """Take the next output; returns the lines that it completed, without what steers a terminal."""
        stretch = self._text.feed(output, final=final)
        if stretch is not None:
            self._recognise(stretch)
        if self._reader and (final or stretch):
            self._take(self._reader.read(stretch, final=final))
        pieces = _last_pieces(stretch) if stretch else []
        for number, line in pieces:
            self._tracebacks.take(number, line)
        lines = [line for _, line in pieces]
        if self.total is None and self.step is not None:
            self.total = _total(lines[-_RECENT:], self.step)
        return lines

    def _recognise(self, stretch: Stretch) -> None:
        """Choose the format by the first 64 KiB, as an ingest does; begin anew where that changes the choice."""
        if not self._open:
            return
        self._head = (self._head + stretch.data)[:HEAD_BYTES]
        parser = _parser_of(Head(self._place, self._head.decode("utf-8", "backslashreplace")), len(self._head))
        self._open = len(self._head) < HEAD_BYTES and (parser is None or parser.name == FALLBACK)
        if parser is not None and (self._reader is None or self._reader.parser is not parser):
            self._reader = _Reader(parser, self._place)
            self.series.clear()
            for earlier in self._pending:
                self._take(self._reader.read(earlier))
        self._pending = [*self._pending, stretch] if self._open else []

    def _take(self, items: list[Item]) -> None:
        if items and self._reader and self._reader.whole:
            self.series.clear()
            self._bad.clear()
        for item in items:
            if isinstance(item, Points):
                self._points(item)
            elif isinstance(item, Run):
                self._run(item)
            elif isinstance(item, Event) and item.kind in ("error", "oom"):
                self._error = (item.line or 0, item.message)

    def _run(self, run: Run) -> None:
        for name in _TOTALS:
            if isinstance(total := run.config.get(name), int):
                self.total = total

    def _points(self, points: Points) -> None:
        if points.steps is None or not len(points.lines):
            return
        assert self._reader is not None
        for column in canonical(self._reader.parser, points).series:
            if points.phase == "train" and _is_loss(column.raw_name):
                self._check(points, column)
            if self._wanted & {column.metric, column.raw_name}:
                self._series(points, column).add(points, column.values.tolist())
        if points.phase == "train" and points.lines[-1] >= self._trained:  # records of several shapes come one by one
            self.step, self._trained = int(points.steps[-1]), int(points.lines[-1])
            self._seen = [*self._seen[-_RECENT:], (time.monotonic(), self.step)]

    def _series(self, points: Points, column: SeriesColumn) -> Series:
        key = (points.phase, column.raw_name, points.rank)
        if key not in self.series:
            self.series[key] = Series(
                column.metric,
                column.raw_name,
                points.phase,
                points.rank,
                column.definition,
                column.unit,
                column.precision,
            )
        return self.series[key]

    def _check(self, points: Points, column: SeriesColumn) -> None:
        row = self._bad.get(column.raw_name, [])
        if self.not_finite or not (row or not np.isfinite(column.values).all()):
            return
        assert points.steps is not None
        for value, step, line in zip(column.values.tolist(), points.steps.tolist(), points.lines.tolist(), strict=True):
            row = [] if math.isfinite(value) else [*row, NotFinite(column.raw_name, value, step, line)]
            if len(row) >= self._bad_points:
                self.not_finite = row[0]
                return
        self._bad[column.raw_name] = row

    # ---- questions

    @property
    def trouble(self) -> str | None:
        """The last error or traceback, if no train record followed it."""
        shown = (self._tracebacks.line, self._tracebacks.message)
        line, message = max(shown, self._error, key=lambda error: error[0])
        return message if line > self._trained else None

    def find(self, names: Iterable[str], phase: str = "train") -> Series | None:
        """The first of these metrics (or raw names) that was logged; rank 0 before others, as a query chooses."""
        for name in names:
            for by in ("metric", "raw_name"):
                found = [s for s in self.series.values() if s.phase == phase and getattr(s, by) == name]
                if found:
                    return min(found, key=lambda s: -1 if s.rank is None else s.rank)
        return None

    def last(self, *names: str) -> float | None:
        """The last value of the first of these metrics that was logged."""
        found = self.find(names)
        return found.values[int(np.argmax(np.asarray(found.lines)))] if found else None

    def seconds_left(self) -> float | None:
        """As the log says, else by the recent speed where the log says how many steps there will be."""
        told = self.last("eta")
        if told is not None and math.isfinite(told):
            return told
        speed = self.steps_per_second()
        return None if not (speed and self.total and self.step) else max(0, self.total - self.step) / speed

    def steps_per_second(self) -> float | None:
        """Of the recent past, by when the lines came."""
        if len(self._seen) < 2:
            return None
        (begin, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - begin) if end > begin and last > first else None


def _is_loss(name: str) -> bool:
    return "loss" in name.lower() and "scale" not in name.lower()


def _parser_of(head: Head, size: int) -> Parser | None:
    """The format of a stream by its beginning; the general one where a line looks like a step, or all is seen."""
    told = formats.detect(head).parser
    if isinstance(told, LineParser | JsonLinesParser | DocumentParser) and told.name != FALLBACK:
        return told
    general = formats.parser(FALLBACK)
    return general if size >= HEAD_BYTES or general.detect(head) else None


def _total(lines: list[str], step: int) -> int | None:
    """What stands behind the step in ``[ 10/96000]`` or ``step 10/1000``; of an epoch it would be its length."""
    for line in reversed(lines):
        found = re.search(rf"(?<![\d.]){step}\s*/\s*(\d{{1,15}})(?![\d.])", line)
        if found and int(found[1]) >= step and "epoch" not in line.lower():
            return int(found[1])
    return None


def _last_pieces(stretch: Stretch) -> list[tuple[int, str]]:
    """Lines with their numbers, as a terminal shows them in the end: of a progress bar its last state."""
    lines = stretch.data.decode("utf-8", "backslashreplace").split("\n")[:-1]
    numbers = stretch.numbers.tolist()
    last = [i for i, number in enumerate(numbers) if i + 1 == len(numbers) or numbers[i + 1] != number]
    return [(numbers[i], _printable(lines[i])) for i in last]


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() or c == "\t" else "�" for c in text)


class _Reader:
    """One parser at work on a stream."""

    def __init__(self, parser: Parser, place: Place) -> None:
        self.parser = parser
        self.whole = isinstance(parser, DocumentParser)  #: `read` gives everything again, or nothing
        self._place = place
        self._state: State = parser.start(place)
        self._engine = Engine(parser.plan) if isinstance(parser, LineParser) else None
        self._document = b""
        self._due = 0.0

    def read(self, stretch: Stretch | None, *, final: bool = False) -> list[Item]:
        """Items of the next lines."""
        parser = self.parser
        if isinstance(parser, DocumentParser):
            self._document += stretch.data if stretch and len(self._document) < DOCUMENT_BYTES else b""
            return self._anew(parser) if final or time.monotonic() > self._due else []
        if stretch is None:
            return []
        if isinstance(parser, LineParser) and self._engine:
            return list(parser.fold(self._state, self._place, self._engine.scan(stretch.data, stretch.numbers)))
        assert isinstance(parser, JsonLinesParser)
        return list(parser.fold(self._state, self._place, json_lines(stretch)))

    def _anew(self, parser: DocumentParser) -> list[Item]:
        self._due = time.monotonic() + DOCUMENT_PAUSE
        try:
            return list(parser.parse(self._place, self._document.decode("utf-8", "backslashreplace")))
        except ParseError:  # not complete yet
            return []
