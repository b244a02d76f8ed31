"""MLPerf training's ``scaling.json``: by what the official score of a benchmark is multiplied (convergence points).

Source: ``rcp_checker`` and ``result_summarizer`` of mlcommons/logging.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place, Sample
from llmstats.records import Item, Run

from ._mlperf import below_results


class MlperfScalingJson(DocumentParser):
    """No run of its own: the factor holds for all results beside the file."""

    name = "mlperf_scaling_json"
    version = 1
    title = "MLPerf training scaling factor (scaling.json)"
    writes = "MLPerf training"
    samples = (
        Sample("Acme/results/box8/llama31_8b/scaling.json", '{"scaling_factor": 1.0125}', matched=0),
        Sample("Acme/results/box8/llama2_70b_lora/scaling.json", '{"scaling_factor": 1.0}\n', matched=0),
    )

    def detect(self, head: Head) -> str | None:
        named = head.place.matches("scaling.json") and '"scaling_factor"' in head.text
        return "named scaling.json, with a scaling_factor" if named else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        facts = Json(text).value
        if not isinstance(facts, dict) or not isinstance(facts.get("scaling_factor"), (int, float)):
            raise ParseError("scaling.json without a numeric scaling_factor")
        name = f"{below_results(place, 1) or place.parent() or place.stem}/scaling"
        yield Run(name, place.directory(), covers=True, environment={"rcp_scaling_factor": facts["scaling_factor"]})
