"""Did a metric change over dates or versions, on the same machine?

One row per change, and one per series without any.  A series is one metric, statistic and definition of one workload
(kind, model, dataset, framework, precision, parallel layout, task, case) on one machine (device, devices, nodes and,
where it is known, host), in the order of the runs' dates (their start, else their end); with `by` in the order of a
version (a key of the runs' environment, labels or configuration, `1.10` after `1.9`).  Runs without it are left out.

Changes are found by E-divisive (energy distance, with the p-value of random orders), in each series first, then in
the parts before and after.  `q_value` is the p-value adjusted for the number of tests over all series (Benjamini and
Hochberg): of the changes shown, a share of `alpha` is false on average, and where nothing changed anywhere the
chance that any is shown is `alpha`.  That holds for noise that does not remember its past; a metric that drifts
slowly is cut into pieces.

`change` is the ratio of the geometric means after and before, less one, with its 95 % interval (`change_low`,
`change_high`); `before` and `after` are medians of `n_before` and `n_after` runs, up to the neighbouring changes.
`verdict` is `improved` or `regressed` by the metric's direction, `no change` if none was found, `cannot tell` with
fewer than twice `min_runs` runs (all such series in one row; `all` lists them).
`causes` are the facts of environment, framework and configuration that differ between the last run before and the
first after: those that changed there and nowhere else come first.  They are candidates, no proof.
`run_id` and `source` are of the first run after the change, else of the series' last run.

parameter: metric VARCHAR = '*' -- metric, or a pattern with *
parameter: model VARCHAR = '*' -- model, or a pattern with *
parameter: device VARCHAR = '*' -- device or vendor, or a pattern with *
parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
parameter: by VARCHAR = 'date' -- date, or the name of a version in environment, labels or configuration
parameter: alpha DOUBLE = 0.05 -- share of false changes among those shown
parameter: min_runs BIGINT = 5 -- runs on each side of a change, at least
parameter: all BOOLEAN = false -- list the series that have too few runs, too
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmstats.answers._checks import share
from llmstats.answers._dated import Series, series
from llmstats.errors import QueryError
from llmstats.query import Answer

if TYPE_CHECKING:
    import duckdb

COLUMNS = (
    "verdict", "metric", "statistic", "change", "change_low", "change_high", "before", "after", "unit", "n_before",
    "n_after", "at", "p_value", "q_value", "causes", "model", "device", "devices", "workload", "case", "runs",
    "first_at", "last_at", "reason", "definition", "series", "last_before", "run_id", "source",
)  # fmt: skip
#: Candidate causes shown, and characters of a value of one.
_CAUSES, _LETTERS = 6, 40
#: Random orders drawn at most; enough for a p-value that survives the adjustment for as many tests as this over alpha.
_ORDERS, _MOST_ORDERS = 999, 19_999


def answer(
    con: duckdb.DuckDBPyConnection,
    metric: str,
    model: str,
    device: str,
    pick: str,
    by: str,
    alpha: float,
    min_runs: int,
    all: bool,
) -> Answer:
    """See the module's text.

    Raises:
        QueryError: alpha is no share, or a side may be shorter than two runs.
    """
    share("alpha", alpha)
    if min_runs < 2:
        raise QueryError(f"--min-runs {min_runs}: a side of a change has at least 2 runs")
    found, undated = series(con, metric, model, device, pick, by)
    judge([s for s in found if len(s.rows) >= 2 * min_runs], alpha, min_runs)
    rows = [row for s in found for row in _rows(con, s, alpha, min_runs)]
    short = [row for row in rows if row["verdict"] == "cannot tell"]
    told = [row for row in rows if all or row["verdict"] != "cannot tell"]
    if not all and short:
        told.append(_short(short, min_runs))
    if undated:
        told.append({"verdict": "cannot tell", "runs": undated, "reason": f"{undated:,} runs without {by}: left out"})
    return Answer.of(COLUMNS, sorted(told, key=_order))


def judge(found: Sequence[Series], alpha: float, min_runs: int) -> None:
    """Test all series, and adjust their p-values together."""
    import numpy as np

    from llmstats.answers import _changes
    from llmstats.statistics import benjamini_hochberg

    orders = int(min(_MOST_ORDERS, max(_ORDERS, len(found) / alpha)))
    for number, one in enumerate(found):
        one.tested = _changes.splits(np.array(one.values), min_runs, alpha, orders, seed=number)
    p_values = [s.p_value for one in found for s in one.tested]
    q_values = iter(benjamini_hochberg(p_values).tolist() if p_values else [])
    for one in found:
        one.q_values = [next(q_values) for _ in one.tested]


# --------------------------------------------------------------------------- rows


def _rows(con: duckdb.DuckDBPyConnection, one: Series, alpha: float, min_runs: int) -> Iterator[dict[str, Any]]:
    n, last, about = len(one.rows), one.rows[-1], one.about
    end = {"run_id": last["run_id"], "source": last["place"]}
    if n < 2 * min_runs:
        reason = f"{n} runs; {2 * min_runs} are needed"
        yield {**about, **end, "verdict": "cannot tell", "reason": reason}
        return
    changes = one.changes(alpha)
    if not changes:
        first = one.tested[0]
        yield {**about, **end, "verdict": "no change", "p_value": first.p_value, "q_value": one.q_values[0]}
    bounds = [0, *(split.at for split, _ in changes), n]
    for i, (split, q_value) in enumerate(changes):
        yield {**about, **_change(con, one, bounds[i : i + 3]), "p_value": split.p_value, "q_value": q_value}


def _change(con: duckdb.DuckDBPyConnection, one: Series, bounds: Sequence[int]) -> dict[str, Any]:
    from statistics import median

    from llmstats.statistics import ratio

    start, at, end = bounds
    old, new = one.values[start:at], one.values[at:end]
    size = ratio(new, old)
    before, after = median(old), median(new)
    higher = after > before if size.centre is None else size.centre > 1
    better = higher == (one.rows[at]["direction"] == "higher")
    return {
        "verdict": "improved" if better else "regressed",
        "change": None if size.centre is None else size.centre - 1,
        "change_low": None if size.low is None else size.low - 1,
        "change_high": None if size.high is None else size.high - 1,
        "before": before, "after": after, "n_before": len(old), "n_after": len(new), "at": str(one.rows[at]["at"]),
        "causes": causes(con, [r["run_key"] for r in one.rows[start:at]], [r["run_key"] for r in one.rows[at:end]]),
        "reason": None if size.low is not None else size.method,
        "last_before": one.rows[at - 1]["run_id"], "run_id": one.rows[at]["run_id"], "source": one.rows[at]["place"],
    }  # fmt: skip


def _short(rows: Sequence[Mapping[str, Any]], min_runs: int) -> dict[str, Any]:
    reason = f"{len(rows):,} series have fewer than {2 * min_runs} runs (--all true lists them)"
    return {"verdict": "cannot tell", "runs": max(row["runs"] for row in rows), "reason": reason}


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    rank = ("regressed", "improved", "no change", "cannot tell").index(row["verdict"])
    size = abs(row.get("change") or 0)
    return (rank, "metric" not in row, -size, str(row.get("model")), str(row.get("metric")), str(row.get("case")))


# --------------------------------------------------------------------------- candidate causes


def causes(con: duckdb.DuckDBPyConnection, before: Sequence[int], after: Sequence[int]) -> list[str]:
    """What differs between the last run before and the first after, as ``key: old → new``.

    First what never mixes, and of that what changed nowhere else.
    """
    facts = _facts(con, [*before, *after])
    last, first = facts[before[-1]], facts[after[0]]
    found = []
    for key in sorted(set(last) | set(first)):
        if last.get(key) == first.get(key):
            continue
        sides = [{facts[r].get(key) for r in side} for side in (before, after)]
        order = (bool(sides[0] & sides[1]), len(sides[0]) + len(sides[1]), key)
        found.append((order, f"{key}: {_cut(last.get(key))} → {_cut(first.get(key))}"))
    return [text for _, text in sorted(found)[:_CAUSES]]


def _facts(con: duckdb.DuckDBPyConnection, runs: Sequence[int]) -> dict[int, dict[str, str]]:
    rows = con.execute(
        "SELECT r.run_key, r.environment, r.config, r.labels FROM run_rows r WHERE r.run_key IN (SELECT unnest($runs))",
        {"runs": list(runs)},
    ).fetchall()
    return {
        key: {k: v for part in parts for k, v in _flat(json.loads(part or "{}"))} for key, *parts in rows
    }  # fmt: skip


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif value is not None:
        yield name, json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)


def _cut(text: str | None) -> str:
    if text is None:
        return "(not said)"
    return text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…"
