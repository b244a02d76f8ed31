"""MLPerf: what several files of one submission say together, and what one sample line cannot show."""

from __future__ import annotations

from pathlib import Path

import pytest

import llmstats as ls
from llmstats import formats
from llmstats.records import Measurement

from . import parserkit

DETAIL = formats.parser("mlperf_inference_detail").samples[0]
POWER = formats.parser("mlperf_power_log").samples[0]
SUMMARY = formats.parser("mlperf_inference_summary").samples[0]
SYSTEM = formats.parser("mlperf_system_json").samples[0]
TRAINING = formats.parser("mlperf_training_log").samples[0]
RUN = "closed/Acme/box16/mixtral-8x7b/Server/performance/run_1"


def put(root: Path, path: str, text: str | bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text.encode() if isinstance(text, str) else text)


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    """A submission with all files of one inference run, a training result and the system's description."""
    performance = "closed/Acme/results/box16/mixtral-8x7b/Server/performance"
    put(tmp_path, f"{performance}/run_1/mlperf_log_summary.txt", SUMMARY.text)
    put(tmp_path, f"{performance}/run_1/mlperf_log_detail.txt", DETAIL.text)
    put(tmp_path, f"{performance}/power/server.log", POWER.text)
    put(tmp_path, "closed/Acme/systems/box16.json", SYSTEM.text)
    put(tmp_path, "closed/Acme/results/box16/llama2_70b_lora/result_0.txt", TRAINING.text)
    put(tmp_path, "closed/Acme/results/box16/llama2_70b_lora/scaling.json", '{"scaling_factor": 1.25}')
    return tmp_path


def test_files_of_one_run_are_one_run(submission: Path, tmp_path: Path) -> None:
    db = ls.open(str(tmp_path / "x.duckdb"))
    db.ingest(str(submission))
    runs = db.query("SELECT run_id, device, device_count, status FROM runs ORDER BY run_id").pl().rows()
    assert runs == [
        ("Acme/box16/llama2_70b_lora/result_0", "NVIDIA H200", 16, "completed"),
        (RUN, "NVIDIA H200", 16, "completed"),
    ]
    power = db.query("SELECT count(*) FROM points WHERE metric = 'system_power'").pl().item()
    assert power == 1


def test_one_value_has_one_home(submission: Path, tmp_path: Path) -> None:
    """The summary and the detail log speak of the same latency; the store shows it once."""
    [detail] = submission.rglob("mlperf_log_detail.txt")
    same = str(DETAIL.text).replace('"value": 364,', '"value": 311.6,').replace("436315697", "583266539")
    detail.write_text(same)
    db = ls.open(str(tmp_path / "x.duckdb"))
    db.ingest(str(submission))
    rows = db.query("SELECT value, request_rate FROM measurements WHERE metric = 'ttft' AND statistic = 'p99'").pl()
    assert rows.rows() == [(0.583266539, 311.6)]


def test_scaling_factor_is_said_of_the_results(submission: Path, tmp_path: Path) -> None:
    db = ls.open(str(tmp_path / "x.duckdb"))
    db.ingest(str(submission))
    query = "SELECT json_extract(environment, '$.rcp_scaling_factor')::DOUBLE FROM runs WHERE run_id LIKE '%result_0'"
    assert db.query(query).pl().item() == 1.25


def test_all_samples_of_a_power_reply_are_read() -> None:
    """The meter answers with hours of samples on one line."""
    rows = [f"Time,07-28-2025 08:00:{s:02d}.500,Watts,{900 + s}.5,Volts,210,Amps,4.5,PF,0.98" for s in range(60)]
    text = (
        "ptd-server 2025-07-28 07:59:00,000 [INFO] Starting testing mode\n"
        f"ptd-server 2025-07-28 08:01:00,000 [INFO] Reply from ptd: '{chr(92) + 'n'}'\n"
        "ptd-server 2025-07-28 08:01:00,000 [INFO] Reply from ptd: '" + "\\n".join(rows) + "'\n"
    )
    outcome = parserkit.read(formats.parser("mlperf_power_log"), POWER.path, text.encode())
    watts = [p for p in outcome.points if p.metric == "system_power"]
    assert [p.value for p in watts] == [900.5 + s for s in range(60)]
    assert watts[1].time - watts[0].time == 1_000_000


def test_first_stop_counts() -> None:
    """The score is from the last run_start before the first run_stop."""
    line = ':::MLLOG {{"namespace": "", "time_ms": {}, "key": "{}", "value": null, "metadata": {{"status": "{}"}}}}\n'
    text = "".join(
        line.format(ms, key, status)
        for ms, key, status in [
            (1000, "run_start", ""), (2000, "run_start", ""),
            (9000, "run_stop", "success"), (9500, "run_stop", "aborted"),
        ]
    )  # fmt: skip
    outcome = parserkit.read(formats.parser("mlperf_training_log"), TRAINING.path, text.encode())
    [time] = [m for m in outcome.of(Measurement) if m.metric == "time_to_train"]
    assert time.value == 7.0
    assert next(iter(outcome.runs.values())).status == "completed"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("x/closed/box/m/Server/performance/run_2/f.txt", "closed/box/m/Server/performance/run_2"),
        ("inference_results_v4.1/closed/A/results/box/m/Offline/accuracy/f.txt",
         "inference_results_v4.1/closed/A/box/m/Offline/accuracy"),
        ("closed-power/box/m/Server/TEST01/performance/run_1/f.txt",
         "closed-power/box/m/Server/TEST01/performance/run_1"),
        ("home/me/box/bert/offline/performance/run_1/f.txt", "box/bert/offline/performance/run_1"),
    ],
)  # fmt: skip
def test_runs_are_named_by_their_place(path: str, name: str) -> None:
    outcome = parserkit.read(formats.parser("mlperf_inference_summary"), path, str(SUMMARY.text).encode())
    assert list(outcome.runs) == [name]
