"""HTTP/1.1 to one server over kept connections, as lean as it gets: the client must not be what is measured.

A chunk is stamped when its bytes arrive (`asyncio.Protocol.data_received`), not when a coroutine gets round to it.
The parsing of HTTP is llhttp's (httptools); TLS and the event loop are asyncio's or, where it is installed, uvloop's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import httptools

from llmstats.errors import InputError
from llmstats.redact import masked

from ._serving_settings import VERSION
from ._serving_stream import Answer

#: Seconds to wait for a connection.
CONNECT = 30.0
#: Files that are open beside the connections.
_OTHER_FILES = 40
#: Errors of a connection that are this machine's, not the server's.
_OURS = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)
#: Seconds after which an idle connection is not used again: servers close theirs after five or more.
_KEEP = 3.0


@dataclass(frozen=True)
class Target:
    """Where requests go."""

    host: str
    port: int
    path: str
    tls: bool
    authority: str  #: as the ``Host`` header says it
    key: str | None = None  #: bearer token; never written anywhere

    @classmethod
    def of(cls, url: str, key: str | None = None) -> Target:
        """Take a URL apart.

        Raises:
            InputError: it is no http(s) URL.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = None
        if parts.scheme not in ("http", "https") or not parts.hostname or (port is None and ":" in _after_host(url)):
            raise InputError(f"--url {masked(url)!r} is no URL; write it like http://localhost:8000/v1/completions")
        if "@" in parts.netloc:
            raise InputError("--url: a name and password in it would be written into logs; set OPENAI_API_KEY instead")
        tls = parts.scheme == "https"
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, port or (443 if tls else 80), path or "/", tls, parts.netloc, key)

    @property
    def place(self) -> str:
        """Where that is, for messages: secrets in the query are ``***``."""
        return f"{self.authority}{masked(self.path)}"

    def at(self, path: str) -> Target:
        """The same server, another path."""
        return Target(self.host, self.port, path, self.tls, self.authority, self.key)

    def request(self, body: bytes | None) -> bytes:
        """A whole request: POST of JSON, or GET without a body."""
        lines = [
            f"{'GET' if body is None else 'POST'} {self.path} HTTP/1.1",
            f"Host: {self.authority}",
            f"User-Agent: llmstats/{VERSION}",
            "Accept: */*",
        ]
        lines += [f"Authorization: Bearer {self.key}"] if self.key else []
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + (body or b"")


def _after_host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2].rpartition("]")[2]


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self.touched = perf_counter()
        self.uses = 0
        self.open = True
        self._answer: Answer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by descent

    async def send(self, request: bytes, answer: Answer) -> None:
        """Send, and return when the answer has ended one way or the other."""
        self._parser = httptools.HttpResponseParser(self)
        self._framed = self._headed = False
        self._answer, self._over = answer, asyncio.get_running_loop().create_future()
        self.touched = perf_counter()
        self.uses += 1
        self._transport.write(request)
        try:
            await self._over
        finally:
            if self._answer is not None:  # cancelled
                answer.fail("interrupted", "stopped under way")
                self._end(keep=False)

    def data_received(self, data: bytes) -> None:
        self.touched = perf_counter()
        if self._answer is None:
            self.close()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as why:
            self._fail("bad_http", f"{why}: {data[:100]!r}")

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._answer is None:
            return
        if exc is None and self._headed and not self._framed:
            self.on_message_complete()  # the end of the connection is the end of the answer
        else:
            self._fail("stream_cut", f"connection lost: {exc}" if exc else "the server closed the connection")

    # ----- what llhttp calls

    def on_header(self, name: bytes, value: bytes) -> None:
        self._framed |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        if self._answer is not None:
            self._headed = True
            self._answer.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        if self._answer is not None:
            self._answer.feed(data, self.touched)

    def on_message_complete(self) -> None:
        if self._answer is not None:
            if 100 <= self._answer.status < 200:
                return
            self._answer.end(perf_counter())
            self._end(keep=self._framed and self._parser.should_keep_alive())

    # ----- endings

    def give_up(self, kind: str, text: str) -> None:
        """End the request that is under way, if there is one."""
        if self._answer is not None:
            self._fail(kind, text)

    def _fail(self, kind: str, text: str) -> None:
        if self._answer is not None:
            self._answer.fail(kind, text)
            self._answer.ended = perf_counter()
        self._end(keep=False)

    def _end(self, *, keep: bool) -> None:
        self._answer = None
        if not keep:
            self.close()
        if not self._over.done():
            self._over.set_result(None)

    def close(self) -> None:
        self.open = False
        self._transport.abort()


class Pool:
    """Connections to one server, of which the one used last is used first.

    Args:
        timeout: seconds without a byte after which a request is given up.
    """

    def __init__(self, target: Target, timeout: float) -> None:
        self.target = target
        self.timeout = timeout
        self.limit = most_connections()
        self._opening = 0
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._tls = ssl.create_default_context() if target.tls else None

    async def fill(self, count: int) -> None:
        """Open connections beforehand, so that opening them is no part of the measurement; failures wait for it."""
        self._idle = [connection for connection in self._idle if connection.open]
        made = await asyncio.gather(*(self._connect(Answer(-1, 0)) for _ in range(count - len(self._idle))))
        self._idle += [connection for connection in made if connection is not None]

    async def post(self, body: bytes | None, answer: Answer) -> None:
        """Send one request (GET where there is no body) and read its answer; never raises but when cancelled."""
        answer.started = perf_counter()
        request = self.target.request(body)
        connection = self._kept()
        if connection is not None:
            await self._exchange(connection, request, answer)
            if not _was_stale(connection, answer):
                return
            answer.failure, answer.retried, answer.ended = None, True, 0.0
        connection = await self._connect(answer)
        if connection is not None:
            await self._exchange(connection, request, answer)

    async def _exchange(self, connection: Connection, request: bytes, answer: Answer) -> None:
        self._busy.add(connection)
        try:
            await connection.send(request, answer)
        finally:
            self._busy.discard(connection)
            if connection.open:
                self._idle.append(connection)

    def _kept(self) -> Connection | None:
        since = perf_counter() - _KEEP
        while self._idle:
            connection = self._idle.pop()
            if connection.open and connection.touched >= since:
                return connection
            connection.close()
        return None

    async def _connect(self, answer: Answer) -> Connection | None:
        """A new connection; None with the reason in the answer."""
        target = self.target
        if len(self._busy) + len(self._idle) + self._opening >= self.limit:
            answer.fail("client_limit", f"this machine allows {self.limit} connections at once; see: ulimit -Hn")
            answer.ended = perf_counter()
            return None
        self._opening += 1
        try:
            async with asyncio.timeout(min(CONNECT, self.timeout)):
                return await self._opened()
        except TimeoutError:
            answer.fail("connect", f"no connection to {target.authority} within {min(CONNECT, self.timeout):g} s")
        except OSError as why:  # refused, unknown host, TLS
            answer.fail("client_limit" if why.errno in _OURS else "connect", f"{target.authority}: {why}")
        except asyncio.CancelledError:
            answer.fail("interrupted", "stopped before it was sent")
            raise
        finally:
            self._opening -= 1
        answer.ended = perf_counter()
        return None

    async def _opened(self) -> Connection:
        target, name = self.target, self.target.host if self._tls else None
        loop = asyncio.get_running_loop()
        made = loop.create_connection(Connection, target.host, target.port, ssl=self._tls, server_hostname=name)
        return (await made)[1]

    async def watch(self) -> None:
        """Give up requests that stand still; runs until it is cancelled."""
        while True:
            await asyncio.sleep(min(1.0, self.timeout / 4))
            limit = perf_counter() - self.timeout
            for connection in [c for c in self._busy if c.touched < limit]:
                connection.give_up("timeout", f"nothing came for {self.timeout:g} s")

    def close(self) -> None:
        for connection in [*self._idle, *self._busy]:
            connection.close()
        self._idle.clear()


def _was_stale(connection: Connection, answer: Answer) -> bool:
    """Whether a kept connection was closed before any byte of an answer: the request was not taken."""
    untouched = answer.status == 0 and answer.failure is not None and answer.failure[0] == "stream_cut"
    return untouched and connection.uses > 1


@contextlib.asynccontextmanager
async def pool(target: Target, timeout: float) -> AsyncIterator[Pool]:
    """A pool whose requests are watched."""
    made = Pool(target, timeout)
    watcher = asyncio.create_task(made.watch())
    try:
        yield made
    finally:
        watcher.cancel()
        made.close()


def most_connections() -> int:
    """How many connections the system allows at once, some files beside them left."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard in (resource.RLIM_INFINITY, -1):
        return 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(hard - _OTHER_FILES, 1)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, which takes half of the time per chunk, else asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return cast(asyncio.AbstractEventLoop, uvloop.new_event_loop())


def api_key() -> str | None:
    """The key that OpenAI's own client takes."""
    return os.environ.get("OPENAI_API_KEY") or None
