"""Loss curves against each other: alignment, gaps, bounds and divergence, against plain loops and by simulation."""

from __future__ import annotations

import json
import math
import random
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llmstats as ls
from llmstats.answers import _parity
from llmstats.answers._aligned import Line, level
from llmstats.curves import Curve
from llmstats.errors import NotFound, QueryError
from llmstats.records import Run
from llmstats.store import Store

from .store_deltas import Source, fresh_store, points


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.duckdb"


@pytest.fixture
def store(path: Path) -> Store:
    return fresh_store(path)


def add(store: Store, name: str, steps, values, precision="full", definition=None, phase="train", **logged) -> None:
    config = logged.pop("config", {})
    series = [points(name, list(steps), {"loss": list(values)}, precision, definition=definition, phase=phase)]
    series += [points(name, list(steps), {metric: list(v)}, phase=phase) for metric, v in logged.items()]
    run = Run(name, f"/w/{name}", kind="training", config=config)
    store.commit([Source(f"/w/{name}/a.log").replace(run, *series)])


def told(path: Path, query: str = "parity", **given: Any) -> list[dict[str, Any]]:
    answer = ls.open(str(path)).query(query, **{"reference": "ref", **given})
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def falling(n: int, noise: float = 0.0, seed: int = 0) -> list[float]:
    rng = random.Random(seed)
    return [1 + 4 * math.exp(-i / 60) + rng.gauss(0, noise) for i in range(1, n + 1)]


# ---- the numbers, against loops


def line(xs, ys) -> Line:
    n = len(xs)
    zero = np.zeros(n)
    curve = Curve(
        "a", np.arange(n), np.array(ys, float), zero, zero, np.arange(n), np.zeros(n, int), ["p"], ["a"], [], None, ""
    )
    return Line("a", np.array(xs, float), curve, 0, None)


def height(xs, ys, at: float) -> float:
    i = next(i for i in range(len(xs) - 1) if at <= xs[i + 1])
    return ys[i] + (ys[i + 1] - ys[i]) * (at - xs[i]) / (xs[i + 1] - xs[i])


def integral(xs, ys, low: float, high: float, fold=lambda v: v) -> float:
    """By very many small rectangles."""
    n = 2_000
    width = (high - low) / n
    return sum(fold(height(xs, ys, low + (i + 0.5) * width)) for i in range(n)) * width


def test_the_level_of_a_window_is_its_integral():
    rng = random.Random(1)
    xs = sorted(rng.uniform(0, 100) for _ in range(12))
    ys = [rng.uniform(1, 5) for _ in xs]
    edges = np.linspace(xs[0] + 3, xs[-1] - 2, 4)
    levels = level(line(xs, ys).path, edges)
    for low, high, mean in zip(edges, edges[1:], levels, strict=False):
        assert mean == pytest.approx(integral(xs, ys, low, high) / (high - low), rel=1e-3)


def test_of_two_values_at_one_place_the_last_counts():
    assert level(line([0, 1, 1, 2], [1, 9, 1, 1]).path, np.array([0.0, 2.0])) == pytest.approx([1.0])


def test_gaps_areas_and_windows(store, path):
    ref, cand = falling(200), [v * 1.01 + 0.01 * math.sin(i / 3) for i, v in enumerate(falling(200))]
    add(store, "ref", range(1, 201), ref)
    add(store, "cand", range(1, 201), cand)
    (row,) = told(path)
    relative = [(c - r) / r for c, r in zip(cand, ref, strict=True)]
    assert row["mean_abs_gap"] == pytest.approx(statistics.fmean(map(abs, relative)))
    steps = list(range(1, 201))
    apart = [c - r for c, r in zip(cand, ref, strict=True)]
    below = integral(steps, ref, 1, 200)
    assert row["area"] == pytest.approx(integral(steps, apart, 1, 200, abs), rel=1e-3)
    assert row["relative_area"] == pytest.approx(row["area"] / below, rel=1e-3)
    assert row["mean_gap"] == pytest.approx(integral(steps, apart, 1, 200) / below, rel=1e-3)
    windows = told(path, "parity_windows")
    assert [w["window"] for w in windows] == list(range(1, 11))
    for w in windows:
        theirs = integral(steps, ref, w["from"], w["to"]) / (w["to"] - w["from"])
        mine = integral(steps, cand, w["from"], w["to"]) / (w["to"] - w["from"])
        assert w["reference_mean"] == pytest.approx(theirs, rel=1e-3)
        assert w["gap"] == pytest.approx((mine - theirs) / theirs, rel=2e-2)
        here = [abs(g) for s, g in zip(steps, relative, strict=True) if w["from"] <= s < w["to"]]
        assert w["max_abs_gap"] >= max(here) - 1e-12
    assert row["largest_gap"] == max((w["gap"] for w in windows), key=abs)
    assert row["final_gap"] == windows[-1]["gap"]
    assert (row["verdict"], row["windows_beyond"], row["covered"]) == ("within bound", 0, 1.0)


def test_where_the_curves_part(store, path):
    ref = falling(200)
    add(store, "ref", range(1, 201), ref)
    add(store, "cand", range(1, 201), [v if s < 150 else v * 1.09 for s, v in enumerate(ref, 1)])
    (row,) = told(path)
    assert row["verdict"] == "beyond bound"
    # the mean of ten gaps of 0 or 9 % leaves 2 % with the third
    assert (row["diverged_step"], row["diverged_at"], row["source"]) == (152, 152, "/w/cand/a.log:252")
    assert row["windows_beyond"] == 3
    assert row["reason"].startswith("largest gap +9.00% in window ")
    (row,) = told(path, smooth=1)
    assert row["diverged_step"] == 150
    (row,) = told(path, tolerance=0.11)
    assert (row["verdict"], row["diverged_step"]) == ("within bound", None)
    below = told(path, reference="cand", candidate="ref")[0]
    assert (below["verdict"], below["largest_gap"]) == ("beyond bound", pytest.approx(-0.09 / 1.09))


# ---- alignment


def test_curves_are_aligned_by_what_both_know(store, path):
    """The candidate has twice the batch: equal at equal tokens, far apart at equal steps."""
    tokens = [1000 * s for s in range(1, 201)]
    ref = falling(200)
    add(store, "ref", range(1, 201), ref, total_tokens=tokens)
    add(store, "cand", range(1, 101), ref[1::2], total_tokens=tokens[1::2])
    (row,) = told(path)
    assert (row["aligned_by"], row["verdict"], row["alignment"]) == (
        "tokens", "within bound", "consumed tokens as logged"
    )  # fmt: skip
    assert row["to"] == 200_000
    (row,) = told(path, align="step")
    assert (row["aligned_by"], row["verdict"], row["alignment"]) == ("step", "beyond bound", "steps as logged")
    with pytest.raises(QueryError, match="consumed samples of ref are not known"):
        told(path, align="samples")


def test_tokens_from_the_configuration(store, path):
    ref = falling(200)
    add(store, "ref", range(1, 201), ref, config={"global_batch_size": 4, "seq_length": 250})
    add(store, "cand", range(1, 101), ref[1::2], config={"global batch size": 8, "sequence length": 250})
    (row,) = told(path)
    assert (row["aligned_by"], row["verdict"], row["to"]) == ("tokens", "within bound", 200_000)
    assert "steps times the global batch of 8 times 250 tokens" in row["alignment"]
    (row,) = told(path, align="samples")
    assert (row["aligned_by"], row["to"]) == ("samples", 800)


def test_logged_samples_go_before_the_batch_of_the_configuration(store, path):
    ref, config = falling(100), {"global_batch_size": 4, "seq_length": 10}
    add(store, "ref", range(1, 101), ref, samples=range(1, 101), config=config)
    add(store, "cand", range(1, 101), ref, samples=range(1, 101), config=config)
    assert told(path)[0]["alignment"] == "consumed samples as logged times 10 tokens"
    assert told(path)[0]["to"] == 1000


def test_where_one_does_not_know_it_is_by_step_and_says_so(store, path):
    add(store, "ref", range(1, 101), falling(100), total_tokens=range(1, 101))
    add(store, "cand", range(1, 101), falling(100))
    (row,) = told(path)
    assert row["aligned_by"] == "step"
    assert row["alignment"] == "steps as logged; consumed samples of ref are not known"


def test_a_curve_logged_every_tenth_step(store, path):
    ref = falling(400)
    add(store, "ref", range(1, 401), ref)
    add(store, "cand", range(10, 401, 10), ref[9::10])
    (row,) = told(path)
    assert (row["verdict"], row["points"]) == ("within bound", 40)
    assert abs(row["largest_gap"]) < 0.005
    assert row["mean_abs_gap"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("every", [2, 50, 100])
def test_how_often_a_program_logs_makes_no_gap(store, path, every):
    """Straight pieces lie above a falling curve: where two log differently, they are held against each other alike."""
    curve = [1 + 8 * math.exp(-s / 60) for s in range(1, 2001)]
    add(store, "ref", range(1, 2001), curve)
    add(store, "cand", range(every, 2001, every), curve[every - 1 :: every])
    for reference in ("ref", "cand"):
        (row,) = told(path, reference=reference)
        assert (row["verdict"], row["points"] > 0) == ("within bound", True)
        gaps = [row[name] for name in ("largest_gap", "mean_gap", "mean_abs_gap", "relative_area", "area")]
        assert gaps == pytest.approx([0] * 5, abs=1e-9)
        assert max(abs(w["gap"]) for w in told(path, "parity_windows", reference=reference)) < 1e-9


def test_curves_logged_about_as_often_keep_their_points():
    """Between points as far apart as the other's a curve is not known any better."""
    half = [
        line(range(start, 2001, 50), [1 + 8 * math.exp(-s / 60) for s in range(start, 2001, 50)]) for start in (25, 50)
    ]
    grid = half[1].x
    paths = _parity._paths(half, grid, 50.0, 1975.0)
    assert all(np.array_equal(path[0], one.x) for path, one in zip(paths, half, strict=True))


# ---- bounds


def test_the_bound_of_repeats_is_a_prediction_interval(store, path):
    from scipy import stats

    curves = [[v * (1 + 0.01 * k) for v in falling(100)] for k in (-2, -1, 0, 3)]
    for i, values in enumerate(curves):
        add(store, f"ref{i}", range(1, 101), values)
    add(store, "cand", range(1, 101), falling(100))
    (window, *_) = told(path, "parity_windows", reference="ref*", windows=1)
    spread = statistics.stdev([-0.02, -0.01, 0.0, 0.03])
    assert window["bound"] == pytest.approx(stats.t.ppf(0.975, 3) * spread * math.sqrt(1 + 1 / 4), rel=1e-9)
    (row,) = told(path, reference="ref*")
    assert (row["repeats"], row["bound_from"]) == (4, "4 repeats at 0.95")
    wide = told(path, reference="ref*")[0]["largest_gap_bound"]
    assert wide == pytest.approx(stats.t.ppf(1 - 0.025 / 10, 3) * spread * math.sqrt(1.25), rel=1e-9)
    assert told(path, reference="ref*", level=0.5)[0]["largest_gap_bound"] < wide
    assert told(path, reference="ref*", bound="tolerance")[0]["bound_from"] == "tolerance"


def test_two_repeats_and_identical_ones_give_no_bound_of_their_own(store, path):
    for i in range(3):
        add(store, f"ref{i}", range(1, 101), falling(100))
    add(store, "cand", range(1, 101), falling(100))
    (row,) = told(path, reference="ref0", candidate="cand")
    assert row["bound_from"] == "tolerance; a bound from repeats needs 3, there is 1"
    (row,) = told(path, reference="ref*")
    assert (row["bound_from"], row["largest_gap_bound"]) == (
        "3 repeats at 0.95; tolerance where they are identical", 0.02
    )  # fmt: skip
    (row,) = told(path, reference="ref0", candidate="cand", bound="repeats")
    assert (row["verdict"], row["reason"]) == (
        "cannot tell", "a bound of repeats needs 3 of the reference, there is 1"
    )  # fmt: skip


def run_of(rng: random.Random, shift: float = 0.0) -> Line:
    """One training: an offset of its own, noise that hangs together, and noise of each step."""
    offset, drift, values = rng.gauss(0, 0.01), 0.0, []
    for s in range(1, 201):
        drift = 0.95 * drift + rng.gauss(0, 0.003)
        values.append((1 + 4 * math.exp(-s / 60)) * (1 + offset + shift) + drift + rng.gauss(0, 0.02))
    return line(range(1, 201), values)


@pytest.mark.parametrize("repeats", [3, 5, 10])
def test_a_further_repeat_stays_within_the_bound_as_often_as_it_says(repeats):
    """Of 95 %: Bonferroni may only hold more often."""
    rng = random.Random(7)
    given = {"windows": 10, "tolerance": 0.02, "bound": "auto", "level": 0.95, "smooth": 10}
    within = 0
    trials = 300
    for _ in range(trials):
        parity = _parity.Parity([run_of(rng)], [run_of(rng) for _ in range(repeats)], "step", "", [])
        _parity._measure(parity, given)
        within += parity.verdict == _parity.WITHIN
    assert within / trials > 0.95 - 2 * math.sqrt(0.05 * 0.95 / trials)
    one = {**given, "windows": 1}
    within = 0
    for _ in range(trials):
        parity = _parity.Parity([run_of(rng)], [run_of(rng) for _ in range(repeats)], "step", "", [])
        _parity._measure(parity, one)
        within += parity.verdict == _parity.WITHIN
    assert within / trials == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / trials))


def test_a_further_repeat_that_logs_seldom_stays_within_the_bound_as_often_as_it_says():
    """Means of few points are noisier than those of many: the repeats are read as the candidate is."""
    rng = random.Random(9)
    given = {"windows": 10, "tolerance": 0.02, "bound": "auto", "level": 0.95, "smooth": 10}
    within, trials = 0, 300
    for _ in range(trials):
        seldom = run_of(rng)
        seldom = line(seldom.x[9::10], seldom.curve.values[9::10])
        parity = _parity.Parity([seldom], [run_of(rng) for _ in range(5)], "step", "", [])
        _parity._measure(parity, given)
        within += parity.verdict == _parity.WITHIN
    assert within / trials > 0.95 - 2 * math.sqrt(0.05 * 0.95 / trials)


def test_a_shifted_run_is_found():
    rng = random.Random(8)
    given = {"windows": 10, "tolerance": 0.02, "bound": "auto", "level": 0.95, "smooth": 10}
    found = 0
    for _ in range(50):
        parity = _parity.Parity([run_of(rng, 0.2)], [run_of(rng) for _ in range(5)], "step", "", [])
        _parity._measure(parity, given)
        found += parity.verdict == _parity.BEYOND
    assert found >= 48


def test_candidates_together_are_one_mean_with_a_narrower_bound(store, path):
    for i, k in enumerate((-2, -1, 0, 3)):
        add(store, f"ref{i}", range(1, 101), [v * (1 + 0.01 * k) for v in falling(100)])
    for i, k in enumerate((4, 5, 7)):
        add(store, f"cand{i}", range(1, 101), [v * (1 + 0.01 * k) for v in falling(100)])
    each = told(path, reference="ref*")
    assert [row["candidates"] for row in each] == [1, 1, 1]
    (both,) = told(path, reference="ref*", together=True)
    assert (both["candidates"], both["candidate"]) == (3, "cand0, cand1, cand2")
    assert both["largest_gap"] == pytest.approx(0.16 / 3, rel=1e-6)
    assert both["largest_gap_bound"] < each[0]["largest_gap_bound"]


# ---- what cannot be told, and what is no number


def test_rounding_leaves_it_open(store, path):
    add(store, "ref", range(1, 101), [1.0] * 100, precision="1")
    add(store, "cand", range(1, 101), [1.1] * 100, precision="1")
    (row,) = told(path, tolerance=0.05)
    assert (row["verdict"], row["precision"]) == ("cannot tell", "1")
    assert "within the logs' rounding" in row["reason"]
    assert told(path, tolerance=0.25)[0]["verdict"] == "within bound"


def test_a_gap_as_large_as_the_bound_is_within_it(store, path):
    """2.5 x 1.02 is 2.55 only but for round-off."""
    add(store, "ref", range(1, 101), [2.5] * 100)
    add(store, "cand", range(1, 101), [2.5 * 1.02] * 100)
    add(store, "more", range(1, 101), [2.5 * 1.02001] * 100)
    assert {row["candidate"]: row["verdict"] for row in told(path)} == {"cand": "within bound", "more": "beyond bound"}


def test_a_reference_of_0_has_no_relative_gap(store, path):
    add(store, "ref", range(1, 101), [0.0] * 100)
    add(store, "half", range(1, 101), [0.0] * 50 + [1.0] * 50)
    add(store, "cand", range(1, 101), [1.0] * 100)
    add(store, "same", range(1, 101), [0.0] * 50 + [1.0] * 50)
    (row, *_) = told(path)
    assert (row["candidate"], row["verdict"], row["largest_gap"]) == ("cand", "cannot tell", None)
    assert row["reason"] == "the reference's level is 0 in 10 of 10 windows: no relative gap there"
    rows = {row["candidate"]: row for row in told(path, reference="half")}
    assert (rows["same"]["verdict"], rows["same"]["largest_gap"]) == ("cannot tell", 0)
    assert rows["same"]["reason"] == "the reference's level is 0 in 4 of 10 windows: no relative gap there"
    assert (rows["ref"]["verdict"], rows["ref"]["largest_gap"]) == ("beyond bound", pytest.approx(-1))


def test_a_candidate_that_ends_in_nan_is_beyond(store, path):
    ref = falling(100)
    add(store, "ref", range(1, 101), ref)
    add(store, "ends", range(1, 101), [*ref[:60], *[math.nan] * 40])
    add(store, "once", range(1, 101), [*ref[:60], math.inf, *ref[61:]])
    rows = {row["candidate"]: row for row in told(path)}
    assert (rows["ends"]["verdict"], rows["ends"]["reason"]) == ("beyond bound", "ends ends with nan")
    assert rows["ends"]["non_finite"] == 40
    assert (rows["once"]["verdict"], rows["once"]["non_finite"]) == ("within bound", 1)


def test_too_little_in_common(store, path):
    add(store, "ref", range(1, 101), falling(100))
    add(store, "late", range(200, 301), falling(101))
    add(store, "few", [90, 95, 100, 105], [1.0] * 4)
    add(store, "other", range(1, 101), falling(100), definition="loss@other")
    rows = {row["candidate"]: row for row in told(path)}
    assert rows["late"]["reason"] == "no common range: one ends at 100 steps, another begins at 200"
    assert rows["few"]["reason"] == "3 points in the common range; 10 are needed"
    assert {row["verdict"] for row in rows.values() if row["candidate"] != "other"} == {"cannot tell"}
    assert told(path, candidate="few", min_points=3)[0]["windows"] == 1


def test_two_definitions_are_not_compared(store, path):
    add(store, "ref", range(1, 101), falling(100), definition="loss@a")
    add(store, "cand", range(1, 101), falling(100), definition="loss@b")
    (row,) = told(path)
    assert (row["verdict"], row["reason"]) == ("cannot tell", "values of several definitions: loss@a, loss@b")


def test_mistakes_are_told(store, path):
    add(store, "ref", range(1, 101), falling(100))
    for given, said in (
        ({"reference": ""}, "--reference EXPERIMENT"),
        ({"align": "time"}, "one of auto, tokens, samples, step"),
        ({"bound": "x"}, "one of auto, repeats, tolerance"),
        ({"level": 1.5}, "between 0 and 1"),
        ({"windows": 0}, "--windows 0: at least 1"),
        ({"series": "lss"}, "has no lss"),
        ({"phase": "val"}, "has no loss"),
    ):
        with pytest.raises(QueryError, match=said):
            told(path, **given)
    with pytest.raises(NotFound, match="did you mean 'ref'"):
        told(path, reference="rf")
    assert told(path) == []


def test_another_series_and_phase(store, path):
    add(store, "ref", range(1, 21), falling(20), grad_norm=[1.0] * 20)
    add(store, "cand", range(1, 21), falling(20), grad_norm=[2.0] * 20)
    assert told(path, series="grad_norm")[0]["largest_gap"] == pytest.approx(1.0)
    add(store, "ref2", range(1, 21), [1.0] * 20, phase="val")
    add(store, "cand2", range(1, 21), [3.0] * 20, phase="val")
    (row,) = told(path, reference="ref2", phase="val")
    assert (row["candidate"], row["largest_gap"]) == ("cand2", pytest.approx(2.0))


def test_on_the_command_line(store, path):
    from click.testing import CliRunner

    from llmstats.cli import main

    add(store, "ref", range(1, 101), falling(100))
    add(store, "cand", range(1, 101), falling(100))
    words = ["query", "parity", "--reference", "ref", "--db", str(path), "--format", "json"]
    (row,) = json.loads(CliRunner().invoke(main, words).stdout)
    assert (row["candidate"], row["verdict"], row["run_id"]) == ("cand", "within bound", "cand")
    assert row["source"] == "/w/cand/a.log:200"
    assert row["reference_source"] == "/w/ref/a.log:200"
