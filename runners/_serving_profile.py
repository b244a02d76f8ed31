"""The cell in the words of AIChipBenchmark's ``llm_profiler.py``: its report and dump, and the table of all cells.

Its definitions are kept as they are, so that the numbers can be set beside older ones: a token is a line of the
stream, input lengths are those asked for, a request counts with two lines and more.  Source:
``llm/Deepseek/llm_profiler.py`` and ``benchmark_all.py`` of DeepLink-org/AIChipBenchmark (second version).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ._serving_settings import Cell
from ._serving_stream import Answer

PERCENTILES = (1, 25, 50, 75, 90, 95, 99, 100)
#: Key in the dict -> name in text and table, what stands between name and rank, unit.
_SECTIONS = {
    "request_time": ("request_time", " ", "s"),
    "first_token_time_dict": ("first_token_time", "  ", "s"),
    "decode_token_time_dict": ("decode_token_time", "  ", "ms"),
}
_PLAIN = ("Total QPS", "Avg Input Length", "Avg Output Length")
_RATES = ("Total Throughput", "Input Throughput", "Output Throughput")
#: Columns of the table.
HEADER = [
    "input_len", "output_len", "backend", "clients", "request_num", *_PLAIN, *_RATES,
    *(f"{name}_P{p}" for name, _, _ in _SECTIONS.values() for p in PERCENTILES),
]  # fmt: skip


def result(cell: Cell, backend: str, answers: Sequence[Answer], wall: float) -> dict[str, Any] | None:
    """The dict that the program prints last; None where it would have divided by zero.

    Args:
        wall: seconds from before the first request until after the last answer.
    """
    valid = [a for a in answers if a.succeeded and a.lines > 1]
    if not valid:
        return None
    given, made = cell.input_len * len(answers), sum(a.lines for a in valid)
    return {
        "backend": backend,
        "clients": cell.clients,
        "request_num": len(valid),
        "Total QPS": len(valid) / wall,
        "Avg Input Length": given / len(answers),
        "Avg Output Length": made / len(valid),
        "Total Throughput": (given + made) / wall,
        "Input Throughput": given / wall,
        "Output Throughput": made / wall,
        "request_time": _ranks([a.last_line - a.started for a in valid]),
        "first_token_time_dict": _ranks([a.first_line - a.started for a in valid]),
        "decode_token_time_dict": _ranks([(a.last_line - a.first_line) / (a.lines - 1) * 1000 for a in valid]),
    }


def _ranks(values: Sequence[float]) -> dict[str, float]:
    return {f"P{p}": float(v) for p, v in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)}


def report(found: Mapping[str, Any] | None, sent: int) -> str:
    """Everything that the program prints; the dict is the last line, where ``benchmark_all.py`` looks for it."""
    valid = found["request_num"] if found else 0
    head = f"\n\nvalid num = {valid}; all data num = {sent}; valid ratio = {valid / sent if sent else 0.0}\n\n"
    return head + "".join(f"{line}\n" for line in _lines(found)) if found else head


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{key}: {found[key]}" for key in _PLAIN)
    yield from (f"{key}: {found[key]} token/s" for key in _RATES)
    for key, (name, between, unit) in _SECTIONS.items():
        yield "-" * 10
        yield from (f"{name}{between}{rank}: {value:.6f}{unit}" for rank, value in found[key].items())
    yield str(found)


def output_len_mode(found: Mapping[str, Any] | None, output_len: int) -> dict[str, str]:
    """As the reader of the report tells it, so that all files of a cell speak of the same conditions."""
    if found is None:
        return {}
    average = found["Avg Output Length"]
    if abs(average - output_len) <= 2:
        return {"output_len_mode": "constant"}
    return {"output_len_mode": "random"} if average > output_len / 2 else {}


def table(rows: Sequence[tuple[Cell, Mapping[str, Any]]]) -> str:
    """The table of all cells, with the line ends of Python's csv module."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER)
    writer.writeheader()
    for cell, found in rows:
        flat = {"input_len": cell.input_len, "output_len": cell.output_len}
        flat |= {k: v for k, v in found.items() if k not in _SECTIONS}
        flat |= {f"{name}_{rank}": v for key, (name, _, _) in _SECTIONS.items() for rank, v in found[key].items()}
        writer.writerow(flat)
    return text.getvalue()


def progress(done: int, total: int, seconds: float) -> str:
    """A line as the program's progress bar draws it."""
    share = done / total if total else 1.0
    bar = ("#" * int(share * 10)).ljust(10)
    speed = f"{done / seconds:5.2f}it/s" if done and seconds > 0 else "?it/s"
    left = f"{_clock(seconds / done * (total - done))}" if done else "?"
    return f"\rRunning tests: {share:4.0%}|{bar}| {done}/{total} [{_clock(seconds)}<{left}, {speed}]"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
