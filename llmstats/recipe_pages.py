"""Recipes in words, for people: what ``llmstats judge RECIPE --explain`` prints and ``docs/recipes.md`` lists."""

from __future__ import annotations

from llmstats.recipe_types import (
    BOUNDS,
    COMPARISONS,
    READINGS,
    SEARCHING,
    STEPWISE,
    Criterion,
    Parameter,
    Recipe,
    Window,
)


def page(recipe: Recipe) -> str:
    """A recipe as Markdown."""
    parts = [
        f"### `{recipe.name}`",
        f"{recipe.title}. Version {recipe.version}; {recipe.benchmark}.",
        recipe.text,
        *_models(recipe),
        f"Source: {recipe.source.document} ({recipe.source.date}).",
        "\n".join(f"- {line}" for line in [*_minimum(recipe), *map(_criterion, recipe.criteria)]),
    ]
    if recipe.parameters:
        parts.append(
            "\n".join(["| parameter | default | meaning |", "|---|---|---|", *map(_parameter, recipe.parameters)])
        )
    return "\n\n".join(parts)


def pages(recipes: tuple[Recipe, ...]) -> str:
    """All recipes as Markdown, one after the other."""
    return "\n\n".join(page(recipe) for recipe in recipes)


def _models(recipe: Recipe) -> list[str]:
    return [f"For: {', '.join(f'`{name}`' for name in recipe.models)}."] if recipe.models else []


def _parameter(parameter: Parameter) -> str:
    default = "must be given" if parameter.required else "–" if parameter.default is None else f"`{parameter.default}`"
    choice = f" ({', '.join(parameter.allowed)})" if parameter.allowed else ""
    return f"| `{parameter.name}` | {default} | {parameter.text}{choice} |"


def _minimum(recipe: Recipe) -> list[str]:
    minimum = recipe.minimum
    parts = [f"{minimum.steps} steps"] if minimum.steps is not None else []
    parts += [f"{minimum.hours:g} hours"] if minimum.hours is not None else []
    lines = [f"needs at least {(' or ' if minimum.either else ' and ').join(parts)}"] if parts else []
    return lines + ([f"needs {minimum.repeats} repeats"] if minimum.repeats > 1 else [])


def _criterion(criterion: Criterion) -> str:
    series = " or ".join(f"`{name}`" for name in criterion.series)
    phase = "" if criterion.phase == "train" else f" of phase {criterion.phase}"
    how = COMPARISONS[criterion.compare] if criterion.compare in STEPWISE else _reading(criterion)
    if criterion.compare in ("ratio", "relative_difference"):
        how += f"; {COMPARISONS[criterion.compare]}"
    given = " and ".join(f"`{name}`" for name in criterion.needs)
    may = "".join(f"; judged with `{name}`" for key, name in criterion.unset if key in BOUNDS)
    asked = (
        f"must be {criterion.condition}" if criterion.bound else f"judged with {given}" if given else f"measured{may}"
    )
    return f"**{criterion.name}** ({series}{phase}): {how}{_window(criterion.window)}{_case(criterion)}; {asked}"


def _reading(criterion: Criterion) -> str:
    text = READINGS[criterion.reading].replace("`points`", str(criterion.points))
    if criterion.reading == "reported":
        text = f"as the run reports it ({criterion.statistic}; of several values the worst)"
    if criterion.reading in SEARCHING and criterion.bound:
        text = text.replace("best", "lowest" if criterion.bound[0] in ("below", "at_most") else "highest")
    return text + (f" (at least {criterion.min_points} points)" if criterion.min_points > 1 else "")


def _window(window: Window) -> str:
    parts = [f"from step {window.from_step}"] if window.from_step is not None else []
    parts += [f"to step {window.to_step}"] if window.to_step is not None else []
    parts += [f"from hour {window.from_hours:g}"] if window.from_hours is not None else []
    parts += [f"to hour {window.to_hours:g}"] if window.to_hours is not None else []
    if window.drop_first or window.drop_last:
        parts.append(f"without the first {window.drop_first} and the last {window.drop_last} points")
    return f", {' '.join(parts)}" if parts else ""


def _case(criterion: Criterion) -> str:
    return "".join(f", {key} = {value}" for key, value in criterion.case)
