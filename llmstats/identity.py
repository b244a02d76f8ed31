"""Identity of content: hashes of fixed blocks tell growth from a rewrite without reading the whole file."""

from __future__ import annotations

from collections.abc import Sequence

import xxhash

from llmstats.streams import open_plain

#: Bytes of one block.
BLOCK = 4 << 20


class BlockHasher:
    """Hashes a stream in blocks of `BLOCK` bytes; can be carried on where an earlier one stopped.

    Args:
        blocks: hashes of the whole blocks seen before (hexadecimal xxh3_64).
        tail: bytes seen before of the block that was not whole.
    """

    def __init__(self, blocks: Sequence[str] = (), tail: bytes = b"") -> None:
        self._whole = list(blocks)
        self._open = xxhash.xxh3_64()
        self._filled = 0
        self.update(tail)

    @classmethod
    def resume(cls, path: str, size: int, blocks: Sequence[str]) -> BlockHasher:
        """The hasher as it stood after the first ``size`` bytes of a file; re-reads the last block only.

        Raises:
            ParseError: the file cannot be read.
        """
        whole = size // BLOCK
        return cls(blocks[:whole], _piece(path, whole * BLOCK, size))

    def update(self, data: bytes) -> None:
        """Take the next bytes, any number of them."""
        view = memoryview(data)
        while view:
            part = view[: BLOCK - self._filled]
            self._open.update(part)
            self._filled += len(part)
            view = view[len(part) :]
            if self._filled == BLOCK:
                self._whole.append(self._open.hexdigest())
                self._open = xxhash.xxh3_64()
                self._filled = 0

    @property
    def size(self) -> int:
        """Bytes taken so far, those before a resume included."""
        return len(self._whole) * BLOCK + self._filled

    def blocks(self) -> list[str]:
        """Hash of every block so far, the last one possibly not whole."""
        return [*self._whole, self._open.hexdigest()] if self._filled else list(self._whole)

    def content_hash(self) -> str:
        """One hash of everything so far (hexadecimal xxh3_128 over the blocks' hashes and the size)."""
        return xxhash.xxh3_128_hexdigest("\n".join([*self.blocks(), str(self.size)]).encode())


def same_beginning(path: str, size: int, blocks: Sequence[str]) -> bool:
    """Whether the first ``size`` bytes of a plain file still are what was hashed, judged by their last block.

    A change in an earlier block that left the last one alone goes unseen here; ``verify`` reads everything.

    Raises:
        ParseError: the file cannot be read.
    """
    if len(blocks) != -(-size // BLOCK):
        return False
    if not size:
        return True
    start = (size - 1) // BLOCK * BLOCK
    piece = _piece(path, start, size)
    return len(piece) == size - start and xxhash.xxh3_64_hexdigest(piece) == blocks[-1]


def _piece(path: str, start: int, stop: int) -> bytes:
    """Bytes ``[start, stop)`` of a file, fewer where it ends before."""
    with open_plain(path, start) as file:
        return file.read(stop - start)
