"""FlagPerf's result pages: identity, copied words, cells of every form."""

from __future__ import annotations

import pytest

from llmstats import formats
from llmstats.records import Issue, Measurement, Run

from . import parserkit

PARSER = formats.parser("flagperf_readme")
TRAINING = "FlagPerf/training/nvidia/toy_7b-megatron/README.md"
HEADER = "| 配置 | fix_hp | token/p/s | mem |\n| --- | --- | --- | --- |\n"


def read(path: str, text: str) -> parserkit.Outcome:
    assert formats.detect(parserkit.head(path, text.encode())).parser is PARSER
    return parserkit.read(PARSER, path, text.encode())


def row(first: str, path: str = TRAINING, before: str = "") -> Run:
    (run,) = read(path, f"{before}{HEADER}| {first} | / | 100 | 10/80 |\n").runs.values()
    return run


@pytest.mark.parametrize(
    ("cell", "device", "nodes", "devices"),
    [
        ("A100单机8卡（1x8）", "A100", 1, 8),
        ("A100两机8卡(2x8)", "A100", 2, 16),
        ("A800四机32卡（4x8)", "A800", 4, 32),
        ("H1004机32卡（4x8）", "H100", 4, 32),
        ("H100-55机440卡（55x8）", "H100", 55, 440),
        ("R300十机80卡（10x8）", "R300", 10, 80),
        ("BI-V100单机8卡（2x8）", "BI-V100", 2, 16),
        ("R300+ 单机8卡（1x8）", "R300+", 1, 8),
        ("A100单机8卡（1x8*40G）", "A100 40GB", 1, 8),
        ("Atlas 800T A2单机8卡（1x8）（pretrain）", "Atlas 800T A2", 1, 8),
        ("MXC500 两机16卡", "MXC500", 2, 16),
        ("A100单机单卡", "A100", 1, 1),
        ("/ 1机8卡（1x8）", None, 1, 8),
        ("S4000", "S4000", None, None),
    ],
)
def test_first_cells(cell, device, nodes, devices):
    run = row(cell, "tables/page.md")
    assert (run.device, run.node_count, run.device_count) == (device, nodes, devices)


def test_a_row_without_a_chip_takes_the_one_of_the_page():
    for path in ("a/b.md", "FlagPerf/training/mthreads/toy-pytorch/README.md"):
        run = row("单机8卡（1x8）", path, "- 加速卡型号: MTT S4000 48GB\n\n")
        assert (run.device, run.vendor) == ("MTT S4000 48GB", "Moore Threads")


def test_a_chip_copied_from_another_vendors_table_is_not_the_device():
    text = f"- 加速卡型号: Atlas 800T A2\n\n{HEADER}| A100单机8卡（1x8） | / | 100 | 10/64 |\n"
    outcome = read("FlagPerf/training/ascend/toy_7b-deepspeed/README.md", text)
    (run,) = outcome.runs.values()
    assert (run.vendor, run.device, run.framework) == ("Ascend", "Atlas 800T A2", "deepspeed")
    assert [issue.reason for issue in outcome.of(Issue)] == ["the row says A100, the page is about Atlas 800T A2"]
    assert not outcome.suspects


def test_the_same_page_of_two_vendors_is_two_facts():
    text = f"{HEADER}| X1单机8卡（1x8） | / | 100 | 10/80 |\n"
    names = {n for v in ("metax", "dcu") for n in read(f"t/training/{v}/toy-pytorch/README.md", text).runs}
    assert names == {"training/metax/toy-pytorch/1", "training/dcu/toy-pytorch/1"}


def test_names_do_not_depend_on_where_the_tree_lies():
    text = f"{HEADER}| X1单机8卡（1x8） | / | 100 | 10/80 |\n"
    deep = read("base/of/training/FlagPerf/training/metax/toy-pytorch/README.md", text)
    assert list(deep.runs) == ["training/metax/toy-pytorch/1"]
    assert list(read("training/README.md", text).runs) == ["logs/training/1"]


SHARED = """### 2. 模型与权重
{model}
#### 3.1 Nvidia A100
    - 机器、加速卡型号: NVIDIA_A100-SXM4-40GB
### 4. 运行情况（deepseek_7b_MMLU）

| 指标名称 | 指标值索引 | 特殊说明 |
| --- | --- | --- |
| 推理结果 | acc(推理/验证) | 单位为5-shots MMLU回答准确率 |

| 推理工具 | precision | p_infer_whole | \\*p_infer_core | \\*MFU | acc | mem |
| --- | --- | --- | --- | --- | --- | --- |
| inductor | fp16 | 8178.3 | 9051.3 | 46.4% | 65.2%/65.2% | 34.5/40.0 |
"""


@pytest.mark.parametrize(
    ("path", "words", "model"),
    [
        ("p/1.md", "https://huggingface.co/meta/Toy-Llama-8B/tree/main", "Toy-Llama-8B"),
        ("p/2.md", "tokenizer为toy33B开源模型提供：https://model.example", "toy33B"),
        ("p/3.md", "权重：/mnt", None),
        ("F/inference/benchmarks/llama3_8b_mmlu/README.md", "https://huggingface.co/a/B", "llama3_8b_mmlu"),
    ],
)
def test_a_copied_heading_is_not_the_model(path, words, model):
    outcome = read(path, SHARED.format(model=words))
    (run,) = outcome.runs.values()
    assert (run.model, run.precision, run.device) == (model, "fp16", "NVIDIA_A100-SXM4-40GB")
    values = {(m.metric, m.subject): (m.value, m.unit) for m in outcome.of(Measurement)}
    assert values["inference_throughput_core", None] == (9051.3, "token/s")
    assert values["mfu", None] == (0.464, "fraction")
    assert values["accuracy", "inference"][0] == values["accuracy", "validation"][0] == 0.652
    assert values["memory_used", None][0] == pytest.approx(34.5 * 2**30)


def test_tables_of_a_page_share_its_names_and_raw_words():
    text = f"{HEADER}| X1单机8卡（1x8） | / | 100 | 10.5/80 |\n\n{HEADER}| X2单机8卡（1x8） | / | 200 | OOM |\n"
    outcome = read(TRAINING, text)
    assert [(r.device, r.status) for r in outcome.runs.values()] == [("X1", None), ("X2", "failed")]
    assert {(m.run[-1], m.raw_name, m.raw_value, m.precision, m.line) for m in outcome.of(Measurement)} == {
        ("1", "token/p/s", "100", "0", 3), ("1", "mem", "10.5", "1", 3), ("1", "mem", "80", "0", 3),
        ("2", "token/p/s", "200", "0", 7),
    }  # fmt: skip


def test_a_page_that_publishes_nothing_is_recognised_and_empty():
    outcome = read(TRAINING, f"{HEADER}| X1单机8卡（1x8） | / | / | -- |\n| X1 | | \\ | 无 |\n")
    assert not outcome.runs
    assert [issue.reason for issue in outcome.of(Issue)] == ["2 of 2 rows of the table publish no value"]


@pytest.mark.parametrize(
    "text",
    [
        "| 评测项 | cputime | kerneltime |\n| --- | --- | --- |\n| flaggems | {{ cpu }} | {{ kernel }} |\n",
        f"```\n{HEADER}| X1单机8卡（1x8） | / | 100 | 10/80 |\n```\n",
        "运行：`run.sh token/p/s | tee log`\n\n| 监控项 | 日志文件 |\n| --- | --- |\n| mem | a.log |\n",
        "| Dataset | FileName | throughput |\n| --- | --- | --- |\n| a | b | 3 |\n",
    ],
)
def test_a_page_without_results_is_no_result_page(text):
    assert formats.detect(parserkit.head(TRAINING, text.encode())).parser is None


def test_a_last_row_that_was_cut_gives_nothing():
    text = f"{HEADER}| X1单机8卡（1x8） | / | 100 | 10.5/80 |\n| X1单机8卡（1x8） | / | 12"
    assert len(read(TRAINING, text).runs) == 1


def test_numbers_of_an_unknown_table_among_results_are_remarked():
    other = "\n### 运行情况\n\n| 机器+模型 | 正常配置 |\n| --- | --- |\n| A100+toy | 50% |\n"
    outcome = read(TRAINING, f"{HEADER}| X1单机8卡（1x8） | / | 100 | 10/80 |\n{other}")
    assert [issue.reason for issue in outcome.of(Issue)] == ["a table of numbers that was not read"]
