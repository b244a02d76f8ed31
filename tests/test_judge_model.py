"""A recipe is for some models: which runs that leaves out, and what is said of one that is named all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import llmstats as ls
from llmstats.cli import main
from llmstats.errors import InputError, RecipeError
from llmstats.recipe_pages import page
from llmstats.recipes import list_recipes, load, parse
from llmstats.records import Run
from llmstats.store import Store

from .store_deltas import Source, fresh_store, points

RECIPE = """
name = "mine"
version = "2025-01-01"
benchmark = "house"
title = "a title"
text = "why"
source = { document = "a page", date = "2025-01-01" }
models = MODELS

[[criteria]]
name = "loss"
series = "loss"
reading = "final"
below = 0.5
"""
REASON = "the run says model {}; the recipe is for Llama-2-70B"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.duckdb"


@pytest.fixture
def store(path: Path) -> Store:
    return fresh_store(path)


def add(store: Store, name: str, model: str | None, last: float = 0.1) -> None:
    run = Run(name, f"/w/{name}", kind="training", model=model)
    store.commit([Source(f"/w/{name}.log").replace(run, points(name, [1, 2], {"loss": [0.9, last]}))])


def own(tmp_path: Path, models: str = '["Llama-2-70B"]') -> str:
    file = tmp_path / "mine.toml"
    file.write_text(RECIPE.replace("MODELS", models), encoding="utf-8")
    return str(file)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def judged(path: Path, recipe: str, **more: bool) -> dict[str, str]:
    return {c.experiment: c.verdict for c in ls.open(str(path)).judge(recipe, **more).cases}


@pytest.mark.parametrize(
    ("models", "said", "fits"),
    [
        ('["Llama-2-70B"]', "Llama-2-70B", True),
        ('"Llama-2-70B"', "LLAMA_2 70b", True),
        ('["Llama-2-70B"]', "llama2_70B", True),  # an alias of the catalogue
        ('["Llama-2-70B"]', "/models/meta-llama/Llama-2-70b-chat-hf/", True),
        ('["llama-v2-70b"]', "Llama-2-70B", True),  # the recipe names it by an alias
        ('["Llama-2-7B", "Llama-2-70B"]', "llama2_7b", True),
        ('["Llama-2-70B"]', "llama2_7b", False),
        ('["Llama-2-70B"]', "chatglm2-6b", False),
        ('["Llama-2-70B"]', "house-model-9", False),  # not catalogued
        ('["House-Model-9"]', "/w/house_model_9", True),
        ('["Llama-2-*"]', "llama2_70B", True),
        ('["Llama-2-*"]', "Llama-3-70B", False),
        ('["*housemodel*"]', "x/MyHouseModel-4B", True),
        ('["BERT*"]', "bert", True),  # the catalogue has two of that name
        ('["BERT-Large"]', "bert", True),
        ('["BERT*"]', "distilbert", False),
        ('["Mixtral-8x7B"]', "mixtral", None),  # says less, and no other model
        ('["DeepSeek-V2-Lite"]', "DeepSeek-V2", False),  # says less, and is another model
    ],
)
def test_what_a_run_says_against_what_a_recipe_is_for(store, path, tmp_path, models, said, fits):
    add(store, "a", said)
    add(store, "unsaid", None)
    judgement = ls.open(str(path)).judge(own(tmp_path, models))
    assert [c.experiment for c in judgement.cases] == (["unsaid"] if fits is False else ["a", "unsaid"])
    assert judgement.left_out == (fits is False)
    assert judgement.unstated == 1 + (fits is None)
    named = ls.open(str(path)).judge(own(tmp_path, models), "a")
    assert named.verdict == ("cannot tell" if fits is False else "pass")


def test_others_are_left_out_and_counted_where_no_run_is_named(store, path, tmp_path):
    add(store, "it", "llama2_70B")
    add(store, "unsaid", None, 0.9)
    for name in ("other", "another"):
        add(store, name, "chatglm2-6b")
    recipe = own(tmp_path)
    assert judged(path, recipe) == {"it": "pass", "unsaid": "fail"}
    assert judged(path, recipe, any_model=True) == {"it": "pass", "unsaid": "fail", "other": "pass", "another": "pass"}
    told = run("judge", recipe, "--db", str(path), "--format", "json")
    assert told.exit_code == 1
    assert "judged all 2 experiments" in told.stderr
    assert "1 of them do not state their model" in told.stderr
    assert "left out 2 experiments of other models" in told.stderr
    assert {row["experiment"]: row["model"] for row in json.loads(told.stdout)} == {"it": "llama2_70B", "unsaid": None}
    every = run("judge", recipe, "--any-model", "--db", str(path))
    assert "judged all 4 experiments" in every.stderr
    assert "left out" not in every.stderr


@pytest.mark.parametrize("last", [0.1, 0.9, float("nan")])
def test_one_that_is_named_neither_passes_nor_fails(store, path, tmp_path, last):
    add(store, "other", "chatglm2-6b", last)
    recipe = own(tmp_path)
    named = run("judge", recipe, "other", "--db", str(path), "--format", "json", "--junit", str(tmp_path / "j.xml"))
    assert named.exit_code == 3
    model, loss = json.loads(named.stdout)
    assert (model["criterion"], model["result"], model["asked"]) == ("model", "cannot tell", "Llama-2-70B")
    assert model["reason"] == REASON.format("chatglm2-6b")
    assert loss["result"] == "cannot tell"
    assert loss["reason"].endswith("; of another model")
    assert model["source"] == "/w/other.log:102"
    assert REASON.format("chatglm2-6b") in (tmp_path / "j.xml").read_text()
    all_the_same = run("judge", recipe, "other", "--any-model", "--db", str(path))
    assert all_the_same.exit_code == (0 if last == 0.1 else 1)


def test_where_all_are_others_there_is_nothing_to_judge(store, path, tmp_path):
    add(store, "other", "chatglm2-6b")
    with pytest.raises(InputError, match=r"is for Llama-2-70B; all 1 experiments .* \(chatglm2-6b\); --any-model"):
        ls.open(str(path)).judge(own(tmp_path))


def test_others_are_no_repeats(store, path, tmp_path):
    add(store, "it", "llama2_70B")
    add(store, "other", "chatglm2-6b")
    recipe = own(tmp_path)
    file = Path(recipe)
    file.write_text(file.read_text().replace("[[criteria]]", "[minimum]\nrepeats = 2\n[[criteria]]"))
    db = ls.open(str(path))
    assert [c.verdict for c in db.judge(recipe, "*").cases] == ["cannot tell", "cannot tell"]
    assert [c.verdict for c in db.judge(recipe, "*", any_model=True).cases] == ["pass", "pass"]


def test_a_recipe_without_models_is_for_any(store, path, tmp_path):
    add(store, "other", "chatglm2-6b")
    recipe = own(tmp_path)
    Path(recipe).write_text(Path(recipe).read_text().replace('models = ["Llama-2-70B"]\n', ""))
    judgement = ls.open(str(path)).judge(recipe)
    assert (judgement.verdict, judgement.unstated, judgement.left_out) == ("pass", 0, 0)


@pytest.mark.parametrize("models", ["[]", "3", '[""]', '["$x"]'])
def test_models_that_are_none_are_told(models):
    with pytest.raises(RecipeError, match=r"mine\.toml: models: "):
        parse(RECIPE.replace("MODELS", models), "mine.toml")


def test_shipped_recipes_name_their_models():
    without = [r.name for r in list_recipes() if not r.models]
    assert without == ["flagperf/loss-alignment"]  # its reference is a run of the same case, whichever that is
    assert "For: `Llama-2-70B`." in page(load("llama2-70b"))


def test_an_option_is_no_parameter(store, path, tmp_path):
    add(store, "it", "llama2_70B")
    for name in ("reference", "any_model"):
        told = run("judge", own(tmp_path), "--param", f"{name}=1", "--db", str(path))
        assert told.exit_code == 2
        assert f"--param {name}: no parameter of a recipe" in told.stderr
