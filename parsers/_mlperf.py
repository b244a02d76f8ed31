"""What MLPerf files share: where a submission keeps its runs, and how it describes its systems."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llmstats.parsing import Place
from llmstats.records import Run

from ._steplines import vendor_of

_PLACEHOLDER = re.compile(r"(?i:unknown|placeholder|n/?a$|none$|-+$|tbd$|nvidia graphics device$)")
_FIRST_NUMBER = re.compile(r"\d+")
#: Keys that a description says of the run itself; the rest describes the machine.
_ABOUT = {"submitter", "division", "status", "framework"}


def described(facts: Mapping[str, Any], run: Run) -> None:
    """Take a system description (``systems/*.json``, ``:::SYSJSON``) into a run, but no placeholders.

    Counts are texts there; a system of several kinds of nodes writes texts that are no numbers.
    """
    known = {key: value for key, value in facts.items() if said(value)}
    run.device = _text(known.get("accelerator_model_name")) or run.device
    run.vendor = vendor_of(run.device) or run.vendor
    run.framework = _text(known.get("framework")) or run.framework
    nodes = _count(known.get("number_of_nodes"))
    per_node = _count(known.get("accelerators_per_node"))
    run.node_count = nodes or run.node_count
    if nodes and per_node:
        run.device_count = nodes * per_node
    for key, value in known.items():
        if key not in _ABOUT:
            run.environment[key] = value
    for key in ("submitter", "division", "status"):
        if key in known:
            run.environment["availability" if key == "status" else key] = known[key]


def said(value: Any) -> bool:
    """Whether a field was filled in."""
    if isinstance(value, str):
        return bool(value.strip()) and not _PLACEHOLDER.match(value.strip())
    return value not in (None, [], {}) and value is not False


def _text(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    """A count written as a number or a text; None for ``2 (head), 8 (compute)``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and value > 0:
        return value
    if isinstance(value, str) and _FIRST_NUMBER.fullmatch(value.strip()) and int(value) > 0:
        return int(value)
    return None


def below_results(place: Place, up: int) -> str:
    """``{submitter}/{system}/…`` of the directory ``up`` levels above the file; empty outside a ``results`` tree."""
    parts = place.parts[: len(place.parts) - up]
    if "results" not in parts[1:]:
        return ""
    at = len(parts) - 1 - parts[::-1].index("results")
    return "/".join((parts[at - 1], *parts[at + 1 :]))
