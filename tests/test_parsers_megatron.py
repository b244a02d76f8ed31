"""What the samples of Megatron's formats cannot say: identity across files, growing files, foreign dumps."""

from __future__ import annotations

import math

import pytest

from llmstats import formats
from llmstats.parsing import Parser
from llmstats.records import Request

from . import parserkit

PARSERS: dict[str, Parser] = {parser.name: parser for parser in formats.parsers()}
LOG = PARSERS["megatron_log"]

HEADER = "------------------------ arguments ------------------------\n"
END = "-------------------- end of arguments ---------------------\n"


def step(n: int, ms: float = 1000.5, *, of: int = 100, clock: str = "", **values: str) -> str:
    """A step line; ``values`` replace fields, empty ones leave them out."""
    fields = {
        "consumed samples": f"{n * 8:12d}",
        "elapsed time per iteration (ms)": f"{ms:.1f}",
        "lm loss": f"{10 / n:.6E}",
        "grad norm": "1.500",
        "number of skipped iterations": "  0",
        "number of nan iterations": "  0",
    } | {key.replace("_", " "): value for key, value in values.items()}
    text = "".join(f" {key}: {value} |" for key, value in fields.items() if value)
    return f"{clock} iteration {n:8d}/{of:8d} |{text}\n"


def argument(name: str, value: object) -> str:
    return f"  {name} {'.' * (48 - len(name))} {value}\n"


def detected(path: str, text: str) -> str | None:
    return LOG.detect(parserkit.head(path, text.encode()))


def losses(text: str, path: str = "x/train.log") -> dict[tuple[str, int | None], float]:
    points = parserkit.read(LOG, path, text.encode()).points
    return {(p.run, p.step): p.value for p in points if p.metric == "loss"}


# --------------------------------------------------------------------------- what is a training log


def test_a_tool_that_prints_its_arguments_is_no_training() -> None:
    dump = HEADER + argument("tensor_model_parallel_size", 2) + argument("train_iters", None) + END
    assert detected("a/refit.log", dump + "Warmup: 1 iterations...\n") is None
    trained = dump.replace(argument("train_iters", None), argument("train_iters", 500))
    assert detected("a/train.log", trained) is not None


def test_a_dump_longer_than_what_detection_sees_is_one() -> None:
    cut = HEADER + argument("adlr_autoresume_interval", 1000) + argument("data_path", "/d" * 40_000)
    assert detected("a/train.log", cut) is not None


@pytest.mark.parametrize(
    "line",
    [
        "cmd = pdsh -w a,b export X=1; python3 -u pretrain_gpt.py --tensor-model-parallel-size 4\n",
        "+ torchrun --nproc_per_node 8 pretrain_gpt.py --micro-batch-size 1 --tensor-model-parallel-size 4\n",
    ],
)
def test_a_launcher_that_talks_long_before_the_arguments(line: str) -> None:
    assert detected("a/train.log", line + "noise\n" * 20_000) is not None


def test_prose_about_iterations_is_none() -> None:
    assert (
        detected("a/notes.txt", "at iteration 5/10 | the loss fell\nvalidation loss at iteration 5 was fine\n") is None
    )


# --------------------------------------------------------------------------- steps


def test_a_loss_that_vanished_is_nan_only_where_the_line_says_so() -> None:
    text = (
        step(1)
        + step(2, lm_loss="", grad_norm="nan")
        + step(3, lm_loss="", number_of_nan_iterations="  1")
        + step(4, lm_loss="", grad_norm="nan", number_of_skipped_iterations="  1")
        + step(5, lm_loss="")
    )
    found = {number: value for (_, number), value in losses(text).items()}
    assert found.keys() == {1, 2, 3}
    assert math.isnan(found[2])
    assert math.isnan(found[3])


def test_lines_of_all_processes_are_one_run() -> None:
    text = "".join(f"[default{rank}]:{step(n)}" for n in (1, 2) for rank in (0, 1))
    swapped = "".join(f"[rank{rank}]:{step(n)}" for rank in (0, 1) for n in (1, 2))
    for variant in (text, swapped):
        outcome = parserkit.read(LOG, "x/train.log", variant.encode())
        assert list(outcome.runs) == ["x/train"]
        assert {p.rank for p in outcome.points} == {None}


def test_timers_and_memory_belong_to_the_step_before_and_make_no_step() -> None:
    timer = "    forward-compute ................................: (100.00, 200.00)\n"
    memory = "[Rank 3] (after 1 iterations) memory (MB) | allocated: 1.00 | max allocated: 2.00\n"
    outcome = parserkit.read(LOG, "x/train.log", (timer + step(1) + memory + timer + step(2) + timer).encode())
    assert {p.step for p in outcome.points if p.metric == "loss"} == {1, 2}
    assert {p.step for p in outcome.points if p.raw_name == "forward-compute (max)"} == {None, 1, 2}
    assert {p.rank for p in outcome.points if p.metric == "memory_allocated"} == {3}


def test_two_starts_with_other_sizes_in_one_file_keep_their_own() -> None:
    text = (
        "using world size: 8, data-parallel size: 4, tensor-model-parallel size: 2, pipeline-model-parallel size: 1\n"
        + step(1)
        + "using world size: 16, data-parallel size: 4, tensor-model-parallel size: 4\n"
        + HEADER + argument("world_size", 16) + END
        + step(2)
    )  # fmt: skip
    runs = parserkit.read(LOG, "x/train.log", text.encode()).runs
    assert [(run.device_count, run.parallelism) for run in runs.values()] == [(8, "tp2-dp4"), (16, "tp4-dp4")]


def test_steps_that_go_back_without_a_dump_go_on_under_the_last_one() -> None:
    head = HEADER + argument("global_batch_size", 8) + argument("world_size", 16) + END
    runs = parserkit.read(LOG, "x/train.log", (head + step(1) + step(2) + step(1) + step(2)).encode()).runs
    assert [(r.name, r.device_count, r.config["global_batch_size"]) for r in runs.values()] == [
        ("x/train", 16, 8), ("x/train#2", 16, 8),
    ]  # fmt: skip


def test_arguments_outside_the_dump_are_none() -> None:
    text = argument("op_name", "[OKAY]") + HEADER + argument("bf16", True) + END + argument("fp16", True) + step(1)
    run = parserkit.read(LOG, "x/train.log", text.encode()).runs["x/train"]
    assert run.precision == "bf16"
    assert "fp16" not in run.config
    assert "op_name" not in run.config


def test_every_process_of_a_failed_run_prints_one_error() -> None:
    error = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU {0} has 80 GiB.\n"
    text = step(1) + "".join(f"[rank{n}]: {error.format(n)}" for n in range(8))
    assert [event.kind for event in parserkit.read(LOG, "x/train.log", text.encode()).events] == ["oom"]


# --------------------------------------------------------------------------- which files are one run


def identity(path: str, text: str) -> tuple[str, str, str | None]:
    (run,) = parserkit.read(LOG, path, text.encode()).runs.values()
    return run.name, run.root, run.fingerprint


def test_the_dump_in_one_process_and_the_steps_in_another() -> None:
    first = identity("job/logs/123456/none_ab12/attempt_0/0/stdout.log", HEADER + END)
    last = identity("job/logs/123456/none_zz99/attempt_0/3/stdout.log", step(1) + step(2))
    assert first[:2] == last[:2]
    assert first[0] == "logs/123456"
    assert identity("a/host_0_10.0.0.1.output", HEADER + END)[:2] == identity("a/host_1_x.output", step(1))[:2]


def test_a_copy_below_the_project_has_the_same_fingerprint() -> None:
    text = step(1, 1000.5, clock=" [2026-01-01 00:00:01.250000]") + step(2, clock=" [2026-01-01 00:00:02.500000]")
    slurm = identity("project/logs/9.out", text)
    torchrun = identity("project/results/run/logs/123456/none_a/attempt_0/7/stdout.log", text)
    assert slurm[2] == torchrun[2]
    assert torchrun[1].startswith(slurm[1] + "/")


def test_other_runs_of_one_directory_stay_apart() -> None:
    names = {identity(f"x/logs/{name}", step(1))[0] for name in ("1.out", "2.out", "gpt_node2.log", "gpt_node4.log")}
    assert len(names) == 4


# --------------------------------------------------------------------------- golden values


def test_steps_that_golden_values_fill_up_have_no_value() -> None:
    text = (
        '{"lm loss": {"start_step": 1, "end_step": 3, "step_interval": 1, "values": {"1": 2.5, "2": NaN, "3": "nan"}}}'
    )
    parser = PARSERS["megatron_golden_values"]
    points = parserkit.read(parser, "a/golden_values_dev.json", text.encode()).points
    assert [(p.step, math.isnan(p.value)) for p in points] == [(1, False), (2, True)]


def test_a_request_of_a_static_batch_has_no_latency_of_its_own() -> None:
    parser = PARSERS["megatron_inference_json"]
    static, dynamic = (parserkit.read_sample(parser, sample).of(Request) for sample in parser.samples[:2])
    assert [(r.e2e, r.tpot, r.output_tokens) for r in static] == [(None, 0.5, 3), (None, None, 1)]
    assert [(r.e2e, r.ttft, r.output_tokens) for r in dynamic] == [(2.5, 0.125, 3)]
