"""Reading a recipe's TOML; every message names the file, the key and what is allowed."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, NoReturn

from llmstats.errors import RecipeError
from llmstats.recipe_types import (
    AVERAGING,
    BOUNDS,
    CASES,
    COMPARISONS,
    COUNTING,
    KINDS,
    PHASES,
    RANKS,
    READINGS,
    RELATING,
    SEARCHING,
    STEPWISE,
    Criterion,
    Minimum,
    Parameter,
    Recipe,
    Source,
    Value,
    Window,
)


def parse(text: str, path: str) -> Recipe:
    """A recipe from TOML; ``path`` is for messages.

    Raises:
        RecipeError: it is none.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as why:
        raise RecipeError(f"{path}: no TOML: {why}") from why
    return build(raw, path, {})


def build(raw: Mapping[str, Any], path: str, given: Mapping[str, Value]) -> Recipe:
    top = _Table(raw, path, "")
    parameters = tuple(_parameter(t) for t in top.tables_by_name("parameters"))
    values = {p.name: given.get(p.name, p.default) for p in parameters}
    required = {p.name for p in parameters if p.required}
    filled = _Table(_fill({k: v for k, v in raw.items() if k != "parameters"}, values, path), path, "")
    recipe = Recipe(
        name=filled.text("name"),
        version=filled.day("version"),
        benchmark=filled.text("benchmark"),
        kind=filled.choice("kind", KINDS, "training"),
        title=filled.text("title"),
        text=filled.text("text").strip(),
        source=_source(filled.table("source")),
        parameters=parameters,
        minimum=_minimum(filled.table("minimum", needed=False)),
        criteria=tuple(
            _criterion(t, required, written)
            for t, written in zip(filled.tables("criteria"), raw["criteria"], strict=True)
        ),
        path=path,
        raw=raw,
        given=given,
        models=filled.texts("models", needed=False),
    )
    for _, name in filled.take(_UNSET) or ():
        if name in required:
            filled.wrong(f"parameters.{name}", "a required parameter may only stand in criteria")
    filled.done()
    _check(recipe, _uses(raw))
    return recipe


def _check(recipe: Recipe, used: set[str]) -> None:
    names = [c.name for c in recipe.criteria]
    if twice := {n for n in names if names.count(n) > 1}:
        raise RecipeError(f"{recipe.path}: criteria: two are named {min(twice)!r}; each needs a name of its own")
    if unused := {p.name for p in recipe.parameters} - used:
        name = min(unused)
        raise RecipeError(f'{recipe.path}: parameters.{name}: nothing uses it; write "${name}" where it belongs')


def _uses(node: Any) -> set[str]:
    """Names of the parameters that stand as ``$NAME`` somewhere below a node."""
    if isinstance(node, Mapping):
        return set().union(*(_uses(v) for k, v in node.items() if k != "parameters"))
    if isinstance(node, list):
        return set().union(*(_uses(v) for v in node if isinstance(v, Mapping)))
    return {node[1:]} if isinstance(node, str) and node.startswith("$") else set()


def _fill(node: Mapping[str, Any], values: Mapping[str, Value | None], path: str) -> dict[str, Any]:
    """Every ``$NAME`` replaced; a key whose parameter has no value goes, and is noted under `_UNSET`."""
    filled: dict[str, Any] = {}
    unset: list[tuple[str, str]] = []
    for key, value in node.items():
        if isinstance(value, Mapping):
            filled[key] = _fill(value, values, path)
            unset += filled[key].pop(_UNSET, [])
        elif isinstance(value, list):
            filled[key] = [_fill(v, values, path) if isinstance(v, Mapping) else v for v in value]
        elif not (isinstance(value, str) and value.startswith("$")):
            filled[key] = value
        elif value[1:] not in values:
            raise RecipeError(f"{path}: {key}: no parameter {value[1:]!r}{_near(value[1:], values)}")
        elif (known := values[value[1:]]) is not None:
            filled[key] = known
        else:
            unset.append((key, value[1:]))
    return {**filled, _UNSET: unset} if unset else filled


_UNSET = "\0unset"


def _parameter(table: _Table) -> Parameter:
    name = table.where.rpartition(".")[2]
    allowed = table.texts("allowed", needed=False)
    default = table.take("default")
    wanted = table.choice("type", ("number", "whole", "text"), _type_of(default))
    required = table.truth("required")
    text = table.text("text")
    if allowed and wanted != "text":
        table.wrong("allowed", "is for parameters of type text")
    if default is not None and (required or not _fits(default, wanted)):
        table.wrong("default", f"{default!r}: a {wanted} is needed, and none where it is required")
    if default is not None and allowed and default not in allowed:
        table.wrong("default", f"{default!r}: one of {', '.join(allowed)}")
    table.done()
    return Parameter(name, wanted, text, default, allowed, required)


def _type_of(default: Any) -> str | None:
    """The type that a default shows; None where there is no default, so that the file must say it."""
    if default is None:
        return None
    return "text" if isinstance(default, str) else "whole" if isinstance(default, int) else "number"


def _fits(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, str if wanted == "text" else int if wanted == "whole" else int | float)


def _source(table: _Table) -> Source:
    source = Source(table.text("document"), table.day("date"))
    table.done()
    return source


def _minimum(table: _Table) -> Minimum:
    minimum = Minimum(
        steps=table.whole("steps", None),
        hours=table.number("hours"),
        either=table.truth("either"),
        repeats=table.whole("repeats", 1, least=1) or 1,
    )
    table.done()
    return minimum


def _window(table: _Table) -> Window:
    window = Window(
        from_step=table.whole("from_step", None),
        to_step=table.whole("to_step", None),
        from_hours=table.number("from_hours"),
        to_hours=table.number("to_hours"),
        drop_first=table.whole("drop_first", 0) or 0,
        drop_last=table.whole("drop_last", 0) or 0,
    )
    for unit in ("step", "hours"):
        begin, end = getattr(window, f"from_{unit}"), getattr(window, f"to_{unit}")
        if begin is not None and end is not None and begin > end:
            table.wrong(f"to_{unit}", f"{end} comes before from_{unit} {begin}")
    table.done()
    return window


def _case(table: _Table) -> tuple[tuple[str, float | str], ...]:
    found = []
    for key in CASES:
        value = table.text(key, "") if key == "subject" else table.number(key)
        if value not in (None, ""):
            found.append((key, value))
    table.done()
    return tuple(found)


def _criterion(table: _Table, required: set[str], written: Mapping[str, Any]) -> Criterion:
    reading = table.choice("reading", READINGS, None)
    compare = table.choice("compare", COMPARISONS, "value")
    bounds = [(kind, value) for kind in BOUNDS if (value := table.number(kind)) is not None]
    if len(bounds) > 1:
        table.wrong(bounds[1][0], f"there is {bounds[0][0]} already; a criterion has one bound")
    unset = tuple(table.take(_UNSET) or ())
    if reading in COUNTING and "points" not in table.values and not unset:
        table.wrong("points", f"reading = {reading!r} needs it: how many logged points")
    criterion = Criterion(
        name=table.text("name"),
        series=table.texts("series"),
        reading=reading,
        text=table.text("text", ""),
        phase=table.choice("phase", PHASES, "train"),
        ranks=table.choice("ranks", RANKS, "lead"),
        points=table.whole("points", 1, least=1) or 1,
        min_points=table.whole("min_points", 1, least=1) or 1,
        compare=compare,
        reference_value=table.number("reference_value"),
        bound=bounds[0] if bounds else None,
        window=_window(table.table("window", needed=False)),
        statistic=table.text("statistic", "value"),
        case=_case(table.table("case", needed=False)),
        unset=unset,
        needs=tuple(name for _, name in unset if name in required),
    )
    table.done()
    _check_reading(criterion, table)
    _check_effect(criterion, table, written)
    return criterion


def _check_reading(criterion: Criterion, table: _Table) -> None:
    """What a reading needs."""
    reading = criterion.reading
    if reading in SEARCHING and criterion.bound is None and not criterion.needs:
        table.wrong("reading", f"{reading!r} seeks the best stretch and needs a bound: {', '.join(BOUNDS)}")
    if criterion.compare in STEPWISE and reading != "mean":
        table.wrong("reading", f"compare = {criterion.compare!r} is a mean over steps: write reading = 'mean'")


def _check_effect(criterion: Criterion, table: _Table, written: Mapping[str, Any]) -> None:
    """Refuses a key without effect; where a parameter names the reading or the comparison, it may have one."""
    for key, by in _idle(criterion):
        if key in written and not str(written.get(by)).startswith("$"):
            table.wrong(key, f"has no effect with {by} = {getattr(criterion, by)!r}")


def _idle(criterion: Criterion) -> Iterator[tuple[str, str]]:
    """Keys that have no effect, each with the key whose value makes it so."""
    reading, compare = criterion.reading, criterion.compare
    for key in ("window", "ranks", "phase") if reading == "reported" else ("statistic", "case"):
        yield key, "reading"
    if reading not in COUNTING:
        yield "points", "reading"
    if reading not in AVERAGING:
        yield "min_points", "reading"
    if compare not in RELATING:
        yield "reference_value", "compare"


class _Table:
    """A TOML table that is read key by key; `done` refuses what nobody asked for."""

    def __init__(self, values: Mapping[str, Any], path: str, where: str) -> None:
        self.values = values
        self.path = path
        self.where = where
        self._asked: set[str] = set()

    def take(self, key: str) -> Any:
        self._asked.add(key)
        return self.values.get(key)

    def wrong(self, key: str, what: str) -> NoReturn:
        place = ".".join(part for part in (self.where, key) if part)
        raise RecipeError(f"{self.path}: {place}: {what}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.take(key)
        value = default if value is None else value
        if not isinstance(value, str) or (not value.strip() and default is None):
            self.wrong(key, f"a text is needed{'' if value is None else f', not {value!r}'}")
        return value

    def texts(self, key: str, *, needed: bool = True) -> tuple[str, ...]:
        """One text or a list of them."""
        value = self.take(key)
        found = [value] if isinstance(value, str) else value
        if found is None and not needed:
            return ()
        if not isinstance(found, list) or not found or not all(isinstance(t, str) and t for t in found):
            self.wrong(key, f"a text or a list of texts is needed{'' if value is None else f', not {value!r}'}")
        if held := [t for t in found if t.startswith("$")]:
            self.wrong(key, f"a parameter stands for the whole value, not in a list: {held[0]}")
        return tuple(found)

    def number(self, key: str) -> float | None:
        value = self.take(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            self.wrong(key, f"a number is needed, not {value!r}")
        if value is not None and not math.isfinite(value):
            self.wrong(key, f"a finite number is needed, not {value}")
        return None if value is None else float(value)

    def whole(self, key: str, default: int | None, *, least: int = 0) -> int | None:
        value = self.take(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            self.wrong(key, f"a whole number from {least} on is needed, not {value!r}")
        return default if value is None else value

    def truth(self, key: str) -> bool:
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            self.wrong(key, f"true or false is needed, not {value!r}")
        return bool(value)

    def day(self, key: str) -> str:
        value = self.text(key)
        try:
            date.fromisoformat(value)
        except ValueError:
            self.wrong(key, f"a day as YYYY-MM-DD in quotes is needed, not {value!r}")
        return value

    def choice(self, key: str, allowed: Iterable[str], default: str | None) -> str:
        value = self.take(key)
        value = default if value is None else value
        if value not in set(allowed):
            said = "is needed" if value is None else f"is needed, not {value!r}"
            self.wrong(key, f"one of {', '.join(allowed)} {said}")
        return str(value)

    def table(self, key: str, *, needed: bool = True) -> _Table:
        value = self.take(key)
        if value is None and needed:
            self.wrong(key, "this table is needed")
        if value is not None and not isinstance(value, Mapping):
            self.wrong(key, f"a table is needed, not {value!r}")
        return _Table(value or {}, self.path, ".".join(part for part in (self.where, key) if part))

    def tables(self, key: str) -> list[_Table]:
        """Tables of a list, at least one."""
        value = self.take(key)
        if not isinstance(value, list) or not value or not all(isinstance(v, Mapping) for v in value):
            self.wrong(key, f"at least one [[{key}]] is needed")
        return [_Table(v, self.path, f"{key}[{i}]") for i, v in enumerate(value, 1)]

    def tables_by_name(self, key: str) -> list[_Table]:
        """Tables of a table of tables, none where it is absent."""
        table = self.table(key, needed=False)
        return [table.table(name) for name in table.values]

    def done(self) -> None:
        for key in self.values:
            if key not in self._asked:
                known = sorted(k for k in self._asked if k.isidentifier())
                self.wrong(key, f"no such key{_near(key, known)}; there are: {', '.join(known)}")


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
