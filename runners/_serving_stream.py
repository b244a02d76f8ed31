"""What a server says to one request: the events of its stream, when they came, and how it ended.

The stream is server-sent events of an OpenAI-compatible server, one JSON object per ``data:`` line.  A *chunk* is an
event with text in it; a *line* is an event that ``llm_profile.py`` would have counted as a token: any with choices,
also an empty one at the end.  The usage-only event that we ask for (``stream_options``) is neither.
"""

from __future__ import annotations

import json
from array import array
from typing import Any

#: How a request can fail; the kinds are counted apart.
FAILURES = {
    "connect": "no connection could be made",
    "client_limit": "this machine allowed no further connection: too many open files, or no free port",
    "timeout": "nothing came for as long as --timeout says",
    "http_status": "the server answered with another status than 200",
    "stream_cut": "the stream broke off or ended without saying that it ended",
    "bad_json": "an event was no JSON object",
    "server_error": "the server sent an error inside the stream or in its place",
    "no_stream": "the server answered with something else than a stream of events",
    "empty": "the stream ended as it should, without a token",
    "bad_http": "the answer was no HTTP",
    "interrupted": "the benchmark was stopped while the request was under way",
}
_EXCERPT = 300
#: Bytes kept of an answer that is no stream: an error is read as a whole.
_KEPT = 1 << 16


class Answer:
    """One request and its answer.  Times are `time.perf_counter` seconds; 0.0 until the thing has happened."""

    __slots__ = (
        "_rest",
        "body",
        "chunks",
        "done",
        "ended",
        "failure",
        "finish",
        "first_line",
        "index",
        "last",
        "last_line",
        "lines",
        "planned",
        "prompt_tokens",
        "retried",
        "started",
        "status",
        "streams",
        "texts",
        "usage",
    )  # fmt: skip

    def __init__(self, index: int, prompt_tokens: int, planned: float = 0.0) -> None:
        self.index = index
        self.prompt_tokens = prompt_tokens  #: by the tokenizer
        self.planned = planned  #: when an open loop wanted to send it
        self.started = self.ended = 0.0
        self.first_line = self.last_line = 0.0
        self.last = 0.0  #: last event with choices
        self.lines = 0
        self.chunks = array("d")  #: when each chunk came
        self.texts: list[str] = []
        self.usage: dict[str, Any] | None = None
        self.finish: str | None = None
        self.done = False  #: ``[DONE]`` came
        self.status = 0  #: HTTP; 0: no answer yet
        self.failure: tuple[str, str] | None = None  #: kind and what was seen
        self.retried = False  #: sent again: a kept connection was closed before any byte of an answer
        self.streams = False  #: an event came
        self.body = b""  #: beginning of an answer that is no stream
        self._rest = b""

    def fail(self, kind: str, text: str) -> None:
        """The first failure counts; ``kind`` is one of `FAILURES`."""
        assert kind in FAILURES, kind
        if self.failure is None:
            self.failure = (kind, text[:_EXCERPT])

    @property
    def succeeded(self) -> bool:
        return self.failure is None and self.ended > 0.0

    def feed(self, data: bytes, now: float) -> None:
        """Bytes of the body, that came at ``now``; events may be cut anywhere."""
        if not self.streams:
            self.body = (self.body + data)[:_KEPT]
        if self.status != 200:
            return
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line.startswith(b"data:"):
                self._event(line[5:].strip(), now)

    def _event(self, payload: bytes, now: float) -> None:
        self.streams, self.body = True, b""
        if payload == b"[DONE]":
            self.done = True
            return
        event = object_of(payload)
        if event is None:
            self.fail("bad_json", payload.decode("utf-8", "replace"))
        elif event.get("error"):
            self.fail("server_error", _message(event["error"]))
        else:
            self._take(event, now)

    def _take(self, event: dict[str, Any], now: float) -> None:
        usage = event.get("usage")
        if isinstance(usage, dict):
            self.usage = usage
        choices = event.get("choices")
        if not choices or not isinstance(choices, list) or not isinstance(choices[0], dict):
            return
        text = text_of(choices[0])
        if text:
            self.chunks.append(now)
            self.texts.append(text)
        if text or not _is_role(choices[0]):
            self.lines += 1
            self.first_line = self.first_line or now
            self.last_line = now
        self.last = now
        self.finish = choices[0].get("finish_reason") or self.finish

    def end(self, now: float) -> None:
        """The whole answer is there."""
        self.ended = now
        if self.status != 200:
            self.fail("http_status", f"{self.status} {self.body.decode('utf-8', 'replace')}".strip())
            return
        self._last_line(now)
        if not self.streams and self.body.strip() and not self.body.startswith(b":"):  # a comment begins a stream
            self._other()
        elif not self.done and self.finish is None:
            self.fail("stream_cut", "it ended without finish_reason and without [DONE]")
        elif not self.chunks and not (self.usage or {}).get("completion_tokens"):
            self.fail("empty", "no chunk with text, and no tokens by the server's usage")

    def _last_line(self, now: float) -> None:
        """What stands behind the last newline: an event if it is whole; a stream may also break off there."""
        payload = self._rest[5:].strip() if self._rest.startswith(b"data:") else b""
        if payload == b"[DONE]" or object_of(payload) is not None:
            self._event(payload, now)

    def _other(self) -> None:
        """Say what came in place of a stream."""
        document = object_of(self.body)
        if document is not None and document.get("error"):
            self.fail("server_error", _message(document["error"]))
        else:
            self.fail("no_stream", f"no event came, but {self.body.decode('utf-8', 'replace').strip()}")


def object_of(text: bytes) -> dict[str, Any] | None:
    """A JSON object; None where it is none."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def text_of(choice: dict[str, Any]) -> str:
    """Text of a choice of either endpoint; a model's reasoning is output as well."""
    text = choice.get("text")
    if text is None:
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        text = f"{delta.get('reasoning_content') or delta.get('reasoning') or ''}{delta.get('content') or ''}"
    return text if isinstance(text, str) else ""


def _is_role(choice: dict[str, Any]) -> bool:
    """Whether an event without text only opens a chat's answer."""
    delta = choice.get("delta")
    return isinstance(delta, dict) and "role" in delta and not choice.get("finish_reason")


def _message(error: Any) -> str:
    if isinstance(error, dict) and error.get("message"):
        return str(error["message"])
    return error if isinstance(error, str) else json.dumps(error)
