"""What a directory of weights says of itself, and whether a ModelTest can run on it as asked.

``config.json``: ``torch_dtype`` must be the type of the test (ModelTest and MindIE stop otherwise), ``quantize`` the
quantisation that the weights really have, ``num_hidden_layers`` which model of the family they are.  A dialogue needs a
``chat_template`` in ``tokenizer_config.json``.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from llmstats.errors import InputError

from ._modeltest_matrix import QUANTISATIONS, Row, row_of

TORCH_DTYPES = {"fp16": "float16", "bf16": "bfloat16"}


@dataclass(frozen=True)
class Weights:
    """A directory of weights that was looked at."""

    path: str
    config: dict[str, Any]

    @property
    def torch_dtype(self) -> str | None:
        """``float16`` …; newer versions of transformers write it as ``dtype``."""
        value = self.config.get("torch_dtype", self.config.get("dtype"))
        return None if value is None else str(value).removeprefix("torch.")

    @property
    def quantisations(self) -> tuple[str, ...]:
        """``w8a8`` …, and ``kv`` where the key-value cache is quantised."""
        value = self.config.get("quantize")
        found = [str(value).lower()] if value and str(value).lower() != "float" else []
        more = self.config.get("quantization_config")
        if isinstance(more, dict) and more.get("kv_quant_type"):
            found.append("kv")
        return tuple(found)


def weights_at(path: str) -> Weights:
    """Look at a directory of weights.

    Raises:
        InputError: there is none, or its config.json cannot be read.
    """
    if not os.path.isdir(path):
        raise InputError(f"--weights {path}: no such directory")
    return Weights(os.path.abspath(path), _json(os.path.join(path, "config.json"), "--weights must name the weights"))


def _json(path: str, why: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError as missing:
        raise InputError(f"{path} does not exist: {why}") from missing
    except (OSError, ValueError) as broken:
        raise InputError(f"{path} cannot be read: {broken}") from broken
    if not isinstance(found, dict):
        raise InputError(f"{path} is no JSON object")
    return found


def model_of(rows: list[Row], weights: Weights, size: str | None) -> Row:
    """Which model of the family the weights are.

    Raises:
        InputError: nothing says it, or ``--size`` and config.json disagree.
    """
    layers = weights.config.get("num_hidden_layers")
    told = [row for row in rows if row.layers == layers]
    named = row_of(rows, size) if size else None
    if named and told and named not in told:
        raise InputError(
            f"--size {size} is {named.model} ({named.layers} layers), but {weights.path}/config.json has {layers}"
            f" layers as {told[0].model} has"
        )
    if not (named or told):
        raise InputError(
            f"{weights.path}/config.json: num_hidden_layers is {layers!r}, which is none of the family ("
            + ", ".join(f"{row.size}: {row.layers}" for row in rows)
            + "); say which model it is with --size"
        )
    return named or told[0]


def check_precision(weights: Weights, precision: str) -> None:
    """``torch_dtype`` in config.json must be the type of the test.

    Raises:
        InputError: it is another one.
    """
    wanted = TORCH_DTYPES[precision]
    if weights.torch_dtype != wanted:
        raise InputError(
            f"the test runs in {precision}, but {weights.path}/config.json says torch_dtype"
            f" {weights.torch_dtype!r}, which MindIE refuses: set it to {wanted!r} there (and convert the weights if"
            " they are of another type), or choose the other --precision"
        )


def check_quantisation(weights: Weights, wanted: str | None) -> None:
    """``quantize`` in config.json must be what was asked for, if something was.

    Raises:
        InputError: it is another one.
    """
    says = weights.config.get("quantize") or None
    if wanted is not None and wanted not in (weights.quantisations or ("none",)):
        raise InputError(
            f"--quantize {wanted}, but {weights.path}/config.json says quantize {says!r}: the field must be what the"
            " weights are quantised to"
        )


def unknown_quantisations(weights: Weights) -> list[str]:
    """Quantisations of which no feature matrix speaks."""
    return [q for q in weights.quantisations if q not in QUANTISATIONS]


def check_chat_template(weights: Weights) -> None:
    """A dialogue needs a template that is not empty.

    Raises:
        InputError: tokenizer_config.json has none.
    """
    path = os.path.join(weights.path, "tokenizer_config.json")
    template = _json(path, "a dialogue needs its chat_template").get("chat_template")
    if not template:
        raise InputError(
            f"{path} has no chat_template: a dialogue needs one, this family has no default; add the template of the"
            " model to that file"
        )
