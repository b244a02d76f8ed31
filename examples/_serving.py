"""A serving sweep of two machines in the form that AIChipBenchmark's ``benchmark_all.py`` leaves behind.

Each cell is simulated: a closed loop of clients, two requests each, whose first tokens queue.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _chance import Chance, percentile

CLIENTS = (8, 16, 1, 32, 64, 128)  # in the program's order
LENGTHS = ((256, 512), (1024, 1024))  # input, output
PERCENTILES = (1, 25, 50, 75, 90, 95, 99, 100)
_TIMES = {
    "request_time": "request_time",
    "first_token_time_dict": "first_token_time",
    "decode_token_time_dict": "decode_token_time",
}


@dataclass(frozen=True)
class Server:
    """How one installation answers; seconds and tokens per second."""

    directory: str
    overhead: float  #: before the first token of a lone request
    prefill: float  #: input tokens per second
    token: float  #: between two tokens of a lone request
    crowd: float  #: what each further client adds to that
    numpy2: bool  #: numpy 2 prints its numbers as np.float64(...)
    logs: tuple[tuple[int, int], ...]  #: (clients, input length) of the cells whose log was kept
    dead: tuple[int, int, int] | None  #: clients, input and output length of a cell that failed
    seed: int


@dataclass(frozen=True)
class Request:
    first: float
    gap: float
    whole: float


def write(root: Path, server: Server) -> None:
    """The CSV of the sweep, and the logs that were kept."""
    folder = root / server.directory
    (folder / "log").mkdir(parents=True)
    table = io.StringIO(newline="")
    rows = csv.writer(table)
    rows.writerow(_columns())
    for clients in CLIENTS:
        for lengths in LENGTHS:
            log = folder / "log" / f"test_log_bz{clients}_input{lengths[0]}_output{lengths[1]}.log"
            if (clients, *lengths) == server.dead:
                log.write_text(_dead_report(clients), "utf-8", newline="")
                continue
            requests, wall = simulate(server, clients, *lengths)
            result = summary(requests, wall, clients, *lengths)
            rows.writerow([*lengths, *_flat(result)])
            if (clients, lengths[0]) in server.logs:
                log.write_text(_bar(requests, wall) + report(result, server.numpy2), "utf-8", newline="")
    (folder / "test_results_deepseek_r1.csv").write_text(table.getvalue(), "utf-8", newline="")


def simulate(server: Server, clients: int, input_len: int, output_len: int) -> tuple[list[Request], float]:
    """Requests of one cell and the wall time of all of them."""
    chance = Chance(server.seed * 1000 + clients * 10 + len(str(input_len)))
    alone = input_len / server.prefill
    gap = server.token + server.crowd * (clients - 1)
    requests, ends = [], [0.0] * clients
    for wave in range(2):
        for i in range(clients):
            queue = i if wave == 0 else clients * 0.12 * abs(chance.normal())
            first = chance.around(server.overhead + alone * (1 + queue), 0.05)
            mean = chance.around(gap, 0.012)
            request = Request(first, mean, first + mean * (output_len - 1))
            ends[i] += request.whole
            requests.append(request)
    return requests, max(ends) + 0.3


def summary(requests: Sequence[Request], wall: float, clients: int, input_len: int, output_len: int) -> dict[str, Any]:
    """The dict of results in the program's order; a "token" is a chunk of the stream."""
    n = len(requests)
    times = {
        "request_time": [r.whole for r in requests],
        "first_token_time_dict": [r.first for r in requests],
        "decode_token_time_dict": [1000 * r.gap for r in requests],
    }
    return {
        "backend": "",
        "clients": clients,
        "request_num": n,
        "Total QPS": n / wall,
        "Avg Input Length": n * input_len / n,
        "Avg Output Length": n * output_len / n,
        "Total Throughput": n * (input_len + output_len) / wall,
        "Input Throughput": n * input_len / wall,
        "Output Throughput": n * output_len / wall,
        **{key: {f"P{p}": percentile(values, p) for p in PERCENTILES} for key, values in times.items()},
    }


def report(result: Mapping[str, Any], numpy2: bool) -> str:
    """What the program prints at its end."""
    n = result["request_num"]
    lines = ["", "", f"valid num = {n}; all data num = {n}; valid ratio = {n / n}", ""]
    lines += [f"{key}: {result[key]}" for key in ("Total QPS", "Avg Input Length", "Avg Output Length")]
    lines += [f"{key}: {result[key]} token/s" for key in ("Total Throughput", "Input Throughput", "Output Throughput")]
    for key, name in _TIMES.items():
        space, unit = (" " if key == "request_time" else "  "), ("ms" if key.startswith("decode") else "s")
        lines += ["-" * 10, *(f"{name}{space}{p}: {value:.6f}{unit}" for p, value in result[key].items())]
    return "\n".join([*lines, _repr(result, numpy2)]) + "\n"


def _repr(result: Mapping[str, Any], numpy2: bool) -> str:
    if not numpy2:
        return repr(dict(result))
    parts = []
    for key, value in result.items():
        text = repr(value)
        if isinstance(value, dict):
            text = "{" + ", ".join(f"{p!r}: np.float64({v!r})" for p, v in value.items()) + "}"
        parts.append(f"{key!r}: {text}")
    return "{" + ", ".join(parts) + "}"


def _columns() -> list[str]:
    plain = ["input_len", "output_len", "backend", "clients", "request_num", "Total QPS", "Avg Input Length"]
    plain += ["Avg Output Length", "Total Throughput", "Input Throughput", "Output Throughput"]
    return plain + [f"{name}_P{p}" for name in _TIMES.values() for p in PERCENTILES]


def _flat(result: Mapping[str, Any]) -> list[Any]:
    return [v for value in result.values() for v in (value.values() if isinstance(value, dict) else [value])]


def _bar(requests: Sequence[Request], wall: float) -> str:
    """The progress bar that the program draws on standard error, redirected into the same file."""
    n = len(requests)
    shown = sorted({0, n // 4, n // 2, 3 * n // 4, n - 1, n})
    return "".join(_bar_at(i, n, wall * i / n) for i in shown)


def _bar_at(done: int, total: int, seconds: float) -> str:
    bar = ("#" * (10 * done // total)).ljust(10)
    times = f"{_minutes(seconds)}<?, ?it/s"
    if done:
        pace = seconds / done
        rate = f"{pace:5.2f}s/it" if pace > 1 else f"{1 / pace:5.2f}it/s"
        times = f"{_minutes(seconds)}<{_minutes(pace * (total - done))}, {rate}"
    return f"\rRunning tests: {100 * done // total:3d}%|{bar}| {done}/{total} [{times}]"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def _dead_report(clients: int) -> str:
    """A cell that ended with an exception: a server that refused, and no summary."""
    lines = [
        _bar_at(0, 2 * clients, 0.0) + "Traceback (most recent call last):",
        '  File "/opt/bench/llm_profiler.py", line 163, in <module>',
        "    main()",
        '  File "/opt/bench/llm_profiler.py", line 101, in main',
        "    results = list(tqdm(pool.map(run_one, prompts), total=len(prompts)))",
        '  File "/opt/bench/llm_profiler.py", line 57, in run_one',
        "    assert response.status_code == 200, response.text",
        'AssertionError: {"error": "the KV cache has no free block for a request of 2048 tokens"}',
    ]
    return "\n".join(lines) + "\n"


A100 = Server(
    directory="deepseek_r1_serving_a100",
    overhead=0.048,
    prefill=11800.0,
    token=0.0312,
    crowd=0.00064,
    numpy2=True,
    logs=((8, 256), (64, 256), (128, 1024)),
    dead=None,
    seed=21,
)
ASCEND = Server(
    directory="deepseek_r1_serving_910b",
    overhead=0.071,
    prefill=8300.0,
    token=0.0394,
    crowd=0.00089,
    numpy2=False,
    logs=((8, 256), (64, 256)),
    dead=(128, 1024, 1024),
    seed=22,
)
