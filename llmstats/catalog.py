"""The catalogues of metrics and devices: `schemas/metrics.csv` and `schemas/devices.csv`, read once.

A metric is catalogued before it is compared: its canonical name, its unit in the store, and which direction is good.
A metric that is not here is kept under its raw name and with the unit that its log wrote.
"""

from __future__ import annotations

import csv
import hashlib
import io
from functools import cache
from importlib.resources import files
from typing import NamedTuple

METRICS, DEFINITIONS, DEVICES = "metrics.csv", "definitions.csv", "devices.csv"


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


def devices() -> list[dict[str, str | None]]:
    """Catalogued devices; peaks in FLOP/s (OP/s for integers) dense, memory in bytes, each with its source."""
    return [{k: v or None for k, v in row.items()} for row in csv.DictReader(io.StringIO(text_of(DEVICES)))]


def fingerprint() -> str:
    """Changes whenever a catalogue changes."""
    texts = "\0".join(map(text_of, (METRICS, DEFINITIONS, DEVICES)))
    return hashlib.sha256(texts.encode()).hexdigest()[:16]
