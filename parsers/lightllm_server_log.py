"""LightLLM's server log: throughput, batches and requests over time.

Source: ``lightllm/server/router/{stats,manager}.py``, ``httpserver/manager.py``, ``utils/statics_utils.py``.  Early
versions print the throughput without a clock.
"""

from __future__ import annotations

import re
from typing import Any

from llmstats.parsing import Head, Name
from llmstats.records import Run
from llmstats.shapes import Plan

from ._samples_server_logs import LIGHTLLM_SAMPLES
from ._serverlog import NUMBER, ServerLog, statistics, take_settings

_LOGGER = r"(?:DEBUG|INFO|WARNING|ERROR) \d\d-\d\d \d\d:\d\d:\d\d \[[\w./-]+\.py:\d+\] "
_STATISTICS = re.compile(
    r"(?:dp_i (?P<rank>\d+) )?(?P<what>Avg (?:tokens\(prompt\+generate\)|prompt tokens|generate tokens) throughput: |"
    r"current batch size: |paused req num: |frozen token num: |estimated_peak_token_count: |token used ratio: |"
    r"mean (?:first|per token) cost: |Function \w+ took )"
)
_REQUEST = re.compile(r"(?:lightllm_req_id|req_id):\s?\d+[ ,]+(?=.*(?:first_token_cost|total_cost_time):)")
_PAIR = re.compile(
    rf"(?P<key>Avg [a-z()+ ]+ throughput|current batch size|paused req num|frozen token num|estimated_peak_token_count|"
    rf"token used ratio|mean [a-z ]+ cost): +(?P<value>{NUMBER})(?![\d.])"
)
_RATIO = re.compile(rf"token used ratio: (?P<value>{NUMBER}) (?P<key>(?:not )?contain prompt cache tree unrefed token)")
_CALL = re.compile(rf"Function (?P<key>\w+) took (?P<value>{NUMBER})(?= ms)")
_OF_REQUEST = re.compile(rf"(?P<key>[a-z]\w+):\s?(?P<value>{NUMBER})(?=ms|[ ,]|$)")
_HEAD = re.compile(
    rf"^(?:{_LOGGER})?(?:Avg tokens\(prompt\+generate\) throughput: +[\d.]+ tokens/s|dp_i \d+ current batch size: \d"
    rf"|current batch size: \d+ paused req num: )"
    rf"|^{_LOGGER}(?:all start args:Namespace\(|init func start_\w+ : init ok|Model kv cache using mode |"
    r"mean (?:first|per token) cost: [\d.]+ ms|X-Request-Id:\S* X-Session-Id:|use tgi api: )",
    re.M,
)


class LightLLMServerLog(ServerLog):
    """One run per start; ranks are those of data parallelism."""

    name = "lightllm_server_log"
    version = 1
    title = "LightLLM server log: throughput, batches and requests over time; settings, errors"
    writes = "LightLLM"
    framework = "lightllm"
    prefix = re.compile(r"(?:(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) [\d: -]+ \[[\w./-]+\.py:\d+\] ?)?")
    begins = re.compile(r"all start args:\s?Namespace\(")
    facts = re.compile(r"LightLLM version|max_total_token_num|Model kv cache using mode ")
    crashes = re.compile(
        r"init func start_\w+ : (?!init ok)|api_server\.py: error: |router init error|(?:Router|Model) .*init fail"
    )
    ends = re.compile(r"All processes (?:terminated gracefully|have been forcefully terminated)")
    names = {
        "Avg tokens(prompt+generate) throughput": Name(
            "total_tokens_per_second", 1.0, "total_tokens_per_second@server_interval"
        ),
        "Avg prompt tokens throughput": Name("input_tokens_per_second", 1.0, "input_tokens_per_second@server_interval"),
        "Avg generate tokens throughput": Name(
            "output_tokens_per_second", 1.0, "output_tokens_per_second@server_interval"
        ),
        "current batch size": Name("requests_running"),
        "paused req num": Name("requests_paused"),
        "token used ratio": Name("kv_cache_utilisation"),
        "not contain prompt cache tree unrefed token": Name(
            "kv_cache_utilisation", 1.0, "kv_cache_utilisation@excl_idle_prefixes"
        ),
        "contain prompt cache tree unrefed token": Name(
            "kv_cache_utilisation", 1.0, "kv_cache_utilisation@incl_idle_prefixes"
        ),
        "mean first cost": Name("ttft", 1e-3, "ttft@server_mean_since_start"),
        "mean per token cost": Name("tpot", 1e-3, "tpot@lightllm_mean_since_start"),
        "first_token_cost": Name("ttft", 1e-3, "ttft@server"),
        "total_cost_time": Name("e2e_latency", 1e-3, "e2e_latency@server"),
        "mean_per_token_cost_time": Name("tpot", 1e-3, "tpot@excl_first_over_all_tokens"),
        "out_token_counter": Name("output_tokens", 1.0, "output_tokens@engine"),
        "prompt_token_num": Name("input_tokens", 1.0, "input_tokens@engine"),
        "prompt_cache_len": Name("prefix_cache_hits", 1.0, "prefix_cache_hits@request"),
        "prompt_cache_ratio": Name("prefix_cache_hit_rate", 1.0, "prefix_cache_hit_rate@request"),
        "gpu_prompt_cache_len": Name("prefix_cache_hits", 1.0, "prefix_cache_hits@request"),
        "gpu_prompt_cache_ratio": Name("prefix_cache_hit_rate", 1.0, "prefix_cache_hit_rate@request"),
        "mtp_avg_token_per_step": Name("acceptance_length", 1.0, "acceptance_length@request"),
        "exposed_decode_batch": Name("step_time", 1e-3, "step_time@decode_call"),
        "exposed_prefill_batch": Name("prefill_time", 1e-3, "prefill_time@prefill_step"),
    }
    samples = LIGHTLLM_SAMPLES

    def detect(self, head: Head) -> str | None:
        marks = ("Avg tokens(prompt+generate)", "current batch size: ", ".py:")
        found = _HEAD.search(head.text) if any(mark in head.text for mark in marks) else None
        return f"LightLLM's line {found[0][-80:]!r}" if found else None

    def plan(self, text: str) -> Plan:
        if request := _REQUEST.search(text):
            return statistics(text, request.end(), _OF_REQUEST)
        found = _STATISTICS.search(text)
        if not found:
            return self.other(text)
        rank = found.span("rank") if found["rank"] else None
        pair = _CALL if found["what"].startswith("Function") else _RATIO if _RATIO.search(text) else _PAIR
        return statistics(text, found.start("what"), pair, rank)

    def said(self, run: Run, message: str) -> None:
        if "all start args" in message:
            take_settings(run, message)

    def devices(self, sizes: dict[str, int], config: dict[str, Any]) -> int:
        """Data parallelism divides the devices of tensor parallelism; the master of a split server has none."""
        return 0 if config.get("run_mode") in ("pd_master", "config_server") else sizes.get("tp", 1)
