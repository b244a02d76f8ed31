"""OpenCompass's logs: of one task (``logs/{infer,eval}/{model}/{dataset}.out``), and of the console with its tables.

AISBench, which grew out of OpenCompass, logs its evaluations of quality the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Event, Item, Measurement, Run

from ._literals import read_repr
from ._opencompass import FRAMEWORK, LINE, LOGGERS, Model, of_task
from ._opencompass_table import FIRST_LINES, Tables, printed
from ._samples_opencompass import LOG_SAMPLES

_TASK = re.compile(r"Task \[(?P<model>[^]/]+)/(?P<dataset>[^]]+)\](?:: (?P<result>\{.*\}))?\s*$")
_ELAPSED = re.compile(r"time elapsed: +(?P<seconds>\d+(?:\.\d+)?)s\s*$")
_STAGES = ("infer", "eval")
_AISBENCH = "aisbench"


class OpenCompassLog(DocumentParser):
    """A part of the run of its model: how long a task took, its scores where the version prints them, its errors.

    A log of the console holds one run per model.
    """

    name = "opencompass_log"
    version = 1
    title = "OpenCompass logs/{infer,eval}/{model}/{dataset}.out, and its console; also AISBench's"
    writes = "OpenCompass, AISBench"
    samples = LOG_SAMPLES

    def detect(self, head: Head) -> str | None:
        if " - OpenCompass - " in head.text and LINE.search(head.text):
            return "lines of the logger OpenCompass"
        if not any(logger in head.text for logger in LOGGERS):
            return None
        told = FIRST_LINES.search(head.text) or re.search(r"\] ?Task \[[^]]+\]: \{|- Task \[[^]]+\]: \{", head.text)
        return "scores in lines of AISBench's logger" if told else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # behind the last newline: nothing, or half a line
        tables = Tables("/".join(p for p in (place.parent(), place.stem) if p), place.path, _framework(text))
        own = of_task(place, 4, place.parent()) if place.parent(3) == "logs" else None
        current: Model | None = own
        dataset = place.stem
        for number, line in enumerate(lines, 1):
            match = LINE.search(line) if any(logger in line for logger in LOGGERS) else None
            if match is None:
                continue
            message = line[match.end() :]
            if task := _TASK.match(message):
                current, dataset = own or tables.model(task["model"]), task["dataset"]
                yield from _scores(tables, current, dataset, task["result"], number)
            elif elapsed := _ELAPSED.match(message):
                yield _time(current or tables.model(""), place, dataset, elapsed["seconds"], number)
            elif (match["level"] or match["new"]) in ("ERROR", "CRITICAL"):
                run = current or tables.model("")
                yield Event(run.name, "error", message.strip()[:2000], number, level=match["level"] or match["new"])
        for table in printed(lines) if "dataset" in text else ():
            yield from tables.take(table)
        yield from _runs(tables, own)


def _framework(text: str) -> str:
    return FRAMEWORK if LOGGERS[0] in text else _AISBENCH


def _runs(tables: Tables, own: Model | None) -> Iterator[Run]:
    """Runs that were spoken of; what a task says does not tell of the others, what a table says does."""
    models = [own] if own else list(tables.models.values()) or [tables.model("")]
    for model in models:
        run = model.run()
        run.model = model.abbreviation or None
        run.status = run.status if model.config else None
        yield run


def _scores(tables: Tables, model: Model, dataset: str, printed: str | None, line: int) -> Iterator[Measurement]:
    for metric, value in (read_repr(printed) or {} if printed else {}).items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            tables.told[tables.index, model.abbreviation, dataset, str(metric)] = f"{value:.2f}"
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
