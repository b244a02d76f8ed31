"""Effective curves as arrays: the same points as the macro's, whatever the files, attempts and batches."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

import llmstats as ls
from llmstats import curves as module
from llmstats.curves import curves, experiments, half_unit
from llmstats.errors import NotFound
from llmstats.records import Run

from .composed import Training
from .store_deltas import SECOND, Source, fresh_store, points

EXAMPLES = Path(__file__).parents[1] / "examples" / "work_dirs"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The example set, and a resumed run whose three files hold the same values."""
    folder = tmp_path_factory.mktemp("curves")
    Training(last=200).write(folder / "in" / "toy")
    Training(first=151, last=300, resumed=150, seed=1, start=Training().start.replace(hour=9)).write(
        folder / "in" / "toy"
    )
    path = str(folder / "x.duckdb")
    ls.open(path).ingest(EXAMPLES, folder / "in")
    return path


@pytest.mark.parametrize("batch", [1, 300, 10**9])
@pytest.mark.parametrize("series", ["loss", "tokens_per_second_per_device", "tokens_per_sec"])
def test_the_points_are_those_of_the_macro(path, monkeypatch, batch, series):
    monkeypatch.setattr(module, "BATCH", batch)
    with closing(duckdb.connect(path, read_only=True)) as con:
        mine = []
        for curve in curves(con, experiments(con, ["*"]), series):
            assert (np.diff(curve.steps) >= 0).all()
            mine += [(curve.experiment, s, v) for s, v in zip(curve.steps, curve.values, strict=True)]
        theirs = con.execute(
            "SELECT k.experiment, c.step, c.val, w.path || ':' || c.line FROM _curve(?, '*') c "
            "JOIN _picked('*') k ON k.run_key = c.run_key JOIN series_rows s ON s.series_key = c.series_key "
            "JOIN source_rows w ON w.source_key = s.source_key",
            [series],
        ).fetchall()
        places = [c.at(i) for c in curves(con, experiments(con, ["*"]), series) for i in range(len(c))]
    assert sorted(map(repr, mine)) == sorted(repr((e, np.int64(s), np.float64(v))) for e, s, v, _ in theirs)
    assert sorted(places) == sorted(place for *_, place in theirs)
    assert theirs


def test_a_resumed_experiment_is_one_curve_with_hours_that_add_up(path):
    with closing(duckdb.connect(path, read_only=True)) as con:
        (one,) = experiments(con, ["toy"])
        (curve,) = curves(con, [one], "loss")
    assert len(one.run_ids) == 2
    assert curve.steps.tolist() == list(range(1, 301))
    # a record each second: the first attempt counts to step 150, the second from its own first record
    assert curve.hours[149] == pytest.approx(149 / 3600)
    assert curve.hours[150] == pytest.approx(149 / 3600)
    assert curve.hours[-1] == pytest.approx((149 + 149) / 3600)
    assert curve.run_ids[curve.series[0]] != curve.run_ids[curve.series[-1]]


def test_a_clock_that_is_set_back_stands_still(tmp_path):
    """An hour of records each minute, the clock goes back by 30 minutes, then another hour; two ranks, a file each."""
    store = fresh_store(tmp_path / "s.duckdb")
    steps = np.arange(1, 122)
    clock = np.where(steps <= 61, steps * 60, steps * 60 - 1800) * SECOND
    for rank in (1, 0):
        more = points("a", steps, {"loss": steps / 1.0}, rank=rank)
        store.commit([Source(f"/w/a/{rank}").replace(Run("a", "/w/a"), replace(more, times=clock + rank * SECOND))])
    with closing(duckdb.connect(str(tmp_path / "s.duckdb"), read_only=True)) as con:
        (lead,) = curves(con, experiments(con, ["a"]), "loss")
        (both,) = curves(con, experiments(con, ["a"]), "loss", ranks="mean")
    assert lead.hours == pytest.approx(np.where(steps <= 61, steps - 1, steps - 2) / 60)
    assert both.hours == pytest.approx(lead.hours, abs=2 / 3600)


def test_names_that_sql_and_patterns_could_misread(tmp_path):
    store = fresh_store(tmp_path / "s.duckdb")
    for name in ("it's [1]", "it's [2]", "plain"):
        store.commit([Source(f"/w/{name}").replace(Run(name, f"/w/{name}"), points(name, [1, 2], {"lo'ss": [1, 2]}))])
    with closing(duckdb.connect(str(tmp_path / "s.duckdb"), read_only=True)) as con:
        assert [e.name for e in experiments(con, ["it's [1]"])] == ["it's [1]"]
        assert [e.name for e in experiments(con, ["it's*", "plain"])] == ["it's [1]", "it's [2]", "plain"]
        assert [e.name for e in experiments(con, ["*]*"])] == ["it's [1]", "it's [2]"]
        assert [c.values.tolist() for c in curves(con, experiments(con, ["*[2]"]), "lo'ss")] == [[1, 2]]
        with pytest.raises(NotFound, match="did you mean 'plain'"):
            experiments(con, ["plane"])
        assert list(curves(con, [], "loss")) == []
        assert list(curves(con, experiments(con, ["*"]), "loss")) == []


@pytest.mark.parametrize(
    ("precision", "value", "half"),
    [("4", 0.0012, 5e-5), ("0", 3.0, 0.5), ("6e", 1.23e1, 5e-6), ("2e", 0.045, 5e-5), ("full", 1.0, 0), (None, 1.0, 0)],
)
def test_half_a_unit_of_the_last_decimal(precision, value, half):
    assert half_unit(precision, np.array([value])) == pytest.approx([half])


def test_half_a_unit_of_what_is_no_number():
    assert np.isfinite(half_unit("4e", np.array([0.0, math.nan, math.inf]))).all()
