"""DeepSpeed's stdout: progress, speed and timer lines of the engine, and what DeepSpeed-Chat prints around them.

Source: ``deepspeed/runtime/engine.py``, ``deepspeed/utils/timer.py``, ``deepspeed/utils/logging.py`` from 0.1
(February 2020) on.
"""

from __future__ import annotations

import re

import numpy as np

from llmstats.parsing import Head, Name, State
from llmstats.records import Event, Ints, Run
from llmstats.shapes import Field, Frame, Note, Plan, Record, Scan, Suspect
from llmstats.training import CONFLICT, Runs, is_conflict_marker, prefix_fields, whole

from ._deepspeed_chat import NUMBER, chat, place_steps, split_engines
from ._flagperf_place import owned
from ._samples_deepspeed import SAMPLES
from ._steplines import MAYBE_EVENT, StepLines, carried, covered, numbered

_CLOCK = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:,\d{3})?"
#: ``[2023-06-09 05:24:38,195] [INFO] [logging.py:96:log_dist] [Rank 0] ``, at first ``[INFO 2020-02-06 19:53:56] ``.
_PREFIX = re.compile(
    rf"(?:\[(?P<clock>{_CLOCK})\] \[(?P<level>[A-Z]+)\] \[[^\]]*\]|\[(?P<level2>[A-Z]+) (?P<clock2>{_CLOCK})\]) ?"
    r"(?:\[Rank (?P<rank>-?\d+)\] |rank:\d+ )?"
)
_PROGRESS = re.compile(rf"step=(?P<step>\d+), skipped=(?P<skipped>\d+), lr=\[(?P<lr>{NUMBER})?")
_MOMENTUM = re.compile(rf", mom=\[[(\[]?(?P<value>{NUMBER})")
_SPEED = re.compile(
    r"(?:epoch=(?P<epoch>\d+)/micro_step=\d+/global_step=(?P<step>\d+)|\d+/(?P<micro>\d+)), "
    r"(?=(?:RunningAvg)?SamplesPerSec=)"
)
_TIMERS = re.compile(r"(?:rank=\d+ )?time \(ms\) (?=\| [\w/-]+: )")
_PIPELINE = re.compile(r"steps: (?P<step>\d+) (?=loss: \S+ iter time \(s\): )")
_EQUALS = re.compile(rf"(?P<key>[A-Za-z]\w*)=(?P<value>{NUMBER})(?P<unit>GB)?(?=,|$)")
_TIMER = re.compile(rf"[|(,] ?(?P<key>[\w/-]+): (?P<value>{NUMBER})")
_COLONS = re.compile(rf"(?P<key>[a-z][a-z/ ()]*): (?P<value>{NUMBER})(?=\s|$)")

_FOREIGN = re.compile(
    r"\| consumed[ _]samples[:=] |^\s*\{'(?:(?:eval_)?loss|train_runtime)'|\[INFO\|trainer\.py:|\[titan\] \d|\[XTuner\]"
    r"| - mmengine - | - mmcv - |ITERATION \d| iteration +\d+/ *\d+ \||\[components/metrics:"
    r"|pretrain_\w+\.py\b.{0,3000}--tensor-model-parallel-size|^Tokens/p/s: |\[PerfLog\] \{",
    re.M,
)
_HEAD = re.compile(
    _PREFIX.pattern
    + r"(?:step=\d+, skipped=\d+, lr=|(?:epoch=\d+/micro_step=)?\d+/\S*\d+, (?:RunningAvg)?SamplesPerSec="
    r"|(?:rank=\d+ )?time \(ms\) \| (?:fwd|forward|bwd|backward|batch_input|optimizer|pipe)"
    r"|DeepSpeedEngine configuration:|cmd = |nnodes=\d+, num_local_procs=)"
)

_BEGIN = re.compile(r"\[runner\.py:\d+:main\] cmd = |^cmd = deepspeed |\[engine\.py:\d+:__init__\] DeepSpeed info")
_SAYS = re.compile(
    r"DeepSpeed info|dist_world_size=|nnodes=|world_size \.{2,}|gradient_accumulation_steps \.{2,}|"
    r"train_batch_size \.{2,}|zero_optimization_stage \.{2,}|(?:bfloat16|fp16)_enabled \.{2,}|"
    r"exits successfully|Killing subprocess|"
    r"[Ss]aving model checkpoint|Saved checkpoint|(?:OVERFLOW|Overflow)|Total (?:Micro|Generation) Batches|"
    r"cmd = |\] \[ERROR\] |model_name_or_path"
)
_INFO = re.compile(r"DeepSpeed info: version=([^,\s]+)")
_WORLD = re.compile(r"dist_world_size=(\d+)|(?<!\w)world_size \.+ (\d+)")
_NODES = re.compile(r"nnodes=(\d+), num_local_procs")
_CONFIG = re.compile(r"(?<!\w)(gradient_accumulation_steps|train_batch_size|zero_optimization_stage) \.+ (\d+)")
_PRECISION = re.compile(r"(?<!\w)(bfloat16|fp16)_enabled \.+ True")
_MODEL = re.compile(r"--(?:actor_)?model_name_or_path[ =](\S+)")
_ACCUMULATION = re.compile(r"(?<!\w)gradient_accumulation_steps \.+ (\d+)")
_CHECKPOINT = re.compile(r"[Ss]aving model checkpoint|Saved checkpoint")
_OVERFLOW = re.compile(r"OVERFLOW! Rank \d+ |Overflow detected\. ")

GIB = 2.0**30
_STEP = "step_time@deepspeed_chat"


class DeepSpeedLog(StepLines):
    """One run per start of the launcher, or where the step goes back; two engines in one run (RLHF) are told apart."""

    name = "deepspeed_log"
    version = 2
    title = "DeepSpeed stdout (engine progress, speed and timer lines; DeepSpeed-Chat)"
    writes = "DeepSpeed"
    framework = "deepspeed"
    names = {
        "lr": Name("learning_rate"),
        "mom": Name("momentum"),
        "skipped": Name("skipped_steps"),
        "SamplesPerSec": Name("samples_per_second", 1.0, "samples_per_second@mean_since_start"),
        "RunningAvgSamplesPerSec": Name("samples_per_second", 1.0, "samples_per_second@mean_since_start"),
        "CurrSamplesPerSec": Name("samples_per_second", 1.0, "samples_per_second@last_step"),
        "MemAllocated": Name("memory_allocated", GIB),
        "MaxMemAllocated": Name("memory_allocated_peak", GIB),
        "loss": Name("loss"),
        "iter time (s)": Name("step_time"),
        "samples/sec": Name("samples_per_second", 1.0, "samples_per_second@last_step"),
        "fwd": Name("forward_time", 1e-3),
        "forward": Name("forward_time", 1e-3),
        "bwd": Name("backward_time", 1e-3),
        "backward": Name("backward_time", 1e-3),
        "step": Name("optimizer_time", 1e-3),
        "fwd_microstep": Name("forward_time", 1e-3, "forward_time@micro_step"),
        "forward_microstep": Name("forward_time", 1e-3, "forward_time@micro_step"),
        "bwd_microstep": Name("backward_time", 1e-3, "backward_time@micro_step"),
        "backward_microstep": Name("backward_time", 1e-3, "backward_time@micro_step"),
        "step_microstep": Name("optimizer_time", 1e-3, "optimizer_time@micro_step"),
        "Latency": Name("step_time", 1.0, _STEP),
        "E2E latency": Name("step_time", 1.0, _STEP),
        "TFLOPs": Name("tflops_per_device", 1.0, "tflops@deepspeed_chat"),
        "Samples/sec": Name("samples_per_second_per_device"),
        "CurSamplesPerSec": Name("samples_per_second", 1.0, "samples_per_second@last_step"),
        "AvgSamplesPerSec": Name("samples_per_second", 1.0, "samples_per_second@mean_since_start"),
        "act_loss": Name("actor_loss"),
        "Actor Loss": Name("actor_loss"),
        "cri_loss": Name("critic_loss"),
        "Critic Loss": Name("critic_loss"),
        "unsuper_loss": Name("unsupervised_loss"),
        "Unsupervised Loss": Name("unsupervised_loss"),
        "average reward score": Name("reward"),
        "ppl": Name("perplexity"),
        "Perplexity": Name("perplexity"),
        "chosen": Name("reward_chosen"),
        "rejected": Name("reward_rejected"),
        "chosen_last_scores (higher is better)": Name("reward_chosen"),
        "acc (higher is better)": Name("accuracy", 1.0, "accuracy@chosen_over_rejected"),
    }
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        likely = "[INFO" in head.text and ("step=" in head.text or "] " in head.text)
        match = _HEAD.search(head.text) if likely else None
        if match is None or owned(head) or _FOREIGN.search(head.text):
            return None
        return f"line {match[0].strip()[:120]!r}"

    def phase(self, kind: str) -> str:
        return "val" if kind == "val" else "train"

    def plan(self, text: str) -> Plan:
        prefix = _PREFIX.search(text)
        if prefix is None:
            return chat(text) or _pipeline(text) or _other(text)
        message = text[prefix.end() :]
        if "SamplesPerSec=" in message or message.startswith("step="):
            return _counted(text, prefix) or _other(text)
        return _timers(text, prefix) or _other(text)

    def prepare(self, state: State, scan: Scan) -> None:
        split_engines(state, scan)
        place_steps(state, scan)
        accumulations = carried(state, scan, "accumulation", _ACCUMULATION)
        for frame in scan.frames:
            if frame.kind == "micro":
                accumulation = accumulations(frame.lines)
                micro = whole(frame.columns["@micro"])
                frame.columns["@step"] = np.where(accumulation > 0, micro // np.maximum(accumulation, 1), -1)

    def took(self, runs: Runs, frame: Frame, index: Ints) -> None:
        for column, key in (("@batch", "batch_size"), ("@length", "sequence_length")):
            if column in frame.columns:
                for number in np.unique(index).tolist():
                    runs[number].config[key] = int(frame.columns[column][index == number][-1])

    def said(self, run: Run, message: str) -> None:
        if info := _INFO.search(message):
            run.environment["deepspeed"] = info[1]
        if world := _WORLD.search(message):
            run.device_count = int(world[1] or world[2])
        if nodes := _NODES.search(message):
            run.node_count = int(nodes[1])
        run.config.update({key: int(value) for key, value in _CONFIG.findall(message)})
        if precision := _PRECISION.search(message):
            run.precision = {"bfloat16": "bf16", "fp16": "fp16"}[precision[1]]
        if (model := _MODEL.search(message)) and run.model is None:
            name = model[1].strip("'\",").rstrip("/").rsplit("/", 1)[-1]
            run.model = None if name in ("output", "outputs") else name
        if "exits successfully" in message and run.status is None:
            run.status = "completed"

    def event(self, run: Run, message: str, line: int, clock: int | None) -> Event | None:
        prefix = _PREFIX.search(message)
        text = message[prefix.end() :] if prefix else message
        if _OVERFLOW.search(text):
            return Event(run.name, "overflow", text[:500], line, clock)
        if _CHECKPOINT.search(text):
            return Event(run.name, "checkpoint", text[:500], line, clock)
        if prefix and (prefix["level"] or prefix["level2"]) == "ERROR":
            return Event(run.name, "error", text[:2000], line, clock, level="ERROR")
        return None


def _front(text: str, prefix: re.Match[str]) -> list[Field]:
    group = "clock" if prefix["clock"] else "clock2"
    return [*prefix_fields(text, prefix.start()), Field("@clock", *prefix.span(group), "clock")]


def _counted(text: str, prefix: re.Match[str]) -> Plan:
    """Progress and speed lines: those that count steps."""
    if progress := _PROGRESS.match(text, prefix.end()):
        fields = [Field("@step", *progress.span("step")), Field("skipped", *progress.span("skipped"))]
        fields += [Field("lr", *progress.span("lr"))] if progress["lr"] else []
        if momentum := _MOMENTUM.search(text, progress.end()):
            fields.append(Field("mom", *momentum.span("value")))
        return Record("train", covered(text, [*_front(text, prefix), *fields]))
    speed = _SPEED.match(text, prefix.end())
    metrics = numbered(text, _EQUALS, speed.end()) if speed else []
    if speed is None or not metrics:
        return Suspect("progress line not understood") if text.startswith("step=", prefix.end()) else None
    counter = "step" if speed["step"] else "micro"
    fields = [*_front(text, prefix), Field(f"@{counter}", *speed.span(counter)), *metrics]
    return Record("train" if speed["step"] else "micro", covered(text, fields))


def _timers(text: str, prefix: re.Match[str]) -> Plan:
    """``time (ms) | fwd: 1.23 | bwd: 2.34``: of a micro-step or of a step, without its number."""
    timers = _TIMERS.match(text, prefix.end()) if "time (ms)" in text else None
    if timers is None:
        return None
    rank = [Field("@rank", *prefix.span("rank"))] if prefix["rank"] else []
    front = [f for f in _front(text, prefix) if not (rank and f.name == "@rank")]
    return Record("timers", covered(text, [*front, *rank, *numbered(text, _TIMER, timers.end())]))


def _pipeline(text: str) -> Plan:
    """``steps: 20 loss: 4.6178 iter time (s): 0.994 samples/sec: 257.601`` of the pipeline engine."""
    line = _PIPELINE.match(text)
    if line is None:
        return None
    metrics = numbered(text, _COLONS, line.end())
    return Record("train", covered(text, [Field("@step", *line.span("step")), *metrics]))


def _other(text: str) -> Plan:
    if is_conflict_marker(text):
        return Note(CONFLICT)
    if _BEGIN.search(text):
        return Note("begin")
    return Note("say") if _SAYS.search(text) or MAYBE_EVENT.search(text) else None
