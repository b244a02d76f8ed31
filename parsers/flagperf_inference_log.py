"""FlagPerf inference: logs of the container (``container.out.log``, ``stdout_err.out.log``) and of the host.

Source: ``inference/run_inference.py``, ``inference/run.py``, ``inference/benchmarks/*/pytorch/forward.py`` of
FlagOpen/FlagPerf.  The container's two logs hold the same lines; the host's log repeats the result and adds
memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import HEAD_BYTES, DocumentParser, Head, Place
from llmstats.records import Issue, Item
from llmstats.training import microseconds

from ._flagperf import VENDORS, Case, Meaning, case_of, case_of_host, learn_module
from ._literals import read_repr
from ._samples_flagperf import SAMPLES

_CLOCK = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+"
_LINE = re.compile(
    rf"(?P<clock>{_CLOCK})(?:"
    r" \| (?P<level>[A-Za-z][A-Za-z ]*?) *\| (?P<where>\S+) -(?: (?P<message>.*))?"
    r"|[+-]\d{4} - (?P<level2>[A-Za-z][A-Za-z ]*?) - (?P<message2>.*))$"
)
_MARK = re.compile(rf"^.{{0,80}}?{_CLOCK} \| (?P<level>(?:Init|Vendor Inference) Begin|Finish Info) *\|", re.M)
_WELCOME = re.compile(rf"{_CLOCK}\S* (?:\||-) Welcome\b.*Welcome to FlagPerf Inference!")
_CONTAINER = re.compile(rf"^{_CLOCK} \| [A-Z]+ +\| (?:tools|benchmarks|inference_engine)\.\S+ - ", re.M)

_PERF = re.compile(
    r"(?P<stage>Validation|Inference)\([^)]*\) (?P<core>core )?Perf: (?P<value>\S+) (?P<unit>qps|tps|ips)\s*$"
)
_ACCURACY = re.compile(r"(?P<label>\S.{0,40}?) Acc: (?P<value>\[.*\]|tensor\(.*\)|[-\d.][\d.eE+-]*)\s*$")
_DURATION = re.compile(r"(?P<value>[\d.]+(?:[eE][+-]?\d+)?) seconds\s*$")
_TIMES = {"Init End": "init_time", "Export End": "export_time", "Vendor Compile End": "compile_time"}
_BATCH_SIZE = re.compile(r"Set batch_size to (\d+)$")

_TESTCASE = re.compile(r"=+ Testcase: (?P<a>\S+) =+$|-== Testcase (?P<b>\S+) starts ==-$")
_CASE_DIR = re.compile(r"Check task log in real time from container: \S*/(?P<host>[^/]+)/container\.out\.log$")
_RESULT = re.compile(r"(?P<key>\*?[\w()]+) +: (?P<value>\S.*?|) *$")
_RESULT_KEYS = {
    "vendor", "compiler", "precision", "batchsize", "byte_per_batch", "flops", "e2e_time(second)",
    "val_average_acc", "infer_average_acc", "vendor_usage(GiB)", "vendor_max_mem(GiB)", "*MFU",
}  # fmt: skip
_VENDOR = re.compile(r"Vendor:\s+(\w+)$")
_FAILED = "Case Run Failed, Please Check Log!"
_ERROR = re.compile(r"[\w.]*(?:Error|Exception|Interrupt)\b.*")


class FlagPerfInferenceLog(DocumentParser):
    """One run per case of a run directory."""

    name = "flagperf_inference_log"
    version = 2
    title = "FlagPerf inference: container.out.log, stdout_err.out.log, host.out.log"
    writes = "FlagPerf"
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        if "Welcome to FlagPerf Inference!" in head.text and _WELCOME.search(head.text):
            return "'Welcome to FlagPerf Inference!'"
        marked = any(f" | {level}" in head.text for level in ("Init Begin", "Vendor Inference Begin", "Finish Info"))
        if marked and (match := _MARK.search(head.text)):
            return f"event '{match['level']}' of run_inference.py"
        if not head.place.matches("container.out.log", "stdout_err.out.log"):
            return None
        ours = "run_inference.py" in head.text or _CONTAINER.search(head.text)
        return f"named {head.place.name}, with lines of run_inference.py" if ours else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # behind the last newline: nothing, or half a line
        read = _host if _WELCOME.search(text, 0, HEAD_BYTES) else _container
        yield from read(place, lines)


# --------------------------------------------------------------------------- the container's logs


def _container(place: Place, lines: list[str]) -> Iterator[Item]:
    case = case_of(place)
    stage, traceback = "validation", False
    for number, text in enumerate(lines, 1):
        match = _LINE.search(text)
        if not match:
            traceback = _bare_line(case, text, number, traceback=traceback)
            continue
        time, level, message = (
            microseconds(match["clock"]),
            match["level"] or match["level2"],
            _message(match),
        )
        case.seen_at(time)
        learn_module(case.run, match["where"] or "")
        if level in ("Model Forward Begin", "Vendor Inference Begin"):
            stage = "inference" if level.startswith("Vendor") else "validation"
        if level == "Finish Info":
            _finish(case, message, number)
        elif not level.isupper():
            _phase(case, level, message, number, time)
        elif not _measured(case, message, stage, number):
            _talk(case, level, message, number, time)
    yield from case.items()


def _message(match: re.Match[str]) -> str:
    return match["message"] or match["message2"] or ""


def _finish(case: Case, message: str, line: int) -> None:
    result = read_repr(message[message.find("{") :]) if "{" in message else None
    if result is None:
        return
    case.run.status = "completed"
    for key, value in result.items():
        case.result(str(key), str(value), line)


def _phase(case: Case, level: str, message: str, line: int, time: int | None) -> None:
    """An event that FlagPerf gave a level of its own; the end of a stage says how long it took."""
    case.event("phase", f"{level}: {message}" if message.strip() else level, line, time, level)
    duration = _DURATION.search(message)
    if duration and level in _TIMES:
        case.value(Meaning(_TIMES[level], 1.0, "s"), level, duration["value"], line)


def _measured(case: Case, message: str, stage: str, line: int) -> bool:
    """``Perf`` and ``Acc`` lines; whether it was one."""
    if perf := _PERF.search(message):
        key = f"p_{perf['stage'].lower()}_{'core' if perf['core'] else 'whole'}"
        case.rate(key, perf["value"], perf["unit"], line)
    elif accuracy := _ACCURACY.match(message):
        case.value(case.accuracy(stage), f"{accuracy['label']} Acc", accuracy["value"], line)
    else:
        return False
    return True


def _talk(case: Case, level: str, message: str, line: int, time: int | None) -> None:
    if batch_size := _BATCH_SIZE.search(message):
        case.batch_size = float(batch_size[1])
    elif level in ("ERROR", "CRITICAL", "WARNING"):
        case.event("warning" if level == "WARNING" else "error", message, line, time, level)


def _bare_line(case: Case, text: str, line: int, *, traceback: bool) -> bool:
    """Output of other programs: only the exception that ends a traceback counts; whether one is open."""
    if "Traceback (most recent call last)" in text:
        return True
    error = _ERROR.match(text) if traceback else None
    if error is None:
        return traceback
    case.event("oom" if "out of memory" in text.lower() else "error", error[0], line, None)
    if case.run.status is None:
        case.run.status = "failed"
    return False


# --------------------------------------------------------------------------- the host's log


def _host(place: Place, lines: list[str]) -> Iterator[Item]:
    """Cases run one after the other; each is named when it starts, with its result after its end."""
    cases: dict[str, Case] = {}
    case: Case | None = None
    vendor = None
    for number, text in enumerate(lines, 1):
        match = _LINE.search(text)
        if not match:
            continue
        time, level, message = (
            microseconds(match["clock"]),
            match["level"] or match["level2"],
            _message(match).rstrip(),
        )
        if begin := _TESTCASE.match(message):
            name = begin["a"] or begin["b"]
            case = cases.setdefault(name, case_of_host(place, name))
            case.run.vendor = case.run.vendor or vendor
        elif found := _VENDOR.match(message):
            vendor = VENDORS.get(found[1].lower(), found[1])
        if case is None:
            if level in ("ERROR", "CRITICAL"):
                yield Issue(f"stopped before any case: {message[:200]}", number, text[:500], suspect=False)
            continue
        case.seen_at(time)
        _host_line(case, level, message, number, time)
    for case in cases.values():
        yield from case.items()


def _host_line(case: Case, level: str, message: str, line: int, time: int | None) -> None:
    result = _RESULT.match(message) if level == "INFO" else None
    if result and (result["key"] in _RESULT_KEYS or result["key"].lstrip("*").startswith("p_")):
        case.run.status = "completed"
        case.result(result["key"], result["value"], line)
    elif host := _CASE_DIR.search(message):
        case.run.environment["host"] = host["host"].partition("_noderank")[0]
    elif level in ("ERROR", "CRITICAL"):
        case.event("error", message, line, time, level)
        if message.strip() == _FAILED or "[FAILED]" in message:
            case.run.status = "failed"
    elif level == "WARNING":
        case.event("warning", message, line, time, level)
