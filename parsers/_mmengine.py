"""What the mmengine formats share: names, work_dir layout, header blocks and events."""

from __future__ import annotations

import ast
import re
from typing import Any

from llmstats.parsing import Name, Place, State
from llmstats.records import Event, Run
from llmstats.training import microseconds

TIMESTAMP = re.compile(r"(\d{8}_\d{6})")

#: Raw names of mmengine, XTuner's ThroughputHook and the AIChipBenchmark variant of it.
NAMES = {
    "loss": Name("loss"),
    "lr": Name("learning_rate"),
    "base_lr": Name("base_learning_rate"),
    "grad_norm": Name("grad_norm"),
    "time": Name("step_time", definition="step_time@incl_data"),
    "data_time": Name("data_time"),
    "memory": Name("memory_allocated_peak", 2**20),
    "eta": Name("eta"),
    "tflops": Name("tflops_per_device", definition="tflops@xtuner_hook"),
    "tokens_per_sec": Name("tokens_per_second_per_device", definition="tgs@micro_step"),
    "gbs_tokens_per_sec": Name("tokens_per_second_per_device", definition="tgs@grad_accum_window"),
}


def hierarchical(raw: str, phase: str) -> Name:
    """Canonical name; ``train/loss`` (``log_with_hierarchy``) means ``loss``."""
    return NAMES.get(raw) or NAMES.get(raw.removeprefix(f"{phase}/")) or Name(raw)


def identity(place: Place, up: int) -> tuple[str, str, str | None]:
    """Name, root and experiment of the run whose directory is ``up`` levels above the file.

    mmengine keeps a run in ``{work_dir}/{timestamp}/``; a log that lies elsewhere is a run of its own, called after
    its directory and file.
    """
    stamp, work_dir = place.parent(up), place.parent(up + 1)
    if TIMESTAMP.fullmatch(stamp):
        name = f"{work_dir}/{stamp}" if work_dir else stamp
        return name, place.directory(up), work_dir or None
    if up > 1:
        return place.parent(up) or place.stem, place.directory(up), None
    return "/".join(p for p in (place.parent(), place.stem) if p), place.path, None


# --------------------------------------------------------------------------- header blocks of the text logs

_ENTRY = re.compile(r"\s*([^:]{1,80}?): ?(.*)$")
_GPU = re.compile(r"(?:GPU|MUSA|NPU|MLU) [\d,]+$")
_CONFIG_LINES = 20_000


def open_block(state: State, kind: str) -> None:
    """Begin to collect an environment or configuration block."""
    state["block"] = {"kind": kind, "lines": []}


def block_line(state: State, text: str) -> None:
    block = state.get("block")
    if block is not None and len(block["lines"]) < _CONFIG_LINES:
        block["lines"].append(text)


def close_block(state: State, run: Run) -> None:
    """Take in the block that ended, if one was open."""
    block = state.pop("block", None)
    if block is None:
        return
    if block["kind"] == "config":
        read_config("\n".join(block["lines"]), run)
    else:
        read_environment(block["lines"], run)


def read_environment(lines: list[str], run: Run) -> None:
    """``System environment:`` and ``Runtime environment:`` as mmengine and the mmcv codebases print them."""
    for text in lines:
        match = _ENTRY.match(text)
        if not match or text.startswith("  - "):
            continue
        key, value = match[1].strip(), match[2].strip()
        if not value or key.startswith(("PyTorch compiling", "TorchVision compiling")):
            continue
        run.environment[key] = value
        if _GPU.match(key):
            run.device = run.device or value
        elif key in ("GPU number", "GPU Number") and value.isdigit():
            run.device_count = int(value)
    if run.device and run.device.upper().startswith("NVIDIA"):
        run.vendor = "NVIDIA"


_SCALAR = re.compile(r"^([A-Za-z_]\w*) = (.+)$", re.M)
_WEIGHTS = re.compile(r"pretrained_model_name_or_path\s*=\s*['\"]([^'\"]+)['\"]")
_AMP = re.compile(r"AmpOptimWrapper")
_DTYPE = re.compile(r"\bdtype\s*=\s*['\"](\w+)['\"]")
_PRECISIONS = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "fp16": "fp16", "bf16": "bf16"}
_FP16_WRAPPER = re.compile(r"^fp16 = dict\(", re.M)


def read_config(text: str, run: Run) -> None:
    """Facts of a ``Config:`` block: Python source as yapf prints it; only literals are read, nothing is run."""
    for name, value in _SCALAR.findall(text):
        literal = _literal(value)
        if literal is not None:
            run.config[name] = literal
    if weights := _WEIGHTS.search(text):
        run.config.setdefault("pretrained_model_name_or_path", weights[1])
    path = run.config.get("pretrained_model_name_or_path")
    if isinstance(path, str) and path.strip("/"):
        run.model = path.rstrip("/").rsplit("/", 1)[-1]
    if "xtuner" in text:
        run.framework = "xtuner"
    dtype = _DTYPE.search(text)
    if _AMP.search(text) and dtype:
        run.precision = _PRECISIONS.get(dtype[1])
    elif _FP16_WRAPPER.search(text):
        run.precision = "fp16"
    if isinstance(size := run.config.get("sequence_parallel_size"), int):
        run.parallelism = f"sp{size}"


def _literal(text: str) -> Any:
    """A scalar literal, or None for anything else."""
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, (str, int, float, bool)) else None


# --------------------------------------------------------------------------- events

_EVENTS = (
    ("checkpoint", re.compile(r"Saving checkpoint at (\d+) (?:iterations|epochs)|The best checkpoint with|is saved to ")),
    ("resume", re.compile(r"resumed epoch:? ?(?P<epoch>\d+), iter:? ?(?P<iter>\d+)")),
    ("load", re.compile(r"(?i:load checkpoint from|Loads checkpoint by)")),
    ("oom", re.compile(r"(?i)out of memory")),
    ("error", re.compile(r"Traceback \(most recent call last\)|^\w*(?:Error|Exception|Interrupt)\b")),
)


def event_of(run: str, text: str, line: int, level: str | None, time: int | None) -> Event | None:
    """The event that a message tells of, or None for ordinary talk."""
    for kind, pattern in _EVENTS:
        if match := pattern.search(text):
            step = int(match["iter"]) if kind == "resume" else None
            return Event(run, kind, text.strip()[:2000], line, time, step, level)
    if level in ("ERROR", "CRITICAL", "WARNING"):
        kind = "warning" if level == "WARNING" else "error"
        return Event(run, kind, text.strip()[:2000], line, time, None, level)
    return None


def clock_of(text: str) -> int | None:
    """Microseconds of a clock with a year, or of a directory's ``20250209_031500``; None otherwise."""
    if TIMESTAMP.fullmatch(text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[9:11]}:{text[11:13]}:{text[13:]}"
    return microseconds(text)
