"""Ascend MindIE-LLM's ModelTest (``run.sh``, ``modeltest``) and ``run_pa.py``: what numbers mean, and whose they are.

Source: ``examples/atb_models/tests/modeltest`` and ``examples/atb_models/examples`` of Ascend/MindIE-LLM.  Results lie
in ``{output}/results/{NPU|GPU}/{performance|precision}_test/{mode}/{dtype}[_{quantisation}]/{model}/``, and the names
of the files say batch size and world size.  The same arguments give the same path: a later test overwrites.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from llmstats.documents import Row, csv_rows, number
from llmstats.parsing import Place
from llmstats.records import FULL, Measurement, Run

from ._serving import Case, Meaning, measurement

FRAMEWORK = "MindIE"
MS = 1e-3
GIB = 2.0**30

TPOT = "tpot@decode_step"
PREFILL = "prefill_time@batch_sum"
PREFILL_SHARE = "prefill_time_per_request@batch_sum_over_batch"
BATCH_WALL = "e2e_batch_latency@wall_clock"
BATCH_DEVICE = "e2e_batch_latency@prefill_plus_decode"
DECODE_RATE = "decode_tokens_per_second@batch_over_step"
OUTPUT_RATE = "output_tokens_per_second@static_batch"

_NAME = re.compile(r"(?P<case>.+?)_(?:formatted_result|result|infer|debug_info)$")
_STEM = re.compile(r"(?:.*?_)?(?P<engine>pa|fa|basic)_(?:.*_)?(?:batch(?P<batch>\d+)_)?tp(?P<world>\d+)(?:_.*)?")
_DTYPES = re.compile(r"(?:fp16|float16|bf16|bfloat16|fp32|float32)(?:_.+)?")


class Tree(NamedTuple):
    """What the path of a result says; texts empty where it says nothing."""

    hardware: str  #: NPU or GPU: the program tests both
    mode: str
    dtype: str  #: with the quantisation: ``fp16_w8a8``
    model: str
    case: str  #: stem of the file without ``_result``: mode or dataset, engine, batch size, world size
    batch_size: float | None
    world_size: int | None

    @property
    def name(self) -> str:
        return "/".join(p for p in (self.hardware, self.dtype, self.model, self.case) if p)


def tree_of(place: Place) -> Tree:
    """Where a result lies; outside the program's tree the directory's name stands for hardware, type and model."""
    named = _NAME.fullmatch(place.stem)
    case = named["case"] if named else place.stem
    sizes = _STEM.fullmatch(case)
    batch = float(sizes["batch"]) if sizes and sizes["batch"] else None
    world = int(sizes["world"]) if sizes else None
    parts = place.parts
    for i, part in enumerate(parts):
        if part in ("NPU", "GPU") and parts[i + 1 : i + 2] and parts[i + 1].endswith("_test"):
            inner = parts[i + 2 : -1]
            mode, dtype, model = (*inner, "", "", "")[:3]
            return Tree(part, mode, dtype, model, case, batch, world)
    return Tree("", "", "", place.parent(), case, batch, world)


def run_of(place: Place, tree: Tree, kind: str) -> Run:
    """The run of a result file."""
    run = Run(tree.name, place.directory(), kind=kind, framework=FRAMEWORK)
    run.device_count = tree.world_size
    if tree.hardware:
        run.model = tree.model or None
        run.config["hardware"] = tree.hardware
    if _DTYPES.fullmatch(tree.dtype):
        run.precision = tree.dtype
        dtype, _, quantised = tree.dtype.partition("_")
        run.config |= {"dtype": dtype} | ({"quantization": quantised} if quantised else {})
    if tree.mode:
        run.config["test_mode"] = tree.mode
    return run


def fingerprint(batch: float | None, input_len: float | None, output_len: float | None, total: float) -> str:
    """What the CSV and the log of one test both hold: sizes, and the wall time to the log's six decimals."""
    return f"mindie:{batch}:{input_len}:{output_len}:{total:.6f}"


def values(
    run: str, meanings: dict[str, Meaning], cells: dict[str, str], line: int, case: Case, precision: str = FULL
) -> Iterator[Measurement]:
    """Measurements of the named cells that hold numbers, under their own names where nobody knows them."""
    for column, raw in cells.items():
        if number(raw) is not None:
            meaning = meanings.get(column) or Meaning(column)
            yield measurement(run, meaning, raw, column, line, case, precision)


def table_rows(text: str, delimiter: str = ",") -> list[Row]:
    """Rows of a table with its header first; of a last row without its end the last cell may be cut, and is left out.

    Raises:
        ParseError: not CSV.
    """
    rows = list(csv_rows(text, delimiter))
    if len(rows) > 1 and not text.endswith("\n"):
        last = rows.pop()
        if len(last.cells) >= len(rows[0].cells):
            rows.append(last._replace(cells=last.cells[:-1]))
    return rows
