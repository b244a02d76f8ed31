"""FlagPerf inference: one case in three files."""

from __future__ import annotations

import pytest

from llmstats import formats
from llmstats.records import Measurement

from . import parserkit

PARSER = formats.parser("flagperf_inference_log")
RUN = "run20250301090100"
CASE = f"{RUN}/resnet50:pytorch_1.13"
TEXTS = {s.path: s.text for s in PARSER.samples}
CONTAINER = TEXTS[f"result/{CASE}/10.0.0.5_noderank0/container.out.log"]
HOST = TEXTS[f"result/{RUN}/host.out.log"]


def read(path: str, text: str) -> parserkit.Outcome:
    assert formats.detect(parserkit.head(path, text.encode())).parser is PARSER
    return parserkit.read(PARSER, path, text.encode())


def measured(outcome: parserkit.Outcome, run: str) -> dict[tuple[str, str | None], Measurement]:
    return {(m.metric, m.subject): m for m in outcome.of(Measurement) if m.run == run}


def test_container_stdout_and_host_speak_of_one_run() -> None:
    container = read(f"result/{CASE}/10.0.0.5_noderank0/container.out.log", CONTAINER)
    stdout = read(f"result/{CASE}/10.0.0.5_noderank0/stdout_err.out.log", "+ python3 run_inference.py\n" + CONTAINER)
    host = read(f"result/{RUN}/host.out.log", HOST)
    roots = {(o.runs[CASE].name, o.runs[CASE].root) for o in (container, stdout, host)}
    assert roots == {(CASE, f"{parserkit.ROOT}/result/{CASE}")}
    full, again, rounded = (measured(o, CASE) for o in (container, stdout, host))
    assert {k: m.value for k, m in full.items()} == {k: m.value for k, m in again.items()}
    shared = full.keys() & rounded.keys()
    assert ("inference_throughput_core", None) in shared
    for key in shared:
        a, b = full[key], rounded[key]
        assert (a.statistic, a.definition, a.unit, a.batch_size) == (
            b.statistic,
            b.definition,
            b.unit,
            b.batch_size,
        ), key
        assert a.value == pytest.approx(b.value, rel=1e-3)
    assert full["inference_throughput_core", None].precision == "full"
    assert rounded["inference_throughput_core", None].precision == "3"
    assert {m.batch_size for m in full.values()} == {64.0}


def test_result_blocks_belong_to_the_case_named_before() -> None:
    host = read(f"result/{RUN}/host.out.log", HOST)
    llm = measured(host, f"{RUN}/llama2_7b_mmlu:pytorch_2.1")
    assert llm["validation_throughput_core", None].value == 2600.123
    assert llm["inference_throughput_core", None].value is None
    assert llm["memory_used", None].value == 2048.0 * 2**20  # hexaflake labels MiB as GiB
    assert measured(host, CASE)["memory_used", None].value == 28.75 * 2**30
    assert not measured(host, f"{RUN}/bert:pytorch_1.13")


@pytest.mark.parametrize(
    ("case", "word", "unit", "definition"),
    [
        ("resnet50:pytorch_1.13", "qps", "sample/s", "@samples"),
        ("resnet50:pytorch_1.13", "ips", "sample/s", "@samples"),
        ("llama2_7b_mmlu:pytorch_2.1", "tps", "token/s", "@prompt_tokens"),
        ("Aquila_7b_mmlu:pytorch_2.1", "qps", "token/s", "@prompt_tokens"),
        ("llama3_8b:pytorch_2.1", "qps", "token/s", "@prompt_tokens"),
        ("deepseek_7b:pytorch_2.1", "qps", "token/s", "@prompt_tokens"),
        ("some_llm:pytorch_2.1", "tps", "token/s", "@prompt_tokens"),
        ("stable_diffusion_v1_4:pytorch_1.13", "qps", "step/s", "@unet_steps"),
    ],
)
def test_units_are_corrected(case: str, word: str, unit: str, definition: str) -> None:
    line = "2025-03-01 09:10:02.000 | {} | {} - {}\n"
    text = line.format("Init Begin", "__main__:main:26", "") + line.format(
        "INFO    ", "benchmarks.x.pytorch.forward:cal_perf:13", f"Inference(pytorch) core Perf: 12.5 {word}"
    )
    outcome = read(f"result/{RUN}/{case}/h_noderank0/container.out.log", text)
    m = measured(outcome, f"{RUN}/{case}")["inference_throughput_core", None]
    assert (m.value, m.unit, m.definition) == (12.5, unit, f"inference_throughput_core{definition}")


def test_debug_steps_are_no_data() -> None:
    outcome = read("x/container.out.log", CONTAINER)
    step = CONTAINER.split("\n").index(next(line for line in CONTAINER.split("\n") if "Step: 0 / 782" in line)) + 1
    assert step not in outcome.lines


def test_failures() -> None:
    host = read(f"result/{RUN}/host.out.log", HOST)
    assert {name: run.status for name, run in host.runs.items()} == {
        CASE: "completed",
        f"{RUN}/llama2_7b_mmlu:pytorch_2.1": "completed",
        f"{RUN}/bert:pytorch_1.13": "failed",
    }
    cut = read(f"result/{CASE}/h_noderank0/container.out.log", CONTAINER[: CONTAINER.index("Finish Info") - 30])
    assert cut.runs[CASE].status is None
    assert measured(cut, CASE)["inference_throughput_core", None].value == 3600.987654321
