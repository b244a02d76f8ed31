"""Walking a number back: from a run, metric and step to the file, the line, and the line's text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmstats.errors import LlmstatsError, NotFound

if TYPE_CHECKING:
    import duckdb

_POINTS = """
    SELECT r.run_id, p.phase, p.rank, p.metric, NULL AS statistic, p.step, p.value, s.path, p.line
    FROM points AS p JOIN runs AS r ON r.run_id = p.run_id JOIN sources AS s ON s.source_id = p.source_id
    WHERE p.run_id = $run AND ($metric IS NULL OR p.metric = $metric) AND ($step IS NULL OR p.step = $step)
    ORDER BY p.step, p.phase, p.metric, p.rank NULLS FIRST, s.path, p.line LIMIT $limit
"""
_MEASUREMENTS = """
    SELECT m.run_id, NULL AS phase, NULL AS rank, m.metric, m.statistic, NULL AS step, m.value, s.path, m.line
    FROM measurements AS m JOIN sources AS s ON s.source_id = m.source_id
    WHERE m.run_id = $run AND ($metric IS NULL OR m.metric = $metric)
    ORDER BY m.metric, m.statistic, m.line LIMIT $limit
"""


@dataclass(slots=True)
class Evidence:
    """A value and where it stands; ``text`` is the line as the file holds it now, ``problem`` why it cannot be read."""

    run_id: str
    phase: str | None
    rank: int | None
    metric: str
    statistic: str | None
    step: int | None
    value: float | None
    path: str
    line: int | None
    text: str | None = None
    problem: str | None = None


def find(con: duckdb.DuckDBPyConnection, run: str, metric: str | None, step: int | None, limit: int) -> list[Evidence]:
    """Values of a run with their places.

    Raises:
        NotFound: no such run, or the run has no such metric or step.
    """
    runs = [row[0] for row in con.execute("SELECT run_id FROM runs").fetchall()]
    if run not in runs:
        raise NotFound.among("run", run, runs)
    values = {"run": run, "metric": metric, "limit": limit}
    rows = con.execute(_POINTS, {**values, "step": step}).fetchall()
    if step is None:
        rows = (rows + con.execute(_MEASUREMENTS, values).fetchall())[:limit]
    if not rows:
        _explain(con, run, metric, step)
    return [Evidence(*row) for row in rows]


def _explain(con: duckdb.DuckDBPyConnection, run: str, metric: str | None, step: int | None) -> None:
    metrics = [
        row[0]
        for row in con.execute(
            "SELECT DISTINCT s.metric FROM series AS s WHERE s.run_id = $1"
            " UNION SELECT DISTINCT m.metric FROM measurements AS m WHERE m.run_id = $1",
            [run],
        ).fetchall()
    ]
    if metric is not None and metric not in metrics:
        raise NotFound.among(f"metric in run {run!r}", metric, metrics)
    if step is not None and metrics:
        low, high = con.execute(
            "SELECT min(p.step), max(p.step) FROM points AS p WHERE p.run_id = $1", [run]
        ).fetchall()[0]
        raise NotFound(f"run {run!r} logged nothing at step {step}; its logged steps lie between {low} and {high}")
    raise NotFound(f"run {run!r} holds no values")


def read(places: Iterable[Evidence]) -> list[Evidence]:
    """Fill in the text of each line from the files as they are now."""
    from llmstats.sources import read_lines

    out = list(places)
    cache: dict[tuple[str, int], str] = {}
    for place in out:
        if place.line is None:
            place.problem = "the value has no line of its own"
            continue
        key = (place.path, place.line)
        try:
            if key not in cache:
                found = read_lines(place.path, place.line, place.line)
                cache[key] = found[0] if found else ""
            place.text = cache[key]
        except (LlmstatsError, OSError) as why:
            place.problem = str(why)
    return out
