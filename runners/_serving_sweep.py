"""The cells of a sweep one after the other, and what happens when the server or the user goes away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from typing import Any

from llmstats.errors import InputError, LlmstatsError
from llmstats.running import Ended, Job, replace

from . import _serving_profile as profile
from ._serving_cell import Bench, CellRun
from ._serving_document import paths, read_object, stored
from ._serving_http import Target, api_key, most_connections, new_event_loop
from ._serving_server import Gone, awaited, meet
from ._serving_settings import Cell, Settings
from ._serving_tokens import Prompts, load

#: What is said of a cell when it has ended.
_TOLD = {
    ("output_tokens_per_second", "value"): "{:.1f} token/s",
    ("ttft", "p50"): "first token after {:.4f} s",
    ("tpot", "p50"): "{:.5f} s per token (p50)",
}
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def perform(job: Job, made: Settings, table: str) -> int:
    """Run the cells that are not complete; 0 when all are, else 1.

    Raises:
        KeyboardInterrupt: a signal asked to end; the cell under way says ``interrupted``.
        LlmstatsError: the server is gone; what was measured is on disk.
    """
    for folder in ("cells", "log") if made.num_clients else ("cells",):
        os.makedirs(job.file(folder), exist_ok=True)
    todo = [cell for cell in made.cells() if (stored(job, cell) or {}).get("status") != "completed"]
    done = len(made.cells()) - len(todo)
    if done:
        job.say(f"{done} of {done + len(todo)} cells are complete already")
    if todo:
        _enough_connections(max(cell.clients or 0 for cell in todo))
        tokens = load(made.tokenizer_path, made.api, trust_remote_code=made.trust_remote_code)
        _in_loop(_Sweep(job, made, table, todo, Prompts(tokens, made.seed)))
    return _verdict(job, made)


def _enough_connections(clients: int) -> None:
    """Every client holds a connection.

    Raises:
        InputError: the system allows fewer.
    """
    if clients > (allowed := most_connections()):
        raise InputError(f"{clients} clients need as many connections, the system allows {allowed}; see: ulimit -Hn")


def _verdict(job: Job, made: Settings) -> int:
    states = {cell.name: (stored(job, cell) or {}).get("status", "not started") for cell in made.cells()}
    bad = [f"{name} ({status})" for name, status in states.items() if status != "completed"]
    if not bad:
        return 0
    job.finish("failed", exit_code=1, error=f"{len(bad)} of {len(states)} cells are not complete: {', '.join(bad)}")
    job.say(f"{len(bad)} of {len(states)} cells are not complete: {', '.join(bad)}; again: --resume {job.path}")
    return 1


class _Sweep:
    """Cells to run."""

    def __init__(self, job: Job, made: Settings, table: str, todo: Sequence[Cell], prompts: Prompts) -> None:
        self.job, self.made, self.table, self.todo, self.prompts = job, made, table, todo, prompts
        self.target = Target.of(made.url, api_key())
        self.signal: signal.Signals | None = None

    async def run(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        with _cancelled_by_signals(task, self):
            try:
                await self._cells()
            except asyncio.CancelledError:
                if self.signal is None:
                    raise
                raise Ended(self.signal.name) from None
            except Gone as why:
                raise LlmstatsError(f"{why}; to go on with what is not complete: --resume {self.job.path}") from why

    async def _cells(self) -> None:
        server = await meet(self.made, self.target, self.prompts, self.job.say)
        self.job.facts["model"] = server.model
        for note in server.notes:
            self.job.note(note)
        bench = Bench(self.job, self.made, self.target, server, self.prompts)
        for number, cell in enumerate(self.todo, 1):
            await awaited(self.made, self.target, self.job.say)
            document = await CellRun(bench, cell, stored(self.job, cell)).run()
            self._tell(f"cell {number}/{len(self.todo)} {cell.name}", document)
            self._write_table()

    def _tell(self, name: str, document: dict[str, Any]) -> None:
        values = {(m["metric"], m["statistic"]): m["value"] for m in document["measurements"]}
        numbers = ", ".join(text.format(values[key]) for key, text in _TOLD.items() if key in values)
        self.job.say(f"{name}: {'; '.join(filter(None, (document['error'] or 'completed', numbers)))}")
        for note in document["notes"]:
            if note not in self.job.document["notes"]:
                self.job.say(f"  note: {note}")

    def _write_table(self) -> None:
        """All cells that are complete, those of earlier starts too: their dumps are the rows."""
        rows = []
        for cell in self.made.cells():
            files = paths(self.job, cell)
            if "dump" in files and (found := read_object(files["dump"])) is not None:
                rows.append((cell, found))
        if rows:
            replace(self.job.file(self.table), profile.table(rows))


def _in_loop(sweep: _Sweep) -> None:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(sweep.run())


@contextlib.contextmanager
def _cancelled_by_signals(task: asyncio.Task[object], sweep: _Sweep) -> Iterator[None]:
    """Signals cancel the task, so that what is under way is written; afterwards they mean what they meant."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def stop(number: signal.Signals) -> None:
        sweep.signal = number
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
