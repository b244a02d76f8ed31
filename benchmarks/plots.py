"""How fast pictures of ten million points are drawn, from the start of the command to the file.

    python benchmarks/plots.py [--points 10000000]

Once as twenty trainings and once as one, each step of which logs five metrics (see queries.py).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from queries import METRICS, write

from measure import machine, measure, table

PICTURES = ("convergence", "throughput")


def times(folder: Path, points: int) -> Iterator[list[str]]:
    """Name, trainings, seconds and peak memory of each picture."""
    for runs in (20, 1):
        store = folder / f"{runs}.duckdb"
        write(store, runs, points // runs // len(METRICS))
        for name in PICTURES:
            drawn = measure(
                [sys.executable, "-m", "llmstats", "plot", name, "--db", store, "-o", folder / f"{name}.png"]
            )
            yield [f"`{name}`", str(runs), f"{drawn.seconds:.2f}", f"{drawn.peak_bytes / 1e6:,.0f}"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how fast pictures are drawn.")
    parser.add_argument("--points", type=int, default=10_000_000)
    arguments = parser.parse_args()
    os.makedirs("build", exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir="build") as scratch:
        rows = list(times(Path(scratch), arguments.points))
    print(f"{machine()}.\n\n**{arguments.points:,} points, process start included**\n")
    print(table(["picture", "trainings", "seconds", "peak MB"], rows))


if __name__ == "__main__":
    main()
