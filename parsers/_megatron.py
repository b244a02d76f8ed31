"""Lines of Megatron-LM and its descendants: what stands where, and what the names mean.

Source: ``megatron/training.py`` (later ``megatron/training/training.py``), ``megatron/utils.py``, ``timers.py`` of
NVIDIA/Megatron-LM v1.0 to core 0.19; the same of Microsoft's, BigScience's and AIChipBenchmark's Megatron-DeepSpeed;
MindSpeed-LLM's ``fsdp2/utils/train_monitor.py``; GPT-NeoX's ``megatron/logging.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from llmstats.pairs import utf8
from llmstats.parsing import Name
from llmstats.shapes import Field, Frame, Note, Plan, Record, Suspect
from llmstats.training import prefix_fields

_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|(?i:nan|inf))"
_CLOCK = r"\[(?P<clock>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)\](?: >>|(?:\[[\w:.]{1,40}\])+ -)? +"
_STEP = re.compile(
    rf"(?:{_CLOCK})?(?<![\w-])iteration(?:[ =] *(?P<step>\d{{1,12}})/ *(?P<last>\d{{1,12}})|: (?P<bare>\d{{1,12}})) \|"
)
_TIME = re.compile(r"elapsed[ _]time[ _]per[ _]iteration[ _]")
#: ``key: 1.5 |``, in Primus ``key: 1.5/1.25 |`` with the running mean behind; what no bar ends may be cut.
_ENDED = re.compile(
    rf" *(?P<key>[^|]*?[^|:= ]) ?[:=] *(?P<value>{_NUMBER})(?P<unit>TFLOPS)?"
    rf"(?:/(?P<mean>{_NUMBER})| \(avg (?P<average>{_NUMBER})\))? *\|"
)
#: Device memory as AMD's tools see it, in Primus.
_HIP = re.compile(
    rf" *(?P<tool>hip|rocm) mem usage/free/total/usage_ratio: (?P<used>{_NUMBER})Gi?B/(?P<free>{_NUMBER})Gi?B/"
    rf"(?P<total>{_NUMBER})Gi?B/[\d.]+% *\|"
)
#: ``| key: 1.5`` with nothing or a bar behind it.
_BEGUN = re.compile(rf"\| (?P<key>[a-z ]+): (?P<value>{_NUMBER})(?= \||\[Rank |\s*$)")
_SEGMENT = re.compile(r"[^|]*\|")
_LAST = re.compile(rf" *(?P<key>[^|:]*[^|: ]): +(?P<value>{_NUMBER})$")

#: Keys that end a line: nothing was cut where the last bar is missing.
_LAST_KEYS = ("number of nan iterations", "TFLOPs")

_MEMORY = re.compile(
    r"(?:\[Rank (?P<rank>\d{1,6})\] )?"
    r"\((?:after (?P<step>\d{1,12}) iterations"
    r"|(?P<label>(?:before|after) save_checkpoint) for iteration (?P<at>\d{1,12})"
    r"|(?P<other>[^()|]{1,80}))\) memory \(MB\) (?=\| [a-z])"
)
_VALIDATION = re.compile(
    r"validation(?P<set>-[^\s|]+)? (?:loss|results) at "
    r"(?:iteration (?P<step>\d{1,12})|the end of training)(?P<draw> (?:on|for) [^|]*?)? \|"
)
_TIMER = re.compile(
    rf" {{4}}(?P<name>[A-Za-z]\S*) (?:\.*: \((?P<min>{_NUMBER}), (?P<max>{_NUMBER})\)|\.+: (?P<only>{_NUMBER}))\s*$"
)
#: ``--timing-log-option all``: the name of a timer, below it a line per rank.
_TIMER_OF_RANKS = re.compile(r"(?:^|[\]:]) {2}[A-Za-z][\w/-]*:\s*$")
_RANK_TIMER = re.compile(rf" {{5}}rank +(?P<rank>\d{{1,6}}): (?P<value>{_NUMBER})\s*$")
_TIMERS = re.compile(r"(?:^|[\s\]:])time \(ms\) (?=\| [\w/-]+: )")
_TIMERS_OF_DEEPSPEED = re.compile(r"\[Rank -?\d+\] |rank=\d+ ")
_PIPELINE = re.compile(rf"steps: (?P<step>\d{{1,12}}) loss: (?P<loss>{_NUMBER}) iter time \(s\): ")
_PIPELINE_PAIR = re.compile(rf"(?P<key>iter time \(s\)|samples/sec): (?P<value>{_NUMBER})(?=\s|$)")
_RESULT = re.compile(r"validation results on (?P<task>[^|]{1,80}?) (?=\| )")
_RESULT_PAIR = re.compile(rf"\| (?P<key>[a-z ]+): (?P<value>{_NUMBER})(?=\s|$)")
_CORRECT = re.compile(
    r"\|epoch: ?(?P<epoch>-?\d{1,6})\| (?:metrics for (?P<task>[^:|]{1,80})|(?P<all>overall)): "
    rf"correct / total = (?P<right>\d+) / (?P<of>\d+) = (?P<percent>{_NUMBER}) %"
)
_ZEUS = re.compile(
    r"\[Zeus\] Steps (?P<first>\d{1,12})-(?P<step>\d{1,12}): Energy=(?P<wh>[\d.]+) Wh "
    rf"\((?P<energy>{_NUMBER}) J\), Avg Power=(?P<power>{_NUMBER}) W, Time=(?P<time>{_NUMBER}) s"
)

_MIB, _GIB = 2.0**20, 2.0**30
RANK_TIME = "time of the rank"
LOW, HIGH = "time@min_over_ranks", "time@max_over_ranks"
TIMER_METRICS = {
    "forward-backward": "forward_backward_time",
    "forward-compute": "forward_time",
    "forward": "forward_time",
    "backward-compute": "backward_time",
    "backward": "backward_time",
    "optimizer": "optimizer_time",
    "batch-generator": "data_time",
    "batch generator": "data_time",
    "all-grads-sync": "gradient_sync_time",
    "grads-all-reduce": "gradient_sync_time",
    "allreduce": "gradient_sync_time",
    "params-all-gather": "parameter_gather_time",
    "optimizer-inner-step": "optimizer_update_time",
    "load-checkpoint": "checkpoint_load_time",
    "save-checkpoint": "checkpoint_save_time",
    "startup-megatron-init-global": "init_time",
    "model-and-optimizer-setup": "model_setup_time",
    "train/valid/test-data-iterators-setup": "dataset_setup_time",
}
_MEMORY_METRICS = {
    "allocated": "memory_allocated",
    "max allocated": "memory_allocated_peak",
    "reserved": "memory_reserved",
    "max reserved": "memory_reserved_peak",
    "cached": "memory_reserved",
    "max cached": "memory_reserved_peak",
    "total device memory used": "memory_used",
}
_MEMORY_TIMES = {
    "": "memory@rank_since_start",
    "before save_checkpoint": "memory@before_checkpoint",
    "after save_checkpoint": "memory@after_checkpoint",
}
_STEP_NAMES = {
    "consumed samples": Name("samples"),
    "consumed tokens": Name("total_tokens", 1.0, "total_tokens@all_ranks"),
    "skipped samples": Name("skipped_samples"),
    "elapsed time per iteration (ms)": Name("step_time", 1e-3, "step_time@incl_data"),
    "elapsed time per iteration (s)": Name("step_time", 1.0, "step_time@incl_data"),
    "throughput per GPU (TFLOP/s/GPU)": Name("tflops_per_device", 1.0, "tflops@megatron_formula"),
    "energy per GPU (J/iter/GPU)": Name("energy", 1.0, "energy@step_and_device"),
    "power per GPU (W/GPU)": Name("power", 1.0, "power@mean_over_devices"),
    "learning rate": Name("learning_rate"),
    "decoupled learning rate": Name("decoupled_learning_rate"),
    "global batch size": Name("global_batch_size"),
    "lm loss": Name("loss"),
    "lm_loss": Name("loss"),
    "mtp_1 loss": Name("mtp_1_loss"),
    "mtp loss": Name("mtp_1_loss"),
    "sop loss": Name("sop_loss"),
    "aux loss": Name("moe_balance_loss"),
    "load_balancing_loss": Name("moe_balance_loss"),
    "seq_load_balancing_loss": Name("moe_balance_loss", 1.0, "moe_balance_loss@sequence"),
    "global_load_balancing_loss": Name("moe_balance_loss", 1.0, "moe_balance_loss@global_batch"),
    "z_loss": Name("z_loss"),
    "loss scale": Name("loss_scale"),
    "grad norm": Name("grad_norm"),
    "params norm": Name("params_norm"),
    "num zeros": Name("grad_zeros"),
    "number of skipped iterations": Name("skipped_iterations"),
    "number of nan iterations": Name("nan_iterations"),
    "actual seqlen": Name("sequence_length"),
    "curriculum seqlen": Name("sequence_length", 1.0, "sequence_length@curriculum"),
    "samples per second": Name("samples_per_second", 1.0, "samples_per_second@step_mean"),
    "samples/sec": Name("samples_per_second", 1.0, "samples_per_second@step_mean"),
    "throughput(samples/s)": Name("samples_per_second", 1.0, "samples_per_second@step_mean"),
    "tokens per gpu per second (tgs)": Name("tokens_per_second_per_device", 1.0, "tgs@sequences_times_length"),
    "TFLOPs": Name("tflops_per_device", 1.0, "tflops@megatron_deepspeed"),
    "approx flops per GPU": Name("tflops_per_device", 1.0, "tflops@megatron_deepspeed"),
    "tokens per GPU (tokens/s/GPU)": Name("tokens_per_second_per_device", 1.0, "tgs@sequences_times_length"),
    "tokens/s/GPU inst/harmonic mean": Name("tokens_per_second_per_device", 1.0, "tgs@sequences_times_length"),
    "GPU utilization": Name("tflops_per_device", 1.0, "tflops@megatron_formula"),
    "compute per GPU (TFLOP/s/GPU)": Name("tflops_per_device", 1.0, "tflops@megatron_formula"),
    "device memory used (GB)": Name("memory_used", _GIB),
    "device memory total (GB)": Name("memory_total", _GIB),
    "tokens/s": Name("tokens_per_second", 1.0, "tokens_per_second@step_without_padding"),
    "mfu": Name("mfu", 0.01, "mfu@mindspeed_device_table"),
    "max_memory_allocated(GB)": Name("memory_allocated_peak", _GIB, "memory@rank_since_start"),
    "max_memory_reserved(GB)": Name("memory_reserved_peak", _GIB, "memory@rank_since_start"),
    "cpu_used_memory(GB)": Name("host_memory_used", _GIB),
}
_OTHER_NAMES = {
    "lm loss value": Name("loss"),
    "lm loss PPL": Name("perplexity", 1.0, "perplexity@capped_exp20"),
    "sop loss value": Name("sop_loss"),
    "lm_loss value": Name("loss"),
    "lm_loss_ppl value": Name("perplexity"),
    "lm loss value (final)": Name("loss", 1.0, "loss@final_evaluation"),
    "lm loss PPL (final)": Name("perplexity", 1.0, "perplexity@final_evaluation"),
    "steps: loss": Name("loss"),
    "steps: iter time (s)": Name("step_time", 1.0, "step_time@deepspeed_engine"),
    "steps: samples/sec": Name("samples_per_second", 1.0, "samples_per_second@last_step"),
    "Zeus energy": Name("energy", 1.0, "energy@zeus_window"),
    "Zeus power": Name("power", 1.0, "power@zeus_window"),
    "Zeus time": Name("benchmark_duration", 1.0, "benchmark_duration@zeus_window"),
}


def _timer_names() -> dict[str, Name]:
    names: dict[str, Name] = {}
    for raw, metric in TIMER_METRICS.items():
        names |= {raw: Name(metric, 1e-3), f"{raw} (min)": Name(metric, 1e-3, LOW)}
        names[f"{raw} (max)"] = Name(metric, 1e-3, HIGH)
    return names


def _memory_names() -> dict[str, Name]:
    return {
        f"{raw} ({when})" if when else raw: Name(metric, _MIB, definition)
        for raw, metric in _MEMORY_METRICS.items()
        for when, definition in _MEMORY_TIMES.items()
    }


def _underscored() -> dict[str, Name]:
    """Names of Argonne's Megatron-DeepSpeed (``key=value``)."""
    names = {re.sub(r"[ (]+", "_", raw).rstrip(")"): name for raw, name in _STEP_NAMES.items()}
    for mark in ("[LM]", "[LM]-"):
        names[f"{mark}TFLOPs"] = Name("tflops_per_device", 1.0, "tflops@megatron_formula")
    for mark in ("[DS]", "[DS]-"):
        names[f"{mark}TFLOPs"] = Name("tflops_per_device", 1.0, "tflops@megatron_deepspeed")
    return names


def _mean_names() -> dict[str, Name]:
    """What Primus writes behind a value: the mean over its recent steps."""
    averaged = ("step_time", "tflops_per_device", "tokens_per_second_per_device")
    return {
        f"{raw} (running mean)": Name(name.metric, name.factor, f"{name.metric}@running_mean")
        for raw, name in _STEP_NAMES.items()
        if name.metric in averaged
    }


NAMES = {**_underscored(), **_STEP_NAMES, **_mean_names(), **_OTHER_NAMES, **_timer_names(), **_memory_names()}
#: What a result line of ``tasks/`` says, with the statistic's catalogue name.
RESULT_NAMES = {
    "avg loss": Name("loss"),
    "ppl": Name("perplexity", 1.0, "perplexity@capped_exp20"),
    "adjusted ppl": Name("adjusted_perplexity"),
    "token ratio": Name("token_ratio"),
    "number correct": Name("correct_answers"),
    "total examples": Name("evaluated_samples"),
    "avg accuracy": Name("accuracy"),
    "percent": Name("accuracy", 0.01),
}


def plan(text: str) -> Plan:
    """What a line holds, if it holds values: a record of kind train, val, test, memory, timer, pipe, result or zeus."""
    if "|" not in text:
        return _timer(text) or _pipeline(text) or _zeus(text)
    if "iteration" in text and (step := _STEP.search(text)):
        return _iteration(text, step)
    if "memory (MB)" in text and (memory := _MEMORY.search(text)):
        return _memory(text, memory)
    if "validation" in text and (validation := _VALIDATION.search(text)):
        return _validation(text, validation)
    if result := _RESULT.search(text):
        return _result(text, result)
    if correct := _CORRECT.search(text):
        return _correct(text, correct)
    return _old_timers(text)


def _iteration(text: str, head: re.Match[str]) -> Plan:
    if not _TIME.search(text):
        return Suspect("iteration line without its elapsed time") if head["step"] else None
    start = head.start("clock") - 1 if head["clock"] else head.start()
    fields = [Field("@step", *head.span("step" if head["step"] else "bare"))]
    if head["clock"]:
        fields.append(Field("@clock", *head.span("clock"), "clock"))
    if head["last"]:
        fields.append(Field("@last", *head.span("last")))
    front = text.rfind("samples/sec:", 0, start)  # GPT-NeoX begins with its speed
    at = front if front >= 0 else start
    before, _ = _ended(text, at, start)
    after, end = _ended(text, head.end(), len(text))
    last = _LAST.match(text, end)
    if last and (head["bare"] or last["key"] in _LAST_KEYS):
        after.append(Field(utf8(last["key"]), *last.span("value")))
        end = last.end()
    return Record("train", [*prefix_fields(text, at), *fields, *before, *after, Field("", end, len(text), "skip")])


def _ended(text: str, start: int, stop: int) -> tuple[list[Field], int]:
    """Fields of the bar-ended segments of ``text[start:stop]`` (free text is skipped), and where the last one ends."""
    fields, at = [], start
    while at < stop and (segment := _SEGMENT.match(text, at, stop)):
        fields += _segment(text, at, segment.end())
        at = segment.end()
    return fields, at


def _segment(text: str, start: int, stop: int) -> list[Field]:
    pair = _ENDED.fullmatch(text, start, stop)
    if pair:
        key = utf8(pair["key"])
        fields = [Field(key, *pair.span("value"), "number", pair["unit"] or "")]
        means = [group for group in ("mean", "average") if pair[group]]
        return fields + [Field(f"{key} (running mean)", *pair.span(group)) for group in means]
    hip = _HIP.fullmatch(text, start, stop)
    if hip:
        values = [Field(f"device memory {group} (GB)", *hip.span(group)) for group in ("used", "free", "total")]
        return [*values, Field("", hip.end("total"), stop, "skip")]
    return [Field("", start, stop, "skip")]


def memory_frames(line: int, text: str) -> Iterator[Frame]:
    """Frames of the reports of memory that several processes wrote into one line."""
    starts = [m.start() for m in _MEMORY.finditer(text)]
    for start, stop in zip(starts, [*starts[1:], len(text)], strict=True):
        part = plan(text[start:stop])
        if isinstance(part, Record):
            found = {f.name: text[start + f.start : start + f.end] for f in part.fields if f.name}
            columns = {name: np.array([float(value)]) for name, value in found.items()}
            decimals = {name: str(len(value.partition(".")[2])) for name, value in found.items()}
            units = {name: "MB" for name in found if not name.startswith("@")}
            yield Frame("memory", {}, np.array([line]), columns, decimals, units)


def _memory(text: str, head: re.Match[str]) -> Plan:
    if _MEMORY.search(text, head.end()):
        return Note("memory")
    label = head["label"] or head["other"] or ""
    suffix = f" ({label})" if label else ""
    fields = prefix_fields(text, head.start())
    if head["rank"]:
        fields = [Field("", 0, head.start(), "skip"), Field("@rank", *head.span("rank"))]
    if head["step"] or head["at"]:
        fields.append(Field("@step", *head.span("step" if head["step"] else "at")))
    pairs = list(_BEGUN.finditer(text, head.end()))
    fields += [Field(pair["key"] + suffix, *pair.span("value"), "number", "MB") for pair in pairs]
    if not pairs:
        return Suspect("memory line not understood")
    return Record("memory", [*fields, Field("", pairs[-1].end(), len(text), "skip")])


def _validation(text: str, head: re.Match[str]) -> Plan:
    final = head["draw"] is not None or head["step"] is None
    fields = prefix_fields(text, head.start())
    if head["step"]:
        fields.append(Field("@step", *head.span("step")))
    if head["draw"]:
        fields.append(Field("", *head.span("draw"), "skip"))
    found, end = _ended(text, head.end(), len(text))
    prefix, suffix = f"validation{head['set']} " if head["set"] else "", " (final)" if final else ""
    named = [f._replace(name=f"{prefix}{f.name}{suffix}") if f.name else f for f in found]
    kind = "test" if "test" in (head["draw"] or "") else "val"
    return Record(kind, [*fields, *named, Field("", end, len(text), "skip")])


def _timer(text: str) -> Plan:
    """``    forward-compute ......: (1.25, 2.50)``: milliseconds, mean over the log interval; of ranks."""
    match = _TIMER.search(text) if ": " in text else None
    if match is None:
        return None
    fields = prefix_fields(text, match.start())
    for group, suffix in (("min", " (min)"), ("max", " (max)"), ("only", " (max)")):
        if match[group]:
            fields.append(Field(match["name"] + suffix, *match.span(group), "number", "ms"))
    return Record("timer", fields)


def rank_timer(text: str) -> Plan:
    """``     rank  3: 5.25``: milliseconds of the timer that the line above the ranks names."""
    match = _RANK_TIMER.search(text) if "rank " in text else None
    if match is None:
        return Note("timer") if _TIMER_OF_RANKS.search(text) else None
    rank = Field("@rank", *match.span("rank"))
    time = Field(RANK_TIME, *match.span("value"), "number", "ms")
    front = prefix_fields(text, match.start())
    return Record("ranks", [*(f for f in front if f.name != "@rank"), rank, time])


def _old_timers(text: str) -> Plan:
    """``time (ms) | forward-compute: 1.25 | …``: of the last rank."""
    head = _TIMERS.search(text) if "time (ms)" in text else None
    if head is None or _TIMERS_OF_DEEPSPEED.search(text, 0, head.start() + 1):
        return None
    pairs = list(re.finditer(rf"\| (?P<key>[\w /-]+): (?P<value>{_NUMBER})(?= \||\s*$)", text[head.end() :]))
    at = head.end()
    fields = [Field(m["key"], at + m.start("value"), at + m.end("value"), "number", "ms") for m in pairs]
    return Record("timer", [*prefix_fields(text, head.start()), *fields])


def _pipeline(text: str) -> Plan:
    """``steps: 5 loss: 10.1234 iter time (s): 1.234 samples/sec: 12.345`` of DeepSpeed's pipeline engine."""
    head = _PIPELINE.search(text)
    if head is None:
        return None
    fields = [Field("@step", *head.span("step")), Field("steps: loss", *head.span("loss"))]
    pairs = _PIPELINE_PAIR.finditer(text, head.end("loss"))
    fields += [Field(f"steps: {pair['key']}", *pair.span("value")) for pair in pairs]
    return Record("pipe", [*prefix_fields(text, head.start()), *fields])


def _zeus(text: str) -> Plan:
    """``[Zeus] Steps 1-50: Energy=… Wh (… J), Avg Power=… W, Time=… s``: of all devices that were watched."""
    head = _ZEUS.search(text)
    if head is None:
        return None
    fields = [Field("@step", *head.span("step")), *(Field("", *head.span(group), "skip") for group in ("first", "wh"))]
    fields += [Field(f"Zeus {group}", *head.span(group)) for group in ("energy", "power", "time")]
    return Record("zeus", [*prefix_fields(text, head.start()), *fields])


def _result(text: str, head: re.Match[str]) -> Plan:
    """``validation results on LAMBADA | number correct: 3.1000E+03 | …`` of ``tasks/``."""
    pairs = _RESULT_PAIR.finditer(text, head.end())
    fields = [Field(pair["key"], *pair.span("value")) for pair in pairs]
    return Record("result", [*prefix_fields(text, head.start()), *fields], (("task", head["task"]),))


def _correct(text: str, head: re.Match[str]) -> Plan:
    """``> |epoch: 0| metrics for dev-m: correct / total = 6 / 9 = 66.6667 %`` of ``tasks/``."""
    epoch = [Field("@epoch", *head.span("epoch"))]
    counts = [Field("number correct", *head.span("right")), Field("total examples", *head.span("of"))]
    rest = [Field("percent", *head.span("percent")), Field("", head.end(), len(text), "skip")]
    front = prefix_fields(text, head.start())
    return Record("result", [*front, *epoch, *counts, *rest], (("task", head["task"] or head["all"]),))
