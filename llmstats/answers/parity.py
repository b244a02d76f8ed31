"""Does one training follow the loss curve of another, within what repeats or a tolerance allow?

Curves are aligned by consumed tokens, else samples, else steps, whatever is known of all of them (`align`; `alignment`
says from where: logged, or steps times the batch of the configuration). Between logged points a curve is straight; one
that logged at least twice as often as the one that logged least is taken at the points of that one, so that how often a
program logs makes no gap. The range that all have is cut into `windows`; in each the gap is
(candidate - reference) / |reference| of the mean levels.

`bound` is how large a gap may be. With three or more repeats of the reference (a pattern that fits several experiments)
it is what one more repeat would stay within: the prediction interval by Student's t from the spread of the repeats, at
`level` for all windows together (Bonferroni). Otherwise, or where the repeats are identical, it is `tolerance`.

Verdict: `beyond bound` if the gap of one window surely is, or the candidate ends in NaN or Inf; `within bound` if all
surely are not; `cannot tell` where rounding of the logs leaves it open, where the reference is 0, with too few points
in common, or with values of two definitions. Too low is beyond as well as too high: a loss below the reference's is as
odd as one above.

- `largest_gap`, `largest_gap_bound`: of the window with the largest gap; `windows_beyond` of `windows`;
- `mean_gap` (signed) and `relative_area`: of the area between the curves, in shares of that below the reference;
  `area` is the area between, in loss times tokens, samples or steps;
- `mean_abs_gap`: mean of |candidate - reference| / |reference| at the points of the curve that logged least;
- `diverged_step`, `diverged_at`: where the mean of the last `smooth` gaps first leaves the bound of the first window
  beyond; `source` is that line of the candidate, else its last one; `parity_windows` has the windows;
- `covered`: share of the reference's range that is compared. Non-finite values are left out and counted.

parameter: reference VARCHAR = '' -- experiment to compare with, or a pattern with * that fits its repeats
parameter: candidate VARCHAR = '*' -- experiments to compare, or a pattern with *
parameter: series VARCHAR = 'loss' -- metric, or its raw name in the log
parameter: phase VARCHAR = 'train' -- train, val or test
parameter: align VARCHAR = 'auto' -- tokens, samples, step, or auto: the first that all curves have
parameter: windows BIGINT = 10 -- windows that the common range is cut into
parameter: tolerance DOUBLE = 0.02 -- relative gap allowed where repeats give no bound
parameter: bound VARCHAR = 'auto' -- repeats, tolerance, or auto: repeats where there are three
parameter: level DOUBLE = 0.95 -- level of the bound of repeats, over all windows together
parameter: smooth BIGINT = 10 -- gaps whose mean decides where the curves part
parameter: min_points BIGINT = 10 -- points of each curve that the common range needs
parameter: together BOOLEAN = false -- take the candidates as repeats of one training
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from llmstats.query import Answer

if TYPE_CHECKING:
    import duckdb

    from llmstats.answers._parity import Parity

COLUMNS = (
    "candidate", "verdict", "reason", "largest_gap", "largest_gap_bound", "bound_from", "windows_beyond", "windows",
    "mean_gap", "mean_abs_gap", "relative_area", "area", "final_gap", "diverged_step", "diverged_at", "aligned_by",
    "alignment", "from", "to", "covered", "points", "non_finite", "reference", "repeats", "candidates", "definition",
    "precision", "run_id", "source", "reference_source",
)  # fmt: skip


def answer(con: duckdb.DuckDBPyConnection, **given: Any) -> Answer:
    """See the module."""
    from llmstats.answers import _parity

    rows = [_row(parity) for parity in _parity.asked(con, given)]
    return Answer.of(COLUMNS, rows)


def _row(parity: Parity) -> dict[str, Any]:
    from llmstats.answers import _parity

    mine = parity.candidates[0].curve
    row = {
        "candidate": ", ".join(line.name for line in parity.candidates),
        "verdict": parity.verdict,
        "reason": parity.why,
        "aligned_by": parity.aligned_by,
        "alignment": parity.alignment,
        "non_finite": sum(line.non_finite for line in [*parity.candidates, *parity.references]),
        "reference": ", ".join(line.name for line in parity.references),
        "repeats": len(parity.references),
        "candidates": len(parity.candidates),
        "definition": ", ".join(mine.definitions) or None,
        "precision": mine.precision,
        "run_id": mine.run_ids[-1],
        "source": _parity.place(parity.candidates[0], -1),
        "reference_source": _parity.place(parity.references[0], -1),
    }
    return row if parity.reason else row | _told(parity)


def _told(parity: Parity) -> dict[str, Any]:
    from llmstats.answers import _parity

    worst, mine = parity.worst, parity.candidates[0]
    told = {
        "largest_gap": worst.gap,
        "largest_gap_bound": worst.bound,
        "bound_from": parity.bound_from,
        "windows": len(parity.windows),
        "windows_beyond": sum(window.verdict == _parity.BEYOND for window in parity.windows),
        "mean_gap": parity.mean_gap,
        "mean_abs_gap": parity.mean_abs_gap,
        "relative_area": parity.relative_area,
        "area": parity.area,
        "final_gap": parity.windows[-1].gap,
        "from": parity.windows[0].low,
        "to": parity.windows[-1].high,
        "covered": parity.covered,
        "points": sum(window.points for window in parity.windows),
    }
    if parity.diverged is not None:
        told["diverged_step"] = int(mine.curve.steps[parity.diverged])
        told["diverged_at"] = float(mine.x[parity.diverged])
        told["source"] = _parity.place(mine, parity.diverged)
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in told.items()}
