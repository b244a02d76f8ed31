"""Python's tracebacks in the output of any program."""

from __future__ import annotations

import re

BEGIN = "Traceback (most recent call last)"
_RANK = r"(?:\[rank\d+\]: ?)?"  # torch puts it before the lines of a rank
_FRAME = re.compile(rf"{_RANK}(?:\s|$)")
_RAISED = re.compile(rf"{_RANK}((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?::.*)?)$")
#: Stands before one of a finaliser, after which Python goes on.
_IGNORED = "Exception ignored "


class Tracebacks:
    """Takes a log line by line; knows the last traceback of it."""

    def __init__(self) -> None:
        self.line = 0  #: the number of its first line; 0: there was none
        self.message = ""  #: the exception, else that there is a traceback
        self._inside = False
        self._before = ""

    def take(self, number: int, line: str) -> None:
        """Take the next line, without its end."""
        if BEGIN in line and not self._before.startswith(_IGNORED):
            self.line, self.message, self._inside = number, BEGIN, True
        elif self._inside and not _FRAME.match(line):
            raised = _RAISED.match(line)
            self.message, self._inside = raised[1] if raised else BEGIN, False
        self._before = line
