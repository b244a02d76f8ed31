"""Bytes of one source: a file, a compressed file, standard input; nothing is unpacked to disk."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass

from llmstats.errors import ParseError
from llmstats.inflate import LIMITS, Budget, ByteStream, Inflate, Limits

#: What a name's end says about a single compressed file.
COMPRESSED = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}

#: How a name ends -> compression of the whole tar (None: none), or ``zip``.
ARCHIVES: dict[str, str | None] = {
    ".zip": "zip",
    ".tar": None,
    **dict.fromkeys((".tar.gz", ".tgz"), "gzip"),
    **dict.fromkeys((".tar.bz2", ".tbz2", ".tbz"), "bzip2"),
    **dict.fromkeys((".tar.xz", ".txz"), "xz"),
    **dict.fromkeys((".tar.zst", ".tzst"), "zstd"),
}
_ARCHIVES = tuple(ARCHIVES)
_PACKED = (*ARCHIVES, *COMPRESSED)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that discovery found; ``status`` None means that it can be read.

    ``path`` is absolute; a member of an archive is ``/d/a.tar.gz!/b/c.log``, of an archive inside one
    ``/d/a.zip!/b.tar!/c``; standard input is ``-``.  ``size`` is in bytes, of a member as its archive
    says; ``mtime_ns``, ``inode`` and ``device`` are of the file on disk.
    """

    path: str
    status: str | None = None  #: ``empty``, ``unsupported``, ``too_large``, ``failed``
    reason: str = ""
    size: int = 0
    mtime_ns: int = 0
    inode: int = 0
    device: int = 0
    container: str | None = None  #: path of the outermost archive, for members
    archive: bool = False  #: holds members: read with `llmstats.sources.members`
    first_line: int = 1  #: number of its first line, in an excerpt of a document


class Reader:
    """One open source; a context manager."""

    def __init__(
        self,
        stream: ByteStream,
        *,
        growing: bool = False,
        file: PlainFile | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        self._stream = stream
        self._close = close
        #: The file on disk behind it all; None for standard input.
        self.file = file
        #: True only for a plain file, whose last line may still be unfinished.
        self.growing = growing

    def read(self, size: int = 1 << 20) -> bytes:
        """The next ``size`` bytes, decompressed; fewer only at the end.

        Raises:
            TooLarge: the source expands beyond its `Limits`.
            ParseError: the data is corrupt or cannot be read.
        """
        data = self._stream.read(size)
        if not data or len(data) == size:
            return data
        parts, have = [data], len(data)
        while have < size and (data := self._stream.read(size - have)):
            parts.append(data)
            have += len(data)
        return b"".join(parts) if len(parts) > 1 else parts[0]

    @property
    def consumed(self) -> int:
        """How far the file on disk (the archive, for a member) is read, in bytes; for a progress bar."""
        return self.file.tell() if self.file and not self.file.closed else 0

    def close(self) -> None:
        if self._close:
            self._close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self.close()


# --------------------------------------------------------------------------- files


class PlainFile(io.FileIO):
    """A regular file, unbuffered; a failure of the system to read it is a `ParseError` with its reason."""

    def __init__(self, path: str, offset: int = 0) -> None:
        super().__init__(_open_regular(path))
        self.size = os.fstat(self.fileno()).st_size
        self.seek(offset)

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return super().read(size) or b""
        except OSError as error:
            raise ParseError(explain(error)) from error


def open_plain(path: str, offset: int = 0) -> PlainFile:
    """Open a regular file as it is on disk, at ``offset``.

    Raises:
        ParseError: it is gone, not a regular file, or may not be read.
    """
    return PlainFile(path, offset)


def _open_regular(path: str) -> int:
    """Without blocking, should a FIFO have taken the place of the file meanwhile."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise ParseError(explain(error)) from error
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        raise ParseError(irregular(mode) or "a directory")
    return number


def irregular(mode: int) -> str | None:
    """What a thing that is neither file nor directory is, for a person."""
    kinds: tuple[tuple[Callable[[int], bool], str], ...] = (
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a character device"),
        (stat.S_ISBLK, "a block device"),
        (stat.S_ISLNK, "a symbolic link"),
    )
    return next((text for test, text in kinds if test(mode)), None)


def explain(error: OSError) -> str:
    """The system's reason in one short phrase, without its number and without the path."""
    if isinstance(error, FileNotFoundError):
        return "the file is gone"
    return (error.strerror or str(error)).lower()


def is_stdin(path: str) -> bool:
    """Whether a path means standard input: ``-``, or ``-/`` and a hash where its content is told from others'."""
    return path.partition("/")[0] == "-"


class _StandardInput:
    """Looked up when read, so that a replaced ``sys.stdin`` is the one that counts."""

    def read(self, size: int, /) -> bytes:
        return sys.stdin.buffer.read(size)


def open_stream(path: str, offset: int = 0, *, limits: Limits = LIMITS) -> Reader:
    """Open a file that is no member of an archive; `llmstats.sources.open_source` opens everything."""
    if is_stdin(path):
        return Reader(_StandardInput())
    file = open_plain(path, offset)
    kind = compression_of(path)
    if kind is None:
        return Reader(file, growing=True, file=file, close=file.close)
    budget = Budget(file.size, limits, most=limits.max_member)
    return Reader(Inflate(file, kind, budget), file=file, close=file.close)


def compression_of(path: str) -> str | None:
    """Kind of compression that the name's end says, or None."""
    return COMPRESSED.get(os.path.splitext(path)[1].lower())


def is_archive(name: str) -> bool:
    """Whether a name ends like an archive's."""
    return name.lower().endswith(_ARCHIVES)


def is_packed(name: str) -> bool:
    """Whether a name ends like an archive's or a compressed file's."""
    return name.lower().endswith(_PACKED)
