"""A model's state dict as a file: names and plain tensors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..files.replacing import replacing

if TYPE_CHECKING:
    from ..models import Model


def write_state_dict(model: Model, path: str, kind: str, writer: str, wrote: Callable[[int], None]) -> None:
    """Write `model.state_dict()`; what stood at `path` stays whole until the new file is.

    Args:
        model: The model.
        path: The file.
        kind: "torch" or "safetensors".
        writer: Which Keras wrote the original, for the metadata.
        wrote: Called with the number of values of each tensor.

    Raises:
        SaveError: The file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    known: dict[int, Tensor] = {}
    for name, value in model.state_dict(keep_vars=True).items():
        # One tensor under two names stays one in a .pt file; a part of a larger one must not bring all of it along.
        if id(value) not in known or kind == "safetensors":
            known[id(value)] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
            wrote(value.numel())
        tensors[name] = known[id(value)]
    with replacing(path) as temporary:
        if kind == "torch":
            with open(temporary, "wb") as file:  # by a path, torch would write its name into the file
                torch.save(tensors, file)
            return
        from safetensors.torch import save_file

        save_file(tensors, temporary, metadata=_metadata(model, writer))
        _sort_metadata(temporary)


def _metadata(model: Model, writer: str) -> dict[str, str]:
    """What the tensors' names do not say: the model, and for each prefix of names the layer's name and class."""
    layers = {f"layers.{index}": [layer.name, layer._class_name] for index, layer in enumerate(model.layers)}
    return {"format": "pt", "keras_version": writer, "model": model.name, "layers": json.dumps(layers)}


def _sort_metadata(path: str) -> None:
    """Bring the metadata into one order: the library writes it in another one each time."""
    with open(path, "r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) <= size:
            file.seek(8)
            file.write(text.ljust(size))
