"""OpenCompass's summary as it prints it: the columns of tabulate, or a table in Markdown; also in AISBench's output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from llmstats.records import Item
from llmstats.training import run_name

from ._evaluation import is_bar
from ._opencompass import HEADER, Model
from ._opencompass_summary import Row, Table, cell_items, models_of, row_of

#: Header and rule, of either kind.
FIRST_LINES = re.compile(
    r"^[ >]*dataset +version +metric +mode +\S.*\n[ >]*---[- ]+$"
    r"|^[ >]*\| *dataset *\| *version *\| *metric *\| *mode *\| *\S.*\|[ \t]*\n[ >]*\|[-:| ]+\|[ \t]*$",
    re.M,
)
_GAP = re.compile(r" {2,}")
_RULE = frozenset("-:| ")


def printed(lines: list[str]) -> Iterator[Table]:
    """All tables of a text; a row with another number of cells ends one."""
    header: list[str] = []
    rows: list[Row] = []
    for number, text in enumerate(lines, 1):
        if is_bar(text):
            continue
        cells = _cells(text)
        if cells[:4] == HEADER.split(",") and len(cells) > 4:
            yield from _closed(header, rows)
            header, rows = cells, []
        elif header and len(cells) == len(header):
            rows += [] if set(text) <= _RULE else [row_of(number, cells, len(models_of(header)))]
        elif header and not (set(text.strip()) <= _RULE and text.strip()):
            yield from _closed(header, rows)
            header, rows = [], []
    yield from _closed(header, rows)


def _closed(header: list[str], rows: list[Row]) -> Iterator[Table]:
    if rows:
        yield Table(models_of(header), rows)


def _cells(text: str) -> list[str]:
    plain = text.strip(" >\t")
    if plain.startswith("|") and plain.endswith("|"):
        return [cell.strip() for cell in plain[1:-1].split("|")]
    return _GAP.split(plain)


@dataclass(slots=True)
class Tables:
    """Runs of the tables of one text; a table that says again what is told adds nothing."""

    base: str  #: name of the text
    root: str
    framework: str
    models: dict[tuple[int, str], Model] = field(default_factory=dict)
    told: dict[tuple[int, str, str, str], str] = field(default_factory=dict)
    index: int = 0

    def model(self, abbreviation: str) -> Model:
        """The run of a model in the evaluation that is being told."""
        base = run_name(self.base, self.index)
        new = Model("/".join(p for p in (base, abbreviation) if p), self.root, abbreviation, framework=self.framework)
        return self.models.setdefault((self.index, abbreviation), new)

    def take(self, table: Table) -> Iterator[Item]:
        """Values of a table; one with other values for the same is another evaluation."""
        if any(self._differs(row, table) for row in table.rows):
            self.index += 1
        for column, name in enumerate(table.models):
            model = self.model(name)
            for row in table.rows:
                key = (self.index, name, row.dataset, row.metric)
                if row.metric != "-" and key not in self.told:
                    self.told[key] = row.cells[column]
                    yield from cell_items(model, row, column)
            model.config |= {key: {**model.config.get(key, {}), **said} for key, said in table.config().items()}

    def _differs(self, row: Row, table: Table) -> bool:
        keys = ((self.index, name, row.dataset, row.metric) for name in table.models)
        return any(self.told.get(key, cell) != cell for key, cell in zip(keys, row.cells, strict=True))
