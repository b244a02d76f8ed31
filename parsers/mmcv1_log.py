"""mmcv 1.x text log (mmdetection 1 and 2, mmsegmentation 0, mmclassification 0, …).

Source: ``mmcv/utils/logging.py`` (prefix), ``mmcv/runner/hooks/logger/text.py`` (lines) at v1.0.0 to v1.7.2.
"""

from __future__ import annotations

import re

from llmstats.pairs import pairs
from llmstats.parsing import Head, Place, State
from llmstats.records import Ints, Run
from llmstats.shapes import Field, Frame, Note, Plan, Record, Suspect
from llmstats.training import CONFLICT, Train, is_conflict_marker, prefix_fields, whole

from ._mmcv1 import NAMES, PRINTS, printed, read_config, start
from ._mmengine import first_records
from ._mmtext import OpenMMLabLog
from ._samples_mmcv1 import LOG_SAMPLES

_PREFIX = re.compile(
    r"(?P<clock>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) - (?:(?P<logger>[\w.\-]+) - )?(?P<level>[A-Z]+) - "
)
_HEADER = re.compile(
    r"Epoch \[(?P<epoch>\d{1,9})\]\[(?P<i>\d{1,9})/(?P<n>\d{1,9})\][\t ]+"
    r"|Iter \[(?P<iter>\d{1,9})/(?P<max>\d{1,9})\][\t ]+"
    r"|Epoch\((?:train|val|test)\) \[(?P<val_epoch>\d{1,9})\]\[(?P<val_i>\d{1,9})\](?:[\t ]+|$)"
    r"|Iter\((?:train|val|test)\) \[(?P<val_iter>\d{1,9})\](?:[\t ]+|$)"
)
_LOOKS_LIKE_DATA = re.compile(r"(?:Epoch|Iter)(?:\(\w+\))? ?\[")
_BEGINS = re.compile(r"Environment info:|Start running, host: |resumed (?:from )?epoch:? \d+, iter")
_HEAD = re.compile(
    _PREFIX.pattern
    + r"(?:(?:Epoch|Iter) \[\d+[\]/][^\t\n]*?(?:\t| lr: )|(?:Epoch|Iter)\((?:train|val)\) \[\d+\][^\t\n]*\t"
    r"|Environment info:$|Start running, host: .*work_dir: )",
    re.M,
)
_START = re.compile(r"Start running, host: (\S+), work_dir: (.+)")
_EXTENT = re.compile(r"workflow: .*, max: (\d+) (epochs|iters)")


class MmcvLog(OpenMMLabLog):
    """One run per ``{work_dir}/{timestamp}.log``."""

    name = "mmcv1_log"
    version = 2
    title = "mmcv 1.x text log (mmdetection 2, mmsegmentation 0, mmclassification 0, …)"
    writes = "mmcv 1"
    names = NAMES
    samples = LOG_SAMPLES
    prefix = _PREFIX
    framework = "mmcv"

    def detect(self, head: Head) -> str | None:
        likely = any(mark in head.text for mark in ("\t", "] lr: ", "Environment info:", "Start running, host: "))
        match = _HEAD.search(head.text) if likely else None
        return f"line {match[0].strip()!r}" if match else None

    def start(self, place: Place) -> State:
        return start(place)

    def plan(self, text: str) -> Plan:
        prefix = _PREFIX.search(text)
        if not prefix:
            return Note(CONFLICT if is_conflict_marker(text) else "text")
        header = _HEADER.match(text, prefix.end())
        if not header:
            return (
                Suspect("iteration header not understood")
                if _LOOKS_LIKE_DATA.match(text, prefix.end())
                else Note("log")
            )
        metrics = pairs(text, header.end())
        fields = [
            *prefix_fields(text, prefix.start()),
            Field("@clock", *prefix.span("clock"), "clock"),
            *_counters(header),
            *metrics,
        ]
        return Record(_phase(header, metrics), fields)

    # ---- what differs in the family

    def step(self, frame: Frame) -> Ints:
        step = whole(frame.columns["@i"])
        if "@epoch" in frame.columns:
            step = step + (whole(frame.columns["@epoch"]) - 1) * whole(frame.columns["@n"])
        return step

    def begins(self, message: str) -> bool:
        return bool(_BEGINS.match(message))

    def facts(self, run: Run, message: str) -> None:
        super().facts(run, message)
        if started := _START.match(message):
            run.environment["host"] = started[1]
            run.config["work_dir"] = started[2].strip()
        elif extent := _EXTENT.match(message):
            run.config[f"max_{extent[2]}"] = int(extent[1])

    def config(self, text: str, run: Run) -> None:
        read_config(text, run)

    def fingerprints(self, state: State, frames: list[Frame], train: Train) -> dict[int, str]:
        found = first_records(state, frames, train, PRINTS, printed)
        return {index: f"mmcv1:{text}" for index, text in found.items()}


def _counters(header: re.Match[str]) -> list[Field]:
    names = {"epoch": "@epoch", "i": "@i", "n": "@n", "iter": "@i", "max": "@n",
             "val_epoch": "@epoch", "val_i": "@i", "val_iter": "@i"}  # fmt: skip
    return [Field(name, *header.span(group)) for group, name in names.items() if header[group]]


def _phase(header: re.Match[str], metrics: list[Field]) -> str:
    """A record without ``time`` is an evaluation, also where early versions gave it a train header."""
    trained = header["i"] or header["iter"]
    return "train" if trained and any(f.name == "time" for f in metrics) else "val"
