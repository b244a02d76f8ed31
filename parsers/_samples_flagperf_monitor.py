"""Composed examples of FlagPerf's monitors: one per vendor's way to print, with what must come out of them."""

# ruff: noqa: E501  (rows are as long as the tools print them)

from __future__ import annotations

from typing import Any

from llmstats.parsing import Sample

_MIB = 2.0**20
_DIR = "result/run20250301090100/glm:pytorch_1.8:X1:2:8:1/round2/10.0.0.6_noderank1"
_RUN = "run20250301090100/glm:pytorch_1.8:X1:2:8:1/round2"
_BASE = "result/run20250301090200/computation-BF16:X1/10.0.0.5_noderank0"

_NVIDIA = """\
2025-03-01-09:10:05
31C 57W 15MiB 40536MiB 0%
33C N/A 20MiB 40536MiB 5%

2025-03-01-09:10:10
31C 58W 30512MiB 40536MiB 97%
sh: 1: nvidia-smi: not found

"""
_MTHREADS = "2025-03-01-09:10:05\n45C 109.51W 1MiB 32768MiB 12%\n\n"
_CAMBRICON = "2025-03-01-09:10:05\n35C 64 W/ 512 MiB/ 24576 50%\n36C 65 W/ 513 MiB/ 24576 51%\n\n\n"
_METAX = "2025-03-01-09:10:05\n35C 58W 666/65536 MiB\n36C 59W 667/65536 MiB\n98%\n\n"
_METAX_OLD = "2025-03-01-09:10:05\n35C 58W 280W 666/65536 MiB\n7%\n\n"
_KUNLUNXIN = "2025-03-01-09:10:05\n xpu_smi 41 75 1024 32768 88\n\n"
_ZIXIAO = "2025-03-01-09:10:05\n zx-smi 60 45 25 3\n\n"
_HEXAFLAKE = "2025-03-01-09:10:05\n46.5W 39C 123MiB / 16384MiB stable\n\n"
_ASCEND = "2025-03-01-09:10:05\n93.5 45 80 3353\n94.5 46 81 3354\n\n"
_DCU = "2025-03-01-09:10:05\n53.0C 96.0W 655.36MiB 65536MiB 2%\n\n"
_TSINGMICRO = (
    "2025-03-01-09:10:05\n"
    "|   0   TX8110-64GB-PCIe   11100   42C     96W / 200W  |  00000000:82:00.0  |   15146M / 65536M     9%    |  1  |\n\n"
)
_NPU_SMI = """\
2025-03-01-09:10:05
+------------------------------------------------------------------------------------------------+
| npu-smi 23.0.0                   Version: 23.0.0                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B3               | OK            | 93.5        45                0    / 0             |
| 0                         | 0000:C1:00.0  | 80          0    / 0          3353 / 65536         |
+===========================+===============+====================================================+
| 1     910B3               | OK            | 94.5        46                0    / 0             |
| 0                         | 0000:C2:00.0  | 81          0    / 0          3354 / 65536         |
+===========================+===============+====================================================+

"""
_MX_SMI = """\
2025-03-01-09:10:05
mx-smi  version: 2.1.6

=================== MetaX System Management Interface Log ===================
Timestamp                                         : Sat Mar  1 09:10:05 2025
Attached GPUs                                     : 2
+---------------------------------------------------------------------------------+
| GPU         NAME                   | Bus-id              | GPU-Util             |
| Temp        Pwr:Usage/Cap          | Memory-Usage        |                      |
|====================================+=====================+======================|
| 0           MXC500                 | 0000:0e:00.0        | 97%                  |
| 35C         56W / 350W             | 914/65536 MiB       |                      |
+------------------------------------+---------------------+----------------------+
| 1           MXC500                 | 0000:0f:00.0        | 96%                  |
| 36C         57W / 350W             | 915/65536 MiB       |                      |
+------------------------------------+---------------------+----------------------+

"""
_ROCM_SMI = """\
2025-03-01-09:10:05

============================ System Management Interface =============================
DCU  Temp   AvgPwr  Perf  PwrCap  VRAM%  DCU%
0    53.0c  96.0W   auto  300.0W    4%   97%
1    54.0c  97.0W   auto  300.0W    5%   98%
======================================================================================

"""
_CPU = """\
2025-03-01-09:10:05\t0.0125
2025-03-01-09:10:11\t0.5
"""
_MEM = "2025-03-01-09:10:05\t0.0675\n"
_POWER = "2025-03-01-09:10:05\t812\n2025-03-01-09:12:05\t2025-03-01-09:14:05\t820\n2025-03-01-09:16:05\t\n"
_ALONE = """\
Sat Mar  1 09:10:05 UTC 2025
Temp(C)|Power(W)|Used HBM(MB)|Total HBM(MB)|UseRate(%):
41 75 1024 32768 88

Sat Mar  1 09:10:10 UTC 2025
Temp(C)|Power(W)|Used HBM(MB)|Total HBM(MB)|UseRate(%):
42 76 1025 32768 89

"""
_ALONE_CPU = "Sat Mar  1 09:10:05 PM CST 2025\n"


def _cards(name: str, text: str, matched: int, **values: float) -> Sample:
    """A sample of ``{name}_monitor.log`` in a base case."""
    points: dict[tuple[str, str, int | None], float] = {
        ("test", metric, None): value for metric, value in values.items()
    }
    vendor = {"cambricon": "Cambricon", "metax": "MetaX", "tsingmicro": "Tsingmicro"}.get(name)
    facts: dict[str, Any] = {"kind": "microbenchmark", "device": "X1"} | ({"vendor": vendor} if vendor else {})
    return Sample(
        f"{_BASE}/{name}_monitor.log", text, matched, points, runs={"run20250301090200/computation-BF16:X1": facts}
    )


SAMPLES = (
    Sample(
        f"{_DIR}/nvidia_monitor.log",
        _NVIDIA,
        matched=5,
        points={
            ("train", "temperature", None): 33.0,
            ("train", "power", None): 58.0,
            ("train", "memory_used", None): 30512 * _MIB,
            ("train", "memory_total", None): 40536 * _MIB,
            ("train", "utilisation", None): 0.97,
        },
        runs={
            _RUN: {"kind": "training", "vendor": "NVIDIA", "device": "X1", "device_count": 16, "node_count": 2,
                   "model": "glm", "framework": "pytorch"},
        },
        events=("error",),
    ),
    _cards("mthreads", _MTHREADS, 2, power=109.51, memory_used=_MIB, utilisation=0.12),
    _cards("cambricon", _CAMBRICON, 3, power=65, temperature=36, memory_used=513 * _MIB, memory_total=24576 * _MIB,
           utilisation=0.51),
    _cards("metax", _METAX, 4, power=59, memory_used=667 * _MIB, memory_total=65536 * _MIB, utilisation=0.98),
    _cards("metax", _METAX_OLD, 3, power=58, memory_used=666 * _MIB, utilisation=0.07),
    _cards("kunlunxin", _KUNLUNXIN, 2, temperature=41, power=75, memory_used=1024 * _MIB, utilisation=0.88),
    _cards("hexaflake", _HEXAFLAKE, 2, temperature=39, power=46.5, memory_used=123 * _MIB, memory_total=16384 * _MIB),
    _cards("ascend", _ASCEND, 3, temperature=46, power=94.5, memory_used=3354 * _MIB, utilisation=0.81),
    _cards("dcu", _DCU, 2, temperature=53, power=96, memory_used=655.36 * _MIB, utilisation=0.02),
    _cards("tsingmicro", _TSINGMICRO, 2, temperature=42, power=96, memory_used=15146 * _MIB, utilisation=0.09),
    Sample(
        f"{_BASE}/zixiao_monitor.log",
        _ZIXIAO,
        matched=2,
        points={("test", "power", None): 60, ("test", "temperature", None): 45, ("test", "memory_utilisation", None): 0.25,
                ("test", "Mem", None): 3},
        unknown=("Mem",),
    ),
    Sample(
        f"{_DIR}/ascend_monitor.log",
        _NPU_SMI,
        matched=5,
        points={("train", "temperature", None): 46, ("train", "power", None): 94.5, ("train", "utilisation", None): 0.81,
                ("train", "memory_used", None): 3354 * _MIB, ("train", "memory_total", None): 65536 * _MIB},
        runs={_RUN: {"vendor": "Ascend"}},
    ),
    Sample(
        f"{_DIR}/mx-smi_monitor.log",
        _MX_SMI,
        matched=5,
        points={("train", "temperature", None): 36, ("train", "power", None): 57, ("train", "utilisation", None): 0.96,
                ("train", "memory_used", None): 915 * _MIB},
        runs={_RUN: {"vendor": "MetaX", "device": "X1"}},
    ),
    Sample(
        "archive/copied/dcu_monitor.log",
        _ROCM_SMI,
        matched=3,
        points={("test", "temperature", None): 54, ("test", "power", None): 97, ("test", "utilisation", None): 0.98,
                ("test", "memory_utilisation", None): 0.05},
        runs={"archive/copied": {"vendor": "Hygon", "kind": None}},
    ),
    Sample(f"{_DIR}/cpu_monitor.log", _CPU, matched=2, points={("train", "cpu_utilisation", None): 0.5}),
    Sample(f"{_DIR}/mem_monitor.log", _MEM, matched=1, points={("train", "host_memory_utilisation", None): 0.0675}),
    Sample(f"{_DIR}/pwr_monitor.log", _POWER, matched=2, points={("train", "system_power", None): 820.0}),
    Sample("10_0_0_5/xpu.log.txt", _ALONE, matched=4, points={("test", "power", None): 76, ("test", "temperature", None): 42}),
    Sample("10_0_0_5/cpu.log.txt", _ALONE_CPU + "0.25\n\n", matched=2, points={("test", "cpu_utilisation", None): 0.25}),
)  # fmt: skip
