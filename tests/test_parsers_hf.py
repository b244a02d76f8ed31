"""The Hugging Face Trainer's family: what several files of one run must agree on, and steps that no record says."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

import llmstats
from llmstats import formats

from . import parserkit

STDOUT = formats.parser("hf_trainer_stdout")
LOSSES = [2.5, 2.25, 2.125, 1.75, 1.5]


def state(steps: int) -> str:
    history = [{"loss": LOSSES[i], "learning_rate": 1e-5, "epoch": i / 10, "step": 10 * i + 10} for i in range(steps)]
    if steps == len(LOSSES):
        history.append({"train_loss": 2.0, "train_runtime": 50.25, "epoch": 0.5, "step": 50, "total_flos": 1.5e15})
    head = {"is_local_process_zero": True, "global_step": steps * 10, "max_steps": 50}
    return json.dumps({**head, "log_history": history}, indent=2)


def trainer_log() -> str:
    rows = [
        {"current_steps": 10 * i + 10, "total_steps": 50, "loss": loss, "lr": 1e-5, "epoch": i / 10,
         "percentage": 20 * i + 20, "elapsed_time": f"0:00:{10 * i + 10:02}", "throughput": 1000.5}
        for i, loss in enumerate(LOSSES)
    ]  # fmt: skip
    return "".join(json.dumps(row) + "\n" for row in rows)


def stdout(bars: bool = True, begin: str = "") -> str:
    lines = [begin] if begin else []
    for i, loss in enumerate(LOSSES):
        lines.append(f"{{'loss': '{loss}', 'learning_rate': '1e-05', 'epoch': '{i / 10}'}}")
        if bars:
            lines.append(f" 20%|██        | {10 * i + 10}/50 [00:{10 * i + 10}<00:40,  1.00s/it]")
    return "\n".join([*lines, "{'train_runtime': '50.25', 'train_loss': '2', 'epoch': '0.5'}", ""])


FILES = {
    "out/toy-sft/trainer_state.json": state(5),
    "out/toy-sft/checkpoint-30/trainer_state.json": state(3),
    "out/toy-sft/trainer_log.jsonl": trainer_log(),
    "out/toy-sft/train.log": stdout(),
    "out/toy-sft/all_results.json": json.dumps({"train_loss": 2.0, "train_runtime": 50.25, "epoch": 0.5}),
}


@pytest.mark.parametrize("name", ["trainer_state.json", "train.log"])
@pytest.mark.parametrize(
    ("losses", "precision"),
    [([0.0013, 0.0012, 0.0014], "4"), ([0.0013, 0.00125, 0.0014], "full"), ([0.0013, float("nan"), 0.0014], "4")],
)
def test_losses_that_the_trainer_rounded_are_known_to_four_decimals(
    tmp_path: Path, name: str, losses: list[float], precision: str
) -> None:
    """Before transformers 5 it rounds them before anything is written, so files of all digits have four."""
    records = [{"loss": loss, "learning_rate": 1.25e-05, "epoch": i / 10} for i, loss in enumerate(losses, 1)]
    history = [{**record, "step": i} for i, record in enumerate(records, 1)]
    bars = [f" 33%|███       | {i}/3 [00:0{i}<00:02,  1.00s/it]" for i in (1, 2, 3)]
    texts = {
        "trainer_state.json": json.dumps({"global_step": 3, "max_steps": 3, "log_history": history}),
        "train.log": "".join(f"{record}\n{bar}\n" for record, bar in zip(records, bars, strict=True)),
    }
    (tmp_path / name).write_text(texts[name])
    db = llmstats.open(str(tmp_path / "s.duckdb"))
    db.ingest(tmp_path / name, workers=1)
    found = db.query("SELECT metric, precision FROM series WHERE metric IN ('loss', 'learning_rate') ORDER BY 1")
    assert found.rows == [("learning_rate", "full"), ("loss", precision)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(FILES))))[::29])
def test_one_output_directory_is_one_run_and_says_each_value_once(tmp_path: Path, order: tuple[int, ...]) -> None:
    db = llmstats.open(str(tmp_path / "s.duckdb"))
    for i in order:
        name, text = list(FILES.items())[i]
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        db.ingest(tmp_path / name)
    runs = db.query("SELECT run_id, framework, kind, status FROM runs").df()
    assert runs.values.tolist() == [["toy-sft", "LLaMA-Factory", "training", "completed"]]
    points = db.query("SELECT step, value FROM points WHERE metric = 'loss' ORDER BY step").df()
    assert points.values.tolist() == [[10.0 * i + 10, loss] for i, loss in enumerate(LOSSES)]
    measured = db.query("SELECT metric, value FROM measurements ORDER BY metric").df()
    assert measured.values.tolist() == [
        ["epoch_progress", 0.5], ["loss", 2.0], ["train_time", 50.25], ["training_flop", 1.5e15],
    ]  # fmt: skip


def test_repeats_in_one_directory_are_runs_of_their_own(tmp_path: Path) -> None:
    """The same seed gives the same losses: they make no two logs one run."""
    for name in ("first.log", "second.log"):
        (tmp_path / name).write_text(stdout())
    db = llmstats.open(str(tmp_path / "s.duckdb"))
    db.ingest(tmp_path)
    assert len(db.query("SELECT run_id FROM runs").df()) == 2


def steps_of(text: str) -> list[int | None]:
    outcome = parserkit.read(STDOUT, "night/train.log", text.encode())
    return [p.step for p in sorted(outcome.points, key=lambda p: p.line) if p.raw_name == "loss"]


def test_steps_by_bars() -> None:
    assert steps_of(stdout()) == [10, 20, 30, 40, 50]


def test_buffered_records_have_no_bar_of_their_own() -> None:
    """A file as stdout is written in heaps, long after the bars: the bar behind a heap is no record's."""
    bars = "".join(f" 20%|██        | {n}/50 [00:{n}<00:40,  1.00s/it]\n" for n in range(10, 50))
    heap = stdout(bars=False)
    assert steps_of(bars + heap + bars) == [None] * 5
    assert steps_of("  logging_steps=10,\n" + bars + heap) == [10, 20, 30, 40, 50]
    assert steps_of("--logging_steps 10 --logging_first_step True\n" + heap) == [1, 10, 20, 30, 40]
    assert steps_of("logging_steps=10,\nlogging_strategy=epoch,\n" + heap) == [None] * 5


def test_counting_goes_on_after_a_resume() -> None:
    begin = "--logging_steps 10\nContinuing training from global step 25"
    assert steps_of(stdout(bars=False, begin=begin)) == [30, 40, 50, 60, 70]


def test_what_the_logger_repeats_is_one_record() -> None:
    copy = "[INFO|2026-01-15 08:00:00] llamafactory.train.callbacks:143 >> {'loss': 2.5000, 'epoch': 0.00}\n"
    assert steps_of(copy + stdout()) == [10, 20, 30, 40, 50]
    assert steps_of(copy) == [None]


def test_a_second_training_in_one_file_is_a_run_of_its_own() -> None:
    outcome = parserkit.read(STDOUT, "night/train.log", (stdout() + stdout()).encode())
    assert sorted(n for n, run in outcome.runs.items() if not run.covers) == ["night/train", "night/train#2"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b/toy-7b/trainer_state.json", "toy-7b"),
        ("a/b/toy-7b/checkpoint-20/trainer_state.json", "toy-7b"),
        ("a/b/output/trainer_state.json", "b/output"),
        ("w/toy/output/v3-20250422-101811/checkpoint-7/trainer_state.json", "toy/output/v3-20250422-101811"),
        ("w/saves/Toy-7B/lora/sft/trainer_state.json", "Toy-7B/lora/sft"),
    ],
)
def test_a_run_is_called_after_its_output_directory(path: str, name: str) -> None:
    outcome = parserkit.read(formats.parser("hf_trainer_state"), path, state(3).encode())
    assert name in outcome.runs


def test_a_resumed_log_goes_on_in_its_run(tmp_path: Path) -> None:
    """The state of the output directory holds one history; a start from a checkpoint adds no second one."""
    rows = [json.loads(line) for line in trainer_log().splitlines()]
    lost = {**rows[3], "loss": 1.8125}  # done after the checkpoint of step 30, and done again
    again = [{**row, "elapsed_time": f"0:00:0{i + 5}"} for i, row in enumerate(rows[3:])]
    folder = tmp_path / "toy-sft"
    folder.mkdir()
    (folder / "trainer_log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in [*rows[:3], lost, *again]))
    (folder / "trainer_state.json").write_text(state(5))
    db = llmstats.open(str(tmp_path / "s.duckdb"))
    db.ingest(tmp_path)
    assert db.query("SELECT run_id FROM runs").df().run_id.tolist() == ["toy-sft"]
    points = db.query("SELECT value FROM points WHERE metric = 'loss' ORDER BY step").df()
    assert points.value.tolist() == LOSSES


def events(folder: Path, begin: int = 0, losses: list[float] = LOSSES) -> None:
    """What TensorBoardCallback writes of the same training, from the ``begin``-th record on."""
    event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    writer_of = pytest.importorskip("tensorboard.summary.writer.event_file_writer")
    writer = writer_of.EventFileWriter(str(folder))
    for i, loss in enumerate(losses[begin:], begin):
        for tag, value in (("train/loss", loss), ("train/learning_rate", 1e-5), ("train/epoch", i / 10)):
            event = event_pb2.Event(wall_time=1.7e9 + i, step=10 * i + 10)
            event.summary.value.add(tag=tag, simple_value=value)
            writer.add_event(event)
    writer.close()


@pytest.mark.parametrize("begin", [0, 3])
def test_event_files_of_a_run_add_no_values(tmp_path: Path, begin: int) -> None:
    """``runs/`` of the output directory, also of a start that went on from a checkpoint: the state has it all."""
    folder = tmp_path / "toy-sft"
    events(folder / "runs" / "Feb01_08-00-00_node1", begin)
    (folder / "trainer_state.json").write_text(state(5))
    db = llmstats.open(str(tmp_path / "s.duckdb"))
    db.ingest(tmp_path)
    assert db.query("SELECT run_id, framework FROM runs").df().values.tolist() == [["toy-sft", "transformers"]]
    points = db.query("SELECT metric, step, value FROM points WHERE metric = 'loss' ORDER BY step").df()
    assert points.value.tolist() == LOSSES


def test_an_earlier_start_in_the_directory_is_a_run_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "toy-sft"
    events(folder / "runs" / "Jan31_08-00-00_node1", losses=[4.5, 4.25, 4.125, 4.0])
    (folder / "trainer_state.json").write_text(state(5))
    db = llmstats.open(str(tmp_path / "s.duckdb"))
    db.ingest(tmp_path)
    assert len(db.query("SELECT run_id FROM runs").df()) == 2
