"""``[FlagPerf Result]`` lines of the base tests, the vendors' toolkits and the operators: one quantity per line.

Names carry the writers' slips (``inferconnect``, ``bindwidth``; toolkits that print the name of another test); the
case says what was run, the name is kept beside the value.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from llmstats.records import Issue, Item, Measurement, Run

from ._serving import Case, Meaning, decimals, measurement

MARK = "[FlagPerf Result]"
_GIB = 2.0**30
_UNITS = {
    "TFLOPS": 1e12, "TFlops": 1e12, "TOPS": 1e12, "Tops": 1e12, "GB/s": 1e9, "GiB/s": _GIB, "MB/s": 1e6, "TB/s": 1e12,
    "GB": 1e9, "GiB": _GIB, "MiB": 2.0**20, "MB": 1e6, "us": 1e-6, "ns": 1e-9, "ms": 1e-3, "s": 1.0, "W": 1.0,
}  # fmt: skip
_VALUE = r"(?P<value>[-+]?\d[\d.]*(?:[eE][-+]?\d+)?|nan|-?inf)"
_LINE = re.compile(
    rf"(?:Rank (?P<rank>\d+)(?:'s)? )?(?P<scope>.* (?:overall GPU|bandwidth and) |(?:(?:CPU|Kernel) Time )?\w+'s )?"
    rf"(?P<name>\S.*?) ?= ?{_VALUE} ?(?P<unit>[A-Za-z][A-Za-z/]*)$"
)
_EMPTY = re.compile(r".*= *[A-Za-z/]+$")
_OPERATION = re.compile(r"Operation (?P<operator>.+) in (?P<library>\S+) at (?P<dtype>\S+?):$")
_PAIRS = re.compile(r"(?P<name>[A-Za-z][\w ]*?)=(?P<value>[-+]?\d[\d.]*(?:[eE][-+]?\d+)?|nan|-?inf) ?(?P<unit>%|us)?")
_TIMED = re.compile(
    r"(?P<clock>cputime|kerneltime)=(?P<time>\S+) us, throughput=(?P<rate>\S+) op/s, equals to (?P<tflops>\S+) TFLOPS$"
)
_CORRECT = re.compile(r"Correctness with CPU golden Reference: (?P<value>\w+)$")
_OLD_ERROR = re.compile(r"\S+'s computation-\S+ mean relative error with FP64-CPU: ?(?P<value>\S+)$")
_CLOCKS = {"cputime": "cpu_wall_clock", "kerneltime": "kernel_clock"}
#: What a name says of the way in which a bandwidth is counted.
_NAMED = {"algbw": "bandwidth@algorithm", "busbw": "bandwidth@bus", "one-way": "bandwidth@one_direction"}
_BANDWIDTHS = {
    "interconnect-MPI_": "bandwidth@bus_both_directions",
    "interconnect-P2P_": "bandwidth@bidirectional",
    "interconnect-h2d": "bandwidth@host_to_device",
    "main_memory": "bandwidth@read_plus_write",
}


def after_marks(text: str) -> list[str]:
    """What a line says of results: none, one, or several where ranks wrote at the same time."""
    return [said.strip() for said in text.split(MARK)[1:]]


def test_name(name: str) -> str:
    """A printed name as FlagPerf calls the test: ``inferconnect-P2P_intraserver-bandwidth`` -> its folder's name."""
    name = (
        name.replace("inferconnect", "interconnect")
        .replace("bindwidth", "bandwidth")
        .replace(" bandwidth", "-bandwidth")
    )
    name = name.replace("transfer-bandwidth", "interconnect-h2d").replace("-algbw", "-bandwidth")
    name = name.replace("-busbw", "-bandwidth")
    return name.removesuffix("-bandwidth") if name.startswith("interconnect") else name


@dataclass(slots=True)
class Results:
    """The results of one run, in the order of their lines."""

    run: Run
    node: int | None = None  #: of several nodes the later ones are a condition
    found: dict[tuple[str | None, ...], Measurement] = field(default_factory=dict)
    remarks: list[Issue] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    _operator: str | None = None

    def items(self) -> Iterator[Item]:
        yield from self.found.values()
        yield from self.remarks

    def fingerprint(self) -> str | None:
        """What only this measurement has: all its lines, where any has decimals."""
        text = "\n".join(self.lines)
        if not re.search(r"=\d+\.\d", text):
            return None
        return f"flagperf results {hashlib.sha256(text.encode()).hexdigest()[:24]}"

    def take(self, said: str, line: int) -> None:
        """One result line without its mark."""
        self.lines.append(said)
        if said and not (self._of_operator(said, line) or self._of_test(said, line)):
            broken = _EMPTY.match(said) is not None
            self.remarks.append(Issue("result line without a number", line, said, suspect=broken))

    # ---- operators

    def _of_operator(self, said: str, line: int) -> bool:
        if head := _OPERATION.match(said):
            self._operator = head["operator"]
            run = self.run
            run.framework, run.precision = run.framework or head["library"], run.precision or head["dtype"]
            run.kind = run.kind or "microbenchmark"
        elif timed := _TIMED.match(said):
            self._timed(timed, line)
        elif correct := _CORRECT.match(said):
            self.run.config["correct"] = correct["value"]
            if correct["value"] == "False":
                self.remarks.append(Issue("the operator's result is wrong", line, said, suspect=False))
        elif said.startswith("FLOPS utilization:"):
            for pair in _PAIRS.finditer(said):
                clock = _CLOCKS.get(pair["name"].strip(), pair["name"])
                self._keep(
                    Meaning("flops_utilisation", f"flops_utilisation@{clock}", 0.01), pair["value"], pair["name"], line
                )
        else:
            return self._first_calls(said, line) or self._errors(said, line)
        return True

    def _timed(self, match: re.Match[str], line: int) -> None:
        clock = _CLOCKS[match["clock"]]
        for group, metric, factor, raw_name in (
            ("time", "operator_time", 1e-6, match["clock"]),
            ("rate", "operator_calls_per_second", 1.0, "throughput"),
            ("tflops", "achieved_flops", 1e12, "equals to"),
        ):
            self._keep(Meaning(metric, f"{metric}@{clock}", factor), match[group], raw_name, line)

    def _first_calls(self, said: str, line: int) -> bool:
        if not said.startswith("First time latency:"):
            return False
        for pair in _PAIRS.finditer(said.partition(":")[2]):
            how = "cold" if pair["name"].strip() == "no warmup" else "warm"
            meaning = Meaning("operator_first_call_time", f"operator_first_call_time@{how}", 1e-6)
            self._keep(meaning, pair["value"], pair["name"].strip(), line)
        return True

    def _errors(self, said: str, line: int) -> bool:
        """Older versions give an error instead of a verdict."""
        if old := _OLD_ERROR.match(said):
            self._keep(Meaning("relative_error", statistic="mean"), old["value"], "mean relative error", line)
        elif said.startswith("Relative error with FP64-CPU:"):
            for pair in _PAIRS.finditer(said.partition(":")[2]):
                name = pair["name"].strip()
                self._keep(Meaning("relative_error", statistic=name), pair["value"], name, line)
        elif said.startswith("programmable_op_perf:"):
            for pair in _PAIRS.finditer(said.partition(":")[2]):
                case = Case(subject=pair["name"].strip().rstrip("_"))
                self._keep(Meaning("operator_time", factor=1e-6), pair["value"], pair["name"].strip(), line, case)
        else:
            return False
        return True

    # ---- base tests

    def _of_test(self, said: str, line: int) -> bool:
        match = _LINE.match(said)
        if match is None or match["unit"] not in _UNITS:
            return False
        name = test_name(match["name"])
        case = self._case(name, match)
        known = self.found.get(_key(self._meaning(name, match), case, name))
        if known is None or not match["unit"].startswith("Gi"):  # of the pair GB and GiB the decimal one
            self._keep(self._meaning(name, match), match["value"], match["name"], line, case)
        asked = self.run.config.get("case")
        if asked and asked != name and known is None and "-" in name:
            remark = f"the test {asked} printed its result as {match['name']}"
            self.remarks.append(Issue(remark, line, said, suspect=False))
        return True

    def _case(self, name: str, match: re.Match[str]) -> Case:
        conditions: dict[str, Any] = {"rank": int(match["rank"])} if match["rank"] else {}
        if self.node:
            conditions["node"] = self.node
        return Case(subject=self.run.config.get("case") or name, conditions=conditions)

    def _meaning(self, name: str, match: re.Match[str]) -> Meaning:
        unit, ranked, scope = match["unit"], match["rank"] is not None, match["scope"] or ""
        meaning = self._plain_meaning(name, match, unit, ranked=ranked)
        if "2 chips" in scope or "bidirectional" in scope:  # the same measurement times two
            doubled = "two_chip_card" if "2 chips" in scope else "doubled"
            return Meaning(meaning.metric, f"{meaning.metric}@{doubled}", meaning.factor)
        return meaning

    def _plain_meaning(self, name: str, match: re.Match[str], unit: str, *, ranked: bool) -> Meaning:
        factor = _UNITS[unit]
        if unit.upper() in ("TFLOPS", "TOPS"):
            clock = (match["scope"] or "").split(" ")[0].lower()
            where = {"cpu": "cpu_wall_clock", "kernel": "kernel_clock"}.get(clock) or ("per_rank" if ranked else None)
            metric = "achieved_ops" if "INT" in name else "achieved_flops"
            return Meaning(metric, f"{metric}@{where}" if where else None, factor)
        if unit.endswith("B/s"):
            return Meaning("bandwidth", _bandwidth(name, match), factor)
        if unit.endswith("B"):
            counted = "memory_total@largest_allocation" if ranked or unit[0] == "G" else None
            return Meaning("memory_total", counted, factor)
        if unit == "W":
            return Meaning("power")
        return Meaning("elapsed_time" if name == "elapsed_time" else name, factor=factor)

    def _keep(self, meaning: Meaning, raw: str, raw_name: str, line: int, case: Case | None = None) -> None:
        case = case or Case(subject=self._operator or self.run.config.get("case"))
        if self.node:
            case.conditions["node"] = self.node
        item = measurement(self.run.name, meaning, raw, raw_name, line, case, decimals(raw))
        if meaning.metric == raw_name:
            item.unit = "s"
        self.found[_key(meaning, case, test_name(raw_name))] = item
        self.run.kind = self.run.kind or "microbenchmark"
        self.run.status = "completed"


def _key(meaning: Meaning, case: Case, name: str) -> tuple[str | None, ...]:
    return (
        meaning.metric,
        meaning.definition,
        meaning.statistic,
        name,
        case.subject,
        str(sorted(case.conditions.items())),
    )


def _bandwidth(name: str, match: re.Match[str]) -> str:
    if named := next((d for end, d in _NAMED.items() if end in match["name"]), None):
        return named
    if match["rank"] is None:
        return "bandwidth@vendor_toolkit"
    return next((d for start, d in _BANDWIDTHS.items() if name.startswith(start)), "bandwidth@vendor_toolkit")
