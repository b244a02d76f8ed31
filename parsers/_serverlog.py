"""What the logs of inference servers share: periodic statistics with a clock, starts, settings, errors and crashes.

A server's statistics are series without steps.  Facts of a start (version, settings) describe the run that begins
there; a server started again in the same file is the next run.  A crash makes a run failed unless it goes on to
report statistics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import numpy as np

from llmstats.parsing import LineParser, Place, State
from llmstats.records import Event, Ints, Issue, Item, Run
from llmstats.shapes import Field, Frame, Note, Plan, Record, Scan, Suspect
from llmstats.training import Runs, microseconds, points, run_name, with_year, year_of_start

from ._steplines import covered, numbered

_DAY = 86_400_000_000
_YEAR_2001 = 11_323 * _DAY  # clocks without a year come as of the year 2000
_CLOCK = re.compile(r"(?P<year>\d{4}-)?(?P<rest>\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?)")
_PATH_DATE = re.compile(r"(?<!\d)(20\d\d)[-_]?(0[1-9]|1[0-2])[-_]?([0-2]\d|3[01])(?!\d)")
_PLACES = ("log", "logs", "server", "servers", "server_logs", "fixtures", "output", "outputs")
_UVICORN = re.compile(r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL):\s+")
_MAYBE_ERROR = re.compile(r"Error\b|Exception\b|ERROR|CRITICAL|[Oo]ut of memory|OUT_OF_|OutOfMemory")
_TRACEBACK = ("Traceback (", "During handling of", "The above exception", "NoneType: None", "Process ")
_OOM = re.compile(
    r"(?i:out of memory)|OutOfMemory|OUT_OF_(?:DEVICE|HOST)_MEMORY|No available memory for the cache|Not enough memory"
)
_EXCEPTION = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|ExceptionGroup)\b(?=:|\(|$)")
_SETTING = re.compile(
    r"['\"]?\b(?P<key>[a-z]\w*)['\"]?(?:=|: )"
    r"(?P<value>'[^'\n]*'|\"[^\"\n]*\"|Some\(\"?[^\"()\n]*\"?\)|[^,(){}\[\]'\" ]+)(?=[,)}\s]|$)"
)
_NUMBERS_AND_IDS = re.compile(r"\b(?:0x)?[0-9a-f]{6,}\b|[0-9]+(?:[.,][0-9]+)*")
_EVENTS_OF_A_RUN = 200

#: How a program writes a number among its statistics.
NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf)"
_POSITIONS = re.compile(rf"(?P<key>Per-position acceptance rate): (?P<values>{NUMBER}(?:, {NUMBER})*)")
_SETTINGS = (
    "model model_path model_dir model_id model_name served_model_name tensor_parallel_size pipeline_parallel_size "
    "data_parallel_size tp pp dp tp_size pp_size dp_size ep_size num_shard nnodes node_rank enable_dp_attention "
    "enable_expert_parallel dtype data_type quantization quantize quant_type kv_cache_dtype max_seq_len "
    "max_model_len context_length session_len enforce_eager enable_prefix_caching disable_radix_cache "
    "gpu_memory_utilization mem_fraction_static mem_fraction max_num_seqs max_num_batched_tokens "
    "max_running_requests running_max_req_size max_total_token_num max_total_tokens max_req_total_len "
    "batch_max_tokens chunked_prefill_size block_size page_size cache_max_entry_count max_batch_size "
    "max_batch_prefill_tokens max_concurrent_requests max_input_tokens max_input_length speculative_algorithm "
    "speculative_num_steps speculate attention_backend device device_config run_mode disaggregation_mode "
    "graph_mem_fraction mode "
)
#: Settings worth keeping, whatever the engine calls them.
SETTINGS = frozenset(_SETTINGS.split())
_MODEL = ("model", "model_path", "model_dir", "model_id")
_SIZES = {
    "tp": ("tensor_parallel_size", "tp_size", "tp", "num_shard"),
    "pp": ("pipeline_parallel_size", "pp_size", "pp"),
    "dp": ("data_parallel_size", "dp_size", "dp"),
}


class ServerLog(LineParser):
    """Folds statistics (frames) and messages (notes); a format says what they look like."""

    framework: ClassVar[str]
    #: What stands before the message of a line; group ``level`` where the line has one.
    prefix: ClassVar[re.Pattern[str]]
    #: A message that opens a start of the server.
    begins: ClassVar[re.Pattern[str]]
    #: A message with facts of the server.
    facts: ClassVar[re.Pattern[str]]
    #: A message that says that the server has died or could not start.
    crashes: ClassVar[re.Pattern[str]]
    #: A message that says that the server was shut down in order.
    ends: ClassVar[re.Pattern[str]] = re.compile(r"Application shutdown complete|Finished server process \[")

    def start(self, place: Place) -> State:
        return {"name": server_name(place), "root": place.path, "run": 0, "live": False}

    def said(self, run: Run, message: str) -> None:
        """Take in the facts of a message."""

    def prepare(self, frame: Frame) -> None:
        """Change the columns of a frame before it is folded."""

    def devices(self, sizes: dict[str, int], config: dict[str, Any]) -> int:
        """Number of devices of a server with these sizes of parallelism; 0: unknown, or none."""
        del config
        return sizes.get("tp", 1) * sizes.get("pp", 1) * sizes.get("dp", 1)

    def other(self, text: str) -> Plan:
        """What a line without statistics is."""
        if self.begins.search(text):
            return Note("begin")
        if self.crashes.search(text):
            return Note("crash")
        if self.ends.search(text):
            return Note("end")
        if self.facts.search(text):
            return Note("fact")
        return Note("say") if _MAYBE_ERROR.search(text) and self._event(text) else None

    def fold(self, state: State, place: Place, scan: Scan) -> Iterator[Item]:
        runs = Runs(state, lambda index: self._new_run(state, index))
        clocks = _dated(state, place, scan)
        base = state["run"]
        breaks = np.array(_breaks(state, scan), np.int64)
        yield from (Issue(reason, line, text[:500]) for line, reason, text in scan.suspects)
        for line, tag, text in scan.notes:
            index = base + int(np.searchsorted(breaks, line, "right"))
            yield from self._note(state, runs, (index, line, clocks.get(line)), tag, text)
        for frame in scan.frames:
            self.prepare(frame)
            numbers = base + np.searchsorted(breaks, frame.lines, "right")
            times = frame.columns.get("@clock")
            runs.span(numbers, times)
            _survived(state, runs, frame, numbers)
            yield from points(frame, "test", state["name"], numbers, np.full(len(frame.lines), -1), times)
        state["run"] = base + len(breaks)
        yield from (self._settled(runs[number]) for number in range(base, state["run"] + 1))
        runs.save()

    def _new_run(self, state: State, index: int) -> Run:
        return Run(run_name(state["name"], index), state["root"], kind="serving", framework=self.framework)

    def _note(self, state: State, runs: Runs, at: tuple[int, int, int | None], tag: str, text: str) -> Iterator[Item]:
        index, line, clock = at
        run = runs[index]
        if clock is not None:
            runs.span(np.array([index]), np.array([clock]))
        if tag in ("begin", "fact"):
            self.said(run, text)
        elif tag == "end":
            run.status = run.status or "completed"
        elif tag == "crash" and run.status != "completed":
            run.status = "failed"
            state.setdefault("crashed", {})[str(index)] = line
        event = self._event(text) if tag in ("crash", "say") else None
        if event is not None and _is_new(state, index, event[1]):
            yield Event(run.name, event[0], event[1], line, clock, level=event[2])

    def _event(self, text: str) -> tuple[str, str, str | None] | None:
        """Kind, message and level of a line that tells of an error; None for the inner lines of a traceback."""
        message, level = self._message(text)
        if not message or message[0] in " \t^~|+" or message.startswith(_TRACEBACK):
            return None
        if _OOM.search(message):
            return "oom", message[:2000], level
        if level in ("ERROR", "CRITICAL") or self.crashes.search(message) or _EXCEPTION.match(message):
            return "error", message[:2000], level
        return None

    def _message(self, text: str) -> tuple[str, str | None]:
        match = self.prefix.match(text)
        rest = text[match.end() :] if match else text
        level = match.groupdict().get("level") if match else None
        uvicorn = _UVICORN.match(rest)
        return (rest[uvicorn.end() :], uvicorn["level"]) if uvicorn else (rest, level)

    def _settled(self, run: Run) -> Run:
        """A run with what follows from its settings."""
        config = run.config
        run.model = next((str(config[k]) for k in _MODEL if config.get(k)), run.model)
        sizes = {k: v for k, keys in _SIZES.items() if (v := _first_size(config, keys)) is not None}
        if sizes:
            run.parallelism = ", ".join(f"{k}={v}" for k, v in sizes.items() if v > 1) or None
            run.device_count = self.devices(sizes, config) or None
        if isinstance(config.get("nnodes"), int):
            run.node_count = config["nnodes"]
        run.precision = _precision(config) or run.precision
        return run


def _precision(config: dict[str, Any]) -> str | None:
    """Number format of the weights: a quantization named after it (``fp8``); a method (``awq``) does not say."""
    quantization = next((str(v) for k in ("quantization", "quantize", "quant_type") if (v := config.get(k))), "none")
    if quantization != "none":
        return quantization if re.search(r"\d", quantization) else None
    dtype = str(config.get("dtype") or config.get("data_type") or "auto").removeprefix("torch.")
    return None if dtype == "auto" else dtype


def statistics(text: str, start: int, pair: re.Pattern[str], rank: tuple[int, int] | None = None) -> Plan:
    """A record of the pairs behind ``start``; the clock in front of it is the last one there."""
    metrics = [*numbered(text, pair, start), *_positions(text, start)]
    if not metrics:
        return Suspect("statistics not understood")
    clocks = list(_CLOCK.finditer(text, 0, start))
    front = [Field("@clock", *clocks[-1].span(), "clock")] if clocks else []
    ranks = [Field("@rank", *rank)] if rank else []
    return Record("statistics", covered(text, [*front, *ranks, *metrics]))


def _positions(text: str, start: int) -> list[Field]:
    """``Per-position acceptance rate: 0.8, 0.6``: one value per position of the draft, from 1."""
    found = _POSITIONS.search(text, start)
    if not found:
        return []
    values = re.finditer(NUMBER, found["values"])
    at = found.start("values")
    return [Field(f"{found['key']} {i}", at + v.start(), at + v.end()) for i, v in enumerate(values, 1)]


def server_name(place: Place) -> str:
    """``{directory}/{stem}``; directories that say nothing (``logs``) are kept with the one above."""
    parts = [place.stem]
    for up in (1, 2, 3):
        parts.insert(0, place.parent(up))
        if parts[0] not in _PLACES:
            break
    return "/".join(part for part in parts if part)


def take_settings(run: Run, text: str) -> None:
    """Keep the settings that a line lists (``key=value``, ``'key': value``); the first of a name counts."""
    found: dict[str, Any] = {}
    for match in _SETTING.finditer(text):
        if match["key"] in SETTINGS:
            found.setdefault(match["key"], _plain(match["value"]))
    run.config.update({k: v for k, v in found.items() if v is not None})


def _plain(text: str) -> Any:
    """A printed number, truth value or text; None for ``None``."""
    text = text.removeprefix("Some(").removesuffix(")") if text.startswith("Some(") else text
    text = text.strip("'\"")
    if text in ("None", ""):
        return None
    if text in ("True", "true", "False", "false"):
        return text in ("True", "true")
    if re.fullmatch(r"-?\d{1,15}", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?\d+\.\d+", text) else text


def _first_size(config: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    return next((config[k] for k in keys if type(config.get(k)) is int and config[k] > 0), None)


def _breaks(state: State, scan: Scan) -> list[int]:
    """Lines at which a server starts again: the one before had reported statistics, or had ended."""
    records = np.sort(np.concatenate([np.zeros(0, np.int64), *(frame.lines for frame in scan.frames)]))
    breaks, seen = [], 0
    for line, tag, _ in scan.notes:
        now = int(np.searchsorted(records, line))
        state["live"] = state["live"] or now > seen or tag in ("crash", "end")
        seen = now
        if tag == "begin" and state["live"]:
            breaks.append(line)
            state["live"] = False
    state["live"] = state["live"] or len(records) > seen
    return breaks


def _survived(state: State, runs: Runs, frame: Frame, numbers: Ints) -> None:
    """A server that goes on to report statistics is not dead."""
    for key, line in list(state.get("crashed", {}).items()):
        mine = frame.lines[numbers == int(key)]
        if len(mine) and int(mine.max()) > line:
            del state["crashed"][key]
            if runs[int(key)].status == "failed":
                runs[int(key)].status = None


def _is_new(state: State, index: int, message: str) -> bool:
    """Whether a message was not said before in this run, but for its numbers."""
    said: dict[str, list[str]] = state.setdefault("said", {})
    kept = said.setdefault(str(index), [])
    key = _NUMBERS_AND_IDS.sub("0", message)[:160]
    if key in kept or len(kept) >= _EVENTS_OF_A_RUN:
        return False
    kept.append(key)
    return True


# --------------------------------------------------------------------------- clocks


def _dated(state: State, place: Place, scan: Scan) -> dict[int, int]:
    """Put clocks without a year into theirs, in the frames; times of notes by their lines."""
    notes = [(line, clock) for line, _, text in scan.notes if (clock := _clock_of(text)) is not None]
    frames = [frame for frame in scan.frames if "@clock" in frame.columns]
    lines = np.concatenate([np.array([line for line, _ in notes], np.int64), *(f.lines for f in frames)])
    stamps = [np.array([clock for _, clock in notes], np.int64), *(f.columns["@clock"] for f in frames)]
    times = np.concatenate(stamps).astype(np.int64)
    order = np.argsort(lines, kind="stable")
    bare = order[times[order] < _YEAR_2001]
    if len(bare):
        year = state.get("first_year") or _first_year(place, int(times[bare[0]]) // _DAY)
        state["first_year"] = year
        times[bare] = with_year(times[bare], year, state)
    at = len(notes)
    for frame in frames:
        frame.columns["@clock"] = times[at : at + len(frame.lines)]
        at += len(frame.lines)
    return {line: int(time) for (line, _), time in zip(notes, times, strict=False)}


def _clock_of(text: str) -> int | None:
    match = _CLOCK.search(text, 0, 200)
    return microseconds((match["year"] or "2000-") + match["rest"]) if match else None


def _first_year(place: Place, first_day: int) -> int:
    """Year of the first line: a date in the path that is the line's own (or the day before), else the file's."""
    first = datetime.fromtimestamp(first_day * 86_400, UTC)
    days = {(first - timedelta(days=back)).strftime("%m%d") for back in (0, 1)}
    for part in place.parts:
        for year, month, day in _PATH_DATE.findall(re.sub(r"(?<=\d)[_T](?=\d)", " ", part)):
            if month + day in days:
                return int(year)
    return year_of_start((), place.mtime, first_day)
