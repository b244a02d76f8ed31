"""Composed samples of NeMo's log."""

from __future__ import annotations

from math import nan

from llmstats.parsing import Sample

_NEW = """\
[NeMo W 2025-03-01 08:00:00 megatron:12] something is deprecated
[2025-03-01T08:00:10+08:00] pretrain/0 Training epoch 0, iteration 0/99 | lr: 1.469e-06 | global_batch_size: 12.8 | global_step: 0 | reduced_train_loss: 1.105 | train_step_timing in s: 3.5
[2025-03-01T08:00:20+08:00] pretrain/0 Training epoch 0, iteration 9/99 | lr: 1.469e-05 | global_batch_size: 128 | global_step: 9 | reduced_train_loss: 6.265 | train_step_timing in s: 12.5 | tokens_per_sec_per_gpu: 1.073e+04 | TFLOPS_per_GPU: 4.125e+02 | consumed_samples: 1216
Validation: iteration 1/5
retraining/0 Training epoch 0, iteration 19/99 | lr: 1.5e-05 | global_batch_size: 128 | global_step: 19 | grad_norm: 1.25 | reduced_train_loss: nan | train_step_timing in s: 12.25 | tokens_per_sec_per_gpu: 1.08e+04 | consumed_samples: 2496 | val_loss: 5.875
Training epoch 0, iteration 29/99 | lr: about
"""  # noqa: E501

_BAR = (
    "[NeMo I 2024-06-17 08:36:40 exp_manager:1] Experiments will be logged at /results/try\n"
    "\rEpoch 0: :   0%|          | 1/301500 [00:12<55:37:46, reduced_train_loss=11.00, global_step=0.000, "
    "consumed_samples=128.0, train_step_timing in s=12.00]"
    "\rEpoch 0: :   3%|▎         | 6024/301500 [1:42:42<55:37:46, 41.36s/it, loss=7.5, v_num=0-56, "
    "reduced_train_loss=7.250, global_step=6023.0, consumed_samples=6.3e+5, train_step_timing in s=0.615]"
    "\rEpoch 0: :   3%|▎         | 9000/301500 [1:52:42<55:37:46, v_num=0-56, reduced_train_loss=nan.0, "
    "global_step=9e+3, consumed_samples=6.4e+5, train_step_timing in s=0.625, val_loss=7.040]\n"
    "Epoch 0, global step 9000: 'val_loss' reached 7.04, saving model to 'ck/gpt--val_loss=7.04-step=9000.ckpt'\n"
)

SAMPLES = (
    Sample(
        "llama/train.log",
        _NEW,
        matched=3,
        points={
            ("train", "loss", 10): 6.265,
            ("train", "loss", 20): nan,
            ("train", "learning_rate", 10): 1.469e-05,
            ("train", "step_time", 20): 12.25,
            ("train", "grad_norm", 20): 1.25,
            ("train", "tokens_per_second_per_device", 10): 10730.0,
            ("train", "tflops_per_device", 10): 412.5,
            ("train", "samples", 20): 2496.0,
            ("val", "loss", 20): 5.875,
            ("train", "reduced_train_loss (over log interval)", 1): 1.105,
            ("train", "lr (over log interval)", 1): 1.469e-06,
            ("train", "train_step_timing in s (over log interval)", 1): 3.5,
        },
        runs={"llama/train": {"kind": "training", "framework": "nemo", "config": {"global_batch_size": 128}}},
        suspects=1,
        unknown=(
            "reduced_train_loss (over log interval)",
            "lr (over log interval)",
            "train_step_timing in s (over log interval)",
        ),
    ),
    Sample(
        "gpt3/log-nemo_123.out",
        _BAR,
        matched=3,
        points={
            ("train", "loss", 1): 11.0,
            ("train", "loss", 6024): 7.25,
            ("train", "loss", 9000): nan,
            ("train", "step_time", 9000): 0.625,
            ("train", "samples", 1): 128.0,
            ("val", "loss", 9000): 7.04,
        },
        runs={"gpt3/log-nemo_123": {"experiment": "gpt3/log-nemo_123"}},
        events=("checkpoint",),
    ),
)
