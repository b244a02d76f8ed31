"""XTuner V1's text log: per-rank files, worker files of the RL trainer, captures of stderr with all ranks.

Also that of XTuner Lite, the scripts of 2024 between 0.x and V1 (``tools/fsdp_sft.py``).

Source: ``xtuner/v1/utils/logger.py`` (prefix), ``xtuner/v1/train/trainer.py`` ``_log_step`` (twelve shapes
since July 2025; read by ``key: value``, not by position), ``xtuner/v1/rl/trainer/worker.py`` (RL line).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np

from llmstats.pairs import pairs
from llmstats.parsing import Head, LineParser, Name, Place, State
from llmstats.records import Event, Issue, Item, Run
from llmstats.shapes import Field, Note, Plan, Record, Scan, Suspect
from llmstats.training import (
    CONFLICT,
    Runs,
    StepLog,
    is_conflict_marker,
    microseconds,
    points,
    prefix_fields,
    whole,
)

from ._samples_xtuner_v1 import LOG_SAMPLES
from ._xtuner_v1 import GIB, NAMES, canonical, first_steps, new_run, repeats, start, tell_apart

_PREFIX = re.compile(
    r"\[XTuner\](?:\[RANK (?P<rank>\d+)\])?(?:\[[A-Z]{2} \d+\])*\[(?P<clock>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\]"
    r"\[(?P<level>[A-Z]+) *\](?:\[[^\]]*\])* "
)
_HEAD = re.compile(r"^[^\"'\n]{0,80}" + _PREFIX.pattern, re.M)
_HEADER = re.compile(
    r"(?:Epoch (?P<epoch>\d+) )?Step (?P<step>\d+)/(?P<n>\d+)\s+(?=[\w./]+:\s)"
    r"|Rank(?P<rl_rank>\d+) Step (?P<rl_step>\d+):\s+(?=[\w./]+:\s)"
    r"|\[Train\] \(Epoch (?P<lite_epoch>\d+)\) Step (?P<lite_step>\d+)/\d+\s+(?=[\w./]+:\s)"
)
_LOOKS_LIKE_DATA = re.compile(r"(?:Epoch \d+ )?Step \d+.*\bdata_time:")
#: Lines without a prefix that say something: blocks (indented JSON, ``KEY: value``, rules), and errors.
_TEXT = re.compile(
    r"\s+\S|[{}\[\]]|[A-Z][A-Z0-9_]*: |={10,}"
    r"|Traceback|[\w.]*(?:Error|Exception|Interrupt)\b|.*[Oo]ut of memory"
)
_FILE_RANK = re.compile(r"rank_?(\d+)\b")
_BLOCK_LINES = 20_000


class XTunerV1Log(LineParser):
    """One run per attempt in ``{work_dir}/{14 digits}``; the files of all ranks are one run."""

    name = "xtuner_v1_log"
    version = 2
    title = "XTuner V1 trainer log: rank files, RL workers, captures of stderr"
    writes = "XTuner V1"
    names = NAMES
    samples = LOG_SAMPLES

    def detect(self, head: Head) -> str | None:
        match = _HEAD.search(head.text) if "[XTuner]" in head.text else None
        return f"line prefix '[XTuner]…[{match['clock']}][{match['level']}]'" if match else None

    def canonical(self, raw: str, phase: str) -> Name:
        return canonical(raw)

    def start(self, place: Place) -> State:
        return start(place)

    def plan(self, text: str) -> Plan:
        prefix = _PREFIX.search(text)
        if not prefix:
            return _unprefixed(text)
        header = _HEADER.match(text, prefix.end())
        if not header:
            looks_like_data = _LOOKS_LIKE_DATA.match(text, prefix.end())
            return Suspect("step line not understood") if looks_like_data else Note("log")
        step = next(group for group in ("step", "rl_step", "lite_step") if header[group])
        fields = [
            *_prefix(text, prefix, header),
            *(Field("@epoch", *header.span(group)) for group in ("epoch", "lite_epoch") if header[group]),
            Field("@step", *header.span(step)),
            *([Field("", *header.span("n"), "skip")] if header["n"] else []),
            *_once(pairs(text, header.end())),
        ]
        return Record("train", fields, (("lite", True),) if step == "lite_step" else ())

    def fold(self, state: State, place: Place, scan: Scan) -> Iterator[Item]:
        file_rank = _FILE_RANK.search(place.name)
        runs = Runs(state, lambda index: new_run(state, index))
        steps = StepLog(state)
        before = steps.remembered()
        breaks = sorted({*_resumes(scan), *repeats(scan.frames, state)})
        train = steps.read(scan.frames, breaks, [(n, text) for n, tag, text in scan.notes if tag == CONFLICT])
        for line, reason, text in scan.suspects:
            yield Issue(reason, line, text[:500])
        for line, tag, text in scan.notes:
            yield from _note(state, runs[steps.at(train, line, before)], line, tag, text)
        for frame in scan.frames:
            index = train.runs[np.searchsorted(train.lines, frame.lines)]
            runs.span(index, frame.columns["@clock"])
            tell_apart(frame)
            at = whole(frame.columns["@step"])
            rank = int(file_rank[1]) if file_rank else None
            yield from points(frame, "train", state["name"], index, at, frame.columns["@clock"], rank)
        for number, step in first_steps(train, state).items():
            run = runs[number]
            if run.resumed_from is None and (number or "resume_from" in run.config):
                run.resumed_from = step - 1
        yield from runs.told(steps.run)
        runs.save()


def _unprefixed(text: str) -> Plan:
    if is_conflict_marker(text):
        return Note(CONFLICT)
    return Note("text") if _TEXT.match(text) else None


def _prefix(text: str, prefix: re.Match[str], header: re.Match[str]) -> list[Field]:
    """Clock and rank; the rank between the brackets wins over the RL worker's and the launcher's."""
    clock = Field("@clock", *prefix.span("clock"), "clock")
    rl = [Field("@rank", *header.span("rl_rank"))] if header["rl_rank"] else []
    if prefix["rank"]:
        skipped = [f._replace(name="", kind="skip") for f in rl]
        return [Field("", 0, prefix.start(), "skip"), Field("@rank", *prefix.span("rank")), clock, *skipped]
    front = [f._replace(name="", kind="skip") if rl else f for f in prefix_fields(text, prefix.start())]
    return [*front, clock, *rl]


def _once(fields: list[Field]) -> list[Field]:
    """A name that comes twice in a line (a sum over ranks, then this rank's) keeps both values."""
    seen: set[str] = set()
    out = []
    for f in fields:
        if f.kind != "skip" and f.name in seen:
            f = f._replace(name=f"{f.name}#2")
        seen.add(f.name)
        out.append(f)
    return out


# --------------------------------------------------------------------------- lines that are not steps

_RESUME = re.compile(r"Resume from checkpoint: (.+)$")
_RESUME_MEMORY = re.compile(r"\[Checkpoint Resume Memory\].*total: ([\d.]+) GB")
_CONFIG = "Training config: {"
_ENVIRONMENT = re.compile(r"=+XTuner Training Environment=+$")
_RULE = re.compile(r"={10,}$")
_ERROR = re.compile(r"Traceback \(most recent call last\)|^[\w.]*(?:Error|Exception|Interrupt)\b")
_OOM = re.compile(r"(?i)out of memory")


def _resumes(scan: Scan) -> list[int]:
    """Lines with which a resumed process announces itself: rank 0 by name, the others by their memory."""
    found = []
    for line, tag, text in scan.notes:
        prefix = _PREFIX.search(text) if tag == "log" else None
        if prefix and (_RESUME.search(text) or (_RESUME_MEMORY.search(text) and not prefix["rank"])):
            found.append(line)
    return found


def _note(state: State, run: Run, line: int, tag: str, text: str) -> Iterator[Event]:
    prefix = _PREFIX.search(text)
    if tag == "text":
        in_block = _block_line(state, run, text)
        if not in_block and (event := _trouble(run.name, text, line, None, None)):
            yield event
        return
    if tag == CONFLICT or prefix is None:
        return
    message, clock = text[prefix.end() :], microseconds(prefix["clock"])
    if resume := _RESUME.match(message):
        path = resume[1].strip()
        run.config["resume_from"] = path
        run.resumed_from = _step_of(path)
        yield Event(run.name, "resume", message[:2000], line, clock, run.resumed_from, prefix["level"])
    elif memory := _RESUME_MEMORY.match(message):
        run.environment["device_memory_total"] = float(memory[1]) * GIB
    elif message.startswith(("Training finished in", "[Train] Cost")):
        run.status, run.ended_at = "completed", clock
    elif message.startswith("Namespace("):
        _read_arguments(message, run)
    elif message.startswith(_CONFIG):
        state["block"] = {"kind": "config", "lines": ["{"]}
    elif _ENVIRONMENT.match(message.strip()):
        state["block"] = {"kind": "environment", "lines": []}
    if event := _trouble(run.name, message, line, clock, prefix["level"]):
        yield event


def _step_of(checkpoint: str) -> int | None:
    """Step that a checkpoint's directory is named after."""
    digits = re.findall(r"\d+", checkpoint.rstrip("/").rsplit("/", 1)[-1])
    return int(digits[-1]) if digits else None


def _trouble(run: str, text: str, line: int, clock: int | None, level: str | None) -> Event | None:
    if _OOM.search(text):
        kind = "oom"
    elif level in ("ERROR", "CRITICAL") or _ERROR.search(text):
        kind = "error"
    elif level == "WARNING":
        kind = "warning"
    else:
        return None
    return Event(run, kind, text.strip()[:2000], line, clock, None, level)


# --------------------------------------------------------------------------- header blocks


_ARGUMENT = re.compile(r"\b(?P<key>llm|llava|model|dtype|[ts]p_size|ep_size)='?(?P<value>[^',)]+)")
_PRECISIONS = {"bf16": "bf16", "fp16": "fp16", "fp32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


def _read_arguments(text: str, run: Run) -> None:
    """Facts of the arguments that XTuner Lite prints."""
    said = {m["key"]: m["value"] for m in _ARGUMENT.finditer(text)}
    model = next((said[key] for key in ("llm", "llava", "model") if said.get(key, "None") != "None"), "")
    run.model = model.rstrip("/").rsplit("/", 1)[-1] or run.model
    run.precision = _PRECISIONS.get(said.get("dtype", ""), run.precision)
    sizes = {key[:2]: said[key] for key in ("tp_size", "ep_size", "sp_size") if said.get(key, "").isdigit()}
    run.parallelism = "-".join(f"{k}{v}" for k, v in sizes.items() if v != "1") or run.parallelism


def _block_line(state: State, run: Run, text: str) -> bool:
    """Take a line into the open block, if any; whether it belonged to one."""
    block = state.get("block")
    if block is None:
        if not _ENVIRONMENT.match(text.strip()):
            return False
        state["block"] = {"kind": "environment", "lines": []}
        return True
    lines = block["lines"]
    lines.append(text)
    if block["kind"] == "environment":
        key, colon, value = text.partition(": ")
        if colon and value.strip() not in ("", "None"):
            run.environment[key.strip()] = value.strip()
    ended = _RULE.match(text) if block["kind"] == "environment" else text.rstrip() == "}"
    if ended and block["kind"] == "config":
        _read_config("\n".join(lines), run)
    if ended or len(lines) > _BLOCK_LINES:
        del state["block"]
    return True


def _read_config(text: str, run: Run) -> None:
    """Facts of ``Training config:``; a block torn by other lines says nothing."""
    try:
        config = json.loads(text)
    except ValueError:
        return
    run.config.update({k: v for k, v in config.items() if isinstance(v, (str, int, float, bool))})
    weights = config.get("load_from")
    if isinstance(weights, str) and weights.strip("/"):
        run.model = weights.rstrip("/").rsplit("/", 1)[-1]
    sharding = config.get("fsdp_cfg") or {}
    dtype = str(sharding.get("param_dtype", "")).removeprefix("torch.")
    run.precision = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}.get(dtype)
    sizes = {"tp": sharding.get("tp_size"), "ep": sharding.get("ep_size"), "sp": config.get("sp_size")}
    run.parallelism = "-".join(f"{k}{v}" for k, v in sizes.items() if isinstance(v, int) and v > 1) or None
