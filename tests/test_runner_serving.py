"""``llmstats run serving`` against a server with bad manners: what is sent, counted, written, and read again."""

from __future__ import annotations

import ast
import csv
import json
import random
import re
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llmstats as ls

from . import servingkit
from .runnerkit import folder, module, run, told

pytestmark = pytest.mark.runners


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with servingkit.toy_server() as (address, _):
        yield address


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    servingkit.word_tokenizer(path)
    return path


@pytest.fixture
def words(server: str, tokenizer: Path, tmp_path: Path) -> Any:
    """Options for one manner of the server; the first words change or add some."""

    def options(manner: str, *more: object, chat: bool = False) -> list[object]:
        url = f"{server}/{manner}/v1/{'chat/' if chat else ''}completions"
        own = ["--url", url, "--tokenizer_path", tokenizer, "--input_len", "12", "--output_len", "6", "--wait", "1"]
        load = [] if "--request_rate" in more else ["--num_clients", "2"] if "--num_clients" not in more else []
        return ["serving", *own, *load, "--work-dir", tmp_path / "work", *more]

    return options


def cell(directory: Path, name: str = "bz2_input12_output6") -> dict[str, Any]:
    document: dict[str, Any] = json.loads((directory / "cells" / f"{name}.json").read_text())
    return document


def values(document: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(m["metric"], m["statistic"]): m["value"] for m in document["measurements"]}


def requests(directory: Path, name: str = "bz2_input12_output6") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "cells" / f"{name}.requests.jsonl").read_text().splitlines()]


def ask(db: Any, question: str) -> list[dict[str, Any]]:
    answer = db.query(question)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


# --------------------------------------------------------------------------- numbers


def test_numbers_are_those_of_the_chunks(words: Any) -> None:
    """Every statistic again, by plain loops over the times of the chunks."""
    done = run(*words("plain", "--input_num", 7, "--chunk_times"))
    assert done.exit_code == 0, done.output
    found, rows = values(cell(folder(done))), requests(folder(done))
    assert sorted(row["request"] for row in rows) == list(range(7))
    assert all(len(row["chunk_times"]) == row["output_tokens"] == row["chunks"] == 6 for row in rows)
    ttft = [row["chunk_times"][0] for row in rows]
    gaps = [b - a for row in rows for a, b in pairwise(row["chunk_times"])]
    e2e = [row["e2e"] for row in rows]
    tpot = [(row["e2e"] - row["chunk_times"][0]) / 5 for row in rows]
    for metric, times in (("ttft", ttft), ("itl", gaps), ("e2e_latency", e2e), ("tpot", tpot)):
        assert found[metric, "mean"] == pytest.approx(sum(times) / len(times), abs=2e-6)
        assert found[metric, "max"] == pytest.approx(max(times), abs=2e-6)
        for p in (1, 25, 50, 75, 90, 95, 99):
            assert found[metric, f"p{p}"] == pytest.approx(np.percentile(times, p), abs=2e-6)
    assert all(t >= 0.002 for t in ttft)
    assert all(row["ttft"] <= row["e2e"] and row["e2e"] >= row["chunk_times"][-1] - 2e-6 for row in rows)
    wall = found["benchmark_duration", "value"]
    span = max(row["started"] + row["e2e"] for row in rows) - min(row["started"] for row in rows)
    assert span - 1e-5 <= wall < span + 0.2
    assert found["output_tokens_per_second", "value"] == pytest.approx(7 * 6 / wall)
    assert found["total_tokens_per_second", "value"] == pytest.approx(7 * (6 + 11) / wall)  # the toy counts words
    assert found["requests_per_second", "value"] == pytest.approx(7 / wall)
    assert found["concurrency", "mean"] == pytest.approx(sum(e2e) / wall, rel=1e-3)
    assert (found["output_chunks", "sum"], found["tokens_per_chunk", "mean"]) == (42, 1.0)


def test_definitions_are_catalogued(words: Any) -> None:
    from llmstats import catalog

    document = cell(folder(run(*words("plain"))))
    named = {m["definition"] for m in document["measurements"]} - {None}
    assert named <= catalog.definitions().keys()
    assert {m["metric"] for m in document["measurements"]} <= catalog.metrics().keys()
    assert all(definition.split("@")[0] in catalog.metrics() for definition in named)


def test_never_more_requests_at_once_than_clients(words: Any) -> None:
    done = run(*words("plain", "--num_clients", "3", "--input_num", 12))
    rows = requests(folder(done), "bz3_input12_output6")
    moments = [(row["started"], 1) for row in rows] + [(row["started"] + row["e2e"], -1) for row in rows]
    in_flight = np.cumsum([change for _, change in sorted(moments)])
    assert in_flight.max() == 3


def test_prompts_are_exact_and_none_comes_twice(words: Any, tokenizer: Path) -> None:
    tokens = module("_serving_tokens").load(str(tokenizer), "completions")
    prompts = module("_serving_tokens").Prompts(tokens, 0)
    made = [prompts.make(12, key) for key in range(20)]
    assert [len(p.text.split()) + 1 for p in made] == [12] * 20  # and one token in front
    assert len({p.text for p in made}) == 20
    again = module("_serving_tokens").Prompts(tokens, 0)
    assert [again.make(12, key).text for key in range(20)] == [p.text for p in made]
    assert module("_serving_tokens").Prompts(tokens, 1).make(12, 0).text != made[0].text
    rows = requests(folder(run(*words("plain"))))
    assert {row["input_tokens"] for row in rows} == {11}  # the toy server's own count


@pytest.mark.parametrize("make", [servingkit.byte_tokenizer, servingkit.sentence_tokenizer])
@pytest.mark.parametrize("length", [3, 17, 256, 2000])
def test_prompts_of_other_tokenizers(make: Any, length: int, tmp_path: Path) -> None:
    whole = make(tmp_path)
    prompts = module("_serving_tokens").Prompts(module("_serving_tokens").load(str(tmp_path), "completions"), 7)
    for key in range(3):
        prompt = prompts.make(length, key)
        assert len(whole(prompt.text)["input_ids"]) == prompt.tokens == length


def test_a_length_that_cannot_be_is_said(words: Any, tmp_path: Path) -> None:
    """Two tokens stand around every text of this tokenizer, so none has two."""
    servingkit.sentence_tokenizer(tmp_path / "t")
    done = run(*words("plain", "--tokenizer_path", tmp_path / "t", "--input_len", "2"))
    assert done.exit_code == 0
    document = cell(folder(done), "bz2_input2_output6")
    assert "this tokenizer makes no prompt of 2 tokens here; sent were 3 to 3" in document["notes"]
    assert "no prompt of 2 tokens" in done.stderr


def test_chat(words: Any, tokenizer: Path) -> None:
    done = run(*words("plain", chat=True))
    assert done.exit_code == 0, done.output
    document, rows = cell(folder(done)), requests(folder(done))
    assert document["api"] == "chat"
    # <s>, the role, the answer's opening and the words are 12 tokens; the toy server counts the content alone
    assert {row["input_tokens"] for row in rows} == {9}
    assert {(row["chunks"], row["lines"], row["output_tokens"]) for row in rows} == {(6, 7, 6)}


def test_open_loop_sends_at_the_moments_that_the_seed_gives(words: Any) -> None:
    done = run(*words("plain", "--request_rate", "200", "--input_num", 40, "--seed", 5))
    assert done.exit_code == 0, done.output
    name = "rate200_input12_output6"
    rows = sorted(requests(folder(done), name), key=lambda row: row["request"])
    dice = random.Random(5)
    due = np.cumsum([dice.expovariate(200) for _ in rows])
    planned = np.array([row["started"] - row["late"] for row in rows])
    assert planned - planned[0] == pytest.approx(due - due[0], abs=1e-4)
    assert all(row["late"] >= 0 for row in rows)
    document = cell(folder(done), name)
    assert (document["cell"]["num_clients"], document["cell"]["request_rate"]) == (None, 200.0)
    assert not list(folder(done).glob("log/*"))


def test_an_open_loop_begins_with_its_first_request(words: Any) -> None:
    """The first gap that this seed draws is over a second; it is no part of the time."""
    assert random.Random(153).expovariate(5) > 1.0
    done = run(*words("plain", "--request_rate", "5", "--input_num", 2, "--seed", 153))
    rows = requests(folder(done), "rate5_input12_output6")
    span = max(row["started"] + row["e2e"] for row in rows) - min(row["started"] - row["late"] for row in rows)
    duration = values(cell(folder(done), "rate5_input12_output6"))["benchmark_duration", "value"]
    assert span - 1e-4 <= duration < span + 0.5


# --------------------------------------------------------------------------- llm_profile's files


def test_the_report_is_llm_profilers(words: Any) -> None:
    """Line by line in its form; the values by its own arithmetic over the lines of the stream."""
    done = run(*words("plain", "--input_num", 4, "--chunk_times", "--server_api", "vllm"))
    directory = folder(done)
    log = (directory / "log" / "test_log_bz2_input12_output6.log").read_text()
    head, mark, report = log.partition("\n\n\nvalid num = ")
    assert mark
    assert "Running tests: 100%|##########| 4/4 [" in head
    lines = report.splitlines()
    assert lines[0] == "4; all data num = 4; valid ratio = 1.0"
    found = ast.literal_eval(lines[-1])  # where benchmark_all.py looks for it
    expected = ["", *(f"{key}: {found[key]}" for key in ("Total QPS", "Avg Input Length", "Avg Output Length"))]
    expected += [
        f"{key}: {found[key]} token/s" for key in ("Total Throughput", "Input Throughput", "Output Throughput")
    ]
    for key, label, unit in (
        ("request_time", "request_time ", "s"),
        ("first_token_time_dict", "first_token_time  ", "s"),
        ("decode_token_time_dict", "decode_token_time  ", "ms"),
    ):
        expected += ["-" * 10, *(f"{label}{rank}: {value:.6f}{unit}" for rank, value in found[key].items())]
    assert lines[1:-1] == expected
    assert list(found["request_time"]) == ["P1", "P25", "P50", "P75", "P90", "P95", "P99", "P100"]
    assert (found["backend"], found["clients"], found["request_num"]) == ("vllm", 2, 4)
    wall = values(cell(directory))["benchmark_duration", "value"]
    assert found["Output Throughput"] == pytest.approx(4 * 7 / wall)  # the empty chunk at the end counts as well
    assert (found["Avg Input Length"], found["Avg Output Length"]) == (12.0, 7.0)
    assert found["Input Throughput"] == pytest.approx(4 * 12 / wall)
    rows = requests(directory)
    assert found["first_token_time_dict"]["P50"] == pytest.approx(np.median([r["ttft"] for r in rows]), abs=2e-6)
    decode = [(row["e2e"] - row["ttft"]) / 6 * 1000 for row in rows]
    assert found["decode_token_time_dict"]["P100"] == pytest.approx(max(decode), abs=1e-3)
    assert json.loads((directory / "log" / "test_log_bz2_input12_output6.json").read_text()) == found


def test_the_table_is_benchmark_alls(words: Any) -> None:
    done = run(*words("plain", "--num_clients", "2,1", "--output_len", "6,3"))
    directory = folder(done)
    raw = (directory / "test_results_serving.csv").read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n") == 5
    rows = list(csv.DictReader(raw.decode().splitlines()))
    assert [(r["clients"], r["input_len"], r["output_len"]) for r in rows] == [
        ("2", "12", "6"), ("2", "12", "3"), ("1", "12", "6"), ("1", "12", "3"),
    ]  # fmt: skip
    dump = json.loads((directory / "log" / "test_log_bz1_input12_output3.json").read_text())
    assert float(rows[3]["decode_token_time_P99"]) == dump["decode_token_time_dict"]["P99"]
    assert len(rows[0]) == 35


def test_five_files_are_one_run(words: Any, tmp_path: Path) -> None:
    db = ls.open(tmp_path / "s.duckdb")
    done = run(
        *words("plain", "--num_clients", "1,2", "--input_len", "8,12", "--device", "Toy X1", "--device_count", 4)
    )
    db.ingest(folder(done), workers=1)
    rows = ask(db, "serving")
    assert len(rows) == 4
    assert Counter(row["status"] for row in rows) == {"completed": 4}
    for row in rows:
        name = row["run_id"].rpartition("/")[2]
        found = values(cell(folder(done), name))
        assert (row["model"], row["device"], row["output_len_mode"]) == ("toy", "Toy X1", "constant")
        assert row["tps_definition"] == "output_tokens_per_second@usage_or_retokenized"
        assert row["output_tokens_per_second"] == found["output_tokens_per_second", "value"]
        assert row["output_tokens_per_second_per_device"] == row["output_tokens_per_second"] / 4
        assert (row["ttft_p50"], row["tpot_p99"]) == (found["ttft", "p50"], found["tpot", "p99"])
        path, line = row["source"].rsplit(":", 1)
        assert json.dumps(row["output_tokens_per_second"]) in Path(path).read_text().splitlines()[int(line) - 1]
    machine = ask(db, "SELECT environment->>'$.host' AS host, environment->>'$.client.host' AS ours FROM runs")
    assert all(row["host"] is None and row["ours"] for row in machine)  # the server may be anywhere
    sources = ask(db, "SELECT run_id, sources FROM run_list()")
    assert {row["sources"] for row in sources} == {5}
    sent = ask(db, "SELECT run_id, count(*) AS n, count(DISTINCT request) AS each FROM requests GROUP BY ALL")
    assert sorted((row["n"], row["each"]) for row in sent) == [(2, 2), (2, 2), (4, 4), (4, 4)]
    twice = ask(
        db, "SELECT run_id FROM measurements GROUP BY run_id, metric, statistic, definition HAVING count(*) > 1"
    )
    assert twice == []


def test_one_token_has_no_time_per_token(words: Any, tmp_path: Path) -> None:
    """Neither in our own numbers nor in those of llm_profile's files beside them."""
    directory = folder(run(*words("plain", "--output_len", "1")))
    assert [row["tpot"] for row in requests(directory, "bz2_input12_output1")] == [None] * 4
    assert "decode_token_time_P50" in (directory / "test_results_serving.csv").read_text()  # old tools read on
    db = ls.open(tmp_path / "s.duckdb")
    db.ingest(directory, workers=1)
    (row,) = ask(db, "serving")
    assert (row["tpot"], row["tpot_p50"], row["tpot_p99"], row["tpot_definition"]) == (None, None, None, None)
    assert row["ttft_p50"] > 0


# --------------------------------------------------------------------------- servers with manners


def test_what_a_server_refuses_is_left_out_and_noted(words: Any) -> None:
    for manner in ("picky", "sullen"):  # one names the fields, one only says that something is wrong
        done = run(*words(manner))
        assert done.exit_code == 0, done.output
        document = cell(folder(done))
        assert document["request"].keys() & {"ignore_eos", "min_tokens", "stream_options"} == {"stream_options"}
        assert any(note.startswith("ignore_eos is left out, the server refuses it (400") for note in document["notes"])
        assert any("ignore_eos is left out" in note for note in told(folder(done))["notes"])
        assert {row["output_tokens_by"] for row in requests(folder(done))} == {"usage"}


def test_without_usage_the_tokenizer_counts(words: Any) -> None:
    document = cell(folder(run(*words("uncounted"))))
    assert document["tokens"]["output_by"] == ["tokenizer"]
    assert values(document)["output_tokens", "mean"] == 6.0
    assert any(note.startswith("stream_options is left out") for note in document["notes"])


def test_a_server_that_refuses_everything(words: Any) -> None:
    done = run(*words("stubborn"))
    assert done.exit_code == 2
    assert "refuses a plain request: 400" in done.stderr
    assert told(folder(done))["status"] == "failed"


def test_chunks_are_no_tokens(words: Any) -> None:
    directory = folder(run(*words("double")))
    document = cell(directory)
    assert (document["tokens"]["output"], document["tokens"]["chunks"]) == (24, 12)
    assert values(document)["tokens_per_chunk", "mean"] == 2.0
    row = requests(directory)[0]
    assert row["tpot"] == pytest.approx((row["e2e"] - row["ttft"]) / 5, abs=1e-6)


def test_tokens_without_text(words: Any, tmp_path: Path) -> None:
    """Special tokens alone: the server counts them, and no chunk has text."""
    done = run(*words("wordless", "--num_clients", "1,2"))
    assert done.exit_code == 0, done.output
    for name in ("bz1_input12_output6", "bz2_input12_output6"):
        document = cell(folder(done), name)
        assert document["status"] == "completed"
        found = values(document)
        assert (found["output_tokens", "mean"], found["output_chunks", "sum"]) == (6.0, 0)
        assert ("tokens_per_chunk", "mean") not in found
        assert ("ttft", "p50") not in found


@pytest.mark.parametrize("broken", ["speeds", "times"])
def test_a_mistake_in_one_cell_leaves_the_others(words: Any, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """It goes wrong in the arithmetic at the end, or with the last of four answers."""
    measure = module("_serving_measure")
    right, count = getattr(measure, broken), 0

    def wrong(*given: Any) -> Any:
        nonlocal count
        count += 1
        if count == (1 if broken == "speeds" else 4):
            raise ZeroDivisionError("no chunks")
        return right(*given)

    monkeypatch.setattr(measure, broken, wrong)
    done = run(*words("plain", "--num_clients", "1,2", "--input_num", 4))
    assert done.exit_code == 1
    directory = folder(done)
    first, second = cell(directory, "bz1_input12_output6"), cell(directory)
    assert (first["status"], second["status"]) == ("failed", "completed")
    assert first["error"] == "failed: 4 of 4 requests completed; ZeroDivisionError: no chunks"
    assert first["error"] in done.stderr
    assert first["requests"]["completed"] == 4
    assert first["tokens"]["output"] == (24 if broken == "speeds" else 18)
    assert len(requests(directory, "bz1_input12_output6")) == (4 if broken == "speeds" else 3)
    assert "ZeroDivisionError: no chunks" in (directory / "traceback.txt").read_text()
    log = (directory / "log" / "test_log_bz1_input12_output6.log").read_text()
    assert "llmstats: failed: ZeroDivisionError: no chunks" in log


def test_short_outputs_and_a_prefix_cache_are_said(words: Any) -> None:
    done = run(*words("short"))
    assert "4 of 4 outputs are shorter than 6 tokens" in cell(folder(done))["notes"]
    note = "the server had 12 prompt tokens in its prefix cache: restart it, or choose another --seed"
    assert note in cell(folder(run(*words("cached"))))["notes"]


def test_answers_that_came_in_one_piece_are_said(words: Any) -> None:
    """A proxy that buffers, or a machine that is late: no time between tokens was seen."""
    directory = folder(run(*words("buffered")))
    document, rows = cell(directory), requests(directory)
    assert len(rows) == 4
    assert all(row["ttft"] == row["e2e"] and row["tpot"] == 0 for row in rows)
    (note,) = [n for n in document["notes"] if "in one piece" in n]
    assert note.startswith("4 of 4 answers came in one piece")
    assert not any("in one piece" in n for n in cell(folder(run(*words("slow"))))["notes"])


def test_failures_are_counted_by_kind(words: Any, tmp_path: Path) -> None:
    """Of two rounds through all illnesses; the first request of all was the probe."""
    done = run(*words("ill", "--num_clients", "1", "--input_num", 18, "--timeout", "0.4", "--warmup", 0))
    assert done.exit_code == 1
    directory, name = folder(done), "bz1_input12_output6"
    document = cell(directory, name)
    assert document["status"] == "partial"
    assert document["requests"]["failures"] == {
        "bad_http": 2, "bad_json": 2, "empty": 2, "http_status": 2, "server_error": 2, "stream_cut": 4, "timeout": 2,
    }  # fmt: skip
    assert (document["requests"]["completed"], document["requests"]["failed"]) == (2, 16)
    assert sum(row["success"] for row in requests(directory, name)) == 2
    assert values(document)["success_rate", "value"] == pytest.approx(1 / 9)
    log = (directory / "log" / f"test_log_{name}.log").read_text()
    assert "llmstats: partial: failed: bad_http 2" in log
    assert "valid num = 2; all data num = 18" in log
    assert not (directory / "test_results_serving.csv").exists()
    assert "1 of 1 cells are not complete" in told(directory)["error"]
    db = ls.open(tmp_path / "s.duckdb")
    db.ingest(directory, workers=1)
    (row,) = ask(db, "serving")
    assert (row["status"], row["success"]) == ("partial", pytest.approx(1 / 9))
    assert "timeout 2" in row["error"]
    failed = ask(db, "SELECT error FROM requests WHERE NOT success")
    assert len(failed) == 16
    assert sum(r["error"].startswith("http_status: 503 ") for r in failed) == 2


def test_every_kind_of_failure_is_documented() -> None:
    text = (servingkit.ROOT / "docs" / "runners.md").read_text()
    assert all(f"`{kind}`" in text for kind in module("_serving_stream").FAILURES)


@pytest.mark.parametrize(
    ("manner", "message"),
    [
        ("exhausted", "model 'toy' failed: server_error: KV cache exhausted"),
        (
            "streamless",
            """model 'toy' failed: no_stream: no event came, but {"choices": [{"index": 0, """,
        ),
    ],
)
def test_what_came_in_place_of_a_stream_is_told(words: Any, manner: str, message: str) -> None:
    done = run(*words(manner))
    assert done.exit_code == 2
    assert message in done.stderr
    assert "a server that streams is needed" in done.stderr or manner == "exhausted"


def test_a_stream_may_end_without_a_last_newline(words: Any) -> None:
    done = run(*words("abrupt"))
    assert done.exit_code == 0, done.output
    assert cell(folder(done))["requests"]["completed"] == 4


def test_connections_that_are_closed_behind_our_back(words: Any) -> None:
    done = run(*words("forgetful", "--num_clients", "1", "--input_num", 6))
    assert done.exit_code == 0, done.output
    ended = cell(folder(done), "bz1_input12_output6")["requests"]
    assert (ended["completed"], ended["failed"]) == (6, 0)
    assert ended["sent_again"] >= 1


def test_an_answer_that_ends_with_its_connection(words: Any) -> None:
    done = run(*words("unframed"))
    assert done.exit_code == 0, done.output
    assert cell(folder(done))["requests"]["completed"] == 4


def test_nobody_there(words: Any) -> None:
    done = run(*words("plain", "--url", "http://127.0.0.1:9/v1/completions", "--wait", "0.2"))
    assert done.exit_code == 2
    assert "no answer from 127.0.0.1:9" in done.stderr
    assert "--resume" in done.stderr
    assert told(folder(done))["status"] == "failed"


def test_connections_that_the_system_does_not_allow(words: Any) -> None:
    few = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (80, 80))
    command = [sys.executable, "-m", "llmstats", "run", *map(str, words("plain", "--num_clients", "100"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=few)
    assert done.returncode == 2
    assert "100 clients need as many connections, the system allows 40; see: ulimit -Hn" in done.stderr
    command = [sys.executable, "-m", "llmstats", "run"]
    open_loop = words("slow", "--request_rate", "5000", "--input_num", 120, "--warmup", 0)
    done = subprocess.run([*command, *map(str, open_loop)], capture_output=True, text=True, check=False, preexec_fn=few)
    assert done.returncode == 1, done.stderr
    assert re.search(r"partial: .*client_limit \d+", done.stderr)


@pytest.mark.parametrize(("cpu", "late", "slow"), [(0.95, 0.0001, True), (0.2, 0.006, True), (0.2, 0.0001, False)])
def test_a_client_that_was_too_slow_says_so(cpu: float, late: float, slow: bool) -> None:
    asked = module("_serving_settings").Cell(8, 8, 1, None, 2)
    client = {"cpu": cpu, "loop_late_p50": late}
    closing = module("_serving_document").Results(asked, [], {}, 1.0, client).closing("failed", ["first"], None)
    assert closing["notes"][0] == "first"
    assert any(note.startswith("the client itself was slow") for note in closing["notes"]) == slow
    assert closing["error"] == "failed: 0 of 2 requests completed; not sent: 2"


# --------------------------------------------------------------------------- stopping, dying, going on


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_what_was_measured_and_a_second_start_goes_on(
    words: Any, tmp_path: Path, number: signal.Signals
) -> None:
    slow = words("slow", "--num_clients", "1,2", "--input_num", 6)[1:]
    requests_file = "cells/bz2_input12_output6.requests.jsonl"
    with servingkit.started(slow) as process:
        assert process.stdout is not None
        directory = Path(process.stdout.readline().strip())
        file = directory / requests_file
        servingkit.until(lambda: file.exists() and file.read_text().count("\n") >= 2, process)
        process.send_signal(number)
        _, talk = process.communicate(timeout=30)
    assert process.returncode == 130, talk
    assert told(directory)["status"] == "interrupted"
    first, second = cell(directory, "bz1_input12_output6"), cell(directory)
    assert (first["status"], second["status"]) == ("completed", "interrupted")
    counted = second["requests"]
    assert counted["completed"] >= 2
    assert counted["failed"] == 0
    assert counted["completed"] + counted["interrupted"] + counted["not_sent"] == 6
    assert ("ttft", "p50") not in values(second)
    if number == signal.SIGTERM:
        return  # it leaves the same behind
    planned = run("serving", *slow, "--dry-run")
    assert f"{directory} was begun with the same settings and not completed: --resume {directory}" in planned.stdout
    db = ls.open(tmp_path / "s.duckdb")
    db.ingest(directory, workers=1)
    assert {row["status"] for row in ask(db, "serving")} == {"completed", "interrupted"}

    done = run("serving", "--resume", directory)
    assert done.exit_code == 0, done.output
    assert folder(done) == directory
    assert "1 of 2 cells are complete already" in done.stderr
    assert cell(directory, "bz1_input12_output6") == first  # not repeated
    again = cell(directory)
    assert (again["status"], again["earlier"][0]["requests"]) == ("completed", counted)
    assert len((directory / "test_results_serving.csv").read_text().splitlines()) == 1 + 2
    assert len(told(directory)["resumed_at"]) == 1
    assert "was begun with" not in run("serving", *slow, "--dry-run").stdout
    db.ingest(directory, workers=1)
    assert [row["status"] for row in ask(db, "serving")] == ["completed", "completed"]
    assert ask(db, "SELECT count(*) AS n FROM requests") == [{"n": 12}]


def test_a_killed_client_leaves_files_that_say_so(words: Any, tmp_path: Path) -> None:
    with servingkit.started(words("slow", "--input_num", 8)[1:]) as process:
        assert process.stdout is not None
        directory = Path(process.stdout.readline().strip())
        file = directory / "cells/bz2_input12_output6.requests.jsonl"
        servingkit.until(lambda: file.exists() and file.read_text().count("\n") >= 2, process)
        process.kill()
    db = ls.open(tmp_path / "s.duckdb")
    report = db.ingest(directory, workers=1)
    assert set(report.statuses) == {"parsed"}
    (row,) = ask(db, "serving")
    assert row["status"] == "running"
    assert ask(db, "SELECT count(*) >= 2 AS some FROM requests") == [{"some": True}]
    assert run("serving", "--resume", directory).exit_code == 0
    db.ingest(directory, workers=1)
    assert [row["status"] for row in ask(db, "serving")] == ["completed"]


def test_what_is_resumed_cannot_be_changed(words: Any) -> None:
    directory = folder(run(*words("plain")))
    other = run("serving", "--resume", directory, "--input_len", "13")
    assert other.exit_code == 2
    assert "--input_len differs from what" in other.stderr
    same = run("serving", "--resume", directory, "--input_len", "12")
    assert same.exit_code == 0
    assert "1 of 1 cells are complete already" in same.stderr
    nothing = run("serving", "--resume", directory.parent)
    assert nothing.exit_code == 2
    assert "no readable run.json there" in nothing.stderr


def test_a_job_that_is_at_work_is_not_resumed(words: Any) -> None:
    with servingkit.started(words("slow", "--input_num", 40)[1:]) as process:
        assert process.stdout is not None
        directory = Path(process.stdout.readline().strip())
        before = told(directory)
        other = run("serving", "--resume", directory)
        assert other.exit_code == 2
        assert "that job is still at work" in other.stderr
        assert told(directory).get("resumed_at") == before.get("resumed_at") is None
        assert process.poll() is None


# --------------------------------------------------------------------------- options


def test_dry_run_prints_the_plan_and_starts_nothing(words: Any, tmp_path: Path) -> None:
    done = run(*words("plain", "--num_clients", "1,8", "--dry-run"))
    assert done.exit_code == 0
    assert "cell bz8_input12_output6: input 12, output 6, 8 clients, 16 requests" in done.stdout
    assert "test_results_serving.csv" in done.stdout
    assert "p99 of 2 requests" in done.stdout
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--num_clients", "0"], "at least 1"),
        (["--input_len", "a,b"], "no list of numbers"),
        (["--request_rate", "2", "--input_num", "3", "--num_clients", "2"], "either --num_clients"),
        (["--request_rate", "2"], "needs --input_num"),
        (["--url", "http://toy:8000"], "give the whole endpoint"),
        (["--url", "toy/v1/completions"], "is no URL"),
        (["--url", "http://me:hush@localhost/v1/completions"], "set OPENAI_API_KEY instead"),
        (["--extra_body", "[1]"], "a JSON object is needed"),
        (["--tokenizer_path", "/nowhere"], "no such directory"),
    ],
)
def test_options_that_cannot_be(words: Any, more: list[str], message: str) -> None:
    done = run(*words("plain", *more))
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_key_in_the_url_is_sent_and_never_written(words: Any, server: str) -> None:
    url = f"{server}/guarded/v1/completions?v=1&api-key=hush"
    done = run(*words("guarded", "--url", url, "--input_num", 2))
    assert done.exit_code == 0, done.output
    directory = folder(done)
    assert cell(directory)["url"] == f"{server}/guarded/v1/completions?v=1&api-key=***"
    (directory / "cells" / "bz2_input12_output6.json").unlink()
    refused = run("serving", "--resume", directory)
    assert refused.exit_code == 2
    assert "api-key=*** was not kept; give --url again" in refused.stderr
    assert run("serving", "--resume", directory, "--url", url).exit_code == 0
    for path in directory.rglob("*"):
        assert path.is_dir() or "hush" not in path.read_text(), path
    wrong = run(*words("guarded", "--url", url.replace("hush", "hash")))
    assert "completions?v=1&api-key=***: a first small request" in wrong.stderr
    planned = run(*words("guarded", "--url", url, "--dry-run"))
    assert planned.exit_code == 0
    assert "hush" not in done.output + refused.output + wrong.output + planned.output
    assert "hash" not in wrong.output


def test_flags_with_dashes_and_with_underscores(words: Any) -> None:
    given = [str(word) for word in words("plain", "--dry-run")]
    dashes = [word.replace("_", "-") if word.startswith("--") else word for word in given]
    assert "--num-clients" in dashes
    assert run(*dashes).stdout == run(*given).stdout


def test_fields_of_requests(words: Any) -> None:
    document = cell(
        folder(run(*words("plain", "--temperature", 0.5, "--extra_body", '{"top_p": 0.9}', "--model", "m")))
    )
    assert document["request"] == {
        "stream": True, "min_tokens": 6, "ignore_eos": True, "stream_options": {"include_usage": True},
        "temperature": 0.5, "top_p": 0.9,
    }  # fmt: skip
    assert document["model"] == "m"


# --------------------------------------------------------------------------- the stream, byte by byte


def _answer(data: list[bytes]) -> Any:
    answer = module("_serving_stream").Answer(0, 4)
    answer.status = 200
    for now, piece in enumerate(data, 1):
        answer.feed(piece, float(now))
    answer.end(99.0)
    return answer


STREAM = (
    b': ping\n\ndata: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\r\n\r\n'
    b'data: {"choices":[{"index":0,"delta":{"reasoning_content":"\xe4\xbd\xa0"}}]}\n\n'
    b'event: x\ndata:{"choices":[{"index":0,"delta":{"content":"b"}}],"usage":null}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"completion_tokens":2}}\n\ndata: [DONE]\n\n'
)


def test_events_may_be_cut_anywhere() -> None:
    whole = _answer([STREAM])
    assert (whole.texts, whole.lines, whole.finish, whole.done) == (["你", "b"], 3, "stop", True)
    assert whole.usage == {"completion_tokens": 2}
    assert whole.succeeded
    for step in (1, 2, 3, 7):
        parts = _answer([STREAM[i : i + step] for i in range(0, len(STREAM), step)])
        assert (parts.texts, parts.lines, parts.usage, parts.finish) == (whole.texts, 3, whole.usage, "stop")
        assert list(parts.chunks) == sorted(parts.chunks)


def test_a_chunk_is_stamped_when_its_line_is_complete() -> None:
    cut = STREAM.index(b'"reasoning_content"') + 5
    answer = _answer([STREAM[:cut], STREAM[cut:]])
    assert list(answer.chunks) == [2.0, 2.0]


@pytest.mark.parametrize(
    ("pieces", "failure"),
    [
        ([STREAM.replace(b"data: [DONE]\n\n", b"data: [DONE]")], None),
        ([b'data: {"choices":[{"text":"a"}]}\n\n', b'data: {"choices":[{"text":"b","finish_reason":"stop"}]}'], None),
        ([b'data: {"choices":[{"text":"a"}]}\n\n', b'data: {"choices":[{"te'], ("stream_cut", "it ended without")),
        ([b": ping\n\n"], ("stream_cut", "it ended without")),
        ([], ("stream_cut", "it ended without")),
        ([b'{\n "error": {"mess', b'age": "full"}\n}\n'], ("server_error", "full")),
        ([b'{"error": "' + b"x" * 400 + b'"}'], ("server_error", "x" * 300)),
        ([b"<html>\n<body>gate", b"way</body>"], ("no_stream", "no event came, but <html>\n<body>gateway</body>")),
    ],
)
def test_how_an_answer_may_end(pieces: list[bytes], failure: tuple[str, str] | None) -> None:
    answer = _answer(pieces)
    if failure is None:
        assert answer.succeeded
        assert len(answer.texts) == 2
    else:
        assert answer.failure[0] == failure[0]
        assert answer.failure[1].startswith(failure[1])
