"""What AISBench's files share: names of its parameters, and the run that they speak of.

Source: ``ais_bench/benchmark/calculators/base_perf_metric_calculator.py``, ``summarizers/default_perf.py``.  Values
carry their units; a stage is ``total``, or ``stable`` where only the requests of the steady state count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from llmstats.documents import number
from llmstats.parsing import Place
from llmstats.records import Issue, Item, Measurement, Run

from ._serving import E2E, ITL, MS, PERCENT, SUM, TPOT, TTFT, Case, Meaning, decimals, measurement, statistic
from ._serving_result import run_base

_USAGE = "usage_or_retokenized"
PARAMETERS = {
    "E2EL": Meaning("e2e_latency", E2E, MS),
    "TTFT": Meaning("ttft", TTFT, MS),
    "TPOT": Meaning("tpot", TPOT, MS),
    "ITL": Meaning("itl", ITL, MS),
    "InputTokens": Meaning("input_tokens"),
    "OutputTokens": Meaning("output_tokens", f"output_tokens@{_USAGE}"),
    "OutputTokenThroughput": Meaning(
        "output_tokens_per_second_per_user", "output_tokens_per_second_per_user@whole_request"
    ),
    "PrefillTokenThroughput": Meaning("prefill_tokens_per_second_per_user"),
}
COMMON = {
    "benchmark duration": Meaning("benchmark_duration", factor=MS),
    "failed requests": Meaning("failed_requests"),
    "success requests": Meaning("completed_requests"),
    "concurrency": Meaning("concurrency", "concurrency@latency_over_duration"),
    "request throughput": Meaning("requests_per_second"),
    "total input tokens": Meaning("input_tokens", statistic=SUM),
    "total output tokens": Meaning("output_tokens", f"output_tokens@{_USAGE}", statistic=SUM),
    "total generated tokens": Meaning("output_tokens", f"output_tokens@{_USAGE}", statistic=SUM),
    "prefill token throughput": Meaning("prefill_tokens_per_second", "prefill_tokens_per_second@sum_of_ttft"),
    "input token throughput": Meaning("input_tokens_per_second"),
    "output token throughput": Meaning("output_tokens_per_second", f"output_tokens_per_second@{_USAGE}"),
    "total token throughput": Meaning("total_tokens_per_second", f"total_tokens_per_second@{_USAGE}"),
    "acceptance rate (%)": Meaning("draft_acceptance_rate", factor=PERCENT),
    "acceptance length": Meaning("acceptance_length"),
    "drafts": Meaning("drafts"),
    "draft tokens": Meaning("draft_tokens"),
    "accepted tokens": Meaning("accepted_draft_tokens"),
}
#: What was asked for, or counts both of the outcomes.
ASKED = {"max concurrency": "concurrency", "total requests": "total_requests"}
HEADER = "Performance Parameters"
_VALUE = re.compile(r"(?P<number>-?[\d.,]+(?:e[-+]?\d+)?|nan|inf)\s*(?P<unit>[A-Za-z/%]*)$", re.I)
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
#: Stages whose values are those of the run as a whole.
_WHOLE = ("total", "stable")


@dataclass(slots=True)
class Result:
    """Values of one pair of model and data set, from whichever file."""

    run: Run
    items: list[Item] = field(default_factory=list)

    def row(self, name: str, stage: str, cells: dict[str, str], line: int) -> None:
        """Take a parameter with its statistics; ``N``, the number of values behind them, is left out."""
        for word, cell in cells.items():
            stat = statistic(word)
            if stat is not None and cell:
                self._take((PARAMETERS.get(name) or Meaning(name)).as_statistic(stat), name, stage, cell, line)

    def common(self, name: str, stage: str, cell: str, line: int) -> None:
        """Take a value of the whole test."""
        key = name.lower()
        if key in ASKED:
            self.run.config[ASKED[key]] = number(cell)
        else:
            self._take(COMMON.get(key) or Meaning(key.replace(" ", "_")), name, stage, cell, line)

    def _take(self, meaning: Meaning, name: str, stage: str, cell: str, line: int) -> None:
        match = _VALUE.match(cell)
        if match is None:
            self.items.append(Issue("no number", line, f"{name},{stage},{cell}"[:500]))
            return
        factor = _SECONDS.get(match["unit"].lower(), meaning.factor)
        meaning = replace(meaning, factor=factor, subject=None if stage in _WHOLE else stage)
        text = match["number"]
        item = measurement(self.run.name, meaning, text, name, line, Case(), decimals(text) if "." in text else "full")
        item.raw_value, item.conditions = cell, {"stage": stage} if stage else {}
        self.items.append(item)

    def finish(self) -> Iterator[Item]:
        """Measurements, and the run."""
        concurrency = self.run.config.get("concurrency")
        values = {}
        for item in self.items:
            if isinstance(item, Measurement):
                item.concurrency = concurrency
                values[item.metric, item.statistic] = item.value
        done, failed = (values.get((f"{what}_requests", "value")) for what in ("completed", "failed"))
        if done is not None:
            self.run.status = "failed" if not done or (failed or 0) > done else "completed"
        duration, tokens = values.get(("benchmark_duration", "value")), values.get(("output_tokens", SUM))
        if duration and tokens:
            self.run.fingerprint = f"aisbench:{duration:.7f}:{tokens:.0f}"
        yield from self.items
        yield self.run


def new_result(place: Place) -> Result:
    """``{time}/performances/{model}/{data set}.csv`` and ``.json`` are one run: ``{time}/{model}/{data set}``."""
    placed = place.parent(2) in ("performances", "performance")
    name = "/".join((place.parent(3), place.parent(), place.stem)) if placed else run_base(place)
    run = Run(name, place.directory(), kind="serving", environment={"benchmark": "AISBench"})
    if placed:
        run.dataset, run.config["model_abbr"] = place.stem, place.parent()
    return Result(run)
