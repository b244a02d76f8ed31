"""Why nobody recognises a file, in the words of what it looks like: the first thing a user needs to know."""

from __future__ import annotations

import json
import re

from llmstats.excerpts import is_program, is_prose
from llmstats.text import Normaliser

_KEYS = 6
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def glance(path: str, raw: bytes) -> str:
    """One line about a text that no format recognises, from its first bytes."""
    name = path.rsplit("/", 1)[-1]
    if is_program(name):
        return "the source of a program"
    if is_prose(name):
        return "a document without a table of results that we know; --documents reads logs that it quotes"
    stretch = Normaliser().feed(raw, final=True)
    text = stretch.data.decode("utf-8", "backslashreplace").strip() if stretch else ""
    return f"no format recognises it: {_look(text)}"


def _look(text: str) -> str:
    if not text:
        return "it is blank"
    if text[0] in "{[":
        return _json(text)
    first = next(line for line in text.split("\n") if line.strip()).strip()
    if first.count(",") >= 2 and not _NUMBER.fullmatch(first.split(",")[0]):
        return "a table with the columns " + _some([c.strip() for c in first.split(",")])
    if not _NUMBER.search(text):
        return "a text without a number"
    return f"a text that begins {first[:60]!r}"


def _json(text: str) -> str:
    """Keys of the first object; a cut document is read as far as it goes."""
    first = text.split("\n", 1)[0]
    for candidate in (text, first):
        try:
            value = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        return _shape(value)
    keys = list(dict.fromkeys(re.findall(r'"([^"\\]{1,60})"\s*:', text)))
    return "JSON with the keys " + _some(keys) if keys else "text in brackets"


def _shape(value: object) -> str:
    if isinstance(value, list):
        return f"a JSON list of {len(value)}" + (f"; first: {_shape(value[0])}" if value else "")
    if isinstance(value, dict):
        return "a JSON object with the keys " + _some(list(value)) if value else "an empty JSON object"
    return f"a JSON {type(value).__name__}"


def _some(names: list[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:_KEYS])
    return shown + (f" and {len(names) - _KEYS} more" if len(names) > _KEYS else "")
