"""The arrays of Keras layers, layer by layer: of a model of ours, or of a file, with or without an architecture."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import layers
from ..base.layer import Layer
from ..errors import LoadError, quote
from ..files import Archive, LegacyWeights
from ..models import Model

_RECURRENT = (layers.LSTM, layers.GRU, layers.SimpleRNN)


@dataclass(frozen=True)
class Group:
    """The arrays of one layer in Keras's order.

    Attributes:
        name: The layer's, with those of the layers around it: `context/forward_lstm`.
        shapes: Of the arrays.
        read: The arrays as tensors.
        layer: The layer, where there is one; a file of weights has none.
        kind: The layer's class by the name of its group in the file, where that says it.
        reverse: Whether it goes backwards; None if nobody can say.
    """

    name: str
    shapes: list[tuple[int, ...]]
    read: Callable[[], list[Tensor]]
    layer: Any = None
    kind: str | None = None
    reverse: bool | None = None

    @property
    def says(self) -> str:
        """How it is called in reports: `lstm (LSTM)`."""
        kind = type(self.layer)._class_name if self.layer is not None else self.kind
        return f"{self.name}{f' ({kind})' if kind else ''}"


def groups_of_model(model: Layer) -> list[Group]:
    """The layers of a model that have weights of their own, in their order."""
    found: list[Group] = []
    seen: set[int] = set()

    def walk(layer: Any, path: str, reverse: bool | None) -> None:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        if isinstance(layer, layers.Bidirectional):
            for inner, end in zip(layer._directions, (False, True), strict=True):
                walk(inner, f"{path}/{inner.name}", end)
        elif isinstance(layer, Model):
            for inner in layer.layers:
                walk(inner, f"{path}/{inner.name}" if path else inner.name, None)
        elif isinstance(layer, layers.TimeDistributed):
            walk(layer.layer, f"{path}/{layer.layer.name}", None)
        elif isinstance(layer, layers.RNN):
            cells = layer.cell.cells if isinstance(layer.cell, layers.StackedRNNCells) else [layer.cell]
            for inner in cells:
                walk(inner, f"{path}/{inner.name}", layer.go_backwards)
        elif layer.weights:
            backwards = layer.go_backwards if reverse is None and isinstance(layer, _RECURRENT) else reverse
            shapes = [tuple(weight.shape) for weight in layer.weights]
            found.append(
                Group(path, shapes, lambda: list(map(torch.from_numpy, layer.get_weights())), layer, None, backwards)
            )

    walk(model, "" if isinstance(model, Model) else model.name, None)
    return found


def groups_of_weights(archive: Archive) -> list[Group]:
    """The groups of arrays in a file of weights; those of the two directions of a Bidirectional apart."""
    weights = archive.weights
    if weights is None:
        return []
    if isinstance(weights, LegacyWeights):
        named: list[tuple[str, Sequence[Any], str | None]] = [
            (layer.name, [array for _, array in layer.weights], None) for layer in weights.layers
        ]
    else:
        gathered: dict[str, list[Any]] = {}
        for path, item in weights.objects.items():
            name = re.sub(r"^(layers|_layer_checkpoint_dependencies)/|/cell$", "", path)
            name = re.sub(r"/(?:cell|layer)(?=/|$)", "", name)
            gathered.setdefault(name, []).extend(item.arrays)
        ordered = sorted(gathered.items(), key=lambda item: [_numbered(part) for part in item[0].split("/")])
        named = [(name, arrays, _class_of(name)) for name, arrays in ordered]
    found: list[Group] = []
    for name, arrays, kind in named:
        half = len(arrays) // 2
        if len(arrays) in (4, 6) and _shapes(arrays[:half]) == _shapes(arrays[half:]) and arrays[0].shape[1:]:
            found.append(_group(f"{name}/forward", arrays[:half], None, False))
            found.append(_group(f"{name}/backward", arrays[half:], None, True))
        elif arrays:
            reverse = "backward" in name if "forward" in name or "backward" in name else None
            found.append(_group(name, arrays, kind, reverse))
    return found


def _group(name: str, arrays: Sequence[Any], kind: str | None, reverse: bool | None) -> Group:
    return Group(name, _shapes(arrays), lambda: [_tensor(array) for array in arrays], None, kind, reverse)


def _shapes(arrays: Sequence[Any]) -> list[tuple[int, ...]]:
    return [tuple(array.shape) for array in arrays]


def _tensor(array: Any) -> Tensor:
    """The values of an array of a file, in memory of its own."""
    if array.dtype == "bfloat16":
        return torch.from_numpy(np.array(array.read()).view(np.int16)).view(torch.bfloat16)
    if array.dtype == "opaque2":
        raise LoadError(
            f"{quote(array.where)}: the file does not say the dtype of this array of two bytes each; load the model "
            "with its architecture, which says it."
        )
    return torch.from_numpy(np.array(array.read()))


def _numbered(name: str) -> tuple[str, int]:
    """`dense_10` behind `dense_9`: in Keras's trees the numbers of a class are in the order of the model."""
    stem, _, number = name.rpartition("_")
    return (stem, int(number)) if stem and number.isdecimal() else (name, 0)


def _class_of(name: str) -> str | None:
    """The class in a path of a tree: `time_distributed/dense_1` holds a Dense."""
    stem = _numbered(name.rpartition("/")[2])[0]
    known = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls).lower(): cls for cls in ("Dense", "Embedding", "LSTM", "GRU")}
    return known.get(stem)
