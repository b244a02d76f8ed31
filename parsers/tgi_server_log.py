"""The log of Hugging Face's Text Generation Inference: one line per request, with its times.

Source: ``router/src/server.rs``: ``time_per_token`` is the inference time (prefill counted) over the generated tokens;
``total_time`` is validation, queue and inference.  Rust prints a duration in the unit that suits it.
"""

from __future__ import annotations

import re

from llmstats.parsing import Head, Name
from llmstats.records import FULL, Run
from llmstats.shapes import Field, Frame, Plan, Record, Suspect

from ._samples_server_logs import TGI_SAMPLES
from ._serverlog import ServerLog, take_settings
from ._steplines import covered

_CLOCK = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}")
_TIME = re.compile(r'(?P<key>\w+_time|time_per_token)=\\?"(?P<value>\d+(?:\.\d+)?)(?P<unit>ns|µs|us|ms|s|Â\xb5s)\\?"')
_SECONDS = {"ns": 1e-9, "µs": 1e-6, "us": 1e-6, "Â\xb5s": 1e-6, "ms": 1e-3, "s": 1.0}
_HEAD = re.compile(
    r"^\S*\d{4}-\d\d-\d\dT[\d:.]+Z\s+[A-Z]+ [^\n]*?text_generation_(?:launcher|router)(?:::\w+)*: [^\n]*", re.M
)
_SETTINGS = re.compile(
    r"text_generation_launcher: Args \{|^\s+(?:model_id|num_shard|quantize|dtype|speculate|max_\w+): "
)


class TGIServerLog(ServerLog):
    """One run per start; a value per request at the time of its answer."""

    name = "tgi_server_log"
    version = 1
    title = "Text Generation Inference server log: times of each request; settings, errors"
    writes = "text-generation-inference"
    framework = "text-generation-inference"
    prefix = re.compile(
        r"(?:\S*\d{4}-\d\d-\d\dT[\d:.]+Z\s+(?P<level>DEBUG|INFO|WARN|ERROR) (?:[\w:-]+(?:\{[^\n]*?\})?: )*"
        r"(?:router/[\w/.]+:\d+: )?)?"
    )
    begins = re.compile(r"text_generation_launcher: Args \{")
    facts = _SETTINGS
    crashes = re.compile(r"ShardCannotStart|ShardFailed|WebserverFailed|Webserver Crashed|Shard \d+ (?:failed|crashed)")
    ends = re.compile(r"text_generation_launcher: webserver terminated|signal received, starting graceful shutdown")
    names = {
        "total_time": Name("e2e_latency", 1.0, "e2e_latency@server"),
        "validation_time": Name("validation_time"),
        "queue_time": Name("queue_time", 1.0, "queue_time@server"),
        "inference_time": Name("inference_time"),
        "time_per_token": Name("tpot", 1.0, "tpot@inference_time_over_tokens"),
    }
    samples = TGI_SAMPLES

    def detect(self, head: Head) -> str | None:
        found = _HEAD.search(head.text) if "text_generation_" in head.text else None
        return f"TGI's line {found[0][-80:]!r}" if found else None

    def plan(self, text: str) -> Plan:
        if 'time_per_token="' not in text:
            return self.other(text)
        clock = _CLOCK.search(text)
        times = list(_TIME.finditer(text))
        if not times or clock is None:
            return Suspect("times of a request not understood")
        fields = [Field(match["key"], *match.span("value"), "number", match["unit"]) for match in times]
        units = tuple((match["key"], match["unit"]) for match in times)
        return Record("request", covered(text, [Field("@clock", *clock.span(), "clock"), *fields]), units)

    def prepare(self, frame: Frame) -> None:
        """Durations in seconds, whatever unit each was printed in."""
        for key, unit in frame.constants.items():
            frame.columns[key] = frame.columns[key] * _SECONDS[unit]
            frame.precision[key], frame.units[key] = FULL, "s"

    def said(self, run: Run, message: str) -> None:
        take_settings(run, message)
