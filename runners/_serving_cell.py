"""One cell from its prompts to its files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any, TextIO

from llmstats.running import Job, replace

from . import _serving_measure as measure
from . import _serving_profile as profile
from ._serving_http import Target, pool
from ._serving_load import Body, Clock, Sender
from ._serving_server import Server
from ._serving_settings import VERSION, Cell, Settings
from ._serving_stream import Answer
from ._serving_tokens import Prompts, Tokens

#: Requests of the warm-up ask for no more tokens than this.
_WARMUP_TOKENS = 32
#: From this share of one core on, or with an event loop this late in the median, the client is part of the result.
_BUSY, _LATE = 0.85, 0.005


@dataclass
class Bench:
    """What all cells of a sweep share."""

    job: Job
    made: Settings
    target: Target
    server: Server
    tokens: Tokens
    prompts: Prompts


@dataclass
class Outcome:
    """A cell's document, as its JSON file holds it."""

    document: dict[str, Any]
    profile: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        return str(self.document["status"])


def paths(job: Job, cell: Cell) -> dict[str, str]:
    """Files of a cell: llm_profiler's ``log`` and ``dump`` (closed loop only), our ``json`` and ``requests``."""
    files = {"json": f"cells/{cell.name}.json", "requests": f"cells/{cell.name}.requests.jsonl"}
    if cell.clients is not None:
        files |= {"log": f"log/test_log_{cell.name}.log", "dump": f"log/test_log_{cell.name}.json"}
    return {key: job.file(path) for key, path in files.items()}


def stored(job: Job, cell: Cell) -> dict[str, Any] | None:
    """A cell's document from an earlier start; None where there is none that can be read."""
    try:
        with open(paths(job, cell)["json"], encoding="utf-8") as file:
            document = json.load(file)
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


# --------------------------------------------------------------------------- performing


class CellRun:
    """One cell under way."""

    def __init__(self, bench: Bench, cell: Cell, before: Mapping[str, Any] | None) -> None:
        self.bench, self.cell = bench, cell
        self.files = paths(bench.job, cell)
        self.notes: list[str] = []
        self.known: dict[int, measure.Times] = {}
        self.done = 0
        self.cpu = 0.0
        self.clock = Clock(self._tick)
        self._drawn = 0.0
        self.epoch = time.time() - perf_counter()
        self.started = time.time()
        self.document = self._opened(before)

    def _opened(self, before: Mapping[str, Any] | None) -> dict[str, Any]:
        cell, made, server = self.cell, self.bench.made, self.bench.server
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
            "url": made.url,
            "api": made.api,
            "request": {"stream": True, **server.optional(cell.output_len), "temperature": made.temperature,
                        **made.extra_body},
            "tokenizer": os.path.basename(os.path.normpath(made.tokenizer_path)),
            "llmstats": VERSION,
            "started_at": _clock(self.started),
            "ended_at": None,
            "earlier": _earlier(before),
        }  # fmt: skip

    async def run(self) -> Outcome:
        """Send everything, and write what came of it however it ends.

        Raises:
            CancelledError: it was stopped; the files say ``interrupted``.
        """
        self._write()
        with self._logs() as (self.log, self.requests):
            try:
                await self._perform()
            except asyncio.CancelledError:
                self._close("interrupted")
                raise
            return self._close(None)

    async def _perform(self) -> None:
        async with pool(self.bench.target, self.bench.made.timeout) as connections:
            self.sender = Sender(connections, (), self._ended)
            warmup, bodies = await self._bodies(warmup=True), await self._bodies()
            await self._warm_up(Sender(connections, warmup, lambda _: None))
            self.sender = Sender(connections, bodies, self._ended, self.cell.clients or 1)
            await self._send()

    async def _send(self) -> None:
        self.clock, self._drawn = Clock(self._tick), perf_counter()
        ticking = asyncio.create_task(self.clock.run())
        try:
            if self.cell.clients is not None:
                await self.sender.closed(self.cell.clients)
            else:
                assert self.cell.rate is not None
                await self.sender.open(self.cell.rate, self.bench.made.seed)
        finally:
            self.cpu = self.clock.cpu
            ticking.cancel()

    async def _bodies(self, *, warmup: bool = False) -> list[Body]:
        """Requests with prompts that no other cell sends: a prefix cache has nothing to answer from."""
        cell, bench = self.cell, self.bench
        count = bench.made.warmup if warmup else cell.requests
        length = min(cell.output_len, _WARMUP_TOKENS) if warmup else cell.output_len
        key = f"{cell.name}/{'warmup' if warmup else 'request'}"
        bodies = []
        for index in range(count):
            bodies.append(bench.server.body(bench.made, bench.prompts.make(cell.input_len, f"{key}/{index}"), length))
            await asyncio.sleep(0)  # Ctrl-C gets through
        return bodies

    async def _warm_up(self, sender: Sender) -> None:
        await sender.closed(1)
        failed = [a.failure for a in sender.answers if a.failure]
        if failed and failed[0]:
            why = ": ".join(failed[0])
            self.notes.append(f"warm-up: {len(failed)} of {len(sender.answers)} requests failed ({why})")

    @contextlib.contextmanager
    def _logs(self) -> Iterator[tuple[TextIO | None, TextIO]]:
        """The files that grow; a log of an earlier start is replaced."""
        with contextlib.ExitStack() as files:
            log = None
            if "log" in self.files:
                log = files.enter_context(_fresh(self.files["log"]))
                log.write(f"llmstats {VERSION} run serving: {self.cell.words}; {self.bench.made.url}\n")
                log.write(profile.progress(0, self.cell.requests, 0.0).lstrip("\r"))
                log.flush()
            yield log, files.enter_context(_fresh(self.files["requests"]))

    # ----- while it runs

    def _ended(self, answer: Answer) -> None:
        """A request has ended: one line of JSON."""
        self.done += 1
        known = self.known[answer.index] = measure.times(answer, self._count)
        line = {
            "record": "llmstats_request",
            "request": answer.index,
            "started": round(self.epoch + answer.started, 6),
            "ttft": _round(known.ttft),
            "tpot": _round(known.tpot, 9),
            "e2e": _round(known.e2e),
            "input_tokens": known.input_tokens,
            "input_tokens_by": known.input_by,
            "output_tokens": known.output_tokens,
            "output_tokens_by": known.output_by,
            "chunks": len(answer.chunks),
            "lines": answer.lines,
            "finish": answer.finish,
            "success": answer.succeeded,
        }
        if answer.failure:
            line |= {"failure": answer.failure[0], "error": answer.failure[1]}
        line |= {"sent_again": True} if answer.retried else {}
        line |= {"late": round(answer.started - answer.planned, 6)} if answer.planned else {}
        line |= {"cached_tokens": known.cached_tokens} if known.cached_tokens is not None else {}
        if self.bench.made.chunk_times:
            line["chunk_times"] = [round(t - answer.started, 6) for t in answer.chunks]
        self.requests.write(json.dumps(line) + "\n")

    def _count(self, text: str) -> int:
        return len(self.bench.tokens.encode(text))

    def _tick(self) -> None:
        """Twenty times a second: files to disk, and once a second the progress."""
        self.requests.flush()
        now = perf_counter()
        if now - self._drawn < 1.0:
            return
        self._drawn = now
        drawn = profile.progress(self.done, self.cell.requests, now - self.sender.began)
        if self.log:
            self.log.write(drawn)
            self.log.flush()
        if sys.stderr.isatty():
            sys.stderr.write(f"{drawn} {self.cell.name}")
            sys.stderr.flush()

    # ----- at the end

    def _close(self, status: str | None) -> Outcome:
        sent = self.sender
        ended = measure.tally(sent.answers, self.cell.requests)
        status = status or _status(ended)
        good = [a for a in sent.answers if a.succeeded]
        found = profile.result(self.cell, self.bench.made.server_api, sent.answers, sent.ended - sent.began)
        found = found if status in ("completed", "partial") and self.cell.clients is not None else None
        self.document |= {
            "status": status,
            "ended_at": _clock(time.time()),
            "error": _error(status, ended),
            "requests": ended,
            "tokens": self._tokens(good),
            "client": self._client(),
            "notes": [*self.bench.server.notes, *self.notes, *self._remarks(good)],
            "conditions": self._conditions(found, good),
            "measurements": [m._asdict() for m in self._measured(status, ended, good)],
        }
        self._write()
        self._write_profile(status, found)
        return Outcome(self.document, found if status == "completed" else None)

    def _measured(self, status: str, ended: dict[str, Any], good: Sequence[Answer]) -> Iterator[measure.Measured]:
        """Counts always; times and speeds only of a cell that was measured to its end."""
        yield from measure.counts(ended)
        if good and status in ("completed", "partial"):
            known = [self.known[a.index] for a in good]
            yield from measure.speeds(known, sum(len(a.chunks) for a in good), self.sender.ended - self.sender.began)
            yield from measure.distributions(good, known)

    def _tokens(self, good: Sequence[Answer]) -> dict[str, Any]:
        known = [self.known[a.index] for a in good]
        return {
            "input": sum(t.input_tokens for t in known),
            "output": sum(t.output_tokens for t in known),
            "output_by": sorted({t.output_by for t in known}),
            "chunks": sum(len(a.chunks) for a in good),
            "lines": sum(a.lines for a in good),
            "full_length": sum(t.output_tokens == self.cell.output_len for t in known),
            "cached": sum(t.cached_tokens or 0 for t in known),
        }

    def _client(self) -> dict[str, Any]:
        late = sorted(self.clock.late)
        starts = sorted(a.started - a.planned for a in self.sender.answers if a.planned)
        return {
            "cpu": round(self.cpu, 3),
            "loop_late_p50": _round(_rank(late, 0.5)),
            "loop_late_p99": _round(_rank(late, 0.99)),
            "sent_late_p99": _round(_rank(starts, 0.99)),
        }

    def _conditions(self, found: dict[str, Any] | None, good: Sequence[Answer]) -> dict[str, str]:
        if self.cell.clients is not None:
            return profile.output_len_mode(found, self.cell.output_len)
        whole = bool(good) and all(self.known[a.index].output_tokens == self.cell.output_len for a in good)
        return {"output_len_mode": "constant"} if whole else {}

    def _remarks(self, good: Sequence[Answer]) -> Iterator[str]:
        """What a reader of the numbers has to know."""
        known = [self.known[a.index] for a in good]
        yield from self._length_remarks(known)
        if cached := sum(t.cached_tokens or 0 for t in known):
            yield f"the server had {cached} prompt tokens in its prefix cache: restart it, or choose another --seed"
        client = self._client()
        if client["cpu"] > _BUSY or (client["loop_late_p50"] or 0) > _LATE:
            yield (
                f"the client itself was slow ({client['cpu']:.0%} of a core used, {client['loop_late_p50'] or 0:.4f} s "
                "late in the median): times contain waiting in the client"
            )

    def _length_remarks(self, known: Sequence[measure.Times]) -> Iterator[str]:
        cell = self.cell
        wrong = sorted({a.prompt_tokens for a in self.sender.answers if a.prompt_tokens != cell.input_len})
        if wrong:
            yield f"this tokenizer makes no prompt of {cell.input_len} tokens here; sent were {wrong[0]} to {wrong[-1]}"
        other = {t.input_tokens for t in known if t.input_by == "usage"} - {cell.input_len}
        if other and not wrong:
            yield f"the server counts {min(other)} to {max(other)} tokens in prompts that have {cell.input_len} here"
        short = sum(t.output_tokens < cell.output_len for t in known)
        if short:
            yield f"{short} of {len(known)} outputs are shorter than {cell.output_len} tokens"

    # ----- files

    def _write(self) -> None:
        replace(self.files["json"], pretty(self.document))

    def _write_profile(self, status: str, found: dict[str, Any] | None) -> None:
        if self.log is None:
            return
        sent = self.sender
        self.log.write(profile.progress(self.done, self.cell.requests, sent.ended - sent.began) + "\n")
        if status != "completed":
            self.log.write(f"llmstats: {status}: {failure_words(self.document['requests'])}\n")
        if status != "interrupted":
            self.log.write(profile.report(found, len(sent.answers)))
        self.log.flush()
        if status == "completed" and found:
            replace(self.files["dump"], json.dumps(found, indent=4))
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.files["dump"])


# --------------------------------------------------------------------------- small things


def _status(ended: Mapping[str, Any]) -> str:
    if ended["completed"] == ended["asked"]:
        return "completed"
    return "partial" if ended["completed"] else "failed"


def _error(status: str, ended: Mapping[str, Any]) -> str | None:
    """Why the cell is not complete."""
    if status == "completed":
        return None
    return f"{status}: {ended['completed']} of {ended['asked']} requests completed; {failure_words(ended)}"


def failure_words(ended: Mapping[str, Any]) -> str:
    """``failed: connect 3, stream_cut 2; not sent: 4``."""
    kinds = ", ".join(f"{kind} {count}" for kind, count in ended["failures"].items())
    parts = [f"failed: {kinds}"] if kinds else []
    parts += [f"{key.replace('_', ' ')}: {ended[key]}" for key in ("interrupted", "not_sent") if ended[key]]
    return "; ".join(parts) or "nothing failed"


def _earlier(before: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """How earlier starts of this cell ended: a repeated cell does not hide them."""
    if not before:
        return []
    told = {key: before.get(key) for key in ("status", "started_at", "ended_at", "requests")}
    return [*before.get("earlier", []), told]


def pretty(document: Mapping[str, Any]) -> str:
    """JSON with one measurement per line: each can be pointed at."""
    rows = document.get("measurements", [])
    head = json.dumps({k: v for k, v in document.items() if k != "measurements"}, indent=2, ensure_ascii=False)
    if not rows:
        return head + "\n"
    lines = ",\n".join("    " + json.dumps(row) for row in rows)
    return f'{head[:-2]},\n  "measurements": [\n{lines}\n  ]\n}}\n'


def _fresh(path: str) -> TextIO:
    return open(path, "w", encoding="utf-8", newline="\n")


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="milliseconds")


def _round(value: float | None, digits: int = 6) -> float | None:
    return None if value is None else round(value, digits)


def _rank(ordered: Sequence[float], share: float) -> float | None:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else None
