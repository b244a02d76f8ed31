"""FlagPerf inference: what the numbers of a case mean, and which run they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from llmstats.parsing import Place
from llmstats.records import FULL, Event, Item, Measurement, Run

from ._literals import read_literal

_GIB = 2.0**30
_RUN_DIR = re.compile(r"run\d{14}")
_STANDARD = ("container.out.log", "stdout_err.out.log")
#: Cases whose rates count prompt tokens (MMLU scoring), whatever the key says.
_LLM = re.compile(r"(?i)(?:aquila_7b|llama2_7b|llama3_8b|deepseek_7b)(?:_.*)?|.*_mmlu")
_RATES = {
    "p_validation_whole": "validation_throughput",
    "p_validation_core": "validation_throughput_core",
    "p_inference_whole": "inference_throughput",
    "p_inference_core": "inference_throughput_core",
}
#: Vendors as FlagPerf's folders call them -> as they call themselves.
VENDORS = {
    "nvidia": "NVIDIA",
    "ascend": "Ascend",
    "cambricon": "Cambricon",
    "dcu": "Hygon",
    "hexaflake": "Hexaflake",
    "iluvatar": "Iluvatar",
    "kunlunxin": "Kunlunxin",
    "metax": "MetaX",
    "mthreads": "Moore Threads",
    "tsingmicro": "Tsingmicro",
    "zixiao": "Zixiao",
}
_ACCURACIES = {"val_average_acc": "validation", "infer_average_acc": "inference"}


class Meaning(NamedTuple):
    """Canonical name of a key of the result, and what its number must be multiplied with."""

    metric: str
    factor: float = 1.0
    unit: str | None = None
    definition: str | None = None
    subject: str | None = None
    statistic: str = "value"


@dataclass(slots=True)
class Case:
    """One case of one run directory: facts and values found so far."""

    run: Run
    batch_size: float | None = None
    tokens: bool = False  #: a line said that the rates count tokens
    found: dict[tuple[str, str | None], Measurement] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def items(self) -> Iterator[Item]:
        """All values with the batch size, which the log says last; events in order."""
        for measurement in self.found.values():
            measurement.batch_size = self.batch_size
            yield measurement
        yield from self.events
        yield self.run

    # ---- what lines say

    def seen_at(self, time: int | None) -> None:
        """Widen the time of the run."""
        if time is not None:
            self.run.started_at = min(time, self.run.started_at or time)
            self.run.ended_at = max(time, self.run.ended_at or time)

    def event(self, kind: str, message: str, line: int, time: int | None, level: str | None = None) -> None:
        self.events.append(Event(self.run.name, kind, message.strip()[:2000], line, time, None, level))

    def result(self, key: str, raw: str, line: int) -> None:
        """One key of the result dict, or of the host's block."""
        self._fact(key, raw)
        meaning = self._meaning(key)
        if meaning is not None:
            self.value(meaning, key, raw, line, rounded=key != "flops")

    def rate(self, key: str, raw: str, unit: str, line: int) -> None:
        """A ``Perf`` line; ``tps`` says that tokens are counted, here and in the result, which says ``qps``."""
        self.tokens = self.tokens or unit == "tps"
        self.value(self._rate(key), key, raw, line)

    def value(self, meaning: Meaning, raw_name: str, raw: str, line: int, *, rounded: bool = False) -> None:
        """Keep a value; the result's rounded copy does not replace the full one of an earlier line."""
        number, precision = _number(raw, rounded=rounded)
        key = (meaning.metric, meaning.subject)
        known = self.found.get(key)
        if known is not None and known.value is not None and (number is None or precision != FULL):
            return
        self.found[key] = Measurement(
            run=self.run.name,
            metric=meaning.metric,
            value=None if number is None else number * meaning.factor,
            statistic=meaning.statistic,
            raw_name=raw_name,
            raw_value=raw,
            unit=meaning.unit,
            definition=meaning.definition,
            subject=meaning.subject,
            precision=precision,
            line=line,
        )

    def _fact(self, key: str, raw: str) -> None:
        run = self.run
        if raw in ("", "None"):
            return
        if key == "vendor":
            run.vendor = VENDORS.get(raw.lower(), raw)
        elif key == "precision":
            run.precision = raw
        elif key == "compiler":
            run.config["compiler"] = raw
        elif key == "batchsize" and raw.isdigit():
            self.batch_size = float(raw)
            run.config["batch_size"] = int(raw)

    def _meaning(self, key: str) -> Meaning | None:
        name = key.lstrip("*").partition("(")[0]
        if name in _RATES:
            return self._rate(name)
        if name in _ACCURACIES:
            return self.accuracy(_ACCURACIES[name])
        if key == "vendor_usage(GiB)" and self.run.vendor == VENDORS["hexaflake"]:
            return Meaning("memory_used", 2.0**20, "bytes")  # its monitor reads MiB and nobody divides
        return _FIXED.get(key)

    def _rate(self, name: str) -> Meaning:
        metric, model = _RATES[name], self.run.model or ""
        if self.tokens or _LLM.fullmatch(model):
            return Meaning(metric, 1.0, "token/s", f"{metric}@prompt_tokens")
        if model.startswith("stable_diffusion"):
            return Meaning(metric, 1.0, "step/s", f"{metric}@unet_steps")
        return Meaning(metric, 1.0, "sample/s", f"{metric}@samples")

    def accuracy(self, stage: str) -> Meaning:
        """Quality of the framework's or the vendor engine's outputs, mean over the repeats."""
        if (self.run.model or "").startswith("stable_diffusion"):
            return Meaning("clip_score", subject=stage, statistic="mean")
        return Meaning("accuracy", subject=stage, statistic="mean", definition="accuracy@mean_of_repeats")


_FIXED = {
    "flops": Meaning("achieved_flops", 1.0, "FLOP/s", "achieved_flops@config_flops_x_core_rate"),
    "e2e_time(second)": Meaning("run_time", 1.0, "s"),
    "byte_per_batch": Meaning("input_bytes_per_batch", 1.0, "bytes"),
    "vendor_usage(GiB)": Meaning("memory_used", _GIB, "bytes"),
    "vendor_max_mem(GiB)": Meaning("memory_total", _GIB, "bytes"),
    "*MFU": Meaning("mfu", 0.01, "fraction", "mfu@flagperf_hardcoded_peak"),
}


def _number(raw: str, *, rounded: bool) -> tuple[float | None, str]:
    """Number and precision of a printed value: a number, a percentage, a tensor, or a list whose mean counts.

    ``rounded``: the program rounds to three decimals; more than that is the full value of an older version.
    """
    text = raw.strip().removesuffix("%")
    value = read_literal(text)
    try:
        numbers = [float(v) for v in (value if isinstance(value, list) else [value])]
    except (TypeError, ValueError):
        return None, FULL
    if not numbers:
        return None, FULL
    decimals = max((len(d) for d in re.findall(r"\.(\d+)", text)), default=0)
    short = "tensor" in text or (rounded and decimals <= 3)
    return sum(numbers) / len(numbers), str(decimals) if short else FULL


# --------------------------------------------------------------------------- runs


def new_case(name: str, root: str, case: str) -> Case:
    """A case called ``resnet50:pytorch_1.13``; further parts are hardware, nodes, processes, repeats."""
    run = Run(name, root, kind="inference")
    model, _, image = case.partition(":")
    image = image.partition(":")[0]
    if image:
        run.model, run.framework = model, image.partition("_")[0]
        run.config["framework_image"] = image
    return Case(run)


def case_of(place: Place) -> Case:
    """The case whose directory a container's log lies in: ``run…/{case}/{host}_noderank{R}/``."""
    case, run_dir = place.parent(2), place.parent(3)
    if ":" in case or _RUN_DIR.fullmatch(run_dir):
        return new_case("/".join(p for p in (run_dir, case) if p), place.directory(2), case)
    if place.name in _STANDARD and place.parent():
        return new_case("/".join(p for p in (case, place.parent()) if p), place.directory(), "")
    return new_case("/".join(p for p in (place.parent(), place.stem) if p), place.path, "")


def case_of_host(place: Place, case: str) -> Case:
    """A case that the host's log names; the same run as the container's logs below."""
    name = "/".join(p for p in (place.parent(), case) if p)
    return new_case(name, f"{place.directory()}/{case}", case)


def learn_module(run: Run, where: str) -> None:
    """Model and framework of ``benchmarks.resnet50.pytorch.forward:…`` where the path does not say them."""
    parts: list[Any] = where.split(".")
    if run.model is None and len(parts) > 2 and parts[0] == "benchmarks":
        run.model, run.framework = parts[1], parts[2]
