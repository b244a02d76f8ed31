"""The nested part of InferenceX's aggregates of agentic traces (``scenario_type: agentic-coding``).

Client's times are seconds, made of AIPerf's records: its ``inter_token_latency`` is the time per output token behind
the first, and stands in the file as ``itl`` and as ``tpot``.
Source: ``utils/agentic/aggregation/`` of SemiAnalysisAI/InferenceX.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._serving import E2E, SUM, TPOT, TTFT, Meaning, statistic

_USER = "output_tokens_per_second_per_user"
#: Blocks of statistics, by the dotted path of the block.
_BLOCKS = {
    "request_metrics.qps": Meaning("requests_per_second", "requests_per_second@one_second_windows"),
    "request_metrics.latency.ttft": Meaning("ttft", TTFT),
    "request_metrics.latency.e2el": Meaning("e2e_latency", E2E),
    "request_metrics.latency.tpot": Meaning("tpot", TPOT),
    "request_metrics.latency.full_response_itl": Meaning("tpot", "tpot@aiperf_full_response"),
    "request_metrics.latency.intvty": Meaning(_USER, f"{_USER}@reciprocal_tpot"),
    "request_metrics.latency.full_response_intvty": Meaning(_USER, f"{_USER}@reciprocal_full_response"),
    "request_metrics.latency.e2e_norm_intvty": Meaning(_USER, f"{_USER}@reciprocal_e2e_per_token"),
    "request_metrics.tokens.input": Meaning("input_tokens"),
    "request_metrics.tokens.output_actual": Meaning("output_tokens", "output_tokens@incl_reasoning"),
    "request_metrics.tokens.output_expected": Meaning("output_tokens", "output_tokens@expected_by_trace"),
}
_VALUES = {
    "request_metrics.throughput.input.tokens_per_second": Meaning("input_tokens_per_second"),
    "request_metrics.throughput.output.tokens_per_second": Meaning(
        "output_tokens_per_second", "output_tokens_per_second@retokenized_or_usage"
    ),
    "request_metrics.throughput.total.tokens_per_second": Meaning(
        "total_tokens_per_second", "total_tokens_per_second@retokenized_or_usage"
    ),
    "request_metrics.throughput.duration_seconds": Meaning("benchmark_duration"),
    "request_metrics.throughput.per_gpu.total_tput_tps": Meaning("total_tokens_per_second_per_device"),
    "request_metrics.throughput.per_gpu.output_tput_tps": Meaning(
        "output_tokens_per_second_per_device", "output_tokens_per_second_per_device@gpus"
    ),
    "request_metrics.throughput.per_gpu.input_tput_tps": Meaning(
        "input_tokens_per_second_per_device", "input_tokens_per_second_per_device@gpus"
    ),
    "request_metrics.cache.theoretical_cache_hit_rate": Meaning(
        "prefix_cache_hit_rate", "prefix_cache_hit_rate@theoretical"
    ),
    "server_metrics.cache.gpu_cache_hit_rate": Meaning("prefix_cache_hit_rate"),
    "server_metrics.cache.prefix_cache_hits": Meaning("prefix_cache_hits", statistic=SUM),
    "server_metrics.cache.prefix_cache_queries": Meaning("prefix_cache_queries", statistic=SUM),
    "server_metrics.kv_cache.gpu_usage_pct": Meaning("kv_cache_utilisation"),  # a fraction, whatever its name
    "server_metrics.kv_cache.cpu_usage_pct": Meaning("host_kv_cache_utilisation"),
    "server_metrics.tokens.prompt_total": Meaning("input_tokens", "input_tokens@server_counter", statistic=SUM),
    "server_metrics.tokens.generation_total": Meaning("output_tokens", "output_tokens@server_counter", statistic=SUM),
    "server_metrics.tokens.requests_completed": Meaning("completed_requests", "completed_requests@server_counter"),
    "num_requests_successful": Meaning("completed_requests"),
    "request_accounting.records_error_dropped": Meaning("failed_requests", "failed_requests@incl_warmup"),
}

Leaf = tuple[tuple[str, ...], Any]


def is_agentic(value: dict[str, Any]) -> bool:
    return isinstance(value.get("request_metrics"), dict)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """All values that are no objects, with their paths."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, str(key)))
    else:
        yield path, value


def meaning_at(path: tuple[str, ...]) -> Meaning | None:
    """Meaning of the value at a path; None: not a measurement, or one that is said elsewhere."""
    dotted = ".".join(path)
    if dotted in _VALUES:
        return _VALUES[dotted]
    block = _BLOCKS.get(".".join(path[:-1]))
    word = statistic(path[-1]) if block else None
    return block.as_statistic(word) if block and word else None
