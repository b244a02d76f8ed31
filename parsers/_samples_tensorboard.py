"""Composed samples of TensorBoard event files: the records are written here, byte by byte."""

from __future__ import annotations

import struct

from llmstats.parsing import Sample

_POLYNOMIAL = 0x82F63B78
_T0 = 1_760_000_000.25


def _crc32c(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _record(event: bytes) -> bytes:
    size = struct.pack("<Q", len(event))
    return size + _crc32c(size) + event + _crc32c(event)


def _event(seconds: float, step: int, value: bytes) -> bytes:
    """An event with one summary value."""
    head = b"\x09" + struct.pack("<d", _T0 + seconds) + b"\x10" + _varint(step)
    return _record(head + _field(5, _field(1, value)))


def _simple(seconds: float, step: int, tag: str, value: float) -> bytes:
    return _event(seconds, step, _field(1, tag.encode()) + b"\x15" + struct.pack("<f", value))


def _tensor(seconds: float, step: int, tag: str, tensor: bytes, plugin: str) -> bytes:
    metadata = _field(9, _field(1, _field(1, plugin.encode())))
    return _event(seconds, step, _field(1, tag.encode()) + _field(8, tensor) + metadata)


_VERSION = _record(b"\x09" + struct.pack("<d", _T0) + _field(3, b"brain.Event:2"))
_FLOAT = b"\x08\x01"  # dtype of a tensor: DT_FLOAT
_STRING = b"\x08\x07"

_MEGATRON = (
    _VERSION
    + _tensor(0, 0, "seq_length", _STRING + _field(8, b"2048"), "text")
    + _simple(1, 10, "lm loss", 8.5)
    + _simple(1, 80, "lm loss vs samples", 8.5)
    + _simple(1, 80, "other vs samples", 4.5)
    + _simple(1, 10, "learning-rate", 0.25)
    + _simple(2, 20, "lm loss", 7.25)
    + _simple(2, 20, "lm loss validation", 7.5)
    + _simple(2, 20, "lm loss validation ppl", 1808.0)
    + _simple(2, 20, "grad-norm", 1.5)
    + _simple(2, 20, "params-norm", 64.0)
    + _simple(2, 20, "loss-scale", 65536.0)
    + _simple(2, 20, "iteration-time", 0.5)
    + _simple(2, 20, "mem-reserved-bytes", 1024.0)
    + _simple(2, 20, "mem-allocated-bytes", 512.0)
    + _simple(2, 20, "mem-max-allocated-bytes", 768.0)
)
_TITAN = (
    _VERSION
    + _tensor(1, 5, "loss_metrics/global_avg_loss", _FLOAT + _field(4, struct.pack("<f", 6.5)), "scalars")
    + _tensor(1, 5, "throughput(tps)", _FLOAT + _field(5, struct.pack("<f", 7123.0)), "scalars")
    + _simple(1, 5, "mfu(%)", 40.0)
    + _simple(1, 5, "tflops", 400.0)
    + _simple(1, 5, "time_metrics/end_to_end(s)", 2.5)
    + _simple(1, 5, "time_metrics/data_loading(s)", 0.125)
    + _simple(1, 5, "memory/max_reserved(GiB)", 40.0)
    + _simple(1, 5, "memory/max_reserved(%)", 50.0)
    + _simple(1, 5, "base_lr", 0.5)
    + _simple(1, 5, "tokens_per_sec_per_gpu", 7000.0)
    + _simple(1, 5, "eval/samples_per_second", 12.0)
    + _tensor(1, 5, "histogram", _FLOAT + _field(5, struct.pack("<ff", 1.0, 2.0)), "histograms")
)

#: Hugging Face's Trainer: its tags are the names of ``trainer_state.json`` behind the phase; the last record is final.
_TRAINER = (
    _VERSION
    + _tensor(0, 0, "args/text_summary", _STRING + _field(8, b"{}"), "text")
    + b"".join(_simple(i, 10 * i, "train/loss", loss) for i, loss in enumerate((4.5, 3.5, 2.5, 1.5), 1))
    + _simple(4, 40, "train/learning_rate", 0.25)
    + _simple(4, 40, "train/epoch", 2.0)
    + _simple(4, 40, "eval/accuracy", 0.75)
    + _simple(4, 40, "eval/runtime", 1.5)
    + _simple(5, 40, "train/train_runtime", 64.0)
    + _simple(5, 40, "train/train_loss", 3.0)
    + _simple(5, 40, "train/total_flos", 1024.0)
)

SAMPLES = (
    Sample(
        "exp7/tensorboard/events.out.tfevents.1760000000.node1.4711.0",
        _MEGATRON,
        matched=13,
        points={
            ("train", "loss", 10): 8.5,
            ("train", "loss", 20): 7.25,
            ("train", "other vs samples", None): 4.5,
            ("train", "learning_rate", 10): 0.25,
            ("val", "loss", 20): 7.5,
            ("val", "perplexity", 20): 1808.0,
            ("train", "grad_norm", 20): 1.5,
            ("train", "params_norm", 20): 64.0,
            ("train", "loss_scale", 20): 65536.0,
            ("train", "step_time", 20): 0.5,
            ("train", "memory_reserved", 20): 1024.0,
            ("train", "memory_allocated", 20): 512.0,
            ("train", "memory_allocated_peak", 20): 768.0,
        },
        runs={"logs/exp7/tensorboard": {"config": {"seq_length": "2048"}, "started_at": 1760000000250000}},
        unknown=("other vs samples",),
    ),
    Sample(
        "outputs/tb/20251009-0853/events.out.tfevents.1760000000.node1.4711.0",
        _TITAN,
        matched=11,
        points={
            ("train", "loss", 5): 6.5,
            ("train", "tokens_per_second_per_device", 5): 7123.0,
            ("train", "mfu", 5): 0.4,
            ("train", "tflops_per_device", 5): 400.0,
            ("train", "step_time", 5): 2.5,
            ("train", "data_time", 5): 0.125,
            ("train", "memory_reserved_peak", 5): 40 * 2**30,
            ("train", "memory_reserved_peak_share", 5): 0.5,
            ("train", "base_learning_rate", 5): 0.5,
            ("val", "samples_per_second", 5): 12.0,
        },
        runs={"logs/outputs/tb/20251009-0853": {"kind": "training"}},
    ),
    Sample(
        "work/20250209_031500/vis_data/events.out.tfevents.1760000000.node1.4711.0",
        _VERSION + _simple(1, 5, "loss", 2.5) + _simple(2, 10, "loss", 2.25)[:-9],
        matched=1,
        points={("train", "loss", 5): 2.5},
        runs={"work/20250209_031500": {"experiment": "work"}},
        suspects=1,
    ),
    Sample(
        "toy-sft/runs/Feb01_08-00-00_node1/events.out.tfevents.1760000000.node1.4711.0",
        _TRAINER,
        matched=11,
        points={
            ("train", "loss", 40): 1.5,
            ("train", "epoch_progress", 40): 2.0,
            ("val", "accuracy", 40): 0.75,
            ("val", "evaluation_time", 40): 1.5,
        },
        measurements={
            ("loss", "mean"): 3.0,
            ("train_time", "value"): 64.0,
            ("training_flop", "value"): 1024.0,
        },
        runs={"logs/toy-sft/runs/Feb01_08-00-00_node1": {"status": "completed", "fingerprint": "hf:4.5|3.5|2.5|1.5"}},
    ),
)
