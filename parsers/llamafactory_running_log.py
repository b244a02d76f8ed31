"""LLaMA-Factory's ``running_log.txt``: what its web interface shows of a run, with a clock and no progress bar.

Source: ``src/llamafactory/extras/logging.py`` ``LoggerHandler``.  The records stand in ``trainer_log.jsonl`` beside
with their steps; here none has one, so that they are left to that file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import Issue, Item

from ._hf import NAMES, numbers, output_dir
from ._hf_stdout import Reader, Segment, finals, finish, points_of
from ._hf_steps import count_steps
from ._samples_llamafactory import RUNNING_SAMPLES

_LINE = re.compile(r"^(?:\[[A-Z]+\|[\d-]+ [\d:]+\] |\d\d/\d\d/\d{4} [\d:]+ - [A-Z]+ - )\S+", re.M)
_LEFT = "records without a step, left to trainer_log.jsonl beside"


class LlamaFactoryRunningLog(DocumentParser):
    """Facts, events and final figures of the run of the output directory."""

    name = "llamafactory_running_log"
    version = 1
    title = "LLaMA-Factory's running_log.txt"
    writes = "LLaMA-Factory"
    names = {
        **NAMES,
        "throughput": Name("tokens_per_second", definition="tokens_per_second@llamafactory_since_start"),
    }
    samples = RUNNING_SAMPLES

    def detect(self, head: Head) -> str | None:
        if head.place.name != "running_log.txt":
            return None
        found = _LINE.search(head.text)
        return f"running_log.txt with {found[0]!r}" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        name, root = output_dir(place)
        for segment in Reader(name, place, "LLaMA-Factory").read(text):
            segment.run.root = root
            count_steps(segment)
            yield from _items(segment)


def _items(segment: Segment) -> Iterator[Item]:
    left = [r for r in segment.records if r.step is None and "loss" in numbers(r.values)]
    if left:
        yield Issue(f"{len(left)} {_LEFT}", left[0].line, suspect=False)
    segment.records = [r for r in segment.records if r not in left]
    yield from points_of(segment)
    yield from finals(segment)
    yield from segment.events
    finish(segment.run, segment)
    yield segment.run
