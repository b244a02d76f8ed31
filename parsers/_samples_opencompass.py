"""Samples of OpenCompass's formats, composed."""

from __future__ import annotations

from llmstats.parsing import Sample

_CSV = """\
dataset,version,metric,mode,toy-7b-hf,toy 13b chat
--------- 考试 ---------,-,-,-,-,-
toy-exam,db9ce2,accuracy,gen,21.05,-
toy-exam,db9ce2,accuracy (4 runs average),gen,25.50,30.50
toy-code,a82cae,humaneval_pass@1,gen,12.50,25.00
toy-code,a82cae,humaneval_pass@10,gen,18.75,37.50
toy-squad,1c2571,score,gen,43.75,50.25
toy-wino,63ee5f,f1,ppl,0.62,0.71
toy-sum,9f8e7d,rouge1,gen,31.50,33.50
toy-sum,9f8e7d,rouge2,gen,11.50,13.50
toy-sum,9f8e7d,rougeL,gen,21.50,23.50
toy-mt,9f8e7e,bleu,gen,27.50,28.50
toy-truth,9f8e7f,bleurt_diff,gen,-3.50,1.50
toy-toxic,9f8e70,avg_toxicity_score,gen,0.12,0.11
toy-match,9f8e71,exact_match,gen,41.50,42.50
toy-missing,-,-,-,-,-
toys,-,naive_average,mixed,16.78,-
toys,-,weighted_average,mixed,17.25,-
"""
_CSV_VALUES: dict[tuple[str, ...], float | None] = {
    ("toy-exam", "accuracy", "value"): 0.2105,
    ("toy-exam", "accuracy", "mean"): 0.305,
    ("toy-code", "pass_at_1", "value"): 0.125,
    ("toy-code", "pass_at_10", "value"): 0.375,
    ("toy-squad", "score", "value"): 43.75,
    ("toy-wino", "score", "value"): 0.62,
    ("toy-sum", "rouge1", "value"): 31.5,
    ("toy-sum", "rouge2", "value"): 11.5,
    ("toy-sum", "rougeL", "value"): 21.5,
    ("toy-mt", "bleu", "value"): 27.5,
    ("toy-truth", "bleurt_diff", "value"): -3.5,
    ("toy-toxic", "avg_toxicity_score", "value"): 0.12,
    ("toy-match", "exact_match", "value"): 0.415,
    ("toys", "score", "value"): 16.78,
}
_VERSIONS = {
    "toy-exam": "db9ce2", "toy-code": "a82cae", "toy-squad": "1c2571", "toy-wino": "63ee5f", "toy-sum": "9f8e7d",
    "toy-mt": "9f8e7e", "toy-truth": "9f8e7f", "toy-toxic": "9f8e70", "toy-match": "9f8e71",
}  # fmt: skip
_MODES = {**dict.fromkeys(_VERSIONS, "gen"), "toy-wino": "ppl", "toys": "mixed"}
_FAILED = """\
dataset,version,metric,mode,toy-broken
toy-exam,db9ce2,accuracy,gen,-
"""

_COUNTED = """\
dataset,version,metric,mode,total_count,toy-vllm
toy-exam,7cd45e,accuracy,gen,8,82.00 (7/8)
toy-free,7cd45f,accuracy,gen,/,50.00
"""

CSV_SAMPLES = (
    Sample(
        "outputs/default/20260809_142027/summary/summary_20260809_142027.csv",
        _COUNTED,
        matched=2,
        measurements={
            ("toy-exam", "accuracy", "value"): 0.82,
            ("toy-exam", "correct_samples", "value"): 7.0,
            ("toy-exam", "evaluated_samples", "value"): 8.0,
            ("toy-free", "accuracy", "value"): 0.5,
        },
        runs={"20260809_142027/toy-vllm": {"model": "toy-vllm", "status": "completed"}},
    ),
    Sample(
        "outputs/20240422_085420/summary/summary_20240422_085420.csv",
        _CSV,
        matched=15,
        measurements=_CSV_VALUES,
        runs={
            "20240422_085420/toy-7b-hf": {
                "model": "toy-7b-hf",
                "framework": "opencompass",
                "kind": "evaluation",
                "status": "completed",
                "started_at": 1713776060000000,
                "config": {"modes": _MODES, "prompt_versions": _VERSIONS},
            },
            "20240422_085420/toy 13b chat": {"status": "completed"},
        },
        unknown=("avg_toxicity_score",),
    ),
    Sample(
        "results/summary_20240422_085420.csv",
        _FAILED,
        matched=1,
        measurements={("toy-exam", "accuracy", "value"): None},
        runs={"results/summary_20240422_085420/toy-broken": {"status": "failed"}},
    ),
)

_FENCE, _END, _DIVIDER = "^" * 128, "$" * 128, "-" * 128 + " THIS IS A DIVIDER " + "-" * 128
_TABLE = """\
dataset,version,metric,mode,toy-7b-hf,toy-13b-hf
toy-exam,db9ce2,accuracy,gen,21.05,33.33
toy-code,a82cae,humaneval_pass@1,gen,12.50,-
toys,-,naive_average,gen,16.78,-
"""
_RAW = """\
-------------------------------
Model: toy-7b-hf
toy-exam: {'accuracy': 21.052631578947366}
toy-code: {'humaneval_pass@1': 12.5, 'type': 'gen'}
toys: {'naive_average': {'toy-exam@accuracy': 21.052631578947366, 'toy-code@humaneval_pass@1': 12.5}}
-------------------------------
Model: toy-13b-hf
toy-exam: {'accuracy': 33.333333333333336}
toy-code: {'error': 'preds and refrs have different length'}
toys: {}
"""
_TXT = (
    f"20240422_085420\ntabulate format\n{_FENCE}\n"
    "dataset    version    metric    mode      toy-7b-hf    toy-13b-hf\n"
    "---------  ---------  --------  ------  -----------  ------------\n"
    "toy-exam   db9ce2     accuracy  gen           21.05         33.33\n"
    f"{_END}\n\n{_DIVIDER}\n\ncsv format\n{_FENCE}\n{_TABLE}{_END}\n\n{_DIVIDER}\n\n"
    f"markdown format\n{_FENCE}\n| dataset | version |\n{_END}\n{_DIVIDER}\n\nraw format\n{_FENCE}\n{_RAW}{_END}\n"
)
_TXT_BEFORE = (
    f"20230801_101010\ntabulate format\n{_FENCE}\ndataset\n{_END}\n\n{_DIVIDER}\n\ncsv format\n{_FENCE}\n"
    f"dataset,version,metric,mode,toy\ntoy-exam,db9ce2,accuracy,ppl,50.00\n{_END}\n"
)

_PRINTED = """\
dataset              version    metric    mode      toy-7b-hf    toy-13b-hf
-------------------  ---------  --------  ------  -----------  ------------
---- 考试 Exam ----  -          -         -       -            -
toy-exam             db9ce2     accuracy  gen           21.05         33.33
toy-missing          -          -         -       -            -
"""
_MARKDOWN = """\
| dataset | version | metric | mode | toy-7b-hf | toy-13b-hf |
|----- | ----- | ----- | ----- | ----- | -----|
| toy-exam | db9ce2 | accuracy | gen | 21.05 | 33.33 |
"""
_BOTH: dict[tuple[str, ...], float | None] = {("toy-exam", "accuracy", "value"): 0.3333}

TABLE_SAMPLES = (
    Sample(
        "outputs/20240422_085420/summary/summary_20240422_085420.md",
        _MARKDOWN,
        matched=1,
        measurements=_BOTH,
        runs={"20240422_085420/toy-7b-hf": {"model": "toy-7b-hf", "status": "completed"}},
    ),
    Sample(
        "notes/toy_results.txt",
        f"the table:\n{_PRINTED}\nas Markdown:\n{_MARKDOWN}\nand again:\n{_PRINTED.replace('33.33', '44.44')}",
        matched=2,
        measurements={("toy-exam", "accuracy", "value"): 0.4444},
        runs={
            "notes/toy_results/toy-7b-hf": {"model": "toy-7b-hf"},
            "notes/toy_results/toy-13b-hf": {},
            "notes/toy_results#2/toy-7b-hf": {},
            "notes/toy_results#2/toy-13b-hf": {},
        },
    ),
)

TXT_SAMPLES = (
    Sample(
        "outputs/20240422_085420/summary/summary_20240422_085420.txt",
        _TXT,
        matched=5,
        measurements={
            ("toy-exam", "accuracy", "value"): 0.21052631578947366,
            ("toy-code", "pass_at_1", "value"): 0.125,
            ("toys", "score", "value"): 16.78,
        },
        runs={
            "20240422_085420/toy-7b-hf": {"model": "toy-7b-hf", "status": "completed"},
            "20240422_085420/toy-13b-hf": {"model": "toy-13b-hf", "status": "completed"},
        },
        events=("error",),
    ),
    Sample(
        "summary_20230801_101010.txt",
        _TXT_BEFORE,
        matched=1,
        measurements={("toy-exam", "accuracy", "value"): 0.5},
        runs={"logs/summary_20230801_101010/toy": {"started_at": 1690884610000000}},
    ),
)

RESULT_SAMPLES = (
    Sample(
        "outputs/20240422_085420/results/toy-7b-hf/toy-exam.json",
        '{\n    "accuracy": 21.052631578947366,\n    "details": {\n        "0": {"pred": "A"}\n    }\n}\n',
        matched=1,
        measurements={("toy-exam", "accuracy", "value"): 0.21052631578947366},
        runs={"20240422_085420/toy-7b-hf": {"model": "toy-7b-hf", "status": "completed"}},
    ),
    Sample(
        "outputs/20240422_085420/results/toy-7b-hf/toy-code.json",
        '{"error": "preds and refrs have different length"}\n',
        matched=0,
        runs={"20240422_085420/toy-7b-hf": {"status": None}},
        events=("error",),
    ),
    Sample(
        "moved/results/toy-7b-hf/toy-squad.json",
        '{"score": 43.75}\n',
        matched=1,
        measurements={("toy-squad", "score", "value"): 43.75},
        runs={"moved/toy-7b-hf": {"model": "toy-7b-hf"}},
    ),
)

_INFER = """\
03/12 21:28:40 - OpenCompass - INFO - Task [toy-6b-hf/toy-exam_5]
03/12 21:28:51 - OpenCompass - INFO - Start inferencing [toy-6b-hf/toy-exam_5]
03/12 21:34:36 - OpenCompass - INFO - time elapsed: 355.77s
"""
_EVAL = """\
03/12 21:40:40 - OpenCompass - INFO - Task [toy-6b-hf/toy-exam]: {'accuracy': 62.5, 'details': [1, 2]}
03/12 21:40:41 - OpenCompass - ERROR - toy.py - 42 - something went wrong
03/12 21:40:42 - OpenCompass - INFO - time elapsed:  1.50s
"""

_CONSOLE = (
    "03/29 03:20:03 - AISBench - INFO - Task [toy-api/toy-exam]: {'accuracy': 94.76876421531463}\n"
    "03/29 03:20:03 - AISBench - INFO - time elapsed: 2.15s\n"
    "dataset    version    metric    mode      toy-api\n"
    "---------  ---------  --------  ------  ---------\n"
    "toy-exam   7cd45e     accuracy  gen         94.77\n"
    "toy-code   7cd45e     pass@1    gen         50.00\n"
    "03/29 03:20:04 - AISBench - INFO - write csv to /data/outputs/20260329_025345/summary/summary.csv\n"
)
_FAILED_CONSOLE = """\
05/19 15:54:53 - OpenCompass - ERROR - toy.py - 42 - task failed
dataset   version    metric    mode    toy-7b
--------  ---------  --------  ------  --------
toy-exam  -          -         -       -
"""

LOG_SAMPLES = (
    Sample(
        "logs/night.log",
        _CONSOLE,
        matched=3,
        measurements={
            ("toy-exam", "accuracy", "value"): 0.9476876421531463,
            ("toy-code", "pass_at_1", "value"): 0.5,
            ("toy-exam", "run_time", "value"): 2.15,
        },
        runs={"logs/night/toy-api": {"model": "toy-api", "framework": "aisbench", "status": "completed"}},
    ),
    Sample(
        "night/oc.log",
        _FAILED_CONSOLE,
        matched=0,
        runs={"night/oc/toy-7b": {"model": "toy-7b", "status": "failed"}},
        events=("error",),
    ),
    Sample(
        "outputs/20240312_212727/logs/infer/toy-6b-hf/toy-exam_5.out",
        _INFER,
        matched=1,
        measurements={("toy-exam_5", "run_time", "value"): 355.77},
        runs={"20240312_212727/toy-6b-hf": {"model": "toy-6b-hf", "status": None}},
    ),
    Sample(
        "outputs/20240312_212727/logs/eval/toy-6b-hf/toy-exam.out",
        _EVAL,
        matched=2,
        measurements={("toy-exam", "accuracy", "value"): 0.625, ("toy-exam", "run_time", "value"): 1.5},
        runs={"20240312_212727/toy-6b-hf": {"model": "toy-6b-hf"}},
        events=("error",),
    ),
)
