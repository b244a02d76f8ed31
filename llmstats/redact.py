"""Command lines without what nobody should read in a file that is passed around."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

HIDDEN = "***"

_SECRETS = frozenset(["apikey", "authorization", "cookie", "credential", "credentials", "passphrase", "passwd"])
_SECRETS |= {"password", "secret"}
#: In front of ``key``: other keys are names of columns and the like.
_KEYS = frozenset(["access", "api", "auth", "private", "secret"])
#: In front of ``token``: a word of the vocabulary, no password.
_VOCABULARY = frozenset(["bos", "cls", "eos", "image", "mask", "pad", "per", "sep", "special", "start", "stop", "unk"])

_ASSIGNED = re.compile(r"(?P<name>-{0,2}[A-Za-z_][\w.-]*)=(?P<value>[^\s;&|'\"]+)")
#: A name in the query of a URL and its value.
_QUERIED = re.compile(r"(?P<name>(?<=[?&])[^=&#\s\"]+)=[^&#\s\"]+")
_USER = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_BEARER = re.compile(r"(?i)\b(bearer|basic)(\s+)[^\s'\"]+")


def without_secrets(words: Sequence[str]) -> list[str]:
    """An argument list in which values that go by the name of a secret are ``***``.

    Seen are ``--api-key X``, ``--api-key=X``, ``HF_TOKEN=X`` (also inside a longer word, such as the text of
    ``bash -c``), ``https://user:X@host``, ``https://host/?key=X`` and ``Bearer X``.
    """
    told: list[str] = []
    hides = False
    for word in words:
        told.append(HIDDEN if hides and not word.startswith("-") else masked(word))
        hides = word.startswith("-") and "=" not in word and is_secret(word)
    return told


def is_secret(name: str) -> bool:
    """Whether an option or a variable is called like something secret."""
    *_, before, last = ["", *re.split(r"[-_.]+", name.lower().strip("-_."))]
    return last in _SECRETS or (last == "key" and before in _KEYS) or (last == "token" and before not in _VOCABULARY)


def masked(word: str) -> str:
    """One word, for example a URL, in which such values are ``***``."""
    word = _QUERIED.sub(lambda m: f"{m['name']}={HIDDEN}" if _is_secret_in_query(m["name"]) else m[0], word)
    word = _ASSIGNED.sub(lambda m: f"{m['name']}={HIDDEN}" if is_secret(m["name"]) else m[0], word)
    return _BEARER.sub(rf"\1\2{HIDDEN}", _USER.sub(HIDDEN, word))


def _is_secret_in_query(name: str) -> bool:
    """In the query of a URL every ``…key`` is one to a door."""
    name = unquote(name)
    return is_secret(name) or name.lower().endswith("key")
