"""OpenCompass: runs of a work directory, and what its scores are counted in.

Source: ``opencompass/summarizers/default.py``, ``opencompass/tasks/openicl_eval.py`` and ``opencompass/utils/abbr.py``
of open-compass/opencompass.  A run is one model of one work directory: ``{work_dir}/{YYYYmmdd_HHMMSS}/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from llmstats.documents import number
from llmstats.parsing import Place
from llmstats.records import FULL, Measurement, Run
from llmstats.training import microseconds

from ._evaluation import Score, share

FRAMEWORK = "opencompass"
STAMP = re.compile(r"\d{8}_\d{6}")
_JUDGE = re.compile(r"summary_\d{8}_\d{6}_by_(?P<judge>.+)")
#: A line of the program's logger, or of AISBench's of either age.
LINE = re.compile(
    r"(?:(?:\d\d/\d\d|\d{4}-\d\d-\d\d) \d\d:\d\d:\d\d(?:,\d+)? - (?:OpenCompass|AISBench) - (?P<level>[A-Z]+) - "
    r"|\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+\] \[ais_bench\] \[(?P<new>[A-Z]+)\] )"
)
LOGGERS = (" - OpenCompass - ", " - AISBench - ", "] [ais_bench] [")
HEADER = "dataset,version,metric,mode"

#: Averages over the datasets of a group, on the scale of the group's datasets.
_GROUPS = ("naive_average", "weighted_average", "harmonic_mean", "sum", "standard_deviation")
_REPEATED = re.compile(r"(?P<metric>.+) \((?P<runs>\d+) runs average\)")
#: Scores that the evaluators print as percentages, all of them; an F1 or a ROUGE is one of either.
_PERCENT = re.compile(r"accuracy|acc|(?:humaneval_)?pass@\d+|exact_match|extract_rate|G-Pass@\S+|mG-Pass@\S+")
_NAMED = {
    **{name: name for name in ("bleu", "rouge1", "rouge2", "rougeL", "bleurt_diff")},
    "correct_count": "correct_samples",
    "total_count": "evaluated_samples",
}


@dataclass(slots=True)
class Model:
    """A run: one model of a work directory.

    The version of a prompt and the mode are facts of the run (``config``), for the files that hold the full values do
    not know them, and a value must not be told twice.
    """

    name: str
    root: str
    abbreviation: str
    values: int = 0
    config: dict[str, Any] = field(default_factory=dict)
    judge: str | None = None  #: the model that gave the scores; the same answers may have several
    framework: str = FRAMEWORK

    def measurement(self, dataset: str, metric: str, raw: str, line: int, precision: str = FULL) -> Measurement:
        """A score, percentages as fractions; ``-`` is none."""
        score, conditions, statistic = meaning(metric)
        if self.judge:
            conditions = {**conditions, "judge": self.judge}
        value = number(raw)
        self.values += value is not None
        return Measurement(
            run=self.name,
            metric=score.metric,
            value=None if value is None else value * score.factor,
            statistic=statistic,
            raw_name=metric,
            raw_value=raw,
            definition=score.definition,
            subject=dataset,
            conditions=conditions,
            precision=precision,
            line=line,
        )

    def run(self) -> Run:
        """The run; a model without a single score has failed."""
        run = Run(self.name, self.root, kind="evaluation", framework=self.framework, model=self.abbreviation)
        run.status = "completed" if self.values else "failed"
        run.started_at = stamp(self.name)
        run.config |= self.config
        return run


def meaning(metric: str) -> tuple[Score, dict[str, Any], str]:
    """Canonical meaning of a score, its further conditions, and its statistic."""
    if repeated := _REPEATED.fullmatch(metric):
        score, _, _ = meaning(repeated["metric"])
        return score, {"runs": int(repeated["runs"])}, "mean"
    if metric in _GROUPS:
        return Score("score", definition=f"score@{metric}"), {}, "value"
    if _PERCENT.fullmatch(metric):
        return Score(share(metric) or metric, 0.01), {}, "value"
    if metric == "score":
        return Score("score", definition="score@opencompass"), {}, "value"
    if share(metric):
        return Score("score", definition="score@opencompass"), {"of": metric}, "value"
    return Score(_NAMED.get(metric, metric)), {}, "value"


def known(metrics: Iterable[str]) -> bool:
    """Whether one of the names is a score of the program's own evaluators."""
    return any(metric in _NAMED or metric in ("score", *_GROUPS) or _PERCENT.fullmatch(metric) for metric in metrics)


# --------------------------------------------------------------------------- which run a file speaks of


def stamp(text: str) -> int | None:
    """Start of the program as the first stamp says it, in microseconds."""
    found = STAMP.search(text)
    if not found:
        return None
    s = found[0]
    return microseconds(f"{s[:4]}-{s[4:6]}-{s[6:8]} {s[9:11]}:{s[11:13]}:{s[13:]}")


def of_summary(place: Place, abbreviation: str) -> Model:
    """The run of a column of a summary: of the work directory where it lies in one, else of the summary itself."""
    judged = _JUDGE.fullmatch(place.stem)
    judge = judged["judge"] if judged else None
    if place.parent() == "summary":
        name = "/".join(p for p in (place.parent(2), abbreviation) if p)
        return Model(name, place.directory(2), abbreviation, judge=judge)
    name = "/".join(p for p in (place.parent(), place.stem, abbreviation) if p)
    return Model(name, place.directory(), abbreviation, judge=judge)


def of_task(place: Place, up: int, abbreviation: str) -> Model:
    """The run of a file of one task, ``up`` levels below the work directory."""
    name = "/".join(p for p in (place.parent(up), abbreviation) if p)
    return Model(name, place.directory(up), abbreviation)
