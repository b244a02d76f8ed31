"""The result of an evaluation by lm-evaluation-harness: ``results_{time}.json``, or any name in older versions."""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.documents import Json
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._lm_eval_json import looks_like_result, result_items
from ._samples_lm_eval import JSON_SAMPLES


class LMEvalJson(DocumentParser):
    """One run per file; its log and its samples belong to it."""

    name = "lm_eval_json"
    version = 1
    title = "lm-evaluation-harness: results_{time}.json (old and new schema)"
    writes = "lm-evaluation-harness"
    samples = JSON_SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text.lstrip()
        if text.startswith("{") and looks_like_result(text):
            return "an object with results per task and their standard errors or versions"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        name = "/".join(p for p in (place.parent(), place.stem) if p)
        return result_items(Json(text), name, place.path)
