"""``nvidia-smi --query-gpu=… --format=csv[,nounits]`` in a loop; hl-smi and ixsmi print the same way.

Source: the man page of nvidia-smi.  A shell loop repeats the header; ``noheader`` leaves nothing to know a file by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import Issue, Item, Run
from llmstats.training import microseconds

from ._samples_smi import CSV_SAMPLES
from ._smi import (
    BUSY,
    CLOCK,
    MEMORY_BUSY,
    MEMORY_CLOCK,
    MEMORY_TEMPERATURE,
    MEMORY_TOTAL,
    MEMORY_USED,
    POWER,
    TEMPERATURE,
    Samples,
    complete_lines,
    monitor_run,
)
from ._steplines import vendor_of

_COLUMN = re.compile(r"(?P<name>[a-z][\w.]*)(?: \[(?P<unit>[^\]]+)\])?")
#: One of these makes a header.
_SIGNS = ("power.draw", "utilization.", "memory.used", "memory.free", "temperature.", "clocks.")
#: Who the row is of, the surest first.
_DEVICE = ("gpu", "index", "pci.bus_id", "gpu_bus_id", "pci.bus", "bus_id", "uuid", "gpu_uuid", "serial", "gpu_serial")
_FACTS = {"name": "name", "gpu_name": "name", "driver_version": "driver_version", "vbios_version": "vbios_version"}
_NO_METRIC = {*_DEVICE, *_FACTS, "timestamp", "count", "pstate", "pci.domain", "pci.device", "pci.device_id"}


class NvidiaSmiCsv(DocumentParser):
    """A series per column and device."""

    name = "nvidia_smi_csv"
    version = 1
    title = "nvidia-smi --query-gpu --format=csv"
    writes = "nvidia-smi"
    names = {
        "power.draw": POWER,
        "power.draw.average": Name("power", definition="power@device_average"),
        "power.draw.instant": Name("power", definition="power@device_instant"),
        "temperature.gpu": TEMPERATURE,
        "temperature.aip": TEMPERATURE,
        "temperature.memory": MEMORY_TEMPERATURE,
        "utilization.gpu": BUSY,
        "utilization.aip": BUSY,
        "utilization.memory": MEMORY_BUSY,
        "memory.used": MEMORY_USED,
        "memory.total": MEMORY_TOTAL,
        "clocks.sm": CLOCK,
        "clocks.current.sm": CLOCK,
        "clocks.mem": MEMORY_CLOCK,
        "clocks.current.memory": MEMORY_CLOCK,
        "total_energy_consumption": Name("energy", 1e-3, "energy@since_driver_load"),
    }
    samples = CSV_SAMPLES

    def detect(self, head: Head) -> str | None:
        if not any(sign in head.text for sign in _SIGNS):
            return None
        found = next((line for line in head.lines[:20] if _header(line)), None)
        return f"header {found[:100]!r}" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        run = monitor_run(place)
        table = _Table()
        for number, line in complete_lines(text):
            header = _header(line) if "," in line and line[:1].isalpha() else None
            if header:
                table.begin(header)
            elif line.count(",") >= 1 and not table.row(number, line):
                yield Issue("a row with another number of cells than the header", number, line[:500])
        yield from table.samples.points(run)
        table.facts(run)
        yield run


def _header(line: str) -> list[tuple[str, str]] | None:
    """Names and units of the columns, or None for a line that is no header."""
    cells = [_COLUMN.fullmatch(part.strip()) for part in line.split(",")]
    found = [(match["name"], match["unit"] or "") for match in cells if match]
    if len(found) < max(2, len(cells)) or not any(name.startswith(_SIGNS) for name, _ in found):
        return None
    return found


class _Table:
    """Rows under the header that was read last."""

    def __init__(self) -> None:
        self.samples = Samples()
        self._names: list[str] = []
        self._device: str | None = None
        self._devices: dict[str, int] = {}
        self._said: dict[str, set[str]] = {}

    def begin(self, header: list[tuple[str, str]]) -> None:
        self._names = [name for name, _ in header]
        self.samples.units |= {name: unit for name, unit in header if unit}
        self._device = next((name for name in _DEVICE if name in self._names), None)

    def row(self, number: int, line: str) -> bool:
        """Take a row; False if it is none of this table."""
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(self._names):
            return not self._names
        row = dict(zip(self._names, cells, strict=True))
        for name in _FACTS.keys() & row.keys():
            self._said.setdefault(_FACTS[name], set()).add(row[name])
        time = microseconds(row.get("timestamp", ""))
        values = {name: text for name, text in row.items() if name not in _NO_METRIC}
        self.samples.add(number, self._index(row), time, values)
        return True

    def _index(self, row: dict[str, str]) -> int | None:
        """Number of the device: its index, or the order in which its id was first seen."""
        if self._device is None:
            return None
        text = row[self._device]
        if self._device == "index" and text.isdigit() and len(text) < 6:
            return int(text)
        return self._devices.setdefault(text, len(self._devices))

    def facts(self, run: Run) -> None:
        """Device and versions where all rows agree."""
        said = {key: min(values) for key, values in self._said.items() if len(values) == 1}
        run.device = said.pop("name", None)
        run.vendor = vendor_of(run.device)
        run.environment |= said
