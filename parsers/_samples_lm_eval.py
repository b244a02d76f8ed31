"""Samples of lm-evaluation-harness's formats, composed."""

from __future__ import annotations

from llmstats.parsing import Sample

_NEW = """\
{
  "results": {
    "toysum": {
      "alias": "toysum",
      "exact_match,strict-match": 0.25,
      "exact_match_stderr,strict-match": 0.0123,
      "exact_match,flexible-extract": 0.5,
      "exact_match_stderr,flexible-extract": "N/A",
      "pass@1,none": 0.125,
      "acc_mutual_info,none": 0.4375
    },
    "toywiki": {
      "name": "toywiki", "alias": "toywiki", "sample_len": 62,
      "word_perplexity,none": 11.5,
      "byte_perplexity,none": 1.5,
      "bits_per_byte,none": 0.625
    },
    "toys": {"alias": "toys", " ": " ", "acc,none": 0.75, "acc_stderr,none": 0.0625},
    "squadv2": {"alias": "squadv2", "f1,none": 43.75, "exact,none": 40.5},
    "toygen": {"alias": "toygen", "bleu,none": 31.5, "chrf,none": 52.5, "ter,none": 61.5, "rouge1,none": 44.5,
      "rouge2,none": 21.5, "rougeL,none": 33.5, "toy_style,none": 3.5, "percent_parseable,none": 87.5,
      "rouge1_diff,none": -1.5, "bleu_diff,none": 2.5}
  },
  "groups": {
    "toys": {"alias": "toys", "acc,none": 0.75, "acc_stderr,none": 0.0625},
    "toygroup": {"alias": "toygroup", "brier_score,none": 0.375, "mcc,none": -0.25}
  },
  "group_subtasks": {"toys": []},
  "configs": {"toysum": {"task": "toysum", "num_fewshot": 5}},
  "versions": {"toysum": 3.0, "toywiki": "Yaml"},
  "n-shot": {"toysum": 5, "toywiki": 0},
  "higher_is_better": {"toygen": {"toy_style": true}},
  "n-samples": {"toysum": {"original": 1319, "effective": 100}},
  "config": {
    "model": "hf",
    "model_args": {"pretrained": "toyorg/Toy-7B", "dtype": "auto"},
    "model_dtype": "torch.bfloat16",
    "batch_size": "8", "batch_sizes": [], "device": "cuda:0", "limit": 100.0, "bootstrap_iters": 100000
  },
  "git_hash": "abc1234",
  "date": 1740445146.5,
  "pretty_env_info": "PyTorch version: 2.5.1+toy\\nGPU 0: Toy X1\\nGPU 1: Toy X1\\nOS: ToyOS 1",
  "transformers_version": "4.49.0",
  "model_name": "toyorg/Toy-7B",
  "model_name_sanitized": "toyorg__Toy-7B",
  "start_time": 9004666.02,
  "end_time": 9004820.27,
  "total_evaluation_time_seconds": "154.25"
}
"""
_OLD = """\
{
  "results": {
    "hendrycksTest-toys": {
      "acc": 0.25,
      "acc_stderr": 0.0434,
      "acc_norm": 0.3125,
      "acc_norm_stderr": 0.0463
    },
    "lambada_toy": {
      "ppl": 12.5,
      "ppl_stderr": 0.375,
      "acc": 0.5
    },
    "crows_toys": {"likelihood_difference": 11.25, "pct_stereotype": 0.5625},
    "bigbench_toys": {"multiple_choice_grade": 0.625, "exact_str_match": 0.125}
  },
  "versions": {"hendrycksTest-toys": 0, "lambada_toy": 1},
  "config": {
    "model": "hf-causal",
    "model_args": "pretrained=toyorg/toy-1b,dtype=float16",
    "num_fewshot": 5, "batch_size": 16, "device": "cuda:5", "no_cache": true, "limit": null,
    "bootstrap_iters": 100000, "description_dict": {}
  }
}
"""
_LISTED = """\
{
  "results": [
    {"task_name": "toy_bias", "prompt_name": "refers_to", "em": 0.0625, "dataset_path": "toys", "subset": null,
     "prompt_original_task": true, "em_stderr": 0.0125}
  ],
  "versions": {"toy_bias+refers_to": 0},
  "table_results": {"toy_bias+refers_to": {"task_name": "toy_bias", "em": 0.0625, "em_stderr": 0.0125}},
  "config": {"model": "neox", "model_args": {"iteration": 3000}, "num_fewshot": 0, "bootstrap_iters": 10000}
}
"""
_IFEVAL = (
    '{"results": {"ifeval": {"alias": "ifeval", "prompt_level_strict_acc,none": 0.5,'
    ' "inst_level_strict_acc,none": 0.625, "prompt_level_strict_acc_stderr,none": 0.02,'
    ' "prompt_level_loose_acc,none": 0.5625, "inst_level_loose_acc,none": 0.6875,'
    ' "mc1,none": 0.375, "mc2,none": 0.4375}},'
    ' "versions": {"ifeval": 4.0}, "n-shot": {"ifeval": 0},'
    ' "config": {"model": "vllm", "model_args": "pretrained=/models/Toy", "limit": null}}\n'
)

JSON_SAMPLES = (
    Sample(
        "out/toyorg__Toy-7B/results_2025-02-25T01-00-46.033500.json",
        _NEW,
        matched=16,
        measurements={
            ("toysum", "exact_match", "value"): 0.25,
            ("toysum", "exact_match", "stderr"): 0.0123,
            ("toysum", "pass_at_1", "value"): 0.125,
            ("toysum", "accuracy_mutual_info", "value"): 0.4375,
            ("toywiki", "word_perplexity", "value"): 11.5,
            ("toywiki", "byte_perplexity", "value"): 1.5,
            ("toywiki", "bits_per_byte", "value"): 0.625,
            ("toys", "accuracy", "value"): 0.75,
            ("squadv2", "f1", "value"): 0.4375,
            ("squadv2", "exact_match", "value"): 0.405,
            ("toygen", "bleu", "value"): 31.5,
            ("toygen", "chrf", "value"): 52.5,
            ("toygen", "ter", "value"): 61.5,
            ("toygen", "rouge1", "value"): 44.5,
            ("toygen", "rouge2", "value"): 21.5,
            ("toygen", "rougeL", "value"): 33.5,
            ("toygen", "toy_style", "value"): 3.5,
            ("toygen", "parseable_rate", "value"): 0.875,
            ("toygen", "rouge1_diff", "value"): -1.5,
            ("toygen", "bleu_diff", "value"): 2.5,
            ("toygroup", "brier_score", "value"): 0.375,
            ("toygroup", "matthews_correlation", "value"): -0.25,
            ("toysum", "evaluated_samples", "value"): 100.0,
            ("run_time", "value"): 154.25,
        },
        runs={
            "toyorg__Toy-7B/results_2025-02-25T01-00-46.033500": {
                "kind": "evaluation",
                "framework": "lm-evaluation-harness",
                "model": "toyorg/Toy-7B",
                "device": "Toy X1",
                "precision": "bfloat16",
                "status": "completed",
                "started_at": 1740445146500000,
                "config": {"backend": "hf", "limit": 100, "batch_size": "8"},
                "environment": {"pytorch": "2.5.1+toy", "transformers_version": "4.49.0"},
            }
        },
        unknown=("toy_style",),
    ),
    Sample(
        "results/toy/toy-1b_0-shot.json",
        _OLD,
        matched=9,
        measurements={
            ("hendrycksTest-toys", "accuracy", "value"): 0.25,
            ("hendrycksTest-toys", "accuracy", "stderr"): 0.0434,
            ("hendrycksTest-toys", "accuracy_norm", "value"): 0.3125,
            ("hendrycksTest-toys", "accuracy_norm", "stderr"): 0.0463,
            ("lambada_toy", "perplexity", "value"): 12.5,
            ("lambada_toy", "perplexity", "stderr"): 0.375,
            ("lambada_toy", "accuracy", "value"): 0.5,
            ("crows_toys", "likelihood_difference", "value"): 11.25,
            ("crows_toys", "pct_stereotype", "value"): 0.5625,
            ("bigbench_toys", "multiple_choice_grade", "value"): 0.625,
            ("bigbench_toys", "exact_match", "value"): 0.125,
        },
        runs={
            "toy/toy-1b_0-shot": {
                "model": "toyorg/toy-1b",
                "precision": "float16",
                "status": "completed",
                "device": None,
                "config": {"backend": "hf-causal", "num_fewshot": 5},
            }
        },
    ),
    Sample(
        "winobias/1.3B/eval_results_01-25-2023-03-46-14.json",
        _LISTED,
        matched=2,
        measurements={
            ("toy_bias+refers_to", "exact_match", "value"): 0.0625,
            ("toy_bias+refers_to", "exact_match", "stderr"): 0.0125,
        },
        runs={"1.3B/eval_results_01-25-2023-03-46-14": {"model": None, "config": {"model_args": {"iteration": 3000}}}},
    ),
    Sample(
        "ifeval_2025.json",
        _IFEVAL,
        matched=1,
        measurements={
            ("ifeval", "prompt_level_strict_acc", "value"): 0.5,
            ("ifeval", "prompt_level_strict_acc", "stderr"): 0.02,
            ("ifeval", "inst_level_strict_acc", "value"): 0.625,
            ("ifeval", "prompt_level_loose_acc", "value"): 0.5625,
            ("ifeval", "inst_level_loose_acc", "value"): 0.6875,
            ("ifeval", "mc1", "value"): 0.375,
            ("ifeval", "mc2", "value"): 0.4375,
        },
        runs={"logs/ifeval_2025": {"model": "/models/Toy", "dataset": "ifeval"}},
    ),
)

_LINES = (
    '{"doc_id": 0, "doc": {"question": "2+2?"}, "target": "4", "arguments": {"gen_args_0": {"arg_0": "Q: 2+2?"}},'
    ' "resps": [["4"]], "filtered_resps": ["4"], "filter": "strict-match", "exact_match": 1.0}\n'
    '{"doc_id": 0, "doc": {"question": "2+2?"}, "target": "4", "arguments": {}, "resps": [["4"]],'
    ' "filtered_resps": ["4"], "filter": "flexible-extract", "exact_match": 1.0}\n'
    '{"doc_id": 1, "doc": {"question": "3+3?"}, "target": "6", "arguments": {}, "resps": [["7"]],'
    ' "filtered_resps": ["7"], "filter": "strict-match", "exact_match": 0.0}\n'
)
_LINES_OLD = (
    '{"doc_id": 7, "doc": {"text": "toy"}, "target": "toy", "arguments": [["a", "b"]], "resps": [[[-1.5, true]]],'
    ' "filtered_resps": [[-1.5, true]], "acc": 1.0}\n'
)

SAMPLES_SAMPLES = (
    Sample(
        "out/toyorg__Toy-7B/samples_toy_sum_2025-02-25T01-00-46.033500.jsonl",
        _LINES,
        matched=3,
        runs={
            "toyorg__Toy-7B/results_2025-02-25T01-00-46.033500": {
                "kind": "evaluation",
                "config": {"samples of toy_sum": 2},
            }
        },
    ),
    Sample(
        "out/pretrained__toy_toytask.jsonl",
        _LINES_OLD,
        matched=1,
        runs={"out/pretrained__toy_toytask": {"config": {"samples of pretrained__toy_toytask": 1}}},
    ),
)

ARRAY_SAMPLES = (
    Sample(
        "out/pretrained__toy_toytask.jsonl",
        """[
  {"doc_id": 0, "doc": {"question": "1+1"}, "target": "2", "resps": [["2"]], "filtered_resps": ["2"], "acc": 1.0},
  {"doc_id": 1, "doc": {"question": "1+2"}, "target": "3", "resps": [["4"]], "filtered_resps": ["4"], "acc": 0.0}
]
""",
        matched=0,
        runs={"out/results": {"kind": "evaluation", "config": {"samples of pretrained__toy_toytask": 2}}},
    ),
    Sample(
        "pretrained__toy_toytask.jsonl",
        """[
  {
    "doc_id": 0,
    "doc": {
      "question": "1+1"
    }
  }
]
""",
        matched=0,
        runs={"logs/results": {"config": {"samples of pretrained__toy_toytask": 1}}},
    ),
)

_TABLES = """\
2025-03-01:10:00:00 INFO     [__main__:440] Selected Tasks: ['toysum', 'toys']
2025-03-01:10:01:00 INFO     [evaluator:559] Running loglikelihood requests
hf (pretrained=toyorg/Toy-7B,dtype=float32), gen_kwargs: (None), limit: 50.0, num_fewshot: 2, batch_size: auto (64)
|Tasks |Version|     Filter     |n-shot|  Metric   |   |Value |   |Stderr|
|------|------:|----------------|-----:|-----------|---|-----:|---|-----:|
|toysum|      3|strict-match    |     5|exact_match|↑  |0.2500|±  |0.0123|
|      |       |flexible-extract|     5|exact_match|↑  |0.5000|±  |   N/A|
| - toys|    1|none            |     0|acc        |↑  |0.7500|±  |0.0625|

|Groups|Version|Filter|n-shot|Metric|   |Value |   |Stderr|
|------|-------|------|-----:|------|---|-----:|---|-----:|
|toygroup|N/A  |none  |     0|f1    |↑  |0.6250|±  |0.0200|
"""
_HF = "hf-causal-experimental (pretrained=/models/Toy-2-7b-hf), limit: None, provide_description: False"
_PRINTED = f"""\
Selected Tasks: ['arc_toy']
Task: arc_toy; number of docs: 1172
Running loglikelihood requests
{{
  "results": {{
    "arc_toy": {{
      "acc": 0.33020477,
      "acc_stderr": 0.0137430856
    }}
  }},
  "versions": {{
    "arc_toy": 0
  }},
  "config": {{
    "model": "hf-causal-experimental",
    "model_args": "pretrained=/models/Toy-2-7b-hf",
    "num_fewshot": 25,
    "bootstrap_iters": 100000
  }}
}}
{_HF}, num_fewshot: 25, batch_size: 16
| Task  |Version| Metric |Value |   |Stderr|
|-------|------:|--------|-----:|---|-----:|
|arc_toy|      0|acc     |0.3302|±  |0.0137|

{_HF}, num_fewshot: 10, batch_size: 16
|Task |Version|   Metric   | Value |   |Stderr|
|-----|------:|------------|------:|---|-----:|
|swag |      0|acc_norm    | 0.6449|±  |0.0048|
|     |       |perplexity  |12.5000|±  |0.5000|
"""
_FAILED = """\
2025-03-01:10:00:00 INFO     [lm_eval.evaluator:214] Setting random seed to 0
Traceback (most recent call last):
  File "toy.py", line 1, in <module>
torch.OutOfMemoryError: NPU out of memory. Tried to allocate 2.00 GiB
"""

_PAGE = """\
# toy-3b

## toy-3b_0-shot.json
|    Task     |Version| Metric |Value|   |Stderr|
|-------------|------:|--------|----:|---|-----:|
|toy_challenge|      0|acc     |27.99|±  |  1.31|
|             |       |acc_norm|30.50|±  |  1.35|
|toy_taco     |      0|em      | 0.94|   |      |
|toy_lambada  |      0|ppl     | 9.25|±  |  0.25|
"""

LOG_SAMPLES = (
    Sample(
        "results/toy-3b/README.md",
        _PAGE,
        matched=4,
        measurements={
            ("toy_challenge", "accuracy", "value"): 0.2799,
            ("toy_challenge", "accuracy", "stderr"): 0.0131,
            ("toy_challenge", "accuracy_norm", "value"): 0.305,
            ("toy_taco", "exact_match", "value"): 0.0094,
            ("toy_lambada", "perplexity", "value"): 9.25,
        },
        runs={"toy-3b/README": {"config": {"label": "## toy-3b_0-shot.json"}}},
    ),
    Sample(
        "logs/eval.log",
        _TABLES,
        matched=4,
        measurements={
            ("toysum", "exact_match", "value"): 0.5,
            ("toysum", "exact_match", "stderr"): 0.0123,
            ("toys", "accuracy", "value"): 0.75,
            ("toys", "accuracy", "stderr"): 0.0625,
            ("toygroup", "f1", "value"): 0.625,
            ("toygroup", "f1", "stderr"): 0.02,
        },
        runs={
            "logs/eval": {
                "model": "toyorg/Toy-7B",
                "precision": "float32",
                "status": "completed",
                "config": {"limit": 50, "backend": "hf", "batch_size": "auto"},
            }
        },
    ),
    Sample(
        "slurm/slurm-42.out",
        _PRINTED,
        matched=4,
        measurements={
            ("arc_toy", "accuracy", "value"): 0.33020477,
            ("arc_toy", "accuracy", "stderr"): 0.0137430856,
            ("swag", "accuracy_norm", "value"): 0.6449,
            ("swag", "perplexity", "value"): 12.5,
        },
        runs={
            "slurm/slurm-42": {"model": "/models/Toy-2-7b-hf", "dataset": "arc_toy"},
            "slurm/slurm-42#2": {"dataset": "swag", "status": "completed"},
        },
    ),
    Sample(
        "logs/failed.log",
        _FAILED,
        matched=0,
        runs={"logs/failed": {"status": "failed"}},
        events=("oom",),
    ),
)
