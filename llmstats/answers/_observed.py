"""What was measured under which conditions: values of the metrics asked for, grouped into repeats.

Runs that agree in everything they state (model, device, precision, layout, case, settings …) are repeats of one
measurement.  Attempts of one training are one: its longest attempt speaks for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from llmstats import query
from llmstats.errors import QueryError

if TYPE_CHECKING:
    import duckdb

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
_FROM_LOGS = ("tokens_per_second_per_device", "step_time")
_BESIDE = ("mfu", "memory", "accuracy", "loss")


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


@dataclass(slots=True)
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
    place: str | None = None  #: a file that says something of it

    @property
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


def groups_of(con: duckdb.DuckDBPyConnection, asked: Asked) -> list[Group]:
    """All groups of repeats; also those that state no value of the metrics asked for (their readings are empty)."""
    runs = _runs(con, asked)
    found: dict[tuple[Any, ...], Group] = {}
    silent = set(runs)
    for key, case, measure, reading in _values(con, asked, runs):
        silent.discard(key)
        group = _group(found, runs[key], case)
        group.readings.setdefault(measure, []).append(reading)
        group.runs.add(reading.run_id)
    for key in silent:
        _group(found, runs[key], {}).runs.add(runs[key]["run_id"])
    _add_beside(con, asked, runs, found.values())
    return list(found.values())


def _group(found: dict[tuple[Any, ...], Group], run: dict[str, Any], case: dict[str, Any]) -> Group:
    stated = run | {k: v for k, v in case.items() if v is not None}
    conditions = {name: stated.get(name) for name in CONDITIONS}
    head = (run["kind"], run["model"], run["device"] or run["vendor"])
    key = (*head, *(normal(name, value) for name, value in conditions.items()))
    if key not in found:
        found[key] = Group(*head[:2], run["vendor"], run["device"], conditions, place=run["place"])
    group = found[key]
    if run["versions"]:
        group.versions.add(run["versions"])
    return group


# --------------------------------------------------------------------------- reading


def _dicts(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    cursor = con.execute(sql, values)
    names = [d[0] for d in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


#: Where a configuration or a label says a condition; the first key that is there counts.
_KEYS = {
    "stage": ("stage", "Scenario"),
    "seq_length": ("seq_length", "seq_len"),
    "batch_size": ("global_batch_size", "batch_size"),
    "settings": ("fix_hp", "settings"),
    "engine": ("compiler",),
    "streaming": ("streaming", "stream"),
    "ignore_eos": ("ignore_eos", "ignore-eos"),
    "min_tokens": ("min_tokens", "min-tokens"),
    "prefix_caching": ("enable_prefix_caching", "enable-prefix-caching"),
    "dataset": ("dataset_name", "dataset"),
    "layout": ("tensor_parallel_size", "tp"),
}
#: Software that computes, as environments name it; what is no plain version gets the name before it.
_PROGRAMS = {
    "训练框架版本": "{}", "推理框架版本": "{}", "推理工具包": "{}", "torch": "torch {}", "PyTorch": "torch {}",
    "pytorch": "torch {}", "vllm": "vllm {}", "sglang": "sglang {}", "MMEngine": "mmengine {}",
    "transformers": "transformers {}", "transformers_version": "transformers {}",
}  # fmt: skip
_NUMBERS = ("seq_length", "batch_size")


def _runs(con: duckdb.DuckDBPyConnection, asked: Asked) -> dict[int, dict[str, Any]]:
    """Conditions of the runs asked for, by key; of a training's attempts only the longest."""
    sql = """
        FROM _conditions($1, $2, $3) c
        WHERE list_contains($4, c.kind) AND ($5 = '*' OR lower($5) IN (lower(c.model), lower(c.model_name))
          OR lower(c.model) GLOB lower($5) OR lower(c.model_name) GLOB lower($5))
        ORDER BY c.run_id
    """
    keys = [key for names in _KEYS.values() for key in names]
    best: dict[Any, dict[str, Any]] = {}
    for run in _dicts(con, sql, [asked.pick, keys, list(_PROGRAMS), list(asked.kinds()), asked.model]):
        training = run["kind"] == "training" and run["experiment"] is not None
        key = (run["experiment"],) if training else run["run_key"]
        if key not in best or (run["steps"], run["attempt"]) > (best[key]["steps"], best[key]["attempt"]):
            best[key] = run
    return {run["run_key"]: _complete(run, keys) for run in best.values()}


def _complete(run: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """A run with what its configuration and labels say of its conditions."""
    blank: list[str | None] = [None] * len(keys)
    said: dict[str, str] = {}
    for values in (run["configured"] or blank, run["labelled"] or blank):
        for key, value in zip(keys, values, strict=True):
            if value is not None:
                said.setdefault(key, value)
    for name, names in _KEYS.items():
        value = next((said[key] for key in names if key in said), None)
        if run.get(name) is None:
            run[name] = _number(value) if name in _NUMBERS else value
    if run["layout"] is not None and run["layout"].isdecimal():
        run["layout"] = f"tp{run['layout']}"
    installed = zip(_PROGRAMS.values(), run["installed"] or [None] * len(_PROGRAMS), strict=True)
    run["versions"] = ", ".join(words.format(version) for words, version in installed if version) or None
    return run


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _values(
    con: duckdb.DuckDBPyConnection, asked: Asked, runs: dict[int, dict[str, Any]]
) -> Iterable[tuple[int, dict[str, Any], Measure, Reading]]:
    """Finite values: run, what the value says of its case, what it is, and the value itself."""
    metrics = asked.metrics()
    yield from _stated(con, asked, metrics, runs)
    if set(metrics) & set(_FROM_LOGS):
        yield from _logged(con, asked, metrics, runs)


def _stated(
    con: duckdb.DuckDBPyConnection, asked: Asked, metrics: list[str], runs: dict[int, dict[str, Any]]
) -> Iterable[tuple[int, dict[str, Any], Measure, Reading]]:
    """Values that runs state as such; of rates a plain value is the mean."""
    for row in _dicts(
        con,
        "FROM _reported($1, $2) WHERE isfinite(value) ORDER BY run_key, metric, definition, place",
        [metrics, asked.pick],
    ):
        statistic = "mean" if row["statistic"] == "value" else row["statistic"]
        run = runs.get(row["run_key"])
        if run is None or statistic != asked.statistic or not _of_kind(asked, run["kind"], row["metric"]):
            continue
        measure = Measure(row["metric"], row["definition"], row["unit"])
        samples = None if row["samples"] is None else int(row["samples"])
        yield row["run_key"], row, measure, Reading(run["run_id"], row["value"], samples, row["place"])


def _of_kind(asked: Asked, kind: str, metric: str) -> bool:
    return asked.metric != "auto" or metric in SPEEDS[kind]


def _logged(
    con: duckdb.DuckDBPyConnection, asked: Asked, metrics: list[str], runs: dict[int, dict[str, Any]]
) -> Iterable[tuple[int, dict[str, Any], Measure, Reading]]:
    """What the steady state of a training's log gives."""
    keys = {run["run_id"]: key for key, run in runs.items() if run["kind"] == "training"}
    if not keys or asked.statistic != "mean":
        return
    for row in query.rows(con, "throughput", {"pick": asked.pick}):
        key = keys.get(row["run_id"])
        if key is None:
            continue
        place = None if row["source"] is None else f"{row['source']}:{row['line']}"
        for metric, definition, unit in (
            ("tokens_per_second_per_device", row["definition"], "token/s/device"), ("step_time", None, "s"),
        ):  # fmt: skip
            if metric in metrics and row[metric] is not None:
                measure = Measure(metric, definition, unit)
                devices = {"devices": runs[key]["devices"] or row["devices"]}
                yield key, devices, measure, Reading(row["run_id"], row[metric], row["records"], place)


def _add_beside(
    con: duckdb.DuckDBPyConnection, asked: Asked, runs: dict[int, dict[str, Any]], found: Iterable[Group]
) -> None:
    """MFU, memory, accuracy and loss of each group's runs: as stated, else as the log ends."""
    of_run: dict[str, dict[str, Any]] = {}
    if set(asked.kinds()) & {"training", "inference"}:
        for row in query.rows(con, "results", {"pick": asked.pick}):
            of_run[row["run_id"]] = {**row, "memory": row["memory_used"]}
    if "training" in asked.kinds():
        for row in _dicts(con, "FROM _ends($1)", [asked.pick]):
            if row["run_key"] in runs:
                stated = of_run.setdefault(runs[row["run_key"]]["run_id"], {})
                stated |= {k: v for k, v in row.items() if stated.get(k) is None}
    for group in found:
        for name in _BESIDE:
            values = [of_run[run].get(name) for run in sorted(group.runs) if run in of_run]
            group.beside[name] = [v for v in values if v is not None]
        group.accuracy_of = {of_run[run].get("accuracy_of") for run in group.runs if run in of_run}


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
