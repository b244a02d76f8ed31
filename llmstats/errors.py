"""Everything llmstats raises for a reason that a user can act on.

::

    LlmstatsError                 base: ``str(error)`` is the whole message for a user
     ├─ InputError                a path, option or parameter is wrong (exit code 2)
     │   ├─ NotFound              no such file, run, query, column …: says what was meant
     │   ├─ QueryError            SQL that DuckDB refuses, or a parameter of the wrong type
     │   └─ RecipeError           a recipe's file or parameter is wrong: says file, key and what is allowed
     ├─ ParseError                a document is broken: the source becomes ``failed`` with this text
     ├─ StoreBusy                 another process holds the database (names its pid if known)
     └─ StoreError                the file is no llmstats store, or of a newer version
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LlmstatsError(Exception):
    """Base of all errors for a user; ``exit_code`` is the command line's."""

    exit_code = 2


class InputError(LlmstatsError):
    """A path, an option or a parameter is wrong."""


class NotFound(InputError):
    """Something named does not exist; the message says what was near."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str]) -> NotFound:
        """``no query named 'convergense'; did you mean 'convergence'?``"""
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        if near:
            hint = "did you mean " + " or ".join(repr(n) for n in near) + "?"
        elif known:
            hint = "there are: " + ", ".join(known[:20]) + (" …" if len(known) > 20 else "")
        else:
            hint = "there are none yet"
        return cls(f"no {kind} named {name!r}; {hint}")


class QueryError(InputError):
    """A query cannot be run as asked."""


class RecipeError(InputError):
    """A recipe's file is broken, or a parameter of it has no such value."""


class ParseError(LlmstatsError):
    """A document is broken; the source becomes ``failed`` and nothing of it is stored."""


class StoreBusy(LlmstatsError):
    """Another process holds the database."""


class StoreError(LlmstatsError):
    """The file is no llmstats store, or one of a newer version."""
