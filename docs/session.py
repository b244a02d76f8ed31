"""Write the session that README.md shows: real commands with their real output.

python docs/session.py            run the commands on a copy of the examples and rewrite README.md
python docs/session.py --check    only say whether README.md is stale; exit code 1 if it is

How long the ingest took may differ; all else must not.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
#: Width of the tables, in characters, and the home that the reader sees in paths.
WIDTH, HOME = 110, "/home/you"

RUNS = "SELECT experiment, attempt, device, device_count, precision FROM runs WHERE kind = 'training' ORDER BY ALL"
READINGS = "SELECT experiment, verdict, first_touch, sustained, smoothed, non_finite FROM convergence()"
SPEED = "SELECT run_id, tokens_per_second_per_device AS tgs, devices, drops, definition FROM throughput()"
DROPS = "SELECT experiment, first_step, last_step, ratio, cause, lost_seconds FROM throughput_drops()"
SERVING = (
    "SELECT device, concurrency, output_tokens_per_second AS tps, ttft_p50, ttft_p99, status "
    "FROM serving() WHERE input_len = 1024 AND concurrency >= 64 ORDER BY ALL"
)
RESULTS = (
    "SELECT device, nodes, devices, precision, parallelism, per_device, unit, mfu, memory_used, memory_total "
    "FROM results(kind := 'training')"
)
COMMANDS = (
    "llmstats ingest examples/work_dirs",
    f'llmstats query "{RUNS}"',
    f'llmstats query "{READINGS}"',
    'llmstats query "SELECT verdict, reason FROM convergence()"',
    'llmstats query "SELECT verdict, reason FROM convergence(min_steps := 5000)"',
    f'llmstats query "{SPEED}"',
    f'llmstats query "{DROPS}"',
    f'llmstats query "{SERVING}"',
    f'llmstats query "{RESULTS}"',
    "llmstats show deepseek_v2_lite_alpaca_a100/20250209_110212 --metric loss --step 2040 --format json",
    "llmstats query convergense",
)

_REGION = re.compile(r"(<!-- captured: session -->\n).*?(<!-- end -->)", re.DOTALL)
_SECONDS = re.compile(r"in \d+\.\d s ->")


def session() -> str:
    """The commands with what they print, as a fenced block."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name).resolve()
        shutil.copytree(ROOT / "examples" / "work_dirs", home / "examples" / "work_dirs")
        parts = [f"$ {command}\n{_output(command, home)}" for command in COMMANDS]
    return "```console\n" + "\n".join(parts) + "```\n"


def _output(command: str, home: Path) -> str:
    """Standard output and error of a command of ours."""
    environment = {k: v for k, v in os.environ.items() if k != "LLMSTATS_DB"} | {"COLUMNS": str(WIDTH)}
    words = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout.replace(str(home), HOME)


def renewed(text: str) -> str:
    """README.md with the session as it is now."""
    return _REGION.sub(lambda match: f"{match[1]}{session()}{match[2]}", text)


def same(a: str, b: str) -> bool:
    """Whether two texts differ in nothing but how long the ingest took."""
    return _SECONDS.sub("", a) == _SECONDS.sub("", b)


def main() -> int:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Write the session that README.md shows.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if it is stale")
    check = parser.parse_args().check
    old = README.read_text(encoding="utf-8")
    new = renewed(old)
    if same(old, new):
        return 0
    if not check:
        README.write_text(new, encoding="utf-8")
    sys.stderr.write(f"{'stale' if check else 'wrote'}: README.md\n")
    return int(check)


if __name__ == "__main__":
    sys.exit(main())
