"""What there is to read, and its bytes: discovery, opening, and single lines again.

::

    for found in discover(["work_dirs", "more.tar.gz", "-"]):
        if found.status: …                              # an outcome: empty, unsupported, too_large, failed
        elif found.archive:
            for member, reader in members(found): …     # one pass over the archive
        else:
            with open_source(found) as reader: …
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections import deque
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from glob import has_magic
from typing import TYPE_CHECKING

from llmstats import excerpts
from llmstats.content import LFS_POINTER, classify
from llmstats.errors import InputError, NotFound, ParseError
from llmstats.identity import BlockHasher, same_beginning
from llmstats.inflate import LIMITS, Limits, TooLarge
from llmstats.streams import (
    Found,
    Reader,
    compression_of,
    explain,
    irregular,
    is_archive,
    is_packed,
    is_stdin,
    open_plain,
    open_stream,
)

if TYPE_CHECKING:
    from llmstats.archives import Member

__all__ = [
    "LIMITS",
    "BlockHasher",
    "Found",
    "Limits",
    "Reader",
    "TooLarge",
    "classify",
    "compression_of",
    "discover",
    "is_archive",
    "is_stdin",
    "members",
    "open_source",
    "read_lines",
    "same_beginning",
]

Input = str | os.PathLike[str]

#: Directories that hold no logs.
_SKIPPED_DIRECTORIES = frozenset({".git"})
#: No stand-in of Git LFS is larger.
_MAX_POINTER = 1024
_CHUNK = 1 << 20


# --------------------------------------------------------------------------- discovery


def discover(inputs: Sequence[Input], *, skip: Collection[str] = ()) -> Iterator[Found]:
    """Everything that the inputs name, each file once, in an order that depends on the names only.

    Args:
        inputs: files, directories (read recursively, hidden files too, ``.git`` not), glob patterns where no
            such file exists (``**`` too), ``-`` for standard input.
        skip: paths left out without a word (the database itself).

    A file that several inputs or links lead to comes once, under its own name rather than a link's: links are
    followed last.  Archives come as one `Found` with ``archive`` set; see `members`.

    Raises:
        NotFound: an input does not exist, or a pattern matches nothing; before anything is yielded.
    """
    paths = [path for given in inputs for path in _resolve(os.fspath(given))]
    return _Discovery(skip).run(list(dict.fromkeys(paths)))


class _Discovery:
    def __init__(self, skip: Collection[str]) -> None:
        self._seen = {os.path.realpath(path) for path in skip}  # real paths, of files and directories
        self._links: deque[str] = deque()

    def run(self, paths: list[str]) -> Iterator[Found]:
        for path in paths:
            if path == "-":
                yield Found("-")
            elif os.path.realpath(path) == path:
                yield from self._visit(path, path)
        for path in paths:
            if path != "-":  # through a link; all others are seen already
                yield from self._visit(path, os.path.realpath(path))
        while self._links:
            path = self._links.popleft()
            real = os.path.realpath(path)
            if _leads_back(path, real):
                yield Found(path, "unsupported", f"symbolic link loop (leads back to {real})")
            else:
                yield from self._visit(path, real)

    def _visit(self, path: str, real: str) -> Iterator[Found]:
        """An input, or where a link leads; ``real`` is free of links."""
        try:
            status = os.stat(path)
        except OSError as error:
            yield _unreachable(path, error)
            return
        if not stat.S_ISDIR(status.st_mode):
            if real not in self._seen:
                self._seen.add(real)
                yield _found(path, status)
        else:
            yield from self._directory(path, real)

    def _directory(self, path: str, real: str) -> Iterator[Found]:
        """Depth first without recursion, which deep trees would exhaust."""
        stack: list[Iterator[Found | tuple[str, str]]] = [self._entries(path, real)]
        while stack:
            item = next(stack[-1], None)
            if item is None:
                stack.pop()
            elif isinstance(item, Found):
                yield item
            else:
                stack.append(self._entries(*item))

    def _entries(self, path: str, real: str) -> Iterator[Found | tuple[str, str]]:
        """Files of one directory, and its directories as (path, real path), by name."""
        if real in self._seen:
            return
        self._seen.add(real)
        try:
            with os.scandir(path) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            yield _unreachable(path, error)
            return
        path, real = path.rstrip("/"), real.rstrip("/")
        for entry in entries:
            name = entry.name
            item = self._entry(entry, f"{path}/{name}", f"{real}/{name}")
            if item is not None:
                yield item

    def _entry(self, entry: os.DirEntry[str], path: str, real: str) -> Found | tuple[str, str] | None:
        if not _printable(entry.name):
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            return Found(shown, "unsupported", "the file name is not UTF-8; rename it")
        if entry.is_symlink():
            self._links.append(path)
            return None
        if entry.is_dir(follow_symlinks=False):
            return None if entry.name in _SKIPPED_DIRECTORIES else (path, real)
        if real in self._seen:
            return None
        self._seen.add(real)
        try:
            return _found(path, entry.stat(follow_symlinks=False))
        except OSError as error:
            return _unreachable(path, error)


def _found(path: str, status: os.stat_result) -> Found:
    """What a thing that is no directory is, by its name and one ``stat``; plain files are not opened."""
    size = status.st_size
    found = Found(path, None, "", size, status.st_mtime_ns, status.st_ino, status.st_dev)
    if not stat.S_ISREG(status.st_mode):
        return replace(found, status="unsupported", reason=irregular(status.st_mode) or "no regular file")
    if not size:
        return replace(found, status="empty")
    if not is_packed(path):
        return found
    if size <= _MAX_POINTER and _is_pointer(path):
        return replace(found, status="unsupported", reason="Git LFS pointer")
    return replace(found, archive=is_archive(path))


def _is_pointer(path: str) -> bool:
    """Whether Git LFS left a stand-in here; a file that cannot be opened says so when it is read."""
    try:
        with open_plain(path) as file:
            return file.read(len(LFS_POINTER)) == LFS_POINTER
    except ParseError:
        return False


def _unreachable(path: str, error: OSError) -> Found:
    if error.errno == errno.ELOOP:
        return Found(path, "unsupported", "symbolic link loop")
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        return Found(path, "unsupported", f"broken symbolic link (to {os.readlink(path)})")
    return Found(path, "failed", explain(error))


def _leads_back(path: str, real: str) -> bool:
    """Whether a link at ``path`` to the directory ``real`` leads to a directory that it lies in."""
    above = os.path.dirname(path)
    while True:
        place = os.path.realpath(above)
        if place == real or place.startswith(real.rstrip("/") + "/"):
            return True
        if above == os.path.dirname(above):
            return False
        above = os.path.dirname(above)


def _printable(name: str) -> bool:
    """Whether a file name is valid UTF-8; others cannot be stored as text."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


# --------------------------------------------------------------------------- inputs


def _resolve(given: str) -> list[str]:
    """Absolute paths that an input means."""
    if given == "-":
        return ["-"]
    if not given or "\0" in given:
        raise InputError("an input path is empty" if not given else f"not a path: {given!r}")
    path = os.path.abspath(given)
    if os.path.lexists(path):
        return [path]
    if not has_magic(given):
        raise _not_found(path)
    matches = _expand(path)
    if not matches:
        raise NotFound(f"no file matches {given!r}")
    return matches


def _not_found(path: str) -> NotFound:
    """Names the first part of the path that does not exist, and what is near it."""
    parent, name = os.path.split(path)
    while not os.path.isdir(parent) and parent != "/":
        parent, name = os.path.split(parent)
    try:
        known = os.listdir(parent)
    except OSError as error:
        return NotFound(f"no file or directory {path!r} ({explain(error)})")
    return NotFound.among(f"file or directory in {parent}", name, filter(_printable, known))


def _expand(pattern: str) -> list[str]:
    """Paths that match a glob pattern, sorted.

    Unlike `glob.glob`, ``**`` follows no link: a few links that form loops would keep that busy for ever.
    """
    found = ["/"]
    for part in pattern.strip("/").split("/"):
        found = [match for base in found for match in _step(base, part)]
    return sorted(set(found))


def _step(base: str, part: str) -> Iterator[str]:
    """Paths below ``base`` that one component of a pattern matches."""
    if part == "**":
        for path, directories, _ in os.walk(base):
            directories[:] = sorted(set(directories) - _SKIPPED_DIRECTORIES)
            yield path
    elif not has_magic(part):
        path = os.path.join(base, part)
        if os.path.lexists(path):
            yield path
    elif os.path.isdir(base) and os.access(base, os.R_OK | os.X_OK):
        yield from (os.path.join(base, name) for name in os.listdir(base) if fnmatchcase(name, part))


# --------------------------------------------------------------------------- opening


def members(found: Found, *, limits: Limits = LIMITS) -> Generator[Member, None, None]:
    """Every file in an archive with its `Reader`, in one pass; see `llmstats.archives.members`."""
    from llmstats import archives

    return archives.members(found, limits=limits)


def open_source(found: Found, offset: int = 0, *, limits: Limits = LIMITS) -> Reader:
    """Open one source for reading, decompressed.

    Args:
        found: as `discover` or `members` gave it, or a bare ``Found(path)``; a member is sought through its
            whole archive, so use `members` to read many.
        offset: byte to begin at; plain files only.

    Raises:
        ParseError: it cannot be opened: gone, no regular file, no permission, no such member.
        ValueError: an offset into something that is no plain file.
    """
    if quoted := excerpts.document_of(found.path):
        return _open_excerpt(found.path, *quoted)
    container = found.container or _container_of(found.path)
    if offset and (container or is_stdin(found.path) or compression_of(found.path)):
        raise ValueError(f"{found.path} can be read from its beginning only")
    if container is None:
        return open_stream(found.path, offset, limits=limits)
    from llmstats import archives

    return archives.open_member(found.path, container, limits=limits)


def excerpts_of(found: Found) -> Iterator[excerpts.Excerpt]:
    """Blocks of a document that may be logs."""
    from llmstats.text import Normaliser

    with open_source(found) as reader:
        raw = reader.read(excerpts.MAX_BYTES)
    stretch = Normaliser().feed(raw, final=True)
    if stretch is not None:
        yield from excerpts.find(os.path.basename(found.path), stretch.data.decode("utf-8", "backslashreplace"))


def _open_excerpt(path: str, document: str, number: int) -> Reader:
    for excerpt in excerpts_of(Found(document)):
        if excerpt.number == number:
            return Reader(io.BytesIO(excerpt.text.encode()))
    raise ParseError(f"{path}: the document has no block of this number any more")


def _container_of(path: str) -> str | None:
    """The archive on disk that holds a member, or None where the path is a file's own."""
    if "!/" not in path or os.path.lexists(path):
        return None
    at = path.find("!/")
    while at >= 0:
        if os.path.isfile(path[:at]):
            return path[:at]
        at = path.find("!/", at + 1)
    return None


def read_lines(source: Found | str, first: int, last: int, *, limits: Limits = LIMITS) -> list[str]:
    """Physical lines ``first`` … ``last`` (1-based, both included) of a source, decoded and cleaned.

    A line that a progress bar wrote keeps its carriage returns.  Beyond the end there are none.

    Raises:
        InputError: standard input, or a source that cannot be read again.
    """
    found = Found(source) if isinstance(source, str) else source
    if is_stdin(found.path):
        raise InputError("standard input is not re-readable")
    if quoted := excerpts.document_of(found.path):
        found = Found(quoted[0])  # the lines of an excerpt are those of its document
    try:
        with open_source(found, limits=limits) as reader:
            pieces = _pieces(reader, first, last)
    except ParseError as error:
        raise InputError(f"cannot read {found.path} again: {error}") from error
    return ["\r".join(pieces[number]) for number in sorted(pieces)]


def _pieces(reader: Reader, first: int, last: int) -> dict[int, list[str]]:
    """Text of the wanted lines by their number, in pieces where a carriage return splits them."""
    from llmstats.text import Normaliser

    pieces: dict[int, list[str]] = {}
    raw, encoding, line = _skip(reader, first)
    normaliser = Normaliser(encoding=encoding, line=line)
    while True:
        stretch = normaliser.feed(raw, final=not raw)
        if stretch is not None:
            texts = stretch.data.decode("utf-8").split("\n")
            for number, text in zip(stretch.numbers.tolist(), texts, strict=False):
                if first <= number <= last:
                    pieces.setdefault(number, []).append(text)
        if not raw or normaliser.next_line > last:
            return pieces
        raw = reader.read(_CHUNK)


def _skip(reader: Reader, first: int) -> tuple[bytes, str, int]:
    """Pass over chunks before line ``first``: the next chunk, its encoding, the line that it begins in."""
    from llmstats.text import sniff

    raw, line = reader.read(_CHUNK), 1
    encoding = sniff(raw, final=True) or "ascii"
    if encoding.startswith("utf-16"):
        return raw, encoding, line
    while raw and (after := line + raw.count(b"\n")) < first:
        raw, line = reader.read(_CHUNK), after
    return raw, encoding, line
