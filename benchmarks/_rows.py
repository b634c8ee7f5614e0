"""What is measured: the rows of the table, which columns there are, and the arrays that a row is computed on.

Plain data and numpy: every process imports it, whatever framework it holds.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

FAMILIES = ("LSTM", "GRU", "SimpleRNN", "BiLSTM", "2-layer LSTM", "ConvLSTM2D")
VARIANTS = ("default", "right mask", "random mask", "relu", "recurrent_dropout", "reset_after=False", "return_state")
MODES = ("inference", "training")
# Column -> what it says at the top of a table.
COLUMNS = {
    "kerastorch": "kerastorch",
    "torch": "torch.nn",
    "keras-jax": "Keras, JAX (jit)",
    "keras-tensorflow": "Keras, TF (graph)",
    "keras-xla": "Keras, TF (jit_compile)",
    "keras-torch": "Keras, torch",
    "gemm": "GEMM limit",
}
# The same layer without its mask, in kerastorch's process: a masked row's yardstick, measured in the same turns.
UNMASKED = "unmasked"
GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1, "BiLSTM": 4, "2-layer LSTM": 4, "ConvLSTM2D": 4}
RATE = 0.2  # of recurrent_dropout
IMAGE, KERNEL, NARROWER = 8, 3, 8  # ConvLSTM2D: 8 x 8 places, 3 x 3 kernels, F/8 and U/8 channels


class Size(NamedTuple):
    """Batch, steps, features, units."""

    B: int
    T: int
    F: int
    U: int

    def __str__(self) -> str:
        return "x".join(map(str, self))


SIZES = (Size(1, 50, 16, 64), Size(32, 100, 64, 128), Size(128, 50, 128, 256), Size(64, 500, 32, 64))
MIDDLE = SIZES[1]
GROWTH = {"T": (50, 100, 200, 400), "B": (8, 32, 128), "U": (64, 128, 256, 512)}


@dataclass(frozen=True)
class Row:
    """One row: a layer in one configuration, at one size, in inference or training."""

    family: str
    variant: str
    mode: str
    size: Size

    @property
    def key(self) -> str:
        return f"{self.family}/{self.variant}/{self.mode}/{self.size}"

    @property
    def training(self) -> bool:
        return self.mode == "training"

    @property
    def masked(self) -> bool:
        return self.variant.endswith("mask")

    @property
    def activation(self) -> str:
        return "relu" if self.variant == "relu" else "tanh"

    @property
    def recurrent_dropout(self) -> float:
        return RATE if self.variant == "recurrent_dropout" else 0.0

    @property
    def reset_after(self) -> bool:
        return self.variant != "reset_after=False"

    @property
    def return_state(self) -> bool:
        return self.variant == "return_state"

    @property
    def channels(self) -> tuple[int, int]:
        """Features and units as the layer gets them."""
        narrower = NARROWER if self.family == "ConvLSTM2D" else 1
        return self.size.F // narrower, self.size.U // narrower

    def unmasked(self) -> Row:
        return Row(self.family, "default", self.mode, self.size)

    def describe(self) -> dict[str, Any]:
        """What is sent to another process."""
        return {"family": self.family, "variant": self.variant, "mode": self.mode, "size": tuple(self.size)}


def row_of(described: dict[str, Any]) -> Row:
    return Row(**{**described, "size": Size(*described["size"])})


def exists(family: str, variant: str, mode: str) -> bool:
    """Only a GRU has `reset_after`; without training, recurrent_dropout is the default row once more."""
    if variant == "reset_after=False":
        return family == "GRU"
    return variant != "recurrent_dropout" or mode == "training"


def table_rows() -> list[Row]:
    """Every row, in such an order that a run that is stopped early has seen some of everything."""
    order = (MIDDLE, SIZES[0], SIZES[2], SIZES[3])
    return [
        Row(family, variant, mode, size)
        for size in order
        for variant in VARIANTS
        for family in FAMILIES
        for mode in MODES
        if exists(family, variant, mode)
    ]


def quick_rows() -> list[Row]:
    """The middle size whole; of the others, LSTM and GRU as they come."""
    return [
        row
        for row in table_rows()
        if row.size == MIDDLE or (row.variant == "default" and row.family in ("LSTM", "GRU", "ConvLSTM2D"))
    ]


def growth_rows() -> list[Row]:
    """An LSTM on torch's kernel and one on ours, with one letter of the size growing at a time."""
    sizes = {MIDDLE._replace(**{letter: value}) for letter, values in GROWTH.items() for value in values}
    return [
        Row("LSTM", variant, mode, size) for variant in ("default", "relu") for mode in MODES for size in sorted(sizes)
    ]


def memory_rows() -> list[Row]:
    return [
        Row("LSTM", variant, mode, size)
        for size in (MIDDLE, SIZES[3])
        for variant in ("default", "random mask", "relu")
        for mode in MODES
    ]


def select(rows: Iterable[Row], patterns: Sequence[str]) -> list[Row]:
    """The rows whose keys fit one of the patterns (`GRU/*/training/*`), each once; all where there is no pattern."""
    found = {row.key: row for row in rows if not patterns or any(fnmatch.fnmatch(row.key, p) for p in patterns)}
    return list(found.values())


# ---------------------------------------------------------------------------- the arrays of a row


@dataclass(frozen=True)
class Arrays:
    """What a row is computed on, the same in every process.

    Args:
        x: `(B, T, F)`, or `(B, T, 8, 8, F)`.
        mask: bool `(B, T)`, or None.
        weights: Of each layer, in Keras's order and layout.
        upstream: What the output's gradient is.
    """

    x: np.ndarray
    mask: np.ndarray | None
    weights: list[list[np.ndarray]]
    upstream: np.ndarray


def make_arrays(row: Row) -> Arrays:
    """Random, distinct values in every array; weights as large as torch draws them, so that no state grows."""
    rng = np.random.default_rng(7)
    B, T = row.size.B, row.size.T
    F, U = row.channels
    places = (IMAGE, IMAGE) if row.family == "ConvLSTM2D" else ()
    window = (KERNEL, KERNEL) if places else ()
    width = GATES[row.family] * U

    def weights(features: int) -> list[np.ndarray]:
        bound = 1 / math.sqrt(U * math.prod(window))
        bias = (2, width) if row.family == "GRU" and row.reset_after else (width,)
        shapes = ((*window, features, width), (*window, U, width), bias)
        return [rng.uniform(-bound, bound, shape).astype("float32") for shape in shapes]

    inputs = {"BiLSTM": (F, F), "2-layer LSTM": (F, U)}.get(row.family, (F,))
    outputs = 2 * U if row.family == "BiLSTM" else U
    made = [weights(features) for features in inputs]
    if row.family == "BiLSTM":
        made = [made[0] + made[1]]
    x, mask = rng.normal(size=(B, T, *places, F)).astype("float32"), _mask(rng, row)
    upstream = rng.normal(size=(B, T, *places, outputs)).astype("float32")
    if mask is not None:
        upstream[~mask] = (
            0  # nobody's loss counts padding; and there a packed sequence has zeros, Keras the last output
        )
    return Arrays(x, mask, made, upstream)


def _mask(rng: np.random.Generator, row: Row) -> np.ndarray | None:
    """Lengths between a quarter and all of the steps (one row is whole), or a third of the steps left out anywhere."""
    B, T = row.size.B, row.size.T
    if row.variant == "right mask":
        lengths = rng.integers(T // 4, T + 1, size=(B, 1))
        lengths[0] = T if B > 1 else 3 * T // 4
        return np.arange(T) < lengths
    if row.variant == "random mask":
        return rng.random((B, T)) < 2 / 3
    return None
