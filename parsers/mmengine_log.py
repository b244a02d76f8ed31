"""mmengine's text log, file and console form: also XTuner 0.x, mmdetection 3, mmpretrain, mmpose, mmseg 1.

Source: ``mmengine/logging/logger.py`` (prefix), ``mmengine/runner/log_processor.py`` (lines), ``runner.py``
(blocks).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from llmstats.pairs import pairs
from llmstats.parsing import Head, Name, Place, State
from llmstats.records import Column, Ints, Item, Points
from llmstats.shapes import Field, Frame, Note, Plan, Record, Scan, Suspect
from llmstats.training import (
    CONFLICT,
    LAUNCHED,
    StepLog,
    Train,
    is_conflict_marker,
    prefix_fields,
    run_name,
    whole,
)

from ._mmengine import NAMES, first_records, hierarchical, identity, printed
from ._mmtext import OpenMMLabLog
from ._samples_mmengine import LOG_SAMPLES

_PREFIX = re.compile(
    r"(?P<clock>(?P<year>\d{4}/)?\d\d/\d\d \d\d:\d\d:\d\d) - (?P<logger>[\w.\-]+) - (?P<level>[A-Z]+) - "
)
_HEADER = re.compile(
    r"(?P<by>Epoch|Iter)\((?P<phase>train|val|test)\)\s*(?:\[\s*(?P<epoch>\d{1,9})\])?\s*\[\s*(?P<i>\d{1,9})/\s*(?P<n>\d{1,9})\]"
)
_LOOKS_LIKE_DATA = re.compile(r"(?:Epoch|Iter)\((?:train|val|test)\)")
_OWN = re.compile(r"(?:\d{4}/)?\d\d/\d\d \d\d:\d\d:\d\d - mmengine - [A-Z]+ - ")
#: What every record has; looked for first, because most files are of other formats.
_SIGNS = tuple(f" - {by}({phase})" for by in ("Epoch", "Iter") for phase in ("train", "val", "test"))
_OTHER = re.compile(_PREFIX.pattern + _HEADER.pattern)
#: Three more fields of an ERROR line: file, function, line.
_WHERE = re.compile(r"\S.*? - \w+ - \d+ - ")
#: What follows a tensor among the metrics of a validation: the rest of the record, on a line without prefix.
_TAIL = re.compile(r"  (?:\S[^:]*: \S+  )*(?:data_)?time: [\d.]+(?:  |$)")


class MMEngineLog(OpenMMLabLog):
    """One run per ``{work_dir}/{timestamp}``; rank files of the same directory are the same run.

    A console that was kept at or above the run's directory is the same run too, known by its first record; so is
    `LAUNCHED`, which `llmstats run train` keeps in a directory beside it: of its events only those that mmengine's own
    file has not (a traceback).
    """

    name = "mmengine_log"
    version = 3
    title = "mmengine text log (XTuner 0.x, mmdetection 3, mmpretrain, …), file and console form"
    writes = "mmengine"
    names = NAMES
    samples = LOG_SAMPLES
    prefix = _PREFIX
    framework = "mmengine"

    def detect(self, head: Head) -> str | None:
        match = _OWN.search(head.text) if " - mmengine - " in head.text else None
        if not match:
            match = next((found for sign in _SIGNS if (found := _OTHER.search(_line_with(head.text, sign)))), None)
        return f"line prefix {match[0]!r}" if match else None

    def canonical(self, raw: str, phase: str) -> Name:
        return hierarchical(raw, phase)

    def start(self, place: Place) -> State:
        name, root, experiment = identity(place, up=1)
        launched = place.name == LAUNCHED and bool(place.parent(2))
        if launched:
            root = place.directory(2)  # the directory is the launcher's; mmengine makes its own beside it
        return {"name": name, "root": root, "experiment": experiment, "launched": launched}

    def plan(self, text: str) -> Plan:
        prefix = _PREFIX.search(text)
        if not prefix:
            return Note(CONFLICT if is_conflict_marker(text) else "tail" if _TAIL.match(text) else "text")
        header = _HEADER.match(text, prefix.end())
        if not header:
            return (
                Suspect("iteration header not understood")
                if _LOOKS_LIKE_DATA.match(text, prefix.end())
                else Note("log")
            )
        clock = "@clock" if prefix["year"] else "@yearless"
        fields = [
            *prefix_fields(text, prefix.start()),
            Field(clock, *prefix.span("clock"), "clock"),
            *([Field("@epoch", *header.span("epoch"))] if header["epoch"] else []),
            Field("@i", *header.span("i")),
            Field("@n", *header.span("n")),
            *pairs(text, header.end()),
        ]
        return Record(header["phase"], fields, (("by", header["by"]),))

    # ---- what differs in the family

    def step(self, frame: Frame) -> Ints:
        step = whole(frame.columns["@i"])
        if frame.constants["by"] == "Epoch" and "@epoch" in frame.columns:
            step = step + (whole(frame.columns["@epoch"]) - 1) * whole(frame.columns["@n"])
        return step

    def begins(self, message: str) -> bool:
        return message.startswith("resumed epoch")

    def message(self, text: str) -> str:
        where = _WHERE.match(text)
        return text[where.end() :] if where else text

    def fingerprints(self, state: State, frames: list[Frame], train: Train) -> dict[int, str]:
        found = first_records(state, frames, train, 1, printed)
        return {index: f"mmengine:{text}" for index, text in found.items()}

    def more(self, state: State, scan: Scan, steps: StepLog, train: Train, before: State) -> Iterator[Item]:
        """Pairs behind a tensor that a validation printed over several lines."""
        prefixed = [(f.kind, f.lines) for f in scan.frames]
        prefixed.append(("log", np.array([line for line, tag, _ in scan.notes if tag == "log"], np.int64)))
        for line, tag, text in scan.notes:
            phase = _kind_before(prefixed, line, state.get("kind", "")) if tag == "tail" else ""
            if phase in ("val", "test"):
                index, at = steps.before(train, np.array([line]), before)
                yield _tail(run_name(state["name"], int(index[0])), phase, line, at, text)
        state["kind"] = _kind_before(prefixed, np.iinfo(np.int64).max, state.get("kind", ""))


def _line_with(text: str, sign: str) -> str:
    """The first line that holds ``sign``, and not much more; empty if there is none."""
    at = text.find(sign)
    return text[text.rfind("\n", 0, at) + 1 : at + 200] if at >= 0 else ""


def _kind_before(prefixed: list[tuple[str, Ints]], line: int, kind: str) -> str:
    """What the last line with a prefix before ``line`` was; ``kind`` if there is none in this stretch."""
    best = (0, kind)
    for name, lines in prefixed:
        at = int(np.searchsorted(lines, line))
        if at:
            best = max(best, (int(lines[at - 1]), name))
    return best[1]


def _tail(run: str, phase: str, line: int, step: Ints, text: str) -> Points:
    values = {}
    for f in pairs(text):
        if f.kind == "number":
            number = text[f.start : f.end]
            values[f.name] = Column(
                np.array([float(number.replace(",", ""))]), str(len(number.partition(".")[2])), f.unit
            )
    return Points(run, phase, np.array([line]), values, step if step[0] >= 0 else None)
