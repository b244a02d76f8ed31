"""Recipes: a benchmark's pass rule as data, read from TOML; no expression in them is ever evaluated.

The shipped ones are `schemas/recipes/*/NAME.toml`; a user's own file is read by its path.  A recipe looks so::

    name = "aichip/deepseek-v2-lite"
    version = "2025-04-08"                 # the day of the rule; a changed rule is a new file
    benchmark = "AIChipBenchmark"
    title = "DeepSeek-V2-Lite-Chat, full fine-tuning on Alpaca"
    text = "What the document asks, and how this recipe reads what the document leaves open."
    source = { document = "AIChipBenchmark, llm/Deepseek/README.md, training, section 4", date = "2025-04-08" }

    [parameters]
    threshold = { default = 0.0013, text = "the loss to get below" }

    [minimum]                              # fewer: cannot tell
    steps = 2000

    [[criteria]]                           # all must pass
    name = "loss"
    series = "loss"
    reading = "smoothed"
    points = 50
    below = "$threshold"                   # a value, or a parameter's

A criterion without a bound is measured and not judged.  `docs/recipes.md` describes every key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from llmstats.errors import NotFound, RecipeError
from llmstats.recipe_file import build, parse
from llmstats.recipe_types import Criterion, Minimum, Parameter, Recipe, Source, Window

__all__ = ["Criterion", "Minimum", "Parameter", "Recipe", "Source", "Window", "bind", "list_recipes", "load", "parse"]


def load(wanted: str) -> Recipe:
    """A recipe by its name (``NAME`` or ``NAME@VERSION``; the newest version) or by the path of a TOML file.

    The part of a name behind its last slash is enough where no other recipe ends so.

    Raises:
        NotFound: no such recipe, version or file.
        RecipeError: the file is no recipe; names the file, the key and what is allowed.
    """
    if wanted.endswith(".toml"):
        return _load_file(wanted)
    name, at, version = wanted.partition("@")
    names = sorted({r.name for r in list_recipes()})
    if name not in names and len(ending := [n for n in names if n.endswith(f"/{name}")]) == 1:
        name = ending[0]
    versions = [r for r in list_recipes() if r.name == name]
    if not versions:
        raise NotFound.among("recipe", name, names)
    if not at:
        return versions[-1]
    found = next((r for r in versions if r.version == version), None)
    if found is None:
        raise NotFound.among(f"version of {name}", version, [r.version for r in versions])
    return found


def _load_file(path: str) -> Recipe:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as why:
        raise RecipeError(f"{path}: not UTF-8: {why}") from why
    except OSError as why:
        raise NotFound(f"cannot read the recipe {path}: {why.strerror}") from why
    return parse(text, path)


@cache
def list_recipes() -> tuple[Recipe, ...]:
    """The shipped recipes, by name and version."""
    folder = resources.files("llmstats.schemas").joinpath("recipes")
    found = [parse(file.read_text(encoding="utf-8"), path) for path, file in _files(folder, "recipes")]
    return tuple(sorted(found, key=lambda r: (r.name, r.version)))


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{path}/{entry.name}")
        elif entry.name.endswith(".toml"):
            yield f"{path}/{entry.name}", entry


def bind(recipe: Recipe, given: Mapping[str, str]) -> Recipe:
    """The same recipe with values that a user gives to its parameters.

    Raises:
        NotFound: it declares no such parameter.
        RecipeError: the value is none of the parameter's type, or makes no sense where it is used.
    """
    known = {p.name: p for p in recipe.parameters}
    for name in given:
        if name not in known:
            raise NotFound.among(f"parameter of {recipe.name}", name, known)
    return build(recipe.raw, recipe.path, {name: known[name].read(text) for name, text in given.items()})
