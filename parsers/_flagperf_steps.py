"""Step lines of the frameworks that a FlagPerf training case runs: Megatron-LM (FlagScale), torchtitan, DeepSpeed.

They stand in the log of the case's rank, before the results that FlagPerf prints itself.
"""

from __future__ import annotations

import re

from llmstats.parsing import Head, Name, State
from llmstats.records import Run
from llmstats.shapes import Field, Frame, Note, Plan, Record, Scan
from llmstats.training import microseconds

from . import _megatron, _torchtitan
from ._megatron_runs import argument, learn, with_missing_loss, world
from ._steplines import covered, numbered

_GIB = 2.0**30
#: DeepSpeed's speed, whose mean the case of an LLM takes, and its progress.
_DEEPSPEED = re.compile(
    r"(?:\[(?P<clock>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\].*?)?(?:"
    r"epoch=\d+/micro_step=\d+/global_step=(?P<step>\d+), (?=(?:RunningAvg)?SamplesPerSec=)"
    r"|\[Rank -?\d+\] step=(?P<progress>\d+), (?=skipped=\d+, lr=\[))"
)
_EQUALS = re.compile(r"(?P<key>[A-Za-z]\w*)=\[?(?P<value>\d[\d.]*(?:[eE][-+]?\d+)?)(?P<unit>GB)?(?=[,\]]|$)")

_DUMP = re.compile(r"-{6,} (?P<end>end of )?(?:[\w -]+ )?arguments ?-{6,}", re.I)
_DATETIME = re.compile(r"\[(?P<what>[^\[\]]+)\] datetime: (?P<clock>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
_LINE = re.compile(
    r"iteration +\d+/ *\d+ \|.{0,300}?elapsed time per iteration"
    r"|step: +\d+ +loss: .{0,120}?GiB\("
    r"|global_step=\d+, (?:RunningAvg)?SamplesPerSec=|step=\d+, skipped=\d+, lr=\["
)
_STANDS = ("framework", "kind", "model", "device", "vendor")
#: Framework of a case whose path does not say it, by the lines.
_FRAMEWORKS = {"megatron": "megatron-lm", "torchtitan": "torchtitan", "deepspeed": "deepspeed"}

NAMES: dict[str, Name] = {
    **_megatron.NAMES,
    **_torchtitan.NAMES,
    "skipped": Name("skipped_steps"),
    "mom": Name("momentum"),
    "SamplesPerSec": Name("samples_per_second", definition="samples_per_second@mean_since_start"),
    "RunningAvgSamplesPerSec": Name("samples_per_second", definition="samples_per_second@mean_since_start"),
    "CurrSamplesPerSec": Name("samples_per_second", definition="samples_per_second@last_step"),
    "MemAllocated": Name("memory_allocated", _GIB),
    "MaxMemAllocated": Name("memory_allocated_peak", _GIB),
}


def framework_line(head: Head) -> str | None:
    """The first step line of a framework that detection sees."""
    if not any(sign in head.text for sign in ("elapsed time per iteration", "GiB(", "SamplesPerSec=", "skipped=")):
        return None
    found = _LINE.search(head.text)
    return found[0] if found else None


# --------------------------------------------------------------------------- lines


def step_line(text: str) -> Plan:
    """A line of a framework that holds values; the record's constant ``by`` says whose."""
    if "=" in text and (line := _DEEPSPEED.search(text)):
        return _deepspeed(text, line)
    titan = _torchtitan.step_line(text) if "GiB(" in text and "loss:" in text else None
    if isinstance(titan, Record):
        return _by("torchtitan", titan)
    plan = _megatron.plan(text)
    if not isinstance(plan, Record):
        return None if isinstance(plan, Note) else plan
    return None if plan.kind == "result" else _by("megatron", plan)


def _by(framework: str, record: Record) -> Record:
    return Record(record.kind, record.fields, (*record.constants, ("by", framework)))


def _deepspeed(text: str, line: re.Match[str]) -> Record:
    clock = [Field("@clock", *line.span("clock"), "clock")] if line["clock"] else []
    step = Field("@step", *line.span("step" if line["step"] else "progress"))
    fields = covered(text, [*clock, step, *numbered(text, _EQUALS, line.end())])
    return Record("train", fields, (("by", "deepspeed"),))


def prepare(scan: Scan) -> None:
    """Whichever process printed a line of Megatron-LM, it speaks for all; a loss that is NaN comes back."""
    scan.frames = with_missing_loss(scan.frames)
    for frame in scan.frames:
        if frame.constants.get("by") == "megatron" and frame.kind != "memory":
            frame.columns.pop("@rank", None)


def took(run: Run, frame: Frame, row: int) -> None:
    """Take in what step lines say of their run; ``row`` is its last record in the frame."""
    by = frame.constants.get("by")
    if by and run.framework is None:
        run.framework = _FRAMEWORKS[by]
    if frame.kind == "train" and "@last" in frame.columns:
        run.config["train_iters"] = int(frame.columns["@last"][row])
        if frame.columns["@step"][row] >= frame.columns["@last"][row] and run.status is None:
            run.status = "completed"


# --------------------------------------------------------------------------- messages


def tells(text: str) -> bool:
    """Whether a line tells something of the run of a framework."""
    if "arguments -" in text or "using world size: " in text or "] datetime: " in text:
        return True
    if "[titan]" in text:
        return _torchtitan.SAYS.search(text) is not None
    return argument(text) is not None


def learn_message(state: State, run: Run, text: str) -> bool:
    """Take in such a line; whether it was one.  What the case string says stands."""
    known = {name: getattr(run, name) for name in _STANDS}
    if not _learn(state, run, text):
        return False
    learn(run)
    for name, value in known.items():
        setattr(run, name, value or getattr(run, name))
    return True


def _learn(state: State, run: Run, text: str) -> bool:
    if dump := _DUMP.search(text):
        state["dump"] = dump["end"] is None
    elif "using world size: " in text:
        world(run, text)
    elif stamp := _DATETIME.search(text):
        _clock(run, microseconds(stamp["clock"]))
    elif "[titan]" in text:
        _torchtitan.learn(run, text)
    elif (found := argument(text)) is None:
        return False
    elif state.get("dump") and found[1] is not None:
        run.config[found[0]] = found[1]
    return True


def _clock(run: Run, time: int | None) -> None:
    if time is not None:
        run.started_at, run.ended_at = min(time, run.started_at or time), max(time, run.ended_at or time)
