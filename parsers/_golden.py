"""What the result files of Megatron's, FlagScale's and MindSpeed-LLM's tests share: short series and telling names."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llmstats.records import Column, Points, Run

_PLATFORM = re.compile(r"dgx_?(?P<device>[a-z]*\d{2,3})(?![a-z0-9])")
_NODES_GPUS = re.compile(r"(?:^|_)nodes-(\d+)_gpus-(\d+)(?:_|$)|(?:^|_)(\d+)N(\d+)G(?:_|/|$)")
_SIZE = re.compile(r"(?:^|[_/])(tp|pp|dp|cp|ep|vpp|vp)-?(\d+)(?=_|\.|$|/)")
_JOINED_SIZES = re.compile(r"(?:(?:tp|pp|dp|cp|ep|vpp|vp)\d+){2,}")
_PRECISION = re.compile(r"(?:^|_)(bf16|fp16|fp8|fp32)(?=_|$)")


@dataclass(slots=True)
class Series:
    """A short series of one metric; ``steps`` 1-based."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def add(self, step: int, value: float, line: int) -> None:
        self.steps.append(step)
        self.values.append(value)
        self.lines.append(line)


def numeric(value: Any) -> float | None:
    """A number of a JSON file; None for all else.

    A loss that is not a number stands there as a bare ``NaN``.  The text ``"nan"`` of golden values is none: it fills
    steps for which nothing was logged.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if isinstance(value, float) or abs(value) < 1e300 else math.inf
    return None


def series_points(
    run: str, raw: str, series: Series, *, rank: int | None = None, stepless: bool = False, phase: str = "train"
) -> Points:
    steps = None if stepless else np.array(series.steps, np.int64)
    values = {raw: Column(np.array(series.values, np.float64))}
    return Points(run, phase, np.array(series.lines, np.int64), values, steps, rank=rank)


def case_facts(run: Run, name: str) -> None:
    """Take in what the name of a test case says: platform, devices, parallel sizes, precision.

    A case may be named after one platform while the file of its values names another: the last one counts.
    """
    if platform := next(reversed([*_PLATFORM.finditer(name)]), None):
        run.environment["platform"] = platform[0]
        run.vendor, run.device = "NVIDIA", platform["device"].upper()
    if counts := _NODES_GPUS.search(name):
        nodes, devices = (int(n) for n in counts.groups() if n)
        run.node_count, run.device_count = nodes, nodes * devices
    sizes = {} if _JOINED_SIZES.search(name) else {k: int(v) for k, v in _SIZE.findall(name)}
    run.parallelism = "-".join(f"{k}{v}" for k, v in sizes.items() if v > 1) or None
    if precision := _PRECISION.search(name):
        run.precision = precision[1]
