"""`llmstats run flagperf`: one inference case of a FlagPerf checkout.

FlagPerf's host program (``inference/run.py``) takes no arguments: it reads ``configs/host.yaml`` beside itself.  So it
is started through a directory of links in which that one file is ours, and the checkout stays as it is.  Source of
layout and keys: ``inference/run.py``, ``inference/configs/`` of FlagOpen/FlagPerf.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from llmstats.errors import InputError, LlmstatsError
from llmstats.running import Job, Plan, Runner, safe_name

from ._flagperf_case import Case, case_at
from ._launch import launch

LOG = "host_stdout.log"
HOST_YAML = "host.yaml"
_RUN_DIR = re.compile(r"run\d{14}")


@dataclass(frozen=True)
class _Settings:
    case: Case
    host: Mapping[str, Any]  #: host.yaml as it will be
    python: str

    @property
    def results(self) -> Path:
        return self.case.inference / str(self.host["FLAGPERF_LOG_PATH"])


class FlagPerf(Runner):
    """Thin: FlagPerf builds the image, starts the container and measures; we check, launch and collect."""

    name = "flagperf"
    title = "One inference case of FlagPerf, by its own host program."
    about = """\
CASE is MODEL:FRAMEWORK_VERSION as host.yaml writes it, e.g. llama3_8b_mmlu:pytorch_2.1. What the case needs is checked
first. FlagPerf itself needs docker, ssh to the host, and sudo for its monitors. Its run directory is copied here.
"""
    options = (
        click.Argument(["case"]),
        click.Option(["--flagperf"], required=True, type=click.Path(file_okay=False), help="A checkout of FlagPerf."),
        click.Option(["--data-dir"], type=click.Path(file_okay=False), help="Default: what its host.yaml says."),
        click.Option(["--vendor"], help="As FlagPerf's folders call it. Default: what its host.yaml says."),
        click.Option(["--host"], help="Address of this machine for ssh. Default: what its host.yaml says."),
        click.Option(["--set", "more"], multiple=True, metavar="KEY=VALUE", help="Another key of host.yaml."),
        click.Option(["--python"], default="python3", help="The interpreter that FlagPerf's packages are in."),
    )

    def plan(self, given: Mapping[str, Any]) -> Plan:
        case = case_at(Path(given["flagperf"]).absolute(), given["case"], given["vendor"], given["data_dir"])
        host = _host_yaml(case, given)
        settings = _Settings(case, host, given["python"])
        config = case.configuration
        return Plan(
            safe_name(given["case"]),
            command=[given["python"], "inference/run.py"],
            directory=str(case.root),
            files=["run.json", LOG, HOST_YAML, "run…/ (a copy of FlagPerf's run directory)"],
            notes=[
                f"host.yaml: {json.dumps(host, ensure_ascii=False)}",
                "run.py is started through links, beside that host.yaml: the checkout's own stays as it is",
            ],
            warnings=list(_warnings(case)),
            facts={
                "kind": "inference",
                "framework": case.framework.partition("_")[0],
                "model": case.model,
                "precision": "fp16" if config.get("fp16") else "fp32",
                "config": {"compiler": config.get("compiler"), "batch_size": config.get("batch_size")},
            },
            settings=settings,
        )

    def run(self, plan: Plan, job: Job) -> int:
        settings: _Settings = plan.settings
        text = json.dumps(settings.host, indent=2, ensure_ascii=False) + "\n"  # JSON is YAML
        Path(job.file(HOST_YAML)).write_text(text, "utf-8")
        before = _run_directories(settings.results)
        with tempfile.TemporaryDirectory(prefix="flagperf-") as links:
            _link(settings.case.inference, Path(links), Path(job.file(HOST_YAML)))
            try:
                code = launch(replace(plan, directory=links), job, LOG)
            finally:
                copied = _collect(settings.results, before, job)
        return _judge(job, code, copied, settings.case)


def _host_yaml(case: Case, given: Mapping[str, Any]) -> dict[str, Any]:
    """The checkout's own settings with what this start is about; FlagPerf takes the paths inside as absolute ones."""
    host = dict(case.host_yaml)
    for text in given["more"]:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text!r}: write it as KEY=VALUE")
        host[key] = value
    host |= {
        "FLAGPERF_PATH": str(case.inference),
        "VENDOR": case.vendor,
        "CASES": {case.text: str(case.data)},
    }
    if given["host"]:
        host["HOSTS"] = [given["host"]]
    host.setdefault("FLAGPERF_LOG_PATH", "result")
    return host


def _link(inference: Path, links: Path, host_yaml: Path) -> None:
    """``inference/run.py`` and what it looks for beside itself; it does not resolve links before it looks."""
    (links / "utils").symlink_to(inference.parent / "utils")
    (links / "inference" / "configs").mkdir(parents=True)
    for entry in (*inference.iterdir(), *(inference / "configs").iterdir()):
        if entry.name not in ("configs", HOST_YAML):
            (links / "inference" / entry.relative_to(inference)).symlink_to(entry)
    (links / "inference" / "configs" / HOST_YAML).symlink_to(host_yaml)


def _run_directories(results: Path) -> set[str]:
    return {p.name for p in results.iterdir() if _RUN_DIR.fullmatch(p.name)} if results.is_dir() else set()


def _collect(results: Path, before: set[str], job: Job) -> list[Path]:
    """Copies of the run directories that appeared."""
    copied = []
    for name in sorted(_run_directories(results) - before):
        try:
            copied.append(Path(shutil.copytree(results / name, job.file(name), symlinks=True)))
        except (OSError, shutil.Error) as why:  # what the container wrote may belong to root
            job.note(f"not all of {results / name} could be copied: {why}")
    job.facts["flagperf_run"] = [os.path.join(results, path.name) for path in copied] or None
    return copied


def _judge(job: Job, code: int, copied: list[Path], case: Case) -> int:
    """FlagPerf's host program ends with 0 whether the case ran or not: its Finish Info tells."""
    logs = [log for folder in copied for log in folder.glob("*/*/container.out.log")]
    if code:
        return code
    if any("Finish Info" in log.read_text("utf-8", "replace") for log in logs):
        return 0
    where = f"see {logs[0]}" if logs else f"see {job.file(LOG)}; there is no container.out.log"
    raise LlmstatsError(f"case {case.text} did not finish: no Finish Info; {where}")


def _warnings(case: Case) -> Iterator[str]:
    config = case.configuration
    yield (
        f"FlagPerf's *MFU is over a peak written into docker_images/{case.vendor}/{case.vendor}_analysis.py,"
        " one chip per vendor whatever the card is: compare the flops instead"
    )
    if case.tokens and int(config.get("repeat") or 1) > 1:
        yield f"repeat: {config['repeat']}: this case's rates will be too high by that factor (it counts tokens twice)"
    for program in ("docker", "ssh"):
        if shutil.which(program) is None:
            yield f"{program} is not on the PATH: FlagPerf will not come far"
