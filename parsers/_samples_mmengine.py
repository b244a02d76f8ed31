"""Composed examples of mmengine's logs and JSON files, with what must come out of them."""

# ruff: noqa: E501  (log lines are as long as the program writes them)

from __future__ import annotations

from llmstats.parsing import Sample
from llmstats.training import microseconds

_MIB = 2.0**20
_NAN = float("nan")
_INF = float("inf")


def _log(clock: str, message: str, level: str = "INFO", front: str = "") -> str:
    return f"{front}{clock} - mmengine - {level} - {message}\n"


def _environment(clock: str, device: str, count: int, front: str = "") -> str:
    """The environment block; the line with the prefix has an empty message, the others no prefix."""
    body = f"""------------------------------------------------------------
System environment:
    sys.platform: linux
    Python: 3.10.14 (main, May  6 2024, 19:42:50) [GCC 11.2.0]
    CUDA available: True
    numpy_random_seed: 1874205063
    GPU {",".join(str(i) for i in range(min(count, 8)))}: {device}
    CUDA_HOME: /usr/local/cuda
    PyTorch: 2.3.1+cu121
    PyTorch compiling details: PyTorch built with:
  - GCC 9.3
  - Build settings: BLAS_INFO=mkl, BUILD_TYPE=Release, CUDA_VERSION=12.1,\x20

    MMEngine: 0.10.7

Runtime environment:
    cudnn_benchmark: False
    mp_cfg: {{'mp_start_method': 'fork', 'opencv_num_threads': 0}}
    seed: 1874205063
    Distributed launcher: pytorch
    Distributed training: True
    GPU number: {count}
------------------------------------------------------------

"""
    return _log(clock, "", front=front) + "".join(front + line + "\n" for line in body.split("\n")[:-1])


_XTUNER_CONFIG = """\
SYSTEM = 'xtuner.utils.SYSTEM_TEMPLATE.alpaca'
accumulative_counts = 16
batch_size = 1
max_length = 16384
model = dict(
    llm=dict(
        pretrained_model_name_or_path='/models/toy-moe-16b/',
        torch_dtype='torch.bfloat16',
        type='transformers.AutoModelForCausalLM.from_pretrained'))
optim_wrapper = dict(
    dtype='bfloat16',
    optimizer=dict(lr=1e-05, type='torch.optim.AdamW'),
    type='mmengine.optim.AmpOptimWrapper')
pretrained_model_name_or_path = '/models/toy-moe-16b/'
sequence_parallel_size = 2

"""

_XTUNER_FILE = (
    _environment("2025/02/09 03:15:02", "NVIDIA H800", 128)
    + _log("2025/02/09 03:15:03", "Config:")
    + _XTUNER_CONFIG
    + _log("2025/02/09 03:15:04", "Hooks will be executed in the following order:")
    + "before_run:\n(VERY_HIGH   ) RuntimeInfoHook                    \n(55          ) ThroughputHook                     \n -------------------- \n"
    + _log("2025/02/09 03:15:40", "Checkpoints will be saved to /work_dirs/toy_moe.")
    + _log(
        "2025/02/09 07:49:32",
        "Iter(train) [ 8859/96000]  lr: 9.7914e-06  eta: 18 days, 16:13:38  time: 16.1764  data_time: 0.0440  memory: 54047  loss: 0.0010  tflops: 34.3366  tokens_per_sec: 1012.8326",
    )
    + _log(
        "2025/02/09 07:49:48",
        "Iter(train) [ 8860/96000]  lr: 9.7913e-06  eta: 18 days, 16:13:21  time: 16.1771  data_time: 0.0441  memory: 54047  loss: 0.0017  tflops: 34.3301  tokens_per_sec: 1012.6420",
    )
    + _log("2025/02/09 07:50:04", "Exp name: toy_moe_20250209_031500")
    + _log(
        "2025/02/09 07:50:04",
        "Iter(train) [ 9000/96000]  lr: 9.7800e-06  eta: 18 days, 15:40:00  time: 16.2001  data_time: 0.0439  memory: 54047  loss: 0.0012  tflops: 34.3002  tokens_per_sec: 1011.4219",
    )
    + _log("2025/02/09 07:50:05", "Saving checkpoint at 9000 iterations")
    + _log(
        "2025/02/09 07:51:00",
        "Using variable-length Flash Attention causes an inflation in the FLOPs calculation.",
        "WARNING",
    )
    + _log(
        "2025/02/09 07:51:20",
        "/opt/xtuner/engine/runner.py - run_iter - 128 - worker 3 does not answer",
        "ERROR",
    )
    + 'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    loss.backward()\n'
    + "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"
)

_GREY_INFO = "\x1b[4m\x1b[37mINFO\x1b[0m"


def _console(clock: str, message: str) -> str:
    return _log(clock, message, _GREY_INFO, front="0: ")


_NEW_YEAR = (
    _environment("12/31 23:58:10", "NVIDIA A100-SXM4-80GB", 16, front="0: ")
    + _console(
        "12/31 23:59:20",
        "Iter(train) [   990/100000]  lr: 2.0000e-05  eta: 1 day, 2:03:04  time: 0.9500  data_time: 0.0100  memory: 41000  loss: 1.2500  tflops: 151.0000  tokens_per_sec: 2155.7895",
    )
    + _console("12/31 23:59:30", "Iter(val) [10/10]    perplexity: 8.5000  data_time: 0.0020  time: 0.2500")
    + _console(
        "01/01 00:00:02",
        "Iter(train) [  1000/100000]  lr: 2.0000e-05  eta: 1 day, 2:03:00  time: 0.9600  data_time: 0.0110  memory: 41000  loss: 1.2400  tflops: 150.0000  tokens_per_sec: 2133.3333",
    )
    + _console("01/01 00:00:03", "Saving checkpoint at 1000 iterations")
)

_EPOCHS = (
    _log("2024/05/06 10:00:00", "Load checkpoint from /weights/backbone.pth")
    + _log(
        "2024/05/06 10:01:00",
        "Epoch(train)   [1][ 50/120]  base_lr: 1.0000e-04 lr: 1.0000e-05  eta: 0:02:08  time: 0.3000  data_time: 0.0200  memory: 9123  grad_norm: 12.3456  loss: 3.5000  loss_cls: 2.0000  num_pos: 17",
    )
    + _log(
        "2024/05/06 10:01:15",
        "Epoch(train)   [1][100/120]  base_lr: 1.0000e-04 lr: 1.0000e-05  eta: 0:01:50  time: 0.2900  data_time: 0.0180  memory: 9123  grad_norm: 11.0000  loss: 3.2500  loss_cls: 1.7500  num_pos: 1200",
    )
    + _log("2024/05/06 10:01:20", "Exp name: toy_det_20240506_095900")
    + _log("2024/05/06 10:01:20", "Saving checkpoint at 1 epochs")
    + _log(
        "2024/05/06 10:01:25",
        "Epoch(val)   [1][ 5/20]    eta: 0:00:03  time: 0.2100  data_time: 0.1000  memory: 2000  ",
    )
    + _log("2024/05/06 10:01:29", "Evaluating bbox...")
    + _log("2024/05/06 10:01:30", "")
    + "+----------+-------+\n| category | AP    |\n| cat: 1   | 0.312 |\n+----------+-------+\n"
    + _log("2024/05/06 10:01:30", "bbox_mAP_copypaste: 0.312 0.500 0.250 -1.000 0.250 0.400")
    + _log(
        "2024/05/06 10:01:30",
        "Epoch(val) [1][20/20]    coco/bbox_mAP: 0.3120  coco/AP .5: 0.5000  coco/AP (M): -1.0000  single-label/precision_classwise: [0.5, 0.25]  accuracy/top1: 68.9895  data_time: 0.0105  time: 0.0210",
    )
    + _log(
        "2024/05/06 10:01:30",
        "The best checkpoint with 0.3120 coco/bbox_mAP at 1 epoch is saved to best_coco_bbox_mAP_epoch_1.pth.",
    )
    + _log(
        "2024/05/06 10:02:00",
        "Epoch(train)  [10][ 50/120]  base_lr: 1.0000e-04 lr: 1.0000e-06  eta: 0:00:08  time: 0.3100  data_time: 0.0200  memory: 9123  grad_norm: nan  loss: inf  loss_cls: 1.5000  num_pos: 4",
    )
)

_EVALUATIONS = (
    _log("2023/04/05 09:00:00", "Load checkpoint from epoch_12.pth")
    + _log(
        "2023/04/05 09:00:10",
        "Epoch(val)[0][ 5/20]    eta: 0:00:01  time: 0.2000  data_time: 0.1000  memory: 1024  ",
    )
    + _log("2023/04/05 09:00:20", "Epoch(val) [0][20/20]    acc: 0.9123data_time: 0.0100  time: 0.0210  ")
    + _log("2023/04/05 09:00:30", "Epoch(test) [20/20]    acc: 0.9000  confusion: ")
    + "tensor([[12,  3],\n        [ 1, 14]])\n  data_time: 0.0150  time: 0.0310\n"
    + _log("2023/04/05 09:00:31", "done")
)

_ON_CPU = (
    _log(
        "2024/07/01 08:00:00",
        "Iter(train) [ 1/20]  generator.lr: 1.0000e-04 discriminator.lr: 4.0000e-04  eta: 0:00:19  time: 1.0000  data_time: 0.0010  loss_gen: -0.2500  loss: 1.0000",
    )
    + _log(
        "2024/07/01 08:00:01",
        "Iter(train) [ 2/20]  generator.lr: 1.0000e-04 discriminator.lr: 4.0000e-04  eta: 0:00:18  time: 1.0000  data_time: 0.0010  loss_gen: nan  loss: nan",
    )
    + _log(
        "2024/07/01 08:00:02",
        "Iter(train) [10/20]  generator.lr: 1.0000e-04 discriminator.lr: 4.0000e-04  eta: 0:00:10  time: 1.0000  data_time: 0.0010  loss_gen: -inf  loss: 1234567.0000",
    )
    + _log("2024/07/01 08:00:03", "Iter(train) [ab/20]  lr: 1.0000e-04  loss: 1.0000")
)

_APPENDED = (
    _environment("2024/03/01 10:00:00", "MXC500", 8)
    + _log(
        "2024/03/01 10:01:00",
        "Iter(train) [10/50]  lr: 1.0000e-04  eta: 0:00:40  time: 1.0000  data_time: 0.0010  loss: 2.0000",
    )
    + _log(
        "2024/03/01 10:01:10",
        "Iter(train) [20/50]  lr: 1.0000e-04  eta: 0:00:30  time: 1.0000  data_time: 0.0010  loss: 1.7500",
    )
    + _log("2024/03/01 10:01:11", "Saving checkpoint at 20 iterations")
    + _log(
        "2024/03/01 10:01:20",
        "Iter(train) [30/50]  lr: 1.0000e-04  eta: 0:00:20  time: 1.0000  data_time: 0.0010  loss: 1.5000",
    )
    + "KeyboardInterrupt\n"
    + _environment("2024/03/01 11:00:00", "MXC500", 16)
    + _log("2024/03/01 11:00:10", "Load checkpoint from iter_20.pth")
    + _log("2024/03/01 11:00:11", "resumed epoch: 0, iter: 20")
    + _log("2024/03/01 11:00:12", "Iter(val) [2/2]    acc: 0.5000  data_time: 0.0010  time: 0.0020")
    + _log(
        "2024/03/01 11:01:20",
        "Iter(train) [30/50]  lr: 1.0000e-04  eta: 0:00:20  time: 1.0000  data_time: 0.0010  loss: 1.6250",
    )
    + _log(
        "2024/03/01 11:01:30",
        "Iter(train) [40/50]  lr: 1.0000e-04  eta: 0:00:10  time: 1.0000  data_time: 0.0010  loss: 1.2500",
    )
    + _log("2024/03/01 11:01:31", "Iter(val) [2/2]    acc: 0.7500  data_time: 0.0010  time: 0.0020")
    + _log(
        "2024/03/01 12:00:00",
        "Iter(train) [10/50]  lr: 1.0000e-04  eta: 0:00:40  time: 1.0000  data_time: 0.0010  loss: 2.1250",
    )
)


def _side(loss: str) -> str:
    return (
        _log(
            "2023/06/08 17:13:58",
            f"Epoch(train)   [1][100/101]  lr: 1.0000e-01  eta: 1:43:01  time: 0.1435  data_time: 0.0003  memory: 2928  loss: {loss}",
        )
        + _log(
            "2023/06/08 17:14:13",
            "Epoch(val) [1][36/36]  accuracy/top1: 4.8780  data_time: 0.0003  time: 0.0447",
        )
        + _log(
            "2023/06/08 17:14:29",
            "Epoch(train)   [2][100/101]  lr: 1.0000e-01  eta: 1:15:20  time: 0.1439  data_time: 0.0004  memory: 2928  loss: 3.0095",
        )
    )


_CONFLICT = (
    "<<<<<<< HEAD\n"
    + _environment("2023/06/08 17:13:23", "NVIDIA GeForce RTX 3070 Ti Laptop GPU", 1)
    + _side("3.3404")
    + "=======\n"
    + _environment("2023/06/08 17:13:23", "NVIDIA GeForce RTX 3070 Ti Laptop GPU", 1)
    + _side("3.3404")
    + ">>>>>>> origin/master\n"
)

_LAUNCHED = (
    _log(
        "02/09 07:49:32",
        "Iter(train) [ 10/100]  lr: 1.0000e-05  eta: 0:01:30  time: 1.0000  data_time: 0.0100  memory: 5000  loss: 1.5000",
        front="[default3]:",
    )
    + _log(
        "02/09 07:49:32",
        "Iter(train) [ 10/100]  lr: 1.0000e-05  eta: 0:01:30  time: 1.0000  data_time: 0.0100  memory: 5000  loss: 1.2500",
        front="[rank0]: ",
    )
    + "2025-02-09T07:49:42.120000001Z [rank3]:[W209 07:49:42 ProcessGroupNCCL.cpp:1538] Warning: a message of another program\n"
    + _log(
        "02/09 07:49:42",
        "Iter(train) [ 20/100]  lr: 1.0000e-05  eta: 0:01:20  time: 1.0000  data_time: 0.0100  memory: 5000  loss: 1.1250",
        front="2025-02-09T07:49:42.123456789Z ",
    )
    + _log(
        "02/09 07:49:52",
        "Iter(train) [ 30/100]  lr: 1.0000e-05  eta: 0:01:10  time: 1.0000  data_time: 0.0100  memory: 5000  loss: 1.0000",
        front=" 30%|███       | 30/100 [00:30<01:10,  1.00s/it]",
    )
    + _log(
        "02/09 07:50:02",
        "Iter(train) [ 40/100]  lr: 1.0000e-05  eta: 0:01:00  time: 1.0000  data_time: 0.0100  memory: 5000  loss: 0.8750",
        front="node-7: ",
    )
)

_DONE = (
    _log("2024/05/06 10:00:00", "Config:")
    + "dataset_type = 'CocoDataset'\nmax_epochs = 300\nmodel = dict(\n    backbone=dict(\n        type='ResNet'),\n"
    + "    bbox_head=dict(type='Head', loss=dict(type='Loss')),\n    type='mmdet.models.RTMDet')\n"
    + "train_cfg = dict(\n    dynamic_intervals=[(1, 1)],\n    max_epochs=2,\n    type='EpochBasedTrainLoop')\n\n"
    + _log(
        "2024/05/06 10:01:00",
        "Epoch(train) [2][20/20]  lr: 1.0000e-05  eta: 0:00:00  time: 0.5000  data_time: 0.0100  memory: 5000  loss: 0.5000",
    )
)
LOG_SAMPLES = (
    Sample(
        path="toy_moe/20250209_031500/20250209_031500.log",
        text=_XTUNER_FILE,
        matched=3,
        points={
            ("train", "loss", 8859): 0.0010,
            ("train", "loss", 8860): 0.0017,
            ("train", "learning_rate", 8859): 9.7914e-06,
            ("train", "eta", 8859): 18 * 86400 + 16 * 3600 + 13 * 60 + 38,
            ("train", "step_time", 8860): 16.1771,
            ("train", "data_time", 8860): 0.0441,
            ("train", "memory_allocated_peak", 9000): 54047 * _MIB,
            ("train", "tflops_per_device", 9000): 34.3002,
            ("train", "tokens_per_second_per_device", 8859): 1012.8326,
        },
        runs={
            "toy_moe/20250209_031500": {
                "kind": "training",
                "framework": "xtuner",
                "experiment": "toy_moe",
                "device": "NVIDIA H800",
                "vendor": "NVIDIA",
                "device_count": 128,
                "model": "toy-moe-16b",
                "precision": "bf16",
                "parallelism": "sp2",
                "resumed_from": None,
                "started_at": microseconds("2025-02-09 03:15:00"),
                "ended_at": microseconds("2025-02-09 07:50:04"),
                "environment": {
                    "PyTorch": "2.3.1+cu121",
                    "Distributed launcher": "pytorch",
                    "MMEngine": "0.10.7",
                },
                "config": {"accumulative_counts": 16, "exp_name": "toy_moe_20250209_031500"},
            }
        },
        events=("checkpoint", "warning", "error", "error", "oom"),
    ),
    Sample(
        path="toy_llm/20241231_235000/console.txt",
        text=_NEW_YEAR,
        matched=3,
        points={
            ("train", "loss", 990): 1.25,
            ("val", "perplexity", 990): 8.5,
            ("val", "step_time", 990): 0.25,
            ("train", "loss", 1000): 1.24,
            ("train", "eta", 1000): 86400 + 2 * 3600 + 3 * 60,
        },
        runs={
            "toy_llm/20241231_235000": {
                "device": "NVIDIA A100-SXM4-80GB",
                "device_count": 16,
                "framework": "xtuner",
                "started_at": microseconds("2024-12-31 23:50:00"),
                "ended_at": microseconds("2025-01-01 00:00:02"),
            }
        },
        events=("checkpoint",),
    ),
    Sample(
        path="toy_llm/20241231_234950/launched.log",
        text=_NEW_YEAR,
        matched=3,
        points={("train", "loss", 990): 1.25, ("train", "loss", 1000): 1.24},
        runs={
            "toy_llm/20241231_234950": {
                "experiment": "toy_llm",
                "fingerprint": "mmengine:990:0.9500:0.0100:1.2500",
                "started_at": microseconds("2024-12-31 23:59:20"),
            }
        },
        events=(),
    ),
    Sample(
        path="toy_det/20240506_095900/20240506_095900.log",
        text=_EPOCHS,
        matched=5,
        points={
            ("train", "learning_rate", 50): 1e-05,
            ("train", "base_learning_rate", 50): 1e-04,
            ("train", "grad_norm", 100): 11.0,
            ("train", "loss_cls", 100): 1.75,
            ("train", "num_pos", 100): 1200.0,
            ("val", "coco/bbox_mAP", 100): 0.312,
            ("val", "coco/AP .5", 100): 0.5,
            ("val", "coco/AP (M)", 100): -1.0,
            ("val", "accuracy/top1", 100): 68.9895,
            ("val", "step_time", 100): 0.021,
            ("train", "grad_norm", 1130): _NAN,
            ("train", "loss", 1130): _INF,
            ("train", "eta", 1130): 8.0,
        },
        runs={"toy_det/20240506_095900": {"framework": "mmengine", "model": None, "device": None}},
        events=("load", "checkpoint", "checkpoint"),
        unknown=(
            "accuracy/top1",
            "coco/AP (M)",
            "coco/AP .5",
            "coco/bbox_mAP",
            "loss_cls",
            "num_pos",
        ),
    ),
    Sample(
        path="evaluations/20230405_085900/20230405_085900.log",
        text=_EVALUATIONS,
        matched=3,
        points={
            ("val", "memory_allocated_peak", None): 1024 * _MIB,
            ("val", "acc", None): 0.9123,
            ("val", "data_time", None): 0.01,
            ("val", "step_time", None): 0.021,
            ("test", "acc", None): 0.9,
            ("test", "data_time", None): 0.015,
            ("test", "step_time", None): 0.031,
        },
        runs={"evaluations/20230405_085900": {"experiment": "evaluations", "kind": "evaluation"}},
        events=("load",),
        unknown=("acc",),
    ),
    Sample(
        path="gan/run.log",
        text=_ON_CPU,
        matched=3,
        points={
            ("train", "generator.lr", 1): 1e-4,
            ("train", "discriminator.lr", 2): 4e-4,
            ("train", "loss_gen", 1): -0.25,
            ("train", "loss_gen", 2): _NAN,
            ("train", "loss_gen", 10): -_INF,
            ("train", "loss", 10): 1234567.0,
        },
        runs={"gan/run": {"experiment": "gan/run", "fingerprint": "mmengine:1:1.0000:0.0010:1.0000"}},
        suspects=1,
        unknown=(
            "discriminator.lr",
            "generator.lr",
            "loss_gen",
        ),
    ),
    Sample(
        path="logs/train.log",
        text=_APPENDED,
        matched=8,
        points={
            ("train", "loss", 20): 1.75,
            ("train", "loss", 40): 1.25,
            ("val", "acc", None): 0.5,
            ("val", "acc", 40): 0.75,
        },
        runs={
            "logs/train": {"device_count": 8, "device": "MXC500", "vendor": None, "resumed_from": None},
            "logs/train#2": {
                "device_count": 16,
                "resumed_from": 20,
                "started_at": microseconds("2024-03-01 11:00:12"),
                "ended_at": microseconds("2024-03-01 11:01:31"),
            },
            "logs/train#3": {"started_at": microseconds("2024-03-01 12:00:00")},
        },
        events=("checkpoint", "error", "load", "resume"),
        unknown=("acc",),
    ),
    Sample(
        path="homework/20230608_171321/20230608_171321.log",
        text=_CONFLICT,
        matched=6,
        points={
            ("train", "loss", 100): 3.3404,
            ("train", "loss", 201): 3.0095,
            ("val", "accuracy/top1", 100): 4.878,
        },
        runs={"homework/20230608_171321": {"vendor": "NVIDIA"}},
        unknown=("accuracy/top1",),
    ),
    Sample(
        path="toy_llm/20250209_074900/stdout.log",
        text=_LAUNCHED,
        matched=5,
        points={
            ("train", "loss", 10): 1.25,
            ("train", "loss", 20): 1.125,
            ("train", "loss", 30): 1.0,
            ("train", "loss", 40): 0.875,
        },
        runs={"toy_llm/20250209_074900": {"ended_at": microseconds("2025-02-09 07:50:02")}},
    ),
    Sample(
        path="toy_det/20240506_100000/20240506_100000.log",
        text=_DONE,
        matched=1,
        points={("train", "loss", 40): 0.5},
        runs={
            "toy_det/20240506_100000": {
                "model": "RTMDet",
                "dataset": "CocoDataset",
                "status": "completed",
                "config": {"max_epochs": 2},
            },
        },
    ),
    Sample(
        path="toy_llm/20250301_100000/20250301_100000_alice@node-3_device1_rank9.log",
        text=_log(
            "2025/03/01 10:00:05",
            "Iter(train) [ 1/10]  lr: 1.0000e-05  eta: 0:00:09  time: 1.0000  data_time: 0.0100  memory: 5000  loss: 1.5000",
        ),
        matched=1,
        points={("train", "loss", 1): 1.5},
        runs={"toy_llm/20250301_100000": {"experiment": "toy_llm"}},
    ),
)

# --------------------------------------------------------------------------- JSON lines

_BY_EPOCH = """\
<<<<<<< HEAD
{"lr": 0.1, "data_time": 0.0002849, "loss": 3.3403576374053956, "time": 0.14349710941314697, "epoch": 1, "memory": 2928, "step": 100}
{"accuracy/top1": 4.878048896789551, "data_time": 0.0002999, "time": 0.04474303722381592, "step": 1}
=======
{"lr": 0.1, "data_time": 0.0002849, "loss": 3.3403576374053956, "time": 0.14349710941314697, "epoch": 1, "memory": 2928, "step": 100}
{"accuracy/top1": 4.878048896789551, "data_time": 0.0002999, "time": 0.04474303722381592, "step": 1}
>>>>>>> origin/master
{"lr": 0.1, "data_time": 0.0004204, "loss": NaN, "time": 0.14390814304351807, "epoch": 2, "iter": 201, "memory": 2928, "step": 201}
{"accuracy/top1": 8.5, "data_time": 0.0003066, "time": 0.0449, "step": 2}
{"coco/bbox_mAP_s": -1.0, "data_time": 0.0003066, "time": 0.0449, "step": 2}
"""

_BY_ITERATION = """\
{"lr": 2e-05, "data_time": 0.0044, "loss": 1.23, "time": 14.2, "tflops": 19.1, "tokens_per_sec": 107.58, "iter": 360, "memory": 49335, "step": 360}
{"my_tag": 7, "step": 361}
{"mIoU": 41.5, "aAcc": 80.25, "data_time": 0.01, "time": 0.2, "step": 400}
{"lr": 2e-05, "data_time": 0.0044, "loss": -Infinity, "time": 14.3, "tflops": 19.0, "tokens_per_sec": 107.5, "iter": 720, "memory": 49335, "step": 720}
{"mIoU": 42.5, "aAcc": 81.25, "data_time": 0.01, "time": 0.2, "step": 0}
{"lr": 2e-05, "data_time": 0.0044, "loss": 1.5, "time": 14.4, "iter": 360, "step": 360}
{"lr": 2e-05, "loss": 1.0
{"loss": 1.5}
"""

_HIERARCHY = """\
{"train/lr": 0.01, "train/data_time": 0.002, "train/loss": 0.75, "train/loss_cls": 0.5, "train/time": 0.25, "epoch": 3, "iter": 30, "memory": 1000, "step": 30}
{"train/grad_scale": 65536.0, "step": 30}
{"val/coco/AP .5": 0.625, "val/data_time": 0.002, "val/time": 0.125, "step": 3}
{"acc": 0.5, "step": 3}
{"train/lr": 0.01, "train/data_time": 0.002, "train/loss": 0.5, "train/loss_cls": 0.25, "train/time": 0.25, "epoch": 4, "iter": 40, "memory": 1000, "step": 40}
"""

SCALARS_SAMPLES = (
    Sample(
        path="homework/20230608_171321/vis_data/scalars.json",
        text=_BY_EPOCH,
        matched=7,
        points={
            ("train", "loss", 100): 3.3403576374053956,
            ("train", "loss", 201): _NAN,
            ("train", "memory_allocated_peak", 201): 2928 * _MIB,
            ("train", "step_time", 201): 0.14390814304351807,
            ("val", "accuracy/top1", 100): 4.878048896789551,
            ("val", "accuracy/top1", 201): 8.5,
            ("val", "coco/bbox_mAP_s", 201): -1.0,
            ("train", "data_time", 100): 0.0002849,
            ("train", "learning_rate", 100): 0.1,
        },
        runs={
            "homework/20230608_171321": {
                "experiment": "homework",
                "framework": "mmengine",
                "started_at": microseconds("2023-06-08 17:13:21"),
            }
        },
        unknown=(
            "accuracy/top1",
            "coco/bbox_mAP_s",
        ),
    ),
    Sample(
        path="toy_llm/20250209_031500/vis_data/20250209_031500.json",
        text=_BY_ITERATION,
        matched=7,
        points={
            ("train", "loss", 360): 1.23,
            ("train", "tokens_per_second_per_device", 360): 107.58,
            ("train", "my_tag", 361): 7.0,
            ("val", "mIoU", 360): 41.5,
            ("train", "loss", 720): -_INF,
            ("val", "aAcc", 720): 81.25,
            ("train", "tflops_per_device", 360): 19.1,
        },
        runs={
            "toy_llm/20250209_031500": {"framework": "xtuner", "experiment": "toy_llm"},
            "toy_llm/20250209_031500#2": {"framework": "mmengine"},
        },
        suspects=2,
        unknown=(
            "aAcc",
            "mIoU",
            "my_tag",
        ),
    ),
    Sample(
        path="training_logs/vis_data/scalars.json",
        text=_HIERARCHY,
        matched=5,
        points={
            ("train", "loss", 30): 0.75,
            ("train", "loss_cls", 40): 0.25,
            ("train", "grad_scale", 30): 65536.0,
            ("val", "coco/AP .5", 30): 0.625,
            ("val", "acc", 30): 0.5,
            ("val", "step_time", 30): 0.125,
        },
        runs={"training_logs": {"experiment": "training_logs"}},
        unknown=(
            "acc",
            "coco/AP .5",
            "grad_scale",
            "loss_cls",
        ),
    ),
)

# --------------------------------------------------------------------------- result of a test

TEST_SAMPLES = (
    Sample(
        path="toy_det/20240506_130000/20240506_130000.json",
        text='{"coco/bbox_mAP": 0.3125, "coco/bbox_mAP_s": -1.0, "coco/classwise": [0.5, 0.125], "data_time": 0.015, "time": 0.031}',
        matched=1,
        measurements={
            ("coco/bbox_mAP", "value"): 0.3125,
            ("coco/bbox_mAP_s", "value"): None,
            ("data_time", "value"): 0.015,
            ("step_time", "value"): 0.031,
        },
        runs={"toy_det/20240506_130000": {"experiment": "toy_det", "framework": "mmengine"}},
        unknown=(
            "coco/bbox_mAP",
            "coco/bbox_mAP_s",
        ),
    ),
    Sample(
        path="20240507_130000/20240507_130000.json",
        text='{"accuracy/top1": 76.5, "loss": NaN}',
        matched=1,
        measurements={("accuracy/top1", "value"): 76.5, ("loss", "value"): _NAN},
        runs={"logs/20240507_130000": {}},
        unknown=("accuracy/top1",),
    ),
)
