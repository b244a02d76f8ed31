"""A recipe held against the experiments of a store: pass, fail or cannot tell, with the numbers and their lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from llmstats.curves import Curve, Experiment, curves, experiments, literal
from llmstats.errors import InputError
from llmstats.judge_model import meant_for
from llmstats.judge_reported import reported
from llmstats.judging import CANNOT_TELL, FAIL, PASS, Found, judge
from llmstats.query import Answer
from llmstats.recipe_types import Criterion, Minimum, Recipe

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

#: What the command line exits with.
EXIT_CODES: Mapping[str, int] = {PASS: 0, FAIL: 1, CANNOT_TELL: 3}

COLUMNS = (
    "experiment", "verdict", "criterion", "result", "reason", "value", "asked", "reference", "points", "non_finite",
    "step", "unit", "definition", "precision", "attempts", "steps_redone", "model", "device", "from", "source",
    "reference_run", "recipe", "run_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One criterion of one experiment."""

    criterion: str
    asked: str
    found: Found
    unit: str | None = None
    definition: str | None = None
    precision: str | None = None
    series: str | None = None  #: of the recipe's, the one that the run has
    place: str | None = None  #: the last line of its curve


@dataclass(frozen=True, slots=True)
class Case:
    """One experiment with all that was found; ``reference`` is the run that it was held against."""

    experiment: str
    run_id: str
    attempts: int
    steps_redone: int
    reference: str | None
    findings: tuple[Finding, ...]
    place: str | None = None  #: where to start reading: the last line of a curve, else a file
    model: str | None = None  #: as far as the run says it: whether the recipe is meant for it, a reader must see
    device: str | None = None

    @property
    def verdict(self) -> str:
        """Fail beats cannot tell beats pass; where nothing is judged, nothing can be told."""
        results = {f.found.result for f in self.findings}
        judged = any(f.asked or f.found.result == CANNOT_TELL for f in self.findings if f.criterion not in _CONDITIONS)
        if FAIL in results:
            return FAIL
        return PASS if judged and CANNOT_TELL not in results else CANNOT_TELL


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a recipe."""

    recipe: Recipe
    cases: tuple[Case, ...]
    picks: tuple[str, ...] = ()
    unstated: int = 0  #: of the cases: those that do not say which model, where the recipe is for some
    left_out: int = 0  #: experiments of other models, where none was picked

    @property
    def verdict(self) -> str:
        """Of all experiments together: fail beats cannot tell beats pass."""
        verdicts = {case.verdict for case in self.cases}
        return next((v for v in (FAIL, CANNOT_TELL, PASS) if v in verdicts), CANNOT_TELL)

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 3 cannot tell."""
        return EXIT_CODES[self.verdict]

    def junit(self) -> str:
        """As JUnit XML; see `llmstats.junit`."""
        from llmstats.junit import junit

        return junit(self)

    def picture(self) -> tuple[str, dict[str, Any]]:
        """The picture that shows the first criterion, and its parameters.

        Raises:
            InputError: there is none for such a criterion.
        """
        first, cases = self.recipe.criteria[0], self.cases
        if first.reading == "reported" or first.phase != "train":
            raise InputError(f"{self.recipe.name}: {first.name} is no curve of the training; nothing to draw")
        had = [f.series for case in cases for f in case.findings if f.criterion == first.name and f.series]
        series = had[0] if had else first.series[0]
        if len(self.picks) > 1:
            raise InputError("a picture shows one RUN, or those that one pattern with * fits")
        pick = self.picks[0] if self.picks else "*"
        window, reference = first.window, cases[0].reference
        if first.compare != "value" and reference:
            tolerance = {"tolerance": first.bound[1]} if first.bound and first.compare != "ratio" else {}
            return "parity", {"reference": reference, "candidate": pick, "series": series, **tolerance}
        if first.compare != "value" or first.bound is None or first.bound[0] not in ("below", "at_most"):
            raise InputError(
                f"{self.recipe.name}: {first.name} has no bound for a curve to stay below; nothing to draw"
            )
        given = {"threshold": first.bound[1], "min_steps": window.from_step or 0, "smooth": first.points}
        return "convergence", {**given, "sustain": first.points, "series": series, "pick": pick}

    def answer(self) -> Answer:
        """One row per experiment and criterion."""
        named = f"{self.recipe.name}@{self.recipe.version}"
        return Answer(COLUMNS, [_row(case, finding, named) for case in self.cases for finding in case.findings])


#: Rows that are conditions of the judgement and no criteria of the recipe.
_CONDITIONS = ("model", "minimum", "repeats")


def _row(case: Case, finding: Finding, recipe: str) -> tuple[Any, ...]:
    found, n = finding.found, finding.found.number
    source = (n.last_at if n else None) or finding.place or case.place
    about = (n.points, n.non_finite, n.step) if n else (None, None, None)
    return (
        case.experiment, case.verdict, finding.criterion, found.result, found.reason, n.value if n else None,
        finding.asked, found.reference, *about, finding.unit, finding.definition, finding.precision, case.attempts,
        case.steps_redone, case.model, case.device, n.first_at if n else None, source, case.reference, recipe,
        case.run_id,
    )  # fmt: skip


# --------------------------------------------------------------------------- judging


def judge_store(
    con: Connection,
    recipe: Recipe,
    picks: Sequence[str] = (),
    reference: str | None = None,
    *,
    any_model: bool = False,
) -> Judgement:
    """Judge the experiments that ``picks`` name (none: all that logged what the recipe asks for).

    One that says another model than the recipe is for is left out, or, where picked, nothing is told of it;
    ``any_model``: it is judged all the same.

    Raises:
        NotFound: a pick or the reference fits nothing.
        InputError: the reference fits several experiments, or there is nothing to judge.
    """
    other = _reference(con, reference)
    found = _candidates(con, recipe, picks, other)
    meant = meant_for(con, recipe.models, found)
    strangers = set() if any_model else {name for name, fits in meant.items() if fits is False}
    which = found if picks else _of_the_models(recipe, found, strangers)
    cases = [
        _of_another_model(recipe, case) if case.experiment in strangers else case
        for case in _cases(con, recipe, which, other)
    ]
    unstated = sum(meant[e.name] is None for e in which) if recipe.models else 0
    return Judgement(recipe, _with_repeats(recipe, cases), tuple(picks), unstated, len(found) - len(which))


def _candidates(con: Connection, recipe: Recipe, picks: Sequence[str], other: Experiment | None) -> list[Experiment]:
    """The experiments that are picked, or that have what the recipe asks for; without the reference."""
    every = experiments(con, picks or ["*"])
    which = every if picks else _fitting(con, recipe, every)
    if other and [e.name for e in which] == [other.name]:
        raise InputError(f"nothing to judge: {other.name} is the reference itself")
    which = [e for e in which if other is None or e.name != other.name]
    if not which:
        names = " or ".join(dict.fromkeys(name for c in recipe.criteria for name in c.series))
        raise InputError(f"nothing to judge: no {recipe.kind} run here has {names} (llmstats ingest PATH reads logs)")
    return which


def _of_the_models(recipe: Recipe, found: Sequence[Experiment], strangers: set[str]) -> list[Experiment]:
    which = [e for e in found if e.name not in strangers]
    if not which:
        models = ", ".join(sorted({e.model for e in found if e.model})[:5])
        raise InputError(
            f"nothing to judge: the recipe is for {' or '.join(recipe.models)}; all {len(found):,} experiments that"
            f" logged what it asks for say other models ({models}); --any-model judges them"
        )
    return which


_REDONE = "SELECT u.experiment, sum(u.upto - u.after)::BIGINT FROM _undone('*') u GROUP BY u.experiment"


def _cases(con: Connection, recipe: Recipe, which: Sequence[Experiment], other: Experiment | None) -> list[Case]:
    seen = _Seen(_files(con, which))
    per_criterion = [_findings(con, criterion, which, other, seen) for criterion in recipe.criteria]
    redone = dict(con.execute(_REDONE).fetchall())
    return [
        Case(
            e.name,
            e.run_ids[-1],
            len(e.run_ids),
            redone.get(e.name, 0),
            other.name if other else None,
            _together(recipe.minimum, *seen.reached(e), [found[e.name] for found in per_criterion]),
            seen.places.get(e.name),
            e.model,
            e.device,
        )
        for e in which
    ]


def _reference(con: Connection, reference: str | None) -> Experiment | None:
    if reference is None:
        return None
    found = experiments(con, [reference])
    if len(found) > 1:
        names = ", ".join(e.name for e in found[:5])
        raise InputError(f"--reference {reference!r} fits {len(found)} experiments ({names} …); name one")
    return found[0]


@dataclass(slots=True)
class _Seen:
    """What the curves tell of each experiment besides: where to start reading, the last step and the hours trained."""

    places: dict[str, str]
    steps: dict[str, int] = field(default_factory=dict)
    hours: dict[str, float] = field(default_factory=dict)

    def reached(self, experiment: Experiment) -> tuple[int, float | None]:
        """The last step of its curves, without any that of its runs, and the hours where there is a clock."""
        name = experiment.name
        return self.steps.get(name, experiment.last_step or 0), self.hours.get(name)

    def note(self, curve: Curve) -> None:
        self.places[curve.experiment] = curve.at(-1)
        self.steps[curve.experiment] = max(int(curve.steps[-1]), self.steps.get(curve.experiment, 0))
        hours = float(np.max(curve.hours))
        if math.isfinite(hours):
            self.hours[curve.experiment] = max(hours, self.hours.get(curve.experiment, 0.0))


def _files(con: Connection, which: Sequence[Experiment]) -> dict[str, str]:
    """A file of each experiment: the one that says most of it."""
    keys = ", ".join(str(key) for e in which for key in e.run_keys)
    return dict(con.execute(_FILE.format(keys=keys)).fetchall())


_FILE = """
SELECT r.experiment, min_by(w.path, (-len(f.facts::VARCHAR), w.path))
FROM run_rows r JOIN run_facts f ON f.run_key = r.run_key JOIN source_rows w ON w.source_key = f.source_key
WHERE r.run_key IN ({keys}) GROUP BY r.experiment
"""
_LOGGED = """
SELECT r.experiment FROM run_rows r JOIN series_rows s ON s.run_key = r.run_key
WHERE s.device_index IS NULL AND s.phase = {phase} AND (s.metric = {name} OR s.raw_name = {name})
"""
_REPORTED = """
SELECT r.experiment FROM run_rows r JOIN measurement_rows m ON m.run_key = r.run_key
WHERE NOT m.hidden AND m.metric = {name} AND m.statistic = {statistic}
"""


def _fitting(con: Connection, recipe: Recipe, every: Sequence[Experiment]) -> list[Experiment]:
    """Experiments of the recipe's kind that have something of what the first criterion asks for."""
    first, found = recipe.criteria[0], set()
    sql = _REPORTED if first.reading == "reported" else _LOGGED
    for series in first.series:
        given = {"name": series, "phase": first.phase, "statistic": first.statistic}
        rows = con.execute(sql.format(**{k: literal(v) for k, v in given.items()})).fetchall()
        found |= {name for (name,) in rows}
    return [e for e in every if e.kind == recipe.kind and e.name in found]


def _findings(
    con: Connection,
    criterion: Criterion,
    which: Sequence[Experiment],
    other: Experiment | None,
    seen: _Seen,
) -> dict[str, Finding]:
    """What came of one criterion, by experiment; notes what was seen of each."""
    if criterion.reading == "reported":
        return {
            name: Finding(
                criterion.name,
                criterion.condition,
                found,
                _unit(criterion, of.get("unit")),
                of.get("definition"),
                of.get("precision"),
            )
            for name, (found, of) in reported(con, criterion, which, other).items()
        }
    against = next((curve for _, curve in _first_curves(con, criterion, [other])), None) if other else None
    found = {}
    for series, curve in _first_curves(con, criterion, which):
        seen.note(curve)
        definition = ", ".join(curve.definitions) or None
        found[curve.experiment] = Finding(
            criterion.name,
            criterion.condition,
            judge(criterion, curve, against),
            _unit(criterion, curve.unit),
            definition,
            curve.precision,
            series,
            curve.at(-1),
        )
    none = Finding(criterion.name, criterion.condition, judge(criterion, None, against))
    return {e.name: found.get(e.name, none) for e in which}


def _unit(criterion: Criterion, unit: str | None) -> str | None:
    """A comparison is a pure number."""
    return unit if criterion.compare == "value" else None


def _first_curves(con: Connection, criterion: Criterion, which: Sequence[Experiment]) -> Iterator[tuple[str, Curve]]:
    """Of each experiment the curve of the first of the criterion's series that it has, and that series."""
    left = {e.name: e for e in which}
    for series in criterion.series:
        for curve in curves(con, list(left.values()), series, criterion.phase, criterion.ranks):
            del left[curve.experiment]
            yield series, curve


# --------------------------------------------------------------------------- conditions


def _together(minimum: Minimum, steps: int, hours: float | None, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    condition = _minimum(minimum, steps, hours)
    return (condition, *(_held_back(f, condition) for f in findings)) if condition else tuple(findings)


def _minimum(minimum: Minimum, steps: int, hours: float | None) -> Finding | None:
    """Whether a run is long enough to be judged; None where nothing is asked."""
    asked: list[tuple[float, float, str, str]] = []
    if minimum.steps is not None:
        asked.append((steps, minimum.steps, "step", f"step {steps}"))
    if minimum.hours is not None:
        asked.append((hours or 0.0, minimum.hours, "hours", "no clock" if hours is None else f"{hours:.4g} hours"))
    if not asked:
        return None
    met = [has >= least for has, least, *_ in asked]
    enough = any(met) if minimum.either else all(met)
    reached = ", ".join(said for *_, said in asked)
    wanted = (" or " if minimum.either else " and ").join(
        f"{least:g} hours" if unit == "hours" else f"step {least}" for _, least, unit, _ in asked
    )
    return Finding(
        "minimum", f">= {wanted}", Found(PASS if enough else CANNOT_TELL, f"reached {reached}; needed: {wanted}")
    )


def _held_back(finding: Finding, condition: Finding) -> Finding:
    """A run that is too short for its judgement cannot fail by a number; one that ends without a number has."""
    found = finding.found
    if condition.found.result == PASS or found.number is None or found.result not in (PASS, FAIL):
        return finding
    reason = f"{found.reason}; too short to judge"
    return replace(finding, found=Found(CANNOT_TELL, reason, found.number, found.reference))


def _of_another_model(recipe: Recipe, case: Case) -> Case:
    """Whatever its numbers are, a run of another model neither passes nor fails."""
    wanted = " or ".join(recipe.models)
    reason = f"the run says model {case.model}; the recipe is for {wanted}"
    held = [
        replace(f, found=replace(f.found, result=CANNOT_TELL, reason=f"{f.found.reason}; of another model"))
        if f.found.result in (PASS, FAIL) and f.criterion not in _CONDITIONS
        else f
        for f in case.findings
    ]
    return replace(case, findings=(Finding("model", wanted, Found(CANNOT_TELL, reason)), *held))


def _with_repeats(recipe: Recipe, cases: Sequence[Case]) -> tuple[Case, ...]:
    """Too few experiments for a recipe that wants repeats: none of them passes."""
    least = recipe.minimum.repeats
    if least <= 1:
        return tuple(cases)
    count = sum(all(f.criterion != "model" for f in case.findings) for case in cases)
    found = Found(PASS if count >= least else CANNOT_TELL, f"{count} of {least} repeats")
    row = Finding("repeats", f">= {least}", found)
    return tuple(replace(c, findings=(row, *c.findings)) for c in cases)
