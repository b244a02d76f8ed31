"""FlagPerf's base tests, toolkits and operators: ``benchmark.log.txt``, ``toolkit.log.txt``, ``operation.log.txt``.

Source: ``base/benchmarks/*/main.py``, ``base/toolkits/**``, ``operation/benchmarks/drivers/calculate.py`` of
FlagOpen/FlagPerf.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Event, Item

from ._flagperf_place import new_run, node_directory, spot_of
from ._flagperf_results import MARK, Results, after_marks
from ._samples_flagperf_results import LOG_SAMPLES

_FILES = ("benchmark.log.txt", "toolkit.log.txt", "operation.log.txt")
_RESULT = re.compile(r"^[^\"'{]{0,80}\[FlagPerf Result\]", re.M)
_TRACEBACK = "Traceback (most recent call last)"
_ERROR = re.compile(r"(?:\[rank\d+\]: ?)?(?P<error>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)(?:: .*|$))")
_MANY = 20


class FlagPerfResultLog(DocumentParser):
    """One run per case; nodes of a case speak of the same run."""

    name = "flagperf_result_log"
    version = 1
    title = "FlagPerf base and operation: lines of [FlagPerf Result]"
    writes = "FlagPerf"
    samples = LOG_SAMPLES

    def detect(self, head: Head) -> str | None:
        if MARK in head.text and "FlagperfLogger started" not in head.text and _RESULT.search(head.text):
            return "lines of [FlagPerf Result]"
        failed = head.place.matches(*_FILES) and node_directory(head.place) and _TRACEBACK in head.text
        return f"named {head.place.parent()}/{head.place.name}, with a traceback" if failed else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # behind the last newline: nothing, or half a line
        named = place.matches(*_FILES) or node_directory(place)
        spot = spot_of(place, own=not named)
        run = new_run(spot)
        run.kind = run.kind or "microbenchmark"
        results, events = Results(run, node=spot.node), list[Event]()
        for number, line in enumerate(lines, 1):
            for said in after_marks(line):
                results.take(said, number)
            if error := _ERROR.match(line):
                kind = "oom" if "out of memory" in line.lower() else "error"
                events.append(Event(run.name, kind, error["error"][:2000], number))
        yield from results.items()
        yield from events[:_MANY]
        if run.status is None and events:
            run.status = "failed"
        run.fingerprint = results.fingerprint()
        yield run
