"""One cell from its prompts to its files."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TextIO

from llmstats.running import Job, replace, write

from . import _serving_measure as measure
from . import _serving_profile as profile
from ._serving_document import Results, clock, failure_words, opened, paths, pretty
from ._serving_http import Target, pool
from ._serving_load import Body, Clock, Sender
from ._serving_server import Server
from ._serving_settings import VERSION, Cell, Settings
from ._serving_stream import Answer
from ._serving_tokens import Prompts

#: Requests of the warm-up ask for no more tokens than this.
_WARMUP_TOKENS = 32


@dataclass
class Bench:
    """What all cells of a sweep share."""

    job: Job
    made: Settings
    target: Target
    server: Server
    prompts: Prompts


class CellRun:
    """One cell under way."""

    def __init__(self, bench: Bench, cell: Cell, before: Mapping[str, Any] | None) -> None:
        """Begin.

        Args:
            before: the cell's document of an earlier start, whose end is kept.
        """
        self.bench, self.cell = bench, cell
        self._files = paths(bench.job, cell)
        self._notes: list[str] = []
        self._times: dict[int, measure.Times] = {}
        self._done, self._drawn, self._cpu = 0, 0.0, 0.0
        self._clock = Clock(self._tick)
        self._epoch = time.time() - perf_counter()
        self.document = opened(cell, bench.made, bench.server, time.time(), before)

    async def run(self) -> dict[str, Any]:
        """Send everything, and write what came of it however it ends; returns the document.

        Raises:
            CancelledError: it was stopped; the files say ``interrupted``.
        """
        self._write()
        with self._logs() as (self._log, self._requests):
            try:
                await self._perform()
                return self._close(None)
            except asyncio.CancelledError:
                self._close("interrupted")
                raise
            except Exception as why:  # noqa: BLE001  a mistake of this program; the other cells are still measured
                with self.bench.job.open("traceback.txt") as file:
                    traceback.print_exc(file=file)
                return self._close("failed", _reason(why))

    async def _perform(self) -> None:
        async with pool(self.bench.target, self.bench.made.timeout) as connections:
            self._sender = Sender(connections, (), self._ended)
            warmup, bodies = await self._bodies(warmup=True), await self._bodies()
            await self._warm_up(Sender(connections, warmup, lambda _: None))
            self._sender = Sender(connections, bodies, self._ended, self.cell.clients or 1)
            await self._send()

    async def _send(self) -> None:
        self._clock, self._drawn = Clock(self._tick), perf_counter()
        ticking = asyncio.create_task(self._clock.run())
        gc.collect()
        gc.disable()  # a collection stops all streams at once, and there is next to nothing to collect
        try:
            if self.cell.clients is not None:
                await self._sender.closed(self.cell.clients)
            else:
                assert self.cell.rate is not None
                await self._sender.open(self.cell.rate, self.bench.made.seed)
        finally:
            gc.enable()
            self._cpu = self._clock.cpu
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
        if failed:
            why = ": ".join(failed[0])
            self._notes.append(f"warm-up: {len(failed)} of {len(sender.answers)} requests failed ({why})")

    @contextlib.contextmanager
    def _logs(self) -> Iterator[tuple[TextIO | None, TextIO]]:
        """The files that grow; those of an earlier start are replaced."""
        with contextlib.ExitStack() as files:
            log = None
            if "log" in self._files:
                log = files.enter_context(_fresh(self._files["log"]))
                log.write(f"llmstats {VERSION} run serving: {self.cell.words}; {self.bench.made.place}\n")
                log.write(profile.progress(0, self.cell.requests, 0.0).lstrip("\r"))
                log.flush()
            yield log, files.enter_context(_fresh(self._files["requests"]))

    # ----- while it runs

    def _ended(self, answer: Answer) -> None:
        """A request has ended: one line of JSON."""
        self._done += 1
        known = self._times[answer.index] = measure.times(answer, self._count)
        answer.texts.clear()
        self._requests.write(json.dumps(self._line(answer, known)) + "\n")

    def _count(self, text: str) -> int:
        return len(self.bench.prompts.tokens.encode(text))

    def _line(self, answer: Answer, known: measure.Times) -> dict[str, Any]:
        line: dict[str, Any] = {
            "record": "llmstats_request",
            "request": answer.index,
            "started": round(self._epoch + answer.started, 6),
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
        return line

    def _tick(self) -> None:
        """Twenty times a second: requests to disk, and once a second the progress."""
        self._requests.flush()
        now = perf_counter()
        if now - self._drawn < 1.0:
            return
        self._drawn = now
        drawn = profile.progress(self._done, self.cell.requests, now - self._sender.began)
        if self._log:
            self._log.write(drawn)
            self._log.flush()
        if sys.stderr and sys.stderr.isatty():
            write(sys.stderr, f"{drawn} {self.cell.name}")

    # ----- at the end

    def _close(self, status: str | None, why: str | None = None) -> dict[str, Any]:
        """Write how it ended.

        Args:
            status: None: told by the requests.
            why: what went wrong beside the requests.
        """
        sent, closed = self._sender, self.cell.clients is not None
        results = Results(self.cell, sent.answers, self._times, sent.ended - sent.began, self._client())
        status = status or results.status
        found = None
        if closed and status in ("completed", "partial"):
            found = profile.result(self.cell, self.bench.made.server_api, sent.answers, results.seconds)
        self.document |= {"ended_at": clock(time.time())}
        self.document |= results.closing(status, [*self.bench.server.notes, *self._notes], found, why)
        if sys.stderr and sys.stderr.isatty():
            write(sys.stderr, "\r\x1b[K")
        self._write()
        self._write_report(status, found, why)
        return self.document

    def _client(self) -> dict[str, Any]:
        late = sorted(self._clock.late)
        starts = sorted(a.started - a.planned for a in self._sender.answers if a.planned)
        return {
            "cpu": round(self._cpu, 3),
            "loop_late_p50": _round(_rank(late, 0.5)),
            "loop_late_p99": _round(_rank(late, 0.99)),
            "sent_late_p99": _round(_rank(starts, 0.99)),
        }

    def _write(self) -> None:
        replace(self._files["json"], pretty(self.document))

    def _write_report(self, status: str, found: dict[str, Any] | None, why: str | None) -> None:
        """llm_profiler's report, and its dump where no request failed: the program itself dies of the first failure."""
        if self._log is None:
            return
        sent = self._sender
        self._log.write(profile.progress(self._done, self.cell.requests, sent.ended - sent.began) + "\n")
        if status != "completed":
            self._log.write(f"llmstats: {status}: {failure_words(self.document['requests'], why)}\n")
        if status != "interrupted" and why is None:
            self._log.write(profile.report(found, len(sent.answers)))
        self._log.flush()
        if status == "completed" and found:
            replace(self._files["dump"], json.dumps(found, indent=4))
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._files["dump"])


def _fresh(path: str) -> TextIO:
    return open(path, "w", encoding="utf-8", newline="\n")


def _reason(why: BaseException) -> str:
    """What was raised; of a group the first."""
    while isinstance(why, BaseExceptionGroup):
        why = why.exceptions[0]
    return f"{type(why).__name__}: {why}"


def _round(value: float | None, digits: int = 6) -> float | None:
    return None if value is None else round(value, digits)


def _rank(ordered: Sequence[float], share: float) -> float | None:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else None
