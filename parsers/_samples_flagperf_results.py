"""Composed examples of FlagPerf's base tests and operators, with what must come out of them."""

from __future__ import annotations

from llmstats.parsing import Sample

_GIB = 2.0**30
_RUN = "run20250301090100"


def _path(case: str, name: str) -> str:
    return f"result/{_RUN}/{case}/10.0.0.5_noderank0/{name}.log.txt"


_COMPUTE = """\
W0301 09:10:05.000 torch/distributed/run.py:779] *****************************************
start warmup
[FlagPerf Result]Rank 0's computation-BF16=287.12TFLOPS
[FlagPerf Result]Rank 0 BI-V150 has 2 chips and overall GPU computation-BF16=574.24TFLOPS
[FlagPerf Result]Rank 1's computation-BF16=286.5TFLOPS
"""
_MEMORY = """\
[FlagPerf Result]Rank 0's main_memory-bindwidth=1234.5GB/s
[FlagPerf Result]Rank 0's main_memory-bindwidth=1149.72GiB/s
"""
_TOOLKIT = """\
[FlagPerf Result]inferconnect-P2P_intraserver-bandwidth=419.1GiB/s
[FlagPerf Result]inferconnect-P2P_intraserver-bandwidth=450.0GB/s
[FlagPerf Result]interconnect-MPI_intraserver-algbw=100.5GB/s
[FlagPerf Result] interconnect-h2d bandwidth=25.5 GB/s
[FlagPerf Result] main_memory-capacity=65536 MiB
[FlagPerf Result]main_memory-bandwidth= GB/s
[FlagPerf Result]computation-INT8=512.25 TOPS
[FlagPerf Result]elapsed_time=3.25s
[FlagPerf Result] c2c global latency=740 ns
[FlagPerf Result]power-full_load(core-power)=180.5 W
[FlagPerf Result] programmable_op_perf: sigmoid_rvv=2853us, tanh_ct_=120us
"""
OPERATION = """\
[FlagPerf Result]Operation mm in nativetorch at FP16:
[FlagPerf Result]FLOPS utilization: cputime=80.1%, kerneltime=81.2%
[FlagPerf Result]cputime=123.4 us, throughput=8103.727714748784 op/s, equals to 250.1 TFLOPS
[FlagPerf Result]kerneltime=121.9 us, throughput=8203.445447087777 op/s, equals to 253.2 TFLOPS
[FlagPerf Result]Correctness with CPU golden Reference: False
[FlagPerf Result]First time latency: no warmup=9999.9 us, warmup=130.1 us
"""
_OLD = """\
[FlagPerf Result]Operation matrix multiply(mm) in flaggems at FP16:
[FlagPerf Result]Relative error with FP64-CPU: mean=1.5e-05, std=2.5e-06
[FlagPerf Result]Kernel Time flaggems's computation-FP16=250.5TFLOPS
"""
_FAILED = """\
start warmup
Traceback (most recent call last):
  File "main.py", line 12, in <module>
torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB
"""

_COLLECTIVE = (
    "[FlagPerf Result]Rank 1's allreduce-algbw=38.5GB/s\n[FlagPerf Result]Rank 1's allreduce-busbw=77.0GB/s\n"
    "[FlagPerf Result]Rank 0's allreduce-busbw=76.25GB/s\n"
    "[FlagPerf Result]Rank 0's p2p-one-way-bandwidth=33.75GB/s\n"
    "[FlagPerf Result]Rank 0's p2p-one-way-bandwidth=31.43GiB/s\n"
    "[FlagPerf Result]Rank 1's p2p-one-way-bandwidth=32.5GB/s"
    "[FlagPerf Result]Rank 2's p2p-one-way-bandwidth=33.5GB/s\n\n"
)
LOG_SAMPLES = (
    Sample(
        _path("computation-BF16:BI-V150", "benchmark"),
        _COMPUTE,
        matched=3,
        measurements={("computation-BF16", "achieved_flops", "value"): 574.24e12},
        runs={
            f"{_RUN}/computation-BF16:BI-V150": {
                "kind": "microbenchmark",
                "status": "completed",
                "device": "BI-V150",
                "environment": {"host": "10.0.0.5"},
            },
        },
    ),
    Sample(
        _path("main_memory-bandwidth:A100_40_SXM", "benchmark"),
        _MEMORY,
        matched=1,
        measurements={("main_memory-bandwidth", "bandwidth", "value"): 1234.5e9},
    ),
    Sample(
        _path("interconnect-P2P_intraserver", "toolkit"),
        _TOOLKIT,
        matched=9,
        measurements={
            ("bandwidth", "value"): 25.5e9,
            ("memory_total", "value"): 65536 * 2.0**20,
            ("achieved_ops", "value"): 512.25e12,
            ("elapsed_time", "value"): 3.25,
            ("c2c global latency", "value"): 740e-9,
            ("power", "value"): 180.5,
            ("sigmoid_rvv", "operator_time", "value"): 2853e-6,
            ("tanh_ct", "operator_time", "value"): 120e-6,
        },
        suspects=1,
        unknown=("c2c global latency",),
    ),
    Sample(
        _path("mm:FP16:312:nativetorch:A100_40_SXM", "operation"),
        OPERATION,
        matched=4,
        measurements={
            ("mm", "flops_utilisation", "value"): 81.2 * 0.01,
            ("mm", "operator_time", "value"): 121.9e-6,
            ("mm", "operator_calls_per_second", "value"): 8203.445447087777,
            ("mm", "achieved_flops", "value"): 253.2e12,
            ("mm", "operator_first_call_time", "value"): 9999.9e-6,
        },
        runs={
            f"{_RUN}/mm:FP16:312:nativetorch:A100_40_SXM": {
                "precision": "FP16",
                "framework": "nativetorch",
                "device": "A100_40_SXM",
                "config": {"peak_tflops": 312.0, "correct": "False"},
            },
        },
    ),
    Sample(
        "evidence/day6/qual-m16/runner.log",
        _COLLECTIVE,
        matched=5,
        measurements={
            ("allreduce-bandwidth", "bandwidth", "value"): 76.25e9,
            ("p2p-one-way-bandwidth", "bandwidth", "value"): 33.5e9,
        },
    ),
    Sample(
        "archive/old/mm.txt",
        _OLD,
        matched=2,
        measurements={
            ("relative_error", "mean"): 1.5e-05,
            ("relative_error", "std"): 2.5e-06,
            ("achieved_flops", "value"): 250.5e12,
        },
        runs={"archive/old/mm": {"framework": "flaggems", "precision": "FP16"}},
    ),
    Sample(
        _path("main_memory-capacity:A100_40_SXM", "benchmark"),
        _FAILED,
        matched=0,
        runs={f"{_RUN}/main_memory-capacity:A100_40_SXM": {"status": "failed"}},
        events=("oom",),
    ),
)
