"""The command line: arguments → one library call → render.  Data on stdout, talk and progress on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

import llmstats
from llmstats.cli_run import RunGroup
from llmstats.errors import InputError, LlmstatsError

if TYPE_CHECKING:
    from llmstats.database import Database
    from llmstats.ingest import Progress, Report
    from llmstats.query import Answer

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_DB = "llmstats.duckdb"
FORMATS = ("table", "json", "csv", "markdown", "parquet")


class _Group(click.Group):
    """Shows a user's mistakes as one message and no traceback; unknown commands say what is near."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LlmstatsError as why:
            click.echo(f"llmstats: {_plain(str(why))}", err=True)
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


def _plain(text: str) -> str:
    """Text that cannot steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


# --------------------------------------------------------------------------- shared options


def _db_option(command: F) -> F:
    return click.option(
        "--db",
        envvar="LLMSTATS_DB",
        default=DEFAULT_DB,
        show_default=True,
        type=click.Path(dir_okay=False),
        help="The DuckDB file (or the environment variable LLMSTATS_DB).",
    )(command)


def _output_options(command: F) -> F:
    """What every listing speaks: ``--format`` and ``-o``."""
    command = click.option(
        "-o", "--output", type=click.Path(dir_okay=False), help="Write to a file instead of standard output."
    )(command)
    return click.option(
        "--format", "form", type=click.Choice(FORMATS), help="Default: table, or by the file's suffix."
    )(command)


def _open(db: str) -> Database:
    return llmstats.open(db)


_SUFFIXES = {".json": "json", ".csv": "csv", ".md": "markdown", ".parquet": "parquet"}


def _emit(answer: Answer, form: str | None, output: str | None) -> None:
    from llmstats.render import render

    if form is None:
        form = _SUFFIXES.get(os.path.splitext(output)[1].lower(), "table") if output else "table"
    with _target(form, output) as file:
        render(answer, form, file)


@contextmanager
def _target(form: str, output: str | None) -> Iterator[Any]:
    binary = form == "parquet"
    if output is None:
        if binary and sys.stdout.isatty():
            raise InputError("parquet is binary: give a file with -o FILE")
        yield sys.stdout.buffer if binary else sys.stdout
        return
    try:
        with open(output, "wb" if binary else "w", **({} if binary else {"encoding": "utf-8", "newline": ""})) as file:  # type: ignore[call-overload]
            yield file
    except OSError as why:
        raise InputError(f"cannot write {output}: {why.strerror}") from why


# --------------------------------------------------------------------------- the group


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(llmstats.__version__, prog_name="llmstats")
def main() -> None:
    """Answers from LLM training logs, serving benchmarks and metric dumps.

    Point `llmstats ingest` at a directory, then ask: `llmstats query convergence`.
    """


# --------------------------------------------------------------------------- ingest


@main.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@_db_option
@click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Say what the logs do not, e.g. device=A100."
)
@click.option(
    "--strict", is_flag=True, help="Exit with 1 if a file failed or a line that looks like data did not parse."
)
@click.option("--documents", is_flag=True, help="Read logs that Markdown and reStructuredText quote, too.")
@click.option(
    "--as", "fallback", metavar="FORMAT", help="Read files that no format recognises as this one, e.g. generic_steps."
)
@click.option("--jobs", type=click.IntRange(1, 256), help="Worker processes. Default: all cores.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def ingest(
    paths: Sequence[str],
    db: str,
    labels: Sequence[str],
    strict: bool,
    documents: bool,
    fallback: str | None,
    jobs: int | None,
    form: str,
) -> None:
    """Read logs and results into the store.

    PATH is a file, a directory, an archive (.zip .tar .tar.gz …), a compressed file, a glob, or - for standard input.
    Unchanged files are skipped; of a file that grew only the new lines are read.
    """
    with _bar() as on_progress:
        report = _open(db).ingest(
            *paths,
            labels=_pairs(labels, "--label"),
            workers=jobs,
            documents=documents,
            fallback=fallback,
            on_progress=on_progress,
        )
    if form == "json":
        click.echo(_report_json(report))
    else:
        _say(report)
    if report.interrupted:
        raise KeyboardInterrupt
    if strict and report.failed:
        click.get_current_context().exit(1)


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"{option} {text!r}: write it as KEY=VALUE")
        pairs[key.strip()] = value.strip()
    return pairs


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None] | None]:
    """A progress bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import (
        Progress as Bar,
    )

    columns = (
        TextColumn("{task.fields[files]}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("ingest", total=None, files="")

        def show(now: Progress) -> None:
            files = f"{now.files:,}/{now.files_total:,} files"
            bar.update(task, total=now.bytes_total or None, completed=now.bytes, files=files)

        yield show


def _report_json(report: Report) -> str:
    import json

    return json.dumps(
        {
            "db": report.db,
            "files": report.files,
            "unchanged": report.unchanged,
            "statuses": dict(sorted(report.statuses.items())),
            "formats": dict(sorted(report.formats.items())),
            "lines_matched": report.lines_matched,
            "lines_suspect": report.lines_suspect,
            "runs": list(report.runs),
            "points": report.points,
            "measurements": report.measurements,
            "bytes_read": report.bytes_read,
            "seconds": round(report.seconds, 3),
            "interrupted": report.interrupted,
            "new_keys": [{"format": f, "name": n, "values": v} for (f, n), v in sorted(report.new_keys.items())],
            "problems": [{"path": p, "status": s, "reason": r} for p, s, r in report.problems],
        },
        indent=2,
        ensure_ascii=False,
    )


def _say(report: Report) -> None:
    statuses = ", ".join(f"{n:,} {status}" for status, n in sorted(report.statuses.items()))
    parts = [p for p in (statuses, f"{report.unchanged:,} unchanged" if report.unchanged else "") if p]
    click.echo(f"{report.files:,} files: {'; '.join(parts) or 'nothing to read'}", err=True)
    if report.formats:
        click.echo("formats: " + ", ".join(f"{name} {n:,}" for name, n in sorted(report.formats.items())), err=True)
    if report.runs:
        click.echo(
            f"{len(report.runs):,} runs touched, {report.points:,} points and {report.measurements:,} measurements"
            f" added in {report.seconds:.1f} s -> {report.db}",
            err=True,
        )
    loud = [p for p in report.problems if p[1] not in ("unrecognised", "empty", "unsupported")]
    for path, status, reason in loud[:10]:
        click.echo(_plain(f"{status}: {path}: {reason}"), err=True)
    if len(loud) > 10:
        click.echo(f"… and {len(loud) - 10:,} more; see: llmstats sources", err=True)
    if report.lines_suspect:
        click.echo(
            f"{report.lines_suspect:,} lines looked like data and did not parse; see: llmstats sources", err=True
        )
    _say_new_keys(report)
    if not report.files:
        click.echo("no files found there", err=True)


def _say_new_keys(report: Report) -> None:
    """Keys that no catalogue knows: stored under their own names, said once."""
    keys = report.new_keys.most_common()
    for (format_, name), values in keys[:8]:
        click.echo(_plain(f"new: {name}, {values:,} values ({format_}; kept under its own name)"), err=True)
    if len(keys) > 8:
        click.echo(f"new: {len(keys) - 8:,} more names outside the catalogue; see: llmstats query new_keys", err=True)


# --------------------------------------------------------------------------- questions


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True})
@click.argument("question", metavar="NAME|SQL", required=False)
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED, metavar="[--PARAMETER VALUE]…")
@_db_option
@_output_options
def query(question: str | None, parameters: Sequence[str], db: str, form: str | None, output: str | None) -> None:
    """Answer a named query, or one read-only SQL statement.

    Without a name: the list of queries with their parameters. `llmstats query convergence --threshold 0.01`.
    """
    if question is None:
        _list_queries(form, output)
        return
    if any(p in ("--help", "-h") for p in parameters):
        _list_queries(form, output, question)
        return
    _emit(_open(db).query(question, **_parameters(parameters)), form, output)


def _parameters(words: Sequence[str]) -> dict[str, str]:
    """``--threshold 0.01 --min-steps=500`` as a mapping."""
    found: dict[str, str] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("--"):
            raise InputError(f"unexpected argument {word!r}: parameters are written --NAME VALUE")
        name, equals, value = word[2:].partition("=")
        if not equals:
            if not left:
                raise InputError(f"{word} needs a value")
            value = left.pop(0)
        found[name.replace("-", "_")] = value
    return found


def _list_queries(form: str | None, output: str | None, only: str | None = None) -> None:
    from llmstats.errors import NotFound
    from llmstats.query import Answer
    from llmstats.questions import list_queries

    known = list_queries()
    if only is not None and only not in {q.name for q in known}:
        raise NotFound.among("query", only, (q.name for q in known))
    rows = [
        (q.name, " ".join(f"--{p.name} {p.default}" for p in q.parameters), q.title)
        for q in known
        if only in (None, q.name)
    ]
    _emit(Answer(["query", "parameters (with their defaults)", "answers"], rows), form, output)


@main.command()
@_db_option
@_output_options
def runs(db: str, form: str | None, output: str | None) -> None:
    """List the runs: what ran where, for how long, and how far it came."""
    _emit(_open(db).query("runs"), form, output)


@main.command()
@_db_option
@_output_options
def sources(db: str, form: str | None, output: str | None) -> None:
    """List the files: format, why, lines matched and suspect, first examples of what did not parse."""
    _emit(_open(db).query("sources"), form, output)


@main.command()
@_output_options
def formats(form: str | None, output: str | None) -> None:
    """List the formats that ingest recognises."""
    from llmstats.formats import parsers
    from llmstats.query import Answer

    _emit(
        Answer(["format", "written by", "what it is"], [(p.name, p.writes, p.title) for p in parsers()]), form, output
    )


@main.command()
@click.option("--definitions", is_flag=True, help="The meanings between which one metric may vary, instead.")
@_output_options
def metrics(definitions: bool, form: str | None, output: str | None) -> None:
    """List the canonical metrics with unit, direction and meaning (English and Chinese)."""
    from llmstats import catalog
    from llmstats.query import Answer

    if definitions:
        answer = Answer(["definition", "meaning", "含义"], [tuple(d) for d in catalog.definitions().values()])
    else:
        answer = Answer(["metric", "unit", "better", "meaning", "含义"], [tuple(m) for m in catalog.metrics().values()])
    _emit(answer, form, output)


@main.command()
@click.argument("run")
@click.option("--metric", help="Canonical name of one metric.")
@click.option("--step", type=int, help="One step.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@_db_option
@_output_options
def show(
    run: str, metric: str | None, step: int | None, limit: int, db: str, form: str | None, output: str | None
) -> None:
    """Walk numbers of a RUN back to file and line, and print the line."""
    from llmstats.query import Answer

    found = _open(db).show(run, metric, step, limit)
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
    _emit(Answer(["metric", "what", "step", "value", "place", "line"], rows), form, output)


@main.command()
@click.argument("paths", nargs=-1, metavar="[PATH…]")
@_db_option
@_output_options
def verify(paths: Sequence[str], db: str, form: str | None, output: str | None) -> None:
    """Read the sources again and compare with the store; exit code 1 if one differs."""
    from llmstats.query import Answer

    found = _open(db).verify(*paths)
    _emit(Answer(["verdict", "source", "detail"], [(f.verdict, f.path, f.detail) for f in found]), form, output)
    if not all(f.good for f in found):
        click.get_current_context().exit(1)


@main.command()
@click.argument("path_or_run", metavar="PATH|RUN")
@_db_option
def forget(path_or_run: str, db: str) -> None:
    """Remove a file (or all files below a directory) or a run from the store; files on disk stay."""
    gone = _open(db).forget(path_or_run)
    click.echo(f"forgot {len(gone.sources):,} sources and {len(gone.runs):,} runs", err=True)


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True})
@click.argument("name")
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED, metavar="[--PARAMETER VALUE]…")
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="FILE.png, .svg or .pdf")
@_db_option
def plot(name: str, parameters: Sequence[str], output: str, db: str) -> None:
    """Draw a picture: convergence, throughput or serving."""
    _open(db).plot(name, output, **_parameters(parameters))
    click.echo(f"wrote {output}", err=True)


# --------------------------------------------------------------------------- runners


@main.group(cls=RunGroup, default_db=DEFAULT_DB)
def run() -> None:
    """Launch or perform a workload; its logs are written below work_dirs/NAME/TIME/."""
