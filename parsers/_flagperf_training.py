"""What the results of a FlagPerf training mean: the keys of ``FINISHED`` and the lines that the cases of LLMs print."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from llmstats.documents import number
from llmstats.parsing import Name
from llmstats.records import FULL, Issue, Item, Measurement, Run

from ._serving import Case, Meaning, measurement

_GIB = 2.0**30
_TIMES = {"raw": "incl_evaluation", "no_eval": "excl_evaluation", "pure_compute": "compute_only"}
#: Cases whose ``throughput(ips)`` counts tokens.
_COUNTS_TOKENS = re.compile(r"(?i)(?:llama1|gpt3)_")
_THROUGHPUT = re.compile(r"throughput\((?:ips|sps)\)_(?P<over>raw|no_eval|pure_compute)")
_RATE = re.compile(r"training_(?P<what>\w+?)_per_second")

_FINISHED = {
    "e2e_time": Meaning("run_time"),
    "train_time": Meaning("train_time"),
    "raw_train_time": Meaning("train_time"),
    "train_no_eval_time": Meaning("train_time", "train_time@excl_evaluation"),
    "pure_training_computing_time": Meaning("core_time"),
    "init_time": Meaning("init_time"),
    "global_steps": Meaning("training_steps"),
    "num_trained_samples": Meaning("samples"),
    "final_loss": Meaning("loss", "loss@final_evaluation"),
    "final_ppl": Meaning("perplexity"),
    "final_accuracy": Meaning("accuracy"),
    "final_acc": Meaning("accuracy"),
    "final_acc1": Meaning("accuracy"),
    "final_acc5": Meaning("accuracy", "accuracy@top5"),
    "final_mlm_accuracy": Meaning("accuracy", "accuracy@masked_lm"),
    "final_mAP": Meaning("mean_average_precision"),
    "final_auc": Meaning("roc_auc"),
    "final_nuv": Meaning("novel_unique_valid"),
}
#: Raw names of series: state of a step, result of an evaluation, lines of the LoRA case.
NAMES = {
    "loss": Name("loss"),
    "eval_loss": Name("loss"),
    "valid_loss": Name("loss"),
    "val_loss": Name("loss"),
    "learning_rate": Name("learning_rate"),
    "lr": Name("learning_rate"),
    "loss_scale": Name("loss_scale"),
    "seq/s": Name("samples_per_second", definition="samples_per_second@since_start_excl_evaluation"),
    "img/s": Name("samples_per_second", definition="samples_per_second@since_start_excl_evaluation"),
    "num_trained_samples": Name("samples"),
    "mlm_acc": Name("accuracy", definition="accuracy@masked_lm"),
    "eval_mlm_accuracy": Name("accuracy", definition="accuracy@masked_lm"),
    "acc": Name("accuracy"),
    "acc1": Name("accuracy"),
    "eval_acc": Name("accuracy"),
    "eval_acc1": Name("accuracy"),
    "eval_accuracy": Name("accuracy"),
    "eval_lambada_acc": Name("accuracy"),
    "acc5": Name("accuracy", definition="accuracy@top5"),
    "eval_acc5": Name("accuracy", definition="accuracy@top5"),
    "eval_mAP": Name("mean_average_precision"),
    "ppl": Name("perplexity"),
    "eval_ppl": Name("perplexity"),
    "time": Name("evaluation_time"),
    "train_perplexity": Name("perplexity", definition="perplexity@mean_of_epochs"),
    "train_epoch_loss": Name("loss", definition="loss@mean_of_epochs"),
    "epoch time": Name("epoch_time"),
    "Max CUDA memory allocated": Name("memory_allocated_peak", _GIB),
    "Max CUDA memory reserved": Name("memory_reserved_peak", _GIB),
    "CPU Total Peak Memory": Name("host_memory_peak", _GIB),
}
_PER_DEVICE, _WHOLE = "tokens_per_second_per_device", "tokens_per_second"
_PRINTED = {
    "System tokens per second": Meaning(_WHOLE, "tokens_per_second@flagperf_case"),
    "Tokens/p/s": Meaning(_PER_DEVICE, "tgs@flagperf_case"),
    "MFU": Meaning("mfu", "mfu@flagperf_rated_peak"),
    "Tokens/TFLOPS": Meaning("tokens_per_second_per_peak_tflops"),
    "Actual computing power": Meaning("tflops_per_device", "tflops@mfu_times_peak"),
    "avg_iter_time(s)": Meaning("step_time", "step_time@mean_of_all_steps", statistic="mean"),
    "Throughput(token per chip per second)": Meaning(_PER_DEVICE, "tgs@flagperf_incl_startup"),
    "Throughput(token per TFLOPS)": Meaning("tokens_per_second_per_peak_tflops"),
    "avg_train_prep": Meaning("perplexity", "perplexity@mean_of_epochs", statistic="mean"),
    "avg_train_loss": Meaning("loss", "loss@mean_of_epochs", statistic="mean"),
    "avg_eval_prep": Meaning("perplexity", "perplexity@mean_of_epochs", statistic="mean"),
    "avg_eval_loss": Meaning("loss", "loss@mean_of_epochs", statistic="mean"),
    "avg_epoch_time": Meaning("epoch_time", statistic="mean"),
    "avg_checkpoint_time": Meaning("checkpoint_time", statistic="mean"),
}
_TOKENS_OF_A_STEP = Meaning("tokens", "tokens@flagperf_step")
_NODES_SQUARED = {_PER_DEVICE: "tgs@flagperf_times_nodes_squared", "mfu": "mfu@flagperf_times_nodes_squared"}
STAGES = {"Pretrain stage": "pretrain", "Finetune stage": "finetune", "two-stage average": None}


def finished(run: Run, values: Mapping[str, Any], line: int) -> Iterator[Measurement]:
    """Measurements of the last event of a run; a key that nobody knows keeps its name."""
    run.status = "completed"
    for key, value in values.items():
        if isinstance(value, bool):
            run.config[key] = value
        elif isinstance(value, (int, float)):
            yield measurement(run.name, _finished_key(run, key), value, key, line)


def _finished_key(run: Run, key: str) -> Meaning:
    model = run.model or ""
    if over := _THROUGHPUT.fullmatch(key):
        metric = _WHOLE if _COUNTS_TOKENS.match(model) else "samples_per_second"
        return Meaning(metric, f"{metric}@{_TIMES[over['over']]}")
    if rate := _RATE.fullmatch(key):
        metric = _WHOLE if rate["what"].endswith("tokens") else "samples_per_second"
        return Meaning(metric, f"{metric}@incl_evaluation")
    if key == "final_acc" and model == "transformer":
        return Meaning("bleu")  # the case keeps BLEU there
    return _FINISHED.get(key) or Meaning(key)


def printed(run: Run, key: str, raw: str, line: int, *, stage: str | None, finetune: bool) -> Iterator[Item]:
    """One line of the results that a case of an LLM prints.

    Args:
        stage: stage of LLaVA that the line belongs to.
        finetune: whether it is the LoRA case, which prints the tokens of a step as tokens per second.
    """
    value = number(raw)
    meaning = _meaning_of(run, key, finetune=finetune)
    if value is not None and value < 0:  # the case found no step time and took -1 for it
        yield Issue("negative result: the case found no step time", line, f"{key}: {raw}", suspect=False)
        if (run.node_count or 1) == 1:  # of several nodes only one prints step times
            run.status = "failed"
        value = None
    elif key in ("Tokens/p/s", "MFU", "Throughput(token per chip per second)") and run.status is None:
        run.status = "completed"
    case = Case(subject=stage)
    item = measurement(run.name, meaning, value, key, line, case, FULL)
    item.raw_value = raw
    yield item
    if meaning.definition in _NODES_SQUARED.values() and meaning.metric == _PER_DEVICE:
        yield Issue("the case multiplies by the number of nodes instead of dividing", line, raw, suspect=False)
    if finetune and meaning is _TOKENS_OF_A_STEP:
        yield Issue("these are the tokens of one step, not per second", line, raw, suspect=False)


def _meaning_of(run: Run, key: str, *, finetune: bool) -> Meaning:
    meaning = _PRINTED[key]
    if finetune and key == "System tokens per second":
        return _TOKENS_OF_A_STEP
    wrong = run.model == "llama2_7b" and run.framework == "deepspeed" and (run.node_count or 1) > 1
    if wrong and meaning.metric in _NODES_SQUARED:
        return Meaning(meaning.metric, _NODES_SQUARED[meaning.metric])
    if key == "MFU" and "container" in f"{run.model}{run.framework}":
        return Meaning("mfu", "mfu@flagperf_incl_startup")
    return meaning


PRINTED = re.compile(
    rf"(?P<key>{'|'.join(re.escape(k) for k in _PRINTED if not k.startswith('avg_') or '(' in k)}):"
    r" +(?P<value>[-+]?\d[\d.]*(?:[eE][-+]?\d+)?|nan|-?inf)\s*$"
)
KEYED = re.compile(
    rf"Key: (?P<key>{'|'.join(k for k in _PRINTED if k.startswith('avg_') and '(' not in k)}), Value: "
    r"(?:tensor\()?(?P<value>[-+]?\d[\d.]*(?:[eE][-+]?\d+)?|nan)"
)
