"""The values that ship with the package: what each trial computes in float64, and how far rounding moves it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("values.npz")
SCHEMA = 1


@dataclass(frozen=True)
class Expected:
    """What a trial shall compute.

    Attributes:
        digest: Of the trial.
        outputs: Its outputs in float64.
        roundings: How far rounding in float32 moves each, at most, as measured where the values were made.
        judged_by: Which Keras has computed the same in float64; empty if none can.
    """

    digest: str
    outputs: tuple[np.ndarray, ...]
    roundings: tuple[float, ...]
    judged_by: str


def read(path: Path = FILE) -> dict[str, Expected]:
    """What each trial shall compute, by its key."""
    with np.load(path, allow_pickle=False) as stored:
        said = json.loads(stored["index"].tobytes().decode())
        values = stored["values"]
    found: dict[str, Expected] = {}
    at = 0
    for key, entry in said["trials"].items():
        outputs = []
        for shape in entry["shapes"]:
            size = int(np.prod(shape))
            outputs.append(values[at : at + size].reshape(shape))
            at += size
        found[key] = Expected(entry["digest"], tuple(outputs), tuple(entry["roundings"]), entry["judged_by"])
    return found


def write(found: Mapping[str, Expected], path: Path = FILE) -> None:
    """Write them; the same values give the same bytes."""
    entries: dict[str, Any] = {
        key: {
            "digest": item.digest,
            "shapes": [list(array.shape) for array in item.outputs],
            "roundings": [float(f"{rounding:.3e}") for rounding in item.roundings],
            "judged_by": item.judged_by,
        }
        for key, item in found.items()
    }
    text = json.dumps({"schema": SCHEMA, "trials": entries}, separators=(",", ":"))
    arrays: Sequence[np.ndarray] = [array.ravel() for item in found.values() for array in item.outputs]
    index = np.frombuffer(text.encode(), "uint8")
    np.savez_compressed(path, index=index, values=np.concatenate(arrays).astype("float64"))
