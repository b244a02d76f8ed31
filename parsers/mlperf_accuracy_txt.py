"""MLPerf inference: ``accuracy.txt``, what the accuracy scripts of the benchmarks print.

Source: ``evaluate-accuracy.py``, ``accuracy-imagenet.py``, ``accuracy-squad.py`` … of mlcommons/inference, and
``truncate_accuracy_log.py`` (the hash).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.documents import number as number_in
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Measurement, Run

from ._literals import read_repr
from ._mlperf_inference import decimals, run_of
from ._samples_mlperf_inference import ACCURACY_SAMPLES

_HASH = re.compile(r"^hash=[0-9a-f]{64}$", re.M)
_VALUE = r"(?P<value>\d+(?:\.\d+)?(?![\d.]))"
_PERCENT = re.compile(rf"(?<![\w.])(?P<key>accuracy|mAP|AUC|auc|f1|mean)={_VALUE}(?P<percent>%?)")
#: The segmentation of volumes: ``Accuracy: mean = 0.8543, whole tumor = 0.9140, …``.
_VOLUMES = re.compile(r"Accuracy: (?=mean = \d)")
_PART = re.compile(rf"(?P<key>[a-z ]+?) = {_VALUE}(?:,|$)")
_NAMED = re.compile(rf"(?P<key>Word Error Rate|BLEU): {_VALUE}(?P<percent>%?)")
_BARE = re.compile(rf"'(?P<key>\w+)': {_VALUE}$")
_DICT = re.compile(r"^\{.*\}$")
_INT = re.compile(r"np\.int\d+\((\d+)\)")

#: Raw name -> metric and whether the script writes it in percent; others keep their name and scale.
_METRICS = {
    "accuracy": ("accuracy", True),
    "mAP": ("mean_average_precision", True),
    "AUC": ("roc_auc", True),
    "auc": ("roc_auc", True),
    "exact_match": ("exact_match", True),
    "f1": ("f1", True),
    "rouge1": ("rouge1", False),
    "rouge2": ("rouge2", False),
    "rougeL": ("rougeL", False),
    "rougeLsum": ("rougeLsum", False),
    "BLEU": ("bleu", False),
    "Word Error Rate": ("word_error_rate", True),
}


class MlperfAccuracyTxt(DocumentParser):
    """The run is the accuracy run of the same directory."""

    name = "mlperf_accuracy_txt"
    version = 2
    title = "MLPerf inference accuracy (accuracy.txt)"
    writes = "MLPerf inference"
    samples = ACCURACY_SAMPLES

    def detect(self, head: Head) -> str | None:
        if not head.place.matches("accuracy.txt"):
            return None
        if (
            match := _HASH.search(head.text)
            or _PERCENT.search(head.text)
            or re.search(r"['\"](?:rouge1|exact_match|vbench_score)['\"]: ", head.text)
            or _VOLUMES.search(head.text)
            or re.search(r"^BLEU: \d", head.text, re.M)
        ):
            return f"named accuracy.txt, with {match[0][:40]!r}"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        run = run_of(place)
        run.kind = "evaluation"
        yield run
        for number, line in enumerate(text.split("\n"), 1):
            yield from _line(run, line.strip(), number)


def _line(run: Run, line: str, number: int) -> Iterator[Measurement]:
    scores = read_repr(_INT.sub(r"\1", line)) if _DICT.match(line) else None
    for key, value in (scores or {}).items():
        text = value if isinstance(value, str) else repr(value)
        if not isinstance(value, bool) and number_in(text) is not None:
            yield _score(run.name, str(key), text, number, percent=True)
    if scores is not None:
        return
    for match in _PERCENT.finditer(line):
        yield _score(run.name, match["key"], match["value"], number, percent=bool(match["percent"]))
    if named := _NAMED.match(line):
        yield _score(run.name, named["key"], named["value"], number, percent=bool(named["percent"]))
    elif bare := _BARE.match(line):
        yield _score(run.name, bare["key"], bare["value"], number, percent=True)
    elif volumes := _VOLUMES.match(line):
        for part in _PART.finditer(line, volumes.end()):
            yield _dice(run.name, part["key"].strip(), part["value"], number)


def _dice(run: str, part: str, text: str, line: int) -> Measurement:
    score = _score(run, part, text, line, percent=False)
    score.metric, score.subject = "dice", None if part == "mean" else part
    return score


def _score(run: str, key: str, text: str, line: int, *, percent: bool) -> Measurement:
    metric, is_share = _METRICS.get(key, (key, False))
    value = float(text) / (100 if is_share and percent else 1)
    return Measurement(
        run, metric, value, raw_name=key, raw_value=text, definition=None, precision=decimals(text), line=line
    )
