"""Where a FlagPerf file lies says which run it belongs to, and the case string what was run on what.

``run{14 digits}/{case}/[round{N}/]{host}_noderank{R}/{file}``; a case is
``model:framework_version:hardware:nodes:processes:repeats`` in training, ``model:image`` in inference,
``operator:format:peak TFLOPS:library:chip`` for operators and ``test[:chip]`` for the base tests.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from llmstats.documents import number
from llmstats.parsing import Head, Place, State
from llmstats.records import Run

from ._flagperf import VENDORS

RUN_DIR = re.compile(r"run\d{14}")
_NODE = re.compile(r"(?P<host>.+)_noderank(?P<node>\d+)$")
_ROUND = re.compile(r"round\d+")
#: What a training's task prints, by the launcher; the frameworks that a case starts may log beside it.
_TASK = re.compile(r"rank\d+\.(?:out\.log|log\.txt)$")
_INNER = re.compile(r"(?:megatron|flagscale|flagscale_main|noderank\d+)\.log\.txt$")
_FLAGSCALE = re.compile(r"host(?:_.+)?\.output$")
_BASE = re.compile(r"(?:computation|interconnect|main_memory|inter-tile|power)-")


@dataclass(slots=True)
class Spot:
    """The run of a file and what its path says of it."""

    name: str
    root: str
    case: str = ""
    host: str | None = None
    node: int | None = None


def node_directory(place: Place) -> bool:
    """Whether a file lies where FlagPerf puts the logs of one node."""
    return _NODE.match(place.parent()) is not None


def task_output(place: Place) -> bool:
    """Whether a file is called as FlagPerf calls what a training case prints.

    Step lines of other programs in it are those of the case, and its end may hold results.
    """
    if node_directory(place) and _INNER.match(place.name):
        return True
    return bool(_TASK.match(place.name)) or _below_node(place)


def owned(head: Head) -> bool:
    """Whether FlagPerf's own format reads a file, step lines of Megatron-LM, torchtitan or DeepSpeed in it included."""
    return task_output(head.place) or "\nTokens/p/s: " in head.text


def _below_node(place: Place) -> bool:
    """FlagScale's own logs, ``…/{host}_noderank{R}/outputs_x/logs/host_0_10.0.0.5.output``."""
    return place.parent() == "logs" and bool(_FLAGSCALE.match(place.name) and _NODE.match(place.parent(3)))


def in_tree(place: Place) -> bool:
    """Whether a file lies in a directory of FlagPerf's for one node of a training case."""
    at = 3 if _below_node(place) else 1
    if not _NODE.match(place.parent(at)):
        return False
    at += bool(_ROUND.fullmatch(place.parent(at + 1)))
    return place.parent(at + 1).count(":") == 5 or RUN_DIR.fullmatch(place.parent(at + 2)) is not None


def spot_of(place: Place, *, own: bool = False) -> Spot:
    """The run of a file that FlagPerf wrote.

    Outside FlagPerf's tree the run is the directory, or with ``own`` the file itself.
    """
    if _below_node(place):
        place = Place(f"{place.directory(3)}/{place.name}")
    node = _NODE.match(place.parent())
    at = 2 if node else 1
    inner = place.parent(at) if _ROUND.fullmatch(place.parent(at)) else ""
    case, run_dir = place.parent(at + bool(inner)), place.parent(at + 1 + bool(inner))
    if ":" in case or RUN_DIR.fullmatch(run_dir):
        name = "/".join(p for p in (run_dir, case, inner) if p)
        return Spot(name, place.directory(at), case, *_of_node(node))
    if own:
        outer = "" if RUN_DIR.fullmatch(place.parent()) else place.parent(2)
        return Spot("/".join(p for p in (outer, place.parent(), place.stem) if p), place.path)
    name = "/".join(p for p in (place.parent(2), place.parent()) if p) or place.stem
    return Spot(name, place.directory(), "", *_of_node(node))


def _of_node(node: re.Match[str] | None) -> tuple[str | None, int | None]:
    return (node["host"], int(node["node"])) if node else (None, None)


def new_run(spot: Spot) -> Run:
    """The run with all that path and case say."""
    run = Run(spot.name, spot.root)
    if spot.host:
        run.environment["host"] = spot.host
    learn_case(run, spot.case)
    return run


def learn_case(run: Run, case: str) -> None:
    """Take in a case string; what the run knows already stands."""
    parts = case.split(":")
    if _BASE.match(parts[0]):
        run.kind = run.kind or "microbenchmark"
        run.config["case"] = parts[0]
        run.device = run.device or (parts[1] if len(parts) == 2 else None)
    elif len(parts) == 6 and all(p.isdigit() for p in parts[3:]):
        _training(run, parts)
    elif len(parts) == 5 and number(parts[2]) is not None:
        run.kind = run.kind or "microbenchmark"
        run.config |= {"case": parts[0], "peak_tflops": float(parts[2])}
        run.framework, run.precision = run.framework or parts[3], run.precision or parts[1]
        run.device = run.device or parts[4]
    elif len(parts) == 2:
        run.kind, run.model = run.kind or "inference", run.model or parts[0]
        run.framework = run.framework or parts[1].partition("_")[0]
        run.config["framework_image"] = parts[1]


def _training(run: Run, parts: list[str]) -> None:
    model, framework, hardware, nodes, processes, _ = parts
    run.kind, run.model, run.device = run.kind or "training", run.model or model, run.device or hardware
    run.framework = run.framework or framework.partition("_")[0]
    run.config["framework_image"] = framework
    run.node_count = run.node_count or int(nodes)
    run.device_count = run.device_count or int(nodes) * int(processes)


def learn_vendor(run: Run, word: str) -> None:
    """Take in a vendor as FlagPerf's folders call it."""
    run.vendor = run.vendor or VENDORS.get(word.lower(), word)


def kept(spot: Spot) -> State:
    """A spot for a parser's state."""
    return asdict(spot)
