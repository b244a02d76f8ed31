"""The command and the variables of one ModelTest, by the rules of its scripts.

``run.sh`` reads its arguments by position; what follows the mode depends on the mode.  ``run_pa.sh`` runs on all chips
that are visible.  Some versions of it export the chips and the port themselves, over what the environment says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from llmstats.errors import InputError

DIALOGUE = "dialogue"
PERFORMANCE = ("performance", "performance_maxbs")
#: Tests of accuracy that take the number of examples in the prompt first.
SHOTS = ("full_CEval", "full_CMMLU", "full_MMLU")
ACCURACY = (
    "full_BoolQ", "full_GSM8K", "full_TruthfulQA", "full_HumanEval", "full_HumanEval_X", "full_LongBench",
    "full_LongBench-E", "full_GPQA", "full_AIME2024", "simplified_GSM8K", "simplified_TruthfulQA", "edge_BoolQ",
    "edge_GSM8K", *SHOTS,
)  # fmt: skip
TESTS = (DIALOGUE, *PERFORMANCE, *ACCURACY)

DEVICES, PORT = "ASCEND_RT_VISIBLE_DEVICES", "MASTER_PORT"
DEFAULT_CHIPS, DEFAULT_PORT, PORTS = 8, 20030, range(20000, 20051)
#: Variables of speed and memory that the README sets for a dialogue and advises to leave alone.
TUNING = {
    "ATB_LAYER_INTERNAL_TENSOR_REUSE": "1",
    "INF_NAN_MODE_ENABLE": "0",
    "ATB_OPERATION_EXECUTE_ASYNC": "1",
    "TASK_QUEUE_ENABLE": "1",
    "ATB_CONVERT_NCHW_TO_ND": "1",
    "ATB_WORKSPACE_MEM_ALLOC_GLOBAL": "1",
    "ATB_CONTEXT_WORKSPACE_SIZE": "0",
}

_CASES = re.compile(r"\[\[\d+,\d+\](?:,\[\d+,\d+\])*\]")
_BATCHES = re.compile(r"\d+(?:,\d+)*|\[\d+(?:,\d+)*\]|\[\[\d+(?:,\d+)*\](?:,\[\d+(?:,\d+)*\])*\]")
_EXPORT = re.compile(rf"\s*export\s+({DEVICES}|{PORT})=[\"']?([\d,]+)[\"']?\s*(?:#.*)?$")


@dataclass(frozen=True)
class Test:
    """One test as asked for."""

    mode: str  #: of `TESTS`
    model: str  #: ModelTest's name of the family
    weights: str
    precision: str
    chips: int
    trust: bool = False
    cases: str = ""
    batch_size: str = "1"
    batch_range: str = ""
    time_limit: int = 0
    shots: int = 0


def arguments(test: Test, script: str) -> list[str]:
    """The argument list; ``script`` is ``run_pa.sh`` for a dialogue and is read for how it is told to trust."""
    if test.mode == DIALOGUE:
        return ["bash", script, *_dialogue(test, script)]
    behind = [test.model, test.weights, *(["trust_remote_code"] if test.trust else []), str(test.chips)]
    return ["bash", "run.sh", f"pa_{test.precision}", test.mode, *_middle(test), *behind]


def _dialogue(test: Test, script: str) -> list[str]:
    if not test.trust:
        return [test.weights]
    first = '"$1" == "--trust_remote_code"' in _text(script)
    return ["--trust_remote_code", test.weights] if first else [test.weights, "-trust_remote_code"]


def _middle(test: Test) -> list[str]:
    """What stands between the mode and the name of the model."""
    if test.mode == "performance_maxbs":
        return [test.cases, test.batch_range, str(test.time_limit)]
    before = [test.cases] if test.mode == "performance" else [str(test.shots)] if test.mode in SHOTS else []
    return [*before, test.batch_size]


def environment(mode: str, visible: str, port: int, given: Mapping[str, str]) -> dict[str, str]:
    """Variables of a test; those of speed and memory only where ``given`` (the user's own) has none."""
    if mode != DIALOGUE:
        return {DEVICES: visible} | ({"ATB_LLM_BENCHMARK_ENABLE": "1"} if mode in PERFORMANCE else {})
    return {DEVICES: visible, PORT: str(port)} | {k: v for k, v in TUNING.items() if k not in given}


# --------------------------------------------------------------------------- chips and port


@dataclass(frozen=True)
class Place:
    """Where a test runs."""

    chips: int  #: world size: an NPU of an 800I A2, one of the two chips of a 300I DUO card
    visible: str
    port: int


def place(mode: str, script: str, chips: int | None, visible: str | None, port: int | None) -> Place:
    """Chips and port that will really be used.

    Raises:
        InputError: too few chips are visible, or a script overrides what was asked for.
    """
    if mode == DIALOGUE:
        told = exports(script)
        visible = _overridden(script, told, DEVICES, visible, "--visible")
        port = int(_overridden(script, told, PORT, str(port) if port else None, "--master-port") or DEFAULT_PORT)
    if visible is None:
        chips = chips or DEFAULT_CHIPS
        visible = ",".join(map(str, range(chips)))
    count = _count(visible)
    if chips is None:
        chips = count
    if count < chips or (mode == DIALOGUE and count != chips):
        raise InputError(_mismatch(chips, visible, count))
    if "0" in str(chips):
        raise InputError(f"--chips {chips}: run.sh takes a number with a 0 in it for the name of a rank table")
    return Place(chips, visible, port or DEFAULT_PORT)


def _count(visible: str) -> int:
    numbers = visible.split(",")
    if not all(n.isdecimal() for n in numbers) or len(set(numbers)) < len(numbers):
        raise InputError(f"--visible {visible}: write the numbers of chips with commas between, each once: 0,1,2,3")
    return len(numbers)


def _mismatch(chips: int, visible: str, count: int) -> str:
    if count > chips:
        return (
            f"--chips {chips}, but run_pa.sh runs on all {count} visible chips ({DEVICES}={visible}):"
            f" make {chips} visible with --visible, or leave --chips out"
        )
    return (
        f"world size {chips} needs {chips} visible chips, but {DEVICES} is {visible}; a 300I DUO card has two chips:"
        " name at least two for one card, at least four for two cards"
    )


def exports(script: str) -> dict[str, tuple[str, int]]:
    """Chips and port that a script sets itself: name -> (value, line)."""
    found = {}
    for number, line in enumerate(_text(script).splitlines(), 1):
        if match := _EXPORT.match(line):
            found[match[1]] = (match[2], number)
    return found


def _overridden(
    script: str, told: Mapping[str, tuple[str, int]], name: str, wanted: str | None, option: str
) -> str | None:
    """What a script makes of a variable, which must be what the user wants of it."""
    value, line = told.get(name, (wanted, 0))
    if wanted is not None and value != wanted:
        raise InputError(
            f"{script}:{line} sets {name}={value} itself, over the {wanted} that you ask for: edit that line,"
            f" or leave {option} (and the variable {name}) out"
        )
    return value


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as why:
        raise InputError(
            f"{path} cannot be read: {why.strerror}; --llm-path must name MindIE-LLM's atb_models"
        ) from why


# --------------------------------------------------------------------------- sizes


def check_sizes(test: Test) -> None:
    """The lists of sizes as ``run.sh`` takes them.

    Raises:
        InputError: one is malformed, or two do not fit.
    """
    if test.mode in PERFORMANCE and not _CASES.fullmatch(test.cases):
        raise InputError(f"--cases {test.cases}: write pairs of input and output length: [[2048,2048],[1024,1024]]")
    if test.mode == "performance_maxbs":
        if not _CASES.fullmatch(test.batch_range) or len(_pairs(test.batch_range)) != len(_pairs(test.cases)):
            raise InputError(
                f"--batch-range {test.batch_range or '(none)'}: one pair for each of {test.cases}: [[1,64]]"
            )
        if not test.time_limit:
            raise InputError("performance_maxbs needs --time-limit: milliseconds that a decode step may take")
    elif not _BATCHES.fullmatch(test.batch_size):
        raise InputError(f"--batch-size {test.batch_size}: write 1 or 8,4,1, or one list per case: [[8,4],[1]]")


def _pairs(text: str) -> list[list[int]]:
    return [[int(n) for n in pair.split(",")] for pair in re.findall(r"\d+,\d+", text)]


def doubts(test: Test, place: Place, positions: object) -> Iterator[str]:
    """Warnings about sizes and port; ``positions`` is ``max_position_embeddings`` of the weights."""
    if place.port not in PORTS:
        yield f"{PORT} {place.port} lies outside the range that the README advises ({PORTS[0]}-{PORTS[-1]})"
    if test.mode not in PERFORMANCE:
        return
    sums = [sum(pair) for pair in _pairs(test.cases)]
    if sums != sorted(sums, reverse=True):
        yield "ModelTest reserves memory by the first case: put the longest first, or the others measure too slow"
    if isinstance(positions, int) and max(sums) > positions:
        yield f"a case of {max(sums)} tokens exceeds max_position_embeddings of the weights ({positions})"


def installed(root: str, mode: str, script: str) -> str:
    """The directory in which the test runs, once it is seen that the scripts are there.

    Raises:
        InputError: one is missing.
    """
    folder = root if mode == DIALOGUE else os.path.join(root, "tests", "modeltest")
    wanted = script if mode == DIALOGUE else os.path.join(folder, "run.sh")
    if not os.path.isfile(wanted):
        raise InputError(
            f"{wanted} does not exist: --llm-path must name the model repository, ${{working_dir}}/MindIE-LLM of a"
            " package or ${working_dir}/MindIE-LLM/examples/atb_models of a checkout"
        )
    return folder
