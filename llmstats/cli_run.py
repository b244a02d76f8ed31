"""The commands of ``llmstats run``: one per runner found; nothing is imported before somebody asks for one."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from llmstats.cli_output import DEFAULT_DB, emit, open_store, output_options, plain

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

    def __init__(self, *args: Any, listings: dict[str, click.Command], launches: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._listings = listings
        self._launches = launches

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

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What stands behind ``--`` is another program's command line, none of whose words are ours."""
        if self._launches:
            at = args.index("--") if "--" in args else len(args)
            ctx.params["command"] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), *(["[-- COMMAND…]"] if self._launches else [])]


def _command(runner: Runner) -> click.Command:
    help_text = f"{runner.title}\n\n{runner.about}".strip()
    flags = {f"--{word}": table for word, table in runner.tables.items()}
    shown = [click.Option([flag], is_flag=True, expose_value=False, help=t.help) for flag, t in flags.items()]
    return _Command(
        runner.name,
        listings={flag: _listing(table, flag) for flag, table in flags.items()},
        launches=runner.launches,
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
    from llmstats.running import work_name, write

    common = {name: given.pop(name) for name in COMMON}
    name = work_name(common["name"]) if common["name"] else None
    plan = runner.plan({**given, "work_dir": common["work_dir"], "name": name} if runner.needs_place else given)
    plan.name = name or plan.name
    if common["dry_run"]:
        click.echo(plan.text())
        return
    for text in plan.warnings:
        _say(f"warning: {text}")
    job = _job(runner, plan, common["work_dir"])
    write(sys.stdout, f"{job.path}\n")
    code = _perform(runner, plan, job, common["db"] if common["ingest"] else None)
    if plan.judge and common["ingest"] and not code:
        code = _judge(*plan.judge, job, common["db"])
    click.get_current_context().exit(code)


def _say(text: str) -> None:
    """Talk; a reader that left stops nothing."""
    from llmstats.running import write

    write(sys.stderr, f"{text}\n")


def _job(runner: Runner, plan: Plan, work_dir: str) -> Job:
    from llmstats import environment, running

    captured = environment.capture(plan.directory)
    device = environment.one_device(captured["devices"]) if runner.works_here else None
    if device:
        said = {"vendor": device["vendor"], "device": device["model"]}
        plan.facts = {**said, **plan.facts}
    if not runner.works_here:
        captured = {"client": captured}  # what is measured runs elsewhere, on other software
    if plan.resumes:
        return running.Job.reopen(plan, runner=runner.name, environment=captured)
    return running.Job.start(plan, work_dir, runner=runner.name, environment=captured)


def _perform(runner: Runner, plan: Plan, job: Job, db: str | None) -> int:
    """The exit code.  A failed run is ingested too: that it failed is an answer; after Ctrl-C nobody waits."""
    from llmstats import running

    try:
        return running.perform(runner, plan, job)
    finally:
        if job.document["status"] == "interrupted":
            _say(f"interrupted; what was written so far: {job.path}")
        elif db:
            _ingest(job, db)


def _ingest(job: Job, db: str) -> None:
    """The ordinary ingest, as a process of its own: it forks, and a process that holds a device must not."""
    command = [sys.executable, "-m", "llmstats", "ingest", job.path, *job.beside, "--db", db]
    command += ["--as", job.fallback] if job.fallback else []
    code = subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode
    if code:
        _say(f"the ingest failed (exit code {code}); again: {shlex.join(['llmstats', *command[3:]])}")


#: Experiments of which a file at or below a directory holds values.
_EXPERIMENTS = """
SELECT DISTINCT r.experiment FROM runs r JOIN series s ON s.run_id = r.run_id
JOIN sources o ON o.source_id = s.source_id WHERE starts_with(o.path, {0})
"""


def _judge(recipe: str, parameters: Mapping[str, str], job: Job, db: str) -> int:
    """Say on standard error how the recipe judges what the job wrote; 0 pass, 1 fail, 3 cannot tell."""
    store = open_store(db)
    literal = "'" + f"{job.path}/".replace("'", "''") + "'"
    found = [row[0] for row in store.query(_EXPERIMENTS.format(literal)).rows]
    if not found:
        _say(f"cannot judge by {recipe}: nothing that was read from {job.path} holds values")
        return 3
    judgement = store.judge(recipe, *found, any_model=False, **parameters)
    named = f"{judgement.recipe.name}@{judgement.recipe.version}"
    for case in judgement.cases:
        _say(f"{case.experiment}: {case.verdict} by {named}")
        for f in case.findings:
            at = f" ({f.found.number.last_at})" if f.found.number and f.found.number.last_at else ""
            _say(plain(f"  {f.criterion}: {f.found.result}; {f.found.reason}{at}"))
    return judgement.exit_code
