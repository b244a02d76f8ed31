"""``nvidia-smi dmon``: a row per GPU and poll, with a clock where ``-o DT`` asked for it.

Source: the man page of nvidia-smi; which columns there are depends on ``-s`` and on the driver.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import Issue, Item

from ._samples_smi import DMON_SAMPLES
from ._smi import (
    BUSY,
    CLOCK,
    MEMORY_BUSY,
    MEMORY_CLOCK,
    MEMORY_TEMPERATURE,
    MEMORY_USED,
    POWER,
    TEMPERATURE,
    complete_lines,
    monitor_run,
)
from ._smi_text import TextTable

_HEADER = re.compile(r"#\s*(?:Date[\s,]+)?(?:Time[\s,]+)?gpu[\s,]+(?!pid\b)\w")
_UNITS = re.compile(r"#\s*(?:YYYYMMDD[\s,]+)?(?:HH:MM:SS[\s,]+)?Idx\b")
_ROW = re.compile(r"\d+[\s,]")
_SPLIT = re.compile(r"[\s,]+")


class NvidiaSmiDmon(DocumentParser):
    """A series per column and device."""

    name = "nvidia_smi_dmon"
    version = 1
    title = "nvidia-smi dmon"
    writes = "nvidia-smi"
    names = {
        "pwr": POWER,
        "gtemp": TEMPERATURE,
        "temp": TEMPERATURE,
        "mtemp": MEMORY_TEMPERATURE,
        "sm": BUSY,
        "mem": MEMORY_BUSY,
        "fb": MEMORY_USED,
        "mclk": MEMORY_CLOCK,
        "pclk": CLOCK,
        "enc": Name("encoder_utilisation", 0.01),
        "dec": Name("decoder_utilisation", 0.01),
    }
    samples = DMON_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "gpu" not in head.text or "#" not in head.text:
            return None
        lines = [line.strip() for line in head.lines[:50]]
        found = next((line for line in lines if _HEADER.match(line)), None)
        return f"header {found[:100]!r}" if found and any(_UNITS.match(line) for line in lines) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        run = monitor_run(place)
        table = TextTable("gpu", "Date", "Time")
        names: list[str] = []
        for number, line in complete_lines(text):
            line = line.strip()
            if _HEADER.match(line):
                names = _cells(line)
                table.begin(names)
            elif _UNITS.match(line):
                units = _cells(line)
                table.begin(names, [_unit(u) for u in units] if len(units) == len(names) else None)
            elif table.begun and _ROW.match(line) and not table.row(number, line):
                yield Issue("a row with another number of cells than the header", number, line[:500])
        yield from table.samples.points(run)
        yield run


def _cells(line: str) -> list[str]:
    return [part for part in _SPLIT.split(line.lstrip("# ")) if part]


def _unit(text: str) -> str:
    return "" if text in ("Idx", "-", "YYYYMMDD", "HH:MM:SS") else text
