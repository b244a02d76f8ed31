"""A Llama of two layers with random weights, a tokenizer made on the spot, and small question sets."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

WORDS = [
    "red", "blue", "green", "seven", "eight", "river", "stone", "cloud", "house", "garden", "horse", "music", "table",
    "window", "paper", "light",
]  # fmt: skip


def save_model(folder: Path, *, context: int = 512) -> Path:
    """Weights, config and tokenizer as ``save_pretrained`` writes them."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():  # so that a letter is the likeliest next token, though not always the right one
        model.lm_head.weight[[tokenizer.encode(f" {letter}")[-1] for letter in "ABCD"]] *= 40
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tokenizer(template: str = "<s> $A"):
    """Byte-level BPE that begins every text with ``<s>``, as Llama's does, or as the template says."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator([f"{a} {b}. Answer:" for a in WORDS for b in WORDS], trainer)
    inner.post_processor = processors.TemplateProcessing(single=template, special_tokens=[("<s>", 0), ("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")


def write_mmlu(folder: Path, *, subjects: tuple[str, ...] = ("colours", "small_numbers"), questions: int = 6) -> Path:
    """``dev/`` with five worked examples and ``test/`` with questions of every subject, with commas and quotes."""
    rng = random.Random(11)
    for subject in subjects:
        for part, count in (("dev", 5), ("test", questions)):
            path = folder / part / f"{subject}_{part}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="") as file:
                rows = csv.writer(file)
                for number in range(count):
                    stem = f'Which word, "{rng.choice(WORDS)}", is {number}' + " please" * number
                    rows.writerow([stem, *rng.sample(WORDS, 4), rng.choice("ABCD")])
    return folder


def write_lambada(path: Path, *, texts: int = 8) -> Path:
    rng = random.Random(13)
    lines = [{"text": " ".join(rng.choices(WORDS, k=6 + 3 * number)) + "\n"} for number in range(texts)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
