"""The bare matrix products of a row: what no implementation with the same arithmetic can be faster than."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from _rows import GATES, IMAGE, Arrays, Row

from contestants._torch import DEVICE, finish, versions

__all__ = ["make", "versions"]


class Products:
    """A list of products, each as fast as torch can do it."""

    def __init__(self, shapes: Sequence[tuple[int, int, int, int]]) -> None:
        """Args: `shapes`: (how often one after the other, rows, inner, columns)."""
        self.calls = [(shape[0], _fastest(*shape[1:])) for shape in shapes]
        self.note = f"{2e-9 * sum(math.prod(shape) for shape in shapes):.3g} GFLOP"

    def call(self) -> None:
        with torch.inference_mode():
            for times, product in self.calls:
                for _ in range(times):
                    product()
        finish()

    def numbers(self) -> dict[str, np.ndarray]:
        return {}


def _fastest(rows: int, inner: int, columns: int) -> Callable[[], object]:
    """The BLAS's product, with either layout of the right side, or oneDNN's, which packs the right side before."""
    a, b = torch.randn(rows, inner, device=DEVICE), torch.randn(inner, columns, device=DEVICE)
    turned, out = b.T.contiguous(), torch.empty(rows, columns, device=DEVICE)
    ways: list[Callable[[], object]] = [lambda: torch.mm(a, b, out=out), lambda: torch.mm(a, turned.T, out=out)]
    if DEVICE.type == "cpu" and torch.backends.mkldnn.is_available():
        packed = torch.ops.mkldnn._reorder_linear_weight(turned, rows)
        ways.append(lambda: torch.ops.mkldnn._linear_pointwise(a, packed, None, "none", [], ""))
    return min(ways, key=_seconds)


def _seconds(way: Callable[[], object]) -> float:
    """The best of a few."""
    found = []
    with torch.inference_mode():
        for _ in range(6):
            start = time.perf_counter()
            way()
            finish()
            found.append(time.perf_counter() - start)
    return min(found)


def make(row: Row, arrays: Arrays) -> Products:
    B, T = row.size.B, row.size.T
    shapes: list[tuple[int, int, int, int]] = []
    for weights in arrays.weights:
        for kernel, recurrent in zip(weights[::3], weights[1::3], strict=True):
            places = IMAGE * IMAGE if row.family == "ConvLSTM2D" else 1
            inputs, units = math.prod(kernel.shape[:-1]), math.prod(recurrent.shape[:-1])
            gates = kernel.shape[-1]
            rows = B * places
            # Without reset_after, the candidate's product waits for the reset gate.
            splits = [gates] if row.reset_after else [2 * gates // GATES["GRU"], gates // GATES["GRU"]]
            shapes.append((1, rows * T, inputs, gates))
            shapes += [(T, rows, units, split) for split in splits]
            if row.training:
                shapes += [(T, rows, split, units) for split in splits]
                shapes += [(1, units, rows * T, gates), (1, inputs, rows * T, gates), (1, rows * T, gates, inputs)]
    return Products(shapes)
