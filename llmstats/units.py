"""Units as people write them, and how many of the store's unit one of them is."""

from __future__ import annotations

#: The store's unit -> spelling -> factor.  Case counts: ``MB`` is no ``mb``, ``ms`` no ``Ms``.
_SPELLINGS: dict[str, dict[str, float]] = {
    "s": {"s": 1, "sec": 1, "seconds": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60, "h": 3600},
    "bytes": {
        "bytes": 1, "B": 1, "KB": 1e3, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
        "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
    },
    "fraction": {"fraction": 1, "%": 0.01, "percent": 0.01},
    "token": {"token": 1, "tokens": 1, "k tokens": 1e3},
    "token/s": {"token/s": 1, "tokens/s": 1, "tok/s": 1, "tps": 1, "token/min": 1 / 60},
    "token/s/device": {"token/s/device": 1, "tokens/s/device": 1, "tok/s/gpu": 1, "tokens/s/gpu": 1, "tgs": 1},
    "sample/s": {"sample/s": 1, "samples/s": 1},
    "request/s": {"request/s": 1, "requests/s": 1, "req/s": 1, "qps": 1, "request/min": 1 / 60, "rpm": 1 / 60},
    "FLOP/s": {"FLOP/s": 1, "GFLOP/s": 1e9, "TFLOP/s": 1e12, "PFLOP/s": 1e15},
    "TFLOP/s/device": {"TFLOP/s/device": 1, "TFLOP/s": 1, "TFLOPS": 1, "GFLOP/s": 1e-3, "PFLOP/s": 1e3},
    "W": {"W": 1, "mW": 1e-3, "kW": 1e3},
    "J": {"J": 1, "mJ": 1e-3, "kJ": 1e3, "Wh": 3600, "kWh": 3.6e6},
    "°C": {"°C": 1, "C": 1},
}  # fmt: skip


def factor(unit: str, canonical: str | None) -> float | None:
    """``value in unit * factor`` is the value in the store's unit; None where the one is not the other's kind."""
    if unit == (canonical or ""):
        return 1.0
    return _SPELLINGS.get(canonical or "", {}).get(unit)


def spellings(canonical: str | None) -> list[str]:
    """Units that can be converted into one of the store's."""
    return sorted(_SPELLINGS.get(canonical or "", {canonical or "": 1.0}))
