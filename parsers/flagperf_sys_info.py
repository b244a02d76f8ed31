"""FlagPerf's ``sys_info.log``: system, accelerators and driver of one node, for the run in whose directory it lies.

Source: ``get_system_info`` of ``training/*/{vendor}_monitor.py`` of FlagOpen/FlagPerf.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place, Sample
from llmstats.records import Item

from ._flagperf_place import new_run, spot_of

_TITLES = {
    "OS version": "os",
    "OS Kernel version": "kernel",
    "Hardware Model": "server",
    "Accelerator Model": "accelerators",
    "XPU Hardware Model": "server",
    "XPU Accelerator Model": "accelerators",
    "Accelerator Driver version": "driver",
    "XPU Accelerator Driver version": "driver",
    "Docker version": "docker",
}
_TITLE = re.compile(rf"(?P<title>{'|'.join(_TITLES)}):$")
_CARD = re.compile(r"GPU \d+: (?P<device>\S.*?) \(UUID: ")
#: How many lines of a title count; most are answers of one line.
_LINES = {"server": 16, "accelerators": 64}

_TEXT = """\
OS version:
Ubuntu 20.04.4 LTS

OS Kernel version:
5.4.0-113-generic

Hardware Model:
Manufacturer: Toy
Product Name: T1

Accelerator Model:
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-00000000-0000-0000-0000-000000000000)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-00000000-0000-0000-0000-000000000001)

Accelerator Driver version:
470.141.03

Docker version:
Docker version 20.10.9, build c2ea9bc
"""


class FlagPerfSysInfo(DocumentParser):
    """No run of its own: facts of the run around it."""

    name = "flagperf_sys_info"
    version = 1
    title = "FlagPerf: sys_info.log (system and accelerators of a node)"
    writes = "FlagPerf"
    samples = (
        Sample(
            "result/run20250301090100/glm:pytorch_1.8:X1:1:8:1/round1/10.0.0.5_noderank0/sys_info.log",
            _TEXT,
            matched=0,
            runs={
                "run20250301090100/glm:pytorch_1.8:X1:1:8:1/round1": {
                    "covers": True,
                    "device": "NVIDIA A100-SXM4-40GB",
                    "environment": {"kernel": "5.4.0-113-generic", "driver": "470.141.03"},
                }
            },
        ),
        Sample(
            "a/10_0_0_5/sys_info.log.txt", "NODE 10.0.0.5\n\n" + _TEXT, matched=0, runs={"a/10_0_0_5": {"covers": True}}
        ),
    )

    def detect(self, head: Head) -> str | None:
        if not head.text.lstrip().startswith(("OS version:\n", "NODE ")):
            return None
        titles = {m["title"] for line in head.lines if (m := _TITLE.match(line))}
        return "titles 'OS version', 'Accelerator Model'" if len(titles) >= 3 else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        run = new_run(spot_of(place))
        run.covers, run.device, run.device_count, run.node_count = True, None, None, None
        said: dict[str, list[str]] = {}
        title = ""
        for line in text.split("\n"):
            if found := _TITLE.match(line):
                title = _TITLES[found["title"]]
            elif title and line.strip() and len(said.get(title, ())) < _LINES.get(title, 1):
                said.setdefault(title, []).append(line.strip())
        cards = [m["device"] for line in said.get("accelerators", ()) if (m := _CARD.match(line))]
        run.device = cards[0] if cards else None
        run.environment |= {key: "; ".join(lines) for key, lines in said.items() if key != "accelerators" or not cards}
        if cards:
            run.environment["cards_per_node"] = len(cards)
        yield run
