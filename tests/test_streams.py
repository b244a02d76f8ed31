"""Compressed files: read whatever the piece size, damage noticed, bombs stopped."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from llmstats.errors import ParseError
from llmstats.sources import LIMITS, Found, Limits, TooLarge, discover, open_source

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
TEXT = b"".join(b"step %d loss: %d.25\n" % (i, i) for i in range(5000))
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory whose path holds no link."""
    return tmp_path.resolve()


@pytest.mark.parametrize("suffix", PACKERS)
def test_compressed_files(root: Path, suffix: str) -> None:
    path = root / f"a.log{suffix}"
    path.write_bytes(PACKERS[suffix](TEXT))
    (found,) = discover([str(root)])
    assert (found.path, found.status, found.archive) == (str(path), None, False)
    for size in (1 << 20, 1000, 7):
        with open_source(found) as reader:
            assert not reader.growing
            pieces = list(iter(lambda size=size: reader.read(size), b""))  # type: ignore[misc]
            assert reader.consumed == path.stat().st_size
        assert b"".join(pieces) == TEXT
        assert {len(piece) for piece in pieces[:-1]} <= {size}
    with pytest.raises(ValueError, match="beginning"):
        open_source(found, offset=1)


@pytest.mark.parametrize("suffix", PACKERS)
def test_several_compressed_streams_in_one_file(root: Path, suffix: str) -> None:
    pack = PACKERS[suffix]
    path = root / f"a.log{suffix}"
    path.write_bytes(b"".join(pack(b"line %d\n" % i) for i in range(400)) + pack(b"") + pack(TEXT))
    expected = b"".join(b"line %d\n" % i for i in range(400)) + TEXT
    with open_source(Found(str(path))) as reader:
        assert reader.read(1 << 20) == expected


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_padding_behind_a_stream(root: Path, suffix: str) -> None:
    path = root / f"a.log{suffix}"
    path.write_bytes(PACKERS[suffix](b"a\n") + bytes(300_000) + PACKERS[suffix](b"b\n") + bytes(8))
    with open_source(Found(str(path))) as reader:
        assert reader.read(100) == b"a\nb\n"


@pytest.mark.parametrize("suffix", PACKERS)
def test_damaged_compressed_files(root: Path, suffix: str) -> None:
    packed = PACKERS[suffix](TEXT)
    middle = len(packed) // 2
    cases = [
        ("truncated", packed[:-20]),
        ("corrupt", packed[:middle] + b"\xff\xff\x55\xaa" * 8 + packed[middle + 32 :]),
        ("corrupt|truncated", b"this was never compressed\n"),
        ("corrupt", packed + b"\1garbage behind it, which is no stream"),
        ("Git LFS pointer", LFS.encode()),
    ]
    path = root / f"a.log{suffix}"
    for reason, data in cases:
        path.write_bytes(data)
        with pytest.raises(ParseError, match=reason):
            drained(Found(str(path)), LIMITS)


def test_every_truncation_of_a_compressed_file_is_noticed(root: Path) -> None:
    for suffix, pack in PACKERS.items():
        packed = pack(b"a few lines\n" * 20)
        path = root / f"a{suffix}"
        for cut in range(1, len(packed)):
            path.write_bytes(packed[:cut])
            with pytest.raises(ParseError), open_source(Found(str(path))) as reader:
                reader.read(1000)


# --------------------------------------------------------------------------- bombs


def zeros(suffix: str, size: int) -> bytes:
    """``size`` zeros, compressed without holding them."""
    if suffix == ".gz":
        out = io.BytesIO()
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as file:
            for _ in range(size >> 20):
                file.write(bytes(1 << 20))
        return out.getvalue()
    codec = {".bz2": bz2.BZ2Compressor, ".xz": lzma.LZMACompressor}.get(suffix)
    packer = codec() if codec else zstandard.ZstdCompressor().compressobj()
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


def drained(found: Found, limits: Limits) -> int:
    total = 0
    with open_source(found, limits=limits) as reader:
        while data := reader.read(1 << 20):
            total += len(data)
    return total


def test_a_bomb_is_too_large(root: Path) -> None:
    path = root / "a.log.gz"
    path.write_bytes(zeros(".gz", 300 << 20))
    with pytest.raises(TooLarge, match="more than 200 times its size"):
        drained(Found(str(path)), LIMITS)


@pytest.mark.parametrize("suffix", PACKERS)
def test_bombs_stop_at_their_bound(root: Path, suffix: str) -> None:
    path = root / f"a.log{suffix}"
    path.write_bytes(zeros(suffix, 16 << 20))
    with open_source(Found(str(path)), limits=Limits(free_bytes=4 << 20, max_ratio=20)) as reader:
        assert reader.read(3 << 20) == bytes(3 << 20)
        with pytest.raises(TooLarge):
            reader.read(2 << 20)
    assert drained(Found(str(path)), Limits(free_bytes=16 << 20, max_ratio=20)) == 16 << 20


def test_a_file_beyond_the_size_limit(root: Path) -> None:
    path = root / "a.log.gz"
    path.write_bytes(gzip.compress(TEXT))
    with pytest.raises(TooLarge, match="larger than 10000 bytes"):
        drained(Found(str(path)), Limits(max_member=10_000))
