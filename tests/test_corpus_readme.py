"""Real result pages and operator tables: every value is found a second time by plain loops over the text."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from llmstats import formats
from llmstats.records import Measurement

from . import parserkit

GIB = 2.0**30
#: Column -> what its number must be multiplied with, where the unit does not stand in the cell.
PLAIN = {
    "token/p/s": 1, "p_whole": 1, "p_train": 1, "p_core": 1, "e2e_time": 1, "p_val_whole": 1, "p_val_core": 1,
    "p_infer_whole": 1, "*p_infer_core": 1, "loss": 1, "ppl": 1, "final_bleu": 1,
}  # fmt: skip
GLUED = {
    "TFLOPS": 1e12, "GB/s": 1e9, "us": 1e-6, "op/s": 1, "W": 1, "°C": 1, "GiB": GIB,
}  # fmt: skip
RESULT_HEADER = re.compile(r"token/p/s|p_whole|throughput|性能[(（]|p_infer_whole|测试值|cputime吞吐|Tps")


def pages(*folders: Path) -> list[Path]:
    found = [p for folder in folders for p in sorted(folder.rglob("*")) if p.suffix.lower() == ".md"]
    assert found
    return found


def rows(text: str):
    """Line, column and cell of every table."""
    header: list[str] = []
    for line, words in enumerate(text.split("\n"), 1):
        bare = words.strip().replace("\\*", "*")
        if not bare.count("|"):
            header = []
            continue
        cells = [c.strip() for c in bare.strip("|").split("|")] if bare.startswith("|") else []
        if not header:
            header = cells
        else:
            yield from ((line, k, c) for k, c in zip(header, cells, strict=False))


def plain_values(text: str) -> dict[tuple[int, str], float]:
    """Numbers of the commonest columns."""
    found = {}
    for line, column, cell in rows(text):
        number = re.fullmatch(r"-?[\d.]+", cell)
        glued = re.fullmatch(r"(-?[\d.]+) ?(TFLOPS|GB/s|us|op/s|W|°C|GiB)(?:\([\d.]+GB\))?", cell)
        if column in PLAIN and number:
            found[line, column] = float(cell)
        elif column in ("MFU", "*MFU") and re.fullmatch(r"[\d.]+%", cell):
            found[line, column] = float(cell[:-1]) / 100
        elif column == "mem" and re.fullmatch(r"[\d.]+/ ?[\d.]+", cell):
            found[line, column] = float(cell.split("/")[0]) * GIB
        elif glued and "TDP" not in column and "标定值" not in column:
            found[line, column] = float(glued[1]) * GLUED[glued[2]]
    return found


def read(path: Path, root: Path) -> parserkit.Outcome | None:
    raw = path.read_bytes()
    relative = str(path.relative_to(root))
    parser = formats.detect(parserkit.head(relative, raw)).parser
    return parserkit.read(parser, relative, raw) if parser else None


def test_every_value_of_flagperfs_pages(corpus: Path) -> None:
    seen = 0
    for path in pages(corpus / "flagperf_readme", corpus / "flagperf_readme_other"):
        outcome = read(path, corpus)
        if outcome is None:
            continue
        assert outcome.parser.name == "flagperf_readme", path
        have = {
            (m.line, m.raw_name.replace("\\", "")): m.value
            for m in outcome.of(Measurement)
            if m.metric != "memory_total" or m.subject
        }
        for (line, column), value in plain_values(path.read_text("utf-8")).items():
            if column != "mem" or (line, "mem") in have:
                assert have[line, column] == pytest.approx(value, rel=1e-9), (path, line, column)
                seen += 1
    assert seen > 3000


def test_pages_with_a_table_of_results_and_no_others_are_recognised(corpus: Path) -> None:
    for path in pages(corpus / "flagperf_readme", corpus / "flagperf_readme_other", corpus / "deeplink_readme"):
        text = path.read_text("utf-8")
        headers = [
            a for a, b in zip(text.split("\n"), text.split("\n")[1:], strict=False) if re.match(r"\s*\|[ :|-]*--", b)
        ]
        expected = any(RESULT_HEADER.search(h) for h in headers if "|" in h)
        assert (read(path, corpus) is not None) == expected, path


def test_runs_of_the_pages_have_names_of_their_own(corpus: Path) -> None:
    names: dict[str, Path] = {}
    for path in pages(corpus / "flagperf_readme", corpus / "flagperf_readme_other"):
        outcome = read(path, corpus)
        for name in outcome.runs if outcome else ():
            assert name not in names, (path, names[name])
            names[name] = path
    vendors = {run.vendor for p in names.values() for run in read(p, corpus).runs.values()}
    assert vendors >= {"NVIDIA", "MetaX", "Iluvatar", "Kunlunxin", "Ascend", "Moore Threads", "Hygon"}


@pytest.mark.parametrize(
    ("page", "name", "facts", "values"),
    [
        (
            "training/nvidia/llama3_8B-megatron", "6",
            {"device": "H100", "node_count": 55, "device_count": 440, "parallelism": "PP1DP220TP2"},
            {"tokens_per_second_per_device": 7047.0, "mfu": 0.342, "memory_used": 55 * GIB},
        ),
        (
            "training/ascend/bert_hf", "2",
            {"vendor": "Ascend", "device": "Atlas 800T A2", "device_count": 8, "precision": "amp"},
            {"run_time": 1708.0, "accuracy": 0.658, "memory_total": 64 * GIB},
        ),
        (
            "training/nvidia/llama1_7B-paddle", "13",
            {"model": "LLaMA-13B", "device": "A100 80GB", "parallelism": "TP2PP1SH1SP4", "framework": "paddle"},
            {"tokens_per_second_per_device": 1605.0, "memory_used": 52.27 * GIB},
        ),
        (
            "inference/benchmarks/vit_l_16", "3",
            {"vendor": "Kunlunxin", "device": "R200", "precision": "W32A16", "model": "vit_l_16"},
            {"mfu": 0.279},
        ),
    ],
)  # fmt: skip
def test_rows_read_by_hand(corpus: Path, page: str, name: str, facts: dict, values: dict) -> None:
    outcome = read(corpus / "flagperf_readme" / "FlagOpen__FlagPerf" / page / "README.md", corpus)
    run = outcome.runs[f"{page}/{name}"]
    assert {k: getattr(run, k) for k in facts} == facts
    have = {m.metric: m.value for m in outcome.of(Measurement) if m.run == run.name}
    assert {k: have[k] for k in values} == pytest.approx(values)


def test_operator_tables(corpus: Path) -> None:
    folder = corpus / "deeplink_results"
    tables = sorted(folder.rglob("*.csv"))
    assert tables
    for path in tables:
        outcome = read(path, corpus)
        assert outcome.parser.name == "deeplink_operators", path
        with path.open(encoding="utf-8-sig", newline="") as file:
            want = [float(r[k]) / 1000 for r in csv.DictReader(file) for k in ("baseline", "time") if r[k]]
        assert [m.value for m in outcome.of(Measurement) if m.metric == "operator_time"] == pytest.approx(want)


def test_operator_and_loss_objects(corpus: Path) -> None:
    for path in sorted((corpus / "deeplink_results").rglob("*.json")):
        outcome = read(path, corpus)
        if path.name == "torch.json":
            want = [v["time"] / 1000 for v in json.loads(path.read_text()).values()]
            assert [m.value for m in outcome.of(Measurement)] == pytest.approx(want)
        elif "_loss_" in path.name:
            want = {int(k[4:]) + 1: v for k, v in json.loads(path.read_text()).items()}
            assert {p.step: p.value for p in outcome.points} == want


def test_the_serving_table_of_a_tutorial(corpus: Path) -> None:
    (path,) = (corpus / "vllm_ascend_docs").rglob("suffix_speculative_decoding.md")
    outcome = read(path, corpus)
    assert outcome.parser.name == "serving_readme"
    want, dataset = [], None
    for words in path.read_text("utf-8").split("\n"):
        cells = [c.strip().strip("*") for c in words.strip().strip("|").split("|")]
        if len(cells) == 11 and cells[0] and not cells[1]:
            dataset = cells[0]
        elif len(cells) == 11 and cells[0].isdigit():
            for variant, at in (("Base", 4), ("Suffix", 6)):
                want.append((dataset, variant, float(cells[0]), float(cells[at]) / 1000, float(cells[at + 1])))
    by_case: dict[tuple, dict] = {}
    for m in outcome.of(Measurement):
        by_case.setdefault((*m.run.split("/")[-2:], m.concurrency), {})[m.metric] = m.value
    assert len(want) == 36
    for dataset, variant, concurrency, tpot, tps in want:
        case = by_case[dataset, variant, concurrency]
        assert (case["tpot"], case["output_tokens_per_second"]) == pytest.approx((tpot, tps))
