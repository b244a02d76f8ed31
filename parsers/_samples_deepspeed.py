"""Composed samples of DeepSpeed's stdout."""

from __future__ import annotations

from math import inf

from llmstats.parsing import Sample

_ENGINE = """\
[2024-05-01 08:00:00,100] [INFO] [runner.py:568:main] cmd = /opt/bin/python -u -m deepspeed.launcher.launch train.py --model_name_or_path acme/tiny-1b
[2024-05-01 08:00:01,100] [INFO] [launch.py:151:main] nnodes=1, num_local_procs=8, node_rank=0
[2024-05-01 08:00:01,100] [INFO] [launch.py:163:main] dist_world_size=8
[2024-05-01 08:00:09,000] [INFO] [logging.py:96:log_dist] [Rank 0] DeepSpeed info: version=0.14.2, git-hash=unknown, git-branch=unknown
[2024-05-01 08:00:10,000] [INFO] [logging.py:96:log_dist] [Rank 0] step=0, skipped=0, lr=[0.0, 0.0], mom=[(0.9, 0.95), (0.9, 0.95)]
[2024-05-01 08:00:10,001] [INFO] [config.py:1000:print]   bfloat16_enabled ............. True
[2024-05-01 08:00:10,001] [INFO] [config.py:1000:print]   zero_optimization_stage ...... 2
[2024-05-01 08:00:20,000] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=1, lr=[9.65e-06, 1.93e-05], mom=[(0.9, 0.95), (0.9, 0.95)]
[2024-05-01 08:00:20,010] [INFO] [timer.py:260:stop] epoch=0/micro_step=20/global_step=10, RunningAvgSamplesPerSec=265.32, CurrSamplesPerSec=-inf, MemAllocated=4.5GB, MaxMemAllocated=12.25GB
[2024-05-01 08:00:20,011] [INFO] [timer.py:260:stop] epoch=0/micro_step=20/global_step=10, RunningAvgSamplesPerSec=265.30, CurrSamplesPerSec=-inf, MemAllocated=4.5GB, MaxMemAllocated=12.25GB
[2024-05-01 08:00:30,000] [INFO] [logging.py:128:log_dist] [Rank 0] time (ms) | fwd_microstep: 12.50 | bwd_microstep: 30.25 | bwd_inner_microstep: 30.00 | step_microstep: 8.00
[2024-05-01 08:00:30,001] [INFO] [logging.py:128:log_dist] [Rank 0] rank=0 time (ms) | fwd: 25.00 | bwd: 60.50 | step: 9.00
[2024-05-01 08:00:40,000] [INFO] [timer.py:260:stop] epoch=0/micro_step=40/global_step=20, RunningAvgSamplesPerSec=266.10, CurrSamplesPerSec=267.25, MemAllocated=4.5GB, MaxMemAllocated=12.25GB
[2024-05-01 08:00:41,000] [INFO] [launch.py:351:main] Process 4711 exits successfully.
"""  # noqa: E501

_OLD = """\
worker-0: [INFO 2020-02-06 19:53:56] rank:0 step=0, skipped=0, lr=[0.001], mom=[[0.8, 0.999]]
worker-0: [INFO 2020-02-06 19:54:06] 0/10, SamplesPerSec=7.458824487454903
[2022-03-11 02:06:58,985] [INFO] [config.py:1000:print]   gradient_accumulation_steps .. 2
[2022-03-11 02:06:58,985] [INFO] [logging.py:69:log_dist] [Rank 0] step=20, skipped=2, lr=[5e-05], mom=[0.9]
[2022-03-11 02:06:58,986] [INFO] [timer.py:189:stop] 0/40, SamplesPerSec=83.5, MemAllocated=0.26GB, MaxMemAllocated=9.02GB
[2022-03-11 02:07:58,986] [INFO] [timer.py:198:stop] 0/50, RunningAvgSamplesPerSec=84.5, CurrSamplesPerSec=82.25, MemAllocated=0.26GB, MaxMemAllocated=9.02GB
steps: 30 loss: 4.6178 iter time (s): 0.994 samples/sec: 257.601
[2022-03-11 02:08:58,985] [INFO] [logging.py:69:log_dist] [Rank 0] step=10, skipped=0, lr=[4e-05], mom=[0.9]
RuntimeError: CUDA error: device-side assert triggered
[2022-03-11 02:09:58,985] [INFO] [launch.py:314:sigkill_handler] Killing subprocess 4711
"""  # noqa: E501

_CHAT = """\
cmd = deepspeed main.py --data_path acme/pairs --model_name_or_path acme/tiny-1b --per_device_train_batch_size 2
ppl: 4998.5, loss: 8.5
Beginning of Epoch 1/1, Total Micro Batches 460
Model Parameters: 0.331 B, Latency: 0.25s, TFLOPs: 1.02, Samples/sec: 8.00, Time/seq 0.13s, Batch Size: 2, Sequence Length: 512
[2023-04-18 01:46:52,554] [INFO] [loss_scaler.py:188:update_scale] [deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 65536, reducing to 32768
[2023-04-18 01:46:59,142] [INFO] [logging.py:96:log_dist] [Rank 0] step=460, skipped=6, lr=[9.5e-06], mom=[(0.9, 0.95)]
Epoch 1/1 with loss 0.5754
chosen: -31.5, rejected: -33.25, loss: 0.665
chosen_last_scores (higher is better) : 2.75, acc (higher is better) : 0.4924
'step':500, 'ppl': 61.75, 'seq_len': 256, 'consume layer-tokens': 18432
Step at 502 with Perplexity: 60.25
Before cleaning, Epoch at 1 with Perplexity: 60.5
"""  # noqa: E501

_RLHF = """\
Beginning of Epoch 1/2, Total Generation Batches 100
epoch: 0|step: 8|ppo_ep: 1|act_loss: 0.25|cri_loss: 0.125|unsuper_loss: 0.0
average reward score: 0.5
|E2E latency=7.5s |Gather latency=0.00s (0.00%) |Generate time=5.25s (70.00%) |Training time=2.00s (26.67%) |Others=0.25 (3.33%)|CurSamplesPerSec=8.01 |AvgSamplesPerSec=8.25
[2023-04-18 08:48:36,035] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=4, lr=[5.5e-07, 5.5e-07], mom=[(0.9, 0.95), (0.9, 0.95)]
[2023-04-18 08:48:36,058] [INFO] [timer.py:199:stop] epoch=0/micro_step=10/global_step=10, RunningAvgSamplesPerSec=86.5, CurrSamplesPerSec=78.5, MemAllocated=10.75GB, MaxMemAllocated=20.5GB
[2023-04-18 08:48:36,251] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=3, lr=[3.5e-07, 3.5e-07], mom=[(0.9, 0.95), (0.9, 0.95)]
Epoch: 1 | Step: 0 | PPO Epoch: 1 | Actor Loss: 0.75 | Critic Loss: 0.5 | Unsupervised Loss: 0.0
End-to-End => Latency: 8.00s, TFLOPs: 3.60, Samples/sec: 4.00, Time/seq 0.25s, Batch Size: 32, Total Seq. Length: 512
Generation => Latency: 5.13s, Per-token Latency 20.04 ms, TFLOPs: 1.63, BW: 131.25 GB/sec, Answer Seq. Length: 256
"""  # noqa: E501

SAMPLES = (
    Sample(
        "zero2/train.log",
        _ENGINE,
        matched=7,
        points={
            ("train", "learning_rate", 10): 9.65e-06,
            ("train", "momentum", 10): 0.9,
            ("train", "skipped_steps", 10): 1.0,
            ("train", "samples_per_second", 10): -inf,
            ("train", "samples_per_second", 20): 267.25,
            ("train", "memory_allocated", 10): 4.5 * 2**30,
            ("train", "memory_allocated_peak", 20): 12.25 * 2**30,
            ("train", "forward_time", None): 0.025,
            ("train", "backward_time", None): 0.03025,
            ("train", "optimizer_time", None): 0.009,
            ("train", "bwd_inner_microstep", None): 30.0,
        },
        runs={
            "zero2/train": {
                "kind": "training",
                "device_count": 8,
                "node_count": 1,
                "device": None,
                "precision": "bf16",
                "model": "tiny-1b",
                "status": "completed",
                "environment": {"deepspeed": "0.14.2"},
                "config": {"zero_optimization_stage": 2},
            }
        },
        unknown=("bwd_inner_microstep",),
    ),
    Sample(
        "old/out.txt",
        _OLD,
        matched=7,
        points={
            ("train", "momentum", 0): 0.8,
            ("train", "samples_per_second", None): 7.458824487454903,
            ("train", "samples_per_second", 20): 83.5,
            ("train", "samples_per_second", 25): 82.25,
            ("train", "memory_allocated_peak", 25): 9.02 * 2**30,
            ("train", "loss", 30): 4.6178,
            ("train", "step_time", 30): 0.994,
            ("train", "samples_per_second", 30): 257.601,
            ("train", "learning_rate", 10): 4e-05,
        },
        runs={"old/out": {"status": None}, "old/out#2": {"status": "failed"}},
        events=("error",),
    ),
    Sample(
        "step1/chat.log",
        _CHAT,
        matched=9,
        points={
            ("val", "perplexity", None): 4998.5,
            ("val", "loss", None): 8.5,
            ("train", "step_time", None): 0.25,
            ("train", "tflops_per_device", None): 1.02,
            ("train", "samples_per_second_per_device", None): 8.0,
            ("train", "loss", 460): 0.5754,
            ("val", "reward_chosen", 460): 2.75,
            ("val", "reward_rejected", 460): -33.25,
            ("val", "accuracy", 460): 0.4924,
            ("val", "perplexity", 500): 61.75,
            ("val", "perplexity", 502): 60.25,
            ("val", "perplexity", 460): 60.5,
            ("val", "seq_len", 500): 256.0,
            ("val", "consume layer-tokens", 500): 18432.0,
        },
        runs={"step1/chat": {"model": "tiny-1b", "config": {"batch_size": 2, "sequence_length": 512}}},
        events=("overflow",),
        unknown=("seq_len", "consume layer-tokens"),
    ),
    Sample(
        "step3/rlhf.log",
        _RLHF,
        matched=9,
        points={
            ("train", "actor_loss", 9): 0.25,
            ("train", "critic_loss", 101): 0.5,
            ("train", "unsupervised_loss", 9): 0.0,
            ("train", "reward", 9): 0.5,
            ("train", "step_time", 9): 7.5,
            ("train", "samples_per_second", 9): 8.25,
            ("train", "Gather latency", 9): 0.0,
            ("train", "Generate time", 9): 5.25,
            ("train", "Training time", 9): 2.0,
            ("train", "Others", 9): 0.25,
            ("train", "learning_rate", 10): 5.5e-07,
            ("train", "lr#2", 10): 3.5e-07,
            ("train", "skipped#2", 10): 3.0,
            ("train", "mom#2", 10): 0.9,
            ("train", "End-to-End Latency", 101): 8.0,
            ("train", "End-to-End TFLOPs", 101): 3.6,
            ("train", "End-to-End Samples/sec", 101): 4.0,
            ("train", "Generation Latency", 101): 5.13,
            ("train", "Generation Per-token Latency", 101): 20.04,
            ("train", "Generation TFLOPs", 101): 1.63,
            ("train", "Generation BW", 101): 131.25,
        },
        runs={"step3/rlhf": {"status": None}},
        unknown=(
            "Gather latency",
            "Generate time",
            "Training time",
            "Others",
            "lr#2",
            "skipped#2",
            "mom#2",
            "End-to-End Latency",
            "End-to-End TFLOPs",
            "End-to-End Samples/sec",
            "Generation Latency",
            "Generation Per-token Latency",
            "Generation TFLOPs",
            "Generation BW",
        ),
    ),
)
