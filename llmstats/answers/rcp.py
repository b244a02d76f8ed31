"""Did MLPerf trainings converge as the reference does, no faster and no slower?

MLPerf's reference convergence points say how many samples (or epochs) some ten reference trainings needed at each
global batch size. Ingest the files `rcps_{benchmark}.json` of the round, and the result logs. One row per benchmark
of a system: its results are taken together, and held against the point of their batch size, or against the straight
line between the two points around it (`interpolated`); nothing is extrapolated.

Student's t test with the pooled spread of both, one-sided on either side at `alpha`: `too fast`, `too slow`, else
`as the reference`. One result alone is tested with the spread of the reference. MLPerf itself tests only whether a
submission is too fast: `official_minimum` is the smallest mean that its rule accepts (means without the best and the
worst, the reference's spread for both, alpha 0.05) for the number of results that the benchmark asks for, and
`official` what it comes to here, `cannot tell` with another number of results.

`cannot tell`: no point for that batch size, points of several rounds (choose with `reference`), or batch sizes that
differ within a system; or a single result that differs by less than one interval between evaluations, for no finer
does a log tell when it converged. `not converged`: two or more results did not reach the target, or the only one; one
is left out (`not_converged` counts them).

parameter: alpha DOUBLE = 0.05 -- level of the test on each side
parameter: reference VARCHAR = '*' -- reference points to use, or a pattern with *
parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmstats.errors import QueryError
from llmstats.query import Answer

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

#: Results that a submission has, after the rules; 10 where not named.  Means leave out as many at each end: 1, here 4.
SUBMITTED = {
    "gpt3": 3, "llama31_405b": 3, "deepseekv3_671b": 3, "qwen35_397b_grpo": 3, "maskrcnn": 5, "resnet": 5, "ssd": 5,
    "retinanet": 5, "unet3d": 40,
}  # fmt: skip
_ENDS = {"unet3d": 4}
#: Samples that the rules allow below the minimum, from round 5.0 on.
_ALLOWED = {"llama31_405b": 46_080}

COLUMNS = (
    "system", "benchmark", "batch_size", "verdict", "reason", "mean", "reference_mean", "ratio", "unit", "n",
    "reference_n", "p_faster", "p_slower", "not_converged", "interpolated", "official", "official_minimum",
    "olympic_mean", "reference", "run_id", "source", "reference_source",
)  # fmt: skip


@dataclass(slots=True)
class Point:
    """Reference trainings at one batch size."""

    name: str
    batch: float
    metric: str
    values: list[float]
    source: str


@dataclass(slots=True)
class System:
    """The results of one benchmark on one system."""

    name: str
    benchmark: str
    batches: set[float | None] = field(default_factory=set)
    samples: list[tuple[float, float] | None] = field(default_factory=list)  #: to converge, and since the one before
    epochs: list[tuple[float, float] | None] = field(default_factory=list)
    failed: int = 0
    run_id: str = ""
    source: str = ""

    @property
    def runs(self) -> int:
        return len(self.samples) + self.failed


def answer(con: Connection, alpha: float, reference: str, pick: str) -> Answer:
    """See the module."""
    if not 0 < alpha < 0.5:
        raise QueryError(f"--alpha {alpha}: a number between 0 and 0.5 is needed")
    points = _points(con, reference)
    rows = [_row(system, points.get(system.benchmark, []), alpha) for system in _systems(con, pick)]
    return Answer.of(COLUMNS, rows)


# --------------------------------------------------------------------------- asking


_POINTS = """
SELECT r.model, r.run_id, try_cast(r.config->>'global_batch_size' AS DOUBLE), m.metric,
  list(m.value ORDER BY try_cast(m.conditions->>'repeat' AS INTEGER)), any_value(w.path || ':' || m.line)
FROM run_rows r
  JOIN _picked($1) k ON k.run_key = r.run_key
  JOIN measurement_rows m ON m.run_key = r.run_key
  JOIN source_rows w ON w.source_key = m.source_key
WHERE m.metric IN ('samples_to_converge', 'epochs_to_converge') AND (r.environment->>'mlperf_reference') = 'true'
GROUP BY ALL ORDER BY 1, 3, 2
"""

# The last evaluation before the run stopped: MLPerf's logs count samples, or epochs (kept as steps of a batch).
_RUNS = """
SELECT r.run_id, r.model, r.status, try_cast(r.config->>'global_batch_size' AS DOUBLE),
  try_cast(r.config->>'train_samples' AS DOUBLE), v.samples, v.steps, w.path || coalesce(':' || v.line, '')
FROM run_rows r
  JOIN _picked($1) k ON k.run_key = r.run_key
  JOIN (
    SELECT p.run_id, any_value(p.source_id) AS source_id, max(p.line) AS line, list(DISTINCT p.step) AS steps,
      list(DISTINCT p.value) FILTER (p.metric = 'samples') AS samples
    FROM points p WHERE p.phase = 'val' GROUP BY p.run_id
  ) v ON v.run_id = r.run_id
  JOIN source_rows w ON w.source_key = v.source_id
WHERE (r.config->>'submission_benchmark') IS NOT NULL AND w.format = 'mlperf_training_log'
ORDER BY r.run_id
"""


def _points(con: Connection, reference: str) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for benchmark, name, batch, metric, values, source in con.execute(_POINTS, [reference]).fetchall():
        found.setdefault(benchmark, []).append(Point(name, batch, metric, values, source))
    return found


def _systems(con: Connection, pick: str) -> list[System]:
    found: dict[tuple[str, str], System] = {}
    for run_id, benchmark, status, batch, size, samples, steps, source in con.execute(_RUNS, [pick]).fetchall():
        name = run_id.rpartition("/")[0] or run_id
        system = found.setdefault((name, benchmark), System(name, benchmark, run_id=run_id, source=source))
        system.batches.add(batch)
        if status != "completed":
            system.failed += 1
            continue
        system.samples.append(_last(samples, 1.0))
        system.epochs.append(_last(steps, batch / size) if batch and size else None)
    return [found[key] for key in sorted(found)]


def _last(values: Sequence[float | None] | None, factor: float) -> tuple[float, float] | None:
    """The largest value, as the rules round epochs, and how far the one before lies below it."""
    known = sorted(v * factor for v in values or () if v is not None)
    if not known:
        return None
    last = round(known[-1], 3)
    return last, last - (known[-2] if len(known) > 1 else 0.0)


# --------------------------------------------------------------------------- testing


def _row(system: System, points: Sequence[Point], alpha: float) -> dict[str, Any]:
    batch = next(iter(system.batches)) if len(system.batches) == 1 else None
    row: dict[str, Any] = {
        "system": system.name, "benchmark": system.benchmark, "batch_size": batch, "verdict": "cannot tell",
        "n": len(system.samples), "not_converged": system.failed, "run_id": system.run_id, "source": system.source,
    }  # fmt: skip
    around, why = _around(points, batch) if batch is not None else ([], "batch sizes differ or are not logged")
    if system.failed > 1 or not system.samples:
        return row | {"verdict": "not converged", "reason": f"{system.failed} of {system.runs} results"}
    if not around:
        return row | {"reason": why}
    in_samples = around[0].metric == "samples_to_converge"
    logged = [v for v in (system.samples if in_samples else system.epochs) if v is not None]
    values = [value for value, _ in logged]
    row |= {"unit": "sample" if in_samples else "epoch", "interpolated": len(around) > 1,
            "reference": ", ".join(p.name for p in around), "reference_source": around[0].source}  # fmt: skip
    if len(values) < len(system.samples):
        return row | {"reason": f"{row['unit']}s to converge are not logged"}
    row |= _tested(values, around, batch or 0.0, alpha)
    if (
        len(logged) == 1
        and row["verdict"] in ("too fast", "too slow")
        and abs(row["mean"] - row["reference_mean"]) < (apart := logged[0][1])
    ):
        row |= {"verdict": "cannot tell", "reason": f"{row['reason']}; evaluated only every {apart:.6g}"}
    return row | _official(system, values, around, batch or 0.0)


def _around(points: Sequence[Point], batch: float) -> tuple[list[Point], str]:
    """The point of a batch size, or the two around it; else why there is none."""
    if not points:
        return [], "no reference points of this benchmark are ingested (rcps_{benchmark}.json)"
    sizes = [p.batch for p in points]
    if len(set(sizes)) < len(sizes):
        return [], "reference points of several rounds: choose with --reference"
    if exact := [p for p in points if p.batch == batch]:
        return exact, ""
    below, above = [p for p in points if p.batch < batch], [p for p in points if p.batch > batch]
    if below and above:
        return [max(below, key=lambda p: p.batch), min(above, key=lambda p: p.batch)], ""
    return [], f"no reference point at batch size {batch:g}; there are {min(sizes):g} to {max(sizes):g}"


def _between(around: Sequence[Point], batch: float, of: Any) -> float:
    """A figure of the point, or on the straight line between two."""
    if len(around) == 1:
        return float(of(around[0]))
    low, high = around
    share = (batch - low.batch) / (high.batch - low.batch)
    return float(of(low) + share * (of(high) - of(low)))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _squares(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.fsum((v - mean) ** 2 for v in values)


def _tested(values: Sequence[float], around: Sequence[Point], batch: float, alpha: float) -> dict[str, Any]:
    from scipy.special import stdtr

    n, m = min(len(p.values) for p in around), len(values)
    mean, theirs = _mean(values), _between(around, batch, lambda p: _mean(p.values))
    spread = _between(around, batch, lambda p: math.sqrt(_squares(p.values) / max(1, len(p.values) - 1)))
    row = {"mean": mean, "reference_mean": theirs, "ratio": mean / theirs, "reference_n": n}
    freedom = n + m - 2
    pooled = (spread**2 * (n - 1) + _squares(values)) / freedom if n > 1 else 0.0
    if n < 2 or pooled == 0:
        return row | {"reason": "the reference has no spread to test with"}
    t = (mean - theirs) / math.sqrt(pooled * (1 / n + 1 / m))
    faster, slower = float(stdtr(freedom, t)), float(stdtr(freedom, -t))
    verdict = "too fast" if faster <= alpha else "too slow" if slower <= alpha else "as the reference"
    many = f"mean of {m}" if m > 1 else "one result"
    reason = f"{many} is {mean / theirs - 1:+.1%} of the reference's {theirs:.6g}, p {min(faster, slower):.2g}"
    return row | {"p_faster": faster, "p_slower": slower, "verdict": verdict, "reason": reason}


def _official(system: System, values: Sequence[float], around: Sequence[Point], batch: float) -> dict[str, Any]:
    """What the rule of MLPerf's own checker comes to, all points counted."""
    from scipy.special import stdtrit

    ends, asked = _ENDS.get(system.benchmark, 1), SUBMITTED.get(system.benchmark, 10)
    n = min(len(p.values) for p in around) - 2 * ends
    m = asked - 2
    if n < 1 or m < 1 or n + m < 3:
        return {}
    theirs = _between(around, batch, lambda p: _olympic(p.values, ends))
    spread = _between(around, batch, lambda p: math.sqrt(_squares(p.values) / len(p.values)))
    least = theirs - float(stdtrit(n + m - 2, 0.95)) * spread * math.sqrt(1 / n + 1 / m)
    least -= _ALLOWED.get(system.benchmark, 0)
    told = {"official_minimum": least, "official": f"cannot tell: {system.runs} of {asked} results"}
    if system.runs != asked or len(values) <= 2 * ends:
        return told
    mine = _olympic([*values, *[math.inf] * system.failed], ends)
    return told | {"olympic_mean": mine, "official": "accepted" if mine >= least else "too fast"}


def _olympic(values: Sequence[float], ends: int) -> float:
    """Mean without the best and the worst."""
    return _mean(sorted(values)[ends : len(values) - ends])
