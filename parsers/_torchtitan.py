"""torchtitan's lines: what stands where in a step line, and what messages say of their run.

Source: ``torchtitan/components/metrics.py`` (lines), ``torchtitan/tools/logging.py`` (prefix), ``torchtitan/train.py``
(messages); forks log the same line behind another prefix.
"""

from __future__ import annotations

import math
import re

import numpy as np

from llmstats.parsing import Name
from llmstats.records import Run
from llmstats.shapes import Field, Frame, Note, Plan, Record, Suspect
from llmstats.training import prefix_fields

from ._steplines import numbered, vendor_of

CLOCK = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[,.]\d{3,6}"
PREFIX = re.compile(rf"(?P<clock>{CLOCK})\]?(?: - [\w.\-]+ - (?P<level>[A-Z]+) - |\[[A-Z]\]\[[^\]]*\] )")
_STEP = re.compile(r"(?P<val>validate )?step:\s*(?P<step>\d+)\s+(?=loss:)")
_PAIR = re.compile(
    r"(?P<key>[A-Za-z_][\w./() ]*?):\s*(?P<value>[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.?\d*(?:e[-+]?\d+)?|nan|inf))"
    r"(?P<unit>GiB|%|s(?=\s|$))?(?:\((?P<share>\d+\.?\d*)%\))?(?=\s|$)"
)
SAYS = re.compile(
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
_STARTS = re.compile(r"Training starts at step (\d+)")

GIB = 2.0**30
NAMES = {
    "loss": Name("loss"),
    "grad_norm": Name("grad_norm"),
    "memory": Name("memory_reserved_peak", GIB, "memory@peak_since_last_log"),
    "memory share": Name("memory_reserved_peak_share", 0.01),
    "tps": Name("tokens_per_second_per_device", 1.0, "tgs@log_window"),
    "wps": Name("tokens_per_second_per_device", 1.0, "tgs@log_window"),
    "tflops": Name("tflops_per_device", 1.0, "tflops@torchtitan"),
    "mfu": Name("mfu", 0.01, "mfu@torchtitan_peak_table"),
}


def step_line(text: str) -> Plan:
    """A step, or an evaluation; None for any other line."""
    prefix = PREFIX.search(text)
    step = _STEP.search(text, prefix.end() if prefix else 0) if "loss:" in text else None
    if step is None:
        return None
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


def _shares(text: str, step: re.Match[str]) -> list[Field]:
    """``memory: 40.12GiB(42.24%)``: the part of the device's memory."""
    found = (match for match in _PAIR.finditer(text, step.end()) if match["share"])
    return [Field(f"{match['key'].strip()} share", *match.span("share")) for match in found]


def with_losses(frame: Frame) -> list[Frame]:
    """The records with their loss, and apart those of a pipeline stage that computes none: it prints -1."""
    none = frame.columns["loss"] == -1 if "loss" in frame.columns else np.zeros(0, bool)
    if not none.any():
        return [frame]
    parts = []
    for rows, without in ((~none, ()), (none, ("loss",))):
        columns = {key: values[rows] for key, values in frame.columns.items() if key not in without}
        parts.append(Frame(frame.kind, frame.constants, frame.lines[rows], columns, frame.precision, frame.units))
    return [part for part in parts if len(part.lines)]


def learn(run: Run, message: str) -> None:
    """Take in what a message says of its run."""
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
