"""The normaliser: every encoding and every ornament of a log ends as plain UTF-8 lines with their numbers."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmstats import text as text_module
from llmstats.text import Normaliser, sniff

CHINESE = "2025/02/09 03:15:00 训练开始，学习率：0.1\n第二行 loss: 1.25\nplain line\n"


def normalise(raw: bytes, *cuts: int) -> tuple[list[tuple[int, str]], Normaliser]:
    """(number, line) of everything, fed in the pieces that ``cuts`` make."""
    normaliser = Normaliser()
    edges = [0, *sorted(cuts), len(raw)]
    lines: list[tuple[int, str]] = []
    taken = 0
    for start, stop in itertools.pairwise(edges):
        stretch = normaliser.feed(raw[start:stop], final=False)
        if stretch is not None:
            taken += stretch.raw_bytes
            lines += pairs(stretch)
        assert taken + normaliser.held == stop
    stretch = normaliser.feed(b"", final=True)
    if stretch is not None:
        lines += pairs(stretch)
        taken += stretch.raw_bytes
    assert (taken, normaliser.held) == (len(raw), 0)
    return lines, normaliser


def pairs(stretch: text_module.Stretch) -> list[tuple[int, str]]:
    assert stretch.data == b"" or stretch.data.endswith(b"\n")
    lines = stretch.data.decode("utf-8").split("\n")[:-1]
    return list(zip(stretch.numbers.tolist(), lines, strict=True))


CASES = {
    "plain": (b"a\nb\n", [(1, "a"), (2, "b")]),
    "no line end at the end": (b"a\nb", [(1, "a"), (2, "b")]),
    "empty lines": (b"\n\na\n\n", [(1, ""), (2, ""), (3, "a"), (4, "")]),
    "crlf": (b"a\r\nb\r\n", [(1, "a"), (2, "b")]),
    "mixed line ends": (b"a\r\nb\nc\r\n", [(1, "a"), (2, "b"), (3, "c")]),
    "doubled return": (b"a\r\r\nb\n", [(1, "a"), (2, "b")]),
    "progress bar": (
        b"x\n 1%\r 2%\r100%\nend\n",
        [(1, "x"), (2, " 1%"), (2, " 2%"), (2, "100%"), (3, "end")],
    ),
    "bar glued to a record": (b"\r50%|##\rloss: 1\r\nb\n", [(1, "50%|##"), (1, "loss: 1"), (2, "b")]),
    "nothing but returns": (b"\r\r\r\nb\n", [(1, ""), (2, "b")]),
    "returns at the very end": (b"a\rb\r", [(1, "a"), (1, "b")]),
    "nul run": (b"a\n" + b"\0" * 50 + b"b\nc\n", [(1, "a"), (2, "b"), (3, "c")]),
    "nul run at the end": (b"a\n\0\0\0\0\0", [(1, "a"), (2, "")]),
    "colour": (b"\x1b[32mINFO\x1b[0m x\n", [(1, "INFO x")]),
    "24-bit colour": (b"\x1b[38;2;1;2;3mloss\x1b[48;5;7m: 1\x1b[m\n", [(1, "loss: 1")]),
    "colon colour": (b"\x1b[38:2::1:2:3mloss\x1b[0m\n", [(1, "loss")]),
    "erase line": (b"\r\x1b[K 10%\r\x1b[2K\x1b[1A 20%\n", [(1, " 10%"), (1, " 20%")]),
    "hyperlink": (b"\x1b]8;;http://x/y\x1b\\name\x1b]8;;\x1b\\ end\n", [(1, "name end")]),
    "title": (b"\x1b]0;window\x07text\n", [(1, "text")]),
    "title without end": (b"\x1b]0;window\nb\n", [(1, ""), (2, "b")]),
    "charset and other escapes": (b"\x1b(Ba\x1b=b\x1bMc\x1b7d\n", [(1, "abcd")]),
    "lone escape": (b"a\x1b\nb\x1b[\nc\x1b[3\n", [(1, "a"), (2, "b"), (3, "c")]),
    "one backspace": (b"a\bb\n", [(1, "ab")]),
    "rewinding backspaces": (b"1/10\b\b\b\b2/10\n", [(1, "1/10"), (1, "2/10")]),
    "conflict markers": (
        b"<<<<<<< HEAD\nloss: 1\n=======\nloss: 2\n>>>>>>> other\n",
        [(1, "<<<<<<< HEAD"), (2, "loss: 1"), (3, "======="), (4, "loss: 2"), (5, ">>>>>>> other")],
    ),
    "tab and form feed stay": (b"a\tb\fc\n", [(1, "a\tb\fc")]),
    "utf-8": ("é 训练 🚀\n".encode(), [(1, "é 训练 🚀")]),
    "unicode line separators are no line ends": (
        "a\u2028b\x85c\x0bd\n".encode(),
        [(1, "a\u2028b\x85c\x0bd")],
    ),
    "mark": (b"\xef\xbb\xbfa\nb\n", [(1, "a"), (2, "b")]),
    "mark in the middle": (b"a\n\xef\xbb\xbfb\n", [(1, "a"), (2, "b")]),
    "undecodable": (b"caf\xe9 1\n\xff\xfe\xfd\n", [(1, "caf\\xe9 1"), (2, "\\xff\\xfe\\xfd")]),
    "utf-8 cut by a crash": ("训练日志".encode()[:-1] + b"\nok\n", [(1, "训练日\\xe5\\xbf"), (2, "ok")]),
    "empty": (b"", []),
}


@pytest.mark.parametrize(("raw", "expected"), CASES.values(), ids=CASES)
def test_cases(raw: bytes, expected: list[tuple[int, str]]) -> None:
    assert normalise(raw)[0] == expected


@pytest.mark.parametrize(("raw", "expected"), CASES.values(), ids=CASES)
def test_cases_fed_byte_by_byte(raw: bytes, expected: list[tuple[int, str]]) -> None:
    assert normalise(raw, *range(1, len(raw)))[0] == expected


ENCODED = {
    "ascii": (b"a\nb\n", "ascii"),
    "utf-8": (CHINESE.encode(), "utf-8"),
    "utf-8-sig": (CHINESE.encode("utf-8-sig"), "utf-8-sig"),
    "utf-8-sig of ascii": (b"\xef\xbb\xbfa\n", "utf-8-sig"),
    "utf-16 with mark": (b"\xff\xfe" + CHINESE.encode("utf-16-le"), "utf-16-le"),
    "utf-16-be with mark": (b"\xfe\xff" + CHINESE.encode("utf-16-be"), "utf-16-be"),
    "utf-16-le bare": (CHINESE.encode("utf-16-le"), "utf-16-le"),
    "utf-16-be bare": (CHINESE.encode("utf-16-be"), "utf-16-be"),
    "gbk": (CHINESE.encode("gbk"), "gb18030"),
    "gb18030 beyond gbk": (("训练日志记录 🚀 " * 3 + "\n").encode("gb18030"), "gb18030"),
    "gbk lines among utf-8": ("损失：一\n".encode() + "损失：二\n".encode("gbk") + b"x\n", "gb18030"),
    "escapes": ("损失：二\n".encode("gbk") + b"caf\xe9\n", "utf-8+escapes"),
}


@pytest.mark.parametrize(("raw", "encoding"), ENCODED.values(), ids=ENCODED)
def test_encoding_is_found_however_the_bytes_come(raw: bytes, encoding: str) -> None:
    whole, normaliser = normalise(raw)
    assert normaliser.encoding == encoding
    bytewise, normaliser = normalise(raw, *range(1, len(raw)))
    assert (bytewise, normaliser.encoding) == (whole, encoding)


@pytest.mark.parametrize("name", [n for n, (_, e) in ENCODED.items() if e.startswith("utf-16")])
def test_utf16_reads_as_what_it_says(name: str) -> None:
    lines, _ = normalise(ENCODED[name][0])
    assert "".join(line + "\n" for _, line in lines) == CHINESE


def test_chinese_windows_text_is_read_line_by_line() -> None:
    raw = "损失：一\n".encode() + "损失：二\n".encode("gbk") + b"temp\xe9rature \xe0 1\n"
    assert normalise(raw)[0] == [(1, "损失：一"), (2, "损失：二"), (3, "temp\\xe9rature \\xe0 1")]


def test_utf16_line_ends_are_code_units() -> None:
    # U+0A0D and U+0D0A hold both bytes of a line end, U+0A00 and U+000A lie side by side.
    text = "aaaaaaaaaaaaaaaa\u0a0d\u0d0a\u0a00\nb\u0a0a\r\nc"
    for encoding in ("utf-16-le", "utf-16-be"):
        mark = "\ufeff".encode(encoding)
        lines, _ = normalise(mark + text.encode(encoding))
        assert lines == [(1, "aaaaaaaaaaaaaaaa\u0a0d\u0d0a\u0a00"), (2, "b\u0a0a"), (3, "c")]


def test_broken_utf16_is_escaped() -> None:
    lone = b"\x00\xd8"
    lines, _ = normalise(b"\xff\xfe" + "a".encode("utf-16-le") + lone + "b\nc".encode("utf-16-le") + b"\x41")
    assert lines == [(1, "a\\x00\\xd8b"), (2, "c\\x41")]


@pytest.mark.parametrize(
    ("head", "final", "encoding"),
    [
        (b"", False, None),
        (b"", True, "ascii"),
        (b"no line end yet", False, None),
        (b"no line end yet", True, "ascii"),
        (b"\n\n", False, None),
        (b"a\n", False, "ascii"),
        (b"\xef\xbb", False, None),
        (b"\xef\xbb\xbf", False, "utf-8-sig"),
        (b"a\0b\0\n", False, None),
        (b"a\0b\0\n\0", False, "utf-16-le"),
        (b"a\0b\0\nx", False, "ascii"),
        (b"\0a\0b\0\nx", False, "utf-16-be"),
        (b"\0" * 40 + b"a log line\n", False, None),
        (b"\0" * 40 + b"a log line\nb", False, "ascii"),
        (b"x" * text_module.SNIFF, False, "ascii"),
        (b"x\0" * text_module.SNIFF, False, "utf-16-le"),
    ],
)
def test_sniff(head: bytes, final: bool, encoding: str | None) -> None:
    assert sniff(head, final=final) == encoding


# --------------------------------------------------------------------------- held back and resumed


def test_an_unfinished_line_is_held_back_and_completed_later() -> None:
    normaliser = Normaliser()
    stretch = normaliser.feed(b"one\ntwo\nthr", final=False)
    assert stretch is not None
    assert (pairs(stretch), stretch.raw_bytes, normaliser.held) == ([(1, "one"), (2, "two")], 8, 3)
    assert normaliser.next_line == 3
    assert normaliser.feed(b"e", final=False) is None
    stretch = normaliser.feed(b"e\n", final=False)
    assert stretch is not None
    assert (pairs(stretch), stretch.raw_bytes, normaliser.held) == ([(3, "three")], 6, 0)


@pytest.mark.parametrize(("raw", "encoding"), ENCODED.values(), ids=ENCODED)
def test_a_later_normaliser_goes_on_with_encoding_line_and_offset(raw: bytes, encoding: str) -> None:
    whole, _ = normalise(raw)
    for cut in range(len(raw)):
        first = Normaliser()
        stretch = first.feed(raw[:cut], final=False)
        lines = pairs(stretch) if stretch else []
        offset = stretch.raw_bytes if stretch else 0
        second = Normaliser(encoding=first.encoding, line=first.next_line)
        stretch = second.feed(raw[offset:], final=True)
        assert lines + (pairs(stretch) if stretch else []) == whole
        assert second.encoding == encoding


# --------------------------------------------------------------------------- very long lines


@pytest.fixture
def short_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(text_module, "MAX_LINE", 64)
    return 64


def test_a_line_beyond_the_limit_comes_in_pieces_of_one_number(short_limit: int) -> None:
    raw = b"before\n" + b"x" * 150 + b"\nafter\n"
    lines, normaliser = normalise(raw)
    assert lines == [(1, "before"), (2, "x" * 64), (2, "x" * 64), (2, "x" * 22), (3, "after")]
    assert normaliser.truncated_lines == 1
    assert normalise(raw, *range(1, len(raw)))[0] == lines


def test_an_endless_progress_bar_is_cut_between_its_pieces(short_limit: int) -> None:
    raw = b"".join(b"%3d%%|bar\r" % i for i in range(100)) + b"\nafter\n"
    expected = [(1, f"{i:3d}%|bar") for i in range(100)] + [(2, "after")]
    for cuts in ((), range(1, len(raw)), (63, 64, 65, 500)):
        lines, normaliser = normalise(raw, *cuts)
        assert lines == expected
        assert normaliser.truncated_lines == 0


def test_a_line_of_exactly_the_limit_is_whole(short_limit: int) -> None:
    lines, _ = normalise(b"x" * 64 + b"\n" + b"y" * 63 + b"\n\nz")
    assert lines == [(1, "x" * 64), (2, "y" * 63), (3, ""), (4, "z")]


def test_cuts_respect_characters(short_limit: int) -> None:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        raw = "\ufeff".encode(encoding) + ("x" + "训🚀" * 60).encode(encoding)
        lines, normaliser = normalise(raw)
        assert "".join(line for _, line in lines) == "x" + "训🚀" * 60
        assert normaliser.truncated_lines == 1


def test_memory_is_bounded_on_an_endless_line() -> None:
    normaliser = Normaliser()
    piece = b"x" * (1 << 20)
    for _ in range(40):
        normaliser.feed(piece, final=False)
        assert normaliser.held <= text_module.MAX_LINE
    assert normaliser.truncated_lines == 1


def test_a_giant_run_of_nuls_is_no_line_of_its_own(short_limit: int) -> None:
    lines, normaliser = normalise(b"\0" * 1000 + b"first\nsecond\n")
    assert lines == [(1, "first"), (2, "second")]
    assert normaliser.truncated_lines == 0


# --------------------------------------------------------------------------- any bytes, any cuts

PIECES = st.sampled_from(
    [
        "a",
        "loss: 1.25",
        " ",
        "训练",
        "🚀",
        "\n",
        "\r\n",
        "\r",
        "\x1b[31m",
        "\x1b]0;t\x07",
        "\0\0\0",
        "\b",
        "\b\b",
        "é",
    ]
)
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gbk", "gb18030"]


@settings(deadline=None)
@given(st.lists(PIECES, max_size=40), st.sampled_from(ENCODINGS), st.lists(st.integers(0, 400), max_size=8))
def test_cuts_do_not_matter(pieces: list[str], encoding: str, cuts: list[int]) -> None:
    raw = "".join(pieces).encode(encoding, "ignore")
    check_cuts(raw, cuts)


@settings(deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_cuts_do_not_matter_for_any_bytes(raw: bytes, cuts: list[int]) -> None:
    check_cuts(raw, cuts)


def check_cuts(raw: bytes, cuts: list[int]) -> None:
    whole, first = normalise(raw)
    cut, second = normalise(raw, *[c for c in cuts if c < len(raw)])
    assert cut == whole
    assert (second.encoding, second.next_line) == (first.encoding, first.next_line)


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(4, 40), st.lists(st.integers(0, 300), max_size=8))
def test_cuts_do_not_matter_beyond_the_limit_of_a_line(raw: bytes, limit: int, cuts: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "MAX_LINE", limit * 2)
        check_cuts(raw, cuts)


@settings(deadline=None)
@given(st.lists(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=30), max_size=10))
def test_utf8_text_comes_back_as_it_was(lines: list[str]) -> None:
    lines = [line.replace("\ufeff", "") for line in lines]
    raw = "".join(line + "\n" for line in lines).encode()
    assert normalise(raw)[0] == list(enumerate(lines, 1))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_output_is_always_clean(raw: bytes) -> None:
    normaliser = Normaliser()
    stretch = normaliser.feed(raw, final=True)
    if stretch is None:
        assert not raw
        return
    stretch.data.decode("utf-8")
    assert not set(stretch.data) & set(b"\0\b\r\x1b")
    assert len(stretch.numbers) == stretch.data.count(b"\n")
    assert (stretch.numbers[1:] >= stretch.numbers[:-1]).all()
    assert normaliser.next_line - 1 >= max(stretch.numbers.tolist(), default=0)


def test_a_long_mixed_log_in_random_pieces() -> None:
    rng = random.Random(7)
    rows = []
    for i in range(2000):
        line = json.dumps({"step": i, "loss": i / 7}).encode()
        rows.append(
            line + rng.choice([b"\n", b"\r\n", b"\r 10%\r 20%\n", "训练\n".encode(), "训练日志\n".encode("gbk")])
        )
    raw = b"".join(rows)
    whole, _ = normalise(raw)
    assert max(n for n, _ in whole) == 2000
    assert normalise(raw, *sorted(rng.sample(range(len(raw)), 200)))[0] == whole
