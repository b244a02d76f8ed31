"""The old tables of lmdeploy's benchmarks, as CSV or in a document: what the columns mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmstats.documents import number
from llmstats.parsing import Place
from llmstats.records import Item

from ._serving import SUM, TTFT, Meaning, decimals, measurement
from ._serving_offline import case_in, offline_run
from ._serving_table import plain

_STEP = Meaning("itl", "itl@step_zero_filled")
_FIRST = Meaning("ttft", TTFT)
_GIB = float(1 << 30)
SERVED = {
    "RPS": Meaning("requests_per_second", "requests_per_second@sent"),
    "RPM": Meaning("requests_per_minute", "requests_per_minute@sent"),
    "throughput(out tok/s)": Meaning("output_tokens_per_second", "output_tokens_per_second@engine"),
    "throughput(total tok/s)": Meaning("total_tokens_per_second", "total_tokens_per_second@engine"),
    "output token thr(tokens/s)": Meaning("output_tokens_per_second", "output_tokens_per_second@engine"),
    "total token thr(token/s)": Meaning("total_tokens_per_second", "total_tokens_per_second@engine"),
    "throughput(token/s)": Meaning("output_tokens_per_second", "output_tokens_per_second@engine"),
    "mem(GB)": Meaning("memory_used", "memory_used@increase_per_device", _GIB),
    "mem_per_gpu(GB)": Meaning("memory_used", "memory_used@increase_per_device", _GIB),
    "mem_per_proc(GB)": Meaning("memory_used", "memory_used@increase_per_process", _GIB),
    "prompt_tokens": Meaning("input_tokens", statistic=SUM),
    "completion_tokens": Meaning("output_tokens", "output_tokens@engine", statistic=SUM),
    **{
        name.format(raw): _FIRST.as_statistic(word)
        for raw, word in (("ave", "mean"), ("min", "min"), ("max", "max"))
        for name in ("FTL({})(s)", "1st_token_latency({})(s)")
    },
    **{
        name.format(rank): _STEP.as_statistic(f"p{rank}")
        for rank in (50, 75, 95, 99)
        for name in ("{}%(s)", "percentile{}(s)")
    },
}
_ASKED = {"num_promts": "num_prompts", "num_prompts": "num_prompts", "tp": "tp", "model": "model"}


def old_row(place: Place, name: str, cells: dict[str, str], line: int, *, fixed: bool) -> Iterator[Item]:
    """A row of an old table; ``fixed``: of ``profile_generation.py``, whose lengths are the same for all requests."""
    config: dict[str, Any] = {_ASKED[key]: plain(text) for key, text in cells.items() if key in _ASKED}
    config["concurrency"] = number(cells.get("batch", ""))
    if fixed:
        config["batch_size"] = config.pop("concurrency")
        config["input_len"], config["output_len"] = (
            number(cells.get(f"{k}_tokens", "")) for k in ("prompt", "completion")
        )
    run = offline_run(place, "lmdeploy", config, name)
    run.kind = "inference" if fixed else "serving"
    skipped = {"batch", *_ASKED, *(("prompt_tokens", "completion_tokens") if fixed else ())}
    for key, text in cells.items():
        meaning = SERVED.get(key, Meaning(key))
        if key not in skipped and text and (key in SERVED or number(text) is not None):
            yield measurement(
                name, meaning, text, key, line, case_in(config), decimals(text) if "." in text else "full"
            )
    yield run
