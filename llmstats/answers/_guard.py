"""What differs between two groups of runs, and whether they may be compared all the same.

Each condition weighs what it does to the number: some make two values measure different things (`NOT`), others only
want to be known (`CAVEAT`).  What one side does not state is a caveat, never equality; what neither states counts only
where no comparison should do without it (`_NEEDED`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llmstats.answers._observed import RECOMPUTED, Group, Measure, Reading

OK, WITH_CAVEATS, NOT = "comparable", "comparable with caveats", "not comparable"

#: Relative difference of loss or accuracy from which on a speed was reached at another quality (FlagPerf's 2 %).
QUALITY = 0.02


class Difference(NamedTuple):
    """One condition in which two groups differ, or that one or both of them do not state."""

    condition: str
    here: Any
    baseline: Any
    verdict: str  #: `WITH_CAVEATS` or `NOT`

    @property
    def text(self) -> str:
        """In words, with the group's own side first."""
        if self.here is None and self.baseline is None:
            return f"{self.condition}: not stated"
        return f"{self.condition}: {_shown(self.here)} against {_shown(self.baseline)}"


def _shown(value: Any) -> str:
    if value is None:
        return "not stated"
    return f"{value:g}" if isinstance(value, float) else str(value)


#: Label of each condition, and of which kinds of runs a difference forbids the comparison.
_EVERY = ("training", "inference", "serving", "evaluation", "microbenchmark")
_CONDITIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "task": ("task", _EVERY),
    "model_name": ("model name", ()),
    "input_len": ("input length", _EVERY),
    "output_len": ("output length", _EVERY),
    "concurrency": ("concurrency", _EVERY),
    "request_rate": ("request rate", _EVERY),
    "output_len_mode": ("output length mode", _EVERY),
    "ignore_eos": ("ignore_eos", _EVERY),
    "min_tokens": ("min_tokens", _EVERY),
    "conditions": ("conditions", _EVERY),
    "stage": ("stage", _EVERY),
    "seq_length": ("sequence length", _EVERY),
    "dataset": ("dataset", ("serving", "evaluation")),
    "subject": ("subject", _EVERY),
    "streaming": ("streaming", ()),
    "layout": ("parallel layout", ()),
    "devices": ("devices", ()),
    "nodes": ("nodes", ()),
    "batch_size": ("batch size", ()),
    "settings": ("settings", ()),
    "engine": ("engine", ()),
    "framework": ("framework", ()),
    "prefix_caching": ("prefix caching", ()),
}
#: Metrics that are only what they are called when answers are streamed.
_STREAMED = ("ttft", "tpot", "itl")

#: What neither side states is a caveat too.  A load is a concurrency or a request rate.
_NEEDED = {
    "training": ("precision", "devices"),
    "inference": ("precision",),
    "serving": ("precision", "input_len", "output_len", "load"),
    "evaluation": (),
    "microbenchmark": ("precision",),
}

_BITS = {
    "fp64": 64, "fp32": 32, "tf32": 32, "amp": 16, "bf16": 16, "fp16": 16, "mixed": 16, "fp8": 8, "int8": 8, "w8a8": 8,
    "mxfp8": 8, "fp4": 4, "int4": 4, "mxfp4": 4, "nvfp4": 4,
}  # fmt: skip


def judge(group: Group, baseline: Group, measure: Measure, of_baseline: Measure) -> list[Difference]:
    """All differences of two groups on one model, those that forbid the comparison first."""
    found = [*_measures(measure, of_baseline), *_conditions(group, baseline, measure), *_precision(group, baseline)]
    found += [*_unstated(group, baseline), *_versions(group, baseline), *_quality(group, baseline)]
    found += [*_success(group, baseline), *_doubts(group, baseline)]
    found += _signs(group.readings[measure], baseline.readings[of_baseline])
    return sorted(found, key=lambda d: d.verdict != NOT)


def verdict(differences: list[Difference]) -> str:
    """The worst of them."""
    if any(d.verdict == NOT for d in differences):
        return NOT
    return WITH_CAVEATS if differences else OK


# --------------------------------------------------------------------------- parts


def _measures(ours: Measure, theirs: Measure) -> list[Difference]:
    if scale_free(ours.metric) != scale_free(theirs.metric):
        return [Difference("metric", ours.metric, theirs.metric, NOT)]
    if len({(unit or "").removesuffix("/device") for unit in (ours.unit, theirs.unit)}) > 1:
        return [Difference("unit", ours.unit, theirs.unit, NOT)]
    if ours.definition == theirs.definition:
        return []
    definitions = (ours.definition, theirs.definition)
    weight = WITH_CAVEATS if None in definitions and RECOMPUTED not in definitions else NOT
    return [Difference("definition", ours.definition, theirs.definition, weight)]


def scale_free(metric: str) -> str:
    """A metric without the scale at which it is counted: of one device or of the system."""
    return metric.removesuffix("_per_device")


def _conditions(group: Group, baseline: Group, measure: Measure) -> list[Difference]:
    found = []
    for name, (label, forbids) in _CONDITIONS.items():
        if group.normal[name] == baseline.normal[name]:
            continue
        here, there = group.conditions[name], baseline.conditions[name]
        forbidden = group.kind in forbids or (name == "streaming" and measure.metric in _STREAMED)
        weight = NOT if forbidden and here is not None and there is not None else WITH_CAVEATS
        found.append(Difference(label, here, there, weight))
    return found


def _precision(group: Group, baseline: Group) -> list[Difference]:
    """Other formats of one width are a caveat (fp16, bf16, amp); other widths another task for the chip."""
    here, there = group.conditions["precision"], baseline.conditions["precision"]
    ours, theirs = group.normal["precision"], baseline.normal["precision"]
    if ours == theirs:
        return []
    alike = None in (ours, theirs) or (_BITS.get(ours, ours) == _BITS.get(theirs, theirs))
    return [Difference("precision", here, there, WITH_CAVEATS if alike else NOT)]


def _unstated(group: Group, baseline: Group) -> list[Difference]:
    found = []
    for name in _NEEDED[group.kind]:
        names = ("concurrency", "request_rate") if name == "load" else (name,)
        if all(g.conditions[n] is None for n in names for g in (group, baseline)):
            found.append(Difference(_CONDITIONS.get(name, (name,))[0], None, None, WITH_CAVEATS))
    return found


def _versions(group: Group, baseline: Group) -> list[Difference]:
    here, there = (" / ".join(sorted(g.versions)) or None for g in (group, baseline))
    return [] if here == there else [Difference("software", here, there, WITH_CAVEATS)]


def _quality(group: Group, baseline: Group) -> list[Difference]:
    found = []
    names = ("loss", "accuracy") if group.accuracy_of == baseline.accuracy_of else ("loss",)
    for name in names:
        here, there = middle(group.beside.get(name)), middle(baseline.beside.get(name))
        if here is not None and there is not None and abs(here - there) > QUALITY * abs(there):
            found.append(Difference(name, here, there, WITH_CAVEATS))
    return found


def _success(group: Group, baseline: Group) -> list[Difference]:
    """A speed over requests of which some failed is one of a smaller load."""
    here, there = group.success, baseline.success
    if all(share is None or share == 1 for share in (here, there)):
        return []
    return [Difference("completed requests", _percent(here), _percent(there), WITH_CAVEATS)]


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.4g} %"


def _doubts(group: Group, baseline: Group) -> list[Difference]:
    """A speed above the peak of its device was counted otherwise than it says; see the flag of `mfu`."""
    here, there = ("above the device's peak" if g.doubts else "possible" for g in (group, baseline))
    return [Difference("speed", here, there, NOT)] if group.doubts or baseline.doubts else []


def _signs(ours: list[Reading], theirs: list[Reading]) -> list[Difference]:
    """A ratio needs values above 0: a speed of 0 is that of a run that did not work."""
    here, there = (min(r.value for r in readings) for readings in (ours, theirs))
    if here > 0 and there > 0:
        return []
    said, at_baseline = (f"{v:g}" if v <= 0 else "above 0" for v in (here, there))
    return [Difference("value", said, at_baseline, NOT)]


def middle(values: list[float] | None) -> float | None:
    """Median of what is there."""
    if not values:
        return None
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
