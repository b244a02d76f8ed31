"""What `run inference` found out: ``inference.json`` in our own words, and the numbers of FlagPerf's Finish Info.

``inference.json`` is written anew after each pass, so that what was measured before a crash is not lost.  Every value
carries its metric, unit and definition as the catalogues of llmstats name them; nothing in it has to be guessed.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from llmstats.running import replace

from ._accelerator import Accelerator
from ._causal_lm import Cost
from ._flagperf_log import finish_info
from ._peaks import Peak, peak_of
from ._tasks import Score, Task, values_of

LOG = "container.out.log"
DUMP = "inference.json"


def _now() -> str:
    return datetime.now().astimezone().isoformat(sep=" ", timespec="milliseconds")


@dataclass(frozen=True)
class Repeat:
    """One time through all examples: seconds in all, and in the synchronised model calls alone."""

    repeat: int
    whole_seconds: float
    core_seconds: float
    accuracy: float


@dataclass
class Pass:
    """``validation`` (eager) or ``inference`` (compiled)."""

    name: str
    tokens: int  #: of all examples, padding left out, in one repeat
    repeats: Sequence[Repeat]
    score: Score
    memory: list[dict[str, int | None]]

    @property
    def rate(self) -> float:
        """Prompt tokens per second, data handling and scoring included."""
        return self.tokens * len(self.repeats) / sum(r.whole_seconds for r in self.repeats)

    @property
    def core_rate(self) -> float:
        """Prompt tokens per second of the synchronised model calls."""
        return self.tokens * len(self.repeats) / self.core_seconds

    @property
    def core_seconds(self) -> float:
        return sum(r.core_seconds for r in self.repeats)


@dataclass(frozen=True)
class Measured:
    """What torch.compile made of the model."""

    graphs: int
    breaks: int


@dataclass
class Report:
    """Facts and values so far."""

    folder: str | None  #: None: another process writes
    settings: Mapping[str, Any]
    notes: list[str] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)
    passes: list[Pass] = field(default_factory=list)
    compiled: Measured | None = None
    cost: Cost | None = None
    peak: Peak | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    task: Task | None = None
    started_at: str = field(default_factory=_now)

    def describe(
        self, task: Task, devices: Accelerator, count: int, cost: Cost | str, versions: Mapping[str, str]
    ) -> None:
        """What is measured on what; known once the model is there."""
        self.task = task
        device = devices.device()
        precision = self.settings["precision"]
        exact = "tf32" if precision == "fp32" and self.settings["tf32"] else precision
        self.peak = peak_of(device["model"], device["memory"], exact)
        self.cost = None if isinstance(cost, str) else cost
        self.notes += [*task.notes, self.peak.why, *([cost] if isinstance(cost, str) else [])]
        if self.settings["random_weights"]:
            self.notes.append("the weights are random: accuracy and loss say nothing")
        if exact == "tf32":
            self.notes.append("matrix products in TF32 (--tf32)")
        self.facts = {
            "vendor": self.peak.vendor or device["vendor"],
            "device": device["model"],
            "device_count": count,
            "catalogued_device": self.peak.device,
            "versions": dict(versions),
            "tokens": task.tokens,
            "parameters": self.cost.parameters if self.cost else None,
            **task.facts,
        }
        self.write("running")

    def note(self, text: str) -> None:
        self.notes.append(text)

    def add(self, done: Pass) -> None:
        self.passes.append(done)
        if count := done.score.not_finite:
            self.note(f"{done.name}: {count} of {done.score.examples} answers are not finite, and count as wrong")
        self.write("running")

    def end(self, status: str, error: str | None = None) -> None:
        self.write(status, error)

    # ---- numbers

    def _pass(self, name: str) -> Pass | None:
        return next((p for p in self.passes if p.name == name), None)

    @property
    def _best(self) -> Pass | None:
        """The pass that FLOP/s are told of: the compiled one where there is one, as FlagPerf does."""
        return self._pass("inference") or self._pass("validation")

    def finish_info(self) -> dict[str, Any]:
        """FlagPerf's dict, and ours behind it."""
        best = self._best
        stages = {
            p.name: (p.rate, p.core_rate, p.score.accuracy) for p in self.passes
        }  # fmt: skip
        info = finish_info(
            vendor=self.facts["vendor"],
            compiler="inductor" if "inference" in stages else None,
            precision=self.settings["precision"],
            batch_size=self.settings["batch_size"],
            flops=self.cost.rough(best.core_rate) if best and self.cost else None,
            seconds=self.times["run_time"],
            validation=stages.get("validation"),
            inference=stages.get("inference"),
        )
        own = {"llmstats_flops": self._flops(), "llmstats_mfu": self._mfu(), "llmstats_device": self.facts["device"]}
        return info | own | {"llmstats_device_count": self.facts["device_count"]}

    def _flops(self) -> float | None:
        """FLOP/s of the core time by `Cost`."""
        if self._best is None or self.cost is None or self.task is None:
            return None
        lengths = [len(e.tokens) for e in self.task.examples]
        return self.cost.of(lengths) * len(self._best.repeats) / self._best.core_seconds

    def _mfu(self) -> float | None:
        flops = self._flops()
        if flops is None or self.peak is None or self.peak.flops is None:
            return None
        return flops / (self.peak.flops * int(self.facts["device_count"]))

    # ---- inference.json

    def write(self, status: str, error: str | None = None) -> None:
        if self.folder is None:
            return
        document = {
            "format": "llmstats_inference",
            "version": 1,
            "status": status,
            "error": error,
            "started_at": self.started_at,
            "ended_at": None if status == "running" else _now(),
            "settings": dict(self.settings),
            "facts": self.facts,
            "notes": self.notes,
            "compiled": asdict(self.compiled) if self.compiled else None,
            "values": self._values(),
            "repeats": [self._repeat(p, r) for p in self.passes for r in p.repeats],
            "subjects": [row for p in self.passes for row in _subjects(p)],
            "memory": [{"pass": p.name, "device_index": i, **m} for p in self.passes for i, m in enumerate(p.memory)],
        }
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
        replace(os.path.join(self.folder, DUMP), text + "\n")

    def _values(self) -> list[dict[str, Any]]:
        values = [_value(name, seconds, "s") for name, seconds in self.times.items()]
        for done in self.passes:
            values += self._values_of(done)
        if self.passes:
            values += _memory_values(self.passes)
            rough = self.cost.rough(self._best.core_rate) if self._best and self.cost else None
            values += [
                _value("achieved_flops", rough, "FLOP/s", "achieved_flops@config_flops_x_core_rate"),
                _value("achieved_flops", self._flops(), "FLOP/s", "achieved_flops@matmul_and_causal_attention"),
                _value("mfu", self._mfu(), "fraction", "mfu@catalogue_peak"),
            ]
        # what is not finite stays as null: JSON has no other word for it
        return [v if math.isfinite(v["value"]) else v | {"value": None} for v in values if v["value"] is not None]

    def _values_of(self, done: Pass) -> list[dict[str, Any]]:
        rates = {f"{done.name}_throughput": done.rate, f"{done.name}_throughput_core": done.core_rate}
        values = [_value(name, rate, "token/s", f"{name}@prompt_tokens") for name, rate in rates.items()]
        values.append(_value("core_time", done.core_seconds, "s", subject=done.name))
        values.append(_value("input_tokens", float(done.tokens), "token", subject=done.name))
        for (metric, definition, part), value in values_of(self.settings["task"], done.score).items():
            unit = None if metric in ("loss", "perplexity") else "fraction"
            statistic = "mean" if metric == "accuracy" else "value"
            subject = f"{done.name}/{part}" if part else done.name
            values.append(_value(metric, value, unit, definition, subject, statistic))
        return values

    def _repeat(self, done: Pass, repeat: Repeat) -> dict[str, Any]:
        whole, core = (done.tokens / s for s in (repeat.whole_seconds, repeat.core_seconds))
        return {"pass": done.name, **asdict(repeat), "throughput": whole, "throughput_core": core}


def _value(
    metric: str,
    value: float | None,
    unit: str | None,
    definition: str | None = None,
    subject: str | None = None,
    statistic: str = "value",
) -> dict[str, Any]:
    return {
        "metric": metric,
        "value": value,
        "unit": unit,
        "definition": definition,
        "subject": subject,
        "statistic": statistic,
    }


def _memory_values(passes: Sequence[Pass]) -> list[dict[str, Any]]:
    """The largest over devices and passes; per device and pass they stand beside it."""

    def most(key: str) -> float | None:
        return max((float(m[key] or 0) for p in passes for m in p.memory), default=0.0) or None

    on_cpu = all(m["reserved_peak"] is None and m["allocated_peak"] is None for p in passes for m in p.memory)
    used = "memory_used@process_peak" if on_cpu else None
    return [
        _value("memory_used", most("used"), "bytes", used),
        _value("memory_total", most("total"), "bytes"),
        _value("memory_allocated_peak", most("allocated_peak"), "bytes"),
        _value("memory_reserved_peak", most("reserved_peak"), "bytes"),
    ]


def _subjects(done: Pass) -> list[dict[str, Any]]:
    return [
        {"pass": done.name, "subject": subject, "correct": right, "questions": asked}
        for subject, (right, asked) in sorted(done.score.subjects.items())
    ]
