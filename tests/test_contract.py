"""What holds for every format: one suite over all parsers of the registry and all their samples.

A parser brings its samples with it (`llmstats.parsing.Sample`), so a new format is tested by its presence.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import asdict

import pytest

from llmstats import catalog, formats
from llmstats.canonical import canonical
from llmstats.errors import ParseError
from llmstats.parsing import BinaryParser, JsonLinesParser, LineParser, Parser, Sample, WholeParser
from llmstats.records import Measurement, Points

from . import parserkit

PARSERS = formats.parsers()
SAMPLES = [(parser, sample) for parser in PARSERS for sample in parser.samples]
each_parser = pytest.mark.parametrize("parser", PARSERS, ids=[p.name for p in PARSERS])
each_sample = pytest.mark.parametrize(
    ("parser", "sample"), SAMPLES, ids=[f"{p.name}-{list(p.samples).index(s)}" for p, s in SAMPLES]
)
TEXTS = [(parser, sample) for parser, sample in SAMPLES if not isinstance(parser, BinaryParser)]
each_text = pytest.mark.parametrize(
    ("parser", "sample"), TEXTS, ids=[f"{p.name}-{list(p.samples).index(s)}" for p, s in TEXTS]
)


def is_data_file(sample: Sample) -> bool:
    """A file that a program wrote for programs: no shell banner, no progress bar comes in between."""
    return sample.path.endswith((".json", ".jsonl", ".csv", ".md"))


# --------------------------------------------------------------------------- the parser itself


@each_parser
def test_says_what_it_is(parser: Parser) -> None:
    assert parser.name.replace("_", "").isalnum()
    assert parser.name.islower()
    assert parser.title
    assert parser.writes
    assert isinstance(parser, (LineParser, JsonLinesParser, WholeParser))


@each_parser
def test_brings_samples(parser: Parser) -> None:
    assert len(parser.samples) >= 2
    assert all(not sample.path.startswith("/") and sample.text for sample in parser.samples)


@each_parser
@pytest.mark.parametrize("raw", [b"", b"\n", b"{}\n", b"\0" * 64 + b"\n", "日志\n".encode("gbk")])
def test_knows_no_empty_file(parser: Parser, raw: bytes) -> None:
    for sample in parser.samples:
        assert parser.detect(parserkit.head(sample.path, raw)) is None


@each_parser
def test_survives_foreign_files(parser: Parser) -> None:
    for other in PARSERS:
        if other is not parser:
            try:
                parserkit.read(parser, other.samples[0].path, other.samples[0].raw)
            except ParseError:
                assert isinstance(parser, WholeParser)


# --------------------------------------------------------------------------- samples as they are


@each_sample
def test_detected_by_its_parser_alone(parser: Parser, sample: Sample) -> None:
    head = parserkit.head(sample.path, sample.raw)
    verdict = parserkit.detect(head)
    assert verdict.ambiguous == ()
    assert verdict.parser is (None if parser.on_request else parser)
    assert verdict.reason or parser.on_request
    assert parser.detect(head)


@each_sample
def test_values(parser: Parser, sample: Sample) -> None:
    outcome = parserkit.read_sample(parser, sample)
    assert outcome.matched == sample.matched
    points = defaultdict(list)
    for p in outcome.points:
        points[p.phase, p.metric, p.step].append(p.value)
    for key, expected in sample.points.items():
        assert any(parserkit.same(value, expected) for value in points[key]), (key, expected, points[key])
    measured = defaultdict(list)
    for m in outcome.of(Measurement):
        for name in ((m.metric, m.statistic), (m.subject, m.metric, m.statistic)):
            measured[name].append(m.value)
    for name, expected in sample.measurements.items():
        assert any(parserkit.same(value, expected) for value in measured[name]), (
            name,
            expected,
            measured[name],
        )


@each_parser
def test_every_metric_is_expected_of_some_sample(parser: Parser) -> None:
    """A factor of 8, 100, 1000 or 1.0737 in any metric of any format fails `test_values`."""
    given, expected = set(), set()
    for sample in parser.samples:
        outcome = parserkit.read_sample(parser, sample)
        given |= {p.metric for p in outcome.points} | {m.metric for m in outcome.of(Measurement)}
        expected |= {metric for _, metric, _ in sample.points} | {name[-2] for name in sample.measurements}
    assert given <= expected, sorted(given - expected)


@each_sample
def test_every_metric_is_catalogued(parser: Parser, sample: Sample) -> None:
    outcome = parserkit.read_sample(parser, sample)
    given = {p.metric for p in outcome.points} | {m.metric for m in outcome.of(Measurement)}
    assert given - catalog.metrics().keys() == set(sample.unknown)
    series = [s for item in outcome.of(Points) for s in canonical(parser, item).series]
    definitions = {s.definition for s in series} | {m.definition for m in outcome.of(Measurement)}
    assert definitions - {None} <= catalog.definitions().keys()


@each_sample
def test_runs_and_events(parser: Parser, sample: Sample) -> None:
    outcome = parserkit.read_sample(parser, sample)
    assert [event.kind for event in outcome.events] == list(sample.events)
    assert len(outcome.suspects) == sample.suspects, outcome.suspects
    for name, facts in sample.runs.items():
        assert name in outcome.runs
        run = asdict(outcome.runs[name])
        for key, expected in facts.items():
            found = {k: run[key].get(k) for k in expected} if isinstance(expected, dict) else run[key]
            assert found == expected, (name, key)


@each_sample
def test_everything_belongs_to_a_run(parser: Parser, sample: Sample) -> None:
    outcome = parserkit.read_sample(parser, sample)
    runs = outcome.runs
    rows = [*outcome.of(Measurement), *outcome.events]
    assert {p.run for p in outcome.points} | {row.run for row in rows} <= runs.keys()
    assert all(run.root.startswith("/") for run in runs.values())
    assert all(run.name and parserkit.ROOT not in run.name for run in runs.values())


# --------------------------------------------------------------------------- samples in bad condition


@each_sample
def test_idempotent(parser: Parser, sample: Sample) -> None:
    again = parserkit.read(parser, sample.path, sample.raw)
    assert again.flat() == parserkit.read_sample(parser, sample).flat()


#: Places at which one sample is cut: a record of thousands of bytes on one line is cut at every n-th of them.
MOST_CUTS = 300


def places_to_cut(parser: Parser, sample: Sample) -> list[int]:
    """Every byte of the last two records, every line end elsewhere."""
    raw = sample.raw
    starts = [0, *(i + 1 for i, byte in enumerate(raw) if byte == ord("\n"))]
    records = sorted(parserkit.read_sample(parser, sample).lines)
    first = starts[records[-2:][0] - 1] if records else len(raw)
    last = starts[records[-1]] if records and records[-1] < len(starts) else len(raw)
    within = range(first, last + 1)
    return sorted({*starts, *within[:: 1 + len(within) // MOST_CUTS], *within[-50:]})


def place_of(p: parserkit.Point) -> tuple[object, ...]:
    """Where a value stands; a document of one line holds several of a series there, told apart by their steps."""
    return p.run, p.rank, p.phase, p.raw_name, p.line


@each_sample
def test_truncated(parser: Parser, sample: Sample) -> None:
    """What is left of a file that was cut gives no value that the whole one does not give."""
    raw = sample.raw
    whole = parserkit.read_sample(parser, sample)
    known = {place: p for p in whole.points for place in (place_of(p), (*place_of(p), p.step))}
    rows = {repr(m.raw_value) + m.metric + m.statistic for m in whole.of(Measurement)}
    seen = None
    for cut in places_to_cut(parser, sample):
        text = raw[:cut] if isinstance(parser, WholeParser) else parserkit.complete_text(raw[:cut])
        if text == seen:
            continue  # a half line is held back: nothing new for the parser
        seen = text
        try:
            part = parserkit.read(parser, sample.path, raw[:cut], final=False)
        except ParseError:
            assert isinstance(parser, WholeParser)
            continue
        for p in part.points:
            full = known.get((*place_of(p), p.step)) or known.get(place_of(p))
            if full is None:  # a document that proves less keeps the counter that it could not interpret
                assert p.step is None, (cut, p)
                assert isinstance(parser, WholeParser)
                continue
            assert parserkit.same(p.value, full.value), (cut, p, full)
            assert p.step in (full.step, None), (cut, p, full)
        if not isinstance(parser, WholeParser):
            assert {repr(m.raw_value) + m.metric + m.statistic for m in part.of(Measurement)} <= rows, cut


@each_sample
def test_read_in_stretches(parser: Parser, sample: Sample) -> None:
    """Two readings of a growing file, cut at any line, and a reading line by line."""
    if isinstance(parser, WholeParser):
        return
    raw = sample.raw
    whole = parserkit.read_sample(parser, sample).flat()
    ends = [i + 1 for i, byte in enumerate(raw) if byte == ord("\n")]
    for cuts in [[end] for end in ends] + [ends]:
        assert parserkit.read_sample(parser, sample, cuts=cuts).flat() == whole, cuts


@each_parser
def test_read_together_with_others(parser: Parser) -> None:
    """Small files go through the engine in one call; a neighbour changes nothing, not even a precision."""
    if not isinstance(parser, LineParser):
        return
    samples = [*parser.samples, *parser.samples]
    for sample, outcome in zip(samples, parserkit.read_together(parser, samples), strict=True):
        alone = parserkit.read_sample(parser, sample)
        assert outcome.flat() == alone.flat()
        assert outcome.precisions == alone.precisions


def crlf(raw: bytes) -> bytes:
    return raw.replace(b"\n", b"\r\n")


def bom(raw: bytes) -> bytes:
    return b"\xef\xbb\xbf" + raw


def colours(raw: bytes) -> bytes:
    """Colour codes around every line and around the level, window titles and 24-bit colours too."""
    lines = raw.split(b"\n")
    painted = [
        b"\x1b[4m\x1b[37m" + line.replace(b"INFO", b"\x1b[38;2;1;200;9mINFO\x1b[0m") + b"\x1b[0m" for line in lines
    ]
    return b"\x1b]0;training\x07" + b"\n".join(painted)


def nuls(raw: bytes) -> bytes:
    """Blocks of NULs at the beginnings of lines, as a crash of the machine leaves them."""
    return (b"\0" * 4096) + raw.replace(b"\n", b"\n" + b"\0" * 3)


SCRAPS = [b"99999999999999999999", b"1e999", b"-", b"nan", b"null", b'"x"', b"[]", b"{}", b"\n", b"\xff", b"\x80"]


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """Lines lost, doubled or shuffled, or some bytes replaced, doubled or put in between."""
    lines = raw.split(b"\n")
    how = rng.randrange(6)
    if how == 0:
        rng.shuffle(lines)
    elif how == 1:
        lines = [line for line in lines if rng.random() < 0.7]
    elif how == 2:
        lines *= 2
    text = bytearray(b"\n".join(lines))
    for _ in range(rng.randrange(1, 12) if how > 2 else 0):
        at = rng.randrange(len(text))
        text[at : at + rng.randrange(6)] = rng.choice([*SCRAPS, text[at : at + rng.randrange(30)]])
    return bytes(text)


@each_sample
def test_mutations_end_in_an_outcome(parser: Parser, sample: Sample) -> None:
    rng = random.Random(sample.raw)
    for _ in range(20):
        raw = mutated(sample.raw, rng)
        try:
            parserkit.read(parser, sample.path, raw).flat()
        except ParseError:
            assert isinstance(parser, WholeParser)


@each_text
def test_damage_changes_nothing(parser: Parser, sample: Sample) -> None:
    whole = parserkit.read_sample(parser, sample).flat()
    for damage in (crlf, bom, colours, nuls):
        raw = damage(sample.raw)
        assert parser.detect(parserkit.head(sample.path, raw)), damage
        assert parserkit.read(parser, sample.path, raw).flat() == whole, damage


@each_text
def test_gbk_remark(parser: Parser, sample: Sample) -> None:
    """A remark in GBK at the end does not change what the other lines say."""
    if is_data_file(sample) and isinstance(parser, WholeParser):
        return
    raw = sample.raw + "# 备注：第一次训练，学习率偏大\n".encode("gbk")
    assert parser.detect(parserkit.head(sample.path, raw))
    assert parserkit.read(parser, sample.path, raw).flat() == parserkit.read_sample(parser, sample).flat()


@each_text
def test_progress_bars(parser: Parser, sample: Sample) -> None:
    """Bars drawn with carriage returns in front of records; the line numbers stay physical."""
    if is_data_file(sample):
        return
    whole = parserkit.read_sample(parser, sample)
    lines = sample.raw.decode().split("\n")
    for number in whole.lines:
        bars = "".join(f"\r {n}%|{'█' * (n // 10)}  | {n}/100 [00:0{n // 10}<00:09,  9.1it/s]" for n in (10, 50))
        lines[number - 1] = f"{bars}\r{lines[number - 1]}"
    outcome = parserkit.read(parser, sample.path, "\n".join(lines).encode())
    assert outcome.flat()["points"] == whole.flat()["points"]
    assert outcome.flat()["rows"] == whole.flat()["rows"]


@each_parser
def test_state_is_json(parser: Parser) -> None:
    for sample in parser.samples:
        state = parser.start(parserkit.place(sample.path))
        assert json.loads(json.dumps(state)) == state
