"""ModelTest's tables of performance: ``*_result.csv``, ``*_formatted_result.csv`` and those of performance_maxbs.

Source: ``base/model_test.py`` (``__run_performance``) and ``base/utils.py``.  Cells are padded texts.  The two columns
"… Average" hold the mean over all cases and stand in the last row only; in the row of a failed case they slip to
the left, behind the message.  ``base/utils.py`` joins the tables of all batch sizes that performance_maxbs tried
(``_round_result``) and of those it chose (``_final_result``) by positions of the former layout of 11 columns: with
12 columns the two behind "Non-first token Throughput" hold nothing, or a latency under the name of a throughput.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from llmstats.documents import Row, number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Event, Issue, Item, Measurement, Run

from ._mindie import (
    BATCH_WALL,
    DECODE_RATE,
    MS,
    OUTPUT_RATE,
    PREFILL,
    PREFILL_SHARE,
    TPOT,
    Tree,
    fingerprint,
    run_of,
    table_rows,
    tree_of,
    values,
)
from ._samples_mindie import PERFORMANCE_SAMPLES
from ._serving import Case, Meaning, measurement

_HEADER = re.compile(r"Model *[,|]Batchsize *[,|]In_seq *[,|]Out_seq *[,|]Total time\(s\) *[,|]")
_CASE = ("Model", "Batchsize", "In_seq", "Out_seq")
_TOTAL = "Total time(s)"
_MEANINGS = {
    _TOTAL: Meaning("e2e_batch_latency", BATCH_WALL),
    "Prefill all time(ms)": Meaning("prefill_time", PREFILL, MS),
    "First token time(ms)": Meaning("prefill_time", PREFILL, MS),
    "Prefill average time(ms)": Meaning("prefill_time_per_request", PREFILL_SHARE, MS),
    "Non-first token time(ms)": Meaning("tpot", TPOT, MS),
    "Non-first token Throughput(Tokens/s)": Meaning("decode_tokens_per_second", DECODE_RATE),
    "Throughput(Tokens/s)": Meaning("output_tokens_per_second", OUTPUT_RATE),
    "E2E Throughput(Tokens/s)": Meaning("output_tokens_per_second", OUTPUT_RATE),
}
_AVERAGES = {
    "Non-first token Throughput Average(Tokens/s)": Meaning("decode_tokens_per_second", DECODE_RATE, 1.0, "mean"),
    "E2E Throughput Average(Tokens/s)": Meaning("output_tokens_per_second", OUTPUT_RATE, 1.0, "mean"),
}
_JOINED = re.compile(r"performance_maxbs_(?P<engine>pa|fa)_(?:\d+_\d+_)?tp(?P<world>\d+)_(?P<kind>round|final)")


class MindIEPerformance(DocumentParser):
    """One run per file and batch size; both forms of a table, and the joined ones, speak of the same runs."""

    name = "mindie_performance"
    version = 1
    title = "MindIE ModelTest: performance tables (CSV and '|'), also round and final ones of performance_maxbs"
    writes = "MindIE ModelTest"
    samples = PERFORMANCE_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "Batchsize" in head.text and _HEADER.match(head.text):
            return "header 'Model, Batchsize, In_seq, Out_seq, Total time(s) …'"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        match = _HEADER.match(text)
        if not match:
            raise ParseError("the header is not 'Model, Batchsize, In_seq, Out_seq, Total time(s) …'")
        rows = table_rows(text, "|" if "|" in match[0] else ",")
        tree = tree_of(place)
        joined = _JOINED.fullmatch(tree.case)
        read = _joined(place, tree, rows, joined) if joined else _single(place, tree, rows)
        yield from read


# --------------------------------------------------------------------------- rows


def _cells(header: list[str], row: Row) -> dict[str, str]:
    return dict(zip(header, row.cells, strict=False))


def _case(cells: dict[str, str]) -> Case:
    batch, input_len, output_len = (number(cells.get(key, "")) for key in _CASE[1:])
    return Case(input_len=input_len, output_len=output_len, batch_size=batch)


def _failed(cells: dict[str, str]) -> bool:
    """Whether a row holds a message where its first number should stand."""
    return number(cells.get(_TOTAL, "")) is None


def _row(run: str, cells: dict[str, str], line: int) -> Iterator[Measurement]:
    given = {k: v for k, v in cells.items() if k and k not in _CASE and k not in _AVERAGES}
    yield from values(run, _MEANINGS, given, line, _case(cells))


def _averages(run: str, row: Row, cells: dict[str, str]) -> Iterator[Measurement]:
    """Means over all cases of the file; behind the message of a failed row they stand at other places."""
    batch = Case(batch_size=_case(cells).batch_size)
    raws = row.cells[5:7] if _failed(cells) else [cells.get(column, "") for column in _AVERAGES]
    for (column, meaning), raw in zip(_AVERAGES.items(), raws, strict=False):
        known = number(raw)
        if known is not None and not (_failed(cells) and known == 0):  # 0.0: no case passed
            yield measurement(run, meaning, raw, column, row.line, batch)


def _message(run: str, row: Row, cells: dict[str, str]) -> Event:
    what = cells.get(_TOTAL, "")
    kind = "oom" if "out of memory" in what.lower() else "error"
    where = f"batch {cells.get('Batchsize')}, {cells.get('In_seq')} + {cells.get('Out_seq')}"
    return Event(run, kind, f"{where}: {what}"[:2000], row.line)


# --------------------------------------------------------------------------- files


def _single(place: Place, tree: Tree, rows: list[Row]) -> Iterator[Item]:
    """Rows of one batch size: a case each; the test stops at the first that fails."""
    run = run_of(place, tree, "inference")
    header = rows[0].cells
    cells: dict[str, str] = {}
    for row in rows[1:]:
        cells = _cells(header, row)
        yield from _learn(run, row, cells)
    if cells:
        yield from _averages(run.name, rows[-1], cells)
    if len(rows) > 1:
        run.status = "failed" if _failed(cells) else "completed"
    yield run


def _learn(run: Run, row: Row, cells: dict[str, str]) -> Iterator[Item]:
    """Items of one row; model, and what the log of the same test holds too."""
    run.model = cells.get("Model") or run.model
    if _failed(cells):
        yield _message(run.name, row, cells)
        return
    yield from _row(run.name, cells, row.line)
    total = number(cells[_TOTAL])
    if run.fingerprint is None and total is not None:
        case = _case(cells)
        run.fingerprint = fingerprint(case.batch_size, case.input_len, case.output_len, total)


def _joined(place: Place, tree: Tree, rows: list[Row], joined: re.Match[str]) -> Iterator[Item]:
    """Rows of many batch sizes, each told as the table of its own batch size tells it; averages left out."""
    header = rows[0].cells
    known: dict[str, Run] = {}
    for row in rows[1:]:
        cells = _cells(header, row)
        run = run_of(place, _own(tree, cells, joined), "inference")
        yield from _learn(run, row, {k: v for k, v in cells.items() if k not in _broken(header)})
        run.status = "failed" if _failed(cells) else "completed"
        if joined["kind"] == "final" and not _failed(cells):
            yield _largest(run.name, row, cells)
        known[run.name] = run
    yield Issue(f"left out, written by wrong positions: {', '.join(sorted(_broken(header)))}", 1, suspect=False)
    yield from known.values()


def _own(tree: Tree, cells: dict[str, str], joined: re.Match[str]) -> Tree:
    """Where the table of one row's own batch size lies."""
    sizes = f"{cells.get('In_seq')}_{cells.get('Out_seq')}_batch{cells.get('Batchsize')}"
    case = f"performance_maxbs_{joined['engine']}_{sizes}_tp{joined['world']}"
    return tree._replace(case=case, world_size=int(joined["world"]))


def _broken(header: list[str]) -> set[str]:
    """Columns that joining empties or overwrites: the tenth and eleventh, and all means."""
    return {*header[9:11], *_AVERAGES} - {""}


def _largest(run: str, row: Row, cells: dict[str, str]) -> Measurement:
    case = replace(_case(cells), batch_size=None)
    return measurement(run, Meaning("max_batch_size"), cells["Batchsize"], "Batchsize", row.line, case)
