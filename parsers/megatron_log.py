"""Stdout of Megatron-LM and its descendants: Megatron-DeepSpeed, MindSpeed-LLM, FlagScale, GPT-NeoX's step lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from llmstats.parsing import Head, Name, Place, State
from llmstats.records import Event, Ints, Issue, Item, Measurement, Run
from llmstats.shapes import Frame, Note, Plan, Scan
from llmstats.training import CONFLICT, Runs, StepLog, is_conflict_marker, microseconds, points, whole

from ._flagperf_place import owned
from ._megatron import NAMES, RESULT_NAMES, memory_frames, plan, rank_timer
from ._megatron_runs import (
    SPEED,
    argument,
    fingerprints,
    identity,
    learn,
    speeds,
    with_missing_loss,
    with_timers,
    world,
)
from ._mmengine import placed
from ._samples_megatron import SAMPLES
from ._steplines import MAYBE_EVENT, StepLines

_STEP = re.compile(
    r"(?<![\w-])iteration(?:[ =] *\d+/ *\d+|: \d+) \|"
    r"(?: consumed[ _]samples[:=] +\d+ \||.{0,200} elapsed[ _]time[ _]per[ _]iteration[ _])"
)
_MARK = re.compile(
    r"\[after megatron is initialized\] datetime: |\) memory \(MB\) \| (?:max )?allocated: \d"
    r"|validation loss at iteration \d+[^|]* \| |validation results on \S+ \| (?:avg|number)"
    r"|\[before the start of training step\] datetime: "
)
#: What every text that `_MARK` finds has; looked for first, because most files are of other formats.
_SIGNS = ("] datetime: ", ") memory (MB) | ", "validation loss at iteration ", "validation results on ")
_LAUNCH = re.compile(
    r"(?:^\+ |cmd = |with command: \[).{0,3000}?pretrain_\w+\.py.{1,3000}?--tensor-model-parallel-size", re.M
)
_ARGUMENTS = re.compile(r"-{6,} (?:[\w -]+ )?arguments -{6,}", re.I)
_END = re.compile(r"-{6,} end of (?:[\w -]+ )?arguments ?-{6,}", re.I)
_OURS = re.compile(r"  (?:adlr_autoresume|apply_query_key_layer_scaling|bias_gelu_fusion|tensor_model_parallel_size)")
#: An argument that only a program with something to train or to evaluate has.
_PURPOSE = re.compile(r"  (?:train_iters|train_samples|train_tokens|task|epochs) \.+ (?!None|0$)\S", re.M)
_FOREIGN = re.compile(r'\[PerfLog\] \{"event"|:::MLLOG ')

_SAYS = re.compile(
    r"\] datetime: \d{4}-|success?fully (?:saved|loaded) checkpoint|number of parameters on |"
    r"nnodes=\d+, num_local_procs|saving checkpoint at iteration|srun: error|STEP|exiting program|ERROR\b"
)
_DATETIME = re.compile(r"\[(?P<what>[^\[\]]+)\] datetime: (?P<clock>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)")
_SAVED = re.compile(r"success?fully saved checkpoint (?:at|from) iteration +(?P<step>\d+)")
_LOADED = re.compile(r"success?fully loaded checkpoint .*? at iteration (?P<step>\d+)")
_PARAMETERS = re.compile(
    r"number of parameters on (\(tensor, pipeline\) )?model parallel rank (?P<rank>\([\d, ]+\)|\d+)[: ]+(?P<n>\d+)"
)
_NODES = re.compile(r"nnodes=(\d+), num_local_procs")
_CANCELLED = re.compile(r"slurmstepd: error: .*(?:CANCELLED|STEP|JOB)")
_DIGITS = re.compile(r"\d+")
#: Different errors that are remembered, in all runs of a file.
_ERRORS = 200


class MegatronLog(StepLines):
    """One run per start of the program; what several processes wrote of one start is one run."""

    name = "megatron_log"
    version = 2
    title = "Megatron-LM stdout (also Megatron-DeepSpeed, MindSpeed-LLM, FlagScale, Primus, GPT-NeoX)"
    writes = "Megatron-LM"
    framework = "megatron-lm"
    names = NAMES
    samples = SAMPLES

    def detect(self, head: Head) -> str | None:
        text = head.text
        match = _STEP.search(text) if "iteration" in text and " | " in text else None
        if match is None and any(sign in text for sign in _SIGNS):
            match = _MARK.search(text)
        if match is None and "pretrain_" in text and "--tensor-model-parallel-size" in text:
            match = _LAUNCH.search(text)
        reason = f"line {match[0].strip()[:120]!r}" if match else _dump(text) if "rguments -" in text else None
        return None if reason is None or owned(head) or _FOREIGN.search(text) else reason

    def start(self, place: Place) -> State:
        return {**identity(place), "rank": None}

    def plan(self, text: str) -> Plan:
        found = plan(text) or rank_timer(text)
        if found is not None:
            return found
        if "MODEL_TFLOP" in text and SPEED.search(text):
            return Note("speed")
        if "arguments -" in text and (_END.search(text) or _ARGUMENTS.search(text)):
            return Note("end" if _END.search(text) else "begin")
        if "using world size: " in text or ("pretrain_" in text and _LAUNCH.search(text)):
            return Note("begin")
        if argument(text):
            return Note("argument")
        if is_conflict_marker(text):
            return Note(CONFLICT)
        return Note("say") if _SAYS.search(text) or MAYBE_EVENT.search(text) else None

    def fold(self, state: State, place: Place, scan: Scan) -> Iterator[Item]:
        runs = Runs(state, lambda index: self._new_run(state, index))
        steps = StepLog(state)
        before = steps.remembered()
        frames = with_timers(state, with_missing_loss(scan.frames), scan.notes)
        counted = [f for f in frames if f.kind == "train"]
        breaks = [line for line, tag, _ in scan.notes if tag == "begin"]
        train = steps.read(counted, breaks, [(line, text) for line, tag, text in scan.notes if tag == CONFLICT])
        yield from (Issue(reason, line, text[:500]) for line, reason, text in scan.suspects)
        for line, tag, text in scan.notes:
            number = steps.at(train, line, before)
            yield from self._talk(state, runs[number], number, (line, tag, text))
        parts = [frame for line, tag, text in scan.notes if tag == "memory" for frame in memory_frames(line, text)]
        for frame in [*frames, *parts]:
            yield from self._frame(state, runs, frame, *placed(frame, steps, train, before))
        yield from speeds(state, train, scan.notes)
        for number, text in fingerprints(state, counted, train).items():
            runs[number].fingerprint = text
        for number in range(steps.run + 1):
            learn(runs[number])
        yield from runs.told(steps.run)
        runs.save()

    # ---- records

    def _frame(self, state: State, runs: Runs, frame: Frame, index: Ints, at: Ints) -> Iterator[Item]:
        if frame.kind == "result":
            yield from _results(runs, frame, index)
            return
        times = frame.columns.get("@clock")
        runs.span(index, times)
        if frame.kind == "train":
            self._reached(runs, frame, index)
            self._survived(state, runs, frame, index)
        if frame.kind not in ("memory", "ranks"):  # whichever process printed it, the line speaks for all
            frame.columns.pop("@rank", None)
        phase = frame.kind if frame.kind in ("val", "test") else "train"
        yield from points(frame, phase, state["name"], index, at, times)

    def _reached(self, runs: Runs, frame: Frame, index: Ints) -> None:
        """What step lines say of their runs: the dialect, and whether the last step was reached."""
        for number in np.unique(index).tolist():
            run, mine = runs[number], np.flatnonzero(index == number)
            if "tokens per gpu per second (tgs)" in frame.columns or "tokens_per_gpu_per_second_tgs" in frame.columns:
                run.framework = "megatron-deepspeed"
            elif "max_memory_allocated(GB)" in frame.columns:
                run.framework = "mindspeed-llm"
            elif "approx flops per GPU" in frame.columns:
                run.framework = "gpt-neox"
            elif "elapsed time per iteration (ms) (running mean)" in frame.columns:
                run.framework = "primus"
            if "@last" in frame.columns:
                last = int(frame.columns["@last"][mine[-1]])
                run.config["train_iters"] = last
                if whole(frame.columns["@step"])[mine].max() >= last:
                    run.status = "completed"

    # ---- talk

    def _talk(self, state: State, run: Run, number: int, note: tuple[int, str, str]) -> Iterator[Item]:
        line, tag, text = note
        if tag == "argument":
            self._argument(state, run, text)
        elif tag in ("begin", "end"):
            if "rguments -" in text:
                state["dump"] = tag == "begin"
            else:
                world(run, text)
        elif tag == "say":
            yield from self._fresh(state, number, self._note(state, run, (number, line, text)))

    def _argument(self, state: State, run: Run, text: str) -> None:
        found = argument(text) if state.get("dump") else None
        if found and found[1] is not None:
            run.config[found[0]] = found[1]

    def _fresh(self, state: State, number: int, items: Iterator[Item]) -> Iterator[Item]:
        """Events without the copies of one error that every process of a run prints."""
        seen: list[str] = state.setdefault("errors", [])
        for item in items:
            if isinstance(item, Event) and item.kind in ("error", "oom"):
                key = f"{number} {_DIGITS.sub('0', item.message[-200:])}"
                if key in seen:
                    continue
                if len(seen) < _ERRORS:
                    seen.append(key)
            yield item

    def said(self, run: Run, message: str) -> None:
        if stamp := _DATETIME.search(message):
            self._clock(run, stamp)
        if nodes := _NODES.search(message):
            run.node_count = int(nodes[1])
        if found := _PARAMETERS.search(message):
            run.config.setdefault("parameters_by_rank", {})[found["rank"]] = int(found["n"])
        if _CANCELLED.search(message) and run.status is None:
            run.status = "failed"

    def _clock(self, run: Run, stamp: re.Match[str]) -> None:
        """``[after training is done] datetime: …``: when, and how far the run is."""
        time, what = microseconds(stamp["clock"]), stamp["what"]
        if time is not None:
            run.started_at = time if run.started_at is None else min(run.started_at, time)
            run.ended_at = time if run.ended_at is None else max(run.ended_at, time)
        if what == "after training is done" or what.startswith("exiting program at iteration"):
            run.status = "completed"

    def event(self, run: Run, message: str, line: int, clock: int | None) -> Event | None:
        if saved := _SAVED.search(message):
            return Event(run.name, "checkpoint", saved[0], line, clock, int(saved["step"]))
        if loaded := _LOADED.search(message):
            step = int(loaded["step"])
            return Event(run.name, "resume", loaded[0][:500], line, clock, step) if step else None
        stamp = _DATETIME.search(message)
        if stamp and stamp["what"].startswith("exiting program"):
            return Event(run.name, "exit", stamp["what"], line, clock)
        if _CANCELLED.search(message):
            return Event(run.name, "error", message.strip()[:500], line, clock)
        return None


def _dump(text: str) -> str | None:
    """Why an argument dump is one of a training or an evaluation; tools that load a model print one too."""
    begin = _ARGUMENTS.search(text)
    if begin is None or not _OURS.search(text, begin.end()):
        return None
    if _END.search(text, begin.end()) and not _PURPOSE.search(text, begin.end()):
        return None
    return f"argument dump {begin[0].strip()!r}"


def _results(runs: Runs, frame: Frame, index: Ints) -> Iterator[Measurement]:
    """Values of ``tasks/``: one per task (and epoch)."""
    epochs = frame.columns.get("@epoch")
    for row, line in enumerate(frame.lines.tolist()):
        run = runs[int(index[row])]
        run.kind = "evaluation"
        for raw, values in frame.columns.items():
            if raw.startswith("@"):
                continue
            name, value = RESULT_NAMES.get(raw, Name(raw)), float(values[row])
            yield Measurement(
                run=run.name,
                metric=name.metric,
                value=value * name.factor,
                raw_name=raw,
                raw_value=_printed(value, frame.precision[raw]),
                definition=name.definition,
                subject=frame.constants["task"],
                conditions={} if epochs is None else {"epoch": int(epochs[row])},
                precision=frame.precision[raw],
                line=line,
            )


def _printed(value: float, precision: str) -> str:
    """A value as Python's ``{:.4E}`` or ``{:.2f}`` wrote it."""
    return f"{value:.{precision[:-1]}E}" if precision.endswith("e") else f"{value:.{precision or 0}f}"
