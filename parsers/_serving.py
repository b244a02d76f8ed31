"""What parsers of serving benchmarks share: meanings of raw names, and measurements made of them.

A tool's table of raw names gives each a `Meaning`; `measurement` turns one raw number into the canonical one.
Definitions that several tools mean alike are named here once, so that values that may be compared share an id.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

from llmstats.documents import number
from llmstats.records import FULL, Measurement, Request

#: Definitions of latency that most tools agree on (see schemas/definitions.csv).
TTFT = "ttft@first_chunk"
TPOT = "tpot@excl_first"  # (latency - ttft) / (output tokens - 1), per request
ITL = "itl@chunk_gaps"  # every gap between two chunks, of all requests together
E2E = "e2e_latency@last_chunk"

#: Statistic of a count that a tool summed up over all requests (``total_input_tokens``).
SUM = "sum"

MS = 1e-3
NS = 1e-9
PERCENT = 1e-2

_STATISTICS = {
    "mean": "mean",
    "avg": "mean",
    "average": "mean",
    "ave": "mean",
    "median": "p50",
    "std": "std",
    "stddev": "std",
    "std_dev": "std",
    "min": "min",
    "max": "max",
}
_PERCENTILE = re.compile(r"p?0*(\d{1,3}(?:\.\d+)?)(?:%|th)?")


@dataclass(frozen=True, slots=True)
class Meaning:
    """Canonical meaning of a raw name: ``value * factor`` is in the catalogue's unit of ``metric``."""

    metric: str
    definition: str | None = None
    factor: float = 1.0
    statistic: str = "value"
    subject: str | None = None

    def as_statistic(self, statistic: str) -> Meaning:
        return replace(self, statistic=statistic)


@dataclass(slots=True)
class Case:
    """Conditions that a run was asked for; None where the file does not say."""

    input_len: float | None = None
    output_len: float | None = None
    concurrency: float | None = None
    batch_size: float | None = None
    request_rate: float | None = None
    subject: str | None = None
    conditions: dict[str, Any] = field(default_factory=dict)


def statistic(text: str) -> str | None:
    """Canonical statistic of a tool's word: ``Median`` -> ``p50``, ``P99.90`` -> ``p99.9``, ``75%`` -> ``p75``."""
    word = text.strip().lower()
    if word in _STATISTICS:
        return _STATISTICS[word]
    rank = _PERCENTILE.fullmatch(word)
    if rank is None or float(rank[1]) > 100:
        return None
    return f"p{float(rank[1]):g}"


def measurement(
    run: str, meaning: Meaning, value: Any, raw_name: str, line: int, case: Case | None = None, precision: str = FULL
) -> Measurement:
    """One value in canonical unit.

    Args:
        value: as decoded (a number, a numeric text, None); what is no number becomes a value of None and
            stays readable in ``raw_value``.
    """
    case = case or Case()
    known = numeric(value)
    return Measurement(
        run=run,
        metric=meaning.metric,
        value=None if known is None else _scaled(known, meaning.factor),
        statistic=meaning.statistic,
        raw_name=raw_name,
        raw_value=value if isinstance(value, str) else json.dumps(value),
        definition=meaning.definition,
        subject=meaning.subject or case.subject,
        input_len=case.input_len,
        output_len=case.output_len,
        concurrency=case.concurrency,
        batch_size=case.batch_size,
        request_rate=case.request_rate,
        conditions=dict(case.conditions),
        precision=precision,
        line=line,
    )


def _scaled(value: float, factor: float) -> float:
    """``value * factor``; by division where that rounds better (314.58 ms are 0.31458 s)."""
    inverse = round(1 / factor) if 0 < factor < 1 else 0
    return value / inverse if inverse and abs(inverse * factor - 1) < 1e-12 else value * factor


def numeric(value: Any) -> float | None:
    """A decoded value as a number; numeric texts count, booleans do not."""
    if isinstance(value, str):
        return number(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def decimals(text: str) -> str:
    """Precision of a printed number: its decimals (``12.50`` -> ``2``)."""
    return str(len(text.partition(".")[2]))


def whole_number(value: Any) -> int | None:
    """A decoded value as a count, or None."""
    known = numeric(value)
    if known is None or not abs(known) < 2**53:
        return None
    return int(known)


def request(run: str, ordinal: int, line: int, **values: Any) -> Request:
    """One request; values that are no numbers are left out (``started``, ``ttft``, ``tpot``, ``e2e`` in seconds)."""
    item = Request(run, ordinal, line=line)
    for key in ("started", "ttft", "tpot", "e2e"):
        setattr(item, key, numeric(values.get(key)))
    item.input_tokens = whole_number(values.get("input_tokens"))
    item.output_tokens = whole_number(values.get("output_tokens"))
    error = values.get("error")
    item.error = str(error)[:2000] if error else None
    item.success = values.get("success")
    return item
