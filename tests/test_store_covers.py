"""What one file says of all runs below a directory."""

import itertools
import json

import pytest

from llmstats.records import Run
from llmstats.store_types import MOVE, Delta

from .store_deltas import Source, ask, fresh_store, points

ROOT = "/w/acme/results/X8"


def system(devices=8):
    return Run("acme/systems/X8", ROOT, covers=True, device="Toy X1", device_count=devices, environment={"cpu": "c"})


def result(name="X8/bert/result_0", **facts):
    return Run(name, f"/w/acme/results/{name}", kind="training", **facts)


@pytest.fixture
def store(tmp_path):
    return fresh_store(tmp_path / "s.duckdb")


def runs(store):
    return ask(store, "SELECT run_id, device, device_count, environment FROM runs ORDER BY ALL")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_description_covers_the_runs_below_it_and_is_none(store, order):
    files = [
        Source("/w/acme/systems/X8.json", "a").replace(system()),
        Source(f"{ROOT}/bert/result_0/log", "b").replace(result(), points("X8/bert/result_0", [1], {"loss": [1]})),
        Source("/w/acme/results/X80/log", "c").replace(result("X80", device_count=4)),
    ]
    for i in order:
        store.commit([files[i]])
    (first, second) = runs(store)
    assert first[:3] == ("X8/bert/result_0", "Toy X1", 8)
    assert json.loads(first[3]) == {"cpu": "c"}
    assert second == ("X80", None, 4, None)


def test_what_a_run_says_itself_stands(store):
    store.commit([Source("/w/acme/systems/X8.json", "a").replace(system())])
    store.commit([Source(f"{ROOT}/bert/log", "b").replace(result(device_count=16))])
    assert runs(store)[0][1:3] == ("Toy X1", 16)


@pytest.mark.parametrize("stranger", ["/w/acme/0.json", "/w/acme/results/X80/z.json"])
def test_of_two_descriptions_that_in_the_directory_stands(store, stranger):
    store.commit([Source(stranger, "a").replace(system(72)), Source(f"{ROOT}/run.json", "b").replace(system(8))])
    store.commit([Source(f"{ROOT}/bert/log", "c").replace(result())])
    assert runs(store)[0][2] == 8


def test_a_changed_and_a_forgotten_description(store):
    source = Source("/w/acme/systems/X8.json", "a")
    store.commit([source.replace(system()), Source(f"{ROOT}/bert/log", "b").replace(result())])
    store.commit([source.replace(system(devices=72))])
    assert runs(store)[0][2] == 72
    store.forget("/w/acme/systems/X8.json")
    assert runs(store) == [("X8/bert/result_0", None, None, None)]


def test_a_moved_tree_keeps_its_cover(store):
    store.commit([Source("/w/acme/systems/X8.json", "a").replace(system()), Source(f"{ROOT}/l", "b").replace(result())])
    moves = {"/w/acme/systems/X8.json": "/v/acme/systems/X8.json", f"{ROOT}/l": "/v/acme/results/X8/l"}
    store.commit([Delta(new, MOVE, None, {}, from_path=old) for old, new in moves.items()])
    assert ask(store, "SELECT root FROM cover_rows") == [("/v/acme/results/X8",)]
