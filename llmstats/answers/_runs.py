"""Reading the store for a comparison: runs with their conditions, values of the metrics, what stands beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from llmstats import query
from llmstats.answers._observed import BESIDE, CONDITIONS, RECOMPUTED, SPEEDS, Asked, Group, Measure, Reading, normal
from llmstats.catalog import unit_of

if TYPE_CHECKING:
    import duckdb

Rows = list[dict[str, Any]]
Runs = dict[int, dict[str, Any]]
#: Run, what the value says of its case, what it is, the value itself.
_Value = tuple[int, dict[str, Any], Measure, Reading]


def groups_of(con: duckdb.DuckDBPyConnection, asked: Asked) -> list[Group]:
    """All groups of repeats; also those that state no value of the metrics asked for (their readings are empty)."""
    runs = _runs(con, asked)
    named = [run for run in runs.values() if run["model"] and (run["device"] or run["vendor"])]  # others become no pair
    serves = any(run["kind"] == "serving" for run in named)
    cells = query.rows(con, "serving", {"pick": asked.pick, "statistic": asked.statistic}) if serves else []
    sized = any(run["sized"] and run["kind"] in ("training", "inference") for run in named)
    used = query.rows(con, "mfu", {"pick": asked.pick}) if sized else []
    logs = _logs(con, asked, runs, used)
    found: dict[tuple[Any, ...], Group] = {}
    silent = set(runs)
    for key, case, measure, reading in _values(con, asked, runs, cells, logs, used):
        silent.discard(key)
        group = _group(found, runs[key], case)
        group.readings.setdefault(measure, []).append(reading)
        group.runs.add(reading.run_id)
    for key in silent:
        _group(found, runs[key], {}).runs.add(runs[key]["run_id"])
    _add_beside(_beside(con, asked, runs, used), cells, found.values())
    return list(found.values())


def _group(found: dict[tuple[Any, ...], Group], run: dict[str, Any], case: dict[str, Any]) -> Group:
    stated = run | {k: v for k, v in case.items() if v is not None}
    conditions = {name: stated.get(name) for name in CONDITIONS}
    # what a microbenchmark is about is the operator or the measurement, as in `results`
    model = run["model"] or (stated.get("subject") if run["kind"] == "microbenchmark" else None)
    head = (run["kind"], model, run["device"] or run["vendor"])
    key = (*head, *(normal(name, value) for name, value in conditions.items()))
    if key not in found:
        found[key] = Group(*head[:2], run["vendor"], run["device"], conditions, place=run["place"])
    group = found[key]
    if run["versions"]:
        group.versions.add(run["versions"])
    return group


# --------------------------------------------------------------------------- reading


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


def _runs(con: duckdb.DuckDBPyConnection, asked: Asked) -> Runs:
    """Conditions of the runs asked for, by key; of a training's attempts only the longest."""
    sql = """
        FROM _conditions($1, $2, $3) c
        WHERE list_contains($4, c.kind) AND ($5 = '*' OR lower($5) IN (lower(c.model), lower(c.model_name))
          OR lower(c.model) GLOB lower($5) OR lower(c.model_name) GLOB lower($5))
        ORDER BY c.run_id
    """
    keys = [key for names in _KEYS.values() for key in names]
    best: dict[Any, dict[str, Any]] = {}
    for run in query.fetched(con, sql, [asked.pick, keys, list(_PROGRAMS), list(asked.kinds()), asked.model]):
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
    con: duckdb.DuckDBPyConnection, asked: Asked, runs: Runs, cells: Rows, logs: Rows, used: Rows
) -> Iterable[_Value]:
    """Finite values: run, what the value says of its case, what it is, and the value itself."""
    metrics = asked.metrics()
    computed = list(_recomputed(asked, runs, used))
    yield from computed
    settled = {run for run, *_ in computed}
    yield from (value for value in _stated(con, asked, metrics, runs) if value[0] not in settled)
    yield from _logged(asked, metrics, runs, logs)
    yield from _added_up(cells, metrics, runs)


def _stated(con: duckdb.DuckDBPyConnection, asked: Asked, metrics: list[str], runs: Runs) -> Iterable[_Value]:
    """Values that runs state as such; of rates a plain value is the mean."""
    sql = "FROM _reported($1, $2) WHERE isfinite(value) ORDER BY run_key, metric, definition, place"
    for row in query.fetched(con, sql, [metrics, asked.pick]):
        statistic = "mean" if row["statistic"] == "value" else row["statistic"]
        run = runs.get(row["run_key"])
        if run is None or statistic != asked.statistic or not _of_kind(asked, run["kind"], row["metric"]):
            continue
        measure = Measure(row["metric"], row["definition"], row["unit"])
        samples = None if row["samples"] is None else int(row["samples"])
        yield row["run_key"], row, measure, Reading(run["run_id"], row["value"], samples, row["place"])


#: Words of the column `settings` of `mfu`, and the conditions that they are.
_SETTINGS = {"input": "input_len", "output": "output_len", "concurrency": "concurrency", "batch": "batch_size"}


def _recomputed(asked: Asked, runs: Runs, used: Rows) -> Iterable[_Value]:
    """MFU as `mfu` recomputes it; what a run publishes itself stands only where there is none."""
    if (asked.metric, asked.statistic) != ("mfu", "mean"):
        return
    keys = {run["run_id"]: key for key, run in runs.items() if run["kind"] in ("training", "inference")}
    for row in used:
        if row["mfu"] is not None and row["run_id"] in keys:
            measure = Measure("mfu", RECOMPUTED, unit_of("mfu"))
            reading = Reading(row["run_id"], row["mfu"], None, row["source"])
            words = (part.split() for part in (row["settings"] or "").split("; ") if part)
            yield keys[row["run_id"]], {_SETTINGS[name]: float(n) for name, n in words}, measure, reading


def _of_kind(asked: Asked, kind: str, metric: str) -> bool:
    return asked.metric != "auto" or metric in SPEEDS[kind]


def _logged(asked: Asked, metrics: list[str], runs: Runs, logs: Rows) -> Iterable[_Value]:
    """What the steady state of a training's log gives."""
    keys = {run["run_id"]: key for key, run in runs.items() if run["records"]}
    for row in logs if asked.statistic == "mean" else []:
        key = keys.get(row["run_id"])
        for metric, definition, unit in (
            ("tokens_per_second_per_device", row["definition"], "token/s/device"), ("step_time", None, "s"),
        ):  # fmt: skip
            if key is not None and metric in metrics and row.get(metric) is not None:
                devices = {"devices": runs[key]["devices"] or row["devices"]}
                reading = Reading(row["run_id"], row[metric], runs[key]["records"], row["place"])
                yield key, devices, Measure(metric, definition, unit), reading


def _logs(con: duckdb.DuckDBPyConnection, asked: Asked, runs: Runs, used: Rows) -> Rows:
    """Steady states of the training logs, with place: those that `mfu` has looked up already, else of `throughput`."""
    if not {"tokens_per_second_per_device", "step_time"} & set(asked.metrics()):
        return []
    if used and asked.metric != "step_time":
        logged = [row for row in used if (row["throughput_definition"] or "").startswith(_STEADY)]
        return [{**row, "definition": row["throughput_definition"], "place": row["source"]} for row in logged]
    if not any(run["records"] for run in runs.values()):
        return []
    return [{**row, "place": row["source"]} for row in query.rows(con, "throughput", {"pick": asked.pick})]


#: Definitions that `throughput` gives.
_STEADY = ("harmonic_mean(", "tgs@tokens_over_time", "tgs@config_batch")


def _added_up(cells: Rows, metrics: list[str], runs: Runs) -> Iterable[_Value]:
    """What the requests of serving runs add up to where nobody stated it; of others the values are there already."""
    keys = {run["run_id"]: key for key, run in runs.items()}
    for row in cells:
        for metric, (column, name, unit) in _SUMS.items():
            value, definition = row[column], row[name]
            if metric in metrics and value is not None and definition == f"{metric}@requests" and row["run_id"] in keys:
                reading = Reading(row["run_id"], value, None, row["source"])
                case = {k: row[k] for k in ("input_len", "output_len", "concurrency", "request_rate")}
                yield keys[row["run_id"]], case, Measure(metric, definition, unit), reading


#: Columns of `serving` that may be computed from requests: value, definition, unit.
_SUMS = {
    "output_tokens_per_second": ("output_tokens_per_second", "tps_definition", "token/s"),
    "total_tokens_per_second": ("total_tokens_per_second", "total_definition", "token/s"),
    "ttft": ("ttft", "ttft_definition", "s"),
    "tpot": ("tpot", "tpot_definition", "s"),
    "e2e_latency": ("e2e", "e2e_definition", "s"),
}


# --------------------------------------------------------------------------- beside the speed


def _add_beside(of_run: dict[str, dict[str, Any]], cells: Rows, found: Iterable[Group]) -> None:
    """MFU (recomputed where it can be), memory, accuracy and loss: as the runs state them, else as their logs end."""
    served: dict[str, float] = {}
    for cell in cells:
        if cell["success"] is not None:
            served[cell["run_id"]] = min(cell["success"], served.get(cell["run_id"], 1.0))
    for group in found:
        mine = [of_run[run] for run in sorted(group.runs) if run in of_run]
        for name in BESIDE:
            group.beside[name] = [m[name] for m in mine if m.get(name) is not None]
        computed = [m["recomputed"] for m in mine if m.get("recomputed") is not None]
        stated = {m["mfu_definition"] for m in mine if m.get("mfu_definition")}
        group.beside["mfu"] = computed or group.beside["mfu"]
        group.mfu_definition = RECOMPUTED if computed else "; ".join(sorted(stated)) or None
        group.accuracy_of = {m.get("accuracy_of") for m in mine}
        group.doubts = {m["flag"] for m in mine if "above the peak" in (m.get("flag") or "")}
        group.success = min((served[run] for run in group.runs if run in served), default=None)


def _beside(con: duckdb.DuckDBPyConnection, asked: Asked, runs: Runs, used: Rows) -> dict[str, dict[str, Any]]:
    """By run: what it states of itself, what its log ends with, and its recomputed MFU."""
    of_run: dict[str, dict[str, Any]] = {}
    mine = [run for run in runs.values() if run["kind"] in ("training", "inference")]
    for row in query.rows(con, "results", {"pick": asked.pick}) if mine else []:
        of_run[row["run_id"]] = {**row, "memory": row["memory_used"]}
        if row["mfu_max"] is not None and row["mfu_max"] != row["mfu"]:  # a range (over two peaks) is no value
            of_run[row["run_id"]] |= {"mfu": None, "mfu_definition": None}
    for row in query.fetched(con, "FROM _ends($1)", [asked.pick]) if any(run["records"] for run in mine) else []:
        if row["run_key"] in runs:
            stated = of_run.setdefault(runs[row["run_key"]]["run_id"], {})
            stated |= {k: v for k, v in row.items() if stated.get(k) is None}
    for row in used:
        if row["kind"] in ("training", "inference"):
            of_run.setdefault(row["run_id"], {}).update(recomputed=row["mfu"], flag=row["flag"])
    return of_run
