"""Reading what a Hugging Face Trainer prints: records as dicts, progress bars around them, blocks of final figures.

A record does not say its step.  tqdm draws the bar again below every record that it prints, so the bar behind a record
tells the step exactly; where output was buffered the records come in heaps with no bar between, and the logging
interval of the arguments is counted instead.  Both need more than the lines before, so a log is read whole.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llmstats.parsing import Place
from llmstats.records import Column, Event, Points, Run
from llmstats.training import microseconds, run_name

from ._hf import figure, is_final, loss_precision, numbers, phase_of, seconds
from ._literals import read_repr

RECORD = re.compile(r"\{'[^{}\n]*\}")
_OURS = re.compile(r"'(?:epoch|train_runtime|eval_runtime|global_step/max_steps|iteration|global_step)': ")
_BAR = re.compile(r"%\|[^|\n]*\| (\d{1,15})/(\d{1,15}) \[((?:\d+ days?, )?[\d:]+)<")
_TOKEN = re.compile(f"{_BAR.pattern}|(?P<record>{RECORD.pattern})")
_LOGGED = re.compile(r">> $| - INFO - [\w.]+ - $")
_BEGIN = re.compile(r"\*{5} Running training \*{5}")
_PROGRAM = re.compile(r"Training/evaluation parameters \w*TrainingArguments\(")
_BLOCK = re.compile(r"\*{5} \w+ metrics \*{5}")
_FIGURE = re.compile(r"(?:[^=]*\s)?([^\s=]+) += +(\S.*?)\s*")
_ENTRY = re.compile(r"(?:\w+\()?([a-z]\w*)=(.*?),?$")
_STATED = re.compile(
    r"  (?P<key>Num examples|Num Epochs|Instantaneous batch size per device|Gradient Accumulation steps|"
    r"Total train batch size \(w\. parallel, distributed & accumulation\)|Total optimization steps|"
    r"Number of trainable parameters) = (?P<value>[\d,]+)"
)
_KEYS = {
    "Num examples": "train_samples",
    "Num Epochs": "num_train_epochs",
    "Instantaneous batch size per device": "per_device_train_batch_size",
    "Gradient Accumulation steps": "gradient_accumulation_steps",
    "Total train batch size (w. parallel, distributed & accumulation)": "global_batch_size",
    "Total optimization steps": "max_steps",
    "Number of trainable parameters": "trainable_parameters",
}
_ARGUMENT = re.compile(
    r"(?<![\w-])(?:--)?(logging_steps|logging_first_step|logging_strategy)['\"]?(?:=|: | )['\"]?([\w.]+)"
)
_MODEL = re.compile(r"['\"]?\b(?:_name_or_path|model_name_or_path)['\"]?(?:=|: ?| )['\"]?([^'\",\s]+)")
_CONFIG_FILE = re.compile(
    r"loading configuration file \S*?(?:models--[^/\s]*?--)?([^/\s]+)(?:/snapshots/\w+)?/config\.json"
)
_CLOCK = re.compile(
    r"(?P<iso>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:,\d{3})?)|(?P<m>\d\d)/(?P<d>\d\d)/(?P<y>\d{4}) (?P<t>\d\d:\d\d:\d\d)"
)
_RESUMED = re.compile(r"(?:Continuing training from global step|and global step) (\d+)")
_EVENTS = (
    ("resume", _RESUMED),
    ("checkpoint", re.compile(r"Saving model checkpoint to ")),
    ("oom", re.compile(r"(?i:out of memory)\b|OutOfMemoryError")),
    (
        "error",
        re.compile(r"Traceback \(most recent call last\)|^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)(?::|$)"),
    ),
)
_DRAWN = re.compile(r"(?:it/s|s/it)\]")
_NOTABLE = ("step", "heckpoint", "emory", "Memory", "Traceback", "Error", "Exception")
#: Bars kept behind a record: that of an evaluation may be drawn before that of the training.
_BARS = 4
_PRECISIONS = {"bf16": "bf16", "fp16": "fp16"}


@dataclass(slots=True)
class Bar:
    line: int
    n: int
    total: int
    elapsed: float


@dataclass(slots=True)
class Record:
    """One printed dict."""

    line: int
    values: dict[str, Any]
    time: int | None  #: clock of what stands in front
    copied: bool  #: LLaMA-Factory's logger repeats what the Trainer prints
    before: Bar | None
    after: list[Bar] = field(default_factory=list)
    step: int | None = None
    bar: Bar | None = None  #: the bar of the training at this record


@dataclass(slots=True)
class Segment:
    """One start of the program that trained."""

    run: Run
    begun: bool = False
    records: list[Record] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    figures: list[tuple[int, str, str]] = field(default_factory=list)  #: line, key, text of a block
    arguments: dict[str, str] = field(default_factory=dict)
    epochs: dict[bool, float] = field(default_factory=dict)  #: of the last train record; copies are rounded
    completed: bool = False
    failed: bool = False  #: an error after the last record

    @property
    def trained(self) -> bool:
        return self.begun or bool(self.records)

    def of(self, phase: str) -> list[Record]:
        """Records of a phase that are not final; copies only where the Trainer itself printed none."""
        found = [r for r in self.records if not is_final(r.values) and phase_of(r.values) == phase]
        printed = [r for r in found if not r.copied]
        return printed or found


class Reader:
    """Lines of a log to segments."""

    def __init__(self, name: str, place: Place, framework: str | None) -> None:
        self._name, self._root, self._framework = name, place.path, framework
        self.segments: list[Segment] = [self._new(0)]
        self._bar: Bar | None = None
        self._waiting: Record | None = None
        self._block = False
        self._dump = False

    def _new(self, index: int) -> Segment:
        run = Run(run_name(self._name, index), self._root, kind="training", framework=self._framework)
        run.experiment = self._name
        return Segment(run)

    def read(self, text: str) -> list[Segment]:
        for number, line in enumerate(text.split("\n"), 1):
            if "%|" in line or "{'" in line:
                self._tokens(number, line)
            self._say(number, line)
        return self.segments

    @property
    def _now(self) -> Segment:
        return self.segments[-1]

    def _begin(self) -> None:
        if self._now.trained:
            self.segments.append(self._new(len(self.segments)))
            self._bar = self._waiting = None

    # ---- records and bars

    def _tokens(self, number: int, line: str) -> None:
        for token in _TOKEN.finditer(line):
            if token["record"] is None:
                bar = Bar(number, int(token[1]), int(token[2]), _elapsed(token[3]))
                self._bar = bar
                if self._waiting is not None and len(self._waiting.after) < _BARS:
                    self._waiting.after.append(bar)
            elif _OURS.search(token["record"]):
                values = read_repr(token["record"])
                if values is not None:
                    self._record(number, values, line[: token.start()])

    def _record(self, number: int, values: dict[str, Any], before: str) -> None:
        copied = bool(_LOGGED.search(before))
        epoch = numbers(values).get("epoch")
        if epoch is not None and not is_final(values) and phase_of(values) == "train":
            if epoch < self._now.epochs.get(copied, epoch):
                self._begin()  # another start, of which nothing else was logged
            self._now.epochs[copied] = epoch
        record = Record(number, values, clock(before) if before else None, copied, self._bar)
        self._waiting = record
        self._now.records.append(record)
        self._now.failed = False

    # ---- what is said beside

    def _say(self, number: int, line: str) -> None:
        if self._block:
            found = _FIGURE.fullmatch(line)
            if found:
                self._now.figures.append((number, found[1], found[2]))
                return
            self._block = not line.strip() or "%|" in line
        if "TrainingArguments(" in line and _PROGRAM.search(line):
            self._begin()
            self._dump = True
        elif "=" in line:
            self._assigned(number, line)
        elif self._dump and line.strip() == ")":
            self._dump = False
        if "*****" in line:
            self._marked(number, line)
        if "_name_or_path" in line or "loading configuration" in line:
            self._model(line)
        if "Training completed" in line:
            self._now.completed = True
        if "logging_" in line:
            self._now.arguments |= dict(_ARGUMENT.findall(line))
        if any(word in line for word in _NOTABLE):
            self._event(number, line)

    def _model(self, line: str) -> None:
        """The first model that a segment names."""
        found = _CONFIG_FILE.search(line) or _MODEL.search(line)
        if found and self._now.run.model is None:
            self._now.run.model = found[1].rstrip("/").rsplit("/", 1)[-1] or None

    def _marked(self, number: int, line: str) -> None:
        self._block = bool(_BLOCK.search(line))
        if _BEGIN.search(line):
            if self._now.begun or self._now.records:
                self._begin()
            self._now.begun = True
            self._now.run.started_at = clock(line)

    def _assigned(self, number: int, line: str) -> None:
        if self._dump and (entry := _ENTRY.fullmatch(line)):
            _configure(self._now.run, entry[1], entry[2])
        elif stated := _STATED.search(line):
            self._now.run.config[_KEYS[stated["key"]]] = int(stated["value"].replace(",", ""))

    def _event(self, number: int, line: str) -> None:
        for kind, pattern in _EVENTS:
            if (found := pattern.search(line)) is None:
                continue
            step = int(found[1]) if kind == "resume" else None
            segment = self._now
            if kind == "resume":
                segment.run.resumed_from = step
            segment.failed = segment.failed or kind in ("oom", "error")
            message = _DRAWN.split(line)[-1].strip()[:2000]
            segment.events.append(Event(segment.run.name, kind, message, number, clock(line), step))
            return


def clock(text: str) -> int | None:
    """The last clock in a line (``2023-07-15 04:58:50,349``; the examples write ``07/15/2023 04:58:22``)."""
    clocks = list(_CLOCK.finditer(text))
    if not clocks:
        return None
    found = clocks[-1]
    return microseconds(found["iso"] or f"{found['y']}-{found['m']}-{found['d']} {found['t']}")


def _elapsed(text: str) -> float:
    """``01:25``, ``15:30:50`` as tqdm prints them; seconds."""
    total = 0.0
    for part in text.rpartition(", ")[2].split(":"):
        total = total * 60 + float(part or 0)
    return total


def _configure(run: Run, key: str, text: str) -> None:
    """An entry of the printed TrainingArguments: plain literals and bare words; tokens are no business of ours."""
    if text in ("None", "") or "token" in key:
        return
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = text
    if isinstance(value, (str, int, float)):
        run.config[key] = value
    if value is True and key in _PRECISIONS:
        run.precision = _PRECISIONS[key]


# --------------------------------------------------------------------------- final figures

_MEGA = re.compile(r"(-?\d+)MB")
_GIGA = re.compile(r"(\d+)GF")


def finals(segment: Segment) -> Iterator[Any]:
    """Final figures of a segment; the dict is finer than the block below it, which is left out where it repeats it."""
    seen = set()
    for record in segment.records:
        if is_final(record.values):
            for key, value in record.values.items():
                if key in numbers({key: value}) and key != "remaining_time":
                    seen.add(key)
                    yield figure(segment.run.name, key, value, record.line, precision=precision_of(value, key))
    for line, key, text in segment.figures:
        if key not in seen and (made := _printed(segment.run, key, text, line)) is not None:
            yield made


def _printed(run: Run, key: str, text: str, line: int) -> Any:
    """A figure of a block: ``0:59:41.70``, ``123GF`` (binary), ``123MB`` (binary), or a number of four decimals."""
    if key.endswith("_samples"):
        run.config[key] = int(text) if text.isdigit() else text
        return None
    for pattern, factor in ((_MEGA, 2.0**20), (_GIGA, 2.0**30)):
        if match := pattern.fullmatch(text):
            made = figure(run.name, key, match[1], line, factor, "0")
            made.raw_value = text
            return made
    if not numbers({key: text}):
        return None
    return figure(run.name, key, text, line, precision="2" if seconds(text) is not None else "4")


def precision_of(value: Any, key: str) -> str:
    """Transformers 5 prints texts of four significant digits; 4 prints all digits, of the epoch two decimals."""
    if isinstance(value, str):
        return "3e" if seconds(value) is None else "0"
    return "2" if key == "epoch" else "full"


# --------------------------------------------------------------------------- series


def points_of(segment: Segment) -> Iterator[Points]:
    """All series of a segment, and the time that the bar of the training shows."""
    for phase in ("train", "val", "test"):
        groups: dict[tuple[Any, ...], list[Record]] = {}
        for record in segment.of(phase):
            key = (record.step is None, record.time is None, tuple(numbers(record.values)))
            groups.setdefault(key, []).append(record)
        for records in groups.values():
            yield _points(segment.run.name, phase, records)
    bars = [r.bar for r in segment.of("train") if r.bar is not None]
    if bars:
        column = Column(np.array([b.elapsed for b in bars]), "0")
        lines, steps = (np.array(values, np.int64) for values in zip(*((b.line, b.n) for b in bars), strict=True))
        yield Points(segment.run.name, "train", lines, {"tqdm": column}, steps)


def _points(run: str, phase: str, records: list[Record]) -> Points:
    """Records with the same keys, all with a step or all without."""
    rows = [numbers(r.values) for r in records]
    columns = {}
    for key, printed in ((key, records[0].values[key]) for key in rows[0]):
        values = [row[key] for row in rows]
        rounded = (phase, key) == ("train", "loss") and not isinstance(printed, str)
        precision = loss_precision(values) if rounded else precision_of(printed, key)
        columns[key] = Column(np.array(values, np.float64), precision)
    steps = [r.step for r in records if r.step is not None]
    times = [r.time for r in records if r.time is not None]
    return Points(
        run,
        phase,
        np.array([r.line for r in records], np.int64),
        columns,
        np.array(steps, np.int64) if steps else None,
        times=np.array(times, np.int64) if times else None,
    )


_SIZES = ("global_batch_size", "per_device_train_batch_size", "gradient_accumulation_steps")


def finish(run: Run, segment: Segment) -> None:
    """What follows from the whole: status, devices, end."""
    closed = segment.completed or any(is_final(r.values) for r in segment.records)
    run.status = "failed" if segment.failed and not closed else "completed" if closed else None
    whole, one, accumulated = (run.config.get(key) for key in _SIZES)
    if isinstance(whole, int) and isinstance(one, int) and isinstance(accumulated, int) and one * accumulated > 0:
        count, rest = divmod(whole, one * accumulated)
        run.device_count = None if rest else count
    times = [t for t in (*(e.time for e in segment.events), *(r.time for r in segment.records)) if t is not None]
    run.ended_at = max(times, default=None)
