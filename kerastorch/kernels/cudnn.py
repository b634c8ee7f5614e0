"""What cuDNN asks of the arguments of a recurrent kernel: all weights in one array in its layout, contiguous states.

`nn.LSTM` lets its parameters be views of such an array (`flatten_parameters`). Parameters of layers here own their
memory, as copies, state dicts, safetensors and optimizers expect; so the array is made for each call, by one
concatenation, and differentiated like any other operation. Otherwise torch warns at every call, and copies the weights
one by one. Dropped, cast or widened weights, and those of both directions, are then no special case.

It is not kept from call to call: nothing says that a weight has changed. Its version does not count what is written
through `.data`, and tensors of inference have none.

Where each array has its place is read from torch, once for each size. cuDNN keeps room for biases also where there are
none: zeros stand there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

_MODULES: dict[str, tuple[Callable[..., nn.RNNBase], dict[str, Any]]] = {
    "lstm": (nn.LSTM, {}),
    "gru": (nn.GRU, {}),
    "rnn_tanh": (nn.RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (nn.RNN, {"nonlinearity": "relu"}),
}


class Layout(NamedTuple):
    """Where the weights of a kernel stand in one array."""

    offsets: tuple[int, ...]  # of w_ih, w_hh, b_ih, b_hh; with two directions, of those of the second as well
    size: int  # of the whole array


ROWS = 65_535  # of a batch for one call: the second axis of a grid of CUDA ends there


def applies(x: Tensor) -> bool:
    """Whether cuDNN will run a kernel on x: what torch's kernels themselves ask."""
    return x.is_cuda and torch.cudnn_is_acceptable(x)


@functools.cache
def layout(name: str, features: int, units: int, both: bool, dtype: torch.dtype, device: torch.device) -> Layout | None:
    """How cuDNN of this device wants the weights; None if torch does not put them into one array there."""
    cls, config = _MODULES[name]
    # `flatten_parameters` leaves bfloat16 as it is; the places are those of the other dtype of two bytes.
    dtype = torch.float16 if dtype == torch.bfloat16 else dtype
    # By way of "meta": a new module would take random numbers from the generator of the device.
    module = cls(features, units, bidirectional=both, dtype=dtype, device="meta", **config).to_empty(device=device)
    module.flatten_parameters()
    weights = [weight for direction in module.all_weights for weight in direction]
    storage = weights[0].untyped_storage()
    if any(weight.untyped_storage().data_ptr() != storage.data_ptr() for weight in weights):
        return None
    return Layout(tuple(int(w.storage_offset()) for w in weights), storage.nbytes() // weights[0].element_size())


def arrange(name: str, weights: Sequence[Tensor], both: bool) -> list[Tensor]:
    """The weights as views of one array in cuDNN's layout, always with biases.

    Args:
        name: Of the kernel.
        weights: w_ih `(G*U, F)`, w_hh `(G*U, U)` and, with bias, b_ih, b_hh `(G*U,)`; with two directions, those of the
            second as well.
        both: Whether there are two directions.
    """
    directions = 2 if both else 1
    count = len(weights) // directions
    w_ih, w_hh = weights[:2]
    gates = w_hh.shape[0]
    full: list[Tensor | None] = []
    for first in range(0, len(weights), count):
        full += [*weights[first : first + count], *([None] * (4 - count))]
    shapes = [w_ih.shape, w_hh.shape, (gates,), (gates,)] * directions
    places = layout(name, w_ih.shape[1], w_hh.shape[1], both, w_ih.dtype, w_ih.device)
    if places is None:
        return [w_ih.new_zeros(shape) if w is None else w.contiguous() for w, shape in zip(full, shapes, strict=True)]
    pieces: list[Tensor] = []
    end = 0
    for index in sorted(range(len(full)), key=places.offsets.__getitem__):
        weight, offset = full[index], places.offsets[index]
        if offset > end:
            pieces.append(w_ih.new_zeros(offset - end))
        pieces.append(w_ih.new_zeros(gates) if weight is None else weight.reshape(-1))
        end = offset + pieces[-1].numel()
    if places.size > end:
        pieces.append(w_ih.new_zeros(places.size - end))
    array = torch.cat(pieces)
    return [
        array[offset : offset + torch.Size(shape).numel()].view(shape)
        for offset, shape in zip(places.offsets, shapes, strict=True)
    ]
