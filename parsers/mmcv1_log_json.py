"""mmcv 1.x ``{timestamp}.log.json``: a line of facts, then one object per record, rounded to five decimals.

Source: ``mmcv/runner/hooks/logger/text.py`` ``_dump_log`` at v1.0.0 to v1.7.2.

``iter`` counts within the epoch and the length of an epoch is not written down, but the text log beside has
global steps.  So the length is learnt where the file proves it, and the whole file must be known for that:

- an epoch whose last record is no multiple of the logging interval ended there (``ignore_last=False``), and
  so did every complete epoch where the interval is 1;
- until mmcv 1.3.5 the ``iter`` of a validation is the iteration that it followed, so it is the length if it
  lies less than an interval behind the last train record.  (Since then it is the length of the validation
  set.)

Where neither holds, iterations from the second epoch on keep their epoch and a column ``iter``, and have no
step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from llmstats.parsing import DocumentParser, Head, Objects, Place
from llmstats.records import Issue, Item, Run
from llmstats.training import Runs, StepLog, frames_of, is_conflict_marker, points

from ._mmcv1 import NAMES, PRINTS, printed, read_config, start
from ._mmengine import first_records, new_run, placed, read_environment
from ._samples_mmcv1 import JSON_SAMPLES

#: Stands in for an unknown epoch length, so that steps still grow.
_LONG = 10**7
#: Facts may be longer than detection sees; their names come early.
_HEAD_OF_META = 4096
_UNKNOWN = "length of an epoch not known: no steps from the second epoch on (the text log has them)"
_META = ('"env_info"', '"exp_name"', '"config"', '"mmcv_version"')


@dataclass
class _File:
    """A file sorted into its lines; rows are (line, object)."""

    meta: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    records: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    markers: list[tuple[int, str]] = field(default_factory=list)
    broken: list[tuple[int, str]] = field(default_factory=list)


class MmcvLogJson(DocumentParser):
    """The run of the text log beside: the same points, with one or two more decimals."""

    name = "mmcv1_log_json"
    version = 2
    title = "mmcv 1.x <timestamp>.log.json"
    writes = "mmcv 1"
    names = NAMES
    samples = JSON_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "{" not in head.text[:1000]:
            return None
        lines = [line for line in head.lines[:6] if line.startswith("{")]
        for line in lines:
            row = _object(line)
            if row and row.get("mode") in ("train", "val") and {"epoch", "iter"} <= row.keys():
                return 'JSON lines with "mode", "epoch" and "iter"'
        begins = lines[0][:_HEAD_OF_META] if lines else ""
        if head.place.matches("*.log.json") and any(key in begins for key in _META):
            return "*.log.json that begins with facts of a run"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        file = _sort(text)
        for line, excerpt in file.broken:
            yield Issue("broken JSON object", line, excerpt[:500])
        state = start(place)
        runs = Runs(state, lambda index: new_run(state, index, "mmcv"))
        length = _epoch_length(file)
        records = Objects([(line, _record(row, length)) for line, row in file.records])
        frames = frames_of(records, {}, lambda row: row["@kind"])
        for frame in frames:
            frame.precision = dict.fromkeys(frame.columns, "5")
        steps = StepLog(state)
        before = steps.remembered()
        train_frames = [f for f in frames if f.kind == "train"]
        train = steps.read(train_frames, [line for line, _ in file.meta], file.markers)
        for line, row in file.meta:
            _facts(runs[steps.at(train, line, before)], row)
        for frame in frames:
            index, at = placed(frame, steps, train, before)
            at[at >= _LONG] = -1
            yield from points(frame, frame.kind, state["name"], index, at, None)
        if length == _LONG and (unknown := [line for line, row in file.records if row["epoch"] > 1]):
            yield Issue(_UNKNOWN, unknown[0], suspect=False)
        for number, found in first_records(state, train_frames, train, PRINTS, printed).items():
            runs[number].fingerprint = f"mmcv1:{found}"
        yield from runs.told(steps.run)


# --------------------------------------------------------------------------- lines


def _object(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _sort(text: str) -> _File:
    """Lines by what they are; a broken last line is still being written."""
    file = _File()
    lines = text.rstrip("\n").split("\n")
    for number, line in enumerate(lines, 1):
        row = _object(line) if line.startswith("{") else None
        if row is None:
            if is_conflict_marker(line):
                file.markers.append((number, line))
            elif line.startswith("{") and number < len(lines):
                file.broken.append((number, line))
        elif "mode" not in row:
            file.meta.append((number, row))
        elif _is_counter(row.get("epoch")) and _is_counter(row.get("iter")):
            file.records.append((number, row))
        else:
            file.broken.append((number, line))
    return file


def _is_counter(value: Any) -> bool:
    return type(value) is int and 0 <= value < _LONG


def _record(row: dict[str, Any], length: int | None) -> dict[str, Any]:
    """A record with its kind and service keys; several learning rates become ``lr_<name>`` as in the text."""
    epoch, inner = row["epoch"], row["iter"]
    values = {k: v for k, v in row.items() if k not in ("mode", "epoch", "iter")}
    for key in [k for k, v in values.items() if isinstance(v, dict)]:
        values |= {f"{key}_{name}": value for name, value in values.pop(key).items()}
    train = row["mode"] == "train"
    values |= {"@kind": "train" if train else "val", "@epoch": epoch, "@i": inner}
    if train:
        values["@step"] = inner if length is None else (epoch - 1) * length + inner
        if length == _LONG and epoch > 1:
            values["iter"] = inner
    return values


def _facts(run: Run, meta: dict[str, Any]) -> None:
    """Take in the first line."""
    if isinstance(info := meta.get("env_info"), str):
        read_environment(info.split("\n"), run)
    if isinstance(config := meta.get("config"), str):
        read_config(config, run)
    run.config |= {k: meta[k] for k in ("exp_name", "seed") if meta.get(k) is not None}


# --------------------------------------------------------------------------- length of an epoch

_INTERVAL = re.compile(r"^log_config = dict\(\s*interval=(\d+)", re.M)
_BY_ITERATION = re.compile(r"type='IterBasedRunner'|TextLoggerHook',\s*by_epoch=False")
_BY_EPOCH = re.compile(r"type='EpochBasedRunner'|^total_epochs = ", re.M)
_VERSION = re.compile(r"^MMCV: (\d+)\.(\d+)\.(\d+)", re.M)


def _epoch_length(file: _File) -> int | None:
    """Iterations of an epoch; `_LONG` if the file does not prove it, None if ``iter`` is global."""
    config = "\n".join(str(row.get("config", "")) for _, row in file.meta)
    by_iteration = _by_iteration(config, file)
    if by_iteration is not False:
        return None if by_iteration else _LONG
    last: dict[int, int] = {}
    first: dict[int, int] = {}
    for _, row in file.records:
        if row["mode"] == "train":
            last[row["epoch"]] = max(row["iter"], last.get(row["epoch"], 0))
            first.setdefault(row["epoch"], row["iter"])
    stated = _INTERVAL.search(config)
    interval = int(stated[1]) if stated else min(first.values(), default=0)
    found = _ended(last, interval) | _validated(file, last, interval)
    length = found.pop() if len(found) == 1 else _LONG
    return length if length >= max(last.values(), default=0) else _LONG


def _ended(last: dict[int, int], interval: int) -> set[int]:
    """Lengths that the last records of epochs prove; the newest epoch may go on."""
    complete = [inner for epoch, inner in last.items() if epoch < max(last)] if interval == 1 else []
    return {*complete, *(inner for inner in last.values() if interval and inner % interval)}


def _validated(file: _File, last: dict[int, int], interval: int) -> set[int]:
    """Lengths that validations tell, before mmcv 1.3.5: less than an interval behind the train record."""
    info = "\n".join(str(row.get("env_info", "")) for _, row in file.meta)
    if (version := _VERSION.search(info)) and tuple(map(int, version.groups())) >= (1, 3, 5):
        return set()
    told = ((last.get(row["epoch"]), row["iter"]) for _, row in file.records if row["mode"] != "train")
    return {inner for train, inner in told if train is not None and train <= inner < train + interval}


def _by_iteration(config: str, file: _File) -> bool | None:
    """Whether ``iter`` is global; None if nothing tells."""
    if _BY_ITERATION.search(config):
        return True
    if _BY_EPOCH.search(config):
        return False
    rows = [(row["epoch"], row["iter"]) for _, row in file.records if row["mode"] == "train"]
    turns = [after[1] > before[1] for before, after in pairwise(rows) if after[0] > before[0]]
    if turns:
        return all(turns)
    return False if all(epoch == 1 for epoch, _ in rows) else None
