"""Logs composed for tests, in the formats that the programs write; all values are invented."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any


@dataclass
class Training:
    """An iteration-based mmengine training: the same records for the text log and the two JSON files."""

    first: int = 1
    last: int = 200
    start: datetime = datetime(2025, 2, 9, 3, 15, 0)
    floor: float = 0.0005
    seed: int = 0
    total: int = 4000
    resumed: int | None = None
    records: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        for step in range(self.first, self.last + 1):
            time = 0.5 + rng.random() / 100
            self.records.append(
                {
                    "lr": 2e-5 * (1 - step / self.total / 2),
                    "data_time": 0.004 + rng.random() / 1000,
                    "loss": self.floor + 2 * math.exp(-step / 40) + rng.random() / 10000,
                    "time": time,
                    "tflops": 17.0 / time,
                    "tokens_per_sec": 512 / time,
                    "iter": step,
                    "memory": 54047,
                    "step": step,
                }
            )

    @property
    def stamp(self) -> str:
        return f"{self.start:%Y%m%d_%H%M%S}"

    def text_lines(self) -> list[str]:
        """The text log; one string per physical line, with its end."""
        head = f"{self.start:%Y/%m/%d %H:%M:%S} - mmengine - INFO - "
        rule = "-" * 60
        lines = [
            head, rule, "System environment:", "    sys.platform: linux", "    CUDA available: True",
            "    GPU 0,1,2,3,4,5,6,7: NVIDIA A100-SXM4-80GB", "    MMEngine: 0.10.7", "", "Runtime environment:",
            "    seed: 7", "    Distributed launcher: pytorch", "    GPU number: 8", rule, "",
        ]  # fmt: skip
        if self.resumed is not None:
            lines.append(f"{head}resumed epoch: 0, iter: {self.resumed}")
        lines += [self.record_line(i) for i in range(len(self.records))]
        return [line + "\n" for line in lines]

    def clock(self, i: int) -> datetime:
        return self.start + timedelta(seconds=10 + i)

    def record_line(self, i: int) -> str:
        r = self.records[i]
        width = len(str(self.total))
        eta = timedelta(seconds=self.total - r["step"])
        return (
            f"{self.clock(i):%Y/%m/%d %H:%M:%S} - mmengine - INFO - Iter(train) [{r['step']:>{width}}/{self.total}]"
            f"  lr: {r['lr']:.4e}  eta: {eta}  time: {r['time']:.4f}  data_time: {r['data_time']:.4f}"
            f"  memory: {r['memory']}  loss: {r['loss']:.4f}  tflops: {r['tflops']:.4f}"
            f"  tokens_per_sec: {r['tokens_per_sec']:.4f}"
        )

    def json_lines(self) -> list[str]:
        return [json.dumps(r) + "\n" for r in self.records]

    def paths(self, work_dir: Path) -> dict[str, Path]:
        run = work_dir / self.stamp
        return {
            "text": run / f"{self.stamp}.log",
            "json": run / "vis_data" / f"{self.stamp}.json",
            "scalars": run / "vis_data" / "scalars.json",
        }

    def write(self, work_dir: Path, *kinds: str) -> Path:
        """Lay the run under a work_dir; all three files, or those named."""
        for kind, path in self.paths(work_dir).items():
            if not kinds or kind in kinds:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("".join(self.text_lines() if kind == "text" else self.json_lines()))
        return work_dir / self.stamp
