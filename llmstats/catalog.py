"""The catalogues of metrics, devices and models: the CSV files of `schemas/`, read once.

A metric is catalogued before it is compared: its canonical name, its unit in the store, and which direction is good.
A metric that is not here is kept under its raw name and with the unit that its log wrote.

A figure of a device has a source, or it is not there: `schemas/references.csv` names the documents, and the column
``source`` of `schemas/devices.csv` says which of them a row is from: one name for all of its figures, then
``FIGURE=NAME`` where one is from elsewhere (``a100 tdp=flagperf``; ``bf16`` stands for ``peak_bf16``).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

METRICS, DEFINITIONS = "metrics.csv", "definitions.csv"
DEVICES, MODELS, REFERENCES = "devices.csv", "models.csv", "references.csv"

#: The figures of a device, as the store names them.
FIGURES = (
    "memory", "peak_fp64", "peak_fp32", "peak_tf32", "peak_bf16", "peak_fp16", "peak_fp8", "peak_int8",
    "memory_bandwidth", "tdp",
)  # fmt: skip


class Metric(NamedTuple):
    """One row of the catalogue.  ``direction``: ``lower`` or ``higher`` is better, or ``none``."""

    name: str
    unit: str | None  #: None: a pure number
    direction: str
    description_en: str
    description_zh: str


def text_of(name: str) -> str:
    """A catalogue file as text (UTF-8)."""
    return files("llmstats.schemas").joinpath(name).read_text(encoding="utf-8")


@cache
def metrics() -> dict[str, Metric]:
    """All catalogued metrics by canonical name."""
    rows = csv.DictReader(io.StringIO(text_of(METRICS)))
    found = (
        Metric(r["name"], r["unit"] or None, r["direction"], r["description_en"], r["description_zh"]) for r in rows
    )
    return {m.name: m for m in found}


class Definition(NamedTuple):
    """One of several meanings of a metric; ``name`` is ``WHAT@MEANING``, as ``tpot@guidellm``."""

    name: str
    description_en: str
    description_zh: str


@cache
def definitions() -> dict[str, Definition]:
    """All catalogued definitions by name."""
    rows = csv.DictReader(io.StringIO(text_of(DEFINITIONS)))
    return {r["name"]: Definition(r["name"], r["description_en"], r["description_zh"]) for r in rows}


def unit_of(metric: str) -> str | None:
    """Unit in which the store keeps a metric; None for a pure number and for what nobody catalogued."""
    known = metrics().get(metric)
    return known.unit if known else None


def _rows(name: str) -> list[dict[str, str | None]]:
    return [{k: v or None for k, v in row.items()} for row in csv.DictReader(io.StringIO(text_of(name)))]


class Reference(NamedTuple):
    """A document that figures are from.

    ``kind``: ``vendor`` (the vendor's own file), ``reproduced`` (a vendor's sheet as others quote it) or ``secondary``
    (somebody else's statement); ``seen``: the day on which it was read.
    """

    name: str
    kind: str
    title: str
    address: str
    seen: str

    def __str__(self) -> str:
        return f"{self.title}; {self.address} ({self.kind}, seen {self.seen})"


@cache
def references() -> dict[str, Reference]:
    """All documents by name."""
    return {r["name"]: Reference(**r) for r in csv.DictReader(io.StringIO(text_of(REFERENCES)))}


@cache
def devices() -> tuple[dict[str, str | None], ...]:
    """Catalogued devices, as the table ``devices`` holds them.

    Peaks in FLOP/s (OP/s for integers) without sparsity, memory in bytes, bandwidth in bytes/s, board power in W, all
    of one card; ``parts`` is how many devices software shows of it.  ``sources`` is JSON: the document of each figure.
    """
    return tuple(_sourced(row) for row in _rows(DEVICES))


def _sourced(row: dict[str, str | None]) -> dict[str, str | None]:
    said = dict(_source_of(word) for word in (row["source"] or "").split())
    each = {f: str(references()[said.get(f) or said[""]]) for f in FIGURES if row[f] is not None}
    return row | {"source": " | ".join(dict.fromkeys(each.values())) or None, "sources": json.dumps(each)}


def _source_of(word: str) -> tuple[str, str]:
    """``tdp=flagperf`` as a pair; ``a100`` alone stands for all other figures."""
    figure, _, name = word.rpartition("=")
    return (figure if figure in ("", *FIGURES) else f"peak_{figure}"), name


@cache
def models() -> tuple[dict[str, str | None], ...]:
    """Catalogued models, as the table ``models`` holds them.

    ``parameters`` counts all, embeddings included; ``active_parameters`` those that one token meets (MoE only);
    ``nominal`` is the round figure that benchmark scripts put in their place.  ``attention_width`` is heads times the
    mean of the sizes of a query-key and a value head.
    """
    return tuple(_rows(MODELS))


def table(rows: Sequence[Mapping[str, str | None]], columns: Sequence[str]) -> list[tuple[str | float | None, ...]]:
    """Rows of a catalogue with numbers as numbers."""
    return [tuple(row[c] if c in _TEXTS else _number(row[c]) for c in columns) for row in rows]


_TEXTS = {"vendor", "model", "name", "aliases", "source", "note"}


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def fingerprint() -> str:
    """Changes whenever a catalogue changes."""
    texts = "\0".join(map(text_of, (METRICS, DEFINITIONS, DEVICES, MODELS, REFERENCES)))
    return hashlib.sha256(texts.encode()).hexdigest()[:16]
