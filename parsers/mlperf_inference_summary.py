"""MLPerf inference: ``mlperf_log_summary.txt`` of LoadGen, from the first round on.

Source: ``loadgen/results.cc`` and ``loadgen/test_settings_internal.cc`` of mlcommons/inference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Event, Item, Measurement, Run

from ._mlperf_inference import judge, latency, offered, parameter, plain, run_of, seconds
from ._samples_mlperf_inference import SUMMARY_SAMPLES

_PAIR = re.compile(r"\s*(?P<key>[^:]+?)\s*: *(?P<value>\S.*)?$")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?$")
_ESTIMATE = re.compile(r" \* Early stopping (?P<percentile>[\d.]+)th percentile estimate: (?P<value>\d+)$")
_PART = re.compile(r"Per-(query|sample) latency:")
_TOLD = re.compile(r"(?P<count>\d+|No) (?P<what>warning|error)s? encountered", re.I)

#: Rates of the whole system.
RATES = {
    "samples per second": ("samples_per_second", "samples_per_second@loadgen_offline"),
    "completed samples per second": ("samples_per_second", "samples_per_second@loadgen_completed"),
    "scheduled samples per second": ("samples_per_second", "samples_per_second@loadgen_scheduled"),
    "tokens per second": ("output_tokens_per_second", "output_tokens_per_second@loadgen"),
    "completed tokens per second": ("output_tokens_per_second", "output_tokens_per_second@loadgen"),
    "tokens per second (inferred)": ("output_tokens_per_second", "output_tokens_per_second@loadgen_inferred"),
    "completed tokens per second (inferred)": ("output_tokens_per_second", "output_tokens_per_second@loadgen_inferred"),
    "qps w/ loadgen overhead": ("requests_per_second", "requests_per_second@loadgen_with_overhead"),
    "qps w/o loadgen overhead": ("requests_per_second", "requests_per_second@loadgen_without_overhead"),
}


class MlperfInferenceSummary(DocumentParser):
    """One run per file; an accuracy run's summary holds nothing but its counts of warnings and errors."""

    name = "mlperf_inference_summary"
    version = 2
    title = "MLPerf inference summary (mlperf_log_summary.txt)"
    writes = "MLPerf LoadGen"
    samples = SUMMARY_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "MLPerf Results Summary" in head.text and "Scenario : " in head.text:
            return "'MLPerf Results Summary' with a scenario"
        if head.place.matches("mlperf_log_summary*.txt") and _TOLD.search(head.text):
            return f"named {head.place.name}, with the count of warnings"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        report = _Report(run_of(place))
        lines = text.split("\n")
        lines.pop()  # behind the last newline: nothing, or half a line
        for number, line in enumerate(lines, 1):
            report.take(line, number)
        yield report.run
        yield from offered(report.run, report.found.values())
        yield from report.events


@dataclass
class _Report:
    """A summary as far as read."""

    run: Run
    section: str = ""
    queries: bool = False  #: whether latencies are those of queries (of many samples each)
    found: dict[tuple[str, str, str | None], Measurement] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def take(self, line: str, number: int) -> None:
        if told := _TOLD.search(line):
            self._told(told, line, number)
        elif line.strip() in ("MLPerf Results Summary", "Additional Stats", "Test Parameters Used"):
            self.section = line.strip()
        elif part := _PART.match(line):
            self.queries = part[1] == "query"
        elif estimate := _ESTIMATE.match(line):
            meaning = ("e2e_latency", f"p{float(estimate['percentile']):g}", "e2e_latency@loadgen_early_stopping")
            self._keep(seconds(self.run.name, meaning, line[3:].partition(":")[0], estimate["value"], number))
        elif (pair := _PAIR.match(line)) and pair["value"]:
            self._pair(pair["key"], pair["value"].strip(), number)

    def _pair(self, key: str, value: str, number: int) -> None:
        run = self.run
        if self.section == "Test Parameters Used":
            parameter(run, key, value)
        elif key == "Result is":
            judge(run, value)
        elif not _NUMBER.match(value):
            run.config[key] = value
            self.queries |= key == "Scenario" and value.startswith("Multi")
        elif meaning := latency(f"query {key}" if self.queries else key):
            self._keep(seconds(run.name, meaning, key, value, number))
        else:
            metric, definition = RATES.get(key.lower(), (key, None))
            self._keep(plain(run.name, metric, definition, key, value, number))

    def _keep(self, measurement: Measurement) -> None:
        """The headline repeats among the additional statistics: the first word counts."""
        key = (measurement.metric, measurement.statistic, measurement.definition)
        self.found.setdefault(key, measurement)

    def _told(self, told: re.Match[str], line: str, number: int) -> None:
        if told["count"].lower() != "no" and int(told["count"]):
            self.events.append(Event(self.run.name, told["what"].lower(), line.strip(), number))
