"""How do the devices compare, each as a multiple of a baseline device?

One row per device, model and configuration (precision, parallel layout, devices, batch, case of a serving benchmark),
below the row of the baseline that it is compared with: of the baseline's configurations the one that differs least. A
serving cell is compared at its own case only (lengths, load and dataset); runs that agree in all they state are repeats
of one measurement.

`value` is the median of the `n` repeats, `low` and `high` its interval: from order statistics where there are 6 repeats
or more, else Student's t interval of the logarithms.  `relative` is how many times the baseline's, the ratio of the
geometric means (not of the medians), with Welch's t interval of its own; intervals need 3 repeats (`interval_method`
says which kind it is, or why there is none).  Speeds are those of one device (`unit`), of the whole system where nobody
said how many devices there were.  `mfu`, `memory` (GiB of one device), `accuracy` and `loss` stand beside the speed
(medians of the repeats): MFU as `mfu` recomputes it, else as published (`mfu_definition`); the others as the runs state
them, else as their logs end.  `run_id` and `source` are the first of the repeats; `detail` names all of them, the scale
of the comparison, both scales, samples, metric, methods and the baseline's source.

`comparability` is `comparable`, `comparable with caveats` or `not comparable`; `reason` names each condition in which
the two sides differ, this one first, or that one of them does not state.  Other lengths, loads, sequence lengths,
stages, definitions or widths of numbers are not comparable, nor is a value that is not above 0, and get no ratio;
`comparability` (a query as well) lists them one by one.  The rows `geometric mean` are over the models common to both,
each model with the same weight, without what is not comparable.  Runs that name no device, devices that state no value,
and configurations of the baseline that no other device ran come last.

`metric` auto takes the speed that both sides state: of a training tokens per second and device, else tokens, else
samples; of an inference its core throughput first; of serving output tokens per second.  Any other metric goes by its
name (`ttft`, `mfu`, `memory_used`, `time_to_train` …); of a metric of which less is better `relative` below 1 is good.
Of a training or inference `mfu` is the recomputed one, the published one only of a run of which none can be recomputed;
the two are not comparable.

parameter: metric VARCHAR = 'auto' -- what to compare: auto, or the name of a metric
parameter: baseline VARCHAR = 'auto' -- device that is 1: its name, a part or a pattern of it; auto: that of most runs
parameter: kind VARCHAR = '*' -- training, inference, serving, evaluation or microbenchmark; * is the first three
parameter: model VARCHAR = '*' -- model, or a pattern with *
parameter: device VARCHAR = '*' -- devices to show beside the baseline: a name, a part or a pattern of it
parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
parameter: per VARCHAR = 'device' -- compare one device or the whole system: device, system
parameter: statistic VARCHAR = 'mean' -- statistic of the metric: mean, p50, p99 …
parameter: strict BOOLEAN = false -- leave out what is not comparable
parameter: detail BOOLEAN = false -- show all columns
parameter: level DOUBLE = 0.95 -- share of intervals that hold the true value
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmstats.answers import _table
from llmstats.answers._observed import Asked
from llmstats.answers._pairs import compared
from llmstats.query import Answer

if TYPE_CHECKING:
    import duckdb


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
    strict: bool,
    detail: bool,
    level: float,
) -> Answer:
    """Rows as the module's docstring says."""
    asked = Asked(metric, statistic, kind, pick, model)
    comparison = compared(con, asked, baseline, device, per, level)
    rows = _table.rows(comparison.strictly() if strict else comparison, level)
    columns = _table.COLUMNS + (_table.DETAILS if detail else ())
    return Answer.of(columns, rows)
