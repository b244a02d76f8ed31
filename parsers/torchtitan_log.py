"""torchtitan's training log: one line per logged step and rank, from the first release (``wps``) on."""

from __future__ import annotations

import re

from llmstats.parsing import Head, State
from llmstats.records import Event, Run
from llmstats.shapes import Note, Plan, Scan
from llmstats.training import CONFLICT, is_conflict_marker

from ._flagperf_place import owned
from ._samples_torchtitan import SAMPLES
from ._steplines import MAYBE_EVENT, StepLines
from ._torchtitan import CLOCK, NAMES, PREFIX, SAYS, learn, step_line, with_losses

_TITAN = re.compile(rf"^[^\n]{{0,60}}\[titan\] {CLOCK} - [\w.]+ - [A-Z]+ - .*", re.M)
_LINE = re.compile(
    r"^[^\"'\n]{0,120}?step: +\d+ +loss: +\S+ +(?:\w+: +[\d.]+ +)*memory: +[\d.]+GiB\([\d.]+%\) +(?:tps|wps): .*", re.M
)
_RESUME = re.compile(r"Loading the checkpoint (?:from \S*step-|at step )(\d+)")
_SAVED = re.compile(r"(?:Saving (?:the|a full) checkpoint|Finished saving the checkpoint|Saved checkpoint)")


class TorchtitanLog(StepLines):
    """One run per start; the lines of several ranks in one file are told apart where torchrun marked them."""

    name = "torchtitan_log"
    version = 3
    title = "torchtitan training log (also per rank, with colours, and the early form with wps)"
    writes = "torchtitan"
    framework = "torchtitan"
    names = NAMES
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        if "[titan] " not in head.text and "GiB(" not in head.text:
            return None
        if owned(head):
            return None
        match = _LINE.search(head.text) or _TITAN.search(head.text)
        return f"line {match[0].strip()[:120]!r}" if match else None

    def plan(self, text: str) -> Plan:
        return step_line(text) or _other(text)

    def prepare(self, state: State, scan: Scan) -> None:
        scan.frames = [part for frame in scan.frames for part in with_losses(frame)]

    def said(self, run: Run, message: str) -> None:
        learn(run, message)

    def event(self, run: Run, message: str, line: int, clock: int | None) -> Event | None:
        prefix = PREFIX.search(message)
        text = message[prefix.end() :] if prefix else message
        level = prefix["level"] if prefix else None
        if resumed := _RESUME.match(text):
            return Event(run.name, "resume", text, line, clock, int(resumed[1]))
        if _SAVED.match(text):
            return Event(run.name, "checkpoint", text, line, clock)
        if level in ("WARNING", "ERROR", "CRITICAL"):
            return Event(run.name, "warning" if level == "WARNING" else "error", text[:2000], line, clock, level=level)
        return None


def _other(text: str) -> Plan:
    if is_conflict_marker(text):
        return Note(CONFLICT)
    if "torchtitan version: " in text or "Starting job: " in text:
        return Note("begin")
    told = "[titan]" in text or " - root - " in text or "][" in text
    if told and (SAYS.search(text) or " - WARNING - " in text or " - ERROR - " in text):
        return Note("say")
    return Note("say") if MAYBE_EVENT.search(text) else None
