"""How far apart are two loss curves in each window of the range that both have?

The windows behind `parity`, with the same parameters: one row per candidate and window.

Curves are aligned by consumed tokens, else samples, else steps, whatever is known of all of them (`align`; `alignment`
says from where: logged, or steps times the batch of the configuration). Between logged points a curve is straight; one
that logged at least twice as often as the one that logged least is taken at the points of that one, so that how often a
program logs makes no gap. The range that all have is cut into `windows`; in each the gap is
(candidate - reference) / |reference| of the mean levels.

`bound` is how large a gap may be. With three or more repeats of the reference (a pattern that fits several experiments)
it is what one more repeat would stay within: the prediction interval by Student's t from the spread of the repeats, at
`level` for all windows together (Bonferroni). Otherwise, or where the repeats are identical, it is `tolerance`.

`gap` is relative; `mean_abs_gap` and `max_abs_gap` are of single points, at those of the curve that logged least.
`source` is the candidate's first line in the window, `reference_source` the reference's.

parameter: reference VARCHAR = '' -- experiment to compare with, or a pattern with * that fits its repeats
parameter: candidate VARCHAR = '*' -- experiments to compare, or a pattern with *
parameter: series VARCHAR = 'loss' -- metric, or its raw name in the log
parameter: phase VARCHAR = 'train' -- train, val or test
parameter: align VARCHAR = 'auto' -- tokens, samples, step, or auto: the first that all curves have
parameter: windows BIGINT = 10 -- windows that the common range is cut into
parameter: tolerance DOUBLE = 0.02 -- relative gap allowed where repeats give no bound
parameter: bound VARCHAR = 'auto' -- repeats, tolerance, or auto: repeats where there are three
parameter: level DOUBLE = 0.95 -- level of the bound of repeats, over all windows together
parameter: min_points BIGINT = 10 -- points of each curve that the common range needs
parameter: together BOOLEAN = false -- take the candidates as repeats of one training
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmstats.query import Answer

if TYPE_CHECKING:
    import duckdb

    from llmstats.answers._parity import Line, Parity, Window

COLUMNS = (
    "candidate", "window", "from", "to", "aligned_by", "reference_mean", "candidate_mean", "gap", "bound", "verdict",
    "mean_abs_gap", "max_abs_gap", "points", "reference", "repeats", "run_id", "source", "reference_source",
)  # fmt: skip


def answer(con: duckdb.DuckDBPyConnection, **given: Any) -> Answer:
    """See the module."""
    from llmstats.answers import _parity

    found = _parity.asked(con, {**given, "smooth": 1})
    rows = [_row(parity, i, window) for parity in found for i, window in enumerate(parity.windows, 1)]
    return Answer(COLUMNS, rows)


def _row(parity: Parity, number: int, window: Window) -> tuple[Any, ...]:
    mine, first = parity.candidates[0], parity.references[0]
    return (
        ", ".join(line.name for line in parity.candidates), number, window.low, window.high, parity.aligned_by,
        window.reference, window.candidate, window.gap, window.bound, window.verdict, window.mean_abs_gap,
        window.max_abs_gap, window.points, ", ".join(line.name for line in parity.references),
        len(parity.references), mine.curve.run_ids[-1], _first(mine, window), _first(first, window),
    )  # fmt: skip


def _first(line: Line, window: Window) -> str:
    """The first line of a window."""
    return line.curve.at(min(int(line.x.searchsorted(window.low)), len(line.x) - 1))
