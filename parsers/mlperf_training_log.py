"""MLPerf training: result files of ``:::MLLOG {json}`` lines, those of the rounds 0.5 and 0.6, and power of the nodes.

Source: ``mlperf_logging/mllog/mllog.py`` (lines), ``compliance_checker`` and ``result_summarizer`` (what counts) of
mlcommons/logging; ``mlperf_compliance/mlperf_log.py`` of the first rounds (``:::MLPv0.5.0``, ``:::MLL``).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from llmstats.documents import number as number_in
from llmstats.parsing import HEAD_BYTES, DocumentParser, Head, Name, Place
from llmstats.records import NO_TIME, Column, Event, Issue, Item, Measurement, Points, Run

from ._literals import read_repr
from ._mlperf import below_results, described
from ._samples_mlperf import TRAINING_SAMPLES

_MARK = ":::MLLOG "
_LINE = re.compile(r':::MLLOG \{ ?"(?:namespace|time_ms|event_type)": .*')
_OLD = re.compile(
    r":::MLPv(?P<round>0\.[56])\.\d+ (?P<benchmark>\w+) (?P<time>\d+\.\d+) \([^)]*\) (?P<key>\w+)(?:: (?P<value>.*))?$"
)
_ROUND_06 = re.compile(r":::MLL (?P<time>\d+\.\d+) (?P<key>\w+): (?P<value>\{.*)$")
_NULL = re.compile(r": null(?=[,}])")
_SYSTEM = ":::SYSJSON "
#: ``results/{system}/{benchmark}/power/result_N/node_N.txt``
_POWER_FILE = re.compile(r"(?P<kind>node|sw)_(?P<number>\d{1,6})\.txt")
_RESULT = re.compile(r"result_?\d+\.(?:txt|log)$")

#: What ``eval_accuracy`` is, by benchmark; elsewhere it keeps its name.
_LOSS = {"llama2_70b_lora", "llama31_405b", "llama31_8b", "llama3_405b", "gpt3", "gpt3_175b", "flux1", "gpt_oss_20b"}
_ACCURACY = {"resnet", "resnet50", "bert", "rgat", "gnn"}
_QUALITY = {
    **dict.fromkeys(_LOSS, Name("loss", 1.0, "loss@mlperf_eval")),
    **dict.fromkeys(_ACCURACY, Name("accuracy", 1.0, "accuracy@mlperf_eval")),
    **dict.fromkeys(("dlrm", "dlrm_dcnv2"), Name("roc_auc", 1.0, "auc@mlperf_eval")),
    **dict.fromkeys(("ssd", "retinanet"), Name("mean_average_precision", 1.0, "mean_average_precision@mlperf_eval")),
    **dict.fromkeys(("gnmt", "transformer"), Name("bleu", 1.0, "bleu@mlperf_eval")),
    "rnnt": Name("word_error_rate", 1.0, "word_error_rate@mlperf_eval"),
}
_NAMES = {
    "throughput": Name("samples_per_second", 1.0, "samples_per_second@mlperf_tracked"),
    "train_step_time": Name("step_time", 1.0, "step_time@mlperf_tracked"),
    "reduced_train_loss": Name("loss", 1.0, "loss@mlperf_tracked"),
    "train_loss": Name("loss", 1.0, "loss@mlperf_tracked"),
    "train_accuracy": Name("accuracy", 1.0, "accuracy@mlperf_train"),
    "train_step_timing in s": Name("step_time", 1.0, "step_time@mlperf_tracked"),
    "lr": Name("learning_rate"),
    "current_lr": Name("learning_rate"),
    "validation_time": Name("evaluation_time"),
    "samples_count": Name("samples"),
    "eval_accuracy/BBOX": Name("mean_average_precision", 1.0, "mean_average_precision@mlperf_bbox"),
    "eval_accuracy/SEGM": Name("mean_average_precision", 1.0, "mean_average_precision@mlperf_segm"),
    "power_reading": Name("system_power", 1.0, "power@mlperf_node"),
    "power_reading of a switch": Name("system_power", 1.0, "power@mlperf_switch"),
}
_STATUS = {"success": "completed", "aborted": "failed"}


class MlperfTrainingLog(DocumentParser):
    """One run per result file; the N files of a benchmark are repetitions of one score."""

    name = "mlperf_training_log"
    version = 2
    title = "MLPerf training result (:::MLLOG, :::MLL, :::MLPv0.5.0), power of its nodes"
    writes = "MLPerf training"
    names = _NAMES
    samples = TRAINING_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "mlperf::logging" in head.text:
            return None  # LoadGen's detail log
        if _MARK in head.text and (match := _LINE.search(head.text)):
            return f"line {match[0][:120]!r}"
        if ":::MLPv0." in head.text and re.search(r":::MLPv0\.[56]\.\d+ \w+ \d+\.\d+ \(", head.text):
            return "line ':::MLPv0.…'"
        if ":::MLL " in head.text and (match := re.search(_ROUND_06.pattern, head.text, re.M)):
            return f"line {match[0][:120]!r}"
        if _SYSTEM in head.text:
            return "line ':::SYSJSON …'"
        place = head.place
        if len(head.raw) >= HEAD_BYTES and place.parent(3) == "results" and _RESULT.match(place.name):
            return "named results/{system}/{benchmark}/result_N.txt, longer than what detection sees"
        return None

    def canonical(self, raw: str, phase: str) -> Name:
        if raw.startswith("eval_accuracy@"):
            return _QUALITY.get(raw.removeprefix("eval_accuracy@")) or Name("eval_accuracy")
        return super().canonical(raw, phase)

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        entries = list(_entries(text))
        log = _Log(_new_run(place))
        if part := _POWER_FILE.fullmatch(place.name):
            log.power = "power_reading" if part["kind"] == "node" else "power_reading of a switch"
            log.device_index = int(part["number"])
        yield from (entry for entry in entries if isinstance(entry, Issue))
        said = [entry for entry in entries if isinstance(entry, _Entry)]
        log.learn(said)
        for entry in said:
            log.take(entry)
        yield from log.items()


@dataclass(slots=True)
class _Entry:
    """One logged fact."""

    line: int
    time: int  #: microseconds, UTC in the files of today
    key: str
    value: Any
    metadata: dict[str, Any]


def _entries(text: str) -> Iterator[_Entry | Issue]:
    decoder = json.JSONDecoder()
    for number, line in enumerate(text.split("\n"), 1):
        at = line.rfind(_MARK)
        if at >= 0:
            yield _decoded(decoder, line, at + len(_MARK), number)
        elif (at := line.find(_SYSTEM)) >= 0:
            yield _decoded(decoder, line, at + len(_SYSTEM), number)
        elif ":::MLPv0." in line and (old := _OLD.search(line)):
            yield _old_entry(decoder, old, number)
        elif ":::MLL " in line and (old := _ROUND_06.search(line)):
            yield _entry_06(decoder, old, number)


def _decoded(decoder: json.JSONDecoder, line: str, at: int, number: int) -> _Entry | Issue:
    """An entry; a system description is one with the key ``:::SYSJSON``."""
    try:
        row, _ = decoder.raw_decode(line, at)
    except (ValueError, RecursionError) as why:
        return Issue(f"broken MLLOG line: {why}", number, line[:500])
    if not isinstance(row, dict):
        return Issue("MLLOG line is no object", number, line[:500])
    if line.startswith(_SYSTEM, at - len(_SYSTEM)):
        return _Entry(number, NO_TIME, _SYSTEM, row, {})
    metadata = row.get("metadata")
    milliseconds = _number(row.get("time_ms"))
    time = NO_TIME if milliseconds is None else round(milliseconds * 1000)
    return _Entry(number, time, str(row.get("key")), row.get("value"), metadata if isinstance(metadata, dict) else {})


def _old_entry(decoder: json.JSONDecoder, old: re.Match[str], number: int) -> _Entry:
    """``:::MLPv0.5.0 resnet 1541635764.55 (file.py:58) eval_accuracy: {"epoch": 4, "value": 0.231}``."""
    text = (old["value"] or "null").strip()
    try:
        value = decoder.decode(text)
    except (ValueError, RecursionError):
        value = text
    metadata = {"benchmark": old["benchmark"]}
    if isinstance(value, dict):
        metadata |= {"epoch_num": value.get("epoch"), "samples_count": value.get("samples_count")}
        if "success" in value:
            metadata["status"] = "success" if value["success"] in (True, "true") else "aborted"
        value = value.get("value", value)
    return _Entry(number, round(float(old["time"]) * 1e6), old["key"], value, metadata)


def _entry_06(decoder: json.JSONDecoder, line: re.Match[str], number: int) -> _Entry | Issue:
    """``:::MLL 1558572175.658 eval_accuracy: {"value": 0.23, "metadata": {"epoch_num": 50}}``; some print Python."""
    try:
        said = decoder.decode(line["value"].strip())
    except (ValueError, RecursionError):
        said = read_repr(_NULL.sub(": None", line["value"]))
    if not isinstance(said, dict):
        return Issue("broken MLL line", number, line[0][:500])
    metadata = said.get("metadata")
    time = round(float(line["time"]) * 1e6) or NO_TIME
    return _Entry(number, time, line["key"], said.get("value"), metadata if isinstance(metadata, dict) else {})


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


#: Line, time, step, epoch, value.
_Row = tuple[int, int, int | None, int | None, float]


@dataclass
class _Log:
    """One result file as far as read."""

    run: Run
    benchmark: str = ""
    batch: float = 0.0  #: samples per step
    train_samples: float = 0.0
    counts_steps: bool = False  #: whether ``metadata.step`` is an iteration; else it counts samples
    started: _Entry | None = None
    stopped: _Entry | None = None
    init: list[_Entry] = field(default_factory=list)
    power: str = "power_reading"
    device_index: int | None = None  #: number of the node (or switch) whose power the file holds
    rows: dict[tuple[str, str], list[_Row]] = field(default_factory=lambda: defaultdict(list))
    events: list[Event] = field(default_factory=list)

    def learn(self, entries: list[_Entry]) -> None:
        """What holds for the whole file, wherever it stands."""
        for entry in entries:
            value = _number(entry.value)
            if entry.key == "global_batch_size" and value:
                self.batch = value
            elif entry.key == "train_samples" and value:
                self.train_samples = value
            elif entry.key == "submission_benchmark" and isinstance(entry.value, str):
                self.benchmark = entry.value
            self.benchmark = self.benchmark or str(entry.metadata.get("benchmark", ""))
            self.counts_steps |= "step" in entry.metadata and "samples_count" in entry.metadata
        self.benchmark = self.benchmark or str(self.run.config.pop("benchmark", ""))
        self.run.model = self.benchmark or None

    def take(self, entry: _Entry) -> None:
        value = _number(entry.value)
        if entry.key == _SYSTEM:
            described(entry.value, self.run)
        elif entry.key in ("run_start", "run_stop", "run_final", "init_start", "init_stop"):
            self._mark(entry)
        elif entry.key == "eval_accuracy":
            self._evaluated(entry, entry.value)
        elif entry.key == "power_reading" and value is not None:
            self._row("train", self.power, entry, value)
        elif entry.key == "tracked_stats" and isinstance(entry.value, dict):
            for key, tracked in entry.value.items():
                if (number := _number(tracked)) is not None:
                    self._row("val" if str(key).startswith(("val", "eval")) else "train", str(key), entry, number)
            self._rate(entry)
        elif value is not None and entry.metadata.keys() & {"samples_count", "step"} and self.started:
            self._row("train", entry.key, entry, value)
            self._rate(entry)
        elif isinstance(entry.value, (str, int, float)) and not entry.key.endswith(("_start", "_stop")):
            self.run.config[entry.key] = entry.value

    def _mark(self, entry: _Entry) -> None:
        if entry.key == "run_start" and self.stopped is None:
            self.started = entry
        elif entry.key == "run_stop" and self.stopped is None:
            self.stopped = entry
        elif entry.key in ("init_start", "init_stop"):
            if entry.key == "init_start" and self.init:
                return
            self.init.append(entry)
        status = entry.metadata.get("status")
        text = f"{entry.key}: {status}" if status else entry.key
        self.events.append(Event(self.run.name, "phase", text, entry.line, entry.time))

    def _evaluated(self, entry: _Entry, value: Any) -> None:
        """A number (a text in round 0.6), or the precisions of boxes and of masks."""
        if isinstance(value, dict) and isinstance(value.get("accuracy"), dict):
            value = value["accuracy"]
        metric = entry.metadata.get("metric")
        whole = f"eval_accuracy/{metric}" if isinstance(metric, str) else f"eval_accuracy@{self.benchmark}"
        named = {whole: number_in(value) if isinstance(value, str) else value}
        if isinstance(value, list):
            named = {f"eval_accuracy/{key}": part for key, part in zip(("BBOX", "SEGM"), value, strict=False)}
        elif isinstance(value, dict):
            named = {f"eval_accuracy/{key}": part for key, part in value.items()}
        for name, part in named.items():
            if (score := _number(part)) is not None:
                self._row("val", name, entry, score)
        if (samples := _number(entry.metadata.get("samples_count"))) is not None:
            self._row("val", "samples_count", entry, samples)

    def _rate(self, entry: _Entry) -> None:
        if (rate := _number(entry.metadata.get("lr"))) is not None:
            self._row("train", "lr", entry, rate)

    def _row(self, phase: str, name: str, entry: _Entry, value: float) -> None:
        step = None if name == "validation_step_time" else self._step(entry.metadata)
        epoch = _number(entry.metadata.get("epoch_num"))
        passed = int(epoch) if epoch is not None and epoch.is_integer() and 0 <= epoch < 2**31 else None
        self.rows[phase, name].append((entry.line, entry.time, step, passed, value))

    def _step(self, metadata: dict[str, Any]) -> int | None:
        """Iteration: as counted, or by samples over the global batch size, or by the share of an epoch."""
        step = _number(metadata.get("step"))
        samples = _number(metadata.get("samples_count"))
        if self.counts_steps and step is not None:
            return round(step)
        if samples is None and step is not None and step.is_integer():
            samples = step
        if samples is not None and self.batch:
            return round(samples / self.batch)
        epochs = _number(metadata.get("epoch_num", step))
        if epochs is not None and self.batch and self.train_samples:
            return round(epochs * self.train_samples / self.batch)
        return None

    def items(self) -> Iterator[Item]:
        run = self.run
        if self.stopped:
            run.status = _STATUS.get(str(self.stopped.metadata.get("status")))
        if self.started and self.started.time != NO_TIME:
            run.started_at = self.started.time
        if self.stopped and self.stopped.time != NO_TIME:
            run.ended_at = self.stopped.time
        yield run
        yield from self.events
        for (phase, name), rows in self.rows.items():
            yield from _points(run.name, phase, name, rows, self.device_index)
        if self.started and self.stopped:
            yield _lasted(run.name, "time_to_train", "time_to_train@mlperf", self.started, self.stopped)
        if len(self.init) > 1:
            yield _lasted(run.name, "init_time", "init_time@mlperf", self.init[0], self.init[-1])


def _points(run: str, phase: str, name: str, rows: list[_Row], device_index: int | None) -> Iterator[Points]:
    """Points of one series, those without a step or without an epoch apart."""
    for stepless, epochless in product((False, True), repeat=2):
        mine = [row for row in rows if (row[2] is None, row[3] is None) == (stepless, epochless)]
        if mine:
            lines, times, steps, epochs, values = zip(*mine, strict=True)
            yield Points(
                run,
                phase,
                np.array(lines, np.int64),
                {name: Column(np.array(values, np.float64))},
                None if stepless else np.array(steps, np.int64),
                epochs=None if epochless else np.array(epochs, np.int64),
                times=np.array(times, np.int64),
                device_index=device_index,
            )


def _lasted(run: str, metric: str, definition: str, begin: _Entry, end: _Entry) -> Measurement:
    raw = f"{end.key} - {begin.key}"
    milliseconds = round((end.time - begin.time) / 1000)
    seconds = (end.time - begin.time) / 1e6
    return Measurement(
        run, metric, seconds, raw_name=raw, raw_value=f"{milliseconds} ms", definition=definition, line=end.line
    )


def _new_run(place: Place) -> Run:
    """``{submitter}/{system}/{benchmark}/result_N``, also of its power; the file's own name where it lies elsewhere."""
    if place.parent(3) == "results":
        run = Run(f"{below_results(place, 1)}/{place.stem}", place.directory(), kind="training")
        run.config["benchmark"] = place.parent()
    elif place.parent(2) == "power" and place.parent(5) == "results":
        run = Run(f"{below_results(place, 3)}/{place.parent()}", place.directory(3), kind="training")
        run.config["benchmark"] = place.parent(3)
    else:
        run = Run("/".join(p for p in (place.parent(), place.stem) if p) or place.name, place.path, kind="training")
    run.experiment = run.name
    return run
