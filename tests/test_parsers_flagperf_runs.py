"""FlagPerf: what the samples cannot say - files that speak of one run, cards in order, slips of the writers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import llmstats as ls
from llmstats import formats
from llmstats.records import Issue, Measurement, Points

from . import parserkit

RUN = "run20250301090100"


def read(path: str, text: str, **how: object) -> parserkit.Outcome:
    verdict = formats.detect(parserkit.head(path, text.encode()))
    assert verdict.parser is not None, path
    return parserkit.read(verdict.parser, path, text.encode(), **how)  # type: ignore[arg-type]


def series(outcome: parserkit.Outcome, raw: str) -> dict[int | None, list[float]]:
    found: dict[int | None, list[float]] = {}
    for item in outcome.of(Points):
        if raw in item.values:
            found.setdefault(item.device_index, []).extend(item.values[raw].values.tolist())
    return found


# --------------------------------------------------------------------------- one run in many files

CASE = "computation-BF16:X1"
RESULTS = (
    "[FlagPerf Result]Rank 0's computation-BF16=287.12TFLOPS\n[FlagPerf Result]Rank 1's computation-BF16=286.5TFLOPS\n"
)


def base_tree(root: Path) -> Path:
    """A run directory of base with one case: its log, monitors, the run's log and the summary."""
    line = "2025-03-01 09:10:00,123\t[INFO]\t[run.py,465]{}\n"
    said = [f"======= Testcase: {CASE} =======", "Noderank 0 with IP 10.0.0.5", "1) Performance:"]
    said += ["  " + text.partition("]")[2] for text in RESULTS.splitlines()]
    files = {
        f"{CASE}/10.0.0.5_noderank0/benchmark.log.txt": RESULTS,
        f"{CASE}/10.0.0.5_noderank0/metax_monitor.log": "2025-03-01-09:10:05\n35C 58W 666/65536 MiB\n7%\n\n",
        f"{CASE}/10.0.0.5_noderank0/cpu_monitor.log": "2025-03-01-09:10:05\t0.25\n",
        "flagperf_run.log": "2025-03-01 09:10:00 FlagperfLogger started.\n" + "".join(map(line.format, said)),
        "detail_result.json": json.dumps(
            {"10.0.0.5": {"vendor": {"temp": {"0": [35.0]}, "power": {}, "mem": {}, "max_mem": None}, "cpu": [0.25],
                          "mem": [], "pwr": [], "flagperf": RESULTS.splitlines()}}
        ),
    }  # fmt: skip
    for name, text in files.items():
        path = root / RUN / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_all_files_of_a_base_case_are_one_run(tmp_path: Path) -> None:
    db = ls.open(str(tmp_path / "x.duckdb"))
    db.ingest(str(base_tree(tmp_path / "result")))
    runs = db.query("SELECT run_id, vendor, device, status FROM runs").rows
    assert [tuple(row) for row in runs] == [(f"{RUN}/{CASE}", "MetaX", "X1", "completed")]
    values = db.query("SELECT value FROM measurements WHERE metric = 'achieved_flops' ORDER BY value").rows
    assert [row[0] for row in values] == [286.5e12, 287.12e12]
    metrics = {row[0] for row in db.query("SELECT DISTINCT metric FROM points").rows}
    assert metrics == {"temperature", "power", "memory_used", "memory_total", "utilisation", "cpu_utilisation"}


def test_monitors_of_an_inference_lie_on_the_run_of_its_log() -> None:
    path = f"result/{RUN}/resnet50:pytorch_1.13/10.0.0.5_noderank0"
    monitor = read(f"{path}/nvidia_monitor.log", "2025-03-01-09:10:05\n31C 57W 15MiB 40536MiB 0%\n\n")
    log = formats.parser("flagperf_inference_log")
    container = next(s for s in log.samples if s.path.endswith("container.out.log"))
    outcome = parserkit.read(log, f"{path}/container.out.log", container.raw)
    assert {(r.name, r.root) for r in monitor.runs.values()} == {(r.name, r.root) for r in outcome.runs.values()}


# --------------------------------------------------------------------------- monitors


def test_cards_are_counted_within_a_sample_also_where_their_rows_differ() -> None:
    cards = "31C 57W 15MiB 40536MiB 0%\n32C N/A 16MiB 40536MiB 1%\n33C 59W 17MiB 40536MiB 100%\n\n"
    text = "".join(f"2025-03-01-09:10:{second:02}\n{cards}" for second in range(10))
    for cuts in ([], [30], [60, 61, 150]):
        outcome = read("a/b/nvidia_monitor.log", text, cuts=cuts)
        assert series(outcome, "temp C") == {0: [31.0] * 10, 1: [32.0] * 10, 2: [33.0] * 10}
        assert series(outcome, "power W") == {0: [57.0] * 10, 2: [59.0] * 10}
    times = np.concatenate([p.times for p in outcome.of(Points) if p.device_index == 0])
    assert np.diff(times).tolist() == [1_000_000] * 9


def test_two_chips_of_one_ascend_card_are_two_devices() -> None:
    text = (
        "2025-03-01-09:10:05\n"
        "| 0     Ascend910           | OK            | 170.0       38                0    / 0             |\n"
        "| 0     0                   | 0000:9D:00.0  | 20          0    / 0          3146 / 65536         |\n"
        "| 0     Ascend910           | OK            | -           37                0    / 0             |\n"
        "| 1     1                   | 0000:9F:00.0  | 30          0    / 0          2883 / 65536         |\n"
        "| 0       0                 | 12345         | python3     | 2800                                    |\n"
    )
    outcome = read("a/b/ascend_monitor.log", text)
    assert series(outcome, "temp C") == {0: [38.0], 1: [37.0]}
    assert series(outcome, "power W") == {0: [170.0]}
    assert series(outcome, "used MB") == {0: [3146.0], 1: [2883.0]}
    assert next(iter(outcome.runs.values())).device == "Ascend910"


# --------------------------------------------------------------------------- results


@pytest.mark.parametrize(
    ("case", "definition", "remarks"),
    [
        ("llama2_7b:deepspeed:X1:2:8:1", "tgs@flagperf_times_nodes_squared", 1),
        ("llama2_7b:deepspeed:X1:1:8:1", "tgs@flagperf_case", 0),
        ("baichuan2_13b:deepspeed:X1:2:8:1", "tgs@flagperf_case", 0),
    ],
)
def test_the_wrong_formula_of_one_case_has_a_definition_of_its_own(case: str, definition: str, remarks: int) -> None:
    text = "System tokens per second:  1.5\nTokens/p/s:  0.5\n"
    outcome = read(f"result/{RUN}/{case}/round1/h_noderank0/rank0.log.txt", text)
    value = next(m for m in outcome.of(Measurement) if m.metric == "tokens_per_second_per_device")
    assert (value.value, value.definition) == (0.5, definition)
    assert len(outcome.of(Issue)) == remarks


def test_a_toolkit_that_prints_the_name_of_another_test() -> None:
    path = f"result/{RUN}/interconnect-P2P_interserver:A100/h_noderank0/toolkit.log.txt"
    outcome = read(path, "[FlagPerf Result]interconnect-MPI_intraserver-bandwidth=23.5GB/s\n")
    value = outcome.of(Measurement)[0]
    assert (value.subject, value.raw_name) == (
        "interconnect-P2P_interserver",
        "interconnect-MPI_intraserver-bandwidth",
    )
    assert [issue.suspect for issue in outcome.of(Issue)] == [False]


def test_nodes_of_a_case_are_told_apart() -> None:
    text = "[FlagPerf Result]computation-FP16=300.5 TFLOPS\n"
    for node, conditions in ((0, {}), (1, {"node": 1})):
        outcome = read(f"result/{RUN}/computation-FP16:X1/h{node}_noderank{node}/toolkit.log.txt", text)
        assert outcome.of(Measurement)[0].conditions == conditions


# --------------------------------------------------------------------------- frameworks inside a case

MEGATRON = (
    " iteration {:8d}/     900 | consumed samples: {:12d} | elapsed time per iteration (ms): 1234.5 | learning rate: "
    "1.0E-04 | global batch size:     8 | lm loss: 9.1E+00 | loss scale: 1.0 | grad norm: 1.0 |\n"
)
TITAN = (
    "[rank0]:[titan] 2025-03-01 09:10:01,123 - root - INFO - step: {:2d}  loss: {:2d}.5  memory: 4.5GiB(5.2%)  tps: 9\n"
)
DEEPSPEED = "[2025-03-01 09:10:05,123] [INFO] [logging.py:96:log_dist] [Rank 0] step={}, skipped=0, lr=[{}e-05]\n"
RESULT = "System tokens per second:  8.5\nTokens/p/s:  1.0625\nMFU:  0.25\n"
NODE = f"result/{RUN}/llama3_8B:megatron_core060:X1:1:8:1/round1/h_noderank0"


@pytest.mark.parametrize("line", [MEGATRON, TITAN, DEEPSPEED])
@pytest.mark.parametrize("path", [f"{NODE}/rank0.log.txt", f"{NODE}/rank0.out.log", "flat/rank0.log.txt"])
def test_steps_and_results_of_a_task_are_one_run(path: str, line: str) -> None:
    """The result stands beyond what detection sees; nobody else claims the file."""
    text = "".join(line.format(step, step) for step in range(1, 900)) + RESULT
    head = parserkit.head(path, text.encode())
    assert [p.name for p in formats.parsers() if not p.on_request and p.detect(head)] == ["flagperf_training_log"]
    outcome = read(path, text)
    (run,) = outcome.runs
    assert {p.run for p in outcome.of(Points)} == {run}
    assert {m.metric: m.value for m in outcome.of(Measurement)} == {
        "tokens_per_second": 8.5,
        "tokens_per_second_per_device": 1.0625,
        "mfu": 0.25,
    }
    assert len({point.step for point in outcome.points}) == 899


@pytest.mark.parametrize("name", ["megatron.log.txt", "flagscale.log.txt", "outputs_x/logs/host_0_10.0.0.5.output"])
def test_logs_of_the_framework_beside_it_belong_to_the_same_run(name: str) -> None:
    outcomes = [read(f"{NODE}/{n}", MEGATRON.format(1, 8)) for n in (name, "rank0.log.txt")]
    first, second = (next(iter(outcome.runs.values())) for outcome in outcomes)
    assert (first.name, first.root) == (second.name, second.root)


@pytest.mark.parametrize(("nodes", "status"), [(1, "failed"), (2, None)])
def test_of_several_nodes_only_one_prints_step_times(nodes: int, status: str | None) -> None:
    path = f"result/{RUN}/llama3_8B:megatron_core060:X1:{nodes}:8:1/round1/h_noderank0/rank0.log.txt"
    outcome = read(path, "Tokens/p/s:  -512.0\n")
    assert [run.status for run in outcome.runs.values()] == [status]
    assert [m.value for m in outcome.of(Measurement)] == [None]


def test_results_that_ranks_wrote_into_one_line() -> None:
    text = (
        "[FlagPerf Result]Rank 0's computation-FP16=1.5TFLOPS[FlagPerf Result]Rank 1's computation-FP16=2.5TFLOPS\n\n"
    )
    values = read("a/b/benchmark.log.txt", text).of(Measurement)
    assert [(m.conditions, m.value) for m in values] == [({"rank": 0}, 1.5e12), ({"rank": 1}, 2.5e12)]
