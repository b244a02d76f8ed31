"""What of each folder was understood, and which names no catalogue knows."""

import pytest

from llmstats.records import Measurement, Run
from llmstats.store_types import REPLACE, Delta

from .store_deltas import Source, ask, fresh_store, points


@pytest.fixture
def store(tmp_path):
    return fresh_store(tmp_path / "s.duckdb")


def unread(path, status="unrecognised", error="a text without a number"):
    return Delta(path, REPLACE, None, {"status": status, "error": error, "size_bytes": 1})


def folders(store, *columns, under=""):
    chosen = ", ".join(f"c.{c}" for c in columns)
    return ask(store, f"SELECT c.folder, {chosen} FROM coverage('{under}') c")


def test_folders(store):
    store.commit([
        Source("/d/logs/a/x.log").replace(Run("x", "/d/logs/a")), unread("/d/logs/a/notes.txt"),
        unread("/d/logs/a/README.MD"), unread("/d/logs/b/e.txt", "empty", "no bytes"), unread("/d/logs/top.txt"),
        unread("/d/logs/b/bad.json", "failed", "not JSON"), unread("/d/logs/c.tar!/m/z.txt"),
    ])  # fmt: skip
    columns = ("files", "recognised", "unrecognised", "documents", "failed", "other", "share")
    assert folders(store, *columns) == [
        (".", 1, 0, 1, 0, 0, 0, 0.0),
        ("a", 3, 1, 1, 1, 0, 0, 0.5),
        ("b", 2, 0, 0, 0, 1, 1, None),
    ]
    assert folders(store, "reason") == [
        (".", ["top.txt: a text without a number"]),
        ("a", ["a/notes.txt: a text without a number"]),
        ("b", None),
    ]
    assert folders(store, "files", under="/d") == [("logs", 6)]
    assert folders(store, "files", under="/d/logs/a/") == [(".", 3)]


def test_an_empty_store_has_no_folders(store):
    assert folders(store, "files") == []


def test_names_outside_the_catalogue_are_counted(store):
    store.commit([
        Source("/d/a.log", "toy_log").replace(
            Run("a", "/d"), points("a", [1, 2, 3], {"loss": [1, 2, 3], "spin": [4, 5, 6]}),
        ),
        Source("/d/b.log", "toy_log").replace(Run("b", "/d"), points("b", [1], {"spin": [4]})),
        Source("/d/c.json", "toy_json").replace(
            Run("c", "/d"), Measurement("c", "charm", 1.0, raw_name="charm (q)", line=7), Measurement("c", "ttft", 1.0),
        ),
    ])  # fmt: skip
    columns = 'k.format, k.name, k."values", k.runs, k.source'
    assert ask(store, f"SELECT {columns} FROM new_keys() k") == [
        ("toy_json", "charm (q)", 1, 1, "/d/c.json:7"),
        ("toy_log", "spin", 4, 2, "/d/a.log"),
    ]
    assert ask(store, "SELECT count(*) FROM new_keys('toy_j*')") == [(1,)]
