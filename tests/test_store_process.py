"""The store among processes: who holds the file, and what a kill leaves behind.  Real processes, no time limits."""

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from llmstats.errors import StoreBusy
from llmstats.records import Run
from llmstats.store import Store

from .store_deltas import Source, ask, fresh_store, points

RUN = Run("toy/1", "/w/toy/1")


@pytest.fixture
def store(tmp_path):
    return fresh_store(tmp_path / "s.duckdb", patience=0.2)


@pytest.fixture
def start():
    """Start a Python process that says when it is ready; it is ended after the test."""
    started = []

    def begin(script, *arguments):
        command = [sys.executable, "-c", script, *map(str, arguments)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


HOLD = """
import duckdb, sys
con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "ro")
con.execute("SELECT count(*) FROM sources").fetchall()
print("ready", flush=True)
sys.stdin.readline()
"""


# ---- who holds the file


@pytest.mark.parametrize("how", ["ro", "rw"])
def test_a_writer_says_who_holds_the_file(store, start, how):
    holder = start(HOLD, store.path, how)
    with pytest.raises(StoreBusy) as raised:
        store.commit([Source("/w/a").replace(RUN)])
    assert f"held by process {holder.pid} (" in str(raised.value)
    assert "waited 0.2 s" in str(raised.value)
    assert "Close it" in str(raised.value)


def test_a_reader_waits_for_a_writer_only(store, start):
    start(HOLD, store.path, "ro")
    assert store.known() == {}
    start(HOLD, fresh_store(Path(store.path).with_name("other.duckdb")).path, "rw")
    with pytest.raises(StoreBusy):
        Store(store.path.replace("s.duckdb", "other.duckdb"), patience=0.2).known()


def test_a_writer_gets_the_file_when_it_is_given_back(store, start):
    holder = start(HOLD, store.path, "rw")
    patient = Store(store.path, patience=60)
    threading.Timer(0.3, holder.communicate, ["\n"]).start()
    assert patient.commit([Source("/w/a").replace(RUN)]).run_ids == ["toy/1"]


def test_an_open_connection_of_this_process_is_named(store):
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{store.path}' AS mine")
        with pytest.raises(StoreBusy, match=rf"another connection in this process \({os.getpid()}\)"):
            store.known()


def test_readers_of_one_process_do_not_share_their_settings(store):
    with store.reading() as guarded:
        guarded.execute("SET enable_external_access = false")
        guarded.execute("SET lock_configuration = true")
        with store.reading() as free:
            free.execute("SET threads = 1")
            assert free.execute("SELECT current_setting('enable_external_access')").fetchall() == [(True,)]
        with pytest.raises(duckdb.Error):
            guarded.execute("SET threads = 1")


def test_nothing_is_written_through_a_reading_connection(store):
    with store.reading() as con, pytest.raises(duckdb.Error, match="read-only"):
        con.execute("DELETE FROM source_rows")


def test_an_error_inside_a_commit_stores_nothing_and_frees_the_file(store):
    broken = Source("/w/a").replace(RUN, points("toy/1", [1], {"loss": [1]}))
    broken.columns["size_bytes"] = "many"
    with pytest.raises(Exception, match="many"):
        store.commit([broken])
    assert store.known() == {}
    assert store.commit([Source("/w/b").replace(RUN)]).run_ids == ["toy/1"]


def test_two_writers_create_one_store(tmp_path, start):
    path = tmp_path / "new.duckdb"
    script = (
        "import sys; from llmstats.store import Store\nprint('ready', flush=True); sys.stdin.readline()\n"
        "Store(sys.argv[1]).create_or_migrate(); print(len(Store(sys.argv[1]).known()))"
    )
    processes = [start(script, path) for _ in range(3)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate()[0] for process in processes] == ["0\n"] * 3
    assert [p.name for p in tmp_path.iterdir()] == ["new.duckdb"]


# ---- killed

#: Commits all batches that are left, each of which adds 200 steps to two files at once.
WRITER = """
import sys
import pyarrow
from llmstats import store_write
from llmstats.store import Store
from tests.test_store_process import batches
store = Store(sys.argv[1])
print("ready", flush=True)
for deltas in batches(store):
    store.commit(deltas)
"""


def batches(store):
    """What an ingest would still do: it asks the store how far each file was read, and goes on from there."""
    sources = [Source("/w/toy/1/1.log", "mmengine_log"), Source("/w/toy/1/1.json", "mmengine_scalars")]
    known = store.known()
    for source in sources:
        if source.path in known:
            source.mark = known[source.path].expected
    done = sources[0].mark[0] // 100 if sources[0].mark else 0
    for i in range(done, 12):
        steps = range(i * 200 + 1, i * 200 + 201)
        text = points("toy/1", steps, {"loss": [round(1 / s, 4) for s in steps]}, "4", clock=True)
        full = points("toy/1", steps, {"loss": [1 / s for s in steps]})
        yield [s.append(RUN, p) if i else s.replace(RUN, p) for s, p in zip(sources, (text, full), strict=True)]


CONTENT = (
    "SELECT run_id, metric, step, value, epoch_us(time), path, line FROM points JOIN sources USING (source_id) "
    "ORDER BY ALL",
    'SELECT metric, "values", precision, path FROM series JOIN sources USING (source_id) ORDER BY ALL',
    "SELECT run_id, experiment, attempt, first_step, last_step FROM runs ORDER BY ALL",
    "SELECT path, bytes_read FROM sources ORDER BY ALL",
)


def content(store):
    return [ask(store, sql) for sql in CONTENT]


def test_a_kill_leaves_whole_batches_and_the_next_ingest_completes_them(tmp_path, start):
    whole = fresh_store(tmp_path / "whole.duckdb")
    for deltas in batches(whole):
        whole.commit(deltas)
    killed = fresh_store(tmp_path / "killed.duckdb", patience=10)
    moments = random.Random(5)
    for kill in itertools.count():
        writer = start(WRITER, killed.path)
        try:
            # Ever longer lives: however slow the machine is, the writer gets there in the end.
            writer.wait(moments.uniform(0.02, 0.2 * 1.3**kill))
        except subprocess.TimeoutExpired:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        marks = {k.bytes_read for k in killed.known().values()}
        assert len(marks) <= 1
        steps = ask(killed, "SELECT count(*), count(time), max(step) FROM points")
        read = (marks.pop() if marks else 0) * 2
        assert steps == [(read, read, read or None)]
        if writer.returncode == 0:
            break
    assert kill > 2
    assert content(killed) == content(whole)


def test_a_log_left_by_a_killed_writer_is_replayed(store):
    """A writer that dies between its commit and the checkpoint leaves the transaction in the write-ahead log."""
    script = """
import duckdb, os, sys
con = duckdb.connect(sys.argv[1])
con.execute("INSERT INTO meta VALUES ('k', 'v')")
con.begin()
con.execute("INSERT INTO meta VALUES ('lost', 'v')")
os.kill(os.getpid(), 9)"""
    subprocess.run([sys.executable, "-c", script, store.path], check=False)
    wal = Path(store.path + ".wal")
    assert wal.exists()
    found = "SELECT key FROM meta WHERE value = 'v'"
    assert ask(store, found) == [("k",)]
    store.commit([Source("/w/a").replace(RUN)])
    assert not wal.exists()
    assert ask(store, found) == [("k",)]


# ---- another DuckDB

OTHER = os.environ.get("LLMSTATS_OTHER_PYTHON")
NOT_HERE = "set LLMSTATS_OTHER_PYTHON to a Python with llmstats and another DuckDB (tests/test_wheel.py has one too)"


@pytest.mark.skipif(not OTHER, reason=NOT_HERE)
@pytest.mark.parametrize("end", ["", "import os; os.kill(os.getpid(), 9)"], ids=["closed", "killed"])
def test_another_duckdb_goes_on_where_this_one_stopped(tmp_path, end):
    whole, shared = (fresh_store(tmp_path / f"{name}.duckdb") for name in ("whole", "shared"))
    for deltas in batches(whole):
        whole.commit(deltas)
    script = (
        "import sys; from llmstats.store import Store; from tests.test_store_process import batches\n"
        "store = Store(sys.argv[1])\n"
        f"for deltas, _ in zip(batches(store), range(3)): store.commit(deltas)\n{end}"
    )
    command = [OTHER, "-c", script, shared.path]
    left = len(list(batches(shared)))
    while left:
        subprocess.run(command, check=not end, cwd=Path(__file__).parents[1])
        for deltas, _ in zip(batches(shared), range(3), strict=False):
            shared.commit(deltas)
        assert len(list(batches(shared))) < left
        left = len(list(batches(shared)))
    assert content(shared) == content(whole)
