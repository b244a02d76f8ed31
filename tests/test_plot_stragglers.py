"""The map of stragglers: what it shows, that no spike is lost, what it refuses."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from llmstats import plot_style
from llmstats.errors import InputError
from llmstats.pictures import stragglers as picture
from llmstats.plots import plot

from .rank_times import in_step, logged, put, usual
from .store_deltas import fresh_store
from .test_plots import assert_readable, drawn, words


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A long run with a late node and one wild step of one rank, a run of four ranks, and one of rank 0 alone."""
    store = fresh_store(tmp_path / "s.duckdb")
    data, work = usual(32, 5000)
    data[700:760, 8:16] += 1.5
    data[3210, 20] += 30
    put(store, "long/run", data, in_step(data, work), device_count=32, node_count=4)
    few, more = usual(4, 60)
    more[30, 2] = np.nan
    put(store, "中文实验 昇腾/run", few, more, every=50)
    store.commit(logged("alone", {"data": few[:, :1], "apart": more[:, :1]}, device_count=8))
    return str(tmp_path / "s.duckdb")


def fetch(path: str, **given: str) -> Any:
    with closing(duckdb.connect(path, read_only=True)) as con:
        return picture.fetch(con, given)


def test_no_spike_is_lost_in_thinning(path: str) -> None:
    data = fetch(path)
    one = data.maps[0]
    assert (one.run_id, len(data.maps), data.more) == ("long/run", 2, 0)
    assert one.behind.shape == (32, picture.BINS)
    assert len(one.edges) == picture.BINS + 1
    column = int(np.searchsorted(one.edges, 3211)) - 1
    assert one.behind[20, column] == np.nanmax(one.behind) > 25
    assert one.slowest[column] == one.slowest.max() > 30
    calm = np.ones(picture.BINS, bool)
    calm[[column, *range(*np.searchsorted(one.edges, [694, 770]))]] = False
    assert one.behind[:, calm].max() < 0.1


def test_what_is_not_logged_is_no_zero(path: str) -> None:
    (one,) = fetch(path, pick="中文*").maps
    missing = np.argwhere(np.isnan(one.behind))
    assert [(int(r), one.edges[c] < 31 * 50 < one.edges[c + 1]) for r, c in missing] == [(2, True)]


@pytest.mark.parametrize("ranks", [2, 4, 8])
@pytest.mark.parametrize("share", [0.6, 1.0])
def test_those_who_wait_are_pale(tmp_path: Path, ranks: int, share: float) -> None:
    """Of few ranks the late one is itself the quick quarter: it does not wait for others in its step."""
    store = fresh_store(tmp_path / "s.duckdb")
    data, work = usual(ranks, 200)
    late = np.random.default_rng(1).random(200) < share
    data[late, 1] += 3
    put(store, "a", data, in_step(data, 4 * work))
    (one,) = fetch(str(tmp_path / "s.duckdb")).maps
    assert one.behind[1].max() > 0.4
    assert np.delete(one.behind, 1, axis=0).max() < 0.1


def test_too_few_records_are_drawn_and_not_judged(tmp_path: Path) -> None:
    store = fresh_store(tmp_path / "s.duckdb")
    data, work = usual(8, 20)
    data[:, 5] += 3
    put(store, "short", data, in_step(data, 4 * work))
    store.commit(logged("nothing", {"data": 0 * data, "apart": 0 * work}))
    maps = fetch(str(tmp_path / "s.duckdb"))
    assert [one.run_id for one in maps.maps] == ["short"]
    figure = drawn(picture.draw, maps)
    assert "short – cannot tell" in words(figure)
    assert "cannot tell: at most 10 records of a rank to compare after the warm-up; 20 are needed" in words(figure)
    assert_readable(figure)


def test_findings_are_numbered_and_told(path: str) -> None:
    figure = drawn(picture.draw, fetch(path))
    said = words(figure)
    assert "1  one-off: 8 ranks (node 1) waited for data – " in said
    assert "2  one-off: rank 20 waited for data – " in said
    assert "long/run – 2 findings, the costliest" in said
    assert "no rank stood out" in said
    assert "definition: step_time@excl_data" in said
    assert "same in numbers: llmstats query stragglers; each step: FROM rank_spread(" in said
    assert_readable(figure)


def test_many_runs_and_findings_stay_readable(tmp_path: Path) -> None:
    store = fresh_store(tmp_path / "s.duckdb")
    for i in range(5):
        data, work = usual(16, 400)
        for t in range(20, 400, 20):
            data[t, (t // 20 * 7) % 16] += 0.5 + t / 400
        put(store, f"a_very_long_name_of_a_run_{i}" * 4, data, in_step(data, work))
    figure = drawn(picture.draw, fetch(str(tmp_path / "s.duckdb")))
    assert "2 more runs not drawn" in words(figure)
    assert_readable(figure)


def test_the_same_file_each_time(path: str, tmp_path: Path) -> None:
    with closing(duckdb.connect(path, read_only=True)) as con:
        for form in ("png", "svg", "pdf"):
            one, two = tmp_path / f"a.{form}", tmp_path / f"b.{form}"
            plot(con, "stragglers", one)
            plot(con, "stragglers", two)
            assert one.read_bytes() == two.read_bytes()


def test_colours_read_in_grey() -> None:
    """Lightness falls all along the scale."""
    import matplotlib as mpl

    with plot_style.style():
        rgb = mpl.colormaps["Blues"](np.linspace(0, 1, 64))[:, :3]
    assert (np.diff(rgb @ [0.2126, 0.7152, 0.0722]) < 0).all()


@pytest.mark.parametrize(("pick", "says"), [
    ("alone", "needs the steps of several ranks .only rank 0 logged"), ("no*", "no training run matches --pick"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_explained(path: str, pick: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        fetch(path, pick=pick)
