"""Composed pages in the forms of FlagPerf's READMEs, with what must come out of them."""

from __future__ import annotations

from llmstats.parsing import Sample

_GIB = 2.0**30

_LLM = r"""### 环境配置
- ##### 硬件环境
    - 机器型号: Toy Server T8
    - 加速卡型号: TOY_H100-80GB
- ##### 软件环境
   - OS版本：Ubuntu 22.04
   - 加速卡驱动版本：550.1
   - 训练框架版本：megatron-core 0.6.0
   - 依赖软件版本：
     - cuda: 12.1

### 运行情况（toy_13b）

| 指标名称 | 指标值 | 特殊说明 |
| ---- | ---- | ---- |
| 模型 | toy_7b | |
| 数据集 | toybooks | |
| 数据精度 | precision,见“性能指标” | 可选bf16 |

| 配置 | precision | parallel | fix_hp | token/p/s | 是否精度对齐 | mem | MFU | spill |
| ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- |
| H100两机16卡（2x8） | bf16 | TP2PP1DP8 | / | 2,071.5 | True(作为基线) | 62/80 | 38.4% | 3 |
| H1004机32卡(4x8) | bf16+fp8 | TP2PP2DP8 | GAS=64 | 2500 | / | 70/ 80 | 25.4%-50.6% | |
| H100-55机440卡（55x8） | bf16 | / | / | / | / | OOM | / | / |
| \*单机8卡（1x8） | bf16 | TP1 | / | 990 | True | \* | 0.31 | \ |
| H100单机8卡（1x8） | bf16 | TP1 | / | / | / | -- | / | N/A |
| ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- |
"""

_VISION = r"""#### 3.1 沐曦 C500
    - 机器、加速卡型号: C500 64G

| 指标名称 | 指标值 | 特殊说明 |
| ---- | ---- | ---- |
| 模型 | toynet | |
| 数据精度 | fp32 | |

| 配置 | fix_hp | e2e_time | p_whole | p_train | p_core | acc | mlm_acc | acc(MMLU) | mem |
| - | - | - | - | - | - | - | - | - | - |
| A100单机单卡（1x1）（finetune） | 数据精度=fp16 | 1708 | 363.2 | 386 | 394.6 | 0.657/0.655 | 71.3% | 41 | 35.5/64 |
"""

_SCORES = """| 配置 | precision | e2e_time | map | 收敛精度(mAP) | auc | final_nuv |
| - | - | - | - | - | - | - |
| R300双机8卡(2x8) | fp16, level="O1" | / | 38.4 && 34.6 | 0.351 | 0.8026/0.802 | 88.45 |

| 配置 | p_whole | val_loss | ppl | final_bleu | rouge1 | rouge2 | rougeL | rougeLsum |
| - | - | - | - | - | - | - | - | - |
| R300双机8卡(2x8) | / | -5.7461 | 54.2 | 27.23 | 41.2 | 18.9 | 29.1 | 38.4 |
"""
_PADDLE = r"""| 配置 | config | precision | parallel_strategy | throughput | memory |
| ---- | ---- | ---- | ---- | ---- | ---- |
| Toy-13B | ------- | ------- | ------- | ------- | ------- |
| A100单机8卡（1x8*80G） | config_TP2PP1SH2SP4A100x1x8 | fp16, O2 || 14.26 * 2048 / 8 = 3650 tokens/s | 54.01 * 8 GB |
| A100单机8卡（1x8*40G） | config_TP2PP4SH1SP1A10040Gx1x8 | fp16 | / | 1841 tokens/s | 46.80\*2 + 26.92\*6 GB |
"""

_OLD = """| 训练资源 | 配置文件 | 运行时长(s) | 目标精度 | 收敛精度 |Steps数|epoch数|性能(samples/s)|性能（ntokens/s）|
| ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- |
| 单机1卡 | config_A100x1x1 | N/A | 0.67 | N/A | N/A | N/A | N/A | / |
| 两机8卡 | config_A100x2x8 | 3-4天 | 82.672 | 82.528 | 1000800 | 12 | 1,363.5 | / |
| 单机4卡 | config_A100x1x4.py | 1715.28 | 0.67 | 0.6809 | 6250 | / | / | 1363049 |
"""

_MMLU = r"""### 2. 模型与权重
* 权重获取方式
  1. 下载`https://huggingface.co/toys/Toy-LLM-8B/tree/main`

### 1. 推理数据集
* 下载地址：`https://huggingface.co/datasets/someone/mmlu/tree/main`

#### 3.1 Nvidia A100
- ##### 硬件环境
    - 机器、加速卡型号: NVIDIA_A100-SXM4-40GB
- ##### 软件环境
   - 训练框架版本：pytorch-2.1.0a0
   - 推理工具包
   - Inductor 2.1
- ##### 并行策略
   - 张量并行，尺度为4

### 4. 运行情况（other_7b_MMLU）

| 指标名称 | 指标值索引 | 特殊说明 |
| ---- | ---- | ---- |
| 推理总吞吐量 | p_infer_whole | 实际推理序列数除以总推理时间 |
| 推理结果 | acc(推理/验证) | 单位为5-shots MMLU回答准确率 |

| 推理工具 | precision | e2e_time | p_val_whole | p_val_core | p_infer_whole | \*p_infer_core |\*MFU|acc|loss|mem|
| ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- |
| inductor | fp16 | 2415 | 7945.9 | 7979.6 | 8178.3 | 9051.3 | 46.4% | 65.2%/64.9% | 3.0075 | 28.7/40.0 |"""

_ENGINES = r"""#### 2.1 Nvidia A100
    - 机器、加速卡型号: NVIDIA_A100-SXM4-40GB
- ##### 并行策略
   - None
#### 2.2 昆仑芯R200
    - 机器、加速卡型号: R200

| 推理工具 | precision | bs | e2e_time | p_val_whole | \*p_val_core |p_infer_whole|\*p_infer_core|\*MFU|acc|mem|boost|
| - | - | - | - | - | - | - | - | - | - | - | - |
| tensorrt | fp16 | 256 |613.4 | / | / | 1391.4 | 12698.7 | 16.8% | 76.2/76.1 | 19.7/40.0 | 2 |
| kunlunxin_xtcl| W32A16 | 32*6 | / | / | / | / | / |/| 0.832 | 30.8/ 32.0 | |
| null | fp16 (W16A32) | 1 | / | 11.7 | 60.7 | / | / | / | 0.33 | 5.7/40.0 | |
| metax-nocompiler | fp32 | 8 | / | / | / | / | / | 0.103 | / | / | / |
| ixrt | fp32 | 8 | / | / | / | / | / | / | / | / | / |
"""

_DIFFUSION = r"""| 推理工具 | precision | bs | p_infer_whole | \*p_infer_core | CLIP Score | mem |
| - | - | - | - | - | - | - |
| tensorrt | fp32 | 2 | 7.2 | 16.1 | -/25.3 | / |
"""

_GENERATE = """#### 英伟达结果公开
|框架名称 |GPU名称 |并发数 |TTFT(s) |Tps |Throughput |MFU |
|  :--- | :---: | :---: | :---: | ---: | ---: | ---: |
|vllm |A100-40G-SXM |256 |23.24|5101.72|3848.26|28.84%|
|huggingface |A100-40G-SXM |1 |0.75|650.87|21.58|3.68%|
"""

_BASE = """# 参评AI芯片信息
* 厂商：MThreads
* 产品名称：S5000
* 产品型号：/

# 所用服务器配置
* 服务器数量：2
* 单服务器内使用卡数：8

| 评测项 | BF16算力测试值(16卡平均) | BF16算力标定值(16卡平均) | 测试标定比例(16卡平均) |
| ---- | ---- | ---- | ---- |
| 评测结果 | 251.5TFLOPS | 312TFLOPS | 80.6% |

| 评测项 | 服务器间多卡的MPI互联算法带宽测试值(all_reduce) | 标定值 | 测试标定比例 |
| ---- | ---- | ---- | ---- |
| 评测结果 | 92.5GB/s | 无 | 101.95% |

| 评测项 | 主存储容量测试值(8卡平均) | 主存储容量标定值（8卡平均） |
| ---- | ---- | ---- |
| 评测结果 | 39.18GiB(42.07GB) | 40GiB |

| 监控项 | 系统平均功耗(2机平均) | 系统最大功耗(2机最大) | 系统功耗标准差 | 单机TDP | 单卡平均功耗(16卡平均) | 单卡TDP |
| ---- | ---- | ---- | ---- | ---- | ---- | ---- |
| 监控结果 | 3274.3W | 4009.0W | 1025.57W | / | 302.5W | 350W |

| 监控项 | 系统平均CPU占用 | 系统平均内存占用 | 单卡平均温度(平均) | 单卡平均显存占用(16卡平均) |
| ---- | ---- | ---- | ---- | ---- |
| 监控结果 | 24.680% | 0.905 | 66.79 °C | 2.498% |
"""

_INTEGERS = """| 评测项 | INT8算力测试值(8卡平均) | INT8算力标定值(8卡平均) |
| ---- | ---- | ---- |
| 评测结果 | 608.554 | / |
| 评测结果 | | |
"""

_OPERATORS = """# 参评AI芯片信息
* 厂商：ILUVATAR
* 产品型号：BI150

|评测项|correctness|TFLOPS(cpu wall clock)|FU(FLOPS Utilization)-cputime|FU-kerneltime|平均相对误差(with FP64-CPU)|
| ---- | ---- | ---- | ---- | ---- | ---- |
| flaggems | True | 0.46TFLOPS | 0.15% | -1.25% | 3.112E-6 |
| nativetorch | : False | {{ tflops }} | | / | 0.00E+00 |

| 评测项 | cputime | kerneltime | cputime吞吐 | kerneltime吞吐 | 无预热时延 | 预热后时延 |
| ---- | ---- | ---- | ---- | ---- | ---- | ---- |
| flaggems | 4670.63us | 4678.5us | 214.1op/s | 213.74op/s | 1356985.05us | 4803.36us |

| 监控项 | 系统平均CPU占用 | 单卡最大显存占用 |
| ---- | ---- | ---- |
| nativetorch监控结果 | 1.088% | 22.447% |
"""

_FIRST = """| 配置 | precision | bs | byte_per_batch | e2e_time | p_val_whole | p_infer_core | infer_time | acc | mem |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| nvidia A100 | fp16 | 32 | 8192 | 792.4 | 706 | 1203 | 831μs | 58.1/61.2 | 38.64/40.0 |
"""

_EARLY = """| 训练资源 | 配置文件 | 运行时长(s) | final_loss | final_mlm_accuracy | Steps数 | 性能 (seq/s) |
| :-----| :---- | :---- | :---- | :---- | :---- | :---- |
| 单机单卡 | config_A100x1x1.py | 4616 | 1.1465 | 0.7442 | 25000 | 65.89 |
"""

_WRAPPED = """| 评测项 | cputime | 预热后时>延 |
| ---- | ---- | ---- |
| flaggems | 4670.63us | 4803.36us |

| 监控项 | 系统平均功耗 | 单卡最大功耗 | 单
卡TDP |
| ---- | ---- | ---- | ---- |
| flaggems监控结果 | 1638.0W | 270.0W | 400W |
"""

_TRAINING = "FlagPerf/training/nvidia/toy_7b-megatron/README.md"
_INFERENCE = "FlagPerf/inference/benchmarks/toynet/README.md"

SAMPLES = (
    Sample(
        _INFERENCE,
        _FIRST,
        matched=1,
        measurements={
            ("inference_throughput_core", "value"): 1203,
            ("validation_throughput", "value"): 706,
            ("inference_time_per_sample", "value"): 831e-6,
            ("input_bytes_per_batch", "value"): 8192,
            ("run_time", "value"): 792.4,
            ("inference", "accuracy", "mean"): 0.581,
            ("memory_used", "value"): 38.64 * _GIB,
            ("memory_total", "value"): 40 * _GIB,
        },
        runs={"inference/benchmarks/toynet/1": {"vendor": "NVIDIA", "device": "A100", "precision": "fp16"}},
    ),
    Sample(
        "FlagPerf/training/benchmarks/toy/pytorch/readme.md",
        _EARLY,
        matched=1,
        measurements={
            ("run_time", "value"): 4616,
            ("loss", "value"): 1.1465,
            ("accuracy", "value"): 0.7442,
            ("training_steps", "value"): 25000,
            ("samples_per_second", "value"): 65.89,
        },
    ),
    Sample(
        "FlagPerf/operation/benchmarks/toy/nvidia/A100/README.md",
        _WRAPPED,
        matched=2,
        measurements={
            ("toy", "operator_time", "value"): 4670.63e-6,
            ("toy", "operator_first_call_time", "value"): 4803.36e-6,
            ("system_power", "mean"): 1638,
            ("power", "max"): 270,
        },
    ),
    Sample(
        _TRAINING,
        _LLM,
        matched=3,
        measurements={
            ("tokens_per_second_per_device", "value"): 2071.5,
            ("memory_used", "value"): 62 * _GIB,
            ("memory_total", "value"): 80 * _GIB,
            ("mfu", "value"): 0.384,
            ("mfu", "min"): 0.254,
            ("mfu", "max"): 0.506,
            ("spill", "value"): 3.0,
        },
        runs={
            "training/nvidia/toy_7b-megatron/1": {
                "kind": "training",
                "model": "toy_7b",
                "framework": "megatron",
                "vendor": "NVIDIA",
                "device": "H100",
                "node_count": 2,
                "device_count": 16,
                "precision": "bf16",
                "parallelism": "TP2PP1DP8",
                "dataset": "toybooks",
                "status": None,
                "config": {"accuracy_aligned": "True(作为基线)"},
                "environment": {"加速卡型号": "TOY_H100-80GB", "加速卡驱动版本": "550.1", "cuda": "12.1"},
            },
            "training/nvidia/toy_7b-megatron/2": {"device": "H100", "node_count": 4, "device_count": 32},
            "training/nvidia/toy_7b-megatron/3": {"device": "H100", "device_count": 440, "status": "failed"},
            "training/nvidia/toy_7b-megatron/4": {"device": None, "vendor": None, "environment": {}},
        },
        events=("oom",),
        unknown=("spill",),
    ),
    Sample(
        "FlagPerf/training/metax/toynet-pytorch/README.md",
        _VISION,
        matched=1,
        measurements={
            ("run_time", "value"): 1708.0,
            ("samples_per_second", "value"): 363.2,
            ("accuracy", "value"): 0.657,
            ("MMLU", "accuracy", "value"): 0.41,
            ("memory_total", "value"): 64 * _GIB,
        },
        runs={
            "training/metax/toynet-pytorch/1": {
                "vendor": "MetaX",
                "device": "C500 64G",
                "precision": "fp16",
                "device_count": 1,
                "config": {"target": "0.655", "stage": "finetune"},
            }
        },
    ),
    Sample(
        "FlagPerf/training/kunlunxin/toyscores-pytorch/README.md",
        _SCORES,
        matched=2,
        measurements={
            ("bbox", "mean_average_precision", "value"): 0.384,
            ("segm", "mean_average_precision", "value"): 0.346,
            ("mean_average_precision", "value"): 0.351,
            ("roc_auc", "value"): 0.8026,
            ("novel_unique_valid", "value"): 0.8845,
            ("validation", "loss", "value"): -5.7461,
            ("perplexity", "value"): 54.2,
            ("bleu", "value"): 27.23,
            ("rouge1", "value"): 41.2,
            ("rouge2", "value"): 18.9,
            ("rougeL", "value"): 29.1,
            ("rougeLsum", "value"): 38.4,
        },
        runs={"training/kunlunxin/toyscores-pytorch/1": {"vendor": "Kunlunxin", "device_count": 16}},
    ),
    Sample(
        "FlagPerf/training/nvidia/toy-paddle/README.md",
        _PADDLE,
        matched=2,
        measurements={
            ("tokens_per_second_per_device", "value"): 3650.0,
            ("tokens_per_second", "value"): 1841.0,
            ("memory_used", "value"): 54.01 * _GIB,
            ("memory_used", "min"): 26.92 * _GIB,
            ("memory_used", "max"): 46.80 * _GIB,
        },
        runs={
            "training/nvidia/toy-paddle/2": {
                "model": "Toy-13B",
                "framework": "paddle",
                "device": "A100 80GB",
                "device_count": 8,
                "precision": "fp16",
                "parallelism": "TP2PP1SH2SP4",
            }
        },
    ),
    Sample(
        "old/README.md",
        _OLD,
        matched=2,
        measurements={
            ("run_time", "min"): 3 * 86400.0,
            ("run_time", "max"): 4 * 86400.0,
            ("run_time", "value"): 1715.28,
            ("accuracy", "value"): 0.82528,
            ("training_steps", "value"): 1000800.0,
            ("training_epochs", "value"): 12.0,
            ("samples_per_second", "value"): 1363.5,
            ("tokens_per_second", "value"): 1363049.0,
        },
        runs={
            "logs/old/2": {"vendor": None, "device": "A100", "node_count": 2, "device_count": 16},
            "logs/old/3": {"device_count": 4},
        },
    ),
    Sample(
        "pages/000_mmlu.md",
        _MMLU,
        matched=1,
        measurements={
            ("run_time", "value"): 2415.0,
            ("validation_throughput", "value"): 7945.9,
            ("validation_throughput_core", "value"): 7979.6,
            ("inference_throughput", "value"): 8178.3,
            ("inference_throughput_core", "value"): 9051.3,
            ("mfu", "value"): 0.464,
            ("inference", "accuracy", "mean"): 0.652,
            ("validation", "accuracy", "mean"): 0.649,
            ("inference", "loss", "mean"): 3.0075,
            ("memory_used", "value"): 28.7 * _GIB,
            ("memory_total", "value"): 40 * _GIB,
        },
        runs={
            "pages/000_mmlu/1": {
                "kind": "inference",
                "model": "Toy-LLM-8B",
                "dataset": "mmlu",
                "vendor": "NVIDIA",
                "precision": "fp16",
                "device": "NVIDIA_A100-SXM4-40GB",
                "device_count": 4,
                "framework": "pytorch",
                "parallelism": "TP4",
                "environment": {"推理工具包": "Inductor 2.1"},
                "config": {"compiler": "inductor"},
            }
        },
    ),
    Sample(
        _INFERENCE,
        _ENGINES,
        matched=4,
        measurements={
            ("inference_throughput_core", "value"): 12698.7,
            ("validation_throughput_core", "value"): 60.7,
            ("validation_throughput", "value"): 11.7,
            ("inference", "accuracy", "mean"): 0.762,
            ("validation", "accuracy", "mean"): 0.33,
            ("mfu", "value"): 0.103,
            ("memory_total", "value"): 32 * _GIB,
            ("boost", "value"): 2.0,
        },
        runs={
            "inference/benchmarks/toynet/1": {
                "model": "toynet",
                "vendor": "NVIDIA",
                "device": "NVIDIA_A100-SXM4-40GB",
                "device_count": 1,
                "parallelism": None,
            },
            "inference/benchmarks/toynet/2": {
                "vendor": "Kunlunxin",
                "device": "R200",
                "device_count": None,
                "precision": "W32A16",
                "config": {"batch_size": "32*6"},
            },
            "inference/benchmarks/toynet/3": {"vendor": "NVIDIA", "precision": "fp16"},
            "inference/benchmarks/toynet/4": {"vendor": "MetaX", "device": None},
        },
        unknown=("boost",),
    ),
    Sample(
        "FlagPerf/inference/benchmarks/stable_diffusion_v1_4/README.md",
        _DIFFUSION,
        matched=1,
        measurements={("validation", "clip_score", "mean"): 25.3, ("inference_throughput", "value"): 7.2},
    ),
    Sample(
        "FlagPerf/generate/Throughput/README.md",
        _GENERATE,
        matched=2,
        measurements={
            ("ttft", "value"): 23.24,
            ("total_tokens_per_second", "value"): 5101.72,
            ("output_tokens_per_second", "value"): 3848.26,
            ("mfu", "value"): 0.2884,
        },
        runs={"generate/Throughput/1": {"framework": "vllm", "device": "A100-40G-SXM", "vendor": "NVIDIA"}},
    ),
    Sample(
        "FlagPerf/base/benchmarks/computation-BF16/mthreads/S5000/README.md",
        _BASE,
        matched=5,
        measurements={
            ("computation-BF16", "achieved_flops", "mean"): 251.5e12,
            ("share_of_rated", "value"): 0.806,
            ("bandwidth", "value"): 92.5e9,
            ("memory_total", "mean"): 39.18 * _GIB,
            ("system_power", "mean"): 3274.3,
            ("system_power", "max"): 4009.0,
            ("system_power", "std"): 1025.57,
            ("power", "mean"): 302.5,
            ("cpu_utilisation", "mean"): 0.2468,
            ("host_memory_utilisation", "mean"): 0.00905,
            ("temperature", "mean"): 66.79,
            ("memory_utilisation", "mean"): 0.02498,
        },
        runs={
            "base/benchmarks/computation-BF16/mthreads/S5000": {
                "kind": "microbenchmark",
                "vendor": "Moore Threads",
                "device": "S5000",
                "node_count": 2,
                "device_count": 16,
                "precision": "BF16",
            }
        },
    ),
    Sample("chip.md", _INTEGERS, matched=1, measurements={("achieved_ops", "mean"): 608.554e12}),
    Sample(
        "FlagPerf/operation/benchmarks/mm/iluvatar/BI150/FP16_README.md",
        _OPERATORS,
        matched=4,
        measurements={
            ("mm", "achieved_flops", "value"): 0.46e12,
            ("flops_utilisation", "value"): -0.0125,
            ("relative_error", "mean"): 3.112e-6,
            ("operator_time", "value"): 4670.63e-6,
            ("operator_calls_per_second", "value"): 214.1,
            ("operator_first_call_time", "value"): 1.35698505,
            ("cpu_utilisation", "mean"): 0.01088,
            ("memory_utilisation", "max"): 0.22447,
        },
        runs={
            "operation/benchmarks/mm/iluvatar/BI150/FP16/flaggems": {
                "vendor": "Iluvatar",
                "device": "BI150",
                "framework": "flaggems",
                "precision": "FP16",
            },
            "operation/benchmarks/mm/iluvatar/BI150/FP16/nativetorch": {"config": {"correctness": "False"}},
        },
    ),
)
