"""The shape engine gives what Python gives line by line: same numbers to the last bit, same clocks, same lines."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmstats.pairs import pairs
from llmstats.shapes import Engine, Field, Note, Plan, Record, Scan, Suspect

_CLOCK = re.compile(r"(\d{4}[/-]\d\d[/-]\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?|\d\d/\d\d \d\d:\d\d:\d\d) - ")


def plan(text: str) -> Plan:
    """A small format: perhaps a clock, then pairs; remarks begin with ``#``, broken records with ``!``."""
    if text.startswith("#"):
        return Note("remark")
    if text.startswith("!"):
        return Suspect("broken")
    if not text:
        return None
    clock = _CLOCK.match(text)
    front = [Field("@clock", 0, clock.end(1), "clock")] if clock else []
    return Record("data", [*front, *pairs(text, clock.end() if clock else 0)])


def scan(lines: list[str], engine: Engine | None = None, first: int = 1) -> Scan:
    data = "".join(line + "\n" for line in lines).encode()
    return (engine or Engine(plan)).scan(data, np.arange(first, first + len(lines), dtype=np.int64))


def values(scanned: Scan) -> dict[int, dict[str, str]]:
    """Line -> name -> value as text, so that NaN equals NaN and -0.0 does not equal 0.0."""
    out: dict[int, dict[str, str]] = {}
    for frame in scanned.frames:
        for name, column in frame.columns.items():
            for line, value in zip(frame.lines.tolist(), column.tolist(), strict=True):
                out.setdefault(line, {})[name] = repr(float(value))
    return out


# --------------------------------------------------------------------------- random lines


@dataclass(frozen=True)
class Token:
    """A value as a log writes it."""

    text: str
    unit: str = ""

    @property
    def value(self) -> float:
        duration = re.fullmatch(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)", self.text)
        if duration:
            days, hours, minutes, seconds = (int(part or 0) for part in duration.groups())
            return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
        return float(self.text.replace(",", ""))

    def like(self, rng: random.Random) -> Token:
        """Another value of the same shape."""
        if ":" in self.text:
            return self
        return Token(re.sub(r"\d", lambda _: str(rng.randrange(10)), self.text), self.unit)


_plain = st.one_of(
    st.from_regex(r"[+-]?[0-9]{1,20}", fullmatch=True),
    st.from_regex(r"[+-]?[0-9]{1,18}\.[0-9]{0,18}", fullmatch=True),
    st.from_regex(r"[+-]?\.[0-9]{1,18}", fullmatch=True),
    st.from_regex(r"[+-]?[0-9]{1,4}(\.[0-9]{1,20})?[eE][+-]?[0-9]{1,3}", fullmatch=True),
    st.integers(-(10**9), 10**9).map("{:,}".format),
    st.floats(1000, 10**7).map("{:,.2f}".format),
    st.sampled_from(["nan", "inf", "-inf", "NaN", "-nan", "Infinity"]),
)
_tokens = st.one_of(
    _plain.map(Token),
    st.tuples(
        st.from_regex(r"[0-9]{1,6}\.[0-9]{1,4}", fullmatch=True),
        st.sampled_from(["ms", " GB", "%", " s", " MiB"]),
    ).map(lambda pair: Token(pair[0], pair[1].replace(" s", ""))),
    st.integers(0, 40 * 86400).map(lambda s: Token(str(timedelta(seconds=s)))),
    st.tuples(st.integers(0, 99999), st.integers(0, 3599)).map(
        lambda t: Token(f"{t[0]}:{t[1] // 60:02}:{t[1] % 60:02}")
    ),
)
_keys = st.sampled_from(["loss", "lr", "top1", "top5", "coco/AP", "损失", "loss_1.2", "grad-norm", "eta"])
_templates = st.tuples(
    st.sampled_from(["", "2025/02/09 07:49:32 - ", "02/09 07:49:32 - "]),
    st.lists(st.tuples(_keys, _tokens), min_size=1, max_size=6, unique_by=lambda pair: pair[0]),
    st.sampled_from(["  ", " ", ", ", "\t", " | "]),
)


def write(template: tuple[str, list[tuple[str, Token]], str]) -> str:
    front, fields, separator = template
    return front + separator.join(f"{key}: {token.text}{token.unit}" for key, token in fields)


@settings(max_examples=150, deadline=None)
@given(st.lists(_templates, min_size=1, max_size=5), st.integers(0, 2**32))
def test_same_as_line_by_line(templates: list, seed: int) -> None:
    rng = random.Random(seed)
    lines, expected = [], {}
    for _ in range(20):
        front, fields, separator = rng.choice(templates)
        fields = [(key, token.like(rng)) for key, token in fields]
        lines.append(write((front, fields, separator)))
        expected[len(lines)] = {key: repr(token.value) for key, token in fields}
    found = {line: {k: v for k, v in row.items() if k != "@clock"} for line, row in values(scan(lines)).items()}
    assert found == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(_templates, min_size=1, max_size=12), st.data())
def test_stretches_do_not_matter(templates: list, data: st.DataObject) -> None:
    lines = [write(template) for template in templates]
    cut = data.draw(st.integers(0, len(lines)))
    engine = Engine(plan)
    parts = values(scan(lines[:cut], engine)) | values(scan(lines[cut:], engine, first=cut + 1))
    assert parts == values(scan(lines))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)), min_size=1, max_size=10),
    st.sampled_from(["%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S,%f"]),
    st.integers(1, 9),
)
def test_clocks(moments: list[datetime], form: str, decimals: int) -> None:
    texts = [m.strftime(form) for m in moments]
    if form.endswith("%f"):
        texts = [f"{text}987"[: len(text) - 6 + decimals] for text in texts]
        grain = 10 ** max(6 - decimals, 0)
        moments = [m.replace(microsecond=m.microsecond // grain * grain) for m in moments]
    else:
        moments = [m.replace(microsecond=0) for m in moments]
    found = values(scan([f"{text} - loss: 1.0" for text in texts]))
    stamps = [int(m.replace(tzinfo=UTC).timestamp() * 1e6 + 0.5) for m in moments]
    assert [row["@clock"] for row in found.values()] == [repr(float(s)) for s in stamps]


# --------------------------------------------------------------------------- particular cases


def test_literal_digits_tell_variants_apart() -> None:
    """``top1`` and ``top5`` have one shape and are two metrics."""
    found = values(scan(["top1: 0.5", "top5: 0.9", "top1: 0.6", "top5: 0.8"]))
    assert found == {1: {"top1": "0.5"}, 2: {"top5": "0.9"}, 3: {"top1": "0.6"}, 4: {"top5": "0.8"}}


@pytest.mark.parametrize(
    ("text", "precision"),
    [("1.2500", "4"), ("3", "0"), ("2.0000e-05", "4e"), ("1e5", "0e"), ("1,234.50", "2"), (".5", "1"), ("nan", "")],
)
def test_precision_as_written(text: str, precision: str) -> None:
    (frame,) = scan([f"loss: {text}"]).frames
    assert frame.precision == {"loss": precision}


def test_units_are_kept_beside_the_values() -> None:
    (frame,) = scan(["max_memory: 61.20 GB  latency: 12.3ms  share: 50%"]).frames
    assert frame.units == {"max_memory": "GB", "latency": "ms", "share": "%"}


def test_notes_and_suspects_come_in_order_with_their_text() -> None:
    scanned = scan(["# 第一行", "loss: 1.0", "! half", "", "# last 7", "no pairs here"])
    assert scanned.notes == [(1, "remark", "# 第一行"), (5, "remark", "# last 7")]
    assert scanned.suspects == [(3, "broken", "! half")]
    assert scanned.lines_total == 6


def test_a_number_too_strange_is_a_suspect() -> None:
    def strange(text: str) -> Plan:
        return Record("data", [Field("x", 0, len(text))])

    scanned = Engine(strange).scan(b"12\n1-2\n", np.array([1, 2]))
    assert [line for line, _, _ in scanned.suspects] == [2]
    assert scanned.matched == 1


def test_more_shapes_than_it_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmstats.shapes.MAX_SHAPES", 8)
    engine = Engine(plan)
    for start in range(0, 60, 10):
        lines = [f"{'k' * (i + 1)}: {i}" for i in range(start, start + 10)]
        found = values(scan(lines, engine))
        assert [next(iter(row.values())) for row in found.values()] == [
            repr(float(i)) for i in range(start, start + 10)
        ]


def test_first_and_last_bytes_of_a_stretch() -> None:
    """Numbers at the very edges of the data, of every width."""
    for width in range(1, 16):
        digits = "123456789012345"[:width]

        def edge(text: str) -> Plan:
            return Record("data", [Field("x", 0, len(text))])

        (frame,) = Engine(edge).scan(f"{digits}\n".encode(), np.array([1])).frames
        assert frame.columns["x"].tolist() == [float(digits)]
