"""The frame of all runners: plan, work directory, run.json, how a run ends, and what the store makes of it."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import llmstats
from llmstats import cli_run, environment, running
from llmstats.cli import main
from llmstats.errors import InputError, LlmstatsError
from llmstats.redact import without_secrets

from .composed import Training

FACTS = {"kind": "training", "framework": "toytrain", "device": "Toy X1", "device_count": 2, "seed": 7}


class Toy(running.Runner):
    """Writes a small mmengine work directory, or ends as it is told."""

    name = "toy"
    title = "A toy."
    about = "Does nothing of use."
    options = (click.Option(["--end"], default="well"),)

    def plan(self, given):
        if given["end"] == "early":
            raise InputError("nothing to do")
        return running.Plan(
            "toy",
            command=["toytrain", "a b"],
            environment={"TOY": "1 2"},
            files=["toy.log"],
            notes=["as it is"],
            warnings=["a toy"],
            facts=FACTS,
            settings=given["end"],
        )

    def run(self, plan, job):
        with job.open("toy.log") as log:
            log.write("begun\n")
        if plan.settings == "hang":
            job.say("hanging")
            time.sleep(60)
        if plan.settings == "user":
            raise LlmstatsError("no such toy")
        if plan.settings == "crash":
            raise ZeroDivisionError("toys")
        if plan.settings == "late":
            job.finish("completed", exit_code=0)
            raise ZeroDivisionError("behind the end")
        if plan.settings == "rule":
            job.finish("stopped", exit_code=0, stopped_by="a rule")
        Training(last=20).write(Path(job.path) / "log")
        return 3 if plan.settings == "badly" else 0


def start(*words, runner=None):
    """The command of a runner, within the group whose errors are messages."""
    command = cli_run._command(runner or Toy())
    group = type(main)("llmstats", commands=[command])
    return CliRunner().invoke(group, ["toy", *words])


def document(folder):
    (path,) = Path(folder).glob("*/*/run.json")
    return json.loads(path.read_text())


def test_a_dry_run_prints_the_plan_and_touches_nothing(tmp_path):
    result = start("--work-dir", str(tmp_path / "w"), "--dry-run", "--name", "night")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "name         night",
        "command      TOY='1 2' toytrain 'a b'",
        "kind         training",
        "framework    toytrain",
        "device       Toy X1",
        "device_count 2",
        "seed         7",
        "writes       toy.log",
        "note         as it is",
        "warning      a toy",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("end", "code", "status", "error"),
    [
        ("well", 0, "completed", None),
        ("badly", 3, "failed", None),
        ("user", 2, "failed", "no such toy"),
        ("crash", 2, "failed", "ZeroDivisionError: toys"),
        ("rule", 0, "stopped", None),
        ("late", 2, "completed", None),
    ],
)
def test_how_it_ended_is_written(tmp_path, end, code, status, error):
    result = start("--work-dir", str(tmp_path), "--end", end)
    assert result.exit_code == code
    assert "Traceback" not in result.output
    told = document(tmp_path)
    assert (told["status"], told["error"], told["runner"]) == (status, error, "toy")
    assert told["facts"] | FACTS == told["facts"]
    assert told["ended_at"] >= told["started_at"]
    folder = Path(result.stdout.strip())
    assert (folder / "toy.log").read_text() == "begun\n"
    assert (folder / "traceback.txt").exists() == (end in ("crash", "late"))
    assert [p.name for p in folder.iterdir() if p.suffix == ".tmp"] == []


def full_disk(monkeypatch, fits):
    """So many files more can be written, then no more."""
    left = [None] * fits

    def write(real):
        def written(*args):
            if not left:
                raise OSError(errno.ENOSPC, "No space left on device")
            left.pop()
            return real(*args)

        return written

    monkeypatch.setattr(os, "fsync", write(os.fsync))
    monkeypatch.setattr(running.Job, "open", write(running.Job.open))


def test_a_full_disk_at_the_start(tmp_path, monkeypatch):
    full_disk(monkeypatch, 0)
    result = start("--work-dir", str(tmp_path))
    assert result.exit_code == 2
    assert re.fullmatch(
        r"llmstats: cannot write \S+/run.json: No space left on device; choose another place: --work-dir",
        result.stderr.splitlines()[-1],
    )
    assert list(tmp_path.glob("*/*/*")) == []


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ("well", "completed, but cannot write"),
        ("badly", "failed, but cannot write"),
        ("rule", "stopped, but cannot write"),
        ("user", "no such toy"),
        ("crash", "toy failed: ZeroDivisionError: toys"),
    ],
)
def test_a_full_disk_at_the_end(tmp_path, monkeypatch, end, says):
    """One message, no traceback; run.json stays as it was, and whole."""
    full_disk(monkeypatch, 2)  # run.json and toy.log
    result = start("--work-dir", str(tmp_path), "--end", end)
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[-1].startswith(f"llmstats: {says}")
    assert len(lines) == 2  # a warning before it, no details behind it
    assert document(tmp_path)["status"] == "running"
    assert [p.name for p in tmp_path.glob("*/*/*.tmp")] == []


def test_what_cannot_work_starts_nothing(tmp_path):
    result = start("--work-dir", str(tmp_path / "w"), "--end", "early")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "nothing to do" in result.stderr
    assert start("--work-dir", str(tmp_path / "w"), "--name", "../x").exit_code == 2
    (tmp_path / "file").write_text("")
    assert "--work-dir" in start("--work-dir", str(tmp_path / "file" / "w")).stderr
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_two_starts_of_one_second_have_two_directories(tmp_path):
    jobs = [running.Job.start(running.Plan("x"), str(tmp_path), runner="toy", environment={}) for _ in range(3)]
    assert len({job.path for job in jobs}) == 3
    assert all(json.loads(Path(job.file("run.json")).read_text())["status"] == "running" for job in jobs)


CHILD = """
import sys
from tests.test_running import Toy
from llmstats import cli_run
from llmstats.cli import main
group = type(main)("llmstats", commands=[cli_run._command(Toy())])
group(["toy", "--end", "hang", "--work-dir", sys.argv[1]], prog_name="llmstats")
"""


@pytest.mark.parametrize(("number", "status"), [(2, "interrupted"), (15, "interrupted"), (9, "running")])
def test_signals_leave_what_was_written_marked(tmp_path, number, status):
    root = Path(__file__).parents[1]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while "hanging" not in child.stderr.readline():
        assert child.poll() is None
    child.send_signal(signal.Signals(number))
    _, err = child.communicate(timeout=60)
    assert child.returncode == (-9 if number == 9 else 130)
    assert "Traceback" not in err
    told = document(tmp_path)
    assert told["status"] == status
    (log,) = tmp_path.glob("*/*/toy.log")
    assert log.read_text() == "begun\n"


def test_ingested_afterwards_its_facts_cover_the_runs_below(tmp_path):
    db = str(tmp_path / "x.duckdb")
    result = start("--work-dir", str(tmp_path / "w"), "--end", "badly", "--ingest", "--db", db)
    assert result.exit_code == 3
    (run,) = (
        llmstats.open(db)
        .query(
            "SELECT kind, framework, device, status, environment->>'runner', config->>'seed', "
            "environment->>'exit_code', started_at < '2026-01-01' FROM runs"
        )
        .rows
    )
    # what the log says itself stands (framework, device, times); the rest comes from run.json
    assert run == ("training", "xtuner", "NVIDIA A100-SXM4-80GB", "failed", "toy", "7", "3", True)


def test_the_environment_is_captured_without_secrets(monkeypatch):
    for name, value in {
        "NCCL_DEBUG": "INFO", "VLLM_API_KEY": "hush", "ASCEND_RT_VISIBLE_DEVICES": "0", "MASTER_PORT": "29500",
        "TORCH_AUTH_TOKEN": "hush", "HOME_TOWN": "x", "TOKENIZERS_PARALLELISM": "false",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    told = environment.capture(argv=["llmstats", "run", "toy"])
    kept = told["variables"]
    assert kept["NCCL_DEBUG"] == "INFO"
    assert kept["MASTER_PORT"] == "29500"
    assert kept["TOKENIZERS_PARALLELISM"] == "false"
    assert "hush" not in json.dumps(told)
    assert "HOME_TOWN" not in kept
    assert told["host"] == os.uname().nodename
    assert told["versions"]["numpy"]
    assert told["devices"]
    assert told["cpu_count"] == os.cpu_count()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("train --hf-token hush --eos_token </s> --lr 1e-4", "train --hf-token *** --eos_token </s> --lr 1e-4"),
        ("env WANDB_API_KEY=hush NCCL_DEBUG=INFO t", "env WANDB_API_KEY=*** NCCL_DEBUG=INFO t"),
        ("t --api_key=hush --key=column --password --seed 1", "t --api_key=*** --key=column --password --seed 1"),
        ("get https://me:hush@host/x --tokenizer_path me@x", "get https://***@host/x --tokenizer_path me@x"),
        ("get http://h/x?v=1&key=hush;hush&Sub-Key=hush#y", "get http://h/x?v=1&key=***&Sub-Key=***#y"),
        ("get http://h/x?api%2Dkey=hush", "get http://h/x?api%2Dkey=***"),
    ],
)
def test_a_command_line_is_kept_without_secrets(words, told):
    assert without_secrets(words.split()) == told.split()


def test_secrets_within_a_word_are_hidden():
    script = "export HF_TOKEN=hush; curl -H 'Authorization: Bearer hush' x"
    told = "export HF_TOKEN=***; curl -H 'Authorization: Bearer ***' x"
    assert without_secrets(["bash", "-c", script]) == ["bash", "-c", told]


def test_run_json_holds_no_secret_of_the_command(tmp_path):
    plan = running.Plan("toy", command=["toy", "--api-key", "hush"])
    captured = environment.capture(argv=["llmstats", "run", "toy", "--", "toy", "--api-key", "hush"])
    job = running.Job.start(plan, str(tmp_path), runner="toy", environment=captured)
    assert job.document["command"] == ["toy", "--api-key", "***"]
    assert "hush" not in Path(job.file("run.json")).read_text()
    assert plan.command == ["toy", "--api-key", "hush"], "what is started is whole"


def test_a_commit_is_the_directory_s_own(tmp_path):
    assert environment.git_commit(str(tmp_path)) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@x"]
    (tmp_path / "a").write_text("1")
    for words in (["init", "-q"], ["add", "a"], ["commit", "-qm", "a"]):
        subprocess.run([*git, *words], check=True)
    clean = environment.git_commit(str(tmp_path))
    assert clean is not None
    assert (len(clean["commit"]), clean["dirty"]) == (40, False)
    (tmp_path / "a").write_text("2")
    assert environment.git_commit(str(tmp_path)) == clean | {"dirty": True}


NPU_SMI = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 23.0.9                   Version: 23.0.9                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B9               | OK            | 93.4        48                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          3375 / 65536         |
+===========================+===============+====================================================+
| 1     910B9               | OK            | 90.1        47                0    / 0             |
| 0                         | 0000:01:00.0  | 0           0    / 0          3375 / 65536         |
+===========================+===============+====================================================+
"""
CNMON = """\
| CNMON v5.10.99                                               Driver v5.10.98 |
| Card  VF  Name       Firmware |               Bus-Id |      Util    Ecc-Error |
| Fan   Temp      Pwr:Usage/Cap |         Memory-Usage | SR-IOV    Compute-Mode |
|===============================+======================+========================|
| 0     /   MLU999-M8    v1.1.6 |         0000:69:00.0 | 0%                   0 |
|  0%   35C        64 W/ 300 W  |     0 MiB/ 42396 MiB | N/A            Default |
"""
MX_SMI = """\
| MX-SMI 2.1.9                        Kernel Mode Driver Version: 2.5.099         |
| GPU         NAME                   | Bus-id              | GPU-Util             |
| Temp        Power                  | Memory-Usage        |                      |
|====================================+=====================+======================|
| 0           MXC999                 | 0000:08:00.0        | 0%                   |
| 38C         58W                    | 914/65536 MiB       |                      |
"""
ROCM = json.dumps(
    {
        "card0": {"Card Series": "Toy MI9", "VRAM Total Memory (B)": "68702699520"},
        "system": {"Driver version": "6.7.0"},
    }
)


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("nvidia-smi", "NVIDIA T9, 81559, 550.54.15\nNVIDIA T9, 81559, 550.54.15\n",
         [("NVIDIA", "NVIDIA T9", 81559 << 20, "550.54.15")] * 2),
        ("ixsmi", "Iluvatar BI-V999, 32768, 4.1.0\n", [("Iluvatar", "Iluvatar BI-V999", 32768 << 20, "4.1.0")]),
        ("npu-smi", NPU_SMI, [("Ascend", "910B9", 65536 << 20, "23.0.9")] * 2),
        ("cnmon", CNMON, [("Cambricon", "MLU999-M8", 42396 << 20, "5.10.98")]),
        ("mx-smi", MX_SMI, [("MetaX", "MXC999", 65536 << 20, "2.5.099")]),
        ("rocm-smi", ROCM, [("AMD", "Toy MI9", 68702699520, "6.7.0")]),
    ],
)  # fmt: skip
def test_a_vendor_s_tool_tells_of_the_devices(tmp_path, monkeypatch, tool, text, expected):
    """Real processes: a program of the tool's name on the PATH that prints what the tool prints."""
    (tmp_path / "text").write_text(text)
    script = tmp_path / tool
    script.write_text(f"#!/bin/sh\ncat '{tmp_path}/text'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    found, told_by = environment.devices()
    assert told_by == tool
    assert [(d["vendor"], d["model"], d["memory"], d["driver"]) for d in found] == expected
    assert environment.one_device(found) == found[0]


@pytest.mark.parametrize("tool", list(environment.TOOLS))
def test_a_tool_that_fails_or_babbles_changes_nothing(tmp_path, monkeypatch, tool):
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    for body in ("echo no devices were found; exit 9", "echo hello", "echo '{}'"):
        (tmp_path / tool).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / tool).chmod(0o755)
        found, told_by = environment.devices()
        assert (told_by, len(found)) == ("cpu", 1)
        assert found[0]["model"] == environment.cpu_model()


def test_devices_of_two_kinds_are_not_one():
    assert environment.one_device([]) is None
    assert environment.one_device([{"vendor": "A", "model": "x"}, {"vendor": "A", "model": "y"}]) is None
