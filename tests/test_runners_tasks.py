"""Prompts, last words and rated peaks: what `run inference` works out before any model is asked."""

from __future__ import annotations

import json
import math

import pytest

from llmstats.errors import InputError

from .runnerkit import module

tasks = module("_tasks")
peak_of = module("_peaks").peak_of
GIB = 2**30


def words(text):
    """A tokenizer whose tokens are words and line ends, numbered as they come."""
    known = words.__dict__.setdefault("known", {})
    pieces = text.replace("\n", " \n ").split(" ")
    return [known.setdefault(piece, len(known)) for piece in pieces if piece]


def text_of(tokens):
    back = {number: piece for piece, number in words.known.items()}
    return " ".join(back[t] for t in tokens).replace(" \n ", "\n").replace("\n ", "\n")


def letters(text):
    """A tokenizer of single characters: a blank stands before each letter."""
    return [ord(c) for c in text]


@pytest.fixture
def mmlu(tmp_path):
    for part, rows in (
        ("dev", 'one,w,x,A\n"two, or ""2""",y,z,B\nthree,u,v,A\n'),
        ("test", "four,k,l,B\nfive,m,n,A\n"),
    ):
        (tmp_path / part).mkdir()
        (tmp_path / part / f"big_numbers_{part}.csv").write_text(rows)
    return str(tmp_path)


def load(folder, encode=words, **more):
    return tasks.load_mmlu(folder, encode, **({"few_shots": 2, "max_length": 999, "limit": None} | more))


def test_a_prompt_is_the_original_evaluation_s(mmlu):
    task = load(mmlu, letters)
    assert "".join(map(chr, task.examples[0].tokens)) == (
        "The following are multiple choice questions (with answers) about  big numbers.\n\n"
        "one\nA. w\nB. x\nAnswer: A\n\n"
        'two, or "2"\nA. y\nB. z\nAnswer: B\n\n'
        "four\nA. k\nB. l\nAnswer: "  # the blank is a token of its own and shared by all letters
    )
    assert task.examples[0].choices == (ord("A"), ord("B"))
    assert [e.right for e in task.examples] == [1, 0]
    assert task.label == "MMLU2-shots"
    assert task.notes == ["1 subjects; MMLU has 57"]


@pytest.mark.parametrize(
    ("room", "shots", "first"), [(0, 2, "one"), (-1, 1, "two,"), (-12, 1, "two,"), (-13, 0, "four")]
)
def test_what_does_not_fit_loses_whole_examples_from_the_first_on(mmlu, room, shots, first):
    whole = len(load(mmlu).examples[0].tokens)
    task = load(mmlu, max_length=whole + room, limit=1)
    (example,) = task.examples
    assert example.shots == shots
    assert len(example.tokens) <= whole + room
    assert text_of(example.tokens).split("\n")[2].split(" ")[0] == first
    assert (f"1 of 1 prompts hold fewer worked examples, to fit {whole + room} tokens" in task.notes) == (shots < 2)


def test_a_question_that_is_too_long_alone_keeps_its_end(mmlu):
    task = load(mmlu, max_length=5, limit=1)
    assert text_of(task.examples[0].tokens).endswith("B. l\nAnswer:")
    assert len(task.examples[0].tokens) == 5
    assert "1 questions alone exceed 5 tokens and lost their beginning" in task.notes


def test_a_limit_takes_evenly_from_the_subjects(mmlu, tmp_path):
    for part in ("dev", "test"):
        (tmp_path / part / f"art_{part}.csv").write_text("six,a,b,A\n" * 3)
    assert [e.subject for e in load(mmlu, limit=4).examples] == ["art", "big_numbers", "art", "big_numbers"]
    assert [e.subject for e in load(mmlu, limit=5).examples][-1] == "art"
    assert len(load(mmlu).examples) == 5


def test_letters_that_share_a_token_cannot_be_asked(mmlu):
    with pytest.raises(InputError, match="does not give the letters"):
        load(mmlu, lambda text: [len(word) for word in text.split()])


@pytest.mark.parametrize("row", ["x,a,b,C", "x,A", "x", "x,a,b,c,d,"])
def test_a_broken_row_is_shown(mmlu, tmp_path, row):
    (tmp_path / "test" / "big_numbers_test.csv").write_text(f"four,k,l,B\n{row}\n")
    with pytest.raises(InputError, match="row 2: question, choices and the right letter"):
        load(mmlu)


def test_worked_examples_must_be_there(mmlu, tmp_path):
    (tmp_path / "dev" / "big_numbers_dev.csv").unlink()
    with pytest.raises(InputError, match=r"big_numbers_dev\.csv is missing"):
        load(mmlu)


def test_the_last_word_and_its_place(tmp_path):
    path = tmp_path / "l.jsonl"
    path.write_text('{"text": "he said  go home\\n"}\n\n{"text": "a b c d e f g h"}\n')
    task = tasks.load_lambada(str(path), letters, max_length=8, limit=None)
    cut = [("".join(map(chr, e.tokens)), e.target, e.cut) for e in task.examples]
    assert cut == [(" go home"[-8:], 3, True), (" e f g h"[-8:], 6, True)]
    assert task.notes == ["2 texts exceed 8 tokens and lost their beginning"]
    assert tasks.load_lambada(str(path), words, max_length=8, limit=1).examples[0].target == 3


@pytest.mark.parametrize("line", ["{}", '{"text": "alone"}', "[1]", "no", '{"text": 3}'])
def test_a_line_without_two_words_is_shown(tmp_path, line):
    path = tmp_path / "l.jsonl"
    path.write_text(json.dumps({"text": "two words"}) + f"\n{line}\n")
    with pytest.raises(InputError, match=r"l\.jsonl:2: a line"):
        tasks.load_lambada(str(path), words, max_length=8, limit=None)


# --------------------------------------------------------------------------- counting

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("last", "right", "of_choices", "not_finite"),
    [
        ([0, 9, 1, 2], 1, 1, 0),
        ([9, 2, 1, 0], 0, 1, 0),
        ([-INF, 9, 1, 2], 1, 1, 0),  # masked by the model
        ([0, 9, 1, NAN], 0, 0, 1),
        ([0, INF, 1, 2], 0, 0, 1),
        ([NAN, NAN, NAN, NAN], 0, 0, 1),
    ],
)
def test_a_choice_among_logits_that_are_not_finite_is_none(last, right, of_choices, not_finite):
    """Three answers, of which the second has these logits: the first is right, the third wrong."""
    import torch

    example = tasks.Example([1, 2], "art", target=2, choices=(1, 2), right=0)
    score = tasks.Score()
    rows = [[[9, 9, 9, 9], each] for each in ([0, 9, 0, 0], last, [0, 0, 9, 0])]
    score.add("mmlu", torch.tensor(rows, dtype=torch.float), [example] * 3)
    assert (score.examples, score.not_finite) == (3, not_finite)
    assert (score.correct, score.correct_choice) == (1 + right, 1 + of_choices)
    assert score.subjects["art"] == [1 + right, 3]


def test_a_loss_that_is_not_a_number_has_no_perplexity():
    import torch

    example = tasks.Example([0, 1, 0], target=2)
    score = tasks.Score()
    good = [[0.0, 5.0], [5.0, 0.0], [0.0, 0.0]]
    score.add("lambada", torch.tensor([good, [[NAN, NAN]] * 3]), [example] * 2)  # the likeliest of NaN is the first
    assert (score.examples, score.not_finite, score.correct) == (2, 1, 1)
    values = tasks.values_of("lambada", score)
    assert values.pop(("accuracy", "accuracy@mean_of_repeats", None)) == 0.5
    assert len(values) == 4
    assert all(math.isnan(value) for value in values.values())


# --------------------------------------------------------------------------- peaks


@pytest.mark.parametrize(
    ("name", "memory", "precision", "peak", "device"),
    [
        ("NVIDIA A100-SXM4-80GB", 79.3, "bf16", 312e12, "A100-SXM4-80GB"),
        ("NVIDIA A100-SXM4-40GB", 39.4, "fp32", 19.5e12, "A100-SXM4-40GB"),
        ("NVIDIA A100-SXM4-40GB", 39.4, "tf32", 156e12, "A100-SXM4-40GB"),
        ("NVIDIA H100 80GB HBM3", 79.2, "bf16", 989e12, "H100-SXM5-80GB"),
        ("NVIDIA H100 PCIe", 79.2, "bf16", 756e12, "H100-PCIe-80GB"),
        ("Ascend910B3", 61.3, "fp16", 313e12, "Ascend 910B3"),
        ("Tesla V100-SXM2-32GB", 31.7, "fp16", 125e12, "V100-SXM2-32GB"),
        ("MTT S4000", 48.0, "bf16", 100e12, "MTT S4000"),
        ("AMD Instinct MI250X", 64.0, "bf16", 383e12 / 2, "Instinct MI250X"),  # one of the card's two dies
        ("MLU370-X8", 23.4, "fp16", 96e12 / 2, "MLU370-X8"),
        ("MLU370-X8", 47.0, "fp16", 96e12, "MLU370-X8"),  # all of the card's memory: the whole card
        ("Atlas 300I Duo", 23.0, "fp16", 140e12 / 2, "Atlas 300I Duo 48GB"),
        ("Atlas 300I Duo", 94.0, "fp16", 140e12, "Atlas 300I Duo 96GB"),
    ],
)
def test_a_peak_is_the_catalogue_s(name, memory, precision, peak, device):
    found = peak_of(name, int(memory * GIB), precision)
    assert (found.flops, found.device) == (peak, device)
    assert f"peak_{precision} of one {device}; " in found.why


def test_a_card_or_a_part_of_a_larger_one():
    found = peak_of("Atlas 300I Duo", 47 * GIB, "fp16")
    assert (found.flops, found.device) == (None, None)
    assert "may be Atlas 300I Duo 48GB or Atlas 300I Duo 96GB, with different peaks" in found.why


def test_of_unknown_memory_a_device_is_a_part():
    assert peak_of("MLU370-X8", None, "fp16").flops == 96e12 / 2


@pytest.mark.parametrize(
    ("name", "precision", "why"),
    [
        (None, "bf16", "the device is not in the device catalogue"),
        ("Toy X1", "bf16", "Toy X1 is not in the device catalogue"),
        ("NVIDIA H800", "bf16", "may be H800-PCIe-80GB or H800-SXM5-80GB"),
        ("Tesla V100-SXM2-32GB", "bf16", "the device catalogue has no peak_bf16 of V100-SXM2-32GB"),
    ],
)
def test_without_a_peak_there_is_a_reason(name, precision, why):
    found = peak_of(name, None, precision)
    assert found.flops is None
    assert found.why.startswith("no MFU: ")
    assert why in found.why
