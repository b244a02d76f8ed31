"""What text logs of one line per step share when nothing but the stream tells of the run: no work_dir, no config file.

Frames are of kind ``train`` (they count the run's steps), or of another kind that names a phase and has a step of its
own, or takes that of the train record before.  Notes are ``begin`` (a new start of the program), ``say`` (a message)
or a Git conflict marker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np

from llmstats.parsing import LineParser, Place, State
from llmstats.records import Event, Ints, Issue, Item, Run
from llmstats.shapes import Field, Frame, Scan
from llmstats.training import CONFLICT, Runs, StepLog, microseconds, points, run_name

from ._mmengine import placed

_ATTEMPT = re.compile(r"attempt_\d+$")
_FILE_RANK = re.compile(r"(?:^|[._-])(?:global_?)?rank[._-]?(\d{1,6})(?=$|[._-])", re.I)
_CLOCK = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?")
_NVIDIA = re.compile(r"(?i:nvidia|geforce|tesla|quadro)\b")
_AMD = re.compile(r"(?i:amd )")

#: What torchrun, srun and ``tee`` put in front of a line.
LAUNCHER = re.compile(r"(?:\[?(?:default|rank)[ _]?\d+\]?: ?|\s*\d{1,6}: |[\w.-]+: (?=\[))+")
#: A message that says that the whole start failed; a traceback alone may have been survived.
_FATAL = re.compile(
    r"failed \(exitcode: |ChildFailedError|Killing subprocess \d+|exits with return code = -?[1-9]|srun: error: "
)
_EVENTS = (
    ("oom", re.compile(r"(?i:out of memory|\bOutOfMemoryError\b)")),
    ("error", re.compile(r"Traceback \(most recent call last\)|(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)(?::|$)")),
)
#: A guard: lines without any of these cannot be events.
MAYBE_EVENT = re.compile(r"Traceback \(|Error\b|Exception\b|[Oo]ut of memory|OutOfMemory|Killing sub|exit(?:code|s)")


def identity(place: Place) -> State:
    """Name, root and rank of a stream kept in a file.

    ``{dir}/{stem}``; of torchrun's ``…/attempt_0/{rank}/stderr.log`` the attempt; ``rank3`` in a file name is a rank.
    """
    if _ATTEMPT.match(place.parent(2)) and place.parent().isdigit():
        name = "/".join(p for p in (place.parent(3), place.parent(2)) if p)
        return {"name": name, "root": place.directory(2), "rank": int(place.parent())}
    rank = _FILE_RANK.search(place.stem)
    stem = _FILE_RANK.sub("", place.stem).strip("._-") if rank else place.stem
    name = "/".join(p for p in (place.parent(), stem) if p)
    root = place.directory() if rank else place.path
    return {"name": name or place.name, "root": root, "rank": int(rank[1]) if rank else None}


def vendor_of(device: str | None) -> str | None:
    """Vendor where the device's name says it."""
    if device is None:
        return None
    return "NVIDIA" if _NVIDIA.match(device) else "AMD" if _AMD.match(device) else None


def numbered(text: str, pattern: re.Pattern[str], start: int) -> list[Field]:
    """A field per match of ``pattern`` (groups ``key``, ``value``, perhaps ``unit``)."""
    fields = []
    for match in pattern.finditer(text, start):
        unit = match.groupdict().get("unit") or ""
        fields.append(Field(match["key"].strip(), *match.span("value"), "number", unit.strip()))
    return fields


class StepLines(LineParser):
    """Folds frames and notes; a format says what a message means."""

    framework: ClassVar[str]

    def start(self, place: Place) -> State:
        return identity(place)

    def said(self, run: Run, message: str) -> None:
        """Take in what a message says of its run."""

    def event(self, run: Run, message: str, line: int, clock: int | None) -> Event | None:
        """The format's own events; the usual errors are known."""
        return None

    def prepare(self, state: State, scan: Scan) -> None:
        """Change frames before they are folded (steps from other counters)."""

    def took(self, runs: Runs, frame: Frame, index: Ints) -> None:
        """Take in what the service columns of a frame say of its runs; ``index`` is the run of each record."""

    def fold(self, state: State, place: Place, scan: Scan) -> Iterator[Item]:
        self.prepare(state, scan)
        runs = Runs(state, lambda index: self._new_run(state, index))
        steps = StepLog(state)
        before = steps.remembered()
        breaks = [line for line, tag, _ in scan.notes if tag == "begin"]
        markers = [(line, text) for line, tag, text in scan.notes if tag == CONFLICT]
        train = steps.read([f for f in scan.frames if f.kind == "train"], breaks, markers)
        yield from (Issue(reason, line, text[:500]) for line, reason, text in scan.suspects)
        for line, tag, text in scan.notes:
            if tag != CONFLICT:
                number = steps.at(train, line, before)
                yield from self._note(state, runs[number], (number, line, text))
        for frame in scan.frames:
            index, at = placed(frame, steps, train, before)
            times = frame.columns.get("@clock")
            runs.span(index, times)
            self.took(runs, frame, index)
            self._survived(state, runs, frame, index)
            yield from points(frame, self.phase(frame.kind), state["name"], index, at, times, state["rank"])
        yield from runs.told(steps.run)
        runs.save()

    def phase(self, kind: str) -> str:
        """Phase of a frame's points."""
        return kind

    def _new_run(self, state: State, index: int) -> Run:
        name = run_name(state["name"], index)
        return Run(name, state["root"], kind="training", experiment=state["name"], framework=self.framework)

    def _note(self, state: State, run: Run, note: tuple[int, int, str]) -> Iterator[Item]:
        index, line, text = note
        self.said(run, text)
        stamp = _CLOCK.search(text)
        clock = microseconds(stamp[0]) if stamp else None
        if _FATAL.search(text) and run.status != "completed":
            run.status = "failed"
            state.setdefault("fatal", {})[str(index)] = line
        event = self.event(run, text, line, clock) or _error(run, text, line, clock)
        if event is not None:
            if event.kind == "resume":
                run.resumed_from = event.step
            yield event

    def _survived(self, state: State, runs: Runs, frame: Frame, index: Ints) -> None:
        """A run that goes on counting steps has not failed."""
        for number, line in list(state.get("fatal", {}).items()):
            mine = frame.lines[index == int(number)]
            if frame.kind == "train" and len(mine) and int(mine[-1]) > line:
                del state["fatal"][number]
                if runs[int(number)].status == "failed":
                    runs[int(number)].status = None


def _error(run: Run, text: str, line: int, clock: int | None) -> Event | None:
    message = LAUNCHER.sub("", text, count=1) if LAUNCHER.match(text) else text
    for kind, pattern in _EVENTS:
        found = pattern.search(message) if kind == "oom" else pattern.match(message.lstrip())
        if found:
            return Event(run.name, kind, message.strip()[:2000], line, clock)
    return None


def covered(text: str, fields: list[Field]) -> list[Field]:
    """The fields, and a ``skip`` over all digits that none of them covers: they carry nothing."""
    taken = bytearray(len(text))
    for f in fields:
        taken[f.start : f.end] = b"\1" * (f.end - f.start)
    bare = (m for m in re.finditer(r"[0-9]+", text) if not any(taken[m.start() : m.end()]))
    return [*fields, *(Field("", m.start(), m.end(), "skip") for m in bare)]


def carried(state: State, scan: Scan, key: str, pattern: re.Pattern[str]) -> Callable[[Ints], Ints]:
    """What number a message last said before given lines; 0 where none did yet.

    Asked once per stretch and key: ``state`` keeps the last number.
    """
    said = [(line, int(m[1])) for line, _, text in scan.notes if (m := pattern.search(text))]
    at = np.array([0, *(line for line, _ in said)])
    values = np.array([state.get(key, 0), *(value for _, value in said)])
    state[key] = int(values[-1])
    return lambda lines: np.asarray(values[np.searchsorted(at, lines, "left") - 1])
