"""What the files of a Hugging Face Trainer run share: names, identity, kinds of records, final figures.

Sources: ``transformers/trainer.py`` (``log``, ``_maybe_log_save_evaluate``), ``trainer_callback.py``,
``trainer_utils.py`` (``speed_metrics``) from 3.0 to 5; ms-swift ``trainers/patcher.py``; LLaMA-Factory
``train/callbacks.py``.

One key has two scopes: ``train_tokens_per_second`` of a record on the way counts the tokens of all processes, that of
the final record those of one.  ``train_runtime`` stands in both, so the final record is told by ``train_loss``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmstats.parsing import Name, Place
from llmstats.records import FULL, Measurement, Run

from ._serving import Case, Meaning, measurement, numeric

#: Series, by the raw name in a record.
NAMES = {
    "loss": Name("loss"),
    "learning_rate": Name("learning_rate"),
    "grad_norm": Name("grad_norm"),
    "epoch": Name("epoch_progress"),
    "num_input_tokens_seen": Name("total_tokens", definition="total_tokens@hf_input_tokens_seen"),
    "total_flos": Name("training_flop"),
    "train_runtime": Name("elapsed_time"),
    "train_tokens_per_second": Name("tokens_per_second", definition="tokens_per_second@hf_tokens_seen"),
    "step_time": Name("step_time", definition="step_time@trl"),
    "token_acc": Name("token_accuracy"),
    "mean_token_accuracy": Name("token_accuracy"),
    "rewards/accuracies": Name("accuracy", definition="accuracy@chosen_over_rejected"),
    "eval_loss": Name("loss"),
    "eval_accuracy": Name("accuracy", definition="accuracy@hf_compute_metrics"),
    "eval_token_acc": Name("token_accuracy"),
    "eval_mean_token_accuracy": Name("token_accuracy"),
    "eval_rewards/accuracies": Name("accuracy", definition="accuracy@chosen_over_rejected"),
    "eval_runtime": Name("evaluation_time"),
    "eval_samples_per_second": Name("samples_per_second", definition="samples_per_second@hf_evaluation"),
    "eval_steps_per_second": Name("steps_per_second", definition="steps_per_second@hf_evaluation"),
    # ms-swift adds these to every record.
    "memory(GiB)": Name("memory_reserved_peak", 2.0**30, "memory@swift_peak_since_start"),
    "train_speed(iter/s)": Name("steps_per_second", definition="steps_per_second@swift_since_start"),
    "train_speed(s/it)": Name("step_time", definition="step_time@swift_since_start"),
    "elapsed_time": Name("elapsed_time"),
    "remaining_time": Name("eta"),
}

#: LLaMA-Factory's scores of generated texts, 0 to 100.
_GENERATED = {
    "bleu-4": Meaning("bleu", "bleu@mean_of_sentences_bleu4"),
    "rouge-1": Meaning("rouge1", "rouge@f_percent"),
    "rouge-2": Meaning("rouge2", "rouge@f_percent"),
    "rouge-l": Meaning("rougeL", "rouge@f_percent"),
}
NAMES |= {f"eval_{key}": Name(m.metric, definition=m.definition) for key, m in _GENERATED.items()}

_PHASES = {"train": "train", "eval": "val", "predict": "test", "test": "test"}
_PREFIX = re.compile(r"(train|eval|predict|test)_(.+)")
_MEMORY = re.compile(r"(?:^|_)mem_")

#: Final figures of a training, by the key without its prefix.
_TRAINED = {
    "loss": Meaning("loss", "loss@hf_whole_run", statistic="mean"),
    "runtime": Meaning("train_time"),
    "samples_per_second": Meaning("samples_per_second", "samples_per_second@hf_planned"),
    "steps_per_second": Meaning("steps_per_second", "steps_per_second@hf_planned"),
    "tokens_per_second": Meaning("tokens_per_second_per_device", "tokens_per_second_per_device@hf_dataloader"),
    # AIChipBenchmark's copy of trainer_utils.py
    "tokens_per_second(tgs)": Meaning("tokens_per_second_per_device", "tokens_per_second_per_device@hf_dataloader"),
}
#: Final figures of an evaluation or a prediction.
_EVALUATED = {
    **_GENERATED,
    "loss": Meaning("loss"),
    "accuracy": Meaning("accuracy", "accuracy@hf_compute_metrics"),
    "token_acc": Meaning("token_accuracy"),
    "mean_token_accuracy": Meaning("token_accuracy"),
    "rewards/accuracies": Meaning("accuracy", "accuracy@chosen_over_rejected"),
    "runtime": Meaning("evaluation_time"),
    "samples_per_second": Meaning("samples_per_second", "samples_per_second@hf_evaluation"),
    "steps_per_second": Meaning("steps_per_second", "steps_per_second@hf_evaluation"),
}
#: Final figures without a prefix: phase and meaning.
_PLAIN = {
    "epoch": ("train", Meaning("epoch_progress")),
    "total_flos": ("train", Meaning("training_flop")),
    "num_input_tokens_seen": ("train", Meaning("total_tokens", "total_tokens@hf_input_tokens_seen")),
    "effective_tokens_per_sec": (
        "train",
        Meaning("tokens_per_second_per_device", "tokens_per_second_per_device@llamafactory_effective"),
    ),
    "perplexity": ("val", Meaning("perplexity", "perplexity@exp_of_eval_loss")),
    "memory(GiB)": ("train", Meaning("memory_reserved_peak", "memory@swift_peak_since_start", 2.0**30)),
    "train_speed(iter/s)": ("train", Meaning("steps_per_second", "steps_per_second@swift_since_start")),
    "train_speed(s/it)": ("train", Meaning("step_time", "step_time@swift_since_start")),
    "elapsed_time": ("train", Meaning("elapsed_time")),
}
#: Said of the run, not measured; or said already by a counter.
_SIZES = ("train_samples", "eval_samples", "predict_samples", "test_samples")
COUNTERS = frozenset({"step", "global_step", "global_step/max_steps", "iteration", "percentage"})


# --------------------------------------------------------------------------- identity

_CHECKPOINT = re.compile(r"checkpoint-(?:\d+|best|last|final)|global_step_?\d+")
_GENERIC = re.compile(
    r"(?:output|result|checkpoint|ckpt|model|save|log|run|weight|adapter|exp|experiment|src|data)s?|saved|train(?:ing|er)?|"
    r"trainer_output|eval(?:uation)?|predict|final|best|last|sft|dpo|kto|orpo|ppo|rm|pt|grpo|lora|qlora|full|freeze|"
    r"pretrain|fine-?tuned?|v\d+(?:-\d{8}-\d{6})?|(?:train_|eval_)?[\d_.T:-]+",
    re.I,
)
_DEPTH = 4


def output_dir(place: Place) -> tuple[str, str]:
    """Name and root of the run whose output directory holds a file; ``checkpoint-N`` lies one level below it.

    The name is the directory's, with directories above it as long as it says nothing (``output``, ``v0-20250422-…``),
    and all below LLaMA-Factory's ``saves``.
    """
    up = 2 if _CHECKPOINT.fullmatch(place.parent()) and place.parent(2) else 1
    parts = place.parts[:-up]
    return (called(parts), place.directory(up)) if parts else (place.stem, place.path)


def called(parts: Sequence[str]) -> str:
    """Name of the directory with these path components."""
    if "saves" in parts[:-1]:
        return "/".join(parts[len(parts) - parts[::-1].index("saves") :])
    depth = 1
    while depth < min(len(parts), _DEPTH) and _GENERIC.fullmatch(parts[-depth]):
        depth += 1
    return "/".join(parts[-depth:])


def trained_by(name: str, root: str, kind: str | None = None) -> Run:
    """What holds of a run unless a wrapper of the Trainer (LLaMA-Factory, ms-swift) says more."""
    return Run(f"{name}/transformers", root, covers=True, framework="transformers", kind=kind)


#: Losses of so many first train records make a fingerprint.
_PRINTS = 4


def fingerprint(losses: Sequence[float]) -> str | None:
    """What a log and the state of one run say alike: the first losses, in the four digits of transformers 5's log.

    A reinforcement learning begins with losses of 0, which tell nothing, and neither does one loss.
    """
    first = [f"{loss:.4g}" for loss in losses[:_PRINTS]]
    enough = len(first) == _PRINTS or (len(first) > 1 and "0" not in first)
    return "hf:" + "|".join(first) if enough and len(set(first)) == len(first) else None


_ROUNDED = 4


def loss_precision(values: Sequence[float]) -> str:
    """Of all losses of a run: the Trainer rounds them to four decimals before version 5, later to none."""
    known = [value for value in values if math.isfinite(value)]
    return str(_ROUNDED) if all(value == round(value, _ROUNDED) for value in known) else FULL


# --------------------------------------------------------------------------- kinds of records


def is_final(record: Mapping[str, Any]) -> bool:
    """Whether a record closes a training."""
    return "train_loss" in record and "train_runtime" in record


def phase_of(record: Mapping[str, Any]) -> str:
    """Phase of a record that is not final."""
    for key in record:
        if key.startswith("eval_"):
            return "val"
        if key.startswith(("predict_", "test_")):
            return "test"
    return "train"


def step_of(record: Mapping[str, Any]) -> int | None:
    """The step that a record names itself (``step``; ms-swift: ``global_step/max_steps``, ``iteration``)."""
    for key in ("global_step/max_steps", "iteration", "global_step", "step"):
        value = record.get(key)
        if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,15})/\d+", value)):
            return int(match[1])
        if type(value) is int and 0 <= value < 2**53:
            return value
    return None


_SPOKEN = re.compile(r"(?:(\d+)d )?(?:(\d+)h )?(?:(\d+)m )?(\d+)s")
_CLOCK = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def seconds(text: str) -> float | None:
    """``1d 2h 3m 4s`` (ms-swift) or ``1 day, 2:03:04.50`` in seconds."""
    match = _SPOKEN.fullmatch(text) or _CLOCK.fullmatch(text)
    if match is None:
        return None
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """Values of a record without its counters; numeric texts and durations count."""
    found: dict[str, float] = {}
    for key, value in record.items():
        number = numeric(value)
        if number is None and isinstance(value, str):
            number = seconds(value)
        if number is not None and key not in COUNTERS:
            found[key] = number
    return found


# --------------------------------------------------------------------------- final figures


def meaning_of(key: str) -> tuple[str, Meaning]:
    """Phase and meaning of a final figure; one that nobody catalogued keeps its name."""
    if key in _PLAIN:
        return _PLAIN[key]
    prefix = _PREFIX.fullmatch(key)
    if prefix is None:
        return "train", Meaning(key)
    known = _TRAINED if prefix[1] == "train" else _EVALUATED
    return _PHASES[prefix[1]], known.get(prefix[2]) or Meaning(key)


def figure(run: str, key: str, value: Any, line: int, factor: float = 1.0, precision: str = FULL) -> Measurement:
    """A final figure; ``value`` as decoded, ``value * factor`` in the unit of ``all_results.json``."""
    phase, meaning = meaning_of(key)
    if isinstance(value, str) and (duration := seconds(value)) is not None:
        made = measurement(run, meaning, duration, key, line, Case(conditions={"phase": phase}), precision)
        made.raw_value = value
        return made
    scaled = Meaning(meaning.metric, meaning.definition, meaning.factor * factor, meaning.statistic)
    made = measurement(run, scaled, value, key, line, Case(conditions={"phase": phase}), precision)
    if _MEMORY.search(key):
        made.unit = "bytes"
    return made


def figures(run: Run, record: Mapping[str, Any], lines: Mapping[str, int]) -> Iterator[Measurement]:
    """All final figures of a record; sizes of the data go to ``run.config``.

    Args:
        lines: line of each key.
    """
    for key, value in record.items():
        if key in _SIZES:
            run.config[key] = value
        elif key not in (*COUNTERS, "remaining_time") and (numeric(value) is not None or _is_duration(value)):
            yield figure(run.name, key, value, lines[key])


def _is_duration(value: Any) -> bool:
    return isinstance(value, str) and seconds(value) is not None
