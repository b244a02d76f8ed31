"""Real logs of FlagPerf, where ``LLMSTATS_CORPUS`` names a corpus: values read a second time by plain loops."""

from __future__ import annotations

import re
from pathlib import Path

from llmstats import formats
from llmstats.records import Event, Measurement, Points

from . import parserkit

FOLDER = "flagperf_logs/FlagOpen__FlagPerf"
LORA = f"{FOLDER}/training/benchmarks/llama2_7b_finetune/pytorch/log.txt"
CONTAINER = f"{FOLDER}/inference/log/container.out.log"


def read(path: Path, name: str) -> parserkit.Outcome:
    raw = path.read_bytes()
    verdict = formats.detect(parserkit.head(str(path), raw))
    assert verdict.parser is formats.parser(name), verdict
    return parserkit.read(verdict.parser, str(path), raw)


def test_lora_results(corpus: Path) -> None:
    outcome = read(corpus / LORA, "flagperf_training_log")
    text = (corpus / LORA).read_text(encoding="utf-8")
    block = text[text.rindex("System tokens") :]
    plain = re.findall(r"^(?:Key: )?([\w ./()]+?)(?:, Value)?: +([\d.]+)$", block, re.M)
    assert len(plain) == 8
    got = [(m.raw_name, m.raw_value) for m in outcome.of(Measurement) if m.raw_name != "Acc"]
    assert got == plain
    mmlu = next(m for m in outcome.of(Measurement) if m.subject == "MMLU")
    assert mmlu.value == float(re.findall(r"MMLU5-shots Acc: ([\d.]+)", text)[-1])


def test_lora_series(corpus: Path) -> None:
    outcome = read(corpus / LORA, "flagperf_training_log")
    text = (corpus / LORA).read_text(encoding="utf-8")
    bars = re.findall(r"Epoch: (\d)/3, step (\d+)/3110 completed \(loss: ([\d.]+)\): 100%", text)
    expected = {(int(e) - 1) * 3110 + int(s) + 1: float(loss) for e, s, loss in bars}
    assert {p.step: p.value for p in outcome.points if p.step is not None} == expected
    assert sorted(expected) == [3110, 6220, 9330]
    epochs = [float(v) for v in re.findall(r"epoch time ([\d.]+)s", text)]
    assert [p.value for p in outcome.points if p.metric == "epoch_time"] == epochs
    run = next(iter(outcome.runs.values()))
    assert (run.model, run.vendor, run.device, run.device_count) == ("llama2_7b_finetune", "NVIDIA", "A100", 1)
    assert run.status == "completed"


def test_container_log(corpus: Path) -> None:
    outcome = read(corpus / CONTAINER, "flagperf_inference_log")
    text = (corpus / CONTAINER).read_text(encoding="utf-8")
    rates = {m.raw_name: m.value for m in outcome.of(Measurement)}
    core = float(re.findall(r"Inference\(\w+\) core Perf: ([\d.]+)", text)[-1])
    assert core in rates.values()
    assert outcome.of(Event)
    assert not outcome.of(Points)


def test_all_logs_are_recognised(corpus: Path) -> None:
    found = {}
    for path in sorted((corpus / "flagperf_logs").rglob("*")):
        if path.is_file() and path.stat().st_size and path.suffix != ".md":
            verdict = formats.detect(parserkit.head(str(path), path.read_bytes()))
            found[path.name] = verdict.parser and verdict.parser.name
    assert found == {"log.txt": "flagperf_training_log", "container.out.log": "flagperf_inference_log"}


def test_nothing_else_is_taken_for_flagperf(corpus: Path) -> None:
    """Prose is left to the parsers of prose; no log of another program is claimed."""
    ours = [p for p in formats.parsers() if p.name.startswith(("flagperf_", "flagscale_inference")) and not p.documents]
    assert len(ours) >= 9
    for path in sorted(corpus.rglob("*")):
        if path.is_file() and "flagperf" not in str(path.relative_to(corpus)):
            with path.open("rb") as file:
                head = parserkit.head(str(path), file.read(65536))
            assert not [p.name for p in ours if p.detect(head)], path
