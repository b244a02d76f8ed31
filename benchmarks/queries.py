"""How fast the named queries answer over many points.

    python benchmarks/queries.py [--points 100000000] [--store FILE]

Writes trainings of XTuner's eight metrics through the store's own door (no parsing) and a thousand serving
cells, then times every named query warm: once for everything, and once for one experiment.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from llmstats.query import run as ask
from llmstats.questions import Question, list_queries
from llmstats.records import Measurement, Run
from llmstats.store import Store
from llmstats.store_types import REPLACE, CanonicalPoints, Delta, SeriesColumn
from measure import machine, table

RUNS, CELLS = 100, 1_000
BATCH = 5  #: trainings per commit
START = 1_739_070_900_000_000  #: 2025-02-09 03:15:00 in microseconds
#: metric, raw name, unit, definition, decimals
METRICS = (
    ("learning_rate", "lr", None, None, "4e"),
    ("eta", "eta", "s", None, "0"),
    ("step_time", "time", "s", "step_time@incl_data", "4"),
    ("data_time", "data_time", "s", None, "4"),
    ("memory_allocated_peak", "memory", "bytes", None, "0"),
    ("loss", "loss", None, None, "4"),
    ("tflops_per_device", "tflops", "TFLOP/s/device", "tflops@xtuner_hook", "4"),
    ("tokens_per_second_per_device", "tokens_per_sec", "token/s/device", "tgs@micro_step", "4"),
)


def training(k: int, steps: int) -> Delta:
    """Run ``k``: ``steps`` lines of eight metrics; every fourth one never converges."""
    rng = np.random.default_rng(k)
    step = np.arange(1, steps + 1)
    seconds = np.round(16.2 + rng.normal(0, 0.2, steps), 4)
    floor = 0.0008 if k % 4 else 0.02
    values = (
        2e-6 + 0.9e-5 * (1 + np.cos(np.pi * step / steps)),
        (steps - step) * 16.2,
        seconds,
        np.round(np.abs(rng.normal(0.044, 0.01, steps)), 4),
        np.full(steps, 54_047.0) * 2**20,
        np.round(floor + 2 * np.exp(-step / 2000) + np.abs(rng.normal(0, 0.0005, steps)), 4),
        np.round(555.46 / seconds, 4),
        np.round(16_384 / seconds, 4),
    )
    name = f"model_{k:03d}/20250209_0315{k % 60:02d}"
    root = f"/bench/model_{k:03d}/20250209_0315{k % 60:02d}"
    clock = START + (np.cumsum(seconds) * 1e6).astype(np.int64)
    series = [SeriesColumn(*meaning, value) for meaning, value in zip(METRICS, values, strict=True)]
    run = Run(name, root, kind="training", experiment=f"model_{k:03d}", framework="xtuner", device_count=8)
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


def write(path: Path, points: int) -> None:
    """A store of about ``points`` points in `RUNS` trainings."""
    store = Store(str(path))
    store.create_or_migrate()
    started = time.perf_counter()
    steps = points // len(METRICS) // RUNS
    for first in range(0, RUNS, BATCH):
        store.commit([training(k, steps) for k in range(first, min(first + BATCH, RUNS))])
    store.commit([serving(k) for k in range(CELLS)])
    seconds = time.perf_counter() - started
    print(f"wrote {path.stat().st_size / 1e6:,.0f} MB in {seconds:.0f} s", file=sys.stderr)


def times(path: Path) -> Iterator[list[str]]:
    """Name, seconds for everything and for one experiment, of each named query; the second of two counts."""
    with Store(str(path)).reading() as con:

        def warm(query: Question, **parameters: str) -> str:
            ask(con, query.name, parameters)
            started = time.perf_counter()
            ask(con, query.name, parameters)
            return f"{time.perf_counter() - started:.2f}"

        for query in list_queries():
            one = any(p.name == "pick" for p in query.parameters)
            yield [f"`{query.name}`", warm(query), warm(query, pick="model_042") if one else ""]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how fast the named queries answer.")
    parser.add_argument("--points", type=int, default=100_000_000)
    parser.add_argument("--store", type=Path, help="keep the store here, and use it if it is there already")
    arguments = parser.parse_args()
    os.makedirs("build", exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir="build") as scratch:
        path = arguments.store or Path(scratch) / "points.duckdb"
        if not path.exists():
            write(path, arguments.points)
        rows = list(times(path))
    print(f"{machine()}.\n\n**{arguments.points:,} points, warm**\n")
    print(table(["query", "all, seconds", "one experiment, seconds"], rows))


if __name__ == "__main__":
    main()
