"""One value, one home: what several files of a run say twice is shown once, whatever came first."""

import itertools
import math
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmstats.records import FULL, Measurement, Run
from llmstats.store_types import MOVE, Delta

from .store_deltas import SECOND, Source, ask, fresh_store, points

RUN = Run("toy/1", "/w/toy/1", experiment="toy")
POINTS = (
    "SELECT phase, coalesce(rank, 0), metric, step, epoch_us(time), value, path, line FROM points "
    "JOIN sources USING (source_id) ORDER BY ALL"
)


@pytest.fixture
def store(tmp_path):
    return fresh_store(tmp_path / "s.duckdb")


def text(steps, **options):
    """What a text log says: rounded values, a clock, one more metric than the JSON files."""
    values = {"loss": [round(1 / s, 4) for s in steps], "eta": [float(s) for s in steps]}
    return points("toy/1", steps, values, "4", clock=True, **options)


def json_lines(steps, **options):
    """The same at full precision and without a clock."""
    return points("toy/1", steps, {"loss": [1 / s for s in steps], "lr": [s / 8 for s in steps]}, **options)


FILES = {"/w/toy/1/1.log": ("mmengine_log", text), "/w/toy/1/vis/1.json": ("mmengine_scalars", json_lines),
         "/w/toy/1/vis/scalars.json": ("mmengine_scalars", json_lines)}  # fmt: skip
#: Growth of each file in three parts; the text is ahead of one JSON file and behind the other.
PARTS = {"/w/toy/1/1.log": [(1, 700), (701, 900), (901, 1300)],
         "/w/toy/1/vis/1.json": [(1, 600), (601, 1000), (1001, 1200)],
         "/w/toy/1/vis/scalars.json": [(1, 10), (11, 650), (651, 1400)]}  # fmt: skip


def expected_points():
    """Worked out here by hand: the first JSON file in the order of paths has the values up to where it ends."""
    rows = []
    for step in range(1, 1401):
        home = "/w/toy/1/vis/1.json" if step <= 1200 else "/w/toy/1/vis/scalars.json"
        time = step * SECOND if step <= 1300 else None
        rows += [("train", 0, "loss", step, time, 1 / step, home, step + 100)]
        rows += [("train", 0, "lr", step, time, step / 8, home, step + 100)]
        if step <= 1300:
            rows += [("train", 0, "eta", step, time, float(step), "/w/toy/1/1.log", step + 100)]
    return sorted(rows)


def schedules():
    """For each order of the files: one after the other, in turns, and in turns within common commits."""
    for order in itertools.permutations(FILES):
        yield [[(f, i)] for f in order for i in range(3)]
        yield [[(f, i)] for i in range(3) for f in order]
        yield [[(f, i) for f in order] for i in range(3)]


@pytest.mark.parametrize("schedule", list(schedules()))
def test_any_order_of_ingest_and_growth_gives_the_same_points(store, schedule):
    sources = {path: Source(path, kind) for path, (kind, _) in FILES.items()}
    for commit in schedule:
        deltas = []
        for path, i in commit:
            low, high = PARTS[path][i]
            items = [RUN, FILES[path][1](range(low, high + 1), rank=0 if path.endswith(".log") else None)]
            deltas.append(sources[path].append(*items) if i else sources[path].replace(*items))
        assert store.commit(deltas).conflicts == []
    assert sorted(ask(store, POINTS)) == expected_points()


def test_forgetting_the_better_file_brings_the_other_back(store):
    store.commit([Source("/w/toy/1/1.log", "log").replace(RUN, text(range(1, 1001)))])
    alone = ask(store, POINTS)
    store.commit([Source("/w/toy/1/a.json", "json").replace(RUN, json_lines(range(1, 701)))])
    both = ask(store, POINTS)
    assert len(both) == len(alone) + 700
    store.forget("/w/toy/1/a.json")
    assert ask(store, POINTS) == alone
    assert ask(store, "SELECT count(*) FROM block_values WHERE hidden OR shown IS NOT NULL") == [(0,)]


def test_forgetting_the_clock_takes_the_times_away(store):
    store.commit([Source("/w/toy/1/a.json", "json").replace(RUN, json_lines(range(1, 5)))])
    without = ask(store, POINTS)
    log = Source("/w/toy/1/1.log", "log")
    store.commit([log.replace(RUN, text(range(1, 5)))])
    assert [r[4] for r in ask(store, POINTS) if r[2] == "lr"] == [SECOND, 2 * SECOND, 3 * SECOND, 4 * SECOND]
    store.commit([log.replace(RUN)])
    assert ask(store, POINTS) == without


def test_the_last_line_of_a_file_wins_when_a_step_comes_again(store):
    source = Source("/w/a")
    store.commit(
        [source.replace(RUN, points("toy/1", [1, 2, 3, 2, 3], {"loss": [1, 2, 3, 20, 30]}, lines=range(1, 6)))]
    )
    assert ask(store, "SELECT step, value, line FROM points ORDER BY step") == [(1, 1, 1), (2, 20, 4), (3, 30, 5)]
    store.commit([source.append(points("toy/1", [3, 4], {"loss": [300, 400]}, lines=[6, 7]))])
    assert ask(store, "SELECT step, value FROM points ORDER BY step") == [(1, 1), (2, 20), (3, 300), (4, 400)]


def test_a_step_that_comes_again_only_in_what_was_appended(store):
    source = Source("/w/a")
    store.commit([source.replace(RUN, points("toy/1", [1, 2, 3], {"loss": [1, 2, 3]}))])
    store.commit([source.append(points("toy/1", [2, 4], {"loss": [20, 40]}, lines=[200, 201]))])
    found = ask(store, "SELECT step, value FROM points ORDER BY step")
    assert found == [(1, 1), (2, 20), (3, 3), (4, 40)]


def test_more_decimals_are_better_and_full_is_best(store):
    for name, digits in (("a", "2"), ("b", "4"), ("c", "4e"), ("d", FULL)):
        store.commit([Source(f"/w/{name}").replace(RUN, points("toy/1", [1], {"loss": [ord(name)]}, digits))])
        assert ask(store, "SELECT value, path FROM points JOIN sources USING (source_id)") == [
            (ord(name), f"/w/{name}")
        ]


def test_precision_learned_later_changes_the_home(store):
    """A file that began with nothing but NaN had no precision yet."""
    late, other = Source("/w/b"), Source("/w/a")
    store.commit([other.replace(RUN, points("toy/1", [1, 2], {"loss": [1, 2]}, "2"))])
    store.commit([late.replace(RUN, points("toy/1", [1], {"loss": [math.nan]}, ""))])
    assert [r[0] for r in ask(store, "SELECT value FROM points ORDER BY step")] == [1, 2]
    store.commit([late.append(points("toy/1", [2], {"loss": [5]}, "4"))])
    found = ask(store, "SELECT value FROM points ORDER BY step")
    assert math.isnan(found[0][0])
    assert found[1] == (5,)


def test_phases_ranks_devices_and_definitions_do_not_hide_one_another(store):
    one = {"x": [1.0]}
    kinds = ({"phase": "val"}, {"rank": 1}, {"device_index": 1}, {"definition": "x@other"}, {})
    first = [points("toy/1", [1], one, **kind) for kind in kinds]
    second = [points("toy/1", [1], one, rank=2), points("toy/1", None, one), points("toy/1", None, one)]
    store.commit([Source("/w/a").replace(RUN, *first), Source("/w/b").replace(RUN, *second)])
    assert ask(store, "SELECT count(*) FROM points") == [(8,)]


def test_points_without_steps_never_hide(store):
    for name in "ab":
        store.commit([Source(f"/w/{name}").replace(RUN, points("toy/1", None, {"power": [1.0, 2.0]}))])
    assert ask(store, "SELECT count(*) FROM points") == [(4,)]


def test_a_moved_file_changes_which_of_two_equals_is_shown(store):
    for name in "bc":
        store.commit([Source(f"/w/{name}").replace(RUN, points("toy/1", [1], {"x": [1.0]}))])
    store.commit([Delta("/w/a", MOVE, None, {}, from_path="/w/c")])
    assert ask(store, "SELECT path FROM points JOIN sources USING (source_id)") == [("/w/a",)]


def test_values_stay_in_the_store_when_hidden(store):
    store.commit([Source("/w/toy/1/1.log", "log").replace(RUN, text([1, 2]))])
    store.commit([Source("/w/toy/1/a.json", "json").replace(RUN, json_lines([1, 2, 3]))])
    assert ask(store, 'SELECT source_id, "values", precision FROM series WHERE metric = \'loss\' ORDER BY ALL') == [
        (1, 2, "4"), (2, 3, FULL)]  # fmt: skip
    assert ask(store, "SELECT vals FROM block_values JOIN series_rows USING (series_key) "
                      "WHERE hidden AND source_key = 1") == [([1.0, 0.5],)]  # fmt: skip


# ---- against a plain model

SOURCES = st.lists(
    st.tuples(
        st.sampled_from(["2", "4", FULL]),
        st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["loss", "lr"])), min_size=1, max_size=12),
        st.integers(0, 11),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)


def model(sources):
    """Points by the rule, written as plainly as possible: (metric, step) -> (value, path, time)."""
    candidates = defaultdict(list)
    clocks = defaultdict(list)
    for i, (digits, rows, _, clock) in enumerate(sources):
        rank = {"2": 2, "4": 1, FULL: 0}[digits]
        for line, (step, metric) in enumerate(rows, 1):
            time = line * SECOND if clock else None
            candidates[metric, step].append((rank, i, -line, line + 100.0 * i, f"/w/{i}", time))
            if clock:
                clocks[step].append((i, -line, time))
    shown = {}
    for key, found in candidates.items():
        _, _, _, value, path, time = min(found)
        joined = min(clocks[key[1]])[2] if clocks[key[1]] else None
        shown[key] = (value, path, time if time is not None else joined)
    return shown


def delta_items(index, digits, rows, clock):
    for line, (step, metric) in rows:
        item = points("toy/1", [step], {metric: [line + 100.0 * index]}, digits, lines=[line])
        item.times = item.lines * SECOND if clock else None
        yield item


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sources=SOURCES, order=st.permutations(range(3)))
def test_points_are_those_of_the_rule(tmp_path, sources, order):
    store = fresh_store(tmp_path / "s.duckdb")
    parts = []
    for i, (digits, rows, cut, clock) in enumerate(sources):
        items = list(delta_items(i, digits, list(enumerate(rows, 1)), clock))
        parts.append([items[:cut], items[cut:]])
    files = [Source(f"/w/{i}") for i in range(len(sources))]
    for half in (0, 1):
        for i in (i for i in order if i < len(sources)):
            delta = files[i].append(RUN, *parts[i][1]) if half else files[i].replace(RUN, *parts[i][0])
            store.commit([delta])
    rows = ask(store, "SELECT metric, step, value, path, epoch_us(time) FROM points JOIN sources USING (source_id)")
    assert len(rows) == len({row[:2] for row in rows})
    assert {row[:2]: row[2:] for row in rows} == model(sources)


# ---- measurements


def measured(value, digits, **conditions):
    return Measurement("cell", "ttft", value, "p50", precision=digits, input_len=256, conditions=conditions, line=1)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_more_precise_measurement_is_shown(store, order):
    cell = Run("cell", "/w/cell")
    deltas = [
        Source("/w/a", "log").replace(cell, measured(0.12, "2"), measured(0.5, "2", retry=True)),
        Source("/w/b", "csv").replace(cell, measured(0.1234, FULL)),
        Source("/w/c", "dump").replace(cell, measured(None, FULL), measured(0.52, "1", retry=True)),
    ]
    for i in order:
        store.commit([deltas[i]])
    shown = "SELECT value, path FROM measurements JOIN sources USING (source_id) ORDER BY ALL"
    assert ask(store, shown) == [(0.1234, "/w/b"), (0.5, "/w/a")]
    store.forget("/w/b")
    assert ask(store, shown) == [(0.12, "/w/a"), (0.5, "/w/a")]
