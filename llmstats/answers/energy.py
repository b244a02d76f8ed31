"""How much energy did each token take, where power was recorded?

Energy is the integral of power over the time of the run (trapezoid rule, per device), of all devices (`scope` devices,
as their own tool reads them) or of whole servers at the plug (`scope` system); the two do not compare.
`joules_per_token` is energy over tokens, `tokens_per_second_per_watt` its reciprocal.  Tokens are those of
`throughput_definition`: of a training log those of its steady stretch (see `throughput`), whose time is then also that
of the energy, pauses included; of a serving benchmark all of the measured interval.

A monitor and the run that it watched are often two runs.  They are linked only by what the data say, and `linked_by`
says how: `same run`, `label job` (both carry one label `job`: `--label job=NAME`), or `directory and time` (files in
one directory whose times overlap, and no other run there at that time).

A number that does not hold is withheld, and `reason` says why: samples that are missing (`max_gap`), too few, or at 0 W
or below in the time of the run; devices that were not monitored, or more than the run used (`devices_expected` against
`devices_seen`); a time of the run that nobody stated (`time_of` says what `started` and `ended` are of).  Nothing is
filled in.  Samples that are no number are left out and counted (`left_out`).  `share_of_tdp` is the mean power over the
catalogued board power of the devices.
Monitors that no run is linked to come last.

parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
parameter: max_gap DOUBLE = 3.0 -- sampling intervals (their median) that neighbouring samples may lie apart at most
parameter: scope VARCHAR = '*' -- devices or system; * is both
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from llmstats.answers._checks import one_of
from llmstats.errors import QueryError
from llmstats.query import Answer, fetched

if TYPE_CHECKING:
    import duckdb

    from llmstats.answers._monitors import Integral, Meter, Record

COLUMNS = (
    "run_id", "kind", "model", "device", "scope", "joules_per_token", "tokens_per_second_per_watt", "power", "energy",
    "tokens", "seconds", "devices_expected", "devices_seen", "share_of_tdp", "reason", "linked_by", "monitor",
    "samples", "left_out", "interval", "largest_gap", "started", "ended", "time_of", "throughput_definition",
    "power_definition", "definition", "source",
)  # fmt: skip
SCOPES = ("devices", "system")
_LINKS = ("same run", "label job", "directory and time")
_METER = "power@meter_sum_of_channels"


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which the tokens were made (seconds since 1970), and how much of it the speed is over."""

    start: float
    end: float
    busy: float
    of: str


@dataclass(slots=True)
class Target:
    """A run whose tokens are known: tokens per second of the system, over which time, on how many devices."""

    run_key: int
    run_id: str
    kind: str
    model: str | None
    device: str | None
    job: str | None
    devices: int | None
    nodes: int | None
    tdp: float | None
    speed: float
    definition: str | None
    window: Window | None
    why: str | None
    folders: list[str]

    def overlaps(self, start: float, end: float) -> bool:
        """Whether the time of the run, as far as it is known, meets an interval."""
        return self.window is not None and self.window.start < end and start < self.window.end


@dataclass(slots=True)
class Link:
    """A run and the meters that watched it."""

    target: Target
    scope: str
    how: str
    meters: list[Meter] = field(default_factory=list)


def answer(con: duckdb.DuckDBPyConnection, pick: str, max_gap: float, scope: str) -> Answer:
    """Rows as the module says.

    Raises:
        QueryError: ``scope`` or ``max_gap`` is none.
    """
    from llmstats.answers import _monitors

    one_of("scope", scope, (*SCOPES, "*"))
    if not max_gap >= 1:
        raise QueryError(f"--max-gap {max_gap:g}: at least one interval is needed")
    targets = _targets(con, pick)
    picked = {row[0] for row in con.execute("SELECT k.run_key FROM _picked(?) k", [pick]).fetchall()}
    meters = [m for m in _monitors.meters(con) if scope in (m.scope, "*") and _concerns(m, targets, picked)]
    records = {m.series: _monitors.record(con, m) for m in meters}
    links = [link for target in targets for link in _links(target, targets, meters, records)]
    linked = {m.series for link in links for m in link.meters}
    rows = [_row(link, records, max_gap) for link in links]
    rows.extend(_alone([m for m in meters if m.series not in linked and m.run_key in picked], records))
    return Answer.of(COLUMNS, rows)


def _concerns(meter: Meter, targets: Sequence[Target], picked: set[int]) -> bool:
    """Whether a meter may have watched one of the runs, or is asked for itself."""
    return meter.run_key in picked or any(
        meter.folder in t.folders or (meter.job is not None and meter.job == t.job) for t in targets
    )


# --------------------------------------------------------------------------- the runs


_TARGETS = """
    WITH speed AS MATERIALIZED (FROM _token_speed($pick)),
    steady AS MATERIALIZED (
      SELECT r.run_key, t.first_step, t.last_step, t.clock_gap
      FROM throughput(pick := $pick) t JOIN run_rows r ON r.run_id = t.run_id
    ),
    ticks AS (
      SELECT p.run_key, max(p.time) FILTER (p.step = p.first_step) AS first,
        max(p.time) FILTER (p.step = p.last_step) AS last
      FROM (
        SELECT t.run_key, t.first_step, t.last_step, unnest(b.steps) AS step,
          unnest(coalesce(b.clock, b.joined)) AS time
        FROM steady t JOIN blocks b ON b.run_key = t.run_key AND b.phase = 'train'
          AND (t.first_step BETWEEN b.min_step AND b.max_step OR t.last_step BETWEEN b.min_step AND b.max_step)
      ) p
      GROUP BY p.run_key
    ),
    duration AS (
      SELECT m.run_key, max(m.value) AS seconds FROM measurement_rows m
      WHERE m.metric = 'benchmark_duration' AND m.hidden IS NOT TRUE AND isfinite(m.value)
      GROUP BY m.run_key
    ),
    folder AS (
      SELECT f.run_key, list(DISTINCT parse_dirpath(w.path)) AS folders
      FROM run_facts f JOIN source_rows w ON w.source_key = f.source_key
      GROUP BY f.run_key
    )
    SELECT s.run_key, s.run_id, s.kind, r.model, r.device, r.labels->>'job' AS job, r.device_count, r.node_count,
      d.tdp, s.speed, s.is_per_device, s.definition, epoch(r.started_at) AS started, epoch(r.ended_at) AS ended,
      u.seconds, epoch(k.first) AS first, epoch(k.last) AS last, t.clock_gap, s.devices,
      coalesce(f.folders, []) AS folders
    FROM speed s
      JOIN run_rows r ON r.run_key = s.run_key
      JOIN _run_device() d ON d.run_key = s.run_key
      LEFT JOIN steady t ON t.run_key = s.run_key
      LEFT JOIN ticks k ON k.run_key = s.run_key
      LEFT JOIN duration u ON u.run_key = s.run_key
      LEFT JOIN folder f ON f.run_key = s.run_key
    WHERE s.speed > 0
    ORDER BY s.run_id, s.input_len, s.output_len, s.concurrency
"""


def _targets(con: duckdb.DuckDBPyConnection, pick: str) -> list[Target]:
    return [_target(row) for row in fetched(con, _TARGETS, {"pick": pick})]


def _target(row: dict[str, Any]) -> Target:
    window, why = _window(row)
    devices = row["devices"] or row["device_count"]
    if row["is_per_device"] and not devices:
        why = why or "the number of devices of the run is unknown"
    speed = row["speed"] * (devices or 1) if row["is_per_device"] else row["speed"]
    return Target(
        row["run_key"], row["run_id"], row["kind"], row["model"], row["device"], row["job"], devices,
        row["node_count"], row["tdp"], speed, row["definition"], window, why, row["folders"],
    )  # fmt: skip


def _window(row: dict[str, Any]) -> tuple[Window | None, str | None]:
    """When the tokens were made; the second is why that does not hold."""
    if row["first"] is not None and row["last"] is not None and row["last"] > row["first"]:
        busy = (row["last"] - row["first"]) / (1 + (row["clock_gap"] or 0))
        return Window(row["first"], row["last"], busy, "steady steps"), None
    start, end, seconds = row["started"], row["ended"], row["seconds"]
    if seconds and start is not None and end is None:
        end = start + seconds
    elif seconds and end is not None and start is None:
        start = end - seconds
    if start is None or end is None or end <= start:
        return None, "the run does not state from when to when it ran"
    window = Window(start, end, end - start, "start and end of the run")
    if seconds and abs(end - start - seconds) > 0.05 * seconds:
        return window, f"the run took {end - start:.0f} s by its clock, its benchmark {seconds:.0f} s"
    return window, None


# --------------------------------------------------------------------------- linking


def _links(
    target: Target, targets: Sequence[Target], meters: Sequence[Meter], records: dict[int, Record]
) -> Iterator[Link]:
    for scope in SCOPES:
        of_scope = [m for m in meters if m.scope == scope and len(records[m.series].times)]
        for how in _LINKS:
            found = [m for m in of_scope if _linked(target, m, records[m.series], how)]
            if found:
                if how != "same run" and (other := _rival(target, targets, how)):
                    target.why = f"{other.run_id} ran at the same time, and which of them was monitored is not said"
                yield Link(target, scope, how, found)
                break


def _linked(target: Target, meter: Meter, record: Record, how: str) -> bool:
    if how == "same run":
        return meter.run_key == target.run_key
    if not target.overlaps(float(record.times[0]), float(record.times[-1])):
        return False
    if how == "label job":
        return target.job is not None and target.job == meter.job
    return meter.folder in target.folders


def _rival(target: Target, targets: Sequence[Target], how: str) -> Target | None:
    """Another run that the same monitor may have watched at the same time."""
    if target.window is None:
        return None
    for other in targets:
        together = other.job == target.job if how == "label job" else set(other.folders) & set(target.folders)
        if other.run_key != target.run_key and together and other.overlaps(target.window.start, target.window.end):
            return other
    return None


# --------------------------------------------------------------------------- rows


def _row(link: Link, records: dict[int, Record], max_gap: float) -> dict[str, Any]:
    from llmstats.answers import _monitors

    target, meters = link.target, link.meters
    window, why = _of_meter(link, records) or (target.window, target.why)
    row = _facts(link.scope, meters, records) | {
        "run_id": target.run_id, "kind": target.kind, "model": target.model, "device": target.device,
        "linked_by": link.how, "throughput_definition": target.definition,
        "devices_expected": target.devices if link.scope == "devices" else target.nodes,
        "source": f"{meters[0].path}:{records[meters[0].series].line}",
    }  # fmt: skip
    if window is None:
        return row | {"reason": why}
    row |= {"started": _time(window.start), "ended": _time(window.end), "time_of": window.of}
    if why:
        return row | {"reason": why}
    parts = [_monitors.integrate(records[m.series], window.start, window.end, max_gap) for m in meters]
    row |= {"samples": sum(p.samples for p in parts), "largest_gap": max(p.largest_gap for p in parts)}
    reason = _problem(meters, parts) or _mismatch(link)
    return row | ({"reason": reason} if reason else _numbers(link, window, parts))


def _of_meter(link: Link, records: dict[int, Record]) -> tuple[Window, None] | None:
    """The meter's own record, where its protocol has it record the measured run and nothing else (MLPerf power)."""
    if link.how != "same run" or {m.definition for m in link.meters} != {_METER}:
        return None
    times = [records[m.series].times for m in link.meters]
    start, end = max(float(t[0]) for t in times), min(float(t[-1]) for t in times)
    return (Window(start, end, end - start, "record of the meter"), None) if end > start else None


def _facts(scope: str, meters: Sequence[Meter], records: dict[int, Record]) -> dict[str, Any]:
    return {
        "scope": scope,
        "devices_seen": len({m.device for m in meters}),
        "monitor": ", ".join(dict.fromkeys(m.run_id for m in meters)),
        "left_out": sum(records[m.series].left_out for m in meters),
        "interval": max(records[m.series].interval for m in meters),
        "power_definition": ", ".join(sorted({m.definition or "unstated" for m in meters})),
        "definition": "energy@trapezoid",
    }


def _problem(meters: Sequence[Meter], parts: Sequence[Integral]) -> str | None:
    """The first device whose integral does not hold."""
    for meter, part in zip(meters, parts, strict=True):
        if part.problem:
            name = "server" if meter.index is None else f"device {meter.index}"
            return f"{name}{'' if meter.rank is None else f' of node {meter.rank}'}: {part.problem}"
    return None


def _mismatch(link: Link) -> str | None:
    """Why the meters are not those of all devices of the run and of no others."""
    if link.scope == "system":
        return None
    seen, expected = len({m.device for m in link.meters}), link.target.devices
    if expected is None:
        return f"the number of devices of the run is unknown; {seen} were monitored"
    if seen < expected:
        return f"{seen} of the {expected} devices of the run were monitored"
    if seen > expected:
        return f"{seen} devices were monitored, the run used {expected}, and which is not said"
    return None


def _numbers(link: Link, window: Window, parts: Sequence[Integral]) -> dict[str, Any]:
    target, elapsed = link.target, window.end - window.start
    power = sum(p.energy / (p.end - p.start) for p in parts)
    tokens = target.speed * window.busy
    full = target.tdp * len(parts) if target.tdp and link.scope == "devices" else None
    return {
        "power": power,
        "energy": power * elapsed,
        "tokens": tokens,
        "seconds": elapsed,
        "joules_per_token": power * elapsed / tokens,
        "tokens_per_second_per_watt": tokens / elapsed / power,
        "share_of_tdp": power / full if full else None,
    }


def _alone(meters: Sequence[Meter], records: dict[int, Record]) -> Iterator[dict[str, Any]]:
    """Monitors that watched nobody knows what."""
    for (run, scope), group in groupby(
        sorted(meters, key=lambda m: (m.run_id, m.scope)), lambda m: (m.run_id, m.scope)
    ):
        own = list(group)
        timed = [records[m.series] for m in own if len(records[m.series].times)]
        why = "no run with tokens per second is linked to this monitor" if timed else "its samples have no time"
        yield _facts(scope, own, records) | {
            "run_id": run,
            "samples": sum(len(r.times) for r in timed),
            "started": _time(min((float(r.times[0]) for r in timed), default=None)),
            "ended": _time(max((float(r.times[-1]) for r in timed), default=None)),
            "reason": why,
            "source": f"{own[0].path}:{records[own[0].series].line}",
        }


def _time(seconds: float | None) -> Any:
    from datetime import UTC, datetime

    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
