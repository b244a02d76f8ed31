"""How text logs of the OpenMMLab family are folded: mmengine and mmcv 1 differ in prefix and header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from llmstats.parsing import LineParser, Place, State
from llmstats.records import Event, Ints, Issue, Item, Run
from llmstats.shapes import Frame, Scan
from llmstats.training import CONFLICT, Runs, StepLog, Train, microseconds, points, with_year, year_of_start

from ._mmengine import RANK_SUFFIX, block_line, event_of, new_run, open_block, placed, read_block, read_config

_DAY = 86_400_000_000
_DIGITS = str.maketrans("123456789", "000000000")
_EXPERIMENT = re.compile(r"Exp name: (.+)$")
_ENVIRONMENT = "System environment:"
_SAVING = re.compile(r"Saving checkpoint at (?P<value>\d+) (?P<unit>epoch|iter)")


class OpenMMLabLog(LineParser):
    """Frames of kind train, val and test; notes ``log`` (a line with the prefix), ``text`` (without)."""

    prefix: ClassVar[re.Pattern[str]]  #: groups ``clock``, ``level`` and perhaps ``year``
    framework: ClassVar[str]

    # ---- what a family member says

    def step(self, frame: Frame) -> Ints:
        """Global step of train records, shape (n,)."""
        raise NotImplementedError

    def begins(self, message: str) -> bool:
        """Whether a message is the first of a run."""
        raise NotImplementedError

    def message(self, text: str) -> str:
        """What a log line says: ``text`` is all behind the prefix."""
        return text

    def facts(self, run: Run, message: str) -> None:
        """Take in what a message says of its run."""
        if experiment := _EXPERIMENT.match(message):
            run.config["exp_name"] = experiment[1].strip()
        elif saving := _SAVING.match(message):
            _reached(run, saving["unit"] + "s", int(saving["value"]))

    def config(self, text: str, run: Run) -> None:
        """Take in a configuration."""
        read_config(text, run)

    def fingerprints(self, state: State, frames: list[Frame], train: Train) -> dict[int, str]:
        """By what else than its name a run is known."""
        return {}

    def more(self, state: State, scan: Scan, steps: StepLog, train: Train, before: State) -> Iterator[Item]:
        """Items beside records and events."""
        return iter(())

    # ---- folding a stretch

    def fold(self, state: State, place: Place, scan: Scan) -> Iterator[Item]:
        runs = Runs(state, lambda index: new_run(state, index, self.framework))
        steps = StepLog(state)
        before = steps.remembered()
        train_frames = [f for f in scan.frames if f.kind == "train"]
        for frame in train_frames:
            frame.columns["@step"] = self.step(frame)
        markers = [(line, text) for line, tag, text in scan.notes if tag == CONFLICT]
        train = steps.read(train_frames, self._beginnings(scan), markers)
        for line, reason, text in scan.suspects:
            yield Issue(reason, line, text[:500])
        clocks = self._clocks(state, place, scan)
        for line, tag, text in scan.notes:
            yield from self._note(state, runs, steps.at(train, line, before), (line, tag, text), clocks.get(line))
        read_block(state, runs, self.config)
        yield from self._records(state, place, scan, (runs, steps, train, before))
        yield from self.more(state, scan, steps, train, before)
        for index, fingerprint in self.fingerprints(state, train_frames, train).items():
            runs[index].fingerprint = fingerprint
        yield from runs.told(steps.run)
        runs.save()

    def _records(
        self, state: State, place: Place, scan: Scan, of: tuple[Runs, StepLog, Train, State]
    ) -> Iterator[Item]:
        runs, steps, train, before = of
        rank = RANK_SUFFIX.search(place.stem)
        for frame in scan.frames:
            index, at = placed(frame, steps, train, before)
            times = frame.columns["@clock"]
            runs.span(index, times)
            for number in np.unique(index).tolist():
                row = int(np.flatnonzero(index == number)[-1])
                self._told(runs[number], frame, row, trained=at[row] >= 0)
            yield from points(frame, frame.kind, state["name"], index, at, times, int(rank[1]) if rank else None)

    def _told(self, run: Run, frame: Frame, row: int, *, trained: bool) -> None:
        """Take in what records say of their run; ``row`` is its last one in the frame, perhaps behind train records."""
        if "tokens_per_sec" in frame.columns:
            run.framework = "xtuner"
        if frame.kind == "test" and not trained:
            run.kind = "evaluation"
        if frame.kind == "train":
            run.kind = "training"
            by_epoch = "@epoch" in frame.columns
            epoch = int(frame.columns["@epoch"][row]) if by_epoch else None
            of = run.config.get("max_epochs") if by_epoch else None
            if frame.columns["@i"][row] == frame.columns["@n"][row] and epoch == of:
                run.status = "completed"

    def _beginnings(self, scan: Scan) -> list[int]:
        """Lines at which a run announces itself: its environment, or the checkpoint that it goes on from."""
        found = []
        for line, tag, text in scan.notes:
            prefix = self.prefix.search(text) if tag == "log" else None
            if (prefix and self.begins(text[prefix.end() :])) or (tag == "text" and text.endswith(_ENVIRONMENT)):
                found.append(line)
        return found

    def _note(
        self, state: State, runs: Runs, index: int, note: tuple[int, str, str], clock: int | None
    ) -> Iterator[Event]:
        """Header blocks and events, one line at a time and in order."""
        line, tag, text = note
        run = runs[index]
        if tag == "text":
            yield from self._text(state, runs, index, line, _without_lead(text, state.get("lead", "")))
        prefix = self.prefix.search(text) if tag == "log" else None
        if prefix is None:
            return
        self._close(state, runs)
        state["lead"] = text[: prefix.start()]
        message = text[prefix.end() :]
        if message.startswith(("Config:", "Environment info:")):
            open_block(state, "config" if message.startswith("Config:") else "environment", index)
        self.facts(run, message)
        event = event_of(run.name, self.message(message), line, prefix["level"], clock)
        if event is not None:
            if event.kind == "resume":
                run.resumed_from = event.step
            if not state.get("launched"):  # mmengine's own file has the same line
                yield event

    def _text(self, state: State, runs: Runs, index: int, line: int, text: str) -> Iterator[Event]:
        """A line without prefix: of the environment or configuration, or of a traceback."""
        if text.strip() == _ENVIRONMENT:
            open_block(state, "environment", index)
        if text.startswith("Traceback"):
            self._close(state, runs)
        event = None if block_line(state, text) else event_of(runs[index].name, text, line, None, None)
        if event and (event.kind in ("error", "oom") or not state.get("launched")):
            yield event

    def _close(self, state: State, runs: Runs) -> None:
        """End the open block, if there is one."""
        read_block(state, runs, self.config)
        state.pop("block", None)

    def _clocks(self, state: State, place: Place, scan: Scan) -> dict[int, int]:
        """Time of each log line that is no record; console clocks, of records too, get their year."""
        stamps = {line: self.prefix.search(text) for line, tag, text in scan.notes if tag == "log"}
        clocks = {line: m["clock"] for line, m in stamps.items() if m}
        dated = {line: when for line, text in clocks.items() if (when := microseconds(text)) is not None}
        bare = {line: when for line, text in clocks.items() if (when := microseconds(f"2000/{text}")) is not None}
        frames = [f for f in scan.frames if "@yearless" in f.columns]
        lines = np.concatenate([*(f.lines for f in frames), np.array(list(bare), np.int64)])
        times = np.concatenate([*(f.columns["@yearless"] for f in frames), np.array(list(bare.values()), np.int64)])
        if not len(lines):
            return dated
        order = np.argsort(lines, kind="stable")
        named = (m[1] for _, tag, text in scan.notes if tag == "log" and (m := _EXPERIMENT.search(text)))
        year = year_of_start([*reversed(place.parts), *named], place.mtime, int(times[order[0]] // _DAY))
        times[order] = with_year(times[order], year, state)
        for frame, at in zip(frames, np.cumsum([0, *(len(f.lines) for f in frames)]), strict=False):
            frame.columns["@clock"] = times[at : at + len(frame.lines)]
            del frame.columns["@yearless"]
        return dated | dict(zip(bare, times[len(times) - len(bare) :].tolist(), strict=True))


def _reached(run: Run, unit: str, value: int) -> None:
    """A run that did as many epochs or iterations as it was asked to has done its work."""
    if run.config.get(f"max_{unit}") == value:
        run.status = "completed"


def _without_lead(text: str, lead: str) -> str:
    """A line of a block without what the launcher put in front of every line (digits may differ: a clock)."""
    if lead and text[: len(lead)].translate(_DIGITS) == lead.translate(_DIGITS):
        return text[len(lead) :]
    return text
