"""``llmstats run serving``: profiles any OpenAI-compatible server.

One directory per sweep::

    run.json                                   settings, environment, how it ended
    test_results_serving.csv                   AIChipBenchmark's table, a row per completed cell (closed loop)
    log/test_log_bz8_input256_output128.log    llm_profiler's report        .json: its dump
    cells/bz8_input256_output128.json          our numbers, each with the id of its definition
    cells/….requests.jsonl                     one request per line, written as they end
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from llmstats.errors import InputError, LlmstatsError
from llmstats.running import RUN_JSON, Job, Plan, Runner

if TYPE_CHECKING:
    from ._serving_settings import Settings

TABLE = "test_results_serving.csv"


def _numbers(kind: Callable[[str], Any], least: float) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """``256,512`` as a tuple; each at least so much, and none twice."""

    def read(_ctx: click.Context, param: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        try:
            values = tuple(dict.fromkeys(kind(part) for part in text.split(",")))
        except ValueError:
            raise click.BadParameter(f"{text!r} is no list of numbers like 256,512", param=param) from None
        if not all(least <= value < float("inf") for value in values):
            raise click.BadParameter(f"each must be at least {least:g}", param=param)
        return values

    return read


def _json(_ctx: click.Context, param: click.Parameter, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as why:
        raise click.BadParameter(f"not JSON: {why}", param=param) from None
    if not isinstance(value, dict):
        raise click.BadParameter("a JSON object is needed", param=param)
    return value


def _option(name: str, help_text: str, **more: Any) -> click.Option:
    """An option with underscores, as llm_profile.py has it, and with dashes."""
    names = [f"--{name}"] + ([f"--{name.replace('_', '-')}"] if "_" in name else [])
    return click.Option([*names, name], help=help_text, **more)


_WHOLE, _RATE = _numbers(int, 1), _numbers(float, 1e-6)


class Serving(Runner):
    """A client that asks a server elsewhere."""

    name = "serving"
    title = "Profile an OpenAI-compatible server, one cell or a sweep."
    about = (
        "Takes the flags of AIChipBenchmark's llm_profile.py; --input_len, --output_len and --num_clients take lists "
        "(256,512), which is its benchmark_all.py.  Writes its log, dump and table, our own JSON with the definition "
        "of each number, and one line per request."
    )
    works_here = False
    needs_place = True
    options = (
        _option("url", "Endpoint: …/v1/completions or …/v1/chat/completions."),
        _option("num_clients", "Concurrent clients (closed loop); a number or a list.", callback=_WHOLE),
        _option("request_rate", "Requests per second, Poisson arrivals (open loop); a list as well.", callback=_RATE),
        _option("tokenizer_path", "Local directory of the model's tokenizer."),
        _option("input_len", "Tokens of each prompt; a number or a list.", callback=_WHOLE),
        _option("output_len", "Tokens of each answer; a number or a list.", callback=_WHOLE),
        _option("input_num", "Requests per cell. Default: twice the clients.", type=click.IntRange(1)),
        _option("trust_remote_code", "Run code that the tokenizer's directory brings.", is_flag=True, default=None),
        _option("model", "Model to ask for. Default: the one that the server names."),
        _option("server_api", "What serves (vllm, sglang, …); kept with the results."),
        _option("seed", "Of prompts and arrivals. Default: 0.", type=int),
        _option("warmup", "Requests before each cell that are not counted. Default: 1.", type=click.IntRange(0)),
        _option("timeout", "Seconds without a byte after which a request is given up. Default: 600.",
                type=click.FloatRange(0, min_open=True)),
        _option("wait", "Seconds to wait for a server that does not answer. Default: 30.", type=click.FloatRange(0)),
        _option("temperature", "Sampling temperature. Default: the server's.", type=click.FloatRange(0)),
        _option("extra_body", "JSON object with more fields for every request.", callback=_json),
        _option("chunk_times", "Keep when each chunk came, request by request.", is_flag=True, default=None),
        _option("vendor", "Vendor of the server's devices; a client cannot see them."),
        _option("device", "Model of the server's devices."),
        _option("device_count", "Number of the server's devices.", type=click.IntRange(1)),
        _option("precision", "Precision that the server computes in."),
        _option("resume", "Directory of an earlier start that has ended: its complete cells are not repeated.",
                type=click.Path(exists=True, file_okay=False)),
    )  # fmt: skip

    def plan(self, given: Mapping[str, Any]) -> Plan:
        from ._serving_http import Target
        from ._serving_settings import resumed, settings, stored

        job_path = given.get("resume")
        before = _told(job_path) if job_path else {}
        made = resumed(before.get("config", {}).get("sweep", {}), given, job_path) if job_path else settings(given)
        Target.of(made.url)
        cells = made.cells()
        named = {key: given.get(key) or before.get(key) for key in ("vendor", "device", "device_count", "precision")}
        facts = {
            "kind": "serving",
            "framework": made.server_api or None,
            "model": made.model,
            **named,
            "config": {"sweep": stored(made)},
        }
        words = [f"cell {cell.name}: {cell.words}" for cell in cells]
        begun = None if job_path else _begun(given, stored(made))
        return Plan(
            "serving",
            files=[*([TABLE] if made.num_clients else []), *_files(bool(made.num_clients))],
            notes=[*words, *made.remarks()],
            warnings=[f"{begun} was begun with the same settings and not completed: --resume {begun}"] if begun else [],
            facts=facts,
            settings=made,
            resumes=job_path,
        )

    def run(self, plan: Plan, job: Job) -> int:
        try:
            from ._serving_sweep import perform
        except ImportError as why:
            raise InputError(f"{why}; serving needs: pip install 'llmstats[runners]'") from why
        made: Settings = plan.settings
        return perform(job, made, TABLE)


def _files(closed: bool) -> list[str]:
    return [
        *(["log/test_log_CELL.log", "log/test_log_CELL.json"] if closed else []),
        "cells/CELL.json",
        "cells/CELL.requests.jsonl",
    ]


def _begun(given: Mapping[str, Any], sweep: Mapping[str, Any]) -> str | None:
    """The last job of this name and these settings, if it was not completed."""
    parent = os.path.join(given.get("work_dir") or "work_dirs", given.get("name") or "serving")
    for path in sorted(glob.glob(f"{glob.escape(parent)}/*/{RUN_JSON}"), reverse=True):
        try:
            with open(path, encoding="utf-8") as file:
                told = json.load(file)
            if told["facts"]["config"]["sweep"] == sweep:
                return None if told["status"] == "completed" else os.path.dirname(path)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # another's, or half of one
    return None


def _told(path: str) -> dict[str, Any]:
    """Facts of an earlier start.

    Raises:
        LlmstatsError: its run.json is missing or broken.
    """
    try:
        with open(f"{path}/{RUN_JSON}", encoding="utf-8") as file:
            facts = json.load(file)["facts"]
    except (OSError, ValueError, KeyError, TypeError) as why:
        raise LlmstatsError(
            f"--resume {path}: no readable {RUN_JSON} there ({why}); give the directory that was printed"
        ) from why
    return facts if isinstance(facts, dict) else {}
