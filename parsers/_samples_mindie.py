"""Samples of MindIE-LLM's formats, composed."""

from __future__ import annotations

from llmstats.parsing import Sample

_TREE = "outputs/results/NPU/performance_test/performance/fp16_w8a8/llama"
_WIDTHS = (15, 15, 15, 15, 15, 25, 25, 25, 36, 25, 45, 35)
_COLUMNS = (
    "Model", "Batchsize", "In_seq", "Out_seq", "Total time(s)", "Prefill all time(ms)", "Prefill average time(ms)",
    "Non-first token time(ms)", "Non-first token Throughput(Tokens/s)", "Throughput(Tokens/s)",
    "Non-first token Throughput Average(Tokens/s)", "E2E Throughput Average(Tokens/s)",
)  # fmt: skip
_OLD_COLUMNS = (*_COLUMNS[:5], "First token time(ms)", *_COLUMNS[7:])


def _padded(*cells: str, separator: str = ",") -> str:
    """One row as the program pads it."""
    return separator.join(c.ljust(w) for c, w in zip(cells, _WIDTHS, strict=False)) + "\n"


_FIRST = ("llama", "4", "256", "512", "10.24", "90.5", "22.625", "19.5", "205.125", "200.0")
_SECOND = ("llama", "4", "512", "256", "5.125", "180.5", "45.125", "19.25", "207.75", "199.75", "206.4375", "199.875")
_CSV = ",".join(_COLUMNS) + "\n" + _padded(*_FIRST) + _padded(*_SECOND)
_PIPED = (
    _padded(*_COLUMNS[:9], "E2E Throughput(Tokens/s)", *_COLUMNS[10:], separator="|")
    + _padded(*_FIRST, separator="|")
    + _padded(*_SECOND, separator="|")
)
_OLD = ",".join(_OLD_COLUMNS) + "\nllama,1,256,256,5.12,45.5,19.75,50.625,50.0,50.625,50.0\n"
_ERROR = (
    ",".join(_COLUMNS)
    + "\n"
    + _padded(*_FIRST[:4], "11.5", *_FIRST[5:])
    + 'llama          ,4              ,4096           ,512    ,"NPU out of memory, tried to allocate",205.125,200.0\n'
)
_NONE_PASSED = ",".join(_COLUMNS) + "\nllama,64,256,256,RuntimeError: toy                ,0.0,0.0\n"
_ROUND = (
    ",".join(_COLUMNS)
    + "\n"
    + "llama,8,256,256,6.5,90.5,11.3125,22.5,355.5,,,315.0\nllama,16,256,256,7.5,180.5,11.28125,30.5,524.5,,,546.0\n"
    + "llama,32,256,256,NPU out of memory,0.0,0.0,,,,,\n"
)
_FINAL = ",".join(_COLUMNS) + "\nllama,8,256,256,6.5,90.5,11.3125,22.5,355.5,22.5,355.5,315.0\n"
_CASE_1: dict[tuple[str, ...], float | None] = {
    ("e2e_batch_latency", "value"): 10.24,
    ("prefill_time", "value"): 0.0905,
    ("prefill_time_per_request", "value"): 0.022625,
    ("tpot", "value"): 0.0195,
    ("decode_tokens_per_second", "value"): 205.125,
    ("output_tokens_per_second", "value"): 200.0,
    ("decode_tokens_per_second", "mean"): 206.4375,
    ("output_tokens_per_second", "mean"): 199.875,
}
_MAXBS = "outputs/results/NPU/performance_test/performance_maxbs/bf16/llama"

PERFORMANCE_SAMPLES = (
    Sample(
        f"{_TREE}/performance_pa_batch4_tp8_result.csv",
        _CSV,
        matched=2,
        measurements=_CASE_1,
        runs={
            "NPU/fp16_w8a8/llama/performance_pa_batch4_tp8": {
                "kind": "inference",
                "framework": "MindIE",
                "model": "llama",
                "device_count": 8,
                "device": None,
                "vendor": None,
                "precision": "fp16_w8a8",
                "status": "completed",
                "config": {"hardware": "NPU", "quantization": "w8a8", "test_mode": "performance"},
            }
        },
    ),
    Sample(
        f"{_TREE}/performance_pa_batch4_tp8_formatted_result.csv",
        _PIPED,
        matched=2,
        measurements=_CASE_1,
        runs={"NPU/fp16_w8a8/llama/performance_pa_batch4_tp8": {"model": "llama", "status": "completed"}},
    ),
    Sample(
        "old/performance_pa_batch1_tp4_result.csv",
        _OLD,
        matched=1,
        measurements={
            ("prefill_time", "value"): 0.0455,
            ("tpot", "value"): 0.01975,
            ("decode_tokens_per_second", "mean"): 50.625,
        },
        runs={"old/performance_pa_batch1_tp4": {"device_count": 4, "precision": None}},
    ),
    Sample(
        f"{_TREE}/performance_pa_batch4_tp2_result.csv",
        _ERROR,
        matched=2,
        measurements={("decode_tokens_per_second", "mean"): 205.125},
        runs={"NPU/fp16_w8a8/llama/performance_pa_batch4_tp2": {"status": "failed"}},
        events=("oom",),
    ),
    Sample(
        f"{_TREE}/performance_pa_batch64_tp2_result.csv",
        _NONE_PASSED,
        matched=0,
        runs={"NPU/fp16_w8a8/llama/performance_pa_batch64_tp2": {"status": "failed"}},
        events=("error",),
    ),
    Sample(
        f"{_MAXBS}/performance_maxbs_pa_256_256_tp8_round_result.csv",
        _ROUND,
        matched=2,
        measurements={("tpot", "value"): 0.0305, ("decode_tokens_per_second", "value"): 524.5},
        runs={
            "NPU/bf16/llama/performance_maxbs_pa_256_256_batch8_tp8": {"status": "completed", "device_count": 8},
            "NPU/bf16/llama/performance_maxbs_pa_256_256_batch32_tp8": {"status": "failed"},
        },
        events=("oom",),
    ),
    Sample(
        f"{_MAXBS}/performance_maxbs_pa_tp8_final_result.csv",
        _FINAL,
        matched=1,
        measurements={("max_batch_size", "value"): 8.0, ("tpot", "value"): 0.0225},
        runs={"NPU/bf16/llama/performance_maxbs_pa_256_256_batch8_tp8": {"precision": "bf16"}},
    ),
)

_BENCHMARK = (
    "batch_size,input_seq_len,output_seq_len,e2e_time(ms),prefill_time(ms),decoder_token_time(ms),prefill_count,"
    "prefill_token_times,decode_token_times,prefill_average_time(ms)\n"
    '2,256,4, 105.25, 45.12, 19.75,2,"0.0225,0.02262","0.0195,0.02,0.01975", 22.56\n'
)
_BENCHMARK_ONE = (
    "batch_size,input_seq_len,output_seq_len,e2e_time(ms),prefill_time(ms),decoder_token_time(ms),prefill_count,"
    "prefill_token_times,decode_token_times,prefill_average_time(ms)\n"
    "1,64,1, 12.50, 12.50, 0.00,1,0.0125,, 12.50\n"
)

BENCHMARK_SAMPLES = (
    Sample(
        "modeltest/benchmark.csv",
        _BENCHMARK,
        matched=1,
        measurements={
            ("e2e_batch_latency", "value"): 0.10525,
            ("prefill_time", "value"): 0.04512,
            ("prefill_time_per_request", "value"): 0.02256,
            ("tpot", "value"): 0.01975,
            ("tpot", "p50"): 0.01975,
            ("tpot", "max"): 0.02,
            ("prefill_time", "min"): 0.0225,
        },
        runs={"modeltest/benchmark": {"status": "completed", "config": {"prefill_count": 2}}},
    ),
    Sample(
        "benchmark_result/benchmark.csv",
        _BENCHMARK_ONE,
        matched=1,
        measurements={("e2e_batch_latency", "value"): 0.0125, ("tpot", "value"): 0.0},
        runs={"benchmark_result/benchmark": {"kind": "inference"}},
    ),
)

_GAP = " " * 16
_MULTIMODAL = (
    f"batch, input_len, output_len, embedding_len, fisrt_token_time(ms), {_GAP}non_first_token_time(ms), "
    "ResponseTime(ms),E2E Throughput Average(Tokens/s)\n"
    f"1, 30, 256,2000, {_GAP}345.5,19.75, 5381.25, {_GAP}47.5\n"
    f"4, 30, 256,2000, {_GAP}945.5,21.75, 6491.75, {_GAP}157.75\n"
)
_INTERNVL = (
    "batch, input_len, output_len, FirstToken(s), ResponseTime(s), E2E Throughput Average(Tokens/s)\n"
    "1, 30, 256, 0.3455, 5.38125, 47.5\n"
)

MULTIMODAL_SAMPLES = (
    Sample(
        "models/toyvl/toyvl_performance.csv",
        _MULTIMODAL,
        matched=2,
        measurements={
            ("prefill_time", "value"): 0.3455,
            ("tpot", "value"): 0.02175,
            ("e2e_batch_latency", "value"): 5.38125,
            ("output_tokens_per_second", "value"): 157.75,
        },
        runs={"toyvl/toyvl_performance": {"status": "completed"}, "toyvl/toyvl_performance#2": {"kind": "inference"}},
    ),
    Sample(
        "models/internvl/internvl_performance.csv",
        _INTERNVL,
        matched=1,
        measurements={("prefill_time", "value"): 0.3455, ("e2e_batch_latency", "value"): 5.38125},
        runs={"internvl/internvl_performance": {"framework": "MindIE"}},
    ),
)

_PRECISION = "outputs/results/NPU/precision_test"
_CEVAL = (
    "file_name     ,value             ,correct,sum \n"
    "total         ,0.75              ,3      ,4   \n"
    "toy_accountant,0.6666666666666666,2      ,3   \n"
    "toy_law       ,1.0               ,1      ,1   \n"
)
_LONGBENCH = "file_name,value,correct,sum\ntotal    ,31.5 ,None   ,40 \ntoy_qa   ,31.5 ,None   ,40 \n"
_CMMLU = "category,avg_acc,time_cost(s)\nToy STEM,62.5,0.25\nOverall,60.5,0.125\n"
_TRUTHFUL = "Model,MC1,MC2,BLEU,ROUGE\nllama,0.25,0.375,-0.5,0.125\n"
_BLEURT = "Model,BLEURT diff,MC1\nllama,0.0625,0.25\n"

PRECISION_SAMPLES = (
    Sample(
        f"{_PRECISION}/full/fp16/llama/CEval_pa_batch1_tp8_full_result.csv",
        _CEVAL,
        matched=3,
        measurements={
            ("CEval", "accuracy", "value"): 0.75,
            ("toy_accountant", "accuracy", "value"): 2 / 3,
            ("CEval", "correct_samples", "value"): 3.0,
            ("CEval", "evaluated_samples", "value"): 4.0,
        },
        runs={
            "NPU/fp16/llama/CEval_pa_batch1_tp8_full": {
                "kind": "evaluation",
                "dataset": "CEval",
                "model": "llama",
                "precision": "fp16",
                "device_count": 8,
                "status": "completed",
            }
        },
    ),
    Sample(
        f"{_PRECISION}/full/fp16/llama/LongBench_pa_batch1_tp8_full_result.csv",
        _LONGBENCH,
        matched=2,
        measurements={("LongBench", "score", "value"): 31.5, ("toy_qa", "score", "value"): 31.5},
        runs={"NPU/fp16/llama/LongBench_pa_batch1_tp8_full": {"dataset": "LongBench"}},
    ),
    Sample(
        f"{_PRECISION}/full/bf16/llama/CMMLU_pa_batch1_tp8_full_result.csv",
        _CMMLU,
        matched=2,
        measurements={
            ("CMMLU", "accuracy", "value"): 0.605,
            ("Toy STEM", "accuracy", "value"): 0.625,
            ("CMMLU", "e2e_batch_latency", "mean"): 0.125,
        },
        runs={"NPU/bf16/llama/CMMLU_pa_batch1_tp8_full": {"dataset": "CMMLU"}},
    ),
    Sample(
        f"{_PRECISION}/full/bf16/llama/TruthfulQA_fa_batch1_tp8_full_result.csv",
        _TRUTHFUL,
        matched=1,
        measurements={
            ("TruthfulQA", "mc1", "value"): 0.25,
            ("TruthfulQA", "mc2", "value"): 0.375,
            ("TruthfulQA", "bleu_diff", "value"): -0.5,
            ("TruthfulQA", "rouge1_diff", "value"): 0.125,
        },
        runs={"NPU/bf16/llama/TruthfulQA_fa_batch1_tp8_full": {"model": "llama"}},
    ),
    Sample(
        "loose/TruthfulQA_pa_batch1_tp1_full_result.csv",
        _BLEURT,
        matched=1,
        measurements={("TruthfulQA", "bleurt_diff", "value"): 0.0625},
        runs={"loose/TruthfulQA_pa_batch1_tp1_full": {"device_count": 1}},
    ),
)

_SIMPLIFIED = (
    "Standard: [1] KL loss <= 1e-3. [2] rate of KL loss > 1e-4 <= 0.5%.\n"
    "Model          |Dataset        |Batchsize      |Logits Num     |Greatest KLL   |Error Rate     |Result         \n"
    "llama          |GSM8K          |1              |4096           |0.00025        |0.00125        |Pass           \n"
    "llama          |GSM8K          |1              |4096           |0.0125         |0.25           |Fail           \n"
)
_FULL = (
    "llama          |CEval          |1              |0.75           |0.6875         |Pass           \n"
    "llama          |TruthfulQA     |1              |0.375          |0.25           |Fail           \n"
)

COMPARISON_SAMPLES = (
    Sample(
        "result/simplified_test_result.csv",
        _SIMPLIFIED,
        matched=2,
        measurements={
            ("GSM8K", "kl_divergence", "max"): 0.00025,
            ("GSM8K", "logit_error_rate", "value"): 0.25,
            ("GSM8K", "evaluated_tokens", "value"): 4096.0,
        },
        runs={
            "result/simplified_test_result/llama/GSM8K": {"config": {"result": "Pass"}},
            "result/simplified_test_result/llama/GSM8K#2": {"config": {"result": "Fail"}, "status": "completed"},
        },
    ),
    Sample(
        "result/full_test_result.csv",
        _FULL,
        matched=2,
        measurements={("CEval", "accuracy", "value"): 0.6875, ("TruthfulQA", "mc2", "value"): 0.25},
        runs={"result/full_test_result/llama/CEval": {"dataset": "CEval", "model": "llama"}},
    ),
)

_GRID = """\
runner config:
+-------------------+----------+
| Field             | Value    |
+===================+==========+
| task_config_path  | ceval    |
+-------------------+----------+
| tp                | 8        |
+-------------------+----------+
model config:
+------------+--------------------------------+
| Field      | Value                          |
+============+================================+
| model_name | toy-7b                         |
+------------+--------------------------------+
| prompt     | a long text that               |
|            | goes on                        |
+------------+--------------------------------+
task config:
+-----------+---------+
| Field     | Value   |
+===========+=========+
| task_name | ceval   |
+-----------+---------+
metric table:
+---------+----------+---------+--------+----------+---------+
| Tasks   |   N-Shot |   Total |   Pass | Metric   |   Value |
+=========+==========+=========+========+==========+=========+
| ceval   |        5 |       8 |      5 | acc      |   0.625 |
+---------+----------+---------+--------+----------+---------+
| toy law |        5 |       4 |      3 | acc      |   0.75  |
+---------+----------+---------+--------+----------+---------+
"""
_GRID_HEAD = "runner config:\n+-------+\n| Field |\n+=======+\nmetric table:\n"
_GRID_LONG = (
    f"{_GRID_HEAD}+-----------+----------+---------+-----------+---------+\n"
    "| Tasks     |   N-Shot |   Total | Metric    |   Value |\n+===========+==========+\n"
    "| longbench |        0 |      40 | longbench |   31.25 |\n+-----------+\n"
)
_GRID_PASS = (
    f"{_GRID_HEAD}+-----------+\n| Tasks     |   N-Shot |   Total | Metric    |   Value |\n+===========+\n"
    "| humaneval |        0 |     164 | Pass@1.0  |   0.125 |\n+-----------+\n"
)
_GRID_TRUE = (
    f"{_GRID_HEAD}+-----------+\n| Tasks | N-Shot | Total | Metric | MC1 | MC2 | BLUE | ROUGE |\n+===========+\n"
    "| truthfulqa | 6 | 817 | truthfulqa | 0.25 | 0.375 | -0.5 | 0.0625 |\n+-----------+\n"
)

GRID_SAMPLES = (
    Sample(
        f"{_PRECISION}/ceval/bfloat16/toy-7b/ceval_pa_batch4_tp8_result.csv",
        _GRID,
        matched=2,
        measurements={
            ("ceval", "accuracy", "value"): 0.625,
            ("toy law", "accuracy", "value"): 0.75,
            ("ceval", "evaluated_samples", "value"): 8.0,
            ("ceval", "correct_samples", "value"): 5.0,
        },
        runs={
            "NPU/bfloat16/toy-7b/ceval_pa_batch4_tp8": {
                "kind": "evaluation",
                "dataset": "ceval",
                "model": "toy-7b",
                "precision": "bfloat16",
                "device_count": 8,
            }
        },
    ),
    Sample(
        f"{_PRECISION}/longbench/float16/toy-7b/longbench_pa_batch4_tp8_result.csv",
        _GRID_LONG,
        matched=1,
        measurements={("longbench", "score", "value"): 31.25},
        runs={"NPU/float16/toy-7b/longbench_pa_batch4_tp8": {"dataset": "longbench"}},
    ),
    Sample(
        f"{_PRECISION}/humaneval/float16/toy-7b/humaneval_pa_batch4_tp8_result.csv",
        _GRID_PASS,
        matched=1,
        measurements={("humaneval", "pass_at_1", "value"): 0.125},
    ),
    Sample(
        f"{_PRECISION}/truthfulqa/float16/toy-7b/truthfulqa_pa_batch4_tp8_result.csv",
        _GRID_TRUE,
        matched=1,
        measurements={
            ("truthfulqa", "mc1", "value"): 0.25,
            ("truthfulqa", "mc2", "value"): 0.375,
            ("truthfulqa", "bleu_diff", "value"): -0.5,
            ("truthfulqa", "rouge1_diff", "value"): 0.0625,
        },
    ),
)

_PROGRAMS = '{"task_id": "HumanEval/0", "completion": "return 4"}\n{"task_id": "HumanEval/1", "completion": "pass"}\n'
_FATES = """\
{"task_id": "HumanEval/0", "completion": "return 4", "result": "passed", "passed": true}
{"task_id": "HumanEval/1", "completion": "pass", "result": "failed: ", "passed": false}
{"pass@1": 0.5}
"""
_SPREAD = '{\n    "task_id": "CPP/0",\n    "passed": true\n}\n{"pass@1": 0.625}\n'

HUMANEVAL_SAMPLES = (
    Sample(
        f"{_PRECISION}/full/fp16/llama/HumanEval_pa_batch8_tp2_full_result.jsonl",
        _FATES,
        matched=1,
        measurements={("HumanEval", "pass_at_1", "value"): 0.5},
        runs={"NPU/fp16/llama/HumanEval_pa_batch8_tp2_full": {"config": {"programs": 2}, "status": "completed"}},
    ),
    Sample(
        f"{_PRECISION}/full/fp16/llama/HumanEval_pa_batch8_tp2_full_infer.jsonl",
        _PROGRAMS,
        matched=0,
        runs={"NPU/fp16/llama/HumanEval_pa_batch8_tp2_full": {"config": {"programs": 2}, "status": None}},
    ),
    Sample(
        f"{_PRECISION}/full/fp16/llama/humaneval_cpp_pa_batch8_tp2_full_result.jsonl",
        _SPREAD,
        matched=1,
        measurements={("humaneval_cpp", "pass_at_1", "value"): 0.625},
    ),
)

_P = "[2025-03-01 10:00:00,123] [4242] [281] [llmmodels] "
_TEST = f"""\
{_P}[INFO] [model_test.py-608] : performance test start
{_P}[INFO] [generate.py-1300] : Prefill time: 11.5ms, Prefill average time: 11.5ms, \
Decode token time: 9.5ms, E2E time: 21ms
{_P}[INFO] [model_test.py-947] : batch: 4, seq_len_in: 256, seq_len_out: 512, total_time: 10.240000,prefill_all_time: \
90.500000,prefill_avg_time: 22.625000,non_first_token_time: 19.500000,non_first_token_throughput: 205.125000,\
e2e_time: 10.240000, e2e_throughput: 200.000000
{_P}[INFO] [model_test.py-1001] : batch: 4, non_first_token_throughput_total: 205.125000, \
non_first_token_throughput_average: 205.250000, e2e_throughput_total: 200.000000, e2e_throughput_average: 200.500000
{_P}[INFO] [model_test.py-1030] : llama batch 4 result saved in /a/performance_pa_batch4_tp8_result.csv
"""
_PA = """\
[2025-03-01 10:00:00,123] : [INFO] hbm_capacity(GB): 64.0, init_memory(GB): 16.25
[2025-03-01 10:00:01,123] : [INFO] ---------------begin warm_up---------------
[2025-03-01 10:00:02,123] : [INFO] warmup_memory(GB):  18.50
[2025-03-01 10:00:03,123] : [INFO] ---------------end warm_up---------------
[2025-03-01 10:00:04,123] : [INFO] ---------------begin inference---------------
[2025-03-01 10:00:05,123] : [INFO] infer max_memory(GB):  57.50, warm_up_memory(GB):  18.50, free_memory(GB):  36.25
[2025-03-01 10:00:05,124] : [INFO] num_blocks: 9009, free_memory: 38923141120
[2025-03-01 10:00:06,123] : [INFO] Prefill time: 45.25ms, Prefill average time: 22.625ms, \
Decode token time: 20.5ms, E2E time: 65.75ms
[2025-03-01 10:00:07,123] : [INFO] Prefill time: 40.25ms, Prefill average time: 20.125ms, \
Decode token time: 19.5ms, E2E time: 410.75ms
[2025-03-01 10:00:08,123] : [INFO] ---------------end inference---------------
[2025-03-01 10:00:08,124] : [INFO] Answer[0]: a toy answer
over two lines
[2025-03-01 10:00:08,125] : [INFO] Generate[0] token num: (0, 20)
[2025-03-01 10:00:08,126] : [INFO] Answer[1]: another
[2025-03-01 10:00:08,127] : [INFO] Generate[1] token num: (1, 32)
"""
_BROKEN = """\
INFO: current model_type: pa_fp16
INFO: current test_mode: performance
[2025-03-01 10:00:00,123] : [ERROR] Error caught during inference: NPU out of memory. Tried to allocate 2.00 GiB
something wrong marked for CI
"""
_DATASET = (
    "batch_id: 1, seq_len_in: 900, seq_len_out: 256, total_time: 6.500000,prefill_all_time: 120.500000,"
    "prefill_avg_time: 30.125000,non_first_token_time: 24.500000,non_first_token_throughput: 163.250000,"
    "e2e_time: 6.500000, e2e_throughput: 157.500000\n"
)

LOG_SAMPLES = (
    Sample(
        "outputs/logs/performance_2025-03-01_10-00-00.log",
        _TEST,
        matched=2,
        measurements={
            ("e2e_batch_latency", "value"): 10.24,
            ("prefill_time", "value"): 0.0905,
            ("prefill_time_per_request", "value"): 0.022625,
            ("tpot", "value"): 0.0195,
            ("decode_tokens_per_second", "value"): 205.125,
            ("output_tokens_per_second", "value"): 200.0,
            ("decode_tokens_per_second", "mean"): 205.25,
            ("output_tokens_per_second", "mean"): 200.5,
        },
        runs={"logs/performance_2025-03-01_10-00-00": {"model": "llama", "status": "completed"}},
    ),
    Sample(
        "run/run_pa.log",
        _PA,
        matched=5,
        measurements={
            ("memory_total", "value"): 64.0 * 2**30,
            ("memory_used", "value"): 16.25 * 2**30,
            ("memory_budget", "value"): 57.5 * 2**30,
            ("memory_free", "value"): 36.25 * 2**30,
            ("prefill_time", "value"): 0.04025,
            ("prefill_time_per_request", "value"): 0.020125,
            ("tpot", "value"): 0.0195,
            ("e2e_batch_latency", "value"): 0.41075,
        },
        runs={"run/run_pa": {"status": "completed", "framework": "MindIE"}},
    ),
    Sample(
        "run/broken.log",
        _BROKEN,
        matched=0,
        runs={"run/broken": {"status": "failed"}},
        events=("oom", "error"),
    ),
    Sample(
        "run/dataset.log",
        _DATASET,
        matched=1,
        measurements={("e2e_batch_latency", "value"): 6.5, ("output_tokens_per_second", "value"): 157.5},
        runs={"run/dataset": {"kind": "inference"}},
    ),
)
