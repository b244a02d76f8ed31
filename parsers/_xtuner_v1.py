"""What the rank logs and the tracker of XTuner V1 share: names, their run, and where its attempts begin."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from llmstats.parsing import Name, Place, State
from llmstats.records import Ints, Run
from llmstats.shapes import Frame
from llmstats.training import Train, microseconds, run_name, whole

GIB = 2.0**30

#: The text log writes ``GB`` and means GiB; ``time`` leaves the data loader out.
NAMES = {
    "reduced_llm_loss": Name("loss", definition="loss@global_mean"),
    "loss": Name("loss"),
    "total_loss": Name("loss", definition="loss@rank_local"),
    "total_loss@rank": Name("loss_local", definition="loss@rank_local"),
    "local_loss": Name("loss_local", definition="loss@rank_local"),
    "loss@rank": Name("loss_local", definition="loss@rank_local"),
    "loss(reduced)": Name("loss", definition="loss@global_mean"),
    "reduced_balancing_loss": Name("moe_balance_loss"),
    "reduced_z_loss": Name("z_loss"),
    "lr": Name("learning_rate"),
    "grad_norm": Name("grad_norm"),
    "time": Name("step_time", definition="step_time@excl_data"),
    "time/step_time": Name("step_time", definition="step_time@excl_data"),
    "time@incl_data": Name("step_time", definition="step_time@incl_data"),
    "data_time": Name("data_time"),
    "train_time": Name("train_time"),
    "eta": Name("eta"),
    "eta_seconds": Name("eta"),
    "max_memory": Name("memory_allocated_peak", GIB),
    "max_memory_GB": Name("memory_allocated_peak", GIB),
    "reserved_memory": Name("memory_reserved_peak", GIB),
    "reserved_memory_GB": Name("memory_reserved_peak", GIB),
    "text_tokens": Name("tokens", definition="tokens@rank_step"),
    "seqlen_tokens": Name("padded_tokens", definition="padded_tokens@rank_step"),
    "img_tokens": Name("image_tokens", definition="image_tokens@rank_step"),
    "approximate_total_consumed_tokens": Name("total_tokens", definition="total_tokens@rank_times_world"),
    "reduced_consumed_tokens": Name("total_tokens", definition="total_tokens@all_ranks"),
    "total_consumed_tokens": Name("total_tokens", definition="total_tokens@rank_or_all_ranks"),
    "tgs@incl_data": Name("tokens_per_second_per_device", definition="tgs@rank_local_incl_data"),
    "if_nan_skip": Name("skipped_steps"),
    "image_tokens": Name("image_tokens", definition="image_tokens@rank_step"),
    "tgs": Name("tokens_per_second_per_device", definition="tgs@rank_local"),
    "seqlen_tgs": Name("padded_tokens_per_second_per_device", definition="seqlen_tgs"),
    "exp_tgs": Name("tokens_per_second_per_device_end_to_end", definition="exp_tgs"),
    "e2e_tgs": Name("tokens_per_second_per_device_end_to_end", definition="e2e_tgs"),
    "e2e_tgs@device_or_system": Name("e2e_tgs", definition="e2e_tgs@device_or_system"),
    "efficient_attn_ratio": Name("attention_pack_ratio"),
    "img_efficient_attn_ratio": Name("image_attention_pack_ratio"),
}
_TRACKER_GROUPS = ("loss/", "runtime_info/", "time/", "memory/")

_STAMP = re.compile(r"20\d{12}")
_SHARD = re.compile(r"(?:rank|node)_?\d+\b.*\.(?:log|txt)|tracker\.jsonl")
_INNER = re.compile(r"logs|exp_tracking|rank_?\d+")


def canonical(raw: str) -> Name:
    """Canonical name; ``loss/x`` of the tracker means what ``x`` means in the log."""
    known = NAMES.get(raw)
    if known:
        return known
    bare = _bare(raw)
    return NAMES.get(bare) or Name(bare)


def _bare(raw: str) -> str:
    for group in _TRACKER_GROUPS:
        if raw.startswith(group):
            return raw.removeprefix(group)
    return raw


def tell_apart(frame: Frame) -> None:
    """Rename columns whose meaning depends on their neighbours; the name keeps the log's word in front.

    ``total_loss`` is *the* loss only where no reduced one stands beside it.  Beside ``exp_tgs`` (since
    December 2025) ``e2e_tgs`` is of one device in some revisions and of all in others.  The clock of XTuner Lite
    began before the data loader's.
    """
    present = {_bare(name) for name in frame.columns}
    doubtful = {}
    if present & {"reduced_llm_loss", "loss", "local_loss"}:
        doubtful["total_loss"] = "@rank"
    if "exp_tgs" in present:
        doubtful["e2e_tgs"] = "@device_or_system"
    if "loss(reduced)" in present:
        doubtful["loss"] = "@rank"
    if frame.constants.get("lite"):
        doubtful |= {"time": "@incl_data", "tgs": "@incl_data"}
    for name in list(frame.columns):
        suffix = doubtful.get(_bare(name))
        if suffix:
            frame.columns[name + suffix] = frame.columns.pop(name)
            frame.precision[name + suffix] = frame.precision.pop(name)


# --------------------------------------------------------------------------- runs


def start(place: Place) -> State:
    """The run that a file belongs to: ``{work_dir}/{14 digits}``, its files being shards of it.

    A rank or node file outside such a directory is a shard of the directory it lies in; any other log is a
    run of its own.
    """
    for up in range(1, 6):
        if _STAMP.fullmatch(place.parent(up)):
            work_dir, stamp = place.parent(up + 1), place.parent(up)
            name = f"{work_dir}/{stamp}" if work_dir else stamp
            return {"name": name, "root": place.directory(up), "experiment": work_dir or None, "stamp": stamp}
    up = 1
    while _INNER.fullmatch(place.parent(up)):
        up += 1
    if _SHARD.fullmatch(place.name) and place.parent(up):
        return {"name": place.parent(up), "root": place.directory(up), "experiment": None, "stamp": ""}
    name = "/".join(p for p in (place.parent(), place.stem) if p)
    return {"name": name, "root": place.path, "experiment": None, "stamp": ""}


def new_run(state: State, index: int) -> Run:
    """The ``index``-th attempt in one directory; all attempts are one experiment."""
    run = Run(run_name(state["name"], index), state["root"], kind="training", framework="xtuner")
    run.experiment = state["experiment"] or state["name"]
    stamp = state["stamp"]
    if stamp and index == 0:
        run.started_at = microseconds(
            f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[8:10]}:{stamp[10:12]}:{stamp[12:]}"
        )
    return run


def first_steps(train: Train, seen: State) -> dict[int, int]:
    """First step of each run whose first record is in this stretch; ``seen`` remembers who had one."""
    known = seen.setdefault("first_steps", {})
    found = {}
    for index in np.unique(train.runs).tolist():
        if str(index) not in known:
            found[index] = known[str(index)] = int(train.steps[train.runs == index][0])
    return found


def repeats(frames: Iterable[Frame], state: State) -> list[int]:
    """Lines at which a file of one rank logs the step of the line before once more: a resume from that step.

    The trainer logs each step once, so a repetition is as good as a step that goes back.
    """
    lines, steps = _one_rank(list(frames))
    if not len(lines):
        return []
    again = np.diff(steps, prepend=state.get("last_step", -1)) == 0
    state["last_step"] = int(steps[-1])
    return [int(line) for line in lines[again]]


def _one_rank(frames: list[Frame]) -> tuple[Ints, Ints]:
    """Lines and steps of frames, in order; nothing where the lines name their ranks."""
    frames = [f for f in frames if "@rank" not in f.columns]
    if not frames:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    lines = np.concatenate([f.lines for f in frames])
    order = np.argsort(lines, kind="stable")
    return lines[order], np.concatenate([whole(f.columns["@step"]) for f in frames])[order]
