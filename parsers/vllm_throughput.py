"""``vllm bench throughput`` and ``benchmark_throughput.py``: the saved object, or the printed line.

Source: ``vllm/benchmarks/throughput.py``.  All requests are given at once; tokens are those that the engine counted
(in old versions: that were asked for), prompts included in ``total_num_tokens``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._samples_vllm_offline import THROUGHPUT_SAMPLES
from ._serving import Meaning, measurement
from ._serving_offline import THROUGHPUT, case_in, offline_run, throughput_print
from ._serving_offline_log import offline_log, shown
from ._serving_result import lengths_in
from ._serving_text import complete_lines

#: A user's own additions, with their own spelling.
_ASKED = {"input": "input_len", "ouput": "output_len", "output": "output_len", "input_len": "input_len",
          "output_len": "output_len", "batch_size": "batch_size"}  # fmt: skip


class VLLMThroughput(DocumentParser):
    name = "vllm_throughput"
    version = 1
    title = "vllm bench throughput: --output-json, or the printed line"
    writes = "vLLM"
    samples = THROUGHPUT_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        if '"total_num_tokens"' in text and '"requests_per_second"' in text and text.lstrip().startswith("{"):
            return "keys elapsed_time, num_requests, total_num_tokens, requests_per_second"
        if shown(head) == "throughput":
            return "a line 'Throughput: … requests/s, … tokens/s', or the arguments of vllm bench throughput"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return _saved(place, text) if text.lstrip().startswith("{") else offline_log(place, complete_lines(text))


def _saved(place: Place, text: str) -> Iterator[Item]:
    json = Json(text)
    value: dict[str, Any] = json.value
    if not isinstance(value, dict) or "elapsed_time" not in value:
        raise ParseError("no elapsed_time")
    asked = {_ASKED[key]: v for key, v in value.items() if key in _ASKED}
    run = offline_run(place, "vllm", lengths_in(place.stem) | asked)
    run.fingerprint = throughput_print(value.get("requests_per_second"), value.get("tokens_per_second"))
    case = case_in(run.config)
    for key, number in value.items():
        if key in THROUGHPUT or (key not in _ASKED and isinstance(number, (int, float))):
            yield measurement(run.name, THROUGHPUT.get(key, Meaning(key)), number, key, json.line(key), case)
        elif isinstance(number, str):
            run.config[key] = number
    yield run
