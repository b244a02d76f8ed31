"""Decompression that can be trusted with anything: bounded output, bounded memory, bounded pieces.

Nothing that a header says about sizes is believed; every byte that comes out of a decompressor is counted.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Protocol

from llmstats.content import LFS_POINTER
from llmstats.errors import ParseError

_PIECE = 128 << 10
_XZ_MEMORY = 256 << 20
_ZSTD_WINDOW = 128 << 20


class TooLarge(ParseError):
    """A compressed stream or an archive holds more than `Limits` allow; the source becomes ``too_large``."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds against decompression bombs; plain files have none."""

    max_ratio: int = 200  #: a stream may expand to so many times its compressed size …
    free_bytes: int = 64 << 20  #: … or to so many bytes, whichever is more
    max_member: int = 8 << 30  #: bytes of one member of an archive, or of one compressed file
    max_members: int = 100_000  #: files in one archive, those of archives inside it counted in
    max_depth: int = 3  #: archives inside archives
    max_held: int = 256 << 20  #: bytes of a zip inside another archive, which has to be held in memory


#: The bounds where nobody asks for others.
LIMITS = Limits()


class ByteStream(Protocol):
    """Anything that gives the next bytes: at most ``size`` of them, none only at the end."""

    def read(self, size: int, /) -> bytes: ...


class Budget:
    """Counts the bytes that came out of compressed data, and stops a bomb.

    Args:
        compressed: bytes of the compressed data.
        most: bound that holds whatever the ratio; None for the stream of a whole archive.
        parent: budget of the archive around, charged as well.
    """

    def __init__(
        self, compressed: int, limits: Limits, *, most: int | None = None, parent: Budget | None = None
    ) -> None:
        self._ratio = limits.max_ratio
        self._bound = max(compressed * limits.max_ratio, limits.free_bytes)
        self._most = most
        self._parent = parent
        self._made = 0

    def spend(self, count: int) -> None:
        """Note ``count`` more bytes; raises `TooLarge` beyond the bound."""
        self._made += count
        if self._most is not None and self._made > self._most:
            raise TooLarge(f"larger than {megabytes(self._most)} when decompressed")
        if self._made > self._bound:
            raise TooLarge(f"expands to more than {self._ratio} times its size ({megabytes(self._made)})")
        if self._parent is not None:
            self._parent.spend(count)

    @property
    def over(self) -> bool:
        return self._made > self._bound


def megabytes(size: int) -> str:
    """``64 MiB``, ``8 GiB``, or bytes where it is less."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} bytes"


class _Codec(Protocol):
    """What bz2 and lzma share, and zlib and zstandard are fitted to."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._object = zlib.decompressobj(wbits)
        self.needs_input = True

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        out = self._object.decompress(data or self._object.unconsumed_tail, max_length)
        # Output may wait inside although all input is taken: only an unfilled piece says that there is none.
        self.needs_input = not self._object.unconsumed_tail and len(out) < max_length
        return out

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data


class _Zstd:
    """zstandard's object knows no bound for its output, so it is fed so little that 16 MiB are the most."""

    _SLICE = 512

    def __init__(self) -> None:
        import zstandard

        self._object = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        self._pending = b""
        self._at = 0
        self._ready = b""

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        if data:
            self._pending, self._at = data, 0
        out = [self._ready]
        have = len(self._ready)
        while have < max_length and self._at < len(self._pending) and not self._object.eof:
            out.append(self._object.decompress(self._pending[self._at : self._at + self._SLICE]))
            self._at += self._SLICE
            have += len(out[-1])
        joined = b"".join(out)
        self._ready = joined[max_length:]
        return joined[:max_length]

    @property
    def eof(self) -> bool:
        return bool(self._object.eof) and not self._ready

    @property
    def needs_input(self) -> bool:
        return not self._ready and self._at >= len(self._pending)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._object.unused_data) + self._pending[self._at :]


def _codec(kind: str) -> _Codec:
    if kind == "gzip":
        return _Zlib(31)
    if kind == "deflate":
        return _Zlib(-15)
    if kind == "zstd":
        return _Zstd()
    if kind == "bzip2":
        import bz2

        return bz2.BZ2Decompressor()
    import lzma

    return lzma.LZMADecompressor(memlimit=_XZ_MEMORY)


def _failures(kind: str) -> tuple[type[Exception], ...]:
    """What a decompressor raises on corrupt data."""
    if kind == "xz":
        import lzma

        return (lzma.LZMAError,)
    if kind == "zstd":
        import zstandard

        return (zstandard.ZstdError,)
    return (zlib.error, OSError)


class Inflate:
    """A compressed stream, decompressed; streams of one kind that follow each other are one."""

    def __init__(self, source: ByteStream, kind: str, budget: Budget) -> None:
        self._source = source
        self._kind = kind
        self._budget = budget
        self._codec: _Codec | None = None  # None: between two streams
        self._rest = b""  # compressed bytes behind the end of the last stream
        self._begun = False
        self._done = False

    def read(self, size: int, /) -> bytes:
        while not self._done:
            out = self._step(size)
            if out:
                self._budget.spend(len(out))
                return out
        return b""

    def _step(self, size: int) -> bytes:
        """The next output, or nothing where more input is needed; notes the end."""
        codec = self._codec
        data = self._input() if codec is None or codec.needs_input else b""
        if codec is None:
            codec = self._codec = self._start(data)
        elif not data and codec.needs_input:
            raise ParseError(f"truncated {self._kind} data")
        return self._decompress(codec, data, size) if codec else b""

    def _input(self) -> bytes:
        data, self._rest = self._rest, b""
        if not data:
            data = self._source.read(_PIECE)
        if self._codec is None and self._begun:
            return self._skip_padding(data)
        return data

    def _skip_padding(self, data: bytes) -> bytes:
        """NULs may stand behind a stream; nothing but NULs up to the end is the end."""
        while data:
            kept = data.lstrip(b"\0")
            if kept:
                return kept
            data = self._source.read(_PIECE)
        return b""

    def _start(self, data: bytes) -> _Codec | None:
        if not data:
            self._done = True
            return None
        if not self._begun and data.startswith(LFS_POINTER):
            raise ParseError("Git LFS pointer")
        self._begun = True
        return _codec(self._kind)

    def _decompress(self, codec: _Codec, data: bytes, size: int) -> bytes:
        try:
            out = codec.decompress(data, size)
        except _failures(self._kind) as error:
            raise ParseError(f"corrupt {self._kind} data ({error})") from error
        if codec.eof:
            self._rest = codec.unused_data
            self._codec = None
            self._done = self._kind == "deflate"  # a member of a zip is one stream
        return out
