"""The commands of ``llmstats run``: one per runner found; nothing is imported before somebody asks for one."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from llmstats.cli_output import DEFAULT_DB, emit, output_options

if TYPE_CHECKING:
    from llmstats.running import Job, Plan, Runner, Table

#: Options that every runner has.
COMMON = ("work_dir", "name", "dry_run", "ingest", "db")


class RunGroup(click.Group):
    """Finds its commands by asking for the runners."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from llmstats.workloads import runners

        return [runner.name for runner in runners()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from llmstats.workloads import runner

        return _command(runner(cmd_name))


class _Command(click.Command):
    """Starts a runner; asked for one of its tables, it is the command that shows it and nothing else."""

    def __init__(self, *args: Any, listings: dict[str, click.Command], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._listings = listings

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        ours = args[: args.index("--")] if "--" in args else args
        asked = next((self._listings[word] for word in ours if word in self._listings), None)
        return (
            asked.make_context(info_name, args, parent, **extra)
            if asked
            else super().make_context(info_name, args, parent, **extra)
        )


def _command(runner: Runner) -> click.Command:
    help_text = f"{runner.title}\n\n{runner.about}".strip()
    flags = {f"--{word}": table for word, table in runner.tables.items()}
    shown = [click.Option([flag], is_flag=True, expose_value=False, help=t.help) for flag, t in flags.items()]
    return _Command(
        runner.name,
        listings={flag: _listing(table, flag) for flag, table in flags.items()},
        params=[*runner.options, *shown, *_common_options()],
        callback=partial(_start, runner),
        help=help_text,
        short_help=runner.title,
        context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    )


def _listing(table: Table, flag: str) -> click.Command:
    """The command that shows a table in the ordinary output formats."""

    @click.command(help=table.help)
    @click.option(flag, is_flag=True, expose_value=False)
    @output_options
    def show(form: str | None, output: str | None) -> None:
        from llmstats.query import Answer

        columns, rows = table.read()
        emit(Answer(list(columns), list(rows)), form, output)

    return show


def _common_options() -> Sequence[click.Parameter]:
    folder = click.Path(file_okay=False)
    return (
        click.Option(["--work-dir"], default="work_dirs", type=folder, help="Where NAME/TIME/ is made."),
        click.Option(["--name"], help="Name of the work; the default is the runner's or the configuration's."),
        click.Option(["--dry-run"], is_flag=True, help="Print what would be done, and start nothing."),
        click.Option(["--ingest"], is_flag=True, help="Afterwards read what was written into the store."),
        click.Option(
            ["--db"],
            envvar="LLMSTATS_DB",
            default=DEFAULT_DB,
            type=click.Path(dir_okay=False),
            help="The store for --ingest.",
        ),
    )


def _start(runner: Runner, **given: Any) -> None:
    """Plan, perform, ingest; the one line on standard output is the directory that was written."""
    from llmstats.running import work_name

    common = {name: given.pop(name) for name in COMMON}
    plan = runner.plan(given)
    if common["name"]:
        plan.name = work_name(common["name"])
    if common["dry_run"]:
        click.echo(plan.text())
        return
    for text in plan.warnings:
        click.echo(f"warning: {text}", err=True)
    job = _job(runner, plan, common["work_dir"])
    click.echo(job.path)
    click.get_current_context().exit(_perform(runner, plan, job, common["db"] if common["ingest"] else None))


def _job(runner: Runner, plan: Plan, work_dir: str) -> Job:
    from llmstats import environment, running

    captured = environment.capture(plan.directory)
    device = environment.one_device(captured["devices"]) if runner.works_here else None
    if device:
        said = {"vendor": device["vendor"], "device": device["model"]}
        plan.facts = {**said, **plan.facts}
    return running.Job.start(plan, work_dir, runner=runner.name, environment=captured)


def _perform(runner: Runner, plan: Plan, job: Job, db: str | None) -> int:
    """The exit code.  A failed run is ingested too: that it failed is an answer; after Ctrl-C nobody waits."""
    from llmstats import running

    try:
        return running.perform(runner, plan, job)
    finally:
        if job.document["status"] == "interrupted":
            click.echo(f"interrupted; what was written so far: {job.path}", err=True)
        elif db:
            _ingest(job.path, db)


def _ingest(path: str, db: str) -> None:
    """The ordinary ingest, as a process of its own: it forks, and a process that holds a device must not."""
    command = [sys.executable, "-m", "llmstats", "ingest", path, "--db", db]
    code = subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode
    if code:
        click.echo(f"the ingest failed (exit code {code}); again: {shlex.join(['llmstats', *command[3:]])}", err=True)
