"""``dcgmi dmon -e …``: fields of NVIDIA's Data Center GPU Manager, a row per GPU and poll, no clock.

Source: DCGM user guide and field identifiers.  Utilisations of the driver are percentages, activities of the
profiling counters fractions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import Issue, Item

from ._samples_smi import DCGM_SAMPLES
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
    complete_lines,
    monitor_run,
)
from ._smi_text import TextTable

_HEADER = re.compile(r"#\s*Entity\s+([A-Z][A-Z0-9]*(?:\s+[A-Z][A-Z0-9]*)*)\s*$")
_ROW = re.compile(r"GPU\s+(\d{1,5})\s+(\S.*)$")
_MORE = re.compile(r"(?:GPU|GPU-I|GPU-CI|Switch|Link|CPU|Core|I|CI)\s")


class DcgmDmon(DocumentParser):
    """A series per field and device; parts of a device (MIG) and links are left out with a remark."""

    name = "dcgm_dmon"
    version = 1
    title = "dcgmi dmon"
    writes = "DCGM"
    names = {
        "POWER": POWER,
        "POWR": POWER,
        "TMPTR": TEMPERATURE,
        "MMTMP": MEMORY_TEMPERATURE,
        "GPUTL": BUSY,
        "MCUTL": MEMORY_BUSY,
        "FBUSD": MEMORY_USED,
        "FBTTL": MEMORY_TOTAL,
        "SMCLK": CLOCK,
        "MMCLK": MEMORY_CLOCK,
        "TOTEC": Name("energy", 1e-3, "energy@since_driver_load"),
        "GRACT": Name("utilisation", 1.0, "utilisation@engine_cycles"),
        "SMACT": Name("sm_activity"),
        "SMOCC": Name("sm_occupancy"),
        "TENSO": Name("tensor_activity"),
        "DRAMA": Name("memory_bandwidth_utilisation", 1.0, "memory_bandwidth_utilisation@dram_cycles"),
    }
    samples = DCGM_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "Entity" not in head.text:
            return None
        found = next((line for line in head.lines[:50] if _HEADER.match(line.strip())), None)
        return f"header {found.strip()[:100]!r}" if found and re.search(r"^\s*GPU\s+\d", head.text, re.M) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        run = monitor_run(place)
        table = TextTable("Entity")
        left: list[int] = []
        for number, line in complete_lines(text):
            line = line.strip()
            if header := _HEADER.match(line):
                table.begin(["Entity", *header[1].split()])
            elif row := _ROW.match(line):
                if not table.row(number, f"{row[1]} {row[2]}"):
                    yield Issue("a row with another number of cells than the header", number, line[:500])
            elif _MORE.match(line):
                left.append(number)
        if left:
            yield Issue(f"{len(left)} rows of parts of devices or of links left out", left[0], suspect=False)
        yield from table.samples.points(run)
        yield run
