"""Composed examples of FlagPerf's training logs, with what must come out of them."""

# ruff: noqa: E501  (log lines are as long as the program writes them)

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample

_GIB = 2.0**30
_RUN = "run20250301090100/glm:pytorch_1.8:X1:1:8:1/round1"
_DIR = f"result/{_RUN}/10.0.0.5_noderank0"


def _perf(event: str, second: float, value: Any = None, other: str | None = None, rank: int = 0) -> str:
    body: dict[str, Any] = {"event": event}
    body |= {"value": value} if value is not None else {}
    body |= {"other": other} if other else {}
    body["metadata"] = {"file": "/FlagPerf/training/benchmarks/glm/pytorch/run_pretraining.py", "lineno": 91,
                        "time_ms": 1740820200000 + int(second * 1000), "rank": rank}  # fmt: skip
    return f"[PerfLog] {json.dumps(body)}\n"


def _step(step: int, loss: float, second: float, **more: float) -> str:
    value = {"global_steps": step, "loss": loss, "epoch": 1, "num_trained_samples": step * 256, "end_training": False,
             "learning_rate": 1.75e-05, **more}  # fmt: skip
    return _perf("STEP_END", second, value)


_PERFLOG = (
    _perf("SUBMIT_INFO", 0)
    + _perf("LAUNCH_TRAINING", 0, other="Launch training")
    + _perf("INIT_START", 0.5)
    + "some library says hello\n"
    + _perf("TRAIN_START", 2)
    + _perf("EPOCH_BEGIN", 2)
    + _step(1, 2.6795, 3)
    + _step(100, 2.25, 9, **{"seq/s": 822.455385237589, "loss_scale": 65536.0, "acc5": 0.75})
    + _perf("EVALUATE", 12, {"global_steps": 100, "eval_loss": 2.5, "eval_accuracy": 0.8125, "eval_mAP": 0.375,
                             "eval_mlm_accuracy": 0.72, "ppl": 12.5, "time": 2.25})
    + _step(200, float("nan"), 15)
    + _perf("TRAIN_END", 16)
    + _perf("FINISHED", 17, {
        "e2e_time": 1661.6, "global_steps": 200, "num_trained_samples": 51200, "train_time": 1501.7,
        "train_no_eval_time": 1400.5, "pure_training_computing_time": 1300.25, "init_time": 148.9,
        "training_sequences_per_second": 579.25, "throughput(ips)_raw": 34.5, "throughput(ips)_no_eval": 36.5,
        "throughput(sps)_pure_compute": 39.5, "converged": True, "final_loss": 3.0667, "final_accuracy": 0.9201,
        "final_acc5": 0.97, "final_mlm_accuracy": 0.71, "final_ppl": 11.5, "final_mAP": 0.37, "final_auc": 0.8,
        "final_nuv": 0.9, "final_MRR": 0.33,
    })
)  # fmt: skip

_TOKENS = _perf("FINISHED", 9, {"e2e_time": 100.0, "throughput(ips)_raw": 41000.5, "throughput(ips)_no_eval": 42000.5,
                                "throughput(ips)_pure_compute": 43000.5, "training_tokens_per_second": 41001.5,
                                "converged": False})  # fmt: skip

_LORA = (
    "root@h:/FlagPerf# python3 start_pytorch_task.py  --vendor nvidia --case_name llama2_7b_finetune:pytorch_1.8:X1:1:1:1 --nnodes 1\n"
    "Training Epoch: 1/3, step 3109/3110 completed (loss: 2.0928): 100%|##########| 3110/3110 [1:25:51<00:00,  1.66s/it]\n"
    "2025-03-01 12:06:13.389 | INFO     | __main__:train:101 - Max CUDA memory allocated was 36 GB\n"
    "2025-03-01 12:06:13.389 | INFO     | __main__:train:102 - Max CUDA memory reserved was 37 GB\n"
    "2025-03-01 12:06:13.389 | INFO     | __main__:train:103 - Peak active CUDA memory was 35 GB\n"
    "2025-03-01 12:06:13.389 | INFO     | __main__:train:105 - CPU Total Peak Memory consumed during the train (max): 3 GB\n"
    "2025-03-01 12:06:13.389 | INFO     | __main__:train:126 - Epoch 1: train_perplexity=5.7017, train_epoch_loss=1.7408, epoch time 5151.66s\n"
    "2025-03-01 17:43:42.452 | INFO     | evaluate.evaluator:evaluate_MMLU:37 - MMLU5-shots Acc: 0.4426719840478564\n"
    "System tokens per second:  8192\n"
    "avg_iter_time(s): 1.6564604701755803\n"
    "Tokens/p/s:  4945.4847534826295\n"
    "MFU:  0.444\n"
    "Key: avg_train_prep, Value: 5.4374237060546875\n"
    "Key: avg_train_loss, Value: 1.692576289176941\n"
    "Key: avg_epoch_time, Value: 5152.036598856251\n"
    "Key: avg_checkpoint_time, Value: 0\n"
)
_NODES = (
    "[2025-03-01 09:10:05,123] [INFO] [timer.py:199:stop] epoch=0/micro_step=10/global_step=10, "
    "RunningAvgSamplesPerSec=12.5, CurrSamplesPerSec=12.25, MemAllocated=20.5GB, MaxMemAllocated=30.25GB\n"
    "System tokens per second:  40000.5\n"
    "Tokens/p/s:  10000.125\n"
    "Theory TFLOPS:  312\n"
    "Tokens/TFLOPS:  32.0516\n"
    "MFU:  1.3461\n"
)
_MEGATRON = (
    "using world size: 8, data-parallel size: 4, tensor-model-parallel size: 2\n"
    "------------------------ arguments ------------------------\n"
    "  bf16 ............................................ True\n"
    "  task ............................................ None\n"
    "  train_iters ..................................... 3\n"
    "-------------------- end of arguments ---------------------\n"
    "[before the start of training step] datetime: 2025-03-01 09:10:00 \n"
    " [2025-03-01 09:10:05] iteration        1/       3 | consumed samples:          512 | elapsed time per iteration (ms): 20500.5 | throughput per GPU (TFLOP/s/GPU): 150.5 | learning rate: 1.5E-05 | global batch size:   512 | lm loss: 1.21E+01 | loss scale: 1.0 | grad norm: 16.5 | number of skipped iterations:   0 | number of nan iterations:   0 |\n"
    "[Rank 0] (after 1 iterations) memory (MB) | allocated: 16384.0 | max allocated: 32768.0 | reserved: 40960.0 | max reserved: 40960.0\n"
    " [2025-03-01 09:10:25] iteration        2/       3 | consumed samples:         1024 | elapsed time per iteration (ms): 19500.5 | throughput per GPU (TFLOP/s/GPU): 158.5 | learning rate: 3.0E-05 | global batch size:   512 | loss scale: 1.0 | grad norm: nan | number of skipped iterations:   0 | number of nan iterations:   1 |\n"
    "validation loss at iteration 2 | lm loss value: 1.15E+01 | lm loss PPL: 9.87E+04 | \n"
    "System tokens per second:  107539.5\nTokens/p/s:  13442.4375\nMFU:  0.2585\n"
)
_TITAN = (
    "[rank0]:[titan] 2025-03-01 09:10:01,123 - root - INFO - Building device mesh with parallelism: dp_shard=8\n"
    "[rank0]:[titan] 2025-03-01 09:10:05,123 - root - INFO - step:  1  loss: 12.25  grad_norm:  4.5  memory: 40.50GiB(51.25%)  tps: 1,987  tflops: 48.25  mfu: 4.88%\n"
    "Tokens/p/s:  1987.5\n"
)
_PROGRESS = (
    "[2025-03-01 09:10:05,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=1, lr=[1.5e-05, 1.5e-05], mom=[(0.9, 0.95), (0.9, 0.95)]\n"
    "[2025-03-01 09:10:05,125] [INFO] [timer.py:199:stop] epoch=0/micro_step=10/global_step=10, RunningAvgSamplesPerSec=12.5, CurrSamplesPerSec=12.25, MemAllocated=20.5GB, MaxMemAllocated=30.25GB\n"
)
_NOTHING = "System tokens per second:  -524288.0\nTokens/p/s:  -65536.0\nMFU:  -8.8\n"
_LLAVA = (
    "pretrain time is 3600.5\n"
    "Pretrain stage\n"
    "System tokens per second:  80000.5\nTokens/p/s:  10000.5\nTheory TFLOPS:  312\nTokens/TFLOPS:  32.05\nMFU:  0.4487\n"
    "Finetune stage\n"
    "System tokens per second:  40000.5\nTokens/p/s:  5000.5\nTheory TFLOPS:  312\nTokens/TFLOPS:  16.03\nMFU:  0.6731\n"
    "two-stage average\nMFU:  0.61\nActual computing power:  190.32\n"
)
_CONTAINER = (
    "2025-03-01 09:10:02.000 | INFO     | __main__:<module>:120 - cd /FlagPerf/training/benchmarks/aquila2_7B_container\n"
    "2025-03-01 10:10:02.000 | INFO     | __main__:<module>:137 - Throughput(token per chip per second): 3010.25\n"
    "2025-03-01 10:10:02.000 | INFO     | __main__:<module>:138 - MFU: 0.4052\n"
    "2025-03-01 10:10:02.000 | INFO     | __main__:<module>:139 - Throughput(token per TFLOPS): 9.648\n"
)
_FLAGSCALE = (
    "Namespace(world_size=8, vendor='nvidia')\n"
    "<module 'config_X1x1x8' from '/FlagPerf/training/nvidia/llama3_70B-flagscale/config/config_X1x1x8.py'>\n"
    "[20.5, 12.25, 12.5]\n"
    "12.375 847.35\n"
    "MFU: 0.3602\n"
)
_FAILED = (
    "cd /FlagPerf/training/benchmarks/bert/pytorch\n"
    "Traceback (most recent call last):\n"
    "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB\n"
    "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:\n"
)


def _case(case: str) -> str:
    return f"run20250301090100/{case}/round1"


def _path(case: str, name: str) -> str:
    return f"result/{_case(case)}/10.0.0.5_noderank0/{name}"


_TWO_NODES = "llama2_7b:deepspeed:X1:2:8:1"
SAMPLES = (
    Sample(
        f"{_DIR}/rank0.out.log",
        _PERFLOG,
        matched=4,
        points={
            ("train", "loss", 1): 2.6795,
            ("train", "loss", 200): float("nan"),
            ("train", "learning_rate", 1): 1.75e-05,
            ("train", "samples", 100): 25600,
            ("train", "samples_per_second", 100): 822.455385237589,
            ("train", "loss_scale", 100): 65536,
            ("train", "accuracy", 100): 0.75,
            ("val", "loss", 100): 2.5,
            ("val", "accuracy", 100): 0.8125,
            ("val", "mean_average_precision", 100): 0.375,
            ("val", "perplexity", 100): 12.5,
            ("val", "evaluation_time", 100): 2.25,
        },
        measurements={
            ("run_time", "value"): 1661.6,
            ("training_steps", "value"): 200,
            ("samples", "value"): 51200,
            ("train_time", "value"): 1400.5,
            ("core_time", "value"): 1300.25,
            ("init_time", "value"): 148.9,
            ("samples_per_second", "value"): 39.5,
            ("loss", "value"): 3.0667,
            ("accuracy", "value"): 0.9201,
            ("perplexity", "value"): 11.5,
            ("mean_average_precision", "value"): 0.37,
            ("roc_auc", "value"): 0.8,
            ("novel_unique_valid", "value"): 0.9,
            ("final_MRR", "value"): 0.33,
        },
        runs={
            _RUN: {"kind": "training", "status": "completed", "model": "glm", "framework": "pytorch", "device": "X1",
                   "device_count": 8, "node_count": 1, "config": {"converged": True}, "started_at": 1740820200000000,
                   "ended_at": 1740820217000000},
        },
        events=("phase",) * 7,
        unknown=("final_MRR",),
    ),
    Sample(
        _path("llama1_7B:paddle_2.5:X1:1:8:1", "rank0.out.log"),
        _TOKENS,
        matched=0,
        measurements={("tokens_per_second", "value"): 43000.5, ("run_time", "value"): 100.0},
        runs={_case("llama1_7B:paddle_2.5:X1:1:8:1"): {"status": "completed", "config": {"converged": False}}},
        events=("phase",),
    ),
    Sample(
        "benchmarks/llama2_7b_finetune/pytorch/log.txt",
        _LORA,
        matched=6,
        points={
            ("train", "loss", 3110): 2.0928,
            ("train", "loss", None): 1.7408,
            ("train", "perplexity", None): 5.7017,
            ("train", "epoch_time", None): 5151.66,
            ("train", "memory_allocated_peak", None): 36 * _GIB,
            ("train", "memory_reserved_peak", None): 37 * _GIB,
            ("train", "host_memory_peak", None): 3 * _GIB,
            ("train", "Peak active CUDA memory", None): 35,
        },
        measurements={
            ("MMLU", "accuracy", "value"): 0.4426719840478564,
            ("tokens", "value"): 8192,
            ("step_time", "mean"): 1.6564604701755803,
            ("tokens_per_second_per_device", "value"): 4945.4847534826295,
            ("mfu", "value"): 0.444,
            ("perplexity", "mean"): 5.4374237060546875,
            ("loss", "mean"): 1.692576289176941,
            ("epoch_time", "mean"): 5152.036598856251,
            ("checkpoint_time", "mean"): 0,
        },
        runs={
            "llama2_7b_finetune/pytorch/log": {"status": "completed", "model": "llama2_7b_finetune", "vendor": "NVIDIA",
                                               "device": "X1", "device_count": 1},
        },
        unknown=("Peak active CUDA memory",),
    ),
    Sample(
        _path(_TWO_NODES, "rank0.log.txt"),
        _NODES,
        matched=1,
        points={
            ("train", "samples_per_second", 10): 12.25,
            ("train", "memory_allocated", 10): 20.5 * _GIB,
            ("train", "memory_allocated_peak", 10): 30.25 * _GIB,
        },
        measurements={
            ("tokens_per_second", "value"): 40000.5,
            ("tokens_per_second_per_device", "value"): 10000.125,
            ("tokens_per_second_per_peak_tflops", "value"): 32.0516,
            ("mfu", "value"): 1.3461,
        },
        runs={_case(_TWO_NODES): {"node_count": 2, "device_count": 16, "config": {"peak_tflops": 312}}},
    ),
    Sample(
        _path("llama3_8B:megatron_core060:X1:1:8:1", "rank0.log.txt"),
        _MEGATRON,
        matched=4,
        points={
            ("train", "loss", 1): 12.1,
            ("train", "loss", 2): float("nan"),
            ("train", "step_time", 2): 19.5005,
            ("train", "tflops_per_device", 1): 150.5,
            ("train", "learning_rate", 2): 3e-05,
            ("train", "samples", 2): 1024,
            ("train", "global_batch_size", 1): 512,
            ("train", "loss_scale", 1): 1.0,
            ("train", "grad_norm", 1): 16.5,
            ("train", "skipped_iterations", 1): 0,
            ("train", "nan_iterations", 2): 1,
            ("train", "memory_allocated", 1): 16384 * 2.0**20,
            ("train", "memory_allocated_peak", 1): 32768 * 2.0**20,
            ("train", "memory_reserved", 1): 40960 * 2.0**20,
            ("train", "memory_reserved_peak", 1): 40960 * 2.0**20,
            ("val", "loss", 2): 11.5,
            ("val", "perplexity", 2): 98700.0,
        },
        measurements={
            ("tokens_per_second", "value"): 107539.5,
            ("tokens_per_second_per_device", "value"): 13442.4375,
            ("mfu", "value"): 0.2585,
        },
        runs={_case("llama3_8B:megatron_core060:X1:1:8:1"): {
            "status": "completed", "framework": "megatron", "model": "llama3_8B", "device": "X1", "device_count": 8,
            "precision": "bf16", "parallelism": "tp2-dp4", "kind": "training", "started_at": 1740820200000000,
            "config": {"train_iters": 3, "world_size": 8}}},
    ),
    Sample(
        _path("llama3_8B:megatron_core060:X1:1:8:1", "megatron.log.txt"),
        "".join(_MEGATRON.splitlines(keepends=True)[7:8]),
        matched=1,
        points={("train", "step_time", 1): 20.5005},
        runs={_case("llama3_8B:megatron_core060:X1:1:8:1"): {"status": None, "framework": "megatron"}},
    ),
    Sample(
        "a/10.0.0.5_noderank0/outputs_llama3/logs/host_0_10.0.0.5.output",
        "".join(_MEGATRON.splitlines(keepends=True)[7:8]),
        matched=1,
        points={("train", "step_time", 1): 20.5005},
        runs={"a/10.0.0.5_noderank0": {"framework": "megatron-lm", "environment": {"host": "10.0.0.5"}}},
    ),
    Sample(
        "toy/night/rank0.log.txt",
        _TITAN,
        matched=1,
        points={
            ("train", "loss", 1): 12.25,
            ("train", "grad_norm", 1): 4.5,
            ("train", "memory_reserved_peak", 1): 40.5 * _GIB,
            ("train", "memory_reserved_peak_share", 1): 0.5125,
            ("train", "tokens_per_second_per_device", 1): 1987,
            ("train", "tflops_per_device", 1): 48.25,
            ("train", "mfu", 1): 0.0488,
        },
        measurements={("tokens_per_second_per_device", "value"): 1987.5},
        runs={"toy/night": {"framework": "torchtitan", "device_count": 8, "parallelism": "dp_shard=8",
                        "status": "completed"}},
    ),
    Sample(
        _path("baichuan2_13b:deepspeed:X1:1:8:1", "rank0.log.txt"),
        _PROGRESS,
        matched=2,
        points={
            ("train", "learning_rate", 10): 1.5e-05,
            ("train", "skipped_steps", 10): 1,
            ("train", "samples_per_second", 10): 12.25,
        },
    ),
    Sample(
        _path("aquila2_7b:flagscale_1:X1:1:8:1", "rank0.out.log"),
        _NOTHING,
        matched=0,
        measurements={("tokens_per_second", "value"): None, ("mfu", "value"): None},
        runs={_case("aquila2_7b:flagscale_1:X1:1:8:1"): {"status": "failed"}},
    ),
    Sample(
        _path("llava1.5_7b:deepspeed-torch:X1:1:8:1", "rank0.log.txt"),
        _LLAVA,
        matched=0,
        measurements={
            ("pretrain", "tokens_per_second", "value"): 80000.5,
            ("pretrain", "mfu", "value"): 0.4487,
            ("finetune", "tokens_per_second_per_device", "value"): 5000.5,
            ("finetune", "mfu", "value"): 0.6731,
            ("mfu", "value"): 0.61,
            ("tflops_per_device", "value"): 190.32,
        },
    ),
    Sample(
        "run20250301090100/flagperf.log.txt",
        _CONTAINER,
        matched=0,
        measurements={
            ("tokens_per_second_per_device", "value"): 3010.25,
            ("mfu", "value"): 0.4052,
            ("tokens_per_second_per_peak_tflops", "value"): 9.648,
        },
        runs={"run20250301090100/flagperf.log": {"status": "completed"}},
    ),
    Sample(
        _path("llama3_70B:flagscale_llama3:X1:1:8:1", "rank0.out.log"),
        _FLAGSCALE,
        matched=0,
        measurements={
            ("step_time", "mean"): 12.375,
            ("tokens_per_second_per_device", "value"): 847.35,
            ("mfu", "value"): 0.3602,
        },
        runs={_case("llama3_70B:flagscale_llama3:X1:1:8:1"): {"status": "completed"}},
    ),
    Sample(
        _path("bert:pytorch_1.8:X1:1:8:1", "rank3.out.log"),
        _FAILED,
        matched=0,
        runs={_case("bert:pytorch_1.8:X1:1:8:1"): {"status": "failed"}},
        events=("error", "oom", "error"),
    ),
)  # fmt: skip
