"""MindIE-LLM's ModelTest (``run.sh``) and its dialogue test (``run_pa.sh``) on Ascend.

Source: README of DeepSeek-Coder in MindIE-LLM (commands, variables, feature matrix); ``tests/modeltest/run.sh`` and
``examples/models/deepseek/run_pa.sh`` of Ascend/MindIE-LLM v3.0.0 for what the scripts do with them.  Everything is
checked before anything starts, because ``run.sh`` answers most mistakes with exit status 0, minutes later.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import click

from llmstats.running import Job, Plan, Runner, Table

from ._launch import launch
from ._modeltest_command import (
    DIALOGUE,
    PERFORMANCE,
    TESTS,
    TUNING,
    Place,
    Test,
    arguments,
    check_sizes,
    doubts,
    environment,
    installed,
    place,
)
from ._modeltest_matrix import QUANTISATIONS, Asked, Row, contradictions, devices, families, matrix, refuse, table
from ._modeltest_results import collect, failures, results
from ._modeltest_weights import (
    Weights,
    check_chat_template,
    check_precision,
    check_quantisation,
    model_of,
    unknown_quantisations,
    weights_at,
)

LOG = "modeltest.log"
_DEFAULT_CASES = "[[2048,2048],[1024,1024],[512,512],[256,256]]"
_HOMES = ("ASCEND_HOME_PATH", "ATB_HOME_PATH")


class ModelTest(Runner):
    name = "modeltest"
    title = "MindIE-LLM's ModelTest and dialogue test on Ascend: speed, accuracy, or one conversation"
    about = (
        "TEST is a mode of ModelTest's run.sh (performance, full_BoolQ, …) or `dialogue` for run_pa.sh. Device, world"
        " size, precision and quantisation are checked against the vendor's feature matrix and the files of the"
        " weights; what cannot work is refused before anything starts."
    )
    options = (
        click.Argument(["test"], type=click.Choice(TESTS), metavar="TEST"),
        click.Option(
            ["--llm-path"], required=True, envvar="LLM_PATH", type=click.Path(), help="MindIE-LLM's model repository."
        ),
        click.Option(["--weights"], required=True, type=click.Path(), help="Directory of the weights."),
        click.Option(["--device"], required=True, help="The device, as the feature matrix calls it: '800I A2'."),
        click.Option(["--model"], default="deepseek_coder", type=click.Choice(families()), help="Its family."),
        click.Option(["--size"], help="Which model of the family; default: by the layers in config.json."),
        click.Option(["--chips"], type=click.IntRange(1), help="World size; default: the visible chips, else 8."),
        click.Option(["--visible"], envvar="ASCEND_RT_VISIBLE_DEVICES", help="Chips to use; default: the first ones."),
        click.Option(["--precision"], default="fp16", type=click.Choice(["fp16", "bf16"])),
        click.Option(["--quantize"], help="What config.json must say; default: whatever it says."),
        click.Option(["--cases"], default=_DEFAULT_CASES, help="Pairs of input and output length (performance)."),
        click.Option(["--batch-size"], default="1", help="1, or 8,4,1, or one list per case."),
        click.Option(["--batch-range"], default="", help="Pairs of least and most, one per case (performance_maxbs)."),
        click.Option(["--time-limit"], default=0, help="Milliseconds of a decode step (performance_maxbs)."),
        click.Option(["--shots"], default=5, help="Examples in the prompt (full_CEval, full_CMMLU, full_MMLU)."),
        click.Option(["--trust-remote-code"], is_flag=True, help="Let the weights' directory bring its own code."),
        click.Option(
            ["--master-port"], envvar="MASTER_PORT", type=click.IntRange(1024, 65535), help="Default: 20030 (dialogue)."
        ),
    )
    tables = {"matrix": Table("Print the feature matrices, with the place of each row.", table)}

    def plan(self, given: Mapping[str, Any]) -> Plan:
        mode = given["test"]
        rows = matrix(given["model"])
        device = _device(rows, given["device"])
        weights = weights_at(given["weights"])
        row = model_of(rows, weights, given["size"])
        root = os.path.abspath(given["llm_path"])
        script = os.path.join(root, row.cells["dialogue script"])
        directory = installed(root, mode, script)
        where = place(mode, script, given["chips"], given["visible"], given["master_port"])
        test = _test(given, weights, where)
        _check(test, row, device, weights, given["quantize"])
        return Plan(
            name=f"{given['model']}_{row.size}".lower(),
            command=arguments(test, script),
            directory=directory,
            environment=environment(mode, where.visible, where.port, os.environ),
            files=(LOG, *(() if mode == DIALOGUE else ("outputs/results/… (copies)",))),
            notes=list(_notes(mode)),
            warnings=[
                *contradictions(row, _asked(test, device, weights)),
                *doubts(test, where, weights.config.get("max_position_embeddings")),
                *_warnings(test, row, weights),
            ],
            facts=_facts(test, row, device, weights),
        )

    def run(self, plan: Plan, job: Job) -> int:
        talk = plan.facts["config"]["test_mode"] == DIALOGUE  # it leaves no files
        directory = plan.directory or ""
        before = results(directory)
        try:
            code = launch(plan, job, LOG)
        finally:
            if not talk:
                job.facts["results"] = collect(directory, before, job.path)
        told = failures(job.file(LOG))
        if not (code or told or talk or job.facts["results"]):
            told = [f"it ended without an error and without a result: nothing new below {directory}"]
        if code or told:
            reason = "; ".join(told) or f"exit status {code}"
            job.finish("failed", exit_code=code, error=reason)
            job.say(f"failed: {reason} ({job.file(LOG)})")
        return code or int(bool(told))


def _device(rows: list[Row], named: str) -> str:
    """The device in the matrix's own spelling; an unknown name is left for `refuse`."""
    return next((known for known in devices(rows) if known.lower() == named.lower()), named)


def _test(given: Mapping[str, Any], weights: Weights, where: Place) -> Test:
    return Test(
        mode=given["test"],
        model=given["model"],
        weights=weights.path,
        precision=given["precision"],
        chips=where.chips,
        trust=given["trust_remote_code"],
        cases="".join(given["cases"].split()),
        batch_size="".join(given["batch_size"].split()),
        batch_range="".join(given["batch_range"].split()),
        time_limit=given["time_limit"],
        shots=given["shots"],
    )


def _asked(test: Test, device: str, weights: Weights) -> Asked:
    return Asked(device, test.chips, test.precision, tuple(q for q in weights.quantisations if q in QUANTISATIONS))


def _check(test: Test, row: Row, device: str, weights: Weights, quantize: str | None) -> None:
    """What the matrix excludes first: no edit of config.json helps there."""
    refuse(row, _asked(test, device, weights))
    check_precision(weights, test.precision)
    check_quantisation(weights, quantize)
    check_sizes(test)
    if test.mode == DIALOGUE:
        check_chat_template(weights)


def _notes(mode: str) -> Iterator[str]:
    kept = sorted(k for k in TUNING if k in os.environ) if mode == DIALOGUE else []
    if kept:
        yield "left as your environment sets them: " + ", ".join(f"{k}={os.environ[k]}" for k in kept)


def _warnings(test: Test, row: Row, weights: Weights) -> Iterator[str]:
    for quantisation in unknown_quantisations(weights):
        yield f"the feature matrix says nothing of quantize {quantisation!r}: whether it works cannot be told"
    dataset = test.mode.partition("_")[2]
    if test.mode.startswith("full_") and dataset not in row.datasets:
        yield f"ModelTest lists {', '.join(row.datasets)} for this family, not {dataset}"
    missing = [name for name in _HOMES if not os.environ.get(name)]
    if missing:
        yield f"{' and '.join(missing)} not set: source CANN's and ATB's set_env.sh first, or ModelTest ends at once"


def _facts(test: Test, row: Row, device: str, weights: Weights) -> dict[str, Any]:
    dataset = test.mode.partition("_")[2] if test.mode not in (DIALOGUE, *PERFORMANCE) else None
    config = {"test_mode": test.mode, "engine": "pa", "server": device, "batch_size": test.batch_size}
    if test.mode in PERFORMANCE:
        config["cases"] = test.cases
    if weights.quantisations:
        config["quantize"] = "+".join(weights.quantisations)
    return {
        "kind": "evaluation" if dataset else "inference",
        "framework": "MindIE",
        "model": row.model,
        "dataset": dataset,
        "vendor": "Huawei",
        "device_count": test.chips,
        "precision": "+".join((test.precision, *weights.quantisations)),
        "parallelism": f"tp{test.chips}",
        "config": config,
    }
