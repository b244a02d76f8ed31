"""What the parsers of device monitors share: samples of many devices as series without steps, common names.

A monitor prints a row per device and poll.  Cells that say nothing (``[N/A]``, ``-``) leave their series without a
value at that row.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from llmstats.documents import number
from llmstats.parsing import Name, Place
from llmstats.records import NO_TIME, Column, Points, Run

MIB = 2.0**20
MHZ = 1e6
PERCENT = 0.01

POWER = Name("power", definition="power@device")
TEMPERATURE = Name("temperature")
MEMORY_TEMPERATURE = Name("memory_temperature")
BUSY = Name("utilisation", PERCENT, "utilisation@kernel_running")
MEMORY_BUSY = Name("memory_bandwidth_utilisation", PERCENT, "memory_bandwidth_utilisation@busy_time")
MEMORY_USED = Name("memory_used", MIB)
MEMORY_TOTAL = Name("memory_total", MIB)
CLOCK = Name("device_clock", MHZ)
MEMORY_CLOCK = Name("memory_clock", MHZ)

_VALUE = re.compile(r"([-+]?\d[\d.]*(?:[eE][-+]?\d+)?)(?: ?[A-Za-z%°/]{1,6})?")


def cell(text: str) -> float | None:
    """``98.53 W``, ``100 %``, ``-``, ``[Not Supported]``, ``N/A``: the number, or None."""
    match = _VALUE.fullmatch(text)
    return number(match[1]) if match else None


def decimals(text: str) -> int:
    """Decimals of a printed number with or without a unit."""
    return len(text.split(" ", 1)[0].partition(".")[2].rstrip("%"))


@dataclass(slots=True)
class _Group:
    """Rows of one device that have the same cells."""

    lines: array[int] = field(default_factory=lambda: array("q"))
    times: array[int] = field(default_factory=lambda: array("q"))
    columns: list[array[float]] = field(default_factory=list)


@dataclass(slots=True)
class Samples:
    """All rows of a file, and what they say of time and devices."""

    units: dict[str, str] = field(default_factory=dict)
    devices: set[int] = field(default_factory=set)
    _groups: dict[tuple[int | None, tuple[str, ...]], _Group] = field(default_factory=dict)
    _precision: dict[str, int] = field(default_factory=dict)

    def add(self, line: int, device: int | None, time: int | None, cells: Mapping[str, str]) -> None:
        """One row; ``cells`` by raw name."""
        found = [(name, value) for name, text in cells.items() if (value := cell(text)) is not None]
        if not found:
            return
        names = tuple(name for name, _ in found)
        group = self._groups.setdefault((device, names), _Group(columns=[array("d") for _ in names]))
        group.lines.append(line)
        group.times.append(NO_TIME if time is None else time)
        for column, (name, value) in zip(group.columns, found, strict=True):
            column.append(value)
            self._precision[name] = max(self._precision.get(name, 0), decimals(cells[name]))
        if device is not None:
            self.devices.add(device)

    def points(self, run: Run) -> Iterator[Points]:
        """All series; ``run`` learns its span and its number of devices."""
        for (device, names), group in self._groups.items():
            times = np.array(group.times, np.int64)
            known = times[times != NO_TIME]
            if len(known):
                run.started_at = min(int(known.min()), run.started_at or int(known.min()))
                run.ended_at = max(int(known.max()), run.ended_at or int(known.max()))
            columns = {
                name: Column(np.array(values, np.float64), str(self._precision[name]), self.units.get(name, ""))
                for name, values in zip(names, group.columns, strict=True)
            }
            lines = np.array(group.lines, np.int64)
            yield Points(run.name, "test", lines, columns, times=times if len(known) else None, device_index=device)
        run.device_count = len(self.devices) or None


def monitor_run(place: Place) -> Run:
    """The run of a monitor's file, which says nothing of what ran meanwhile."""
    name = "/".join(part for part in (place.parent(), place.stem) if part)
    return Run(name, place.path, experiment=name)


def complete_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; a last one without an end may be cut in the middle of a number and is left out."""
    lines: Sequence[str] = text.split("\n")
    return enumerate(lines[:-1], 1)
