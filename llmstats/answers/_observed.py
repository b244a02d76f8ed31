"""What was measured under which conditions: values of the metrics asked for, grouped into repeats.

Runs that agree in everything they state (model, device, precision, layout, case, settings …) are repeats of one
measurement.  Attempts of one training are one: its longest attempt speaks for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from llmstats.errors import QueryError

#: Metrics that `auto` takes, by kind of run and best first; of a pair the first that both sides state.
SPEEDS = {
    "training": ("tokens_per_second_per_device", "tokens_per_second", "samples_per_second"),
    "inference": (
        "inference_throughput_core", "inference_throughput", "tokens_per_second", "output_tokens_per_second",
        "samples_per_second", "validation_throughput_core", "validation_throughput", "requests_per_second",
    ),
    "serving": ("output_tokens_per_second", "total_tokens_per_second", "requests_per_second"),
    "evaluation": ("accuracy",),
    "microbenchmark": ("achieved_flops", "achieved_ops", "bandwidth", "operator_calls_per_second"),
}  # fmt: skip
USUAL_KINDS = ("training", "inference", "serving")
#: Definition of the MFU that the query `mfu` computes; one that a run publishes is another, even one without a name.
RECOMPUTED = "mfu@recomputed"
#: What stands beside a speed.
BESIDE = ("mfu", "memory", "accuracy", "loss")


class Measure(NamedTuple):
    """What a value is: values of two measures are never compared, unless one of them states no definition."""

    metric: str
    definition: str | None
    unit: str | None


class Reading(NamedTuple):
    """One value of one run."""

    run_id: str
    value: float
    samples: int | None
    place: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a comparison is about; names may be patterns with ``*``."""

    metric: str = "auto"
    statistic: str = "mean"
    kind: str = "*"
    pick: str = "*"
    model: str = "*"

    def kinds(self) -> tuple[str, ...]:
        if self.kind == "*":
            return USUAL_KINDS
        if self.kind not in SPEEDS:
            raise QueryError(f"--kind {self.kind!r}: one of {', '.join(SPEEDS)} is needed, or *")
        return (self.kind,)

    def metrics(self) -> list[str]:
        """Names to look for; a system's rate and that of one device are the same metric at two scales."""
        if self.metric != "auto":
            return [self.metric]
        return sorted({m for kind in self.kinds() for m in SPEEDS[kind]})


@dataclass
class Group:
    """Repeats: runs of one device on one model that agree in all conditions that they state."""

    kind: str
    model: str | None
    vendor: str | None
    device: str | None
    conditions: dict[str, Any]
    readings: dict[Measure, list[Reading]] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    beside: dict[str, list[float]] = field(default_factory=dict)
    accuracy_of: set[str | None] = field(default_factory=set)
    mfu_definition: str | None = None
    doubts: set[str] = field(default_factory=set)  #: why its speed cannot be right
    success: float | None = None  #: smallest share of completed requests of its runs
    place: str | None = None  #: a file that says something of it

    @cached_property
    def normal(self) -> dict[str, Any]:
        """Conditions in a form in which different spellings of the same are equal."""
        return {name: normal(name, value) for name, value in self.conditions.items()}

    @cached_property
    def name(self) -> str:
        """Vendor and device, each once."""
        words = [self.vendor or "", self.device or ""]
        if words[0].lower() in words[1].lower():
            words = words[1:]
        return " ".join(w for w in words if w) or "not stated"


#: Conditions that make up a case or a configuration; equal in all of them = repeats.
CONDITIONS = (
    "model_name", "task", "input_len", "output_len", "concurrency", "request_rate", "output_len_mode", "conditions",
    "subject", "stage", "dataset", "seq_length", "precision", "layout", "devices", "nodes", "batch_size",
    "settings", "engine", "framework", "streaming", "ignore_eos", "min_tokens", "prefix_caching",
)  # fmt: skip


# --------------------------------------------------------------------------- normal forms

_SIZES = re.compile(r"([a-z_]+?)[_=\s]*(\d+)")


def normal(name: str, value: Any) -> Any:
    """A condition in a form in which different spellings of the same are equal."""
    if value is None or isinstance(value, (int, float)):
        return value
    text = str(value).lower()
    if name == "layout":
        sizes = {key: int(n) for key, n in _SIZES.findall(text) if int(n) > 1}
        sizes.pop("dp", None)  # follows from the number of devices and the others
        return tuple(sorted(sizes.items())) if sizes or _SIZES.search(text) else text
    if name == "precision":
        return _PRECISIONS.get(text, text)
    if name == "model_name":
        text = text.replace("\\", "/").rstrip("/").rpartition("/")[2].removesuffix("-hf")
    if name in ("dataset", "settings", "model_name"):
        return re.sub(r"[\W_]+", "", text)
    return text


_PRECISIONS = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32"}
