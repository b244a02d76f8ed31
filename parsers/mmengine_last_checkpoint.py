"""``last_checkpoint`` of an mmengine work_dir: one line with the path of the newest checkpoint.

Source: ``mmengine/hooks/checkpoint_hook.py``.  It tells of no run by itself (the work_dir may hold many), so nothing
of it is stored; being recognised, it is no riddle in the list of sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.parsing import DocumentParser, Head, Place, Sample
from llmstats.records import Item

_PATH = re.compile(r"^\S.*\.pth\b", re.M)


class MMEngineLastCheckpoint(DocumentParser):
    """Recognised by its name and by holding a path to a ``.pth`` file."""

    name = "mmengine_last_checkpoint"
    title = "mmengine's pointer to the newest checkpoint of a work_dir"
    writes = "mmengine"
    samples = (
        Sample("toy/last_checkpoint", "/data/work_dirs/toy/iter_500.pth", matched=0),
        Sample("toy/last_checkpoint", "work_dirs/toy/epoch_12.pth\n", matched=0),
    )

    def detect(self, head: Head) -> str | None:
        if head.place.name == "last_checkpoint" and _PATH.search(head.text):
            return "named last_checkpoint, with a path to a .pth file"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        return iter(())
