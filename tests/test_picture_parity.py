"""The picture of parity: what it draws is what the query says, and it reads at any names."""

from __future__ import annotations

import math
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llmstats as ls
from llmstats import plot_style
from llmstats.errors import InputError, QueryError
from llmstats.pictures import parity
from llmstats.records import Run
from llmstats.store import Store

from .store_deltas import Source, fresh_store, points
from .test_plots import assert_readable, drawn, words


def add(store: Store, name: str, values: list[float]) -> None:
    series = points(name, range(1, len(values) + 1), {"loss": values})
    store.commit([Source(f"/w/{name}/a.log").replace(Run(name, f"/w/{name}", kind="training"), series)])


def falling(seed: int, n: int = 300, shift: float = 0.0) -> list[float]:
    rng = random.Random(seed)
    offset = rng.gauss(0, 0.005)
    return [(1 + 4 * math.exp(-i / 60)) * (1 + offset + shift * (i > 200)) + rng.gauss(0, 0.02) for i in range(n)]


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parity") / "s.duckdb"
    store = fresh_store(path)
    for i in range(4):
        add(store, f"ref{i}", falling(i))
    add(store, "good", falling(10))
    add(store, "bad", falling(11, shift=0.1))
    return path


@pytest.fixture
def path(composed: Path, tmp_path: Path) -> Path:
    """A copy that the test may add to."""
    return shutil.copy(composed, tmp_path / "s.duckdb")


def fetch(path: Path, **given: str) -> parity.Data:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as con:
        return parity.fetch(con, given)


def test_it_draws_the_windows_and_the_bound_of_the_query(path):
    answer = ls.open(str(path)).query("parity_windows", reference="ref*")
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    data = fetch(path, reference="ref*")
    figure = drawn(parity.draw, data)
    assert_readable(figure)
    above, below = figure.axes
    markers = {c.get_edgecolor()[0][:3].tobytes(): c for c in below.collections if len(c.get_offsets()) == 10}
    assert len(markers) == 2
    for name, marks in zip(("bad", "good"), markers.values(), strict=True):
        mine = [row for row in rows if row["candidate"] == name]
        assert np.asarray(marks.get_offsets())[:, 1] == pytest.approx([row["gap"] for row in mine])
        filled = [bool(np.any(face[:3] != 1)) for face in marks.get_facecolors()]
        assert filled == [row["verdict"] == "beyond bound" for row in mine]
    text = words(figure)
    assert "bad – beyond bound: largest gap +" in text
    assert "good – within bound" in text
    assert "bound from 4 repeats at 0.95" in text
    assert "tokens" not in above.get_xlabel() + below.get_xlabel()
    parted = data.drawn[0].candidates[0].x[data.drawn[0].diverged or 0]
    assert any(line.get_xdata()[0] == parted and line.get_linestyle() == ":" for line in above.lines)


def test_parameters_reach_it(path):
    assert fetch(path, reference="ref0", candidate="good", windows="3").drawn[0].windows[-1].high == 300
    assert len(fetch(path, reference="ref0", candidate="good", windows="3").drawn[0].windows) == 3
    with pytest.raises(QueryError, match="--reference"):
        fetch(path)
    with pytest.raises(InputError, match="nothing to draw: no other run has this series"):
        fetch(path, reference="*")


def test_what_cannot_be_told_is_named(path):
    store = Store(str(path))
    add(store, "short", [1.0] * 5)
    figure = drawn(parity.draw, fetch(path, reference="ref0", candidate="*o*"))
    assert "short – cannot tell: 5 points in the common range" in words(figure)
    with pytest.raises(InputError, match="nothing to draw: short: 5 points"):
        fetch(path, reference="ref0", candidate="short")


def test_many_candidates_of_long_names_stay_readable(path):
    store = Store(str(path))
    for i in range(8):
        add(store, f"a very long name of an experiment {'x' * 60} number {i}", falling(20 + i))
    data = fetch(path, reference="ref*")
    figure = drawn(parity.draw, data)
    assert_readable(figure)
    assert len(data.drawn) == parity.DRAWN
    assert "6 more, not drawn" in words(figure)


def test_spikes_survive_thinning():
    values = np.ones(100_000)
    values[54_321] = 9.0
    x, y = parity._extremes(np.arange(100_000.0), values)
    assert len(x) <= 2 * parity.BINS
    assert 54_321 in x[y == 9]


@pytest.mark.parametrize("scale", [(1.0, "training step"), (1e6, "tokens consumed (millions)")])
def test_large_counts_are_in_millions(tmp_path, scale):
    factor, label = scale
    store = fresh_store(tmp_path / "t.duckdb")
    for name in ("ref", "cand"):
        logged = {"loss": falling(1)} | ({"total_tokens": [factor * s for s in range(1, 301)]} if factor > 1 else {})
        series = points(name, range(1, 301), logged)
        store.commit([Source(f"/w/{name}/a").replace(Run(name, f"/w/{name}", kind="training"), series)])
    figure = drawn(parity.draw, fetch(tmp_path / "t.duckdb", reference="ref"))
    assert figure.axes[1].get_xlabel() == label
    assert {t.get_text() for t in figure.axes[1].get_xticklabels()} >= {"100", "200"}


def test_the_file_is_the_same_twice(path, tmp_path):
    db = ls.open(str(path))
    for form in ("svg", "png", "pdf"):
        both: list[Any] = []
        for i in range(2):
            db.plot("parity", str(tmp_path / f"{i}.{form}"), reference="ref*")
            both.append((tmp_path / f"{i}.{form}").read_bytes())
        assert both[0] == both[1]
    with plot_style.style():
        assert both
