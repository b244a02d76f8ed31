"""A scrape of an inference server's ``/metrics``: vLLM, SGLang, TGI, LMDeploy and LightLLM in Prometheus' text format.

A gauge or counter is one value; of a histogram the mean (``_sum`` over ``_count``) is kept, with the count beside it.
Buckets, ``_created`` times and metrics of the Python process are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from llmstats.documents import number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Measurement, Run

from ._samples_prometheus import SAMPLES
from ._serverlog import server_name
from ._serving import Meaning

_ENGINES = {
    "vllm:": "vllm",
    "sglang:": "sglang",
    "tgi_": "text-generation-inference",
    "lmdeploy:": "lmdeploy",
    "lightllm_": "lightllm",
}
_PREFIX = "|".join(_ENGINES)
_HEAD = re.compile(rf"^# (?:HELP|TYPE) (?:{_PREFIX})\w+ .*", re.M)
_SAMPLE = re.compile(rf"(?P<engine>{_PREFIX})(?P<name>\w+)(?:\{{(?P<labels>.*)\}})? (?P<value>\S+)(?: -?\d+)?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_TYPE = re.compile(r"# TYPE (?P<name>\S+) (?P<type>\w+)")
_LEFT_OUT = re.compile(r"_created$|_bucket$|^python_|^process_")
_COUNTER = "server_counter"
_MEANINGS = {
    "num_requests_running": Meaning("requests_running"),
    "num_running_reqs": Meaning("requests_running"),
    "batch_current_size": Meaning("requests_running"),
    "num_requests_waiting": Meaning("requests_waiting"),
    "num_queue_reqs": Meaning("requests_waiting"),
    "queue_size": Meaning("requests_waiting"),
    "num_requests_swapped": Meaning("requests_swapped"),
    "num_retracted_reqs": Meaning("requests_retracted"),
    "kv_cache_usage_perc": Meaning("kv_cache_utilisation"),
    "gpu_cache_usage_perc": Meaning("kv_cache_utilisation"),
    "cpu_cache_usage_perc": Meaning("host_kv_cache_utilisation"),
    "token_usage": Meaning("kv_cache_utilisation"),
    "num_used_tokens": Meaning("kv_cache_tokens"),
    "cache_hit_rate": Meaning("prefix_cache_hit_rate", "prefix_cache_hit_rate@last_prefill_batch"),
    "prefix_cache_queries": Meaning("prefix_cache_queries"),
    "prefix_cache_hits": Meaning("prefix_cache_hits"),
    "num_preemptions": Meaning("preemptions"),
    "prompt_tokens": Meaning("input_tokens", f"input_tokens@{_COUNTER}"),
    "generation_tokens": Meaning("output_tokens", f"output_tokens@{_COUNTER}"),
    "request_success": Meaning("completed_requests", f"completed_requests@{_COUNTER}"),
    "num_requests": Meaning("completed_requests", f"completed_requests@{_COUNTER}"),
    "gen_throughput": Meaning("output_tokens_per_second", "output_tokens_per_second@server_interval"),
    "avg_prompt_throughput_toks_per_s": Meaning("input_tokens_per_second", "input_tokens_per_second@server_interval"),
    "avg_generation_throughput_toks_per_s": Meaning(
        "output_tokens_per_second", "output_tokens_per_second@server_interval"
    ),
    "spec_decode_num_drafts": Meaning("drafts"),
    "spec_decode_num_draft_tokens": Meaning("draft_tokens", "draft_tokens@since_start"),
    "spec_decode_num_accepted_tokens": Meaning("accepted_draft_tokens", "accepted_draft_tokens@since_start"),
    "spec_accept_length": Meaning("acceptance_length", "acceptance_length@server_interval"),
    "time_to_first_token_seconds": Meaning("ttft", "ttft@server"),
    "request_first_token_duration": Meaning("ttft", "ttft@server"),
    "inter_token_latency_seconds": Meaning("itl", "itl@server"),
    "time_per_output_token_seconds": Meaning("tpot", "tpot@server_iteration"),
    "request_time_per_output_token_seconds": Meaning("tpot", "tpot@server_mean_of_request"),
    "request_mean_time_per_token_duration": Meaning("tpot", "tpot@inference_time_over_tokens"),
    "e2e_request_latency_seconds": Meaning("e2e_latency", "e2e_latency@server"),
    "request_duration": Meaning("e2e_latency", "e2e_latency@server"),
    "request_inference_time_seconds": Meaning("inference_time"),
    "request_inference_duration": Meaning("inference_time"),
    "request_validation_duration": Meaning("validation_time"),
    "request_queue_time_seconds": Meaning("queue_time", "queue_time@server"),
    "queue_time_seconds": Meaning("queue_time", "queue_time@server"),
    "request_queue_duration": Meaning("queue_time", "queue_time@server"),
    "request_prefill_time_seconds": Meaning("prefill_time", "prefill_time@request"),
    "request_decode_time_seconds": Meaning("decode_time", "decode_time@request"),
    "request_prompt_tokens": Meaning("input_tokens", "input_tokens@engine"),
    "request_generation_tokens": Meaning("output_tokens", "output_tokens@engine"),
    "request_input_length": Meaning("input_tokens", "input_tokens@engine"),
    "request_generated_tokens": Meaning("output_tokens", "output_tokens@engine"),
}
#: LightLLM's and TGI's names whose time means another thing than that of their namesakes.
_OTHER_MEANINGS = {
    "lightllm_request_inference_duration": Meaning("e2e_latency", "e2e_latency@server"),
    "lightllm_request_mean_time_per_token_duration": Meaning("tpot", "tpot@excl_first_over_all_tokens"),
}


@dataclass(slots=True)
class _Histogram:
    count: float | None = None
    total: tuple[float, str, int] | None = None  #: value, text, line


@dataclass(slots=True)
class _Scrape:
    """What was read so far; a histogram is known by its name and labels."""

    run: Run
    histograms: dict[tuple[str, str], _Histogram] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)


class PrometheusText(DocumentParser):
    """One run per file: the state of one server at one time."""

    name = "prometheus_text"
    version = 1
    title = "/metrics of an inference server: counters, gauges and means of histograms"
    writes = "vLLM, SGLang, TGI, LMDeploy, LightLLM"
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        found = _HEAD.search(head.text) if "# TYPE " in head.text or "# HELP " in head.text else None
        return f"line {found[0][:80]!r}" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        scrape = _Scrape(Run(server_name(place), place.path, kind="serving"))
        *lines, unended = text.split("\n")
        del unended  # without its line's end a number may be cut
        for line, content in enumerate(lines, 1):
            if kind := _TYPE.match(content):
                scrape.types[kind["name"]] = kind["type"]
            elif sample := _SAMPLE.match(content):
                yield from _value(scrape, sample, line)
        if scrape.run.framework is None:
            raise ParseError("no metric of an inference server")
        yield scrape.run


def _value(scrape: _Scrape, sample: re.Match[str], line: int) -> Iterator[Measurement]:
    scrape.run.framework = _ENGINES[sample["engine"]]
    raw, labels = sample["engine"] + sample["name"], sample["labels"] or ""
    facts = dict(_LABEL.findall(labels))
    scrape.run.model = facts.pop("model_name", None) or scrape.run.model
    value = number(sample["value"])
    if raw.endswith("_info") or value is None:
        scrape.run.config.update({k: v for k, v in facts.items() if raw.endswith("_info") and v != "None"})
        return
    base, _, part = raw.rpartition("_")
    if scrape.types.get(base) in ("histogram", "summary") and part in ("sum", "count"):
        yield from _mean(scrape, (base, labels), part, (value, sample["value"], line), facts)
    elif not _LEFT_OUT.search(raw) and "le" not in facts and "quantile" not in facts:
        yield _measured(scrape, raw, "value", (value, sample["value"], line), facts)


def _mean(
    scrape: _Scrape, key: tuple[str, str], part: str, found: tuple[float, str, int], facts: dict[str, str]
) -> Iterator[Measurement]:
    histogram = scrape.histograms.setdefault(key, _Histogram())
    if part == "count":
        histogram.count = found[0]
    else:
        histogram.total = found
    if histogram.count and histogram.total:
        total, text, line = histogram.total
        text = f"{text}/{histogram.count:g}"
        yield _measured(
            scrape, key[0], "mean", (total / histogram.count, text, line), {**facts, "count": histogram.count}
        )


def _measured(
    scrape: _Scrape, raw: str, statistic: str, found: tuple[float, str, int], conditions: dict[str, str | float]
) -> Measurement:
    value, text, line = found
    bare = raw.removesuffix("_total")
    key = next(bare.removeprefix(prefix) for prefix in _ENGINES if bare.startswith(prefix))
    meaning = _OTHER_MEANINGS.get(bare) or _MEANINGS.get(key) or Meaning(raw)
    if conditions.get("finished_reason") in ("abort", "error"):
        meaning = Meaning("failed_requests", f"failed_requests@{_COUNTER}")
    return Measurement(
        run=scrape.run.name,
        metric=meaning.metric,
        value=value * meaning.factor,
        statistic=statistic,
        raw_name=raw,
        raw_value=text,
        definition=meaning.definition,
        conditions=dict(conditions),
        line=line,
    )
