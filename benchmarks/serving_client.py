"""How much can the client of ``llmstats run serving`` take before it is what is measured?

    python benchmarks/serving_client.py [--streams 1,100,1000] [--tokens 50] [--gap 0.1] [--requests 3]

A server that does next to nothing (asyncio, another process, loopback) sends each stream one chunk every ``gap``
seconds, all streams in one burst, as an engine does after a step of its batch.  The text of a chunk is the moment of
its sending on the monotonic clock of the machine, which both processes read; the client's own code (pool, parser of the
stream, closed loop) receives them.  Reported per number of streams: requests and chunks per second, the share of one
core that the client used, and the *added latency*: receiving minus sending.  Of a burst the last stream waits for all
others, in the server and in the client; the mean server time per chunk is shown to tell the two apart.

Also the same with aiohttp and httpx, where they are installed: what a client over them would have added.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import multiprocessing
import os
import platform
import sys
import time
from array import array
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b'{"model": "m", "prompt": "word word word word", "max_tokens": 1, "stream": true}'
STAMP = b'"text":"'


# --------------------------------------------------------------------------- the server


def _frame(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _chunk() -> bytes:
    return _frame(
        b'data: {"id":"cmpl-0123456789abcdef","object":"text_completion","created":1767225600,"model":"m","choices":'
        b'[{"index":0,"text":"%.7f","logprobs":null,"finish_reason":null}]}\n\n' % time.perf_counter()
    )


class _Stream(asyncio.Protocol):
    """Answers every request with as many chunks as all; the ticker sends all but the first."""

    live: dict[_Stream, int]
    tokens: int
    end: bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.read = b""

    def data_received(self, data: bytes) -> None:
        self.read += data
        if self.read.endswith(BODY):
            self.read = b""
            self.transport.write(HEAD + _chunk())
            self.live[self] = self.tokens - 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.live.pop(self, None)

    def tick(self) -> None:
        left = self.live[self]
        if left:
            self.live[self] = left - 1
            self.transport.write(_chunk())
        else:
            del self.live[self]
            self.transport.write(self.end)


async def _serve(pipe: Connection, tokens: int, gap: float) -> None:
    usage = b'"usage":{"prompt_tokens":4,"completion_tokens":%d,"total_tokens":%d}' % (tokens, tokens + 4)
    last = b'data: {"choices":[{"index":0,"text":"","finish_reason":"length"}],' + usage + b"}\n\ndata: [DONE]\n\n"
    _Stream.live, _Stream.tokens, _Stream.end = {}, tokens, _frame(last) + b"0\r\n\r\n"
    server = await asyncio.get_running_loop().create_server(_Stream, "127.0.0.1", 0, backlog=4096)
    pipe.send(server.sockets[0].getsockname()[1])
    due, busy, sent = time.perf_counter(), 0.0, 0
    while not pipe.poll():
        due = max(due + gap, time.perf_counter())
        await asyncio.sleep(due - time.perf_counter())
        began = time.perf_counter()
        streams = list(_Stream.live)
        for stream in streams:
            stream.tick()
        busy, sent = busy + time.perf_counter() - began, sent + len(streams)
    pipe.send(busy / max(sent, 1))


def _server(pipe: Connection, tokens: int, gap: float) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe, tokens, gap))


# --------------------------------------------------------------------------- the clients


class Seen(NamedTuple):
    """What one client saw."""

    wall: float
    cpu: float
    late: list[float]  #: receiving minus sending, seconds
    requests: int


async def ours(port: int, streams: int, total: int) -> Seen:
    """Pool, stream and closed loop of the runner."""
    http = importlib.import_module("llmstats.runners._serving_http")
    load = importlib.import_module("llmstats.runners._serving_load")
    target = http.Target.of(f"http://127.0.0.1:{port}/v1/completions")
    async with http.pool(target, 60.0) as pool:
        sender = load.Sender(pool, [load.Body(BODY, 4)] * total, lambda _: None, streams)
        cpu = time.process_time()
        await sender.closed(streams)
        cpu = time.process_time() - cpu
    assert all(answer.succeeded for answer in sender.answers), sender.answers[0].failure
    late = [now - float(sent) for a in sender.answers for now, sent in zip(a.chunks, a.texts, strict=True)]
    return Seen(sender.ended - sender.began, cpu, sorted(late), total)


async def _loop(streams: int, total: int, one: Callable[[Callable[[bytes, float], None]], Awaitable[None]]) -> Seen:
    """The same closed loop for a client that hands over bytes."""
    late = array("d")
    left = iter(range(total))

    def feed(data: bytes, now: float) -> None:
        for line in data.split(b"\n"):
            at = line.find(STAMP)
            if at > 0:
                sent = line[at + len(STAMP) : line.index(b'",', at)]
                late.extend([now - float(sent)] if sent else [])

    async def client() -> None:
        for _ in left:
            await one(feed)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client() for _ in range(streams)))
    return Seen(time.perf_counter() - wall, time.process_time() - cpu, sorted(late), total)


async def with_aiohttp(port: int, streams: int, total: int) -> Seen:
    aiohttp = importlib.import_module("aiohttp")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(feed: Callable[[bytes, float], None]) -> None:
            async with session.post(f"http://127.0.0.1:{port}/v1/completions", data=BODY) as response:
                async for data in response.content.iter_any():
                    feed(data, time.perf_counter())

        return await _loop(streams, total, one)


async def with_httpx(port: int, streams: int, total: int) -> Seen:
    httpx = importlib.import_module("httpx")
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=60) as session:

        async def one(feed: Callable[[bytes, float], None]) -> None:
            async with session.stream("POST", f"http://127.0.0.1:{port}/v1/completions", content=BODY) as response:
                async for data in response.aiter_raw():
                    feed(data, time.perf_counter())

        return await _loop(streams, total, one)


CLIENTS = {"llmstats": ours, "aiohttp": with_aiohttp, "httpx": with_httpx}


# --------------------------------------------------------------------------- the table


def measure(name: str, streams: int, asked: argparse.Namespace) -> str:
    """One row; a server of its own for each."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_server, args=(there, asked.tokens, asked.gap))
    process.start()
    try:
        port = here.recv()
        uvloop = importlib.import_module("uvloop")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            seen: Seen = runner.run(CLIENTS[name](port, streams, streams * asked.requests))
        here.send("end")
        each = here.recv()
    finally:
        process.join(5)
        process.kill()
    return _row(name, streams, seen, each)


def _row(name: str, streams: int, seen: Seen, server: float) -> str:
    chunks = len(seen.late)
    p50, p99 = (seen.late[min(int(chunks * share), chunks - 1)] * 1000 for share in (0.5, 0.99))
    wall = seen.wall
    return (
        f"{name:<10}{streams:>8}{seen.requests / wall:>12.1f}{chunks / wall:>11.0f}{seen.cpu / wall:>11.0%}"
        f"{seen.cpu / chunks * 1e6:>16.1f}{server * 1e6:>16.1f}{p50:>10.2f}{p99:>10.2f}{seen.late[-1] * 1000:>10.2f}"
    )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--streams", default="1,100,1000", help="concurrent streams")
    words.add_argument("--tokens", type=int, default=50, help="chunks per answer")
    words.add_argument("--gap", type=float, default=0.1, help="seconds between two chunks of a stream")
    words.add_argument("--requests", type=int, default=3, help="requests per stream")
    words.add_argument("--clients", default=",".join(CLIENTS), help="which of " + ", ".join(CLIENTS))
    asked = words.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
          f"{asked.tokens} chunks per answer, one per {asked.gap:g} s")  # fmt: skip
    print(
        f"{'client':<10}{'streams':>8}{'requests/s':>12}{'chunks/s':>11}{'core used':>11}{'client µs/chunk':>16}"
        f"{'server µs/chunk':>16}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}"
    )
    for streams in map(int, asked.streams.split(",")):
        for name in asked.clients.split(","):
            if name == "llmstats" or importlib.util.find_spec(name):
                print(measure(name, streams, asked), flush=True)
            else:
                print(f"{name:<10} is not installed", file=sys.stderr)


if __name__ == "__main__":
    main()
