"""A causal language model of transformers: loading it from a directory, spreading it, what a token costs."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmstats.errors import InputError

PRECISIONS = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Loading:
    """How a model is to be loaded."""

    directory: str
    precision: str
    device: str  #: torch's name of the kind of device
    device_map: str | None = None  #: ``auto`` and the like: layers spread over the devices, one at work at a time
    tensor_parallel: int = 1
    random_weights: bool = False
    seed: int = 0
    trust_remote_code: bool = False


def check_directory(directory: str, *, random_weights: bool, trust_remote_code: bool) -> dict[str, Any]:
    """config.json of a model's directory, after a look at what else must be there; imports nothing heavy.

    Raises:
        InputError: what is missing, or that the model brings its own code.
    """
    folder = Path(directory)
    config = folder / "config.json"
    if not config.is_file():
        what = "no such directory" if not folder.is_dir() else "no config.json in it"
        raise InputError(f"--model {directory}: {what}; a local directory as save_pretrained writes it is needed")
    try:
        told = json.loads(config.read_text("utf-8"))
    except ValueError as why:
        raise InputError(f"{config}: not JSON: {why}") from why
    if not isinstance(told, dict):
        raise InputError(f"{config}: a JSON object is needed, not {json.dumps(told):.80}")
    if not random_weights and not any(path for pattern in _WEIGHTS for path in folder.glob(pattern)):
        raise InputError(f"--model {directory}: no weights ({', '.join(_WEIGHTS)}); --random-weights measures without")
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise InputError(f"--model {directory}: no tokenizer ({', '.join(_TOKENIZERS)})")
    if told.get("auto_map") and not trust_remote_code:
        raise InputError(f"--model {directory}: it brings code of its own (auto_map); --trust-remote-code runs that")
    return told


def context_length(config: dict[str, Any]) -> int | None:
    """Most tokens that the model was made for, as config.json says it."""
    for key in ("max_position_embeddings", "n_positions", "seq_length", "max_sequence_length"):
        if isinstance(config.get(key), int):
            return int(config[key])
    return None


def load_tokenizer(how: Loading) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(how.directory, local_files_only=True, trust_remote_code=how.trust_remote_code)


def appended_tokens(tokenizer: Any) -> list[int]:
    """What the tokenizer puts behind every text, such as ``</s>``; mostly nothing."""
    bare, whole = (list(tokenizer("Answer: A", add_special_tokens=special)["input_ids"]) for special in (False, True))
    starts = range(len(whole) - len(bare) + 1)
    return next((whole[at + len(bare) :] for at in starts if whole[at : at + len(bare)] == bare), [])


def load_model(how: Loading) -> tuple[Any, list[str]]:
    """The model on its device(s), ready to be asked, and remarks on its weights.

    Raises:
        InputError: transformers cannot read the directory, or its weights are not those of config.json.
    """
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    dtype = getattr(torch, PRECISIONS[how.precision])
    torch.manual_seed(how.seed)
    try:
        model, notes = _random(how, dtype) if how.random_weights else _stored(how, dtype)
    except (OSError, ValueError, KeyError) as why:
        raise InputError(f"--model {how.directory}: transformers cannot load it: {why}") from why
    if how.device_map is None and how.tensor_parallel == 1:
        model = model.to(how.device)
    return model.eval(), notes


def _stored(how: Loading, dtype: Any) -> tuple[Any, list[str]]:
    from transformers import AutoModelForCausalLM

    spread: dict[str, Any] = {}
    if how.device_map:
        spread = {"device_map": how.device_map}
    elif how.tensor_parallel > 1:
        spread = _tensor_parallel()
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        how.directory,
        dtype=dtype,
        local_files_only=True,
        trust_remote_code=how.trust_remote_code,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # then they are told as well, and refused below
        **spread,
    )
    model, told = loaded
    return model, _left_over(how, told)


def _left_over(how: Loading, told: Mapping[str, Any]) -> list[str]:
    """A remark on weights that the model has no place for; transformers draws at random what it does not find.

    Raises:
        InputError: weights are missing, or have another shape than config.json says.
    """
    missing, unexpected = sorted(told["missing_keys"]), sorted(told["unexpected_keys"])
    others = [f"{name} has {tuple(had)}, not {tuple(asked)}" for name, had, asked in sorted(told["mismatched_keys"])]
    if missing:
        raise InputError(f"--model {how.directory}: {len(missing)} weights of config.json missing: {_first(missing)}")
    if others:
        raise InputError(f"--model {how.directory}: {len(others)} weights not of config.json's shape: {_first(others)}")
    if unexpected:
        return [f"{len(unexpected)} weights are left out, config.json has no place for them: {_first(unexpected)}"]
    return []


def _first(texts: Sequence[str]) -> str:
    return "; ".join(texts[:3]) + ("; …" if len(texts) > 3 else "")


def _tensor_parallel() -> dict[str, Any]:
    """How this version of transformers is told to split the layers over the processes."""
    try:
        distributed = importlib.import_module("transformers.distributed")
        return {"distributed_config": distributed.DistributedConfig(tp_plan="auto")}
    except (ImportError, TypeError):  # before 5: another way, and a class of this name without the word
        return {"tp_plan": "auto"}


def _random(how: Loading, dtype: Any) -> tuple[Any, list[str]]:
    """The shape of the model with weights drawn at random: as fast as the real one, its answers worth nothing."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device(how.device):
        config = _config(how)
        return AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=how.trust_remote_code), []


def _config(how: Loading) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(how.directory, local_files_only=True, trust_remote_code=how.trust_remote_code)


def devices_of(model: Any, tensor_parallel: int) -> int:
    """How many devices hold a part of the model."""
    spread = {str(d) for d in (getattr(model, "hf_device_map", None) or {}).values()} - {"cpu", "disk"}
    return tensor_parallel if tensor_parallel > 1 else max(1, len(spread))


# --------------------------------------------------------------------------- what a token costs


@dataclass(frozen=True)
class Cost:
    """Floating-point operations of one forward pass over whole sequences.

    A matrix product with ``p`` parameters costs 2p per token; every matrix counts but tables of embeddings (a look-up),
    unless one is the output layer as well.  Causal attention over n tokens costs
    2 n (n + 1) d per layer, with d = heads times head size: products with keys and with values, 2td each for the
    t-th token.  Windows of sliding attention, norms and activations are not considered.  Source: Kaplan et al. 2020
    (section 2.1) and the appendix B of PaLM (Chowdhery et al. 2022), forward pass alone.
    """

    parameters: int
    matmul_parameters: int
    layers: int
    width: int  #: d

    def of(self, lengths: list[int]) -> float:
        """FLOP of one pass over sequences of these lengths."""
        linear = 2.0 * self.matmul_parameters * sum(lengths)
        return linear + 2.0 * self.layers * self.width * sum(n * (n + 1) for n in lengths)

    def rough(self, tokens: float) -> float:
        """2 x parameters x tokens: what FlagPerf's configurations say."""
        return 2.0 * self.parameters * tokens


def cost_of(how: Loading) -> Cost | str:
    """What the model costs, from its shape alone; or why that cannot be said."""
    import torch
    from transformers import AutoModelForCausalLM

    config = _config(how)
    experts = [name for name in ("num_local_experts", "num_experts", "n_routed_experts") if getattr(config, name, None)]
    if experts:
        return f"no FLOP/s and no MFU: a mixture of experts ({experts[0]}), whose active parameters are not known here"
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=how.trust_remote_code)
    heads, layers = getattr(config, "num_attention_heads", None), getattr(config, "num_hidden_layers", None)
    if not heads or not layers:
        return "no FLOP/s and no MFU: config.json names no num_attention_heads and num_hidden_layers"
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    output = getattr(model.get_output_embeddings(), "weight", None)
    tables = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)} - {id(output)}
    matrices = [p for p in model.parameters() if p.dim() > 1 and id(p) not in tables]
    every = sum(p.numel() for p in model.parameters())
    return Cost(every, sum(p.numel() for p in matrices), layers, heads * size)


def offline() -> None:
    """Nothing is fetched from anywhere, whatever a model's files name."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
