"""What does each system yield over the lengths of input and output, at one load?

One row per system, configuration and pair of lengths, all at one number of concurrent requests, so that the rows of one
system are a table over the lengths: `throughput` (tokens per second, per device where the number of devices is known,
see `per`), `ttft`, `tpot` and `e2e` in seconds by `statistic`.  Of `runs` that repeat one measurement the median
stands; what repeats one, says `frontier`: other configurations have rows of their own, and runs that do not say their
model or device repeat nothing.

Without `concurrency` the load is taken at which most pairs of lengths of most systems were measured.  Runs that failed
give rows without values (`status`); runs without lengths or at another load give none.  What makes one system, says
`frontier`.

parameter: concurrency DOUBLE = NULL -- concurrent requests; without it the load that was measured most widely
parameter: statistic VARCHAR = 'p50' -- statistic of the times: p50, mean, p90, p99 …
parameter: tokens VARCHAR = 'output' -- tokens that the throughput counts: output, or total (input and output)
parameter: by VARCHAR = '' -- what else tells systems apart: columns of runs, labels or configuration keys, by commas
parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
parameter: model VARCHAR = '*' -- model, or a pattern with *
parameter: device VARCHAR = '*' -- device or vendor, or a pattern with *
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmstats.answers import _serving
from llmstats.answers._checks import one_of
from llmstats.query import Answer

if TYPE_CHECKING:
    import duckdb

    from llmstats.answers._serving import Cell

LENGTHS = ("input_len", "output_len")
TIMES = ("ttft", "tpot", "e2e")
COLUMNS = (
    "model", "device", "framework", "precision", "concurrency", "input_len", "output_len", "throughput", "per", "ttft",
    "tpot", "e2e", "runs", "status", "device_count", "parallelism", "apart", "dataset", "output_len_mode", "folder",
    "vendor", "throughput_definition", "ttft_definition", "tpot_definition", "e2e_definition", "run_id", "source",
)  # fmt: skip


def answer(con: duckdb.DuckDBPyConnection, **given: Any) -> Answer:
    """See the module."""
    one_of("tokens", given["tokens"], ("output", "total"))
    _serving.check_statistic(given["statistic"])
    asked = {name: given[name] for name in ("pick", "model", "device", "statistic")}
    speed = "tps_definition" if given["tokens"] == "output" else "total_definition"
    definitions = (speed, *(f"{name}_definition" for name in TIMES))
    found = _serving.cells(con, asked, given["by"], definitions, given["tokens"])
    placed = [c for c in found if all(c.row[name] is not None for name in (*LENGTHS, "concurrency"))]
    load = given["concurrency"] if given["concurrency"] is not None else _widest(placed)
    systems = _serving.systems(c for c in placed if c.row["concurrency"] == load)
    rows = [_row(cells, speed) for system in systems for cells in _serving.repeats(system)]
    return Answer.of(COLUMNS, rows)


def _widest(cells: Sequence[Cell]) -> float | None:
    """The load at which most pairs of lengths were measured, the largest of several; None of no cells."""
    measured: dict[float, set[Any]] = {}
    for cell in cells:
        if cell.row["status"] != "failed" and _serving.finite(cell.throughput) is not None:
            measured.setdefault(cell.row["concurrency"], set()).add(cell.system)
    return max(measured, key=lambda load: (len(measured[load]), load), default=None)


def _row(cells: Sequence[Cell], speed: str) -> dict[str, Any]:
    """The medians of what is finite."""
    good = [cell for cell in cells if cell.row["status"] != "failed"]
    first = (good or cells)[0]

    def middle(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if _serving.finite(value) is not None]
        return _serving.median([float(v) for v in known if v is not None]) if known else None

    return {
        **_serving.whose(first), "throughput": middle([c.throughput for c in good]),
        **{name: middle([c.row[name] for c in good]) for name in TIMES},
        **{f"{name}_definition": first.row[f"{name}_definition"] for name in TIMES},
        "throughput_definition": first.row[speed], "runs": len(cells), "status": first.row["status"],
        "run_id": ", ".join(c.row["run_id"] for c in cells), "source": first.row["source"],
    }  # fmt: skip
