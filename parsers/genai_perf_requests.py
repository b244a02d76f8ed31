"""perf_analyzer's raw export ``profile_export.json``: timestamps of every request and of every response, nanoseconds.

genai-perf counts tokens with a tokenizer of its own, so this file knows no tokens.  The first chunk with text counts
for the time to first token; empty ones (the role, ``[DONE]``) do not, as in genai-perf.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Request, Run
from llmstats.training import run_name

from ._nvidia_perf import artifact
from ._samples_nvidia_perf import GENAI_REQUESTS
from ._serving import NS, numeric, request, whole_number

_EMPTY = re.compile(r'"(?:content|text)":\s*(?:""|null)|\[DONE\]|^\s*$')
_FULL = re.compile(r'"(?:content|text|text_output|reasoning_content|generated_text)":\s*"[^"]')


class GenAIPerfRequests(DocumentParser):
    """One run per experiment (load level)."""

    name = "genai_perf_requests"
    version = 1
    title = "genai-perf and perf_analyzer: profile_export.json (raw timestamps)"
    writes = "genai-perf"
    samples = GENAI_REQUESTS

    def detect(self, head: Head) -> str | None:
        text = head.text
        if text.lstrip().startswith("{") and '"experiments"' in text and '"experiment"' in text and '"mode"' in text:
            return "keys experiments, experiment, mode"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        found = Json(text)
        experiments = found.value.get("experiments") if isinstance(found.value, dict) else None
        if not isinstance(experiments, list):
            raise ParseError("no list of experiments")
        for i, experiment in enumerate(e for e in experiments if isinstance(e, dict)):
            run = Run(run_name(artifact(place), i), place.directory(), kind="serving")
            run.environment["benchmark"] = "genai-perf"
            run.config = _asked(found.value, experiment.get("experiment"))
            requests = experiment.get("requests")
            for k, entry in enumerate(requests if isinstance(requests, list) else ()):
                if isinstance(entry, dict):
                    yield _request(run.name, k, found.line("experiments", i, "requests", k), entry)
            yield run


def _asked(document: dict[str, Any], experiment: Any) -> dict[str, Any]:
    config = {key: document[key] for key in ("version", "service_kind", "endpoint") if document.get(key)}
    if isinstance(experiment, dict) and isinstance(experiment.get("mode"), str):
        config[experiment["mode"]] = experiment.get("value")
    return config


def _request(run: str, ordinal: int, line: int, entry: dict[str, Any]) -> Request:
    sent = whole_number(entry.get("timestamp"))
    chunks = _chunks(entry)
    first, last = (chunks[0], chunks[-1]) if chunks else (None, None)
    item = request(run, ordinal, line, started=None if sent is None else sent * NS, success=bool(chunks))
    if sent is not None and first is not None and last is not None:
        item.e2e = (last - sent) * NS
        item.ttft = (first - sent) * NS if len(chunks) > 1 else None
    return item


def _chunks(entry: dict[str, Any]) -> list[int]:
    """Times of the responses that hold text, nanoseconds; of all where none can be told to."""
    stamps = entry.get("response_timestamps")
    times = [int(t) for t in stamps if numeric(t) is not None] if isinstance(stamps, list) else []
    outputs = entry.get("response_outputs")
    if not isinstance(outputs, list) or len(outputs) != len(times):
        return times
    texts = [o if isinstance(o, str) else json.dumps(o).replace('\\"', '"') for o in outputs]
    return [t for t, text in zip(times, texts, strict=True) if _FULL.search(text) or not _EMPTY.search(text)] or times
