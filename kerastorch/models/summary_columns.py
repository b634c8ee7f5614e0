"""What further columns of a summary say of a layer: dtypes, kernels, memory, multiply-adds, torch's count."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ..base.layer import Layer
from ..base.variables import all_variables
from ..dtypes import dtype_name
from ..errors import ArgumentError, quote
from ..layers.rnn.sequence import SequenceLayer
from ..structure import map_shapes
from ._layer_list import HeldLayers
from .input import InputLayer
from .model import Model

# The names of columns, as `summary` takes them, and what stands above them.
TITLES: dict[str, tuple[str, ...]] = {
    "dtype": ("Dtype",),
    "trainable": ("Trainable",),
    "kernel": ("Kernel", "Why"),
    "memory": ("Memory",),
    "mult_adds": ("Mult-adds",),
    "torch": ("In torch",),
}
Column = Callable[[Layer], tuple[str, ...]]
_UNITS = ("B", "KB", "MB", "GB", "TB")


def checked(columns: Sequence[str]) -> tuple[str, ...]:
    """The names of columns.

    Raises:
        ArgumentError: There is no such column.
    """
    wrong = [name for name in columns if name not in TITLES] if not isinstance(columns, str) else [columns]
    if wrong:
        raise ArgumentError(f"summary: columns: expected a list of {', '.join(TITLES)}, got {quote(wrong[0])}.")
    return tuple(columns)


def column_of(model: Model, name: str) -> Column:
    """What makes the cells of a column for the layers of a model."""
    if name == "mult_adds":
        counts = multiply_adds(model)
        return lambda layer: (f"{counts[id(layer)]:,}" if counts.get(id(layer)) else "",)
    found: dict[str, Column] = {
        "dtype": lambda layer: (dtype_name(layer.input_dtype if isinstance(layer, InputLayer) else layer.dtype),),
        "trainable": lambda layer: (trained(layer),),
        "kernel": lambda layer: ("", "") if isinstance(layer, Model) else kernels(layer),
        "memory": lambda layer: (memory(layer),),
        "torch": lambda layer: (f"{counts_in_torch(layer)[0]:,}" if layer._built else "",),
    }
    return found[name]


def value_of(model: Model, name: str) -> Callable[[Layer], dict[str, Any]]:
    """What makes the values of a column for the layers of a model, by name: for programs, with plain numbers."""
    if name == "kernel":
        cells = column_of(model, name)
        return lambda layer: dict(zip(("kernel", "why"), (text or None for text in cells(layer)), strict=True))
    if name == "memory":
        return lambda layer: {"memory_bytes": memory_bytes(layer)}
    if name == "mult_adds":
        counts = multiply_adds(model)
        return lambda layer: {"mult_adds": counts.get(id(layer), 0)}
    if name == "torch":
        return lambda layer: {"parameters_in_torch": counts_in_torch(layer)[0] if layer._built else 0}
    if name == "trainable":
        return lambda layer: {"trainable": {"Y": True, "N": False}.get(trained(layer))}
    cells = column_of(model, name)
    return lambda layer: {name: cells(layer)[0]}


def trained(layer: Layer) -> str:
    """Y or N, and - for a layer without weights."""
    if not layer._built or not list(all_variables(layer)):
        return "-"
    return "Y" if layer.trainable else "N"


def kernels(layer: Layer) -> tuple[str, str]:
    """Which kernel a layer over time, or the ones inside a wrapper, will run on, and why; empty for other layers."""
    found: dict[tuple[str, str], None] = {}
    for module in layer.modules():
        if isinstance(module, SequenceLayer):
            choice = type(module).kernel_choice(module, training=False)
            reason = choice.reason
            while_training = type(module).kernel_choice(module, training=True)
            if while_training != choice:
                reason += f"; while training: {while_training.paths}, because {while_training.reason}"
            found[choice.paths, reason] = None  # the two directions of a Bidirectional mostly say the same
    return "; ".join(path for path, _ in found), "; ".join(reason for _, reason in found)


def memory(layer: Layer) -> str:
    """What the weights of a layer take, in units of 1,024 as in Keras; "" where there are none."""
    size = memory_bytes(layer)
    if size is None:
        return ""
    unit = 0
    shown = float(size)
    while shown >= 1024 and unit < len(_UNITS) - 1:
        shown, unit = shown / 1024, unit + 1
    return f"{shown:.2f} {_UNITS[unit]}"


def memory_bytes(layer: Layer) -> int | None:
    """The same as a number; None where there are no weights."""
    parts = [part for variable in all_variables(layer) for part in variable.parts()] if layer._built else []
    return sum(part.numel() * part.element_size() for part in parts) if parts else None


def counts_in_torch(module: nn.Module) -> tuple[int, int]:
    """How many parameters torch's own modules for a layer or model have, and how many of these are second biases.

    A layer of ours keeps torch's second bias as a buffer of zeros where Keras has one bias.
    """
    second = sum(buffer.numel() for name, buffer in module.named_buffers() if name.split(".")[-1] == "bias_hh_l0")
    return sum(parameter.numel() for parameter in module.parameters()) + second, second


def bias_note(module: nn.Module, keras: int) -> str:
    """The line that explains why Keras and torch count otherwise; "" where they agree.

    Args:
        module: A layer or model.
        keras: How many parameters it has in Keras.
    """
    count, second = counts_in_torch(module)
    if count == keras:
        return ""
    reasons = []
    if second:
        reasons.append(f"torch adds a second bias to each LSTM and RNN; here it is zeros and never trains ({second:,})")
    if count - second != keras:
        reasons.append(f"Keras counts moving statistics, which are buffers in torch ({keras - count + second:,})")
    return f"parameters: Keras {keras:,}, torch {count:,}: {'; '.join(reasons)}"


def _one_row(sizes: list[int], layer: InputLayer | None, dtype: torch.dtype) -> Any:
    """What a model is counted on: numbers without values, and texts of one word."""
    if layer is not None and layer.is_text:
        return np.full(sizes, "a", dtype=object)
    return torch.ones(sizes, dtype=dtype if layer is None else layer.input_dtype, device="meta")


def multiply_adds(model: Model) -> dict[int, int]:
    """Multiply-adds of the matrix products and convolutions of each layer, by its `id`: on one row, unknown sizes 1.

    Texts are counted with one word, unless the layer behind them makes more of each.

    Counted by torch where they happen, on a copy without numbers: torchinfo takes the size of a layer's output for its
    steps, which is wrong for a recurrent layer that returns the last one, and for Dense over time.
    """
    from torch.utils.flop_counter import FlopCounterMode

    shapes: list[Any] = []
    map_shapes(shapes.append, model._in_shape)
    made = copy.deepcopy(model).to("meta").eval()
    inputs = list(model._input_layers) if model._graph is not None else []
    given = inputs or [None] * len(shapes)
    data = [
        _one_row([size or 1 for size in shape], layer, model.dtype) for shape, layer in zip(shapes, given, strict=True)
    ]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        made(data if len(data) > 1 else data[0])
    by_name = {name: sum(of.values()) // 2 for name, of in counter.get_flop_counts().items()}
    root = type(made).__name__
    pairs = zip(model.named_modules(), made.named_modules(), strict=True)
    return {id(module): by_name.get(f"{root}.{name}" if name else root, 0) for (name, module), _ in pairs}


def table_of_torchinfo(module: nn.Module, options: dict[str, Any]) -> str:
    """torchinfo's table, with the names that a person knows.

    It calls the list of a model's layers by its class, which is one of our own, and writes units by the names of an
    enumeration's members on Python 3.11 and later.
    """
    import torchinfo

    text = str(torchinfo.summary(module, verbose=0, **options))
    for unit in torchinfo.Units:
        text = text.replace(f"({unit})", f"({unit.value})")
    return text.replace(f"{HeldLayers.__name__}: ", f"{nn.ModuleList.__name__}: ")
