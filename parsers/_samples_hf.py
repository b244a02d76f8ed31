"""Samples of the Hugging Face Trainer's formats; composed, no real log."""

# ruff: noqa: E501  (log lines are as long as the program writes them)

from __future__ import annotations

from llmstats.parsing import Sample

# --------------------------------------------------------------------------- trainer_state.json

#: transformers 4 with tokens counted on the way: the per-log speed is the system's, the final one a device's.
_STATE = """\
{
  "best_metric": 1.25,
  "best_model_checkpoint": "output/checkpoint-20",
  "epoch": 1.0,
  "eval_steps": 20,
  "global_step": 20,
  "is_hyper_param_search": false,
  "is_local_process_zero": true,
  "is_world_process_zero": true,
  "log_history": [
    {
      "epoch": 0.5,
      "grad_norm": 1.5,
      "learning_rate": 2e-05,
      "loss": 2.125,
      "mean_token_accuracy": 0.625,
      "num_input_tokens_seen": 81920,
      "step": 10,
      "train_runtime": 20.5,
      "train_tokens_per_second": 3996.0975
    },
    {
      "epoch": 1.0,
      "grad_norm": NaN,
      "learning_rate": 0.0,
      "loss": 1.5,
      "mean_token_accuracy": 0.75,
      "num_input_tokens_seen": 163840,
      "step": 20,
      "train_runtime": 41.0,
      "train_tokens_per_second": 3996.0976
    },
    {
      "epoch": 1.0,
      "eval_accuracy": 0.8125,
      "eval_loss": 1.25,
      "eval_runtime": 3.5,
      "eval_samples_per_second": 28.571,
      "eval_steps_per_second": 3.571,
      "step": 20
    },
    {
      "epoch": 1.0,
      "step": 20,
      "total_flos": 123456789012.0,
      "train_loss": 1.8125,
      "train_runtime": 46.5,
      "train_samples_per_second": 6.882,
      "train_steps_per_second": 0.43,
      "train_tokens_per_second": 440.5
    }
  ],
  "logging_steps": 10,
  "max_steps": 20,
  "num_input_tokens_seen": 163840,
  "num_train_epochs": 1,
  "save_steps": 20,
  "total_flos": 123456789012.0,
  "train_batch_size": 8,
  "trial_name": null,
  "trial_params": null
}
"""

#: A checkpoint on the way: a prefix of the run's history. transformers 3: no counters of its settings. Reinforcement
#: learning adds keys as it likes, and a script its own objects.
_PREFIX = """\
{
  "best_metric": null,
  "epoch": 0.05,
  "global_step": 5,
  "is_hyper_param_search": false,
  "is_local_process_zero": true,
  "log_history": [
    {"epoch": 0.05, "kl": 0.0125, "learning_rate": 1e-06, "loss": 0.0, "rewards/accuracies": 0.625, "step": 5,
     "step_time": 12.5, "completions/mean_length": 212.5, "note": "warm up"},
    {"epoch": 0.05, "eval_loss": 0.5, "eval_rewards/accuracies": 0.875, "eval_wiki_loss": 0.75, "step": 5},
    {"loss": 0.25},
    {"test_runtime": 4.5, "step": 5},
    "cut"
  ],
  "max_steps": 100,
  "num_train_epochs": 1,
  "total_flos": 0
}
"""

STATE_SAMPLES = (
    Sample(
        "toy-7b-sft/trainer_state.json",
        _STATE,
        matched=31,
        points={
            ("train", "loss", 10): 2.125,
            ("train", "loss", 20): 1.5,
            ("train", "learning_rate", 10): 2e-5,
            ("train", "grad_norm", 20): float("nan"),
            ("train", "epoch_progress", 10): 0.5,
            ("train", "token_accuracy", 20): 0.75,
            ("train", "total_tokens", 20): 163840.0,
            ("train", "elapsed_time", 10): 20.5,
            ("train", "tokens_per_second", 10): 3996.0975,
            ("train", "training_flop", 20): 123456789012.0,
            ("val", "loss", 20): 1.25,
            ("val", "accuracy", 20): 0.8125,
            ("val", "evaluation_time", 20): 3.5,
            ("val", "samples_per_second", 20): 28.571,
            ("val", "steps_per_second", 20): 3.571,
            ("val", "best_metric", 20): 1.25,
        },
        measurements={
            ("loss", "mean"): 1.8125,
            ("train_time", "value"): 46.5,
            ("samples_per_second", "value"): 6.882,
            ("steps_per_second", "value"): 0.43,
            ("tokens_per_second_per_device", "value"): 440.5,
            ("training_flop", "value"): 123456789012.0,
            ("epoch_progress", "value"): 1.0,
        },
        runs={
            "toy-7b-sft": {
                "kind": "training",
                "status": "completed",
                "root": "/data/logs/toy-7b-sft",
                "config": {"max_steps": 20, "logging_steps": 10, "train_batch_size": 8},
            }
        },
        unknown=("best_metric",),
    ),
    Sample(
        "toy-grpo/output/v0-20250422-101811/checkpoint-5/trainer_state.json",
        _PREFIX,
        matched=5,
        points={
            ("train", "loss", 5): 0.0,
            ("train", "loss", None): 0.25,
            ("train", "step_time", 5): 12.5,
            ("train", "accuracy", 5): 0.625,
            ("train", "kl", 5): 0.0125,
            ("train", "completions/mean_length", 5): 212.5,
            ("val", "accuracy", 5): 0.875,
            ("val", "eval_wiki_loss", 5): 0.75,
            ("test", "test_runtime", 5): 4.5,
        },
        runs={
            "toy-grpo/output/v0-20250422-101811": {
                "status": None,
                "fingerprint": None,
                "root": "/data/logs/toy-grpo/output/v0-20250422-101811",
            }
        },
        suspects=1,
        unknown=("kl", "completions/mean_length", "eval_wiki_loss", "test_runtime"),
    ),
)

# --------------------------------------------------------------------------- all_results.json

RESULTS_SAMPLES = (
    Sample(
        "saves/Toy-7B/lora/train_2026-01-15/all_results.json",
        """\
{
    "effective_tokens_per_sec": 2048.5,
    "epoch": 3.0,
    "eval_accuracy": 0.8125,
    "eval_loss": 1.25,
    "eval_mean_token_accuracy": 0.6875,
    "eval_rewards/accuracies": 0.5625,
    "eval_runtime": 3.5,
    "eval_samples": 100,
    "eval_samples_per_second": 28.571,
    "eval_steps_per_second": 3.571,
    "num_input_tokens_seen": 163840,
    "perplexity": 3.4903429574618414,
    "total_flos": 123456789012.0,
    "train_loss": 1.8125,
    "train_mem_gpu_peaked_delta": 1048576,
    "train_runtime": 46.5,
    "train_samples": 320,
    "train_samples_per_second": 6.882,
    "train_steps_per_second": 0.43
}
""",
        matched=17,
        measurements={
            ("tokens_per_second_per_device", "value"): 2048.5,
            ("epoch_progress", "value"): 3.0,
            ("accuracy", "value"): 0.8125,
            ("token_accuracy", "value"): 0.6875,
            ("loss", "value"): 1.25,
            ("loss", "mean"): 1.8125,
            ("evaluation_time", "value"): 3.5,
            ("samples_per_second", "value"): 28.571,
            ("steps_per_second", "value"): 0.43,
            ("total_tokens", "value"): 163840.0,
            ("perplexity", "value"): 3.4903429574618414,
            ("training_flop", "value"): 123456789012.0,
            ("train_mem_gpu_peaked_delta", "value"): 1048576.0,
            ("train_time", "value"): 46.5,
        },
        runs={
            "Toy-7B/lora/train_2026-01-15": {
                "kind": "training",
                "status": "completed",
                "config": {"train_samples": 320, "eval_samples": 100},
            }
        },
        unknown=("train_mem_gpu_peaked_delta",),
    ),
    Sample(
        "toy_predict/predict_results.json",
        '{"predict_bleu-4": 41.5, "predict_rouge-1": 52.5, "predict_rouge-2": 32.5, "predict_rouge-l": 45.5, "predict_loss": 0.5, "predict_runtime": 253.5, "predict_samples_per_second": 5.125}\n',
        matched=1,
        measurements={
            ("bleu", "value"): 41.5,
            ("rouge1", "value"): 52.5,
            ("rouge2", "value"): 32.5,
            ("rougeL", "value"): 45.5,
            ("loss", "value"): 0.5,
            ("evaluation_time", "value"): 253.5,
            ("samples_per_second", "value"): 5.125,
        },
        runs={"toy_predict": {"kind": None, "status": None}},
    ),
)

# --------------------------------------------------------------------------- stdout

_BAR = " {percent}%|██        | {n}/{total} [{clock}<01:00,  1.50s/it]"


def _bar(n: int, total: int, clock: str) -> str:
    return _BAR.format(percent=100 * n // total, n=n, total=total, clock=clock)


_BEGIN = """\
[INFO|trainer.py:1786] 2026-01-15 08:00:00,349 >> ***** Running training *****
[INFO|trainer.py:1787] 2026-01-15 08:00:00,349 >>   Num examples = 1,600
[INFO|trainer.py:1788] 2026-01-15 08:00:00,349 >>   Num Epochs = 2
[INFO|trainer.py:1789] 2026-01-15 08:00:00,349 >>   Instantaneous batch size per device = 4
[INFO|trainer.py:1790] 2026-01-15 08:00:00,349 >>   Total train batch size (w. parallel, distributed & accumulation) = 64
[INFO|trainer.py:1791] 2026-01-15 08:00:00,349 >>   Gradient Accumulation steps = 2
[INFO|trainer.py:1792] 2026-01-15 08:00:00,349 >>   Total optimization steps = 50
"""

#: transformers 4: numbers; the bar behind a record tells its step, that of the evaluation does not.
_STDOUT_V4 = f"""\
01/15/2026 07:59:58 - INFO - __main__ - Training/evaluation parameters Seq2SeqTrainingArguments(
_n_gpu=1,
bf16=True,
learning_rate=5e-05,
logging_steps=10,
output_dir=out/toy,
hub_token=<HUB_TOKEN>,
)
loading configuration: "_name_or_path": "acme/Toy-7B",
{_BEGIN}{{'loss': 2.5312, 'grad_norm': 1.125, 'learning_rate': 4.5e-05, 'epoch': 0.4}}
{_bar(10, 50, "00:15")}
{{'loss': 2.25, 'grad_norm': nan, 'learning_rate': 4e-05, 'epoch': 0.8}}
{_bar(20, 50, "00:30")}
{_bar(21, 50, "00:32")}
{{'eval_loss': 2.125, 'eval_accuracy': 0.5, 'eval_runtime': 1.5, 'eval_samples_per_second': 66.667, 'eval_steps_per_second': 8.333, 'epoch': 0.84}}
{_bar(4, 13, "00:01")}
{_bar(21, 50, "00:34")}
{_bar(21, 50, "00:34")}01/15/2026 08:00:34 - INFO - trainer - Saving model checkpoint to out/toy/checkpoint-21
{{'loss': 2.0, 'grad_norm': 1.0, 'learning_rate': 0.0, 'epoch': 2.0}}
{_bar(50, 50, "1:01:15")}
{{'train_runtime': 75.5, 'train_samples_per_second': 42.384, 'train_steps_per_second': 0.662, 'train_tokens_per_second(tgs)': 1228.25, 'train_loss': 2.2604, 'epoch': 2.0}}
***** train metrics *****
  epoch                    =        2.0
  total_flos               =        3GF
  train_loss               =     2.2604
  train_mem_gpu_alloc_delta =      12MB
  train_runtime            = 0:01:15.50
  train_samples            =       1600
***** eval metrics *****
  eval_loss               =     2.0625
  eval_runtime            = 0:00:01.25
  perplexity              =     7.8656
"""

#: transformers 5: texts of four significant digits; buffered, so that no bar stands between the records.
_STDOUT_V5 = """\
[rank0]: --logging_steps 5 --logging_first_step True
Continuing training from global step 10
{'loss': '1.531', 'grad_norm': '0.1408', 'learning_rate': '1e-05', 'num_tokens': '8333', 'mean_token_accuracy': '0.75', 'epoch': '0.3'}
{'loss': '1.25', 'grad_norm': '0.125', 'learning_rate': '5e-06', 'num_tokens': '1.25e+04', 'mean_token_accuracy': '0.875', 'epoch': '0.4'}
Traceback (most recent call last):
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB
{'loss': '1.75', 'learning_rate': '2e-05', 'epoch': '0.1'}
"""

#: ms-swift says the step itself.
_STDOUT_SWIFT = """\
[INFO:swift] The logging file will be saved in: /out/v0-20250422-101811/logging.jsonl
{'loss': 1.60696292, 'token_acc': 0.625, 'grad_norm': 1.5, 'learning_rate': 0.0001, 'memory(GiB)': 2.5, 'train_speed(iter/s)': 0.250477, 'epoch': 0.01, 'global_step/max_steps': '1/94', 'percentage': '1.06%', 'elapsed_time': '1h 2m 3s', 'remaining_time': '9h 30m 16s'}
{'eval_loss': 1.5, 'eval_token_acc': 0.75, 'eval_runtime': 2.5, 'epoch': 0.01, 'global_step/max_steps': '1/94', 'percentage': '1.06%', 'elapsed_time': '1h 2m 5s', 'remaining_time': '9h 31m 0s', 'memory(GiB)': 2.5, 'train_speed(s/it)': 3.5}
"""

STDOUT_SAMPLES = (
    Sample(
        "night/train.log",
        _STDOUT_V4,
        matched=13,
        points={
            ("train", "loss", 10): 2.5312,
            ("train", "grad_norm", 20): float("nan"),
            ("train", "learning_rate", 20): 4e-5,
            ("train", "epoch_progress", 50): 2.0,
            ("train", "elapsed_time", 10): 15.0,
            ("train", "elapsed_time", 50): 3675.0,
            ("val", "loss", 21): 2.125,
            ("val", "accuracy", 21): 0.5,
            ("val", "evaluation_time", 21): 1.5,
            ("val", "samples_per_second", 21): 66.667,
            ("val", "steps_per_second", 21): 8.333,
        },
        measurements={
            ("train_time", "value"): 75.5,
            ("samples_per_second", "value"): 42.384,
            ("steps_per_second", "value"): 0.662,
            ("tokens_per_second_per_device", "value"): 1228.25,
            ("loss", "mean"): 2.2604,
            ("loss", "value"): 2.0625,
            ("epoch_progress", "value"): 2.0,
            ("training_flop", "value"): 3.0 * 2**30,
            ("train_mem_gpu_alloc_delta", "value"): 12.0 * 2**20,
            ("evaluation_time", "value"): 1.25,
            ("perplexity", "value"): 7.8656,
        },
        runs={
            "night/train": {
                "device_count": 8,
                "precision": "bf16",
                "model": "Toy-7B",
                "status": "completed",
                "config": {"max_steps": 50, "learning_rate": 5e-5, "hub_token": None, "train_samples": 1600},
            }
        },
        events=("checkpoint",),
        unknown=("train_mem_gpu_alloc_delta",),
    ),
    Sample(
        "night/retry.log",
        _STDOUT_V5,
        matched=3,
        points={
            ("train", "loss", 15): 1.531,
            ("train", "loss", 20): 1.25,
            ("train", "token_accuracy", 20): 0.875,
            ("train", "num_tokens", 20): 12500.0,
            ("train", "loss", None): 1.75,
        },
        runs={"night/retry": {"status": "failed", "resumed_from": 10}, "night/retry#2": {"status": None}},
        events=("resume", "error", "oom"),
        unknown=("num_tokens",),
    ),
    Sample(
        "night/swift.log",
        _STDOUT_SWIFT,
        matched=2,
        points={
            ("train", "loss", 1): 1.60696292,
            ("train", "token_accuracy", 1): 0.625,
            ("train", "memory_reserved_peak", 1): 2.5 * 2**30,
            ("train", "steps_per_second", 1): 0.250477,
            ("train", "elapsed_time", 1): 3723.0,
            ("train", "eta", 1): 34216.0,
            ("val", "loss", 1): 1.5,
            ("val", "token_accuracy", 1): 0.75,
            ("val", "step_time", 1): 3.5,
        },
        runs={"night/swift": {"status": None}},
    ),
)
