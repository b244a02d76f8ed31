"""MLPerf power: the meter's server log (``server.log``) and sample log (``spl.txt``).

Source: ``ptd_client_server/lib/server.py`` of mlcommons/power-dev.  Clocks of the samples are the meter's, UTC by the
rules; the run of a file is LoadGen's beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from llmstats.parsing import DocumentParser, Head, Name, Place
from llmstats.records import NO_TIME, Column, Event, Item, Measurement, Points, Run
from llmstats.training import microseconds

from ._mlperf_inference import decimals, run_of
from ._samples_mlperf_inference import POWER_SAMPLES

_SERVER = re.compile(r"^ptd-server \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[[A-Z]+\] ", re.M)
_MESSAGE = re.compile(
    r"ptd-server (?P<clock>\S+ \S+) \[(?P<level>[A-Z]+)\] (?:Analyzer \[(?P<analyzer>\d+)\] )?(?P<text>.*)$"
)
_REPLY = re.compile(r"(?i:reply from ptd: ?)'(?P<text>.*)'$")
_PHASE = re.compile(r"Starting (ranging|testing) mode|session,[^,']+,start,(ranging|testing)")
_SAMPLE = re.compile(
    r"Time,(?P<clock>\d\d-\d\d-\d{4} \d\d:\d\d:\d\d\.\d+),Watts,(?P<Watts>[-\d.]+),Volts,(?P<Volts>[-\d.]+),"
    r"Amps,(?P<Amps>[-\d.]+),PF,(?P<PF>[-\d.]+)(?P<channels>(?:,(?:Watts|Volts|Amps|PF),[-\d.]+)*)(?:,Mark,(?P<mark>\S+))?"
)
_AVERAGE = re.compile(r"Watts,(?P<mean>[-\d.]+),(?P<min>[-\d.]+),(?P<max>[-\d.]+),\d+,\d+,\d+")
_VALUES = ("Watts", "Volts", "Amps", "PF")


class MlperfPowerLog(DocumentParser):
    """Samples of the measured test (not of the ranging run before it), summed over the meter's channels."""

    name = "mlperf_power_log"
    version = 1
    title = "MLPerf power: server.log and spl.txt of the power meter"
    writes = "MLPerf PTDaemon"
    names = {
        "Watts": Name("system_power", 1.0, "power@meter_sum_of_channels"),
        "Volts": Name("voltage"),
        "Amps": Name("current"),
        "PF": Name("power_factor"),
    }
    samples = POWER_SAMPLES

    def detect(self, head: Head) -> str | None:
        if match := _SERVER.search(head.text[:4096]):
            return f"line prefix {match[0]!r}"
        if head.text.startswith("Time,") and (sample := _SAMPLE.match(head.text)):
            return f"sample {sample[0][:60]!r}"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        run = run_of(place)
        lines = text.split("\n")
        lines.pop()  # behind the last newline: nothing, or half a line
        if not _SERVER.search(text):
            phase = place.parent() if place.parent() in ("ranging", "testing") else "testing"
            yield from _samples(run.name, lines, phase)
        else:
            yield from _server(run, lines)
        yield run


def _server(run: Run, lines: list[str]) -> Iterator[Item]:
    """Samples and means; of the means of one session the last counts: it is over all samples."""
    phase = ""
    means: dict[tuple[str, str | None, str], Measurement] = {}
    for number, line in enumerate(lines, 1):
        message = _MESSAGE.match(line)
        if not message:
            continue
        phase = _phase(message["text"]) or phase
        analyzer = message["analyzer"]
        text = reply["text"] if (reply := _REPLY.search(message["text"])) else ""
        if average := _AVERAGE.fullmatch(text):
            for mean in _means(run.name, average, number, phase, analyzer):
                means[phase, analyzer, mean.statistic] = mean
        elif text.startswith("Time,") and phase == "testing":
            yield from _samples(run.name, text.split("\\n"), phase, number, int(analyzer) if analyzer else None)
        elif not reply and message["level"] in ("ERROR", "CRITICAL"):
            yield Event(run.name, "error", message["text"][:500], number, microseconds(message["clock"]), level="ERROR")
    yield from means.values()


def _phase(text: str) -> str:
    found = _PHASE.search(text)
    return (found[1] or found[2]) if found else ""


def _means(run: str, average: re.Match[str], line: int, phase: str, analyzer: str | None) -> Iterator[Measurement]:
    conditions = {"mode": phase} | ({"analyzer": int(analyzer)} if analyzer else {})
    for statistic in ("mean", "min", "max"):
        text = average[statistic]
        yield Measurement(
            run,
            "system_power",
            float(text),
            statistic,
            "Watts",
            text,
            definition="power@meter_sum_of_channels",
            conditions=conditions,
            precision=decimals(text),
            line=line,
        )


def _samples(
    run: str, rows: list[str], phase: str, line: int | None = None, analyzer: int | None = None
) -> Iterator[Points]:
    """Samples on one line each, or all in the reply on ``line``."""
    found = [(line or number, match) for number, row in enumerate(rows, 1) if (match := _SAMPLE.search(row))]
    if phase == "ranging" or not found:
        return
    columns = {key: Column(np.array([float(match[key]) for _, match in found])) for key in _VALUES}
    times = np.array([_clock(match["clock"]) for _, match in found], np.int64)
    lines = np.array([number for number, _ in found], np.int64)
    yield Points(run, "test", lines, columns, times=times, device_index=analyzer)


def _clock(text: str) -> int:
    """``07-13-2024 20:28:55.985`` as microseconds."""
    when = microseconds(f"{text[6:10]}-{text[:5]} {text[11:]}")
    return NO_TIME if when is None else when
