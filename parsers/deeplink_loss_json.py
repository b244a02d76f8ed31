"""AIChipBenchmark's reference losses: ``65B_loss_100.json``, one object ``{"step0": 10.5, "step1": …}``.

Source: ``llm/InternLM`` of DeepLink-org/AIChipBenchmark.  Steps count from 0 there and from 1 in the store.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Name, Place, Sample
from llmstats.records import Column, Item, Points, Run

_BEGIN = re.compile(r'\{\s*"step(\d+)":\s*[-\dNI]')
_KEY = re.compile(r"step(\d{1,15})")


class DeepLinkLossJson(DocumentParser):
    name = "deeplink_loss_json"
    version = 1
    title = 'AIChipBenchmark reference losses: {"step0": loss, …}'
    writes = "AIChipBenchmark"
    names = {"loss": Name("loss")}
    samples = (
        Sample(
            "toylm/7B_loss_3.json",
            '{"step0": 10.5,\n "step1": 9.25,\n "step2": NaN}\n',
            matched=3,
            points={("train", "loss", 1): 10.5, ("train", "loss", 2): 9.25, ("train", "loss", 3): float("nan")},
            runs={"toylm/7B_loss_3": {"kind": "training"}},
        ),
        Sample(
            "toylm/loss.json",
            '{\n  "step10": 3.5,\n  "step11": 3,\n  "note": "x"\n}\n',
            matched=2,
            points={("train", "loss", 11): 3.5, ("train", "loss", 12): 3.0},
            runs={"toylm/loss": {}},
        ),
    )

    def detect(self, head: Head) -> str | None:
        return "object of step0, step1 … with numbers" if _BEGIN.match(head.text) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        document = Json(text)
        if not isinstance(document.value, dict):
            raise ParseError("not an object of steps")
        steps = [
            (int(match[1]) + 1, key, value)
            for key, value in document.value.items()
            if (match := _KEY.fullmatch(key)) and isinstance(value, (int, float)) and not isinstance(value, bool)
        ]
        name = "/".join(part for part in (place.parent(), place.stem) if part)
        if steps:
            yield Points(
                name,
                "train",
                np.array([document.line(key) for _, key, _ in steps], np.int64),
                {"loss": Column(np.array([value for *_, value in steps], np.float64))},
                steps=np.array([step for step, *_ in steps], np.int64),
            )
        yield Run(name, place.path, kind="training")
