"""A device by torch's name for it: the vendor's plug-in, waiting for it, and its memory."""

from __future__ import annotations

import importlib
import resource
from dataclasses import dataclass
from typing import Any

from llmstats import environment
from llmstats.errors import InputError

#: torch's name of a kind of device -> the module that brings it to torch.
PLUG_INS = {"npu": "torch_npu", "mlu": "torch_mlu", "musa": "torch_musa", "xpu": "intel_extension_for_pytorch"}
KINDS = ("cuda", "npu", "mlu", "musa", "xpu", "cpu")


@dataclass(frozen=True)
class Accelerator:
    """The devices that this process works with.

    ``module`` is ``torch.cuda`` and the like (None: the processor); no device but those of ``indices`` is touched,
    since the first touch of a device takes memory there.
    """

    kind: str
    module: Any = None
    indices: tuple[int, ...] = (0,)

    @property
    def place(self) -> str:
        """Where inputs go: the first device, as torch writes it."""
        return "cpu" if self.module is None else f"{self.kind}:{self.indices[0]}"

    def sync(self) -> None:
        """Wait until all that was given to the devices is done."""
        if self.module is not None:
            for index in self.indices:
                self.module.synchronize(index)

    def forget_peaks(self) -> None:
        """Begin a new reckoning of the memory peaks."""
        if self.module is not None and hasattr(self.module, "reset_peak_memory_stats"):
            for index in self.indices:
                self.module.reset_peak_memory_stats(index)

    def memory(self) -> list[dict[str, int | None]]:
        """Bytes per device: in use as the driver sees it, in all, and the peaks of torch's allocator."""
        if self.module is None:
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            return [{"used": used, "total": environment.host_memory(), "allocated_peak": None, "reserved_peak": None}]
        return [self._memory(index) for index in self.indices]

    def _memory(self, index: int) -> dict[str, int | None]:
        free, total = self._ask("mem_get_info", index) or (None, None)
        return {
            "used": None if free is None or total is None else total - free,
            "total": total,
            "allocated_peak": self._ask("max_memory_allocated", index),
            "reserved_peak": self._ask("max_memory_reserved", index),
        }

    def _ask(self, name: str, index: int) -> Any:
        """An answer of the module; None where a plug-in lacks the function."""
        function = getattr(self.module, name, None)
        return None if function is None else function(index)

    def device(self) -> environment.Device:
        """Vendor, model and memory of the first device."""
        if self.module is None:
            return {"vendor": None, "model": environment.cpu_model(), "memory": environment.host_memory()}
        return environment.torch_device(self.kind, self.module, self.indices[0])


def accelerator(kind: str | None) -> Accelerator:
    """The devices of that kind, or of the first kind that is there.

    Raises:
        InputError: torch sees none of them.
    """
    import torch

    if kind == "cpu":
        return Accelerator("cpu")
    for candidate in KINDS[:-1] if kind is None else (kind,):
        missing = _plug_in(candidate)
        module = getattr(torch, candidate, None)
        if module is not None and module.is_available():
            return Accelerator(candidate, module)
        if kind is not None:
            hint = f"its plug-in {missing} is not installed" if missing else f"torch {torch.__version__} sees no device"
            raise InputError(f"--device {kind}: {hint}")
    return Accelerator("cpu")


def _plug_in(kind: str) -> str | None:
    """Import the vendor's module; its name where it is not there.  Newer torch knows some kinds by itself."""
    name = PLUG_INS.get(kind)
    if name is None:
        return None
    try:
        importlib.import_module(name)
    except ImportError:
        return name
    return None
