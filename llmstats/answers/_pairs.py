"""Which group of the baseline device each group is compared with, on what scale, and by which ratio.

Of the baseline's groups on the same model the one that differs least is taken: nothing that forbids the comparison
before something, fewer caveats before more, more repeats before fewer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from llmstats import catalog
from llmstats.answers import _guard as guard
from llmstats.answers._checks import one_of, share
from llmstats.answers._guard import NOT, WITH_CAVEATS, Difference
from llmstats.answers._observed import SPEEDS, Asked, Group, Measure, Reading
from llmstats.answers._runs import groups_of
from llmstats.answers._serving import check_statistic
from llmstats.errors import InputError, NotFound

if TYPE_CHECKING:
    import duckdb

    from llmstats.statistics import Interval

#: What is compared with its like: kind of runs and model, in small letters.
About = tuple[str, str]
PER = ("device", "system")
NAMELESS = "not stated"
#: A serving cell is compared at its own case only; looked up, since sweeps have thousands.
_CASE = ("input_len", "output_len", "concurrency", "request_rate", "dataset")


@dataclass(slots=True)
class Side:
    """A group's values of one measure, on one scale."""

    group: Group
    measure: Measure
    per: str  #: ``device``, ``system``, or ``value`` for what does not grow with devices

    @property
    def readings(self) -> list[Reading]:
        return self.group.readings[self.measure]

    @property
    def values(self) -> list[float]:
        factor = scale(self.group, self.measure, self.per)
        return [r.value * factor for r in self.readings] if factor else []


@dataclass(slots=True)
class Pair:
    """A group beside the group of the baseline that it is compared with; no ratio where they are not comparable."""

    ours: Side
    baseline: Side
    differences: list[Difference]
    ratio: Interval | None

    @property
    def verdict(self) -> str:
        return guard.verdict(self.differences)

    @property
    def why(self) -> str:
        return "; ".join(d.text for d in self.differences)


class Absent(NamedTuple):
    """A group that became no pair, and why."""

    group: Group
    why: str


@dataclass(slots=True)
class Comparison:
    """All pairs, and what could not become one."""

    pairs: list[Pair]
    absent: list[Absent]
    baselines: dict[About, str]
    statistic: str

    def strictly(self) -> Comparison:
        """Without what is not comparable."""
        return replace(self, pairs=[p for p in self.pairs if p.verdict != NOT], absent=[])


def compared(
    con: duckdb.DuckDBPyConnection, asked: Asked, baseline: str, device: str, per: str, level: float = 0.95
) -> Comparison:
    """All that `compare` and `comparability` show; parameters as in `compare`.

    Raises:
        InputError: a parameter names nothing, or more than one thing.
    """
    one_of("per", per, PER)
    share("level", level)
    _check_statistic(con, asked.statistic)
    _check_metric(con, asked.metric)
    found = groups_of(con, asked)
    named = [g for g in found if g.name != NAMELESS and g.model is not None]
    baselines = baselines_of(named, baseline)
    shown = [g for g in named if g.name != baselines.get(_about(g)) and _meant(g.name, device)]
    pairs, absent = paired([g for g in shown if g.readings], named, baselines, per, level)
    what = "speed" if asked.metric == "auto" else asked.metric
    absent += [Absent(g, f"states no {what}") for g in shown if not g.readings and _about(g) in baselines]
    if device == "*":
        absent += [Absent(g, "no other device at this configuration") for g in _unmet(named, shown, baselines, pairs)]
    return Comparison(pairs, [*absent, *_nameless(found)], baselines, asked.statistic)


def _unmet(
    named: Sequence[Group], shown: Sequence[Group], baselines: dict[About, str], pairs: Sequence[Pair]
) -> list[Group]:
    """Groups of the baseline that nothing is compared with, on models of which another device has a value."""
    met, others = {id(pair.baseline.group) for pair in pairs}, {_about(g) for g in shown if g.readings}
    of_baseline = [g for g in named if g.readings and g.name == baselines[_about(g)]]
    return [g for g in of_baseline if id(g) not in met and _about(g) in others]


def _check_statistic(con: duckdb.DuckDBPyConnection, statistic: str) -> None:
    """Refuse what is none, unless the store has values of it; a plain value counts as the mean."""
    stored = con.execute("SELECT DISTINCT m.statistic FROM measurement_rows m WHERE m.statistic <> 'value'").fetchall()
    if (statistic,) not in stored:
        check_statistic(statistic)


def _check_metric(con: duckdb.DuckDBPyConnection, metric: str) -> None:
    if metric == "auto" or metric in catalog.metrics():
        return
    stored = con.execute("SELECT DISTINCT m.metric FROM measurements m UNION SELECT DISTINCT s.metric FROM series s")
    known = {name for (name,) in stored.fetchall()}
    if metric not in known:
        raise NotFound.among("metric", metric, known | set(catalog.metrics()))


def _nameless(found: Sequence[Group]) -> list[Absent]:
    """Groups with a value that say not what was measured, or on what."""
    lacks = [(g, "device" if g.name == NAMELESS else "model" if g.model is None else None) for g in found if g.readings]
    return [Absent(g, f"names no {lack}; read it again with --label {lack}=NAME") for g, lack in lacks if lack]


def _about(group: Group) -> About:
    return group.kind, (group.model or "").lower()


def _meant(name: str, wanted: str) -> bool:
    return _matches(name, wanted.lower()) or wanted.lower() in name.lower()


def _matches(name: str, pattern: str) -> bool:
    """Whether a pattern in small letters names a device, with or without its vendor."""
    return fnmatchcase(name.lower(), pattern) or fnmatchcase(name.lower(), f"* {pattern}")


# --------------------------------------------------------------------------- scale


def scale(group: Group, measure: Measure, per: str) -> float | None:
    """What brings a value to one device or to the whole system; None where nobody said how many devices."""
    devices = group.conditions["devices"]
    own = own_scale(group.kind, measure)
    if own in (per, "value"):
        return 1.0
    if not devices:
        return None
    return float(devices) if per == "system" else 1 / devices


def own_scale(kind: str, measure: Measure) -> str:
    """Whether a measure counts one device, the whole system, or neither (times, shares, losses)."""
    if measure.metric.endswith("_per_device") or (measure.unit or "").endswith("/device"):
        return "device"
    rate = (measure.unit or "").endswith("/s")
    return "value" if not rate or kind == "microbenchmark" else "system"


def common_scale(wanted: str, *sides: tuple[Group, Measure]) -> str | None:
    """The scale wanted where all sides can be brought to it, else the other; None: neither."""
    if all(own_scale(group.kind, measure) == "value" for group, measure in sides):
        return "value"
    for per in (wanted, *(p for p in PER if p != wanted)):
        if all(scale(group, measure, per) is not None for group, measure in sides):
            return per
    return None


# --------------------------------------------------------------------------- the baseline


def baselines_of(groups: Sequence[Group], wanted: str) -> dict[About, str]:
    """The baseline device of each kind of runs and model that has one.

    It is the one asked for; else that with most runs of the kind that state a value, and on models without a value of
    it the one with most runs there.

    Raises:
        NotFound: no run is of the device asked for.
        InputError: several devices are meant.
    """
    counts: dict[About, Counter[str]] = defaultdict(Counter)
    of_kind: dict[str, Counter[str]] = defaultdict(Counter)
    for group in (g for g in groups if g.readings):
        counts[_about(group)][group.name] += len(group.runs)
        of_kind[group.kind][group.name] += len(group.runs)
    if wanted == "auto":
        return {about: _most(names, of_kind[about[0]]) for about, names in counts.items()}
    chosen = {kind: _named(names, wanted) for kind, names in of_kind.items()}
    named = next(filter(None, chosen.values()), None) or _named({g.name for g in groups}, wanted)
    if named is None:
        raise NotFound.among("device", wanted, {group.name for group in groups})
    return {about: chosen[about[0]] or named for about in counts}


def _most(counts: Counter[str], of_kind: Counter[str]) -> str:
    """The device with most runs of the kind if it is among those counted, else of these that with most."""
    usual = min(of_kind, key=lambda name: (-of_kind[name], name))
    return usual if usual in counts else min(counts, key=lambda name: (-counts[name], -of_kind[name], name))


def _named(known: Iterable[str], wanted: str) -> str | None:
    """The device that is meant: by its whole name, with or without the vendor, by a pattern, or by a part of it."""
    low = wanted.lower()
    for matches in (
        [n for n in known if n.lower() == low or n.lower().endswith(" " + low)],
        [n for n in known if _matches(n, low)],
        [n for n in known if low in n.lower()],
    ):
        if len(matches) > 1:
            raise InputError(f"--baseline {wanted!r} may be {' or '.join(sorted(matches))}; name one of them")
        if matches:
            return matches[0]
    return None


# --------------------------------------------------------------------------- pairing


def paired(
    ours: Sequence[Group], groups: Sequence[Group], baselines: dict[About, str], per: str, level: float
) -> tuple[list[Pair], list[Absent]]:
    """Each group with its counterpart among the baseline's, and those that have none."""
    theirs: dict[tuple[Any, ...], list[Group]] = defaultdict(list)
    known = set()
    for group in groups:
        if group.readings and group.name == baselines[_about(group)]:
            theirs[_place(group)].append(group)
            known.add(_about(group))
    pairs, absent = [], []
    for group in ours:
        if candidates := theirs.get(_place(group)):
            alike = [other for other in candidates if other.normal == group.normal]
            pairs.append(_pair(group, alike or candidates, per, level))
        else:
            lack = "at this case" if _about(group) in known else "on this model"
            absent.append(Absent(group, f"{baselines[_about(group)]} has no value {lack}"))
    return pairs, absent


def _place(group: Group) -> tuple[Any, ...]:
    """Where a group's counterparts are looked for."""
    case = tuple(group.normal[name] for name in _CASE) if group.kind == "serving" else ()
    return *_about(group), *case


def _pair(group: Group, candidates: Sequence[Group], per: str, level: float) -> Pair:
    measured = [(_best(group, other), other) for other in candidates]
    judged = [(guard.judge(group, other, *measures), measures, other) for measures, other in measured]
    differences, (measure, of_other), other = min(judged, key=lambda j: _cost(j[0], j[2]))
    common = common_scale(per, (group, measure), (other, of_other))
    differences = [*differences, *_scales(differences, (group, measure), (other, of_other), per, common)]
    ours, theirs = Side(group, measure, common or per), Side(other, of_other, common or per)
    return Pair(ours, theirs, differences, None if guard.verdict(differences) == NOT else _ratio(ours, theirs, level))


def _scales(
    found: Sequence[Difference],
    ours: tuple[Group, Measure],
    theirs: tuple[Group, Measure],
    per: str,
    common: str | None,
) -> list[Difference]:
    """What stands in the way of the scale wanted: a number of devices that is not known."""
    if common is None:
        scales = [own_scale(group.kind, measure) for group, measure in (ours, theirs)]
        return [Difference("scale", f"of a {scales[0]}", f"of a {scales[1]}", NOT)]
    if common in (per, "value") or any(d.condition == "devices" for d in found):
        return []
    return [Difference("devices", None, None, WITH_CAVEATS)]


def _cost(differences: Sequence[Difference], other: Group) -> tuple[int, int, int]:
    return sum(d.verdict == NOT for d in differences), len(differences), -len(other.runs)


def _best(group: Group, other: Group) -> tuple[Measure, Measure]:
    """A measure of each side: of one definition rather than an unknown one, that than another; the better metric."""

    def cost(ours: Measure, theirs: Measure) -> tuple[Any, ...]:
        alike = guard.scale_free(ours.metric) == guard.scale_free(theirs.metric)
        unknown = None in (ours.definition, theirs.definition)
        defined = 0 if ours.definition == theirs.definition else 1 if unknown else 2
        return not alike, defined, _rank(group.kind, ours), _rank(group.kind, theirs)

    return min(((a, b) for a in group.readings for b in other.readings), key=lambda p: cost(*p))


def _rank(kind: str, measure: Measure) -> tuple[int, bool, str]:
    """Better metrics first; of one metric the rate of computing alone, then by name, none last (as `results`)."""
    order = SPEEDS[kind]
    definition = measure.definition or "~"
    place = order.index(measure.metric) if measure.metric in order else len(order)
    return place, not definition.endswith("@compute_only"), definition


def _ratio(ours: Side, theirs: Side, level: float) -> Interval | None:
    from llmstats.statistics import ratio

    return ratio(ours.values, theirs.values, level)
