"""The table that ``benchmark_all.py`` (both versions) of AIChipBenchmark writes: one row per cell.

Source: ``llm/Deepseek/benchmark_all.py`` of DeepLink-org/AIChipBenchmark.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping

from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Issue, Item
from llmstats.training import run_name

from ._llm_profile import PERCENTILES, SECTIONS, Cell, Value, cell_name, length_mode
from ._samples_llm_profile import CSV_SAMPLES

_HEADER = "input_len,output_len,backend,clients,request_num,Total QPS"
_CASE = ("input_len", "output_len", "clients")
_SINGLE = (
    "request_num",
    "Total QPS",
    "Avg Input Length",
    "Avg Output Length",
    "Total Throughput",
    "Input Throughput",
    "Output Throughput",
)
#: Tables of the first version, which knows one number of clients and does not name it in its logs.
_FIRST_VERSION = ("test_results.csv", "test_result.csv")
_LAST = "decode_token_time_P100"


class LLMProfileTable(DocumentParser):
    """One run per row; the same runs as the logs below ``log/``."""

    name = "llm_profile_csv"
    version = 2
    title = "test_results*.csv of benchmark_all.py (AIChipBenchmark)"
    writes = "benchmark_all.py"
    samples = CSV_SAMPLES

    def detect(self, head: Head) -> str | None:
        return f"header '{_HEADER},…'" if head.text.startswith(_HEADER) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        rows = _rows(text)
        unended = text.count("\n") + 1
        clients = {row["clients"] for line, row in rows if line != unended}
        named = not (place.name in _FIRST_VERSION and len(clients) <= 1)
        seen: Counter[str] = Counter()
        for line, row in rows:
            cell = _cell(place, row, line, named=named, half=line == unended)
            if isinstance(cell, Cell):
                cell.name, name = run_name(cell.name, seen[cell.name]), cell.name
                seen[name] += 1
                yield from cell.measurements(length_mode(cell))
                yield cell.run("llm_profile")
            elif line != unended:
                yield cell


def _rows(text: str) -> list[tuple[int, dict[str, str | None]]]:
    """Rows with the lines that they end on."""
    if not text.startswith(_HEADER):
        raise ParseError(f"the header is not '{_HEADER},…'")
    reader = csv.DictReader(io.StringIO(text))
    try:
        return [(reader.line_num, dict(row)) for row in reader]
    except csv.Error as why:
        raise ParseError(f"line {reader.line_num}: {why}") from None


def _cell(place: Place, row: Mapping[str, str | None], line: int, *, named: bool, half: bool) -> Cell | Issue:
    """A row as a cell; of a row without its newline the last number may be cut, and is left out."""
    try:
        input_len, output_len, clients = (float(row[k] or "") for k in _CASE)
        values = {k: _value(row, k, line) for k in _SINGLE}
        for name in SECTIONS.values():
            for p in PERCENTILES:
                column = f"{name}_P{p}"
                if row.get(column) is None:
                    raise KeyError(column)
                if not (half and column == _LAST):
                    values[f"{name} P{p}"] = _value(row, column, line)
    except (KeyError, ValueError) as why:
        return Issue(
            f"row of the table not understood: {why}",
            line,
            ",".join(str(v) for v in row.values() if v is not None)[:500],
        )
    name = cell_name(place.parent(), clients if named else None, input_len, output_len)
    return Cell(name, place.directory(), clients, input_len, output_len, values, row.get("backend") or "")


def _value(row: Mapping[str, str | None], column: str, line: int) -> Value:
    raw = row[column] or ""
    return Value(float(raw), raw, line)
