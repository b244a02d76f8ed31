"""Deltas composed for tests of the store, without any parser or file."""

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from llmstats.records import FULL, Event, Issue, Measurement, Request, Run
from llmstats.store import Store
from llmstats.store_types import APPEND, REPLACE, CanonicalPoints, Delta, SeriesColumn

SECOND = 1_000_000

_hashes = itertools.count()


def points(
    run: str,
    steps: Sequence[int] | None,
    values: Mapping[str, Sequence[float]],
    precision: str = FULL,
    *,
    phase: str = "train",
    rank: int | None = None,
    clock: bool = False,
    lines: Sequence[int] | None = None,
    nulls: Sequence[bool] | None = None,
    device_index: int | None = None,
    definition: str | None = None,
) -> CanonicalPoints:
    """Points whose line is step + 100 and whose time, if asked for, is the step in seconds."""
    count = len(next(iter(values.values())))
    places = np.arange(1, count + 1) if steps is None else np.array(steps, np.int64)
    return CanonicalPoints(
        run=run,
        phase=phase,
        lines=places + 100 if lines is None else np.array(lines, np.int64),
        series=[
            SeriesColumn(
                metric, metric, None, definition, precision, np.array(column, np.float64),
                None if nulls is None else np.array(nulls),
            )
            for metric, column in values.items()
        ],
        steps=None if steps is None else places,
        times=places * SECOND if clock else None,
        rank=rank,
        device_index=device_index,
    )  # fmt: skip


class Source:
    """A file as ingest would follow it: knows what the store was told last, so that the next delta fits."""

    def __init__(self, path: str, kind: str = "toy_log", labels: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.kind = kind
        self.labels = dict(labels or {})
        self.mark: tuple[int, str] | None = None

    def _columns(self) -> dict[str, object]:
        size = (self.mark[0] if self.mark else 0) + 100
        return {
            "format": self.kind, "status": "parsed", "labels": self.labels, "size_bytes": size, "bytes_read": size,
            "content_hash": f"{next(_hashes):016x}", "mtime_ns": 1, "inode": 2, "device": 3,
        }  # fmt: skip

    def delta(self, mode: str, *items: Run | CanonicalPoints | Measurement | Request | Event | Issue) -> Delta:
        columns = self._columns()
        delta = Delta(self.path, mode, self.mark, columns, list(items))
        self.mark = (columns["bytes_read"], columns["content_hash"])
        return delta

    def replace(self, *items: Run | CanonicalPoints | Measurement | Request | Event | Issue) -> Delta:
        return self.delta(REPLACE, *items)

    def append(self, *items: Run | CanonicalPoints | Measurement | Request | Event | Issue) -> Delta:
        return self.delta(APPEND, *items)


def ask(store: Store, sql: str, *parameters: object) -> list[tuple]:
    """Rows of a query."""
    with store.reading() as con:
        return con.execute(sql, list(parameters)).fetchall()


@cache
def empty_store() -> bytes:
    """A new store's file; made once, since copying is much cheaper than creating."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.duckdb"
        Store(str(path)).create_or_migrate()
        return path.read_bytes()


def fresh_store(path: Path, patience: float = 2) -> Store:
    """An empty store at a path."""
    path.write_bytes(empty_store())
    return Store(str(path), patience=patience)
