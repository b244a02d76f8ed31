"""`llmstats run flagscale`: FlagScale's evaluation of Aquila-33B on LAMBADA, eight-way tensor parallel.

Source of the layout: the case's README in FlagPerf (``ckpts/``, ``data/``, ``tokenizer/``); of the arguments:
``examples/aquila/33B/evaluate_aquila_33b.sh`` of FlagOpen/FlagScale.  33B and 34B are one network: 60 layers, hidden
size 6144, 48 heads in 8 groups of keys and values.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from llmstats.errors import InputError
from llmstats.running import Job, Plan, Runner

from ._launch import launch

LOG = "flagscale.log"
#: Tensor-parallel parts that the case's checkpoint is cut into.
PARTS = 8
_TEXTS = "lambada_test_bak.jsonl"
_RESULT = re.compile(r"validation results on AQUILA \| \S")

#: The network and how it is evaluated; values that do not depend on the machine.
_NETWORK = shlex.split(
    "--num-layers 60 --hidden-size 6144 --num-attention-heads 48 --group-query-attention --num-query-groups 8"
    " --hidden-dim-multiplier 1.3 --multiple-of 4096 --seq-length 4096 --max-position-embeddings 4096"
    " --layernorm-epsilon 1e-5 --layernorm-init-weight 0.3 --apply-layernorm-rms --use-rotary-position-embeddings"
    " --no-position-embedding --swiglu --untie-embeddings-and-output-weights --disable-bias-linear"
    " --make-vocab-size-divisible-by 64"
)
_LOADING = ("--no-load-optim", "--no-load-rng", "--log-interval", "1")


@dataclass(frozen=True)
class Layout:
    """The case's data directory."""

    root: Path

    @property
    def checkpoint(self) -> Path:
        return self.root / "ckpts"

    @property
    def texts(self) -> Path:
        return self.root / "data" / _TEXTS

    @property
    def tokenizer(self) -> Path:
        return self.root / "tokenizer"

    def missing(self) -> Iterator[str]:
        """What is not there, each as a line that says what was expected."""
        yield from self._missing_checkpoint()
        if not self.texts.is_file():
            near = sorted(p.name for p in self.texts.parent.glob("*.jsonl"))
            yield f"data/{_TEXTS}: the texts" + (f" (there is {', '.join(near)}: rename or link it)" if near else "")
        for name in ("merges.txt", "special_tokens.txt", "vocab.json"):
            if not (self.tokenizer / name).is_file():
                yield f"tokenizer/{name}: of the open model"

    def _missing_checkpoint(self) -> Iterator[str]:
        latest = self.checkpoint / "latest_checkpointed_iteration.txt"
        told = latest.read_text("utf-8", "replace").strip() if latest.is_file() else ""
        if not told:
            yield "ckpts/latest_checkpointed_iteration.txt: the number of the iteration to load (135000)"
        number = int(told) if re.fullmatch(r"[0-9]{1,18}", told) else 0
        folder = self.checkpoint / ("release" if told == "release" else f"iter_{number:07}")
        there = sorted(p.name for p in self.checkpoint.glob("iter_*")) if self.checkpoint.is_dir() else []
        if told and not folder.is_dir():
            also = f" (there is {', '.join(there)})" if there else ""
            yield f"ckpts/{folder.name}/: latest_checkpointed_iteration.txt says {told}{also}"
        elif told:
            yield from self._missing_parts(folder)
        elif not there:
            yield f"ckpts/iter_…/mp_rank_00 … mp_rank_{PARTS - 1:02}: the weights, merged and cut again into {PARTS}"

    def _missing_parts(self, folder: Path) -> Iterator[str]:
        for part in range(PARTS):
            file = folder / f"mp_rank_{part:02}" / "model_optim_rng.pt"
            if not file.is_file():
                yield f"{file.relative_to(self.root)}: part {part + 1} of {PARTS} of the weights"
        more = sorted(p.name for p in folder.glob("mp_rank_*"))[PARTS:]
        if more:
            yield f"a checkpoint of {PARTS} parts: {', '.join(more)} are more than that; cut it into {PARTS}"


class FlagScale(Runner):
    """Thin: the arguments are the case's, the numbers FlagScale's."""

    name = "flagscale"
    title = "FlagScale's LAMBADA evaluation of Aquila-33B, tensor parallel over eight devices."
    about = """\
--data-dir must hold ckpts/ (eight parts), data/lambada_test_bak.jsonl and tokenizer/; what is missing is listed. Runs
tasks/main.py of --flagscale under torch.distributed.run; its mean loss is the result.
"""
    options = (
        click.Option(["--flagscale"], required=True, type=click.Path(file_okay=False), help="A checkout of FlagScale."),
        click.Option(
            ["--data-dir"], required=True, type=click.Path(file_okay=False), help="Weights, texts, tokenizer."
        ),
        click.Option(["--precision"], type=click.Choice(["fp16", "bf16"]), default="fp16"),
        click.Option(["--metric"], type=click.Choice(["loss", "accuracy"]), default="loss"),
        click.Option(["--micro-batch-size"], type=click.IntRange(1), default=1),
        click.Option(["--flash-attn"], is_flag=True, help="Pass --use-flash-attn."),
        click.Option(["--master-port"], type=click.IntRange(1, 65535), default=6000),
        click.Option(["--python"], default="python3", help="The interpreter that FlagScale's packages are in."),
    )

    def plan(self, given: Mapping[str, Any]) -> Plan:
        root = Path(given["flagscale"]).absolute()
        if not (root / "tasks" / "main.py").is_file():
            raise InputError(f"--flagscale {root}: no tasks/main.py; FlagScale up to v0.3 has it (later ones do not)")
        layout = Layout(Path(given["data_dir"]).absolute())
        if missing := list(layout.missing()):
            raise InputError(f"--data-dir {layout.root} lacks:\n" + "\n".join(f"  {line}" for line in missing))
        return Plan(
            "aquila-33b_lambada",
            command=_command(given, layout),
            directory=str(root),
            environment={"CUDA_DEVICE_MAX_CONNECTIONS": "1", "OMP_NUM_THREADS": "4"},
            files=["run.json", LOG],
            notes=list(_notes(given)),
            facts=_facts(given),
        )

    def run(self, plan: Plan, job: Job) -> int:
        code = launch(plan, job, LOG)
        text = Path(job.file(LOG)).read_text("utf-8", "replace")
        if not code and not _RESULT.search(text):
            error = "it ended without an error and without a result: no line 'validation results on AQUILA'"
            job.finish("failed", exit_code=code, error=error)
            job.say(f"failed: {error} ({job.file(LOG)})")
            return 1
        return code


def _command(given: Mapping[str, Any], layout: Layout) -> list[str]:
    launcher = ["-m", "torch.distributed.run", f"--nproc_per_node={PARTS}", "--nnodes=1"]
    return [
        given["python"],
        *launcher,
        "--master_addr=localhost",
        f"--master_port={given['master_port']}",
        "tasks/main.py",
        *("--task", "AQUILA", "--eval-metric", given["metric"], "--valid-data", str(layout.texts)),
        *("--tokenizer-type", "AquilaTokenizer", "--vocab-file", str(layout.tokenizer / "vocab.json")),
        *("--merge-file", str(layout.tokenizer / "merges.txt")),
        *("--special-tokens-file", str(layout.tokenizer / "special_tokens.txt")),
        *("--load", str(layout.checkpoint)),
        *("--tensor-model-parallel-size", str(PARTS), "--pipeline-model-parallel-size", "1"),
        *_NETWORK,
        *("--micro-batch-size", str(given["micro_batch_size"])),
        *_LOADING,
        f"--{given['precision']}",
        *(["--use-flash-attn"] if given["flash_attn"] else []),
    ]


def _notes(given: Mapping[str, Any]) -> Iterator[str]:
    if given["precision"] == "fp16":
        yield "fp16, as the case's published result says; FlagScale's own script passes --bf16 (--precision bf16)"
    yield "FlagScale prints loss or accuracy, no throughput: the time is that of run.json, loading included"
    yield "NCCL_* are left as your environment sets them"


def _facts(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": "evaluation",
        "framework": "FlagScale",
        "model": "aquila-33b",
        "dataset": "lambada",
        "device_count": PARTS,
        "precision": given["precision"],
        "parallelism": f"tp{PARTS}",
        "config": {"batch_size": given["micro_batch_size"], "eval_metric": given["metric"]},
    }
