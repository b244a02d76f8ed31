"""Summaries that ``evalscope perf`` adds for workloads: ``workload_throughput.json`` and ``trace_summary.json``.

Throughput over the whole test, its last window and its steady state; statistics over whole conversations (traces).
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._evalscope import new_result, run_of
from ._samples_evalscope import WORKLOAD_SAMPLES
from ._serving import E2E, PERCENT, TTFT, Meaning, measurement, numeric, statistic

_WINDOWS = {"overall": "overall", "last_window": "last window", "steady_state": "steady state"}
_RATES = {
    "Total Prompt tok/s": Meaning("input_tokens_per_second"),
    "Completion tok/s": Meaning("output_tokens_per_second", "output_tokens_per_second@usage_or_retokenized"),
}
_TRACES = {
    "Latency (s)": Meaning("e2e_latency", E2E, subject="trace"),
    "First-Turn TTFT (s)": Meaning("ttft", TTFT, subject="first turn of a trace"),
    "Cache Hit Rate (%)": Meaning(
        "prefix_cache_hit_rate", "prefix_cache_hit_rate@cached_prompt_tokens", PERCENT, subject="trace"
    ),
}


class EvalScopeWorkload(DocumentParser):
    """Windows and traces are subjects of the run that the summary beside it tells of."""

    name = "evalscope_perf_workload"
    version = 1
    title = "evalscope perf: workload_throughput.json, trace_summary.json"
    writes = "evalscope"
    samples = WORKLOAD_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if not text.lstrip().startswith("{") or '"rows"' not in text:
            return None
        if '"steady_state"' in text and '"last_window"' in text:
            return "rows with overall, last_window, steady_state"
        return "n_traces, rows with percentiles" if '"n_traces"' in text and '"p50"' in text else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        found = Json(text)
        rows = found.value.get("rows") if isinstance(found.value, dict) else None
        if not isinstance(rows, list):
            raise ParseError("no rows")
        result = new_result(*run_of(place))
        for i, row in enumerate(rows):
            name = str(row.get("metric")) if isinstance(row, dict) else ""
            for key, value in row.items() if name else ():
                meaning = _meaning(name, key)
                if meaning is not None and numeric(value) is not None:
                    yield measurement(result.run.name, meaning, value, name, found.line("rows", i, key))
        yield result.run


def _meaning(name: str, key: str) -> Meaning | None:
    if key in _WINDOWS:
        known = _RATES.get(name) or Meaning(name)
        return Meaning(known.metric, known.definition, known.factor, "value", _WINDOWS[key])
    word = statistic(key)
    return None if word is None else (_TRACES.get(name) or Meaning(name, subject="trace")).as_statistic(word)
