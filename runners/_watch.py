"""What is seen and decided while a training runs: its lines, the live line, the verdict so far, the reasons to stop."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from llmstats.running import RUN_JSON, Job

from ._live import Live
from ._screen import Screen
from ._training_command import LOG, NONFINITE, REACHED, Settings

if TYPE_CHECKING:
    from ._so_far import SoFar

#: The verdict so far takes at most this share of the time.
_SHARE = 0.05
#: Seconds between two looks for directories that the program made.
_LOOK = 2.0
#: Called by a time of day, as mmengine's directories are; with a number more, those of starts in the same second.
_TIMED = re.compile(r".{8}_.{6}(?P<again>_\d+)?")


def _timed(work_dir: str) -> list[str]:
    """Directories of a work_dir that are called by a time of day: of the program's own runs, or of other starts."""
    work_dir = os.path.abspath(work_dir)
    try:
        found = [e.path for e in os.scandir(work_dir) if e.is_dir() and _TIMED.fullmatch(e.name)]
    except OSError:
        return []
    return sorted(found)


def _of_a_start(directory: str) -> bool:
    """Whether another start of the work made a directory, not the program."""
    named = _TIMED.fullmatch(os.path.basename(directory))
    return bool(named and named["again"]) or os.path.exists(os.path.join(directory, RUN_JSON))


class Watch:
    """Listens to the program: shows how it stands, and says when it is to end."""

    def __init__(self, job: Job, settings: Settings) -> None:
        recipe = settings.recipe
        self._job, self._settings = job, settings
        wanted = [name for c in recipe.criteria for name in c.series] if recipe else ()
        self.live = Live(job.file(LOG), wanted, settings.bad_points)
        self._screen = Screen(sys.stderr, quiet=settings.quiet)
        self._verdict: SoFar | None = None
        self._judged_at = 0  # bytes of output
        self._due = 0.0
        self._bytes = 0
        self._broken = False
        self._known = {job.path, *_timed(settings.work_dir)}
        self._alone = True  # no other start of the work has begun since
        self._look_due = 0.0
        self._ready = False
        self.rule: str | None = None  #: that of ``--stop-on`` which is met
        self.met = ""  #: by what

    def hear(self, output: bytes) -> str | None:
        """Take output; why the program is to end, if it is: that is said once."""
        return self._guarded(lambda: self._heard(output))

    def _guarded(self, listen: Callable[[], str | None]) -> str | None:
        """Whatever is wrong with the listening, the training goes on."""
        if self._broken:
            return None
        try:
            return listen()
        except Exception as why:  # noqa: BLE001
            self._broken = True
            self._job.note(f"the live reading ended ({type(why).__name__}: {why}); the training and its log go on")
            return None

    def _heard(self, output: bytes) -> str | None:
        if not self._ready:
            self._prepare()
        if output:
            self._screen.lines(self.live.feed(output))
            self._bytes += len(output)
        if time.monotonic() >= self._look_due:
            self._look()
        if self._screen.due:
            self._judge()
            self._screen.bottom(self.line())
        return self._reason() if self.rule is None else None

    def _prepare(self) -> None:
        """Load what is needed to read and judge while the program itself is still loading."""
        from llmstats.formats import parsers

        from . import _so_far

        parsers()
        self._so_far = _so_far.so_far
        self._ready = True

    def _look(self) -> None:
        """Note the directories that the program made for its own logs.

        Another start of the same work has a directory too; what is made after it is more likely its own.
        """
        for directory in _timed(self._settings.work_dir):
            if directory not in self._known:
                self._known.add(directory)
                self._alone = self._alone and not _of_a_start(directory)
                if self._alone:
                    self._job.add_logs(directory)
        self._look_due = time.monotonic() + _LOOK

    def _reason(self) -> str | None:
        bad = self.live.not_finite
        if bad and NONFINITE in self._settings.stop_on:
            self.rule = NONFINITE
            self.met = f"{bad.name} is {bad.value} at step {bad.step} ({self._job.file(LOG)}:{bad.line})"
        elif REACHED in self._settings.stop_on:
            self._judge()
            if self._verdict and self._verdict.verdict == "pass":
                self.rule, self.met = REACHED, f"reached: {self._verdict.reason}"
        return self.met or None

    def _judge(self, *, now: bool = False) -> None:
        """Renew the verdict where there is new output, and not more often than it is worth."""
        recipe = self._settings.recipe
        begin = time.monotonic()
        if recipe is None or self._judged_at == self._bytes or (begin < self._due and not now):
            return
        self._judged_at = self._bytes
        self._verdict = self._so_far(recipe, self.live, self._job.file(LOG))
        self._due = time.monotonic() + (time.monotonic() - begin) / _SHARE

    def close(self) -> None:
        """Read the unfinished last line too, and judge what there is."""
        self._look()
        self._guarded(self._end)
        self._screen.close()

    def _end(self) -> None:
        if self._ready:
            self._screen.lines(self.live.feed(b"", final=True))
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
