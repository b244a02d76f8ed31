"""What the files of an MLPerf inference run share: LoadGen's summary and detail log, the power meter's log, accuracy.

``{division}/{submitter}/results/{system}/{model}/{scenario}/performance/run_1/`` holds LoadGen's files,
``…/performance/power/`` the meter's, ``…/accuracy/`` a run of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from llmstats.parsing import Place
from llmstats.records import Measurement, Run

_DIVISION = re.compile(r"(?:closed|open|network)(?:[-_].*)?$")
_ROUND = re.compile(r".*(?:results|round|submission)s?_?v?\d+\.\d+.*$")
_SCENARIOS = {"singlestream", "multistream", "server", "offline", "interactive"}
_MODES = ("performance", "accuracy")

E2E = "e2e_latency@loadgen"
#: Of a multi-stream query, which is done when its last sample is.
E2E_QUERY = "e2e_latency@loadgen_query"
TTFT = "ttft@loadgen"
TPOT = "tpot@excl_first"
_STATUS = {"VALID": "completed", "INVALID": "failed"}


def run_of(place: Place) -> Run:
    """The run that a file of it belongs to, by its path; elsewhere its directory."""
    parts = place.parts[:-1]
    modes = [i for i, part in enumerate(parts) if part in _MODES]
    if not modes:
        return _elsewhere(place, parts)
    mode = modes[-1]
    below = parts[mode + 1] if len(parts) > mode + 1 else ""
    run = below if below.startswith("run_") or below == "ranging" else "run_1"
    tail = [parts[mode], run] if parts[mode] == "performance" else [parts[mode]]
    kind = "inference" if parts[mode] == "performance" else "evaluation"
    found = Run("/".join([*_above(parts[:mode]), *tail]), place.directory(len(parts) - mode), kind=kind)
    found.model = _model(parts[:mode])
    return found


def _elsewhere(place: Place, parts: tuple[str, ...]) -> Run:
    """The directory, with model and scenario where it lies below them (``…/Offline/TEST01``, a harness' logs)."""
    if _model(parts):
        return Run("/".join(_above(parts)), place.directory(), kind="inference", model=_model(parts))
    directory = place.parent()
    return Run(directory or place.stem, place.directory() if directory else place.path, kind="inference")


def _above(parts: tuple[str, ...]) -> list[str]:
    """From the division on (with the round before it), ``results`` left out; else system, model and scenario."""
    divisions = [i for i, part in enumerate(parts) if _DIVISION.match(part)]
    if divisions:
        first = divisions[-1]
        rounds = [part for part in parts[max(first - 1, 0) : first] if _ROUND.match(part)]
        return [*rounds, *(part for part in parts[first:] if part != "results")]
    at = [i for i, part in enumerate(parts) if part.lower() in _SCENARIOS]
    return list(parts[max(at[-1] - 2, 0) :] if at else parts[-3:])


def _model(parts: tuple[str, ...]) -> str | None:
    """The directory above the scenario's: LoadGen itself knows no model."""
    at = [i for i, part in enumerate(parts) if part.lower() in _SCENARIOS]
    return parts[at[-1] - 1] if at and at[-1] else None


def judge(run: Run, verdict: str) -> None:
    """``VALID`` or ``INVALID``: whether the run counts."""
    run.status = _STATUS.get(verdict.strip().upper(), run.status)
    run.config["result"] = verdict.strip()


def latency(name: str) -> tuple[str, str, str] | None:
    """Metric, statistic and definition of a latency's name in the summary or the detail log, or None.

    ``99.00 percentile first token latency (ns)``, ``result_first_token_99.00_percentile_latency_ns``,
    ``Mean Time to Output Token (ns)``, ``90th percentile latency (ns)``, ``result_mean_query_latency_ns``.
    """
    text = name.lower().replace("_", " ")
    if "latency" not in text and "output token" not in text:
        return None
    percentile = re.search(r"(\d+(?:\.\d+)?)(?:th)?(?: first token)? percentile", text)
    simple = re.search(r"\b(min|max|mean)\b", text)
    if percentile:
        statistic = f"p{float(percentile[1]):g}"
    elif simple:
        statistic = simple[1]
    else:
        return None
    if "first token" in text:
        return "ttft", statistic, TTFT
    if "output token" in text:
        return "tpot", statistic, TPOT
    return "e2e_latency", statistic, E2E_QUERY if "query" in text else E2E


def seconds(run: str, meaning: tuple[str, str, str], raw_name: str, raw_value: str, line: int) -> Measurement:
    """A latency that the file gives in nanoseconds."""
    metric, statistic, definition = meaning
    value = float(raw_value) / 1e9
    return Measurement(
        run,
        metric,
        value,
        statistic,
        raw_name,
        raw_value,
        definition=definition,
        precision=decimals(raw_value),
        line=line,
    )


def plain(run: str, metric: str, definition: str | None, raw_name: str, raw_value: str, line: int) -> Measurement:
    return Measurement(
        run,
        metric,
        float(raw_value),
        raw_name=raw_name,
        raw_value=raw_value,
        definition=definition,
        precision=decimals(raw_value),
        line=line,
    )


def decimals(text: str) -> str:
    """Precision of a number as it is written."""
    return "full" if "e" in text.lower() else str(len(text.partition(".")[2]))


def offered(run: Run, found: Iterable[Measurement]) -> Iterator[Measurement]:
    """The measurements under the rate at which LoadGen offered requests, which only the server scenario does."""
    scenario = str(run.config.get("scenario", run.config.get("Scenario", "")))
    rate = run.config.get("target_qps")
    for measurement in found:
        if scenario.startswith("Server") and isinstance(rate, (int, float)):
            measurement.request_rate = float(rate)
        yield measurement


def parameter(run: Run, key: str, value: Any) -> None:
    """A setting of the test, under the summary's name for it."""
    if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        value = int(value)
    elif isinstance(value, str) and re.fullmatch(r"-?\d+\.\d+(?:e[-+]?\d+)?", value):
        value = float(value)
    run.config[key] = value
