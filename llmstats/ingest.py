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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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


class Sidecars:
    """Labels of files: ``llmstats.toml`` of all directories above, the nearest on top, then the caller's own."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = dict(given)
        self._of_directory: dict[str, dict[str, str]] = {}

    def labels(self, path: str) -> dict[str, str]:
        """Labels of one file, or of a member of an archive."""
        directory = path.split("!/", 1)[0].rpartition("/")[0]
        return self._below(directory) | self._given if path.startswith("/") else dict(self._given)

    def _below(self, directory: str) -> dict[str, str]:
        if directory not in self._of_directory:
            above = self._below(directory.rpartition("/")[0]) if directory else {}
            self._of_directory[directory] = above | _read_sidecar(f"{directory}/{SIDECAR}")
        return self._of_directory[directory]


def _read_sidecar(path: str) -> dict[str, str]:
    if not os.path.isfile(path):
        return {}
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise InputError(f"{path}: not valid TOML: {why}") from why
    labels = content.get("labels", {})
    if not isinstance(labels, dict):
        raise InputError(f"{path}: [labels] must be a table of KEY = VALUE")
    return {str(k): str(v) for k, v in labels.items()}


# --------------------------------------------------------------------------- planning


def _same_file(found: Found, known: Known) -> bool:
    """Whether a file, or the archive around a member, is untouched since it was read."""
    return (found.mtime_ns, found.inode) == (known.mtime_ns, known.inode)


@dataclass(slots=True)
class Plan:
    """Jobs to do, and sources of which only the labels changed."""

    jobs: list[Job] = field(default_factory=list)
    relabelled: list[Delta] = field(default_factory=list)
    unchanged: int = 0
    stdin: bool = False

    def settle(self, same: Iterable[Known], labels: dict[str, str]) -> None:
        """Sources whose content is as known: at most their labels changed."""
        for known in same:
            if known.labels == labels:
                self.unchanged += 1
            else:
                self.relabelled.append(Delta(known.path, TOUCH, known.expected, {"labels": labels}))


def plan(
    found: Iterator[Found], known: Mapping[str, Known], labels: Mapping[str, str], current: Callable[[Known], bool]
) -> Plan:
    """Which sources to read.  A file whose size, time and inode are as known, is not opened."""
    from llmstats.reading import Job

    out = Plan()
    sidecars = Sidecars(labels)
    sizes = Counter(k.size for k in known.values())
    members: dict[str, dict[str, Known]] = {}
    for member in known.values():
        if member.container:
            members.setdefault(member.container, {})[member.path] = member
    for source in found:
        if source.path == "-":
            out.stdin = True
            continue
        if os.path.basename(source.path) == SIDECAR:
            continue
        own = sidecars.labels(source.path)
        if source.archive and (inside := members.get(source.path)):
            if all(_same_file(source, m) and current(m) for m in inside.values()):
                out.settle(inside.values(), own)
            else:
                out.jobs.append(Job(source, None, own, members=inside))
            continue
        before = known.get(source.path)
        if before is not None and source.size == before.size and _same_file(source, before) and current(before):
            out.settle([before], own)
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


def _work(pipe: Connection, groups: list[list[Job]], inherited: Sequence[Connection]) -> None:
    """Serve numbers of groups until told to stop; each answer is a part, and None ends a group.

    ``inherited``: ends of pipes that are the parent's; held open here, they would hide its death.
    """
    from llmstats.reading import ASK, Worker

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


class _Pool:
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
    """Which content lies where: a file with equal bytes may be one that moved, or a copy."""

    def __init__(self, known: Mapping[str, Known]) -> None:
        self._known = known
        self._paths: dict[str, list[str]] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._homes: set[str] = set()
        for source in known.values():
            if source.content_hash and source.status in ("parsed", "duplicate"):
                self._paths.setdefault(source.content_hash, []).append(source.path)
                if source.status == "parsed":
                    self._homes.add(source.path)

    def left_behind(self, part: Part) -> str | None:
        """The path that a file had before it was moved: equal bytes, gone from there, most alike in its last parts."""
        gone = [p for p in self._others(part) if _gone(p)]
        return max(gone, key=lambda p: (_common_end(p, part.path), p), default=None)

    def home(self, part: Part) -> str | None:
        """The path of a file with equal bytes that tells of the same runs."""
        homes = [p for p in self._others(part) if p in self._homes and self._identity(p)[:1] == part.identity[:1]]
        return min(homes, default=None)

    def _others(self, part: Part) -> list[str]:
        content = part.columns.get("content_hash")
        return [p for p in self._paths.get(content, ()) if p != part.path] if content else []

    def register(self, part: Part, *, home: bool, instead_of: str | None = None) -> None:
        """Note where content lies now."""
        paths = self._paths.setdefault(part.columns.get("content_hash") or "", [])
        if instead_of is not None:
            paths.remove(instead_of)
            self._homes.discard(instead_of)
        if part.path not in paths:
            paths.append(part.path)
        self._names[part.path] = part.identity
        if home:
            self._homes.add(part.path)

    def is_home(self, path: str) -> bool:
        return path in self._homes

    def _identity(self, path: str) -> tuple[str, ...]:
        if path not in self._names:
            known = self._known.get(path)
            self._names[path] = tuple((known.state or {}).get("#names", [])) if known else ()
        return self._names[path]


def _common_end(one: str, other: str) -> int:
    """How many last components two paths share."""
    count = 0
    for a, b in zip(reversed(one.split("/")), reversed(other.split("/")), strict=False):
        if a != b:
            break
        count += 1
    return count


def _gone(path: str) -> bool:
    return path.startswith("/") and not os.path.exists(path.split("!/", maxsplit=1)[0])


# --------------------------------------------------------------------------- the ingest


class Ingest:
    """One call of ``llmstats ingest``."""

    def __init__(self, store: Store, on_progress: Callable[[Progress], None] | None = None) -> None:
        self._store = store
        self._on_progress = on_progress
        self._pending: dict[str, Delta] = {}
        self._pending_bytes = 0
        self._since = time.monotonic()
        self._missing = False  #: there is no store yet

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
        known = self._known()
        todo = plan(discover(list(inputs), skip=self._own_files()), known, labels or {}, _current)
        self.report.unchanged = todo.unchanged
        self.report.files = todo.unchanged + len(todo.jobs) + len(todo.relabelled)
        self._pending = {d.path: d for d in todo.relabelled}
        self._progress = Progress(0, len(todo.jobs), 0, sum(j.found.size for j in todo.jobs))
        self._contents = _Contents(known)
        try:
            if todo.stdin:
                self._read_stdin(known, dict(labels or {}))
            if todo.jobs:
                self._read(todo.jobs, workers or os.cpu_count() or 1)
        except KeyboardInterrupt:
            self.report.interrupted = True
        self._create()
        self._commit()
        self.report.seconds = time.monotonic() - began
        return self.report

    def _known(self) -> dict[str, Known]:
        """What the store holds.  A new one is made later, while the workers read."""
        self._missing = not os.path.exists(self._store.path)
        if self._missing:
            return {}
        self._store.create_or_migrate()
        return self._store.known()

    def _create(self) -> None:
        if self._missing:
            self._store.create_or_migrate()
            self._missing = False

    def _own_files(self) -> list[str]:
        path = os.path.abspath(self._store.path)
        return [path, path + ".wal"]

    def _read_stdin(self, known: Mapping[str, Known], labels: dict[str, str]) -> None:
        """In this process: a worker has no standard input."""
        from llmstats.reading import Worker

        self._create()
        self.report.files += 1
        self._progress.files_total += 1
        for part in Worker().read_stdin(known.get, labels):
            self._take(part)
            if self._due():
                self._commit()

    def _read(self, jobs: list[Job], workers: int) -> None:
        pool = _Pool(list(_groups(jobs)), workers)
        pool.reply = self._wanted
        try:
            self._create()
            for part in pool.parts():
                if part is not None:
                    self._take(part)
                if self._due():
                    self._commit()
        finally:
            pool.stop()

    # ---- parts to deltas

    def _wanted(self, question: Part) -> bool:
        """Whether a large file is to be read although a file of the same size exists."""
        if self._known_content(question):
            self._account(question, "duplicate")
            return False
        self._contents.register(question, home=True)
        return True

    def _take(self, part: Part) -> None:
        parsed = part.columns.get("status") == "parsed"
        new = part.mode == REPLACE and part.complete and part.expected is None
        if parsed and new and self._known_content(part):
            self._account(part, "duplicate" if not self._contents.is_home(part.path) else None)
            return
        if parsed and part.complete:
            self._contents.register(part, home=True)
        self._add(Delta(part.path, part.mode, part.expected, part.columns, part.items))
        self._account(part, None)

    def _known_content(self, part: Part) -> bool:
        """Settle a file whose bytes are known: it moved, or it is a copy; of copies the first path holds the rows."""
        if part.columns.get("content_hash") is None:
            return False
        if origin := self._contents.left_behind(part):
            self._commit()
            self._add(Delta(part.path, MOVE, None, _stat_columns(part), from_path=origin))
            self._contents.register(part, home=self._contents.is_home(origin), instead_of=origin)
            return True
        home = self._contents.home(part)
        if home is None:
            return False
        if part.path < home and "!/" not in home and home.startswith("/"):
            self._take_over(part, home)
        else:
            self._add(Delta(part.path, REPLACE, None, _as_duplicate(part, home)))
            self._contents.register(part, home=False)
        return True

    def _take_over(self, part: Part, home: str) -> None:
        """The rows move to the path that comes first; the former home becomes the duplicate."""
        self._commit()
        self._add(Delta(part.path, MOVE, None, _stat_columns(part), from_path=home))
        self._commit()
        stat = os.stat(home)
        columns = _as_duplicate(part, part.path)
        columns |= {"mtime_ns": stat.st_mtime_ns, "inode": stat.st_ino, "device": stat.st_dev}
        self._add(Delta(home, REPLACE, None, columns))
        self._contents.register(part, home=True, instead_of=home)

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


def _as_duplicate(part: Part, home: str) -> dict[str, Any]:
    return {**part.columns, "status": "duplicate", "duplicate_of": home, "state": None}


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
