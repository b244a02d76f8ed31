"""What a runner is, what it plans, and the work directory that it writes into.

A runner launches or performs one workload and writes files, nothing else; what it wrote enters the store by the same
door as a stranger's log.  Life of a start::

    plan = runner.plan(given)         everything that can be checked, before anything starts
    job = Job.start(plan, ...)        work_dirs/<name>/<YYYYmmdd_HHMMSS>/run.json, status "running"
    running.perform(runner, plan, job)  logs and dumps; run.json again at the end, with how it ended

``run.json`` is replaced as a whole and never half written.  Its status: ``running`` (or the process died without a
word, by SIGKILL or power loss), ``completed``, ``failed``, ``interrupted`` (Ctrl-C, SIGTERM), ``stopped`` (by a rule
that the user set).

One process at a time works in a directory: it holds a lock there that ends with it, in whatever way it ends.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TextIO

from llmstats.errors import InputError, LlmstatsError
from llmstats.redact import without_secrets

if TYPE_CHECKING:
    import click

#: Base name of the file that says what a work directory is.
RUN_JSON = "run.json"
#: How a job can end.
ENDS = ("completed", "failed", "interrupted", "stopped")
#: Signals that end a run as Ctrl-C does.
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_ELSEWHERE = "choose another place: --work-dir"


@dataclass
class Plan:
    """What a runner is about to do; ``--dry-run`` prints it."""

    name: str  #: of the work; its jobs lie in ``work_dirs/<name>/``
    command: Sequence[str] | None = None  #: argument list of the program that is launched; None: done in process
    directory: str | None = None  #: in which the command runs; None: the current one
    environment: Mapping[str, str] = field(default_factory=dict)  #: variables that are set for the command
    files: Sequence[str] = ()  #: what will be written into the work directory
    notes: Sequence[str] = ()  #: what is going to happen and where it is less than asked, each with its reason
    warnings: Sequence[str] = ()  #: what may be wrong, each with its reason
    #: For run.json: kind, framework, model, dataset, precision, parallelism, device_count, seeds, config …
    facts: Mapping[str, Any] = field(default_factory=dict)
    #: Recipe and its parameters with which the result is judged after an ingest; None: it is not.
    judge: tuple[str, Mapping[str, str]] | None = None
    settings: Any = None  #: whatever else the runner wants to find again in ``run``
    resumes: str | None = None  #: work directory of an earlier start in which this one goes on; None: a new one

    def text(self) -> str:
        """The plan for a reader; the command as one line that a shell would take."""
        lines = [f"name         {self.name}"]
        if self.command:
            assigned = " ".join(f"{k}={shlex.quote(v)}" for k, v in self.environment.items())
            lines.append(f"command      {assigned + ' ' if assigned else ''}{shlex.join(self.command)}")
        lines += [f"directory    {self.directory}"] if self.directory else []
        lines += [f"{key:<12} {_plain(value)}" for key, value in self.facts.items() if value not in (None, {}, [])]
        lines += [f"writes       {name}" for name in self.files]
        lines += [f"note         {text}" for text in self.notes]
        lines += [f"warning      {text}" for text in self.warnings]
        return "\n".join(lines)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class Table(NamedTuple):
    """Something a runner knows and can show instead of starting: which models run on which devices, …"""

    help: str
    read: Callable[[], tuple[Sequence[str], Sequence[tuple[Any, ...]]]]  #: columns and rows


class Runner:
    """Base of all runners; its presence in ``llmstats.runners`` makes it a command of ``llmstats run``."""

    name: ClassVar[str]  #: the word on the command line
    title: ClassVar[str]  #: one line for the list of commands
    about: ClassVar[str] = ""  #: what ``--help`` says below the title
    options: ClassVar[Sequence[click.Parameter]] = ()
    #: By the word of its option: ``{"matrix": Table(…)}`` makes ``llmstats run NAME --matrix`` show it.
    tables: ClassVar[Mapping[str, Table]] = {}
    #: Whether a command line may follow behind ``--``; `plan` gets its words as ``command``.
    launches: ClassVar[bool] = False
    #: Whether `plan` must know where it will write: it gets ``work_dir`` and ``name`` as well.
    needs_place: ClassVar[bool] = False
    #: Whether the work is done by the devices of this machine; a client that asks a server elsewhere says False.
    works_here: ClassVar[bool] = True

    def plan(self, given: Mapping[str, Any]) -> Plan:
        """What these options (by the names of ``options``) ask for; touches nothing.

        Raises:
            InputError: it cannot work, and why.
        """
        raise NotImplementedError

    def run(self, plan: Plan, job: Job) -> int:
        """Do it and return the exit code; anything but 0 is a failure unless the runner called `Job.finish` itself.

        Raises:
            LlmstatsError: it failed for a reason that the user can act on.
        """
        raise NotImplementedError


class Job:
    """An open work directory.

    Args:
        lock: descriptor that holds its lock, until `finish`.

    Raises:
        InputError: its run.json cannot be written.
    """

    def __init__(self, path: str, document: dict[str, Any], lock: int | None) -> None:
        self.path = path
        self.document = document
        self._lock = lock
        #: Files and directories beside `path` that belong to the work and are ingested with it.
        self.beside: list[str] = []
        #: Format as which an ingest reads files of the work that no format recognises; None: it does not.
        self.fallback: str | None = None
        try:
            self._write()
        except OSError as why:
            raise InputError(f"cannot write {self.file(RUN_JSON)}: {why.strerror}; {_ELSEWHERE}") from why

    @classmethod
    def start(cls, plan: Plan, work_dir: str, *, runner: str, environment: Mapping[str, Any]) -> Job:
        """Make ``<work_dir>/<name>/<YYYYmmdd_HHMMSS>/`` (``_2`` … where two begin in one second) with its run.json.

        Raises:
            InputError: the directory cannot be made or not be written into.
        """
        document = {
            "format": "llmstats_run",
            "version": 1,
            "runner": runner,
            "name": plan.name,
            "status": "running",
            "started_at": _now(),
            "ended_at": None,
            "exit_code": None,
            "error": None,
            "facts": dict(plan.facts),
            "command": without_secrets(plan.command) if plan.command else None,
            "variables": dict(plan.environment),
            "notes": [*plan.notes, *plan.warnings],
            "environment": dict(environment),
        }
        path = _fresh(os.path.join(work_dir, plan.name))
        return cls(path, document, _locked(path))

    @classmethod
    def reopen(cls, plan: Plan, *, runner: str, environment: Mapping[str, Any]) -> Job:
        """Go on in ``plan.resumes``: its run.json keeps its start, its notes and when it was resumed.

        Raises:
            InputError: no job of this runner lies there, it is still at work, or it cannot be written into.
        """
        path = os.path.abspath(plan.resumes or "")
        try:
            lock = _locked(path)
        except BlockingIOError:
            raise InputError(
                f"--resume {plan.resumes}: that job is still at work; wait until it has ended, or stop it"
            ) from None
        try:
            with open(os.path.join(path, RUN_JSON), encoding="utf-8") as file:
                document = json.load(file)
            if document["runner"] != runner:
                raise InputError(
                    f"--resume {plan.resumes}: a job of {document['runner']!r} lies there, not of {runner!r}"
                )
            document["facts"] |= {k: v for k, v in plan.facts.items() if v is not None}
            document.setdefault("resumed_at", []).append(_now())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as why:
            raise InputError(f"--resume {plan.resumes}: no readable {RUN_JSON} there ({why})") from why
        fresh = {"status": "running", "ended_at": None, "exit_code": None, "error": None}
        return cls(path, {**document, **fresh, "environment": dict(environment)}, lock)

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json says of the run; what is learnt on the way is written at the end, or by `note`."""
        facts: dict[str, Any] = self.document["facts"]
        return facts

    @property
    def finished(self) -> bool:
        return bool(self.document["status"] != "running")

    def file(self, name: str) -> str:
        """Path of a file of the job."""
        return os.path.join(self.path, name)

    def open(self, name: str) -> TextIO:
        """A log of the job, line by line on disk as it is written."""
        return open(self.file(name), "a", encoding="utf-8", buffering=1, newline="\n")

    def say(self, text: str) -> None:
        """Talk to the user on standard error."""
        write(sys.stderr, f"{text}\n")

    def note(self, text: str) -> None:
        """Say something that also belongs into run.json, at once."""
        self.document["notes"].append(text)
        self._renew()
        self.say(text)

    def add_logs(self, directory: str) -> None:
        """Say that a program that was launched writes its own logs into this directory: run.json covers it too."""
        logs: list[str] = self.document.setdefault("logs", [])
        logs.append(os.path.relpath(directory, self.path))
        self._renew()

    def finish(self, status: str, *, exit_code: int | None = None, error: str | None = None, **facts: Any) -> None:
        """Write how it ended (one of `ENDS`) and what else was learnt.

        Raises:
            LlmstatsError: it cannot be written; run.json still says ``running``.
        """
        if status not in ENDS:
            raise ValueError(status)
        self.facts.update(facts)
        self.document |= {"status": status, "ended_at": _now(), "exit_code": exit_code, "error": error}
        try:
            self._write()
        except OSError as why:
            ended = status + (f" ({error})" if error else "")
            unsaid = f"cannot write {self.file(RUN_JSON)}: {why.strerror}; it still says 'running'"
            raise LlmstatsError(f"{ended}, but {unsaid}") from why
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _renew(self) -> None:
        """Write what was learnt on the way; where it cannot be written the work goes on, and `finish` writes it."""
        with suppress(OSError):
            self._write()

    def _write(self) -> None:
        replace(self.file(RUN_JSON), json.dumps(self.document, indent=2, ensure_ascii=False, default=str) + "\n")


def replace(path: str, text: str) -> None:
    """Write a file so that a reader finds the old text or the new one, never half of it."""
    beside = f"{path}.{os.getpid()}.tmp"
    try:
        with open(beside, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError:
        with suppress(OSError):
            os.unlink(beside)
        raise


def _locked(path: str) -> int | None:
    """Lock a directory; the system takes the lock away when the process has ended.

    Returns:
        The descriptor that holds the lock; None where the system or the file system has none for directories.

    Raises:
        BlockingIOError: another process holds it.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    descriptor = None
    try:
        descriptor = os.open(path, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as why:
        if descriptor is not None:
            os.close(descriptor)
        if isinstance(why, BlockingIOError):
            raise
        return None
    return descriptor


def _now() -> str:
    """Local wall clock with its distance from UTC, as logs of the same machine read it."""
    return datetime.now().astimezone().isoformat(sep=" ", timespec="milliseconds")


def _fresh(parent: str) -> str:
    """A new directory called by the time of day."""
    stamp = os.path.join(os.path.abspath(parent), time.strftime("%Y%m%d_%H%M%S"))
    try:
        os.makedirs(parent, exist_ok=True)
        for path in (stamp, *(f"{stamp}_{n}" for n in range(2, 1000))):
            with suppress(FileExistsError):
                os.mkdir(path)
                return path
    except OSError as why:
        raise InputError(f"cannot make a work directory below {parent}: {why.strerror}; {_ELSEWHERE}") from why
    raise InputError(f"{parent} holds a thousand jobs of this second already")


# --------------------------------------------------------------------------- names


def work_name(text: str) -> str:
    """A name for work that is one path component in every file system.

    Raises:
        InputError: it is none.
    """
    if not re.fullmatch(r"[\w][\w.+=-]{0,99}", text):
        raise InputError(f"--name {text!r}: letters, digits, . _ + = - only, at most 100, no / and no leading dot")
    return text


def safe_name(text: str) -> str:
    """A name for work made from any text (a model's name, a case): other signs become ``-``."""
    return re.sub(r"[^\w.+=-]+", "-", text).strip(".-+=")[:100] or "work"


# --------------------------------------------------------------------------- talking


def write(stream: TextIO | None, text: str | bytes) -> None:
    """Write to standard output or error: a reader that left takes nothing with it, and the work goes on."""
    if stream is None or stream.closed:  # None: it was closed before we began
        return
    try:
        if isinstance(text, bytes):
            stream.buffer.write(text)
        else:
            stream.write(text)
        stream.flush()
    except OSError:
        _mute(stream)


def _mute(stream: TextIO) -> None:
    """Lead what follows nowhere, also what others write there and what Python itself flushes at the end."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


# --------------------------------------------------------------------------- performing


class Ended(KeyboardInterrupt):
    """A signal asked to end, as Ctrl-C does."""


def perform(runner: Runner, plan: Plan, job: Job) -> int:
    """Run, and write how it ended whatever happens short of SIGKILL; what the runner itself has written stands.

    Raises:
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP; run.json says ``interrupted``.
        LlmstatsError: it failed; run.json says ``failed`` and why.  Or run.json cannot be written.
    """
    try:
        with ending_signals():
            code = runner.run(plan, job)
    except KeyboardInterrupt:
        _mark(job, "interrupted", 130, "interrupted by a signal")
        raise
    except LlmstatsError as why:
        _mark(job, "failed", why.exit_code, str(why))
        raise
    except Exception as why:
        message = f"{type(why).__name__}: {why}"
        details = _details(job)
        _mark(job, "failed", 1, message)
        raise LlmstatsError(f"{runner.name} failed: {message}{details}") from why
    if not job.finished:
        job.finish("failed" if code else "completed", exit_code=code)
    return code


def _mark(job: Job, status: str, code: int, error: str) -> None:
    """Write how it ended unless that is written; where it cannot be, why it ended is what the user must learn."""
    if not job.finished:
        with suppress(LlmstatsError):
            job.finish(status, exit_code=code, error=error)


def _details(job: Job) -> str:
    """Keep the traceback of the present exception, and say where."""
    try:
        with job.open("traceback.txt") as file:
            traceback.print_exc(file=file)
    except OSError:
        return ""
    return f"\n(details: {job.file('traceback.txt')})"


@contextmanager
def ending_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end what is inside as Ctrl-C does, with `Ended`."""

    def end(number: int, _frame: object) -> None:
        raise Ended(signal.Signals(number).name)

    heard = [number for number in _ENDING if signal.getsignal(number) != signal.SIG_IGN]  # nohup stays in force
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
