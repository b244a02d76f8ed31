"""The file of one cell: what it was asked for, how its requests ended, its numbers and what a reader has to know."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from llmstats.running import Job

from . import _serving_measure as measure
from . import _serving_profile as profile
from ._serving_server import Server
from ._serving_settings import VERSION, Cell, Settings
from ._serving_stream import Answer, object_of

#: From this share of one core on, or with an event loop this late in the median, the client is part of the result.
_BUSY, _LATE = 0.85, 0.005


def paths(job: Job, cell: Cell) -> dict[str, str]:
    """Files of a cell: llm_profiler's ``log`` and ``dump`` (closed loop only), our ``json`` and ``requests``."""
    files = {"json": f"cells/{cell.name}.json", "requests": f"cells/{cell.name}.requests.jsonl"}
    if cell.clients is not None:
        files |= {"log": f"log/test_log_{cell.name}.log", "dump": f"log/test_log_{cell.name}.json"}
    return {key: job.file(path) for key, path in files.items()}


def stored(job: Job, cell: Cell) -> dict[str, Any] | None:
    """A cell's document from an earlier start; None where there is none that can be read."""
    return read_object(paths(job, cell)["json"])


def read_object(path: str) -> dict[str, Any] | None:
    """A JSON object; None where there is none that can be read."""
    try:
        with open(path, "rb") as file:
            return object_of(file.read())
    except OSError:
        return None


def opened(
    cell: Cell, made: Settings, server: Server, started: float, before: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The document while the cell runs; it stays like this when the client is killed.

    Args:
        started: seconds since 1970.
        before: the document of an earlier start.
    """
    return {
        "format": "llmstats_serving",
        "version": 1,
        "status": "running",
        "cell": {
            "name": cell.name, "input_len": cell.input_len, "output_len": cell.output_len,
            "num_clients": cell.clients, "request_rate": cell.rate, "input_num": cell.requests,
            "warmup": made.warmup, "seed": made.seed,
        },
        "model": server.model,
        "server_api": made.server_api or None,
        "url": made.place,
        "api": made.api,
        "request": {"stream": True, **server.optional(cell.output_len), "temperature": made.temperature,
                    **made.extra_body},
        "tokenizer": os.path.basename(os.path.normpath(made.tokenizer_path)),
        "llmstats": VERSION,
        "started_at": clock(started),
        "ended_at": None,
        "earlier": _earlier(before),
    }  # fmt: skip


def _earlier(before: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """How earlier starts of this cell ended: a repeated cell does not hide them."""
    if not before:
        return []
    told = {key: before.get(key) for key in ("status", "started_at", "ended_at", "requests")}
    return [*before.get("earlier", []), told]


@dataclass
class Results:
    """What came of the requests of a cell."""

    cell: Cell
    answers: Sequence[Answer]
    times: Mapping[int, measure.Times]  #: by the index of the answer
    seconds: float  #: from before the first request until after the last answer
    client: Mapping[str, Any]  #: how busy it was

    @cached_property
    def good(self) -> list[Answer]:
        return [a for a in self.answers if a.succeeded]

    @cached_property
    def known(self) -> list[measure.Times]:
        return [self.times[a.index] for a in self.good if a.index in self.times]

    @cached_property
    def ended(self) -> dict[str, Any]:
        return measure.tally(self.answers, self.cell.requests)

    @property
    def status(self) -> str:
        if self.ended["completed"] == self.ended["asked"]:
            return "completed"
        return "partial" if self.ended["completed"] else "failed"

    def closing(
        self, status: str, notes: Sequence[str], found: dict[str, Any] | None, why: str | None = None
    ) -> dict[str, Any]:
        """What the document says at the end.

        Args:
            found: llm_profiler's numbers.
            why: what went wrong beside the requests.
        """
        error = f"{status}: {self.ended['completed']} of {self.ended['asked']} requests completed; "
        return {
            "status": status,
            "error": None if status == "completed" else error + failure_words(self.ended, why),
            "requests": self.ended,
            "tokens": self._tokens(),
            "client": dict(self.client),
            "notes": [*notes, *self._remarks()],
            "conditions": self._conditions(found),
            "measurements": [m._asdict() for m in self._measured(status)],
        }

    def _measured(self, status: str) -> Iterator[measure.Measured]:
        """Counts always; times and speeds only of a cell that was measured to its end."""
        yield from measure.counts(self.ended)
        if self.good and status in ("completed", "partial"):
            yield from measure.speeds(self.known, sum(len(a.chunks) for a in self.good), self.seconds)
            yield from measure.distributions(self.good, self.known)

    def _tokens(self) -> dict[str, Any]:
        return {
            "input": sum(t.input_tokens for t in self.known),
            "output": sum(t.output_tokens for t in self.known),
            "output_by": sorted({t.output_by for t in self.known}),
            "chunks": sum(len(a.chunks) for a in self.good),
            "lines": sum(a.lines for a in self.good),
            "full_length": sum(t.output_tokens == self.cell.output_len for t in self.known),
            "cached": sum(t.cached_tokens or 0 for t in self.known),
        }

    def _conditions(self, found: dict[str, Any] | None) -> dict[str, str]:
        """Those of the report beside it, by its own lights; the run's configuration says it by tokens."""
        if self.cell.clients is not None:
            return profile.output_len_mode(found, self.cell.output_len)
        whole = self.known and all(t.output_tokens == self.cell.output_len for t in self.known)
        return {"output_len_mode": "constant"} if whole else {}

    def _remarks(self) -> Iterator[str]:
        """What a reader of the numbers has to know."""
        yield from self._length_remarks()
        if cached := sum(t.cached_tokens or 0 for t in self.known):
            yield f"the server had {cached} prompt tokens in its prefix cache: restart it, or choose another --seed"
        if whole := sum(t.output_tokens > 1 and t.ttft == t.e2e for t in self.known):
            yield (
                f"{whole} of {len(self.known)} answers came in one piece (the server, something in between or this "
                "machine held them back): their time to first token is the whole time, their time per output token 0"
            )
        cpu, late = self.client["cpu"], self.client["loop_late_p50"] or 0
        if cpu > _BUSY or late > _LATE:
            yield (
                f"the client itself was slow ({cpu:.0%} of a core used, {late:.4f} s late in the median): "
                "times contain waiting in the client"
            )

    def _length_remarks(self) -> Iterator[str]:
        cell = self.cell
        wrong = sorted({a.prompt_tokens for a in self.answers if a.prompt_tokens != cell.input_len})
        if wrong:
            yield f"this tokenizer makes no prompt of {cell.input_len} tokens here; sent were {wrong[0]} to {wrong[-1]}"
        other = {t.input_tokens for t in self.known if t.input_by == "usage"} - {cell.input_len}
        if other and not wrong:
            yield f"the server counts {min(other)} to {max(other)} tokens in prompts that have {cell.input_len} here"
        short = sum(t.output_tokens < cell.output_len for t in self.known)
        if short:
            yield f"{short} of {len(self.known)} outputs are shorter than {cell.output_len} tokens"


def failure_words(ended: Mapping[str, Any], why: str | None = None) -> str:
    """``failed: connect 3, stream_cut 2; not sent: 4``, behind what went wrong beside the requests."""
    kinds = ", ".join(f"{kind} {count}" for kind, count in ended["failures"].items())
    parts = [why] if why else []
    parts += [f"failed: {kinds}"] if kinds else []
    parts += [f"{key.replace('_', ' ')}: {ended[key]}" for key in ("interrupted", "not_sent") if ended[key]]
    return "; ".join(parts) or "nothing failed"


def pretty(document: Mapping[str, Any]) -> str:
    """JSON with one measurement per line: each can be pointed at."""
    rows = document.get("measurements", [])
    head = json.dumps({k: v for k, v in document.items() if k != "measurements"}, indent=2, ensure_ascii=False)
    if not rows:
        return head + "\n"
    lines = ",\n".join("    " + json.dumps(row) for row in rows)
    return f'{head[:-2]},\n  "measurements": [\n{lines}\n  ]\n}}\n'


def clock(seconds: float) -> str:
    """Local wall clock with its distance from UTC."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="milliseconds")
