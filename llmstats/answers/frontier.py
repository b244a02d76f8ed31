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
With 3 or more, `low` to `high` and `value_low` to `value_high` are the 95 % limits of the two medians; the frontiers of
all lower and of all upper limits are the band.  `certain` is the share of 1,000 draws of where the repeated points may
lie (parametric bootstrap) that have the point on the frontier; points that are measured once count as exact there, and
a repeat that is faster for the user is taken to be faster in throughput, too.  `band` says where there is none.

Systems of which no run has both values come last, with the reason.  `left_out` counts the points of a system that
lack one of the two or are not finite, those of which one is not above zero (a `tpot` of 0: the answers came in one
piece, so that nothing was measured), and failed ones.

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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmstats.answers import _serving
from llmstats.answers._checks import one_of
from llmstats.query import Answer

if TYPE_CHECKING:
    import duckdb

    from llmstats.answers._serving import Cell, Point

#: Draws of the band, and repeats that a point needs to vary in them.
DRAWS, REPEATS = 1000, 3
COLUMNS = (
    "model", "device", "framework", "precision", "input_len", "output_len", "concurrency", "throughput", "per", "value",
    "unit", "on_frontier", "low", "high", "value_low", "value_high", "certain", "band", "reason", "request_rate",
    "against", "points", "left_out", "runs", "device_count", "parallelism", "apart", "dataset", "output_len_mode",
    "folder", "throughput_definition", "value_definition", "vendor", "run_id", "source",
)  # fmt: skip


@dataclass(slots=True)
class Frontier:
    """The points of one system that have both values, which of them nothing beats, and how sure each is."""

    points: list[Point]
    on: Sequence[bool]
    left_out: int
    limits: Sequence[dict[str, float | None]]
    band: str


def answer(con: duckdb.DuckDBPyConnection, **given: Any) -> Answer:
    """See the module."""
    against, tokens = given["against"], given["tokens"]
    one_of("against", against, _serving.AGAINST)
    one_of("tokens", tokens, ("output", "total"))
    _serving.check_statistic(given["statistic"])
    asked = {name: given[name] for name in ("pick", "model", "device", "statistic")}
    definitions = ("tps_definition" if tokens == "output" else "total_definition", _serving.AGAINST[against][3])
    found = _serving.systems(_serving.cells(con, asked, given["by"], definitions, tokens))
    rows: list[dict[str, Any]] = []
    without: list[dict[str, Any]] = []
    for cells in found:
        made = frontier(cells, against)
        if not made.points:
            without.append(_without(con, cells, against))
        rows += _rows(made, against, definitions, all_points=given["all"])
    filled = [{"against": against, **row} for row in (*rows, *without)]
    return Answer.of(COLUMNS, filled)


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


def _band(good: Sequence[Point], x: Any, y: Any, better: int) -> tuple[list[dict[str, float | None]], str]:
    """Limits and certainty of each point (nothing where it was not repeated), and what they stand on."""
    import numpy as np

    from llmstats.answers._pareto import certainty

    sure = [len(p.repeats) >= REPEATS for p in good]
    if not any(sure):
        most = max((len(p.repeats) for p in good), default=0)
        return [{}] * len(good), "no repeats: no band" if most < 2 else f"at most {most} repeats: no band"
    xs, ys = np.tile(better * x, (DRAWS, 1)), np.tile(y, (DRAWS, 1))
    for i in np.flatnonzero(sure).tolist():
        xs[:, i], ys[:, i] = _draws(good[i], better, seed=i)
    share = certainty(xs, ys)
    limits = [_limits(p, float(c)) if repeated else {} for p, c, repeated in zip(good, share, sure, strict=True)]
    return limits, f"95 %, {sum(sure)} of {len(good)} points with {REPEATS} or more repeats"


def _limits(point: Point, certain: float) -> dict[str, float | None]:
    from llmstats.statistics import interval

    x, y = interval([x for x, _ in point.repeats]), interval([y for _, y in point.repeats])
    return {"low": y.low, "high": y.high, "value_low": x.low, "value_high": x.high, "certain": certain}


def _draws(point: Point, better: int, seed: int) -> tuple[Any, Any]:
    """Where a point may lie.  One seed for both: what is good in one is good in the other."""
    import numpy as np

    from llmstats.statistics import location_draws

    goodness = location_draws([x**better for x, _ in point.repeats], DRAWS, seed)
    speed = location_draws([y for _, y in point.repeats], DRAWS, seed)
    fixed = not (np.isfinite(goodness).all() and np.isfinite(speed).all())  # repeats too far apart
    return (better * point.x, point.y) if fixed else (better * goodness**better, speed)


def _rows(made: Frontier, against: str, definitions: Sequence[str], *, all_points: bool) -> list[dict[str, Any]]:
    return [
        {
            **_serving.whose(point.cell), **point.source(), "throughput": point.y, "value": point.x,
            "unit": _serving.AGAINST[against][1], "on_frontier": on, **limits,
            "band": made.band, "points": len(made.points), "left_out": made.left_out,
            "throughput_definition": point.cell.row[definitions[0]], "value_definition": point.cell.row[definitions[1]],
        }
        for point, on, limits in zip(made.points, made.on, made.limits, strict=True)
        if on or all_points
    ]  # fmt: skip


def _without(con: duckdb.DuckDBPyConnection, cells: Sequence[Cell], against: str) -> dict[str, Any]:
    """The row of a system that has no point."""
    first = cells[0].row
    return {
        **_serving.whose(cells[0]), "concurrency": None, "request_rate": None, "points": 0, "left_out": len(cells),
        "runs": len(cells), "reason": f"cannot tell: {_lack(con, cells, against)}", "run_id": first["run_id"],
        "source": first["source"],
    }  # fmt: skip


def _lack(con: duckdb.DuckDBPyConnection, cells: Sequence[Cell], against: str) -> str:
    """Why a system has no point."""
    if all(cell.row["status"] == "failed" for cell in cells):
        return "all runs failed"
    x = _serving.x_of(against)
    slow = all(_serving.positive(cell.throughput) is None for cell in cells)
    if any(_serving.finite(x(cell)) is not None for cell in cells):
        return "no run has throughput" if slow else "no run has both values"
    if _serving.never_positive(cells, against):
        return f"no run has a {_serving.AGAINST[against][0]} above zero{' or throughput' if slow else ''}"
    hint = _serving.other_statistics(con, cells, _serving.AGAINST[against][0])
    return f"no run has {against}{' or throughput' if slow else ''}{hint}"
