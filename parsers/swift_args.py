"""ms-swift's ``args.json``: the arguments of a run; it holds no measurement.

Source: ``swift/arguments/base_args`` ``save_args`` (``sft_args.json`` in 2.x).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Item, Run

from ._hf import output_dir
from ._samples_swift import ARGS_SAMPLES

_PRECISIONS = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
_DIMENSIONS = (
    ("tensor_model_parallel_size", "tp"),
    ("pipeline_model_parallel_size", "pp"),
    ("expert_model_parallel_size", "ep"),
    ("context_parallel_size", "cp"),
    ("sequence_parallel_size", "sp"),
)
#: The arguments that tell two runs apart; texts of internal objects and keys of services are left out.
_CONFIG = (
    "output_dir", "tuner_type", "train_type", "sft_type", "rlhf_type", "per_device_train_batch_size",
    "micro_batch_size", "global_batch_size", "gradient_accumulation_steps", "learning_rate", "num_train_epochs",
    "max_epochs", "max_steps", "train_iters", "max_length", "seed", "optim", "lr_scheduler_type", "warmup_ratio",
    "weight_decay", "lora_rank", "lora_alpha", "gradient_checkpointing", "deepspeed", "attn_impl", "packing",
    "padding_free", "quant_bits", "resume_from_checkpoint", "swift_version", "world_size",
)  # fmt: skip


class SwiftArgs(DocumentParser):
    """Facts of the run of the output directory."""

    name = "swift_args"
    version = 1
    title = "ms-swift's args.json"
    writes = "ms-swift"
    samples = ARGS_SAMPLES

    def detect(self, head: Head) -> str | None:
        if not head.place.matches("args.json", "sft_args.json") or '"model_type": ' not in head.text:
            return None
        found = next(
            (key for key in ('"swift_version": ', '"template": ', '"template_type": ') if key in head.text), None
        )
        return f"{head.place.name} with {found[:-2]}" if found else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        arguments = Json(text).value
        if not isinstance(arguments, dict):
            raise ParseError("not one JSON object")
        name, root = output_dir(place)
        run = Run(name, root, kind="training", experiment=name, framework="ms-swift")
        _facts(run, arguments)
        yield run


def _facts(run: Run, arguments: dict[str, Any]) -> None:
    model = arguments.get("model") or arguments.get("model_id_or_path") or arguments.get("model_type")
    if isinstance(model, str):
        run.model = model.rstrip("/").rsplit("/", 1)[-1] or None
    data = arguments.get("dataset")
    if isinstance(data, list) and data:
        run.dataset = ", ".join(str(part).rsplit("/", 1)[-1] for part in data)[:500]
    run.precision = _PRECISIONS.get(str(arguments.get("torch_dtype") or arguments.get("dtype")))
    sizes = [(arguments.get(key), short) for key, short in _DIMENSIONS]
    run.parallelism = " ".join(f"{short}{n}" for n, short in sizes if isinstance(n, int) and n > 1) or None
    run.config |= {key: arguments[key] for key in _CONFIG if isinstance(arguments.get(key), (str, int, float))}
