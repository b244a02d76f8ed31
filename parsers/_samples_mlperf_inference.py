"""Composed samples of MLPerf inference files."""

from __future__ import annotations

import json
from typing import Any

from llmstats.parsing import Sample

_RULE = "=" * 48


def _summary(head: str, stats: str, parameters: str, tail: str = "No warnings encountered during test.\n") -> str:
    blocks = ("MLPerf Results Summary", head), ("Additional Stats", stats), ("Test Parameters Used", parameters)
    text = "\n".join(f"{_RULE}\n{title}\n{_RULE}\n{block}" for title, block in blocks)
    return f"{text}\n{tail}\nNo errors encountered during test.\n"


_SERVER = _summary(
    """\
SUT name : acme-Server-SUT
Scenario : Server
Mode     : PerformanceOnly
Completed samples per second    : 311.75
Completed tokens per second: 45496.95
Result is : VALID
  Performance constraints satisfied : Yes
TTFT Early Stopping Result:
 * Run successful.
""",
    """\
Scheduled samples per second : 312.05
Min latency (ns)                : 60726131
Mean latency (ns)               : 18872450805
99.90 percentile latency (ns)   : 129003794656

Completed tokens per second                 : 45496.95
Max First Token latency (ns)                : 2931072187
99.00 percentile first token latency (ns)   : 583266539
Mean Time to Output Token (ns)              : 129142817
99.90 percentile time to output token (ns)   : 172126898
""",
    "samples_per_query : 1\ntarget_qps : 311.6\nttft_latency (ns): 2000000000\nqsl_rng_seed : 3066443479025735752\n",
    "165 warnings encountered. See detailed log.\n",
)
_STREAM = _summary(
    """\
SUT name : Acme Edge
Scenario : SingleStream
Mode     : PerformanceOnly
90th percentile latency (ns) : 120138
Result is : INVALID
  Min duration satisfied : NO
Recommendations:
 * Increase the target QPS so the loadgen pre-generates more queries.
Early Stopping Result:
 * Early stopping 90th percentile estimate: 120140
""",
    """\
QPS w/ loadgen overhead         : 7780.44
QPS w/o loadgen overhead        : 8439.60

Max latency (ns)                : 538201
90.00 percentile latency (ns)   : 120138
""",
    "samples_per_query : 1\ntarget_qps : 8333.33\n",
)
_OFFLINE = _summary(
    """\
SUT name : PySUT
Scenario : Offline
Mode     : Performance
Samples per second: 293.311
Tokens per second (inferred): 20238.4
Result is : VALID
""",
    "Min latency (ns)                : 2664475837\n",
    "samples_per_query : 190080\n",
)

#: Round 1.0: latencies of queries, then of their samples.
_MULTI_STREAM = """\
================================================
MLPerf Results Summary
================================================
SUT name : box
Scenario : MultiStream
Mode     : PerformanceOnly
Samples per query : 8
Result is : VALID

================================================
Additional Stats
================================================
Per-query latency:  "target_ns" : 66666666, "target_ms" : 66.6667
99.00 percentile latency (ns)   : 62500000
Per-sample latency:
Mean latency (ns)               : 15625000
50.00 percentile latency (ns)   : 31250000
"""

SUMMARY_SAMPLES = (
    Sample(
        "inference_results_v5.0/closed/Acme/results/box8_TRT/mixtral-8x7b/Server/performance/run_1/mlperf_log_summary.txt",
        _SERVER,
        matched=10,
        measurements={
            ("samples_per_second", "value"): 311.75,
            ("output_tokens_per_second", "value"): 45496.95,
            ("e2e_latency", "min"): 0.060726131,
            ("e2e_latency", "mean"): 18.872450805,
            ("e2e_latency", "p99.9"): 129.003794656,
            ("ttft", "max"): 2.931072187,
            ("ttft", "p99"): 0.583266539,
            ("tpot", "mean"): 0.129142817,
            ("tpot", "p99.9"): 0.172126898,
        },
        runs={
            "inference_results_v5.0/closed/Acme/box8_TRT/mixtral-8x7b/Server/performance/run_1": {
                "kind": "inference",
                "status": "completed",
                "model": "mixtral-8x7b",
                "config": {"Scenario": "Server", "target_qps": 311.6, "qsl_rng_seed": 3066443479025735752},
            }
        },
        events=("warning",),
    ),
    Sample(
        "closed/edge1/resnet50/singlestream/TEST04/performance/run_1/mlperf_log_summary.txt",
        _STREAM,
        matched=5,
        measurements={
            ("e2e_latency", "p90"): 0.000120138,
            ("e2e_latency", "max"): 0.000538201,
            ("requests_per_second", "value"): 7780.44,
        },
        runs={"closed/edge1/resnet50/singlestream/TEST04/performance/run_1": {"status": "failed", "model": "resnet50"}},
    ),
    Sample(
        "try/mlperf_log_summary.txt",
        _OFFLINE,
        matched=3,
        measurements={("samples_per_second", "value"): 293.311, ("output_tokens_per_second", "value"): 20238.4},
        runs={"try": {"kind": "inference", "status": "completed", "model": None}},
    ),
    Sample(
        "closed/box8_TRT/gptj-99/Offline/accuracy/mlperf_log_summary.txt",
        "\nNo warnings encountered during test.\n\n3 ERRORS encountered. See detailed log.\n",
        matched=0,
        runs={"closed/box8_TRT/gptj-99/Offline/accuracy": {"kind": "evaluation", "status": None}},
        events=("error",),
    ),
    Sample(
        "closed/Acme/results/box8/resnet50/MultiStream/performance/ranging/mlperf_log_summary.txt",
        _MULTI_STREAM,
        matched=4,
        measurements={
            ("e2e_latency", "p50"): 0.03125,
            ("e2e_latency", "p99"): 0.0625,
            ("e2e_latency", "mean"): 0.015625,
            ("Samples per query", "value"): 8.0,
        },
        runs={"closed/Acme/box8/resnet50/MultiStream/performance/ranging": {"status": "completed"}},
        unknown=("Samples per query",),
    ),
)


def _detail(**values: Any) -> str:
    rows = [
        {
            "key": key.replace("__", "."),
            "value": value,
            "time_ms": 330.518161,
            "namespace": "mlperf::logging",
            "event_type": "POINT_IN_TIME",
            "metadata": {"is_error": key.startswith("error"), "is_warning": False, "file": "results.cc", "line_no": 7},
        }
        for key, value in values.items()
    ]
    return "".join(f":::MLLOG {json.dumps(row)}\n" for row in rows)


_DETAIL = _detail(
    loadgen_version="5.0.25 @ 5232291860",
    loadgen_git_log_message='5232 Update "README" (#2255)\n7d86 Update',
    test_datetime="2025-07-21T01:06:30Z",
    sut_name="PySUT",
    requested_scenario="Server",
    effective_scenario="Server",
    effective_test_mode="PerformanceOnly",
    effective_target_qps=364,
    power_begin="07-21-2025 01:06:31.228",
    power_end="07-21-2025 01:47:34.441",
    result_validity="VALID",
    result_perf_constraints_met=True,
    result_query_count=884736,
    result_scheduled_samples_per_sec=363.79,
    result_completed_samples_per_sec=361.3,
    result_mean_latency_ns=33924087207,
    result_99__00_percentile_latency_ns=114931185262,
    result_first_token_99__00_percentile_latency_ns=436315697,
    result_time_per_output_token_99__90_percentile_ns=135876479,
    result_time_to_output_token_mean=123320085,
    result_completed_tokens_per_second=99123,
    num_errors=0,
)
_FAILED = (
    _detail(effective_scenario="Offline", error_runtime="n_tokens argument missing")
    + _detail(error_runtime="n_tokens argument missing", result_validity="INVALID", result_samples_per_second=0.133709)
    + ':::MLLOG {"key": "num_errors", "value": 2, "time_ms"\n'
)

_OLD_DETAIL = """\
"pid": 7, "tid": 7, "ts": 12315ns : LoadgenVersionInfo:
"pid": 7, "tid": 7, "ts": 12315ns : version : .5a1 @ 55c0ea4e77
"pid": 7, "tid": 7, "ts": 12315ns : git_log :

55c0ea4e772634107f3e67a6d0da61e6a2ca390d a change: of something

"pid": 7, "tid": 7, "ts": 70021ns : Date + time of test: 2019-10-11T16:14:44Z
"pid": 7, "tid": 7, "ts": 70021ns : System Under Test (SUT) name: sut
"pid": 7, "tid": 7, "ts": 128896ns : Effective Settings:
"pid": 7, "tid": 7, "ts": 128896ns : Scenario : Server
"pid": 7, "tid": 7, "ts": 128896ns : target_qps : 16000
"pid": 7, "tid": 7, "ts": 128896ns : target_latency (ns): 15000000
"pid": 7, "tid": 7, "ts": 129747ns : Requested Settings:
"pid": 7, "tid": 7, "ts": 129747ns : target_qps : 1
"pid": 7, "tid": 8, "ts": 3670739160ns : WARNING : Logging allocation detected: "tid" : 8, "max_entries" : 4096
"pid": 7, "tid": 7, "ts": 3670739161ns : ERROR : Ending early: Ran out of generated queries.
"""

DETAIL_SAMPLES = (
    Sample(
        "closed/box8_TRT/llama2-70b-99.9/Server/performance/run_1/mlperf_log_detail.txt",
        _DETAIL,
        matched=10,
        measurements={
            ("samples_per_second", "value"): 361.3,
            ("e2e_latency", "mean"): 33.924087207,
            ("e2e_latency", "p99"): 114.931185262,
            ("ttft", "p99"): 0.436315697,
            ("tpot", "p99.9"): 0.135876479,
            ("tpot", "mean"): 0.123320085,
            ("output_tokens_per_second", "value"): 99123.0,
            ("result_query_count", "value"): 884736.0,
            ("num_errors", "value"): 0.0,
        },
        runs={
            "closed/box8_TRT/llama2-70b-99.9/Server/performance/run_1": {
                "status": "completed",
                "model": "llama2-70b-99.9",
                "environment": {"loadgen": "5.0.25 @ 5232291860"},
                "config": {"target_qps": 364, "scenario": "Server"},
                "ended_at": 1753062454441000,
            }
        },
        unknown=("result_query_count", "num_errors"),
    ),
    Sample(
        "Acme/whisper/offline/performance/run_1/mlperf_log_detail.txt",
        _FAILED,
        matched=1,
        measurements={("samples_per_second", "value"): 0.133709},
        runs={"Acme/whisper/offline/performance/run_1": {"status": "failed"}},
        events=("error",),
        suspects=1,
    ),
    Sample(
        "closed/Acme/results/box8/resnet/Server/TEST01/mlperf_log_detail.txt",
        _OLD_DETAIL,
        matched=0,
        runs={
            "closed/Acme/box8/resnet/Server/TEST01": {
                "kind": "inference",
                "model": "resnet",
                "config": {"Scenario": "Server", "target_qps": 16000, "sut_name": "sut"},
                "environment": {"loadgen": ".5a1 @ 55c0ea4e77"},
                "started_at": 1570810484000000,
            }
        },
        events=("warning", "error"),
    ),
)

_T = "ptd-server 2025-07-28 07:18:%02d,860 [INFO] "
_CHANNELS = "Watts,964.8,Volts,209.79,Amps,4.674,PF,0.9839"
_POWER = (
    "".join(
        f"{_T % second}{message}\n"
        for second, message in enumerate(
            [
                "Got command from the client 'session,2025-07-28_07-18-36,start,ranging'",
                "Starting ranging mode",
                f"Reply from ptd: 'Time,07-28-2025 07:18:02.449,Watts,900.5,Volts,210.5,Amps,4.25,PF,0.98,"
                f"{_CHANNELS}\\n'",
                "Reply from ptd: 'Watts,963.974532,285.89,1187.6,2998,4,2994'",
                "Got command from the client 'session,2025-07-28_07-18-36,start,testing'",
                "Starting testing mode",
                "Analyzer [1] recieved reply from ptd: 'Watts,965.34834,287.6,1183.7,2991,0,2991'",
                "Analyzer [1] got reply from ptd: 'Time,07-28-2025 07:18:12.507,"
                "Watts,928.5,Volts,211.25,Amps,4.75,PF,0.9825,"
                f"{_CHANNELS}\\n'",
            ]
        )
    )
    + "ptd-server 2025-07-28 07:18:59,860 [ERROR] Got no response from PTDaemon\n"
)

POWER_SAMPLES = (
    Sample(
        "closed/box8_TRT/llama2-70b-99/Offline/performance/power/server.log",
        _POWER,
        matched=3,
        points={
            ("test", "system_power", None): 928.5,
            ("test", "voltage", None): 211.25,
            ("test", "current", None): 4.75,
            ("test", "power_factor", None): 0.9825,
        },
        measurements={
            ("system_power", "mean"): 965.34834,
            ("system_power", "min"): 287.6,
            ("system_power", "max"): 1183.7,
        },
        runs={"closed/box8_TRT/llama2-70b-99/Offline/performance/run_1": {"kind": "inference"}},
        events=("error",),
    ),
    Sample(
        "closed/box8_TRT/llama2-70b-99/Offline/performance/run_1/spl.txt",
        "Time,07-28-2025 07:18:12.507,Watts,928.5,Volts,211.25,Amps,4.75,PF,0.9825,Mark,2025-07-28_07-18-36_testing\n"
        "Time,07-28-2025 07:18:13.507,Watts,930.5,Volts,211.25,Amps,4.75,PF,0.9825,Mark,2025-07-28_07-18-36_testing\n",
        matched=2,
        points={("test", "system_power", None): 930.5},
        runs={"closed/box8_TRT/llama2-70b-99/Offline/performance/run_1": {}},
    ),
)

ACCURACY_SAMPLES = (
    Sample(
        "closed/box8_TRT/resnet50/Offline/accuracy/accuracy.txt",
        f"accuracy=76.250%, good=38125, total=50000\nhash={'ab' * 32}\n",
        matched=1,
        measurements={("accuracy", "value"): 0.7625},
        runs={"closed/box8_TRT/resnet50/Offline/accuracy": {"kind": "evaluation", "model": "resnet50"}},
    ),
    Sample(
        "closed/box8_TRT/mixtral-8x7b/Server/accuracy/accuracy.txt",
        "Encoding Samples\n\nResults\n\n{'rouge1': np.float64(45.5), 'rouge2': 23.25, 'rougeL': 30.5, 'gsm8k': 73.75, "
        "'gen_num': np.int64(15000), 'tokens_per_sample': 144.75}\n",
        matched=1,
        measurements={
            ("rouge1", "value"): 45.5,
            ("rouge2", "value"): 23.25,
            ("rougeL", "value"): 30.5,
            ("gsm8k", "value"): 73.75,
            ("gen_num", "value"): 15000.0,
            ("tokens_per_sample", "value"): 144.75,
        },
        unknown=("gsm8k", "gen_num", "tokens_per_sample"),
    ),
    Sample(
        "closed/box8_TRT/bert-99/Offline/accuracy/accuracy.txt",
        '{"exact_match": 83.5, "f1": 90.875}\n',
        matched=1,
        measurements={("exact_match", "value"): 0.835, ("f1", "value"): 0.90875},
    ),
    Sample(
        "closed/box8_TRT/dlrm-v2-99/Offline/accuracy/accuracy.txt",
        "AUC=80.250%, mAP=37.500%\nWord Error Rate: 7.5%, accuracy=92.5%\n",
        matched=2,
        measurements={
            ("roc_auc", "value"): 0.8025,
            ("mean_average_precision", "value"): 0.375,
            ("word_error_rate", "value"): 0.075,
        },
    ),
    Sample(
        "closed/box8/gpt-oss-120b/Server/accuracy/accuracy.txt",
        f"'exact_match': 83.5\n{{'rouge1': '38.5', 'rougeLsum': '35.5'}}\n'vbench_score': 70.25\nhash={'cd' * 32}\n",
        matched=3,
        measurements={
            ("exact_match", "value"): 0.835,
            ("rouge1", "value"): 38.5,
            ("rougeLsum", "value"): 35.5,
            ("vbench_score", "value"): 70.25,
        },
        unknown=("vbench_score",),
    ),
    Sample(
        "closed/box8/3d-unet-99/Offline/accuracy/accuracy.txt",
        "Loading necessary metadata...\nAccuracy: mean = 0.85375, whole tumor = 0.9125, tumor core = 0.875\nDone!\n",
        matched=1,
        measurements={
            ("dice", "value"): 0.85375,
            ("whole tumor", "dice", "value"): 0.9125,
            ("tumor core", "dice", "value"): 0.875,
        },
    ),
    Sample(
        "open/box8/gnmt/Offline/TEST03/accuracy/accuracy.txt",
        "BLEU: 19.25\n",
        matched=1,
        measurements={("bleu", "value"): 19.25},
        runs={"open/box8/gnmt/Offline/TEST03/accuracy": {"kind": "evaluation"}},
    ),
)
