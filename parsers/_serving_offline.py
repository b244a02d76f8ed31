"""Results of benchmarks without a server: a few numbers, saved as a small object or printed as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmstats.parsing import Place
from llmstats.records import Item, Run

from ._serving import Case, Meaning, decimals, measurement, numeric
from ._serving_result import run_base

Printed = dict[str, tuple[str, int]]  # raw name -> text of the number, line


def case_in(config: Mapping[str, Any]) -> Case:
    """Conditions under the names that these programs give their arguments."""
    return Case(
        input_len=numeric(config.get("input_len")),
        output_len=numeric(config.get("output_len")),
        concurrency=numeric(config.get("concurrency")),
        batch_size=numeric(config.get("batch_size")),
    )


def offline_run(place: Place, framework: str | None, config: dict[str, Any], name: str = "") -> Run:
    run = Run(name or run_base(place), place.directory(), kind="inference", framework=framework, status="completed")
    run.config = {key: value for key, value in config.items() if value is not None}
    if isinstance(config.get("model"), str):
        run.model = config["model"]
    if isinstance(config.get("dataset_name"), str):
        run.dataset = config["dataset_name"]
    return run


def printed(run: Run, values: Printed, names: Mapping[str, Meaning]) -> Iterator[Item]:
    """Measurements of printed values, then the run."""
    case = case_in(run.config)
    for raw_name, (text, line) in values.items():
        precision = decimals(text) if "." in text else "full"
        yield measurement(run.name, names[raw_name], text, raw_name, line, case, precision)
    yield run
