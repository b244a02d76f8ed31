"""vLLM's server log: the statistics that the engine logs every few seconds, and what a start says.

Source: ``vllm/engine/llm_engine.py`` and ``metrics.py`` (0.2 to 0.10), ``vllm/v1/metrics/loggers.py``,
``vllm/v1/spec_decode/metrics.py``, ``vllm/v1/metrics/perf.py`` (V1).  Percentages are of 0 to 100; V0 writes the draft
acceptance rate as a fraction.
"""

from __future__ import annotations

import re

from llmstats.parsing import Head, Name
from llmstats.records import Run
from llmstats.shapes import Plan

from ._samples_server_logs import VLLM_SAMPLES
from ._serverlog import NUMBER, ServerLog, statistics, take_settings

_STATISTICS = re.compile(
    r"(?:Engine (?P<engine>\d{3,}): |\d+ Engines Aggregated: )?(?P<what>Avg prompt throughput: |SpecDecoding metrics: "
    r"|Speculative metrics: |Prefix cache hit rate: GPU: |KV Transfer metrics: |MFU: )"
)
_PAIR = re.compile(rf"(?P<key>(?!Per-pos)[A-Z][A-Za-z][A-Za-z ]*): (?P<value>{NUMBER})(?=%|[, ]|\.?$)")
_TRANSFER = re.compile(rf"(?P<key>[A-Z][A-Za-z0-9 ]+(?: \([A-Za-z/]+\))?)=(?P<value>{NUMBER})(?=,|$)")
_CACHES = re.compile(rf"(?P<key>GPU|CPU): (?P<value>{NUMBER})(?=%)")
_FLOPS = re.compile(rf"(?P<value>{NUMBER}) (?P<key>TF/s/GPU|GB/s/GPU)")

_LOGGER = r"(?:INFO|WARNING|ERROR|DEBUG) (?:\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d+)? \[?[\w./-]+\.py:\d+\]"
_HEAD_STATISTICS = re.compile(
    r"^(?!.*lmdeploy)[^\n\"'`]{0,200}?(?:Engine \d+: |\] |^)Avg prompt throughput: [\d.]+ tokens/s, "
    r"Avg generation throughput: [\d.]+ tokens/s, Running: \d+ reqs, (?:Swapped|Waiting|Pending|Preempt)",
    re.M,
)
_HEAD_START = re.compile(
    rf"^[^\n\"'`]{{0,80}}?(?:\((?:APIServer|EngineCore|VllmWorker|Worker)[^)\n]{{0,40}}pid=\d+\) {_LOGGER}"
    rf"|{_LOGGER} vLLM API server version |vllm(?: serve)?: error: |api_server\.py: error: )",
    re.M,
)
_HEAD_ENGINE = re.compile(rf"^{_LOGGER} Initializing an?(?: V1)? LLM engine[^\n]{{0,30}}", re.M)
_ENGINE = re.compile(r"Initializing an?(?: V1)? LLM engine(?: \(v?(?P<version>[^)]+)\))? with config: ")
_VERSION = re.compile(r"vLLM API server version (?P<version>\S+)|utils\.py:\d+\].*\s\sversion (?P<banner>\d\S*)$")
_BANNER_MODEL = re.compile(r"utils\.py:\d+\].*\s\smodel {3}(\S+)$")
_NUMBERS = (
    ("kv_cache_tokens", re.compile(r"GPU KV cache size: ([\d,]+) tokens")),
    ("gpu_blocks", re.compile(r"# (?:GPU|device|cuda|xpu|npu|hpu)\w* blocks: (\d+)")),
    ("host_blocks", re.compile(r"# CPU blocks: (\d+)")),
    ("max_concurrency", re.compile(r"Maximum concurrency for [\d,]+ tokens per request: ([\d.]+)x")),
    ("weights_gib", re.compile(r"(?:Model loading|Loading model weights) took ([\d.]+) Gi?B")),
    ("engine_init_seconds", re.compile(r"init engine \(.*\) took ([\d.]+) s")),
)
#: Programs that run a server (or the engine) and keep what it says among their own lines.
_OTHER_PROGRAMS = re.compile(
    r"Serving Benchmark Result|^Throughput: [\d.]+ requests/s|^Avg latency: |OpenCompass|:::MLLOG|lm_eval|"
    r"^\|\s*Tasks\s*\|\s*Version\s*\||"
    r"\bvllm bench (?:throughput|latency) |Benchmark(?:Throughput|Latency)Subcommand|"
    r"Namespace\([^\n]*\b(?:hf_max_batch_size|num_iters_warmup)=|"
    r"AIPERF_|OpenAIHTTPBackend|^\s*Waiting for server",
    re.M,
)


class VLLMServerLog(ServerLog):
    """One run per start; ranks are engines (data parallelism)."""

    name = "vllm_server_log"
    version = 1
    title = "vLLM server log: throughput, requests and cache over time; settings, errors and crashes"
    writes = "vLLM"
    framework = "vllm"
    prefix = re.compile(
        r"(?:\d{4}-\d\d-\d\d[T ]\S+ (?:\| )?)?(?:\([^()\n]{1,80}\) ?)*"
        r"(?:(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) [\d:., -]+? ?\[?[\w./-]+\.py:\d+\] ?)?"
    )
    begins = re.compile(r"vLLM API server version |utils\.py:\d+\].*\s\sversion \d\S*$")
    facts = re.compile(
        r"LLM engine(?: \([^)]*\))? with config: |non-default args: |\] args: Namespace\(|KV cache size: |"
        r"(?:GPU|CPU) blocks: |Maximum concurrency for |[Ll]oading.* took [\d.]+ Gi?B|"
        r"utils\.py:\d+\].*\s\smodel {3}\S+$|init engine \("
    )
    crashes = re.compile(
        r"EngineCore failed to start|Engine core initialization failed|Engine process failed to start|EngineDeadError|"
        r"EngineCore encountered a fatal error|Engine loop has died|Engine loop is not running|died unexpectedly|"
        r"vllm(?: serve)?: error: |api_server\.py: error: |Engine iteration timed out|background loop has errored"
    )
    names = {
        "Avg prompt throughput": Name("input_tokens_per_second", 1.0, "input_tokens_per_second@server_interval"),
        "Avg generation throughput": Name("output_tokens_per_second", 1.0, "output_tokens_per_second@server_interval"),
        "Running": Name("requests_running"),
        "Waiting": Name("requests_waiting"),
        "Pending": Name("requests_waiting"),
        "Swapped": Name("requests_swapped"),
        "Deferred": Name("requests_deferred"),
        "Preemptions": Name("preemptions", 1.0, "preemptions@server_interval"),
        "GPU KV cache usage": Name("kv_cache_utilisation", 0.01),
        "CPU KV cache usage": Name("host_kv_cache_utilisation", 0.01),
        "Prefix cache hit rate": Name("prefix_cache_hit_rate", 0.01, "prefix_cache_hit_rate@recent_requests"),
        "External prefix cache hit rate": Name("prefix_cache_hit_rate", 0.01, "prefix_cache_hit_rate@external_store"),
        "MM cache hit rate": Name("multimodal_cache_hit_rate", 0.01),
        "GPU": Name("prefix_cache_hit_rate", 0.01, "prefix_cache_hit_rate@since_start"),
        "CPU": Name("prefix_cache_hit_rate", 0.01, "prefix_cache_hit_rate@since_start_in_main_memory"),
        "Mean acceptance length": Name("acceptance_length", 1.0, "acceptance_length@server_interval"),
        "Accepted throughput": Name("accepted_draft_tokens_per_second"),
        "Drafted throughput": Name("draft_tokens_per_second"),
        "Accepted": Name("accepted_draft_tokens", 1.0, "accepted_draft_tokens@server_interval"),
        "Drafted": Name("draft_tokens", 1.0, "draft_tokens@server_interval"),
        "Avg Draft acceptance rate": Name("draft_acceptance_rate", 0.01, "draft_acceptance_rate@server_interval"),
        "Draft acceptance rate": Name("draft_acceptance_rate", 1.0, "draft_acceptance_rate@since_start"),
        "System efficiency": Name("speculative_efficiency"),
        "Number of accepted tokens": Name("accepted_draft_tokens", 1.0, "accepted_draft_tokens@since_start"),
        "Number of draft tokens": Name("draft_tokens", 1.0, "draft_tokens@since_start"),
        "Number of emitted tokens": Name("output_tokens", 1.0, "output_tokens@emitted_since_start"),
        "TF/s/GPU": Name("tflops_per_device", 1.0, "tflops@vllm_estimate"),
    }
    samples = VLLM_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        serves = "Started server process [" in text  # else "Processed prompts" means an offline run
        found = _HEAD_STATISTICS.search(text) if "Avg prompt throughput: " in text else None
        if found is None and ("pid=" in text or "vLLM" in text or "vllm" in text):
            found = _HEAD_START.search(text) or (_HEAD_ENGINE.search(text) if serves else None)
        if found is None or _OTHER_PROGRAMS.search(text) or ("Processed prompts: " in text and not serves):
            return None
        return f"vLLM's line {found[0][-80:]!r}"

    def plan(self, text: str) -> Plan:
        found = _STATISTICS.search(text)
        if not found:
            return self.other(text)
        rank = found.span("engine") if found["engine"] else None
        start = found.start("what")
        if found["what"].startswith("KV Transfer"):
            return statistics(text, start, _TRANSFER, rank)
        if found["what"].startswith("Prefix"):
            return statistics(text, start, _CACHES, rank)
        if found["what"].startswith("MFU"):
            return statistics(text, start, _FLOPS, rank)
        return statistics(text, start, _PAIR, rank)

    def said(self, run: Run, message: str) -> None:
        if found := _VERSION.search(message):
            run.environment["vllm"] = found["version"] or found["banner"]
        if found := _BANNER_MODEL.search(message):
            run.model = found[1]
        engine = _ENGINE.search(message)
        if engine and engine["version"]:
            run.environment["vllm"] = engine["version"]
        if engine or "args: " in message:
            take_settings(run, message)
        for key, pattern in _NUMBERS:
            if found := pattern.search(message):
                number = float(found[1].replace(",", ""))
                run.config[key] = int(number) if number.is_integer() else number
