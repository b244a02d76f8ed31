"""Samples of scrapes of ``/metrics``: composed, with the names of vLLM, SGLang and TGI."""

from __future__ import annotations

from llmstats.parsing import Sample

_VLLM = """\
# HELP python_info Python platform information
# TYPE python_info gauge
python_info{implementation="CPython",version="3.12.11"} 1.0
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="toy"} 64.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="toy"} 0.125
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="toy"} 339968.0
# TYPE vllm:prompt_tokens_created gauge
vllm:prompt_tokens_created{engine="0",model_name="toy"} 1.7869e+09
# TYPE vllm:request_success_total counter
vllm:request_success_total{engine="0",finished_reason="length",model_name="toy"} 600.0
vllm:request_success_total{engine="0",finished_reason="abort",model_name="toy"} 2.0
# TYPE vllm:iteration_tokens_total histogram
vllm:iteration_tokens_total_bucket{engine="0",le="1.0",model_name="toy"} 3.0
vllm:iteration_tokens_total_count{engine="0",model_name="toy"} 4.0
vllm:iteration_tokens_total_sum{engine="0",model_name="toy"} 400.0
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_count{engine="0",model_name="toy"} 8.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="toy"} 2.0
# TYPE vllm:inter_token_latency_seconds histogram
vllm:inter_token_latency_seconds_count{engine="0",model_name="toy"} 0.0
vllm:inter_token_latency_seconds_sum{engine="0",model_name="toy"} 0.0
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="16",cache_dtype="auto",engine="0"} 1.0
"""
_SGLANG = """\
# HELP sglang:gen_throughput The generation throughput (token/s).
# TYPE sglang:gen_throughput gauge
sglang:gen_throughput{model_name="toy",tp_rank="0"} 117.5
sglang:token_usage{model_name="toy",tp_rank="0"} 0.25 1790347303000
sglang:num_queue_reqs{model_name="toy",tp_rank="0"} 3.0
sglang:cache_hit_rate{model_name="toy",tp_rank="0"} 0.5
"""
_TGI = """\
# TYPE tgi_request_mean_time_per_token_duration histogram
tgi_request_mean_time_per_token_duration_sum 0.5
tgi_request_mean_time_per_token_duration_count 5
# TYPE tgi_queue_size gauge
tgi_queue_size 2
"""
SAMPLES = (
    Sample(
        "night/metrics.txt",
        _VLLM,
        matched=7,
        measurements={
            ("requests_running", "value"): 64.0,
            ("kv_cache_utilisation", "value"): 0.125,
            ("input_tokens", "value"): 339968.0,
            ("completed_requests", "value"): 600.0,
            ("failed_requests", "value"): 2.0,
            ("vllm:iteration_tokens_total", "mean"): 100.0,
            ("ttft", "mean"): 0.25,
        },
        runs={"night/metrics": {"framework": "vllm", "model": "toy", "config": {"block_size": "16"}}},
        unknown=("vllm:iteration_tokens_total",),
    ),
    Sample(
        "night/sglang.prom",
        _SGLANG,
        matched=4,
        measurements={
            ("output_tokens_per_second", "value"): 117.5,
            ("kv_cache_utilisation", "value"): 0.25,
            ("requests_waiting", "value"): 3.0,
            ("prefix_cache_hit_rate", "value"): 0.5,
        },
    ),
    Sample(
        "night/tgi.txt",
        _TGI,
        matched=2,
        measurements={("tpot", "mean"): 0.1, ("requests_waiting", "value"): 2.0},
        runs={"night/tgi": {"framework": "text-generation-inference"}},
    ),
)
