"""What the two files of an mmcv 1.x run share: names, identity, header facts."""

from __future__ import annotations

import re

from llmstats.parsing import Name, Place, State
from llmstats.records import Run
from llmstats.shapes import Frame

from . import _mmengine
from ._mmengine import TIMESTAMP, spoken

NAMES = {
    "loss": Name("loss"),
    "lr": Name("learning_rate"),
    "grad_norm": Name("grad_norm"),
    "time": Name("step_time", definition="step_time@incl_data"),
    "data_time": Name("data_time"),
    "memory": Name("memory_allocated_peak", 2**20, "memory@max_over_ranks_since_start"),
    "eta": Name("eta"),
}

#: Train records that make a fingerprint.
PRINTS = 2


def start(place: Place) -> State:
    """``{timestamp}.log`` and ``.log.json`` lie in the work_dir itself: equal stems are one run.

    Where a train script named the text log some seconds earlier, `printed` tells that they belong together.
    """
    stem, work_dir = place.stem.removesuffix(".log"), place.parent()
    name = "/".join(part for part in (work_dir, stem) if part)
    experiment = work_dir if work_dir and TIMESTAMP.fullmatch(stem) else None
    return {"name": name, "root": place.directory() if work_dir else place.path, "experiment": experiment}


def printed(frame: Frame, row: int) -> str:
    """What text and JSON say alike of a train record, where their time stamps differ: counters and times."""
    digits = {"@i": 0, "memory": 0, "time": 3, "data_time": 3}
    return spoken(frame, row, digits)


_DEVICES = re.compile(r"^gpu_ids = range\((?:0, )?(\d+)\)", re.M)


def read_config(text: str, run: Run) -> None:
    """Facts of the configuration.

    ``gpu_ids = range(0, 1)`` says nothing: mmdetection up to 2.5 wrote it for any number of processes.
    """
    _mmengine.read_config(text, run)
    if (devices := _DEVICES.search(text)) and int(devices[1]) > 1:
        run.device_count = int(devices[1])
