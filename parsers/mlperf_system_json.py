"""MLPerf system descriptions: ``{submitter}/systems/{system}.json`` says what all of its results ran on.

Source: ``submission_checker`` of mlcommons/inference, ``system_desc_checker`` of mlcommons/logging.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run

from ._mlperf import described
from ._samples_mlperf import SYSTEM_SAMPLES

_MARKS = ('"accelerator_model_name"', '"accelerators_per_node"', '"host_processor_model_name"', '"number_of_nodes"')


class MlperfSystemJson(DocumentParser):
    """No run of its own: its facts hold for every run below ``results/{system}``."""

    name = "mlperf_system_json"
    version = 1
    title = "MLPerf system description (systems/*.json)"
    writes = "MLPerf"
    samples = SYSTEM_SAMPLES

    def detect(self, head: Head) -> str | None:
        if not head.text.lstrip().startswith("{"):
            return None
        found = [mark for mark in _MARKS if mark in head.text]
        return f"keys {', '.join(found)}" if len(found) >= 3 else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        facts = Json(text).value
        if not isinstance(facts, dict):
            raise ParseError("no system description: the document is no JSON object")
        system = place.stem
        submission = place.directory(2) if place.parent() == "systems" else place.directory()
        name = "/".join(p for p in (place.parent(2), "systems", system) if p)
        run = Run(name, f"{submission.rstrip('/')}/results/{system}", covers=True)
        described(facts, run)
        yield run
