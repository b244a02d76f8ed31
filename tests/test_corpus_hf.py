"""Real files of the Hugging Face Trainer's family, read a second time by plain loops of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from llmstats import formats, sources
from llmstats.parsing import HEAD_BYTES
from llmstats.records import Measurement

from . import parserkit

FOLDERS = ("hf_trainer_state", "hf_trainer_stdout", "llamafactory", "msswift_log")
EXPECTED = {
    "trainer_state.json": "hf_trainer_state",
    "all_results.json": "hf_results",
    "train_results.json": "hf_results",
    "trainer_log.jsonl": "llamafactory_trainer_log",
    "args.json": "swift_args",
    "result_WebQSP_ChatGLMv2_p-tuning_epoch200.txt": "hf_trainer_stdout",
    "nohup.out": None,  # two usage messages: no training began
}

Key = tuple[str, str, int | None]


def files(corpus: Path, *names: str) -> list[Path]:
    found = [p for folder in FOLDERS for p in sorted((corpus / folder).rglob("*")) if p.is_file()]
    return [p for p in found if not names or p.name in names]


def detected(path: Path) -> tuple[str, ...]:
    raw = path.read_bytes()[:HEAD_BYTES]
    if sources.classify(raw):
        return ()
    head = parserkit.head(str(path), raw)
    return tuple(p.name for p in formats.parsers() if not p.on_request and p.detect(head))


def outcome(path: Path) -> parserkit.Outcome:
    return parserkit.read(formats.parser(EXPECTED[path.name] or ""), str(path), path.read_bytes())


def said(path: Path, *left: str) -> dict[Key, float]:
    """Raw values of the points of a file by phase, raw name and step; the last line wins."""
    points = [p for p in outcome(path).points if p.raw_name not in left]
    return {(p.phase, p.raw_name, p.step): p.value for p in points}


def test_every_file_is_recognised_as_what_it_is(corpus: Path) -> None:
    for path in files(corpus):
        expected = EXPECTED[path.name]
        assert detected(path) == ((expected,) if expected else ()), path


def same(found: dict[Key, float], expected: dict[Key, float]) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-12, nan_ok=True), key


def history(path: Path) -> Iterator[tuple[Key, float]]:
    for entry in json.loads(path.read_text())["log_history"]:
        if "train_loss" in entry:
            continue
        phase = "val" if "eval_loss" in entry else "train"
        yield from (((phase, k, entry["step"]), v) for k, v in entry.items() if k != "step")


def test_states_hold_their_history(corpus: Path) -> None:
    for path in files(corpus, "trainer_state.json"):
        same(said(path, "total_flos", "best_metric"), dict(history(path)))
        last = [e for e in json.loads(path.read_text())["log_history"] if "train_loss" in e]
        measured = {m.raw_name: m.value for m in outcome(path).of(Measurement)}
        assert measured == {k: v for entry in last for k, v in entry.items() if k != "step"}


def test_results_hold_their_figures(corpus: Path) -> None:
    for path in files(corpus, "all_results.json", "train_results.json"):
        assert {m.raw_name: m.value for m in outcome(path).of(Measurement)} == json.loads(path.read_text())


def spoken(text: str) -> float:
    days, _, clock = text.rpartition(", ")
    hours, minutes, seconds = map(int, clock.split(":"))
    return timedelta(int(days.split()[0] if days else 0), seconds, minutes=minutes, hours=hours).total_seconds()


def progress(path: Path) -> Iterator[tuple[Key, float]]:
    last, total = None, None
    for line in path.read_text().split("\n"):
        row = {k: v for k, v in (json.loads(line) if line else {}).items() if v is not None}
        if not row:
            continue
        phase = "val" if "eval_loss" in row else "train"
        step = row.pop("current_steps")
        if phase == "train":
            last, total = step, row["total_steps"]
        for name, value in row.items():
            if name not in ("total_steps", "percentage"):
                number = spoken(value) if isinstance(value, str) else value
                yield (phase, name, step if row["total_steps"] == total else last), number


def test_progress_holds_its_records(corpus: Path) -> None:
    for path in files(corpus, "trainer_log.jsonl"):
        same(said(path), dict(progress(path)))


def printed(path: Path) -> Iterator[tuple[tuple[int, Key], float]]:
    """Records by the last bar before each: steps are slow enough here for every one to be drawn."""
    run, step = -1, 0
    for line in re.split(r"[\n\r]", path.read_bytes().decode("utf-8", "replace")):
        if "***** Running training *****" in line:
            run += 1
        if bar := re.search(r"\| (\d+)/2[\d]+ \[", line):
            step = int(bar[1])
        if record := re.search(r"\{'loss': ([\d.]+), 'learning_rate': (\S+), 'epoch': ([\d.]+)\}", line):
            names = ("loss", "learning_rate", "epoch")
            yield from (((run, ("train", k, step)), float(v)) for k, v in zip(names, record.groups(), strict=True))


def test_stdout_holds_its_records_at_their_steps(corpus: Path) -> None:
    for path in files(corpus, "result_WebQSP_ChatGLMv2_p-tuning_epoch200.txt"):
        expected = dict(printed(path))
        points = [p for p in outcome(path).points if p.raw_name != "tqdm"]
        found = {(int(p.run.endswith("#2")), (p.phase, p.raw_name, p.step)): p.value for p in points}
        assert found == expected
        assert len(expected) == 3 * 1644
