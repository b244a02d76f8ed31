"""`trend`: known steps are found, noise is left alone, machines and definitions are not mixed, causes are named."""

import itertools
from datetime import datetime, timedelta

import numpy as np
import pytest

import llmstats
from llmstats.answers import _changes, _dated, trend
from llmstats.answers.trend import judge
from llmstats.errors import InputError, QueryError
from llmstats.pictures import trend as picture
from llmstats.records import Measurement, Run

from .store_deltas import Source, fresh_store

START = datetime(2025, 3, 1, 4, 0)
ORDERS = 999


# --------------------------------------------------------------------------- change points, pure


def by_loops(values, at):
    """Equations 5 and 6 of the paper, one pair at a time."""
    x, y = values[:at], values[at:]
    between = 2 * np.mean([abs(a - b) for a in x for b in y])
    within = [np.mean([abs(a - b) for a, b in itertools.combinations(side, 2)]) for side in (x, y)]
    return len(x) * len(y) / len(values) * (between - sum(within))


def test_strengths_are_the_papers():
    values = np.random.default_rng(1).normal(size=13)
    found = _changes.strengths(np.abs(values[:, None] - values), 3)
    assert found == pytest.approx([by_loops(values.tolist(), at) for at in range(3, 11)])


@pytest.mark.parametrize("steps", [(20,), (15, 30), (12, 24, 40)])
def test_known_steps_are_found_where_they_are(steps):
    random = np.random.default_rng(len(steps))
    levels = [100, 108, 97, 120]
    bounds = [0, *steps, 55]
    values = np.concatenate(
        [random.normal(level, 1.0, b - a) for level, (a, b) in zip(levels, itertools.pairwise(bounds), strict=False)]
    )
    found = sorted(s.at for s in _changes.splits(values, 5, 0.05, ORDERS) if s.p_value <= 0.01)
    assert len(found) == len(steps)
    assert all(abs(a - b) <= 1 for a, b in zip(found, steps, strict=True))


def test_p_values_of_noise_are_honest():
    """Of p-values under no change a share of at most q lies up to q: what a p-value is."""
    random = np.random.default_rng(7)
    p_values = np.array([_changes.splits(random.normal(size=24), 5, 0, 199, seed=k)[0].p_value for k in range(400)])
    for q in (0.05, 0.1, 0.25, 0.5):
        assert np.mean(p_values <= q) <= q + 2.6 * (q * (1 - q) / len(p_values)) ** 0.5
    assert np.mean(p_values <= 0.5) > 0.4  # and none is hidden


def test_a_change_of_spread_alone_is_found_too():
    random = np.random.default_rng(2)
    values = np.concatenate([random.normal(0, 1, 60), random.normal(0, 12, 60)])
    (first, *_) = _changes.splits(values, 5, 0.05, ORDERS)
    assert first.p_value < 0.01
    assert 50 <= first.at <= 72


def test_equal_values_have_no_change():
    (split,) = _changes.splits(np.full(20, 3.5), 5, 0.05, ORDERS)
    assert split.p_value == 1


def test_the_same_numbers_give_the_same_answer():
    values = np.random.default_rng(3).normal(size=40)
    assert _changes.splits(values, 5, 0.5, ORDERS, seed=1) == _changes.splits(values, 5, 0.5, ORDERS, seed=1)


def noise(random, n):
    rows = [{"value": v, "run_id": str(i)} for i, v in enumerate(np.exp(random.normal(0, 0.03, n)))]
    return _dated.Series({}, rows)


def test_false_alarms_over_many_metrics_stay_under_the_stated_rate():
    """Twenty metrics of pure noise: a change is shown in at most 5 % of such stores."""
    random = np.random.default_rng(11)
    alarms, stores = 0, 120
    for _ in range(stores):
        found = [noise(random, 20) for _ in range(20)]
        judge(found, 0.05, 5)
        alarms += any(one.changes(0.05) for one in found)
    assert alarms <= 0.05 * stores + 2.6 * (0.05 * 0.95 * stores) ** 0.5


def test_versions_sort_as_people_count():
    names = ["2.10.0", "2.9.1", "2.9.1rc1", "2.9", "v2.9.1", "2.9.1.post2", "470.129", "470.57"]
    ordered = sorted(names, key=_dated.natural)
    assert ordered.index("2.9") < ordered.index("2.9.1rc1") < ordered.index("2.9.1") < ordered.index("2.9.1.post2")
    assert ordered.index("2.9.1.post2") < ordered.index("2.10.0") < ordered.index("470.57") < ordered.index("470.129")


# --------------------------------------------------------------------------- from a store


def nightly(name, values, *, metric="output_tokens_per_second", definition="tps@toy", step_at=None, **facts):
    """One serving run a day, whose driver changes at ``step_at``."""
    items = []
    for i, value in enumerate(values):
        run = f"{name}/{i:03d}"
        day = START + timedelta(days=i)
        environment = {"driver": "470.57" if step_at is None or i < step_at else "525.60", "build": str(i)}
        items += [
            Run(
                run, f"/w/{run}", kind="serving", model="toy-7b", started_at=int(day.timestamp()) * 1_000_000,
                environment=environment, **{"device": "Toy X1", "device_count": 8, **facts},
            ),
            Measurement(run, metric, float(value), definition=definition, line=i + 1, concurrency=8.0),
        ]  # fmt: skip
    return items


@pytest.fixture
def ask(tmp_path):
    path = tmp_path / "s.duckdb"
    store = fresh_store(path)

    def add_and_ask(*groups, **parameters):
        for n, items in enumerate(groups):
            store.commit([Source(f"/w/{len(list(tmp_path.iterdir()))}-{n}.json").replace(*items)])
        answer = llmstats.open(str(path)).query("trend", **parameters)
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]

    add_and_ask.path = str(path)
    return add_and_ask


def stepped(before, after, at=14, n=28, seed=5):
    random = np.random.default_rng(seed)
    return np.concatenate([random.normal(before, 5, at), random.normal(after, 5, n - at)])


def test_a_step_is_one_row_with_size_interval_cause_and_place(ask):
    values = stepped(1000, 900)
    (row,) = ask(nightly("a", values, step_at=14))
    assert (row["verdict"], row["run_id"], row["last_before"]) == ("regressed", "a/014", "a/013")
    before, after = values[:14], values[14:]
    assert row["change"] == pytest.approx(np.exp(np.log(after).mean() - np.log(before).mean()) - 1)
    assert row["change_low"] < -0.1 < row["change_high"] < 0
    assert (row["before"], row["after"]) == (np.median(before), np.median(after))
    assert (row["n_before"], row["n_after"], row["runs"]) == (14, 14, 28)
    assert row["p_value"] == 1 / (1 + 999)
    assert row["q_value"] == pytest.approx(3 * row["p_value"])  # the parts before and after were tested, too
    assert row["causes"] == ["driver: 470.57 → 525.60", "build: 13 → 14"]
    assert row["source"].endswith(":15")
    assert row["at"].startswith("2025-03-15")
    assert row["case"] == "concurrency=8"


def test_a_fact_that_comes_and_goes_stands_behind_one_that_changed_there(ask):
    items = nightly("a", stepped(1000, 900), step_at=14)
    for i, run in enumerate(item for item in items if isinstance(item, Run)):
        run.environment["build"] = "odd" if i % 2 else "even"
    (row,) = ask(items)
    assert row["causes"] == ["driver: 470.57 → 525.60", "build: odd → even"]


def test_lower_is_better_where_the_catalogue_says_so(ask):
    (row,) = ask(nightly("a", stepped(100, 150), metric="ttft", definition=None))
    assert row["verdict"] == "regressed"
    assert row["change"] > 0.3


def test_noise_is_no_change(ask):
    (row,) = ask(nightly("a", np.random.default_rng(3).normal(1000, 30, 30)))
    assert (row["verdict"], row["run_id"]) == ("no change", "a/029")
    assert row["p_value"] > 0.05


def test_a_faster_machine_is_no_change(ask):
    rows = ask(
        nightly("a", np.full(12, 900.0) + range(12)), nightly("b", np.full(12, 1900.0) + range(12), device="Toy X2")
    )
    assert {row["device"] for row in rows} == {"Toy X1", "Toy X2"}
    assert len(rows) == 2


def test_definitions_are_not_joined(ask):
    old, new = nightly("a", np.full(12, 900.0)), nightly("b", np.full(12, 1900.0), definition="tps@other")
    rows = ask(old, new)
    assert {(row["definition"], row["verdict"]) for row in rows} == {
        ("tps@toy", "no change"),
        ("tps@other", "no change"),
    }


def test_few_runs_cannot_tell_and_are_listed_on_request(ask):
    (row,) = ask(nightly("a", [1, 2, 3]))
    assert (row["verdict"], row["run_id"]) == ("cannot tell", None)
    assert "1 series have fewer than 10 runs" in row["reason"]
    (row,) = ask(all="true")
    assert (row["verdict"], row["run_id"], row["reason"]) == ("cannot tell", "a/002", "3 runs; 10 are needed")


def test_runs_without_a_date_are_counted(ask):
    items = nightly("a", np.full(12, 900.0))
    items[0].started_at = None
    rows = ask(items)
    assert [row["reason"] for row in rows if row["run_id"] is None] == ["1 runs without date: left out"]
    assert rows[0]["runs"] == 11


def test_versions_order_the_runs(ask):
    random = np.random.default_rng(4)
    items = nightly("a", random.normal(1000, 3, 24))
    for i, item in enumerate(items[1::2]):
        version = f"1.{i // 2}" if i % 2 else f"2.{i // 2}"
        items[2 * i].config = {"release": version}
        item.value += 200 if version.startswith("2.") else 0
    (row,) = ask(items, by="release")
    assert (row["verdict"], row["at"], row["first_at"]) == ("improved", "2.0", "1.0")
    dated = ask()
    assert [r["verdict"] for r in dated] == ["no change"]


@pytest.mark.parametrize("key", ["*", "\\", "$", "$.release", "/a", 'a"b', "a.b", "a*b"])
def test_a_version_may_have_any_name(ask, key):
    items = nightly("a", np.full(12, 900.0))
    for i, run in enumerate(items[::2]):
        run.config = {key: f"1.{i}", "other": "x"}
    (row,) = ask(items, by=key, all="true")
    assert (row["first_at"], row["last_at"], row["runs"]) == ("1.0", "1.11", 12)
    (row,) = ask(by="nothing")
    assert row["reason"] == "12 runs without nothing: left out"


def test_the_smallest_share_of_false_changes(ask):
    (row,) = ask(nightly("a", stepped(1000, 1100)), alpha="1e-308")
    assert row["verdict"] == "no change"


OTHER = {
    "metric": "ttft", "model": "other*", "device": "Nobody", "pick": "b*", "alpha": "0.9", "min_runs": "12",
    "all": "true", "by": "release",
}  # fmt: skip


@pytest.mark.parametrize("parameter", OTHER)
def test_every_parameter_changes_the_answer(ask, parameter):
    groups = [nightly("a", stepped(1000, 997, n=20, at=9)), nightly("b", [1.0, 2.0, 3.0], metric="step_time")]
    before = ask(*groups)
    assert ask(**{parameter: OTHER[parameter]}) != before


@pytest.mark.parametrize(("parameter", "value"), [("alpha", "0"), ("alpha", "1"), ("min_runs", "1")])
def test_what_makes_no_sense_is_refused(ask, parameter, value):
    with pytest.raises(QueryError, match="--"):
        ask(nightly("a", [1.0] * 12), **{parameter: value})


def test_training_speed_is_followed_too(tmp_path):
    from .composed import Training

    for i in range(12):
        run = Training(last=120, start=START + timedelta(days=i), seed=i)
        for record in run.records:
            record["time"] *= 1 if i < 6 else 1.25
            record["tokens_per_sec"] = 512 / record["time"]
        run.write(tmp_path / f"work_{i:02d}", "scalars", "text")
    db = llmstats.open(str(tmp_path / "s.duckdb"))
    db.ingest(tmp_path)
    rows = db.query("trend", metric="tokens_per_second_per_device").pl().to_dicts()
    (row,) = [r for r in rows if r["run_id"]]
    assert row["verdict"] == "regressed"
    assert row["change"] == pytest.approx(1 / 1.25 - 1, abs=0.005)
    assert row["definition"].startswith("harmonic_mean(")


def test_values_behind_a_series(ask):
    (row,) = ask(nightly("a", stepped(1000, 900), step_at=14))
    values = llmstats.open(ask.path).query("trend_values").pl()
    assert values["series"].unique().to_list() == [row["series"]]
    assert values["value"].to_list() == pytest.approx(stepped(1000, 900).tolist())
    assert values["run_id"][14] == row["run_id"]


# --------------------------------------------------------------------------- the picture


def test_the_picture_shows_stretches_and_causes(ask, tmp_path):
    ask(nightly("a", stepped(1000, 900), step_at=14), nightly("b", np.full(12, 5.0), metric="ttft"))
    llmstats.open(ask.path).plot("trend", str(tmp_path / "t.svg"))
    text = (tmp_path / "t.svg").read_text()
    assert text.count('id="axes_') == 1  # only what changed, where anything did
    llmstats.open(ask.path).plot("trend", str(tmp_path / "again.svg"))
    assert (tmp_path / "again.svg").read_text() == text


def test_the_picture_has_nothing_to_draw_without_series(ask, tmp_path):
    ask(nightly("a", [1.0, 2.0]))
    with pytest.raises(InputError, match="no series has 10 runs"):
        llmstats.open(ask.path).plot("trend", str(tmp_path / "t.png"))


def test_what_is_drawn_says_size_and_cause():
    row = {
        "verdict": "regressed", "change": -0.1, "change_low": -0.12, "change_high": -0.08, "q_value": 0.001,
        "causes": ["driver: 1 → 2"],
    }  # fmt: skip
    assert picture._says(row) == "-10.0 % (-12.0 to -8.0), q = 0.001\ndriver: 1 → 2"


def test_what_duckdb_refuses_on_the_way_is_told_as_of_any_query(tmp_path, monkeypatch):
    fresh_store(tmp_path / "s.duckdb")
    monkeypatch.setattr(trend, "series", lambda con, *_: con.execute("SELECT error('no room')"))
    with pytest.raises(QueryError, match="no room"):
        llmstats.open(str(tmp_path / "s.duckdb")).query("trend")
