"""What the inputs of a model must hold: words that an Embedding knows, and the value that is masked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..dtypes import dtype_name
from ..errors import ArgumentError, ShapeError
from ..layers import Embedding, Masking
from .recorder.probes import LENGTHS, ROWS

if TYPE_CHECKING:
    from ..models import Model


def specs_of(model: Model) -> tuple[list[dict[str, Any]], int]:
    """What `recorder.probes.plan` asks of each input, and the first open length that the model takes.

    Raises:
        ArgumentError: It takes none of those that are tried.
    """
    why = ""
    for length in LENGTHS:
        shapes = [(size[0] or ROWS, *(part or length for part in size[1:])) for size in (x.shape for x in model.inputs)]
        try:
            found = [reached(model, shapes, index) for index in range(len(shapes))]
        except ShapeError as error:
            why = str(error)
            continue
        specs = [
            {"name": layer.name, "shape": list(x.shape), "dtype": dtype_name(x.dtype), "ids": words, "pad": masked}
            for layer, x, (words, masked) in zip(model._input_layers, model.inputs, found, strict=True)
        ]
        return specs, length
    raise ArgumentError(f"No open length of {LENGTHS} fits the model; give inputs. {why}")


def reached(model: Model, shapes: Sequence[tuple[int, ...]], index: int) -> tuple[int | None, Any]:
    """How many words the smallest Embedding behind an input knows, and the value that is masked there; None if none.

    Args:
        model: The model.
        shapes: Of the inputs, without open sizes.
        index: Which input.
    """
    probes = [np.full(shape, float(number == index), "float32") for number, shape in enumerate(shapes)]
    sizes: list[int] = []
    masked: list[Any] = []

    def note(layer: Any, arguments: tuple[Any, ...]) -> Any:
        value = arguments[0]
        if not isinstance(value, torch.Tensor) or not bool((value != 0).any()):
            return None
        if isinstance(layer, Masking):
            masked.append(layer.mask_value)
            return None
        sizes.append(layer.input_dim)
        masked.extend([0] if layer.mask_zero else [])
        return (torch.zeros_like(value), *arguments[1:])  # 1 may be no word

    with _hooks(model, note):
        model.predict(probes if len(probes) > 1 else probes[0], batch_size=len(probes[0]))
    return min(sizes, default=None), masked[0] if masked else None


@contextmanager
def _hooks(model: Model, note: Any) -> Iterator[None]:
    """Look at what Embedding and Masking layers get."""
    layers = [module for module in model.modules() if isinstance(module, (Embedding, Masking))]
    handles = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def random_inputs(model: Model, length: int) -> list[np.ndarray]:
    """Inputs for every place: words that an Embedding knows, and masked steps at the end of some rows.

    Args:
        model: The model.
        length: For sizes that the model leaves open.
    """
    rng = np.random.default_rng(0)
    shapes = [(tensor.shape[0] or ROWS, *(size or length for size in tensor.shape[1:])) for tensor in model.inputs]
    found = []
    for index, (tensor, shape) in enumerate(zip(model.inputs, shapes, strict=True)):
        words, masked = reached(model, shapes, index)
        whole = words is not None or not tensor.dtype.is_floating_point
        values = rng.integers(0, words or 2, shape) if whole else rng.normal(size=shape)
        if masked is not None and len(shape) > 1 and shape[1] > 1:
            for row in range(shape[0]):  # the first row has no masked step, and none has only such
                steps = row % shape[1]
                values[row, shape[1] - steps :] = masked
        found.append(values.astype("int64" if whole else "float32"))
    return found
