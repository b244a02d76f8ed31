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

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Issue, Item
from llmstats.training import run_name

from ._lmdeploy import SERVED, old_row
from ._samples_lmdeploy import CSV_SAMPLES
from ._serving_names import REQUESTED_OR_USAGE
from ._serving_result import run_base
from ._serving_table import results, table, whole_rows

_NEW = "mean_e2e_latency_ms,mean_ttft_ms,mean_tpot_ms,mean_itl_ms"


class LMDeployTable(DocumentParser):
    name = "lmdeploy_csv"
    version = 1
    title = "CSV of lmdeploy's profile_restful_api, profile_throughput, profile_generation"
    writes = "LMDeploy"
    samples = CSV_SAMPLES

    def detect(self, head: Head) -> str | None:
        header = head.lines[0].strip()
        if header.startswith("backend,") and header.endswith(_NEW):
            return f"header 'backend,…,{_NEW}'"
        cells = header.split(",")
        if "batch" in cells[:2] and any(cell in SERVED for cell in cells) and ("RPS" in cells or "(s)" in header):
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
            yield from old_row(place, run_name(run_base(place), index), cells, row.line, fixed=fixed)
