"""Parts that are found by their presence: modules of a package, and entry points of the group of the same name.

Nobody imports a parser, a runner, an answer or a picture by name.  Other people's packages add parsers and runners
behind an entry point of the group ``llmstats.parsers`` or ``llmstats.runners``: a module, a class or a function that
makes one.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from importlib.metadata import entry_points
from itertools import pairwise
from types import ModuleType
from typing import TypeVar

from llmstats.errors import LlmstatsError

T = TypeVar("T")

_INSTANCES: dict[type, object] = {}


def modules(group: str) -> dict[str, ModuleType]:
    """The modules of a package by name, in the order of their names.

    Those with a leading underscore hold what several share and are skipped.
    """
    names = sorted(m.name for m in pkgutil.iter_modules(importlib.import_module(group).__path__))
    return {name: importlib.import_module(f"{group}.{name}") for name in names if not name.startswith("_")}


def found(group: str, kind: type[T]) -> tuple[T, ...]:
    """One instance of each class of ``kind`` that has a ``name``, by name.

    Raises:
        LlmstatsError: two share a name, or the package holds none (a wheel shadowed by a checkout).
    """
    word = group.rpartition(".")[2].removesuffix("s")
    members = [member for module in modules(group).values() for member in members_of(module, kind)]
    if not members:
        raise LlmstatsError(
            f"no built-in {word} found: this llmstats is a checkout that was not installed; run: pip install -e ."
        )
    for point in entry_points(group=group):
        loaded = point.load()
        members += members_of(loaded, kind) if inspect.ismodule(loaded) else [loaded()]
    named = sorted(members, key=_name)
    for first, second in pairwise(named):
        if _name(first) == _name(second):
            raise LlmstatsError(f"two {word}s are called {_name(first)!r}")
    return tuple(named)


def members_of(module: object, kind: type[T]) -> list[T]:
    """One instance of each class that the module itself defines."""
    return [
        _the(member)
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, kind) and member.__module__ == getattr(module, "__name__", "") and hasattr(member, "name")
    ]


def _the(kind: type[T]) -> T:
    """The one instance of a class."""
    if kind not in _INSTANCES:
        _INSTANCES[kind] = kind()
    instance = _INSTANCES[kind]
    assert isinstance(instance, kind)
    return instance


def _name(member: object) -> str:
    return str(getattr(member, "name", ""))
