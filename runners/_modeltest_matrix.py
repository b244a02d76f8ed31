"""The feature matrix of a ModelTest family: what a model can do on which device, and what follows for a test.

Data: ``schemas/modeltest/FAMILY.csv``, one row per model as the vendor's README prints it.  A column ``… tensor
parallelism`` belongs to one device and holds the world sizes that it supports (or ``no``); a feature whose title ends
in ``(DEVICE only)`` exists on that device alone; ``layers`` tells the models of a family apart by their weights;
``example`` is a command of the same README, ``datasets`` what ModelTest's own test of the family lists.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from llmstats.errors import InputError, NotFound

FOLDER = "modeltest"
_PARALLEL = " tensor parallelism"
_ONLY = re.compile(r" \((?P<device>.+) only\)$")
_SAID = {"yes": True, "no": False}

#: Value of ``quantize`` in config.json -> title of its feature, without "(… only)".
QUANTISATIONS = {
    "w8a8": "W8A8",
    "w8a8_dynamic": "W8A8",
    "w8a8_pdmix": "W8A8",
    "w8a8_mix": "W8A8",
    "w8a16": "W8A16",
    "w8a8s": "Sparse quantisation",
    "w8a8sc": "Sparse quantisation",
    "kv": "KV cache quantisation",
}
PRECISIONS = {"fp16": "FP16", "bf16": "BF16"}


@dataclass(frozen=True)
class Row:
    """One model of a family."""

    model: str
    place: str  #: ``schemas/modeltest/deepseek_coder.csv:5``
    cells: dict[str, str]

    @property
    def size(self) -> str:
        """What tells the model from its family: ``33B``."""
        return self.model.rpartition("-")[2]

    @property
    def layers(self) -> int:
        return int(self.cells["layers"])

    @property
    def datasets(self) -> list[str]:
        return self.cells["datasets"].split()

    def cite(self, title: str) -> str:
        """``DeepSeek-Coder-33B, 300I DUO tensor parallelism: no (schemas/modeltest/deepseek_coder.csv:5)``."""
        return f"{self.model}, {title}: {self.cells[title]} ({self.place})"

    def title(self, feature: str) -> str:
        """The column of a feature, with or without its "(… only)"."""
        return next(title for title in self.cells if _ONLY.sub("", title) == feature)


def families() -> list[str]:
    """Model names of ModelTest of which there is a matrix."""
    folder = files("llmstats.schemas").joinpath(FOLDER)
    return sorted(entry.name.removesuffix(".csv") for entry in folder.iterdir() if entry.name.endswith(".csv"))


def matrix(family: str) -> list[Row]:
    """The rows of one family.

    Raises:
        NotFound: there is no matrix of this family.
    """
    if family not in families():
        raise NotFound.among("feature matrix", family, families())
    text = files("llmstats.schemas").joinpath(FOLDER, f"{family}.csv").read_text(encoding="utf-8")
    reader = csv.DictReader(io.StringIO(text))
    return [Row(cells["model"], f"schemas/{FOLDER}/{family}.csv:{reader.line_num}", cells) for cells in reader]


def table() -> tuple[list[str], list[tuple[str, ...]]]:
    """All matrices as columns and rows: the family first, the place of the row last."""
    found = [(family, row) for family in families() for row in matrix(family)]
    titles = list(dict.fromkeys(title for _, row in found for title in row.cells))
    rows = [(family, *(row.cells.get(title, "") for title in titles), row.place) for family, row in found]
    return ["family", *titles, "place"], rows


def devices(rows: list[Row]) -> list[str]:
    """Devices that the matrix speaks of."""
    return [title.removesuffix(_PARALLEL) for title in rows[0].cells if title.endswith(_PARALLEL)]


def row_of(rows: list[Row], size: str) -> Row:
    """The row of a model by its size, ``33b`` or its whole name.

    Raises:
        NotFound: the family has no such model.
    """
    for row in rows:
        if size.lower() in (row.size.lower(), row.model.lower()):
            return row
    raise NotFound.among("model in the feature matrix", size, (row.size for row in rows))


# --------------------------------------------------------------------------- what a test may ask


@dataclass(frozen=True)
class Asked:
    """What a test needs of model and device."""

    device: str
    world_size: int
    precision: str  #: fp16 or bf16
    quantisations: tuple[str, ...] = ()  #: keys of `QUANTISATIONS`


def refuse(row: Row, asked: Asked) -> None:
    """Nothing starts that the matrix excludes.

    Raises:
        InputError: device, world size, precision or quantisation are excluded; cites the row.
    """
    _parallelism(row, asked)
    for feature in (PRECISIONS[asked.precision], *(QUANTISATIONS[q] for q in asked.quantisations)):
        _feature(row, feature, asked)


def _parallelism(row: Row, asked: Asked) -> None:
    title = asked.device + _PARALLEL
    cell = row.cells.get(title)
    if cell is None:
        raise NotFound.among("device in the feature matrix", asked.device, devices([row]))
    if cell == "no":
        raise InputError(f"{row.model} does not run on {asked.device}: the feature matrix says {row.cite(title)}")
    if str(asked.world_size) not in cell.split():
        raise InputError(
            f"{row.model} on {asked.device} does not run with world size {asked.world_size}, but with"
            f" {cell.replace(' ', ', ')}: the feature matrix says {row.cite(title)}; see --chips"
        )


def _feature(row: Row, feature: str, asked: Asked) -> None:
    title = row.title(feature)
    only = _ONLY.search(title)
    if only and only["device"] != asked.device:
        raise InputError(f"{feature} exists on {only['device']} only, not on {asked.device}: {row.cite(title)}")
    if not _SAID[row.cells[title]] and not _contradicted(row, feature):
        raise InputError(f"{row.model} does not support {feature}: the feature matrix says {row.cite(title)}")


def _contradicted(row: Row, feature: str) -> bool:
    """Whether the example of the same README runs what its matrix excludes."""
    return f"pa_{feature.lower()} " in row.cells["example"]


def contradictions(row: Row, asked: Asked) -> Iterator[str]:
    """Warnings where matrix and example of one README disagree about what is asked."""
    feature = PRECISIONS[asked.precision]
    title = row.title(feature)
    if not _SAID[row.cells[title]] and _contradicted(row, feature):
        yield (
            f"the feature matrix says {row.cite(title)}, but an example of the same README runs it:"
            f" {row.cells['example']}; not refused"
        )
