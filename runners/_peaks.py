"""The rated peak of a device from the catalogue: what MFU is reckoned against, or why it cannot be."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from llmstats import catalog

#: Column of the catalogue for a precision.  fp32 is TF32 only where torch was told to use it.
_COLUMNS = {"fp32": "peak_fp32", "tf32": "peak_tf32", "fp16": "peak_fp16", "bf16": "peak_bf16"}
_PREFIXES = re.compile(r"(?i)^(?:(?:nvidia|tesla|amd|iluvatar|metax|cambricon|huawei)[ -]+|ascend ?)")
_SIZE = re.compile(r"(?i)[ -]?\b\d+ ?G(?:i?B)?\b")


class Peak(NamedTuple):
    """FLOP/s of one device (None: ``why`` says the reason), and the catalogue's name of it."""

    flops: float | None
    device: str | None
    why: str
    vendor: str | None = None  #: whose device that is, as the catalogue says


def peak_of(name: str | None, memory: int | None, precision: str) -> Peak:
    """Dense peak of one device as software shows it.

    Args:
        name: as torch gives it (``NVIDIA A100-SXM4-80GB``).
        memory: bytes; tells apart what shares a name, and whether a device is a whole card or one of its parts.
        precision: fp32, tf32, fp16 or bf16.
    """
    called = _norm(name or "")
    rows = [row for row in catalog.devices() if called & _names(row)]
    if not rows:  # "H100 PCIe" of the driver is "H100-PCIe-80GB" of the catalogue
        rows = [row for row in catalog.devices() if called & _norm(_SIZE.sub("", row["model"] or ""))]
    if len(rows) > 1:
        rows = [row for row in rows if _share(row, memory)]
    if not rows:
        return Peak(None, None, f"no MFU: {name or 'the device'} is not in the device catalogue")
    column = _COLUMNS[precision]
    peaks = {float(row[column] or 0) / (_share(row, memory) or _parts(row)) for row in rows}
    vendor = rows[0]["vendor"] if len({row["vendor"] for row in rows}) == 1 else None
    models = " or ".join(sorted({str(row["model"]) for row in rows}))
    if len(peaks) > 1:
        return Peak(None, None, f"no MFU: {name} may be {models}, with different peaks", vendor)
    (peak,) = peaks
    if not peak:
        return Peak(None, models, f"no MFU: the device catalogue has no {column} of {models}", vendor)
    source = json.loads(rows[0]["sources"] or "{}").get(column)
    return Peak(peak, models, f"MFU over {peak / 1e12:g} TFLOP/s ({column} of one {models}; {source})", vendor)


def _share(row: dict[str, str | None], memory: int | None) -> int | None:
    """Into how many such devices a card is divided, by the memory of one; None if the card has another memory."""
    whole = float(row.get("memory") or 0)
    if not memory or not whole:
        return _parts(row)
    return next((n for n in (1, _parts(row)) if abs(whole / n / memory - 1) < 0.12), None)


def _parts(row: dict[str, str | None]) -> int:
    return int(row.get("parts") or 1)


def _norm(name: str) -> set[str]:
    """Spellings without case, blanks and signs, with and without the vendor in front."""
    return {re.sub(r"[^a-z0-9]", "", text.lower()) for text in (name, _PREFIXES.sub("", name))} - {""}


def _names(row: dict[str, str | None]) -> set[str]:
    spelled = [row.get("model") or "", *(row.get("aliases") or "").split(";")]
    return {norm for text in spelled for norm in _norm(text.strip())}
