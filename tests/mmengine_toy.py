"""A real mmengine training that a CPU finishes in seconds: a linear model on made-up numbers.

    python mmengine_toy.py iter  WORK_DIR --to 3000              by iteration, one log line per step
    python mmengine_toy.py iter  WORK_DIR --to 4000 --resume CHECKPOINT
    python mmengine_toy.py epoch WORK_DIR --to 3                 by epoch, validated after each one
    python mmengine_toy.py iter  WORK_DIR --to 3000 --nan-at 50  a loss that is no number from step 50 on

Everything that is logged is mmengine's own doing: nothing here writes a log.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

# mmengine's checkpoints hold more than tensors (its message hub); torch >= 2.6 loads those only when told to.
os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")

import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

BATCH = 4
STEPS_PER_EPOCH = 40
CHECKPOINT_EVERY = 700


class Numbers(Dataset):
    """Points of a plane with a little noise, the same in every process."""

    def __init__(self, size: int) -> None:
        generator = torch.Generator().manual_seed(7)
        self._x = torch.randn(size, 3, generator=generator)
        noise = 0.01 * torch.randn(size, generator=generator)
        self._y = self._x @ torch.tensor([1.0, -2.0, 0.5]) + noise

    def __len__(self) -> int:
        return len(self._y)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"x": self._x[index], "y": self._y[index]}


class Plane(BaseModel):
    """Linear regression in the shape that mmengine's runner asks for."""

    def __init__(self, nan_at: int | None = None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        self.nan_at = nan_at
        self.steps = 0

    def forward(self, x: torch.Tensor, y: torch.Tensor, mode: str = "tensor") -> Any:
        error = self.layer(x).squeeze(1) - y
        if mode == "loss":
            self.steps += 1
            return {"loss": (error**2).mean() * (float("nan") if self.steps == self.nan_at else 1.0)}
        return [(error.abs() < 0.1).float()]


class Near(BaseMetric):
    """Share of predictions near the truth."""

    default_prefix = None

    def process(self, data_batch: Any, data_samples: Sequence[torch.Tensor]) -> None:
        self.results += data_samples[0].tolist()

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"near": sum(results) / len(results)}


def loader(steps: int) -> dict[str, Any]:
    """Batches for so many steps.  By iteration that is all: mmengine sleeps 2 s before it begins anew."""
    sampler = {"type": "DefaultSampler", "shuffle": True}
    collate = {"type": "default_collate"}
    data = Numbers(steps * BATCH)
    return {"batch_size": BATCH, "num_workers": 0, "dataset": data, "sampler": sampler, "collate_fn": collate}


def loop(by_epoch: bool, to: int) -> dict[str, Any]:
    """What differs between a training by epoch and one by iteration."""
    if not by_epoch:
        return {"train_cfg": {"by_epoch": False, "max_iters": to}, "train_dataloader": loader(to)}
    return {
        "train_dataloader": loader(STEPS_PER_EPOCH),
        "train_cfg": {"by_epoch": True, "max_epochs": to, "val_interval": 1},
        "val_cfg": {},
        "val_dataloader": loader(STEPS_PER_EPOCH),
        "val_evaluator": Evaluator(Near()),
    }


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("by", choices=["iter", "epoch"])
    options.add_argument("work_dir")
    options.add_argument("--to", type=int, required=True)
    options.add_argument("--resume")
    options.add_argument("--nan-at", type=int)
    given = options.parse_args()
    by_epoch = given.by == "epoch"
    torch.set_num_threads(1)
    checkpoint = {
        "type": "CheckpointHook",
        "by_epoch": by_epoch,
        "interval": 1 if by_epoch else CHECKPOINT_EVERY,
    }
    runner = Runner(
        model=Plane(given.nan_at),
        work_dir=given.work_dir,
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}},
        default_hooks={"logger": {"type": "LoggerHook", "interval": 1}, "checkpoint": checkpoint},
        log_processor={"by_epoch": by_epoch},
        randomness={"seed": 0},
        load_from=given.resume,
        resume=given.resume is not None,
        **loop(by_epoch, given.to),
    )
    runner.train()


if __name__ == "__main__":
    main()
