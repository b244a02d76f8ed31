"""A training as a user starts it, attended to: its log kept, its state shown, ended early where that was asked for."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from llmstats.errors import InputError
from llmstats.running import Job, Plan, Runner

from ._launch import Ended, attend
from ._training_command import WORK_DIR, checkpoint_in, default_name, own_work_dir, step_of, xtuner

if TYPE_CHECKING:
    from llmstats.recipes import Recipe

    from ._live import Live
    from ._so_far import SoFar

#: Output of the program.  The parser of mmengine's logs knows this name.
LOG = "launched.log"
#: The verdict so far takes at most this share of the time.
_SHARE = 0.05
#: Seconds between two looks for directories that the program made.
_LOOK = 2.0
_STEM = len("20250209_031500")


@dataclass(frozen=True)
class _Settings:
    """What a plan keeps for `Train.run`."""

    work_dir: str  #: into which the training writes
    recipe: Recipe | None
    stop_on: frozenset[str]
    patience: float
    quiet: bool


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
            ["--stop-on"], multiple=True, type=click.Choice(["nonfinite", "reached"]),
            help="End early: a loss that is NaN or infinite; a recipe that would pass.",
        ),
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
            notes=[f"goes on from {checkpoint}"] if checkpoint else [],
            warnings=[] if shutil.which(command[0]) else [f"{command[0]} is not on the PATH"],
            facts=_facts(given, work_dir, checkpoint),
            judge=(given["recipe"], parameters) if recipe else None,
            settings=_Settings(work_dir, recipe, frozenset(given["stop_on"]), given["patience"], given["quiet"]),
        )

    def run(self, plan: Plan, job: Job) -> int:
        settings: _Settings = plan.settings
        job.beside = _beside(job, settings.work_dir)
        watch = _Watch(job, settings)
        try:
            ended = attend(plan, job.file(LOG), watch.hear, settings.patience)
        finally:
            watch.close()
        job.facts["live"] = watch.facts()
        if ended.signal:
            raise KeyboardInterrupt(ended.signal)
        return _finish(job, watch, ended, plan.command or [])


# --------------------------------------------------------------------------- planning


def _checkpoint(given: Mapping[str, Any], work_dir: str) -> str | None:
    if given["resume_from"]:
        return str(given["resume_from"])
    return checkpoint_in(work_dir) if given["resume"] else None


def _recipe(given: Mapping[str, Any]) -> tuple[Recipe | None, dict[str, str]]:
    """The recipe with its parameters.

    Raises:
        InputError: a parameter or ``--stop-on reached`` without a recipe.
    """
    from llmstats import recipes

    parameters = dict(text.partition("=")[::2] for text in given["param"])
    if given["recipe"]:
        return recipes.bind(recipes.load(given["recipe"]), parameters), parameters
    if parameters or "reached" in given["stop_on"]:
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


def _timed(work_dir: str) -> list[str]:
    """Directories of a work_dir that are called by a time of day, as mmengine's runs are."""
    work_dir = os.path.abspath(work_dir)
    try:
        found = [e.path for e in os.scandir(work_dir) if e.is_dir() and e.name[8:9] == "_" and len(e.name) == _STEM]
    except OSError:
        return []
    return sorted(found)


def _beside(job: Job, work_dir: str) -> list[str]:
    """What is ingested with a job: all attempts of the work, and the training's own directory."""
    parent = os.path.dirname(job.path)
    own = os.path.abspath(work_dir)
    return [parent] if own == parent or not os.path.isdir(own) else [parent, own]


class _Watch:
    """Listens to the program: shows how it stands, and says when it is to end."""

    def __init__(self, job: Job, settings: _Settings) -> None:
        from ._live import Live
        from ._screen import Screen

        recipe = settings.recipe
        self._job, self._settings = job, settings
        self.live = Live(job.file(LOG), [name for c in recipe.criteria for name in c.series] if recipe else ())
        self._screen = Screen(sys.stderr, quiet=settings.quiet)
        self._verdict: SoFar | None = None
        self._judged_at = 0  # bytes of output
        self._due = 0.0
        self._bytes = 0
        self._broken = False
        self._known = {job.path, *_timed(settings.work_dir)}
        self._look_due = 0.0

    def hear(self, output: bytes) -> str | None:
        """Take output; why the program is to end, if it is."""
        if output and not self._broken:
            self._read(output)
        if time.monotonic() >= self._look_due:
            self._look()
        if self._screen.due:
            self._judge()
            self._screen.bottom(self.line())
        return self._reason()

    def _read(self, output: bytes, *, final: bool = False) -> None:
        try:
            self._screen.lines(self.live.feed(output, final=final))
        except Exception as why:  # noqa: BLE001  whatever is wrong with the reading, the training goes on
            self._broken = True
            self._job.note(f"the live reading ended ({type(why).__name__}: {why}); the training and its log go on")
        self._bytes += len(output)

    def _look(self) -> None:
        """Note the directories that the program made for its own logs."""
        for directory in _timed(self._settings.work_dir):
            if directory not in self._known:
                self._known.add(directory)
                self._job.add_logs(directory)
        self._look_due = time.monotonic() + _LOOK

    def _reason(self) -> str | None:
        bad = self.live.not_finite
        if bad and "nonfinite" in self._settings.stop_on:
            return f"{bad.name} is {bad.value} at step {bad.step} ({self._job.file(LOG)}:{bad.line})"
        if "reached" in self._settings.stop_on:
            self._judge()
            if self._verdict and self._verdict.verdict == "pass":
                return f"reached: {self._verdict.reason}"
        return None

    def _judge(self, *, now: bool = False) -> None:
        """Renew the verdict where there is new output, and not more often than it is worth."""
        recipe = self._settings.recipe
        begin = time.monotonic()
        if recipe is None or self._judged_at == self._bytes or (begin < self._due and not now):
            return
        from ._so_far import so_far

        self._judged_at = self._bytes
        self._verdict = so_far(recipe, self.live, self._job.file(LOG))
        self._due = time.monotonic() + (time.monotonic() - begin) / _SHARE

    def close(self) -> None:
        """Read the unfinished last line too, and judge what there is."""
        if not self._broken:
            self._read(b"", final=True)
        self._look()
        self._screen.close()
        self._judge(now=True)

    def line(self) -> str:
        """How it stands, in one line."""
        live = self.live
        if live.step is None:
            return "no step yet" + (f" ({live.format})" if live.format else "")
        parts = [f"step {live.step:,}" + (f"/{live.total:,}" if live.total else "")]
        parts += [f"{name} {value:.6g}" for name in ("loss",) if (value := live.last(name)) is not None]
        parts += [speed] if (speed := _speed(live)) else []
        if (left := live.seconds_left()) is not None:
            parts.append(f"eta {timedelta(seconds=round(left))}")
        if self._verdict:
            parts.append(f"so far: {self._verdict.verdict} ({self._verdict.reason})")
        return "  ".join(parts)

    def facts(self) -> dict[str, Any]:
        """For run.json."""
        live = self.live
        found = {"read_as": live.format, "step": live.step, "loss": live.last("loss")}
        if self._verdict and self._settings.recipe:
            found["recipe"] = f"{self._settings.recipe.name}@{self._settings.recipe.version}"
            found["verdict_so_far"] = f"{self._verdict.verdict}: {self._verdict.reason}"
        return found


def _speed(live: Live) -> str | None:
    for metric, unit in (
        ("tokens_per_second_per_device", "token/s/device"),
        ("tokens_per_second", "token/s"),
        ("samples_per_second", "sample/s"),
    ):
        if (value := live.last(metric)) is not None:
            return f"{value:,.1f} {unit}"
    steps = live.steps_per_second()
    return None if steps is None else f"{steps:.3g} step/s"


def _finish(job: Job, watch: _Watch, ended: Ended, command: Sequence[str]) -> int:
    """Say how it ended; the exit code."""
    code, status, error = ended.code, "completed" if ended.code == 0 else "failed", None
    if ended.stopped:
        code, status, error = int(watch.live.not_finite is not None), "stopped", ended.stopped
    elif code:
        error = f"exit status {code}" + (f": {watch.live.trouble}" if watch.live.trouble else "")
    elif watch.live.trouble and command[0] == "xtuner":
        code, status, error = 1, "failed", f"xtuner says nothing of it, but the log ends with {watch.live.trouble}"
    job.finish(status, exit_code=code, error=error)
    job.say(f"{status}{f' ({error})' if error else ''}; {watch.line()}")
    return code
