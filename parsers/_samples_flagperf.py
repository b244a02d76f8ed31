"""Composed examples of FlagPerf's inference logs, with what must come out of them."""

# ruff: noqa: E501  (log lines are as long as the program writes them)

from __future__ import annotations

from llmstats.parsing import Sample

_GIB = 2.0**30


def _line(second: float, level: str, where: str, message: str) -> str:
    return f"2025-03-01 09:10:{second:06.3f} | {level:<8} | {where} - {message}\n"


_RESNET = "benchmarks.resnet50.pytorch.forward"
_MMLU = "benchmarks.llama2_7b_mmlu.pytorch.forward"

_CONTAINER = (
    _line(1, "DEBUG", "tools.config_manager:merge_vendor:24", "Set batch_size to 64")
    + _line(2, "Init Begin", "__main__:main:26", "building dataloader and model")
    + _line(3.5, "Init End", "__main__:main:33", "1.5123456789 seconds")
    + _line(4, "Model Forward Begin", "__main__:main:37", "")
    + _line(5, "DEBUG", f"{_RESNET}:model_forward:40", "Step: 0 / 782")
    + _line(6, "INFO", f"{_RESNET}:model_forward:60", "Top1 Acc: [0.75, 0.7625]")
    + _line(6, "INFO", f"{_RESNET}:cal_perf:10", "Validation(pytorch) Perf: 1200.5 qps")
    + _line(6, "INFO", f"{_RESNET}:cal_perf:13", "Validation(pytorch) core Perf: 1500.0078125 qps")
    + _line(7, "Model Forward End", "__main__:main:45", "")
    + _line(7, "Export Begin", "__main__:main:51", "Export pytorch model into .onnx")
    + _line(8, "Export End", "__main__:main:58", "1.25e-06 seconds")
    + "[W] a warning of the compiler that is no log line\n"
    + _line(8, "Vendor Compile Begin", "__main__:main:66", "Compiling With toyvendor.toytrt")
    + _line(9, "Vendor Compile End", "__main__:main:73", "1.25 seconds")
    + _line(9, "Vendor Inference Begin", "__main__:main:77", "").replace(" - \n", " -\n")
    + _line(10, "INFO", f"{_RESNET}:engine_forward:99", "Top1 Acc: tensor(0.7617, device='cuda:0')")
    + _line(10, "INFO", f"{_RESNET}:cal_perf:10", "Inference(pytorch) Perf: 2400.123456 ips")
    + _line(10, "INFO", f"{_RESNET}:cal_perf:13", "Inference(pytorch) core Perf: 3600.987654321 ips")
    + _line(11, "Vendor Inference End", "__main__:main:83", "")
    + _line(
        11.5,
        "Finish Info",
        "__main__:<module>:159",
        "{'vendor': 'toyvendor', 'compiler': 'toytrt', 'precision': 'fp16', 'batchsize': 64, 'flops': 14764049382716.0, "
        "'e2e_time(second)': 10.512, 'p_validation_whole(qps)': 1200.5, 'p_validation_core(qps)': 1500.008, "
        "'p_inference_whole(qps)': 2400.123, '*p_inference_core(qps)': 3600.988, 'val_average_acc': 0.756, "
        "'infer_average_acc': 0.762}",
    )
)

# The framework alone, of an older version: no engine, rates not rounded.
_OLD = (
    _line(2, "Init Begin", "__main__:main:26", "building dataloader and model")
    + _line(3, "Init End", "__main__:main:33", "0.5 seconds")
    + _line(4, "INFO", f"{_MMLU}:cal_perf:12", "Validation(pytorch) Perf: 2500.25 tps")
    + _line(4, "INFO", f"{_MMLU}:model_forward:50", "MMLU5-shots Acc: 0.458")
    + _line(
        5,
        "Finish Info",
        "__main__:<module>:159",
        "{'vendor': 'toyvendor', 'compiler': None, 'precision': 'fp32', 'batchsize': 1, 'byte_per_batch': 4096, "
        "'e2e_time(second)': 4.0, 'p_validation_whole(qps)': 2500.25, '*p_validation_core(qps)': 2600.123456789, "
        "'p_inference_whole(qps)': None, '*p_inference_core(qps)': None, 'val_average_acc': 0.458, 'infer_average_acc': nan}",
    )
)

_CRASHED = (
    "+ python3 run_inference.py --case toy\n"
    + _line(1, "DEBUG", "tools.config_manager:merge_vendor:24", "Set compiler to toytrt")
    + _line(2, "Init Begin", "__main__:main:26", "building dataloader and model")
    + "Traceback (most recent call last):\n"
    + '  File "/FlagPerf/inference/run_inference.py", line 30, in main\n'
    + "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"
)


def _host(minute: int, message: str, level: str = "INFO") -> str:
    return f"2025-03-01 09:{minute:02}:00.000 | {level:<8} | __main__:main:500 - {message}\n"


def _block(minute: int, result: dict[str, str]) -> str:
    return "".join(_host(minute, f"{key.ljust(43)} : {value.ljust(23)}") for key, value in result.items())


_HOST = (
    _host(1, "\x1b[1;34;40m==============================================\x1b[0m", "Welcome")
    + _host(1, "\x1b[1;36;40m          Welcome to FlagPerf Inference!\x1b[0m", "Welcome")
    + _host(1, "Check hosts in the cluster......[SUCCESS]")
    + _host(1, "Vendor:\t\ttoyvendor")
    + _host(1, "Testcases:\t\t[resnet50:pytorch_1.13,llama2_7b_mmlu:pytorch_2.1,bert:pytorch_1.13]")
    + _host(2, "======= Testcase: resnet50:pytorch_1.13 =======")
    + _host(2, "=== 2.1 Prepare docker image:flagperf-inference-toyvendor-pytorch_1.13:t_v0.1 ===")
    + _host(2, "-== Testcase resnet50:pytorch_1.13 starts ==-")
    + _host(
        3,
        "Check task log in real time from container: "
        "/FlagPerf/inference/result/run20250301090100/resnet50:pytorch_1.13/10.0.0.5_noderank0/container.out.log",
    )
    + _host(10, "-== Testcase resnet50:pytorch_1.13 finished ==-")
    + _host(10, "=== 2.3 Compilation Case Performance ===")
    + _block(
        10,
        {
            "vendor": "toyvendor",
            "compiler": "toytrt",
            "precision": "fp16",
            "batchsize": "64",
            "flops": "14764049382716.0",
            "e2e_time(second)": "10.512",
            "p_validation_whole(qps)": "1200.5",
            "*p_inference_core(qps)": "3600.988",
            "infer_average_acc": "0.762",
            "vendor_usage(GiB)": "28.75",
            "vendor_max_mem(GiB)": "40.0",
            "*MFU": "4.7%",
        },
    )
    + _host(11, "======= Testcase: llama2_7b_mmlu:pytorch_2.1 =======")
    + _block(20, {"vendor": "hexaflake", "precision": "fp16", "batchsize": "1", "p_validation_core(qps)": "2600.123",
                  "*p_inference_core(qps)": "None", "vendor_usage(GiB)": "2048.0"})
    + _host(21, "======= Testcase: bert:pytorch_1.13 =======")
    + _host(30, "Case Run Failed, Please Check Log!", "ERROR")
)  # fmt: skip

_SHORT_HOST = "".join(
    f"2025-03-01T09:01:00.123456+0800 - {level} - {message}\n"
    for level, message in (
        ("Welcome", "          Welcome to FlagPerf Inference!"),
        ("ERROR", "Check hosts in the cluster......[FAILED] [EXIT]"),
    )
)

_RESNET_RESULT = {
    "kind": "inference",
    "status": "completed",
    "vendor": "toyvendor",
    "precision": "fp16",
    "model": "resnet50",
    "framework": "pytorch",
}

SAMPLES = (
    Sample(
        "result/run20250301090100/resnet50:pytorch_1.13/10.0.0.5_noderank0/container.out.log",
        _CONTAINER,
        matched=10,
        measurements={
            ("init_time", "value"): 1.5123456789,
            ("export_time", "value"): 1.25e-6,
            ("compile_time", "value"): 1.25,
            ("validation", "accuracy", "mean"): 0.75625,
            ("inference", "accuracy", "mean"): 0.7617,
            ("validation_throughput", "value"): 1200.5,
            ("validation_throughput_core", "value"): 1500.0078125,
            ("inference_throughput", "value"): 2400.123456,
            ("inference_throughput_core", "value"): 3600.987654321,
            ("achieved_flops", "value"): 14764049382716.0,
            ("run_time", "value"): 10.512,
        },
        runs={"run20250301090100/resnet50:pytorch_1.13": _RESNET_RESULT},
        events=("phase",) * 10,
    ),
    Sample(
        "archive/copied/stdout_err.out.log",
        _OLD,
        matched=4,
        measurements={
            ("validation_throughput", "value"): 2500.25,
            ("validation_throughput_core", "value"): 2600.123456789,
            ("inference_throughput_core", "value"): None,
            ("validation", "accuracy", "mean"): 0.458,
            ("inference", "accuracy", "mean"): float("nan"),
            ("init_time", "value"): 0.5,
            ("input_bytes_per_batch", "value"): 4096.0,
        },
        runs={
            "archive/copied": {
                "model": "llama2_7b_mmlu",
                "framework": "pytorch",
                "precision": "fp32",
                "status": "completed",
            }
        },
        events=("phase", "phase"),
    ),
    Sample(
        "result/run20250301090100/toy:pytorch_2.1/10.0.0.5_noderank0/stdout_err.out.log",
        _CRASHED,
        matched=0,
        runs={"run20250301090100/toy:pytorch_2.1": {"status": "failed", "model": "toy"}},
        events=("phase", "oom"),
    ),
    Sample(
        "result/run20250301090100/host.out.log",
        _HOST,
        matched=11,
        measurements={
            ("validation_throughput", "value"): 1200.5,
            ("achieved_flops", "value"): 14764049382716.0,
            ("mfu", "value"): 4.7 * 0.01,
            ("memory_total", "value"): 40.0 * _GIB,
            ("validation_throughput_core", "value"): 2600.123,
            ("memory_used", "value"): 28.75 * _GIB,
        },
        runs={
            "run20250301090100/resnet50:pytorch_1.13": _RESNET_RESULT,
            "run20250301090100/llama2_7b_mmlu:pytorch_2.1": {
                "model": "llama2_7b_mmlu",
                "status": "completed",
            },
            "run20250301090100/bert:pytorch_1.13": {"status": "failed", "vendor": "toyvendor"},
        },
        events=("error",),
    ),
    Sample("result/run20250301090200/host.out.log", _SHORT_HOST, matched=0),
)
