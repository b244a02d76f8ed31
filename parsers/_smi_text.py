"""Tables of blank-separated columns that monitors print: one header (again and again), one row per device and poll."""

from __future__ import annotations

import re

from llmstats.training import microseconds

from ._smi import Samples

_SPLIT = re.compile(r"[\s,]+")


class TextTable:
    """Rows under the header that was read last.

    ``device`` names the column that tells the device; ``date`` and ``time`` the columns of the clock, if there are any.
    """

    def __init__(self, device: str, date: str = "", time: str = "") -> None:
        self.samples = Samples()
        self._device, self._date, self._time = device, date, time
        self._names: list[str] = []

    def begin(self, names: list[str], units: list[str] | None = None) -> None:
        """A header; ``units`` is parallel to ``names``."""
        self._names = names
        self.samples.units |= {n: u for n, u in zip(names, units or [""] * len(names), strict=True) if u}

    @property
    def begun(self) -> bool:
        return bool(self._names)

    def row(self, number: int, text: str) -> bool:
        """Take a row; False if it is none of this table."""
        cells = [part for part in _SPLIT.split(text) if part]
        if len(cells) != len(self._names):
            return False
        row = dict(zip(self._names, cells, strict=True))
        device = row.pop(self._device, "")
        if not (device.isdigit() and len(device) < 6):
            return False
        time = self._clock(row.pop(self._date, ""), row.pop(self._time, ""))
        self.samples.add(number, int(device), time, row)
        return True

    @staticmethod
    def _clock(date: str, time: str) -> int | None:
        if not re.fullmatch(r"\d{8}", date):
            return None
        return microseconds(f"{date[:4]}-{date[4:6]}-{date[6:]} {time}")
