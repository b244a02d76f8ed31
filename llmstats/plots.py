"""Pictures: a named question, drawn to a PNG, SVG or PDF file.

Each picture is two steps that know nothing of each other: one asks the store (`plot_data…`), one draws what
it got.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmstats import plot_convergence, plot_data, plot_data_speed, plot_serving, plot_style, plot_throughput
from llmstats.errors import InputError, NotFound

if TYPE_CHECKING:
    import duckdb
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture: the named queries whose parameters it takes, how it asks, how it draws."""

    queries: tuple[str, ...]
    fetch: Callable[..., Any]
    draw: Callable[[Any], Figure]
    without: tuple[str, ...] = ()  #: parameters that change nothing in the picture


PICTURES = {
    "convergence": Picture(("convergence",), plot_data.curves, plot_convergence.draw),
    "throughput": Picture(("throughput_trend", "throughput_drops"), plot_data_speed.trends, plot_throughput.draw),
    "serving": Picture(("serving",), plot_data_speed.cells, plot_serving.draw, ("statistic",)),
}


def plot(con: duckdb.DuckDBPyConnection, name: str, output: str | os.PathLike[str], **parameters: Any) -> None:
    """Draw the picture ``name`` to the file ``output``; the form follows its suffix.

    Parameters are those of the queries behind the picture, as values or as text.  The same store and parameters give
    the same bytes.

    Raises:
        NotFound: no such picture, parameter, run or series.
        QueryError: a parameter of the wrong type.
        InputError: another suffix, nothing to draw, or a file that cannot be written.
    """
    if name not in PICTURES:
        raise NotFound.among("picture", name, PICTURES)
    form = _form(os.fspath(output))
    picture = PICTURES[name]
    known = plot_data.parameters_of(*picture.queries)
    known = {k: v for k, v in known.items() if k not in picture.without}
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
