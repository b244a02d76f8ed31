"""Results of Megatron-LM's inference examples, also kept as golden values: one object per request, then totals.

Source: ``examples/inference/`` (``gpt_static_inference.py``, ``gpt_dynamic_inference.py``, ``utils.py``), core 0.10 to
0.19.  A static batch gives every request the time of the whole batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Measurement, Request, Run

from ._golden import case_facts, numeric
from ._samples_golden import INFERENCE_SAMPLES

_HEAD = re.compile(r'\A\s*\{\s*"[^"\n]{1,80}": \{\s*"(?:input_prompt": "|generated_tokens": \[)')
_TOTALS = {
    "throughput": ("output_tokens_per_second", "output_tokens_per_second@all_requests_pass"),
    "mem-max-allocated-bytes": ("memory_allocated_peak", "memory@rank_since_start"),
}


class MegatronInference(DocumentParser):
    """One run per file."""

    name = "megatron_inference_json"
    version = 1
    title = "Megatron-LM inference examples (results per request, also as golden values)"
    writes = "Megatron-LM"
    samples = INFERENCE_SAMPLES

    def detect(self, head: Head) -> str | None:
        return "object of requests with 'input_prompt' or 'generated_tokens'" if _HEAD.match(head.text) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        document = Json(text)
        if not isinstance(document.value, dict):
            raise ParseError("inference results are no JSON object")
        stem = place.stem.removeprefix("golden_values_")
        parents = (place.parent(2), place.parent()) if stem != place.stem else (place.parent(),)
        name = "/".join(part for part in (*parents, stem) if part)
        run = Run(name, place.directory(), kind="inference", framework="megatron-lm", status="completed")
        case_facts(run, name)
        requests = {k: v for k, v in document.value.items() if isinstance(v, dict)}
        static = any("tpot" in request for request in requests.values())
        for i, (key, request) in enumerate(requests.items()):
            yield _request(run, document, (i, key), request, static=static)
        if static:
            yield from _batch(run, document, requests)
        for key, value in document.value.items():
            if not isinstance(value, dict):
                yield from _total(run, document, key, value)
        yield run


def _request(run: Run, document: Json, at: tuple[int, str], request: dict[str, Any], *, static: bool) -> Request:
    i, key = at
    tokens, times = request.get("generated_tokens"), request.get("tpot")
    later = [t for t in map(numeric, times[1:]) if t is not None] if isinstance(times, list) else []
    return Request(
        run=run.name,
        request=i,
        ttft=numeric(request.get("ttft")),
        tpot=sum(later) / len(later) if later else None,
        e2e=None if static else numeric(request.get("latency")),
        output_tokens=len(tokens) if isinstance(tokens, list) else None,
        success=True,
        line=document.line(key, "generated_tokens" if isinstance(tokens, list) else "input_prompt"),
    )


def _batch(run: Run, document: Json, requests: dict[str, Any]) -> Iterator[Measurement]:
    """Time of the static batch, which stands at each of its requests."""
    for key, request in requests.items():
        if (latency := numeric(request.get("latency"))) is not None:
            yield Measurement(
                run=run.name,
                metric="e2e_batch_latency",
                value=latency,
                raw_name="latency",
                raw_value=str(request["latency"]),
                definition="e2e_batch_latency@generate_call",
                batch_size=float(len(requests)),
                line=document.line(key, "latency"),
            )
            return


def _total(run: Run, document: Json, key: str, value: Any) -> Iterator[Measurement]:
    """A total of the file; a list holds one value per pass over the requests."""
    values = value if isinstance(value, list) else [value]
    metric, definition = _TOTALS.get(key, (None, None))
    for i, entry in enumerate(values):
        number = numeric(entry)
        if number is None:
            continue
        if metric is None:
            run.config[key] = entry
            continue
        yield Measurement(
            run=run.name,
            metric=metric,
            value=number,
            raw_name=key,
            raw_value=str(entry),
            definition=definition,
            conditions={"pass": i + 1} if isinstance(value, list) else {},
            line=document.line(key, i) if isinstance(value, list) else document.line(key),
        )
