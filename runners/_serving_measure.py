"""From answers to numbers, each with the id of its definition (schemas/definitions.csv).

Only requests that succeeded enter times and token counts, as in ``vllm bench serve``, whose definitions these are:

- ``ttft``: sending to first chunk with text; ``e2e_latency``: sending to last event with choices;
- ``tpot``: (e2e - ttft) / (output tokens - 1), per request; ``itl``: gaps between chunks, all requests pooled;
- tokens: the server's ``usage``, else the text tokenized again; chunks are counted apart;
- throughput: over the time from the first request to the last answer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ._serving_stream import Answer

PERCENTILES = (1, 25, 50, 75, 90, 95, 99)
_BY = "usage_or_retokenized"


class Measured(NamedTuple):
    """One number; ``n`` values are behind it."""

    metric: str
    statistic: str
    value: float
    definition: str | None = None
    n: int | None = None


@dataclass(frozen=True)
class Times:
    """One request in seconds and tokens; None where it did not come to that."""

    ttft: float | None
    tpot: float | None
    e2e: float | None
    input_tokens: int
    input_by: str  #: ``usage`` or ``tokenizer``
    output_tokens: int
    output_by: str
    cached_tokens: int | None  #: prompt tokens that the server had in its prefix cache


def times(answer: Answer, count: Callable[[str], int]) -> Times:
    """What one answer took.

    Args:
        count: tokens of a text, asked where the server counts none.
    """
    usage = answer.usage or {}
    output, said = usage.get("completion_tokens"), usage.get("prompt_tokens")
    by = "usage" if isinstance(output, int) else "tokenizer"
    tokens = output if isinstance(output, int) else count("".join(answer.texts)) if answer.texts else 0
    ttft = answer.chunks[0] - answer.started if answer.chunks else None
    e2e = answer.last - answer.started if answer.last else None
    tpot = (e2e - ttft) / (tokens - 1) if ttft is not None and e2e is not None and tokens > 1 else None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return Times(
        ttft, tpot, e2e,
        said if isinstance(said, int) else answer.prompt_tokens, "usage" if isinstance(said, int) else "tokenizer",
        tokens, by, cached if isinstance(cached, int) else None,
    )  # fmt: skip


def tally(answers: Sequence[Answer], asked: int) -> dict[str, Any]:
    """How the requests of a cell ended; the parts add up to ``asked``."""
    kinds = Counter(answer.failure[0] for answer in answers if answer.failure)
    interrupted = kinds.pop("interrupted", 0)
    return {
        "asked": asked,
        "completed": sum(answer.succeeded for answer in answers),
        "failed": sum(kinds.values()),
        "failures": dict(sorted(kinds.items())),
        "interrupted": interrupted,
        "not_sent": asked - len(answers),
        "sent_again": sum(answer.retried for answer in answers),
    }


def counts(ended: dict[str, Any]) -> Iterator[Measured]:
    """The tally as measurements."""
    completed, failed = ended["completed"], ended["failed"]
    yield Measured("completed_requests", "value", completed)
    yield Measured("failed_requests", "value", failed)
    if completed + failed:
        yield Measured("success_rate", "value", completed / (completed + failed))


def speeds(known: Sequence[Times], chunks: int, duration: float) -> Iterator[Measured]:
    """Throughputs of the whole cell.

    Args:
        known: of the requests that succeeded.
        chunks: of the same.
        duration: seconds from the first request to the last answer.
    """
    given, made = sum(t.input_tokens for t in known), sum(t.output_tokens for t in known)
    n = len(known)
    yield Measured("benchmark_duration", "value", duration)
    yield Measured("requests_per_second", "value", n / duration, None, n)
    yield Measured("output_tokens_per_second", "value", made / duration, f"output_tokens_per_second@{_BY}", n)
    yield Measured("total_tokens_per_second", "value", (given + made) / duration, f"total_tokens_per_second@{_BY}", n)
    yield Measured("input_tokens_per_second", "value", given / duration, None, n)
    latency = sum(t.e2e for t in known if t.e2e is not None)
    yield Measured("concurrency", "mean", latency / duration, "concurrency@latency_over_duration", n)
    yield Measured("output_chunks", "sum", chunks, None, n)
    if chunks:  # tokens without text, such as special ones, come in none
        yield Measured("tokens_per_chunk", "mean", made / chunks, None, n)


def distributions(answers: Sequence[Answer], known: Sequence[Times]) -> Iterator[Measured]:
    """Times and lengths of the requests that succeeded."""
    yield from _spread("ttft", "ttft@first_chunk", [t.ttft for t in known])
    yield from _spread("tpot", "tpot@excl_first", [t.tpot for t in known])
    yield from _spread("itl", "itl@chunk_gaps", gaps(answers))
    yield from _spread("e2e_latency", "e2e_latency@last_chunk", [t.e2e for t in known])
    yield from _spread("input_tokens", None, [t.input_tokens for t in known], ends=True)
    yield from _spread("output_tokens", f"output_tokens@{_BY}", [t.output_tokens for t in known], ends=True)


def gaps(answers: Sequence[Answer]) -> list[float]:
    """Every gap between two chunks, of all requests together."""
    return [after - before for answer in answers for before, after in pairwise(answer.chunks)]


def _spread(
    metric: str, definition: str | None, values: Sequence[float | None], *, ends: bool = False
) -> Iterator[Measured]:
    """Mean, deviation and percentiles; only mean, smallest and largest where ``ends``."""
    known = np.array([v for v in values if v is not None and math.isfinite(v)], dtype=np.float64)
    if not known.size:
        return
    found = {"mean": known.mean(), "min": known.min(), "max": known.max()}
    if not ends:
        found["std"] = known.std(ddof=1) if known.size > 1 else 0.0
        found |= {f"p{p}": v for p, v in zip(PERCENTILES, np.percentile(known, PERCENTILES), strict=True)}
    for statistic, value in found.items():
        yield Measured(metric, statistic, float(value), definition, int(known.size))
