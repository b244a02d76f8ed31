"""Arrow arrays from numpy and Python values, made of their buffers.

``pyarrow.array`` asks of every value whether it comes from pandas, and imports pandas (0.5 s) to know; an ingest has
nothing of pandas and no half second to give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Missing = npt.NDArray[np.bool_] | None
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _validity(missing: Missing) -> pa.Buffer | None:
    import pyarrow as pa

    if missing is None or not missing.any():
        return None
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))


def flat(values: npt.NDArray[Any], missing: Missing = None, kind: pa.DataType | None = None) -> pa.Array:
    """An array of shape (n,): int64, float64, bool, or microseconds (int64 with ``kind`` timestamp)."""
    import pyarrow as pa

    if values.dtype == np.bool_:
        kind, data = pa.bool_(), np.packbits(values, bitorder="little")
    else:
        data = np.ascontiguousarray(values, np.float64 if values.dtype.kind == "f" else np.int64)
        kind = kind or (pa.float64() if data.dtype.kind == "f" else pa.int64())
    return pa.Array.from_buffers(kind, len(values), [_validity(missing), pa.py_buffer(data)])


def lists(bounds: npt.NDArray[Any], items: pa.Array, missing: Missing = None) -> pa.Array:
    """Lists ``items[bounds[i]:bounds[i + 1]]``; ``missing`` ones are NULL."""
    import pyarrow as pa

    buffers = [_validity(missing), pa.py_buffer(np.ascontiguousarray(bounds, np.int32))]
    return pa.Array.from_buffers(pa.list_(items.type), len(bounds) - 1, buffers, children=[items])


def texts(values: Sequence[str | None]) -> pa.Array:
    """Strings, None where there is none; all must be encodable."""
    import pyarrow as pa

    encoded = [b"" if v is None else v.encode() for v in values]
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(e) for e in encoded], out=offsets[1:])
    missing = np.array([v is None for v in values], np.bool_)
    buffers = [_validity(missing), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(values), buffers)


def column(values: Sequence[Any], kind: str) -> pa.Array:
    """Python values as ``int64``, ``double``, ``bool``, ``timestamp`` (microseconds or `datetime`) or ``string``."""
    import pyarrow as pa

    if kind == "string":
        return texts(values)
    missing = np.array([v is None for v in values], np.bool_)
    if kind == "timestamp":
        whole = [0 if v is None else _microseconds(v) for v in values]
        return flat(np.array(whole, np.int64), missing, pa.timestamp("us"))
    dtype = {"int64": np.int64, "double": np.float64, "bool": np.bool_}[kind]
    return flat(np.array([0 if v is None else v for v in values], dtype), missing)


def _microseconds(value: int | datetime) -> int:
    if isinstance(value, datetime):
        since = value.replace(tzinfo=UTC) - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return value


def table(columns: Mapping[str, pa.Array | npt.NDArray[Any]]) -> pa.Table:
    """A table of named arrays."""
    import pyarrow as pa

    arrays = [flat(c) if isinstance(c, np.ndarray) else c for c in columns.values()]
    return pa.Table.from_arrays(arrays, names=list(columns))
