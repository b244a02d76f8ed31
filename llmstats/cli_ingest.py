"""The command ``ingest``: its progress on a terminal and what it says at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from llmstats.cli_output import db_option, open_store, pairs, plain

if TYPE_CHECKING:
    from llmstats.ingest import Progress, Report


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@db_option
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
        report = open_store(db).ingest(
            *paths,
            labels=pairs(labels, "--label"),
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


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None] | None]:
    """A progress bar on standard error, where that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
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
        click.echo(plain(f"{status}: {path}: {reason}"), err=True)
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
        click.echo(plain(f"new: {name}, {values:,} values ({format_}; kept under its own name)"), err=True)
    if len(keys) > 8:
        click.echo(f"new: {len(keys) - 8:,} more names outside the catalogue; see: llmstats query new_keys", err=True)
