"""FlagPerf's own log of a run directory (``flagperf_run.log``) and of a task (``start_*_task.log``).

Source: ``utils/flagperf_logger.py``, ``{training/run_benchmarks,base,operation}/run.py`` of FlagOpen/FlagPerf.  It
names the cases, says what failed, and for base and operation ends with an analysis of the last case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Event, Issue, Item, Measurement, Run
from llmstats.training import microseconds

from ._flagperf_place import RUN_DIR, Spot, learn_case, learn_vendor, new_run, spot_of
from ._flagperf_results import Results
from ._samples_flagperf_run import RUN_SAMPLES
from ._serving import Case, Meaning, decimals, measurement

_STARTED = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:,\d+)?\s+FlagperfLogger started\.", re.M)
_LINE = re.compile(
    r"(?P<clock>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\s+\[(?P<level>[A-Z]+)\]\s+(?:\[(?P<file>[\w.]+),\d+\])?"
    r"(?P<message>.*)$"
)
_VENDOR = re.compile(r"Vendor:\s+(?P<vendor>\w+)\s*$")
_CASE = re.compile(r"=+ Testcase: (?P<case>\S+) =+$|-== Testcase (?P<again>\S+?)(?: Round (?P<round>\d+))? starts ==-$")
_CONFIG = re.compile(r"Testcase (?P<case>\S+) config:$")
_ITEM = re.compile(r"(?P<key>\w+):\t(?P<value>.+)$")
_NODE = re.compile(r"Noderank (?P<node>\d+) with IP (?P<host>\S+)$")
_COMMAND = re.compile(r"--(?P<name>case_name|vendor|host_addr)[= ](?P<value>[\w.:+-]+)")
_STATISTICS = re.compile(r"(?P<name>AVERAGE|MAX|STD DEVIATION): (?P<value>[-+\d.eE]+|nan|inf)")
_RANK = re.compile(r"\s*RANK (?P<rank>\d+)'s ")
_WORDS = {"AVERAGE": "mean", "MAX": "max", "STD DEVIATION": "std"}
_SECTIONS = {
    "2.1) SYSTEM POWER:": Meaning("system_power", "system_power@largest_sensor"),
    "2.2) AI-chip POWER:": Meaning("power"),
    "2.3) AI-chip TEMPERATURE:": Meaning("temperature"),
    "3.1) SYSTEM CPU:": Meaning("cpu_utilisation", factor=0.01),
    "3.2) SYSTEM MEMORY:": Meaning("host_memory_utilisation", factor=0.01),
    "3.3) AI-chip MEMORY:": Meaning("memory_utilisation", factor=0.01),
}


class FlagPerfRunLog(DocumentParser):
    """One run per case, or per round of a case."""

    name = "flagperf_run_log"
    version = 1
    title = "FlagPerf: flagperf_run.log, start_*_task.log"
    writes = "FlagPerf"
    samples = RUN_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "FlagperfLogger started." not in head.text:
            return None
        return "'FlagperfLogger started.'" if _STARTED.search(head.text) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # behind the last newline: nothing, or half a line
        task = place.name.startswith("start_")
        yield from _task(place, lines) if task else _Log(place).read(lines)


# --------------------------------------------------------------------------- the log of a run directory


@dataclass(slots=True)
class _Log:
    """Cases run one after the other; the analysis at the end is of the last one."""

    place: Place
    vendor: str | None = None
    runs: dict[str, Run] = field(default_factory=dict)
    configs: dict[str, dict[str, str]] = field(default_factory=dict)
    found: list[Item] = field(default_factory=list)
    run: Run | None = None
    case: str = ""
    open_config: str | None = None
    node: int = 0
    section: str | None = None
    results: dict[int, Results] = field(default_factory=dict)

    def read(self, lines: list[str]) -> Iterator[Item]:
        for number, text in enumerate(lines, 1):
            if line := _LINE.match(text):
                self._line(line, number)
        yield from self.found
        for results in self.results.values():
            yield from results.items()
        yield from self.runs.values()

    def _line(self, line: re.Match[str], number: int) -> None:
        message, time = line["message"].rstrip(), microseconds(line["clock"])
        if self._case_begins(message) or self._analysis(message, number):
            return
        run = self.run
        if run is not None and time is not None:
            run.started_at, run.ended_at = run.started_at or time, time
        if vendor := _VENDOR.match(message):
            self.vendor = vendor["vendor"]
        elif line["level"] in ("ERROR", "CRITICAL", "WARNING"):
            self._trouble(line["level"], message, number, time)
        else:
            self._configured(message)

    def _case_begins(self, message: str) -> bool:
        begin = _CASE.match(message)
        if begin is None:
            return False
        self.case = begin["case"] or begin["again"]
        inner = f"round{begin['round']}" if begin["round"] else ""
        if begin["case"] and self.case.count(":") == 5:
            self.run = None  # a training case: its rounds are the runs
            return True
        path = "/".join(p for p in (self.case, inner) if p)
        name = "/".join(p for p in (self.place.parent(), path) if p)
        if name not in self.runs:
            run = self.runs[name] = new_run(Spot(name, f"{self.place.directory()}/{path}", self.case))
            run.config |= self.configs.get(self.case, {})
            if self.vendor:
                learn_vendor(run, self.vendor)
        self.run = self.runs[name]
        return True

    def _configured(self, message: str) -> None:
        """The block ``Testcase … config:`` with one item per line."""
        if config := _CONFIG.match(message):
            self.open_config = config["case"]
        elif self.open_config and (item := _ITEM.match(message)):
            self.configs.setdefault(self.open_config, {})[item["key"]] = item["value"].strip()
        elif message.startswith("----") and self.configs.get(self.open_config or ""):
            self.open_config = None

    def _trouble(self, level: str, message: str, number: int, time: int | None) -> None:
        if self.run is None:
            self.found.append(
                Issue(f"{self.case or 'before any case'}: {message[:200]}", number, message, suspect=False)
            )
            return
        kind = "warning" if level == "WARNING" else "error"
        self.found.append(Event(self.run.name, kind, message[:2000], number, time, None, level))
        if "[FAILED]" in message or "Ignore" in message:
            self.run.status = "failed"

    # ---- the analysis at the end

    def _analysis(self, message: str, number: int) -> bool:
        said = message.strip()
        if node := _NODE.match(said):
            self.node, self.section = int(node["node"]), None
        elif said in ("1) Performance:", "2) POWER:", "3) Utilization:") or said in _SECTIONS:
            self.section = said
        elif self.section is None or self.run is None or not message.startswith("  "):
            return False
        elif self.section == "1) Performance:":
            run = self.run
            self.results.setdefault(self.node, Results(run, node=self.node)).take(said, number)
        elif self.section in _SECTIONS:
            self.found += self._statistics(self.run, message, number)
        return True

    def _statistics(self, run: Run, message: str, line: int) -> Iterator[Measurement]:
        meaning = _SECTIONS[self.section or ""]
        if meaning.metric in ("power", "temperature"):
            samples = "upper_half_of_range" if self.case.count(":") == 4 else "all_samples"
            meaning = Meaning(meaning.metric, f"{meaning.metric}@{samples}")
        rank = _RANK.match(message)
        conditions = {"rank": int(rank["rank"])} if rank else {}
        for found in _STATISTICS.finditer(message):
            case = Case(conditions=conditions | ({"node": self.node} if self.node else {}))
            stated = meaning.as_statistic(_WORDS[found["name"]])
            yield measurement(run.name, stated, found["value"], found["name"], line, case, decimals(found["value"]))


# --------------------------------------------------------------------------- the log of a task


def _task(place: Place, lines: list[str]) -> Iterator[Item]:
    """Facts of the command that was started, and what went wrong; the environment holds secrets and is left alone."""
    spot = spot_of(place, own=not RUN_DIR.search(place.path))
    run = new_run(spot)
    for number, text in enumerate(lines, 1):
        line = _LINE.match(text)
        if line is None:
            continue
        time = microseconds(line["clock"])
        run.started_at, run.ended_at = run.started_at or time, time
        if line["level"] in ("ERROR", "CRITICAL"):
            yield Event(run.name, "error", line["message"][:2000], number, time, None, line["level"])
            run.status = "failed"
        elif "--case_name" in line["message"] or "--vendor" in line["message"]:
            _command(run, line["message"])
    yield run


def _command(run: Run, message: str) -> None:
    for option in _COMMAND.finditer(message):
        if option["name"] == "vendor":
            learn_vendor(run, option["value"].partition("/")[0])
        elif option["name"] == "case_name":
            learn_case(run, option["value"])
        else:
            run.environment.setdefault("host", option["value"])
