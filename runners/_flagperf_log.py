"""``container.out.log`` as FlagPerf's ``run_inference.py`` writes it (loguru's default format), and its Finish Info.

The keys are FlagPerf's own and so are their oddities, since its host program and other readers look for them: every
rate is called ``(qps)`` and counts prompt tokens here; ``flops`` is FLOP/s (2 x parameters x core rate), not FLOP;
times are rounded to three decimals.  Ours differs in three points: a rate is not inflated by the number of repeats,
``precision`` says ``bf16`` where it is (FlagPerf knows fp16 and fp32 alone), and further keys of our own come last.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TextIO

#: Vendors as FlagPerf's folders call them.
_VENDORS = {"Moore Threads": "mthreads", "Hygon": "dcu"}
_WHERE = "llmstats.runners.inference"


class ContainerLog:
    """A log that is complete up to its last line whenever the process dies."""

    def __init__(self, file: TextIO, talk: TextIO | None) -> None:
        self._file, self._talk = file, talk

    def event(self, level: str, message: str = "") -> None:
        """One of FlagPerf's events: ``Init Begin``, ``Vendor Compile End`` …"""
        self._write(level, message)

    def step(self, number: int, of: int) -> None:
        self._write("DEBUG", f"Step: {number} / {of}", aloud=False)

    def info(self, message: str) -> None:
        self._write("INFO", message)

    def error(self, message: str) -> None:
        self._write("ERROR", message.replace("\n", " "), aloud=False)  # who started this process says it aloud

    def accuracy(self, label: str, value: float) -> None:
        self.info(f"{label} Acc: {value!r}")

    def rates(self, stage: str, whole: float, core: float) -> None:
        """``stage``: Validation or Inference."""
        self.info(f"{stage}(pytorch) Perf: {whole!r} tps")
        self.info(f"{stage}(pytorch) core Perf: {core!r} tps")

    def finish(self, info: Mapping[str, Any]) -> None:
        """The line that FlagPerf's host program reads: one flat dict."""
        self._write("Finish Info", repr(dict(info)), aloud=False)

    def _write(self, level: str, message: str, *, aloud: bool = True) -> None:
        clock = datetime.now().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        self._file.write(f"{clock} | {level:<8} | {_WHERE}:measure:0 - {message}\n")
        self._file.flush()
        if self._talk is not None and aloud:
            self._talk.write(f"{level}: {message}\n" if not level.isupper() else f"{message}\n")
            self._talk.flush()


def vendor_word(vendor: str | None) -> str | None:
    """``NVIDIA`` as FlagPerf's folder is called."""
    return None if vendor is None else _VENDORS.get(vendor, vendor.lower())


def finish_info(
    *,
    vendor: str | None,
    compiler: str | None,
    precision: str,
    batch_size: int,
    flops: float | None,
    seconds: float,
    validation: tuple[float, float, float] | None,
    inference: tuple[float, float, float] | None,
) -> dict[str, Any]:
    """FlagPerf's twelve keys in its order; a stage is (whole rate, core rate, accuracy)."""
    val, inf = ([round(v, 3) for v in stage] if stage else [None] * 3 for stage in (validation, inference))
    return {
        "vendor": vendor_word(vendor),
        "compiler": compiler,
        "precision": precision,
        "batchsize": batch_size,
        "flops": flops,
        "e2e_time(second)": round(seconds, 3),
        "p_validation_whole(qps)": val[0],
        "p_validation_core(qps)": val[1],
        "p_inference_whole(qps)": inf[0],
        "*p_inference_core(qps)": inf[1],
        "val_average_acc": val[2],
        "infer_average_acc": inf[2],
    }
