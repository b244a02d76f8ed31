"""evalscope's report of an evaluation: ``reports/{model}/{data set}.json``.

Source: ``evalscope/report/report.py``.  ``score`` weighs questions alike, ``macro_score`` subsets; both are as the
metric has them, mostly shares.  Newer versions add speeds and lengths of the answers (``perf_metrics``, seconds).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Measurement, Run

from ._evaluation import share
from ._samples_evalscope import REPORT_SAMPLES
from ._serving import E2E, SUM, TPOT, TTFT, Meaning, measurement, numeric, statistic
from ._serving_result import run_base

_SIGNS = ('"dataset_name"', '"model_name"', '"metrics"', '"macro_score"')
_PREFIX = re.compile(r"^(?:mean_|Average|Weighted)")
_PER_USER = "output_tokens_per_second_per_user"
_PERF = {
    ("latency",): Meaning("e2e_latency", E2E),
    ("ttft",): Meaning("ttft", TTFT),
    ("tpot",): Meaning("tpot", TPOT),
    ("usage", "input_tokens"): Meaning("input_tokens"),
    ("usage", "output_tokens"): Meaning("output_tokens", "output_tokens@usage"),
}
_SINGLE = {
    ("throughput", "avg_output_tps"): Meaning(_PER_USER, f"{_PER_USER}@whole_request"),
    ("throughput", "avg_req_ps"): Meaning("requests_per_second"),
    ("usage", "total_input_tokens"): Meaning("input_tokens", statistic=SUM),
    ("usage", "total_output_tokens"): Meaning("output_tokens", "output_tokens@usage", statistic=SUM),
}  # fmt: skip


class EvalScopeReport(DocumentParser):
    """One run per model of an output directory; each data set is a subject."""

    name = "evalscope_report"
    version = 1
    title = "evalscope: reports/{model}/{dataset}.json"
    writes = "evalscope"
    samples = REPORT_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if text.lstrip().startswith("{") and all(sign in text for sign in _SIGNS):
            return "keys dataset_name, model_name, metrics, macro_score"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        found = Json(text)
        value = found.value
        if not isinstance(value, dict) or not isinstance(value.get("metrics"), list):
            raise ParseError("no metrics")
        run = _run(place, value)
        dataset = str(value.get("dataset_name") or value.get("name"))
        for i, metric in enumerate(value["metrics"]):
            if isinstance(metric, dict):
                yield from _metric(run.name, dataset, found, i, metric)
        yield from _speeds(run.name, dataset, found)
        yield run


def _run(place: Place, value: dict[str, Any]) -> Run:
    placed = place.parent(2) == "reports"
    name = "/".join(p for p in (place.parent(3), place.parent()) if p) if placed else run_base(place)
    run = Run(name, place.directory(3 if placed else 1), kind="evaluation", environment={"benchmark": "evalscope"})
    run.model = value["model_name"] if isinstance(value.get("model_name"), str) else None
    run.status = "completed"
    return run


def _metric(run: str, dataset: str, found: Json, i: int, metric: dict[str, Any]) -> Iterator[Measurement]:
    raw = str(metric.get("name"))
    path: tuple[str | int, ...] = ("metrics", i)
    yield from _scores(run, dataset, raw, found, path, metric)
    categories = metric.get("categories")
    categories = [c for c in categories if isinstance(c, dict)] if isinstance(categories, list) else []
    for k, category in enumerate(categories):
        names = category.get("name")
        label = "/".join(map(str, names)) if isinstance(names, list) else str(names)
        if len(categories) > 1:
            yield from _scores(run, f"{dataset}/{label}", raw, found, (*path, "categories", k), category)
        subsets = category.get("subsets")
        subsets = [s for s in subsets if isinstance(s, dict)] if isinstance(subsets, list) else []
        for j, subset in enumerate(subsets):
            if len(subsets) > 1 or len(categories) > 1:
                inside = (
                    f"{dataset}/{label}/{subset.get('name')}"
                    if len(categories) > 1
                    else f"{dataset}/{subset.get('name')}"
                )
                yield from _scores(run, inside, raw, found, (*path, "categories", k, "subsets", j), subset)


def _scores(
    run: str, subject: str, raw: str, found: Json, path: tuple[str | int, ...], value: dict[str, Any]
) -> Iterator[Measurement]:
    plain = _PREFIX.sub("", raw)
    metric = share(plain) or raw
    for key, word in (("score", "value"), ("macro_score", "macro_mean")):
        if numeric(value.get(key)) is not None:
            meaning = Meaning(metric, statistic=word, subject=subject)
            yield measurement(run, meaning, value[key], f"{raw}.{key}", found.line(*path, key))
    if numeric(value.get("num")) is not None:
        meaning = Meaning("evaluated_samples", subject=subject)
        yield measurement(run, meaning, value["num"], f"{raw}.num", found.line(*path, "num"))


def _speeds(run: str, dataset: str, found: Json) -> Iterator[Measurement]:
    base = ("perf_metrics", "summary")
    for path, meaning in _PERF.items():
        values = _at(found.value, *base, *path)
        for word, value in values.items() if isinstance(values, dict) else ():
            stat = statistic(word)
            if stat is not None and numeric(value) is not None:
                item = measurement(run, meaning.as_statistic(stat), value, path[-1], found.line(*base, *path, word))
                item.subject = dataset
                yield item
    for path, meaning in _SINGLE.items():
        value = _at(found.value, *base, *path)
        if numeric(value) is not None:
            item = measurement(run, meaning, value, path[-1], found.line(*base, *path))
            item.subject = dataset
            yield item


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
