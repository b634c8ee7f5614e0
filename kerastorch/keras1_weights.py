"""The weights of Keras 1: LSTM and GRU with arrays W, U, b for each gate, joined to the kernels of later versions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from .files import Array
from .layers._variables import Variable

# Class -> the gates in the order of Keras 1's arrays, and in the order of Keras's kernels ever since.
GATES = {"LSTM": ("icfo", "ifco"), "GRU": ("zrh", "zrh")}
_PARTS = ("W", "U", "b")
_NAME = re.compile(r"_([WUb])_([icfozrh])(:\d+)?$")

Named = tuple[str, Array]


def gates_joined(variables: Sequence[Variable], stored: Sequence[Named]) -> list[Named]:
    """Join arrays that stand gate by gate, where the file has them so; else the arrays as they are.

    Args:
        variables: A layer's variables, in legacy order.
        stored: Names and arrays of the layer in the file.
    """
    modules = [(module, len(list(group))) for module, group in groupby(variables, key=lambda v: id(v.module))]
    by_id = {id(variable.module): variable.module for variable in variables}
    sizes = []
    for module, count in modules:
        gates = GATES.get(getattr(by_id[module], "class_name", ""))
        sizes.append((gates, 3 * len(gates[0]) if gates else count))
    if len(stored) == len(variables) or sum(size for _, size in sizes) != len(stored):
        return list(stored)
    joined: list[Named] = []
    rest = list(stored)
    for gates, size in sizes:
        part, rest = rest[:size], rest[size:]
        if gates is None:
            joined += part
        elif not _in_order(part, gates[0]):
            return list(stored)
        else:
            joined += [_join([part[3 * gates[0].index(gate) + kind] for gate in gates[1]]) for kind in range(3)]
    return joined


def _in_order(part: Sequence[Named], order: str) -> bool:
    """Whether the arrays are W, U, b of each gate in order, as far as their names say it."""
    wanted = [(kind, gate) for gate in order for kind in _PARTS]
    found = [_NAME.search(name) for name, _ in part]
    return all(match is None or (match[1], match[2]) == pair for match, pair in zip(found, wanted, strict=True))


def _join(arrays: Sequence[Named]) -> Named:
    """One array from the gates' arrays, side by side along the last axis."""
    first = arrays[0][1]
    alike = all(array.shape[:-1] == first.shape[:-1] and array.dtype == first.dtype for _, array in arrays)
    width = sum(array.shape[-1] for _, array in arrays) if alike and first.shape else -1
    where = f"{first.where} and {len(arrays) - 1} more gates"
    parts = [array for _, array in arrays]
    return arrays[0][0], Array(
        where, (*first.shape[:-1], width), first.dtype, lambda: np.concatenate([part.read() for part in parts], axis=-1)
    )
