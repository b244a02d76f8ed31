"""Samples of LLaMA-Factory's logs; composed, no real log."""

# ruff: noqa: E501  (log lines are as long as the program writes them)

from __future__ import annotations

from llmstats.parsing import Sample

#: A training; the evaluation at its end counts batches; then another start goes on, and a prediction.
_LOG = """\
{"current_steps": 10, "total_steps": 30, "loss": 2.5, "reward": 0.25, "accuracy": 0.75, "lr": 1e-05, "epoch": 0.5, "percentage": 33.33, "elapsed_time": "0:01:02", "remaining_time": "1 day, 2:03:04", "throughput": 1024.5, "total_tokens": 63519, "vram_allocated": 12.5, "vram_reserved": 16.25}
{"current_steps": 20, "total_steps": 30, "eval_loss": 1.5, "epoch": 1.0, "percentage": 66.67, "elapsed_time": "0:02:00", "remaining_time": "0:01:00"}
{"current_steps": 30, "total_steps": 30, "loss": NaN, "lr": 0.0, "epoch": 1.5, "percentage": 100.0, "elapsed_time": "0:03:00", "remaining_time": "0:00:00"}
{"current_steps": 30, "total_steps": 30, "epoch": 1.5, "percentage": 100.0, "elapsed_time": "0:03:05", "remaining_time": "0:00:00"}
{"current_steps": 2, "total_steps": 2, "eval_loss": 1.25, "epoch": 1.5, "percentage": 100.0, "elapsed_time": "0:03:09", "remaining_time": "0:00:00"}
{"current_steps": 40, "total_steps": 60, "loss": 1.0, "lr": 0.0, "epoch": 2.0, "percentage": 66.67, "elapsed_time": "0:00:12", "remaining_time": "0:00:06"}
{"current_steps": 5, "total_steps": 8, "percentage": 62.5, "elapsed_time": "0:00:05", "remaining_time": "0:00:03"}
"""

#: Two nodes write one file, the second behind the first; then another start from the beginning.
_NODES = """\
{"current_steps": 10, "total_steps": 30, "loss": 2.5, "epoch": 1.0, "percentage": 33.33, "elapsed_time": "0:00:20", "remaining_time": "0:00:40"}
{"current_steps": 10, "total_steps": 30, "loss": 2.5625, "epoch": 1.0, "percentage": 33.33, "elapsed_time": "0:00:21", "remaining_time": "0:00:42"}
{"current_steps": 20, "total_steps": 30, "loss": 2.0, "epoch": 2.0, "percentage": 66.67, "elapsed_time": "0:00:40", "remaining_time": "0:00:20"}
{"current_steps": 30, "total_steps": 30, "loss": 1.5, "epoch": 3.0, "percentage": 100.0, "elapsed_time": "0:01:00", "remaining_time": "0:00:00"}
{"current_steps": 20, "total_steps": 30, "loss": 2.0625, "epoch": 2.0, "percentage": 66.67, "elapsed_time": "0:00:41", "remaining_time": "0:00:21"}
{"current_steps": 30, "total_steps": 30, "loss": 1.5625, "epoch": 3.0, "percentage": 100.0, "elapsed_time": "0:01:02", "remaining_time": "0:00:00"}
{"current_steps": 10, "total_steps": 30, "loss": 2.25, "epoch": 1.0, "percentage": 33.33, "elapsed_time": "0:00:20", "remaining_time": "0:00:40"}
"""

#: Before 2024: null for what is absent.
_OLD = """\
{"current_steps": 5, "total_steps": 360, "loss": 2.1981, "eval_loss": null, "predict_loss": null, "reward": null, "learning_rate": 2.9985e-05, "epoch": 0.28, "percentage": 1.39, "elapsed_time": "0:00:09", "remaining_time": "0:11:17"}
{"current_steps": 5, "total_steps": null}
{"current_steps": 12, "total_steps": 12, "loss": null, "eval_loss": null, "predict_loss": 0.5, "reward": null, "learning_rate": null, "epoch": 0.28, "percentage": 100.0, "elapsed_time": "0:00:09", "remaining_time": "0:00:00"}
"""

#: The engine called v1.
_V1 = """\
{"epoch": 0, "loss": 1.75, "grad_norm": 0.5, "learning_rate": 1e-05, "step": 1, "total_steps": 2}
{"epoch": 0, "loss": 1.5, "grad_norm": 0.25, "learning_rate": 0.0, "step": 2, "total_steps": 2}
"""

LOG_SAMPLES = (
    Sample(
        "saves/Toy-7B/lora/night/trainer_log.jsonl",
        _LOG,
        matched=7,
        points={
            ("train", "loss", 10): 2.5,
            ("train", "loss", 30): float("nan"),
            ("train", "loss", 40): 1.0,
            ("train", "learning_rate", 10): 1e-5,
            ("train", "epoch_progress", 10): 0.5,
            ("train", "reward", 10): 0.25,
            ("train", "accuracy", 10): 0.75,
            ("train", "elapsed_time", 10): 62.0,
            ("train", "elapsed_time", 30): 185.0,
            ("train", "eta", 10): 93784.0,
            ("train", "tokens_per_second", 10): 1024.5,
            ("train", "total_tokens", 10): 63519.0,
            ("train", "memory_allocated_peak", 10): 12.5 * 2**30,
            ("train", "memory_reserved_peak", 10): 16.25 * 2**30,
            ("val", "loss", 20): 1.5,
            ("val", "loss", 30): 1.25,
            ("test", "elapsed_time", 40): 5.0,
        },
        runs={
            "Toy-7B/lora/night": {"kind": "training", "status": None, "config": {"max_steps": 60}},
        },
        events=("resume",),
    ),
    Sample(
        "toy_nodes/trainer_log.jsonl",
        _NODES,
        matched=7,
        points={("train", "loss", 30): 1.5, ("train", "elapsed_time", 30): 60.0, ("train", "loss", 10): 2.25},
        runs={"toy_nodes": {"status": "completed"}, "toy_nodes#2": {"status": None}},
    ),
    Sample(
        "toy/trainer_log.jsonl",
        _OLD,
        matched=3,
        points={("train", "loss", 5): 2.1981, ("train", "learning_rate", 5): 2.9985e-5, ("test", "loss", 5): 0.5},
        runs={"toy": {"status": None}},
        suspects=1,
    ),
    Sample(
        "toy_v1/trainer_log.jsonl",
        _V1,
        matched=2,
        points={("train", "loss", 1): 1.75, ("train", "grad_norm", 2): 0.25, ("train", "epoch_progress", 1): 0.0},
        runs={"toy_v1": {"status": "completed", "framework": "LLaMA-Factory"}},
    ),
)

RUNNING_SAMPLES = (
    Sample(
        "saves/Toy-7B/lora/night/running_log.txt",
        """\
[INFO|2026-01-15 08:00:00] parser.py:355 >> Process rank: 0, device: cuda:0, n_gpu: 1, distributed training: False
[INFO|2026-01-15 08:00:08] configuration_utils.py:691 >> loading configuration file /hub/models--acme--Toy-7B/snapshots/0a1b2c/config.json
[INFO|2026-01-15 08:00:09] trainer.py:2134 >> ***** Running training *****
[INFO|2026-01-15 08:00:09] trainer.py:2137 >>   Instantaneous batch size per device = 2
[INFO|2026-01-15 08:00:09] trainer.py:2140 >>   Total train batch size (w. parallel, distributed & accumulation) = 16
[INFO|2026-01-15 08:00:09] trainer.py:2141 >>   Gradient Accumulation steps = 8
[INFO|2026-01-15 08:00:09] trainer.py:2142 >>   Total optimization steps = 30
[INFO|2026-01-15 08:01:11] callbacks.py:143 >> {'loss': 2.5000, 'learning_rate': 1.0000e-05, 'epoch': 0.50, 'throughput': 1024.50}
[INFO|2026-01-15 08:03:11] trainer.py:3503 >> Saving model checkpoint to saves/Toy-7B/lora/night/checkpoint-30
[INFO|2026-01-15 08:03:12] trainer.py:2681 >>

Training completed. Do not forget to share your model on huggingface.co/models =)
[INFO|2026-01-15 08:03:12] trainer.py:4021 >> ***** eval metrics *****
  eval_loss               =     1.5
  eval_runtime            = 0:00:02.50
""",
        matched=2,
        measurements={("loss", "value"): 1.5, ("evaluation_time", "value"): 2.5},
        runs={
            "Toy-7B/lora/night": {
                "root": "/data/logs/saves/Toy-7B/lora/night",
                "device_count": 1,
                "model": "Toy-7B",
                "status": "completed",
                "started_at": 1768464009000000,
                "ended_at": 1768464191000000,
            }
        },
        events=("checkpoint",),
    ),
    Sample(
        "night/running_log.txt",
        """\
08/14/2023 14:56:02 - INFO - llmtuner.tuner.core.parser - Process rank: 0, device: cuda:0, n_gpu: 1
Traceback (most recent call last):
torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB
""",
        matched=0,
        runs={"night": {"status": "failed", "framework": "LLaMA-Factory"}},
        events=("error", "oom"),
    ),
)
