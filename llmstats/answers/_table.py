"""The rows of `compare`: for each pair the baseline's side once, then the other; geometric means; what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmstats.answers._guard import NOT, OK, WITH_CAVEATS, middle
from llmstats.answers._observed import BESIDE, SPEEDS, Group
from llmstats.answers._pairs import NAMELESS, Comparison, Pair, Side, scale

if TYPE_CHECKING:
    from llmstats.statistics import Interval

COLUMNS = (
    "model", "device", "case", "precision", "layout", "devices", "n", "value", "unit", "low", "high",
    "relative", "relative_low", "relative_high", "comparability", "reason", "mfu", "mfu_definition", "memory",
    "accuracy", "loss", "kind", "definition", "interval_method", "run_id", "source",
)  # fmt: skip
DETAILS = (
    "per", "per_device", "per_system", "samples", "metric", "statistic", "ratio_method",
    "framework", "baseline", "runs", "baseline_source",
)  # fmt: skip
MEAN = "geometric mean"
#: What a case is made of, and how it is written.
_CASE = {
    "subject": "{}", "stage": "{}", "input_len": "in {:g}", "output_len": "out {:g}", "concurrency": "concurrency {:g}",
    "request_rate": "rate {:g}", "seq_length": "sequence {:g}", "batch_size": "bs {:g}", "settings": "{}",
    "engine": "{}", "conditions": "{}",
}  # fmt: skip

Row = dict[str, Any]


def rows(comparison: Comparison, level: float) -> list[Row]:
    """All rows, by kind, model and case; each baseline before what is compared with it."""
    found: list[Row] = []
    for kind in SPEEDS:
        pairs = [p for p in comparison.pairs if p.ours.group.kind == kind]
        found += _blocks(pairs, comparison, level)
        found += _means([p for p in pairs if p.verdict != NOT], comparison, level)
        found += _missing(comparison, kind)
    return found


def case(group: Group) -> str | None:
    """The conditions that tell rows of one model and device apart, in words."""
    told = ((group.conditions[name], words) for name, words in _CASE.items())
    return ", ".join(words.format(value) for value, words in told if value not in (None, group.model)) or None


# --------------------------------------------------------------------------- pairs


def _blocks(pairs: Sequence[Pair], comparison: Comparison, level: float) -> list[Row]:
    """Pairs with one side of the baseline stand together below it."""
    blocks: dict[Any, list[Pair]] = defaultdict(list)
    for pair in pairs:
        blocks[id(pair.baseline.group), pair.baseline.measure, pair.baseline.per].append(pair)
    found: list[Row] = []
    for block in sorted(blocks.values(), key=_place):
        found.append(_side(block[0].baseline, comparison, level) | {"relative": 1.0, "comparability": "baseline"})
        found += [_compared(p, comparison, level) for p in sorted(block, key=_fastest)]
    return found


def _place(block: Sequence[Pair]) -> tuple[Any, ...]:
    group = block[0].baseline.group
    names = ("input_len", "output_len", "concurrency", "request_rate", "devices", "batch_size")
    numbers = tuple(group.conditions[n] if group.conditions[n] is not None else -1 for n in names)
    return (group.model or "").lower(), *numbers, case(group) or ""


def _fastest(pair: Pair) -> tuple[Any, ...]:
    centre = pair.ratio.centre if pair.ratio else None
    return centre is None, -(centre or 0), pair.ours.group.name


def _side(side: Side, comparison: Comparison, level: float) -> Row:
    from llmstats.statistics import interval

    group, readings = side.group, side.readings
    found = interval(side.values, level)
    counted = [r.samples for r in readings if r.samples is not None]
    return {
        **_head(group, comparison), **_limits(found), "value": found.centre, "unit": _unit(side), "n": len(readings),
        "interval_method": found.method, "per": side.per,
        **{name: middle(group.beside.get(name)) for name in BESIDE}, "mfu_definition": group.mfu_definition,
        **{f"per_{per}": _at_scale(side, per) for per in ("device", "system")},
        "samples": sum(counted) if counted else None, "metric": side.measure.metric,
        "definition": side.measure.definition, "run_id": readings[0].run_id,
        "runs": [r.run_id for r in readings], "source": readings[0].place,
    }  # fmt: skip


def _head(group: Group, comparison: Comparison) -> Row:
    stated = {name: group.conditions[name] for name in ("precision", "layout", "devices", "framework")}
    return stated | {
        "model": group.model, "device": group.name, "case": case(group), "kind": group.kind,
        "baseline": _baseline(group, comparison), "statistic": comparison.statistic,
    }  # fmt: skip


def _baseline(group: Group, comparison: Comparison) -> str | None:
    return comparison.baselines.get((group.kind, (group.model or "").lower()))


def _limits(found: Interval | None, prefix: str = "") -> Row:
    return {f"{prefix}low": found.low, f"{prefix}high": found.high} if found else {}


def _unit(side: Side) -> str | None:
    unit = side.measure.unit
    if unit is None or side.per == "value":
        return unit
    return unit.removesuffix("/device") + ("/device" if side.per == "device" else "")


def _at_scale(side: Side, per: str) -> float | None:
    factor = scale(side.group, side.measure, per)
    middle_value = middle([r.value for r in side.readings])
    return None if factor is None or middle_value is None else middle_value * factor


def _compared(pair: Pair, comparison: Comparison, level: float) -> Row:
    ratio = pair.ratio
    return _side(pair.ours, comparison, level) | {
        "comparability": pair.verdict, "reason": pair.why or None, "relative": ratio.centre if ratio else None,
        **_limits(ratio, "relative_"), "ratio_method": ratio.method if ratio else None,
        "baseline_source": pair.baseline.readings[0].place,
    }  # fmt: skip


# --------------------------------------------------------------------------- geometric means


def _means(pairs: Sequence[Pair], comparison: Comparison, level: float) -> list[Row]:
    """One row per device and baseline that have more than one pair."""
    devices: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        devices[pair.ours.group.name, pair.baseline.group.name].append(pair)
    found = [_mean(mine, comparison, level) for mine in devices.values() if len(mine) > 1]
    return sorted(found, key=lambda row: (row["baseline"], -(row["relative"] or 0)))


def _mean(pairs: Sequence[Pair], comparison: Comparison, level: float) -> Row:
    from llmstats.statistics import contrast

    models = [(p.ours.group.model or "").lower() for p in pairs]
    sides: dict[Any, Side] = {}
    powers: dict[Any, float] = defaultdict(float)  # of a side of the baseline that several pairs share: their sum
    for model, pair in zip(models, pairs, strict=True):
        for sign, side in ((1, pair.ours), (-1, pair.baseline)):
            key = id(side.group), side.measure, side.per
            sides[key] = side
            powers[key] += sign / models.count(model) / len(set(models))
    ratio = contrast([side.values for side in sides.values()], [powers[key] for key in sides], level)
    doubtful = sum(p.verdict != OK for p in pairs)
    first = pairs[0]
    return {
        "model": MEAN, "device": first.ours.group.name, "relative": ratio.centre, **_limits(ratio, "relative_"),
        "ratio_method": ratio.method, "n": sum(len(p.ours.readings) for p in pairs),
        "comparability": WITH_CAVEATS if doubtful else OK,
        "reason": f"{doubtful} of {len(pairs)} pairs with caveats" if doubtful else None,
        "case": _over(len(set(models)), len(pairs), first.baseline.group.name), "kind": first.ours.group.kind,
        "baseline": first.baseline.group.name, "statistic": comparison.statistic,
        "metric": "; ".join(sorted({p.ours.measure.metric for p in pairs})),
        "definition": "; ".join(sorted({p.ours.measure.definition or "not stated" for p in pairs})),
        "run_id": first.ours.readings[0].run_id, "runs": [r.run_id for p in pairs for r in p.ours.readings],
        "source": first.ours.readings[0].place, "baseline_source": first.baseline.readings[0].place,
    }  # fmt: skip


def _over(models: int, pairs: int, baseline: str) -> str:
    return f"{models} model{'' if models == 1 else 's'}, {pairs} pairs with {baseline}"


# --------------------------------------------------------------------------- what is missing


def _missing(comparison: Comparison, kind: str) -> list[Row]:
    """What became no pair: one row per model, device and reason; runs that do not name one of these, all together."""
    alike: dict[tuple[str, str, str], list[Group]] = defaultdict(list)
    for group, why in comparison.absent:
        if group.kind == kind:
            alike[(group.model or "~").lower() if group.name != NAMELESS else "~", group.name, why].append(group)
    return [_without(groups, why, comparison) for (_, _, why), groups in sorted(alike.items())]


def _without(groups: Sequence[Group], why: str, comparison: Comparison) -> Row:
    runs = sorted({run for group in groups for run in group.runs})
    beside = {name: middle([v for g in groups for v in g.beside.get(name, [])]) for name in BESIDE}
    head = _head(groups[0], comparison)
    if len({group.model for group in groups}) > 1:
        head, beside = head | {"model": None}, {}
    if len(groups) > 1:
        head |= {
            "precision": None,
            "layout": None,
            "devices": None,
            "case": f"{len(groups)} configurations",
            "framework": None,
        }
    first = next((r for g in groups for readings in g.readings.values() for r in readings), None)
    return head | beside | {
        "n": len(runs), "comparability": NOT, "reason": why, "run_id": runs[0], "runs": runs,
        "source": first.place if first else groups[0].place,
    }  # fmt: skip
