"""Files that ``evalscope perf`` saves for a run: summary, percentiles, arguments.

``benchmark_summary.json`` is one flat object, ``benchmark_percentile.json`` a list with one object per percentile,
``benchmark_args.json`` what was asked for (the only one that names the model).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._evalscope import Result, is_mislabelled, new_result, percentile_of, run_of
from ._samples_evalscope import ARGS_SAMPLES, PERCENTILE_SAMPLES, SUMMARY_SAMPLES
from ._serving import numeric

_DONE = re.compile(r'"(?:Succeed|Success) [Rr]equests":')
_TIME = re.compile(r'"(?:Time taken for tests|Test Duration) \((?:s|senconds)\)":')
_PERCENTILE = re.compile(r'\s*\[\s*\{\s*"Percentiles?":\s*"')


class EvalScopeSummary(DocumentParser):
    """One run per directory."""

    name = "evalscope_perf_summary"
    version = 1
    title = "evalscope perf: benchmark_summary.json (all generations)"
    writes = "evalscope"
    samples = SUMMARY_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if text.lstrip().startswith("{") and _DONE.search(text) and _TIME.search(text):
            return "keys Success Requests and Test Duration, or of older names"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        found = Json(text)
        if not isinstance(found.value, dict):
            raise ParseError("no JSON object")
        result = new_result(*run_of(place), early="Average package latency (s)" in found.value)
        for key, value in found.value.items():
            result.summary(key, value, found.line(key))
        yield from result.finish()


class EvalScopePercentile(DocumentParser):
    """Percentiles of the run that the summary beside it tells of."""

    name = "evalscope_perf_percentile"
    version = 1
    title = "evalscope perf: benchmark_percentile.json (all generations)"
    writes = "evalscope"
    samples = PERCENTILE_SAMPLES

    def detect(self, head: Head) -> str | None:
        if _PERCENTILE.match(head.text) and "Latency (s)" in head.text:
            return "list of objects with Percentiles, Latency (s)"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        found = Json(text)
        rows = [(i, row) for i, row in enumerate(found.value) if isinstance(row, dict)]
        result = new_result(*run_of(place))
        for i, row in rows:
            _row(result, found, i, row)
        if not result.items:
            raise ParseError("no percentile")
        yield from result.finish()


def _row(result: Result, found: Json, i: int, row: dict[str, Any]) -> None:
    label = row.get("Percentiles", row.get("Percentile"))
    word = percentile_of(label) if isinstance(label, str) else None
    result.early = "Percentile" in row
    gaps = is_mislabelled(row)
    for key, value in row.items():
        if word is not None and key not in ("Percentiles", "Percentile") and numeric(value) is not None:
            meant = key.replace("TPOT", "ITL") if gaps else key
            result.percentile(meant, word, value, found.line(i, key))
            result.items[-1].raw_name = key


class EvalScopeArguments(DocumentParser):
    """What was asked of the run that the summary beside it tells of."""

    name = "evalscope_perf_args"
    version = 1
    title = "evalscope perf: benchmark_args.json"
    writes = "evalscope"
    samples = ARGS_SAMPLES

    def detect(self, head: Head) -> str | None:
        keys = ('"model"', '"parallel"', '"number"', '"dataset"', '"max_tokens"')
        if head.place.name == "benchmark_args.json" and all(key in head.text for key in keys):
            return "benchmark_args.json with model, parallel, number"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        found = Json(text)
        if not isinstance(found.value, dict):
            raise ParseError("no JSON object")
        result, asked = new_result(*run_of(place)), found.value
        plain = {k: v for k, v in asked.items() if isinstance(v, (str, int, float)) and not re.search("key|header", k)}
        result.run.model = next((asked[k] for k in ("model_id", "model") if isinstance(asked.get(k), str)), None)
        result.run.dataset = asked["dataset"] if isinstance(asked.get("dataset"), str) else None
        result.run.config = plain | _lengths(plain)
        yield result.run


def _lengths(asked: dict[str, Any]) -> dict[str, float]:
    """Lengths of prompts that were made to measure."""
    shortest, longest, output = (
        numeric(asked.get(k)) for k in ("min_prompt_length", "max_prompt_length", "max_tokens")
    )
    if not str(asked.get("dataset", "")).startswith("random"):
        return {}
    found = {"input_len": shortest if shortest == longest else None, "output_len": output}
    return {key: value for key, value in found.items() if value is not None}
