"""Two loss curves held against each other: what aligns them, how far apart they are, and what their noise allows.

Curves are straight between logged points.  The level of a curve in a window is its integral over the window's width.
Where a loss falls, straight pieces lie above it, the more so the longer they are, and a mean of few points is noisier
than one of many: a curve that logged more often than another is taken at the points of the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from llmstats.answers._aligned import ALIGNMENTS, Line, Path, Places, aligned, level, place
from llmstats.answers._checks import one_of, option, share
from llmstats.curves import Curve, Floats, curves, experiments
from llmstats.errors import QueryError

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

__all__ = ["BEYOND", "CANNOT_TELL", "WITHIN", "Line", "Parity", "Window", "asked", "place"]

#: A relative spread below this is that of the arithmetic.
_ROUND_OFF = 1e-9
#: A curve that logged so many times as often as the one that logged least is taken at that one's points: between its
#: own it is known well enough.  Two that logged about as often keep theirs, which may lie between those of the other.
_DENSER = 2
#: Fewer repeats say too little of their spread.
REPEATS = 3
WITHIN, BEYOND, CANNOT_TELL = "within bound", "beyond bound", "cannot tell"


@dataclass(slots=True)
class Window:
    """One stretch of the common range."""

    low: float
    high: float
    reference: float
    candidate: float
    gap: float  #: (candidate - reference) / |reference|; NaN where the reference is 0
    bound: float
    half: float  #: what rounding of the logs leaves of the gap
    mean_abs_gap: float
    max_abs_gap: float
    points: int

    @property
    def verdict(self) -> str:
        bound = self.bound + _ROUND_OFF
        if abs(self.gap) - self.half > bound:
            return BEYOND
        return WITHIN if abs(self.gap) + self.half <= bound else CANNOT_TELL


@dataclass(slots=True)
class Parity:
    """What came of one candidate, or of several that are repeats."""

    candidates: list[Line]
    references: list[Line]
    aligned_by: str
    alignment: str
    windows: list[Window]
    reason: str = ""  #: why nothing can be told; empty where something can
    bound_from: str = ""
    area: float = math.nan
    relative_area: float = math.nan
    mean_gap: float = math.nan
    mean_abs_gap: float = math.nan
    diverged: int | None = None  #: index of a point of the first candidate

    @property
    def verdict(self) -> str:
        """``beyond bound`` where one window surely is, or a candidate ends without a number."""
        if any(line.ends_odd is not None for line in self.candidates):
            return BEYOND
        if self.reason:
            return CANNOT_TELL
        verdicts = {window.verdict for window in self.windows}
        return next(v for v in (BEYOND, CANNOT_TELL, WITHIN) if v in verdicts)

    @property
    def why(self) -> str:
        """The verdict's reason in words."""
        odd = next((line for line in self.candidates if line.ends_odd is not None), None)
        if odd is not None:
            return f"{odd.name} ends with {odd.ends_odd}"
        if self.reason:
            return self.reason
        if (zero := sum(math.isnan(window.gap) for window in self.windows)) and self.verdict == CANNOT_TELL:
            return f"the reference's level is 0 in {zero} of {len(self.windows)} windows: no relative gap there"
        worst, unit = self.worst, _plural(self.aligned_by)
        where = f"window {self.windows.index(worst) + 1} of {len(self.windows)}"
        where += f" ({worst.low:,.0f} to {worst.high:,.0f} {unit})"
        said = f"largest gap {worst.gap:+.2%} in {where}, bound ±{worst.bound:.2%}"
        if self.verdict == CANNOT_TELL:
            return f"{said}: within the logs' rounding of it"
        beyond = sum(window.verdict == BEYOND for window in self.windows)
        return f"{said}; {beyond} windows beyond" if beyond > 1 else said

    @property
    def covered(self) -> float:
        """Share of the reference's range that is compared."""
        first, last = (float(np.mean([line.x[i] for line in self.references])) for i in (0, -1))
        low, high = _common(self)
        return (high - low) / (last - first) if last > first else math.nan

    @property
    def worst(self) -> Window:
        return max(self.windows, key=lambda w: (not math.isnan(w.gap), abs(w.gap)))


# --------------------------------------------------------------------------- asking


def asked(con: Connection, given: Mapping[str, Any]) -> list[Parity]:
    """One parity per candidate, or one for all of them.

    Raises:
        QueryError: no reference, or a parameter that makes no sense.
        NotFound: nothing fits the reference or the candidate.
    """
    _check(given)
    chosen = experiments(con, [given["reference"]])
    names = {e.name for e in chosen}
    others = [e for e in experiments(con, [given["candidate"]]) if e.name not in names]
    found = {curve.experiment: curve for curve in curves(con, [*chosen, *others], given["series"], given["phase"])}
    places = Places(con, [*chosen, *others], given["phase"])
    references = [found[e.name] for e in chosen if e.name in found]
    if not references:
        raise QueryError(
            f"the reference {given['reference']!r} has no {given['series']} with steps in {given['phase']}"
        )
    candidates = [found[e.name] for e in others if e.name in found]
    groups = [candidates] if given["together"] and candidates else [[c] for c in candidates]
    return [_compare(references, group, places, given) for group in groups]


def _check(given: Mapping[str, Any]) -> None:
    if not given["reference"]:
        raise QueryError("parity compares with a reference: --reference EXPERIMENT (llmstats runs lists them)")
    one_of("align", given["align"], ("auto", *ALIGNMENTS))
    one_of("bound", given["bound"], ("auto", "repeats", "tolerance"))
    share("level", given["level"])
    for name in ("windows", "smooth", "min_points"):
        if given[name] < 1:
            raise QueryError(f"{option(name)} {given[name]}: at least 1 is needed")


# --------------------------------------------------------------------------- comparing


def _compare(
    references: Sequence[Curve], candidates: Sequence[Curve], places: Places, given: Mapping[str, Any]
) -> Parity:
    by, why, lines = aligned([*references, *candidates], places, given["align"])
    n = len(references)
    parity = Parity(lines[n:], lines[:n], by, why, [])
    parity.reason = _untold(parity, given["min_points"])
    if given["bound"] == "repeats" and n < REPEATS:
        parity.reason = f"a bound of repeats needs {REPEATS} of the reference, there is {n}"
    if not parity.reason:
        _measure(parity, given)
    return parity


def _untold(parity: Parity, least: int) -> str:
    """Why nothing can be told; empty where there is no reason."""
    every = [*parity.references, *parity.candidates]
    meanings = sorted({d for line in every for d in line.curve.definitions})
    if len(meanings) > 1:
        return f"values of several definitions: {', '.join(meanings)}"
    if short := next((line for line in every if len(line.x) < 2), None):
        return f"{short.name} has {len(short.x)} finite points"
    if back := next((line for line in every if (np.diff(line.x) < 0).any()), None):
        return f"consumed {parity.aligned_by} of {back.name} go backwards"
    low, high = _common(parity)
    if not low < high:
        return f"no common range: one ends at {high:g} {_plural(parity.aligned_by)}, another begins at {low:g}"
    points = min(line.between(low, high) for line in every)
    if points < least:
        return f"{points} points in the common range; {least} are needed"
    return ""


def _plural(by: str) -> str:
    return "steps" if by == "step" else by


def _common(parity: Parity) -> tuple[float, float]:
    every = [*parity.references, *parity.candidates]
    return max(float(line.x[0]) for line in every), min(float(line.x[-1]) for line in every)


def _measure(parity: Parity, given: Mapping[str, Any]) -> None:
    low, high = _common(parity)
    grid = _grid([*parity.references, *parity.candidates], low, high)
    count = max(1, min(given["windows"], len(grid) // 2))
    edges = np.linspace(low, high, count + 1)
    theirs, mine = (_paths(lines, grid, low, high) for lines in (parity.references, parity.candidates))
    their_levels, my_levels = (np.array([level(path, edges) for path in paths]) for paths in (theirs, mine))
    bounds, parity.bound_from = _bounds(their_levels, my_levels, given)
    gaps = _gaps(theirs, mine, grid)
    inside = np.clip(np.searchsorted(edges, grid, side="right") - 1, 0, count - 1)
    for i in range(count):
        window = _window(parity, edges[i : i + 2], their_levels[:, i], my_levels[:, i], gaps[inside == i])
        window.bound = float(bounds[i]) or given["tolerance"]
        parity.windows.append(window)
    _areas(parity, theirs, mine, low, high)
    parity.mean_abs_gap = float(np.mean(np.abs(gaps)))
    parity.diverged = _first_apart(parity, grid, gaps, inside, given["smooth"])


def _grid(every: Sequence[Line], low: float, high: float) -> Floats:
    """Positions of the curve that logged least often."""
    sparse = min(every, key=lambda line: line.between(low, high))
    return np.unique(sparse.x[(sparse.x >= low) & (sparse.x <= high)])


def _paths(lines: Sequence[Line], grid: Floats, low: float, high: float) -> list[Path]:
    """The curves as they are compared: dense ones at the points of the sparsest, and at both ends."""
    places, often = np.unique([low, *grid, high]), _DENSER * (len(grid) - 1)
    return [line.through(places) if line.between(low, high) - 1 >= often else line.path for line in lines]


def _window(parity: Parity, edges: Floats, theirs: Floats, mine: Floats, gaps: Floats) -> Window:
    low, high = float(edges[0]), float(edges[1])
    reference, candidate = float(theirs.mean()), float(mine.mean())
    size = abs(reference) or math.nan
    half = (_half(parity.references, low, high) + _half(parity.candidates, low, high)) / size
    about = (float(np.mean(np.abs(gaps))), float(np.max(np.abs(gaps)))) if len(gaps) else (math.nan, math.nan)
    points = min(line.between(low, high) for line in parity.candidates)
    return Window(low, high, reference, candidate, (candidate - reference) / size, 0.0, half, *about, points)


def _half(lines: Sequence[Line], low: float, high: float) -> float:
    """Half a unit of the last decimal, as the mean of the points of a window."""
    halves = [line.curve.half[(line.x >= low) & (line.x <= high)] for line in lines]
    return float(np.mean([h.mean() if len(h) else 0.0 for h in halves]))


def _bounds(theirs: Floats, mine: Floats, given: Mapping[str, Any]) -> tuple[Floats, str]:
    """Relative gap that noise allows in each window, 0 where the repeats tell none; and where it comes from.

    Of repeats: the prediction interval of a mean of as many runs as there are candidates, by Student's t with the
    spread of all repeats pooled, at a level shared among the windows (Bonferroni).

    Args:
        theirs: shape (repeats of the reference, windows).
        mine: shape (candidates, windows).
    """
    n, m = len(theirs), len(mine)
    if given["bound"] == "tolerance" or n < REPEATS:
        few = "" if given["bound"] == "tolerance" else f"; a bound from repeats needs {REPEATS}, there is {n}"
        return np.zeros(theirs.shape[1]), f"tolerance{few}"
    from scipy.special import stdtrit

    freedom = n + m - 2
    squares = ((theirs - theirs.mean(axis=0)) ** 2).sum(axis=0) + ((mine - mine.mean(axis=0)) ** 2).sum(axis=0)
    quantile = float(stdtrit(freedom, 1 - (1 - given["level"]) / 2 / theirs.shape[1]))
    half = quantile * np.sqrt(squares / freedom * (1 / n + 1 / m))
    bounds = half / np.abs(theirs.mean(axis=0))
    bounds = np.where(np.isfinite(bounds) & (bounds > _ROUND_OFF), bounds, 0.0)
    same = "; tolerance where they are identical" if (bounds == 0).any() else ""
    return bounds, f"{n} repeats at {given['level']:g}{same}"


# --------------------------------------------------------------------------- point by point


def _mean_at(paths: Sequence[Path], x: Floats) -> Floats:
    return np.asarray(np.mean([np.interp(x, *path) for path in paths], axis=0))


def _gaps(theirs: Sequence[Path], mine: Sequence[Path], x: Floats) -> Floats:
    """Relative gap at positions; NaN where the reference is 0."""
    reference = _mean_at(theirs, x)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((_mean_at(mine, x) - reference) / np.where(reference, np.abs(reference), np.nan))


def _areas(parity: Parity, theirs: Sequence[Path], mine: Sequence[Path], low: float, high: float) -> None:
    """Exact integrals of the straight pieces: of what lies between the curves, and of the signed gap."""
    every = [x for x, _ in (*theirs, *mine)]
    apart_x = [x for i, x in enumerate(every) if not any(np.array_equal(x, other) for other in every[:i])]
    x = np.unique(np.concatenate([[low, high], *apart_x]))
    x = x[(x >= low) & (x <= high)]
    reference = _mean_at(theirs, x)
    apart = _mean_at(mine, x) - reference
    a, b, width = apart[:-1], apart[1:], np.diff(x)
    crossing = a * b < 0
    with np.errstate(divide="ignore", invalid="ignore"):
        crossed = (a**2 + b**2) / (2 * (np.abs(a) + np.abs(b)))
    parity.area = float((np.where(crossing, crossed, (np.abs(a) + np.abs(b)) / 2) * width).sum())
    whole = float((np.abs(reference[1:] + reference[:-1]) / 2 * width).sum()) or math.nan
    parity.relative_area = parity.area / whole
    parity.mean_gap = float(((a + b) / 2 * width).sum()) / whole


def _first_apart(parity: Parity, grid: Floats, gaps: Floats, inside: Any, smooth: int) -> int | None:
    """The first candidate's point at which the mean of the last gaps is beyond the bound of the first window beyond."""
    first = next((i for i, window in enumerate(parity.windows) if window.verdict == BEYOND), None)
    if first is None:
        return None
    window = parity.windows[first]
    known = np.nan_to_num(gaps)
    sums = np.concatenate([[0.0], np.cumsum(known)])
    ends = np.arange(1, len(known) + 1)
    starts = np.maximum(0, ends - smooth)
    running = (sums[ends] - sums[starts]) / (ends - starts)
    here = inside == first
    out = here & (np.abs(running) - window.half > window.bound) & (np.sign(running) == np.sign(window.gap))
    place = grid[np.argmax(out)] if out.any() else window.low
    return int(min(np.searchsorted(parity.candidates[0].x, place), len(parity.candidates[0].x) - 1))
