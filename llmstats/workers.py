"""Worker processes: they read, the parent commits."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmstats.jobs import Job, Part


def _work(pipe: Connection, groups: list[list[Job]], inherited: Sequence[Connection]) -> None:
    """Serve numbers of groups until told to stop; each answer is a part, and None ends a group.

    ``inherited``: ends of pipes that are the parent's; held open here, they would hide its death.
    """
    from llmstats.jobs import ASK
    from llmstats.reading import Worker

    for end in inherited:
        end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = Worker()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while (number := pipe.recv()) is not None:
            parts = worker.read(groups[number])
            answer: bool | None = None
            while True:
                try:
                    part = parts.send(answer)
                except StopIteration:
                    break
                pipe.send(part)
                answer = pipe.recv() if part.mode == ASK else None
            pipe.send(None)


class Pool:
    """Workers and the groups that wait for them; yields parts as they come."""

    def __init__(self, groups: list[list[Job]], workers: int) -> None:
        self._waiting = deque(range(len(groups)))
        forks = hasattr(os, "fork")
        context: Any = multiprocessing.get_context("fork" if forks else "spawn")
        self._processes = []
        self._pipes: list[Connection] = []
        for _ in range(min(workers, len(groups))):
            ours, theirs = context.Pipe()
            inherited = [*self._pipes, ours] if forks else []
            process = context.Process(target=_work, args=(theirs, groups, inherited), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)
        self.reply: Callable[[Part], bool] = lambda _: True

    def parts(self) -> Iterator[Part | None]:
        """Parts in the order of arrival; None now and then when nothing comes."""
        from llmstats.jobs import ASK

        busy = [pipe for pipe in self._pipes if self._next(pipe)]
        while busy:
            ready = wait(busy, timeout=0.2)
            if not ready:
                yield None
            for pipe in ready:
                assert isinstance(pipe, Connection)
                try:
                    part = pipe.recv()
                except EOFError:
                    raise RuntimeError("a worker process died (out of memory?)") from None
                if part is None:
                    if not self._next(pipe):
                        busy.remove(pipe)
                elif part.mode == ASK:
                    pipe.send(self.reply(part))
                else:
                    yield part

    def _next(self, pipe: Connection) -> bool:
        if not self._waiting:
            pipe.send(None)
            return False
        pipe.send(self._waiting.popleft())
        return True

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
