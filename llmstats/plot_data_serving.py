"""The numbers behind the pictures of serving: which rows are one system, one case, one sweep.  Nothing here draws."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from llmstats.errors import InputError
from llmstats.plot_data import ask, count, grouped, nothing_to_draw, parameters_of, written

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection
    Row = Mapping[str, Any]

T = TypeVar("T")

#: What tells systems of one model and device apart in a name, where it differs.
_DETAILS = ("framework", "precision", "parallelism", "apart")


# --------------------------------------------------------------------------- names


def system_names(rows: Sequence[Row], definitions: Sequence[str] = ()) -> list[str]:
    """A name for the system of each row: its model and device, and whatever else differs between the rows.

    ``definitions`` are texts, one per row, that say what the values mean; values of two meanings must not be compared
    unseen.  A failed row has no values and so no definition: it is one of its system's, if that has but one.  Systems
    that do not say their model or device are told apart by their folder.
    """
    varied = [name for name in _DETAILS if len({row.get(name) for row in rows}) > 1]
    names = [_named(row, varied) for row in rows]
    texts = _meanings(names, definitions) if len({text for text in definitions if text}) > 1 else [""] * len(rows)
    folders: dict[str, set[str]] = {}
    for name, row in zip(names, rows, strict=True):
        if row["model"] is None or row["device"] is None:
            folders.setdefault(name, set()).add(_folder(row))
    tails = {name: _tails(found) for name, found in folders.items() if len(found) > 1}
    places = [f"in {tails[n][_folder(row)]}" if n in tails else "" for n, row in zip(names, rows, strict=True)]
    return [", ".join(filter(None, parts)) for parts in zip(names, places, texts, strict=True)]


def _meanings(names: Sequence[str], definitions: Sequence[str]) -> list[str]:
    known: dict[str, set[str]] = {}
    for name, text in zip(names, definitions, strict=True):
        known.setdefault(name, set()).update({text} - {""})
    return [
        text or (next(iter(known[name])) if len(known[name]) == 1 else "")
        for name, text in zip(names, definitions, strict=True)
    ]


def _named(row: Row, varied: Sequence[str]) -> str:
    own = [str(row[name]) for name in varied if row.get(name) is not None]
    return ", ".join([_model_and_device(row), *own])


def _model_and_device(row: Row) -> str:
    devices = f"{row['device_count']} × " if row["device_count"] else ""
    return f"{row['model'] or 'model not known'} on {devices}{row['device'] or 'device not known'}"


def _folder(row: Row) -> str:
    return os.path.dirname(row["source"] or "")


def _tails(folders: Iterable[str]) -> dict[str, str]:
    """Of each folder as many of its last names as tell all of them apart."""
    parts = {folder: folder.split("/") for folder in folders}
    for n in range(1, max((len(p) for p in parts.values()), default=1) + 1):
        tails = {folder: "/".join(p[-n:]) for folder, p in parts.items()}
        if len(set(tails.values())) == len(tails):
            break
    return tails


def case_name(row: Row) -> str:
    """The lengths of a row in words, and its dataset where there are no lengths."""
    sizes = [f"{row[k]:,.0f}" if row[k] is not None else "?" for k in ("input_len", "output_len")]
    if sizes == ["?", "?"]:
        return f"dataset {row['dataset']}" if row["dataset"] else "lengths not known"
    return f"{sizes[0]} tokens in, {sizes[1]} out"


def by_case(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """Rows (with their ``case``) by case: shorter inputs first; those of unknown length last."""
    ordered = sorted(rows, key=lambda r: (r["input_len"] or np.inf, r["output_len"] or np.inf, r["case"]))
    return list(grouped(ordered, "case").items())


@dataclass(slots=True)
class Panel:
    """The rows of one case, by system."""

    name: str
    systems: dict[str, list[Row]]


def by_panel(rows: Iterable[Row]) -> list[Panel]:
    """Rows (with their ``case`` and ``system``) as panels, in the order of `by_case`."""
    return [Panel(case, grouped(mine, "system")) for case, mine in by_case(rows)]


def fullest(cases: Sequence[T], size: Callable[[T], Any], most: int) -> list[T]:
    """The ``most`` cases of the greatest size, in their order."""
    by_size = sorted(range(len(cases)), key=lambda i: size(cases[i]), reverse=True)
    return [cases[i] for i in sorted(by_size[:most])]


def scope_words(rows: Iterable[Row]) -> str:
    """Of what the throughput of rows is; nothing where they differ."""
    scopes = {row["per"] for row in rows}
    return {"device": " per device", "system": " of the whole system"}[scopes.pop()] if len(scopes) == 1 else ""


# --------------------------------------------------------------------------- sweeps


@dataclass(slots=True)
class Sweep:
    """One system in one case, by load; NaN where a value is not known."""

    system: str
    load: list[float]  #: ascending
    speed: list[float]  #: output tokens per second, see `Cells.scope`
    ttft_p50: list[float]  #: seconds
    ttft_p99: list[float]
    failed: list[float]  #: loads of cells that failed


@dataclass(slots=True)
class Case:
    """One pair of input and output length."""

    name: str
    sweeps: list[Sweep]


@dataclass(slots=True)
class Cells:
    """All that the picture of serving shows."""

    load: str  #: what load is: concurrent requests, or requests per second
    systems: list[str]
    cases: list[Case]
    placeless: list[str]  #: runs, failed ones mostly, that do not say their load
    footer: list[str]
    scope: str = "of the whole system"  #: of the throughput, or ``per device``


_LOADS = {"concurrency": "concurrent requests", "request_rate": "requests sent per second"}


def cells(con: Connection, given: Mapping[str, str]) -> Cells:
    """What the picture of serving shows.

    Raises:
        InputError: nothing to draw.
    """
    text = {**parameters_of("serving"), **given}
    rows = ask(con, "serving", given)
    if not rows:
        raise _no_cells(con, text)
    return arranged(rows, text)


def arranged(rows: Sequence[Row], text: Mapping[str, str]) -> Cells:
    """Rows of the query ``serving`` as sweeps; see `cells`.

    Throughput is that of the system; where some state it per device alone, that of a device.
    """
    each = any(row["output_tokens_per_second"] is None and _per_device(row) is not None for row in rows)
    rows = [{**row, "speed": _per_device(row) if each else row["output_tokens_per_second"]} for row in rows]
    load = next((kind for kind in _LOADS if any(_placed(row, kind) and not _failed(row) for row in rows)), None)
    if load is None:
        raise InputError(
            "nothing to draw: no serving run asked for has both an output throughput and a concurrency "
            "(llmstats ingest --label concurrency=8 says it for logs that do not)"
        )
    systems = system_names(rows, ["" if _failed(row) else row["tps_definition"] or "" for row in rows])
    named = [{**row, "system": system, "case": case_name(row)} for row, system in zip(rows, systems, strict=True)]
    placed = [row for row in named if _placed(row, load)]
    cases = [
        Case(name, [_sweep(*of, load) for of in grouped(mine, "system").items()]) for name, mine in by_case(placed)
    ]
    placeless = [row["run_id"] + (" (failed)" if _failed(row) else "") for row in named if not _placed(row, load)]
    scope = "per device" if each else "of the whole system"
    names = sorted({row["system"] for row in placed})
    return Cells(_LOADS[load], names, cases, placeless, _cells_footer(rows, text), scope)


def _per_device(row: Row) -> float | None:
    value: float | None = row["output_tokens_per_second_per_device"]
    return value


def _no_cells(con: Connection, text: Mapping[str, str]) -> InputError:
    other = [f"--{name} {text[name]!r}" for name in ("model", "device") if text[name] != "*"]
    if other:
        return InputError(f"nothing to draw: no serving run matches {' and '.join(other)} (llmstats runs lists them)")
    return nothing_to_draw(con, text["pick"], "serving")


def _failed(row: Row) -> bool:
    speed = row["speed"]
    return row["status"] == "failed" or speed is None or not np.isfinite(speed)


def _placed(row: Row, load: str) -> bool:
    """An infinite request rate (all at once) has no place on an axis."""
    return row[load] is not None and 0 < row[load] < np.inf


def _sweep(system: str, rows: Sequence[Row], load: str) -> Sweep:
    """By load; of repeated measurements of one cell the median."""
    good = sorted(grouped([r for r in rows if not _failed(r)], load).items(), key=lambda of: float(of[0]))
    speed, p50, p99 = ([_median([r[k] for r in cell]) for _, cell in good] for k in ("speed", "ttft_p50", "ttft_p99"))
    failed = sorted({float(r[load]) for r in rows if _failed(r)})
    return Sweep(system, [float(x) for x, _ in good], speed, p50, p99, failed)


def _median(values: Sequence[float | None]) -> float:
    finite = [v for v in values if v is not None and np.isfinite(v)]
    return float(np.median(finite)) if finite else float("nan")


def _cells_footer(rows: Sequence[Row], text: Mapping[str, str]) -> list[str]:
    failed = sum(_failed(row) for row in rows)
    definitions = sorted({row[k] for row in rows for k in ("tps_definition", "ttft_definition") if row[k]})
    said = ", ".join(definitions) or "not stated"
    return [
        f"{count(len(rows), 'run')}, {failed:,} failed or without throughput; definitions: {said}",
        f"the same in numbers: {written('serving', text)}",
    ]
