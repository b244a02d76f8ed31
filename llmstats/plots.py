"""Pictures: a named question, drawn to a PNG, SVG or PDF file.

The pictures are the modules of `llmstats.pictures`.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from llmstats import plot_data, plot_style
from llmstats.discovery import modules
from llmstats.errors import InputError, NotFound

if TYPE_CHECKING:
    import duckdb

    from llmstats.picture import Picture

SUFFIXES = (".png", ".svg", ".pdf")


@cache
def pictures() -> dict[str, Picture]:
    """All pictures by name."""
    return {name: module.PICTURE for name, module in modules("llmstats.pictures").items()}


def parameters_of_picture(picture: Picture) -> dict[str, str]:
    """Names and defaults (as text) of what a picture takes."""
    known = plot_data.parameters_of(*picture.queries)
    return {k: v for k, v in known.items() if k not in picture.without}


def plot(con: duckdb.DuckDBPyConnection, name: str, output: str | os.PathLike[str], **parameters: Any) -> None:
    """Draw the picture ``name`` to the file ``output``; the form follows its suffix.

    Parameters are those of the queries behind the picture, as values or as text.  The same store and parameters give
    the same bytes.

    Raises:
        NotFound: no such picture, parameter, run or series.
        QueryError: a parameter of the wrong type.
        InputError: another suffix, nothing to draw, or a file that cannot be written.
    """
    if name not in pictures():
        raise NotFound.among("picture", name, pictures())
    form = _form(os.fspath(output))
    picture = pictures()[name]
    known = parameters_of_picture(picture)
    for given in parameters:
        if given not in known:
            raise NotFound.among(f"parameter of {name}", given, known)
    data = picture.fetch(con, {k: str(v) for k, v in parameters.items()})
    with plot_style.style():
        drawn = plot_style.write(picture.draw(data), form)
    _save(drawn, os.fspath(output))


def _form(output: str) -> str:
    suffix = os.path.splitext(output)[1].lower()
    if suffix not in SUFFIXES:
        raise InputError(f"cannot draw to {output!r}: the suffix must be {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    return suffix[1:]


def _save(picture: bytes, output: str) -> None:
    """Written only when it is whole: a picture that fails leaves no half file."""
    try:
        with open(output, "wb") as file:
            file.write(picture)
    except OSError as why:
        raise InputError(f"cannot write {output}: {why.strerror}") from why
