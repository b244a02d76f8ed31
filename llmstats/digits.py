"""Digits to numbers: the arithmetic behind `llmstats.shapes`.

A span of text is compiled once per shape into a `Program` (where its runs of digits end, what each weighs); a `Page`
gives eight bytes of any place for all lines at once, and a `ColumnReader` turns them into a column with three
multiplications per run.  Places are counted in bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from llmstats.records import Floats, Ints

#: Bytes before the first line of a page, so that a word may begin before it.
PAD = 16

_NUMBER = re.compile(r"([+-]?)(\d[\d,]*)?(?:\.(\d*))?(?:[eE]([+-]?)(\d+))?$")
_DURATION = re.compile(r"(?:(\d{1,5}) days?, )?(\d{1,5}):(\d{2}):(\d{2})(?:\.(\d+))?$")
_CLOCK = re.compile(r"(?:(\d\d)(\d\d)[/-])?(\d\d)[/-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?")
_NOT_FINITE = {"nan": np.nan, "inf": np.inf, "infinity": np.inf}

U8 = np.uint64
_TOP = np.array([0] + [(~0 << (8 * (8 - w))) & (2**64 - 1) for w in range(1, 9)], dtype=U8)  # top w bytes
_ZEROS = U8(0x3030303030303030)
_TEN = 10.0 ** np.arange(23)


# --------------------------------------------------------------------------- programs: how a span becomes a number


class Term(NamedTuple):
    """A run of digits that ends at ``end``; ``point`` decimals stand behind a point inside the run."""

    end: int
    width: int
    point: int
    weight: int
    hms: bool = False


@dataclass(slots=True, frozen=True)
class Program:
    terms: tuple[Term, ...]
    sign: int = 1
    decimals: int = 0
    exp: Term | None = None
    exp_sign: int = 1
    constant: float | None = None
    slow: bool = False
    date: Term | None = None

    @property
    def signature(self) -> tuple[Any, ...]:
        """What must agree for two shapes to be computed together; places, widths and signs may differ."""
        terms = tuple((t.point, t.weight, t.hms) for t in self.terms)
        return terms, self.decimals, self.exp is not None, self.slow, self.date is not None, repr(self.constant)


def _runs(start: int, end: int, weight: int) -> list[Term]:
    """A run of digits as terms of at most eight."""
    terms = []
    while end - start > 8:
        terms.append(Term(end, 8, 0, weight))
        end, weight = end - 8, weight * 10**8
    return [*terms, Term(end, end - start, 0, weight)]


def number(text: str, at: int) -> tuple[Program, str]:
    """Program and precision of a plain number whose text starts at byte ``at``."""
    match = _NUMBER.match(text)
    if not match or not (match[2] or match[3]):
        value = _NOT_FINITE.get(text.lstrip("+-").lower())
        if value is None:
            raise ValueError(f"not a number: {text!r}")
        return Program((), constant=-value if text[0] == "-" else value), ""
    sign, whole, frac = match[1], match[2] or "", match[3] or ""
    exp = Term(at + match.end(5), len(match[5]), 0, 1) if match[5] else None
    precision = f"{len(frac)}{'e' if exp else ''}"
    if len(whole) + len(frac) > 15 or (exp and exp.width > 8):
        return Program((Term(at + len(text), len(text), 0, 1),), slow=True), precision
    terms: list[Term] = []
    if frac and whole and "," not in whole and len(whole) + len(frac) <= 8:
        terms.append(Term(at + match.end(3), len(whole) + len(frac), len(frac), 1))
    else:
        if frac:
            terms += _runs(at + match.start(3), at + match.end(3), 1)
        end, weight = at + match.end(2), 10 ** len(frac)
        for part in reversed(whole.split(",")):
            terms += _runs(end - len(part), end, weight) if part else []
            end, weight = end - len(part) - 1, weight * 10 ** len(part)
    exp_sign = -1 if match[4] == "-" else 1
    return Program(tuple(terms), -1 if sign == "-" else 1, len(frac), exp, exp_sign), precision


def _clocktime(match: re.Match[str], group: int, at: int, days: int | None = None) -> Program:
    """Hours, minutes, seconds and a fraction, as a number of seconds with decimals."""
    decimals = min(len(match[group + 3] or ""), 9)
    scale = 10**decimals
    end, hours = at + match.end(group + 2), at + match.end(group)
    start = max(at + match.start(group), hours - 2)
    terms = [Term(end, end - start, 0, scale, hms=True)]
    if start > at + match.start(group):
        terms += _runs(at + match.start(group), start, 360_000 * scale)
    if decimals:
        start = at + match.start(group + 3)
        terms += _runs(start, start + decimals, 1)
    if days is not None and match[days]:
        terms += _runs(at + match.start(days), at + match.end(days), 86400 * scale)
    return Program(tuple(terms), decimals=decimals)


def duration(text: str, at: int) -> Program:
    match = _DURATION.match(text)
    if not match:
        raise ValueError(f"not a duration: {text!r}")
    return _clocktime(match, 2, at, days=1)


def clock(text: str, at: int) -> Program:
    match = _CLOCK.match(text)
    if not match:
        raise ValueError(f"not a date and time: {text!r}")
    program = _clocktime(match, 5, at)
    start = match.start(2) if match[2] else match.start(3)
    date = Term(at + match.end(4), match.end(4) - start, 0, 1)
    return Program(program.terms, decimals=program.decimals, date=date)


# --------------------------------------------------------------------------- bytes to numbers


class Page:
    """The bytes of a stretch, and eight of them at any place at once."""

    def __init__(self, data: bytes, starts: Ints, scratch: npt.NDArray[np.uint8]) -> None:
        self.data, self.starts = data, starts
        scratch[PAD : PAD + len(data)] = np.frombuffer(data, np.uint8)
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
        starts = self.starts[rows] + PAD
        for lo, hi in literals:
            for at in range(lo, hi):
                bad |= self.bytes.take(starts + at) != sample[at]
        return bad


class ColumnReader:
    """Columns of one group of lines."""

    def __init__(self, page: Page, starts: Ints, local: Ints, days: dict[int, int]) -> None:
        self._page, self._starts, self._local, self._days = page, starts, local, days

    def _per_line(self, values: list[int]) -> Ints | int:
        """A parameter of the shapes, spread over the lines; a plain int where all shapes agree."""
        if len(set(values)) == 1:
            return values[0]
        return np.array(values, np.int64)[self._local]

    def column(self, programs: list[Program]) -> npt.NDArray[Any]:
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

    def _sum(self, programs: list[Program]) -> Ints:
        total: Ints | None = None
        for i in range(len(programs[0].terms)):
            terms = [p.terms[i] for p in programs]
            part = self._hms(terms) if terms[0].hms else self._run(terms)
            if terms[0].weight != 1:
                part = part * terms[0].weight
            total = part if total is None else total + part
        assert total is not None
        return total

    def _run(self, terms: list[Term]) -> Ints:
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

    def _hms(self, terms: list[Term]) -> Ints:
        """``HH:MM:SS`` as seconds; the hour may have one digit."""
        word = self._page.word(self._starts + self._per_line([t.end for t in terms])) ^ _ZEROS
        word &= _TOP[self._per_line([t.width for t in terms])]
        b = [(word >> U8(8 * i)) & U8(15) for i in (0, 1, 3, 4, 6, 7)]
        seconds = b[0] * U8(36000) + b[1] * U8(3600) + b[2] * U8(600) + b[3] * U8(60) + b[4] * U8(10) + b[5]
        total: Ints = seconds.view(np.int64)
        return total

    def _scaled(self, programs: list[Program], mantissa: Ints) -> Floats:
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

    def _slowly(self, programs: list[Program]) -> Floats:
        texts = self._texts([p.terms[0] for p in programs])
        return np.array([float(t.replace(b",", b"")) for t in texts])

    def _texts(self, terms: list[Term]) -> list[bytes]:
        ends = self._starts + self._per_line([t.end for t in terms]) - PAD
        begins = ends - self._per_line([t.width for t in terms])
        return [self._page.data[a:b] for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]

    def _dates(self, programs: list[Program]) -> Ints:
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
