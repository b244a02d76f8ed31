"""The numbers behind the pictures of speed, in training and in serving.  Nothing here draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from llmstats.errors import InputError
from llmstats.plot_data import Floats, ask, count, grouped, nothing_to_draw, parameters_of, written

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection
    Row = Mapping[str, Any]


# --------------------------------------------------------------------------- throughput


@dataclass(slots=True)
class Speed:
    """One run: mean speed of windows of steps, and its drops."""

    run_id: str
    first: Floats  #: first and last step of each window
    last: Floats
    speed: Floats  #: in the panel's unit
    median: float
    drops: list[tuple[int, int, float, str]]  #: first step, last step, share of the median, cause


@dataclass(slots=True)
class Panel:
    """The runs of one experiment, in the order of their attempts."""

    experiment: str
    device: str | None
    unit: str
    runs: list[Speed]


@dataclass(slots=True)
class Trends:
    """All that the picture of throughput shows."""

    every: int
    drop: float
    panels: list[Panel]
    footer: list[str]


def trends(con: Connection, given: Mapping[str, str]) -> Trends:
    """What the picture of throughput shows.

    Raises:
        InputError: nothing to draw.
    """
    text = {**parameters_of("throughput_trend", "throughput_drops"), **given}
    windows = ask(con, "throughput_trend", given)
    if int(text["every"]) < 1:
        raise InputError(f"--every {text['every']}: a window has at least one step")
    steady = {row["run_id"]: row for row in ask(con, "throughput", given)}
    drops = grouped(ask(con, "throughput_drops", given), "run_id")
    panels = []
    for experiment, mine in grouped(windows, "experiment").items():
        known = all(w["tokens_per_second_per_device"] is not None for w in mine)
        by_run = [(steady[run], rows) for run, rows in grouped(mine, "run_id").items() if run in steady]
        if by_run:
            device = next((s["device"] for s, _ in by_run if s["device"]), None)
            runs = _in_order(con, [_speed(rows, s, drops.get(s["run_id"], []), known) for s, rows in by_run])
            panels.append(Panel(experiment, device, "token/s per device" if known else "steps/s", runs))
    if not panels:
        raise _no_speed(con, text["pick"])
    return Trends(int(text["every"]), float(text["drop"]), panels, _speed_footer(steady.values(), text))


def _no_speed(con: Connection, pick: str) -> InputError:
    found = con.execute("SELECT 1 FROM _picked($pick) LIMIT 1", {"pick": pick}).fetchall()
    if not found:
        return nothing_to_draw(con, pick, "training")
    return InputError("nothing to draw: the runs asked for log neither token rates nor step times")


def _speed(rows: Sequence[Row], steady: Row, drops: Sequence[Row], known: bool) -> Speed:
    """Where no tokens are known the speed is that of steps."""
    speed = np.array([w["tokens_per_second_per_device"] if known else 1 / w["step_time"] for w in rows], float)
    median = steady["median"] if known and steady["median"] is not None else float(np.median(speed))
    ends = np.array([(w["first_step"], w["last_step"]) for w in rows], float)
    slow = [(d["first_step"], d["last_step"], d["ratio"], d["cause"]) for d in drops]
    return Speed(rows[0]["run_id"], ends[:, 0], ends[:, 1], speed, median, slow)


def _in_order(con: Connection, runs: list[Speed]) -> list[Speed]:
    attempts = dict(con.execute("SELECT r.run_id, r.attempt FROM runs r").fetchall())
    return sorted(runs, key=lambda run: (attempts[run.run_id], run.run_id))


def _speed_footer(steady: Iterable[Row], text: Mapping[str, str]) -> list[str]:
    rows = list(steady)
    definitions = sorted({row["definition"] for row in rows if row["definition"]})
    said = ", ".join(definitions) or "steps over their time (no tokens logged)"
    return [
        f"{sum(row['records'] for row in rows):,} steady records of {count(len(rows), 'run')}; definition: {said}",
        f"the same in numbers: {written('throughput_trend', text)}; {written('throughput_drops', text)}",
    ]


# --------------------------------------------------------------------------- serving


@dataclass(slots=True)
class Sweep:
    """One system in one case, by load; NaN where a value is not known."""

    system: str
    load: list[float]  #: ascending
    speed: list[float]  #: output tokens per second of the whole system
    ttft_p50: list[float]  #: seconds
    ttft_p99: list[float]
    failed: list[float]  #: loads of cells that failed


@dataclass(slots=True)
class Case:
    """One pair of input and output length."""

    name: str
    sweeps: list[Sweep]


@dataclass(slots=True)
class Cells:
    """All that the picture of serving shows."""

    load: str  #: what load is: concurrent requests, or requests per second
    systems: list[str]
    cases: list[Case]
    placeless: list[str]  #: runs, failed ones mostly, that do not say their load
    footer: list[str]


_LOADS = {"concurrency": "concurrent requests", "request_rate": "requests sent per second"}


def cells(con: Connection, given: Mapping[str, str]) -> Cells:
    """What the picture of serving shows.

    Raises:
        InputError: nothing to draw.
    """
    text = {**parameters_of("serving"), **given}
    rows = ask(con, "serving", given)
    if not rows:
        raise _no_cells(con, text)
    return arranged(rows, text)


def arranged(rows: Sequence[Row], text: Mapping[str, str]) -> Cells:
    """Rows of the query ``serving`` as sweeps; see `cells`."""
    load = next((kind for kind in _LOADS if any(_placed(row, kind) and not _failed(row) for row in rows)), None)
    if load is None:
        raise InputError(
            "nothing to draw: no serving run asked for has both an output throughput and a concurrency "
            "(llmstats ingest --label concurrency=8 says it for logs that do not)"
        )
    systems = _systems(rows)
    named = [{**row, "system": system, "case": _case(row)} for row, system in zip(rows, systems, strict=True)]
    placed = [row for row in named if _placed(row, load)]
    cases = [Case(name, [_sweep(*of, load) for of in grouped(mine, "system").items()]) for name, mine in _cases(placed)]
    placeless = [row["run_id"] + (" (failed)" if _failed(row) else "") for row in named if not _placed(row, load)]
    return Cells(_LOADS[load], sorted({row["system"] for row in placed}), cases, placeless, _cells_footer(rows, text))


def _no_cells(con: Connection, text: Mapping[str, str]) -> InputError:
    other = [f"--{name} {text[name]!r}" for name in ("model", "device") if text[name] != "*"]
    if other:
        return InputError(f"nothing to draw: no serving run matches {' and '.join(other)} (llmstats runs lists them)")
    return nothing_to_draw(con, text["pick"], "serving")


def _failed(row: Row) -> bool:
    speed = row["output_tokens_per_second"]
    return row["status"] == "failed" or speed is None or not np.isfinite(speed)


def _placed(row: Row, load: str) -> bool:
    """An infinite request rate (all at once) has no place on an axis."""
    return row[load] is not None and 0 < row[load] < np.inf


def _systems(rows: Sequence[Row]) -> list[str]:
    """Model and device; with the definition where there are several, since those must not be compared unseen.

    A failed cell has no speed and so no definition: it is one of the system's, if that has but one.
    """
    known: dict[str, set[str]] = {}
    for row in rows:
        known.setdefault(_model_and_device(row), set()).update({row["tps_definition"]} - {None})
    if len({row["tps_definition"] for row in rows if not _failed(row)}) < 2:
        return [_model_and_device(row) for row in rows]
    names = []
    for row in rows:
        name = _model_and_device(row)
        own = known[name] if _failed(row) and len(known[name]) == 1 else {row["tps_definition"]}
        names.append(", ".join([name, *filter(None, own)]))
    return names


def _model_and_device(row: Row) -> str:
    devices = f"{row['device_count']} × " if row["device_count"] else ""
    return f"{row['model'] or 'model not known'} on {devices}{row['device'] or 'device not known'}"


def _case(row: Row) -> str:
    sizes = [f"{row[k]:,.0f}" if row[k] is not None else "?" for k in ("input_len", "output_len")]
    return f"{sizes[0]} tokens in, {sizes[1]} out" if sizes != ["?", "?"] else "lengths not known"


def _cases(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Shorter inputs first; those of unknown length last."""
    ordered = sorted(rows, key=lambda r: (r["input_len"] or np.inf, r["output_len"] or np.inf))
    return list(grouped(ordered, "case").items())


def _sweep(system: str, rows: Sequence[Row], load: str) -> Sweep:
    """By load; of repeated measurements of one cell the median."""
    good = sorted(grouped([r for r in rows if not _failed(r)], load).items(), key=lambda of: float(of[0]))
    speed, p50, p99 = (
        [_median([r[k] for r in cell]) for _, cell in good]
        for k in ("output_tokens_per_second", "ttft_p50", "ttft_p99")
    )
    failed = sorted({float(r[load]) for r in rows if _failed(r)})
    return Sweep(system, [float(x) for x, _ in good], speed, p50, p99, failed)


def _median(values: Sequence[float | None]) -> float:
    finite = [v for v in values if v is not None and np.isfinite(v)]
    return float(np.median(finite)) if finite else float("nan")


def _cells_footer(rows: Sequence[Row], text: Mapping[str, str]) -> list[str]:
    failed = sum(_failed(row) for row in rows)
    definitions = sorted({row[k] for row in rows for k in ("tps_definition", "ttft_definition") if row[k]})
    said = ", ".join(definitions) or "not stated"
    return [
        f"{count(len(rows), 'run')}, {failed:,} failed or without throughput; definitions: {said}",
        f"the same in numbers: {written('serving', text)}",
    ]
