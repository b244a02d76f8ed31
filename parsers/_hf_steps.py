"""Steps of records that do not say them, where the rest of the log proves them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from ._hf import is_final, numbers, phase_of, step_of
from ._hf_stdout import Bar, Record, Segment


def count_steps(segment: Segment) -> None:
    """Give every record of a segment its step, where the log proves it."""
    trains = segment.of("train")
    for record in segment.records:
        record.step = step_of(record.values)
    total = _total(segment, trains)
    if not _by_bars(trains, total) and all(r.step is None for r in trains):
        _by_interval(segment, trains)
    for record in segment.records:
        if record.step is None and not is_final(record.values) and phase_of(record.values) != "train":
            record.step = _evaluated_at(record, trains, total)


def _total(segment: Segment, trains: list[Record]) -> int | None:
    """Steps of the training: the total of its bar."""
    said = segment.run.config.get("max_steps")
    if isinstance(said, int) and said > 0:
        return said
    totals = Counter(r.after[0].total for r in trains if r.after)
    return totals.most_common(1)[0][0] if totals else None


def _by_bars(trains: list[Record], total: int | None) -> bool:
    """Steps by the bar behind each record; False where the bars do not stand between the records."""
    bars = [next((b for b in r.after if b.total == total), None) for r in trains]
    if len(bars) > 1 and bars[-1] is None:  # the log ends here: the bar before is the same if it fits the interval
        bars[-1] = _last_bar(trains[-1], [b for b in bars if b], total)
    known = [b.n for b in bars if b is not None]
    if not known or None in bars[:-1] or any(a >= b for a, b in pairwise(known)):
        return False
    for record, bar in zip(trains, bars, strict=True):
        if bar is not None and record.step in (None, bar.n):
            record.bar, record.step = bar, bar.n
    return True


def _last_bar(record: Record, known: list[Bar], total: int | None) -> Bar | None:
    bar = record.before
    if bar is None or bar.total != total or len(known) < 2:
        return None
    return bar if bar.n - known[-1].n == known[-1].n - known[-2].n else None


def _by_interval(segment: Segment, trains: list[Record]) -> None:
    """Steps by counting records, from the logging interval that the arguments say."""
    said = {key: str(segment.run.config.get(key, segment.arguments.get(key, ""))) for key in _ARGUMENTS}
    if not said["logging_steps"].isdigit() or said["logging_strategy"] not in ("", "steps"):
        return
    interval = int(said["logging_steps"])
    done = segment.run.resumed_from or 0
    step = done - done % interval if interval else 0
    if not interval or interval > 2**31:
        return
    for i, record in enumerate(trains):
        first = i == 0 and done == 0 and said["logging_first_step"] == "True"
        record.step = 1 if first else step + interval
        step = 0 if first and interval > 1 else record.step


_ARGUMENTS = ("logging_steps", "logging_first_step", "logging_strategy")


def _evaluated_at(record: Record, trains: list[Record], total: int | None) -> int | None:
    """Step of an evaluation: the bar behind it, else that of the train record before, else of the bar before."""
    for bar in record.after:
        if bar.total == total:
            return bar.n
    earlier = [r for r in trains if r.line <= record.line]
    if earlier and numbers(earlier[-1].values).get("epoch") == numbers(record.values).get("epoch"):
        return earlier[-1].step
    return record.before.n if record.before is not None and record.before.total == total else None
