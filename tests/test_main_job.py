"""The main job on composed trees: identity, growth, copies, kills, locks, labels."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

import llmstats
from llmstats.database import Database
from llmstats.errors import NotFound, StoreBusy

from .composed import Training

POINTS = (
    "SELECT p.run_id, p.rank, p.phase, p.metric, p.step, p.epoch, p.time, p.value, s.path, p.line"
    " FROM points AS p JOIN sources AS s ON s.source_id = p.source_id ORDER BY ALL"
)


#: How far the one large log has been read, by the mark and by its rows.
PROGRESS = (
    "SELECT s.bytes_read, s.lines_matched, count(DISTINCT p.line) FROM sources s"
    " LEFT JOIN points p ON p.source_id = s.source_id AND p.metric = 'eta'"
    " WHERE ends_with(s.path, 'big/20250209_031500/20250209_031500.log') GROUP BY ALL"
)


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return llmstats.open(str(tmp_path / "x.duckdb"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    Training(last=200).write(tmp_path / "work_dirs" / "toy")
    return tmp_path / "work_dirs"


def rows(db: Database, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in db.query(sql).rows]


def statuses(db: Database) -> dict[str, str]:
    return {Path(path).name: status for path, status in rows(db, "SELECT path, status FROM sources")}


def public(db: Database) -> list[tuple[Any, ...]]:
    """All points as text, so that NaN equals NaN."""
    return [tuple(map(repr, row)) for row in rows(db, POINTS)]


# --------------------------------------------------------------------------- one value, one home


def test_three_files_are_one_run_and_no_value_counts_twice(db: Database, tree: Path) -> None:
    db.ingest(tree)
    assert rows(db, "SELECT run_id, device, vendor, device_count FROM runs") == [
        ("toy/20250209_031500", "NVIDIA A100-SXM4-80GB", "NVIDIA", 8)
    ]
    made = Training(last=200)
    points = rows(db, "SELECT step, value, time, line FROM points WHERE metric = 'loss' ORDER BY step")
    assert [(s, v) for s, v, _, _ in points] == [(r["step"], r["loss"]) for r in made.records]
    assert [t for _, _, t, _ in points] == [made.clock(i) for i in range(200)]
    assert rows(db, "SELECT DISTINCT unit FROM series WHERE metric = 'memory_allocated_peak'") == [("bytes",)]
    assert rows(db, "SELECT DISTINCT value FROM points WHERE metric = 'memory_allocated_peak'") == [(54047 * 2**20,)]
    assert rows(db, "SELECT DISTINCT split_part(s.path, '.', -1) FROM points p JOIN sources s USING (source_id) "
                    "WHERE p.metric = 'eta'") == [("log",)]  # fmt: skip


@pytest.mark.parametrize("order", list(itertools.permutations(["text", "json", "scalars"])))
def test_neither_order_nor_growth_changes_the_points(tmp_path: Path, tree: Path, order: tuple[str, ...]) -> None:
    at_once = llmstats.open(str(tmp_path / "at_once.duckdb"))
    at_once.ingest(tree)
    paths = Training().paths(tree / "toy")
    whole = {kind: path.read_bytes() for kind, path in paths.items()}
    for path in paths.values():
        path.unlink()
    slowly = llmstats.open(str(tmp_path / "slowly.duckdb"))
    for share in (0.3, 0.7, 1.0):
        for kind in order:
            paths[kind].write_bytes(whole[kind][: int(len(whole[kind]) * share)])
            slowly.ingest(paths[kind])
    assert public(slowly) == public(at_once)


# --------------------------------------------------------------------------- the same tree again


def test_unchanged_tree_reads_nothing(db: Database, tree: Path) -> None:
    db.ingest(tree)
    before = public(db)
    again = db.ingest(tree)
    assert (again.unchanged, again.points, again.bytes_read) == (3, 0, 0)
    assert public(db) == before


def test_touched_file_keeps_its_rows(db: Database, tree: Path) -> None:
    db.ingest(tree)
    before = public(db)
    os.utime(Training().paths(tree / "toy")["text"], (1, 1))
    db.ingest(tree)
    assert public(db) == before


def test_appended_lines_read_only_the_tail(db: Database, tmp_path: Path) -> None:
    made = Training(last=300)
    made.write(tmp_path / "toy", "text")
    path = made.paths(tmp_path / "toy")["text"]
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-100]))
    db.ingest(path)
    with path.open("a") as file:
        file.writelines(lines[-100:])
    report = db.ingest(path)
    assert report.bytes_read == sum(len(line) for line in lines[-100:])
    assert rows(db, "SELECT count(*), max(step) FROM points WHERE metric = 'loss'") == [(300, 300)]
    assert rows(db, "SELECT lines_total, lines_matched FROM sources") == [(len(lines), 300)]


def test_half_a_line_is_held_back_and_completed_later(db: Database, tmp_path: Path) -> None:
    made = Training(last=50)
    made.write(tmp_path / "toy", "text")
    path = made.paths(tmp_path / "toy")["text"]
    whole = path.read_bytes()
    for missing in (1, 9, 40, 100):
        path.write_bytes(whole[:-missing])
        db.ingest(path)
        assert rows(db, "SELECT max(step), count(*) FROM points WHERE metric = 'loss'") == [(49, 49)]
    path.write_bytes(whole)
    db.ingest(path)
    assert rows(db, "SELECT max(step), count(*) FROM points WHERE metric = 'loss'") == [(50, 50)]
    assert rows(db, "SELECT bytes_read = size_bytes FROM sources") == [(True,)]


@pytest.mark.parametrize("keep", [0, 20, 130])
def test_rewritten_or_truncated_file_replaces_its_rows(db: Database, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "toy" / "20250209_031500" / "20250209_031500.log"
    Training(last=150).write(tmp_path / "toy", "text")
    db.ingest(path)
    path.write_text("".join(Training(last=keep, seed=5).text_lines()) if keep else "")
    db.ingest(path)
    losses = rows(db, "SELECT step, value FROM points WHERE metric = 'loss' ORDER BY step")
    assert losses == [(r["step"], round(r["loss"], 4)) for r in Training(last=keep, seed=5).records[:keep]]


# --------------------------------------------------------------------------- moves and copies


def test_moved_tree_leaves_no_doubles(db: Database, tree: Path) -> None:
    db.ingest(tree)
    before = rows(db, "SELECT run_id, metric, step, value, time FROM points ORDER BY ALL")
    elsewhere = tree.parent / "moved"
    tree.rename(elsewhere)
    db.ingest(elsewhere)
    assert rows(db, "SELECT run_id, metric, step, value, time FROM points ORDER BY ALL") == before
    assert {Path(p).parts[len(tree.parent.parts)] for (p,) in rows(db, "SELECT path FROM sources")} == {"moved"}


def test_copied_tree_is_a_duplicate(db: Database, tree: Path) -> None:
    shutil.copytree(tree, tree.parent / "backup" / "work_dirs")
    db.ingest(tree.parent / "backup")
    db.ingest(tree)
    assert rows(db, "SELECT count(*) FROM points WHERE metric = 'loss'") == [(200,)]
    assert rows(db, "SELECT status, count(*) FROM sources GROUP BY ALL ORDER BY ALL") == [
        ("duplicate", 4),
        ("parsed", 2),
    ]


def test_rotated_log_is_no_copy_of_what_took_its_place(db: Database, tmp_path: Path) -> None:
    Training(last=60).write(tmp_path / "toy", "text")
    path = Training().paths(tmp_path / "toy")["text"]
    db.ingest(path)
    path.rename(path.with_name("old.log"))
    path.write_text("".join(Training(first=61, last=90).text_lines()))
    db.ingest(tmp_path / "toy")
    assert rows(db, "SELECT count(DISTINCT step) FROM points WHERE metric = 'loss'") == [(90,)]


def test_equal_bytes_that_are_different_facts_are_kept(db: Database, tree: Path) -> None:
    shutil.copytree(tree / "toy", tree / "other_chip")
    db.ingest(tree)
    assert rows(db, "SELECT run_id FROM runs ORDER BY ALL") == [
        ("other_chip/20250209_031500",),
        ("toy/20250209_031500",),
    ]
    assert rows(db, "SELECT count(*) FROM points WHERE metric = 'loss'") == [(400,)]


def test_forget_and_come_back(db: Database, tree: Path) -> None:
    db.ingest(tree)
    before = public(db)
    scalars = Training().paths(tree / "toy")
    db.forget(str(scalars["scalars"]))
    db.forget(str(scalars["json"]))
    assert rows(db, "SELECT value FROM points WHERE metric = 'loss' AND step = 1") == [
        (round(Training().records[0]["loss"], 4),)
    ]
    db.ingest(tree)
    assert public(db) == before
    db.forget("toy/20250209_031500")
    assert rows(db, "SELECT count(*) FROM runs") == [(0,)]


# --------------------------------------------------------------------------- experiments


def test_resumed_runs_are_one_experiment(db: Database, tmp_path: Path) -> None:
    work = tmp_path / "toy"
    Training(last=120).write(work)
    Training(first=101, last=200, start=datetime(2025, 2, 9, 8, 0, 0), resumed=100, seed=1).write(work)
    db.ingest(work)
    assert rows(db, "SELECT experiment, attempt FROM runs ORDER BY attempt") == [("toy", 1), ("toy", 2)]
    stitched = rows(db, "SELECT step, value, attempt FROM stitched WHERE metric = 'loss' ORDER BY step")
    assert [s for s, _, _ in stitched] == list(range(1, 201))
    assert [a for _, _, a in stitched] == [1] * 100 + [2] * 100
    assert rows(db, "SELECT kind, step FROM events") == [("resume", 100)]


def test_a_fresh_start_is_a_new_experiment(db: Database, tmp_path: Path) -> None:
    Training(last=50).write(tmp_path / "toy")
    Training(last=50, start=datetime(2025, 2, 10, 8, 0, 0), seed=3).write(tmp_path / "toy")
    db.ingest(tmp_path / "toy")
    found = rows(db, "SELECT run_id, experiment, attempt FROM runs ORDER BY run_id")
    assert found == [("toy/20250209_031500", "toy", 1), ("toy/20250210_080000", "toy@20250210_080000", 1)]


def test_runs_appended_in_one_file_are_told_apart(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "console" / "all.log"
    path.parent.mkdir()
    later = Training(last=30, start=datetime(2025, 2, 10, 8, 0, 0), seed=2)
    path.write_text("".join(Training(last=60).text_lines() + later.text_lines()))
    db.ingest(path)
    found = rows(db, "SELECT run_id, count(*), max(step) FROM points WHERE metric = 'loss' GROUP BY ALL ORDER BY ALL")
    assert found == [("console/all", 60, 60), ("console/all#2", 30, 30)]


# --------------------------------------------------------------------------- labels


def test_labels_and_sidecars_fill_what_the_log_does_not_say(db: Database, tree: Path) -> None:
    (tree / "llmstats.toml").write_text('[labels]\nprecision = "bf16"\nsite = "lab1"\nrack = "7"\n')
    (tree / "toy" / "llmstats.toml").write_text('[labels]\nsite = "lab2"\ndevice = "H20"\n')
    db.ingest(tree, labels={"model": "toy-7b"})
    facts = rows(db, "SELECT precision, model, device, labels->>'site', labels->>'rack' FROM runs")
    assert facts == [("bf16", "toy-7b", "NVIDIA A100-SXM4-80GB", "lab2", "7")]
    assert rows(db, "SELECT count(*) > 0 FROM issues WHERE contains(reason, 'device')") == [(True,)]
    (tree / "toy" / "llmstats.toml").write_text('[labels]\nsite = "lab3"\n')
    before = public(db)
    report = db.ingest(tree, labels={"model": "toy-8b"})
    assert report.bytes_read == 0
    assert rows(db, "SELECT precision, model, labels->>'site' FROM runs") == [("bf16", "toy-8b", "lab3")]
    assert public(db) == before


# --------------------------------------------------------------------------- inputs


def test_archives_compressed_files_and_stdin(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, other, third = ("".join(Training(last=40, seed=s).text_lines()).encode() for s in range(3))
    name = "work/20250209_031500/20250209_031500.log"
    (tmp_path / "one.log.gz").write_bytes(gzip.compress(text))
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("tar" + name)
        info.size = len(other)
        tar.addfile(info, io.BytesIO(other))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("zip" + name, third)
    report = db.ingest(tmp_path / "one.log.gz", tmp_path / "all.tar.gz", tmp_path / "all.zip")
    assert report.statuses == {"parsed": 3}
    assert rows(db, "SELECT count(*), count(DISTINCT run_id) FROM points WHERE metric = 'loss'") == [(120, 3)]
    assert db.ingest(tmp_path / "all.tar.gz", tmp_path / "all.zip").points == 0
    done = subprocess.run(
        [sys.executable, "-m", "llmstats", "ingest", "-", "--db", db.path], input=text, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ((piped, run_id),) = rows(
        db, "SELECT s.path, p.run_id FROM sources s JOIN points p USING (source_id) WHERE s.path LIKE '-/%' LIMIT 1"
    )
    assert [e.problem for e in db.show(run_id, metric="loss", step=3)] == ["standard input is not re-readable"]
    assert [f.verdict for f in db.verify() if f.path == piped] == ["not re-readable"]


def test_every_oddity_is_an_outcome(db: Database, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "empty.log").touch()
    (folder / "pointer.log").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 1\n"
    )
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    (folder / "notes.txt").write_text("hello\n")
    (folder / "cut.log.gz").write_bytes(gzip.compress(b"x" * 100_000)[:40])
    (folder / "bomb.log.gz").write_bytes(gzip.compress(b"\0" * (300 << 20), 9))
    os.mkfifo(folder / "pipe.log")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "dangling.log").symlink_to(folder / "nowhere")
    report = db.ingest(folder)
    found = statuses(db)
    assert found["empty.log"] == "empty"
    assert found["notes.txt"] == "unrecognised"
    assert found["pointer.log"] == found["picture.png"] == found["pipe.log"] == "unsupported"
    assert found["cut.log.gz"] == "failed"
    assert found["bomb.log.gz"] == "too_large"
    assert found["dangling.log"] in ("failed", "unsupported")
    assert report.failed
    reasons = dict(rows(db, "SELECT path, error FROM sources WHERE status = 'unsupported'"))
    assert "LFS" in reasons[str(folder / "pointer.log")]


def test_wrong_path_says_what_is_near(db: Database, tree: Path) -> None:
    with pytest.raises(NotFound, match="work_dirs"):
        db.ingest(tree.parent / "workdirs")


def test_empty_directory_is_no_error(db: Database, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert db.ingest(tmp_path / "nothing").files == 0


# --------------------------------------------------------------------------- kills and locks


def _big_log(path: Path, lines: int) -> None:
    path.parent.mkdir(parents=True)
    made = Training(last=2000, total=lines)
    body = made.text_lines()
    block = [line.split("[", 1) for line in body[-2000:]]
    with path.open("w") as file:
        file.writelines(body[:-2000])
        for step in range(1, lines + 1):
            before, after = block[step % 2000]
            file.write(f"{before}[{step:>7}/{after.split('/', 1)[1]}")


def test_kill_at_any_moment_leaves_a_committed_state(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    path = logs / "big" / "20250209_031500" / "20250209_031500.log"
    _big_log(path, 800_000)
    for i in range(20):
        Training(last=30, seed=i).write(logs / f"small{i}")
    whole = llmstats.open(str(tmp_path / "whole.duckdb"))
    began = time.monotonic()
    whole.ingest(logs)
    full = time.monotonic() - began
    rng = random.Random(1)
    killed = llmstats.open(str(tmp_path / "killed.duckdb"))
    partial = 0
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-m", "llmstats", "ingest", str(logs), "--db", killed.path], stderr=subprocess.DEVNULL
        )
        try:
            process.wait(timeout=0.3 + rng.random() * full)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if Path(killed.path).exists():
            for read, matched, stored in rows(killed, PROGRESS):
                assert matched == stored
                partial += 0 < read < path.stat().st_size
    killed.ingest(logs)
    digest = "SELECT count(*), sum(hash(run_id, metric, step, value, line)) FROM points"
    assert rows(killed, digest) == rows(whole, digest)
    assert rows(killed, "SELECT path, status, bytes_read, lines_matched FROM sources ORDER BY ALL") == rows(
        whole, "SELECT path, status, bytes_read, lines_matched FROM sources ORDER BY ALL"
    )


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    for i in range(2):
        _big_log(logs / f"big{i}" / "20250209_031500" / "20250209_031500.log", 400_000)
    command = [sys.executable, "-m", "llmstats", "ingest", str(logs), "--db", str(tmp_path / "x.duckdb"), "--jobs", "2"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        parent = psutil.Process(process.pid)
        while len(workers := parent.children()) < 2 and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert len(workers) == 2
    assert alive == []


def test_interrupt_leaves_a_consistent_store(tmp_path: Path) -> None:
    path = tmp_path / "big" / "20250209_031500" / "20250209_031500.log"
    _big_log(path, 800_000)
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    process = subprocess.Popen(
        [sys.executable, "-m", "llmstats", "ingest", str(path), "--db", db.path], stderr=subprocess.PIPE, text=True
    )
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, talk = process.communicate(timeout=60)
    assert process.returncode in (0, 130)
    assert "Traceback" not in talk
    db.ingest(path)
    assert rows(db, "SELECT count(*), max(step) FROM points WHERE metric = 'loss'") == [(800_000, 800_000)]


def test_another_process_that_holds_the_file_is_named(tmp_path: Path, tree: Path) -> None:
    path = str(tmp_path / "x.duckdb")
    llmstats.open(path).ingest(tree)
    hold = f"import duckdb, time; c = duckdb.connect({path!r}); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        (tree / "new.log").write_text("".join(Training(last=5).text_lines()))
        with pytest.raises(StoreBusy, match=str(holder.pid)):
            llmstats.open(path, patience=0.5).ingest(tree)
        holder.kill()
    assert llmstats.open(path).ingest(tree).statuses == {"parsed": 1}


def test_queries_answer_while_an_ingest_runs(tmp_path: Path, tree: Path) -> None:
    path = tmp_path / "big" / "20250209_031500" / "20250209_031500.log"
    _big_log(path, 800_000)
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(tree)
    process = subprocess.Popen(
        [sys.executable, "-m", "llmstats", "ingest", str(path), "--db", db.path], stderr=subprocess.DEVNULL
    )
    answers = 0
    while process.poll() is None:
        assert rows(db, "SELECT count(*) FROM points WHERE metric = 'loss' AND run_id LIKE 'toy/%'") == [(200,)]
        answers += 1
    assert process.returncode == 0
    assert answers >= 1


def test_a_dump_without_lengths_is_the_same_cell(db: Database, tmp_path: Path) -> None:
    dump = {
        "backend": "", "clients": 8, "request_num": 16, "Total QPS": 0.5123456789, "Avg Input Length": 256.0,
        "Avg Output Length": 128.0, "Total Throughput": 196.25, "Input Throughput": 131.25, "Output Throughput": 65.125,
        **{key: {f"P{p}": 0.5 + p / 1000 for p in (1, 25, 50, 75, 90, 95, 99, 100)}
           for key in ("request_time", "first_token_time_dict", "decode_token_time_dict")},
    }  # fmt: skip
    flat = {"input_len": 256, "output_len": 128}
    for key, value in dump.items():
        names = (
            {f"{key.removesuffix('_dict')}_{p}": v for p, v in value.items()}
            if isinstance(value, dict)
            else {key: value}
        )
        flat |= names
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "dump.json").write_text(json.dumps(dump, indent=4))
    table = f"{','.join(flat)}\r\n{','.join(map(str, flat.values()))}\r\n"
    (tmp_path / "cells" / "test_results_deepseek_r1.csv").write_bytes(table.encode())
    db.ingest(tmp_path / "cells")
    assert rows(db, "SELECT count(*) FROM runs") == [(1,)]
    assert rows(db, "SELECT metric, statistic FROM measurements GROUP BY ALL HAVING count(*) > 1") == []
    assert rows(db, "SELECT DISTINCT input_len, output_len, concurrency FROM measurements") == [(256, 128, 8)]
