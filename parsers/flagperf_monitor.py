"""FlagPerf's monitors of accelerators, processors, memory and power: what the hardware did while a case ran.

Source: ``*_monitor.py``, ``standalone_monitor.py`` and ``utils/sys_monitor.py`` of FlagOpen/FlagPerf.  Every sample
is a clock, then one row (or two) per card in the order of the cards; the system's samples are single numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from llmstats.parsing import Head, LineParser, Place, State
from llmstats.records import FULL, NO_TIME, Column, Event, Ints, Item, Points, Run
from llmstats.shapes import Frame, Plan, Scan
from llmstats.training import whole

from ._flagperf_monitor import CLOCK, DATE, NAMES, plan
from ._flagperf_place import Spot, kept, learn_vendor, new_run, spot_of
from ._samples_flagperf_monitor import SAMPLES

_FILE = re.compile(r"(?P<what>[\w-]+?)(?:_monitor\.log|\.log\.txt)$")
_SYSTEM = ("cpu", "mem", "pwr")
_TOOLS = {"mx-smi": "metax", "npu": "ascend", "mlu": "cambricon"}
_NO_VENDOR = {"gpu", "xpu", "accelerator"}
_DAY_US = 86_400_000_000
_MANY_FAILURES = 20


class FlagPerfMonitor(LineParser):
    """Series without steps: one per card (``device_index``) or for the machine; ``rank`` is the node's."""

    name = "flagperf_monitor"
    version = 1
    title = "FlagPerf monitors: {vendor}_monitor.log, cpu/mem/pwr_monitor.log"
    writes = "FlagPerf"
    names: ClassVar = NAMES
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        first = next((line for line in head.lines if line.strip()), "")
        clock = CLOCK.match(first)
        if clock and first[clock.end() :][:1] in ("", "\t"):
            return "begins with a clock of FlagPerf's monitors"
        alone = head.place.matches(*(f"{what}.log.txt" for what in ("gpu", "npu", "mlu", "xpu", *_SYSTEM)))
        return "named as FlagPerf's standalone monitors, begins with a date" if alone and DATE.match(first) else None

    def start(self, place: Place) -> State:
        file = _FILE.match(place.name)
        return {"spot": kept(spot_of(place)), "what": file["what"] if file else "", "clock": NO_TIME, "seen": {}}

    def plan(self, text: str) -> Plan:
        return plan(text)

    def fold(self, state: State, place: Place, scan: Scan) -> Iterator[Item]:
        run = _run(state)
        clocks = _clocks(scan.frames)
        for kind in ("card", "more"):
            frames = [f for f in scan.frames if f.kind == kind]
            orders = _orders(state, frames, kind, clocks[0])
            for frame, order in zip(frames, orders, strict=True):
                if "device" in frame.constants and run.device is None:
                    run.device = state["device"] = frame.constants["device"]
                yield from _of_cards(state, run, frame, _at(state, frame.lines, clocks), order)
        for frame in scan.frames:
            if frame.kind == "system":
                yield _of_system(state, run, frame, _at(state, frame.lines, clocks))
        _remember(state, clocks)
        yield from _failures(state, run, scan)
        _span(state, run)
        yield run


_Clocks = tuple[Ints, Ints]


def _run(state: State) -> Run:
    run = new_run(Spot(**state["spot"]))
    what = _TOOLS.get(state["what"], state["what"])
    if what and what not in _SYSTEM and what not in _NO_VENDOR:
        learn_vendor(run, what)
    run.device = run.device or state.get("device")
    return run


# --------------------------------------------------------------------------- clocks


def _clocks(frames: Sequence[Frame]) -> _Clocks:
    """Lines of clocks and their times in microseconds, in the order of lines."""
    marks = [(f.lines, _times(f)) for f in frames if "@year" in f.columns]
    if not marks:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    lines, times = (np.concatenate(column) for column in zip(*marks, strict=True))
    order = np.argsort(lines, kind="stable")
    return lines[order], times[order]


def _times(frame: Frame) -> Ints:
    """Microseconds since 1970; `NO_TIME` where the date does not exist."""
    columns = frame.columns
    year = whole(columns["@year"])
    month = whole(columns["@month"]) if "@month" in columns else np.full(len(year), frame.constants["month"])
    day, seconds = whole(columns["@day"]), np.asarray(columns["@time"], np.float64)
    if frame.constants.get("half"):
        seconds = seconds % 43200 + (43200 if frame.constants["half"] == "PM" else 0)
    months = (year - 1970) * 12 + month - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1
    good = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return np.where(good, days * _DAY_US + (seconds * 1e6).astype(np.int64), NO_TIME)


def _at(state: State, lines: Ints, clocks: _Clocks) -> Ints:
    """Time of the clock before each line."""
    if not len(clocks[0]):
        return np.full(len(lines), state["clock"], np.int64)
    at = np.searchsorted(clocks[0], lines, "right") - 1
    return np.where(at >= 0, clocks[1][at], state["clock"])


def _remember(state: State, clocks: _Clocks) -> None:
    if len(clocks[0]):
        state["clock"] = int(clocks[1][-1])
        known = clocks[1][clocks[1] != NO_TIME]
        if len(known):
            state["first"] = min(state.get("first", int(known[0])), int(known.min()))
            state["last"] = max(state.get("last", int(known[0])), int(known.max()))


def _span(state: State, run: Run) -> None:
    run.started_at, run.ended_at = state.get("first"), state.get("last")


# --------------------------------------------------------------------------- cards


def _orders(state: State, frames: Sequence[Frame], kind: str, marks: Ints) -> list[Ints]:
    """Position of each row among the rows of its kind since the last clock, per frame; counts go on in ``state``."""
    lines = np.sort(np.concatenate([f.lines for f in frames])) if frames else np.zeros(0, np.int64)
    block = np.searchsorted(marks, lines, "right")
    order = np.arange(len(lines)) - np.searchsorted(block, block)
    order[block == 0] += state["seen"].get(kind, 0)
    last = int(order[-1]) + 1 if len(order) and block[-1] == len(marks) else 0
    state["seen"][kind] = last if last or len(marks) else state["seen"].get(kind, 0)
    return [order[np.searchsorted(lines, f.lines)] for f in frames]


def _of_cards(state: State, run: Run, frame: Frame, times: Ints, order: Ints) -> Iterator[Points]:
    names = [n for n in frame.columns if not n.startswith("@")]
    for device in np.unique(order).tolist():
        rows = np.flatnonzero(order == device)
        yield Points(
            run.name,
            _phase(run),
            frame.lines[rows],
            {n: Column(frame.columns[n][rows], frame.precision.get(n, FULL)) for n in names},
            times=times[rows],
            rank=state["spot"]["node"],
            device_index=device,
        )


def _of_system(state: State, run: Run, frame: Frame, times: Ints) -> Points:
    values: npt.NDArray[Any] = frame.columns["@value"]
    column = Column(values, frame.precision.get("@value", FULL))
    return Points(run.name, _phase(run), frame.lines, {state["what"]: column}, times=times, rank=state["spot"]["node"])


def _phase(run: Run) -> str:
    return "train" if run.kind == "training" else "test"


def _failures(state: State, run: Run, scan: Scan) -> Iterator[Event]:
    """What the vendor's tool said instead of numbers; the same words are said every few seconds."""
    said = state.setdefault("said", [])
    for line, _, text in scan.notes:
        if text not in said and len(said) < _MANY_FAILURES:
            said.append(text)
            yield Event(run.name, "error", text.strip()[:2000], line)
