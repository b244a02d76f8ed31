"""Samples of device monitors; composed, no real output."""

# ruff: noqa: E501  (rows are as long as the tools print them)

from __future__ import annotations

from llmstats.parsing import Sample

_MIB = 2.0**20

#: With units in the cells; one GPU does not tell its power, the other failed.
_CSV = """\
timestamp, name, index, driver_version, pstate, power.draw [W], power.draw.average [W], power.draw.instant [W], utilization.gpu [%], utilization.memory [%], memory.used [MiB], memory.total [MiB], temperature.gpu, temperature.memory, clocks.sm [MHz], clocks.mem [MHz], power.limit [W]
2026/01/15 08:00:00.250, NVIDIA Toy X1, 0, 580.1, P0, 98.53 W, 97.50 W, 99.50 W, 100 %, 71 %, 81920 MiB, 143771 MiB, 45, 52, 1980 MHz, 2619 MHz, 700.00 W
2026/01/15 08:00:00.251, NVIDIA Toy X1, 1, 580.1, P0, [N/A], [N/A], [N/A], 0 %, 0 %, 4 MiB, 143771 MiB, 31, N/A, 345 MHz, 2619 MHz, [Not Supported]
Unable to determine the device handle
2026/01/15 08:00:01.250, NVIDIA Toy X1, 0, 580.1, P0, 101.00 W, 97.50 W, 99.50 W, 99 %, 70 %, 81920 MiB, 143771 MiB, 46, 53, 1980 MHz, 2619 MHz, 700.00 W
2026/01/15 08:00:01.251, NVIDIA Toy X1, 1, [Unknown Error]
"""

#: nounits, devices by their bus, a header in every turn of a shell loop; no clock.
_CSV_LOOP = """\
pci.bus_id, temperature.aip [C], utilization.aip [%], clocks.current.sm [MHz], clocks.current.memory [MHz], total_energy_consumption [mJ]
0000:18:00.0, 45, 97, 1980, 2619, 1500000
0000:2A:00.0, 46, 98, 1965, 2619, 2500000
pci.bus_id, temperature.aip [C], utilization.aip [%], clocks.current.sm [MHz], clocks.current.memory [MHz], total_energy_consumption [mJ]
0000:18:00.0, 47, 96, 1980, 2619, 1500500
0000:2A:00.0, 48, 95, 1965, 2619, 2500500
"""

CSV_SAMPLES = (
    Sample(
        "night/gpu.csv",
        _CSV,
        matched=3,
        points={
            ("test", "power", None): 98.53,
            ("test", "utilisation", None): 0.99,
            ("test", "memory_bandwidth_utilisation", None): 0.71,
            ("test", "memory_used", None): 81920 * _MIB,
            ("test", "memory_total", None): 143771 * _MIB,
            ("test", "temperature", None): 31.0,
            ("test", "memory_temperature", None): 53.0,
            ("test", "device_clock", None): 1.98e9,
            ("test", "memory_clock", None): 2.619e9,
            ("test", "power.limit", None): 700.0,
        },
        runs={
            "night/gpu": {
                "device": "NVIDIA Toy X1",
                "vendor": "NVIDIA",
                "device_count": 2,
                "environment": {"driver_version": "580.1"},
                "started_at": 1768464000250000,
                "ended_at": 1768464001250000,
            }
        },
        suspects=1,
        unknown=("power.limit",),
    ),
    Sample(
        "loop/gpu.csv",
        _CSV_LOOP,
        matched=4,
        points={
            ("test", "temperature", None): 48.0,
            ("test", "utilisation", None): 0.95,
            ("test", "device_clock", None): 1.965e9,
            ("test", "memory_clock", None): 2.619e9,
            ("test", "energy", None): 2500.5,
        },
        runs={"loop/gpu": {"device": None, "vendor": None, "device_count": 2, "started_at": None}},
    ),
)

DMON_SAMPLES = (
    Sample(
        "night/dmon.log",
        """\
#Date       Time        gpu    pwr  gtemp  mtemp     sm    mem    enc    dec    jpg   mclk   pclk     fb
#YYYYMMDD   HH:MM:SS    Idx      W      C      C      %      %      %      %      %    MHz    MHz     MB
 20260115   08:00:00      0    312     52     48     97     64      3      4      -   2619   1980  81920
 20260115   08:00:00      1     68     31      -      0      0      0      0      -   2619    345      4
 20260115   08:00:01      0    308
#Date       Time        gpu    pwr  gtemp  mtemp     sm    mem    enc    dec    jpg   mclk   pclk     fb
#YYYYMMDD   HH:MM:SS    Idx      W      C      C      %      %      %      %      %    MHz    MHz     MB
 20260115   08:00:02      0    310     53     48     98     65      3      4      0   2619   1980  81921
""",
        matched=3,
        points={
            ("test", "power", None): 312.0,
            ("test", "temperature", None): 31.0,
            ("test", "memory_temperature", None): 48.0,
            ("test", "utilisation", None): 0.97,
            ("test", "memory_bandwidth_utilisation", None): 0.64,
            ("test", "encoder_utilisation", None): 0.03,
            ("test", "decoder_utilisation", None): 0.04,
            ("test", "memory_clock", None): 2.619e9,
            ("test", "device_clock", None): 3.45e8,
            ("test", "memory_used", None): 81920 * _MIB,
            ("test", "jpg", None): 0.0,
        },
        runs={"night/dmon": {"device_count": 2, "started_at": 1768464000000000, "ended_at": 1768464002000000}},
        suspects=1,
        unknown=("jpg",),
    ),
    Sample(
        "short/dmon.txt",
        "# gpu   pwr  temp    sm\n# Idx     W     C     %\n    0    43    35     0\n    0    44    36    12\n",
        matched=2,
        points={
            ("test", "power", None): 44.0,
            ("test", "temperature", None): 36.0,
            ("test", "utilisation", None): 0.12,
        },
        runs={"short/dmon": {"device_count": 1, "started_at": None, "vendor": None}},
    ),
)

DCGM_SAMPLES = (
    Sample(
        "night/dcgm.txt",
        """\
#Entity   GRACT        SMACT        SMOCC        TENSO        DRAMA        POWER        TMPTR    MMTMP     GPUTL  MCUTL    FBUSD    FBTTL     SMCLK   MMCLK    TOTEC       PCIRX
ID
GPU 0     0.985        0.875        0.250        0.625        0.375        512.250      61       72        99     45       81920    143771    1755    2619     1234567     10240
GPU 1     N/A          0.000        0.000        0.000        0.000        68.500       31       35        0      0        4        143771    345     2619     7654321     0
GPU 1     0.5
GPU-I 0   0.5          0.5
""",
        matched=2,
        points={
            ("test", "utilisation", None): 0.99,
            ("test", "sm_activity", None): 0.875,
            ("test", "sm_occupancy", None): 0.25,
            ("test", "tensor_activity", None): 0.625,
            ("test", "memory_bandwidth_utilisation", None): 0.45,
            ("test", "power", None): 512.25,
            ("test", "temperature", None): 61.0,
            ("test", "memory_temperature", None): 72.0,
            ("test", "memory_used", None): 81920 * _MIB,
            ("test", "memory_total", None): 143771 * _MIB,
            ("test", "device_clock", None): 1.755e9,
            ("test", "memory_clock", None): 2.619e9,
            ("test", "energy", None): 1234.567,
            ("test", "PCIRX", None): 10240.0,
        },
        runs={"night/dcgm": {"device_count": 2}},
        suspects=1,
        unknown=("PCIRX",),
    ),
    Sample(
        "old/dcgm.txt",
        "# Entity  TENSO\n      Id\n    GPU 0  0.125\n    GPU 0  0.250\n",
        matched=2,
        points={("test", "tensor_activity", None): 0.25},
    ),
)

NPU_SAMPLES = (
    Sample(
        "night/npu.log",
        """\
NpuID(Idx)  ChipId(Idx) Pwr(W)      Temp(C)     AI Core(%)  AI Cpu(%)   Ctrl Cpu(%) Memory(%)   Memory BW(%)
2           0           90.1        34          85          3           2           45          12
2           1           NA          35          0           0           0           5           0
2           0           90.1
3           0           91.5        36          86          0           1           46          13
""",
        matched=3,
        points={
            ("test", "power", None): 91.5,
            ("test", "temperature", None): 35.0,
            ("test", "utilisation", None): 0.85,
            ("test", "memory_utilisation", None): 0.45,
            ("test", "memory_bandwidth_utilisation", None): 0.12,
            ("test", "AI Cpu(%)", None): 3.0,
            ("test", "Ctrl Cpu(%)", None): 2.0,
        },
        runs={"night/npu": {"vendor": "Ascend", "device_count": 3}},
        suspects=1,
        unknown=("AI Cpu(%)", "Ctrl Cpu(%)"),
    ),
    Sample(
        "short/npu.log",
        "NpuID(Idx)  ChipId(Idx) NPU Util(%)\n0           0           97\n",
        matched=1,
        points={("test", "utilisation", None): 0.97},
        runs={"short/npu": {"device_count": 1}},
    ),
    Sample(
        "new/npu.log",
        """\
NpuID(Idx)  Pwr(W)      Temp(C)     NPU Util(%)    AI Cube(%)
0           290.5       51          3              2
1           292.5       49          0              0
""",
        matched=2,
        points={("test", "power", None): 292.5, ("test", "temperature", None): 51.0},
        runs={"new/npu": {"device_count": 2}},
    ),
    Sample(
        "cube/npu.log",
        "NpuID(Idx)  AI Cube(%)\n4           25\n",
        matched=1,
        points={("test", "utilisation", None): 0.25},
    ),
)
