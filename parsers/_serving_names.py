"""The vocabulary of vLLM's ``benchmark_serving.py`` and of all that descend from it (SGLang, lmdeploy, InferenceX).

They share keys of JSON (``mean_ttft_ms``) and labels of a printed block (``Mean TTFT (ms):``); here a label is
turned into its key, and a key into a `Meaning`.

Sources: ``vllm/benchmarks/serve.py``, ``python/sglang/bench_serving.py``, ``benchmark/profile_restful_api.py``.
"""

from __future__ import annotations

import re
from functools import cache

from ._serving import E2E, ITL, MS, PERCENT, SUM, TPOT, TTFT, Meaning, statistic

#: What counts as an output token: vLLM takes the server's usage, else tokenizes the text again …
USAGE_OR_RETOKENIZED = "usage_or_retokenized"
#: … its descendants take the length that was asked for unless the server reports one.
REQUESTED_OR_USAGE = "requested_or_usage"
RETOKENIZED = "retokenized"

_LATENCIES = {
    "ttft": Meaning("ttft", TTFT, MS),
    "tpot": Meaning("tpot", TPOT, MS),
    "itl": Meaning("itl", ITL, MS),
    "e2el": Meaning("e2e_latency", E2E, MS),
    "e2e_latency": Meaning("e2e_latency", E2E, MS),
    "client_queue_time": Meaning("queue_time", "queue_time@client_limit", MS),
    "e2el_including_client_queue": Meaning("e2e_latency", "e2e_latency@incl_client_queue", MS),
    "probe_e2el": Meaning("e2e_latency", E2E, MS, subject="probe"),
}
_LATENCY = re.compile(
    rf"(?P<probe>probe_)?(?P<word>mean|median|std|min|max|p\d[\d.]*)_(?P<what>{'|'.join(_LATENCIES)})_ms"
)
#: TensorRT-LLM's descendant: tokens of a request per decoding step ("Request AR" in 2025).
_PER_STEP = Meaning("acceptance_length", "acceptance_length@request")
_STEP = re.compile(r"(?P<word>mean|median|std|min|max|p\d[\d.]*)_(?:request_ar|avg_decoded_tokens_per_iter)")
_USER = Meaning(
    "output_tokens_per_second_per_user", "output_tokens_per_second_per_user@whole_request", statistic="mean"
)
_PLAIN = {
    "duration": Meaning("benchmark_duration"),
    "completed": Meaning("completed_requests"),
    "failed": Meaning("failed_requests"),
    "probe_completed": Meaning("completed_requests", subject="probe"),
    "probe_failed": Meaning("failed_requests", subject="probe"),
    "total_input_tokens": Meaning("input_tokens", statistic=SUM),
    "total_input_text_tokens": Meaning("input_tokens", statistic=SUM, subject="text"),
    "total_input_vision_tokens": Meaning("input_tokens", statistic=SUM, subject="vision"),
    "total_input_sequences": Meaning("input_sequences", statistic=SUM),
    "request_throughput": Meaning("requests_per_second"),
    "request_goodput": Meaning("request_goodput"),
    "input_throughput": Meaning("input_tokens_per_second"),
    "input_sequence_throughput": Meaning("input_sequences_per_second"),
    "max_output_tokens_per_s": Meaning("output_tokens_per_second_peak", "output_tokens_per_second_peak@chunks"),
    "max_concurrent_requests": Meaning("max_concurrency"),
    "concurrency": Meaning("concurrency", "concurrency@latency_over_duration"),
    "rtfx": Meaning("rtfx"),
    "user_throughput": _USER,
    "last_gen_throughput": Meaning("decode_tokens_per_second", "decode_tokens_per_second@last_logged"),
    "accept_length": Meaning("acceptance_length"),
    "total_cached_tokens": Meaning("prefix_cache_hits", statistic=SUM),
    "cache_hit_rate": Meaning("prefix_cache_hit_rate"),
    "spec_decode_acceptance_rate": Meaning("draft_acceptance_rate", factor=PERCENT),
    "spec_decode_acceptance_length": Meaning("acceptance_length"),
    "spec_decode_num_drafts": Meaning("drafts"),
    "spec_decode_draft_tokens": Meaning("draft_tokens"),
    "spec_decode_accepted_tokens": Meaning("accepted_draft_tokens"),
    "diffusion_committed_throughput": Meaning("diffusion_committed_tokens_per_second"),
    "diffusion_steps_per_canvas": Meaning("diffusion_steps_per_canvas"),
    "diffusion_committed_per_step": Meaning("diffusion_committed_per_step"),
    "diffusion_committed_tokens": Meaning("diffusion_committed_tokens"),
    "diffusion_denoising_steps": Meaning("diffusion_denoising_steps"),
    "diffusion_canvas_positions": Meaning("diffusion_canvas_positions"),
    "avg_cpu_utilization": Meaning("cpu_utilisation", factor=PERCENT, statistic="mean"),
    "avg_gpu_utilization": Meaning("utilisation", factor=PERCENT, statistic="mean"),
}
_OUTPUTS = {
    "total_output_tokens": ("output_tokens", SUM),
    "output_throughput": ("output_tokens_per_second", "value"),
    "total_throughput": ("total_tokens_per_second", "value"),
}
#: Other spellings: of old versions, and of CSV made of the printed block.
_ALIASES = {
    "request_goodput:": "request_goodput",
    "request_inthroughput": "request_throughput",
    "total_input": "total_input_tokens",
    "total_output": "total_output_tokens",
    "total_generated_tokens": "total_output_tokens",
    "total_token_throughput": "total_throughput",
}
_POSITION = re.compile(r"position_(?P<n>\d+)(?P<percent>_percent)?")
_LABELS = {
    "successful requests": "completed",
    "failed requests": "failed",
    "benchmark duration (s)": "duration",
    "total input tokens": "total_input_tokens",
    "total input text tokens": "total_input_text_tokens",
    "total input vision tokens": "total_input_vision_tokens",
    "total generated tokens": "total_output_tokens",
    "total generated tokens (retokenized)": "total_output_tokens_retokenized",
    "request throughput (req/s)": "request_throughput",
    "request goodput (req/s)": "request_goodput",
    "input throughput (inputs/s)": "input_sequence_throughput",
    "input token throughput (tok/s)": "input_throughput",
    "output token throughput (tok/s)": "output_throughput",
    "peak output token throughput (tok/s)": "max_output_tokens_per_s",
    "peak concurrent requests": "max_concurrent_requests",
    "rtfx (inverse real-time factor)": "rtfx",
    "total token throughput (tok/s)": "total_throughput",
    "total throughput (tok/s)": "total_throughput",
    "user throughput (tok/s)": "user_throughput",
    "concurrency": "concurrency",
    "accept length": "accept_length",
    "total cached tokens": "total_cached_tokens",
    "cache hit rate": "cache_hit_rate",
    "last generation throughput (tok/s)": "last_gen_throughput",
    "probe requests completed": "probe_completed",
    "probe requests failed": "probe_failed",
    "committed throughput (tok/s)": "diffusion_committed_throughput",
    "denoising steps per canvas": "diffusion_steps_per_canvas",
    "committed per denoising step": "diffusion_committed_per_step",
    "committed tokens": "diffusion_committed_tokens",
    "denoising steps": "diffusion_denoising_steps",
    "canvas positions evaluated": "diffusion_canvas_positions",
    "acceptance rate (%)": "spec_decode_acceptance_rate",
    "acceptance length": "spec_decode_acceptance_length",
    "drafts": "spec_decode_num_drafts",
    "draft tokens": "spec_decode_draft_tokens",
    "accepted tokens": "spec_decode_accepted_tokens",
    # what was asked for
    "backend": "backend",
    "total requests": "num_prompts",
    "traffic request rate": "request_rate",
    "request rate configured (rps)": "request_rate",
    "max request concurrency": "max_concurrency",
    "max reqeuest concurrency": "max_concurrency",
    "maximum request concurrency": "max_concurrency",
}
_TIMES = {
    "ttft": "ttft",
    "tpot": "tpot",
    "itl": "itl",
    "e2el": "e2el",
    "e2e latency": "e2el",
    "latency": "e2el",
    "probe e2el": "probe_e2el",
    "client queue time": "client_queue_time",
    "e2el incl. client queue": "e2el_including_client_queue",
}
_TIME_LABEL = re.compile(r"(?P<word>mean|median|std|min|max|p\d[\d.]*) (?P<what>[a-z0-9. ]+) \(ms\)")


def key_of(label: str) -> str | None:
    """Key of a printed label (``Total Token throughput (tok/s):`` -> ``total_throughput``), or None."""
    plain = label.strip().removesuffix(":").strip().lower()
    if plain in _LABELS:
        return _LABELS[plain]
    if position := re.fullmatch(r"position (\d+)", plain):
        return f"position_{position[1]}_percent"
    if _STEP.fullmatch(plain.replace(" ", "_")):
        return plain.replace(" ", "_")
    time = _TIME_LABEL.fullmatch(plain)
    if time is None or time["what"] not in _TIMES:
        return None
    return f"{time['word']}_{_TIMES[time['what']]}_ms"


def plain_key(key: str) -> str:
    """The key under which today's versions write a value."""
    return _ALIASES.get(key, key)


@cache
def meaning_of(key: str, tokens: str) -> Meaning | None:
    """Meaning of a key; None: no measurement that is known here.

    Args:
        tokens: what the tool counts as output tokens.
    """
    key = plain_key(key)
    if key in _PLAIN:
        return _PLAIN[key]
    if position := _POSITION.fullmatch(key):
        return Meaning(
            "draft_acceptance_rate", factor=PERCENT if position["percent"] else 1.0, subject=f"position {position['n']}"
        )
    if step := _STEP.fullmatch(key):
        return _PER_STEP.as_statistic(statistic(step["word"]) or step["word"])
    plain = key.removesuffix("_retokenized")
    if plain in _OUTPUTS:
        metric, word = _OUTPUTS[plain]
        return Meaning(metric, f"{metric}@{RETOKENIZED if plain != key else tokens}", statistic=word)
    return _latency(key)


def _latency(key: str) -> Meaning | None:
    match = _LATENCY.fullmatch(key)
    word = statistic(match["word"]) if match else None
    if match is None or word is None:
        return None
    what = "probe_e2el" if match["probe"] else match["what"]
    return _LATENCIES[what].as_statistic(word)
