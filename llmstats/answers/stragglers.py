"""Which ranks or nodes held a training up, in which part of the step, and what did that cost?

One row per finding, the costliest of a run first; a run in which nobody stands out has one row of kind `none`, a run
that does not let it be known one of kind `cannot tell`, with the `reason`.

`kind`: `chronic` (behind in the median step, in 8 of 10 parts of its records, of which 20 are needed), `recurring` (the
same ranks again and again, which chance explains in fewer than one run of twenty), `one-off` (a stretch of steps),
`scattered` (what is left of one-off stretches beyond the `most` costliest: ranks that take turns), `all ranks` (no rank
stands out, yet the step was slow for the quick quarter of them too).  `shape`: one rank, a node, `contiguous`
neighbours, `every 8th` rank, or several ranks.  Nodes are known where the log says how many there are or how many ranks
each holds (`nproc_per_node`, `gpus_per_node`, `LOCAL_WORLD_SIZE`), or by `per_node`; ranks are counted node by node.

`phase` is what took longer: waiting for data, computing, communicating where ranks log it (`gradient_sync_time`), or
unknown where the log does not split a step.  Ranks wait for each other: where one gets its data late, the steps of the
others take longer in the collective while their own data came in time.  So time that a rank may have waited for a late
one is taken off before its computing is judged.  A rank that computes slowly can only be told where its peers do not
log their waiting as their own step: ranks that are slow together are `all ranks`, phase unknown.

`excess_seconds` is how much longer the steps took than the slowest of the other ranks would have; `share` is that
over the time of all steps; `chip_hours` is that times the devices that waited.  `devices` is the run's `device_count`,
else the number of ranks where they are 0 to n-1 without a gap; otherwise both are NULL.  `steps` counts logged steps,
and each stands for those up to the next one.  Findings of one run may lie in the same steps.

parameter: slower DOUBLE = 0.2 in 0.. -- share of the usual step that a slow rank is behind (and 5 deviations of noise)
parameter: chronic DOUBLE = 0.02 in 0.. -- share of the usual step by which a rank is behind in the median step
parameter: drop DOUBLE = 0.7 -- share of the usual speed below which a step is slow for all ranks
parameter: warmup DOUBLE = 0.01 in 0..1 -- share of the records left out at the start (10 to 100 records; 0: none)
parameter: per_node BIGINT = 0 in 0.. -- ranks of a node, where the log does not say (0: as logged)
parameter: most BIGINT = 10 in 0.. -- one-off stretches of a run that get rows of their own
parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmstats.answers._checks import option, share
from llmstats.errors import QueryError
from llmstats.query import Answer, fetched

if TYPE_CHECKING:
    import duckdb

    from llmstats.answers._rank_shapes import Layout
    from llmstats.answers._rank_times import RankTimes
    from llmstats.answers._stragglers import Finding

    Row = Mapping[str, Any]

COLUMNS = (
    "run_id", "kind", "shape", "ranks", "phase", "first_step", "last_step", "steps", "episodes", "excess_seconds",
    "share", "chip_hours", "reason", "ranks_logged", "steps_logged", "devices", "definition", "experiment", "source",
)  # fmt: skip

_RUNS = """
WITH member AS (
  SELECT r.run_key, bool_or(r.several) AS several, count(DISTINCT r.rank) AS ranks,
    min(r.rank) = 0 AND max(r.rank) + 1 = count(DISTINCT r.rank) AS all_ranks,
    coalesce(any_value(r.definition) FILTER (r.role = 'time'), any_value(r.definition) FILTER (r.role = 'rate'))
      AS definition,
    min_by(r.series_key, r.rank) AS series_key
  FROM _roles($pick) r
  WHERE r.driver IS NOT NULL
  GROUP BY r.run_key
)
SELECT m.*, k.run_id, k.experiment, k.device_count, k.node_count, k.parallelism, w.path, x.rank AS said,
  try_cast(coalesce(k.config->>'nproc_per_node', k.config->>'gpus_per_node', k.config->>'num_gpus_per_node',
    k.environment->>'LOCAL_WORLD_SIZE') AS INTEGER) AS per_node
FROM member m
  JOIN run_rows k ON k.run_key = m.run_key
  JOIN series_rows x ON x.series_key = m.series_key
  JOIN source_rows w ON w.source_key = x.source_key
WHERE k.kind = 'training'
ORDER BY NOT m.several, k.experiment, k.attempt, k.run_id
"""


def answer(con: duckdb.DuckDBPyConnection, **given: Any) -> Answer:
    """Rows as the module says.

    Raises:
        QueryError: ``slower`` or ``chronic`` is infinite, or ``drop`` is no share.
    """
    for name in ("slower", "chronic"):
        if math.isinf(given[name]):
            raise QueryError(f"{option(name)} {given[name]:g}: a finite number is needed")
    share("drop", given["drop"])
    runs = fetched(con, _RUNS, {"pick": given["pick"]})
    rows = [row for run in runs for row in (_findings(con, run, given) if run["several"] else [_single(run)])]
    return Answer.of(COLUMNS, rows)


def _row(run: Row, **said: Any) -> dict[str, Any]:
    of_run = {k: run[k] for k in ("run_id", "experiment", "definition")}
    return {**of_run, "devices": _devices(run), "ranks_logged": run["ranks"], "source": run["path"], **said}


def _devices(run: Row) -> int | None:
    stated: int | None = run["device_count"]
    return stated or (run["ranks"] if run["several"] and run["all_ranks"] else None)


def _single(run: Row) -> dict[str, Any]:
    if run["device_count"] == 1:
        return _row(run, kind="none", reason="one device: nobody waits for another")
    who = "one process" if run["said"] is None else f"rank {run['said']}"
    return _row(run, kind="cannot tell", reason=f"only {who} logged its steps")


def _findings(con: duckdb.DuckDBPyConnection, run: Row, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    from llmstats.answers import _rank_shapes, _rank_times, _stragglers

    times = _rank_times.load(con, run["run_id"], run["run_key"], given["warmup"])
    logged = {"steps_logged": len(times.steps)}
    if times.shared < 2:
        said = f"the ranks that logged have {times.shared or 'no'} step in common after the warm-up"
        yield _row(run, kind="cannot tell", reason=said, **logged)
        return
    found = _stragglers.find(times, given["slower"], given["chronic"], given["drop"])
    layout = _rank_shapes.Layout(tuple(times.ranks.tolist()), given["per_node"] or _per_node(run), run["parallelism"])
    for finding in sorted(_stragglers.fewer(found, given["most"]), key=lambda f: -f.lost):
        yield {**_row(run, **logged), **_said(con, run, times, layout, finding)}
    if not found:
        yield _row(run, **_nobody(times), **logged)


def _per_node(run: Row) -> int | None:
    nodes, devices = run["node_count"], _devices(run)
    said: int | None = run["per_node"]
    return devices // nodes if nodes and devices and devices % nodes == 0 else said


def _nobody(times: RankTimes) -> dict[str, str]:
    """Kind and reason where there is no finding: a rank with a few records may always be behind."""
    from llmstats.answers import _stragglers

    few = times.ranks[_stragglers.few(times)].tolist()
    judged, least = len(times.ranks) - len(few), _stragglers.LEAST
    if judged < 2:
        said = f"at most {times.comparable.max()} records of a rank to compare after the warm-up; {least} are needed"
        return {"kind": "cannot tell", "reason": said}
    parts = [f"no rank of {judged} stood out in {len(times.steps):,} steps"]
    if few:
        parts.append(f"{_who(few)} not judged: too few records ({least} are needed)")
    if times.data is None and times.communication is None:
        parts.append("neither data wait nor communication is logged, so a rank that the others wait for may be hidden")
    return {"kind": "none", "reason": "; ".join(parts)}


def _who(ranks: Sequence[int]) -> str:
    from llmstats.answers import _rank_shapes

    return f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {_rank_shapes.spans(ranks)}"


# --------------------------------------------------------------------------- one row


def _said(
    con: duckdb.DuckDBPyConnection, run: Row, times: RankTimes, layout: Layout, finding: Finding
) -> dict[str, Any]:
    import numpy as np

    from llmstats.answers import _rank_shapes

    everybody = finding.kind == "all ranks"
    ranks = times.ranks[list(finding.ranks)].tolist()
    lost = finding.lost * times.every
    whole = float(np.nansum(np.fmax.reduce(times.total, axis=1))) * times.every
    devices = _devices(run)
    waited = None if devices is None or not times.seconds else max(0.0, finding.lost * devices - finding.busy)
    name = "all" if everybody else _rank_shapes.shape(ranks, layout, finding.by_chance)
    worst_step, worst_rank = finding.worst
    return {
        "kind": finding.kind, "shape": "several ranks" if finding.kind == "scattered" else name,
        "ranks": None if everybody else ranks, "phase": finding.phase,
        "first_step": int(times.steps[finding.steps[0]]), "last_step": int(times.steps[finding.steps[-1]]),
        "steps": len(finding.steps), "episodes": finding.episodes,
        "excess_seconds": lost if times.seconds else None, "share": lost / whole,
        "chip_hours": None if waited is None else waited * times.every / 3600,
        "reason": _reason(con, run, times, layout, finding, name),
        "source": times.place(worst_step, worst_rank) or run["path"],
    }  # fmt: skip


def _reason(
    con: duckdb.DuckDBPyConnection, run: Row, times: RankTimes, layout: Layout, finding: Finding, name: str
) -> str:
    from llmstats.answers import _rank_shapes

    unknown = [] if _devices(run) is not None else [_UNKNOWN.format(_rank_shapes.spans(times.ranks.tolist()))]
    if finding.kind == "all ranks":
        return "; ".join([_TOGETHER[finding.phase], *unknown])
    ranks = times.ranks[list(finding.ranks)].tolist()
    it = "it" if len(ranks) == 1 else "them"
    parts = [_who(ranks) + _PHASES[finding.phase].format(_size(times, finding), it)]
    if finding.kind == "scattered":
        parts = [f"{len(ranks)} ranks took turns in {finding.episodes} stretches; none more often than by chance"]
    elif meaning := _rank_shapes.meaning(name, ranks, layout):
        parts.append(f"they are {meaning}")
    if finding.phase == "compute" and finding.kind != "scattered":
        parts += _loads(con, run, times, finding)
    return "; ".join(parts + unknown)


_UNKNOWN = "how many devices waited is not known: only ranks {} logged (--label device_count=N says it)"
_PHASES = {
    "data": " waited {} longer for data than any other rank, and the others then for {}",
    "compute": " computed {} longer than any other rank",
    "unknown": " took {} longer than any other rank; the log does not tell data wait from computing",
}
_TOGETHER = {
    "data": "all ranks waited for data together: what they share feeds them slowly",
    "communication": "all ranks spent it in communication together",
    "unknown": "all ranks were slow together: computing, the network, or one rank that the others waited for within "
    "their own step; the log does not tell which",
}


def _size(times: RankTimes, finding: Finding) -> str:
    per_step = finding.lost / max(1, len(finding.steps))
    return f"{per_step:.3g} s a step" if times.seconds else f"{per_step:.0%} of a step"


_LOAD = """
SELECT s.metric, s.rank, avg(q.val) FROM series_rows s JOIN (
  SELECT p.series_key, p.val FROM (
    SELECT v.series_key, unnest(b.steps) AS step, unnest(v.vals) AS val, unnest(v.shown) AS shown
    FROM block_values v JOIN blocks b ON b.block_key = v.block_key
    WHERE NOT v.hidden AND b.run_key = $run_key AND b.max_step >= $first AND b.min_step <= $last
      AND v.series_key IN (SELECT x.series_key FROM series_rows x WHERE x.run_key = $run_key AND x.rank IS NOT NULL
        AND x.metric IN ('tokens', 'attention_pack_ratio', 'image_attention_pack_ratio'))
  ) p
  WHERE p.step BETWEEN $first AND $last AND p.shown IS NOT FALSE AND isfinite(p.val)
) q ON q.series_key = s.series_key
GROUP BY s.metric, s.rank
"""
_LOADS = {
    "tokens": "tokens",
    "attention_pack_ratio": "attention work (attention_pack_ratio)",
    "image_attention_pack_ratio": "attention work of images",
}


def _loads(con: duckdb.DuckDBPyConnection, run: Row, times: RankTimes, finding: Finding) -> Iterator[str]:
    """Whether the slow ranks simply had more to do: at their slowest step, in a chronic case also around it."""
    import numpy as np

    step = int(times.steps[finding.worst[0]])
    around = round(200 * times.every) if finding.kind == "chronic" else 0
    reach = {"first": step - around, "last": step + around}
    slow = set(times.ranks[list(finding.ranks)].tolist())
    loads: dict[str, dict[int, float]] = {}
    for metric, rank, value in con.execute(_LOAD, {"run_key": run["run_key"], **reach}).fetchall():
        loads.setdefault(metric, {})[rank] = value
    for metric, by_rank in sorted(loads.items()):
        mine = [v for r, v in by_rank.items() if r in slow]
        others = [v for r, v in by_rank.items() if r not in slow]
        if mine and others and np.median(mine) >= 1.2 * np.median(others) > 0:
            yield f"with {np.median(mine) / np.median(others):.2g} times the {_LOADS[metric]} of the others"
