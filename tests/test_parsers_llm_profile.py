"""``llm_profiler.py`` and ``benchmark_client.py``: one measurement in several files, and who wrote what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmstats import formats
from llmstats.errors import ParseError
from llmstats.records import Measurement, Run

from . import parserkit

FAMILY = ("llm_profile_log", "llm_profile_json", "llm_profile_csv", "lightllm_benchmark")
SAMPLES = [(formats.parser(name), sample) for name in FAMILY for sample in formats.parser(name).samples]


def sample(name: str, path: str) -> str:
    return next(s.text for s in formats.parser(name).samples if s.path == path)


LOG = sample("llm_profile_log", "results/log/test_log_bz8_input256_output128.log")
DUMP = sample("llm_profile_json", "results/dump.json")
TABLE = sample("llm_profile_csv", "results/test_results_deepseek_r1.csv")


def read(name: str, path: str, text: str) -> tuple[Run, dict[tuple[str, str], Measurement]]:
    outcome = parserkit.read(formats.parser(name), path, text.encode())
    (run,) = outcome.runs.values()
    return run, {(m.metric, m.statistic): m for m in outcome.of(Measurement)}


def test_log_table_and_dump_speak_of_one_measurement() -> None:
    log, of_log = read("llm_profile_log", "d/results/log/test_log_bz8_input256_output128.log", LOG)
    row, of_row = read("llm_profile_csv", "d/results/test_results_deepseek_r1.csv", TABLE)
    dump, of_dump = read("llm_profile_json", "d/results/dump.json", DUMP)
    assert (log.name, log.root) == (row.name, row.root) == ("results/bz8_input256_output128", "/data/logs/d/results")
    assert log.fingerprint == row.fingerprint == dump.fingerprint
    assert dump.root == log.root
    only_printed = {("failed_requests", "value"), ("success_rate", "value")}
    assert of_row.keys() == of_dump.keys() == of_log.keys() - only_printed
    for key, m in of_row.items():
        assert m.value == of_log[key].value == of_dump[key].value, key
        assert m.precision == of_log[key].precision == of_dump[key].precision == "full"
        assert m.definition == of_log[key].definition == of_dump[key].definition
        assert (m.input_len, m.output_len, m.concurrency) == (256, 128, 8)
        assert (of_log[key].input_len, of_log[key].output_len, of_log[key].concurrency) == (256, 128, 8)
        assert (of_dump[key].input_len, of_dump[key].output_len, of_dump[key].concurrency) == (None, None, 8)
        assert m.conditions == of_log[key].conditions == {"output_len_mode": "constant"}


def test_every_value_says_where_it_stands() -> None:
    """Lines are physical ones, also behind a progress bar that a carriage return moves."""
    raw = LOG.encode()
    assert raw.count(b"\r") == 2
    physical = LOG.split("\n")
    _, measured = read("llm_profile_log", "results/log/test_log_bz8_input256_output128.log", LOG)
    for m in measured.values():
        if m.metric != "failed_requests":
            assert m.raw_value in physical[(m.line or 0) - 1], m


@pytest.mark.parametrize(
    ("average", "mode"),
    [(128.0, "constant"), (129.5, "constant"), (131.0, "random"), (90.25, "random"), (60.0, None)],
)
def test_how_output_lengths_were_drawn(average: float, mode: str | None) -> None:
    text = json.dumps({**json.loads(DUMP), "Avg Output Length": average})
    _, measured = read("llm_profile_json", "d/dump_input256_output128.json", text)
    expected: dict[str, Any] = {"output_len_mode": mode} if mode else {}
    assert all(m.conditions == expected for m in measured.values())


def test_one_token_has_no_time_per_token() -> None:
    """What stands there is the gap to the event that closes the stream."""
    name = "test_log_bz8_input256_output1"
    table = TABLE.replace("\n256,128,", "\n256,1,")
    one = [
        read("llm_profile_log", f"d/results/log/{name}.log", LOG),
        read("llm_profile_json", f"d/results/log/{name}.json", DUMP),
        read("llm_profile_csv", "d/results/test_results_deepseek_r1.csv", table),
    ]
    for run, measured in one:
        assert run.name == "results/bz8_input256_output1"
        assert {metric for metric, _ in measured} >= {"ttft", "e2e_latency", "output_tokens_per_second"}
        assert "tpot" not in {metric for metric, _ in measured}


@pytest.mark.parametrize(("parser", "sample"), SAMPLES, ids=[f"{p.name}-{s.path}" for p, s in SAMPLES])
def test_no_beginning_of_a_file_is_ambiguous(parser: Any, sample: Any) -> None:
    """Whatever part of a file is there yet: its own format or none, never two and never the other program's."""
    raw = sample.text.encode()
    for cut in range(0, len(raw), 3):
        head = parserkit.head(sample.path, raw[:cut])
        assert {p.name for p in formats.parsers() if p.detect(head)} <= {parser.name}, raw[:cut][-60:]


def test_failed_cells_share_no_fingerprint() -> None:
    failed = sample("llm_profile_log", "results/log/test_log_bz8_input512_output128.log")
    run, _ = read("llm_profile_log", "results/log/test_log_bz8_input512_output128.log", failed)
    assert (run.status, run.fingerprint) == ("failed", None)


def test_half_a_row_gives_no_cut_number() -> None:
    whole = read("llm_profile_csv", "results/a.csv", TABLE)[1]
    for cut in range(1, 8):
        _, measured = read("llm_profile_csv", "results/a.csv", TABLE.rstrip("\r\n")[:-cut])
        assert ("tpot", "max") not in measured
        assert all(m.value == whole[key].value for key, m in measured.items())


def test_a_first_table_and_its_logs_name_no_clients() -> None:
    log = sample("llm_profile_log", "v1/test_log_input256_output128.log")
    run, measured = read("llm_profile_log", "v1/test_log_input256_output128.log", log)
    table = sample("llm_profile_csv", "v1/test_results.csv")
    rows = parserkit.read(formats.parser("llm_profile_csv"), "v1/test_results.csv", table.encode()).runs
    assert rows[run.name].fingerprint == run.fingerprint
    assert {m.concurrency for m in measured.values()} == {1.0}


@pytest.mark.parametrize("text", ["{", "[]", '{"clients": "8"}', '{"clients": 8, "Total QPS": []}'])
def test_broken_dump(text: str) -> None:
    with pytest.raises(ParseError):
        parserkit.read(formats.parser("llm_profile_json"), "a.json", text.encode())


def test_printed_dict_is_never_evaluated() -> None:
    head, _, _ = LOG.rpartition("{'backend'")
    harmful = head + "{'backend': __import__('os').getpid(), 'clients': 8}\n"
    _, measured = read("llm_profile_log", "results/log/test_log_bz8_input256_output128.log", harmful)
    assert measured["ttft", "p50"].precision == "6"


def test_other_lightllm_benchmark_is_not_taken_for_this_one() -> None:
    text = sample("lightllm_benchmark", "light/out.log").replace("Avg Input", "Sender QPS: 13.0\nAvg Input")
    assert formats.detect(parserkit.head("light/qps.log", text.encode())).parser is None
