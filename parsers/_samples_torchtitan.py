"""Composed samples of torchtitan's log."""

from __future__ import annotations

from math import nan

from llmstats.parsing import Sample

_T = "[rank0]:[titan] 2025-07-01 10:00:%02d,250 - root - INFO - "


def _say(*messages: str) -> str:
    return "".join(f"{_T % second}{message}\n" for second, message in enumerate(messages))


_NEW = _say(
    "torchtitan version: 0.2.0 (0.0.0 means __version__ is not defined correctly).",
    "Building device mesh with parallelism: pp=1, dp_replicate=1, dp_shard=4, cp=1, tp=2, ep=4",
    "Preparing c4 dataset from allenai/c4",
    "Building llama3 8B with {'dim': 4096}",
    "CUDA capacity: NVIDIA H100 80GB HBM3 with 79.11GiB memory",
    "Peak FLOPS used for computing MFU: 9.890e+14",
    "Trainer is initialized with local batch size 2, global batch size 8, gradient accumulation steps 1, "
    "sequence length 8192, total steps 20 (warmup 5)",
    "Training starts at step 1",
    "step:  1  loss: 12.25034  grad_norm:  4.0012  memory: 40.50GiB(51.19%)  tps: 987  tflops: 48.21  mfu: 4.88%",
    "step: 10  loss:  8.75012  grad_norm:  1.5001  memory: 44.25GiB(55.94%)  tps: 7,123  tflops: 1,412.34  mfu: N/A",
    "validate step: 10  loss:  8.5021  memory: 41.00GiB(51.83%)  tps: 19,876",
    "step: 20  loss:      nan  grad_norm:     inf  memory: 44.25GiB(55.94%)  tps: 7,099  tflops: 347.00  mfu: 35.09%",
    "Saving the checkpoint (or staging if async is enabled).",
    "Training completed",
)

_OLD = """\
[rank0]:2024-03-20 09:00:00,125 - root - INFO - Starting job: LLaMA debug training
[rank0]:2024-03-20 09:00:01,125 - root - INFO - Building 2-D device mesh with ['dp', 'tp'], [4, 2]
[rank0]:2024-03-20 09:00:02,125 - root - INFO - Building llama2 debugmodel
[rank0]:2024-03-20 09:00:05,125 - root - INFO - \x1b[36mstep:  1  \x1b[32mloss: 10.8212  \x1b[33mmemory:  9.25GiB(9.74%)  \x1b[34mwps: 1,024  \x1b[35mmfu: 2.50%\x1b[39m
[rank1]:2024-03-20 09:00:05,126 - root - INFO - \x1b[36mstep:  1  \x1b[32mloss: 10.8215  \x1b[33mmemory:  9.50GiB(10.00%)  \x1b[34mwps: 1,020  \x1b[35mmfu: 2.49%\x1b[39m
[rank0]:2024-03-20 09:00:06,125 - root - INFO - \x1b[36mstep:  2  \x1b[32mloss: 10.7012  \x1b[33mmemory:  9.25GiB(9.74%)  \x1b[34mwps: 8,192  \x1b[35mmfu: 20.00%\x1b[39m
[rank0]:Traceback (most recent call last):
[rank0]:  File "train.py", line 9, in <module>
[rank0]:torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.
E0320 09:00:09.000000 77 torch/distributed/elastic/multiprocessing/api.py:869] failed (exitcode: 1) local_rank: 0 (pid: 80)
[rank0]:2024-03-20 09:10:00,125 - root - INFO - Starting job: LLaMA debug training
[rank0]:2024-03-20 09:10:01,125 - root - INFO - Loading the checkpoint at step 2
[rank0]:2024-03-20 09:10:05,125 - root - INFO - step:  3  loss: 10.6012  memory:  9.25GiB(9.74%)  wps: 8,200  mfu: 20.01%
"""  # noqa: E501

_FORK = """\
[2025-09-11 14:09:46,954794][I][components/metrics:437:log] step:  1  loss: 10.8595  grad_norm:  3.2105  memory:  8.44GiB(13.20%)  tps: 149  tflops: 1.39  mfu: 0.47%
[2025-09-11 14:09:47,568581][I][components/metrics:437:log] step:  2  loss: 14.4458  grad_norm: 41.7880  memory:  8.44GiB(13.20%)  tps: 6,697  tflops: 62.15  mfu: 20.84%
"""  # noqa: E501

#: A stage of a pipeline that is not the last one.
_STAGE = _say(
    "step:  1  loss: -1.0000  memory: 36.90GiB(46.63%)  tps: 4  tflops: 0.90  mfu: 0.29%",
    "step:  2  loss: -1.0000  memory: 42.78GiB(54.06%)  tps: 8  tflops: 1.81  mfu: 0.58%",
    "step:  3  loss:  7.5000  memory: 42.78GiB(54.06%)  tps: 8  tflops: 1.81  mfu: 0.58%",
)

SAMPLES = (
    Sample(
        "h100-8/train.log",
        _NEW,
        matched=4,
        points={
            ("train", "loss", 1): 12.25034,
            ("train", "loss", 20): nan,
            ("train", "grad_norm", 10): 1.5001,
            ("train", "memory_reserved_peak", 1): 40.5 * 2**30,
            ("train", "memory_reserved_peak_share", 1): 0.5119,
            ("train", "tokens_per_second_per_device", 10): 7123.0,
            ("train", "tflops_per_device", 10): 1412.34,
            ("train", "mfu", 20): 0.3509,
            ("val", "loss", 10): 8.5021,
            ("val", "tokens_per_second_per_device", 10): 19876.0,
        },
        runs={
            "h100-8/train": {
                "kind": "training",
                "framework": "torchtitan",
                "device": "NVIDIA H100 80GB HBM3",
                "vendor": "NVIDIA",
                "device_count": 8,
                "parallelism": "dp_shard=4, tp=2, ep=4",
                "model": "llama3 8B",
                "dataset": "c4",
                "status": "completed",
                "resumed_from": None,
                "config": {"sequence length": 8192, "global batch size": 8, "peak_flops": "9.890e+14"},
            }
        },
        events=("checkpoint",),
    ),
    Sample(
        "early/out.log",
        _OLD,
        matched=4,
        points={
            ("train", "tokens_per_second_per_device", 2): 8192.0,
            ("train", "mfu", 1): 0.0249,
            ("train", "memory_reserved_peak", 1): 9.5 * 2**30,
            ("train", "loss", 3): 10.6012,
        },
        runs={
            "early/out": {"status": "failed", "device_count": 8, "parallelism": "dp=4, tp=2", "device": None},
            "early/out#2": {"status": None, "resumed_from": 2},
        },
        events=("error", "oom", "resume"),
    ),
    Sample(
        "ezpz/job.log",
        _FORK,
        matched=2,
        points={("train", "loss", 2): 14.4458, ("train", "tflops_per_device", 2): 62.15},
        runs={"ezpz/job": {"device": None, "status": None}},
    ),
    Sample(
        "torchrun_logs/none_ab12/attempt_0/3/stderr.log",
        "[titan] 2025-07-01 10:00:08,250 - root - INFO - step: 10  loss:  8.75012  grad_norm:  1.5001  "
        "memory: 44.25GiB(55.94%)  tps: 7,123  tflops: 412.34  mfu: 41.69%\n",
        matched=1,
        points={("train", "mfu", 10): 0.4169},
        runs={"none_ab12/attempt_0": {"kind": "training"}},
    ),
    Sample(
        "pp2/stage.log",
        _STAGE,
        matched=3,
        points={("train", "tokens_per_second_per_device", 2): 8.0, ("train", "loss", 3): 7.5},
    ),
)
