"""What lmdeploy's ``profile_restful_api.py`` (0.6 and later) prints: SGLang's early block.

Source: ``benchmark/profile_restful_api.py`` of InternLM/lmdeploy.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item

from ._samples_lmdeploy import SERVING_SAMPLES
from ._serving_names import REQUESTED_OR_USAGE
from ._serving_text import results, writer


class LMDeployServingText(DocumentParser):
    name = "lmdeploy_serving_text"
    version = 1
    title = "lmdeploy profile_restful_api.py (0.6 and later): printed result"
    writes = "LMDeploy"
    samples = SERVING_SAMPLES

    def detect(self, head: Head) -> str | None:
        found = writer(head) == "lmdeploy"
        return "a block 'Serving Benchmark Result' with 'Backend:' and without 'Concurrency:'" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return results(place, text, REQUESTED_OR_USAGE)
