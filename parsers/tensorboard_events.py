"""TensorBoard event files (``events.out.tfevents.*``) of any trainer.

Source: ``tensorboard/compat/proto/event.proto`` and ``summary.proto`` (the messages, decoded by the ``tensorboard``
package), TensorFlow's ``record_writer.cc`` (the frame around each: length, its checksum, data, their checksum); tags:
Megatron-LM ``training.py``, torchtitan ``metrics.py``, transformers ``integration_utils.py``, mmengine
``LoggerHook``, NeMo, DeepSpeed ``engine.py``.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from llmstats.errors import ParseError
from llmstats.parsing import BinaryParser, Head, Name, Place
from llmstats.records import Column, Issue, Item, Points, Run

from ._hf import NAMES as HF_NAMES
from ._hf import called, figure, fingerprint, trained_by
from ._mmengine import TIMESTAMP
from ._mmengine import identity as mmengine_run
from ._samples_tensorboard import SAMPLES

_MARK = b"brain.Event:2"
_HINT = "reading TensorBoard event files needs a package: pip install 'llmstats[tensorboard]'"
_GENERIC = re.compile(
    r"tensorboard|tb|runs|logs?|tb_logs|tensorboard_logs|tfevents|summary|events|version_\d+|[\d_.T:-]+"
    r"|[A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d_.*",  # torch's SummaryWriter: month, day, time and host
    re.I,
)
_VALIDATION = re.compile(r"(?:^|[/_ -])(?:val|valid|validation|eval|evaluation)(?:[/_ -]|$)", re.I)
_TEST = re.compile(r"^test[/_ ]", re.I)
#: Tags whose step counts something else than iterations.
_SAMPLES_AXIS = " vs samples"  # Megatron-LM writes each curve again over another axis
_NO_ITERATIONS = re.compile(r" vs samples$|^Train/Samples/|/tokens$")
_TEXT_LIMIT = 2000
_ARGUMENTS = "args/text_summary"  # transformers' TensorBoardCallback begins with it

GIB = 2.0**30
_TGS = Name("tokens_per_second_per_device", 1.0, "tgs@log_window")
_TAGS = {
    # Megatron-LM and its descendants
    "lm loss": Name("loss"),
    "lm loss validation": Name("loss"),
    "lm loss validation ppl": Name("perplexity"),
    "learning-rate": Name("learning_rate"),
    "grad-norm": Name("grad_norm"),
    "params-norm": Name("params_norm"),
    "loss-scale": Name("loss_scale"),
    "iteration-time": Name("step_time"),
    "mem-reserved-bytes": Name("memory_reserved"),
    "mem-allocated-bytes": Name("memory_allocated"),
    "mem-max-allocated-bytes": Name("memory_allocated_peak"),
    # torchtitan
    "loss_metrics/global_avg_loss": Name("loss"),
    "validation_metrics/loss": Name("loss"),
    "throughput(tps)": _TGS,
    "validation_metrics/throughput(tps)": _TGS,
    "mfu(%)": Name("mfu", 0.01, "mfu@torchtitan_peak_table"),
    "tflops": Name("tflops_per_device", 1.0, "tflops@torchtitan"),
    "time_metrics/end_to_end(s)": Name("step_time", 1.0, "step_time@incl_data"),
    "time_metrics/data_loading(s)": Name("data_time"),
    "memory/max_reserved(GiB)": Name("memory_reserved_peak", GIB, "memory@peak_since_last_log"),
    "memory/max_reserved(%)": Name("memory_reserved_peak_share", 0.01),
    "lr": Name("learning_rate"),
    # transformers, mmengine, NeMo
    "loss": Name("loss"),
    "train/loss": Name("loss"),
    "eval/loss": Name("loss"),
    "val/loss": Name("loss"),
    "val_loss": Name("loss"),
    "train_loss": Name("loss"),
    "reduced_train_loss": Name("loss"),
    "train/lr": Name("learning_rate"),
    "train/learning_rate": Name("learning_rate"),
    "learning_rate": Name("learning_rate"),
    "base_lr": Name("base_learning_rate"),
    "grad_norm": Name("grad_norm"),
    "train/grad_norm": Name("grad_norm"),
    "data_time": Name("data_time"),
    "train/data_time": Name("data_time"),
    "train_step_timing in s": Name("step_time"),
    "tokens_per_sec_per_gpu": Name("tokens_per_second_per_device"),
    "eval/samples_per_second": Name("samples_per_second"),
    # DeepSpeed
    "Train/Samples/train_loss": Name("loss"),
    "Train/Samples/lr": Name("learning_rate"),
    "Train/Samples/loss_scale": Name("loss_scale"),
}

_Row = tuple[int, int, int, float]  # record, step, microseconds, value


class TensorboardEvents(BinaryParser):
    """One run per directory of event files; values of a later file (a restart) replace those of the same step."""

    name = "tensorboard_events"
    version = 2
    title = "TensorBoard event file (scalars; needs llmstats[tensorboard])"
    writes = "TensorBoard writers (Megatron-LM, torchtitan, transformers, mmengine, NeMo, …)"
    names = {**HF_NAMES, **_TAGS}
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        return "first record 'brain.Event:2'" if _MARK in head.raw[:64] else None

    def parse(self, place: Place, raw: bytes) -> Iterator[Item]:
        run = _run(place)
        rows: dict[str, list[_Row]] = defaultdict(list)
        for number, event in enumerate(_events(raw), 1):
            if isinstance(event, Issue):
                yield event
                continue
            clock = round(event.wall_time * 1e6) if abs(event.wall_time) < 1e11 else 0
            run.started_at = min(run.started_at or clock, clock)
            run.ended_at = max(run.ended_at or clock, clock)
            for value in event.summary.value:
                scalar = _scalar(value)
                if scalar is not None:
                    rows[value.tag].append((number, event.step, clock, scalar))
                elif text := _text(value):
                    run.config[value.tag] = text
        if str(run.config.get("world_size", "")).isdigit():
            run.device_count = int(run.config["world_size"])
        if _ARGUMENTS in run.config or "train/epoch" in rows:
            rows = yield from _of_trainer(run, place, rows)
        yield run
        for tag, found in rows.items():
            if tag.removesuffix(_SAMPLES_AXIS) not in rows or not tag.endswith(_SAMPLES_AXIS):
                yield _points(run.name, tag, found)


def _run(place: Place) -> Run:
    """The directory of the file; mmengine's ``vis_data`` is part of its run."""
    if place.parent() == "vis_data" and TIMESTAMP.fullmatch(place.parent(2)):
        name, root, experiment = mmengine_run(place, 2)
        return Run(name, root, kind="training", experiment=experiment)
    depth = 1
    while _GENERIC.fullmatch(place.parent(depth)) and place.parent(depth + 1):
        depth += 1
    name = "/".join(part for up in range(depth + 1, 0, -1) if (part := place.parent(up)))
    return Run(name or place.name, place.directory() if name else place.path, kind="training")


# --------------------------------------------------------------------------- Hugging Face's Trainer


def _of_trainer(run: Run, place: Place, rows: dict[str, list[_Row]]) -> Generator[Item, None, dict[str, list[_Row]]]:
    """The series under the names of ``trainer_state.json``; the final figures as such.

    A file of ``{output_dir}/runs/`` tells of the run of the output directory.  Several starts may have written there:
    the first losses say which is the state's.  A start that goes on from a checkpoint has others: it is part of that
    run.
    """
    named = {_trainers_name(tag): found for tag, found in rows.items()}
    losses = named.get("loss", [])
    up = next((up for up in (1, 2) if place.parent(up) == "runs"), 0)
    if up and place.parent(up + 1):
        yield trained_by(run.name, place.directory())
        run.fingerprint = fingerprint([float(str(np.float32(loss))) for *_, loss in losses])
        if _goes_on(losses):
            run.name, run.root = called(place.parts[: -up - 1]), place.directory(up + 1)
            run.experiment, run.fingerprint = run.name, None
    if "train_runtime" in named:
        run.status = "completed"
        final = named["train_runtime"][-1][0]  # the last record of a training begins with it
        for key in [key for key in named if key.startswith("train_") or key == "total_flos"]:
            told = [row for row in named[key] if row[0] >= final]
            named[key] = [row for row in named[key] if row[0] < final]
            yield from (figure(run.name, key, value, number) for number, _, _, value in told)
    return {key: found for key, found in named.items() if found}


def _trainers_name(tag: str) -> str:
    """``rewrite_logs`` of ``integration_utils.py`` undone: ``eval/loss`` is ``eval_loss``."""
    phase, slash, key = tag.partition("/")
    return tag if not slash or phase not in _PHASES else f"{_PHASES[phase]}{key}"


_PHASES = {"train": "", "eval": "eval_", "test": "test_"}


def _goes_on(losses: list[_Row]) -> bool:
    """Whether the first record is not one logging interval from the beginning."""
    return len(losses) > 1 and losses[0][1] > 2 * (losses[1][1] - losses[0][1])


# --------------------------------------------------------------------------- the file


def _events(raw: bytes) -> Iterator[Any]:
    """Decoded events; what a crash cut off, or what is damaged, ends the stream with an `Issue`.

    Raises:
        ParseError: not an event file, or the package that decodes it is not installed.
    """
    try:
        from google.protobuf.message import DecodeError
        from tensorboard.compat.proto import event_pb2
        from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
    except ImportError:
        raise ParseError(_HINT) from None
    at = number = 0
    while at < len(raw):
        number += 1
        head = raw[at : at + 12]
        size = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else -1
        if size >= 0 and struct.unpack("<I", head[8:])[0] != masked_crc32c(head[:8]):
            if number == 1:
                raise ParseError("not an event file: the checksum of the first record is wrong")
            yield Issue(f"record {number}: damaged at byte {at}", number)
            return
        if size < 0 or at + 16 + size > len(raw):
            yield Issue(f"record {number}: the file ends inside it", number)
            return
        try:
            yield event_pb2.Event.FromString(raw[at + 12 : at + 12 + size])
        except DecodeError as why:
            yield Issue(f"record {number}: {why}", number)
            return
        at += 16 + size


def _scalar(value: Any) -> float | None:
    """A scalar of the old form (``simple_value``) or the new one (a tensor of one number)."""
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return float(value.simple_value)
    if kind != "tensor" or value.metadata.plugin_data.plugin_name not in ("", "scalars"):
        return None
    tensor = value.tensor
    for numbers in (tensor.float_val, tensor.double_val, tensor.int_val, tensor.int64_val):
        if len(numbers) == 1:
            return float(numbers[0])
    form = {1: "<f", 2: "<d", 3: "<i", 9: "<q"}.get(tensor.dtype)
    if form and len(tensor.tensor_content) == struct.calcsize(form):
        return float(struct.unpack(form, tensor.tensor_content)[0])
    return None


def _text(value: Any) -> str | None:
    """A text that a trainer wrote among its summaries: Megatron's arguments."""
    if value.WhichOneof("value") != "tensor" or not value.tensor.string_val:
        return None
    return str(value.tensor.string_val[0].decode("utf-8", "replace"))[:_TEXT_LIMIT]


def _points(run: str, tag: str, rows: list[_Row]) -> Points:
    lines, steps, times, values = (np.array(column) for column in zip(*rows, strict=True))
    phase = "val" if _VALIDATION.search(tag) else "test" if _TEST.match(tag) else "train"
    at = None if _NO_ITERATIONS.search(tag) else steps.astype(np.int64)
    column = Column(values.astype(np.float64))
    return Points(run, phase, lines.astype(np.int64), {tag: column}, at, times=times.astype(np.int64))
