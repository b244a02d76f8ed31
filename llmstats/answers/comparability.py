"""What differs between the runs that `compare` sets side by side?

One row per difference of a pair: the condition, what it is here and at the baseline, and whether it forbids the
comparison (`not comparable`) or only wants to be known (`comparable with caveats`).  NULL is what a side does not
state; NULL on both sides is a condition that no comparison of this kind should do without.  A pair without any
difference is one row of the verdict `comparable`, without a condition.  `pair_verdict` is the worst of the pair.

parameter: metric VARCHAR = 'auto' -- what to compare: auto, or the name of a metric
parameter: baseline VARCHAR = 'auto' -- device that is 1: its name, a part or a pattern of it; auto: that of most runs
parameter: kind VARCHAR = '*' -- training, inference, serving, evaluation or microbenchmark; * is the first three
parameter: model VARCHAR = '*' -- model, or a pattern with *
parameter: device VARCHAR = '*' -- devices to show beside the baseline: a name, a part or a pattern of it
parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
parameter: per VARCHAR = 'device' -- compare one device or the whole system: device, system
parameter: statistic VARCHAR = 'mean' -- statistic of the metric: mean, p50, p99 …
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmstats.answers import _table
from llmstats.answers._guard import OK, Difference
from llmstats.answers._observed import Asked
from llmstats.answers._pairs import Pair, compared
from llmstats.query import Answer

if TYPE_CHECKING:
    import duckdb

_COLUMNS = (
    "kind", "model", "device", "baseline", "condition", "here", "at_baseline", "verdict", "pair_verdict", "case",
    "metric", "definition", "run_id", "baseline_run_id", "source", "baseline_source",
)  # fmt: skip


def answer(
    con: duckdb.DuckDBPyConnection,
    *,
    metric: str,
    baseline: str,
    kind: str,
    model: str,
    device: str,
    pick: str,
    per: str,
    statistic: str,
) -> Answer:
    """Rows as the module's docstring says."""
    comparison = compared(con, Asked(metric, statistic, kind, pick, model), baseline, device, per)
    pairs = sorted(comparison.pairs, key=_order)
    rows = [_row(pair, difference) for pair in pairs for difference in (*pair.differences, *_none(pair))]
    return Answer.of(_COLUMNS, rows)


def _order(pair: Pair) -> tuple[str, ...]:
    group = pair.ours.group
    return group.kind, (group.model or "").lower(), group.name, _table.case(group) or ""


def _none(pair: Pair) -> list[None]:
    return [] if pair.differences else [None]


def _row(pair: Pair, difference: Difference | None) -> dict[str, Any]:
    ours, theirs = pair.ours, pair.baseline
    return {
        "kind": ours.group.kind,
        "model": ours.group.model,
        "device": ours.group.name,
        "baseline": theirs.group.name,
        "condition": difference and difference.condition,
        "here": difference and _text(difference.here),
        "at_baseline": difference and _text(difference.baseline),
        "verdict": difference.verdict if difference else OK,
        "pair_verdict": pair.verdict,
        "case": _table.case(ours.group),
        "metric": ours.measure.metric,
        "definition": ours.measure.definition,
        "run_id": ours.readings[0].run_id,
        "baseline_run_id": theirs.readings[0].run_id,
        "source": ours.readings[0].place,
        "baseline_source": theirs.readings[0].place,
    }


def _text(value: Any) -> str | None:
    return None if value is None else f"{value:g}" if isinstance(value, float) else str(value)
