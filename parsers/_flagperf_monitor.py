"""What a line of a FlagPerf monitor is: every vendor's tool prints its own, cut by its own ``awk``.

Raw names carry the unit that the vendor's tool counts in.  A memory in ``MB`` of ``npu-smi`` and ``xpu-smi`` is
2^20 bytes: a card of 64 GiB has 65536 of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.parsing import Name
from llmstats.shapes import Field, Note, Plan, Record

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

CLOCK = re.compile(r"(\d{4})-(\d\d)-(\d\d)-(\d\d:\d\d:\d\d)")
#: ``date`` of the monitors that stand alone.
DATE = re.compile(
    rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) +(?P<month>{'|'.join(_MONTHS)}) +(?P<day>\d{{1,2}}) +"
    r"(?P<time>\d\d:\d\d:\d\d) +(?:(?P<half>[AP]M) +)?(?P<zone>[A-Z]{2,5}|[+-]\d\d) +(?P<year>\d{4})$"
)
_SYSTEM = re.compile(rf"(?:{CLOCK.pattern}\t)+(?P<value>[\d.]+(?:[eE][-+]?\d+)?)$")
_ALONE = re.compile(r"(?P<value>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)$")

_TEMPERATURE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[Cc](?![\w.])")
_POWER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?) ?W(?![\w.])")
_PERCENT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)%")
_NUMBER = r"(\d+(?:\.\d+)?)"
_MEMORIES = (
    re.compile(rf"(?<![\w.]){_NUMBER}(?P<unit>MiB|GB|M) +(?:/ +)?{_NUMBER}(?P=unit)(?!\w)"),
    re.compile(rf"(?<![\w.]){_NUMBER}/{_NUMBER} (?P<unit>MiB)(?!\w)"),
    re.compile(rf"(?<![\w.]){_NUMBER} (?P<unit>MiB)/ {_NUMBER}(?![\w.])"),
)

#: Rows of cards whose values tell themselves apart by position: kind, pattern, raw names.
_ROWS: tuple[tuple[str, re.Pattern[str], tuple[str, ...]], ...] = (
    ("card", re.compile(rf" ?xpu_smi +{' +'.join([_NUMBER] * 5)} *$"),
     ("temp C", "power W", "used MB", "total MB", "util %")),
    ("card", re.compile(rf" ?zx-smi +{' +'.join([_NUMBER] * 3)}(?: +{_NUMBER})? *$"),
     ("power W", "temp C", "used %", "Mem")),
    ("card", re.compile(rf"{_NUMBER} {_NUMBER} {_NUMBER} {_NUMBER}/?$"), ("power W", "temp C", "util %", "used MB")),
    ("card", re.compile(rf"{' '.join([_NUMBER] * 5)}$"), ("temp C", "power W", "used MB", "total MB", "util %")),
    ("card", re.compile(rf"{_NUMBER}C {_NUMBER} {_NUMBER} {_NUMBER} {_NUMBER}%?$"),
     ("temp C", "power W", "used MiB", "total MiB", "util %")),
    # rocm-smi
    ("card", re.compile(rf"\d+ +{_NUMBER}[cC] +{_NUMBER}W .*?{_NUMBER}% +{_NUMBER}%(?: +[A-Za-z]+)? *$"),
     ("temp C", "power W", "used %", "util %")),
    # npu-smi info: the first row of a chip, and the second
    ("card", re.compile(rf"\| *\d+ +(?P<device>\w+) +\| *\w+ *\| (?:{_NUMBER}|-|NA) +{_NUMBER} "),
     ("power W", "temp C")),
    ("more", re.compile(rf"\| *\d+ +(?:\d+ +)?\| [0-9A-Fa-f]{{4}}:[0-9A-Fa-f:.]+ +\| {_NUMBER} +(?:\d+ */ *\d+ +)?"
                        rf"{_NUMBER} */ *{_NUMBER} +\|"),
     ("util %", "used MB", "total MB")),
    # mx-smi: the first row of a card
    ("more", re.compile(rf"\| *\d+ +(?P<device>MX\w+|MetaX [\w ]*?\w) +\|.*\| *{_NUMBER}% .*\|$"), ("util %",)),
)  # fmt: skip
_FAILURE = re.compile(r"(?i)not found|no such|error|fail|unable|denied|timed? ?out")

MIB = 2.0**20
NAMES = {
    "temp C": Name("temperature"),
    "power W": Name("power", definition="power@device"),
    "used MiB": Name("memory_used", MIB),
    "total MiB": Name("memory_total", MIB),
    "used MB": Name("memory_used", MIB),
    "total MB": Name("memory_total", MIB),
    "used M": Name("memory_used", MIB),
    "total M": Name("memory_total", MIB),
    "used GB": Name("memory_used", 2.0**30),
    "total GB": Name("memory_total", 2.0**30),
    "used %": Name("memory_utilisation", 0.01),
    "util %": Name("utilisation", 0.01),
    "cpu": Name("cpu_utilisation"),
    "mem": Name("host_memory_utilisation"),
    "pwr": Name("system_power", definition="system_power@largest_sensor"),
}


def plan(text: str) -> Plan:
    """A clock, a sample of the system, a row of a card (``card``), or a card's other row (``more``)."""
    if not text or not any(c.isdigit() for c in text):
        return Note("failure") if _FAILURE.search(text) else None
    if (clock := CLOCK.match(text)) and "\t" in text:
        return _system(text)
    if clock and clock.end() == len(text):
        return Record("clock", _clock(clock))
    if date := DATE.match(text):
        return _date(date)
    if alone := _ALONE.match(text):
        return Record("system", [Field("@value", *alone.span("value"))])
    return _card(text) or (Note("failure") if _FAILURE.search(text) else None)


def _clock(match: re.Match[str]) -> list[Field]:
    names = ("@year", "@month", "@day")
    return [*(Field(n, *match.span(i)) for i, n in enumerate(names, 1)), Field("@time", *match.span(4), "duration")]


def _system(text: str) -> Plan:
    """``clock TAB value``; a reading that failed leaves its clock in front of the next one."""
    match = _SYSTEM.match(text)
    if match is None:
        return None
    last = list(CLOCK.finditer(text))[-1]
    before = [Field("", 0, last.start(), "skip")] if last.start() else []
    return Record("system", [*before, *_clock(last), Field("@value", *match.span("value"))])


def _date(match: re.Match[str]) -> Record:
    constants: tuple[tuple[str, Any], ...] = (
        ("month", _MONTHS.index(match["month"]) + 1),
        ("half", match["half"] or ""),
    )
    fields = [Field("@day", *match.span("day")), Field("@time", *match.span("time"), "duration")]
    zone = [Field("", *match.span("zone"), "skip")] if match["zone"][1:].isdigit() else []
    return Record("clock", [*fields, *zone, Field("@year", *match.span("year"))], constants)


def _card(text: str) -> Plan:
    """A row of a card: by position where no unit is printed, else by the units."""
    for kind, pattern, names in _ROWS:
        if match := pattern.match(text):
            first = 1 + ("device" in match.re.groupindex)
            fields = [Field(n, *match.span(i)) for i, n in enumerate(names, first) if match[i]]
            return Record(kind, _filled(text, fields), _device(match))
    return _by_units(text)


def _device(match: re.Match[str]) -> tuple[tuple[str, Any], ...]:
    device = match.groupdict().get("device")
    return (("device", device),) if device else ()


def _by_units(text: str) -> Plan:
    fields = list(_united(text))
    if [f.name for f in fields] == ["util %"]:
        return Record("more", fields) if text.strip().endswith("%") and len(text) < 8 else None
    if len(fields) < 2 or not any(f.name.startswith(("temp", "used")) for f in fields):
        return None
    return Record("card", _filled(text, fields))


def _united(text: str) -> Iterator[Field]:
    """What units tell apart; of two powers the second is the limit."""
    for name, pattern in (("temp C", _TEMPERATURE), ("power W", _POWER), ("util %", _PERCENT)):
        if match := pattern.search(text):
            yield Field(name, *match.span(1))
    for pattern in _MEMORIES:
        if match := pattern.search(text):
            first, second = (i for i in range(1, 4) if i != match.re.groupindex["unit"])
            yield Field(f"used {match['unit']}", *match.span(first))
            yield Field(f"total {match['unit']}", *match.span(second))
            return


def _filled(text: str, fields: list[Field]) -> list[Field]:
    """All digits covered: serial numbers, bus ids and limits carry nothing."""
    filled, at = [], 0
    for field in sorted(fields, key=lambda f: f.start):
        if field.start > at:
            filled.append(Field("", at, field.start, "skip"))
        filled.append(field)
        at = field.end
    return [*filled, Field("", at, len(text), "skip")] if at < len(text) else filled
