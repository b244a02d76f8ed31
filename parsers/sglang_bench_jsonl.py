"""SGLang's ``bench_serving``: one JSON object per run, appended; the file may be called ``.csv``.

Source: ``python/sglang/bench_serving.py``.  ``total_output_tokens`` is the length that was asked for unless the
server reports one; ``concurrency`` is what was reached, ``max_concurrency`` the limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run

from ._samples_sglang import JSONL_SAMPLES
from ._serving import whole_number
from ._serving_json import results
from ._serving_names import REQUESTED_OR_USAGE

_LATENCY = re.compile(r'"(?:mean|median)_e2e_latency_ms"')


class SGLangBench(DocumentParser):
    """One run per line."""

    name = "sglang_bench_jsonl"
    version = 2
    title = "sglang.bench_serving --output-file (JSON lines, whatever the suffix)"
    writes = "SGLang"
    samples = JSONL_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if not text.lstrip().startswith("{") or '"output_throughput"' not in text or '"model_id"' in text[:4096]:
            return None
        if '"backend"' in text and '"completed"' in text and _LATENCY.search(text):
            return "JSON with backend, completed, output_throughput and …_e2e_latency_ms"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        for item in results(place, text, REQUESTED_OR_USAGE):
            if isinstance(item, Run):
                _server(item)
            yield item


def _server(run: Run) -> None:
    """What the newest versions keep of the server's own configuration."""
    info = run.config.get("server_info")
    if not isinstance(info, dict):
        return
    if isinstance(info.get("model_path"), str):
        run.model = run.model or info["model_path"]
    if isinstance(info.get("version"), str):
        run.environment["sglang"] = info["version"]
    named = info.get("quantization") or info.get("dtype")
    run.precision = named if isinstance(named, str) and named != "auto" else None
    sizes = {letter: whole_number(info.get(f"{letter}_size")) or 1 for letter in ("tp", "pp", "dp", "ep")}
    run.parallelism = "".join(f"{k.upper()}{n}" for k, n in sizes.items() if n > 1) or None
    if "tp_size" in info:  # attention's data parallelism lies within the tensor's
        replicas = 1 if info.get("enable_dp_attention") else sizes["dp"]
        run.device_count, run.node_count = sizes["tp"] * sizes["pp"] * replicas, whole_number(info.get("nnodes"))
