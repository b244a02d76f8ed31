"""Two trainings of one model in the form that XTuner 0.x (mmengine) leaves behind."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from _chance import Chance

MODEL = "deepseek_v2_lite_chat_full_alpaca_e3_32k_varlen"
STEPS, EVERY, CHECKPOINT = 3000, 10, 500
TOKENS = 32768 // 2  # one sequence of max_length, shared by two ranks
TFLOP = 555.44  # of one iteration on one device, by XTuner's formula
PEAK_LR, WARMUP = 1e-5, 90


@dataclass(frozen=True)
class Chip:
    """How one kind of machine trains; seconds."""

    work_dir: str
    iteration: float
    data: float
    floor: float  #: where the loss ends
    spread: float  #: noise of the loss from one batch to the next
    memory: int | None  #: MiB; mmengine asks CUDA only
    environment: str
    data_wait: range = range(0)
    throttled: range = range(0)
    nan_at: int = 0


@dataclass(frozen=True)
class Attempt:
    """One start of the program."""

    started: datetime
    first: int  #: first iteration of this attempt
    last: int  #: last one before it stopped
    seed: int

    @property
    def name(self) -> str:
        return f"{self.started:%Y%m%d_%H%M%S}"


@dataclass
class Iteration:
    step: int
    loss: float
    time: float
    data_time: float


@dataclass
class Logs:
    """The text log and the JSON lines of one attempt, as far as written."""

    text: list[str] = field(default_factory=list)
    json: list[str] = field(default_factory=list)

    def say(self, clock: datetime, message: str, level: str = "INFO") -> None:
        self.text.append(f"{clock:%Y/%m/%d %H:%M:%S} - mmengine - {level} - {message}")


def write(root: Path, chip: Chip, attempts: list[Attempt]) -> None:
    """A work_dir with one timestamp directory per attempt."""
    work_dir = root / chip.work_dir
    for attempt in attempts:
        logs = compose(chip, attempt)
        data = work_dir / attempt.name / "vis_data"
        data.mkdir(parents=True)
        (work_dir / attempt.name / f"{attempt.name}.log").write_text("\n".join(logs.text) + "\n", "utf-8")
        for name in (attempt.name, "scalars"):
            (data / f"{name}.json").write_text("\n".join(logs.json) + "\n", "utf-8")


def compose(chip: Chip, attempt: Attempt) -> Logs:
    logs = Logs()
    clock = attempt.started + timedelta(seconds=4)
    _header(logs, chip, attempt, clock)
    clock += timedelta(seconds=107)
    window: list[Iteration] = []
    total = 0.0
    for done, now in enumerate(iterations(chip, attempt), 1):
        clock += timedelta(seconds=now.time)
        total += now.time
        window.append(now)
        if now.step % 1000 == 0:
            logs.say(clock, f"Exp name: {MODEL}_{attempt.name}")
        if now.step % EVERY == 0:
            _record(logs, chip, clock, window[-10:], total / done * (STEPS - now.step))
        if now.step % CHECKPOINT == 0:
            logs.say(clock, f"Saving checkpoint at {now.step} iterations")
    return logs


def iterations(chip: Chip, attempt: Attempt) -> Iterator[Iteration]:
    """Iteration by iteration; saving a checkpoint counts as waiting for data, as in mmengine's timer."""
    chance = Chance(attempt.seed)
    expected = _losses(chip.floor)
    for step in range(attempt.first, attempt.last + 1):
        data_time = chance.around(11.2 if step in chip.data_wait else chip.data, 0.05)
        if step % CHECKPOINT == 1 and step > attempt.first:
            data_time += chance.around(38.0, 0.04)
        compute = chance.around(chip.iteration * (1.66 if step in chip.throttled else 1.0), 0.006)
        if step == attempt.first:
            compute += 21.3
        loss = math.nan if step == chip.nan_at else chance.around(expected[step], chip.spread)
        yield Iteration(step, loss, compute + data_time, data_time)


def _losses(floor: float) -> list[float]:
    """Expected loss by step: a quick fall, a slow one and a very slow one on top of the floor."""
    quick, slow, slowest = 0.9, 0.45, 0.02
    losses = []
    for _ in range(STEPS + 1):
        losses.append(quick + slow + slowest + floor)
        quick, slow, slowest = quick * 0.975, slow * 0.9962, slowest * 0.99834
    return losses


def _lr(step: int) -> float:
    """Linear warm-up, then a cosine to zero; mmengine logs the rate before the step is taken."""
    if step <= WARMUP:
        return PEAK_LR * (1e-5 + (1 - 1e-5) * (step - 1) / (WARMUP - 1))
    return round(PEAK_LR * 0.5 * (1 + math.cos(math.pi * (step - 1 - WARMUP) / (STEPS - WARMUP))), 18)


def _record(logs: Logs, chip: Chip, clock: datetime, window: list[Iteration], eta: float) -> None:
    """One record: means of the window, but rates of the last iteration alone (XTuner's hook)."""
    last, n = window[-1], len(window)
    time = sum(i.time for i in window) / n
    data_time = sum(i.data_time for i in window) / n
    loss = sum(i.loss for i in window) / n
    lr, tflops, tokens = _lr(last.step), TFLOP / last.time, TOKENS / (last.time + 1e-12)
    memory = None if chip.memory is None else chip.memory + last.step * 7919 % 13
    row: dict[str, float] = {"lr": lr, "data_time": data_time, "loss": loss, "time": time}
    row |= {"tflops": tflops, "tokens_per_sec": tokens, "iter": last.step}
    row |= {} if memory is None else {"memory": memory}
    logs.json.append(json.dumps(row | {"step": last.step}))
    parts = [
        f"Iter(train) [{last.step:4d}/{STEPS}]  lr: {lr:.4e}  eta: {timedelta(seconds=int(eta))}",
        f"time: {time:.4f}  data_time: {data_time:.4f}",
        *([] if memory is None else [f"memory: {memory}"]),
        f"loss: {loss:.4f}  tflops: {tflops:.4f}  tokens_per_sec: {tokens:.4f}",
    ]
    logs.say(clock, "  ".join(parts))


def _header(logs: Logs, chip: Chip, attempt: Attempt, clock: datetime) -> None:
    rule = "-" * 60
    logs.say(clock, f"\n{rule}\nSystem environment:\n{chip.environment}\n{_RUNTIME}{rule}\n")
    logs.say(clock, f"Config:\n{_CONFIG.format(work_dir=chip.work_dir, resume=attempt.first > 1)}")
    varlen = "Using variable-length Flash Attention causes an inflation in the FLOPs calculation."
    logs.say(clock + timedelta(seconds=31), varlen, "WARNING")
    if attempt.first > 1:
        resumed = attempt.first - 1
        logs.say(
            clock + timedelta(seconds=64),
            f"Load checkpoint from /data/work_dirs/{chip.work_dir}/iter_{resumed}.pth",
        )
        logs.say(clock + timedelta(seconds=64), f"resumed epoch: 0, iter: {resumed}")
    logs.say(clock + timedelta(seconds=66), f"Checkpoints will be saved to /data/work_dirs/{chip.work_dir}.")


A100_ENVIRONMENT = """\
    sys.platform: linux
    Python: 3.10.14 (main, Mar 21 2024, 16:24:04) [GCC 11.2.0]
    CUDA available: True
    MUSA available: False
    numpy_random_seed: 1307946253
    GPU 0,1,2,3,4,5,6,7: NVIDIA A100-SXM4-80GB
    CUDA_HOME: /usr/local/cuda
    NVCC: Cuda compilation tools, release 12.1, V12.1.105
    GCC: gcc (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0
    PyTorch: 2.1.2+cu121
    PyTorch compiling details: PyTorch built with:
  - GCC 9.3
  - CUDA Runtime 12.1
  - CuDNN 8.9.2

    TorchVision: 0.16.2+cu121
    OpenCV: 4.9.0
    MMEngine: 0.10.3
"""

ASCEND_ENVIRONMENT = """\
    sys.platform: linux
    Python: 3.10.14 (main, Mar 21 2024, 16:18:25) [GCC 10.2.1]
    CUDA available: False
    MUSA available: False
    numpy_random_seed: 1307946253
    GCC: gcc (GCC) 10.3.1
    PyTorch: 2.1.0
    PyTorch compiling details: PyTorch built with:
  - GCC 10.2
  - CPU capability usage: NO AVX

    TorchVision: 0.16.0
    OpenCV: 4.9.0
    MMEngine: 0.10.3
"""

_RUNTIME = """\
Runtime environment:
    cudnn_benchmark: False
    mp_cfg: {'mp_start_method': 'fork', 'opencv_num_threads': 0}
    dist_cfg: {'backend': 'nccl'}
    seed: 1307946253
    deterministic: False
    Distributed launcher: pytorch
    Distributed training: True
    GPU number: 8
"""

_CONFIG = """\
accumulative_counts = 2
alpaca_en = dict(
    dataset=dict(path='tatsu-lab/alpaca', type='datasets.load_dataset'),
    max_length=32768,
    pack_to_max_length=True,
    type='xtuner.dataset.process_hf_dataset',
    use_varlen_attn=True)
batch_size = 1
dataloader_num_workers = 4
default_hooks = dict(
    checkpoint=dict(
        by_epoch=False, interval=500, type='mmengine.hooks.CheckpointHook'),
    logger=dict(
        interval=10,
        log_metric_by_epoch=False,
        type='mmengine.hooks.LoggerHook'),
    timer=dict(type='mmengine.hooks.IterTimerHook'))
launcher = 'pytorch'
log_processor = dict(by_epoch=False)
lr = 1e-05
max_length = 32768
model = dict(
    llm=dict(
        pretrained_model_name_or_path='/models/DeepSeek-V2-Lite-Chat',
        torch_dtype='torch.bfloat16',
        type='transformers.AutoModelForCausalLM.from_pretrained'),
    type='xtuner.model.SupervisedFinetune',
    use_varlen_attn=True)
optim_wrapper = dict(
    dtype='bfloat16',
    optimizer=dict(lr=1e-05, type='torch.optim.AdamW', weight_decay=0),
    type='mmengine.optim.AmpOptimWrapper')
pack_to_max_length = True
pretrained_model_name_or_path = '/models/DeepSeek-V2-Lite-Chat'
resume = {resume}
sequence_parallel_size = 2
train_cfg = dict(max_iters=3000, type='xtuner.engine.runner.TrainLoop')
work_dir = '/data/work_dirs/{work_dir}'
"""

A100 = Chip(
    work_dir="deepseek_v2_lite_alpaca_a100",
    iteration=16.14,
    data=0.044,
    floor=0.00074,
    spread=0.5,
    memory=54041,
    environment=A100_ENVIRONMENT,
    data_wait=range(1801, 1901),
    throttled=range(2401, 2471),
)
ASCEND = Chip(
    work_dir="deepseek_v2_lite_alpaca_910b",
    iteration=19.87,
    data=0.061,
    floor=0.00191,
    spread=0.7,
    memory=None,
    environment=ASCEND_ENVIRONMENT,
    nan_at=1733,
)
#: The first start stopped at 1483 without a word; the second went on from the last checkpoint.
A100_ATTEMPTS = [
    Attempt(datetime(2025, 2, 9, 3, 15), 1, 1483, 11),
    Attempt(datetime(2025, 2, 9, 11, 2, 12), 1001, STEPS, 12),
]
ASCEND_ATTEMPTS = [Attempt(datetime(2025, 2, 11, 9, 40, 26), 1, STEPS, 13)]
