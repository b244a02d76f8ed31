"""Composed examples of FlagPerf's own logs of a run directory, with what must come out of them."""

from __future__ import annotations

import json

from llmstats.parsing import Sample

from ._samples_flagperf_results import OPERATION

_RUN = "run20250301090100"
_MIB = 2.0**20


def _log(second: int, message: str, level: str = "INFO", where: str = "run.py,465") -> str:
    return f"2025-03-01 09:10:{second:02},123\t[{level}]\t[{where}]{message}\n"


_START = "2025-03-01 09:10:00 FlagperfLogger started.\n"
_RULE = "-" * 50
_GLM, _BERT = "glm:pytorch_1.8:X1:1:8:1", "bert:pytorch_1.8:X1:1:8:1"
_TRAINING = (
    _START
    + _log(1, "======== Step 1: Check environment and configs. ========")
    + _log(1, f"Case {_BERT}: config file doesn't exist", "WARNING")
    + _log(1, "Vendor:\t\tnvidia")
    + _log(1, f"Testcases:\t\t[{_GLM},{_BERT}]")
    + _log(2, f"======= Testcase: {_GLM} =======")
    + _log(2, _RULE)
    + _log(2, f"Testcase {_GLM} config:")
    + _log(2, "data_dir_host:\t/data/glm")
    + _log(2, _RULE)
    + _log(3, f"-== Testcase {_GLM} Round 1 starts ==-")
    + _log(50, f"-== Testcase {_GLM} Round 1 finished ==-")
    + _log(51, f"======= Testcase: {_BERT} =======")
    + _log(51, f"-== Testcase {_BERT} Round 1 starts ==-")
    + _log(52, f"1) Prepare container environments in cluster...[FAILED]. Ignore case {_BERT}", "ERROR")
    + _log(53, "Stop FlagperfLogger.")
)
_BASE_CASE, _OP_CASE = "computation-BF16:X1", "mm:FP16:312:nativetorch:X1"


def _analysis(performance: str) -> str:
    return (
        _log(30, "*" * 50)
        + _log(30, "Noderank 0 with IP 10.0.0.5")
        + _log(30, "1) Performance:")
        + "".join(_log(30, f"  {line}") for line in performance.splitlines())
        + _log(30, "2) POWER:")
        + _log(30, "  2.1) SYSTEM POWER:")
        + _log(30, "    AVERAGE: 2810.5 Watts, MAX: 3010.0 Watts, STD DEVIATION: 12.25 Watts")
        + _log(30, "  2.2) AI-chip POWER:")
        + _log(30, "    RANK 0's AVERAGE: 301.5 Watts, MAX: 399.0 Watts, STD DEVIATION: 3.5 Watts")
        + _log(30, "  2.3) AI-chip TEMPERATURE:")
        + _log(30, "    RANK 0's AVERAGE: 55.5 °C, MAX: 60.0 °C, STD DEVIATION: 1.5 °C")
        + _log(30, "3) Utilization:")
        + _log(30, "  3.1) SYSTEM CPU:")
        + _log(30, "    AVERAGE: 2.5 %, MAX: 5.0 %, STD DEVIATION: 0.5 %")
        + _log(30, "  3.2) SYSTEM MEMORY:")
        + _log(30, "    AVERAGE: 6.5 %, MAX: 7.0 %, STD DEVIATION: 0.25 %")
        + _log(30, "  3.3) AI-chip MEMORY:")
        + _log(30, "    RANK 0's AVERAGE: 40.5 %, MAX: 50.0 %, STD DEVIATION: 1.25 %")
    )


_BASE = (
    _START
    + _log(1, "Vendor:\t\tmetax")
    + _log(2, f"======= Testcase: {_BASE_CASE} =======")
    + _log(2, f"-== Testcase {_BASE_CASE} starts ==-")
    + _log(29, "2) summary logs")
    + _analysis("Rank 0's computation-BF16=287.12TFLOPS")
)
_OPERATOR = (
    _START + _log(2, f"======= Testcase: {_OP_CASE} =======") + _analysis(OPERATION.replace("[FlagPerf Result]", ""))
)
_TASK = (
    _START
    + _log(
        1,
        f"Start task with command: python3 run_pretraining.py --vendor nvidia --case_name {_GLM} --host_addr 10.0.0.5",
        where="start_pytorch_task.py,185",
    )
    + _log(1, "TOKEN:secret", "DEBUG", "start_pytorch_task.py,188")
    + _log(2, "Can't find path of train script.", "ERROR", "start_pytorch_task.py,167")
)

RUN_SAMPLES = (
    Sample(
        f"result/{_RUN}/flagperf_run.log",
        _TRAINING,
        matched=0,
        runs={
            f"{_RUN}/{_GLM}/round1": {"kind": "training", "vendor": "NVIDIA", "status": None, "device": "X1",
                                      "config": {"data_dir_host": "/data/glm"}},
            f"{_RUN}/{_BERT}/round1": {"status": "failed", "model": "bert"},
        },
        events=("error",),
    ),
    Sample(
        f"result/{_RUN}/flagperf_run.log",
        _BASE,
        matched=7,
        measurements={
            ("computation-BF16", "achieved_flops", "value"): 287.12e12,
            ("system_power", "mean"): 2810.5,
            ("power", "mean"): 301.5,
            ("temperature", "max"): 60.0,
            ("cpu_utilisation", "mean"): 2.5 * 0.01,
            ("host_memory_utilisation", "std"): 0.25 * 0.01,
            ("memory_utilisation", "max"): 50.0 * 0.01,
        },
        runs={f"{_RUN}/{_BASE_CASE}": {"kind": "microbenchmark", "vendor": "MetaX", "status": "completed"}},
    ),
    Sample(
        f"result/{_RUN}/flagperf_run.log",
        _OPERATOR,
        matched=10,
        measurements={
            ("mm", "flops_utilisation", "value"): 81.2 * 0.01,
            ("mm", "operator_time", "value"): 121.9e-6,
            ("mm", "operator_calls_per_second", "value"): 8203.445447087777,
            ("mm", "operator_first_call_time", "value"): 130.1e-6,
            ("power", "max"): 399.0,
        },
        runs={f"{_RUN}/{_OP_CASE}": {"precision": "FP16", "framework": "nativetorch", "device": "X1"}},
    ),
    Sample(
        f"result/{_RUN}/{_GLM}/round1/10.0.0.5_noderank0/start_pytorch_task.log",
        _TASK,
        matched=0,
        runs={f"{_RUN}/{_GLM}/round1": {"vendor": "NVIDIA", "status": "failed", "model": "glm"}},
        events=("error",),
    ),
)  # fmt: skip

_DETAIL = {
    "10.0.0.5": {
        "vendor": {"temp": {"0": [50.0, 60.0], "1": []}, "power": {"0": [300.0, 100.0]}, "mem": {"0": [1.0, 3.0]},
                   "max_mem": 32768.0},
        "cpu": [0.25, 0.75], "mem": [0.5], "pwr": [2000.0, 3000.0],
        "flagperf": ["[FlagPerf Result]Rank 0's computation-BF16=287.12TFLOPS"],
    },
    "10.0.0.6": {
        "vendor": {"temp": {}, "power": {}, "mem": {}, "max_mem": None},
        "cpu": [], "mem": [], "pwr": [],
        "flagperf": ["[FlagPerf Result]Rank 8's main_memory-bindwidth=1234.5GB/s"],
    },
}  # fmt: skip

DETAIL_SAMPLES = (
    Sample(
        f"result/{_RUN}/detail_result.json",
        json.dumps(_DETAIL),
        matched=1,
        measurements={
            ("temperature", "mean"): 55.0,
            ("power", "max"): 300.0,
            ("memory_used", "mean"): 2 * _MIB,
            ("memory_total", "value"): 32768 * _MIB,
            ("cpu_utilisation", "std"): 0.25,
            ("host_memory_utilisation", "mean"): 0.5,
            ("system_power", "mean"): 2500.0,
            ("computation-BF16", "achieved_flops", "value"): 287.12e12,
            ("main_memory-bandwidth", "bandwidth", "value"): 1234.5e9,
        },
        runs={f"{_RUN}/detail_result": {"kind": "microbenchmark", "node_count": 2, "status": "completed"}},
    ),
    Sample(
        "copied/detail_result_2.json",
        json.dumps(_DETAIL, indent=1),
        matched=9,
        measurements={("power", "mean"): 200.0, ("system_power", "max"): 3000.0},
    ),
)
