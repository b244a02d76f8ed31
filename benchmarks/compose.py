"""Compose training logs as XTuner 0.x writes them: believable values, a million lines in seconds.

Run as a program (``compose.py log FOLDER LINES``, ``compose.py runs FOLDER COUNT LINES``), so that its memory
is not counted to what is measured afterwards.
"""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

START = datetime(2025, 2, 9, 3, 15, 0)
CHUNK = 500_000
TOKENS, FLOPS = 16_384, 555.46  #: tokens and TFLOP of one step of one device

HEADER = """\
{clock} - mmengine - INFO - 
------------------------------------------------------------
System environment:
    sys.platform: linux
    Python: 3.10.14
    CUDA available: True
    numpy_random_seed: 2025
    GPU 0,1,2,3,4,5,6,7: Example Accelerator 64GB
    PyTorch: 2.4.0
    MMEngine: 0.10.5

Runtime environment:
    seed: 2025
    Distributed launcher: pytorch
    Distributed training: True
    GPU number: 8
------------------------------------------------------------

"""  # noqa: W291  (the first line of the block ends with a blank, as mmengine writes it)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def _pad(number: pl.Expr, width: int) -> pl.Expr:
    return number.cast(pl.String).str.zfill(width)


def _fixed(values: Floats) -> pl.Expr:
    """``%.4f`` of values >= 0, from integers: a tenth of the time that formatting floats takes."""
    scaled = pl.lit(pl.Series(np.rint(values * 10_000).astype(np.int64)))
    return pl.concat_str((scaled // 10_000).cast(pl.String), pl.lit("."), _pad(scaled % 10_000, 4))


def _scientific(values: Floats) -> pl.Expr:
    """``%.4e`` of values in [1e-6, 1e-4)."""
    small = np.rint(values * 1e10) < 100_000
    mantissa = pl.lit(pl.Series(np.rint(values * np.where(small, 1e10, 1e9)).astype(np.int64)))
    exponent = pl.lit(pl.Series(np.where(small, "e-06", "e-05")))
    whole = (mantissa // 10_000).cast(pl.String)
    return pl.concat_str(whole, pl.lit("."), _pad(mantissa % 10_000, 4), exponent)


def _eta(seconds: Ints) -> pl.Expr:
    """Python's text of a timedelta: ``18 days, 16:13:38``."""
    left = pl.lit(pl.Series(seconds))
    days = left // 86_400
    prefix = (
        pl.when(days > 1).then(pl.concat_str(days.cast(pl.String), pl.lit(" days, ")))
        .when(days == 1).then(pl.lit("1 day, "))
        .otherwise(pl.lit(""))
    )  # fmt: skip
    hours, minutes = (left // 3600 % 24).cast(pl.String), _pad(left // 60 % 60, 2)
    return pl.concat_str(prefix, hours, pl.lit(":"), minutes, pl.lit(":"), _pad(left % 60, 2))


def compose(steps: Ints, total: int, started: Ints, rng: np.random.Generator) -> pl.Series:
    """One log line per step, all keys of XTuner's line.

    Args:
        steps: 1-based iteration of each line, shape (n,).
        total: iterations of the whole training.
        started: start of the training that a line belongs to, seconds since 1970, shape (n,).
        rng: where the noise comes from.
    """
    n = len(steps)
    time = 16.2 + rng.normal(0, 0.2, n)
    clock = pl.lit(pl.Series((started + steps * 16.2).astype(np.int64) * 1_000_000).cast(pl.Datetime("us")))
    loss = 0.0008 + 2 * np.exp(-steps / 2000) + np.abs(rng.normal(0, 0.0005, n))
    rate = 2e-6 + 0.9e-5 * (1 + np.cos(np.pi * steps / total))
    width = len(str(total))
    number = pl.lit(pl.Series(steps)).cast(pl.String).str.pad_start(width)
    line = pl.concat_str(
        clock.dt.strftime("%Y/%m/%d %H:%M:%S"),
        pl.lit(" - mmengine - INFO - Iter(train) ["), number, pl.lit(f"/{total}]  lr: "), _scientific(rate),
        pl.lit("  eta: "), _eta(((total - steps) * 16.2).astype(np.int64)),
        pl.lit("  time: "), _fixed(time),
        pl.lit("  data_time: "), _fixed(np.abs(rng.normal(0.044, 0.01, n))),
        pl.lit("  memory: "), pl.lit(pl.Series(54_047 + rng.integers(0, 3, n))).cast(pl.String),
        pl.lit("  loss: "), _fixed(loss),
        pl.lit("  tflops: "), _fixed(FLOPS / time),
        pl.lit("  tokens_per_sec: "), _fixed(TOKENS / time),
    )  # fmt: skip
    return pl.select(line=line).to_series()


def log_path(folder: Path, model: str, start: datetime) -> Path:
    """Where mmengine puts the log of a training."""
    stamp = f"{start:%Y%m%d_%H%M%S}"
    return folder / model / stamp / f"{stamp}.log"


def write_log(folder: Path, lines: int) -> Path:
    """One long training of ``lines`` iterations; returns the log's path."""
    path = log_path(folder, "chat_full_alpaca_32k", START)
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(0)
    with path.open("wb") as out:
        out.write(HEADER.format(clock=f"{START:%Y/%m/%d %H:%M:%S}").encode())
        for first in range(1, lines + 1, CHUNK):
            steps = np.arange(first, min(first + CHUNK, lines + 1))
            text = compose(steps, lines, np.full(len(steps), _seconds(START)), rng)
            text.to_frame().write_csv(out, include_header=False, quote_style="never")
    return path


def write_runs(folder: Path, count: int, lines: int) -> None:
    """``count`` short trainings of ``lines`` iterations, each in its own work_dir."""
    starts = [START + timedelta(minutes=17 * k) for k in range(count)]
    steps = np.tile(np.arange(1, lines + 1), count)
    started = np.repeat([_seconds(start) for start in starts], lines)
    text = compose(steps, lines, started, np.random.default_rng(1)).to_list()
    for k, start in enumerate(starts):
        path = log_path(folder, f"model_{k:04d}", start)
        path.parent.mkdir(parents=True)
        body = "\n".join(text[k * lines : (k + 1) * lines])
        path.write_text(HEADER.format(clock=f"{start:%Y/%m/%d %H:%M:%S}") + body + "\n")


def _seconds(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1)).total_seconds())


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["log", "runs"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("numbers", type=int, nargs="+", help="LINES, or COUNT LINES")
    arguments = parser.parse_args()
    if arguments.what == "log":
        write_log(arguments.folder, *arguments.numbers)
    else:
        write_runs(arguments.folder, *arguments.numbers)


if __name__ == "__main__":
    main()
