"""Python values that a program printed: read as literals, never evaluated."""

from __future__ import annotations

import ast
import re
from typing import Any

_NUMBER = r"[-+]?(?:\d[\d.]*(?:[eE][-+]?\d+)?|nan|inf)"
_NUMPY = re.compile(rf"\bnp\.float\d+\(({_NUMBER})\)")
_TENSOR = re.compile(rf"\btensor\(({_NUMBER})(?:, ?(?:device|dtype)=[^,()]*)*\)")
_BARE = re.compile(r"(?<![\w'\"])(-?)(nan|inf)(?![\w'\"])")


def read_repr(text: str) -> dict[str, Any] | None:
    """A printed dict of numbers, texts and lists; None where it is cut or something else.

    ``np.float64(0.5)`` and ``tensor(0.5, device='cuda:0')`` are numbers; ``nan`` and ``inf`` come back as
    text, which ``float`` understands.
    """
    value = read_literal(text)
    return value if isinstance(value, dict) else None


def read_literal(text: str) -> Any:
    """Like `read_repr` for any literal; None also for what is no literal."""
    plain = _TENSOR.sub(r"\1", _NUMPY.sub(r"\1", text.strip()))
    try:
        return ast.literal_eval(_BARE.sub(r"'\1\2'", plain))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
