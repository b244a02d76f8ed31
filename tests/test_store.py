"""The store by itself: deltas in, public tables out."""

import math
import subprocess
import sys
from contextlib import closing

import duckdb
import numpy as np
import pytest

from llmstats import catalog, store_schema
from llmstats.errors import NotFound, StoreError
from llmstats.records import Event, Issue, Measurement, Request, Run
from llmstats.store import Store
from llmstats.store_read import attach
from llmstats.store_types import MOVE, TOUCH, Container, Delta

from .store_deltas import Source, ask, fresh_store, points

RUN = Run("toy/1", "/w/toy/1")


@pytest.fixture
def store(tmp_path):
    return fresh_store(tmp_path / "s.duckdb")


# ---- deltas


def test_points_come_back_with_their_line_and_source(store):
    source = Source("/w/toy/1/a.log")
    done = store.commit([source.replace(RUN, points("toy/1", [1, 2], {"loss": [0.5, 0.25]}, "2", clock=True))])
    assert (done.points, done.run_ids, done.conflicts) == (2, ["toy/1"], [])
    rows = ask(store, "SELECT run_id, phase, metric, step, value, line, path, epoch_us(time) FROM points "
                      "JOIN sources USING (source_id) ORDER BY step")  # fmt: skip
    assert rows == [
        ("toy/1", "train", "loss", 1, 0.5, 101, "/w/toy/1/a.log", 1_000_000),
        ("toy/1", "train", "loss", 2, 0.25, 102, "/w/toy/1/a.log", 2_000_000),
    ]


def test_nan_and_infinity_are_values_and_sentinels_are_null(store):
    values = {"loss": [1.0, math.nan, math.inf, -math.inf, -1.0]}
    nulls = [False, False, False, False, True]
    store.commit([Source("/w/a").replace(RUN, points("toy/1", range(1, 6), values, nulls=nulls))])
    found = [row[0] for row in ask(store, "SELECT value FROM points ORDER BY step")]
    assert found[0] == 1.0
    assert math.isnan(found[1])
    assert found[2:] == [math.inf, -math.inf, None]
    assert ask(store, 'SELECT "values", non_finite FROM series') == [(4, 3)]


@pytest.mark.parametrize("count", [1, 511, 512, 513, 1025])
def test_any_number_of_records_survives_the_cut_into_blocks(store, count):
    steps = np.arange(1, count + 1)
    first = points("toy/1", steps, {"loss": steps / 8, "lr": steps * 2.0}, clock=True)
    second = points("toy/1", [7], {"acc": [1.0]}, phase="val")
    store.commit([Source("/w/a").replace(RUN, first, second)])
    assert ask(store, "SELECT count(*), sum(value), min(step), max(step), count(time) FROM points "
                      "WHERE metric = 'loss'") == [(count, steps.sum() / 8, 1, count, count)]  # fmt: skip
    assert ask(store, "SELECT count(*) FROM points WHERE metric = 'lr' AND value <> step * 2") == [(0,)]
    assert ask(store, "SELECT step, time FROM points WHERE phase = 'val'") == [(7, None)]


def test_series_without_steps_and_per_device(store):
    column = {"power": [300.0, 310.0]}
    items = [points("toy/1", None, column, device_index=i, clock=True) for i in range(2)]
    store.commit([Source("/w/a").replace(RUN, *items)])
    rows = ask(store, "SELECT device_index, step, count(*) FROM points GROUP BY ALL ORDER BY ALL")
    assert rows == [(0, None, 2), (1, None, 2)]


def test_append_adds_to_the_same_series(store):
    source = Source("/w/a")
    store.commit([source.replace(RUN, points("toy/1", [1, 2], {"loss": [1, math.nan]}, "4"))])
    store.commit([source.append(points("toy/1", [3], {"loss": [3.0]}, "4"))])
    assert ask(store, 'SELECT "values", non_finite, precision FROM series') == [(3, 1, "4")]
    assert [r[0] for r in ask(store, "SELECT step FROM points ORDER BY step")] == [1, 2, 3]
    assert ask(store, "SELECT first_step, last_step FROM runs") == [(1, 3)]


def test_replace_drops_what_was_there(store):
    source = Source("/w/a")
    event = Event("toy/1", "checkpoint", "saved", line=3, time=5_000_000, step=2)
    store.commit([source.replace(RUN, points("toy/1", [1, 2], {"loss": [1, 2]}), event, Issue("odd", 4, "x"))])
    assert ask(store, "SELECT kind, step, epoch_us(time), line FROM events") == [("checkpoint", 2, 5_000_000, 3)]
    assert ask(store, "SELECT line, reason, excerpt, suspect FROM issues") == [(4, "odd", "x", True)]
    store.commit([source.replace(Run("other/1", "/w/other/1"), points("other/1", [9], {"loss": [9]}))])
    assert ask(store, "SELECT run_id, step FROM points") == [("other/1", 9)]
    for table in ("events", "issues"):
        assert ask(store, f"SELECT count(*) FROM {table}") == [(0,)]
    for table in ("series_rows", "blocks", "block_values", "run_rows", "run_facts", "source_rows"):
        assert ask(store, f"SELECT count(*) FROM {table}") == [(1,)]


def test_a_replace_and_its_continuation_fit_into_one_commit(store):
    source = Source("/w/a")
    first = source.replace(RUN, points("toy/1", [1], {"loss": [1]}))
    store.commit([first, source.append(points("toy/1", [2], {"loss": [2]}))])
    assert [r[0] for r in ask(store, "SELECT step FROM points ORDER BY step")] == [1, 2]


def test_a_run_that_no_item_describes_lives_beside_its_file(store):
    store.commit([Source("/w/x/a.log").replace(points("x", [1], {"loss": [1]}))])
    assert ask(store, "SELECT run_id, root FROM runs") == [("x", "/w/x")]


def test_columns_of_a_source(store):
    columns = {"format": None, "status": "unrecognised", "state": {"a": math.nan}, "blocks": ["x"],
               "labels": {"k": "v"}, "size_bytes": 7, "mtime_ns": 5, "inode": 2**64 - 1, "device": 3}  # fmt: skip
    store.commit([Delta("/w/a", "replace", None, columns)])
    known = store.known()["/w/a"]
    assert (known.status, known.size, known.mtime_ns, known.inode, known.device) == ("unrecognised", 7, 5, 2**64 - 1, 3)
    assert (known.blocks, known.state, known.labels) == (["x"], {"a": "nan"}, {"k": "v"})
    assert (known.bytes_read, known.lines_total, known.expected) == (0, 0, (0, ""))
    store.commit([Delta("/w/a", TOUCH, known.expected, {"mtime_ns": 6})])
    again = store.known()["/w/a"]
    assert (again.mtime_ns, again.status, again.labels) == (6, "unrecognised", {"k": "v"})


def test_content_finds_copies(store):
    store.commit(
        [Delta(f"/w/{n}", "replace", None, {"content_hash": h}) for n, h in (("a", "1"), ("b", "1"), ("c", None))]
    )
    assert {h: [k.path for k in ks] for h, ks in store.known_content().items()} == {"1": ["/w/a", "/w/b"]}


def test_archives_are_remembered_by_their_stat(store):
    store.commit([], [Container("/w/a.tar", 1, 2, 3, 4)])
    store.commit([], [Container("/w/a.tar", 5, 6, 7, 8)])
    assert store.containers() == {"/w/a.tar": Container("/w/a.tar", 5, 6, 7, 8)}


@pytest.mark.parametrize("mode", ["replace", "append", "touch"])
def test_a_delta_against_another_state_is_refused(store, mode):
    source = Source("/w/a")
    store.commit([source.replace(RUN, points("toy/1", [1], {"loss": [1]}))])
    stale, unknown = (1, "old"), None
    for expected in (stale, unknown):
        other = Source("/w/b").replace(RUN)
        done = store.commit(
            [Delta("/w/a", mode, expected, {"bytes_read": 9}, [points("toy/1", [2], {"loss": [2]})]), other]
        )
        assert [c.path for c in done.conflicts] == ["/w/a"]
        assert done.source_keys.keys() == {"/w/b"}
        store.forget("/w/b")
    gone = store.commit([Delta("/w/none", mode, (1, "x"), {})])
    assert "removed" in gone.conflicts[0].reason
    assert ask(store, "SELECT count(*) FROM points") == [(1,)]
    assert store.known().keys() == {"/w/a"}


def test_a_moved_file_keeps_its_rows_and_its_run_follows(store):
    source = Source("/w/toy/1/a.log")
    copy = Delta("/w/copy.log", "replace", None, {"status": "duplicate", "duplicate_of": "/w/toy/1/a.log"})
    store.commit([source.replace(RUN, points("toy/1", [1], {"loss": [1]})), copy])
    done = store.commit([Delta("/v/toy/1/a.log", MOVE, None, {"mtime_ns": 9}, from_path="/w/toy/1/a.log")])
    assert done.conflicts == []
    assert ask(
        store, "SELECT path, step, root FROM points JOIN sources USING (source_id) JOIN runs USING (run_id)"
    ) == [("/v/toy/1/a.log", 1, "/v/toy/1")]
    assert store.known()["/w/copy.log"].duplicate_of == "/v/toy/1/a.log"
    again = store.commit([Delta("/u/a", MOVE, None, {}, from_path="/w/toy/1/a.log")])
    assert "not in the store" in again.conflicts[0].reason
    taken = store.commit([Delta("/w/copy.log", MOVE, None, {}, from_path="/v/toy/1/a.log")])
    assert "already" in taken.conflicts[0].reason


def test_measurements_and_requests_come_back(store):
    cell = Run("cell", "/w/cell", kind="serving")
    measured = Measurement(
        "cell", "ttft", 0.5, "p99", "TTFT", "500 ms", input_len=256, conditions={"b": 1, "a": math.nan}, line=4
    )
    asked = Request("cell", 7, ttft=0.25, success=True, line=9)
    done = store.commit([Source("/w/a").replace(cell, measured, asked)])
    assert (done.measurements, done.requests) == (1, 1)
    assert ask(
        store, "SELECT metric, statistic, value, unit, raw_value, input_len, conditions, line FROM measurements"
    ) == [("ttft", "p99", 0.5, "s", "500 ms", 256.0, '{"a": "nan", "b": 1}', 4)]
    assert ask(store, "SELECT run_id, request, ttft, success, line FROM requests") == [("cell", 7, 0.25, True, 9)]


def test_text_that_is_no_utf8_is_stored_as_escapes(store):
    path = b"/w/\xff.log".decode("utf-8", "surrogateescape")
    store.commit([Source(path).replace(Run("r", "/w"), Event("r", "error", "bad \udcff byte \ud800"))])
    assert list(store.known()) == ["/w/\\xff.log"]
    assert ask(store, "SELECT message FROM events") == [("bad \\udcff byte \\ud800",)]


def test_an_unknown_column_or_mode_is_a_mistake_of_the_caller(store):
    with pytest.raises(StoreError, match="no such column"):
        store.commit([Delta("/w/a", "replace", None, {"colour": "red"})])
    with pytest.raises(StoreError, match="no such mode"):
        store.commit([Delta("/w/a", "mend", None)])
    assert store.known() == {}


# ---- forget


def forgotten_tree(store):
    for n in (1, 2):
        run = Run(f"toy/{n}", f"/w/toy/{n}")
        store.commit(
            [Source(f"/w/toy/{n}/a.log").replace(run, points(run.name, [n], {"loss": [n]}), Event(run.name, "x", "y"))]
        )
    store.commit([Delta("/w/copy", "replace", None, {"status": "duplicate", "duplicate_of": "/w/toy/1/a.log"})])


@pytest.mark.parametrize("what", ["/w/toy/1/a.log", "/w/toy/1", "/w/toy/1/", "toy/1"])
def test_forget_by_file_directory_or_run(store, what):
    forgotten_tree(store)
    gone = store.forget(what)
    assert gone.sources == ["/w/copy", "/w/toy/1/a.log"]
    assert gone.runs == ["toy/1"]
    assert ask(store, "SELECT run_id FROM runs") == [("toy/2",)]
    assert ask(store, "SELECT run_id, step FROM points") == [("toy/2", 2)]
    assert ask(store, "SELECT count(*) FROM events") == [(1,)]


def test_forget_of_one_run_leaves_the_other_of_its_file(store):
    runs = [Run(f"toy/{n}", "/w/toy") for n in (1, 2)]
    items = [points(r.name, [1], {"loss": [1]}) for r in runs]
    store.commit([Source("/w/a").replace(*runs, *items)])
    assert store.forget("toy/1").sources == []
    assert ask(store, "SELECT run_id FROM points") == [("toy/2",)]
    assert store.forget("toy/2").sources == ["/w/a"]


def test_forget_says_what_was_near(store):
    forgotten_tree(store)
    with pytest.raises(NotFound, match=r"did you mean 'toy/\d'"):
        store.forget("toy/7")
    assert len(store.known()) == 3


def test_members_of_an_archive_are_forgotten_with_it(store):
    member = Source("/w/a.tar!/x/b.log").replace(Run("x", "/w/a.tar!/x"), points("x", [1], {"loss": [1]}))
    member.columns["container"] = "/w/a.tar"
    store.commit([member], [Container("/w/a.tar", 1, 1, 1, 1)])
    assert store.forget("/w/a.tar").sources == ["/w/a.tar!/x/b.log"]
    assert store.containers() == {}


# ---- the file


def test_no_store_yet(tmp_path):
    with pytest.raises(StoreError, match=r"no store at .*run: llmstats ingest"):
        Store(str(tmp_path / "none.duckdb")).known()
    assert list(tmp_path.iterdir()) == []


def test_creating_leaves_nothing_else_behind_and_takes_an_empty_file(tmp_path):
    path = tmp_path / "it's.duckdb"
    path.touch()
    for _ in range(2):
        Store(str(path)).create_or_migrate()
    assert [p.name for p in tmp_path.iterdir()] == ["it's.duckdb"]
    assert Store(str(path)).known() == {}


def test_a_directory_that_is_missing(tmp_path):
    with pytest.raises(StoreError, match="no directory"):
        Store(str(tmp_path / "no" / "x.duckdb")).create_or_migrate()


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello " * 1000)
    with pytest.raises(StoreError, match="cannot be opened as a store"):
        Store(str(path)).create_or_migrate()
    assert path.read_text().startswith("hello")


def test_a_database_of_somebody_else(tmp_path):
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE mine AS SELECT 1")
    for use in (Store.create_or_migrate, Store.known):
        with pytest.raises(StoreError, match="no llmstats store"):
            use(Store(str(path)))


def test_a_newer_store_is_refused(store):
    with duckdb.connect(store.path) as con:
        con.execute("INSERT INTO migrations VALUES ('9999_future', now()::TIMESTAMP)")
    with pytest.raises(StoreError, match="newer llmstats"):
        store.known()
    with pytest.raises(StoreError, match="newer llmstats"):
        store.commit([])


def test_the_file_is_readable_for_duckdb_1_5_and_stays_so(store):
    store.commit([Source("/w/a").replace(RUN)])
    tags = ask(store, "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'store'")
    assert tags[0][0].startswith("v1.4.0")


@pytest.mark.parametrize("applied", range(1, len(store_schema.migrations()) + 1))
def test_every_earlier_shape_is_brought_up(store, tmp_path, applied):
    path = str(tmp_path / "old.duckdb")
    with closing(attach(path, new=True)) as con:
        con.execute("CREATE TABLE migrations (name VARCHAR, applied_at TIMESTAMP)")
        for name, sql in store_schema.migrations()[:applied]:
            con.execute(sql)
            con.execute("INSERT INTO migrations VALUES (?, NULL)", [name])
    old = Store(path)
    assert old.known() == {}
    shape = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    assert ask(old, shape) == ask(store, shape)
    assert len(ask(old, "FROM metrics")) == len(catalog.metrics())


def test_a_changed_catalogue_is_loaded_again(store):
    with duckdb.connect(store.path) as con:
        con.execute("DELETE FROM metrics")
        con.execute("UPDATE meta SET value = 'old' WHERE key = 'catalogue'")
    assert ask(store, "SELECT unit FROM metrics WHERE name = 'ttft'") == [("s",)]


def test_row_groups_stay_small_for_every_writer(store):
    source = Source("/w/a")
    store.commit([source.replace(RUN)])
    for start in range(0, 6000, 1500):
        steps = range(start + 1, start + 1501)
        source_points = [points("toy/1", [s], {"loss": [0.0]}, lines=[s]) for s in steps]
        store.commit([source.append(*source_points)])
    sizes = ask(
        store,
        "SELECT max(start + count) FROM pragma_storage_info('blocks') "
        "WHERE column_name = 'run_key' GROUP BY row_group_id",
    )
    assert len(sizes) > 1


def test_a_store_can_be_attached_under_any_name(store, tmp_path):
    store.commit([Source("/w/a").replace(RUN, points("toy/1", [1], {"loss": [1]}))])
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{store.path}' AS anything (READ_ONLY)")
        assert con.execute("SELECT count(*) FROM anything.points").fetchall() == [(1,)]
    with duckdb.connect(store.path, read_only=True) as con:
        assert con.execute("SELECT count(*) FROM stitched").fetchall() == [(1,)]


def test_planning_imports_nothing_heavy(store):
    store.commit([Source("/w/a").replace(RUN)])
    script = (
        "import sys; from llmstats.store import Store; s = Store(sys.argv[1]); s.create_or_migrate(); s.known(); "
        "print(sorted({'numpy', 'pandas', 'polars', 'pyarrow'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", script, store.path], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_public_columns_of_the_design(store):
    wanted = {
        "sources": "source_id path format status duplicate_of detected_by encoding size_bytes content_hash bytes_read "
        "lines_total lines_matched lines_suspect parser_version error ingested_at",
        "runs": "run_id experiment attempt kind framework model dataset vendor device device_count node_count "
        "precision parallelism started_at ended_at status environment config labels",
        "points": "run_id rank device_index phase metric step epoch time value source_id line",
        "series": "run_id rank phase metric source_id raw_name unit definition precision values non_finite",
        "measurements": "run_id subject input_len output_len concurrency batch_size request_rate conditions metric "
        "statistic value unit definition raw_name raw_value source_id line",
        "requests": "run_id request started ttft tpot e2e input_tokens output_tokens success error source_id line",
        "events": "run_id time step level kind message source_id line",
        "issues": "source_id line reason excerpt",
        "stitched": "experiment run_id attempt phase rank metric step epoch time value source_id line",
    }
    rows = ask(store, "SELECT table_name, list(column_name) FROM duckdb_columns() GROUP BY ALL")
    columns = dict(rows)
    for view, names in wanted.items():
        assert set(names.split()) <= set(columns[view]), view


def test_the_catalogue_says_unit_and_direction_of_every_metric():
    for metric in catalog.metrics().values():
        assert metric.direction in ("lower", "higher", "none")
        assert metric.description_en
        assert metric.description_zh
    assert catalog.unit_of("memory_allocated_peak") == "bytes"
    assert catalog.unit_of("loss") is None
    assert catalog.unit_of("no such metric") is None
