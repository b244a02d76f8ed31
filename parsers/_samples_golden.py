"""Composed samples of the result files of Megatron's, FlagScale's and MindSpeed-LLM's tests."""

from __future__ import annotations

import math

from llmstats.parsing import Sample

_MIB, _GIB = 2.0**20, 2.0**30
_NAN = math.nan

_BY_STEP = """\
{"lm loss": {"start_step": 1, "end_step": 10, "step_interval": 5, "values": {"1": 10.5, "5": 10.25, "10": NaN}},\
 "num-zeros": {"start_step": 1, "end_step": 10, "step_interval": 5, "values": {"1": 1100.0, "5": 1200.0}},\
 "mem-allocated-bytes": {"start_step": 1, "end_step": 10, "step_interval": 5, "values": {"5": 762171904.0}},\
 "mem-max-allocated-bytes": {"start_step": 1, "end_step": 10, "step_interval": 5, "values": {"5": 2782107136.0}},\
 "iteration-time": {"start_step": 1, "end_step": 10, "step_interval": 5, "values": {"1": "nan", "5": 0.25}}}"""

_INDENTED = """\
{
    "lm loss": {
        "start_step": 1,
        "end_step": 2,
        "step_interval": 1,
        "values": {
            "1": 10.5,
            "2": 10.25
        }
    },
    "mtp_1 loss": {
        "start_step": 1,
        "end_step": 2,
        "step_interval": 1,
        "values": {
            "1": 11.5,
            "2": 11.25
        }
    },
    "total loss": {
        "start_step": 1,
        "end_step": 2,
        "step_interval": 1,
        "values": {
            "2": 12.25
        }
    }
}
"""
_LISTS = """\
{"lm loss": {"start_step": 0, "end_step": 11, "step_interval": 5, "values": [10.75, 10.5, 10.25]},\
 "num-zeros": {"start_step": 0, "end_step": 11, "step_interval": 5, "values": [1500.0, 1600.0, 1700.0]},\
 "iteration_timing_avg": 0.125}
"""

_BEFORE = """\
{"forward-compute-time": {"start_step": 0, "end_step": 10, "step_interval": 5, "values": [3.5, 0.25]},\
 "optimizer-count-zeros-time": {"start_step": 0, "end_step": 10, "step_interval": 5, "values": [0.5, 0.125]},\
 "learning-rate": {"start_step": 0, "end_step": 10, "step_interval": 5, "values": [0.0001, 9e-05]},\
 "learning-rate vs samples": {"start_step": 0, "end_step": 10, "step_interval": 5, "values": [0.0001, 9e-05]},\
 "batch-size": {"start_step": 0, "end_step": 10, "step_interval": 5, "values": [32.0, 32.0]},\
 "loss-scale": {"start_step": 0, "end_step": 10, "step_interval": 5, "values": [1.0, 2.0]},\
 "grad-norm": {"start_step": 0, "end_step": 10, "step_interval": 5, "values": [31.5, 2.75]},\
 "params-norm": {"start_step": 0, "end_step": 10, "step_interval": 5, "values": [309.5, 309.25]},\
 "lm loss validation": {"start_step": 0, "end_step": 2, "step_interval": 5, "values": [6.875]},\
 "lm loss validation ppl": {"start_step": 0, "end_step": 2, "step_interval": 5, "values": [967.5]}}
"""

GOLDEN_SAMPLES = (
    Sample(
        "tests/functional_tests/test_cases/gpt/gpt3_te_tp2_pp2/golden_values_dev_dgx_h100.json",
        _BY_STEP,
        matched=1,
        points={
            ("train", "loss", 5): 10.25,
            ("train", "loss", 10): _NAN,
            ("train", "grad_zeros", 1): 1100.0,
            ("train", "memory_allocated", 5): 762171904.0,
            ("train", "memory_allocated_peak", 5): 2782107136.0,
            ("train", "step_time", 5): 0.25,
        },
        runs={
            "gpt/gpt3_te_tp2_pp2/dev_dgx_h100": {
                "kind": "training",
                "vendor": "NVIDIA",
                "device": "H100",
                "device_count": None,
                "parallelism": "tp2-pp2",
                "environment": {"platform": "dgx_h100"},
            }
        },
    ),
    Sample(
        "test_cases/moe/mtp_tp1_pp1/golden_values_lts.json",
        _INDENTED,
        matched=5,
        points={
            ("train", "loss", 2): 10.25,
            ("train", "mtp_1_loss", 2): 11.25,
            ("train", "total loss", 2): 12.25,
        },
        runs={"moe/mtp_tp1_pp1/lts": {"device": None, "parallelism": None}},
        unknown=("total loss",),
    ),
    Sample(
        "test_results/jet/gpt3_mcore_bf16_nodes-1_gpus-8_steps-50_tp-2_pp-1.json",
        _LISTS,
        matched=1,
        points={("train", "loss", 1): 10.75, ("train", "loss", 11): 10.25, ("train", "grad_zeros", 6): 1600.0},
        measurements={("step_time", "mean"): 0.125},
        runs={
            "jet/gpt3_mcore_bf16_nodes-1_gpus-8_steps-50_tp-2_pp-1": {
                "device_count": 8,
                "precision": "bf16",
                "parallelism": "tp2",
            }
        },
    ),
    Sample(
        "test_cases/t5/t5_220m_tp2_pp2_dgx_a100_1N8G/golden_values_dev_dgx_h100.json",
        _BEFORE,
        matched=1,
        points={
            ("train", "forward_time", 6): 0.25,
            ("train", "optimizer-count-zeros-time", 6): 0.125,
            ("train", "learning_rate", 6): 9e-05,
            ("train", "global_batch_size", 1): 32.0,
            ("train", "loss_scale", 6): 2.0,
            ("train", "grad_norm", 6): 2.75,
            ("train", "params_norm", 6): 309.25,
            ("val", "loss", None): 6.875,
            ("val", "perplexity", None): 967.5,
        },
        runs={"t5/t5_220m_tp2_pp2_dgx_a100_1N8G/dev_dgx_h100": {"device": "H100", "device_count": 8}},
        unknown=("optimizer-count-zeros-time",),
    ),
)

_STATIC = """\
{"0": {"input_prompt": "The quick", "generated_text": " brown fox", "generated_tokens": [11, 12, 13],\
 "tpot": [1.5, 0.25, 0.75], "latency": 2.5, "logprobs": [-1.5, -2.5]},\
 "1": {"input_prompt": "A", "generated_text": " b", "generated_tokens": [7], "tpot": [1.5], "latency": 2.5}}
"""
_DYNAMIC = """\
{
 "0": {
  "input_prompt": "The quick",
  "generated_text": " brown fox",
  "generated_tokens": [11, 12, 13],
  "latency": 2.5,
  "ttft": 0.125,
  "logprobs": [-1.5]
 },
 "throughput": [8.5, 12.25],
 "mem-max-allocated-bytes": 22786866688,
 "lifetime_prefill_token_count": 88
}
"""

INFERENCE_SAMPLES = (
    Sample(
        "gpt/gpt_static_inference_tp1/golden_values_dev_dgx_h100.json",
        _STATIC,
        matched=1,
        measurements={("e2e_batch_latency", "value"): 2.5},
        runs={"gpt/gpt_static_inference_tp1/dev_dgx_h100": {"kind": "inference", "device": "H100"}},
    ),
    Sample(
        "out/results.json",
        _DYNAMIC,
        matched=3,
        measurements={
            ("output_tokens_per_second", "value"): 12.25,
            ("memory_allocated_peak", "value"): 22786866688.0,
        },
        runs={"out/results": {"kind": "inference", "config": {"lifetime_prefill_token_count": 88}}},
    ),
    Sample(
        "hybrid/toy_async/golden_values_dev_dgx_h100.json",
        '{"0": {"generated_tokens": [2157, 1395]}, "1": {"generated_tokens": [2157]}}\n',
        matched=1,
        runs={"hybrid/toy_async/dev_dgx_h100": {"kind": "inference", "device": "H100"}},
    ),
)

_FLAGSCALE = '{"lm loss:": {"values": [11.5, 11.25, NaN]}}\n'
_HETERO = '{"lm loss:": {"values": [[11.5, 11.25]]}}\n'
_PATCH = """\
diff --git a/tests/functional_tests/test_cases/train/mixtral/results_gold/tp2_ep2.json \
b/tests/functional_tests/test_cases/train/mixtral/results_gold/tp2_ep2.json
index 1111111..2222222 100644
--- a/tests/functional_tests/test_cases/train/mixtral/results_gold/tp2_ep2.json
+++ b/tests/functional_tests/test_cases/train/mixtral/results_gold/tp2_ep2.json
@@ -1 +1 @@
-{"lm loss:": {"values": [11.5, 11.25]}}
+{"lm loss:": {"values": [11.75, 11.0]}}

"""

FLAGSCALE_SAMPLES = (
    Sample(
        "tests/test_cases/train/aquila/results_gold/tp2_pp2.json",
        _FLAGSCALE,
        matched=1,
        points={("train", "loss", 2): 11.25, ("train", "loss", 3): _NAN},
        runs={"train/aquila/tp2_pp2": {"model": "aquila", "parallelism": "tp2-pp2", "vendor": None}},
    ),
    Sample(
        "test_cases/hetero_train/aquila/results_gold/tp2dp1pp1_tp2dp2pp1.json",
        _HETERO,
        matched=1,
        points={("train", "loss", 1): 11.5},
        runs={"hetero_train/aquila/tp2dp1pp1_tp2dp2pp1": {"parallelism": None}},
    ),
    Sample(
        "tests/benchmarks/test_cases/train/aquila/results_gold/tp4_pp2.json",
        '{"tokens/sec": {"values": [93.5, 251.5]}, "iteration_time_ms": {"values": [10951.5, 4071.5]}}\n',
        matched=1,
        points={("train", "samples_per_second", 2): 251.5, ("train", "step_time", 2): 4.0715},
        runs={"train/aquila/tp4_pp2": {"model": "aquila", "parallelism": "tp4-pp2"}},
    ),
    Sample(
        "tests/benchmarks/test_cases/inference/qwen3/results_gold/4b-tp2.json",
        '{\n  "throughput": 20.96,\n  "avg_latency": 0.763\n}\n',
        matched=2,
        measurements={("output_tokens_per_second", "value"): 20.96, ("e2e_batch_latency", "mean"): 0.763},
        runs={"inference/qwen3/4b-tp2": {"kind": "inference", "model": "qwen3"}},
    ),
    Sample(
        "test_cases/rl/toy/results_gold/0_5b.json",
        '{"val-core/openai/gsm8k/reward/mean@1": [0.25, 0.5]}\n',
        matched=1,
        measurements={("val-core/openai/gsm8k/reward/mean@1", "value"): 0.5},
        runs={"rl/toy/0_5b": {"model": "toy"}},
        unknown=("val-core/openai/gsm8k/reward/mean@1",),
    ),
    Sample(
        "hardware/Toy_X1/FlagScale/test_cases/train/mixtral/results_gold/tp2_ep2.json.patch",
        _PATCH,
        matched=1,
        points={("train", "loss", 1): 11.75, ("train", "loss", 2): 11.0},
        runs={"Toy_X1/train/mixtral/tp2_ep2": {"vendor": "Toy", "device": "X1", "parallelism": "tp2-ep2"}},
    ),
)

_BASELINE = """\
{
    "lm loss margin": 0.02,
    "lm loss": [
        12.5,
        12.25
    ],
    "grad norm": [
        50.5,
        40.25
    ],
    "throughput": [
        4.5,
        19.5
    ],
    "time info": [
        20000.5,
        1000.5
    ],
    "memo info": [
        {
            "rank": 0,
            "allocated memory": 1024.5,
            "max allocated memory": 2048.25,
            "format": "megatron"
        },
        {
            "rank": 1,
            "allocated memory": 512.0,
            "max allocated memory": 1024.0,
            "format": "megatron"
        }
    ]
}
"""
_FSDP2 = """\
{"lm loss": [3.5, 3.25], "time info": [1500.25, 1250.5], "memo info": [{"iteration": 1, "max allocated memory": 19.25,\
 "format": "fsdp2"}, {"iteration": 2, "max allocated memory": 20.5, "format": "fsdp2"}]}
"""

_MULTIMODAL = """\
{"loss":  [12.5, 10.25], "time": [7600.5, 900.5], "warm_up": 1,\
 "memo info": [{"rank": 0, "allocated memory": 1024.5, "max allocated memory": 2048.25}]}
"""

MINDSPEED_SAMPLES = (
    Sample(
        "tests/st/baseline_results/toy_tp2_pp2_vpp2.json",
        _BASELINE,
        matched=8,
        points={
            ("train", "loss", 2): 12.25,
            ("train", "grad_norm", 1): 50.5,
            ("train", "tflops_per_device", 2): 19.5,
            ("train", "step_time", 2): 1.0005,
            ("train", "memory_allocated", None): 1024.5 * _MIB,
            ("train", "memory_allocated_peak", None): 1024.0 * _MIB,
        },
        runs={
            "baseline_results/toy_tp2_pp2_vpp2": {
                "parallelism": "tp2-pp2-vpp2",
                "vendor": None,
                "config": {"lm loss margin": 0.02},
            }
        },
    ),
    Sample(
        "st/toy_fsdp2.json",
        _FSDP2,
        matched=1,
        points={("train", "memory_allocated_peak", 2): 20.5 * _GIB, ("train", "step_time", 1): 1.50025},
        runs={"st/toy_fsdp2": {"framework": "mindspeed-llm"}},
    ),
    Sample(
        "MindSpeed-MM/tests/st/baseline_results/finetune_toy.json",
        _MULTIMODAL,
        matched=1,
        points={
            ("train", "loss", 2): 10.25,
            ("train", "step_time", 2): 0.9005,
            ("train", "memory_allocated_peak", None): 2048.25 * _MIB,
        },
        runs={"baseline_results/finetune_toy": {"framework": "mindspeed-mm", "config": {"warm_up": 1.0}}},
    ),
    Sample(
        "verl_tests/st/baseline_results/toy-fsdp.json",
        '{"entropy": [0.25], "logp_diff": [0.0005], "pg_loss": [0.00025], "grad_norm": [0.5]}\n',
        matched=1,
        points={
            ("train", "entropy", 1): 0.25,
            ("train", "logp_diff", 1): 0.0005,
            ("train", "pg_loss", 1): 0.00025,
            ("train", "grad_norm", 1): 0.5,
        },
        runs={"baseline_results/toy-fsdp": {"framework": "verl"}},
        unknown=("entropy", "logp_diff", "pg_loss"),
    ),
)

_JOB = "\tJob ID: 77\t# GPUs: 64\t"
_PROGRESS = f"""\
2024-05-01 10:00:00{_JOB}Starting job
2024-05-01 12:00:00{_JOB}Saved checkpoint\tIteration: 1000\tJob throughput: 350.5 TFLOP/s/GPU\t\
Cumulative throughput: 340.5 TFLOP/s/GPU\tFloating-point operations: 1.50e+20\tTokens (in billions): 1.25
2024-05-02 10:00:00{_JOB}Starting job
2024-05-02 12:00:00{_JOB}Saving async checkpoint\tIteration: 2000\tJob throughput: 360.5 TFLOP/s/GPU\t\
Cumulative throughput: 341.5 TFLOP/s/GPU\tFloating-point operations: 3.00e+20\tTokens (in billions): 2.50
2024-05-02 12:00:30{_JOB}Saved async checkpoint\tIteration: 2000
2024-05-03 10:00:00\tJob ID: 78\t# GP
no line of ours
"""

PROGRESS_SAMPLES = (
    Sample(
        "ckpt/progress.txt",
        _PROGRESS,
        matched=2,
        points={
            ("train", "tflops_per_device", 1000): 340.5,
            ("train", "tflops_per_device", 2000): 360.5,
            ("train", "training_flop", 1000): 1.5e20,
            ("train", "total_tokens", 2000): 2.5e9,
        },
        runs={
            "ckpt/progress": {"device_count": 64, "experiment": "ckpt/progress"},
            "ckpt/progress#2": {"config": {"job_id": "77"}},
        },
        events=("checkpoint", "checkpoint", "checkpoint"),
        suspects=1,
    ),
    Sample(
        "other/progress.txt",
        "2024-05-01 10:00:00\tJob ID: \t# GPUs: 8\tStarting job\n",
        matched=0,
        runs={"other/progress": {"device_count": 8}},
    ),
)

_WINDOW = (
    '"avg_power_w": 4000.0, "energy_j": 40000.0, "energy_wh": 11.111, "interval_samples": 80, '
    '"interval_tokens": 163840, "interval_tokens_per_j": 4.096, "interval_tokens_per_wh": 14745.6, "num_steps": 5, '
    '"step_end": 5, "step_start": 1, "time_s": 10.0, "total_avg_power_w": 4000.5, "total_energy_j": 40000.5, '
    '"total_samples": 80, "total_time_s": 10.5, "total_tokens": 163840, "total_tokens_per_j": 4.0, '
    '"window_name": "interval_1"'
)
_STAMP = '"run_id": "toy_tp4_20260315", "timestamp": "2026-03-15T07:40:39Z"}'
_ZEUS = f"""\
{{"event_type": "initialized", "payload": {{"status": "initialized"}}, {_STAMP}
{{"event_type": "interval", "payload": {{"interval_metrics": {{"zeus": {{{_WINDOW}}}}}, "iteration": 5}}, {_STAMP}
{{"event_type": "finalized", "payload": {{"final_iteration": 5, "status": "completed"}}, {_STAMP}
"""

ZEUS_SAMPLES = (
    Sample(
        "toy_tp4_20260315_DGX/events.jsonl",
        _ZEUS,
        matched=3,
        points={
            ("train", "energy", 5): 40000.0,
            ("train", "power", 5): 4000.5,
            ("train", "benchmark_duration", 5): 10.5,
            ("train", "tokens_per_joule", 5): 4.096,
            ("train", "total_tokens", 5): 163840.0,
        },
        runs={"toy_tp4_20260315": {"status": "completed", "framework": "megatron-deepspeed"}},
        events=("phase", "phase"),
    ),
    Sample(
        "cut/events.jsonl",
        _ZEUS[: _ZEUS.index('{"event_type": "finalized"')],
        matched=2,
        points={("train", "energy", 5): 40000.5},
        runs={"toy_tp4_20260315": {"status": None}},
        events=("phase",),
    ),
)
