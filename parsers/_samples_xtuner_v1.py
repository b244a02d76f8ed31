"""Composed examples of XTuner V1's logs, with what must come out of them."""

# ruff: noqa: E501  (log lines are as long as the program writes them)

from __future__ import annotations

from llmstats.parsing import Sample

_GIB = 2.0**30


def _log(second: int, message: str, rank: str = "", level: str = "INFO") -> str:
    return f"[XTuner]{rank}[2026-08-21 10:{second // 60:02}:{second % 60:02}][{level}] {message}\n"


def _step(step: int, second: int, loss: float, *, rank: str = "", total: int = 8, tgs: float = 7951.5) -> str:
    """A step of August 2026, with the empty group's doubled space and the trailing space."""
    return _log(
        second,
        f"Epoch 0 Step {step}/{total} data_time: 0.0021 lr: 6.000000e-06 time: 4.1200 text_tokens: 32760 "
        f"seqlen_tokens: 32768 approximate_total_consumed_tokens: {262080 * step} "
        f"reduced_llm_loss: {loss:.8f}, reduced_balancing_loss: 0.00120000, maxvio: 0.25000000, local_loss: {loss + 0.25:.8f} "
        f"step_consumed_tokens: 32760.00000000, step_seqlen_tokens: 32768.00000000, "
        f"step_consumed_img_tokens: 0.00000000, efficient_attn_ratio: 0.12000000, "
        f"img_efficient_attn_ratio: 0.00000000  grad_norm: 0.51234567 max_memory: 61.20 GB reserved_memory: 70.10 GB "
        f"tgs: {tgs:.1f} seqlen_tgs: 7953.4 exp_tgs: 7400.2 eta: 1 day, 2:03:04 ",
        rank,
    )


_CONFIG = """\
[XTuner][2026-08-21 10:00:01][INFO] Training config: {
  "model_cfg": {
    "num_hidden_layers": 24
  },
  "fsdp_cfg": {
    "tp_size": 1,
    "ep_size": 8,
    "param_dtype": "torch.bfloat16"
  },
  "load_from": "/models/Toy-MoE-16B/",
  "global_batch_size": 64,
  "sp_size": 2,
  "total_step": 8
}
"""

_ENVIRONMENT = """\
[XTuner][2026-08-21 10:00:02][INFO]\x20
============XTuner Training Environment============
XTUNER_DETERMINISTIC: None
XTUNER_USE_FA3: 1
==================================================
"""

_RANK0 = (
    _CONFIG
    + _ENVIRONMENT
    + _step(1, 8, 2.5)
    + _step(2, 12, 2.25)
    + _log(13, "`resume_cfg` is deprecated, please use `auto_resume`", level="WARNING")
    + _step(3, 16, 2.0)
    + _step(4, 20, 1.75)
    + _log(95, "Resume from checkpoint: work_dirs/toy_moe/20260821100000/checkpoints/epoch-0-step-2")
    + _log(
        96,
        "[Checkpoint Resume Memory] allocated: 10.00 GB, reserved: 12.00 GB, free: 52.00 GB, total: 64.00 GB",
    )
    + _step(3, 104, 2.125)
    + _step(4, 108, 1.875)
    + _step(5, 112, 1.5)
    + _log(113, "Training finished in 17.25 seconds")
)

# Every shape that the trainer wrote, oldest first; the step says which.
_P = "data_time: 0.0100 lr: 0.000010"
_Q = "data_time: 0.0100 lr: 1.000000e-05 time: 2.0000 text_tokens: 4096"
_M = "max_memory: 10.00 GB reserved_memory: 12.00 GB"
_SHAPES = (
    f"Step 1/12 {_P} total_loss: 2.500  grad_norm: 1.250 tgs: 2048.0",
    f"Step 2/12 {_P} text_tokens: 4096 total_loss: 2.750 reduced_llm_loss: 2.500 max_memory: 10.00 GB grad_norm: 1.250 tgs: 2048.0 ",
    f"Step 3/12 {_P} time: 2.0000 text_tokens: 4096 reduced_llm_loss: 2.500, total_loss: 2.750 {_M} grad_norm: 1.250 tgs: 2048.0 e2e_tgs: 1900.5 ",
    f"Step 4/12 {_P} time: 2.0000 text_tokens: 4096 reduced_llm_loss: 2.500, reduced_z_loss: 0.125 {_M} grad_norm: 1.250 tgs: 2048.0 e2e_tgs: 1900.5 eta: 0:34:10 ",
    f"Step 5/12 {_Q} reduced_llm_loss: 2.50000000 {_M} grad_norm: 1.25000000 tgs: 2048.0 e2e_tgs: 1900.5 eta: 0:34:10 ",
    f"Epoch 0 Step 6/12 {_Q} reduced_llm_loss: 2.50000000 grad_norm: 1.25000000 {_M} tgs: 2048.0 e2e_tgs: 1900.5 eta: 0:34:10 ",
    f"Epoch 0 Step 7/12 {_Q} total_consumed_tokens: 28672 reduced_llm_loss: 2.50000000, local_loss: 2.75000000 grad_norm: 1.25000000 {_M} tgs: 2048.0 e2e_tgs: 1900.5 est_global_batch_tokens: 32768 eta: 0:34:10 ",
    f"Epoch 0 Step 8/12 {_Q} reduced_consumed_tokens: 229376 reduced_llm_loss: 2.50000000, local_loss: 2.75000000 grad_norm: 1.25000000 {_M} tgs: 2048.0 exp_tgs:  1800.5 e2e_tgs: 15200.0 est_global_batch_tokens: 32768 eta: 0:34:10 ",
    f"Epoch 0 Step 9/12 {_Q} img_tokens: 512.0 reduced_consumed_tokens: 229376 reduced_llm_loss: 2.50000000, local_loss: 2.75000000 grad_norm: 1.25000000 {_M} tgs: 2048.0 exp_tgs: 1800.5 e2e_tgs: 15200.0 est_global_batch_tokens: 32768 eta: 0:34:10 ",
    f"Epoch 1 Step 10/12 {_Q} step_consumed_tokens: 32768 total_consumed_tokens: 327680 reduced_llm_loss: 2.50000000, local_loss: 2.75000000 grad_norm: 1.25000000 {_M} tgs: 2048.0 exp_tgs: 1800.5 e2e_tgs: 15200.0 eta: 0:34:10 ",
    f"Epoch 1 Step 11/12 {_Q} approximate_total_consumed_tokens: 360448 reduced_llm_loss: 2.50000000, local_loss: 2.75000000 step_consumed_tokens: 4096.00000000, efficient_attn_ratio: 0.50000000 router_entropy: 1.5000 grad_norm: 1.25000000 {_M} tgs: 2048.0 exp_tgs: 1800.5 eta: 0:34:10 ",
    f"Epoch 1 Step 12/12 {_Q} seqlen_tokens: 4200 img_tokens: 512.0 approximate_total_consumed_tokens: 393216 reduced_llm_loss: nan, local_loss: inf efficient_attn_ratio: 0.50000000  grad_norm: 1.25000000 {_M} tgs: 2048.0 seqlen_tgs: 2100.0 exp_tgs: 1800.5 eta: 0:00:00 ",
)

_STDERR = (
    "W0821 10:00:00.000000 torchrun: OMP_NUM_THREADS is set to 1\n"
    + _step(1, 8, 2.5, rank="[RANK 0]", tgs=8000.0)
    + _step(1, 8, 2.5, rank="[RANK 1]", tgs=7000.0)
    + "Loading shards:  50%|#####     | 1/2 [00:01<00:01]\n"
    + _step(2, 12, 2.25, rank="[RANK 1]", tgs=7000.0).replace("[INFO]", "[\x1b[1mINFO\x1b[0m]")
    + "[default0]:" + _step(2, 12, 2.25, rank="[RANK 0]", tgs=8000.0)
    + "Traceback (most recent call last):\n"
    + '  File "/opt/toy/train.py", line 12, in <module>\n'
    + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"
    + _log(90, "Resume from checkpoint: /w/toy/20260821100000/checkpoints/epoch-0-step-1", "[RANK 0]")
    + _step(2, 98, 2.375, rank="[RANK 0]", tgs=8100.0)
    + _step(2, 98, 2.375, rank="[RANK 1]", tgs=7100.0)
    + _step(3, 102, 2.0, rank="[RANK 0]", tgs=8100.0)
)  # fmt: skip

_RL = "".join(
    f"[XTuner][RANK 2][2026-08-21 11:00:0{step}][INFO][TrainingWorker] Rank2 Step {step}: data_time: 0.0010 time: 1.5000 "
    f"text_tokens: 1024 step_consumed_tokens: 8192 total_consumed_tokens: {8192 * step} efficient_attn_ratio: 0.2500 "
    f"total_loss: {3 - step}.50000000 grad_norm: 0.75000000 max_memory: 20.50 GB reserved_memory: 24.00 GB tgs: 682.6667\n"
    for step in (1, 2)
)

_LITE_PREFIX = "[XTuner][RANK 3][DP 1][SP 1][TP 0][2024-12-27 10:00:{:02}][INFO] "
_LITE = (
    _LITE_PREFIX.format(1)
    + "Namespace(llm='/models/toy-7b/', dtype='bf16', tp_size=1, sp_size=2, max_length=2048)\n"
    + _LITE_PREFIX.format(2)
    + "[Train] Begin Train Loop. The current GPU memory is 24.0GB\n"
    + _LITE_PREFIX.format(12)
    + "[Train] (Epoch 1) Step 1/2  lr: 0.000060  loss: 2.345  loss(reduced): 2.400  grad_norm: 0.50  if_nan_skip: 0  max_memory: 62.5GB  text_tokens: 32768.0  tgs: 3456  data_time: 0.01s  time: 9.48s  eta: 1 day, 1:02:03\n"
    + _LITE_PREFIX.format(22)
    + "[Train] Cost 0:00:20\n"
)
LOG_SAMPLES = (
    Sample(
        "work_dirs/toy_moe/20260821100000/logs/rank0.log",
        _RANK0,
        matched=7,
        points={
            ("train", "loss", 1): 2.5,
            ("train", "loss", 5): 1.5,
            ("train", "loss_local", 5): 1.75,
            ("train", "moe_balance_loss", 1): 0.0012,
            ("train", "maxvio", 1): 0.25,
            ("train", "step_time", 2): 4.12,
            ("train", "data_time", 2): 0.0021,
            ("train", "learning_rate", 2): 6e-6,
            ("train", "grad_norm", 2): 0.51234567,
            ("train", "memory_allocated_peak", 1): 61.2 * _GIB,
            ("train", "memory_reserved_peak", 1): 70.1 * _GIB,
            ("train", "tokens", 1): 32760.0,
            ("train", "padded_tokens", 1): 32768.0,
            ("train", "attention_pack_ratio", 1): 0.12,
            ("train", "tokens_per_second_per_device", 1): 7951.5,
            ("train", "padded_tokens_per_second_per_device", 1): 7953.4,
            ("train", "tokens_per_second_per_device_end_to_end", 1): 7400.2,
            ("train", "eta", 1): 93784.0,
            ("train", "image_attention_pack_ratio", 1): 0.0,
            ("train", "step_consumed_img_tokens", 1): 0.0,
            ("train", "step_consumed_tokens", 1): 32760.0,
            ("train", "step_seqlen_tokens", 1): 32768.0,
        },
        runs={
            "toy_moe/20260821100000": {
                "kind": "training",
                "framework": "xtuner",
                "experiment": "toy_moe",
                "model": "Toy-MoE-16B",
                "precision": "bf16",
                "parallelism": "ep8-sp2",
                "resumed_from": None,
                "status": None,
                "device_count": None,
            },
            "toy_moe/20260821100000#2": {"experiment": "toy_moe", "resumed_from": 2, "status": "completed"},
        },
        events=("warning", "resume"),
    ),
    Sample(
        "work_dirs/toy_moe/20260821100000/logs/rank3.log",
        _step(1, 8, 2.5, tgs=7800.0) + _step(2, 12, 2.25, tgs=7800.0) + _step(2, 108, 2.375, tgs=7700.0),
        matched=3,
        points={("train", "tokens_per_second_per_device", 1): 7800.0},
        runs={
            "toy_moe/20260821100000": {"resumed_from": None},
            "toy_moe/20260821100000#2": {"resumed_from": 1},
        },
    ),
    Sample(
        "old_shapes/20250908120000/logs/rank0.log",
        "".join(_log(i, shape) for i, shape in enumerate(_SHAPES)),
        matched=12,
        points={
            **{("train", "loss", i): 2.5 for i in range(1, 12)},
            **{("train", "grad_norm", i): 1.25 for i in range(1, 13)},
            **{("train", "tokens_per_second_per_device", i): 2048.0 for i in range(1, 13)},
            ("train", "loss_local", 2): 2.75,
            ("train", "loss_local", 3): 2.75,
            ("train", "loss_local", 11): 2.75,
            ("train", "loss_local", 12): float("inf"),
            ("train", "loss", 12): float("nan"),
            ("train", "tokens_per_second_per_device_end_to_end", 4): 1900.5,
            ("train", "tokens_per_second_per_device_end_to_end", 8): 1800.5,
            ("train", "e2e_tgs", 8): 15200.0,
            ("train", "image_tokens", 9): 512.0,
            ("train", "total_tokens", 10): 327680.0,
            ("train", "router_entropy", 11): 1.5,
            ("train", "memory_allocated_peak", 12): 10.0 * _GIB,
            ("train", "eta", 4): 2050.0,
            ("train", "est_global_batch_tokens", 7): 32768.0,
            ("train", "z_loss", 4): 0.125,
        },
        runs={"old_shapes/20250908120000": {"experiment": "old_shapes"}},
    ),
    Sample(
        "captures/toy_run/node_0.txt",
        _STDERR,
        matched=7,
        points={("train", "loss", 1): 2.5, ("train", "loss", 3): 2.0},
        runs={"toy_run": {"resumed_from": None}, "toy_run#2": {"resumed_from": 1}},
        events=("error", "oom", "resume"),
    ),
    Sample(
        "work_dirs/toy_rl/20260821105900/workers/rank_2.log",
        _RL + "[XTuner][RANK 2][2026-08-21 11:00:04][INFO][TrainingWorker] Step 3 of data_time: unknown\n",
        matched=2,
        points={
            ("train", "loss", 1): 2.5,
            ("train", "loss", 2): 1.5,
            ("train", "tokens_per_second_per_device", 2): 682.6667,
            ("train", "memory_allocated_peak", 2): 20.5 * _GIB,
        },
        runs={"toy_rl/20260821105900": {"experiment": "toy_rl"}},
        suspects=1,
    ),
    Sample(
        path="toy_lite/20241227100000/rank3.log",
        text=_LITE,
        matched=1,
        points={
            ("train", "loss", 1): 2.4,
            ("train", "loss_local", 1): 2.345,
            ("train", "learning_rate", 1): 6e-05,
            ("train", "grad_norm", 1): 0.5,
            ("train", "skipped_steps", 1): 0,
            ("train", "memory_allocated_peak", 1): 62.5 * _GIB,
            ("train", "tokens", 1): 32768,
            ("train", "tokens_per_second_per_device", 1): 3456,
            ("train", "data_time", 1): 0.01,
            ("train", "step_time", 1): 9.48,
            ("train", "eta", 1): 86400 + 3723,
        },
        runs={
            "toy_lite/20241227100000": {
                "model": "toy-7b",
                "precision": "bf16",
                "parallelism": "sp2",
                "status": "completed",
            },
        },
    ),
)


def _object(step: int, loss: str, spent: float, tgs: float = 7951.456789) -> str:
    return (
        '{"lr": 6e-06, "time/data_time": 0.0021, "time/step_time": 4.12, '
        f'"time/train_time": {spent}, "time/eta_seconds": 93784.5, "runtime_info/text_tokens": 32760, '
        f'"runtime_info/seqlen_tokens": 32768, "runtime_info/approximate_total_consumed_tokens": {262080 * step}, '
        f'"runtime_info/tgs": {tgs}, "runtime_info/seqlen_tgs": 7953.4, "runtime_info/exp_tgs": 7400.25, '
        '"runtime_info/efficient_attn_ratio": 0.12, "runtime_info/img_efficient_attn_ratio": 0.0, '
        '"memory/max_memory_GB": 61.203, "memory/reserved_memory_GB": 70.1, "grad_norm": 0.5123456789012345, '
        f'"layers.0/attn_logits": 12.5, "loss/reduced_llm_loss": {loss}, "loss/local_loss": 1.75, "step": {step}}}\n'
    )


_OLD_OBJECT = (
    '{"lr": 1e-05, "time/data_time": 0.01, "time/step_time": 2.0, "time/train_time": 2.01, '
    '"runtime_info/text_tokens": 4096, "runtime_info/tgs": 2048.0, "runtime_info/e2e_tgs": 1900.5, '
    '"memory/max_memory_GB": 10.0, "memory/reserved_memory_GB": 12.0, "grad_norm": 1.25, '
    '"loss/reduced_llm_loss": 2.5, "loss/total_loss": 2.75, "step": 1}\n'
)

TRACKER_SAMPLES = (
    Sample(
        "work_dirs/toy_moe/20260821100000/logs/exp_tracking/rank3/tracker.jsonl",
        # The last lines before the kill were never flushed: only the clock of the training tells of the resume.
        _object(1, "2.512345678901234", 4.2)
        + _object(2, "2.25", 8.4)
        + _object(3, "NaN", 5.1)
        + _object(4, "1.875", 9.3),
        matched=4,
        points={
            ("train", "loss", 1): 2.512345678901234,
            ("train", "loss", 3): float("nan"),
            ("train", "loss_local", 1): 1.75,
            ("train", "step_time", 1): 4.12,
            ("train", "data_time", 1): 0.0021,
            ("train", "train_time", 4): 9.3,
            ("train", "eta", 1): 93784.5,
            ("train", "learning_rate", 1): 6e-6,
            ("train", "memory_allocated_peak", 1): 61.203 * _GIB,
            ("train", "tokens", 1): 32760.0,
            ("train", "tokens_per_second_per_device", 1): 7951.456789,
            ("train", "tokens_per_second_per_device_end_to_end", 1): 7400.25,
            ("train", "attention_pack_ratio", 1): 0.12,
            ("train", "layers.0/attn_logits", 1): 12.5,
            ("train", "image_attention_pack_ratio", 1): 0.0,
            ("train", "memory_reserved_peak", 1): 75269301862.4,
            ("train", "padded_tokens", 1): 32768.0,
            ("train", "padded_tokens_per_second_per_device", 1): 7953.4,
            ("train", "total_tokens", 1): 262080.0,
        },
        runs={
            "toy_moe/20260821100000": {"kind": "training", "experiment": "toy_moe", "framework": "xtuner"},
            "toy_moe/20260821100000#2": {"resumed_from": 2},
        },
        unknown=("layers.0/attn_logits",),
    ),
    Sample(
        "old/20250908120000/exp_tracking/rank0/tracker.jsonl",
        _OLD_OBJECT + '{"note": "no step here"}\n',
        matched=2,
        points={
            ("train", "loss", 1): 2.5,
            ("train", "loss_local", 1): 2.75,
            ("train", "grad_norm", 1): 1.25,
            ("train", "tokens_per_second_per_device_end_to_end", 1): 1900.5,
        },
        runs={"old/20250908120000": {"experiment": "old"}},
        suspects=1,
    ),
)
