"""NeMo's training log: the lines of NeMo 2 (``ProgressPrinter``) and the progress bar of NeMo 1.

Source: ``nemo/lightning/pytorch/callbacks/progress_printer.py`` (lines, four significant digits),
``nemo/utils/callbacks`` and tqdm's ``format_num`` (bar: numbers of a thousand and more may be rounded to three digits).
"""

from __future__ import annotations

import re

import numpy as np

from llmstats.parsing import Head, Name, State
from llmstats.records import Event, Ints, Run
from llmstats.shapes import Field, Frame, Note, Plan, Record, Scan, Suspect
from llmstats.training import CONFLICT, Runs, is_conflict_marker, prefix_fields, whole

from ._samples_nemo import SAMPLES
from ._steplines import MAYBE_EVENT, StepLines, covered, numbered

_NUMBER = r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|nan|inf)"
_CLOCK = re.compile(r"\[?(?P<clock>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{3,6})?)")
_LINE = re.compile(r"Training epoch (?P<epoch>\d+), iteration (?P<step>\d+)/(?P<last>\d+) (?=\| )")
_BAR = re.compile(
    r"Epoch (?P<epoch>\d+): [^\[\n]*?(?P<n>\d+)(?:/(?P<last>\d+))?(?:it)? \[[^,\]]*(?=, [^\]]*global_step=)"
)
_PAIR = re.compile(rf"\| (?P<key>[^|:]+): (?P<value>{_NUMBER})(?=\s*(?:\||$))")
_EQUALS = re.compile(rf", (?P<key>[A-Za-z_][^=,\[]*)=(?P<value>{_NUMBER})(?:\.0)?(?=[,\]])")
_LOOKS_LIKE_DATA = re.compile(r"Training epoch \d+, iteration ")
_HEAD = re.compile(r"^[^\"'\n]{0,160}?Training epoch \d+, iteration \d+/\d+ \| .*", re.M)
_HEAD_BAR = re.compile(r"Epoch \d+: [^\[\n]{0,400}\[[^\]\n]{0,200}\breduced_train_loss=[^\]\n]*global_step=")
_SAYS = re.compile(
    r"\[NeMo [EW] |saving model to|Restor(?:ed all states|ing states) from|Experiments will be logged at"
)
_CHECKPOINT = re.compile(r"saving model to (?P<path>\S+)|Scheduled async checkpoint save for (\S+)")
_RESUME = re.compile(r"Restor(?:ed all states|ing states) from (?:the checkpoint(?: path)?(?: at)?)?:? *(?P<path>.+)$")
_PATH_STEP = re.compile(r"step=(\d+)")
_SERVICE = {
    "global_step": "@global_step",
    "global_batch_size": "@global_batch_size",
    "consumed_samples": "consumed_samples",
}


class NemoLog(StepLines):
    """One run per stream; a bar that is drawn again and again for one step counts once, with its last values."""

    name = "nemo_log"
    version = 2
    title = "NeMo training log (NeMo 2 lines, NeMo 1 progress bar)"
    writes = "NeMo"
    framework = "nemo"
    names = {
        "reduced_train_loss": Name("loss"),
        "loss": Name("loss", 1.0, "loss@running_mean"),
        "val_loss": Name("loss"),
        "validation_loss": Name("loss"),
        "lr": Name("learning_rate"),
        "learning_rate": Name("learning_rate"),
        "grad_norm": Name("grad_norm"),
        "train_step_timing in s": Name("step_time"),
        "tokens_per_sec_per_gpu": Name("tokens_per_second_per_device"),
        "TFLOPS_per_GPU": Name("tflops_per_device", 1.0, "tflops@nemo"),
        "consumed_samples": Name("samples"),
    }
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        if ":::MLLOG" in head.text:
            return None
        match = _HEAD.search(head.text) if "Training epoch " in head.text else None
        if match is None and "reduced_train_loss=" in head.text:
            match = _HEAD_BAR.search(head.text)
        return f"line {match[0].strip()[-120:]!r}" if match else None

    def plan(self, text: str) -> Plan:
        if line := _LINE.search(text):
            return _record(text, line, [Field("@step", *line.span("step"))], _PAIR)
        if "global_step=" in text and (bar := _BAR.search(text)):
            return _record(text, bar, [Field("@n", *bar.span("n"))], _EQUALS)
        if _LOOKS_LIKE_DATA.search(text):
            return Suspect("step line not understood")
        if is_conflict_marker(text):
            return Note(CONFLICT)
        return Note("say") if _SAYS.search(text) or MAYBE_EVENT.search(text) else None

    def prepare(self, state: State, scan: Scan) -> None:
        for frame in scan.frames:
            frame.columns["@step"] = _step(frame)
            frame.columns["@epoch"] = frame.columns["@epoch"] + 1
        scan.frames = [part for frame in scan.frames for part in _validation_apart(frame)]
        scan.frames = [part for frame in scan.frames for part in _first_line_apart(frame)]

    def phase(self, kind: str) -> str:
        return "val" if kind == "val" else "train"

    def took(self, runs: Runs, frame: Frame, index: Ints) -> None:
        if "@global_batch_size" not in frame.columns:
            return
        for number in np.unique(index).tolist():
            size = float(frame.columns["@global_batch_size"][index == number][-1])
            if size.is_integer():
                runs[number].config["global_batch_size"] = int(size)

    def event(self, run: Run, message: str, line: int, clock: int | None) -> Event | None:
        if resumed := _RESUME.search(message):
            step = _PATH_STEP.search(resumed["path"])
            return Event(run.name, "resume", message[:500], line, clock, int(step[1]) if step else None)
        if saved := _CHECKPOINT.search(message):
            step = _PATH_STEP.search(saved[0])
            return Event(run.name, "checkpoint", message[:500], line, clock, int(step[1]) if step else None)
        if "[NeMo E " in message:
            return Event(run.name, "error", message[:2000], line, clock, level="ERROR")
        return None


def _record(text: str, header: re.Match[str], counter: list[Field], pairs: re.Pattern[str]) -> Plan:
    metrics = numbered(text, pairs, header.end())
    if not metrics:
        return Suspect("step line not understood")
    fields = [f._replace(name=_SERVICE.get(f.name, f.name)) for f in metrics]
    rounded = any(f.name == "@global_step" and "e" in text[f.start : f.end] for f in fields)
    clock = _CLOCK.search(text, 0, header.start())
    front = [Field("@clock", *clock.span("clock"), "clock")] if clock else prefix_fields(text, header.start())
    epoch = Field("@epoch", *header.span("epoch"))
    if rounded:
        fields = [f._replace(name="@rounded") if f.name == "@global_step" else f for f in fields]
    return Record("train", covered(text, [*front, epoch, *counter, *fields]))


def _step(frame: Frame) -> Ints:
    """1-based: the global step where it is exact, else the line's iteration or the bar's count of batches done."""
    if "@global_step" in frame.columns:
        return whole(frame.columns["@global_step"]) + 1
    return whole(frame.columns["@n"]) if "@n" in frame.columns else whole(frame.columns["@step"]) + 1


def _validation_apart(frame: Frame) -> list[Frame]:
    """Validation values stand on every train line since they were taken."""
    val = [k for k in frame.columns if k.startswith(("val_", "validation_"))]
    return [frame] if not val else [_part(frame, "train", set(frame.columns) - set(val)), _part(frame, "val", val)]


def _first_line_apart(frame: Frame) -> list[Frame]:
    """The first line of a job holds one value divided by the interval: seen where its batch size is no whole number."""
    batch = frame.columns.get("@global_batch_size")
    if frame.kind != "train" or batch is None or not (wrong := batch != np.round(batch)).any():
        return [frame]
    right = [_rows(frame, ~wrong)] if not wrong.all() else []
    first = _rows(frame, wrong)
    named = {k: k if k.startswith("@") else f"{k} (over log interval)" for k in first.columns}
    first.columns = {named[k]: column for k, column in first.columns.items()}
    first.precision = {named[k]: text for k, text in first.precision.items()}
    first.units = {named[k]: unit for k, unit in first.units.items()}
    return [first, *right]


def _rows(frame: Frame, mine: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Frame:
    columns = {k: column[mine] for k, column in frame.columns.items()}
    return Frame(frame.kind, frame.constants, frame.lines[mine], columns, frame.precision, frame.units)


def _part(frame: Frame, kind: str, names: set[str] | list[str]) -> Frame:
    columns = {k: v for k, v in frame.columns.items() if k in names or k.startswith("@")}
    return Frame(kind, frame.constants, frame.lines, columns, frame.precision, frame.units)
