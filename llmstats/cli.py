"""The command line: arguments → one library call → render.  Data on stdout, talk and progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

import llmstats
from llmstats.cli_ingest import ingest
from llmstats.cli_judge import judge
from llmstats.cli_output import db_option, emit, open_store, output_options, parameters_of, plain
from llmstats.cli_run import RunGroup
from llmstats.errors import InputError, LlmstatsError


class _Group(click.Group):
    """Shows a user's mistakes as one message and no traceback; unknown commands say what is near."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LlmstatsError as why:
            click.echo(f"llmstats: {plain(str(why))}", err=True)
            ctx.exit(why.exit_code)
        except KeyboardInterrupt:
            click.echo("llmstats: interrupted", err=True)
            ctx.exit(130)
        except BrokenPipeError:
            sys.stderr.close()  # the reader of our output left; nothing more to say
            ctx.exit(0)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as why:
            from llmstats.errors import NotFound

            raise NotFound.among("command", args[0], self.list_commands(ctx)) from why


# --------------------------------------------------------------------------- the group


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(llmstats.__version__, prog_name="llmstats")
def main() -> None:
    """Answers from LLM training logs, serving benchmarks and metric dumps.

    Point `llmstats ingest` at a directory, then ask: `llmstats query convergence`.
    """


main.add_command(ingest)
main.add_command(judge)


# --------------------------------------------------------------------------- questions


_HELP = ("--help", "-h")
_ANY_OPTIONS = {"ignore_unknown_options": True, "allow_interspersed_args": True}


@main.command(context_settings=_ANY_OPTIONS, add_help_option=False)
@click.argument("question", metavar="NAME|SQL", required=False)
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED, metavar="[--PARAMETER VALUE]…")
@click.option(
    "--queries",
    envvar="LLMSTATS_QUERIES",
    type=click.Path(file_okay=False),
    help="A directory of your own *.sql queries (or the environment variable LLMSTATS_QUERIES).",
)
@db_option
@output_options
def query(
    question: str | None, parameters: Sequence[str], queries: str | None, db: str, form: str | None, output: str | None
) -> None:
    """Answer a named query, or one read-only SQL statement.

    Without a name: the list of queries with their parameters. `llmstats query convergence --threshold 0.01`;
    `llmstats query convergence --help` explains one.
    """
    from llmstats.questions import needed

    if question is None:
        _list_queries(queries, form, output)
    elif question in _HELP:
        click.echo(click.get_current_context().get_help())
    elif any(p in _HELP for p in parameters):
        _explain(question, queries)
    else:
        given = parameters_of(parameters, needed(question, queries))
        emit(open_store(db, queries).query(question, **given), form, output)


def _list_queries(queries: str | None, form: str | None, output: str | None) -> None:
    from llmstats import questions

    known = [*questions.list_queries(), *questions.own(queries)]
    rows = [(q.name, q.title, " ".join(f"--{p.name} {p.default}" for p in q.parameters)) for q in known]
    _listing(("query", "answers", "parameters"), rows, form, output)


def _listing(columns: Sequence[str], rows: Sequence[tuple[str, ...]], form: str | None, output: str | None) -> None:
    """Names with what they are and, below, their parameters with defaults; other forms are tables as ever."""
    from llmstats.query import Answer

    if form not in (None, "table") or output:
        emit(Answer(columns, rows), form, output)
        return
    import shutil
    import textwrap

    margin = max(len(name) for name, *_ in rows) + 2
    width = max(60, min(shutil.get_terminal_size((110, 40)).columns, 140)) - margin
    for name, title, parameters in rows:
        lines = [*textwrap.wrap(title, width), *_flowed(parameters.split(" --"), " --", width)]
        click.echo(f"{name:<{margin}}" + f"\n{'':<{margin}}".join(lines))


def _flowed(words: Sequence[str], between: str, width: int) -> list[str]:
    """Words joined to lines that fit; none is broken."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1] + between + word) <= width:
            lines[-1] += between + word
        else:
            lines.append(between.strip() + word if lines else word)
    return [line for line in lines if line]


def _explain(name: str, queries: str | None) -> None:
    """A query's documentation as text: what it answers, what its columns are, its parameters."""
    from llmstats import questions

    question = questions.find(name, questions.needed(name, queries))
    click.echo("\n\n".join(part for part in (question.title, question.description) if part))
    for p in question.parameters:
        click.echo(f"\n--{p.name.replace('_', '-')} {p.type} (default {p.default})\n    {p.text}")


@main.command()
@db_option
@output_options
def runs(db: str, form: str | None, output: str | None) -> None:
    """List the runs: what ran where, for how long, and how far it came."""
    emit(open_store(db).query("runs"), form, output)


@main.command()
@db_option
@output_options
def sources(db: str, form: str | None, output: str | None) -> None:
    """List the files: format, why, lines matched and suspect, first examples of what did not parse."""
    emit(open_store(db).query("sources"), form, output)


@main.command()
@output_options
def formats(form: str | None, output: str | None) -> None:
    """List the formats that ingest recognises."""
    from llmstats.formats import parsers
    from llmstats.query import Answer

    emit(Answer(["format", "written by", "what it is"], [(p.name, p.writes, p.title) for p in parsers()]), form, output)


@main.command()
@click.option("--definitions", is_flag=True, help="The meanings between which one metric may vary, instead.")
@output_options
def metrics(definitions: bool, form: str | None, output: str | None) -> None:
    """List the canonical metrics with unit, direction and meaning (English and Chinese)."""
    from llmstats import catalog
    from llmstats.query import Answer

    if definitions:
        answer = Answer(["definition", "meaning", "含义"], [tuple(d) for d in catalog.definitions().values()])
    else:
        answer = Answer(["metric", "unit", "better", "meaning", "含义"], [tuple(m) for m in catalog.metrics().values()])
    emit(answer, form, output)


@main.command()
@output_options
def devices(form: str | None, output: str | None) -> None:
    """List the catalogued devices: dense peaks (FLOP/s, OP/s), memory (bytes), power (W), and where they are from."""
    from llmstats import catalog
    from llmstats.query import Answer

    columns = ("vendor", "model", *catalog.FIGURES, "parts", "aliases", "source", "note")
    emit(Answer(columns, catalog.table(catalog.devices(), columns)), form, output)


@main.command()
@output_options
def models(form: str | None, output: str | None) -> None:
    """List the catalogued models: parameters (all, active, nominal) and what their attention costs."""
    from llmstats import catalog
    from llmstats.query import Answer

    columns = tuple(catalog.models()[0])
    emit(Answer(columns, catalog.table(catalog.models(), columns)), form, output)


@main.command()
@click.argument("run")
@click.option("--metric", help="Canonical name of one metric.")
@click.option("--step", type=int, help="One step.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@db_option
@output_options
def show(
    run: str, metric: str | None, step: int | None, limit: int, db: str, form: str | None, output: str | None
) -> None:
    """Walk numbers of a RUN back to file and line, and print the line."""
    from llmstats.query import Answer

    found = open_store(db).show(run, metric, step, limit)
    rows = [
        (
            e.metric,
            e.statistic or e.phase,
            e.step,
            e.value,
            f"{e.path}:{e.line or ''}",
            e.text if e.problem is None else f"({e.problem})",
        )
        for e in found
    ]
    emit(Answer(["metric", "what", "step", "value", "place", "line"], rows), form, output)


@main.command()
@click.argument("paths", nargs=-1, metavar="[PATH…]")
@db_option
@output_options
def verify(paths: Sequence[str], db: str, form: str | None, output: str | None) -> None:
    """Read the sources again and compare with the store; exit code 1 if one differs."""
    from llmstats.query import Answer

    found = open_store(db).verify(*paths)
    emit(Answer(["verdict", "source", "detail"], [(f.verdict, f.path, f.detail) for f in found]), form, output)
    if not all(f.good for f in found):
        click.get_current_context().exit(1)


@main.command()
@click.argument("path_or_run", metavar="PATH|RUN")
@db_option
def forget(path_or_run: str, db: str) -> None:
    """Remove a file (or all files below a directory) or a run from the store; files on disk stay."""
    gone = open_store(db).forget(path_or_run)
    click.echo(f"forgot {len(gone.sources):,} sources and {len(gone.runs):,} runs", err=True)


@main.command(context_settings=_ANY_OPTIONS)
@click.argument("name", required=False)
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED, metavar="[--PARAMETER VALUE]…")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="FILE.png, .svg or .pdf")
@db_option
def plot(name: str | None, parameters: Sequence[str], output: str | None, db: str) -> None:
    """Draw a picture; without a name: the list of pictures with their parameters."""
    if name is None:
        _list_pictures()
        return
    if output is None:
        raise InputError(f"say where to draw it: llmstats plot {name} -o FILE.png (or .svg, .pdf)")
    open_store(db).plot(name, output, **parameters_of(parameters))
    click.echo(f"wrote {output}", err=True)


def _list_pictures() -> None:
    from llmstats.plots import parameters_of_picture, pictures

    rows = [
        (name, picture.title, " ".join(f"--{k} {v}" for k, v in parameters_of_picture(picture).items()))
        for name, picture in pictures().items()
    ]
    _listing(("picture", "shows", "parameters"), rows, None, None)


# --------------------------------------------------------------------------- runners


@main.group(cls=RunGroup)
def run() -> None:
    """Launch or perform a workload; its logs are written below work_dirs/NAME/TIME/."""
