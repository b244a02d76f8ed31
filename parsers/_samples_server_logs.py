"""Samples of the logs of inference servers: composed, in the formats of several versions."""

from __future__ import annotations

from llmstats.parsing import Sample

_INPUT, _OUTPUT = "input_tokens_per_second", "output_tokens_per_second"

_V1_START = """\
(APIServer pid=11) INFO 03-02 09:00:00 [api_server.py:1272] vLLM API server version 0.11.2
(APIServer pid=11) INFO 03-02 09:00:00 [utils.py:263] non-default args: {'model': 'acme/toy-7b', \
'max_model_len': 8192, 'tensor_parallel_size': 4}
(EngineCore_DP0 pid=12) INFO 03-02 09:00:05 [core.py:97] Initializing a V1 LLM engine (v0.11.2) with config: \
model='acme/toy-7b', speculative_config=None, trust_remote_code=True, dtype=torch.bfloat16, max_seq_len=8192, \
tensor_parallel_size=4, pipeline_parallel_size=1, data_parallel_size=2, quantization=fp8, device_config=cuda, \
structured_outputs_config=StructuredOutputsConfig(backend='auto'), seed=0, served_model_name=toy
(EngineCore_DP0 pid=12) INFO 03-02 09:01:00 [kv_cache_utils.py:1305] GPU KV cache size: 1,479,680 tokens
"""
_V1 = (
    _V1_START
    + """\
(APIServer pid=11) INFO 03-02 09:02:00 [loggers.py:257] Engine 000: Avg prompt throughput: 120.5 tokens/s, Avg \
generation throughput: 33.4 tokens/s, Running: 3 reqs, Waiting: 1 reqs, Preemptions: 2, GPU KV cache usage: 12.5%, \
Prefix cache hit rate: 40.0%, External prefix cache hit rate: 5.0%, MM cache hit rate: 50.0%
(APIServer pid=11) INFO:     127.0.0.1:50430 - "POST /v1/completions HTTP/1.1" 200 OK
(APIServer pid=11) INFO 03-02 09:02:00 [metrics.py:120] SpecDecoding metrics: Mean acceptance length: 2.50, Accepted \
throughput: 20.10 tokens/s, Drafted throughput: 40.20 tokens/s, Accepted: 201 tokens, Drafted: 402 tokens, \
Per-position acceptance rate: 0.800, 0.200, Avg Draft acceptance rate: 50.0%
(APIServer pid=11) INFO 03-02 09:02:10 [loggers.py:257] Engine 001: Avg prompt throughput: 0.0 tokens/s, Avg \
generation throughput: 7.5 tokens/s, Running: 1 reqs, Waiting: 0 reqs, Deferred: 4 reqs, GPU KV cache usage: 0.1%, \
Prefix cache hit rate: 0.0%
"""
)
_FAILED = (
    _V1_START
    + """\
\033[0;36m(EngineCore_DP0 pid=12)\033[0;0m ERROR 03-02 09:01:02 [core.py:936] EngineCore failed to start.
\033[0;36m(EngineCore_DP0 pid=12)\033[0;0m ERROR 03-02 09:01:02 [core.py:936] Traceback (most recent call last):
\033[0;36m(EngineCore_DP0 pid=12)\033[0;0m ERROR 03-02 09:01:02 [core.py:936]     raise MemoryError("x")
\033[0;36m(EngineCore_DP0 pid=12)\033[0;0m ERROR 03-02 09:01:02 [core.py:936] torch.OutOfMemoryError: CUDA out of \
memory. Tried to allocate 2.00 GiB
(EngineCore_DP0 pid=12) torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 4.00 GiB
(APIServer pid=11) RuntimeError: Engine core initialization failed. See root cause above.
"""
)
_V0 = """\
INFO 12-31 23:59:58 api_server.py:495] vLLM API server version 0.6.3.post1
INFO 12-31 23:59:59 metrics.py:351] Avg prompt throughput: 260.3 tokens/s, Avg generation throughput: 1.2 tokens/s, \
Running: 6 reqs, Swapped: 2 reqs, Pending: 3 reqs, GPU KV cache usage: 17.9%, CPU KV cache usage: 4.0%.
ERROR 01-01 00:00:03 client.py:247] RuntimeError('Engine loop has died')
INFO 01-01 00:00:04 metrics.py:367] Prefix cache hit rate: GPU: 94.35%, CPU: 1.00%
INFO 01-01 00:00:04 metrics.py:367] Speculative metrics: Draft acceptance rate: 0.642, System efficiency: 0.598, \
Number of speculative tokens: 3, Number of accepted tokens: 8547, Number of draft tokens: 13311, Number of emitted \
tokens: 10616.
INFO 01-01 00:00:09 api_server.py:495] vLLM API server version 0.6.3.post1
INFO 01-01 00:00:20 metrics.py:351] Avg prompt throughput: 1.0 tokens/s, Avg generation throughput: 2.0 tokens/s, \
Running: 1 reqs, Swapped: 0 reqs, Pending: 0 reqs, GPU KV cache usage: 0.1%, CPU KV cache usage: 0.0%.
"""
_MORE = """\
2026-03-02T08:00:00.123456Z (APIServer pid=1) INFO 03-02 09:00:00 [loggers.py:310] 2 Engines Aggregated: Avg prompt \
throughput: 1.5 tokens/s, Avg generation throughput: 2.5 tokens/s, Running: 1 reqs, Waiting: 0 reqs, GPU KV cache \
usage: 1.0%, Prefix cache hit rate: 0.0%
(APIServer pid=1) INFO 03-02 09:00:00 [perf.py:88] MFU: 123.4 TF/s/GPU 567.8 GB/s/GPU
(APIServer pid=1) INFO 03-02 09:00:00 [metrics.py:99] KV Transfer metrics: Num successful transfers=4, Avg xfer time \
(ms)=1.381, Throughput (MB/s)=1629.5
(APIServer pid=1) INFO 03-02 09:00:01 [launcher.py:99] Application shutdown complete.
"""

VLLM_SAMPLES = (
    Sample(
        "night/toy_server.log",
        _V1,
        matched=3,
        points={
            ("test", _INPUT, None): 120.5,
            ("test", _OUTPUT, None): 33.4,
            ("test", "requests_running", None): 3.0,
            ("test", "requests_waiting", None): 1.0,
            ("test", "requests_deferred", None): 4.0,
            ("test", "preemptions", None): 2.0,
            ("test", "kv_cache_utilisation", None): 0.125,
            ("test", "prefix_cache_hit_rate", None): 0.4,
            ("test", "multimodal_cache_hit_rate", None): 0.5,
            ("test", "acceptance_length", None): 2.5,
            ("test", "accepted_draft_tokens_per_second", None): 20.1,
            ("test", "draft_tokens_per_second", None): 40.2,
            ("test", "accepted_draft_tokens", None): 201.0,
            ("test", "draft_tokens", None): 402.0,
            ("test", "draft_acceptance_rate", None): 0.5,
            ("test", "Per-position acceptance rate 1", None): 0.8,
            ("test", "Per-position acceptance rate 2", None): 0.2,
        },
        runs={
            "night/toy_server": {
                "kind": "serving",
                "framework": "vllm",
                "model": "acme/toy-7b",
                "parallelism": "tp=4, dp=2",
                "device_count": 8,
                "precision": "fp8",
                "status": None,
                "environment": {"vllm": "0.11.2"},
                "config": {"kv_cache_tokens": 1479680, "max_seq_len": 8192, "served_model_name": "toy"},
            }
        },
        unknown=("Per-position acceptance rate 1", "Per-position acceptance rate 2"),
    ),
    Sample(
        "20260302_0859/logs/toy_server.log",
        _FAILED,
        matched=0,
        runs={"20260302_0859/logs/toy_server": {"status": "failed", "started_at": 1772442000_000000}},
        events=("error", "oom", "error"),
    ),
    Sample(
        "night/serve.txt",
        _V0,
        matched=4,
        points={
            ("test", "requests_swapped", None): 2.0,
            ("test", "host_kv_cache_utilisation", None): 0.04,
            ("test", "prefix_cache_hit_rate", None): 0.9435,
            ("test", "draft_acceptance_rate", None): 0.642,
            ("test", "speculative_efficiency", None): 0.598,
            ("test", "output_tokens", None): 10616.0,
            ("test", "Number of speculative tokens", None): 3.0,
        },
        runs={
            "night/serve": {"status": None, "started_at": 1767225598_000000, "ended_at": 1767225604_000000},
            "night/serve#2": {"environment": {"vllm": "0.6.3.post1"}},
        },
        events=("error",),
        unknown=("Number of speculative tokens",),
    ),
    Sample(
        "20260302/pod.log",
        _MORE,
        matched=3,
        points={
            ("test", "tflops_per_device", None): 123.4,
            ("test", "GB/s/GPU", None): 567.8,
            ("test", "Num successful transfers", None): 4.0,
            ("test", "Avg xfer time (ms)", None): 1.381,
            ("test", "Throughput (MB/s)", None): 1629.5,
        },
        runs={"20260302/pod": {"status": "completed", "ended_at": 1772442001_000000}},
        unknown=("GB/s/GPU", "Num successful transfers", "Avg xfer time (ms)", "Throughput (MB/s)"),
    ),
)

_SGLANG = """\
[2026-03-02 09:00:00] server_args=ServerArgs(model_path='acme/toy-7b', tokenizer_path='acme/toy-7b', dtype='auto', \
quantization=None, tp_size=4, dp_size=2, enable_dp_attention=True, nnodes=1, mem_fraction_static=0.85)
[2026-03-02 09:00:20 DP0 TP0] Load weight end. elapsed=7.5 s, type=ToyForCausalLM, dtype=torch.bfloat16, avail \
mem=60.00 GB, mem usage=14.50 GB.
[2026-03-02 09:01:00 DP0 TP0] max_total_num_tokens=409600, chunked_prefill_size=8192, max_prefill_tokens=16384, \
max_running_requests=2048, context_len=32768
[2026-03-02 09:02:00 DP0 TP0] Prefill batch, #new-seq: 2, #new-token: 120, #cached-token: 30, token usage: 0.02, \
#running-req: 5, #queue-req: 1, #pending-token: 7, cuda graph: False, input throughput (token/s): 512.25
[2026-03-02 09:02:01 DP1 TP0] Decode batch, #running-req: 7, #token: 2266, token usage: 0.25, accept len: 2.50, accept \
rate: 0.60, #retracted-req: 3, cuda graph: True, gen throughput (token/s): 75.25, #queue-req: 4
"""
_SGLANG_OLD = """\
[gpu_id=0] Prefil batch. #new-seq: 1, #new-token: 2, #cached-token: 42, cache hit rate: 45.26%, #running-req: 0, \
#queue-req: 0
[16:36:43 TP0] Decode batch. #running-req: 1, #token: 60, token usage: 0.01, gen throughput (token/s): 2.31, \
#queue-req: 0
Exception in ModelTpServer:
Traceback (most recent call last):
  File "/x/tp_worker.py", line 186, in exposed_step
RuntimeError: CUDA out of memory
"""
_SGLANG_FAILED = """\
[2026-03-02 09:00:00] INFO engine.py:177: server_args=ServerArgs(model_path='acme/toy-7b', dtype='float16', tp_size=1)
[2026-03-02 09:00:09 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "/x/scheduler.py", line 4008, in run_scheduler_process
RuntimeError: dead

[2026-03-02 09:00:09] Received sigquit from a child process. It usually means the child failed.
"""
SGLANG_SAMPLES = (
    Sample(
        "night/sglang_server.log",
        _SGLANG,
        matched=2,
        points={
            ("test", "requests_prefilled", None): 2.0,
            ("test", "input_tokens", None): 120.0,
            ("test", "prefix_cache_hits", None): 30.0,
            ("test", "kv_cache_utilisation", None): 0.02,
            ("test", "requests_running", None): 5.0,
            ("test", "requests_waiting", None): 4.0,
            ("test", _INPUT, None): 512.25,
            ("test", _OUTPUT, None): 75.25,
            ("test", "kv_cache_tokens", None): 2266.0,
            ("test", "acceptance_length", None): 2.5,
            ("test", "draft_acceptance_rate", None): 0.6,
            ("test", "requests_retracted", None): 3.0,
            ("test", "#pending-token", None): 7.0,
        },
        runs={
            "night/sglang_server": {
                "framework": "sglang",
                "model": "acme/toy-7b",
                "precision": "bfloat16",
                "device_count": 4,
                "node_count": 1,
                "parallelism": "tp=4, dp=2",
                "started_at": 1772442000_000000,
                "config": {"kv_cache_tokens": 409600, "context_len": 32768, "architecture": "ToyForCausalLM"},
            }
        },
        unknown=("#pending-token",),
    ),
    Sample(
        "night/old.log",
        _SGLANG_OLD,
        matched=2,
        points={("test", "prefix_cache_hit_rate", None): 0.4526, ("test", _OUTPUT, None): 2.31},
        runs={"night/old": {"status": "failed"}},
        events=("error", "oom"),
    ),
    Sample(
        "night/broken.log",
        _SGLANG_FAILED,
        matched=0,
        runs={"night/broken": {"status": "failed", "precision": "float16"}},
        events=("error", "error", "error"),
    ),
)

_LIGHTLLM = """\
INFO 06-24 21:55:55 [api_start.py:233] all start args:Namespace(run_mode='normal', port=8118, model_dir='/m/toy-7b', \
tp=2, dp=1, data_type='float16', mem_fraction=0.9)
DEBUG 06-24 21:57:20 [stats.py:37] Avg tokens(prompt+generate) throughput:   13.839 tokens/s
DEBUG 06-24 21:57:20 [stats.py:37] Avg prompt tokens throughput:             13.500 tokens/s
DEBUG 06-24 21:57:20 [stats.py:37] Avg generate tokens throughput:            0.339 tokens/s
DEBUG 06-24 21:57:22 [manager.py:248] dp_i 0 current batch size: 3 \n\
DEBUG 06-24 21:57:22 [manager.py:248] dp_i 0 paused req num: 1 \n\
DEBUG 06-24 21:57:22 [manager.py:248] dp_i 0 estimated_peak_token_count: 15623 \n\
DEBUG 06-24 21:57:22 [manager.py:248] dp_i 0 token used ratio: 0.06710590531966813 not contain prompt cache tree \
unrefed token
INFO 06-24 21:57:30 [statics_utils.py:24] mean first cost: 250.5 ms
INFO 06-24 21:57:30 [statics_utils.py:24] mean per token cost: 12.5 ms
INFO 06-24 21:57:31 [manager.py:556] X-Request-Id: X-Session-Id: start_time:2025-06-24 21:57:22 lightllm_req_id:8 \
first_token_cost:1500.25ms total_cost_time:9000.5ms,out_token_counter:100 mean_per_token_cost_time: 75.0025ms \
prompt_token_num:1063 prompt_cache_len:512 prompt_cache_ratio:0.48165569 mtp_avg_token_per_step:1.5 \n\
ERROR 06-24 21:57:40 [manager.py:99] has exception Server is busy, please try again later (Status code: 417)
ERROR 06-24 21:57:41 [manager.py:99] has exception Server is busy, please try again later (Status code: 418)
INFO 06-24 22:01:43 [start_utils.py:69] All processes terminated gracefully.
"""
_LIGHTLLM_OLD = """\
Avg tokens(prompt+generate) throughput:    0.460 tokens/s
Avg prompt tokens throughput:              0.051 tokens/s
Avg generate tokens throughput:            0.409 tokens/s
DEBUG 01-10 13:26:16 [manager.py:151] current batch size: 1 paused req num: 2 token used \
ratio: 9.166666666666667e-05 \n\
DEBUG 01-10 13:26:17 [infer_utils.py:62] Function exposed_decode_batch took 215.5 ms to run.
DEBUG 01-10 13:26:17 [infer_utils.py:62] Function exposed_prefill_batch took 2677.5 ms to run.
"""
LIGHTLLM_SAMPLES = (
    Sample(
        "night/serve.log",
        _LIGHTLLM,
        matched=10,
        points={
            ("test", "total_tokens_per_second", None): 13.839,
            ("test", _INPUT, None): 13.5,
            ("test", _OUTPUT, None): 0.339,
            ("test", "requests_running", None): 3.0,
            ("test", "requests_paused", None): 1.0,
            ("test", "kv_cache_utilisation", None): 0.06710590531966813,
            ("test", "ttft", None): 0.2505,
            ("test", "tpot", None): 0.0750025,
            ("test", "e2e_latency", None): 9.0005,
            ("test", "output_tokens", None): 100.0,
            ("test", "input_tokens", None): 1063.0,
            ("test", "prefix_cache_hits", None): 512.0,
            ("test", "prefix_cache_hit_rate", None): 0.48165569,
            ("test", "acceptance_length", None): 1.5,
            ("test", "estimated_peak_token_count", None): 15623.0,
        },
        runs={
            "night/serve": {
                "framework": "lightllm",
                "model": "/m/toy-7b",
                "device_count": 2,
                "precision": "float16",
                "status": "completed",
                "started_at": 1750802155_000000,
            }
        },
        events=("error",),
        unknown=("estimated_peak_token_count",),
    ),
    Sample(
        "night/log/process.33020.log",
        _LIGHTLLM_OLD,
        matched=6,
        points={
            ("test", _OUTPUT, None): 0.409,
            ("test", "kv_cache_utilisation", None): 9.166666666666667e-05,
            ("test", "requests_paused", None): 2.0,
            ("test", "step_time", None): 0.2155,
            ("test", "prefill_time", None): 2.6775,
        },
        runs={"night/log/process.33020": {"kind": "serving", "started_at": 1768051576_000000}},
    ),
)

_LMDEPLOY = """\
2026-03-02 09:00:00,123 - lmdeploy - INFO - async_engine.py:130 - input backend=pytorch, \
backend_config=PytorchEngineConfig(dtype='auto', tp=2, dp=1, session_len=4096, max_batch_size=128, block_size=64)
[2026-03-02 09:00:10 DP0] Avg thr (in/out): 210.5 / 33.5 tokens/s, Server (succeeded/failed/routed/waiting): \
5 / 1 / 3 / 0, Engine (running/waiting): 2 / 4, KV cache: 12.5%, Prefix cache hit rate: 40.0%, SpecDecoding metrics: \
Draft acceptance rate: 50.00%, Mean acceptance length: 2.50, Accepted: 201 tokens, Drafted: 402 tokens, \
Per-position acceptance rate: 0.800
"""
_LMDEPLOY_OLD = """\
[2025-12-02 09:00:10 DP1] Avg prompt throughput: 120.5 tokens/s, Avg generation throughput: 30.5 tokens/s, Finished: \
7 reqs, Unfinished: 2 reqs, Running: 2 reqs, Waiting: 0 reqs, GPU KV cache usage: 1.5%
2025-12-02 09:00:20,500 - lmdeploy - ERROR - engine.py:99 - ValueError: no such session
"""
LMDEPLOY_SAMPLES = (
    Sample(
        "night/lmdeploy.log",
        _LMDEPLOY,
        matched=1,
        points={
            ("test", _INPUT, None): 210.5,
            ("test", _OUTPUT, None): 33.5,
            ("test", "completed_requests", None): 5.0,
            ("test", "failed_requests", None): 1.0,
            ("test", "requests_running", None): 2.0,
            ("test", "requests_waiting", None): 4.0,
            ("test", "kv_cache_utilisation", None): 0.125,
            ("test", "prefix_cache_hit_rate", None): 0.4,
            ("test", "draft_acceptance_rate", None): 0.5,
            ("test", "acceptance_length", None): 2.5,
            ("test", "accepted_draft_tokens", None): 201.0,
            ("test", "draft_tokens", None): 402.0,
            ("test", "Server routed", None): 3.0,
            ("test", "Server waiting", None): 0.0,
            ("test", "Per-position acceptance rate 1", None): 0.8,
        },
        runs={"night/lmdeploy": {"framework": "lmdeploy", "device_count": 2, "parallelism": "tp=2"}},
        unknown=("Server routed", "Server waiting", "Per-position acceptance rate 1"),
    ),
    Sample(
        "night/api.log",
        _LMDEPLOY_OLD,
        matched=1,
        points={("test", "completed_requests", None): 7.0, ("test", "Unfinished", None): 2.0},
        events=("error",),
        unknown=("Unfinished",),
    ),
)

_TGI = """\
2026-03-02T09:00:00.000001Z  INFO text_generation_launcher: Args {
    model_id: "acme/toy-7b",
    num_shard: Some(
        2,
    ),
    quantize: None,
    dtype: Some("bfloat16"),
    max_concurrent_requests: 128,
}
2026-03-02T09:01:00.310182Z  INFO chat_completions{total_time="2.5s" validation_time="500.5\u00b5s" \
queue_time="73.5\u00b5s" inference_time="734.25ms" time_per_token="36.75ms" seed="Some(1346536)"}: \
text_generation_router::server: router/src/server.rs:622: Success
2026-03-02T09:01:02.310182Z ERROR chat_completions: text_generation_router::infer: router/src/infer.rs:9: \
Model is overloaded
"""
_TGI_FAILED = """\
2023-06-19T21:23:01.118777Z  INFO text_generation_launcher: Args { model_id: "acme/toy-40b", revision: None, sharded: \
Some(false), num_shard: Some(4), quantize: Some(Bitsandbytes), trust_remote_code: true, max_batch_size: None }
2023-06-19T21:23:09.118777Z ERROR text_generation_launcher: Shard 0 failed to start
Error: ShardCannotStart
"""
TGI_SAMPLES = (
    Sample(
        "night/tgi.log",
        _TGI,
        matched=1,
        points={
            ("test", "e2e_latency", None): 2.5,
            ("test", "validation_time", None): 500.5e-6,
            ("test", "queue_time", None): 73.5e-6,
            ("test", "inference_time", None): 0.73425,
            ("test", "tpot", None): 0.03675,
        },
        runs={
            "night/tgi": {
                "framework": "text-generation-inference",
                "model": "acme/toy-7b",
                "precision": "bfloat16",
                "started_at": 1772442000_000001,
                "config": {"max_concurrent_requests": 128},
            }
        },
        events=("error",),
    ),
    Sample(
        "night/tgi_failed.log",
        _TGI_FAILED,
        matched=0,
        runs={"night/tgi_failed": {"status": "failed", "device_count": 4, "precision": None}},
        events=("error", "error"),
    ),
)
