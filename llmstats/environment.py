"""What a run ran on and with: devices, versions, host, commit, command line.  Never fails: what is not found is None.

Devices come from torch where the program has imported it, else from the first vendor's tool on the PATH that answers,
else there is the processor alone.
"""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from itertools import pairwise
from typing import Any

from llmstats.redact import without_secrets

Device = dict[str, Any]  #: vendor, model, memory (bytes), driver; each None where unknown

#: Beginnings of the names of environment variables that change what a workload does.
_MATTER = (
    "ASCEND_", "ATB_", "CNCL_", "CUDA_", "CUBLAS_", "DEEPSPEED_", "GLOO_", "HCCL_", "HIP_", "HSA_", "INF_NAN_", "LCCL_",
    "MLU_", "MKL_", "MUSA_", "NCCL_", "NPU_", "OMP_", "PYTORCH_", "RCCL_", "ROCM_", "ROCR_", "TASK_QUEUE_", "TORCH",
    "TOKENIZERS_", "TRITON_", "VLLM_", "XPU_",
)  # fmt: skip
_MATTER_WHOLE = frozenset(
    ["LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "NNODES", "NPROC_PER_NODE", "PORT", "RANK", "WORLD_SIZE"]
)
_SECRET = re.compile(r"TOKEN(?!IZERS_)|KEY|PASS|SECRET|CREDENTIAL|AUTH|COOKIE", re.I)
_PACKAGES = (
    "accelerate", "deepspeed", "flash-attn", "flagscale", "lmdeploy", "megatron-core", "mindspeed", "mmengine",
    "numpy", "sglang", "tokenizers", "torch", "torch-mlu", "torch-musa", "torch-npu", "transformers", "triton", "vllm",
    "vllm-ascend", "xtuner",
)  # fmt: skip


def capture(directory: str | None = None, argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Everything, as run.json keeps it.

    Args:
        directory: of which the git commit is taken; None: the current one.
        argv: the command line; None: this program's.
    """
    found, told_by = devices()
    return {
        "host": platform.node() or None,
        "os": _os_name(),
        "kernel": platform.release() or None,
        "python": platform.python_version(),
        "cpu": cpu_model(),
        "cpu_count": os.cpu_count(),
        "host_memory": host_memory(),
        "devices": found,
        "devices_told_by": told_by,
        "versions": versions(),
        "git": git_commit(directory or "."),
        "command_line": without_secrets(sys.argv if argv is None else argv),
        "variables": variables(),
    }


def variables(of: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment variables that change what a workload does; never one whose name smells of a secret."""
    given = os.environ if of is None else of
    wanted = {k: v for k, v in given.items() if k.startswith(_MATTER) or k in _MATTER_WHOLE}
    return {k: v for k, v in sorted(wanted.items()) if not _SECRET.search(k)}


def one_device(found: Sequence[Device]) -> Device | None:
    """The device that all of them are; None where there is none or they differ."""
    kinds = {(d.get("vendor"), d.get("model")) for d in found}
    return found[0] if len(kinds) == 1 else None


# --------------------------------------------------------------------------- host


def _ask(*command: str, seconds: float = 10.0) -> str | None:
    """Output of a program; None where it is not there, fails, hangs or prints nothing."""
    path = shutil.which(command[0])
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, *command[1:]], capture_output=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = done.stdout.decode("utf-8", "replace").strip()
    return text if done.returncode == 0 and text else None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


def _os_name() -> str | None:
    named = re.search(r'^PRETTY_NAME="?([^"\n]+)', _read("/etc/os-release"), re.M)
    return named[1] if named else platform.system() or None


def cpu_model() -> str | None:
    """The processor's name as the kernel tells it."""
    named = re.search(r"^(?:model name|Model Name|cpu model)\s*:\s*(\S.*)$", _read("/proc/cpuinfo"), re.M)
    if named:
        return named[1].strip()
    told = re.search(r"^Model name:\s*(\S.*)$", _ask("lscpu") or "", re.M)
    return told[1].strip() if told else platform.processor() or platform.machine() or None


def host_memory() -> int | None:
    """Main memory in bytes."""
    total = re.search(r"^MemTotal:\s*(\d+) kB", _read("/proc/meminfo"), re.M)
    return int(total[1]) * 1024 if total else None


def git_commit(directory: str) -> dict[str, Any] | None:
    """Commit of the directory and whether tracked files differ from it; None outside a repository."""
    commit = _ask("git", "-C", directory, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _ask("git", "-C", directory, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": changed is not None}


def versions() -> dict[str, str]:
    """Versions of the packages and toolkits that are here."""
    known = {name: version for name in _PACKAGES if (version := _version(name))}
    torch = sys.modules.get("torch")
    inside = getattr(torch, "version", None)
    told = {"cuda": getattr(inside, "cuda", None), "hip": getattr(inside, "hip", None), "cann": _cann()}
    return known | {name: str(value) for name, value in told.items() if value}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cann() -> str | None:
    """Version of Ascend's toolkit: ``version=`` of its install info."""
    home = next((os.environ[k] for k in ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH") if os.environ.get(k)), None)
    home = home or "/usr/local/Ascend/ascend-toolkit/latest"
    for machine in (f"{platform.machine()}-linux", "."):
        told = re.search(r"^version=(\S+)", _read(f"{home}/{machine}/ascend_toolkit_install.info"), re.M)
        if told:
            return told[1]
    return None


# --------------------------------------------------------------------------- devices


def devices() -> tuple[list[Device], str | None]:
    """All accelerators in order and who told of them; the processor (with no vendor split off) where there is none."""
    if "torch" in sys.modules and (found := torch_devices()):
        return found, "torch"
    for tool, (command, read) in TOOLS.items():
        text = _ask(*command)
        if text and (found := read(text)):
            return found, tool
    return [{"vendor": None, "model": cpu_model(), "memory": host_memory(), "driver": None}], "cpu"


#: torch's name of a kind of device -> who makes it, where that is one company; ``cuda`` is imitated by several.
TORCH_VENDORS = {"cuda": None, "npu": "Ascend", "mlu": "Cambricon", "musa": "Moore Threads", "xpu": "Intel"}
_CUDA_VENDORS = {
    "NVIDIA": re.compile(r"NVIDIA|Tesla|GeForce|Quadro", re.I),
    "AMD": re.compile(r"\bAMD\b|Instinct|Radeon", re.I),
    "Iluvatar": re.compile(r"Iluvatar", re.I),
    "MetaX": re.compile(r"MetaX|\bMXC", re.I),
}


def torch_devices() -> list[Device]:
    """Accelerators of the imported torch; empty where it sees none."""
    torch = sys.modules["torch"]
    for kind in TORCH_VENDORS:
        module = getattr(torch, kind, None)
        if module is not None and _available(module):
            return [torch_device(kind, module, index) for index in range(module.device_count())]
    return []


def _available(module: Any) -> bool:
    try:
        return bool(module.is_available())
    except (AttributeError, RuntimeError):
        return False


def torch_device(kind: str, module: Any, index: int) -> Device:
    """One device of ``torch.cuda`` and the like; whose it is where kind or name tell."""
    found: Device = {"vendor": TORCH_VENDORS[kind], "model": None, "memory": None, "driver": None}
    try:
        found["model"] = module.get_device_name(index)
        found["memory"] = int(module.get_device_properties(index).total_memory)
    except (AttributeError, RuntimeError):
        pass  # an older plug-in: what it does not say stays unknown
    named = (vendor for vendor, pattern in _CUDA_VENDORS.items() if pattern.search(found["model"] or ""))
    found["vendor"] = found["vendor"] or next(named, None)
    return found


def _query_csv(vendor: str) -> Callable[[str], list[Device]]:
    """``name, memory.total [MiB], driver_version`` of nvidia-smi and what imitates it."""

    def read(text: str) -> list[Device]:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if len(row) == 3]
        return [
            {"vendor": vendor, "model": model, "memory": _mib(memory), "driver": driver}
            for model, memory, driver in rows
        ]

    return read


def _mib(text: str) -> int | None:
    number = re.match(r"\d+", text)
    return int(number[0]) << 20 if number else None


def _rocm(text: str) -> list[Device]:
    """``rocm-smi --json``: one object per card, and ``system`` with the driver."""
    try:
        told = json.loads(text)
    except ValueError:
        return []
    if not isinstance(told, dict):
        return []
    driver = told.get("system", {}).get("Driver version")
    cards = [card for name, card in told.items() if re.fullmatch(r"card\d+", name)]
    return [
        {
            "vendor": "AMD",
            "model": card.get("Card Series") or card.get("Card series"),
            "memory": int(card.get("VRAM Total Memory (B)", 0)) or None,
            "driver": driver,
        }
        for card in cards
    ]


#: First line of a card in the tables of npu-smi, mx-smi and cnmon: its number and name.
_CARD = re.compile(r"^\|\s*\d+\s+(?:/\s+)?(?P<model>(?=\w*\d)[A-Za-z0-9][\w.-]*)(?:\s|\|)")
_USED_OF = re.compile(r"\d+\s*(?:MiB|MB)?\s*/\s*(?P<total>\d+)")


def _table(vendor: str, driver: re.Pattern[str]) -> Callable[[str], list[Device]]:
    """Cards of two lines each: number and name, then memory as the last ``used / total`` in MiB."""

    def read(text: str) -> list[Device]:
        version = driver.search(text)
        found: list[Device] = []
        lines = text.splitlines()
        for first, second in pairwise(lines):
            card, memory = _CARD.match(first), [m["total"] for m in _USED_OF.finditer(second)]
            if card and memory and int(memory[-1]):
                model = card["model"]
                told = version[1] if version else None
                found.append({"vendor": vendor, "model": model, "memory": int(memory[-1]) << 20, "driver": told})
        return found

    return read


_QUERY = ("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits")
#: Tool -> how to ask it, and how to read its answer.
TOOLS: Mapping[str, tuple[Sequence[str], Callable[[str], list[Device]]]] = {
    "nvidia-smi": (("nvidia-smi", *_QUERY), _query_csv("NVIDIA")),
    "npu-smi": (("npu-smi", "info"), _table("Ascend", re.compile(r"\bVersion: (\S+)"))),
    "rocm-smi": (
        ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--showdriverversion", "--json"),
        _rocm,
    ),
    "mx-smi": (("mx-smi",), _table("MetaX", re.compile(r"Kernel Mode Driver Version: (\S+)"))),
    "ixsmi": (("ixsmi", *_QUERY), _query_csv("Iluvatar")),
    "cnmon": (("cnmon",), _table("Cambricon", re.compile(r"Driver v(\S+)"))),
}
