"""What a picture is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture: the named queries whose parameters it takes, how it asks, how it draws.

    ``fetch(con, given)`` gets a connection and the parameters as text, and returns what ``draw`` takes.
    """

    title: str
    queries: tuple[str, ...]
    fetch: Callable[..., Any]
    draw: Callable[[Any], Figure]
    without: tuple[str, ...] = ()  #: parameters of those queries that change nothing in the picture
