"""`llmstats run inference`: a causal language model of transformers on MMLU or LAMBADA, eager and compiled."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from llmstats.errors import InputError, LlmstatsError
from llmstats.running import Job, Plan, Runner, safe_name

from ._accelerator import KINDS
from ._causal_lm import PRECISIONS, check_directory, context_length
from ._inference_report import DUMP, LOG
from ._launch import launch
from ._measure import Settings
from ._tasks import mmlu_files

#: Prompts of FlagPerf's MMLU cases are cut to so many tokens.
MAX_LENGTH = 2048
STDERR = "stderr.log"

_FOLDER = click.Path(file_okay=False)


class Inference(Runner):
    """Seeds of FlagPerf's LLM cases: validation by the framework, then the same through the compiler."""

    name = "inference"
    title = "Measure a transformers model on MMLU or LAMBADA, eager and through torch.compile."
    about = """\
Two passes over the same questions: eager (what FlagPerf calls validation) and inductor (inference). Each gives prompt
tokens per second as a whole and for the synchronised model calls alone (core), accuracy, memory and, for a chip in
the device catalogue, MFU. Writes container.out.log with FlagPerf's Finish Info, and inference.json.
"""
    options = (
        click.Option(["--model"], required=True, type=_FOLDER, help="Directory as save_pretrained writes it."),
        click.Option(["--model-name"], help="What to call the model. Default: the directory's name."),
        click.Option(["--task"], type=click.Choice(["mmlu", "lambada"]), default="mmlu"),
        click.Option(
            ["--data"],
            required=True,
            type=click.Path(),
            help="mmlu: the folder with dev/ and test/; lambada: a file of JSON lines.",
        ),
        click.Option(
            ["--engine", "engines"],
            multiple=True,
            type=click.Choice(["eager", "inductor"]),
            default=["eager", "inductor"],
            help="May be given twice.",
        ),
        click.Option(["--precision"], type=click.Choice(list(PRECISIONS)), default="bf16"),
        click.Option(["--tf32"], is_flag=True, help="fp32 alone: matrix products in TF32."),
        click.Option(["--batch-size"], type=click.IntRange(1), default=1),
        click.Option(["--repeats"], type=click.IntRange(1), default=1, help="Times through all questions."),
        click.Option(["--limit"], type=click.IntRange(1), help="So many questions; MMLU's evenly from its subjects."),
        click.Option(["--few-shots"], type=click.IntRange(0), default=5, help="mmlu: worked examples before each."),
        click.Option(
            ["--max-length"],
            type=click.IntRange(16),
            help=f"Tokens of a prompt at most. Default: {MAX_LENGTH}, or the model's context if that is less.",
        ),
        click.Option(["--device"], type=click.Choice(KINDS), help="Default: the first kind that torch sees."),
        click.Option(
            ["--device-map"],
            type=click.Choice(["auto", "balanced", "balanced_low_0", "sequential"]),
            help="Spread the layers over all devices (needs accelerate).",
        ),
        click.Option(
            ["--tensor-parallel"], type=click.IntRange(1), default=1, help="Split each layer over so many devices."
        ),
        click.Option(["--random-weights"], is_flag=True, help="The model's shape without its weights: speed alone."),
        click.Option(["--seed"], type=int, default=0, help="For --random-weights."),
        click.Option(["--trust-remote-code"], is_flag=True, help="Run Python code that the model's directory brings."),
    )

    def plan(self, given: Mapping[str, Any]) -> Plan:
        config = check_directory(
            given["model"], random_weights=given["random_weights"], trust_remote_code=given["trust_remote_code"]
        )
        _check(given)
        limit, notes = _length(given["max_length"], context_length(config))
        settings = _settings(given, limit)
        if settings.random_weights:
            notes.append("the weights are drawn at random: accuracy and loss will say nothing")
        if "eager" not in settings.engines:
            notes.append("no eager pass: nothing to compare the compiled model's answers with")
        return Plan(
            safe_name(f"{settings.model_name}_{settings.task}"),
            command=_command(settings),
            files=["run.json", LOG, DUMP, STDERR],
            notes=[*notes, "the job's directory is the command's last argument"],
            facts=_facts(settings),
            settings=settings,
        )

    def run(self, plan: Plan, job: Job) -> int:
        assert plan.command is not None
        try:
            code = launch(replace(plan, command=[*plan.command, job.path]), job, STDERR)
        finally:
            told = _dump(job)
            job.facts.update({k: v for k, v in told.get("facts", {}).items() if v is not None})
            job.document["notes"] += told.get("notes", [])
        if code:
            raise LlmstatsError(told.get("error") or f"the measuring process ended with exit code {code}; see {STDERR}")
        return 0


def _check(given: Mapping[str, Any]) -> None:
    """What can be seen to be wrong before anything is loaded.

    Raises:
        InputError: data missing, or options that contradict each other.
    """
    needed = ["torch", "transformers", *(["accelerate"] if given["device_map"] else [])]
    if missing := [name for name in needed if find_spec(name) is None]:
        raise InputError(f"run inference needs {' and '.join(missing)}: pip install 'llmstats[runners]'")
    if given["task"] == "mmlu":
        mmlu_files(given["data"])
    elif not Path(given["data"]).is_file():
        raise InputError(f"--data {given['data']}: no such file; LAMBADA is one file of JSON lines")
    if given["tf32"] and given["precision"] != "fp32":
        raise InputError(f"--tf32 is about fp32; --precision is {given['precision']}")
    if given["device_map"] and given["tensor_parallel"] > 1:
        raise InputError("--device-map spreads layers and --tensor-parallel splits them: one of the two")
    if given["random_weights"] and (given["device_map"] or given["tensor_parallel"] > 1):
        raise InputError("--random-weights works on one device: nothing is loaded that could be spread")


def _length(asked: int | None, context: int | None) -> tuple[int, list[str]]:
    limit = min(asked or MAX_LENGTH, context or asked or MAX_LENGTH)
    if context and asked and asked > context:
        return limit, [f"prompts are cut to the model's context of {context} tokens, not {asked}"]
    return limit, [f"prompts are cut to {limit} tokens" + (f" (context {context})" if context else "")]


def _settings(given: Mapping[str, Any], max_length: int) -> Settings:
    model = os.path.abspath(given["model"])
    taken = {k: given[k] for k in given if k in Settings.__dataclass_fields__}
    more = {
        "model": model,
        "model_name": given["model_name"] or os.path.basename(model),
        "data": os.path.abspath(given["data"]),
        "engines": [e for e in ("eager", "inductor") if e in given["engines"]],
        "max_length": max_length,
    }
    return Settings(**(taken | more))


def _command(settings: Settings) -> list[str]:
    module = ["-m", "llmstats.runners._measure", settings.text()]
    if settings.tensor_parallel == 1:
        return [sys.executable, *module]
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={settings.tensor_parallel}"]
    return [sys.executable, *launcher, *module]


def _facts(settings: Settings) -> dict[str, Any]:
    spread = f"device_map={settings.device_map}" if settings.device_map else None
    return {
        "kind": "inference",
        "framework": "transformers",
        "model": settings.model_name,
        "dataset": settings.task,
        "precision": settings.precision,
        "parallelism": f"TP{settings.tensor_parallel}" if settings.tensor_parallel > 1 else spread,
        "seed": settings.seed,
        "config": {
            "compiler": "inductor" if "inductor" in settings.engines else None,
            "batch_size": settings.batch_size,
            "few_shots": settings.few_shots if settings.task == "mmlu" else None,
            "max_length": settings.max_length,
            "limit": settings.limit,
            "repeats": settings.repeats,
            "random_weights": settings.random_weights,
        },
    }


def _dump(job: Job) -> dict[str, Any]:
    """What the measuring process wrote; empty where it did not come so far."""
    path = Path(job.file(DUMP))
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}
