"""lm-evaluation-harness: what a result, its printed table and its samples have in common.

Source: ``lm_eval/loggers/evaluation_tracker.py``, ``evaluator.py`` and ``utils.py`` (``make_table``) of
EleutherAI/lm-evaluation-harness, v0.2 to v0.4.x; bigscience's fork lists its results instead of naming them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from llmstats.documents import number
from llmstats.records import FULL, Measurement, Run

from ._evaluation import Score, share
from ._literals import read_literal

FRAMEWORK = "lm-evaluation-harness"

#: Scores that are no shares, by the names of both schemas.
_OTHERS = {
    "ppl": Score("perplexity", definition="perplexity@target"),
    "perplexity": Score("perplexity", definition="perplexity@target"),
    "word_perplexity": Score("word_perplexity"),
    "byte_perplexity": Score("byte_perplexity"),
    "bits_per_byte": Score("bits_per_byte"),
    "mcc": Score("matthews_correlation"),
    "likelihood_difference": Score("likelihood_difference"),
    "likelihood_diff": Score("likelihood_difference"),
    "percent_parseable": Score("parseable_rate", 0.01),
}
#: Scores whose names are the catalogue's already.
_SAME = frozenset(("bleu", "chrf", "ter", "rouge1", "rouge2", "rougeL", "brier_score", "bleu_diff", "rouge1_diff"))
#: Metrics of SQuAD v2 are the percentages of its official script.
_PERCENT_TASK = re.compile(r"squad_?v2")


class Value(NamedTuple):
    """One number of a task: metric and filter as written (``exact_match``, ``strict-match``), value or its error."""

    task: str
    metric: str
    filter: str
    number: float
    raw: str
    line: int
    stderr: bool = False
    precision: str = FULL


@dataclass(slots=True)
class Evaluation:
    """One evaluation: its values, and what was asked of the model."""

    name: str
    root: str
    values: list[Value] = field(default_factory=list)
    versions: Mapping[str, Any] = field(default_factory=dict)
    shots: Mapping[str, Any] = field(default_factory=dict)
    all_shots: Any = None  #: what the older versions say once for all tasks
    limit: Any = None
    model_args: str = ""
    directions: Mapping[str, Any] = field(default_factory=dict)  #: ``higher_is_better`` by task
    percent: bool = False  #: shares are percentages, as people make tables of them

    def measurements(self) -> Iterator[Measurement]:
        """All values in canonical names and units."""
        for value in self.values:
            yield self._measurement(value)

    def _measurement(self, value: Value) -> Measurement:
        score = meaning(value.metric, value.task)
        scale = 0.01 if self.percent and share(value.metric) and score.factor == 1.0 else 1.0
        return Measurement(
            run=self.name,
            metric=score.metric,
            value=value.number * score.factor * scale,
            statistic="stderr" if value.stderr else "value",
            raw_name=f"{value.metric}{'_stderr' * value.stderr}{',' * bool(value.filter)}{value.filter}",
            raw_value=value.raw,
            definition=score.definition,
            subject=value.task,
            conditions=self._conditions(value, known=score.metric != value.metric),
            precision=value.precision,
            line=value.line,
        )

    def _conditions(self, value: Value, *, known: bool) -> dict[str, Any]:
        """Filter, number of examples, version of the task; a limit means that the score is no full one."""
        shots = numeral(self.shots.get(value.task, self.all_shots))
        found = {
            "filter": value.filter or None,
            "n_shot": shots,
            "version": version(self.versions.get(value.task)),
            "limit": numeral(self.limit),
            "higher_is_better": None if known else self._direction(value),
        }
        return {key: given for key, given in found.items() if given is not None}

    def _direction(self, value: Value) -> bool | None:
        """Which way is better, for a score that only its task knows."""
        said = self.directions.get(value.task)
        way = said.get(value.metric) if isinstance(said, Mapping) and value.metric not in _SAME else None
        return way if isinstance(way, bool) else None

    def fingerprint(self) -> str | None:
        """What a result and its printed table (4 decimals) both show; None where nothing was measured."""
        shown = sorted(f"{v.task}|{v.metric}|{v.filter}|{v.number:.4f}" for v in self.values if not v.stderr)
        if not shown:
            return None
        digest = hashlib.sha256("\n".join([self.model_args, *shown]).encode()).hexdigest()
        return f"lm_eval:{digest[:32]}"


def meaning(metric: str, task: str) -> Score:
    """Canonical meaning of a score; one that nobody knows keeps its name and scale."""
    if metric in _OTHERS:
        return _OTHERS[metric]
    percent = 0.01 if _PERCENT_TASK.match(task) else 1.0
    known = share(metric)
    return Score(known, percent) if known else Score(metric)


def numeral(value: Any) -> int | float | None:
    """A count or a fraction as the file gives it, text or number; whole numbers without decimals."""
    plain = number(str(value)) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
    if plain is None:
        return None
    return int(plain) if plain.is_integer() else plain


def version(value: Any) -> str | None:
    """Version of a task, the same from JSON (``1.0``) and from a table (``1``)."""
    if value is None or isinstance(value, (dict, list)):
        return None
    text = str(value).strip()
    plain = number(text)
    if plain is not None and plain.is_integer():
        return str(int(plain))
    return None if text in ("", "N/A", "None", "null") else text


# --------------------------------------------------------------------------- what was asked of the model

_MODEL = ("pretrained", "model", "path", "model_name", "engine", "model_path")


def arguments(said: Any) -> dict[str, Any]:
    """Arguments of the model: ``pretrained=a,dtype=b`` in one text, or a dict as JSON or Python prints it."""
    if isinstance(said, str) and said.lstrip().startswith("{"):
        said = read_literal(said)
    if isinstance(said, Mapping):
        return {str(key): value for key, value in said.items()}
    if not isinstance(said, str):
        return {}
    pairs = (part.partition("=") for part in said.split(","))
    return {key.strip(): value.strip() for key, given, value in pairs if given}


def spelled(said: Any) -> str:
    """Arguments of the model as one text, however they were written."""
    return ",".join(f"{key}={value}" for key, value in arguments(said).items())


def asked(run: Run, backend: Any, said: Any) -> None:
    """Facts of a run from the kind of model and its arguments; large nested arguments (GPT-NeoX) are left out."""
    given = arguments(said)
    run.framework = FRAMEWORK
    if isinstance(backend, str):
        run.config["backend"] = backend
    run.model = next((str(given[key]) for key in _MODEL if given.get(key)), run.model)
    if isinstance(given.get("dtype"), str) and given["dtype"] != "auto":
        run.precision = dtype(given["dtype"])
    plain = {k: v for k, v in given.items() if isinstance(v, (str, int, float)) and len(str(v)) < _LONG}
    if plain and len(given) < _MANY:
        run.config["model_args"] = plain
    if len(given) >= _MANY:
        run.config["model_args"] = {k: plain[k] for k in ("iteration", "wandb_group", "load") if k in plain}


_LONG, _MANY = 300, 50


def dtype(text: str) -> str | None:
    """``torch.bfloat16`` as ``bfloat16``; None for an empty one."""
    return text.removeprefix("torch.") or None


def settle(run: Run, evaluation: Evaluation) -> Run:
    """A run whose values are known: finished where there are any."""
    run.status = "completed" if evaluation.values else "failed"
    run.fingerprint = evaluation.fingerprint()
    if numeral(evaluation.limit) is not None:
        run.config["limit"] = numeral(evaluation.limit)
    run.dataset = tasks(v.task for v in evaluation.values)
    return run


def tasks(names: Iterable[str]) -> str | None:
    """The task of an evaluation that has one only."""
    distinct = set(names)
    return distinct.pop() if len(distinct) == 1 else None


def raw_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
