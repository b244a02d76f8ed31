"""How JSON lines of a Trainer (LLaMA-Factory's ``trainer_log.jsonl``, ms-swift's ``logging.jsonl``) become points.

A program that is started again appends.  From the beginning, that is another run; from a checkpoint, the Trainer's own
history (``trainer_state.json``) goes on, so it is the same run, and what it does again replaces what it had done.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from llmstats.parsing import Objects, State
from llmstats.records import Event, Item, Run
from llmstats.shapes import Frame
from llmstats.training import Runs, frames_of, points, run_name, whole

from ._hf import fingerprint

_PRINTS = 4

#: A record ready to be a point: metrics under their raw names, ``@kind`` (its phase) and perhaps ``@step``.
Row = dict[str, Any]


class Lines:
    """One stretch of such a file; its memory lives in the parser's state, which begins with ``name`` and ``root``."""

    def __init__(self, state: State, framework: str) -> None:
        self.state = state
        self._framework = framework
        self.runs = Runs(state, self._new)
        self._at: dict[str, Any] = state.setdefault("at", {"run": 0, "first": None, "step": -1})
        self._of: dict[int, int] = {}

    def _new(self, index: int) -> Run:
        run = Run(run_name(self.state["name"], index), self.state["root"], kind="training", framework=self._framework)
        run.experiment = self.state["name"]
        return run

    def points(self, rows: list[tuple[int, Row]], starts: set[int] | None = None) -> Iterator[Item]:
        """Points of all rows, and an event where the program goes on from a checkpoint.

        Args:
            rows: line and record.
            starts: lines at which the program began again; None: wherever the step goes back.
        """
        for line, row in rows:
            yield from self._place(line, row, starts)
        for frame in frames_of(Objects(rows), {}, lambda row: row["@kind"]):
            index = whole(frame.columns.pop("@run"))
            self._print(frame, index)
            yield from points(frame, frame.kind, self.state["name"], index, whole(frame.columns["@at"]), None)

    def _place(self, line: int, row: Row, starts: set[int] | None) -> Iterator[Event]:
        """Give a record its run and step: its own step, else (not in training) that of the train record before."""
        at, step = self._at, row.get("@step")
        if row["@kind"] == "train" and step is not None:
            again = step < at["step"] if starts is None else line in starts
            if again and step <= at["first"]:
                at |= {"run": at["run"] + 1, "first": step}
            elif again:
                text = f"another start of the program goes on at step {step}"
                yield Event(run_name(self.state["name"], at["run"]), "resume", text, line, step=step)
            at |= {"first": step if at["first"] is None else at["first"], "step": step}
        unknown = -1 if row["@kind"] == "train" else at["step"]
        row["@run"], row["@at"] = at["run"], unknown if step is None else step
        self._of[line] = at["run"]

    def run_at(self, line: int) -> Run:
        """The run of a line that `points` saw, or the newest one."""
        return self.runs[self._of.get(line, self._at["run"])]

    def _print(self, frame: Frame, index: Any) -> None:
        """Remember the first losses of each run."""
        if frame.kind != "train" or "loss" not in frame.columns:
            return
        kept: dict[str, list[float]] = self.state.setdefault("losses", {})
        for run in np.unique(index).tolist():
            losses = kept.setdefault(str(run), [])
            losses += frame.columns["loss"][index == run][: _PRINTS - len(losses)].tolist()

    def finish(self) -> Iterator[Run]:
        """All runs as far as they are known; call it last."""
        for index in range(self._at["run"] + 1):
            run = self.runs[index]
            run.fingerprint = fingerprint(self.state.get("losses", {}).get(str(index), ()))
            yield run
        self.runs.save()
