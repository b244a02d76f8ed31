"""Raw names and units to canonical ones: the only place where a value is rescaled.

A parser says what its raw names mean (`parsing.Name`); the catalogue says in which unit a metric is kept.  What
nobody catalogued keeps its raw name, its number and the unit that the log wrote.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from llmstats.catalog import unit_of
from llmstats.parsing import Parser
from llmstats.records import COCO_SCORE, Column, Points
from llmstats.store_types import CanonicalPoints, SeriesColumn


def canonical(parser: Parser, points: Points) -> CanonicalPoints:
    """The store's form of one `Points`."""
    return CanonicalPoints(
        run=points.run,
        phase=points.phase,
        lines=points.lines,
        series=[_series(parser, points.phase, raw, column) for raw, column in points.values.items()],
        steps=points.steps,
        epochs=points.epochs,
        times=points.times,
        rank=points.rank,
        device_index=points.device_index,
    )


def _series(parser: Parser, phase: str, raw: str, column: Column) -> SeriesColumn:
    name = parser.canonical(raw, phase)
    values = column.values if name.factor == 1.0 else column.values * name.factor
    return SeriesColumn(
        metric=name.metric,
        raw_name=raw,
        unit=unit_of(name.metric) or column.unit or None,
        definition=name.definition,
        precision=column.precision,
        values=values,
        nulls=_sentinels(raw, column),
    )


def _sentinels(raw: str, column: Column) -> npt.NDArray[np.bool_] | None:
    """Where a value is a sentinel and no number: NULL in the store, its text stays in the file."""
    if not COCO_SCORE.search(raw):
        return None
    nulls = column.values == -1.0
    return nulls if nulls.any() else None
