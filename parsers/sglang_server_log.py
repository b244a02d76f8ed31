"""SGLang server log: a line per prefill batch, one per 40 decoding steps, and what a start says.

Source: ``python/sglang/srt/managers/{tp_worker,scheduler,scheduler_metrics_mixin}.py`` over the versions.
``token usage`` is a fraction; ``cache hit rate`` a percentage.
"""

from __future__ import annotations

import re
from typing import Any

from llmstats.parsing import Head, Name
from llmstats.records import Run
from llmstats.shapes import Plan

from ._samples_server_logs import SGLANG_SAMPLES
from ._serverlog import NUMBER, ServerLog, statistics, take_settings

_BATCH = re.compile(r"(?:Prefil{1,2}|Decode) batch(?: \[\d+\])?[.,] +(?=#)")
_RANK = re.compile(r"\bDP(?P<rank>\d+)\b")
_PAIR = re.compile(
    rf"(?P<key>#?[a-z][A-Za-z-]*(?: [A-Za-z-]+)*(?: \([A-Za-z/ ]+\))?)(?: \(p\+d\))?: (?P<value>{NUMBER})(?=%|[, ]|$)"
)
_HEAD = re.compile(
    r"^[^\n\"'`]{0,120}?(?:Prefil{1,2} batch(?: \[\d+\])?[.,] +#new-seq: \d+|"
    r"Decode batch(?: \[\d+\])?[.,] +#running-req: \d+, #)"
    r"[^\n]*|^[^\n\"'`]{0,80}?\bserver_args=ServerArgs\(model_path=",
    re.M,
)
_LOADED = re.compile(r"Load weight end\..*?\btype=(\w+)")
_LOADED_AS = re.compile(r"Load weight end\..*?\bdtype=(?:torch\.)?(\w+)")
_NUMBERS = (
    ("kv_cache_tokens", re.compile(r"max_total_num_tokens=(\d+)")),
    ("context_len", re.compile(r"\bcontext_len=(\d+)")),
    ("max_running_requests", re.compile(r"max_running_requests=(\d+)")),
    ("weights_gb", re.compile(r"Load weight end\..*mem usage=([\d.]+) GB")),
)


class SGLangServerLog(ServerLog):
    """One run per start; ranks are those of data parallelism."""

    name = "sglang_server_log"
    version = 1
    title = "SGLang server log: prefill and decode batches over time; settings, errors and crashes"
    writes = "SGLang"
    framework = "sglang"
    prefix = re.compile(
        r"(?:\d{4}-\d\d-\d\d[T ]\S+ )?(?:\([^()\n]{1,80}\) ?)?(?:\[[^\]\n]{1,60}\] ?)?"
        r"(?:(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) (?:[\w./-]+\.py:\d+: )?)?"
    )
    begins = re.compile(r"\bserver_args=ServerArgs\(")
    facts = re.compile(r"max_total_num_tokens=\d|Load weight end\.")
    crashes = re.compile(
        r"Received sigquit from a child process|(?:Scheduler|DataParallelController|TokenizerManager) hit an exception|"
        r"Initialization failed\.|launch_server\.py: error: |Exception in ModelTpServer|Watchdog timeout|"
        r"sglang::\w+ (?:died|is defunct)|Subprocess \S+ .*(?:crashed|died)"
    )
    names = {
        "#new-seq": Name("requests_prefilled", 1.0, "requests_prefilled@prefill_batch"),
        "#new-token": Name("input_tokens", 1.0, "input_tokens@prefill_batch_uncached"),
        "#cached-token": Name("prefix_cache_hits", 1.0, "prefix_cache_hits@prefill_batch"),
        "cache hit rate": Name("prefix_cache_hit_rate", 0.01, "prefix_cache_hit_rate@since_start"),
        "#running-req": Name("requests_running"),
        "#queue-req": Name("requests_waiting"),
        "#token": Name("kv_cache_tokens"),
        "token usage": Name("kv_cache_utilisation"),
        "gen throughput (token/s)": Name("output_tokens_per_second", 1.0, "output_tokens_per_second@server_interval"),
        "input throughput (token/s)": Name(
            "input_tokens_per_second", 1.0, "input_tokens_per_second@last_prefill_batch"
        ),
        "accept len": Name("acceptance_length", 1.0, "acceptance_length@server_interval"),
        "accept rate": Name("draft_acceptance_rate", 1.0, "draft_acceptance_rate@sglang"),
        "#retracted-req": Name("requests_retracted"),
    }
    samples = SGLANG_SAMPLES

    def detect(self, head: Head) -> str | None:
        marks = ("Decode batch", "Prefill batch", "Prefil batch", "server_args=ServerArgs(")
        found = _HEAD.search(head.text) if any(mark in head.text for mark in marks) else None
        if found is None or "Serving Benchmark Result" in head.text or "Benchmark ..." in head.text:
            return None
        return f"SGLang's line {found[0][-80:]!r}"

    def plan(self, text: str) -> Plan:
        found = _BATCH.search(text)
        if not found:
            return self.other(text)
        rank = _RANK.search(text, 0, found.start())
        return statistics(text, found.end(), _PAIR, rank.span("rank") if rank else None)

    def said(self, run: Run, message: str) -> None:
        if "server_args=" in message:
            take_settings(run, message)
        if found := _LOADED.search(message):
            run.config["architecture"] = found[1]
        if (found := _LOADED_AS.search(message)) and not run.config.get("quantization"):
            run.precision = found[1]
        for key, pattern in _NUMBERS:
            if found := pattern.search(message):
                run.config[key] = float(found[1]) if "." in found[1] else int(found[1])

    def devices(self, sizes: dict[str, int], config: dict[str, Any]) -> int:
        """With attention in data parallel the replicas share the devices of tensor parallelism."""
        shared = bool(config.get("enable_dp_attention"))
        return sizes.get("tp", 1) * sizes.get("pp", 1) * (1 if shared else sizes.get("dp", 1))
