"""Lines read by their shape: one careful look per shape, columns for the rest.

A training log repeats a handful of line *shapes*: the line with every digit replaced by ``0``.  A parser looks
at one line of each shape with ordinary regular expressions and answers with *spans*: here stands ``loss``, there
the clock.  All other lines of that shape are then read by vectorised arithmetic at the same places, so a million
lines cost a million dictionary look-ups and no regular expression.

What makes this exact, not approximate:

- equal shape means equal length and equal text outside digits, so a span found in one line holds in all;
- digits outside every span (``top1``, ``GPU 0``) are compared byte by byte, and a line in which they differ is
  looked at on its own (a *variant* of the shape);
- a number of at most 15 digits with a power of ten up to 22 is one correctly rounded division; any other number
  goes through Python's ``float``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from llmstats import digits
from llmstats.digits import PAD, ColumnReader, Page, Program
from llmstats.records import Ints

#: Chunks of this many bytes keep the working set inside the processor's cache.
CHUNK = 4 << 20
#: Shapes remembered before the memory starts afresh (a file of all different lines must not fill it).
MAX_SHAPES = 50_000

_MASK_DIGITS = bytes.maketrans(b"123456789", b"000000000")


class Field(NamedTuple):
    """Where a value stands in a line: ``[start, end)`` counted in bytes.

    ``kind``: ``number`` (float64), ``duration`` (``1 day, 2:03:04`` -> seconds), ``clock`` (date and time ->
    microseconds; without a year in the text the year is 2000), ``skip`` (digits that carry nothing).
    """

    name: str
    start: int
    end: int
    kind: str = "number"
    unit: str = ""


@dataclass(slots=True, frozen=True)
class Record:
    """A line of data: what kind of record it is, and where its values stand."""

    kind: str
    fields: Sequence[Field]
    constants: tuple[tuple[str, Any], ...] = ()  #: facts that the text outside the values says


@dataclass(slots=True, frozen=True)
class Note:
    """A line that the parser wants to read itself, one by one and in order (events, header blocks)."""

    tag: str = ""


@dataclass(slots=True, frozen=True)
class Suspect:
    """A line that looks like data and cannot be read."""

    reason: str


Plan = Record | Note | Suspect | None
Planner = Callable[[str], Plan]


@dataclass(slots=True)
class Frame:
    """Records of one kind with the same fields; arrays of shape (n,), in the order of their lines."""

    kind: str
    constants: dict[str, Any]
    lines: Ints
    columns: dict[str, npt.NDArray[Any]]
    precision: dict[str, str]
    units: dict[str, str]
    #: How each record is written, as an index into ``spellings``: the precision of each column in such a record.
    spelt: Ints | None = None
    spellings: list[dict[str, str]] = field(default_factory=list)

    def cut(self, lo: int, hi: int) -> Frame:
        """The records at positions ``[lo, hi)``; arrays are views, tables are its own: parsers rename columns.

        The precision is that of these records alone, whatever stands beside them.
        """
        columns = {k: v[lo:hi] for k, v in self.columns.items()}
        present = [] if self.spelt is None else [self.spellings[i] for i in np.unique(self.spelt[lo:hi]).tolist()]
        precision = _finest(present) if present else dict(self.precision)
        return Frame(self.kind, dict(self.constants), self.lines[lo:hi], columns, precision, dict(self.units))


@dataclass(slots=True)
class Scan:
    """One stretch of lines as the engine read it."""

    frames: list[Frame] = field(default_factory=list)
    notes: list[tuple[int, str, str]] = field(default_factory=list)  #: (line, tag, text)
    suspects: list[tuple[int, str, str]] = field(default_factory=list)  #: (line, reason, text)
    lines_total: int = 0

    @property
    def matched(self) -> int:
        return sum(len(f.lines) for f in self.frames)


# --------------------------------------------------------------------------- shapes


@dataclass(slots=True)
class _Shape:
    """A shape with its plan: programs per field, and the literal digits that every line must share."""

    plan: Plan
    programs: tuple[Program, ...] = ()
    precision: tuple[str, ...] = ()
    literals: tuple[tuple[int, int], ...] = ()
    group: int = -1
    sample: bytes = b""
    variants: dict[tuple[bytes, ...], int] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    """Shapes that are computed together: same record, same fields, same program signatures."""

    record: Record
    members: list[int] = field(default_factory=list)


def _compile(plan: Record, text: str) -> tuple[tuple[Program, ...], tuple[str, ...], Record]:
    programs, precision, fields = [], [], []
    for f in plan.fields:
        if f.kind == "skip":
            continue
        part = text[f.start : f.end]
        program, decimals = (
            digits.number(part, f.start) if f.kind == "number"
            else (digits.duration(part, f.start), "0") if f.kind == "duration"
            else (digits.clock(part, f.start), "0")
        )  # fmt: skip
        programs.append(program)
        precision.append(decimals)
        fields.append(f)
    return tuple(programs), tuple(precision), Record(plan.kind, fields, plan.constants)


def _literals(plan: Record, text: str) -> tuple[tuple[int, int], ...]:
    """Runs of digits that no field covers; of a clock with a year, the century counts as literal."""
    covered = bytearray(len(text))
    for f in plan.fields:
        covered[f.start : f.end] = b"\1" * (f.end - f.start)
        if f.kind == "clock" and text[f.start : f.start + 4].isdigit():
            covered[f.start : f.start + 2] = b"\0\0"
    runs = []
    for match in re.finditer(r"[0-9]+", text):
        bare = [i for i in range(match.start(), match.end()) if not covered[i]]
        if bare:
            runs.append((bare[0], bare[-1] + 1))
    return tuple(runs)


class _Memory:
    """The shapes learnt so far."""

    def __init__(self, plan: Planner) -> None:
        self._plan = plan
        self.ids: dict[bytes, int] = {}
        self.shapes: list[_Shape] = []
        self.groups: list[_Group] = []
        self.days: dict[int, int] = {}
        self._group_ids: dict[tuple[Any, ...], int] = {}

    def of_line(self, masked: bytes, line: bytes) -> int:
        """Shape of a line whose digits were masked."""
        known = self.ids.get(masked)
        if known is None:
            known = self.ids[masked] = self._learn(line)
        return known

    def of_variant(self, shape: _Shape, line: bytes) -> int:
        """Shape of a line that has a known shape but other literal digits."""
        key = tuple(line[a:b] for a, b in shape.literals)
        if key not in shape.variants:
            shape.variants[key] = self._learn(line)
        return shape.variants[key]

    def _learn(self, line: bytes) -> int:
        text = line.decode("latin-1")
        plan = self._plan(text)
        shape = _Shape(plan)
        if isinstance(plan, Record):
            try:
                programs, precision, record = _compile(plan, text)
            except ValueError as why:
                shape.plan = Suspect(str(why))
            else:
                shape = _Shape(record, programs, precision, _literals(plan, text), sample=line)
                shape.group = self._group_of(record, programs, len(self.shapes))
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def _group_of(self, record: Record, programs: Iterable[Program], shape_id: int) -> int:
        names = tuple((f.name, f.kind, f.unit) for f in record.fields)
        key = (record.kind, record.constants, names, tuple(p.signature for p in programs))
        number = self._group_ids.get(key)
        if number is None:
            number = self._group_ids[key] = len(self.groups)
            self.groups.append(_Group(record))
        self.groups[number].members.append(shape_id)
        return number


class Engine:
    """Reads stretches of lines with one parser's `plan`; remembers shapes from one stretch to the next."""

    def __init__(self, plan: Planner) -> None:
        self._plan = plan
        self._memory = _Memory(plan)
        self._scratch = np.zeros(8, np.uint8)

    def scan(self, data: bytes, line_numbers: Ints) -> Scan:
        """Read complete lines.

        Args:
            data: normalised text, UTF-8, every line ended by ``\\n``.
            line_numbers: physical line number of each line, shape (n,).
        """
        if len(self._memory.shapes) > MAX_SHAPES:
            self._memory = _Memory(self._plan)
        memory = self._memory
        masked = data.translate(_MASK_DIGITS).split(b"\n")
        masked.pop()
        n = len(masked)
        if not n:
            return Scan()
        lengths = np.fromiter(map(len, masked), np.int64, n)
        starts = np.cumsum(lengths + 1) - lengths - 1
        ids = np.fromiter(map(memory.ids.get, masked, repeat(-1)), np.int64, n)
        for i in np.flatnonzero(ids < 0).tolist():
            ids[i] = memory.of_line(masked[i], data[starts[i] : starts[i] + len(masked[i])])
        stretch = _Stretch(memory, Page(data, starts, self._room(len(data))), ids, lengths, line_numbers)
        return stretch.scan()

    def _room(self, size: int) -> npt.NDArray[np.uint8]:
        """Memory for a page, used again from stretch to stretch: fresh pages of memory cost more than the copy."""
        if len(self._scratch) < size + 3 * PAD:
            self._scratch = np.zeros((size * 5 // 4 + 3 * PAD) // 8 * 8, np.uint8)
        return self._scratch


class _Stretch:
    """One stretch of lines whose shapes are known."""

    def __init__(self, memory: _Memory, page: Page, ids: Ints, lengths: Ints, numbers: Ints) -> None:
        self._memory, self._page, self._ids, self._lengths, self._numbers = memory, page, ids, lengths, numbers

    def scan(self) -> Scan:
        self._split_variants()
        out = Scan(lines_total=len(self._ids))
        group_of_shape = np.fromiter((s.group for s in self._memory.shapes), np.int64)
        of_line = group_of_shape[self._ids]
        parts: dict[tuple[Any, ...], list[Frame]] = {}
        for number in np.unique(of_line).tolist():
            rows = np.flatnonzero(of_line == number)
            if number < 0:
                self._texts(rows, out)
                continue
            frame = self._read(self._memory.groups[number], rows)
            key = (frame.kind, tuple(frame.constants.items()), tuple(frame.columns), tuple(frame.units.items()))
            parts.setdefault(key, []).append(frame)
        out.frames = [_join(frames) for frames in parts.values()]
        return out

    def _line(self, row: int) -> bytes:
        start = self._page.starts[row]
        return self._page.data[start : start + self._lengths[row]]

    def _split_variants(self) -> None:
        """Give lines whose literal digits differ from their shape's sample a shape of their own."""
        for shape_id in np.unique(self._ids).tolist():
            shape = self._memory.shapes[shape_id]
            if not shape.literals:
                continue
            rows = np.flatnonzero(self._ids == shape_id)
            for row in rows[self._page.differ(rows, shape.literals, shape.sample)].tolist():
                self._ids[row] = self._memory.of_variant(shape, self._line(row))

    def _texts(self, rows: Ints, out: Scan) -> None:
        """Notes and suspects among lines that are no records."""
        shapes = self._memory.shapes
        wanted = np.fromiter((s.plan is not None for s in shapes), np.bool_)
        for row in rows[wanted[self._ids[rows]]].tolist():
            plan = shapes[self._ids[row]].plan
            text = self._line(row).decode("utf-8", "backslashreplace")
            if isinstance(plan, Note):
                out.notes.append((int(self._numbers[row]), plan.tag, text))
            elif isinstance(plan, Suspect):
                out.suspects.append((int(self._numbers[row]), plan.reason, text))

    def _read(self, group: _Group, rows: Ints) -> Frame:
        ids = self._ids[rows]
        present = np.unique(ids)
        shapes = [self._memory.shapes[m] for m in present.tolist()]
        local = np.searchsorted(present, ids)
        reader = ColumnReader(self._page, self._page.starts[rows] + PAD, local, self._memory.days)
        fields = group.record.fields
        columns = {f.name: reader.column([s.programs[i] for s in shapes]) for i, f in enumerate(fields)}
        names = [f.name for f in fields]
        spellings = [dict(zip(names, s.precision, strict=True)) for s in shapes]
        units = {f.name: f.unit for f in fields if f.unit}
        constants = dict(group.record.constants)
        lines, precision = self._numbers[rows], _finest(spellings)
        return Frame(group.record.kind, constants, lines, columns, precision, units, local, spellings)


def _finest(spellings: Sequence[dict[str, str]]) -> dict[str, str]:
    """The precision of each column: the most digits that any record has."""
    return {name: max((s[name] for s in spellings), key=_digits) for name in spellings[0]}


def _digits(precision: str) -> int:
    return int(precision.rstrip("e")) if precision else -1


def _join(frames: list[Frame]) -> Frame:
    """Frames that differ only in the programs behind their numbers, as one, in the order of lines."""
    if len(frames) == 1:
        return frames[0]
    first = frames[0]
    lines = np.concatenate([f.lines for f in frames])
    order = np.argsort(lines, kind="stable")
    columns = {k: np.concatenate([f.columns[k] for f in frames])[order] for k in first.columns}
    spellings = [spelling for f in frames for spelling in f.spellings]
    offsets = np.cumsum([0, *(len(f.spellings) for f in frames[:-1])])
    spelt = np.concatenate([f.spelt + offset for f, offset in zip(frames, offsets.tolist(), strict=True)])
    lines, precision = lines[order], _finest(spellings)
    return Frame(first.kind, first.constants, lines, columns, precision, first.units, spelt[order], spellings)
