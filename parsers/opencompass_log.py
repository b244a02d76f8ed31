"""OpenCompass's log of one task: ``logs/{infer,eval}/{model}/{dataset}.out``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Event, Item, Measurement

from ._literals import read_repr
from ._opencompass import FRAMEWORK, Model, of_task
from ._samples_opencompass import LOG_SAMPLES

_LINE = re.compile(r"(?:\d{2}/\d{2}|\d{4}-\d\d-\d\d) \d\d:\d\d:\d\d(?:,\d+)? - OpenCompass - (?P<level>[A-Z]+) - ")
_TASK = re.compile(r"Task \[(?P<model>[^]/]+)/(?P<dataset>[^]]+)\](?:: (?P<result>\{.*\}))?\s*$")
_ELAPSED = re.compile(r"time elapsed: +(?P<seconds>\d+(?:\.\d+)?)s\s*$")
_STAGES = ("infer", "eval")


class OpenCompassLog(DocumentParser):
    """A part of the run of its model: how long a task took, its scores where the version prints them, its errors."""

    name = "opencompass_log"
    version = 1
    title = "OpenCompass logs/{infer,eval}/{model}/{dataset}.out"
    writes = "OpenCompass"
    samples = LOG_SAMPLES

    def detect(self, head: Head) -> str | None:
        return (
            "lines of the logger OpenCompass" if " - OpenCompass - " in head.text and _LINE.search(head.text) else None
        )

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # behind the last newline: nothing, or half a line
        model = _model(place)
        dataset = place.stem
        for number, line in enumerate(lines, 1):
            match = _LINE.search(line) if " - OpenCompass - " in line else None
            if match is None:
                continue
            message = line[match.end() :]
            if task := _TASK.match(message):
                dataset = task["dataset"]
                yield from _scores(model, dataset, task["result"], number)
            elif elapsed := _ELAPSED.match(message):
                yield _time(model, place, dataset, elapsed["seconds"], number)
            elif match["level"] in ("ERROR", "CRITICAL"):
                yield Event(model.name, "error", message.strip()[:2000], number, level=match["level"])
        run = model.run()
        run.status = None  # one task does not tell of the others
        yield run


def _model(place: Place) -> Model:
    """The run of ``logs/{stage}/{model}/``; of the log alone where it lies elsewhere."""
    if place.parent(3) == "logs":
        return of_task(place, 4, place.parent())
    name = "/".join(p for p in (place.parent(), place.stem) if p)
    return Model(name, place.path, FRAMEWORK)


def _scores(model: Model, dataset: str, printed: str | None, line: int) -> Iterator[Measurement]:
    for metric, value in (read_repr(printed) or {} if printed else {}).items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield model.measurement(dataset, str(metric), repr(value), line)


def _time(model: Model, place: Place, dataset: str, seconds: str, line: int) -> Measurement:
    stage = place.parent(2) if place.parent(2) in _STAGES else None
    return Measurement(
        model.name,
        "run_time",
        float(seconds),
        raw_name="time elapsed",
        raw_value=seconds,
        subject=dataset,
        definition="run_time@opencompass_task",
        conditions={"stage": stage} if stage else {},
        precision=str(len(seconds.partition(".")[2])),
        line=line,
    )
