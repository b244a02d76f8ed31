"""Sending the requests of a cell: a closed loop of clients, or an open loop with random arrivals."""

from __future__ import annotations

import asyncio
import random
from array import array
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from time import perf_counter, process_time
from typing import Any, NamedTuple

from ._serving_http import Pool
from ._serving_stream import Answer

#: Seconds between two looks at how late the event loop is.
_TICK = 0.05


class Body(NamedTuple):
    """A request as it goes over the wire, and the length of its prompt by the tokenizer."""

    data: bytes
    prompt_tokens: int


class Sender:
    """Sends prepared requests and keeps the answers, in the order of sending.

    When as many requests in a row as there are clients (at least eight) get no connection, the server is gone: no
    more are sent, and the rest counts as not sent.
    """

    def __init__(self, pool: Pool, bodies: Sequence[Body], on_end: Callable[[Answer], None], clients: int = 1) -> None:
        self.answers: list[Answer] = []
        self.began = self.ended = 0.0
        self._pool, self._bodies, self._on_end = pool, bodies, on_end
        self._patience = max(clients, 8)
        self._refused = 0

    @property
    def gone(self) -> bool:
        return self._refused >= self._patience

    async def closed(self, clients: int) -> None:
        """``clients`` clients, each sending its next request when its last one was answered."""
        waiting = iter(range(len(self._bodies)))
        await self._pool.fill(min(clients, len(self._bodies)))
        await self._through(self._client(waiting) for _ in range(clients))

    async def open(self, rate: float, seed: int) -> None:
        """Poisson arrivals: gaps drawn from an exponential distribution with mean ``1 / rate`` seconds.

        There is none before the first request: the time of the benchmark begins with it.
        """
        dice = random.Random(seed)
        gaps = [dice.expovariate(rate) for _ in self._bodies]
        await self._through([self._arrivals([0.0, *gaps[1:]])])

    async def _through(self, work: Iterable[Coroutine[Any, Any, None]]) -> None:
        self.began = perf_counter()
        try:
            async with asyncio.TaskGroup() as tasks:
                for one in work:
                    tasks.create_task(one)
        finally:
            self.ended = perf_counter()

    async def _client(self, waiting: Iterator[int]) -> None:
        for index in waiting:
            if self.gone:
                return
            await self._one(index)

    async def _arrivals(self, gaps: Sequence[float]) -> None:
        due = self.began
        async with asyncio.TaskGroup() as tasks:
            for index, gap in enumerate(gaps):
                due += gap
                while (left := due - perf_counter()) > 0:  # a timer may fire up to a millisecond early
                    await asyncio.sleep(left)
                if self.gone:
                    return
                tasks.create_task(self._one(index, due))

    async def _one(self, index: int, planned: float = 0.0) -> None:
        body = self._bodies[index]
        answer = Answer(index, body.prompt_tokens, planned)
        self.answers.append(answer)
        try:
            await self._pool.post(body.data, answer)
        finally:
            refused = answer.failure is not None and answer.failure[0] == "connect"
            self._refused = self._refused + 1 if refused else 0
            self._on_end(answer)


class Clock:
    """How busy the client itself was: share of one core, and how late its event loop came to a due moment."""

    def __init__(self, on_tick: Callable[[], None]) -> None:
        self.late = array("d")
        self._on_tick = on_tick
        self._wall, self._cpu = perf_counter(), process_time()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            due = perf_counter() + _TICK
            await asyncio.sleep(_TICK)
            self.late.append(max(0.0, perf_counter() - due))
            self._on_tick()

    @property
    def cpu(self) -> float:
        return (process_time() - self._cpu) / max(perf_counter() - self._wall, 1e-9)
