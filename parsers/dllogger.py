"""DLLogger's lines ``DLLL {json}``, in a file of its own (``dllogger.json``) or among other output.

Source: ``dllogger/logger.py`` of NVIDIA/dllogger (``JSONStreamBackend``); the length of ``step`` tells what a record
is: ``[epoch, iteration]`` a step, ``[epoch]`` an epoch, ``[]`` the summary, ``"PARAMETER"`` the settings.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llmstats.parsing import DocumentParser, Head, Name, Place, State
from llmstats.records import NO_TIME, Column, Issue, Item, Measurement, Points, Run
from llmstats.training import microseconds, run_name

from ._samples_dllogger import SAMPLES
from ._steplines import identity

_MARK = "DLLL "
_HEAD = re.compile(r'^[^"\n]{0,120}?DLLL \{"(?:timestamp|datetime|elapsedtime|type|step|data)": .*', re.M)
_EPOCH_LENGTH = ("steps_per_epoch", "iterations_per_epoch", "train_steps_per_epoch")
_VALIDATION = re.compile(r"(?:^|[._/ ])(?:val|valid|validation|eval|test)(?:[._/ ]|$)", re.I)

_LOSS = Name("loss")


class DLLogger(DocumentParser):
    """One run per start of the script; names are its own, and only what they cannot mistake is catalogued."""

    name = "dllogger"
    version = 2
    title = "DLLogger (DLLL {json})"
    writes = "NVIDIA DLLogger"
    names = {
        **dict.fromkeys(("loss", "train.loss", "train_loss", "training_loss", "step_loss"), _LOSS),
        **dict.fromkeys(("val.loss", "val_loss", "validation_loss", "eval_loss"), _LOSS),
        **dict.fromkeys(("learning_rate", "lr", "train.lr"), Name("learning_rate")),
        **dict.fromkeys(("grad_norm", "train.grad_norm"), Name("grad_norm")),
    }
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        if _MARK not in head.text or ":::MLLOG" in head.text:
            return None
        match = _HEAD.search(head.text)
        return f"line {match[0].strip()[:100]!r}" if match else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        known = identity(place)
        logs = [_Log(_new_run(known, 0))]
        for number, line in enumerate(text.split("\n"), 1):
            at = line.rfind(_MARK + "{")
            if at < 0:
                continue
            row = _decoded(line[at + len(_MARK) :])
            if row is None:
                yield Issue("broken DLLL line", number, line[:500])
                continue
            if logs[-1].is_over(row):
                logs.append(_Log(_new_run(known, len(logs)), dict(logs[-1].units)))
            logs[-1].take(row, number)
        for log in logs:
            yield log.run
            yield from log.items()


def _new_run(known: State, index: int) -> Run:
    return Run(run_name(known["name"], index), known["root"], kind="training", experiment=known["name"])


def _decoded(text: str) -> dict[str, Any] | None:
    try:
        row, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


_Row = tuple[int, int, int | None, int | None, float]  # line, time, epoch, iteration, value


@dataclass
class _Log:
    """A file as far as read."""

    run: Run
    units: dict[str, str] = field(default_factory=dict)
    rows: dict[str, list[_Row]] = field(default_factory=lambda: defaultdict(list))
    summary: dict[str, Measurement] = field(default_factory=dict)  #: every rank writes it: the last word counts

    elapsed: float = 0.0

    def is_over(self, row: dict[str, Any]) -> bool:
        """Whether the record is of another start; the clocks of several ranks differ by less."""
        elapsed = _number(row.get("elapsedtime"))
        over = elapsed is not None and elapsed < self.elapsed / 2
        self.elapsed = max(elapsed or 0.0, self.elapsed)
        return over

    def take(self, row: dict[str, Any], line: int) -> None:
        data, step = row.get("data"), row.get("step")
        when = microseconds(str(row.get("datetime", "")))
        if when is not None:
            self.run.started_at = when if self.run.started_at is None else min(self.run.started_at, when)
            self.run.ended_at = max(self.run.ended_at or when, when)
        if row.get("type") == "METADATA":
            unit = (row.get("metadata") or {}).get("unit") if isinstance(row.get("metadata"), dict) else None
            self.units[str(row.get("metric"))] = unit or ""
        elif isinstance(data, dict) and step == "PARAMETER":
            self.run.config.update({k: v for k, v in data.items() if isinstance(v, (str, int, float, bool))})
        elif isinstance(data, dict):
            self._values(data, step, line, NO_TIME if when is None else when)

    def _values(self, data: dict[str, Any], step: Any, line: int, when: int) -> None:
        place = [step] if isinstance(step, int) else step if isinstance(step, list) else []
        counters = [n for n in place if isinstance(n, int) and not isinstance(n, bool)]
        for key, value in data.items():
            number = _number(value)
            if number is None:
                continue
            if not counters:
                name = DLLogger.names.get(key) or Name(key)
                unit = self.units.get(key) or None
                raw = str(value)
                self.summary[key] = Measurement(
                    self.run.name, name.metric, number, raw_name=key, raw_value=raw, unit=unit, line=line
                )
            else:
                iteration = counters[1] if len(counters) > 1 else None
                epoch = None if isinstance(step, int) else counters[0]
                self.rows[key].append((line, when, epoch, step if isinstance(step, int) else iteration, number))

    def items(self) -> Iterator[Item]:
        length = self._epoch_length()
        for key, rows in self.rows.items():
            for stepless in (False, True):
                mine = [row for row in rows if (row[3] is None) == stepless]
                if mine:
                    yield self._points(key, mine, length)
        yield from self.summary.values()

    def _epoch_length(self) -> int:
        """Iterations per epoch where they start afresh in each; 0 where they go on.

        As the script says, else the largest iteration seen (and one logging interval more if they count from 0).
        """
        said = [self.run.config[k] for k in _EPOCH_LENGTH if isinstance(self.run.config.get(k), int)]
        rows = sorted(
            {(e, i) for found in self.rows.values() for _, _, e, i, _ in found if e is not None and i is not None}
        )
        first: dict[int, int] = {}
        for epoch, iteration in rows:
            first.setdefault(epoch, iteration)
        if len(first) < 2 or len(set(first.values())) > 1:
            return 0
        if said:
            return int(said[0])
        iterations = sorted({i for _, i in rows})
        gap = iterations[1] - iterations[0] if len(iterations) > 1 else 1
        return iterations[-1] + (gap if iterations[0] == 0 else 0)

    def _points(self, key: str, rows: list[_Row], length: int) -> Points:
        lines, times, epochs, iterations, values = zip(*rows, strict=True)
        steps = None
        if iterations[0] is not None:
            steps = np.array([i + (e or 0) * length for e, i in zip(epochs, iterations, strict=True)], np.int64)
        phase = "val" if _VALIDATION.search(key) else "train"
        column = Column(np.array(values, np.float64), unit=self.units.get(key, ""))
        known = None if any(e is None for e in epochs) else np.array([e + 1 for e in epochs], np.int64)
        return Points(
            self.run.name, phase, np.array(lines, np.int64), {key: column}, steps, known, np.array(times, np.int64)
        )


def _number(value: Any) -> float | None:
    """A number, or a text that is one (DLLogger's formatters write texts)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str) and re.fullmatch(r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf)", value):
        return float(value)
    return None
