"""A FlagPerf inference case of two machines: the container's log and the host's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from _chance import Chance

CASE = "llama3_8b_mmlu:pytorch_2.1"
HOST = "127.0.0.1_noderank0"
QUESTIONS, TOKENS, FREQUENCY = 14042, 9_412_866, 1000
FLOPS_PER_TOKEN = 2 * 8e9
_MODULE = "benchmarks.llama3_8b_mmlu.pytorch.forward"


@dataclass(frozen=True)
class Machine:
    """How one machine answers; tokens per second of whole and core, seconds of preparation."""

    directory: str
    vendor: str
    compiler: str
    started: datetime
    validation: tuple[float, float]
    inference: tuple[float, float]
    right: tuple[int, int]  #: of the questions, in validation and inference
    preparation: tuple[float, float, float]  #: init, export, compile
    memory: tuple[float, float]  #: GiB, used and in all
    peak: float  #: FLOP/s that the vendor's module of FlagPerf divides by
    seed: int


class Container:
    """Writes ``container.out.log`` in loguru's default form."""

    def __init__(self, clock: datetime) -> None:
        self.clock = clock
        self.lines: list[str] = []

    def say(self, level: str, where: str, message: str, after: float = 0.0) -> None:
        self.clock += timedelta(seconds=after)
        self.lines.append(f"{_stamp(self.clock)} | {level:<8} | {where} - {message}")


def write(root: Path, machine: Machine) -> None:
    """``run<time>/`` with the host's log and, below the case, the container's."""
    run = root / machine.directory / f"run{machine.started:%Y%m%d%H%M%S}"
    folder = run / CASE / HOST
    folder.mkdir(parents=True)
    began = machine.started + timedelta(seconds=96)
    container, result = _container(machine, began)
    (folder / "container.out.log").write_text("\n".join(container.lines) + "\n", "utf-8")
    host = _host(machine, f"/home/flagperf/result/{run.name}", container.clock, result)
    (run / "host.out.log").write_text("\n".join(host) + "\n", "utf-8")


def _container(machine: Machine, began: datetime) -> tuple[Container, dict[str, object]]:
    log = Container(began)
    main = "__main__:main"
    log.say("DEBUG", "tools.config_manager:merge_vendor:24", f"Set compiler to {machine.compiler}")
    init, export, compilation = machine.preparation
    log.say("Init Begin", f"{main}:26", "building dataloader and model", 0.2)
    log.say("Init End", f"{main}:33", f"{init} seconds", init)
    log.say("Model Forward Begin", f"{main}:37", "")
    validation = _pass(log, machine, "Validation", machine.validation, machine.right[0])
    log.say("Model Forward End", f"{main}:45", "")
    log.say("Export Begin", f"{main}:51", "Export pytorch model into .onnx")
    log.say("Export End", f"{main}:58", f"{export} seconds", export)
    log.say("Vendor Compile Begin", f"{main}:66", f"Compiling With {machine.vendor}.{machine.compiler}")
    log.say("Vendor Compile End", f"{main}:73", f"{compilation} seconds", compilation)
    log.say("Vendor Inference Begin", f"{main}:77", "")
    inference = _pass(log, machine, "Inference", machine.inference, machine.right[1])
    log.say("Vendor Inference End", f"{main}:83", "")
    result: dict[str, object] = {
        "vendor": machine.vendor,
        "compiler": machine.compiler,
        "precision": "fp16",
        "batchsize": 1,
        "flops": FLOPS_PER_TOKEN * inference[1],
        "e2e_time(second)": round((log.clock - began).total_seconds(), 3),
        "p_validation_whole(qps)": validation[0],
        "p_validation_core(qps)": validation[1],
        "p_inference_whole(qps)": inference[0],
        "*p_inference_core(qps)": inference[1],
        "val_average_acc": round(machine.right[0] / QUESTIONS, 3),
        "infer_average_acc": round(machine.right[1] / QUESTIONS, 3),
    }
    log.say("Finish Info", "__main__:<module>:167", str(result), 0.014)
    return log, result


def _pass(log: Container, machine: Machine, stage: str, speed: tuple[float, float], right: int) -> tuple[float, float]:
    """All questions once; rates as FlagPerf rounds them for its result."""
    function = "model_forward" if stage == "Validation" else "engine_forward"
    seconds = TOKENS / speed[0]
    chance = Chance(machine.seed + len(stage))
    pace = [chance.around(seconds * FREQUENCY / QUESTIONS, 0.02) for _ in range(QUESTIONS // FREQUENCY)]
    log.say("DEBUG", f"{_MODULE}:{function}:48", "Repeat: 1")
    for i in range(QUESTIONS // FREQUENCY + 1):
        message = f"Step: {i * FREQUENCY} / {QUESTIONS}"
        log.say("DEBUG", f"{_MODULE}:{function}:53", message, pace[i - 1] if i else 0.4)
    log.say("INFO", f"{_MODULE}:{function}:84", f"MMLU5-shots Acc: {right / QUESTIONS}", seconds - sum(pace) - 0.4)
    whole, core = speed
    log.say("INFO", f"{_MODULE}:cal_perf:24", f"{stage}(pytorch) Perf: {whole} tps")
    log.say("INFO", f"{_MODULE}:cal_perf:27", f"{stage}(pytorch) core Perf: {core} tps")
    return round(whole, 3), round(core, 3)


def _host(machine: Machine, path: str, end: datetime, result: dict[str, object]) -> list[str]:
    """What ``run.py`` says on the host; the result follows when the container has ended."""
    lines: list[str] = []

    def say(after: float, message: str, level: str = "INFO", where: str = "main:573") -> None:
        clock = _stamp(machine.started + timedelta(seconds=after))
        lines.append(f"{clock} | {level:<8} | __main__:{where} - {message}")

    blue, cyan, plain = "\x1b[1;34;40m", "\x1b[1;36;40m", "\x1b[0m"
    for text in (f"{blue}{'=' * 46}", f"{cyan}          Welcome to FlagPerf Inference!", f"{blue}{'=' * 46}"):
        say(0.0, text + plain, "Welcome", "print_welcome_msg:33")
    say(0.1, "======== Step 1: Check key configs. ========")
    say(0.9, f"Vendor:\t\t{machine.vendor}", where="log_test_configs:551")
    say(0.9, f"Testcases:\t\t[{CASE}]", where="log_test_configs:552")
    say(0.9, f"Log path on host:\t{path}", where="log_test_configs:553")
    say(1.0, "========= Step 2: Prepare and Run test cases. =========")
    say(1.0, f"======= Testcase: {CASE} =======")
    say(31.0, f"-== Testcase {CASE} starts ==-")
    log = f"{path}/{CASE}/{HOST}/container.out.log"
    say(93.0, f"Check task log in real time from container: {log}", where="start_tasks_in_cluster:339")
    after = (end - machine.started).total_seconds()
    say(after + 12, f"-== Testcase {CASE} finished ==-")
    used, memory = machine.memory
    speed = result["flops"]
    assert isinstance(speed, float)
    block = result | {"vendor_usage(GiB)": used, "vendor_max_mem(GiB)": memory}
    block["*MFU"] = f"{round(100 * speed / machine.peak, 1)}%"
    for key, value in block.items():
        say(after + 13, f"{key:<43} : {value!s:<23}", where="compilation_result:468")
    return lines


def _stamp(clock: datetime) -> str:
    return f"{clock:%Y-%m-%d %H:%M:%S}.{clock.microsecond // 1000:03d}"


A100 = Machine(
    directory="flagperf_inference",
    vendor="nvidia",
    compiler="inductor",
    started=datetime(2025, 3, 1, 10, 30),
    validation=(8102.416283551207, 8136.907731442903),
    inference=(8391.730452118846, 9214.583307160552),
    right=(9163, 9161),
    preparation=(41.380275011062622, 0.000002145767212, 68.914033651351929),
    memory=(34.1, 80.0),
    peak=312e12,
    seed=31,
)
ASCEND = Machine(
    directory="flagperf_inference",
    vendor="ascend",
    compiler="torchair",
    started=datetime(2025, 3, 2, 14, 5, 41),
    validation=(6318.904417260118, 6352.118840937724),
    inference=(6677.251960842633, 7243.960118273405),
    right=(9158, 9155),
    preparation=(52.770814180374146, 0.000001907348633, 143.207791566848755),
    memory=(31.7, 64.0),
    peak=313e12,
    seed=32,
)
