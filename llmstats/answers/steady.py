"""How fast was each serving run in its steady state, when the load stood, against the whole of it?

For runs that have one record per request with its start.  At its beginning a run has fewer requests in flight than
asked for, at its end it only waits for the last ones; both lower the throughput of the whole and change its latencies.
The steady window is from `begin` to `end`, seconds after the first start, out of `seconds` in all:

- it begins when the number of requests in flight first reaches its plateau (the median over the second half of the time
  in which requests were sent, or the mean where nothing is in flight for more than half of it), and ends when the last
  request is sent: from then on the load only runs out;
- sending must take longer than answering one request, at least 10 requests must start inside, and the number in flight
  must not drift over the window by more than a fifth with 95 % confidence: a queue that keeps growing has no steady
  state.  Otherwise `steady` is false and `reason` says why; values inside are then withheld.
  It is NULL where no request has both a start and an end.

The rule is one for a fixed number of clients and for a fixed rate.  AISBench's stable stage (from the second request
that reaches the largest concurrency seen to the last) is the same for clients, and hardly anything at a fixed rate.

`output_tokens_per_second` counts the tokens that fall inside, those of a request spread evenly from its first to its
last; `requests_per_second` the requests that end inside; `ttft` is of those that start inside, `tpot` and `e2e` of
those that end inside, by `statistic`.  The columns `whole_…` are the same for the whole run, `ratio` is the first over
its whole.  Failed requests, those without any output token and those that the benchmark's end `cut_off` count as in
flight while their record says so, and for nothing else; `without_times` have no start or end and are left out.

parameter: statistic VARCHAR = 'mean' -- statistic of ttft, tpot and e2e: mean, p50, p90, p99 …
parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
parameter: model VARCHAR = '*' -- model, or a pattern with *
parameter: device VARCHAR = '*' -- device or vendor, or a pattern with *
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from llmstats.answers import _serving
from llmstats.query import Answer

if TYPE_CHECKING:
    import duckdb

SPEEDS = ("output_tokens_per_second", "requests_per_second", "ttft", "tpot", "e2e")
COLUMNS = (
    "model", "device", "concurrency", "request_rate", "steady", "reason",
    *(name for speed in SPEEDS for name in (speed, f"whole_{speed}")), "ratio", "begin", "end", "seconds", "in_flight",
    "requests", "started_inside", "ended_inside", "failed", "cut_off", "without_times", "definition",
    "whole_definition", "run_id", "source", "last_source",
)  # fmt: skip


def answer(con: duckdb.DuckDBPyConnection, **given: Any) -> Answer:
    """See the module."""
    _serving.check_statistic(given["statistic"])
    asked = {name: given[name] for name in ("pick", "model", "device")}
    cells = {cell.row["run_key"]: cell for cell in _serving.cells(con, asked, "", (), "output")}
    told = [
        {name: cells[run].row[name] for name in ("model", "device", "concurrency", "request_rate", "run_id")}
        | _run(records, given["statistic"])
        for run, records in _records(con, _serving.keys(cells.values()))
    ]
    told.sort(key=lambda row: (not row.get("steady"), row["run_id"]))
    return Answer.of(COLUMNS, told)


_RECORDS = """
SELECT q.run_key, q.source_key, q.line::DOUBLE AS line, q.started, q.started + q.e2e AS ended, q.ttft, q.e2e,
  q.output_tokens::DOUBLE AS tokens,
  coalesce(q.tpot, CASE WHEN q.output_tokens > 1 THEN (q.e2e - q.ttft) / (q.output_tokens - 1) END) AS tpot,
  {cut_off} AS cut_off,
  q.success IS NOT FALSE AND coalesce(q.output_tokens, 1) > 0 AND NOT ({cut_off}) AS done
FROM request_rows q
WHERE q.run_key IN ({keys})
ORDER BY q.run_key, q.started, q.request
"""


def _records(con: duckdb.DuckDBPyConnection, keys: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The requests of each run by their start, as arrays (NaN where nothing is stated), with ``path`` by source key."""
    import numpy as np

    columns = con.execute(_RECORDS.format(keys=keys, cut_off=_serving.CUT_OFF)).fetchnumpy()
    whole = {
        name: np.ma.filled(column, np.nan) if column.dtype.kind == "f" else np.ma.getdata(column)
        for name, column in columns.items()
    }
    paths = dict(con.execute("SELECT w.source_key, w.path FROM source_rows w").fetchall())
    edges = (
        np.flatnonzero(np.diff(whole["run_key"], prepend=-1, append=-1)) if len(whole["run_key"]) else np.zeros(1, int)
    )
    for a, b in pairwise(edges.tolist()):
        yield int(whole["run_key"][a]), {name: column[a:b] for name, column in whole.items()} | {"path": paths}


def _run(records: Mapping[str, Any], statistic: str) -> dict[str, Any]:
    """The row of one run."""
    import numpy as np

    from llmstats.answers._steady import in_flight, mean_load, window

    timed = np.isfinite(records["started"]) & np.isfinite(records["ended"])
    done, cut = records["done"].astype(bool), int(np.count_nonzero(records["cut_off"]))
    counts = {
        "requests": len(done), "failed": int(np.count_nonzero(~done)) - cut, "cut_off": cut,
        "without_times": int(np.count_nonzero(~timed)),
        "definition": "output_tokens_per_second@steady", "whole_definition": "output_tokens_per_second@requests",
        "source": _place(records, 0),
    }  # fmt: skip
    if not timed.any():
        return counts | {"reason": "cannot tell: the requests' records have no starts or no ends"}
    kept = {name: column[timed] for name, column in records.items() if name != "path"} | {"path": records["path"]}
    zero, end = float(kept["started"].min()), float(kept["ended"].max())
    whole = _speeds(kept, zero, end, statistic)
    found = window(kept["started"], kept["ended"])
    told = counts | {"steady": found.reason is None, "seconds": end - zero}
    told |= {f"whole_{name}": value for name, value in whole.items()}
    if found.reason is not None:
        return told | {"reason": f"cannot tell: {found.reason}"}
    inside = _speeds(kept, found.begin, found.end, statistic)
    starts = np.flatnonzero((kept["started"] >= found.begin) & (kept["started"] <= found.end))
    speed, of_whole = inside["output_tokens_per_second"], whole["output_tokens_per_second"]
    return told | inside | {
        "begin": found.begin - zero, "end": found.end - zero, "started_inside": len(starts),
        "in_flight": mean_load(*in_flight(kept["started"], kept["ended"]), found.begin, found.end),
        "ended_inside": int(np.count_nonzero((kept["ended"] >= found.begin) & (kept["ended"] <= found.end))),
        "ratio": speed / of_whole if speed is not None and of_whole else None,
        "source": _place(kept, starts[0]), "last_source": _place(kept, starts[-1]),
    }  # fmt: skip


def _place(records: Mapping[str, Any], i: int) -> str:
    line = records["line"][i]
    return str(records["path"][int(records["source_key"][i])]) + (f":{line:.0f}" if line > 0 else "")


def _speeds(records: Mapping[str, Any], begin: float, end: float, statistic: str) -> dict[str, float | None]:
    """Speeds and times of the requests that completed, from ``begin`` to ``end``."""
    import numpy as np

    from llmstats.answers._steady import tokens_within

    done = records["done"].astype(bool)
    starts = done & (records["started"] >= begin) & (records["started"] <= end)
    ends = done & (records["ended"] >= begin) & (records["ended"] <= end)
    counted = done & np.isfinite(records["tokens"])
    first = records["started"] + np.where(np.isfinite(records["ttft"]), records["ttft"], 0)
    tokens = tokens_within(begin, end, first[counted], records["ended"][counted], records["tokens"][counted])
    return {
        "output_tokens_per_second": tokens / (end - begin) if counted.any() and end > begin else None,
        "requests_per_second": int(np.count_nonzero(ends)) / (end - begin) if end > begin else None,
        "ttft": _statistic(records["ttft"][starts], statistic),
        "tpot": _statistic(records["tpot"][ends], statistic),
        "e2e": _statistic(records["e2e"][ends], statistic),
    }


def _statistic(values: Any, name: str) -> float | None:
    """A statistic of the finite values; None of nothing."""
    import numpy as np

    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    if name[0] == "p":
        return float(np.percentile(finite, float(name[1:])))
    return float(getattr(np, name)(finite))  # mean, std, min or max: `check_statistic` lets nothing else through
