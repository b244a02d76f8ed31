"""What is the most that each system yields at each interactivity or latency, and which measurements are beaten?

The Pareto frontier of throughput against what a user feels.  A point is on it when no other point of its system is at
least as good in both and better in one; points equal in both stay together.  `throughput` is in tokens per second, per
device where the number of devices is known (`per`), else of the whole system.  `value` is what `against` names: the
interactivity (the reciprocal of the time per output token: tokens per second that one user sees, more is better) or a
time in seconds (less is better), by `statistic`.

A frontier joins only what is one system: equal model, device, framework, precision, lengths, dataset, definitions of
both values (`throughput_definition`, `value_definition`) and scope; runs that do not say their model or device are
joined only within their folder.  Parallel layouts and numbers of devices are points of one frontier, as one buys the
best of them: `by` keeps apart what else you name (`--by parallelism`, a label, a key of the configuration).

Runs of one load and one configuration repeat one point: `runs` of them, and their median stands.  (Runs that do not
say their model, device or load repeat nothing; a setting that only the name of a file tells is not known: label it.)
With 3 or more,
`low` and `high` are the 95 % band of the frontier's height at this value and `certain` is the share of draws in which
the point is on the frontier; `band` says where there is none.  Points that are measured once count as exact there, and
repeats that are faster for the user are taken to be faster in throughput too, which makes the band wider, not narrower.

Systems of which no run has both values come last, with the reason.  `left_out` counts the points of a system that
lack one of the two or are not finite, and failed ones.

parameter: against VARCHAR = 'interactivity' -- interactivity, tpot, ttft or e2e
parameter: statistic VARCHAR = 'mean' -- statistic of that time: mean, p50, p90, p99 …
parameter: tokens VARCHAR = 'output' -- tokens that the throughput counts: output, or total (input and output)
parameter: all BOOLEAN = false -- show the points that are beaten, too
parameter: by VARCHAR = '' -- what else tells systems apart: columns of runs, labels or configuration keys, by commas
parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
parameter: model VARCHAR = '*' -- model, or a pattern with *
parameter: device VARCHAR = '*' -- device or vendor, or a pattern with *
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmstats.answers import _serving
from llmstats.query import Answer

if TYPE_CHECKING:
    import duckdb

    from llmstats.answers._serving import Cell, Point

#: Draws of the band, and repeats that a point needs to vary in them.
DRAWS, REPEATS = 1000, 3
COLUMNS = (
    "model", "device", "framework", "precision", "input_len", "output_len", "concurrency", "request_rate", "throughput",
    "per", "against", "value", "unit", "on_frontier", "low", "high", "certain", "band", "points", "left_out", "runs",
    "device_count", "parallelism", "apart", "dataset", "output_len_mode", "folder", "throughput_definition",
    "value_definition", "reason", "vendor", "run_id", "source",
)  # fmt: skip


@dataclass(slots=True)
class Frontier:
    """The points of one system that have both values, which of them nothing beats, and the band at each."""

    points: list[Point]
    on: Sequence[bool]
    left_out: int
    low: Sequence[float | None]
    high: Sequence[float | None]
    certain: Sequence[float | None]
    band: str


def answer(con: duckdb.DuckDBPyConnection, **given: Any) -> Answer:
    """See the module."""
    against, tokens = given["against"], given["tokens"]
    _serving.check("against", against, _serving.AGAINST)
    _serving.check("tokens", tokens, ("output", "total"))
    _serving.check_statistic(given["statistic"])
    asked = {name: given[name] for name in ("pick", "model", "device", "statistic")}
    definitions = ("tps_definition" if tokens == "output" else "total_definition", _serving.AGAINST[against][3])
    found = _serving.systems(_serving.cells(con, asked, given["by"], definitions, tokens))
    rows: list[dict[str, Any]] = []
    without: list[dict[str, Any]] = []
    for cells in found:
        made = frontier(cells, against)
        if not made.points:
            without.append(_without(cells, against))
        rows += _rows(made, against, definitions, all_points=given["all"])
    filled = [{"against": against, **row} for row in (*rows, *without)]
    return Answer(COLUMNS, [tuple(row.get(c) for c in COLUMNS) for row in filled])


def frontier(cells: Sequence[Cell], against: str) -> Frontier:
    """The frontier of the cells of one system; its points by load upwards along the frontier (best value last)."""
    import numpy as np

    from llmstats.answers._pareto import undominated

    better = 1 if _serving.AGAINST[against][2] else -1
    points = _serving.points(cells, _serving.x_of(against))
    good = sorted((p for p in points if p.repeats), key=lambda p: (-better * p.x, p.y))
    x, y = np.array([p.x for p in good]), np.array([p.y for p in good])
    on = undominated(better * x, y)
    return Frontier(good, on.tolist(), len(points) - len(good), *_band(good, x, y, better))


def _band(good: Sequence[Point], x: Any, y: Any, better: int) -> tuple[list[Any], list[Any], list[Any], str]:
    """Lower and upper end and certainty of each point, and what the band stands on; None where there is none."""
    import numpy as np

    from llmstats.answers._pareto import band

    none: list[Any] = [None] * len(good)
    sure = [len(p.repeats) >= REPEATS and all(v > 0 for pair in p.repeats for v in pair) for p in good]
    if not any(sure):
        most = max((len(p.repeats) for p in good), default=0)
        return none, none, none, "no repeats: no band" if most < 2 else f"at most {most} repeats: no band"
    xs, ys = np.tile(better * x, (DRAWS, 1)), np.tile(y, (DRAWS, 1))
    for i in np.flatnonzero(sure).tolist():
        xs[:, i], ys[:, i] = _draws(good[i], better, seed=i)
    low, high, certain = band(xs, ys, better * x)
    said = f"95 %, {sum(sure)} of {len(good)} points with {REPEATS} or more repeats"
    return _where(sure, low), _where(sure, high), _where(sure, certain), said


def _draws(point: Point, better: int, seed: int) -> tuple[Any, Any]:
    """Where a point may lie.  One seed for both: what is good in one is good in the other."""
    from llmstats.statistics import location_draws

    goodness = location_draws([x**better for x, _ in point.repeats], DRAWS, seed)
    speed = location_draws([y for _, y in point.repeats], DRAWS, seed)
    return better * goodness**better, speed


def _where(sure: Sequence[bool], values: Any) -> list[float | None]:
    return [float(v) if known and math.isfinite(v) else None for known, v in zip(sure, values, strict=True)]


def _rows(made: Frontier, against: str, definitions: Sequence[str], *, all_points: bool) -> list[dict[str, Any]]:
    return [
        {
            **_serving.whose(point.cell), **point.source(), "throughput": point.y, "value": point.x,
            "unit": _serving.AGAINST[against][1], "on_frontier": on, "low": low, "high": high, "certain": certain,
            "band": made.band, "points": len(made.points), "left_out": made.left_out,
            "throughput_definition": point.cell.row[definitions[0]], "value_definition": point.cell.row[definitions[1]],
        }
        for point, on, low, high, certain in zip(
            made.points, made.on, made.low, made.high, made.certain, strict=True
        )
        if on or all_points
    ]  # fmt: skip


def _without(cells: Sequence[Cell], against: str) -> dict[str, Any]:
    """The row of a system that has no point."""
    x = _serving.x_of(against)
    lacks = [
        text
        for text, found in (
            (f"{against}", any(_serving.finite(x(c)) is not None for c in cells)),
            ("throughput", any(_serving.finite(c.throughput) is not None for c in cells)),
        )
        if not found
    ]
    failed = sum(c.row["status"] == "failed" for c in cells)
    why = f"no run has {' or '.join(lacks)}" if lacks else "no run has both values"
    if failed == len(cells):
        why = "all runs failed"
    first = cells[0].row
    return {
        **_serving.whose(cells[0]), "concurrency": None, "request_rate": None, "points": 0, "left_out": len(cells),
        "runs": len(cells), "reason": f"cannot tell: {why}", "run_id": first["run_id"], "source": first["source"],
    }  # fmt: skip
