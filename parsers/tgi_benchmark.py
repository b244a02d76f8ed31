"""Tables that ``text-generation-benchmark`` of Hugging Face's TGI prints: static batches on a server of its own.

A cell that equals the one above it is left blank.  Prefill throughput, in ``tokens/secs`` always, counted one token
per request until 1.3 and counts the prompts' tokens since; which of the two the values themselves tell.

Source: ``benchmark/src/table.rs`` and ``generation.rs`` of text-generation-inference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from llmstats.documents import number
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Measurement, Run
from llmstats.training import run_name

from ._boxtable import Row, Table, tables
from ._samples_tgi_benchmark import SAMPLES
from ._serving import MS, Case, Meaning, measurement, numeric
from ._serving_result import run_base

_HEADER = re.compile(r"[|│] *Step *[|│] *Batch Size *[|│] *Average *[|│] *Lowest *[|│]")
_LATENCIES = {
    "Prefill": Meaning("prefill_time", "prefill_time@prefill_step", MS),
    "Decode (token)": Meaning("tpot", "tpot@decode_step", MS),
    "Decode (total)": Meaning("decode_time", "decode_time@all_steps", MS),
}
_SPEEDS = {
    "Prefill": Meaning("prefill_tokens_per_second", "prefill_tokens_per_second@batch_over_prefill_step"),
    "Decode": Meaning("decode_tokens_per_second", "decode_tokens_per_second@batch_over_step"),
}
_EARLY = Meaning("prefill_tokens_per_second", "prefill_tokens_per_second@requests_over_prefill_step")
_WORDS = {"Average": "mean", "Lowest": "min", "Highest": "max", "p50": "p50", "p90": "p90", "p99": "p99"}


@dataclass(slots=True)
class _Benchmark:
    """One call of the program."""

    run: Run
    case: Case = field(default_factory=Case)
    prefill: dict[str, float] = field(default_factory=dict)  #: mean seconds by batch size
    items: list[Measurement] = field(default_factory=list)


class TGIBenchmark(DocumentParser):
    """One run per group of tables; batch sizes are its cases."""

    name = "tgi_benchmark"
    version = 1
    title = "text-generation-benchmark (TGI): tables on the console"
    writes = "text-generation-inference"
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        found = _HEADER.search(head.text) if "Batch Size" in head.text else None
        return "table Step, Batch Size, Average, Lowest, …" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # what has no end may be cut
        found: list[_Benchmark] = []
        opened = False  # by a table of parameters, which the latencies follow
        for table in tables(lines):
            is_parameters, is_latency = table.names == ["Parameter", "Value"], "p50" in table.names
            if is_parameters or (table.names[:2] == ["Step", "Batch Size"] and is_latency and not opened) or not found:
                run = Run(run_name(run_base(place), len(found)), place.directory(), kind="inference")
                run.environment["benchmark"] = "text-generation-benchmark"
                found.append(_Benchmark(run))
            if is_parameters:
                _asked(found[-1], table)
            elif table.names[:2] == ["Step", "Batch Size"]:
                _read(found[-1], table, _LATENCIES if is_latency else _SPEEDS)
            opened = is_parameters
        for benchmark in found:
            if benchmark.items:
                benchmark.run.status = "completed"
                yield from benchmark.items
                yield benchmark.run


def _asked(benchmark: _Benchmark, table: Table) -> None:
    values = {row.cells[0]: row.cells[1] for row in table.rows if len(row.cells) == 2 and row.cells[1] != "None"}
    run, case = benchmark.run, benchmark.case
    run.model = values.get("Model")
    run.config = {key.lower().replace(" ", "_"): value for key, value in values.items() if key != "Model"}
    case.input_len, case.output_len = (number(values.get(f"{what} Length", "")) for what in ("Sequence", "Decode"))


def _read(benchmark: _Benchmark, table: Table, meanings: dict[str, Meaning]) -> None:
    above: Sequence[str] = ()
    for row in table.rows:
        cells = [cell or before for cell, before in zip(row.cells, above or row.cells, strict=False)]
        above = cells
        meaning = meanings.get(cells[0])
        if meaning is not None and len(cells) == len(table.names):
            _values(benchmark, Row(row.line, cells), table.names, meaning)


def _values(benchmark: _Benchmark, row: Row, names: Sequence[str], meaning: Meaning) -> None:
    step, batch = row.cells[:2]
    case = Case(benchmark.case.input_len, benchmark.case.output_len, batch_size=numeric(batch))
    mean = number(row.cells[2].partition(" ")[0])
    if meaning.metric == "prefill_time" and mean is not None:
        benchmark.prefill[batch] = mean * MS
    if meaning is _SPEEDS["Prefill"] and _is_early(mean, benchmark.prefill.get(batch), numeric(batch)):
        meaning = _EARLY
    for name, cell in zip(names[2:], row.cells[2:], strict=True):
        value = cell.partition(" ")[0]
        if name in _WORDS and number(value) is not None:
            stat = meaning.as_statistic(_WORDS[name])
            benchmark.items.append(measurement(benchmark.run.name, stat, value, step, row.line, case, "2"))


def _is_early(speed: float | None, seconds: float | None, batch: float | None) -> bool:
    """Whether a prefill of this time at this throughput made one token per request."""
    return bool(speed and seconds and batch) and speed * seconds < 1.5 * batch  # type: ignore[operator]
