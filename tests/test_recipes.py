"""Recipes as data: what the files say, and what is said of a file that is wrong."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from llmstats.errors import NotFound, RecipeError
from llmstats.recipe_pages import page
from llmstats.recipe_types import (
    BOUNDS,
    CASES,
    COMPARISONS,
    KINDS,
    PHASES,
    RANKS,
    READINGS,
    Criterion,
    Minimum,
    Parameter,
    Recipe,
    Window,
)
from llmstats.recipes import bind, list_recipes, load, parse

GOOD = """
name = "mine"
version = "2025-01-01"
benchmark = "house"
title = "a title"
text = "why"
source = { document = "a page", date = "2025-01-01" }

[parameters]
threshold = { default = 0.5, text = "the loss" }
baseline = { type = "number", required = true, text = "the reference's loss" }
least = { type = "number", text = "speed to reach" }

[minimum]
steps = 10

[[criteria]]
name = "loss"
series = ["loss", "lm loss"]
reading = "mean_of_last"
points = 5
below = "$threshold"

[[criteria]]
name = "as good"
series = "loss"
reading = "final"
compare = "ratio"
reference_value = "$baseline"
at_most = 1.0

[[criteria]]
name = "speed"
series = "tokens_per_second"
reading = "mean"
at_least = "$least"
window = { from_step = 3, drop_first = 1 }
"""


def test_every_shipped_recipe_reads_and_is_named_by_its_place() -> None:
    found = list_recipes()
    assert len(found) > 1
    for recipe in found:
        assert recipe.path.removeprefix("recipes/").removesuffix(".toml").startswith(recipe.name)
        assert recipe.text
        assert recipe.source.document
        assert load(recipe.name).name == recipe.name == load(recipe.name.rpartition("/")[2]).name
        assert load(f"{recipe.name}@{recipe.version}") == recipe


def test_the_deepseek_rule_is_what_its_document_says() -> None:
    recipe = load("aichip/deepseek-v2-lite")
    loss = recipe.criteria[0]
    assert (recipe.minimum.steps, loss.bound, loss.window.from_step) == (2000, ("below", 0.0013), 2000)
    assert loss.condition == "< 0.0013"


def test_parameters_are_filled_in_and_what_nobody_gave_is_left_out() -> None:
    recipe = parse(GOOD, "mine.toml")
    loss, good, speed = recipe.criteria
    assert loss.series == ("loss", "lm loss")
    assert loss.bound == ("below", 0.5)
    assert good.needs == ("baseline",)
    assert good.reference_value is None
    assert speed.bound is None
    assert speed.needs == ()
    assert (speed.window.from_step, speed.window.drop_first, speed.window.drop_last) == (3, 1, 0)
    given = bind(recipe, {"threshold": "0.25", "baseline": "2", "least": "1e3"})
    assert [c.bound for c in given.criteria] == [("below", 0.25), ("at_most", 1.0), ("at_least", 1000.0)]
    assert given.criteria[1].reference_value == 2
    assert given.criteria[1].needs == ()
    assert given.values == {"threshold": 0.25, "baseline": 2.0, "least": 1000.0}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "mine"', "", "mine.toml: name: a text is needed"),
        ('version = "2025-01-01"', 'version = "v1"', "version: a day as YYYY-MM-DD in quotes is needed, not 'v1'"),
        ("steps = 10", "step = 10", "minimum.step: no such key; did you mean 'steps'?"),
        ("steps = 10", "steps = -1", "minimum.steps: a whole number from 0 on is needed, not -1"),
        ('reading = "final"', 'reading = "last"', "criteria[2].reading: one of final, touch"),
        ("points = 5", "", "criteria[1].points: reading = 'mean_of_last' needs it"),
        ('below = "$threshold"', 'below = "$treshold"', "below: no parameter 'treshold'; did you mean 'threshold'?"),
        ('below = "$threshold"', "below = 1", "parameters.threshold: nothing uses it"),
        ('below = "$threshold"', "below = nan\nx = '$threshold'", "criteria[1].below: a finite number is needed"),
        ("at_most = 1.0", "at_most = 1.0\nbelow = 1.0", "criteria[2].at_most: there is below already"),
        ('name = "speed"', 'name = "loss"', "two are named 'loss'"),
        ("from_step = 3", 'from_step = "x"', "criteria[3].window.from_step: a whole number"),
        ('reading = "final"', 'reading = "reported"\npoints = 3', "points: has no effect with reading = 'reported'"),
        ('reading = "final"', 'reading = "final"\nstatistic = "p50"', "statistic: has no effect with"),
        ("from_step = 3", "from_step = 3, to_step = 2", "criteria[3].window.to_step: 2 comes before from_step 3"),
        ('reading = "mean"', 'reading = "touch"', "seeks the best stretch and needs a bound"),
        ('compare = "ratio"', 'compare = "mean_relative_error"', "compare = 'mean_relative_error' is a mean"),
        ('["loss", "lm loss"]', '["$threshold"]', "a parameter stands for the whole value, not in a list"),
        ("default = 0.5", 'default = 0.5, type = "text"', "parameters.threshold.default: 0.5: a text is needed"),
        ("default = 0.5, ", "", "parameters.threshold.type: one of number, whole, text is needed"),
        ("[[criteria]]", "[[criterion]]", "at least one [[criteria]] is needed"),
        ("steps = 10", 'hours = "$baseline"', "parameters.baseline: a required parameter may only stand in criteria"),
        ("[minimum]", "[minimum", "mine.toml: no TOML"),
        ("points = 5", "points = 0", "criteria[1].points: a whole number from 1 on is needed, not 0"),
        ("points = 5", "points = 5\nmin_points = 3", "[1].min_points: has no effect with reading = 'mean_of_last'"),
        ('reading = "mean"', 'reading = "mean"\npoints = 3', "criteria[3].points: has no effect with reading = 'mean'"),
        ('reading = "mean"', 'reading = "mean"\nmin_points = 0', "criteria[3].min_points: a whole number from 1 on"),
        ('reading = "mean"', 'reading = "mean"\npoints = "$least"', "criteria[3].points: has no effect with reading"),
        ('compare = "ratio"', "", "criteria[2].reference_value: has no effect with compare = 'value'"),
        (
            'reading = "final"\ncompare = "ratio"', 'reading = "mean"\ncompare = "difference_variance"',
            "criteria[2].reference_value: has no effect with compare = 'difference_variance'",
        ),
        ("from_step = 3", "from_hours = 3, to_hours = 2.5", "window.to_hours: 2.5 comes before from_hours 3.0"),
        ("steps = 10", "steps = 10\nrepeats = 0", "minimum.repeats: a whole number from 1 on is needed, not 0"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_where_and_what_is_allowed(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(RecipeError) as why:
        parse(GOOD.replace(old, new), "mine.toml")
    assert said in str(why.value)
    assert "mine.toml" in str(why.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"treshold": "1"}, "did you mean 'threshold'"),
        ({"threshold": "low"}, "a number is needed"),
        ({"threshold": "nan"}, "a number is needed"),
        ({"min_steps": "1.5"}, "a whole number is needed"),
        ({"reading": "best"}, "one of touch, sustained, smoothed, final"),
        ({"min_steps": "-3"}, "a whole number from 0 on is needed"),
    ],
)
def test_a_wrong_parameter_is_told(given: dict[str, str], said: str) -> None:
    with pytest.raises((RecipeError, NotFound)) as why:
        bind(load("aichip/deepseek-v2-lite"), given)
    assert said in str(why.value)


def test_a_key_of_some_readings_may_stand_beside_a_reading_that_is_chosen() -> None:
    recipe = load("aichip/deepseek-v2-lite")
    for reading in ("touch", "sustained", "smoothed", "final"):
        assert bind(recipe, {"reading": reading}).criteria[0].reading == reading


def test_a_recipe_of_ones_own_is_read_by_its_path(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert load(str(path)).name == "mine"
    with pytest.raises(NotFound, match="cannot read the recipe"):
        load(str(tmp_path / "none.toml"))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="not UTF-8"):
        load(str(path))


def test_what_is_not_there_is_told_with_what_is_near() -> None:
    with pytest.raises(NotFound, match="did you mean 'aichip/deepseek-v2-lite'"):
        load("deepseek-v2-light")
    with pytest.raises(NotFound, match="2025-04-08"):
        load("aichip/deepseek-v2-lite@1999-01-01")


def test_the_page_names_every_key_and_its_own_example_reads() -> None:
    text = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text(encoding="utf-8")
    example = parse(text.partition("```toml\n")[2].partition("```")[0], "recipes.md")
    assert [c.bound for c in example.criteria] == [("below", 1.25), None]
    keys = {field.name for kind in (Criterion, Window, Minimum, Recipe, Parameter) for field in fields(kind)}
    hidden = {"bound", "unset", "needs", "path", "raw", "given", "parameters", "minimum", "criteria"}
    for key in (keys - hidden) | {
        *READINGS,
        *COMPARISONS,
        *BOUNDS,
        *RANKS,
        *PHASES,
        *KINDS,
        *CASES,
        "document",
        "date",
    }:
        assert f"`{key}`" in text or f"`{key} = " in text, key


def test_a_recipe_in_words() -> None:
    text = page(load("aichip/qwen"))
    assert "**loss** (`loss` or `reduced_train_loss`): the last recorded value; |reading - reference's| over" in text
    assert "from step 999; must be <= 0.05" in text
    assert "| `step` | `999` | the last step |" in text
    assert "needs at least 251 steps or 72 hours" in page(load("aichip/internvl"))
    assert "| `max_loss` | must be given |" in page(load("aichip/bert"))
    assert "judged with `max_loss`" in page(load("aichip/bert"))
