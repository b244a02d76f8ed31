"""What the mmengine formats share: names, work_dir layout, header blocks and events."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from llmstats.parsing import Name, Place, State
from llmstats.records import Event, Ints, Run
from llmstats.shapes import Frame
from llmstats.training import Runs, StepLog, Train, microseconds, run_name, whole

TIMESTAMP = re.compile(r"(\d{8}_\d{6})")
#: What distinguishes the file of one rank: ``_user@host_device3_rank11``, ``_device0_rank0``, ``_rank1``.
RANK_SUFFIX = re.compile(r"(?:(?:_[^/@]+@[^/]+)?_device\d+)?_rank(\d{1,6})$")

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
    """Canonical name; ``train/loss`` (``log_with_hierarchy``; not in the text log) means ``loss``."""
    bare = raw.removeprefix(f"{phase}/")
    return NAMES.get(bare) or Name(bare)


def identity(place: Place, up: int) -> tuple[str, str, str | None]:
    """Name, root and experiment of the run whose directory is ``up`` levels above the file.

    mmengine keeps a run in ``{work_dir}/{timestamp}/``; a log that lies elsewhere is a run of its own, called
    after its directory and file (without the rank that a file of each rank has in its name).
    """
    stamp, work_dir = place.parent(up), place.parent(up + 1)
    if TIMESTAMP.fullmatch(stamp):
        name = f"{work_dir}/{stamp}" if work_dir else stamp
        return name, place.directory(up), work_dir or None
    if up > 1:
        return place.parent(up) or place.stem, place.directory(up), None
    name = "/".join(p for p in (place.parent(), RANK_SUFFIX.sub("", place.stem)) if p)
    return name, place.directory() if place.parent() else place.path, None


def new_run(state: State, index: int, framework: str) -> Run:
    """The run appended as number ``index`` in a file whose state begins with `identity`."""
    run = Run(run_name(state["name"], index), state["root"], kind="training", framework=framework)
    run.experiment = state["experiment"] or state["name"]
    stamp = TIMESTAMP.search(run.name)
    if stamp and index == 0 and not state.get("launched"):  # else it is the time of the launcher
        run.started_at = clock_of(stamp[1])
    return run


def first_records(
    state: State, frames: list[Frame], train: Train, wanted: int, text_of: Callable[[Frame, int], str]
) -> dict[int, str]:
    """Fingerprints of runs by their first ``wanted`` train records, once that many are there.

    A text log and a JSON file of one run hold the same values; ``text_of`` writes one record's in the digits
    of the coarser file.  Durations to a tenth of a millisecond, or several of them, hardly come twice.
    """
    kept: dict[str, list[str]] = state.setdefault("first", {})
    found: list[tuple[int, int, str]] = []
    for frame in frames:
        runs = train.runs[np.searchsorted(train.lines, frame.lines)]
        for run in np.unique(runs).tolist():
            missing = wanted - len(kept.setdefault(str(run), []))
            rows = np.flatnonzero(runs == run)[:missing].tolist() if missing else []
            found += [(int(frame.lines[row]), run, text_of(frame, row)) for row in rows]
    for _, run, text in sorted(found):
        if len(kept[str(run)]) < wanted:
            kept[str(run)].append(text)
    return {int(run): "|".join(texts) for run, texts in kept.items() if len(texts) == wanted}


def printed(frame: Frame, row: int) -> str:
    """Step, times and loss of a train record in the digits that mmengine's text log prints."""
    return f"{whole(frame.columns['@step'])[row]}:{spoken(frame, row, {'time': 4, 'data_time': 4, 'loss': 4})}"


def spoken(frame: Frame, row: int, digits: dict[str, int]) -> str:
    """The named values of one record, written with so many decimals; an absent one is empty."""
    return ":".join(f"{frame.columns[k][row]:.{n}f}" if k in frame.columns else "" for k, n in digits.items())


def placed(frame: Frame, steps: StepLog, train: Train, before: dict[str, Any]) -> tuple[Ints, Ints]:
    """Run and global step of each record: its own step, else that of the train record before."""
    if frame.kind != "train":
        runs, at = steps.before(train, frame.lines, before)
        return runs, whole(frame.columns["@step"]) if "@step" in frame.columns else at
    return train.runs[np.searchsorted(train.lines, frame.lines)], whole(frame.columns["@step"])


# --------------------------------------------------------------------------- header blocks of the text logs

_ENTRY = re.compile(r"\s*([^:]{1,80}?): ?(.*)$")
_GPU = re.compile(r"(?:GPU|MUSA|NPU|MLU) [\d,]+$")
_NVIDIA = re.compile(r"(?i:nvidia|geforce|tesla|quadro|titan)\b")
_CONFIG_LINES = 20_000


def open_block(state: State, kind: str, run: int) -> None:
    """Begin to collect an environment or configuration block of run number ``run``."""
    state["block"] = {"kind": kind, "run": run, "lines": []}


def block_line(state: State, text: str) -> bool:
    """Take a line into the open block; False if there is none."""
    block = state.get("block")
    if block is None:
        return False
    if len(block["lines"]) < _CONFIG_LINES:
        block["lines"].append(text)
    return True


def read_block(state: State, runs: Runs, config: Callable[[str, Run], None]) -> None:
    """Take in what the open block holds so far, if one is open; ``config`` reads a configuration."""
    block = state.get("block")
    if block is None:
        return
    if block["kind"] == "config":
        config("\n".join(block["lines"]), runs[block["run"]])
    else:
        read_environment(block["lines"], runs[block["run"]])


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
    if run.device and _NVIDIA.match(run.device):
        run.vendor = "NVIDIA"


_SCALAR = re.compile(r"^([A-Za-z_]\w*) = (.+)$", re.M)
_MODEL = re.compile(r"^model = dict\((?P<body>.*(?:\n[ )].*)*)", re.M)
#: At the first level, whatever is nested before it.
_TYPE = re.compile(r"(?:^| {4})type='(?P<name>[\w.]+)'", re.M)
_DATASET = re.compile(r"^dataset_type = '(\w+)'", re.M)
_EXTENT = re.compile(r"^(?:train_cfg|runner) = dict\((?:.*\n )*?.*?\bmax_(?P<unit>epochs|iters)=(?P<value>\d+)", re.M)
_WEIGHTS = re.compile(r"pretrained_model_name_or_path\s*=\s*['\"]([^'\"]+)['\"]")
_AMP = re.compile(r"AmpOptimWrapper")
_DTYPE = re.compile(r"\bdtype\s*=\s*['\"](\w+)['\"]")
_PRECISIONS = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "fp16": "fp16", "bf16": "bf16"}
_FP16_WRAPPER = re.compile(r"^fp16 = dict\(", re.M)


def read_config(text: str, run: Run) -> None:
    """Facts of a ``Config:`` block: Python source printed by yapf; only literals are read, nothing is run."""
    for name, value in _SCALAR.findall(text):
        literal = _literal(value)
        if literal is not None:
            run.config[name] = literal
    if weights := _WEIGHTS.search(text):
        run.config.setdefault("pretrained_model_name_or_path", weights[1])
    run.model = _model(text, run.config.get("pretrained_model_name_or_path")) or run.model
    if dataset := _DATASET.search(text):
        run.dataset = dataset[1]
    if extent := _EXTENT.search(text):
        run.config[f"max_{extent['unit']}"] = int(extent["value"])
    if "xtuner" in text:
        run.framework = "xtuner"
    dtype = _DTYPE.search(text)
    if _AMP.search(text) and dtype:
        run.precision = _PRECISIONS.get(dtype[1])
    elif _FP16_WRAPPER.search(text):
        run.precision = "fp16"
    if isinstance(size := run.config.get("sequence_parallel_size"), int):
        run.parallelism = f"sp{size}"


def _model(text: str, path: Any) -> str | None:
    """Name of the weights that a training begins with, else of the model's class; XTuner's classes tell nothing."""
    if isinstance(path, str) and path.strip("/"):
        return path.rstrip("/").rsplit("/", 1)[-1]
    block = _MODEL.search(text)
    kind = next((m["name"] for m in _TYPE.finditer(block["body"]) if _at_first_level(m)), "") if block else ""
    return None if kind.startswith("xtuner") else kind.rsplit(".", 1)[-1] or None


def _at_first_level(match: re.Match[str]) -> bool:
    """Whether ``type=`` stands right behind ``model = dict(``, or on a line indented once."""
    return match.start() == 0 or match.string[match.start() - 1] == "\n"


def _literal(text: str) -> Any:
    """A scalar literal, or None for anything else."""
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, (str, int, float, bool)) else None


# --------------------------------------------------------------------------- events

_EVENTS = (
    (
        "checkpoint",
        re.compile(
            r"Saving checkpoint at (?:(?P<iter>\d+) iterations|\d+ epochs)|The best checkpoint with|is "
            r"saved to "
        ),
    ),
    ("resume", re.compile(r"resumed epoch:? ?(?P<epoch>\d+), iter:? ?(?P<iter>\d+)")),
    ("load", re.compile(r"(?i:load checkpoint from|load model from|loads checkpoint by)")),
    ("oom", re.compile(r"(?i)out of memory")),
    ("error", re.compile(r"Traceback \(most recent call last\)|^[\w.]*(?:Error|Exception|Interrupt)\b")),
)


def event_of(run: str, text: str, line: int, level: str | None, time: int | None) -> Event | None:
    """The event that a message tells of, or None for ordinary talk."""
    for kind, pattern in _EVENTS:
        if match := pattern.search(text):
            step = match.groupdict().get("iter")
            return Event(run, kind, text.strip()[:2000], line, time, int(step) if step else None, level)
    if level in ("ERROR", "CRITICAL", "WARNING"):
        kind = "warning" if level == "WARNING" else "error"
        return Event(run, kind, text.strip()[:2000], line, time, None, level)
    return None


def clock_of(text: str) -> int | None:
    """Microseconds of a clock with a year, or of a directory's ``20250209_031500``; None otherwise."""
    if TIMESTAMP.fullmatch(text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[9:11]}:{text[11:13]}:{text[13:]}"
    return microseconds(text)
