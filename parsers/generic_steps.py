"""Any step log of ``key: value`` or ``key=value`` pairs, on request only: nothing in such a file says what it is.

A record is a line with a step (``step 10``, ``iter: 10/100``, ``iteration=10``, ``[10/100]``) and at least one more
number under a key.  Every key keeps its own name but the few whose meaning and unit are the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.pairs import pairs
from llmstats.parsing import Head, LineParser, Name, Place, Sample, State
from llmstats.records import Issue, Item, Run
from llmstats.shapes import Field, Plan, Record, Scan
from llmstats.training import LAUNCHED, Runs, StepLog, points, prefix_fields, run_name, whole

_STEP = re.compile(
    r"\b(?:global[_ ]?)?(?:step|iter|iteration|it)s?\b\s*:?\s*\[?\s*(?P<step>\d{1,15})(?:\s*/\s*(?P<last>\d{1,15}))?\]?"
    r"|\[\s*(?P<step2>\d{1,15})\s*/\s*(?P<last2>\d{1,15})\s*\]",
    re.I,
)
_EPOCH = re.compile(r"\bepochs?\b\s*:?\s*\[?\s*(?P<epoch>\d{1,9})(?![\d.])(?:\s*/\s*\d{1,9})?\]?", re.I)
_CLOCK = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?")
_VALIDATION = re.compile(r"\b(?:val|valid|validation|eval|evaluation)\b", re.I)
_TEST = re.compile(r"\btest(?:ing)?\b", re.I)
#: ``key=value`` and JSON read as ``key: value``; every character keeps its place.
_AS_PAIRS = str.maketrans({"=": ":", "{": " ", "}": " ", '"': " ", "'": " ", "|": " "})

_PLAIN = """\
starting up, 4 workers
2025-03-01 08:00:05 epoch 1 step 10/40 | loss=2.3026 | lr=1.0e-03 | speed=512.5
2025-03-01 08:00:09 epoch 1 step 20/40 | loss=2.1972 | lr=1.0e-03 | speed=514.0
2025-03-01 08:00:10 validation at step 20: loss=2.2500
step forty did not work
"""
_JSON = """\
{"iteration": 1, "train_loss": 11.25, "grad_norm": 3.5}
{"iteration": 2, "train_loss": 11.0, "grad_norm": NaN}
{"iteration": 1, "train_loss": 10.5, "grad_norm": 1.5}
"""


class GenericSteps(LineParser):
    """One run per file; where steps go back, the next run begins.

    What `llmstats run train` kept is called by the work and the time of its start; a resume is a further attempt.
    """

    name = "generic_steps"
    version = 2
    title = "any log with a step and `key: value` or `key=value` pairs on a line (only with `--as generic_steps`)"
    writes = "anything"
    on_request = True
    names = {
        "loss": Name("loss"),
        "train_loss": Name("loss"),
        "lr": Name("learning_rate"),
        "learning_rate": Name("learning_rate"),
        "grad_norm": Name("grad_norm"),
    }
    samples = (
        Sample(
            "night/out.txt",
            _PLAIN,
            matched=3,
            points={
                ("train", "loss", 10): 2.3026,
                ("train", "learning_rate", 20): 1e-3,
                ("train", "speed", 20): 514.0,
                ("val", "loss", 20): 2.25,
            },
            runs={"night/out": {"kind": "training", "started_at": 1740816005000000}},
            unknown=("speed",),
        ),
        Sample(
            "toy/20250301_080000/launched.log",
            _PLAIN,
            matched=3,
            points={("train", "loss", 20): 2.1972},
            runs={"toy/20250301_080000": {"experiment": "toy", "started_at": 1740816005000000}},
            unknown=("speed",),
        ),
        Sample(
            "night/out.json",
            _JSON,
            matched=3,
            points={("train", "loss", 2): 11.0, ("train", "grad_norm", 2): float("nan")},
            runs={"night/out": {}, "night/out#2": {}},
        ),
    )

    def detect(self, head: Head) -> str | None:
        records = sum(isinstance(self.plan(line), Record) for line in head.lines[:2000])
        return f"{records} of the first {min(len(head.lines), 2000)} lines have a step and values" if records else None

    def start(self, place: Place) -> State:
        if place.name == LAUNCHED and place.parent(2):
            work = place.parent(2)
            return {"name": f"{work}/{place.parent()}", "root": place.directory(), "experiment": work}
        return {"name": "/".join(p for p in (place.parent(), place.stem) if p), "root": place.path}

    def plan(self, text: str) -> Plan:
        plain = text.translate(_AS_PAIRS)
        step = _STEP.search(plain)
        if not step:
            return None
        epoch, clock = _EPOCH.search(plain), _CLOCK.search(plain)
        found = [m for m in (step, epoch, clock) if m]
        metrics = [f for f in pairs(_without(plain, found)) if f.kind != "skip"]
        if not metrics:
            return None
        fields = [Field("@step", *step.span("step" if step["step"] else "step2")), *metrics]
        fields += [Field("@epoch", *epoch.span("epoch"))] if epoch else []
        fields += [Field("@clock", *clock.span(), "clock")] if clock else []
        first = min(f.start for f in fields)
        fields += [f for f in prefix_fields(text, first) if f.name]
        return Record(_phase(plain[: metrics[0].start]), [*fields, *_gaps(fields, len(text))])

    def fold(self, state: State, place: Place, scan: Scan) -> Iterator[Item]:
        runs = Runs(state, lambda index: _new_run(state, index))
        steps = StepLog(state)
        before = steps.remembered()
        train = steps.read([f for f in scan.frames if f.kind == "train"])
        for line, reason, text in scan.suspects:
            yield Issue(reason, line, text[:500])
        for frame in scan.frames:
            index, _ = steps.before(train, frame.lines, before)
            times = frame.columns.get("@clock")
            runs.span(index, times)
            yield from points(frame, frame.kind, state["name"], index, whole(frame.columns["@step"]), times)
        yield from (runs[index] for index in range(steps.run + 1))
        runs.save()


def _new_run(state: State, index: int) -> Run:
    experiment = state.get("experiment") or state["name"]
    return Run(run_name(state["name"], index), state["root"], kind="training", experiment=experiment)


def _without(plain: str, found: list[re.Match[str]]) -> str:
    """The line with blanks where the step, the epoch and the clock stand, and where their colons follow."""
    for match in found:
        end = match.end() + len(plain[match.end() :]) - len(plain[match.end() :].lstrip(" :"))
        plain = plain[: match.start()] + " " * (end - match.start()) + plain[end:]
    return plain


def _gaps(fields: list[Field], length: int) -> Iterator[Field]:
    """Digits between the values carry nothing (``40`` of ``10/40``)."""
    at = 0
    for field in [*sorted(fields, key=lambda f: f.start), Field("", length, length)]:
        if field.start > at:
            yield Field("", at, field.start, "skip")
        at = field.end


def _phase(before: str) -> str:
    if _VALIDATION.search(before):
        return "val"
    return "test" if _TEST.search(before) else "train"
