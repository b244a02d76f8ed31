"""mmengine's text log, file and console form: also XTuner 0.x, mmdetection 3, mmpretrain, mmpose, mmseg 1.

Source: ``mmengine/logging/logger.py`` (prefix), ``mmengine/runner/log_processor.py`` (lines), ``runner.py`` (blocks).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from llmstats.pairs import pairs
from llmstats.parsing import Head, LineParser, Name, Place, State
from llmstats.records import Event, Ints, Issue, Item, Run
from llmstats.shapes import Field, Frame, Note, Plan, Record, Scan, Suspect
from llmstats.training import (
    CONFLICT,
    Runs,
    StepLog,
    is_conflict_marker,
    points,
    prefix_fields,
    run_name,
    whole,
    with_year,
    year_of_start,
)

from ._mmengine import (
    NAMES,
    TIMESTAMP,
    block_line,
    clock_of,
    close_block,
    event_of,
    hierarchical,
    identity,
    open_block,
)

_PREFIX = re.compile(r"(?P<clock>(?P<year>\d{4}/)?\d\d/\d\d \d\d:\d\d:\d\d) - (?P<logger>[\w.\-]+) - (?P<level>[A-Z]+) - ")
_HEADER = re.compile(
    r"(?P<by>Epoch|Iter)\((?P<phase>train|val|test)\)\s*(?:\[\s*(?P<epoch>\d+)\])?\s*\[\s*(?P<i>\d+)/\s*(?P<n>\d+)\]"
)
_LOOKS_LIKE_DATA = re.compile(r"(?:Epoch|Iter)\((?:train|val|test)\)")
_FILE_RANK = re.compile(r"_rank(\d+)$")
_EXPERIMENT = re.compile(r"Exp name: (.+)$")


class MMEngineLog(LineParser):
    """One run per ``{work_dir}/{timestamp}``; rank files of the same directory are the same run."""

    name = "mmengine_log"
    version = 1
    title = "mmengine text log (XTuner 0.x, mmdetection 3, mmpretrain, …), file and console form"
    writes = "mmengine"
    names = NAMES

    def detect(self, head: Head) -> str | None:
        match = _PREFIX.search(head.text)
        if match and (match["logger"] == "mmengine" or _HEADER.search(head.text)):
            return f"line prefix '{match['clock']} - {match['logger']} - {match['level']} - '"
        return None

    def canonical(self, raw: str, phase: str) -> Name:
        return hierarchical(raw, phase)

    def start(self, place: Place) -> State:
        name, root, experiment = identity(place, up=1)
        return {"name": name, "root": root, "experiment": experiment, "runs": {}}

    def plan(self, text: str) -> Plan:
        prefix = _PREFIX.search(text)
        if not prefix:
            return Note(CONFLICT if is_conflict_marker(text) else "text")
        header = _HEADER.match(text, prefix.end())
        if not header:
            return Suspect("iteration header not understood") if _LOOKS_LIKE_DATA.match(text, prefix.end()) else Note("log")
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

    # ---- folding a stretch

    def fold(self, state: State, place: Place, scan: Scan) -> Iterator[Item]:
        rank = _FILE_RANK.search(place.stem)
        file_rank = int(rank[1]) if rank else None
        runs = Runs(state, lambda index: _new_run(state, index))
        steps = StepLog(state)
        before = steps.remembered()
        train_frames = [f for f in scan.frames if f.kind == "train"]
        for frame in train_frames:
            frame.columns["@step"] = _global_step(frame)
        markers = [(line, text) for line, tag, text in scan.notes if tag == CONFLICT]
        train = steps.read(train_frames, _new_headers(scan), markers)
        for line, reason, text in scan.suspects:
            yield Issue(reason, line, text[:500])
        for line, tag, text in scan.notes:
            yield from _note(state, runs[steps.at(train, line, before)], line, tag, text)
        for frame in scan.frames:
            if frame.kind == "train":
                index, at = train.runs[np.searchsorted(train.lines, frame.lines)], frame.columns["@step"]
            else:
                index, at = steps.before(train, frame.lines, before)
            times = _times(frame, state, place, runs[0])
            runs.span(index, times)
            if "tokens_per_sec" in frame.columns:
                runs[int(index[-1])].framework = "xtuner"
            yield from points(frame, frame.kind, state["name"], index, at, times, file_rank)
        close_block(dict(state), runs[steps.run])
        yield from (runs[index] for index in range(steps.run + 1))
        runs.save()


def _new_run(state: State, index: int) -> Run:
    run = Run(run_name(state["name"], index), state["root"], kind="training", experiment=state["experiment"])
    run.framework = "mmengine"
    stamp = TIMESTAMP.search(run.name)
    if stamp and index == 0:
        run.started_at = clock_of(stamp[1])
    return run


def _note(state: State, run: Run, line: int, tag: str, text: str) -> Iterator[Event]:
    """Header blocks and events, one line at a time and in order."""
    if tag == "text":
        block_line(state, text)
        if "block" not in state and (event := event_of(run.name, text, line, None, None)):
            yield event
        return
    prefix = _PREFIX.search(text)
    if tag == CONFLICT or prefix is None:
        return
    close_block(state, run)
    message = text[prefix.end() :]
    if not message.strip() or message.startswith("Config:"):
        open_block(state, "config" if message.strip() else "environment")
    elif experiment := _EXPERIMENT.match(message):
        run.config["exp_name"] = experiment[1].strip()
    event = event_of(run.name, message, line, prefix["level"], clock_of(prefix["clock"]))
    if event is not None:
        if event.kind == "resume":
            run.resumed_from = event.step
        yield event


def _global_step(frame: Frame) -> Ints:
    step = whole(frame.columns["@i"])
    if frame.constants["by"] == "Epoch" and "@epoch" in frame.columns:
        step = step + (whole(frame.columns["@epoch"]) - 1) * whole(frame.columns["@n"])
    return step


def _times(frame: Frame, state: State, place: Place, first: Run) -> Ints:
    if "@clock" in frame.columns:
        return frame.columns["@clock"]
    yearless = frame.columns["@yearless"]
    stamps = [*reversed(place.parts), str(first.config.get("exp_name", ""))]
    year = year_of_start(stamps, place.mtime, int(yearless[0] // 86_400_000_000))
    return with_year(yearless, year, state)


def _new_headers(scan: Scan) -> list[int]:
    """Lines at which a run announces itself: the environment block's empty message."""
    found = []
    for line, tag, text in scan.notes:
        if tag == "log" and (prefix := _PREFIX.search(text)) and not text[prefix.end() :].strip():
            found.append(line)
    return found


