"""What guidellm's JSON, CSV and console share: names of metrics, and the run of one benchmark.

A file holds one benchmark per strategy of a sweep; each is a run.  All values are of successful requests within the
measured window (warm-up and cool-down cut off); those of incomplete and errored requests have them as ``subject``.
``time_per_output_token_ms`` counted from the first token until 0.3 and counts from the request's start since 0.4;
both it and ``inter_token_latency_ms`` are weighted by tokens.

Sources: ``guidellm/benchmark/schemas``, ``guidellm/schemas/request_stats.py``, ``guidellm/benchmark/output.py`` (0.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llmstats.parsing import Place
from llmstats.records import FULL, Item, Measurement, Run

from ._serving import E2E, MS, SUM, TTFT, Case, Meaning, measurement, numeric

SUCCESSFUL, INCOMPLETE = "successful", "incomplete"
#: Statuses that a distribution is broken down by, besides the successful; ``total`` would count all twice.
OTHER = (INCOMPLETE, "errored")

_MEANINGS = {
    "requests_per_second": Meaning("requests_per_second", "requests_per_second@guidellm"),
    "request_concurrency": Meaning("concurrency", "concurrency@in_flight"),
    "request_latency": Meaning("e2e_latency", E2E),
    "prompt_token_count": Meaning("input_tokens"),
    "output_token_count": Meaning("output_tokens", "output_tokens@usage_or_iterations"),
    "total_token_count": Meaning("request_tokens"),
    "time_to_first_token_ms": Meaning("ttft", TTFT, MS),
    "time_to_first_output_token_ms": Meaning("time_to_first_output_token", None, MS),
    "time_per_output_token_ms": Meaning("tpot", "tpot@guidellm", MS),
    "inter_token_latency_ms": Meaning("itl", "itl@guidellm", MS),
    "prompt_tokens_per_second": Meaning("input_tokens_per_second", "input_tokens_per_second@guidellm"),
    "output_tokens_per_second": Meaning("output_tokens_per_second", "output_tokens_per_second@guidellm"),
    "tokens_per_second": Meaning("total_tokens_per_second", "total_tokens_per_second@guidellm"),
}
#: What a benchmark without a completed request prints as zero, but cannot know.
_LATENCIES = ("e2e_latency", "ttft", "tpot", "itl")
_EARLY_TPOT = "tpot@guidellm_0_3"
_COUNTS = {
    SUCCESSFUL: Meaning("completed_requests"),
    "errored": Meaning("failed_requests"),
    INCOMPLETE: Meaning("incomplete_requests"),
}
#: Statistics of a distribution; its variance is its deviation, ``total_sum`` and ``count`` of rates say nothing.
_STATISTICS = {"mean": "mean", "mode": "mode", "std_dev": "std", "min": "min", "max": "max"}
_PERCENTILE = re.compile(r"p(\d{2,3})$")
_LENGTHS = re.compile(r"(prompt|output)_tokens[\"']?\s*[=:]\s*(\d+)")


@dataclass(slots=True)
class Benchmark:
    """One benchmark of a file, in whatever form the file has it."""

    name: str
    place: Place
    early: bool = False  #: of guidellm 0.3 and before
    case: Case = field(default_factory=Case)
    items: list[Measurement] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    started: float | None = None  #: seconds since 1970
    ended: float | None = None

    def add(
        self, name: str, statistic: str, value: Any, line: int, *, status: str = SUCCESSFUL, precision: str = FULL
    ) -> None:
        """Take one value of a distribution; one without a number is left out."""
        known = _MEANINGS.get(name) or Meaning(name)
        if self.early and known.metric == "tpot":
            known = replace(known, definition=_EARLY_TPOT)
        meaning = replace(known, statistic=statistic, subject=None if status == SUCCESSFUL else f"{status} requests")
        if numeric(value) is not None:
            self.items.append(measurement(self.name, meaning, value, name, line, self.case, precision))

    def count(self, status: str, value: Any, line: int, precision: str = FULL) -> None:
        """Take the number of requests that ended so."""
        if status in _COUNTS and numeric(value) is not None:
            name = f"{status} requests"
            self.items.append(measurement(self.name, _COUNTS[status], value, name, line, self.case, precision))

    def duration(self, value: Any, line: int, precision: str = FULL) -> None:
        if numeric(value) is not None:
            meaning = Meaning("benchmark_duration")
            self.items.append(measurement(self.name, meaning, value, "duration", line, self.case, precision))

    def asked(self, strategy: Any) -> None:
        """Take what a strategy asks for."""
        if not isinstance(strategy, dict):
            return
        kind = strategy.get("type_")
        self.config["strategy"] = kind
        if kind == "synchronous":
            self.case.concurrency = 1.0
        elif kind == "concurrent":
            self.case.concurrency = numeric(strategy.get("streams"))
        else:
            self.case.concurrency = numeric(strategy.get("max_concurrency"))
            self.case.request_rate = numeric(strategy.get("rate"))

    def lengths(self, *described: Any) -> None:
        """Take the lengths of synthetic prompts from what describes the data."""
        found = {what: float(n) for text in described for what, n in _LENGTHS.findall(str(text))}
        self.case.input_len, self.case.output_len = found.get("prompt"), found.get("output")

    def finish(self) -> Iterator[Item]:
        """Measurements, and the run."""
        run = Run(self.name, self.place.directory(), kind="serving", model=self.model)
        run.environment["benchmark"] = "guidellm"
        run.config = {k: v for k, v in self.config.items() if v is not None}
        for name in ("input_len", "output_len", "concurrency", "request_rate"):
            if getattr(self.case, name) is not None:
                run.config[name] = getattr(self.case, name)
        run.started_at, run.ended_at = (None if t is None else round(t * 1e6) for t in (self.started, self.ended))
        run.status, run.fingerprint = self._status(), self._fingerprint()
        idle = self._idle()
        yield from (item for item in self.items if not (idle and item.metric in _LATENCIES))
        yield run

    def _value(self, metric: str, statistic: str) -> float | None:
        found = (i.value for i in self.items if (i.metric, i.statistic, i.subject) == (metric, statistic, None))
        return next(found, None)

    def _idle(self) -> bool:
        """Whether no request was completed."""
        done = self._value("completed_requests", "value")
        tokens = [self._value(f"{what}_tokens", SUM) for what in ("input", "output")]
        return done == 0 if done is not None else tokens == [0, 0]

    def _status(self) -> str | None:
        done, failed = (self._value(f"{what}_requests", "value") for what in ("completed", "failed"))
        if done is None:  # the tables since 0.4 count tokens only
            return "failed" if self._idle() else "completed" if self._value("output_tokens", SUM) else None
        return "failed" if not done or (failed or 0) > done else "completed"

    def _fingerprint(self) -> str | None:
        """The same for the saved file and the printed tables: rounded as the tables round."""
        asked = (("benchmark_duration", "value", 1.0), ("input_tokens", SUM, 1.0), ("output_tokens", SUM, 1.0),
                 ("e2e_latency", "p50", 1.0), ("ttft", "p50", 1e3))  # fmt: skip
        values = [(self._value(metric, word), factor) for metric, word, factor in asked]
        if any(value is None for value, _ in values) or self._idle():  # all failures look the same
            return None
        return "guidellm:" + ":".join(f"{value * factor:.1f}" for value, factor in values if value is not None)


def statistics(distribution: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Statistics of a distribution, each with the keys that lead to it; none of one without values."""
    if not distribution.get("count"):
        return
    for key, word in _STATISTICS.items():
        if key in distribution:
            yield word, (key,)
    percentiles = distribution.get("percentiles")
    for key in percentiles if isinstance(percentiles, dict) else ():
        if match := _PERCENTILE.match(key):
            yield percentile(match[1]), ("percentiles", key)


def percentile(digits: str) -> str:
    """``001`` is the 0.1st percentile, ``999`` the 99.9th."""
    return f"p{int(digits) / (10 if len(digits) == 3 else 1):g}"
