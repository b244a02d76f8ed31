"""The JSON object of an evaluation, of all versions; also where a program prints it into its log."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from llmstats.documents import Json, number
from llmstats.errors import ParseError
from llmstats.records import Item, Measurement, Run

from ._lm_eval import Evaluation, Value, asked, dtype, raw_text, settle, spelled
from ._serving import numeric

_STDERR = re.compile(r'"[^"\n]{1,120}_stderr(?:,[^"\n]{1,80})?"\s*:')
_RESULTS = re.compile(r'"results"\s*:\s*[\[{]')
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_CONFIG = re.compile(r'"(?:bootstrap_iters|num_fewshot|n-shot)"\s*:')
#: Keys of a task that are no scores.
_WORDS = frozenset(("name", "alias", "sample_len", "sample_count", "task_name", "prompt_name", "dataset_name"))

_GPU = re.compile(r"^GPU \d+: (.+?)(?: \(UUID.*)?$", re.M)
_ENVIRONMENT = {
    "pytorch": re.compile(r"^PyTorch version: (\S+)$", re.M),
    "os": re.compile(r"^OS: (.+)$", re.M),
    "python": re.compile(r"^Python version: (\S+)", re.M),
    "cuda": re.compile(r"^CUDA runtime version: (\S+)$", re.M),
    "driver": re.compile(r"^Nvidia driver version: (\S+)$", re.M),
}
_VERSIONS = ("lm_eval_version", "transformers_version", "git_hash")


def looks_like_result(text: str) -> bool:
    """Whether a text begins like the object; a head may end long before its last keys."""
    found = _RESULTS.search(text) if '"results"' in text else None
    if found is None or not _outermost(text[: found.start()]):
        return False
    return bool(_STDERR.search(text) or ('"versions"' in text and _CONFIG.search(text)))


def _outermost(before: str) -> bool:
    """Whether only the object itself is open behind the beginning of a JSON text."""
    plain = _TEXT.sub("", before)
    return plain.count("{") - plain.count("}") == 1 and plain.count("[") == plain.count("]")


def result_items(document: Json, name: str, root: str) -> Iterator[Item]:
    """Items of one result.

    Raises:
        ParseError: not the object of an evaluation.
    """
    said = document.value
    if not isinstance(said, dict) or not isinstance(said.get("results"), (dict, list)):
        raise ParseError("no results in it")
    evaluation = Evaluation(name, root)
    config = _mapping(said, "config")
    evaluation.versions = _mapping(said, "versions")
    evaluation.shots, evaluation.all_shots = _mapping(said, "n-shot"), config.get("num_fewshot")
    evaluation.directions = _mapping(said, "higher_is_better")
    evaluation.limit, evaluation.model_args = config.get("limit"), spelled(config.get("model_args"))
    evaluation.values = list(_values(document))
    yield from evaluation.measurements()
    yield from _counts(document, name)
    yield from _time(document, name)
    yield settle(_run(said, config, name, root), evaluation)


def _mapping(said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = said.get(key)
    return found if isinstance(found, dict) else {}


# --------------------------------------------------------------------------- values


def _values(document: Json) -> Iterator[Value]:
    """Values of all tasks; a group that stands in ``results`` too is told once."""
    results = document.value["results"]
    if isinstance(results, list):
        for i, row in enumerate(results):
            if isinstance(row, dict):
                yield from _task(document, ("results", i), _listed_name(row), row)
        return
    for section, rows in (("results", results), ("groups", _mapping(document.value, "groups"))):
        for task, row in rows.items():
            if isinstance(row, dict) and (section == "results" or task not in results):
                yield from _task(document, (section, task), task, row)


def _listed_name(row: Mapping[str, Any]) -> str:
    """Name of a listed task: with its prompt, as ``versions`` names it."""
    return "+".join(str(row[key]) for key in ("task_name", "prompt_name") if row.get(key))


def _task(document: Json, path: tuple[str | int, ...], task: str, row: Mapping[str, Any]) -> Iterator[Value]:
    for key, value in row.items():
        metric, _, chosen = key.partition(",")
        plain = None if metric in _WORDS or isinstance(value, str) else numeric(value)
        if plain is None:
            continue
        base = metric.removesuffix("_stderr")
        line = document.line(*path, key)
        yield Value(task, base, chosen, plain, raw_text(value), line, stderr=base != metric)


def _counts(document: Json, run: str) -> Iterator[Measurement]:
    """How many documents each task had and how many were asked."""
    for task, counts in _mapping(document.value, "n-samples").items():
        asked_for = numeric(counts.get("effective")) if isinstance(counts, dict) else None
        if asked_for is not None:
            yield _measured(run, "evaluated_samples", asked_for, "effective", task, document.line("n-samples", task))


def _time(document: Json, run: str) -> Iterator[Measurement]:
    """The time of the evaluation, a text of seconds."""
    key = "total_evaluation_time_seconds"
    said = document.value.get(key)
    seconds = number(said) if isinstance(said, str) else None
    if seconds is not None:
        yield _measured(run, "run_time", seconds, key, None, document.line(key))


def _measured(run: str, metric: str, value: float, raw_name: str, subject: str | None, line: int) -> Measurement:
    return Measurement(run, metric, value, raw_name=raw_name, raw_value=f"{value:g}", subject=subject, line=line)


# --------------------------------------------------------------------------- facts


def _run(said: Mapping[str, Any], config: Mapping[str, Any], name: str, root: str) -> Run:
    run = Run(name, root, kind="evaluation")
    if isinstance(said.get("model_name"), str):
        run.model = said["model_name"] or None
    asked(run, config.get("model"), config.get("model_args"))
    if run.precision is None and isinstance(config.get("model_dtype"), str):
        run.precision = dtype(config["model_dtype"])
    for key in ("batch_size", "gen_kwargs", "model_num_parameters", "model_sha", "num_fewshot"):
        if config.get(key) not in (None, ""):
            run.config[key] = config[key]
    if isinstance(said.get("date"), (int, float)) and abs(said["date"]) < _YEAR_3000:
        run.started_at = int(said["date"] * 1_000_000)
    _environment(run, said)
    return run


_YEAR_3000 = 32_503_680_000


def _environment(run: Run, said: Mapping[str, Any]) -> None:
    run.environment |= {key: said[key] for key in _VERSIONS if isinstance(said.get(key), str) and said[key]}
    text = said.get("pretty_env_info")
    if not isinstance(text, str):
        return
    found = {key: pattern.search(text) for key, pattern in _ENVIRONMENT.items()}
    run.environment |= {key: match[1] for key, match in found.items() if match and match[1] != "Could"}
    devices = _GPU.findall(text)
    if devices:
        run.environment["visible_devices"] = devices
        run.device = devices[0] if len(set(devices)) == 1 else None
