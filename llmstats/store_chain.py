"""Attempts: how the runs of one work_dir form experiments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple


class Link(NamedTuple):
    """What the chain needs to know of a run; steps are of the train phase, None where there is none."""

    run_key: int
    name: str
    started_at: datetime | None
    resumed_from: int | None
    first_step: int | None
    last_step: int | None
    gap: int | None  #: steps between its first two records, None if there is but one

    @property
    def age(self) -> tuple[bool, datetime, str]:
        return (self.started_at is None, self.started_at or datetime.min, self.name)


Placed = tuple[int, str, int, int | None]


def chain(label: str, runs: Iterable[Link]) -> Iterator[Placed]:
    """Experiment, attempt and cut of each run of one work_dir and name: (run_key, experiment, attempt, cut_step).

    A continuation joins the latest earlier run that got as far as its resume point; any other run opens an experiment.
    The first one is called ``label``, a later one ``label@`` and the last part of its run's name.  A run's points from
    ``cut_step`` on were done again by a later attempt.
    """
    ordered = sorted(runs, key=lambda r: r.age)
    usual = max((r.gap for r in ordered if r.gap), default=1)
    chains: list[list[Link]] = []
    home: dict[int, list[Link]] = {}
    for i, run in enumerate(ordered):
        before = _predecessor(run, ordered[:i], usual)
        if before is None:
            chains.append([])
        home[run.run_key] = home[before.run_key] if before else chains[-1]
        home[run.run_key].append(run)
    for i, members in enumerate(chains):
        name = label if i == 0 else f"{label}@{members[0].name.rsplit('/', 1)[-1]}"
        for attempt, run in enumerate(members, 1):
            yield run.run_key, name, attempt, _cut(members[attempt:])


def _predecessor(run: Link, earlier: Sequence[Link], usual: int) -> Link | None:
    start = _resume_point(run, usual)
    if start is None:
        return None
    return next((r for r in reversed(earlier) if _reach(r, usual) >= start - 1), None)


def _resume_point(run: Link, usual: int) -> int | None:
    """The first step that a continuation does; None for a fresh start.

    A fresh run that logs every 10th step begins with 10, so only a first step beyond one interval tells of a resume.
    """
    if run.resumed_from is not None:
        return run.resumed_from + 1
    if run.first_step is not None and run.first_step > max(run.gap or usual, 1):
        return run.first_step - (run.gap or usual) + 1
    return None


def _reach(run: Link, usual: int) -> int:
    """The last step that a run may have done: up to one interval beyond the last that it logged."""
    return -1 if run.last_step is None else run.last_step + (run.gap or usual) - 1


def _cut(later: Sequence[Link]) -> int | None:
    return min((r.first_step for r in later if r.first_step is not None), default=None)
