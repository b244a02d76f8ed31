"""What a serving benchmark is asked for: the settings of a sweep and its cells."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from typing import Any

from llmstats.errors import InputError
from llmstats.redact import HIDDEN, masked

VERSION = metadata.version("llmstats")
COMPLETIONS, CHAT = "completions", "chat"


@dataclass(frozen=True)
class Cell:
    """One run: its lengths and its load, either a number of clients (closed loop) or a rate (open loop)."""

    input_len: int
    output_len: int
    clients: int | None
    rate: float | None
    requests: int

    @property
    def name(self) -> str:
        """As ``benchmark_all.py`` names its logs."""
        load = f"rate{self.rate:g}" if self.clients is None else f"bz{self.clients}"
        return f"{load}_input{self.input_len}_output{self.output_len}"

    @property
    def words(self) -> str:
        load = (
            f"{self.rate:g} requests/s" if self.clients is None else f"{self.clients} client{'s'[: self.clients > 1]}"
        )
        return f"input {self.input_len}, output {self.output_len}, {load}, {self.requests} requests"


@dataclass(frozen=True)
class Settings:
    """Everything that fixes what is sent; kept in run.json, so that a resumed sweep goes on with the same."""

    url: str
    tokenizer_path: str
    input_len: Sequence[int]
    output_len: Sequence[int]
    num_clients: Sequence[int] = ()
    request_rate: Sequence[float] = ()
    input_num: int | None = None  #: None: twice the clients, as ``benchmark_all.py``
    model: str | None = None  #: None: asked of the server
    server_api: str = ""
    trust_remote_code: bool = False
    seed: int = 0
    warmup: int = 1
    timeout: float = 600.0
    wait: float = 30.0
    temperature: float | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    chunk_times: bool = False

    @property
    def api(self) -> str:
        return CHAT if self.url.split("?")[0].endswith("/chat/completions") else COMPLETIONS

    @property
    def place(self) -> str:
        """The URL as it is written down: secrets in its query are ``***``."""
        return masked(self.url)

    def cells(self) -> list[Cell]:
        """In the order of `benchmark_all.py`: by load, then input, then output length."""
        loads: list[tuple[int | None, float | None]] = [(n, None) for n in self.num_clients]
        loads += [(None, rate) for rate in self.request_rate]
        return [
            Cell(input_len, output_len, clients, rate, self.input_num or 2 * (clients or 1))
            for (clients, rate), input_len, output_len in itertools.product(loads, self.input_len, self.output_len)
        ]

    def remarks(self) -> Iterator[str]:
        """Where what is asked for says less than it seems to."""
        smallest = min(cell.requests for cell in self.cells())
        if smallest < 100:
            yield (
                f"p99 of {smallest} requests (the smallest cell) is close to their largest value; "
                "--input_num 200 or more makes it a percentile"
            )
        short = sorted({c.clients for c in self.cells() if c.clients and c.requests < c.clients})
        if short:
            yield f"--input_num {self.input_num} never keeps {', '.join(map(str, short))} clients busy at once"


#: Settings that a resumed sweep may be given anew: they change where the server is, not what is asked of it.
MOVABLE = ("url", "tokenizer_path", "trust_remote_code", "timeout", "wait")


def settings(given: Mapping[str, Any]) -> Settings:
    """Check the options.

    Raises:
        InputError: something is missing, or two of them exclude each other.
    """
    chosen = {f.name: given[f.name] for f in fields(Settings) if given.get(f.name) not in (None, ())}
    for name in ("url", "tokenizer_path", "input_len", "output_len"):
        if name not in chosen:
            raise InputError(f"--{name} is needed (or --resume DIR); see: llmstats run serving --help")
    if ("num_clients" in chosen) == ("request_rate" in chosen):
        raise InputError("give either --num_clients (closed loop) or --request_rate (open loop)")
    if "request_rate" in chosen and "input_num" not in chosen:
        raise InputError("--request_rate needs --input_num: how many requests are sent")
    made = Settings(**chosen)
    if not made.url.split("?")[0].endswith("/completions"):
        raise InputError(f"--url {made.place}: give the whole endpoint, …/v1/completions or …/v1/chat/completions")
    return made


def resumed(stored: Mapping[str, Any], given: Mapping[str, Any], where: str) -> Settings:
    """Settings of an earlier start; what is given again must agree with it.

    Raises:
        InputError: it does not, or the job is none of these, or its URL was kept without its secret.
    """
    known = {f.name for f in fields(Settings)}
    if not stored or not stored.keys() <= known:
        raise InputError(f"--resume {where}: run.json there tells no settings of a serving benchmark")
    before = _frozen(stored)
    said = {name: value for name, value in given.items() if name in known and value not in (None, ())}
    for name, value in _frozen(said).items():
        if name not in MOVABLE and value != before.get(name):
            told = json.dumps(before.get(name))
            raise InputError(
                f"--{name} differs from what {where} was started with ({told}); leave it out, or start anew"
            )
    if "url" not in said and HIDDEN in str(before.get("url")):
        raise InputError(f"--resume {where}: the secret in {before['url']} was not kept; give --url again")
    return settings({**before, **{k: v for k, v in said.items() if k in MOVABLE}})


def _frozen(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def stored(made: Settings) -> dict[str, Any]:
    """As run.json keeps them: all, so that a later version's defaults change nothing; the URL without secrets."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(made).items()} | {"url": made.place}
