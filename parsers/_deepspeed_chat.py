"""What DeepSpeed-Chat and its sisters in DeepSpeedExamples print around the engine's own lines.

Source: ``applications/DeepSpeed-Chat`` (``main.py`` of the three steps, ``dschat/utils/perf.py``,
``ppo_trainer.py``), ``random_ltd`` of DeepSpeedExamples.
"""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from llmstats.parsing import State
from llmstats.records import Ints
from llmstats.shapes import Field, Frame, Record, Scan
from llmstats.training import whole

from ._steplines import carried, covered

NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|inf|nan)"

_PPO = re.compile(
    r"epoch: (?P<epoch>\d+) ?\| ?step: (?P<step>\d+) ?\| ?ppo[_ ]ep(?:och)?: \d+ ?(?=\| ?act)",
    re.I,
)
#: Kind of record -> how its line begins.
_KINDS = {
    "chat": re.compile(r"Model Parameters: [\d.]+ B, (?=Latency: )"),
    "cycle": re.compile(
        r"(?P<part>)\|(?=E2E latency=\d)|(?P<named>End-to-End|Generation|Training) +=> (?=Latency: )"
        r"|(?=average reward score: )"
    ),
    "val": re.compile(
        rf"(?=ppl: {NUMBER}(?:$|, ))|(?=chosen: {NUMBER}, )|(?=(?:chosen_last_scores|rejected_last_scores) \()"
        rf"|'step':(?P<step>\d+), (?='ppl': )|Step at (?P<step_at>\d+) with (?=Perplexity: )"
        r"|(?:Before cleaning, )?Epoch at \d+ with (?=Perplexity: )"
    ),
    "epoch": re.compile(rf"Epoch \d+/\d+ with (?=loss {NUMBER}$)"),
}
_PAIR = re.compile(
    rf"(?:^|[,|]|=>|(?<=with))\s*(?P<key>[A-Za-z'][^:,|=>]*?)\s?(?:[:=]|(?<=loss|/seq|ency) )\s?"
    rf"(?P<value>{NUMBER})(?P<unit> ?ms| ?GB/sec|s)?(?=\s*(?:[,|(]|$))"
)
#: Identity and conditions, not measurements.
_SERVICE = {"Batch Size": "@batch", "Sequence Length": "@length", "Total Seq. Length": "@length"}
_DERIVED = {"Time/seq", "Answer Seq. Length"}
_BATCHES = re.compile(r"Total (?:Micro|Generation) Batches (\d+)")


def chat(text: str) -> Record | None:
    """The record of a line of DeepSpeed-Chat; None for all else."""
    if ppo := _PPO.match(text):
        counters = [Field("@epoch", *ppo.span("epoch")), Field("@ppo", *ppo.span("step"))]
        return Record("ppo", covered(text, [*counters, *_pairs(text, ppo.end(), "")]))
    for kind, pattern in _KINDS.items():
        if begin := pattern.match(text):
            groups = begin.groupdict()
            step = [Field("@step", *begin.span(k)) for k in ("step", "step_at") if groups.get(k)]
            named = f"{groups['named']} " if groups.get("named") else ""
            fields = _pairs(text, begin.end(), named)
            return Record(kind, covered(text, [*step, *fields])) if fields else None
    return None


def _pairs(text: str, start: int, named: str) -> list[Field]:
    fields = []
    for match in _PAIR.finditer(text[start:]):
        key = match["key"].strip("' ")
        if key not in _DERIVED:
            name = _SERVICE.get(key, named + key)
            begin, end = match.span("value")
            fields.append(Field(name, start + begin, start + end, "number", (match["unit"] or "").strip()))
    return fields


def place_steps(state: State, scan: Scan) -> None:
    """Give the records of a generation cycle their step: that of the PPO line before; lines without any get none."""
    found: list[tuple[int, int]] = []
    batches = carried(state, scan, "batches", _BATCHES)
    for frame in scan.frames:
        if frame.kind == "ppo":
            steps = whole(frame.columns["@ppo"]) + 1 + whole(frame.columns["@epoch"]) * batches(frame.lines)
            frame.columns["@step"] = steps
            frame.columns["@epoch"] = frame.columns["@epoch"] + 1
            found += zip(frame.lines.tolist(), steps.tolist(), strict=True)
    found = [(0, state.get("ppo", -1)), *sorted(found)]
    lines, steps = (np.array(column, np.int64) for column in zip(*found, strict=True))
    state["ppo"] = found[-1][1]
    for frame in scan.frames:
        if frame.kind == "cycle":
            frame.columns["@step"] = _before(lines, steps, frame)
        elif frame.kind in ("chat", "timers"):
            frame.columns["@step"] = np.full(len(frame.lines), -1)


def _before(lines: Ints, steps: Ints, frame: Frame) -> Ints:
    return np.asarray(steps[np.searchsorted(lines, frame.lines) - 1])


def split_engines(state: State, scan: Scan) -> None:
    """Tell two engines of one process apart: of progress lines with equal steps in a row, the second is ``lr#2``."""
    frames = [f for f in scan.frames if "skipped" in f.columns]
    rows = [
        (line, step) for f in frames for line, step in zip(f.lines.tolist(), f.columns["@step"].tolist(), strict=True)
    ]
    rows.sort()
    step, engine = state.setdefault("progress", [-1, 0])
    engines: dict[int, int] = {}
    for (_, before), (line, now) in pairwise([(0, step), *rows]):
        engine = engine + 1 if now == before else 0
        engines[line] = engine
    if rows:
        state["progress"] = [rows[-1][1], engine]
    for frame in frames:
        scan.frames += _split(frame, np.array([engines[line] for line in frame.lines.tolist()]))
    scan.frames = [f for f in scan.frames if len(f.lines)]


def _split(frame: Frame, engines: Ints) -> list[Frame]:
    """Records of the second and later engines under names of their own; those of the first stay in ``frame``."""
    others = []
    for engine in sorted(set(engines.tolist()) - {0}):
        mine = engines == engine
        renamed = {k: k if k.startswith("@") else f"{k}#{engine + 1}" for k in frame.columns}
        others.append(
            Frame(
                frame.kind,
                frame.constants,
                frame.lines[mine],
                {renamed[k]: column[mine] for k, column in frame.columns.items()},
                {renamed[k]: text for k, text in frame.precision.items()},
                {renamed[k]: unit for k, unit in frame.units.items()},
            )
        )
    first = engines == 0
    frame.lines = frame.lines[first]
    frame.columns = {k: column[first] for k, column in frame.columns.items()}
    return others
