"""``llmstats run serving`` against a real ``transformers serve`` with a tiny Llama of random weights."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import llmstats as ls

from . import servingkit
from .runnerkit import folder, run, told

pytestmark = pytest.mark.runners


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    servingkit.tiny_llama(path)
    return path


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with servingkit.transformers_server(model, port, tmp_path_factory.mktemp("log") / "server.log"):
        yield f"http://127.0.0.1:{port}"


def ask(db: Any, question: str) -> list[dict[str, Any]]:
    answer = db.query(question)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def test_a_sweep_is_measured_and_answered(server: str, model: Path, tmp_path: Path) -> None:
    """2 x 2 x 2 cells, through the ordinary ingest into the store."""
    store = tmp_path / "s.duckdb"
    grid = ["--input_len", "8,16", "--output_len", "4,8", "--num_clients", "1,2"]
    place = ["--work-dir", tmp_path / "work", "--ingest", "--db", store]
    done = run("serving", "--url", f"{server}/v1/completions", "--tokenizer_path", model, *grid, *place)
    assert done.exit_code == 0, done.output
    directory = folder(done)
    assert told(directory)["status"] == "completed"
    refused = [note for note in told(directory)["notes"] if "the server refuses it (422" in note]
    assert {note.split()[0] for note in refused} == {"ignore_eos", "min_tokens"}
    db = ls.open(store)
    rows = ask(db, "serving")
    case = ("input_len", "output_len", "concurrency")
    assert {tuple(row[key] for key in case) for row in rows} == {
        (i, o, c) for i in (8, 16) for o in (4, 8) for c in (1, 2)
    }
    assert len(rows) == 8
    for row in rows:
        assert (row["status"], row["success"], row["model"]) == ("completed", 1.0, str(model))
        assert row["output_len_mode"] == "constant"
        assert row["output_tokens_per_second"] > 0
        assert 0 < row["ttft_p50"] <= row["e2e_p50"]
        if not row["tpot_p50"] > 0:  # a busy machine got the tokens of an answer at once, which the cell says
            name = "bz{concurrency}_input{input_len}_output{output_len}".format_map(row)
            notes = json.loads((directory / f"cells/{name}.json").read_text())["notes"]
            assert any("answers came in one piece" in note for note in notes)
        assert Path(row["source"].rsplit(":", 1)[0]).is_relative_to(directory)
    requests = ask(db, "SELECT input_tokens, output_tokens, success FROM requests")
    # the server's own counts: prompts are as long as asked for, and so are the outputs
    sent = {(i, o): 2 * 1 + 2 * 2 for i in (8, 16) for o in (4, 8)}
    assert Counter((r["input_tokens"], r["output_tokens"]) for r in requests) == sent
    assert all(r["success"] for r in requests)


def test_chat_counts_its_template(server: str, model: Path, tmp_path: Path) -> None:
    words = ["--input_len", "16", "--output_len", "5", "--num_clients", "2", "--work-dir", tmp_path]
    done = run("serving", "--url", f"{server}/v1/chat/completions", "--tokenizer_path", model, *words)
    assert done.exit_code == 0, done.output
    (file,) = folder(done).glob("cells/*.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert {(r["input_tokens"], r["input_tokens_by"], r["output_tokens"]) for r in rows} == {(16, "usage", 5)}


def test_a_server_killed_in_the_middle_of_a_cell(model: Path, tmp_path: Path) -> None:
    """The cell is partial, failures are counted by kind, the sweep ends with a reason, and a second start goes on."""
    port, log, store = free_port(), tmp_path / "server.log", tmp_path / "s.duckdb"
    words: list[object] = ["--url", f"http://127.0.0.1:{port}/v1/completions", "--tokenizer_path", model]
    words += ["--input_len", "8", "--output_len", "4,100,3", "--num_clients", "2", "--input_num", "6"]
    words += ["--wait", "1", "--work-dir", tmp_path]
    with servingkit.transformers_server(model, port, log) as server, servingkit.started(words) as client:
        assert client.stdout is not None
        directory = Path(client.stdout.readline().strip())
        file = directory / "cells/bz2_input8_output100.requests.jsonl"
        servingkit.until(lambda: file.exists() and file.read_text().count("\n") >= 1, client)
        server.kill()
        _, talk = client.communicate(timeout=60)
    assert client.returncode == 2, talk
    assert "cell 2/3 bz2_input8_output100: partial: " in talk
    assert f"no answer from 127.0.0.1:{port}" in talk
    assert f"to go on with what is not complete: --resume {directory}" in talk
    assert (told(directory)["status"], told(directory)["exit_code"]) == ("failed", 2)
    assert not (directory / "cells/bz2_input8_output3.json").exists()
    document = json.loads((directory / "cells/bz2_input8_output100.json").read_text())
    assert document["status"] == "partial"
    counted = document["requests"]
    assert 1 <= counted["completed"] < 6
    assert counted["failures"].keys() <= {"connect", "stream_cut"}
    assert counted["failures"]["stream_cut"] >= 1
    assert counted["completed"] + counted["failed"] + counted["not_sent"] == 6
    db = ls.open(store)
    db.ingest(directory, workers=1)
    assert [(r["status"], r["success"]) for r in ask(db, "serving")] == [
        ("completed", 1.0),
        ("partial", counted["completed"] / (counted["completed"] + counted["failed"])),
    ]

    with servingkit.transformers_server(model, port, log):
        done = run("serving", "--resume", directory)
    assert done.exit_code == 0, done.output
    assert "1 of 3 cells are complete already" in done.stderr
    db.ingest(directory, workers=1)
    assert [(r["status"], r["success"]) for r in ask(db, "serving")] == [("completed", 1.0)] * 3
    assert ask(db, "SELECT count(*) AS n FROM requests") == [{"n": 18}]
