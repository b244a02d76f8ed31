"""The tokenizer, and prompts of exactly so many tokens as it counts them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llmstats.errors import InputError

from ._serving_settings import CHAT

#: Tokens that prompts are made of, and how many candidates are looked at to find them.
_WORDS, _CANDIDATES = 2000, 40_000
#: Rounds of correction before a length counts as impossible.
_ROUNDS = 24


@dataclass(frozen=True)
class Tokens:
    """A tokenizer, whoever made it."""

    encode: Callable[[str], list[int]]  #: without special tokens
    decode: Callable[[Sequence[int]], str]
    count: Callable[[str], int]  #: tokens of a whole request with this text, as the server counts them
    size: int
    special: frozenset[int]


def load(path: str, api: str, *, trust_remote_code: bool = False) -> Tokens:
    """Read a tokenizer from a local directory; nothing is fetched.

    Raises:
        InputError: there is none, or it needs code of its own that was not allowed to run.
    """
    if not os.path.isdir(path):
        raise InputError(f"--tokenizer_path {path}: no such directory; nothing is downloaded, give a local one")
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise InputError("the tokenizer needs transformers: pip install 'llmstats[runners]'") from None
    try:
        made = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError, TypeError) as why:
        hint = "" if trust_remote_code else " (if it needs code of its own: --trust_remote_code runs that code)"
        raise InputError(f"--tokenizer_path {path}: {str(why).strip().splitlines()[0]}{hint}") from why
    made.model_max_length = 1 << 40  # only a warning about prompts that the model may well take
    return _wrapped(made, api)


def _wrapped(made: Any, api: str) -> Tokens:
    def encode(text: str) -> list[int]:
        return list(made(text, add_special_tokens=False)["input_ids"])

    def decode(ids: Sequence[int]) -> str:
        return str(made.decode(list(ids)))

    def count(text: str) -> int:
        return len(made(text)["input_ids"])

    def count_chat(text: str) -> int:
        talk = [{"role": "user", "content": text}]
        return len(encode(made.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)))

    chat = api == CHAT and getattr(made, "chat_template", None)
    return Tokens(encode, decode, count_chat if chat else count, len(made), frozenset(made.all_special_ids))


@dataclass(frozen=True)
class Prompt:
    """A text and its length in tokens."""

    text: str
    tokens: int


class Prompts:
    """Makes prompts: words of the tokenizer in random order, the same for the same seed, and none of them twice."""

    def __init__(self, tokens: Tokens, seed: int) -> None:
        """Find the words.

        Raises:
            InputError: not one token survives being written and read again.
        """
        self.tokens, self._seed = tokens, seed
        self._words = _words(tokens)
        if not self._words:
            raise InputError(
                "no token of this tokenizer survives being decoded and encoded again; no prompt can be made"
            )

    def make(self, length: int, key: object) -> Prompt:
        """A prompt of ``length`` tokens, special tokens and chat template counted; the nearest where that cannot be.

        Args:
            key: tells prompts of one length apart.
        """
        dice = random.Random(f"{self._seed}/{length}/{key}")
        count = self.tokens.count
        ids = dice.choices(self._words, k=max(1, length - count("")))
        best: Prompt | None = None
        for _ in range(_ROUNDS):
            text = self.tokens.decode(ids)
            found = Prompt(text, count(text))
            if best is None or abs(found.tokens - length) < abs(best.tokens - length):
                best = found
            if found.tokens == length:
                break
            ids = self._corrected(ids, length - found.tokens, dice)
        assert best is not None
        return best

    def _corrected(self, ids: list[int], missing: int, dice: random.Random) -> list[int]:
        """Words more or fewer; another end each time, since what stands side by side may merge."""
        if missing > 0:
            return ids + dice.choices(self._words, k=missing)
        return (
            ids[: max(1, len(ids) + missing - 1)] + dice.choices(self._words, k=1)
            if len(ids) > 1
            else (dice.choices(self._words, k=1))
        )


def _words(tokens: Tokens) -> list[int]:
    """Tokens that stay themselves in a row; whole words where there are enough of them."""
    ids = [i for i in range(tokens.size) if i not in tokens.special]
    random.Random(0).shuffle(ids)
    words: list[int] = []
    others: list[int] = []
    for token in ids[:_CANDIDATES]:
        text = _stable(tokens, token)
        if text is not None:
            (words if " " in text and text.replace(" ", "").isalpha() else others).append(token)
        if len(words) >= _WORDS:
            break
    return words if len(words) >= 16 else words + others[:_WORDS]


def _stable(tokens: Tokens, token: int) -> str | None:
    """Text of a token three times over, if it is read as three times that token."""
    text = tokens.decode([token] * 3)
    return text if text.strip() and "\ufffd" not in text and tokens.encode(text) == [token] * 3 else None
