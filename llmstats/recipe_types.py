"""What a recipe says, in dataclasses; `llmstats.recipes` finds and reads recipes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmstats.errors import RecipeError

Value = float | int | str

#: How the points of a window become one number.
READINGS: Mapping[str, str] = {
    "final": "the last recorded value",
    "touch": "the best single value",
    "sustained": "the best value that `points` logged points in a row all meet",
    "smoothed": "the best mean of `points` logged points in a row",
    "mean": "the mean of all points",
    "median": "the median of all points",
    "mean_of_last": "the mean of the last `points` points",
    "reported": "what the run reports itself as `statistic`, for a `case`; of several values the worst",
}
#: What is held against the bound.
COMPARISONS: Mapping[str, str] = {
    "value": "the reading itself",
    "ratio": "the reading over the reference's",
    "relative_difference": "|reading - reference's| over |reference's|",
    "mean_relative_error": "the mean over the steps that both have of |value - reference's| over |reference's|",
    "difference_variance": "the variance over the steps that both have of value - reference's",
}
#: Bounds and what they ask.
BOUNDS: Mapping[str, str] = {"below": "<", "at_most": "<=", "above": ">", "at_least": ">="}
#: What several ranks' values of one step become.
RANKS: Mapping[str, str] = {
    "lead": "rank 0, else the lowest",
    "median": "the median of the ranks at each step",
    "mean": "the mean of the ranks at each step",
}
#: The conditions of a reported value.
CASES = ("subject", "input_len", "output_len", "concurrency", "batch_size", "request_rate")
#: Kinds of runs.
KINDS = ("training", "serving", "inference", "evaluation", "microbenchmark")
PHASES = ("train", "val", "test")
#: Readings that ask for the best stretch: while a window is still open, what is not reached may yet come.
SEARCHING = ("touch", "sustained", "smoothed")
#: Comparisons step by step, for which there must be a reference run.
STEPWISE = ("mean_relative_error", "difference_variance")
#: Comparisons with one number, be it of a reference run or given.
RELATING = ("ratio", "relative_difference")
#: Readings with `points`, and with `min_points`.
COUNTING = ("sustained", "smoothed", "mean_of_last")
AVERAGING = ("mean", "median")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a user may set.  Without a default: left out unless given, and ``required`` means it must be."""

    name: str
    type: str  #: number, whole or text
    text: str
    default: Value | None = None
    allowed: tuple[str, ...] = ()
    required: bool = False

    def read(self, text: str) -> Value:
        """A user's text as a value of this parameter.

        Raises:
            RecipeError: it is none.
        """
        try:
            value: Value = {"number": float, "whole": int, "text": str}[self.type](text)
        except ValueError:
            value = math.nan
        if isinstance(value, float) and not math.isfinite(value):
            kind = {"number": "a number", "whole": "a whole number"}[self.type]
            raise RecipeError(f"parameter {self.name}={text!r}: {kind} is needed ({self.text})")
        if self.allowed and value not in self.allowed:
            raise RecipeError(f"parameter {self.name}={text!r}: one of {', '.join(self.allowed)} ({self.text})")
        return value


@dataclass(frozen=True, slots=True)
class Source:
    """The document that a rule comes from, and the day of the text that was read."""

    document: str
    date: str


@dataclass(frozen=True, slots=True)
class Window:
    """Which points count: steps and hours inclusive, then ``drop_first`` and ``drop_last`` points left out."""

    from_step: int | None = None
    to_step: int | None = None
    from_hours: float | None = None
    to_hours: float | None = None
    drop_first: int = 0
    drop_last: int = 0


@dataclass(frozen=True, slots=True)
class Minimum:
    """What there must be at least, else nothing can be told; ``either``: steps or hours are enough."""

    steps: int | None = None
    hours: float | None = None
    either: bool = False
    repeats: int = 1


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that is measured and, with a bound, judged.

    ``series``: metrics or raw names, the first that a run has.  ``unset``: keys that were left out since nobody gave
    their parameter, with its name; ``needs``: those parameters that are required.
    """

    name: str
    series: tuple[str, ...]
    reading: str
    text: str = ""
    phase: str = "train"
    ranks: str = "lead"
    points: int = 1
    min_points: int = 1
    compare: str = "value"
    reference_value: float | None = None
    bound: tuple[str, float] | None = None
    window: Window = Window()
    statistic: str = "value"
    case: tuple[tuple[str, float | str], ...] = ()
    unset: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def condition(self) -> str:
        """The bound in words: ``< 0.0013``; empty where nothing is asked."""
        return f"{BOUNDS[self.bound[0]]} {self.bound[1]:g}" if self.bound else ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One version of one pass rule, its parameters filled in.

    ``kind``: of the runs that it judges unasked; ``models``: names or patterns of those that it is for, none: any.
    """

    name: str
    version: str
    benchmark: str
    kind: str
    title: str
    text: str
    source: Source
    parameters: tuple[Parameter, ...]
    minimum: Minimum
    criteria: tuple[Criterion, ...]
    path: str
    raw: Mapping[str, Any]
    given: Mapping[str, Value]
    models: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, Value]:
        """Every parameter that has a value."""
        every = {p.name: self.given.get(p.name, p.default) for p in self.parameters}
        return {name: value for name, value in every.items() if value is not None}
