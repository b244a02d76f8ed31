"""Runs one parser over bytes the way the ingest does, and makes what comes out comparable."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

from llmstats import formats
from llmstats.canonical import canonical
from llmstats.parsing import (
    HEAD_BYTES,
    BinaryParser,
    DocumentParser,
    Head,
    JsonLinesParser,
    LineParser,
    Parser,
    Place,
    Sample,
)
from llmstats.records import NO_TIME, Event, Issue, Item, Measurement, Points, Request, Run
from llmstats.shapes import Engine
from llmstats.stretches import binary_items, document_items, json_lines, scan_together
from llmstats.text import Normaliser, Stretch

#: 2026-01-15: the day on which every file of a test was last written.
MTIME = 1768435200.0
ROOT = "/data/logs"


@dataclass(frozen=True)
class Point:
    """One value of a series."""

    run: str
    phase: str
    rank: int | None
    metric: str
    raw_name: str
    step: int | None
    epoch: int | None
    time: int | None
    line: int
    value: float

    @property
    def comparable(self) -> tuple[Any, ...]:
        """All of it; NaN equals NaN."""
        return (*list(asdict(self).values())[:-1], repr(self.value))


@dataclass
class Outcome:
    """What a parser made of some bytes."""

    parser: Parser
    items: list[Item] = field(default_factory=list)
    matched: int = 0
    _flat: dict[str, Any] | None = None

    def of(self, kind: type) -> list[Any]:
        return [item for item in self.items if isinstance(item, kind)]

    @property
    def runs(self) -> dict[str, Run]:
        """The last word on each run."""
        return {run.name: run for run in self.of(Run)}

    @property
    def points(self) -> list[Point]:
        return [point for item in self.of(Points) for point in _points(self.parser, item)]

    @property
    def events(self) -> list[Event]:
        return sorted(self.of(Event), key=lambda e: e.line or 0)

    @property
    def suspects(self) -> list[Issue]:
        return [issue for issue in self.of(Issue) if issue.suspect]

    @property
    def lines(self) -> set[int]:
        """Lines that values stand on."""
        rows = [*self.of(Measurement), *self.of(Request)]
        return {p.line for p in self.points} | {row.line for row in rows if row.line}

    @property
    def cited(self) -> set[int]:
        """Lines that anything but a complaint stands on: the records of a document."""
        lines = (set(points.lines.tolist()) for points in self.of(Points))
        return self.lines.union({event.line for event in self.events if event.line}, *lines)

    @property
    def precisions(self) -> list[tuple[str, ...]]:
        """How finely each column is written."""
        found = {
            (p.run, p.phase, str(p.rank), raw, c.precision) for p in self.of(Points) for raw, c in p.values.items()
        }
        return sorted(found)

    def flat(self) -> dict[str, Any]:
        """Everything, in an order of its own: equal for equal content however it came in stretches."""
        if self._flat is None:
            self._flat = self._flattened()
        return self._flat

    def _flattened(self) -> dict[str, Any]:
        rows = [*self.of(Measurement), *self.of(Request), *self.events, *self.of(Issue)]
        return {
            "matched": self.matched,
            "runs": {name: asdict(run) for name, run in sorted(self.runs.items())},
            "points": sorted((p.comparable for p in self.points), key=repr),
            "rows": sorted(f"{type(row).__name__} {asdict(row)}" for row in rows),
        }


def _points(parser: Parser, item: Points) -> Iterator[Point]:
    form = canonical(parser, item)
    none = [None] * len(item.lines)
    steps = none if item.steps is None else item.steps.tolist()
    epochs = none if item.epochs is None else item.epochs.tolist()
    times = none if item.times is None else [None if t == NO_TIME else t for t in item.times.tolist()]
    for series in form.series:
        for i, line in enumerate(item.lines.tolist()):
            yield Point(
                item.run, item.phase, item.rank, series.metric, series.raw_name,
                steps[i], epochs[i], times[i], line, float(series.values[i]),
            )  # fmt: skip


def place(path: str) -> Place:
    return Place(f"{ROOT}/{path}", MTIME)


def head(path: str, raw: bytes) -> Head:
    """What detection sees of a file."""
    stretch = Normaliser().feed(raw[:HEAD_BYTES], final=True)
    return Head(place(path), stretch.data.decode("utf-8", "backslashreplace") if stretch else "", raw[:HEAD_BYTES])


def detect(head: Head) -> formats.Verdict:
    """What ingest would take a file for: binary formats are asked first."""
    binary = formats.detect_binary(head)
    return binary if binary.parser or binary.ambiguous else formats.detect(head)


def complete_text(raw: bytes) -> bytes:
    """What a parser sees of a file that may still grow: its complete lines."""
    stretch = Normaliser().feed(raw, final=False)
    return stretch.data if stretch else b""


def read(parser: Parser, path: str, raw: bytes, *, cuts: Sequence[int] = (), final: bool = True) -> Outcome:
    """Items of a file.

    Args:
        cuts: places in ``raw`` where one reading ends and the next goes on, with nothing but the parser's
            state (through JSON) between them.
        final: the file has ended; else an unfinished last line is held back.
    """
    outcome = Outcome(parser)
    if isinstance(parser, BinaryParser):
        outcome.items, outcome.matched = binary_items(parser, place(path), raw)
        return outcome
    if isinstance(parser, DocumentParser):
        stretch = Normaliser().feed(raw, final=True)
        outcome.items, outcome.matched = document_items(parser, place(path), raw, stretch)
        return outcome
    state = parser.start(place(path))
    normaliser = Normaliser()
    edges = [0, *cuts, len(raw)]
    for start, stop in pairwise(edges):
        stretch = normaliser.feed(raw[start:stop], final=final and stop == len(raw))
        if stretch is not None:
            _fold(outcome, state, path, stretch)
            state = json.loads(json.dumps(state))
    return outcome


@cache
def engine(parser: LineParser) -> Engine:
    """One engine per format for all its files, as a worker keeps it."""
    return Engine(parser.plan)


def _fold(outcome: Outcome, state: dict[str, Any], path: str, stretch: Stretch) -> None:
    parser = outcome.parser
    if isinstance(parser, LineParser):
        scan = engine(parser).scan(stretch.data, stretch.numbers)
        outcome.matched += scan.matched
        outcome.items += parser.fold(state, place(path), scan)
        return
    assert isinstance(parser, JsonLinesParser)
    objects = json_lines(stretch)
    outcome.matched += len(objects.rows)
    outcome.items += parser.fold(state, place(path), objects)
    broken = [(line, text) for line, text in objects.notes if text.lstrip().startswith("{")]
    outcome.items += [Issue("broken JSON object", line, text[:500]) for line, text in broken]


def read_together(parser: LineParser, samples: Sequence[Sample]) -> list[Outcome]:
    """Items of several files whose lines the engine sees in one call."""
    stretches = [stretch for s in samples if (stretch := Normaliser().feed(s.raw, final=True))]
    outcomes = []
    for sample, scan in zip(samples, scan_together(engine(parser), stretches), strict=True):
        outcome = Outcome(parser, matched=scan.matched)
        outcome.items += parser.fold(parser.start(place(sample.path)), place(sample.path), scan)
        outcomes.append(outcome)
    return outcomes


_WHOLE: dict[tuple[str, int], Outcome] = {}


def read_sample(parser: Parser, sample: Sample, **how: Any) -> Outcome:
    """What a sample gives; read once where it is read in the ordinary way."""
    if how:
        return read(parser, sample.path, sample.raw, **how)
    key = (parser.name, id(sample))
    if key not in _WHOLE:
        _WHOLE[key] = read(parser, sample.path, sample.raw)
    return _WHOLE[key]


def same(value: float | None, expected: float | None) -> bool:
    """Equality of canonical values; the factor of a unit may round."""
    if value is None or expected is None:
        return value is expected
    return math.isclose(value, expected, rel_tol=1e-12) or (math.isnan(value) and math.isnan(expected))
