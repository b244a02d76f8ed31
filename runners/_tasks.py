"""The questions of `run inference`: MMLU and LAMBADA as token sequences, and how the answers are counted.

MMLU is asked as the original evaluation and FlagPerf's ``*_mmlu`` cases ask it: a headline, worked examples of the
same subject, the question, ``Answer:``.  Where that does not fit, whole examples are left out from the first on.  An
answer is right if the likeliest next token of the whole vocabulary is the right letter (as FlagPerf counts), and
beside that if the right letter is the likeliest of the letters offered (as the original evaluation counts).

LAMBADA (one ``{"text": ...}`` per line): the loss of every token given those before it, and whether each token of the
last word is the likeliest one.
"""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmstats.errors import InputError

if TYPE_CHECKING:
    import torch

Encode = Callable[[str], list[int]]

LETTERS = "ABCDEFGHIJ"
#: Subjects of the published MMLU; fewer or more files are worth a remark.
MMLU_SUBJECTS = 57


@dataclass(frozen=True, slots=True)
class Example:
    """One sequence to be read by the model."""

    tokens: list[int]
    subject: str | None = None
    target: int = 0  #: where the part to be predicted begins (LAMBADA); the length (MMLU: the token after the end)
    choices: tuple[int, ...] = ()  #: MMLU: token of each letter offered
    right: int = 0  #: MMLU: which of them is right
    shots: int = 0  #: MMLU: worked examples that fitted
    cut: bool = False  #: tokens were cut off at the front


@dataclass
class Task:
    """All examples of a data set, ready to run."""

    name: str
    label: str  #: as the log names its accuracy: ``MMLU5-shots``
    examples: list[Example]
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        return sum(len(e.tokens) for e in self.examples)


# --------------------------------------------------------------------------- MMLU


@dataclass(frozen=True, slots=True)
class _Question:
    text: str  #: question, choices and ``Answer:``
    choices: int  #: how many are offered
    answer: str


def mmlu_files(folder: str) -> dict[str, tuple[Path, Path]]:
    """Subject -> its files ``dev/SUBJECT_dev.csv`` and ``test/SUBJECT_test.csv``.

    Raises:
        InputError: no such layout.
    """
    root = Path(folder)
    tests = sorted(root.glob("test/*_test.csv"))
    if not tests:
        raise InputError(f"{folder}: no test/*_test.csv there; MMLU's data folder holds dev/ and test/ with CSV files")
    pairs = {t.name.removesuffix("_test.csv"): t for t in tests}
    found = {s: (root / "dev" / f"{s}_dev.csv", t) for s, t in pairs.items()}
    missing = [str(dev) for dev, _ in found.values() if not dev.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"{missing[0]}{more} is missing: the worked examples of a subject are asked from there")
    return found


def _questions(path: Path) -> list[_Question]:
    """Rows ``question, choice A, choice B, …, letter`` as prompts.

    Raises:
        InputError: a row that is none.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as why:
        raise InputError(f"{path}: cannot be read: {why}") from why
    return [_question(path, number, row) for number, row in enumerate(rows, 1)]


def _question(path: Path, number: int, row: Sequence[str]) -> _Question:
    *stem, answer = row
    letters = LETTERS[: len(stem) - 1]
    if len(letters) < 2 or answer.strip() not in tuple(letters):
        raise InputError(f"{path}: row {number}: question, choices and the right letter are needed, not {row!r:.120}")
    choices = "".join(f"\n{letter}. {choice}" for letter, choice in zip(letters, stem[1:], strict=True))
    return _Question(f"{stem[0]}{choices}\nAnswer:", len(letters), answer.strip())


def load_mmlu(folder: str, encode: Encode, *, few_shots: int, max_length: int, limit: int | None) -> Task:
    """All questions (or ``limit`` of them, taken evenly from the subjects) as prompts of at most ``max_length`` tokens.

    Raises:
        InputError: files missing or broken, or a tokenizer that does not tell the letters apart.
    """
    files = mmlu_files(folder)
    asked = {subject: _questions(test) for subject, (_, test) in files.items()}
    most = max((q.choices for questions in asked.values() for q in questions), default=0)
    if not most:
        raise InputError(f"{folder}: the files of test/ hold no question")
    shared, letters = letter_tokens(encode, LETTERS[:most])
    worked = {subject: _questions(dev)[:few_shots] for subject, (dev, _) in files.items()}
    examples = [
        _fitted(subject, worked[subject], question, encode, max_length, shared, letters)
        for subject, question in _evenly(asked, limit)
    ]
    notes = [] if len(files) == MMLU_SUBJECTS else [f"{len(files)} subjects; MMLU has {MMLU_SUBJECTS}"]
    fewer = sum(e.shots < min(few_shots, len(worked[e.subject or ""])) for e in examples)
    cut = sum(e.cut for e in examples)
    if fewer:
        notes.append(f"{fewer} of {len(examples)} prompts hold fewer worked examples, to fit {max_length} tokens")
    if cut:
        notes.append(f"{cut} questions alone exceed {max_length} tokens and lost their beginning")
    facts = {"questions": len(examples), "subjects": len(files), "fewer_shots": fewer, "cut": cut}
    return Task("mmlu", f"MMLU{few_shots}-shots", examples, facts, notes)


def _evenly(asked: Mapping[str, Sequence[_Question]], limit: int | None) -> Iterator[tuple[str, _Question]]:
    """All in order of the subjects; with a limit the first of each subject, then the second of each, …"""
    if limit is None:
        return ((subject, question) for subject, questions in asked.items() for question in questions)
    rounds = zip_longest(*([(s, q) for q in questions] for s, questions in asked.items()))
    return islice((pair for one in rounds for pair in one if pair is not None), limit)


def _fitted(
    subject: str,
    worked: Sequence[_Question],
    question: _Question,
    encode: Encode,
    max_length: int,
    shared: Sequence[int],
    letters: Sequence[int],
) -> Example:
    # two blanks: the original evaluation puts one before each word of the subject, and FlagPerf does as well
    head = f"The following are multiple choice questions (with answers) about  {subject.replace('_', ' ')}.\n\n"
    shots = list(worked)
    while True:
        text = head + "".join(f"{shot.text} {shot.answer}\n\n" for shot in shots) + question.text
        tokens = [*encode(text), *shared]
        if len(tokens) <= max_length or not shots:
            break
        shots.pop(0)
    kept = tokens[-max_length:]
    count = question.choices
    right = LETTERS.index(question.answer)
    return Example(kept, subject, len(kept), tuple(letters[:count]), right, len(shots), len(kept) < len(tokens))


def letter_tokens(encode: Encode, offered: str) -> tuple[list[int], list[int]]:
    """What stands between ``Answer:`` and a letter in tokens (mostly nothing), and the token of each letter.

    Raises:
        InputError: two letters begin with the same token.
    """
    before = encode("Answer:")
    after = [encode(f"Answer: {letter}") for letter in offered]
    common = _common(after)
    if common < min(map(len, after)):
        letters = [tokens[common] for tokens in after]
        if len(set(letters)) == len(letters):
            return after[0][_common([before, after[0]]) : common], letters
    raise InputError("the tokenizer does not give the letters A, B, C … tokens of their own; MMLU cannot be asked")


def _common(sequences: Sequence[Sequence[int]]) -> int:
    """Length of the beginning that all share."""
    for at, tokens in enumerate(zip(*sequences, strict=False)):
        if len(set(tokens)) > 1:
            return at
    return min(map(len, sequences))


# --------------------------------------------------------------------------- LAMBADA


def load_lambada(path: str, encode: Encode, *, max_length: int, limit: int | None) -> Task:
    """All texts (or the first ``limit``), each with the place where its last word begins.

    Raises:
        InputError: no such file, or a line without a text of two words.
    """
    examples = [_last_word(text, encode, max_length) for text in islice(_texts(path), limit)]
    if not examples:
        raise InputError(f"{path}: no line with a text")
    cut = sum(e.cut for e in examples)
    notes = [f"{cut} texts exceed {max_length} tokens and lost their beginning"] if cut else []
    return Task("lambada", "LAMBADA", examples, {"questions": len(examples), "cut": cut}, notes)


def _texts(path: str) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _text(path, number, line)
    except (OSError, UnicodeDecodeError) as why:
        raise InputError(f"{path}: cannot be read: {why}") from why


def _text(path: str, number: int, line: str) -> str:
    try:
        text = json.loads(line)["text"].strip()
    except (ValueError, KeyError, TypeError, AttributeError):
        text = ""
    if " " not in text:
        raise InputError(f'{path}:{number}: a line {{"text": "…"}} of at least two words is needed, not {line!r:.80}')
    return str(text)


def _last_word(text: str, encode: Encode, max_length: int) -> Example:
    whole, before = encode(text), encode(text.rpartition(" ")[0])
    target = min(_common([whole, before]), len(whole) - 1)
    over = max(0, len(whole) - max_length)
    return Example(whole[over:], target=max(1, target - over), cut=over > 0)


# --------------------------------------------------------------------------- counting


@dataclass
class Score:
    """Sums over the examples of one or more passes."""

    examples: int = 0
    correct: int = 0
    correct_choice: int = 0
    loss: float = 0.0  #: sum over tokens of the negative log-likelihood, natural logarithm
    loss_tokens: int = 0
    target_loss: float = 0.0  #: the same over the tokens of the last words alone
    not_finite: int = 0  #: examples whose logits are NaN or infinite: counted as wrong, their loss as it comes out
    subjects: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))  #: right, asked

    @property
    def accuracy(self) -> float:
        return self.correct / self.examples

    def add(self, task: str, logits: torch.Tensor, batch: Sequence[Example]) -> None:
        """Count a batch: ``logits`` has shape (batch, longest, vocabulary), rows padded at their ends."""
        count = self._mmlu if task == "mmlu" else self._lambada
        for row, example in zip(logits, batch, strict=True):
            count(row, example)
        self.examples += len(batch)

    def _mmlu(self, row: torch.Tensor, example: Example) -> None:
        last = row[len(example.tokens) - 1].float()
        # not so with NaN or +inf somewhere; -inf is a token that cannot come, as models mask some
        finite = bool(last.logsumexp(0).isfinite())
        choices = last[list(example.choices)]
        right = finite and int(last.argmax()) == example.choices[example.right]
        self.not_finite += not finite
        self.correct += right
        self.correct_choice += finite and int(choices.argmax()) == example.right
        counts = self.subjects[example.subject or ""]
        counts[0] += right
        counts[1] += 1

    def _lambada(self, row: torch.Tensor, example: Example) -> None:
        import torch

        ids = torch.tensor(example.tokens[1:], device=row.device)
        scores = row[: len(ids)].float()
        losses = torch.nn.functional.cross_entropy(scores, ids, reduction="none")
        finite = bool(losses.isfinite().all())
        word = slice(example.target - 1, None)
        self.not_finite += not finite
        self.loss += float(losses.sum())
        self.loss_tokens += len(ids)
        self.target_loss += float(losses[word].sum())
        self.correct += finite and bool((scores[word].argmax(-1) == ids[word]).all())


#: What the values of the last words alone are said of.
LAST_WORD = "last word"


def values_of(task: str, score: Score) -> dict[tuple[str, str, str | None], float]:
    """(metric, definition, of what part) -> value of a score; no part: of all of it."""
    values: dict[tuple[str, str, str | None], float] = {("accuracy", "accuracy@mean_of_repeats", None): score.accuracy}
    if task == "mmlu":
        choice = ("accuracy_of_choices", "accuracy_of_choices@likeliest_letter", None)
        return values | {choice: score.correct_choice / score.examples}
    text, word = score.loss / max(1, score.loss_tokens), score.target_loss / score.examples
    return values | {
        ("loss", "loss@text_tokens", None): text,
        ("perplexity", "perplexity@text_tokens", None): _exp(text),
        ("loss", "loss@target", LAST_WORD): word,
        ("perplexity", "perplexity@target", LAST_WORD): _exp(word),
    }


def _exp(value: float) -> float:
    return math.inf if value >= 700 else math.exp(value)
