"""``cells/CELL.requests.jsonl`` of ``llmstats run serving``: one line per request, written as they end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmstats.parsing import Head, JsonLinesParser, Objects, Place, State
from llmstats.records import Item

from ._llmstats_serving import cell_run
from ._samples_llmstats_serving import REQUEST_SAMPLES
from ._serving import request, whole_number


class LlmstatsServingRequests(JsonLinesParser):
    """Requests of the run whose cell lies beside."""

    name = "llmstats_serving_requests"
    version = 1
    title = "llmstats run serving: one request per line"
    writes = "llmstats"
    samples = REQUEST_SAMPLES

    def detect(self, head: Head) -> str | None:
        if head.text.lstrip().startswith('{"record": "llmstats_request"'):
            return 'JSON lines with "record": "llmstats_request"'
        return None

    def start(self, place: Place) -> State:
        return {"count": 0}

    def fold(self, state: State, place: Place, objects: Objects) -> Iterator[Item]:
        run = cell_run(place)
        for line, entry in objects.rows:
            if entry.get("record") == "llmstats_request":
                state["count"] += 1
                number = whole_number(entry.get("request"))
                ordinal = state["count"] - 1 if number is None else number
                yield request(run.name, ordinal, line, **_values(entry))
        if state["count"]:
            yield run


def _values(entry: dict[str, Any]) -> dict[str, Any]:
    keys = ("started", "ttft", "tpot", "e2e", "input_tokens", "output_tokens", "success")
    kind, text = entry.get("failure"), entry.get("error")
    return {key: entry.get(key) for key in keys} | {"error": f"{kind}: {text}" if kind else None}
