"""Hugging Face's ``inference-benchmarker``: ``results/{tokenizer}_{time}.json``, and its table on the console.

``request_rate`` is the rate that was reached; ``total_tokens`` are generated tokens alone.  The inter-token latency is
the time from the first to the last token of a request over its tokens minus one.  The warm-up is left out.
``system`` is the host of the client.

Source: ``src/writers.rs``, ``src/results.rs``, ``src/table.rs``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json, number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Measurement, Run
from llmstats.training import microseconds

from ._boxtable import Row, tables
from ._samples_inference_benchmarker import JSON_SAMPLES, TEXT_SAMPLES
from ._serving import E2E, MS, SUM, TPOT, TTFT, Case, Meaning, decimals, measurement, numeric, statistic
from ._serving_names import RETOKENIZED
from ._serving_result import run_base

_SPEED = Meaning("output_tokens_per_second", f"output_tokens_per_second@{RETOKENIZED}")
_PLAIN = {
    "total_tokens": Meaning("output_tokens", f"output_tokens@{RETOKENIZED}", statistic=SUM),
    "total_tokens_sent": Meaning("input_tokens", statistic=SUM),
    "token_throughput_secs": _SPEED,
    "duration_ms": Meaning("benchmark_duration", factor=MS),
    "failed_requests": Meaning("failed_requests"),
    "successful_requests": Meaning("completed_requests"),
    "request_rate": Meaning("requests_per_second"),
}
_TIMES = {
    "time_to_first_token_ms": Meaning("ttft", TTFT, MS),
    "inter_token_latency_ms": Meaning("tpot", TPOT, MS),
    "e2e_latency_ms": Meaning("e2e_latency", E2E, MS),
}
_WARMUP = "warmup"


class InferenceBenchmarker(DocumentParser):
    """One run per result (``throughput``, ``constant@1.50req/s``)."""

    name = "inference_benchmarker"
    version = 1
    title = "inference-benchmarker (Hugging Face): results/{tokenizer}_{time}.json"
    writes = "inference-benchmarker"
    samples = JSON_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if text.lstrip().startswith("{") and '"benchmark_kind"' in text and '"executor_type"' in text:
            return "keys benchmark_kind, executor_type"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        found = Json(text)
        results = found.value.get("results") if isinstance(found.value, dict) else None
        if not isinstance(results, list):
            raise ParseError("no list of results")
        for i, result in enumerate(results):
            if isinstance(result, dict) and result.get("id") != _WARMUP:
                yield from _result(place, found, i, result)


def _result(place: Place, found: Json, i: int, result: dict[str, Any]) -> Iterator[Item]:
    run = Run(f"{run_base(place)}/{result.get('id', i)}", place.directory(), kind="serving")
    case = _asked(run, found.value, result)
    for key, value in result.items():
        if key in _PLAIN:
            yield measurement(run.name, _PLAIN[key], value, key, found.line("results", i, key), case)
        elif key in _TIMES and isinstance(value, dict):
            for word, number_ in value.items():
                meaning = _TIMES[key].as_statistic(statistic(word) or word)
                yield measurement(run.name, meaning, number_, key, found.line("results", i, key, word), case)
    run.status = _status(numeric(result.get("successful_requests")), numeric(result.get("failed_requests")))
    yield run


def _status(done: float | None, failed: float | None) -> str | None:
    if done is None:
        return None
    return "failed" if not done or (failed or 0) > done else "completed"


def _asked(run: Run, document: dict[str, Any], result: dict[str, Any]) -> Case:
    config, own = document.get("config"), result.get("config")
    config = config if isinstance(config, dict) else {}
    own = own if isinstance(own, dict) else {}
    vus = numeric(own.get("max_vus")) if result.get("executor_type") == "ConstantVUs" else None
    case = Case(concurrency=vus, request_rate=numeric(own.get("rate")))
    case.input_len, case.output_len = (_length(config.get(key)) for key in ("prompt_options", "decode_options"))
    run.model = next((v for v in (config.get("model_name"), config.get("tokenizer")) if isinstance(v, str)), None)
    run.config = {k: v for k, v in (config | own).items() if isinstance(v, (str, int, float))}
    run.config["executor_type"] = result.get("executor_type")
    system = document.get("system")
    run.environment = {"benchmark": "inference-benchmarker"}
    if isinstance(system, dict):
        run.environment["client"] = {k: v for k, v in system.items() if isinstance(v, str)}
    run.started_at, run.ended_at = (_clock(document.get(key)) for key in ("start_time", "end_time"))
    return case


def _length(options: Any) -> float | None:
    return numeric(options.get("num_tokens")) if isinstance(options, dict) else None


def _clock(text: Any) -> int | None:
    return microseconds(text.replace("T", " ")[:26]) if isinstance(text, str) else None


_COLUMNS = {
    "QPS": Meaning("requests_per_second"),
    "E2E Latency (avg)": Meaning("e2e_latency", E2E, statistic="mean"),
    "TTFT (avg)": Meaning("ttft", TTFT, MS, "mean"),
    "ITL (avg)": Meaning("tpot", TPOT, MS, "mean"),
    "Throughput": _SPEED,
    "Prompt tokens per req (avg)": Meaning("input_tokens", statistic="mean"),
    "Decoded tokens per req (avg)": Meaning("output_tokens", f"output_tokens@{RETOKENIZED}", statistic="mean"),
}
_HEADER = re.compile(r"[│|] *Benchmark *[│|] *QPS *[│|] *E2E Latency \(avg\)")
_NUMBER = re.compile(r"[\d.]+(?=\s|$)")


class InferenceBenchmarkerText(DocumentParser):
    """One run per row of the table."""

    name = "inference_benchmarker_text"
    version = 1
    title = "inference-benchmarker's table on the console"
    writes = "inference-benchmarker"
    samples = TEXT_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "E2E Latency (avg)" in head.text and _HEADER.search(head.text):
            return "table Benchmark, QPS, E2E Latency (avg), …"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # what has no end may be cut
        asked: dict[str, str] = {}
        for table in tables(lines):
            if table.names == ["Parameter", "Value"]:
                asked = {row.cells[0]: row.cells[1] for row in table.rows if len(row.cells) == 2}
            elif table.names[:2] == ["Benchmark", "QPS"]:
                for row in table.rows:
                    if row.cells[0] != _WARMUP and len(row.cells) == len(table.names):
                        yield from _row(place, asked, table.names, row)


def _row(place: Place, asked: dict[str, str], names: list[str], row: Row) -> Iterator[Measurement | Run]:
    cells = dict(zip(names, row.cells, strict=True))
    run = Run(f"{run_base(place)}/{row.cells[0]}", place.directory(), kind="serving")
    run.environment, run.config = {"benchmark": "inference-benchmarker"}, dict(asked)
    rate = re.search(r"@([\d.]+)req/s", row.cells[0])
    case = Case(request_rate=float(rate[1]) if rate and number(rate[1]) is not None else None)
    for name, meaning in _COLUMNS.items():
        found = _NUMBER.match(cells.get(name, ""))
        if found:
            yield measurement(run.name, meaning, found[0], name, row.line, case, decimals(found[0]))
    done, _, total = cells.get("Successful Requests", "").partition("/")
    counts = number(done), number(total)
    if counts[0] is not None and counts[1] is not None:
        for what, value in (("completed_requests", counts[0]), ("failed_requests", counts[1] - counts[0])):
            item = measurement(run.name, Meaning(what), value, "Successful Requests", row.line, case)
            item.raw_value = cells["Successful Requests"]
            yield item
        run.status = _status(counts[0], counts[1] - counts[0])
    yield run
