"""Moves and copies: files whose bytes are known already."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from llmstats.store_types import Known

if TYPE_CHECKING:
    from llmstats.jobs import Part


class Contents:
    """Which content lies where: a file with equal bytes may be one that moved, or a copy."""

    def __init__(self, known: Mapping[str, Known]) -> None:
        self._known = known
        self._paths: dict[str, list[str]] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._homes: set[str] = set()
        for source in known.values():
            if source.content_hash and source.status in ("parsed", "duplicate"):
                self._paths.setdefault(source.content_hash, []).append(source.path)
                if source.status == "parsed":
                    self._homes.add(source.path)

    def left_behind(self, part: Part) -> str | None:
        """The path that a file had before it was moved: equal bytes, gone from there, most alike in its last parts."""
        left = [p for p in self._others(part) if gone(p)]
        return max(left, key=lambda p: (_common_end(p, part.path), p), default=None)

    def home(self, part: Part) -> str | None:
        """The path of a file with equal bytes that tells of the same runs."""
        homes = [p for p in self._others(part) if p in self._homes and self._identity(p)[:1] == part.identity[:1]]
        return min(homes, default=None)

    def _others(self, part: Part) -> list[str]:
        content = part.columns.get("content_hash")
        return [p for p in self._paths.get(content, ()) if p != part.path] if content else []

    def register(self, part: Part, *, home: bool, instead_of: str | None = None) -> None:
        """Note where content lies now."""
        paths = self._paths.setdefault(part.columns.get("content_hash") or "", [])
        if instead_of is not None:
            paths.remove(instead_of)
            self._homes.discard(instead_of)
        if part.path not in paths:
            paths.append(part.path)
        self._names[part.path] = part.identity
        if home:
            self._homes.add(part.path)

    def is_home(self, path: str) -> bool:
        return path in self._homes

    def _identity(self, path: str) -> tuple[str, ...]:
        if path not in self._names:
            known = self._known.get(path)
            self._names[path] = tuple((known.state or {}).get("#names", [])) if known else ()
        return self._names[path]


def _common_end(one: str, other: str) -> int:
    """How many last components two paths share."""
    count = 0
    for a, b in zip(reversed(one.split("/")), reversed(other.split("/")), strict=False):
        if a != b:
            break
        count += 1
    return count


def gone(path: str) -> bool:
    return path.startswith("/") and not os.path.exists(path.split("!/", maxsplit=1)[0])
