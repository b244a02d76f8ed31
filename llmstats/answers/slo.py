"""How large a load can each system bear within limits of latency, and how many requests per second meet them?

Give any limits after the fact, at least one: `ttft`, `tpot` and `e2e` in seconds.  A request meets them when it did
not fail and each of its times is at most its limit.  `share` of them must; `verdict` says whether they do:

- From one record per request (`basis`: requests) the share is counted, `low` and `high` are its 95 % Wilson limits, and
  the verdict is *meets* or *misses* where both limits agree, else *cannot tell*.  The TPOT of a request is the one in
  its record, else (end-to-end latency - TTFT) / (output tokens - 1).  A request of one output token has none:
  `one_token` says whether it meets any (as vLLM counts it, the default), fails, or is left out.
- From aggregates only bounds can be had (`basis`: bounds): what percentiles, smallest and largest value, mean (Markov)
  and deviation (Cantelli) allow at most of the share among the requests that were sent, whatever the distribution;
  `low` and `high` are the lower Wilson limit of the one and the upper of the other bound, so that the verdict is the
  one of records, or *cannot tell*.  Where nobody says how many requests there were, they are the bounds themselves and
  a verdict is of those requests alone, as `reason` says.  No `requests_met`; requests of one token are taken not to
  occur, and the tool's own definitions hold.

Failed requests, and those without any output token, do not meet; `failed` counts them, `unmeasured` those whose record
lacks a time that a limit asks for, which do not meet either.  Requests that the benchmark's end `cut_off` neither meet
nor miss: no other number counts them.  `goodput` is the rate of requests that meet, in requests per second: the share
times the rate of all requests.

One row per system and lengths (see `frontier`): that of the largest load that meets (`largest_load`, in terms of
`load`: concurrent requests or requests sent per second, whichever was varied more).  `next_load` is the smallest
larger one that was measured and does not; NULL means that nothing larger was measured.  Where no load meets, the row is
that of the smallest.  With `all` there is a row per run.  `source` is the line of a request that does not meet, if any.

parameter: ttft DOUBLE = inf -- largest time to first token, seconds
parameter: tpot DOUBLE = inf -- largest time per output token, seconds
parameter: e2e DOUBLE = inf -- largest end-to-end latency, seconds
parameter: share DOUBLE = 0.9 -- share of the requests that must meet the limits
parameter: one_token VARCHAR = 'meets' -- a request of one output token: meets any tpot, fails, or is left_out
parameter: all BOOLEAN = false -- show every run, not only the one at the largest load that meets
parameter: by VARCHAR = '' -- what else tells systems apart: columns of runs, labels or configuration keys, by commas
parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
parameter: model VARCHAR = '*' -- model, or a pattern with *
parameter: device VARCHAR = '*' -- device or vendor, or a pattern with *
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmstats.answers import _bounds, _serving
from llmstats.answers._checks import one_of
from llmstats.errors import QueryError
from llmstats.query import Answer, fetched

if TYPE_CHECKING:
    import duckdb

    from llmstats.answers._serving import Cell

    Case = tuple[Any, ...]

LIMITS = {"ttft": "ttft", "tpot": "tpot", "e2e": "e2e_latency"}
DEFINITIONS = ("ttft_definition", "tpot_definition", "e2e_definition")
LOADS = ("concurrency", "request_rate")
COLUMNS = (
    "model", "device", "framework", "precision", "input_len", "output_len", "largest_load", "next_load", "load",
    "verdict", "share", "low", "high", "basis", "goodput", "goodput_low", "goodput_high", "reason", "concurrency",
    "request_rate", "requests", "requests_met", "failed", "unmeasured", "cut_off", "one_token", "ttft_limit",
    "tpot_limit", "e2e_limit", "device_count", "parallelism", "apart", "dataset", "output_len_mode", "folder", "vendor",
    "ttft_definition", "tpot_definition", "e2e_definition", "runs", "run_id", "source",
)  # fmt: skip


def answer(con: duckdb.DuckDBPyConnection, **given: Any) -> Answer:
    """See the module."""
    limits = _limits(given)
    asked = {name: given[name] for name in ("pick", "model", "device")}
    cells = _serving.cells(con, asked, given["by"], [f"{name}_definition" for name in limits], "output")
    counted = _counted(con, limits, given["one_token"], _serving.keys(cells))
    stated = _stated(con)
    rows = []
    for system in _serving.systems(cells):
        mine = [_judged(cell, limits, given["share"], counted, stated) for cell in system]
        rows += _told(mine, show_all=given["all"])
    rows.sort(key=lambda row: row["verdict"] == "cannot tell")
    return Answer.of(COLUMNS, rows)


def _limits(given: Mapping[str, Any]) -> dict[str, float]:
    """The limits that were given.

    Raises:
        QueryError: no limit, one that is not positive, a share that is none, or a word that `one_token` does not know.
    """
    for name in LIMITS:
        if not given[name] > 0:
            raise QueryError(f"--{name} {given[name]}: a positive number of seconds is needed")
    if not 0 < given["share"] <= 1:
        raise QueryError(f"--share {given['share']}: a share above 0 and up to 1 is needed, such as 0.99")
    one_of("one_token", given["one_token"], ("meets", "fails", "left_out"))
    limits = {name: given[name] for name in LIMITS if given[name] < math.inf}
    if not limits:
        raise QueryError("a limit in seconds is needed: --ttft, --tpot or --e2e, such as --ttft 0.5 --tpot 0.05")
    return limits


# --------------------------------------------------------------------------- requests


_COUNT = """
WITH one AS (
  SELECT q.run_key, q.source_key, q.line, q.request, q.ttft, q.e2e, {cut_off} AS cut_off,
    NOT ({cut_off}) AND (q.success IS FALSE OR q.output_tokens = 0) IS TRUE AS failed,
    coalesce(q.tpot, CASE WHEN q.output_tokens > 1 THEN (q.e2e - q.ttft) / (q.output_tokens - 1) END) AS tpot,
    q.output_tokens = 1 AS single
  FROM request_rows q WHERE q.run_key IN ({keys})
),
judged AS (
  SELECT o.*, (o.single AND o.tpot IS NULL AND {tpot}) IS TRUE AND NOT o.failed AND NOT o.cut_off AS lone,
    NOT o.failed AND NOT ({known}) AS unmeasured, NOT o.failed AND ({known}) AND ({within}) AS met,
    NOT o.cut_off AND NOT (lone AND {left_out}) AS counts
  FROM one o
),
counted AS (
  SELECT j.run_key, count(*) FILTER (j.counts) AS requests, count(*) FILTER (j.counts AND j.met) AS met,
    count(*) FILTER (j.failed) AS failed, count(*) FILTER (j.counts AND j.unmeasured) AS unmeasured,
    count(*) FILTER (j.cut_off) AS cut_off, count(*) FILTER (j.counts AND j.lone) AS one_token,
    count(j.ttft) FILTER (j.counts) AS ttft, count(j.e2e) FILTER (j.counts) AS e2e,
    count(j.tpot) FILTER (j.counts) AS tpot, bool_or(j.lone) AS any_lone,
    min_by({{source_key: j.source_key, line: j.line}}, (j.met, j.source_key, j.request)) FILTER (j.counts) AS first
  FROM judged j
  GROUP BY j.run_key
)
SELECT r.run_id, c.* EXCLUDE (run_key, first), w.path || coalesce(':' || c.first.line, '') AS place
FROM counted c JOIN run_rows r ON r.run_key = c.run_key LEFT JOIN source_rows w ON w.source_key = c.first.source_key
"""


def _counted(
    con: duckdb.DuckDBPyConnection, limits: Mapping[str, float], one_token: str, keys: str
) -> dict[str, dict[str, Any]]:
    """Of each run that has records of its requests: how many meet the limits, and the line of one that does not."""
    lone = "(o.single AND o.tpot IS NULL)"
    tests = {name: f"(isfinite(o.{name}) AND o.{name} <= {limit!r})" for name, limit in limits.items()}
    known = {name: f"coalesce(isfinite(o.{name}), false)" for name in limits}
    if "tpot" in limits:
        known["tpot"] = f"({known['tpot']} OR coalesce({lone}, false))"
        tests["tpot"] = f"CASE WHEN {lone} THEN {one_token == 'meets'} ELSE {tests['tpot']} END"
    asked = _COUNT.format(
        keys=keys,
        cut_off=_serving.CUT_OFF,
        tpot="tpot" in limits,
        known=" AND ".join(known.values()),
        within=" AND ".join(tests.values()),
        left_out=one_token == "left_out",
    )
    return {row["run_id"]: row for row in fetched(con, asked)}


def _from_requests(found: Mapping[str, Any], limits: Mapping[str, float]) -> dict[str, Any]:
    if not found["requests"]:
        lone = "all requests have one token" if found["any_lone"] else "the benchmark's end cut off all requests"
        return {"low": 0.0, "high": 1.0, "lacks": lone, "requests": 0, "cut_off": found["cut_off"]}
    excused = {"tpot": found["one_token"]}
    lacks = [n for n in limits if not found[n] and found["failed"] + excused.get(n, 0) < found["requests"]]
    if lacks:
        return {"low": 0.0, "high": 1.0, "lacks": f"the records of the requests have no {' and no '.join(lacks)}"}
    low, high = _wilson(found["met"], found["met"], found["requests"])
    return {
        "basis": "requests", "share": found["met"] / found["requests"], "low": low, "high": high,
        "requests": found["requests"], "requests_met": found["met"], "failed": found["failed"],
        "unmeasured": found["unmeasured"], "cut_off": found["cut_off"], "one_token": found["one_token"],
        "source": found["place"],
    }  # fmt: skip


def _wilson(least: float, most: float, n: int) -> tuple[float, float]:
    """The lower limit of the least and the upper limit of the most requests of ``n`` that may meet."""
    from llmstats.statistics import wilson

    return float(wilson(least, n)[0]), float(wilson(most, n)[1])


# --------------------------------------------------------------------------- aggregates


def _stated(con: duckdb.DuckDBPyConnection) -> dict[Case, dict[str, dict[str, float]]]:
    """Statistics of the times by run and case, then by metric and name of the statistic; and numbers of requests."""
    asked = """
        SELECT r.run_id, m.input_len, m.output_len, m.concurrency, m.request_rate, m.metric, m.statistic, m.value
        FROM _measured('serving') m JOIN run_rows r ON r.run_key = m.run_key
        WHERE m.subject IS NULL AND isfinite(m.value)
          AND m.metric IN ('ttft', 'tpot', 'e2e_latency', 'completed_requests', 'failed_requests')
    """
    found: dict[Case, dict[str, dict[str, float]]] = {}
    for *case, metric, statistic, value in con.execute(asked).fetchall():
        found.setdefault(tuple(case), {}).setdefault(metric, {})[statistic] = value
    return found


def _from_aggregates(stated: Mapping[str, Mapping[str, float]], limits: Mapping[str, float]) -> dict[str, Any]:
    """Bounds; percentiles are of the completed requests, and the failed ones do not meet.

    They are of the requests that were sent; where their number is known, the limits are of what may be sent.
    """
    done, failed = (stated.get(f"{name}_requests", {}).get("value") for name in ("completed", "failed"))
    n = int(done) if done else None
    known = {name: stated.get(metric, {}) for name, metric in LIMITS.items() if name in limits}
    lacks = [name for name, statistics in known.items() if not statistics]
    shares = [_bounds.share_within(limits[name], statistics, n) for name, statistics in known.items()]
    low, high = _bounds.all_within(shares)
    requests = None if done is None else int(done + (failed or 0))
    if requests and done is not None:
        low, high = _wilson(low * done, high * done, requests)
    told = {"basis": "bounds", "low": low, "high": high, "failed": failed and int(failed), "requests": requests}
    return told | ({"lacks": f"no {' and no '.join(lacks)} is stated"} if lacks else {})


# --------------------------------------------------------------------------- verdicts


def _judged(
    cell: Cell,
    limits: Mapping[str, float],
    share: float,
    counted: Mapping[str, Mapping[str, Any]],
    stated: Mapping[Case, Mapping[str, Mapping[str, float]]],
) -> dict[str, Any]:
    """The row of one run."""
    row = cell.row
    case = tuple(row[name] for name in ("run_id", "input_len", "output_len", "concurrency", "request_rate"))
    records = counted.get(row["run_id"])
    told = _from_requests(records, limits) if records else _from_aggregates(stated.get(case, {}), limits)
    if row["status"] == "failed" and not records:
        told |= {"low": 0.0, "high": 0.0}
        verdict, reason = "misses", None
    else:
        verdict, reason = _verdict(told, share)
    return {
        **_serving.whose(cell), **{f"{name}_limit": limits.get(name) for name in LIMITS},
        **{name: row[name] for name in DEFINITIONS}, "run_id": row["run_id"], "source": row["source"], "runs": 1,
        **told, **_goodput(row, told), "verdict": verdict, "reason": reason,
    }  # fmt: skip


def _verdict(told: Mapping[str, Any], share: float) -> tuple[str, str | None]:
    if told["low"] >= share or told["high"] < share:
        alone = None if told.get("requests") else "of these requests alone: nobody says how many there were"
        return "meets" if told["low"] >= share else "misses", alone
    if "lacks" in told:
        return "cannot tell", told["lacks"]
    if told["basis"] == "requests":
        return "cannot tell", f"{told['requests']} requests are too few: {share:g} lies within their 95 % limits"
    of = f" of {told['requests']} requests" if told["requests"] else ""
    return "cannot tell", f"aggregates{of} bound the share only to {told['low']:.3f}..{told['high']:.3f}"


def _goodput(row: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, float | None]:
    """Requests per second that meet: the share of all requests times their rate."""
    done = row["requests_per_second"]
    if done is None or row["success"] == 0:
        return {}
    rate = done / (row["success"] if row["success"] is not None else 1)
    ends = {f"goodput_{end}": told[end] * rate for end in ("low", "high")}
    return ends | {"goodput": told["share"] * rate if told.get("share") is not None else None}


def _told(rows: Sequence[dict[str, Any]], *, show_all: bool) -> list[dict[str, Any]]:
    """Rows of one system with its largest load; runs that do not say their load stand for themselves."""
    varied = {name: len({row[name] for row in rows if _serving.finite(row[name]) is not None}) for name in LOADS}
    order = sorted(LOADS, key=lambda name: -varied[name])
    for row in rows:
        row["load"] = next((name for name in order if row[name] is not None), None)
    shown = [row for row in rows if row["load"] is None]
    for name in LOADS:
        mine = sorted((row for row in rows if row["load"] == name), key=lambda row: row[name])
        if mine:
            shown += _largest(mine, name, show_all=show_all)
    return shown


def _largest(rows: Sequence[dict[str, Any]], name: str, *, show_all: bool) -> list[dict[str, Any]]:
    """Of rows by ascending load: a load meets when every run at it does."""
    verdicts: dict[float, set[str]] = {}
    for row in rows:
        verdicts.setdefault(row[name], set()).add(row["verdict"])
    meets = [load for load, said in verdicts.items() if said == {"meets"}]
    largest = max(meets, default=None)
    larger = [load for load in verdicts if largest is None or load > largest]
    told = {"largest_load": largest, "next_load": min(larger, default=None)}
    at = rows[0][name] if largest is None else largest
    missed = [load for load, said in verdicts.items() if largest is not None and load < largest and "misses" in said]
    for row in rows:
        row |= told
        if missed and row["verdict"] == "meets":
            row["reason"] = "; ".join(filter(None, (f"a smaller load misses: {missed[0]:g}", row["reason"])))
    return [row for row in rows if show_all or row[name] == at]
