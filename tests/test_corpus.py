"""Real logs of OpenMMLab's family, where ``LLMSTATS_CORPUS`` names a corpus; `test_corpus_whole` reads all of it.

Records and points are counted a second time here, by plain loops that share nothing with the parsers.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from llmstats import formats, sources
from llmstats.parsing import HEAD_BYTES, Parser
from llmstats.records import Run

from . import parserkit

CORPUS = Path(os.environ.get("LLMSTATS_CORPUS") or "no corpus")
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus of real logs: LLMSTATS_CORPUS is not set")

#: What the files of a folder are; a folder that is not here may hold anything, but nothing ambiguous.
EXPECTED = {
    "mmengine_json": {".json": "mmengine_scalars"},
    "mmengine_log": {".json": "mmengine_scalars", ".log": "mmengine_log", "": "mmengine_last_checkpoint"},
    "mmengine_xtuner": {".log": "mmengine_log", ".md": None, ".rst": None, "": "mmengine_last_checkpoint"},
    "mmcv1_log": {".log": "mmcv1_log", ".json": "mmcv1_log_json", ".out": None},
    "misc_negative": {".log": None},
}

Key = tuple[str, str, int | None]


@cache
def files(*folders: str) -> tuple[Path, ...]:
    found = CORPUS.rglob("*") if not folders else (p for folder in folders for p in (CORPUS / folder).rglob("*"))
    return tuple(sorted(path for path in found if path.is_file()))


@cache
def answers(path: Path) -> tuple[str, ...]:
    """Names of the formats that recognise a file."""
    with path.open("rb") as file:
        raw = file.read(HEAD_BYTES)
    if not raw or sources.classify(raw):
        return ()
    verdict = formats.detect(parserkit.head(str(path), raw))
    return (verdict.parser.name,) if verdict.parser else verdict.ambiguous


def paths_of(name: str) -> list[Path]:
    if not CORPUS.is_dir():
        return []
    return [
        path for path in files("mmengine_json", "mmengine_log", "mmengine_xtuner", "mmcv1_log") if name in answers(path)
    ]


@cache
def outcome(path: Path) -> parserkit.Outcome:
    parser = formats.parser(answers(path)[0])
    return parserkit.read(parser, str(path.relative_to(CORPUS)), path.read_bytes())


def lines_of(path: Path) -> list[str]:
    return path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n").split("\n")


# --------------------------------------------------------------------------- detection


@pytest.mark.parametrize("folder", EXPECTED)
def test_files_are_recognised_as_what_they_are(folder: str) -> None:
    for path in files(folder):
        expected = EXPECTED[folder][path.suffix]
        assert answers(path) == ((expected,) if expected else ()), path


# --------------------------------------------------------------------------- the same files, read by plain loops


def mmengine_text(path: Path) -> Iterator[tuple[Key, float]]:
    """Fields between two spaces; several learning rates between one."""
    last = None
    for line in lines_of(path):
        found = re.match(
            r".* - mmengine - INFO - (Epoch|Iter)\((train|val|test)\)(?: *\[ *(\d+)\])? ?\[ *(\d+)/ *(\d+)\]", line
        )
        if not found:
            continue
        by, phase, epoch, i, n = found.groups()
        if phase == "train":
            last = int(i) + ((int(epoch) - 1) * int(n) if by == "Epoch" else 0)
        for part in re.split(r"  +", line[found.end() :].strip()):
            for pair in part.split(" lr: "):
                name, _, text = (pair if ":" in pair else f"lr: {pair}").partition(": ")
                if name and name != "eta":
                    yield (phase, name, last), float(text)


def mmengine_json(path: Path) -> Iterator[tuple[Key, float]]:
    last = None
    for line in lines_of(path):
        if line.startswith("{"):
            row = json.loads(line)
            phase = "train" if "lr" in row else "val"
            last = row["step"] if phase == "train" else last
            yield from (((phase, k, last), float(v)) for k, v in row.items() if k not in ("step", "iter", "epoch"))


def mmcv_text(path: Path) -> Iterator[tuple[Key, float]]:
    last = None
    for line in lines_of(path):
        found = re.match(r".* - mmdet - INFO - Epoch(\(val\))? \[(\d+)\]\[(\d+)(?:/(\d+))?\]\t", line)
        if not found:
            continue
        val, epoch, i, n = found.groups()
        last = last if val else (int(epoch) - 1) * int(n) + int(i)
        rest = re.sub(r"eta: .*?, time", "time", line[found.end() :])
        for name, text in (part.split(": ") for part in rest.split(", ") if part):
            if " " not in text:
                yield ("val" if val else "train", name, last), float(text)


def mmcv_json(path: Path) -> Iterator[tuple[Key, float]]:
    """The length of an epoch comes from the text log beside."""
    beside = path.with_name(path.name.removesuffix(".json")).read_text("utf-8", "replace")
    length = int(re.search(r"INFO - Epoch \[\d+\]\[\d+/(\d+)\]", beside)[1])
    last = None
    for line in lines_of(path)[1:]:
        if line:
            row = json.loads(line)
            last = (row["epoch"] - 1) * length + row["iter"] if row["mode"] == "train" else last
            for name, value in row.items():
                if name not in ("mode", "epoch", "iter") and not isinstance(value, str):
                    yield (row["mode"], name, last), float(value)


LOOPS = {
    "mmengine_log": mmengine_text,
    "mmengine_scalars": mmengine_json,
    "mmcv1_log": mmcv_text,
    "mmcv1_log_json": mmcv_json,
}
PATHS = [
    pytest.param(name, path, id=f"{name}-{path.parent.name}-{path.name}") for name in LOOPS for path in paths_of(name)
]


def parsed(path: Path) -> dict[Key, float]:
    """Raw names as the plain loops see them; the last line of a step counts."""
    points = sorted(outcome(path).points, key=lambda p: p.line)
    factors = {p.raw_name: formats.parser(answers(path)[0]).canonical(p.raw_name, p.phase).factor for p in points}
    return {(p.phase, p.raw_name, p.step): p.value / factors[p.raw_name] for p in points if p.raw_name != "eta"}


@pytest.mark.parametrize(("name", "path"), PATHS or [pytest.param("", Path(), id="none")])
def test_every_record_and_every_value(name: str, path: Path) -> None:
    expected = dict(LOOPS[name](path))
    found = parsed(path)
    assert found.keys() == expected.keys()
    assert all(parserkit.same(found[key], value) for key, value in expected.items())
    assert not outcome(path).suspects


def records(path: Path) -> int:
    """Lines that are records, by the coarsest sign."""
    sign = {
        "mmengine_log": re.compile(r" - INFO - (Epoch|Iter)\((train|val|test)\)"),
        "mmcv1_log": re.compile(r" - INFO - (Epoch|Iter)(\(val\))? \["),
        "mmengine_scalars": re.compile(r'"step":'),
        "mmcv1_log_json": re.compile(r'^\{"mode":'),
    }[answers(path)[0]]
    return sum(bool(sign.search(line)) for line in lines_of(path))


@pytest.mark.parametrize(("name", "path"), PATHS or [pytest.param("", Path(), id="none")])
def test_matched_lines_are_the_records(name: str, path: Path) -> None:
    assert outcome(path).matched == records(path)


def only_run(path: Path) -> Run:
    (run,) = outcome(path).runs.values()
    return run


def pairs_of_files() -> list[tuple[Path, Path]]:
    """Text log and JSON file of the same run."""
    mmcv = [(path.with_name(path.name.removesuffix(".json")), path) for path in paths_of("mmcv1_log_json")]
    scalars = [(path.parent.parent / f"{path.parent.parent.name}.log", path) for path in paths_of("mmengine_scalars")]
    return [(text, path) for text, path in mmcv + scalars if text.exists()]


def canonical(path: Path) -> set[Key]:
    return {(p.phase, p.metric, p.step) for p in outcome(path).points}


@pytest.mark.parametrize(("text", "path"), pairs_of_files() or [pytest.param(Path(), Path(), id="none")])
def test_files_of_one_run_say_the_same(text: Path, path: Path) -> None:
    """Nothing counts twice: what both files hold has the same run, phase, metric and step."""
    for fact in ("name", "root", "experiment"):
        assert getattr(only_run(text), fact) == getattr(only_run(path), fact)
    only_in_text = {(phase, metric) for phase, metric, _ in canonical(text) - canonical(path)}
    only_in_json = {(phase, metric) for phase, metric, _ in canonical(path) - canonical(text)}
    assert only_in_text <= {("train", "eta"), ("val", "eta"), ("val", "memory_allocated_peak")}
    assert only_in_json <= {("val", "learning_rate")}


def test_every_parser_survives_every_head() -> None:
    """Detection and a first stretch of any file end without an exception."""
    for path in files("misc_negative", "mmengine_xtuner"):
        raw = path.read_bytes()[: 1 << 16]
        for name in LOOPS:
            parser: Parser = formats.parser(name)
            parserkit.read(parser, path.name, raw)
