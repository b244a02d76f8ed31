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

from llmstats.records import Floats, Ints

#: Chunks of this many bytes keep the working set inside the processor's cache.
CHUNK = 4 << 20
#: Shapes remembered before the memory starts afresh (a file of all different lines must not fill it).
MAX_SHAPES = 50_000

_PAD = 16
_MASK_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_NUMBER = re.compile(r"([+-]?)(\d[\d,]*)?(?:\.(\d*))?(?:[eE]([+-]?)(\d+))?$")
_DURATION = re.compile(r"(?:(\d{1,5}) days?, )?(\d{1,5}):(\d{2}):(\d{2})(?:\.(\d+))?$")
_CLOCK = re.compile(r"(?:(\d\d)(\d\d)[/-])?(\d\d)[/-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?")
_NOT_FINITE = {"nan": np.nan, "inf": np.inf, "infinity": np.inf}

U8 = np.uint64
_TOP = np.array([0] + [(~0 << (8 * (8 - w))) & (2**64 - 1) for w in range(1, 9)], dtype=U8)  # top w bytes
_ZEROS = U8(0x3030303030303030)
_TEN = 10.0 ** np.arange(23)


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

    def cut(self, lo: int, hi: int) -> Frame:
        """The records at positions ``[lo, hi)``; views, nothing is copied."""
        columns = {k: v[lo:hi] for k, v in self.columns.items()}
        return Frame(self.kind, self.constants, self.lines[lo:hi], columns, self.precision, self.units)


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


# --------------------------------------------------------------------------- programs: how a span becomes a number


class _Term(NamedTuple):
    """A run of digits that ends at ``end``; ``point`` decimals stand behind a point inside the run."""

    end: int
    width: int
    point: int
    weight: int
    hms: bool = False


@dataclass(slots=True, frozen=True)
class _Program:
    terms: tuple[_Term, ...]
    sign: int = 1
    decimals: int = 0
    exp: _Term | None = None
    exp_sign: int = 1
    constant: float | None = None
    slow: bool = False
    date: _Term | None = None

    @property
    def signature(self) -> tuple[Any, ...]:
        """What must agree for two shapes to be computed together; places, widths and signs may differ."""
        terms = tuple((t.point, t.weight, t.hms) for t in self.terms)
        return terms, self.decimals, self.exp is not None, self.slow, self.date is not None, repr(self.constant)


def _runs(start: int, end: int, weight: int) -> list[_Term]:
    """A run of digits as terms of at most eight."""
    terms = []
    while end - start > 8:
        terms.append(_Term(end, 8, 0, weight))
        end, weight = end - 8, weight * 10**8
    return [*terms, _Term(end, end - start, 0, weight)]


def _number(text: str, at: int) -> tuple[_Program, str]:
    """Program and precision of a plain number whose text starts at byte ``at``."""
    match = _NUMBER.match(text)
    if not match or not (match[2] or match[3]):
        value = _NOT_FINITE.get(text.lstrip("+-").lower())
        if value is None:
            raise ValueError(f"not a number: {text!r}")
        return _Program((), constant=-value if text[0] == "-" else value), ""
    sign, whole, frac = match[1], match[2] or "", match[3] or ""
    exp = _Term(at + match.end(5), len(match[5]), 0, 1) if match[5] else None
    precision = f"{len(frac)}{'e' if exp else ''}"
    if len(whole) + len(frac) > 15 or (exp and exp.width > 8):
        return _Program((_Term(at + len(text), len(text), 0, 1),), slow=True), precision
    terms: list[_Term] = []
    if frac and whole and "," not in whole and len(whole) + len(frac) <= 8:
        terms.append(_Term(at + match.end(3), len(whole) + len(frac), len(frac), 1))
    else:
        if frac:
            terms += _runs(at + match.start(3), at + match.end(3), 1)
        end, weight = at + match.end(2), 10 ** len(frac)
        for part in reversed(whole.split(",")):
            terms += _runs(end - len(part), end, weight) if part else []
            end, weight = end - len(part) - 1, weight * 10 ** len(part)
    exp_sign = -1 if match[4] == "-" else 1
    return _Program(tuple(terms), -1 if sign == "-" else 1, len(frac), exp, exp_sign), precision


def _clocktime(match: re.Match[str], group: int, at: int, days: int | None = None) -> _Program:
    """Hours, minutes, seconds and a fraction, as a number of seconds with decimals."""
    decimals = min(len(match[group + 3] or ""), 9)
    scale = 10**decimals
    end, hours = at + match.end(group + 2), at + match.end(group)
    start = max(at + match.start(group), hours - 2)
    terms = [_Term(end, end - start, 0, scale, hms=True)]
    if start > at + match.start(group):
        terms += _runs(at + match.start(group), start, 360_000 * scale)
    if decimals:
        start = at + match.start(group + 3)
        terms += _runs(start, start + decimals, 1)
    if days is not None and match[days]:
        terms += _runs(at + match.start(days), at + match.end(days), 86400 * scale)
    return _Program(tuple(terms), decimals=decimals)


def _duration(text: str, at: int) -> _Program:
    match = _DURATION.match(text)
    if not match:
        raise ValueError(f"not a duration: {text!r}")
    return _clocktime(match, 2, at, days=1)


def _clock(text: str, at: int) -> _Program:
    match = _CLOCK.match(text)
    if not match:
        raise ValueError(f"not a date and time: {text!r}")
    program = _clocktime(match, 5, at)
    start = match.start(2) if match[2] else match.start(3)
    date = _Term(at + match.end(4), match.end(4) - start, 0, 1)
    return _Program(program.terms, decimals=program.decimals, date=date)


# --------------------------------------------------------------------------- shapes


@dataclass(slots=True)
class _Shape:
    """A shape with its plan: programs per field, and the literal digits that every line must share."""

    plan: Plan
    programs: tuple[_Program, ...] = ()
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


def _compile(plan: Record, text: str) -> tuple[tuple[_Program, ...], tuple[str, ...], Record]:
    programs, precision, fields = [], [], []
    for f in plan.fields:
        if f.kind == "skip":
            continue
        part = text[f.start : f.end]
        program, digits = (
            _number(part, f.start) if f.kind == "number"
            else (_duration(part, f.start), "0") if f.kind == "duration"
            else (_clock(part, f.start), "0")
        )  # fmt: skip
        programs.append(program)
        precision.append(digits)
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

    def _group_of(self, record: Record, programs: Iterable[_Program], shape_id: int) -> int:
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
        stretch = _Stretch(memory, _Page(data, starts, self._room(len(data))), ids, lengths, line_numbers)
        return stretch.scan()

    def _room(self, size: int) -> npt.NDArray[np.uint8]:
        """Memory for a page, used again from stretch to stretch: fresh pages of memory cost more than the copy."""
        if len(self._scratch) < size + 3 * _PAD:
            self._scratch = np.zeros((size * 5 // 4 + 3 * _PAD) // 8 * 8, np.uint8)
        return self._scratch


class _Stretch:
    """One stretch of lines whose shapes are known."""

    def __init__(self, memory: _Memory, page: _Page, ids: Ints, lengths: Ints, numbers: Ints) -> None:
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
        reader = _Reader(self._page, self._page.starts[rows] + _PAD, local, self._memory.days)
        columns: dict[str, npt.NDArray[Any]] = {}
        precision: dict[str, str] = {}
        for i, f in enumerate(group.record.fields):
            columns[f.name] = reader.column([s.programs[i] for s in shapes])
            precision[f.name] = max((s.precision[i] for s in shapes), key=_digits)
        units = {f.name: f.unit for f in group.record.fields if f.unit}
        constants = dict(group.record.constants)
        return Frame(group.record.kind, constants, self._numbers[rows], columns, precision, units)


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
    precision = {k: max((f.precision[k] for f in frames), key=_digits) for k in first.columns}
    return Frame(first.kind, first.constants, lines[order], columns, precision, first.units)


# --------------------------------------------------------------------------- bytes to numbers


class _Page:
    """The bytes of a stretch, and eight of them at any place at once."""

    def __init__(self, data: bytes, starts: Ints, scratch: npt.NDArray[np.uint8]) -> None:
        self.data, self.starts = data, starts
        scratch[_PAD : _PAD + len(data)] = np.frombuffer(data, np.uint8)
        self.bytes = scratch
        self._words = scratch.view("<u8")

    def word(self, ends: Ints) -> npt.NDArray[U8]:
        """The eight bytes before each place, the last one on top; aligned loads, since unaligned ones are slow."""
        at = ends - 8
        low = at >> 3
        shift = ((at & 7) << 3).view(U8)
        word = self._words.take(low)
        word >>= shift
        low += 1
        high = self._words.take(low)
        high <<= U8(63) - shift
        high <<= U8(1)
        word |= high
        return word

    def differ(self, rows: Ints, literals: Sequence[tuple[int, int]], sample: bytes) -> npt.NDArray[np.bool_]:
        """Which rows differ from ``sample`` at the literal places."""
        bad = np.zeros(len(rows), np.bool_)
        starts = self.starts[rows] + _PAD
        for lo, hi in literals:
            for at in range(lo, hi):
                bad |= self.bytes.take(starts + at) != sample[at]
        return bad


class _Reader:
    """Columns of one group of lines."""

    def __init__(self, page: _Page, starts: Ints, local: Ints, days: dict[int, int]) -> None:
        self._page, self._starts, self._local, self._days = page, starts, local, days

    def _per_line(self, values: list[int]) -> Ints | int:
        """A parameter of the shapes, spread over the lines; a plain int where all shapes agree."""
        if len(set(values)) == 1:
            return values[0]
        return np.array(values, np.int64)[self._local]

    def column(self, programs: list[_Program]) -> npt.NDArray[Any]:
        first = programs[0]
        if first.slow:
            return self._slowly(programs)
        if first.constant is not None:
            return np.full(len(self._starts), first.constant)
        mantissa = self._sum(programs)
        if first.date is not None:
            scale: int = 10 ** abs(6 - first.decimals)
            return self._dates(programs) * 86_400_000_000 + (
                mantissa * scale if first.decimals <= 6 else mantissa // scale
            )
        return self._scaled(programs, mantissa)

    def _sum(self, programs: list[_Program]) -> Ints:
        total: Ints | None = None
        for i in range(len(programs[0].terms)):
            terms = [p.terms[i] for p in programs]
            part = self._hms(terms) if terms[0].hms else self._run(terms)
            if terms[0].weight != 1:
                part = part * terms[0].weight
            total = part if total is None else total + part
        assert total is not None
        return total

    def _run(self, terms: list[_Term]) -> Ints:
        """Up to eight digits as an integer, by three multiplications over all lines at once."""
        ends = self._starts + self._per_line([t.end for t in terms])
        word = self._page.word(ends)
        mask = _TOP[self._per_line([t.width for t in terms])]
        point = terms[0].point
        if point:
            frac = _TOP[point]
            whole = word << U8(8)
            if max(t.width for t in terms) == 8:
                whole |= self._page.bytes.take(ends - 9)
            word = ((word & frac) | (whole & ~frac)) ^ _ZEROS
        else:
            word ^= _ZEROS
        word &= mask
        word *= U8(2561)
        word >>= U8(8)
        word &= U8(0x00FF00FF00FF00FF)
        word *= U8(6553601)
        word >>= U8(16)
        word &= U8(0x0000FFFF0000FFFF)
        word *= U8(42949672960001)
        word >>= U8(32)
        return word.view(np.int64)

    def _hms(self, terms: list[_Term]) -> Ints:
        """``HH:MM:SS`` as seconds; the hour may have one digit."""
        word = self._page.word(self._starts + self._per_line([t.end for t in terms])) ^ _ZEROS
        word &= _TOP[self._per_line([t.width for t in terms])]
        b = [(word >> U8(8 * i)) & U8(15) for i in (0, 1, 3, 4, 6, 7)]
        seconds = b[0] * U8(36000) + b[1] * U8(3600) + b[2] * U8(600) + b[3] * U8(60) + b[4] * U8(10) + b[5]
        total: Ints = seconds.view(np.int64)
        return total

    def _scaled(self, programs: list[_Program], mantissa: Ints) -> Floats:
        first = programs[0]
        sign = self._per_line([p.sign for p in programs])
        if first.exp is None:
            values = mantissa.astype(np.float64)
            if first.decimals:
                values /= _TEN[first.decimals]
        else:
            exponent = self._run([p.exp for p in programs if p.exp]) * self._per_line([p.exp_sign for p in programs])
            exponent -= first.decimals
            values = _power(mantissa.astype(np.float64), exponent)
            for i in np.flatnonzero(np.abs(exponent) > 22).tolist():
                values[i] = float(f"{mantissa[i]}e{exponent[i]}")
        return values if isinstance(sign, int) and sign == 1 else values * sign

    def _slowly(self, programs: list[_Program]) -> Floats:
        texts = self._texts([p.terms[0] for p in programs])
        return np.array([float(t.replace(b",", b"")) for t in texts])

    def _texts(self, terms: list[_Term]) -> list[bytes]:
        ends = self._starts + self._per_line([t.end for t in terms]) - _PAD
        begins = ends - self._per_line([t.width for t in terms])
        return [self._page.data[a:b] for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]

    def _dates(self, programs: list[_Program]) -> Ints:
        """Days since 1970; a log changes its date rarely, so each stretch of equal dates is decoded once."""
        dates = [p.date for p in programs if p.date]
        word = self._page.word(self._starts + self._per_line([d.end for d in dates]))
        word &= _TOP[self._per_line([d.width for d in dates])]
        cuts = np.flatnonzero(word[1:] != word[:-1]) + 1
        begins = np.concatenate([[0], cuts])
        days = [self._day(int(word[i])) for i in begins.tolist()]
        return np.repeat(np.array(days, np.int64), np.diff(np.append(begins, len(word))))

    def _day(self, code: int) -> int:
        known = self._days.get(code)
        if known is None:
            digits = code.to_bytes(8, "little").strip(b"\0").decode("latin-1")
            known = self._days[code] = _days_since_1970(digits)
        return known


def _power(values: Floats, exponent: Ints) -> Floats:
    """``values * 10**exponent``, rounded once; callers mend exponents beyond 22."""
    size = np.minimum(np.abs(exponent), 22)
    return np.where(exponent < 0, values / _TEN[size], values * _TEN[size])


def _days_since_1970(text: str) -> int:
    """``YY/MM/DD`` (this century) or ``MM/DD`` (of the year 2000)."""
    parts = [int(p) for p in re.split(r"[/-]", text)]
    year, month, day = (2000 + parts[0], parts[1], parts[2]) if len(parts) == 3 else (2000, parts[0], parts[1])
    try:
        return int(np.datetime64(f"{year:04}-{month:02}-{day:02}", "D").astype(np.int64))
    except ValueError:
        return 0
