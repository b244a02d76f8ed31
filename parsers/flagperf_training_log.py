"""FlagPerf training: the log of a rank, with ``[PerfLog]`` events or the result lines that the cases of LLMs print.

Source: ``training/benchmarks/driver/{perf_logger,log_event}.py`` and ``training/benchmarks/*/*/run_pretraining.py`` of
FlagOpen/FlagPerf.  Payloads of SUBMIT_INFO, EPOCH_BEGIN and EPOCH_END are lost by the writer, so model, vendor and
devices come from the path and from the command line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from llmstats.parsing import Head, Place, State
from llmstats.records import Event, Ints, Item, Points, Run
from llmstats.shapes import Field, Frame, Note, Plan, Record, Scan, Suspect
from llmstats.training import CONFLICT, Runs, is_conflict_marker, run_name

from . import _flagperf_steps
from ._flagperf_place import (
    Spot,
    in_tree,
    kept,
    learn_case,
    learn_vendor,
    new_run,
    node_directory,
    spot_of,
    task_output,
)
from ._flagperf_steps import framework_line, learn_message, prepare, step_line, tells, took
from ._flagperf_training import KEYED, NAMES, PRINTED, STAGES, finished, printed
from ._samples_flagperf_training import SAMPLES
from ._serving import Case, Meaning, measurement
from ._steplines import MAYBE_EVENT, StepLines, covered

_PERF = "[PerfLog] {"
_STEPS = ("global_steps", "global_step", "step")
_SERVICE = {"epoch": "@epoch", "time_ms": "@ms", **dict.fromkeys(_STEPS, "@step")}
_PHASES = {"STEP_END": "train", "EVALUATE": "val", "INIT_EVALUATION": "val"}
_NUMBER = re.compile(
    r'"(?P<key>(?:[^"\\]|\\.)*)": (?P<value>-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|NaN|Infinity))(?=[,}\]])'
)
_RANK_FILE = re.compile(r"rank(?P<rank>\d+)\.(?:out\.log|log\.txt)$")
_OURS = re.compile(r"(?i)flagperf|training/benchmarks/")
#: What any training prints before its first step.
_TALKS = re.compile(r"(?i:epoch|iteration|loss|rank|error|world_size|namespace\()")
#: Lines of trainers whose own formats say more than the lines here.
_FOREIGN = re.compile(r" - (?:mmengine|mmcv) - |^:::MLLOG |^DLLL \{|^Training epoch \d+, iteration", re.M)
_LOGURU = re.compile(r"(?P<clock>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) \| [A-Z]+ +\| \S+ - ")
_BAR = re.compile(
    r"Training Epoch: (?P<epoch>\d+)/(?P<epochs>\d+), step (?P<at>\d+)/(?P<total>\d+) completed "
    r"\(loss: (?P<loss>[\d.eE+-]+|nan|inf)\)"
)
_EPOCH = re.compile(
    r"Epoch (?P<epoch>\d+): train_perplexity=(?P<ppl>[\d.]+|nan|inf), train_epoch_loss=(?P<loss>[\d.]+|nan|inf), "
    r"epoch time (?P<time>[\d.]+)s"
)
_MEMORY = re.compile(
    r"(?P<key>Max CUDA memory allocated|Max CUDA memory reserved|Peak active CUDA memory|CPU Total Peak Memory)"
    r"[^\d]*? (?:was |\(max\): )(?P<value>\d+) GB$"
)
_MMLU = re.compile(r"MMLU(?P<shots>\d+)-shots Acc: (?P<value>[\d.]+)$")
#: Mean step time and tokens per second of a device, of the cases that run FlagScale.
_PAIR = re.compile(r"(?P<time>\d+\.\d+(?:e-\d+)?) (?P<tps>\d+\.\d+)$")
_PEAK = re.compile(r"Theory TFLOPS: +(\d+)$")
_OPTION = re.compile(r"--(?P<name>case_name|vendor)[= ](?P<value>[\w.:+-]+)")
_GUARD = re.compile(
    r"MFU: |TFLOPS: |Tokens/|tokens per second|computing power|Throughput\(token|avg_|-shots Acc|stage|--case_name"
)


class FlagPerfTrainingLog(StepLines):
    """One run per round of a case; the file's rank is the global one, the log's own is local."""

    name = "flagperf_training_log"
    version = 2
    title = "FlagPerf training: rank{N}.out.log with [PerfLog] events or printed results"
    writes = "FlagPerf"
    framework = ""
    names: ClassVar = {**_flagperf_steps.NAMES, **NAMES}
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        if _PERF in head.text and '"event": ' in head.text:
            return "'[PerfLog] {\"event\": …'"
        if "Throughput(token per chip per second): " in head.text:
            return "'Throughput(token per chip per second): …'"
        if "Tokens/p/s: " in head.text and any(PRINTED.match(line) for line in head.lines):
            return "'Tokens/p/s: …'"
        if not task_output(head.place) or _FOREIGN.search(head.text):
            return None
        named = f"named {head.place.parent()}/{head.place.name}"
        if in_tree(head.place) and _TALKS.search(head.text):
            return f"{named} in a run directory of FlagPerf"
        if node_directory(head.place) and _OURS.search(head.text):
            return f"{named}, with lines of FlagPerf"
        line = framework_line(head)
        return f"{named}, with {line[:80]!r}" if line else None

    def start(self, place: Place) -> State:
        file = _RANK_FILE.search(place.name)
        spot = spot_of(place, own=not (file or node_directory(place) or task_output(place)))
        return {"name": spot.name, "root": spot.root, "spot": kept(spot), "rank": int(file["rank"]) if file else None}

    def plan(self, text: str) -> Plan:
        if (at := text.find(_PERF)) >= 0:
            return _perf(text, at + len(_PERF) - 1)
        if (bar := _BAR.search(text)) or (bar := _EPOCH.search(text)) or (bar := _MEMORY.search(text)):
            return _line(text, bar)
        if is_conflict_marker(text):
            return Note(CONFLICT)
        if (step := step_line(text)) is not None:
            return step
        wanted = _GUARD.search(text) or _PAIR.match(text) or MAYBE_EVENT.search(text) or tells(text)
        return Note("say") if wanted else None

    def prepare(self, state: State, scan: Scan) -> None:
        """Clocks from milliseconds; steps of the progress bar over all epochs."""
        prepare(scan)
        for frame in scan.frames:
            columns = frame.columns
            if "@ms" in columns:
                columns["@clock"] = (np.asarray(columns.pop("@ms"), np.float64) * 1000).astype(np.int64)
            if "@at" in columns:
                columns["@step"] = (columns["@epoch"] - 1) * columns["@total"] + columns["@at"] + 1

    def took(self, runs: Runs, frame: Frame, index: Ints) -> None:
        for number in np.unique(index).tolist():
            took(runs[number], frame, int(np.flatnonzero(index == number)[-1]))

    def fold(self, state: State, place: Place, scan: Scan) -> Iterator[Item]:
        """As all step logs; what a line says of an epoch or of memory stands on no step."""
        for item in super().fold(state, place, scan):
            if isinstance(item, Points) and not item.phase:
                item.phase, item.steps = "train", None
            yield item

    def phase(self, kind: str) -> str:
        return "" if kind == "epoch" else kind if kind in ("val", "test") else "train"

    def _new_run(self, state: State, index: int) -> Run:
        run = new_run(Spot(**state["spot"]))
        run.name, run.kind, run.experiment = run_name(state["name"], index), "training", state["name"]
        return run

    def _note(self, state: State, run: Run, note: tuple[int, int, str]) -> Iterator[Item]:
        _, line, text = note
        if (at := text.find(_PERF)) >= 0:
            yield from _event(run, json.loads(text[at + len(_PERF) - 1 :]), line)
            return
        learned = _learn(run, text) or learn_message(state, run, text)
        results = list(_results(state, run, text, line))
        yield from results
        if not (learned or results):
            yield from super()._note(state, run, note)


def _perf(text: str, at: int) -> Plan:
    """An event: a step or an evaluation with numbers is a record, all else a note."""
    try:
        event = json.loads(text[at:])
        phase = _PHASES.get(event["event"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return Suspect("broken PerfLog object")
    fields = _fields(text, at)
    if phase is None or not any(f.name and not f.name.startswith("@") for f in fields):
        return Note("perf")
    if phase == "train" and all(f.name != "@step" for f in fields):
        phase = "epoch"
    return Record(phase, fields)


def _fields(text: str, at: int) -> list[Field]:
    """Every number of the value; of the metadata the clock alone."""
    metadata = text.rfind('"metadata"')
    end = metadata if metadata >= 0 else len(text)
    found: dict[str, Field] = {}
    for match in _NUMBER.finditer(text, at):
        name = _SERVICE.get(match["key"], match["key"])
        if match.start() < end or name == "@ms":
            found.setdefault(name, Field(name, *match.span("value")))
    return covered(text, list(found.values()))


_GROUPS = {
    "epoch": "@epoch", "at": "@at", "total": "@total", "loss": "loss", "ppl": "train_perplexity", "time": "epoch time",
}  # fmt: skip


def _line(text: str, match: re.Match[str]) -> Record:
    """A line of the LoRA case: a progress bar (train), the end of an epoch, or a peak of memory."""
    groups = match.groupdict()
    if "key" in groups:
        fields = [Field(groups["key"], *match.span("value"))]
    else:
        fields = [Field(name, *match.span(group)) for group, name in _GROUPS.items() if group in groups]
    if match.re is _EPOCH:
        fields = [f._replace(name="train_epoch_loss") if f.name == "loss" else f for f in fields]
    if clock := _LOGURU.match(text):
        fields.append(Field("@clock", *clock.span("clock"), "clock"))
    return Record("train" if match.re is _BAR else "epoch", covered(text, fields))


# --------------------------------------------------------------------------- notes


def _event(run: Run, event: dict[str, Any], line: int) -> Iterator[Item]:
    """An event without a series: the end of the run carries its results."""
    value, metadata = event.get("value"), event.get("metadata")
    stamp = metadata.get("time_ms") if isinstance(metadata, dict) else None
    time = int(stamp * 1000) if isinstance(stamp, (int, float)) and abs(stamp) < 1e14 else None
    if time is not None:
        run.started_at, run.ended_at = min(time, run.started_at or time), max(time, run.ended_at or time)
    kind = str(event["event"])
    if kind == "FINISHED" and isinstance(value, dict):
        yield from finished(run, value, line)
    elif kind == "SUBMIT_INFO" and isinstance(value, dict):
        _submitted(run, value)
    if kind in ("STEP_BEGIN", "STEP_END") or (isinstance(metadata, dict) and metadata.get("rank")):
        return  # every rank says the same
    yield Event(run.name, "phase", " ".join(p for p in (kind, str(event.get("other") or "")) if p), line, time)


def _submitted(run: Run, value: dict[str, Any]) -> None:
    """What the writer means to say of the run, should it ever be mended."""
    if isinstance(value.get("vendor"), str):
        learn_vendor(run, value["vendor"])
    if isinstance(value.get("model"), str):
        run.model = run.model or value["model"]


def _learn(run: Run, text: str) -> bool:
    """Take in a command line; whether it was one."""
    if "--case_name" not in text:
        return False
    for option in _OPTION.finditer(text):
        if option["name"] == "vendor":
            learn_vendor(run, option["value"])
        else:
            learn_case(run, option["value"])
    return True


def _results(state: State, run: Run, text: str, line: int) -> Iterator[Item]:
    prefix = _LOGURU.match(text)
    message = text[prefix.end() :] if prefix else text
    if message.strip() in STAGES:
        state["stage"] = STAGES[message.strip()]
    elif peak := _PEAK.match(message):
        run.config["peak_tflops"] = int(peak[1])
    elif pair := _PAIR.match(message):
        state["pair"] = [line, pair["time"], pair["tps"]]
    elif mmlu := _MMLU.match(message):
        shots = Case(subject="MMLU", conditions={"shots": int(mmlu["shots"])})
        yield measurement(run.name, Meaning("accuracy"), mmlu["value"], "Acc", line, shots)
    elif found := PRINTED.match(message) or KEYED.match(message):
        if found["key"] == "MFU" and state.get("pair", [-1])[0] == line - 1:
            yield from _pair(run, state["pair"])
        finetune = "finetune" in (run.model or "")
        yield from printed(run, found["key"], found["value"], line, stage=state.get("stage"), finetune=finetune)


def _pair(run: Run, pair: list[Any]) -> Iterator[Item]:
    """The line before the MFU of a case that runs FlagScale: mean step time, tokens per second of a device."""
    line, time, tps = pair
    mean = Meaning("step_time", "step_time@mean_without_first", statistic="mean")
    yield measurement(run.name, mean, time, "ave_steptime", line)
    yield measurement(run.name, Meaning("tokens_per_second_per_device", "tgs@flagperf_case"), tps, "tps", line)
