"""The summary of OpenCompass: a table with one column per model, and (in its text form) the full values.

AISBench's has a column with the number of questions in front of them where its data sets say it, and counts of the
right ones behind a score: ``82.00 (7/8)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from llmstats.errors import ParseError
from llmstats.parsing import Place
from llmstats.records import Event, Item, Measurement

from ._evaluation import is_bar
from ._literals import read_repr
from ._opencompass import HEADER, Model, of_summary

_MODEL = re.compile(r"Model: (?P<model>\S.*)")
_RAW = re.compile(r"(?P<dataset>\S.*?): (?P<result>\{.*\})\s*$")
_COLUMNS = 4
_TOTAL = "total_count"
_COUNTED = re.compile(r"(?P<score>\S+) \((?P<right>\d+)/(?P<all>\d+)\)")

Key = tuple[str, str]


class Row(NamedTuple):
    """One row of the table: what was asked, and the cell of each model; ``-`` where nothing is known."""

    line: int
    dataset: str
    version: str
    metric: str
    mode: str
    cells: list[str]


class Table(NamedTuple):
    models: list[str]
    rows: list[Row]

    def config(self) -> dict[str, Any]:
        """Version of the prompt and mode of each dataset."""
        versions = {row.dataset: row.version for row in self.rows if row.version != "-"}
        modes = {row.dataset: row.mode for row in self.rows if row.mode != "-"}
        return {"prompt_versions": versions, "modes": modes}


def models_of(header: list[str]) -> list[str]:
    """Names of the models behind the first columns.

    Raises:
        ParseError: the header of another table, or no model in it.
    """
    models = header[_COLUMNS:]
    models = models[1:] if models[:1] == [_TOTAL] else models
    if header[:_COLUMNS] != HEADER.split(",") or not models:
        raise ParseError(f"the header is not '{HEADER},…' with models behind it")
    return models


def row_of(line: int, cells: list[str], models: int) -> Row:
    """A row with the cells of so many models at its end."""
    dataset, version, metric, mode = cells[:_COLUMNS]
    return Row(line, dataset, version, metric, mode, cells[-models:])


def read_table(lines: list[str], first: int) -> Table:
    """The comma-separated table that begins at ``lines[first]``; there is no quoting.

    Raises:
        ParseError: no such table, or a row with another number of cells.
    """
    header = [cell.strip() for cell in lines[first].split(",")]
    models = models_of(header)
    rows = []
    for number, text in enumerate(lines[first + 1 :], first + 2):
        if is_bar(text):
            continue
        cells = [cell.strip() for cell in text.split(",")]
        if not text.strip() or text.startswith("$"):
            break
        if len(cells) != len(header):
            raise ParseError(f"line {number}: {len(cells)} cells, not {len(header)}")
        rows.append(row_of(number, cells, len(models)))
    return Table(models, rows)


def table_items(place: Place, table: Table) -> Iterator[Item]:
    """Items of the table alone."""
    for column, name in enumerate(table.models):
        model = of_summary(place, name)
        model.config = table.config()
        for row in table.rows:
            if row.metric != "-":
                yield from cell_items(model, row, column)
        yield model.run()


def cell_items(model: Model, row: Row, column: int) -> Iterator[Measurement]:
    """The score of a model, and the counts behind it."""
    raw = row.cells[column]
    counted = _COUNTED.fullmatch(raw)
    score = counted["score"] if counted else raw
    yield model.measurement(row.dataset, row.metric, score, row.line, str(len(score.partition(".")[2])))
    if counted:
        yield model.measurement(row.dataset, "correct_count", counted["right"], row.line)
        yield model.measurement(row.dataset, _TOTAL, counted["all"], row.line)


# --------------------------------------------------------------------------- the text form


def text_items(place: Place, lines: list[str]) -> Iterator[Item]:
    """Items of the text form: full values where the raw section has them, else those of the table."""
    first = next((i for i, line in enumerate(lines) if line.startswith(f"{HEADER},")), None)
    if first is None:
        raise ParseError("no table in it")
    table = read_table(lines, first)
    raw = _raw(lines, first + len(table.rows))
    for column, name in enumerate(table.models):
        model = of_summary(place, name)
        model.config = table.config()
        told: set[Key] = set()
        for line, dataset, result in raw.get(name, []):
            yield from _result(model, line, dataset, result)
            told |= {(dataset, metric) for metric, value in result.items() if _is_score(value)}
        for row in table.rows:
            if row.metric != "-" and (row.dataset, row.metric) not in told:
                yield from cell_items(model, row, column)
        yield model.run()


def _result(model: Model, line: int, dataset: str, result: dict[str, Any]) -> Iterator[Item]:
    """Scores of one dataset; what went wrong with it is an event."""
    if "error" in result:
        yield Event(model.name, "error", f"{dataset}: {result['error']}"[:2000], line)
    for metric, value in result.items():
        if _is_score(value):
            yield model.measurement(dataset, str(metric), repr(value), line)


def _is_score(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _raw(lines: list[str], first: int) -> dict[str, list[tuple[int, str, dict[str, Any]]]]:
    """The raw section: model -> (line, dataset, result as printed)."""
    found: dict[str, list[tuple[int, str, dict[str, Any]]]] = {}
    model: str | None = None
    for number, text in enumerate(lines[first:], first + 1):
        if match := _MODEL.fullmatch(text):
            model = match["model"].replace(",", " ").strip()
        elif model is not None and (row := _RAW.fullmatch(text)):
            result = read_repr(row["result"])
            if result:
                found.setdefault(model, []).append((number, row["dataset"], result))
    return found
