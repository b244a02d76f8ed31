"""AIChipBenchmark's operator speeds: ``gemm_f16.csv``, ``conv_f32.csv``, ``longtail*.csv``, ``results/torch.json``.

Source: ``operators/speed_test`` of DeepLink-org/AIChipBenchmark.  Every time is the mean of 1000 calls in milliseconds
(the JSON keeps the seconds of all 1000 calls: the same number).  ``baseline`` was measured on the reference device, so
it is a run of its own; ``score`` is baseline over time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json, Row, csv_rows, number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place, Sample
from llmstats.records import FULL, Item, Measurement, Run

_HEADER = re.compile(r"NO,[\w,]+,baseline,time,score(?:,inputshapes)?$")
_JSON = re.compile(r'\{\s*"\w+":\s*\{\s*"time":\s*[\d.eE+-]+,\s*"input_shape":\s*\[')
_PRECISION = re.compile(r"_fp?(16|32)(?:_|$)")
_DEFINITION = "operator_time@mean_of_1000_calls"
_RESULTS = ("baseline", "time", "score")

_GEMM = """\
NO,M,N,K,transA,transB,baseline,time,score
0,8,16,32,0,0,0.5,0.25,2.0
1,8,128,32,0,1,0.75,,
"""
_LONGTAIL = """\
NO,op,baseline,time,score
0,toy_iou,0.155,,
1,toy_nms,,,
"""
_TORCH = '{"toy_iou": {"time": 0.155625, "input_shape": [[4, 12], [4]]}, "toy_nms": {"time": 0.5, "input_shape": []}}\n'


class DeepLinkOperators(DocumentParser):
    """One run for the times of a file, and one for its baselines."""

    name = "deeplink_operators"
    version = 1
    title = "AIChipBenchmark operator speeds: gemm, conv and long-tail CSV, results/torch.json"
    writes = "AIChipBenchmark"
    samples = (
        Sample(
            "speed_test/gemm_f16.csv",
            _GEMM,
            matched=2,
            measurements={
                ("gemm", "operator_time", "value"): 0.25e-3,
                ("operator_time", "value"): 0.75e-3,
                ("speedup", "value"): 2.0,
            },
            runs={
                "speed_test/gemm_f16": {"kind": "microbenchmark", "precision": "fp16"},
                "speed_test/gemm_f16/baseline": {"precision": "fp16"},
            },
        ),
        Sample(
            "speed_test/longtail_perf.csv",
            _LONGTAIL,
            matched=1,
            measurements={("toy_iou", "operator_time", "value"): 0.155e-3},
            runs={"speed_test/longtail_perf/baseline": {"precision": None}},
        ),
        Sample(
            "results/torch.json",
            _TORCH,
            matched=1,
            measurements={("toy_iou", "operator_time", "value"): 0.155625e-3},
            runs={"results/torch": {"kind": "microbenchmark"}},
        ),
    )

    def detect(self, head: Head) -> str | None:
        if _HEADER.match(head.lines[0]):
            return "columns NO … baseline, time, score"
        return "operators with time and input_shape" if _JSON.match(head.text) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        name = "/".join(part for part in (place.parent(), place.stem) if part)
        precision = _PRECISION.search(place.stem)
        runs = {
            column: Run(full, place.path, kind="microbenchmark", precision=precision and f"fp{precision[1]}")
            for column, full in (("time", name), ("baseline", f"{name}/baseline"))
        }
        values = list(_json(runs["time"], text) if text.lstrip().startswith("{") else _csv(runs, place, text))
        yield from values
        measured = {value.run for value in values}
        yield from (run for run in runs.values() if run.name in measured)


def _csv(runs: dict[str, Run], place: Place, text: str) -> Iterator[Measurement]:
    rows = list(csv_rows(text))
    if not rows or not _HEADER.match(",".join(rows[0].cells)):
        raise ParseError("no header of an operator table")
    header = rows[0]
    for row in rows[1:]:
        cells = dict(zip(header.cells, row.cells, strict=False))
        operator = cells.get("op") or re.split(r"[_.]", place.stem)[0]
        shape = {k: _plain(v) for k, v in cells.items() if k not in (*_RESULTS, "NO", "op") and v}
        for column in _RESULTS:
            yield from _value(runs, column, cells.get(column, ""), row, operator, shape)


def _value(
    runs: dict[str, Run], column: str, cell: str, row: Row, operator: str, shape: dict[str, Any]
) -> Iterator[Measurement]:
    found = number(cell)
    if found is None:
        return
    run = runs.get(column) or runs["time"]
    time = column != "score"
    yield Measurement(
        run.name,
        "operator_time" if time else "speedup",
        found * 1e-3 if time else found,
        raw_name=column,
        raw_value=cell,
        definition=_DEFINITION if time else None,
        subject=operator,
        conditions=dict(shape),
        precision=str(len(cell.partition(".")[2])),
        line=row.line,
    )


def _plain(cell: str) -> float | str:
    found = number(cell)
    return cell if found is None else found


def _json(run: Run, text: str) -> Iterator[Measurement]:
    document = Json(text)
    if not isinstance(document.value, dict):
        raise ParseError("not an object of operators")
    for operator, result in document.value.items():
        time = result.get("time") if isinstance(result, dict) else None
        if isinstance(time, (int, float)):
            yield Measurement(
                run.name,
                "operator_time",
                time * 1e-3,
                raw_name="time",
                raw_value=repr(time),
                definition=_DEFINITION,
                subject=operator,
                conditions={"input_shape": result.get("input_shape")},
                precision=FULL,
                line=document.line(operator, "time"),
            )
