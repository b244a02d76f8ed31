"""Composed samples of logs in the form of Megatron-LM's, with what must come out of them."""

from __future__ import annotations

import math

from llmstats.parsing import Sample


def _dump(**values: object) -> str:
    """An argument dump: names padded with dots to 48 characters."""
    lines = [f"  {name} {'.' * (48 - len(name))} {value}" for name, value in sorted(values.items())]
    return "\n".join(
        ["------------------------ arguments ------------------------", *lines,
         "-------------------- end of arguments ---------------------", ""]
    )  # fmt: skip


_ARGUMENTS = _dump(
    bf16=True, context_parallel_size=1, data_parallel_size=2, data_path=["/d/a.bin", "/d/b.bin"], fp16=False, fp8=None,
    global_batch_size=16, params_dtype="torch.bfloat16", pipeline_model_parallel_size=2, seq_length=4096,
    tensor_model_parallel_size=2, train_iters=400, transformer_impl="transformer_engine", world_size=8,
    a_name_that_is_longer_than_the_forty_eight_characters="probs",
)  # fmt: skip

#: Form of core 0.16: clock with microseconds, throughput, energy, timers, memory, two validation sets.
_MODERN = f"""\
using world size: 8, data-parallel size: 2, context-parallel size: 1, hierarchical context-parallel sizes: None, \
tensor-model-parallel size: 2, pipeline-model-parallel size: 2
{_ARGUMENTS}INFO:megatron.core.timers:(min, max) time across ranks (ms):
    startup-megatron-init-global ...................: (57000.00, 57250.00)
    load-checkpoint ................................: (250.00, 1000.00)
    model-and-optimizer-setup ......................: (400.00, 500.00)
    train/valid/test-data-iterators-setup ..........: (9000.00, 9500.00)
[after megatron is initialized] datetime: 2026-01-15 08:00:00.250000\x20
 > number of parameters on (tensor, pipeline) model parallel rank (0, 0): 1250000
 [2026-01-15 08:00:10.500000] iteration        1/     400 | consumed samples:           16 | \
elapsed time per iteration (ms): 8000.0 | throughput per GPU (TFLOP/s/GPU): 64.0 | \
energy per GPU (J/iter/GPU): 3200.0 | power per GPU (W/GPU): 400.0 | learning rate: 1.000000E-05 | \
decoupled learning rate: 2.000000E-05 | global batch size:    16 | lm loss: 1.050000E+01 | mtp_1 loss: 1.100000E+01 | \
load_balancing_loss: 1.25 | z_loss: 0.50 | loss scale: 1.0 | grad norm: 2.500 | num zeros: 12 | \
params norm: 400.500 | number of skipped iterations:   0 | number of nan iterations:   0 |
[Rank 0] (after 1 iterations) memory (MB) | allocated: 1024.50 | max allocated: 2048.25 | reserved: 3072.00 | \
max reserved: 4096.00 | total device memory used: 5120.00
[Rank 4] (after 1 iterations) memory (MB) | allocated: 512.00 | max allocated: 1024.00 | reserved: 1536.00 | \
max reserved: 2048.00 | total device memory used: 2560.00
INFO:megatron.core.timers:(min, max) time across ranks (ms):
    forward-backward ...............................: (6000.00, 6500.00)
    forward-compute ................................: (2000.00, 2500.00)
    backward-compute ...............................: (3500.00, 4000.00)
    batch-generator ................................: (80.00, 90.00)
    all-grads-sync .................................: (375.00, 384.00)
    optimizer ......................................: (900.00, 950.00)
    optimizer-inner-step ...........................: (96.00, 144.00)
    params-all-gather ..............................: (10.00, 12.00)
    optimizer-count-zeros ..........................: (1.25, 1.50)
 [2026-01-15 08:00:14.500000] iteration        2/     400 | consumed samples:           32 | \
skipped samples:            4 | elapsed time per iteration (ms): 4000.0 | throughput per GPU (TFLOP/s/GPU): 128.0 | \
energy per GPU (J/iter/GPU): 1600.0 | power per GPU (W/GPU): 400.0 | learning rate: 2.000000E-05 | \
global batch size:    16 | loss scale: 1.0 | grad norm: nan | number of skipped iterations:   0 | \
number of nan iterations:   1 |
-----------------------------------------------------------------------------------------------
 validation-en loss at iteration 2 | lm loss value: 9.500000E+00 | lm loss PPL: 1.335973E+04 |\x20
-----------------------------------------------------------------------------------------------
 validation loss at iteration 2 | lm loss value: 9.250000E+00 | lm loss PPL: 1.040457E+04 |\x20
 [2026-01-15 08:00:18.500000] iteration        3/     400 | consumed samples:           48 | elapsed time per
[Rank 0] (before save_checkpoint for iteration 2) memory (MB) | allocated: 1024.00 | max allocated: 2048.00 | \
reserved: 3072.00 | max reserved: 4096.00
  successfully saved checkpoint from iteration       2 to /ckpt [ t 1/2, p 1/2 ]
    save-checkpoint ................................: (1500.00, 1750.00)
"""

#: Two starts in one file: the second one resumes, ends, and says so; another rank's prefix.
_RESUMED = """\
0: ------------------------ arguments ------------------------
0:   train_iters ..................................... 4
0: -------------------- end of arguments ---------------------
1:  [2024-05-01 10:00:00] iteration        1/       4 | consumed samples:            8 | \
elapsed time per iteration (ms): 1500.0 | learning rate: 1.000000E-04 | global batch size:     8 | \
lm loss: 3.250000E+00 | loss scale: 1.0 | grad norm: 1.500 | number of skipped iterations:   0 | \
number of nan iterations:   0 |
1:  [2024-05-01 10:00:02] iteration        2/       4 | consumed samples:           16 | \
elapsed time per iteration (ms): 1250.0 | learning rate: 1.000000E-04 | global batch size:     8 | \
lm loss: 3.000000E+00 | loss scale: 1.0 | grad norm: 1.250 | number of skipped iterations:   0 | \
number of nan iterations:   0 |
0: Traceback (most recent call last):
0: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.
1: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 4.00 GiB.
srun: error: node01: task 1: Exited with exit code 1
0: ------------------------ arguments ------------------------
0:   train_iters ..................................... 4
0:   world_size ...................................... 16
0: -------------------- end of arguments ---------------------
0:   successfully loaded checkpoint from /ckpt [ t 1/1, p 1/1 ] at iteration 2
1:  [2024-05-01 11:00:00] iteration        3/       4 | consumed samples:           24 | \
elapsed time per iteration (ms): 1750.0 | learning rate: 5.000000E-05 | global batch size:     8 | \
lm loss: 2.750000E+00 | loss scale: 1.0 | grad norm: 1.125 | number of skipped iterations:   0 | \
number of nan iterations:   0 |
1:  [2024-05-01 11:00:02] iteration        4/       4 | consumed samples:           32 | \
elapsed time per iteration (ms): 1250.0 | learning rate: 2.500000E-05 | global batch size:     8 | \
lm loss: 2.500000E+00 | loss scale: 1.0 | grad norm: 1.000 | number of skipped iterations:   0 | \
number of nan iterations:   0 |
0: [after training is done] datetime: 2024-05-01 11:00:03\x20
1:  validation loss at iteration 4 on validation set | lm loss value: 2.625000E+00 | lm loss PPL: 1.380457E+01 |\x20
1:  validation loss at iteration 4 on test set | lm loss value: 2.650000E+00 | lm loss PPL: 1.415404E+01 |\x20
"""

#: Megatron-LM 1 and 2: no clock, timers in one line, memory of any precision, BERT's second loss, MTP's second layer.
_OLD = """\
 iteration      100/    1000 | elapsed time per iteration (ms): 500.5 | learning rate: 1.500E-04 | \
lm loss: 7.250000E+00 | sop loss: 6.500000E-01 | mtp_2 loss: 7.500000E+00 | loss scale: 4294967296.0 |
after 100 iterations memory usage is high
(after 100 iterations) memory (MB) | allocated: 1024.5 | max allocated: 2048.25 | cached: 3072.0 | max cached: 4096.0
time (ms) | forward: 160.25 | backward: 300.50 | allreduce: 20.25 | optimizer: 30.75 | batch generator: 2.50
 iteration      200/    1000 | consumed samples:         3200 | elapsed time per iteration (ms): 400.5 | \
learning rate: 1.500E-04 | global batch size:    16 | loss scale: 65536.0 | number of skipped iterations:   2 | \
number of nan iterations:   0 |
---------------------------------------------------------------------------------------------------------------------
 validation loss at the end of training for val data | lm loss value: 6.500000E+00 | lm loss PPL: 6.651416E+02 |\x20
"""

#: Megatron-DeepSpeed behind pdsh, with Zeus and the pipeline engine's own line; BigScience's seconds.
_DEEPSPEED = """\
10.0.0.1: [2025-03-01 08:00:00,123] [INFO] [launch.py:168:main] nnodes=2, num_local_procs=8, node_rank=0
10.0.0.1: [before the start of training step] datetime: 2025-03-01 08:01:00\x20
10.0.0.1: steps: 5 loss: 10.2500 iter time (s): 1.950 samples/sec: 8.205
10.0.0.2:  iteration        5/     100 | consumed samples:           80 | consumed tokens:       163840 | \
elapsed time per iteration (ms): 2000.0 | learning rate: 1.000E-05 | global batch size:    16 | \
lm loss: 1.025000E+01 | loss scale: 1.0 | grad norm: 2.125 | num zeros: 0.0 | curriculum seqlen:  1024 | \
actual seqlen:  2048 | number of skipped iterations:   0 | number of nan iterations:   0 | \
samples per second: 8.000 | tokens per gpu per second (tgs): 1024.000 | TFLOPs: 55.50 |
10.0.0.1: [Zeus] Steps 1-5: Energy=10.00 Wh (36000.0 J), Avg Power=3600.0 W, Time=10.0 s
10.0.0.1: [2025-03-01 08:01:10,000] [INFO] [logging.py:96:log_dist] [Rank 0] time (ms) | fwd_microstep: 10.00
"""

#: GPT-NeoX: speed before the step.
_NEOX = """\
 samples/sec: 32.500 | iteration       10/  320000 | elapsed time per iteration (s): 1.25 | learning rate: 1.200E-05 \
| approx flops per GPU: 40.5TFLOPS | lm_loss: 1.050000E+01 | loss scale: 4096.0 | number of skipped iterations:   0 \
| number of nan iterations:   0 |
 validation results at iteration 10 | lm_loss value: 1.025000E+01 | lm_loss_ppl value: 2.828262E+04 |\x20
"""

#: Argonne's Megatron-DeepSpeed: ``key=value``; two processes that wrote into one line.
_ARGONNE = """\
[2024-09-16 22:59:19.289582][INFO][training:1277] - iteration=       1/  317892 | consumed_samples=         256 | \
consumed_tokens=     1048576 | elapsed_time_per_iteration_ms=17711.5 | learning_rate=1.50e-06 | \
global_batch_size=  256 | lm loss=11.125000 | loss_scale=1.0 | grad_norm=6.375 | actual_seqlen= 4096 | \
number_of_skipped_iterations=  0 | number_of_nan_iterations=  0 | samples_per_second=25.5 | \
tokens_per_gpu_per_second_tgs=4432.5 | [LM]TFLOPs=20.25 | [DS]TFLOPs=26.25 |
[2024-09-16 22:59:19.300000][INFO][utils:207] - [Rank 0] (after 1 iterations) memory (MB) | allocated: 10.5 | \
max allocated: 20.5 | reserved: 30.5 | max reserved: 40.0[Rank 1] (after 1 iterations) memory (MB) | allocated: 11.5 | \
max allocated: 21.5 | reserved: 31.5 | max reserved: 41.0
"""

#: Primus: value and running mean, memory as AMD's tools see it; a line without its last bar.
_PRIMUS = """\
[20260101 09:12:08][rank-7/8][INFO ] [--------trainer.py:2560] :  iteration      126/    5000 | \
consumed samples:        16128 | elapsed time per iteration (ms): 13372.5/13364.5 | \
hip mem usage/free/total/usage_ratio: 153.50GB/102.25GB/255.75GB/60.02% | \
throughput per GPU (TFLOP/s/GPU): 567.5/568.0 | tokens per GPU (tokens/s/GPU): 9801.5/9807.5 | \
learning rate: 9.984820E-06 | global batch size:   128 | lm loss: 6.500000E+00 | loss scale: 1.0 | grad norm: 0.061 | \
number of skipped iterations:   0 | number of nan iterations:   0
[20260101 09:12:21][rank-7/8][INFO ] [--------trainer.py:2560] :  iteration      127/    5000 | \
consumed samples:        16256 | elapsed time per iteration (ms): 13000.5/13364.5 | \
compute per GPU (TFLOP/s/GPU): 615.5 (avg 610.5) | tokens/s/GPU inst/harmonic mean: 11941.5/11900.5 | \
lm loss: 6.250000E+00 | number of skipped iterations:   0 | number of nan iterations:   0 |
"""

#: MindSpeed-LLM on FSDP2: percent, GiB, tokens of the whole system.
_FSDP2 = """\
INFO [2026-02-01 19:25:37] >>  iteration        1/    2000 | consumed samples:          8 | \
consumed tokens:       4096 | elapsed time per iteration (ms): 8000.25 | tokens/s: 512.00 | mfu: 37.50 | \
learning rate: 1.666667E-07 | global batch size:     8 | lm loss: 3.250000E+00 | mtp loss: 3.500000E+00 | \
aux loss: 1.500000E-02 | grad norm: 70.500 | max_memory_allocated(GB): 19.25 | max_memory_reserved(GB): 20.50 | \
cpu_used_memory(GB): 64.00 | cpu_memory_usage(%): 12.5 |
"""
_FSDP2_FIRST = """\
iteration: 5 | consumed samples: 40 | elapsed time per iteration (ms): 1500.5 | throughput(samples/s): 5.5 | \
learning rate: 1.000000E-05 | global batch size:    8 | lm loss: 3.2500 | grad norm: 1.5000
"""

#: Zero-shot tasks and GLUE of ``tasks/``.
_TASKS = """\
> working on iteration: 0
-------------------------------------------------------------------------------------------------------------------
 validation results on LAMBADA | number correct: 3.1000E+03 | total examples: 5.1530E+03 | avg accuracy: 6.0160E-01
-------------------------------------------------------------------------------------------------------------------
 validation results on WIKITEXT103 | avg loss: 2.5000E+00 | ppl: 1.2182E+01 | adjusted ppl: 1.8000E+01 | \
token ratio: 1.15625 |
 > |epoch: 1| metrics for dev-m: correct / total = 750 / 1000 = 75.00 %, elapsed time (sec): 12.500
done :-)
"""

_MIB, _GIB = 2.0**20, 2.0**30
_NAN = math.nan

_RANK_TIMERS = """\
Step Time : 5.36s GPU utilization: 456.5MODEL_TFLOP/s/GPU
 [2024-04-06 03:02:12] iteration       10/     100 | elapsed time per iteration (ms): 5361.6 | lm loss: 1.818812E+00 |
times across ranks (ms):
  forward-backward:
     rank  0: 5241.50
     rank  1: 5250.00
  optimizer:
     rank  0: 20.25
     rank  1: 20.50
"""

SAMPLES = (
    Sample(
        "slurm/logs/12345.out",
        _MODERN,
        matched=21,
        points={
            ("train", "samples", 1): 16.0,
            ("train", "skipped_samples", 2): 4.0,
            ("train", "step_time", 1): 8.0,
            ("train", "tflops_per_device", 2): 128.0,
            ("train", "energy", 1): 3200.0,
            ("train", "power", 1): 400.0,
            ("train", "learning_rate", 1): 1e-5,
            ("train", "decoupled_learning_rate", 1): 2e-5,
            ("train", "global_batch_size", 1): 16.0,
            ("train", "loss", 1): 10.5,
            ("train", "loss", 2): _NAN,
            ("train", "mtp_1_loss", 1): 11.0,
            ("train", "moe_balance_loss", 1): 1.25,
            ("train", "z_loss", 1): 0.5,
            ("train", "loss_scale", 1): 1.0,
            ("train", "grad_norm", 2): _NAN,
            ("train", "grad_zeros", 1): 12.0,
            ("train", "params_norm", 1): 400.5,
            ("train", "skipped_iterations", 1): 0.0,
            ("train", "nan_iterations", 2): 1.0,
            ("train", "memory_allocated", 1): 1024.5 * _MIB,
            ("train", "memory_allocated_peak", 1): 1024.0 * _MIB,
            ("train", "memory_reserved", 1): 3072.0 * _MIB,
            ("train", "memory_reserved_peak", 2): 4096.0 * _MIB,
            ("train", "memory_used", 1): 2560.0 * _MIB,
            ("train", "checkpoint_load_time", None): 0.25,
            ("train", "checkpoint_save_time", 2): 1.75,
            ("train", "forward_backward_time", 1): 6.5,
            ("train", "forward_time", 1): 2.0,
            ("train", "backward_time", 1): 4.0,
            ("train", "data_time", 1): 0.09,
            ("train", "gradient_sync_time", 1): 0.375,
            ("train", "optimizer_time", 1): 0.95,
            ("train", "optimizer_update_time", 1): 0.144,
            ("train", "parameter_gather_time", 1): 0.012,
            ("train", "init_time", None): 57.25,
            ("train", "model_setup_time", None): 0.5,
            ("train", "dataset_setup_time", None): 9.5,
            ("train", "optimizer-count-zeros (min)", 1): 1.25,
            ("train", "optimizer-count-zeros (max)", 1): 1.5,
            ("val", "loss", 2): 9.25,
            ("val", "perplexity", 2): 10404.57,
            ("val", "validation-en lm loss value", 2): 9.5,
            ("val", "validation-en lm loss PPL", 2): 13359.73,
        },
        runs={
            "slurm/logs/12345": {
                "kind": "training",
                "framework": "megatron-lm",
                "device": None,
                "device_count": 8,
                "precision": "bf16",
                "parallelism": "tp2-pp2-dp2",
                "status": None,
                "config": {
                    "seq_length": 4096,
                    "train_iters": 400,
                    "parameters_by_rank": {"(0, 0)": 1250000},
                    "a_name_that_is_longer_than_the_forty_eight_characters": "probs",
                    "fp8": None,
                },
            }
        },
        events=("checkpoint",),
        suspects=1,
        unknown=(
            "optimizer-count-zeros (min)",
            "optimizer-count-zeros (max)",
            "validation-en lm loss value",
            "validation-en lm loss PPL",
        ),
    ),
    Sample(
        "jobs/resumed.log",
        _RESUMED,
        matched=6,
        points={
            ("train", "loss", 2): 3.0,
            ("train", "step_time", 3): 1.75,
            ("val", "loss", 4): 2.625,
            ("test", "perplexity", 4): 14.15404,
        },
        runs={
            "jobs/resumed": {"status": "failed", "device_count": None, "resumed_from": None},
            "jobs/resumed#2": {"status": "completed", "device_count": 16, "resumed_from": 2},
        },
        events=("error", "oom", "resume"),
    ),
    Sample(
        "old/train.log",
        _OLD,
        matched=5,
        points={
            ("train", "step_time", 100): 0.5005,
            ("train", "sop_loss", 100): 0.65,
            ("train", "mtp_2 loss", 100): 7.5,
            ("train", "loss_scale", 100): 4294967296.0,
            ("train", "memory_reserved_peak", 100): 4096.0 * _MIB,
            ("train", "forward_time", 100): 0.16025,
            ("train", "gradient_sync_time", 100): 0.02025,
            ("train", "data_time", 100): 0.0025,
            ("val", "loss", 200): 6.5,
        },
        runs={"old/train": {"kind": "training", "status": None}},
        unknown=("mtp_2 loss",),
    ),
    Sample(
        "ds/train.log",
        _DEEPSPEED,
        matched=3,
        points={
            ("train", "total_tokens", 5): 163840.0,
            ("train", "step_time", 5): 2.0,
            ("train", "sequence_length", 5): 2048.0,
            ("train", "samples_per_second", 5): 8.205,
            ("train", "tokens_per_second_per_device", 5): 1024.0,
            ("train", "tflops_per_device", 5): 55.5,
            ("train", "energy", 5): 36000.0,
            ("train", "power", 5): 3600.0,
            ("train", "benchmark_duration", 5): 10.0,
        },
        runs={"ds/train": {"framework": "megatron-deepspeed", "node_count": 2}},
    ),
    Sample(
        "neox/train.log",
        _NEOX,
        matched=2,
        points={
            ("train", "samples_per_second", 10): 32.5,
            ("train", "step_time", 10): 1.25,
            ("train", "tflops_per_device", 10): 40.5,
            ("train", "loss", 10): 10.5,
            ("val", "perplexity", 10): 28282.62,
        },
        runs={"neox/train": {"framework": "gpt-neox"}},
    ),
    Sample(
        "argonne/train.log",
        _ARGONNE,
        matched=1,
        points={
            ("train", "total_tokens", 1): 1048576.0,
            ("train", "step_time", 1): 17.7115,
            ("train", "learning_rate", 1): 1.5e-6,
            ("train", "loss", 1): 11.125,
            ("train", "loss_scale", 1): 1.0,
            ("train", "tokens_per_second_per_device", 1): 4432.5,
            ("train", "tflops_per_device", 1): 26.25,
            ("train", "memory_allocated", 1): 11.5 * _MIB,
            ("train", "memory_reserved_peak", 1): 40.0 * _MIB,
        },
        runs={"argonne/train": {"framework": "megatron-deepspeed"}},
    ),
    Sample(
        "primus/train.log",
        _PRIMUS,
        matched=2,
        points={
            ("train", "step_time", 126): 13.3645,
            ("train", "step_time", 127): 13.0005,
            ("train", "tflops_per_device", 126): 568.0,
            ("train", "tflops_per_device", 127): 610.5,
            ("train", "tokens_per_second_per_device", 126): 9801.5,
            ("train", "tokens_per_second_per_device", 127): 11900.5,
            ("train", "memory_used", 126): 153.5 * _GIB,
            ("train", "memory_total", 126): 255.75 * _GIB,
            ("train", "device memory free (GB)", 126): 102.25,
            ("train", "nan_iterations", 126): 0.0,
        },
        runs={"primus/train": {"framework": "primus", "config": {"train_iters": 5000}}},
        unknown=("device memory free (GB)",),
    ),
    Sample(
        "fsdp2/train.log",
        _FSDP2,
        matched=1,
        points={
            ("train", "tokens_per_second", 1): 512.0,
            ("train", "mfu", 1): 0.375,
            ("train", "step_time", 1): 8.00025,
            ("train", "moe_balance_loss", 1): 0.015,
            ("train", "memory_allocated_peak", 1): 19.25 * _GIB,
            ("train", "memory_reserved_peak", 1): 20.5 * _GIB,
            ("train", "host_memory_used", 1): 64.0 * _GIB,
            ("train", "cpu_memory_usage(%)", 1): 12.5,
        },
        runs={"fsdp2/train": {"framework": "mindspeed-llm", "config": {"train_iters": 2000}}},
        unknown=("cpu_memory_usage(%)",),
    ),
    Sample(
        "fsdp2/first.log",
        _FSDP2_FIRST,
        matched=1,
        points={
            ("train", "samples_per_second", 5): 5.5,
            ("train", "loss", 5): 3.25,
            ("train", "grad_norm", 5): 1.5,
        },
        runs={"fsdp2/first": {"status": None}},
    ),
    Sample(
        "timers/all.log",
        _RANK_TIMERS,
        matched=5,
        points={
            ("train", "tflops_per_device", 10): 456.5,
            ("train", "forward_backward_time", 10): 5.25,
            ("train", "optimizer_time", 10): 0.0205,
        },
        runs={"timers/all": {"status": None}},
    ),
    Sample(
        "eval/run7/attempt_0/3/stdout.log",
        _TASKS,
        matched=3,
        measurements={
            ("LAMBADA", "accuracy", "value"): 0.6016,
            ("LAMBADA", "correct_answers", "value"): 3100.0,
            ("LAMBADA", "evaluated_samples", "value"): 5153.0,
            ("WIKITEXT103", "loss", "value"): 2.5,
            ("WIKITEXT103", "perplexity", "value"): 12.182,
            ("WIKITEXT103", "adjusted_perplexity", "value"): 18.0,
            ("WIKITEXT103", "token_ratio", "value"): 1.15625,
            ("dev-m", "accuracy", "value"): 0.75,
        },
        runs={"eval/run7/attempt_0": {"kind": "evaluation"}},
    ),
)
