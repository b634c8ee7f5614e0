"""Arrays that older Keras laid out in another way, brought to the layout that the layer has now.

What Keras 2 converted on loading, and with its conditions: the gates of Keras 1, its kernels of convolutions, and
CuDNNLSTM and CuDNNGRU to and from LSTM and GRU. Nothing is read here: each result is an `Array` that reads its sources.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from torch import nn

from ..base.layer import Layer
from ..base.variables import Variable
from ..files import Array, LegacyWeights
from ..gates import GRU, LSTM

Named = tuple[str, Array]

_CELLS = {"LSTM": LSTM, "GRU": GRU, "ConvLSTM2D": LSTM}  # of which Keras 1 kept each gate's arrays
_PARTS = ("W", "U", "b")
_NAME = re.compile(r"_([WUb])_([icfozrh])(:\d+)?$")
# Keras 1, by class and data_format: the axes of its kernel in the order of today's.
_KERNEL_AXES = {
    ("Conv2D", "channels_first"): (2, 3, 1, 0),
    ("Conv3D", "channels_first"): (2, 3, 4, 1, 0),
    ("Conv2DTranspose", "channels_first"): (2, 3, 0, 1),
    ("Conv2DTranspose", "channels_last"): (0, 1, 3, 2),
    ("SeparableConv2D", "channels_first"): (2, 3, 1, 0),
    ("ConvLSTM2D", "channels_first"): (2, 3, 1, 0),
}
# The name of any weight in Keras 1: TensorFlow puts ":0" behind it, Theano nothing.
_KERAS_1_NAME = re.compile(r"(_[WUb](_[icfozrh])?|_(depth|point)wise_kernel)(_\d+)?(?P<output>:\d+)?$|(^|/)param_\d+$")


@dataclass
class Converted:
    """The arrays of one layer as the layer has them, what was done, what cannot be, and what cuDNN's layers wrote."""

    arrays: list[Named]
    rules: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    from_cudnn: list[nn.Module] = field(default_factory=list)


def converted(variables: Sequence[Variable], stored: Sequence[Named], *, keras1: bool, sum_biases: bool) -> Converted:
    """Bring the arrays of a layer, or of a model in one group, to the layout of its variables.

    Args:
        variables: The layer's variables, in legacy order.
        stored: Names and arrays in the file.
        keras1: Whether Keras 1 wrote the file.
        sum_biases: Whether the two biases of a CuDNNLSTM may become one.
    """
    groups = [list(group) for _, group in groupby(variables, key=lambda variable: id(variable.module))]
    cells = [_CELLS.get(class_of(group[0])) if len(group) == 3 else None for group in groups]
    sizes = [3 * cell.count if cell else len(group) for cell, group in zip(cells, groups, strict=True)]
    per_gate = len(stored) != len(variables) and sum(sizes) == len(stored)
    if not per_gate:
        if len(stored) != len(variables):
            return Converted(list(stored))
        sizes = [len(group) for group in groups]
    result = Converted([])
    at = 0
    for group, cell, size in zip(groups, cells, sizes, strict=True):
        part = list(stored[at : at + size])
        at += size
        if keras1:
            part = _highway(group[0], _kernels_of_keras1(group[0], part))
        if per_gate and cell:
            if not _in_order(part, cell.keras1):
                return Converted(list(stored))
            gates = [[part[3 * cell.keras1.index(gate) + kind] for gate in cell.keras] for kind in range(3)]
            result.problems += [text for arrays in gates if (text := _apart(arrays)) is not None]
            if result.problems:
                return Converted(list(stored), problems=result.problems)
            part = [_join(arrays) for arrays in gates]
        if len(group) == 3 == len(part):
            part = _cudnn(group, part, sum_biases, result)
        result.arrays += part
    return result


def class_of(variable: Variable) -> str:
    """The Keras class of the layer that a variable is part of."""
    return variable.module._class_name if isinstance(variable.module, Layer) else ""


def _mapped(item: Named, shape: tuple[int, ...], function: Callable[[np.ndarray], np.ndarray]) -> Named:
    name, array = item
    return name, array.made_by(function, shape)


# ---------------------------------------------------------------- Keras 1


def _in_order(part: Sequence[Named], order: str) -> bool:
    """Whether the arrays are W, U, b of each gate in order, as far as their names say it."""
    wanted = [(kind, gate) for gate in order for kind in _PARTS]
    found = [_NAME.search(name) for name, _ in part]
    return all(match is None or (match[1], match[2]) == pair for match, pair in zip(found, wanted, strict=True))


def _apart(arrays: Sequence[Named]) -> str | None:
    """Why the arrays of the gates cannot be concatenated; None if they can."""
    kinds = {(array.shape[:-1], array.dtype) for _, array in arrays}
    if len(kinds) == 1 and arrays[0][1].shape:
        return None
    listed = ", ".join(f"{array.where} {array.shape} {array.dtype}" for _, array in arrays)
    return f"the arrays of its gates do not fit together: {listed}"


def _join(arrays: Sequence[Named]) -> Named:
    """One array from the gates' arrays, side by side along the last axis."""
    first = arrays[0][1]
    width = sum(array.shape[-1] for _, array in arrays)
    where = f"{first.where} and {len(arrays) - 1} more gates"
    parts = [array for _, array in arrays]
    return arrays[0][0], Array(
        where,
        (*first.shape[:-1], width),
        first.dtype,
        lambda: np.concatenate([part.read() for part in parts], axis=-1),
        _unwritten=lambda: sum(part.unwritten for part in parts),
    )


def named_by_theano(weights: LegacyWeights) -> bool:
    """Whether Keras 1 wrote the arrays while it ran on Theano, as far as their names say it."""
    found = [_KERAS_1_NAME.search(name) for layer in weights.layers for name, _ in layer.weights]
    return any(match is not None and match["output"] is None for match in found)


def _kernels_of_keras1(variable: Variable, part: list[Named]) -> list[Named]:
    """Kernels of convolutions, which Keras 1 kept in the order of the axes of its backend."""
    name, layer = class_of(variable), variable.module
    axes = _KERNEL_AXES.get((name, getattr(layer, "data_format", "")))
    if axes is not None:
        return [_transposed(item, axes) if len(item[1].shape) == len(axes) else item for item in part]
    if name == "Conv1D" and part and len(part[0][1].shape) == 4:
        # Keras 1.0 and 1.1 wrote (filters, in, length, 1), later (length, 1, in, filters).
        wanted, shape = variable.shape, part[0][1].shape
        old = (shape[0], *shape[2:]) != (wanted[0], *wanted[1:]) and shape[3] == 1
        kernel = _transposed(part[0], (2, 3, 1, 0)) if old else part[0]
        shape = kernel[1].shape
        if shape[1] == 1:
            return [_mapped(kernel, (shape[0], *shape[2:]), lambda array: array[:, 0]), *part[1:]]
    return part


def _highway(variable: Variable, part: list[Named]) -> list[Named]:
    """The arrays of a Highway: W, W_carry, b, b_carry; the first versions of Keras 1 wrote W, b, W_carry, b_carry."""
    if class_of(variable) == "Highway" and len(part) == 4 and len(part[1][1].shape) == 1:
        return [part[0], part[2], part[1], part[3]]
    return part


def _transposed(item: Named, axes: tuple[int, ...]) -> Named:
    shape = item[1].shape
    return _mapped(item, tuple(shape[axis] for axis in axes), lambda array: array.transpose(axes))


# ---------------------------------------------------------------- cuDNN


def _cudnn(group: Sequence[Variable], part: list[Named], sum_biases: bool, result: Converted) -> list[Named]:
    """Between LSTM and CuDNNLSTM, and between GRU (`reset_after=True`) and CuDNNGRU; told apart by their biases."""
    target = class_of(group[0])
    if target not in ("LSTM", "CuDNNLSTM", "GRU", "CuDNNGRU") or group[2].name != "bias":
        return part
    bias, wanted = part[2][1].shape, group[2].shape
    units = group[1].shape[0]
    if bias == wanted or part[1][1].shape[:1] != (units,):
        return part
    if "LSTM" in target:
        sources: dict[tuple[int, ...], str] = {(8 * units,): "CuDNNLSTM", (4 * units,): "LSTM"}
    else:
        sources = {
            (6 * units,): "CuDNNGRU",
            (2, 3 * units): "GRU(reset_after=True)",
            (3 * units,): "GRU(reset_after=False)",
        }
    source, target = sources.get(bias), sources.get(wanted, target)
    if source is None:
        return part
    if "GRU(reset_after=False)" in (source, target):
        return part  # they compute different things
    if source == "CuDNNLSTM" and not sum_biases:
        result.problems.append(
            "the file has a CuDNNLSTM with two biases, an LSTM has one: pass sum_biases=True to load their sum, as "
            "Keras 2 does (the same outputs, but the two cannot be told apart again), or make the layer a CuDNNLSTM"
        )
        return part
    gates = (LSTM if "LSTM" in target else GRU).count
    from_cudnn = source.startswith("CuDNN")
    kernels = [_mapped(item, item[1].shape, lambda array: _blocks(array, gates, from_cudnn)) for item in part[:2]]
    result.rules.append(f"{source} -> {target}{_BIASES[source]}")
    if from_cudnn:
        result.from_cudnn.append(group[0].module)
    return [*kernels, _mapped(part[2], wanted, _BIAS_MAPS[source])]


def bias_hint(variable: Variable, shape: tuple[int, ...]) -> str:
    """What a GRU's bias of another variant says about the layer in the file; empty for everything else."""
    if class_of(variable) not in ("GRU", "CuDNNGRU") or variable.name != "bias":
        return ""
    size = variable.parts()[0].shape[0]
    kinds: dict[tuple[int, ...], str] = {
        (size,): "a GRU with reset_after=False",
        (2, size): "a GRU with reset_after=True",
        (2 * size,): "a CuDNNGRU",
    }
    if shape not in kinds:
        return ""
    return f" ({kinds[shape]}: make the layer with reset_after={shape != (size,)}, the two compute different things)"


_BIASES = {
    "CuDNNLSTM": ": its two biases are added",
    "LSTM": ": its bias is halved into two",
    "CuDNNGRU": "",
    "GRU(reset_after=True)": "",
}
_BIAS_MAPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "CuDNNLSTM": lambda bias: bias[: len(bias) // 2] + bias[len(bias) // 2 :],
    "LSTM": lambda bias: np.tile(bias * bias.dtype.type(0.5), 2),
    "CuDNNGRU": lambda bias: bias.reshape(2, -1),
    "GRU(reset_after=True)": lambda bias: bias.reshape(-1),
}


def plain_from_cudnn(class_name: str, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The weights of a CuDNNLSTM or CuDNNGRU, kernel, recurrent kernel and bias, as an LSTM or a GRU has them."""
    gates = (LSTM if class_name == "CuDNNLSTM" else GRU).count
    return [*(_blocks(kernel, gates, True) for kernel in arrays[:2]), _BIAS_MAPS[class_name](arrays[2])]


def _blocks(kernel: np.ndarray, gates: int, from_cudnn: bool) -> np.ndarray:
    """Each gate's block from the memory order that cuDNN reads, (units, rows), to Keras's (rows, units), or back."""
    blocks = np.split(kernel, gates, axis=1)
    rows, units = blocks[0].shape
    if from_cudnn:
        return np.concatenate([block.reshape(units, rows).T for block in blocks], axis=1)
    return np.concatenate([np.ascontiguousarray(block.T).reshape(rows, units) for block in blocks], axis=1)
