"""A small OpenAI-compatible server with bad manners on request: ``python -m tests.toy_openai`` prints its port.

The first part of the path says how it behaves (``/plain/v1/completions``).  It answers requests in the
order in which they arrive with words of one token each, and streams one chunk per token.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

GAP = 0.002
_COUNT: dict[str, int] = {}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next(
                (int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length")), 0
            )
            body = json.loads(await reader.readexactly(length)) if length else None
            path, _, query = head.split(" ")[1].partition("?")
            manner, _, rest = path.strip("/").partition("/")
            if manner == "guarded" and "api-key=hush" not in query.split("&"):
                _whole(writer, 401, {"error": "no key"})
            elif rest == "v1/models":
                _whole(writer, 200, {"data": [{"id": "toy"}]})
            else:
                await _answer(writer, manner, rest.endswith("chat/completions"), body)
            await writer.drain()
            if writer.is_closing():
                return
            if manner == "forgetful" and rest != "v1/models":  # promised to keep the connection, and does not
                await asyncio.sleep(0.02)
                return
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()


def _whole(writer: asyncio.StreamWriter, status: int, document: Any) -> None:
    body = json.dumps(document).encode()
    writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


async def _answer(writer: asyncio.StreamWriter, manner: str, chat: bool, body: dict[str, Any]) -> None:
    number = _COUNT[manner] = _COUNT.get(manner, -1) + 1
    refused = _REFUSED.get(manner, set()) & body.keys()
    if refused:
        _whole(writer, 400, {"error": f"unknown fields: {sorted(refused)}" if manner == "picky" else "malformed"})
    elif manner == "ill" and (ill := _ILL[number % len(_ILL)]):
        await ill(writer, _Stream(writer, chat))
    elif manner in _WHOLE:
        _whole(writer, 200, _WHOLE[manner])
    elif manner == "buffered":
        held = _Held()
        await _stream(held, manner, chat, body)
        writer.write(held.data)
    else:
        await _stream(writer, manner, chat, body)


class _Held:
    """A writer that sends nothing yet, as a proxy that buffers."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def is_closing(self) -> bool:
        return False


async def _stream(writer: Any, manner: str, chat: bool, body: dict[str, Any]) -> None:
    stream = _Stream(writer, chat)
    stream.open(framed=manner != "unframed")
    tokens = body["max_tokens"] // 2 if manner == "short" else body["max_tokens"]
    each = 2 if manner == "double" else 1
    for at in range(0, tokens, each):
        await asyncio.sleep(GAP * (50 if manner == "slow" else 1))
        if writer.is_closing():
            return
        stream.text("" if manner == "wordless" else " word" * min(each, tokens - at))
    prompt = body.get("prompt") or body["messages"][0]["content"]
    cached = {"cached_tokens": 3 if manner == "cached" else 0}
    usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": tokens, "prompt_tokens_details": cached}
    if manner != "abrupt":
        stream.event(choices=[{"index": 0, "finish_reason": "length", "text": ""}])
    if "stream_options" in body:
        stream.event(
            choices=[], usage=usage | {"prompt_tokens_details": {"cached_tokens": 3 if manner == "cached" else 0}}
        )
    stream.close(b"data: [DONE]" if manner == "abrupt" else b"data: [DONE]\n\n")


class _Stream:
    def __init__(self, writer: Any, chat: bool) -> None:
        self.writer, self.chat, self.framed = writer, chat, True

    def open(self, *, framed: bool = True) -> None:
        self.framed = framed
        frame = "Transfer-Encoding: chunked\r\n" if framed else ""
        self.writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{frame}\r\n".encode())
        if self.chat:
            self.event(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}])

    def raw(self, data: bytes) -> None:
        self.writer.write(b"%x\r\n%s\r\n" % (len(data), data) if self.framed else data)

    def event(self, **document: Any) -> None:
        self.raw(f"data: {json.dumps(document)}\n\n".encode())

    def text(self, text: str) -> None:
        choice = {"index": 0, "delta": {"content": text}} if self.chat else {"index": 0, "text": text}
        self.event(choices=[choice | {"finish_reason": None}])

    def close(self, last: bytes = b"data: [DONE]\n\n") -> None:
        self.raw(last)
        if self.framed:
            self.writer.write(b"0\r\n\r\n")
        else:
            self.writer.close()


async def _unavailable(writer: asyncio.StreamWriter, _stream: _Stream) -> None:
    _whole(writer, 503, {"error": "overloaded"})


async def _cut(writer: asyncio.StreamWriter, stream: _Stream) -> None:
    stream.open()
    stream.text(" word")
    await writer.drain()
    writer.transport.abort()


async def _endless(writer: asyncio.StreamWriter, stream: _Stream) -> None:
    stream.open()
    stream.text(" word")
    writer.write(b"0\r\n\r\n")  # ends without finish_reason and without [DONE]


async def _broken(writer: asyncio.StreamWriter, stream: _Stream) -> None:
    stream.open()
    stream.raw(b'data: {"choices": [\n\n')
    stream.close()


async def _complains(writer: asyncio.StreamWriter, stream: _Stream) -> None:
    stream.open()
    stream.event(error={"message": "out of memory"})
    stream.close()


async def _silent(writer: asyncio.StreamWriter, stream: _Stream) -> None:
    stream.open()
    stream.text(" word")
    await writer.drain()
    await asyncio.sleep(60)


async def _empty(writer: asyncio.StreamWriter, stream: _Stream) -> None:
    stream.open()
    stream.close()


async def _noise(writer: asyncio.StreamWriter, _stream: _Stream) -> None:
    writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")


Ill = Callable[[asyncio.StreamWriter, _Stream], Any]
_ILL: list[Ill | None] = [None, _unavailable, _cut, _endless, _broken, _complains, _silent, _empty, _noise]
_REFUSED = {
    "picky": {"ignore_eos", "min_tokens"},
    "sullen": {"ignore_eos", "min_tokens"},
    "uncounted": {"stream_options"},
    "stubborn": {"max_tokens"},
}
#: Answered with status 200 and no stream.
_WHOLE = {
    "exhausted": {"error": {"message": "KV cache exhausted"}},
    "streamless": {"choices": [{"index": 0, "text": " word", "finish_reason": "length"}]},
}


async def main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
