"""What does each system yield at one and the same latency, interactivity or load?

Systems are measured at loads of their own; to compare them they must be read at equal terms.  Name one of `tpot`,
`ttft`, `e2e` (seconds, by `statistic`), `interactivity` (tokens per second that one user sees), `concurrency` or
`request_rate`; `value` is what each system has there of what `read` names: `throughput` (tokens per second, per device
where the number of devices is known, see `per`), `requests` per second of the whole system, or a time.

Between measurements a monotone curve is drawn (PCHIP: Fritsch and Carlson, SIAM J. Numer. Anal. 17, 1980; logarithmic
axes where all is positive), which passes through every one of them and never beyond two neighbours.  At a latency or an
interactivity it goes through the points of the system's Pareto frontier, as a beaten point is no choice; at a load
through all loads, the median of repeats; of other configurations it sees only those set up as the neighbours are.
`method` says whether the value was measured or interpolated; `below` and `above` are the values of the two neighbours,
by ascending place, with their sources.

No curve joins two configurations: where the neighbours state different settings (`parallelism`, the number of devices,
a key of the configuration), or runs at one load do (or do not say their model or device), no configuration is known to
yield what lies between them, and `reason` says in what they differ; `by` keeps them apart.  Nothing is extrapolated,
either: outside the range of the curve, `measured_from` to `measured_to`, `reason` says `cannot tell` and names the
range, and whether a beaten point was measured beyond it.  `at_least` needs no curve: the best measured point that is at
least as good as asked for in the latency or interactivity.

What makes one system, says `frontier`; values of different definitions or scopes stand in different rows and do not
compare.

parameter: interactivity DOUBLE = NULL -- read at this many tokens per second per user
parameter: tpot DOUBLE = NULL -- read at this time per output token, seconds
parameter: ttft DOUBLE = NULL -- read at this time to first token, seconds
parameter: e2e DOUBLE = NULL -- read at this end-to-end latency, seconds
parameter: concurrency DOUBLE = NULL -- read at this many concurrent requests
parameter: request_rate DOUBLE = NULL -- read at this many requests sent per second
parameter: read VARCHAR = 'throughput' -- what to read: throughput, requests, ttft, tpot, e2e or interactivity
parameter: statistic VARCHAR = 'mean' -- statistic of the times: mean, p50, p90, p99 …
parameter: tokens VARCHAR = 'output' -- tokens that the throughput counts: output, or total (input and output)
parameter: by VARCHAR = '' -- what else tells systems apart: columns of runs, labels or configuration keys, by commas
parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
parameter: model VARCHAR = '*' -- model, or a pattern with *
parameter: device VARCHAR = '*' -- device or vendor, or a pattern with *
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmstats.answers import _serving
from llmstats.answers._checks import one_of, option
from llmstats.errors import QueryError
from llmstats.query import Answer

if TYPE_CHECKING:
    import duckdb

    from llmstats.answers._serving import Cell, Point

LOADS = ("concurrency", "request_rate")
_DOUBLED = "cannot tell: several runs at one load do not say their model or device, so that they repeat nothing"
#: What can be read: unit, whether more is better, column of ``serving`` that holds its definition.
READ = {
    "throughput": ("token/s", True, None),
    "requests": ("request/s", True, None),
    **{name: (unit, more, definition) for name, (_, unit, more, definition) in _serving.AGAINST.items()},
}
COLUMNS = (
    "model", "device", "framework", "precision", "input_len", "output_len", "value", "unit", "per", "method", "reason",
    "at_least", "below", "above", "at", "asked", "read", "measured_from", "measured_to", "points", "runs", "apart",
    "dataset", "output_len_mode", "folder", "vendor", "value_definition", "at_definition", "run_id", "source",
    "below_source", "above_source",
)  # fmt: skip


def answer(con: duckdb.DuckDBPyConnection, **given: Any) -> Answer:
    """See the module."""
    name, place = _asked(given)
    one_of("read", given["read"], READ)
    one_of("tokens", given["tokens"], ("output", "total"))
    _serving.check_statistic(given["statistic"])
    asked = {key: given[key] for key in ("pick", "model", "device", "statistic")}
    definitions = _definitions(name, given["read"], given["tokens"])
    found = _serving.cells(con, asked, given["by"], [d for d in definitions if d], given["tokens"])
    rows = [_row(con, system, name, place, given["read"], definitions) for system in _serving.systems(found)]
    better = -1 if READ[given["read"]][1] else 1
    rows.sort(key=lambda row: _order(row, better))
    return Answer.of(COLUMNS, rows)


def _order(row: Mapping[str, Any], better: int) -> tuple[Any, ...]:
    """Case by case, the best first; what cannot be told last."""
    case = (row["model"] or "", row["input_len"] or 0, row["output_len"] or 0, row["dataset"] or "", row["per"])
    return row["value"] is None, *case, better * (row["value"] or 0)


def _asked(given: Mapping[str, Any]) -> tuple[str, float]:
    """The one place that was asked for.

    Raises:
        QueryError: none, several, or one that is not positive and finite.
    """
    names = (*_serving.AGAINST, *LOADS)
    named = [(name, given[name]) for name in names if given[name] is not None]
    if len(named) != 1:
        options = ", ".join(option(name) for name in names)
        raise QueryError(f"say where to read, by one of {options} (such as --tpot 0.03); {len(named)} given")
    name, place = named[0]
    if not 0 < place < math.inf:
        raise QueryError(f"{option(name)} {place}: a positive number is needed")
    if name == given["read"]:
        raise QueryError(f"--read {name}: that is what is held equal; read something else")
    return name, place


def _definitions(name: str, read: str, tokens: str) -> tuple[str | None, str | None]:
    """Columns of ``serving`` that hold the definitions of the value and of the place; a load has none."""
    speed = "tps_definition" if tokens == "output" else "total_definition"
    value = speed if read == "throughput" else READ[read][2]
    return value, _serving.AGAINST[name][3] if name in _serving.AGAINST else None


def _row(
    con: duckdb.DuckDBPyConnection, system: Sequence[Cell], name: str, place: float, read: str,
    definitions: tuple[str | None, str | None],
) -> dict[str, Any]:  # fmt: skip
    good = sorted((p for p in _serving.points(system, _reader(name), _reader(read)) if p.repeats), key=lambda p: p.x)
    points = _curve(good, name, read)
    first = system[0]
    told = {
        **_serving.whose(first), "at": name, "asked": place, "read": read, "unit": READ[read][0], "value": None,
        "points": len(points), "runs": sum(len(p.cells) for p in points) or len(system),
        "measured_from": points[0].x if points else None, "measured_to": points[-1].x if points else None,
        "value_definition": definitions[0] and first.row[definitions[0]],
        "at_definition": definitions[1] and first.row[definitions[1]],
        "run_id": first.row["run_id"], "source": first.row["source"],
    }  # fmt: skip
    if read != "throughput":
        told["per"] = "system" if read == "requests" else "request"
    if not points:
        return told | {"reason": f"cannot tell: no run has both {name} and {read}{_hint(con, system, name, read)}"}
    if not points[0].x <= place <= points[-1].x:
        return told | _at_least(points, name, place) | {"reason": f"cannot tell: {_beyond(points, good, place)}"}
    return told | _at_least(points, name, place) | _read(points, place, doubled=_doubled(system))


def _beyond(points: Sequence[Point], good: Sequence[Point], place: float) -> str:
    """Why a curve through ``points``, those of the ``good`` that nothing beats, does not reach a place."""
    if not good[0].x <= place <= good[-1].x:
        return f"beyond the measured range {good[0].x:.4g}..{good[-1].x:.4g}"
    return f"beyond the frontier's range {points[0].x:.4g}..{points[-1].x:.4g}: what was measured there is beaten"


def _hint(con: duckdb.DuckDBPyConnection, system: Sequence[Cell], *names: str) -> str:
    """What to ask instead, for times that this system does not state by the statistic that was asked for."""
    for name in names:
        if name in _serving.AGAINST and _serving.never_positive(system, name):
            return f"; no {_serving.AGAINST[name][0]} is above zero"
    times = {_serving.AGAINST[n][0] for n in names if n in _serving.AGAINST}
    lacking = [t for t in sorted(times) if all(_serving.finite(c.row[t]) is None for c in system)]
    return next(filter(None, (_serving.other_statistics(con, system, t) for t in lacking)), "")


def _reader(name: str) -> Callable[[Cell], float | None]:
    if name in _serving.AGAINST:
        return _serving.x_of(name)
    if name == "throughput":
        return lambda cell: _serving.positive(cell.throughput)
    column = "requests_per_second" if name == "requests" else name
    return lambda cell: cell.row[column]


def _curve(good: Sequence[Point], name: str, read: str) -> list[Point]:
    """The points to go through, of those that have both values by ascending x: all loads, or the frontier."""
    import numpy as np

    from llmstats.answers._pareto import undominated

    if name in LOADS:
        return _one_per_load(good)
    x = np.array([p.x for p in good]) * (1 if _serving.AGAINST[name][2] else -1)
    y = np.array([p.y for p in good]) * (1 if READ[read][1] else -1)
    kept = [p for p, on in zip(good, undominated(x, y), strict=True) if on]
    return [p for i, p in enumerate(kept) if not i or p.x != kept[i - 1].x]


def _one_per_load(good: Sequence[Point]) -> list[Point]:
    """All that was measured at one load is one point; `_mixed` says whether its median means anything."""
    groups: dict[float, list[Point]] = {}
    for p in good:
        groups.setdefault(p.x, []).append(p)
    return [
        mine[0] if len(mine) == 1
        else _serving.Point(
            [c for p in mine for c in p.cells], x, _serving.median([p.y for p in mine]),
            [pair for p in mine for pair in p.repeats],
        )
        for x, mine in groups.items()
    ]  # fmt: skip


def _at_least(points: Sequence[Point], name: str, place: float) -> dict[str, Any]:
    """The best measured value whose latency or interactivity is at least as good."""
    if name in LOADS:
        return {}
    fine = [p for p in points if (p.x >= place if _serving.AGAINST[name][2] else p.x <= place)]
    nearest = min(fine, key=lambda p: abs(p.x - place), default=None)
    return {"at_least": nearest and nearest.y}


def _read(points: Sequence[Point], place: float, *, doubled: bool) -> dict[str, Any]:
    """The value at a place between the ends, and what it stands on."""
    above = next(i for i, p in enumerate(points) if p.x >= place)
    if points[above].x == place:
        here = points[above]
        mixed = _mixed(here)
        return here.source() | ({"reason": mixed} if mixed else {"value": here.y, "method": "measured"})
    a, b = points[above - 1], points[above]
    runs = [cell.row["run_id"] for p in (a, b) for cell in p.cells]
    told = {
        "below": a.y, "above": b.y, "runs": len(runs), "run_id": ", ".join(runs), "source": a.cell.row["source"],
        "below_source": a.cell.row["source"], "above_source": b.cell.row["source"],
    }  # fmt: skip
    if mixed := _mixed(a, b) or (_DOUBLED if doubled else None):
        return told | {"reason": mixed}
    alike = [p for p in points if not _mixed(a, b, p)]
    value = interpolated([p.x for p in alike], [p.y for p in alike], place)
    return told | {"value": value, "method": "interpolated"}


def _mixed(*points: Point) -> str | None:
    """Why no one configuration is known to have yielded these points; None if one may have."""
    who = "the neighbours" if len(points) > 1 else "the runs there"
    differ = _serving.differences(cell for p in points for cell in p.cells)
    if differ:
        said = ", ".join(f"{name} ({', '.join(values)})" for name, values in differ.items())
        return f"cannot tell: {who} differ in {said}; --by {','.join(differ)} keeps them apart"
    if any(len(p.cells) > 1 and p.cell.row["folder"] is not None for p in points):
        return _DOUBLED
    return None


def _doubled(system: Sequence[Cell]) -> bool:
    """Whether several runs at one load do not say their model or device: they may be of several configurations."""
    loads = [cell.load for cell in system if cell.row["folder"] is not None]
    return len(set(loads)) < len(loads)


def interpolated(xs: Sequence[float], ys: Sequence[float], place: float) -> float:
    """The monotone curve through points (x strictly ascending, at least two) at a place between the first and the last.

    Logarithmic in x and in y where all of them are positive.
    """
    import numpy as np
    from scipy.interpolate import PchipInterpolator

    # logarithms of neighbouring floats may be equal
    log_x = min(xs) > 0 and bool(np.all(np.diff(np.log(xs)) > 0))
    log_y = min(ys) > 0
    curve = PchipInterpolator(np.log(xs) if log_x else xs, np.log(ys) if log_y else ys)
    value = float(curve(math.log(place) if log_x else place))
    return math.exp(value) if log_y else value
