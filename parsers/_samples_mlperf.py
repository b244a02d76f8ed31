"""Composed samples of MLPerf's files."""

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample

_T0 = 1_760_000_000_000


def _line(seconds: float, key: str, value: Any = None, prefix: str = "", **metadata: Any) -> str:
    row = {
        "namespace": "",
        "time_ms": _T0 + round(seconds * 1000),
        "event_type": "POINT_IN_TIME",
        "key": key,
        "value": value,
        "metadata": {"file": "train.py", "lineno": 7, **metadata},
    }
    return f"{prefix}:::MLLOG {json.dumps(row)}\n"


_SYSTEM = {
    "submitter": "UNKNOWN_MLPERF_SUBMITTER",
    "division": "closed",
    "number_of_nodes": "2",
    "accelerators_per_node": "8",
    "accelerator_model_name": "NVIDIA H200",
    "host_memory_capacity": "2.0 TB",
    "framework": "PyTorch NVIDIA Release 25.04",
}
_LORA = (
    f"+ echo ':::SYSJSON {json.dumps(_SYSTEM)}'\n:::SYSJSON {json.dumps(_SYSTEM)}\n"
    + _line(0, "init_start", prefix="0: ")
    + _line(0.5, "init_start", prefix="1: ")
    + _line(1, "submission_benchmark", "llama2_70b_lora")
    + _line(1, "global_batch_size", 8)
    + _line(1, "train_samples", 3901)
    + _line(1, "target_accuracy", 0.925)
    + _line(60, "init_stop")
    + _line(60, "run_start")
    + _line(60, "block_start", samples_count=0, step=0)
    + _line(70, "tracked_stats", {"train_step_time": 1.25, "reduced_train_loss": 1.5}, step=10)
    + _line(72, "tracked_stats", {"train_loss": 1.4375}, step=20, samples_count=160, lr=0.0004)
    + _line(80, "tracked_stats", {"throughput": 18.5}, step=48)
    + _line(80, "eval_accuracy", 0.94, samples_count=384)
    + _line(81, "tracked_stats", {"validation_time": 0.5}, step=48)
    + _line(90, "eval_accuracy", 0.9225, samples_count=768)
    + _line(91.5, "run_stop", status="success", samples_count=768, step=96)
)
_ABORTED = (
    _line(0, "submission_benchmark", "dlrm_dcnv2")
    + _line(0, "global_batch_size", 1000)
    + _line(0, "run_start")
    + _line(0, "train_samples", 100_000, epoch_num=0.0)
    + _line(5, "tracked_stats", {"throughput": 20_000.0}, step=0.25)
    + _line(5, "eval_accuracy", 0.8, epoch_num=0.25)
    + _line(6, "train_loss", 1.75, samples_count=30_000, lr=0.5)
    + _line(9, "eval_accuracy", 0.81, metric="FID", epoch_num=0.5)
    + ':::MLLOG {"namespace": "", "time_ms": 17\n'
    + _line(10, "run_stop", status="aborted", epoch_num=1.0)
)
_ROUND_05 = """\
:::MLPv0.5.0 resnet 1541635764.250000000 (mlperf_log_utils.py:58) run_start
:::MLPv0.5.0 resnet 1541635764.250000000 (mlperf_log_utils.py:58) global_batch_size: 4096
:::MLPv0.5.0 resnet 1541635800.250000000 (mlperf_log_utils.py:58) eval_accuracy: {"epoch": 4, "value": 0.3125}
:::MLPv0.5.0 resnet 1541635864.750000000 (mlperf_log_utils.py:58) run_stop: {"success": true}
"""
_RGAT = _line(0, "eval_accuracy", 0.72, epoch_num=0.85) + _line(
    1, "tracked_stats", {"train_accuracy": 0.7, "max_memory_usage": 26.15}, epoch_num=0.85
)

_ROUND_06 = """\
:::MLL 0.0 submission_benchmark: {"value": "maskrcnn", "metadata": {"lineno": 0, "file": "N/A"}}
:::MLL 1558570835.250 run_start: {"value": null, "metadata": {"file": "train.py", "lineno": 610}}
:::MLL 1558570836.250 max_samples: {"value": 1, "metadata": {'file': 'train.py', 'lineno': 7}}
0: :::MLL 1558570900.250 eval_accuracy: {"value": {"accuracy": {"BBOX": 0.375, "SEGM": 0.3125}}, "metadata": {}}
:::MLL 1558570950.250 eval_accuracy: {"value": [0.40625, 0.34375], "metadata": {"epoch_num": 10}}
:::MLL 1558570960.250 eval_accuracy: {"value": oops
:::MLL 1558570999.750 run_stop: {"value": null, "metadata": {'status': 'success', 'file': 'train.py', 'lineno': 849}}
"""


def _quality(benchmark: str, value: float | str) -> Sample:
    """What ``eval_accuracy`` is depends on the benchmark."""
    metric = {"ssd": "mean_average_precision", "transformer": "bleu", "rnnt": "word_error_rate"}[benchmark]
    text = _line(0, "submission_benchmark", benchmark) + _line(1, "eval_accuracy", value, epoch_num=3)
    return Sample("Acme/results/box16/x/result_7.txt", text, matched=1, points={("val", metric, None): float(value)})


TRAINING_SAMPLES = (
    Sample(
        "Acme/results/box16/llama2_70b_lora/result_0.txt",
        _LORA,
        matched=8,
        points={
            ("train", "step_time", 10): 1.25,
            ("train", "loss", 10): 1.5,
            ("train", "loss", 20): 1.4375,
            ("train", "learning_rate", 20): 0.0004,
            ("train", "samples_per_second", 48): 18.5,
            ("val", "loss", 48): 0.94,
            ("val", "loss", 96): 0.9225,
            ("val", "samples", 96): 768.0,
            ("val", "evaluation_time", 48): 0.5,
        },
        measurements={("time_to_train", "value"): 31.5, ("init_time", "value"): 60.0},
        runs={
            "Acme/box16/llama2_70b_lora/result_0": {
                "kind": "training",
                "status": "completed",
                "model": "llama2_70b_lora",
                "device": "NVIDIA H200",
                "vendor": "NVIDIA",
                "device_count": 16,
                "node_count": 2,
                "framework": "PyTorch NVIDIA Release 25.04",
                "started_at": (_T0 + 60_000) * 1000,
                "config": {"global_batch_size": 8, "target_accuracy": 0.925},
                "environment": {"host_memory_capacity": "2.0 TB", "submitter": None},
            }
        },
        events=("phase", "phase", "phase", "phase"),
    ),
    Sample(
        "runs/try/train.out",
        _ABORTED,
        matched=5,
        points={
            ("val", "roc_auc", 25): 0.8,
            ("val", "eval_accuracy/FID", 50): 0.81,
            ("train", "samples_per_second", 25): 20_000.0,
            ("train", "loss", 30): 1.75,
            ("train", "learning_rate", 30): 0.5,
        },
        measurements={("time_to_train", "value"): 10.0},
        runs={"try/train": {"status": "failed", "model": "dlrm_dcnv2"}},
        events=("phase", "phase"),
        suspects=1,
        unknown=("eval_accuracy/FID",),
    ),
    Sample(
        "results/box/resnet/result_1.txt",
        _ROUND_05,
        matched=2,
        points={("val", "accuracy", None): 0.3125},
        measurements={("time_to_train", "value"): 100.5},
        runs={"logs/box/resnet/result_1": {"status": "completed"}},
        events=("phase", "phase"),
    ),
    Sample(
        "Acme/results/box16/rgat/result_4.txt",
        _RGAT,
        matched=2,
        points={
            ("val", "accuracy", None): 0.72,
            ("train", "accuracy", None): 0.7,
            ("train", "max_memory_usage", None): 26.15,
        },
        runs={"Acme/box16/rgat/result_4": {"status": None, "model": "rgat"}},
        unknown=("max_memory_usage",),
    ),
    Sample(
        "Acme/results/box16/maskrcnn/result_1.txt",
        _ROUND_06,
        matched=3,
        points={("val", "mean_average_precision", None): 0.34375},
        measurements={("time_to_train", "value"): 164.5},
        runs={"Acme/box16/maskrcnn/result_1": {"status": "completed", "model": "maskrcnn"}},
        events=("phase", "phase"),
        suspects=1,
    ),
    _quality("ssd", 0.25),
    _quality("transformer", "25.5"),
    _quality("rnnt", 0.0625),
    Sample(
        "Acme/results/box16/unet3d/result_2.txt",
        _line(0, "run_start")
        + _line(1, "tracked_stats", {"current_lr": 0.5}, step=10)
        + _line(1, "tracked_stats", {"train_step_timing in s": 2.5}, step=20),
        matched=2,
        points={("train", "learning_rate", None): 0.5, ("train", "step_time", None): 2.5},
        events=("phase",),
    ),
    Sample(
        "Acme/results/box16/bert/power/result_3/node_1.txt",
        _line(0, "power_measurement_start") + _line(1, "power_reading", 2247) + _line(3, "power_reading", 2251),
        matched=2,
        points={("train", "system_power", None): 2251.0},
        runs={"Acme/box16/bert/result_3": {"model": "bert", "config": {"power_reading": None}}},
    ),
    Sample(
        "Acme/results/box16/bert/power/result_3/sw_0.txt",
        _line(1, "power_reading", 600),
        matched=1,
        points={("train", "system_power", None): 600.0},
        runs={"Acme/box16/bert/result_3": {"root": "/data/logs/Acme/results/box16/bert"}},
    ),
)

SYSTEM_SAMPLES = (
    Sample(
        "Acme/systems/box16.json",
        json.dumps(
            {
                **_SYSTEM,
                "submitter": "Acme",
                "system_name": "Acme box, 16 cards",
                "cooling": "",
                "sw_notes": "N/A",
                "status": "Available on-premise",
                "host_processor_model_name": "Acme Z1",
                "other_software_stack": {"cuda_version": "12.8"},
            },
            indent=4,
        ),
        matched=0,
        runs={
            "Acme/systems/box16": {
                "covers": True,
                "device": "NVIDIA H200",
                "vendor": "NVIDIA",
                "device_count": 16,
                "node_count": 2,
                "status": None,
                "environment": {
                    "submitter": "Acme",
                    "availability": "Available on-premise",
                    "cooling": None,
                    "sw_notes": None,
                    "other_software_stack": {"cuda_version": "12.8"},
                },
            }
        },
    ),
    Sample(
        "closed/Acme/systems/odd.json",
        json.dumps(
            {
                "number_of_nodes": 1,
                "accelerators_per_node": "8 (2 kinds)",
                "accelerator_model_name": "Acme NPU-9",
                "host_processor_model_name": "Acme Z1",
            }
        ),
        matched=0,
        runs={"Acme/systems/odd": {"device_count": None, "node_count": 1, "vendor": None, "device": "Acme NPU-9"}},
    ),
)
