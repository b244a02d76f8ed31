"""Samples of ms-swift's files; composed, no real log."""

# ruff: noqa: E501  (log lines are as long as the program writes them)

from __future__ import annotations

from llmstats.parsing import Sample

_LOG = """\
{"loss": 1.60696292, "token_acc": 0.625, "grad_norm": 1.5, "learning_rate": 0.0001, "memory(GiB)": 2.5, "train_speed(iter/s)": 0.250477, "epoch": 0.01, "global_step/max_steps": "1/94", "percentage": "1.06%", "elapsed_time": "1h 2m 3s", "remaining_time": "9h 30m 16s"}
{"loss": 1.5, "token_acc": 0.75, "grad_norm": 1.25, "learning_rate": 0.0001, "memory(GiB)": 2.5, "train_speed(s/it)": 3.25, "epoch": 0.1, "global_step/max_steps": "10/94", "percentage": "10.64%", "elapsed_time": "1d 2h 3m 4s", "remaining_time": "40s"}
{"eval_loss": 1.25, "eval_token_acc": 0.875, "eval_runtime": 2.5, "eval_samples_per_second": 4.0, "eval_steps_per_second": 2.0, "epoch": 0.1, "global_step/max_steps": "10/94", "elapsed_time": "1d 2h 3m 9s"}
{"loss": 1.0, "epoch": 0.2}
{"train_runtime": 600.5, "train_samples_per_second": 1.5, "train_steps_per_second": 0.157, "total_flos": 123456789012.0, "train_loss": 1.375, "epoch": 1.0, "global_step/max_steps": "94/94", "elapsed_time": "10m 1s", "remaining_time": "0s", "memory(GiB)": 3.5, "train_speed(s/it)": 6.375}
{"model_parameter_info": "PeftModel: 7000M Params", "last_model_checkpoint": "/out/v0/checkpoint-94", "best_metric": 1.25, "global_step": 94, "log_history": [{"loss": 1.5, "step": 10}], "memory": 3.5}
"""

#: Megatron-SWIFT: iterations, and Megatron's own figures.
_MEGATRON = """\
{"lm loss": 2.5, "loss_scale": 1.0, "params_norm": 100.5, "grad_norm": 1.5, "learning_rate": 1e-05, "elapsed_time_per_iteration": 4.5, "memory(GiB)": 40.5, "throughput": 412.5, "consumed_samples": 160, "iteration": "10/100"}
{"loss": 2.0, "grad_norm": 1.25, "learning_rate": 1e-05, "iteration": "20/100", "elapsed_time": "1m 30s", "remaining_time": "6m 0s", "memory(GiB)": 40.5, "train_speed(s/it)": 4.5}
"""

LOG_SAMPLES = (
    Sample(
        "toy/output/v0-20250422-101811/logging.jsonl",
        _LOG,
        matched=6,
        points={
            ("train", "loss", 1): 1.60696292,
            ("train", "loss", None): 1.0,
            ("train", "token_accuracy", 1): 0.625,
            ("train", "grad_norm", 10): 1.25,
            ("train", "learning_rate", 1): 0.0001,
            ("train", "memory_reserved_peak", 1): 2.5 * 2**30,
            ("train", "steps_per_second", 1): 0.250477,
            ("train", "step_time", 10): 3.25,
            ("train", "epoch_progress", 1): 0.01,
            ("train", "elapsed_time", 1): 3723.0,
            ("train", "elapsed_time", 10): 93784.0,
            ("train", "eta", 10): 40.0,
            ("val", "loss", 10): 1.25,
            ("val", "token_accuracy", 10): 0.875,
            ("val", "evaluation_time", 10): 2.5,
            ("val", "samples_per_second", 10): 4.0,
            ("val", "steps_per_second", 10): 2.0,
        },
        measurements={
            ("train_time", "value"): 600.5,
            ("samples_per_second", "value"): 1.5,
            ("steps_per_second", "value"): 0.157,
            ("training_flop", "value"): 123456789012.0,
            ("loss", "mean"): 1.375,
            ("epoch_progress", "value"): 1.0,
            ("elapsed_time", "value"): 601.0,
            ("memory_reserved_peak", "value"): 3.5 * 2**30,
            ("step_time", "value"): 6.375,
        },
        runs={
            "toy/output/v0-20250422-101811": {
                "framework": "ms-swift",
                "status": "completed",
                "config": {"max_steps": 94, "best_metric": 1.25, "model_parameter_info": "PeftModel: 7000M Params"},
            }
        },
        suspects=1,
    ),
    Sample(
        "megatron_toy/logging.jsonl",
        _MEGATRON,
        matched=2,
        points={
            ("train", "loss", 10): 2.5,
            ("train", "loss", 20): 2.0,
            ("train", "loss_scale", 10): 1.0,
            ("train", "params_norm", 10): 100.5,
            ("train", "step_time", 10): 4.5,
            ("train", "tflops_per_device", 10): 412.5,
            ("train", "samples", 10): 160.0,
        },
        runs={"megatron_toy": {"status": None, "config": {"max_steps": 100}}},
    ),
)

ARGS_SAMPLES = (
    Sample(
        "toy/output/v0-20250422-101811/args.json",
        """\
{
  "output_dir": "/out/v0-20250422-101811",
  "learning_rate": 0.0001,
  "hub_token": "secret",
  "model": "acme/Toy-7B",
  "model_type": "toy",
  "torch_dtype": "bfloat16",
  "template": "toy",
  "dataset": ["/data/语料/train.jsonl", "acme/chat#500"],
  "sequence_parallel_size": 2,
  "swift_version": "3.8.0"
}
""",
        matched=0,
        runs={
            "toy/output/v0-20250422-101811": {
                "framework": "ms-swift",
                "model": "Toy-7B",
                "dataset": "train.jsonl, chat#500",
                "precision": "bf16",
                "parallelism": "sp2",
                "config": {"learning_rate": 0.0001, "hub_token": None, "swift_version": "3.8.0"},
            }
        },
    ),
    Sample(
        "old/sft_args.json",
        '{"model_type": "toy-7b-chat", "template_type": "toy", "dtype": "fp16", "sft_type": "lora", "dataset": []}\n',
        matched=0,
        runs={"old": {"model": "toy-7b-chat", "dataset": None, "config": {"sft_type": "lora"}}},
    ),
)
