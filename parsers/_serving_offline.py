"""Results of benchmarks without a server: a few numbers, saved as a small object or printed as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmstats.parsing import Place
from llmstats.records import Item, Run

from ._serving import SUM, Case, Meaning, decimals, measurement, numeric
from ._serving_result import run_base

#: Keys of ``vllm bench throughput``, and labels that it prints.
THROUGHPUT = {
    "elapsed_time": Meaning("benchmark_duration"),
    "num_requests": Meaning("completed_requests"),
    "total_num_tokens": Meaning("total_tokens", "total_tokens@prompt_and_output"),
    "requests_per_second": Meaning("requests_per_second"),
    "tokens_per_second": Meaning("total_tokens_per_second", "total_tokens_per_second@offline"),
    "output_tokens_per_second": Meaning("output_tokens_per_second", "output_tokens_per_second@offline"),
    "Total num prompt tokens": Meaning("input_tokens", statistic=SUM),
    "Total num output tokens": Meaning("output_tokens", statistic=SUM),
}
BATCH_LATENCY = Meaning("e2e_batch_latency", "e2e_batch_latency@generate_call")

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


def throughput_print(requests: Any, tokens: Any) -> str | None:
    """The same for the printed line and the saved file of one measurement: rounded as the line is."""
    if not isinstance(requests, (int, float)) or not isinstance(tokens, (int, float)) or not requests or not tokens:
        return None
    return f"vllm_throughput:{requests:.2f}:{tokens:.2f}"


def latency_print(average: Any) -> str | None:
    """Only a measured time has so many digits."""
    return f"vllm_latency:{average!r}" if isinstance(average, float) and average else None


def printed(run: Run, values: Printed, names: Mapping[str, Meaning]) -> Iterator[Item]:
    """Measurements of printed values, then the run."""
    case = case_in(run.config)
    for raw_name, (text, line) in values.items():
        precision = decimals(text) if "." in text else "full"
        meaning = names.get(raw_name, Meaning(raw_name))
        yield measurement(run.name, meaning, text, raw_name, line, case, precision)
    yield run
