"""The user's terminal while a program runs: its lines scroll by, and one line at the bottom stays."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import TextIO

from llmstats.running import write

#: Seconds between two states of the bottom line.
PAUSE = 0.5
_CLEAR = "\r\x1b[2K"


class Screen:
    """Writes to one stream; the bottom line is only shown where that is a terminal."""

    def __init__(self, stream: TextIO | None, *, quiet: bool = False) -> None:
        self._stream = stream
        self._quiet = quiet
        self._terminal = stream is not None and stream.isatty()
        self._bottom = ""
        self._due = 0.0

    @property
    def due(self) -> bool:
        """Whether the bottom line may be renewed."""
        return self._terminal and time.monotonic() >= self._due

    def lines(self, lines: Iterable[str]) -> None:
        """Lines of the program."""
        text = "" if self._quiet else "".join(f"{line}\n" for line in lines)
        if text:
            write(self._stream, f"{_CLEAR}{text}{self._bottom}" if self._bottom else text)

    def bottom(self, text: str) -> None:
        """Renew the bottom line, cut to the width of the terminal."""
        if self._terminal:
            self._bottom = text[: max(20, self._width() - 1)]
            write(self._stream, _CLEAR + self._bottom)
            self._due = time.monotonic() + PAUSE

    def close(self) -> None:
        """Take the bottom line away."""
        if self._bottom:
            self._bottom = ""
            write(self._stream, _CLEAR)

    def _width(self) -> int:
        try:
            assert self._stream is not None
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except OSError:
            return 80
