"""The numbers behind the picture of training speed.  Nothing here draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from llmstats.errors import InputError
from llmstats.plot_data import ask, count, grouped, nothing_to_draw, parameters_of, written
from llmstats.thinning import Floats

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection
    Row = Mapping[str, Any]


#: Windows of the longest run: more than these a picture cannot show.
_WINDOWS = 2_000


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
    text["every"] = given.get("every") or _every(con, text["pick"], int(text["every"]))
    given = {**given, "every": text["every"]}
    windows = ask(con, "throughput_trend", given)
    if int(text["every"]) < 1:
        raise InputError(f"--every {text['every']}: a window has at least one step")
    steady = {row["run_id"]: row for row in ask(con, "throughput", given)}
    dropped = any(row["drops"] for row in steady.values())
    drops = grouped(ask(con, "throughput_drops", given) if dropped else [], "run_id")
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


def _every(con: Connection, pick: str, usual: int) -> str:
    """Steps of a window: the query's own number, fewer where no run fills ten of those, more where one fills too many.

    What a long window averages out is not lost: slow steps are found one by one, see `Speed.drops`.
    """
    sql = "SELECT max(r.last_step - r.first_step + 1) FROM _picked($pick) k JOIN run_rows r ON r.run_key = k.run_key"
    ((steps,),) = con.execute(sql, {"pick": pick}).fetchall()
    if not steps or steps < 10 * usual:
        return str(max(1, steps // 20) if steps else usual)
    return str(usual * max(1, -(-steps // (usual * _WINDOWS))))


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
