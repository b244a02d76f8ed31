"""Real files of DeepSpeed, torchtitan, TensorBoard and MLPerf, read a second time by plain loops."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmstats import formats, reading
from llmstats.parsing import HEAD_BYTES, Place
from llmstats.records import Measurement

from . import parserkit

FOLDERS = {
    "deepspeed_log": r"\.log$",
    "torchtitan_log": r"run\.log$|\.tsv$",
    "tensorboard_tfevents": r"",
    "mlperf_training_log": r"",
    "mlperf_inference": r"",
    "mlperf_system_desc": r"",
}
NAMES = {
    "deepspeed_log": {"deepspeed_log"},
    "torchtitan_log": {"torchtitan_log", "autoresearch_results_tsv"},
    "tensorboard_tfevents": {"tensorboard_events"},
    "mlperf_training_log": {"mlperf_training_log", "mlperf_scaling_json"},
    "mlperf_inference": {"mlperf_inference_summary", "mlperf_inference_detail", "mlperf_power_log"},
    "mlperf_system_desc": {"mlperf_system_json"},
}


def files(corpus: Path, folder: str) -> Iterator[Path]:
    return (path for path in sorted((corpus / folder).rglob("*")) if path.is_file())


def outcome(name: str, path: Path) -> parserkit.Outcome:
    return parserkit.read(formats.parser(name), str(path).lstrip("/"), path.read_bytes())


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_result_is_recognised(corpus: Path, folder: str) -> None:
    for path in files(corpus, folder):
        if re.search(FOLDERS[folder], path.name):
            verdict = reading.detect(Place(str(path)), path.read_bytes()[:HEAD_BYTES])
            assert verdict.parser is not None, path
            assert verdict.parser.name in NAMES[folder], path


def test_deepspeed(corpus: Path) -> None:
    seen = 0
    for path in files(corpus, "deepspeed_log"):
        if path.suffix != ".log":
            continue
        text = path.read_text(errors="replace")
        rates = [float(x) for x in re.findall(r"global_step=\d+, RunningAvgSamplesPerSec=(\S+),", text)]
        peaks = [float(x) for x in re.findall(r"MaxMemAllocated=(\S+)GB", text)]
        points = outcome("deepspeed_log", path).points
        if rates:
            got = [p.value for p in points if p.raw_name == "RunningAvgSamplesPerSec"]
            assert sorted(got) == sorted(rates), path
        got = [p.value for p in points if p.raw_name == "MaxMemAllocated"]
        assert sorted(got) == pytest.approx(sorted(x * 1024**3 for x in peaks))
        steps = [int(x) for x in re.findall(r"\[Rank 0\] step=(\d+), skipped=", text)]
        got = [p.step for p in points if p.raw_name in ("skipped", "skipped#2")]
        assert sorted(got) == sorted(steps), path
        seen += len(peaks) + len(steps)
    assert seen > 3000


def test_torchtitan(corpus: Path) -> None:
    seen = 0
    for path in files(corpus, "torchtitan_log"):
        if path.suffix != ".log":
            continue
        plain = re.sub(r"\x1b\[[\d;]*m", "", path.read_text(errors="replace"))
        written = {}
        for step, loss, memory, tps, mfu in re.findall(
            r"step: +(\d+) +loss: +(\S+) .*?memory: +([\d.]+)GiB.*?tps: ([\d,]+) .*?mfu: ([\d.]+)%", plain
        ):
            n = int(step)
            written[n, "loss"] = float(loss)
            written[n, "memory_reserved_peak"] = float(memory) * 2**30
            written[n, "tokens_per_second_per_device"] = float(tps.replace(",", ""))
            written[n, "mfu"] = float(mfu) / 100
        points = {(p.step, p.metric): p.value for p in outcome("torchtitan_log", path).points}
        assert {k: points[k] for k in written} == pytest.approx(written)
        seen += len(written)
    assert seen == 32


def test_autoresearch(corpus: Path) -> None:
    [path] = [path for path in files(corpus, "torchtitan_log") if path.suffix == ".tsv"]
    written = [line.split("\t") for line in path.read_text().splitlines()[1:]]
    rates = [float(row[1]) for row in written if float(row[1])]
    got = outcome("autoresearch_results_tsv", path).of(Measurement)
    assert [m.value for m in got if m.metric == "tokens_per_second_per_device"] == rates
    assert len(rates) > 500


def scalars(raw: bytes) -> Iterator[tuple[str, int, float]]:
    """Tag, step and value of old-style scalars, by walking the bytes of the messages."""
    at = 0
    while at < len(raw):
        (size,) = struct.unpack_from("<Q", raw, at)
        event = raw[at + 12 : at + 12 + size]
        at += 16 + size
        step = 0
        for number, value in fields(event):
            if number == 2:
                step = int(value)
            if number == 5:
                for _, summary in fields(value):
                    parts = dict(fields(summary))
                    if 2 in parts:
                        yield parts[1].decode(), step, struct.unpack("<f", parts[2])[0]


def fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    at = 0

    def varint() -> int:
        nonlocal at
        out = shift = 0
        while True:
            byte = data[at]
            at += 1
            out |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return out

    while at < len(data):
        key = varint()
        kind, number = key & 7, key >> 3
        if kind == 0:
            yield number, varint()
            continue
        size = {1: 8, 5: 4}.get(kind) or varint()
        yield number, data[at : at + size]
        at += size


def test_tensorboard(corpus: Path) -> None:
    seen = 0
    for path in files(corpus, "tensorboard_tfevents"):
        written = [row for row in scalars(path.read_bytes()) if not row[0].endswith(" vs samples")]
        points = [(p.raw_name, p.step, p.value) for p in outcome("tensorboard_events", path).points]
        assert sorted(points) == sorted(written), path
        seen += len(written)
    assert seen > 1000


def mllog(path: Path) -> list[dict[str, object]]:
    lines = (line for line in path.read_text(errors="replace").splitlines() if ":::MLLOG {" in line)
    return [json.loads(line[line.rindex(":::MLLOG ") + 9 :]) for line in lines]


def test_mlperf_training(corpus: Path) -> None:
    seen = 0
    for path in files(corpus, "mlperf_training_log"):
        if path.suffix != ".txt":
            continue
        rows = mllog(path)
        clock = {row["key"]: row["time_ms"] for row in reversed(rows)}
        got = outcome("mlperf_training_log", path)
        [time] = [m.value for m in got.of(Measurement) if m.metric == "time_to_train"]
        assert time == pytest.approx((clock["run_stop"] - clock["run_start"]) / 1000)
        written = [row["value"] for row in rows if row["key"] == "eval_accuracy"]
        assert [p.value for p in got.points if p.raw_name.startswith("eval_accuracy")] == written
        tracked = sum(len(row["value"]) for row in rows if row["key"] == "tracked_stats")
        names = {key for row in rows if row["key"] == "tracked_stats" for key in row["value"]}
        assert len([p for p in got.points if p.raw_name in names]) >= tracked
        [stop] = [row for row in rows if row["key"] == "run_stop"]
        status = {"success": "completed", "aborted": "failed"}[stop["metadata"]["status"]]
        assert next(iter(got.runs.values())).status == status
        seen += len(written)
    assert seen > 100


def test_mlperf_inference(corpus: Path) -> None:
    seen = 0
    for path in files(corpus, "mlperf_inference"):
        if path.name == "mlperf_log_summary.txt":
            got = {m.raw_name: m.value for m in outcome("mlperf_inference_summary", path).of(Measurement)}
            for name, nanoseconds in re.findall(r"^(.*\(ns\)) +: (\d+)$", path.read_text(), re.M):
                assert got.get(name, int(nanoseconds) / 1e9) == int(nanoseconds) / 1e9
                seen += name in got
        elif path.name == "mlperf_log_detail.txt":
            got = {m.raw_name: m.value for m in outcome("mlperf_inference_detail", path).of(Measurement)}
            written = {row["key"]: row["value"] for row in mllog(path) if str(row["key"]).startswith("result_")}
            numbers = {k: v for k, v in written.items() if type(v) in (int, float)}
            in_seconds = {k: v / 1e9 if "_ns" in k or "_token_m" in k else v for k, v in numbers.items()}
            assert {k: v for k, v in got.items() if k != "num_errors"} == in_seconds, path
            seen += len(numbers)
    assert seen > 250


def test_mlperf_power(corpus: Path) -> None:
    seen = 0
    for path in files(corpus, "mlperf_inference"):
        if path.name != "server.log":
            continue
        [reply] = [line for line in path.read_text().splitlines() if "'Time," in line][-1:]
        watts = [float(x) for x in re.findall(r"Time,[^,]*,Watts,([\d.]+),", reply)]
        points = [p.value for p in outcome("mlperf_power_log", path).points if p.metric == "system_power"]
        assert points == watts, path
        seen += len(watts)
    assert seen > 20_000


def test_mlperf_systems(corpus: Path) -> None:
    for path in files(corpus, "mlperf_system_desc"):
        said = json.loads(path.read_text())
        [run] = outcome("mlperf_system_json", path).runs.values()
        assert run.covers
        assert run.device == said["accelerator_model_name"]
        assert run.device_count == int(said["number_of_nodes"]) * int(said["accelerators_per_node"])
        assert run.root.endswith(f"/results/{path.stem}")
