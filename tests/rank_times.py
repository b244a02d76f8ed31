"""Trainings of many ranks, composed: what each rank does, and what the clocks of ranks that wait for each other say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from llmstats.records import Run
from llmstats.store import Store

from .store_deltas import Source
from .test_queries_throughput import records

Table = np.ndarray


def usual(ranks: int, steps: int, seed: int = 0, *, noise: float = 0.01) -> tuple[Table, Table]:
    """Seconds (steps x ranks) of waiting for data (10 ms) and of own work (1 s), with some noise."""
    rng = np.random.default_rng(seed)
    data = np.abs(0.01 + 0.003 * rng.standard_normal((steps, ranks)))
    work = 1 + noise * rng.standard_normal((steps, ranks))
    return data, work


def in_step(data: Table, work: Table) -> Table:
    """Logged step time without data wait where a collective ends every step: all ranks are done at the same moment."""
    return (data + work).max(axis=1, keepdims=True) - data


def logged(
    name: str, columns: Mapping[str, Table], *, every: int = 1, files: str = "rank{}.log", **facts: Any
) -> list[Any]:
    """One delta per rank of a run; the record of a step s stands on line s / every + 100."""
    run = Run(name, f"/w/{name}", kind="training", **facts)
    steps, ranks = next(iter(columns.values())).shape
    return [
        Source(f"/w/{name}/{files.format(r)}").replace(
            run, records(name, {k: v[:, r] for k, v in columns.items()}, steps, rank=r, every=every)
        )
        for r in range(ranks)
    ]


def put(store: Store, name: str, data: Table, own: Table, **more: Any) -> None:
    """A run whose ranks log their data wait and the rest of the step."""
    store.commit(logged(name, {"data": data, "apart": own}, **more))


# --------------------------------------------------------------------------- as XTuner V1 writes them


def xtuner_line(
    step: int, last: int, data: float, time: float, tokens: int, *, loss: float = 1.5, norm: float = 0.5,
    attention: float = 0.12, image: bool = False, new: bool = True,
) -> str:  # fmt: skip
    """One step of one rank; ``new``: with the keys that came in July 2026 between the old ones."""
    minute, second = divmod(step, 60)
    images = "img_tokens: 256.0 " if image else ""
    ratios = f"efficient_attn_ratio: {attention:.8f}" + (", img_efficient_attn_ratio: 0.20000000" if image else "")
    slots = f"seqlen_tokens: {tokens + 8} " if new else ""
    rates = f"seqlen_tgs: {(tokens + 8) / time:.1f} " if new else ""
    return (
        f"[XTuner][2026-08-21 {10 + minute // 60:02d}:{minute % 60:02d}:{second:02d}][INFO] Epoch 0 Step {step}/{last} "
        f"data_time: {data:.4f} lr: 6.000000e-06 time: {time:.4f} text_tokens: {tokens} {slots}{images}"
        f"approximate_total_consumed_tokens: {step * tokens} reduced_llm_loss: {loss:.8f}, local_loss: {loss:.8f} "
        f"step_consumed_tokens: {tokens}.00000000, {ratios}  grad_norm: {norm:.8f} max_memory: 61.20 GB "
        f"reserved_memory: 70.10 GB tgs: {tokens / time:.1f} {rates}exp_tgs: {0.9 * tokens / time:.1f} eta: 0:34:10 \n"
    )


def xtuner_tree(
    folder: Path, data: Table, time: Table, *, tokens: Table | None = None, resume_at: int | None = None, **more: Any
) -> Path:
    """``{work_dir}/{14 digits}/logs/rank{R}.log``; ``resume_at``: each file goes back to that step half-way."""
    logs = folder / "toy" / "20260821100000" / "logs"
    logs.mkdir(parents=True)
    steps, ranks = data.shape
    attention = more.pop("attention", np.full(data.shape, 0.12))
    order = list(range(steps))
    if resume_at:
        order = [*range(steps // 2), *range(resume_at, steps)]
    for r in range(ranks):
        lines = []
        for i, s in enumerate(order):
            if resume_at and i == steps // 2:
                lines.append(
                    f"[XTuner][2026-08-21 12:00:00][INFO] Resume from checkpoint: checkpoints/ckpt-step-{resume_at}\n"
                )
            count = 4096 if tokens is None else int(tokens[s, r])
            lines.append(xtuner_line(s + 1, steps, data[s, r], time[s, r], count, attention=attention[s, r], **more))
        (logs / f"rank{r}.log").write_text("".join(lines))
    return folder
