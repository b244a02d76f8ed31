"""torchtitan's training log: one line per logged step and rank, from the first release (``wps``) on.

Source: ``torchtitan/components/metrics.py`` (lines), ``torchtitan/tools/logging.py`` (prefix), ``torchtitan/train.py``
(messages); forks log the same line behind another prefix.
"""

from __future__ import annotations

import math
import re

from llmstats.parsing import Head, Name
from llmstats.records import Event, Run
from llmstats.shapes import Field, Note, Plan, Record, Suspect
from llmstats.training import CONFLICT, is_conflict_marker, prefix_fields

from ._samples_torchtitan import SAMPLES
from ._steplines import MAYBE_EVENT, StepLines, numbered, vendor_of

_CLOCK = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[,.]\d{3,6}"
_PREFIX = re.compile(rf"(?P<clock>{_CLOCK})\]?(?: - [\w.\-]+ - (?P<level>[A-Z]+) - |\[[A-Z]\]\[[^\]]*\] )")
_STEP = re.compile(r"(?P<val>validate )?step:\s*(?P<step>\d+)\s+(?=loss:)")
_PAIR = re.compile(
    r"(?P<key>[A-Za-z_][\w./() ]*?):\s*(?P<value>[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.?\d*(?:e[-+]?\d+)?|nan|inf))"
    r"(?P<unit>GiB|%|s(?=\s|$))?(?:\((?P<share>\d+\.?\d*)%\))?(?=\s|$)"
)
_TITAN = re.compile(rf"^[^\n]{{0,60}}\[titan\] {_CLOCK} - [\w.]+ - [A-Z]+ - .*", re.M)
_LINE = re.compile(
    r"^[^\"'\n]{0,120}?step: +\d+ +loss: +\S+ +(?:\w+: +[\d.]+ +)*memory: +[\d.]+GiB\([\d.]+%\) +(?:tps|wps): .*", re.M
)
_SAYS = re.compile(
    r"torchtitan version: |Starting job: |Building |Preparing \S+ dataset|capacity: |Peak FLOPS used|"
    r"Trainer is initialized with |Training starts at step |Training completed|[Cc]heckpoint|Model \S+ |"
    r"Converted modules to use |Float8 training active"
)

_BATCHES = re.compile(
    r"(local batch size|global batch size|gradient accumulation steps|sequence length|total steps) (\d+)"
)
_CAPACITY = re.compile(r"\w+ capacity: (.+?) with [\d.]+GiB memory")
_MESH = re.compile(r"Building device mesh with parallelism: (.+)$")
_OLD_MESH = re.compile(r"Building (\d)-D device mesh with \[([^\]]*)\], \[([\d, ]+)\]")
_FACTS = (
    ("environment", "torchtitan version", re.compile(r"torchtitan version: (\S+)")),
    ("config", "job", re.compile(r"Starting job: (.+)$")),
    ("config", "peak_flops", re.compile(r"Peak FLOPS used for computing MFU: (\S+)")),
    ("config", "quantization", re.compile(r"Converted modules to use (?:dynamic )?(\S+) quantization")),
    ("config", "parameters", re.compile(r"Model .* size: ([\d,]+) total parameters")),
)
_MODEL = re.compile(r"Building (?!device|\d-D|tokenizer|optim)(\S+ \S+)(?: with .*)?$")
_DATASET = re.compile(r"Preparing (\S+) (?:validation )?dataset")
_RESUME = re.compile(r"Loading the checkpoint (?:from \S*step-|at step )(\d+)")
_STARTS = re.compile(r"Training starts at step (\d+)")
_SAVED = re.compile(r"(?:Saving (?:the|a full) checkpoint|Finished saving the checkpoint|Saved checkpoint)")

GIB = 2.0**30


class TorchtitanLog(StepLines):
    """One run per start; the lines of several ranks in one file are told apart where torchrun marked them."""

    name = "torchtitan_log"
    version = 1
    title = "torchtitan training log (also per rank, with colours, and the early form with wps)"
    writes = "torchtitan"
    framework = "torchtitan"
    names = {
        "loss": Name("loss"),
        "grad_norm": Name("grad_norm"),
        "memory": Name("memory_reserved_peak", GIB, "memory@peak_since_last_log"),
        "memory share": Name("memory_reserved_peak_share", 0.01),
        "tps": Name("tokens_per_second_per_device", 1.0, "tgs@log_window"),
        "wps": Name("tokens_per_second_per_device", 1.0, "tgs@log_window"),
        "tflops": Name("tflops_per_device", 1.0, "tflops@torchtitan"),
        "mfu": Name("mfu", 0.01, "mfu@torchtitan_peak_table"),
    }
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        if "[titan] " not in head.text and "GiB(" not in head.text:
            return None
        match = _LINE.search(head.text) or _TITAN.search(head.text)
        return f"line {match[0].strip()[:120]!r}" if match else None

    def plan(self, text: str) -> Plan:
        prefix = _PREFIX.search(text)
        step = _STEP.search(text, prefix.end() if prefix else 0) if "loss:" in text else None
        if step is None:
            return _other(text)
        if prefix and step.start() != prefix.end():
            return Note("say")
        metrics = numbered(text, _PAIR, step.end())
        if not metrics:
            return Suspect("step line not understood")
        front = prefix.start() if prefix else step.start()
        clock = [Field("@clock", *prefix.span("clock"), "clock")] if prefix else []
        fields = [
            *prefix_fields(text, front),
            *clock,
            Field("@step", *step.span("step")),
            *metrics,
            *_shares(text, step),
        ]
        return Record("val" if step["val"] else "train", fields)

    def said(self, run: Run, message: str) -> None:
        for place, key, pattern in _FACTS:
            if found := pattern.search(message):
                getattr(run, place)[key] = found[1]
        run.config.update({key: int(value) for key, value in _BATCHES.findall(message)})
        if found := _CAPACITY.search(message):
            run.device, run.vendor = found[1], vendor_of(found[1])
        if found := _MODEL.search(message):
            run.model = found[1]
        if (found := _DATASET.search(message)) and run.dataset is None:
            run.dataset = found[1]
        if (found := _STARTS.search(message)) and int(found[1]) > 1:
            run.resumed_from = int(found[1]) - 1
        _mesh(run, message)
        if message.endswith("Training completed"):
            run.status = "completed"

    def event(self, run: Run, message: str, line: int, clock: int | None) -> Event | None:
        prefix = _PREFIX.search(message)
        text = message[prefix.end() :] if prefix else message
        level = prefix["level"] if prefix else None
        if resumed := _RESUME.match(text):
            return Event(run.name, "resume", text, line, clock, int(resumed[1]))
        if _SAVED.match(text):
            return Event(run.name, "checkpoint", text, line, clock)
        if level in ("WARNING", "ERROR", "CRITICAL"):
            return Event(run.name, "warning" if level == "WARNING" else "error", text[:2000], line, clock, level=level)
        return None


def _shares(text: str, step: re.Match[str]) -> list[Field]:
    """``memory: 40.12GiB(42.24%)``: the part of the device's memory."""
    found = (match for match in _PAIR.finditer(text, step.end()) if match["share"])
    return [Field(f"{match['key'].strip()} share", *match.span("share")) for match in found]


def _other(text: str) -> Plan:
    if is_conflict_marker(text):
        return Note(CONFLICT)
    if "torchtitan version: " in text or "Starting job: " in text:
        return Note("begin")
    told = "[titan]" in text or " - root - " in text or "][" in text
    if told and (_SAYS.search(text) or " - WARNING - " in text or " - ERROR - " in text):
        return Note("say")
    return Note("say") if MAYBE_EVENT.search(text) else None


def _mesh(run: Run, message: str) -> None:
    """Parallelism; the product of its sizes is the number of devices."""
    if found := _MESH.search(message):
        sizes = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", found[1])}
        run.parallelism = ", ".join(f"{k}={v}" for k, v in sizes.items() if v > 1) or None
        run.device_count = math.prod(v for k, v in sizes.items() if k != "ep" and not k.startswith("et"))
    elif found := _OLD_MESH.search(message):
        names = re.findall(r"\w+", found[2])
        counts = [int(n) for n in re.findall(r"\d+", found[3])]
        run.parallelism = ", ".join(f"{k}={v}" for k, v in zip(names, counts, strict=False) if v > 1) or None
        run.device_count = math.prod(counts)
