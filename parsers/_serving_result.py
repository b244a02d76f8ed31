"""One result of a serving benchmark of vLLM's family: its values and conditions, as run and measurements."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from llmstats.parsing import Place
from llmstats.records import FULL, Issue, Item, Measurement, Run

from ._serving import Case, Meaning, measurement, numeric, whole_number
from ._serving_names import REQUESTED_OR_USAGE, meaning_of

#: Backends that are named like the server which they speak to (``openai`` is a protocol, no server).
_SERVERS = {"vllm": "vllm", "sglang": "sglang", "lmdeploy": "lmdeploy", "tgi": "tgi", "tensorrt": "tensorrt-llm",
            "trt": "tensorrt-llm", "deepspeed": "deepspeed-mii", "lightllm": "lightllm", "scalellm": "scalellm",
            "llama.cpp": "llama.cpp"}  # fmt: skip
#: Below and above these shares of re-tokenised in generated tokens the two counts are said to disagree.
_RATIO = (0.9, 1.1)


class Entry(NamedTuple):
    """A value as a file gives it."""

    value: Any
    line: int
    raw_name: str = ""  #: where it is not the key
    precision: str = FULL
    raw_value: str = ""  #: where it is not the value


@dataclass(slots=True)
class Result:
    """Values by key (see `_serving_names`), and what was asked for."""

    name: str
    root: str
    entries: dict[str, Entry]
    config: dict[str, Any]
    tokens: str = REQUESTED_OR_USAGE
    #: Numbers that are no measurement though nobody catalogued them (parameters that a sweep adds).
    parameters: frozenset[str] = frozenset()
    unknown: dict[str, Entry] = field(default_factory=dict)

    def number(self, key: str) -> float | None:
        entry = self.entries.get(key)
        return None if entry is None else numeric(entry.value)

    def items(self) -> Iterator[Item]:
        """Measurements, remarks, and the run last."""
        self._count_failed()
        self._drop_second_medians()
        case = case_of(self.config)
        for key, entry in self.entries.items():
            meaning = meaning_of(key, self.tokens)
            if meaning is not None:
                yield self._measured(key, meaning, entry, case)
        for key, entry in self.unknown.items():
            yield self._measured(key, Meaning(key), entry, case)
        yield from self._remarks()
        yield self.run()

    def _measured(self, key: str, meaning: Meaning, entry: Entry, case: Case) -> Measurement:
        item = measurement(self.name, meaning, entry.value, entry.raw_name or key, entry.line, case, entry.precision)
        item.raw_value = entry.raw_value or item.raw_value
        if item.value == 0 and self._never_measured(key, meaning):
            item.value = None
        return item

    def _never_measured(self, key: str, meaning: Meaning) -> bool:
        """Whether a zero means that there was nothing to measure.

        Where no request gave a sample, the tools print 0.0 for mean, median and all percentiles alike.
        """
        if key in ("rtfx", "accept_length"):
            return True
        if meaning.definition is None or not key.endswith("_ms"):
            return False
        same = (k for k in self.entries if (m := meaning_of(k, self.tokens)) and _alike(m, meaning))
        return all(self.number(k) == 0 for k in same)

    def _count_failed(self) -> None:
        """Old versions do not say how many failed, but how many were sent."""
        completed, sent = self.entries.get("completed"), whole_number(self.config.get("num_prompts"))
        if "failed" in self.entries or completed is None or sent is None:
            return
        done = whole_number(completed.value)
        if done is not None and done <= sent:
            raw = f"{sent} - {done}"
            self.entries["failed"] = Entry(sent - done, completed.line, "num_prompts - completed", raw_value=raw)

    def _drop_second_medians(self) -> None:
        """With ``--metric-percentiles 50`` the tools say the median twice."""
        for key, entry in list(self.entries.items()):
            median = self.entries.get(key.replace("p50_", "median_", 1)) if key.startswith("p50_") else None
            if median is not None and numeric(median.value) == numeric(entry.value):
                del self.entries[key]

    def _remarks(self) -> Iterator[Issue]:
        counted, again = (self.number(f"total_output_tokens{s}") for s in ("", "_retokenized"))
        if not counted or again is None or _RATIO[0] <= again / counted <= _RATIO[1]:
            return
        line = self.entries["total_output_tokens_retokenized"].line
        yield Issue(
            f"output tokens as asked for and as re-tokenised disagree: {counted:.0f} and {again:.0f}; "
            "speeds and times per token rest on the former",
            line,
            suspect=False,
        )

    def status(self) -> str | None:
        """``failed`` where no request completed, or more failed than completed."""
        completed, failed = self.number("completed"), self.number("failed")
        if completed is None:
            return None
        return "failed" if completed == 0 or (failed or 0) > completed else "completed"

    def run(self) -> Run:
        config = dict(self.config)
        run = Run(self.name, self.root, kind="serving", status=self.status(), fingerprint=self.fingerprint())
        run.model = _text(config.get("model_id")) or _text(config.get("model"))
        run.dataset = _text(config.get("dataset_name"))
        run.framework = framework_of(config.get("backend"))
        run.config = {key: _plain(value) for key, value in config.items() if value is not None}
        return run

    def fingerprint(self) -> str | None:
        """The same for the printed block and the saved file of one measurement: rounded as the block is."""
        if not self.number("completed"):
            return None
        counts = [whole_number(self.number(k)) for k in ("completed", "total_input_tokens", "total_output_tokens")]
        times = [self.number(k) for k in ("duration", "mean_ttft_ms", "mean_e2el_ms", "mean_e2e_latency_ms")]
        duration = times[0]
        latency = next((t for t in times[1:] if t), None)
        if duration is None or latency is None or not (math.isfinite(duration) and math.isfinite(latency)):
            return None
        return f"serving:{counts[0]}:{counts[1]}:{counts[2]}:{duration:.2f}:{latency:.2f}"


def _alike(one: Meaning, other: Meaning) -> bool:
    return (one.metric, one.definition, one.subject) == (other.metric, other.definition, other.subject)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _plain(value: Any) -> Any:
    """A value of a configuration; JSON has no infinity."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def framework_of(backend: Any) -> str | None:
    """The server that a backend's name tells of (``sglang-oai-chat`` -> ``sglang``)."""
    return _SERVERS.get(backend.split("-")[0].lower()) if isinstance(backend, str) else None


def case_of(config: dict[str, Any]) -> Case:
    """Conditions of a result; lengths count where prompts were made to measure."""
    case = Case(concurrency=numeric(config.get("max_concurrency")), request_rate=_rate(config.get("request_rate")))
    if str(config.get("dataset_name", "random")).startswith("random"):
        case.input_len = numeric(config.get("random_input_len")) or numeric(config.get("input_len"))
        case.output_len = numeric(config.get("random_output_len")) or numeric(config.get("output_len"))
    return case


def _rate(value: Any) -> float | None:
    """Requests per second; ``inf``: all at once."""
    return math.inf if value in ("inf", "Infinity") else numeric(value)


_LENGTHS = re.compile(
    r"(?:^|[_-])(?:isl|in|ip|input|il|itkns|i)[_-]?(\d+)[_-](?:osl|out|op|output|ol|otkns|o)[_-]?(\d+)(?![\da-zA-Z])",
    re.I,
)


def lengths_in(name: str) -> dict[str, int]:
    """Lengths that a file's name tells (``conc32_in128_out2048`` …); empty where it does not."""
    match = _LENGTHS.search(name)
    return {"input_len": int(match[1]), "output_len": int(match[2])} if match else {}


#: Directories that tell nothing without the one above them: numbers, precisions, cases.
_GENERIC = re.compile(
    r"[\d._-]+|(?:bf|fp|int|mxfp|nvfp)\d+(?:[_-].*)?|(?:part|rep|run|round|trial|test|tp|pp|dp|ep|conc|concurrency)[_-]?\d+"
    r"|(?:\d+-)+i\d+-o\d+|all-parts",
    re.I,
)


def run_base(place: Place) -> str:
    """``directory/file`` without the suffix; a directory that tells nothing is named with those above it."""
    if place.parent().replace(".", "").isdigit():
        up = 3
    else:
        up = 1
        while up < 4 and _GENERIC.fullmatch(place.parent(up)):
            up += 1
    return "/".join(part for part in (*(place.parent(i) for i in range(up, 0, -1)), place.stem) if part)
