"""What bytes are by the look of their beginning: text in some encoding, or not for us."""

from __future__ import annotations

import re

#: First bytes of the stand-in that Git LFS leaves where a file was not downloaded.
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"

#: (offset, bytes there, name): files that no parser reads.
_MAGIC = (
    (0, LFS_POINTER, "Git LFS pointer"),
    (0, b"/annex/objects/", "git-annex pointer"),
    (0, b"\xff\xfe\0\0", "UTF-32 text"),
    (0, b"\0\0\xfe\xff", "UTF-32 text"),
    (0, b"\x7fELF", "binary (ELF executable or library)"),
    (0, b"\xcf\xfa\xed\xfe", "binary (Mach-O executable or library)"),
    (0, b"\xca\xfe\xba\xbe", "binary (Java class or Mach-O)"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG image"),
    (0, b"\xff\xd8\xff", "JPEG image"),
    (0, b"GIF8", "GIF image"),
    (0, b"%PDF-", "PDF document"),
    (0, b"\x1f\x8b", "gzip data (read when named .gz)"),
    (0, b"BZh", "bzip2 data (read when named .bz2)"),
    (0, b"\xfd7zXZ\0", "xz data (read when named .xz)"),
    (0, b"\x28\xb5\x2f\xfd", "zstd data (read when named .zst)"),
    (0, b"PK\x03\x04", "zip archive (read when named .zip)"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (0, b"Rar!\x1a\x07", "RAR archive"),
    (257, b"ustar", "tar archive (read when named .tar)"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5 file"),
    (0, b"\x93NUMPY", "NumPy array"),
    (0, b"PAR1", "Parquet file"),
    (0, b"ARROW1\0", "Arrow file"),
    (0, b"SQLite format 3\0", "SQLite database"),
    (8, b"DUCK", "DuckDB database"),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_SAFETENSORS = re.compile(rb"[\0-\xff]{4}\0{4}\{\"", re.DOTALL)
_LONG_NULS = re.compile(rb"\0{64,}")
#: Control bytes that logs hold: NUL (judged apart), backspace, tab, newline, form feed, return, escape.
_TEXT_CONTROLS = b"\0\b\t\n\f\r\x1b"
_FOREIGN = bytes(b for b in range(32) if b not in _TEXT_CONTROLS) + b"\x7f"

#: Above these shares a file is no text.
_MAX_FOREIGN = 0.05
_MAX_NUL = 0.30


def classify(head: bytes) -> tuple[str, str] | None:
    """What the first bytes of a file say against reading it.

    Args:
        head: the beginning of the file, decompressed; 64 KiB are plenty.

    Returns:
        ``(status, reason)`` such as ``("unsupported", "Git LFS pointer")``, or None for text.
    """
    name = _known(head) or (None if _looks_like_text(head) else _unknown(head))
    return ("unsupported", name) if name else None


def utf16_of(head: bytes) -> str | None:
    """``utf-16-le`` or ``utf-16-be`` if a byte order mark, or a NUL in every other byte, says UTF-16."""
    if head[:2] == b"\xff\xfe":
        return "utf-16-le"
    if head[:2] == b"\xfe\xff":
        return "utf-16-be"
    if b"\0" not in head:
        return None
    pairs = max(len(head) // 2, 1)
    even, odd = head[0::2].count(0) / pairs, head[1::2].count(0) / pairs
    if odd >= 0.4 and even <= 0.05:
        return "utf-16-le"
    return "utf-16-be" if even >= 0.4 and odd <= 0.05 else None


def _known(head: bytes) -> str | None:
    for offset, magic, name in _MAGIC:
        if head.startswith(magic, offset):
            return name
    if b"brain.Event:" in head[:64]:
        return "TensorBoard event file"
    if _SAFETENSORS.match(head):
        return "safetensors file"
    return "Python pickle" if _PICKLE.match(head) else None


def _unknown(head: bytes) -> str:
    return "only NUL bytes" if head.count(0) == len(head) else "binary"


def _looks_like_text(head: bytes) -> bool:
    encoding = utf16_of(head)
    if encoding:
        head = head[: len(head) & ~1].decode(encoding, "replace").encode("utf-8", "replace")
    # A crash or a truncating log rotation leaves long blocks of NULs in an honest log.
    body = _LONG_NULS.sub(b"", head) if b"\0" in head else head
    if not body:
        return not head
    foreign = len(body) - len(body.translate(None, _FOREIGN))
    return foreign <= _MAX_FOREIGN * len(body) and body.count(0) <= _MAX_NUL * len(body)
