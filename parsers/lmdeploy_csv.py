"""Tables of lmdeploy's benchmarks, of all ages: one run per row.

- ``profile_restful_api.py`` 0.6 and later, ``profile_throughput.py`` 0.8 and later: keys as in the JSON of SGLang; the
  file of the former is CSV though its name may end in ``.jsonl``;
- before: ``batch,num_prompts,RPS,RPM,FTL(ave)(s) …``; ``num_promts`` in ``profile_throughput.py``;
- ``profile_generation.py``: ``batch,prompt_tokens,completion_tokens,…,mem(GB)`` with GB of 2^30 bytes, and latencies
  of steps as percentiles.

Source: the files of these names below ``benchmark/`` of InternLM/lmdeploy, ``lmdeploy/profiler.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmstats.documents import number
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Issue, Item
from llmstats.training import run_name

from ._samples_lmdeploy import CSV_SAMPLES
from ._serving import SUM, TTFT, Meaning, decimals, measurement
from ._serving_names import REQUESTED_OR_USAGE
from ._serving_offline import case_in, offline_run
from ._serving_result import run_base
from ._serving_table import plain, results, table, whole_rows

_NEW = "mean_e2e_latency_ms,mean_ttft_ms,mean_tpot_ms,mean_itl_ms"
_STEP = Meaning("itl", "itl@step_zero_filled")
_FIRST = Meaning("ttft", TTFT)
_GIB = float(1 << 30)
_SERVED = {
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


class LMDeployTable(DocumentParser):
    name = "lmdeploy_csv"
    version = 1
    title = "CSV of lmdeploy's profile_restful_api, profile_throughput, profile_generation"
    writes = "lmdeploy"
    samples = CSV_SAMPLES

    def detect(self, head: Head) -> str | None:
        header = head.lines[0].strip()
        if header.startswith("backend,") and header.endswith(_NEW):
            return f"header 'backend,…,{_NEW}'"
        cells = header.split(",")
        if "batch" in cells[:2] and any(cell in _SERVED for cell in cells) and ("RPS" in cells or "(s)" in header):
            return f"header '{header[:60]}…'"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        if text.startswith("backend,"):
            return _appended(place, text)
        return _old(place, text)


def _appended(place: Place, text: str) -> Iterator[Item]:
    """Rows with today's columns; ``bs`` of ``profile_throughput.py`` is its number of clients."""
    if ",bs," not in text.partition("\n")[0]:
        return results(place, text, REQUESTED_OR_USAGE)
    return results(place, text.replace(",bs,", ",max_concurrency,", 1), REQUESTED_OR_USAGE)


def _old(place: Place, text: str) -> Iterator[Item]:
    header, rows, unended = table(text)
    fixed = "prompt_tokens" in header.cells and "RPS" not in header.cells
    for index, row in enumerate(whole_rows(rows, len(header.cells), unended)):
        if isinstance(row, Issue):
            yield row
        else:
            cells = dict(zip(header.cells, row.cells, strict=False))
            yield from _row(place, run_name(run_base(place), index), cells, row.line, fixed=fixed)


def _row(place: Place, name: str, cells: dict[str, str], line: int, *, fixed: bool) -> Iterator[Item]:
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
        meaning = _SERVED.get(key, Meaning(key))
        if key not in skipped and text and (key in _SERVED or number(text) is not None):
            yield measurement(
                name, meaning, text, key, line, case_in(config), decimals(text) if "." in text else "full"
            )
    yield run
