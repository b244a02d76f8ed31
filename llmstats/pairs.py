"""``key: value`` lines: every numeric pair, whatever the order, the spacing or the neighbours.

One scanner serves all text logs.  It asks for no list of keys, so a key that upstream adds tomorrow is read
today.  Between two pairs there may be one space, two, a tab, a comma or (mmengine 0.7.0) nothing at all.
"""

from __future__ import annotations

import regex

from llmstats.shapes import Field

_UNIT = (
    r"\s?(?:GiB|GB|MiB|MB|KiB|KB|TiB|TB|ms|us|ns|sec|tokens?/s|tok/s|req/s|it/s|TFLOPS|TFLOP/s|%|°C|W)"
    r"|(?:s|B|G|M)"
)
_NUMBER = r"[+-]?(?:\d{1,3}(?:,\d{3})+(?!\d|,\d)|\d+)?(?:(?<=\d)\.\d*|(?<![\d.])\.\d+)?(?:(?<=[\d.])[eE][+-]?\d+)?"
_NOT_FINITE = r"[+-]?(?i:nan|inf(?:inity)?)\b"
_DURATION = r"(?:\d{1,5} days?, )?\d{1,5}:\d\d:\d\d(?:\.\d+)?"
_KEY_AHEAD = r"[A-Za-z_][\w./@-]*:\s"
_END = rf"(?=[\s;|]|,(?!\d)|$|{_KEY_AHEAD})"
_VALUE = regex.compile(
    rf"(?P<duration>{_DURATION}){_END}"
    rf"|(?P<number>(?=[+-]?\.?\d){_NUMBER}|{_NOT_FINITE})(?P<unit>{_UNIT})?{_END}"
)
_VECTOR = regex.compile(r"(?: [+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w:.]))+")
_COLON = regex.compile(r"\s*:(?=\s|[+-]?[\d.])\s*")
_TEXT_END = regex.compile(r"  |\t|, |; | \| ")
_LAST_WORD = regex.compile(r"\S+$")
_SEPARATORS = " \t,;|"


def utf8(text: str) -> str:
    """A name found in a line (one character per byte) as the text it was written in."""
    if text.isascii():
        return text
    return text.encode("latin-1").decode("utf-8", "backslashreplace")


def pairs(text: str, start: int = 0) -> list[Field]:
    """Fields of all numeric pairs in ``text[start:]``; other values become fields of kind ``skip``.

    A pair is ``key: number``, ``key: number unit`` or ``key: duration``.  A key may hold single spaces
    (``coco/AP .5``) when it follows a number; after a text value only its last word counts.  A list of numbers
    (``bbox_mAP_copypaste: 0.372 0.581``) is a text, not a number.
    """
    fields: list[Field] = []
    at, after_text = start, False
    while colon := _COLON.search(text, at):
        key = _key(text[at : colon.start()], after_text)
        value = _VALUE.match(text, colon.end())
        vector = _VECTOR.match(text, value.end()) if value and value["number"] else None
        if value and key and not (vector and not _starts_key(text, vector.end())):
            fields.append(_field(key, value))
            at, after_text = value.end(), False
            continue
        end = _text_end(text, colon.end())
        if end > colon.end():
            fields.append(Field("", colon.end(), end, "skip"))
        at, after_text = end, True
    return fields


def _starts_key(text: str, at: int) -> bool:
    """Whether the numbers before ``at`` belong to the next key (``top 5: 0.3``)."""
    return bool(_COLON.match(text, at))


def _key(between: str, after_text: bool) -> str:
    between = between.strip(_SEPARATORS)
    cut = max((m.end() for m in _TEXT_END.finditer(between)), default=0)
    between = between[cut:]
    if after_text and cut == 0:
        word = _LAST_WORD.search(between)
        between = word[0] if word else ""
    return utf8(between)


def _field(key: str, value: regex.Match[str]) -> Field:
    kind = "duration" if value["duration"] else "number"
    start, end = value.span(kind)
    return Field(key, start, end, kind, (value["unit"] or "").strip())


def _text_end(text: str, at: int) -> int:
    """Where a text value stops: at a wide separator, or before the word in front of the next colon."""
    wide = _TEXT_END.search(text, at)
    end = wide.start() if wide else len(text)
    colon = _COLON.search(text, at)
    if colon and colon.start() < end:
        word = _LAST_WORD.search(text[at : colon.start()])
        return at + int(word.start()) if word else int(colon.start())
    return end
