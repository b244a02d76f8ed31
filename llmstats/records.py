"""What a parser yields: the one canonical form between a log and the store.

A parser turns lines or a document into a stream of these items; nothing else passes from a format to the
store.  Numbers of a series travel as columns (`Points`), everything rare as rows.

Units are those of the *raw* value here; `llmstats.canonical` turns them into the store's (seconds, bytes,
fractions, tokens) by the parser's own table of names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: `Points.times` where a line carries no clock (numpy's NaT as an integer).
NO_TIME = int(np.iinfo(np.int64).min)

#: Names of COCO-style scores (``bbox_mAP_s``, ``coco/AP (M)``): -1 says "no object of this size", not a score.
COCO_SCORE = re.compile(r"(?:^|[/_ ])(?:m?AP|AR)(?:$|[_ @]|\d)")

#: Precision of a column: number of decimals, or one of these.
FULL = "full"


@dataclass(slots=True)
class Column:
    """One raw metric of a `Points`: shape (n,), float64, NaN and Inf kept; NULL does not exist here."""

    values: Floats
    precision: str = FULL  #: ``full``, or the number of decimals as text (``4``; ``4e`` for ``%.4e``)
    unit: str = ""  #: unit as the log wrote it beside the value (``GB``, ``ms``), or empty


@dataclass(slots=True)
class Points:
    """Values of one run, phase and rank that stand on the same lines; every array has shape (n,)."""

    run: str  #: `Run.name`
    phase: str  #: train, val or test
    lines: Ints  #: physical line numbers, 1-based
    values: dict[str, Column]  #: raw name -> column
    steps: Ints | None = None  #: global, 1-based (None: the series has no steps, a monitor's)
    epochs: Ints | None = None
    times: Ints | None = None  #: microseconds since 1970 on the log's own clock, no zone; `NO_TIME` = unknown
    rank: int | None = None
    device_index: int | None = None


@dataclass(slots=True)
class Run:
    """What one source says of one run.  Yielded whole after each stretch read; the last word counts.

    ``name`` is what a user types (``toy_iter/20250209_031500``), derived from path and content and
    independent of where the tree lies; ``root`` is the absolute directory (or file) that the run lives in:
    two sources speak of one run when name and root agree, or fingerprint and a root above or below.
    """

    name: str
    root: str
    kind: str | None = None  #: training, serving, inference, evaluation, microbenchmark
    experiment: str | None = None  #: base name of the work_dir that chains attempts; None: the run's own name
    fingerprint: str | None = None  #: a value that only this measurement has (``qps=0.5123456789``)
    resumed_from: int | None = None  #: step of the checkpoint that the run says it continued from
    framework: str | None = None
    model: str | None = None
    dataset: str | None = None
    vendor: str | None = None
    device: str | None = None
    device_count: int | None = None
    node_count: int | None = None
    precision: str | None = None
    parallelism: str | None = None
    started_at: int | None = None  #: microseconds, as `Points.times`
    ended_at: int | None = None
    status: str | None = None  #: ``completed``, ``failed``, ``running``; None: the log does not say
    #: No run of its own: what the file says holds for every run at or below ``root`` that does not say it itself.
    covers: bool = False
    environment: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Measurement:
    """One aggregate value of a run, already in canonical name and unit; the raw text stays beside it."""

    run: str
    metric: str
    value: float | None  #: None where the source says ``None`` or a sentinel
    statistic: str = "value"  #: mean, p50 … p99, min, max, std, value
    raw_name: str = ""
    raw_value: str = ""
    unit: str | None = None  #: None: the catalogue's unit of the metric
    definition: str | None = None
    subject: str | None = None
    input_len: float | None = None
    output_len: float | None = None
    concurrency: float | None = None
    batch_size: float | None = None
    request_rate: float | None = None
    conditions: dict[str, Any] = field(default_factory=dict)
    precision: str = FULL
    line: int | None = None


@dataclass(slots=True)
class Request:
    """One request of a serving run; seconds.

    ``success`` is None where nobody says it; with an ``error`` the benchmark's end cut the request off: it neither
    completed nor failed.
    """

    run: str
    request: int
    started: float | None = None
    ttft: float | None = None
    tpot: float | None = None
    e2e: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    success: bool | None = None
    error: str | None = None
    line: int | None = None


@dataclass(slots=True)
class Event:
    """A notable line: checkpoint, resume, error, warning, oom, phase marks."""

    run: str
    kind: str
    message: str
    line: int | None = None
    time: int | None = None
    step: int | None = None
    level: str | None = None


@dataclass(slots=True)
class Issue:
    """Something that looked like data and did not parse (or does not agree), with its place and reason."""

    reason: str
    line: int | None = None
    excerpt: str = ""
    #: False: a remark on the file (a disagreement, an unknown key), not a line that failed.
    suspect: bool = True


Item = Run | Points | Measurement | Request | Event | Issue
