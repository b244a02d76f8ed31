"""What the files of one cell of ``llmstats run serving`` share: which run they speak of."""

from __future__ import annotations

from llmstats.parsing import Place
from llmstats.records import Run


def cell_run(place: Place) -> Run:
    """The run of ``JOB/cells/CELL.json``: that of llm_profiler's ``JOB/log/test_log_CELL.log``."""
    up = 2 if place.parent() == "cells" else 1
    cell = place.name.split(".json", 1)[0].removesuffix(".requests")
    name = "/".join(part for part in (place.parent(up), cell) if part)
    return Run(name, place.directory(up), kind="serving")
