"""What llmperf's files share: names of metrics, and the name of a run.

All tokens are counted with the LLaMA tokenizer, whatever the model.  ``inter_token_latency_s`` is the sum of all gaps
**with** the time to first token over the tokens (2023: chunks), so about latency per token.
``mean_output_throughput_token_per_s`` is no mean of requests but the tokens of all over the whole test.

Source: ``token_benchmark_ray.py`` of ray-project/llmperf.
"""

from __future__ import annotations

import re

from llmstats.parsing import Place

from ._serving import E2E, TTFT, Meaning

ITL = Meaning("itl", "itl@llmperf")
PER_REQUEST = Meaning("output_tokens_per_second_per_user", "output_tokens_per_second_per_user@llmperf")
SYSTEM = Meaning("output_tokens_per_second", "output_tokens_per_second@llama_tokenizer")
INPUT = Meaning("input_tokens")
OUTPUT = Meaning("output_tokens", "output_tokens@llama_tokenizer")
FIRST = Meaning("ttft", TTFT)
LATENCY = Meaning("e2e_latency", E2E)
COMPLETED = Meaning("completed_requests")
FAILED = Meaning("failed_requests")
PER_MINUTE = Meaning("requests_per_second", factor=1 / 60)

_KIND = re.compile(r"_(?:summary|individual_responses)$")
_FOLDERS = ("summary", "individual")


def run_of(place: Place) -> tuple[str, str]:
    """Name and root of the run that summary and individual responses tell of.

    They lie side by side, or in two folders called ``summary`` and ``individual`` under one name.
    """
    stem = _KIND.sub("", place.stem)
    if place.parent() in _FOLDERS:
        return "/".join(part for part in (place.parent(2), stem) if part), place.directory(2)
    return "/".join(part for part in (place.parent(2), place.parent(), stem) if part), place.directory()


def fingerprint(per_minute: object) -> str | None:
    """A table made of summaries repeats their requests per minute to the last digit."""
    return f"llmperf:{per_minute!r}" if isinstance(per_minute, float) and per_minute > 0 else None
