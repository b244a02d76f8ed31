"""Composed examples of mmcv 1.x logs, text and JSON, with what must come out of them."""

# ruff: noqa: E501  (log lines are as long as the program writes them)

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample
from llmstats.training import microseconds

_MIB = 2.0**20
_NAN = float("nan")


def _log(clock: str, message: str, level: str = "INFO", name: str = "mmdet - ") -> str:
    return f"{clock} - {name}{level} - {message}\n"


_ENV_INFO = """\
sys.platform: linux
Python: 3.7.9 (default, Aug 31 2020, 12:42:55) [GCC 7.3.0]
CUDA available: True
GPU 0,1,2,3: Tesla V100-SXM2-32GB
CUDA_HOME: /usr/local/cuda
PyTorch: 1.6.0
PyTorch compiling details: PyTorch built with:
  - GCC 7.3
  - CUDA Runtime 10.1

MMCV: {version}
MMDetection: 2.10.0+abcdef1"""

_CONFIG = """\
model = dict(
    type='FasterRCNN',
    backbone=dict(type='ResNet', depth=50))
dataset_type = 'CocoDataset'
data = dict(samples_per_gpu=2, workers_per_gpu=2)
log_config = dict(interval=50, hooks=[dict(type='TextLoggerHook')])
total_epochs = 3
fp16 = dict(loss_scale=512.0)
gpu_ids = range(0, 4)
"""

_BY_EPOCH = (
    _log("2021-05-04 16:39:48,680", "Environment info:")
    + "-" * 60 + "\n" + _ENV_INFO.format(version="1.1.5") + "\n" + "-" * 60 + "\n\n"
    + _log("2021-05-04 16:39:49,119", "Distributed training: True")
    + _log("2021-05-04 16:39:49,494", "Config:") + _CONFIG + "\n"
    + _log("2021-05-04 16:39:49,932", "load model from: torchvision://resnet50")
    + _log("2021-05-04 16:39:50,111", "The model and loaded state dict do not match exactly", "WARNING")
    + "\nunexpected key in source state_dict: fc.weight, fc.bias\n\n"
    + _log("2021-05-04 16:40:17,186", "load checkpoint from work_dirs/faster_rcnn/epoch_1.pth")
    + _log("2021-05-04 16:40:17,661", "resumed epoch 1, iter 120")
    + _log("2021-05-04 16:40:17,661", "Start running, host: root@48311a6e91ab, work_dir: /work_dirs/faster_rcnn")
    + _log("2021-05-04 16:40:17,662", "workflow: [('train', 1)], max: 3 epochs")
    + _log("2021-05-04 16:40:49,447", "Epoch [2][50/120]\tlr: 2.000e-02, eta: 1 day, 0:54:38, time: 0.635, data_time: 0.206, memory: 8623, loss_cls: 0.3111, acc: 91.3267, loss: 0.6945")
    + _log("2021-05-04 16:41:15,732", "Exp name: faster_rcnn.py")
    + _log("2021-05-04 16:41:15,732", "Epoch [2][100/120]\tlr: 2.000e-02, eta: 11:47:54, time: 0.526, data_time: 0.132, memory: 8625, loss_cls: 0.3142, acc: 91.2561, loss: nan")
    + _log("2021-05-04 16:41:30,000", "Saving checkpoint at 2 epochs")
    + _log("2021-05-04 16:42:00,000", "")
    + "+-------+------+\n| class | ap   |\n+-------+------+\n"
    + _log("2021-05-04 16:42:00,170", "Epoch(val) [2][120]\tbbox_mAP: 0.1950, bbox_mAP_s: -1.0000, bbox_mAP_copypaste: 0.195 0.350 0.197 -1.000 0.211 0.265, segm_mAP: 0.1970")
    + _log("2021-05-04 16:42:30,170", "Epoch [3][50/120]\tlr: 2.000e-03, eta: 0:00:10, time: 0.530, data_time: 0.130, memory: 8625, loss_cls: 0.2142, acc: 92.2561, loss: 0.5945")
    + _log("2021-05-04 16:43:00,000", "Epoch(val) [3][120]\t")
)  # fmt: skip

_BY_ITERATION = (
    _log(
        "2022-03-01 12:34:56,789",
        "Start running, host: alice@node06, work_dir: /work_dirs/gan",
        name="mmseg - ",
    )
    + _log("2022-03-01 12:34:56,790", "workflow: [('train', 1)], max: 80000 iters", name="mmseg - ")
    + _log(
        "2022-03-01 12:35:20,000",
        "Iter [50/80000]\tlr_generator: 1.000e-04 lr_discriminator: 4.000e-04, eta: 3 days, 6:31:19, time: 0.804, data_time: 0.267, decode.loss_ce: 2.6573, loss: -2.6573",
        name="mmseg - ",
    )
    + _log(
        "2022-03-01 12:35:40,000",
        "Iter [100/80000]\tlr_generator: 1.000e-04 lr_discriminator: 4.000e-04, eta: 10:35:57, time: 0.703, data_time: 0.196, decode.loss_ce: inf, loss: inf",
        name="mmseg - ",
    )
    + _log(
        "2022-03-01 12:36:00,000",
        "Iter(val) [25]\taAcc: 0.8125, mIoU: 0.4150, IoU.traffic light: 0.2500",
        name="mmseg - ",
    )
    + _log("2022-03-01 12:36:10,000", "Iter [150-80000]\tlr: 1.000e-04, loss: 1.0", name="mmseg - ")
)

_EARLY = (
    _log("2019-09-12 08:00:00,100", "Start running, host: bob@gpu1, work_dir: /work_dirs/old", name="")
    + "0: " + _log("2019-09-12 08:01:00,100", "Epoch [1][50/99]\tlr: 1.000e-02, eta: 0:10:00, time: 1.000, data_time: 0.010, memory: 3000, loss: 1.5000", name="")
    + _log("2019-09-12 08:02:00,100", "Epoch [1][99/99]\tlr: 1.000e-02, bbox_mAP: 0.2500", name="")
    + _log("2019-09-12 09:00:00,100", "Start running, host: bob@gpu1, work_dir: /work_dirs/old", name="")
    + _log("2019-09-12 09:01:00,100", "Epoch [2][50/99]\tlr: 1.000e-02, eta: 0:09:00, time: 1.100, data_time: 0.010, memory: 3000, loss: 1.2500", name="")
    + "torch.distributed.DistBackendError: NCCL error\n"
)  # fmt: skip

LOG_SAMPLES = (
    Sample(
        path="work_dirs/faster_rcnn/20210504_163948.log",
        text=_BY_EPOCH,
        matched=5,
        points={
            ("train", "loss", 170): 0.6945,
            ("train", "loss", 220): _NAN,
            ("train", "learning_rate", 290): 2e-3,
            ("train", "eta", 170): 86400 + 54 * 60 + 38,
            ("train", "step_time", 220): 0.526,
            ("train", "data_time", 220): 0.132,
            ("train", "memory_allocated_peak", 220): 8625 * _MIB,
            ("train", "acc", 290): 92.2561,
            ("val", "bbox_mAP", 220): 0.195,
            ("val", "bbox_mAP_s", 220): -1.0,
            ("val", "segm_mAP", 220): 0.197,
            ("train", "loss_cls", 170): 0.3111,
        },
        runs={
            "faster_rcnn/20210504_163948": {
                "experiment": "faster_rcnn",
                "framework": "mmcv",
                "model": "FasterRCNN",
                "dataset": "CocoDataset",
                "device": "Tesla V100-SXM2-32GB",
                "vendor": "NVIDIA",
                "device_count": 4,
                "precision": "fp16",
                "resumed_from": 120,
                "fingerprint": "mmcv1:50:8623:0.635:0.206|100:8625:0.526:0.132",
                "started_at": microseconds("2021-05-04 16:39:48"),
                "ended_at": microseconds("2021-05-04 16:43:00"),
                "environment": {"MMCV": "1.1.5", "host": "root@48311a6e91ab"},
                "config": {"exp_name": "faster_rcnn.py", "max_epochs": 3},
            }
        },
        events=("load", "warning", "load", "resume", "checkpoint"),
        unknown=(
            "acc",
            "bbox_mAP",
            "bbox_mAP_s",
            "loss_cls",
            "segm_mAP",
        ),
    ),
    Sample(
        path="gan/20220301_123456.log",
        text=_BY_ITERATION,
        matched=3,
        points={
            ("train", "lr_generator", 50): 1e-4,
            ("train", "lr_discriminator", 100): 4e-4,
            ("train", "decode.loss_ce", 50): 2.6573,
            ("train", "loss", 50): -2.6573,
            ("train", "loss", 100): float("inf"),
            ("train", "eta", 50): 3 * 86400 + 6 * 3600 + 31 * 60 + 19,
            ("val", "mIoU", 100): 0.415,
            ("val", "IoU.traffic light", 100): 0.25,
            ("val", "aAcc", 100): 0.8125,
        },
        runs={
            "gan/20220301_123456": {
                "config": {"max_iters": 80000, "work_dir": "/work_dirs/gan"},
                "device": None,
            }
        },
        suspects=1,
        unknown=(
            "IoU.traffic light",
            "aAcc",
            "decode.loss_ce",
            "lr_discriminator",
            "lr_generator",
            "mIoU",
        ),
    ),
    Sample(
        path="old/train.log",
        text=_EARLY,
        matched=3,
        points={
            ("train", "loss", 50): 1.5,
            ("val", "bbox_mAP", 50): 0.25,
            ("val", "learning_rate", 50): 0.01,
            ("train", "loss", 149): 1.25,
        },
        runs={"old/train": {"experiment": "old/train"}, "old/train#2": {"experiment": "old/train"}},
        events=("error",),
        unknown=("bbox_mAP",),
    ),
)

# --------------------------------------------------------------------------- JSON


def _rows(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _meta(version: str, config: str = _CONFIG) -> dict[str, Any]:
    return {
        "env_info": _ENV_INFO.format(version=version),
        "config": config,
        "seed": None,
        "exp_name": "faster_rcnn.py",
    }


def _train(epoch: int, inner: int, loss: float, **more: Any) -> dict[str, Any]:
    times = {"lr": 0.02, "memory": 8623, "data_time": 0.20633, "loss": loss, "time": 0.63452}
    return {"mode": "train", "epoch": epoch, "iter": inner, **times, **more}


_RESUMED = _rows(
    _meta("1.1.5"),
    _train(2, 50, 0.69449),
    _train(2, 100, _NAN),
    {"mode": "val", "epoch": 2, "iter": 120, "lr": 0.02, "bbox_mAP": 0.195, "bbox_mAP_s": -1.0, "bbox_mAP_copypaste": "0.195 0.350"},
    _train(3, 50, 0.59451),
)  # fmt: skip

# Since mmcv 1.3.5 the iter of a validation is the length of the validation set, near the epoch's by chance.
_UNKNOWN = _rows(
    _meta("1.7.0"),
    _train(1, 50, 0.75),
    _train(1, 100, 0.625),
    {"mode": "val", "epoch": 1, "iter": 120, "lr": 0.02, "bbox_mAP": 0.125},
    _train(2, 50, 0.5),
    {"mode": "val", "epoch": 2, "iter": 120, "lr": 0.02, "bbox_mAP": 0.25},
)

_ITERATIONS = _rows(
    _meta("1.4.0", "runner = dict(type='IterBasedRunner', max_iters=80000)\n"),
    _train(1, 50, 0.75, lr={"generator": 0.0001, "discriminator": 0.0004}),
    _train(2, 100, 0.625, lr={"generator": 0.0001, "discriminator": 0.0004}),
    {"mode": "val", "epoch": 2, "iter": 25, "lr": {"generator": 0.0001}, "mIoU": 0.415},
)

_REMAINDER = _rows(_train(1, 10, 1.0), _train(1, 20, 0.875), _train(1, 27, 0.75), _train(2, 10, 0.5)) + (
    '{"mode": "train", "epoch": 2, "it\n' + _rows(_train(2, 20, 0.25)) + '{"mode": "train", "epoch": 2, "iter": 27, "lo'
)

JSON_SAMPLES = (
    Sample(
        path="work_dirs/faster_rcnn/20210504_163948.log.json",
        text=_RESUMED,
        matched=4,
        points={
            ("train", "loss", 170): 0.69449,
            ("train", "loss", 220): _NAN,
            ("train", "memory_allocated_peak", 290): 8623 * _MIB,
            ("train", "step_time", 290): 0.63452,
            ("val", "bbox_mAP", 220): 0.195,
            ("val", "bbox_mAP_s", 220): -1.0,
            ("val", "learning_rate", 220): 0.02,
            ("train", "data_time", 170): 0.20633,
        },
        runs={
            "faster_rcnn/20210504_163948": {
                "experiment": "faster_rcnn",
                "framework": "mmcv",
                "model": "FasterRCNN",
                "device": "Tesla V100-SXM2-32GB",
                "device_count": 4,
                "precision": "fp16",
                "fingerprint": "mmcv1:50:8623:0.635:0.206|100:8623:0.635:0.206",
                "config": {"exp_name": "faster_rcnn.py", "total_epochs": 3},
            }
        },
        unknown=(
            "bbox_mAP",
            "bbox_mAP_s",
        ),
    ),
    Sample(
        path="work_dirs/retinanet/20220601_101010.log.json",
        text=_UNKNOWN,
        matched=5,
        points={
            ("train", "loss", 100): 0.625,
            ("val", "bbox_mAP", 100): 0.125,
            ("train", "loss", None): 0.5,
            ("train", "iter", None): 50.0,
            ("val", "bbox_mAP", None): 0.25,
        },
        runs={"retinanet/20220601_101010": {"environment": {"MMCV": "1.7.0"}}},
        unknown=(
            "bbox_mAP",
            "iter",
        ),
    ),
    Sample(
        path="gan/20220301_123456.log.json",
        text=_ITERATIONS,
        matched=3,
        points={
            ("train", "lr_generator", 50): 1e-4,
            ("train", "loss", 100): 0.625,
            ("val", "mIoU", 100): 0.415,
            ("train", "lr_discriminator", 50): 0.0004,
        },
        runs={"gan/20220301_123456": {"experiment": "gan"}},
        unknown=(
            "lr_discriminator",
            "lr_generator",
            "mIoU",
        ),
    ),
    Sample(
        path="downloads/faster_rcnn_1x-3d1b3351.log.json",
        text=_REMAINDER,
        matched=5,
        points={("train", "loss", 27): 0.75, ("train", "loss", 37): 0.5, ("train", "loss", 47): 0.25},
        runs={"downloads/faster_rcnn_1x-3d1b3351": {"experiment": "downloads/faster_rcnn_1x-3d1b3351"}},
        suspects=1,
    ),
)
