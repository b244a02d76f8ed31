"""What the files of a multi-turn benchmark share: one run per directory, and the names of its times."""

from __future__ import annotations

from llmstats.parsing import Place
from llmstats.records import Run

from ._serving import E2E, MS, Meaning

#: Columns and rows of ``benchmark_serving_multi_turn.py``; times in milliseconds.
NAMES = {
    "ttft_ms": Meaning("ttft", "ttft@first_token_estimated", MS),
    "tpot_ms": Meaning("tpot", "tpot@excl_first_chunk", MS),
    "latency_ms": Meaning("e2e_latency", E2E, MS),
    "input_num_turns": Meaning("input_turns"),
    "input_num_tokens": Meaning("input_tokens"),
    "output_num_tokens": Meaning("output_tokens", "output_tokens@retokenized"),
    "output_num_chunks": Meaning("output_chunks"),
}


def multiturn_run(place: Place) -> Run:
    """The run of a directory: its log, its table of requests, and the server's counters."""
    name = "/".join(part for part in (place.parent(2), place.parent()) if part) or place.stem
    return Run(name, place.directory(), kind="serving")
