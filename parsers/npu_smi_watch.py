"""``npu-smi info watch``: a row per chip of Ascend NPUs and poll, no clock.

Source: npu-smi's command reference; columns depend on ``-s`` and on the version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import Issue, Item

from ._samples_smi import NPU_SAMPLES
from ._smi import POWER, TEMPERATURE, Samples, complete_lines, monitor_run

_HEADER = re.compile(r"\s*NpuID\(Idx\)\s+(?:ChipId\(Idx\)\s+)?[A-Z]")
_IDS = ("NpuID(Idx)", "ChipId(Idx)")
_COLUMN = re.compile(r"([A-Za-z][\w ]*\([^)]*\))")


class NpuSmiWatch(DocumentParser):
    """A series per column and chip; ``device_index`` counts chips over all NPUs."""

    name = "npu_smi_watch"
    version = 2
    title = "npu-smi info watch"
    writes = "npu-smi"
    names = {
        "Pwr(W)": POWER,
        "Temp(C)": TEMPERATURE,
        "AI Core(%)": Name("utilisation", 0.01, "utilisation@ai_core"),
        "AI Cube(%)": Name("utilisation", 0.01, "utilisation@ai_cube"),
        "NPU Util(%)": Name("utilisation", 0.01, "utilisation@npu"),
        "Memory(%)": Name("memory_utilisation", 0.01),
        "Memory BW(%)": Name("memory_bandwidth_utilisation", 0.01, "memory_bandwidth_utilisation@npu_smi"),
    }
    samples = NPU_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "NpuID(Idx)" not in head.text:
            return None
        found = next((line for line in head.lines[:50] if _HEADER.match(line)), None)
        return f"header {found.strip()[:100]!r}" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        run = monitor_run(place)
        rows: list[tuple[int, int, int, dict[str, str]]] = []
        names: list[str] = []
        for number, line in complete_lines(text):
            if _HEADER.match(line):
                names = _COLUMN.findall(line)
                continue
            cells = line.split()
            if not names or len(cells) < 2 or not cells[0].isdigit():
                continue
            ids = [cell for name, cell in zip(names, cells, strict=False) if name in _IDS]
            if len(cells) != len(names) or not all(cell.isdigit() and len(cell) < 6 for cell in ids):
                yield Issue("a row with other cells than the header", number, line[:500])
                continue
            npu, chip = int(ids[0]), int(ids[1]) if len(ids) > 1 else 0  # newer versions name no chips
            rows.append((number, npu, chip, dict(zip(names[len(ids) :], cells[len(ids) :], strict=True))))
        chips = 1 + max((chip for _, _, chip, _ in rows), default=0)
        samples = Samples()
        for number, npu, chip, values in rows:
            samples.add(number, npu * chips + chip, None, values)
        run.vendor = "Ascend"
        yield from samples.points(run)
        yield run
