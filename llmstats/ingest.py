"""From paths to the store: plan, read in worker processes, commit; the one module that composes the stages.

The database is held only for short commits.  Everything that a commit says of a file, rows and the mark "read up to
here", goes into one transaction, so a kill leaves a committed state and the next ingest goes on from there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmstats.copies import Contents
from llmstats.planning import groups, plan
from llmstats.store import Store
from llmstats.store_types import MOVE, REPLACE, Delta, Known, Outcome
from llmstats.workers import Pool

if TYPE_CHECKING:
    from llmstats.jobs import Job, Part, Wishes

#: A commit is due when this much raw text is waiting, or when this many seconds passed.
COMMIT_BYTES, COMMIT_SECONDS = 96 << 20, 2.0
#: What rows raise that no column can hold: a text for a number, a number out of range.
_UNFIT = (ValueError, TypeError, OverflowError)


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
    #: Keys outside the catalogue that the store did not hold before: (format, raw name) -> values
    new_keys: Counter[tuple[str, str]] = field(default_factory=Counter)
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
        self._old_keys: set[tuple[str, str]] = set()
        self._counted: dict[str, str] = {}  #: path -> status in the report
        self._unfit: set[str] = set()  #: paths whose rows could not be stored

    def run(
        self,
        inputs: Sequence[str],
        labels: Mapping[str, str] | None = None,
        workers: int | None = None,
        *,
        documents: bool = False,
        fallback: str | None = None,
    ) -> Report:
        """Read all inputs into the store.

        Args:
            inputs: files, directories, archives, globs, ``-``.
            labels: what the logs do not say, for all of them.
            workers: processes that read.
            documents: read logs that Markdown and reStructuredText quote, too.
            fallback: format of the files that no format recognises (``generic_steps``).

        Raises:
            NotFound: an input does not exist.
            StoreBusy: another process holds the database for longer than the store's patience.
        """
        from llmstats import formats
        from llmstats.jobs import Wishes, is_current
        from llmstats.sources import discover

        began = time.monotonic()
        wishes = Wishes(documents, formats.parser(fallback).name if fallback else None)
        self.report = Report(self._store.path)
        known = self._known()
        found = discover(list(inputs), skip=self._own_files())
        todo = plan(found, known, labels or {}, lambda k, table: is_current(k, table, wishes), wishes)
        self.report.unchanged = todo.unchanged
        self.report.files = todo.unchanged + len(todo.jobs) + len(todo.relabelled)
        self._pending = {d.path: d for d in todo.relabelled}
        self._progress = Progress(0, len(todo.jobs), 0, sum(j.found.size for j in todo.jobs))
        read_again = {job.found.path for job in todo.jobs}  # their bytes may be others now (a rotated log)
        self._contents = Contents({path: k for path, k in known.items() if path not in read_again})
        if todo.jobs or todo.stdin:
            formats.parsers()  # before the workers fork: a broken format is one error, not one per file
        try:
            if todo.stdin:
                self._read_stdin(known, dict(labels or {}), wishes)
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
        known: dict[str, Known] = {}
        with _uninterrupted():
            self._store.create_or_migrate()
            self._old_keys = self._store.uncatalogued()
            known |= self._store.known()
        return known

    def _create(self) -> None:
        if self._missing:
            with _uninterrupted():
                self._store.create_or_migrate()
            self._missing = False

    def _own_files(self) -> list[str]:
        path = os.path.abspath(self._store.path)
        return [path, path + ".wal"]

    def _read_stdin(self, known: Mapping[str, Known], labels: dict[str, str], wishes: Wishes) -> None:
        """In this process: a worker has no standard input."""
        from llmstats.reading import Worker

        self._create()
        self.report.files += 1
        self._progress.files_total += 1
        for part in Worker().read_stdin(known.get, labels, wishes):
            self._take(part)
            if self._due():
                self._commit()

    def _read(self, jobs: list[Job], workers: int) -> None:
        pool = Pool(list(groups(jobs)), workers)
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
        if part.path in self._unfit:
            return
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
        if status is None:
            for name, values in part.uncatalogued.items():
                if (key := (part.columns["format"], name)) not in self._old_keys:
                    report.new_keys[key] += values
        if part.complete:
            progress.files += 1
            columns = part.columns
            status = status or columns.get("status") or "parsed"
            report.statuses[status] += 1
            self._counted[part.path] = status
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
            try:
                outcomes = [self._store.commit(deltas)]
            except _UNFIT:  # nothing is stored then; whose rows they are shows when each comes alone
                outcomes = [self._alone(delta) for delta in deltas]
        for done in outcomes:
            self.report.points += done.points
            self.report.measurements += done.measurements
            self.report.runs |= dict.fromkeys(done.run_ids)
            for conflict in done.conflicts:
                self.report.problems.append((conflict.path, "conflict", conflict.reason))
        self._since = time.monotonic()

    def _alone(self, delta: Delta) -> Outcome:
        """Commit one source; one whose rows cannot be stored fails, and only that one."""
        try:
            return self._store.commit([delta])
        except _UNFIT as why:
            error = f"defect in the parser: {type(why).__name__}: {why}"
        self._unfit.add(delta.path)
        if counted := self._counted.pop(delta.path, None):
            self.report.statuses -= Counter([counted])
        self.report.statuses["failed"] += 1
        self.report.problems.append((delta.path, "failed", error))
        nothing_read = dict.fromkeys(("content_hash", "blocks", "state")) | {"bytes_read": 0}
        columns = {**delta.columns, **nothing_read, "status": "failed", "error": error}
        return self._store.commit([Delta(delta.path, REPLACE, delta.expected, columns)])


def _as_duplicate(part: Part, home: str) -> dict[str, Any]:
    return {**part.columns, "status": "duplicate", "duplicate_of": home, "state": None}


def _stat_columns(part: Part) -> dict[str, Any]:
    names = ("size_bytes", "mtime_ns", "inode", "device", "container", "labels")
    return {k: part.columns[k] for k in names if k in part.columns}


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back while the database works, which knows no KeyboardInterrupt, and let it through afterwards."""
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
