"""Aggregates of InferenceX (InferenceMAX): one object per point, or a list of them (``agg_bmk.json``).

Times are **seconds** (the keys of vLLM without ``_ms``); ``intvty`` is the reciprocal of TPOT; ``tput_per_gpu`` is per
device.  ``hw`` names the runner (``h200-cw_1``), ``conc`` the clients.  Its studies save vLLM's own object in the same
words (``median_ttft`` in seconds beside ``model_id``); the rows of its public interface keep the numbers in ``metrics``
and call the device ``hardware``; aggregates of agentic traces are nested.
Source: ``utils/process_result.py``, ``utils/aggregate_power.py`` of SemiAnalysisAI/InferenceX.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Issue, Item, Run
from llmstats.training import run_name

from ._inferencex_agentic import is_agentic, leaves, meaning_at
from ._samples_inferencex import SAMPLES
from ._serving import E2E, ITL, TPOT, TTFT, Case, Meaning, measurement, numeric, statistic, whole_number
from ._serving_json import Found, objects
from ._serving_names import USAGE_OR_RETOKENIZED, meaning_of
from ._serving_result import lengths_in, run_base

_TIMES = {
    "ttft": Meaning("ttft", TTFT),
    "tpot": Meaning("tpot", TPOT),
    "itl": Meaning("itl", ITL),
    "e2el": Meaning("e2e_latency", E2E),
    "intvty": Meaning("output_tokens_per_second_per_user", "output_tokens_per_second_per_user@reciprocal_tpot"),
}
_TIME = re.compile(rf"(?P<word>mean|median|std|p\d[\d.]*)_(?P<what>{'|'.join(_TIMES)})")
_NAMES = {
    "tput_per_gpu": Meaning("total_tokens_per_second_per_device"),
    "output_tput_per_gpu": Meaning("output_tokens_per_second_per_device", "output_tokens_per_second_per_device@gpus"),
    "input_tput_per_gpu": Meaning("input_tokens_per_second_per_device", "input_tokens_per_second_per_device@gpus"),
    "avg_power_w": Meaning("power", "power@mean_per_device", statistic="mean"),
    "avg_total_gpu_power_w": Meaning("power", "power@sum_of_devices", statistic="mean"),
    "total_gpu_energy_j": Meaning("energy", "energy@sum_of_devices"),
    "joules_per_successful_query": Meaning("energy_per_request"),
    "joules_per_input_token": Meaning("energy_per_input_token"),
    "joules_per_output_token": Meaning("energy_per_output_token"),
    "joules_per_total_token": Meaning("energy_per_token"),
    "prefill_avg_power_w": Meaning("power", "power@mean_per_device", statistic="mean", subject="prefill"),
    "decode_avg_power_w": Meaning("power", "power@mean_per_device", statistic="mean", subject="decode"),
    "prefill_gpu_energy_j": Meaning("energy", "energy@sum_of_devices", subject="prefill"),
    "decode_gpu_energy_j": Meaning("energy", "energy@sum_of_devices", subject="decode"),
    "prefill_joules_per_input_token": Meaning("energy_per_input_token", subject="prefill"),
    "decode_joules_per_output_token": Meaning("energy_per_output_token", subject="decode"),
}
#: Numbers that say what was measured, not how it went.
_ASKED = re.compile(
    r"conc|isl|osl|tp|pp|ep|dcp_size|pcp_size|.*_(?:tp|pp|ep|dcp_size|pcp_size|num_workers)|num_(?:prefill|decode)_gpu"
    r"|num_prompts|request_rate|burstiness|max_concurrency|power_metric_schema_version|power_valid|allocated_cpu_dram_gb"
    r"|id|num_gpus|num_requests_total|kv_cache_pool_tokens"
)


class InferenceXResult(DocumentParser):
    """One run per point."""

    name = "inferencex_json"
    version = 1
    title = "InferenceX (InferenceMAX) aggregates: agg_*.json, and results in seconds"
    writes = "InferenceX"
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if text.lstrip()[:1] not in ("{", "["):
            return None
        if '"tput_per_gpu"' in text and ('"hw"' in text or '"hardware"' in text) and '"conc"' in text:
            return "keys hw or hardware, conc, tput_per_gpu"
        if '"request_metrics"' in text and '"hw"' in text and '"infmax_model_prefix"' in text:
            return "keys hw, infmax_model_prefix, request_metrics"
        if '"model_id"' in text and '"median_ttft"' in text and '"request_throughput"' in text:
            return "keys model_id, request_throughput, median_ttft (seconds)"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        count = 0
        for found in objects(text):
            if isinstance(found, Issue):
                yield found
            elif is_agentic(found.value) or any(_meaning(key) for key in _flat(found)):
                yield from _point(place, run_name(run_base(place), count), found)
                count += 1
        if not count:
            raise ParseError("no point with a speed or a latency")


def _meaning(key: str) -> Meaning | None:
    if key in _NAMES:
        return _NAMES[key]
    time = _TIME.fullmatch(key)
    if time:
        word = statistic(time["word"])
        return _TIMES[time["what"]].as_statistic(word) if word else None
    return meaning_of(key, USAGE_OR_RETOKENIZED)


def _flat(found: Found) -> dict[str, tuple[Any, int]]:
    """Values by key, and where they stand; those in ``metrics`` among them."""
    inner = found.value.get("metrics")
    nested = (
        {key: (value, found.line("metrics", key)) for key, value in inner.items()} if isinstance(inner, dict) else {}
    )
    return {key: (value, found.line(key)) for key, value in found.value.items() if key != "metrics"} | nested


def _point(place: Place, name: str, found: Found) -> Iterator[Item]:
    value, named = found.value, lengths_in(place.stem)
    case = Case(
        input_len=numeric(value.get("isl", named.get("input_len"))),
        output_len=numeric(value.get("osl", named.get("output_len"))),
        concurrency=numeric(value.get("conc", value.get("max_concurrency"))),
    )
    config: dict[str, Any] = dict(named)
    if is_agentic(value):
        yield from _agentic(name, found, case, config)
    else:
        for key, (item, line) in _flat(found).items():
            meaning = _meaning(key)
            if (
                meaning is None
                and numeric(item) is not None
                and not isinstance(item, str)
                and not _ASKED.fullmatch(key)
            ):
                meaning = Meaning(key)
            if meaning is not None:
                yield measurement(name, meaning, item, key, line, case)
            elif item is not None:
                config[key] = item
    yield _run(place, name, config, numeric(value.get("num_requests_successful", value.get("completed"))))


def _agentic(run: str, found: Found, case: Case, config: dict[str, Any]) -> Iterator[Item]:
    """Measurements of a nested aggregate; what is none goes to ``config`` under its dotted path."""
    for path, item in leaves(found.value):
        meaning = meaning_at(path) or (_meaning(path[0]) if len(path) == 1 else None)
        if meaning is not None and item is not None:
            yield measurement(run, meaning, item, ".".join(path), found.line(*path), case)
        elif meaning is None and item not in (None, []) and "itl" not in path:
            config[".".join(path)] = item


def _run(place: Place, name: str, config: dict[str, Any], completed: float | None) -> Run:
    run = Run(name, place.directory(), kind="serving", status="failed" if completed == 0 else "completed")
    run.config = config
    run.model = _said(config, "model") or _said(config, "model_id")
    run.framework, run.precision = _said(config, "framework"), _said(config, "precision")
    run.dataset = _said(config, "dataset.hf_dataset_name")
    run.device = (_said(config, "hw") or _said(config, "hardware") or "").partition("-")[0] or None
    run.device_count = _devices(config)
    run.parallelism = (
        "".join(
            f"{letter.upper()}{config[letter]}"
            for letter in ("tp", "pp", "ep")
            if (whole_number(config.get(letter)) or 1) > 1
        )
        or None
    )
    return run


def _said(config: dict[str, Any], key: str) -> str | None:
    value = config.get(key)
    return value if isinstance(value, str) and value else None


def _devices(config: dict[str, Any]) -> int | None:
    """As the program divides: tensor x pipeline x prefill-context ranks, or prefill and decode devices.

    Rows of the public interface name both numbers also where the same devices do both.
    """
    if "hardware" in config and not config.get("disagg"):
        return whole_number(config.get("num_decode_gpu"))
    if "num_gpus" in config:
        return whole_number(config["num_gpus"])
    split = [whole_number(config.get(key)) for key in ("num_prefill_gpu", "num_decode_gpu")]
    if None not in split:
        return sum(n for n in split if n)
    ranks = whole_number(config.get("tp"))
    if ranks is None or config.get("is_multinode"):
        return None
    for key in ("pp", "pcp_size"):
        ranks *= whole_number(config.get(key)) or 1
    return ranks
