"""OpenCompass's ``results/{model}/{dataset}.json``: all scores of one dataset, and details of every question."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Event, Item

from ._opencompass import STAMP, known, of_task
from ._samples_opencompass import RESULT_SAMPLES

_KEY = re.compile(r'^ {0,4}"([^"\n]{1,60})": ', re.M)
_INLINE = re.compile(r'[{,] ?"([^"\n]{1,60})": ?')


class OpenCompassResult(DocumentParser):
    """A part of the run that the summary speaks of, with full values."""

    name = "opencompass_result"
    version = 1
    title = "OpenCompass results/{model}/{dataset}.json"
    writes = "OpenCompass"
    samples = RESULT_SAMPLES

    def detect(self, head: Head) -> str | None:
        place = head.place
        if place.parent(2) != "results" or not place.name.endswith(".json") or not head.text.startswith("{"):
            return None
        keys = {*_KEY.findall(head.text), *_INLINE.findall(head.text[:4096])}
        in_work_dir = STAMP.fullmatch(place.parent(3)) is not None
        if known(keys) or (in_work_dir and keys & {"details", "error"}):
            return "scores of one dataset in results/{model}/"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        document = Json(text)
        if not isinstance(document.value, dict):
            raise ParseError("not one JSON object")
        model = of_task(place, 3, place.parent())
        dataset = re.sub(r"_\d+$", "", place.stem) if place.stem.endswith("_0") else place.stem
        for key, value in document.value.items():
            line = document.line(key)
            if key == "error":
                yield Event(model.name, "error", f"{dataset}: {value}"[:2000], line)
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                yield model.measurement(dataset, key, json.dumps(value), line)
        run = model.run()
        run.status = "completed" if model.values else None  # an error of one dataset does not tell of the others
        yield run
