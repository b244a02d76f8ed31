"""Composed examples of the multi-turn benchmark, with what must come out of them."""

from __future__ import annotations

from llmstats.parsing import Sample

_LOG = """\
04-02-2026 07:26:27 [INFO] - Namespace(input_file='c.json', model='toy/Toy-70B', num_clients=16, sampling=<S.RR: 'rr'>)
04-02-2026 07:27:11 [INFO] - [ttft_ms                  ] avg:    129.024, min:     73.333, max:    314.141

============================================================
METRICS SUMMARY
============================================================
Duration: 3286.6s
Total prompt tokens: 10,712,437
Total generation tokens: 2,964,502
Avg generation throughput: 902.0 tok/s
Peak KV cache usage: 14.9%
Peak running requests: 16
Peak waiting requests: 3
Total preemptions: 2
Overall GPU cache hit rate: 87.5%
============================================================
----------------------------------------------------------------------------------------------------
Parameters:
model=toy/Toy-70B
num_clients=16
active_conversations=None
----------------------------------------------------------------------------------------------------
Statistics summary:
runtime_sec = 3290.344
requests_per_sec = 1.524
warmup_runtime_sec = 12.500
----------------------------------------------------------------------------------------------------
                    count      mean      std  ...       99%     99.9%        max
ttft_ms            5015.0    102.26    56.00  ...    193.99    456.12    2742.35
tpot_ms            5015.0     17.50     1.04  ...     20.86     24.73      32.77
latency_ms         5015.0  10504.56  9538.12  ...  38902.81  68613.67  225864.95
input_num_turns    5015.0      5.78     3.67  ...     15.00     15.00      15.00
input_num_tokens   5015.0   2079.64  1805.10  ...   7934.50  11481.56   26431.00
output_num_tokens  5015.0    592.70   527.52  ...   2131.44   3780.43   11209.00
output_num_chunks  5015.0    588.46   516.87  ...   2126.16   3776.74   10341.00

[7 rows x 11 columns]
----------------------------------------------------------------------------------------------------
"""

LOG_SAMPLES = (
    Sample(
        "sweep/tp1_bs16/benchmark.log",
        _LOG,
        matched=18,
        measurements={
            ("input_tokens", "sum"): 10712437.0,
            ("output_tokens", "sum"): 2964502.0,
            ("output_tokens_per_second", "value"): 902.0,
            ("kv_cache_utilisation", "max"): 0.149,
            ("requests_running", "max"): 16.0,
            ("requests_waiting", "max"): 3.0,
            ("preemptions", "sum"): 2.0,
            ("prefix_cache_hit_rate", "value"): 0.875,
            ("benchmark_duration", "value"): 3290.344,
            ("warmup_time", "value"): 12.5,
            ("requests_per_second", "value"): 1.524,
            ("completed_requests", "value"): 5015.0,
            ("ttft", "mean"): 0.10226,
            ("ttft", "p99.9"): 0.45612,
            ("tpot", "std"): 0.00104,
            ("e2e_latency", "max"): 225.86495,
            ("input_turns", "mean"): 5.78,
            ("input_tokens", "mean"): 2079.64,
            ("output_tokens", "p99"): 2131.44,
            ("output_chunks", "mean"): 588.46,
        },
        runs={"sweep/tp1_bs16": {"status": "completed", "model": "toy/Toy-70B", "config": {"num_clients": 16}}},
    ),
    Sample(
        "sweep/tp1_bs32/benchmark.log",
        _LOG[: _LOG.index("Statistics")]
        + "Statistics summary (assuming 20% warmup samples):\nrequests_per_sec = 1.500\n",
        matched=9,
        measurements={("requests_per_second", "value"): 1.5, ("prefix_cache_hit_rate", "value"): 0.875},
    ),
)

REQUEST_SAMPLES = (
    Sample(
        "sweep/tp1_bs16/metrics_client_metrics.csv",
        "start_time_ms,relative_time_sec,ttft_ms,tpot_ms,latency_ms,input_num_turns,input_num_tokens,output_num_tokens,"
        "output_num_chunks,output_num_first_chunk_tokens,approx_cached_percent,conversation_id,client_id\n"
        "3259592696.119,0.000,122.964,330.563,3759.153,1,3,12,10,1,0.00,60fe,3\n"
        "3259592697.340,0.001,3551.714,0.000,3551.714,1,71,1,1,1,0.00,31c4,1\n",
        matched=2,
        runs={"sweep/tp1_bs16": {"kind": "serving"}},
    ),
    Sample(
        "sweep/cut/metrics_client_metrics.csv",
        "start_time_ms,relative_time_sec,ttft_ms,tpot_ms,latency_ms,input_num_turns,input_num_tokens,output_num_tokens\n"
        "1.0,0.000,122.964,330.563,3759.153,1,3,12\n1.5\n",
        matched=1,
        suspects=1,
    ),
)

SERVER_SAMPLES = (
    Sample(
        "sweep/tp1_bs16/metrics_server_metrics.csv",
        "timestamp_sec,relative_time_sec,kv_cache_usage_pct,cpu_kv_cache_usage_pct,num_requests_running,"
        "num_requests_waiting,prefix_cache_hits,prefix_cache_queries,cpu_prefix_cache_hits,cpu_prefix_cache_queries,"
        "prompt_tokens_total,generation_tokens_total,num_preemptions_total,request_success_total,"
        "interval_cache_hit_rate_pct,interval_throughput_tok_per_sec\n"
        "1770204525.947,0.000,3.11,1.50,53,75,912,25241,11,12,15870,65,2,7,3.61,64.33\n",
        matched=1,
        points={
            ("test", "kv_cache_utilisation", None): 0.0311,
            ("test", "host_kv_cache_utilisation", None): 0.015,
            ("test", "requests_running", None): 53.0,
            ("test", "requests_waiting", None): 75.0,
            ("test", "prefix_cache_hits", None): 912.0,
            ("test", "prefix_cache_queries", None): 25241.0,
            ("test", "host_prefix_cache_hits", None): 11.0,
            ("test", "host_prefix_cache_queries", None): 12.0,
            ("test", "input_tokens", None): 15870.0,
            ("test", "output_tokens", None): 65.0,
            ("test", "preemptions", None): 2.0,
            ("test", "completed_requests", None): 7.0,
            ("test", "prefix_cache_hit_rate", None): 0.0361,
            ("test", "output_tokens_per_second", None): 64.33,
        },
        runs={"sweep/tp1_bs16": {"kind": "serving"}},
    ),
    Sample(
        "sweep/short/metrics_server_metrics.csv",
        "timestamp_sec,relative_time_sec,kv_cache_usage_pct,tomorrow\n1770204525.5,0.0,50.00,1\n1770204526.5,1.0,60.00,2\n",
        matched=2,
        points={("test", "kv_cache_utilisation", None): 0.6, ("test", "tomorrow", None): 2.0},
        unknown=("tomorrow",),
    ),
)
