"""Runs of Megatron-LM and its descendants: which file tells of which run, and what the argument dump says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from llmstats.parsing import Place, State
from llmstats.records import Column, Points, Run
from llmstats.shapes import Frame
from llmstats.training import Train, run_name

from ._literals import read_literal
from ._megatron import RANK_TIME
from ._mmengine import first_records, spoken

_ATTEMPT = re.compile(r"attempt_(\d+)$")
#: A directory of one job: Slurm's number, or a time stamp.
_JOB = re.compile(r"\d{6,}$|20\d{6}[-_]\d{6}(?:\.\d+)?$")
#: ``host_1_10.0.0.2.output`` of FlagScale, ``train_rank7.log``, ``noderank0.log``: one process's part of a run.
_PART = re.compile(r"(?i)^host_\d+_.+$|(?:^|[._-])(?:node_?|global_?)?rank[._-]?\d{1,6}(?=$|[._-])")
#: Directories that hold the logs of many runs of the project above.
_SHELF = frozenset(("log", "logs", "slurm", "slurm_logs", "slurm-logs", "slurm_out", "stdout", "out", "output"))

_ARGUMENT = re.compile(r" {2}(?P<name>[A-Za-z_]\w*) (?P<dots>\.*) (?P<value>.*)$")
#: Sizes of the parallel groups, as arguments and as the line ``using world size: …`` calls them.
_SIZES = {
    "tensor_model_parallel_size": "tp",
    "pipeline_model_parallel_size": "pp",
    "virtual_pipeline_model_parallel_size": "vpp",
    "data_parallel_size": "dp",
    "context_parallel_size": "cp",
    "sequence_parallel_size": "sp",
    "ds_sequence_parallel_size": "sp",
    "expert_model_parallel_size": "ep",
    "expert_tensor_parallel_size": "etp",
}
_WORLD = re.compile(r"using world size: (\d+),")
_GROUP = re.compile(r"\b((?:tensor-model|pipeline-model|data|context|sequence|expert-model)-parallel)[ -]size: (\d+)")


def identity(place: Place) -> State:
    """Name and root of the run that a file tells of.

    A log has the name of its file and of the directory around it; it may share a run with files below that directory
    (or below the one around ``logs/``).  Of torchrun's ``{job}/{id}/attempt_0/{rank}/stdout.log`` it is the job where
    that is named like one, else the attempt: every node makes an ``{id}`` of its own.
    """
    if _ATTEMPT.match(place.parent(2)) and place.parent().isdigit():
        return _of_torchrun(place)
    part = _PART.search(place.stem)
    stem = _PART.sub("", place.stem).strip("._-") if part else place.stem
    up = 2 if place.parent().lower() in _SHELF and place.parent(2) else 1
    parents = [place.parent(n) for n in range(up, 0, -1)]
    root = place.directory(up) if place.parent() else place.path
    return {"name": "/".join(p for p in (*parents, stem) if p) or place.name, "root": root}


def _of_torchrun(place: Place) -> State:
    attempt = place.parent(2)
    if _JOB.match(place.parent(4)):
        names = [place.parent(5), place.parent(4), "" if attempt == "attempt_0" else attempt]
        return {"name": "/".join(name for name in names if name), "root": place.directory(4)}
    names = [name for name in (place.parent(4), place.parent(3), attempt) if name]
    return {"name": "/".join(names), "root": place.directory(2)}


def argument(text: str) -> tuple[str, Any] | None:
    """Name and value of a line of the argument dump (``  name ....... value``), whatever a launcher put before it."""
    match = _ARGUMENT.search(text)
    if match is None or len(match["name"]) + len(match["dots"]) < 47:
        return None
    return match["name"], _value(match["value"].strip())


def _value(text: str) -> Any:
    """A value as Python printed it; paths, enumerations and dtypes stay text."""
    value = read_literal(text)
    plain = value is None or isinstance(value, (bool, int, float))
    return value if plain and (value is not None or text == "None") else text[:1000]


def learn(run: Run) -> None:
    """Facts that the arguments of a run say."""
    config = run.config
    world = config.get("world_size")
    if isinstance(world, int):
        run.device_count = world
    run.precision = _precision(config) or run.precision
    run.parallelism = _parallelism(config) or run.parallelism
    if config.get("deepspeed") is True:
        run.framework = "megatron-deepspeed"
    elif "enable_hetero" in config:
        run.framework = "flagscale"
    if config.get("task"):
        run.kind = "evaluation"


def _precision(config: dict[str, Any]) -> str | None:
    if config.get("fp8") not in (None, False, "False", "None"):
        return "fp8"
    for name in ("bf16", "fp16"):
        if config.get(name) is True:
            return name
    return "fp32" if config.get("params_dtype") == "torch.float32" else None


def _parallelism(config: dict[str, Any]) -> str | None:
    sizes = {short: config.get(name) for name, short in _SIZES.items() if config.get(name)}
    return "-".join(f"{k}{v}" for k, v in sizes.items() if isinstance(v, int) and v > 1) or None


def world(run: Run, text: str) -> None:
    """Take in ``using world size: 16, data-parallel size: 4, …``."""
    if size := _WORLD.search(text):
        run.config["world_size"] = int(size[1])
        for name, value in _GROUP.findall(text):
            run.config[name.replace("-", "_") + "_size"] = int(value)


# --------------------------------------------------------------------------- what else tells that two files are one run


def fingerprints(state: State, frames: list[Frame], train: Train) -> dict[int, str]:
    """By what else than its name a run is known: the first two steps, to the tenth of a millisecond."""
    return {run: f"megatron:{text}" for run, text in first_records(state, frames, train, 2, _spoken).items()}


_TIMES = ("elapsed time per iteration (ms)", "elapsed time per iteration (s)", "elapsed_time_per_iteration_ms")


def _spoken(frame: Frame, row: int) -> str:
    clock = f"@{frame.columns['@clock'][row]}" if "@clock" in frame.columns else ""
    step = int(frame.columns["@step"][row])
    values = spoken(frame, row, dict.fromkeys(_TIMES, 4) | {"lm loss": 6, "grad norm": 3})
    return f"{step}{clock}:{values}"


# --------------------------------------------------------------------------- the loss that a line leaves out


def with_missing_loss(frames: Iterable[Frame]) -> list[Frame]:
    """Megatron prints no loss that is not above zero, so NaN vanishes: it comes back where the line says that it was.

    That is so where iterations were counted as NaN, or the gradient is NaN and nothing was skipped.
    """
    found: list[Frame] = []
    for frame in frames:
        lost = _lost(frame)
        if lost is None or not lost.any():
            found.append(frame)
            continue
        for rows, value in ((np.flatnonzero(lost), np.nan), (np.flatnonzero(~lost), None)):
            part = _rows(frame, rows)
            if value is not None:
                part.columns["lm loss"] = np.full(len(rows), value)
            if len(rows):
                found.append(part)
    return found


def _lost(frame: Frame) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    columns = frame.columns
    if frame.kind != "train" or any("loss" in k and k != "loss scale" for k in columns):
        return None
    none = np.zeros(len(frame.lines))
    counted = columns.get("number of nan iterations", none) > 0
    skipped = columns.get("number of skipped iterations", none) > 0
    lost: np.ndarray[Any, np.dtype[np.bool_]] = counted | (np.isnan(columns.get("grad norm", none)) & ~skipped)
    return lost


def _rows(frame: Frame, rows: Any) -> Frame:
    columns = {k: v[rows] for k, v in frame.columns.items()}
    return Frame(frame.kind, frame.constants, frame.lines[rows], columns, dict(frame.precision), dict(frame.units))


# --------------------------------------------------------------------------- times of single ranks


def with_timers(state: State, frames: Iterable[Frame], notes: Iterable[tuple[int, str, str]]) -> list[Frame]:
    """Frames in which times of ranks have the names that stand above them; one without a name is left out."""
    heads = [(line, text.rstrip().rstrip(":").rsplit(None, 1)[-1]) for line, tag, text in notes if tag == "timer"]
    names = [state.get("timer", ""), *(name for _, name in heads)]
    found: list[Frame] = []
    for frame in frames:
        if frame.kind != "ranks":
            found.append(frame)
            continue
        index = np.searchsorted([line for line, _ in heads], frame.lines)
        for i in np.unique(index).tolist():
            found += [_renamed(_rows(frame, np.flatnonzero(index == i)), names[i])] if names[i] else []
    state["timer"] = names[-1]
    return found


def _renamed(frame: Frame, name: str) -> Frame:
    """A frame whose time of a rank has the name of its timer."""
    frame.columns[name] = frame.columns.pop(RANK_TIME)
    frame.precision[name] = frame.precision.pop(RANK_TIME, "")
    frame.units[name] = frame.units.pop(RANK_TIME, "")
    return frame


# --------------------------------------------------------------------------- what stands before the line of its step

#: Megatron-Bridge prints the speed of a step above its line; the time is that of the line, rounded.
SPEED = re.compile(r"Step Time : [\d.]+s GPU utilization: (?P<tflops>[\d.]+)MODEL_TFLOP/s/GPU")


def speeds(state: State, train: Train, notes: Iterable[tuple[int, str, str]]) -> Iterator[Points]:
    """Speeds at the steps of the lines below them; one whose line has not come yet waits in the state."""
    told = [*state.get("ahead", []), *([line, text] for line, tag, text in notes if tag == "speed")]
    state["ahead"] = []
    for line, text in told:
        at, match = int(np.searchsorted(train.lines, line)), SPEED.search(text)
        if at == len(train.lines):
            state["ahead"].append([line, text])
        elif match:
            values = Column(np.array([float(match["tflops"])]), str(len(match["tflops"].partition(".")[2])))
            name, step = run_name(state["name"], int(train.runs[at])), np.array([int(train.steps[at])])
            yield Points(name, "train", np.array([line]), {"GPU utilization": values}, step)
