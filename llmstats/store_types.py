"""What ingest and the store say to each other.  No heavy import: planning an unchanged tree uses only this.

Ingest asks `Store.known` what is there, reads files, and hands over `Delta` objects; the store answers with an
`Outcome`.  A `Delta` is one source's part of one commit: a large file comes as a ``replace`` (or ``append``)
followed by ``append`` deltas, one per commit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from llmstats.records import Event, Floats, Ints, Issue, Measurement, Request, Run

#: Modes of a `Delta`.
REPLACE, APPEND, TOUCH, MOVE = "replace", "append", "touch", "move"

#: Columns of ``source_rows`` that `Delta.columns` may set; ``blocks``, ``state``, ``labels`` as JSON-able values.
SOURCE_COLUMNS = (
    "format",
    "status",
    "duplicate_of",  # path of the source that holds the rows
    "detected_by",
    "encoding",
    "size_bytes",
    "content_hash",
    "bytes_read",
    "lines_total",
    "lines_matched",
    "lines_suspect",
    "parser_version",
    "error",
    "mtime_ns",
    "inode",
    "device",
    "blocks",
    "state",
    "labels",
    "container",
)
JSON_COLUMNS = ("blocks", "state", "labels")


@dataclass(slots=True)
class SeriesColumn:
    """One metric of a `CanonicalPoints`: ``values`` float64 of shape (n,), in canonical units, NaN and Inf kept."""

    metric: str  #: canonical name, or the raw one where no canonical name is known
    raw_name: str
    unit: str | None
    definition: str | None
    precision: str  #: ``full``, or decimals of the *raw* value as text (``4``, ``4e``); empty: not known (all NaN)
    values: Floats
    nulls: npt.NDArray[np.bool_] | None = None  #: shape (n,): True where the value is a sentinel, NULL in the store


@dataclass(slots=True)
class CanonicalPoints:
    """Values of one run, phase and rank that stand on the same lines; every array has shape (n,)."""

    run: str  #: `Run.name` within the source
    phase: str
    lines: Ints
    series: list[SeriesColumn]
    steps: Ints | None = None
    epochs: Ints | None = None
    times: Ints | None = None  #: microseconds on the log's own clock; `records.NO_TIME` where unknown
    rank: int | None = None
    device_index: int | None = None


if TYPE_CHECKING:
    StoreItem: TypeAlias = Run | CanonicalPoints | Measurement | Request | Event | Issue


@dataclass(slots=True)
class Delta:
    """One source's contribution to one commit.

    ``replace`` drops everything of the source first; ``append`` adds; ``touch`` changes only columns of
    ``source_rows`` (stat, labels); ``move`` says that the source known as ``from_path`` now lies at ``path``: the
    roots of its runs follow.
    """

    path: str
    mode: str
    #: (bytes_read, content_hash) that this was computed against; None: the source was not known (``move``: any).  A
    #: different row in the store means that another ingest was faster: the delta is refused, `Outcome.conflicts`.
    expected: tuple[int, str] | None
    #: See `SOURCE_COLUMNS`.  Those left out stay as they are, after ``replace`` they are NULL.
    columns: dict[str, Any] = field(default_factory=dict)
    items: list[StoreItem] = field(default_factory=list)
    from_path: str | None = None


class Known(NamedTuple):
    """What the store knows of a source; the JSON texts are decoded only when asked for."""

    source_key: int
    path: str
    size: int
    mtime_ns: int | None
    inode: int | None
    device: int | None
    bytes_read: int
    content_hash: str | None
    status: str | None
    format: str | None
    parser_version: str | None
    encoding: str | None
    lines_total: int
    duplicate_of: str | None
    container: str | None
    blocks_json: str | None
    state_json: str | None
    labels_json: str | None

    @property
    def expected(self) -> tuple[int, str]:
        """What `Delta.expected` is to be for a delta computed against this row."""
        return (self.bytes_read, self.content_hash or "")

    @property
    def blocks(self) -> list[Any]:
        """Hashes of the 4 MiB blocks read so far."""
        return json.loads(self.blocks_json) if self.blocks_json else []

    @property
    def state(self) -> Any:
        """The parser's state to resume from; None where there is none."""
        return json.loads(self.state_json) if self.state_json else None

    @property
    def labels(self) -> dict[str, str]:
        return json.loads(self.labels_json) if self.labels_json else {}


class Container(NamedTuple):
    """Stat of an archive whose members are sources of their own."""

    path: str
    size: int
    mtime_ns: int
    inode: int | None
    device: int | None


class Conflict(NamedTuple):
    """A delta that was refused, with the reason."""

    path: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """What one commit did; counts of rows added."""

    source_keys: dict[str, int] = field(default_factory=dict)  #: path -> key, of the deltas taken
    run_ids: list[str] = field(default_factory=list)  #: runs touched, as they are called now
    conflicts: list[Conflict] = field(default_factory=list)
    points: int = 0
    measurements: int = 0
    requests: int = 0
    events: int = 0
    issues: int = 0


@dataclass(slots=True)
class Forgotten:
    """What `Store.forget` removed."""

    sources: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
