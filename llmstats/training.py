"""What all step logs share: runs appended in one file, steps of validation lines, frames as points.

A parser of a training log reads lines into frames whose service columns begin with ``@`` (``@clock``,
``@step``, ``@epoch``, ``@rank``); every other column is a metric under its raw name.  `StepLog` does the
rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from llmstats.parsing import Objects, State
from llmstats.records import FULL, Column, Ints, Points, Run
from llmstats.shapes import Field, Frame

_DAY = 86_400_000_000
_YEAR_2000 = 10957  # days from 1970 to 2000, the year of clocks whose text has none
_RANK = re.compile(r"(?:^|\s|\[)(?:rank|RANK|default)[ _]?(\d{1,6})\]|(?:^|Z )\s*(\d{1,6}): ")
_CONFLICT = re.compile(r"(<<<<<<< |=======$|>>>>>>> )")

_COUNTABLE = 2.0**53

#: Tag of notes that hold a Git conflict marker.
CONFLICT = "conflict"

#: Output of a program that `llmstats run train` launched: ``{work_dir}/{work}/{time of the start}/launched.log``.
LAUNCHED = "launched.log"


def is_conflict_marker(text: str) -> bool:
    """Whether a line was left by a Git merge (``<<<<<<< HEAD``, ``=======``, ``>>>>>>> branch``)."""
    return bool(_CONFLICT.match(text))


def prefix_fields(text: str, end: int) -> list[Field]:
    """Fields of what srun, torchrun, ssh, docker or a progress bar put in front of a line, ``text[:end]``.

    The rank (``12: ``, ``[default7]:``, ``[rank0]:``, ``[RANK 3]``) becomes ``@rank``; all else is skipped.
    """
    if end <= 0:
        return []
    match = _RANK.search(text[:end])
    if not match:
        return [Field("", 0, end, "skip")]
    start, stop = match.span(1 if match[1] else 2)
    return [Field("", 0, start, "skip"), Field("@rank", start, stop), Field("", stop, end, "skip")]


@dataclass(slots=True)
class Train:
    """Train records of a stretch, whatever their frame: shape (n,), in the order of lines."""

    lines: Ints
    steps: Ints
    ranks: Ints
    runs: Ints  #: index of the run that each record belongs to
    marks: Ints  #: lines at which the newest run or its last step changes (records, edges), shape (m,)
    mark_runs: Ints  #: newest run from that line on, shape (m,)
    mark_steps: Ints  #: last step of that run, over all ranks; -1 if it has none yet


class StepLog:
    """Tells the runs of one file apart and gives validation its step; its memory lives in the parser's state.

    A train step that goes back (per rank) begins the next run; so does an explicit `breaks` (a new header)
    after records were seen.  Between the two halves of a Git conflict steps may go back: both sides tell of
    one run. Everything depends on earlier lines only, so it does not matter where a file is cut into
    stretches.
    """

    def __init__(self, state: State) -> None:
        self._memory: dict[str, Any] = state.setdefault("steps", {"run": 0, "step": -1, "last": {}, "conflict": False})

    @property
    def run(self) -> int:
        """Index of the newest run, from 0."""
        return int(self._memory["run"])

    def read(
        self, frames: Iterable[Frame], breaks: Iterable[int] = (), markers: Iterable[tuple[int, str]] = ()
    ) -> Train:
        """Sort train records into runs.

        Args:
            frames: train frames with ``@step`` and perhaps ``@rank``.
            breaks: lines at which a new run announces itself.
            markers: Git conflict markers, (line, text).
        """
        lines, steps, ranks = _columns(list(frames))
        runs = np.zeros(len(lines), np.int64)
        marks: list[tuple[Ints, Ints, Ints]] = []
        edges = [(line, "break") for line in breaks] + [(line, text[:7]) for line, text in markers]
        begin = 0
        for line, what in [*sorted(edges), (0, "")]:
            end = int(np.searchsorted(lines, line)) if what else len(lines)
            part = slice(begin, end)
            self._stretch(steps[part], ranks[part], runs[part])
            marks.append((lines[part], *self._newest(steps[part], runs[part])))
            begin = end
            if what and self._edge(what):
                marks.append((np.array([line]), np.array([self.run]), np.array([-1])))
        return Train(lines, steps, ranks, runs, *(np.concatenate(column) for column in zip(*marks, strict=True)))

    def _edge(self, what: str) -> bool:
        """Take a break or a marker; whether steps are counted afresh from here."""
        memory = self._memory
        if what == "break" and memory["last"] and not memory["conflict"]:
            memory["run"], memory["last"], memory["step"] = memory["run"] + 1, {}, -1
            return True
        if what == "=======" and memory["conflict"]:
            memory["last"] = {k: [run, 0] for k, (run, _) in memory["last"].items()}
            memory["step"] = -1
            return True
        if what != "break":
            memory["conflict"] = what == "<<<<<<<"
        return False

    def _stretch(self, steps: Ints, ranks: Ints, runs: Ints) -> None:
        """Fill ``runs``; remember the last step of each rank."""
        last = self._memory["last"]
        for rank, first in _by_appearance(ranks):
            mine = slice(None) if (ranks == rank).all() else np.flatnonzero(ranks == rank)
            own = steps[mine]
            run, step = last.get(str(rank)) or (max(self.run, int(runs[:first].max(initial=0))), 0)
            index = run + np.cumsum(np.diff(own, prepend=step) < 0)
            runs[mine] = index
            last[str(rank)] = [int(index[-1]), int(own[-1])]

    def _newest(self, steps: Ints, runs: Ints) -> tuple[Ints, Ints]:
        """Newest run and its last step at each record, over all ranks; remembered for what follows."""
        memory = self._memory
        newest = np.maximum.accumulate(np.maximum(runs, memory["run"]))
        span = np.int64(1) << 40
        own = np.where(runs == newest, steps, -1)
        own = np.where(newest == memory["run"], np.maximum(own, memory["step"]), own)
        highest = np.maximum.accumulate(newest * span + own) - newest * span
        if len(runs):
            memory["run"], memory["step"] = int(newest[-1]), int(highest[-1])
        return newest, highest

    def before(self, train: Train, lines: Ints, memory: dict[str, Any]) -> tuple[Ints, Ints]:
        """Run index and last train step before each of ``lines``; step -1 where there was none.

        ``memory`` is `remembered` as it was before this stretch.
        """
        if not len(train.marks):
            return np.full(len(lines), memory["run"]), np.full(len(lines), memory["step"])
        at = np.searchsorted(train.marks, lines, "right") - 1
        runs = np.where(at >= 0, train.mark_runs[at], memory["run"])
        return runs, np.where(at >= 0, train.mark_steps[at], memory["step"])

    def at(self, train: Train, line: int, memory: dict[str, Any]) -> int:
        """Index of the run of a line outside the records; a break's line belongs to the new run."""
        at = int(train.marks.searchsorted(line, "right")) - 1
        return int(train.mark_runs[at]) if at >= 0 else int(memory["run"])

    def remembered(self) -> dict[str, Any]:
        """Newest run and its last step at the end of the previous stretch; step -1 if it has none."""
        return {"run": self._memory["run"], "step": self._memory["step"]}


def _by_appearance(ranks: Ints) -> list[tuple[int, int]]:
    """Each rank with the place of its first record, in the order of these places."""
    unique, first = np.unique(ranks, return_index=True)
    return sorted(zip(unique.tolist(), first.tolist(), strict=True), key=lambda pair: pair[1])


def _columns(frames: list[Frame]) -> tuple[Ints, Ints, Ints]:
    if not frames:
        empty = np.zeros(0, np.int64)
        return empty, empty, empty
    lines = np.concatenate([f.lines for f in frames])
    steps = np.concatenate([whole(f.columns["@step"]) for f in frames])
    ranks = np.concatenate([ranks_of(f) for f in frames])
    if len(frames) == 1:
        return lines, steps, ranks
    order = np.argsort(lines, kind="stable")
    return lines[order], steps[order], ranks[order]


def whole(values: npt.NDArray[Any]) -> Ints:
    """A column of counters as integers; -1 where a value is none (NaN, or beyond what a float counts exactly)."""
    values = np.asarray(values)
    if values.dtype.kind == "f":
        values = np.where(np.abs(values) < _COUNTABLE, values, -1.0)
    return values.astype(np.int64)


def ranks_of(frame: Frame) -> Ints:
    """Rank of each record, -1 where the line does not say."""
    if "@rank" in frame.columns:
        return whole(frame.columns["@rank"])
    return np.full(len(frame.lines), -1, np.int64)


def run_name(base: str, index: int) -> str:
    """Name of the ``index``-th run appended in one file: ``toy``, ``toy#2``, ``toy#3``."""
    return base if index == 0 else f"{base}#{index + 1}"


def points(
    frame: Frame, phase: str, base: str, runs: Ints, steps: Ints, times: Ints | None, rank: int | None = None
) -> Iterator[Points]:
    """Points of one frame, one item per run and rank.

    Args:
        frame: columns whose names begin with ``@`` are service columns and carry no metric.
        runs: index of the run of each record, shape (n,).
        steps: global step of each record, shape (n,); -1 where there is none.
        rank: rank of the whole file where its name says so; a rank in the line wins.
    """
    metrics = [k for k in frame.columns if not k.startswith("@")]
    ranks = ranks_of(frame)
    unknown = steps < 0
    for key, rows in _groups(runs, ranks, unknown.astype(np.int64)):
        run, own_rank, stepless = key
        epochs = whole(frame.columns["@epoch"])[rows] if "@epoch" in frame.columns else None
        yield Points(
            run=run_name(base, run),
            phase=phase,
            lines=frame.lines[rows],
            values={
                k: Column(frame.columns[k][rows], frame.precision.get(k, FULL), frame.units.get(k, "")) for k in metrics
            },
            steps=None if stepless else steps[rows],
            epochs=epochs,
            times=None if times is None else times[rows],
            rank=own_rank if own_rank >= 0 else rank,
        )


def _groups(*keys: Ints) -> Iterator[tuple[tuple[int, ...], slice | Ints]]:
    """Rows by equal keys; a plain slice where there is one group only."""
    if not len(keys[0]):
        return
    if all(len(k) == 1 or (k[0] == k).all() for k in keys):
        yield tuple(int(k[0]) for k in keys), slice(None)
        return
    stacked = np.stack(keys, axis=1)
    unique, inverse = np.unique(stacked, axis=0, return_inverse=True)
    for i, key in enumerate(unique.tolist()):
        yield tuple(key), np.flatnonzero(inverse.ravel() == i)


# --------------------------------------------------------------------------- clocks without a year


def with_year(times: Ints, start_year: int, state: State) -> Ints:
    """Put clocks of the year 2000 (`shapes`: text without a year) into the year they were written in.

    Args:
        times: microseconds, shape (n,), in the order of lines.
        start_year: year of the first line of the file.
        state: remembers the year between stretches; New Year is seen where the date jumps back by months.
    """
    if not len(times):
        return times
    days = times // _DAY - _YEAR_2000
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(days)) + 1])
    year, last = state.get("year", [start_year, int(days[0])])
    shift = np.zeros(len(cuts), np.int64)
    for i, day in enumerate(days[cuts].tolist()):
        year += day < last - 180
        last = day
        shift[i] = _in_year(day, year) - (day + _YEAR_2000)
    state["year"] = [int(year), int(last)]
    return times + np.repeat(shift, np.diff(np.append(cuts, len(times)))) * _DAY


def _in_year(day_of_2000: int, year: int) -> int:
    """Days since 1970 of the same month and day in ``year``."""
    then = date.fromordinal(date(2000, 1, 1).toordinal() + day_of_2000)
    if (then.month, then.day) == (2, 29) and (year % 4 or (year % 100 == 0 and year % 400)):
        then = date(2000, 3, 1)
    return then.replace(year=year).toordinal() - date(1970, 1, 1).toordinal()


def year_of_start(stamps: Iterable[str], mtime: float, first_day: int) -> int:
    """Year in which a log without years began.

    Args:
        stamps: texts that may hold ``YYYYMMDD_HHMMSS`` (directory, file name, experiment name).
        mtime: seconds, when the file was last written; the log cannot end later.
        first_day: day since 1970 of the first line, in the year 2000.
    """
    for stamp in stamps:
        found = re.search(r"(20\d\d)(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])_?\d{6}", stamp)
        if found:
            return int(found[1])
    last = datetime.fromtimestamp(mtime, UTC).date()
    first = date.fromordinal(date(2000, 1, 1).toordinal() + first_day - _YEAR_2000)
    return last.year - ((first.month, first.day) > (last.month, last.day))


def microseconds(text: str) -> int | None:
    """``2025-02-09 07:49:32`` (or with ``/``, ``T``, a fraction) as microseconds since 1970, no zone."""
    match = re.match(r"(\d{4})[-/](\d\d)[-/](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?", text)
    if not match:
        return None
    y, mo, d, h, mi, s = (int(match[i]) for i in range(1, 7))
    fraction = int((match[7] or "0").ljust(6, "0"))
    try:
        days = date(y, mo, d).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    return days * _DAY + ((h * 60 + mi) * 60 + s) * 1_000_000 + fraction


# --------------------------------------------------------------------------- JSON lines


def frames_of(objects: Objects, service: dict[str, str], phase_of: Any) -> list[Frame]:
    """JSON records as frames, grouped by phase and set of numeric keys.

    Args:
        service: JSON key -> service column (``{"step": "@step", "epoch": "@epoch"}``).
        phase_of: function of the record that gives its phase (also the frame's kind).
    """
    groups: dict[tuple[str, tuple[str, ...]], _Rows] = {}
    for line, row in objects.rows:
        groups.setdefault((phase_of(row), tuple(row)), []).append((line, row))
    frames = []
    for (phase, keys), rows in groups.items():
        for numeric, part in _by_numbers(keys, rows):
            columns: dict[str, npt.NDArray[Any]] = {
                service.get(k, k): np.array([row[k] for _, row in part], np.float64) for k in numeric
            }
            lines = np.array([line for line, _ in part], np.int64)
            frames.append(Frame(phase, {}, lines, columns, dict.fromkeys(columns, FULL), {}))
    return frames


_Rows = list[tuple[int, dict[str, Any]]]
_NUMBERS = {int, float}


def _by_numbers(keys: tuple[str, ...], rows: _Rows) -> Iterator[tuple[tuple[str, ...], _Rows]]:
    """Records of equal keys, split where a value is a number in one and none in another."""
    kinds = {k: set(map(type, (row[k] for _, row in rows))) for k in keys}
    if all(kind <= _NUMBERS or not kind & _NUMBERS for kind in kinds.values()):
        yield tuple(k for k in keys if kinds[k] <= _NUMBERS), rows
        return
    parts: dict[tuple[str, ...], _Rows] = {}
    for line, row in rows:
        parts.setdefault(tuple(k for k in keys if type(row[k]) in _NUMBERS), []).append((line, row))
    yield from parts.items()


# --------------------------------------------------------------------------- facts between two stretches


#: A run that says any of these has a header of its own.
_HEADER = ("model", "device", "device_count", "environment")
_CARRIED = (*_HEADER, "dataset", "vendor", "node_count", "precision", "parallelism", "config")


def _filled(run: Run, before: Run, name: str) -> Any:
    """A fact of a run, else of the one before it; of settings each."""
    own, earlier = getattr(run, name), getattr(before, name)
    return earlier | own if isinstance(own, dict) else earlier if own is None else own


class Runs:
    """The runs of one file as far as read; `save` puts them back into the parser's state."""

    def __init__(self, state: State, new: Callable[[int], Run]) -> None:
        self._kept: dict[str, Any] = state.setdefault("runs", {})
        self._new = new
        self._open: dict[int, Run] = {}

    def __getitem__(self, index: int) -> Run:
        """The run appended as number ``index`` (0 is the first)."""
        run = self._open.get(index)
        if run is None:
            facts = self._kept.get(str(index))
            run = self._open[index] = Run(**facts) if facts else self._new(index)
        return run

    def span(self, runs: Ints, times: Ints | None) -> None:
        """Widen the known time of each run by the clocks of its records, both of shape (n,)."""
        if times is None or not len(times):
            return
        for index in np.unique(runs).tolist():
            mine = times if runs[0] == index and (runs == index).all() else times[runs == index]
            run = self[index]
            first, last = int(mine.min()), int(mine.max())
            run.started_at = first if run.started_at is None else min(run.started_at, first)
            run.ended_at = last if run.ended_at is None else max(run.ended_at, last)

    def told(self, newest: int) -> Iterator[Run]:
        """All runs up to number ``newest``; one that says nothing of itself has the facts of the one before it.

        Where steps go back without a new header, what the log stated at its head still holds.  Runs are filled as they
        are handed on and not in the state: a header that is still to come is then taken as it is.
        """
        before: Run | None = None
        for index in range(newest + 1):
            run = self[index]
            if before is not None and not any(getattr(run, name) for name in _HEADER):
                run = replace(run, **{name: _filled(run, before, name) for name in _CARRIED})
            yield run
            before = run

    def save(self) -> None:
        for index, run in self._open.items():
            self._kept[str(index)] = {f.name: getattr(run, f.name) for f in fields(run)}
