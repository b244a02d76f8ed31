"""mmengine's test result: ``{timestamp}/{timestamp}.json``, one object, written when a test ends.

Source: ``mmengine/hooks/logger_hook.py`` ``after_test_epoch``.  The file of the same name in ``vis_data`` holds
JSON lines that end with a ``step``; this one has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import COCO_SCORE, Issue, Item, Measurement

from ._mmengine import NAMES, TIMESTAMP, hierarchical, identity, new_run
from ._samples_mmengine import TEST_SAMPLES

_STEP = re.compile(r'"step": ?-?\d+\}\s*$')


class MMEngineTestJson(DocumentParser):
    """Metrics of a test, of the run that the directory names; numbers only."""

    name = "mmengine_test_json"
    version = 1
    title = "mmengine <timestamp>/<timestamp>.json: result of a test"
    writes = "mmengine"
    names = NAMES
    samples = TEST_SAMPLES

    def detect(self, head: Head) -> str | None:
        place = head.place
        named = place.name.endswith(".json") and TIMESTAMP.fullmatch(place.stem) and place.parent() == place.stem
        first = head.text.lstrip().split("\n", 1)[0]
        if named and first.startswith('{"') and not _STEP.search(first) and '"mode":' not in first:
            return f"one object in {place.parent()}/{place.name}"
        return None

    def canonical(self, raw: str, phase: str) -> Name:
        return hierarchical(raw, phase)

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        try:
            result = json.loads(text)
        except ValueError as why:
            raise ParseError(f"not one JSON object: {why}") from why
        if not isinstance(result, dict):
            raise ParseError("not one JSON object")
        name, root, experiment = identity(place, up=1)
        run = new_run({"name": name, "root": root, "experiment": experiment}, 0, "mmengine")
        others = []
        for key, value in result.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                yield self._measurement(run.name, key, value)
            else:
                others.append(key)
        if others:
            yield Issue("no number, left out: " + ", ".join(others), 1, suspect=False)
        yield run

    def _measurement(self, run: str, key: str, value: float) -> Measurement:
        name = self.canonical(key, "test")
        sentinel = value == -1 and COCO_SCORE.search(key)
        return Measurement(
            run=run,
            metric=name.metric,
            value=None if sentinel else value * name.factor,
            raw_name=key,
            raw_value=json.dumps(value),
            definition=name.definition,
            conditions={"phase": "test"},
            line=1,
        )
