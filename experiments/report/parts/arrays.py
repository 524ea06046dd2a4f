"""Numbers packed for a page: little-endian arrays in base64, and long series thinned."""

from __future__ import annotations

import base64
from typing import Any, Literal

import numpy as np

from tandem_sim.grids.types import FloatArray

How = Literal["mean", "max", "min"]
NONE = -32768
"""The whole number that stands for no number in an array of 16 bits."""
_LARGEST = 32767


def packed(values: FloatArray, step: float | None = None) -> dict[str, Any]:
    """An array with a ``kind``, its ``data`` in base64, and for whole numbers their ``step``.

    Without `step` numbers are of 32 bits (``f4``, seven digits). With one they are whole multiples of it in
    16 bits (``i2``), where they fit; the error is half a step at most. NaN stays.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    if step is not None:
        whole = np.round(flat / step)
        if not (np.abs(whole) > _LARGEST).any():
            whole[~np.isfinite(whole)] = NONE
            return {"kind": "i2", "step": step, "data": _base64(whole.astype("<i2"))}
    return {"kind": "f4", "data": _base64(flat.astype("<f4"))}


def unpacked(array: dict[str, Any]) -> FloatArray:
    """The numbers of a packed array."""
    data = base64.b64decode(array["data"])
    if array["kind"] == "f4":
        return np.frombuffer(data, "<f4").astype(np.float64)
    whole = np.frombuffer(data, "<i2").astype(np.float64)
    whole[whole == NONE] = np.nan
    return whole * float(array["step"])


def thinned(values: FloatArray, every: int, how: How) -> FloatArray:
    """One value for each `every` rows along the first axis: mean, greatest or least of their numbers."""
    if every == 1:
        return values
    rows = -(-len(values) // every)
    full = np.full((rows * every, *values.shape[1:]), np.nan)
    full[: len(values)] = values
    blocks = full.reshape(rows, every, *values.shape[1:])
    known = np.isfinite(blocks)
    if how == "mean":
        count = known.sum(axis=1)
        sums = np.where(known, blocks, 0.0).sum(axis=1)
        return np.where(count > 0, sums / np.maximum(count, 1), np.nan)
    edge = -np.inf if how == "max" else np.inf
    found = getattr(np.where(known, blocks, edge), how)(axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def _base64(array: Any) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
