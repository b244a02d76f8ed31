"""Meeting the server: is it there, which model does it serve, and which fields of a request does it take."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from llmstats.errors import InputError

from ._serving_http import Pool, Target, pool
from ._serving_load import Body
from ._serving_settings import CHAT, Settings
from ._serving_stream import Answer
from ._serving_tokens import Prompt, Prompts

#: Fields that a server may refuse; without them it is still measured, and what that means is noted.
WITHOUT = {
    "min_tokens": "outputs may be shorter than asked for",
    "ignore_eos": "outputs may end early, at the model's end-of-sequence token",
    "stream_options": "unless it reports usage anyway, tokens are counted by the tokenizer",
}
_PROBE_TOKENS = 2


class Gone(Exception):
    """The server does not answer (any more)."""


@dataclass
class Server:
    """What was learnt of it."""

    model: str
    fields: list[str] = field(default_factory=lambda: list(WITHOUT))  #: optional fields that it takes
    notes: list[str] = field(default_factory=list)

    def body(self, made: Settings, prompt: Prompt, output_len: int) -> Body:
        """One request."""
        asked: dict[str, Any] = {"model": self.model}
        if made.api == CHAT:
            asked["messages"] = [{"role": "user", "content": prompt.text}]
        else:
            asked["prompt"] = prompt.text
        asked |= {"max_tokens": output_len, "stream": True, **self.optional(output_len)}
        asked |= {} if made.temperature is None else {"temperature": made.temperature}
        return Body(json.dumps({**asked, **made.extra_body}).encode(), prompt.tokens)

    def optional(self, output_len: int) -> dict[str, Any]:
        """The optional fields that it takes."""
        values = {"min_tokens": output_len, "ignore_eos": True, "stream_options": {"include_usage": True}}
        return {name: values[name] for name in self.fields}


async def meet(made: Settings, target: Target, prompts: Prompts, say: Callable[[str], None]) -> Server:
    """Find the model and try the optional fields.

    Raises:
        Gone: nobody answers within ``--wait``.
        InputError: it refuses even a plain request.
    """
    models = await awaited(made, target, say)
    server = Server(made.model or _chosen(models, made.tokenizer_path))
    async with pool(target, made.timeout) as connections:
        while True:
            prompt = prompts.make(8, "probe")
            answer = await _post(connections, server.body(made, prompt, _PROBE_TOKENS))
            if answer.failure is None or answer.failure[0] == "empty":
                return server
            _give_way(server, answer, target)


def _give_way(server: Server, answer: Answer, target: Target) -> None:
    """Drop what the server refuses.

    Raises:
        InputError: nothing is left to drop, or it is no refusal.
    """
    kind, text = answer.failure or ("", "")
    words = f"{kind}: {text}" if kind != "http_status" else text
    if kind != "http_status" or not 400 <= answer.status < 500 or answer.status in (401, 403, 404, 429):
        raise InputError(
            f"{target.place}: a first small request to model {server.model!r} failed: {words}{_hint(answer)}"
        )
    if not server.fields:
        raise InputError(f"{target.place} refuses a plain request: {words}")
    named = [name for name in server.fields if re.search(rf"\b{name}\b", text)] or server.fields[:1]
    for name in named:
        server.fields.remove(name)
        server.notes.append(f"{name} is left out, the server refuses it ({words}): {WITHOUT[name]}")


def _hint(answer: Answer) -> str:
    if answer.status in (401, 403):
        return "; set OPENAI_API_KEY"
    if answer.failure and answer.failure[0] == "no_stream":
        return "; a server that streams is needed"
    return "; see --model and --url" if answer.status == 404 else ""


async def awaited(made: Settings, target: Target, say: Callable[[str], None]) -> list[str]:
    """Names of the models, as soon as the server answers.

    Raises:
        Gone: it does not within ``--wait``.
    """
    models = target.at(re.sub(r"(?:/chat)?/completions(?=\?|$)", "/models", target.path, count=1))
    until = perf_counter() + made.wait
    told = False
    async with pool(models, min(made.timeout, 10.0)) as connections:
        while True:
            answer = _Plain()
            await connections.post(None, answer)
            if answer.status:
                return answer.models()
            if perf_counter() >= until:
                raise Gone(f"no answer from {target.authority}: {answer.why} (waited {made.wait:g} s, see --wait)")
            if not told:
                say(f"waiting for {target.authority} ({answer.why})")
            told = True
            await asyncio.sleep(min(1.0, max(made.wait / 10, 0.05)))


class _Plain(Answer):
    """An answer that is a JSON document."""

    __slots__ = ("whole",)

    def __init__(self) -> None:
        super().__init__(0, 0)
        self.whole = b""

    def feed(self, data: bytes, now: float) -> None:
        self.whole += data

    @property
    def why(self) -> str:
        return self.failure[1] if self.failure else "nothing came"

    def models(self) -> list[str]:
        try:
            data = json.loads(self.whole)["data"]
            return [entry["id"] for entry in data if isinstance(entry["id"], str)]
        except (ValueError, KeyError, TypeError):
            return []


def _chosen(models: list[str], tokenizer_path: str) -> str:
    """The model that is asked: the tokenizer's, as `llm_profiler.py` does, where there are several."""
    if len(models) == 1 or (models and tokenizer_path not in models):
        return models[0]
    return tokenizer_path


async def _post(connections: Pool, body: Body) -> Answer:
    answer = Answer(0, body.prompt_tokens)
    await connections.post(body.data, answer)
    return answer
