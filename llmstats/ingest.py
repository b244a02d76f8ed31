"""From paths to the store: plan, read in worker processes, commit; the one module that composes the stages.

The database is held only for short commits.  Everything that a commit says of a file, rows and the mark "read up to
here", goes into one transaction, so a kill leaves a committed state and the next ingest goes on from there.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import tomllib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from llmstats.errors import InputError
from llmstats.store import Store
from llmstats.store_types import MOVE, REPLACE, TOUCH, Delta, Known

if TYPE_CHECKING:
    from llmstats.reading import Job, Part
    from llmstats.sources import Found

#: Small files that one worker reads together.
GROUP_FILES, GROUP_BYTES = 200, 8 << 20
#: A commit is due when this much raw text is waiting, or when this many seconds passed.
COMMIT_BYTES, COMMIT_SECONDS = 96 << 20, 2.0

SIDECAR = "llmstats.toml"


@dataclass(slots=True)
class Progress:
    """What has been done so far; handed to the caller's ``on_progress`` now and then."""

    files: int = 0
    files_total: int = 0
    bytes: int = 0
    bytes_total: int = 0


@dataclass(slots=True)
class Report:
    """What one ingest did."""

    db: str
    files: int = 0
    unchanged: int = 0
    statuses: Counter[str] = field(default_factory=Counter)  #: status -> files that were looked at now
    formats: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str, str]] = field(default_factory=list)  #: (path, status, reason), not ``parsed``
    lines_matched: int = 0
    lines_suspect: int = 0
    runs: dict[str, None] = field(default_factory=dict)
    points: int = 0
    measurements: int = 0
    bytes_read: int = 0
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def failed(self) -> bool:
        """Whether anything asks for attention (``--strict``)."""
        bad = ("failed", "too_large", "ambiguous")
        return any(self.statuses[s] for s in bad) or self.lines_suspect > 0


# --------------------------------------------------------------------------- labels


@cache
def _sidecar(directory: str) -> dict[str, str]:
    path = os.path.join(directory, SIDECAR)
    if not os.path.isfile(path):
        return {}
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except tomllib.TOMLDecodeError as why:
        raise InputError(f"{path}: not valid TOML: {why}") from why
    labels = content.get("labels", {})
    if not isinstance(labels, dict):
        raise InputError(f"{path}: [labels] must be a table of key = value")
    return {str(k): str(v) for k, v in labels.items()}


def labels_for(path: str, given: Mapping[str, str]) -> dict[str, str]:
    """Labels of a file: sidecars of all directories above it, the nearest one on top, then the caller's own."""
    if path == "-":
        return dict(given)
    labels: dict[str, str] = {}
    parts = path.split("!/", 1)[0].split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        labels |= _sidecar("/".join(parts[:depth]) or "/")
    return labels | dict(given)


# --------------------------------------------------------------------------- planning


def _unchanged(found: Found, known: Known) -> bool:
    same = (found.size, found.mtime_ns, found.inode) == (known.size, known.mtime_ns, known.inode)
    return same and found.path != "-"


@dataclass(slots=True)
class Plan:
    """Jobs to do, and sources of which only the labels changed."""

    jobs: list[Job] = field(default_factory=list)
    relabelled: list[Delta] = field(default_factory=list)
    unchanged: int = 0


def plan(found: Iterator[Found], known: Mapping[str, Known], labels: Mapping[str, str], current: Callable[[Known], bool]) -> Plan:
    """Which sources to read.  A file whose size, time and inode are as known, is not opened."""
    from llmstats.reading import Job

    out = Plan()
    sizes = Counter(k.size for k in known.values())
    for source in found:
        own = labels_for(source.path, labels)
        before = known.get(source.path)
        if before is not None and _unchanged(source, before) and current(before):
            if before.labels == own:
                out.unchanged += 1
            else:
                out.relabelled.append(Delta(source.path, TOUCH, before.expected, {"labels": own}))
            continue
        sizes[source.size] += 1
        out.jobs.append(Job(source, before, own))
    for job in out.jobs:
        job.maybe_copy = sizes[job.found.size] > 1
    return out


def _groups(jobs: list[Job]) -> Iterator[list[Job]]:
    """Neighbouring small files together, each large one alone."""
    group: list[Job] = []
    size = 0
    for job in jobs:
        if job.found.size > GROUP_BYTES // 2 or job.found.archive:
            yield [job]
            continue
        group.append(job)
        size += job.found.size
        if len(group) >= GROUP_FILES or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


# --------------------------------------------------------------------------- worker processes


def _work(pipe: Connection, groups: list[list[Job]]) -> None:
    """Serve numbers of groups until told to stop; each answer is a part, and None ends a group."""
    from llmstats.reading import ASK, Worker

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


class _Pool:
    """Workers and the groups that wait for them; yields parts as they come."""

    def __init__(self, groups: list[list[Job]], workers: int) -> None:
        self._waiting = deque(range(len(groups)))
        context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
        self._processes = []
        self._pipes: list[Connection] = []
        for _ in range(min(workers, len(groups))):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, groups), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)
        self.reply: Callable[[Part], bool] = lambda _: True

    def parts(self) -> Iterator[Part | None]:
        """Parts in the order of arrival; None now and then when nothing comes."""
        from llmstats.reading import ASK

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


# --------------------------------------------------------------------------- copies


class _Contents:
    """Who holds which content: a second file with equal bytes that tells of the same runs is a duplicate."""

    def __init__(self, store: Store, known: Mapping[str, Known]) -> None:
        self._store = store
        self._known = known
        self._holder = {k.content_hash: k.path for k in known.values() if k.content_hash and k.status == "parsed"}
        self._identity: dict[str, tuple[str, ...]] = {}

    def holder(self, part: Part) -> str | None:
        """Path that holds the same content already, if it is another one and tells of the same runs or is gone."""
        content = part.columns.get("content_hash")
        path = self._holder.get(content) if content else None
        if path is None or path == part.path or path.split("!/")[0] == part.path:
            return None
        if _gone(path) or self._names(path)[:1] == part.identity[:1]:
            return path
        return None

    def register(self, part: Part) -> None:
        content = part.columns.get("content_hash")
        if content:
            self._holder[content] = part.path
            self._identity[part.path] = part.identity

    def _names(self, path: str) -> tuple[str, ...]:
        if path not in self._identity:
            known = self._known.get(path)
            names = (known.state or {}).get("#names", []) if known else []
            self._identity[path] = tuple(names)
        return self._identity[path]


def _gone(path: str) -> bool:
    return path != "-" and not os.path.exists(path.split("!/")[0])


# --------------------------------------------------------------------------- the ingest


class Ingest:
    """One call of ``llmstats ingest``."""

    def __init__(self, store: Store, on_progress: Callable[[Progress], None] | None = None) -> None:
        self._store = store
        self._on_progress = on_progress
        self._pending: dict[str, Delta] = {}
        self._pending_bytes = 0
        self._since = time.monotonic()

    def run(self, inputs: Sequence[str], labels: Mapping[str, str] | None = None, workers: int | None = None) -> Report:
        """Read all inputs into the store.

        Raises:
            NotFound: an input does not exist.
            StoreBusy: another process holds the database for longer than the store's patience.
        """
        from llmstats import formats
        from llmstats.sources import discover

        began = time.monotonic()
        self.report = Report(self._store.path)
        formats.parsers()  # before the workers fork: a broken format is one error, not one per file
        self._store.create_or_migrate()
        known = self._store.known()
        todo = plan(discover(list(inputs), skip=self._own_files()), known, labels or {}, _current)
        self.report.unchanged = todo.unchanged
        self.report.files = todo.unchanged + len(todo.jobs) + len(todo.relabelled)
        self._pending = {d.path: d for d in todo.relabelled}
        self._progress = Progress(0, len(todo.jobs), 0, sum(j.found.size for j in todo.jobs))
        if todo.jobs:
            self._read(todo.jobs, known, workers or os.cpu_count() or 1)
        self._commit()
        self.report.seconds = time.monotonic() - began
        return self.report

    def _own_files(self) -> list[str]:
        path = os.path.abspath(self._store.path)
        return [path, path + ".wal"]

    def _read(self, jobs: list[Job], known: Mapping[str, Known], workers: int) -> None:
        self._contents = _Contents(self._store, known)
        pool = _Pool(list(_groups(jobs)), workers)
        pool.reply = self._wanted
        try:
            for part in pool.parts():
                if part is not None:
                    self._take(part)
                if self._due():
                    self._commit()
        except KeyboardInterrupt:
            self.report.interrupted = True
        finally:
            pool.stop()

    # ---- parts to deltas

    def _wanted(self, question: Part) -> bool:
        """Whether a large file is to be read although a file of the same size exists."""
        holder = self._contents.holder(question)
        if holder is None:
            self._contents.register(question)
            return True
        self._copy(question, holder)
        return False

    def _take(self, part: Part) -> None:
        new = part.mode == REPLACE and part.complete and part.expected is None and part.columns["status"] == "parsed"
        holder = self._contents.holder(part) if new else None
        if holder is not None:
            self._copy(part, holder)
        else:
            if part.complete and part.columns.get("status") == "parsed":
                self._contents.register(part)
            self._add(Delta(part.path, part.mode, part.expected, part.columns, part.items))
        self._account(part, "duplicate" if holder is not None and not _gone(holder) else None)

    def _copy(self, part: Part, holder: str) -> None:
        """A moved file keeps its rows under the new path; of two copies the first path in order holds the rows."""
        columns = {**part.columns, "status": "duplicate", "duplicate_of": holder, "state": None}
        if _gone(holder):
            self._add(Delta(part.path, MOVE, None, _stat_columns(part), from_path=holder))
            self._contents.register(part)
        elif part.path < holder and "!/" not in holder and holder != "-":
            self._commit()
            self._add(Delta(part.path, MOVE, None, _stat_columns(part), from_path=holder))
            self._commit()
            stat = os.stat(holder)
            columns |= {"duplicate_of": part.path, "mtime_ns": stat.st_mtime_ns, "inode": stat.st_ino, "device": stat.st_dev}
            self._add(Delta(holder, REPLACE, None, columns))
            self._contents.register(part)
        else:
            self._add(Delta(part.path, REPLACE, None, columns))

    def _add(self, delta: Delta) -> None:
        """A source has at most one delta in a commit."""
        if delta.path in self._pending:
            self._commit()
        self._pending[delta.path] = delta

    def _account(self, part: Part, status: str | None) -> None:
        report, progress = self.report, self._progress
        self._pending_bytes += part.raw_bytes
        progress.bytes += part.raw_bytes
        report.bytes_read += part.raw_bytes
        if part.complete:
            progress.files += 1
            columns = part.columns
            status = status or columns.get("status") or "parsed"
            report.statuses[status] += 1
            if columns.get("format"):
                report.formats[columns["format"]] += 1
            report.lines_matched += columns.get("lines_matched") or 0
            report.lines_suspect += columns.get("lines_suspect") or 0
            if status not in ("parsed", "duplicate"):
                report.problems.append((part.path, status, columns.get("error") or ""))
        if self._on_progress:
            self._on_progress(progress)

    # ---- commits

    def _due(self) -> bool:
        if not self._pending:
            return False
        return self._pending_bytes >= COMMIT_BYTES or time.monotonic() - self._since >= COMMIT_SECONDS

    def _commit(self) -> None:
        """Commit what is pending; an interrupt waits until the transaction is done."""
        if not self._pending:
            self._since = time.monotonic()
            return
        deltas, self._pending, self._pending_bytes = list(self._pending.values()), {}, 0
        with _uninterrupted():
            done = self._store.commit(deltas)
        self.report.points += done.points
        self.report.measurements += done.measurements
        self.report.runs |= dict.fromkeys(done.run_ids)
        for conflict in done.conflicts:
            self.report.problems.append((conflict.path, "conflict", conflict.reason))
        self._since = time.monotonic()


def _current(known: Known) -> bool:
    from llmstats.reading import is_current

    return known.status == "duplicate" or is_current(known)


def _stat_columns(part: Part) -> dict[str, Any]:
    names = ("size_bytes", "mtime_ns", "inode", "device", "container", "labels")
    return {k: part.columns[k] for k in names if k in part.columns}


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back while a transaction runs, and let it through afterwards."""
    held: list[int] = []
    try:
        before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    except ValueError:  # not the main thread: no signals arrive here
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt
