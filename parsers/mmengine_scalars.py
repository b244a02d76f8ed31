"""mmengine's JSON lines, ``scalars.json`` and ``{timestamp}.json`` in ``vis_data``: full precision, no clock.

Source: ``mmengine/visualization/vis_backend.py`` ``LocalVisBackend``, ``mmengine/hooks/logger_hook.py``.

Nothing in a record says what it is.  Train records carry ``lr``, ``epoch``, ``iter`` or ``memory`` and their
``step`` is the iteration.  Validation records carry none of these; their ``step`` is the epoch, or the
iteration, or 0.  They get the step of the last train record, as in the text log, so that both files speak of
the same points.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from llmstats.parsing import Head, JsonLinesParser, Name, Objects, Place, State
from llmstats.records import Issue, Item
from llmstats.training import Runs, StepLog, frames_of, is_conflict_marker, points

from ._mmengine import NAMES, TIMESTAMP, first_records, hierarchical, identity, new_run, placed, printed
from ._samples_mmengine import SCALARS_SAMPLES

_TRAIN_KEYS = frozenset(("lr", "base_lr", "epoch", "iter", "memory"))
_SERVICE = {"step": "@step", "iter": "@iter", "epoch": "@epoch"}
#: A step or epoch beyond this is none.
_MOST = 1 << 40
_SCALAR = " scalar"


class MMEngineScalars(JsonLinesParser):
    """The run of the text log beside; ``scalars.json`` and ``{timestamp}.json`` hold the same records."""

    name = "mmengine_scalars"
    version = 2
    title = "mmengine vis_data/scalars.json and <timestamp>.json"
    writes = "mmengine"
    names = NAMES
    samples = SCALARS_SAMPLES

    def detect(self, head: Head) -> str | None:
        record = _first_record(head)
        if record is None or type(record.get("step")) is not int:
            return None
        place = head.place
        if place.parent() == "vis_data" and (place.name == "scalars.json" or TIMESTAMP.fullmatch(place.stem)):
            return f"vis_data/{place.name} with JSON lines that have a step"
        if list(record)[-1] == "step" and any(
            key in record for key in ("data_time", "train/data_time", "val/data_time")
        ):
            return "JSON lines with data_time that end with a step"
        return None

    def canonical(self, raw: str, phase: str) -> Name:
        return hierarchical(raw, phase)

    def start(self, place: Place) -> State:
        up = 2 if place.parent() == "vis_data" else 1
        name, root, experiment = identity(place, up)
        return {"name": name, "root": root, "experiment": experiment, "seen": [-1, -1]}

    def fold(self, state: State, place: Place, objects: Objects) -> Iterator[Item]:
        kinds: dict[int, str] = {}
        rows = []
        for line, row in objects.rows:
            kind, record = _record(row, state["seen"])
            if kind:
                kinds[id(record)] = kind
                rows.append((line, record))
            else:
                yield Issue("object without a step", line, json.dumps(row)[:500])
        frames = frames_of(Objects(rows), _SERVICE, lambda record: kinds[id(record)])
        runs = Runs(state, lambda index: new_run(state, index, "mmengine"))
        steps = StepLog(state)
        before = steps.remembered()
        train_frames = [f for f in frames if f.kind == "train"]
        train = steps.read(train_frames, (), [n for n in objects.notes if is_conflict_marker(n[1])])
        for frame in frames:
            index, at = placed(frame, steps, train, before)
            if "tokens_per_sec" in frame.columns:
                runs[int(index[-1])].framework = "xtuner"
            yield from points(frame, frame.kind.removesuffix(_SCALAR), state["name"], index, at, None)
        for number, text in first_records(state, train_frames, train, 1, printed).items():
            runs[number].fingerprint = f"mmengine:{text}"
        yield from (runs[number] for number in range(steps.run + 1))
        runs.save()


# --------------------------------------------------------------------------- one record


class _Layout(NamedTuple):
    """What the keys of a record say, without its values."""

    prefix: str  #: ``train``, ``val`` or ``test`` where the names carry it
    size: int  #: number of metrics
    timed: bool  #: has ``time`` and ``data_time``: written by the logger, not by hand
    trained: bool  #: has what only train records have


@lru_cache(maxsize=1024)
def _layout(keys: tuple[str, ...]) -> _Layout:
    prefix = next((p for p in ("train", "val", "test") if any(k.startswith(f"{p}/") for k in keys)), "")
    bare = {k.removeprefix(f"{prefix}/") for k in keys}
    timed = {"time", "data_time"} <= bare
    size = len(bare - _SERVICE.keys())
    typical = prefix in ("", "train") and any(k in _TRAIN_KEYS or k.endswith("lr") for k in bare)
    return _Layout(prefix, size, timed, (typical and (timed or size > 1)) or (prefix == "train" and timed))


def _record(row: dict[str, Any], seen: list[int]) -> tuple[str, dict[str, Any]]:
    """Kind of a record (empty: it has no step) and the record with the epoch that its step may be.

    ``seen`` is the step and the epoch of the last train record, -1 where there is none; kept up to date here.
    """
    step = row.get("step")
    if type(step) is not int or not 0 <= step < _MOST:
        return "", row
    kind = _kind(_layout(tuple(row)), step, seen)
    if kind == "train":
        epoch = row.get("epoch")
        if type(epoch) is not int or not 0 <= epoch < _MOST:
            row, epoch = {k: v for k, v in row.items() if k != "epoch"}, -1
        seen[:] = [step, epoch]
    elif not kind.endswith(_SCALAR):
        row = {k: v for k, v in row.items() if k != "step"}
        if seen[1] >= 0:
            row["epoch"] = seen[1] if step == seen[0] else step
    return kind, row


def _kind(layout: _Layout, step: int, seen: list[int]) -> str:
    """What a record is: ``train``, ``val``, ``test``, or a scalar of a phase that somebody added by hand."""
    if layout.trained:
        return "train"
    last_step, last_epoch = seen
    of_epoch = step == last_epoch and step != last_step
    of_iteration = layout.size > 1 and (last_epoch < 0 or step in (0, last_step))
    if layout.timed or of_epoch or of_iteration:
        return layout.prefix or "val"
    return (layout.prefix or "train") + _SCALAR


def _first_record(head: Head) -> dict[str, Any] | None:
    """The first JSON object of the file; conflict markers may stand before it."""
    for line in head.lines[:5]:
        if line.startswith("{"):
            try:
                record = json.loads(line)
            except ValueError:
                return None
            return record if isinstance(record, dict) else None
        if line.strip() and not is_conflict_marker(line):
            return None
    return None
