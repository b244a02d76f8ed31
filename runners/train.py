"""A training as a user starts it, attended to: its log kept, its state shown, ended early where that was asked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from llmstats.errors import InputError
from llmstats.running import Job, Plan, Runner

from ._launch import Ended, attend
from ._training_command import (
    LOG,
    NONFINITE,
    REACHED,
    WORK_DIR,
    Settings,
    checkpoint_in,
    default_name,
    own_work_dir,
    step_of,
    xtuner,
)

if TYPE_CHECKING:
    from llmstats.recipes import Recipe

    from ._watch import Watch


class Train(Runner):
    name = "train"
    title = "Train: xtuner train CONFIG, or any command behind --; log kept, live line, stop and resume"
    about = (
        "CONFIG is a configuration of XTuner; words behind -- are added to its command. Without CONFIG they are the"
        " command itself, in which {work_dir} stands for WORK_DIR/NAME. The output is kept, and read as it comes by"
        " the parsers that ingest uses: step, loss, speed, time left and, with --recipe, what the recipe says so far."
    )
    launches = True
    needs_place = True
    options = (
        click.Argument(["config"], required=False, metavar="[CONFIG]"),
        click.Option(["--deepspeed"], help="XTuner: name or file of a DeepSpeed configuration, e.g. deepspeed_zero2."),
        click.Option(["--nproc"], type=click.IntRange(1), envvar="NPROC_PER_NODE", help="XTuner: devices of the node."),
        click.Option(["--nnodes"], type=click.IntRange(1), envvar="NNODES", help="XTuner: nodes."),
        click.Option(["--launcher"], type=click.Choice(["none", "pytorch", "slurm", "mpi"]), help="XTuner's launcher."),
        click.Option(["--seed"], type=int, help="XTuner: seed of the training."),
        click.Option(["--resume"], is_flag=True, help="Go on from the work directory's last_checkpoint."),
        click.Option(["--resume-from"], type=click.Path(exists=True), help="Go on from this checkpoint."),
        click.Option(["--resume-option"], default="--resume", help="How the command is told its checkpoint."),
        click.Option(["--recipe"], help="Hold this recipe against the training, live and after --ingest."),
        click.Option(["--param"], multiple=True, metavar="KEY=VALUE", help="Set a parameter of the recipe."),
        click.Option(
            ["--stop-on"], multiple=True, type=click.Choice([NONFINITE, REACHED]),
            help="End early: a loss that is NaN or infinite; a recipe that would pass.",
        ),
        click.Option(["--nonfinite-points"], default=1, type=click.IntRange(1), help="So many in a row."),
        click.Option(["--patience"], default=60.0, help="Seconds between SIGINT, SIGTERM and SIGKILL."),
        click.Option(["--quiet"], is_flag=True, help="Do not repeat the program's output."),
    )  # fmt: skip

    def plan(self, given: Mapping[str, Any]) -> Plan:
        config, words = given["config"], list(given["command"])
        if not (config or words):
            raise InputError("what is to be trained? llmstats run train CONFIG, or llmstats run train -- COMMAND …")
        name = given["name"] or default_name(config, words)
        place = os.path.join(given["work_dir"], name)
        command = xtuner(config, place, given, words) if config else [w.replace(WORK_DIR, place) for w in words]
        work_dir = own_work_dir(command) or place
        checkpoint = _checkpoint(given, work_dir)
        command += [given["resume_option"], checkpoint] if checkpoint else []
        recipe, parameters = _recipe(given)
        return Plan(
            name=name,
            command=command,
            environment=_environment(given, bool(config)),
            files=(LOG,),
            notes=_notes(given, recipe, checkpoint),
            warnings=[] if shutil.which(command[0]) else [f"{command[0]} is not on the PATH"],
            facts=_facts(given, work_dir, checkpoint),
            judge=(given["recipe"], parameters) if recipe else None,
            settings=Settings(
                work_dir,
                recipe,
                frozenset(given["stop_on"]),
                given["nonfinite_points"],
                given["patience"],
                given["quiet"],
            ),
        )

    def run(self, plan: Plan, job: Job) -> int:
        from ._watch import Watch

        settings: Settings = plan.settings
        watch = Watch(job, settings)
        try:
            ended = attend(plan, job.file(LOG), watch.hear, settings.patience)
        finally:
            watch.close()
        job.facts["live"] = watch.facts()
        job.beside = _beside(job, settings.work_dir)
        job.fallback = watch.live.fallback
        if ended.signal:
            raise KeyboardInterrupt(ended.signal)
        return _finish(job, watch, ended, plan.command or [])


# --------------------------------------------------------------------------- planning


def _checkpoint(given: Mapping[str, Any], work_dir: str) -> str | None:
    if given["resume_from"]:
        return str(given["resume_from"])
    return checkpoint_in(work_dir) if given["resume"] else None


def _notes(given: Mapping[str, Any], recipe: Recipe | None, checkpoint: str | None) -> list[str]:
    notes = [f"goes on from {checkpoint}"] if checkpoint else []
    notes += [f"held against {recipe.name}@{recipe.version}: {recipe.title}"] if recipe else []
    if NONFINITE in given["stop_on"]:
        points = given["nonfinite_points"]
        notes.append(f"ends early at {'a loss' if points == 1 else f'{points} losses in a row'} of NaN or infinity")
    if REACHED in given["stop_on"]:
        notes.append("ends early when the recipe would pass")
    return notes


def _recipe(given: Mapping[str, Any]) -> tuple[Recipe | None, dict[str, str]]:
    """The recipe with its parameters.

    Raises:
        InputError: a parameter or ``--stop-on reached`` without a recipe.
    """
    from llmstats import recipes

    parameters = dict(text.partition("=")[::2] for text in given["param"])
    if given["recipe"]:
        return recipes.bind(recipes.load(given["recipe"]), parameters), parameters
    if parameters or REACHED in given["stop_on"]:
        raise InputError("--param and --stop-on reached need --recipe NAME; llmstats judge lists the recipes")
    return None, {}


def _environment(given: Mapping[str, Any], by_xtuner: bool) -> dict[str, str]:
    """Python writes each line at once, or there would be nothing to see for minutes."""
    found = {} if "PYTHONUNBUFFERED" in os.environ else {"PYTHONUNBUFFERED": "1"}
    if by_xtuner:
        found |= {n: str(given[o]) for n, o in (("NPROC_PER_NODE", "nproc"), ("NNODES", "nnodes")) if given[o]}
    return found


def _facts(given: Mapping[str, Any], work_dir: str, checkpoint: str | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"kind": "training", "config": {"work_dir": work_dir}}
    if given["config"]:
        options = {name: given[name] for name in ("deepspeed", "launcher") if given[name] is not None}
        facts["config"] |= {"config": given["config"], **options}
        facts |= {"framework": "xtuner", "seed": given["seed"]}
        if given["nproc"]:
            facts |= {"device_count": given["nproc"] * (given["nnodes"] or 1), "node_count": given["nnodes"] or 1}
    if checkpoint:
        facts["config"] |= {"checkpoint": checkpoint, "checkpoint_step": step_of(checkpoint)}
    return facts


# --------------------------------------------------------------------------- running


def _beside(job: Job, work_dir: str) -> list[str]:
    """What is ingested with a job: all attempts of the work, and the training's own directory."""
    parent = os.path.dirname(job.path)
    own = os.path.abspath(work_dir)
    return [parent] if own == parent or not os.path.isdir(own) else [parent, own]


def _finish(job: Job, watch: Watch, ended: Ended, command: Sequence[str]) -> int:
    """Say how it ended; the exit code."""
    code, status, error = ended.code, "completed" if ended.code == 0 else "failed", None
    if ended.stopped:
        code, status, error = int(watch.rule != REACHED), "stopped", ended.stopped
    elif code:
        error = f"exit status {code}" + (f": {watch.live.trouble}" if watch.live.trouble else "")
    elif watch.live.trouble and command[0] == "xtuner":
        code, status, error = 1, "failed", f"xtuner says nothing of it, but the log ends with {watch.live.trouble}"
    if watch.rule and not ended.stopped:
        job.note(f"it had ended by itself before it could be stopped: {watch.met}")
    job.finish(status, exit_code=code, error=error)
    job.say(f"{status}{f' ({error})' if error else ''}; {watch.line()}")
    return code
