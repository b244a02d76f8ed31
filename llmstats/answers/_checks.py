"""What a parameter may be, where its type does not say it."""

from __future__ import annotations

from collections.abc import Iterable

from llmstats.errors import QueryError


def option(name: str) -> str:
    """A parameter as the command line writes it."""
    return f"--{name.replace('_', '-')}"


def one_of(name: str, given: str, known: Iterable[str]) -> None:
    """Refuse a word that a parameter does not know.

    Raises:
        QueryError: with the words that it knows.
    """
    if given not in known:
        raise QueryError(f"{option(name)} {given!r}: one of {', '.join(known)} is needed")


def share(name: str, given: float) -> None:
    """Refuse what is no share between 0 and 1, or one of the two.

    Raises:
        QueryError: it is none.
    """
    if not 0 < given < 1:
        raise QueryError(f"{option(name)} {given:g}: a share between 0 and 1 is needed")
