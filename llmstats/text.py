"""One normaliser for all text: whatever a log is written in, parsers see UTF-8 lines ended by ``\\n``.

Every step is local to one physical line, so the result does not depend on how the bytes were cut into chunks;
and every step is taken only where its byte occurs, so a clean log costs little more than looking.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmstats.content import utf16_of

Lines = npt.NDArray[np.int64]

#: A physical line longer than this many raw bytes is read in pieces.
MAX_LINE = 8 << 20
#: Bytes by which the encoding is decided at the latest.
SNIFF = 64 << 10
#: Work that needs temporaries goes in pieces of so many bytes: larger ones are mapped afresh at every call,
#: which costs several times the work itself.
_CACHED = 128 << 10

_BOM = b"\xef\xbb\xbf"
#: Encodings in the order of what they say more: the last one seen in a source is its encoding.
_RANK = ("ascii", "utf-8", "utf-8-sig", "gb18030", "utf-8+escapes")

_ANSI = re.compile(
    rb"\x1b(?:"
    rb"\[[0-?]*[ -/]*[@-~]?"  # CSI: colours (24-bit too), cursor movements
    rb"|[\]PX^_][^\x07\x1b\r\n]*(?:\x07|\x1b\\)?"  # OSC (titles, hyperlinks) and other strings
    rb"|[ -/]*[0-~]?"  # all others
    rb")"
)
_GB2312_PAIR = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")
_PRIVATE_USE = re.compile("[\ue000-\uf8ff]")
_ASCII = bytes(range(128))
_REWIND = re.compile(rb"\x08{2,}")
_FIRST_LINE = re.compile(rb"[\r\n\0]*[^\r\n\0][^\n]*\n")


@dataclass(slots=True)
class Stretch:
    """Complete lines of a source.

    ``data`` is UTF-8, every line ended by ``\\n``; no ANSI escapes, NULs, byte order marks, carriage returns,
    backspaces.  ``numbers``, shape (lines of data,), are physical line numbers: 1-based, counted by the
    ``\\n`` of the source; a physical line that a carriage return splits gives several lines of one number.
    """

    data: bytes
    numbers: Lines
    raw_bytes: int  #: bytes of the source that these lines took


class Normaliser:
    """Turns the bytes of one source into `Stretch` after stretch.

    Args:
        encoding: what an earlier normaliser found, to go on behind its last stretch; None at the beginning.
        line: number of the next physical line.
        longest: bytes of a line beyond which it is given out in pieces (`MAX_LINE`).
    """

    def __init__(self, *, encoding: str | None = None, line: int = 1, longest: int | None = None) -> None:
        #: ``ascii`` as long as nothing else was seen, ``utf-8``, ``utf-8-sig``, ``utf-16-le``, ``utf-16-be``,
        #: ``gb18030`` (some lines are), ``utf-8+escapes`` (some bytes were undecodable); None: not known yet.
        self.encoding = encoding
        self.next_line = line
        self._longest = longest or MAX_LINE
        #: Physical lines longer than ``longest`` without any carriage return, cut into pieces.
        self.truncated_lines = 0
        self._parts: list[bytes | memoryview] = []
        self._held = 0
        self._inside = False  # pieces of the next line were given already
        self._cut = False  # … and it counts as truncated

    @property
    def held(self) -> int:
        """Bytes fed and not yet given back: an unfinished line."""
        return self._held

    def feed(self, raw: bytes, *, final: bool) -> Stretch | None:
        """Take the next bytes.

        Args:
            raw: bytes that follow the ones fed before.
            final: nothing comes after them, so an unfinished last line counts as a line.

        Returns:
            The lines completed by them, or None if there is none; the rest is held back.
        """
        self._parts.append(raw)
        self._held += len(raw)
        if not final and self._held < self._longest:
            end = raw.rfind(b"\n") + 1
            if not end:
                return None
            if self.encoding is not None and not self._wide:
                return self._complete(raw, end)
        buffer = b"".join(self._parts) if len(self._parts) > 1 else raw
        self._parts = [buffer]
        if self.encoding is None:
            self.encoding = sniff(buffer, final=final)
            if self.encoding is None:
                return None
        return self._take(buffer, final)

    def _complete(self, raw: bytes, end: int) -> Stretch:
        """The ordinary case: everything held and ``raw[:end]`` are lines; copies them once."""
        self._parts[-1] = memoryview(raw)[:end]
        lines = b"".join(self._parts) if len(self._parts) > 1 or end < len(raw) else raw
        self._parts = [raw[end:]] if end < len(raw) else []
        self._held -= len(lines)
        return Stretch(*self._block(lines, ended=True), len(lines))

    def _take(self, buffer: bytes, final: bool) -> Stretch | None:
        done = 0
        blocks = []
        for start, stop, ended in self._blocks(buffer, final):
            blocks.append(self._block(buffer[start:stop], ended))
            done = stop
        self._parts = [buffer[done:]] if done < len(buffer) else []
        self._held -= done
        if not blocks:
            return None
        if len(blocks) == 1:
            return Stretch(*blocks[0], done)
        data, numbers = zip(*blocks, strict=True)
        return Stretch(b"".join(data), np.concatenate(numbers), done)

    def _blocks(self, buffer: bytes, final: bool) -> Iterator[tuple[int, int, bool]]:
        """What can be given out, ``[start, stop)``: complete lines (True), a piece of a long one (False)."""
        start, size = 0, len(buffer)
        while start < size:
            window = min(start + self._longest, size)
            stop = self._behind_last(b"\n", buffer, start, window)
            ended = bool(stop)
            if not ended and window - start == self._longest:
                stop = self._behind_last(b"\r", buffer, start, window)
                stop = stop or self._character(buffer, start, window)
            elif not ended and final:
                stop, ended = size, True
            if not stop:
                return
            yield start, stop, ended
            start = stop

    def _behind_last(self, mark: bytes, buffer: bytes, start: int, stop: int) -> int:
        """Place behind the last ``mark`` within ``[start, stop)``, or 0."""
        if not self._wide:
            return buffer.rfind(mark, start, stop) + 1
        mark = mark + b"\0" if self._wide == "utf-16-le" else b"\0" + mark
        at = buffer.rfind(mark, start, stop)
        while at >= 0 and (at - start) % 2:
            at = buffer.rfind(mark, start, at + 1)
        return at + 2 if at >= 0 else 0

    def _character(self, buffer: bytes, start: int, stop: int) -> int:
        """Place before the character that a hard cut at ``stop`` would split."""
        if self._wide:
            high = stop - 1 if self._wide == "utf-16-le" else stop - 2
            return stop - 2 if 0xD8 <= buffer[high] <= 0xDB else stop
        for back in range(1, 4):
            if buffer[stop - back] >= 0xC0:  # a lead byte of UTF-8
                return stop - back
        return stop

    @property
    def _wide(self) -> str | None:
        return self.encoding if self.encoding in ("utf-16-le", "utf-16-be") else None

    # ---- one block

    def _block(self, raw: bytes, ended: bool) -> tuple[bytes, Lines]:
        """Lines and their numbers; ``ended`` False: a piece of a line that goes on."""
        text = _clean(self._decode(raw))
        if not ended and not text:
            self._inside = True
            return b"", np.empty(0, np.int64)
        if not ended and not text.endswith(b"\r"):
            self._note_cut()
        if not text.endswith(b"\n"):
            text += b"\n"
        data, numbers, count = _number(text, self.next_line)
        if self._inside and data.startswith(b"\n"):  # nothing is left of a line of which pieces were given
            data, numbers = data[1:], numbers[1:]
        self._inside = not ended
        if ended:
            self.next_line += count
            self._cut = False
        return data, numbers

    def _note_cut(self) -> None:
        if not self._cut:
            self.truncated_lines += 1
        self._cut = True

    def _decode(self, raw: bytes) -> bytes:
        """UTF-8 of one block, whatever it was; a byte order mark may begin any line (files were joined)."""
        if self._wide:
            text = raw.decode(self._wide, "backslashreplace").encode()
        elif raw.isascii():
            return raw
        elif _is_utf8(raw):
            self._note("utf-8")
            text = raw
        else:
            text = b"\n".join([self._decode_line(line) for line in raw.split(b"\n")])
        return text.replace(_BOM, b"") if _BOM in text else text

    def _decode_line(self, line: bytes) -> bytes:
        if line.isascii():
            return line
        if _is_utf8(line):
            self._note("utf-8")
            return line
        text = _gb18030(line)
        if text is None:
            self._note("utf-8+escapes")
            text = line.decode("utf-8", "backslashreplace")
        else:
            self._note("gb18030")
        return text.encode()

    def _note(self, encoding: str) -> None:
        if self.encoding not in _RANK or _RANK.index(encoding) > _RANK.index(self.encoding):
            self.encoding = encoding


# --------------------------------------------------------------------------- encodings


def sniff(head: bytes, *, final: bool) -> str | None:
    """Encoding by the first line that is not blank: ``ascii`` unless a mark or a pattern says otherwise.

    Args:
        head: the source from its first byte on.
        final: there is no more of it.

    Returns:
        ``ascii``, ``utf-8-sig``, ``utf-16-le`` or ``utf-16-be``; None while more bytes are needed to tell.
    """
    if head.startswith(_BOM):
        return "utf-8-sig"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return utf16_of(head[:2])
    line = _FIRST_LINE.match(head, 0, SNIFF)
    if line is None:
        return None if len(head) < SNIFF and not final else _by_pattern(head[:SNIFF])
    end = line.end()
    if head[end : end + 1] == b"" and b"\0" in line[0] and not final:
        return None  # the other half of a wide line end may come
    return _by_pattern(line[0] + head[end : end + 1])


def _by_pattern(start: bytes) -> str:
    """``start`` ends one byte behind the line end, which tells a wide line end from a narrow one."""
    encoding = utf16_of(start)
    if encoding is None:
        return "ascii"
    end = start.rfind("\n".encode(encoding))
    return encoding if end % 2 == 0 or b"\n" not in start else "ascii"


def _is_utf8(raw: bytes) -> bool:
    view = memoryview(raw)
    start, size = 0, len(raw)
    try:
        while start < size:
            stop = size if size - start <= _CACHED else raw.rfind(b"\n", start, start + _CACHED) + 1 or size
            str(view[start:stop], "utf-8")
            start = stop
    except UnicodeDecodeError:
        return False
    return True


def _gb18030(line: bytes) -> str | None:
    """The line as Chinese Windows writes it, or None where that reading would be far-fetched.

    Most byte pairs decode as GB18030, so it must look like Chinese: high bytes in pairs of the common range,
    no private characters, and not UTF-8 with a broken character somewhere.
    """
    high = len(line.translate(None, _ASCII))
    whole = len(line.decode("utf-8", "ignore").encode().translate(None, _ASCII))
    if whole >= 0.6 * high or 2 * len(_GB2312_PAIR.findall(line)) < 0.6 * high:
        return None
    try:
        text = line.decode("gb18030")
    except UnicodeDecodeError:
        return None
    return None if _PRIVATE_USE.search(text) else text


# --------------------------------------------------------------------------- cleaning and numbering


def _clean(text: bytes) -> bytes:
    """Without NULs, escapes and backspaces; a run of backspaces rewinds a progress bar as a return does."""
    if b"\0" in text:
        text = text.replace(b"\0", b"")
    if b"\x1b" in text:
        text = _ANSI.sub(b"", text)
    if b"\b" in text:
        text = _REWIND.sub(b"\r", text).replace(b"\b", b"")
    return text


def _number(text: bytes, first: int) -> tuple[bytes, Lines, int]:
    """Lines without returns, their physical numbers from ``first`` on, and the count of physical lines."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
        if b"\r" in text:
            data, physical = _split_returns(text)
            return data, physical + first, int(physical[-1]) + 1
    count = _count_lines(text)
    return text, np.arange(first, first + count, dtype=np.int64), count


def _count_lines(text: bytes) -> int:
    chars = np.frombuffer(text, np.uint8)
    pieces = (chars[at : at + _CACHED] for at in range(0, len(chars), _CACHED))
    return sum(int(np.count_nonzero(piece == 10)) for piece in pieces)


def _split_returns(text: bytes) -> tuple[bytes, Lines]:
    """Split at carriage returns too; pieces come with the 0-based number of their physical line.

    Empty pieces go, except that a physical line of nothing else stays one empty line.
    """
    chars = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero((chars == 10) | (chars == 13))
    last = chars[ends] == 10
    physical = np.cumsum(last) - last
    filled = np.diff(ends, prepend=-1) > 1
    has_text = np.zeros(int(physical[-1]) + 1, np.bool_)
    has_text[physical[filled]] = True
    keep = filled | (last & ~has_text[physical])
    out = chars.copy()
    out[ends] = 10
    mask = np.ones(len(out), np.bool_)
    mask[ends[~keep]] = False
    return out[mask].tobytes(), physical[keep]
