"""run.json: what a runner of llmstats says of its work directory.

No run of its own: the logs and dumps beside it are; its facts hold for every run at or below the directory that does
not say them itself, and at or below the directories into which a launched program wrote (``logs``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from posixpath import join, normpath
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place, Sample
from llmstats.records import Item, Run
from llmstats.training import microseconds

_TEXTS = ("kind", "framework", "model", "dataset", "vendor", "device", "precision", "parallelism")
_COUNTS = ("device_count", "node_count")
#: Parts of the environment that stand in run.json beside it.
_BESIDE = ("runner", "exit_code", "error", "command", "notes")

_ENVIRONMENT = {
    "host": "box1",
    "python": "3.11.9",
    "devices": [{"vendor": "Acme", "model": "Acme X1", "memory": 34359738368, "driver": "1.2.3"}] * 2,
    "versions": {"torch": "2.7.0"},
    "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
    "command_line": ["llmstats", "run", "train", "--", "python", "toy.py"],
    "variables": {"CUDA_VISIBLE_DEVICES": "0,1"},
}
_SAMPLE: dict[str, Any] = {
    "format": "llmstats_run",
    "version": 1,
    "runner": "train",
    "name": "toy",
    "status": "completed",
    "started_at": "2025-03-01 08:00:00.250+08:00",
    "ended_at": "2025-03-01 08:10:00.500+08:00",
    "exit_code": 0,
    "error": None,
    "facts": {
        "kind": "training",
        "framework": "toytrain",
        "model": "toy-7b",
        "dataset": None,
        "vendor": "Acme",
        "device": "Acme X1",
        "device_count": 2,
        "precision": "bf16",
        "seed": 42,
        "config": {"global_batch": 64},
    },
    "command": ["python", "toy.py"],
    "variables": {"NPROC_PER_NODE": "2"},
    "notes": [],
    "logs": ["../20250301_080007"],
    "environment": _ENVIRONMENT,
}
_DIED = _SAMPLE | {"status": "running", "ended_at": None, "exit_code": None, "facts": {"device_count": "two"}}


class LlmstatsRunJson(DocumentParser):
    """Covers the runs of its directory."""

    name = "llmstats_run_json"
    version = 1
    title = "run.json of llmstats run: how the work ended, on what, with which command"
    writes = "llmstats"
    samples = (
        Sample(
            "work_dirs/toy/20250301_080000/run.json",
            json.dumps(_SAMPLE, indent=2),
            matched=0,
            runs={
                "toy/20250301_080000": {
                    "covers": True,
                    "kind": "training",
                    "framework": "toytrain",
                    "model": "toy-7b",
                    "dataset": None,
                    "device": "Acme X1",
                    "device_count": 2,
                    "precision": "bf16",
                    "status": "completed",
                    "started_at": 1740816000250000,
                    "ended_at": 1740816600500000,
                    "config": {"global_batch": 64, "seed": 42},
                    "environment": {"host": "box1", "runner": "train", "command": ["python", "toy.py"]},
                },
                "toy/20250301_080000: ../20250301_080007": {"covers": True, "device": "Acme X1"},
            },
        ),
        Sample(
            "work_dirs/toy/20250301_090000/run.json",
            json.dumps(_DIED),
            matched=0,
            runs={
                "toy/20250301_090000": {"status": "running", "device_count": None, "ended_at": None, "kind": None},
            },
        ),
    )

    def detect(self, head: Head) -> str | None:
        text = head.text.lstrip()
        ours = text.startswith("{") and '"format": "llmstats_run"' in text[:200]
        return "'format': 'llmstats_run'" if ours else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        told = Json(text).value
        if not isinstance(told, dict) or not isinstance(told.get("facts"), dict):
            raise ParseError("no run.json of llmstats: an object with 'facts' is needed")
        facts = told["facts"]
        name = "/".join(part for part in (place.parent(2), place.parent()) if part) or place.stem
        run = Run(name, place.directory(), covers=True, status=_text(told.get("status")))
        for key in _TEXTS:
            setattr(run, key, _text(facts.get(key)))
        for key in _COUNTS:
            setattr(run, key, _count(facts.get(key)))
        run.started_at, run.ended_at = (_clock(told.get(key)) for key in ("started_at", "ended_at"))
        run.environment = _object(told.get("environment")) | {
            k: told[k] for k in _BESIDE if told.get(k) not in (None, [])
        }
        rest = {k: v for k, v in facts.items() if k not in (*_TEXTS, *_COUNTS, "config") and v is not None}
        run.config = _object(facts.get("config")) | rest
        yield run
        for directory in _directories(told.get("logs")):
            yield replace(run, name=f"{name}: {directory}", root=normpath(join(place.directory(), directory)))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 < value < 1 << 31 else None


def _clock(value: object) -> int | None:
    return microseconds(value) if isinstance(value, str) else None


def _directories(value: object) -> list[str]:
    return [d for d in value if isinstance(d, str) and d] if isinstance(value, list) else []


def _object(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
