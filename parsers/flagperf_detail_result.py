"""FlagPerf's ``detail_result.json``: result lines and monitors of the last case of a run directory.

Source: ``summary_logs`` of ``base/run.py`` and ``operation/run.py`` of FlagOpen/FlagPerf.  The case is not named: its
result lines tell which run this is.  Monitors are lists of samples without clocks; the store gets what sums them up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Measurement, Run

from ._flagperf_results import Results, after_marks
from ._samples_flagperf_run import DETAIL_SAMPLES
from ._serving import Case, Meaning, measurement

_MIB = 2.0**20
_START = re.compile(r'\s*\{\s*"[^"]+":\s*\{\s*"vendor":\s*\{\s*"temp":')
_CARD = {
    "temp": Meaning("temperature", "temperature@all_samples"),
    "power": Meaning("power", "power@all_samples"),
    "mem": Meaning("memory_used", factor=_MIB),
}
_SYSTEM = {
    "cpu": Meaning("cpu_utilisation"),
    "mem": Meaning("host_memory_utilisation"),
    "pwr": Meaning("system_power", "system_power@largest_sensor"),
}


class FlagPerfDetailResult(DocumentParser):
    """One run: the last case."""

    name = "flagperf_detail_result"
    version = 1
    title = "FlagPerf base and operation: detail_result.json"
    writes = "FlagPerf"
    samples = DETAIL_SAMPLES

    def detect(self, head: Head) -> str | None:
        if not _START.match(head.text):
            return None
        named = head.place.matches("detail_result*.json")
        return "hosts with samples of 'vendor' monitors" if named or '"flagperf"' in head.text else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        document = Json(text)
        hosts = document.value
        if not (isinstance(hosts, dict) and all(isinstance(h, dict) for h in hosts.values())):
            raise ParseError("no object of hosts")
        name = "/".join(p for p in (place.parent(), place.stem) if p)
        run = Run(name, place.directory(), kind="microbenchmark", node_count=len(hosts) or None)
        run.environment["host"] = next(iter(hosts), None)
        for node, (host, said) in enumerate(hosts.items()):
            results = _results(run, document, node, host, said.get("flagperf"))
            if node == 0:
                run.fingerprint = results.fingerprint()
            yield from results.items()
            yield from _monitors(run, document, node, host, said)
        yield run


def _results(run: Run, document: Json, node: int, host: str, lines: Any) -> Results:
    results = Results(run, node=node)
    for i, line in enumerate(lines if isinstance(lines, list) else []):
        for said in after_marks(line) if isinstance(line, str) else []:
            results.take(said, document.line(host, "flagperf", i))
    return results


def _monitors(run: Run, document: Json, node: int, host: str, said: dict[str, Any]) -> Iterator[Measurement]:
    where = {"node": node} if node else {}
    vendor = said.get("vendor")
    vendor = vendor if isinstance(vendor, dict) else {}
    for key, meaning in _CARD.items():
        ranks = vendor.get(key)
        for rank, samples in (ranks if isinstance(ranks, dict) else {}).items():
            conditions = where | {"rank": int(rank) if str(rank).isdigit() else rank}
            yield from _summed(run, meaning, samples, key, document.line(host, "vendor", key, rank), conditions)
    if isinstance(vendor.get("max_mem"), (int, float)):
        line = document.line(host, "vendor", "max_mem")
        total = Meaning("memory_total", factor=_MIB)
        yield measurement(run.name, total, vendor["max_mem"], "max_mem", line, Case(conditions=where))
    for key, meaning in _SYSTEM.items():
        yield from _summed(run, meaning, said.get(key), key, document.line(host, key), where)


def _summed(
    run: Run, meaning: Meaning, samples: Any, key: str, line: int, conditions: dict[str, Any]
) -> Iterator[Measurement]:
    """Mean, maximum and standard deviation of a list of samples, as the program's own analysis takes them."""
    values = [v for v in samples if type(v) in (int, float)] if isinstance(samples, list) else []
    if not values:
        return
    column = np.array(values, np.float64)
    for statistic, value in (("mean", column.mean()), ("max", column.max()), ("std", column.std())):
        item = measurement(
            run.name, meaning.as_statistic(statistic), float(value), key, line, Case(conditions=conditions)
        )
        item.raw_value = f"{len(values)} samples"
        yield item
