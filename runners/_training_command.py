"""The command of a training, and where it goes on.

XTuner's ``xtuner train`` (0.1, 0.2) takes its processes from the environment (``NPROC_PER_NODE``, ``NNODES`` …) and
ends with exit status 0 whatever becomes of the training.  mmengine (XTuner too) keeps the path of its newest checkpoint
in ``{work_dir}/last_checkpoint``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from llmstats.errors import InputError

if TYPE_CHECKING:
    from llmstats.recipes import Recipe

#: Output of the program.  The parser of mmengine's logs knows this name.
LOG = "launched.log"
#: Rules by which a training is ended early.
NONFINITE, REACHED = "nonfinite", "reached"
WORK_DIR = "{work_dir}"  #: in a command: the directory of the work
_LAST = "last_checkpoint"
_STEP = re.compile(r"(iter|epoch)_(\d+)(?:\.pth)?$")


@dataclass(frozen=True)
class Settings:
    """What a plan keeps for the run of a training."""

    work_dir: str  #: into which the training writes
    recipe: Recipe | None
    stop_on: frozenset[str]
    bad_points: int  #: of a loss that is no number, in a row, before it stops the training
    patience: float
    quiet: bool


def default_name(config: str | None, command: Sequence[str]) -> str:
    """Name of the work: the configuration's or the program's file without its ending."""
    named = config or next((w for w in command if w.endswith((".py", ".sh"))), command[0] if command else "train")
    return re.sub(r"[^\w.+=-]", "_", PurePath(named).stem).lstrip(".") or "train"


def xtuner(config: str, work_dir: str, given: Mapping[str, Any], more: Sequence[str]) -> list[str]:
    """``xtuner train CONFIG …``

    Raises:
        InputError: the configuration is a path and not there.
    """
    if (config.endswith(".py") or os.sep in config) and not os.path.isfile(config):
        raise InputError(f"{config}: no such configuration; give the path of a file, or a name of xtuner list-cfg")
    words = ["xtuner", "train", config, "--work-dir", work_dir]
    for option in ("deepspeed", "launcher", "seed"):
        if given[option] is not None:
            words += [f"--{option}", str(given[option])]
    return [*words, *more]


def own_work_dir(command: Sequence[str]) -> str | None:
    """The directory that a command names for its files: ``--work-dir X``, ``--work_dir=X``."""
    for word, after in zip(command, [*command[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name in ("--work-dir", "--work_dir"):
            return value if equals else after
    return None


def checkpoint_in(work_dir: str) -> str:
    """The newest checkpoint of an mmengine work_dir.

    Raises:
        InputError: there is none, or it is gone.
    """
    try:
        with open(os.path.join(work_dir, _LAST), encoding="utf-8") as file:
            named = file.read().strip()
    except OSError as why:
        raise InputError(f"--resume: {work_dir}/{_LAST}: {why.strerror}{_others(work_dir)}") from why
    for path in (named, os.path.join(work_dir, os.path.basename(named))):
        if named and os.path.exists(path):
            return path
    raise InputError(f"--resume: {work_dir}/{_LAST} names {named or 'nothing'}, which is gone{_others(work_dir)}")


def _others(work_dir: str) -> str:
    try:
        found = sorted((n for n in os.listdir(work_dir) if _STEP.search(n)), key=lambda n: int(_STEP.search(n)[2]))  # type: ignore[index]
    except OSError:
        found = []
    return f"; there are {', '.join(found[-5:])}: --resume-from PATH" if found else "; it holds no checkpoint"


def step_of(checkpoint: str) -> int | None:
    """Iteration of a checkpoint, if its name says it."""
    match = _STEP.search(checkpoint)
    return int(match[2]) if match and match[1] == "iter" else None
