"""Which facts tell of one run, what runs are called, how attempts form experiments, what labels do."""

import itertools
import json
import random

import pytest

from llmstats.records import Run
from llmstats.store_types import MOVE, TOUCH, Delta

from .store_deltas import SECOND, Source, ask, fresh_store, points


@pytest.fixture
def store(tmp_path):
    return fresh_store(tmp_path / "s.duckdb")


def runs(store, columns="run_id"):
    return ask(store, f"SELECT {columns} FROM runs ORDER BY ALL")


# ---- identity


def test_files_of_one_name_and_root_are_one_run(store):
    for n in "abc":
        store.commit([Source(f"/w/toy/1/{n}").replace(Run("toy/1", "/w/toy/1"), points("toy/1", [1], {n: [1]}))])
    assert runs(store) == [("toy/1",)]
    assert ask(store, "SELECT metric FROM points ORDER BY ALL") == [("a",), ("b",), ("c",)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_one_name_at_several_roots(store, order):
    """The root that sorts first keeps the bare name, whatever came first."""
    roots = ["/a/toy/1", "/b/toy/1", "/c/toy/1"]
    for i in order:
        store.commit([Source(f"{roots[i]}/x.log").replace(Run("toy/1", roots[i], experiment="toy"))])
    names = dict(runs(store, "root, run_id"))
    assert names[roots[0]] == "toy/1"
    assert all(names[r].startswith("toy/1~") and len(names[r]) == 10 for r in roots[1:])
    assert len(set(names.values())) == 3
    experiments = dict(runs(store, "root, experiment"))
    assert experiments[roots[0]] == "toy"
    assert all(experiments[r].startswith("toy~") for r in roots[1:])
    store.forget(f"{roots[0]}/x.log")
    assert dict(runs(store, "root, run_id"))[roots[1]] == "toy/1"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_fingerprint_joins_files_below_one_another(store, order):
    """The file with more facts names the run."""
    facts = [
        Run("cell", "/w/cell", fingerprint="qps=0.5", framework="vllm", model="m"),
        Run("row 3", "/w", fingerprint="qps=0.5", kind="serving"),
        Run("cell", "/elsewhere", fingerprint="qps=0.5"),
    ]
    for i in order:
        store.commit([Source(f"/w/{i}", f"f{i}").replace(facts[i], points(facts[i].name, [i + 1], {"x": [1]}))])
    first, second = runs(store, "run_id, root, kind, framework")
    assert (first[1:], second[1:]) == (("/w/cell", "serving", "vllm"), ("/elsewhere", None, None)) or (
        second[1:], first[1:]) == (("/w/cell", "serving", "vllm"), ("/elsewhere", None, None))  # fmt: skip
    steps = dict(ask(store, "SELECT root, list(step ORDER BY step) FROM points JOIN runs USING (run_id) GROUP BY root"))
    assert steps == {"/w/cell": [1, 2], "/elsewhere": [3]}


def test_equal_fingerprints_in_neighbouring_places_are_two_runs(store):
    for place in "ab":
        store.commit([Source(f"/w/{place}/x").replace(Run(place, f"/w/{place}", fingerprint="qps=1.5"))])
    assert runs(store) == [("a",), ("b",)]


@pytest.mark.parametrize("digits", [("full", "4"), ("4", "full")])
def test_a_bridge_joins_two_runs_and_its_removal_parts_them(store, digits):
    a, b, bridge = Source("/w/a"), Source("/w/s/b"), Source("/w/bridge")
    first = points("a", [1, 2, 3], {"loss": [1, 1, 1]}, digits[0])
    second = points("b", [1, 2], {"loss": [2, 2]}, digits[1])
    store.commit([a.replace(Run("a", "/w/s", fingerprint="f"), first)])
    store.commit([b.replace(Run("b", "/w/s/b"), second)])
    apart = ask(store, "SELECT run_id, step, value FROM points ORDER BY ALL")
    assert len(apart) == 5
    store.commit([bridge.replace(Run("b", "/w/s/b", fingerprint="f"))])
    assert len(runs(store)) == 1
    better = 1.0 if digits[0] == "full" else 2.0
    assert ask(store, "SELECT step, value FROM points ORDER BY ALL") == [(1, better), (2, better), (3, 1.0)]
    store.forget("/w/bridge")
    assert ask(store, "SELECT run_id, step, value FROM points ORDER BY ALL") == apart


def test_a_fact_learned_later_changes_the_run(store):
    source = Source("/w/a")
    store.commit([source.replace(Run("a", "/w"), points("a", [1], {"loss": [1]}))])
    store.commit([source.append(Run("a", "/w", status="completed", ended_at=9 * SECOND))])
    assert runs(store, "status, epoch_us(ended_at)") == [("completed", 9 * SECOND)]


def test_fields_come_from_the_first_source_that_has_them(store):
    """In the order of format and path, not of ingest; times span all sources, dictionaries are united."""
    later = Run("a", "/w", model="from b", device="H", started_at=1, ended_at=5, environment={"x": 1, "y": 1})
    first = Run("a", "/w", model="from a", started_at=2, ended_at=7, environment={"x": 2, "z": float("nan")})
    store.commit([Source("/w/2", "b").replace(later)])
    store.commit([Source("/w/1", "a").replace(first)])
    [(model, device, start, end, environment)] = runs(
        store, "model, device, epoch_us(started_at), epoch_us(ended_at), environment"
    )
    assert (model, device, start, end) == ("from a", "H", 1, 7)
    assert json.loads(environment) == {"x": 2, "y": 1, "z": "nan"}


# ---- labels


def test_labels_fill_what_nobody_said(store):
    source = Source("/w/a", labels={"vendor": "Acme", "device_count": "8", "rack": "r1", "model": "other"})
    store.commit([source.replace(Run("a", "/w", model="Toy-7B"))])
    assert runs(store, "vendor, device_count, model, labels") == [("Acme", 8, "Toy-7B", '{"rack": "r1"}')]
    [(reason, suspect)] = ask(store, "SELECT reason, suspect FROM issues")
    assert reason == "label model=other disagrees with the log, which says Toy-7B"
    assert suspect is False


def test_a_changed_label_updates_the_run_and_its_issues(store):
    source = Source("/w/a", labels={"vendor": "Acme", "model": "x"})
    store.commit([source.replace(Run("a", "/w", model="Toy"))])
    done = store.commit([Delta("/w/a", TOUCH, source.mark, {"labels": {"vendor": "Bolt", "model": "toy"}})])
    assert done.run_ids == ["a"]
    assert runs(store, "vendor, model") == [("Bolt", "Toy")]
    assert ask(store, "FROM issues") == []


def test_labels_that_are_no_numbers_are_reported(store):
    store.commit([Source("/w/a", labels={"device_count": "many"}).replace(Run("a", "/w"))])
    assert runs(store, "device_count, labels") == [(None, None)]
    assert "device_count=many is not a number" in ask(store, "SELECT reason FROM issues")[0][0]


def test_a_touch_without_labels_leaves_runs_alone(store):
    source = Source("/w/a")
    store.commit([source.replace(Run("a", "/w"))])
    assert store.commit([Delta("/w/a", TOUCH, source.mark, {"mtime_ns": 8})]).run_ids == []


def test_the_experiment_may_be_a_label(store):
    sources = [Source(f"/w/{n}/x", labels={"experiment": "mine"}) for n in (1, 2)]
    store.commit([s.replace(Run(f"r{i}", f"/w/{i}", started_at=i)) for i, s in enumerate(sources)])
    assert runs(store, "run_id, experiment, attempt") == [("r0", "mine", 1), ("r1", "mine@r1", 1)]


# ---- experiments


def start(stamp, steps, resumed_from=None, work_dir="/w/toy"):
    """Delta of a run of ``toy`` that logged these steps."""
    run = Run(f"toy/{stamp}", f"{work_dir}/{stamp}", experiment="toy", resumed_from=resumed_from)
    run.started_at = stamp * SECOND
    items = [points(run.name, steps, {"loss": [float(stamp)] * len(steps)})] if steps else []
    return Source(f"{work_dir}/{stamp}/x.log").replace(run, *items)


def chain(store):
    return ask(store, "SELECT split_part(run_id, '/', 2)::INTEGER, experiment, attempt FROM runs ORDER BY 1")


CHAINS = {
    "a resume joins the run it continues": (
        [(1, range(1, 101), None), (2, range(81, 200), 80)],
        [(1, "toy", 1), (2, "toy", 2)],
    ),
    "a first step beyond 1 is a resume": (
        [(1, range(1, 101), None), (2, range(101, 200), None)],
        [(1, "toy", 1), (2, "toy", 2)],
    ),
    "a fresh start opens an experiment": (
        [(1, range(1, 50), None), (2, range(1, 101), None), (3, range(60, 200), 59)],
        [(1, "toy", 1), (2, "toy@2", 1), (3, "toy@2", 2)],
    ),
    "a run that logs every tenth step begins with ten": (
        [(1, range(10, 200, 10), None), (2, range(10, 300, 10), None), (3, range(110, 300, 10), None)],
        [(1, "toy", 1), (2, "toy@2", 1), (3, "toy@2", 2)],
    ),
    "what was done after the last logged step counts": (
        [(1, range(50, 1001, 50), None), (2, range(1050, 1500, 50), 1020)],
        [(1, "toy", 1), (2, "toy", 2)],
    ),
    "a resume from elsewhere opens an experiment": (
        [(1, range(1, 50), None), (2, range(901, 950), 900)],
        [(1, "toy", 1), (2, "toy@2", 1)],
    ),
    "two resumes of one run": (
        [(1, range(1, 101), None), (2, range(51, 80), 50), (3, range(91, 120), 90)],
        [(1, "toy", 1), (2, "toy", 2), (3, "toy", 3)],
    ),
    "a single step": ([(1, [1], None), (2, [2], None)], [(1, "toy", 1), (2, "toy", 2)]),
    "no step at all": ([(1, [], None), (2, range(1, 9), None)], [(1, "toy", 1), (2, "toy@2", 1)]),
}


@pytest.mark.parametrize("case", CHAINS)
def test_attempts(tmp_path, case):
    given, expected = CHAINS[case]
    orders = list(itertools.permutations(given))
    for i, order in enumerate(random.Random(1).sample(orders, min(3, len(orders)))):
        store = fresh_store(tmp_path / f"{i}.duckdb")
        for stamp, steps, resumed in order:
            store.commit([start(stamp, list(steps), resumed)])
        assert chain(store) == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [([20, 10, 30], (10, 30, 10)), ([5, 5], (5, 5, None)), ([7], (7, 7, None)), (range(3, 1800, 3), (3, 1797, 3))],
)
def test_first_last_and_interval_of_steps(store, steps, expected):
    store.commit([start(1, list(steps))])
    assert ask(store, "SELECT first_step, last_step, step_gap FROM run_rows") == [expected]


def test_the_stitched_curve_takes_the_later_attempt(store):
    for given in ((1, range(1, 101)), (2, range(81, 151), 80), (3, range(121, 131), 120)):
        store.commit([start(*given)])
    rows = ask(store, "SELECT attempt, min(step), max(step), count(*) FROM stitched GROUP BY ALL ORDER BY ALL")
    assert rows == [(1, 1, 80, 80), (2, 81, 120, 40), (3, 121, 130, 10)]
    assert ask(store, "SELECT count(*), count(DISTINCT step) FROM stitched") == [(130, 130)]
    assert ask(store, "SELECT count(*) FROM points") == [(180,)]


def test_the_cut_follows_a_later_attempt_that_appears_and_goes(store):
    store.commit([start(1, [1, 2, 3, 4])])
    store.commit([start(2, [3, 4], 2)])
    assert ask(store, "SELECT count(*) FROM stitched") == [(4,)]
    store.forget("toy/2")
    assert ask(store, "SELECT run_id, count(*) FROM stitched GROUP BY ALL") == [("toy/1", 4)]


def test_equal_experiments_in_two_places_are_not_chained(store):
    store.commit([start(1, [1, 2, 3], work_dir="/a/toy"), start(2, [4, 5], 3, work_dir="/b/toy")])
    experiments = [row[1] for row in chain(store)]
    assert experiments[0] == "toy"
    assert experiments[1].startswith("toy~")


def test_a_moved_tree_keeps_its_chain(store):
    store.commit([start(1, [1, 2, 3]), start(2, [4, 5], 3)])
    moves = [Delta(f"/v/toy/{n}/x.log", MOVE, None, {}, from_path=f"/w/toy/{n}/x.log") for n in (1, 2)]
    for move in moves:
        store.commit([move])
    assert chain(store) == [(1, "toy", 1), (2, "toy", 2)]
    assert [r[0] for r in runs(store, "root")] == ["/v/toy/1", "/v/toy/2"]
