"""Inputs whose rows have steps of their own number: PackedSequence and nested tensors. Here they are a mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from ..errors import ArgumentError
from .protocol import AnyLayer
from .weighted import repr_of

_PADDING = (
    "x, lengths = torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True), "
    "mask = torch.arange(x.shape[1]) < lengths[:, None], layer(x, mask=mask)"
)


def refuse_packed(layer: AnyLayer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise for a PackedSequence in a call, if the layer is not of a person's own class, which may take one."""
    if type(layer).__module__.partition(".")[0] != __name__.partition(".")[0]:
        return
    for value in (*args, *kwargs.values()):
        if isinstance(value, PackedSequence):
            raise packed(layer)


def packed(layer: AnyLayer) -> ArgumentError:
    return ArgumentError(
        f"{repr_of(layer)}: expected a tensor, got a PackedSequence. Pad it, and pass the valid steps as mask=, which "
        f"gives the same numbers: {_PADDING}."
    )


def refuse_nested(layer: AnyLayer, x: Any) -> None:
    """Raise for a nested tensor, whose shape is none that a layer could be built for."""
    if isinstance(x, Tensor) and x.is_nested:
        raise ArgumentError(
            f"{repr_of(layer)}: expected a padded tensor, got a nested one. Pad it, and pass the valid steps as mask=: "
            "layer(torch.nested.to_padded_tensor(x, 0.0), mask=mask), where mask (batch, timesteps) is True at the "
            "steps to use."
        )


def refuse_layout(layer: AnyLayer, x: Tensor) -> None:
    """Raise for a nested or sparse tensor."""
    refuse_nested(layer, x)
    if x.layout != torch.strided:
        raise ArgumentError(
            f"{repr_of(layer)}: expected a dense tensor, got one of layout {x.layout}; pass x.to_dense()."
        )
