"""What bytes look like, and hashes that tell growth from a rewrite."""

from __future__ import annotations

import gzip
import itertools
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmstats import identity
from llmstats.content import classify
from llmstats.errors import ParseError
from llmstats.sources import BlockHasher, same_beginning

LOG = "2025/02/09 03:15:00 - INFO - loss: 1.25 训练\n" * 50
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
UNSUPPORTED = {
    "Git LFS pointer": POINTER.encode(),
    "git-annex pointer": b"/annex/objects/SHA256E-s1--x.log\n",
    "binary (ELF executable or library)": b"\x7fELF\x02\x01\x01" + bytes(100),
    "PNG image": b"\x89PNG\r\n\x1a\n" + bytes(20),
    "gzip data (read when named .gz)": gzip.compress(LOG.encode()),
    "zip archive (read when named .zip)": b"PK\x03\x04" + bytes(30),
    "tar archive (read when named .tar)": b"a.log".ljust(257, b"\0") + b"ustar\x0000" + bytes(200),
    "safetensors file": struct.pack("<Q", 200) + b'{"__metadata__":{}}' + b" " * 200,
    "TensorBoard event file": b"\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22\x09" + bytes(8) + b"\x1a\rbrain.Event:2",
    "Python pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94.",
    "DuckDB database": b"\x01\x02\x03\x04\x05\x06\x07\x08DUCK" + bytes(100),
    "UTF-32 text": LOG.encode("utf-32"),
    "only NUL bytes": bytes(5000),
    "binary": random.Random(1).randbytes(5000),
}


@pytest.mark.parametrize(("reason", "head"), UNSUPPORTED.items(), ids=list(UNSUPPORTED))
def test_what_is_no_text_says_what_it_is(reason: str, head: bytes) -> None:
    assert classify(head) == ("unsupported", reason)


TEXTS = {
    "empty": b"",
    "utf-8": LOG.encode(),
    "utf-8-sig": LOG.encode("utf-8-sig"),
    "gbk": LOG.encode("gbk"),
    "latin-1": "température: é\n".encode("latin-1"),
    "utf-16": LOG.encode("utf-16"),
    "utf-16-le": LOG.encode("utf-16-le"),
    "utf-16-be": LOG.encode("utf-16-be"),
    "utf-16 cut in the middle": LOG.encode("utf-16")[:-1],
    "colours": b"\x1b[38;2;1;2;3mloss\x1b[0m: 1\r 50%\b\b\f\n" * 5,
    "block of NULs in front": bytes(50_000) + LOG.encode(),
    "block of NULs behind": LOG.encode() + bytes(50_000),
    "some NULs": b"a\0b c d e f\n" * 10,
    "one odd control byte": b"one \x02 in a line of ordinary length\n",
    "begins like a word of a magic number": b"MZ is how it begins, PAR is another\n",
}


@pytest.mark.parametrize("head", TEXTS.values(), ids=list(TEXTS))
def test_text_is_text(head: bytes) -> None:
    assert classify(head) is None


def test_utf16_of_small_integers_is_binary() -> None:
    assert classify(struct.pack("<500H", *(i % 30 for i in range(500)))) == ("unsupported", "binary")


# --------------------------------------------------------------------------- identity


@pytest.fixture
def block(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(identity, "BLOCK", 64)
    return 64


def hashed(data: bytes) -> BlockHasher:
    hasher = BlockHasher()
    hasher.update(data)
    return hasher


def test_blocks_are_of_four_mebibytes() -> None:
    data = random.Random(2).randbytes((8 << 20) + 100)
    hasher = hashed(data)
    assert len(hasher.blocks()) == 3
    assert hasher.blocks()[:1] == hashed(data[: 4 << 20]).blocks()
    assert hasher.blocks()[2:] == hashed(data[8 << 20 :]).blocks()
    assert all(len(b) == 16 for b in hasher.blocks())
    assert len(hasher.content_hash()) == 32


@settings(deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_pieces_do_not_matter(data: bytes, cuts: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "BLOCK", 64)
        whole, pieces = hashed(data), BlockHasher()
        edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
        for start, stop in itertools.pairwise(edges):
            pieces.update(data[start:stop])
        assert pieces.blocks() == whole.blocks()
        assert pieces.content_hash() == whole.content_hash()
        assert pieces.size == len(data)


def test_content_hash_depends_on_everything() -> None:
    contents = [b"", b"\0", b"\0\0", b"a", b"b"]
    assert len({hashed(c).content_hash() for c in contents}) == len(contents)
    assert hashed(b"").blocks() == []


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 128, 200])
def test_growth_and_resuming(tmp_path: Path, block: int, size: int) -> None:
    data = random.Random(3).randbytes(300)
    path = tmp_path / "a.log"
    path.write_bytes(data)
    before = hashed(data[:size])
    assert same_beginning(str(path), size, before.blocks())
    hasher = BlockHasher.resume(str(path), size, before.blocks())
    assert (hasher.size, hasher.blocks()) == (size, before.blocks())
    hasher.update(data[size:])
    assert hasher.content_hash() == hashed(data).content_hash()


@pytest.mark.parametrize("size", [1, 63, 64, 65, 128, 200])
def test_a_rewritten_or_shortened_file_has_another_beginning(tmp_path: Path, block: int, size: int) -> None:
    data = random.Random(4).randbytes(300)
    path = tmp_path / "a.log"
    blocks = hashed(data[:size]).blocks()
    changed = bytearray(data)
    changed[size - 1] ^= 1
    path.write_bytes(changed)
    assert not same_beginning(str(path), size, blocks)
    path.write_bytes(data[: size - 1])
    assert not same_beginning(str(path), size, blocks)
    path.write_bytes(data)
    assert not same_beginning(str(path), size, [*blocks, "0" * 16])
    path.unlink()
    with pytest.raises(ParseError, match="the file is gone"):
        same_beginning(str(path), size, blocks)
