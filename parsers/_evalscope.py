"""What the files of ``evalscope perf`` share: names of metrics in all generations, and the run that they speak of.

The unit stands in the name (``TTFT (ms)``), so it is read from there; -1 says: not applicable.  What versions up to
0.17.0 call time per output token changed from version to version (the whole test over all tokens, latency over tokens,
chunks over tokens); those that print ``Average package latency`` are of that age.

Sources: ``evalscope/perf/utils`` at the tags v0.8.0 to v1.10.0 of modelscope/evalscope.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llmstats.parsing import Place
from llmstats.records import FULL, Item, Measurement, Run

from ._serving import E2E, ITL, PERCENT, TPOT, TTFT, Case, Meaning, measurement, numeric

_USAGE = "usage_or_retokenized"
_EARLY_TPOT = "tpot@evalscope_early"
_OUTPUT = Meaning("output_tokens", f"output_tokens@{_USAGE}", statistic="mean")
_SPEED = Meaning("output_tokens_per_second", f"output_tokens_per_second@{_USAGE}")
_TTFT = Meaning("ttft", TTFT, statistic="mean")
_TPOT = Meaning("tpot", TPOT, statistic="mean")
_ITL = Meaning("itl", ITL, statistic="mean")
_ACCEPTED = Meaning("acceptance_length", "acceptance_length@tokens_per_chunk")
_CACHED = Meaning("prefix_cache_hit_rate", "prefix_cache_hit_rate@cached_prompt_tokens", PERCENT)
#: Names of the summary, in small letters and without unit.
SUMMARY = {
    "time taken for tests": Meaning("benchmark_duration"),
    "test duration": Meaning("benchmark_duration"),
    "succeed requests": Meaning("completed_requests"),
    "success requests": Meaning("completed_requests"),
    "failed requests": Meaning("failed_requests"),
    "throughput": _SPEED,
    "output token throughput": _SPEED,
    "output throughput": _SPEED,
    "total token throughput": Meaning("total_tokens_per_second", f"total_tokens_per_second@{_USAGE}"),
    "total throughput": Meaning("total_tokens_per_second", f"total_tokens_per_second@{_USAGE}"),
    "input token throughput": Meaning("input_tokens_per_second", "input_tokens_per_second@sum_of_latencies"),
    "input throughput": Meaning("input_tokens_per_second", "input_tokens_per_second@sum_of_latencies"),
    "average qps": Meaning("requests_per_second"),
    "request throughput": Meaning("requests_per_second"),
    "req throughput": Meaning("requests_per_second"),
    "latency": Meaning("e2e_latency", E2E, statistic="mean"),
    "time to first token": _TTFT,
    "ttft": _TTFT,
    "first-turn ttft": replace(_TTFT, subject="first turn"),
    "subsequent-turn ttft": replace(_TTFT, subject="subsequent turns"),
    "time per output token": _TPOT,
    "tpot": _TPOT,
    "inter-token latency": _ITL,
    "itl": _ITL,
    "package latency": Meaning("package_latency", statistic="mean"),
    "package per request": Meaning("packages_per_request", statistic="mean"),
    "input tokens per request": Meaning("input_tokens", statistic="mean"),
    "input tokens": Meaning("input_tokens", statistic="mean"),
    "output tokens per request": _OUTPUT,
    "output tokens": _OUTPUT,
    "turns/request": Meaning("turns_per_request", statistic="mean"),
    "input turns per request": Meaning("turns_per_request", statistic="mean"),
    "kv cache hit rate": _CACHED,
    "approx kv cache hit rate": _CACHED,
    "decoded tok/iter": _ACCEPTED,
    "decoded tokens per iter": _ACCEPTED,
    "spec. accept rate": Meaning("draft_acceptance_rate", "draft_acceptance_rate@from_acceptance_length"),
    "approx speculative decoding acceptance rate": Meaning(
        "draft_acceptance_rate", "draft_acceptance_rate@from_acceptance_length"
    ),
}
_PER_USER = "output_tokens_per_second_per_user"
#: Columns of percentiles, likewise; each is a value of one request.
COLUMNS = {
    "ttft": _TTFT,
    "first chunk latency": _TTFT,
    "itl": _ITL,
    "tpot": _TPOT,
    "latency": Meaning("e2e_latency", E2E),
    "input tokens": Meaning("input_tokens"),
    "output tokens": _OUTPUT,
    "output": Meaning(_PER_USER, f"{_PER_USER}@whole_request"),
    "output throughput": Meaning(_PER_USER, f"{_PER_USER}@whole_request"),
    "throughput": Meaning(_PER_USER, f"{_PER_USER}@whole_request"),
    "decode": Meaning(_PER_USER, f"{_PER_USER}@decode_only"),
    "input": Meaning("input_tokens_per_second_per_user"),
    "total": Meaning("total_tokens_per_second_per_user"),
    "total throughput": Meaning("total_tokens_per_second_per_user"),
}
_ASKED = {
    "number of concurrency": "concurrency",
    "concurrency": "concurrency",
    "request rate": "request_rate",
    "total requests": "total_requests",
    "stream requests": "stream_requests",
    "non-stream requests": "non_stream_requests",
    "expected number of requests": "expected_requests",
    "result db path": "result_db",
}
_SECONDS = {"s": 1.0, "ms": 1e-3, "senconds": 1.0, "seconds": 1.0}
_NAMED = re.compile(r"(?P<name>.*?)\s*(?:\((?P<unit>[^()]*)\))?")
_CELL = re.compile(r"(?:parallel|rate|number|concurrency)_")


def named(text: str) -> tuple[str, str]:
    """Name in small letters without ``Average``, and unit: ``Avg TTFT (ms)`` -> ``ttft``, ``ms``."""
    match = _NAMED.fullmatch(text.strip())
    name, unit = (match["name"], match["unit"] or "") if match else (text, "")
    plain = name.lower()
    if plain != "average qps":
        plain = re.sub(r"^(?:average|avg) ", "", plain)
    return plain, unit.lower()


def run_of(place: Place) -> tuple[str, str]:
    """Name and root: ``{time}/{model}`` with the cell of a sweep (``parallel_1_number_10``), if there is one."""
    depth = 3 if _CELL.match(place.parent()) else 2
    return "/".join(p for p in (place.parent(i) for i in range(depth, 0, -1)) if p), place.directory()


@dataclass(slots=True)
class Result:
    """Values of one run, from whichever file."""

    run: Run
    early: bool = False
    items: list[Measurement] = field(default_factory=list)

    def summary(self, key: str, value: Any, line: int, precision: str = FULL) -> None:
        """Take a value of the summary."""
        name, unit = named(key)
        if name in _ASKED:
            self._ask(_ASKED[name], value)
            return
        meaning = SUMMARY.get(name)
        if meaning is None and numeric(value) is None:
            return
        self._take(meaning or Meaning(name), unit, key, value, line, precision)

    def percentile(self, key: str, word: str, value: Any, line: int, precision: str = FULL) -> None:
        """Take a percentile of a column."""
        name, unit = named(key)
        meaning = COLUMNS.get(name) or Meaning(name)
        self._take(meaning.as_statistic(word), unit, key, value, line, precision)

    def success(self, percent: str, line: int) -> None:
        """Take the share of requests that succeeded."""
        meaning = Meaning("success_rate", factor=PERCENT)
        self.items.append(measurement(self.run.name, meaning, percent, "Success", line, precision="1"))
        if numeric(percent) == 0:
            self.run.status = "failed"

    def _take(self, meaning: Meaning, unit: str, key: str, value: Any, line: int, precision: str) -> None:
        if self.early and meaning.metric == "tpot":
            meaning = replace(meaning, definition=_EARLY_TPOT)
        meaning = replace(meaning, factor=_SECONDS.get(unit, meaning.factor))
        item = measurement(self.run.name, meaning, value, key, line, precision=precision)
        if item.value is not None and numeric(value) == -1:
            item.value = None
        self.items.append(item)

    def _ask(self, name: str, value: Any) -> None:
        known = numeric(value)
        if known is not None and known < 0:
            return  # a rate of -1: all at once
        self.run.config[name] = value if known is None else known

    def finish(self) -> Iterator[Item]:
        """Measurements, and the run."""
        run, case = self.run, Case()
        case.concurrency, case.request_rate = (numeric(run.config.get(key)) for key in ("concurrency", "request_rate"))
        for item in self.items:
            item.concurrency, item.request_rate = case.concurrency, case.request_rate
        done, failed = self._value("completed_requests"), self._value("failed_requests")
        if done is not None:
            run.status = "failed" if not done or (failed or 0) > done else "completed"
        run.fingerprint = self._fingerprint()
        yield from self.items
        yield run

    def _value(self, metric: str, statistic: str = "value") -> float | None:
        return next((i.value for i in self.items if i.metric == metric and i.statistic == statistic), None)

    def _fingerprint(self) -> str | None:
        """The same for the file and the printed table, which rounds to two decimals or six digits."""
        values = (
            self._value("benchmark_duration"),
            self._value("output_tokens_per_second"),
            self._value("input_tokens", "mean"),
            self._value("output_tokens", "mean"),
        )
        if any(v is None for v in values):
            return None
        duration, speed, *tokens = (float(v) for v in values if v is not None)
        return f"evalscope:{duration:.1f}:{speed:.4g}:{tokens[0]:.1f}:{tokens[1]:.1f}"


def new_result(name: str, root: str, early: bool = False) -> Result:
    return Result(Run(name, root, kind="serving", environment={"benchmark": "evalscope perf"}), early)


def percentile_of(text: str) -> str | None:
    """``99%`` -> ``p99``; ``min`` and ``max`` as they are."""
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)%", text.strip()):
        return f"p{float(match[1]):g}"
    return text if text in ("min", "max") else None


def is_mislabelled(columns: Mapping[str, Any]) -> bool:
    """Versions 0.9 to 0.13 print gaps between chunks as ``TPOT (s)`` and have no column ``ITL``."""
    return (
        "Percentile" in columns
        and any(c.startswith("TPOT") for c in columns)
        and not any(c.startswith("ITL") for c in columns)
    )
