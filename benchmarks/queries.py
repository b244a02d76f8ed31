"""How fast the named queries answer over many points.

    python benchmarks/queries.py [--runs 1000] [--steps 100000] [--store FILE] [QUERY …]

Writes trainings of XTuner's five metrics through the store's own door (no parsing) and a thousand serving cells, then
times named queries, each in a process of its own: warm (the second of two askings counts) for everything and for one
experiment, with the peak memory of the process.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llmstats.query import run as ask
from llmstats.questions import list_queries
from llmstats.records import Measurement, Run
from llmstats.store import Store
from llmstats.store_types import REPLACE, CanonicalPoints, Delta, SeriesColumn
from measure import machine, measure, table

CELLS = 1_000
BATCH = 5  #: trainings per commit
START = 1_739_070_900_000_000  #: 2025-02-09 03:15:00 in microseconds
QUERIES = ("convergence", "throughput", "throughput_drops", "throughput_trend", "run_list", "serving", "inference")
#: metric, raw name, unit, definition, decimals
METRICS = (
    ("learning_rate", "lr", None, None, "4e"),
    ("step_time", "time", "s", "step_time@incl_data", "4"),
    ("data_time", "data_time", "s", None, "4"),
    ("loss", "loss", None, None, "4"),
    ("tokens_per_second_per_device", "tokens_per_sec", "token/s/device", "tgs@micro_step", "4"),
)


def training(k: int, steps: int) -> Delta:
    """Run ``k``: ``steps`` lines of five metrics; every fourth one never converges."""
    rng = np.random.default_rng(k)
    step = np.arange(1, steps + 1)
    seconds = np.round(16.2 + rng.normal(0, 0.2, steps), 4)
    floor = 0.0008 if k % 4 else 0.02
    values: list[npt.NDArray[np.float64]] = [
        2e-6 + 0.9e-5 * (1 + np.cos(np.pi * step / steps)),
        seconds,
        np.abs(rng.normal(0.044, 0.01, steps)).round(4),
        np.round(floor + 2 * np.exp(-step / 2000) + np.abs(rng.normal(0, 0.0005, steps)), 4),
        np.round(16_384 / seconds, 4),
    ]
    name = f"model_{k:04d}/20250209_0315{k % 60:02d}"
    root = f"/bench/{name}"
    clock = START + (np.cumsum(seconds) * 1e6).astype(np.int64)
    series = [SeriesColumn(*meaning, value) for meaning, value in zip(METRICS, values, strict=True)]
    run = Run(name, root, kind="training", experiment=f"model_{k:04d}", framework="xtuner", device_count=8)
    points = CanonicalPoints(name, "train", step + 18, series, steps=step, times=clock)
    return Delta(f"{root}.log", REPLACE, None, _columns("mmengine_log", steps), [run, points])


def serving(k: int) -> Delta:
    """One cell of a sweep over lengths and concurrency."""
    name, load = f"sweep/cell_{k:04d}", 2.0 ** (k % 10)
    figures = [
        ("output_tokens_per_second", "value", 40 * load, "token/s"),
        ("ttft", "p50", 0.1 + load / 1e3, "s"),
    ]
    figures += [
        ("ttft", "p99", 0.3 + load / 1e2, "s"),
        ("tpot", "mean", 0.02, "s"),
        ("e2e_latency", "mean", 2.6, "s"),
    ]
    items = [
        Measurement(name, metric, value, statistic, unit=unit, input_len=256.0, output_len=128.0, concurrency=load)
        for metric, statistic, value, unit in figures
    ]
    run = Run(name, f"/bench/{name}.json", kind="serving", model="model", device_count=8)
    return Delta(f"/bench/{name}.json", REPLACE, None, _columns("llm_profile_json", 1), [run, *items])


def _columns(form: str, lines: int) -> dict[str, object]:
    return {
        "format": form,
        "status": "parsed",
        "lines_total": lines,
        "lines_matched": lines,
        "lines_suspect": 0,
    }


def write(path: Path, runs: int, steps: int) -> None:
    """A store of ``runs`` trainings of ``steps`` steps."""
    store = Store(str(path))
    store.create_or_migrate()
    started = time.perf_counter()
    for first in range(0, runs, BATCH):
        store.commit([training(k, steps) for k in range(first, min(first + BATCH, runs))])
    store.commit([serving(k) for k in range(CELLS)])
    seconds = time.perf_counter() - started
    print(f"wrote {path.stat().st_size / 1e6:,.0f} MB in {seconds:.0f} s", file=sys.stderr)


def warm(path: Path, name: str, pick: str) -> float:
    """Seconds of the second of two askings."""
    given = {"pick": pick} if pick else {}
    with Store(str(path)).reading() as con:
        ask(con, name, given)
        started = time.perf_counter()
        ask(con, name, given)
        return time.perf_counter() - started


def times(path: Path, names: Sequence[str]) -> Iterator[list[str]]:
    """Name, seconds for everything and for one experiment, and peak memory, of each query."""
    known = {q.name: q for q in list_queries()}
    for name in names:
        asked: list[str | Path] = [sys.executable, __file__, "--store", path, "--time", name]
        whole = measure(asked)
        picks = any(p.name == "pick" for p in known[name].parameters)
        one = f"{float(measure([*asked, '--pick', 'model_0003']).output):.2f}" if picks else ""
        yield [f"`{name}`", f"{float(whole.output):.2f}", one, f"{whole.peak_bytes / 1e6:,.0f}"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how fast the named queries answer.")
    parser.add_argument("queries", nargs="*", metavar="QUERY", help=f"default: {' '.join(QUERIES)}")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--store", type=Path, help="keep the store here, and use it if it is there already")
    parser.add_argument("--time", metavar="QUERY", help=argparse.SUPPRESS)
    parser.add_argument("--pick", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.time:
        print(warm(arguments.store, arguments.time, arguments.pick))
        return
    os.makedirs("build", exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir="build") as scratch:
        path = arguments.store or Path(scratch) / "points.duckdb"
        if not path.exists():
            write(path, arguments.runs, arguments.steps)
        rows = list(times(path, arguments.queries or QUERIES))
    points = arguments.runs * arguments.steps * len(METRICS)
    print(f"{machine()}.\n\n**{arguments.runs:,} runs x {arguments.steps:,} steps, {points:,} points, warm**\n")
    print(table(["query", "all, seconds", "one experiment, seconds", "peak MB"], rows))


if __name__ == "__main__":
    main()
