"""The places in a torch module that hold weights of a Keras layer, and the maps between the two layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..convert import (
    gru_from_torch,
    gru_to_torch,
    lstm_from_torch,
    lstm_to_torch,
    simple_rnn_from_torch,
    simple_rnn_to_torch,
)

Arrays = list[Tensor]
_RECURRENT: tuple[tuple[tuple[type[nn.Module], ...], str, Callable[..., Any], Callable[..., Any]], ...] = (
    ((nn.LSTM, nn.LSTMCell), "LSTM", lstm_to_torch, lstm_from_torch),
    ((nn.GRU, nn.GRUCell), "GRU", gru_to_torch, gru_from_torch),
    ((nn.RNN, nn.RNNCell), "SimpleRNN", simple_rnn_to_torch, simple_rnn_from_torch),
)
_CONVOLUTIONS: dict[type[nn.Module], str] = {
    nn.Conv1d: "Conv1D",
    nn.Conv2d: "Conv2D",
    nn.Conv3d: "Conv3D",
    nn.ConvTranspose1d: "Conv1DTranspose",
    nn.ConvTranspose2d: "Conv2DTranspose",
    nn.ConvTranspose3d: "Conv3DTranspose",
}
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Slot:
    """One Keras layer's place in a torch module: one layer and direction of an nn.LSTM, one nn.Linear.

    Attributes:
        path: The module's path, as in `get_submodule`.
        part: Which part of it, as a person reads it: "layer 0, backward"; empty if it is all of the module.
        kind: The Keras layer: "LSTM", "Dense", ...
        module: The module.
        shapes: Of Keras's arrays, in Keras's order.
        entries: The tensors that are filled, by their names in the module.
        to_torch: From Keras's arrays to the values of these.
        from_torch: The way back; takes `sum_biases`.
        reverse: Whether it goes backwards; None where there is no direction.
    """

    path: str
    part: str
    kind: str
    module: nn.Module
    shapes: list[tuple[int, ...]]
    entries: Mapping[str, Tensor]
    to_torch: Callable[[Arrays], dict[str, Tensor]]
    from_torch: Callable[[bool], Arrays]
    reverse: bool | None = None

    @property
    def name(self) -> str:
        """How it is called in reports: `encoder.rnn (layer 0, backward)`."""
        return f"{self.path or 'the module itself'}{f' ({self.part})' if self.part else ''}"


def slots_of(module: nn.Module) -> tuple[list[Slot], list[str]]:
    """The places for weights in a module's own order, and the names of parameters that stand in none of them."""
    found: list[Slot] = []
    known: set[int] = set()
    for path, part in module.named_modules():
        for slot in _slots(path, part):
            if all(id(value) in known for value in slot.entries.values()):
                continue  # the same module under a second name
            known |= {id(value) for value in slot.entries.values()}
            found.append(slot)
    for slot in found:  # of an LSTM, the bias that Keras does not have too
        known |= {id(value) for value in slot.module.parameters(recurse=False)}
    return found, [name for name, value in module.named_parameters() if id(value) not in known]


def _slots(path: str, module: nn.Module) -> Iterator[Slot]:
    for classes, kind, to_torch, from_torch in _RECURRENT:
        if isinstance(module, classes):
            yield from _recurrent(path, module, kind, to_torch, from_torch)
            return
    if isinstance(module, nn.Linear):
        yield _one(path, module, "Dense", {"weight": (1, 0), "bias": None})
    elif isinstance(module, nn.Embedding):
        yield _one(path, module, "Embedding", {"weight": None})
    elif type(module) in _CONVOLUTIONS:
        rank = module.weight.ndim - 2  # type: ignore[operator,union-attr]
        order = (*range(2, 2 + rank), 1, 0)  # (out, in, ...) -> (..., in, out); of a transposed one (..., out, in)
        yield _one(path, module, _CONVOLUTIONS[type(module)], {"weight": order, "bias": None})
    elif isinstance(module, _BATCH_NORMS):
        yield _one(
            path,
            module,
            "BatchNormalization",
            {"weight": None, "bias": None, "running_mean": None, "running_var": None},
        )
    elif isinstance(module, nn.LayerNorm):
        yield _one(path, module, "LayerNormalization", {"weight": None, "bias": None})


def _one(path: str, module: nn.Module, kind: str, orders: Mapping[str, tuple[int, ...] | None]) -> Slot:
    """A module whose tensors are Keras's arrays with their axes in another order."""
    entries = {name: value for name in orders if isinstance(value := getattr(module, name), Tensor)}

    def into(arrays: Arrays) -> dict[str, Tensor]:
        made = {}
        for (name, _), array in zip(entries.items(), arrays, strict=True):
            order = orders[name]
            made[name] = array if order is None else array.permute(*(order.index(axis) for axis in range(array.ndim)))
        return made

    def back(_: bool) -> Arrays:
        return [_permuted(value.detach(), orders[name]) for name, value in entries.items()]

    return Slot(path, "", kind, module, [tuple(value.shape) for value in back(False)], entries, into, back)


def _permuted(value: Tensor, order: tuple[int, ...] | None) -> Tensor:
    return value if order is None else value.permute(*order)


def _recurrent(
    path: str, module: Any, kind: str, to_torch: Callable[..., Any], from_torch: Callable[..., Any]
) -> Iterator[Slot]:
    is_cell = isinstance(module, nn.RNNCellBase)
    layers = 1 if is_cell else module.num_layers
    directions = (None,) if is_cell else (False, True) if module.bidirectional else (False,)
    for layer in range(layers):
        for reverse in directions:
            end = "" if is_cell else f"_l{layer}_reverse" if reverse else f"_l{layer}"
            names = [f"{part}{end}" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            entries = {name: getattr(module, name) for name in names if isinstance(getattr(module, name, None), Tensor)}
            rows, features = entries[names[0]].shape
            units = module.hidden_size
            bias = [(2, rows) if kind == "GRU" else (rows,)] if len(entries) == 4 else []
            parts = [f"layer {layer}"] if layers > 1 else []
            parts += ["backward" if reverse else "forward"] if len(directions) > 1 else []

            def into(arrays: Arrays, end: str = end) -> dict[str, Tensor]:
                made = to_torch(*arrays)
                return {f"{name.removesuffix('_l0')}{end}": value for name, value in made.items()}

            def back(sum_biases: bool, entries: Mapping[str, Tensor] = entries, end: str = end) -> Arrays:
                state = {f"{name.removesuffix(end)}_l0": value.detach() for name, value in entries.items()}
                options = {} if kind == "GRU" else {"sum_biases": sum_biases}
                return [array for array in from_torch(state, **options) if array is not None]

            shapes = [(features, rows), (units, rows), *bias]
            yield Slot(path, ", ".join(parts), kind, module, shapes, entries, into, back, reverse)


@torch.no_grad()
def fill(slot: Slot, values: Mapping[str, Tensor]) -> None:
    """Put values into the tensors of a place; dtype, device and `requires_grad` of these stay."""
    for name, target in slot.entries.items():
        target.copy_(values[name])
