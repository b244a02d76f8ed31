"""How fast logs become a store, beside three peers on the same file in the same run.

    python benchmarks/ingest.py [--lines 1000000] [--large] [--repeat 3]

Composes a log as XTuner 0.x writes it (217 MB for a million lines), 3,000 small run directories and, with
``--large``, a log of 2 GB; measures whole processes, start-up included; prints Markdown.  The files were just
written, so for everybody they come from the page cache.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import Measured, machine, measure, median, table

HERE = Path(__file__).parent
LARGE_LINES = 9_300_000
RUNS, RUN_LINES = 3_000, 50
COUNT = "SELECT sum(lines_matched)::BIGINT AS matched, sum(lines_suspect)::BIGINT AS suspect FROM sources"
LLMSTATS = Path(sys.executable).with_name("llmstats")

#: lnav's definition of the line: the same fields, as its own documentation describes them.
LNAV_FORMAT = {
    "$schema": "https://lnav.org/schemas/format-v1.schema.json",
    "xtuner_bench_log": {
        "title": "XTuner 0.x",
        "description": "mmengine's train line with XTuner's throughput hook",
        "regex": {
            "train": {
                "pattern": r"^(?<timestamp>\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}) - mmengine - (?<level>\w+) - "
                r"Iter\(train\) \[\s*(?<iter>\d+)/\s*(?<total>\d+)\]  lr: (?<lr>[\d.e+-]+)  "
                r"eta: (?<eta>.*?)  time: (?<step_time>[\d.]+)  data_time: (?<data_time>[\d.]+)  "
                r"memory: (?<memory>\d+)  "
                r"loss: (?<loss>[\d.]+)  tflops: (?<tflops>[\d.]+)  tokens_per_sec: (?<tgs>[\d.]+)(?<body>)$"
            },
            # The first line of a file decides its format, and here it is no train line.
            "other": {
                "pattern": r"^(?<timestamp>\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}) - mmengine - (?<level>\w+) - "
                r"(?<body>(?!Iter\(train\)).*)$"
            },
        },
        "timestamp-format": ["%Y/%m/%d %H:%M:%S"],
        "level-field": "level",
        "value": {
            "iter": {"kind": "integer"},
            "total": {"kind": "integer"},
            "eta": {"kind": "string"},
            "memory": {"kind": "integer"},
            **{name: {"kind": "float"} for name in ("lr", "step_time", "data_time", "loss", "tflops", "tgs")},
        },
        "sample": [
            {
                "line": "2025/02/09 03:15:16 - mmengine - INFO - Iter(train) [      1/1000000]  "
                "lr: 2.0000e-05  eta: 187 days, 11:59:43  time: 16.2251  data_time: 0.0467  memory: 54049  "
                "loss: 1.9999  tflops: 34.2345  tokens_per_sec: 1009.7906"
            }
        ],
    },
}

DUCKDB_READ = """
import duckdb, sys
print(duckdb.sql(
    "select count(*), sum(length(line)) from read_csv(?, columns={'line': 'VARCHAR'}, header=false, "
    "auto_detect=false, delim=chr(31), quote='', escape='')", params=[sys.argv[1]]).fetchone())
"""


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def compose(what: str, folder: Path, *numbers: int) -> Path:
    """Let compose.py write; returns the folder."""
    done = measure([sys.executable, HERE / "compose.py", what, folder, *map(str, numbers)])
    say(f"composed {folder.name} in {done.seconds:.1f} s")
    return folder


def size(folder: Path) -> int:
    """Bytes of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Ours:
    """``llmstats ingest`` of a folder into a store of its own."""

    def __init__(self, folder: Path, lines: int) -> None:
        self._folder = folder
        self._lines = lines
        self.store = folder.with_suffix(".duckdb")

    def ingest(self) -> Measured:
        return measure([LLMSTATS, "ingest", self._folder, "--db", self.store])

    def fresh(self) -> Measured:
        """Into a new store; every line must be in it."""
        self.store.unlink(missing_ok=True)
        done = self.ingest()
        seen = json.loads(measure([LLMSTATS, "query", COUNT, "--db", self.store, "--format", "json"]).output)
        if seen != [{"matched": self._lines, "suspect": 0}]:
            raise RuntimeError(f"{self._folder}: {seen} where {self._lines} lines were written")
        return done


def lnav(log: Path, lines: int, scratch: Path) -> Callable[[], Measured] | None:
    """Lnav without a terminal: index the file and answer one aggregate; None if it is not installed."""
    program = shutil.which("lnav")
    if program is None:
        say("lnav is not installed: left out (Debian: apt-get install lnav)")
        return None
    formats = scratch / "home" / ".lnav" / "formats" / "installed"
    formats.mkdir(parents=True)
    (formats / "xtuner_bench_log.json").write_text(json.dumps(LNAV_FORMAT))
    environment = {"HOME": str(scratch / "home"), "TERM": "dumb", "LANG": "C.UTF-8"}
    ask = ";SELECT count(loss) AS n, avg(loss) AS loss FROM xtuner_bench_log"

    def once() -> Measured:
        done = measure([program, "-n", "-c", ask, log], env=environment)
        if str(lines) not in done.output:
            raise RuntimeError(f"lnav did not see {lines} lines: {done.output[-500:]}")
        return done

    return once


def row(name: str, done: Measured, total: int, ours: Measured) -> list[str]:
    """One line of the big table."""
    ratio = "1" if done is ours else f"{done.seconds / ours.seconds:.2f}"
    speed, peak = total / done.seconds / 1e6, done.peak_bytes / 1e6
    return [name, f"{done.seconds:.2f}", f"{speed:,.0f}", ratio, f"{peak:,.0f}"]


def one_log(scratch: Path, lines: int, repeat: int, *, peers: bool) -> str:
    """The table of one long log."""
    folder = compose("log", scratch / f"log_{lines}", lines)
    log = next(folder.rglob("*.log"))
    total = log.stat().st_size
    ours = Ours(folder, lines)
    first = median(repeat, ours.fresh)
    again = median(repeat, ours.ingest)
    rows = [row("`llmstats ingest`, fresh store", first, total, first)]
    rows.append(row("`llmstats ingest` again, unchanged", again, total, first))
    if peers:
        loop = median(repeat, lambda: measure([sys.executable, HERE / "re_loop.py", log]))
        rows.append(row("Python `re` loop (stores nothing)", loop, total, first))
        if ask := lnav(log, lines, scratch):
            rows.append(row("lnav, one aggregate (stores nothing)", median(repeat, ask), total, first))
        read = median(repeat, lambda: measure([sys.executable, "-c", DUCKDB_READ, log]))
        rows.append(row("DuckDB merely reading the lines", read, total, first))
    stored = ours.store.stat().st_size
    title = f"**One log of {lines:,} lines, {total / 1e6:,.0f} MB; its store {stored / 1e6:,.0f} MB**"
    shutil.rmtree(folder)
    ours.store.unlink()
    return f"{title}\n\n{table(['what', 'seconds', 'MB/s', 'time / ours', 'peak MB'], rows)}\n"


def small_runs(scratch: Path, repeat: int) -> str:
    """The table of many small run directories."""
    folder = compose("runs", scratch / "runs", RUNS, RUN_LINES)
    ours = Ours(folder, RUNS * RUN_LINES)
    rows = [
        [name, f"{done.seconds:.2f}", f"{RUNS / done.seconds:,.0f}", f"{done.peak_bytes / 1e6:,.0f}"]
        for name, done in (
            ("`llmstats ingest`, fresh store", median(repeat, ours.fresh)),
            ("`llmstats ingest` again, unchanged", median(repeat, ours.ingest)),
        )
    ]
    title = f"**{RUNS:,} run directories of {RUN_LINES} lines, {size(folder) / 1e6:,.0f} MB**"
    return f"{title}\n\n{table(['what', 'seconds', 'files/s', 'peak MB'], rows)}\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how fast logs become a store.")
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of the first log")
    parser.add_argument("--large", action="store_true", help="also a log of 2 GB (needs 3 GB of disk)")
    parser.add_argument("--repeat", type=int, default=3, help="the median of so many runs is shown")
    parser.add_argument("--folder", type=Path, default=Path("build"), help="where to put the scratch folder")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.folder) as name:
        scratch = Path(name).resolve()
        parts = [one_log(scratch, arguments.lines, arguments.repeat, peers=True)]
        parts.append(small_runs(scratch, arguments.repeat))
        if arguments.large:
            parts.append(one_log(scratch, LARGE_LINES, 1, peers=False))
    print(f"{machine()}.\n\n" + "\n".join(parts), end="")


if __name__ == "__main__":
    main()
