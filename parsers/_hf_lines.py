"""How JSON lines of a Trainer (LLaMA-Factory's ``trainer_log.jsonl``, ms-swift's ``logging.jsonl``) become points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from llmstats.parsing import Objects, State
from llmstats.records import Item, Run
from llmstats.shapes import Frame
from llmstats.training import Runs, StepLog, frames_of, points

from ._hf import fingerprint
from ._mmengine import placed

_PRINTS = 4

#: A record ready to be a point: metrics under their raw names, ``@kind`` (its phase) and perhaps ``@step``.
Row = dict[str, Any]


class Lines:
    """One stretch of such a file; its memory lives in the parser's state, which begins with ``name`` and ``root``."""

    def __init__(self, state: State, framework: str) -> None:
        self.state = state
        self._framework = framework
        self.runs = Runs(state, self._new)
        self._steps = StepLog(state)
        self._before = self._steps.remembered()

    def _new(self, index: int) -> Run:
        name = self.state["name"] if index == 0 else f"{self.state['name']}#{index + 1}"
        run = Run(name, self.state["root"], kind="training", framework=self._framework)
        run.experiment = self.state["name"]
        return run

    def points(self, rows: list[tuple[int, Row]], breaks: list[int]) -> Iterator[Item]:
        """Points of all rows.

        Args:
            rows: line and record.
            breaks: lines at which another start of the program begins.
        """
        frames = frames_of(Objects(rows), {}, lambda row: row["@kind"])
        self._train = self._steps.read([f for f in frames if f.kind == "train" and "@step" in f.columns], breaks)
        for frame in frames:
            index, steps = self._placed(frame)
            self._print(frame, index)
            yield from points(frame, frame.kind, self.state["name"], index, steps, None)

    def _placed(self, frame: Frame) -> tuple[Any, Any]:
        """Run and step of each record; one of a training that names no step has none."""
        if frame.kind == "train" and "@step" not in frame.columns:
            runs, _ = self._steps.before(self._train, frame.lines, self._before)
            return runs, np.full(len(frame.lines), -1, np.int64)
        return placed(frame, self._steps, self._train, self._before)

    def run_at(self, line: int) -> Run:
        """The run of a line; after `points`."""
        return self.runs[self._steps.at(self._train, line, self._before)]

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
        for index in range(self._steps.run + 1):
            run = self.runs[index]
            run.fingerprint = fingerprint(self.state.get("losses", {}).get(str(index), ()))
            yield run
        self.runs.save()
