"""``llmstats judge``: recipes held against runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from llmstats.cli_output import db_option, emit, open_store, output_options, pairs, target
from llmstats.errors import InputError

if TYPE_CHECKING:
    from llmstats.judge import Judgement


@click.command()
@click.argument("recipe", required=False)
@click.argument("runs", nargs=-1, metavar="[RUN…]")
@click.option("--reference", metavar="RUN", help="The run to compare with, where the recipe compares.")
@click.option("--param", "parameters", multiple=True, metavar="KEY=VALUE", help="Set a parameter of the recipe.")
@click.option("--any-model", is_flag=True, help="Judge runs that say another model than the recipe is for, too.")
@click.option("--junit", type=click.Path(dir_okay=False), metavar="FILE", help="Write JUnit XML, too.")
@click.option(
    "--plot", "picture", type=click.Path(dir_okay=False), metavar="FILE", help="Draw the curves with the bound, too."
)
@click.option("--explain", is_flag=True, help="Print the recipe's rule, source and parameters instead.")
@db_option
@output_options
def judge(
    recipe: str | None,
    runs: Sequence[str],
    reference: str | None,
    parameters: Sequence[str],
    any_model: bool,
    junit: str | None,
    picture: str | None,
    explain: bool,
    db: str,
    form: str | None,
    output: str | None,
) -> None:
    """Judge runs by a RECIPE: pass, fail or cannot tell, with the numbers used and their lines.

    RECIPE is a name (without one: the list), NAME@VERSION, or the path of a .toml file. RUN is an experiment or a
    run, or a pattern with * of them; without one: all that logged what the recipe asks for and say no other model
    than it is for.

    Exit code: 0 pass, 1 fail, 3 cannot tell; of several runs fail counts before cannot tell before pass. 2 is a mistake
    in what was asked.
    """
    if recipe is None:
        _list(form, output)
    elif explain:
        _explain(recipe)
    else:
        store = open_store(db)
        judgement = store.judge(recipe, *runs, reference=reference, any_model=any_model, **_parameters(parameters))
        emit(judgement.answer(), form, output)
        if not runs:
            click.echo(_chosen(judgement), err=True)
        if junit:
            with target("xml", junit) as file:
                file.write(judgement.junit())
        if picture:
            name, given = judgement.picture()
            store.plot(name, picture, **given)
        click.get_current_context().exit(judgement.exit_code)


def _parameters(given: Sequence[str]) -> dict[str, str]:
    """What ``--param`` sets; options of the command are no parameters of a recipe."""
    found = pairs(given, "--param")
    for name in ("self", "recipe", "reference", "any_model"):
        if name in found:
            raise InputError(f"--param {name}: no parameter of a recipe; llmstats judge --help names the options")
    return found


def _chosen(judgement: Judgement) -> str:
    """Which experiments were judged, where none was named."""
    parts = [f"judged all {len(judgement.cases):,} experiments that logged what it asks for"]
    if judgement.unstated:
        parts.append(f"{judgement.unstated:,} of them do not state their model")
    if judgement.left_out:
        parts.append(f"left out {judgement.left_out:,} experiments of other models (--any-model judges them)")
    return "; ".join([*parts, "name a RUN to choose"])


def _list(form: str | None, output: str | None) -> None:
    from llmstats.query import Answer
    from llmstats.recipes import list_recipes

    rows = [
        (
            r.name,
            r.version,
            r.title,
            " ".join(f"{p.name}={'' if p.default is None else p.default}" for p in r.parameters),
        )
        for r in list_recipes()
    ]
    emit(Answer(["recipe", "version", "what it judges", "parameters (with their defaults)"], rows), form, output)


def _explain(name: str) -> None:
    from llmstats.recipe_pages import page
    from llmstats.recipes import load

    click.echo(page(load(name)))
