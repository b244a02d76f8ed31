"""Composes ``examples/ranks``: a training of eight ranks on two nodes, as XTuner V1 logs it, one file per rank.

    python examples/compose_ranks.py [FOLDER]

Every value is invented.  All ranks wait for each other at the end of a step, so the late loaders below make the steps
of the *other* ranks long.  The first attempt ends out of memory; the second goes on in the same files, as XTuner's do.
"""

from __future__ import annotations

import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path

from _chance import Chance

RANKS, LAST, TOKENS = 8, 120, 32768
START = datetime(2026, 8, 21, 10, 0, 0)
#: Step at which the first attempt ends, and the checkpoint that the second one resumes from.
CRASH, CHECKPOINT, PAUSE = 100, 80, 900
#: Rank 5 is late three times in the first attempt; all ranks of node 1 (4 to 7) in five steps.
LATE = {(step, 5): 6.0 for step in (25, 61, 92)} | {(step, rank): 3.5 for step in range(70, 75) for rank in range(4, 8)}
SPIKE, NAN = 50, 77
LABELS = """\
# What the logs below this folder do not say themselves.
[labels]
vendor = "NVIDIA"
device = "NVIDIA A100-SXM4-80GB"
device_count = 8
node_count = 2
"""


def compose(folder: Path) -> None:
    """Write the set into a folder; what was there is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    logs = folder / "qwen3_sft" / f"{START:%Y%m%d%H%M%S}" / "logs"
    logs.mkdir(parents=True)
    (folder / "llmstats.toml").write_text(LABELS, "utf-8")
    lines: list[list[str]] = [[_line(START, "INFO", "No checkpoint to resume from.")] for _ in range(RANKS)]
    clock = START + timedelta(seconds=40)
    for attempt, steps in enumerate((range(1, CRASH + 1), range(CHECKPOINT + 1, LAST + 1))):
        if attempt:
            clock = _restart(lines, clock)
        for step in steps:
            clock = _step(lines, clock, step, Chance(1000 * attempt + step))
    for rank, mine in enumerate(lines):
        (logs / f"rank{rank}.log").write_text("".join(mine), "utf-8")


def _line(clock: datetime, level: str, message: str) -> str:
    return f"[XTuner][{clock:%Y-%m-%d %H:%M:%S}][{level}] {message}\n"


def _restart(lines: list[list[str]], clock: datetime) -> datetime:
    error = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    lines[3].append(_line(clock, "ERROR", error))
    begin = clock + timedelta(seconds=PAUSE)
    for mine in lines:
        mine.append(
            _line(begin, "INFO", f"Resume from checkpoint: work_dirs/qwen3_sft/checkpoints/ckpt-step-{CHECKPOINT}")
        )
    return begin + timedelta(seconds=50)


def _step(lines: list[list[str]], clock: datetime, step: int, chance: Chance) -> datetime:
    """One step of all ranks: each waits for its data, computes, and then waits for the slowest."""
    data = [chance.around(0.012, 0.2) + LATE.get((step, rank), 0.0) for rank in range(RANKS)]
    work = [chance.around(4.1, 0.004) for _ in range(RANKS)]
    tokens = [round(chance.around(TOKENS - 40, 0.0005)) for _ in range(RANKS)]
    done = max(d + w for d, w in zip(data, work, strict=True))
    clock += timedelta(seconds=done)
    loss = chance.around((1.1 + 0.9 * 20 / (20 + step)) * (2.6 if step == SPIKE else 1.0), 0.012)
    norm = float("nan") if step == NAN else chance.around(0.6, 0.15)
    for rank in range(RANKS):
        lines[rank].append(_line(clock, "INFO", _fields(step, data[rank], done - data[rank], tokens[rank], loss, norm)))
    return clock


def _fields(step: int, data: float, time: float, tokens: int, loss: float, norm: float) -> str:
    rate = tokens / time
    return (
        f"Epoch 0 Step {step}/{LAST} data_time: {data:.4f} lr: {6e-6 * (1 - step / 200):.6e} time: {time:.4f} "
        f"text_tokens: {tokens} seqlen_tokens: {TOKENS} approximate_total_consumed_tokens: {step * RANKS * TOKENS} "
        f"reduced_llm_loss: {loss:.8f}, local_loss: {loss:.8f} step_consumed_tokens: {tokens:.8f}, "
        f"efficient_attn_ratio: 0.12000000  grad_norm: {norm:.8f} max_memory: 61.20 GB reserved_memory: 70.10 GB "
        f"tgs: {rate:.1f} seqlen_tgs: {TOKENS / time:.1f} exp_tgs: {0.93 * rate:.1f} "
        f"eta: {timedelta(seconds=round(4.2 * (LAST - step)))} "
    )


if __name__ == "__main__":
    compose(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("ranks"))
