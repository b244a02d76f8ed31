"""What parsers of evaluation results share: scores under their usual names, counted as the catalogue counts them."""

from __future__ import annotations

import re
from typing import NamedTuple


class Score(NamedTuple):
    """Canonical meaning of a raw score; ``value * factor`` is in the catalogue's unit."""

    metric: str
    factor: float = 1.0
    definition: str | None = None


#: Scores of which all tools mean the same, and which are shares: fractions in the store.
_SHARES = {
    "acc": "accuracy",
    "accuracy": "accuracy",
    "acc_norm": "accuracy_norm",
    "acc_bytes": "accuracy_norm",
    "acc_mutual_info": "accuracy_mutual_info",
    "exact_match": "exact_match",
    "exact_str_match": "exact_match",
    "em": "exact_match",
    "exact": "exact_match",
    "f1": "f1",
    "multiple_choice_grade": "multiple_choice_grade",
    "pct_stereotype": "pct_stereotype",
    "prompt_level_strict_acc": "prompt_level_strict_acc",
    "prompt_level_loose_acc": "prompt_level_loose_acc",
    "inst_level_strict_acc": "inst_level_strict_acc",
    "inst_level_loose_acc": "inst_level_loose_acc",
    "mc1": "mc1",
    "mc2": "mc2",
}
_PASS_AT = re.compile(r"(?:humaneval_)?pass(?:@|_at_)(\d+)(?:\.0)?", re.I)


def share(raw: str) -> str | None:
    """Canonical metric of a score that is a share of the questions (``acc``, ``pass@1``), or None."""
    if at := _PASS_AT.fullmatch(raw):
        return f"pass_at_{at[1]}"
    return _SHARES.get(raw) or _SHARES.get(raw.lower())


#: What a progress bar leaves between the lines of a report (``50%|###  | 5/10 [00:01<00:01]``).
_BAR = re.compile(r".{0,200}\d%\|.{0,200}\[[\d:?]+<")


def is_bar(line: str) -> bool:
    """Whether a progress bar drew the line."""
    return "%|" in line and _BAR.match(line) is not None
