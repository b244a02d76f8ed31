"""Device monitors: which row is of which device, and when."""

from __future__ import annotations

import pytest

from llmstats import formats

from . import parserkit

CSV = formats.parser("nvidia_smi_csv")
HEADER = "timestamp, uuid, utilization.gpu [%]\n"


def series(name: str, text: str) -> dict[tuple[int | None, str], list[float]]:
    """Values by device and metric, in the order of lines."""
    outcome = parserkit.read(formats.parser(name), "night/gpu.csv", text.encode())
    found: dict[tuple[int | None, str], list[float]] = {}
    for item in outcome.items:
        for raw, column in getattr(item, "values", {}).items():
            found.setdefault((item.device_index, raw), []).extend(column.values.tolist())
    return found


def test_devices_are_numbered_as_they_come_where_no_index_is_asked_for() -> None:
    rows = [f"2026/01/15 08:00:0{i // 2}.000, GPU-{'ab'[i % 2]}1, {i} %\n" for i in range(4)]
    assert series("nvidia_smi_csv", HEADER + "".join(rows)) == {
        (0, "utilization.gpu"): [0.0, 2.0], (1, "utilization.gpu"): [1.0, 3.0],
    }  # fmt: skip


def test_a_header_with_other_columns_begins_another_table() -> None:
    text = "index, power.draw [W]\n0, 50.5\npower.draw [W], index\n60.5, 0\n"
    assert series("nvidia_smi_csv", text) == {(0, "power.draw"): [50.5, 60.5]}


def test_two_gpus_of_two_kinds_are_no_one_device() -> None:
    text = "index, name, power.draw [W]\n0, NVIDIA A, 1.5 W\n1, NVIDIA B, 2.5 W\n"
    (run,) = parserkit.read(CSV, "a/gpu.csv", text.encode()).runs.values()
    assert (run.device, run.vendor, run.device_count) == (None, None, 2)


@pytest.mark.parametrize(
    "text",
    [
        "name, memory, clocks\nA, 1, 2\n",
        "gpu_uuid, pid, process_name, used_gpu_memory [MiB]\nGPU-a, 1, python, 500 MiB\n",
        "0, 98.53, 100\n",
        "memory.used\n4\n",
    ],
)
def test_other_tables_are_not_taken(text: str) -> None:
    assert CSV.detect(parserkit.head("a/gpu.csv", text.encode())) is None


def test_a_process_monitor_is_no_device_monitor() -> None:
    text = "# gpu        pid  type    sm   mem   command\n# Idx          #   C/G     %     %   name\n"
    parser = formats.parser("nvidia_smi_dmon")
    assert parser.detect(parserkit.head("a/pmon.log", (text + "    0  1  C  9  9  python\n").encode())) is None


def test_chips_of_one_npu_are_devices_of_their_own() -> None:
    text = "NpuID(Idx)  ChipId(Idx) Pwr(W)\n0  0  90.5\n0  1  91.5\n1  0  92.5\n"
    assert series("npu_smi_watch", text) == {(0, "Pwr(W)"): [90.5], (1, "Pwr(W)"): [91.5], (2, "Pwr(W)"): [92.5]}
