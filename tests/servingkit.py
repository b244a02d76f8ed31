"""Servers and tokenizers for tests of ``llmstats run serving``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
WORDS = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(200)]


def word_tokenizer(folder: Path, *, chat: bool = True) -> Any:
    """One token per word, and one more in front of each text; saved into the folder."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    vocabulary = {"<s>": 0, "</s>": 1, "<unk>": 2, **{word: i + 3 for i, word in enumerate(WORDS)}}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return _saved(made, folder, chat)


def byte_tokenizer(folder: Path) -> Any:
    """Byte-level BPE as GPT-2's, where words side by side may merge."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    text = ["the quick brown fox jumps over the lazy dog and runs far away from all of it"] * 9
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        text, trainers.BpeTrainer(vocab_size=360, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    )
    return _saved(made, folder, chat=False)


def sentence_tokenizer(folder: Path) -> Any:
    """BPE over ``▁`` as SentencePiece's, which drops the blank in front of a text, with a token in front and behind."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    text = ["ein kleiner Satz mit wenigen Worten die immer wieder kommen und gehen"] * 9
    made.train_from_iterator(text, trainers.BpeTrainer(vocab_size=120, special_tokens=["<s>", "</s>", "<unk>"]))
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    return _saved(made, folder, chat=False)


def _saved(made: Any, folder: Path, chat: bool) -> Any:
    from transformers import PreTrainedTokenizerFast

    template = "<s>{% for m in messages %}{{ m['role'] }} {{ m['content'] }}{% endfor %} answer" if chat else None
    whole = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", chat_template=template)
    whole.save_pretrained(folder)
    return whole


def tiny_llama(folder: Path) -> None:
    """A Llama of random weights that never ends by itself."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    tokenizer = word_tokenizer(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=256, bos_token_id=0, eos_token_id=None, pad_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)


# --------------------------------------------------------------------------- processes


@contextmanager
def toy_server(port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Address of `tests.toy_openai` and its process."""
    command = [sys.executable, "-m", "tests.toy_openai", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}", process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def transformers_server(model: Path, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``transformers serve`` with one model, ready."""
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--log-level", "error"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with open(log, "ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
    try:
        until(lambda: _answers(f"http://127.0.0.1:{port}/health"), process, log)
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def until(
    true: Callable[[], object], process: subprocess.Popen[Any], log: Path | None = None, seconds: float = 120
) -> None:
    """Wait for something while a process lives."""
    end = time.monotonic() + seconds
    while not true():
        told = log.read_text() if log else ""
        assert process.poll() is None, f"it ended: {told}"
        assert time.monotonic() < end, f"it does not come to that: {told}"
        time.sleep(0.05)


@contextmanager
def started(words: Sequence[object]) -> Iterator[subprocess.Popen[str]]:
    """``llmstats run serving WORDS…`` as a process of its own."""
    command = [sys.executable, "-m", "llmstats", "run", "serving", *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
