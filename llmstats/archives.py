"""Members of zip and tar archives, read in place, in one pass and in the order of the archive."""

from __future__ import annotations

import io
import posixpath
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, cast

from llmstats.errors import ParseError
from llmstats.inflate import LIMITS, Budget, ByteStream, Inflate, Limits, TooLarge, megabytes
from llmstats.streams import ARCHIVES, Found, PlainFile, Reader, compression_of, is_archive, open_plain

#: What the two modules of the standard library raise on damaged or hostile headers.
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    NotImplementedError,
    struct.error,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    EOFError,
)
_PIECE = 1 << 20
#: A tar header beyond this is no honest one.
_MAX_HEADER = 16 << 20
#: Bytes per member that the directory at the end of a zip may have.
_MAX_DIRECTORY_ENTRY = 256
_ZIP_METHODS = {zipfile.ZIP_DEFLATED: "deflate", zipfile.ZIP_BZIP2: "bzip2", 93: "zstd"}

Member = tuple[Found, Reader | None]
_ZipFile = PlainFile | io.BytesIO


@contextmanager
def _sound() -> Iterator[None]:
    """Around the standard library's reading of headers: what it raises there is a `ParseError`."""
    try:
        yield
    except _BROKEN as error:
        raise ParseError(f"corrupt archive ({error})") from error


def members(found: Found, *, limits: Limits = LIMITS) -> Generator[Member, None, None]:
    """Every file in an archive, archives inside it opened too.

    Each `Reader` is good until the next step of the iteration.  What cannot be read comes with its status and
    without a reader; so does the archive itself, last, if it is damaged (``failed``), holds too much
    (``too_large``) or nothing (``empty``).
    """
    try:
        file = open_plain(found.path)
    except ParseError as error:
        yield replace(found, status="failed", reason=str(error), archive=False), None
        return
    with file:
        yield from _Walk(found, file, limits).archive(file, found.path, file.size, depth=1)


def open_member(path: str, container: str, *, limits: Limits = LIMITS) -> Reader:
    """One member by its path; everything before it in the archive is passed over.

    Raises:
        ParseError: there is no such member, or it cannot be read.
    """
    if not is_archive(container):
        raise ParseError(f"{container} is no archive")
    walk = members(Found(container, archive=True), limits=limits)
    for found, reader in walk:
        if found.path == path and reader is not None:
            return Reader(reader, file=reader.file, close=walk.close)
        if found.path in (path, container):
            raise ParseError(found.reason or found.status)
    raise ParseError(f"no such member in {container}")


# --------------------------------------------------------------------------- the walk


@dataclass(slots=True)
class _Entry:
    """One file as the archive lists it."""

    name: str
    size: int
    problem: str = ""  #: why it is not read; the status is ``unsupported``
    open: Callable[[], ByteStream] | None = None
    compressed: int = 0


class _Walk:
    """One pass over one archive on disk."""

    def __init__(self, outer: Found, file: PlainFile, limits: Limits) -> None:
        self._outer, self._file, self._limits = outer, file, limits
        self._budget = Budget(file.size, limits)
        self._count = 0

    def archive(self, stream: ByteStream, path: str, size: int, depth: int) -> Iterator[Member]:
        """Members of the archive at ``path``, and its own outcome where it has one."""
        before = self._count
        try:
            yield from self._entries(self._listed(stream, path, size), path, depth)
        except TooLarge as error:
            yield self._outcome(path, "too_large", str(error))
        except ParseError as error:
            yield self._outcome(path, "failed", str(error))
        else:
            if self._count == before:
                yield self._outcome(path, "empty", "an archive without files")

    def _listed(self, stream: ByteStream, path: str, size: int) -> Iterator[_Entry]:
        compression = next(ARCHIVES[s] for s in ARCHIVES if path.lower().endswith(s))
        if compression == "zip":
            return _zip_entries(self._seekable(stream, size), size, self._limits, self._budget)
        if compression:
            stream = Inflate(stream, compression, Budget(size, self._limits, parent=self._budget))
        return _tar_entries(stream)

    def _seekable(self, stream: ByteStream, size: int) -> _ZipFile:
        """A zip is read from its end: one inside another archive has to be held in memory."""
        if isinstance(stream, PlainFile):
            return stream
        if size > self._limits.max_held:
            raise TooLarge(f"a zip of {megabytes(size)} inside an archive")
        return io.BytesIO(b"".join(iter(lambda: stream.read(_PIECE), b"")))

    def _entries(self, entries: Iterator[_Entry], path: str, depth: int) -> Iterator[Member]:
        names: set[str] = set()
        for entry in entries:
            if ".git" in entry.name.split("/"):
                continue
            self._count += 1
            if self._count > self._limits.max_members:
                raise TooLarge(f"more than {self._limits.max_members} files in the archive")
            if entry.name in names:
                entry.problem = "a second member of this name; the first one counts"
            names.add(entry.name)
            yield from self._entry(entry, f"{path}!/{entry.name}", depth)
            if self._budget.over:
                raise TooLarge("its members expand beyond all proportion to its size")

    def _entry(self, entry: _Entry, path: str, depth: int) -> Iterator[Member]:
        if entry.problem or entry.open is None:
            yield self._outcome(path, "unsupported", entry.problem, entry.size)
        elif not entry.size:
            yield self._outcome(path, "empty", "", 0)
        elif entry.size > self._limits.max_member:
            yield self._outcome(path, "too_large", f"{megabytes(entry.size)}", entry.size)
        elif not is_archive(path):
            yield self._found(path, entry.size), Reader(self._content(entry, path), file=self._file)
        elif depth >= self._limits.max_depth:
            reason = f"archives inside archives more than {self._limits.max_depth} deep"
            yield self._outcome(path, "too_large", reason, entry.size)
        else:
            yield from self.archive(entry.open(), path, entry.size, depth + 1)

    def _content(self, entry: _Entry, path: str) -> ByteStream:
        assert entry.open is not None
        stream = entry.open()
        kind = compression_of(path)
        if kind is None:
            return stream
        budget = Budget(entry.size, self._limits, most=self._limits.max_member, parent=self._budget)
        return Inflate(stream, kind, budget)

    def _found(self, path: str, size: int) -> Found:
        container = self._outer.path if path != self._outer.path else None
        return replace(self._outer, path=path, size=size, container=container, archive=False)

    def _outcome(self, path: str, status: str, reason: str, size: int = 0) -> Member:
        size = self._outer.size if path == self._outer.path else size
        return replace(self._found(path, size), status=status, reason=reason), None


class _Part:
    """The next ``size`` bytes of a stream."""

    def __init__(self, stream: ByteStream, size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, size: int, /) -> bytes:
        if not self._left:
            return b""
        data = self._stream.read(min(size, self._left, _PIECE))
        if not data:
            raise ParseError("truncated archive")
        self._left -= len(data)
        return data


def _clean(name: str) -> str:
    """A member's name as a relative path without ``.`` and ``..``; a label only, nothing is written there."""
    return posixpath.normpath("/" + name).lstrip("/")


def _guess(raw: bytes) -> str:
    """A name whose encoding nobody stated: UTF-8, or what Chinese Windows writes, or escapes."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "backslashreplace")


# --------------------------------------------------------------------------- tar


class _Forward:
    """A stream as `tarfile` wants it: told where it is, moved forward only, never asked for much at once."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._at = 0
        self.header = b""  #: the last piece read that was a header or had its size

    def read(self, size: int, /) -> bytes:
        if size > _MAX_HEADER:
            raise TooLarge(f"a tar header of {megabytes(size)}")
        data = b"".join(self._parts(size))
        self._at += len(data)
        if size == tarfile.BLOCKSIZE:
            self.header = data
        return data

    def _parts(self, size: int) -> Iterator[bytes]:
        while size and (part := self._stream.read(size)):
            size -= len(part)
            yield part

    def tell(self) -> int:
        return self._at

    def seek(self, position: int, /) -> int:
        if isinstance(self._stream, PlainFile):
            self._at = self._stream.seek(position)
        while self._at < position and self.read(min(_PIECE, position - self._at)):
            pass
        return self._at


def _tar_entries(stream: ByteStream) -> Iterator[_Entry]:
    forward = _Forward(stream)
    with _sound():
        tar = tarfile.TarFile(fileobj=cast(IO[bytes], forward), encoding="utf-8", errors="surrogateescape")
    while (info := _next_header(tar)) is not None:
        if not info.isdir():
            yield _tar_entry(info, forward)
    if forward.header.strip(b"\0"):
        # tarfile takes any header that it cannot read for the end; the true end is empty.
        raise ParseError(f"corrupt archive (bad header near byte {forward.tell()})")
    while not isinstance(stream, PlainFile) and forward.read(_PIECE):
        pass  # the checksum of compressed data stands at its end


def _next_header(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    with _sound():
        info = tar.next()
    tar.members.clear()  # type: ignore[attr-defined]  # else it remembers every header
    return info


def _tar_entry(info: tarfile.TarInfo, forward: _Forward) -> _Entry:
    name = _clean(_guess(info.name.encode("utf-8", "surrogateescape")))
    if info.issparse():
        return _Entry(name, info.size, "a sparse member")
    if info.isreg():
        return _Entry(name, info.size, open=lambda: _Part(forward, info.size))
    kind = "a symbolic link" if info.issym() else "a hard link" if info.islnk() else "a device or FIFO"
    return _Entry(name, 0, kind)


# --------------------------------------------------------------------------- zip


def _zip_entries(file: _ZipFile, size: int, limits: Limits, budget: Budget) -> Iterator[_Entry]:
    _bound_directory(file, size, limits)
    with _sound(), zipfile.ZipFile(file) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
    if infos and all(info.flag_bits & 1 for info in infos):
        raise ParseError("encrypted")
    for info in infos:
        yield _zip_entry(info, file, limits, budget)


def _bound_directory(file: _ZipFile, size: int, limits: Limits) -> None:
    """Refuse a directory of members that would fill the memory; `zipfile` reads it whole."""
    start = max(size - (1 << 16) - 22, 0)
    file.seek(start)
    tail = file.read(size - start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        return  # zipfile will say what is wrong
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    if length != 0xFFFFFFFF and length > limits.max_members * _MAX_DIRECTORY_ENTRY:
        raise TooLarge(f"more than {limits.max_members} files in the archive")


def _zip_entry(info: zipfile.ZipInfo, file: _ZipFile, limits: Limits, budget: Budget) -> _Entry:
    raw = info.orig_filename.partition("\0")[0]
    if not info.flag_bits & 0x800:  # the name is not declared UTF-8: zipfile took it for code page 437
        raw = _guess(raw.encode("cp437"))
    name = _clean(raw.replace("\\", "/"))
    mode = stat.S_IFMT(info.external_attr >> 16)
    if mode not in (0, stat.S_IFREG):
        return _Entry(name, 0, "a symbolic link" if mode == stat.S_IFLNK else "no regular file")
    if info.flag_bits & 1:
        return _Entry(name, info.file_size, "encrypted")
    if info.compress_type != zipfile.ZIP_STORED and info.compress_type not in _ZIP_METHODS:
        return _Entry(name, info.file_size, f"zip compression method {info.compress_type}")
    return _Entry(name, info.file_size, open=lambda: _ZipMember(file, info, limits, budget))


class _ZipMember:
    """One member of a zip, decompressed here because `zipfile` bounds the output of deflate only."""

    def __init__(self, file: _ZipFile, info: zipfile.ZipInfo, limits: Limits, budget: Budget) -> None:
        self._info = info
        self._crc = self._size = 0
        file.seek(info.header_offset)
        header = file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise ParseError("corrupt archive (a member is not where its directory says)")
        file.seek(info.header_offset + 30 + sum(struct.unpack("<HH", header[26:30])))
        self._stream: ByteStream = _Part(file, info.compress_size)
        own = Budget(info.compress_size, limits, most=limits.max_member, parent=budget)
        if info.compress_type == zipfile.ZIP_STORED:
            self._stream = _Counted(self._stream, own)
        else:
            self._stream = Inflate(self._stream, _ZIP_METHODS[info.compress_type], own)

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        if not data and (self._crc, self._size) != (self._info.CRC, self._info.file_size):
            raise ParseError("corrupt archive (a member does not match its checksum)")
        return data


class _Counted:
    """Stored members may overlap, so they count as well."""

    def __init__(self, stream: ByteStream, budget: Budget) -> None:
        self._stream, self._budget = stream, budget

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._budget.spend(len(data))
        return data
