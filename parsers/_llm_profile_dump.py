"""The file that ``--dump_file`` writes: the printed dict as JSON, without lengths."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from llmstats.errors import ParseError
from llmstats.parsing import Head, Place
from llmstats.records import Item

from ._llm_profile import cell_of, is_ancestor, length_mode, values_of

_KEY = re.compile(r'\s*"(?P<key>[^"]+)"\s*:\s*(?P<open>\{)?')


def is_dump(head: Head) -> bool:
    """Whether a file begins like a dump of either program; who wrote it may stand further on."""
    text = head.text.lstrip()
    if not text.startswith("{") or '"first_token_time_dict"' not in text:
        return False
    return '"request_num"' in text and '"Total QPS"' in text and '"Sender QPS"' not in text


def wrote_lightllm(head: Head) -> bool:
    return is_ancestor(head.text)


def dump(place: Place, text: str, program: str, conditions: Mapping[str, Any] | None = None) -> Iterator[Item]:
    """Items of a dump.

    Raises:
        ParseError: not JSON, or not the keys of a dump.
    """
    try:
        result = json.loads(text)
    except ValueError as why:
        raise ParseError(f"not JSON: {why}") from None
    if not isinstance(result, dict) or not isinstance(result.get("clients"), int):
        raise ParseError("no number of clients")
    cell = cell_of(place, values_of(result, _places(text)), float(result["clients"]), str(result.get("backend", "")))
    yield from cell.measurements(length_mode(cell) if conditions is None else conditions)
    yield cell.run(program)


def _places(text: str) -> dict[tuple[str, str], int]:
    """(section, key) -> line; line 1 for what is written on one line."""
    places: dict[tuple[str, str], int] = defaultdict(lambda: 1)
    section = ""
    for number, line in enumerate(text.split("\n"), 1):
        match = _KEY.match(line)
        if match and match["open"]:
            section = match["key"]
        elif match:
            places[section, match["key"]] = number
        elif line.strip().startswith("}"):
            section = ""
    return places
