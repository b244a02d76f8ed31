"""AISBench's ``performances/{model}/{data set}.json``: values of the whole test by stage, each with its unit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._aisbench import new_result
from ._samples_aisbench import JSON_SAMPLES

#: As a key: other tools print the same words as values.
_DURATION = re.compile(r'"Benchmark Duration":\s*[{"\d]')


class AISBenchJson(DocumentParser):
    """The CSV beside it tells of the same run."""

    name = "aisbench_json"
    version = 1
    title = "AISBench: performances/{model}/{dataset}.json"
    writes = "AISBench"
    samples = JSON_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if text.lstrip().startswith("{") and _DURATION.search(text) and '"Request Throughput"' in text:
            return "keys Benchmark Duration, Request Throughput"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        found = Json(text)
        if not isinstance(found.value, dict):
            raise ParseError("no JSON object")
        result = new_result(place)
        for name, stages in found.value.items():
            for stage, value in stages.items() if isinstance(stages, dict) else ():
                if isinstance(value, (str, int, float)):
                    result.common(name, stage, str(value), found.line(name, stage))
        yield from result.finish()
