"""``cells/CELL.json`` of ``llmstats run serving``: one cell, each number with the id of its definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Event, Item, Run
from llmstats.training import microseconds

from ._llmstats_serving import cell_run
from ._samples_llmstats_serving import CELL_SAMPLES
from ._serving import Case, Meaning, measurement, numeric

#: Entries of a cell that are conditions of its measurements, not of the run.
_CASE = {"input_len": "input_len", "output_len": "output_len", "num_clients": "concurrency",
         "request_rate": "request_rate"}  # fmt: skip


class LlmstatsServing(DocumentParser):
    """The run that llm_profiler's log, dump and table beside it speak of as well."""

    name = "llmstats_serving"
    version = 1
    title = "llmstats run serving: one cell with the definition of each number"
    writes = "llmstats"
    samples = CELL_SAMPLES

    def detect(self, head: Head) -> str | None:
        if head.text.lstrip().startswith("{") and '"format": "llmstats_serving"' in head.text[:200]:
            return 'key "format": "llmstats_serving"'
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        found = Json(text)
        document = found.value
        if not isinstance(document, dict) or not isinstance(document.get("cell"), dict):
            raise ParseError("no cell in it")
        run = _run(cell_run(place), document)
        case = Case(conditions=dict(document.get("conditions") or {}))
        for theirs, ours in _CASE.items():
            setattr(case, ours, numeric(document["cell"].get(theirs)))
        for index, entry in enumerate(document.get("measurements") or ()):
            if isinstance(entry, dict) and isinstance(entry.get("metric"), str):
                meaning = Meaning(entry["metric"], entry.get("definition"), statistic=str(entry.get("statistic")))
                line = found.line("measurements", index)
                yield measurement(run.name, meaning, entry.get("value"), entry["metric"], line, case)
        yield from _events(run, document, found)
        yield run


def _run(run: Run, document: Mapping[str, Any]) -> Run:
    cell, asked, requests = document["cell"], document.get("request") or {}, document.get("requests") or {}
    run.status, run.model, run.framework = document.get("status"), document.get("model"), document.get("server_api")
    run.dataset = "random"
    run.started_at, run.ended_at = (_time(document.get(key)) for key in ("started_at", "ended_at"))
    run.config = {ours: cell[theirs] for theirs, ours in _CASE.items() if cell.get(theirs) is not None}
    run.config |= {key: cell.get(key) for key in ("input_num", "warmup", "seed")}
    run.config |= {key: document.get(key) for key in ("url", "api", "tokenizer")}
    run.config |= {"streaming": True, "ignore_eos": "ignore_eos" in asked, "min_tokens": asked.get("min_tokens")}
    run.config |= {"temperature": asked.get("temperature"), "failures": requests.get("failures") or {}}
    tokens = document.get("tokens") or {}
    if requests.get("completed"):
        whole = tokens.get("full_length") == requests["completed"]
        run.config["output_len_mode"] = "constant" if whole else "varied"
    run.config |= {"not_sent": requests.get("not_sent"), "tokens": tokens}
    run.config = {key: value for key, value in run.config.items() if value not in (None, {})}
    run.environment = {"benchmark": f"llmstats {document.get('llmstats')}"}
    run.environment |= {"client_load": document["client"]} if document.get("client") else {}
    return run


def _time(text: Any) -> int | None:
    """Local clock without its distance from UTC, as the logs of the same machine have it."""
    return microseconds(text[:23]) if isinstance(text, str) else None


def _events(run: Run, document: Mapping[str, Any], found: Json) -> Iterator[Event]:
    """Why the cell is not complete, and what a reader of its numbers has to know."""
    if error := document.get("error"):
        yield Event(run.name, "error", str(error)[:2000], found.line("error"), run.ended_at, level="ERROR")
    for index, note in enumerate(document.get("notes") or ()):
        yield Event(run.name, "warning", str(note)[:2000], found.line("notes", index), run.ended_at, level="WARNING")
