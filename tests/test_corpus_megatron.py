"""Real files of Megatron's family: what the parsers yield equals what plain loops find in the files."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path

import pytest

from llmstats import formats
from llmstats.parsing import Parser, Place
from llmstats.reading import detect

from . import parserkit

PARSERS: dict[str, Parser] = {parser.name: parser for parser in formats.parsers()}
FOLDERS = ("megatron_log", "megatron_deepspeed_log", "megatron_golden_values", "flagscale_gold", "mindspeed_baseline")
#: Files that are no results: stderr of a start that failed, of wandb, of downloads; prose.
NO_RESULTS = {".err", ".md", "stderr.log"}
STEP = re.compile(r"iteration +(\d+)/ *\d+ \|(.*)")


def files(corpus: Path, *folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((corpus / folder).rglob("*")) if path.is_file()]
    assert found
    return found


def format_of(path: Path) -> str | None:
    verdict = detect(Place(str(path)), path.read_bytes()[:65536])
    assert verdict.ambiguous == ()
    return verdict.parser.name if verdict.parser else None


def outcome_of(path: Path) -> parserkit.Outcome:
    name = format_of(path)
    assert name is not None
    return parserkit.read(PARSERS[name], str(path).lstrip("/"), path.read_bytes())


def test_every_results_file_is_recognised(corpus: Path) -> None:
    found: Counter[tuple[str, str | None]] = Counter()
    for path in files(corpus, *FOLDERS):
        if path.suffix not in NO_RESULTS and path.name not in NO_RESULTS:
            found[path.relative_to(corpus).parts[0], format_of(path)] += 1
    assert all(name for _, name in found)
    kinds = {folder: {name for f, name in found if f == folder} for folder in FOLDERS}
    assert kinds["megatron_log"] == {"megatron_log"}
    assert kinds["megatron_deepspeed_log"] == {"megatron_log", "megatron_zeus_events"}
    assert kinds["megatron_golden_values"] == {"megatron_golden_values"}
    assert kinds["flagscale_gold"] == {"flagscale_gold", "megatron_golden_values"}
    assert kinds["mindspeed_baseline"] == {"mindspeed_baseline"}


def test_nothing_else_is_taken(corpus: Path) -> None:
    assert {format_of(path) for path in files(corpus, "misc_negative")}.isdisjoint(
        {name for name in PARSERS if name.startswith(("megatron", "mindspeed", "flagscale_gold"))}
    )


@pytest.mark.parametrize("folder", ["megatron_log", "megatron_deepspeed_log"])
def test_all_values_of_all_step_lines(corpus: Path, folder: str) -> None:
    """Number of values, and their sum, of every ``key: number |`` in every step line."""
    logs = [path for path in files(corpus, folder) if format_of(path) == "megatron_log"]
    assert len(logs) >= 9
    for path in logs:
        outcome = outcome_of(path)
        assert outcome.suspects == []
        expected: Counter[str] = Counter()
        sums: dict[str, float] = {}
        for line in re.split(r"[\r\n]", path.read_text(errors="replace")):
            found = STEP.search(line)
            for pair in found[2].split("|") if found else ():
                key, _, value = (part.strip() for part in pair.rpartition(":"))
                if key and re.fullmatch(r"[-+.\dE]+", value):
                    expected[key] += 1
                    sums[key] = sums.get(key, 0.0) + float(value)
        of_steps = {p.line for p in outcome.points if p.raw_name == "elapsed time per iteration (ms)"}
        given: Counter[str] = Counter()
        totals: dict[str, float] = {}
        for p in outcome.points:
            if p.line in of_steps and not math.isnan(p.value):
                given[p.raw_name] += 1
                factor = PARSERS["megatron_log"].canonical(p.raw_name, "train").factor
                totals[p.raw_name] = totals.get(p.raw_name, 0.0) + p.value / factor
        assert given == expected, path
        assert all(math.isclose(totals[key], sums[key], rel_tol=1e-9) for key in sums), path


def test_memory_timers_and_validation(corpus: Path) -> None:
    for path in files(corpus, "megatron_log", "megatron_deepspeed_log"):
        if format_of(path) != "megatron_log":
            continue
        text = path.read_text(errors="replace")
        raw = Counter(p.raw_name for p in outcome_of(path).points)
        assert raw["allocated"] == len(re.findall(r"iterations\) memory \(MB\) \| allocated: [\d.]+", text)), path
        assert raw["forward-compute (max)"] == len(re.findall(r"forward-compute \.+: \([\d.]+, [\d.]+\)", text)), path
        said = re.findall(r"validation loss at iteration \d+ \| lm loss value: ([\d.E+-]+)", text)
        assert raw["lm loss value"] == len(said), path


def test_two_files_of_one_run(corpus: Path) -> None:
    """Slurm's file holds all nodes; torchrun's the last process alone."""
    paths = [path for path in files(corpus, "megatron_log") if "1861140" in str(path) and "stderr" not in path.name]
    runs = [run for path in paths for run in outcome_of(path).runs.values()]
    assert len(runs) == 2
    assert runs[0].fingerprint == runs[1].fingerprint is not None
    roots = sorted((run.root for run in runs), key=len)
    assert roots[1].startswith(roots[0] + "/")
    assert {run.device_count for run in runs} == {40, None}


def test_golden_values(corpus: Path) -> None:
    for path in files(corpus, "megatron_golden_values", "flagscale_gold"):
        if format_of(path) != "megatron_golden_values":
            continue
        data = json.loads(path.read_text())
        outcome = outcome_of(path)
        points = {(p.raw_name, p.step): p.value for p in outcome.points}
        count = 0
        for key, entry in data.items():
            if not isinstance(entry, dict):
                continue
            values = entry["values"]
            by_step = values if isinstance(values, dict) else {1 + 5 * i: value for i, value in enumerate(values)}
            logged = {int(n): value for n, value in by_step.items() if value != "nan"}
            count += len(logged)
            assert all(points[key, n] == value for n, value in logged.items()), path
        assert count == len(points)


def test_flagscale_patches_give_the_vendors_values(corpus: Path) -> None:
    for path in files(corpus, "flagscale_gold"):
        if format_of(path) == "flagscale_gold":
            (line,) = (line for line in path.read_text().splitlines() if line.startswith('+{"'))
            outcome = outcome_of(path)
            assert [p.value for p in outcome.points] == json.loads(line[1:])["lm loss:"]["values"]
            (run,) = outcome.runs.values()
            assert (run.vendor, run.framework) == ("Cambricon", "flagscale")


def test_mindspeed_baselines(corpus: Path) -> None:
    units = {"lm loss": 1.0, "grad norm": 1.0, "time info": 1e-3, "throughput": 1.0}
    for path in files(corpus, "mindspeed_baseline"):
        if path.suffix != ".json":
            continue
        data = json.loads(path.read_text())
        points = outcome_of(path).points
        for key, factor in units.items():
            expected = [value * factor for value in data.get(key, [])]
            assert [p.value for p in points if p.raw_name == key] == pytest.approx(expected, rel=1e-12)
        peak = {p.rank: p.value for p in points if p.metric == "memory_allocated_peak"}
        assert peak == {entry["rank"]: entry["max allocated memory"] * 1048576 for entry in data["memo info"]}
